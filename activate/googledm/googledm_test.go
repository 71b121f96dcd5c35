package googledm

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

func options(base string) *Options {
	c := twin.DefaultCredentials()
	return &Options{Terms: true, Access: Access{Customer: c.GoogleAdsCustomer, ClientID: c.GoogleClientID, ClientSecret: secret.New(c.GoogleClientSecret), RefreshToken: secret.New(c.GoogleRefreshToken),
		AdUserData: "granted", AdPersonalization: "granted", Region: "DE", BaseURL: base, TokenURL: base + "/token", Private: true}}
}

func dest(t *testing.T, o *Options) *destination {
	t.Helper()
	d, err := open(activate.OpenParams{Sync: "test", Options: o, Now: time.Now, Sleep: func(context.Context, time.Duration) error { return nil }, Rand: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d.(*destination)
}

type system struct {
	t  *testing.T
	tw *twin.Twin
}

func (s system) Disturb(d desttest.Disturbance, always bool) {
	kind := map[desttest.Disturbance]string{desttest.Rate: twin.Status429, desttest.Down: twin.DropBefore, desttest.LostReply: twin.DropAfter, desttest.Truncated: twin.Truncate,
		desttest.Empty: twin.EmptySuccess, desttest.ErrorBody: twin.ErrorBody, desttest.Expired: twin.Expired}[d]
	f := twin.Fault{Vendor: "google", Method: "POST", Path: "/v1/", Kind: kind}
	if !always {
		f.Times = 1
	}
	if err := s.tw.AddFault(f); err != nil {
		s.t.Fatal(err)
	}
}
func (s system) Calm()          { s.tw.ClearFaults() }
func (s system) Digest() string { return s.tw.Digest(false) }

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

func list() activate.Target {
	return activate.Target{Object: twin.DefaultCredentials().AudienceList, Key: "person_id", Fields: []string{"email", "phone"}, Ops: []activate.Op{activate.Remove, activate.Add}}
}

func TestConformance(t *testing.T) {
	with := func(f func(*activate.Target)) activate.Target { x := list(); f(&x); return x }
	c := twin.DefaultCredentials()
	desttest.Run(t, desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			tw, base := startTwin(t)
			return dest(t, options(base)), system{t, tw}
		},
		Target: list(),
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprint("person-", i), map[string]json.RawMessage{"email": raw(fmt.Sprintf(`"Person.%d@Conformance.example"`, i)), "phone": raw(fmt.Sprintf(`"030 901820%02d"`, i))}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "nobody", map[string]json.RawMessage{"email": raw(`"nobody"`), "phone": raw(`"1"`)}
		},
		Misfits: []activate.Target{
			with(func(x *activate.Target) { x.Fields = []string{"score"} }),
			with(func(x *activate.Target) { x.Fields = []string{"given_name", "family_name"} }),
			with(func(x *activate.Target) { x.Object = "99999999" }),
		},
		Secrets: []string{c.GoogleClientSecret, c.GoogleRefreshToken},
	})
}

func TestMembersComeAndGo(t *testing.T) {
	tw, base := startTwin(t)
	d := dest(t, options(base))
	size := func() (n int) {
		tw.View(func(s *store.State) { n = len(s.Audiences.List(list().Object).Members) })
		return n
	}
	b := activate.Batch{Target: list(), Op: activate.Add, Rows: []activate.Row{
		{ID: "o_1", Key: "p1", Values: map[string]json.RawMessage{"email": raw(`"jane.doe@example.com"`), "phone": raw(`"+1 415 555 0100"`)}},
		{ID: "o_2", Key: "p2", Values: map[string]json.RawMessage{"email": raw(`""`), "phone": raw(`""`)}},
	}}
	a, err := d.Send(t.Context(), b)
	if err != nil || size() != 2 || len(a.Results) != 2 || a.Results[0].Status != activate.Rejected || a.Results[0].Message != "the row has no identifier" || a.Results[1].Status != activate.Accepted {
		t.Fatalf("%+v %v, %d hashes", a, err, size())
	}
	b.Op = activate.Remove
	if a, err = d.Send(t.Context(), b); err != nil || size() != 0 {
		t.Errorf("%+v %v, %d hashes", a, err, size())
	}
}

// canned answers every call with one body and shows what was asked.
func canned(t *testing.T, status int, body string, seen *string) *destination {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			fmt.Fprint(w, `{"access_token":"ya29.secret-access","expires_in":3599,"token_type":"Bearer"}`)
			return
		}
		b, _ := io.ReadAll(r.Body)
		if seen != nil {
			*seen = r.URL.Path + " " + strings.TrimSpace(string(b))
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return dest(t, options(srv.URL))
}

func TestRequestIsWhatGoogleTakes(t *testing.T) {
	var seen string
	d := canned(t, 200, `{"requestId":"r1"}`, &seen)
	d.opt.Login = "1112223333"
	a, err := d.Send(t.Context(), activate.Batch{Target: list(), Op: activate.Add, Rows: []activate.Row{{ID: "o_1", Key: "p1", Values: map[string]json.RawMessage{
		"email": raw(`" Jane.Doe@Example.com"`), "email_2": raw(`"jane.doe@example.com"`), "phone": raw(`"+1 415 555 0100"`), "given_name": raw(`"Dr. Jane"`), "family_name": raw(`"Doe"`), "region_code": raw(`"us"`), "postal_code": raw(`"94025-1234"`)}}}})
	if err != nil || a.JobID != "r1" {
		t.Fatal(a, err)
	}
	want := `/v1/audienceMembers:ingest {"destinations":[{"operatingAccount":{"accountId":"4815162342","accountType":"GOOGLE_ADS"},"loginAccount":{"accountId":"1112223333","accountType":"GOOGLE_ADS"},"productDestinationId":"7700001"}],` +
		`"audienceMembers":[{"userData":{"userIdentifiers":[{"emailAddress":"86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"},{"phoneNumber":"40d3f4e02db27d66cf4cfdda506c2c945f115a7955cc8491dda98ce5beabcda0"},` +
		`{"address":{"givenName":"81f8f6dde88365f3928796ec7aa53f72820b06db8664f5fe76a7eb13e24546a2","familyName":"799ef92a11af918e3fb741df42934f3b568ed2d93ac1df74f1b8d41a27932a6f","regionCode":"US","postalCode":"94025-1234"}}]}}],` +
		`"consent":{"adUserData":"CONSENT_GRANTED","adPersonalization":"CONSENT_GRANTED"},"termsOfService":{"customerMatchTermsOfServiceStatus":"ACCEPTED"},"encoding":"HEX"}`
	if seen != want {
		t.Errorf("got  %s\nwant %s", seen, want)
	}
}

func TestRefusalsNameTheirRows(t *testing.T) {
	rows := []activate.Row{
		{ID: "o_0", Key: "p0", Values: map[string]json.RawMessage{"email": raw(`"no address"`)}}, // refused before the call
		{ID: "o_1", Key: "p1", Values: map[string]json.RawMessage{"email": raw(`"a@example.com"`)}},
		{ID: "o_2", Key: "p2", Values: map[string]json.RawMessage{"email": raw(`"b@example.com"`)}},
	}
	b := activate.Batch{Target: list(), Op: activate.Add, Rows: rows}
	body := func(field string) string {
		return `{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"There was a problem with the request.","details":[{"@type":"x","fieldViolations":[{"field":"` + field + `","description":"bad","reason":"INVALID_X"}]}]}}`
	}
	_, err := canned(t, 400, body("audience_members[1].user_data.user_identifiers[0].email_address"), nil).Send(t.Context(), b)
	var named *activate.RefusedRows
	if !asRefused(err, &named) || named.Rows["o_2"] != "bad (INVALID_X)" || named.Rows["o_0"] == "" || named.Rows["o_1"] != "" {
		t.Errorf("%v", err)
	}
	if _, err = canned(t, 400, body("destinations[0].product_destination_id"), nil).Send(t.Context(), b); httpx.ClassOf(err) != httpx.Config || !strings.Contains(err.Error(), "product_destination_id") {
		t.Errorf("%v", err)
	}
	for _, c := range []struct {
		status int
		body   string
		want   httpx.Class
	}{{200, `{}`, httpx.Unknown}, {200, `{"requestId`, ""}, {503, `{}`, httpx.Unknown}, {403, `{"error":{"status":"PERMISSION_DENIED"}}`, httpx.Auth}, {200, `{"error":{"code":500,"status":"INTERNAL"}}`, httpx.Unknown}} {
		if _, err := canned(t, c.status, c.body, nil).Send(t.Context(), b); err == nil || httpx.ClassOf(err) != c.want {
			t.Errorf("%d %s: class %q, want %q: %v", c.status, c.body, httpx.ClassOf(err), c.want, err)
		} else if strings.Contains(err.Error(), "secret-access") || strings.Contains(err.Error(), "twin-google-secret") {
			t.Errorf("a secret is in %v", err)
		}
	}
}

func asRefused(err error, into **activate.RefusedRows) bool {
	r, ok := err.(*activate.RefusedRows)
	*into = r
	return ok
}

func TestStatusCounts(t *testing.T) {
	for _, c := range []struct {
		body     string
		done     bool
		failed   bool
		reported int
		message  string
	}{
		{`{"requestStatusPerDestination":[{"requestStatus":"PROCESSING"}]}`, false, false, -1, ""},
		{`{"requestStatusPerDestination":[{"requestStatus":"SUCCESS","audienceMembersIngestionStatus":{"userDataIngestionStatus":{"recordCount":"10"}}}]}`, true, false, 10, ""},
		{`{"requestStatusPerDestination":[{"requestStatus":"PARTIAL_SUCCESS","errorInfo":{"errorCounts":[{"recordCount":"3","reason":"PROCESSING_ERROR_REASON_DENIED_CONSENT"}]}}]}`, true, false, 7, "3 denied_consent"},
		{`{"requestStatusPerDestination":[{"requestStatus":"PARTIAL_SUCCESS"}]}`, true, false, 9, ""},
		{`{"requestStatusPerDestination":[{"requestStatus":"FAILED"}]}`, true, true, 0, "the request failed, and Google gives no reason"},
		{`{"requestStatusPerDestination":[{"requestStatus":"SOMETHING_NEW"}]}`, false, false, -1, ""},
	} {
		st, err := canned(t, 200, c.body, nil).Poll(t.Context(), "r1", 10)
		got := -1
		if st.Reported != nil {
			got = *st.Reported
		}
		if err != nil || st.Done != c.done || st.Failed != c.failed || got != c.reported || st.Message != c.message {
			t.Errorf("%s: %+v %d %v", c.body, st, got, err)
		}
	}
	if _, err := canned(t, 200, `{}`, nil).Poll(t.Context(), "r1", 10); err == nil {
		t.Error("a status about nothing was taken")
	}
}

func TestBadOptions(t *testing.T) {
	for want, edit := range map[string]func(*Options){
		"digits without hyphens": func(o *Options) { o.Customer = "123-456-7890" },
		"accepted its terms":     func(o *Options) { o.Terms = false },
		"datamanager":            func(o *Options) { o.BaseURL = "x" },
		"oauth2":                 func(o *Options) { o.TokenURL = "x" },
	} {
		o := options("http://127.0.0.1:1")
		edit(o)
		if _, err := open(activate.OpenParams{Options: o}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
