package activate_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/state"
)

var errCrash = errors.New("crash")

// crashes runs one night with a crash at every step in turn, then nights without one, and compares with a run that was
// never disturbed.
func crashes(t *testing.T, text string, dest func(*desttest.World) activate.Destination, prepare func(*rig)) {
	crashesEvery(t, 1, text, dest, prepare)
}

func crashesEvery(t *testing.T, stride int, text string, dest func(*desttest.World) activate.Destination, prepare func(*rig)) {
	night := func(r *rig) error {
		s, d := r.sync(text), dest(r.world)
		e := r.engine()
		if _, err := e.Continue(t.Context(), s, d); err != nil {
			return err
		}
		p, err := r.engine().Plan(t.Context(), s, d)
		if err != nil || p.State != state.PlanApproved {
			return err
		}
		_, err = r.engine().Apply(t.Context(), s, d, p.ID)
		return err
	}
	points := 0
	calm := newRig(t)
	prepare(calm)
	calm.at = func(string) error { points++; return nil }
	if err := night(calm); err != nil {
		t.Fatal(err)
	}
	if points < 8 {
		t.Fatalf("only %d steps: the enumeration misses something", points)
	}
	want := calm.world.Dump()
	for i := 1; i <= points; i += stride {
		r := newRig(t)
		prepare(r)
		n, where := 0, ""
		r.at = func(p string) error {
			if n++; n == i {
				where = p
				return errCrash
			}
			return nil
		}
		if err := night(r); !errors.Is(err, errCrash) {
			t.Fatalf("step %d: %v", i, err)
		}
		r.at = nil
		for range 2 {
			r.reopen()
			r.clock = r.clock.Add(time.Hour)
			if err := night(r); err != nil {
				t.Fatalf("after a crash at step %d (%s): %v", i, where, err)
			}
		}
		if got := r.world.Dump(); got != want {
			t.Errorf("crash at step %d (%s):\n%s\nwant\n%s", i, where, got, want)
		}
		for k, n := range r.world.Created {
			if n > 1 {
				t.Errorf("crash at step %d (%s): %s was made %d times", i, where, k, n)
			}
		}
		counts, err := r.db.Outbox.Counts(t.Context(), state.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if counts[state.RowRejected] != len(calm.world.Bad) {
			t.Errorf("crash at step %d (%s): %v, and %d rows are bad", i, where, counts, len(calm.world.Bad))
		}
		for st := range counts {
			if st != state.RowAcked && st != state.RowSettled && st != state.RowSuperseded && st != state.RowRejected {
				t.Errorf("crash at step %d (%s): rows left %v", i, where, counts)
			}
		}
	}
	t.Logf("%d steps", points)
}

func TestCrashAtEveryStepRecords(t *testing.T) {
	crashes(t, records, func(w *desttest.World) activate.Destination { return desttest.NewRecords(w, 4) }, func(r *rig) {
		r.world.Put("p01@example.com", map[string]string{"lead_score": "1"})
		r.publish(leads(10, 50)...)
	})
}

func TestCrashAtEveryStepAudience(t *testing.T) {
	crashes(t, audience, func(w *desttest.World) activate.Destination { return desttest.NewAudience(w, 4) }, func(r *rig) {
		r.grant("p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7")
		r.publish(leads(8, 50)...)
	})
}

// One destination of every class of answer: per row and unordered, the whole batch refused with and without the index, only
// counts, a job with results about rows, successes that leave rows out, events with a key that is honoured.
func TestCrashAtEveryStepOfEveryClass(t *testing.T) {
	bad := func(r *rig) {
		r.world.Bad = map[string]string{"p02@example.com": "value too long", "p07@example.com": "value too long"}
		r.publish(leads(10, 50)...)
	}
	rec := func(w *desttest.World) activate.Destination { return desttest.NewRecords(w, 4) }
	for name, c := range map[string]struct {
		text    string
		dest    func(*desttest.World) activate.Destination
		prepare func(*rig)
	}{
		"per row":                {records, rec, bad},
		"whole batch, no index":  {records, rec, func(r *rig) { bad(r); r.world.Whole = true }},
		"whole batch with index": {records, rec, func(r *rig) { bad(r); r.world.Whole, r.world.Names = true, true }},
		"successes that leave rows out": {records, rec, func(r *rig) {
			bad(r)
			r.world.Fault = func(call int, op string) desttest.Fault {
				if op == "send" && call%3 == 0 {
					return desttest.Forgetful
				}
				return desttest.None
			}
		}},
		"only counts": {audience, func(w *desttest.World) activate.Destination { return desttest.NewAudience(w, 4) }, func(r *rig) {
			for i := range 8 {
				r.grant(fmt.Sprint("p", i))
			}
			r.publish(leads(8, 50)...)
		}},
		"a job with results": {records, func(w *desttest.World) activate.Destination { return desttest.NewBulk(w, 4) }, bad},
		"mirror":             {strings.Replace(records, "relation:", "mode: mirror\nrelation:", 1), rec, func(r *rig) { r.publish(leads(9, 50)...) }},
		"insert":             {strings.Replace(records, "relation:", "mode: insert\nrelation:", 1), rec, func(r *rig) { r.publish(leads(9, 50)...) }},
		"events with a key": {strings.Replace(strings.Replace(records, "relation:", "mode: event\nrelation:", 1), "{column: reason, null: clear}", "reason", 1), func(w *desttest.World) activate.Destination { return desttest.NewConversions(w, 4) }, func(r *rig) {
			r.publish(leads(9, 50)...)
		}},
	} {
		stride := 4 // a sample; MILLRACE_SOAK=1 crashes at every single one
		if os.Getenv("MILLRACE_SOAK") != "" {
			stride = 1
		}
		t.Run(name, func(t *testing.T) { crashesEvery(t, stride, c.text, c.dest, c.prepare) })
	}
}

// A destination that can neither be read nor take a row twice: a crash may leave rows unknown, and then says so; it never
// sends one twice and never calls one sent that was not.
func TestCrashAtEveryStepMessages(t *testing.T) {
	for i := 1; i < 40; i++ {
		r := newRig(t)
		r.publish(leads(6, 50)...)
		s, d := r.sync(records), desttest.NewMessages(r.world, 2)
		n, crashed := 0, false
		r.at = func(string) error {
			if n++; n == i {
				crashed = true
				return errCrash
			}
			return nil
		}
		p := r.plan(s, d)
		if _, err := r.engine().Apply(t.Context(), s, d, p.ID); err != nil && !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		r.at = nil
		r.reopen()
		a := r.apply(s, d, p.ID)
		seen := map[string]int{}
		for _, e := range r.world.Events {
			if seen[e]++; seen[e] > 1 {
				t.Errorf("crash at %d: %s was sent twice", i, e)
			}
		}
		if a.Acked()+a.Unknown() != 6 || a.Acked() > len(r.world.Events) {
			t.Errorf("crash at %d: %+v, %d were sent", i, a, len(r.world.Events))
		}
		if !crashed {
			return
		}
	}
	t.Error("the enumeration did not end")
}

// Random schedules of faults, slow jobs, crashes and restarts end as if nothing had happened, for every class of answer. A
// destination that honours keys, or can be looked at, ends without one duplicate; one that does neither is never sent a row
// twice, and what it does not tell is reported as unknown.
func TestRandomFaults(t *testing.T) {
	seeds := 32
	if os.Getenv("MILLRACE_SOAK") != "" {
		seeds = 1000
	}
	given := 0
	for seed := range uint64(seeds) {
		c := answerClasses[seed%uint64(len(answerClasses))]
		rnd := rand.New(rand.NewPCG(seed, 7))
		text := strings.Replace(c.text, "first_run: allow", "first_run: allow, max_changed_pct: 100", 1)
		world := func() *desttest.World {
			w := desttest.NewWorld()
			if c.bad != "" {
				w.Bad = map[string]string{"p04@example.com": "value too long"}
				w.Whole, w.Names = c.bad != "row", c.bad == "named"
			}
			return w
		}
		ready := func(r *rig) {
			for i := range 10 {
				r.grant(fmt.Sprint("p", i))
			}
			r.world = world()
		}
		r := newRig(t)
		ready(r)
		r.publish(leads(10, 50)...)
		s := r.sync(text)
		calm := false
		r.world.Fault = func(_ int, op string) desttest.Fault {
			if calm || rnd.IntN(3) > 0 {
				return desttest.None
			}
			f := desttest.Fault(1 + rnd.IntN(int(desttest.Contradicts)))
			if f == desttest.Forbidden {
				return desttest.None
			}
			return f
		}
		r.at = func(string) error {
			if !calm && rnd.IntN(12) == 0 {
				return errCrash
			}
			for id, j := range r.world.Jobs { // some jobs are slow
				if !calm && rnd.IntN(6) == 0 && j.Polls == 0 {
					j.Polls = rnd.IntN(3)
					r.world.Jobs[id] = j
				}
			}
			return nil
		}
		for n := range 12 {
			calm = n >= 6
			if n == 3 {
				r.publish(leads(10, 60)...)
			}
			if rnd.IntN(3) == 0 {
				r.reopen()
			}
			r.clock = r.clock.Add(time.Hour)
			err := killedNight(r, s, c.open(r.world))
			if err != nil && (calm || !errors.Is(err, errCrash)) {
				t.Fatalf("seed %d (%s) night %d: %v", seed, c.name, n, err)
			}
		}
		counts, err := r.db.Outbox.Counts(t.Context(), state.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		for k, n := range r.world.Created {
			if n > 1 {
				t.Errorf("seed %d (%s): %s was made %d times", seed, c.name, k, n)
			}
		}
		r.db.Close() // a thousand of them
		if c.once {
			// What arrived and what is claimed to have: nothing is claimed that did not arrive, and what is not known is said.
			if told, claimed := len(r.world.Records), counts[state.RowAcked]; claimed > told || told > claimed+counts[state.RowUnknown]+counts[state.RowDead]+counts[state.RowRejected] {
				t.Errorf("seed %d (%s): %d were told, %v", seed, c.name, told, counts)
			}
			continue
		}
		quiet := newRig(t)
		ready(quiet)
		quiet.publish(leads(10, 60)...)
		if strings.Contains(text, "mode: event") { // once is once: the first wish counts
			quiet.publish(leads(10, 50)...)
		}
		quiet.run(quiet.sync(text), c.open(quiet.world))
		quiet.db.Close()
		// Rows that faults used up are dead: they are reported, not sent again in the same form.
		if counts[state.RowDead] > 0 || strings.Contains(text, "mode: event") && len(r.world.Records) == len(quiet.world.Records) {
			given++
			continue
		}
		if got, want := r.world.Dump(), quiet.world.Dump(); got != want {
			t.Errorf("seed %d (%s, %v):\n%s\nwant\n%s", seed, c.name, counts, got, want)
		}
		for _, st := range []string{state.RowInflight, state.RowUnknown, state.RowPending, state.RowRetry, state.RowAccepted} {
			if counts[st] > 0 {
				t.Errorf("seed %d (%s): rows left %v", seed, c.name, counts)
			}
		}
	}
	if given > seeds/2 {
		t.Errorf("%d of %d schedules ended in dead rows: the faults are too harsh for the test to say much", given, seeds)
	}
	t.Logf("%d of %d schedules used up a row's attempts, or told events", given, seeds)
}
