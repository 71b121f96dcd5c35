package transform

import (
	"context"
	"strings"
	"testing"
	"time"
)

const unitModel = `/* ---
columns: {rate: {description: won over closed}}
--- */
select r.region, sum(d.amount) as amount, count(*) filter (d.won) / nullif(count(*), 0) as rate, max((select today from meta.run) - d.closed) as age
from raw_crm.deals d
join seeds.regions r on r.code = d.region
group by all
`

const unitFile = `unit_tests:
  - name: adds up by region
    today: 2026-01-10
    given:
      - input: raw_crm.deals
        rows:
          - {region: n, amount: 1.5, won: true, closed: 2026-01-01}
          - {region: n, amount: 2, won: false, closed: 2026-01-02}
          - {region: x, amount: 99}
      - input: seeds.regions
        rows: |
          code, name, region
          n,    ,     North
    expect:
      rows:
        - {region: North, amount: 3.5, rate: 0.5, age: 9}
  - name: nothing in, nothing out
    expect: {rows: []}
`

func TestUnitTests(t *testing.T) {
	f := files{
		"sql/seeds/regions.csv":      "code,name,region\nn,North,North\n",
		"sql/core/regions.sql":       unitModel,
		"sql/core/regions.test.yml":  unitFile,
		"sql/metrics/by_region.sql":  "from core.regions",
		"sql/metrics/other.test.yml": "unit_tests:\n  - name: passes rows on\n    model: metrics.by_region\n    given: [{input: core.regions, rows: [{region: a}]}]\n    expect: {rows: \"region,amount\\na,\"}\n",
	}
	dir := t.TempDir()
	raw := rawStream()
	r := build(t, dir, load(t, f, raw))
	for _, x := range r.Tests {
		if x.Status != StatusPass {
			t.Errorf("%s: %s %s", x.ID, x.Status, x.Message)
		}
	}
	if len(r.Tests) != 3 || !r.Published {
		t.Fatalf("%d tests, published %v", len(r.Tests), r.Published)
	}
	if r = build(t, dir, load(t, f, raw)); r.Published {
		t.Error("unit tests that passed made a build")
	}
	// A model that breaks its unit test is not published.
	f["sql/core/regions.sql"] = strings.Replace(unitModel, "sum(d.amount)", "max(d.amount)", 1)
	r = build(t, dir, load(t, f, raw))
	wantStatus(t, r, "seeds.regions=unchanged core.regions=failed metrics.by_region=held")
	msg := ""
	for _, x := range r.Tests {
		msg += x.Message
	}
	if !strings.Contains(msg, "missing {region: North, amount: 3.5") || !strings.Contains(msg, "got     {region: North, amount: 2") {
		t.Errorf("message %q", msg)
	}
	tr, err := Test(context.Background(), BuildParams{Graph: load(t, f, raw), Dir: dir, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if tr.CountTests(StatusError) != 1 || tr.CountTests(StatusPass) != 2 || tr.Err() == nil {
		t.Errorf("test: %+v, %v", tr.Tests, tr.Err())
	}
}

func TestUnitTestsRefuse(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"unit_tests: [{name: a, expect: {rows: []}, model: core.regins}]", `core.regions`},
		{"unit_tests: [{name: a, given: [{input: raw_crm.deels}], expect: {rows: []}}]", `Did you mean "raw_crm.deals"`},
		{"unit_tests: [{name: a, today: tomorrow, expect: {rows: []}}]", "2026-01-31"},
		{"unit_test: []", `unit_tests`},
	} {
		_, err := Load(context.Background(), LoadParams{Run: testRun(), Raw: []RawStream{rawStream()}, FS: files{
			"sql/seeds/regions.csv": "code,name,region\nn,North,North\n", "sql/core/regions.sql": unitModel, "sql/core/regions.test.yml": c.yaml}.fs()})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "sql/core/regions.test.yml:1") {
			t.Errorf("%s:\n got %v\nwant %s", c.yaml, err, c.want)
		}
	}
}
