// Package google is the simulated Google: the OAuth token endpoint, Google Ads reports, the Analytics Data API and the
// Data Manager API over the twin's state.
//
// Fields, paths and enum names follow the published protos (JSON mapping: camelCase, int64 as strings).
package google

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

// Options configure the accounts.
type Options struct {
	ClientID, ClientSecret, RefreshToken, DeveloperToken string
	Enforce                                              bool             // refuse calls beyond the quotas
	Now                                                  func() time.Time // for token lifetimes and quotas
}

// API answers Google's calls.
type API struct {
	db     *store.DB
	opt    Options
	minute *wire.Bucket // Data Manager: 300 requests a minute
	hour   *wire.Bucket // Analytics: tokens an hour
	calls  atomic.Int64

	mu    sync.Mutex
	polls map[string]int // status calls by request, since the process started
}

// New makes the vendor over a state.
func New(db *store.DB, o Options) *API {
	return &API{db: db, opt: o, polls: map[string]int{}, minute: &wire.Bucket{Max: 300, Window: time.Minute}, hour: &wire.Bucket{Max: tokensPerHour / 10, Window: time.Hour}}
}

var adsPath = regexp.MustCompile(`^/v(\d+)/customers(/(\d+)/googleAds:(search|searchStream|mutate)|:listAccessibleCustomers)$`)
var ga4Path = regexp.MustCompile(`^/v1beta/properties/(\d+)(:runReport|:batchRunReports|/metadata)$`)

// Handles says whether a path belongs to this vendor.
func Handles(path string) bool {
	return path == "/token" || path == "/oauth2/v4/token" || adsPath.MatchString(path) || strings.HasPrefix(path, "/v1beta/properties/") ||
		strings.HasPrefix(path, "/v1/audienceMembers:") || path == "/v1/events:ingest" || strings.HasPrefix(path, "/v1/requestStatus:")
}

// problem is Google's error.
type problem struct {
	HTTP    int
	Status  string
	Message string
	Details []any
}

func (p *problem) Error() string { return p.Message }

func (p *problem) body() any {
	e := map[string]any{"code": p.HTTP, "message": p.Message, "status": p.Status}
	if len(p.Details) > 0 {
		e["details"] = p.Details
	}
	return map[string]any{"error": e}
}

func refuse(code int, status, format string, args ...any) *problem {
	return &problem{HTTP: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// ServeHTTP answers a call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	path := r.URL.Path
	if path == "/token" || path == "/oauth2/v4/token" {
		a.token(w, r)
		return
	}
	id := "twin-" + strconv.FormatInt(a.calls.Add(1), 10)
	body, err := a.answer(r, path, id)
	if adsPath.MatchString(path) {
		w.Header().Set("Request-Id", id)
	}
	if err == nil {
		wire.JSON(w, http.StatusOK, body)
		return
	}
	p, ok := err.(*problem)
	if !ok {
		p = refuse(http.StatusInternalServerError, "INTERNAL", "%v", err)
	}
	if strings.HasSuffix(path, ":searchStream") { // a stream is an array, its error too
		wire.JSON(w, p.HTTP, []any{p.body()})
		return
	}
	wire.JSON(w, p.HTTP, p.body())
}

func (a *API) answer(r *http.Request, path, id string) (any, error) {
	if err := a.authorise(r); err != nil {
		return nil, err
	}
	body, err := wire.Body(r)
	if err != nil {
		return nil, refuse(http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT", "Request payload size exceeds the limit.")
	}
	switch {
	case adsPath.MatchString(path):
		return a.ads(r, adsPath.FindStringSubmatch(path), body, id)
	case ga4Path.MatchString(path):
		return a.analytics(r, ga4Path.FindStringSubmatch(path), body)
	case strings.HasPrefix(path, "/v1/"):
		return a.dataManager(r, strings.TrimPrefix(path, "/v1/"), body, id)
	}
	return nil, refuse(http.StatusNotFound, "NOT_FOUND", "The requested URL %s was not found on this server.", path)
}

// lifetime of an access token.
const lifetime = time.Hour

// token is the OAuth token endpoint. Access tokens carry their end and a signature, so they outlive the process.
func (a *API) token(w http.ResponseWriter, r *http.Request) {
	bad := func(code int, kind, description string) {
		wire.JSON(w, code, map[string]string{"error": kind, "error_description": description})
	}
	body, err := wire.Body(r)
	if err != nil || r.Method != http.MethodPost {
		bad(http.StatusBadRequest, "invalid_request", "Bad Request")
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		bad(http.StatusBadRequest, "invalid_request", "Bad Request")
		return
	}
	switch {
	case form.Get("grant_type") != "refresh_token":
		bad(http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+form.Get("grant_type"))
	case form.Get("client_id") != a.opt.ClientID || form.Get("client_secret") != a.opt.ClientSecret:
		bad(http.StatusUnauthorized, "invalid_client", "The OAuth client was not found.")
	case form.Get("refresh_token") != a.opt.RefreshToken:
		bad(http.StatusBadRequest, "invalid_grant", "Token has been expired or revoked.")
	default:
		wire.JSON(w, http.StatusOK, map[string]any{
			"access_token": a.sign(a.opt.Now().Add(lifetime)), "expires_in": int(lifetime/time.Second) - 1, "token_type": "Bearer",
			"scope": "https://www.googleapis.com/auth/adwords https://www.googleapis.com/auth/analytics.readonly https://www.googleapis.com/auth/datamanager",
		})
	}
}

func (a *API) sign(end time.Time) string {
	stamp := strconv.FormatInt(end.Unix(), 36)
	mac := hmac.New(sha256.New, []byte(a.opt.ClientSecret))
	mac.Write([]byte(stamp))
	return "ya29.twin." + stamp + "." + hex.EncodeToString(mac.Sum(nil)[:16])
}

func (a *API) authorise(r *http.Request) error {
	token := wire.Bearer(r)
	if token == "" {
		return refuse(http.StatusUnauthorized, "UNAUTHENTICATED", "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.")
	}
	parts := strings.Split(token, ".")
	if len(parts) == 4 {
		if end, err := strconv.ParseInt(parts[2], 36, 64); err == nil && hmac.Equal([]byte(token), []byte(a.sign(time.Unix(end, 0)))) && a.opt.Now().Unix() < end {
			return nil
		}
	}
	return unauthenticated()
}

func unauthenticated() *problem {
	p := refuse(http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.")
	p.Details = []any{map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_EXPIRED", "domain": "googleapis.com"}}
	return p
}

// Throttled is the body of a 429, for faults on request.
func Throttled() any {
	return refuse(http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).").body()
}

// Broken is the body of a 5xx, for faults on request.
func Broken() any {
	return refuse(http.StatusInternalServerError, "INTERNAL", "Internal error encountered.").body()
}

// Expired is the body of a 401, for faults on request.
func Expired() any { return unauthenticated().body() }
