package hubspot

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

const token = "pat-twin-hubspot"

func dest(t *testing.T, base string, edit func(*Options)) *destination {
	t.Helper()
	o := &Options{Token: secret.New(token), BaseURL: base, Version: "v3", Rate: 1900, Private: true}
	if edit != nil {
		edit(o)
	}
	d, err := open(activate.OpenParams{Sync: "test", Options: o, Now: time.Now, Sleep: func(context.Context, time.Duration) error { return nil }, Rand: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d.(*destination)
}

// portal is the twin as the suite's system.
type portal struct {
	t  *testing.T
	tw *twin.Twin
}

func (p portal) Disturb(d desttest.Disturbance, always bool) {
	kind := map[desttest.Disturbance]string{desttest.Rate: twin.Status429, desttest.Down: twin.DropBefore, desttest.LostReply: twin.DropAfter, desttest.Truncated: twin.Truncate,
		desttest.Empty: twin.EmptySuccess, desttest.ErrorBody: twin.ErrorBody, desttest.Expired: twin.Expired}[d]
	f := twin.Fault{Vendor: "hubspot", Method: "POST", Kind: kind}
	if !always {
		f.Times = 1
	}
	if err := p.tw.AddFault(f); err != nil {
		p.t.Fatal(err)
	}
}
func (p portal) Calm()          { p.tw.ClearFaults() }
func (p portal) Digest() string { return p.tw.Digest(false) }

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

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func TestConformance(t *testing.T) {
	target := activate.Target{Object: "contacts", Key: "email", Fields: []string{"company", "firstname"}, Ops: []activate.Op{activate.Insert, activate.Upsert}}
	with := func(f func(*activate.Target)) activate.Target { x := target; f(&x); return x }
	desttest.Run(t, desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			tw, base := startTwin(t)
			return dest(t, base, nil), portal{t, tw}
		},
		Target: target,
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprintf("new.person%d@conformance.example", i), map[string]json.RawMessage{"firstname": raw(fmt.Sprintf(`"Ann <%d>"`, i)), "company": raw(`"Acme & Söhne"`)}
		},
		Bad: func() (string, map[string]json.RawMessage) {
			return "not-an-address", map[string]json.RawMessage{"firstname": raw(`"x"`)}
		},
		Misfits: []activate.Target{
			with(func(x *activate.Target) { x.Fields = []string{"frstname"} }),
			with(func(x *activate.Target) { x.Fields = []string{"createdate"} }),
			with(func(x *activate.Target) { x.Key = "firstname" }),
			with(func(x *activate.Target) { x.Key = "hs_object_id" }),
			with(func(x *activate.Target) { x.Object = "contcts" }),
		},
		Secrets: []string{token},
	})
}

func TestCheckSaysWhatToDo(t *testing.T) {
	_, base := startTwin(t)
	for _, c := range []struct {
		edit   func(*Options)
		target activate.Target
		want   string
	}{
		{nil, activate.Target{Object: "contacts", Key: "email", Fields: []string{"frstname"}}, `Did you mean "firstname"`},
		{nil, activate.Target{Object: "contacts", Key: "company", Fields: []string{"firstname"}}, "does not keep this property unique"},
		{func(o *Options) { o.Token = secret.New("wrong") }, activate.Target{Object: "contacts", Key: "email"}, "make a new one in HubSpot"},
		{func(o *Options) { o.Portal = "1" }, activate.Target{Object: "contacts", Key: "email"}, "the token opens account"},
	} {
		err := dest(t, base, c.edit).Check(t.Context(), c.target)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	err := dest(t, base, func(o *Options) { o.Token = secret.New(token + "-readonly") }).Check(t.Context(), activate.Target{Object: "contacts", Key: "email"})
	if err != nil {
		t.Errorf("reading properties with a token that may read: %v", err)
	}
	d := dest(t, base, func(o *Options) { o.Token = secret.New(token + "-readonly") })
	_, err = d.Send(t.Context(), activate.Batch{Target: activate.Target{Object: "contacts", Key: "email"}, Op: activate.Upsert,
		Rows: []activate.Row{{ID: "r", Key: "a@b.example", Values: map[string]json.RawMessage{"firstname": raw(`"x"`)}}}})
	if httpx.ClassOf(err) != httpx.Auth || !strings.Contains(err.Error(), "crm.objects.contacts.write") {
		t.Errorf("%v", err)
	}
}

// canned answers every write with one body, so that each documented shape is met whatever the twin does.
func canned(t *testing.T, status int, body string, seen *string) *destination {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/properties/") {
			fmt.Fprint(w, `{"results":[{"name":"email","type":"string","hasUniqueValue":true},{"name":"score","type":"number"},{"name":"since","type":"date"},{"name":"at","type":"datetime"},{"name":"ok","type":"bool"}]}`)
			return
		}
		b, _ := io.ReadAll(r.Body)
		if seen != nil {
			*seen = r.URL.Path + " " + strings.TrimSpace(string(b))
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	return dest(t, srv.URL, nil)
}

func two() activate.Batch {
	return activate.Batch{Target: activate.Target{Object: "contacts", Key: "email", Fields: []string{"score"}}, Op: activate.Upsert, Rows: []activate.Row{
		{ID: "o_1", Key: "ann@example.com", Values: map[string]json.RawMessage{"score": raw("81")}}, {ID: "o_2", Key: "bob@example.com", Values: map[string]json.RawMessage{"score": raw("null")}}}}
}

func TestAnswersAreAttributed(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"by trace id, out of order", `{"status":"COMPLETE","results":[{"id":"9","objectWriteTraceId":"o_2","new":false},{"id":"8","objectWriteTraceId":"o_1","new":true}]}`, 200, "o_1 acked 8 new, o_2 acked 9"},
		{"by key where the trace id is not echoed", `{"status":"COMPLETE","results":[{"id":"9","properties":{"email":"BOB@example.com"}},{"id":"8","properties":{"email":"ann@example.com"}}]}`, 200, "o_1 acked 8, o_2 acked 9"},
		{"mixed", `{"status":"COMPLETE","results":[{"id":"8","objectWriteTraceId":"o_1"}],"numErrors":1,"errors":[{"status":"error","category":"VALIDATION_ERROR","message":"bad","subCategory":{"a":1},"context":{"objectWriteTraceId":["o_2"]},"errors":[{"message":"too long"}]}]}`, 207, "o_1 acked 8, o_2 rejected bad: too long"},
		{"an error that names a row by its id", `{"status":"COMPLETE","results":[],"errors":[{"category":"CONFLICT","message":"taken","context":{"ids":["bob@example.com"]}}]}`, 207, "o_2 rejected taken"},
		{"an error that names nobody, and one row left", `{"status":"COMPLETE","results":[{"id":"8","objectWriteTraceId":"o_1"}],"errors":[{"category":"VALIDATION_ERROR","message":"bad"}]}`, 207, "o_1 acked 8, o_2 rejected bad"},
		{"an error that names nobody, and two rows left", `{"status":"COMPLETE","results":[],"errors":[{"category":"VALIDATION_ERROR","message":"bad"}]}`, 207, ""},
		{"a passing error", `{"status":"COMPLETE","results":[],"errors":[{"category":"INTERNAL_ERROR","message":"try again","context":{"objectWriteTraceId":["o_1"]}}]}`, 207, "o_1 retry try again"},
		{"a success without results", `{"status":"COMPLETE","results":[]}`, 200, ""},
		{"results about others", `{"status":"COMPLETE","results":[{"id":"1","objectWriteTraceId":"o_9"}]}`, 200, ""},
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
		if s := strings.Join(got, ", "); err != nil || s != c.want {
			t.Errorf("%s:\n got %s (%v)\nwant %s", c.name, s, err, c.want)
		}
	}
}

func TestErrorsAreClassed(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		want       httpx.Class
	}{
		{"a bad row spoils the batch", `{"status":"error","category":"VALIDATION_ERROR","message":"Email address x is invalid"}`, 400, httpx.Permanent},
		{"a property was removed", `{"status":"error","category":"VALIDATION_ERROR","message":"m","errors":[{"code":"PROPERTY_DOESNT_EXIST","message":"m"}]}`, 400, httpx.Config},
		{"server error", `{"status":"error","message":"Internal"}`, 500, httpx.Unknown},
		{"a success with an error inside", `{"status":"error","category":"X","message":"m"}`, 200, httpx.Unknown},
		{"not JSON", `<html>`, 200, ""},
		{"conflict", `{"status":"error","category":"CONFLICT","message":"m"}`, 409, httpx.Permanent},
		{"a scope is missing", `{"status":"error","category":"MISSING_SCOPES","message":"m"}`, 403, httpx.Auth},
	} {
		_, err := canned(t, c.status, c.body, nil).Send(t.Context(), two())
		if err == nil || httpx.ClassOf(err) != c.want {
			t.Errorf("%s: class %q, want %q: %v", c.name, httpx.ClassOf(err), c.want, err)
		}
	}
}

func TestValuesAreSpelledAsHubSpotTakesThem(t *testing.T) {
	var seen string
	d := canned(t, 200, `{"results":[]}`, &seen)
	b := two()
	b.Rows = b.Rows[:1]
	b.Rows[0].Values = map[string]json.RawMessage{"score": raw("81.5"), "since": raw(`"2026-03-02T00:00:00Z"`), "at": raw(`"2026-03-02T06:00:00.5Z"`), "ok": raw("true"), "email": raw("null")}
	if _, err := d.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := `/crm/v3/objects/contacts/batch/upsert {"inputs":[{"id":"ann@example.com","idProperty":"email","properties":{"at":"2026-03-02T06:00:00.5Z","email":"","ok":"true","score":"81.5","since":"2026-03-02"},"objectWriteTraceId":"o_1"}]}`
	if seen != want {
		t.Errorf("got  %s\nwant %s", seen, want)
	}
}

func TestSame(t *testing.T) {
	d := &destination{}
	for _, c := range []struct {
		ours, theirs string
		want         bool
	}{
		{"81", `"81"`, true}, {"81.5", `"81.50"`, true}, {"81", `"82"`, false}, {"true", `"true"`, true}, {"true", `"false"`, false},
		{`"2026-03-02T06:00:00.123456Z"`, `"2026-03-02T06:00:00.123Z"`, true}, {`"2026-03-02T06:00:00Z"`, `"1772431200000"`, true}, {`"2026-03-02T00:00:00Z"`, `"2026-03-02"`, true},
		{"null", `""`, true}, {"null", `"x"`, false}, {`"x"`, "null", false}, {`"007"`, `"7"`, false}, {"7", `"007"`, true}, {"7", `"seven"`, false}, {`"a"`, `"A"`, false},
	} {
		if got := d.Same(raw(c.ours), raw(c.theirs)); got != c.want {
			t.Errorf("Same(%s, %s) = %v", c.ours, c.theirs, got)
		}
	}
}

func TestReadFindsSecondAddresses(t *testing.T) {
	d := canned(t, 207, `{"status":"COMPLETE","results":[{"id":"8","properties":{"email":"ann@new.example","hs_additional_emails":"ann@example.com;a@x.example","score":"7"}}],
		"numErrors":1,"errors":[{"status":"error","category":"OBJECT_NOT_FOUND","message":"m","context":{"ids":["bob@example.com"]}}]}`, nil)
	b := two()
	got, err := d.Read(t.Context(), b.Target, b.Rows)
	if err != nil || !got["o_1"].Exists || got["o_1"].RemoteID != "8" || string(got["o_1"].Values["score"]) != `"7"` || got["o_2"].Exists {
		t.Errorf("%+v %v", got, err)
	}
	d = canned(t, 200, `{"status":"COMPLETE","results":[]}`, nil)
	if _, err := d.Read(t.Context(), b.Target, b.Rows); httpx.ClassOf(err) != httpx.Transient {
		t.Errorf("a success without results proves no absence: %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	for _, edit := range []func(*Options){func(o *Options) { o.Version = "v9" }, func(o *Options) { o.BaseURL = "nonsense" }} {
		o := &Options{Token: secret.New("x"), BaseURL: "https://api.hubapi.com", Version: "v3", Rate: 10}
		edit(o)
		if _, err := open(activate.OpenParams{Options: o}); err == nil {
			t.Errorf("%+v was opened", o)
		}
	}
}

func TestPropertiesAreDescribed(t *testing.T) {
	_, base := startTwin(t)
	infos, err := dest(t, base, nil).Describe(t.Context(), "contacts")
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]activate.FieldInfo{}
	for _, i := range infos {
		by[i.Name] = i
	}
	if i := by["createdate"]; i.Kind != activate.KindInstant || !i.ReadOnly {
		t.Errorf("%+v", i)
	}
	if i := by["firstname"]; i.Kind != activate.KindText || i.MaxLength != maxText || len(i.Options) > 0 {
		t.Errorf("%+v", i)
	}
	if i := by["lead_route"]; strings.Join(i.Options, ",") != "sales,nurture" {
		t.Errorf("%+v", i)
	}
	if i := by["hs_legal_basis"]; len(i.Options) > 0 {
		t.Errorf("several options are one value of a checkbox: %+v", i)
	}
}
