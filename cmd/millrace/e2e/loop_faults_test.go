package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// runOutput is what these tests read of `millrace run --json`.
type runOutput struct {
	Extract []struct {
		Source, Stream, Error string
		Rows                  int64
	}
	Sync []struct {
		Sync, Waiting, Error              string
		Planned, Acked, Rejected, Unknown int
	}
	Reports []struct{ Name, Channel, Status, Error string }
	Errors  []string
}

func parseRun(t testing.TB, r result) (out runOutput) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil {
		t.Fatalf("run --json: exit %d, %v\n%s\n%s", r.code, err, r.stdout, r.stderr)
	}
	return out
}

// undisturbed is how a project and its vendors stand after a first day on which nothing went wrong.
type undisturbed struct {
	stages    []stage
	rows      map[string]int64 // of each stream
	vendors   string
	relations map[string]string
	sent      []string
	posts     []string
}

// project copies the fresh project and serves its vendors.
func (l *loop) project(t *testing.T, from string) (string, *vendors) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "project")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	keepOnFailure(t, dir)
	return dir, serveVendors(t, dir)
}

// calmDay copies a project and runs its first day over vendors that behave.
func calmDay(t *testing.T, from, to string) *undisturbed {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	v := serveVendors(t, to)
	stages, said := watch(t, to, "run", "--target", "prod", "--now", at9(firstDay))
	u := &undisturbed{stages: stages, rows: map[string]int64{}, vendors: v.digest(), relations: relationDigests(t, to), sent: sentAndPlanned(t, to), posts: v.posts()}
	for _, m := range regexp.MustCompile(`(?m)^extract +OK +(\S+) +([\d,]+) rows?`).FindAllStringSubmatch(said, -1) {
		n, err := strconv.ParseInt(strings.ReplaceAll(m[2], ",", ""), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		u.rows[m[1]] = n
	}
	if len(u.posts) == 0 || len(u.rows) < 20 || len(stages) != len(marks) {
		t.Fatalf("undisturbed: %d streams, %d posts, stages %v\n%s", len(u.rows), len(u.posts), stages, said)
	}
	nothingLostNorDoubled(t, to, v)
	v.stop()
	return u
}

// settled compares a project after its troubles with one that had none.
func (u *undisturbed) settled(t *testing.T, dir string, v *vendors, wholeFromTheStart bool) {
	t.Helper()
	if v.digest() != u.vendors {
		t.Errorf("the vendors hold something else than after an undisturbed day: %v", v.objects())
	}
	got := relationDigests(t, dir)
	for _, name := range slices.Sorted(maps.Keys(u.relations)) {
		// What was decided and planned while a stream was missing stays in the log of decisions and in the list of plans.
		if schema, _, _ := strings.Cut(name, "."); !wholeFromTheStart && (schema == "ops" || schema == "decisions" || name == "activation.crm_contact_updates") {
			continue
		}
		if got[name] != u.relations[name] {
			t.Errorf("%s differs from an undisturbed day", name)
		}
	}
	if sent := sentAndPlanned(t, dir); wholeFromTheStart && !slices.Equal(sent, u.sent) {
		t.Errorf("plans and rows\n%.2000s\nundisturbed\n%.2000s", strings.Join(sent, "\n"), strings.Join(u.sent, "\n"))
	}
	if posts := v.posts(); !slices.Equal(posts, u.posts) && (wholeFromTheStart || len(posts) != len(u.posts)) {
		t.Errorf("%d posts in Slack, undisturbed %d; or other ones", len(posts), len(u.posts))
	}
	nothingLostNorDoubled(t, dir, v)
}

// failing fails a share of all calls, before or after they took effect. Which calls are hit depends on how many rules were
// made before, so each seed makes some that it takes back.
func (v *vendors) failing(seed int) {
	v.t.Helper()
	for range seed {
		v.faults(map[string]any{"kind": "status_500", "rate": 0.5})
	}
	kinds := []string{"status_429", "status_500", "drop_after"}
	if seed%2 == 1 {
		kinds = append(kinds, "status_503", "drop_before", "truncate")
	}
	var list []map[string]any
	for _, k := range kinds {
		list = append(list, map[string]any{"kind": k, "rate": 0.2 / float64(len(kinds))})
	}
	v.faults(list...)
}

// faults: the vendors fail one call in five. The run completes, or says which streams or rows did not; nothing is marked as
// sent that the vendors did not take; and once they behave again another run leaves everything as if nothing had been.
func (l *loop) faults(t *testing.T) {
	t.Parallel()
	seeds := 2
	if soak() {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			dir, v := l.project(t, l.fresh)
			v.failing(seed)
			r := run(t, dir, nil, "run", "--target", "prod", "--json")
			out := parseRun(t, r)
			wholeRun := l.day.saysWhatFailed(t, r, out)
			v.faults() // none from here on
			ackedIsTaken(t, dir, v)
			again := must(t, dir, nil, "run", "--target", "prod", "--json")
			l.day.settled(t, dir, v, wholeRun)
			for _, s := range parseRun(t, must(t, dir, nil, "run", "--target", "prod", "--json")).Sync {
				if s.Planned+s.Acked != 0 {
					t.Errorf("a third run sends again: %+v", s)
				}
			}
			t.Logf("exit %d after %s, %d errors; the next run took %s", r.code, r.took.Round(1e8), len(out.Errors), again.took.Round(1e8))
		})
	}
}

// saysWhatFailed holds a run's exit code and words against what it did; it reports whether every stream was read.
func (u *undisturbed) saysWhatFailed(t *testing.T, r result, out runOutput) bool {
	t.Helper()
	said := strings.Join(out.Errors, "\n")
	missing := false
	complete := true
	for _, s := range out.Extract {
		name := s.Source + "." + s.Stream
		switch {
		case s.Error != "":
			missing, complete = true, false
			if !strings.Contains(said, name) {
				t.Errorf("stream %s failed and the errors do not name it:\n%s", name, said)
			}
		case s.Rows != u.rows[name]:
			t.Errorf("stream %s has %d rows and no error; undisturbed it has %d", name, s.Rows, u.rows[name])
		}
	}
	if len(out.Extract) != len(u.rows) {
		t.Errorf("%d streams told, want %d", len(out.Extract), len(u.rows))
	}
	for _, s := range out.Sync {
		if s.Acked < s.Planned {
			missing = true
			if !strings.Contains(said, s.Sync) {
				t.Errorf("sync %s: %d of %d rows acknowledged, and the errors do not name it:\n%s", s.Sync, s.Acked, s.Planned, said)
			}
		}
	}
	for _, x := range out.Reports {
		if x.Error != "" {
			missing = true
			if !strings.Contains(said, x.Channel) {
				t.Errorf("report %s to %s failed, and the errors do not name it:\n%s", x.Name, x.Channel, said)
			}
		}
	}
	if want := map[bool]int{true: 1}[missing]; r.code != want {
		t.Errorf("exit %d, want %d\n%s\n%s", r.code, want, said, r.stderr)
	}
	return complete
}

// ackedIsTaken compares what the state calls acknowledged with what the vendors hold.
func ackedIsTaken(t testing.TB, dir string, v *vendors) {
	t.Helper()
	held := map[string]bool{}
	for _, c := range v.contacts() {
		held[c["millrace_person_id"]] = true
	}
	members := int64(0)
	for _, r := range loopRows(t, dir, "select sync, subject, state from ops.rows where state in ('acked', 'settled')") {
		switch {
		case text(r["sync"]) == "google_ad_prospects":
			members++
		case !held[text(r["subject"])]:
			t.Errorf("%s is acknowledged for %s, and the CRM has no contact of that person", r["sync"], r["subject"])
		}
	}
	if list := v.objects()["google_audience.7700001"]; list < members { // a member is on the list by address and by number
		t.Errorf("%d people are acknowledged for the audience, which has %d members", members, list)
	}
}
