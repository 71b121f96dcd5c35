package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/internal/console"
	"millrace/internal/duck"
	"millrace/internal/fault"
)

type demoFlags struct {
	dir, size string
	seed      uint64
}

// demoResult is what `demo --json` prints.
type demoResult struct {
	Project string       `json:"project"`
	Days    []demoDay    `json:"days"`
	Moments []demoMoment `json:"moments"`
	Seconds float64      `json:"seconds"`
}

// demoDay is one run of the demo.
type demoDay struct {
	Date      string                      `json:"date"`
	Extract   map[string]int64            `json:"extract"` // source.stream: rows
	Models    demoModels                  `json:"models"`
	Tests     demoTests                   `json:"tests"`
	KPIs      map[string]*json.RawMessage `json:"kpis"` // null where the KPI cannot be stated
	Decisions map[string]int              `json:"decisions"`
	Sync      map[string]demoSync         `json:"sync"`
	Reports   []demoReport                `json:"reports"`
	Seconds   float64                     `json:"seconds"`
	Errors    []string                    `json:"errors,omitempty"`
}

type demoModels struct {
	Built   int `json:"built"`
	Skipped int `json:"skipped"`
	Failed  int `json:"failed"`
}

type demoTests struct {
	Pass  int `json:"pass"`
	Warn  int `json:"warn"`
	Error int `json:"error"`
}

type demoSync struct {
	Planned  int `json:"planned"`
	Acked    int `json:"acked"`
	Rejected int `json:"rejected"`
	Unknown  int `json:"unknown"`
}

type demoReport struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
	Path    string `json:"path"`
}

// demoMoment is one thing that the demo acts out after its two days.
type demoMoment struct {
	Name string `json:"name"`
	Told string `json:"told"` // what happened, for a person
}

func newDemoCmd(a *app) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:     "demo",
		GroupID: "start",
		Short:   "Show everything on simulated vendors: two days of work, and four moments that matter",
		Long: `Makes a project in a folder, starts simulated vendors (HubSpot, Stripe, Google Ads, GA4, Slack) inside this process, runs
the nightly job for two days, and then acts out four moments: a mapping mistake stopped before it is sent, a good sync sent,
that sync undone, and a threshold moved with the people who would move. No account anywhere is needed and nothing leaves this
machine. The project stays behind and works: look around in it, change it, run it again.`,
		Example: "  millrace demo\n  millrace demo --dir try --size tiny --json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.dir, "dir", "millrace-demo", "folder of the project; it must not exist yet")
	cmd.Flags().StringVar(&f.size, "size", "small", "size of the simulated market: tiny, small, medium or large")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the simulated market")
	return cmd
}

func (a *app) demo(ctx context.Context, f demoFlags) error {
	began := a.clock()
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return fault.Wrap(err, "demo")
	}
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return &fault.Error{Key: "--dir", Value: f.dir, Msg: "the folder is there already", Hint: "Name another one with --dir, or remove it."}
	}
	a.con.Say("A project over simulated vendors, in %s", dir)
	if err := a.demoProject(ctx, dir, f); err != nil {
		return err
	}
	res := &demoResult{Project: dir}
	for i := range 2 {
		day, err := a.demoDay(ctx, dir, i)
		if err != nil {
			return fault.Wrap(err, "day %d", i+1)
		}
		res.Days = append(res.Days, *day)
	}
	for _, act := range []func(context.Context, string) (demoMoment, error){a.demoMistake, a.demoGoodAndUndone, a.demoThreshold} {
		m, err := act(ctx, dir)
		if err != nil {
			return err
		}
		res.Moments = append(res.Moments, m)
	}
	if err := a.demoSettle(ctx, dir); err != nil {
		return err
	}
	res.Seconds = a.since(began).Seconds()
	if a.flags.json {
		return a.con.Result(res)
	}
	a.demoClosing(f.dir, res)
	return nil
}

// inside is this program run again in the demo's project: its own flags, and nobody who reads along.
func (a *app) inside(dir string) *app {
	b := newApp(nil, a.env, a.stdin, io.Discard, io.Discard, a.clock)
	b.args, b.log = []string{"demo"}, a.log
	b.flags.dir, b.flags.target, b.flags.quiet = dir, "prod", true
	return b
}

// demoDay runs the nightly job: the first day as the market begins, the second one a day later.
func (a *app) demoDay(ctx context.Context, dir string, n int) (*demoDay, error) {
	b := a.inside(dir)
	if n > 0 {
		first, err := a.demoDate(ctx, dir)
		if err != nil {
			return nil, err
		}
		b.flags.now = first.AddDate(0, 0, 1).Add(morning).Format(time.RFC3339)
	}
	a.con.Progress("day %d: reading, building, deciding, sending …", n+1)
	sum, err := b.runOnce(ctx, buildOptions{})
	a.con.Done()
	if sum == nil || err != nil && fault.ExitCode(err) != fault.ExitHandled {
		return nil, err
	}
	day := &demoDay{Date: sum.Now.Format("2006-01-02"), Extract: map[string]int64{}, KPIs: map[string]*json.RawMessage{}, Decisions: map[string]int{},
		Sync: map[string]demoSync{}, Reports: []demoReport{}, Seconds: sum.Seconds, Errors: sum.Errors}
	for _, st := range sum.Extract {
		day.Extract[st.Name()] = st.Rows
	}
	if sum.Build != nil {
		day.Models = demoModels{Built: sum.Build.Built, Skipped: sum.Build.Unchanged + sum.Build.Skipped + sum.Build.Held, Failed: sum.Build.Failed}
		day.Tests = demoTests{Pass: sum.Build.Pass, Warn: sum.Build.Warn, Error: sum.Build.Error}
	}
	for _, p := range sum.Decide {
		for action, n := range p.Counts {
			day.Decisions[action] += n
		}
	}
	for _, s := range sum.Sync {
		x := day.Sync[s.Destination]
		day.Sync[s.Destination] = demoSync{x.Planned + s.Planned, x.Acked + s.Acked, x.Rejected + s.Rejected, x.Unknown + s.Unknown}
	}
	for _, r := range sum.Reports {
		if r.Error == "" {
			day.Reports = append(day.Reports, demoReport{r.Name, r.Channel, r.Path})
		}
	}
	if err := b.demoKPIs(ctx, day.KPIs); err != nil {
		return nil, err
	}
	a.sayDemoDay(n, day)
	return day, nil
}

// demoDate is the market's day.
func (a *app) demoDate(ctx context.Context, dir string) (time.Time, error) {
	p, err := a.inside(dir).project()
	if err != nil {
		return time.Time{}, err
	}
	h, err := hostTwin(ctx, p)
	if err != nil {
		return time.Time{}, err
	}
	defer h.Close()
	return h.date, nil
}

var demoKPIs = []string{"cac_blended", "cac_paid", "ltv", "ltv_cac", "payback_months", "pipeline_velocity", "mrr"}

func (a *app) demoKPIs(ctx context.Context, into map[string]*json.RawMessage) error {
	build, err := a.published(ctx, a.proj)
	if err != nil {
		return err
	}
	defer build.Close()
	names := make([]string, len(demoKPIs))
	for i, k := range demoKPIs {
		into[k], names[i] = nil, duck.Quote(k)
	}
	q := "select kpi, value from metrics.kpi where grain = 'all' and dimension = 'total' and kpi in (" + strings.Join(names, ", ") + ")"
	return build.db.Each(ctx, q, func(row []any) error {
		if row[1] == nil {
			return nil
		}
		raw, err := json.Marshal(row[1])
		if err != nil {
			return err
		}
		into[row[0].(string)] = (*json.RawMessage)(&raw)
		return nil
	})
}

func (a *app) sayDemoDay(n int, d *demoDay) {
	var rows int64
	sources := map[string]int64{}
	for name, r := range d.Extract {
		rows += r
		source, _, _ := strings.Cut(name, ".")
		sources[source] += r
	}
	var from []string
	for s, r := range sources {
		if r > 0 {
			from = append(from, fmt.Sprintf("%s %s", s, console.Thousands(r)))
		}
	}
	slices.Sort(from)
	a.con.Say("")
	a.con.Say("Day %d, %s (%s)", n+1, d.Date, console.Duration(time.Duration(d.Seconds*float64(time.Second))))
	a.con.Say("  read      %s: %s", console.Count(rows, "row"), strings.Join(from, ", "))
	a.con.Say("  built     %s, %s unchanged; %s passed, %d warned, %d failed", console.Count(int64(d.Models.Built), "relation"), console.Thousands(int64(d.Models.Skipped)),
		console.Count(int64(d.Tests.Pass), "test"), d.Tests.Warn, d.Tests.Error)
	kpi := func(name string) string {
		if v := d.KPIs[name]; v != nil {
			var x float64
			if json.Unmarshal(*v, &x) == nil {
				return fmt.Sprintf("%.2f", x)
			}
		}
		return "n/a"
	}
	a.con.Say("  KPIs      over all time, in the project's currency: MRR %s · CAC blended %s, paid %s · LTV %s · LTV:CAC %s · payback %s months · pipeline velocity %s a day",
		kpi("mrr"), kpi("cac_blended"), kpi("cac_paid"), kpi("ltv"), kpi("ltv_cac"), kpi("payback_months"), kpi("pipeline_velocity"))
	a.con.Say("  decided   %s", counts(d.Decisions))
	for dest, s := range d.Sync {
		a.con.Say("  sent      %s: %s planned, %d acknowledged, %d rejected, %d unknown", dest, console.Count(int64(s.Planned), "row"), s.Acked, s.Rejected, s.Unknown)
	}
	for _, r := range d.Reports {
		a.con.Say("  reported  %s → %s  %s", r.Name, r.Channel, r.Path)
	}
	for _, e := range d.Errors {
		a.con.Say("  failed    %s", e)
	}
}
