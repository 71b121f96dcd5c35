package models

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/models/decision"
)

// Move is a subject who would be decided on differently.
type Move struct {
	Subject string   `json:"subject"`
	From    string   `json:"from"`
	To      string   `json:"to"`
	Score   *float64 `json:"score,omitempty"`
	Reason  string   `json:"reason"` // of the new decision
}

// PreviewResult is what a changed policy would decide differently about the same build. Nothing is recorded.
type PreviewResult struct {
	Policy string         `json:"policy"`
	Before string         `json:"before"` // the rules, as one line
	After  string         `json:"after"`
	Of     int            `json:"subjects"`
	Counts map[string]int `json:"counts_before"`
	Would  map[string]int `json:"counts_after"`
	Moves  []Move         `json:"moves"` // by from, to, score descending, subject
}

// Preview decides with both policies over the same build and lists who changes side.
func Preview(ctx context.Context, before, after *Policy, w Warehouse) (*PreviewResult, error) {
	a, err := Decide(ctx, before, w, nil, DecideOptions{Trigger: "preview"})
	if err != nil {
		return nil, err
	}
	b, err := Decide(ctx, after, w, nil, DecideOptions{Trigger: "preview"})
	if err != nil {
		return nil, err
	}
	was := make(map[string]string, len(a.Decisions))
	for _, d := range a.Decisions {
		was[d.Subject] = d.Choice
	}
	return moves(before.Name, before.RuleText(), after.RuleText(), was, a.Counts, b), nil
}

// PreviewFile compares what the policy's file says now with the decisions in the log: what `decide` would change.
func PreviewFile(ctx context.Context, p *Policy, w Warehouse, current map[string]decision.Decision) (*PreviewResult, error) {
	b, err := Decide(ctx, p, w, current, DecideOptions{Trigger: "preview"})
	if err != nil {
		return nil, err
	}
	was, counts := make(map[string]string, len(current)), map[string]int{}
	for _, d := range current {
		was[d.Subject] = d.Choice
		counts[d.Choice]++
	}
	return moves(p.Name, "the log", p.RuleText(), was, counts, b), nil
}

func moves(name, before, after string, was map[string]string, counts map[string]int, b *DecideResult) *PreviewResult {
	r := &PreviewResult{Policy: name, Before: before, After: after, Of: len(b.Decisions), Counts: counts, Would: b.Counts, Moves: []Move{}}
	for _, d := range b.Decisions {
		if from, ok := was[d.Subject]; ok && from != d.Choice {
			r.Moves = append(r.Moves, Move{Subject: d.Subject, From: from, To: d.Choice, Score: d.Score, Reason: d.Reason})
		}
	}
	sortMoves(r.Moves)
	return r
}

// Disagreement is a subject about whom policy and person differ.
type Disagreement struct {
	Subject string `json:"subject"`
	Policy  string `json:"policy_action"`
	Person  string `json:"human_action"`
	Reason  string `json:"reason"`
}

// AgreementResult compares a policy with what people did.
type AgreementResult struct {
	Policy        string         `json:"policy"`
	Mode          string         `json:"mode"`
	Compared      int            `json:"compared"`
	Agreed        int            `json:"agreed"`
	Percent       float64        `json:"agreement_percent"` // 0 when nothing was compared
	Target        float64        `json:"target_percent"`
	Since         time.Time      `json:"since"`
	Disagreements []Disagreement `json:"disagreements"`
	Ready         bool           `json:"ready"`
	Why           string         `json:"why"` // what is missing before going live, or why it may
}

// Thresholds of earned autonomy.
const (
	minCompared = 100
	minShadow   = 7 * 24 * time.Hour
)

// Agreement compares the current decisions with the policy's `compare` relation. since is when the policy's first
// decision was made; the result says whether a named person may promote it.
func Agreement(ctx context.Context, p *Policy, w Warehouse, current map[string]decision.Decision, since, now time.Time) (*AgreementResult, error) {
	c := p.File.Compare
	if c == nil {
		return nil, p.fault("compare", &fault.Error{Msg: "the policy does not say what people decided",
			Hint: "Add `compare: {relation: core.lead_assignments, action: human_action}`."})
	}
	rel, ok := w.Build().Relations[c.Relation]
	if !ok {
		return nil, p.fault("compare.relation", &fault.Error{Msg: "the published build has no such relation", Value: c.Relation, Hint: "Look with `millrace ls`."})
	}
	subject := c.Subject
	if subject == "" {
		q, err := p.plan(w.Build())
		if err != nil {
			return nil, err
		}
		subject = q.subject
	}
	columns := columnNames(rel)
	for key, name := range map[string]string{"compare.subject": subject, "compare.action": c.Action} {
		if !slices.Contains(columns, name) {
			return nil, p.fault(key, &fault.Error{Msg: fmt.Sprintf("%s has no such column", c.Relation), Value: name, Hint: fault.DidYouMean(name, columns)})
		}
	}
	res := &AgreementResult{Policy: p.Name, Mode: p.File.Mode, Target: c.Target, Since: since.UTC(), Disagreements: []Disagreement{}}
	sql := fmt.Sprintf("select cast(%s as varchar), %s from %s where %s is not null and %s is not null order by 1, 2", ident(subject), ident(c.Action), quoteRelation(c.Relation), ident(subject), ident(c.Action))
	for row, err := range w.Query(ctx, sql) {
		if err != nil {
			return nil, fault.Wrap(err, "policy %s: read what people decided from %s", p.Name, c.Relation)
		}
		s, _ := row[0].(string)
		j, err := canon.JSON(row[1])
		if err != nil {
			return nil, fault.Wrap(err, "policy %s: %s.%s", p.Name, c.Relation, c.Action)
		}
		person := canon.Text(j)
		if v, ok := c.Values[person]; ok {
			person = v
		}
		d, ok := current[s]
		if !ok {
			continue
		}
		res.Compared++
		if d.Choice == person {
			res.Agreed++
		} else {
			res.Disagreements = append(res.Disagreements, Disagreement{s, d.Choice, person, d.Reason})
		}
	}
	if res.Compared > 0 {
		res.Percent = 100 * float64(res.Agreed) / float64(res.Compared)
	}
	switch {
	case res.Compared < minCompared:
		res.Why = fmt.Sprintf("%d of the %d decisions that must be compared first", res.Compared, minCompared)
	case since.IsZero() || now.Sub(since) < minShadow:
		days := 0.0
		if !since.IsZero() {
			days = now.Sub(since).Hours() / 24
		}
		res.Why = fmt.Sprintf("compared beside people for %.1f of the 7 days that it must be", days)
	case res.Percent < res.Target:
		res.Why = fmt.Sprintf("%.1f %% agreement is under the %g %% asked for", res.Percent, res.Target)
	default:
		res.Ready = true
		res.Why = fmt.Sprintf("%.1f %% agreement over %d decisions; a named person may set `mode: live`", res.Percent, res.Compared)
	}
	return res, nil
}

func sortMoves(ms []Move) {
	value := func(m Move) float64 {
		if m.Score == nil {
			return -1 << 62
		}
		return *m.Score
	}
	sort.Slice(ms, func(i, j int) bool {
		a, b := ms[i], ms[j]
		switch {
		case a.From != b.From:
			return a.From < b.From
		case a.To != b.To:
			return a.To < b.To
		case value(a) != value(b):
			return value(a) > value(b)
		}
		return a.Subject < b.Subject
	})
}
