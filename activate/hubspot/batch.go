package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"millrace/activate"
	"millrace/internal/httpx"
)

type input struct {
	ID         string            `json:"id,omitempty"` // none to make a record
	IDProperty string            `json:"idProperty,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
	Trace      string            `json:"objectWriteTraceId,omitempty"`
}

type record struct {
	ID         string             `json:"id"`
	New        *bool              `json:"new"`
	Properties map[string]*string `json:"properties"`
	Trace      string             `json:"objectWriteTraceId"`
}

// detail is one error of a batch. subCategory is an object here and a text elsewhere, so it is not read.
type detail struct {
	Category string              `json:"category"`
	Message  string              `json:"message"`
	ID       string              `json:"id"`
	Context  map[string][]string `json:"context"`
	Code     string              `json:"code"`
	Errors   []detail            `json:"errors"`
}

type envelope struct {
	Status   string   `json:"status"`
	Results  []record `json:"results"`
	Errors   []detail `json:"errors"`
	Category string   `json:"category"`
	Message  string   `json:"message"`
}

// judge classes answers that their status alone would class wrongly: an error inside a success, and refusals that every
// row of the sync would meet.
func judge(r *httpx.Response) httpx.Verdict {
	if len(r.Body) == 0 || len(r.Body) > 1<<20 {
		return httpx.Verdict{}
	}
	var e envelope
	if json.Unmarshal(r.Body, &e) != nil {
		return httpx.Verdict{}
	}
	switch {
	case r.Status < 300 && e.Status == "error":
		// It says that it failed, and does not say what was done.
		return httpx.Verdict{Class: httpx.Unknown, Message: "a success with an error inside: " + e.Category + ": " + e.Message}
	case r.Status == http.StatusBadRequest && hasCode(e.Errors, "PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"):
		return httpx.Verdict{Class: httpx.Config, Message: e.Message, Hint: "A property was removed or locked in HubSpot since the plan was made: correct the mapping and plan again."}
	}
	return httpx.Verdict{}
}

func hasCode(ds []detail, codes ...string) bool {
	return slices.ContainsFunc(ds, func(d detail) bool { return slices.Contains(codes, d.Code) || hasCode(d.Errors, codes...) })
}

func asHTTP(err error, into **httpx.Error) bool { return errors.As(err, into) }

// Send writes one batch. Rows are told apart by objectWriteTraceId, which HubSpot echoes; where it does not, by key.
func (d *destination) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Archive {
		if err := d.define(ctx, b.Target.Object); err != nil { // spelling a date needs its definition
			return activate.Answer{}, err
		}
	}
	inputs := make([]input, len(b.Rows))
	byKey := map[string]int{}
	for i, r := range b.Rows {
		in := input{ID: r.Key, Trace: r.ID}
		switch {
		case b.Op == activate.Archive:
			in = input{ID: r.RemoteID}
			if r.RemoteID == "" {
				return activate.Answer{}, &httpx.Error{Class: httpx.Permanent, Method: http.MethodPost, URL: d.objects(b.Target.Object, "/batch/archive"), Message: "a record without its HubSpot id cannot be archived"}
			}
		case b.Op == activate.Insert:
			in.ID = ""
		case b.Op == activate.Update && r.RemoteID != "":
			in.ID = r.RemoteID
		case b.Target.Key != idField:
			in.IDProperty = b.Target.Key
		}
		if b.Op != activate.Archive {
			in.Properties = make(map[string]string, len(r.Values))
			for f, v := range r.Values {
				in.Properties[f] = d.spell(b.Target.Object, f, v)
			}
		}
		byKey[strings.ToLower(in.ID)] = i
		if b.Op == activate.Insert {
			in.Properties[b.Target.Key] = r.Key
			byKey[strings.ToLower(r.Key)] = i
		}
		inputs[i] = in
	}
	if b.Op == activate.Update {
		// One call has one kind of id: rows whose record is known go by it, and then all of them must.
		for _, in := range inputs {
			if in.IDProperty != inputs[0].IDProperty {
				return d.sendMixed(ctx, b)
			}
		}
	}
	body, err := encode(map[string]any{"inputs": inputs})
	if err != nil {
		return activate.Answer{}, err
	}
	verb := string(b.Op)
	if b.Op == activate.Insert {
		verb = "create"
	}
	resp, err := d.client.Do(ctx, httpx.Request{Method: http.MethodPost, URL: d.objects(b.Target.Object, "/batch/"+verb), Body: body,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}, Repeat: httpx.RepeatNever, Judge: judge})
	a := activate.Answer{}
	if resp != nil {
		a.RequestID = resp.RequestID
	}
	if err != nil {
		return a, explain(err, "crm.objects."+b.Target.Object+".write")
	}
	if b.Op == activate.Archive {
		for _, r := range b.Rows { // 204: the answer is about the batch, and holds for each of its rows
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Acked, RemoteID: r.RemoteID})
		}
		return a, nil
	}
	var e envelope
	if err := json.Unmarshal(resp.Body, &e); err != nil {
		return a, fmt.Errorf("hubspot: the answer to a batch of %d rows cannot be read, so it is not known what was written: %w", len(b.Rows), err)
	}
	a.Results = attribute(b, e, byKey)
	if b.Op == activate.Insert {
		for i := range a.Results {
			switch r := &a.Results[i]; {
			case r.Status == activate.Acked:
				r.Created = true
			case r.Class == "conflict":
				r.Class = "exists"
			}
		}
	}
	return a, nil
}

// sendMixed sends the rows that go by id and those that go by key in two calls. The second is not made when the first failed.
func (d *destination) sendMixed(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	var byID, byKey []activate.Row
	for _, r := range b.Rows {
		if r.RemoteID != "" {
			byID = append(byID, r)
		} else {
			byKey = append(byKey, r)
		}
	}
	first, err := d.Send(ctx, activate.Batch{Target: b.Target, Op: b.Op, Rows: byID})
	if err != nil {
		return first, err
	}
	second, err := d.Send(ctx, activate.Batch{Target: b.Target, Op: b.Op, Rows: byKey})
	first.Results = append(first.Results, second.Results...)
	if err != nil {
		// The first call stands; rows of the second are settled by looking.
		for _, r := range byKey {
			first.Results = append(first.Results, activate.Result{ID: r.ID, Status: activate.Unknown, Message: err.Error()})
		}
	}
	return first, nil
}

// attribute gives each row its result. Rows that the answer does not mention are left out: they are unknown.
func attribute(b activate.Batch, e envelope, byKey map[string]int) []activate.Result {
	rows := make(map[string]int, len(b.Rows))
	for i, r := range b.Rows {
		rows[r.ID] = i
	}
	out := make([]activate.Result, len(b.Rows))
	set := make([]bool, len(b.Rows))
	give := func(i int, r activate.Result) {
		r.ID = b.Rows[i].ID
		out[i], set[i] = r, true
	}
	for _, r := range e.Results {
		i, ok := rows[r.Trace]
		if !ok {
			if i, ok = byKey[strings.ToLower(r.ID)]; !ok {
				if v := r.Properties[b.Target.Key]; v != nil {
					i, ok = byKey[strings.ToLower(*v)]
				}
			}
		}
		if ok {
			give(i, activate.Result{Status: activate.Acked, RemoteID: r.ID, Created: r.New != nil && *r.New})
		}
	}
	var loose []detail
	for _, x := range e.Errors {
		named := false
		for _, ref := range slices.Concat(x.Context["objectWriteTraceId"], x.Context["ids"], x.Context["id"], []string{x.ID}) {
			i, ok := rows[ref]
			if !ok {
				i, ok = byKey[strings.ToLower(ref)]
			}
			if ok && !set[i] {
				named = true
				give(i, refusal(x))
			}
		}
		if !named {
			loose = append(loose, x)
		}
	}
	// Errors that name no row belong to the rows that nothing else was said about, when the numbers agree.
	var left []int
	for i := range set {
		if !set[i] {
			left = append(left, i)
		}
	}
	if len(loose) > 0 && len(left) == len(loose) {
		var all []string
		for _, x := range loose {
			all = append(all, x.Message)
		}
		slices.Sort(all)
		message := strings.Join(slices.Compact(all), "; ")
		for _, i := range left {
			r := refusal(loose[0])
			if len(loose) > 1 {
				r.Message = message
			}
			give(i, r)
		}
	}
	var known []activate.Result
	for i := range out {
		if set[i] {
			known = append(known, out[i])
		}
	}
	return known
}

// refusal turns an error about one row into its result.
func refusal(x detail) activate.Result {
	message := x.Message
	if len(x.Errors) > 0 && !strings.Contains(message, x.Errors[0].Message) {
		message += ": " + x.Errors[0].Message
	}
	r := activate.Result{Status: activate.Rejected, Class: strings.ToLower(x.Category), Message: message}
	switch x.Category {
	case "RATE_LIMITS", "RATE_LIMIT", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT", "LOCKED":
		r.Status = activate.Retry
	}
	return r
}

// Read looks records up by id, or by key.
func (d *destination) Read(ctx context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	out := make(map[string]activate.Record, len(rows))
	var byID, byKey []activate.Row
	for _, r := range rows {
		out[r.ID] = activate.Record{}
		if r.RemoteID != "" || t.Key == idField {
			byID = append(byID, r)
		} else {
			byKey = append(byKey, r)
		}
	}
	if err := d.read(ctx, t, byID, "", out); err != nil {
		return nil, err
	}
	return out, d.read(ctx, t, byKey, t.Key, out)
}

func (d *destination) read(ctx context.Context, t activate.Target, rows []activate.Row, idProperty string, out map[string]activate.Record) error {
	if len(rows) == 0 {
		return nil
	}
	props := slices.Clone(t.Fields)
	if t.Key != idField && !slices.Contains(props, t.Key) {
		props = append(props, t.Key)
	}
	secondary := idProperty == "email" && isContacts(t.Object)
	if secondary {
		// A contact may answer to an address that is not its first one.
		props = append(props, "hs_additional_emails")
	}
	body := map[string]any{"properties": props}
	inputs := make([]input, len(rows))
	at := map[string][]int{}
	for i, r := range rows {
		id := r.RemoteID
		if idProperty != "" || id == "" {
			id = r.Key
		}
		inputs[i] = input{ID: id}
		at[strings.ToLower(id)] = append(at[strings.ToLower(id)], i)
	}
	body["inputs"] = inputs
	if idProperty != "" {
		body["idProperty"] = idProperty
	}
	raw, err := encode(body)
	if err != nil {
		return err
	}
	resp, err := d.client.Do(ctx, httpx.Request{Method: http.MethodPost, URL: d.objects(t.Object, "/batch/read"), Body: raw,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}, Repeat: httpx.RepeatSafe, Judge: judge})
	if err != nil {
		return explain(err, "crm.objects."+t.Object+".read")
	}
	var e envelope
	if err := json.Unmarshal(resp.Body, &e); err != nil {
		return fmt.Errorf("hubspot: the answer to a read cannot be read: %w", err)
	}
	found := 0
	for _, r := range e.Results {
		rec := activate.Record{Exists: true, RemoteID: r.ID, Values: map[string]json.RawMessage{}}
		for _, f := range t.Fields {
			if v := r.Properties[f]; v != nil && *v != "" {
				j, err := encode(*v)
				if err != nil {
					return err
				}
				rec.Values[f] = json.RawMessage(strings.TrimRight(string(j), "\n"))
			}
		}
		names := []string{r.ID}
		if idProperty != "" {
			names = nil
			if v := r.Properties[idProperty]; v != nil {
				names = append(names, *v)
			}
			if v := r.Properties["hs_additional_emails"]; secondary && v != nil {
				names = append(names, strings.Split(*v, ";")...)
			}
		}
		for _, n := range names {
			for _, i := range at[strings.ToLower(strings.TrimSpace(n))] {
				out[rows[i].ID] = rec
				found++
			}
		}
	}
	// What is not there must be said to be absent: a success that leaves rows out in silence proves nothing.
	absent := 0
	for _, x := range e.Errors {
		if x.Category != "OBJECT_NOT_FOUND" {
			return fmt.Errorf("hubspot: read of %s: %s: %s", t.Object, x.Category, x.Message)
		}
		absent += len(slices.Compact(slices.Sorted(slices.Values(slices.Concat(x.Context["ids"], x.Context["id"])))))
	}
	if found+absent < len(rows) && len(e.Errors) == 0 && len(e.Results) == 0 {
		return &httpx.Error{Class: httpx.Transient, Method: http.MethodPost, URL: d.objects(t.Object, "/batch/read"), Status: resp.Status, Message: "a success without results"}
	}
	return nil
}
