package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/extract/parquet"
	"millrace/internal/console"
	"millrace/transform"
)

// landOptions say which streams are read and how.
type landOptions struct {
	source      func(source string) bool         // nil: all
	stream      func(source, stream string) bool // nil: all
	fullRefresh bool
	from        func(source, stream string) (landing.Checkpoint, bool)
}

// land reads what is new and writes one line a stream. The error names the streams that did not finish; it is handled
// (exit code 1) unless the project itself is at fault.
func (a *app) land(ctx context.Context, s *session, o landOptions) (extract.RunResult, error) {
	list, err := a.sources(s.p)
	if err != nil {
		return extract.RunResult{}, err
	}
	opened, closeAll := a.openSources(ctx, s.p, list, o.source)
	defer closeAll()
	lander := parquet.New(parquet.Options{Dir: s.p.RawDir(), Now: a.clock, Log: a.log})
	defer lander.Close()
	screen, err := a.screenAll(ctx, s.p, s.state)
	if err != nil {
		return extract.RunResult{}, err
	}
	res := extract.Run(ctx, extract.RunParams{
		Screen:   screen,
		Parallel: 4, // mostly waiting for others; each holds a few tens of megabytes at most
		Sources:  opened, Lander: lander, RunID: s.run.ID, Select: o.stream, FullRefresh: o.fullRefresh, From: o.from,
		Now: a.clock, Log: a.log,
		Progress: func(e extract.Event) {
			if !e.Done {
				a.con.Progress("%s", landingProgress(e))
			}
		},
	})
	a.con.Done()
	placeKeyFaults(list, res.Streams)
	for _, r := range res.Streams {
		a.sayLanded(r)
	}
	if err := a.countKeys(ctx, s.p); err != nil {
		return res, errors.Join(res.Err(), err)
	}
	return res, res.Err()
}

// landingProgress is the transient line of a stream that is being read: "extract  crm.events  1,200,000 rows  41 %  410,000/s".
func landingProgress(e extract.Event) string {
	parts := []string{"extract", e.Source + "." + e.Stream, console.Count(e.Rows, "row")}
	if e.Progress.Size > 0 {
		parts = append(parts, fmt.Sprintf("%d %%", 100*e.Progress.Bytes/e.Progress.Size))
	}
	if sec := e.Elapsed.Seconds(); sec > 0.5 {
		parts = append(parts, console.Thousands(int64(float64(e.Rows)/sec))+"/s")
	}
	if e.Progress.Item != "" {
		parts = append(parts, e.Progress.Item)
	}
	return strings.Join(parts, "  ")
}

func (a *app) sayLanded(r extract.StreamResult) {
	took := time.Duration(r.Seconds * float64(time.Second))
	switch {
	case r.Err != nil:
		a.con.Step("extract", console.Fail, r.Name(), r.Error, took)
		return
	case r.Unchanged || r.Rows == 0 && r.Quarantined == 0 && len(r.Loads) == 0:
		a.con.Step("extract", console.Skip, r.Name(), "nothing new", took)
	default:
		detail := console.Count(r.Rows, "row")
		status := console.OK
		if r.Quarantined > 0 {
			detail += ", " + console.Thousands(r.Quarantined) + " in quarantine"
			status = console.Warn
		}
		if r.Erased > 0 {
			detail += ", " + console.Count(r.Erased, "row") + " of erased people left out"
		}
		for _, c := range r.Changes {
			detail += fmt.Sprintf(", column %s %s", c.Column, c.Kind)
			if c.Kind == "widened" {
				detail += fmt.Sprintf(" from %s to %s", c.From, c.To)
			}
		}
		a.con.Step("extract", status, r.Name(), detail, took)
	}
	for _, w := range r.Warnings {
		a.con.Step("extract", console.Warn, r.Name(), w, 0)
	}
}

// buildOptions say what is built and how.
type buildOptions struct {
	only        func(ctx context.Context, g *transform.Graph) ([]string, error) // nil: all
	fullRefresh bool
	strict      bool
	quiet       bool // say only what failed: a later, small build of the same run
}

// build brings the published build up to date and writes one line a relation. The result is nil when nothing could be
// done; a handled failure (exit code 1) comes with a result.
func (a *app) build(ctx context.Context, s *session, o buildOptions) (*transform.BuildResult, error) {
	g, err := a.graph(ctx, s.p, s.now)
	if err != nil {
		return nil, err
	}
	var only []string
	if o.only != nil {
		if only, err = o.only(ctx, g); err != nil {
			return nil, err
		}
	}
	pinned, err := s.state.Plans.Pinned(ctx)
	if err != nil {
		return nil, err
	}
	onEvent := a.sayBuilt
	if o.quiet {
		onEvent = func(e transform.Event) {
			if e.Status == transform.StatusFailed || e.Status == transform.StatusHeld || e.Status == transform.StatusError {
				a.sayBuilt(e)
			}
		}
	}
	res, err := transform.Build(ctx, transform.BuildParams{
		Pinned: pinned,
		Graph:  g, Dir: targetDir(s.p), Only: only, FullRefresh: o.fullRefresh, Strict: o.strict,
		Threads: threads(s.p), MemoryLimit: memoryLimit(s.p), TempDir: filepath.Join(targetDir(s.p), "tmp"),
		KeepBuilds: s.p.File.Limits.BuildsKept, RunID: s.run.ID, Clock: a.clock, OnEvent: onEvent, Log: a.log,
	})
	a.con.Done()
	if err != nil {
		return nil, err
	}
	switch {
	case o.quiet && !res.Published:
	case res.Published:
		a.con.Step("publish", console.OK, "build "+res.ID, fmt.Sprintf("%s built, %s unchanged",
			console.Count(int64(res.Count(transform.StatusBuilt)), "relation"), console.Thousands(int64(res.Count(transform.StatusUnchanged)))), res.Took)
	case res.Err() == nil:
		a.con.Step("build", console.Skip, "nothing changed", fmt.Sprintf("%s stay at build %s", console.Count(int64(len(res.Nodes)), "relation"), res.ID), res.Took)
	}
	return res, res.Err()
}

// sayBuilt turns the events of a build into lines: "build  OK  core.accounts  table  1,234 rows  [0.12s]".
func (a *app) sayBuilt(e transform.Event) {
	switch e.Kind {
	case transform.EventStart:
		a.con.Progress("build  %d of %d  %s", e.Done+1, e.Total, e.Node)
	case transform.EventTest:
		t := e.Test
		if t == nil || t.Carried && t.Status == transform.StatusPass {
			return
		}
		switch t.Status {
		case transform.StatusWarn:
			a.con.Step("test", console.Warn, t.Name, t.Message, 0)
		case transform.StatusError:
			where := ""
			if t.File != "" {
				where = fmt.Sprintf(" (%s:%d)", t.File, t.Line)
			}
			a.con.Step("test", console.Fail, t.Name, t.Message+where, 0)
			a.saySample(*t)
		}
	case transform.EventFinish:
		switch e.Status {
		case transform.StatusBuilt:
			a.con.Step("build", console.OK, e.Node, fmt.Sprintf("%s, %s", e.Materialized, console.Count(e.Rows, "row")), e.Took)
		case transform.StatusFailed:
			a.con.Step("build", console.Fail, e.Node, e.Message, e.Took)
		case transform.StatusHeld:
			a.con.Step("build", console.Stale, e.Node, e.Message, 0)
		case transform.StatusSkipped:
			a.con.Step("build", console.Skip, e.Node, e.Message, 0)
		}
	}
}
