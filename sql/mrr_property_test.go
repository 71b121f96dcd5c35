package sql_test

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/internal/duck"
	"millrace/sql"
)

// The contracts of TestMRROfAnyContracts: a made-up history of subscriptions, and what each is worth on each day, walked day by
// day in Go from the same rules as the SQL, which joins intervals.

const mrrZone = "Europe/Berlin"

// subState is what a subscription was from a moment on.
type subState struct {
	at       time.Time
	status   string
	paused   bool
	percent  float64
	off      float64
	duration string
	ends     time.Time // of the discount; zero: open
	items    map[int]itemState
}

type itemState struct {
	price    int
	quantity int
}

type subscription struct {
	id, account string
	currency    string
	states      []subState
}

// mrrPrice is a price by currency; its factor turns its period into a month.
type mrrPrice struct {
	unit     float64
	interval string
	count    int
	metered  bool
}

func mrrPrices() []mrrPrice {
	return []mrrPrice{{29, "month", 1, false}, {300, "year", 1, false}, {90, "month", 3, false}, {7.5, "week", 2, false}, {0.01, "month", 1, true}, {49.99, "month", 1, false}}
}

func (p mrrPrice) month() float64 {
	return map[string]float64{"month": 1, "year": 1.0 / 12, "week": 52.0 / 12}[p.interval] / float64(p.count)
}

// contracts draws subscriptions that begin, grow, shrink, pause, get discounts, lose items, end, on random moments of two years with
// a leap day and both changes of the clock.
func contracts(rng *rand.Rand, accounts int) []subscription {
	begin := time.Date(2023, 10, 1, 0, 0, 0, 0, time.UTC)
	var out []subscription
	for a := range accounts {
		for n := range 1 + rng.IntN(2) {
			s := subscription{id: fmt.Sprintf("s%d_%d", a, n), account: fmt.Sprintf("a%02d", a), currency: []string{"EUR", "USD"}[rng.IntN(2)]}
			at := begin.Add(time.Duration(rng.IntN(300*24*60)) * time.Minute)
			state := subState{status: []string{"active", "active", "trialing"}[rng.IntN(3)], items: map[int]itemState{}}
			for i := range 1 + rng.IntN(3) {
				state.items[i] = itemState{rng.IntN(len(mrrPrices())), 1 + rng.IntN(20)}
			}
			for range 1 + rng.IntN(7) {
				state.at = at
				next := state
				next.items = map[int]itemState{}
				for i, it := range state.items {
					next.items[i] = it
				}
				s.states = append(s.states, state)
				switch rng.IntN(9) {
				case 0:
					next.status = []string{"active", "past_due", "unpaid"}[rng.IntN(3)]
				case 1:
					next.paused = !next.paused
				case 2:
					next.percent, next.off, next.duration = float64(5*rng.IntN(21)), 0, "forever"
				case 3:
					next.percent, next.off, next.duration = 0, float64(1+rng.IntN(200)), []string{"forever", "once", "repeating"}[rng.IntN(3)]
					next.ends = time.Time{}
					if next.duration == "repeating" {
						next.ends = at.AddDate(0, 1+rng.IntN(4), 0)
					}
				case 4:
					next.items[len(next.items)+10] = itemState{rng.IntN(len(mrrPrices())), 1 + rng.IntN(5)}
				case 5:
					if len(next.items) > 1 {
						delete(next.items, slices.Min(keysOf(next.items)))
					}
				case 6:
					next.status = "canceled"
				default:
					i := slices.Min(keysOf(next.items))
					next.items[i] = itemState{next.items[i].price, 1 + rng.IntN(20)}
				}
				state = next
				if s.states[len(s.states)-1].status == "canceled" {
					break
				}
				at = at.Add(time.Duration(1+rng.IntN(120*24*60)) * time.Minute)
			}
			out = append(out, s)
		}
	}
	return out
}

func keysOf(m map[int]itemState) []int {
	var out []int
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// worth is a subscription's recurring revenue at the end of a day, in its own currency.
func (s subscription) worth(day string, zone *time.Location) float64 {
	var now *subState
	for i := range s.states {
		if s.states[i].at.In(zone).Format(time.DateOnly) <= day {
			now = &s.states[i]
		}
	}
	if now == nil || now.status == "canceled" || (now.status != "active" && now.status != "past_due") || now.paused {
		return 0
	}
	discounted := now.duration != "once" && (now.ends.IsZero() || day < now.ends.In(zone).Format(time.DateOnly))
	all, sum := 0.0, 0.0
	for _, it := range now.items {
		if p := mrrPrices()[it.price]; !p.metered {
			all += p.unit * float64(it.quantity)
		}
	}
	for _, it := range now.items {
		p := mrrPrices()[it.price]
		if p.metered {
			continue
		}
		list := p.unit * float64(it.quantity)
		net := list
		if discounted && now.percent > 0 {
			net = list * (1 - now.percent/100)
		}
		if discounted && now.off > 0 {
			net = max(0, list-min(now.off, all)*list/all)
		}
		sum += net * p.month()
	}
	return sum
}

// statement is a built-in SQL file without its front matter.
func statement(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(sql.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := strings.Cut(string(text), "--- */\n")
	if !ok {
		t.Fatalf("%s has no front matter", name)
	}
	return body
}

// TestMRROfAnyContracts holds the SQL of recurring revenue, over made-up contracts, against the walk: the level of every account on
// every day at constant and at spot rates, and the bridges of every account and month, which close to the last digit.
func TestMRROfAnyContracts(t *testing.T) {
	ctx := context.Background()
	zone, err := time.LoadLocation(mrrZone)
	if err != nil {
		t.Fatal(err)
	}
	seeds := uint64(2)
	if os.Getenv("MILLRACE_SOAK") != "" {
		seeds = 60
	}
	for seed := range seeds {
		subs := contracts(rand.New(rand.NewPCG(seed, 7)), 25)
		db, err := duck.Open(ctx, "", duck.Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		exec := func(q string) {
			t.Helper()
			if err := db.Exec(ctx, q); err != nil {
				t.Fatalf("%v\n%s", err, q)
			}
		}
		for _, q := range []string{
			"create schema staging", "create schema core", "create schema identity", "create schema meta",
			"create table meta.run as select '" + mrrZone + "' as time_zone, 'EUR' as currency",
			"create table core.as_of as select date '2025-09-30' as as_of_date",
			`create table core.fx_rates as select * from (values
				('EUR', date '2000-01-01', date '9999-12-31', 1::decimal(18, 8), 1::decimal(18, 8)),
				('USD', date '2000-01-01', date '2024-03-30', 0.9::decimal(18, 8), 0.92::decimal(18, 8)),
				('USD', date '2024-03-31', date '2024-09-16', 0.95::decimal(18, 8), 0.92::decimal(18, 8)),
				('USD', date '2024-09-17', date '9999-12-31', 0.8765::decimal(18, 8), 0.92::decimal(18, 8))
			) as rates (currency, from_date, to_date, spot_rate, constant_rate)`,
			`create table staging.stripe_prices (source varchar, price_id varchar, currency varchar, unit_amount decimal(18, 4), billing_interval varchar, interval_count bigint, usage_type varchar)`,
			`create table staging.stripe_subscription_states (source varchar, subscription_id varchar, customer_id varchar, item_id varchar, price_id varchar, status varchar,
				quantity bigint, currency varchar, discount_percent decimal(9, 6), discount_amount decimal(18, 4), discount_duration varchar, discount_ends_at timestamp,
				trial_end_at timestamp, paused boolean, started_at timestamp, canceled_at timestamp, ended_at timestamp, valid_from timestamp, state_order bigint)`,
			"create table identity.company_membership (record_key varchar, account_id varchar)",
		} {
			exec(q)
		}
		for _, cur := range []string{"EUR", "USD"} {
			for i, p := range mrrPrices() {
				exec(fmt.Sprintf("insert into staging.stripe_prices values ('s', '%s%d', '%s', %v, '%s', %d, '%s')", cur, i, cur, p.unit, p.interval, p.count, map[bool]string{true: "metered", false: "licensed"}[p.metered]))
			}
		}
		var rows []string
		members := map[string]bool{}
		for _, s := range subs {
			members[s.account] = true
			var before map[int]itemState
			for n, st := range s.states {
				ts := func(at time.Time) string {
					if at.IsZero() {
						return "null"
					}
					return "timestamp '" + at.Format("2006-01-02 15:04:05") + "'"
				}
				ended := time.Time{}
				if st.status == "canceled" {
					ended = st.at
				}
				row := func(i int, it itemState, status string) {
					percent, off := "null", "null"
					if st.percent > 0 {
						percent = fmt.Sprint(st.percent)
					}
					if st.off > 0 {
						off = fmt.Sprint(st.off)
					}
					rows = append(rows, fmt.Sprintf("('s', '%s', '%s', 'i%02d', '%s%d', '%s', %d, '%s', %s, %s, '%s', %s, null, %t, %s, null, %s, %s, %d)",
						s.id, s.account, i, s.currency, it.price, status, it.quantity, s.currency, percent, off, st.duration, ts(st.ends), st.paused, ts(s.states[0].at), ts(ended), ts(st.at), n))
				}
				for _, i := range keysOf(st.items) {
					row(i, st.items[i], st.status)
				}
				for _, i := range keysOf(before) { // an item that is gone ends
					if _, ok := st.items[i]; !ok {
						row(i, before[i], "canceled")
					}
				}
				before = st.items
			}
		}
		exec("insert into staging.stripe_subscription_states values " + strings.Join(rows, ",\n"))
		for a := range members {
			exec("insert into identity.company_membership values ('s:customer:" + a + "', '" + a + "')")
		}
		exec("create table core.subscription_intervals as " + statement(t, "core/subscription_intervals.sql"))
		exec("create table core.account_mrr as " + statement(t, "core/account_mrr.sql"))
		exec("create table core.account_mrr_spot as " + statement(t, "core/account_mrr_spot.sql"))
		exec(`create table core.periods as select 'month' as grain, m::date as period_start, m::date as range_start, least(last_day(m::date), date '2025-09-30') as read_date
			from unnest(generate_series(timestamp '2023-10-01', timestamp '2025-09-01', interval 1 month)) as months (m)`)
		exec("create table movements as " + statement(t, "metrics/mrr_movements.sql"))
		exec("create table movements_spot as " + statement(t, "metrics/mrr_movements_spot.sql"))

		// Every account on every day.
		days := 0
		for _, c := range []struct {
			table string
			rate  func(currency, day string) float64
		}{
			{"core.account_mrr", func(cur, _ string) float64 { return map[string]float64{"EUR": 1, "USD": 0.92}[cur] }},
			{"core.account_mrr_spot", func(cur, day string) float64 {
				switch {
				case cur == "EUR":
					return 1
				case day < "2024-03-31":
					return 0.9
				case day < "2024-09-17":
					return 0.95
				}
				return 0.8765
			}},
		} {
			res, err := db.Query(ctx, `
				with days as (select unnest(generate_series(timestamp '2023-10-01', timestamp '2025-09-30', interval 1 day))::date as day),
				accounts as (select distinct account_id from identity.company_membership)
				select accounts.account_id, strftime(days.day, '%Y-%m-%d'), coalesce(sum(mrr.amount), 0)::double
				from days cross join accounts left join `+c.table+` as mrr on mrr.account_id = accounts.account_id and mrr.from_date <= days.day
				group by all`)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range res.Rows {
				account, day, got := r[0].(string), r[1].(string), r[2].(float64)
				want := 0.0
				for _, s := range subs {
					if s.account == account {
						want += s.worth(day, zone) * c.rate(s.currency, day)
					}
				}
				if days++; math.Abs(got-want) > 0.002 {
					t.Fatalf("seed %d: %s has %s at %.4f on %s, walked %.4f", seed, c.table, account, got, day, want)
				}
			}
		}

		// The bridges, per account and month, and each month's beginning is the end of the one before.
		for table, fx := range map[string]string{"movements": "", "movements_spot": " + fx_mrr"} {
			res, err := db.Query(ctx, `
				select count(*), count(*) filter (where open_mrr + new_mrr + expansion_mrr + reactivation_mrr - contraction_mrr - churned_mrr`+fx+` != close_mrr),
				  count(*) filter (where open_mrr != coalesce((select close_mrr from `+table+` as earlier where earlier.account_id = m.account_id and earlier.month = (m.month - interval 1 month)::date), 0))
				from `+table+` as m`)
			if err != nil {
				t.Fatal(err)
			}
			if r := res.Rows[0]; r[0] == int64(0) || r[1] != int64(0) || r[2] != int64(0) {
				t.Errorf("seed %d: of %v accounts and months in %s %v do not close and %v do not begin where the last one ended", seed, r[0], table, r[1], r[2])
			}
		}
		res, err := db.Query(ctx, "select count(*) from (select account_id from core.account_mrr group by account_id having count(*) filter (where movement = 'new') != 1)")
		if err != nil {
			t.Fatal(err)
		}
		if n := res.Rows[0][0]; n != int64(0) {
			t.Errorf("seed %d: %v accounts are new more than once, or never", seed, n)
		}
		kinds, err := db.Query(ctx, "select movement, count(*) from (select movement from core.account_mrr union all select movement from core.account_mrr_spot where movement = 'fx') group by all order by all")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("seed %d: %d subscriptions, %d account-days equal, %v", seed, len(subs), days, kinds.Rows)
	}
}
