// Package hubspot is the simulated HubSpot portal: the CRM API v3 and v4 over the twin's state.
//
// Paths, fields, paging, batch envelopes, error bodies and limits are those that HubSpot documents. Where its documents
// leave something open, the choice made here is written in docs/twin.md.
package hubspot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"millrace/internal/twin/store"
	"millrace/internal/twin/wire"
)

// Options configure the portal.
type Options struct {
	Token   string           // the private app's token; Token+"-readonly" may only read, Token+"-expired" has ended
	Enforce bool             // refuse calls beyond the limits; they are counted and told either way
	Max     int              // calls per 10 seconds
	Daily   int              // calls per day
	Now     func() time.Time // for limits only
}

// API answers the portal's calls.
type API struct {
	db     *store.DB
	opt    Options
	ten    *wire.Bucket
	day    *wire.Bucket
	search *wire.Bucket
	calls  atomic.Int64
}

// The parts of the API, one a file or two: records and their search, associations, definitions, lists.
type (
	records struct{ *API }
	links   struct{ *API }
	portal  struct{ *API }
	lists   struct{ *API }
)

// New makes the portal over a state.
func New(db *store.DB, o Options) *API {
	if o.Max == 0 {
		o.Max = 190
	}
	if o.Daily == 0 {
		o.Daily = 650_000
	}
	return &API{
		db: db, opt: o, ten: &wire.Bucket{Max: o.Max, Window: 10 * time.Second}, day: &wire.Bucket{Max: o.Daily, Window: 24 * time.Hour},
		search: &wire.Bucket{Max: 5, Window: time.Second},
	}
}

// Handles says whether a path belongs to this vendor.
func Handles(path string) bool {
	for _, p := range []string{"/crm/", "/oauth/v1/", "/form-integrations/", "/marketing/v3/", "/account-info/", "/communication-preferences/"} {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// reply is an answer on its way out.
type reply struct {
	status int
	body   any // nil: no body
}

// fail is the portal's error body.
type fail struct {
	Status        string              `json:"status"`
	Message       string              `json:"message"`
	CorrelationID string              `json:"correlationId"`
	Category      string              `json:"category"`
	SubCategory   string              `json:"subCategory,omitempty"`
	Context       map[string][]string `json:"context,omitempty"`
	Errors        []detail            `json:"errors,omitempty"`
	Links         map[string]string   `json:"links,omitempty"`
	PolicyName    string              `json:"policyName,omitempty"`
	ErrorType     string              `json:"errorType,omitempty"`
	code          int
}

type detail struct {
	Message     string              `json:"message"`
	Code        string              `json:"code,omitempty"`
	In          string              `json:"in,omitempty"`
	SubCategory string              `json:"subCategory,omitempty"`
	Context     map[string][]string `json:"context,omitempty"`
}

func (f *fail) Error() string { return f.Message }

func refuse(code int, category, format string, args ...any) *fail {
	return &fail{Status: "error", Category: category, Message: fmt.Sprintf(format, args...), code: code}
}

func invalid(format string, args ...any) *fail {
	return refuse(http.StatusBadRequest, "VALIDATION_ERROR", format, args...)
}

func (f *fail) with(d ...detail) *fail { f.Errors = append(f.Errors, d...); return f }

func missing(format string, args ...any) *fail {
	return refuse(http.StatusNotFound, "OBJECT_NOT_FOUND", format, args...)
}

// call is one request with what it needs.
type call struct {
	*http.Request
	q    url.Values
	body []byte
	path []string // without the leading ""
}

// ServeHTTP answers a call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := a.calls.Add(1)
	id := correlation(n)
	rep, err := a.answer(w, r)
	if err != nil {
		f, ok := err.(*fail)
		if !ok {
			f = refuse(http.StatusInternalServerError, "INTERNAL_ERROR", "%v", err)
		}
		f.CorrelationID = id
		wire.JSON(w, f.code, f)
		return
	}
	w.Header().Set("X-HubSpot-Correlation-Id", id)
	if rep.body == nil {
		w.WriteHeader(rep.status)
		return
	}
	wire.JSON(w, rep.status, rep.body)
}

func correlation(n int64) string {
	h := sha256.Sum256([]byte("correlation" + strconv.FormatInt(n, 10)))
	x := hex.EncodeToString(h[:16])
	return x[:8] + "-" + x[8:12] + "-4" + x[13:16] + "-8" + x[17:20] + "-" + x[20:32]
}

func (a *API) answer(w http.ResponseWriter, r *http.Request) (reply, error) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if path[0] == "oauth" {
		return a.oauth(r, path)
	}
	if err := a.authorise(r, path); err != nil {
		return reply{}, err
	}
	if err := a.limit(w, path); err != nil {
		return reply{}, err
	}
	body, err := wire.Body(r)
	if err != nil {
		return reply{}, refuse(http.StatusRequestEntityTooLarge, "VALIDATION_ERROR", "the request body is too large or could not be read")
	}
	if len(body) > 0 && !json.Valid(body) {
		return reply{}, invalid("Invalid input JSON on line 1, column %d: the body is not JSON", len(body))
	}
	return a.route(&call{Request: r, q: r.URL.Query(), body: body, path: path})
}

// authorise checks the token and its scopes.
func (a *API) authorise(r *http.Request, path []string) error {
	token := wire.Bearer(r)
	switch {
	case token == "" && r.Header.Get("Authorization") == "":
		return refuse(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview")
	case token == a.opt.Token+"-expired":
		f := refuse(http.StatusUnauthorized, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired 1 hour(s) ago.")
		f.Context = map[string][]string{"expire time": {"2026-01-01T00:00:00.000Z"}}
		return f
	case token == a.opt.Token, token == a.opt.Token+"-readonly", strings.HasPrefix(token, oauthPrefix):
	default:
		return refuse(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "The access token is invalid. Please check that it is correct and has not been revoked.")
	}
	if scope, write := neededScope(r.Method, path); write && strings.HasSuffix(token, "-readonly") {
		f := refuse(http.StatusForbidden, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: https://developers.hubspot.com/scopes.")
		return f.with(detail{Message: "One or more of the following scopes are required.", Context: map[string][]string{"requiredGranularScopes": {scope}}})
	}
	return nil
}

// neededScope is the scope that a call needs, and whether it is one for writing.
func neededScope(method string, path []string) (scope string, write bool) {
	object, last := "contacts", path[len(path)-1]
	if len(path) > 3 {
		object = path[3]
	}
	write = method != http.MethodGet && last != "search" && last != "read"
	verb := map[bool]string{true: "write", false: "read"}[write]
	switch {
	case len(path) > 2 && path[2] == "properties":
		return "crm.schemas." + object + "." + verb, write
	case len(path) > 2 && path[2] == "lists":
		return "crm.lists." + verb, write
	}
	return "crm.objects." + object + "." + verb, write
}

// limit counts the call, tells the client where it stands, and refuses when it must.
func (a *API) limit(w http.ResponseWriter, path []string) error {
	now := a.opt.Now()
	if path[len(path)-1] == "search" { // search has its own limit and tells no headers
		if _, wait, ok := a.search.Take(now); !ok && a.opt.Enforce {
			return tooMany(w, "SECONDLY", "You have reached your secondly limit.", wait)
		}
		return nil
	}
	daily, dayWait, dayOK := a.day.Take(now)
	left, wait, ok := a.ten.Take(now)
	for k, v := range map[string]int{
		"Daily": a.opt.Daily, "Daily-Remaining": daily, "Max": a.opt.Max, "Remaining": left, "Interval-Milliseconds": 10_000,
		"Secondly": a.opt.Max / 10, "Secondly-Remaining": min(a.opt.Max/10, left),
	} {
		w.Header().Set("X-HubSpot-RateLimit-"+k, strconv.Itoa(v))
	}
	switch {
	case !a.opt.Enforce:
	case !dayOK:
		return tooMany(w, "DAILY", "You have reached your daily limit.", dayWait)
	case !ok:
		return tooMany(w, "TEN_SECONDLY_ROLLING", "You have reached your ten_secondly_rolling limit.", wait)
	}
	return nil
}

func tooMany(w http.ResponseWriter, policy, message string, wait time.Duration) *fail {
	w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	f := refuse(http.StatusTooManyRequests, "RATE_LIMITS", "%s", message)
	f.PolicyName, f.ErrorType = policy, "RATE_LIMIT"
	return f
}

// Throttled is the body of a 429, for faults on request.
func Throttled() any {
	f := refuse(http.StatusTooManyRequests, "RATE_LIMITS", "You have reached your ten_secondly_rolling limit.")
	f.PolicyName, f.ErrorType, f.CorrelationID = "TEN_SECONDLY_ROLLING", "RATE_LIMIT", correlation(0)
	return f
}

// Broken is the body of a 5xx, for faults on request.
func Broken() any {
	f := refuse(http.StatusInternalServerError, "INTERNAL_ERROR", "internal error")
	f.CorrelationID = correlation(0)
	return f
}

// Expired is the body of a 401, for faults on request.
func Expired() any {
	f := refuse(http.StatusUnauthorized, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired 5 second(s) ago.")
	f.CorrelationID = correlation(0)
	return f
}

// route finds the endpoint: /crm/v3/objects/..., /crm/v4/..., and the date-versioned spelling /crm/objects/2026-03/...
func (a *API) route(c *call) (reply, error) {
	p := c.path
	if p[0] == "crm" && len(p) > 2 && strings.HasPrefix(p[2], "2026-") {
		p = append([]string{"crm", map[bool]string{true: "v4", false: "v3"}[p[1] == "associations"], p[1]}, p[3:]...)
	}
	if len(p) < 3 {
		return reply{}, noRoute(c)
	}
	c.path = p
	switch p[0] + "/" + p[1] + "/" + p[2] {
	case "crm/v3/objects":
		return records{a}.objects(c)
	case "crm/v4/objects", "crm/v4/associations", "crm/associations/v4":
		return links{a}.associations(c)
	case "crm/v3/properties":
		return portal{a}.properties(c)
	case "crm/v3/pipelines":
		return portal{a}.pipelines(c)
	case "crm/v3/owners":
		return portal{a}.owners(c)
	case "crm/v3/lists":
		return lists{a}.answer(c)
	case "marketing/v3/forms", "form-integrations/v1/submissions":
		return portal{a}.forms(c)
	case "account-info/v3/details":
		return reply{http.StatusOK, map[string]any{
			"portalId": 4815162, "accountType": "DEVELOPER_TEST", "timeZone": "Etc/UTC", "companyCurrency": "USD", "additionalCurrencies": []string{"EUR"},
			"utcOffset": "+00:00", "utcOffsetMilliseconds": 0, "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1",
		}}, nil
	}
	return reply{}, noRoute(c)
}

func noRoute(c *call) error {
	return refuse(http.StatusNotFound, "OBJECT_NOT_FOUND", "No route matches %s %s (the twin serves a part of the API: see docs/twin.md)", c.Method, c.URL.Path)
}

func (a *API) update(c *call, fn func(tx *store.Tx) error) error {
	return a.db.Update(store.Meta{Vendor: "hubspot", Request: c.Method + " " + c.URL.Path}, fn)
}

// decode reads a JSON body, strictly enough that a misspelt envelope does not pass for an empty one.
func decode(c *call, into any) error {
	if len(c.body) == 0 {
		return invalid("Invalid input JSON: the request has no body")
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return invalid("Invalid input JSON: %v", err)
	}
	return nil
}

func atoi(s string, def, top int, name string) (int, error) {
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, invalid("Invalid query parameter: %s must be a whole number, not %q", name, s)
	}
	if n > top {
		return 0, invalid("Invalid query parameter: %s must be at most %d", name, top)
	}
	return n, nil
}
