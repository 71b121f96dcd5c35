package httpdest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/vendorapi"
)

// Send writes a batch: in one call where the body holds $rows, else in one call for each row.
func (d *destination) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	o, err := d.object(b.Target.Object)
	if err != nil {
		return activate.Answer{}, err
	}
	op, ok := o.Operations.Get(string(b.Op))
	if !ok {
		return activate.Answer{}, &httpx.Error{Class: httpx.Config, Method: string(b.Op), URL: d.account, Message: "the destination's file does not declare this operation", Hint: "Add it under operations."}
	}
	if hasRows(op.Body) {
		return d.sendAll(ctx, &o, op, b)
	}
	requestID := ""
	a, err := activate.OneByOne(ctx, b.Rows, func(ctx context.Context, r activate.Row) (activate.Result, error) {
		res, id, err := d.sendOne(ctx, &o, op, b, r)
		if id != "" {
			requestID = id
		}
		return res, err
	})
	a.RequestID = requestID
	return a, err
}

func (d *destination) sendAll(ctx context.Context, o *ObjectDef, op OpDef, b activate.Batch) (activate.Answer, error) {
	ids := make([]string, len(b.Rows))
	for i, r := range b.Rows {
		ids[i] = r.IdemKey
	}
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	sc := d.scope(o, b.Target.Object, b.Op)
	sc.rows, sc.idem = b.Rows, base64.RawURLEncoding.EncodeToString(sum[:18])
	c, missing, err := d.call(op.CallDef, op.Path, sc, http.MethodPost)
	if err != nil {
		return activate.Answer{}, notMade(d.def.Destination, err)
	}
	if missing != "" {
		return activate.Answer{}, notMade(d.def.Destination, fmt.Errorf("{%s} of the path has no value", missing))
	}
	api := *d.api
	api.Judge = d.judge(nil)
	resp, err := api.Do(ctx, c, nil)
	if err != nil {
		if named := refused(op.Refused, resp, b.Rows, d.keyOf(b.Target)); len(named) > 0 {
			return activate.Answer{}, &activate.RefusedRows{Rows: named, Err: err}
		}
		return activate.Answer{}, err
	}
	body, err := decode(resp.Body)
	if err != nil {
		return activate.Answer{}, fmt.Errorf("%s: the answer cannot be read, so it is not known what was written: %w", d.def.Destination, err)
	}
	return activate.Answer{Results: read(op, body, b.Rows, d.keyOf(b.Target)), RequestID: resp.RequestID}, nil
}

// notMade is a call that could not be put together: nothing left the house.
func notMade(name string, err error) error {
	return &httpx.Error{Class: httpx.Config, Method: "no call", URL: name, Message: err.Error(), Hint: "Correct the destination's file or the sync's config"}
}

func (d *destination) sendOne(ctx context.Context, o *ObjectDef, op OpDef, b activate.Batch, r activate.Row) (activate.Result, string, error) {
	sc := d.scope(o, b.Target.Object, b.Op)
	sc.row, sc.idem = &r, r.IdemKey
	c, missing, err := d.call(op.CallDef, op.Path, sc, http.MethodPost)
	if err != nil {
		return activate.Result{}, "", notMade(d.def.Destination, err)
	}
	if missing != "" {
		return activate.Result{Status: activate.Rejected, Class: "missing", Message: "not sent: " + missing + " of this row is not known, and the address needs it"}, "", nil
	}
	api := *d.api
	api.Judge = d.judge(func(status int) bool { _, ok := op.Statuses.Get(strconv.Itoa(status)); return ok })
	resp, err := api.Do(ctx, c, nil)
	if err != nil {
		return activate.Result{}, "", err
	}
	body, unread := decode(resp.Body)
	said, byStatus := op.Statuses.Get(strconv.Itoa(resp.Status))
	rows := []activate.Row{r}
	if byStatus {
		res := activate.Result{ID: r.ID}
		if unread == nil {
			for _, x := range read(op, body, rows, d.keyOf(b.Target)) {
				res.RemoteID, res.Message = x.RemoteID, x.Message
				if x.Status == activate.Rejected && (said == "acked" || said == "created") {
					return x, resp.RequestID, nil // a success with an error inside
				}
			}
		}
		return outcome(res, said, fault.Shorten(string(resp.Body), 200)), resp.RequestID, nil
	}
	if unread != nil {
		return activate.Result{}, resp.RequestID, fmt.Errorf("%s: the answer cannot be read, so it is not known what was written: %w", d.def.Destination, unread)
	}
	for _, x := range read(op, body, rows, d.keyOf(b.Target)) {
		return x, resp.RequestID, nil
	}
	return activate.Result{Status: activate.Unknown, Message: "the answer does not say what became of this row"}, resp.RequestID, nil
}

// outcome is what a word of the file means.
func outcome(r activate.Result, word, message string) activate.Result {
	if r.Message == "" {
		r.Message = message
	}
	switch word {
	case "acked", "created":
		r.Status, r.Created, r.Message = activate.Acked, word == "created", ""
	case "retry":
		r.Status = activate.Retry
	case "missing":
		r.Status, r.Class = activate.Rejected, "missing"
		if r.Message == "" {
			r.Message = "there is no such record"
		}
	case "exists":
		r.Status, r.Class = activate.Rejected, "exists"
		if r.Message == "" {
			r.Message = "there is such a record already"
		}
	default:
		r.Status = activate.Rejected
		if r.Class == "" {
			r.Class = "row"
		}
		if r.Message == "" {
			r.Message = "refused without a reason"
		}
	}
	return r
}

// keyOf brings keys of answers to the spelling of ours.
func (d *destination) keyOf(t activate.Target) func(string) string {
	return func(key string) string {
		if k, err := d.NormalKey(t, key); err == nil {
			return k
		}
		return key
	}
}

// read finds the results of rows in an answer. Rows that it does not speak of are left out, and so unknown.
func read(op OpDef, body any, rows []activate.Row, normal func(string) string) []activate.Result {
	var out []activate.Result
	spoken := map[string]bool{}
	for _, a := range op.Answer {
		list := elements(at(body, a.Path))
		if a.Match == "order" && len(list) != len(rows) {
			continue // whose is whose cannot be told
		}
		for i, el := range list {
			r := find(a.Match, a.At, "", i, el, rows, normal)
			if r == nil {
				continue
			}
			if res, clear := result(a, el); clear {
				res.ID = r.ID
				spoken[r.ID] = true
				out = append(out, res)
			}
		}
	}
	if op.Unnamed == "acked" && at(body, op.Proof) != nil {
		for _, r := range rows {
			if !spoken[r.ID] {
				out = append(out, activate.Result{ID: r.ID, Status: activate.Acked})
			}
		}
	}
	return out
}

// find gives the row that an element is about.
func find(match, path, pattern string, i int, el any, rows []activate.Row, normal func(string) string) *activate.Row {
	if match == "order" {
		return &rows[i]
	}
	v := scalar(at(el, path))
	if pattern != "" {
		m := regexp.MustCompile(pattern).FindStringSubmatch(v) // compiled once by the loader: it is sound
		if m == nil {
			return nil
		}
		v = m[1]
	}
	if v == "" {
		return nil
	}
	if match == "index" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n >= len(rows) {
			return nil
		}
		return &rows[n]
	}
	for k := range rows {
		switch {
		case match == "key" && normal(rows[k].Key) == normal(v), match == "id" && rows[k].ID == v, match == "remote_id" && rows[k].RemoteID == v:
			return &rows[k]
		}
	}
	return nil
}

// result reads one element; clear is false when it does not say what became of the row.
func result(a AnswerDef, el any) (r activate.Result, clear bool) {
	r.RemoteID = scalar(at(el, a.RemoteID))
	if a.RemoteID == "" {
		r.RemoteID = ""
	}
	from := a.Message
	if from == "" {
		from = a.Error
	}
	if from != "" {
		r.Message = fault.Shorten(reason(at(el, from)), 300)
	}
	if a.Class != "" {
		r.Class = scalar(at(el, a.Class))
	}
	is := a.Is
	oks := a.OkValues
	if len(oks) == 0 {
		oks = []string{"true"}
	}
	ok := a.Ok != "" && slices.Contains(oks, scalar(at(el, a.Ok)))
	switch {
	case is != "":
	case a.Error != "" && said(at(el, a.Error)), a.Ok != "" && !ok && at(el, a.Ok) != nil:
		is = "rejected"
	case a.Ok != "" && !ok, a.RemoteID != "" && r.RemoteID == "":
		return r, false
	default:
		is = "acked"
	}
	if is == "rejected" && r.Class != "" {
		switch {
		case slices.Contains(a.Missing, r.Class):
			is = "missing"
		case slices.Contains(a.Exists, r.Class):
			is = "exists"
		case slices.Contains(a.Retry, r.Class):
			is = "retry"
		}
	}
	r = outcome(r, is, "")
	if r.Status == activate.Acked {
		news := a.CreateIs
		if len(news) == 0 {
			news = []string{"true"}
		}
		r.Class = ""
		r.Created = r.Created || a.Created != "" && slices.Contains(news, scalar(at(el, a.Created)))
	}
	return r, true
}

// refused names the rows that made a call fail as a whole.
func refused(def *RefusedDef, resp *httpx.Response, rows []activate.Row, normal func(string) string) map[string]string {
	if def == nil || resp == nil || !hasCode(def.Status, resp.Status) {
		return nil
	}
	body, err := decode(resp.Body)
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for i, el := range elements(at(body, def.Path)) {
		if r := find(def.Match, def.At, def.Pattern, i, el, rows, normal); r != nil {
			out[r.ID] = fault.Shorten(reason(at(el, def.Message)), 300)
		}
	}
	return out
}

// Read looks records up as the file says.
func (d readable) Read(ctx context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	o, err := d.object(t.Object)
	if err != nil {
		return nil, err
	}
	def := o.Read
	absent := []string(def.Absent)
	if len(absent) == 0 {
		absent = []string{"404"}
	}
	out := map[string]activate.Record{}
	for _, r := range rows {
		out[r.ID] = activate.Record{}
	}
	api := *d.api
	api.Judge = d.judge(func(status int) bool { return hasCode(absent, status) })
	ask := func(path string, sc *scope, rows []activate.Row, match string) error {
		c, missing, err := d.call(def.CallDef, path, sc, http.MethodGet)
		if err != nil {
			return notMade(d.def.Destination, err)
		}
		if missing != "" {
			return notMade(d.def.Destination, fmt.Errorf("{%s} of the path has no value", missing))
		}
		c.Repeat = httpx.RepeatSafe
		resp, err := api.Do(ctx, c, nil)
		if err != nil {
			return err
		}
		if hasCode(absent, resp.Status) {
			return nil
		}
		body, err := decode(resp.Body)
		if err != nil {
			return fmt.Errorf("%s: what was read cannot be understood: %w", d.def.Destination, err)
		}
		found := at(body, def.Records)
		if elements(found) == nil {
			return fmt.Errorf("%s: the answer to a read holds no records at %q, so it is not known what is there", d.def.Destination, def.Records)
		}
		for i, el := range elements(found) {
			if match == "order" && i > 0 {
				return fmt.Errorf("%s: several records were found for one key", d.def.Destination)
			}
			if r := find(match, def.At, "", i, el, rows, d.keyOf(t)); r != nil {
				if out[r.ID], err = d.record(&o, t, el); err != nil {
					return err
				}
			}
		}
		return nil
	}
	sc := d.scope(&o, t.Object, "")
	if hasRows(def.Body) {
		for chunk := range slices.Chunk(rows, o.MaxBatch) {
			sc.rows = chunk
			if err := ask(def.Path, sc, chunk, def.Match); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	for i := range rows {
		sc.row = &rows[i]
		path := def.Path
		if rows[i].RemoteID != "" && def.PathByID != "" {
			path = def.PathByID
		}
		if err := ask(path, sc, rows[i:i+1], "order"); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// record brings a record into our fields. One without an id is not there.
func (d *destination) record(o *ObjectDef, t activate.Target, el any) (activate.Record, error) {
	rec := activate.Record{RemoteID: scalar(at(el, o.Read.RemoteID)), Values: map[string]json.RawMessage{}}
	if rec.RemoteID == "" {
		return activate.Record{}, nil
	}
	rec.Exists = true
	set := func(name, path string) error {
		v := at(el, path)
		if v == nil {
			return nil
		}
		b, err := vendorapi.JSON(v)
		if err == nil {
			rec.Values[name], err = canon.JSON(json.RawMessage(b))
		}
		return err
	}
	for _, f := range t.Fields { // also those that the file takes without listing them
		if err := set(f, f); err != nil {
			return rec, err
		}
	}
	for _, f := range o.Fields.Entries() {
		path := f.Value.Path
		if path == "" {
			path = f.Key
		}
		if err := set(f.Key, path); err != nil {
			return rec, err
		}
	}
	return rec, nil
}
