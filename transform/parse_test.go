package transform

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// TestReads pins down which relations a statement reads, one hard case a line: names in CTEs shadow relations exactly
// where SQL's scopes say.
func TestReads(t *testing.T) {
	db, err := duck.Open(context.Background(), "", duck.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range []struct{ sql, want string }{
		{"select 1", ""},
		{"from core.a", "core.a"},
		{"select * from core.a, core.b join core.c using (id)", "core.a core.b core.c"},
		{"select * from CORE.A", "core.a"},
		{`select * from "core"."a"`, "core.a"},
		{"with x as (select * from core.a) select * from x", "core.a"},
		{"with a as (select * from core.a) select * from a", "core.a"},
		{"with orders as (select * from orders) select * from orders", "orders"}, // its body reads the real one
		{"with a as (select 1), b as (select * from a) select * from b", ""},
		{"with b as (select * from a), a as (select 1) select * from b", "a"}, // a is defined after its use
		{"with a as (select 1) select * from a union all select * from core.a", "core.a"},
		{"(with a as (select 1) select * from a) union all select * from a", "a"}, // outside its scope
		{"select * from (with a as (select 1) select * from a) join a on true", "a"},
		{"with a as (select 1) select * from (with b as (select * from a) select * from b)", ""},
		{"with a as (select 1 as x) select (select max(x) from a), (select max(x) from core.b)", "core.b"},
		{"with recursive r as (select 1 as n union all select n + 1 from r where n < 3) from r", ""},
		{"with recursive r as (select n from core.a union all select n + 1 from r, core.b) from r", "core.a core.b"},
		{"with recursive r(k, v) using key (k) as (select 1, 2 union select k, v + 1 from r where v < 5) from r", ""},
		{"with A as (select 1) select * from a", ""},
		{"select * from core.a where exists (select 1 from core.b where b.id = a.id) and x in (select y from core.c)", "core.a core.b core.c"},
		{"select * from core.a, lateral (select * from core.b where b.id = a.id)", "core.a core.b"},
		{"select * from core.a qualify row_number() over (partition by (select max(x) from core.b) order by id) = 1", "core.a core.b"},
		{"select * from core.a intersect select * from core.b except select * from core.c", "core.a core.b core.c"},
		{"pivot core.a on kind in ('x', 'y') using sum(v)", "core.a"},
		{"select * from core.a pivot (sum(v) for kind in ('x', 'y'))", "core.a"},
		{"unpivot core.a on x, y into name n value v", "core.a"},
		{"select * from core.a asof join core.b using (id, t)", "core.a core.b"},
		{"select * from core.a semi join core.b using (id)", "core.a core.b"},
		{"select * from core.a positional join core.b", "core.a core.b"},
		{"select list_transform(l, x -> x + (select max(v) from core.b)) from core.a", "core.a core.b"},
		{"select * from core.a group by rollup (x), grouping sets ((y), ())", "core.a"},
		{"select unnest(l) from core.a, unnest([1, 2]) u(x), range(3) r", "core.a"},
		{"select a.b.c from core.a", "core.a"},
		{"select case when (from core.b select count(*)) > 0 then 1 end from core.a", "core.a core.b"},
		{"values (1, (select max(x) from core.a))", "core.a"},
		{"select * from core.a tablesample 10%", "core.a"},
		{"from core.a select columns('x.*') where columns(*) is not null", "core.a"},
		{"select * exclude (x) replace (y + 1 as y) from core.a order by (select 1 from core.b)", "core.a core.b"},
		{"select * from core.a limit (select n from core.b)", "core.a core.b"},
		{"summarize core.a", "core.a"},
		{"with a as materialized (select * from core.x) from a, a b", "core.x"},
		{"select sum(x) filter (where y in (select y from core.b)) from core.a", "core.a core.b"},
	} {
		stmts, err := db.Parse(context.Background(), c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		s := &scan{}
		s.node(stmts[0], scope{})
		var got []string
		for _, r := range s.tables {
			name := strings.ToLower(strings.TrimPrefix(r.schema+"."+r.table, "."))
			if !slices.Contains(got, name) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.sql, got, c.want)
		}
	}
}

// TestLoadRefuses lists what a person may get wrong; each message has file, place and what to do.
func TestLoadRefuses(t *testing.T) {
	base := files{"sql/core/accounts.sql": "select 1 as id, 'a' as name", "sql/core/deals.sql": "select 1 as id, 2.5::decimal(18,4) as amount, 1.5::double as d"}
	for _, c := range []struct {
		name string
		f    files
		want []string
	}{
		{"syntax error", files{"sql/core/x.sql": "/* ---\ndescription: d\n--- */\nselect id\nfron core.accounts"}, []string{"sql/core/x.sql:5:", "syntax error", "fron core.accounts", "^"}},
		{"syntax error behind wide letters", files{"sql/core/x.sql": "select 'äöü' as a,, b from core.accounts"}, []string{"sql/core/x.sql:1:19:"}},
		{"unknown table", files{"sql/core/x.sql": "select *\nfrom core.acounts"}, []string{"sql/core/x.sql:2:6:", `unknown table "core.acounts"`, `Did you mean "core.accounts"?`}},
		{"unknown stream", files{"sql/core/x.sql": "from raw_crm.nothing_like_it"}, []string{"sql/core/x.sql:1:6:", "No source"}},
		{"table without schema", files{"sql/core/x.sql": "select * from accounts"}, []string{"Write core.accounts"}},
		{"cycle", files{"sql/core/a.sql": "select 1 as x\nfrom core.b", "sql/core/b.sql": "from core.c", "sql/core/c.sql": "from core.a"},
			[]string{"sql/core/a.sql:2:6:", "core.a → core.b → core.c → core.a", "sql/core/b.sql", "sql/core/c.sql"}},
		{"reads itself", files{"sql/core/x.sql": "from core.x"}, []string{"sql/core/x.sql:1:6:", "reads itself", "incremental"}},
		{"front matter is not YAML", files{"sql/core/x.sql": "/* ---\ntags: [a\n--- */\nselect 1"}, []string{"sql/core/x.sql:"}},
		{"unknown key", files{"sql/core/x.sql": "/* ---\nmaterialised: view\n--- */\nselect 1 as x"}, []string{"sql/core/x.sql:2:1", "materialised", `"materialized"`}},
		{"wrong value", files{"sql/core/x.sql": "\n/* ---\nmaterialized: vew\n--- */\nselect 1 as x"}, []string{"sql/core/x.sql:3:", "vew", "view"}},
		{"unknown test", files{"sql/core/x.sql": "/* ---\ncolumns:\n  id:\n    data_tests: [not_nul]\n--- */\nselect 1 as id"}, []string{"sql/core/x.sql:4:", "not_nul", `"not_null"`}},
		{"test argument", files{"sql/core/x.sql": "/* ---\ncolumns:\n  id:\n    data_tests: [{accepted_range: {minimum: 1}}]\n--- */\nselect 1 as id"}, []string{"sql/core/x.sql:4:", "minimum"}},
		{"closing comment in front matter", files{"sql/core/x.sql": "/* ---\ndescription: \"*/15 * * * *\"\n--- */\nselect 1"}, []string{"sql/core/x.sql:2:", "ends a comment", "sql/core/x.yml"}},
		{"opening comment in front matter", files{"sql/core/x.sql": "/* ---\ndescription: out/*.parquet\n--- */\nselect 1"}, []string{"sql/core/x.sql:2:", "opens a comment"}},
		{"front matter without an end", files{"sql/core/x.sql": "/* ---\ndescription: d\n*/\nselect 1"}, []string{"sql/core/x.sql:3:1", "--- */"}},
		{"two statements", files{"sql/core/x.sql": "select ';' as a;\n\nselect 2 as b"}, []string{"sql/core/x.sql:3:1", "2 statements"}},
		{"no statement", files{"sql/core/x.sql": "-- later\n"}, []string{"sql/core/x.sql:1", "no statement"}},
		{"create table", files{"sql/core/x.sql": "create table x as select 1"}, []string{"is not a SELECT"}},
		{"dynamic pivot", files{"sql/core/x.sql": "pivot core.deals on id using sum(amount)"}, []string{"PIVOT", "Name them"}},
		{"jinja ref", files{"sql/core/x.sql": "select * from {{ ref('accounts') }}"}, []string{"sql/core/x.sql:1:15", "from schema.accounts"}},
		{"jinja source", files{"sql/core/x.sql": "select * from {{ source('crm', 'deals') }}"}, []string{"raw_crm.deals"}},
		{"jinja block", files{"sql/core/x.sql": "select 1\n{% if is_incremental() %} where true {% endif %}"}, []string{"sql/core/x.sql:2:1", "its own name", "incremental"}},
		{"three parts", files{"sql/core/x.sql": "from db.core.accounts"}, []string{"sql/core/x.sql:1:6", "Write core.accounts"}},
		{"reads a CSV", files{"sql/core/x.sql": "from read_csv('x.csv')"}, []string{"sql/core/x.sql:1:6", "read_csv", "extract/"}},
		{"reads a file by name", files{"sql/core/x.sql": "from 'data/x.parquet'"}, []string{"sql/core/x.sql:1:6", "data/x.parquet"}},
		{"reads a URL", files{"sql/core/x.sql": "from 'https://example.com/x'"}, []string{"reads a file"}},
		{"hidden table", files{"sql/core/x.sql": "from query_table('core.accounts')"}, []string{"hides"}},
		{"view of a stream", files{"sql/core/x.sql": "/* ---\nmaterialized: view\n--- */\nfrom raw_crm.deals"}, []string{"sql/core/x.sql:4:6", "materialized: table"}},
		{"clock", files{"sql/core/x.sql": "select id from core.accounts where current_date > date '2026-01-01'"}, []string{"sql/core/x.sql:1:36", "meta.run"}},
		{"now", files{"sql/core/x.sql": "select now() as n"}, []string{"now()", "meta.run"}},
		{"random", files{"sql/core/x.sql": "select random() as n"}, []string{"random()"}},
		{"unordered list", files{"sql/core/x.sql": "select string_agg(name, ',') as n from core.accounts"}, []string{"sql/core/x.sql:1:8", "order by"}},
		{"first", files{"sql/core/x.sql": "select any_value(name) as n from core.accounts"}, []string{"min(x)"}},
		{"arg_max", files{"sql/core/x.sql": "select arg_max(name, id) as n from core.accounts"}, []string{"(y, id)"}},
		{"mode", files{"sql/core/x.sql": "select mode(name) as n from core.accounts"}, []string{"arg_max(x, (n, x))"}},
		{"sketch", files{"sql/core/x.sql": "select approx_quantile(id, 0.5) as n from core.accounts"}, []string{"median"}},
		{"row_number", files{"sql/core/x.sql": "select row_number() over (partition by name) as n from core.accounts"}, []string{"ORDER BY"}},
		{"limit", files{"sql/core/x.sql": "select * from core.accounts limit 1"}, []string{"sql/core/x.sql:1:", "LIMIT without ORDER BY"}},
		{"distinct on", files{"sql/core/x.sql": "select distinct on (name) * from core.accounts"}, []string{"DISTINCT ON"}},
		{"sample", files{"sql/core/x.sql": "select * from core.accounts using sample 1 rows"}, []string{"sample"}},
		{"schema of others", files{"sql/meta/x.sql": "select 1 as x"}, []string{"meta", "another folder"}},
		{"bad name", files{"sql/core/My Model.sql": "select 1 as x"}, []string{"My Model", "small letters"}},
		{"no schema", files{"sql/x.sql": "select 1 as x"}, []string{"sql/<schema>/x.sql"}},
		{"twice", files{"sql/core/a/x.sql": "select 1 as x", "sql/core/b/x.sql": "select 1 as x"}, []string{"sql/core/a/x.sql", "twice"}},
		{"lonely yml", files{"sql/core/x.yml": "description: d"}, []string{"sql/core/x.yml", "belongs to no SQL file"}},
		{"both", files{"sql/core/x.sql": "/* ---\ndescription: d\n--- */\nselect 1 as x", "sql/core/x.yml": "description: d"}, []string{"both here and in"}},
		{"incremental without key", files{"sql/core/x.sql": "/* ---\nmaterialized: incremental\n--- */\nselect 1 as x"}, []string{"sql/core/x.sql:2:", "unique_key"}},
		{"relationships", files{"sql/core/x.sql": "/* ---\ncolumns: {id: {data_tests: [{relationships: {to: core.acount, field: id}}]}}\n--- */\nselect 1 as id"}, []string{"sql/core/x.sql:2:", `"core.accounts"`}},
		{"unknown operator", files{"sql/core/x.sql": "/* ---\nmaterialized: operator\noperator: clusters\n--- */\nselect 1 as id"}, []string{"sql/core/x.sql:3:", "unknown operator"}},
		{"depends_on", files{"sql/core/x.sql": "/* ---\ndepends_on: core.acount\n--- */\nselect 1 as id"}, []string{"depends_on", `"core.accounts"`}},
		{"csv elsewhere", files{"sql/core/x.csv": "a\n1\n"}, []string{"sql/seeds/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := files{}
			for k, v := range base {
				f[k] = v
			}
			for k, v := range c.f {
				f[k] = v
			}
			_, err := Load(context.Background(), LoadParams{FS: f.fs(), Run: testRun(), Raw: []RawStream{rawStream()}})
			checkRefusal(t, err, c.want)
		})
	}
}

func checkRefusal(t *testing.T, err error, want []string) {
	t.Helper()
	if err == nil {
		t.Fatal("not refused")
	}
	if fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("exit code %d", fault.ExitCode(err))
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("message lacks %q:\n%s", w, err)
		}
	}
	if os.Getenv("MILLRACE_SHOW") != "" {
		t.Log(err)
	}
}

// TestBindRefuses: what only types show.
func TestBindRefuses(t *testing.T) {
	base := files{"sql/core/deals.sql": "select 1 as id, 2.5::decimal(18,4) as amount, 1.5::double as d, current_setting('TimeZone') as z"}
	for _, c := range []struct {
		name string
		f    files
		want []string
	}{
		{"unknown column", files{"sql/core/x.sql": "select id,\n  amout from core.deals"}, []string{"sql/core/x.sql:2:3", "amout", `Did you mean "amount"?`, "^"}},
		{"group by", files{"sql/core/x.sql": "select id, sum(amount) as a from core.deals"}, []string{"sql/core/x.sql:1:8", "GROUP BY", "min(x)"}},
		{"types", files{"sql/core/x.sql": "select id + date '2026-01-01' + 'x'::json as a from core.deals"}, []string{"sql/core/x.sql:1"}},
		{"float sum", files{"sql/core/x.sql": "select sum(amount) as a,\n  sum(d) as b from core.deals"}, []string{"sql/core/x.sql:2:3", "DOUBLE", "decimal(18,4)"}},
		{"float average over a window", files{"sql/core/x.sql": "select avg(d) over (order by id) as b from core.deals"}, []string{"sql/core/x.sql:1:8", "count(x)"}},
		{"stddev", files{"sql/core/x.sql": "select stddev(amount) as b from core.deals"}, []string{"sql/core/x.sql:1:8", "stddev"}},
		{"declared column", files{"sql/core/x.sql": "/* ---\ncolumns:\n  amont: {description: d}\n--- */\nselect amount from core.deals"}, []string{"sql/core/x.sql:3:3", "amont", `"amount"`}},
		{"key", files{"sql/core/x.sql": "/* ---\nunique_key: ids\n--- */\nselect id from core.deals"}, []string{"unique_key", `"id"`}},
		{"same name twice", files{"sql/core/x.sql": "select id, amount as ID from core.deals"}, []string{"two columns"}},
		{"snapshot column", files{"sql/core/x.sql": "/* ---\nmaterialized: snapshot\nunique_key: id\n--- */\nselect id, id as valid_to from core.deals"}, []string{"valid_to", "adds"}},
		{"unknown function", files{"sql/core/x.sql": "select summ(amount) as x from core.deals"}, []string{"summ"}},
		{"self without types", files{"sql/core/x.sql": "/* ---\nmaterialized: incremental\nunique_key: id\n--- */\nselect id from core.deals where id > (select max(id) from core.x)"}, []string{"columns: {"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := files{}
			for k, v := range base {
				f[k] = v
			}
			for k, v := range c.f {
				f[k] = v
			}
			g := load(t, f)
			b, err := Bind(context.Background(), g)
			if err != nil {
				t.Fatal(err)
			}
			checkRefusal(t, b.Err(g), c.want)
		})
	}
}

func TestSplitFrontMatter(t *testing.T) {
	yaml, off, body, err := splitFrontMatter("f", "\ufeff-- no\n")
	if yaml != "" || off != 0 || err != nil || !strings.HasSuffix(body, "-- no\n") || len(body) != len("\ufeff-- no\n") {
		t.Errorf("%q %d %q %v", yaml, off, body, err)
	}
	text := "\n/* ---\na: 1\n--- */ select 1\n"
	yaml, off, body, err = splitFrontMatter("f", text)
	if yaml != "\na: 1\n" || off != 1 || err != nil || len(body) != len(text) || strings.TrimSpace(body) != "select 1" {
		t.Errorf("%q %d %q %v", yaml, off, body, err)
	}
}

func TestCanonical(t *testing.T) {
	a := canonical("select  'a -- b' as \"x  y\", /* c /* d */ e */ 1 -- f\nfrom t;\n")
	if a != `select 'a -- b' as "x  y", 1 from t` {
		t.Errorf("%q", a)
	}
	if canonical("select $$a ; b$$ as x") != "select $$a ; b$$ as x" {
		t.Error("dollar quotes")
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"select 1", "'", "/*", "$a$", "--", "\"a\"\"b\"", ";;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := canonical(s)
		if canonical(c) != c && !strings.ContainsAny(s, "'\"$/-") {
			t.Errorf("canonical(%q) = %q is not canonical", s, c)
		}
		if len(statement(s)) != len(s) {
			t.Errorf("statement(%q) changed the length", s)
		}
		splitFrontMatter("f", s) //nolint:errcheck // must not panic
	})
}
