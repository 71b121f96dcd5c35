package activate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"millrace/internal/state"
	"millrace/transform/relation"
)

// Breaker is one guardrail's judgement on a plan.
type Breaker struct {
	Name    string   `json:"name"` // the key in the sync's file
	Field   string   `json:"field,omitempty"`
	Value   float64  `json:"value"`
	Hold    *float64 `json:"hold,omitempty"`
	Block   *float64 `json:"block,omitempty"`
	Verdict string   `json:"verdict"` // within, hold, blocked
	Message string   `json:"message"` // for a person, with what to do
}

// Hold adds breakers that do not come from the sync's file: what is wrong with the data that its relation is made from.
// The next plan is judged by them too. A person who knows better can approve a plan that they hold.
func (s *Sync) Hold(b ...Breaker) { s.held = append(s.held, b...) }

// fewRows is the number of rows up to which a share says nothing: one of two is half.
const fewRows = 2

// judge fills Breakers and Verdict.
func (p *Plan) judge(s *Sync, rel relation.Relation, df *difference, caps Capabilities, past []*Plan) {
	g := s.File.Guard
	limit := func(name, field string, l *Limit, value float64, message string) {
		if l == nil {
			return
		}
		b := Breaker{Name: name, Field: field, Value: round(value), Hold: l.Hold, Block: l.Block, Verdict: VerdictWithin, Message: message}
		switch {
		case l.Block != nil && value > *l.Block:
			b.Verdict = VerdictBlocked
			b.Message += fmt.Sprintf("; more than %s is never sent", number(*l.Block))
		case l.Hold != nil && value > *l.Hold:
			b.Verdict = VerdictHold
			b.Message += fmt.Sprintf("; more than %s needs a person", number(*l.Hold))
		}
		p.Breakers = append(p.Breakers, b)
	}
	fixed := func(name, verdict string, value float64, message string) {
		p.Breakers = append(p.Breakers, Breaker{Name: name, Value: round(value), Verdict: verdict, Message: message})
	}
	share := func(part, whole int) float64 {
		if whole == 0 || part <= fewRows && part < whole {
			return 0
		}
		return 100 * float64(part) / float64(whole)
	}
	p.Breakers = append(p.Breakers, s.held...)
	if df.rows < g.MinRows {
		fixed("min_rows", VerdictBlocked, float64(df.rows), fmt.Sprintf("%s has %d rows, at least %d are expected", rel.Name, df.rows, g.MinRows))
	}
	if rel.Stale {
		fixed("stale", VerdictHold, 1, fmt.Sprintf("%s is not from the newest build: %s", rel.Name, rel.StaleWhy))
	}
	if len(past) > 0 && p.Created.Before(past[0].Created) {
		fixed("older", VerdictHold, past[0].Created.Sub(p.Created).Hours(), fmt.Sprintf("the plan is made for %s, before the last one that was sent (%s): it would send an older state again",
			p.Created.Format("2006-01-02 15:04 MST"), past[0].Created.Format("2006-01-02 15:04 MST")))
	}
	if df.duplicates > 0 {
		fixed("duplicate_key", VerdictHold, float64(df.duplicates), fmt.Sprintf("%d keys stand in more than one row, so none of their rows is sent (%s)", df.duplicates, mask(df.example)))
	}
	if len(past) > 0 && past[0].Rows > df.rows {
		lost := past[0].Rows - df.rows
		limit("max_shrink_pct", "", g.MaxShrink, share(lost, past[0].Rows), fmt.Sprintf("%s has %d rows, %d fewer than at the last plan", rel.Name, df.rows, lost))
	}
	if p.Known == 0 && p.Changes > 0 && g.FirstRun != "allow" {
		fixed("first_run", VerdictHold, float64(p.Changes), fmt.Sprintf("the first plan of %s: nothing of it has been acknowledged yet", s.Name))
	}
	changed := p.Ops["changed"]
	limit("max_changed_pct", "", g.MaxChanged, share(changed, p.Known), fmt.Sprintf("%d of %d known rows change (%.1f %%)", changed, p.Known, pct(changed, p.Known)))
	for _, f := range p.Fields {
		if f.Blanked > 0 {
			limit("max_blanked_pct", f.Field, g.MaxBlanked, share(f.Blanked, f.Ours), fmt.Sprintf("%s would become empty in %d of the %d rows in which we wrote it (%.1f %%)", f.Field, f.Blanked, f.Ours, pct(f.Blanked, f.Ours)))
		}
	}
	for _, x := range s.fields {
		if x.Max == nil {
			continue
		}
		for _, f := range p.Fields {
			if f.Field == x.name {
				n := f.Changed + f.Blanked
				limit("mapping."+x.name+".max_changed_pct", x.name, x.Max, share(n, p.Known), fmt.Sprintf("%s changes in %d of %d known rows (%.1f %%)", x.name, n, p.Known, pct(n, p.Known)))
			}
		}
	}
	if n := p.Ops[string(Remove)]; n > 0 {
		gone := n - min(n, p.Ops[string(Add)]) // a member with a new address is removed and added
		limit("max_removed_pct", "", g.MaxRemoved, share(gone, p.Known), fmt.Sprintf("%d of %d members leave (%.1f %%)", gone, p.Known, pct(gone, p.Known)))
	}
	if n := p.Ops[string(Archive)]; n > 0 && s.File.Mode == ModeFullMirror {
		fixed("full_mirror", VerdictHold, float64(n), fmt.Sprintf("%d of the %d records there have no row and are archived, also those that people made", n, df.listed))
		limit("max_archived_pct", "", g.MaxArchive, share(n, df.listed), fmt.Sprintf("%d of %d records are archived (%.1f %%)", n, df.listed, pct(n, df.listed)))
	} else if n > 0 {
		limit("max_archived_pct", "", g.MaxArchive, share(n, p.Known), fmt.Sprintf("%d of %d known records are archived, since their rows are gone (%.1f %%)", n, p.Known, pct(n, p.Known)))
	}
	if m := p.Money; m != nil && m.Rows > 0 {
		raise, before := m.After-m.Before, m.Standing
		words := strings.TrimSpace(fmt.Sprintf("%s of %d rows goes from %s to %s %s", m.Field, m.Rows, state.MoneyText(m.Before), state.MoneyText(m.After), m.Currency))
		if raise > 0 && before > 0 {
			limit("spend.max_raise_pct", m.Field, s.File.Spend.Raise, 100*float64(raise)/float64(before), words)
		} else {
			fixed("spend", VerdictWithin, float64(m.After)/10_000, words)
		}
		if m.Standing+raise > m.Limit {
			fixed("spend.limit", VerdictBlocked, float64(m.Standing+raise)/10_000, fmt.Sprintf("budget %s would commit %s, and its limit is %s %s", m.Budget, state.MoneyText(m.Standing+raise), state.MoneyText(m.Limit), m.Currency))
		}
	}
	limit("max_creates", "", g.MaxCreates, float64(p.Ops["new"]+p.Ops[string(Add)]), fmt.Sprintf("%d rows are new", p.Ops["new"]+p.Ops[string(Add)]))
	limit("max_rows", "", g.MaxRows, float64(p.Changes), fmt.Sprintf("%d rows are sent", p.Changes))
	if len(past) >= 5 && p.Changes >= 20 {
		sizes := make([]int, 0, 10)
		for _, x := range past[:min(10, len(past))] {
			sizes = append(sizes, x.Changes)
		}
		slices.Sort(sizes)
		if m := sizes[len(sizes)/2]; m > 0 {
			times := float64(p.Changes) / float64(m)
			limit("max_vs_median", "", g.MaxMedian, times, fmt.Sprintf("%d rows are sent, %.1f times the median of the last %d plans", p.Changes, times, len(sizes)))
		}
	}
	members := p.Known + p.Ops[string(Add)] - p.Ops[string(Remove)]
	if s.File.Mode == ModeAudience && p.Changes > 0 && members < g.MinMembers {
		fixed("min_audience", VerdictHold, float64(members), fmt.Sprintf("the audience will have about %d members, at least %d are expected", members, g.MinMembers))
	}
	p.Verdict = VerdictWithin
	for _, b := range p.Breakers {
		if b.Verdict == VerdictBlocked || b.Verdict == VerdictHold && p.Verdict != VerdictBlocked {
			p.Verdict = b.Verdict
		}
	}
	// An empty source blocks even when it changes nothing: an audience would be kept as it is for the wrong reason.
	if p.Changes == 0 && p.Verdict != VerdictBlocked {
		p.Verdict = VerdictEmpty
	}
	p.Risk = nil
	for _, b := range p.Breakers {
		if b.Verdict != VerdictHold {
			continue
		}
		switch b.Name {
		case "max_blanked_pct", "max_archived_pct", "full_mirror", "spend.max_raise_pct":
			p.Risk = append(p.Risk, b.Message)
		}
	}
	if s.File.Mode == ModeAudience && caps.MinPeople > 0 && p.Changes > 0 && members < caps.MinPeople {
		fixed("min_audience", VerdictWithin, float64(members), fmt.Sprintf("the audience will have about %d members; %s uses none with fewer than %d", members, s.File.Destination, caps.MinPeople))
	}
}

func pct(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

func round(f float64) float64 { return float64(int64(f*100+0.5)) / 100 }

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
