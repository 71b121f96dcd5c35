package googleads

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
	"millrace/internal/twin/spectest"
	"millrace/internal/twin/store"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func options(base string) *Options {
	c := twin.DefaultCredentials()
	return &Options{Customer: c.GoogleAdsCustomer, DeveloperToken: secret.New(c.GoogleDeveloperToken), ClientID: c.GoogleClientID, ClientSecret: secret.New(c.GoogleClientSecret), RefreshToken: secret.New(c.GoogleRefreshToken),
		Version: "v25", Currency: "USD", BaseURL: base, TokenURL: base + "/token", Private: true}
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

const mutatePath = "/v25/customers/4815162342/googleAds:mutate"

type system struct {
	t  *testing.T
	tw *twin.Twin
}

func (s system) Disturb(d desttest.Disturbance, always bool) {
	kind := map[desttest.Disturbance]string{desttest.Rate: twin.Status429, desttest.Down: twin.DropBefore, desttest.LostReply: twin.DropAfter, desttest.Truncated: twin.Truncate,
		desttest.Empty: twin.EmptySuccess, desttest.ErrorBody: twin.ErrorBody, desttest.Expired: twin.Expired}[d]
	f := twin.Fault{Vendor: "google", Path: mutatePath, Kind: kind}
	if !always {
		f.Times = 1
	}
	if err := s.tw.AddFault(f); err != nil {
		s.t.Fatal(err)
	}
}
func (s system) Calm()          { s.tw.ClearFaults() }
func (s system) Digest() string { return s.tw.Digest(false) }

var ids = []string{"21000000001", "21000000002"}

func target() activate.Target {
	return activate.Target{Object: "campaigns", Key: "id", Fields: []string{"daily_budget", "status"}, Ops: []activate.Op{activate.Update}}
}

func with(f func(*activate.Target)) activate.Target { x := target(); f(&x); return x }

func secrets() []string {
	c := twin.DefaultCredentials()
	return []string{c.GoogleClientSecret, c.GoogleRefreshToken, c.GoogleDeveloperToken}
}

func TestConformance(t *testing.T) {
	desttest.Run(t, desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			tw, base := startTwin(t)
			return dest(t, options(base)), system{t, tw}
		},
		Target: target(), Secrets: secrets(), Rows: 2,
		Row: func(i int) (string, map[string]json.RawMessage) {
			return ids[i], map[string]json.RawMessage{"status": raw(`"paused"`), "daily_budget": raw(fmt.Sprint(50+i, ".25"))}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return ids[1], map[string]json.RawMessage{"daily_budget": raw("0.001")}
		},
		Misfits: []activate.Target{
			with(func(x *activate.Target) { x.Fields = []string{"target_cpa"} }),
			with(func(x *activate.Target) { x.Key = "name" }),
		},
	})
}

func TestCheckSaysWhatToDo(t *testing.T) {
	_, base := startTwin(t)
	for want, edit := range map[string]func(*Options){
		"config.developer_token":        func(o *Options) { o.DeveloperToken = secret.New("wrong") },
		"login_customer_id":             func(o *Options) { o.Customer = "1111111111" },
		"newer one into config.version": func(o *Options) { o.Version = "v17" },
		"the account spends in USD":     func(o *Options) { o.Currency = "EUR" },
		"budgets need to say their":     func(o *Options) { o.Currency = "" },
		"refresh_token":                 func(o *Options) { o.RefreshToken = secret.New("old") },
	} {
		o := options(base)
		edit(o)
		err := dest(t, o).Check(t.Context(), target())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
		for _, s := range secrets() {
			if err != nil && strings.Contains(err.Error(), s) {
				t.Errorf("a secret is in %v", err)
			}
		}
	}
	for want, edit := range map[string]func(*Options){
		"without hyphens": func(o *Options) { o.Customer = "123-456-7890" }, "Write it as v25": func(o *Options) { o.Version = "25" }, "googleads.googleapis": func(o *Options) { o.BaseURL = "x" }, "oauth2.googleapis": func(o *Options) { o.TokenURL = "x" },
	} {
		o := options(base)
		edit(o)
		if _, err := open(activate.OpenParams{Options: o}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := dest(t, options(base)).Capabilities("ads"); err == nil || !strings.Contains(err.Error(), "Write campaigns") {
		t.Error(err)
	}
}

// canned knows two campaigns, the second with a shared budget, and answers every mutate with one body.
func canned(t *testing.T, status int, body string, seen *string) *destination {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/token":
			fmt.Fprint(w, `{"access_token":"ya29.secret-access","expires_in":3599}`)
		case strings.HasSuffix(r.URL.Path, ":search") && strings.Contains(string(b), "FROM customer"):
			fmt.Fprint(w, `{"results":[{"customer":{"currencyCode":"USD"}}],"fieldMask":"x"}`)
		case strings.HasSuffix(r.URL.Path, ":search"):
			fmt.Fprint(w, `{"results":[{"campaign":{"id":"11111","resourceName":"customers/1/campaigns/11111","status":"ENABLED"},"campaignBudget":{"resourceName":"customers/1/campaignBudgets/1","amountMicros":"5000000"}},
				{"campaign":{"id":"22222","resourceName":"customers/1/campaigns/22222","status":"PAUSED"},"campaignBudget":{"resourceName":"customers/1/campaignBudgets/2","amountMicros":"7","explicitlyShared":true}}],"fieldMask":"x"}`)
		default:
			if seen != nil {
				*seen = r.URL.Path + " " + r.Header.Get("developer-token") + " " + strings.TrimSpace(string(b))
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}))
	t.Cleanup(srv.Close)
	return dest(t, options(srv.URL))
}

func batch(rows ...activate.Row) activate.Batch {
	return activate.Batch{Target: target(), Op: activate.Update, Rows: rows}
}

func change1(id, key, values string) activate.Row {
	var v map[string]json.RawMessage
	if err := json.Unmarshal([]byte(values), &v); err != nil {
		panic(err)
	}
	return activate.Row{ID: id, Key: key, Values: v}
}

func TestRequestAndAnswers(t *testing.T) {
	var seen string
	ok := `{"mutateOperationResponses":[{"campaignBudgetResult":{"resourceName":"x"}},{"campaignResult":{"resourceName":"y"}}]}`
	d := canned(t, 200, ok, &seen)
	rows := []activate.Row{change1("o_1", "11111", `{"daily_budget":120.5,"status":"paused"}`), change1("o_2", "22222", `{"daily_budget":5}`), change1("o_3", "33333", `{"status":"active"}`), change1("o_4", "11111", `{"daily_budget":0.001}`)}
	a, err := d.Send(t.Context(), batch(rows...))
	want := mutatePath + ` twin-developer-token {"mutateOperations":[{"campaignBudgetOperation":{"updateMask":"amountMicros","update":{"amountMicros":"120500000","resourceName":"customers/1/campaignBudgets/1"}}},` +
		`{"campaignOperation":{"updateMask":"status","update":{"resourceName":"customers/1/campaigns/11111","status":"PAUSED"}}}],"partialFailure":true}`
	if err != nil || seen != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, seen, want)
	}
	got := map[string]activate.Result{}
	for _, r := range a.Results {
		got[r.ID] = r
	}
	if got["o_1"].Status != activate.Acked || got["o_2"].Status != activate.Rejected || !strings.Contains(got["o_2"].Message, "shared with other campaigns") || got["o_3"].Class != "missing" || !strings.Contains(got["o_4"].Message, "finer than the currency") {
		t.Errorf("%+v", got)
	}
	failure := func(index int, code string) string {
		return fmt.Sprintf(`"partialFailureError":{"code":3,"message":"m","details":[{"@type":"x","errors":[{"errorCode":{"campaignBudgetError":%q},"message":"why","location":{"fieldPathElements":[{"fieldName":"mutate_operations","index":%d},{"fieldName":"campaign_budget_operation"}]}}]}]}`, code, index)
	}
	for _, c := range []struct {
		name, body string
		status     int
		want       string
		class      httpx.Class
	}{
		{"budget refused, status written", `{"mutateOperationResponses":[{},{"campaignResult":{"resourceName":"y"}}],` + failure(0, "MONEY_AMOUNT_TOO_SMALL") + `}`, 200, "rejected budget: MONEY_AMOUNT_TOO_SMALL: why; status was written", ""},
		{"busy", `{"mutateOperationResponses":[{},{"campaignResult":{"resourceName":"y"}}],` + failure(0, "CONCURRENT_MODIFICATION") + `}`, 200, "retry budget: CONCURRENT_MODIFICATION: why; status was written", ""},
		{"a result that says nothing", `{"mutateOperationResponses":[{},{"campaignResult":{"resourceName":"y"}}]}`, 200, "unknown budget: the answer is empty; status was written", ""},
		{"fewer results", `{"mutateOperationResponses":[{"campaignResult":{}}]}`, 200, "", httpx.Unknown},
		{"an empty success", `{}`, 200, "", httpx.Unknown},
		{"an error inside a success", `{"error":{"status":"INTERNAL","message":"x"}}`, 200, "", httpx.Unknown},
		{"quota", `{"error":{"status":"RESOURCE_EXHAUSTED","message":"x"}}`, 429, "", httpx.Rate},
		{"not allowed", `{"error":{"status":"PERMISSION_DENIED","details":[{"errors":[{"errorCode":{"authorizationError":"ACTION_NOT_PERMITTED"},"message":"x"}]}]}}`, 403, "", httpx.Auth},
		{"server error", `{"error":{"status":"INTERNAL","message":"x"}}`, 500, "", httpx.Unknown},
		{"not JSON", `<html>`, 200, "", ""},
	} {
		a, err := canned(t, c.status, c.body, nil).Send(t.Context(), batch(rows[0]))
		s := ""
		if len(a.Results) == 1 {
			s = string(a.Results[0].Status) + " " + a.Results[0].Message
		}
		if s != c.want || (err == nil) != (c.want != "") || httpx.ClassOf(err) != c.class {
			t.Errorf("%s: %q class %q (%v)", c.name, s, httpx.ClassOf(err), err)
		}
	}
}

const file = `destination: google_ads
config: {customer_id: "4815162342", developer_token: x, client_id: x, client_secret: x, refresh_token: x, currency: USD}
object: campaigns
mode: update
key: id
mapping: {daily_budget: budget, status: state}
guardrails: {first_run: allow, max_changed_pct: 100}
`

func night(t *testing.T) (*desttest.Night, *twin.Twin) {
	tw, base := startTwin(t)
	n := desttest.NewNight(t, []activate.Connector{Connector()}, file, []string{"id", "budget", "state"}, func() activate.Destination { return dest(t, options(base)) })
	n.Rows = []map[string]any{{"id": ids[0], "budget": "99.95", "state": "active"}, {"id": ids[1], "budget": "45", "state": "paused"}}
	return n, tw
}

func budgetsOf(tw *twin.Twin) (out string) {
	tw.View(func(s *store.State) {
		for _, c := range s.Ads.Campaigns {
			if c.Platform == "google" {
				out += fmt.Sprintln(c.ID, c.Status, c.Budget)
			}
		}
	})
	return out
}

// Money moves by exactly what was planned, and back.
func TestBudgetsAndUndo(t *testing.T) {
	n, tw := night(t)
	n.Rows = append(n.Rows, map[string]any{"id": "21000000003", "budget": "50", "state": "active"}) // LinkedIn's
	before := budgetsOf(tw)
	p, a, err := n.Whole()
	if err != nil || a.Acked() != 2 || a.States["rejected"] != 1 {
		t.Fatalf("%+v %v", a, err)
	}
	if got, want := budgetsOf(tw), "21000000001 ENABLED 99950000\n21000000002 PAUSED 45000000\n"; got != want {
		t.Errorf("%s", got)
	}
	if _, a, err = n.Undo(p.ID); err != nil || a.Acked() != 2 {
		t.Fatalf("%+v %v", a, err)
	}
	if got := budgetsOf(tw); got != before {
		t.Errorf("%s\nwant %s", got, before)
	}
}

func TestFailingBudgets(t *testing.T) {
	n, tw := night(t)
	for _, kind := range []string{twin.Status429, twin.Status500, twin.Status503, twin.DropBefore, twin.DropAfter, twin.Truncate, twin.ErrorBody, twin.EmptySuccess} {
		if err := tw.AddFault(twin.Fault{Vendor: "google", Path: "/v25/", Kind: kind, Rate: 0.06}); err != nil {
			t.Fatal(err)
		}
	}
	desttest.FailingNights(t, n, 14, 8, tw.ClearFaults)
	if got, want := budgetsOf(tw), "21000000001 ENABLED 99950000\n21000000002 PAUSED 45000000\n"; got != want {
		t.Errorf("%s", got)
	}
}

func TestCrashAtEveryStep(t *testing.T) {
	desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
		n, tw := night(t)
		return n, func() string { return tw.Digest(false) }
	})
}

func TestSpecRequests(t *testing.T) {
	p := spectest.OpenProtos(t, spectest.Dir(t, "google-ads", "proto", "google", "ads", "googleads", "v25"))
	var seen string
	d := canned(t, 200, `{"mutateOperationResponses":[{},{}]}`, &seen)
	if _, err := d.Send(t.Context(), batch(change1("o_1", "11111", `{"daily_budget":120.5,"status":"paused"}`))); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal([]byte(seen[strings.Index(seen, "{"):]), &v); err != nil {
		t.Fatal(err)
	}
	p.Valid(t, "mutate", "google.ads.googleads.v25.services.MutateGoogleAdsRequest", v)
}
