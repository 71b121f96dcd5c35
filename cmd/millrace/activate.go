package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"millrace/activate"
	"millrace/internal/fault"
	"millrace/internal/state"
)

func newActivateCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "activate",
		GroupID: "decide",
		Short:   "What was sent: the log of every row, dead letters, rows whose fate is not known",
	}
	cmd.AddCommand(newActivateLogCmd(a), newActivateRetryCmd(a), newActivateSettleCmd(a), newActivateEditsCmd(a))
	return cmd
}

func newActivateLogCmd(a *app) *cobra.Command {
	var f state.LogFilter
	cmd := &cobra.Command{
		Use:   "log [SYNC]",
		Short: "Show what was sent, when, why, by which plan and decision, and what came back",
		Long: `Shows rows that were sent or were about to be, the newest first, each with its plan, who asked and who approved, the decision
that it carried out, and every call that carried it. Texts are masked; the person is found by the id that the syncs name or
by their key at the destination, such as an e-mail address.`,
		Example: `  millrace activate log hubspot_scores --target prod
  millrace activate log --person jane@example.com --target prod
  millrace activate log --state rejected,dead --json --target prod
  millrace activate log --plan p_3f2a9c71d0e4 --target prod`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.Sync = args[0]
			}
			return a.activateLog(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.PlanID, "plan", "", "rows of this plan")
	cmd.Flags().StringVar(&f.RunID, "run", "", "rows of plans that this run made")
	cmd.Flags().StringVar(&f.RowID, "row", "", "this row")
	cmd.Flags().StringVar(&f.Person, "person", "", "rows about this person: the subject's id, or the key at the destination")
	cmd.Flags().StringVar(&f.DecisionID, "decision", "", "rows that carried out this decision")
	cmd.Flags().StringSliceVar(&f.States, "state", nil, "rows in these states: acked, rejected, dead, unknown, pending, retry, ...")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 20, "rows at most")
	return cmd
}

// rowStates are the states that a filter may name.
var rowStates = []string{state.RowPending, state.RowRetry, state.RowInflight, state.RowUnknown, state.RowAccepted, state.RowAcked, state.RowSettled, state.RowShortfall, state.RowRejected,
	state.RowDead, state.RowCancelled, state.RowSuperseded, state.RowUndone}

func (a *app) activateLog(ctx context.Context, f state.LogFilter) error {
	for _, st := range f.States {
		if !slices.Contains(rowStates, st) {
			return &fault.Error{Key: "--state", Value: st, Msg: "not a state of a row", Hint: fault.DidYouMean(st, rowStates)}
		}
	}
	s, done, err := a.stateless(ctx)
	if err != nil {
		return err
	}
	defer done()
	if f.Sync != "" {
		if _, err := a.chosenSyncs(s.p, []string{f.Sync}); err != nil {
			return err
		}
	}
	entries, err := a.engine(s).Sent(ctx, f)
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"rows": entries})
	}
	if len(entries) == 0 {
		a.con.Say("Nothing of that kind was sent for target %s.", s.p.Target)
		return nil
	}
	if err := activate.WriteLog(a.con.Out, entries); err != nil {
		return err
	}
	if len(entries) == f.Limit {
		a.con.Say("The newest %d rows; --limit shows more.", f.Limit)
	}
	return nil
}

func newActivateRetryCmd(a *app) *cobra.Command {
	var apply bool
	cmd := &cobra.Command{
		Use:   "retry [SYNC...]",
		Short: "Plan rows again that were refused or given up, with the values of now",
		Long: `Makes a plan of nothing but dead letters: rows that a destination refused or that were given up, as the published build wants
them now. Consent, holdouts, caps and limits are asked anew. --apply sends the plan when it is inside its limits.`,
		Example: "  millrace activate retry hubspot_scores --target prod --apply",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.activateRetry(cmd.Context(), args, apply)
		},
	}
	cmd.Flags().BoolVar(&apply, "apply", false, "send what is inside its limits")
	return cmd
}

func (a *app) activateRetry(ctx context.Context, names []string, apply bool) (err error) {
	s, err := a.begin(ctx, "retry")
	if err != nil {
		return err
	}
	plans, results := []*activate.Plan{}, []*activate.Applied{}
	defer func() { err = s.end(ctx, err, results) }()
	list, err := a.chosenSyncs(s.p, names)
	if err != nil {
		return err
	}
	e := a.engine(s)
	e.Again, e.Only = true, true
	var errs fault.List
	for _, sync := range list {
		p, err := a.planOne(ctx, e, sync)
		if err != nil {
			errs.Add(err)
			continue
		}
		plans = append(plans, p)
		if !a.flags.json {
			errs.Add(p.WriteText(a.con.Out))
		}
		if !apply || p.State != state.PlanApproved || !p.Live {
			continue
		}
		r, err := a.applyOne(ctx, e, sync, p.ID)
		errs.Add(err)
		if r == nil {
			continue
		}
		results = append(results, r)
		if !a.flags.json {
			errs.Add(r.WriteText(a.con.Out))
		}
		if !r.Clean() {
			errs.Add(&fault.Error{Exit: fault.ExitHandled, Msg: fmt.Sprintf("sync %s: %d rows rejected, %d unknown", sync.Name, r.Rejected(), r.Unknown()), Hint: stoppedHint(r)})
		}
	}
	if a.flags.json {
		if err := a.con.Result(map[string]any{"plans": plans, "applied": results}); err != nil {
			return err
		}
	}
	return worst(errs)
}

func newActivateSettleCmd(a *app) *cobra.Command {
	var arrived, lost bool
	var by, reason string
	cmd := &cobra.Command{
		Use:   "settle SYNC --arrived|--not-arrived",
		Short: "Say what became of rows whose answer was lost and that cannot be looked up",
		Long: `Some systems can neither be read nor take a row twice: a message whose answer was lost stays unknown until somebody looks.
This records that person's word. Rows that arrived count as sent; rows that did not are given up, and planned anew when they
are still wanted (millrace activate retry).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if arrived == lost {
				return &fault.Error{Msg: "say either --arrived or --not-arrived", Hint: "Look at the destination first: millrace activate log " + args[0] + " --state unknown."}
			}
			return a.activateSettle(cmd.Context(), args[0], arrived, by, reason)
		},
	}
	cmd.Flags().BoolVar(&arrived, "arrived", false, "they arrived")
	cmd.Flags().BoolVar(&lost, "not-arrived", false, "they did not")
	cmd.Flags().StringVar(&by, "by", "", "the person (default: the operating-system user)")
	cmd.Flags().StringVar(&reason, "reason", "", "how it was found out, for the record")
	return cmd
}

func (a *app) activateSettle(ctx context.Context, name string, arrived bool, by, reason string) (err error) {
	s, err := a.begin(ctx, "settle")
	if err != nil {
		return err
	}
	n := 0
	defer func() { err = s.end(ctx, err, map[string]int{"rows": n}) }()
	list, err := a.chosenSyncs(s.p, []string{name})
	if err != nil {
		return err
	}
	d, err := a.openDestination(list[0])
	if err != nil {
		return err
	}
	defer d.Close()
	if n, err = a.engine(s).SettleUnknown(ctx, list[0], d, arrived, a.person(by), reason); err != nil {
		return err
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"rows": n})
	}
	a.con.Say("%d rows settled.", n)
	return nil
}

func newActivateEditsCmd(a *app) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "edits [SYNC]",
		Short: "Show what people changed in the tools after Millrace had written it",
		Long: `What somebody changed at a destination is feedback on what was written there. It is found when the record is looked at before
the next write, and it wins where the field's mapping says so (if: ours_last). Texts are masked. In SQL: ops.edits.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sync := ""
			if len(args) > 0 {
				sync = args[0]
			}
			return a.activateEdits(cmd.Context(), sync, limit)
		},
	}
	cmd.Flags().IntVarP(&limit, "limit", "n", 50, "edits at most")
	return cmd
}

func (a *app) activateEdits(ctx context.Context, sync string, limit int) error {
	s, done, err := a.stateless(ctx)
	if err != nil {
		return err
	}
	defer done()
	edits, err := a.engine(s).Edits(ctx, sync, limit)
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"edits": edits})
	}
	if len(edits) == 0 {
		a.con.Say("Nobody has changed what was written, as far as it has been looked at.")
		return nil
	}
	rows := make([][]string, len(edits))
	for i, e := range edits {
		stands := "overwritten"
		if e.Kept {
			stands = "stands"
		}
		rows[i] = []string{e.Seen.Format("2006-01-02 15:04"), e.Sync, e.Record, e.Field, e.Wrote, e.Holds, stands}
	}
	a.con.Table([]string{"seen", "sync", "record", "field", "we wrote", "it holds", "which"}, rows)
	return nil
}
