package hubspot

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"millrace/internal/twin/store"
)

// property is a property definition as the API sends it.
type property struct {
	store.Property
	Description  string         `json:"description"`
	Options      []store.Option `json:"options"`
	DisplayOrder int            `json:"displayOrder"`
	Hidden       bool           `json:"hidden"`
	HasUnique    bool           `json:"hasUniqueValue"`
	Calculated   bool           `json:"calculated"`
	External     bool           `json:"externalOptions"`
	Defined      bool           `json:"hubspotDefined"`
	FormField    bool           `json:"formField"`
	Archived     bool           `json:"archived"`
	CreatedAt    string         `json:"createdAt"`
	UpdatedAt    string         `json:"updatedAt"`
	ReadOnly     *struct{}      `json:"readOnly,omitempty"` // hides the stored field
	Modification modification   `json:"modificationMetadata"`
	Sensitivity  string         `json:"dataSensitivity"`
}

type modification struct {
	Archivable         bool `json:"archivable"`
	ReadOnlyDefinition bool `json:"readOnlyDefinition"`
	ReadOnlyValue      bool `json:"readOnlyValue"`
	ReadOnlyOptions    bool `json:"readOnlyOptions"`
}

func renderProperty(p *store.Property) property {
	out := property{
		Property: *p, Description: p.Description, Options: p.Options, DisplayOrder: -1, Hidden: p.Hidden, HasUnique: p.Unique, Defined: p.Defined, FormField: p.FormField, Archived: p.Archived,
		CreatedAt: store.Stamp(p.Created), UpdatedAt: store.Stamp(p.Updated), Sensitivity: "non_sensitive",
		Modification: modification{Archivable: !p.Defined, ReadOnlyDefinition: p.Defined, ReadOnlyValue: p.ReadOnly, ReadOnlyOptions: p.Defined},
	}
	if out.Options == nil {
		out.Options = []store.Option{}
	}
	return out
}

var propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

var fieldTypes = map[string][]string{
	"string": {"text", "textarea", "html", "file", "phonenumber"}, "phone_number": {"phonenumber"}, "number": {"number"}, "bool": {"booleancheckbox"},
	"enumeration": {"select", "radio", "checkbox", "booleancheckbox"}, "date": {"date"}, "datetime": {"date"},
}

// properties is /crm/v3/properties/{type}...
func (a portal) properties(c *call) (reply, error) {
	p := c.path[3:]
	switch {
	case len(p) == 1 && c.Method == http.MethodGet:
		return a.listProperties(c, p[0])
	case len(p) == 1 && c.Method == http.MethodPost:
		return a.defineProperties(c, p[0], false)
	case len(p) == 3 && p[1] == "batch" && p[2] == "create" && c.Method == http.MethodPost:
		return a.defineProperties(c, p[0], true)
	case len(p) == 2 && c.Method == http.MethodGet:
		return a.oneProperty(p[0], p[1])
	case len(p) == 2 && c.Method == http.MethodDelete:
		return a.archiveProperty(c, p[0], p[1])
	}
	return reply{}, noRoute(c)
}

func (a portal) listProperties(c *call, typ string) (reply, error) {
	out := []property{}
	var err error
	a.db.View(func(s *store.State) {
		t := s.CRM.Table(typ)
		if t == nil {
			err = invalid("Unable to infer object type from: %s", typ)
			return
		}
		for _, p := range t.Properties() {
			if p.Archived == (c.q.Get("archived") == "true") {
				out = append(out, renderProperty(p))
			}
		}
	})
	return reply{http.StatusOK, map[string]any{"results": out}}, err
}

func (a portal) oneProperty(typ, name string) (reply, error) {
	var out property
	err := error(missing("Property %s does not exist", name))
	a.db.View(func(s *store.State) {
		if t := s.CRM.Table(typ); t != nil && t.Property(name) != nil {
			out, err = renderProperty(t.Property(name)), nil
		}
	})
	return reply{http.StatusOK, out}, err
}

func (a portal) defineProperties(c *call, typ string, many bool) (reply, error) {
	var in struct {
		Inputs []store.Property `json:"inputs"`
		store.Property
	}
	if err := decode(c, &in); err != nil {
		return reply{}, err
	}
	defs := in.Inputs
	if !many {
		defs = []store.Property{in.Property}
	}
	out := []property{}
	err := a.update(c, func(tx *store.Tx) error {
		t := tx.State().CRM.Table(typ)
		if t == nil {
			return invalid("Unable to infer object type from: %s", typ)
		}
		var effects []store.Effect
		for i := range defs {
			d := &defs[i]
			if f := checkDefinition(t, d); f != nil {
				return f
			}
			d.Defined, d.ReadOnly, d.Archived = false, false, false
			d.Created = tx.State().Now()
			d.Updated = d.Created
			effects = append(effects, store.Effect{Kind: "crm.property", Object: t.Type, ID: d.Name, Def: d})
			out = append(out, renderProperty(d))
		}
		return tx.Commit(effects...)
	})
	if many {
		return reply{http.StatusCreated, map[string]any{"status": "COMPLETE", "results": out}}, err
	}
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusCreated, out[0]}, nil
}

func checkDefinition(t *store.Table, d *store.Property) *fail {
	switch {
	case d.Name == "" || d.Label == "" || d.Type == "" || d.FieldType == "" || d.Group == "":
		return invalid("Some required fields were not set: name, label, type, fieldType and groupName are needed")
	case !propertyName.MatchString(d.Name):
		return invalid("Property name %q must begin with a letter and have only lower-case letters, digits and underscores", d.Name)
	case fieldTypes[d.Type] == nil:
		return invalid("Invalid property type %q", d.Type)
	case t.Property(d.Name) != nil:
		return refuse(http.StatusConflict, "OBJECT_ALREADY_EXISTS", "A property named '%s' already exists.", d.Name)
	}
	for _, f := range fieldTypes[d.Type] {
		if f == d.FieldType {
			return nil
		}
	}
	return invalid("fieldType %q is not one for type %q: %s", d.FieldType, d.Type, strings.Join(fieldTypes[d.Type], ", "))
}

func (a portal) archiveProperty(c *call, typ, name string) (reply, error) {
	err := a.update(c, func(tx *store.Tx) error {
		t := tx.State().CRM.Table(typ)
		if t == nil || t.Property(name) == nil {
			return missing("Property %s does not exist", name)
		}
		p := *t.Property(name)
		if p.Defined {
			return invalid("Property %s is defined by HubSpot and cannot be archived", name)
		}
		p.Archived = true
		return tx.Commit(store.Effect{Kind: "crm.property", Object: t.Type, ID: name, Def: &p})
	})
	return reply{status: http.StatusNoContent}, err
}

// pipelines is /crm/v3/pipelines/{type}.
func (a portal) pipelines(c *call) (reply, error) {
	if c.Method != http.MethodGet || len(c.path) < 4 {
		return reply{}, noRoute(c)
	}
	const epoch = "1970-01-01T00:00:00Z"
	stage := func(id, label, key, value string, n int) map[string]any {
		return map[string]any{"id": id, "label": label, "displayOrder": n, "metadata": map[string]string{key: value, "isClosed": strconv.FormatBool(value == "1.0" || value == "0.0" || value == "CLOSED")}, "archived": false, "createdAt": epoch, "updatedAt": epoch, "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT"}
	}
	stages := []any{}
	id, label := "default", "Sales Pipeline"
	switch c.path[3] {
	case "deals", "deal", "0-3":
		a.db.View(func(s *store.State) {
			for i, st := range s.CRM.Stages {
				stages = append(stages, stage(st.ID, st.Label, "probability", st.Probability, i))
			}
		})
	case "tickets", "ticket", "0-5":
		id, label = "0", "Support Pipeline"
		for i, st := range [][2]string{{"New", "OPEN"}, {"Waiting on contact", "OPEN"}, {"Waiting on us", "OPEN"}, {"Closed", "CLOSED"}} {
			stages = append(stages, stage(strconv.Itoa(i+1), st[0], "ticketState", st[1], i))
		}
	case "leads", "lead", "0-136":
		id, label = "lead-pipeline-id", "Lead Pipeline"
		for i, st := range []string{"new", "attempting", "connected", "qualified", "unqualified"} {
			stages = append(stages, stage(st+"-stage-id", strings.ToUpper(st[:1])+st[1:], "leadState", strings.ToUpper(st), i))
		}
	default:
		return reply{}, invalid("Unable to infer object type from: %s", c.path[3])
	}
	line := map[string]any{"id": id, "label": label, "displayOrder": 0, "stages": stages, "archived": false, "createdAt": epoch, "updatedAt": epoch}
	switch rest := c.path[4:]; {
	case len(rest) == 0:
		return reply{http.StatusOK, map[string]any{"results": []any{line}}}, nil
	case rest[0] != id:
		return reply{}, missing("pipeline %s does not exist", rest[0])
	case len(rest) == 1:
		return reply{http.StatusOK, line}, nil
	case len(rest) == 2 && rest[1] == "stages":
		return reply{http.StatusOK, map[string]any{"results": stages}}, nil
	}
	return reply{}, noRoute(c)
}

// owners is /crm/v3/owners.
func (a portal) owners(c *call) (reply, error) {
	if c.Method != http.MethodGet {
		return reply{}, noRoute(c)
	}
	limit, err := atoi(c.q.Get("limit"), 100, 500, "limit")
	if err != nil {
		return reply{}, err
	}
	after, err := atoi(c.q.Get("after"), 0, 1<<40, "after")
	if err != nil {
		return reply{}, err
	}
	type team struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Primary bool   `json:"primary"`
	}
	type owner struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		Email     string `json:"email"`
		First     string `json:"firstName"`
		Last      string `json:"lastName"`
		UserID    *int64 `json:"userId,omitempty"`
		Inactive  int64  `json:"userIdIncludingInactive"`
		CreatedAt string `json:"createdAt"`
		UpdatedAt string `json:"updatedAt"`
		Archived  bool   `json:"archived"`
		Teams     []team `json:"teams"`
	}
	out := struct {
		Results []owner `json:"results"`
		Paging  *paging `json:"paging,omitempty"`
	}{Results: []owner{}}
	one := ""
	if len(c.path) == 4 {
		one = c.path[3]
	}
	a.db.View(func(s *store.State) {
		for _, o := range s.CRM.Owners {
			id := strconv.FormatInt(o.ID, 10)
			if o.Archived != (c.q.Get("archived") == "true") || o.ID <= int64(after) || one != "" && one != id || c.q.Get("email") != "" && c.q.Get("email") != o.Email {
				continue
			}
			if len(out.Results) == max(limit, 1) {
				out.Paging = next(c, out.Results[len(out.Results)-1].ID)
				return
			}
			row := owner{ID: id, Type: "PERSON", Email: o.Email, First: o.First, Last: o.Last, Inactive: o.UserID, CreatedAt: store.Stamp(o.Created), UpdatedAt: store.Stamp(o.Updated), Archived: o.Archived, Teams: []team{{ID: o.Team, Name: o.Team, Primary: true}}}
			if !o.Archived {
				row.UserID = &o.UserID
			}
			out.Results = append(out.Results, row)
		}
	})
	if one == "" {
		return reply{http.StatusOK, out}, nil
	}
	if len(out.Results) == 0 {
		return reply{}, missing("Owner %s does not exist", one)
	}
	return reply{http.StatusOK, out.Results[0]}, nil
}

// forms serves the forms and, newest first, what was submitted.
func (a portal) forms(c *call) (reply, error) {
	if c.Method != http.MethodGet {
		return reply{}, noRoute(c)
	}
	if c.path[0] == "marketing" {
		out := []any{}
		a.db.View(func(s *store.State) {
			for _, f := range s.CRM.Forms {
				out = append(out, map[string]any{
					"id": f.ID, "name": f.Name, "formType": "hubspot", "archived": false, "createdAt": store.Stamp(f.Created), "updatedAt": store.Stamp(f.Created), "fieldGroups": []any{},
					"configuration": map[string]any{"language": "en"}, "displayOptions": map[string]any{}, "legalConsentOptions": map[string]any{"type": "none"},
				})
			}
		})
		return reply{http.StatusOK, map[string]any{"results": out}}, nil
	}
	if len(c.path) != 5 || c.path[3] != "forms" {
		return reply{}, noRoute(c)
	}
	limit, err := atoi(c.q.Get("limit"), 20, 50, "limit")
	if err != nil {
		return reply{}, err
	}
	results := []any{}
	var pg *paging
	found := false
	a.db.View(func(s *store.State) {
		for _, f := range s.CRM.Forms {
			found = found || f.ID == c.path[4]
		}
		after := c.q.Get("after")
		skip := after != ""
		last := ""
		for i := len(s.CRM.Subs) - 1; i >= 0; i-- {
			sub := s.CRM.Subs[i]
			if sub.FormID != c.path[4] {
				continue
			}
			if skip { // the cursor is the last submission of the page before, so new ones do not shift pages
				skip = sub.ID != after
				continue
			}
			if len(results) == max(limit, 1) {
				pg = next(c, last)
				return
			}
			values := []any{}
			for _, f := range sub.Fields {
				values = append(values, map[string]any{"name": f[0], "value": f[1], "objectTypeId": "0-1"})
			}
			results = append(results, map[string]any{"conversionId": sub.ID, "submittedAt": sub.At.UnixMilli(), "values": values, "pageUrl": sub.PageURL})
			last = sub.ID
		}
	})
	if !found {
		return reply{}, missing("No form with id %s", c.path[4])
	}
	body := map[string]any{"results": results}
	if pg != nil {
		body["paging"] = pg
	}
	return reply{http.StatusOK, body}, nil
}
