package salesforce

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
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func options(base string) *Options {
	c := twin.DefaultCredentials()
	return &Options{Instance: base, ClientID: c.SalesforceClientID, ClientSecret: secret.New(c.SalesforceClientSecret), Version: "66.0", BulkFrom: 2000, MaxShare: 80, Private: true}
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

// org is the twin as the suite's system. Writes are disturbed, wherever they go.
type org struct {
	t    *testing.T
	tw   *twin.Twin
	path string
}

func (o org) Disturb(d desttest.Disturbance, always bool) {
	kind := map[desttest.Disturbance]string{desttest.Rate: twin.Status429, desttest.Down: twin.DropBefore, desttest.LostReply: twin.DropAfter, desttest.Truncated: twin.Truncate,
		desttest.Empty: twin.EmptySuccess, desttest.ErrorBody: twin.ErrorBody, desttest.Expired: twin.Expired}[d]
	f := twin.Fault{Vendor: "salesforce", Path: o.path, Kind: kind}
	if !always {
		f.Times = 1
	}
	if err := o.tw.AddFault(f); err != nil {
		o.t.Fatal(err)
	}
}
func (o org) Calm()          { o.tw.ClearFaults() }
func (o org) Digest() string { return o.tw.Digest(false) }

func target() activate.Target {
	return activate.Target{Object: "Contact", Key: "Millrace_Id__c", Fields: []string{"FirstName", "LastName", "Lead_Score__c", "Scored_At__c"}, Ops: []activate.Op{activate.Insert, activate.Upsert}}
}

func harness() desttest.Harness {
	with := func(f func(*activate.Target)) activate.Target { x := target(); f(&x); return x }
	c := twin.DefaultCredentials()
	return desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			tw, base := startTwin(t)
			return dest(t, options(base)), org{t, tw, "/services/data/v66.0/composite/sobjects"}
		},
		Target: target(),
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprintf("new-%d", i), map[string]json.RawMessage{"FirstName": raw(`"Zoë"`), "LastName": raw(fmt.Sprintf(`"O'Neil, \"%d\""`, i)), "Lead_Score__c": raw(fmt.Sprint(i)), "Scored_At__c": raw(`"2026-03-02T06:00:00Z"`)}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "no-name", map[string]json.RawMessage{"FirstName": raw(`"x"`), "Lead_Score__c": raw(`"high"`)}
		},
		Misfits: []activate.Target{
			with(func(x *activate.Target) { x.Fields = []string{"Lead_Scor__c"} }),
			with(func(x *activate.Target) { x.Fields = []string{"lead_score__c"} }),
			with(func(x *activate.Target) { x.Fields = []string{"SystemModstamp"} }),
			with(func(x *activate.Target) { x.Fields = []string{"Account.Millrace_Id__c"} }),
			with(func(x *activate.Target) { x.Key = "Email" }),
			with(func(x *activate.Target) { x.Key = "Id" }),
			with(func(x *activate.Target) { x.Object = "Contcat" }),
		},
		Secrets: []string{c.SalesforceClientSecret, "00DTwin!"},
	}
}

func TestConformance(t *testing.T) { desttest.Run(t, harness()) }

// Every batch through a job, disturbed at each of its steps. Before the upload is complete nothing is written, so what is
// lost on the way there is no unknown outcome.
func TestConformanceOfJobs(t *testing.T) {
	h := harness()
	h.Open = func(t *testing.T) (activate.Destination, desttest.System) {
		tw, base := startTwin(t)
		o := options(base)
		o.BulkFrom = 1
		return dest(t, o), job{org{t, tw, "/services/data/v66.0/jobs/ingest"}}
	}
	desttest.Run(t, h)
}

// job makes a lost answer the answer to the call that sets the job off, since only that one writes.
type job struct{ org }

func (j job) Disturb(d desttest.Disturbance, always bool) {
	if d == desttest.LostReply || d == desttest.Truncated {
		kind := map[desttest.Disturbance]string{desttest.LostReply: twin.DropAfter, desttest.Truncated: twin.Truncate}[d]
		if err := j.tw.AddFault(twin.Fault{Vendor: "salesforce", Method: "PATCH", Kind: kind}); err != nil {
			j.t.Fatal(err)
		}
		return
	}
	j.org.Disturb(d, always)
}

// Digest is of what the org holds and of what it was asked for: a job that has begun counts, though it has not written yet.
func (j job) Digest() string {
	begun := 0
	for _, w := range j.tw.Writes() {
		if w.Object == "salesforce._jobs" && w.Fields["state"] == "UploadComplete" {
			begun = 1
		}
	}
	return fmt.Sprint(begun, j.tw.Digest(false))
}

func TestCheckSaysWhatToDo(t *testing.T) {
	_, base := startTwin(t)
	for want, c := range map[string]struct {
		edit   func(*Options)
		target func(*activate.Target)
	}{
		`Did you mean "Lead_Score__c"`:        {nil, func(x *activate.Target) { x.Fields = []string{"Lead_Scor__c"} }},
		`Write "Lead_Score__c".`:              {nil, func(x *activate.Target) { x.Fields = []string{"lead_score__c"} }},
		"field-level security":                {nil, func(x *activate.Target) { x.Fields = []string{"IsDeleted"} }},
		`"External ID" and "Unique" ticked`:   {nil, func(x *activate.Target) { x.Key = "Email" }},
		"custom ones end in __c":              {nil, func(x *activate.Target) { x.Object = "Renewal" }},
		"Write a version that the org serves": {func(o *Options) { o.Version = "20.0" }, nil},
		"Check client":                        {func(o *Options) { o.ClientSecret = secret.New("wrong") }, nil},
	} {
		o, x := options(base), target()
		if c.edit != nil {
			c.edit(o)
		}
		if c.target != nil {
			c.target(&x)
		}
		if err := dest(t, o).Check(t.Context(), x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
	for want, edit := range map[string]func(*Options){
		"Write it as 66.0":           func(o *Options) { o.Version = "v66" },
		"https://acme.my.salesforce": func(o *Options) { o.Instance = "acme" },
		"login.salesforce.com":       func(o *Options) { o.TokenURL = "x" },
	} {
		o := options(base)
		edit(o)
		if _, err := open(activate.OpenParams{Options: o}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// canned answers every write with one body and shows what was asked.
func canned(t *testing.T, status int, body string, seen *[]string) *destination {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/token"):
			fmt.Fprint(w, `{"access_token":"00D-secret-session","token_type":"Bearer"}`)
			return
		case strings.HasSuffix(r.URL.Path, "/describe"):
			fmt.Fprint(w, `{"fields":[{"name":"Ext__c","type":"string","externalId":true,"unique":true,"updateable":true},{"name":"Score__c","type":"double","updateable":true},{"name":"On__c","type":"date","updateable":true},{"name":"Fits__c","type":"boolean","updateable":true},{"name":"Zip__c","type":"string","updateable":true}]}`)
			return
		}
		b, _ := io.ReadAll(r.Body)
		if seen != nil {
			*seen = append(*seen, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(b)))
		}
		w.Header().Set("Sforce-Limit-Info", "api-usage=90/100; per-app-api-usage=1/2(appName=x)")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return dest(t, options(srv.URL))
}

func two() activate.Batch {
	return activate.Batch{Target: activate.Target{Object: "Contact", Key: "Ext__c", Fields: []string{"Score__c"}}, Op: activate.Upsert, Rows: []activate.Row{
		{ID: "o_1", Key: "c-1", Values: map[string]json.RawMessage{"Score__c": raw("81")}}, {ID: "o_2", Key: "c-2", Values: map[string]json.RawMessage{"Score__c": raw("null")}}}}
}

func TestAnswersAreAttributed(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		want       string
		class      httpx.Class
	}{
		{"both well", `[{"id":"003A","success":true,"errors":[],"created":true},{"id":"003B","success":true,"errors":[],"created":false}]`, 200, "o_1 acked 003A new, o_2 acked 003B", ""},
		{"one refused", `[{"id":"003A","success":true,"errors":[]},{"success":false,"errors":[{"statusCode":"INVALID_EMAIL_ADDRESS","message":"bad","fields":["Email"]}]}]`, 200, "o_1 acked 003A, o_2 rejected INVALID_EMAIL_ADDRESS: bad", ""},
		{"the code under its other name", `[{"id":"003A","success":true,"errors":[]},{"success":false,"errors":[{"errorCode":"DUPLICATE_VALUE","message":"dup"}]}]`, 200, "o_1 acked 003A, o_2 rejected DUPLICATE_VALUE: dup", ""},
		{"a lock passes", `[{"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"busy"}]},{"success":false,"errors":[{"statusCode":"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY","message":"trigger: System.LimitException: Too many SOQL queries: 101"}]}]`, 200,
			"o_1 retry UNABLE_TO_LOCK_ROW: busy, o_2 retry CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY: trigger: System.LimitException: Too many SOQL queries: 101", ""},
		{"fewer results than records", `[{"id":"003A","success":true,"errors":[]}]`, 200, "error", ""},
		{"an error inside a success", `[{"errorCode":"UNKNOWN_EXCEPTION","message":"x"},{"errorCode":"UNKNOWN_EXCEPTION","message":"x"}]`, 200, "error", httpx.Unknown},
		{"objects that are no results", `[{"a":1},{"a":2}]`, 200, "error", ""},
		{"the day is used up", `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`, 403, "error", httpx.Rate},
		{"no permission", `[{"errorCode":"INSUFFICIENT_ACCESS","message":"x"}]`, 403, "error", httpx.Auth},
		{"a field was removed", `[{"errorCode":"INVALID_FIELD","message":"No such column"}]`, 400, "error", httpx.Config},
		{"an object instead of an array", `{"errorCode":"NOT_FOUND","message":"Provided external ID field does not exist"}`, 404, "error", httpx.Config},
		{"a bad request", `[{"errorCode":"JSON_PARSER_ERROR","message":"x"}]`, 400, "error", httpx.Permanent},
		{"server error", `[{"errorCode":"UNKNOWN_EXCEPTION","message":"x"}]`, 500, "error", httpx.Unknown},
	} {
		a, err := canned(t, c.status, c.body, nil).Send(t.Context(), two())
		var got []string
		for _, r := range a.Results {
			s := r.ID + " " + string(r.Status)
			if r.RemoteID != "" {
				s += " " + r.RemoteID
			}
			if r.Created {
				s += " new"
			}
			if r.Message != "" {
				s += " " + r.Message
			}
			got = append(got, s)
		}
		if err != nil {
			got = []string{"error"}
		}
		if s := strings.Join(got, ", "); s != c.want || httpx.ClassOf(err) != c.class {
			t.Errorf("%s:\n got %s class %q (%v)\nwant %s class %q", c.name, s, httpx.ClassOf(err), err, c.want, c.class)
		}
		if err != nil && strings.Contains(err.Error(), "secret-session") {
			t.Errorf("a secret is in %v", err)
		}
	}
}

func TestRequestsAreSpelledAsSalesforceTakesThem(t *testing.T) {
	var seen []string
	d := canned(t, 200, `[{"id":"003A","success":true,"errors":[]}]`, &seen)
	d.opt.MaxShare = 100
	b := two()
	b.Rows = b.Rows[:1]
	b.Rows[0].Values = map[string]json.RawMessage{"Score__c": raw(`"81.50"`), "On__c": raw(`"2026-03-02T00:00:00Z"`), "Fits__c": raw("null"), "Zip__c": raw("94025")}
	for _, op := range []activate.Op{activate.Upsert, activate.Insert, activate.Update, activate.Archive} {
		b.Op, b.Rows[0].RemoteID = op, ""
		if op == activate.Update || op == activate.Archive {
			b.Rows[0].RemoteID = "003A"
		}
		if _, err := d.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`PATCH /services/data/v66.0/composite/sobjects/Contact/Ext__c {"allOrNone":false,"records":[{"Ext__c":"c-1","Fits__c":false,"On__c":"2026-03-02","Score__c":81.50,"Zip__c":"94025","attributes":{"type":"Contact"}}]}`,
		`POST /services/data/v66.0/composite/sobjects {"allOrNone":false,"records":[{"Ext__c":"c-1","Fits__c":false,"On__c":"2026-03-02","Score__c":81.50,"Zip__c":"94025","attributes":{"type":"Contact"}}]}`,
		`PATCH /services/data/v66.0/composite/sobjects {"allOrNone":false,"records":[{"Fits__c":false,"On__c":"2026-03-02","Score__c":81.50,"Zip__c":"94025","attributes":{"type":"Contact"},"id":"003A"}]}`,
		`DELETE /services/data/v66.0/composite/sobjects?allOrNone=false&ids=003A`,
	}
	if strings.Join(seen, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
}

func TestJobsAreTables(t *testing.T) {
	d := canned(t, 200, `[]`, nil)
	fields, err := d.define(t.Context(), "Contact")
	if err != nil {
		t.Fatal(err)
	}
	b := two()
	b.Rows[1].Values = map[string]json.RawMessage{"Zip__c": raw("\"a,\\\"b\\\"\\nc\""), "Score__c": raw("null")}
	got, err := d.table(b, fields)
	if want := "Ext__c,Score__c,Zip__c\nc-1,81,\nc-2,#N/A,\"a,\"\"b\"\"\nc\"\n"; err != nil || string(got) != want {
		t.Errorf("%q %v\nwant %q", got, err, want)
	}
	b.Rows[0].Values["Zip__c"] = raw(`"#N/A"`)
	a, err := d.Send(t.Context(), activate.Batch{Target: b.Target, Op: b.Op, Rows: b.Rows[:1]})
	if err != nil || len(a.Results) != 1 || a.Results[0].Status != activate.Rejected || !strings.Contains(a.Results[0].Message, "mark for an empty value") {
		t.Errorf("%+v %v", a, err)
	}
}

// The org's other users keep their share of the day's calls.
func TestTheDaysCallsAreSpared(t *testing.T) {
	d := canned(t, 200, `[{"id":"003A","success":true,"errors":[]},{"id":"003B","success":true,"errors":[]}]`, nil)
	if _, err := d.Send(t.Context(), two()); err != nil {
		t.Fatal(err)
	}
	_, err := d.Send(t.Context(), two())
	if httpx.ClassOf(err) != httpx.Rate || !strings.Contains(err.Error(), "has used 90 of its 100 calls of the day") {
		t.Error(err)
	}
}

func TestSame(t *testing.T) {
	d := &destination{}
	for _, c := range []struct {
		ours, theirs string
		want         bool
	}{
		{"81", "81", true}, {"81", "81.0", true}, {`"81"`, "81", true}, {"81.5", "81.50", true}, {"81", "82", false}, {"true", "true", true}, {`"true"`, "true", true}, {"true", "false", false},
		{"null", "false", true}, {"null", "null", true}, {"null", `"x"`, false}, {`"x"`, "null", false}, {"false", "null", true}, {"0", "null", false},
		{`"2026-03-02T06:00:00.123456Z"`, `"2026-03-02T06:00:00.123+0000"`, true}, {`"2026-03-02T00:00:00Z"`, `"2026-03-02"`, true}, {`"007"`, `"7"`, false}, {`"007"`, "7", false}, {"7", `"7"`, true}, {`"a"`, `"A"`, false},
	} {
		if got := d.Same(raw(c.ours), raw(c.theirs)); got != c.want {
			t.Errorf("Same(%s, %s) = %v", c.ours, c.theirs, got)
		}
	}
}

// A query is cut before it is too long for a URL, and quotes in keys do not end it.
func TestReadsByKeyInPieces(t *testing.T) {
	tw, base := startTwin(t)
	d := dest(t, options(base))
	b := activate.Batch{Target: target(), Op: activate.Upsert}
	for i := range 700 {
		b.Rows = append(b.Rows, activate.Row{ID: fmt.Sprint("o_", i), Key: fmt.Sprintf("it's-a-rather-long-key-%d", i), Values: map[string]json.RawMessage{"LastName": raw(`"x"`)}})
	}
	a, err := d.Send(t.Context(), b)
	if err != nil || len(a.Results) != 700 {
		t.Fatalf("%d %v", len(a.Results), err)
	}
	got, err := d.Read(t.Context(), b.Target, b.Rows)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, r := range got {
		if !r.Exists {
			t.Fatal("a record that was written is not found")
		}
		ids[r.RemoteID] = true
	}
	if len(ids) != 700 {
		t.Errorf("%d records for 700 keys", len(ids))
	}
	for i := range b.Rows {
		b.Rows[i].RemoteID = got[b.Rows[i].ID].RemoteID
	}
	b.Op = activate.Archive
	if a, err = d.Send(t.Context(), b); err != nil || len(a.Results) != 700 {
		t.Fatalf("%d %v", len(a.Results), err)
	}
	if got, err = d.Read(t.Context(), b.Target, b.Rows); err != nil || got["o_0"].Exists {
		t.Errorf("still there after it was deleted: %v", err)
	}
	calls := map[string]int{}
	for _, w := range tw.Writes() {
		calls[w.Op]++
	}
	if calls["create"] != 700 || calls["delete"] != 700 {
		t.Errorf("%v", calls)
	}
}
