package store

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Docs are the things of vendors whose state is no more than named things with text fields, and sets of names:
// Salesforce records, ad sets, conversion events, members of audiences. A table or set is made by its first write;
// names are "<vendor>.<what>".
type Docs struct {
	tables map[string]*Docset
	sets   map[string]map[string]bool
}

// Docset is one table. Reads run together, writes have the state to themselves.
type Docset struct {
	Name  string
	byID  map[string]*Doc
	ids   []string                     // in the order in which they were made
	index map[string]map[string]string // field → value in lower case → id of the first live holder
}

// Doc is one thing. What is deleted stays, so that it can be told from what never was.
type Doc struct {
	ID      string
	Fields  map[string]string
	Deleted bool
	Created time.Time
	Updated time.Time
}

func newDocs() *Docs {
	return &Docs{tables: map[string]*Docset{}, sets: map[string]map[string]bool{}}
}

// Table is a table, empty when nothing was written to it. keys are the fields that By looks in; they are named when the
// market is made, before anything is read.
func (d *Docs) Table(name string, keys ...string) *Docset {
	t := d.tables[name]
	if t == nil {
		t = &Docset{Name: name, byID: map[string]*Doc{}, index: map[string]map[string]string{}}
		if len(keys) == 0 {
			return t // nothing to keep: a read must not change the state
		}
		d.tables[name] = t
	}
	for _, k := range keys {
		if t.index[k] == nil {
			t.index[k] = map[string]string{}
		}
	}
	return t
}

func (d *Docs) own(name string) *Docset {
	if d.tables[name] == nil {
		d.tables[name] = &Docset{Name: name, byID: map[string]*Doc{}, index: map[string]map[string]string{}}
	}
	return d.tables[name]
}

// Set is the members of a set, nil when nothing was put into it.
func (d *Docs) Set(name string) map[string]bool { return d.sets[name] }

// Get finds a thing by id, deleted ones included.
func (t *Docset) Get(id string) *Doc { return t.byID[id] }

// Live finds a thing that is not deleted.
func (t *Docset) Live(id string) *Doc {
	if d := t.byID[id]; d != nil && !d.Deleted {
		return d
	}
	return nil
}

// By finds the live thing whose key field holds a value, capitals aside.
func (t *Docset) By(field, value string) *Doc {
	if value == "" {
		return nil
	}
	return t.Live(t.index[field][strings.ToLower(value)])
}

// All yields every thing in the order in which they were made, deleted ones included.
func (t *Docset) All() []*Doc {
	out := make([]*Doc, len(t.ids))
	for i, id := range t.ids {
		out[i] = t.byID[id]
	}
	return out
}

// Made is how many things were ever made: what the next id is derived from.
func (t *Docset) Made() int { return len(t.ids) }

// put writes fields; an empty value takes the field away. It gives the fields that moved and whether the thing is new.
func (t *Docset) put(id string, fields map[string]string, at time.Time) (changed []string, made bool) {
	d := t.byID[id]
	if d == nil {
		made = true
		d = &Doc{ID: id, Fields: map[string]string{}, Created: at}
		t.byID[id] = d
		t.ids = append(t.ids, id)
	}
	for _, k := range sortedKeys(fields) {
		v := fields[k]
		if d.Fields[k] == v {
			continue
		}
		changed = append(changed, k)
		if ix := t.index[k]; ix != nil {
			if old := strings.ToLower(d.Fields[k]); ix[old] == id {
				delete(ix, old)
			}
			if v != "" {
				ix[strings.ToLower(v)] = id
			}
		}
		if v == "" {
			delete(d.Fields, k)
		} else {
			d.Fields[k] = v
		}
	}
	d.Updated = at
	return changed, made
}

// Seed puts a thing there without a write, while the market is made.
func (d *Docs) Seed(table, id string, fields map[string]string, at time.Time) {
	d.own(table).put(id, fields, at)
}

func (s *State) docs(e Effect, c Change, w *Write) error {
	switch e.Kind {
	case "doc.put":
		t := s.Docs.own(e.Object)
		changed, made := t.put(e.ID, e.Fields, c.At)
		w.Op, w.Changed = "update", append(w.Changed, changed...)
		if made {
			w.Op = "create"
		}
	case "doc.delete":
		d := s.Docs.own(e.Object).Live(e.ID)
		if d == nil {
			return fmt.Errorf("no such thing")
		}
		for k, ix := range s.Docs.own(e.Object).index {
			if v := strings.ToLower(d.Fields[k]); ix[v] == e.ID {
				delete(ix, v)
			}
		}
		d.Deleted, d.Updated = true, c.At
		w.Op, w.Changed = "delete", []string{"deleted"}
	case "set.add", "set.remove":
		w.Op, w.Key = e.Kind[len("set."):], e.Object
		set := s.Docs.sets[e.Object]
		if set == nil {
			set = map[string]bool{}
			s.Docs.sets[e.Object] = set
		}
		for _, m := range e.IDs {
			if set[m] == (w.Op == "add") {
				continue
			}
			w.Changed = append(w.Changed, m)
			if w.Op == "add" {
				set[m] = true
			} else {
				delete(set, m)
			}
		}
	case "ads.campaign":
		return s.campaign(e, w)
	default:
		return fmt.Errorf("unknown effect")
	}
	return nil
}

// campaign changes status and budget (micros a day) of an advertising campaign.
func (s *State) campaign(e Effect, w *Write) error {
	id, err := ParseID(e.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(s.Ads.Campaigns, func(c Campaign) bool { return c.ID == id })
	if i < 0 {
		return fmt.Errorf("no such campaign")
	}
	c := &s.Ads.Campaigns[i]
	w.Op = "update"
	for _, k := range sortedKeys(e.Fields) {
		v := e.Fields[k]
		switch k {
		case "status":
			if c.Status != v {
				c.Status, w.Changed = v, append(w.Changed, k)
			}
		case "budget_micros":
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return err
			}
			if c.Budget != n {
				c.Budget, w.Changed = n, append(w.Changed, k)
			}
		default:
			return fmt.Errorf("a campaign has no field %s", k)
		}
	}
	return nil
}

// Dump tells everything in an order of its own, for digests. With full it includes times and the bookkeeping of vendors
// (tables and sets whose last part begins with "_").
func (d *Docs) Dump(full bool, put func(key string, v any)) {
	keep := func(name string) bool { return full || !strings.HasPrefix(name[strings.LastIndex(name, ".")+1:], "_") }
	names := make([]string, 0, len(d.tables))
	for n := range d.tables {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if !keep(n) {
			continue
		}
		docs := d.tables[n].All()
		slices.SortFunc(docs, func(a, b *Doc) int { return cmp.Compare(a.ID, b.ID) })
		for _, x := range docs {
			put(n+" "+x.ID, []any{x.Fields, x.Deleted})
			if full {
				put("times", []any{x.Created, x.Updated})
			}
		}
	}
	names = names[:0]
	for n := range d.sets {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if keep(n) && len(d.sets[n]) > 0 {
			put("set "+n, d.sets[n])
		}
	}
}
