package httpx

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"millrace/internal/secret"
)

// Authorizer adds credentials to a request that goes to one of the client's hosts. It must be safe for concurrent use.
type Authorizer interface {
	// Apply adds the credentials. It may fetch a token first.
	Apply(ctx context.Context, r *http.Request) error
	// Refresh is asked after a 401 to the given request; true means that trying again with new credentials makes sense.
	Refresh(ctx context.Context, r *http.Request) (bool, error)
	// Secrets are the values to keep out of every text.
	Secrets() []secret.String
}

type fixedAuth struct {
	apply   func(*http.Request)
	secrets []secret.String
}

func (a fixedAuth) Apply(_ context.Context, r *http.Request) error       { a.apply(r); return nil }
func (a fixedAuth) Refresh(context.Context, *http.Request) (bool, error) { return false, nil }
func (a fixedAuth) Secrets() []secret.String                             { return a.secrets }

// Bearer sends "Authorization: Bearer <token>".
func Bearer(token secret.String) Authorizer {
	return fixedAuth{func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token.Reveal()) }, []secret.String{token}}
}

// Basic sends user and password as RFC 7617 says.
func Basic(user string, password secret.String) Authorizer {
	both := secret.New(user + ":" + password.Reveal()) // its base64 form is what travels
	return fixedAuth{func(r *http.Request) { r.SetBasicAuth(user, password.Reveal()) }, []secret.String{password, both}}
}

// HeaderKey sends a key in a header of its own, after an optional prefix ("Klaviyo-API-Key ").
func HeaderKey(header, prefix string, key secret.String) Authorizer {
	return fixedAuth{func(r *http.Request) { r.Header.Set(header, prefix+key.Reveal()) }, []secret.String{key}}
}

// QueryKey sends a key as a query parameter.
func QueryKey(param string, key secret.String) Authorizer {
	return fixedAuth{func(r *http.Request) {
		q := r.URL.Query()
		q.Set(param, key.Reveal())
		r.URL.RawQuery = q.Encode()
	}, []secret.String{key}}
}

// OAuth2 fetches access tokens (RFC 6749, grants refresh_token and client_credentials), keeps one until a minute before it
// expires, and fetches a new one once after a 401.
type OAuth2 struct {
	cfg OAuth2Config
	now func() time.Time

	mu      sync.Mutex
	token   secret.String
	refresh secret.String
	expires time.Time
}

// OAuth2Config says where tokens come from. Client must not have an Authorizer of its own; its hosts must hold the token URL's.
type OAuth2Config struct {
	Client       *Client
	TokenURL     string
	ClientID     string
	ClientSecret secret.String
	RefreshToken secret.String // empty: grant client_credentials
	Scopes       []string
	BasicClient  bool              // client id and secret as Basic instead of in the body
	Extra        map[string]string // further form fields ("audience")
	Header       string            // default Authorization
	Prefix       string            // default "Bearer "
}

// NewOAuth2 makes the authorizer. Nothing is fetched before the first call.
func NewOAuth2(cfg OAuth2Config) *OAuth2 {
	if cfg.Header == "" {
		cfg.Header = "Authorization"
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "Bearer "
	}
	cfg.Client.redact.Add(cfg.ClientSecret, cfg.RefreshToken, secret.New(cfg.ClientID+":"+cfg.ClientSecret.Reveal()))
	return &OAuth2{cfg: cfg, now: cfg.Client.opt.Now, refresh: cfg.RefreshToken}
}

// Apply adds the token, fetching one when there is none or it is about to expire.
func (o *OAuth2) Apply(ctx context.Context, r *http.Request) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.token.IsZero() || !o.expires.IsZero() && o.now().After(o.expires.Add(-time.Minute)) {
		if err := o.fetch(ctx); err != nil {
			return err
		}
	}
	r.Header.Set(o.cfg.Header, o.cfg.Prefix+o.token.Reveal())
	return nil
}

// Refresh fetches a new token unless another goroutine already did since the request was made.
func (o *OAuth2) Refresh(ctx context.Context, r *http.Request) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.Header.Get(o.cfg.Header) != o.cfg.Prefix+o.token.Reveal() {
		return true, nil
	}
	if err := o.fetch(ctx); err != nil {
		return false, err
	}
	return true, nil
}

// Secrets are the client's and the tokens fetched so far.
func (o *OAuth2) Secrets() []secret.String {
	o.mu.Lock()
	defer o.mu.Unlock()
	return []secret.String{o.cfg.ClientSecret, o.cfg.RefreshToken, o.refresh, o.token}
}

// fetch is called with the lock held.
func (o *OAuth2) fetch(ctx context.Context) error {
	form := url.Values{}
	for k, v := range o.cfg.Extra {
		form.Set(k, v)
	}
	if o.refresh.IsZero() {
		form.Set("grant_type", "client_credentials")
	} else {
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", o.refresh.Reveal())
	}
	if len(o.cfg.Scopes) > 0 {
		form.Set("scope", strings.Join(o.cfg.Scopes, " "))
	}
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if o.cfg.BasicClient {
		r := http.Request{Header: h}
		r.SetBasicAuth(url.QueryEscape(o.cfg.ClientID), url.QueryEscape(o.cfg.ClientSecret.Reveal()))
	} else {
		form.Set("client_id", o.cfg.ClientID)
		form.Set("client_secret", o.cfg.ClientSecret.Reveal())
	}
	// A lost answer costs a token, not an effect: the call may be repeated.
	resp, err := o.cfg.Client.Do(ctx, Request{Method: http.MethodPost, URL: o.cfg.TokenURL, Header: h, Body: []byte(form.Encode()), Repeat: RepeatSafe})
	const hint = "Check client id, client secret and refresh token; if access was revoked, authorise the application again"
	if err != nil {
		var e *Error
		if asError(err, &e) && e.Status >= 400 && e.Status < 500 && e.Class != Rate {
			e.Class, e.Hint = Auth, hint
		}
		return err
	}
	var t struct {
		AccessToken  string          `json:"access_token"`
		RefreshToken string          `json:"refresh_token"`
		ExpiresIn    json.RawMessage `json:"expires_in"` // some vendors send a string
	}
	if err := json.Unmarshal(resp.Body, &t); err != nil || t.AccessToken == "" {
		return &Error{Class: Auth, Method: http.MethodPost, URL: o.cfg.Client.redact.URL(o.cfg.TokenURL), Status: resp.Status,
			Message: "the answer holds no access_token", Body: excerpt(o.cfg.Client.redact.Text(string(resp.Body))), Hint: hint}
	}
	o.token = secret.New(t.AccessToken)
	o.cfg.Client.redact.Add(o.token)
	if t.RefreshToken != "" {
		o.refresh = secret.New(t.RefreshToken) // vendors that rotate it refuse the old one from now on
		o.cfg.Client.redact.Add(o.refresh)
	}
	o.expires = time.Time{}
	if s, err := strconv.ParseFloat(strings.Trim(string(t.ExpiresIn), `"`), 64); err == nil && s > 0 {
		o.expires = o.now().Add(time.Duration(s * float64(time.Second)))
	}
	return nil
}
