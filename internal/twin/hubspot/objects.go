package hubspot

import (
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"millrace/internal/twin/store"
	"millrace/internal/twin/wire"
)

// record is a CRM row as the API sends it.
type record struct {
	ID           string                    `json:"id"`
	Properties   map[string]*string        `json:"properties"`
	History      map[string][]historyEntry `json:"propertiesWithHistory,omitempty"`
	CreatedAt    string                    `json:"createdAt"`
	UpdatedAt    string                    `json:"updatedAt"`
	Archived     bool                      `json:"archived"`
	ArchivedAt   string                    `json:"archivedAt,omitempty"`
	New          *bool                     `json:"new,omitempty"`
	TraceID      string                    `json:"objectWriteTraceId,omitempty"`
	Associations map[string]assocPage      `json:"associations,omitempty"`
	URL          string                    `json:"url,omitempty"`
}

type historyEntry struct {
	Value      string `json:"value"`
	Timestamp  string `json:"timestamp"`
	SourceType string `json:"sourceType"`
	SourceID   string `json:"sourceId,omitempty"`
	UserID     int64  `json:"updatedByUserId,omitempty"`
}

type assocPage struct {
	Results []assocRef `json:"results"`
}

type assocRef struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

type paging struct {
	Next *cursor `json:"next,omitempty"`
	Prev *cursor `json:"prev,omitempty"`
}

type cursor struct {
	After string `json:"after"`
	Link  string `json:"link,omitempty"`
}

type page struct {
	Total   *int     `json:"total,omitempty"`
	Results []record `json:"results"`
	Paging  *paging  `json:"paging,omitempty"`
}

// wanted is what a read asks for.
type wanted struct {
	props, history, assoc []string
}

var defaults = map[string][]string{
	"contacts":  {"createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"},
	"companies": {"name", "domain", "createdate", "hs_lastmodifieddate", "hs_object_id"},
	"deals":     {"dealname", "amount", "closedate", "pipeline", "dealstage", "createdate", "hs_lastmodifieddate", "hs_object_id"},
	"tickets":   {"subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority", "createdate", "hs_lastmodifieddate", "hs_object_id"},
	"leads":     {"hs_lead_name", "hs_pipeline", "hs_pipeline_stage", "hs_createdate", "hs_lastmodifieddate", "hs_object_id"},
}

// objects is /crm/v3/objects/{type}...
func (a records) objects(c *call) (reply, error) {
	if len(c.path) < 4 {
		return reply{}, noRoute(c)
	}
	var t string
	a.db.View(func(s *store.State) {
		if tab := s.CRM.Table(c.path[3]); tab != nil {
			t = tab.Type
		}
	})
	if t == "" {
		return reply{}, invalid("Unable to infer object type from: %s", c.path[3])
	}
	rest := c.path[4:]
	switch {
	case len(rest) == 0 && c.Method == http.MethodGet:
		return a.list(c, t)
	case len(rest) == 0 && c.Method == http.MethodPost:
		return a.create(c, t)
	case len(rest) == 1 && rest[0] == "search" && c.Method == http.MethodPost:
		return a.find(c, t)
	case len(rest) == 1 && rest[0] == "gdpr-delete" && t == "contacts" && c.Method == http.MethodPost:
		return a.forget(c, t)
	case len(rest) == 2 && rest[0] == "batch" && c.Method == http.MethodPost:
		return a.batch(c, t, rest[1])
	case len(rest) == 1 && c.Method == http.MethodGet:
		return a.get(c, t, rest[0])
	case len(rest) == 1 && c.Method == http.MethodPatch:
		return a.patch(c, t, rest[0])
	case len(rest) == 1 && c.Method == http.MethodDelete:
		return a.archive(c, t, rest[0])
	case len(rest) >= 3 && rest[1] == "associations":
		return links(a).associations(c)
	}
	return reply{}, noRoute(c)
}

func wants(q url.Values) wanted {
	return wanted{names(q["properties"]), names(q["propertiesWithHistory"]), names(q["associations"])}
}

func names(values []string) (out []string) {
	for _, v := range values {
		for _, n := range strings.Split(v, ",") {
			if n = strings.TrimSpace(n); n != "" {
				out = append(out, n)
			}
		}
	}
	return out
}

// render writes a record as the API does: what was asked for, null when unset; unknown names are left out.
func render(s *store.State, t *store.Table, r *store.Record, w wanted) record {
	out := record{
		ID: strconv.FormatInt(r.ID, 10), CreatedAt: store.Stamp(r.Created), UpdatedAt: store.Stamp(r.Updated), Archived: r.Archived,
		Properties: map[string]*string{}, URL: "https://app.hubspot.com/contacts/4815162/record/" + t.TypeID + "/" + strconv.FormatInt(r.ID, 10),
	}
	if r.Archived {
		out.ArchivedAt = store.Stamp(r.ArchivedAt)
	}
	props := w.props
	if len(props) == 0 {
		props = defaults[t.Type]
	} else {
		props = append([]string{"hs_object_id", "createdate", t.ModifiedName()}, props...)
	}
	for _, n := range props {
		if v, ok := t.Value(r, n); ok {
			out.Properties[n] = &v
		} else if t.Property(n) != nil {
			out.Properties[n] = nil
		}
	}
	for _, n := range w.history {
		if t.Property(n) == nil {
			continue
		}
		if out.History == nil {
			out.History = map[string][]historyEntry{}
		}
		out.History[n] = []historyEntry{}
		for _, c := range t.HistoryOf(r, n) {
			out.History[n] = append(out.History[n], historyEntry{c.Value, store.Stamp(c.At), c.SourceType, c.SourceID, c.UserID})
		}
		if v, ok := t.Value(r, n); ok {
			out.Properties[n] = &v
		}
	}
	for _, n := range w.assoc {
		other := s.CRM.Table(n)
		if other == nil || len(r.Assoc[other.Type]) == 0 {
			continue
		}
		if out.Associations == nil {
			out.Associations = map[string]assocPage{}
		}
		p := assocPage{}
		for _, id := range r.Assoc[other.Type] {
			p.Results = append(p.Results, assocRef{strconv.FormatInt(id, 10), t.Singular() + "_to_" + other.Singular()})
		}
		out.Associations[other.Type] = p
	}
	return out
}

func (a records) list(c *call, typ string) (reply, error) {
	w := wants(c.q)
	top := 100
	if len(w.history) > 0 {
		top = 50
	}
	limit, err := atoi(c.q.Get("limit"), 10, top, "limit")
	if err != nil {
		return reply{}, err
	}
	after := int64(0)
	if v := c.q.Get("after"); v != "" {
		if after, err = store.ParseID(v); err != nil {
			return reply{}, invalid("Invalid query parameter: after %q was not given by an earlier page", v)
		}
	}
	out := page{Results: []record{}}
	a.db.View(func(s *store.State) {
		t := s.CRM.Table(typ)
		rows, more := t.After(after, max(limit, 1), c.q.Get("archived") == "true")
		for _, r := range rows {
			out.Results = append(out.Results, render(s, t, r, w))
		}
		if more {
			out.Paging = next(c, out.Results[len(out.Results)-1].ID)
		}
	})
	return reply{http.StatusOK, out}, nil
}

func next(c *call, after string) *paging {
	q := url.Values{}
	for k, v := range c.q {
		q[k] = v
	}
	q.Set("after", after)
	return &paging{Next: &cursor{After: after, Link: wire.Base(c.Request) + c.URL.Path + "?" + q.Encode()}}
}

// lookup finds a live record by id or by a unique property.
func lookup(t *store.Table, id, idProperty string) (*store.Record, error) {
	if idProperty == "" || idProperty == "hs_object_id" {
		n, err := store.ParseID(id)
		if err != nil {
			return nil, missing("Object not found.  objectId are usually numeric. (%s)", id)
		}
		return t.Get(n), nil
	}
	p := t.Property(idProperty)
	if p == nil {
		return nil, unknownProperty(t, idProperty)
	}
	if !p.Unique {
		return nil, invalid("The idProperty %s is not a property with unique values", idProperty)
	}
	return t.ByUnique(idProperty, id), nil
}

func (a records) get(c *call, typ, id string) (reply, error) {
	var out record
	var err error
	a.db.View(func(s *store.State) {
		t := s.CRM.Table(typ)
		var r *store.Record
		if r, err = lookup(t, id, c.q.Get("idProperty")); err != nil {
			return
		}
		if r == nil || r.Archived != (c.q.Get("archived") == "true") {
			err = missing("resource not found")
			return
		}
		out = render(s, t, r, wants(c.q))
	})
	return reply{http.StatusOK, out}, err
}

func (a records) create(c *call, typ string) (reply, error) {
	var in input
	if err := decode(c, &in); err != nil {
		return reply{}, err
	}
	var out record
	err := a.update(c, func(tx *store.Tx) error {
		s := tx.State()
		t := s.CRM.Table(typ)
		fields, f := checkFields(t, in.Properties)
		if f == nil {
			f = checkNew(t, fields)
		}
		if f == nil {
			f = checkUnique(t, fields, 0)
		}
		if f != nil {
			return f
		}
		id := strconv.FormatInt(t.NextID(0), 10)
		effects, f := createEffects(s, t, id, fields, in.Associations)
		if f != nil {
			return f
		}
		if err := tx.Commit(effects...); err != nil {
			return err
		}
		n, _ := store.ParseID(id)
		out = render(s, t, t.Get(n), wanted{props: sortedNames(fields)})
		return nil
	})
	return reply{http.StatusCreated, out}, err
}

func (a records) patch(c *call, typ, id string) (reply, error) {
	var in input
	if err := decode(c, &in); err != nil {
		return reply{}, err
	}
	var out record
	err := a.update(c, func(tx *store.Tx) error {
		s := tx.State()
		t := s.CRM.Table(typ)
		r, err := lookup(t, id, c.q.Get("idProperty"))
		if err != nil {
			return err
		}
		if r == nil || r.Archived {
			return missing("resource not found")
		}
		fields, f := checkFields(t, in.Properties)
		if f == nil {
			f = checkUnique(t, fields, r.ID)
		}
		if f != nil {
			return f
		}
		if err := tx.Commit(store.Effect{Kind: "crm.update", Object: typ, ID: strconv.FormatInt(r.ID, 10), Fields: fields}); err != nil {
			return err
		}
		out = render(s, t, r, wanted{props: sortedNames(fields)})
		return nil
	})
	return reply{http.StatusOK, out}, err
}

func (a records) archive(c *call, typ, id string) (reply, error) {
	err := a.update(c, func(tx *store.Tx) error {
		t := tx.State().CRM.Table(typ)
		r, err := lookup(t, id, "")
		if err != nil || r == nil || r.Archived {
			return err // deleting what is not there is no error
		}
		return tx.Commit(store.Effect{Kind: "crm.archive", Object: typ, ID: id})
	})
	return reply{status: http.StatusNoContent}, err
}

func createEffects(s *store.State, t *store.Table, id string, fields map[string]string, links []link) ([]store.Effect, *fail) {
	out := []store.Effect{{Kind: "crm.create", Object: t.Type, ID: id, Fields: fields}}
	for _, l := range links {
		if len(l.Types) == 0 {
			return nil, invalid("an association needs types")
		}
		to, ok := targetOf(t.Type, l.Types[0].TypeID)
		if !ok {
			return nil, invalid("One or more association types are invalid: %d", l.Types[0].TypeID)
		}
		n, err := store.ParseID(string(l.To.ID))
		if other := s.CRM.Table(to); err != nil || other.Get(n) == nil {
			return nil, invalid("Object with id %s of type %s does not exist", l.To.ID, to)
		}
		out = append(out, store.Effect{Kind: "crm.link", Object: t.Type, ID: id, To: to, ToID: string(l.To.ID)})
	}
	return out, nil
}

func sortedNames(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
