package meta

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/httpx"
	"millrace/internal/secret"
	"millrace/internal/twin"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// today is the market's first day; events of it are told on it.
var today = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func acct(base string) Account {
	c := twin.DefaultCredentials()
	return Account{Token: secret.New(c.MetaToken), AppSecret: secret.New(c.MetaAppSecret), ID: c.MetaAccount, Version: "v25.0", BaseURL: base, Private: true}
}

// opened makes one of the three destinations; edit may change its options.
func opened[D activate.Destination](t *testing.T, base string, edit func(a *Account, o any)) D {
	t.Helper()
	a := acct(base)
	if edit != nil {
		edit(&a, nil)
	}
	var d D
	var options any
	openIt := openSpend
	switch any(d).(type) {
	case *audience:
		options, openIt = &AudienceOptions{Account: a, Region: "DE"}, openAudience
	case *events:
		options, openIt = &EventOptions{Account: a, Region: "DE", Source: "system_generated", Currency: "USD"}, openEvents
	default:
		options = &SpendOptions{Account: a, Currency: "USD"}
	}
	if edit != nil {
		edit(&Account{}, options)
	}
	made, err := openIt(activate.OpenParams{Sync: "test", Options: options, Now: func() time.Time { return today }, Sleep: func(context.Context, time.Duration) error { return nil }, Rand: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close() })
	return made.(D)
}

func startTwin(t *testing.T) (*twin.Twin, string) {
	t.Helper()
	tw, err := twin.New(twin.Options{Size: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tw.Handler())
	t.Cleanup(func() { srv.Close(); tw.Close() })
	return tw, srv.URL
}

// business is the twin as the suite's system; writes are POST, or DELETE of people.
type business struct {
	t  *testing.T
	tw *twin.Twin
}

func (s business) Disturb(d desttest.Disturbance, always bool) {
	kind := map[desttest.Disturbance]string{desttest.Rate: twin.Status429, desttest.Down: twin.DropBefore, desttest.LostReply: twin.DropAfter, desttest.Truncated: twin.Truncate,
		desttest.Empty: twin.EmptySuccess, desttest.ErrorBody: twin.ErrorBody, desttest.Expired: twin.Expired}[d]
	f := twin.Fault{Vendor: "meta", Method: "POST", Kind: kind}
	if !always {
		f.Times = 1
	}
	if err := s.tw.AddFault(f); err != nil {
		s.t.Fatal(err)
	}
}
func (s business) Calm()          { s.tw.ClearFaults() }
func (s business) Digest() string { return s.tw.Digest(false) }

func secrets() []string {
	c := twin.DefaultCredentials()
	mac := hmac.New(sha256.New, []byte(c.MetaAppSecret))
	mac.Write([]byte(c.MetaToken))
	return []string{c.MetaToken, c.MetaAppSecret, hex.EncodeToString(mac.Sum(nil))}
}

func onTwin[D activate.Destination](t *testing.T) (activate.Destination, desttest.System) {
	tw, base := startTwin(t)
	return opened[D](t, base, nil), business{t, tw}
}

func peopleTarget() activate.Target {
	return activate.Target{Object: twin.DefaultCredentials().MetaAudience, Key: "person_id", Fields: []string{"country", "email", "given_name", "phone"}, Ops: []activate.Op{activate.Remove, activate.Add}}
}

func eventTarget() activate.Target {
	return activate.Target{Object: twin.DefaultCredentials().MetaDataset, Key: "deal_id", Fields: []string{"currency", "email", "event_name", "event_time", "value"}, Ops: []activate.Op{activate.Event}}
}

func spendTarget(object string) activate.Target {
	return activate.Target{Object: object, Key: "id", Fields: []string{"daily_budget", "status"}, Ops: []activate.Op{activate.Update}}
}

func with(x activate.Target, f func(*activate.Target)) activate.Target { f(&x); return x }

func TestConformanceOfAudiences(t *testing.T) {
	desttest.Run(t, desttest.Harness{
		Open: onTwin[*audience], Target: peopleTarget(), Secrets: secrets(),
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprint("p", i), map[string]json.RawMessage{"email": raw(fmt.Sprintf(`" Person.%d@Conformance.example"`, i)), "phone": raw(fmt.Sprintf(`"030 901820%02d"`, i)), "given_name": raw(`"Zoë"`), "country": raw(`"DE"`)}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "nobody", map[string]json.RawMessage{"email": raw(`"nobody"`), "phone": raw(`""`), "given_name": raw(`"Zoë"`)}
		},
		Misfits: []activate.Target{
			with(peopleTarget(), func(x *activate.Target) { x.Fields = []string{"score"} }),
			with(peopleTarget(), func(x *activate.Target) { x.Fields = []string{"given_name", "country"} }),
			with(peopleTarget(), func(x *activate.Target) { x.Object = "99999999" }),
			with(peopleTarget(), func(x *activate.Target) { x.Object = "23850000000000002" }), // edits are blocked
		},
	})
}

func TestConformanceOfEvents(t *testing.T) {
	desttest.Run(t, desttest.Harness{
		Open: onTwin[*events], Target: eventTarget(), Secrets: secrets(),
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprint("d", i), map[string]json.RawMessage{"email": raw(fmt.Sprintf(`"p%d@conformance.example"`, i)), "event_name": raw(`"Purchase"`), "event_time": raw(`"2026-03-01T10:00:00Z"`), "value": raw("120.5"), "currency": raw(`"USD"`)}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "old", map[string]json.RawMessage{"email": raw(`"p@conformance.example"`), "event_name": raw(`"Purchase"`), "event_time": raw(`"2026-02-01T10:00:00Z"`)}
		},
		Misfits: []activate.Target{
			with(eventTarget(), func(x *activate.Target) { x.Fields = []string{"email", "event_name"} }),
			with(eventTarget(), func(x *activate.Target) { x.Fields = []string{"event_name", "event_time"} }),
			with(eventTarget(), func(x *activate.Target) { x.Fields = append(x.Fields, "colour") }),
			with(eventTarget(), func(x *activate.Target) { x.Object = "99999999" }),
		},
	})
}

func TestConformanceOfBudgets(t *testing.T) {
	for object, first := range map[string]int{campaigns: 120200000000000001, adsets: 120210000000000001} {
		t.Run(object, func(t *testing.T) {
			desttest.Run(t, desttest.Harness{
				Open: onTwin[*spend], Target: spendTarget(object), Secrets: secrets(), Rows: 3,
				Row: func(i int) (string, map[string]json.RawMessage) {
					return fmt.Sprint(first + i), map[string]json.RawMessage{"status": raw(`"paused"`), "daily_budget": raw(fmt.Sprint(50+i, ".25"))}
				},
				Bad: func() (string, map[string]json.RawMessage) {
					return fmt.Sprint(first + 2), map[string]json.RawMessage{"daily_budget": raw("0.5")} // below Meta's least
				},
				Misfits: []activate.Target{
					with(spendTarget(object), func(x *activate.Target) { x.Fields = []string{"bid_amount"} }),
					with(spendTarget(object), func(x *activate.Target) { x.Key = "name" }),
				},
			})
		})
	}
}

func TestCheckSaysWhatToDo(t *testing.T) {
	_, base := startTwin(t)
	check := func(want string, d activate.Destination, x activate.Target) {
		t.Helper()
		if err := d.Check(t.Context(), x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
	edit := func(f func(*Account)) func(*Account, any) { return func(a *Account, _ any) { f(a) } }
	check("ads_management", opened[*audience](t, base, edit(func(a *Account) { a.Token = secret.New("EAAtwinmeta-readonly") })), peopleTarget())
	check("ads_management", opened[*spend](t, base, edit(func(a *Account) { a.Token = secret.New("EAAtwinmeta-readonly") })), spendTarget(campaigns))
	check("make a new one", opened[*audience](t, base, edit(func(a *Account) { a.Token = secret.New("EAAold") })), peopleTarget())
	check("not the secret of the app", opened[*events](t, base, edit(func(a *Account) { a.AppSecret = secret.New("wrong") })), eventTarget())
	check("newest one into config.version", opened[*events](t, base, edit(func(a *Account) { a.Version = "v19.0" })), eventTarget())
	check("access to this account", opened[*spend](t, base, edit(func(a *Account) { a.ID = "77777777" })), spendTarget(campaigns))
	check("health or finance", opened[*audience](t, base, nil), with(peopleTarget(), func(x *activate.Target) { x.Object = "23850000000000002" }))
	check("there is no such custom audience", opened[*audience](t, base, nil), with(peopleTarget(), func(x *activate.Target) { x.Object = "99999999" }))
	check("the account spends in USD", opened[*spend](t, base, func(_ *Account, o any) {
		if s, ok := o.(*SpendOptions); ok {
			s.Currency = "EUR"
		}
	}), spendTarget(campaigns))
	check("Map event_time", opened[*events](t, base, nil), with(eventTarget(), func(x *activate.Target) { x.Fields = []string{"email", "event_name"} }))
	for want, edit := range map[string]func(*Account){
		"without act_": func(a *Account) { a.ID = "act_1" }, "Write it as v25.0": func(a *Account) { a.Version = "25" }, "https://graph.facebook.com": func(a *Account) { a.BaseURL = "graph" },
	} {
		o := &AudienceOptions{Account: acct(base)}
		edit(&o.Account)
		if _, err := openAudience(activate.OpenParams{Options: o}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, d := range map[string]activate.Destination{"Audiences in Ads Manager": &audience{}, "Events Manager": &events{}, "campaigns or adsets": &spend{}} {
		if _, err := d.Capabilities("everything"); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
}

// canned answers every write with one body and shows what was asked.
func canned[D activate.Destination](t *testing.T, status int, body string, header http.Header, seen *string) D {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if seen != nil && r.Method != http.MethodGet {
			*seen = r.Method + " " + r.URL.Path + " " + strings.TrimSpace(string(b))
		}
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return opened[D](t, srv.URL, nil)
}

func people() activate.Batch {
	return activate.Batch{Target: peopleTarget(), Op: activate.Add, Rows: []activate.Row{
		{ID: "o_1", Key: "p1", Values: map[string]json.RawMessage{"email": raw(`" Jane.Doe@Example.com"`), "phone": raw(`"+1 415 555 0100"`)}},
		{ID: "o_2", Key: "p2", Values: map[string]json.RawMessage{"email": raw(`"bob@example.com"`), "country": raw(`"US"`)}}}}
}

func TestPeopleAreHashedAsMetaDoes(t *testing.T) {
	var seen string
	d := canned[*audience](t, 200, `{"audience_id":"1","session_id":1,"num_received":2,"num_invalid_entries":0,"invalid_entry_samples":[]}`, nil, &seen)
	a, err := d.Send(t.Context(), people())
	if err != nil || len(a.Results) != 2 || a.Results[0].Status != activate.Accepted {
		t.Fatal(a, err)
	}
	// 86e0… is jane.doe@example.com, 5e7e… is 14155550100, 79ad… is us; what a row does not have stays empty.
	for _, want := range []string{`POST /v25.0/23850000000000001/users {"payload":{"schema":["EMAIL","PHONE","COUNTRY"],"data":[["86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d","5e7ec4c79ccac6e420876e65ad0e6b4b2ccf73ec3dccb50297bf2890a1ec73b9",""],["`,
		`","","79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"]]},"session":{"session_id":`, `,"batch_seq":1,"last_batch_flag":true,"estimated_num_total":2}}`} {
		if !strings.Contains(seen, want) {
			t.Errorf("got %s\nwant %s", seen, want)
		}
	}
}

// Invalid entries that Meta shows are refused; those that it only counts are a shortfall of the session, claimed of no row.
func TestInvalidEntries(t *testing.T) {
	line := `[\"86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d\",\"5e7ec4c79ccac6e420876e65ad0e6b4b2ccf73ec3dccb50297bf2890a1ec73b9\",\"\"]`
	a, err := canned[*audience](t, 200, `{"session_id":"1","num_received":2,"num_invalid_entries":1,"invalid_entry_samples":{"`+line+`":"Invalid hash"}}`, nil, nil).Send(t.Context(), people())
	if err != nil || a.Results[0].Status != activate.Rejected || !strings.Contains(a.Results[0].Message, "Invalid hash") || a.Results[1].Status != activate.Accepted {
		t.Errorf("%+v %v", a, err)
	}
	a, err = canned[*audience](t, 200, `{"session_id":"1","num_received":2,"num_invalid_entries":1,"invalid_entry_samples":{}}`, nil, nil).Send(t.Context(), people())
	if err != nil || a.Results[0].Status != activate.Accepted || a.Results[1].Status != activate.Accepted {
		t.Errorf("%+v %v", a, err)
	}
	for _, c := range []struct {
		body     string
		rows     int
		done     bool
		reported int
	}{
		{`{"data":[{"session_id":"7","num_received":"10","num_invalid_entries":"3","progress":"100","stage":"completed","end_time":"1772355600"}]}`, 10, true, 7},
		{`{"data":[{"session_id":"7","num_received":"10","num_invalid_entries":"3","progress":"100"}]}`, 7, true, 7}, // the three were refused with their rows
		{`{"data":[{"session_id":7,"num_received":10,"num_invalid_entries":0,"end_time":1772355600}]}`, 10, true, 10},
		{`{"data":[{"session_id":"7","num_received":"10","progress":"40","end_time":"0"}]}`, 10, false, -1},
		{`{"data":[]}`, 10, false, -1},
		{`{"data":[{"session_id":"8","progress":"100"}]}`, 10, false, -1},
	} {
		st, err := canned[*audience](t, 200, c.body, nil, nil).Poll(t.Context(), "23850000000000001/7", c.rows)
		got := -1
		if st.Reported != nil {
			got = *st.Reported
		}
		if err != nil || st.Done != c.done || got != c.reported {
			t.Errorf("%s: %+v %d %v", c.body, st, got, err)
		}
	}
}

func TestErrorsAreClassedByTheirCode(t *testing.T) {
	e := func(code, sub int, more string) string {
		return fmt.Sprintf(`{"error":{"message":"m","type":"OAuthException","code":%d,"error_subcode":%d%s,"fbtrace_id":"A"}}`, code, sub, more)
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   httpx.Class
	}{
		{"token", 400, e(190, 463, ""), httpx.Auth}, {"permission", 403, e(200, 0, ""), httpx.Auth}, {"permission as 400", 400, e(294, 0, ""), httpx.Auth},
		{"too many calls", 400, e(80003, 0, ""), httpx.Rate}, {"of the user", 400, e(17, 0, ""), httpx.Rate},
		{"edits are blocked", 400, e(100, 1713230, ""), httpx.Config}, {"policy", 400, e(368, 0, ""), httpx.Config}, {"version", 400, e(2635, 0, ""), httpx.Config},
		{"a bad parameter", 400, e(100, 0, ""), httpx.Permanent}, {"a bad event", 400, e(100, 2804050, ""), httpx.Permanent},
		{"passing", 500, e(2, 0, `,"is_transient":true`), httpx.Unknown}, {"unknown", 500, e(1, 0, ""), httpx.Unknown}, {"server error", 503, "<html>", httpx.Unknown},
		{"an error inside a success", 200, e(2, 0, ""), httpx.Unknown}, {"an empty success", 200, `{}`, httpx.Unknown}, {"fewer than were sent", 200, `{"num_received":1}`, httpx.Unknown}, {"not JSON", 200, `<html>`, ""},
	} {
		_, err := canned[*audience](t, c.status, c.body, nil, nil).Send(t.Context(), people())
		if err == nil || httpx.ClassOf(err) != c.want {
			t.Errorf("%s: class %q, want %q: %v", c.name, httpx.ClassOf(err), c.want, err)
		}
		for _, s := range secrets() {
			if err != nil && strings.Contains(err.Error(), s) && s != "appsecret_proof=" {
				t.Errorf("a secret is in %v", err)
			}
		}
	}
}

// Near the account's limit no new batch begins.
func TestTheLimitIsSpared(t *testing.T) {
	h := http.Header{"X-Business-Use-Case-Usage": {`{"1":[{"type":"custom_audience","call_count":12,"total_cputime":80,"total_time":3,"estimated_time_to_regain_access":9}]}`}}
	d := canned[*audience](t, 200, `{"num_received":2}`, h, nil)
	if _, err := d.Send(t.Context(), people()); err != nil {
		t.Fatal(err)
	}
	_, err := d.Send(t.Context(), people())
	var e *httpx.Error
	if httpx.ClassOf(err) != httpx.Rate || !strings.Contains(err.Error(), "80 % of one of the account's limits") {
		t.Error(err)
	} else if e, _ = err.(*httpx.Error); e.RetryAfter != 9*time.Minute {
		t.Errorf("waits %v", e.RetryAfter)
	}
	d.now = func() time.Time { return today.Add(usageWait) }
	if _, err := d.Send(t.Context(), people()); err != nil {
		t.Error(err)
	}
}

func TestEventsAreSpelledAsMetaTakesThem(t *testing.T) {
	var seen string
	d := canned[*events](t, 200, `{"events_received":1,"messages":[],"fbtrace_id":"A"}`, nil, &seen)
	d.opt.Limited, d.opt.TestCode = true, "TEST1"
	b := activate.Batch{Target: eventTarget(), Op: activate.Event, Rows: []activate.Row{{ID: "o_1", IdemKey: "deal-1", Key: "d1", Values: map[string]json.RawMessage{
		"event_name": raw(`"Purchase"`), "event_time": raw(`"2026-03-01T10:00:00Z"`), "email": raw(`"Jane.Doe@example.com"`), "external_id": raw(`"p1"`), "fbc": raw(`"fb.1.1.AbC"`), "value": raw("120.50"), "order_id": raw("7")}}}}
	a, err := d.Send(t.Context(), b)
	want := `POST /v25.0/2020202020202/events {"data":[{"event_name":"Purchase","event_time":1772359200,"event_id":"deal-1","action_source":"system_generated",` +
		`"user_data":{"em":["86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"],"external_id":["f64551fcd6f07823cb87971cfb91446425da18286b3ab1ef935e0cbd7a69f68a"],"fbc":"fb.1.1.AbC"},"custom_data":{"currency":"USD","order_id":"7","value":120.50},` +
		`"data_processing_options":["LDU"],"data_processing_options_country":0,"data_processing_options_state":0}],"test_event_code":"TEST1"}`
	if err != nil || seen != want || a.Results[0].Status != activate.Acked {
		t.Errorf("%v %+v\ngot  %s\nwant %s", err, a, seen, want)
	}
}

// What Meta would refuse, and every other event of the call with it, does not leave; nobody is marked by it.
func TestEventsThatWouldSpoilTheCallStayBehind(t *testing.T) {
	d := canned[*events](t, 200, `{"events_received":1}`, nil, nil)
	ok := map[string]json.RawMessage{"event_name": raw(`"Lead"`), "event_time": raw(`"2026-03-01T10:00:00Z"`), "email": raw(`"a@example.com"`)}
	row := func(id, f, v string) activate.Row {
		values := map[string]json.RawMessage{}
		for k, x := range ok {
			values[k] = x
		}
		values[f] = raw(v)
		return activate.Row{ID: id, IdemKey: id, Key: id, Values: values}
	}
	b := activate.Batch{Target: eventTarget(), Op: activate.Event, Rows: []activate.Row{row("good", "status", `"won"`), row("old", "event_time", `"2026-02-22T10:00:00Z"`), row("future", "event_time", `"2026-03-05T10:00:00Z"`),
		row("shop", "action_source", `"shop"`), row("nobody", "email", `""`), row("worth", "value", `"much"`), row("nameless", "event_name", "null")}}
	d.opt.Event = ""
	a, err := d.Send(t.Context(), b)
	if err != nil || len(a.Results) != 7 {
		t.Fatal(a, err)
	}
	for _, r := range a.Results {
		if (r.Status == activate.Acked) != (r.ID == "good") || r.Status != activate.Acked && r.Message == "" {
			t.Errorf("%+v", r)
		}
	}
	store := row("shop", "action_source", `"physical_store"`)
	store.Values["event_time"] = raw(`"2026-01-05T10:00:00Z"`)
	if e, err := d.event(store); err != nil || e.Source != physical {
		t.Errorf("56 days ago in a shop: %v", err)
	}
}
