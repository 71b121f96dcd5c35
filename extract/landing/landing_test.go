package landing

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{
		"deals": "deals", "Zip Code": "zip_code", "dealStage": "deal_stage", "HTTPServer": "http_server", "ID": "id", "hs_object_id": "hs_object_id",
		"Müller & Söhne": "mueller_and_soehne", "Größe": "groesse", "café": "cafe", "2024 revenue": "n2024_revenue", "  x  ": "x", "__a__b": "a_b",
		"../../etc/passwd": "etc_passwd", "a.b/c\\d": "a_b_c_d", "Ürün": "ueruen", "win %": "win_percent",
	} {
		if got := Slug(in); got != want {
			t.Errorf("Slug(%q) = %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("abcdefgh_", 20)
	if a, b := Slug(long+"1"), Slug(long+"2"); a == b || len(a) > MaxName || !ValidName(a) {
		t.Errorf("%q %q", a, b)
	}
	if a, b := Slug("日本"), Slug("中国"); a == b || !ValidName(a) {
		t.Errorf("%q %q", a, b)
	}
}

func FuzzSlug(f *testing.F) {
	f.Add("../x")
	f.Add("Ärger\x00")
	f.Fuzz(func(t *testing.T, s string) {
		got := Slug(s)
		if !ValidName(got) {
			t.Fatalf("Slug(%q) = %q is not a name", s, got)
		}
		if Slug(got) != got {
			t.Fatalf("Slug(%q) = %q, but Slug of that is %q", s, got, Slug(got))
		}
	})
}

func TestColumnNames(t *testing.T) {
	got := ColumnNames([]string{"Name", "name", "NAME", "_load_id", "a b", "a-b"}, map[string]string{"old": "a_b"})
	want := []string{"name_2", "name", "name_3", "load_id", "a_b_2", "a_b_3"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

var allTypes = []Type{"", Varchar, BigInt, Double, Boolean, Date, Timestamp, JSON, Money, Decimal(38, 10), Decimal(38, 0), Decimal(9, 9), Decimal(5, 0)}

func TestWidenIsAJoin(t *testing.T) {
	for _, a := range allTypes {
		if Widen(a, a) != a || Widen(a, "") != a || Widen(a, Varchar) != Varchar {
			t.Errorf("%s: not idempotent, or a bound is missing", a)
		}
		for _, b := range allTypes {
			if Widen(a, b) != Widen(b, a) {
				t.Errorf("%s, %s: %s and %s", a, b, Widen(a, b), Widen(b, a))
			}
			for _, c := range allTypes {
				if l, r := Widen(Widen(a, b), c), Widen(a, Widen(b, c)); l != r {
					t.Errorf("(%s ∨ %s) ∨ %s = %s, but the other way %s", a, b, c, l, r)
				}
			}
		}
	}
	for _, c := range []struct{ a, b, want Type }{
		{BigInt, Money, "DECIMAL(23,4)"}, {Money, Decimal(18, 8), "DECIMAL(22,8)"}, {BigInt, Double, Double}, {Date, Timestamp, Timestamp},
		{Boolean, BigInt, Varchar}, {JSON, BigInt, Varchar}, {Date, BigInt, Varchar}, {Decimal(38, 0), Decimal(9, 9), Double},
	} {
		if got := Widen(c.a, c.b); got != c.want {
			t.Errorf("Widen(%s, %s) = %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

func TestParseType(t *testing.T) {
	for in, want := range map[string]Type{"text": Varchar, "Integer": BigInt, "decimal(18, 4)": Money, "numeric(10,2)": Decimal(10, 2), "decimal(9)": Decimal(9, 0), "money": Money} {
		if got, err := ParseType(in); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "blob", "decimal(40,2)", "decimal(4,5)", "decimal(x)"} {
		if got, err := ParseType(in); err == nil {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func example() Manifest {
	at := time.Date(2026, 11, 21, 7, 28, 0, 0, time.UTC)
	return Manifest{FormatVersion: FormatVersion, Source: "crm", Stream: "deals", Original: "Deals", LoadID: "000002-20261121T072800Z", RunID: "r1", Disposition: Merge,
		Schema: Schema{Columns: []Column{{Name: "id", Type: BigInt, Declared: true, Required: true}, {Name: "zip_code", Original: "Zip Code", Type: Varchar, PII: "address", Description: "postal code"},
			{Name: "later", Type: Varchar, Empty: true}}, PrimaryKey: []string{"id"}},
		Changes:    []SchemaChange{{Column: "zip_code", Kind: "widened", From: BigInt, To: Varchar}},
		Files:      []File{{Name: "part-00001.parquet", Rows: 3, Bytes: 512, SHA256: "ab", Columns: map[string]Type{"zip_code": BigInt, "later": ""}}},
		Quarantine: []File{{Name: "quarantine-00001.parquet", Rows: 1, Bytes: 99, SHA256: "cd"}}, Rows: 3, Quarantined: 1, Starts: true, Complete: true,
		Replaces: []string{"000001-20261121T072700Z"}, Replayed: []string{"000001-20261121T072700Z"},
		Before: Checkpoint{}, After: Checkpoint{Version: 1, State: json.RawMessage(`{"files":{}}`)}, StartedAt: at, LandedAt: at.Add(time.Second)}
}

// TestManifestBytes pins the stored form: a field that is lost or renamed would lose somebody's state.
func TestManifestBytes(t *testing.T) {
	got, err := example().Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "manifest.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the manifest's bytes changed:\n%s", got)
	}
	back, err := Parse(want)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.Encode()
	if err != nil || string(again) != string(want) {
		t.Errorf("reading and writing again changes it: %v\n%s", err, again)
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]string{`{"version":99}`: "newer", `{}`: "no version", `{"version":1`: "not a manifest", `{"version":0}`: "no version"} {
		if _, err := Parse([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func put(t *testing.T, raw string, m Manifest) {
	t.Helper()
	dir := filepath.Join(raw, m.Source, m.Stream, m.LoadID)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ManifestName), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLoads(t *testing.T) {
	raw := t.TempDir()
	for _, id := range []string{"1000000-x", "000002-x", "000010-x"} {
		m := example()
		m.LoadID, m.Replaces = id, nil
		put(t, raw, m)
	}
	merged := example()
	merged.LoadID, merged.Replaces = "000010-x.c", []string{"000002-x", "000010-x"}
	put(t, raw, merged)
	os.MkdirAll(filepath.Join(raw, "crm", "deals", "1000001-y"), 0o755) // killed
	os.WriteFile(filepath.Join(raw, "crm", "deals", ".lock"), nil, 0o644)
	loads, err := Loads(raw, "crm", "deals")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range loads {
		ids = append(ids, m.LoadID)
	}
	if !reflect.DeepEqual(ids, []string{"000010-x.c", "1000000-x"}) {
		t.Errorf("%v", ids)
	}
	all, err := List(raw)
	if err != nil || len(all["crm.deals"]) != 2 {
		t.Errorf("%v %v", all, err)
	}
	if _, err := Loads(raw, "crm", "../x"); err == nil {
		t.Error("a name that leaves the folder was read")
	}
	if _, err := Read(filepath.Join(raw, "crm", "deals", "1000001-y")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	os.WriteFile(filepath.Join(raw, "crm", "deals", "1000000-x", ManifestName), []byte("{"), 0o644)
	if _, err := Loads(raw, "crm", "deals"); err == nil {
		t.Error("a broken manifest was passed over")
	}
}

func TestCurrent(t *testing.T) {
	load := func(id string, d Disposition, starts, complete bool) Manifest {
		return Manifest{LoadID: id, Disposition: d, Starts: starts, Complete: complete}
	}
	for name, c := range map[string]struct {
		loads []Manifest
		want  string
	}{
		"append":                 {[]Manifest{load("1", Append, false, false), load("2", Append, false, false)}, "1 2"},
		"first read unfinished":  {[]Manifest{load("1", Replace, true, false), load("2", Replace, false, false)}, ""},
		"replace":                {[]Manifest{load("1", Replace, true, true), load("2", Replace, true, false), load("3", Replace, false, true)}, "2 3"},
		"replace being read":     {[]Manifest{load("1", Replace, true, true), load("2", Replace, true, false)}, "1"},
		"replayed after":         {[]Manifest{load("1", Replace, true, true), load("2", Replace, false, true)}, "1 2"},
		"refreshed append":       {[]Manifest{load("1", Append, false, false), load("2", Append, true, true), load("3", Append, false, false)}, "2 3"},
		"append being refreshed": {[]Manifest{load("1", Append, false, false), load("2", Append, true, false)}, "1"},
		"none":                   {nil, ""},
	} {
		var ids []string
		for _, m := range Current(c.loads) {
			ids = append(ids, m.LoadID)
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestUnionAndGroups(t *testing.T) {
	a := Manifest{Dir: "/a", Schema: Schema{Columns: []Column{{Name: "id", Type: BigInt}, {Name: "x", Type: Varchar, Empty: true}}}, Files: []File{{Name: "1"}, {Name: "2"}}}
	b := Manifest{Dir: "/b", Schema: Schema{Columns: []Column{{Name: "id", Type: Varchar}, {Name: "x", Type: Date}, {Name: "y", Type: JSON, PII: "email"}}, PrimaryKey: []string{"id"}},
		Files: []File{{Name: "1", Columns: map[string]Type{"id": BigInt, "x": Varchar, "y": ""}}, {Name: "2"}}}
	u := Union([]Manifest{a, b})
	want := []Column{{Name: "id", Type: Varchar}, {Name: "x", Type: Date}, {Name: "y", Type: JSON, PII: "email"}}
	if !reflect.DeepEqual(u.Columns, want) || len(u.PrimaryKey) != 1 {
		t.Errorf("%+v", u)
	}
	g := Groups([]Manifest{a, b})
	if len(g) != 2 || !reflect.DeepEqual(g[0].Paths, []string{"/a/1", "/a/2", "/b/1"}) || !reflect.DeepEqual(g[1].Paths, []string{"/b/2"}) || len(g[0].Columns) != 2 {
		t.Errorf("%+v", g)
	}
	// The order of loads decides the order of columns, never a type.
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var loads []Manifest
		for range 4 {
			loads = append(loads, Manifest{Schema: Schema{Columns: []Column{{Name: "c", Type: allTypes[1+r.IntN(len(allTypes)-1)]}}}})
		}
		before := Union(loads).Columns[0].Type
		r.Shuffle(len(loads), func(i, j int) { loads[i], loads[j] = loads[j], loads[i] })
		if after := Union(loads).Columns[0].Type; after != before {
			t.Fatalf("%s and %s", before, after)
		}
	}
}
