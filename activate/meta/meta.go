// Package meta is the destination Meta (Facebook, Instagram): people of custom audiences by hashed identifiers, events of
// the Conversions API, and status and budget of campaigns and ad sets.
//
// The three answer in three ways. An audience counts: rows are accepted, those that Meta shows as invalid are refused, and
// the rest is settled by the session's numbers (P6). Events are taken together or not at all: a refused call is halved by
// the engine until the bad event stands alone. Campaigns are written one a call and can be read, so a change of money
// has its earlier value and can be taken back exactly.
//
// Sources: the published code generator specifications of Graph API v25.0 and the project's notes on the vendor. Errors
// nearly always have status 400; their code says what happened. usersreplace and deleting are never called.
package meta

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"millrace/activate"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/secret"
	"millrace/internal/vendorapi"
)

// Account is the part of `config:` that the three destinations share.
type Account struct {
	Token     secret.String `yaml:"access_token" required:"true" doc:"token of a system user (it does not expire), or another one with ads_management"`
	AppSecret secret.String `yaml:"app_secret" required:"true" doc:"the app's secret: every call carries a proof made with it, so that a stolen token alone is of no use"`
	ID        string        `yaml:"ad_account_id" required:"true" doc:"the ad account, digits only" example:"1234567890"`
	Version   string        `yaml:"version" default:"v25.0" doc:"version of the Graph API; each lives about two years"`
	BaseURL   string        `yaml:"base_url" default:"https://graph.facebook.com"`
	Private   bool          `yaml:"allow_private" doc:"allow a private or loopback address (simulators)"`
}

// AudienceOptions is what `config:` of meta_audience holds.
type AudienceOptions struct {
	Account `yaml:",inline"`
	Region  string `yaml:"phone_region" doc:"country of telephone numbers without a country code, where the row has no country" example:"DE"`
}

// EventOptions is what `config:` of meta_conversions holds.
type EventOptions struct {
	Account  `yaml:",inline"`
	Region   string `yaml:"phone_region" doc:"country of telephone numbers without a country code, where the row has no country" example:"DE"`
	Source   string `yaml:"action_source" default:"system_generated" enum:"email,website,app,phone_call,chat,physical_store,system_generated,business_messaging,other" doc:"where events happened, unless a column says it"`
	Event    string `yaml:"event_name" doc:"name of the events, unless a column says it" example:"Purchase"`
	Currency string `yaml:"currency" doc:"currency of the values, unless a column says it" example:"USD"`
	TestCode string `yaml:"test_event_code" doc:"send events as a test: they are shown in Events Manager and count for nothing"`
	Limited  bool   `yaml:"limited_data_use" doc:"mark events for limited data use, as some US states require; Meta finds the place"`
}

// SpendOptions is what `config:` of meta_campaigns holds.
type SpendOptions struct {
	Account  `yaml:",inline"`
	Currency string `yaml:"currency" doc:"currency of the budgets that are written; refused when the account spends in another" example:"USD"`
}

// Connectors are the catalog's entries.
func Connectors() []activate.Connector {
	return []activate.Connector{
		{Name: "meta_audience", Summary: "Meta custom audiences: people added and removed by hashed identifiers; object: the audience's id", Options: func() any { return &AudienceOptions{} }, Open: openAudience},
		{Name: "meta_conversions", Summary: "Meta Conversions API: events told once; object: the dataset's id", Options: func() any { return &EventOptions{} }, Open: openEvents},
		{Name: "meta_campaigns", Summary: "Meta ads: status and budget; object: campaigns or adsets", Options: func() any { return &SpendOptions{} }, Open: openSpend},
	}
}

// Limits of the API.
const (
	maxUsers      = 10_000
	maxEvents     = 1_000
	maxSpend      = 50 // campaigns of one batch, one a call
	minAudience   = 100
	usageStop     = 75 // per cent of any of the account's limits
	usageWait     = 5 * time.Minute
	campaigns     = "campaigns"
	adsets        = "adsets"
	blockedEdits  = 1713230
	tooOldVersion = 2635
)

// account is one ad account and its limits, as every one of the three destinations calls it.
type account struct {
	id    string
	api   *vendorapi.API
	proof string
	now   func() time.Time

	mu     sync.Mutex
	usage  int // highest share of a limit that the last answer told, in per cent
	usedAt time.Time
	regain time.Duration
}

var (
	digits      = regexp.MustCompile(`^[0-9]{5,25}$`)
	versionForm = regexp.MustCompile(`^v[1-9]\d\.0$`)
)

func openAudience(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*AudienceOptions)
	if !ok {
		return nil, fmt.Errorf("meta_audience: options are %T", p.Options)
	}
	a, err := open(p, "meta_audience", o.Account)
	return &audience{a, *o}, err
}

func openEvents(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*EventOptions)
	if !ok {
		return nil, fmt.Errorf("meta_conversions: options are %T", p.Options)
	}
	a, err := open(p, "meta_conversions", o.Account)
	return &events{a, *o}, err
}

func openSpend(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*SpendOptions)
	if !ok {
		return nil, fmt.Errorf("meta_campaigns: options are %T", p.Options)
	}
	a, err := open(p, "meta_campaigns", o.Account)
	return &spend{account: a, opt: *o}, err
}

func open(p activate.OpenParams, name string, o Account) (*account, error) {
	if !digits.MatchString(o.ID) {
		return nil, &fault.Error{Key: "config.ad_account_id", Value: o.ID, Msg: "not an ad account's id", Hint: "Write the digits, without act_."}
	}
	if !versionForm.MatchString(o.Version) {
		return nil, &fault.Error{Key: "config.version", Value: o.Version, Msg: "not a version of the Graph API", Hint: "Write it as v25.0."}
	}
	u, err := vendorapi.Address("config.base_url", o.BaseURL, "https://graph.facebook.com")
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(o.AppSecret.Reveal()))
	mac.Write([]byte(o.Token.Reveal()))
	a := &account{id: o.ID, proof: hex.EncodeToString(mac.Sum(nil)), now: p.Now}
	if a.now == nil {
		a.now = time.Now
	}
	budget, err := p.Budgets.For("meta " + o.ID) // Meta's limits are a formula; its headers say how much is used
	if err != nil {
		return nil, err
	}
	c, err := httpx.New(httpx.Options{Name: p.Sync, Hosts: []string{u.Host}, AllowPrivate: o.Private, Auth: httpx.Bearer(o.Token), Budget: budget, Secrets: []secret.String{o.AppSecret, secret.New(a.proof)},
		Log: p.Log, Now: p.Now, Sleep: p.Sleep, Rand: p.Rand, RequestIDHeaders: []string{"X-Fb-Trace-Id"}})
	if err != nil {
		return nil, fault.Wrap(err, "%s", name)
	}
	a.api = &vendorapi.API{Name: name, Base: vendorapi.Trim(o.BaseURL) + "/" + o.Version, Client: c, Judge: a.judge}
	return a, nil
}

// Close drops the account's connections.
func (d *account) Close() error { d.api.Client.Close(); return nil }

// exists asks for an object, and whether it may be edited.
func (d *account) exists(ctx context.Context, id, what, fields string) error {
	var out struct {
		Operation struct {
			Code int    `json:"code"`
			Text string `json:"description"`
		} `json:"operation_status"`
	}
	if _, err := d.do(ctx, vendorapi.Call{Path: "/" + url.PathEscape(id), Query: url.Values{"fields": {fields}}}, &out); err != nil {
		var h *httpx.Error
		if errors.As(err, &h) && h.Class == httpx.Permanent {
			return &fault.Error{Key: "object", Value: id, Msg: "there is no such " + what + ", or the token may not see it", Hint: "Copy its id from Meta Business Suite, and give the system user access to it.", Err: err}
		}
		return err
	}
	if out.Operation.Code == 471 {
		return &fault.Error{Key: "object", Value: id, Msg: "Meta has blocked edits of this audience: " + out.Operation.Text, Hint: "Its name or source suggests health or finance: make another audience that does not."}
	}
	return nil
}

// permitted refuses a token that may only read.
func (d *account) permitted(ctx context.Context) error {
	var out struct {
		Data []struct{ Permission, Status string } `json:"data"`
	}
	if _, err := d.do(ctx, vendorapi.Call{Path: "/me/permissions"}, &out); err != nil {
		return err
	}
	for _, p := range out.Data {
		if p.Permission == "ads_management" && p.Status == "granted" {
			return nil
		}
	}
	return &fault.Error{Key: "config.access_token", Msg: "the token may not change ads", Hint: "Make one with the permission ads_management for the system user."}
}

// do makes a call with the app's proof.
func (d *account) do(ctx context.Context, c vendorapi.Call, out any) (*httpx.Response, error) {
	q := url.Values{"appsecret_proof": {d.proof}}
	for k, v := range c.Query {
		q[k] = v
	}
	c.Query = q
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	resp, err := d.api.Do(ctx, c, out)
	return resp, explain(err)
}

// graphError is Meta's error.
type graphError struct {
	Error *struct {
		Message   string `json:"message"`
		Code      int    `json:"code"`
		Subcode   int    `json:"error_subcode"`
		Transient bool   `json:"is_transient"`
		Title     string `json:"error_user_title"`
		UserMsg   string `json:"error_user_msg"`
	} `json:"error"`
}

// judge classes errors by their code; their status is 400 whatever they mean. It also notes how much of the limits is used.
func (d *account) judge(r *httpx.Response) httpx.Verdict {
	d.note(r.Header)
	if len(r.Body) == 0 || len(r.Body) > 1<<20 {
		return httpx.Verdict{}
	}
	var g graphError
	if json.Unmarshal(r.Body, &g) != nil || g.Error == nil {
		return httpx.Verdict{}
	}
	e := g.Error
	v := httpx.Verdict{Message: e.Message}
	if e.UserMsg != "" {
		v.Message = strings.TrimPrefix(e.Title+": ", ": ") + e.UserMsg + " (" + e.Message + ")"
	}
	switch c := e.Code; {
	case r.Status < 300:
		v.Class, v.Message = httpx.Unknown, "a success with an error inside: "+v.Message
	case c == 190 || c == 102:
		v.Class, v.Hint = httpx.Auth, "The token has ended or was taken back: make a new one for the system user in Business Settings, and set it in the environment."
	case c == 10 || c == 3 || c == 294 || c >= 200 && c < 300:
		v.Class, v.Hint = httpx.Auth, "Give the app and its system user ads_management and access to this account and object."
	case c == 4 || c == 17 || c == 32 || c == 613 || c >= 80000 && c <= 80014:
		v.Class, v.Wait = httpx.Rate, max(d.regained(), 15*time.Second)
	case c == tooOldVersion:
		v.Class, v.Hint = httpx.Config, "The version has ended: write the newest one into config.version."
	case c == 368 || c == 2650 || e.Subcode == blockedEdits:
		v.Class, v.Hint = httpx.Config, "Meta blocks this action for the account or audience: look at Account Quality in Business Suite; every row would be refused."
	case e.Transient || c == 1 || c == 2:
		v.Class = httpx.Unknown // it asks to try again, and does not say that nothing was done
	case r.Status >= 500:
		v.Class = "" // by status
	default:
		v.Class = httpx.Permanent
	}
	return v
}

// note remembers the highest share of the account's limits that an answer tells.
func (d *account) note(h http.Header) {
	var out map[string][]struct {
		Calls  int     `json:"call_count"`
		CPU    int     `json:"total_cputime"`
		Time   int     `json:"total_time"`
		Regain float64 `json:"estimated_time_to_regain_access"` // minutes
	}
	if json.Unmarshal([]byte(h.Get("X-Business-Use-Case-Usage")), &out) != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.usage, d.regain, d.usedAt = 0, 0, d.now()
	for _, list := range out {
		for _, u := range list {
			d.usage = max(d.usage, u.Calls, u.CPU, u.Time)
			d.regain = max(d.regain, time.Duration(u.Regain*float64(time.Minute)))
		}
	}
}

func (d *account) regained() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.regain
}

// spare refuses to begin a batch when the account's limits are nearly used up: beyond them Meta blocks it for up to an hour.
func (d *account) spare() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.usage < usageStop || d.now().Sub(d.usedAt) >= usageWait {
		return nil
	}
	return &httpx.Error{Class: httpx.Rate, Method: http.MethodPost, URL: d.api.Base, RetryAfter: max(d.regain, usageWait-d.now().Sub(d.usedAt)),
		Message: fmt.Sprintf("%d %% of one of the account's limits is used", d.usage), Hint: "It falls within the hour; the rows wait"}
}

// explain adds what to do where the vendor's words do not.
func explain(err error) error {
	var h *httpx.Error
	if errors.As(err, &h) && strings.Contains(h.Message, "appsecret_proof") {
		h.Class, h.Hint = httpx.Auth, "config.app_secret is not the secret of the app that made the token: copy it from the app's basic settings."
	}
	return err
}
