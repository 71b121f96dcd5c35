package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKilledAtEveryStepOfApply kills a process that applies plans to a HubSpot portal and a Google list, with SIGKILL, at
// each step of the outbox in turn. The same command, run again, leaves the vendors as an undisturbed run does.
func TestKilledAtEveryStepOfApply(t *testing.T) {
	if step := os.Getenv("MILLRACE_TEST_KILL_AT"); step != "" {
		applyAndDie(t, step)
		return
	}
	l := newLab(t)
	l.must("build")
	l.must("decide")
	l.must("build")
	p := l.plan("scores")
	l.must("approve", p.ID)
	l.must("plan", "audience")
	ready := filepath.Join(t.TempDir(), "ready")
	if err := os.CopyFS(ready, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	// A child that is never killed counts the steps, and leaves what is wanted.
	steps, killed := l.apply(ready, 1<<30)
	if killed || steps < 16 {
		t.Fatalf("%d steps, killed %v: the enumeration misses something", steps, killed)
	}
	want := l.tw.Digest(false)
	if l.members() != 11 || l.contact(5, "lead_score") != "75" {
		t.Fatalf("%d members, score %q", l.members(), l.contact(5, "lead_score"))
	}
	for i := 1; i <= steps; i++ {
		if err := l.tw.Reset(); err != nil {
			t.Fatal(err)
		}
		l.properties()
		if _, killed := l.apply(ready, i); !killed {
			t.Fatalf("step %d: the process was not killed", i)
		}
		for range 2 { // once more to see that nothing is left
			l.must("apply")
		}
		if l.tw.Digest(false) != want {
			t.Errorf("killed at step %d: the vendors hold something else than after an undisturbed run: %d members, score %q", i, l.members(), l.contact(5, "lead_score"))
		}
		var out struct {
			Plans []planView `json:"plans"`
		}
		l.json(&out, "plan", "--list")
		for _, x := range out.Plans {
			if x.State != "applied" {
				t.Errorf("killed at step %d: plan %s is %s", i, x.ID, x.State)
			}
		}
		made := map[string]int{}
		for _, w := range l.tw.Writes() {
			if w.Vendor == "hubspot" && w.Op == "create" && strings.Contains(w.Object, "contact") {
				if made[w.Key]++; made[w.Key] > 1 {
					t.Errorf("killed at step %d: a contact was made twice", i)
				}
			}
		}
	}
	t.Logf("killed at each of %d steps", steps)
}

// apply copies the prepared project over the lab's and applies in a child process that kills itself at a step. It gives
// the number of steps that the child passed.
func (l *lab) apply(ready string, at int) (steps int, killed bool) {
	l.t.Helper()
	if err := os.RemoveAll(l.dir); err != nil {
		l.t.Fatal(err)
	}
	if err := os.CopyFS(l.dir, os.DirFS(ready)); err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledAtEveryStepOfApply$")
	cmd.Env = append(os.Environ(), "MILLRACE_TEST_KILL_AT="+strconv.Itoa(at), "MILLRACE_TEST_DIR="+l.dir, "MILLRACE_TEST_NOW="+l.now.Format(time.RFC3339), "TWIN="+l.base)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL {
			return at, true
		}
	}
	var n struct{ Steps int }
	if err != nil || json.Unmarshal([]byte(strings.SplitN(out.String(), "\n", 2)[0]), &n) != nil {
		l.t.Fatalf("child: %v\n%s\n%s", err, out.String(), errs.String())
	}
	return n.Steps, false
}

func applyAndDie(t *testing.T, step string) {
	at, err := strconv.Atoi(step)
	if err != nil {
		t.Fatal(err)
	}
	now, err := time.Parse(time.RFC3339, os.Getenv("MILLRACE_TEST_NOW"))
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	n := 0
	a := newApp([]string{"-C", os.Getenv("MILLRACE_TEST_DIR"), "apply"}, []string{"TWIN=" + os.Getenv("TWIN"), "USER=ann", "NO_COLOR=1", "MILLRACE_TARGET=prod"}, strings.NewReader(""), &out, &errs, func() time.Time { return now })
	a.at = func(string) error {
		if n++; n == at {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}
	if code := a.run(context.Background()); code != 0 {
		t.Fatalf("exit %d\n%s\n%s", code, out.String(), errs.String())
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]int{"Steps": n}); err != nil {
		t.Fatal(err)
	}
}
