package models

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"millrace/internal/duck"
	"millrace/models/decision"
	"millrace/transform/relation"
)

// memory is a build in memory: real DuckDB, so conditions are judged by the database that judges them in a run.
type memory struct {
	db    *duck.DB
	build relation.Build
}

func (m *memory) Build() relation.Build { return m.build }
func (m *memory) Query(ctx context.Context, sql string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		res, err := m.db.Query(ctx, sql)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, r := range res.Rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func warehouse(t *testing.T, tables map[string]string, keys map[string]string) *memory {
	t.Helper()
	db, err := duck.Open(t.Context(), "", duck.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	m := &memory{db: db, build: relation.Build{ID: "b1", Relations: map[string]relation.Relation{}}}
	for name, sql := range tables {
		schema, _, _ := strings.Cut(name, ".")
		for _, s := range []string{"create schema if not exists " + schema, "create table " + name + " as " + sql} {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		res, err := db.Query(t.Context(), "from "+name+" limit 0")
		if err != nil {
			t.Fatal(err)
		}
		r := relation.Relation{Name: name, Version: "v1"}
		for _, c := range res.Columns {
			r.Columns = append(r.Columns, relation.Column{Name: c.Name, Type: c.Type})
		}
		if k := keys[name]; k != "" {
			r.Key = []string{k}
		}
		m.build.Relations[name] = r
	}
	return m
}

const leads = `select * from (values
	('p1', 95.5::double, 'DE', 1200), ('p2', 80, 'US', 10), ('p3', 75, 'US', 50), ('p4', 12, 'FR', 5000), ('p5', null, 'DE', null)
) as t (person_id, score, country, employees)`

func policy(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := ParsePolicy("lead_routing", "models/lead_routing.yml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const threeLines = `version: 1
score: scores.lead_score
rule: score > 80 -> sales, else nurture
`

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func decide(t *testing.T, p *Policy, w Warehouse, current map[string]decision.Decision) *DecideResult {
	t.Helper()
	r, err := Decide(t.Context(), p, w, current, DecideOptions{Now: noon, Trigger: "build"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func choices(r *DecideResult) string {
	var out []string
	for _, d := range r.Decisions {
		out = append(out, d.Subject+"="+d.Choice)
	}
	return strings.Join(out, " ")
}

func index(r *DecideResult) map[string]decision.Decision {
	m := map[string]decision.Decision{}
	for _, d := range r.Decisions {
		m[d.Subject] = d
	}
	return m
}

func TestThreeLines(t *testing.T) {
	w := warehouse(t, map[string]string{"scores.lead_score": leads}, map[string]string{"scores.lead_score": "person_id"})
	p := policy(t, threeLines)
	if p.Live() {
		t.Error("a policy that does not say so must be in shadow")
	}
	r := decide(t, p, w, nil)
	if got := choices(r); got != "p1=sales p2=nurture p3=nurture p4=nurture p5=nurture" {
		t.Error(got)
	}
	d := r.Decisions[0]
	if *d.Score != 95.5 || d.Reason != "score > 80 (score is 95.5)" || len(d.RuleHits) != 1 || d.Propensity != 1 || d.Mode != decision.Shadow ||
		string(d.Inputs["score"]) != "95.5" || d.BuildID != "b1" || d.ID == "" || !d.DecidedAt.Equal(noon) {
		t.Errorf("%+v", d)
	}
	if last := r.Decisions[4]; last.Score != nil || last.Reason != "no rule holds: score is not known" {
		t.Errorf("no score: %+v", last)
	}
	if !reflect.DeepEqual(r.Counts, map[string]int{"sales": 1, "nurture": 4}) || len(r.New) != 5 {
		t.Errorf("%v, %d new", r.Counts, len(r.New))
	}
}

// The same build decides the same, with the same ids; only what changed is new.
func TestDecidingAgain(t *testing.T) {
	w := warehouse(t, map[string]string{"scores.lead_score": leads}, map[string]string{"scores.lead_score": "person_id"})
	p := policy(t, threeLines)
	first := decide(t, p, w, nil)
	if again := decide(t, p, w, nil); !reflect.DeepEqual(first.Decisions, again.Decisions) {
		t.Error("two runs over the same build differ (P4)")
	}
	if third := decide(t, p, w, index(first)); len(third.New) != 0 || third.Decisions[0].ID != first.Decisions[0].ID {
		t.Errorf("%d new decisions although nothing changed", len(third.New))
	}
	if _, err := w.db.ExecContext(t.Context(), `update scores.lead_score set score = 81 where person_id = 'p2'`); err != nil {
		t.Fatal(err)
	}
	second := decide(t, p, w, index(first))
	if len(second.New) != 1 || second.New[0].Subject != "p2" || second.New[0].Choice != "sales" || second.New[0].Previous != first.Decisions[1].ID {
		t.Errorf("%+v", second.New)
	}
}

func TestLongForm(t *testing.T) {
	w := warehouse(t, map[string]string{
		"features.lead":     `select person_id, country, employees, 7 as score from (` + leads + `)`,
		"scores.lead_score": `select person_id, score as lead_score from (` + leads + `)`,
	}, map[string]string{"features.lead": "person_id", "scores.lead_score": "person_id"})
	p := policy(t, `version: 1
owner: ann@example.com
mode: live
context: features.lead
score: scores.lead_score
actions: {call: by phone, mail: by e-mail, enterprise_team: a named team, nurture: wait}
rules:
  - {name: hot, when: score > 80, action: call, reason: "score {score} in {country}"}
  - {name: warm, when: score > 70, action: mail}
  - {name: hot by mail, when: score > 80, action: mail}
else: nurture
constraints:
  - {name: enterprise leads go to the enterprise team, when: employees > 1000, only: enterprise_team}
  - {name: no mail to small firms, when: employees < 20, forbid: [mail]}
prefer:
  - {name: e-mail over phone in Europe, when: "country in ('DE', 'FR')", action: mail, points: 10}
`)
	r := decide(t, p, w, nil)
	if got := choices(r); got != "p1=enterprise_team p2=nurture p3=mail p4=enterprise_team p5=nurture" {
		t.Error(got)
	}
	if d := r.Decisions[0]; !strings.Contains(d.Reason, "call is forbidden: enterprise leads go to the enterprise team") || d.Mode != decision.Live {
		t.Errorf("%+v", d)
	}
	if _, err := w.db.ExecContext(t.Context(), `update features.lead set employees = 100`); err != nil {
		t.Fatal(err)
	}
	r = decide(t, p, w, index(r))
	if got := choices(r); got != "p1=mail p2=mail p3=mail p4=nurture p5=nurture" {
		t.Error(got)
	}
	if d := r.Decisions[0]; d.Reason != "score > 80 (score is 95.5) (preferred over call by e-mail over phone in Europe)" && !strings.Contains(d.Reason, "preferred over call by e-mail over phone in Europe") {
		t.Error(d.Reason)
	}
	if c := r.Decisions[0].Candidates; len(c) != 3 || c[0].Action != "mail" || c[0].Points != 10 || c[1].Action != "call" || !c[2].Allowed {
		t.Errorf("%+v", c)
	}
}

// Deny wins also when one constraint brings in what another forbids.
func TestConstraintsTogether(t *testing.T) {
	w := warehouse(t, map[string]string{"scores.lead_score": leads}, map[string]string{"scores.lead_score": "person_id"})
	for _, order := range []string{"a b", "b a"} {
		cs := map[string]string{"a": "  - {name: a, forbid: [special]}\n", "b": "  - {name: b, only: special, reason: must be special}\n"}
		text := "version: 1\nscore: scores.lead_score\nrules: [{name: r, when: score > 80, action: sales}]\nelse: nurture\nconstraints:\n"
		for c := range strings.FieldsSeq(order) {
			text += cs[c]
		}
		r := decide(t, policy(t, text), w, nil)
		if d := r.Decisions[0]; d.Choice != NoAction || !strings.HasPrefix(d.Reason, "every action is forbidden") {
			t.Errorf("order %s: %s, %s", order, d.Choice, d.Reason)
		}
	}
}

func TestPreview(t *testing.T) {
	w := warehouse(t, map[string]string{"scores.lead_score": leads}, map[string]string{"scores.lead_score": "person_id"})
	p := policy(t, threeLines)
	for _, change := range []func() (*Policy, error){
		func() (*Policy, error) { return p.WithThreshold("70") },
		func() (*Policy, error) { return p.WithRule("score > 70 -> sales, else nurture") },
	} {
		after, err := change()
		if err != nil {
			t.Fatal(err)
		}
		v, err := Preview(t.Context(), p, after, w)
		if err != nil {
			t.Fatal(err)
		}
		if v.After != "score > 70 -> sales, else nurture" || len(v.Moves) != 2 || v.Moves[0].Subject != "p2" || v.Moves[1].Subject != "p3" ||
			v.Moves[0].From != "nurture" || v.Moves[0].To != "sales" || v.Counts["sales"] != 1 || v.Would["sales"] != 3 || v.Of != 5 {
			t.Errorf("%+v", v)
		}
		if after.Version() == p.Version() {
			t.Error("another rule is another version")
		}
	}
	if p.RuleText() != "score > 80 -> sales, else nurture" {
		t.Errorf("the preview changed the policy: %s", p.RuleText())
	}
	// Against the log: what the file as it stands would change.
	first := decide(t, p, w, nil)
	edited := policy(t, strings.Replace(threeLines, "80", "90", 1))
	if v, err := PreviewFile(t.Context(), edited, w, index(first)); err != nil || len(v.Moves) != 0 {
		t.Errorf("%+v %v", v, err)
	}
	if _, err := policy(t, strings.Replace(threeLines, "score > 80", "score between 70 and 80", 1)).WithThreshold("60"); err == nil {
		t.Error("an ambiguous threshold was changed")
	}
}

func TestAgreement(t *testing.T) {
	w := warehouse(t, map[string]string{
		"scores.lead_score": `select 'p' || range as person_id, range as score from range(200)`,
		"core.assignments":  `select 'p' || range as person_id, if(range > 82, 'assigned to sales', 'kept') as human_action from range(200) where range <> 5`,
	}, map[string]string{"scores.lead_score": "person_id"})
	p := policy(t, threeLines+"compare: {relation: core.assignments, values: {assigned to sales: sales, kept: nurture}}\n")
	current := index(decide(t, p, w, nil))
	for _, c := range []struct {
		since time.Time
		ready bool
		why   string
	}{
		{noon.Add(-6 * 24 * time.Hour), false, "beside people for 6.0 of the 7 days"},
		{noon.Add(-8 * 24 * time.Hour), true, "a named person may set"},
		{time.Time{}, false, "beside people for 0.0 of the 7 days"},
	} {
		a, err := Agreement(t.Context(), p, w, current, c.since, noon)
		if err != nil {
			t.Fatal(err)
		}
		if a.Compared != 199 || a.Agreed != 197 || len(a.Disagreements) != 2 || a.Disagreements[0].Subject != "p81" || a.Disagreements[0].Person != "nurture" {
			t.Errorf("%+v", a)
		}
		if a.Ready != c.ready || !strings.Contains(a.Why, c.why) {
			t.Errorf("since %v: ready %v, %s", c.since, a.Ready, a.Why)
		}
	}
}

func TestHoldoutIsStable(t *testing.T) {
	w := warehouse(t, map[string]string{"scores.lead_score": `select 'p' || range as person_id, 90 as score from range(2000)`}, map[string]string{"scores.lead_score": "person_id"})
	r := decide(t, policy(t, threeLines+"holdout: {percent: 10}\n"), w, nil)
	// 10 % of 2000 with a standard deviation of 13.4; four of them.
	if r.Held < 146 || r.Held > 254 {
		t.Errorf("%d of 2000 held out", r.Held)
	}
	if again := decide(t, policy(t, threeLines+"holdout: {percent: 10}\n"), w, nil); again.Held != r.Held {
		t.Error("the group was drawn again")
	}
}

func TestBadPolicies(t *testing.T) {
	w := warehouse(t, map[string]string{"scores.lead_score": leads, "core.twice": `select 'p1' as person_id, 1 as score union all select 'p1', 2`}, map[string]string{"scores.lead_score": "person_id", "core.twice": "person_id"})
	head := "version: 1\nscore: scores.lead_score\n"
	for _, c := range []struct{ text, want string }{
		{head, "models/lead_routing.yml:1:1: rule: the policy has no rule"},
		{head + "rule: score > 80\n", `models/lead_routing.yml:3:7: rule: this part of the rule has no ` + "`->`"},
		{head + "rule: score > 80 -> sales\n", "does not say what to do otherwise"},
		{head + "rule: score > 80 -> Sales Team, else nurture\n", "not the name of an action"},
		{head + "rule: (score > 80 -> sales, else nurture\n", "has no `->`"},
		{head + "rule: \"score > 80; drop table x -> sales, else nurture\"\n", "one expression"},
		{head + "rule: score > 80) or (true -> sales, else nurture\n", "has no `->`"},
		{head + "rule: \"name = 'x -> sales, else nurture\"\n", "has no `->`"},
		{head + "rule: score > random() -> sales, else nurture\n", "uses random"},
		{head + "rule: \"created < now() - interval 1 day -> sales, else nurture\"\n", "uses now"},
		{head + "rule: score > 80 -> sales, else nurture\nmode: live\n", "without an owner cannot be live"},
		{head + "rule: score > 80 -> sales, else nurture\nmodee: live\n", `Did you mean "mode"`},
		{head + "rules: [{name: a, when: score > 80, action: salez}]\nelse: nurture\nactions: {sales: x, nurture: y}\n", `Did you mean "sales"`},
		{head + "rules: [{name: a, when: 'true', action: x}, {name: a, when: 'true', action: y}]\nelse: nurture\n", "two rules have this name"},
		{head + "rule: scroe > 80 -> sales, else nurture\n", `models/lead_routing.yml:3:7: rule: the database refuses this condition: "scroe > 80"`},
		{head + "rules: [{name: a, when: score > 80, action: sales, reason: 'from {contry}'}]\nelse: nurture\n", `Did you mean "country"`},
		{"version: 1\nscore: scores.lead_scor\nrule: score > 80 -> sales, else nurture\n", `Did you mean "scores.lead_score"`},
		{"version: 1\nscore: core.twice\nrule: score > 80 -> sales, else nurture\n", "more than one row for a subject"},
		{"version: 1\nscore: scores.lead_score; drop\nrule: score > 80 -> sales, else nurture\n", "not the name of a relation"},
		{"version: 1\nscore: scores.lead_score\nscore_column: country\nrule: score > 80 -> sales, else nurture\n", "Cannot compare values of type VARCHAR"},
	} {
		p, err := ParsePolicy("lead_routing", "models/lead_routing.yml", []byte(c.text), nil)
		if err == nil {
			_, err = Decide(t.Context(), p, w, nil, DecideOptions{})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n  got  %v\n  want %s", c.text, err, c.want)
		}
	}
}

func TestShortRules(t *testing.T) {
	for _, c := range []struct {
		text, want string
	}{
		{"score > 80 -> sales, else nurture", "[{score > 80 sales}] nurture"},
		{"a in (1, 2) and b = ', -> else' -> x, c -> y , ELSE z", "[{a in (1, 2) and b = ', -> else' x} {c y}] z"},
		{"payload->'a' = '1' -> x, else y", "[{payload->'a' = '1' x}] y"},
		{"elsewhere > 1 -> x, else y", "[{elsewhere > 1 x}] y"},
	} {
		b, other, err := parseShort(c.text)
		if got := fmt.Sprint(b, " ", other); err != nil || got != c.want {
			t.Errorf("%s: %s, %v", c.text, got, err)
		}
	}
}

func FuzzShortRule(f *testing.F) {
	for _, s := range []string{"score > 80 -> sales, else nurture", "'", `"a""b" -> x, else y`, "/* -> */ a -> x, else y", "-- x", "((]", "a->>b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, other, err := parseShort(s)
		if err == nil && (len(b) == 0 || !actionName.MatchString(other)) {
			t.Errorf("%q was accepted as %v %q", s, b, other)
		}
		words(s)
		numbers(s)
	})
}
