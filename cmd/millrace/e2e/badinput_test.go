package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// goodProject is a small project that works, for tests that then break one thing.
func goodProject(t testing.TB, dir string) {
	t.Helper()
	write(t, filepath.Join(dir, "millrace.yml"), "version: 1\nname: small\n")
	write(t, filepath.Join(dir, "extract/files.yml"), "version: 1\nconnector: file\nconfig: {path: data}\nstreams:\n  deals:\n    path: deals.csv\n    columns:\n      id: {type: BIGINT, required: true}\n      amount: {type: \"DECIMAL(18,4)\"}\n      owner: VARCHAR\n")
	write(t, filepath.Join(dir, "data/deals.csv"), "id,amount,owner\n1,10.50,ann\n2,20,bob\n")
	write(t, filepath.Join(dir, "sql/core/deals.sql"), "/* ---\ndescription: deals\n--- */\nselect id, amount, owner\nfrom raw_files.deals\n")
}

// TestBadProjects: what is wrong in a file is said with file, line, the offending word and what to do; exit is 2; and what
// was published before is still there.
func TestBadProjects(t *testing.T) {
	for _, c := range []struct {
		name, file, content string
		want                []string
	}{
		{"wrong key", "millrace.yml", "version: 1\nnmae: small\n", []string{"millrace.yml:2:1", "nmae", `Did you mean "name"?`}},
		{"wrong type", "millrace.yml", "version: 1\nname: small\nlimits: {threads: many}\n", []string{"millrace.yml:3", "limits.threads", "many"}},
		{"newer file", "millrace.yml", "version: 99\nname: small\n", []string{"millrace.yml:1", "version", "99"}},
		{"missing variable", "extract/files.yml", "version: 1\nconnector: file\nconfig: {path: \"${MILLRACE_NOPE}\"}\nstreams:\n  deals: {path: deals.csv}\n", []string{"extract/files.yml:3", "config.path", "MILLRACE_NOPE"}},
		{"unknown connector", "extract/files.yml", "version: 1\nconnector: fiel\n", []string{"extract/files.yml:2", "fiel", `Did you mean "file"?`}},
		{"two streams of one name", "extract/files.yml", "version: 1\nconnector: file\nstreams:\n  \"../deals\": {path: deals.csv}\n  deals: {path: deals.csv}\n", []string{"extract/files.yml:5", "deals"}},
		{"syntax error", "sql/core/x.sql", "select 1 as a\nfrm raw_files.deals\n", []string{"sql/core/x.sql:2", "syntax error"}},
		{"unknown table", "sql/core/x.sql", "select *\nfrom raw_files.dels\n", []string{"sql/core/x.sql:2:6", "raw_files.dels", "raw_files.deals"}},
		{"cycle", "sql/core/x.sql", "select *\nfrom core.x2\n", []string{"core.x → core.x2 → core.x", "sql/core/x.sql"}},
		{"front matter that is not YAML", "sql/core/x.sql", "/* ---\ndescription: [1\n--- */\nselect 1 as a\n", []string{"sql/core/x.sql:2", "YAML"}},
		{"unknown front matter", "sql/core/x.sql", "/* ---\nmaterialised: table\n--- */\nselect 1 as a\n", []string{"sql/core/x.sql:2", "materialised", "materialized"}},
		{"two statements", "sql/core/x.sql", "select 1 as a;\nselect 2 as b\n", []string{"sql/core/x.sql"}},
		{"templating", "sql/core/x.sql", "select *\nfrom {{ ref('deals') }}\n", []string{"sql/core/x.sql:2", "plain SQL"}},
		{"reads a file", "sql/core/x.sql", "select *\nfrom read_csv('/etc/hostname')\n", []string{"sql/core/x.sql:2", "read_csv"}},
		{"SQL among the models", "models/score.sql", "select 1 as a\n", []string{"models/score.sql", "sql/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			goodProject(t, dir)
			must(t, dir, nil, "run")
			before := query(t, dir, "select count(*) as n from core.deals")
			old, _ := os.ReadFile(filepath.Join(dir, c.file))
			write(t, filepath.Join(dir, c.file), c.content)
			if c.name == "cycle" {
				write(t, filepath.Join(dir, "sql/core/x2.sql"), "select *\nfrom core.x\n")
			}
			r := run(t, dir, nil, "run")
			if r.code != 2 {
				t.Errorf("exit %d, want 2\n%s%s", r.code, r.stdout, r.stderr)
			}
			for _, w := range c.want {
				if !strings.Contains(r.stderr, w) {
					t.Errorf("the message lacks %q:\n%s", w, r.stderr)
				}
			}
			if strings.Contains(r.stderr, "goroutine ") || strings.HasSuffix(strings.TrimSpace(r.stderr), "EOF") {
				t.Errorf("not a message for a person:\n%s", r.stderr)
			}
			if v := run(t, dir, nil, "validate"); v.code != 2 {
				t.Errorf("validate: exit %d, want 2\n%s%s", v.code, v.stdout, v.stderr)
			}
			// Mended, the project goes on as if nothing had been.
			os.Remove(filepath.Join(dir, "sql/core/x2.sql"))
			if old == nil {
				os.Remove(filepath.Join(dir, c.file))
			} else {
				write(t, filepath.Join(dir, c.file), string(old))
			}
			must(t, dir, nil, "run")
			if after := query(t, dir, "select count(*) as n from core.deals"); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("rows before %v, after %v", before, after)
			}
		})
	}
}

// TestBadRows: input that is not a row goes to quarantine with its reason; the good rows of the file land; nothing is lost:
// rows landed and rows in quarantine add up to the lines of the file (P2).
func TestBadRows(t *testing.T) {
	big := strings.Repeat("x", 10_000_000)
	for _, c := range []struct {
		name, content     string
		rows, quarantined int
		reason            string
	}{
		{"ragged rows", "id,amount,owner\n1,10,a\n2,20\n3,30,c,d\n4,40,e\n", 2, 2, "found 2"},
		{"wrong types", "id,amount,owner\n1,ten,a\nx,1,b\n3,3,c\n", 1, 2, "ten"},
		{"missing key", "id,amount,owner\n,1,a\n2,2,b\n", 1, 1, "id"},
		{"wrong encoding", "id,amount,owner\n1,1,caf\xe9\n2,2,ok\n", 1, 1, "UTF-8"},
		{"byte order mark", "\xef\xbb\xbfid,amount,owner\n1,1,a\n", 1, 0, ""},
		{"10 MB in one cell", "id,amount,owner\n1,1," + big + "\n2,2,b\n", 2, 0, ""},
		{"empty file", "", 0, 0, ""},
		{"header only", "id,amount,owner\n", 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			goodProject(t, dir)
			write(t, filepath.Join(dir, "data/deals.csv"), c.content)
			must(t, dir, nil, "run")
			if got := fmt.Sprint(query(t, dir, "select count(*) as n from core.deals")[0]["n"]); got != fmt.Sprint(c.rows) {
				t.Errorf("%s rows landed, want %d", got, c.rows)
			}
			q := must(t, dir, nil, "quarantine", "show", "files.deals", "--json").stdout
			if got := strings.Count(q, `"row_id"`); got != c.quarantined {
				t.Errorf("%d rows in quarantine, want %d:\n%s", got, c.quarantined, q)
			}
			if c.reason != "" && !strings.Contains(q, c.reason) {
				t.Errorf("no reason names %q:\n%s", c.reason, q)
			}
		})
	}
}

// TestNamesStayInside: a stream whose name climbs out of the folder lands inside it, under a name made safe.
func TestNamesStayInside(t *testing.T) {
	dir := t.TempDir()
	goodProject(t, dir)
	write(t, filepath.Join(dir, "extract/files.yml"), "version: 1\nconnector: file\nconfig: {path: data}\nstreams:\n  \"../../../evil\": {path: deals.csv}\n")
	write(t, filepath.Join(dir, "sql/core/deals.sql"), "/* ---\ndescription: deals\n--- */\nselect id, owner\nfrom raw_files.evil\n")
	must(t, dir, nil, "run")
	if _, err := os.Stat(filepath.Join(dir, ".millrace/dev/raw/files/evil")); err != nil {
		t.Error(err)
	}
	for _, out := range []string{"evil", ".millrace/evil", "../evil"} {
		if _, err := os.Stat(filepath.Join(dir, out)); err == nil {
			t.Errorf("%s was written", out)
		}
	}
}

// TestFullDisk: on a small file system the run ends with a message that says so, publishes nothing by halves, and goes on
// when there is room again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	goodProject(t, dir)
	must(t, dir, nil, "run")
	before := digest(t, dir)

	filler := filepath.Join(dir, "filler")
	room := func(left int64) {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		if n := int64(st.Bavail)*int64(st.Bsize) - left; n > 0 {
			if err := os.WriteFile(filler, make([]byte, n), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(t, filepath.Join(dir, "data/deals.csv"), "id,amount,owner\n1,10.50,ann\n2,20,bob\n3,30,cid\n")
	room(200 << 10) // enough for the landing, not for another build
	r := run(t, dir, nil, "run")
	if r.code == 0 {
		t.Fatalf("a run without room claims success:\n%s", r.stdout)
	}
	if !strings.Contains(strings.ToLower(r.stderr+r.stdout), "disk is full") {
		t.Errorf("the message does not say that the disk is full:\n%s%s", r.stdout, r.stderr)
	}
	if after := digest(t, dir); after != before {
		t.Error("a run without room changed what is published")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	must(t, dir, nil, "run")
	if got := fmt.Sprint(query(t, dir, "select count(*) as n from core.deals")[0]["n"]); got != "3" {
		t.Errorf("with room again %s rows, want 3", got)
	}
}

// TestLockHeld: the second runner of a target is told who holds it and exits 3; readers and other targets are not stopped.
func TestLockHeld(t *testing.T) {
	dir := t.TempDir()
	goodProject(t, dir)
	must(t, dir, nil, "run")
	var b strings.Builder
	b.WriteString("id,amount,owner\n")
	for i := range 1_500_000 {
		fmt.Fprintf(&b, "%d,%d,owner %d\n", i, i%100, i%10)
	}
	write(t, filepath.Join(dir, "data/deals.csv"), b.String())
	first := command(dir, nil, "run")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = first.Process.Kill()
		_ = first.Wait()
	}()
	holder := fmt.Sprintf(`"pid":%d,`, first.Process.Pid)
	for range 1000 { // until the first one has it
		if text, err := os.ReadFile(filepath.Join(dir, ".millrace/dev/lock")); err == nil && strings.Contains(string(text), holder) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	second := run(t, dir, nil, "run")
	if second.code != 3 {
		t.Fatalf("exit %d, want 3\n%s", second.code, second.stderr)
	}
	for _, want := range []string{fmt.Sprint(first.Process.Pid), "millrace run"} {
		if !strings.Contains(second.stderr, want) {
			t.Errorf("the message does not name %q:\n%s", want, second.stderr)
		}
	}
	must(t, dir, nil, "query", "from core.deals")
	must(t, dir, nil, "build", "--target", "prod")
}
