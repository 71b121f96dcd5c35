package project

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/internal/fault"
)

// TestMain lets the test binary act as another process that takes the lock and waits.
func TestMain(m *testing.M) {
	if path := os.Getenv("MILLRACE_TEST_HOLD_LOCK"); path != "" {
		_, err := AcquireLock(path, Holder{PID: os.Getpid(), Host: "elsewhere", User: "night", Command: "millrace run", Since: time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC), RunID: "r1"})
		if err != nil {
			os.Stdout.WriteString(err.Error() + "\n")
			os.Exit(fault.ExitCode(err))
		}
		os.Stdout.WriteString("held\n")
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

func hold(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MILLRACE_TEST_HOLD_LOCK="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "held\n" {
		t.Fatalf("the other process says %q %v", line, err)
	}
	return cmd
}

func TestLockTellsWhoHoldsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "lock")
	other := hold(t, path)
	now := time.Date(2026, 11, 21, 2, 30, 0, 0, time.UTC)
	_, err := AcquireLock(path, Holder{PID: os.Getpid(), Since: now})
	if fault.ExitCode(err) != fault.ExitLocked {
		t.Fatalf("exit %d: %v", fault.ExitCode(err), err)
	}
	for _, want := range []string{"`millrace run` of night on elsewhere", "run r1", "since 2026-11-21 02:00:00 UTC, for 30m0s", "--target"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message lacks %q: %s", want, err)
		}
	}
	h, held, err := LockHolder(path)
	if err != nil || !held || h.RunID != "r1" {
		t.Errorf("LockHolder: %+v %v %v", h, held, err)
	}
	// kill -9: the next one gets it at once, and nobody reads the dead holder's name.
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	other.Wait()
	if _, held, err := LockHolder(path); held || err != nil {
		t.Errorf("a dead holder holds: %v %v", held, err)
	}
	l, err := AcquireLock(path, Holder{PID: os.Getpid(), RunID: "r2", Since: now})
	if err != nil {
		t.Fatal(err)
	}
	if h, held, _ := LockHolder(path); !held || h.RunID != "r2" {
		t.Errorf("LockHolder: %+v %v", h, held)
	}
	// Also within one process.
	if _, err := AcquireLock(path, Holder{PID: 1, Since: now}); fault.ExitCode(err) != fault.ExitLocked {
		t.Errorf("a second lock in one process: %v", err)
	}
	for range 2 {
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	}
	l2, err := AcquireLock(path, Holder{PID: os.Getpid(), Since: now})
	if err != nil {
		t.Fatal(err)
	}
	l2.Release()
}

func TestLockBeforeItsContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := AcquireLock(path, Holder{PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil { // as far as another process may have come
		t.Fatal(err)
	}
	_, err = AcquireLock(path, Holder{PID: 1})
	var f *fault.Error
	if !errors.As(err, &f) || f.Exit != fault.ExitLocked || !strings.Contains(err.Error(), "just starting") {
		t.Errorf("got %v", err)
	}
}

func TestLockFolderMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := AcquireLock(filepath.Join(file, "lock"), Holder{}); err == nil {
		t.Error("a lock inside a file")
	}
	if _, held, err := LockHolder(filepath.Join(t.TempDir(), "none")); held || err != nil {
		t.Errorf("%v %v", held, err)
	}
}
