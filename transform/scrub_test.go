package transform

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bytesBelow is what all files below a folder hold.
func bytesBelow(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Type()&os.ModeSymlink != 0 || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		b.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A person who is gone from the sources is gone from memory, from the builds kept aside, from the exports, and from the
// blocks that a file no longer uses.
func TestScrub(t *testing.T) {
	dir := t.TempDir()
	const jane = "jane.doe.of.nowhere@erasure.example"
	people := func(list string) string {
		return "select * from (values " + list + ") as t(id, email)"
	}
	f := files{
		"sql/staging/people.sql": "/* ---\nmaterialized: table\n--- */\n" + people("('crm:1', '"+jane+"'), ('crm:2', 'bob@erasure.example')"),
		"sql/core/history.sql":   "/* ---\nmaterialized: snapshot\nunique_key: id\n--- */\nselect id, email from staging.people",
		"sql/core/groups.sql":    "/* ---\nmaterialized: snapshot\nunique_key: name\n--- */\nselect 'all' as name, list_sort(list(id order by id, email)) as members from staging.people",
		"sql/core/shown.sql":     "/* ---\nmaterialized: view\n--- */\nselect id from core.history where valid_to is null",
		"sql/core/far.sql":       "/* ---\nmaterialized: table\n--- */\nselect count(*) as n from core.shown",
	}
	build(t, dir, at(load(t, f), 1))
	if !strings.Contains(bytesBelow(t, dir), jane) {
		t.Fatal("the files do not show the address: looking for it afterwards proves nothing")
	}
	f["sql/staging/people.sql"] = "/* ---\nmaterialized: table\n--- */\n" + people("('crm:2', 'bob@erasure.example')")
	g := at(load(t, f), 2)
	build(t, dir, g)
	got, err := Scrub(t.Context(), ScrubParams{Graph: g, Dir: dir, Values: []string{jane, "CRM:1"}, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if got.Removed != 2 || got.Rows["core.history"] != 1 || got.Rows["core.groups"] != 1 || len(got.Rows) != 2 {
		t.Errorf("%+v", got)
	}
	if text := bytesBelow(t, dir); strings.Contains(text, jane) || strings.Contains(text, "crm:1") {
		t.Error("a file still names the person")
	}
	wantRows(t, dir, "select id, email from core.history", "crm:2|bob@erasure.example")
	wantRows(t, dir, "select array_to_string(members, ' ') from core.groups order by valid_from", "crm:2", "crm:2")
	wantRows(t, dir, "select id from core.shown", "crm:2")
	// What was scrubbed is a build like any other: the next one goes on from it, and readers of what changed are built again.
	if r := build(t, dir, g); !strings.Contains(statuses(r), "core.history=") {
		t.Error(statuses(r))
	}
	wantRows(t, dir, "select n from core.far", "1")
	// The warehouse is lost: what comes back from the exports does not know the person either.
	if err := os.RemoveAll(filepath.Join(dir, "warehouse")); err != nil {
		t.Fatal(err)
	}
	build(t, dir, g)
	wantRows(t, dir, "select id from core.history", "crm:2")
	again, err := Scrub(t.Context(), ScrubParams{Graph: g, Dir: dir, Values: []string{jane, "CRM:1"}, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil || len(again.Rows) != 0 {
		t.Errorf("a second time it finds %+v, %v", again, err)
	}
}
