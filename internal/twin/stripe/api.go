// Package stripe is the simulated Stripe account: the lists and objects of billing, and customers to write, over the
// twin's state, in the shapes of API version 2023-08-16.
package stripe

import (
	"crypto/sha256"
	"encoding/hex"
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

// Version is the API version whose shapes are served.
const Version = "2023-08-16"

// Options configure the account.
type Options struct {
	Key     string           // the secret key; Key+"-expired" has ended
	Enforce bool             // refuse calls beyond the limit
	Now     func() time.Time // for the limit
}

// API answers Stripe's calls.
type API struct {
	db     *store.DB
	opt    Options
	second *wire.Bucket
	calls  atomic.Int64
}

// New makes the account over a state.
func New(db *store.DB, o Options) *API {
	return &API{db: db, opt: o, second: &wire.Bucket{Max: 25, Window: time.Second}}
}

// resources are what is listed, with the filters each takes beside the common ones.
var resources = map[string][]string{
	"products": {"active", "created", "ids[]"}, "prices": {"active", "created", "currency", "product", "type"}, "customers": {"created", "email"},
	"subscriptions": {"created", "customer", "price", "status", "current_period_end", "current_period_start", "collection_method"}, "subscription_items": {"subscription"},
	"invoices": {"created", "customer", "status", "subscription", "collection_method", "due_date"}, "charges": {"created", "customer", "payment_intent"},
	"refunds": {"created", "charge", "payment_intent"}, "events": {"created", "type", "types[]", "delivery_success"},
}

// Handles says whether a path belongs to this vendor.
func Handles(path string) bool {
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		return false
	}
	head, _, _ := strings.Cut(rest, "/")
	return resources[head] != nil || head == "account" || head == "balance"
}

// problem is Stripe's error.
type problem struct {
	Code   int
	Fields map[string]any
}

func (p *problem) Error() string { return fmt.Sprint(p.Fields["message"]) }

func refuse(code int, kind, name, param, format string, args ...any) *problem {
	f := map[string]any{"type": kind, "message": fmt.Sprintf(format, args...)}
	if name != "" {
		f["code"] = name
		f["doc_url"] = "https://stripe.com/docs/error-codes/" + strings.ReplaceAll(name, "_", "-")
	}
	if param != "" {
		f["param"] = param
	}
	return &problem{code, f}
}

func invalid(name, param, format string, args ...any) *problem {
	return refuse(http.StatusBadRequest, "invalid_request_error", name, param, format, args...)
}

// ServeHTTP answers a call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sum := sha256.Sum256([]byte("request" + strconv.FormatInt(a.calls.Add(1), 10)))
	id := "req_" + hex.EncodeToString(sum[:7])
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Request-Id", id)
	h.Set("Stripe-Version", Version)
	if v := r.Header.Get("Stripe-Version"); v != "" {
		h.Set("Stripe-Version", v)
	}
	if k := r.Header.Get("Idempotency-Key"); k != "" {
		h.Set("Idempotency-Key", k)
		h.Set("Original-Request", id)
	}
	body, err := a.answer(w, r)
	if err == nil {
		wire.JSON(w, http.StatusOK, body)
		return
	}
	p, ok := err.(*problem)
	if !ok {
		p = refuse(http.StatusInternalServerError, "api_error", "", "", "%v", err)
	}
	p.Fields["request_log_url"] = "https://dashboard.stripe.com/test/logs/" + id
	wire.JSON(w, p.Code, map[string]any{"error": p.Fields})
}

func (a *API) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := a.authorise(r); err != nil {
		return nil, err
	}
	if _, _, ok := a.second.Take(a.opt.Now()); !ok && a.opt.Enforce {
		w.Header().Set("Stripe-Rate-Limited-Reason", "global-rate")
		return nil, tooMany()
	}
	body, err := wire.Body(r)
	if err != nil {
		return nil, invalid("", "", "The request body could not be read.")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalid("", "", "Invalid form body: %v", err)
	}
	path := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/v1/"), "/"), "/")
	switch {
	case r.Method == http.MethodGet && path[0] == "account":
		return map[string]any{"id": "acct_1Twin", "object": "account", "country": "US", "default_currency": "usd", "charges_enabled": true, "payouts_enabled": true, "details_submitted": true, "email": "finance@millstone.example", "type": "standard"}, nil
	case r.Method == http.MethodGet && len(path) == 1:
		return a.list(r, path[0])
	case r.Method == http.MethodGet && len(path) == 2:
		return a.get(r.URL.Query(), path[0], path[1])
	case r.Method == http.MethodPost && path[0] == "customers" && len(path) <= 2:
		return a.writeCustomer(w, r, path, form)
	}
	return nil, refuse(http.StatusNotFound, "invalid_request_error", "", "", "Unrecognized request URL (%s: %s). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.", r.Method, r.URL.Path)
}

func (a *API) authorise(r *http.Request) error {
	key := wire.Bearer(r)
	if user, _, ok := r.BasicAuth(); ok {
		key = user
	}
	switch key {
	case a.opt.Key:
		return nil
	case "":
		return refuse(http.StatusUnauthorized, "invalid_request_error", "", "", "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.")
	case a.opt.Key + "-expired":
		return expiredKey()
	}
	return refuse(http.StatusUnauthorized, "invalid_request_error", "", "", "Invalid API Key provided: %s", masked(key))
}

func expiredKey() *problem {
	return refuse(http.StatusUnauthorized, "invalid_request_error", "api_key_expired", "", "Expired API Key provided: sk_test_****ired. Platform access may have been revoked.")
}

func tooMany() *problem {
	return refuse(http.StatusTooManyRequests, "invalid_request_error", "rate_limit", "", "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.")
}

// masked hides all of a key but its ends, as the vendor does.
func masked(key string) string {
	if len(key) < 12 {
		return "****"
	}
	return key[:8] + strings.Repeat("*", len(key)-12) + key[len(key)-4:]
}

// Throttled is the body of a 429, for faults on request.
func Throttled() any { return map[string]any{"error": tooMany().Fields} }

// Broken is the body of a 5xx, for faults on request.
func Broken() any {
	return map[string]any{"error": refuse(http.StatusInternalServerError, "api_error", "", "", "An unknown error occurred").Fields}
}

// Expired is the body of a 401, for faults on request.
func Expired() any { return map[string]any{"error": expiredKey().Fields} }

// span is a filter on a time: created, created[gte], ...
type span struct{ gt, gte, lt, lte int64 }

func spanOf(q url.Values, name string) (span, error) {
	s := span{gt: -1, gte: -1, lt: 1 << 62, lte: 1 << 62}
	for _, op := range []string{"", "gt", "gte", "lt", "lte"} {
		key := name
		if op != "" {
			key += "[" + op + "]"
		}
		v := q.Get(key)
		if v == "" {
			continue
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return s, invalid("parameter_invalid_integer", key, "Invalid integer: %s", v)
		}
		switch op {
		case "":
			s.gte, s.lte = n, n
		case "gt":
			s.gt = n
		case "gte":
			s.gte = n
		case "lt":
			s.lt = n
		case "lte":
			s.lte = n
		}
	}
	return s, nil
}

func (s span) holds(t time.Time) bool {
	n := t.Unix()
	return n > s.gt && n >= s.gte && n < s.lt && n <= s.lte
}
