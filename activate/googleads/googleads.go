// Package googleads is the destination Google Ads: status and daily budget of campaigns, by one mutate for a batch with
// partial failure, so that a refused campaign leaves the others alone. Campaigns can be read, so a change of money has its
// earlier value and is taken back exactly. Budgets that campaigns share are refused: changing one changes others.
//
// Source: the published protos google.ads.googleads with their JSON mapping. People and conversions go through the Data
// Manager (activate/googledm); the Ads API takes no new users of those since 2026.
package googleads

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/campaign"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/money"
	"millrace/internal/secret"
	"millrace/internal/vendorapi"
)

// Options is what `config:` holds.
type Options struct {
	Customer       string        `yaml:"customer_id" required:"true" doc:"the account that owns the campaigns, digits only" example:"1234567890"`
	Login          string        `yaml:"login_customer_id" doc:"the manager account by which it is reached, if any"`
	DeveloperToken secret.String `yaml:"developer_token" required:"true" doc:"of the manager account, with basic or standard access"`
	ClientID       string        `yaml:"client_id" required:"true" doc:"OAuth client"`
	ClientSecret   secret.String `yaml:"client_secret" required:"true"`
	RefreshToken   secret.String `yaml:"refresh_token" required:"true" doc:"with scope https://www.googleapis.com/auth/adwords"`
	Version        string        `yaml:"version" default:"v25" doc:"version of the API; each lives about a year"`
	Currency       string        `yaml:"currency" doc:"currency of the budgets that are written; refused when the account spends in another" example:"USD"`
	BaseURL        string        `yaml:"base_url" default:"https://googleads.googleapis.com"`
	TokenURL       string        `yaml:"token_url" default:"https://oauth2.googleapis.com/token"`
	Private        bool          `yaml:"allow_private" doc:"allow a private or loopback address (simulators)"`
}

// Connector is the catalog's entry.
func Connector() activate.Connector {
	return activate.Connector{Name: "google_ads", Summary: "Google Ads: status and daily budget; object: campaigns", Options: func() any { return &Options{} }, Open: open}
}

// Limits of the API and names of the project.
const (
	maxCampaigns = 1000 // of one batch, two operations each; the API takes 10,000
	object       = "campaigns"
	budgetField  = "daily_budget"
)

var budgetNames = []string{budgetField}

type destination struct {
	opt      Options
	api      *vendorapi.API
	currency string // of the account, once it is known
}

var (
	digits      = regexp.MustCompile(`^[0-9]{5,20}$`)
	versionForm = regexp.MustCompile(`^v[1-9]\d$`)
)

func open(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*Options)
	if !ok {
		return nil, fmt.Errorf("google_ads: options are %T", p.Options)
	}
	for key, id := range map[string]string{"config.customer_id": o.Customer, "config.login_customer_id": o.Login} {
		if id != "" && !digits.MatchString(id) {
			return nil, &fault.Error{Key: key, Value: id, Msg: "not an account's id", Hint: "Write the digits without hyphens."}
		}
	}
	if !versionForm.MatchString(o.Version) {
		return nil, &fault.Error{Key: "config.version", Value: o.Version, Msg: "not a version of the API", Hint: "Write it as v25."}
	}
	api, err := vendorapi.Address("config.base_url", o.BaseURL, "https://googleads.googleapis.com")
	if err != nil {
		return nil, err
	}
	tok, err := vendorapi.Address("config.token_url", o.TokenURL, "https://oauth2.googleapis.com/token")
	if err != nil {
		return nil, err
	}
	common := httpx.Options{Name: p.Sync, AllowPrivate: o.Private, Log: p.Log, Now: p.Now, Sleep: p.Sleep, Rand: p.Rand, Redactor: httpx.NewRedactor()}
	tokens := common
	tokens.Hosts = []string{tok.Host}
	tc, err := httpx.New(tokens)
	if err != nil {
		return nil, fault.Wrap(err, "google_ads")
	}
	if common.Budget, err = p.Budgets.For("google_ads "+o.Customer, httpx.Policy{Name: "calls a second", Limit: 5, Per: time.Second}); err != nil {
		return nil, err
	}
	common.Hosts, common.Secrets = []string{api.Host}, []secret.String{o.DeveloperToken}
	common.Header = http.Header{"Developer-Token": {o.DeveloperToken.Reveal()}}
	if o.Login != "" {
		common.Header.Set("Login-Customer-Id", o.Login)
	}
	common.Auth = httpx.NewOAuth2(httpx.OAuth2Config{Client: tc, TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecret: o.ClientSecret, RefreshToken: o.RefreshToken})
	c, err := httpx.New(common)
	if err != nil {
		return nil, fault.Wrap(err, "google_ads")
	}
	return &destination{opt: *o, api: &vendorapi.API{Name: "google_ads", Base: vendorapi.Trim(o.BaseURL) + "/" + o.Version + "/customers/" + o.Customer, Client: c, Judge: judge}}, nil
}

func (d *destination) Close() error { d.api.Client.Close(); return nil }

// Capabilities declares changes of what is there, with an answer about each campaign and the values before.
func (d *destination) Capabilities(o string) (activate.Capabilities, error) {
	if o != object {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: o, Msg: "nothing that spends", Hint: "Write campaigns. People and conversions go to google_data_manager and google_conversions."}
	}
	return activate.Capabilities{Account: d.opt.Customer, Ops: []activate.Op{activate.Update}, MaxBatch: maxCampaigns, PerRow: true, Repeat: true, Undo: activate.UndoExact, PerSecond: 5}, nil
}

// row is one campaign as a search gives it.
type row struct {
	Customer struct {
		Currency string `json:"currencyCode"`
	} `json:"customer"`
	Campaign struct {
		ID     json.RawMessage `json:"id"`
		Name   string          `json:"resourceName"`
		Status string          `json:"status"`
	} `json:"campaign"`
	Budget struct {
		Name   string          `json:"resourceName"`
		Micros json.RawMessage `json:"amountMicros"`
		Shared bool            `json:"explicitlyShared"`
	} `json:"campaignBudget"`
}

// search runs a query; what does not name its fields is no answer to one.
func (d *destination) search(ctx context.Context, query string) ([]row, error) {
	var out []row
	token := ""
	for {
		body := map[string]string{"query": query}
		if token != "" {
			body["pageToken"] = token
		}
		var page struct {
			Results   []row  `json:"results"`
			Next      string `json:"nextPageToken"`
			FieldMask string `json:"fieldMask"`
		}
		if _, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodPost, Path: "/googleAds:search", Body: body, Repeat: httpx.RepeatSafe}, &page); err != nil {
			return nil, explain(err)
		}
		if page.FieldMask == "" {
			return nil, &httpx.Error{Class: httpx.Transient, Method: http.MethodPost, URL: d.api.Base + "/googleAds:search", Message: "a success without the answer to the query"}
		}
		out = append(out, page.Results...)
		if token = page.Next; token == "" {
			return out, nil
		}
	}
}

func (d *destination) define(ctx context.Context) error {
	if d.currency != "" {
		return nil
	}
	rows, err := d.search(ctx, "SELECT customer.id, customer.currency_code FROM customer")
	if err != nil {
		return err
	}
	if len(rows) != 1 || len(rows[0].Customer.Currency) != 3 {
		return fmt.Errorf("google_ads: account %s does not tell its currency, so no budget can be counted", d.opt.Customer)
	}
	d.currency = rows[0].Customer.Currency
	return nil
}

// Check refuses a target that is no status and budget, and budgets of another currency; then it has Google validate a
// change that changes nothing, which shows whether the developer token and the user may write.
func (d *destination) Check(ctx context.Context, t activate.Target) error {
	if err := campaign.Check(t.Key, t.Fields, budgetNames, "campaign"); err != nil {
		return err
	}
	if err := d.define(ctx); err != nil {
		return err
	}
	if err := campaign.Currency(t.Fields, budgetNames, d.opt.Currency, d.currency); err != nil {
		return err
	}
	rows, err := d.search(ctx, "SELECT campaign.id, campaign.status FROM campaign WHERE campaign.status IN ('ENABLED', 'PAUSED') LIMIT 1")
	if err != nil || len(rows) == 0 {
		return err
	}
	c := rows[0].Campaign
	_, err = d.mutate(ctx, []operation{{Campaign: &change{"status", map[string]string{"resourceName": c.Name, "status": c.Status}}}}, true)
	return err
}

// change is one update of a resource; the mask names the fields that it sets.
type change struct {
	Mask   string            `json:"updateMask"`
	Update map[string]string `json:"update"`
}

type operation struct {
	Campaign *change `json:"campaignOperation,omitempty"`
	Budget   *change `json:"campaignBudgetOperation,omitempty"`
}

// answer is a mutate's: a result for each operation in its order, empty where it failed, and the failures beside them.
type answer struct {
	Responses []map[string]json.RawMessage `json:"mutateOperationResponses"`
	Partial   *struct {
		Message string    `json:"message"`
		Details []failure `json:"details"`
	} `json:"partialFailureError"`
}

type failure struct {
	Errors []struct {
		Code     map[string]string `json:"errorCode"`
		Message  string            `json:"message"`
		Location struct {
			Path []struct {
				Field string `json:"fieldName"`
				Index *int   `json:"index"`
			} `json:"fieldPathElements"`
		} `json:"location"`
	} `json:"errors"`
}

func (d *destination) mutate(ctx context.Context, ops []operation, validate bool) (answer, error) {
	body := map[string]any{"mutateOperations": ops, "partialFailure": !validate}
	repeat := httpx.RepeatNever
	if validate {
		body["validateOnly"], repeat = true, httpx.RepeatSafe
	}
	var out answer
	resp, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodPost, Path: "/googleAds:mutate", Body: body, Repeat: repeat}, &out)
	if err != nil {
		return out, explain(err)
	}
	if !validate && len(out.Responses) != len(ops) {
		return out, &httpx.Error{Class: httpx.Unknown, Method: http.MethodPost, URL: d.api.Base + "/googleAds:mutate", Status: resp.Status, Message: fmt.Sprintf("%d results came back for %d operations", len(out.Responses), len(ops))}
	}
	return out, nil
}

// Send changes a batch of campaigns. A campaign with status and budget has two operations, which stand alone: when one of
// them is refused, its row is refused and says which part was written.
func (d *destination) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Update {
		return activate.Answer{}, fmt.Errorf("google_ads cannot %s", b.Op)
	}
	if err := d.define(ctx); err != nil {
		return activate.Answer{}, err
	}
	known, err := d.campaigns(ctx, b.Rows)
	if err != nil {
		return activate.Answer{}, err
	}
	exponent := money.Exponent(d.currency)
	var a activate.Answer
	var ops []operation
	var owner []int // of each operation: index of its row
	for i, r := range b.Rows {
		refuse := func(class, why string) {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: class, Message: why})
		}
		x, there := known[r.Key]
		if !there {
			refuse("missing", "account "+d.opt.Customer+" has no campaign with this id")
			continue
		}
		c, err := campaign.Parse(r.Values, exponent)
		if err != nil {
			refuse("row", err.Error())
			continue
		}
		n, paid := c.Budgets[budgetField]
		if paid && x.Budget.Shared {
			refuse("row", "its budget is shared with other campaigns, which would change with it: give the campaign a budget of its own")
			continue
		}
		if paid {
			micros := n
			for range money.Micros - exponent {
				micros *= 10
			}
			ops, owner = append(ops, operation{Budget: &change{"amountMicros", map[string]string{"resourceName": x.Budget.Name, "amountMicros": strconv.FormatInt(micros, 10)}}}), append(owner, i)
		}
		if c.Status != "" {
			status := map[string]string{campaign.Active: "ENABLED", campaign.Paused: "PAUSED"}[c.Status]
			ops, owner = append(ops, operation{Campaign: &change{"status", map[string]string{"resourceName": x.Campaign.Name, "status": status}}}), append(owner, i)
		}
		if !paid && c.Status == "" {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Acked, RemoteID: r.Key, Message: "nothing to change"})
		}
	}
	if len(ops) == 0 {
		return a, nil
	}
	out, err := d.mutate(ctx, ops, false)
	if err != nil {
		return activate.Answer{}, err
	}
	results, err := attribute(b.Rows, ops, owner, out)
	a.Results = append(a.Results, results...)
	return a, err
}

// passing are refusals of an operation that a later try may not meet; nothing of it was written.
var passing = map[string]bool{"CONCURRENT_MODIFICATION": true, "TRANSIENT_ERROR": true, "INTERNAL_ERROR": true, "DEADLINE_EXCEEDED": true, "RESOURCE_TEMPORARILY_EXHAUSTED": true}

// attribute gives each row the results of its operations.
func attribute(rows []activate.Row, ops []operation, owner []int, out answer) ([]activate.Result, error) {
	type refused struct {
		why   string
		later bool
	}
	bad := map[int]refused{} // by operation
	if out.Partial != nil {
		for _, f := range out.Partial.Details {
			for _, e := range f.Errors {
				for _, p := range e.Location.Path {
					if p.Index != nil && (p.Field == "mutate_operations" || p.Field == "operations") {
						x := refused{why: e.Message}
						for _, code := range e.Code {
							x.why, x.later = code+": "+e.Message, passing[code]
						}
						bad[*p.Index] = x
						break
					}
				}
			}
		}
	}
	byRow := map[int][]int{}
	var order []int
	for i, r := range owner {
		if byRow[r] == nil {
			order = append(order, r)
		}
		byRow[r] = append(byRow[r], i)
	}
	var results []activate.Result
	for _, n := range order {
		res := activate.Result{ID: rows[n].ID, Status: activate.Acked, RemoteID: rows[n].Key}
		var written, why []string
		for _, i := range byRow[n] {
			what := "budget"
			if ops[i].Campaign != nil {
				what = "status"
			}
			x, isBad := bad[i]
			switch {
			case isBad && x.later:
				res.Status, why = activate.Retry, append(why, what+": "+x.why)
			case isBad:
				res.Status, res.Class, why = activate.Rejected, "row", append(why, what+": "+x.why)
			case len(out.Responses[i]) == 0:
				// Neither a result nor an error: what became of it is not known, whatever the other half says.
				res.Status, why = activate.Unknown, append(why, what+": the answer is empty")
			default:
				written = append(written, what)
			}
		}
		if len(why) > 0 {
			res.Message = strings.Join(why, "; ")
			if len(written) > 0 {
				res.Message += "; " + strings.Join(written, " and ") + " was written"
			}
		}
		results = append(results, res)
	}
	return results, nil
}

// campaigns reads the rows' campaigns that are there, by id.
func (d *destination) campaigns(ctx context.Context, rows []activate.Row) (map[string]row, error) {
	var ids []string
	for _, r := range rows {
		if digits.MatchString(r.Key) {
			ids = append(ids, r.Key)
		}
	}
	out := map[string]row{}
	if len(ids) == 0 {
		return out, nil
	}
	found, err := d.search(ctx, "SELECT campaign.id, campaign.status, campaign.campaign_budget, campaign_budget.amount_micros, campaign_budget.explicitly_shared FROM campaign WHERE campaign.id IN ("+strings.Join(ids, ", ")+")")
	if err != nil {
		return nil, err
	}
	for _, x := range found {
		if x.Campaign.Status != "REMOVED" {
			out[canon.Text(x.Campaign.ID)] = x
		}
	}
	return out, nil
}

// Read gives status and daily budget of campaigns.
func (d *destination) Read(ctx context.Context, _ activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	known, err := d.campaigns(ctx, rows)
	if err != nil {
		return nil, err
	}
	out := make(map[string]activate.Record, len(rows))
	for _, r := range rows {
		x, there := known[r.Key]
		if !there {
			out[r.ID] = activate.Record{}
			continue
		}
		rec := activate.Record{Exists: true, RemoteID: r.Key, Values: map[string]json.RawMessage{}}
		switch x.Campaign.Status {
		case "ENABLED":
			rec.Values[campaign.StatusField] = campaign.Text(campaign.Active)
		default:
			rec.Values[campaign.StatusField] = campaign.Text(strings.ToLower(x.Campaign.Status))
		}
		if n, err := strconv.ParseInt(canon.Text(x.Budget.Micros), 10, 64); err == nil && n > 0 {
			rec.Values[budgetField] = json.RawMessage(money.Amount(n, money.Micros))
		}
		out[r.ID] = rec
	}
	return out, nil
}

// Same compares statuses and amounts.
func (d *destination) Same(ours, theirs json.RawMessage) bool { return campaign.Same(ours, theirs) }

// judge sees errors inside a success, versions that have ended, and refusals that every row would meet.
func judge(r *httpx.Response) httpx.Verdict {
	if len(r.Body) == 0 || len(r.Body) > 1<<20 {
		return httpx.Verdict{}
	}
	var e struct {
		Error *struct {
			Status  string    `json:"status"`
			Message string    `json:"message"`
			Details []failure `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(r.Body, &e) != nil || e.Error == nil {
		if r.Status == http.StatusNotFound {
			return httpx.Verdict{Class: httpx.Config, Hint: "The version has ended, or the address is wrong: write a newer one into config.version."}
		}
		return httpx.Verdict{}
	}
	if r.Status < 300 {
		return httpx.Verdict{Class: httpx.Unknown, Message: "a success with an error inside: " + e.Error.Status + ": " + e.Error.Message}
	}
	for _, f := range e.Error.Details {
		for _, x := range f.Errors {
			for kind, code := range x.Code {
				v := httpx.Verdict{Message: code + ": " + x.Message}
				switch {
				case kind == "authenticationError" || kind == "authorizationError" || strings.HasPrefix(code, "DEVELOPER_TOKEN"):
					v.Class = httpx.Auth
					return v
				case kind == "quotaError":
					v.Class = httpx.Rate
					return v
				case kind == "requestError" && code == "UNSUPPORTED_VERSION":
					v.Class, v.Hint = httpx.Config, "The version has ended: write a newer one into config.version."
					return v
				}
			}
		}
	}
	if r.Status == http.StatusNotFound {
		return httpx.Verdict{Class: httpx.Config, Hint: "The version has ended, or the address is wrong: write a newer one into config.version."}
	}
	return httpx.Verdict{}
}

func explain(err error) error {
	var h *httpx.Error
	if !errors.As(err, &h) || h.Class != httpx.Auth {
		return err
	}
	switch {
	case strings.Contains(h.Message, "DEVELOPER_TOKEN"):
		h.Hint = "Check config.developer_token; a token with test access reaches test accounts only."
	case strings.Contains(h.Message, "USER_PERMISSION_DENIED"), strings.Contains(h.Message, "ACTION_NOT_PERMITTED"):
		h.Hint = "Check customer_id and login_customer_id, and that the user who authorised the client has standard access to the account."
	default:
		h.Hint = "Check client_id, client_secret and refresh_token, and that it has scope https://www.googleapis.com/auth/adwords."
	}
	return err
}
