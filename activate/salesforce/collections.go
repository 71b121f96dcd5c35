package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/httpx"
	"millrace/internal/vendorapi"
)

// result is what a collection call says about one record.
type result struct {
	ID      string     `json:"id"`
	Success *bool      `json:"success"`
	Created bool       `json:"created"`
	Errors  []apiError `json:"errors"`
	Code    string     `json:"errorCode"` // only when the array is no result at all
}

// again are refusals of a row that pass: nothing was written, and the same row may succeed later.
var again = []string{"UNABLE_TO_LOCK_ROW", "ALL_OR_NONE_OPERATION_ROLLED_BACK", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "QUERY_TIMEOUT", "TXN_SECURITY_METERING_ERROR"}

// refusal turns a row's error into its result.
func refusal(id, code, message string) activate.Result {
	r := activate.Result{ID: id, Status: activate.Rejected, Class: strings.ToLower(code), Message: code + ": " + message}
	switch {
	case slices.Contains(again, code), code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" && strings.Contains(message, "UNABLE_TO_LOCK_ROW"),
		strings.Contains(message, "Too many SOQL queries"), strings.Contains(message, "Apex CPU time limit"):
		r.Status = activate.Retry
	case code == "DUPLICATE_VALUE" || code == "DUPLICATES_DETECTED":
		r.Class = "exists"
	case code == "INVALID_CROSS_REFERENCE_KEY" || code == "ENTITY_IS_DELETED":
		r.Class = "missing"
	}
	return r
}

// Send writes a batch: a large one through a Bulk 2.0 job, which ends later, others at once.
func (d *destination) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	fields, err := d.define(ctx, b.Target.Object)
	if err != nil {
		return activate.Answer{}, err
	}
	if err := d.spare(); err != nil {
		return activate.Answer{}, err
	}
	var a activate.Answer
	var rows []activate.Row
	for _, r := range b.Rows {
		if why := unfit(b, r); why != "" {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: why})
			continue
		}
		rows = append(rows, r)
	}
	if b.Op == activate.Update {
		if rows, err = d.find(ctx, b.Target, rows, &a); err != nil {
			return activate.Answer{}, err
		}
	}
	if len(rows) >= d.opt.BulkFrom && b.Op != activate.Insert {
		b.Rows = rows
		job, id, err := d.sendJob(ctx, b, fields)
		if err != nil {
			return activate.Answer{}, d.explain(err)
		}
		a.JobID, a.RequestID = job, id
		for _, r := range rows {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Accepted, RemoteID: r.RemoteID})
		}
		return a, nil
	}
	for i := 0; i < len(rows); i += maxCollection {
		part := rows[i:min(i+maxCollection, len(rows))]
		results, id, err := d.collection(ctx, b, part, fields)
		if id != "" {
			a.RequestID = id
		}
		if err != nil {
			if i == 0 && len(a.Results) == 0 {
				return a, d.explain(err)
			}
			d.stopped(&a, part, rows[min(i+maxCollection, len(rows)):], err)
			return a, nil
		}
		a.Results = append(a.Results, results...)
	}
	return a, nil
}

// stopped says what became of rows when a later call of a batch failed: earlier answers stand.
func (d *destination) stopped(a *activate.Answer, failed, unsent []activate.Row, err error) {
	class := httpx.ClassOf(err)
	for _, r := range failed {
		res := activate.Result{ID: r.ID, Status: activate.Unknown, Message: err.Error()}
		if class != "" && class != httpx.Unknown {
			res.Status = activate.Retry // refused as a whole: the next try meets the refusal alone and is classed by it
		}
		a.Results = append(a.Results, res)
	}
	for _, r := range unsent {
		a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Retry, Message: "not sent: an earlier call of the batch failed"})
	}
}

// unfit says why a row cannot be sent whatever way it goes; the mark for empty values would empty a field in one of them.
func unfit(b activate.Batch, r activate.Row) string {
	if b.Op == activate.Archive && r.RemoteID == "" {
		return "a record without its Salesforce id cannot be deleted"
	}
	for f, v := range r.Values {
		if canon.Text(v) == bulkNull {
			return f + ": the text " + bulkNull + " is Salesforce's mark for an empty value and cannot be written"
		}
	}
	return ""
}

// find gives rows the ids of their records; those without one are rejected: an update makes nothing.
func (d *destination) find(ctx context.Context, t activate.Target, rows []activate.Row, a *activate.Answer) ([]activate.Row, error) {
	var unknown []activate.Row
	for _, r := range rows {
		if r.RemoteID == "" {
			unknown = append(unknown, r)
		}
	}
	if len(unknown) == 0 {
		return rows, nil
	}
	t.Fields = nil
	recs, err := d.Read(ctx, t, unknown)
	if err != nil {
		return nil, err
	}
	var out []activate.Row
	for _, r := range rows {
		if rec := recs[r.ID]; r.RemoteID == "" {
			if !rec.Exists {
				a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "missing", Message: "the org has no record with this key; mode update makes none"})
				continue
			}
			r.RemoteID = rec.RemoteID
		}
		out = append(out, r)
	}
	return out, nil
}

// collection makes one call for at most 200 rows.
func (d *destination) collection(ctx context.Context, b activate.Batch, rows []activate.Row, fields map[string]sfield) ([]activate.Result, string, error) {
	call := vendorapi.Call{Method: http.MethodPatch, Path: "/composite/sobjects", Repeat: httpx.RepeatNever}
	if b.Op == activate.Archive {
		ids := make([]string, len(rows))
		for i, r := range rows {
			ids[i] = r.RemoteID
		}
		call.Method, call.Query = http.MethodDelete, url.Values{"ids": {strings.Join(ids, ",")}, "allOrNone": {"false"}}
	} else {
		recs := make([]map[string]any, len(rows))
		for i, r := range rows {
			rec := map[string]any{"attributes": map[string]string{"type": b.Target.Object}}
			for f, v := range r.Values {
				if f != b.Target.Key {
					rec[f] = fields[strings.ToLower(f)].spell(v)
				}
			}
			switch {
			case b.Op == activate.Update:
				rec["id"] = r.RemoteID
			default:
				rec[b.Target.Key] = r.Key
			}
			recs[i] = rec
		}
		call.Body = map[string]any{"allOrNone": false, "records": recs}
		switch b.Op {
		case activate.Upsert:
			call.Path += "/" + url.PathEscape(b.Target.Object) + "/" + url.PathEscape(b.Target.Key)
		case activate.Insert:
			call.Method = http.MethodPost
		}
	}
	var out []result
	resp, err := d.api.Do(ctx, call, &out)
	id := ""
	if resp != nil {
		id = resp.RequestID
	}
	if err != nil {
		return nil, id, err
	}
	// The order is the only thing that says which result belongs to which row.
	if len(out) != len(rows) {
		return nil, id, fmt.Errorf("salesforce: %d results came back for %d records, so it is not known what was written", len(out), len(rows))
	}
	results := make([]activate.Result, 0, len(rows))
	for i, x := range out {
		r := rows[i]
		switch {
		case x.Success == nil || x.Code != "":
			return nil, id, errors.New("salesforce: the results are no results, so it is not known what was written")
		case *x.Success:
			results = append(results, activate.Result{ID: r.ID, Status: activate.Acked, RemoteID: x.ID, Created: x.Created || b.Op == activate.Insert})
		case len(x.Errors) == 0:
			results = append(results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: "refused without a reason"})
		case b.Op == activate.Archive && (x.Errors[0].code() == "ENTITY_IS_DELETED" || x.Errors[0].code() == "INVALID_CROSS_REFERENCE_KEY"):
			results = append(results, activate.Result{ID: r.ID, Status: activate.Acked, RemoteID: r.RemoteID, Message: "it was not there any more"})
		default:
			results = append(results, refusal(r.ID, x.Errors[0].code(), x.Errors[0].Message))
		}
	}
	return results, id, nil
}

// Read looks records up by id, or by key.
func (d *destination) Read(ctx context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	out := make(map[string]activate.Record, len(rows))
	var byID, byKey []activate.Row
	for _, r := range rows {
		out[r.ID] = activate.Record{}
		if t.Key == idField && r.RemoteID == "" {
			r.RemoteID = r.Key
		}
		if r.RemoteID != "" {
			byID = append(byID, r)
		} else {
			byKey = append(byKey, r)
		}
	}
	for part := range slices.Chunk(byID, maxRetrieve) {
		if err := d.retrieve(ctx, t, part, out); err != nil {
			return nil, d.explain(err)
		}
	}
	for len(byKey) > 0 {
		n, err := d.query(ctx, t, byKey, out)
		if err != nil {
			return nil, d.explain(err)
		}
		byKey = byKey[n:]
	}
	return out, nil
}

func (d *destination) retrieve(ctx context.Context, t activate.Target, rows []activate.Row, out map[string]activate.Record) error {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.RemoteID
	}
	names := t.Fields
	if len(names) == 0 {
		names = []string{idField}
	}
	var recs []map[string]json.RawMessage
	if _, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodPost, Path: "/composite/sobjects/" + url.PathEscape(t.Object), Body: map[string]any{"ids": ids, "fields": names}, Repeat: httpx.RepeatSafe}, &recs); err != nil {
		return err
	}
	if len(recs) != len(rows) {
		return &httpx.Error{Class: httpx.Transient, Method: http.MethodPost, URL: d.api.Base + "/composite/sobjects/" + t.Object, Message: fmt.Sprintf("%d records came back for %d ids", len(recs), len(rows))}
	}
	for i, r := range recs {
		if r != nil {
			out[rows[i].ID] = record(t, r)
		}
	}
	return nil
}

func record(t activate.Target, r map[string]json.RawMessage) activate.Record {
	rec := activate.Record{Exists: true, RemoteID: canon.Text(r[idField]), Values: map[string]json.RawMessage{}}
	for _, f := range t.Fields {
		if v := r[f]; !canon.IsEmpty(v) {
			rec.Values[f] = v
		}
	}
	return rec
}

var soqlQuote = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// query reads as many rows by key as fit into one query, and says how many those were.
func (d *destination) query(ctx context.Context, t activate.Target, rows []activate.Row, out map[string]activate.Record) (int, error) {
	names := []string{idField, t.Key}
	for _, f := range t.Fields {
		if f != idField && f != t.Key {
			names = append(names, f)
		}
	}
	q := "SELECT " + strings.Join(names, ",") + " FROM " + t.Object + " WHERE " + t.Key + " IN ("
	size, n := len(url.QueryEscape(q)), 0
	at := map[string][]string{}
	fold := func(s string) string {
		if d.fields[t.Object][strings.ToLower(t.Key)].Cased {
			return s
		}
		return strings.ToLower(s)
	}
	for _, r := range rows {
		lit := "'" + soqlQuote.Replace(r.Key) + "'"
		if n > 0 {
			lit = "," + lit
		}
		if size += len(url.QueryEscape(lit)); size > maxQuery && n > 0 {
			break
		}
		q += lit
		at[fold(r.Key)] = append(at[fold(r.Key)], r.ID)
		n++
	}
	var page struct {
		Total   *int                         `json:"totalSize"`
		Done    bool                         `json:"done"`
		Next    string                       `json:"nextRecordsUrl"`
		Records []map[string]json.RawMessage `json:"records"`
	}
	if _, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodGet, Path: "/query", Query: url.Values{"q": {q + ")"}}, Repeat: httpx.RepeatSafe}, &page); err != nil {
		return 0, err
	}
	// What is absent is absent only when the answer says that it is whole.
	if page.Total == nil || !page.Done || len(page.Records) != *page.Total {
		return 0, &httpx.Error{Class: httpx.Transient, Method: http.MethodGet, URL: d.api.Base + "/query", Message: "the answer to a query is not whole"}
	}
	for _, r := range page.Records {
		for _, id := range at[fold(canon.Text(r[t.Key]))] {
			out[id] = record(t, r)
		}
	}
	return n, nil
}
