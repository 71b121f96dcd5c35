package salesforce

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"millrace/activate"
	"millrace/internal/httpx"
	"millrace/internal/vendorapi"
)

type jobInfo struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Error string `json:"errorMessage"`
}

// sendJob hands a batch to a Bulk 2.0 job. Nothing is worked on before the job is told that its upload is complete, so
// what fails before that has written nothing.
func (d *destination) sendJob(ctx context.Context, b activate.Batch, fields map[string]sfield) (jobID, requestID string, err error) {
	body, err := d.table(b, fields)
	if err != nil {
		return "", "", err
	}
	spec := map[string]any{"object": b.Target.Object, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF",
		"operation": map[activate.Op]string{activate.Upsert: "upsert", activate.Update: "update", activate.Archive: "delete"}[b.Op]}
	if b.Op == activate.Upsert {
		spec["externalIdFieldName"] = b.Target.Key
	}
	var job jobInfo
	resp, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodPost, Path: "/jobs/ingest", Body: spec, Repeat: httpx.RepeatSafe}, &job)
	if err == nil && job.ID == "" {
		err = errors.New("salesforce: a job was made without an id")
	}
	if err != nil {
		return "", "", nothingWritten(err)
	}
	path := "/jobs/ingest/" + url.PathEscape(job.ID)
	// One upload is taken for a job, so it is not repeated: a job whose upload is in doubt is given up.
	if _, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodPut, Path: path + "/batches", Raw: body, Type: "text/csv; charset=UTF-8", Repeat: httpx.RepeatNever}, nil); err != nil {
		d.abort(ctx, path)
		return "", resp.RequestID, nothingWritten(err)
	}
	// To say it twice changes nothing, so this call is repeated; when it still fails, the job may be at work.
	if _, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodPatch, Path: path, Body: map[string]string{"state": "UploadComplete"}, Repeat: httpx.RepeatSafe}, &job); err != nil {
		var h *httpx.Error
		if errors.As(err, &h) && h.Class == httpx.Transient {
			h.Class = httpx.Unknown
		}
		return "", resp.RequestID, err
	}
	return job.ID, resp.RequestID, nil
}

// nothingWritten classes a failure before the job began: whatever was lost on the way, no row was touched.
func nothingWritten(err error) error {
	var h *httpx.Error
	if errors.As(err, &h) {
		if h.Class == httpx.Unknown {
			h.Class = httpx.Transient
		}
		return err
	}
	return &httpx.Error{Class: httpx.Transient, Method: http.MethodPost, URL: "jobs/ingest", Message: err.Error(), Err: err}
}

func (d *destination) abort(ctx context.Context, path string) {
	if _, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodPatch, Path: path, Body: map[string]string{"state": "Aborted"}, Repeat: httpx.RepeatSafe}, nil); err != nil && d.log != nil {
		d.log.Debug("a job that was given up stays open; Salesforce removes it after seven days", "job", path, "error", err.Error())
	}
}

// table is a batch as CSV. A field that one row sets and another does not is an empty cell there: left alone.
func (d *destination) table(b activate.Batch, fields map[string]sfield) ([]byte, error) {
	columns := []string{}
	if b.Op != activate.Archive {
		seen := map[string]bool{}
		for _, r := range b.Rows {
			for f := range r.Values {
				if f != b.Target.Key && !seen[f] {
					seen[f] = true
					columns = append(columns, f)
				}
			}
		}
		slices.Sort(columns)
	}
	key := b.Target.Key
	if b.Op != activate.Upsert {
		key = idField
	}
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	if err := w.Write(append([]string{key}, columns...)); err != nil {
		return nil, err
	}
	for _, r := range b.Rows {
		line := []string{r.Key}
		if key == idField {
			line[0] = r.RemoteID
		}
		for _, c := range columns {
			cell := ""
			if v, ok := r.Values[c]; ok {
				cell = fields[strings.ToLower(c)].cell(v)
			}
			line = append(line, cell)
		}
		if err := w.Write(line); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return buf.Bytes(), w.Error()
}

// Settle asks a job how it went. Its results name rows by their key, in an order of their own; a row in none of the three
// results is unknown.
func (d *destination) Settle(ctx context.Context, t activate.Target, op activate.Op, jobID string, rows []activate.Row) (activate.JobResult, error) {
	path := "/jobs/ingest/" + url.PathEscape(jobID)
	var job jobInfo
	if _, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodGet, Path: path, Repeat: httpx.RepeatSafe}, &job); err != nil {
		var h *httpx.Error
		if errors.As(err, &h) && h.Status == http.StatusNotFound {
			// Jobs are kept for seven days. Its rows are in no result: unknown, and settled by looking.
			return activate.JobResult{Done: true, Message: "Salesforce does not know the job any more"}, nil
		}
		return activate.JobResult{}, d.explain(err)
	}
	switch job.State {
	case "JobComplete", "Failed", "Aborted":
	case "Open", "UploadComplete", "InProgress":
		return activate.JobResult{}, nil
	default:
		return activate.JobResult{}, fmt.Errorf("salesforce: job %s is in a state that is not known: %q", jobID, job.State)
	}
	out := activate.JobResult{Done: true, Message: job.Error}
	key := t.Key
	if op != activate.Upsert {
		key = idField
	}
	at := map[string]int{}
	for i, r := range rows {
		k := r.Key
		if key == idField {
			k = r.RemoteID
		}
		at[strings.ToLower(k)] = i
	}
	done := make([]bool, len(rows))
	give := func(k string, r activate.Result) {
		if i, ok := at[strings.ToLower(k)]; ok && !done[i] {
			done[i] = true
			r.ID = rows[i].ID
			out.Results = append(out.Results, r)
		}
	}
	for _, part := range []struct {
		path string
		make func(get func(string) string) activate.Result
	}{
		{"/successfulResults", func(get func(string) string) activate.Result {
			return activate.Result{Status: activate.Acked, RemoteID: get("sf__Id"), Created: strings.EqualFold(get("sf__Created"), "true") && op == activate.Upsert}
		}},
		{"/failedResults", func(get func(string) string) activate.Result {
			code, rest, _ := strings.Cut(get("sf__Error"), ":")
			if op == activate.Archive && (code == "ENTITY_IS_DELETED" || code == "INVALID_CROSS_REFERENCE_KEY") {
				return activate.Result{Status: activate.Acked, RemoteID: get(idField), Message: "it was not there any more"}
			}
			return refusal("", code, strings.TrimRight(strings.TrimSuffix(rest, "--"), ": "))
		}},
		{"/unprocessedrecords", func(func(string) string) activate.Result {
			return activate.Result{Status: activate.Retry, Message: strings.TrimSpace("the job ended before it came to this row " + job.Error)}
		}},
	} {
		if err := d.results(ctx, path+part.path, key, func(k string, get func(string) string) { give(k, part.make(get)) }); err != nil {
			return activate.JobResult{}, d.explain(err)
		}
	}
	return out, nil
}

// results reads one of a job's result files. A file that ends early is an error: rows must not be missing in silence.
func (d *destination) results(ctx context.Context, path, key string, each func(k string, get func(string) string)) error {
	resp, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodGet, Path: path, Header: http.Header{"Accept": {"text/csv"}}, Repeat: httpx.RepeatSafe}, nil)
	if err != nil {
		return err
	}
	r := csv.NewReader(bytes.NewReader(resp.Body))
	head, err := r.Read()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return fmt.Errorf("salesforce: the results of a job cannot be read: %w", err)
	}
	at := map[string]int{}
	for i, h := range head {
		at[strings.ToLower(h)] = i
	}
	if _, ok := at[strings.ToLower(key)]; !ok {
		return fmt.Errorf("salesforce: the results of a job have no column %s: %.200s", key, strings.Join(head, ","))
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("salesforce: the results of a job cannot be read: %w", err)
		}
		get := func(name string) string {
			if i, ok := at[strings.ToLower(name)]; ok {
				return row[i]
			}
			return ""
		}
		each(get(key), get)
	}
}
