package hubspot

import (
	"net/http"
	"strconv"
	"strings"

	"millrace/internal/twin/store"
)

// maxBatch is how many inputs one batch call takes.
const maxBatch = 100

type batchBody struct {
	Inputs     []input  `json:"inputs"`
	Properties []string `json:"properties"`
	History    []string `json:"propertiesWithHistory"`
	IDProperty string   `json:"idProperty"`
}

// envelope is the answer of a batch call; the last two fields make it the 207 form.
type envelope struct {
	Status      string       `json:"status"`
	Results     []record     `json:"results"`
	StartedAt   string       `json:"startedAt"`
	CompletedAt string       `json:"completedAt"`
	NumErrors   int          `json:"numErrors,omitempty"`
	Errors      []batchError `json:"errors,omitempty"`
}

type batchError struct {
	Status   string              `json:"status"`
	ID       string              `json:"id,omitempty"`
	Category string              `json:"category"`
	Message  string              `json:"message"`
	Context  map[string][]string `json:"context"`
	Errors   []detail            `json:"errors"`
	Links    map[string]string   `json:"links"`
}

func rowError(f *fail, in input) batchError {
	ctx := map[string][]string{}
	for k, v := range f.Context {
		ctx[k] = v
	}
	if in.ID != "" {
		ctx["ids"], ctx["id"] = []string{string(in.ID)}, []string{string(in.ID)}
	}
	if in.TraceID != "" {
		ctx["objectWriteTraceId"] = []string{in.TraceID}
	}
	if f.Errors == nil {
		f.Errors = []detail{}
	}
	return batchError{Status: "error", Category: f.Category, Message: f.Message, Context: ctx, Errors: f.Errors, Links: map[string]string{}}
}

func (a records) batch(c *call, typ, what string) (reply, error) {
	var in batchBody
	if err := decode(c, &in); err != nil {
		return reply{}, err
	}
	top := maxBatch
	if what == "read" && len(in.History) > 0 {
		top = 50
	}
	if len(in.Inputs) > top {
		return reply{}, invalid("The maximum number of inputs supported in a batch request for property histories or records is %d, but %d inputs were sent.", top, len(in.Inputs))
	}
	switch what {
	case "read":
		return a.batchRead(c, typ, in)
	case "create", "update", "upsert":
		return a.batchWrite(c, typ, what, in)
	case "archive":
		return a.batchArchive(c, typ, in)
	}
	return reply{}, noRoute(c)
}

func (a records) batchRead(c *call, typ string, in batchBody) (reply, error) {
	env := envelope{Status: "COMPLETE", Results: []record{}}
	var err error
	a.db.View(func(s *store.State) {
		t := s.CRM.Table(typ)
		env.StartedAt, env.CompletedAt = store.Stamp(s.Now()), store.Stamp(s.Now())
		var absent []string
		seen := map[int64]bool{}
		for _, i := range in.Inputs {
			var r *store.Record
			if r, err = lookup(t, string(i.ID), in.IDProperty); err != nil {
				if in.IDProperty != "" {
					return
				}
				r, err = nil, nil
			}
			if r == nil || r.Archived != (c.q.Get("archived") == "true") {
				absent = append(absent, string(i.ID))
				continue
			}
			if !seen[r.ID] {
				seen[r.ID] = true
				env.Results = append(env.Results, render(s, t, r, wanted{props: in.Properties, history: in.History}))
			}
		}
		if len(absent) > 0 {
			env.Errors = []batchError{{
				Status: "error", Category: "OBJECT_NOT_FOUND", Message: "Could not get some " + strings.ToUpper(t.Singular()) + " objects, they may be deleted or not exist. Check that ids are valid.",
				Context: map[string][]string{"ids": absent}, Errors: []detail{}, Links: map[string]string{},
			}}
			env.NumErrors = 1
		}
	})
	return reply{status(env, http.StatusOK), env}, err
}

func status(e envelope, whole int) int {
	if e.NumErrors > 0 {
		return http.StatusMultiStatus
	}
	return whole
}

// row is one input of a batch write after its checks.
type row struct {
	in     input
	fields map[string]string
	rec    *store.Record // nil: to be created
	err    *fail
}

// batchWrite creates, updates or upserts. A property that does not exist, or one record twice, refuses the whole batch.
// A value that does not fit, a record that is not there or a unique value that is taken refuses its row: with 207 when
// every input carries an objectWriteTraceId (or for update, where ids tell the rows apart), else the whole batch.
func (a records) batchWrite(c *call, typ, what string, in batchBody) (reply, error) {
	env := envelope{Status: "COMPLETE", Results: []record{}}
	whole := map[string]int{"create": http.StatusCreated, "update": http.StatusOK, "upsert": http.StatusOK}[what]
	err := a.update(c, func(tx *store.Tx) error {
		s := tx.State()
		t := s.CRM.Table(typ)
		rows, err := checkBatch(t, what, in)
		if err != nil {
			return err
		}
		var effects []store.Effect
		created := 0
		for i := range rows {
			r := &rows[i]
			if r.err != nil {
				continue
			}
			if r.rec != nil {
				effects = append(effects, store.Effect{Kind: "crm.update", Object: typ, ID: strconv.FormatInt(r.rec.ID, 10), Fields: r.fields})
				continue
			}
			e, f := createEffects(s, t, strconv.FormatInt(t.NextID(created), 10), r.fields, r.in.Associations)
			if f != nil {
				r.err = f
				continue
			}
			created++
			effects = append(effects, e...)
		}
		if f := wholeFailure(what, rows); f != nil {
			return f
		}
		env.StartedAt = store.Stamp(s.Now())
		next := t.NextID(0)
		if err := tx.Commit(effects...); err != nil {
			return err
		}
		env.CompletedAt = store.Stamp(s.Now())
		for _, r := range rows {
			if r.err != nil {
				env.Errors = append(env.Errors, rowError(r.err, r.in))
				env.NumErrors++
				continue
			}
			isNew := r.rec == nil
			if isNew {
				r.rec = t.Get(next)
				next++
			}
			out := render(s, t, r.rec, wanted{props: sortedNames(r.fields)})
			out.TraceID = r.in.TraceID
			if what == "upsert" {
				out.New = &isNew
			}
			env.Results = append(env.Results, out)
		}
		return nil
	})
	return reply{status(env, whole), env}, err
}

// checkBatch finds each input's record and checks its values. Its error refuses the whole batch.
func checkBatch(t *store.Table, what string, in batchBody) ([]row, error) {
	rows := make([]row, len(in.Inputs))
	seen, keys := map[string]bool{}, map[string]bool{}
	for i, inp := range in.Inputs {
		r := &rows[i]
		r.in = inp
		prop := inp.IDProperty
		if prop == "" {
			prop = in.IDProperty
		}
		if what == "upsert" && prop == "" {
			return nil, invalid("idProperty is required for every input of an upsert")
		}
		if inp.IDProperty != in.Inputs[0].IDProperty {
			return nil, invalid("All inputs of a batch must have the same idProperty")
		}
		if what != "create" {
			key := strings.ToLower(string(inp.ID))
			if key == "" {
				return nil, invalid("Some required fields were not set: [id]")
			}
			if seen[key] {
				return nil, invalid("Duplicate IDs found in batch input: [%s]. IDs must be unique", inp.ID)
			}
			seen[key] = true
			rec, err := lookup(t, string(inp.ID), prop)
			if err != nil {
				if prop != "" {
					return nil, err
				}
				rec = nil
			}
			if rec != nil && rec.Archived {
				rec = nil
			}
			r.rec = rec
			if rec == nil && what == "update" {
				r.err = missing("Could not find %s with id %s", strings.ToUpper(t.Singular()), inp.ID)
			}
		}
		var f *fail
		if r.fields, f = checkFields(t, inp.Properties); f != nil {
			if f.Errors[0].Code == "PROPERTY_DOESNT_EXIST" {
				return nil, f
			}
			r.err = f
		}
		if r.err == nil {
			r.err = checkRow(t, what, prop, r, keys)
		}
	}
	return rows, nil
}

// checkRow checks what needs the row's record: its own key on creation, and unique values, also among the batch.
func checkRow(t *store.Table, what, prop string, r *row, keys map[string]bool) *fail {
	self := int64(0)
	if r.rec != nil {
		self = r.rec.ID
	}
	if what == "upsert" && r.rec == nil {
		v, f := checkValue(t.Property(prop), string(r.in.ID))
		if f != nil {
			return f
		}
		r.fields[prop] = v
	}
	if r.rec == nil && what != "update" {
		if f := checkNew(t, r.fields); f != nil {
			return f
		}
	}
	if f := checkUnique(t, r.fields, self); f != nil {
		return f
	}
	for _, p := range t.Properties() {
		if v := strings.ToLower(r.fields[p.Name]); p.Unique && v != "" {
			if keys[p.Name+"\x00"+v] {
				return refuse(http.StatusConflict, "CONFLICT", "%s %s occurs twice in this batch", p.Name, v)
			}
			keys[p.Name+"\x00"+v] = true
		}
	}
	return nil
}

// wholeFailure is the error for the whole batch when its rows cannot be told apart in an answer.
func wholeFailure(what string, rows []row) *fail {
	var first *fail
	traced := true
	var details []detail
	for _, r := range rows {
		traced = traced && r.in.TraceID != ""
		if r.err != nil {
			if first == nil {
				first = r.err
			}
			details = append(details, detail{Message: r.err.Message, Code: r.err.Category, Context: map[string][]string{"id": {string(r.in.ID)}}})
		}
	}
	if first == nil || traced || what == "update" {
		return nil
	}
	f := *first
	f.Errors = append(append([]detail{}, first.Errors...), details...)
	return &f
}

func (a records) batchArchive(c *call, typ string, in batchBody) (reply, error) {
	err := a.update(c, func(tx *store.Tx) error {
		t := tx.State().CRM.Table(typ)
		var effects []store.Effect
		seen := map[int64]bool{}
		for _, i := range in.Inputs {
			id, err := store.ParseID(string(i.ID))
			if err != nil {
				continue
			}
			if r := t.Get(id); r != nil && !r.Archived && !seen[id] {
				seen[id] = true
				effects = append(effects, store.Effect{Kind: "crm.archive", Object: typ, ID: string(i.ID)})
			}
		}
		return tx.Commit(effects...)
	})
	return reply{status: http.StatusNoContent}, err
}

// forget deletes a contact for good. One that is not there is no error.
func (a records) forget(c *call, typ string) (reply, error) {
	var in struct {
		ObjectID   string `json:"objectId"`
		IDProperty string `json:"idProperty"`
	}
	if err := decode(c, &in); err != nil {
		return reply{}, err
	}
	if in.ObjectID == "" || in.IDProperty != "" && in.IDProperty != "email" {
		return reply{}, invalid("objectId is required, and idProperty can only be email")
	}
	err := a.update(c, func(tx *store.Tx) error {
		t := tx.State().CRM.Table(typ)
		r, err := lookup(t, in.ObjectID, in.IDProperty)
		if err != nil || r == nil {
			return tx.Commit()
		}
		return tx.Commit(store.Effect{Kind: "crm.forget", Object: typ, ID: strconv.FormatInt(r.ID, 10)})
	})
	return reply{status: http.StatusNoContent}, err
}
