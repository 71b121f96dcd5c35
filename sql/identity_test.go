package sql_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"millrace/internal/duck"
	"millrace/transform"
	"millrace/transform/identity"
)

// crm is a generated CRM that changes from day to day: who is who is known, and kept out of the build.
type crm struct {
	rng      *rand.Rand
	rows     []crmRow
	next     int
	override [][]any
	erased   []string // addresses
}

// keyID stands in for the keyed hash of the state.
func keyID(kind, value string) string { return "key of " + kind + " " + strings.ToUpper(value) }

type crmRow struct {
	object, id, email, first, last, phone, user, company string
	created                                              time.Time
}

func (c *crm) add(person int, old bool) {
	c.next++
	first := []string{"Ada", "Bo", "Cleo", "Dan", "Eva", "Finn"}[person%6]
	last := []string{"Berg", "Holm", "Dahl", "Voss", "Lind", "Falk", "Krog", "Moe"}[person/6%8] + []string{"", "mann", "sen"}[person/48%3]
	r := crmRow{object: []string{"contact", "contact", "form", "customer", "user"}[c.rng.IntN(5)], id: fmt.Sprint(c.next), first: first, last: last,
		email: strings.ToLower(first + "." + last + "@c" + fmt.Sprint(person%9) + ".example"), company: fmt.Sprintf("Company %d", person%9),
		created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.next) * time.Hour)}
	if old {
		r.created = r.created.AddDate(-2, 0, 0)
	}
	switch c.rng.IntN(8) {
	case 0:
		r.email = "info@c" + fmt.Sprint(person%9) + ".example"
	case 1:
		r.email, r.phone = "", fmt.Sprintf("+49 30 1234%04d", person)
	case 2:
		r.email = "other" + r.email
		r.phone = fmt.Sprintf("+49 30 1234%04d", person)
	}
	if r.object == "user" {
		r.user = fmt.Sprintf("u%d", person)
	}
	c.rows = append(c.rows, r)
}

// day lets time pass: records come, go, change, are filled in from a newly connected tool, and people say what they know.
func (c *crm) day(n int) {
	for range 12 + 20*(n%2) {
		c.add(c.rng.IntN(70), c.rng.IntN(3) == 0)
	}
	for range 3 {
		c.rows = slices.Delete(c.rows, 0, 1)
		i := c.rng.IntN(len(c.rows))
		c.rows[i].email = "new" + c.rows[i].email
	}
	key := func() string { r := c.rows[c.rng.IntN(len(c.rows))]; return r.key() }
	list := func(keys ...string) string { b, _ := json.Marshal(keys); return string(b) }
	kind := []string{"merge", "split", "lock", "merge"}[n%4]
	o := []any{int64(len(c.override) + 1), kind, "person", list(key()), list(key()), nil, nil, "test", "test", time.Unix(0, 0).UTC(), nil, nil, nil}
	c.override = append(c.override, o)
	if n > 1 && n%2 == 0 { // and take one back
		c.override[n-2][10], c.override[n-2][11], c.override[n-2][12] = "test", "test", time.Unix(0, 0).UTC()
	}
}

func (r crmRow) key() string {
	return map[string]string{"contact": "h:contact:", "form": "h:form:", "customer": "s:customer:", "user": "p:user:"}[r.object] + r.id
}

// files are the identity models over staging that holds the CRM's rows as they stand, in any order.
func (c *crm) files(t *testing.T, shuffle *rand.Rand) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	for _, pattern := range []string{"identity/*.sql", "seeds/identity_rules.*", "seeds/source_of_truth.*", "seeds/role_inboxes.*", "seeds/free_mail_domains.*", "seeds/countries.*", "seeds/legal_forms.*"} {
		names, err := fs.Glob(os.DirFS("."), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if path.Base(name) == "review.sql" { // reads core
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			out["sql/"+name] = &fstest.MapFile{Data: text}
		}
	}
	rows := slices.Clone(c.rows)
	if shuffle != nil {
		shuffle.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	}
	text := func(s string) string {
		if s == "" {
			return "null::varchar"
		}
		return duck.Quote(s)
	}
	stage := func(name, columns string, cells func(r crmRow) (string, bool)) {
		var lines []string
		for _, r := range rows {
			if line, ok := cells(r); ok {
				lines = append(lines, "select "+line)
			}
		}
		var names, types []string
		for _, c := range strings.Fields(columns) {
			n, typ, _ := strings.Cut(c, ":")
			if typ == "" {
				typ = "varchar"
			}
			names = append(names, n)
			types = append(types, "null::"+typ)
		}
		lines = append(lines, "select * from (select "+strings.Join(types, ", ")+") where false")
		q := "with t(" + strings.Join(names, ", ") + ") as (\n" + strings.Join(lines, "\nunion all ") + ")\nselect * from t\n"
		out["sql/staging/"+name+".sql"] = &fstest.MapFile{Data: []byte(q)}
	}
	at := func(r crmRow) string { return "timestamp " + duck.Quote(r.created.Format("2006-01-02 15:04:05")) }
	stage("hubspot_contacts", "record_key source contact_id email first_name last_name phone job_title company_name country consent_region product_user_id stripe_customer_id company_id created_at:timestamp updated_at:timestamp is_archived:boolean", func(r crmRow) (string, bool) {
		return strings.Join([]string{text(r.key()), "'h'", text(r.id), text(r.email), text(r.first), text(r.last), text(r.phone), "null", text(r.company), "'germany'", "null", "null", "null", "null", at(r), at(r), "false"}, ", "), r.object == "contact"
	})
	stage("hubspot_form_submissions", "record_key source submission_id email first_name last_name job_title company_name submitted_at:timestamp", func(r crmRow) (string, bool) {
		return strings.Join([]string{text(r.key()), "'h'", text(r.id), text(r.email), text(r.first), text(r.last), "null", text(r.company), at(r)}, ", "), r.object == "form"
	})
	stage("stripe_customers", "record_key source customer_id email phone name country hubspot_contact_id hubspot_company_id created_at:timestamp is_deleted:boolean", func(r crmRow) (string, bool) {
		return strings.Join([]string{text(r.key()), "'s'", text(r.id), text(r.email), text(r.phone), text(r.company), "'germany'", "null", "null", at(r), "false"}, ", "), r.object == "customer"
	})
	stage("product_users", "record_key source user_id email first_name last_name created_at:timestamp", func(r crmRow) (string, bool) {
		return strings.Join([]string{text(r.key()), "'p'", text(r.user), text(r.email), text(r.first), text(r.last), at(r)}, ", "), r.object == "user"
	})
	none := func(crmRow) (string, bool) { return "", false }
	stage("hubspot_companies", "record_key source company_id name domain country industry employees:bigint annual_revenue:decimal(18,4) owner_id stripe_customer_id phone created_at:timestamp updated_at:timestamp is_archived:boolean", none)
	stage("web_identities", "source anonymous_id email user_id", none)
	stage("web_visits", "source visit_id anonymous_id user_id", none)
	return out
}

func (c *crm) build(t *testing.T, dir string, day, threads int, shuffle *rand.Rand, full bool) map[string]string {
	t.Helper()
	ctx := context.Background()
	handed := given()
	for i := range handed {
		if handed[i].Name == "identity.tombstones" {
			handed[i].Version = fmt.Sprint(c.erased)
			handed[i].Rows = func(yield func([]any, error) bool) {
				for _, email := range c.erased {
					if !yield([]any{keyID("email", email), "email", "T-1", time.Unix(0, 0).UTC()}, nil) {
						return
					}
				}
			}
		}
		if handed[i].Name == "identity.overrides" {
			text, err := json.Marshal(c.override)
			if err != nil {
				t.Fatal(err)
			}
			handed[i].Version = string(text)
			handed[i].Rows = func(yield func([]any, error) bool) {
				for _, r := range c.override {
					if !yield(r, nil) {
						return
					}
				}
			}
		}
	}
	g, err := transform.Load(ctx, transform.LoadParams{FS: c.files(t, shuffle), Given: handed, Functions: functions(t, c.files(t, nil)), Operators: identity.Operators(keyID),
		Run: transform.Run{Project: "test", Target: "dev", TimeZone: time.UTC, Currency: "USD", Now: time.Date(2026, 3, 1+day, 6, 0, 0, 0, time.UTC)}})
	if err != nil {
		t.Fatal(err)
	}
	p := params(t, g)
	p.Dir, p.Threads, p.FullRefresh = dir, threads, full
	res, err := transform.Build(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range res.Nodes {
		if n.Status != transform.StatusBuilt && n.Status != transform.StatusUnchanged {
			t.Fatalf("day %d: %s is %s: %v %s", day, n.Name, n.Status, n.Err, n.Message)
		}
	}
	db, b, err := transform.Open(ctx, dir, duck.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	d, err := transform.Digest(ctx, db, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, r := range d.Relations {
		out[r.Name] = r.Digest
	}
	return out
}

// differing are the relations whose content differs.
func differing(a, b map[string]string) []string {
	var out []string
	for name, d := range a {
		if b[name] != d {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// people lists the records of each person, and their ids, in the order of the records.
func people(t *testing.T, dir string) (sets, ids []string) {
	t.Helper()
	db, _ := published(t, dir)
	err := db.Each(context.Background(), "select string_agg(record_key, ' ' order by record_key), person_id from identity.person_membership group by person_id order by 1", func(row []any) error {
		sets, ids = append(sets, row[0].(string)), append(ids, row[1].(string))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sets, ids
}

// TestIdentityOverDays: a CRM that changes from day to day, built day by day. Neither the order of rows nor the number of
// threads changes anything; a full refresh, and a warehouse that was lost, give the same people and ids as building on; and
// who is who is the same as when everything is built for the first time (P4).
func TestIdentityOverDays(t *testing.T) {
	days, seeds := 4, uint64(1)
	if os.Getenv("MILLRACE_SOAK") != "" {
		days, seeds = 12, 8
	}
	for seed := range seeds {
		c := &crm{rng: rand.New(rand.NewPCG(seed, 11))}
		for range 90 {
			c.add(c.rng.IntN(70), false)
		}
		on, other := t.TempDir(), t.TempDir()
		var digest map[string]string
		for day := range days {
			if day > 0 {
				c.day(day)
			}
			digest = c.build(t, on, day, 2, nil, false)
			if again := c.build(t, other, day, 1, rand.New(rand.NewPCG(seed, uint64(day))), false); len(differing(digest, again)) > 0 {
				t.Fatalf("seed %d day %d: with shuffled rows and one thread other rows in %v", seed, day, differing(digest, again))
			}
		}
		sets, ids := people(t, on)
		if full := c.build(t, on, days-1, 2, nil, true); len(differing(digest, full)) > 0 {
			t.Errorf("seed %d: after a full refresh other rows in %v", seed, differing(digest, full))
		}
		if err := os.RemoveAll(filepath.Join(on, "warehouse")); err != nil {
			t.Fatal(err)
		}
		c.build(t, on, days-1, 2, nil, false)
		if s, i := people(t, on); !slices.Equal(s, sets) || !slices.Equal(i, ids) {
			t.Errorf("seed %d: a lost warehouse costs ids: %d people with %d ids, %d with %d", seed, len(sets), len(ids), len(s), len(i))
		}
		fresh := t.TempDir()
		c.build(t, fresh, days-1, 2, nil, false)
		if s, _ := people(t, fresh); !slices.Equal(s, sets) {
			t.Errorf("seed %d: built day by day and built at once, people differ", seed)
		}
		if len(sets) < 20 {
			t.Errorf("seed %d: only %d people, the test tests nothing", seed, len(sets))
		}
	}
}

// TestErasedDoNotComeBack: a tombstone takes a person out although the source still delivers the records, leaves no key of
// them in what is remembered, tells those who hold the id, and gives the id to nobody.
func TestErasedDoNotComeBack(t *testing.T) {
	c := &crm{rng: rand.New(rand.NewPCG(4, 4))}
	for range 40 {
		c.add(c.rng.IntN(12), false)
	}
	dir := t.TempDir()
	c.build(t, dir, 0, 2, nil, false)
	var email, keys, id string
	read := func(q string, dst ...*string) int {
		db, _ := published(t, dir)
		defer db.Close()
		n := 0
		err := db.Each(context.Background(), q, func(row []any) error {
			n++
			for i := range dst {
				*dst[i] = fmt.Sprint(row[i])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	read(`select min(records.email), string_agg(records.record_key, ' ' order by records.record_key), membership.person_id
		from identity.person_records as records inner join identity.person_membership as membership using (record_key)
		group by membership.person_id having count(*) >= 3 and count(distinct records.email) = 1 and count(records.email) = count(*) and not bool_or(is_role_inbox)
		order by 3 limit 1`, &email, &keys, &id)
	if email == "" {
		t.Fatal("the generator made nobody who can be erased")
	}
	c.erased = []string{email}
	for day := 1; day <= 2; day++ { // the source goes on delivering them
		c.build(t, dir, day, 2, nil, false)
		list := "('" + strings.ReplaceAll(keys, " ", "', '") + "')"
		for _, relation := range []string{"identity.person_records", "identity.person_membership", "identity.person_history", "identity.person_clusters", "identity.person_identifiers"} {
			if n := read("select 1 from " + relation + " where record_key in " + list); n > 0 {
				t.Errorf("day %d: %s still has %d rows of the erased", day, relation, n)
			}
		}
		if n := read("select 1 from identity.person_golden where value = '" + email + "'"); n > 0 {
			t.Errorf("day %d: the address is still a value of somebody", day)
		}
		for _, k := range strings.Fields(keys) {
			if n := read("select 1 from identity.events where contains(record_keys, '\"" + k + "\"')"); n > 0 {
				t.Errorf("day %d: an event still names %s", day, k)
			}
		}
		var status, current string
		if n := read("select status, coalesce(current_id, 'nobody') from identity.redirects where old_id = '"+id+"'", &status, &current); n != 1 || status != "erased" || current != "nobody" {
			t.Errorf("day %d: the id leads to %s (%s)", day, current, status)
		}
		if n := read("select 1 from identity.events where event = 'erase' and entity_id = '" + id + "'"); n != 1 {
			t.Errorf("day %d: %d events tell of the erasure", day, n)
		}
	}
	c.erased = nil // the tombstone is taken away: the records come back, as somebody new
	c.build(t, dir, 3, 2, nil, false)
	if n := read("select 1 from identity.person_membership where person_id = '" + id + "'"); n > 0 {
		t.Error("the erased person's id was given again")
	}
	if n := read("select 1 from identity.person_records where email = '" + email + "'"); n == 0 {
		t.Error("without the tombstone the records are still left out: the test tests nothing")
	}
}
