package activate_test

import (
	"fmt"
	"strings"
	"testing"

	"millrace/activate/desttest"
	"millrace/internal/state"
)

func TestUndo(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(strings.Replace(records, "first_run: allow", "first_run: allow, max_changed_pct: 100", 1)), desttest.NewRecords(r.world, 4)
	for i := range 6 { // six are in the CRM already, two of them with a score that somebody gave
		r.world.Put(fmt.Sprintf("p%02d@example.com", i), map[string]string{"name": `"x"`})
	}
	r.world.Put("p00@example.com", map[string]string{"lead_score": "1"})
	r.world.Put("p01@example.com", map[string]string{"lead_score": "51"}) // equal to ours: nothing will be written
	before := r.world.Dump()
	r.publish(leads(10, 50)...)
	p, _ := r.run(s, d)
	if len(r.world.Records) != 10 {
		t.Fatal(r.world.Dump())
	}
	r.world.Put("p02@example.com", map[string]string{"lead_score": "1000"}) // edited since
	r.world.Put("p08@example.com", map[string]string{"why": `"mine"`})      // ours, edited since: must not be archived
	u, err := r.engine().PlanUndo(t.Context(), s, d, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if u.State != state.PlanWaiting || u.Ops["restore"] != 6 || u.Ops["archive"] != 3 || len(u.Conflicts) != 2 {
		t.Fatalf("%+v", u)
	}
	if _, err := r.engine().Approve(t.Context(), s, u.ID, "ann", "wrong mapping", true); err != nil {
		t.Fatal(err)
	}
	a := r.apply(s, d, u.ID)
	if !a.Done || a.Acked() != 9 {
		t.Errorf("%+v", a)
	}
	after := r.world.Dump()
	want := strings.Replace(before, "p02@example.com name=\"x\"", "p02@example.com lead_score=1000 name=\"x\"", 1) + "\n" + `p08@example.com lead_score=58 why="mine"`
	if after != want {
		t.Errorf("got\n%s\nwant\n%s", after, want)
	}
	// What was taken back is not sent again by the next night ...
	if q, _ := r.run(s, d); q.Changes != 0 {
		t.Errorf("the next night repeats the mistake: %+v", q)
	}
	// ... but what is corrected is.
	r.publish(leads(10, 70)...)
	if q, a := r.run(s, d); a == nil || a.Acked() != 10 || r.world.Records["p00@example.com"].Values["lead_score"] != "70" {
		t.Errorf("%+v %+v", q, a)
	}
}

func TestUndoOfAnAudience(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(audience), desttest.NewAudience(r.world, 4)
	r.grant("p0", "p1", "p2", "p3", "p4", "p5")
	r.publish(leads(6, 50)[:3]...)
	r.run(s, d)
	before := r.world.Dump()
	r.publish(append(leads(6, 50)[1:2], leads(6, 50)[3:]...)...)
	p, _ := r.run(s, d)
	r.deny("p2") // must not be put back
	u, err := r.engine().PlanUndo(t.Context(), s, d, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.engine().Approve(t.Context(), s, u.ID, "bob", "", true); err != nil {
		t.Fatal(err)
	}
	a := r.apply(s, d, u.ID)
	want := strings.Join(strings.Split(before, "\n")[:2], "\n")
	if got := r.world.Dump(); got != want || a.States[state.RowCancelled] != 1 {
		t.Errorf("got\n%s\nwant\n%s\n%+v", got, want, a)
	}
}

// When somebody else makes the record while our lost write did not take effect, undo must not take that record away.
func TestLostAnswerAndSomebodyElsesRecord(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 10)
	r.publish(leads(1, 50)...)
	calls := 0
	r.world.Fault = func(_ int, op string) desttest.Fault {
		if op == "send" {
			if calls++; calls == 1 {
				return desttest.Swallowed
			}
		}
		return desttest.None
	}
	r.at = func(point string) error {
		if point == "batch:recorded" && calls == 1 {
			r.world.Put("p00@example.com", map[string]string{"lead_score": "3", "name": `"theirs"`})
		}
		return nil
	}
	p, a := r.run(s, d)
	if a.Acked() != 1 {
		t.Fatalf("%+v", a)
	}
	u, err := r.engine().PlanUndo(t.Context(), s, d, p.ID)
	if err != nil || u.Ops["archive"] != 0 || u.Ops["restore"] != 1 {
		t.Fatalf("%+v %v", u, err)
	}
	if _, err := r.engine().Approve(t.Context(), s, u.ID, "bob", "", true); err != nil {
		t.Fatal(err)
	}
	r.apply(s, d, u.ID)
	if got := r.world.Dump(); got != `p00@example.com lead_score=3 name="theirs"` {
		t.Error(got)
	}
}
