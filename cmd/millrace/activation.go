package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"millrace/activate"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/state"
	"millrace/models/decision"
)

func newPlanCmd(a *app) *cobra.Command {
	var show, html string
	var list, fail, again bool
	cmd := &cobra.Command{
		Use:     "plan [SYNC...]",
		GroupID: "decide",
		Short:   "Show what the syncs would change in the tools, before anything is changed",
		Long: `Compares each sync's relation with what its destination has acknowledged, judges the difference by the sync's limits, and
stores it as a plan. It sends nothing. A plan inside its limits is approved by them; any other waits for a person
(millrace approve), expires, and does nothing. People are masked.`,
		Example: `  millrace plan
  millrace plan hubspot_scores --json
  millrace plan --show p_3f2a9c71d0e4
  millrace plan --html plans.html
  millrace plan --list`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case show != "":
				return a.planShow(cmd.Context(), show, html)
			case list:
				return a.planList(cmd.Context(), args)
			}
			return a.planNow(cmd.Context(), args, planOptions{fail, again, html})
		},
	}
	cmd.Flags().StringVar(&show, "show", "", "show a stored plan")
	cmd.Flags().StringVar(&html, "html", "", "write the plans to this file as a page, too")
	cmd.Flags().BoolVar(&list, "list", false, "list stored plans, newest first")
	cmd.Flags().BoolVar(&again, "again", false, "plan rows too that were refused, given up or taken back before in the same form")
	cmd.Flags().BoolVar(&fail, "fail-on-pending", false, "exit 4 when a plan waits for a person or is stopped by its limits")
	return cmd
}

func newApproveCmd(a *app) *cobra.Command {
	var by, reason string
	var refuse bool
	cmd := &cobra.Command{
		Use:     "approve PLAN",
		GroupID: "decide",
		Short:   "Approve a waiting plan by name, or refuse it",
		Long: `Records a person's verdict on a plan that waits. It binds to exactly this plan: when file, data or ledger change, the plan is
void. It does not send: millrace apply does.`,
		Example: `  millrace approve p_3f2a9c71d0e4 --reason "checked with sales"
  millrace approve p_3f2a9c71d0e4 --refuse --reason "wrong month"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.approve(cmd.Context(), args[0], by, reason, !refuse)
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "the person (default: the operating-system user)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	cmd.Flags().BoolVar(&refuse, "refuse", false, "refuse the plan; also takes back an approval that was not used yet")
	return cmd
}

func newApplyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "apply [PLAN|SYNC...]",
		GroupID: "decide",
		Short:   "Send approved plans; go on where an earlier apply stopped",
		Long: `Sends the rows of approved plans, the named ones or all, and settles what an earlier apply left: rows in flight when it died,
lost answers, jobs that had not ended. Only under --target prod and with live: true in the sync's file. Every row ends with
an outcome; rows whose answer was lost are looked up before they are sent again.`,
		Example: `  millrace apply p_3f2a9c71d0e4 --target prod
  millrace apply --target prod`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.apply(cmd.Context(), args) },
	}
}

func newUndoCmd(a *app) *cobra.Command {
	var yes bool
	var by, reason string
	cmd := &cobra.Command{
		Use:     "undo PLAN",
		GroupID: "decide",
		Short:   "Take an applied plan back, except what somebody changed since",
		Long: `Makes the plan that takes an applied plan back: earlier values are restored where the destination still holds what was
written, records that we made are archived when nobody has touched them, memberships are reversed. What somebody changed
since stands and is listed. Workflows that the change fired are not taken back. The undo waits for approval; --yes approves
it in your name and applies it.`,
		Example: `  millrace undo p_3f2a9c71d0e4 --target prod
  millrace undo p_3f2a9c71d0e4 --target prod --yes --reason "wrong column"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.undo(cmd.Context(), args[0], by, reason, yes) },
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "approve the undo and apply it")
	cmd.Flags().StringVar(&by, "by", "", "the person (default: the operating-system user)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return cmd
}

func newStopCmd(a *app) *cobra.Command {
	var by, reason string
	cmd := &cobra.Command{
		Use:     "stop all|DESTINATION|SYNC",
		GroupID: "decide",
		Short:   "Stop sending: everything, to one destination, or one sync",
		Long: `Throws a kill switch. An apply that is running stops before its next batch; nothing is lost, and what was not sent goes on after
millrace start. Planning still works. The switch holds for one target (--target). destination:NAME and workflow:NAME say
which is meant when both have the name.`,
		Example: "  millrace stop all --target prod --reason \"wrong prices\"\n  millrace stop hubspot --target prod",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.flip(cmd.Context(), args[0], by, reason, true)
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "the person (default: the operating-system user)")
	cmd.Flags().StringVar(&reason, "reason", "", "why; shown to whoever meets the switch")
	return cmd
}

func newStartCmd(a *app) *cobra.Command {
	var by, reason string
	cmd := &cobra.Command{
		Use:     "start all|DESTINATION|SYNC",
		GroupID: "decide",
		Short:   "Take a kill switch back",
		Long:    `Takes back the switch that millrace stop threw under the same name, and no other: after stop all, start hubspot starts nothing.`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.flip(cmd.Context(), args[0], by, reason, false)
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "the person (default: the operating-system user)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return cmd
}

// chosenSyncs reads the syncs and keeps the named ones; with no names, all.
func (a *app) chosenSyncs(p *project.Project, names []string) ([]*activate.Sync, error) {
	all, err := a.syncs(p)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, &fault.Error{Msg: "the project has no sync", Hint: "Write one in activate/: relation, destination, object, key, mapping."}
	}
	known := make([]string, len(all))
	for i, s := range all {
		known[i] = s.Name
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, &fault.Error{Key: "sync", Value: n, Msg: "there is no such sync in activate/", Hint: fault.DidYouMean(n, known)}
		}
	}
	return slices.DeleteFunc(all, func(s *activate.Sync) bool { return !wanted(names, s.Name) }), nil
}

// planOptions say how plans are made and shown.
type planOptions struct {
	fail  bool   // exit 4 when one waits or is stopped
	again bool   // rows too that were refused or taken back before
	html  string // file for a page
}

// writePage writes plans as a page.
func writePage(path string, plans []*activate.Plan) error {
	var b bytes.Buffer
	if err := activate.WriteHTML(&b, plans); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return &fault.Error{File: path, Key: "--html", Msg: "the page cannot be written", Err: err, Hint: "Name a file in a folder that exists."}
	}
	return nil
}

// planNow plans the named syncs. One that fails stops no other.
func (a *app) planNow(ctx context.Context, names []string, o planOptions) (err error) {
	s, err := a.begin(ctx, "plan")
	if err != nil {
		return err
	}
	plans := []*activate.Plan{}
	defer func() { err = s.end(ctx, err, map[string]int{"plans": len(plans)}) }()
	list, err := a.chosenSyncs(s.p, names)
	if err != nil {
		return err
	}
	if _, err := s.state.Plans.Expire(ctx, s.now); err != nil {
		return err
	}
	if err := a.holdByQuality(ctx, s, list); err != nil {
		return err
	}
	e := a.engine(s)
	e.Again = o.again
	var errs fault.List
	for _, sync := range list {
		p, err := a.planOne(ctx, e, sync)
		if err != nil {
			errs.Add(err)
			continue
		}
		plans = append(plans, p)
		if !a.flags.json {
			if err := p.WriteText(a.con.Out); err != nil {
				return err
			}
			a.con.Say("")
		}
	}
	if a.flags.json {
		if err := a.con.Result(map[string]any{"plans": plans}); err != nil {
			return err
		}
	}
	if o.html != "" {
		errs.Add(writePage(o.html, plans))
	}
	if err := errs.Or(); err != nil {
		return fault.Handled(err)
	}
	for _, p := range plans {
		if o.fail && (p.State == state.PlanWaiting || p.State == state.PlanBlocked) {
			return exitWith(fault.ExitDiffer)
		}
	}
	return nil
}

func (a *app) planOne(ctx context.Context, e *activate.Engine, s *activate.Sync) (*activate.Plan, error) {
	d, err := a.openDestination(s)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return e.Plan(ctx, s, d)
}

func (a *app) planShow(ctx context.Context, id, html string) error {
	s, done, err := a.stateless(ctx)
	if err != nil {
		return err
	}
	defer done()
	p, err := a.engine(s).Load(ctx, id)
	if err != nil {
		return err
	}
	if html != "" {
		if err := writePage(html, []*activate.Plan{p}); err != nil {
			return err
		}
	}
	verdicts, err := s.state.Plans.Approvals(ctx, id)
	if err != nil {
		return err
	}
	counts, err := s.state.Outbox.Counts(ctx, state.Filter{PlanID: id})
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"plan": p, "approvals": verdicts, "rows": counts})
	}
	if err := p.WriteText(a.con.Out); err != nil {
		return err
	}
	for _, v := range verdicts {
		word := "approved"
		if !v.Approved {
			word = "refused"
		}
		a.con.Say("  %s by %s (%s) at %s %s", word, v.By, v.How, v.At.Format("2006-01-02 15:04 MST"), v.Reason)
	}
	if len(counts) > 0 {
		return (&activate.Applied{Sync: p.Sync, Destination: p.Destination, States: counts}).WriteText(a.con.Out)
	}
	return nil
}

func (a *app) planList(ctx context.Context, names []string) error {
	s, done, err := a.stateless(ctx)
	if err != nil {
		return err
	}
	defer done()
	if _, err := s.state.Plans.Expire(ctx, s.now); err != nil {
		return err
	}
	stored, err := s.state.Plans.List(ctx, "", 100)
	if err != nil {
		return err
	}
	plans := []*activate.Plan{}
	var rows [][]string
	for _, x := range stored {
		if !wanted(names, x.Sync) {
			continue
		}
		p, err := a.engine(s).Load(ctx, x.ID)
		if err != nil {
			return err
		}
		plans = append(plans, p)
		rows = append(rows, []string{p.ID, p.Sync, p.Kind, fmt.Sprint(p.Changes), p.State, p.By, p.Created.Format("2006-01-02 15:04")})
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"plans": plans})
	}
	if len(rows) == 0 {
		a.con.Say("No plan was made yet: millrace plan.")
		return nil
	}
	a.con.Table([]string{"plan", "sync", "kind", "rows", "state", "asked by", "at"}, rows, 3)
	return nil
}

// syncOf finds the sync that a stored plan belongs to.
func (a *app) syncOf(ctx context.Context, s *session, planID string) (*activate.Sync, *activate.Plan, error) {
	p, err := a.engine(s).Load(ctx, planID)
	if err != nil {
		return nil, nil, err
	}
	list, err := a.chosenSyncs(s.p, []string{p.Sync})
	if err != nil {
		return nil, nil, err
	}
	return list[0], p, nil
}

func (a *app) person(by string) string {
	if by == "" {
		return userName(a)
	}
	return by
}

func (a *app) approve(ctx context.Context, id, by, reason string, approved bool) error {
	// No lock: a person must be able to say yes or no while a run goes on.
	s, done, err := a.stateless(ctx)
	if err != nil {
		return err
	}
	defer done()
	sync, _, err := a.syncOf(ctx, s, id)
	if err != nil {
		return err
	}
	p, err := a.engine(s).Approve(ctx, sync, id, a.person(by), reason, approved)
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"plan": p})
	}
	word := "approved"
	if !approved {
		word = "refused"
	}
	a.con.Say("%s by %s.", word, a.person(by))
	return p.WriteText(a.con.Out)
}

// apply sends plans. Arguments are plans or syncs; none means every sync that has something approved or left over.
func (a *app) apply(ctx context.Context, args []string) (err error) {
	s, err := a.begin(ctx, "apply")
	if err != nil {
		return err
	}
	results := []*activate.Applied{}
	defer func() { err = s.end(ctx, err, results) }()
	var plans, names []string
	for _, x := range args {
		if strings.HasPrefix(x, "p_") {
			plans = append(plans, x)
		} else {
			names = append(names, x)
		}
	}
	if _, err := s.state.Plans.Expire(ctx, s.now); err != nil {
		return err
	}
	e := a.engine(s)
	var errs fault.List
	send := func(sync *activate.Sync, id string) {
		r, err := a.applyOne(ctx, e, sync, id)
		if r != nil {
			results = append(results, r)
			if !a.flags.json {
				errs.Add(r.WriteText(a.con.Out))
			}
			if !r.Clean() {
				errs.Add(&fault.Error{Exit: fault.ExitHandled, Msg: fmt.Sprintf("sync %s: %d rows rejected, %d unknown", sync.Name, r.Rejected(), r.Unknown()), Hint: stoppedHint(r)})
			}
		}
		errs.Add(err)
	}
	if len(plans) > 0 {
		for _, id := range plans {
			sync, _, err := a.syncOf(ctx, s, id)
			if err != nil {
				return err
			}
			send(sync, id)
		}
	}
	if len(names) > 0 || len(plans) == 0 {
		list, err := a.chosenSyncs(s.p, names)
		if err != nil {
			return err
		}
		for _, sync := range list {
			approved, err := s.state.Plans.List(ctx, sync.Name, 10, state.PlanApproved, state.PlanApplying)
			if err != nil {
				return err
			}
			if len(approved) == 0 {
				a.con.Step("apply", "SKIP", sync.Name, "no approved plan", 0)
			}
			for i := len(approved) - 1; i >= 0; i-- { // oldest first
				send(sync, approved[i].ID)
			}
		}
	}
	if a.flags.json {
		if err := a.con.Result(map[string]any{"applied": results}); err != nil {
			return err
		}
	}
	return worst(errs)
}

func stoppedHint(r *activate.Applied) string {
	if r.Stopped != "" {
		return r.Stopped + ". Rows that were not sent wait for `millrace apply`."
	}
	return "See the reasons above, or `millrace activate log " + r.Sync + " --state rejected,dead,unknown`."
}

// worst keeps the exit code of a usage error or of a pending approval above that of handled failures.
func worst(errs fault.List) error {
	err := errs.Or()
	if err == nil {
		return nil
	}
	for _, e := range errs {
		if c := fault.ExitCode(e); c != fault.ExitHandled {
			return &fault.Error{Err: err, Exit: c}
		}
	}
	return fault.Handled(err)
}

func (a *app) applyOne(ctx context.Context, e *activate.Engine, s *activate.Sync, id string) (*activate.Applied, error) {
	d, err := a.openDestination(s)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return e.Apply(ctx, s, d, id)
}

func (a *app) undo(ctx context.Context, id, by, reason string, yes bool) (err error) {
	s, err := a.begin(ctx, "undo")
	if err != nil {
		return err
	}
	var done *activate.Applied
	defer func() { err = s.end(ctx, err, done) }()
	sync, _, err := a.syncOf(ctx, s, id)
	if err != nil {
		return err
	}
	d, err := a.openDestination(sync)
	if err != nil {
		return err
	}
	defer d.Close()
	e := a.engine(s)
	// What is unknown must be settled before it can be taken back.
	if _, err := e.Continue(ctx, sync, d); err != nil {
		return err
	}
	p, err := e.PlanUndo(ctx, sync, d, id)
	if err != nil {
		return err
	}
	if p.Verdict != activate.VerdictEmpty && yes {
		if p.State == state.PlanWaiting {
			if p, err = e.Approve(ctx, sync, p.ID, a.person(by), reason, true); err != nil {
				return err
			}
		}
		if done, err = e.Apply(ctx, sync, d, p.ID); err != nil {
			return err
		}
		if p, err = e.Load(ctx, p.ID); err != nil {
			return err
		}
	}
	if a.flags.json {
		if err := a.con.Result(map[string]any{"plan": p, "applied": done}); err != nil {
			return err
		}
	} else {
		if err := p.WriteText(a.con.Out); err != nil {
			return err
		}
		if done != nil {
			if err := done.WriteText(a.con.Out); err != nil {
				return err
			}
		}
	}
	if done != nil && !done.Clean() {
		return fault.Handled(&fault.Error{Msg: fmt.Sprintf("%d rows could not be taken back, %d are unknown", done.Rejected(), done.Unknown()), Hint: stoppedHint(done)})
	}
	return nil
}

// switchOf finds what a person means. It reads no file's content: a project with an error in it must still be stoppable.
func switchOf(p *project.Project, what string) (decision.Switch, error) {
	if what == "all" {
		return decision.Switch{Scope: "all"}, nil
	}
	scope, name, explicit := strings.Cut(what, ":")
	if explicit {
		if (scope != "destination" && scope != "workflow") || name == "" {
			return decision.Switch{}, &fault.Error{Value: what, Msg: "not something that can be stopped", Hint: "Write all, destination:NAME or workflow:NAME."}
		}
		return decision.Switch{Scope: scope, Name: name}, nil
	}
	var syncs, dests []string
	for _, f := range p.Activate {
		syncs = append(syncs, fileName(f.Path))
	}
	catalog, _ := projectDestinations(p) // a broken file must not be in the way of stopping something
	for _, c := range catalog {
		dests = append(dests, c.Name)
	}
	isSync, isDest := slices.Contains(syncs, what), slices.Contains(dests, what)
	switch {
	case isSync && isDest:
		return decision.Switch{}, &fault.Error{Value: what, Msg: "both a sync and a destination have this name", Hint: "Write destination:" + what + " or workflow:" + what + "."}
	case isSync:
		return decision.Switch{Scope: "workflow", Name: what}, nil
	case isDest:
		return decision.Switch{Scope: "destination", Name: what}, nil
	}
	return decision.Switch{}, &fault.Error{Value: what, Msg: "there is no such destination or sync", Hint: fault.DidYouMean(what, append(append([]string{"all"}, dests...), syncs...))}
}

// flip throws a kill switch or takes it back. It takes no lock: the run that is to be stopped holds it.
func (a *app) flip(ctx context.Context, what, by, reason string, stop bool) error {
	s, done, err := a.stateless(ctx)
	if err != nil {
		return err
	}
	defer done()
	w, err := switchOf(s.p, what)
	if err != nil {
		return err
	}
	w.By, w.Reason, w.At = a.person(by), reason, s.now
	was := false
	if stop {
		err = s.state.Switches.Stop(ctx, w)
	} else {
		was, err = s.state.Switches.Start(ctx, w)
	}
	on, terr := s.state.Switches.Thrown(ctx)
	if err = errors.Join(err, terr); err != nil {
		return err
	}
	if a.flags.json {
		type thrown struct {
			Scope  string `json:"scope"`
			Name   string `json:"name,omitempty"`
			By     string `json:"by"`
			Reason string `json:"reason,omitempty"`
		}
		list := []thrown{}
		for _, x := range on {
			list = append(list, thrown{x.Scope, x.Name, x.By, x.Reason})
		}
		return a.con.Result(map[string]any{"thrown": list})
	}
	switch {
	case stop:
		a.con.Say("Stopped for target %s: %s.", s.p.Target, w.String())
		if s.p.Target != prodTarget {
			a.con.Say("That target never sends anyway. To stop what is sent: millrace stop %s --target prod", what)
		}
	case was:
		a.con.Say("Started again: %s.", what)
	default:
		a.con.Say("%s was not stopped.", what)
	}
	if !stop {
		for _, x := range on {
			a.con.Say("Still stopped: %s.", x.String())
		}
	}
	return nil
}
