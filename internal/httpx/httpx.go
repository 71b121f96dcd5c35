// Package httpx is the one HTTP client of sources, destinations and channels: time limits, retries with full-jitter
// back-off, Retry-After, per-account rate budgets, credentials only for the hosts that a connector lists, private addresses
// refused, every error classed and redacted (P8), and the case that matters most to a sender told apart: a request that
// may have taken effect although no answer came (P6).
//
// It must not know any vendor and not decide what an answer's rows mean.
package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"

	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"millrace/internal/fault"
	"millrace/internal/secret"
)

// Options configures a client for one account of one outside system.
type Options struct {
	Name         string     // source, destination or channel, as the project names it: in log lines
	Hosts        []string   // the only hosts that are called with credentials: "api.example.com", "host:port", "*.example.com"
	OpenHosts    []string   // hosts that may be called without credentials (signed download links)
	AllowPrivate bool       // allow loopback and private addresses, and plain http
	Auth         Authorizer // nil: none
	Header       http.Header
	Budget       *Budget // nil: no limits known
	Secrets      []secret.String
	Redactor     *Redactor // nil: a new one; Secrets and Auth's secrets are added

	Timeout   time.Duration // for one attempt, body included; default 60 s. For Open: between two reads
	MaxBody   int64         // bytes of one answer, after decompression; default 64 MiB. Not applied by Open
	Attempts  int           // default 6
	BaseDelay time.Duration // first back-off ceiling; default 500 ms
	MaxDelay  time.Duration // largest back-off ceiling; default 30 s
	MaxWait   time.Duration // longest Retry-After or budget wait that is sat out; default 5 min, longer ones are a Rate error

	RequestIDHeaders []string // answer headers that hold the vendor's request id, beside the usual ones; first found wins

	Log   *slog.Logger
	Now   func() time.Time                                 // default time.Now
	Sleep func(ctx context.Context, d time.Duration) error // default: waits
	Rand  func() float64                                   // in [0,1); nil means 1, the longest back-off
}

// Repeat says whether a request may be sent again when it is not known whether the first one took effect.
type Repeat int

// ByMethod repeats GET, HEAD, OPTIONS, PUT and DELETE (RFC 9110 section 9.2.2) and no other.
const (
	RepeatByMethod Repeat = iota
	RepeatSafe            // a POST that only reads, an upsert by key, a call with an idempotency key
	RepeatNever           // never sent again once bytes have left; the outcome is Unknown
)

// Request is one call.
type Request struct {
	Method string
	URL    string
	Query  url.Values // added to the URL's own
	Header http.Header
	Body   []byte
	Repeat Repeat
	NoAuth bool // leave the credentials out (a signed link); then OpenHosts are allowed too
	// Judge looks at every answer before its status is classed. The zero Verdict means: class by status.
	Judge func(*Response) Verdict
}

// Verdict is what a caller's Judge made of an answer.
type Verdict struct {
	Accept  bool   // an answer to use, whatever its status
	Class   Class  // Transient and Rate are retried; others end the call. Empty: by status
	Refresh bool   // fetch new credentials once, then repeat
	Message string // what was wrong
	Hint    string // what to do
	Wait    time.Duration
}

// Response is an answer. Body holds the whole body, except from Open.
type Response struct {
	Status    int
	Header    http.Header
	Body      []byte
	RequestID string
	Attempts  int
	URL       string        // the URL that answered, after redirects, redacted
	Stream    io.ReadCloser // only from Open
}

// Stats counts what a client did since it was made.
type Stats struct {
	Calls     int64         // requests sent, repeats included
	Retries   int64         // of these, repeats
	Limited   int64         // answers 429 or judged Rate
	BytesIn   int64         // body bytes received, after decompression
	WaitedFor time.Duration // time spent waiting for budgets and back-off
}

// Client calls one account. It is safe for concurrent use.
type Client struct {
	opt    Options
	hosts  hostList
	open   hostList
	http   *http.Client
	redact *Redactor

	calls, retries, limited, bytesIn, waited atomic.Int64
}

// New checks the options and makes a client. It opens no connection.
func New(o Options) (*Client, error) {
	hosts, err := newHostList(o.Hosts)
	if err != nil {
		return nil, err
	}
	open, err := newHostList(o.OpenHosts)
	if err != nil {
		return nil, err
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Timeout, time.Minute)
	def(&o.BaseDelay, 500*time.Millisecond)
	def(&o.MaxDelay, 30*time.Second)
	def(&o.MaxWait, 5*time.Minute)
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	if o.Attempts == 0 {
		o.Attempts = 6
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Rand == nil {
		o.Rand = func() float64 { return 1 }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Budget == nil {
		o.Budget = &Budget{}
	}
	if o.Redactor == nil {
		o.Redactor = NewRedactor()
	}
	o.Redactor.Add(o.Secrets...)
	if o.Auth != nil {
		o.Redactor.Add(o.Auth.Secrets()...)
	}
	tr := &http.Transport{
		DialContext: dialer(o.AllowPrivate), ForceAttemptHTTP2: true, MaxIdleConns: 16, MaxIdleConnsPerHost: 8,
		IdleConnTimeout: 20 * time.Second, TLSHandshakeTimeout: 15 * time.Second, ExpectContinueTimeout: time.Second,
		ResponseHeaderTimeout: o.Timeout, MaxResponseHeaderBytes: 1 << 20,
	}
	return &Client{opt: o, hosts: hosts, open: open, redact: o.Redactor,
		http: &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Redactor is the client's, for texts that the caller makes of bodies.
func (c *Client) Redactor() *Redactor { return c.redact }

// OpenHost reports whether an address is on a host that is called without credentials, and on none that gets them.
func (c *Client) OpenHost(address string) bool {
	u, err := url.Parse(address)
	return err == nil && c.open.allows(u) && !c.hosts.allows(u)
}

// Budget is the client's, to share with another client of the same account.
func (c *Client) Budget() *Budget { return c.opt.Budget }

// Stats reports what was done so far.
func (c *Client) Stats() Stats {
	return Stats{Calls: c.calls.Load(), Retries: c.retries.Load(), Limited: c.limited.Load(), BytesIn: c.bytesIn.Load(), WaitedFor: time.Duration(c.waited.Load())}
}

// Do makes the call and reads the answer whole. A status below 300 (or an answer that Judge accepts) gives a nil error; for
// any other answer both the response, with its body as received, and an *Error are returned. Errors are *Error, except when
// ctx ended before anything was sent: then ctx's own error, wrapped.
func (c *Client) Do(ctx context.Context, req Request) (*Response, error) {
	return c.do(ctx, req, false)
}

// Open is Do for answers that are too large to hold: Response.Stream must be read and closed. Retries end where the body
// begins; a body that breaks off gives an *Error from Read, of class Transient when the request may be repeated.
func (c *Client) Open(ctx context.Context, req Request) (*Response, error) {
	return c.do(ctx, req, true)
}

func (c *Client) do(ctx context.Context, req Request, stream bool) (*Response, error) {
	if req.Method == "" {
		req.Method = http.MethodGet
	}
	u, err := c.target(req)
	if err != nil {
		return nil, err
	}
	refreshed := false
	for attempt := 1; ; attempt++ {
		if err := c.waitForBudget(ctx, req.Method, u, attempt); err != nil {
			return nil, err
		}
		resp, e, sent := c.once(ctx, req, u, stream)
		if resp != nil {
			resp.Attempts = attempt
			c.opt.Budget.learn(c.opt.Now(), req.Method, u.Path, resp.Header)
		}
		if e == nil {
			return resp, nil
		}
		e.Attempts = attempt
		if e.Class == Rate {
			c.limited.Add(1)
		}
		if (e.Status == http.StatusUnauthorized || e.refresh) && !refreshed && c.opt.Auth != nil && !req.NoAuth {
			refreshed = true
			again, err := c.opt.Auth.Refresh(ctx, sent)
			if err != nil {
				return resp, err
			}
			c.redact.Add(c.opt.Auth.Secrets()...)
			if again {
				c.retries.Add(1)
				attempt--
				continue
			}
		}
		if ctx.Err() != nil || e.noRetry || e.Class != Transient && e.Class != Rate || attempt >= c.opt.Attempts {
			return resp, c.final(e.Error, attempt)
		}
		wait := time.Duration(c.opt.Rand() * math.Min(float64(c.opt.MaxDelay), float64(c.opt.BaseDelay)*math.Pow(2, float64(attempt-1))))
		if e.RetryAfter > 0 {
			if e.RetryAfter > c.opt.MaxWait {
				return resp, c.final(e.Error, attempt)
			}
			// At least what was asked; the jitter on top keeps waiting clients apart.
			wait = e.RetryAfter + min(wait, time.Second)
		}
		if e.Class == Rate {
			now := c.opt.Now()
			c.opt.Budget.pause(now, now.Add(wait))
		}
		c.opt.Log.Warn("call is repeated", "system", c.opt.Name, "method", req.Method, "url", e.URL, "status", e.Status, "class", string(e.Class), "attempt", attempt, "wait", wait.String(), "request_id", e.RequestID)
		c.retries.Add(1)
		if e.Class != Rate { // a rate pause is sat out in the budget, together with everybody else
			c.waited.Add(int64(wait))
			if err := c.opt.Sleep(ctx, wait); err != nil {
				return resp, c.final(e.Error, attempt)
			}
		}
	}
}

// failure is an Error on its way, with what only the loop needs.
type failure struct {
	*Error
	refresh bool
	noRetry bool // somebody below has already retried
}

// final completes an error that is not going to be retried.
func (c *Client) final(e *Error, attempts int) error {
	e.Attempts = attempts
	if e.Hint == "" {
		switch e.Class {
		case Auth:
			e.Hint = "Check the credentials in the project's environment and the permissions that they were given"
			if e.Status == http.StatusForbidden {
				e.Hint = "The credentials are valid but may not do this: give them the missing permission (scope)"
			}
		case Rate:
			e.Hint = "The account's limit is used up: wait, lower the rate, or raise the limit with the vendor"
		case Transient:
			e.Hint = "Run again later; nothing was lost"
		case Unknown:
			e.Hint = "Find out whether it took effect before it is sent again"
		}
	}
	return e
}

// target resolves the URL and holds it against the host lists.
func (c *Client) target(req Request) (*url.URL, error) {
	u, err := url.Parse(req.URL)
	if err != nil {
		return nil, &Error{Class: Config, Method: req.Method, URL: c.redact.URL(req.URL), Message: "not a valid URL", Hint: "Check base_url and path"}
	}
	if len(req.Query) > 0 {
		q := u.Query()
		for k, vs := range req.Query {
			for _, v := range vs {
				q.Add(k, v)
			}
		}
		u.RawQuery = q.Encode()
	}
	u.Fragment = ""
	if e := c.checkTarget(req, u); e != nil {
		return nil, e
	}
	return u, nil
}

func (c *Client) checkTarget(req Request, u *url.URL) error {
	fail := func(msg, hint string) error {
		return &Error{Class: Config, Method: req.Method, URL: c.redact.URL(u.String()), Message: msg, Hint: hint}
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return fail("the address must begin with https://", "Check base_url")
	case u.User != nil:
		return fail("the address holds a user name or password", "Put credentials under auth")
	case u.Scheme == "http" && !c.opt.AllowPrivate:
		return fail("plain http would send credentials and data in clear text", "Use https, or set allow_private: true for a server in your own network")
	case c.hosts.allows(u):
		return nil
	case req.NoAuth && c.open.allows(u):
		return nil
	}
	return fail(fmt.Sprintf("host %s is not one of this connector's hosts (%s): no request was sent, no credentials left", u.Host, strings.Join(c.hosts, ", ")),
		"If the host belongs to the vendor, add it to client.hosts; if not, the address was forged or mistyped")
}

func (c *Client) waitForBudget(ctx context.Context, method string, u *url.URL, attempt int) error {
	wait, policy, ok := c.opt.Budget.reserve(c.opt.Now(), method, u.Path, c.opt.MaxWait+2*time.Second) // room for the jitter on top of a Retry-After
	if !ok {
		return c.final(&Error{Class: Rate, Method: method, URL: c.redact.URL(u.String()), RetryAfter: wait,
			Message: fmt.Sprintf("rate budget %q is used up for another %s", policy, wait.Round(time.Second))}, attempt)
	}
	if wait <= 0 {
		return nil
	}
	c.waited.Add(int64(wait))
	if err := c.opt.Sleep(ctx, wait); err != nil {
		return fmt.Errorf("%s %s: stopped while waiting for rate budget %q: %w", method, c.redact.URL(u.String()), policy, err)
	}
	return nil
}

const maxRedirects = 5

// once makes one attempt, redirects included. The request that was sent last is returned for Auth.Refresh.
func (c *Client) once(ctx context.Context, req Request, u *url.URL, stream bool) (*Response, *failure, *http.Request) {
	var hr *http.Request
	for hop := 0; ; hop++ {
		var resp *Response
		var f *failure
		resp, hr, f = c.roundTrip(ctx, req, u, stream)
		if f != nil || resp.Status < 300 || resp.Status >= 400 || resp.Status == http.StatusNotModified {
			return resp, f, hr
		}
		next, err := u.Parse(resp.Header.Get("Location"))
		fail := func(msg, hint string) (*Response, *failure, *http.Request) {
			return resp, &failure{Error: &Error{Class: Config, Method: req.Method, URL: c.redact.URL(u.String()), Status: resp.Status, RequestID: resp.RequestID, Message: msg, Hint: hint}}, hr
		}
		if err != nil || resp.Header.Get("Location") == "" {
			return fail("redirect without a usable Location", "Check base_url and path")
		}
		if hop >= maxRedirects {
			return fail(fmt.Sprintf("more than %d redirects", maxRedirects), "Check base_url and path")
		}
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			return fail("redirect of a "+req.Method+" to "+c.redact.URL(next.String())+" was not followed", "Put the final address into base_url")
		}
		if u.Scheme == "https" && next.Scheme == "http" {
			return fail("redirect from https to plain http refused", "Check base_url")
		}
		if c.open.allows(next) && !c.hosts.allows(next) {
			req.NoAuth, req.Header = true, nil // a signed download link: nothing of ours goes along
		}
		if err := c.checkTarget(req, next); err != nil {
			return fail(fmt.Sprintf("redirect to another host (%s) refused: no credentials were sent there", next.Host),
				"If that host belongs to the vendor, add it to client.hosts")
		}
		u = next
	}
}

func (c *Client) roundTrip(ctx context.Context, req Request, u *url.URL, stream bool) (*Response, *http.Request, *failure) {
	shown := c.redact.URL(u.String())
	fail := func(e *Error) *failure {
		e.Method, e.URL = req.Method, shown
		e.Message = c.redact.Text(e.Message)
		return &failure{Error: e}
	}
	actx, cancel := context.WithCancel(ctx)
	watchdog := time.AfterFunc(c.opt.Timeout, cancel)
	done := func() { watchdog.Stop(); cancel() }

	var wrote atomic.Bool // some byte of the request may have reached the far side
	trace := &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }, WroteHeaderField: func(string, []string) { wrote.Store(true) }}
	hr, err := http.NewRequestWithContext(httptrace.WithClientTrace(actx, trace), req.Method, u.String(), bytes.NewReader(req.Body))
	if err != nil {
		done()
		return nil, nil, fail(&Error{Class: Config, Message: "cannot make this request: " + err.Error(), Hint: "Check method and path"})
	}
	if len(req.Body) == 0 {
		hr.Body, hr.GetBody, hr.ContentLength = nil, nil, 0
	}
	own := c.opt.Header
	if req.NoAuth {
		own = nil // headers of the account may be credentials too (developer-token)
	}
	for _, h := range []http.Header{own, req.Header} {
		for k, vs := range h {
			hr.Header[http.CanonicalHeaderKey(k)] = append([]string(nil), vs...)
		}
	}
	if req.Repeat == RepeatNever && (hr.Header.Get("Idempotency-Key") != "" || hr.Header.Get("X-Idempotency-Key") != "") {
		hr.GetBody = nil // with such a header net/http repeats a call by itself when a connection breaks
	}
	if hr.Header.Get("User-Agent") == "" {
		hr.Header.Set("User-Agent", "millrace")
	}
	if c.opt.Auth != nil && !req.NoAuth {
		// The token endpoint has its own client and time limit.
		watchdog.Stop()
		if err := c.opt.Auth.Apply(ctx, hr); err != nil {
			done()
			var e *Error
			if asError(err, &e) {
				return nil, hr, &failure{noRetry: true, Error: &Error{Class: e.Class, Method: e.Method, URL: e.URL, Status: e.Status, RequestID: e.RequestID,
					Message: "fetching an access token: " + e.Message, Body: e.Body, Hint: e.Hint, RetryAfter: e.RetryAfter, Err: e}}
			}
			return nil, hr, fail(&Error{Class: Auth, Message: err.Error(), Err: err})
		}
		c.redact.Add(c.opt.Auth.Secrets()...)
		watchdog.Reset(c.opt.Timeout)
	}
	c.calls.Add(1)
	start := c.opt.Now()
	res, err := c.http.Do(hr)
	if err != nil {
		timedOut := actx.Err() != nil && ctx.Err() == nil
		done()
		return nil, hr, fail(c.dialError(ctx, err, wrote.Load(), timedOut, repeatable(req)))
	}
	resp := &Response{Status: res.StatusCode, Header: res.Header, URL: shown}
	resp.RequestID = requestID(c.opt.RequestIDHeaders, res.Header)
	if stream && res.StatusCode < 300 {
		resp.Stream = &guardedBody{c: c, body: res.Body, watchdog: watchdog, cancel: cancel, timeout: c.opt.Timeout, fail: func(err error, timedOut bool) error {
			f := fail(c.bodyError(ctx, err, timedOut, repeatable(req), res.StatusCode))
			f.RequestID = resp.RequestID
			return c.final(f.Error, 1)
		}}
		return resp, hr, nil
	}
	resp.Body, err = io.ReadAll(io.LimitReader(res.Body, c.opt.MaxBody+1))
	timedOut := actx.Err() != nil && ctx.Err() == nil
	res.Body.Close()
	done()
	c.bytesIn.Add(int64(len(resp.Body)))
	c.opt.Log.Debug("call", "system", c.opt.Name, "method", req.Method, "url", shown, "status", resp.Status, "bytes", len(resp.Body), "took", c.opt.Now().Sub(start).String(), "request_id", resp.RequestID)
	if int64(len(resp.Body)) > c.opt.MaxBody {
		resp.Body = nil
		return resp, hr, fail(&Error{Class: Permanent, Status: resp.Status, RequestID: resp.RequestID,
			Message: fmt.Sprintf("the answer is larger than %d MiB", c.opt.MaxBody>>20), Hint: "Ask for smaller pages, or raise max_body"})
	}
	if err != nil {
		f := fail(c.bodyError(ctx, err, timedOut, repeatable(req), res.StatusCode))
		f.RequestID = resp.RequestID
		return resp, hr, f
	}
	return resp, hr, c.judge(req, resp, fail)
}

// judge turns an answer into nil (use it) or a failure.
func (c *Client) judge(req Request, resp *Response, fail func(*Error) *failure) *failure {
	var v Verdict
	if req.Judge != nil {
		v = req.Judge(resp)
	}
	if v.Accept {
		return nil
	}
	class := v.Class
	if class == "" && !v.Refresh {
		if class = classOfStatus(resp.Status, repeatable(req)); class == "" || resp.Status >= 300 && resp.Status < 400 && resp.Header.Get("Location") != "" {
			return nil // used, or followed by the caller
		}
	}
	if v.Refresh && class == "" {
		class = Auth
	}
	e := &Error{Class: class, Status: resp.Status, RequestID: resp.RequestID, Message: v.Message, Hint: v.Hint, RetryAfter: v.Wait}
	if e.Message == "" {
		e.Message = fault.Shorten(vendorMessage(resp.Body), 400)
	}
	e.Body = excerpt(c.redact.Text(string(resp.Body[:min(len(resp.Body), 64<<10)])))
	if e.RequestID == "" {
		e.RequestID = bodyRequestID(resp.Body)
		resp.RequestID = e.RequestID
	}
	if e.RetryAfter == 0 && (class == Rate || class == Transient) {
		e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), c.opt.Now())
	}
	f := fail(e)
	f.refresh = v.Refresh
	return f
}

func repeatable(r Request) bool {
	switch r.Repeat {
	case RepeatSafe:
		return true
	case RepeatNever:
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3); zero when there is none or it has passed.
func retryAfter(v string, now time.Time) time.Duration {
	v = strings.TrimSpace(v)
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if s <= 0 || s > 1e7 || math.IsNaN(s) {
			return 0
		}
		return time.Duration(s * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func asError(err error, e **Error) bool { return errors.As(err, e) }

func requestID(headers []string, h http.Header) string {
	for _, name := range append(append([]string(nil), headers...), "X-Request-Id", "Request-Id", "X-HubSpot-Correlation-Id", "X-Correlation-Id", "X-Fb-Trace-Id") {
		if v := h.Get(name); v != "" {
			return fault.Shorten(v, 100)
		}
	}
	return ""
}

// excerpt shortens a body for an error.
func excerpt(s string) string { return fault.Shorten(s, 300) }
