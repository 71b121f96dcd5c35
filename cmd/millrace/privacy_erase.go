package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/activate"
	"millrace/extract/parquet"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/state"
	"millrace/transform"
)

// erasureSummary is what an erasure did, in numbers: nothing in it says who.
type erasureSummary struct {
	Ticket       string           `json:"ticket"`
	Target       string           `json:"target"`
	Destinations []erasedThere    `json:"destinations"`
	Landed       []parquet.Purged `json:"landed"`
	Build        string           `json:"build,omitempty"`
	Memory       map[string]int64 `json:"relations_with_memory,omitempty"` // rows taken out, by relation
	Builds       int              `json:"builds_removed"`
	State        state.Forgotten  `json:"state"`
	Left         []string         `json:"left_to_you,omitempty"`
	Done         bool             `json:"done"`
}

// erasedThere is what became of an erasure at one destination.
type erasedThere struct {
	Sync        string `json:"sync"`
	Destination string `json:"destination"`
	Rows        int    `json:"rows"`
	Waiting     string `json:"waiting,omitempty"` // why it is not done there
}

func newPrivacyEraseCmd(a *app) *cobra.Command {
	var ticket, reason string
	var yes, dry, resume bool
	cmd := &cobra.Command{
		Use:   "erase PERSON",
		Short: "Forget a person everywhere, and keep them from coming back",
		Long: `Takes a person out of what has landed, quarantine, builds and builds kept aside, relations with memory, the state file, and
the destinations of syncs that have sent them. Keyed hashes of their identifiers stay, so that the next extraction leaves them
out although a source still delivers them.

Without --yes nothing is changed: every place is listed with what would happen there. Rows of sources that privacy.keep in
millrace.yml names (default: stripe) stay, without what is personal, as the law asks of invoices. Identifiers that others use
too, such as a shared inbox, are left alone.

An erasure that was stopped goes on with --resume, and so does one whose destination could not be reached; run says so.

Exit codes: 0 done, 1 something waits (said), 2 nobody was found.`,
		Example: `  millrace privacy erase jane@acme.example --ticket DSR-17
  millrace privacy erase jane@acme.example --ticket DSR-17 --yes --target prod
  millrace privacy erase --resume`,
		Args: func(cmd *cobra.Command, args []string) error {
			if resume {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if resume {
				return a.resumeErasures(ctx)
			}
			if !yes || dry {
				return a.erasureDryRun(ctx, args[0])
			}
			if strings.TrimSpace(ticket) == "" {
				return &fault.Error{Key: "--ticket", Msg: "an erasure needs the request that asks for it", Hint: "Add --ticket with its number: it is all that is kept."}
			}
			return a.erase(ctx, args[0], strings.TrimSpace(ticket), reason)
		},
	}
	f := cmd.Flags()
	f.StringVar(&ticket, "ticket", "", "number of the request; kept in the log of erasures")
	f.StringVar(&reason, "reason", "", "why, without naming the person; kept in the log of erasures")
	f.BoolVar(&yes, "yes", false, "erase; without it every place is listed and nothing is changed")
	f.BoolVar(&dry, "dry-run", false, "list every place and change nothing, also with --yes")
	f.BoolVar(&resume, "resume", false, "go on with erasures that were stopped or wait for a destination")
	return cmd
}

func (a *app) erasureDryRun(ctx context.Context, ref string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	s, err := a.whois(ctx, p, ref)
	if err != nil {
		return err
	}
	found, err := a.places(ctx, p, s)
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"target": p.Target, "person": s, "places": found, "dry_run": true})
	}
	a.showPlaces(p, s, found)
	a.con.Say("Nothing was changed. Add --yes and --ticket to erase this.")
	return nil
}

func (a *app) erase(ctx context.Context, ref, ticket, reason string) (err error) {
	p, err := a.project()
	if err != nil {
		return err
	}
	who, err := a.whois(ctx, p, ref)
	if err != nil {
		return err
	}
	files, err := filePlaces(p, who)
	if err != nil {
		return err
	}
	a.forgetArgs(ref)
	s, err := a.begin(ctx, "privacy erase")
	if err != nil {
		return err
	}
	var sum erasureSummary
	defer func() { err = s.end(ctx, err, sum) }()
	e := state.Erasure{Ticket: ticket, Person: who.Known, By: userName(a), Reason: reason, At: s.now}
	list, err := s.state.Erasures.List(ctx)
	if err != nil {
		return err
	}
	for _, x := range list {
		if x.Ticket == ticket {
			return &fault.Error{Key: "--ticket", Value: ticket, Msg: "this request was carried out, or is under way", Hint: "Use another number, or `millrace privacy erase --resume`; `millrace privacy log` lists them."}
		}
	}
	if err := s.state.Erasures.Begin(ctx, e, who.stones(s.state, ticket, e)); err != nil {
		return err
	}
	var left []string
	for _, f := range files {
		left = append(left, f.Where+" "+f.Found)
	}
	sum, err = a.carryOut(ctx, s, e, left)
	if a.flags.json {
		if jerr := a.con.Result(sum); err == nil {
			err = jerr
		}
	}
	return err
}

// forgetArgs keeps the person's name out of the journal and the lock file (P8).
func (a *app) forgetArgs(ref string) {
	args := append([]string(nil), a.args...)
	for i, x := range args {
		if x == ref {
			args[i] = "PERSON"
		}
	}
	a.args = args
}

func (a *app) resumeErasures(ctx context.Context) (err error) {
	s, err := a.begin(ctx, "privacy erase")
	if err != nil {
		return err
	}
	var all []erasureSummary
	defer func() { err = s.end(ctx, err, all) }()
	list, err := s.state.Erasures.List(ctx)
	if err != nil {
		return err
	}
	for _, e := range list {
		if !e.Done.IsZero() {
			continue
		}
		sum, eerr := a.carryOut(ctx, s, e, nil)
		all = append(all, sum)
		err = errors.Join(err, eerr)
	}
	if len(all) == 0 {
		a.con.Say("No erasure is under way.")
	}
	if a.flags.json {
		if jerr := a.con.Result(all); err == nil {
			err = jerr
		}
	}
	return err
}

// carryOut does what is left of an erasure. Every step can be repeated: what is gone is gone. The destinations come first,
// since only the ledger knows what they were sent; the state forgets when nothing waits there any more, and builds forget
// last, since they are made from all of it.
func (a *app) carryOut(ctx context.Context, s *session, e state.Erasure, left []string) (erasureSummary, error) {
	sum := erasureSummary{Ticket: e.Ticket, Target: s.p.Target, Destinations: []erasedThere{}, Landed: []parquet.Purged{}, Left: left}
	waits, err := a.eraseThere(ctx, s, e, &sum)
	if err != nil {
		return sum, err
	}
	if err := a.eraseLanded(ctx, s, &sum); err != nil {
		return sum, err
	}
	if len(waits) > 0 {
		if err := a.eraseBuilt(ctx, s, e, &sum); err != nil {
			return sum, err
		}
		for _, w := range waits {
			a.con.Step("erase", console.Warn, w.Sync, w.Waiting, 0)
		}
		a.con.Say("The erasure %s is not complete: `millrace privacy erase --resume --target %s` goes on.", e.Ticket, s.p.Target)
		return sum, exitWith(fault.ExitHandled)
	}
	if sum.State, err = s.state.Erasures.Forget(ctx, e.Person); err != nil {
		return sum, err
	}
	f := sum.State
	a.con.Step("erase", console.OK, "state", fmt.Sprintf("%s, %s sent, %s, %s, %s", console.Count(f.Decisions, "decision"), console.Count(f.Sent, "row"),
		console.Count(f.Acked, "acknowledged entry"), console.Count(f.Consents, "consent"), console.Count(f.Touches, "message")), 0)
	if err := a.eraseBuilt(ctx, s, e, &sum); err != nil { // decisions and what was sent are relations too
		return sum, err
	}
	sum.Done = true
	if err := s.state.Erasures.Finish(ctx, e.Ticket, sum, s.now); err != nil {
		return sum, err
	}
	for _, l := range left {
		a.con.Step("erase", console.Warn, "left to you", l, 0)
	}
	a.con.Say("Erased under ticket %s. A source that still delivers this person is answered with silence.%s", e.Ticket, otherTargets(s.p))
	return sum, nil
}

// eraseThere lets every destination forget the person; it gives those that have not.
func (a *app) eraseThere(ctx context.Context, s *session, e state.Erasure, sum *erasureSummary) ([]erasedThere, error) {
	syncs, err := a.syncs(s.p)
	if err != nil {
		return nil, err
	}
	ids, err := s.state.Erasures.KeyIDs(ctx, e.Person)
	if err != nil {
		return nil, err
	}
	engine := a.engine(s)
	var waits []erasedThere
	for _, sync := range syncs {
		x, err := a.eraseAt(ctx, engine, sync, ids, e)
		if err != nil {
			return nil, fault.Wrap(err, "sync %s", sync.Name)
		}
		if x.Rows == 0 && x.Waiting == "" {
			continue
		}
		sum.Destinations = append(sum.Destinations, x)
		if x.Waiting != "" {
			waits = append(waits, x)
			continue
		}
		a.con.Step("erase", console.OK, x.Destination, console.Count(int64(x.Rows), "record")+" of sync "+x.Sync, 0)
	}
	return waits, nil
}

func (a *app) eraseAt(ctx context.Context, e *activate.Engine, sync *activate.Sync, ids []string, er state.Erasure) (erasedThere, error) {
	out := erasedThere{Sync: sync.Name, Destination: sync.File.Destination}
	d, err := a.openDestination(sync)
	if err != nil {
		return out, err
	}
	defer d.Close()
	n, _, err := e.Held(ctx, sync, d, ids)
	if err != nil || n == 0 {
		return out, err
	}
	before, err := e.Continue(ctx, sync, d)
	if err != nil {
		out.Waiting = err.Error()
		return out, nil
	}
	if before != nil && before.Stopped != "" {
		out.Waiting = before.Stopped
		return out, nil
	}
	plan, why, err := e.PlanErase(ctx, sync, d, ids, er.Ticket, er.By)
	switch {
	case err != nil:
		return out, err
	case why != "":
		out.Waiting = why
		return out, nil
	case plan == nil:
		return out, nil
	case !plan.Live:
		out.Rows, out.Waiting = plan.Changes, fmt.Sprintf("%s still holds %s: %s", sync.File.Destination, console.Count(int64(plan.Changes), "record"), plan.NotLive)
		return out, nil
	}
	fate, err := e.Apply(ctx, sync, d, plan.ID)
	if err != nil {
		out.Waiting = err.Error() // nothing is lost: the request stays open
		return out, nil
	}
	out.Rows = fate.Acked() + fate.States[state.RowSettled] + fate.States[state.RowAccepted]
	switch {
	case fate.Stopped != "":
		out.Waiting = fate.Stopped
	case !fate.Done && fate.States[state.RowAccepted] == 0, out.Rows < plan.Changes:
		out.Waiting = fmt.Sprintf("%s has erased %d of %d", sync.File.Destination, out.Rows, plan.Changes)
		if len(fate.Problems) > 0 {
			out.Waiting += ": " + fate.Problems[0].Message
		}
	}
	return out, nil
}

func (a *app) eraseLanded(ctx context.Context, s *session, sum *erasureSummary) error {
	screen, err := a.screenAll(ctx, s.p, s.state)
	if err != nil {
		return err
	}
	streams, err := landedStreams(s.p)
	if err != nil {
		return err
	}
	lander := parquet.New(parquet.Options{Dir: s.p.RawDir(), Now: a.clock, Log: a.log})
	defer lander.Close()
	for _, st := range streams {
		began := a.clock()
		got, err := lander.Purge(ctx, st[0], st[1], screen.Stream, false)
		if err != nil {
			return err
		}
		if got.Empty() {
			continue
		}
		sum.Landed = append(sum.Landed, got)
		var what []string
		for _, x := range []struct {
			n    int64
			what string
		}{{got.Dropped, "deleted"}, {got.Redacted, "blanked"}, {got.Quarantined, "deleted from quarantine"}} {
			if x.n > 0 {
				what = append(what, console.Count(x.n, "row")+" "+x.what)
			}
		}
		a.con.Step("erase", console.OK, st[0]+"."+st[1], strings.Join(what, ", "), a.since(began))
	}
	return nil
}

// eraseBuilt builds without the person, forgets them in what builds keep by themselves, and builds what reads that.
func (a *app) eraseBuilt(ctx context.Context, s *session, e state.Erasure, sum *erasureSummary) error {
	if _, err := transform.Published(ctx, targetDir(s.p)); errors.Is(err, transform.ErrNothingPublished) {
		return nil
	}
	if err := notHandled(a.build(ctx, s, buildOptions{quiet: true})); err != nil {
		return err
	}
	g, err := a.graph(ctx, s.p, s.now)
	if err != nil {
		return err
	}
	began := a.clock()
	who := subject{Known: e.Person}
	got, err := transform.Scrub(ctx, transform.ScrubParams{Graph: g, Dir: targetDir(s.p), Values: who.values(), Clock: a.clock, Log: a.log})
	if err != nil {
		return err
	}
	sum.Build, sum.Memory, sum.Builds = got.Build, got.Rows, got.Removed
	if len(got.Rows) > 0 {
		if err := notHandled(a.build(ctx, s, buildOptions{quiet: true})); err != nil {
			return err
		}
		more, err := transform.Scrub(ctx, transform.ScrubParams{Graph: g, Dir: targetDir(s.p), Values: who.values(), Clock: a.clock, Log: a.log})
		if err != nil {
			return err
		}
		sum.Build, sum.Builds = more.Build, got.Removed+more.Removed
	}
	a.con.Step("erase", console.OK, "builds", fmt.Sprintf("build %s written anew, %s removed", sum.Build, console.Count(int64(sum.Builds), "earlier build")), a.since(began))
	return nil
}

// notHandled passes over a build that published what it could: what failed its audit failed before.
func notHandled(_ *transform.BuildResult, err error) error {
	if fault.ExitCode(err) == fault.ExitHandled {
		return nil
	}
	return err
}

func newPrivacyLogCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "log",
		Short: "List erasures: request, who carried it out, when, how much",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			p, err := a.project()
			if err != nil {
				return err
			}
			db, err := a.openState(ctx, p)
			if err != nil {
				return err
			}
			type line struct {
				Ticket  string          `json:"ticket"`
				By      string          `json:"by"`
				Reason  string          `json:"reason,omitempty"`
				At      time.Time       `json:"at"`
				Done    time.Time       `json:"done_at,omitzero"`
				Summary json.RawMessage `json:"summary,omitempty"`
			}
			out := []line{}
			if db != nil {
				defer db.Close()
				list, err := db.Erasures.List(ctx)
				if err != nil {
					return err
				}
				for _, e := range list {
					out = append(out, line{e.Ticket, e.By, e.Reason, e.At, e.Done, e.Summary})
				}
			}
			if a.flags.json {
				return a.con.Result(out)
			}
			if len(out) == 0 {
				a.con.Say("Nobody was erased under target %s.", p.Target)
				return nil
			}
			var rows [][]string
			for _, e := range out {
				done := "under way"
				if !e.Done.IsZero() {
					done = e.Done.Format("2006-01-02 15:04")
				}
				rows = append(rows, []string{e.Ticket, e.By, e.At.Format("2006-01-02 15:04"), done, e.Reason})
			}
			a.con.Table([]string{"ticket", "by", "asked (UTC)", "done (UTC)", "reason"}, rows)
			return nil
		},
	}
}
