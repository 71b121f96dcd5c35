package activate_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/state"
)

// One destination of every class of answer, as the process that is killed opens it.
var answerClasses = []struct {
	name, text string
	abilities  []string
	open       func(*desttest.World) activate.Destination
	bad        string // how bad rows are refused: "", "row", "whole", "named"
	faults     desttest.Fault
	once       bool // rows may stay unknown, and none may be sent twice
}{
	{name: "per row", text: records, abilities: []string{"read"}, open: crm, bad: "row"},
	{name: "whole batch", text: records, abilities: []string{"read"}, open: crm, bad: "whole"},
	{name: "whole batch with index", text: records, abilities: []string{"read"}, open: crm, bad: "named"},
	{name: "successes that leave rows out", text: records, abilities: []string{"read"}, open: crm, bad: "row", faults: desttest.Forgetful},
	{name: "only counts", text: audience, abilities: []string{"poll"}, open: func(w *desttest.World) activate.Destination { return desttest.NewAudience(w, 4) }},
	{name: "a job with results", text: records, abilities: []string{"read", "settle"}, open: func(w *desttest.World) activate.Destination { return desttest.NewBulk(w, 4) }, bad: "row"},
	{name: "events with a key", text: told, open: func(w *desttest.World) activate.Destination { return desttest.NewConversions(w, 4) }},
	{name: "events without a key", text: told, open: func(w *desttest.World) activate.Destination { return desttest.NewMessages(w, 4) }, once: true},
}

var told = strings.Replace(strings.Replace(records, "relation:", "mode: event\nrelation:", 1), "{column: reason, null: clear}", "reason", 1)

func crm(w *desttest.World) activate.Destination { return desttest.NewRecords(w, 4) }

// night is what one process does. In the process that is killed it ends itself with SIGKILL at the step that the test names.
func killedNight(r *rig, s *activate.Sync, d activate.Destination) error {
	if _, err := r.engine().Continue(r.t.Context(), s, d); err != nil {
		return err
	}
	p, err := r.engine().Plan(r.t.Context(), s, d)
	if err != nil || p.State != state.PlanApproved {
		return err
	}
	_, err = r.engine().Apply(r.t.Context(), s, d, p.ID)
	return err
}

// TestKilledChild is the process that is killed; it does nothing unless TestKilledAtEveryStep starts it.
func TestKilledChild(t *testing.T) {
	dir := os.Getenv("MILLRACE_KILL_DIR")
	if dir == "" {
		t.Skip("started by TestKilledAtEveryStep")
	}
	class, err := strconv.Atoi(os.Getenv("MILLRACE_KILL_CLASS"))
	if err != nil {
		t.Fatal(err)
	}
	at, err := strconv.Atoi(os.Getenv("MILLRACE_KILL_STEP"))
	if err != nil {
		t.Fatal(err)
	}
	c := answerClasses[class]
	d, err := desttest.Remote(os.Getenv("MILLRACE_KILL_URL"), c.abilities...)
	if err != nil {
		t.Fatal(err)
	}
	r := rigAt(t, dir)
	r.publish(leads(8, 50)...)
	n := 0
	r.at = func(string) error {
		if n++; n == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way
		}
		return nil
	}
	if err := killedNight(r, r.sync(c.text), d); err != nil {
		t.Fatal(err)
	}
}

// A process is killed with SIGKILL at every step of the outbox in turn, for one destination of every class of answer. The next
// one finds its way: the desired state, no duplicate, no lost row, nothing unknown unless the destination can neither be
// read nor take a row twice, and then it says so.
func TestKilledAtEveryStep(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	step := 9 // a sample; MILLRACE_SOAK=1 kills at every single one
	if os.Getenv("MILLRACE_SOAK") != "" {
		step = 1
	}
	for i, c := range answerClasses {
		t.Run(c.name, func(t *testing.T) {
			world := func() *desttest.World {
				w := desttest.NewWorld()
				if c.bad != "" {
					w.Bad = map[string]string{"p02@example.com": "value too long", "p06@example.com": "value too long"}
					w.Whole, w.Names = c.bad != "row", c.bad == "named"
				}
				if c.faults != desttest.None {
					w.Fault = func(call int, op string) desttest.Fault {
						if op == "send" && call%3 == 0 {
							return c.faults
						}
						return desttest.None
					}
				}
				return w
			}
			calm := newRig(t)
			calm.world = world()
			prepareKilled(calm)
			calm.publish(leads(8, 50)...)
			points := 0
			calm.at = func(string) error { points++; return nil }
			if err := killedNight(calm, calm.sync(c.text), c.open(calm.world)); err != nil {
				t.Fatal(err)
			}
			want := calm.world.Dump()
			killed := 0
			for at := 1 + i%step; at <= points; at += step {
				r := newRig(t)
				r.world = world()
				prepareKilled(r)
				r.db.Close() // the child has the file to itself
				srv := httptest.NewServer(desttest.Served(c.open(r.world)))
				cmd := exec.Command(self, "-test.run", "^TestKilledChild$")
				cmd.Env = append(os.Environ(), "MILLRACE_KILL_DIR="+r.dir, "MILLRACE_KILL_URL="+srv.URL, fmt.Sprint("MILLRACE_KILL_CLASS=", i), fmt.Sprint("MILLRACE_KILL_STEP=", at))
				out, err := cmd.CombinedOutput()
				srv.Close()
				var dead *exec.ExitError
				if !errors.As(err, &dead) || !dead.Sys().(syscall.WaitStatus).Signaled() {
					t.Fatalf("step %d: the process was not killed: %v\n%s", at, err, out)
				}
				killed++
				r.db = nil
				r.reopen()
				r.publish(leads(8, 50)...)
				for range 2 {
					r.clock = r.clock.Add(time.Hour)
					if err := killedNight(r, r.sync(c.text), c.open(r.world)); err != nil {
						t.Fatalf("after SIGKILL at step %d: %v", at, err)
					}
				}
				for k, n := range r.world.Created {
					if n > 1 {
						t.Errorf("SIGKILL at step %d: %s was made %d times", at, k, n)
					}
				}
				counts, err := r.db.Outbox.Counts(t.Context(), state.Filter{})
				if err != nil {
					t.Fatal(err)
				}
				if c.once {
					if n := counts[state.RowAcked] + counts[state.RowUnknown]; n != 8 || counts[state.RowAcked] > len(r.world.Records) {
						t.Errorf("SIGKILL at step %d: %v, %d were told", at, counts, len(r.world.Records))
					}
					continue
				}
				if got := r.world.Dump(); got != want {
					t.Errorf("SIGKILL at step %d:\n%s\nwant\n%s", at, got, want)
				}
				if n := counts[state.RowAcked] + counts[state.RowSettled] + counts[state.RowRejected]; n != 8 || counts[state.RowRejected] != len(r.world.Bad) {
					t.Errorf("SIGKILL at step %d: %v", at, counts)
				}
			}
			t.Logf("killed at %d of %d steps", killed, points)
		})
	}
}

func prepareKilled(r *rig) {
	for i := range 8 {
		r.grant(fmt.Sprint("p", i))
	}
}

// rigAt is a rig over the files of another process.
func rigAt(t *testing.T, dir string) *rig {
	r := &rig{t: t, dir: dir, builds: map[string]*desttest.Source{}, world: desttest.NewWorld(), clock: t0, target: "prod"}
	if _, err := os.Stat(filepath.Join(dir, "state.db")); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	t.Cleanup(func() { r.db.Close() })
	return r
}
