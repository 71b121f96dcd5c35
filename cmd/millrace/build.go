package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/selector"
	"millrace/transform"
)

// selection holds the flags that choose nodes.
type selection struct{ include, exclude []string }

func (s *selection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&s.include, "select", "s", nil, "what to take, in dbt's grammar: name, +name, name+, @name, tag:x, path:x, state:modified, result:error (repeatable)")
	f.StringArrayVar(&s.exclude, "exclude", nil, "what to leave out, in the same grammar (repeatable)")
}

func (s *selection) empty() bool { return len(s.include) == 0 && len(s.exclude) == 0 }

// pick returns the names of the nodes that are chosen.
func (s *selection) pick(ctx context.Context, a *app, p *project.Project, g *transform.Graph) ([]string, []selector.Node, error) {
	nodes, err := a.selectable(ctx, p, g)
	if err != nil {
		return nil, nil, err
	}
	names, err := selector.Select(nodes, s.include, s.exclude)
	return names, nodes, err
}

// selectable is the graph of the whole project: streams, relations, tests, and the syncs and reports that read them.
func (a *app) selectable(ctx context.Context, p *project.Project, g *transform.Graph) ([]selector.Node, error) {
	nodes, err := g.Selectable(ctx, targetDir(p))
	if err != nil {
		return nil, err
	}
	defs, err := a.definitions(p)
	if err != nil {
		return nil, err
	}
	for _, d := range defs {
		n := selector.Node{Name: "report:" + d.Report, Type: "report", Path: d.File}
		if n.Deps, err = reportReads(p, d.File, g); err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	syncs, err := a.syncs(p)
	if err != nil {
		return nil, err
	}
	for _, y := range syncs {
		n := selector.Node{Name: "sync:" + y.Name, Type: "sync", Path: y.Path()}
		if _, ok := g.Node(y.File.Relation); ok {
			n.Deps = []string{y.File.Relation}
		}
		nodes = append(nodes, n)
	}
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].Name < nodes[j].Name })
	return nodes, nil
}

var relationName = regexp.MustCompile(`[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*`)

// reportReads lists the relations that a report's file names, and the KPI relation that the built-in sections read.
func reportReads(p *project.Project, file string, g *transform.Graph) ([]string, error) {
	text, err := os.ReadFile(p.Path(file))
	if err != nil {
		return nil, fault.Wrap(err, "read %s", file)
	}
	var out []string
	for _, name := range append(relationName.FindAllString(string(text), -1), "metrics.kpi") {
		if _, ok := g.Node(name); ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

func newBuildCmd(a *app) *cobra.Command {
	var sel selection
	var o buildOptions
	cmd := &cobra.Command{
		Use:     "build",
		GroupID: "data",
		Short:   "Build and audit what changed, then publish",
		Long: `Builds every relation whose SQL, inputs or upstream changed into a copy of the published warehouse, audits it, and
publishes by switching one link: readers see the old build or the new one, never a mixture. A relation that fails its audit
stays at its last published version, with everything that reads it, marked stale.

Exit codes: 0 published or nothing to do, 1 something failed and was held back, 2 the project cannot be built, 3 lock held.`,
		Example: `  millrace build
  millrace build -s state:modified+          what you edited, and what reads it
  millrace build -s +metrics.revenue         a KPI with all that it is made from
  millrace build --strict                    publish all or nothing`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			s, err := a.begin(ctx, "build")
			if err != nil {
				return err
			}
			if !sel.empty() {
				o.only = func(ctx context.Context, g *transform.Graph) ([]string, error) {
					names, _, err := sel.pick(ctx, a, s.p, g)
					if err != nil {
						return nil, err
					}
					only := g.BuildOnly(names)
					if len(only) == 0 && len(names) > 0 {
						return nil, &fault.Error{Key: "--select", Msg: "selects nothing that can be built", Hint: "Add + behind it to build what is made from it."}
					}
					return only, nil
				}
			}
			res, err := a.build(ctx, s, o)
			var sum *buildSummary
			if res != nil {
				sum = summarise(res)
				a.sayTests(res)
			}
			err = s.end(ctx, err, sum)
			if res != nil && a.flags.json {
				if jerr := a.con.Result(buildJSON(res)); jerr != nil {
					return jerr
				}
			}
			return err
		},
	}
	sel.flags(cmd)
	cmd.Flags().BoolVar(&o.fullRefresh, "full-refresh", false, "start incremental relations anew; snapshots keep their memory")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "publish nothing when anything fails")
	return cmd
}

// sayTests closes a build with one line about its audits.
func (a *app) sayTests(res *transform.BuildResult) {
	if len(res.Tests) == 0 {
		return
	}
	a.con.Say("Tests: PASS=%d WARN=%d ERROR=%d SKIP=%d TOTAL=%d", res.CountTests(transform.StatusPass), res.CountTests(transform.StatusWarn),
		res.CountTests(transform.StatusError), res.CountTests(transform.StatusSkipped), len(res.Tests))
}

type buildNodeJSON struct {
	transform.NodeResult
	Seconds float64 `json:"seconds"`
}

type buildResultJSON struct {
	Build     string                 `json:"build"`
	Published bool                   `json:"published"`
	Seconds   float64                `json:"seconds"`
	Counts    map[string]int         `json:"counts"`
	Relations []buildNodeJSON        `json:"relations"`
	Tests     []transform.TestResult `json:"tests"`
}

func buildJSON(res *transform.BuildResult) buildResultJSON {
	out := buildResultJSON{Build: res.ID, Published: res.Published, Seconds: res.Took.Seconds(), Counts: map[string]int{}, Relations: []buildNodeJSON{}, Tests: res.Tests}
	for _, n := range res.Nodes {
		out.Counts[string(n.Status)]++
		out.Relations = append(out.Relations, buildNodeJSON{NodeResult: n, Seconds: n.Took.Seconds()})
	}
	for _, t := range res.Tests {
		out.Counts["test_"+string(t.Status)]++
	}
	if out.Tests == nil {
		out.Tests = []transform.TestResult{}
	}
	return out
}

func newTestCmd(a *app) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:     "test",
		GroupID: "data",
		Short:   "Run unit tests in memory and all audits on the published build",
		Long: `Runs the unit tests (*.test.yml) on their given rows, in memory, and every data test and singular test on the published
build. Nothing is built or changed, and no lock is needed.

Exit codes: 0 all passed (warnings allowed), 1 a test failed, 2 the project cannot be read.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			p, err := a.project()
			if err != nil {
				return err
			}
			now, err := a.now()
			if err != nil {
				return err
			}
			g, err := a.graph(ctx, p, now)
			if err != nil {
				return err
			}
			var only []string
			if !sel.empty() {
				names, _, err := sel.pick(ctx, a, p, g)
				if err != nil {
					return err
				}
				only = g.BuildOnly(names)
			}
			res, err := transform.Test(ctx, transform.BuildParams{Graph: g, Dir: targetDir(p), Only: only, Threads: threads(p), MemoryLimit: memoryLimit(p),
				Clock: a.clock, OnEvent: a.sayBuilt, Log: a.log})
			a.con.Done()
			if err != nil {
				return err
			}
			if a.flags.json {
				if err := a.con.Result(buildJSON(res)); err != nil {
					return err
				}
			} else {
				if len(res.Tests) == 0 {
					a.con.Say("No tests. Declare data_tests in the front matter of a model, or write sql/tests/<name>.sql.")
				}
				for _, t := range res.Tests {
					if t.Status == transform.StatusWarn { // those that failed were shown as they did
						a.saySample(t)
					}
				}
				a.sayTests(res)
			}
			return res.Err()
		},
	}
	sel.flags(cmd)
	return cmd
}

// sampleColumns is how many columns of failing rows are shown; run_results.json has all.
const sampleColumns = 7

// saySample shows some failing rows, so that a person need not ask for them. Personal data is masked in them already.
func (a *app) saySample(t transform.TestResult) {
	if t.Status != transform.StatusError && t.Status != transform.StatusWarn || len(t.Sample) == 0 {
		return
	}
	what := "some of " + console.Count(t.Failures, "failing row")
	if int64(len(t.Sample)) >= t.Failures {
		what = console.Count(t.Failures, "failing row")
	}
	// The columns that the test names go first, then the relation's own order.
	var order []int
	for _, named := range []bool{true, false} {
		for i, c := range t.Columns {
			if regexp.MustCompile(`\b`+regexp.QuoteMeta(c)+`\b`).MatchString(t.Name) == named && len(order) < sampleColumns {
				order = append(order, i)
			}
		}
	}
	lines := [][]string{{}}
	for _, i := range order {
		lines[0] = append(lines[0], t.Columns[i])
	}
	for _, r := range t.Sample {
		var cells []string
		for _, i := range order {
			cells = append(cells, fault.Shorten(strings.ReplaceAll(cellText(r[i]), "\n", " "), 30))
		}
		lines = append(lines, cells)
	}
	width := make([]int, len(order))
	for _, cells := range lines {
		for i, c := range cells {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	if n := len(t.Columns) - len(order); n > 0 {
		what += fmt.Sprintf(", %s left out", console.Count(int64(n), "column"))
	}
	a.con.Say("           %s:", what)
	for _, cells := range lines {
		var b strings.Builder
		for i, c := range cells {
			b.WriteString("  " + c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)))
		}
		a.con.Say("           %s", strings.TrimRight(b.String(), " "))
	}
}
