package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"millrace/activate"
	"millrace/internal/console"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/models"
	"millrace/transform"
	"millrace/transform/relation"
)

// checksRelation holds the judged checks; a project without it, or with one from before it said what to hold, holds nothing.
const checksRelation = "quality.checks"

// breach is a check whose threshold is broken so far that what is made from its data must not be acted on.
type breach struct {
	Check    string   `json:"check"`
	Object   string   `json:"object"`
	Relation string   `json:"relation"`
	Source   string   `json:"source,omitempty"`
	Value    float64  `json:"value"`
	Limit    float64  `json:"hold_above"`
	Broken   int64    `json:"broken"`
	Rows     int64    `json:"checked_rows"`
	Detail   string   `json:"detail"`
	Remedy   string   `json:"remedy"`
	Records  []string `json:"records"` // ids of some records to repair, with what they are: "contacts 101"
	Holds    []string `json:"holds"`   // "sync hubspot_scores", "policy lead_routing"
}

// key names the check for comparing one run with the next.
func (b breach) key() string { return b.Check + " of " + b.Object }

// breaker is the breach as the guardrail of a plan says it.
func (b breach) breaker() activate.Breaker {
	limit := b.Limit
	return activate.Breaker{Name: "data_quality", Field: b.Object, Value: b.Value, Hold: &limit, Verdict: activate.VerdictHold,
		Message: fmt.Sprintf("data quality: %s; to repair: %s (`millrace quality` lists the records)", b.Detail, b.Remedy)}
}

// qualityHolds says what the breaches of one build hold.
type qualityHolds struct {
	breaches []breach
	reach    map[string]map[string]bool // by relation of a breach: all that is made from it, and itself
}

// on lists the breaches that hold whatever reads one of the relations.
func (h *qualityHolds) on(relations ...string) []breach {
	if h == nil {
		return nil
	}
	var out []breach
	for _, b := range h.breaches {
		for _, r := range relations {
			if h.reach[b.Relation][strings.ToLower(r)] {
				out = append(out, b)
				break
			}
		}
	}
	return out
}

// recordsShown is how many records to repair are named beside a breach.
const recordsShown = 5

// qualityOf finds what data quality holds in the published build, by lineage: a check about one relation holds what
// descends from it and nothing else.
func (a *app) qualityOf(ctx context.Context, s *project.Project, list []*activate.Sync, policies []*models.Policy) (*qualityHolds, error) {
	build, err := a.published(ctx, s)
	if err != nil {
		return nil, err
	}
	defer build.Close()
	h := &qualityHolds{reach: map[string]map[string]bool{}}
	if h.breaches, err = readBreaches(ctx, build); err != nil || len(h.breaches) == 0 {
		return h, err
	}
	g, err := a.graph(ctx, s, a.logical())
	if err != nil {
		return nil, err
	}
	children := map[string][]string{}
	for name, n := range g.Nodes {
		for _, d := range n.Deps {
			children[d] = append(children[d], name)
		}
	}
	for _, p := range policies {
		for _, r := range policyReads(p) {
			children[r] = append(children[r], "decisions.current")
		}
	}
	for i := range h.breaches {
		b := &h.breaches[i]
		if h.reach[b.Relation] == nil {
			h.reach[b.Relation] = descendants(children, b.Relation)
		}
	}
	for i := range h.breaches {
		b := &h.breaches[i]
		for _, x := range list {
			if h.reach[b.Relation][strings.ToLower(x.File.Relation)] {
				b.Holds = append(b.Holds, "sync "+x.Name)
			}
		}
		for _, p := range policies {
			if slices.ContainsFunc(policyReads(p), func(r string) bool { return h.reach[b.Relation][r] }) {
				b.Holds = append(b.Holds, "policy "+p.Name)
			}
		}
	}
	return h, nil
}

// policyReads are the relations that a policy decides on.
func policyReads(p *models.Policy) []string {
	var out []string
	for _, r := range []string{p.File.Score, p.File.Context} {
		if r != "" {
			out = append(out, strings.ToLower(r))
		}
	}
	return out
}

// descendants are everything that is made from a relation, and itself.
func descendants(children map[string][]string, from string) map[string]bool {
	seen := map[string]bool{}
	var walk func(string)
	walk = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, c := range children[name] {
			walk(c)
		}
	}
	walk(strings.ToLower(from))
	return seen
}

// readBreaches reads the checks that hold, the worst first.
func readBreaches(ctx context.Context, b *publishedBuild) ([]breach, error) {
	rel, ok := b.build.Relations[checksRelation]
	if !ok || !hasColumns(rel.Columns, "effect", "relation", "hold_above", "broken", "remedy") {
		return nil, nil
	}
	var out []breach
	err := b.db.Each(ctx, `select check_name, object, relation, coalesce(source, ''), value::double, coalesce(hold_above, 0)::double, coalesce(broken, 0)::bigint,
		checked_rows::bigint, detail, remedy from quality.checks where effect = 'hold' order by value / nullif(hold_above, 0) desc nulls first, check_name, object`, func(row []any) error {
		x := breach{Records: []string{}, Holds: []string{}}
		x.Check, x.Object, x.Relation, x.Source = row[0].(string), row[1].(string), row[2].(string), row[3].(string)
		x.Value, x.Limit = row[4].(float64), row[5].(float64)
		x.Broken, x.Rows, x.Detail, x.Remedy = row[6].(int64), row[7].(int64), row[8].(string), row[9].(string)
		out = append(out, x)
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(err, "read %s", checksRelation)
	}
	for i := range out {
		if out[i].Records, err = toRepair(ctx, b, out[i].Check, out[i].Object, recordsShown); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func hasColumns(have []relation.Column, names ...string) bool {
	for _, n := range names {
		if !slices.ContainsFunc(have, func(c relation.Column) bool { return c.Name == n }) {
			return false
		}
	}
	return true
}

// toRepair names some of the records that a check found: ids only, no values of people.
func toRepair(ctx context.Context, b *publishedBuild, check, object string, n int) ([]string, error) {
	out := []string{}
	rel, ok := b.build.Relations["quality.repairs"]
	if !ok || !hasColumns(rel.Columns, "check_name", "object", "stream", "_row_id") {
		return out, nil
	}
	q := fmt.Sprintf("select distinct stream || ' ' || _row_id as record from quality.repairs where check_name = %s and object = %s order by record limit %d", duck.Quote(check), duck.Quote(object), n)
	err := b.db.Each(ctx, q, func(row []any) error {
		out = append(out, row[0].(string))
		return nil
	})
	return out, err
}

// qualitySummary is what a run says about data quality.
type qualitySummary struct {
	Score    *float64 `json:"score"`
	Held     []breach `json:"held"`
	Released []string `json:"released"` // held the run before, and no longer
	News     bool     `json:"news"`     // what is held is not what was held the run before
}

// heldError says that data is held back for its quality.
type heldError struct{ what string }

func (e *heldError) Error() string { return "data quality holds back " + e.what }

func isHeld(err error) bool {
	var h *heldError
	return errors.As(err, &h)
}

// judgeQuality looks at the checks of the published build, says what they hold, and compares it with the run before.
// What is held is kept in the session for deciding and acting. The error is handled and names what is held.
func (a *app) judgeQuality(ctx context.Context, s *session) (*qualitySummary, error) {
	list, err := a.syncs(s.p)
	if err != nil {
		return nil, err
	}
	policies, err := a.policies(s.p)
	if err != nil {
		return nil, err
	}
	if s.quality, err = a.qualityOf(ctx, s.p, list, policies); err != nil {
		return nil, err
	}
	sum := &qualitySummary{Held: []breach{}, Released: []string{}}
	if sum.Score, err = a.qualityScore(ctx, s.p); err != nil {
		return nil, err
	}
	held := map[string]bool{}
	var parts, stopped []string
	for _, b := range s.quality.breaches {
		if len(b.Holds) == 0 {
			a.con.Step("quality", console.Warn, b.Check, b.Detail+"; nothing is made from it that acts", 0)
			continue
		}
		held[b.key()] = true
		sum.Held = append(sum.Held, b)
		parts = append(parts, b.key())
		for _, x := range b.Holds {
			if !slices.Contains(stopped, x) {
				stopped = append(stopped, x)
			}
		}
		a.con.Step("quality", "HOLD", b.Check, b.Detail+"; holds "+strings.Join(b.Holds, ", "), 0)
		a.con.Say("           repair: %s", b.Remedy)
		if len(b.Records) > 0 {
			a.con.Say("           records: %s", namedRecords(b))
		}
	}
	before, err := heldBefore(ctx, s)
	if err != nil {
		return nil, err
	}
	for k := range before {
		if !held[k] {
			sum.Released = append(sum.Released, k)
		}
	}
	sort.Strings(sum.Released)
	for _, k := range sum.Released {
		a.con.Step("quality", console.OK, "released", k, 0)
	}
	sum.News = len(sum.Released) > 0
	for k := range held {
		sum.News = sum.News || !before[k]
	}
	if len(parts) == 0 {
		return sum, nil
	}
	return sum, &fault.Error{Err: &heldError{strings.Join(stopped, ", ") + ": " + strings.Join(parts, "; ")}, Exit: fault.ExitHandled,
		Hint: "`millrace quality` says what to repair; what is held goes out with the run after, or when a person approves its plan."}
}

// namedRecords lists records to repair: "contacts 101, contacts 102 and 12 more".
func namedRecords(b breach) string {
	text := strings.Join(b.Records, ", ")
	if n := b.Broken - int64(len(b.Records)); n > 0 {
		text += fmt.Sprintf(" and %s more (millrace quality --repairs %q)", console.Thousands(n), b.Check)
	}
	return text
}

// heldBefore are the checks that held in the last run that looked.
func heldBefore(ctx context.Context, s *session) (map[string]bool, error) {
	runs, err := s.state.Runs.Last(ctx, "run", 50)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		var was struct {
			Quality *qualitySummary `json:"quality"`
		}
		if r.ID == s.run.ID || len(r.Summary) == 0 || json.Unmarshal(r.Summary, &was) != nil || was.Quality == nil {
			continue
		}
		out := map[string]bool{}
		for _, b := range was.Quality.Held {
			out[b.key()] = true
		}
		return out, nil
	}
	return map[string]bool{}, nil
}

func (a *app) qualityScore(ctx context.Context, p *project.Project) (*float64, error) {
	b, err := a.published(ctx, p)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if _, ok := b.build.Relations["quality.score"]; !ok {
		return nil, nil
	}
	var score *float64
	err = b.db.Each(ctx, "select score::double from quality.score order by as_of_date desc limit 1", func(row []any) error {
		if f, ok := row[0].(float64); ok {
			score = &f
		}
		return nil
	})
	return score, err
}

// holdByQuality gives syncs the breakers that data quality found; a session that has not looked yet looks now.
func (a *app) holdByQuality(ctx context.Context, s *session, list []*activate.Sync) error {
	h, err := a.sessionQuality(ctx, s)
	if err != nil {
		return err
	}
	for _, x := range list {
		for _, b := range h.on(x.File.Relation) {
			x.Hold(b.breaker())
		}
	}
	return nil
}

func (a *app) sessionQuality(ctx context.Context, s *session) (*qualityHolds, error) {
	if s.quality != nil {
		return s.quality, nil
	}
	policies, err := a.policies(s.p)
	if err != nil {
		return nil, err
	}
	h, err := a.qualityOf(ctx, s.p, nil, policies)
	if errors.Is(err, transform.ErrNothingPublished) {
		return &qualityHolds{}, nil // planning says so itself
	}
	if err == nil {
		s.quality = h
	}
	return h, err
}

// onlyHeld reports whether a run failed for nothing but what data quality holds.
func onlyHeld(err error) bool {
	if err == nil {
		return false
	}
	var list fault.List
	if !errors.As(err, &list) {
		return isHeld(err)
	}
	for _, e := range list {
		if !isHeld(e) {
			return false
		}
	}
	return len(list) > 0
}

// percent writes a share for people: 8.3 %.
func percent(f float64) string { return strconv.FormatFloat(100*f, 'f', 1, 64) + " %" }
