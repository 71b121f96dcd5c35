// Package linkedin is the simulated LinkedIn Marketing API: DMP segments of users and companies, conversion events, and
// status and budgets of campaigns over the twin's state. The campaigns are those of the market.
//
// Paths and fields follow the published collections; statuses inside a success, a refused batch that names its index and
// the end of versions follow the project's notes on the vendor.
package linkedin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"millrace/internal/money"
	"millrace/internal/twin/store"
	"millrace/internal/twin/wire"
)

// Options configure the application.
type Options struct {
	Token   string
	Account string // the one ad account
	Enforce bool   // refuse calls beyond the limit of a minute
	Now     func() time.Time
}

// Versions that are served; older ones have ended.
const (
	oldest = 202512
	newest = 202611
)

// API answers the application's calls.
type API struct {
	db     *store.DB
	opt    Options
	minute *wire.Bucket

	mu   sync.Mutex
	seen map[string]int // calls to a segment since the process started
}

// New makes the vendor over a state.
func New(db *store.DB, o Options) *API {
	return &API{db: db, opt: o, seen: map[string]int{}, minute: &wire.Bucket{Max: 600, Window: time.Minute}}
}

// Handles says whether a path belongs to this vendor.
func Handles(path string) bool { return strings.HasPrefix(path, "/rest/") }

// problem is LinkedIn's error.
type problem struct {
	Status  int    `json:"status"`
	Service int    `json:"serviceErrorCode,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

func (p *problem) Error() string { return p.Message }

func refuse(status int, code, format string, args ...any) *problem {
	return &problem{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// bare is an answer without a body.
type bare struct {
	status int
	id     string
}

// ServeHTTP answers a call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Li-Uuid", "AAYTwin0000000000000")
	w.Header().Set("X-Restli-Protocol-Version", "2.0.0")
	out, err := a.answer(r)
	if err != nil {
		p, ok := err.(*problem)
		if !ok {
			p = refuse(http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "%v", err)
		}
		wire.JSON(w, p.Status, p)
		return
	}
	if b, ok := out.(bare); ok {
		if b.id != "" {
			w.Header().Set("X-Restli-Id", b.id)
		}
		w.WriteHeader(b.status)
		return
	}
	wire.JSON(w, http.StatusOK, out)
}

var campaignPath = regexp.MustCompile(`^adAccounts/(\d+)(?:/adCampaigns/(\d+))?$`)
var segmentPath = regexp.MustCompile(`^dmpSegments/(\d+)(?:/(users|companies))?$`)

func (a *API) answer(r *http.Request) (any, error) {
	token := wire.Bearer(r)
	if strings.TrimSuffix(token, "-noscope") != a.opt.Token {
		return nil, expired()
	}
	version, err := strconv.Atoi(r.Header.Get("LinkedIn-Version"))
	switch {
	case r.Header.Get("LinkedIn-Version") == "":
		return nil, refuse(http.StatusBadRequest, "VERSION_MISSING", "A version must be present. Please specify a version by adding the LinkedIn-Version header.")
	case err != nil || version < oldest || version > newest:
		return nil, refuse(http.StatusUpgradeRequired, "NONEXISTENT_VERSION", "Requested version %s01 is not active", r.Header.Get("LinkedIn-Version"))
	case r.Header.Get("X-Restli-Protocol-Version") != "2.0.0":
		return nil, refuse(http.StatusBadRequest, "ILLEGAL_ARGUMENT", "The protocol version 2.0.0 is needed")
	}
	path := strings.TrimPrefix(r.URL.Path, "/rest/")
	if strings.HasSuffix(token, "-noscope") {
		return nil, refuse(http.StatusForbidden, "ACCESS_DENIED", "Not enough permissions to access: %s.%s", strings.Split(path, "/")[0], r.Method)
	}
	if _, _, ok := a.minute.Take(a.opt.Now()); !ok && a.opt.Enforce {
		return nil, tooMany()
	}
	body, err := wire.Body(r)
	if err != nil {
		return nil, refuse(http.StatusRequestEntityTooLarge, "REQUEST_TOO_LARGE", "The request is too large")
	}
	if m := campaignPath.FindStringSubmatch(path); m != nil {
		if m[1] != a.opt.Account {
			return nil, refuse(http.StatusForbidden, "ACCESS_DENIED", "Not enough permissions to access account %s", m[1])
		}
		switch {
		case m[2] == "" && r.Method == http.MethodGet:
			return map[string]any{"id": json.Number(a.opt.Account), "name": "Millstone", "currency": "USD", "status": "ACTIVE", "test": false}, nil
		case m[2] != "" && r.Method == http.MethodGet:
			return a.campaign(m[2])
		case m[2] != "" && r.Method == http.MethodPost && r.Header.Get("X-Restli-Method") == "PARTIAL_UPDATE":
			return a.patch(r, m[2], body)
		}
	}
	if m := segmentPath.FindStringSubmatch(path); m != nil {
		switch {
		case m[2] == "" && r.Method == http.MethodGet:
			return a.segment(m[1])
		case m[2] != "" && r.Method == http.MethodPost && r.Header.Get("X-Restli-Method") == "BATCH_CREATE":
			return a.stream(r, m[1], m[2], body)
		}
	}
	switch {
	case path == "dmpSegments" && r.Method == http.MethodPost:
		return a.newSegment(r, body)
	case path == "conversionEvents" && r.Method == http.MethodPost && r.Header.Get("X-Restli-Method") == "BATCH_CREATE":
		return a.events(r, body)
	case strings.HasPrefix(path, "conversions/") && r.Method == http.MethodGet:
		return a.rule(strings.TrimPrefix(path, "conversions/"))
	}
	return nil, refuse(http.StatusNotFound, "RESOURCE_NOT_FOUND", "No virtual resource found")
}

func decode(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return refuse(http.StatusBadRequest, "MALFORMED_REQUEST", "%v", err)
	}
	return nil
}

func (a *API) meta(r *http.Request) store.Meta {
	return store.Meta{Vendor: "linkedin", Request: r.Method + " " + r.URL.Path}
}

// budgetOf is an amount as LinkedIn writes it: text with two decimals and the currency.
func budgetOf(micros int64) any {
	s := money.Amount(micros, money.Micros)
	if !strings.Contains(s, ".") {
		s += ".00"
	} else if len(s)-strings.Index(s, ".") == 2 {
		s += "0"
	}
	return map[string]string{"amount": s, "currencyCode": "USD"}
}

func find(s *store.State, id string) *store.Campaign {
	for i := range s.Ads.Campaigns {
		if c := &s.Ads.Campaigns[i]; c.Platform == "linkedin" && strconv.FormatInt(c.ID, 10) == id {
			return c
		}
	}
	return nil
}

func (a *API) campaign(id string) (any, error) {
	var out any
	a.db.View(func(s *store.State) {
		if c := find(s, id); c != nil {
			out = map[string]any{"id": c.ID, "name": c.Name, "account": "urn:li:sponsoredAccount:" + a.opt.Account, "status": map[bool]string{true: "ACTIVE", false: "PAUSED"}[c.Status == "ENABLED"],
				"type": "SPONSORED_UPDATES", "objectiveType": "WEBSITE_VISITS", "dailyBudget": budgetOf(c.Budget)}
		}
	})
	if out == nil {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "Could not find entity")
	}
	return out, nil
}

// patch is a partial update; LinkedIn answers it with 204 and nothing else.
func (a *API) patch(r *http.Request, id string, body []byte) (any, error) {
	var in struct {
		Patch struct {
			Set map[string]json.RawMessage `json:"$set"`
		} `json:"patch"`
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for k, v := range in.Patch.Set {
		switch k {
		case "status":
			var s string
			if json.Unmarshal(v, &s) != nil || !slices.Contains([]string{"ACTIVE", "PAUSED", "ARCHIVED"}, s) {
				return nil, refuse(http.StatusBadRequest, "ILLEGAL_ARGUMENT", "/status :: %s is not a valid value", v)
			}
			fields["status"] = map[string]string{"ACTIVE": "ENABLED", "PAUSED": "PAUSED", "ARCHIVED": "REMOVED"}[s]
		case "dailyBudget":
			var b struct{ Amount, CurrencyCode string }
			if json.Unmarshal(v, &b) != nil || b.CurrencyCode != "USD" {
				return nil, refuse(http.StatusBadRequest, "ILLEGAL_ARGUMENT", "/dailyBudget :: the currency must be the account's, USD")
			}
			micros, err := money.Units(b.Amount, money.Micros)
			if err != nil || micros < 10_000_000 {
				return nil, refuse(http.StatusBadRequest, "ILLEGAL_ARGUMENT", "/dailyBudget :: %s is below the least daily budget of 10.00 USD", b.Amount)
			}
			fields["budget_micros"] = strconv.FormatInt(micros, 10)
		default:
			return nil, refuse(http.StatusBadRequest, "ILLEGAL_ARGUMENT", "/%s :: unrecognized field found but not allowed", k)
		}
	}
	err := a.db.Update(a.meta(r), func(tx *store.Tx) error {
		if find(tx.State(), id) == nil {
			return refuse(http.StatusNotFound, "NOT_FOUND", "Could not find entity")
		}
		return tx.Commit(store.Effect{Kind: "ads.campaign", Object: "linkedin.campaign", ID: id, Fields: fields})
	})
	return bare{status: http.StatusNoContent}, err
}

func expired() *problem {
	return &problem{Status: http.StatusUnauthorized, Service: 65601, Code: "REVOKED_ACCESS_TOKEN", Message: "The token used in the request has been revoked by the user"}
}

func tooMany() *problem {
	return &problem{Status: http.StatusTooManyRequests, Service: 101, Code: "TOO_MANY_REQUESTS", Message: "Resource level throttle limit for calls to this resource is reached."}
}

// Throttled is the body of a 429, for faults on request.
func Throttled() any { return tooMany() }

// Broken is the body of a 5xx, for faults on request.
func Broken() any {
	return refuse(http.StatusInternalServerError, "INTERNAL_SERVER_ERROR", "Internal Server Error")
}

// Expired is the body of a 401, for faults on request.
func Expired() any { return expired() }
