package transform

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"millrace/extract/landing"
)

func TestColumnLineage(t *testing.T) {
	base := files{
		"sql/core/t.sql": "select 1 as a, 2.0::decimal(18,4) as b, 'x' as c, [1, 2] as l",
		"sql/core/u.sql": "select 1 as a, 'y' as d",
	}
	for _, c := range []struct{ sql, want string }{
		{"select a, b from core.t", "a=t.a! b=t.b!"},
		{"select * from core.t", "a=t.a! b=t.b! c=t.c! l=t.l!"},
		{"select a as x, b + 1 as y, 5 as z, upper(c) as w from core.t", "x=t.a! y=t.b z= w=t.c"},
		{"select t.a, d from core.t t join core.u u using (a)", "a=t.a! d=u.d!"},
		{"select t.a, d from core.t t left join core.u u on u.a = t.a where t.b > 1", "a=t.a! d=u.d!"},
		{"select c, sum(b) as s, count(*) as n from core.t group by c", "c=t.c! s=t.b n="},
		{"with x as (select a, b from core.t), y as (select a + 1 as z from x) select x.b, y.z from x join y on x.a = y.z", "b=t.b! z=t.a"},
		{"select a, (select max(d) from core.u where u.a = t.a) as m from core.t t", "a=t.a! m=u.d"},
		{"select a, a in (select a from core.u) as hit from core.t", "a=t.a! hit=t.a,u.a"},
		{"select a from core.t union all select a from core.u", "a=t.a,u.a"},
		{"select a, row_number() over (order by b, a) as r, lag(c) over (order by a) as p from core.t", "a=t.a! r=t.a,t.b p=t.a,t.c"},
		{"select a, unnest(l) as e from core.t", "a=t.a! e=t.l"},
		{"select a, e from core.t, unnest(l) as x(e)", "a=t.a! e=t.l"},
		{"with recursive r as (select a, c from core.t union all select a + 1, c from r where a < 3) select * from r", "a=t.a c=t.c!"},
		{"select * exclude (l) replace (b * 2 as b) from core.t", "a=t.a! b=t.b c=t.c!"},
		{"select a from core.t except select a from core.u", "a=t.a!"},
		{"select distinct c from core.t order by c limit 3", "c=t.c!"},
		{"select t.a from core.t t semi join core.u u using (a)", "a=t.a!"},
		{"from (values (1, 'x')) v(p, q)", "p= q="},
		{"pivot core.t on c in ('x') using sum(b) group by a", "a=t.a! x=t.b,t.c"},
		{"select x.* from core.t t, lateral (select t.b * 2 as bb, d from core.u where u.a = t.a) x", "bb=t.b d=u.d!"},
		{"select case when c = 'x' then b end as k from core.t", "k=t.b,t.c"},
	} {
		f := files{"sql/core/x.sql": c.sql}
		for k, v := range base {
			f[k] = v
		}
		l, err := FindLineage(context.Background(), load(t, f))
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, col := range l.Relations["core.x"] {
			var from []string
			for _, r := range col.From {
				from = append(from, strings.TrimPrefix(r.String(), "core."))
			}
			s := col.Column + "=" + strings.Join(from, ",")
			if col.Copied {
				s += "!"
			}
			if !col.Exact {
				s += "?"
			}
			parts = append(parts, s)
		}
		if got := strings.Join(parts, " "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
}

// TestPersonalDataIsInherited: a tag set at landing reaches every column made from it, and the published build.
func TestPersonalDataIsInherited(t *testing.T) {
	s := RawStream{Schema: "raw_crm", Name: "people", Source: "crm", Columns: []landing.Column{{Name: "id", Type: landing.BigInt}, {Name: "mail", Type: landing.Varchar, PII: "email"}, {Name: "nick", Type: landing.Varchar, PII: "name"}}}
	f := files{
		"sql/staging/people.sql": "select id, lower(mail) as mail, mail is not null as has_mail, nick || ' <' || mail || '>' as full_name from raw_crm.people",
		"sql/core/people.sql":    "/* ---\ncolumns: {domain: {description: company, pii: none}, phone: {description: p, pii: phone}}\n--- */\nselect id, mail as address, split_part(mail, '@', 2) as domain, full_name, '1' as phone from staging.people",
		"sql/metrics/n.sql":      "select count(address) as n, min(domain) as d from core.people",
	}
	g := load(t, f, s)
	l, err := FindLineage(context.Background(), g)
	if err != nil {
		t.Fatal(err)
	}
	want := "map[core.people:map[address:email full_name:email phone:phone] metrics.n:map[] staging.people:map[full_name:email mail:email]]"
	got := map[string]map[string]string{}
	for _, r := range []string{"staging.people", "core.people", "metrics.n"} {
		got[r] = l.Personal[r]
	}
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	dir := t.TempDir()
	build(t, dir, g)
	wantRows(t, dir, "select relation, name, pii from millrace.columns where pii <> '' order by all",
		"core.people|address|email", "core.people|full_name|email", "core.people|phone|phone", "staging.people|full_name|email", "staging.people|mail|email")
	up, down := l.Upstream(ColumnRef{"core.people", "full_name"}), l.Downstream(ColumnRef{"raw_crm.people", "mail"})
	if fmt.Sprint(up) != "[staging.people.full_name raw_crm.people.mail raw_crm.people.nick]" {
		t.Errorf("upstream %v", up)
	}
	if fmt.Sprint(down) != "[staging.people.mail staging.people.has_mail staging.people.full_name core.people.address core.people.domain core.people.full_name metrics.n.n metrics.n.d]" {
		t.Errorf("downstream %v", down)
	}
}
