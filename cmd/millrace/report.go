package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/internal/fault"
	"millrace/internal/state"
	"millrace/reports"
)

type reportFlags struct {
	period   string
	out      string
	channels []string
	force    bool
}

func newReportCmd(a *app) *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:     "report [NAME...]",
		GroupID: "tell",
		Short:   "Compose reports from the published build and deliver them",
		Long: `Composes the named reports, or those that are due, from the published build and hands them to their channels.
Nothing is read or built. A report is delivered once for a period and channel: a file is written again when its content
changed or it is gone, a message is not posted twice unless --force says so.

A section that fails is shown as failed inside the report; the rest arrives, and exit is 1.`,
		Example: `  millrace report                          # what is due
  millrace report sales                    # now
  millrace report sales --period 2017-11   # an earlier period
  millrace report sales --out /tmp/look --channel html`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.report(cmd.Context(), args, f) },
	}
	cmd.Flags().StringVar(&f.period, "period", "", "the period to tell about: 2017, 2017-Q4, 2017-12, 2017-W50 or 2017-12-31 (default: the latest complete one with figures)")
	cmd.Flags().StringVar(&f.out, "out", "", "put files into this folder instead of where the definition says")
	cmd.Flags().StringSliceVar(&f.channels, "channel", nil, "only these channels: excel, html, markdown, slack")
	cmd.Flags().BoolVar(&f.force, "force", false, "deliver although it was delivered before")
	cmd.AddCommand(newReportLsCmd(a))
	return cmd
}

func (a *app) report(ctx context.Context, names []string, f reportFlags) error {
	t := tellParams{Names: names, Force: f.force, Out: f.out}
	if f.period != "" {
		p, err := reports.ParsePeriod(f.period)
		if err != nil {
			return &fault.Error{Key: "--period", Msg: err.Error()}
		}
		t.Period = p
	}
	if f.out != "" {
		abs, err := filepath.Abs(f.out)
		if err != nil {
			return fault.Wrap(err, "find the folder of --out")
		}
		t.Out = abs
	}
	if len(f.channels) > 0 {
		var known []string
		for _, k := range reportCatalog().Channels {
			known = append(known, k.Name)
		}
		wanted := map[string]bool{}
		for _, c := range f.channels {
			if !has(known, c) {
				return &fault.Error{Key: "--channel", Value: c, Msg: "unknown channel", Hint: fault.DidYouMean(c, known)}
			}
			wanted[c] = true
		}
		t.Channel = func(name string) bool { return wanted[name] }
	}
	s, err := a.begin(ctx, "report")
	if err != nil {
		return err
	}
	out, err := a.tell(ctx, s, t)
	if out == nil {
		out = []reportOutcome{}
	}
	err = s.end(ctx, err, map[string]any{"reports": out})
	if a.flags.json {
		if jerr := a.con.Result(map[string]any{"reports": out, "errors": errorLines(err)}); jerr != nil {
			return errors.Join(err, jerr)
		}
		return err
	}
	if len(out) == 0 && err == nil {
		a.con.Say("No report is due. `millrace report ls` shows when each is; `millrace report NAME` makes one now.")
	}
	return err
}

func newReportLsCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List reports: when each is due, where it goes, when it was last delivered",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.reportLs(cmd.Context()) },
	}
}

// reportInfo is one line of report ls.
type reportInfo struct {
	Report   string    `json:"report"`
	Title    string    `json:"title"`
	File     string    `json:"file"`
	Schedule string    `json:"schedule,omitempty"`
	Channels []string  `json:"channels"`
	Last     time.Time `json:"last,omitzero"`
	Next     time.Time `json:"next,omitzero"`
	Due      bool      `json:"due"`
}

func (a *app) reportLs(ctx context.Context) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	now, err := a.now()
	if err != nil {
		return err
	}
	defs, err := a.definitions(p)
	if err != nil {
		return err
	}
	db, err := state.Open(ctx, p.StateFile())
	if err != nil {
		return err
	}
	defer db.Close()
	ledger := deliveryLedger{d: db.Deliveries}
	infos := []reportInfo{}
	for _, d := range defs {
		i := reportInfo{Report: d.Report, Title: d.Title, File: d.File, Schedule: d.Schedule.Spec()}
		for _, c := range d.Channels {
			i.Channels = append(i.Channels, c.Kind.Name)
		}
		last, _, err := ledger.Last(ctx, d.Report)
		if err != nil {
			return err
		}
		i.Last = last.At
		if !d.Schedule.IsZero() {
			_, i.Due = reports.Due(d.Schedule, last.At, now, p.Location())
			i.Next = d.Schedule.Next(now.In(p.Location()))
		}
		infos = append(infos, i)
	}
	if a.flags.json {
		return a.con.Result(infos)
	}
	if len(infos) == 0 {
		a.con.Say("No report is defined. Put one into reports/, for example reports/weekly.yml; `millrace schema report` describes it.")
		return nil
	}
	when := func(t time.Time, none string) string {
		if t.IsZero() {
			return none
		}
		return t.In(p.Location()).Format("2006-01-02 15:04")
	}
	var rows [][]string
	for _, i := range infos {
		next := when(i.Next, "at every new build")
		if i.Due {
			next = "due now"
		}
		rows = append(rows, []string{i.Report, strings.Join(i.Channels, ", "), when(i.Last, "never"), next, i.File})
	}
	a.con.Table([]string{"report", "channels", "last delivered", "next", "file"}, rows)
	return nil
}
