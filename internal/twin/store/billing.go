package store

import (
	"maps"
	"slices"
	"time"
)

// Billing is the data behind the simulated Stripe account. Amounts are in minor units of the currency.
type Billing struct {
	Products      []*Product
	Prices        []*Price
	Customers     []*Customer
	Subscriptions []*Subscription
	Invoices      []*Invoice
	Charges       []*Charge
	Refunds       []*Refund
	Events        []*Event
	customer      map[string]*Customer
	subscription  map[string]*Subscription
	invoice       map[string]*Invoice
	charge        map[string]*Charge
	price         map[string]*Price
	Idempotent    map[string]Replay // Idempotency-Key → the first answer
}

// Replay is the answer kept for an idempotency key.
type Replay struct {
	Fingerprint string `json:"fingerprint"` // of the request: a key must not be reused for another one
	Object      string `json:"object"`      // customer
	ID          string `json:"id"`
	Body        string `json:"body"`
}

// Product is something sold.
type Product struct {
	ID, Name string
	Created  time.Time
}

// Price is what one unit of a product costs for an interval.
type Price struct {
	ID, Product, Currency, Nickname string
	Interval                        string // month, year
	UnitAmount                      int64
	Created                         time.Time
}

// Customer is who pays.
type Customer struct {
	ID, Name, Email, Phone, Currency string
	Country                          string
	Description                      string
	Metadata                         map[string]string
	Created                          time.Time
	Deleted                          bool
}

// Subscription is a running contract with one item.
type Subscription struct {
	ID, Customer, Item, Price string
	Currency                  string
	Quantity                  int64
	Status                    string // trialing, active, past_due, canceled
	Created, Start            time.Time
	PeriodStart, PeriodEnd    time.Time
	TrialStart, TrialEnd      time.Time
	CanceledAt, EndedAt       time.Time
	CancelAtPeriodEnd         bool
	Metadata                  map[string]string
}

// Invoice is a bill.
type Invoice struct {
	ID, Number, Customer, Subscription, Price, Charge string
	CustomerEmail, CustomerName                       string
	Currency, Status, Reason                          string // status: draft, open, paid, void, uncollectible
	Quantity, UnitAmount                              int64
	Discount, Tax                                     int64
	Created, PaidAt, PeriodStart, PeriodEnd           time.Time
	Proration                                         bool
}

// Total is what the customer owes.
func (i *Invoice) Total() int64 { return i.Quantity*i.UnitAmount - i.Discount + i.Tax }

// Charge is a payment or a try at one.
type Charge struct {
	ID, Customer, Invoice, Currency, Status, FailureCode string // status: succeeded, failed
	Amount, Refunded                                     int64
	Created                                              time.Time
}

// Refund gives money back.
type Refund struct {
	ID, Charge, Currency, Reason, Status string
	Amount                               int64
	Created                              time.Time
}

// Event is a notice of a change with a copy of the object as it was then.
type Event struct {
	ID, Type string
	Created  time.Time
	Object   any // a copy: Customer, Subscription, Invoice, Charge or Refund
}

func newBilling() *Billing {
	return &Billing{
		customer: map[string]*Customer{}, subscription: map[string]*Subscription{}, invoice: map[string]*Invoice{},
		charge: map[string]*Charge{}, price: map[string]*Price{}, Idempotent: map[string]Replay{},
	}
}

// Customer finds a customer by id.
func (b *Billing) Customer(id string) *Customer { return b.customer[id] }

// Subscription finds a subscription by id.
func (b *Billing) Subscription(id string) *Subscription { return b.subscription[id] }

// Invoice finds an invoice by id.
func (b *Billing) Invoice(id string) *Invoice { return b.invoice[id] }

// Charge finds a charge by id.
func (b *Billing) Charge(id string) *Charge { return b.charge[id] }

// Price finds a price by id.
func (b *Billing) Price(id string) *Price { return b.price[id] }

// AddPrice files a price.
func (b *Billing) AddPrice(p *Price) { b.Prices = append(b.Prices, p); b.price[p.ID] = p }

// AddCustomer files a customer. Like all below it keeps the order of creation, in which the vendor lists.
func (b *Billing) AddCustomer(c *Customer) {
	b.Customers = insert(b.Customers, c, func(c *Customer) time.Time { return c.Created })
	b.customer[c.ID] = c
}

// AddSubscription files a subscription.
func (b *Billing) AddSubscription(s *Subscription) {
	b.Subscriptions = insert(b.Subscriptions, s, func(s *Subscription) time.Time { return s.Created })
	b.subscription[s.ID] = s
}

// AddInvoice files an invoice.
func (b *Billing) AddInvoice(i *Invoice) {
	b.Invoices = insert(b.Invoices, i, func(i *Invoice) time.Time { return i.Created })
	b.invoice[i.ID] = i
}

// AddCharge files a charge.
func (b *Billing) AddCharge(c *Charge) {
	b.Charges = insert(b.Charges, c, func(c *Charge) time.Time { return c.Created })
	b.charge[c.ID] = c
}

// AddRefund files a refund.
func (b *Billing) AddRefund(r *Refund) {
	b.Refunds = insert(b.Refunds, r, func(r *Refund) time.Time { return r.Created })
}

// Notify files an event with a copy of the object as it is now.
func (b *Billing) Notify(id, typ string, at time.Time, object any) {
	switch o := object.(type) {
	case *Customer:
		c := *o
		c.Metadata = maps.Clone(o.Metadata)
		object = c
	case *Subscription:
		object = *o
	case *Invoice:
		object = *o
	case *Charge:
		object = *o
	}
	b.Events = insert(b.Events, &Event{ID: id, Type: typ, Created: at, Object: object}, func(e *Event) time.Time { return e.Created })
}

// insert keeps a slice in order of creation; what is new is nearly always the newest.
func insert[T any](all []T, v T, created func(T) time.Time) []T {
	i := len(all)
	for i > 0 && created(all[i-1]).After(created(v)) {
		i--
	}
	return slices.Insert(all, i, v)
}
