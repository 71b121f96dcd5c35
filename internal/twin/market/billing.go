package market

import (
	"fmt"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// plans with the price of a seat and month in minor units.
var plans = []struct {
	name     string
	usd, eur int64
}{{"Starter", 2900, 2700}, {"Team", 5900, 5500}, {"Enterprise", 9900, 9200}}

const taxEU = 20 // per cent, on bills of customers in the EU

func (s *Sim) setupBilling() {
	b := s.st.Billing
	born := s.at(-history-20, 0)
	for i, p := range plans {
		prod := &store.Product{ID: "prod_" + s.draw("product", i).token(14), Name: "Millstone " + p.name, Created: born}
		b.Products = append(b.Products, prod)
		for j, cur := range []string{"usd", "eur"} {
			for k, interval := range []string{"month", "year"} {
				unit := []int64{p.usd, p.eur}[j]
				if interval == "year" {
					unit *= 10 // two months free
				}
				b.AddPrice(&store.Price{
					ID: "price_1" + s.draw("price", i, j, k).token(23), Product: prod.ID, Currency: cur, Interval: interval, UnitAmount: unit,
					Nickname: fmt.Sprintf("%s %s %s", p.name, strings.ToUpper(cur), interval), Created: born,
				})
			}
		}
	}
}

// price is what an account would pay for a seat and month.
func (s *Sim) price(a *account, seats int) *store.Price {
	plan := btoi(seats >= 12) + btoi(seats >= 50)
	return s.st.Billing.Prices[plan*4+2*btoi(a.country.currency == "eur")]
}

// subscribe starts a contract, with or without a trial. The payer is somebody of the account, or its billing mailbox.
func (s *Sim) subscribe(a *account, seats int, trial bool) {
	if a.sub != nil {
		return
	}
	d := s.draw("subscribe", a.n, a.returns)
	at := s.stamp(d, 9, 20)
	cu := s.payer(a, at, d)
	price := s.price(a, seats)
	if d.chance(250) {
		price = s.yearly(price)
	}
	n := len(s.st.Billing.Subscriptions)
	sub := &store.Subscription{
		ID: "sub_1" + s.draw("sub", n).token(23), Item: "si_" + s.draw("item", n).token(14), Customer: cu.ID, Price: price.ID,
		Currency: price.Currency, Quantity: int64(seats), Status: "active", Created: at, Start: at, PeriodStart: at, Metadata: map[string]string{},
	}
	sub.PeriodEnd = periodEnd(at, price)
	a.sub = sub
	if a.returns == 0 {
		s.customers = append(s.customers, a)
	}
	s.st.Billing.AddSubscription(sub)
	if trial {
		sub.Status, sub.TrialStart, sub.TrialEnd, sub.PeriodEnd = "trialing", at, at.AddDate(0, 0, 14), at.AddDate(0, 0, 14)
		s.on(s.day+14, func() { s.endTrial(a, sub, d) })
	} else {
		s.bill(a, sub, at, "subscription_create", false, sub.Quantity, 0)
		s.renewLater(a, sub)
	}
	s.notify("customer.subscription.created", at, sub)
	for _, p := range a.people {
		if p.productID == "" && d.chance(750) {
			s.startUsing(p, at, d)
		}
	}
}

func (s *Sim) yearly(p *store.Price) *store.Price {
	for i, q := range s.st.Billing.Prices {
		if q == p {
			return s.st.Billing.Prices[i+1]
		}
	}
	return p
}

func periodEnd(from time.Time, p *store.Price) time.Time {
	if p.Interval == "year" {
		return from.AddDate(1, 0, 0)
	}
	return from.AddDate(0, 1, 0)
}

// payer finds or makes the billing system's customer.
func (s *Sim) payer(a *account, at time.Time, d *draws) *store.Customer {
	if len(a.stripe) > 0 && d.chance(600) {
		return s.st.Billing.Customer(a.stripe[len(a.stripe)-1])
	}
	p := a.people[0]
	for _, q := range a.people { // whoever minds the money, else somebody the CRM knows
		if q.job.title == "CFO" || q.job.title == "Accountant" || len(p.contacts) == 0 && len(q.contacts) > 0 {
			p = q
		}
	}
	n := len(s.st.Billing.Customers)
	cu := &store.Customer{
		ID: "cus_" + s.draw("customer", n).token(14), Name: a.legal, Email: p.email, Currency: a.country.currency, Country: a.country.code,
		Metadata: map[string]string{}, Created: at.Add(-time.Minute),
	}
	role := false
	switch d.weighted(62, 22, 9, 7) {
	case 1:
		cu.Email, role = "billing@"+a.domain, true
	case 2:
		cu.Email = s.otherAddress(p, d)
	case 3:
		cu.Email = strings.ToUpper(p.email[:1]) + p.email[1:]
	}
	if d.chance(150) {
		cu.Name = p.first + " " + p.last
	}
	if d.chance(400) && len(p.contacts) > 0 && !role {
		cu.Metadata["hubspot_contact_id"] = fmt.Sprint(p.contacts[0])
		if q := pick(d, a.people); q != p && len(q.contacts) > 0 && d.chance(20) {
			cu.Metadata["hubspot_contact_id"] = fmt.Sprint(q.contacts[0]) // of somebody who paid before
		}
	}
	if d.chance(350) {
		cu.Metadata["hubspot_company_id"] = fmt.Sprint(a.ids[0])
	}
	if d.chance(300) {
		cu.Phone = p.phone
	}
	s.st.Billing.AddCustomer(cu)
	a.stripe = append(a.stripe, cu.ID)
	key := "stripe/customers/" + cu.ID
	if role {
		s.Truth.role(key, cu.Email)
	} else {
		s.Truth.Persons[key] = p.id()
	}
	s.Truth.Accounts[key] = a.id()
	s.notify("customer.created", cu.Created, cu)
	return cu
}

func (s *Sim) notify(typ string, at time.Time, o any) {
	n := len(s.st.Billing.Events)
	s.st.Billing.Notify("evt_1"+s.draw("event", n).token(23), typ, at, o)
}

// bill makes an invoice and tries to collect it.
func (s *Sim) bill(a *account, sub *store.Subscription, at time.Time, reason string, proration bool, seats, unit int64) {
	b := s.st.Billing
	price := b.Price(sub.Price)
	n := len(b.Invoices)
	d := s.draw("bill", n)
	if unit == 0 {
		unit = price.UnitAmount
	}
	cu := b.Customer(sub.Customer)
	s.ids.invoice++
	inv := &store.Invoice{
		ID: "in_1" + s.draw("invoice", n).token(23), Number: fmt.Sprintf("MST-%06d", s.ids.invoice), Customer: cu.ID, Subscription: sub.ID, Price: price.ID,
		CustomerEmail: cu.Email, CustomerName: cu.Name, Currency: sub.Currency, Status: "open", Reason: reason, Quantity: seats, UnitAmount: unit,
		Created: at, PeriodStart: sub.PeriodStart, PeriodEnd: sub.PeriodEnd, Proration: proration,
	}
	if s.draw("coupon", a.n).chance(60) {
		inv.Discount = seats * unit / 10
	}
	if a.country.region == "EU" {
		inv.Tax = (seats*unit - inv.Discount) * taxEU / 100
	}
	b.AddInvoice(inv)
	s.notify("invoice.created", at, inv)
	s.collect(a, sub, inv, at.Add(time.Hour), d, 0)
}

// collect tries to take the money: again after three days when it failed, and the contract ends when it never comes.
func (s *Sim) collect(a *account, sub *store.Subscription, inv *store.Invoice, at time.Time, d *draws, try int) {
	b := s.st.Billing
	ch := &store.Charge{
		ID: "ch_3" + s.draw("charge", len(b.Charges)).token(23), Customer: inv.Customer, Invoice: inv.ID, Currency: inv.Currency, Amount: inv.Total(),
		Status: "succeeded", Created: at,
	}
	b.AddCharge(ch)
	if d.chance(35 + 265*btoi(try > 0)) {
		ch.Status, ch.FailureCode = "failed", "card_declined"
		s.notify("invoice.payment_failed", at, inv)
		if try == 2 {
			inv.Status = "uncollectible"
			s.cancel(a, sub, at, "payment_failed")
			return
		}
		sub.Status = "past_due"
		s.on(s.day+3, func() {
			if inv.Status == "open" && sub.Status != "canceled" {
				s.collect(a, sub, inv, s.stamp(d, 6, 7), d, try+1)
			}
		})
		return
	}
	inv.Status, inv.PaidAt, inv.Charge = "paid", at, ch.ID
	if sub.Status == "past_due" {
		sub.Status = "active"
		s.notify("customer.subscription.updated", at, sub)
	}
	s.notify("invoice.paid", at, inv)
	if d.chance(25) {
		s.on(s.day+d.between(3, 12), func() { s.refund(ch, d) })
	}
}

// refund gives a payment back, whole or in part.
func (s *Sim) refund(ch *store.Charge, d *draws) {
	b := s.st.Billing
	left := ch.Amount - ch.Refunded
	if left <= 0 {
		return
	}
	amount := left
	if d.chance(600) {
		amount = max(left/int64(d.between(2, 5)), 1)
	}
	at := s.stamp(d, 9, 18)
	ch.Refunded += amount
	b.AddRefund(&store.Refund{
		ID: "re_3" + s.draw("refund", len(b.Refunds)).token(23), Charge: ch.ID, Currency: ch.Currency, Amount: amount, Status: "succeeded",
		Reason: []string{"requested_by_customer", "duplicate", ""}[d.n(3)], Created: at,
	})
	s.notify("charge.refunded", at, ch)
}

func (s *Sim) endTrial(a *account, sub *store.Subscription, d *draws) {
	if sub.Status != "trialing" {
		return
	}
	at := sub.TrialEnd
	if d.chance(450) {
		s.cancel(a, sub, at, "trial_ended")
		return
	}
	sub.Status, sub.PeriodStart = "active", at
	sub.PeriodEnd = periodEnd(at, s.st.Billing.Price(sub.Price))
	s.notify("customer.subscription.updated", at, sub)
	s.bill(a, sub, at, "subscription_cycle", false, sub.Quantity, 0)
	s.renewLater(a, sub)
}

func (s *Sim) renewLater(a *account, sub *store.Subscription) {
	s.on(int(sub.PeriodEnd.Sub(s.begin)/(24*time.Hour)), func() { s.renew(a, sub) })
}

// renew is the end of a period: the contract goes on, changes its seats, or ends.
func (s *Sim) renew(a *account, sub *store.Subscription) {
	if sub.Status == "canceled" {
		return
	}
	d := s.draw("renew", a.n, s.day)
	at := sub.PeriodEnd
	if sub.CancelAtPeriodEnd {
		s.cancel(a, sub, at, "cancellation_requested")
		return
	}
	price := s.st.Billing.Price(sub.Price)
	months := 1
	if price.Interval == "year" {
		months = 12
	}
	sub.PeriodStart, sub.PeriodEnd = at, periodEnd(at, price)
	s.notify("customer.subscription.updated", at, sub)
	s.bill(a, sub, at, "subscription_cycle", false, sub.Quantity, 0)
	s.renewLater(a, sub)
	// Those who use little leave more often: true monthly hazard between 2 % and 5 %.
	hazard := 60 - a.engaged/18
	if d.chance(min(1000, hazard*months)) {
		s.on(s.day+d.between(2, 20), func() { s.giveNotice(a, sub) })
	} else if d.chance(80) {
		s.on(s.day+d.between(2, 25), func() { s.changeSeats(a, sub.Quantity+int64(d.between(-4, 9))) })
	}
}

func (s *Sim) giveNotice(a *account, sub *store.Subscription) {
	if a.sub != sub || sub.Status == "canceled" {
		return
	}
	d := s.draw("notice", a.n, s.day)
	a.engaged = a.engaged * 4 / 10
	sub.CancelAtPeriodEnd, sub.CanceledAt = true, s.stamp(d, 9, 18)
	s.notify("customer.subscription.updated", sub.CanceledAt, sub)
}

// changeSeats moves the quantity; more seats are billed at once for the rest of the period.
func (s *Sim) changeSeats(a *account, seats int64) {
	sub := a.sub
	if sub == nil || sub.Status != "active" || seats < 1 || seats == sub.Quantity {
		return
	}
	d := s.draw("seats", a.n, s.day)
	at := s.stamp(d, 9, 18)
	more := seats - sub.Quantity
	sub.Quantity = seats
	s.notify("customer.subscription.updated", at, sub)
	if more > 0 {
		price := s.st.Billing.Price(sub.Price)
		whole, left := sub.PeriodEnd.Sub(sub.PeriodStart), sub.PeriodEnd.Sub(at)
		if unit := price.UnitAmount * int64(left/time.Hour) / max(1, int64(whole/time.Hour)); unit > 0 {
			s.bill(a, sub, at, "subscription_update", true, more, unit)
		}
	}
}

// cancel ends a contract. A quarter of those who leave come back.
func (s *Sim) cancel(a *account, sub *store.Subscription, at time.Time, why string) {
	sub.Status, sub.EndedAt, sub.CancelAtPeriodEnd = "canceled", at, false
	if sub.CanceledAt.IsZero() {
		sub.CanceledAt = at
	}
	s.notify("customer.subscription.deleted", at, sub)
	if a.sub == sub {
		a.sub = nil
	}
	s.Truth.Churns = append(s.Truth.Churns, Churn{Account: a.id(), Subscription: sub.ID, At: at, Why: why})
	d := s.draw("return", a.n, s.day)
	if why != "payment_failed" && d.chance(250) && a.returns < 2 {
		a.returns++
		seats := max(3, int(sub.Quantity)*d.between(50, 120)/100)
		s.on(s.day+d.between(20, 80), func() { s.subscribe(a, seats, false) })
	}
}
