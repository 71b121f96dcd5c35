package hubspot

import (
	"net/http"
	"slices"
	"strconv"

	"millrace/internal/twin/store"
)

func renderList(l *store.List) map[string]any {
	return map[string]any{
		"listId": l.ID, "name": l.Name, "objectTypeId": l.TypeID, "processingType": l.Processing, "processingStatus": "COMPLETE", "listVersion": 1,
		"size": len(l.Members), "createdAt": store.Stamp(l.Created), "updatedAt": store.Stamp(l.Updated),
	}
}

// lists is /crm/v3/lists: create, read, and the members of static lists.
func (a lists) answer(c *call) (reply, error) {
	p := c.path[3:]
	switch {
	case len(p) == 0 && c.Method == http.MethodPost:
		return a.createList(c)
	case len(p) == 0 && c.Method == http.MethodGet:
		out := []any{}
		a.db.View(func(s *store.State) {
			for _, l := range s.CRM.Lists {
				if ids := c.q["listIds"]; len(ids) == 0 || slices.Contains(ids, l.ID) {
					out = append(out, renderList(l))
				}
			}
		})
		return reply{http.StatusOK, map[string]any{"lists": out}}, nil
	case len(p) == 1 && c.Method == http.MethodGet:
		var out any
		a.db.View(func(s *store.State) {
			if l := s.CRM.List(p[0]); l != nil {
				out = renderList(l)
			}
		})
		if out == nil {
			return reply{}, missing("List does not exist with ID %s.", p[0])
		}
		return reply{http.StatusOK, map[string]any{"list": out}}, nil
	case len(p) == 2 && p[1] == "memberships" && c.Method == http.MethodGet:
		return a.members(c, p[0])
	case len(p) == 3 && p[1] == "memberships" && c.Method == http.MethodPut:
		return a.changeMembers(c, p[0], p[2])
	}
	return reply{}, noRoute(c)
}

func (a lists) createList(c *call) (reply, error) {
	var in struct {
		Name       string `json:"name"`
		TypeID     string `json:"objectTypeId"`
		Processing string `json:"processingType"`
	}
	if err := decode(c, &in); err != nil {
		return reply{}, err
	}
	var out any
	err := a.update(c, func(tx *store.Tx) error {
		crm := tx.State().CRM
		switch {
		case in.Name == "":
			return invalid("Some required fields were not set: [name]")
		case crm.Table(in.TypeID) == nil:
			return invalid("Unable to infer object type from: %s", in.TypeID)
		case !slices.Contains([]string{"MANUAL", "SNAPSHOT", "DYNAMIC"}, in.Processing):
			return invalid("Enum type must be one of: [MANUAL, SNAPSHOT, DYNAMIC]; %q is none", in.Processing)
		}
		for _, l := range crm.Lists {
			if l.Name == in.Name {
				return refuse(http.StatusConflict, "CONFLICT", "List with name %q already exists.", in.Name)
			}
		}
		id := strconv.Itoa(101 + len(crm.Lists))
		if err := tx.Commit(store.Effect{Kind: "crm.list", Object: "lists", ID: id, Fields: map[string]string{"name": in.Name, "objectTypeId": in.TypeID, "processingType": in.Processing}}); err != nil {
			return err
		}
		out = renderList(crm.List(id))
		return nil
	})
	return reply{http.StatusOK, map[string]any{"list": out}}, err
}

func (a lists) members(c *call, id string) (reply, error) {
	limit, err := atoi(c.q.Get("limit"), 100, 250, "limit")
	if err != nil {
		return reply{}, err
	}
	after, err := atoi(c.q.Get("after"), 0, 1<<50, "after")
	if err != nil {
		return reply{}, err
	}
	results := []any{}
	body := map[string]any{}
	a.db.View(func(s *store.State) {
		l := s.CRM.List(id)
		if l == nil {
			err = missing("List does not exist with ID %s.", id)
			return
		}
		ids := make([]int64, 0, len(l.Members))
		for m := range l.Members {
			ids = append(ids, m)
		}
		slices.Sort(ids)
		body["total"] = len(ids)
		last := ""
		for _, m := range ids {
			if m <= int64(after) {
				continue
			}
			if len(results) == max(limit, 1) {
				body["paging"] = next(c, last)
				break
			}
			last = strconv.FormatInt(m, 10)
			results = append(results, map[string]any{"recordId": last, "membershipTimestamp": store.Stamp(l.Members[m])})
		}
	})
	body["results"] = results
	return reply{http.StatusOK, body}, err
}

func (a lists) changeMembers(c *call, id, what string) (reply, error) {
	var add, remove []text
	switch what {
	case "add", "remove":
		var ids []text
		if err := decode(c, &ids); err != nil {
			return reply{}, err
		}
		if add = ids; what == "remove" {
			add, remove = nil, ids
		}
	case "add-and-remove":
		var in struct {
			Add    []text `json:"recordIdsToAdd"`
			Remove []text `json:"recordIdsToRemove"`
		}
		if err := decode(c, &in); err != nil {
			return reply{}, err
		}
		add, remove = in.Add, in.Remove
	default:
		return reply{}, noRoute(c)
	}
	added, removed, absent := []string{}, []string{}, []string{}
	err := a.update(c, func(tx *store.Tx) error {
		l := tx.State().CRM.List(id)
		if l == nil {
			return missing("List does not exist with ID %s.", id)
		}
		if l.Processing == "DYNAMIC" {
			return invalid("List %s is DYNAMIC: its members follow from its filters", id)
		}
		t := tx.State().CRM.Table(l.TypeID)
		sift := func(ids []text, in bool) (out []string) {
			for _, x := range ids {
				n, err := store.ParseID(string(x))
				if err != nil || t.Get(n) == nil || t.Get(n).Archived {
					absent = append(absent, string(x))
				} else if _, member := l.Members[n]; member != in && !slices.Contains(out, string(x)) {
					out = append(out, string(x))
				}
			}
			return out
		}
		var effects []store.Effect
		if ids := sift(add, true); len(ids) > 0 {
			added = ids
			effects = append(effects, store.Effect{Kind: "crm.members.add", Object: "lists", ID: id, IDs: ids})
		}
		if ids := sift(remove, false); len(ids) > 0 {
			removed = ids
			effects = append(effects, store.Effect{Kind: "crm.members.remove", Object: "lists", ID: id, IDs: ids})
		}
		return tx.Commit(effects...)
	})
	// The first key is spelled as the vendor spells it.
	return reply{http.StatusOK, map[string]any{"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": absent}}, err
}
