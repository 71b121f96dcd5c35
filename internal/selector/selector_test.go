package selector

import (
	"strings"
	"testing"

	"millrace/internal/fault"
)

// graph: raw_crm.deals → staging.deals → core.deals → metrics.win_rate → report:weekly
//
//	staging.people ↗          ↘ metrics.revenue
func graph() []Node {
	return []Node{
		{Name: "raw_crm.deals", Type: "source"},
		{Name: "staging.deals", Type: "model", Path: "sql/staging/crm/deals.sql", Deps: []string{"raw_crm.deals"}, Tags: []string{"crm", "nightly"}},
		{Name: "staging.people", Type: "model", Path: "sql/staging/people.sql", Tags: []string{"crm"}},
		{Name: "core.deals", Type: "model", Path: "sql/core/deals.sql", Deps: []string{"staging.deals", "staging.people"}, Attrs: map[string][]string{"config.materialized": {"incremental"}, "state": {"modified"}}},
		{Name: "metrics.win_rate", Type: "model", Path: "sql/metrics/win_rate.sql", Deps: []string{"core.deals"}, Tags: []string{"nightly"}},
		{Name: "metrics.revenue", Type: "model", Path: "sql/metrics/revenue.sql", Deps: []string{"core.deals"}, Attrs: map[string][]string{"result": {"error"}}},
		{Name: "report:weekly", Type: "report", Deps: []string{"metrics.win_rate"}},
	}
}

func TestSelect(t *testing.T) {
	for _, c := range []struct{ sel, excl, want string }{
		{"", "", "core.deals metrics.revenue metrics.win_rate raw_crm.deals report:weekly staging.deals staging.people"},
		{"core.deals", "", "core.deals"},
		{"win_rate", "", "metrics.win_rate"},
		{"deals", "", "core.deals raw_crm.deals staging.deals"},
		{"core.deals+", "", "core.deals metrics.revenue metrics.win_rate report:weekly"},
		{"+core.deals", "", "core.deals raw_crm.deals staging.deals staging.people"},
		{"1+core.deals+1", "", "core.deals metrics.revenue metrics.win_rate staging.deals staging.people"},
		{"staging.deals+2", "", "core.deals metrics.revenue metrics.win_rate staging.deals"},
		{"@staging.deals", "", "core.deals metrics.revenue metrics.win_rate raw_crm.deals report:weekly staging.deals staging.people"},
		{"@metrics.revenue", "", "core.deals metrics.revenue raw_crm.deals staging.deals staging.people"},
		{"metrics.*", "", "metrics.revenue metrics.win_rate"},
		{"metrics", "", "metrics.revenue metrics.win_rate"},
		{"tag:nightly", "", "metrics.win_rate staging.deals"},
		{"tag:nightly,tag:crm", "", "staging.deals"},
		{"tag:nightly tag:crm", "", "metrics.win_rate staging.deals staging.people"},
		{"path:sql/staging", "", "staging.deals staging.people"},
		{"sql/staging/crm", "", "staging.deals"},
		{"sql/metrics/*.sql", "", "metrics.revenue metrics.win_rate"},
		{"file:win_rate.sql", "", "metrics.win_rate"},
		{"source:crm+1", "", "raw_crm.deals staging.deals"},
		{"source:crm.deals", "", "raw_crm.deals"},
		{"+report:weekly", "", "core.deals metrics.win_rate raw_crm.deals report:weekly staging.deals staging.people"},
		{"config.materialized:incremental", "", "core.deals"},
		{"state:modified+", "", "core.deals metrics.revenue metrics.win_rate report:weekly"},
		{"result:error", "", "metrics.revenue"},
		{"state:new", "", ""},
		{"resource_type:report", "", "report:weekly"},
		{"core.deals+", "report:weekly metrics.rev*", "core.deals metrics.win_rate"},
		{"+core.deals,tag:crm", "", "staging.deals staging.people"},
		{"+metrics.revenue,+metrics.win_rate", "", "core.deals raw_crm.deals staging.deals staging.people"},
	} {
		var inc, exc []string
		if c.sel != "" {
			inc = []string{c.sel}
		}
		if c.excl != "" {
			exc = []string{c.excl}
		}
		got, err := Select(graph(), inc, exc)
		if err != nil {
			t.Errorf("%q: %v", c.sel, err)
			continue
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q - %q:\n got %s\nwant %s", c.sel, c.excl, strings.Join(got, " "), c.want)
		}
	}
}

func TestSelectRefuses(t *testing.T) {
	for sel, want := range map[string]string{
		"core.deels":   `Did you mean "core.deals"?`,
		"tg:nightly":   `Did you mean "tag"?`,
		"tag:weekly":   "selects nothing",
		"+":            "is not a selection",
		"@core.deals+": "is not a selection",
		"core.deals,":  "is not a selection",
	} {
		_, err := Select(graph(), []string{sel}, nil)
		if err == nil || !strings.Contains(err.Error(), want) || fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%q: error %v, want %q", sel, err, want)
		}
	}
}

func FuzzSelect(f *testing.F) {
	for _, s := range []string{"+a+", "2+x+1", "@x", "tag:a,b c", "[", "**", "+:+", "source:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Select(graph(), []string{s}, nil)
		if err == nil && len(got) > len(graph()) {
			t.Errorf("%q selected %v", s, got)
		}
	})
}
