package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/state"
)

func newIdentityExplainCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain A B",
		Short: "Why two records, people or companies are one, or are not",
		Long: `Shows how A and B are tied: the identifiers that they share and the weight of each comparison, and what people recorded about
them. Where they are two, it shows what they have in common and why that is not enough.`,
		Example: "  millrace identity explain hubspot:contact:1000001 hubspot:contact:1000002\n  millrace identity explain jane@acme.example j.doe@gmail.com --json",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.identityExplain(cmd.Context(), args[0], args[1])
		},
	}
}

// overridesOf are the overrides that hold and name one of the records.
func (a *app) overridesOf(ctx context.Context, of string, keys []string) ([]state.Override, error) {
	all, err := a.allOverrides(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(o state.Override) bool {
		return o.Revoked != nil || o.Entity != of || !slices.ContainsFunc(append(slices.Clone(o.Left), o.Right...), func(k string) bool { return slices.Contains(keys, k) })
	}), nil
}

// common is an identifier that both sides hold.
type commonValue struct {
	Kind   string `json:"identifier"`
	Value  string `json:"value"`
	Class  string `json:"class"`
	Reason string `json:"reason,omitempty"`
}

func (b *publishedBuild) common(ctx context.Context, k kindOf, left, right []string) ([]commonValue, error) {
	l, err := json.Marshal(left)
	if err != nil {
		return nil, err
	}
	r, err := json.Marshal(right)
	if err != nil {
		return nil, err
	}
	reason := "class_reason"
	if k.of == "company" {
		reason = "null::varchar"
	}
	out := []commonValue{}
	err = b.db.Each(ctx, `with l as (select unnest(from_json(?::json, '["VARCHAR"]')) as record_key), r as (select unnest(from_json(?::json, '["VARCHAR"]')) as record_key)
		select distinct identifier_type, identifier_value, identifier_class, `+reason+` from `+k.identifiers+` as i
		where record_key in (from l) and exists (select 1 from `+k.identifiers+` as j where j.record_key in (from r) and j.identifier_type = i.identifier_type and j.identifier_value = i.identifier_value)
		order by all`, func(row []any) error {
		out = append(out, commonValue{cellText(row[0]), cellText(row[1]), cellText(row[2]), cellText(row[3])})
		return nil
	}, string(l), string(r))
	return out, fault.Wrap(err, "read what they have in common")
}

type explainJSON struct {
	A         *entity          `json:"a"`
	B         *entity          `json:"b"`
	Same      bool             `json:"same"`
	Path      []tie            `json:"path"`
	Ties      []tie            `json:"ties"`
	Common    []commonValue    `json:"common"`
	Overrides []state.Override `json:"overrides"`
}

func (a *app) identityExplain(ctx context.Context, left, right string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer b.Close()
	x, err := b.find(ctx, left)
	if err != nil {
		return err
	}
	y, err := b.find(ctx, right)
	if err != nil {
		return err
	}
	if x.of != y.of {
		return a.explainAcross(ctx, b, x, y)
	}
	out := explainJSON{A: x, B: y, Same: x.ID == y.ID, Path: []tie{}, Ties: []tie{}, Overrides: []state.Override{}}
	keys := x.keys()
	if !out.Same {
		keys = append(keys, y.keys()...)
	}
	ties, err := b.ties(ctx, x.kindOf, keys)
	if err != nil {
		return err
	}
	said, err := a.overridesOf(ctx, x.of, keys)
	if err != nil {
		return err
	}
	out.Overrides = append(out.Overrides, said...)
	if out.Same {
		from, to := x.Record, y.Record
		if from == "" {
			from = x.List[0].Key
		}
		if to == "" {
			to = y.List[len(y.List)-1].Key
		}
		out.Path = append(out.Path, way(withMerges(ties, said), from, to)...)
		out.Ties = append(out.Ties, ties...)
	} else {
		inX, inY := x.keys(), y.keys()
		for _, t := range ties {
			if slices.Contains(inX, t.A) != slices.Contains(inX, t.B) {
				out.Ties = append(out.Ties, t)
			}
		}
		if out.Common, err = b.common(ctx, x.kindOf, inX, inY); err != nil {
			return err
		}
	}
	if a.flags.json {
		return a.con.Result(out)
	}
	a.sayExplained(x, y, out)
	return nil
}

// withMerges adds what people merged to the evidence, so that a path may lead over it.
func withMerges(ties []tie, said []state.Override) []tie {
	ties = slices.Clone(ties)
	for _, o := range said {
		if o.Kind != "merge" && o.Kind != "lock" {
			continue
		}
		all := append(slices.Clone(o.Left), o.Right...)
		for _, k := range all[1:] {
			ties = append(ties, tie{A: all[0], B: k, Rule: fmt.Sprintf("override #%d", o.ID), Value: o.Reason, Bits: 99, Joined: true})
		}
	}
	return ties
}

func (a *app) sayExplained(x, y *entity, out explainJSON) {
	for _, e := range []*entity{x, y} {
		if e.Was != "" {
			a.con.Say("%s was merged into %s.", e.Was, e.ID)
		}
	}
	if out.Same {
		one := x.of
		if x.Shared {
			one = "inbox that several people read"
		}
		a.con.Say("One %s: %s", one, x.name())
		switch {
		case x.Record != "" && x.Record == y.Record, len(x.List) == 1:
			a.con.Say("Both name the same record.")
		case len(out.Path) == 0:
			a.con.Say("No evidence leads from one to the other any more: the id was carried over, and the next build will part them.")
		default:
			a.con.Say("How they are tied:")
			for _, t := range out.Path {
				a.sayTie(t)
			}
		}
	} else {
		a.con.Say("Two %s: %s", x.plural, x.name())
		a.con.Say("            and %s", y.name())
		if len(out.Ties) == 0 && len(out.Common) == 0 {
			a.con.Say("They share no identifier, and comparing them found nothing that comes near to enough.")
		}
		for _, c := range out.Common {
			why := c.Reason
			if why == "" {
				why = map[string]string{"shared": "many differently named ones use it", "ambiguous": "records of that name have different domains", "blocked": "a person blocked it",
					"personal": "kept apart by an override or a lock", "own": "kept apart by an override or a lock"}[c.Class]
			}
			a.con.Say("They share the %s %s, which does not join them: %s (%s).", strings.ReplaceAll(c.Kind, "_", " "), c.Value, why, c.Class)
		}
		for _, t := range out.Ties {
			if t.Rule == "compared" {
				a.sayTie(t)
			}
		}
		if best := bestTie(out.Ties); best != nil {
			switch {
			case best.Veto == "required":
				a.con.Say("That is much, but not of the kind that joins: colleagues and namesakes have as much in common. See options.require in sql/identity/%s_links.sql.", x.of)
			case best.Veto == "shared":
				a.con.Say("Without what many share it would not be enough.")
			case best.Veto == "":
				a.con.Say("The cut is options.cut in sql/identity/%s_links.sql. If you know better: millrace identity merge %s %s --reason \"...\"", x.of, x.ID, y.ID)
			}
		}
	}
	for _, o := range out.Overrides {
		a.con.Say("Recorded by %s on %s: %s", o.Author, o.At.Format("2006-01-02"), overrideText(o))
	}
}

func bestTie(ties []tie) *tie {
	var best *tie
	for i := range ties {
		if ties[i].Rule == "compared" && (best == nil || ties[i].Bits > best.Bits) {
			best = &ties[i]
		}
	}
	return best
}

// sayTie shows one piece of evidence; of a comparison, every weight, so that the sum can be followed.
func (a *app) sayTie(t tie) {
	if t.Rule != "compared" {
		what := "the same " + strings.ReplaceAll(t.Rule, "_", " ") + ", " + t.Value
		if strings.HasPrefix(t.Rule, "override") {
			what = t.Rule + ": " + t.Value
		}
		a.con.Say("  %s ─ %s: %s", t.A, t.B, what)
		return
	}
	a.con.Say("  %s ─ %s, compared: %+.3f bits, a chance of %s that they are one", t.A, t.B, t.Bits, chanceText(t.Chance))
	a.con.Say("    %+8.3f  before anything is compared", t.Prior)
	for _, w := range t.Weights {
		if w.Level == "missing" {
			continue
		}
		a.con.Say("    %+8.3f  %s", w.Bits, strings.TrimSpace(w.Says))
	}
}

func chanceText(p float64) string {
	switch {
	case p >= 0.9999:
		return "over 99.99 %"
	case p <= 0.0001:
		return "under 0.01 %"
	}
	return fmt.Sprintf("%.4g %%", p*100)
}

// explainAcross answers for a person and a company: whether the person belongs to it.
func (a *app) explainAcross(ctx context.Context, b *publishedBuild, x, y *entity) error {
	if x.of == "company" {
		x, y = y, x
	}
	rows, err := b.texts(ctx, "select evidence from identity.person_companies where person_id = ? and account_id = ? order by strength", x.ID, y.ID)
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"person": x, "company": y, "evidence": rows})
	}
	if len(rows) == 0 {
		a.con.Say("%s does not belong to %s, as far as any source says.", x.name(), y.name())
		return nil
	}
	a.con.Say("%s belongs to %s by: %s.", x.name(), y.name(), strings.ReplaceAll(strings.Join(rows, ", "), "_", " "))
	return nil
}

func newIdentityWhyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "why ENTITY",
		Short:   "What a person or company is made of: records, evidence, values with their source, history",
		Example: "  millrace identity why jane@acme.example\n  millrace identity why a_1f2e3d4c5b6a7988 --json",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.identityWhy(cmd.Context(), args[0]) },
	}
}

type goldenValue struct {
	Attribute string `json:"attribute"`
	Value     string `json:"value"`
	Source    string `json:"source"`
	Record    string `json:"record_key"`
	Rule      string `json:"rule"`
	Observed  string `json:"observed_at,omitempty"`
	Agree     int64  `json:"n_agree"`
	Conflict  int64  `json:"n_conflict"`
	RunnerUp  string `json:"runner_up,omitempty"`
}

type entityEvent struct {
	No    int64  `json:"event_no"`
	Event string `json:"event"`
	ID    string `json:"entity_id"`
	Other string `json:"other_id,omitempty"`
	Count int64  `json:"records"`
	Cause string `json:"cause"`
	Day   string `json:"on_day"`
}

func (a *app) identityWhy(ctx context.Context, ref string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer b.Close()
	e, err := b.find(ctx, ref)
	if err != nil {
		return err
	}
	ties, err := b.ties(ctx, e.kindOf, e.keys())
	if err != nil {
		return err
	}
	said, err := a.overridesOf(ctx, e.of, e.keys())
	if err != nil {
		return err
	}
	golden, events := []goldenValue{}, []entityEvent{}
	err = b.db.Each(ctx, "select attribute, value, source, record_key, rule, strftime(observed_at, '%Y-%m-%d'), n_agree, n_conflict, runner_up from "+e.golden+" where "+e.id+" = ? order by attribute", func(row []any) error {
		golden = append(golden, goldenValue{cellText(row[0]), cellText(row[1]), cellText(row[2]), cellText(row[3]), cellText(row[4]), cellText(row[5]), int64(number(row[6])), int64(number(row[7])), cellText(row[8])})
		return nil
	}, e.ID)
	if err != nil {
		return fault.Wrap(err, "read the values of %s", e.ID)
	}
	err = b.db.Each(ctx, "select event_no, event, entity_id, other_id, records, cause, on_day from identity.events where entity = ? and (entity_id = ? or other_id = ?) order by event_no", func(row []any) error {
		events = append(events, entityEvent{int64(number(row[0])), cellText(row[1]), cellText(row[2]), cellText(row[3]), int64(number(row[4])), cellText(row[5]), cellText(row[6])})
		return nil
	}, e.of, e.ID, e.ID)
	if err != nil {
		return fault.Wrap(err, "read the history of %s", e.ID)
	}
	if a.flags.json {
		if ties == nil {
			ties = []tie{}
		}
		if said == nil {
			said = []state.Override{}
		}
		return a.con.Result(map[string]any{"entity": e, "ties": ties, "golden": golden, "events": events, "overrides": said})
	}
	if e.Was != "" {
		a.con.Say("%s was merged into %s.", e.Was, e.ID)
	}
	a.con.Say("%s", e.name())
	a.con.Say("")
	var rows [][]string
	for _, r := range e.List {
		rows = append(rows, []string{r.Key, r.Object, r.Label, r.Address, r.Phone, r.Created})
	}
	a.con.Table([]string{"record", "object", "name", "address", "phone", "made"}, rows)
	if len(ties) > 0 {
		a.con.Say("")
		a.con.Say("What ties them:")
	}
	for _, t := range ties {
		if t.Joined {
			a.sayTie(t)
		}
	}
	if len(golden) > 0 {
		a.con.Say("")
		rows = nil
		for _, g := range golden {
			rows = append(rows, []string{g.Attribute, g.Value, g.Record, g.Observed, strings.ReplaceAll(g.Rule, "_", " "), fmt.Sprint(g.Agree), fmt.Sprint(g.Conflict), g.RunnerUp})
		}
		a.con.Table([]string{"value of", "is", "from", "seen", "because", "agree", "differ", "runner-up"}, rows, 5, 6)
	}
	a.con.Say("")
	for _, ev := range events {
		a.con.Say("%s  %s", ev.Day, eventText(ev, e.ID))
	}
	for _, o := range said {
		a.con.Say("Recorded by %s on %s: %s", o.Author, o.At.Format("2006-01-02"), overrideText(o))
	}
	return nil
}

// eventText is an event in words, as seen from one entity.
func eventText(ev entityEvent, self string) string {
	n := console.Count(ev.Count, "record")
	by := ""
	if ev.Cause == "override" {
		by = ", because a person said so"
	}
	mine := ev.ID == self
	switch {
	case ev.Event == "create":
		return ev.ID + " was made from " + n
	case ev.Event == "merge" && mine:
		return ev.Other + " was merged into it with " + n + by
	case ev.Event == "merge":
		return "it was merged into " + ev.ID + by
	case ev.Event == "split" && mine:
		return "it took " + n + " out of " + ev.Other + by
	case ev.Event == "split":
		return ev.ID + " was split from it with " + n + by
	case ev.Event == "move" && mine:
		return n + " came from " + ev.Other + by
	case ev.Event == "move":
		return n + " went to " + ev.ID + by
	case ev.Event == "end":
		return "no source delivers its records any more"
	case ev.Event == "return":
		return "its records are delivered again"
	}
	return ev.Event
}
