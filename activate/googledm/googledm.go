// Package googledm is the destination Google Data Manager: members of customer lists, added and removed under hashed
// identifiers. It takes a batch whole, refuses it whole when one row is wrong (and names the row), works on it later,
// and then only counts: rows are accepted, and settled by their batch (P6).
//
// Source: the published protos google.ads.datamanager.v1 with their JSON mapping. The Google Ads API takes no new
// customer lists since April 2026; this is its successor. removeAll is never called.
package googledm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/adhash"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/secret"
)

// Access is the part of `config:` that the package's destinations share.
type Access struct {
	Customer     string        `yaml:"customer_id" required:"true" doc:"the Google Ads account that owns the list or the conversion action, digits only" example:"1234567890"`
	Login        string        `yaml:"login_customer_id" doc:"the manager account by which it is reached, if any"`
	ClientID     string        `yaml:"client_id" required:"true" doc:"OAuth client"`
	ClientSecret secret.String `yaml:"client_secret" required:"true"`
	RefreshToken secret.String `yaml:"refresh_token" required:"true" doc:"with scope https://www.googleapis.com/auth/datamanager"`

	AdUserData        string `yaml:"ad_user_data" required:"true" enum:"granted,denied" doc:"consent that you hold for sending user data to Google for ads"`
	AdPersonalization string `yaml:"ad_personalization" required:"true" enum:"granted,denied" doc:"consent that you hold for personalised ads"`
	Region            string `yaml:"phone_region" doc:"country of telephone numbers without a country code" example:"DE"`

	BaseURL  string `yaml:"base_url" default:"https://datamanager.googleapis.com"`
	TokenURL string `yaml:"token_url" default:"https://oauth2.googleapis.com/token"`
	Private  bool   `yaml:"allow_private" doc:"allow a private or loopback address (simulators)"`
}

// Options is what `config:` of google_data_manager holds.
type Options struct {
	Access `yaml:",inline"`
	Terms  bool `yaml:"customer_match_terms_accepted" required:"true" doc:"you have accepted Google's customer match terms"`
}

// Connector is the catalog's entry.
func Connector() activate.Connector {
	return activate.Connector{Name: "google_data_manager", Summary: "Google customer lists: people added and removed by hashed e-mail, phone and address",
		Options: func() any { return &Options{} }, Open: open}
}

// Limits of the API.
const (
	maxMembers     = 10_000
	maxIdentifiers = 10
	callsPerMinute = 300
	minMembers     = 100 // active people in 30 days before a list serves
)

// access is one account, as both of the package's destinations call it.
type access struct {
	opt    Access
	client *httpx.Client
}

type destination struct{ *access }

var digits = regexp.MustCompile(`^[0-9]{5,20}$`)

func open(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*Options)
	if !ok {
		return nil, fmt.Errorf("google_data_manager: options are %T", p.Options)
	}
	if !o.Terms {
		return nil, &fault.Error{Key: "config.customer_match_terms_accepted", Value: "false", Msg: "Google takes customer lists only from those who accepted its terms", Hint: "Accept them in Google Ads, then say true."}
	}
	a, err := connect(p, o.Access)
	return &destination{a}, err
}

func connect(p activate.OpenParams, o Access) (*access, error) {
	for key, id := range map[string]string{"config.customer_id": o.Customer, "config.login_customer_id": o.Login} {
		if id != "" && !digits.MatchString(id) {
			return nil, &fault.Error{Key: key, Value: id, Msg: "not an account's id", Hint: "Write the digits without hyphens."}
		}
	}
	api, err := url.Parse(o.BaseURL)
	if err != nil || api.Host == "" {
		return nil, &fault.Error{Key: "config.base_url", Value: o.BaseURL, Msg: "not an address", Hint: "Write https://datamanager.googleapis.com."}
	}
	tok, err := url.Parse(o.TokenURL)
	if err != nil || tok.Host == "" {
		return nil, &fault.Error{Key: "config.token_url", Value: o.TokenURL, Msg: "not an address", Hint: "Write https://oauth2.googleapis.com/token."}
	}
	common := httpx.Options{Name: p.Sync, AllowPrivate: o.Private, Log: p.Log, Now: p.Now, Sleep: p.Sleep, Rand: p.Rand, Redactor: httpx.NewRedactor()}
	tokens := common
	tokens.Hosts = []string{tok.Host}
	tc, err := httpx.New(tokens)
	if err != nil {
		return nil, fault.Wrap(err, "google_data_manager")
	}
	budget, err := p.Budgets.For("google_data_manager "+o.Customer, httpx.Policy{Name: "requests a minute", Limit: callsPerMinute, Per: time.Minute})
	if err != nil {
		return nil, err
	}
	common.Hosts, common.Budget = []string{api.Host}, budget
	// The documented time limit is 120 s; first wait 5 s, largest 60 s.
	common.Timeout, common.BaseDelay, common.MaxDelay = 2*time.Minute, 5*time.Second, time.Minute
	common.Auth = httpx.NewOAuth2(httpx.OAuth2Config{Client: tc, TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecret: o.ClientSecret, RefreshToken: o.RefreshToken})
	c, err := httpx.New(common)
	if err != nil {
		return nil, fault.Wrap(err, "google_data_manager")
	}
	return &access{opt: o, client: c}, nil
}

// Close drops the account's connections.
func (d *access) Close() error { d.client.Close(); return nil }

// Capabilities declares a set of members that is counted, not answered for one by one.
func (d *destination) Capabilities(object string) (activate.Capabilities, error) {
	if !digits.MatchString(object) {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not the id of a user list", Hint: "Write the list's number, as Google Ads shows it under Audience manager."}
	}
	return activate.Capabilities{Account: d.opt.Customer, Ops: []activate.Op{activate.Add, activate.Remove}, MaxBatch: maxMembers, Repeat: true,
		Undo: activate.UndoInverse, PerSecond: callsPerMinute / 60.0, MinPeople: minMembers}, nil
}

// identifiers that a mapping may name: several e-mails and numbers, one address.
var (
	numbered = regexp.MustCompile(`^(email|phone)(_[2-9])?$`)
	address  = []string{"family_name", "given_name", "postal_code", "region_code"}
)

// Check refuses a mapping without identifiers, then has Google validate a request with one invented member: nothing is
// written by that.
func (d *destination) Check(ctx context.Context, t activate.Target) error {
	var l fault.List
	var parts []string
	count := 0
	for _, f := range t.Fields {
		switch {
		case numbered.MatchString(f):
			count++
		case slices.Contains(address, f):
			parts = append(parts, f)
		default:
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "Google matches nobody by this", Hint: "Map email, email_2, phone, phone_2, or all of " + strings.Join(address, ", ") + "."})
		}
	}
	if len(parts) > 0 && len(parts) < len(address) {
		l.Add(&fault.Error{Key: "mapping", Value: strings.Join(parts, ", "), Msg: "an address needs all of " + strings.Join(address, ", "), Hint: "Map the missing ones, or none."})
	}
	if count > maxIdentifiers-1 {
		l.Add(&fault.Error{Key: "mapping", Msg: fmt.Sprintf("Google takes at most %d identifiers for a person", maxIdentifiers), Hint: "Map fewer."})
	}
	if err := l.Or(); err != nil {
		return err
	}
	hash, err := adhash.Email(adhash.Google, "validation@example.com")
	if err != nil {
		return err
	}
	req := d.request(t, activate.Add, []member{{UserData: userData{[]identifier{{Email: hash}}}}})
	req.ValidateOnly = true
	_, err = d.call(ctx, "audienceMembers:ingest", req, true, httpx.RepeatSafe)
	return err
}

type account struct {
	ID   string `json:"accountId"`
	Type string `json:"accountType"`
}

type target struct {
	Operating account  `json:"operatingAccount"`
	Login     *account `json:"loginAccount,omitempty"`
	Product   string   `json:"productDestinationId"`
}

type consent struct {
	UserData        string `json:"adUserData"`
	Personalization string `json:"adPersonalization"`
}

type postal struct {
	Given  string `json:"givenName"`
	Family string `json:"familyName"`
	Region string `json:"regionCode"`
	Postal string `json:"postalCode"`
}

type identifier struct {
	Email   string  `json:"emailAddress,omitempty"`
	Phone   string  `json:"phoneNumber,omitempty"`
	Address *postal `json:"address,omitempty"`
}

type userData struct {
	Identifiers []identifier `json:"userIdentifiers"`
}

type member struct {
	UserData userData `json:"userData"`
}

type terms struct {
	CustomerMatch string `json:"customerMatchTermsOfServiceStatus"`
}

type request struct {
	Destinations []target `json:"destinations"`
	Members      []member `json:"audienceMembers"`
	Consent      *consent `json:"consent,omitempty"`
	Terms        *terms   `json:"termsOfService,omitempty"`
	Encoding     string   `json:"encoding"`
	ValidateOnly bool     `json:"validateOnly,omitempty"`
}

// into is the list or conversion action of a request, with the account that owns it.
func (d *access) into(product string) []target {
	t := target{Operating: account{d.opt.Customer, "GOOGLE_ADS"}, Product: product}
	if d.opt.Login != "" {
		t.Login = &account{d.opt.Login, "GOOGLE_ADS"}
	}
	return []target{t}
}

// consent is what the account's owner says to hold for every person that is sent.
func (d *access) consent() *consent {
	status := func(s string) string { return "CONSENT_" + strings.ToUpper(s) }
	return &consent{status(d.opt.AdUserData), status(d.opt.AdPersonalization)}
}

func (d *destination) request(t activate.Target, op activate.Op, members []member) *request {
	r := &request{Destinations: d.into(t.Object), Members: members, Encoding: "HEX"}
	if op == activate.Add {
		r.Consent = d.consent()
		r.Terms = &terms{"ACCEPTED"}
	}
	return r
}

// identify hashes a row's identifiers. What is empty or malformed is left out; a row with nothing left is refused.
func (d *access) identify(values map[string]json.RawMessage) ([]identifier, error) {
	var out []identifier
	var bad []string
	add := func(f string, hash string, err error, make func(string) identifier) {
		switch {
		case errors.Is(err, adhash.ErrEmpty):
		case err != nil:
			bad = append(bad, f+": "+err.Error())
		default:
			out = append(out, make(hash))
		}
	}
	names := make([]string, 0, len(values))
	for f := range values {
		names = append(names, f)
	}
	slices.Sort(names)
	for _, f := range names {
		s := canon.Text(values[f])
		switch {
		case strings.HasPrefix(f, "email"):
			h, err := adhash.Email(adhash.Google, s)
			add(f, h, err, func(h string) identifier { return identifier{Email: h} })
		case strings.HasPrefix(f, "phone"):
			h, err := adhash.Phone(adhash.Google, s, d.opt.Region)
			add(f, h, err, func(h string) identifier { return identifier{Phone: h} })
		}
	}
	text := func(f string) string { return canon.Text(values[f]) }
	given, err1 := adhash.Name(adhash.Google, text("given_name"))
	family, err2 := adhash.Name(adhash.Google, text("family_name"))
	region, err3 := adhash.Country(adhash.Google, text("region_code"))
	code, err4 := adhash.Postal(adhash.Google, text("postal_code"), region)
	if errors.Join(err1, err2, err3, err4) == nil {
		out = append(out, identifier{Address: &postal{given, family, region, code}})
	} else if err := errors.Join(err1, err2, err3, err4); !errors.Is(err, adhash.ErrEmpty) {
		bad = append(bad, "address: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if len(out) == 0 {
		if len(bad) == 0 {
			return nil, errors.New("the row has no identifier")
		}
		return nil, errors.New(strings.Join(bad, "; "))
	}
	// Two spellings of one address are one identifier.
	seen := map[string]bool{}
	out = slices.DeleteFunc(out, func(i identifier) bool {
		k := i.Email + "|" + i.Phone
		if i.Address != nil {
			k = fmt.Sprint(*i.Address)
		}
		was := seen[k]
		seen[k] = true
		return was
	})
	return out[:min(len(out), maxIdentifiers)], nil
}

// Send hands a batch over. Rows without a usable identifier are refused here; when Google refuses the call because of
// certain rows, *activate.RefusedRows names them.
func (d *destination) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	var a activate.Answer
	var members []member
	var sent []activate.Row
	for _, r := range b.Rows {
		ids, err := d.identify(r.Values)
		if err != nil {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: err.Error()})
			continue
		}
		members = append(members, member{userData{ids}})
		sent = append(sent, r)
	}
	method := map[activate.Op]string{activate.Add: "audienceMembers:ingest", activate.Remove: "audienceMembers:remove"}[b.Op]
	if method == "" {
		return a, fmt.Errorf("google_data_manager cannot %s", b.Op)
	}
	return d.hand(ctx, a, sent, method, d.request(b.Target, b.Op, members))
}

// hand makes the call for the rows that are left, and adds their results to the answer.
func (d *access) hand(ctx context.Context, a activate.Answer, sent []activate.Row, method string, body any) (activate.Answer, error) {
	if len(sent) == 0 {
		return a, nil
	}
	id, err := d.call(ctx, method, body, false, httpx.RepeatNever)
	if err != nil {
		var h *httpx.Error
		if errors.As(err, &h) {
			if rows := refusedRows(h, sent); len(rows) > 0 {
				for _, r := range a.Results {
					rows[r.ID] = r.Message
				}
				return activate.Answer{}, &activate.RefusedRows{Rows: rows, Err: err}
			}
		}
		return activate.Answer{}, err
	}
	a.JobID = id
	for _, r := range sent {
		a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Accepted})
	}
	return a, nil
}

// fieldViolations is Google's list of what is wrong with a request.
type fieldViolations struct {
	Error struct {
		Status  string `json:"status"`
		Message string `json:"message"`
		Details []struct {
			Violations []struct {
				Field       string `json:"field"`
				Description string `json:"description"`
				Reason      string `json:"reason"`
			} `json:"fieldViolations"`
		} `json:"details"`
	} `json:"error"`
}

// violated carries the violations beside the call's error.
type violated struct {
	rows map[int]string
	rest []string
}

func (v *violated) Error() string { return fmt.Sprintf("%d members are refused", len(v.rows)) }

var memberPath = regexp.MustCompile(`^(?:audience_?[mM]embers|events)\[(\d+)\]`)

func violations(body []byte) *violated {
	var f fieldViolations
	if json.Unmarshal(body, &f) != nil {
		return nil
	}
	v := &violated{rows: map[int]string{}}
	for _, d := range f.Error.Details {
		for _, x := range d.Violations {
			text := strings.TrimSpace(x.Description + " (" + x.Reason + ")")
			if m := memberPath.FindStringSubmatch(x.Field); m != nil {
				i, err := strconv.Atoi(m[1])
				if err == nil {
					v.rows[i] = strings.TrimPrefix(v.rows[i]+"; "+text, "; ")
					continue
				}
			}
			v.rest = append(v.rest, x.Field+": "+text)
		}
	}
	return v
}

func refusedRows(h *httpx.Error, sent []activate.Row) map[string]string {
	var v *violated
	if !errors.As(h.Err, &v) || len(v.rest) > 0 {
		return nil
	}
	out := map[string]string{}
	for i, why := range v.rows {
		if i < len(sent) {
			out[sent[i].ID] = why
		}
	}
	return out
}

// call makes one request and gives its id.
func (d *access) call(ctx context.Context, method string, r any, validate bool, repeat httpx.Repeat) (string, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return "", err
	}
	resp, err := d.client.Do(ctx, httpx.Request{Method: http.MethodPost, URL: strings.TrimRight(d.opt.BaseURL, "/") + "/v1/" + method, Body: body.Bytes(),
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}, Repeat: repeat, Judge: judge})
	if err != nil {
		var h *httpx.Error
		if errors.As(err, &h) && resp != nil && h.Status == http.StatusBadRequest {
			if v := violations(resp.Body); v != nil && len(v.rows)+len(v.rest) > 0 {
				if len(v.rest) > 0 {
					// The list, the account or the terms: no row can succeed.
					h.Class, h.Message = httpx.Config, strings.Join(v.rest, "; ")
					h.Hint = "Correct the sync's object or config; every row would be refused"
				} else {
					h.Err = v
				}
			}
		}
		return "", explain(err)
	}
	if validate {
		return "", nil
	}
	var out struct {
		RequestID string `json:"requestId"`
	}
	if err := json.Unmarshal(resp.Body, &out); err != nil {
		return "", fmt.Errorf("google_data_manager: the answer to %s cannot be read, so it is not known whether the batch was taken: %w", method, err)
	}
	if out.RequestID == "" {
		return "", &httpx.Error{Class: httpx.Unknown, Method: http.MethodPost, URL: d.opt.BaseURL + "/v1/" + method, Status: resp.Status, Message: "a success without a request id"}
	}
	return out.RequestID, nil
}

// judge sees errors inside a success.
func judge(r *httpx.Response) httpx.Verdict {
	if r.Status >= 300 || len(r.Body) > 1<<20 {
		return httpx.Verdict{}
	}
	var f fieldViolations
	if json.Unmarshal(r.Body, &f) == nil && f.Error.Status != "" {
		return httpx.Verdict{Class: httpx.Unknown, Message: "a success with an error inside: " + f.Error.Status + ": " + f.Error.Message}
	}
	return httpx.Verdict{}
}

func explain(err error) error {
	var h *httpx.Error
	if errors.As(err, &h) && h.Class == httpx.Auth && h.Status == http.StatusForbidden {
		h.Hint = "Check customer_id and login_customer_id, and that the refresh token has scope https://www.googleapis.com/auth/datamanager"
	}
	return err
}

// count is an int64 as the JSON mapping writes it: in quotes.
type count int

func (c *count) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"`))
	*c = count(n)
	return err
}

// Poll asks how a request went. Google answers in counts by reason, about no row.
func (d *access) Poll(ctx context.Context, id string, rows int) (activate.JobStatus, error) {
	resp, err := d.client.Do(ctx, httpx.Request{URL: strings.TrimRight(d.opt.BaseURL, "/") + "/v1/requestStatus:retrieve", Query: url.Values{"requestId": {id}}, Judge: judge})
	if err != nil {
		return activate.JobStatus{}, explain(err)
	}
	var out struct {
		Statuses []struct {
			Status string `json:"requestStatus"`
			Error  struct {
				Counts []struct {
					Records count  `json:"recordCount"`
					Reason  string `json:"reason"`
				} `json:"errorCounts"`
			} `json:"errorInfo"`
		} `json:"requestStatusPerDestination"`
	}
	if err := json.Unmarshal(resp.Body, &out); err != nil {
		return activate.JobStatus{}, fmt.Errorf("google_data_manager: the status of request %s cannot be read: %w", id, err)
	}
	if len(out.Statuses) != 1 { // one destination was asked for
		return activate.JobStatus{}, fmt.Errorf("google_data_manager: the status of request %s is about %d destinations instead of one", id, len(out.Statuses))
	}
	s := out.Statuses[0]
	lost := 0
	var why []string
	for _, c := range s.Error.Counts {
		if !strings.HasSuffix(c.Reason, "DUPLICATE_TRANSACTION_ID") { // it was told before: a lost answer, and it is there
			lost += int(c.Records)
		}
		why = append(why, fmt.Sprintf("%d %s", c.Records, strings.ToLower(strings.TrimPrefix(c.Reason, "PROCESSING_ERROR_REASON_"))))
	}
	st := activate.JobStatus{Message: strings.Join(why, ", ")}
	taken := max(0, rows-lost)
	switch s.Status {
	case "SUCCESS":
		st.Done, st.Reported = true, &taken
	case "PARTIAL_SUCCESS":
		if lost > 0 || len(why) == 0 {
			taken = min(taken, rows-1) // partial says that some are missing, whatever the counts add up to
		}
		st.Done, st.Reported = true, &taken
	case "FAILED":
		if lost == 0 && len(why) > 0 { // every event of the request was told before
			st.Done, st.Reported = true, &taken
			break
		}
		taken = 0
		st.Done, st.Failed, st.Reported = true, true, &taken
		if st.Message == "" {
			st.Message = "the request failed, and Google gives no reason"
		}
	}
	return st, nil
}
