// Package e2e runs the built binary as a person or cron would: fresh projects, real input, kill -9, concurrent readers.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// binary is the millrace under test: MILLRACE_E2E, or one that TestMain builds.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		binary = os.Getenv("MILLRACE_E2E")
		if binary == "" {
			dir, err := os.MkdirTemp("", "millrace-e2e-*")
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			defer os.RemoveAll(dir)
			binary = filepath.Join(dir, "millrace")
			build := exec.Command("go", "build", "-o", binary, "millrace/cmd/millrace")
			build.Stderr = os.Stderr
			if err := build.Run(); err != nil {
				fmt.Fprintln(os.Stderr, "build the binary:", err)
				return 1
			}
		}
		return m.Run()
	}())
}

// soak reports whether the long suites run whole; otherwise a seeded sample of them runs.
func soak() bool { return os.Getenv("MILLRACE_SOAK") != "" }

type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// command prepares millrace in dir with a clean environment and extra KEY=value pairs.
func command(dir string, env []string, args ...string) *exec.Cmd {
	c := exec.Command(binary, args...)
	c.Dir = dir
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "NO_COLOR=1", "TZ=UTC"}, env...)
	return c
}

func run(t testing.TB, dir string, env []string, args ...string) result {
	t.Helper()
	c := command(dir, env, args...)
	var out, errb bytes.Buffer
	c.Stdout, c.Stderr = &out, &errb
	start := time.Now()
	err := c.Run()
	r := result{stdout: out.String(), stderr: errb.String(), took: time.Since(start)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.code = exit.ExitCode()
	case err != nil:
		t.Fatalf("millrace %s: %v", strings.Join(args, " "), err)
	}
	return r
}

// must runs a command that has to succeed.
func must(t testing.TB, dir string, env []string, args ...string) result {
	t.Helper()
	r := run(t, dir, env, args...)
	if r.code != 0 {
		t.Fatalf("millrace %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

// query reads rows from the published build.
func query(t testing.TB, dir string, sql string) []map[string]any {
	t.Helper()
	r := must(t, dir, nil, "query", "--json", sql)
	dec := json.NewDecoder(strings.NewReader(r.stdout))
	dec.UseNumber()
	var rows []map[string]any
	if err := dec.Decode(&rows); err != nil {
		t.Fatalf("query %s: %v\n%s", sql, err, r.stdout)
	}
	return rows
}

func digest(t testing.TB, dir string) string {
	t.Helper()
	return strings.TrimSpace(must(t, dir, nil, "digest").stdout)
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func repoRoot(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// copyTree copies a project without its .millrace and out folders.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".millrace" || rel == "out" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// example copies examples/crm-opportunities into a fresh folder.
func example(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "crm")
	copyTree(t, filepath.Join(repoRoot(t), "examples", "crm-opportunities"), dir)
	return dir
}

// killAfter starts a command and kills it with SIGKILL after d, unless it ended before; it reports whether it was killed.
func killAfter(t testing.TB, dir string, d time.Duration, args ...string) bool {
	t.Helper()
	c := command(dir, nil, args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case <-done:
		return false
	case <-ctx.Done():
		_ = c.Process.Kill() // SIGKILL: no handler runs
		<-done
		return true
	}
}
