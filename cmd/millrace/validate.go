package main

import (
	"context"
	"errors"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/internal/config"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/normal/sqlfunc"
	"millrace/internal/project"
	"millrace/reports"
	"millrace/transform"
)

func newValidateCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "validate",
		GroupID: "start",
		Short:   "Check every file of the project and all SQL, without data",
		Long: `Reads every file of the project and binds all SQL against the columns that are known, without reading a row. All
problems are listed at once, each with its file, line and what to do. Nothing is written.

Exit codes: 0 no problem, 2 problems.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.validate(cmd.Context()) },
	}
}

// problem is one finding of validate, for programs.
type problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Key     string `json:"key,omitempty"`
	Value   string `json:"value,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	text    string // as a person reads it
}

func problemOf(err error) problem {
	p := problem{text: err.Error()}
	var f *fault.Error
	if !errors.As(err, &f) {
		p.Message = err.Error()
		return p
	}
	p.File, p.Line, p.Col, p.Key, p.Value, p.Hint = f.File, f.Line, f.Col, f.Key, fault.Shorten(f.Value, 200), f.Hint
	p.Message = f.Msg
	if f.Err != nil {
		p.Message = strings.TrimPrefix(p.Message+": "+f.Err.Error(), ": ")
	}
	return p
}

// inspection is what looking through a project found.
type inspection struct {
	project  *project.Project // nil when millrace.yml could not be read
	sources  []source
	graph    *transform.Graph
	bound    *transform.Bound // nil when the SQL could not be bound
	reports  []*reports.Definition
	problems []problem
}

// inspect reads everything there is to read, and goes on after problems. It returns an error only when it could not look.
func (a *app) inspect(ctx context.Context) (*inspection, error) {
	dir, err := a.projectDir()
	if err != nil {
		return nil, err
	}
	vars, err := a.vars()
	if err != nil {
		return nil, err
	}
	now, err := a.now()
	if err != nil {
		return nil, err
	}
	var errs fault.List
	in := &inspection{}
	in.project, err = project.Load(dir, project.Options{Target: a.flags.target, Environ: a.env, Vars: vars})
	errs.Add(err)
	if in.project != nil {
		in.sources, err = a.sources(in.project)
		errs.Add(err)
		badSources := false
		for _, e := range errs {
			badSources = badSources || strings.HasPrefix(problemOf(e).File, "extract/")
		}
		errs.Add(in.sql(ctx, a, now, badSources))
		policies, err := a.policies(in.project)
		errs.Add(err)
		syncs, err := a.syncs(in.project)
		errs.Add(err)
		if in.bound != nil {
			errs.Add(a.fitting(ctx, in.graph, in.bound, policies, syncs))
		}
		in.reports, err = reportCatalog().Load(os.DirFS(in.project.Dir), "reports", config.ParseOptions{Env: in.project.Env})
		errs.Add(err)
	}
	seen := map[string]bool{}
	for _, e := range errs {
		p := problemOf(e)
		if !seen[p.text] { // a file that two readers look at may be complained of twice
			seen[p.text] = true
			in.problems = append(in.problems, p)
		}
	}
	sort.SliceStable(in.problems, func(i, j int) bool {
		a, b := in.problems[i], in.problems[j]
		return a.File < b.File || a.File == b.File && a.Line < b.Line
	})
	return in, ctx.Err()
}

// sql loads and binds the SQL. When sources could not be read, their streams are unknown, and what only says so is left out.
func (in *inspection) sql(ctx context.Context, a *app, now time.Time, badSources bool) error {
	raw, err := a.rawStreams(in.project, in.sources)
	if err != nil {
		return err
	}
	given, ops, err := a.given(ctx, in.project)
	if err != nil {
		return err
	}
	functions, err := sqlfunc.Project(os.DirFS(in.project.Dir))
	if err != nil {
		return err
	}
	in.graph, err = transform.Load(ctx, transform.LoadParams{FS: os.DirFS(in.project.Dir), Raw: raw, Given: given, Run: sqlRun(in.project, now), Operators: ops, Functions: functions})
	if err == nil {
		var bound *transform.Bound
		if bound, err = transform.Bind(ctx, in.graph); err == nil {
			in.bound = bound
			err = bound.Err(in.graph)
		}
	}
	if err == nil || !badSources {
		return err
	}
	var all, kept fault.List
	all.Add(err)
	for _, e := range all {
		if !strings.HasPrefix(problemOf(e).Value, "raw_") {
			kept.Add(e)
		}
	}
	return kept.Or()
}

// sqlRun is what SQL may know of a run at the logical time now.
func sqlRun(p *project.Project, now time.Time) transform.Run {
	return transform.Run{Project: p.File.Name, Target: p.Target, TimeZone: p.Location(), Currency: string(p.File.Currency), Now: now}
}

// vars are the --vars flags.
func (a *app) vars() (map[string]string, error) {
	vars := map[string]string{}
	for _, kv := range a.flags.vars {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, &fault.Error{Key: "--vars", Value: kv, Msg: "not a name=value pair", Hint: "Write --vars name=value."}
		}
		vars[k] = v
	}
	return vars, nil
}

type validateResult struct {
	OK       bool           `json:"ok"`
	Problems []problem      `json:"problems"`
	Warnings []problem      `json:"warnings"`
	Checked  map[string]int `json:"checked"`
}

func (a *app) validate(ctx context.Context) error {
	in, err := a.inspect(ctx)
	if err != nil {
		return err
	}
	res := validateResult{OK: len(in.problems) == 0, Problems: in.problems, Warnings: []problem{}, Checked: map[string]int{"sources": len(in.sources), "reports": len(in.reports)}}
	if res.Problems == nil {
		res.Problems = []problem{}
	}
	if in.project != nil {
		res.Checked["policies"], res.Checked["syncs"] = len(in.project.Models), len(in.project.Activate)
	}
	if in.graph != nil {
		res.Checked["relations"] = len(in.graph.Relations())
		res.Checked["tests"] = len(in.graph.Tests) + len(in.graph.Units)
	}
	files := map[string]bool{}
	for _, p := range res.Problems {
		files[p.File] = true
	}
	if a.flags.json {
		if err := a.con.Result(res); err != nil {
			return err
		}
	} else {
		for _, p := range res.Problems {
			a.con.Error(errors.New(p.text))
		}
		for _, w := range res.Warnings {
			a.con.Say("warning: %s", w.text)
		}
		if !res.OK {
			a.con.Say("%s in %s.", console.Count(int64(len(res.Problems)), "problem"), console.Count(int64(len(files)), "file"))
		} else {
			a.con.Say("No problem in %s, %s, %s, %s, %s and %s.", console.Count(int64(res.Checked["sources"]), "source"), console.Count(int64(res.Checked["relations"]), "relation"),
				console.Count(int64(res.Checked["tests"]), "test"), counted(res.Checked["policies"], "policy", "policies"), console.Count(int64(res.Checked["syncs"]), "sync"), console.Count(int64(res.Checked["reports"]), "report"))
		}
	}
	if !res.OK {
		return exitWith(fault.ExitUsage)
	}
	return nil
}

// counted is a number with its noun, for nouns whose plural is not made with an s.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return console.Thousands(int64(n)) + " " + many
}
