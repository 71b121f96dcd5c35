package salesforce

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"millrace/internal/twin/store"
)

// jobTable holds the ingest jobs. They are bookkeeping: a digest of what the org holds leaves them out.
const jobTable = "salesforce._jobs"

// States of a job.
const (
	open       = "Open"
	uploaded   = "UploadComplete"
	inProgress = "InProgress"
	complete   = "JobComplete"
	failed     = "Failed"
	aborted    = "Aborted"
)

// pollsUntilDone is how many times the info call says InProgress before the job is worked on.
const pollsUntilDone = 2

// Unprocessed as a value makes the first job that holds it fail at its row and leave the rest unprocessed: the way to ask
// the twin for that. Later jobs take it as any other text.
const Unprocessed = "unprocessed!"

func (a *API) jobs(c *call, rest []string) (any, error) {
	if len(rest) == 0 {
		if c.Method != http.MethodPost {
			return nil, refuse(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method '%s' not allowed", c.Method)
		}
		return a.newJob(c)
	}
	var out any
	err := a.db.Update(a.meta(c), func(tx *store.Tx) error {
		d := tx.State().Docs.Table(jobTable).Live(rest[0])
		if d == nil {
			return refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
		}
		put := func(fields map[string]string) error {
			return tx.Commit(store.Effect{Kind: "doc.put", Object: jobTable, ID: d.ID, Fields: fields})
		}
		var err error
		switch what := c.Method + " " + strings.Join(rest[1:], "/"); what {
		case "PUT batches":
			if d.Fields["state"] != open || d.Fields["csv"] != "" {
				return refuse(http.StatusBadRequest, "INVALIDJOBSTATE", "Found multiple contents for job: <%s>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job and make sure you only do 'PUT' once on a given Job.", d.ID)
			}
			if !strings.HasPrefix(c.Header.Get("Content-Type"), "text/csv") {
				return refuse(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be text/csv")
			}
			out = empty(http.StatusCreated)
			return put(map[string]string{"csv": string(c.body)})
		case "PATCH ":
			var in struct{ State string }
			if err = decode(c.body, &in); err != nil {
				return err
			}
			if in.State != uploaded && in.State != aborted || in.State == uploaded && d.Fields["state"] != open && d.Fields["state"] != uploaded {
				return refuse(http.StatusBadRequest, "INVALIDJOBSTATE", "Job state %s cannot become %s", d.Fields["state"], in.State)
			}
			if err = put(map[string]string{"state": in.State}); err != nil {
				return err
			}
			out = info(c, d)
		case "GET ":
			if d.Fields["state"] == uploaded || d.Fields["state"] == inProgress {
				if a.poll(d.ID) <= pollsUntilDone {
					if err = put(map[string]string{"state": inProgress}); err != nil {
						return err
					}
				} else if err = a.carryOut(tx, d); err != nil {
					return err
				}
			}
			out = info(c, d)
		case "GET successfulResults", "GET failedResults", "GET unprocessedrecords":
			if d.Fields["state"] != complete && d.Fields["state"] != failed && d.Fields["state"] != aborted {
				return refuse(http.StatusPreconditionFailed, "JOB_NOT_COMPLETE", "the job is %s", d.Fields["state"])
			}
			out = csvBody(d.Fields[rest[1]])
		case "DELETE ":
			out = empty(http.StatusNoContent)
			return tx.Commit(store.Effect{Kind: "doc.delete", Object: jobTable, ID: d.ID})
		default:
			return refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
		}
		return nil
	})
	return out, err
}

func (a *API) poll(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.polls[id]++
	return a.polls[id]
}

func (a *API) newJob(c *call) (any, error) {
	var in struct {
		Object, Operation, ExternalIDFieldName, ContentType, LineEnding, ColumnDelimiter string
	}
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	o, err := findObject(in.Object, http.StatusBadRequest)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"insert", "update", "upsert", "delete"}, in.Operation) {
		return nil, refuse(http.StatusBadRequest, "INVALIDOPERATION", "the operation %s is not supported", in.Operation)
	}
	if f := o.field(in.ExternalIDFieldName); in.Operation == "upsert" && (f == nil || !f.external) {
		return nil, refuse(http.StatusBadRequest, "INVALIDJOB", "Field name provided, %s, is not an External ID or indexed field", in.ExternalIDFieldName)
	}
	if in.LineEnding != "" && in.LineEnding != "LF" || in.ColumnDelimiter != "" && in.ColumnDelimiter != "COMMA" || in.ContentType != "" && in.ContentType != "CSV" {
		return nil, refuse(http.StatusBadRequest, "INVALIDJOB", "the twin takes CSV with commas and LF")
	}
	var out any
	err = a.db.Update(a.meta(c), func(tx *store.Tx) error {
		t := tx.State().Docs.Table(jobTable)
		id := "750Tw" + strconv.Itoa(1_000_000_000+t.Made()) + "AAA"
		fields := map[string]string{"object": o.name, "operation": in.Operation, "externalIdFieldName": in.ExternalIDFieldName, "state": open}
		if err := tx.Commit(store.Effect{Kind: "doc.put", Object: jobTable, ID: id, Fields: fields}); err != nil {
			return err
		}
		out = info(c, tx.State().Docs.Table(jobTable).Live(id))
		return nil
	})
	return out, err
}

func info(c *call, d *store.Doc) any {
	n := func(k string) int { i, _ := strconv.Atoi(d.Fields[k]); return i }
	version, _ := strconv.ParseFloat(strings.TrimPrefix(c.base, "/services/data/v"), 64)
	m := map[string]any{"id": d.ID, "operation": d.Fields["operation"], "object": d.Fields["object"], "state": d.Fields["state"], "externalIdFieldName": d.Fields["externalIdFieldName"],
		"concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": version, "lineEnding": "LF", "columnDelimiter": "COMMA", "jobType": "V2Ingest", "createdById": "005Tw0000000001AAA",
		"createdDate": stamp(d.Created), "systemModstamp": stamp(d.Updated), "contentUrl": strings.TrimPrefix(c.base, "/") + "/jobs/ingest/" + d.ID + "/batches",
		"numberRecordsProcessed": n("processed"), "numberRecordsFailed": n("refused"), "retries": 0}
	if e := d.Fields["errorMessage"]; e != "" {
		m["errorMessage"] = e
	}
	return m
}

// carryOut works on a job: every row for itself, the results in an order that is not that of the upload.
func (a *API) carryOut(tx *store.Tx, d *store.Doc) error {
	o, err := findObject(d.Fields["object"], http.StatusBadRequest)
	if err != nil {
		return err
	}
	end := func(state string, fields map[string]string, effects []store.Effect) error {
		fields["state"] = state
		return tx.Commit(append(effects, store.Effect{Kind: "doc.put", Object: jobTable, ID: d.ID, Fields: fields})...)
	}
	rows, err := csv.NewReader(strings.NewReader(d.Fields["csv"])).ReadAll()
	if err != nil || len(rows) == 0 {
		return end(failed, map[string]string{"errorMessage": "InvalidBatch : the CSV cannot be read"}, nil)
	}
	head := rows[0]
	for _, h := range head {
		if o.field(h) == nil {
			return end(failed, map[string]string{"errorMessage": "InvalidBatch : InvalidBatch : Field name not found : " + h, "unprocessedrecords": d.Fields["csv"]}, nil)
		}
	}
	w := &work{s: tx.State(), o: o, keys: map[string]bool{}}
	good, bad, left := [][]string{append([]string{"sf__Id", "sf__Created"}, head...)}, [][]string{append([]string{"sf__Id", "sf__Error"}, head...)}, [][]string{head}
	state := complete
	failedBefore := slices.ContainsFunc(tx.State().Docs.Table(jobTable).All(), func(x *store.Doc) bool { return x.Fields["state"] == failed })
	for _, row := range rows[1:] {
		if slices.Contains(row, Unprocessed) && !failedBefore {
			state = failed
		}
		if state == failed {
			left = append(left, row)
			continue
		}
		id, made, e := w.line(d, head, row)
		if e != nil {
			bad = append(bad, append([]string{id, e.Code + ":" + e.Message + ":" + strings.Join(e.Fields, ",") + " --"}, row...))
			continue
		}
		good = append(good, append([]string{id, strconv.FormatBool(made)}, row...))
	}
	slices.Reverse(good[1:])
	slices.Reverse(bad[1:])
	return end(state, map[string]string{"csv": "done", "processed": strconv.Itoa(len(good) + len(bad) - 2), "refused": strconv.Itoa(len(bad) - 1),
		"successfulResults": quoted(good), "failedResults": quoted(bad), "unprocessedrecords": quoted(left)}, w.effects)
}

// line is one row of a job.
func (w *work) line(d *store.Doc, head, row []string) (id string, made bool, bad *rowError) {
	r := map[string]any{}
	for i, h := range head {
		f := w.o.field(h)
		switch v := row[i]; {
		case f.name == "Id":
			id = v
		case v == "":
		case v == "#N/A":
			r[h] = nil
		case f.typ == "double" || f.typ == "currency" || f.typ == "int":
			r[h] = json.Number(v)
		default:
			r[h] = v
		}
	}
	op := d.Fields["operation"]
	if op == "delete" {
		res, effects := remove(w.s, id)
		w.effects = append(w.effects, effects...)
		if !res.Success {
			return id, false, res.Errors[0]
		}
		return id, false, nil
	}
	if id != "" {
		r["Id"] = id
	}
	res, err := w.write(op, d.Fields["externalIdFieldName"], r)
	if err != nil {
		return id, false, &rowError{Code: "UNKNOWN_EXCEPTION", Message: err.Error(), Fields: []string{}}
	}
	if !res.Success {
		return id, false, res.Errors[0]
	}
	return res.ID, op == "insert" || res.Created != nil && *res.Created, nil
}

// quoted writes rows with every cell in quotes, as Bulk 2.0 does.
func quoted(rows [][]string) string {
	var b strings.Builder
	for _, r := range rows {
		for i, c := range r {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + strings.ReplaceAll(c, `"`, `""`) + `"`)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
