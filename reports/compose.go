package reports

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"time"

	"millrace/internal/fault"
)

// Composer makes documents from one published build.
type Composer struct {
	Data     Data
	Project  string
	Currency string         // ISO 4217, the project's
	Zone     *time.Location // the project's
	Now      time.Time      // logical
	Log      *slog.Logger
}

// Compose builds every section of def for a period. The zero period means the latest complete one that the build knows.
// A section that fails is in the document as a Failure. The error is for what leaves no document at all.
func (c *Composer) Compose(ctx context.Context, def *Definition, period Period) (*Document, error) {
	rec := NewRecorder(c.Data)
	given := period
	if period.Start.IsZero() {
		var err error
		if period, err = c.latest(ctx, rec, def.Grain); err != nil {
			return nil, fault.Wrap(err, "find the period of report %s", def.Report)
		}
	}
	period.Last = def.Last
	build := c.Data.Build()
	doc := &Document{Report: def.Report, Title: def.Title, Project: c.Project, Period: period, PeriodKey: period.Key(),
		At: c.Now.In(c.zone()), BuildID: build.ID, BuiltAt: build.PublishedAt}
	rec.section = "labels"
	names, err := labels(ctx, rec, def.Labels)
	if err != nil {
		return nil, fault.Wrap(err, "report %s: read the names of KPIs", def.Report)
	}
	in := &Input{Recorder: rec, Period: period, Report: def.Report, Currency: c.Currency, Now: c.Now, Labels: names,
		Dimensions: def.Dimensions, Actions: def.Actions, Shown: def.Shown()}
	for _, spec := range def.Sections {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		in.Title = spec.Title
		rec.section = spec.Kind.Name
		blocks, err := buildSection(ctx, spec, in)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			title := spec.Title
			if title == "" {
				title = Title(spec.Kind.Name)
			}
			c.Log.Warn("section failed", "report", def.Report, "section", spec.Kind.Name, "line", spec.Line, "err", err)
			blocks = append(blocks, &Failure{Title: title, Section: spec.Kind.Name, Reason: err.Error()})
		}
		doc.Blocks = append(doc.Blocks, blocks...)
	}
	if len(doc.Blocks) == 0 {
		return nil, &fault.Error{File: def.File, Msg: "the report has no content", Hint: "Add a section."}
	}
	// Only what is shown needs a source; a query that found nothing to say would be noise under the report.
	used := map[string]bool{}
	doc.Cells(func(cell Cell) { used[cell.ref.Source] = true })
	for _, s := range rec.sources {
		if used[s.ID] {
			doc.Sources = append(doc.Sources, s)
		}
	}
	doc.Stale = c.stale(rec)
	doc.digest = doc.Digest()
	if len(doc.Failures()) == 0 {
		doc.made = c.Made(def, given)
	}
	return doc, nil
}

// Made names everything that the document of def follows from: the definition, the build, and, of the clock, the period that
// is running. Equal names mean equal documents, so one that was delivered need not be composed to see that. It is "" when
// that cannot be said from here, because variables of the environment are part of the definition.
func (c *Composer) Made(def *Definition, period Period) string {
	build := c.Data.Build()
	if def.source == nil || build.ID == "" {
		return ""
	}
	if period.Start.IsZero() {
		period = PeriodOf(def.Grain, c.Now.In(c.zone()))
		period.Grain = "latest before " + period.Grain
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q %q", def.source, build.ID, period.Grain, period.Start.Format(time.DateOnly), c.Currency, c.zone())
	return hex.EncodeToString(h.Sum(nil))
}

func buildSection(ctx context.Context, spec SectionSpec, in *Input) (blocks []Block, err error) {
	// A defect in one section must not take the others with it.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error in section %s: %v", spec.Kind.Name, p)
		}
	}()
	blocks, err = spec.Kind.Build(ctx, in, spec.Options)
	for _, b := range blocks {
		if h, ok := b.(*Headline); ok && len(h.Lines) > MaxHeadline {
			return nil, fmt.Errorf("the first screen has %d lines, at most %d fit", len(h.Lines), MaxHeadline)
		}
	}
	if err == nil && len(blocks) == 0 {
		err = errors.New("the section gave no content")
	}
	return blocks, err
}

// latest is the last period of the grain that is over at the logical time and has figures; where none is over yet, the
// newest one with figures, which is provisional. Without metrics.kpi it is the last one that is over.
func (c *Composer) latest(ctx context.Context, rec *Recorder, grain string) (Period, error) {
	current := PeriodOf(grain, c.Now.In(c.zone()))
	if !rec.Has("metrics.kpi") {
		return current.Shift(-1), nil
	}
	rec.section = "period"
	res, err := rec.Query(ctx, `select coalesce(max(period_start) filter (where period_start < `+LitDate(current.Start)+`), max(period_start)) as period_start
from metrics.kpi
where grain = `+Lit(grain)+` and dimension = 'total'`)
	if err != nil {
		return Period{}, err
	}
	if t, ok := res.Cell(0, "period_start").Time(); ok {
		return PeriodOf(grain, t), nil
	}
	return current.Shift(-1), nil
}

// stale lists the relations behind the document that stayed at an earlier version (P3).
func (c *Composer) stale(rec *Recorder) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range rec.sources {
		for _, name := range s.Reads {
			if r := rec.Build().Relations[name]; r.Stale && !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	sort.Strings(out)
	return out
}

func (c *Composer) zone() *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}
