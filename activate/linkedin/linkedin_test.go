package linkedin

import (
	"context"
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
	"millrace/internal/twin/store"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

var today = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func acct(base string) Account {
	c := twin.DefaultCredentials()
	return Account{Token: secret.New(c.LinkedInToken), ID: c.LinkedInAccount, Version: "202608", BaseURL: base, Private: true}
}

// opened makes one of the three destinations; edit may change the account's part of its options.
func opened[D activate.Destination](t *testing.T, base string, edit func(*Account)) D {
	t.Helper()
	a := acct(base)
	if edit != nil {
		edit(&a)
	}
	var d D
	var options any = &SpendOptions{Account: a, Currency: "USD"}
	openIt := openSpend
	switch any(d).(type) {
	case *audience:
		options, openIt = &AudienceOptions{Account: a}, openAudience
	case *events:
		options, openIt = &EventOptions{Account: a, Currency: "USD"}, openEvents
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

type business struct {
	t  *testing.T
	tw *twin.Twin
}

func (s business) Disturb(d desttest.Disturbance, always bool) {
	kind := map[desttest.Disturbance]string{desttest.Rate: twin.Status429, desttest.Down: twin.DropBefore, desttest.LostReply: twin.DropAfter, desttest.Truncated: twin.Truncate,
		desttest.Empty: twin.EmptySuccess, desttest.ErrorBody: twin.ErrorBody, desttest.Expired: twin.Expired}[d]
	f := twin.Fault{Vendor: "linkedin", Method: "POST", Kind: kind}
	if d == desttest.Truncated {
		f.Path = "/rest/" // a 204 has no body to break off
	}
	if !always {
		f.Times = 1
	}
	if err := s.tw.AddFault(f); err != nil {
		s.t.Fatal(err)
	}
}
func (s business) Calm()          { s.tw.ClearFaults() }
func (s business) Digest() string { return s.tw.Digest(false) }

func onTwin[D activate.Destination](t *testing.T) (activate.Destination, desttest.System) {
	tw, base := startTwin(t)
	return opened[D](t, base, nil), business{t, tw}
}

func secrets() []string { return []string{twin.DefaultCredentials().LinkedInToken} }

func peopleTarget() activate.Target {
	return activate.Target{Object: twin.DefaultCredentials().LinkedInUsers, Key: "person_id", Fields: []string{"country", "email", "family_name", "given_name", "title"}, Ops: []activate.Op{activate.Remove, activate.Add}}
}

func companyTarget() activate.Target {
	return activate.Target{Object: twin.DefaultCredentials().LinkedInCompanies, Key: "account_id", Fields: []string{"company_domain", "company_name"}, Ops: []activate.Op{activate.Remove, activate.Add}}
}

func eventTarget() activate.Target {
	return activate.Target{Object: twin.DefaultCredentials().LinkedInRule, Key: "deal_id", Fields: []string{"email", "event_time", "value"}, Ops: []activate.Op{activate.Event}}
}

func spendTarget() activate.Target {
	return activate.Target{Object: "campaigns", Key: "id", Fields: []string{"daily_budget", "status"}, Ops: []activate.Op{activate.Update}}
}

func with(x activate.Target, f func(*activate.Target)) activate.Target { f(&x); return x }

func TestConformanceOfPeople(t *testing.T) {
	desttest.Run(t, desttest.Harness{
		Open: onTwin[*audience], Target: peopleTarget(), Secrets: secrets(),
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprint("p", i), map[string]json.RawMessage{"email": raw(fmt.Sprintf(`" Person.%d@Conformance.example"`, i)), "given_name": raw(`"Zoë"`), "family_name": raw(`"Doe"`), "country": raw(`"Germany"`), "title": raw(`"Head of Data"`)}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "nobody", map[string]json.RawMessage{"email": raw(`"nobody"`), "given_name": raw(`"Zoë"`)}
		},
		Misfits: []activate.Target{
			with(peopleTarget(), func(x *activate.Target) { x.Fields = []string{"company_name"} }),
			with(peopleTarget(), func(x *activate.Target) { x.Fields = []string{"title"} }),
			with(peopleTarget(), func(x *activate.Target) { x.Object = "99999999" }),
		},
	})
}

func TestConformanceOfCompanies(t *testing.T) {
	desttest.Run(t, desttest.Harness{
		Open: onTwin[*audience], Target: companyTarget(), Secrets: secrets(),
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprint("a", i), map[string]json.RawMessage{"company_name": raw(fmt.Sprintf(`"Acme & Söhne %d"`, i)), "company_domain": raw(fmt.Sprintf(`"acme%d.example"`, i))}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "nameless", map[string]json.RawMessage{"company_name": raw(`""`), "company_domain": raw(`"x.example"`)}
		},
		Misfits: []activate.Target{
			with(companyTarget(), func(x *activate.Target) { x.Fields = []string{"email"} }),
			with(companyTarget(), func(x *activate.Target) { x.Fields = []string{"company_domain"} }),
		},
	})
}

func TestConformanceOfEvents(t *testing.T) {
	desttest.Run(t, desttest.Harness{
		Open: onTwin[*events], Target: eventTarget(), Secrets: secrets(),
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprint("d", i), map[string]json.RawMessage{"email": raw(fmt.Sprintf(`"p%d@conformance.example"`, i)), "event_time": raw(`"2026-03-01T10:00:00Z"`), "value": raw("120.5")}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "old", map[string]json.RawMessage{"email": raw(`"p@conformance.example"`), "event_time": raw(`"2025-02-01T10:00:00Z"`)}
		},
		Misfits: []activate.Target{
			with(eventTarget(), func(x *activate.Target) { x.Fields = []string{"email"} }),
			with(eventTarget(), func(x *activate.Target) { x.Fields = []string{"event_time"} }),
			with(eventTarget(), func(x *activate.Target) { x.Fields = append(x.Fields, "colour") }),
			with(eventTarget(), func(x *activate.Target) { x.Object = "99999999" }),
		},
	})
}

// campaignIDs are the market's campaigns at LinkedIn.
var campaignIDs = []string{"21000000003", "21000000004"}

func TestConformanceOfBudgets(t *testing.T) {
	desttest.Run(t, desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			tw, base := startTwin(t)
			return opened[*spend](t, base, nil), spending{business{t, tw}}
		},
		Target: spendTarget(), Secrets: secrets(), Rows: 2,
		Row: func(i int) (string, map[string]json.RawMessage) {
			return campaignIDs[i], map[string]json.RawMessage{"status": raw(`"paused"`), "daily_budget": raw(fmt.Sprint(50+i, ".25"))}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return campaignIDs[1], map[string]json.RawMessage{"daily_budget": raw("5")} // below LinkedIn's least
		},
		Misfits: []activate.Target{
			with(spendTarget(), func(x *activate.Target) { x.Fields = []string{"unitCost"} }),
			with(spendTarget(), func(x *activate.Target) { x.Key = "name" }),
		},
	})
}

// spending has no body that could break off: the answer to a partial update is a bare 204, lost or not.
type spending struct{ business }

func (s spending) Disturb(d desttest.Disturbance, always bool) {
	if d == desttest.Truncated {
		d = desttest.LostReply
	}
	s.business.Disturb(d, always)
}

func TestCheckSaysWhatToDo(t *testing.T) {
	_, base := startTwin(t)
	check := func(want string, d activate.Destination, x activate.Target) {
		t.Helper()
		if err := d.Check(t.Context(), x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
	check("write a newer month into config.version", opened[*audience](t, base, func(a *Account) { a.Version = "202510" }), peopleTarget())
	check("authorise the application again", opened[*events](t, base, func(a *Account) { a.Token = secret.New("AQXold") }), eventTarget())
	check("permission rw_dmp_segments", opened[*audience](t, base, func(a *Account) { a.Token = secret.New("AQXtwinlinkedin-noscope") }), peopleTarget())
	check("permission rw_ads", opened[*spend](t, base, func(a *Account) { a.Token = secret.New("AQXtwinlinkedin-noscope") }), spendTarget())
	check("role in ad account 4711", opened[*spend](t, base, func(a *Account) { a.ID = "4711" }), spendTarget())
	check("the segment belongs to", opened[*audience](t, base, func(a *Account) { a.ID = "4711" }), peopleTarget())
	check("there is no such DMP segment", opened[*audience](t, base, nil), with(peopleTarget(), func(x *activate.Target) { x.Object = "99999" }))
	eur := opened[*spend](t, base, nil)
	eur.opt.Currency = "EUR"
	check("the account spends in USD", eur, spendTarget())
	for want, edit := range map[string]func(*Account){
		"without urn": func(a *Account) { a.ID = "urn:li:sponsoredAccount:1" }, "as in 202608": func(a *Account) { a.Version = "2026-08" }, "https://api.linkedin.com": func(a *Account) { a.BaseURL = "x" },
	} {
		o := &AudienceOptions{Account: acct(base)}
		edit(&o.Account)
		if _, err := openAudience(activate.OpenParams{Options: o}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, d := range map[string]activate.Destination{"segment's number": &audience{}, "Conversion tracking": &events{}, "Write campaigns": &spend{}} {
		if _, err := d.Capabilities("everything"); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
}

// canned answers every write with one body and shows what was asked. It knows a segment of users and an account.
func canned[D activate.Destination](t *testing.T, status int, body string, seen *string) D {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodGet {
			fmt.Fprint(w, `{"type":"USER_STREAMING","status":"READY","currency":"USD"}`)
			return
		}
		if seen != nil {
			*seen = fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.Header.Get("X-RestLi-Method"), " ", r.Header.Get("LinkedIn-Version"), " ", r.Header.Get("X-Restli-Protocol-Version"), " ", strings.TrimSpace(string(b)))
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return opened[D](t, srv.URL, nil)
}

func two() activate.Batch {
	return activate.Batch{Target: peopleTarget(), Op: activate.Add, Rows: []activate.Row{
		{ID: "o_1", Key: "p1", Values: map[string]json.RawMessage{"email": raw(`" Jane.Doe@Example.com"`), "given_name": raw(`"Jane"`), "country": raw(`"us"`)}},
		{ID: "o_2", Key: "p2", Values: map[string]json.RawMessage{"email": raw(`"bob@example.com"`)}}}}
}

func told() activate.Batch {
	row := func(id string) activate.Row {
		return activate.Row{ID: "o_" + id, IdemKey: "deal-" + id, Key: id, Values: map[string]json.RawMessage{"email": raw(`"Jane.Doe@example.com"`), "event_time": raw(`"2026-03-01T10:00:00.5Z"`), "value": raw("1500"), "given_name": raw(`"Jane"`), "family_name": raw(`"Doe"`), "li_fat_id": raw(`"c-1"`)}}
	}
	return activate.Batch{Target: eventTarget(), Op: activate.Event, Rows: []activate.Row{row("1"), row("2"), row("3")}}
}

func TestRequestsAreWhatLinkedInTakes(t *testing.T) {
	var seen string
	d := canned[*audience](t, 200, `{"elements":[{"status":201},{"status":201}]}`, &seen)
	if _, err := d.Send(t.Context(), two()); err != nil {
		t.Fatal(err)
	}
	want := `POST /rest/dmpSegments/13000001/users BATCH_CREATE 202608 2.0.0 {"elements":[{"action":"ADD","userIds":[{"idType":"SHA256_EMAIL","idValue":"86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"}],"firstName":"Jane","country":"US"},` +
		`{"action":"ADD","userIds":[{"idType":"SHA256_EMAIL","idValue":"5ff860bf1190596c7188ab851db691f0f3169c453936e9e1eba2f9a47f7a0018"}]}]}`
	if seen != want {
		t.Errorf("got  %s\nwant %s", seen, want)
	}
	e := canned[*events](t, 200, `{"elements":[{"status":201}]}`, &seen)
	b := told()
	b.Rows = b.Rows[:1]
	if _, err := e.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want = `POST /rest/conversionEvents BATCH_CREATE 202608 2.0.0 {"elements":[{"conversion":"urn:lla:llaPartnerConversion:104012","conversionHappenedAt":1772359200500,"conversionValue":{"currencyCode":"USD","amount":"1500"},` +
		`"user":{"userIds":[{"idType":"SHA256_EMAIL","idValue":"86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"},{"idType":"LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID","idValue":"c-1"}],"userInfo":{"firstName":"Jane","lastName":"Doe"}},"eventId":"deal-1"}]}`
	if seen != want {
		t.Errorf("got  %s\nwant %s", seen, want)
	}
	s := canned[*spend](t, 204, ``, &seen)
	if _, err := s.Send(t.Context(), activate.Batch{Target: spendTarget(), Op: activate.Update, Rows: []activate.Row{{ID: "o", Key: "77", Values: map[string]json.RawMessage{"status": raw(`"paused"`), "daily_budget": raw("99.5")}}}}); err != nil {
		t.Fatal(err)
	}
	want = `POST /rest/adAccounts/507000001/adCampaigns/77 PARTIAL_UPDATE 202608 2.0.0 {"patch":{"$set":{"dailyBudget":{"currencyCode":"USD","amount":"99.50"},"status":"PAUSED"}}}`
	if seen != want {
		t.Errorf("got  %s\nwant %s", seen, want)
	}
}

func TestElementsAreAttributed(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string
		class  httpx.Class
	}{
		{"both", 200, `{"elements":[{"status":201},{"status":200}]}`, "o_1 acked, o_2 acked", ""},
		{"one refused", 200, `{"elements":[{"status":201},{"status":400,"error":{"status":400,"message":"bad id"}}]}`, "o_1 acked, o_2 rejected bad id", ""},
		{"one busy", 200, `{"elements":[{"status":409},{"status":503,"message":"later"}]}`, "o_1 retry 409 , o_2 retry 503 later", ""},
		{"a status that says nothing", 200, `{"elements":[{"status":201},{}]}`, "o_1 acked, o_2 unknown the answer's status 0 says nothing", ""},
		{"fewer elements", 200, `{"elements":[{"status":201}]}`, "error", httpx.Unknown},
		{"an empty success", 200, `{}`, "error", httpx.Unknown},
		{"an error inside a success", 200, `{"status":500,"message":"x"}`, "error", httpx.Unknown},
		{"a new segment", 404, `{"status":404,"message":"not found"}`, "error", httpx.Transient},
		{"a conflict", 409, `{"status":409,"message":"busy"}`, "error", httpx.Transient},
		{"a version that has ended", 426, `{"status":426,"code":"NONEXISTENT_VERSION","message":"Requested version 20251001 is not active"}`, "error", httpx.Config},
		{"revoked", 401, `{"status":401,"message":"revoked"}`, "error", httpx.Auth},
		{"server error", 500, `{"status":500,"message":"x"}`, "error", httpx.Unknown},
		{"bad request", 400, `{"status":400,"message":"x"}`, "error", httpx.Permanent},
	} {
		a, err := canned[*audience](t, c.status, c.body, nil).Send(t.Context(), two())
		var got []string
		for _, r := range a.Results {
			got = append(got, strings.TrimRight(fmt.Sprint(r.ID, " ", r.Status, " ", r.Message), " "))
		}
		s := strings.Join(got, ", ")
		if err != nil {
			s = "error"
		}
		if strings.ReplaceAll(s, " ,", ",") != strings.ReplaceAll(c.want, " ,", ",") || httpx.ClassOf(err) != c.class {
			t.Errorf("%s: %s class %q (%v), want %s class %q", c.name, s, httpx.ClassOf(err), err, c.want, c.class)
		}
	}
}

// A refused call names its bad events by index; their rows are refused, and nothing of the others is said.
func TestRefusalsNameTheirIndex(t *testing.T) {
	b := told()
	b.Rows = append([]activate.Row{{ID: "o_0", Key: "0", Values: map[string]json.RawMessage{"email": raw(`"x"`)}}}, b.Rows...) // refused before the call
	_, err := canned[*events](t, 422, `{"status":422,"message":"com.linkedin.restli.server.RestLiServiceException: Index: 1, ERROR :: /user/userIds :: bad hash; Index: 2, ERROR :: /conversionValue :: no currency"}`, nil).Send(t.Context(), b)
	named, ok := err.(*activate.RefusedRows)
	if !ok || len(named.Rows) != 3 || named.Rows["o_0"] == "" || named.Rows["o_2"] != "/user/userIds :: bad hash" || named.Rows["o_3"] != "/conversionValue :: no currency" {
		t.Errorf("%v", err)
	}
	_, err = canned[*events](t, 422, `{"status":422,"message":"nobody knows why"}`, nil).Send(t.Context(), told())
	if _, ok := err.(*activate.RefusedRows); ok || httpx.ClassOf(err) != httpx.Permanent {
		t.Errorf("a refusal without an index is the whole call's: %v", err)
	}
}

func TestEventsThatWouldSpoilTheCallStayBehind(t *testing.T) {
	d := canned[*events](t, 200, `{"elements":[{"status":201}]}`, nil)
	b := told()
	b.Rows[0].Values["event_time"] = raw(`"2025-11-01T00:00:00Z"`)
	b.Rows[1].Values = map[string]json.RawMessage{"event_time": raw(`"2026-03-01T10:00:00Z"`), "given_name": raw(`"Jane"`)}
	a, err := d.Send(t.Context(), b)
	if err != nil || len(a.Results) != 3 || a.Results[0].Status != activate.Rejected || !strings.Contains(a.Results[0].Message, "last 90 days") || a.Results[1].Status != activate.Rejected || a.Results[2].Status != activate.Acked {
		t.Errorf("%+v %v", a, err)
	}
}

// A segment that was just made is not there for its first calls; the rows wait and arrive.
func TestANewSegment(t *testing.T) {
	tw, base := startTwin(t)
	d := opened[*audience](t, base, nil)
	req, err := http.NewRequest("POST", base+"/rest/dmpSegments", strings.NewReader(`{"name":"new","account":"urn:li:sponsoredAccount:507000001","type":"USER","accessPolicy":"PRIVATE","sourcePlatform":"STREAMING","destinations":[{"destination":"LINKEDIN"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer AQXtwinlinkedin"}, "Linkedin-Version": {"202608"}, "X-Restli-Protocol-Version": {"2.0.0"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	id := resp.Header.Get("X-Restli-Id")
	b := two()
	b.Target.Object = id
	for i := 1; ; i++ {
		_, err := d.Send(t.Context(), b)
		if err == nil {
			break
		}
		if httpx.ClassOf(err) != httpx.Transient || i > 5 {
			t.Fatal(err)
		}
	}
	tw.View(func(s *store.State) {
		if n := len(s.Docs.Set("linkedin.segment." + id)); n != 2 {
			t.Errorf("%d members", n)
		}
	})
}
