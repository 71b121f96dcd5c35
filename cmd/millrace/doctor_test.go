package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/internal/project"
	"millrace/internal/state"
)

// checkupOf makes a project with the lines in millrace.yml and looks at it at the time now.
func checkupOf(t *testing.T, now time.Time, lines string, env ...string) (*checkup, *project.Project) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, project.FileName), []byte("version: 1\n"+lines), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := project.Load(dir, project.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(nil, env, strings.NewReader(""), io.Discard, io.Discard, func() time.Time { return now })
	return &checkup{a: a, now: now}, p
}

func (c *checkup) String() string {
	var b strings.Builder
	for _, d := range c.checks {
		fmt.Fprintf(&b, "%s %s: %s → %s\n", d.Status, d.Check, d.Info, d.Hint)
	}
	return b.String()
}

func TestDoctorLastRun(t *testing.T) {
	ctx := context.Background()
	started := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		finish string // status; empty: the run has not ended
		errTxt string
		want   []string
	}{
		{"done", state.Done, "", []string{"OK state: last run 2026-11-20 02:00 UTC"}},
		{"failed", state.Failed, "crm.deals: no file", []string{"WARN state", "crm.deals: no file", "`millrace run`"}},
		{"open", "", "", []string{"WARN state", "has not ended", "goes on where it stopped"}},
	} {
		ch, p := checkupOf(t, started.Add(3*time.Hour), "")
		if err := os.MkdirAll(p.Root(), 0o755); err != nil {
			t.Fatal(err)
		}
		db, err := state.Open(ctx, p.StateFile())
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Runs.Start(ctx, state.Run{ID: "r1", Command: "run", Target: "dev", Started: started}); err != nil {
			t.Fatal(err)
		}
		if c.finish != "" {
			if err := db.Runs.Finish(ctx, "r1", c.finish, c.errTxt, []byte("{}"), started.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		last := ch.state(ctx, p)
		if last == nil || last.ID != "r1" {
			t.Fatalf("%s: last run %+v", c.name, last)
		}
		for _, want := range c.want {
			if !strings.Contains(ch.String(), want) {
				t.Errorf("%s: %q is not in\n%s", c.name, want, ch)
			}
		}
	}
}

func TestDoctorDamagedState(t *testing.T) {
	ch, p := checkupOf(t, time.Now(), "")
	if err := os.MkdirAll(p.Root(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.StateFile(), []byte(strings.Repeat("not a database ", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	if ch.state(context.Background(), p); !strings.Contains(ch.String(), "FAIL state") {
		t.Errorf("a damaged state is not noticed:\n%s", ch)
	}
}

func TestDoctorClockAndSchedule(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	nightly := "schedule: \"0 2 * * *\"\ntime_zone: Europe/Berlin\n"
	for _, c := range []struct {
		name string
		last time.Time // start of the last run; zero: none
		want []string
	}{
		{"no run yet", time.Time{}, []string{"OK clock", "OK schedule: 0 2 * * *, next Sun 2026-11-22 02:00 CET"}},
		{"on time", time.Date(2026, 11, 21, 1, 0, 5, 0, time.UTC), []string{"OK schedule"}},
		{"missed", time.Date(2026, 11, 19, 1, 0, 5, 0, time.UTC), []string{"WARN schedule", "the one due 2026-11-20 02:00 CET has not started", "`millrace run` catches up"}},
		{"the clock went back", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), []string{"FAIL clock", "NTP"}},
	} {
		ch, p := checkupOf(t, now, nightly)
		var last *state.Run
		if !c.last.IsZero() {
			last = &state.Run{Started: c.last}
		}
		ch.clock(last)
		ch.schedule(p, last)
		for _, want := range c.want {
			if !strings.Contains(ch.String(), want) {
				t.Errorf("%s: %q is not in\n%s", c.name, want, ch)
			}
		}
	}
}

func TestCrontabLine(t *testing.T) {
	ch, p := checkupOf(t, time.Now(), "schedule: \"0 2 * * *\"\ntime_zone: Europe/Berlin\n", "TZ=Europe/Berlin")
	p.Dir = "/data/our 100% project"
	lines := ch.crontab(p)
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "0 2 * * * ") ||
		!strings.Contains(lines[0], ` run --project-dir '/data/our 100\% project' --target prod >> '/data/our 100\% project/.millrace/cron.log' 2>&1`) {
		t.Errorf("%q", lines)
	}
	ch, p = checkupOf(t, time.Now(), "schedule: \"@daily\"\ntime_zone: Europe/Berlin\n", "TZ=UTC")
	if lines := ch.crontab(p); len(lines) != 3 || lines[1] != "CRON_TZ=Europe/Berlin" || !strings.HasPrefix(lines[2], "@daily ") {
		t.Errorf("%q", lines)
	}
}
