package decision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func pass(name string) Guard {
	return guardFunc{name, func(_ context.Context, cs []Change) ([]Verdict, error) { return make([]Verdict, len(cs)), nil }}
}

func TestZeroValuesOpenNothing(t *testing.T) {
	if _, err := (Approved{}).Change(); err == nil {
		t.Error("a hand-made Approved was accepted")
	}
	ok, no, err := Gate{}.Judge(t.Context(), []Change{{ID: "a"}})
	if err != nil || len(ok) != 0 || len(no) != 1 || no[0].Reason != GuardFailed {
		t.Errorf("zero gate: %v %v %v", ok, no, err)
	}
}

func TestGuardsThatCannotAnswerDeny(t *testing.T) {
	for name, g := range map[string]Guard{
		"nil":       nil,
		"error":     guardFunc{"x", func(context.Context, []Change) ([]Verdict, error) { return nil, errors.New("store is gone") }},
		"too few":   guardFunc{"x", func(_ context.Context, cs []Change) ([]Verdict, error) { return make([]Verdict, len(cs)-1), nil }},
		"too many":  guardFunc{"x", func(_ context.Context, cs []Change) ([]Verdict, error) { return make([]Verdict, len(cs)+1), nil }},
		"panics":    guardFunc{"x", func(context.Context, []Change) ([]Verdict, error) { panic("defect") }},
		"bad basis": ConsentGuard("maybe", nil),
	} {
		ok, no, err := NewGate(pass("first"), g).Judge(t.Context(), []Change{{ID: "a"}, {ID: "b"}})
		if err != nil || len(ok) != 0 || len(no) != 2 || no[1].Reason != GuardFailed {
			t.Errorf("%s: approved %d, refused %+v, %v", name, len(ok), no, err)
		}
	}
}

// Property: whatever the guards and their order, every change comes back once, and a change is approved exactly when
// no guard denies it.
func TestDenyWins(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := r.IntN(20)
		cs := make([]Change, n)
		denied := make([]bool, n)
		var guards []Guard
		for i := range cs {
			cs[i].ID = fmt.Sprint(i)
		}
		for range 1 + r.IntN(4) {
			deny := make(map[string]bool)
			for i := range cs {
				if r.IntN(3) == 0 {
					deny[cs[i].ID], denied[i] = true, true
				}
			}
			guards = append(guards, guardFunc{"g", func(_ context.Context, cs []Change) ([]Verdict, error) {
				return each(cs, func(c Change) Verdict {
					if deny[c.ID] {
						return Verdict{ConsentDenied, ""}
					}
					return Verdict{}
				}), nil
			}})
		}
		ok, no, err := NewGate(guards[0], guards[1:]...).Judge(t.Context(), cs)
		if err != nil || len(ok)+len(no) != n {
			t.Fatalf("seed %d: %d approved + %d refused of %d, %v", seed, len(ok), len(no), n, err)
		}
		for _, a := range ok {
			c, err := a.Change()
			if err != nil {
				t.Fatal(err)
			}
			if denied[slices.IndexFunc(cs, func(x Change) bool { return x.ID == c.ID })] {
				t.Fatalf("seed %d: %s was denied and approved", seed, c.ID)
			}
		}
	}
}

func TestApprovedCannotBeChangedLater(t *testing.T) {
	fields := []string{"score"}
	ok, _, _ := NewGate(guardFunc{"meddler", func(_ context.Context, cs []Change) ([]Verdict, error) {
		cs[0].Fields[0] = "salary"
		return make([]Verdict, len(cs)), nil
	}}).Judge(t.Context(), []Change{{ID: "a", Fields: fields}})
	fields[0] = "salary"
	c, _ := ok[0].Change()
	if c.Fields[0] != "score" {
		t.Errorf("approved fields became %v", c.Fields)
	}
	c.Fields[0] = "salary"
	if c, _ = ok[0].Change(); c.Fields[0] != "score" {
		t.Errorf("approved fields became %v", c.Fields)
	}
}

func TestCancelledApprovesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ok, no, err := NewGate(guardFunc{"x", func(_ context.Context, cs []Change) ([]Verdict, error) {
		cancel()
		return make([]Verdict, len(cs)), nil
	}}).Judge(ctx, []Change{{ID: "a"}})
	if !errors.Is(err, context.Canceled) || ok != nil || no != nil {
		t.Errorf("%v %v %v", ok, no, err)
	}
}

func TestGuards(t *testing.T) {
	base := Change{ID: "1", Subject: "p1", Workflow: "scores", Purpose: "advertising", Channel: "ads", Destination: "hubspot", Object: "contacts", Op: "upsert", Fields: []string{"score"}}
	with := func(f func(*Change)) Change { c := base; c.Fields = slices.Clone(base.Fields); f(&c); return c }
	consent := func(_ context.Context, purpose, channel string, subjects []string) (map[string]ConsentState, error) {
		if purpose != "advertising" || channel != "ads" || !slices.IsSorted(subjects) {
			return nil, fmt.Errorf("asked %s %s %v", purpose, channel, subjects)
		}
		return map[string]ConsentState{"p1": ConsentGranted, "p2": ConsentNo}, nil
	}
	switches := func(s ...Switch) Guard {
		return StopGuard(func(context.Context) ([]Switch, error) { return s, nil })
	}
	log := DecisionGuard(func(context.Context, []string) (map[string]Status, error) {
		return map[string]Status{"live": {true, Live, false, true}, "shadow": {true, Shadow, false, true}, "old": {true, Live, false, false}, "held": {true, Live, true, true}}, nil
	})
	decided := func(id string) Change { return with(func(c *Change) { c.DecisionID = id }) }
	subject := func(s string) Change { return with(func(c *Change) { c.Subject = s }) }
	for _, c := range []struct {
		name  string
		guard Guard
		in    Change
		want  Reason
	}{
		{"no switch", switches(), base, ""},
		{"all", switches(Switch{Scope: "all"}), base, Stopped},
		{"this destination", switches(Switch{Scope: "destination", Name: "hubspot"}), base, Stopped},
		{"another destination", switches(Switch{Scope: "destination", Name: "slack"}), base, ""},
		{"this workflow", switches(Switch{Scope: "workflow", Name: "scores"}), base, Stopped},
		{"another workflow", switches(Switch{Scope: "workflow", Name: "other"}), base, ""},
		{"a scope from the future", switches(Switch{Scope: "planet"}), base, Stopped},
		{"granted", ConsentGuard(OptIn, consent), base, ""},
		{"denied", ConsentGuard(OptOut, consent), subject("p2"), ConsentDenied},
		{"denied, opt-in", ConsentGuard(OptIn, consent), subject("p2"), ConsentDenied},
		{"denied, but it is a removal", ConsentGuard(OptIn, consent), with(func(c *Change) { c.Subject, c.Op = "p2", "remove" }), ""},
		{"unknown, opt-in", ConsentGuard(OptIn, consent), subject("p3"), NoConsent},
		{"unknown, opt-out", ConsentGuard(OptOut, consent), subject("p3"), ""},
		{"nobody, opt-in", ConsentGuard(OptIn, consent), subject(""), NoSubject},
		{"not needed", ConsentGuard(NotNeeded, nil), subject("p2"), ""},
		{"listed field", AllowGuard(Allowance{"scores", "hubspot", "contacts", []string{"upsert"}, []string{"score"}}), base, ""},
		{"field not listed", AllowGuard(Allowance{"scores", "hubspot", "contacts", []string{"upsert"}, []string{"other"}}), base, FieldNotAllowed},
		{"operation not listed", AllowGuard(Allowance{"scores", "hubspot", "contacts", []string{"update"}, []string{"score"}}), base, NotAllowed},
		{"other object", AllowGuard(Allowance{"scores", "hubspot", "deals", []string{"upsert"}, []string{"score"}}), base, NotAllowed},
		{"live", LiveGuard(true, ""), base, ""},
		{"not live", LiveGuard(false, "target dev"), base, NotLive},
		{"all held out", HoldoutGuard("s", 1), base, HeldOut},
		{"none held out", HoldoutGuard("s", 0), base, ""},
		{"decision live", log, decided("live"), ""},
		{"decision shadow", log, decided("shadow"), ShadowDecision},
		{"decision old", log, decided("old"), ReplacedDecision},
		{"decision held", log, decided("held"), HeldOut},
		{"decision unknown", log, decided("d_made_up"), UnknownDecision},
		{"no decision", log, base, ""},
	} {
		vs, err := c.guard.Judge(t.Context(), []Change{c.in})
		if err != nil || len(vs) != 1 || vs[0].Deny != c.want {
			t.Errorf("%s: %v %v, want %q", c.name, vs, err, c.want)
		}
		if c.want != "" && vs[0].Detail == "" && c.name != "not live" {
			t.Errorf("%s: no sentence for a person", c.name)
		}
	}
}

func TestBucketIsFairAndSalted(t *testing.T) {
	const n = 50_000
	in, both := 0, 0
	for i := range n {
		u := fmt.Sprintf("person-%d", i)
		if Bucket("a", u) < 1000 {
			in++
			if Bucket("b", u) < 1000 {
				both++
			}
		}
	}
	// 10 % with a standard deviation of 67; four of them.
	if in < n/10-270 || in > n/10+270 {
		t.Errorf("%d of %d held out, want about 10 %%", in, n)
	}
	if both < in/10-90 || both > in/10+90 {
		t.Errorf("%d of %d are held out under another salt too, want about 10 %%: salts are not independent", both, in)
	}
}

func TestIdentity(t *testing.T) {
	in := map[string]Value{"score": json.RawMessage("81"), "country": json.RawMessage(`"DE"`)}
	d := Decision{Policy: "p", Version: "v", Subject: "s", Inputs: in, InputsHash: HashInputs(in), Choice: "sales", Mode: Shadow, DecidedAt: time.Unix(0, 0)}
	first := Identify(d, "")
	d.DecidedAt = time.Unix(99, 0)
	if again := Identify(d, ""); again.ID != first.ID {
		t.Error("the clock changed the id (P4)")
	}
	if !d.SameAs(first) {
		t.Error("the same answer to the same inputs is not the same decision")
	}
	if later := Identify(d, first.ID); later.ID == first.ID {
		t.Error("coming back to earlier inputs must be a new decision")
	}
	for name, change := range map[string]func(*Decision){
		"choice": func(d *Decision) { d.Choice = "nurture" }, "mode": func(d *Decision) { d.Mode = Live },
		"inputs": func(d *Decision) {
			d.InputsHash = HashInputs(map[string]Value{"score": json.RawMessage("8"), "country": json.RawMessage(`1"DE"`)})
		},
	} {
		x := first
		change(&x)
		if x.SameAs(first) || Identify(x, "").ID == first.ID {
			t.Errorf("%s does not matter to the identity", name)
		}
	}
}
