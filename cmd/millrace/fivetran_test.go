package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/sql"
)

// dump is a folder of Fivetran tables for each tool, with the variables that the sets read it by.
type dump struct {
	hubspot, ads, stripe string
	google, meta, linked string // prefixes of the ad platforms' tables
	ending               string
	now                  time.Time
	mrrDay               string // a day on which subscriptions ran
	currency             string // of all amounts
}

func (d dump) env() string {
	var b strings.Builder
	for _, v := range [][2]string{{"HUBSPOT_DATA", d.hubspot}, {"HUBSPOT_FILES", d.ending}, {"ADS_DATA", d.ads}, {"ADS_FILES", d.ending}, {"STRIPE_DATA", d.stripe}, {"STRIPE_FILES", d.ending},
		{"GOOGLE_ADS_PREFIX", d.google}, {"FACEBOOK_ADS_PREFIX", d.meta}, {"LINKEDIN_ADS_PREFIX", d.linked}} {
		fmt.Fprintf(&b, "FIVETRAN_%s=%s\n", v[0], v[1])
	}
	return b.String()
}

// TestFivetranFixture runs rows of our own through the sets: versions, deletions, merges, devices, millionths, a customer
// that no table of customers has.
func TestFivetranFixture(t *testing.T) {
	if raceEnabled {
		t.Skip("whole builds of 41 tables: `make e2e` runs it without the race detector")
	}
	root, err := filepath.Abs("testdata/fivetran")
	if err != nil {
		t.Fatal(err)
	}
	l := fivetran(t, dump{hubspot: root + "/hubspot", ads: root + "/ads", stripe: root + "/stripe", google: "google_ads/", meta: "facebook_ads/", linked: "linkedin_ads/",
		ending: ".csv", now: time.Date(2026, 2, 20, 6, 0, 0, 0, time.UTC), mrrDay: "2026-01-31", currency: "EUR"})
	for q, want := range map[string]string{
		// By hand: 12.345678 + 7.654321 + 9.000001 + 1.999999; 33.33 + 10.10 + 1.07 + 40; 88.88 + 120.50.
		"select platform, sum(cost), sum(clicks), sum(impressions) from staging.ad_days group by platform order by platform": "google_ads,31.0000,26,2933\nlinkedin_ads,209.3800,10,900\nmeta_ads,84.5000,28,2750",
		"select count(*), sum(cost) from staging.ad_days where currency is distinct from 'EUR'":                              "0,",
		"select name, utm_campaign, status from staging.ad_campaigns where campaign_id in ('7001', '8001') order by 1 desc":  "Brand,brand,PAUSED\nAwareness,,",
		// 12,000.50 + 4,000 + 1,500.25; the deleted and the merged deal are left out.
		"select count(*), sum(amount) from core.opportunities":                                     "3,17500.7500",
		"select source_id, status, closed_date from core.opportunities order by source_id":         "1001,won,2025-11-03\n1002,open,\n1005,lost,2025-12-01",
		"select count(*) from staging.hubspot_deal_stage_history where deal_id in ('1001','1005')": "4",
		// 3 x 49 + 2 x 480 / 12 = 227 of sub_1, and 49 of sub_3, whose customer nobody knows; sub_2 is on trial.
		"select sum(mrr), count(distinct account_id) from core.subscription_intervals where from_date <= '2026-01-31' and coalesce(to_date > '2026-01-31', true)": "276.0000,2",
		"select sum(mrr), sum(monthly_amount) from core.subscription_intervals where from_date <= '2026-02-20' and to_date is null":                               "276.0000,766.0000",
		"select currency, sum(amount) from staging.stripe_charges group by currency order by currency":                                                            "EUR,174.9300\nJPY,4900.0000",
	} {
		if got := l.csv(q); got != want {
			t.Errorf("%s:\n got %s\nwant %s", q, got, want)
		}
	}
}

// TestFivetranSamples runs the public sample rows through the same sets.
func TestFivetranSamples(t *testing.T) {
	if raceEnabled {
		t.Skip("whole builds of 41 tables: `make e2e` runs it without the race detector")
	}
	root, err := filepath.Abs("../../../shared/data")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root + "/fivetran-hubspot"); err != nil {
		t.Skip("the sample rows are not beside the repository: ../shared/data/fivetran-hubspot")
	}
	l := fivetran(t, dump{hubspot: root + "/fivetran-hubspot", ads: root + "/fivetran-ads", stripe: root + "/fivetran-stripe", google: "google_ads_", meta: "facebook_ads_", linked: "linkedin_",
		ending: "_data.csv", now: time.Date(2026, 2, 20, 6, 0, 0, 0, time.UTC), mrrDay: "2021-02-18", currency: "USD"})
	for q, want := range map[string]string{
		"select platform, sum(cost), sum(clicks), sum(impressions) from staging.ad_days group by platform order by platform":          "google_ads,231.3300,280,1854\nlinkedin_ads,530.6200,919,1359\nmeta_ads,643.6300,149,37275",
		"select sum(cost), sum(clicks), sum(impressions) from core.spend":                                                             "1405.5800,1348,40488",
		"select count(*), count(amount) from core.opportunities":                                                                      "44,0",
		"select sum(mrr) from core.subscription_intervals where from_date <= '2021-02-18' and coalesce(to_date > '2021-02-18', true)": "4500.0000",
	} {
		if got := l.csv(q); got != want {
			t.Errorf("%s:\n got %s\nwant %s", q, got, want)
		}
	}
}

// TestFivetranOrTheTool: one contract has one filler, and scores go back to HubSpot whichever way its records came.
func TestFivetranOrTheTool(t *testing.T) {
	l := &lab{t: t, dir: t.TempDir(), now: time.Date(2026, 2, 20, 6, 0, 0, 0, time.UTC)}
	l.fails(2, "both fill the same relations", "init", "--with", "hubspot,fivetran_hubspot", filepath.Join(l.dir, "both"))
	for _, name := range []string{"activate/hubspot_scores.yml"} {
		direct, err := builtinFS.ReadFile("builtin/with/hubspot/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if dump, err := builtinFS.ReadFile("builtin/with/fivetran_hubspot/" + name); err != nil || string(dump) != string(direct) {
			t.Errorf("%s of fivetran_hubspot is not that of hubspot: %v", name, err)
		}
	}
}

// TestSetsKeepContracts: a set's version of a staging relation declares the columns of the built-in one, no more and no less,
// since core reads them.
func TestSetsKeepContracts(t *testing.T) {
	column := regexp.MustCompile(`(?m)^  ([a-z_0-9]+): \{`)
	columns := func(text string) []string {
		front, _, _ := strings.Cut(text, "--- */")
		var out []string
		for _, m := range column.FindAllStringSubmatch(front, -1) {
			out = append(out, m[1])
		}
		slices.Sort(out)
		return out
	}
	checked := 0
	err := fs.WalkDir(builtinFS, "builtin/with", func(path string, d fs.DirEntry, err error) error {
		_, name, inStaging := strings.Cut(path, "/sql/staging/")
		if err != nil || !inStaging || filepath.Ext(path) != ".sql" {
			return err
		}
		base, err := fs.ReadFile(sql.Files, "staging/"+name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a relation of the set's own
		}
		if err != nil {
			return err
		}
		own, err := builtinFS.ReadFile(path)
		if err != nil {
			return err
		}
		checked++
		if got, want := columns(string(own)), columns(string(base)); !slices.Equal(got, want) {
			t.Errorf("%s has the columns %q, the contract sql/staging/%s has %q", path, got, name, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 25 {
		t.Errorf("only %d relations of sets were compared", checked)
	}
}

// fivetran makes a project with the three sets over a dump, runs it, and compares its totals with sums that are computed
// here from the CSV files alone.
func fivetran(t *testing.T, d dump) *lab {
	t.Helper()
	l := &lab{t: t, dir: filepath.Join(t.TempDir(), "house"), now: d.now}
	l.must("init", "--with", "fivetran_hubspot,fivetran_ads,fivetran_stripe", "--currency", d.currency, l.dir)
	l.write(".env", d.env())
	var sum runSummary
	l.json(&sum, "run", "--now", d.now.Format(time.RFC3339))
	if sum.Build == nil || len(sum.Build.Stale) > 0 || sum.Build.Error > 0 {
		t.Fatalf("the build: %+v, %q", sum.Build, sum.Errors)
	}
	for _, x := range sum.Extract {
		if x.Quarantined > 0 || x.Error != "" {
			t.Errorf("%s: %d rows in quarantine %s", x.Name(), x.Quarantined, x.Error)
		}
	}
	spend, clicks, impressions := new(big.Rat), new(big.Rat), new(big.Rat)
	million := big.NewRat(1_000_000, 1)
	for _, r := range distinctRows(readCSV(t, filepath.Join(d.ads, d.google+"campaign_stats"+d.ending)), "_fivetran_id", "id", "date") {
		spend.Add(spend, new(big.Rat).Quo(r.num("cost_micros"), million))
		clicks.Add(clicks, r.num("clicks"))
		impressions.Add(impressions, r.num("impressions"))
	}
	for _, r := range readCSV(t, filepath.Join(d.ads, d.meta+"basic_ad"+d.ending)) {
		spend.Add(spend, r.num("spend"))
		clicks.Add(clicks, r.num("inline_link_clicks"))
		impressions.Add(impressions, r.num("impressions"))
	}
	analytics := "ad_analytics_by_campaign" + d.ending
	for _, r := range readCSV(t, filepath.Join(d.ads, d.linked+analytics)) {
		spend.Add(spend, r.num("cost_in_local_currency"))
		clicks.Add(clicks, r.num("clicks"))
		impressions.Add(impressions, r.num("impressions"))
	}
	want := spend.FloatString(4) + "," + clicks.FloatString(0) + "," + impressions.FloatString(0)
	if got := l.csv("select sum(cost), sum(clicks), sum(impressions) from core.spend"); got != want {
		t.Errorf("spend, clicks and impressions are %s, the files hold %s", got, want)
	}
	merged := map[string]bool{}
	for _, r := range readCSV(t, filepath.Join(d.hubspot, "merged_deal"+d.ending)) {
		merged[r["merged_deal_id"]] = true
	}
	deals, amount := 0, new(big.Rat)
	for _, r := range readCSV(t, filepath.Join(d.hubspot, "deal"+d.ending)) {
		if strings.EqualFold(r["is_deleted"], "true") || merged[r["deal_id"]] {
			continue
		}
		deals++
		amount.Add(amount, r.num("property_amount"))
	}
	if got, want := l.csv("select count(*), coalesce(sum(amount), 0)::decimal(18, 4) from core.opportunities"), fmt.Sprintf("%d,%s", deals, amount.FloatString(4)); got != want {
		t.Errorf("deals and their amount are %s, the files hold %s", got, want)
	}
	if got, want := l.csv("select coalesce(sum(mrr), 0)::decimal(18, 2) from core.subscription_intervals where from_date <= '"+d.mrrDay+"' and coalesce(to_date > '"+d.mrrDay+"', true)"), d.mrr(t).FloatString(2); got != want {
		t.Errorf("MRR on %s is %s, the files hold %s", d.mrrDay, got, want)
	}
	return l
}

// mrr adds up quantity times price a month over the items of subscriptions that are active on the day.
func (d dump) mrr(t *testing.T) *big.Rat {
	t.Helper()
	type plan struct {
		amount *big.Rat
		months *big.Rat
	}
	plans := map[string]plan{}
	months := map[string]int64{"month": 1, "year": 12}
	for _, r := range readCSV(t, filepath.Join(d.stripe, "plan"+d.ending)) {
		plans[r["id"]] = plan{r.num("amount"), new(big.Rat).Mul(r.num("interval_count"), big.NewRat(months[r["interval"]], 1))}
	}
	for _, r := range readCSV(t, filepath.Join(d.stripe, "price"+d.ending)) {
		if r["recurring_interval"] != "" {
			plans[r["id"]] = plan{r.num("unit_amount"), new(big.Rat).Mul(r.num("recurring_interval_count"), big.NewRat(months[r["recurring_interval"]], 1))}
		}
	}
	active := map[string]bool{}
	for _, r := range readCSV(t, filepath.Join(d.stripe, "subscription_history"+d.ending)) {
		if r["status"] == "active" && r["start_date"][:10] <= d.mrrDay && (r["ended_at"] == "" || r["ended_at"][:10] > d.mrrDay) {
			active[r["id"]] = true
		}
	}
	out := new(big.Rat)
	for _, r := range readCSV(t, filepath.Join(d.stripe, "subscription_item"+d.ending)) {
		p, ok := plans[r["plan_id"]]
		if !ok || !active[r["subscription_id"]] {
			continue
		}
		out.Add(out, new(big.Rat).Quo(new(big.Rat).Mul(p.amount, r.num("quantity")), new(big.Rat).Mul(p.months, big.NewRat(100, 1))))
	}
	return out
}

// csvRow is one row by the names of its columns.
type csvRow map[string]string

func (r csvRow) num(name string) *big.Rat {
	if r[name] == "" {
		return new(big.Rat)
	}
	n, ok := new(big.Rat).SetString(r[name])
	if !ok {
		panic(name + " is not a number: " + r[name])
	}
	return n
}

// readCSV reads a file; its folder may hold it under a longer name that ends the same, as the sets' patterns allow.
func readCSV(t *testing.T, path string) []csvRow {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(filepath.Dir(path), strings.Replace(filepath.Base(path), "linkedin_ad_", "linkedin_*ad_", 1)))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q %v", path, found, err)
	}
	f, err := os.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []csvRow
	for _, line := range all[1:] {
		r := csvRow{}
		for i, name := range all[0] {
			r[name] = line[i]
		}
		out = append(out, r)
	}
	return out
}

// distinctRows keeps one row of each key.
func distinctRows(rows []csvRow, key ...string) []csvRow {
	seen := map[string]bool{}
	var out []csvRow
	for _, r := range rows {
		var k []string
		for _, c := range key {
			k = append(k, r[c])
		}
		if name := strings.Join(k, "\x00"); !seen[name] {
			seen[name] = true
			out = append(out, r)
		}
	}
	return out
}

// csv runs one query and gives its rows without the header.
func (l *lab) csv(q string) string {
	l.t.Helper()
	out := l.must("query", "--format", "csv", q)
	_, rows, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return strings.TrimSpace(rows)
}
