package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/httpx"
	"millrace/internal/secret"
	"millrace/internal/twin"
	"millrace/internal/twin/store"
)

// other opens one of the package's further destinations over a portal.
func other(t *testing.T, c activate.Connector, base string) activate.Destination {
	t.Helper()
	plain := Options{Token: secret.New(token), BaseURL: base, Version: "v3", Rate: 1900, Private: true}
	var o any = &plain
	if c.Name == "hubspot_engagements" {
		o = &EngagementOptions{plain, "millrace_id"}
	}
	d, err := c.Open(activate.OpenParams{Sync: "test", Options: o, Now: time.Now, Sleep: func(context.Context, time.Duration) error { return nil }, Rand: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// writing is the twin as the suite's system; only calls that write are disturbed.
type writing struct {
	portal
	method, path string
}

func (p writing) Disturb(d desttest.Disturbance, always bool) {
	kind := map[desttest.Disturbance]string{desttest.Rate: twin.Status429, desttest.Down: twin.DropBefore, desttest.LostReply: twin.DropAfter, desttest.Truncated: twin.Truncate,
		desttest.Empty: twin.EmptySuccess, desttest.ErrorBody: twin.ErrorBody, desttest.Expired: twin.Expired}[d]
	f := twin.Fault{Vendor: "hubspot", Method: p.method, Path: p.path, Kind: kind}
	if !always {
		f.Times = 1
	}
	if err := p.tw.AddFault(f); err != nil {
		p.t.Fatal(err)
	}
}

// newList makes a list in the portal.
func newList(t *testing.T, base, name, processing, typ string) {
	t.Helper()
	req, err := http.NewRequest("POST", base+"/crm/v3/lists", strings.NewReader(fmt.Sprintf(`{"name":%q,"objectTypeId":%q,"processingType":%q}`, name, typ, processing)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
}

// some gives ids of records and addresses of contacts that the portal holds.
func some(tw *twin.Twin, typ string, n int) (ids []string, emails []string) {
	tw.View(func(s *store.State) {
		tab := s.CRM.Table(typ)
		recs, _ := tab.After(0, 10_000, false)
		for _, r := range recs {
			e, _ := tab.Value(r, "email")
			if len(ids) < n && (e != "" || typ != "contacts") {
				ids, emails = append(ids, strconv.FormatInt(r.ID, 10)), append(emails, e)
			}
		}
	})
	return ids, emails
}

// people is a row source over the portal that the suite has just opened: its rows are records that are there.
type people struct{ ids, emails, firms []string }

func (p *people) open(t *testing.T, c activate.Connector, method, path string, prepare func(base string)) (activate.Destination, desttest.System) {
	tw, base := startTwin(t)
	p.ids, p.emails = some(tw, "contacts", 110)
	p.firms, _ = some(tw, "companies", 10)
	if prepare != nil {
		prepare(base)
	}
	return other(t, c, base), writing{portal{t, tw}, method, path}
}

func list1(field string) activate.Target {
	return activate.Target{Object: "101", Key: "person_id", Fields: []string{field}, Ops: []activate.Op{activate.Remove, activate.Add}}
}

func TestConformanceOfLists(t *testing.T) {
	for _, by := range []string{byRecord, byEmail} {
		p := &people{}
		lists := func(t *testing.T) func(string) {
			return func(base string) {
				newList(t, base, "static", "MANUAL", "0-1")
				newList(t, base, "filtered", "DYNAMIC", "0-1")
				newList(t, base, "firms", "MANUAL", "0-2")
			}
		}
		with := func(f func(*activate.Target)) activate.Target { x := list1(by); f(&x); return x }
		misfits := []activate.Target{
			with(func(x *activate.Target) { x.Object = "102" }), with(func(x *activate.Target) { x.Object = "999" }),
			with(func(x *activate.Target) { x.Fields = []string{"score"} }), with(func(x *activate.Target) { x.Fields = []string{byRecord, byEmail} }),
			{Object: "103", Key: "k", Fields: []string{byEmail}, Ops: []activate.Op{activate.Add}},
		}
		t.Run(by, func(t *testing.T) {
			desttest.Run(t, desttest.Harness{
				Open: func(t *testing.T) (activate.Destination, desttest.System) {
					return p.open(t, Lists(), "PUT", "/crm/v3/lists/", lists(t))
				},
				Target: list1(by), Secrets: []string{token}, Misfits: misfits,
				Row: func(i int) (string, map[string]json.RawMessage) {
					v := map[string]json.RawMessage{byRecord: raw(strconv.Quote(p.ids[i]))}
					if by == byEmail {
						v = map[string]json.RawMessage{byEmail: raw(strconv.Quote(strings.ToUpper(p.emails[i])))}
					}
					return fmt.Sprint("p", i), v
				},
				Bad: func() (string, map[string]json.RawMessage) {
					return "nobody", map[string]json.RawMessage{by: raw(map[string]string{byRecord: `"123"`, byEmail: `"nobody@nowhere.example"`}[by])}
				},
			})
		})
	}
}

func TestConformanceOfAssociations(t *testing.T) {
	p := &people{}
	target := activate.Target{Object: "contacts/companies", Key: "pair", Fields: []string{fromID, toID}, Ops: []activate.Op{activate.Remove, activate.Add}}
	with := func(f func(*activate.Target)) activate.Target { x := target; f(&x); return x }
	desttest.Run(t, desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			return p.open(t, Associations(), "POST", "/crm/v4/", nil)
		},
		Target: target, Secrets: []string{token},
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprint("p", i), map[string]json.RawMessage{fromID: raw(p.ids[i]), toID: raw(strconv.Quote(p.firms[i%10]))}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "nobody", map[string]json.RawMessage{fromID: raw(`"123"`), toID: raw(`"456"`)}
		},
		Misfits: []activate.Target{
			with(func(x *activate.Target) { x.Object = "contacts/planets" }), with(func(x *activate.Target) { x.Fields = []string{fromID} }), with(func(x *activate.Target) { x.Fields = append(x.Fields, "label") }),
		},
	})
}

func TestConformanceOfEngagements(t *testing.T) {
	for object, text := range map[string]string{"notes": "hs_note_body", "tasks": "hs_task_subject"} {
		p := &people{}
		target := activate.Target{Object: object, Key: "event_id", Fields: []string{"contact_id", "hs_timestamp", text}, Ops: []activate.Op{activate.Event}}
		with := func(f func(*activate.Target)) activate.Target { x := target; f(&x); return x }
		t.Run(object, func(t *testing.T) {
			desttest.Run(t, desttest.Harness{
				Open: func(t *testing.T) (activate.Destination, desttest.System) {
					return p.open(t, Engagements(), "POST", "/crm/v3/objects/", nil)
				},
				Target: target, Secrets: []string{token},
				Row: func(i int) (string, map[string]json.RawMessage) {
					return fmt.Sprint("e", i), map[string]json.RawMessage{"contact_id": raw(p.ids[i]), "hs_timestamp": raw(`"2026-03-02T06:00:00Z"`), text: raw(fmt.Sprintf(`"Call <%d>"`, i))}
				},
				Bad: func() (string, map[string]json.RawMessage) {
					return "nobody", map[string]json.RawMessage{"contact_id": raw(`"123"`), "hs_timestamp": raw(`"2026-03-02T06:00:00Z"`), text: raw(`"x"`)}
				},
				Misfits: []activate.Target{
					with(func(x *activate.Target) { x.Fields = []string{"hs_timestamp", text} }), with(func(x *activate.Target) { x.Fields = []string{"contact_id", text} }),
					with(func(x *activate.Target) { x.Fields = append(x.Fields, "hs_colour") }),
				},
			})
		})
	}
}

func TestChecksSayWhatToDo(t *testing.T) {
	_, base := startTwin(t)
	newList(t, base, "filtered", "DYNAMIC", "0-1")
	e := other(t, Engagements(), base).(*engagements)
	e.id = "our_id"
	for want, c := range map[string]struct {
		d activate.Destination
		t activate.Target
	}{
		"Make a static list":              {other(t, Lists(), base), list1(byRecord)},
		"ILS list ID":                     {other(t, Lists(), base), activate.Target{Object: "999", Key: "k", Fields: []string{byRecord}}},
		"a member is known by one thing":  {other(t, Lists(), base), activate.Target{Object: "101", Key: "k"}},
		"a link has two ends":             {other(t, Associations(), base), activate.Target{Object: "contacts/companies", Key: "k", Fields: []string{fromID}}},
		"does not link these kinds":       {other(t, Associations(), base), activate.Target{Object: "contacts/planets", Key: "k", Fields: []string{fromID, toID}}},
		`"hasUniqueValue":true`:           {e, activate.Target{Object: "notes", Key: "k", Fields: []string{"contact_id", "hs_note_body", "hs_timestamp"}}},
		"it would belong to no record":    {other(t, Engagements(), base), activate.Target{Object: "notes", Key: "k", Fields: []string{"hs_note_body", "hs_timestamp"}}},
		`Did you mean "hs_task_priority"`: {other(t, Engagements(), base), activate.Target{Object: "tasks", Key: "k", Fields: []string{"contact_id", "hs_task_subject", "hs_timestamp", "hs_task_prioritty"}}},
	} {
		if err := c.d.Check(t.Context(), c.t); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
	for want, c := range map[string]activate.Connector{"ILS list ID": Lists(), "contacts/companies": Associations(), "notes or tasks": Engagements()} {
		if _, err := other(t, c, base).Capabilities("every thing"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

const acct = `config: {token: x}
guardrails: {first_run: allow, max_removed_pct: 100}
`

// nightOf is one of the further destinations under the engine.
func nightOf(t *testing.T, c activate.Connector, body string, columns ...string) (*desttest.Night, *twin.Twin, string) {
	tw, base := startTwin(t)
	return desttest.NewNight(t, []activate.Connector{c}, "destination: "+c.Name+"\n"+acct+body, columns, func() activate.Destination { return other(t, c, base) }), tw, base
}

func engagementNight(t *testing.T) (*desttest.Night, *twin.Twin) {
	n, tw, _ := nightOf(t, Engagements(), "object: tasks\nmode: event\nkey: event_id\nmapping: {hs_task_subject: subject, hs_timestamp: at, contact_id: contact}\n", "event_id", "subject", "at", "contact")
	ids, _ := some(tw, "contacts", 12)
	for i, id := range ids {
		n.Rows = append(n.Rows, map[string]any{"event_id": fmt.Sprint("e", i), "subject": fmt.Sprint("Call ", i), "at": "2026-03-02T06:00:00Z", "contact": id})
	}
	return n, tw
}

func tasks(tw *twin.Twin) (made, tied int) {
	tw.View(func(s *store.State) {
		recs, _ := s.CRM.Table("tasks").After(0, 1000, false)
		made = len(recs)
		for _, r := range recs {
			tied += len(r.Assoc["contacts"])
		}
	})
	return made, tied
}

func disturb(t *testing.T, tw *twin.Twin, rate float64) {
	for _, kind := range []string{twin.Status429, twin.Status500, twin.Status503, twin.DropBefore, twin.DropAfter, twin.Truncate, twin.ErrorBody, twin.EmptySuccess} {
		if err := tw.AddFault(twin.Fault{Vendor: "hubspot", Kind: kind, Rate: rate}); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever fails, each task is made once and tied to its contact.
func TestFailingEngagements(t *testing.T) {
	n, tw := engagementNight(t)
	disturb(t, tw, 0.06)
	desttest.FailingNights(t, n, 12, 6, tw.ClearFaults)
	if made, tied := tasks(tw); made != 12 || tied != 12 {
		t.Errorf("%d tasks, %d ties, want 12 of each", made, tied)
	}
}

func TestCrashAtEveryStepOfEngagements(t *testing.T) {
	desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
		n, tw := engagementNight(t)
		n.Rows = n.Rows[:3]
		return n, func() string { return tw.Digest(false) }
	})
}

func TestFailingListsAndLinks(t *testing.T) {
	n, tw, base := nightOf(t, Lists(), "object: \"101\"\nmode: audience\nkey: person_id\nmapping: {email: email}\nconsent: not_needed\n", "person_id", "email")
	newList(t, base, "static", "MANUAL", "0-1")
	_, emails := some(tw, "contacts", 40)
	for i, e := range emails {
		n.Rows = append(n.Rows, map[string]any{"person_id": fmt.Sprint("p", i), "email": e})
	}
	disturb(t, tw, 0.05)
	desttest.FailingNights(t, n, 12, 6, tw.ClearFaults)
	size := func() (k int) { tw.View(func(s *store.State) { k = len(s.CRM.List("101").Members) }); return k }
	if size() != 40 {
		t.Errorf("%d members of 40", size())
	}
	n.Rows, n.Relation.Version = n.Rows[:30], "2"
	p, a, err := n.Whole()
	if err != nil || a.Acked() != 10 || size() != 30 {
		t.Fatalf("%+v %v, %d members", a, err, size())
	}
	if _, a, err = n.Undo(p.ID); err != nil || a.Acked() != 10 || size() != 40 {
		t.Errorf("%+v %v, %d members", a, err, size())
	}

	l, tw, _ := nightOf(t, Associations(), "object: deals/contacts\nmode: audience\nkey: pair\nmapping: {from_id: deal, to_id: contact}\nconsent: not_needed\n", "pair", "deal", "contact")
	deals, _ := some(tw, "deals", 5)
	contacts, _ := some(tw, "contacts", 5)
	var before int
	count := func() (k int) {
		tw.View(func(s *store.State) {
			recs, _ := s.CRM.Table("deals").After(0, 1000, false)
			for _, r := range recs {
				k += len(r.Assoc["contacts"])
			}
		})
		return k
	}
	before = count()
	for i := range deals {
		l.Rows = append(l.Rows, map[string]any{"pair": fmt.Sprint(i), "deal": deals[i], "contact": contacts[(i+1)%5]})
	}
	disturb(t, tw, 0.05)
	desttest.FailingNights(t, l, 12, 6, tw.ClearFaults)
	added := count() - before
	if added < 1 || added > 5 {
		t.Errorf("%d links more", added)
	}
}

func TestShapesOfAnswers(t *testing.T) {
	row := activate.Row{ID: "o_1", IdemKey: "k", Key: "p", Values: map[string]json.RawMessage{byRecord: raw(`"7"`), fromID: raw(`"7"`), toID: raw(`"8"`), "contact_id": raw(`"7"`), "hs_timestamp": raw(`"2026-03-02T06:00:00Z"`)}}
	one := func(op activate.Op) activate.Batch {
		return activate.Batch{Target: activate.Target{Object: map[activate.Op]string{activate.Add: "contacts/companies", activate.Event: "notes"}[op]}, Op: op, Rows: []activate.Row{row}}
	}
	for _, c := range []struct {
		name, body string
		status     int
		d          func(*destination) activate.Destination
		op         activate.Op
		want       string
		class      httpx.Class
	}{
		{"a member that was there", `{"recordsIdsAdded":[],"recordIdsRemoved":[],"recordIdsMissing":[]}`, 200, func(d *destination) activate.Destination { return &list{portal: d} }, activate.Add, "acked", ""},
		{"a member that is missing, by number", `{"recordIdsAdded":[],"recordIdsMissing":[7]}`, 200, func(d *destination) activate.Destination { return &list{portal: d} }, activate.Add, "rejected", ""},
		{"an empty success about a list", `{"results":[]}`, 200, func(d *destination) activate.Destination { return &list{portal: d} }, activate.Add, "", httpx.Unknown},
		{"a link by the long names", `{"results":[{"fromObjectId":7,"toObjectId":"8"}]}`, 200, func(d *destination) activate.Destination { return &links{d} }, activate.Add, "acked", ""},
		{"a link by the short names", `{"results":[{"from":{"id":"7"},"to":{"id":"8"}}]}`, 200, func(d *destination) activate.Destination { return &links{d} }, activate.Add, "acked", ""},
		{"a link that is refused", `{"results":[],"errors":[{"category":"VALIDATION_ERROR","message":"x","context":{"fromObjectId":["7"],"toObjectId":["8"]}}]}`, 207, func(d *destination) activate.Destination { return &links{d} }, activate.Add, "rejected", ""},
		{"an answer about other links", `{"results":[{"from":{"id":"1"},"to":{"id":"2"}}]}`, 200, func(d *destination) activate.Destination { return &links{d} }, activate.Add, "", ""},
		{"an empty success about links", `{"results":[]}`, 200, func(d *destination) activate.Destination { return &links{d} }, activate.Add, "", httpx.Unknown},
		{"a note whose key is taken by nothing that is found", `{"status":"error","category":"CONFLICT","message":"taken"}`, 409, func(d *destination) activate.Destination { return &engagements{d, "millrace_id"} }, activate.Event, "unknown", ""},
	} {
		a, err := c.d(canned(t, c.status, c.body, nil)).Send(t.Context(), one(c.op))
		got := ""
		if len(a.Results) == 1 {
			got = string(a.Results[0].Status)
		}
		if got != c.want || httpx.ClassOf(err) != c.class {
			t.Errorf("%s: %q class %q: %v", c.name, got, httpx.ClassOf(err), err)
		}
	}
}
