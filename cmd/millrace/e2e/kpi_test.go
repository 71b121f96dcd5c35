package e2e

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var sevenKPIs = []string{"cac_blended", "cac_paid", "ltv", "ltv_cac", "payback_months", "pipeline_velocity", "mrr"}

// demoKPIs is what the test reads of `millrace demo --json`.
type demoKPIs struct {
	Days []struct {
		Date string                  `json:"date"`
		KPIs map[string]*json.Number `json:"kpis"`
	} `json:"days"`
}

// hour of the day at which a project over the simulated vendors runs.
const runHour = 9 * time.Hour

// TestKPIs holds the KPIs of a whole run, to the cent, against a computation of its own: from the raw Parquet, in exact
// numbers, without DuckDB and without the project's SQL (kpi_*_test.go beside this file).
func TestKPIs(t *testing.T) {
	size := "tiny"
	if soak() {
		size = "small"
	}
	base := t.TempDir()
	dir := filepath.Join(base, "demo")
	out := must(t, base, nil, "demo", "--dir", dir, "--size", size, "--json")
	var demo demoKPIs
	if err := json.Unmarshal([]byte(out.stdout), &demo); err != nil {
		t.Fatalf("%v\n%s", err, out.stdout)
	}
	raw := lake{dir: filepath.Join(dir, ".millrace", "prod", "raw")}
	began, err := raw.runs()
	if err != nil {
		t.Fatal(err)
	}
	if len(demo.Days) != 2 || len(began) < 2 {
		t.Fatalf("%d days told and %d runs landed; want two of each", len(demo.Days), len(began))
	}
	told := make([]map[string]*big.Rat, 2)
	lakes, nows := make([]lake, 2), make([]time.Time, 2)
	for i, day := range demo.Days {
		lakes[i] = raw
		if i+1 < len(began) {
			lakes[i].until = began[i+1]
		}
		date, err := time.Parse("2006-01-02", day.Date)
		if err != nil {
			t.Fatal(err)
		}
		nows[i], told[i] = date.Add(runHour), map[string]*big.Rat{}
		for k, v := range day.KPIs {
			if v != nil {
				if told[i][k], err = number(v.String()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}

	for i, day := range demo.Days {
		t.Run("Day"+fmt.Sprint(i+1), func(t *testing.T) {
			b := bookOf(t, dir, lakes[i], nows[i])
			mine := b.kpis(b.spans()[0])
			for _, k := range sevenKPIs {
				t.Logf("%s %-18s project %18s  independent %18s", day.Date, k, show(told[i][k]), show(mine[k]))
				if told[i][k] == nil {
					t.Errorf("%s is not stated; the demo has everything that it needs", k)
				}
			}
			if bad := unequal(told[i], mine); len(bad) > 0 {
				t.Errorf("%s: not equal to the cent: %s", day.Date, strings.Join(bad, ", "))
			}
		})
	}

	t.Run("EveryPeriod", func(t *testing.T) { everyPeriod(t, dir, bookOf(t, dir, raw, nows[1])) })
	t.Run("NoticesAChangedValue", func(t *testing.T) { noticesChanges(t, dir, lakes[1], nows[1], told[1]) })
	if soak() {
		// Seven weeks on: Stripe has forgotten the events of the first days, contracts have ended and begun, spend was restated.
		t.Run("SevenWeeksLater", func(t *testing.T) {
			nows[1] = nows[1].AddDate(0, 0, 49)
			if r := run(t, dir, nil, "run", "--target", "prod", "--now", nows[1].Format(time.RFC3339)); r.code > 1 {
				t.Fatalf("exit %d\n%s", r.code, r.stderr)
			}
			everyPeriod(t, dir, bookOf(t, dir, raw, nows[1]))
		})
	}
	t.Run("OtherSettings", func(t *testing.T) {
		otherSettings(t, dir)
		must(t, dir, nil, "build", "--target", "prod", "--now", nows[1].Format(time.RFC3339))
		everyPeriod(t, dir, bookOf(t, dir, raw, nows[1]))
	})
}

func bookOf(t *testing.T, dir string, l lake, now time.Time) *book {
	t.Helper()
	f, err := readFacts(dir, l, now)
	if err != nil {
		t.Fatal(err)
	}
	b := newBook(f)

	// What history says of today has to be what the billing system lists today.
	listed := new(big.Rat)
	for _, s := range f.subscriptions {
		for _, i := range f.items {
			if i.text("subscription_id") == s.text("id") && counts(s.text("status"), isPaused(s)) {
				n, _ := i.int("quantity")
				var d *discount
				_ = json.Unmarshal([]byte(s.text("discount")), &d) // no discount is null
				listed.Add(listed, f.monthly(i.text("price_id"), n, d))
			}
		}
	}
	if b.mrr[f.today].Cmp(listed) != 0 {
		t.Errorf("MRR of %s is %s by its history and %s by the list of subscriptions", f.today.Format("2006-01-02"), show(b.mrr[f.today]), show(listed))
	}
	return b
}

// everyPeriod compares the seven KPIs in total for everything and for each month and quarter with the published build.
func everyPeriod(t *testing.T, dir string, b *book) {
	t.Helper()
	r := must(t, dir, nil, "query", "--target", "prod", "--json", "select grain, coalesce(period_start::varchar, '') as period, kpi, value::varchar as value "+
		"from metrics.kpi where dimension = 'total' and kpi in ('"+strings.Join(allKPIs(), "', '")+"') "+
		"union all select grain, coalesce(period_start::varchar, ''), 'ltv_observed', observed::varchar from metrics.ltv_cohort_parts where dimension = 'total'")
	var rows []struct {
		Grain, Period, KPI string
		Value              *string
	}
	if err := json.Unmarshal([]byte(r.stdout), &rows); err != nil {
		t.Fatalf("%v\n%s", err, r.stdout)
	}
	ours := map[string]map[string]*big.Rat{}
	for _, row := range rows {
		k := row.Grain + " " + row.Period
		if ours[k] == nil {
			ours[k] = map[string]*big.Rat{}
		}
		if row.Value != nil {
			v, err := number(*row.Value)
			if err != nil {
				t.Fatal(err)
			}
			ours[k][row.KPI] = v
		}
	}
	stated, spans := 0, b.spans()
	if len(spans) != len(ours) {
		t.Errorf("the project has %d periods, the independent computation %d", len(ours), len(spans))
	}
	for _, s := range spans {
		k := s.grain + " "
		if s.grain != "all" {
			k += s.start.Format("2006-01-02")
		}
		mine := b.kpis(s)
		b.more(s, mine)
		for _, v := range mine {
			if v != nil {
				stated++
			}
		}
		if s.grain == "all" {
			for _, name := range allKPIs() {
				t.Logf("%-24s project %18s  independent %18s", name, show(ours[k][name]), show(mine[name]))
				if !seldom[name] && ours[k][name] == nil {
					t.Errorf("%s is not stated over everything", name)
				}
			}
		}
		for _, name := range unequal(ours[k], mine) {
			t.Errorf("%s: %s is %s in the project and %s computed independently", k, name, show(ours[k][name]), show(mine[name]))
		}
	}
	t.Logf("%d KPIs of %d periods compared", stated, len(spans))
}

// unequal names the KPIs that differ by half a cent or more (times and months: in the fourth digit after the point, or by
// more than a millionth where they are large, since the money in them has four digits), or that only one side states.
func unequal(a, b map[string]*big.Rat) []string {
	var out []string
	for _, k := range allKPIs() {
		x, y := a[k], b[k]
		if x == nil && y == nil {
			continue
		}
		near := big.NewRat(1, 200)
		if k == "ltv_cac" || k == "payback_months" || exactly[k] {
			near = big.NewRat(1, 20000)
			if y != nil {
				if part := new(big.Rat).Mul(y, big.NewRat(1, 1_000_000)); part.Cmp(near) > 0 {
					near = part
				}
			}
		}
		if x == nil || y == nil || new(big.Rat).Abs(new(big.Rat).Sub(x, y)).Cmp(near) >= 0 {
			out = append(out, k)
		}
	}
	return out
}

func show(r *big.Rat) string {
	if r == nil {
		return "null"
	}
	return r.FloatString(4)
}

// noticesChanges changes one raw value at a time, on the way to the independent computation, and wants the comparison to see it.
func noticesChanges(t *testing.T, dir string, l lake, now time.Time, told map[string]*big.Rat) {
	f, err := readFacts(dir, l, now)
	if err != nil {
		t.Fatal(err)
	}
	first := func(rows []record, what string, is func(record) bool) record {
		i := slices.IndexFunc(rows, is)
		if i < 0 {
			t.Fatalf("no row to change: %s", what)
		}
		return rows[i]
	}
	active := first(f.subscriptions, "an active subscription", func(r record) bool { return r.text("status") == "active" })
	item := first(f.items, "its item", func(r record) bool { return r.text("subscription_id") == active.text("id") })
	likely := map[string]*big.Rat{}
	for _, st := range f.stages {
		likely[st.text("id")] = st.rat("probability")
	}
	one := big.NewRat(1, 1)
	won := first(f.deals, "a deal that was won and has a value", func(r record) bool {
		p := likely[r.text("stage_id")]
		return p != nil && p.Cmp(one) == 0 && r.rat("amount") != nil
	})
	open := first(f.deals, "a qualified deal that is open", func(r record) bool {
		p := likely[r.text("stage_id")]
		return p != nil && p.Sign() > 0 && p.Cmp(one) < 0 && f.qualified[r.text("stage_id")]
	})
	day := first(f.spend, "a day with spend", func(r record) bool { n, ok := r.int("cost_micros"); return ok && n > 0 })
	for _, c := range []struct {
		name   string
		stream string
		is     record
		keys   []string
		change func(record)
		want   []string
	}{
		{"ten dollars more spent on a day", "google_ads.campaign_daily", day, []string{"date", "campaign_id"},
			func(r record) { r["cost_micros"] = r["cost_micros"].(int64) + 10_000_000 }, []string{"cac_blended", "cac_paid"}},
		{"a price is a cent more", "stripe.prices", record{"id": item.text("price_id")}, []string{"id"},
			func(r record) {
				r["unit_amount_decimal"] = new(big.Rat).Add(r.rat("unit_amount_decimal"), big.NewRat(1, 1))
			}, []string{"mrr"}},
		{"a contract was never made", "stripe.subscriptions", active, []string{"id"},
			func(r record) { r["id"] = "sub_none" }, []string{"mrr", "cac_blended", "ltv", "payback_months"}},
		{"a deal was worth a tenth more", "hubspot.deals", won, []string{"id"},
			func(r record) { r["amount"] = new(big.Rat).Mul(r.rat("amount"), big.NewRat(11, 10)) }, []string{"pipeline_velocity"}},
		{"an open deal was deleted", "hubspot.deals", open, []string{"id"},
			func(r record) { r["archived"] = true }, []string{"pipeline_velocity"}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			hit := 0
			changed := l
			changed.change = func(stream string, r record) {
				if stream != c.stream || hit > 0 {
					return
				}
				for _, k := range c.keys {
					if fmt.Sprint(r[k]) != fmt.Sprint(c.is[k]) {
						return
					}
				}
				hit++
				c.change(r)
			}
			g, err := readFacts(dir, changed, now)
			if err != nil {
				t.Fatal(err)
			}
			b := newBook(g)
			got := unequal(told, b.kpis(b.spans()[0]))
			for _, k := range c.want {
				if hit != 1 || !slices.Contains(got, k) {
					t.Errorf("%d values changed and %q noticed; want one change, noticed in %s", hit, got, k)
				}
			}
		})
	}
}

// otherSettings turns the demo's project into one that reports in euros, in California, with rates that move, another margin,
// another limit of lifetime, another word for qualified, and costs in three currencies.
func otherSettings(t *testing.T, dir string) {
	t.Helper()
	edit := func(file, from, to string) {
		path := filepath.Join(dir, filepath.FromSlash(file))
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), from) {
			t.Fatalf("%s does not hold %q", file, from)
		}
		write(t, path, strings.Replace(string(text), from, to, 1))
	}
	edit("millrace.yml", "time_zone: UTC", "time_zone: America/Los_Angeles")
	edit("millrace.yml", "currency: USD", "currency: EUR")
	edit("sql/seeds/fx_rates.csv", "GBP,2000-01-01", "EUR,2025-11-15,1.0625,1.08,\nEUR,2026-01-07,1.1833,1.12,\nGBP,2025-12-01,1.31,1.3,\nGBP,2000-01-01")
	edit("sql/seeds/assumptions.csv", "gross_margin,0.80", "gross_margin,0.7345")
	edit("sql/seeds/assumptions.csv", "ltv_cap_months,60", "ltv_cap_months,19")
	edit("sql/seeds/stage_map.csv", "qualifiedtobuy,true", "qualifiedtobuy,false")
	edit("sql/seeds/sales_marketing_costs.csv", "month,category,amount,currency,note\n",
		"month,category,amount,currency,note\n2025-11-01,agency,1234.56,GBP,\n2025-12-15,pay,1000001,JPY,\n2026-02-01,tools,777.77,,\n")
}
