package decision

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Switch is a thrown kill switch.
type Switch struct {
	Scope  string // "all", "destination" or "workflow"
	Name   string // of the destination or workflow; empty for all
	By     string
	Reason string
	At     time.Time
}

func (s Switch) String() string {
	what := "everything"
	if s.Scope != "all" {
		what = s.Scope + " " + s.Name
	}
	out := fmt.Sprintf("%s was stopped by %s at %s", what, s.By, s.At.UTC().Format("2006-01-02 15:04 MST"))
	if s.Reason != "" {
		out += ": " + s.Reason
	}
	return out
}

// Covers reports whether the switch stops a change.
func (s Switch) Covers(c Change) bool {
	switch s.Scope {
	case "all":
		return true
	case "destination":
		return s.Name == c.Destination
	case "workflow":
		return s.Name == c.Workflow
	}
	return true // a switch that this binary does not understand stops everything rather than nothing
}

// StopGuard denies what a thrown switch covers. The switches are looked up at every asking.
func StopGuard(switches func(context.Context) ([]Switch, error)) Guard {
	return guardFunc{"stop", func(ctx context.Context, cs []Change) ([]Verdict, error) {
		on, err := switches(ctx)
		if err != nil {
			return nil, err
		}
		return each(cs, func(c Change) Verdict {
			for _, s := range on {
				if s.Covers(c) {
					return Verdict{Stopped, s.String()}
				}
			}
			return Verdict{}
		}), nil
	}}
}

// ConsentState is what is known of a subject's will for one purpose and channel.
type ConsentState int

// The states. Deny wins over any grant, of whatever date.
const (
	ConsentUnknown ConsentState = iota
	ConsentGranted
	ConsentNo
)

// Basis says what a workflow needs.
type Basis string

// The bases.
const (
	OptIn     Basis = "opt_in"     // only with a recorded yes
	OptOut    Basis = "opt_out"    // unless there is a recorded no
	NotNeeded Basis = "not_needed" // the change is no communication and no processing that needs consent
)

// ConsentGuard denies changes about subjects who said no, and, where the basis is OptIn, about those who said nothing.
// Operations that take a person out or put an earlier value back (remove, archive, restore, erase) always pass: refusing them
// would keep somebody in an audience whom they asked to leave. lookup answers for all subjects of one purpose and channel; a subject left out is unknown.
func ConsentGuard(basis Basis, lookup func(ctx context.Context, purpose, channel string, subjects []string) (map[string]ConsentState, error)) Guard {
	return guardFunc{"consent", func(ctx context.Context, cs []Change) ([]Verdict, error) {
		switch basis {
		case NotNeeded:
			return make([]Verdict, len(cs)), nil
		case OptIn, OptOut:
		default:
			return nil, fmt.Errorf("unknown consent basis %q", basis)
		}
		type question struct{ purpose, channel string }
		asked := map[question][]string{}
		for _, c := range cs {
			if c.Subject != "" {
				q := question{c.Purpose, c.Channel}
				asked[q] = append(asked[q], c.Subject)
			}
		}
		answers := map[question]map[string]ConsentState{}
		for q, subjects := range asked {
			slices.Sort(subjects)
			a, err := lookup(ctx, q.purpose, q.channel, slices.Compact(subjects))
			if err != nil {
				return nil, err
			}
			answers[q] = a
		}
		return each(cs, func(c Change) Verdict {
			if takesBack(c.Op) {
				return Verdict{}
			}
			if c.Subject == "" {
				if basis == OptIn {
					return Verdict{NoSubject, "the row names no subject whose consent could be looked up"}
				}
				return Verdict{}
			}
			switch answers[question{c.Purpose, c.Channel}][c.Subject] {
			case ConsentNo:
				return Verdict{ConsentDenied, fmt.Sprintf("said no to %s by %s", c.Purpose, c.Channel)}
			case ConsentGranted:
				return Verdict{}
			}
			if basis == OptIn {
				return Verdict{NoConsent, fmt.Sprintf("no consent is recorded for %s by %s", c.Purpose, c.Channel)}
			}
			return Verdict{}
		}), nil
	}}
}

// Allowance is what one workflow's file lists.
type Allowance struct {
	Workflow    string
	Destination string
	Object      string
	Ops         []string
	Fields      []string
}

// AllowGuard denies whatever the workflow's own file does not list: another workflow's name, destination, object,
// operation or field.
func AllowGuard(a Allowance) Guard {
	return guardFunc{"allow-list", func(_ context.Context, cs []Change) ([]Verdict, error) {
		return each(cs, func(c Change) Verdict {
			if c.Workflow != a.Workflow || c.Destination != a.Destination || c.Object != a.Object || !slices.Contains(a.Ops, c.Op) {
				return Verdict{NotAllowed, fmt.Sprintf("%s may %s %s in %s only", a.Workflow, strings.Join(a.Ops, ", "), a.Object, a.Destination)}
			}
			for _, f := range c.Fields {
				if !slices.Contains(a.Fields, f) {
					return Verdict{FieldNotAllowed, fmt.Sprintf("%s does not list field %s", a.Workflow, f)}
				}
			}
			return Verdict{}
		}), nil
	}}
}

// LiveGuard denies everything unless sending is allowed: the target is prod and the workflow's file says live.
func LiveGuard(live bool, why string) Guard {
	return guardFunc{"live", func(_ context.Context, cs []Change) ([]Verdict, error) {
		return each(cs, func(Change) Verdict {
			if live {
				return Verdict{}
			}
			return Verdict{NotLive, why}
		}), nil
	}}
}

// Buckets is the number of equal parts into which units are hashed.
const Buckets = 10_000

// Bucket places a unit: the first eight bytes of SHA-256(salt || unit), big-endian, modulo Buckets. It never changes
// for a salt, so a unit never moves between arms (reference: Kohavi et al., Trustworthy Online Controlled
// Experiments, chapter 4, hashing with a salt per experiment).
func Bucket(salt, unit string) int {
	sum := sha256.Sum256([]byte(salt + unit))
	return int(binary.BigEndian.Uint64(sum[:8]) % Buckets)
}

// HoldoutGuard keeps a share of subjects (of 1) untouched, so that what the others do can be measured against them.
// Operations that take somebody out pass.
func HoldoutGuard(salt string, share float64) Guard {
	limit := int(share*Buckets + 0.5)
	return guardFunc{"holdout", func(_ context.Context, cs []Change) ([]Verdict, error) {
		return each(cs, func(c Change) Verdict {
			if c.Subject == "" || takesBack(c.Op) || Bucket(salt, c.Subject) >= limit {
				return Verdict{}
			}
			return Verdict{HeldOut, fmt.Sprintf("in the control group (%.4g %%)", share*100)}
		}), nil
	}}
}

// Status is what the log knows of a decision.
type Status struct {
	Known   bool
	Mode    string
	Held    bool
	Current bool // no newer decision of the same policy about the same subject
}

// DecisionGuard denies changes that carry out a decision which is not in the log, was made in shadow, is held out, or
// has been replaced since. Changes without a decision pass.
func DecisionGuard(lookup func(ctx context.Context, ids []string) (map[string]Status, error)) Guard {
	return guardFunc{"decision", func(ctx context.Context, cs []Change) ([]Verdict, error) {
		var ids []string
		for _, c := range cs {
			if c.DecisionID != "" {
				ids = append(ids, c.DecisionID)
			}
		}
		if len(ids) == 0 {
			return make([]Verdict, len(cs)), nil
		}
		slices.Sort(ids)
		known, err := lookup(ctx, slices.Compact(ids))
		if err != nil {
			return nil, err
		}
		return each(cs, func(c Change) Verdict {
			if c.DecisionID == "" {
				return Verdict{}
			}
			switch s := known[c.DecisionID]; {
			case !s.Known:
				return Verdict{UnknownDecision, "decision " + c.DecisionID + " is not in the log"}
			case !s.Current:
				return Verdict{ReplacedDecision, "decision " + c.DecisionID + " has been replaced by a newer one"}
			case s.Held:
				return Verdict{HeldOut, "decision " + c.DecisionID + " is in the policy's control group"}
			case s.Mode != Live:
				return Verdict{ShadowDecision, "decision " + c.DecisionID + " was made in shadow mode"}
			}
			return Verdict{}
		}), nil
	}}
}

// takesBack names the operations that undo or end something instead of doing it.
func takesBack(op string) bool {
	return op == "remove" || op == "archive" || op == "restore" || op == "erase"
}

type guardFunc struct {
	name  string
	judge func(context.Context, []Change) ([]Verdict, error)
}

func (g guardFunc) Name() string { return g.name }
func (g guardFunc) Judge(ctx context.Context, cs []Change) ([]Verdict, error) {
	return g.judge(ctx, cs)
}

func each(cs []Change, f func(Change) Verdict) []Verdict {
	out := make([]Verdict, len(cs))
	for i, c := range cs {
		out[i] = f(c)
	}
	return out
}
