package salesforce

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"millrace/internal/twin/store"
)

// maxCollection is how many records a collection call takes.
const maxCollection = 200

// outcome is what became of one record.
type outcome struct {
	ID      string      `json:"id,omitempty"`
	Success bool        `json:"success"`
	Errors  []*rowError `json:"errors"`
	Created *bool       `json:"created,omitempty"`
}

func refused(e *rowError) outcome { return outcome{Errors: []*rowError{e}} }

// work is one call's changes, collected so that they become durable together.
type work struct {
	s       *store.State
	o       *object
	effects []store.Effect
	made    int
	keys    map[string]bool // external ids of this call: a second one in the call is refused
}

func decode(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return refuse(http.StatusBadRequest, "JSON_PARSER_ERROR", "%v", err)
	}
	return nil
}

// collections are the calls below composite/sobjects.
func (a *API) collections(c *call, rest []string) (any, error) {
	if c.Method == http.MethodDelete && len(rest) == 0 {
		return a.deleteMany(c, strings.Split(c.URL.Query().Get("ids"), ","))
	}
	if c.Method == http.MethodPost && len(rest) == 1 {
		return a.retrieve(c, rest[0])
	}
	var in struct {
		AllOrNone bool             `json:"allOrNone"`
		Records   []map[string]any `json:"records"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if len(in.Records) == 0 || len(in.Records) > maxCollection {
		return nil, refuse(http.StatusBadRequest, "INVALID_BATCH_SIZE", "between 1 and %d records are allowed, there are %d", maxCollection, len(in.Records))
	}
	if in.AllOrNone {
		return nil, refuse(http.StatusBadRequest, "NOT_SUPPORTED", "the twin keeps to allOrNone: false")
	}
	op := ""
	switch {
	case c.Method == http.MethodPost && len(rest) == 0:
		op = "insert"
	case c.Method == http.MethodPatch && len(rest) == 0:
		op = "update"
	case c.Method == http.MethodPatch && len(rest) == 2:
		op = "upsert"
	default:
		return nil, refuse(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method '%s' not allowed. Allowed are HEAD,GET,POST,PATCH,DELETE", c.Method)
	}
	var out []outcome
	err := a.db.Update(a.meta(c), func(tx *store.Tx) error {
		w := &work{s: tx.State(), keys: map[string]bool{}}
		key := ""
		if op == "upsert" {
			var err error
			if w.o, err = findObject(rest[0], http.StatusNotFound); err != nil {
				return err
			}
			f := w.o.field(rest[1])
			if f == nil || !f.external {
				return refuse(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: %s", rest[1])
			}
			key = f.name
		}
		for _, r := range in.Records {
			at, _ := r["attributes"].(map[string]any)
			typ, _ := at["type"].(string)
			o, err := findObject(typ, http.StatusBadRequest)
			if err != nil {
				return err
			}
			if op == "upsert" && o != w.o {
				return refuse(http.StatusBadRequest, "INVALID_TYPE", "a record of type %s in an upsert of %s", typ, w.o.name)
			}
			w.o = o
			delete(r, "attributes")
			res, err := w.write(op, key, r)
			if err != nil {
				return err
			}
			out = append(out, res)
		}
		return tx.Commit(w.effects...)
	})
	return out, err
}

// write checks one record and puts its change on the list. An error refuses the whole call.
func (w *work) write(op, key string, r map[string]any) (outcome, error) {
	t := w.s.Docs.Table(table(w.o.name))
	fields := map[string]string{}
	id, _ := r["id"].(string)
	if id == "" {
		id, _ = r["Id"].(string)
	}
	delete(r, "id")
	delete(r, "Id")
	for _, name := range sorted(r) {
		f := w.o.field(name)
		if f == nil {
			return outcome{}, refuse(http.StatusBadRequest, "INVALID_FIELD", "No such column '%s' on sobject of type %s", name, w.o.name)
		}
		if f.readOnly {
			return refused(wrong("INVALID_FIELD_FOR_INSERT_UPDATE", f.name, "Unable to create/update fields: %s. Please check the security settings of this field and verify that it is read/write for your profile or permission set.", f.name)), nil
		}
		v, e := f.check(w.s, r[name])
		if e != nil {
			return refused(e), nil
		}
		fields[f.name] = v
	}
	var d *store.Doc
	switch op {
	case "update":
		if d = t.Get(id); d == nil || d.Deleted {
			code := map[bool]string{true: "INVALID_CROSS_REFERENCE_KEY", false: "ENTITY_IS_DELETED"}[d == nil]
			return refused(&rowError{code, map[bool]string{true: "invalid cross reference id", false: "entity is deleted"}[d == nil], []string{}}), nil
		}
	case "upsert":
		v := strings.ToLower(fields[key])
		if v == "" {
			return refused(wrong("MISSING_ARGUMENT", key, "%s not specified", key)), nil
		}
		if w.keys[v] {
			return refused(wrong("DUPLICATE_VALUE", key, "Duplicate external id specified: %s", fields[key])), nil
		}
		w.keys[v] = true
		d = t.By(key, v)
	}
	for _, f := range w.o.fields {
		if f.external && fields[f.name] != "" && (op != "upsert" || f.name != key) {
			if x := t.By(f.name, fields[f.name]); x != nil && (d == nil || x.ID != d.ID) || op == "insert" && w.keys[strings.ToLower(fields[f.name])] {
				at := ""
				if x != nil {
					at = x.ID
				}
				return refused(wrong("DUPLICATE_VALUE", f.name, "duplicate value found: %s duplicates value on record with id: %s", f.name, at)), nil
			}
			w.keys[strings.ToLower(fields[f.name])] = true
		}
		if d == nil && f.required && fields[f.name] == "" {
			return refused(wrong("REQUIRED_FIELD_MISSING", f.name, "Required fields are missing: [%s]", f.name)), nil
		}
	}
	res := outcome{Success: true, Errors: []*rowError{}}
	isNew := d == nil
	if isNew {
		w.made++
		res.ID = newID(w.o, t.Made()+w.made)
		if _, ok := fields["OwnerId"]; !ok {
			fields["OwnerId"] = "005Tw0000000001AAA"
		}
	} else {
		res.ID = d.ID
	}
	if op == "upsert" {
		res.Created = &isNew
	}
	w.effects = append(w.effects, store.Effect{Kind: "doc.put", Object: table(w.o.name), ID: res.ID, Fields: fields})
	return res, nil
}

func (a *API) deleteMany(c *call, ids []string) (any, error) {
	if len(ids) > maxCollection {
		return nil, refuse(http.StatusBadRequest, "INVALID_BATCH_SIZE", "at most %d ids are allowed, there are %d", maxCollection, len(ids))
	}
	var out []outcome
	err := a.db.Update(a.meta(c), func(tx *store.Tx) error {
		var effects []store.Effect
		for _, id := range ids {
			res, effect := remove(tx.State(), id)
			out = append(out, res)
			effects = append(effects, effect...)
		}
		return tx.Commit(effects...)
	})
	return out, err
}

// remove puts a record into the recycle bin.
func remove(s *store.State, id string) (outcome, []store.Effect) {
	for _, o := range objects {
		if strings.HasPrefix(id, o.prefix) {
			switch d := s.Docs.Table(table(o.name)).Get(id); {
			case d == nil:
			case d.Deleted:
				return refused(&rowError{"ENTITY_IS_DELETED", "entity is deleted", []string{}}), nil
			default:
				return outcome{ID: id, Success: true, Errors: []*rowError{}}, []store.Effect{{Kind: "doc.delete", Object: table(o.name), ID: id}}
			}
		}
	}
	return refused(&rowError{"INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", []string{}}), nil
}

// retrieve gives records by id, null for those that are not there.
func (a *API) retrieve(c *call, name string) (any, error) {
	o, err := findObject(name, http.StatusNotFound)
	if err != nil {
		return nil, err
	}
	var in struct{ IDs, Fields []string }
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if len(in.IDs) > 2000 {
		return nil, refuse(http.StatusBadRequest, "INVALID_BATCH_SIZE", "at most 2000 ids are allowed")
	}
	out := make([]any, len(in.IDs))
	a.db.View(func(s *store.State) {
		for i, id := range in.IDs {
			if d := s.Docs.Table(table(o.name)).Live(id); d != nil {
				out[i], err = o.render(c.base, d, in.Fields)
			}
		}
	})
	return out, err
}

func (o *object) render(base string, d *store.Doc, names []string) (map[string]any, error) {
	r := map[string]any{"attributes": map[string]string{"type": o.name, "url": base + "/sobjects/" + o.name + "/" + d.ID}}
	for _, n := range append([]string{"Id"}, names...) {
		f := o.field(n)
		if f == nil {
			return nil, refuse(http.StatusBadRequest, "INVALID_FIELD", "No such column '%s' on entity '%s'.", n, o.name)
		}
		r[f.name] = o.value(d, f)
	}
	return r, nil
}

func sorted(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
