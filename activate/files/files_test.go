package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/atomicfile"
	"millrace/internal/httpx"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// disk is the folder of a project, on a disk that can misbehave.
type disk struct {
	dir, object string
	what        desttest.Disturbance
	always      bool
}

func (k *disk) Disturb(d desttest.Disturbance, always bool) { k.what, k.always = d, always }
func (k *disk) Calm()                                       { k.what = "" }
func (k *disk) Digest() string {
	b, err := os.ReadFile(filepath.Join(k.dir, k.object))
	return fmt.Sprint(string(b), err != nil)
}

func (k *disk) write(path string, perm os.FileMode, fill func(*os.File) error) error {
	what := k.what
	if !k.always {
		k.what = ""
	}
	if what == desttest.Down { // the disk is full
		return atomicfile.WriteTo(path, perm, func(*os.File) error { return errors.New("no space left on device") })
	}
	err := atomicfile.WriteTo(path, perm, fill)
	if what == desttest.LostReply && err == nil { // renamed, and the folder could not be synced
		return errors.New("input/output error")
	}
	return err
}

func opened(t *testing.T, k *disk, o Options) *destination {
	t.Helper()
	d, err := Connector().Open(activate.OpenParams{Options: &o, Dir: k.dir, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	x := d.(*destination)
	x.write = k.write
	return x
}

func TestConformance(t *testing.T) {
	for _, object := range []string{"exports/hot_leads.csv", "hot.ndjson"} {
		t.Run(object, func(t *testing.T) {
			target := activate.Target{Object: object, Key: "email", Fields: []string{"note", "score"}, Ops: []activate.Op{activate.Insert, activate.Upsert}}
			with := func(f func(*activate.Target)) activate.Target { x := target; f(&x); return x }
			desttest.Run(t, desttest.Harness{
				Open: func(t *testing.T) (activate.Destination, desttest.System) {
					k := &disk{dir: t.TempDir(), object: object}
					for name, content := range map[string]string{"people.csv": "name,phone\nAnn,1\n", "semi.csv": "email;score\n", "twice.csv": "email,score,score\n"} {
						if err := os.WriteFile(filepath.Join(k.dir, name), []byte(content), 0o600); err != nil {
							t.Fatal(err)
						}
					}
					if err := os.Symlink(t.TempDir(), filepath.Join(k.dir, "out")); err != nil {
						t.Fatal(err)
					}
					return opened(t, k, Options{Guard: true}), k
				},
				Target: target,
				Row: func(i int) (string, map[string]json.RawMessage) {
					return fmt.Sprintf("p%d@example.com", i), map[string]json.RawMessage{"score": raw(fmt.Sprint(i)), "note": raw(fmt.Sprintf(`"=a, \"b\"\r\nline %d"`, i))}
				},
				Bad: func() (string, map[string]json.RawMessage) {
					return "two\nlines", map[string]json.RawMessage{"score": raw("1")}
				},
				Misfits: []activate.Target{
					with(func(x *activate.Target) { x.Object = "../out.csv" }), with(func(x *activate.Target) { x.Object = "/tmp/out.csv" }),
					with(func(x *activate.Target) { x.Object = "out/x.csv" }), with(func(x *activate.Target) { x.Object = "a/../b.csv" }),
					with(func(x *activate.Target) { x.Object = ".millrace/x.csv" }), with(func(x *activate.Target) { x.Object = "x.xlsx" }),
					with(func(x *activate.Target) { x.Object = "people.csv/x.csv" }), with(func(x *activate.Target) { x.Object = "people.csv" }),
					with(func(x *activate.Target) { x.Object = "semi.csv" }), with(func(x *activate.Target) { x.Object = "twice.csv" }),
					with(func(x *activate.Target) { x.Fields = nil }), with(func(x *activate.Target) { x.Fields = []string{"a\nb"} }),
				},
				// A file has no limit of calls, no answer that can be cut or empty or hold an error, and no credentials.
				Lacks: []desttest.Disturbance{desttest.Rate, desttest.Truncated, desttest.Empty, desttest.ErrorBody, desttest.Expired},
			})
		})
	}
}

// What others keep in the file stays: columns, rows, order, a byte order mark, spellings.
func TestOthersStay(t *testing.T) {
	for _, c := range []struct{ object, before, after string }{
		{"x.csv", "\uFEFFphone,id\n1,a\n\"2,5\",b\n3,c\n", "\uFEFFphone,id,score\n1,a,\n\"2,5\",b,7.5\n,d,true\n"},
		{"x.csv", "", "id,score\nb,7.5\nd,true\n"},
		{"x.ndjson", "{\"z\": 1.0, \"id\":\"a\"}\n\n{\"id\":\"b\",\"z\":\"<\"}\n{\"id\":\"c\"}", "{\"z\": 1.0, \"id\":\"a\"}\n{\"id\":\"b\",\"score\":7.5,\"z\":\"<\"}\n{\"id\":\"d\",\"score\":true}\n"},
	} {
		k := &disk{dir: t.TempDir(), object: c.object}
		path := filepath.Join(k.dir, c.object)
		if err := os.WriteFile(path, []byte(c.before), 0o644); err != nil {
			t.Fatal(err)
		}
		d := opened(t, k, Options{})
		target := activate.Target{Object: c.object, Key: "id", Fields: []string{"score"}}
		for _, b := range []activate.Batch{
			{Op: activate.Upsert, Rows: []activate.Row{{ID: "1", Key: "b", Values: map[string]json.RawMessage{"score": raw("7.5")}}, {ID: "2", Key: "d", Values: map[string]json.RawMessage{"score": raw("true")}}}},
			{Op: activate.Archive, Rows: []activate.Row{{ID: "3", RemoteID: "c"}, {ID: "4", Key: "gone"}}},
		} {
			b.Target = target
			a, err := d.Send(t.Context(), b)
			if err != nil || len(a.Results) != 2 || a.Results[0].Status != activate.Acked || a.Results[1].Status != activate.Acked {
				t.Fatalf("%+v %v", a, err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != c.after {
			t.Errorf("%s: %q, want %q, %v", c.object, got, c.after, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%v %v", info.Mode(), err)
		}
		var keys []string
		for x, err := range d.List(t.Context(), target) {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, x.Key)
		}
		if !slices.Contains(keys, "d") || slices.Contains(keys, "c") {
			t.Errorf("%q", keys)
		}
	}
}

// Files that cannot be read are left alone, and the refusal names the line.
func TestBrokenFiles(t *testing.T) {
	for _, c := range []struct{ object, content, says string }{
		{"x.csv", "id,score\na,1\nb\n", "x.csv:3"},
		{"x.csv", "id,score\na,\"1\n", "not a table"},
		{"x.csv", "id,score\na,1\na,2\n", "same key"},
		{"x.ndjson", "{\"id\":\"a\"}\n[1]\n", "x.ndjson:2"},
		{"x.ndjson", "{\"score\":1}\n", "has no id"},
		{"x.ndjson", "{\"id\":\"a\"}\n{\"id\":\"a\"}\n", "same key"},
		{"x.ndjson", strings.Repeat("x", maxLine+1), "longer than 16 MiB"},
	} {
		k := &disk{dir: t.TempDir(), object: c.object}
		if err := os.WriteFile(filepath.Join(k.dir, c.object), []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		d := opened(t, k, Options{})
		b := activate.Batch{Target: activate.Target{Object: c.object, Key: "id", Fields: []string{"score"}}, Op: activate.Upsert, Rows: []activate.Row{{ID: "1", Key: "a", Values: map[string]json.RawMessage{"score": raw("3")}}}}
		_, err := d.Send(t.Context(), b)
		_, rerr := d.Read(t.Context(), b.Target, b.Rows)
		for _, err := range []error{err, rerr} {
			if err == nil || httpx.ClassOf(err) != httpx.Config || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%.30q: class %q, %v", c.content, httpx.ClassOf(err), err)
			}
		}
		if k.Digest() != fmt.Sprint(c.content, false) {
			t.Errorf("%.30q was changed", c.content)
		}
		if left, err := filepath.Glob(filepath.Join(k.dir, ".*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %q %v", left, err)
		}
	}
}

// A change that somebody makes during a rewrite is not lost.
func TestChangedMeanwhile(t *testing.T) {
	k := &disk{dir: t.TempDir(), object: "x.csv"}
	path := filepath.Join(k.dir, k.object)
	if err := os.WriteFile(path, []byte("id,score\na,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stray := filepath.Join(k.dir, ".x.csv.tmp-1")
	if err := os.WriteFile(stray, []byte("a person"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(stray, time.Time{}, time.Now().Add(-2*stale)); err != nil {
		t.Fatal(err)
	}
	d := opened(t, k, Options{})
	d.write = func(p string, perm os.FileMode, fill func(*os.File) error) error {
		if err := os.WriteFile(path, []byte("id,score\na,1\nmine,2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return atomicfile.WriteTo(p, perm, fill)
	}
	b := activate.Batch{Target: activate.Target{Object: "x.csv", Key: "id", Fields: []string{"score"}}, Op: activate.Upsert, Rows: []activate.Row{{ID: "1", Key: "a", Values: map[string]json.RawMessage{"score": raw("3")}}}}
	if _, err := d.Send(t.Context(), b); httpx.ClassOf(err) != httpx.Transient || !errors.Is(err, errChanged) {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "id,score\na,1\nmine,2\n" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := os.Stat(stray); !os.IsNotExist(err) {
		t.Errorf("what a killed process left is still there: %v", err)
	}
}

// Whatever text goes into a cell is read back as equal.
func TestTextsSurvive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "'", "=", "+", "-", "@", "\t", "\r", "\n", "\r\n", ",", `"`, " ", "ä", "\u2028", "<", "0"}
	for _, object := range []string{"x.csv", "x.ndjson"} {
		for _, guard := range []bool{false, true} {
			k := &disk{dir: t.TempDir(), object: object}
			d := opened(t, k, Options{Guard: guard})
			b := activate.Batch{Target: activate.Target{Object: object, Key: "id", Fields: []string{"v"}}, Op: activate.Upsert}
			for i := range 500 {
				var s strings.Builder
				for range 1 + r.IntN(6) {
					s.WriteString(alphabet[r.IntN(len(alphabet))])
				}
				v, err := json.Marshal(s.String())
				if err != nil {
					t.Fatal(err)
				}
				b.Rows = append(b.Rows, activate.Row{ID: fmt.Sprint(i), Key: fmt.Sprint("=", i), Values: map[string]json.RawMessage{"v": v}})
			}
			if _, err := d.Send(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			got, err := d.Read(t.Context(), b.Target, b.Rows)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range b.Rows {
				if !got[row.ID].Exists || !d.Same(row.Values["v"], got[row.ID].Values["v"]) {
					t.Errorf("%s guard %v: wrote %s, read %s", object, guard, row.Values["v"], got[row.ID].Values["v"])
				}
			}
		}
	}
}

const file = `destination: files
object: %s
key: person_id
consent: not_needed
mode: %s
mapping: {score: score, note: {column: note, null: clear}}
guardrails: {first_run: allow, max_changed_pct: 100}
`

func night(t *testing.T, object, mode string) (*desttest.Night, *disk) {
	k := &disk{dir: t.TempDir(), object: object}
	n := desttest.NewNight(t, []activate.Connector{Connector()}, fmt.Sprintf(file, object, mode), []string{"person_id", "score", "note"}, func() activate.Destination { return opened(t, k, Options{}) })
	for i := range 4 {
		n.Rows = append(n.Rows, map[string]any{"person_id": fmt.Sprint("p", i), "score": i, "note": fmt.Sprint("n", i)})
	}
	return n, k
}

// An undo gives back the very bytes, and every crash ends as an undisturbed night does.
func TestEngine(t *testing.T) {
	for object, first := range map[string]string{"a/x.csv": "person_id,score,note,phone\np0,9,old,1\nme,5,mine,2\n", "x.ndjson": "{\"person_id\":\"p0\",\"score\":9,\"phone\":\"1\"}\n{\"person_id\":\"me\"}\n"} {
		t.Run(object, func(t *testing.T) {
			n, k := night(t, object, "upsert")
			path := filepath.Join(k.dir, object)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(first), 0o600); err != nil {
				t.Fatal(err)
			}
			p, a, err := n.Whole()
			if err != nil || a == nil {
				t.Fatalf("%+v %+v %v", p, a, err)
			}
			if got := k.Digest(); !strings.Contains(got, "n3") || !strings.Contains(got, "me") || strings.Contains(got, "old") {
				t.Errorf("%s", got)
			}
			n.Clock = n.Clock.Add(time.Hour)
			if u, ua, err := n.Undo(p.ID); err != nil {
				t.Fatalf("%+v %+v %v", u, ua, err)
			}
			want := first
			if strings.HasSuffix(object, ".ndjson") { // a line that was written has its members in their order
				want = "{\"person_id\":\"p0\",\"phone\":\"1\",\"score\":9}\n{\"person_id\":\"me\"}\n"
			}
			if got := k.Digest(); got != fmt.Sprint(want, false) {
				t.Errorf("%q, want %q", got, want)
			}
			steps := desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
				n, k := night(t, object, "mirror")
				return n, k.Digest
			})
			if steps < 5 {
				t.Errorf("%d steps", steps)
			}
		})
	}
}
