package postgres

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/secret"
)

const (
	role     = "millrace_writer"
	password = "s3cret-of-the-writer"
)

// fixture is a schema of its own in a real server, behind a proxy that can misbehave.
type fixture struct {
	t     *testing.T
	owner *pgx.Conn
	table string // schema.table
	proxy *proxy
	dsn   string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	server := os.Getenv("MILLRACE_POSTGRES")
	if server == "" {
		t.Skip("MILLRACE_POSTGRES is not set: the address of a PostgreSQL server in which the test may make schemas and roles")
	}
	ctx := t.Context()
	owner, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	schema := "t_" + hex.EncodeToString(random(6))
	user := role + "_" + schema
	f := &fixture{t: t, owner: owner, table: schema + ".leads", proxy: newProxy(t, fmt.Sprintf("%s:%d", owner.Config().Host, owner.Config().Port))}
	for _, sql := range []string{
		"create schema " + schema,
		`create table ` + f.table + ` (
			id bigserial primary key, email text not null unique, score numeric(6,2), seen timestamptz, born date, ok boolean,
			tags text[], note varchar(20), extra jsonb, double_score numeric generated always as (score * 2) stored, check (score >= 0))`,
		"create role " + user + " login password '" + password + "'",
		"grant usage on schema " + schema + " to " + user,
		"grant select, insert, update, delete on " + f.table + " to " + user,
		"grant usage on all sequences in schema " + schema + " to " + user,
	} {
		if _, err := owner.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	t.Cleanup(func() {
		ctx := context.Background()
		for _, sql := range []string{"drop schema " + schema + " cascade", "drop owned by " + user, "drop role " + user} {
			if _, err := owner.Exec(ctx, sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		owner.Close(ctx)
	})
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: f.proxy.addr, Path: "/" + owner.Config().Database, RawQuery: "sslmode=disable"}
	f.dsn = u.String()
	return f
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func (f *fixture) open(t *testing.T) activate.Destination {
	t.Helper()
	d, err := open(activate.OpenParams{Sync: "leads", Options: &Options{DSN: secret.New(f.dsn), Timeout: 10 * time.Second}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now: time.Now, Sleep: func(context.Context, time.Duration) error { return nil }, Rand: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func (f *fixture) Disturb(d desttest.Disturbance, always bool) { f.proxy.disturb(d, always) }
func (f *fixture) Calm()                                       { f.proxy.disturb("", false) }

func (f *fixture) Digest() string {
	var s string
	err := f.owner.QueryRow(f.t.Context(), "select coalesce(md5(string_agg((to_jsonb(x) - 'id')::text, '|' order by email)), '') from "+f.table+" as x").Scan(&s)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	if os.Getenv("MILLRACE_POSTGRES") == "" {
		t.Skip("MILLRACE_POSTGRES is not set: the address of a PostgreSQL server in which the test may make schemas and roles")
	}
	fields := []string{"born", "extra", "note", "ok", "score", "seen", "tags"}
	ops := []activate.Op{activate.Insert, activate.Update, activate.Archive, activate.Upsert}
	target := activate.Target{Object: "leads", Key: "email", Fields: fields, Ops: ops}
	desttest.Run(t, desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			f := newFixture(t)
			return &renamed{Destination: f.open(t).(*destination), table: f.table}, f
		},
		Target: target,
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprintf("person-%d@example.com", i), map[string]json.RawMessage{
				"score": json.RawMessage(fmt.Sprintf("%d.5", i)), "seen": json.RawMessage(`"2026-03-02T08:00:00Z"`), "born": json.RawMessage(`"1990-02-28"`),
				"ok": json.RawMessage("true"), "tags": json.RawMessage(`["a","b c"]`), "note": json.RawMessage(`"it's \"fine\""`), "extra": json.RawMessage(`{"a":1}`)}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "bad@example.com", map[string]json.RawMessage{"score": json.RawMessage("-1")}
		},
		Misfits: []activate.Target{
			{Object: "nowhere", Key: "email", Fields: []string{"score"}, Ops: ops},
			{Object: "leads", Key: "email", Fields: []string{"scrore"}, Ops: ops},
			{Object: "leads", Key: "note", Fields: []string{"score"}, Ops: ops},
			{Object: "leads", Key: "email", Fields: []string{"double_score"}, Ops: ops},
			{Object: "leads", Key: "id", Fields: []string{"score"}, Ops: []activate.Op{activate.Upsert}}, // email must not be null
		},
		Secrets: []string{password},
	})
}

// renamed lets the suite's one target stand for the table of each fixture.
type renamed struct {
	Destination *destination
	table       string
}

func (r *renamed) target(t activate.Target) activate.Target {
	if t.Object == "leads" {
		t.Object = r.table
	}
	return t
}
func (r *renamed) Capabilities(string) (activate.Capabilities, error) {
	return r.Destination.Capabilities(r.table)
}
func (r *renamed) Check(ctx context.Context, t activate.Target) error {
	return r.Destination.Check(ctx, r.target(t))
}
func (r *renamed) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	b.Target = r.target(b.Target)
	return r.Destination.Send(ctx, b)
}
func (r *renamed) Read(ctx context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	return r.Destination.Read(ctx, r.target(t), rows)
}
func (r *renamed) Erase(ctx context.Context, t activate.Target, rows []activate.Row) (activate.Answer, error) {
	return r.Destination.Erase(ctx, r.target(t), rows)
}
func (r *renamed) Describe(ctx context.Context, _ string) ([]activate.FieldInfo, error) {
	return r.Destination.Describe(ctx, r.table)
}
func (r *renamed) Same(a, b json.RawMessage) bool { return r.Destination.Same(a, b) }
func (r *renamed) Close() error                   { return r.Destination.Close() }

// What a person reads when the table does not fit.
func TestWhatIsWrongIsSaid(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	if _, err := f.owner.Exec(ctx, "revoke insert on "+f.table+" from public; revoke insert on "+f.table+" from "+role+"_"+strings.Split(f.table, ".")[0]); err != nil {
		t.Fatal(err)
	}
	d := f.open(t)
	err := d.Check(ctx, activate.Target{Object: f.table, Key: "note", Fields: []string{"scrore"}, Ops: []activate.Op{activate.Upsert}})
	for _, want := range []string{"may not insert", "grant insert on", "does not keep this column unique", "Use one that is: id, email", "no such column", `"score"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	wrong := &Options{DSN: secret.New(strings.Replace(f.dsn, password, "other", 1)), Timeout: time.Second}
	bad, err := open(activate.OpenParams{Sync: "x", Options: wrong, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	// The server of the test may trust everybody; a role that is not there is refused by any.
	bad.(*destination).conf.User = "nobody_at_all"
	if err := bad.Check(ctx, activate.Target{Object: f.table, Key: "email", Ops: []activate.Op{activate.Update}}); err == nil || !strings.Contains(err.Error(), "Check user and password") {
		t.Errorf("%v", err)
	}
}

// A table of another's making that changes between plan and apply is a matter of configuration, not of rows.
func TestTableChanged(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	d := f.open(t)
	target := activate.Target{Object: f.table, Key: "email", Fields: []string{"note"}, Ops: []activate.Op{activate.Upsert}}
	if err := d.Check(ctx, target); err != nil {
		t.Fatal(err)
	}
	if _, err := f.owner.Exec(ctx, "alter table "+f.table+" drop column note"); err != nil {
		t.Fatal(err)
	}
	_, err := d.Send(ctx, activate.Batch{Target: target, Op: activate.Upsert, Rows: []activate.Row{{ID: "1", Key: "a@example.com", Values: map[string]json.RawMessage{"note": json.RawMessage(`"x"`)}}}})
	var refused *activate.RefusedRows
	if err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "plan again") {
		t.Errorf("%v", err)
	}
}

func TestSame(t *testing.T) {
	d := &destination{}
	for _, c := range []struct {
		ours, theirs string
		same         bool
	}{
		{"12.5", "12.50", true}, {"12.5", `"12.50"`, true}, {`"007"`, `"7"`, false}, {`"007"`, "7", true}, {"true", "true", true}, {"true", "false", false},
		{`"2026-03-02T08:00:00Z"`, `"2026-03-02T08:00:00+00:00"`, true}, {`"2026-03-02T08:00:00Z"`, `"2026-03-02T08:00:01+00:00"`, false},
		{`"2026-03-02T08:00:00.123456Z"`, `"2026-03-02T08:00:00.123456+00:00"`, true}, {"null", "null", true}, {"null", `""`, false}, {`""`, `""`, true},
		{`{"a":1,"b":2}`, `{"b": 2, "a": 1}`, true}, {`["a"]`, `["b"]`, false}, {"1", `"one"`, false},
	} {
		if got := d.Same(json.RawMessage(c.ours), json.RawMessage(c.theirs)); got != c.same {
			t.Errorf("Same(%s, %s) = %v", c.ours, c.theirs, got)
		}
	}
}

// proxy stands before the server. Connections that are open when a disturbance begins stay as they are, but for what is
// done to their answers.
type proxy struct {
	addr   string
	server string
	mu     sync.Mutex
	what   desttest.Disturbance
	always bool
}

func newProxy(t *testing.T, server string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), server: server}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) disturb(d desttest.Disturbance, always bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.always = d, always
}

// take gives the disturbance if it is one of those, and ends it unless it is to last.
func (p *proxy) take(of ...desttest.Disturbance) desttest.Disturbance {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range of {
		if p.what == d {
			if !p.always {
				p.what = ""
			}
			return d
		}
	}
	return ""
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer s.Close()
	done := make(chan struct{}, 2)
	var lost bool
	go func() { // from the client: messages one by one, so that the commit is recognised
		defer func() { done <- struct{}{} }()
		head := make([]byte, 4)
		for startup := true; ; startup = false {
			var kind []byte
			if !startup {
				kind = make([]byte, 1)
				if _, err := io.ReadFull(c, kind); err != nil {
					return
				}
			}
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
			body := make([]byte, binary.BigEndian.Uint32(head)-4)
			if _, err := io.ReadFull(c, body); err != nil {
				return
			}
			begins := string(kind) == "Q" && strings.HasPrefix(string(body), "begin")
			if begins {
				switch p.take(desttest.Down, desttest.Rate, desttest.Expired, desttest.ErrorBody, desttest.Empty) {
				case desttest.Down, desttest.Empty:
					return
				case desttest.Rate:
					c.Write(refuse("53300", "sorry, too many clients already"))
					return
				case desttest.Expired:
					c.Write(refuse("28P01", "password authentication failed"))
					return
				case desttest.ErrorBody:
					c.Write(refuse("XX000", "internal error"))
					return
				}
			}
			if string(kind) == "Q" && strings.HasPrefix(string(body), "commit") && p.take(desttest.LostReply, desttest.Truncated) != "" {
				p.mu.Lock()
				lost = true
				p.mu.Unlock()
			}
			if _, err := s.Write(append(append(kind, head...), body...)); err != nil {
				return
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 1<<16)
		for {
			n, err := s.Read(buf)
			p.mu.Lock()
			cut := lost
			p.mu.Unlock()
			if cut {
				return // the server has done it; nobody hears of it
			}
			if n > 0 {
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	<-done
}

// refuse is an ErrorResponse of the protocol (PostgreSQL documentation, section 55.7).
func refuse(code, message string) []byte {
	var body []byte
	for _, f := range []string{"SFATAL", "VFATAL", "C" + code, "M" + message} {
		body = append(append(body, f...), 0)
	}
	body = append(body, 0)
	out := append([]byte{'E'}, binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))...)
	return append(out, body...)
}
