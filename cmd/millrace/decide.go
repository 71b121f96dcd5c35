package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/state"
	"millrace/models"
	"millrace/models/decision"
)

// noChange is what --preview holds when it is given without a rule.
const noChange = "the file"

func newDecideCmd(a *app) *cobra.Command {
	var preview string
	var agreement bool
	cmd := &cobra.Command{
		Use:     "decide [POLICY...]",
		GroupID: "decide",
		Short:   "Let the policies decide over the published build; preview a change; compare with what people did",
		Long: `Runs the policies of models/ over the published build and logs what is new, with inputs, candidates, rules, scores and
reason. Nothing is sent by it: a sync carries decisions out, and only those of a policy with mode: live.

--preview shows who would change side, and records nothing: with a number it replaces the threshold of the policy's rule,
with a rule it replaces the rule, alone it shows what the file as it stands would change against the log.
--agreement compares the decisions with what people did (the policy's compare relation).`,
		Example: `  millrace decide
  millrace decide lead_routing --preview 70
  millrace decide lead_routing --preview "score > 70 -> sales, else nurture"
  millrace decide lead_routing --agreement`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case cmd.Flags().Changed("preview"):
				return a.decidePreview(cmd.Context(), args, preview)
			case agreement:
				return a.decideAgreement(cmd.Context(), args)
			}
			return a.decideNow(cmd.Context(), args)
		},
	}
	cmd.Flags().StringVar(&preview, "preview", "", "show who would change side: a threshold, a rule, or nothing for the file as it stands")
	cmd.Flags().Lookup("preview").NoOptDefVal = noChange
	cmd.Flags().BoolVar(&agreement, "agreement", false, "compare with what people decided")
	return cmd
}

// chosen reads the policies and keeps the named ones; with no names, all.
func (a *app) chosenPolicies(p *project.Project, names []string) ([]*models.Policy, error) {
	all, err := a.policies(p)
	if err != nil {
		return nil, err
	}
	known := make([]string, len(all))
	byName := map[string]*models.Policy{}
	for i, x := range all {
		known[i] = x.Name
		byName[x.Name] = x
	}
	if len(all) == 0 {
		return nil, &fault.Error{Msg: "the project has no policy", Hint: "Write models/lead_routing.yml: version: 1, score: scores.lead_score, rule: score > 80 -> sales, else nurture."}
	}
	if len(names) == 0 {
		return all, nil
	}
	var out []*models.Policy
	for _, n := range names {
		x, ok := byName[n]
		if !ok {
			return nil, &fault.Error{Key: "policy", Value: n, Msg: "there is no such policy in models/", Hint: fault.DidYouMean(n, known)}
		}
		out = append(out, x)
	}
	return out, nil
}

func (a *app) decideNow(ctx context.Context, names []string) (err error) {
	s, err := a.begin(ctx, "decide")
	if err != nil {
		return err
	}
	sums := []policySummary{}
	defer func() { err = s.end(ctx, err, sums) }()
	if _, err := a.chosenPolicies(s.p, names); err != nil { // before anything is decided
		return err
	}
	all, err := a.decide(ctx, s, names...)
	if all != nil {
		sums = all
	}
	if a.flags.json {
		return errors.Join(err, a.con.Result(map[string]any{"policies": sums}))
	}
	return err
}

// logged gives what the log holds for a policy, without making a state file where there is none.
func (a *app) logged(ctx context.Context, p *project.Project, policy string) (current map[string]decision.Decision, since time.Time, err error) {
	if _, err := os.Stat(p.StateFile()); errors.Is(err, fs.ErrNotExist) {
		return map[string]decision.Decision{}, time.Time{}, nil
	}
	db, err := state.Open(ctx, p.StateFile())
	if err != nil {
		return nil, time.Time{}, err
	}
	defer db.Close()
	if current, err = db.Decisions.Current(ctx, policy); err != nil {
		return nil, time.Time{}, err
	}
	since, err = db.Decisions.Since(ctx, policy, decision.Shadow)
	return current, since, err
}

func (a *app) decidePreview(ctx context.Context, names []string, change string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	// `--preview 70` leaves 70 among the arguments: pflag takes an optional value only after an equals sign.
	if change == noChange && len(names) > 0 {
		if last := names[len(names)-1]; strings.Contains(last, "->") || isNumber(last) {
			change, names = last, names[:len(names)-1]
		}
	}
	list, err := a.chosenPolicies(p, names)
	if err != nil {
		return err
	}
	if change != noChange && len(list) > 1 {
		return &fault.Error{Msg: "the project has several policies", Hint: "Name the one whose rule is to change: millrace decide NAME --preview 70."}
	}
	build, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer build.Close()
	var out []*models.PreviewResult
	for _, pol := range list {
		var r *models.PreviewResult
		switch {
		case change == noChange:
			current, _, err := a.logged(ctx, p, pol.Name)
			if err != nil {
				return err
			}
			r, err = models.PreviewFile(ctx, pol, warehouse{build}, current)
			if err != nil {
				return fault.Wrap(err, "policy %s", pol.Name)
			}
		default:
			changed, err := changedPolicy(pol, change)
			if err != nil {
				return err
			}
			if r, err = models.Preview(ctx, pol, changed, warehouse{build}); err != nil {
				return fault.Wrap(err, "policy %s", pol.Name)
			}
		}
		out = append(out, r)
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"previews": out})
	}
	for _, r := range out {
		a.sayPreview(r)
	}
	return nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

func changedPolicy(p *models.Policy, change string) (*models.Policy, error) {
	if isNumber(change) {
		return p.WithThreshold(change)
	}
	q, err := p.WithRule(change)
	if err != nil {
		return nil, fault.Wrap(err, "--preview")
	}
	return q, nil
}

func (a *app) sayPreview(r *models.PreviewResult) {
	a.con.Say("%s", r.Policy)
	a.con.Say("  now:    %s", r.Before)
	a.con.Say("  then:   %s", r.After)
	a.con.Say("  before: %s", counts(r.Counts))
	a.con.Say("  after:  %s", counts(r.Would))
	if len(r.Moves) == 0 {
		a.con.Say("  Nobody of %s changes side.", console.Count(int64(r.Of), "subject"))
		return
	}
	a.con.Say("  %s of %s change side. Nothing was recorded.", console.Thousands(int64(len(r.Moves))), console.Count(int64(r.Of), "subject"))
	var rows [][]string
	for i, m := range r.Moves {
		if i == 20 {
			break
		}
		score := ""
		if m.Score != nil {
			score = strconv.FormatFloat(*m.Score, 'f', -1, 64)
		}
		rows = append(rows, []string{m.Subject, m.From, m.To, score, m.Reason})
	}
	a.con.Table([]string{"subject", "from", "to", "score", "reason"}, rows, 3)
	if n := len(r.Moves) - len(rows); n > 0 {
		a.con.Say("and %s more: --json lists all.", console.Thousands(int64(n)))
	}
}

func (a *app) decideAgreement(ctx context.Context, names []string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	list, err := a.chosenPolicies(p, names)
	if err != nil {
		return err
	}
	build, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer build.Close()
	out := []*models.AgreementResult{}
	for _, pol := range list {
		if pol.File.Compare == nil && len(names) == 0 {
			continue
		}
		current, since, err := a.logged(ctx, p, pol.Name)
		if err != nil {
			return err
		}
		r, err := models.Agreement(ctx, pol, warehouse{build}, current, since, a.logical())
		if err != nil {
			return err
		}
		out = append(out, r)
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"agreement": out})
	}
	if len(out) == 0 {
		a.con.Say("No policy says what people decided: add `compare:` to one.")
	}
	for _, r := range out {
		a.con.Say("%s (%s): %s of %s agree with what people did (%.1f %%, %g %% asked for).", r.Policy, r.Mode, console.Thousands(int64(r.Agreed)), console.Count(int64(r.Compared), "compared decision"), r.Percent, r.Target)
		verdict := "Not ready to go live: "
		switch {
		case r.Ready:
			verdict = "Ready: "
		case r.Mode == decision.Live:
			verdict = "It is live, but would not be let live now: "
		}
		a.con.Say("  %s%s", verdict, r.Why)
		var rows [][]string
		for i, d := range r.Disagreements {
			if i == 20 {
				break
			}
			rows = append(rows, []string{d.Subject, d.Policy, d.Person, d.Reason})
		}
		if len(rows) > 0 {
			a.con.Table([]string{"subject", "policy", "person", "the policy's reason"}, rows)
			if n := len(r.Disagreements) - len(rows); n > 0 {
				a.con.Say("and %s more: --json lists all.", console.Thousands(int64(n)))
			}
		}
	}
	return nil
}

// wanted reports whether a name was asked for; no names ask for all.
func wanted(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return len(names) == 0
}

// stateless is a session without lock and journal, for what only looks or only writes a verdict.
func (a *app) stateless(ctx context.Context) (*session, func(), error) {
	p, err := a.project()
	if err != nil {
		return nil, nil, err
	}
	now, err := a.now()
	if err != nil {
		return nil, nil, err
	}
	db, err := state.Open(ctx, p.StateFile())
	if err != nil {
		return nil, nil, fmt.Errorf("open the state of target %s: %w", p.Target, err)
	}
	if p.File.Twin != nil && a.flags.now == "" {
		// The project's time is the simulated vendors': the one of its latest run, for a plan expires by that.
		last, err := db.Runs.Last(ctx, "", 1)
		if err != nil {
			db.Close()
			return nil, nil, err
		}
		if len(last) == 1 && !last[0].Now.IsZero() {
			now = last[0].Now
		}
	}
	return &session{p: p, state: db, now: now, clock: a.clock}, func() { db.Close() }, nil
}
