package e2e

import (
	"math/big"
	"slices"
	"strings"
	"time"
)

// The KPIs, from their definitions: sql/seeds/kpi_definitions.csv, the descriptions in sql/metrics, and for the worked
// formulas the requirements. Everything is exact: a ratio is a big.Rat, and nothing is rounded on the way.

// movement is one change of an account's recurring revenue on a day.
type movement struct {
	day    time.Time
	kind   string // new, expansion, contraction, churn, reactivation
	amount *big.Rat
	paid   bool // the account came by a paid channel whose spend is known
}

// opportunity is a deal as the pipeline sees it.
type opportunity struct {
	status                     string // open, won, lost
	created, qualified, closed time.Time
	value                      *big.Rat // in the project's currency; nil when unknown
}

// book is everything worked out that KPIs of any period are made of.
type book struct {
	f             *facts
	first         time.Time // of all business events
	mrr           map[time.Time]*big.Rat
	customers     map[time.Time]int64
	moves         []movement
	opportunities []opportunity
	media         map[time.Time]*big.Rat
	mediaFrom     time.Time // first day of media, zero without any
	costsFrom     time.Time // first day of any cost of acquisition
	levels        map[string][]level
	spot          map[time.Time]*big.Rat // recurring revenue at the rates of the day
	fx            map[time.Time]*big.Rat // what rates changed on a day
}

// level is what an account pays a month from a day on.
type level struct {
	day    time.Time
	amount *big.Rat
}

// span is a period of KPIs.
type span struct {
	grain      string
	start, end time.Time // first and last day that count
	window     time.Time // first day of the months that rates look at
	read       time.Time // last day that has happened
}

func newBook(f *facts) *book {
	b := &book{f: f, mrr: map[time.Time]*big.Rat{}, customers: map[time.Time]int64{}, media: map[time.Time]*big.Rat{},
		levels: map[string][]level{}, spot: map[time.Time]*big.Rat{}, fx: map[time.Time]*big.Rat{}}
	b.first = f.today
	priced := b.spend()
	b.pipeline()
	for _, i := range f.invoices {
		if at, ok := i.time("created_at"); ok {
			b.seen(f.day(at))
		}
	}
	b.revenue(priced)
	if oldest := f.today.AddDate(-5, 0, 0); b.first.Before(oldest) {
		b.first = oldest
	}
	return b
}

func (b *book) seen(day time.Time) {
	if day.Before(b.first) {
		b.first = day
	}
}

// spend adds up media by day and returns the channels that have any.
func (b *book) spend() map[string]bool {
	kind := map[string]string{}
	for _, c := range b.f.campaigns {
		kind[c.text("id")] = strings.ToUpper(c.text("channel_type"))
	}
	priced := map[string]bool{}
	for _, s := range b.f.spend {
		day, _ := s.time("date")
		b.seen(day)
		if b.mediaFrom.IsZero() || day.Before(b.mediaFrom) {
			b.mediaFrom = day
		}
		ch, ok := b.f.channels["ads_channel/"+kind[s.text("campaign_id")]]
		if !ok {
			ch = b.f.channels["platform/google_ads"]
		}
		priced[ch.name] = true
		currency := s.text("currency")
		if currency == "" {
			currency = b.f.money
		}
		rate, cost := b.f.worth(currency, day), s.rat("cost_micros")
		if rate == nil || cost == nil {
			continue
		}
		if b.media[day] == nil {
			b.media[day] = new(big.Rat)
		}
		b.media[day].Add(b.media[day], new(big.Rat).Mul(cost, new(big.Rat).Mul(rate, big.NewRat(1, 1_000_000))))
	}
	b.costsFrom = b.mediaFrom
	for _, c := range b.f.costs {
		if month := time.Date(c.month.Year(), c.month.Month(), 1, 0, 0, 0, 0, time.UTC); b.costsFrom.IsZero() || month.Before(b.costsFrom) {
			b.costsFrom = month
		}
	}
	return priced
}

// costs of sales and marketing beside media from one day to another; with only, of that category.
func (b *book) costs(from, to time.Time, only string) *big.Rat {
	sum := new(big.Rat)
	for _, c := range b.f.costs {
		if only != "" && c.category != only {
			continue
		}
		month := time.Date(c.month.Year(), c.month.Month(), 1, 0, 0, 0, 0, time.UTC)
		next := month.AddDate(0, 1, 0)
		days := int64(next.Sub(month) / (24 * time.Hour))
		currency := c.currency
		if currency == "" {
			currency = b.f.money
		}
		for d := month; d.Before(next); d = d.AddDate(0, 0, 1) {
			if rate := b.f.worth(currency, d); rate != nil && !d.Before(from) && !d.After(to) {
				sum.Add(sum, new(big.Rat).Mul(new(big.Rat).Mul(c.amount, rate), big.NewRat(1, days)))
			}
		}
	}
	return sum
}

func (b *book) mediaBetween(from, to time.Time) *big.Rat {
	sum := new(big.Rat)
	for d, c := range b.media {
		if !d.Before(from) && !d.After(to) {
			sum.Add(sum, c)
		}
	}
	return sum
}

// revenue walks the days and notes each account's movements.
func (b *book) revenue(priced map[string]bool) {
	f := b.f
	who := f.identify()
	byAccount := map[string][]*contract{}
	start := f.today
	for _, c := range f.contracts() {
		account := who.accountOf["stripe:customer:"+c.customer]
		byAccount[account] = append(byAccount[account], c)
		for _, s := range c.steps {
			if d := f.day(s.at); d.Before(start) {
				start = d
			}
		}
	}
	for account, contracts := range byAccount {
		ch := who.channelOf[account]
		was, before := new(big.Rat), false
		for d := start; !d.After(f.today); d = d.AddDate(0, 0, 1) {
			is := new(big.Rat)
			for _, c := range contracts {
				worth := c.on(f, d)
				is.Add(is, worth)
				b.atSpot(c, d, worth)
			}
			if b.mrr[d] == nil {
				b.mrr[d] = new(big.Rat)
			}
			b.mrr[d].Add(b.mrr[d], is)
			if is.Sign() > 0 {
				b.customers[d]++
			}
			if more := is.Cmp(was); more != 0 {
				m := movement{day: d, amount: new(big.Rat).Sub(is, was), paid: ch.paid && priced[ch.name]}
				switch {
				case !before:
					m.kind, before = "new", true
					b.seen(d)
				case was.Sign() == 0:
					m.kind = "reactivation"
				case is.Sign() == 0:
					m.kind = "churn"
				case more > 0:
					m.kind = "expansion"
				default:
					m.kind = "contraction"
				}
				b.moves = append(b.moves, m)
				b.levels[account] = append(b.levels[account], level{d, is})
			}
			was = is
		}
	}
}

// pipeline reads the opportunities.
func (b *book) pipeline() {
	f := b.f
	type stage struct {
		status    string
		qualified bool
	}
	stages := map[string]stage{}
	one := big.NewRat(1, 1)
	for _, s := range f.stages {
		if s.bool("archived") {
			continue
		}
		p := s.rat("probability")
		st := stage{status: "open"}
		if closed, told := s["is_closed"].(bool); told && closed || !told && p != nil && p.Cmp(one) == 0 {
			st.status = "lost"
		}
		if p != nil && p.Cmp(one) == 0 {
			st.status = "won"
		}
		if q, ok := f.qualified[s.text("id")]; ok {
			st.qualified = q
		} else {
			st.qualified = p != nil && p.Cmp(big.NewRat(2, 5)) >= 0
		}
		stages[s.text("pipeline_id")+"/"+s.text("id")] = st
	}
	history := map[string][]record{}
	for _, h := range f.history {
		if h.text("property") == "dealstage" {
			history[h.text("deal_id")] = append(history[h.text("deal_id")], h)
		}
	}
	for _, d := range f.deals {
		pipe := d.text("pipeline_id") + "/"
		now, known := stages[pipe+d.text("stage_id")]
		if !known {
			now.status = "open"
		}
		made, _ := d.time("created_at")
		o := opportunity{status: now.status, created: f.day(made)}
		b.seen(o.created)
		var closed time.Time
		for _, h := range history[d.text("id")] {
			at, _ := h.time("changed_at")
			st, ok := stages[pipe+h.text("value")]
			if !ok {
				continue
			}
			if day := f.day(at); st.qualified && (o.qualified.IsZero() || day.Before(o.qualified)) {
				o.qualified = day
			}
			if st.status != "open" && at.After(closed) {
				closed = at
			}
		}
		if o.qualified.IsZero() && now.qualified {
			o.qualified = o.created
		}
		on := f.today
		if o.status != "open" {
			if closed.IsZero() {
				closed, _ = d.time("close_date")
			}
			if !closed.IsZero() {
				o.closed = f.day(closed)
				on = o.closed
				b.seen(on)
			}
		}
		currency := d.text("currency")
		if currency == "" {
			currency = f.money
		}
		if amount, rate := d.rat("amount"), f.worth(currency, on); amount != nil && rate != nil {
			o.value = new(big.Rat).Mul(amount, rate)
		}
		b.opportunities = append(b.opportunities, o)
	}
}

// spans are everything, each month and each quarter.
func (b *book) spans() []span {
	today := b.f.today
	out := []span{{grain: "all", start: b.first, end: today, window: b.first, read: today}}
	add := func(grain string, start time.Time, months int) {
		for ; !start.After(today); start = start.AddDate(0, months, 0) {
			end := start.AddDate(0, months, -1)
			s := span{grain: grain, start: start, end: end, window: start.AddDate(0, months, 0).AddDate(-1, 0, 0), read: end}
			if today.Before(end) {
				s.read = today
			}
			out = append(out, s)
		}
	}
	month := time.Date(b.first.Year(), b.first.Month(), 1, 0, 0, 0, 0, time.UTC)
	add("month", month, 1)
	add("quarter", time.Date(b.first.Year(), (b.first.Month()-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC), 3)
	return out
}

func ratio(a, b *big.Rat) *big.Rat {
	if a == nil || b == nil || b.Sign() == 0 {
		return nil
	}
	return new(big.Rat).Quo(a, b)
}

func whole(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

// kpis are the seven of a period; nil where one cannot be stated.
func (b *book) kpis(s span) map[string]*big.Rat {
	within := func(d, from time.Time) bool { return !d.IsZero() && !d.Before(from) && !d.After(s.read) }
	var fresh, freshPaid, left int64
	freshMRR := new(big.Rat)
	for _, m := range b.moves {
		switch {
		case m.kind == "new" && within(m.day, s.start):
			// Customers from before costs are known stand against no cost.
			if !m.day.Before(b.costsFrom) {
				fresh++
				freshMRR.Add(freshMRR, m.amount)
			}
			if m.paid && !m.day.Before(b.mediaFrom) {
				freshPaid++
			}
		case m.kind == "churn" && within(m.day, s.window):
			left++
		}
	}
	mrr := b.mrr[s.read]
	if mrr == nil {
		mrr = new(big.Rat)
	}
	out := map[string]*big.Rat{"mrr": mrr}

	media := b.mediaBetween(s.start, s.read)
	if !b.costsFrom.IsZero() && !s.read.Before(b.costsFrom) {
		all := new(big.Rat).Add(media, b.costs(s.start, s.read, ""))
		out["cac_blended"] = ratio(all, whole(fresh))
		out["payback_months"] = ratio(all, new(big.Rat).Mul(freshMRR, b.f.margin))
	}
	if !b.mediaFrom.IsZero() && !s.read.Before(b.mediaFrom) {
		out["cac_paid"] = ratio(new(big.Rat).Add(media, b.costs(s.start, s.read, "agency")), whole(freshPaid))
	}

	// LTV = revenue per account x gross margin x retention period; the period is 1 / monthly churn, and capped.
	arpa := ratio(mrr, whole(b.customers[s.read]))
	stay := whole(b.f.capMonths)
	if left > 0 {
		// Customers at the start of each month, that is at the end of the day before.
		var months int64
		for m := time.Date(b.first.Year(), b.first.Month(), 1, 0, 0, 0, 0, time.UTC); !m.After(s.read); m = m.AddDate(0, 1, 0) {
			if !m.Before(s.window) {
				months += b.customers[m.AddDate(0, 0, -1)]
			}
		}
		switch observed := big.NewRat(months, left); {
		case months == 0:
			stay = nil // nobody was there to leave
		case observed.Cmp(stay) < 0:
			stay = observed
		}
	}
	if arpa != nil && stay != nil {
		out["ltv"] = new(big.Rat).Mul(new(big.Rat).Mul(arpa, b.f.margin), stay)
	}
	out["ltv_cac"] = ratio(out["ltv"], out["cac_blended"])

	var open, won, lost, valued int64
	value := new(big.Rat)
	var cycles []int64
	for _, o := range b.opportunities {
		if !o.qualified.IsZero() && !o.qualified.After(s.read) && (o.status == "open" || o.closed.After(s.read)) {
			open++
		}
		if o.status == "open" || !(s.grain == "all" || within(o.closed, s.window)) {
			continue
		}
		if o.status == "lost" {
			lost++
			continue
		}
		won++
		if o.value != nil {
			valued++
			value.Add(value, o.value)
		}
		if !o.closed.Before(o.created) {
			cycles = append(cycles, int64(o.closed.Sub(o.created)/(24*time.Hour)))
		}
	}
	if rate, deal, cycle := ratio(whole(won), whole(won+lost)), ratio(value, whole(valued)), median(cycles); rate != nil && deal != nil && cycle != nil {
		out["pipeline_velocity"] = ratio(new(big.Rat).Mul(whole(open), new(big.Rat).Mul(rate, deal)), cycle)
	}
	return out
}

func median(of []int64) *big.Rat {
	if len(of) == 0 {
		return nil
	}
	slices.Sort(of)
	n := len(of)
	return big.NewRat(of[(n-1)/2]+of[n/2], 2)
}
