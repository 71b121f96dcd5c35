package desttest

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/internal/state"
	"millrace/transform/relation"
)

// Night runs one sync night after night with the real engine over a destination and its simulated system: for the tests
// that say what a destination and the engine do together. Each night is a process of its own: state is opened and closed.
type Night struct {
	T         *testing.T
	File      string // the sync file
	Connector activate.Connector
	Open      func() activate.Destination // one for each process
	Relation  relation.Relation
	Rows      []map[string]any
	At        func(point string) error // see activate.Engine.At
	Clock     time.Time                // moves when the engine waits

	path string
}

// Process runs do with an engine over the night's state, as one process would.
func (n *Night) Process(do func(*activate.Engine, *activate.Sync, activate.Destination) error) error {
	n.T.Helper()
	if n.path == "" {
		n.path = filepath.Join(n.T.TempDir(), "state.db")
	}
	if n.Clock.IsZero() {
		n.Clock = time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)
	}
	db, err := state.Open(context.Background(), n.path)
	if err != nil {
		n.T.Fatal(err)
	}
	defer db.Close()
	s, err := activate.ParseSync("night", "activate/night.yml", []byte(n.File), nil, []activate.Connector{n.Connector})
	if err != nil {
		n.T.Fatal(err)
	}
	e := &activate.Engine{State: db, Target: "prod", RunID: "r", By: "ann", Now: n.Clock, At: n.At, Patience: time.Hour,
		Clock: func() time.Time { return n.Clock }, Rand: func() float64 { return 0.5 },
		Sleep: func(_ context.Context, d time.Duration) error { n.Clock = n.Clock.Add(d); return nil },
		Open: func(context.Context, string) (activate.Warehouse, func() error, error) {
			return &Source{ID: "b" + n.Relation.Version, Rel: n.Relation, Rows: n.Rows}, func() error { return nil }, nil
		}}
	return do(e, s, n.Open())
}

// Whole is a whole night: settle what is open, plan, and apply what the recorded policy lets through.
func (n *Night) Whole() (p *activate.Plan, a *activate.Applied, err error) {
	n.T.Helper()
	err = n.Process(func(e *activate.Engine, s *activate.Sync, d activate.Destination) error {
		if _, err := e.Continue(n.T.Context(), s, d); err != nil {
			return err
		}
		if p, err = e.Plan(n.T.Context(), s, d); err != nil || p.State != state.PlanApproved {
			return err
		}
		a, err = e.Apply(n.T.Context(), s, d, p.ID)
		return err
	})
	return p, a, err
}

// Undo takes a plan back: it plans the way back, approves it as another person, and applies it.
func (n *Night) Undo(plan string) (u *activate.Plan, a *activate.Applied, err error) {
	n.T.Helper()
	err = n.Process(func(e *activate.Engine, s *activate.Sync, d activate.Destination) error {
		if u, err = e.PlanUndo(n.T.Context(), s, d, plan); err != nil {
			return err
		}
		if _, err := e.Approve(n.T.Context(), s, u.ID, "bob", "", true); err != nil {
			return err
		}
		a, err = e.Apply(n.T.Context(), s, d, u.ID)
		return err
	})
	return u, a, err
}

var errCrash = errors.New("crash")

// CrashEverywhere ends the process at each step of the outbox in turn and goes on with new ones: each time the system must
// end as after an undisturbed night, with nothing left to do. make gives a night over a fresh system, and that system's
// digest. It returns the number of steps.
func CrashEverywhere(t *testing.T, make func() (*Night, func() string)) int {
	t.Helper()
	points := 0
	calm, digest := make()
	calm.At = func(string) error { points++; return nil }
	if _, _, err := calm.Whole(); err != nil {
		t.Fatal(err)
	}
	want := digest()
	for i := 1; i <= points; i++ {
		n, digest := make()
		k, where := 0, ""
		n.At = func(p string) error {
			if k++; k == i {
				where = p
				return errCrash
			}
			return nil
		}
		if _, _, err := n.Whole(); !errors.Is(err, errCrash) {
			t.Fatalf("step %d: %v", i, err)
		}
		n.At = nil
		var last *activate.Plan
		for range 2 {
			var err error
			if last, _, err = n.Whole(); err != nil {
				t.Fatalf("after a crash at step %d (%s): %v", i, where, err)
			}
		}
		if digest() != want || last.Verdict != activate.VerdictEmpty {
			t.Errorf("after a crash at step %d (%s) the system differs (%v), or something is left to do: %s", i, where, digest() != want, last.Verdict)
		}
	}
	return points
}

// FailingNights runs nights over a system that misbehaves, calms it after some of them, and fails the test when a night of
// the calm ones does, or when something is left to do at the end.
func FailingNights(t *testing.T, n *Night, nights, calmFrom int, calm func()) {
	t.Helper()
	var last *activate.Plan
	for i := range nights {
		if i == calmFrom {
			calm()
		}
		p, _, err := n.Whole()
		if err != nil && i >= calmFrom {
			t.Fatal(err)
		}
		if p != nil {
			last = p
		}
		if i > calmFrom && err == nil && p != nil && p.Verdict == activate.VerdictEmpty {
			break // a calm night had nothing to do: so would every other
		}
		n.Clock = n.Clock.Add(time.Hour)
	}
	if last == nil || last.Verdict != activate.VerdictEmpty {
		t.Errorf("something is left to do: %+v", last)
	}
}

// NewNight makes a night of a sync over segments.rows. body is the sync file without its first lines; columns are those of
// the relation.
func NewNight(t *testing.T, catalog []activate.Connector, body string, columns []string, open func() activate.Destination) *Night {
	t.Helper()
	n := &Night{T: t, File: "version: 1\nowner: ann\nlive: true\nrelation: segments.rows\n" + body, Open: open, Relation: relation.Relation{Name: "segments.rows", Version: "1"}}
	for _, c := range catalog {
		if strings.Contains("\n"+body, "\ndestination: "+c.Name+"\n") {
			n.Connector = c
		}
	}
	for _, c := range columns {
		n.Relation.Columns = append(n.Relation.Columns, relation.Column{Name: c})
	}
	return n
}
