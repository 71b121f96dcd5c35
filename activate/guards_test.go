package activate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/state"
	"millrace/transform/relation"
)

const messages = `version: 1
owner: ann
live: true
relation: segments.leads
destination: fake
object: contacts
mode: event
key: email
mapping: {text: reason}
subject: person_id
purpose: marketing
channel: email
consent: opt_out
caps: [{max: 2, per: 168h}]
guardrails: {first_run: allow, max_shrink_pct: 100}
`

// Touches of every sync and channel count together, within one asking and over time.
func TestFrequencyCaps(t *testing.T) {
	r := newRig(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.db.Touches.Record(t.Context(), state.Touch{Subject: "p0", Channel: "crm", Workflow: "other", Ref: "x", At: t0.Add(-24 * time.Hour)},
		state.Touch{Subject: "p1", Channel: "sms", Workflow: "other", Ref: "y", At: t0.Add(-24 * time.Hour)}, state.Touch{Subject: "p1", Channel: "email", Workflow: "other", Ref: "z", At: t0.Add(-2 * time.Hour)},
		state.Touch{Subject: "p2", Channel: "email", Workflow: "other", Ref: "old", At: t0.Add(-400 * time.Hour)}))
	s, d := r.sync(messages), desttest.NewConversions(r.world, 10)
	rows := leads(3, 50)
	rows = append(rows, lead(3, 1), lead(4, 1), lead(5, 1))
	for _, x := range rows[3:] {
		x["person_id"] = "p2" // four messages for one person in one batch
	}
	r.publish(rows...)
	p, a := r.run(s, d)
	// p0 may have one more, p1 none, p2 two of four.
	if p.Drops["capped"] != 3 || a.Acked() != 3 {
		t.Fatalf("%v, %+v", p.Drops, a)
	}
	if n, _, err := r.db.Touches.Since(t.Context(), "p2", "", t0.Add(-168*time.Hour)); err != nil || n != 2 {
		t.Errorf("%d touches of p2 are known, %v", n, err)
	}
	// A week later they may be reached again, and only for what they were not told yet.
	r.clock = r.clock.Add(8 * 24 * time.Hour)
	if p, a = r.run(s, d); p.Changes != 3 || a.Acked() != 3 {
		t.Errorf("%+v %+v", p, a)
	}
	// A cap that is reached between plan and sending stops the row.
	r.publish(append(rows, lead(9, 1))...)
	p = r.plan(s, d)
	must(r.db.Touches.Record(t.Context(), state.Touch{Subject: "p9", Channel: "sms", Workflow: "o", Ref: "1", At: r.clock}, state.Touch{Subject: "p9", Channel: "sms", Workflow: "o", Ref: "2", At: r.clock}))
	if a = r.apply(s, d, p.ID); a.States[state.RowCancelled] != 1 || len(a.Problems) != 1 || !strings.Contains(a.Problems[0].Message, "no more than 2") {
		t.Errorf("%+v", a)
	}
}

// At night rows wait, each for the morning of its own person, and none is lost.
func TestQuietHours(t *testing.T) {
	r := newRig(t)
	s := r.sync(messages + "quiet_hours: {from: \"20:00\", to: \"08:00\", zone: Europe/Berlin, zone_column: zone}\n")
	d := desttest.NewConversions(r.world, 10)
	rows := leads(3, 50)
	rows[0]["zone"], rows[1]["zone"] = "America/New_York", "Asia/Tokyo" // 22:00, 12:00; the third in Berlin: 04:00
	r.clock = time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	r.publish(rows...)
	r.builds[r.now].Rel.Columns = append(r.builds[r.now].Rel.Columns, relation.Column{Name: "zone"})
	p := r.plan(s, d)
	e := r.engine()
	e.Patience = 0
	a, err := e.Apply(t.Context(), s, d, p.ID)
	if err != nil || a.Acked() != 1 || a.States[state.RowRetry] != 2 || !strings.Contains(fmt.Sprint(a.Problems), "quiet hours: waits until 2026-03-02 07:00 UTC") {
		t.Fatalf("%+v %v", a, err)
	}
	for _, step := range []struct{ hour, want int }{{5, 1}, {8, 2}, {14, 3}} {
		r.clock = time.Date(2026, 3, 2, step.hour, 0, 0, 0, time.UTC)
		e := r.engine()
		e.Patience = 0
		if _, err := e.Continue(t.Context(), s, d); err != nil {
			t.Fatal(err)
		}
		if n := len(r.world.Records); n != step.want {
			t.Errorf("at %d:00 UTC %d people were told, want %d", step.hour, n, step.want)
		}
	}
	for _, bad := range []string{`{from: "25:00", to: "08:00"}`, `{from: "20:00", to: "20:00"}`, `{from: "20:00", to: "08:00", zone: Berlin}`} {
		_, err := activate.ParseSync("leads", "activate/leads.yml", []byte(messages+"quiet_hours: "+bad+"\n"), nil, []activate.Connector{{Name: "fake", Options: func() any { return &struct{}{} }}})
		if err == nil || !strings.Contains(err.Error(), "activate/leads.yml:") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

const budgets = `version: 1
owner: ann
live: true
relation: segments.leads
destination: fake
object: campaigns
mode: update
key: email
mapping: {daily_budget: score, why: reason}
spend: {field: daily_budget, limit: "1000", currency: EUR}
guardrails: {first_run: allow, max_changed_pct: 100}
`

func TestMoneyIsReservedBeforeTheCall(t *testing.T) {
	r := newRig(t)
	for i := range 4 {
		r.world.Put(fmt.Sprintf("p%02d@example.com", i), map[string]string{"daily_budget": "100"})
	}
	s, d := r.sync(budgets), desttest.NewRecords(r.world, 1)
	set := func(amounts ...int) []map[string]any {
		var out []map[string]any
		for i, a := range amounts {
			x := lead(i, a)
			x["reason"] = fmt.Sprint("day ", len(r.builds))
			out = append(out, x)
		}
		return out
	}
	r.publish(set(200, 200, 200, 200)...)
	if p, a := r.run(s, d); a.Acked() != 4 || p.Money == nil || p.Money.After != 800*10_000 {
		t.Fatalf("%+v %+v", p.Money, a)
	}
	// More than the limit is stopped at the plan, with the sum.
	r.publish(set(200, 200, 400, 400)...)
	p := r.plan(s, d)
	if p.Verdict != activate.VerdictBlocked || !strings.Contains(fmt.Sprint(p.Breakers), "would commit 1200.00, and its limit is 1000 EUR") && !strings.Contains(fmt.Sprint(p.Breakers), "its limit is 1000.00 EUR") {
		t.Errorf("%s %v", p.Verdict, p.Breakers)
	}
	// A raise of a quarter asks somebody else than who asked for it, in words.
	r.publish(set(200, 200, 200, 400)...)
	p = r.plan(s, d)
	if p.Verdict != activate.VerdictHold || len(p.Risk) != 1 {
		t.Fatalf("%s %v", p.Verdict, p.Breakers)
	}
	for _, want := range []string{"daily_budget of 1 record goes from 200.00 to 400.00 EUR; with it 1000.00 of at most 1000.00 EUR are committed", "Why you are asked", "lapses, and nothing is sent", "Somebody other than ann"} {
		if !strings.Contains(p.Question(), want) {
			t.Errorf("the question does not say %q:\n%s", want, p.Question())
		}
	}
	if _, err := r.engine().Approve(t.Context(), s, p.ID, "ann", "", true); err == nil || !strings.Contains(err.Error(), "may not approve") {
		t.Errorf("%v", err)
	}
	if _, err := r.engine().Approve(t.Context(), s, p.ID, "bob", "", true); err != nil {
		t.Fatal(err)
	}
	// Meanwhile another sync has taken the money: the row is refused at the moment of sending.
	if ok, _, err := r.db.Spend.Reserve(t.Context(), "leads", 1000*10_000, state.Claim{OutboxID: "elsewhere", KeyID: "k", Total: 100 * 10_000}, t0); err != nil || !ok {
		t.Fatal(ok, err)
	}
	a := r.apply(s, d, p.ID)
	if a.States[state.RowCancelled] != 1 || r.world.Records["p03@example.com"].Values["daily_budget"] != "200" || !strings.Contains(fmt.Sprint(a.Problems), "has 100.00 left") {
		t.Errorf("%+v", a)
	}
	// A lost answer keeps the money until it is known, and a refusal gives it back.
	committed, reserved, err := r.db.Spend.Committed(t.Context(), "leads")
	if err != nil || committed != 800*10_000 || reserved != 100*10_000 {
		t.Errorf("%d committed, %d reserved, %v", committed, reserved, err)
	}
	r.world.Bad["p00@example.com"] = "campaign is removed"
	r.publish(set(250, 150, 200, 200)...)
	if _, a = r.run(s, d); a.Rejected() != 1 {
		t.Errorf("%+v", a)
	}
	if committed, reserved, err = r.db.Spend.Committed(t.Context(), "leads"); err != nil || committed != 750*10_000 || reserved != 100*10_000 {
		t.Errorf("%d committed, %d reserved, %v", committed, reserved, err)
	}
}

// liar says yes and keeps something else for some rows, as a destination with a validation rule or a trigger does.
type liar struct{ *desttest.Records }

func (d liar) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	for i := range b.Rows {
		v := map[string]json.RawMessage{}
		for f, x := range b.Rows[i].Values {
			v[f] = x
		}
		v["lead_score"] = json.RawMessage("0")
		b.Rows[i].Values = v
	}
	return d.Records.Send(ctx, b)
}

func TestCanaryIsReadBack(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), liar{desttest.NewRecords(r.world, 50)}
	r.publish(leads(300, 50)...)
	p, a := r.run(s, d)
	if len(r.world.Records) != 25 || a.Stopped == "" || !a.Trouble || a.States[state.RowPending] != 275 || !strings.Contains(a.Stopped, "of the first 25 rows 25 do not hold what was sent") {
		t.Fatalf("%d records, %+v", len(r.world.Records), a)
	}
	// Somebody finds the rule and switches it off there; those that were bent stay stopped until they are put right.
	for k, x := range r.world.Records {
		r.world.Put(k, map[string]string{"lead_score": strings.Trim(strings.TrimPrefix(x.Values["why"], `"because `), `"`)})
	}
	if a = r.apply(s, desttest.NewRecords(r.world, 50), p.ID); !a.Done || a.Acked() != 300 {
		t.Errorf("%+v", a)
	}
}

// From a few rows to a tenth to all of them; a tenth that is mostly refused stops the rest.
func TestRampStopsAtATenth(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 50)
	for i := 100; i < 115; i++ { // keys that come early
		r.world.Bad[fmt.Sprintf("p%02d@example.com", i)] = "no such owner"
	}
	r.publish(leads(600, 50)...)
	_, a := r.run(s, d)
	if !strings.Contains(a.Stopped, "refused") || a.States[state.RowPending] < 500 {
		t.Errorf("%+v", a)
	}
}

func TestMinimumAudienceAndOlderRuns(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(strings.Replace(audience, "first_run: allow", "first_run: allow, min_audience: 100", 1)), desttest.NewAudience(r.world, 10)
	r.grant("p0", "p1")
	r.publish(leads(2, 50)...)
	if p := r.plan(s, d); p.Verdict != activate.VerdictHold || !strings.Contains(fmt.Sprint(p.Breakers), "about 2 members, at least 100") {
		t.Errorf("%+v", p.Breakers)
	}
	r = newRig(t)
	rs, rd := r.sync(records), desttest.NewRecords(r.world, 10)
	r.publish(leads(9, 50)...)
	r.run(rs, rd)
	rows := leads(9, 50)
	rows[2]["score"] = 1
	r.publish(rows...)
	r.clock = r.clock.Add(-48 * time.Hour)
	if p := r.plan(rs, rd); p.Verdict != activate.VerdictHold || !strings.Contains(fmt.Sprint(p.Breakers), "an older state again") {
		t.Errorf("%+v", p.Breakers)
	}
}

// Memberships end by themselves after a time; before that they are said again, with nothing else in the plan.
func TestMembershipsAreSaidAgain(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(audience), desttest.NewAudience(r.world, 10).Expiring(540)
	r.grant("p0", "p1", "p2")
	r.publish(leads(3, 50)...)
	r.run(s, d)
	r.clock = r.clock.AddDate(0, 0, 500)
	if p, _ := r.run(s, d); p.Verdict != activate.VerdictEmpty {
		t.Errorf("too early: %+v", p.Ops)
	}
	r.clock = r.clock.AddDate(0, 0, 12)
	p, a := r.run(s, d)
	if p.Ops["again"] != 3 || p.Changes != 3 || a.Acked() != 3 {
		t.Errorf("%+v %+v", p.Ops, a)
	}
	if p, _ := r.run(s, d); p.Verdict != activate.VerdictEmpty {
		t.Errorf("twice: %+v", p.Ops)
	}
}

// What a person changed is noted, once, whether it stands or not.
func TestEditsAreFeedback(t *testing.T) {
	text := strings.Replace(records, "lead_score: score", "lead_score: {column: score, if: ours_last}", 1)
	text = strings.Replace(text, "first_run: allow", "first_run: allow, max_changed_pct: 100", 1)
	r := newRig(t)
	s, d := r.sync(text), desttest.NewRecords(r.world, 10)
	r.publish(leads(3, 50)...)
	r.run(s, d)
	r.world.Put("p01@example.com", map[string]string{"lead_score": "7", "why": `"I know them"`})
	for range 2 {
		r.publish(leads(3, 60)...)
		r.run(s, d)
	}
	edits, err := r.engine().Edits(t.Context(), "", 10)
	if err != nil || len(edits) != 2 {
		t.Fatalf("%+v %v", edits, err)
	}
	for _, e := range edits {
		switch e.Field {
		case "lead_score":
			if !e.Kept || e.Wrote != "51" || e.Holds != "7" {
				t.Errorf("%+v", e)
			}
		case "why":
			if e.Kept || strings.Contains(e.Holds, "know") {
				t.Errorf("%+v", e)
			}
		}
	}
}

func TestLogRetryAndAPersonsWord(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(strings.Replace(records, "mapping:", "subject: person_id\nmapping:", 1)), desttest.NewRecords(r.world, 16)
	r.world.Bad = map[string]string{"p03@example.com": "value too long for p03@example.com"}
	r.publish(leads(10, 50)...)
	p, _ := r.run(s, d)
	for _, who := range []string{"p03@example.com", "P03@example.com ", "p3"} {
		log, err := r.engine().Sent(t.Context(), state.LogFilter{Person: who})
		if err != nil || len(log) != 1 || log[0].State != state.RowRejected || log[0].Plan != p.ID || len(log[0].Calls) != 1 || log[0].AskedBy != "ann" || !strings.Contains(log[0].Approved, "policy") {
			t.Fatalf("%s: %+v %v", who, log, err)
		}
		text, err := json.Marshal(log)
		if err != nil || strings.Contains(string(text), "p03@") || strings.Contains(string(text), "because") {
			t.Errorf("the log holds a person: %s", text)
		}
	}
	// A retry plans nothing but what failed, with the values of now.
	r.world.Bad = nil
	rows := leads(10, 50)
	rows[3]["reason"], rows[5]["reason"] = "short", "also changed"
	r.publish(rows...)
	e := r.engine()
	e.Again, e.Only = true, true
	p, err := e.Plan(t.Context(), s, d)
	if err != nil || p.Changes != 1 || p.Drops["not_failed"] != 1 {
		t.Fatalf("%+v %v", p, err)
	}
	if a := r.apply(s, d, p.ID); a.Acked() != 1 || r.world.Records["p03@example.com"].Values["why"] != `"short"` {
		t.Errorf("%+v", a)
	}

	r = newRig(t)
	ms, md := r.sync(messages), desttest.NewMessages(r.world, 2)
	r.world.Fault = lose("send", 1)
	r.publish(leads(4, 50)...)
	if _, a := r.run(ms, md); a.Unknown() != 2 || a.Acked() != 2 {
		t.Fatalf("%+v", a)
	}
	if n, err := r.engine().SettleUnknown(t.Context(), ms, md, true, "eve", "seen in the outbox of the mail system"); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if p, _ := r.run(ms, md); p.Verdict != activate.VerdictEmpty || len(r.world.Records) != 4 {
		t.Errorf("%+v", p)
	}
	log, err := r.engine().Sent(t.Context(), state.LogFilter{Sync: "leads", States: []string{state.RowAcked}})
	if err != nil || len(log) != 4 || !strings.Contains(fmt.Sprint(log), "eve says that it arrived: seen in the outbox") {
		t.Errorf("%+v %v", log, err)
	}
}

// described declares what its fields take.
type described struct {
	*desttest.Records
	infos []activate.FieldInfo
}

func (d described) Describe(context.Context, string) ([]activate.FieldInfo, error) {
	return d.infos, nil
}

func TestTypesAndTransforms(t *testing.T) {
	r := newRig(t)
	d := described{desttest.NewRecords(r.world, 10), []activate.FieldInfo{{Name: "lead_score", Kind: activate.KindInteger}, {Name: "why", Kind: activate.KindText, MaxLength: 20, Options: []string{"because 50", "because 51", "for a reason that is long enough"}}}}
	r.publish(leads(3, 50)...)
	r.builds[r.now].Rows[2]["reason"] = "for a reason that is long enough"
	for i := range r.builds[r.now].Rel.Columns {
		if c := &r.builds[r.now].Rel.Columns[i]; c.Name == "score" {
			c.Type = "VARCHAR"
		}
	}
	if _, err := r.engine().Plan(t.Context(), r.sync(records), d); err == nil || !strings.Contains(err.Error(), "column score is varchar, and fake takes integer there") || !strings.Contains(err.Error(), "activate/leads.yml:9") {
		t.Errorf("%v", err)
	}
	for i := range r.builds[r.now].Rel.Columns {
		r.builds[r.now].Rel.Columns[i].Type = ""
	}
	p := r.plan(r.sync(records), d)
	if p.Changes != 2 || p.Drops["too_long"] != 1 || !strings.Contains(p.Bad, "first(20)") {
		t.Errorf("%+v", p)
	}
	d.infos = nil
	text := strings.Replace(records, "{column: reason, null: clear}", "{column: reason, transform: [upper, first(7)]}", 1)
	r.run(r.sync(text), d)
	if got := r.world.Records["p01@example.com"].Values["why"]; got != `"BECAUSE"` {
		t.Error(got)
	}
	for _, bad := range []string{"[uper]", "[first]", "[lower(3)]"} {
		_, err := activate.ParseSync("leads", "activate/leads.yml", []byte(strings.Replace(records, "{column: reason, null: clear}", "{column: reason, transform: "+bad+"}", 1)), nil, []activate.Connector{{Name: "fake", Options: func() any { return &struct{}{} }}})
		if err == nil || !strings.Contains(err.Error(), "activate/leads.yml:10") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A full mirror is asked for in words, waits for somebody else every time, and archives what has no row, whoever made it. A
// mirror leaves alone what it did not make.
func TestMirrors(t *testing.T) {
	full := strings.Replace(records, "relation:", "mode: full_mirror\nrelation:", 1)
	if _, err := activate.ParseSync("leads", "activate/leads.yml", []byte(full), nil, []activate.Connector{{Name: "fake", Options: func() any { return &struct{}{} }}}); err == nil || !strings.Contains(err.Error(), "also those that people made") {
		t.Fatal(err)
	}
	full = strings.Replace(full, "relation:", "confirm: "+activate.Confirmed+"\nrelation:", 1)
	full = strings.Replace(full, "first_run: allow", "first_run: allow, max_archived_pct: {hold: 1, block: 60}", 1)
	for name, text := range map[string]string{"mirror": strings.Replace(records, "relation:", "mode: mirror\nrelation:", 1), "full": full} {
		r := newRig(t)
		s, d := r.sync(text), desttest.NewRecords(r.world, 5)
		r.world.Put("theirs@example.com", map[string]string{"lead_score": "1"})
		r.world.Put("p01@example.com", map[string]string{"lead_score": "1"}) // theirs too, and we write to it
		r.publish(leads(30, 50)...)
		p := r.plan(s, d)
		if name == "full" {
			if p.Verdict != activate.VerdictHold || p.Ops["archive"] != 1 || len(p.Risk) == 0 || !strings.Contains(p.Question(), "comes back by hand only") {
				t.Fatalf("%+v", p)
			}
			if _, err := r.engine().Approve(t.Context(), s, p.ID, "ann", "", true); err == nil {
				t.Error("who asked approved")
			}
			if _, err := r.engine().Approve(t.Context(), s, p.ID, "bob", "", true); err != nil {
				t.Fatal(err)
			}
		}
		r.apply(s, d, p.ID)
		if _, there := r.world.Records["theirs@example.com"]; there == (name == "full") {
			t.Errorf("%s: a stranger's record is there: %v", name, there)
		}
		r.publish(leads(30, 50)[3:]...) // p00, p01 and p02 leave
		p = r.plan(s, d)
		if want := map[string]int{"mirror": 2, "full": 3}[name]; p.Ops["archive"] != want {
			t.Fatalf("%s: %+v %v", name, p.Ops, p.Drops)
		}
		if p.State == state.PlanWaiting {
			if _, err := r.engine().Approve(t.Context(), s, p.ID, "bob", "", true); err != nil {
				t.Fatal(err)
			}
		}
		r.apply(s, d, p.ID)
		_, theirs := r.world.Records["p01@example.com"]
		if _, ours := r.world.Records["p00@example.com"]; ours || theirs == (name == "full") {
			t.Errorf("%s: %s", name, r.world.Dump())
		}
	}
}
