package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// crashProject is a project with one stream of each disposition, large enough that extract, build and publish each take
// a while, and with models that would show a lost or doubled row.
func crashProject(t testing.TB, dir string) {
	t.Helper()
	write(t, filepath.Join(dir, "millrace.yml"), "version: 1\nname: crash\n")
	write(t, filepath.Join(dir, "extract/lake.yml"), `version: 1
connector: file
config: {path: data}
streams:
  events:
    path: events/*.ndjson
    write_disposition: append
    columns:
      id: {type: BIGINT, required: true}
      amount: {type: "DECIMAL(18,4)"}
  people:
    path: people/*.csv
    write_disposition: merge
    primary_key: id
    columns:
      id: {type: BIGINT, required: true}
  prices:
    path: prices.csv
    write_disposition: replace
    columns:
      id: {type: BIGINT, required: true}
      price: {type: "DECIMAL(18,4)"}
`)
	write(t, filepath.Join(dir, "sql/staging/events.sql"), `/* ---
description: every event that landed
--- */
select id, kind, amount, count(*) over (partition by id) as copies
from raw_lake.events
`)
	write(t, filepath.Join(dir, "sql/staging/people.sql"), `/* ---
description: the latest row of each person
columns:
  id: {description: key, data_tests: [not_null, unique]}
--- */
select id, name
from raw_lake.people
`)
	write(t, filepath.Join(dir, "sql/core/totals.sql"), `/* ---
description: sums that a lost or doubled row would change
--- */
with event_totals as (
    select count(*) as events, sum(amount) as amount, max(copies) as most_copies
    from staging.events
),
people_totals as (
    select count(*) as people, count(distinct name) as names
    from staging.people
),
price_totals as (
    select count(*) as prices, sum(price) as price_sum
    from raw_lake.prices
)
select *
from event_totals, people_totals, price_totals
`)
	crashData(t, dir, 1)
}

// crashData writes the files of one more day: new event files, changed people, all prices anew.
func crashData(t testing.TB, dir string, day int) {
	t.Helper()
	const perFile = 20_000
	for f := range 3 {
		var b strings.Builder
		for i := range perFile {
			id := ((day*3)+f)*perFile + i
			fmt.Fprintf(&b, `{"id":%d,"kind":"k%d","amount":%d.%02d,"payload":{"n":%d}}`+"\n", id, id%7, id%1000, id%100, i)
		}
		write(t, filepath.Join(dir, fmt.Sprintf("data/events/day%02d-%d.ndjson", day, f)), b.String())
	}
	var people, prices strings.Builder
	people.WriteString("id,name\n")
	prices.WriteString("id,price\n")
	for i := range 5_000 {
		fmt.Fprintf(&people, "%d,person %d of day %d\n", i+day*1000, i, day)
		fmt.Fprintf(&prices, "%d,%d.%d\n", i, i%97, day%10)
	}
	write(t, filepath.Join(dir, fmt.Sprintf("data/people/day%02d.csv", day)), people.String())
	write(t, filepath.Join(dir, "data/prices.csv"), prices.String())
}

// TestKillNine kills `run` at random moments of extract, build and publish, runs again, and compares with a project that
// was never disturbed (P1, P3): equal digest, no row lost or doubled, no leftovers.
func TestKillNine(t *testing.T) {
	kills := 8
	if soak() {
		kills = 50
	}
	calm, rough := t.TempDir(), t.TempDir()
	crashProject(t, calm)
	crashProject(t, rough)
	took := must(t, calm, nil, "run").took
	rng := rand.New(rand.NewPCG(7, 11)) // seeded: the same moments each time, as far as the machine allows

	killed, day := 0, 1
	for killed < kills {
		for range 3 { // several kills of the same day's work before it may finish
			if killed == kills {
				break
			}
			if killAfter(t, rough, time.Duration(rng.Float64()*1.1*float64(took)), "run") {
				killed++
			} else if day < 12 {
				break
			}
		}
		must(t, rough, nil, "run")
		compare(t, calm, rough, day)
		if day < 12 {
			day++
			crashData(t, calm, day)
			crashData(t, rough, day)
			took = must(t, calm, nil, "run").took
		} else { // the last day again and again, from nothing
			if err := os.RemoveAll(filepath.Join(rough, ".millrace")); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d kills over %d days of work", killed, day)
}

func compare(t *testing.T, calm, rough string, day int) {
	t.Helper()
	if want, got := digest(t, calm), digest(t, rough); want != got {
		t.Fatalf("day %d: digests differ\nundisturbed:\n%s\nkilled:\n%s", day, want, got)
	}
	row := query(t, rough, "from core.totals")[0]
	if got, want := fmt.Sprint(row["events"]), fmt.Sprint(day*60_000); got != want {
		t.Fatalf("day %d: %s events, want %s", day, got, want)
	}
	if got := fmt.Sprint(row["most_copies"]); got != "1" {
		t.Fatalf("day %d: an event landed %s times", day, got)
	}
	for _, pattern := range []string{".millrace/dev/warehouse/*.wal", ".millrace/dev/warehouse/*.next", ".millrace/dev/raw/*/*/*/.*tmp*"} {
		if m, _ := filepath.Glob(filepath.Join(rough, pattern)); len(m) > 0 {
			t.Errorf("day %d: leftovers after a clean run: %v", day, m)
		}
	}
}
