package transform

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/extract/landing"
	"millrace/internal/duck"
)

// rawStream is a stream that nobody has landed yet.
func rawStream() RawStream {
	return RawStream{Schema: "raw_crm", Name: "deals", Source: "crm", Disposition: landing.Append, Columns: []landing.Column{
		{Name: "id", Type: landing.BigInt}, {Name: "region", Type: landing.Varchar}, {Name: "amount", Type: "DECIMAL(18,4)"},
		{Name: "won", Type: landing.Boolean}, {Name: "closed", Type: landing.Date}}}
}

// land writes one load as Parquet and returns its manifest.
func land(t testing.TB, dir string, s *RawStream, id, query string, cols []landing.Column) *landing.Manifest {
	t.Helper()
	db, err := duck.Open(context.Background(), "", duck.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	file := fmt.Sprintf("part-%s-%s.parquet", s.Name, id)
	q := fmt.Sprintf("copy (select *, null::json as _extra, '%s' as _load_id, timestamp '2026-01-01' as _extracted_at, 'r' || row_number() over () as _row_id from (%s)) to '%s' (format parquet)",
		id, query, filepath.Join(dir, file))
	if err := db.Exec(context.Background(), q); err != nil {
		t.Fatal(err)
	}
	var n int64
	if err := db.Each(context.Background(), "select count(*) from ("+query+")", func(row []any) error { n = row[0].(int64); return nil }); err != nil {
		t.Fatal(err)
	}
	s.Loads = append(s.Loads, landing.Manifest{Source: s.Source, Stream: s.Name, LoadID: id, Disposition: s.Disposition, Dir: dir, Rows: n,
		Schema: landing.Schema{Columns: cols}, Files: []landing.File{{Name: file, Rows: n, SHA256: id + query}}})
	return &s.Loads[len(s.Loads)-1]
}

func TestRawDispositions(t *testing.T) {
	id := []landing.Column{{Name: "id", Type: landing.BigInt}}
	idv := append(id[:1:1], landing.Column{Name: "v", Type: landing.BigInt})
	idvText := append(id[:1:1], landing.Column{Name: "v", Type: landing.Varchar}, landing.Column{Name: "w", Type: landing.Date})
	for _, c := range []struct {
		name string
		disp landing.Disposition
		key  []string
		land func(t *testing.T, dir string, s *RawStream)
		want []string
	}{
		{"append keeps all", landing.Append, nil, func(t *testing.T, dir string, s *RawStream) {
			land(t, dir, s, "01", "select 1 as id, 10 as v", idv)
			land(t, dir, s, "02", "select 1 as id, 10 as v", idv)
		}, []string{"1|10|01", "1|10|02"}},
		{"types widen, columns come", landing.Append, nil, func(t *testing.T, dir string, s *RawStream) {
			land(t, dir, s, "01", "select 1 as id, 10 as v", idv)
			land(t, dir, s, "02", "select 2 as id, 'x' as v, date '2026-01-02' as w", idvText)
		}, []string{"1|10|01", "2|x|02"}},
		{"merge keeps the latest", landing.Merge, []string{"id"}, func(t *testing.T, dir string, s *RawStream) {
			land(t, dir, s, "01", "select * from (values (1, 10), (2, 20)) as t(id, v)", idv)
			land(t, dir, s, "02", "select * from (values (2, 21), (3, 30), (2, 22)) as t(id, v)", idv)
		}, []string{"1|10|01", "2|22|02", "3|30|02"}},
		{"merge drops no row without a key", landing.Merge, []string{"id"}, func(t *testing.T, dir string, s *RawStream) {
			land(t, dir, s, "01", "select * from (values (null::int, 10), (null::int, 20)) as t(id, v)", idv)
		}, []string{"NULL|10|01", "NULL|20|01"}},
		{"replace shows the last complete read", landing.Replace, nil, func(t *testing.T, dir string, s *RawStream) {
			m := land(t, dir, s, "01", "select 1 as id, 1 as v", idv)
			m.Starts, m.Complete = true, true
			land(t, dir, s, "02", "select 2 as id, 2 as v", idv).Starts = true
			land(t, dir, s, "03", "select 3 as id, 3 as v", idv).Complete = true
			land(t, dir, s, "04", "select 4 as id, 4 as v", idv).Starts = true // not complete yet
		}, []string{"2|2|02", "3|3|03"}},
		{"replace without a complete read shows nothing yet", landing.Replace, nil, func(t *testing.T, dir string, s *RawStream) {
			land(t, dir, s, "01", "select 1 as id, 1 as v", idv).Starts = true
		}, nil},
		{"a full refresh takes the place of what was appended", landing.Append, nil, func(t *testing.T, dir string, s *RawStream) {
			land(t, dir, s, "01", "select 1 as id, 1 as v", idv)
			m := land(t, dir, s, "02", "select 1 as id, 1 as v", idv)
			m.Starts, m.Complete = true, true
			land(t, dir, s, "03", "select 2 as id, 2 as v", idv)
		}, []string{"1|1|02", "2|2|03"}},
		{"values of other types keep their own spelling", landing.Append, nil, func(t *testing.T, dir string, s *RawStream) {
			land(t, dir, s, "01", "select 1 as id, true as v", append(id[:1:1], landing.Column{Name: "v", Type: landing.Boolean}))
			land(t, dir, s, "02", "select 2 as id, 7 as v", idv)
		}, []string{"1|true|01", "2|7|02"}},
		{"nothing landed is an empty relation", landing.Append, nil, func(*testing.T, string, *RawStream) {}, nil},
		{"an empty load is no change", landing.Append, nil, func(t *testing.T, dir string, s *RawStream) {
			land(t, dir, s, "01", "select 1 as id, 1 as v where false", idv)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := RawStream{Schema: "raw_crm", Name: "deals", Source: "crm", Disposition: c.disp, PrimaryKey: c.key, Columns: idv}
			c.land(t, dir, &s)
			f := files{"sql/staging/deals.sql": "select id, v, _load_id from raw_crm.deals"}
			build(t, dir, load(t, f, s))
			wantRows(t, dir, "from staging.deals order by all", c.want...)
			if got := rows(t, dir, "select count(*) from information_schema.schemata where schema_name like 'raw%'"); got[0] != "0" {
				t.Error("the published build holds raw schemas")
			}
		})
	}
}

// TestRawAlias reads two sources of one connector under the connector's name.
func TestRawAlias(t *testing.T) {
	dir := t.TempDir()
	cols := []landing.Column{{Name: "id", Type: landing.BigInt}}
	north := RawStream{Schema: "raw_north", Name: "deals", Source: "north", Alias: "raw_crm", Columns: cols}
	south := RawStream{Schema: "raw_south", Name: "deals", Source: "south", Alias: "raw_crm", Columns: cols}
	land(t, dir, &north, "01", "select 1 as id", cols)
	land(t, dir, &south, "02", "select 1 as id", cols)
	build(t, dir, load(t, files{"sql/staging/deals.sql": "select _source, id from raw_crm.deals"}, south, north))
	wantRows(t, dir, "from staging.deals order by all", "north|1", "south|1")
}

// TestNewLoadRebuilds: a new load is a change for what reads the stream and for nothing else.
func TestNewLoadRebuilds(t *testing.T) {
	dir := t.TempDir()
	cols := []landing.Column{{Name: "id", Type: landing.BigInt}}
	s := RawStream{Schema: "raw_crm", Name: "deals", Source: "crm", Columns: cols}
	f := files{"sql/core/a.sql": "select id from raw_crm.deals", "sql/core/b.sql": "select 1 as x", "sql/core/c.sql": "select count(*) as n from core.a"}
	land(t, dir, &s, "01", "select 1 as id", cols)
	build(t, dir, load(t, f, s))
	land(t, dir, &s, "02", "select 2 as id", cols)
	r := build(t, dir, load(t, f, s))
	if got := statuses(r); !strings.Contains(got, "core.a=built") || !strings.Contains(got, "core.b=unchanged") || !strings.Contains(got, "core.c=built") {
		t.Error(got)
	}
	wantRows(t, dir, "from core.c", "2")
}

// TestDamagedStream: what reads a stream that cannot be read is held back, the rest is published.
func TestDamagedStream(t *testing.T) {
	for _, damage := range []func(file string) error{os.Remove, func(file string) error { return os.WriteFile(file, []byte("not parquet"), 0o600) }} {
		dir := t.TempDir()
		cols := []landing.Column{{Name: "id", Type: landing.BigInt}}
		s := RawStream{Schema: "raw_crm", Name: "deals", Source: "crm", Columns: cols}
		f := files{"sql/core/a.sql": "select id from raw_crm.deals", "sql/core/b.sql": "select 1 as x", "sql/core/c.sql": "select count(*) as n from core.a"}
		land(t, dir, &s, "01", "select 1 as id", cols)
		build(t, dir, load(t, f, s))
		m := land(t, dir, &s, "02", "select 2 as id", cols)
		if err := damage(filepath.Join(dir, m.Files[0].Name)); err != nil {
			t.Fatal(err)
		}
		f["sql/core/b.sql"] = "select 2 as x"
		r := build(t, dir, load(t, f, s))
		if got := statuses(r); !strings.Contains(got, "core.a=failed") || !strings.Contains(got, "core.b=built") || !strings.Contains(got, "core.c=held") {
			t.Error(got)
		}
		if m := messages(r); !strings.Contains(m, "raw_crm.deals") && !strings.Contains(m, "part-deals-02.parquet") {
			t.Errorf("messages: %s", messages(r))
		}
		wantRows(t, dir, "select n, x from core.c, core.b", "1|2")
	}
}
