package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// privacy: a person who asked to be forgotten is gone from every file of the target and from the CRM, and does not come back
// with the next extraction although billing still delivers them; everybody else stays as they were.
func (l *loop) privacy(t *testing.T) {
	dir := l.leftBehind(t)
	type row = map[string]any
	ask := func(q string) []row {
		t.Helper()
		var out []row
		if err := json.Unmarshal([]byte(must(t, dir, prod, "query", "--json", q).stdout), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	picked := ask(`select membership.person_id, min(records.email) as email from identity.person_membership as membership
		inner join identity.person_records as records on records.record_key = membership.record_key
		where membership.person_id in (select subject from ops.rows where state = 'acked')
		group by membership.person_id having count(distinct records.source) > 2 and count(records.email) > 2 order by membership.person_id limit 1`)
	if len(picked) != 1 {
		t.Fatalf("nobody is known to three sources and was sent to the CRM: %v", picked)
	}
	id, email := picked[0]["person_id"].(string), picked[0]["email"].(string)
	others := func() string {
		return must(t, dir, prod, "query", "--format", "csv", "select record_key, person_id from identity.person_membership where person_id <> '"+id+"' and record_key not like 'stripe:%' order by all").stdout
	}
	before := others()
	accounts := must(t, dir, prod, "query", "--format", "csv", "select record_key, account_id from identity.company_membership order by all").stdout
	holds := func() (files []string) {
		err := filepath.WalkDir(filepath.Join(dir, ".millrace", "prod"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			if low := bytes.ToLower(data); bytes.Contains(low, []byte(email)) || bytes.Contains(low, []byte(id)) {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	if len(holds()) == 0 {
		t.Fatal("no file shows the person: looking for them afterwards proves nothing")
	}
	var found struct {
		Places []struct{ Kind, Where, Found, Erase string }
	}
	find := func(args ...string) {
		t.Helper()
		r := must(t, dir, prod, append(append([]string{"privacy"}, args...), "--json")...)
		found.Places = nil
		if err := json.Unmarshal([]byte(r.stdout), &found); err != nil {
			t.Fatal(err)
		}
	}
	find("find", email)
	listed := map[string]int{}
	for _, p := range found.Places {
		listed[p.Kind]++
	}
	for _, kind := range []string{"landed", "build", "state", "destination"} {
		if listed[kind] == 0 {
			t.Errorf("no %s among the places: %+v", kind, found.Places)
		}
	}
	all := len(found.Places)
	find("erase", email)
	if len(found.Places) != all {
		t.Errorf("the dry run lists %d places, find %d", len(found.Places), all)
	}
	if r := run(t, dir, prod, "privacy", "erase", email, "--yes"); r.code != 2 || !strings.Contains(r.stderr, "--ticket") {
		t.Errorf("without a ticket: exit %d, %s", r.code, r.stderr)
	}
	must(t, dir, prod, "privacy", "export", email, "--out", "person.json")
	given, err := os.ReadFile(filepath.Join(dir, "person.json"))
	if err != nil || !bytes.Contains(given, []byte(email)) || !json.Valid(given) {
		t.Errorf("export: %v, %d bytes", err, len(given))
	}
	if fi, err := os.Stat(filepath.Join(dir, "person.json")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("others may read the export: %v %v", fi.Mode(), err)
	}

	r := must(t, dir, prod, "privacy", "erase", id, "--ticket", "DSR-1", "--yes")
	if !strings.Contains(r.stdout, "hubspot") {
		t.Errorf("the CRM is not mentioned:\n%s", r.stdout)
	}
	gone := func(when string) {
		t.Helper()
		if files := holds(); len(files) > 0 {
			t.Errorf("%s: the person is still named in %s", when, strings.Join(files, ", "))
		}
		find("find", email)
		for _, p := range found.Places {
			if p.Where != "builds kept aside" { // made after the erasure
				t.Errorf("%s: found in %+v", when, p)
			}
		}
	}
	gone("after the erasure")
	if after := others(); after != before {
		t.Errorf("others were moved: %d bytes before, %d after", len(before), len(after))
	}
	if after := must(t, dir, prod, "query", "--format", "csv", "select record_key, account_id from identity.company_membership order by all").stdout; after != accounts {
		t.Error("companies were moved")
	}
	if log := must(t, dir, prod, "privacy", "log").stdout; !strings.Contains(log, "DSR-1") || strings.Contains(log, email) {
		t.Errorf("the log of erasures:\n%s", log)
	}
	// The sources go on delivering: the event files still name the person, and the market changes billing.
	must(t, dir, prod, "run", "--now", "2026-03-06T09:00:00Z")
	must(t, dir, prod, "extract", "--full-refresh")
	must(t, dir, prod, "build")
	gone("after the next days, and after everything was read anew")
	if r := run(t, dir, prod, "privacy", "find", id); r.code == 0 {
		t.Errorf("the id is known again:\n%s", r.stdout)
	}
}
