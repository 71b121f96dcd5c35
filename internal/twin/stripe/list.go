package stripe

import (
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// item is one object of a list: its id, when it was made and how to write it.
type item struct {
	id      string
	created time.Time
	write   func() object
	match   func(param, value string) bool
}

// eventDays is how long events are kept.
const eventDays = 30

// list serves a page, newest first.
func (a *API) list(r *http.Request, kind string) (any, error) {
	q := r.URL.Query()
	limit, err := check(q, kind)
	if err != nil {
		return nil, err
	}
	created, err := spanOf(q, "created")
	if err != nil {
		return nil, err
	}
	out := map[string]any{"object": "list", "url": "/v1/" + kind, "has_more": false}
	data := []any{}
	a.db.View(func(s *store.State) {
		var all []item
		for _, x := range items(s, kind, q) { // oldest first in the store
			if created.holds(x.created) && holds(x, q) {
				all = append(all, x)
			}
		}
		slices.Reverse(all)
		from, to := 0, min(limit, len(all))
		if id := q.Get("starting_after"); id != "" {
			if from = place(s, all, kind, id, q); from < 0 {
				err = absent(kind, id, "starting_after")
				return
			}
			to = min(from+limit, len(all))
		}
		if id := q.Get("ending_before"); id != "" {
			i := slices.IndexFunc(all, func(x item) bool { return x.id == id })
			if i < 0 {
				err = absent(kind, id, "ending_before")
				return
			}
			from, to = max(0, i-limit), i
			out["has_more"] = from > 0
		} else {
			out["has_more"] = to < len(all)
		}
		for _, x := range all[from:to] {
			o := x.write()
			if err = expand(s, o, paths(q, "data.")); err != nil {
				return
			}
			data = append(data, o)
		}
	})
	out["data"] = data
	return out, err
}

// place is where the page after an object begins, also when a filter leaves the object itself out.
func place(s *store.State, all []item, kind, id string, q url.Values) int {
	if i := slices.IndexFunc(all, func(x item) bool { return x.id == id }); i >= 0 {
		return i + 1
	}
	for _, x := range items(s, kind, q) {
		if x.id == id {
			return sort.Search(len(all), func(i int) bool { return !all[i].created.After(x.created) })
		}
	}
	return -1
}

func absent(kind, id, param string) *problem {
	return invalid("resource_missing", param, "No such %s: '%s'", strings.TrimSuffix(kind, "s"), id)
}

// check refuses parameters that the endpoint does not know and reads the page size.
func check(q url.Values, kind string) (int, error) {
	known := append([]string{"limit", "starting_after", "ending_before", "expand[]", "expand", "ids[]", "types[]"}, resources[kind]...)
	for k := range q {
		bare, _, _ := strings.Cut(k, "[")
		if !slices.Contains(known, k) && !slices.Contains(known, bare) && !slices.Contains(known, bare+"[]") {
			return 0, invalid("parameter_unknown", k, "Received unknown parameter: %s", k)
		}
	}
	limit := 10
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			return 0, invalid("parameter_invalid_integer", "limit", "Invalid integer: %s", v)
		}
		if n < 1 || n > 100 {
			return 0, invalid("", "limit", "This value must be between 1 and 100, inclusive.")
		}
		limit = n
	}
	if kind == "subscription_items" && q.Get("subscription") == "" {
		return 0, invalid("parameter_missing", "subscription", "Missing required param: subscription.")
	}
	return limit, nil
}

func holds(x item, q url.Values) bool {
	for k := range q {
		bare, rest, _ := strings.Cut(k, "[")
		if slices.Contains([]string{"limit", "starting_after", "ending_before", "expand", "created"}, bare) {
			continue
		}
		if bare == "types" || bare == "ids" {
			if !slices.ContainsFunc(listOf(q, bare), func(v string) bool { return x.match(strings.TrimSuffix(bare, "s"), v) }) {
				return false
			}
			continue
		}
		if rest == "" && !x.match(bare, q.Get(k)) {
			return false
		}
	}
	return true
}

// listOf reads a list parameter in both spellings: name[] and name[0].
func listOf(q url.Values, name string) []string {
	var out []string
	var keys []string
	for k := range q {
		if bare, _, ok := strings.Cut(k, "["); ok && bare == name {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		out = append(out, q[k]...)
	}
	return out
}

// items are all objects of a kind, oldest first.
func items(s *store.State, kind string, q url.Values) (out []item) {
	b := s.Billing
	add := func(id string, created time.Time, write func() object, match func(p, v string) bool) {
		out = append(out, item{id, created, write, match})
	}
	switch kind {
	case "products":
		for _, p := range b.Products {
			add(p.ID, p.Created, func() object { return product(p) }, func(k, v string) bool { return k != "id" && v != "false" || v == p.ID })
		}
	case "prices":
		for _, p := range b.Prices {
			add(p.ID, p.Created, func() object { return price(p) }, func(k, v string) bool {
				return k == "currency" && v == p.Currency || k == "product" && v == p.Product || k == "active" && v == "true" || k == "type" && v == "recurring"
			})
		}
	case "customers":
		for _, c := range b.Customers {
			if !c.Deleted {
				add(c.ID, c.Created, func() object { return customer(c) }, func(k, v string) bool { return k != "email" || v == c.Email })
			}
		}
	case "subscriptions":
		for _, x := range b.Subscriptions {
			want := q.Get("status")
			if want == "" && x.Status == "canceled" || want == "ended" && x.Status != "canceled" {
				continue // ended ones only come when asked for
			}
			add(x.ID, x.Created, func() object { return subscription(b, x) }, func(k, v string) bool {
				switch k {
				case "status":
					return v == "all" || v == "ended" || v == x.Status
				case "customer":
					return v == x.Customer
				case "price":
					return v == x.Price
				}
				return k != "collection_method" || v == "charge_automatically"
			})
		}
	case "subscription_items":
		for _, x := range b.Subscriptions {
			add(x.Item, x.Created, func() object { return subItem(b, x) }, func(k, v string) bool { return v == x.ID })
		}
	case "invoices":
		for _, x := range b.Invoices {
			add(x.ID, x.Created, func() object { return invoice(b, x) }, func(k, v string) bool {
				return k == "customer" && v == x.Customer || k == "subscription" && v == x.Subscription || k == "status" && v == x.Status || k == "collection_method" && v == "charge_automatically"
			})
		}
	case "charges":
		for _, x := range b.Charges {
			add(x.ID, x.Created, func() object { return charge(b, x) }, func(k, v string) bool {
				return k == "customer" && v == x.Customer || k == "payment_intent" && v == intent(x.ID)
			})
		}
	case "refunds":
		for _, x := range b.Refunds {
			add(x.ID, x.Created, func() object { return refund(x) }, func(k, v string) bool {
				return k == "charge" && v == x.Charge || k == "payment_intent" && v == intent(x.Charge)
			})
		}
	case "events":
		oldest := s.Date.AddDate(0, 0, -eventDays)
		for _, x := range b.Events {
			if x.Created.Before(oldest) {
				continue
			}
			add(x.ID, x.Created, func() object { return event(b, x) }, func(k, v string) bool {
				if k != "type" {
					return true
				}
				head, wild := strings.CutSuffix(v, "*")
				return v == x.Type || wild && strings.HasPrefix(x.Type, head)
			})
		}
	}
	return out
}

func (a *API) get(q url.Values, kind, id string) (any, error) {
	var out object
	err := error(refuse(http.StatusNotFound, "invalid_request_error", "resource_missing", "id", "No such %s: '%s'", strings.TrimSuffix(kind, "s"), id))
	a.db.View(func(s *store.State) {
		if o := find(s, id); o != nil && strings.HasPrefix(kind, o["object"].(string)) {
			out, err = o, expand(s, o, paths(q, ""))
		}
	})
	return out, err
}

// find writes the object of an id, or nil.
func find(s *store.State, id string) object {
	b := s.Billing
	head, _, _ := strings.Cut(id, "_")
	switch head {
	case "cus":
		if c := b.Customer(id); c != nil {
			if c.Deleted {
				return object{"id": c.ID, "object": "customer", "deleted": true}
			}
			return customer(c)
		}
	case "sub":
		if x := b.Subscription(id); x != nil {
			return subscription(b, x)
		}
	case "in":
		if x := b.Invoice(id); x != nil {
			return invoice(b, x)
		}
	case "ch":
		if x := b.Charge(id); x != nil {
			return charge(b, x)
		}
	case "price":
		if x := b.Price(id); x != nil {
			return price(x)
		}
	case "prod":
		for _, x := range b.Products {
			if x.ID == id {
				return product(x)
			}
		}
	case "re":
		for _, x := range b.Refunds {
			if x.ID == id {
				return refund(x)
			}
		}
	case "evt":
		for _, x := range b.Events {
			if x.ID == id {
				return event(b, x)
			}
		}
	case "si":
		for _, x := range b.Subscriptions {
			if x.Item == id {
				return subItem(b, x)
			}
		}
	}
	return nil
}

// paths are the fields to expand, without the prefix that lists need.
func paths(q url.Values, prefix string) (out [][]string) {
	for _, p := range listOf(q, "expand") {
		out = append(out, strings.Split(strings.TrimPrefix(p, prefix), "."))
	}
	return out
}

// expand replaces ids by their objects along each path.
func expand(s *store.State, o object, all [][]string) error {
	if len(all) > 0 && len(all[0]) > 4 {
		return invalid("", "expand", "You can only expand up to 4 levels.")
	}
	for _, path := range all {
		if err := expandOne(s, o, path, strings.Join(path, ".")); err != nil {
			return err
		}
	}
	return nil
}

func expandOne(s *store.State, v any, path []string, whole string) error {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			if err := expandOne(s, e, path, whole); err != nil {
				return err
			}
		}
		return nil
	case object:
		if len(path) == 0 {
			return nil
		}
		e, ok := x[path[0]]
		if !ok {
			return invalid("", "expand[0]", "This property cannot be expanded (%s).", whole)
		}
		if id, isID := e.(string); isID {
			found := find(s, id)
			if found == nil {
				return invalid("", "expand[0]", "This property cannot be expanded (%s).", whole)
			}
			x[path[0]], e = found, found
		}
		return expandOne(s, e, path[1:], whole)
	}
	return nil
}
