package match

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"millrace/internal/duck"
)

func open(t testing.TB) *duck.DB {
	t.Helper()
	db, err := duck.Open(context.Background(), "", duck.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

var contact = Spec{Entity: Person, Region: "US", Fields: []Field{{Name: "name", Type: FullName}, {Name: "email", Type: Email}, {Name: "phone", Type: Phone}}}

// contacts makes a set of name, email, phone; each text has the three parts between bars.
func contacts(t testing.TB, rows ...string) *Set {
	t.Helper()
	s, err := NewSet(contact)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		p := strings.Split(r, "|")
		if err := s.Add(Record{Key: fmt.Sprintf("%06d", i), Values: [][]string{one(p[0]), one(p[1]), one(p[2])}}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestBadInput: nothing crashes, nothing is merged because it is empty, odd or huge.
func TestBadInput(t *testing.T) {
	huge := strings.Repeat("x", 10<<20)
	same := func(n int, row string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = row
		}
		return out
	}
	for _, x := range []struct {
		name   string
		rows   []string
		groups int
	}{
		{"no records", nil, 0},
		{"one record", []string{"Ann Lee|a@x.com|"}, 1},
		{"two records that agree", []string{"Ann Lee|ann.lee@acme.com|", "ann  LEE|Ann.Lee@acme.com|"}, 1},
		{"two records that do not", []string{"Ann Lee|ann.lee@acme.com|", "Bob Ray|bob@other.com|"}, 2},
		{"nothing in any column", same(500, "||"), 500},
		{"blanks and signs in every column", same(300, " |-|n/a"), 300},
		{"a name of 10 MB, twice", []string{huge + "|a@x.com|", huge + "|b@y.com|", "Ann Lee|c@z.com|"}, 3},
		{"an address of 10 MB, twice", []string{"Ann Lee|" + huge + "@x.com|", "Bob Ray|" + huge + "@x.com|"}, 2},
		{"control characters within an address", []string{"Ann Lee|ann\x00lee@acme.com|", "Bob Ray|ann\x00lee@acme.com|", "Cid Fox|\x01\x02\x03|", "Dan Roe|\x01\x02\x03|"}, 4},
		{"texts that are not UTF-8", []string{"\xff\xfe|\xff@\xfe.com|", "\xff\xfe|\xff@\xfe.com|"}, 2},
		{"numbers in Arabic digits", []string{"Ann Lee||+١٤١٥٥٥٥٢٦٧١", "A. Lee||(415) 555-2671", "Cid Fox||+٤٩٣٠١٢٣٤٥٦٧٨"}, 2},
		{"numbers that fill a field", []string{"Ann Lee||0000000000", "Bob Ray||0000000000", "Cid Fox||0000000000", "Dan Roe||1111111", "Eve Poe||1111111"}, 5},
		{"copies of one person", same(20_000, "Ann Lee|ann.lee@acme.com|+1 415 555 2671"), 1},
		{"copies of a first name", same(2_000, "Ann||"), 2_000},
		{"a role inbox of many", []string{"Ann Lee|info@acme.com|", "Bob Ray|info@acme.com|", "Cid Fox|info@acme.com|", "Dan Roe|info@acme.com|"}, 4},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := contacts(t, x.rows...)
			r := resolve(t, s, nil, Options{})
			if len(r.Clusters.Groups) != x.groups {
				t.Errorf("%d groups, want %d", len(r.Clusters.Groups), x.groups)
				for i := range min(r.Edges.Len(), 3) {
					t.Logf("%+v", r.Edges.At(i))
				}
			}
		})
	}
}

// TestOneColumn: a list of one column is matched by what it has, whatever that is.
func TestOneColumn(t *testing.T) {
	for _, ty := range Types() {
		if ty == Ignore {
			continue
		}
		for _, entity := range []Entity{Person, Company} {
			spec := Spec{Entity: entity, Fields: []Field{{Name: "value", Type: ty}}}
			s, err := NewSet(spec)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 300 {
				v := fmt.Sprintf("value %d", i)
				switch ty {
				case Email:
					v = fmt.Sprintf("person%dx%d@firm%d.com", i*7919, i, i)
				case Phone:
					v = fmt.Sprintf("+49 30 %07d", 1000000+i*6151)
				case Date:
					v = fmt.Sprintf("19%02d-%02d-%02d", 40+i%60, 1+i%12, 1+i%28)
				case ID:
					v = fmt.Sprintf("%08x", i*2654435761)
				}
				if err := s.Add(Record{Key: fmt.Sprint(i), Values: [][]string{{v}}}); err != nil {
					t.Fatal(err)
				}
			}
			r := resolve(t, s, nil, Options{})
			if n := len(r.Clusters.Groups); n < 150 {
				t.Errorf("%s %s: %d groups of 300 different values", entity, ty, n)
			}
		}
	}
}

// TestNullKeys: rows without a key are counted and left out, and a million rows without a value join nobody.
func TestNullKeys(t *testing.T) {
	ctx := context.Background()
	db := open(t)
	start := time.Now()
	query := `
		select case when i % 2 = 0 then null else 'k' || i end as record_key, null as name,
			case when i < 4 then 'ann@acme.com' end as email, cast(null as varchar[]) as phone
		from range(1000000) as t(i)`
	s, n, err := Load(ctx, db, query, contact)
	if err != nil {
		t.Fatal(err)
	}
	if n.Rows != 1_000_000 || n.NoKey != 500_000 || s.Len() != 500_000 {
		t.Errorf("%+v, %d records", n, s.Len())
	}
	r := resolve(t, s, nil, Options{})
	if got := len(r.Clusters.Groups); got != 499_999 { // k1 and k3 share the address
		t.Errorf("%d groups, want 499,999", got)
	}
	if d := time.Since(start); d > 60*time.Second {
		t.Errorf("took %s", d)
	}
}

// TestLoad reads columns of several types, rows that repeat a key, and says what is missing.
func TestLoad(t *testing.T) {
	ctx := context.Background()
	db := open(t)
	if err := db.Exec(ctx, `create table people as select * from (values
		('a', 'crm', 'Ann Lee', ['ann@acme.com', null, 'lee@home.org'], date '1980-02-01'),
		('b', 'shop', 'Ann Lee', ['lee@home.org'], date '1980-02-01'),
		('a', 'crm', null, ['third@x.org'], null),
		(null, 'crm', 'Nobody', null, null)) as t(record_key, source, name, email, born)`); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Entity: Person, Fields: []Field{{Name: "name", Type: FullName}, {Name: "email", Type: Email}, {Name: "born", Type: Date}}}
	s, n, err := Load(ctx, db, "select * from people", spec)
	if err != nil {
		t.Fatal(err)
	}
	if (n != Loaded{Rows: 4, NoKey: 1, Repeats: 1}) {
		t.Errorf("%+v", n)
	}
	r := resolve(t, s, nil, Options{})
	if len(r.Clusters.Groups) != 1 {
		t.Errorf("groups %+v", r.Clusters.Groups)
	}
	if err := r.Edges.WriteEdges(ctx, db, "main", "edges"); err != nil {
		t.Fatal(err)
	}
	if err := r.Clusters.WriteMembers(ctx, db, "main", "members"); err != nil {
		t.Fatal(err)
	}
	got, err := db.Query(ctx, `select left_key, right_key, band, level_email, mw = mw_prior + mw_name + mw_email + mw_born + mw_related from edges`)
	if err != nil || len(got.Rows) != 1 || fmt.Sprint(got.Rows[0]) != "[a b link exact true]" {
		t.Errorf("edges %v %v", got, err)
	}
	got, err = db.Query(ctx, `select record_key, group_key, records from members order by all`)
	if err != nil || fmt.Sprint(got.Rows) != "[[a a 2] [b a 2]]" {
		t.Errorf("members %v %v", got, err)
	}
	for query, want := range map[string]string{
		"select 1 as id":                          "record_key",
		"select 'a' as record_key, 'x' as nmae":   `Did you mean "nmae"?`,
		"select * from not_there":                 "not_there",
		"select 'a' as record_key, 'x' as name":   "email",
		"select 'a' as record_key; select 2 as x": "records",
	} {
		if _, _, err := Load(ctx, db, query, spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
}

// TestSpec: a description that cannot be matched by is refused, with what to change.
func TestSpec(t *testing.T) {
	for want, spec := range map[string]Spec{
		"person":          {Entity: "pet", Fields: []Field{{Name: "a", Type: Email}}},
		"no column":       {Entity: Person},
		"at least one":    {Entity: Person, Fields: []Field{{Name: "a", Type: Ignore}}},
		"Did you mean":    {Entity: Person, Fields: []Field{{Name: "a", Type: "emial"}}},
		"twice":           {Entity: Person, Fields: []Field{{Name: "a", Type: Email}, {Name: "a", Type: Phone}}},
		"negative":        {Entity: Person, Fields: []Field{{Name: "a", Type: ID, Limit: -1}}},
		"Name the column": {Entity: Person, Fields: []Field{{Type: ID}}},
	} {
		if _, err := NewSet(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", spec, err, want)
		}
	}
	s, _ := NewSet(contact)
	for want, r := range map[string]Record{
		"no key":   {Values: [][]string{nil, nil, nil}},
		"1 fields": {Key: "a", Values: [][]string{nil}},
	} {
		if err := s.Add(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	s.Keys()
	if err := s.Add(Record{Key: "a", Values: [][]string{nil, nil, nil}}); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a closed set took a record: %v", err)
	}
}
