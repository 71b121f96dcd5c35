package state

import (
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"millrace/models/decision"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestVault(t *testing.T) {
	db := open(t)
	v := db.Vault()
	a, b := v.seal("here", []byte("secret")), v.seal("here", []byte("secret"))
	if string(a) == string(b) {
		t.Error("the same value looks the same twice: equal people could be told from the file")
	}
	if p, err := v.open("here", a); err != nil || string(p) != "secret" {
		t.Errorf("%q %v", p, err)
	}
	a[len(a)-1] ^= 1
	if _, err := v.open("here", a); err == nil {
		t.Error("a changed value was accepted")
	}
	if _, err := v.open("there", b); err == nil {
		t.Error("a value was accepted in another row's place")
	}
	if v.ID("ab", "c") == v.ID("a", "bc") || len(v.ID("a")) != 32 {
		t.Error("identifiers")
	}
	again := openAt(t, db.Path())
	if again.Vault().ID("a") != v.ID("a") {
		t.Error("the key changed between two openings")
	}
	if other := open(t); other.Vault().ID("a") == v.ID("a") {
		t.Error("two installations share a key")
	}
	fi, err := os.Stat(keyPath(db.Path()))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v", fi.Mode(), err)
	}
}

func TestDecisionLog(t *testing.T) {
	ctx, db := t.Context(), open(t)
	score := 81.5
	d := decision.Identify(decision.Decision{Policy: "p", Version: "v", Subject: "s1", Mode: "shadow", Trigger: "build", Inputs: map[string]decision.Value{"score": raw("81.5")},
		Candidates: []decision.Candidate{{Action: "sales", Allowed: true}}, RuleHits: []string{"r"}, Score: &score, Choice: "sales", Propensity: 1, Reason: "because",
		Relation: "a.b", RelationVersion: "1", BuildID: "b1", DecidedAt: t0}, "")
	must(t, db.Decisions.Append(ctx, "run1", []decision.Decision{d}))
	must(t, db.Decisions.Append(ctx, "run1", []decision.Decision{d})) // a crash between writing and knowing
	cur, err := db.Decisions.Current(ctx, "p")
	if err != nil || !reflect.DeepEqual(cur, map[string]decision.Decision{"s1": d}) {
		t.Fatalf("%+v %v", cur, err)
	}
	e := d
	e.Choice, e.Mode = "nurture", "live"
	e = decision.Identify(e, d.ID)
	e.DecidedAt = t0.Add(time.Hour)
	must(t, db.Decisions.Append(ctx, "run2", []decision.Decision{e}))
	must(t, db.Decisions.Append(ctx, "run1", []decision.Decision{d})) // an old one must not become current again
	st, err := db.Decisions.Status(ctx, []string{d.ID, e.ID, "nobody"})
	if err != nil || st[d.ID] != (decision.Status{Known: true, Mode: "shadow"}) || st[e.ID] != (decision.Status{Known: true, Mode: "live", Current: true}) || st["nobody"].Known {
		t.Errorf("%+v %v", st, err)
	}
	h, err := db.Decisions.History(ctx, "p", "s1")
	if err != nil || len(h) != 2 || h[0].ID != e.ID {
		t.Errorf("%+v %v", h, err)
	}
	if since, err := db.Decisions.Since(ctx, "p", "shadow"); err != nil || !since.Equal(t0) {
		t.Errorf("%v %v", since, err)
	}
	if since, err := db.Decisions.Since(ctx, "nobody", "shadow"); err != nil || !since.IsZero() {
		t.Errorf("%v %v", since, err)
	}
}

func TestSwitches(t *testing.T) {
	ctx, db := t.Context(), open(t)
	all := decision.Switch{Scope: "all", By: "ann", Reason: "r", At: t0}
	one := decision.Switch{Scope: "destination", Name: "hubspot", By: "bob", At: t0}
	must(t, db.Switches.Stop(ctx, one))
	must(t, db.Switches.Stop(ctx, all))
	must(t, db.Switches.Stop(ctx, decision.Switch{Scope: "all", By: "eve", At: t0.Add(time.Hour)}))
	on, err := db.Switches.Thrown(ctx)
	if err != nil || !reflect.DeepEqual(on, []decision.Switch{all, one}) {
		t.Errorf("%+v %v", on, err)
	}
	if was, err := db.Switches.Start(ctx, all); err != nil || !was {
		t.Error(was, err)
	}
	if was, err := db.Switches.Start(ctx, all); err != nil || was {
		t.Error("started twice", was, err)
	}
	if on, _ = db.Switches.Thrown(ctx); len(on) != 1 || on[0].Name != "hubspot" {
		t.Errorf("starting all started more than it stopped: %+v", on)
	}
}

func TestConsents(t *testing.T) {
	ctx, db := t.Context(), open(t)
	add := func(subject, purpose, channel, source string, granted bool, hour int) {
		t.Helper()
		must(t, db.Consents.Record(ctx, Consent{subject, purpose, channel, granted, source, t0.Add(time.Duration(hour) * time.Hour)}))
	}
	add("granted", "ads", "google", "crm", true, 0)
	add("changed mind", "ads", "google", "crm", false, 0)
	add("changed mind", "ads", "google", "crm", true, 1)
	add("late arrival of an old no", "ads", "google", "crm", true, 5)
	add("late arrival of an old no", "ads", "google", "crm", false, 1)
	add("two sources", "ads", "google", "crm", true, 9)
	add("two sources", "ads", "google", "mail", false, 0)
	add("no to all", "ads", "google", "crm", true, 9)
	add("no to all", "*", "*", "crm", false, 0)
	add("other purpose", "news", "google", "crm", false, 0)
	got, err := db.Consents.Lookup(ctx, "ads", "google", []string{"granted", "changed mind", "late arrival of an old no", "two sources", "no to all", "other purpose", "unheard"})
	want := map[string]decision.ConsentState{"granted": decision.ConsentGranted, "changed mind": decision.ConsentGranted, "late arrival of an old no": decision.ConsentGranted,
		"two sources": decision.ConsentNo, "no to all": decision.ConsentNo}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v %v\nwant %v", got, err, want)
	}
	if err := db.Consents.Record(ctx, Consent{Subject: "x"}); err == nil {
		t.Error("an incomplete consent was recorded")
	}
	many := make([]string, 1200)
	for i := range many {
		many[i] = fmt.Sprint("s", i)
	}
	add("s1100", "ads", "google", "crm", false, 0)
	if got, err := db.Consents.Lookup(ctx, "ads", "google", many); err != nil || len(got) != 1 || got["s1100"] != decision.ConsentNo {
		t.Errorf("%v %v", got, err)
	}
}

func TestTouches(t *testing.T) {
	ctx, db := t.Context(), open(t)
	for i, ref := range []string{"a", "b", "b", "c"} {
		must(t, db.Touches.Record(ctx, Touch{"s", []string{"email", "email", "email", "chat"}[i], "w", ref, t0.Add(time.Duration(i) * time.Hour)}))
	}
	for _, c := range []struct {
		channel string
		from    time.Time
		n       int
		last    time.Time
	}{{"email", t0, 2, t0.Add(time.Hour)}, {"", t0.Add(time.Hour), 2, t0.Add(3 * time.Hour)}, {"sms", t0, 0, time.Time{}}} {
		if n, last, err := db.Touches.Since(ctx, "s", c.channel, c.from); err != nil || n != c.n || !last.Equal(c.last) {
			t.Errorf("%+v: %d %v %v", c, n, last, err)
		}
	}
}

func plan(id, state string) Plan {
	return Plan{ID: id, Hash: "h" + id, Kind: "sync", Sync: "scores", Scope: "sc", Verdict: "v", State: state, BuildID: "b" + id, Body: raw(`{}`), Rows: []byte(`[]`), RunID: "r", By: "ann", Created: t0, Expires: t0.Add(time.Hour)}
}

func TestPlanLife(t *testing.T) {
	ctx, db := t.Context(), open(t)
	must(t, db.Plans.Save(ctx, plan("1", PlanWaiting), nil))
	must(t, db.Plans.Save(ctx, plan("1", PlanWaiting), nil))
	if err := db.Plans.Decide(ctx, Approval{PlanID: "1", Hash: "another", Approved: true, By: "bob", How: "person", At: t0}); err == nil {
		t.Error("an approval for another hash was taken")
	}
	must(t, db.Plans.Decide(ctx, Approval{PlanID: "1", Hash: "h1", Approved: true, By: "bob", How: "person", At: t0}))
	if err := db.Plans.Decide(ctx, Approval{PlanID: "1", Hash: "h1", Approved: true, By: "bob", How: "person", At: t0}); err == nil {
		t.Error("approved twice")
	}
	p, ok, err := db.Plans.Get(ctx, "1")
	if err != nil || !ok || p.State != PlanApproved || string(p.Rows) != "[]" || !p.Expires.Equal(t0.Add(time.Hour)) {
		t.Errorf("%+v %v %v", p, ok, err)
	}
	if pins, _ := db.Plans.Pinned(ctx); !reflect.DeepEqual(pins, []string{"b1"}) {
		t.Errorf("pinned: %v", pins)
	}
	must(t, db.Plans.Save(ctx, plan("2", PlanWaiting), nil)) // a newer plan: the older one is void although it was approved
	if p, _, _ = db.Plans.Get(ctx, "1"); p.State != PlanVoid {
		t.Errorf("older plan is %s", p.State)
	}
	if err := db.Outbox.Enqueue(ctx, "1", seq(), t0); err == nil {
		t.Error("a void plan was queued")
	}
	if ids, err := db.Plans.Expire(ctx, t0.Add(time.Hour)); err != nil || !reflect.DeepEqual(ids, []string{"2"}) {
		t.Errorf("expired: %v %v", ids, err)
	}
	if as, err := db.Plans.Approvals(ctx, "1"); err != nil || len(as) != 1 || as[0].By != "bob" || !as[0].Approved {
		t.Errorf("%+v %v", as, err)
	}
}

func row(id, planID, key string) OutboxRow {
	return OutboxRow{ID: id, PlanID: planID, Sync: "scores", Scope: "sc", KeyID: key, Op: "upsert", Payload: Payload{Key: key + "@example.com", Set: map[string]json.RawMessage{"score": raw("81")}},
		PayloadHash: "ph" + id, Fields: []string{"score"}, IdemKey: "i" + id}
}

func TestOutboxLife(t *testing.T) {
	ctx, db := t.Context(), open(t)
	must(t, db.Plans.Save(ctx, plan("1", PlanApproved), nil))
	rows := []OutboxRow{row("a", "1", "k1"), row("b", "1", "k2")}
	must(t, db.Outbox.Enqueue(ctx, "1", seq(rows...), t0))
	must(t, db.Outbox.Enqueue(ctx, "1", seq(rows...), t0)) // again after a crash
	got, err := db.Outbox.Rows(ctx, Filter{PlanID: "1", States: []string{RowPending}})
	if err != nil || len(got) != 2 || got[0].Payload.Key != "k1@example.com" || string(got[0].Payload.Set["score"]) != "81" {
		t.Fatalf("%+v %v", got, err)
	}
	image := PreImage{OutboxID: "a", Existed: true, RemoteID: "9", Values: map[string]json.RawMessage{"score": raw("12")}, ReadAt: t0}
	attempt, err := db.Outbox.Begin(ctx, "1", "scores", "upsert", []string{"a", "b"}, []PreImage{image}, t0)
	must(t, err)
	if _, err := db.Outbox.Begin(ctx, "1", "scores", "upsert", []string{"a"}, nil, t0); err == nil {
		t.Error("a row that is in flight was sent again")
	}
	if v, _ := db.Ledger.Version(ctx, "sc"); v != 0 {
		t.Error("sending moved the ledger (P6)")
	}
	must(t, db.Outbox.Record(ctx, AttemptEnd{ID: attempt, At: t0}, []Outcome{
		{ID: "a", State: RowAcked, RemoteID: "9", Change: &Change{Scope: "sc", KeyID: "k1", Key: "k1@example.com", Set: map[string]Field{"score": {V: raw("81")}}, Claim: "acked", RemoteID: "9"}},
		{ID: "b", State: RowRetry, Class: "rate", Message: "slow down", NextAt: t0.Add(time.Minute)},
	}))
	if due, _ := db.Outbox.Rows(ctx, Filter{Scope: "sc", States: []string{RowRetry}, Due: t0}); len(due) != 0 {
		t.Error("a row was due before its time")
	}
	if at, err := db.Outbox.NextDue(ctx, Filter{Scope: "sc", States: []string{RowRetry}}); err != nil || !at.Equal(t0.Add(time.Minute)) {
		t.Errorf("%v %v", at, err)
	}
	entries, err := db.Ledger.Some(ctx, "sc", []string{"k1", "k2", "k3"})
	if err != nil || len(entries) != 1 || entries["k1"].Key != "k1@example.com" || string(entries["k1"].Fields["score"].V) != "81" || entries["k1"].RemoteID != "9" {
		t.Errorf("%+v %v", entries, err)
	}
	// An image read again after a lost answer must not replace the true one.
	must(t, db.Plans.Save(ctx, plan("2", PlanApproved), nil))
	second := image
	second.Values = map[string]json.RawMessage{"score": raw("81")}
	_, err = db.Outbox.Begin(ctx, "1", "scores", "upsert", []string{"b"}, []PreImage{second}, t0)
	must(t, err)
	if im, ok, err := db.Outbox.Image(ctx, "a"); err != nil || !ok || string(im.Values["score"]) != "12" {
		t.Errorf("%+v %v %v", im, ok, err)
	}
	must(t, db.Outbox.Record(ctx, AttemptEnd{At: t0}, []Outcome{{ID: "b", State: RowPending}}))
	must(t, db.Outbox.Enqueue(ctx, "2", seq(row("c", "2", "k2")), t0))
	if n, _ := db.Outbox.Counts(ctx, Filter{PlanID: "1"}); !reflect.DeepEqual(n, map[string]int{RowAcked: 1, RowSuperseded: 1}) {
		t.Errorf("%v", n)
	}
	latest, err := db.Outbox.Latest(ctx, "sc", []string{"k1", "k2", "k3"})
	if err != nil || latest["k1"].State != RowAcked || latest["k2"].ID != "c" {
		t.Errorf("%+v %v", latest, err)
	}
	// Nothing about a person lies open in the file (P8).
	must(t, db.Close())
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(db.Path() + suffix)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "example.com") {
			t.Errorf("an address lies open in state.db%s", suffix)
		}
	}
}

func TestJobs(t *testing.T) {
	ctx, db := t.Context(), open(t)
	must(t, db.Plans.Save(ctx, plan("1", PlanApproved), nil))
	must(t, db.Outbox.Enqueue(ctx, "1", seq(row("a", "1", "k1"), row("b", "1", "k2")), t0))
	attempt, err := db.Outbox.Begin(ctx, "1", "scores", "add", []string{"a", "b"}, nil, t0)
	must(t, err)
	must(t, db.Outbox.Record(ctx, AttemptEnd{ID: attempt, JobID: "j1", JobRows: 2, At: t0}, []Outcome{{ID: "a", State: RowAccepted, JobID: "j1"}, {ID: "b", State: RowAccepted, JobID: "j1"}}))
	jobs, err := db.Outbox.Jobs(ctx, "sc", "processing")
	if err != nil || len(jobs) != 1 || jobs[0].Rows != 2 || jobs[0].PlanID != "1" {
		t.Fatalf("%+v %v", jobs, err)
	}
	if e, _ := db.Ledger.Some(ctx, "sc", []string{"k1", "k2", "k3"}); len(e) != 0 {
		t.Error("being accepted moved the ledger (P6)")
	}
	j, two := jobs[0], 2
	j.State, j.Reported, j.Checked = "settled", &two, t0.Add(time.Hour)
	must(t, db.Outbox.SettleJob(ctx, j, []Outcome{
		{ID: "a", State: RowSettled, Change: &Change{Scope: "sc", KeyID: "k1", Key: "x", Claim: "settled"}},
		{ID: "b", State: RowSettled, Change: &Change{Scope: "sc", KeyID: "k2", Key: "y", Remove: true}},
	}))
	e, _ := db.Ledger.Some(ctx, "sc", []string{"k1", "k2", "k3"})
	if jobs, _ = db.Outbox.Jobs(ctx, "sc", "processing"); len(jobs) != 0 || len(e) != 1 || e["k1"].Claim != "settled" {
		t.Errorf("%+v %+v", jobs, e)
	}
}

func seq(rows ...OutboxRow) iter.Seq2[OutboxRow, error] {
	return func(yield func(OutboxRow, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}
