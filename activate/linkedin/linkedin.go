// Package linkedin is the destination LinkedIn: people and companies of matched audiences (DMP segments), conversion
// events, and status and budget of campaigns.
//
// A segment answers about every element inside one success. Conversions are taken together or refused together, and the
// refusal names the index of the bad one. Campaigns are changed by partial updates, one a call, and can be read, so a
// change of money is taken back exactly. Every call names a version of the API; a version lives about a year.
//
// Sources: LinkedIn's published collections and the project's notes on the vendor.
package linkedin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/secret"
	"millrace/internal/vendorapi"
)

// Account is the part of `config:` that the three destinations share.
type Account struct {
	Token   secret.String `yaml:"access_token" required:"true" doc:"access token of the application; it lives 60 days"`
	ID      string        `yaml:"ad_account_id" required:"true" doc:"the ad account, digits only" example:"507000001"`
	Version string        `yaml:"version" required:"true" doc:"version of the API, a month; each is served for about a year" example:"202608"`
	BaseURL string        `yaml:"base_url" default:"https://api.linkedin.com"`
	Private bool          `yaml:"allow_private" doc:"allow a private or loopback address (simulators)"`
}

// AudienceOptions is what `config:` of linkedin_audience holds.
type AudienceOptions struct {
	Account `yaml:",inline"`
}

// EventOptions is what `config:` of linkedin_conversions holds.
type EventOptions struct {
	Account  `yaml:",inline"`
	Currency string `yaml:"currency" doc:"currency of the values, unless a column says it" example:"USD"`
}

// SpendOptions is what `config:` of linkedin_campaigns holds.
type SpendOptions struct {
	Account  `yaml:",inline"`
	Currency string `yaml:"currency" doc:"currency of the budgets that are written; refused when the account spends in another" example:"USD"`
}

// Connectors are the catalog's entries.
func Connectors() []activate.Connector {
	return []activate.Connector{
		{Name: "linkedin_audience", Summary: "LinkedIn matched audiences: people or companies added and removed; object: the DMP segment's id", Options: func() any { return &AudienceOptions{} }, Open: openAudience},
		{Name: "linkedin_conversions", Summary: "LinkedIn Conversions API: events told once; object: the conversion rule's id", Options: func() any { return &EventOptions{} }, Open: openEvents},
		{Name: "linkedin_campaigns", Summary: "LinkedIn ads: status and budget; object: campaigns", Options: func() any { return &SpendOptions{} }, Open: openSpend},
	}
}

// Limits of the API.
const (
	maxElements = 5000
	maxSpend    = 50
	minAudience = 300
	perMinute   = 500 // of 600 calls a minute for one member
	appearing   = 10 * time.Second
)

// account is one ad account, as every one of the three destinations calls it.
type account struct {
	id  string
	api *vendorapi.API
	now func() time.Time
}

var (
	digits      = regexp.MustCompile(`^[0-9]{3,20}$`)
	versionForm = regexp.MustCompile(`^20\d\d(0[1-9]|1[0-2])$`)
)

func openAudience(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*AudienceOptions)
	if !ok {
		return nil, fmt.Errorf("linkedin_audience: options are %T", p.Options)
	}
	a, err := open(p, "linkedin_audience", o.Account)
	return &audience{account: a}, err
}

func openEvents(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*EventOptions)
	if !ok {
		return nil, fmt.Errorf("linkedin_conversions: options are %T", p.Options)
	}
	a, err := open(p, "linkedin_conversions", o.Account)
	return &events{a, *o}, err
}

func openSpend(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*SpendOptions)
	if !ok {
		return nil, fmt.Errorf("linkedin_campaigns: options are %T", p.Options)
	}
	a, err := open(p, "linkedin_campaigns", o.Account)
	return &spend{account: a, opt: *o}, err
}

func open(p activate.OpenParams, name string, o Account) (*account, error) {
	if !digits.MatchString(o.ID) {
		return nil, &fault.Error{Key: "config.ad_account_id", Value: o.ID, Msg: "not an ad account's id", Hint: "Write the digits, without urn:li:sponsoredAccount:."}
	}
	if !versionForm.MatchString(o.Version) {
		return nil, &fault.Error{Key: "config.version", Value: o.Version, Msg: "not a version of the API", Hint: "Write year and month, as in 202608."}
	}
	u, err := vendorapi.Address("config.base_url", o.BaseURL, "https://api.linkedin.com")
	if err != nil {
		return nil, err
	}
	budget, err := p.Budgets.For("linkedin "+o.ID, httpx.Policy{Name: "calls a minute", Limit: perMinute, Per: time.Minute})
	if err != nil {
		return nil, err
	}
	c, err := httpx.New(httpx.Options{Name: p.Sync, Hosts: []string{u.Host}, AllowPrivate: o.Private, Auth: httpx.Bearer(o.Token), Budget: budget,
		Log: p.Log, Now: p.Now, Sleep: p.Sleep, Rand: p.Rand, RequestIDHeaders: []string{"X-Li-Uuid"}})
	if err != nil {
		return nil, fault.Wrap(err, "%s", name)
	}
	a := &account{id: o.ID, now: p.Now}
	if a.now == nil {
		a.now = time.Now
	}
	a.api = &vendorapi.API{Name: name, Base: vendorapi.Trim(o.BaseURL) + "/rest", Client: c, Judge: judge, Header: http.Header{"Linkedin-Version": {o.Version}, "X-Restli-Protocol-Version": {"2.0.0"}}}
	return a, nil
}

// Close drops the account's connections.
func (d *account) Close() error { d.api.Client.Close(); return nil }

// restError is LinkedIn's error.
type restError struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Service int    `json:"serviceErrorCode"`
	Message string `json:"message"`
}

// judge classes what its status alone would class wrongly.
func judge(r *httpx.Response) httpx.Verdict {
	if r.Status == http.StatusUpgradeRequired {
		return httpx.Verdict{Class: httpx.Config, Hint: "The version has ended: write a newer month into config.version, and look at what changed in LinkedIn's migration guide."}
	}
	if r.Status == http.StatusConflict {
		return httpx.Verdict{Class: httpx.Transient, Wait: 2 * time.Second} // somebody else writes it at this moment: nothing was done
	}
	if r.Status >= 300 || len(r.Body) == 0 || len(r.Body) > 1<<20 {
		return httpx.Verdict{}
	}
	var e restError
	if json.Unmarshal(r.Body, &e) == nil && e.Status >= 400 {
		return httpx.Verdict{Class: httpx.Unknown, Message: fmt.Sprintf("a success with an error inside: %d: %s", e.Status, e.Message)}
	}
	return httpx.Verdict{}
}

// do makes a call; scope is the permission that it needs, for a person who lacks it.
func (d *account) do(ctx context.Context, c vendorapi.Call, method, scope string, out any) (*httpx.Response, error) {
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if method != "" {
		c.Header = http.Header{"X-Restli-Method": {method}}
	}
	resp, err := d.api.Do(ctx, c, out)
	var h *httpx.Error
	if errors.As(err, &h) && h.Class == httpx.Auth {
		h.Hint = "The token has ended (it lives 60 days) or was revoked: authorise the application again, and set the new token in the environment."
		if h.Status == http.StatusForbidden {
			h.Hint = "Give the application the permission " + scope + " (some need LinkedIn's approval), and its member a role in ad account " + d.id + "."
		}
	}
	return resp, err
}

// absent makes a missing object a fault of the file.
func absent(err error, id, what, where string) error {
	var h *httpx.Error
	if errors.As(err, &h) && h.Status == http.StatusNotFound {
		return &fault.Error{Key: "object", Value: id, Msg: "there is no such " + what + ", or the token may not see it", Hint: "Copy its id from " + where + ".", Err: err}
	}
	return err
}

// element is what an answer says about one element of a batch.
type element struct {
	Status int       `json:"status"`
	Error  restError `json:"error"`
	Text   string    `json:"message"`
}

// result turns an element's status into a row's result.
func (e element) result(id string) activate.Result {
	why := strings.TrimSpace(e.Error.Message + " " + e.Text)
	switch {
	case e.Status >= 200 && e.Status < 300:
		return activate.Result{ID: id, Status: activate.Acked}
	case e.Status == http.StatusConflict || e.Status == http.StatusTooManyRequests || e.Status >= 500:
		return activate.Result{ID: id, Status: activate.Retry, Message: fmt.Sprintf("%d %s", e.Status, why)}
	case e.Status >= 400:
		if why == "" {
			why = http.StatusText(e.Status)
		}
		return activate.Result{ID: id, Status: activate.Rejected, Class: "row", Message: why}
	}
	return activate.Result{ID: id, Status: activate.Unknown, Message: fmt.Sprintf("the answer's status %d says nothing", e.Status)}
}

// attribute gives each row the result of its element: their order is the only thing that connects them.
func (d *account) attribute(rows []activate.Row, es []element, path string) ([]activate.Result, error) {
	if len(es) != len(rows) {
		return nil, &httpx.Error{Class: httpx.Unknown, Method: http.MethodPost, URL: d.api.Base + path, Status: http.StatusOK, Message: fmt.Sprintf("%d results came back for %d elements", len(es), len(rows))}
	}
	out := make([]activate.Result, len(rows))
	for i, e := range es {
		out[i] = e.result(rows[i].ID)
	}
	return out, nil
}
