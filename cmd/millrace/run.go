package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/activate"
	"millrace/extract"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/transform"
)

// runSummary is what `run --json` prints.
type runSummary struct {
	RunID   string                 `json:"run_id"`
	Target  string                 `json:"target"`
	Now     time.Time              `json:"now"` // logical time
	Resumes string                 `json:"resumes,omitempty"`
	Extract []extract.StreamResult `json:"extract"`
	Build   *buildSummary          `json:"build,omitempty"`
	Quality *qualitySummary        `json:"quality,omitempty"`
	Decide  []policySummary        `json:"decide"`
	Sync    []syncSummary          `json:"sync"`
	Reports []reportOutcome        `json:"reports"`
	Seconds float64                `json:"seconds"`
	Errors  []string               `json:"errors,omitempty"`
}

type buildSummary struct {
	ID        string   `json:"id"`
	Published bool     `json:"published"`
	Built     int      `json:"built"`
	Unchanged int      `json:"unchanged"`
	Failed    int      `json:"failed"`
	Held      int      `json:"held"`
	Skipped   int      `json:"skipped"`
	Pass      int      `json:"tests_passed"`
	Warn      int      `json:"tests_warned"`
	Error     int      `json:"tests_failed"`
	Stale     []string `json:"stale,omitempty"`

	built map[string]bool
}

func newRunCmd(a *app) *cobra.Command {
	var opts buildOptions
	cmd := &cobra.Command{
		Use:     "run",
		GroupID: "start",
		Short:   "The nightly job: extract, build, test, publish, report what is due",
		Long: `Run reads what is new in every source, builds and tests what changed, publishes it in one step, and delivers the
reports that are due. It writes one line a step and a summary.

A run that was killed needs no repair: run again, it resumes. Two runs of one target never overlap: the second one is
told who holds the lock (exit 3). What fails is named, stops nothing that does not depend on it, and exit is 1.`,
		Example: "  millrace run\n  millrace run --target prod --json\n  0 6 * * *  cd /path/to/project && millrace run --quiet   # crontab",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.nightly(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.fullRefresh, "full-refresh", false, "read every stream from the beginning and build incremental relations anew")
	cmd.Flags().BoolVar(&opts.strict, "strict", false, "publish nothing when any test fails")
	return cmd
}

// noArgs refuses arguments in the words of the other errors.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &fault.Error{Msg: fmt.Sprintf("%s takes no arguments", cmd.CommandPath()), Value: args[0], Hint: fmt.Sprintf("See `%s --help`.", cmd.CommandPath())}
	}
	return nil
}

func (a *app) nightly(ctx context.Context, opts buildOptions) error {
	sum, err := a.runOnce(ctx, opts)
	if sum == nil {
		return err
	}
	if a.flags.json {
		if jerr := a.con.Result(sum); jerr != nil {
			return errors.Join(err, jerr)
		}
	}
	a.conclude(sum, err)
	return errors.Join(err, a.alert(ctx, sum, err))
}

// alertTime is how long the command that is told of a failure may take.
const alertTime = time.Minute

// alert starts the project's alerts.on_failure after a run under prod that did not end well, with the summary as its
// standard input. Other targets are somebody's desk, and that somebody is looking.
func (a *app) alert(ctx context.Context, sum *runSummary, failure error) error {
	released := failure == nil && sum.Quality != nil && len(sum.Quality.Released) > 0
	if failure == nil && !released || a.proj == nil || a.proj.Target != prodTarget || len(a.proj.File.Alerts.OnFailure) == 0 {
		return nil
	}
	if onlyHeld(failure) && sum.Quality != nil && !sum.Quality.News {
		a.con.Step("alert", console.Skip, filepath.Base(a.proj.File.Alerts.OnFailure[0]), "told already: the same data is held as in the run before", 0)
		return nil
	}
	text, err := json.MarshalIndent(sum, "", "  ")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), alertTime)
	defer cancel()
	argv := a.proj.File.Alerts.OnFailure
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin = a.proj.Dir, a.env, bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return &fault.Error{File: project.FileName, Key: "alerts.on_failure", Msg: "nobody was told: " + strings.TrimSpace(string(out)), Err: err, Exit: fault.ExitHandled,
			Hint: "Try the command by hand."}
	}
	what := "told of the failure"
	if released {
		what = "told that what was held is released"
	}
	a.con.Step("alert", console.OK, filepath.Base(argv[0]), what, 0)
	return nil
}

// runOnce is the nightly job. The summary is nil when it could not begin.
func (a *app) runOnce(ctx context.Context, opts buildOptions) (*runSummary, error) {
	began := a.clock()
	s, err := a.begin(ctx, "run")
	if err != nil {
		return nil, err
	}
	sum := &runSummary{RunID: s.run.ID, Target: s.p.Target, Now: s.now, Extract: []extract.StreamResult{}, Decide: []policySummary{}, Sync: []syncSummary{}, Reports: []reportOutcome{}}
	err = a.stages(ctx, s, sum, opts)
	sum.Seconds = a.since(began).Seconds()
	sum.Errors = errorLines(err)
	return sum, s.end(ctx, err, sum)
}

// stages runs extract, build and reports in order. A handled failure of one does not keep the later ones from working
// with what there is; anything else ends the run.
func (a *app) stages(ctx context.Context, s *session, sum *runSummary, opts buildOptions) error {
	what := fmt.Sprintf("millrace run · %s · target %s · %s", s.p.File.Name, s.p.Target, s.now.In(s.p.Location()).Format("2006-01-02 15:04 MST"))
	if s.resumes != nil {
		sum.Resumes = s.resumes.ID
		what += fmt.Sprintf(" · resumes the run of %s, which was killed", s.resumes.Started.In(s.p.Location()).Format("2006-01-02 15:04"))
	}
	a.con.Say("%s", what)
	var errs fault.List
	handled := func(err error) bool { // false: the run ends here
		errs.Add(err)
		return err == nil || fault.ExitCode(err) == fault.ExitHandled && ctx.Err() == nil
	}
	ok := handled(s.step(ctx, "extract", func() (int64, string, error) {
		res, err := a.land(ctx, s, landOptions{fullRefresh: opts.fullRefresh})
		sum.Extract = append(sum.Extract, res.Streams...)
		return res.Rows(), "", err
	}))
	if !ok {
		return errs.Or()
	}
	build := func(name string) bool {
		return handled(s.step(ctx, name, func() (int64, string, error) {
			res, err := a.build(ctx, s, opts)
			if res != nil {
				sum.Build = sum.Build.plus(res)
			}
			return 0, "", err
		}))
	}
	if !build("build") {
		return errs.Or()
	}
	if sum.Build == nil || sum.Build.ID == "" {
		return fault.Handled(errs.Or()) // nothing was ever published: nothing to decide on, nothing to tell
	}
	ok = handled(s.step(ctx, "quality", func() (int64, string, error) {
		q, err := a.judgeQuality(ctx, s)
		sum.Quality = q
		return 0, "", err
	}))
	if !ok {
		return errs.Or()
	}
	// Each of the next two stages leaves relations behind (decisions.current, ops.syncs) that others read: when it has
	// news, a small build brings them in, and what stands is skipped.
	opts.fullRefresh, opts.quiet = false, true
	ok = handled(s.step(ctx, "decide", func() (int64, string, error) {
		sums, err := a.decide(ctx, s)
		sum.Decide = append(sum.Decide, sums...)
		return int64(len(sums)), "", err
	}))
	if !ok || decidedAnew(sum.Decide) && !build("build decisions") {
		return errs.Or()
	}
	ok = handled(s.step(ctx, "sync", func() (int64, string, error) {
		sums, err := a.act(ctx, s)
		sum.Sync = append(sum.Sync, sums...)
		return int64(len(sums)), "", err
	}))
	if !ok || movedAnything(sum.Sync) && !build("build operations") {
		return errs.Or()
	}
	handled(s.step(ctx, "reports", func() (int64, string, error) {
		out, err := a.tell(ctx, s, tellParams{})
		sum.Reports = append(sum.Reports, out...)
		return int64(len(out)), "", err
	}))
	if err := errs.Or(); err != nil && len(errs) > 1 {
		return fault.Handled(err)
	}
	return errs.Or()
}

// conclude writes the summary lines that close a run.
func (a *app) conclude(sum *runSummary, err error) {
	var rows, quarantined int64
	for _, st := range sum.Extract {
		rows += st.Rows
		quarantined += st.Quarantined
	}
	parts := []string{console.Count(rows, "row") + " landed"}
	if quarantined > 0 {
		parts = append(parts, console.Thousands(quarantined)+" in quarantine (millrace quarantine ls)")
	}
	if b := sum.Build; b != nil {
		parts = append(parts, fmt.Sprintf("%s built, %s unchanged", console.Count(int64(b.Built), "relation"), console.Thousands(int64(b.Unchanged))))
		tests := console.Count(int64(b.Pass), "test") + " passed"
		if b.Warn > 0 {
			tests += fmt.Sprintf(", %d warned", b.Warn)
		}
		if b.Error > 0 {
			tests += fmt.Sprintf(", %d FAILED", b.Error)
		}
		parts = append(parts, tests)
		if len(b.Stale) > 0 {
			parts = append(parts, "stale: "+strings.Join(b.Stale, ", "))
		}
	}
	for _, d := range sum.Decide {
		if d.New > 0 {
			parts = append(parts, console.Count(int64(d.New), "new decision")+" by "+d.Policy)
		}
	}
	for _, x := range sum.Sync {
		if x.Acked > 0 {
			parts = append(parts, fmt.Sprintf("%s acknowledged by %s", console.Count(int64(x.Acked), "row"), x.Destination))
		}
	}
	delivered := 0
	for _, r := range sum.Reports {
		if r.Error == "" && !r.Skipped {
			delivered++
		}
	}
	if delivered > 0 {
		parts = append(parts, console.Count(int64(delivered), "report")+" delivered")
	}
	word := "Done"
	if err != nil {
		word = "Finished with failures"
	}
	a.con.Say("%s in %s: %s.", word, console.Duration(time.Duration(sum.Seconds*float64(time.Second))), strings.Join(parts, " · "))
}

// decidedAnew reports whether any policy decided something that the log did not hold.
func decidedAnew(sums []policySummary) bool {
	for _, s := range sums {
		if s.New > 0 {
			return true
		}
	}
	return false
}

// movedAnything reports whether any sync has a plan or moved a row, so that ops relations have news.
func movedAnything(sums []syncSummary) bool {
	for _, s := range sums {
		if s.Verdict != activate.VerdictEmpty || s.Acked+s.Rejected+s.Unknown > 0 {
			return true
		}
	}
	return false
}

// plus adds a later build of the same run. A relation that several of them built counts once, what stands unchanged is
// what none of them built, and tests are as the last one found them.
func (b *buildSummary) plus(r *transform.BuildResult) *buildSummary {
	next := summarise(r)
	if b != nil {
		next.Published = next.Published || b.Published
		for name := range b.built {
			if !next.built[name] {
				next.built[name] = true
				next.Unchanged--
			}
		}
		next.Built = len(next.built)
		next.Failed = max(next.Failed, b.Failed)
		next.Held = max(next.Held, b.Held)
		next.Skipped = max(next.Skipped, b.Skipped)
	}
	return next
}

func summarise(r *transform.BuildResult) *buildSummary {
	b := &buildSummary{ID: r.ID, Published: r.Published, Built: r.Count(transform.StatusBuilt), Unchanged: r.Count(transform.StatusUnchanged),
		Failed: r.Count(transform.StatusFailed), Held: r.Count(transform.StatusHeld), Skipped: r.Count(transform.StatusSkipped),
		Pass: r.CountTests(transform.StatusPass), Warn: r.CountTests(transform.StatusWarn), Error: r.CountTests(transform.StatusError)}
	b.built = map[string]bool{}
	for _, n := range r.Nodes {
		if n.Stale {
			b.Stale = append(b.Stale, n.Name)
		}
		if n.Status == transform.StatusBuilt {
			b.built[n.Name] = true
		}
	}
	return b
}

func errorLines(err error) []string {
	if err == nil {
		return nil
	}
	var list fault.List
	if errors.As(err, &list) {
		out := make([]string, len(list))
		for i, e := range list {
			out[i] = e.Error()
		}
		return out
	}
	return []string{err.Error()}
}
