package sql_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"millrace/extract"
	"millrace/extract/connectors"
	"millrace/extract/file"
	"millrace/extract/landing"
	"millrace/extract/parquet"
	"millrace/extract/rest"
	"millrace/internal/config"
	"millrace/internal/duck"
	"millrace/internal/project"
	"millrace/internal/twin"
	"millrace/transform"
)

// segmentSet is the set of files that `init --with segment` adds: a source of events and staging over it.
const segmentSet = "../cmd/millrace/builtin/with/segment"

// market is a project over the simulated vendors, built.
type market struct {
	twin   *twin.Twin
	db     *duck.DB
	graph  *transform.Graph
	digest string
}

// build reads the simulated vendors as a project would, and builds the built-in SQL over them.
func build(t *testing.T, size string) market {
	t.Helper()
	ctx := context.Background()
	tw, err := twin.New(twin.Options{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tw.Handler())
	t.Cleanup(srv.Close)
	files := t.TempDir()
	if err := tw.WriteFiles(files); err != nil {
		t.Fatal(err)
	}
	now := tw.Date().Add(6 * time.Hour)
	cred := twin.DefaultCredentials()
	google := fmt.Sprintf("client_id: %s\nclient_secret: %s\nrefresh_token: %s\ntoken_url: %s/token\n", cred.GoogleClientID, cred.GoogleClientSecret, cred.GoogleRefreshToken, srv.URL)
	var sources []extract.Sourced
	for name, options := range map[string]string{
		"hubspot":    "access_token: " + cred.HubSpotToken,
		"stripe":     "api_key: " + cred.StripeKey,
		"google_ads": google + "developer_token: " + cred.GoogleDeveloperToken + "\ncustomer_id: \"481-516-2342\"",
		"ga4":        google + "property_id: \"" + cred.GA4Property + "\"",
	} {
		sources = append(sources, extract.Sourced{Name: name, Source: openVendor(t, name, srv.URL, options, now)})
	}
	sources = append(sources, extract.Sourced{Name: "segment", Source: openSegment(t, filepath.Join(files, "product_events"))})

	dir := t.TempDir()
	lander := parquet.New(parquet.Options{Dir: filepath.Join(dir, "raw")})
	defer lander.Close()
	skipped := map[string]bool{"meetings": true, "calls": true, "tasks": true, "click_view": true, "key_events_daily": true} // the twin has none
	res := extract.Run(ctx, extract.RunParams{
		Sources: sources, Lander: lander, RunID: "test", Now: func() time.Time { return now },
		Select: func(_, stream string) bool { return !skipped[stream] },
	})
	for _, s := range res.Streams {
		if s.Err != nil || s.Quarantined > 0 {
			t.Fatalf("%s.%s: %d rows, %d quarantined: %v", s.Source, s.Stream, s.Rows, s.Quarantined, s.Err)
		}
	}

	landed, err := landing.List(filepath.Join(dir, "raw"))
	if err != nil {
		t.Fatal(err)
	}
	raw := streams(t)
	for i, s := range raw {
		if loads := landed[s.Source+"."+s.Name]; len(loads) > 0 {
			raw[i].Loads, raw[i].Disposition = loads, loads[0].Disposition
		}
	}
	events := landed["segment.events"]
	raw = append(raw, transform.RawStream{
		Schema: "raw_segment", Name: "events", Source: "segment", Columns: events[0].Schema.Columns, Loads: events, Disposition: landing.Append,
	})
	g, err := transform.Load(ctx, transform.LoadParams{
		FS: withSegment(t), Raw: raw, Given: given(), Operators: operators(), Functions: functions(t, withSegment(t)),
		Run: transform.Run{Project: "test", Target: "dev", TimeZone: time.UTC, Currency: "USD", Now: now},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := params(t, g)
	p.Dir = dir
	built, err := transform.Build(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range built.Nodes {
		if n.Status != transform.StatusBuilt {
			t.Errorf("%s is %s: %v %s", n.Name, n.Status, n.Err, n.Message)
		}
	}
	for _, r := range built.Tests {
		if r.Status != transform.StatusPass {
			t.Errorf("%s: %s", r.ID, r.Message)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	t.Logf("%d streams landed, %d relations built with %d tests in %s", len(res.Streams), len(built.Nodes), len(built.Tests), built.Took.Round(time.Millisecond))
	db, digest := published(t, dir)
	return market{tw, db, g, digest}
}

// published opens what was built in a folder, with its digest.
func published(t *testing.T, dir string) (*duck.DB, string) {
	t.Helper()
	db, b, err := transform.Open(context.Background(), dir, duck.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	d, err := transform.Digest(context.Background(), db, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return db, d.Digest
}

// withSegment is the built-in project with the files of the segment set in place of its own.
func withSegment(t *testing.T) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	for _, root := range []string{"..", segmentSet} {
		err := fs.WalkDir(os.DirFS(root), "sql", func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(p, ".go") {
				return err
			}
			text, err := fs.ReadFile(os.DirFS(root), p)
			out[p] = &fstest.MapFile{Data: text}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func openVendor(t *testing.T, name, address, options string, now time.Time) extract.Source {
	t.Helper()
	src, err := connectors.Files.ReadFile(name + ".yml")
	if err != nil {
		t.Fatal(err)
	}
	api, err := rest.Load(name+".yml", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	var slept atomic.Int64 // streams of one source wait side by side
	c := api.Connector(rest.Deps{
		Now: func() time.Time { return now }, Clock: func() time.Time { return now.Add(time.Duration(slept.Load())) },
		Sleep: func(ctx context.Context, d time.Duration) error { slept.Add(int64(d)); return ctx.Err() },
	})
	return open(t, c, name, "base_url: "+address+"\nallow_private: true\n"+options, nil)
}

// openSegment opens the set's own source file over a folder.
func openSegment(t *testing.T, folder string) extract.Source {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(segmentSet, "extract", "segment.yml"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := config.Parse("extract/segment.yml", text, config.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := file.Connector()
	var sc project.StreamConfig
	opts := c.StreamOptions()
	entry := n.Get("streams").Get("events")
	if err := entry.Decode(&sc, opts); err != nil {
		t.Fatal(err)
	}
	spec := extract.StreamSpec{Name: "events", Original: "events", Schema: sc.Schema(), Disposition: landing.Append,
		Contract: extract.Contract{Columns: sc.Contract.Columns, Types: sc.Contract.Types}}
	return open(t, c, "segment", "path: "+folder, []extract.StreamParams{{Spec: spec, Options: opts}})
}

func open(t *testing.T, c extract.Connector, name, options string, streams []extract.StreamParams) extract.Source {
	t.Helper()
	n, err := config.Parse("extract/"+name+".yml", []byte(options), config.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := c.Options()
	if err := n.Decode(o); err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(context.Background(), extract.OpenParams{Name: name, Options: o, Streams: streams})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (m market) rows(t *testing.T, q string) [][]any {
	t.Helper()
	r, err := m.db.Query(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r.Rows
}

// TestTwin builds the whole of the built-in SQL over the simulated vendors and holds identity against the truth.
func TestTwin(t *testing.T) {
	size := "tiny"
	if os.Getenv("MILLRACE_SOAK") != "" {
		size = "small"
	}
	m := build(t, size)

	// P4: neither threads nor the order in which rows meet change anything.
	again := params(t, m.graph)
	again.Threads = 1
	if _, err := transform.Build(context.Background(), again); err != nil {
		t.Fatal(err)
	}
	if _, digest := published(t, again.Dir); digest != m.digest {
		t.Errorf("digest %s with one thread, %s with two", digest, m.digest)
	}

	var people, accounts []twin.Match
	for _, r := range m.rows(t, `
		select case records.object when 'contact' then 'hubspot/contacts/' when 'form_submission' then 'hubspot/form_submissions/'
			when 'customer' then 'stripe/customers/' else 'product/users/' end || records.source_id, membership.person_id
		from identity.person_records as records
		inner join identity.person_membership as membership on membership.record_key = records.record_key
		union all
		select 'web/anonymous/' || anonymous_id, person_id from identity.devices
		order by all`) {
		people = append(people, twin.Match{Record: r[0].(string), Entity: r[1].(string)})
	}
	for _, r := range m.rows(t, `
		select case records.object when 'company' then 'hubspot/companies/' else 'stripe/customers/' end || records.source_id, membership.account_id
		from identity.company_records as records
		inner join identity.company_membership as membership on membership.record_key = records.record_key
		where records.object != 'email_domain'
		order by all`) {
		accounts = append(accounts, twin.Match{Record: r[0].(string), Entity: r[1].(string)})
	}
	for what, q := range map[string]twin.Quality{"people": m.twin.EvaluatePeople(people), "accounts": m.twin.EvaluateAccounts(accounts)} {
		t.Logf("%s: %d records, precision %.4f, recall %.4f of %d pairs that share an identifier", what, q.Records, q.Precision, q.Recall, q.Findable)
		if q.Precision < 0.99 || q.Recall < 0.95 {
			t.Errorf("%s: precision %.4f (want 0.99), recall %.4f (want 0.95)\nwrong: %v\nmissed: %v", what, q.Precision, q.Recall, q.Wrong, q.Missed)
		}
	}
}
