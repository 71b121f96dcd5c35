package e2e

import (
	"cmp"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"time"

	"millrace/extract/landing"
)

// Recurring revenue by day, from contracts: what was agreed for each subscription item (quantity, price, discount) from
// which moment on. sql/staging/stripe_subscription_states.sql and sql/core/subscription_intervals.sql say in
// words what is known; nothing here follows their statements. Days are walked one by one instead of joined as intervals.

// snapshot is a subscription as Stripe's API and events write it, as far as recurring revenue needs it.
type snapshot struct {
	Status   string                        `json:"status"`
	Customer string                        `json:"customer"`
	Currency string                        `json:"currency"`
	TrialEnd int64                         `json:"trial_end"`
	Start    int64                         `json:"start_date"`
	EndedAt  int64                         `json:"ended_at"`
	Discount *discount                     `json:"discount"`
	Pause    *struct{ Behavior string }    `json:"pause_collection"`
	Items    struct{ Data []snapshotItem } `json:"items"`
}

type snapshotItem struct {
	ID       string              `json:"id"`
	Quantity int64               `json:"quantity"`
	Price    struct{ ID string } `json:"price"`
}

type discount struct {
	Coupon struct {
		PercentOff json.Number `json:"percent_off"`
		AmountOff  json.Number `json:"amount_off"`
	} `json:"coupon"`
}

// step is the monthly worth of an item, in the project's currency, from a moment on.
type step struct {
	at    time.Time
	order int
	worth *big.Rat
}

// contract is one subscription item.
type contract struct {
	customer string
	currency string
	steps    []step
}

// on is the item's worth at the end of a day.
func (c *contract) on(f *facts, day time.Time) *big.Rat {
	out := new(big.Rat)
	for _, s := range c.steps {
		if f.day(s.at).After(day) {
			break
		}
		out = s.worth
	}
	return out
}

var nothing = new(big.Rat)

// monthly is what a quantity of a price is worth a month.
func (f *facts) monthly(priceID string, quantity int64, d *discount) *big.Rat {
	p, ok := f.price(priceID)
	if !ok || p.text("usage_type") == "metered" || p.text("interval") == "" {
		return nothing // usage that nobody committed to, and one-off prices
	}
	currency := p.text("currency")
	minor := p.rat("unit_amount_decimal")
	if minor == nil {
		minor = p.rat("unit_amount")
	}
	if minor == nil {
		return nothing
	}
	total := new(big.Rat).Mul(f.major(minor, currency), new(big.Rat).SetInt64(quantity))
	if d != nil {
		if off, err := number(d.Coupon.PercentOff.String()); err == nil {
			total.Sub(total, new(big.Rat).Mul(total, off.Quo(off, big.NewRat(100, 1))))
		}
		if d.Coupon.AmountOff != "" {
			panic("the simulated vendor gives amounts off; share them among the items of the subscription here too")
		}
		if total.Sign() < 0 {
			return nothing
		}
	}
	perYear := map[string]int64{"year": 1, "month": 12, "week": 52, "day": 365}[p.text("interval")]
	count, ok := p.int("interval_count")
	if !ok || count == 0 {
		count = 1
	}
	total.Mul(total, big.NewRat(perYear, 12*count))
	rate := f.worth(currency, time.Time{})
	if rate == nil {
		return nothing
	}
	return total.Mul(total, rate)
}

// currencyOf is the currency of a price.
func (f *facts) currencyOf(price string) string {
	p, _ := f.price(price)
	return strings.ToUpper(p.text("currency"))
}

// price is a listed price, or one that only a subscription item has.
func (f *facts) price(id string) (record, bool) {
	for _, p := range f.prices {
		if p.text("id") == id {
			return p, true
		}
	}
	for _, i := range f.items {
		if i.text("price_id") == id {
			return i, true
		}
	}
	return nil, false
}

func counts(status string, paused bool) bool {
	return (status == "active" || status == "past_due") && !paused
}

// contracts works out every subscription item's steps.
func (f *facts) contracts() []*contract {
	itemsOf, eventsOf, billsOf := map[string][]record{}, map[string][]record{}, map[string][]record{}
	for _, i := range f.items {
		itemsOf[i.text("subscription_id")] = append(itemsOf[i.text("subscription_id")], i)
	}
	for _, e := range f.changes {
		switch e.text("type") {
		case "customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted",
			"customer.subscription.paused", "customer.subscription.resumed":
			eventsOf[e.text("object_id")] = append(eventsOf[e.text("object_id")], e)
		}
	}
	for _, i := range f.invoices {
		billsOf[i.text("subscription_id")] = append(billsOf[i.text("subscription_id")], i)
	}
	var out []*contract
	for _, s := range f.subscriptions {
		id := s.text("id")
		byItem := map[string]*contract{}
		for _, i := range itemsOf[id] {
			byItem[i.text("id")] = &contract{customer: s.text("customer_id"), currency: f.currencyOf(i.text("price_id"))}
		}
		first, last := f.fromEvents(eventsOf[id], byItem, s)
		f.before(first, s, itemsOf[id], billsOf[id], byItem)
		if last != nil {
			f.after(last, s, itemsOf[id], billsOf[id], byItem)
		}
		ended, over := s.time("ended_at")
		for _, c := range byItem {
			if over {
				c.steps = slices.DeleteFunc(c.steps, func(p step) bool { return p.at.After(ended) })
				c.steps = append(c.steps, step{ended, 1 << 20, nothing})
			}
			slices.SortStableFunc(c.steps, func(a, b step) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order)) })
			out = append(out, c)
		}
	}
	return out
}

// fromEvents adds what events tell and returns the first and the last of them, nil when there is none.
func (f *facts) fromEvents(events []record, byItem map[string]*contract, s record) (first, last *snapshotEvent) {
	var told []snapshotEvent
	for _, e := range events {
		at, _ := e.time("created_at")
		ev := snapshotEvent{at: at, id: e.text("id")}
		if json.Unmarshal([]byte(e.text("data")), &ev) == nil {
			told = append(told, ev)
		}
	}
	slices.SortFunc(told, func(a, b snapshotEvent) int { return cmp.Or(a.at.Compare(b.at), strings.Compare(a.id, b.id)) })
	for n, ev := range told {
		there := map[string]bool{}
		for _, i := range ev.Object.Items.Data {
			there[i.ID] = true
			c := byItem[i.ID]
			if c == nil { // since removed
				c = &contract{customer: s.text("customer_id"), currency: f.currencyOf(i.Price.ID)}
				byItem[i.ID] = c
			}
			worth := nothing
			if counts(ev.Object.Status, ev.Object.Pause != nil && ev.Object.Pause.Behavior != "") {
				worth = f.monthly(i.Price.ID, i.Quantity, ev.Object.Discount)
			}
			c.steps = append(c.steps, step{ev.at, 100 + n, worth})
		}
		for id, c := range byItem {
			if !there[id] && len(c.steps) > 0 {
				c.steps = append(c.steps, step{ev.at, 100 + n, nothing})
			}
		}
	}
	if len(told) == 0 {
		return nil, nil
	}
	return &told[0], &told[len(told)-1]
}

// after adds what is listed now where the last event says otherwise: events that nobody read are gone after thirty days.
func (f *facts) after(last *snapshotEvent, s record, items, bills []record, byItem map[string]*contract) {
	if read, ok := s.time(landing.ColExtractedAt); last.Object.Status == "canceled" || s.text("status") == "canceled" || ok && !read.After(last.at) {
		return
	}
	since := last.at
	for _, at := range []time.Time{changedAt(bills), at(s, "current_period_start")} {
		if at.After(since) {
			since = at
		}
	}
	var coupon *discount
	_ = json.Unmarshal([]byte(s.text("discount")), &coupon) // no discount is null
	for _, i := range items {
		n, _ := i.int("quantity")
		for _, was := range last.Object.Items.Data {
			if was.ID != i.text("id") || was.Quantity == n && was.Price.ID == i.text("price_id") && last.Object.Status == s.text("status") {
				continue
			}
			worth := nothing
			if counts(s.text("status"), isPaused(s)) {
				worth = f.monthly(i.text("price_id"), n, coupon)
			}
			byItem[was.ID].steps = append(byItem[was.ID].steps, step{since, 1 << 19, worth})
		}
	}
}

func at(r record, col string) time.Time {
	t, _ := r.time(col)
	return t
}

func isPaused(subscription record) bool {
	p := subscription.text("pause_collection")
	return p != "" && p != "null"
}

// changedAt is when a change was last billed for the rest of a period.
func changedAt(bills []record) time.Time {
	var last time.Time
	for _, b := range bills {
		if created := at(b, "created_at"); b.text("billing_reason") == "subscription_update" && created.After(last) {
			last = created
		}
	}
	return last
}

type snapshotEvent struct {
	at       time.Time
	id       string
	Object   snapshot `json:"object"`
	Previous struct {
		Status   string                        `json:"status"`
		Quantity int64                         `json:"quantity"`
		Items    struct{ Data []snapshotItem } `json:"items"`
	} `json:"previous_attributes"`
}

// before adds what held before the first event: what regular invoices billed for each period, and before those the first
// event's previous values; without events, the subscription as it is listed now.
func (f *facts) before(first *snapshotEvent, s record, items, bills []record, byItem map[string]*contract) {
	start, ok := s.time("started_at")
	if !ok {
		start, _ = s.time("created_at")
	}
	if first != nil && !start.Before(first.at.Add(-time.Minute)) {
		return // born with the first event
	}
	trialEnd, _ := s.time("trial_end")
	ended, over := s.time("ended_at")
	var coupon *discount
	_ = json.Unmarshal([]byte(s.text("discount")), &coupon) // no discount is null
	paused := isPaused(s)

	type agreed struct {
		at       time.Time
		order    int
		price    string
		quantity int64
	}
	changed := changedAt(bills)
	regular := map[string][]agreed{}
	for _, b := range bills {
		if reason := b.text("billing_reason"); reason != "subscription_create" && reason != "subscription_cycle" {
			continue
		}
		if st := b.text("status"); st == "" || st == "draft" || st == "void" {
			continue
		}
		var lines []struct {
			Item      string                `json:"subscription_item"`
			Price     struct{ ID string }   `json:"price"`
			Quantity  *int64                `json:"quantity"`
			Proration bool                  `json:"proration"`
			Period    struct{ Start int64 } `json:"period"`
		}
		if json.Unmarshal([]byte(b.text("lines")), &lines) != nil {
			continue
		}
		for _, l := range lines {
			if l.Proration || l.Quantity == nil {
				continue
			}
			item := l.Item
			for _, i := range items {
				if item == "" && i.text("price_id") == l.Price.ID {
					item = i.text("id")
				}
			}
			if item == "" && len(items) == 1 {
				item = items[0].text("id")
			}
			at := time.Unix(l.Period.Start, 0).UTC()
			if item == "" || first != nil && !at.Before(first.at) {
				continue
			}
			regular[item] = append(regular[item], agreed{at, 50, l.Price.ID, *l.Quantity})
		}
	}
	for id, c := range byItem {
		bill := regular[id]
		slices.SortStableFunc(bill, func(a, b agreed) int { return a.at.Compare(b.at) })
		all := slices.Clone(bill)
		status := s.text("status")
		if first == nil {
			for _, i := range items {
				if i.text("id") != id {
					continue
				}
				n, has := i.int("quantity")
				if !has {
					n = 1
				}
				now := agreed{start, 0, i.text("price_id"), n}
				all = append(all, now)
				if len(bill) > 0 && bill[len(bill)-1].quantity != n {
					now.at, now.order = bill[len(bill)-1].at, 60
					if changed.After(now.at) {
						now.at = changed
					}
					all = append(all, now)
				}
			}
		} else {
			status = first.Object.Status
			if first.Previous.Status != "" {
				status = first.Previous.Status
			}
			for _, i := range first.Object.Items.Data {
				if i.ID != id {
					continue
				}
				was := agreed{start, 0, i.Price.ID, i.Quantity}
				for _, p := range first.Previous.Items.Data {
					if p.ID != "" && p.ID != id {
						continue
					}
					was.quantity, was.price = cmp.Or(p.Quantity, was.quantity), cmp.Or(p.Price.ID, was.price)
				}
				was.quantity = cmp.Or(first.Previous.Quantity, was.quantity)
				all = append(all, was)
			}
		}
		if status == "canceled" || status == "trialing" {
			status = "active" // until it ended, and once the trial is over
		}
		slices.SortStableFunc(all, func(a, b agreed) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order)) })
		for _, a := range all {
			then := status
			if a.order == 50 {
				then = "active" // billed, so it counted
			}
			worth := nothing
			if counts(then, paused && first == nil && a.order != 50) {
				worth = f.monthly(a.price, a.quantity, coupon)
			}
			if a.at.Before(trialEnd) { // nothing before the trial is over, and then what was agreed
				c.steps = append(c.steps, step{a.at, a.order, nothing})
				if !(over && !ended.After(trialEnd)) && (first == nil || trialEnd.Before(first.at)) {
					c.steps = append(c.steps, step{trialEnd, a.order, worth})
				}
				continue
			}
			c.steps = append(c.steps, step{a.at, a.order, worth})
		}
	}
}
