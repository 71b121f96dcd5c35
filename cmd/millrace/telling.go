package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"millrace/activate/receipt"
	"millrace/internal/config"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/state"
	"millrace/reports"
	"millrace/transform/relation"
)

// publishedBuild is one published build, opened for reading; it is what reports and queries see. Close it.
type publishedBuild struct {
	db    *duck.DB
	build relation.Build
}

func (b *publishedBuild) Close() error          { return b.db.Close() }
func (b *publishedBuild) Build() relation.Build { return b.build }

// Query reads a whole result.
func (b *publishedBuild) Query(ctx context.Context, sql string) (*reports.Table, error) {
	res, err := b.db.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	t := &reports.Table{Rows: res.Rows}
	for _, c := range res.Columns {
		t.Columns = append(t.Columns, relation.Column{Name: c.Name, Type: c.Type})
	}
	return t, nil
}

// deliveryLedger keeps the receipts of reports in the target's state.
type deliveryLedger struct {
	d     state.Deliveries
	runID string
}

func (l deliveryLedger) Intend(ctx context.Context, r receipt.Receipt) (receipt.Receipt, bool, error) {
	prior, known, err := l.d.Intend(ctx, state.Delivery{Key: r.Key, Report: r.Subject, Channel: r.Channel, RunID: l.runID, Intended: r.At})
	if err != nil || !known {
		return receipt.Receipt{}, false, err
	}
	out, err := receiptOf(prior)
	return out, true, err
}

func (l deliveryLedger) Record(ctx context.Context, r receipt.Receipt) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record delivery of %s: %w", r.Subject, err)
	}
	return l.d.Record(ctx, state.Delivery{Key: r.Key, Report: r.Subject, Channel: r.Channel, RunID: l.runID, Status: string(r.Status),
		Receipt: raw, Error: r.Reason, Recorded: r.At})
}

func (l deliveryLedger) Last(ctx context.Context, report string) (receipt.Receipt, bool, error) {
	list, err := l.d.Last(ctx, report, 50)
	if err != nil {
		return receipt.Receipt{}, false, err
	}
	for _, d := range list {
		if d.Status == state.Delivered {
			r, err := receiptOf(d)
			return r, err == nil, err
		}
	}
	return receipt.Receipt{}, false, nil
}

func (l deliveryLedger) Recent(ctx context.Context, report string) ([]receipt.Receipt, error) {
	list, err := l.d.Last(ctx, report, 50)
	if err != nil {
		return nil, err
	}
	out := make([]receipt.Receipt, 0, len(list))
	for _, d := range list {
		r, err := receiptOf(d)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// receiptOf reads a ledger entry back. One that was only intended has no receipt yet: its outcome is unknown.
func receiptOf(d state.Delivery) (receipt.Receipt, error) {
	r := receipt.Receipt{Key: d.Key, Subject: d.Report, Channel: d.Channel, Status: receipt.Status(d.Status), Reason: d.Error, At: d.Intended}
	if len(d.Receipt) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(d.Receipt, &r); err != nil {
		return r, fmt.Errorf("read the receipt of %s: %w", d.Report, err)
	}
	return r, nil
}

// definitions loads the project's reports; all problems of all files come together.
func (a *app) definitions(p *project.Project) ([]*reports.Definition, error) {
	return reportCatalog().Load(os.DirFS(p.Dir), "reports", config.ParseOptions{Env: p.Env})
}

// reportOutcome is what became of one channel of one report, as --json shows it.
type reportOutcome struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
	Period  string `json:"period"`
	Path    string `json:"path,omitempty"`
	Status  string `json:"status"`
	Skipped bool   `json:"skipped,omitempty"`
	Note    string `json:"note,omitempty"` // why it was not sent
	Error   string `json:"error,omitempty"`
}

// prodTarget is the only target from which anything is sent.
const prodTarget = "prod"

// tellParams say which reports are composed and delivered.
type tellParams struct {
	Names   []string       // empty: those that are due
	Period  reports.Period // zero: the latest complete one
	Force   bool
	Out     string
	Channel func(name string) bool // nil: all
}

// tell composes reports from the published build and delivers each once. What fails stops nothing else; the error is
// for what leaves no report at all, or for handled failures (exit code 1).
func (a *app) tell(ctx context.Context, s *session, t tellParams) ([]reportOutcome, error) {
	defs, err := a.definitions(s.p)
	if err != nil {
		return nil, err
	}
	if len(defs) == 0 {
		return nil, nil
	}
	ledger := deliveryLedger{d: s.state.Deliveries, runID: s.run.ID}
	todo, err := a.chosen(ctx, s, defs, ledger, t)
	if err != nil || len(todo) == 0 {
		return nil, err
	}
	data, err := a.published(ctx, s.p)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	composer := &reports.Composer{Data: data, Project: s.p.File.Name, Currency: string(s.p.File.Currency), Zone: s.p.Location(), Now: s.now, Log: a.log}
	deliverer := &reports.Deliverer{Ledger: ledger, Now: s.now, Force: t.Force, Log: a.log}
	var out []reportOutcome
	var errs fault.List
	for _, d := range todo {
		began := a.clock()
		got, err := a.tellOne(ctx, s, composer, deliverer, d, t)
		errs.Add(err)
		for _, o := range got {
			out = append(out, o)
			status, detail := "OK", o.Path
			switch {
			case o.Error != "":
				status, detail = "FAIL", o.Error
			case o.Skipped:
				status, detail = "SKIP", o.Path+" has it already"
				if o.Note != "" {
					detail = o.Note
				}
			}
			a.con.Step("report", status, o.Name+" → "+o.Channel, detail, a.clock().Sub(began))
		}
		if err != nil && len(got) == 0 {
			a.con.Step("report", "FAIL", d.def.Report, err.Error(), 0)
		}
	}
	return out, fault.Handled(errs.Or())
}

// dueReport is a definition with the slot of its schedule that it answers.
type dueReport struct {
	def     *reports.Definition
	edition string
}

// chosen are the named reports, or those that are due: on their schedule, or at every build where they have none.
func (a *app) chosen(ctx context.Context, s *session, defs []*reports.Definition, ledger deliveryLedger, t tellParams) ([]dueReport, error) {
	var out []dueReport
	if len(t.Names) > 0 {
		byName := map[string]*reports.Definition{}
		var known []string
		for _, d := range defs {
			byName[d.Report] = d
			known = append(known, d.Report)
		}
		for _, n := range t.Names {
			d, ok := byName[n]
			if !ok {
				return nil, &fault.Error{Msg: "unknown report", Value: n, Hint: fault.DidYouMean(n, known)}
			}
			out = append(out, dueReport{def: d})
		}
		return out, nil
	}
	for _, d := range defs {
		if d.Schedule.IsZero() {
			out = append(out, dueReport{def: d})
			continue
		}
		last, _, err := ledger.Last(ctx, d.Report)
		if err != nil {
			return nil, err
		}
		slot, due := reports.Due(d.Schedule, last.At, s.now, s.p.Location())
		if !due { // the latest slot is answered, unless some of its channels were not reached
			slot, _ = reports.Due(d.Schedule, time.Time{}, s.now, s.p.Location())
			channels, _, err := a.channels(s, d, t)
			if err != nil {
				return nil, err
			}
			if due, err = (&reports.Deliverer{Ledger: ledger}).Unfinished(ctx, d.Report, slot.Edition(), channels); err != nil {
				return nil, err
			}
		}
		if due {
			out = append(out, dueReport{def: d, edition: slot.Edition()})
		}
	}
	return out, nil
}

// channels opens those that a report goes to, and says of the others why they are not asked.
func (a *app) channels(s *session, def *reports.Definition, t tellParams) (channels []reports.Channel, quiet []reportOutcome, err error) {
	for _, spec := range def.Channels {
		if t.Channel != nil && !t.Channel(spec.Kind.Name) {
			continue
		}
		ch, err := spec.Kind.Open(reports.ChannelParams{Dir: s.p.Dir, Out: t.Out, Options: spec.Options, Log: a.log})
		if err != nil {
			return nil, nil, fault.Wrap(err, "%s:%d: open channel %s", def.File, spec.Line, spec.Kind.Name)
		}
		if !spec.Kind.Local && s.p.Target != prodTarget {
			// Nothing reaches a real system from another target: this channel speaks to people.
			quiet = append(quiet, reportOutcome{Name: def.Report, Channel: ch.Name(), Status: "not_sent", Skipped: true,
				Note: "target " + s.p.Target + " never sends; use --target prod"})
			continue
		}
		channels = append(channels, ch)
	}
	return channels, quiet, nil
}

func (a *app) tellOne(ctx context.Context, s *session, c *reports.Composer, v *reports.Deliverer, d dueReport, t tellParams) ([]reportOutcome, error) {
	channels, quiet, err := a.channels(s, d.def, t)
	if err != nil {
		return nil, err
	}
	out := quiet
	var errs fault.List
	note := func(outcomes []reports.Outcome) {
		for _, o := range outcomes {
			r := reportOutcome{Name: d.def.Report, Channel: o.Receipt.Channel, Period: o.Receipt.Period, Path: o.Receipt.Ref, Status: string(o.Receipt.Status), Skipped: o.Skipped}
			if o.Err != nil {
				r.Error = o.Err.Error()
				errs.Add(o.Err)
			}
			out = append(out, r)
		}
	}
	delivered, unchanged, err := v.Unchanged(ctx, d.def.Report, d.edition, c.Made(d.def, t.Period), channels)
	if err != nil {
		return nil, err
	}
	if unchanged {
		note(delivered)
		return out, errs.Or()
	}
	doc, err := c.Compose(ctx, d.def, t.Period)
	if err != nil {
		return nil, err
	}
	note(v.Deliver(ctx, doc, d.edition, channels))
	for _, f := range doc.Failures() {
		errs.Add(&fault.Error{File: d.def.File, Key: f.Section, Msg: "the section failed; the rest of the report was delivered: " + f.Reason})
	}
	return out, errs.Or()
}

// since is how long ago began lies, by the wall clock.
func (a *app) since(began time.Time) time.Duration { return a.clock().Sub(began) }
