package googledm

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/twin"
	"millrace/internal/twin/spectest"
)

var today = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func events(t *testing.T, base string) *conversions {
	t.Helper()
	d, err := openConversions(activate.OpenParams{Sync: "test", Options: &EventOptions{Access: options(base).Access, Currency: "EUR", Source: "OTHER"}, Now: func() time.Time { return today },
		Sleep: func(context.Context, time.Duration) error { return nil }, Rand: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d.(*conversions)
}

func action() activate.Target {
	return activate.Target{Object: twin.DefaultCredentials().GoogleConversion, Key: "deal_id", Fields: []string{"email", "event_time", "gclid", "value"}, Ops: []activate.Op{activate.Event}}
}

func TestConformanceOfConversions(t *testing.T) {
	with := func(f func(*activate.Target)) activate.Target { x := action(); f(&x); return x }
	c := twin.DefaultCredentials()
	desttest.Run(t, desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			tw, base := startTwin(t)
			return events(t, base), system{t, tw}
		},
		Target: action(),
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprint("d", i), map[string]json.RawMessage{"email": raw(fmt.Sprintf(`"P.%d@Conformance.example"`, i)), "event_time": raw(`"2026-03-01T10:00:00Z"`), "value": raw("120.5")}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "nobody", map[string]json.RawMessage{"email": raw(`"nobody"`), "event_time": raw(`"2026-03-01T10:00:00Z"`)}
		},
		Misfits: []activate.Target{
			with(func(x *activate.Target) { x.Fields = []string{"email"} }),
			with(func(x *activate.Target) { x.Fields = []string{"event_time", "value"} }),
			with(func(x *activate.Target) { x.Fields = append(x.Fields, "colour") }),
			with(func(x *activate.Target) { x.Object = "99999999" }),
		},
		Secrets: []string{c.GoogleClientSecret, c.GoogleRefreshToken},
	})
}

const eventFile = `destination: google_conversions
config: {customer_id: "4815162342", client_id: x, client_secret: x, refresh_token: x, ad_user_data: granted, ad_personalization: granted, currency: EUR}
object: "7310001"
mode: event
key: deal_id
mapping: {event_time: at, email: email, value: amount}
guardrails: {first_run: allow}
`

func eventNight(t *testing.T, rows int) (*desttest.Night, *twin.Twin) {
	tw, base := startTwin(t)
	n := desttest.NewNight(t, []activate.Connector{Conversions()}, eventFile, []string{"deal_id", "at", "email", "amount"}, func() activate.Destination { return events(t, base) })
	for i := range rows {
		n.Rows = append(n.Rows, map[string]any{"deal_id": fmt.Sprint("d", i), "at": "2026-03-01T10:00:00Z", "email": fmt.Sprintf("p%d@people.example", i), "amount": i + 1})
	}
	return n, tw
}

func told(tw *twin.Twin) (n int) {
	for _, w := range tw.Writes() {
		if w.Object == "google.event.7310001" && len(w.Changed) > 0 {
			n++
		}
	}
	return n
}

// Whatever fails, every conversion is told, and none counts twice: Google counts a repeated transaction id as a duplicate,
// which is no shortfall.
func TestFailingConversions(t *testing.T) {
	n, tw := eventNight(t, 40)
	for _, kind := range []string{twin.Status429, twin.Status500, twin.Status503, twin.DropBefore, twin.DropAfter, twin.Truncate, twin.ErrorBody, twin.EmptySuccess} {
		if err := tw.AddFault(twin.Fault{Vendor: "google", Path: "/v1/", Kind: kind, Rate: 0.05}); err != nil {
			t.Fatal(err)
		}
	}
	desttest.FailingNights(t, n, 12, 6, tw.ClearFaults)
	if got := told(tw); got != 40 {
		t.Errorf("%d conversions told of 40", got)
	}
}

func TestCrashAtEveryStepOfConversions(t *testing.T) {
	desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
		n, tw := eventNight(t, 4)
		return n, func() string { return tw.Digest(false) }
	})
}

func TestConversionsAreSpelledAsGoogleTakesThem(t *testing.T) {
	var seen string
	base := canned(t, 200, `{"requestId":"r1"}`, &seen).opt.BaseURL
	d := events(t, base)
	b := activate.Batch{Target: action(), Op: activate.Event, Rows: []activate.Row{
		{ID: "o_1", IdemKey: "deal-1", Key: "1", Values: map[string]json.RawMessage{"email": raw(`" Jane.Doe@Example.com"`), "event_time": raw(`"2026-03-01T11:00:00+01:00"`), "value": raw("120.50"), "gclid": raw(`"Cj0"`)}},
		{ID: "o_2", IdemKey: "deal-2", Key: "2", Values: map[string]json.RawMessage{"email": raw(`""`), "event_time": raw(`"2026-03-01T10:00:00Z"`), "wbraid": raw(`"Wb"`), "transaction_id": raw(`"order-7"`)}},
		{ID: "o_3", IdemKey: "deal-3", Key: "3", Values: map[string]json.RawMessage{"email": raw(`""`), "event_time": raw(`"2026-03-01T10:00:00Z"`)}},
		{ID: "o_4", IdemKey: "deal-4", Key: "4", Values: map[string]json.RawMessage{"email": raw(`"a@example.com"`), "event_time": raw(`"2027-03-01T10:00:00Z"`)}},
	}}
	a, err := d.Send(t.Context(), b)
	want := `/v1/events:ingest {"destinations":[{"operatingAccount":{"accountId":"4815162342","accountType":"GOOGLE_ADS"},"productDestinationId":"7310001"}],` +
		`"events":[{"transactionId":"deal-1","eventTimestamp":"2026-03-01T10:00:00Z","userData":{"userIdentifiers":[{"emailAddress":"86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"}]},"adIdentifiers":{"gclid":"Cj0"},"currency":"EUR","conversionValue":120.50,"eventSource":"OTHER"},` +
		`{"transactionId":"order-7","eventTimestamp":"2026-03-01T10:00:00Z","adIdentifiers":{"wbraid":"Wb"},"eventSource":"OTHER"}],"consent":{"adUserData":"CONSENT_GRANTED","adPersonalization":"CONSENT_GRANTED"},"encoding":"HEX"}`
	if err != nil || seen != want || len(a.Results) != 4 || a.JobID != "r1" {
		t.Errorf("%v %+v\ngot  %s\nwant %s", err, a, seen, want)
	}
	for _, r := range a.Results {
		if bad := r.ID == "o_3" || r.ID == "o_4"; bad != (r.Status == activate.Rejected) || bad && r.Message == "" {
			t.Errorf("%+v", r)
		}
	}
}

func TestDuplicatesAreNoShortfall(t *testing.T) {
	for body, want := range map[string]int{
		`{"requestStatusPerDestination":[{"requestStatus":"PARTIAL_SUCCESS","errorInfo":{"errorCounts":[{"recordCount":"3","reason":"PROCESSING_ERROR_REASON_DUPLICATE_TRANSACTION_ID"}]}}]}`:                                                                      10,
		`{"requestStatusPerDestination":[{"requestStatus":"FAILED","errorInfo":{"errorCounts":[{"recordCount":"10","reason":"PROCESSING_ERROR_REASON_DUPLICATE_TRANSACTION_ID"}]}}]}`:                                                                              10,
		`{"requestStatusPerDestination":[{"requestStatus":"PARTIAL_SUCCESS","errorInfo":{"errorCounts":[{"recordCount":"3","reason":"PROCESSING_ERROR_REASON_DUPLICATE_TRANSACTION_ID"},{"recordCount":"2","reason":"PROCESSING_ERROR_REASON_EVENT_TOO_OLD"}]}}]}`: 8,
	} {
		st, err := canned(t, 200, body, nil).Poll(t.Context(), "r1", 10)
		if err != nil || !st.Done || st.Failed || st.Reported == nil || *st.Reported != want {
			t.Errorf("%s: %+v %v", body, st, err)
		}
	}
}

func TestSpecOfConversions(t *testing.T) {
	p := spectest.OpenProtos(t, spectest.Dir(t, "google-ads", "proto", "google", "ads", "datamanager"))
	var seen string
	d := events(t, canned(t, 200, `{"requestId":"r1"}`, &seen).opt.BaseURL)
	check := func() {
		t.Helper()
		_, body, _ := strings.Cut(seen, " ")
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		p.Valid(t, "IngestEventsRequest", "google.ads.datamanager.v1.IngestEventsRequest", v)
	}
	if err := d.Check(t.Context(), action()); err != nil {
		t.Fatal(err)
	}
	check()
	b := activate.Batch{Target: action(), Op: activate.Event, Rows: []activate.Row{{ID: "o_1", IdemKey: "deal-1", Key: "1", Values: map[string]json.RawMessage{
		"email": raw(`"jane@example.com"`), "phone": raw(`"+14155550100"`), "event_time": raw(`"2026-03-01T10:00:00Z"`), "value": raw("1"), "gclid": raw(`"g"`), "gbraid": raw(`"b"`), "wbraid": raw(`"w"`)}}}}
	if _, err := d.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	check()
}
