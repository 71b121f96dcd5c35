package project

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"millrace/internal/fault"
)

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func set(pairs ...string) map[string][]byte {
	m := map[string][]byte{"millrace.yml": []byte("version: 1\n")}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = []byte(pairs[i+1])
	}
	return m
}

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	got, err := Init(dir, set("sql/a.sql", "select 1\n"), InitOptions{Builtin: "1.0", With: []string{"file"}, Own: map[string][]byte{"data/x.csv": []byte("a\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{".env.example", ".gitignore", "data/x.csv", "millrace.lock", "millrace.yml", "sql/a.sql"}, got); d != "" {
		t.Error(d)
	}
	if s := read(t, dir, ".gitignore"); s != ".millrace/\nout/\n.env\n" {
		t.Errorf(".gitignore: %q", s)
	}
	l, err := ReadLockfile(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := l.Files["sql/a.sql"].Text()
	if err != nil || string(text) != "select 1\n" || l.Builtin != "1.0" || l.With[0] != "file" {
		t.Errorf("%q %v %+v", text, err, l)
	}
	if len(l.Files) != 1 {
		t.Errorf("the lock follows %d files, want only the built-in one", len(l.Files))
	}
	if _, err := Load(dir, Options{}); err != nil {
		t.Errorf("the new project does not load: %v", err)
	}
	// Again: the same text is no obstacle. An edited file is, and then nothing at all is written.
	if _, err := Init(dir, set("sql/a.sql", "select 1\n"), InitOptions{Builtin: "1.0"}); err != nil {
		t.Errorf("repeating an init: %v", err)
	}
	write(t, dir, map[string]string{"sql/a.sql": "mine\n"})
	_, err = Init(dir, set("sql/a.sql", "select 1\n", "sql/b.sql", "select 2\n"), InitOptions{})
	if err == nil || !strings.Contains(err.Error(), "sql/a.sql") || !strings.Contains(err.Error(), "millrace upgrade") {
		t.Errorf("got %v", err)
	}
	if s := read(t, dir, "sql/b.sql"); s != "(none)" {
		t.Errorf("a refused init wrote %q", s)
	}
}

func TestInitKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{".gitignore": "node_modules\n.env", "README.txt": "hello"})
	if _, err := Init(dir, set(), InitOptions{}); err != nil {
		t.Fatal(err)
	}
	if s := read(t, dir, ".gitignore"); s != "node_modules\n.env\n.millrace/\nout/\n" {
		t.Errorf(".gitignore: %q", s)
	}
	for _, path := range []string{"../x", "/etc/x", "a/../../x"} {
		if _, err := Init(dir, set(path, "x"), InitOptions{}); err == nil {
			t.Errorf("%s was taken as a path inside the project", path)
		}
	}
}

func TestUpgrade(t *testing.T) {
	dir := t.TempDir()
	const long = "1\n2\n3\n4\n5\n6\n"
	before := set("same.sql", "x\n", "follows.sql", "old\n", "merged.sql", long, "clash.sql", long, "deleted.sql", "old\n", "deleted_too.sql", "x\n",
		"dropped.sql", "old\n", "dropped_edited.sql", "old\n", "adopted.sql", "old\n", "windows.sql", "old\nline\n")
	if _, err := Init(dir, before, InitOptions{Builtin: "1.0", With: []string{"file"}}); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{
		"merged.sql": "mine\n" + long, "clash.sql": strings.Replace(long, "3", "mine", 1), "dropped_edited.sql": "mine\n", "adopted.sql": "new\n",
		"windows.sql": "old\r\nline\r\n", "own.sql": "my own\n", "own_same.sql": "alike\n"})
	for _, f := range []string{"deleted.sql", "deleted_too.sql"} {
		if err := os.Remove(filepath.Join(dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	after := set("same.sql", "x\n", "follows.sql", "new\n", "merged.sql", long+"new\n", "clash.sql", strings.Replace(long, "3", "theirs", 1), "deleted.sql", "new\n",
		"deleted_too.sql", "x\n", "adopted.sql", "new\n", "windows.sql", "new\nline\n", "own.sql", "built in\n", "own_same.sql", "alike\n", "deep/added.sql", "added\n")
	plan, err := PlanUpgrade(dir, after, "2.0")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range plan.Changes {
		got[c.Path] = string(c.Action)
	}
	want := map[string]string{"follows.sql": "update", "merged.sql": "merge", "clash.sql": "conflict", "deleted.sql": "keep", "dropped.sql": "remove",
		"dropped_edited.sql": "keep", "windows.sql": "update", "own.sql": "keep", "deep/added.sql": "add"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// A conflict stops everything unless it is asked for.
	var f *fault.Error
	if err := plan.Apply(false); !errors.As(err, &f) || !strings.Contains(err.Error(), "clash.sql") {
		t.Fatalf("conflict: %v", err)
	}
	if s := read(t, dir, "follows.sql"); s != "old\n" {
		t.Errorf("a refused upgrade wrote %q", s)
	}
	if err := plan.Apply(true); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"follows.sql": "new\n", "merged.sql": "mine\n" + long + "new\n", "deleted.sql": "(none)", "dropped.sql": "(none)", "dropped_edited.sql": "mine\n",
		"adopted.sql": "new\n", "windows.sql": "new\r\nline\r\n", "own.sql": "my own\n", "deep/added.sql": "added\n",
		"clash.sql": "1\n2\n<<<<<<< yours\nmine\n||||||| built-in before\n3\n=======\ntheirs\n>>>>>>> built-in now\n4\n5\n6\n",
	} {
		if s := read(t, dir, name); s != want {
			t.Errorf("%s is %q, want %q", name, s, want)
		}
	}
	// Markers must be resolved before the next upgrade; then there is nothing left to do, and With is still known.
	if _, err := PlanUpgrade(dir, after, "2.0"); err == nil || !strings.Contains(err.Error(), "clash.sql:3: still holds a conflict") {
		t.Errorf("unresolved: %v", err)
	}
	write(t, dir, map[string]string{"clash.sql": strings.Replace(long, "3", "both", 1)})
	plan, err = PlanUpgrade(dir, after, "2.0")
	if err != nil {
		t.Fatal(err)
	}
	if !plan.Empty() || plan.From != "2.0" {
		t.Errorf("left to do: %+v", plan)
	}
	l, err := ReadLockfile(dir)
	if err != nil || len(l.With) != 1 {
		t.Errorf("%+v %v", l, err)
	}
	if _, ok := l.Files["own.sql"]; ok {
		t.Error("a file of the person's own is recorded as built in")
	}
	if _, ok := l.Files["own_same.sql"]; !ok {
		t.Error("a file with the built-in text is not followed")
	}
}

// TestUpgradeInterrupted stops the upgrade after every file and does it again: the end is the same.
func TestUpgradeInterrupted(t *testing.T) {
	before := set("a.sql", "1\n2\n3\n", "b.sql", "old\n", "c.sql", "gone\n")
	after := set("a.sql", "1\n2\n3\nnew\n", "b.sql", "new\n", "d.sql", "added\n")
	for stop := 0; stop <= 4; stop++ {
		dir := t.TempDir()
		if _, err := Init(dir, before, InitOptions{Builtin: "1"}); err != nil {
			t.Fatal(err)
		}
		write(t, dir, map[string]string{"a.sql": "mine\n1\n2\n3\n"})
		plan, err := PlanUpgrade(dir, after, "2")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range plan.Changes[:min(stop, len(plan.Changes))] {
			if c.Action == Remove {
				os.Remove(filepath.Join(dir, c.Path))
			} else if err := writeInto(dir, c.Path, c.text); err != nil {
				t.Fatal(err)
			}
		}
		plan, err = PlanUpgrade(dir, after, "2")
		if err != nil {
			t.Fatal(err)
		}
		if err := plan.Apply(false); err != nil {
			t.Fatalf("stopped after %d: %v", stop, err)
		}
		got := []string{read(t, dir, "a.sql"), read(t, dir, "b.sql"), read(t, dir, "c.sql"), read(t, dir, "d.sql")}
		if d := cmp.Diff([]string{"mine\n1\n2\n3\nnew\n", "new\n", "(none)", "added\n"}, got); d != "" {
			t.Errorf("stopped after %d: %s", stop, d)
		}
	}
}

func TestLockfileRefusals(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadLockfile(dir); err == nil || !strings.Contains(err.Error(), "git") {
		t.Errorf("none: %v", err)
	}
	for body, want := range map[string]string{
		"{": "cannot be read", `{"version": 9}`: "newer millrace",
		`{"version":1,"files":{"../x":{}}}`:                             "not a path inside the project",
		`{"version":1,"files":{"a":{"sha256":"00","base":"!"}}}`:        "damaged",
		`{"version":1,"files":{"a":{"sha256":"00","base":"AQAA//8="}}}`: "damaged",
	} {
		write(t, dir, map[string]string{LockfileName: body})
		if _, err := ReadLockfile(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

func TestFiles(t *testing.T) {
	fsys := fstest.MapFS{"core/a.sql": {Data: []byte("a")}, "x.yml": {Data: []byte("x")}}
	got, err := Files(fsys, ".", "sql")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string][]byte{"sql/core/a.sql": []byte("a"), "sql/x.yml": []byte("x")}, got); d != "" {
		t.Error(d)
	}
	if got, err = Files(fsys, "core", ""); err != nil || string(got["a.sql"]) != "a" {
		t.Errorf("%v %v", got, err)
	}
}
