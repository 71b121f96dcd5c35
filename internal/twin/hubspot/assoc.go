package hubspot

import (
	"encoding/json"
	"net/http"
	"strconv"

	"millrace/internal/twin/store"
)

// assocTypes are the unlabelled association types that HubSpot defines, by from and to type.
var assocTypes = map[[2]string]int{
	{"contacts", "companies"}: 279, {"companies", "contacts"}: 280, {"contacts", "deals"}: 4, {"deals", "contacts"}: 3,
	{"deals", "companies"}: 341, {"companies", "deals"}: 342, {"tickets", "contacts"}: 16, {"contacts", "tickets"}: 15,
	{"tickets", "companies"}: 339, {"companies", "tickets"}: 340, {"leads", "contacts"}: 578, {"contacts", "leads"}: 579,
	{"notes", "contacts"}: 202, {"contacts", "notes"}: 201, {"notes", "companies"}: 190, {"companies", "notes"}: 189, {"notes", "deals"}: 214, {"deals", "notes"}: 213, {"notes", "tickets"}: 228, {"tickets", "notes"}: 227,
	{"tasks", "contacts"}: 204, {"contacts", "tasks"}: 203, {"tasks", "companies"}: 192, {"companies", "tasks"}: 191, {"tasks", "deals"}: 216, {"deals", "tasks"}: 215, {"tasks", "tickets"}: 230, {"tickets", "tasks"}: 229,
}

// primaryTypes are the primary variants that a create may name.
var primaryTypes = map[int][2]string{1: {"contacts", "companies"}, 5: {"deals", "companies"}, 26: {"tickets", "companies"}}

// targetOf is the type at the other end of an association type.
func targetOf(from string, id int) (string, bool) {
	for pair, n := range assocTypes {
		if n == id && pair[0] == from {
			return pair[1], true
		}
	}
	if p, ok := primaryTypes[id]; ok && p[0] == from {
		return p[1], true
	}
	return "", false
}

type labelled struct {
	Category string  `json:"category"`
	TypeID   int     `json:"typeId"`
	Label    *string `json:"label"`
}

type target struct {
	ToObjectID int64      `json:"toObjectId"`
	Types      []labelled `json:"associationTypes"`
}

// associations serves /crm/v4/objects/{type}/{id}/associations/{to}, /crm/v4/associations/{from}/{to}/... and labels.
func (a links) associations(c *call) (reply, error) {
	p := c.path
	if (p[1] == "v4" || p[1] == "v3") && p[2] == "objects" {
		switch {
		case len(p) == 7 && p[5] == "associations" && c.Method == http.MethodGet:
			return a.assocOf(c, p[3], p[4], p[6])
		case len(p) == 9 && p[5] == "associations" && p[6] == "default" && c.Method == http.MethodPut:
			return a.assocOne(c, "crm.link", p[3], p[4], p[7], p[8])
		case len(p) == 8 && p[5] == "associations" && c.Method == http.MethodPut:
			return a.assocOne(c, "crm.link", p[3], p[4], p[6], p[7])
		case len(p) == 8 && p[5] == "associations" && c.Method == http.MethodDelete:
			return a.assocOne(c, "crm.unlink", p[3], p[4], p[6], p[7])
		}
		return reply{}, noRoute(c)
	}
	if len(p) < 6 {
		return reply{}, noRoute(c)
	}
	from, to := p[3], p[4]
	switch {
	case len(p) == 6 && p[5] == "labels" && c.Method == http.MethodGet:
		return a.assocLabels(from, to)
	case len(p) == 7 && p[5] == "batch" && p[6] == "read" && c.Method == http.MethodPost:
		return a.assocRead(c, from, to)
	case len(p) == 7 && p[5] == "batch" && (p[6] == "create" || p[6] == "archive") && c.Method == http.MethodPost:
		return a.assocWrite(c, from, to, p[6])
	case len(p) == 8 && p[5] == "batch" && p[6] == "associate" && p[7] == "default" && c.Method == http.MethodPost:
		return a.assocWrite(c, from, to, "create")
	}
	return reply{}, noRoute(c)
}

// pair finds two object types.
func pair(s *store.State, from, to string) (*store.Table, *store.Table, error) {
	a, b := s.CRM.Table(from), s.CRM.Table(to)
	if a == nil || b == nil {
		return nil, nil, invalid("Unable to infer object type from: %s or %s", from, to)
	}
	return a, b, nil
}

func targets(a, b *store.Table, r *store.Record) []target {
	out := []target{}
	for _, id := range r.Assoc[b.Type] {
		out = append(out, target{id, []labelled{{Category: "HUBSPOT_DEFINED", TypeID: assocTypes[[2]string{a.Type, b.Type}]}}})
	}
	return out
}

func (a links) assocOf(c *call, from, id, to string) (reply, error) {
	limit, err := atoi(c.q.Get("limit"), 500, 500, "limit")
	if err != nil {
		return reply{}, err
	}
	offset, err := atoi(c.q.Get("after"), 0, 1<<30, "after")
	if err != nil {
		return reply{}, err
	}
	out := struct {
		Results []target `json:"results"`
		Paging  *paging  `json:"paging,omitempty"`
	}{Results: []target{}}
	a.db.View(func(s *store.State) {
		var x, y *store.Table
		if x, y, err = pair(s, from, to); err != nil {
			return
		}
		var r *store.Record
		if r, err = lookup(x, id, ""); err == nil && r == nil {
			err = missing("resource not found")
		}
		if err != nil {
			return
		}
		all := targets(x, y, r)
		end := min(offset+max(limit, 1), len(all))
		out.Results = all[min(offset, len(all)):end]
		if end < len(all) {
			out.Paging = next(c, strconv.Itoa(end))
		}
	})
	return reply{http.StatusOK, out}, err
}

func (a links) assocRead(c *call, from, to string) (reply, error) {
	var in struct {
		Inputs []struct {
			ID text `json:"id"`
		} `json:"inputs"`
	}
	if err := decode(c, &in); err != nil {
		return reply{}, err
	}
	if len(in.Inputs) > 1000 {
		return reply{}, invalid("The maximum number of inputs supported in a batch request is 1000, but %d inputs were sent.", len(in.Inputs))
	}
	type ref struct {
		ID string `json:"id"`
	}
	type result struct {
		From ref      `json:"from"`
		To   []target `json:"to"`
	}
	out := struct {
		Status      string       `json:"status"`
		Results     []result     `json:"results"`
		StartedAt   string       `json:"startedAt"`
		CompletedAt string       `json:"completedAt"`
		NumErrors   int          `json:"numErrors,omitempty"`
		Errors      []batchError `json:"errors,omitempty"`
	}{Status: "COMPLETE", Results: []result{}}
	var err error
	a.db.View(func(s *store.State) {
		var x, y *store.Table
		if x, y, err = pair(s, from, to); err != nil {
			return
		}
		out.StartedAt, out.CompletedAt = store.Stamp(s.Now()), store.Stamp(s.Now())
		for _, i := range in.Inputs {
			r, bad := lookup(x, string(i.ID), "")
			if bad != nil || r == nil || len(r.Assoc[y.Type]) == 0 {
				out.NumErrors++
				out.Errors = append(out.Errors, batchError{
					Status: "error", Category: "OBJECT_NOT_FOUND", Message: "No " + y.Singular() + " is associated with " + x.Singular() + " " + string(i.ID) + ".",
					Context: map[string][]string{"fromObjectId": {string(i.ID)}}, Errors: []detail{}, Links: map[string]string{},
				})
				continue
			}
			out.Results = append(out.Results, result{ref{strconv.FormatInt(r.ID, 10)}, targets(x, y, r)})
		}
	})
	code := http.StatusOK
	if out.NumErrors > 0 {
		code = http.StatusMultiStatus
	}
	return reply{code, out}, err
}

func (a links) assocOne(c *call, kind, from, id, to, toID string) (reply, error) {
	var out any
	err := a.update(c, func(tx *store.Tx) error {
		x, y, err := pair(tx.State(), from, to)
		if err != nil {
			return err
		}
		r, err := lookup(x, id, "")
		if err != nil {
			return err
		}
		q, err := lookup(y, toID, "")
		if err != nil {
			return err
		}
		if r == nil || q == nil {
			return missing("resource not found")
		}
		out = map[string]any{"fromObjectTypeId": x.TypeID, "fromObjectId": r.ID, "toObjectTypeId": y.TypeID, "toObjectId": q.ID, "labels": []string{}}
		return tx.Commit(store.Effect{Kind: kind, Object: x.Type, ID: id, To: y.Type, ToID: toID})
	})
	if kind == "crm.unlink" {
		return reply{status: http.StatusNoContent}, err
	}
	return reply{http.StatusCreated, out}, err
}

func (a links) assocWrite(c *call, from, to, what string) (reply, error) {
	var in struct {
		Inputs []struct {
			From struct {
				ID text `json:"id"`
			} `json:"from"`
			To json.RawMessage `json:"to"`
		} `json:"inputs"`
	}
	if err := decode(c, &in); err != nil {
		return reply{}, err
	}
	results := []any{}
	err := a.update(c, func(tx *store.Tx) error {
		x, y, err := pair(tx.State(), from, to)
		if err != nil {
			return err
		}
		var effects []store.Effect
		for _, i := range in.Inputs {
			var many []struct {
				ID text `json:"id"`
			}
			if json.Unmarshal(i.To, &many) != nil {
				many = append(many, struct {
					ID text `json:"id"`
				}{})
				if err := json.Unmarshal(i.To, &many[0]); err != nil {
					return invalid("Invalid input JSON: to needs an id")
				}
			}
			for _, m := range many {
				r, err := lookup(x, string(i.From.ID), "")
				if err != nil {
					return err
				}
				q, err := lookup(y, string(m.ID), "")
				if err != nil {
					return err
				}
				if r == nil || q == nil {
					return invalid("Object %s or %s does not exist", i.From.ID, m.ID)
				}
				kind := map[string]string{"create": "crm.link", "archive": "crm.unlink"}[what]
				effects = append(effects, store.Effect{Kind: kind, Object: x.Type, ID: string(i.From.ID), To: y.Type, ToID: string(m.ID)})
				results = append(results, map[string]any{"fromObjectTypeId": x.TypeID, "fromObjectId": r.ID, "toObjectTypeId": y.TypeID, "toObjectId": q.ID, "labels": []string{}})
			}
		}
		return tx.Commit(effects...)
	})
	if what == "archive" {
		return reply{status: http.StatusNoContent}, err
	}
	var now string
	a.db.View(func(s *store.State) { now = store.Stamp(s.Now()) })
	return reply{http.StatusCreated, map[string]any{"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}}, err
}

func (a links) assocLabels(from, to string) (reply, error) {
	var out []labelled
	var err error
	a.db.View(func(s *store.State) {
		var x, y *store.Table
		if x, y, err = pair(s, from, to); err == nil {
			out = []labelled{{Category: "HUBSPOT_DEFINED", TypeID: assocTypes[[2]string{x.Type, y.Type}]}}
		}
	})
	return reply{http.StatusOK, map[string]any{"results": out}}, err
}
