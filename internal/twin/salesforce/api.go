// Package salesforce is the simulated Salesforce org: OAuth, describe, SOQL enough to read records by key, sObject
// collections and Bulk 2.0 ingest over the twin's state.
//
// Shapes follow the project's notes on the vendor. What those leave open is served in the documented form: errors are
// arrays, collections answer 200 with an outcome for each record in order, a job's results are not in order.
package salesforce

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"millrace/internal/twin/store"
	"millrace/internal/twin/wire"
)

// Options configure the org.
type Options struct {
	ClientID, ClientSecret string
	Enforce                bool             // refuse calls beyond the org's daily limit
	Now                    func() time.Time // for the life of sessions
}

// Limits of the org.
const (
	dailyCalls = 100_000
	lifetime   = 2 * time.Hour // of a session; the answer does not tell it
	oldest     = 60
	newest     = 68
)

// API answers the org's calls.
type API struct {
	db    *store.DB
	opt   Options
	calls atomic.Int64

	mu    sync.Mutex
	polls map[string]int // by job, since the process started
}

// New makes the vendor over a state.
func New(db *store.DB, o Options) *API { return &API{db: db, opt: o, polls: map[string]int{}} }

// Handles says whether a path belongs to this vendor.
func Handles(path string) bool { return strings.HasPrefix(path, "/services/") }

// problem is one element of Salesforce's error array.
type problem struct {
	HTTP    int      `json:"-"`
	Message string   `json:"message"`
	Code    string   `json:"errorCode"`
	Fields  []string `json:"fields,omitempty"`
}

func (p *problem) Error() string { return p.Code + ": " + p.Message }

func refuse(status int, code, format string, args ...any) *problem {
	return &problem{HTTP: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// call is one authorised request below /services/data/vNN.0/.
type call struct {
	*http.Request
	path string // after the version
	body []byte
	base string // /services/data/vNN.0
}

// csvBody is an answer that is not JSON.
type csvBody string

// created is an answer without a body.
type empty int

// ServeHTTP answers a call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/services/oauth2/token" {
		a.token(w, r)
		return
	}
	if r.URL.Path == "/services/data" || r.URL.Path == "/services/data/" {
		var out []map[string]string
		for v := oldest; v <= newest; v++ {
			out = append(out, map[string]string{"label": "Release " + strconv.Itoa(v), "url": fmt.Sprintf("/services/data/v%d.0", v), "version": fmt.Sprintf("%d.0", v)})
		}
		wire.JSON(w, http.StatusOK, out)
		return
	}
	used := a.calls.Add(1)
	w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", min(used, dailyCalls), dailyCalls))
	out, err := a.answer(r, used)
	if err != nil {
		p, ok := err.(*problem)
		if !ok {
			p = refuse(http.StatusInternalServerError, "UNKNOWN_EXCEPTION", "%v", err)
		}
		wire.JSON(w, p.HTTP, []*problem{p})
		return
	}
	switch x := out.(type) {
	case empty:
		w.WriteHeader(int(x))
	case csvBody:
		w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
		w.Write([]byte(x))
	default:
		wire.JSON(w, http.StatusOK, x)
	}
}

var versioned = regexp.MustCompile(`^/services/data/v(\d+)\.0/(.*)$`)

func (a *API) answer(r *http.Request, used int64) (any, error) {
	if err := a.authorise(wire.Bearer(r)); err != nil {
		return nil, err
	}
	m := versioned.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
	if v, err := strconv.Atoi(m[1]); err != nil || v < oldest || v > newest {
		return nil, refuse(http.StatusBadRequest, "UNSUPPORTED_API_VERSION", "API version %s.0 is not supported", m[1])
	}
	if a.opt.Enforce && used > dailyCalls {
		return nil, refuse(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	}
	body, err := wire.Body(r)
	if err != nil {
		return nil, refuse(http.StatusRequestEntityTooLarge, "REQUEST_TOO_LARGE", "The request is too large")
	}
	c := &call{Request: r, path: strings.TrimSuffix(m[2], "/"), body: body, base: "/services/data/v" + m[1] + ".0"}
	parts := strings.Split(c.path, "/")
	switch {
	case parts[0] == "limits" && r.Method == http.MethodGet:
		return map[string]any{"DailyApiRequests": map[string]int64{"Max": dailyCalls, "Remaining": max(0, dailyCalls-used)}}, nil
	case parts[0] == "query" && len(parts) <= 2 && r.Method == http.MethodGet:
		return a.query(c, parts[1:])
	case len(parts) == 3 && parts[0] == "sobjects" && parts[2] == "describe" && r.Method == http.MethodGet:
		o, err := findObject(parts[1], http.StatusNotFound)
		if err != nil {
			return nil, err
		}
		return o.describe(c.base), nil
	case parts[0] == "composite" && len(parts) >= 2 && parts[1] == "sobjects":
		return a.collections(c, parts[2:])
	case parts[0] == "jobs" && len(parts) >= 2 && parts[1] == "ingest":
		return a.jobs(c, parts[2:])
	}
	return nil, refuse(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
}

// token is the client credentials flow; the session's end is inside the token, so that it outlives the process.
func (a *API) token(w http.ResponseWriter, r *http.Request) {
	bad := func(kind, text string) {
		wire.JSON(w, http.StatusBadRequest, map[string]string{"error": kind, "error_description": text})
	}
	body, err := wire.Body(r)
	if err != nil || r.Method != http.MethodPost {
		bad("invalid_request", "must use HTTP POST")
		return
	}
	form, err := url.ParseQuery(string(body))
	switch {
	case err != nil:
		bad("invalid_request", "malformed form")
	case form.Get("grant_type") != "client_credentials":
		bad("unsupported_grant_type", "grant type not supported")
	case form.Get("client_id") != a.opt.ClientID:
		bad("invalid_client_id", "client identifier invalid")
	case form.Get("client_secret") != a.opt.ClientSecret:
		bad("invalid_client", "invalid client credentials")
	default:
		base := wire.Base(r)
		wire.JSON(w, http.StatusOK, map[string]string{"access_token": a.sign(a.opt.Now().Add(lifetime)), "instance_url": base, "api_instance_url": base, "token_type": "Bearer",
			"id": base + "/id/00DTw0000000001MAA/005Tw0000000001AAA", "issued_at": strconv.FormatInt(a.opt.Now().UnixMilli(), 10), "signature": "dHdpbg==", "scope": "api"})
	}
}

func (a *API) sign(end time.Time) string {
	stamp := strconv.FormatInt(end.Unix(), 36)
	mac := hmac.New(sha256.New, []byte(a.opt.ClientSecret))
	mac.Write([]byte(stamp))
	return "00DTwin!" + stamp + "." + hex.EncodeToString(mac.Sum(nil)[:16])
}

func (a *API) authorise(token string) error {
	if rest, ok := strings.CutPrefix(token, "00DTwin!"); ok {
		stamp, _, _ := strings.Cut(rest, ".")
		if end, err := strconv.ParseInt(stamp, 36, 64); err == nil && hmac.Equal([]byte(token), []byte(a.sign(time.Unix(end, 0)))) && a.opt.Now().Unix() < end {
			return nil
		}
	}
	return refuse(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
}

func (a *API) meta(c *call) store.Meta {
	return store.Meta{Vendor: "salesforce", Request: c.Method + " " + c.URL.Path}
}

// Throttled is the refusal of a call beyond a limit, for faults on request: a 403, and no word on when to come back.
func Throttled() (int, any) {
	return http.StatusForbidden, []*problem{refuse(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")}
}

// Broken is the body of a 5xx, for faults on request.
func Broken() any {
	return []*problem{refuse(http.StatusInternalServerError, "UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId if you contact support: 1-2 (3)")}
}

// Expired is the body of a 401, for faults on request.
func Expired() any {
	return []*problem{refuse(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")}
}
