// Package desttest defines what a destination is. Run is the conformance suite that each one passes against its simulated
// outside system; Fake is a world in memory with the ugly answers that outside systems give, for tests of the engine.
package desttest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"millrace/activate"
	"millrace/internal/httpx"
)

// Disturbance is a way in which the simulated system misbehaves, as the suite asks for it.
type Disturbance string

// The disturbances, each for the next write call only unless Always is asked for.
const (
	Rate      Disturbance = "rate"      // refused by a limit
	Down      Disturbance = "down"      // the connection ends before anything was done
	LostReply Disturbance = "lost"      // the connection ends after everything was done
	Truncated Disturbance = "truncated" // everything was done; the body ends in the middle
	Empty     Disturbance = "empty"     // a success without results, nothing done
	ErrorBody Disturbance = "error"     // a success with an error inside, nothing done
	Expired   Disturbance = "expired"   // the credentials have ended
)

// Harness is one destination with its simulated system.
type Harness struct {
	// Open makes the destination over a fresh system. Retries must be switched off or quick; the clock may be faked.
	Open func(t *testing.T) (activate.Destination, System)
	// Target is a target that fits. Its Ops are tried in their order.
	Target activate.Target
	// Row is the i-th valid row.
	Row func(i int) (key string, values map[string]json.RawMessage)
	// Rows is how many different rows there are, at least 2; 0: any number. A destination that only changes what is there
	// (Update) has as many as its simulated system holds.
	Rows int
	// Bad is a row that the destination refuses although its target fits; nil when there is no such thing.
	Bad func() (key string, values map[string]json.RawMessage)
	// Misfits are targets that Check must refuse.
	Misfits []activate.Target
	// Secrets must not occur in any error.
	Secrets []string
	// Lacks are disturbances that cannot occur or cannot be told from a good answer, each for a reason that the test says.
	Lacks []Disturbance
}

// System is the simulated outside system of one test.
type System interface {
	// Disturb makes the next write call go wrong; always makes every one.
	Disturb(d Disturbance, always bool)
	// Calm ends all disturbances.
	Calm()
	// Digest changes when what the system holds changes.
	Digest() string
}

// Run runs the suite. A part that is about something which the destination does not have passes with a word about it: no
// test is left out then.
func Run(t *testing.T, h Harness) {
	caps := func(t *testing.T, d activate.Destination) activate.Capabilities {
		t.Helper()
		c, err := d.Capabilities(h.Target.Object)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	open := func(t *testing.T) (activate.Destination, System) {
		t.Helper()
		d, sys := h.Open(t)
		if err := d.Check(t.Context(), h.Target); err != nil {
			t.Fatalf("Check refuses a target that fits: %v", err)
		}
		return d, sys
	}
	batch := func(n int) activate.Batch {
		b := activate.Batch{Target: h.Target, Op: h.Target.Ops[len(h.Target.Ops)-1]}
		if h.Rows > 0 {
			n = min(n, h.Rows)
		}
		for i := range n {
			key, values := h.Row(i)
			b.Rows = append(b.Rows, activate.Row{ID: fmt.Sprint("row-", i), IdemKey: fmt.Sprint("idem-", i), Key: key, Values: values})
		}
		return b
	}
	clean := func(t *testing.T, err error) {
		t.Helper()
		for _, s := range h.Secrets {
			if err != nil && strings.Contains(err.Error(), s) {
				t.Errorf("an error holds a secret: %v", err)
			}
		}
	}

	t.Run("declares itself", func(t *testing.T) {
		d, _ := h.Open(t)
		c := caps(t, d)
		if c.Account == "" || c.MaxBatch < 1 || len(c.Ops) == 0 {
			t.Errorf("%+v", c)
		}
		_, reads := d.(activate.Reader)
		_, polls := d.(activate.Poller)
		if c.Undo == activate.UndoExact && !reads {
			t.Error("exact undo needs a Reader")
		}
		_, settles := d.(activate.Settler)
		if !c.PerRow && !polls {
			t.Error("a destination that does not answer about rows needs a Poller")
		}
		if settles && !c.PerRow {
			t.Error("a Settler answers about each row: declare PerRow")
		}
		if c.Undo == activate.UndoInverse && !(slices.Contains(c.Ops, activate.Add) && slices.Contains(c.Ops, activate.Remove)) {
			t.Error("inverse undo needs both operations")
		}
		for _, op := range h.Target.Ops {
			if !slices.Contains(c.Ops, op) {
				t.Errorf("the target uses %s, which is not declared", op)
			}
		}
	})

	t.Run("refuses what does not fit before anything is sent", func(t *testing.T) {
		for _, m := range h.Misfits {
			d, sys := h.Open(t)
			before := sys.Digest()
			if err := d.Check(t.Context(), m); err == nil {
				t.Errorf("%+v was accepted", m)
			}
			if sys.Digest() != before {
				t.Error("Check changed something")
			}
		}
	})

	t.Run("one result for each row of a full batch", func(t *testing.T) {
		d, sys := open(t)
		c := caps(t, d)
		before := sys.Digest()
		b := batch(min(c.MaxBatch, 100))
		a, err := d.Send(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		want := activate.Acked
		if !c.PerRow {
			want = activate.Accepted
			if a.JobID == "" {
				t.Error("accepted without a job")
			}
		}
		seen := map[string]int{}
		_, settles := d.(activate.Settler)
		for _, r := range a.Results {
			seen[r.ID]++
			if r.Status != want && !(settles && a.JobID != "" && r.Status == activate.Accepted) {
				t.Errorf("%+v", r)
			}
		}
		if len(seen) != len(b.Rows) || len(a.Results) != len(b.Rows) {
			t.Errorf("%d results about %d rows for %d rows", len(a.Results), len(seen), len(b.Rows))
		}
		for _, r := range settled(t, d, b, a) {
			if r.Status != activate.Acked {
				t.Errorf("at the end of the job: %+v", r)
			}
		}
		if sys.Digest() == before {
			t.Error("nothing was written")
		}
		if p, ok := d.(activate.Poller); ok && a.JobID != "" {
			for i := 0; ; i++ {
				st, err := p.Poll(t.Context(), a.JobID, len(b.Rows))
				if err != nil || i > 20 {
					t.Fatalf("job does not end: %+v %v", st, err)
				}
				if st.Done {
					if st.Failed || st.Reported == nil || *st.Reported != len(b.Rows) {
						t.Errorf("%+v", st)
					}
					break
				}
			}
		}
	})

	t.Run("sending again has the declared effect", func(t *testing.T) {
		d, sys := open(t)
		if !caps(t, d).Repeat {
			t.Log("the destination declares that rows must not be sent twice")
			return
		}
		b := batch(3)
		a, err := d.Send(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		settled(t, d, b, a)
		once := sys.Digest()
		if a, err = d.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		settled(t, d, b, a)
		if sys.Digest() != once {
			t.Error("the second sending changed something")
		}
	})

	t.Run("a bad row spoils itself only, or is named, or nothing is written", func(t *testing.T) {
		if h.Bad == nil {
			t.Log("the destination refuses no single row")
			return
		}
		d, sys := open(t)
		before := sys.Digest()
		b := batch(4)
		last := len(b.Rows) - 1
		badID := b.Rows[last].ID
		b.Rows[last].Key, b.Rows[last].Values = h.Bad()
		a, err := d.Send(t.Context(), b)
		clean(t, err)
		if err != nil {
			if sys.Digest() != before {
				t.Errorf("the call failed and wrote: %v", err)
			}
			if httpx.ClassOf(err) != httpx.Permanent && !isRefused(err, badID) {
				t.Errorf("class %q, and no row is named: %v", httpx.ClassOf(err), err)
			}
			return
		}
		results := a.Results
		if late := settled(t, d, b, a); late != nil {
			results = late
		}
		for _, r := range results {
			if bad := r.ID == badID; bad != (r.Status == activate.Rejected) {
				t.Errorf("%+v", r)
			}
			if r.ID == badID && r.Message == "" {
				t.Error("a refusal without a reason")
			}
		}
	})

	for _, c := range []struct {
		what    Disturbance
		always  bool
		classes []httpx.Class // of the error; nil: no error is needed
		wrote   bool
	}{
		{Rate, true, []httpx.Class{httpx.Rate}, false},
		{Down, true, []httpx.Class{httpx.Transient, httpx.Unknown}, false},
		{LostReply, false, []httpx.Class{httpx.Unknown}, true},
		{Truncated, false, []httpx.Class{httpx.Unknown, ""}, true},
		{Expired, true, []httpx.Class{httpx.Auth}, false},
		{ErrorBody, true, nil, false},
		{Empty, true, nil, false},
	} {
		t.Run("disturbed: "+string(c.what), func(t *testing.T) {
			if slices.Contains(h.Lacks, c.what) {
				t.Log("this system does not misbehave like that")
				return
			}
			d, sys := open(t)
			before := sys.Digest()
			sys.Disturb(c.what, c.always)
			a, err := d.Send(t.Context(), batch(3))
			sys.Calm()
			clean(t, err)
			if wrote := sys.Digest() != before; wrote != c.wrote {
				t.Fatalf("the simulated system wrote: %v, the suite expects %v", wrote, c.wrote)
			}
			if c.classes != nil && (err == nil || !slices.Contains(c.classes, httpx.ClassOf(err))) {
				t.Errorf("class %q, want one of %q: %v", httpx.ClassOf(err), c.classes, err)
			}
			if !c.wrote {
				for _, r := range a.Results {
					if r.Status == activate.Acked || r.Status == activate.Accepted {
						t.Errorf("nothing was written, and the row is %s", r.Status)
					}
				}
			}
		})
	}

	t.Run("a limit that is met once is waited for", func(t *testing.T) {
		d, sys := open(t)
		sys.Disturb(Rate, false)
		a, err := d.Send(t.Context(), batch(2))
		if err != nil || len(a.Results) != 2 {
			t.Errorf("%+v %v", a, err)
		}
	})

	t.Run("reads what was written", func(t *testing.T) {
		d, _ := h.Open(t)
		reader, ok := d.(activate.Reader)
		if !ok {
			t.Log("the destination cannot be read")
			return
		}
		b := batch(3)
		there := b.Op == activate.Update // an update changes what is there already
		got, err := reader.Read(t.Context(), h.Target, b.Rows)
		if err != nil || len(got) != len(b.Rows) {
			t.Fatalf("%+v %v", got, err)
		}
		for id, r := range got {
			if r.Exists && !there {
				t.Errorf("%s is there before it was written", id)
			}
		}
		two := activate.Batch{Target: b.Target, Op: b.Op, Rows: b.Rows[:2]}
		a, err := d.Send(t.Context(), two)
		if err != nil {
			t.Fatal(err)
		}
		settled(t, d, two, a)
		if got, err = reader.Read(t.Context(), h.Target, b.Rows); err != nil {
			t.Fatal(err)
		}
		for i, r := range b.Rows {
			rec := got[r.ID]
			if rec.Exists != (there || i < 2) || rec.Exists && rec.RemoteID == "" {
				t.Errorf("%s: %+v", r.ID, rec)
			}
			for f, v := range r.Values {
				if rec.Exists && i < 2 && !reader.Same(v, rec.Values[f]) {
					t.Errorf("%s.%s: wrote %s, reads %s, and Same says no", r.ID, f, v, rec.Values[f])
				}
				if rec.Exists && reader.Same(json.RawMessage(`"certainly something else"`), rec.Values[f]) {
					t.Errorf("%s.%s: Same says yes to anything", r.ID, f)
				}
			}
		}
		if reader.Same(json.RawMessage("null"), json.RawMessage(`"x"`)) || !reader.Same(json.RawMessage("null"), nil) {
			t.Error("Same and nothing")
		}
	})

	t.Run("update makes nothing, archive takes away", func(t *testing.T) {
		d, sys := h.Open(t)
		c := caps(t, d)
		reader, ok := d.(activate.Reader)
		if !ok || !slices.Contains(c.Ops, activate.Update) || !slices.Contains(c.Ops, activate.Archive) {
			t.Log("the destination does not declare both")
			return
		}
		if err := d.Check(t.Context(), h.Target); err != nil {
			t.Fatal(err)
		}
		before := sys.Digest()
		b := batch(2)
		b.Op = activate.Update
		a, err := d.Send(t.Context(), b)
		if sys.Digest() != before {
			t.Error("update made a record")
		}
		if err == nil {
			for _, r := range a.Results {
				if r.Status == activate.Acked {
					t.Errorf("update of a record that is not there: %+v", r)
				}
			}
		}
		b.Op = activate.Upsert
		if _, err := d.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		recs, err := reader.Read(t.Context(), h.Target, b.Rows)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range b.Rows {
			b.Rows[i].RemoteID = recs[r.ID].RemoteID
		}
		b.Op = activate.Archive
		if a, err = d.Send(t.Context(), b); err != nil || len(a.Results) != 2 {
			t.Fatalf("%+v %v", a, err)
		}
		for i := range b.Rows {
			b.Rows[i].RemoteID = ""
		}
		if recs, err = reader.Read(t.Context(), h.Target, b.Rows); err != nil || recs["row-0"].Exists || recs["row-1"].Exists {
			t.Errorf("still there: %+v %v", recs, err)
		}
	})

	t.Run("insert makes what is not there, and nothing else", func(t *testing.T) {
		d, sys := h.Open(t)
		c := caps(t, d)
		reader, ok := d.(activate.Reader)
		if !ok || !slices.Contains(h.Target.Ops, activate.Insert) || !slices.Contains(c.Ops, activate.Upsert) {
			t.Log("the destination does not insert records that it can also write by key")
			return
		}
		if err := d.Check(t.Context(), h.Target); err != nil {
			t.Fatal(err)
		}
		b := batch(1)
		b.Op = activate.Insert
		a, err := d.Send(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		settled(t, d, b, a)
		once := sys.Digest()
		recs, err := reader.Read(t.Context(), h.Target, b.Rows)
		if err != nil || !recs["row-0"].Exists {
			t.Fatalf("not there: %+v %v", recs, err)
		}
		_, other := h.Row(1)
		b.Rows[0].ID, b.Rows[0].IdemKey, b.Rows[0].Values = "row-again", "idem-again", other
		a, err = d.Send(t.Context(), b)
		results := a.Results
		if late := settled(t, d, b, a); late != nil {
			results = late
		}
		for _, r := range results {
			if r.Status == activate.Acked {
				t.Errorf("a record that is there was inserted again: %+v %v", r, err)
			}
		}
		if sys.Digest() != once {
			t.Error("insert changed a record that was there")
		}
	})

	t.Run("an event counts once", func(t *testing.T) {
		d, sys := open(t)
		if !slices.Contains(h.Target.Ops, activate.Event) || !caps(t, d).Repeat {
			t.Log("the destination takes no events that carry a key of their own")
			return
		}
		b := batch(2)
		b.Op = activate.Event
		if _, err := d.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		once := sys.Digest()
		for i := range b.Rows {
			b.Rows[i].ID = fmt.Sprint("later-", i) // another night, the same business event
		}
		if _, err := d.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if sys.Digest() != once {
			t.Error("the same events under the same keys counted twice")
		}
	})

	t.Run("describes its fields", func(t *testing.T) {
		d, _ := open(t)
		describer, ok := d.(activate.Describer)
		if !ok {
			t.Log("the destination does not say what its fields take")
			return
		}
		infos, err := describer.Describe(t.Context(), h.Target.Object)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range h.Target.Fields {
			i := slices.IndexFunc(infos, func(x activate.FieldInfo) bool { return x.Name == f })
			if i < 0 || infos[i].ReadOnly {
				t.Errorf("field %s of a target that fits is not described, or cannot be written", f)
			}
		}
	})

	t.Run("erasing forgets, and what is not there is forgotten", func(t *testing.T) {
		d, _ := open(t)
		eraser, ok := d.(activate.Eraser)
		if !ok {
			t.Log("the destination cannot erase")
			return
		}
		b := batch(2)
		one := activate.Batch{Target: b.Target, Op: b.Op, Rows: b.Rows[:1]}
		a, err := d.Send(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		settled(t, d, one, a)
		if a, err = eraser.Erase(t.Context(), h.Target, b.Rows); err != nil || len(a.Results) != 2 {
			t.Fatalf("%+v %v", a, err)
		}
		for _, r := range a.Results {
			if r.Status != activate.Acked && r.Status != activate.Accepted {
				t.Errorf("%+v", r)
			}
		}
		if reader, ok := d.(activate.Reader); ok {
			if recs, err := reader.Read(t.Context(), h.Target, b.Rows); err != nil || recs["row-0"].Exists {
				t.Errorf("still there: %+v %v", recs, err)
			}
		}
	})

	t.Run("keys have one spelling", func(t *testing.T) {
		d, _ := h.Open(t)
		k, ok := d.(activate.Keyer)
		if !ok {
			t.Log("keys are taken as they are")
			return
		}
		key, _ := h.Row(0)
		one, err := k.NormalKey(h.Target, key)
		if err != nil {
			t.Fatal(err)
		}
		if two, err := k.NormalKey(h.Target, " "+one+" "); err != nil || two != one {
			t.Errorf("%q then %q, %v", one, two, err)
		}
		if _, err := k.NormalKey(h.Target, ""); err == nil {
			t.Error("an empty key is a key")
		}
	})
}

// settled asks until the job of an answer has ended, and gives what it says about its rows; nil when there is no such job.
func settled(t *testing.T, d activate.Destination, b activate.Batch, a activate.Answer) []activate.Result {
	t.Helper()
	s, ok := d.(activate.Settler)
	if !ok || a.JobID == "" {
		return nil
	}
	for range 50 {
		r, err := s.Settle(t.Context(), b.Target, b.Op, a.JobID, b.Rows)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Done {
			continue
		}
		seen := map[string]bool{}
		for _, x := range r.Results {
			seen[x.ID] = true
		}
		if len(seen) != len(b.Rows) || len(r.Results) != len(b.Rows) {
			t.Errorf("the job ended with %d results about %d rows for %d rows", len(r.Results), len(seen), len(b.Rows))
		}
		return r.Results
	}
	t.Fatal("the job does not end")
	return nil
}

func isRefused(err error, id string) bool {
	for e := err; e != nil; {
		if r, ok := e.(*activate.RefusedRows); ok {
			return r.Rows[id] != ""
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		e = u.Unwrap()
	}
	return false
}
