package store

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// CRM is the data behind the simulated HubSpot portal: one table per object type.
type CRM struct {
	tables map[string]*Table
	Owners []Owner
	Stages []Stage // of the one deal pipeline, in order
	Forms  []Form
	Subs   []Submission // in order of time
	Lists  []*List
}

// Owner is a sales representative as the portal knows them.
type Owner struct {
	ID               int64
	UserID           int64
	Email            string
	First, Last      string
	Team             string
	Created, Updated time.Time
	Archived         bool
}

// Stage is one step of the deal pipeline.
type Stage struct {
	ID, Label   string
	Probability string // "0.0" to "1.0", as the portal writes it
	Closed      bool
}

// Form is a web form of the portal.
type Form struct {
	ID, Name string
	Created  time.Time
}

// Submission is one filled form.
type Submission struct {
	ID, FormID string
	At         time.Time
	PageURL    string
	Fields     [][2]string // name, value, in the order of the form
}

// AddSubmission files a filled form; they are kept in order of time.
func (c *CRM) AddSubmission(s Submission) {
	c.Subs = insert(c.Subs, s, func(s Submission) time.Time { return s.At })
}

// List is a static list of contacts.
type List struct {
	ID, Name, TypeID string
	Processing       string // MANUAL, SNAPSHOT, DYNAMIC
	Created, Updated time.Time
	Members          map[int64]time.Time
}

// Table is one object type with its property definitions.
type Table struct {
	Type   string // contacts, companies, ...
	TypeID string // 0-1, 0-2, ...
	byID   map[int64]*Record
	ids    []int64 // ascending
	props  map[string]*Property
	unique map[string]map[string]int64 // property with unique values → lower-cased value → record
	nextID int64                       // for records made through the API; the market numbers its own
}

// Record is one CRM row. Values are strings, as the portal sends them; unset means absent.
type Record struct {
	ID               int64
	Props            map[string]string
	History          map[string][]Change // newest last; only properties that changed or are tracked
	Created, Updated time.Time
	Archived         bool
	ArchivedAt       time.Time
	Forgotten        bool               // deleted for good; only the number is kept, so that it is not given again
	Assoc            map[string][]int64 // other type → ids, ascending
}

// Change is one entry of a property's history.
type Change struct {
	Value      string
	At         time.Time
	SourceType string // CRM_UI, INTEGRATION, FORM, IMPORT, API
	SourceID   string
	UserID     int64
}

// Property defines one property of an object type.
type Property struct {
	Name        string    `json:"name"`
	Label       string    `json:"label"`
	Type        string    `json:"type"`      // string, number, date, datetime, enumeration, bool, phone_number
	FieldType   string    `json:"fieldType"` // text, textarea, number, select, ...
	Group       string    `json:"groupName"`
	Description string    `json:"description,omitempty"`
	Options     []Option  `json:"options,omitempty"`
	Unique      bool      `json:"hasUniqueValue,omitempty"`
	ReadOnly    bool      `json:"readOnly,omitempty"`
	Defined     bool      `json:"hubspotDefined,omitempty"`
	Hidden      bool      `json:"hidden,omitempty"`
	FormField   bool      `json:"formField,omitempty"`
	Created     time.Time `json:"createdAt"`
	Updated     time.Time `json:"updatedAt"`
	Archived    bool      `json:"archived,omitempty"`
}

// Option is one value of an enumeration.
type Option struct {
	Label  string `json:"label"`
	Value  string `json:"value"`
	Order  int    `json:"displayOrder"`
	Hidden bool   `json:"hidden"`
}

// apiIDs is where records made through the API start, so that a write never moves the numbers of the market.
const apiIDs = 900_000_000

func newCRM() *CRM {
	c := &CRM{tables: map[string]*Table{}}
	for _, t := range [][2]string{
		{"contacts", "0-1"}, {"companies", "0-2"}, {"deals", "0-3"}, {"tickets", "0-5"}, {"leads", "0-136"}, {"notes", "0-46"}, {"tasks", "0-27"},
	} {
		c.tables[t[0]] = &Table{
			Type: t[0], TypeID: t[1], byID: map[int64]*Record{}, props: map[string]*Property{},
			unique: map[string]map[string]int64{}, nextID: apiIDs,
		}
	}
	return c
}

// Table finds an object type by any spelling that the portal takes: contacts, contact, 0-1.
func (c *CRM) Table(name string) *Table {
	n := strings.ToLower(name)
	if t := c.tables[n]; t != nil {
		return t
	}
	for _, t := range c.tables {
		if t.TypeID == n || singular(t.Type) == n {
			return t
		}
	}
	return nil
}

// Types lists the object types in order.
func (c *CRM) Types() []string {
	out := make([]string, 0, len(c.tables))
	for t := range c.tables {
		out = append(out, t)
	}
	sort.Strings(out)
	return out
}

// List finds a list by id.
func (c *CRM) List(id string) *List {
	for _, l := range c.Lists {
		if l.ID == id {
			return l
		}
	}
	return nil
}

func singular(t string) string {
	if t == "companies" {
		return "company"
	}
	return strings.TrimSuffix(t, "s")
}

// Singular is the object type as it stands in association names: contact, company, deal.
func (t *Table) Singular() string { return singular(t.Type) }

// ModifiedName is the property that says when a record last changed; contacts have their own spelling.
func (t *Table) ModifiedName() string {
	if t.Type == "contacts" {
		return "lastmodifieddate"
	}
	return "hs_lastmodifieddate"
}

// Define adds a property definition. It replaces one of the same name.
func (t *Table) Define(p Property) {
	t.props[p.Name] = &p
	if p.Unique && t.unique[p.Name] == nil {
		t.unique[p.Name] = map[string]int64{}
	}
}

// Property finds a definition that is not archived.
func (t *Table) Property(name string) *Property {
	p := t.props[name]
	if p == nil || p.Archived {
		return nil
	}
	return p
}

// Properties lists all definitions by name, archived ones too.
func (t *Table) Properties() []*Property {
	out := make([]*Property, 0, len(t.props))
	for _, p := range t.props {
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// Get finds a record by id, archived or not; one that was forgotten is not there.
func (t *Table) Get(id int64) *Record {
	if r := t.byID[id]; r != nil && !r.Forgotten {
		return r
	}
	return nil
}

// ByUnique finds a record by the value of a property that has unique values.
func (t *Table) ByUnique(prop, value string) *Record {
	return t.byID[t.unique[prop][strings.ToLower(strings.TrimSpace(value))]]
}

// Len is the number of records, archived ones included.
func (t *Table) Len() int { return len(t.ids) }

// After returns up to n records with an id above after, ascending, with the wanted archive state.
func (t *Table) After(after int64, n int, archived bool) (out []*Record, more bool) {
	i := sort.Search(len(t.ids), func(i int) bool { return t.ids[i] > after })
	for ; i < len(t.ids); i++ {
		r := t.byID[t.ids[i]]
		if r.Archived != archived || r.Forgotten {
			continue
		}
		if len(out) == n {
			return out, true
		}
		out = append(out, r)
	}
	return out, false
}

// Value is a property's value as the portal sends it, computed ones included.
func (t *Table) Value(r *Record, name string) (string, bool) {
	switch name {
	case "hs_object_id":
		return strconv.FormatInt(r.ID, 10), true
	case "createdate", "hs_createdate":
		return Stamp(r.Created), true
	case t.ModifiedName():
		return Stamp(r.Updated), true
	}
	v, ok := r.Props[name]
	return v, ok
}

// Insert adds a record. The market gives its own ids; 0 takes the next one of the API's range.
func (t *Table) Insert(id int64, at time.Time) *Record {
	if id == 0 {
		t.nextID++
		id = t.nextID
	} else if id >= apiIDs && id > t.nextID {
		t.nextID = id
	}
	r := &Record{ID: id, Props: map[string]string{}, Created: at, Updated: at}
	t.byID[id] = r
	if n := len(t.ids); n == 0 || t.ids[n-1] < id {
		t.ids = append(t.ids, id)
	} else {
		i := sort.Search(n, func(i int) bool { return t.ids[i] >= id })
		t.ids = append(t.ids, 0)
		copy(t.ids[i+1:], t.ids[i:])
		t.ids[i] = id
	}
	return r
}

// NextID is the id that the next record made through the API will have, plus ahead.
func (t *Table) NextID(ahead int) int64 { return t.nextID + 1 + int64(ahead) }

// Set changes one property and keeps its history. An empty value clears. It reports whether the value moved.
func (t *Table) Set(r *Record, name, value string, c Change) bool {
	old, had := r.Props[name]
	if had && old == value || !had && value == "" {
		return false
	}
	if u := t.unique[name]; u != nil {
		if had {
			delete(u, strings.ToLower(old))
		}
		if value != "" {
			u[strings.ToLower(strings.TrimSpace(value))] = r.ID
		}
	}
	if value == "" {
		delete(r.Props, name)
	} else {
		r.Props[name] = value
	}
	if c.At.After(r.Updated) {
		r.Updated = c.At
	}
	if r.History == nil {
		r.History = map[string][]Change{}
	}
	h := r.History[name]
	if h == nil && had {
		h = append(h, Change{Value: old, At: r.Created, SourceType: "IMPORT"})
	}
	if h == nil && c.At.Equal(r.Created) {
		return true // a first value at creation is told by the record itself
	}
	c.Value = value
	r.History[name] = append(h, c)
	return true
}

// HistoryOf is a property's history, newest first; a value that never moved has one entry.
func (t *Table) HistoryOf(r *Record, name string) []Change {
	h := r.History[name]
	if h == nil {
		if v, ok := t.Value(r, name); ok {
			return []Change{{Value: v, At: r.Created, SourceType: "IMPORT"}}
		}
		return nil
	}
	out := make([]Change, 0, len(h))
	for i := len(h) - 1; i >= 0; i-- {
		out = append(out, h[i])
	}
	return out
}

// Archive marks a record as deleted; its unique values become free.
func (t *Table) Archive(r *Record, at time.Time) {
	for name, u := range t.unique {
		if v := r.Props[name]; v != "" {
			delete(u, strings.ToLower(v))
		}
	}
	r.Archived, r.ArchivedAt, r.Updated = true, at, at
}

// Forget deletes a record for good: nothing shows it any more, and nothing of it is kept.
func (t *Table) Forget(r *Record, at time.Time) {
	t.Archive(r, at)
	r.Props, r.History, r.Assoc, r.Forgotten = map[string]string{}, nil, nil, true
}

// Link associates two records in both directions. Linking twice changes nothing.
func (c *CRM) Link(fromType string, from int64, toType string, to int64) {
	link1(c.tables[fromType].byID[from], toType, to)
	link1(c.tables[toType].byID[to], fromType, from)
}

// Unlink removes an association in both directions.
func (c *CRM) Unlink(fromType string, from int64, toType string, to int64) {
	unlink1(c.tables[fromType].byID[from], toType, to)
	unlink1(c.tables[toType].byID[to], fromType, from)
}

func link1(r *Record, typ string, id int64) {
	if r.Assoc == nil {
		r.Assoc = map[string][]int64{}
	}
	ids := r.Assoc[typ]
	i := sort.Search(len(ids), func(i int) bool { return ids[i] >= id })
	if i < len(ids) && ids[i] == id {
		return
	}
	ids = append(ids, 0)
	copy(ids[i+1:], ids[i:])
	ids[i] = id
	r.Assoc[typ] = ids
}

func unlink1(r *Record, typ string, id int64) {
	ids := r.Assoc[typ]
	i := sort.Search(len(ids), func(i int) bool { return ids[i] >= id })
	if i < len(ids) && ids[i] == id {
		r.Assoc[typ] = append(ids[:i:i], ids[i+1:]...)
	}
}

// Stamp writes an instant as HubSpot does: ISO 8601 in UTC with milliseconds.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// ParseID reads a record id.
func ParseID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("%q is not a record id", s)
	}
	return id, nil
}
