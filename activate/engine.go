package activate

import (
	"context"
	"log/slog"
	"time"

	"millrace/internal/state"
	"millrace/models/decision"
)

// Engine plans and applies. It is used by one goroutine; the caller holds the target's lock.
type Engine struct {
	State *state.DB
	// Open gives a build by id; an empty id means the one that is published now. Plans pin their build until they end.
	Open func(ctx context.Context, buildID string) (Warehouse, func() error, error)
	// Consent answers from every source there is: the state's own records and the newest published build. It is asked
	// when a plan is made and again for every batch. Nil: from the state's records only.
	Consent func(ctx context.Context, purpose, channel string, subjects []string) (map[string]decision.ConsentState, error)

	Target string    // dev, prod: only prod sends
	RunID  string    // for the record
	By     string    // who asks: an operating-system user, or the schedule
	Now    time.Time // logical time of the run, UTC: what plans and decisions are dated with

	Clock    func() time.Time // for back-off and the journal of attempts
	Sleep    func(context.Context, time.Duration) error
	Rand     func() float64
	Log      *slog.Logger
	Patience time.Duration // longest wait for a retry within one apply; later ones are left to the next run. 0: do not wait

	// Holdout is the share of subjects, of 1, to whom no sync sends anything; 0: none.
	Holdout float64

	// Again plans rows too that were refused, given up or taken back before in the same form: somebody has repaired what
	// was in their way.
	Again bool
	// Only, with Again, plans nothing but rows that were refused or given up: a retry of dead letters, with the values of now.
	Only bool

	// At is called at every step that a crash could follow; an error ends the apply there and then, as a crash would.
	// Nil outside tests.
	At func(point string) error
}

// Target that sends.
const prod = "prod"

func (e *Engine) point(name string) error {
	if e.At == nil {
		return nil
	}
	return e.At(name)
}

func (e *Engine) log() *slog.Logger {
	if e.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Log
}

func (e *Engine) consent(ctx context.Context, purpose, channel string, subjects []string) (map[string]decision.ConsentState, error) {
	if e.Consent != nil {
		return e.Consent(ctx, purpose, channel, subjects)
	}
	return e.State.Consents.Lookup(ctx, purpose, channel, subjects)
}

// gate builds the door for one sync. sending adds what only matters at that moment: kill switches and whether the target
// may send; a plan may be made while both say no, since it sends nothing.
func (e *Engine) gate(s *Sync, sending bool) decision.Gate {
	f := s.File
	allow := decision.Allowance{Workflow: s.Name, Destination: f.Destination, Object: f.Object, Ops: []string{string(Restore), string(Archive), string(Erase)}}
	for _, op := range []Op{Add, Remove} {
		if f.Mode == ModeAudience {
			allow.Ops = append(allow.Ops, string(op))
		}
	}
	for _, op := range s.ops() {
		allow.Ops = append(allow.Ops, string(op))
	}
	for _, x := range s.fields {
		allow.Fields = append(allow.Fields, x.name)
	}
	guards := []decision.Guard{
		decision.AllowGuard(allow),
		decision.ConsentGuard(decision.Basis(f.Consent), e.consent),
		decision.DecisionGuard(e.State.Decisions.Status),
	}
	if p := f.Holdout.Percent; p > 0 {
		salt := f.Holdout.Salt
		if salt == "" {
			salt = s.Name
		}
		guards = append(guards, decision.HoldoutGuard(salt, p/100))
	}
	if e.Holdout > 0 {
		guards = append(guards, decision.HoldoutGuard("everything", e.Holdout))
	}
	if len(f.Caps) > 0 {
		guards = append(guards, capGuard{e.State.Touches, f.Caps, e.logical()})
	}
	if !sending {
		return decision.NewGate(guards[0], guards[1:]...)
	}
	live, why := e.mayLive(s)
	return decision.NewGate(decision.StopGuard(e.State.Switches.Thrown), append([]decision.Guard{decision.LiveGuard(live, why)}, guards...)...)
}

// logical gives a clock that runs from the run's logical time: what windows of time and quiet hours are about.
func (e *Engine) logical() func() time.Time {
	began := e.Clock()
	return func() time.Time { return e.Now.Add(e.Clock().Sub(began)) }
}

// mayLive says whether the sync may send under this target, and why not.
func (e *Engine) mayLive(s *Sync) (bool, string) {
	switch {
	case e.Target != prod:
		return false, "target " + e.Target + " never sends; use --target prod"
	case !s.File.Live:
		return false, s.path + " does not say `live: true`"
	}
	return true, ""
}

func (s *Sync) change(id, subject, decisionID string, op Op, fields []string) decision.Change {
	return decision.Change{ID: id, Subject: subject, Workflow: s.Name, Purpose: s.File.Purpose, Channel: s.File.Channel, Destination: s.File.Destination,
		Object: s.File.Object, Op: string(op), Fields: fields, DecisionID: decisionID}
}

// scope names the ledger of a sync at one account: pointing the sync at another account begins a new one.
func (s *Sync) scope(c Capabilities) string {
	return s.Name + "|" + s.File.Destination + "|" + c.Account + "|" + s.File.Object
}
