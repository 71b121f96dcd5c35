package decision

import (
	"context"
	"fmt"
	"slices"
)

// Change is one thing that somebody wants to send, small enough to be judged by the million: whether it comes from a
// decision, a segment or a field sync makes no difference to the gate.
type Change struct {
	ID          string   // the sender's own id, unique within one asking
	Subject     string   // person or account, as the consent records name it; empty when the change is about nobody
	Workflow    string   // the sync or workflow that asks
	Purpose     string   // what for: marketing, advertising, sales, service
	Channel     string   // through what: email, ads, crm, chat
	Destination string   // which outside system
	Object      string   // which kind of thing in it
	Op          string   // upsert, update, archive, add, remove
	Fields      []string // what would be written, by the destination's names
	DecisionID  string   // the decision that this carries out, if any
}

// Reason says why a change was refused: one of a short list that can be counted, beside a sentence for a person.
type Reason string

// The reasons. They are stored and shown; a name is never given another meaning.
const (
	Stopped          Reason = "stopped"           // a kill switch is thrown
	NotLive          Reason = "not_live"          // the target or the file does not allow sending
	NoConsent        Reason = "no_consent"        // consent is needed and none is known
	ConsentDenied    Reason = "consent_denied"    // the subject said no
	HeldOut          Reason = "holdout"           // the subject is in a control group
	FieldNotAllowed  Reason = "field_not_allowed" // the workflow's file does not list the field
	NotAllowed       Reason = "not_allowed"       // the workflow's file does not list the destination, object or operation
	ShadowDecision   Reason = "shadow"            // the decision was made beside people, not instead of them
	UnknownDecision  Reason = "unknown_decision"  // the decision is not in the log
	ReplacedDecision Reason = "replaced_decision" // the subject has a newer decision
	GuardFailed      Reason = "guard_failed"      // a guard could not answer; that is a no
	NoSubject        Reason = "no_subject"        // consent is needed and the row names nobody
)

// Verdict is a guard's answer about one change. The zero value lets it pass.
type Verdict struct {
	Deny   Reason // empty: this guard has nothing against it
	Detail string // for a person
}

// Guard judges changes. Judge returns one verdict for each change, in order; it is called once when a plan is made and
// again at the moment of sending, so it must look its facts up each time. An error, or a wrong number of verdicts, is
// a no to all of them. A guard is called by one goroutine at a time.
type Guard interface {
	Name() string
	Judge(ctx context.Context, cs []Change) ([]Verdict, error)
}

// Refusal is a change that was not let through.
type Refusal struct {
	Change Change
	Reason Reason
	Guard  string
	Detail string
}

// Approved is a change that a gate has let through. Only Gate.Judge makes one that is valid: its fields cannot be set
// from outside, and the zero value opens nothing.
type Approved struct {
	change Change
	gate   *seal
}

// seal proves that an Approved came from a gate; its address is the proof.
type seal struct{ guards []string }

// Change gives what was approved, or an error for a value that no gate made.
func (a Approved) Change() (Change, error) {
	if a.gate == nil {
		return Change{}, fmt.Errorf("this change was not approved by a gate; ask Gate.Judge")
	}
	c := a.change
	c.Fields = slices.Clone(c.Fields)
	return c, nil
}

// Gate is the only door to the outside (P5). Its zero value refuses everything.
type Gate struct {
	seal   *seal
	guards []Guard
}

// NewGate builds a gate from at least one guard. A nil guard is a guard that always fails.
func NewGate(first Guard, rest ...Guard) Gate {
	g := Gate{seal: &seal{}, guards: append([]Guard{first}, rest...)}
	for _, x := range g.guards {
		g.seal.guards = append(g.seal.guards, nameOf(x))
	}
	return g
}

func nameOf(g Guard) string {
	if g == nil {
		return "missing guard"
	}
	return g.Name()
}

// Guards lists the names of the gate's guards in the order in which they are asked.
func (g Gate) Guards() []string {
	if g.seal == nil {
		return nil
	}
	return slices.Clone(g.seal.guards)
}

// Judge asks every guard about every change that is still standing; one no is enough, whatever the others say. Every
// change comes back exactly once, approved or refused, each list in the order of the input. The first guard that
// says no gives the reason. The error is the context's: then nothing is approved.
func (g Gate) Judge(ctx context.Context, cs []Change) ([]Approved, []Refusal, error) {
	verdicts := make([]Refusal, len(cs)) // Reason empty: standing
	standing := make([]int, len(cs))
	for i := range cs {
		standing[i] = i
	}
	refuse := func(i int, guard string, r Reason, detail string) {
		verdicts[i] = Refusal{Change: cs[i], Reason: r, Guard: guard, Detail: detail}
	}
	if g.seal == nil || len(g.guards) == 0 {
		for i := range cs {
			refuse(i, "gate", GuardFailed, "the gate has no guards, so it lets nothing through")
		}
		standing = nil
	}
	for _, guard := range g.guards {
		if len(standing) == 0 {
			break
		}
		ask := make([]Change, len(standing))
		for k, i := range standing {
			ask[k] = cs[i]
			ask[k].Fields = slices.Clone(cs[i].Fields) // a guard must not change what is judged
		}
		vs, err := judge(ctx, guard, ask)
		if err == nil && len(vs) != len(ask) {
			err = fmt.Errorf("it gave %d answers to %d changes", len(vs), len(ask))
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		var left []int
		for k, i := range standing {
			switch {
			case err != nil:
				refuse(i, nameOf(guard), GuardFailed, fmt.Sprintf("guard %s could not answer: %v", nameOf(guard), err))
			case vs[k].Deny != "":
				refuse(i, nameOf(guard), vs[k].Deny, vs[k].Detail)
			default:
				left = append(left, i)
			}
		}
		standing = left
	}
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	approved := make([]Approved, 0, len(standing))
	var refused []Refusal
	for i, c := range cs {
		if verdicts[i].Reason != "" {
			refused = append(refused, verdicts[i])
			continue
		}
		c.Fields = slices.Clone(c.Fields)
		approved = append(approved, Approved{change: c, gate: g.seal})
	}
	return approved, refused, nil
}

func judge(ctx context.Context, g Guard, cs []Change) (vs []Verdict, err error) {
	if g == nil {
		return nil, fmt.Errorf("it is missing")
	}
	// A defect in a guard must not open the door.
	defer func() {
		if p := recover(); p != nil {
			vs, err = nil, fmt.Errorf("it failed: %v", p)
		}
	}()
	return g.Judge(ctx, cs)
}
