package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/console"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/state"
	"millrace/models/decision"
	"millrace/transform"
)

// syncs reads activate/*.yml; all problems of all files come together.
func (a *app) syncs(p *project.Project) ([]*activate.Sync, error) {
	var out []*activate.Sync
	var errs fault.List
	catalog, err := projectDestinations(p)
	if err != nil {
		return nil, err // syncs would be said to name destinations that do not exist
	}
	for _, d := range p.Activate {
		src, err := os.ReadFile(filepath.Join(p.Dir, d.Path))
		if err != nil {
			errs.Add(fault.Wrap(err, "read %s", d.Path))
			continue
		}
		s, err := activate.ParseSync(fileName(d.Path), d.Path, src, p.Env, catalog)
		if err != nil {
			errs.Add(err)
			continue
		}
		out = append(out, s)
	}
	return out, errs.Or()
}

// openDestination opens what a sync writes to. Nothing goes to the network yet.
func (a *app) openDestination(s *activate.Sync) (activate.Destination, error) {
	dir := ""
	if a.proj != nil {
		dir = a.proj.Dir
	}
	return s.Connector().Open(activate.OpenParams{Sync: s.Name, Options: s.Options(), Dir: dir, Budgets: &a.budgets, Log: a.log.With("sync", s.Name), Now: a.clock, Sleep: sleep, Rand: rand.Float64})
}

// sleep waits, unless the run is told to stop.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// patience is the longest wait for a retry inside one run; later ones are left to the next run.
const patience = time.Minute

// engine plans and applies for one session.
func (a *app) engine(s *session) *activate.Engine {
	return &activate.Engine{
		State: s.state, Target: s.p.Target, Holdout: s.p.File.Holdout.Percent / 100, RunID: s.run.ID, By: userName(a), Now: s.now,
		Clock: a.clock, Sleep: sleep, Rand: rand.Float64, Log: a.log, Patience: patience, At: a.at,
		Open: func(ctx context.Context, id string) (activate.Warehouse, func() error, error) {
			o := duck.Options{Locked: true, Threads: threads(s.p), MemoryLimit: memoryLimit(s.p)}
			var b publishedBuild
			var err error
			if id == "" {
				b.db, b.build, err = transform.Open(ctx, targetDir(s.p), o)
			} else {
				b.db, b.build, err = transform.OpenBuild(ctx, targetDir(s.p), id, o)
			}
			if err != nil {
				return nil, nil, err
			}
			return syncWarehouse{warehouse{&b}, duck.Options{Threads: threads(s.p), MemoryLimit: memoryLimit(s.p), TempDir: filepath.Join(targetDir(s.p), "tmp")}}, b.Close, nil
		},
		Consent: func(ctx context.Context, purpose, channel string, subjects []string) (map[string]decision.ConsentState, error) {
			return a.consent(ctx, s, purpose, channel, subjects)
		},
	}
}

// syncWarehouse is a build whose relations can be compared with what is acknowledged inside the database.
type syncWarehouse struct {
	warehouse
	limits duck.Options
}

// Attach gives the build's file.
func (w syncWarehouse) Attach(ctx context.Context) (string, duck.Options, error) {
	res, err := w.db.Query(ctx, "select path from duckdb_databases() where database_name = current_database()")
	if err != nil {
		return "", w.limits, err
	}
	if len(res.Rows) != 1 {
		return "", w.limits, fmt.Errorf("the build's file is not known to its database")
	}
	path, _ := res.Rows[0][0].(string)
	return path, w.limits, nil
}

// consentRelation is what SQL knows of people's will; a project that has none relies on the state's own records.
const consentRelation = "core.consents"

// consent joins what was recorded here with what the tools say in the newest published build. A no from either side wins.
func (a *app) consent(ctx context.Context, s *session, purpose, channel string, subjects []string) (map[string]decision.ConsentState, error) {
	out, err := s.state.Consents.Lookup(ctx, purpose, channel, subjects)
	if err != nil {
		return nil, err
	}
	build, err := a.published(ctx, s.p)
	if err != nil {
		return nil, err
	}
	defer build.Close()
	if _, ok := build.build.Relations[consentRelation]; !ok {
		return out, nil
	}
	wanted := make(map[string]bool, len(subjects))
	for _, id := range subjects {
		wanted[id] = true
	}
	q := "select person_id, status, is_allowed from " + consentRelation + " where purpose = " + duck.Quote(purpose)
	err = build.db.Each(ctx, q, func(row []any) error {
		id, _ := row[0].(string)
		if !wanted[id] || out[id] == decision.ConsentNo {
			return nil
		}
		allowed, _ := row[2].(bool)
		switch {
		case !allowed:
			out[id] = decision.ConsentNo
		case row[1] == "granted" || out[id] == decision.ConsentUnknown:
			out[id] = decision.ConsentGranted // said so, or lives where silence is consent
		}
		return nil
	})
	return out, err
}

// syncSummary is what became of one sync in a run, as --json shows it.
type syncSummary struct {
	Sync        string `json:"sync"`
	Destination string `json:"destination"`
	PlanID      string `json:"plan_id,omitempty"`
	Verdict     string `json:"verdict,omitempty"`
	Planned     int    `json:"planned"`
	Acked       int    `json:"acked"`
	Rejected    int    `json:"rejected"`
	Unknown     int    `json:"unknown"`
	Waiting     string `json:"waiting,omitempty"` // why nothing or not everything was sent
	Trouble     bool   `json:"trouble,omitempty"` // it waits because something went wrong, not for a person
	Error       string `json:"error,omitempty"`
	Earlier     int    `json:"earlier,omitempty"` // of the acknowledged ones, rows of plans that an earlier run had begun

	NotDue string `json:"not_due,omitempty"` // its schedule has not come round

	plan *activate.Plan // that waits for a person
	fate *activate.Applied
}

// act plans every sync and applies what its limits approve. What waits for a person is said, and does nothing.
func (a *app) act(ctx context.Context, s *session) ([]syncSummary, error) {
	list, err := a.syncs(s.p)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if _, err := s.state.Plans.Expire(ctx, s.now); err != nil {
		return nil, err
	}
	if err := a.holdByQuality(ctx, s, list); err != nil {
		return nil, err
	}
	e := a.engine(s)
	var out []syncSummary
	var errs fault.List
	for _, sync := range list {
		began := a.clock()
		sum, err := a.actOne(ctx, s, e, sync)
		if err != nil {
			errs.Add(fault.Wrap(err, "sync %s", sync.Name))
			sum.Error = err.Error()
		} else if sum.Rejected+sum.Unknown > 0 {
			errs.Add(&fault.Error{File: sync.Path(), Msg: fmt.Sprintf("sync %s: %d rows rejected, %d unknown", sync.Name, sum.Rejected, sum.Unknown),
				Hint: fmt.Sprintf("See `millrace plan %s` and `millrace query \"from ops.syncs\"`.", sync.Name)})
		} else if sum.Trouble {
			errs.Add(&fault.Error{File: sync.Path(), Msg: fmt.Sprintf("sync %s: its rows wait: %s", sync.Name, strings.TrimSuffix(sum.Waiting, ".")), Hint: "The next run sends them."})
		}
		out = append(out, sum)
		a.saySync(sum, a.since(began))
		errs.Add(a.sayHealth(ctx, s, sum))
	}
	return out, fault.Handled(errs.Or())
}

func (a *app) actOne(ctx context.Context, ses *session, e *activate.Engine, s *activate.Sync) (syncSummary, error) {
	sum := syncSummary{Sync: s.Name, Destination: s.File.Destination}
	d, err := a.openDestination(s)
	if err != nil {
		return sum, err
	}
	defer d.Close()
	// First what an earlier run left: rows in flight when it died, answers that were lost.
	left, err := e.Continue(ctx, s, d)
	if err != nil {
		return sum, err
	}
	sum.take(left)
	sum.Earlier = sum.Acked
	if left != nil && left.Stopped != "" {
		sum.Waiting, sum.Trouble = left.Stopped, left.Trouble
		return sum, nil
	}
	if next, err := a.notBefore(ctx, ses, s); err != nil || !next.IsZero() {
		if !next.IsZero() {
			sum.NotDue = "next due at " + next.Format("2006-01-02 15:04 MST")
		}
		return sum, err
	}
	plan, err := e.Plan(ctx, s, d)
	if err != nil {
		return sum, err
	}
	if err := ses.state.Health.NotePlanned(ctx, s.Name, ses.now); err != nil {
		return sum, err
	}
	sum.PlanID, sum.Verdict, sum.Planned = plan.ID, plan.Verdict, plan.Changes
	switch {
	case plan.Verdict == activate.VerdictEmpty:
		return sum, nil
	case plan.Verdict == activate.VerdictBlocked:
		sum.Waiting = "stopped by its limits: " + breakerText(plan)
		return sum, nil
	case !plan.Live:
		sum.Waiting = "planned only: " + plan.NotLive
		return sum, nil
	case plan.State != state.PlanApproved && plan.State != state.PlanApplying:
		sum.plan = plan
		sum.Waiting = fmt.Sprintf("waits for a person until %s: %s; millrace approve %s", plan.Expires.Format("2006-01-02 15:04 MST"), breakerText(plan), plan.ID)
		return sum, nil
	}
	done, err := e.Apply(ctx, s, d, plan.ID)
	sum.fate = done
	sum.take(done)
	if done != nil && done.Stopped != "" {
		sum.Waiting, sum.Trouble = done.Stopped, done.Trouble
	}
	return sum, err
}

// failingShare is the part of a plan's rows that must fail before it is called a pattern; single refusals are not.
const (
	failingShare = 0.2
	failingRows  = 5
)

// sayHealth asks people about a plan that waits, once, and tells them once when a sync begins to fail and once when it is
// well again.
func (a *app) sayHealth(ctx context.Context, s *session, sum syncSummary) error {
	if sum.plan != nil {
		asked, err := s.state.Health.Asked(ctx, sum.plan.ID, a.clock().UTC())
		if err != nil {
			return err
		}
		if !asked {
			a.announce(ctx, "asked about plan "+sum.plan.ID, sum.plan.Question())
		}
	}
	now, why := state.Well, ""
	bad := sum.Rejected + sum.Unknown
	switch {
	case sum.Error != "":
		now, why = state.Failing, sum.Error
	case sum.Trouble:
		now, why = state.Failing, sum.Waiting
	case sum.Verdict == activate.VerdictBlocked:
		now, why = state.Failing, sum.Waiting
	case bad >= failingRows && float64(bad) >= failingShare*float64(bad+sum.Acked):
		now, why = state.Failing, fmt.Sprintf("%d of %d rows were rejected or are not known", bad, bad+sum.Acked)
		if sum.fate != nil && len(sum.fate.Problems) > 0 {
			why += ": " + sum.fate.Problems[0].Message
		}
	case sum.NotDue != "", sum.Planned == 0 && sum.Acked == 0 && sum.Waiting != "":
		return nil // it was not tried: neither well nor ill
	}
	news, err := s.state.Health.Note(ctx, sum.Sync, now, why, a.clock().UTC())
	if err != nil || !news {
		return err
	}
	if now == state.Failing {
		a.announce(ctx, sum.Sync+" fails", fmt.Sprintf("Sync %s to %s fails since %s.\n%s\nYou are told once; see: millrace activate log %s --state rejected,dead,unknown\n",
			sum.Sync, sum.Destination, s.now.Format("2006-01-02 15:04 MST"), why, sum.Sync))
		return nil
	}
	a.announce(ctx, sum.Sync+" is well again", fmt.Sprintf("Sync %s to %s is well again.\n", sum.Sync, sum.Destination))
	return nil
}

// notBefore gives the time at which a sync with a schedule is due again; zero when it is due now.
func (a *app) notBefore(ctx context.Context, ses *session, s *activate.Sync) (time.Time, error) {
	if s.File.Schedule.IsZero() {
		return time.Time{}, nil
	}
	last, err := ses.state.Health.Planned(ctx, s.Name)
	if err != nil || last.IsZero() {
		return time.Time{}, err
	}
	if next := s.File.Schedule.Next(last.In(ses.p.Location())); next.After(ses.now) {
		return next, nil
	}
	return time.Time{}, nil
}

func (s *syncSummary) take(r *activate.Applied) {
	if r == nil {
		return
	}
	s.Acked += r.Acked()
	s.Rejected += r.Rejected()
	s.Unknown += r.Unknown()
}

// breakerText says why a plan is not approved by its limits.
func breakerText(p *activate.Plan) string {
	var parts []string
	for _, b := range p.Breakers {
		if b.Verdict != activate.VerdictWithin {
			parts = append(parts, b.Message)
		}
	}
	return strings.Join(parts, "; ")
}

func (a *app) saySync(s syncSummary, took time.Duration) {
	name := s.Sync + " → " + s.Destination
	switch {
	case s.Error != "":
		a.con.Step("sync", console.Fail, name, s.Error, took)
	case s.Rejected+s.Unknown > 0:
		a.con.Step("sync", console.Warn, name, fmt.Sprintf("%s planned, %d acknowledged, %d rejected, %d unknown", console.Count(int64(s.Planned), "row"), s.Acked, s.Rejected, s.Unknown), took)
	case s.Trouble:
		a.con.Step("sync", console.Fail, name, fmt.Sprintf("%s planned, %s acknowledged, the rest waits: %s", console.Count(int64(s.Planned), "row"), console.Thousands(int64(s.Acked)), s.Waiting), took)
	case s.Waiting != "":
		a.con.Step("sync", "HOLD", name, fmt.Sprintf("%s planned, %s", console.Count(int64(s.Planned), "row"), s.Waiting), took)
	case s.NotDue != "" && s.Acked == 0:
		a.con.Step("sync", console.Skip, name, s.NotDue, took)
	case s.Planned == 0 && s.Acked > 0:
		a.con.Step("sync", console.OK, name, fmt.Sprintf("nothing new to send; %s of an earlier plan acknowledged", console.Count(int64(s.Acked), "row")), took)
	case s.Earlier > 0:
		a.con.Step("sync", console.OK, name, fmt.Sprintf("%s planned, %s acknowledged, %s of them of an earlier plan", console.Count(int64(s.Planned), "row"), console.Thousands(int64(s.Acked)),
			console.Thousands(int64(s.Earlier))), took)
	case s.Planned == 0 && s.Acked == 0:
		a.con.Step("sync", console.Skip, name, "nothing to send", took)
	default:
		a.con.Step("sync", console.OK, name, fmt.Sprintf("%s planned, %s acknowledged", console.Count(int64(s.Planned), "row"), console.Thousands(int64(s.Acked))), took)
	}
}
