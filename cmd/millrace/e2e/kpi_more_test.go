package e2e

import (
	"math/big"
	"slices"
	"time"
)

// The KPIs beyond the seven that the demo tells: the same rules, the same exact numbers, day by day.

// exactly are the KPIs that are no money: a ratio, a count or times, compared to the fourth digit.
var exactly = map[string]bool{"customers": true, "new_customers": true, "logo_churn": true, "nrr": true, "grr": true, "deals_won": true, "win_rate": true,
	"win_rate_cohort": true, "sales_cycle": true, "open_pipeline": true, "funnel_conversion": true, "ctr": true, "roas_platform": true, "conversion_rate": true}

// seldom are the KPIs that a young project cannot state over everything.
var seldom = map[string]bool{"nrr": true, "grr": true, "logo_churn": true, "funnel_conversion": true}

func allKPIs() []string {
	out := slices.Clone(sevenKPIs)
	for k := range exactly {
		out = append(out, k)
	}
	out = append(out, "new_mrr", "expansion_mrr", "reactivation_mrr", "contraction_mrr", "churned_mrr", "arpa", "mrr_spot", "fx_mrr", "revenue", "mean_deal",
		"ltv_observed", "media_spend", "cpc", "cpm", "cpa", "cac_lagged", "invoiced_revenue", "collected_revenue", "collected_revenue_cohort", "refunds", "order_value")
	slices.Sort(out)
	return out
}

// atSpot adds a contract's worth of a day at the rate of that day, and what the rate did to what it was worth the day before.
func (b *book) atSpot(c *contract, day time.Time, worth *big.Rat) {
	at := func(worth *big.Rat, rate *big.Rat) *big.Rat {
		constant := b.f.worth(c.currency, time.Time{})
		if worth.Sign() == 0 || constant == nil || rate == nil {
			return new(big.Rat)
		}
		return new(big.Rat).Mul(new(big.Rat).Quo(worth, constant), rate)
	}
	add := func(into map[time.Time]*big.Rat, v *big.Rat) {
		if into[day] == nil {
			into[day] = new(big.Rat)
		}
		into[day].Add(into[day], v)
	}
	eve := day.AddDate(0, 0, -1)
	add(b.spot, at(worth, b.f.worth(c.currency, day)))
	before := c.on(b.f, eve)
	add(b.fx, new(big.Rat).Sub(at(before, b.f.worth(c.currency, day)), at(before, b.f.worth(c.currency, eve))))
}

// on is what an account pays at the end of a day, and whether it has left since another one.
func on(levels []level, day time.Time) *big.Rat {
	out := new(big.Rat)
	for _, l := range levels {
		if l.day.After(day) {
			break
		}
		out = l.amount
	}
	return out
}

// more works out the KPIs beyond the seven.
func (b *book) more(s span, out map[string]*big.Rat) {
	b.moreRevenue(s, out)
	b.moreDeals(s, out)
	b.moreMedia(s, out)
	b.moreBilling(s, out)
}

func within(d time.Time, s span) bool {
	return !d.IsZero() && !d.Before(s.start) && !d.After(s.read)
}

func (b *book) moreRevenue(s span, out map[string]*big.Rat) {
	sums, counts := map[string]*big.Rat{}, map[string]int64{}
	for _, kind := range []string{"new", "expansion", "reactivation", "contraction", "churn"} {
		sums[kind] = new(big.Rat)
	}
	for _, m := range b.moves {
		if within(m.day, s) {
			sums[m.kind].Add(sums[m.kind], m.amount)
			counts[m.kind]++
		}
	}
	out["new_mrr"], out["expansion_mrr"], out["reactivation_mrr"] = sums["new"], sums["expansion"], sums["reactivation"]
	out["contraction_mrr"], out["churned_mrr"] = new(big.Rat).Neg(sums["contraction"]), new(big.Rat).Neg(sums["churn"])
	out["new_customers"], out["customers"] = whole(counts["new"]), whole(b.customers[s.read])
	out["arpa"] = ratio(out["mrr"], out["customers"])
	out["logo_churn"] = ratio(whole(counts["churn"]), whole(b.customers[s.start.AddDate(0, 0, -1)]))

	out["fx_mrr"], out["mrr_spot"] = new(big.Rat), new(big.Rat)
	for d, v := range b.fx {
		if within(d, s) {
			out["fx_mrr"].Add(out["fx_mrr"], v)
		}
	}
	if v := b.spot[s.read]; v != nil {
		out["mrr_spot"] = v
	}

	// What the customers who began in the period have earned so far, day by day: the observed part of their lifetime value.
	earned := new(big.Rat)
	for _, levels := range b.levels {
		if !within(levels[0].day, s) {
			continue
		}
		for d := levels[0].day; d.Before(b.f.today); d = d.AddDate(0, 0, 1) {
			earned.Add(earned, on(levels, d))
		}
	}
	out["ltv_observed"] = earned.Mul(earned, new(big.Rat).Mul(b.f.margin, big.NewRat(12, 365)))

	// The same customers, a year apart; who left in between counts as gone, whatever came later.
	then := s.read.AddDate(-1, 0, 0)
	if then.Day() != s.read.Day() { // 29 February a year earlier is the 28th
		then = then.AddDate(0, 0, -then.Day())
	}
	open, close, kept := new(big.Rat), new(big.Rat), new(big.Rat)
	for _, levels := range b.levels {
		was := on(levels, then)
		if was.Sign() == 0 {
			continue
		}
		is := on(levels, s.read)
		for _, l := range levels {
			if l.amount.Sign() == 0 && l.day.After(then) && !l.day.After(s.read) {
				is = new(big.Rat)
			}
		}
		open.Add(open, was)
		close.Add(close, is)
		if is.Cmp(was) > 0 {
			is = was
		}
		kept.Add(kept, is)
	}
	out["nrr"], out["grr"] = ratio(close, open), ratio(kept, open)
}

func (b *book) moreDeals(s span, out map[string]*big.Rat) {
	var won, lost, valued, open, cohortWon, cohortLost, mature, inTime int64
	value := new(big.Rat)
	var cycles []int64
	for _, o := range b.opportunities {
		if !o.qualified.IsZero() && !o.qualified.After(s.read) && (o.status == "open" || o.closed.After(s.read)) {
			open++
		}
		if s.grain == "all" || within(o.created, s) {
			switch o.status {
			case "won":
				cohortWon++
			case "lost":
				cohortLost++
			}
			deadline := o.created.AddDate(0, 0, b.f.funnelDays)
			if !b.f.today.Before(deadline) {
				mature++
				if o.status == "won" && !o.closed.After(deadline) {
					inTime++
				}
			}
		}
		if o.status == "open" || !(s.grain == "all" || within(o.closed, s)) {
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
	out["deals_won"], out["revenue"], out["open_pipeline"] = whole(won), value, whole(open)
	out["mean_deal"], out["win_rate"] = ratio(value, whole(valued)), ratio(whole(won), whole(won+lost))
	out["win_rate_cohort"], out["funnel_conversion"] = ratio(whole(cohortWon), whole(cohortWon+cohortLost)), ratio(whole(inTime), whole(mature))
	out["sales_cycle"] = median(cycles)
}

func (b *book) moreMedia(s span, out map[string]*big.Rat) {
	var impressions, clicks, sessions int64
	conversions, worth, keyEvents := new(big.Rat), new(big.Rat), new(big.Rat)
	for _, r := range b.f.spend {
		day, _ := r.time("date")
		if !within(day, s) {
			continue
		}
		n, _ := r.int("impressions")
		impressions += n
		n, _ = r.int("clicks")
		clicks += n
		if v := r.rat("conversions"); v != nil {
			conversions.Add(conversions, v)
		}
		currency := r.text("currency")
		if currency == "" {
			currency = b.f.money
		}
		if v, rate := r.rat("conversions_value"), b.f.worth(currency, day); v != nil && rate != nil {
			worth.Add(worth, new(big.Rat).Mul(v, rate))
		}
	}
	media := b.mediaBetween(s.start, s.read)
	if !b.mediaFrom.IsZero() && !s.read.Before(b.mediaFrom) {
		out["media_spend"], out["ctr"], out["cpc"] = media, ratio(whole(clicks), whole(impressions)), ratio(media, whole(clicks))
		out["cpm"], out["cpa"] = ratio(new(big.Rat).Mul(media, whole(1000)), whole(impressions)), ratio(media, conversions)
		out["roas_platform"] = ratio(worth, media)
	}
	for _, r := range b.f.traffic {
		if day, _ := r.time("date"); within(day, s) {
			n, _ := r.int("sessions")
			sessions += n
			if v := r.rat("key_events"); v != nil {
				keyEvents.Add(keyEvents, v)
			}
		}
	}
	out["conversion_rate"] = ratio(keyEvents, whole(sessions))

	// Costs one median sales cycle earlier, against customers whom such costs stand for.
	var cycles []int64
	for _, o := range b.opportunities {
		if o.status == "won" && !o.closed.Before(o.created) {
			cycles = append(cycles, int64(o.closed.Sub(o.created)/(24*time.Hour)))
		}
	}
	m := median(cycles)
	if m == nil || b.costsFrom.IsZero() || s.read.Before(b.costsFrom) {
		return
	}
	days, _ := new(big.Rat).Add(m, big.NewRat(1, 2)).Float64() // halves are rounded up
	lag := int(days)
	from, to := s.start.AddDate(0, 0, -lag), s.read.AddDate(0, 0, -lag)
	var fresh int64
	for _, mv := range b.moves {
		if mv.kind == "new" && within(mv.day, s) && !mv.day.AddDate(0, 0, -lag).Before(b.costsFrom) {
			fresh++
		}
	}
	out["cac_lagged"] = ratio(new(big.Rat).Add(b.mediaBetween(from, to), b.costs(from, to, "")), whole(fresh))
}

// moreBilling adds up invoices and refunds without tax, in the project's currency at the rate of each day.
func (b *book) moreBilling(s span, out map[string]*big.Rat) {
	f := b.f
	invoiced, paid, refunded, ofPayments := new(big.Rat), new(big.Rat), new(big.Rat), new(big.Rat)
	var payments int64
	net := func(i record) *big.Rat {
		total, tax := i.rat("total"), i.rat("tax")
		if total == nil {
			return new(big.Rat)
		}
		if tax != nil {
			total = new(big.Rat).Sub(total, tax)
		}
		return f.major(total, i.text("currency"))
	}
	invoice := map[string]record{}
	for _, i := range f.invoices {
		invoice[i.text("id")] = i
		made, _ := i.time("created_at")
		rate := f.worth(i.text("currency"), f.day(made))
		if rate == nil {
			continue
		}
		amount := new(big.Rat).Mul(net(i), rate)
		if slices.Contains([]string{"open", "paid", "uncollectible"}, i.text("status")) && within(f.day(made), s) {
			invoiced.Add(invoiced, amount)
		}
		if at, ok := i.time("paid_at"); ok && i.text("status") == "paid" && within(f.day(at), s) {
			paid.Add(paid, amount)
			if amount.Sign() > 0 {
				payments++
			}
		}
	}
	ofCharge := map[string]string{}
	for _, c := range f.charges {
		ofCharge[c.text("id")] = c.text("invoice_id")
	}
	for _, r := range f.refunds {
		if r.text("status") != "succeeded" {
			continue
		}
		made, _ := r.time("created_at")
		day := f.day(made)
		rate := f.worth(r.text("currency"), day)
		if rate == nil {
			continue
		}
		amount := f.major(r.rat("amount"), r.text("currency"))
		i, known := invoice[ofCharge[r.text("charge_id")]]
		if known {
			// The part of the refund that is tax is the invoice's.
			if tax, total := i.rat("tax"), i.rat("total"); tax != nil && total != nil && total.Sign() != 0 {
				amount = new(big.Rat).Mul(amount, new(big.Rat).Sub(whole(1), new(big.Rat).Quo(tax, total)))
			}
		}
		amount = new(big.Rat).Mul(amount, rate)
		if within(day, s) {
			refunded.Add(refunded, amount)
		}
		sold := day
		if at, ok := i.time("paid_at"); known && ok {
			sold = f.day(at)
		}
		if within(sold, s) {
			ofPayments.Add(ofPayments, amount)
		}
	}
	out["invoiced_revenue"], out["refunds"] = invoiced, refunded
	out["collected_revenue"], out["collected_revenue_cohort"] = new(big.Rat).Sub(paid, refunded), new(big.Rat).Sub(paid, ofPayments)
	out["order_value"] = ratio(paid, whole(payments))
}
