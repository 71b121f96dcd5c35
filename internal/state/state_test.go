package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/internal/fault"
)

var t0 = time.Date(2026, 3, 2, 6, 0, 0, 123456000, time.UTC)

func open(t *testing.T) *DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "a folder?with #odd%20 name", "state.db"))
}

func openAt(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestOpenSettings(t *testing.T) {
	db := open(t)
	for q, want := range map[string]string{"pragma journal_mode": "wal", "pragma synchronous": "2", "pragma foreign_keys": "1", "pragma busy_timeout": "10000"} {
		var got string
		if err := db.db.QueryRow(q).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q (%v), want %q", q, got, err, want)
		}
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		fi, err := os.Stat(db.Path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("state.db%s has mode %v: others can read it (P8)", suffix, fi.Mode().Perm())
		}
	}
}

func TestOpenRefusals(t *testing.T) {
	write := func(t *testing.T, statements ...string) string {
		path := filepath.Join(t.TempDir(), "state.db")
		raw, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		for _, s := range statements {
			if _, err := raw.Exec(s); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	newer := write(t, "create table x (a)", fmt.Sprintf("pragma application_id = %d", applicationID), "pragma user_version = 9999")
	foreign := write(t, "create table somebody_else (a)")
	garbage := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database at all ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, want string }{
		"newer":   {newer, "written by a newer Millrace (version 9999"},
		"foreign": {foreign, "not a Millrace state file"},
		"garbage": {garbage, "restore it from a backup"},
	} {
		before, err := os.ReadFile(c.path)
		if err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), c.path)
		if err == nil {
			db.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.ReadFile(c.path); name == "garbage" && string(after) != string(before) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// Every migration, alone, on a file that the one before it left, with its rows in it.
func TestMigrateFromEveryVersion(t *testing.T) {
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	for v := 1; v <= len(steps); v++ {
		path := filepath.Join(t.TempDir(), "state.db")
		raw, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range append(append([]string{}, steps[:v]...), fmt.Sprintf("pragma user_version = %d", v), fmt.Sprintf("pragma application_id = %d", applicationID),
			`insert into runs (run_id, command, target, started_at) values ('r1', 'run', 'dev', '2026-03-02T06:00:00.000000Z')`) {
			if _, err := raw.Exec(s); err != nil {
				t.Fatal(err)
			}
		}
		raw.Close()
		db := openAt(t, path)
		r, ok, err := db.Runs.Get(t.Context(), "r1")
		if err != nil || !ok || r.Command != "run" {
			t.Errorf("from version %d: %+v %v %v", v, r, ok, err)
		}
	}
}

func TestOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			db, err := Open(context.Background(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			for j := range 20 {
				if err := db.Runs.Start(context.Background(), Run{ID: fmt.Sprintf("%d-%d", i, j), Command: "run", Started: t0}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if rs, err := openAt(t, path).Runs.Last(t.Context(), "", 1000); err != nil || len(rs) != 160 {
		t.Errorf("%d runs (%v), want 160: a write was lost", len(rs), err)
	}
}

func TestRunJournal(t *testing.T) {
	ctx, db := t.Context(), open(t)
	for i, id := range []string{"r1", "r2", "r3"} {
		if err := db.Runs.Start(ctx, Run{ID: id, Command: "run", Target: "dev", Args: []string{"--now", "x"}, Host: "h", PID: 7, Started: t0.Add(time.Duration(i) * time.Minute), Now: t0}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Runs.Start(ctx, Run{ID: "r1", Command: "run", Started: t0}); err == nil {
		t.Error("a run id was taken twice")
	}
	for _, name := range []string{"extract b", "extract a"} {
		if err := db.Runs.StepStart(ctx, "r1", name, t0); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Runs.StepDone(ctx, Step{RunID: "r1", Name: "extract b", Status: Failed, Rows: 12, Detail: "d", Error: "e", Ended: t0.Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	if err := db.Runs.StepDone(ctx, Step{RunID: "r1", Name: "never", Status: Done, Ended: t0}); err == nil {
		t.Error("a step that was not started was ended")
	}
	if err := db.Runs.Finish(ctx, "r2", Done, "", json.RawMessage(`{"rows":1}`), t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := db.Runs.Finish(ctx, "r2", Failed, "late", nil, t0.Add(time.Hour)); err == nil {
		t.Error("a run ended twice")
	}
	un, err := db.Runs.Unfinished(ctx)
	if err != nil || len(un) != 2 || un[0].ID != "r1" || un[1].ID != "r3" || !un[0].Started.Equal(t0) || un[0].Args[1] != "x" || !un[0].Ended.IsZero() {
		t.Fatalf("unfinished: %+v %v", un, err)
	}
	if err := db.Runs.Abandon(ctx, "r1"); err != nil {
		t.Fatal(err)
	}
	steps, err := db.Runs.Steps(ctx, "r1")
	if err != nil || len(steps) != 2 || steps[0].Name != "extract b" || steps[0].Status != Failed || steps[0].Rows != 12 || steps[1].Status != Killed {
		t.Errorf("steps: %+v %v", steps, err)
	}
	last, err := db.Runs.Last(ctx, "run", 2)
	if err != nil || len(last) != 2 || last[0].ID != "r3" || last[1].Status != Done || string(last[1].Summary) != `{"rows":1}` {
		t.Errorf("last: %+v %v", last, err)
	}
	if rs, _ := db.Runs.Last(ctx, "build", 5); len(rs) != 0 {
		t.Errorf("runs of another command: %+v", rs)
	}
	// A step is begun again by the run that repeats it: what it said before is gone.
	if err := db.Runs.StepStart(ctx, "r1", "extract b", t0.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if steps, _ = db.Runs.Steps(ctx, "r1"); steps[0].Status != Running || steps[0].Rows != 0 || steps[0].Error != "" {
		t.Errorf("begun again: %+v", steps[0])
	}
}

func TestDeliveryLedger(t *testing.T) {
	ctx, db := t.Context(), open(t)
	d := Delivery{Key: "k1", Report: "weekly", Channel: "slack", RunID: "r1", Intended: t0}
	intend := func() (Delivery, bool) {
		t.Helper()
		p, known, err := db.Deliveries.Intend(ctx, d)
		if err != nil {
			t.Fatal(err)
		}
		return p, known
	}
	record := func(status string) {
		t.Helper()
		if err := db.Deliveries.Record(ctx, Delivery{Key: "k1", Status: status, Receipt: json.RawMessage(`{"ts":"1"}`), Recorded: t0.Add(time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := intend(); known {
		t.Error("a new key is known")
	}
	if p, known := intend(); !known || p.Status != Intended {
		t.Errorf("an intended key that was never recorded must be seen as such: %+v %v", p, known)
	}
	if un, err := db.Deliveries.Unsettled(ctx); err != nil || len(un) != 1 {
		t.Errorf("unsettled: %+v %v", un, err)
	}
	record(Rejected)
	if _, known := intend(); known {
		t.Error("a rejected delivery must be allowed to be tried again")
	}
	record(Delivered)
	if p, known := intend(); !known || p.Status != Delivered || string(p.Receipt) != `{"ts":"1"}` {
		t.Errorf("delivered: %+v %v", p, known)
	}
	if un, _ := db.Deliveries.Unsettled(ctx); len(un) != 0 {
		t.Errorf("unsettled after the answer: %+v", un)
	}
	if err := db.Deliveries.Record(ctx, Delivery{Key: "other", Status: Delivered}); err == nil {
		t.Error("recorded what was never intended")
	}
}

// Two runners race for the same report: exactly one may post.
func TestDeliveryRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	openAt(t, path)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 6 {
		wg.Go(func() {
			db, err := Open(context.Background(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			_, known, err := db.Deliveries.Intend(context.Background(), Delivery{Key: "k", Report: "r", Channel: "c", Intended: t0})
			if err != nil {
				t.Error(err)
			}
			if !known {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d runners may post, want 1", won)
	}
}

func TestBackupWhileWriting(t *testing.T) {
	ctx, db := t.Context(), open(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				if err := db.Runs.Start(context.Background(), Run{ID: fmt.Sprint(i), Started: t0}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	copyPath := filepath.Join(t.TempDir(), "copy.db")
	err := db.Backup(ctx, copyPath)
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(keyPath(db.Path()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, copyPath); err == nil || !strings.Contains(err.Error(), "key of the state file is missing") {
		t.Errorf("a copy without its key: %v", err)
	}
	if err := os.WriteFile(keyPath(copyPath), []byte(strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, copyPath); err == nil || !strings.Contains(err.Error(), "belongs to another state file") {
		t.Errorf("a copy with another key: %v", err)
	}
	if err := os.WriteFile(keyPath(copyPath), key, 0o600); err != nil {
		t.Fatal(err)
	}
	c := openAt(t, copyPath)
	var ok string
	if err := c.db.QueryRow("pragma integrity_check").Scan(&ok); err != nil || ok != "ok" {
		t.Errorf("integrity of the backup: %s %v", ok, err)
	}
	if fi, _ := os.Stat(copyPath); fi.Mode().Perm() != 0o600 {
		t.Errorf("backup has mode %v", fi.Mode())
	}
	if err := db.Backup(ctx, copyPath); err == nil {
		t.Error("a backup overwrote a file")
	}
}

// A process is killed while it writes; what it was told is durable is there, and the next run sees the killed one.
func TestKillKeepsWhatWasAcknowledged(t *testing.T) {
	if path := os.Getenv("STATE_TEST_CHILD"); path != "" {
		db, err := Open(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Runs.Start(context.Background(), Run{ID: "victim", Command: "run", Started: t0}); err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			if err := db.Runs.StepStart(context.Background(), "victim", fmt.Sprint(i), t0); err != nil {
				t.Fatal(err)
			}
			fmt.Println(i) // only after it returned
		}
	}
	path := filepath.Join(t.TempDir(), "state.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillKeepsWhatWasAcknowledged$")
	cmd.Env = append(os.Environ(), "STATE_TEST_CHILD="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked := -1
	for acked < 25 {
		if _, err := fmt.Fscan(out, &acked); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := fmt.Fscan(out, &acked); err != nil {
			break
		}
	}
	_ = cmd.Wait() // killed: its error is the point
	db := openAt(t, path)
	un, err := db.Runs.Unfinished(t.Context())
	if err != nil || len(un) != 1 || un[0].ID != "victim" {
		t.Fatalf("unfinished: %+v %v", un, err)
	}
	steps, err := db.Runs.Steps(t.Context(), "victim")
	if err != nil || len(steps) <= acked {
		t.Errorf("%d steps there, %d were acknowledged (%v)", len(steps), acked+1, err)
	}
}

func TestUnknownRun(t *testing.T) {
	db := open(t)
	if _, ok, err := db.Runs.Get(t.Context(), "nobody"); ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Runs.Start(ctx, Run{ID: "x", Started: t0}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
