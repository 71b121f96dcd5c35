package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"millrace/internal/secret"
)

const token = "s3cr3t/to+ken=9f8e7d"

// fixture is a client of a test server with a clock that only sleeping moves.
type fixture struct {
	*Client
	srv  *httptest.Server
	now  time.Time
	naps []time.Duration
	log  bytes.Buffer
}

func newFixture(t *testing.T, h http.HandlerFunc, change func(*Options)) *fixture {
	t.Helper()
	f := &fixture{srv: httptest.NewServer(h), now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	t.Cleanup(f.srv.Close)
	o := Options{
		Name: "crm", Hosts: []string{f.srv.Listener.Addr().String()}, AllowPrivate: true, Auth: Bearer(secret.New(token)), Timeout: 5 * time.Second,
		Now:  func() time.Time { return f.now },
		Rand: func() float64 { return 0.5 },
		Sleep: func(ctx context.Context, d time.Duration) error {
			f.naps = append(f.naps, d)
			f.now = f.now.Add(d)
			return ctx.Err()
		},
		Log: slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.Client = c
	return f
}

func (f *fixture) get(t *testing.T, path string) (*Response, error) {
	t.Helper()
	r, err := f.Do(context.Background(), Request{URL: f.srv.URL + path})
	if err != nil && strings.Contains(err.Error(), token) || strings.Contains(f.log.String(), token) {
		t.Errorf("the token was printed: %v\n%s", err, f.log.String())
	}
	return r, err
}

func wantClass(t *testing.T, err error, c Class, texts ...string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("want *Error of class %s, got %v", c, err)
	}
	if e.Class != c {
		t.Errorf("class %s, want %s: %v", e.Class, c, err)
	}
	for _, s := range texts {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("message lacks %q: %v", s, err)
		}
	}
	return e
}

func TestRetriesWithFullJitter(t *testing.T) {
	n := 0
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n < 4 {
			w.WriteHeader(503)
			return
		}
		fmt.Fprint(w, `{}`)
	}, nil)
	r, err := f.get(t, "/a")
	if err != nil || r.Attempts != 4 {
		t.Fatalf("%+v %v", r, err)
	}
	want := []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second}
	if fmt.Sprint(f.naps) != fmt.Sprint(want) {
		t.Errorf("naps %v, want %v", f.naps, want)
	}
	if s := f.Stats(); s.Calls != 4 || s.Retries != 3 {
		t.Errorf("stats %+v", s)
	}
}

func TestGivesUpAfterTheThreshold(t *testing.T) {
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "req-7")
		w.WriteHeader(500)
		fmt.Fprint(w, `{"message":"boom for ada@example.com with `+token+`"}`)
	}, nil)
	_, err := f.get(t, "/a")
	e := wantClass(t, err, Transient, "500", "6 attempts", "req-7", "boom for ***@*** with ***", "Run again later")
	if e.Attempts != 6 {
		t.Errorf("attempts %d", e.Attempts)
	}
}

func TestRetryAfter(t *testing.T) {
	date := time.Date(2026, 3, 2, 8, 0, 40, 0, time.UTC)
	for name, c := range map[string]struct {
		header string
		least  time.Duration
		fails  bool
	}{
		"seconds":  {"20", 20 * time.Second, false},
		"date":     {date.Format(http.TimeFormat), 40 * time.Second, false},
		"none":     {"", 250 * time.Millisecond, false},
		"nonsense": {"soon", 250 * time.Millisecond, false},
		"too long": {"86400", 24 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
				if n++; n == 1 {
					if c.header != "" {
						w.Header().Set("Retry-After", c.header)
					}
					w.WriteHeader(429)
				}
			}, nil)
			_, err := f.get(t, "/a")
			if c.fails {
				if e := wantClass(t, err, Rate, "asked to wait 24h"); e.RetryAfter != c.least {
					t.Errorf("RetryAfter %s", e.RetryAfter)
				}
				return
			}
			if err != nil || len(f.naps) != 1 || f.naps[0] < c.least || f.naps[0] > c.least+time.Second {
				t.Errorf("naps %v, err %v", f.naps, err)
			}
		})
	}
}

// A connection that is lost after the request was sent: repeating is right for a read and wrong for a write.
func TestLostConnection(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		repeat Repeat
		class  Class
		calls  int32
	}{
		"get is repeated":               {"GET", RepeatByMethod, Transient, 3},
		"post is unknown":               {"POST", RepeatByMethod, Unknown, 1},
		"post that only reads":          {"POST", RepeatSafe, Transient, 3},
		"put that must not be repeated": {"PUT", RepeatNever, Unknown, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				calls.Add(1)
				conn, _, _ := w.(http.Hijacker).Hijack()
				conn.Close()
			}, func(o *Options) { o.Attempts = 3 })
			_, err := f.Do(context.Background(), Request{Method: c.method, URL: f.srv.URL + "/x", Body: []byte(`{"a":1}`), Repeat: c.repeat})
			wantClass(t, err, c.class, "closed before an answer")
			if calls.Load() != c.calls {
				t.Errorf("%d calls, want %d", calls.Load(), c.calls)
			}
		})
	}
}

func TestRefusedConnectionHasNoEffect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	f := newFixture(t, nil, func(o *Options) { o.Hosts = []string{addr}; o.Attempts = 2 })
	_, err = f.Do(context.Background(), Request{Method: "POST", URL: "http://" + addr + "/x", Body: []byte("{}"), Repeat: RepeatNever})
	wantClass(t, err, Transient, "2 attempts")
}

func TestServerErrorToAWriteIsUnknown(t *testing.T) {
	n := 0
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) { n++; w.WriteHeader(502) }, nil)
	_, err := f.Do(context.Background(), Request{Method: "POST", URL: f.srv.URL + "/x"})
	wantClass(t, err, Unknown, "Find out whether")
	if n != 1 {
		t.Errorf("%d calls", n)
	}
	n = 0
	f2 := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			w.WriteHeader(429)
		}
	}, nil)
	if _, err := f2.Do(context.Background(), Request{Method: "POST", URL: f2.srv.URL + "/x", Repeat: RepeatNever}); err != nil || n != 2 {
		t.Errorf("a 429 is a refusal before any effect and is repeated: %v, %d calls", err, n)
	}
}

func TestTruncatedBody(t *testing.T) {
	n := 0
	cut := func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, `{"results":[`)
	}
	f := newFixture(t, cut, func(o *Options) { o.Attempts = 2 })
	_, err := f.get(t, "/a")
	wantClass(t, err, Transient, "breaks off", "2 attempts")
	_, err = f.Do(context.Background(), Request{Method: "POST", URL: f.srv.URL + "/a"})
	wantClass(t, err, Unknown, "breaks off")
	if n != 3 {
		t.Errorf("%d calls", n)
	}
}

func TestHugeBody(t *testing.T) {
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 3<<20)) }, func(o *Options) { o.MaxBody = 2 << 20 })
	r, err := f.get(t, "/a")
	wantClass(t, err, Permanent, "larger than 2 MiB", "smaller pages")
	if r.Body != nil {
		t.Error("a cut body was handed on")
	}
}

func TestTimeout(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}, func(o *Options) { o.Timeout = 50 * time.Millisecond; o.Attempts = 2 })
	_, err := f.get(t, "/a")
	wantClass(t, err, Transient, "2 attempts")
	_, err = f.Do(context.Background(), Request{Method: "POST", URL: f.srv.URL + "/a"})
	wantClass(t, err, Unknown)
}

func TestCancelAfterSendingIsUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}, nil)
	_, err := f.Do(ctx, Request{Method: "POST", URL: f.srv.URL + "/a", Body: []byte("{}")})
	wantClass(t, err, Unknown, "stopped")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("not a cancellation: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	var thief atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		thief.Add(1)
		if r.Header.Get("Authorization") != "" || r.Header.Get("Developer-Token") != "" {
			t.Error("credentials travelled to another host")
		}
		fmt.Fprint(w, "file")
	}))
	defer other.Close()
	var f *fixture
	h := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL+"/steal?access_token="+url.QueryEscape(token), http.StatusFound)
		case "/home":
			http.Redirect(w, r, "/end", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/nowhere":
			w.WriteHeader(302)
		case "/end":
			if r.Header.Get("Authorization") != "Bearer "+token {
				w.WriteHeader(401)
			}
		}
	}
	f = newFixture(t, h, nil)
	_, err := f.get(t, "/away")
	wantClass(t, err, Config, "redirect to another host", "client.hosts")
	if thief.Load() != 0 {
		t.Error("the other host was called")
	}
	if _, err := f.get(t, "/home"); err != nil {
		t.Error(err)
	}
	_, err = f.get(t, "/loop")
	wantClass(t, err, Config, "more than 5 redirects")
	_, err = f.get(t, "/nowhere")
	wantClass(t, err, Config, "302")
	_, err = f.Do(context.Background(), Request{Method: "POST", URL: f.srv.URL + "/home"})
	wantClass(t, err, Config, "not followed")

	f = newFixture(t, h, func(o *Options) {
		o.OpenHosts = []string{other.Listener.Addr().String()}
		o.Header = http.Header{"Developer-Token": {"dev"}}
	})
	if r, err := f.get(t, "/away"); err != nil || string(r.Body) != "file" {
		t.Errorf("a listed download host is followed without credentials: %v", err)
	}
}

func TestOnlyListedHosts(t *testing.T) {
	f := newFixture(t, func(http.ResponseWriter, *http.Request) { t.Error("was called") }, func(o *Options) { o.Hosts = []string{"api.example.com", "*.eu.example.com"} })
	for _, u := range []string{"https://evil.example.net/x", "https://api.example.com.evil.net/", "https://api.example.com:8443/", "https://eu.example.com/", "ftp://api.example.com/", "https://u:p@api.example.com/", f.srv.URL} {
		_, err := f.Do(context.Background(), Request{URL: u})
		wantClass(t, err, Config)
	}
	u := func(s string) *url.URL { v, _ := url.Parse(s); return v }
	for s, want := range map[string]bool{"https://api.example.com/": true, "https://API.example.com:443/": true, "https://a.eu.example.com": true, "https://a.b.eu.example.com": true, "https://xeu.example.com": false} {
		if f.hosts.allows(u(s)) != want {
			t.Errorf("%s: want %v", s, want)
		}
	}
	if _, err := New(Options{Hosts: []string{"https://api.example.com/"}}); err == nil {
		t.Error("a host with a scheme was taken")
	}
}

func TestPrivateAddresses(t *testing.T) {
	f := newFixture(t, func(http.ResponseWriter, *http.Request) { t.Error("was called") }, func(o *Options) { o.AllowPrivate = false })
	_, err := f.get(t, "/a")
	wantClass(t, err, Config, "clear text")
	_, port, _ := net.SplitHostPort(f.srv.Listener.Addr().String())
	f2 := newFixture(t, nil, func(o *Options) { o.AllowPrivate = false; o.Hosts = []string{"localhost:" + port}; o.Attempts = 1 })
	_, err = f2.Do(context.Background(), Request{URL: "https://localhost:" + port + "/"})
	wantClass(t, err, Config, "not a public address", "allow_private")
	for a, want := range map[string][2]bool{ // public only, private allowed
		"93.184.216.34": {true, true}, "10.1.2.3": {false, true}, "127.0.0.1": {false, true}, "169.254.169.254": {false, false}, "100.64.0.1": {false, true},
		"::1": {false, true}, "::ffff:192.168.0.1": {false, true}, "fe80::1": {false, false}, "fd00::1": {false, true}, "2606:4700::1": {true, true}, "64:ff9b::a00:1": {false, true}, "0.0.0.0": {false, false}, "224.0.0.1": {false, false},
	} {
		ip := netip.MustParseAddr(a)
		if addressAllowed(ip, false) != want[0] || addressAllowed(ip, true) != want[1] {
			t.Errorf("%s: %v %v, want %v", a, addressAllowed(ip, false), addressAllowed(ip, true), want)
		}
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"error":{"message":"bad key %s","echo":"%s","hdr":"%s"},"client_secret":"other-secret-1"}`, token, url.QueryEscape(token), r.Header.Get("Authorization"))
	}, nil)
	_, err := f.get(t, "/a?access_token="+url.QueryEscape("unknown+thing")+"&page=2&email=ada%40example.com")
	e := wantClass(t, err, Permanent, "page=2", "bad key ***")
	all := e.Error() + e.Body + e.URL + e.Message
	for _, s := range []string{token, url.QueryEscape(token), "unknown", "other-secret-1", "ada%40", "ada@"} {
		if strings.Contains(all, s) {
			t.Errorf("%q was printed: %s", s, all)
		}
	}
	q := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("key") != token {
			t.Error("no key sent")
		}
		conn, _, _ := w.(http.Hijacker).Hijack()
		conn.Close()
	}, func(o *Options) { o.Auth = QueryKey("key", secret.New(token)); o.Attempts = 2 })
	if _, err := q.get(t, "/a"); err == nil {
		t.Error("no error")
	}
	b := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprint(w, r.Header.Get("Authorization"))
	},
		func(o *Options) { o.Auth = Basic("user", secret.New("p4ssw0rd")) })
	_, err = b.get(t, "/a")
	if e := wantClass(t, err, Permanent); strings.Contains(e.Body, "dXNlcj") {
		t.Errorf("basic credentials echoed: %s", e.Body)
	}
}

func TestStatusClasses(t *testing.T) {
	for status, want := range map[int]Class{400: Permanent, 401: Auth, 403: Auth, 404: Permanent, 407: Config, 408: Transient, 409: Permanent, 422: Permanent, 423: Transient, 429: Rate, 477: Transient, 500: Transient, 501: Permanent, 503: Transient, 504: Transient} {
		f := newFixture(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }, func(o *Options) { o.Attempts = 1 })
		r, err := f.get(t, "/a")
		wantClass(t, err, want)
		if r == nil || r.Status != status {
			t.Errorf("%d: no response beside the error", status)
		}
	}
}

func TestJudge(t *testing.T) {
	n := 0
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n < 3 {
			fmt.Fprint(w, `{"success":false,"errors":[{"code":"606","message":"slow down"}]}`)
			return
		}
		fmt.Fprint(w, `{"success":true}`)
	}, nil)
	judge := func(r *Response) Verdict {
		if bytes.Contains(r.Body, []byte(`"606"`)) {
			return Verdict{Class: Rate}
		}
		return Verdict{}
	}
	r, err := f.Do(context.Background(), Request{URL: f.srv.URL, Judge: judge})
	if err != nil || n != 3 || string(r.Body) != `{"success":true}` || f.Stats().Limited != 2 {
		t.Errorf("%v after %d calls, %+v", err, n, f.Stats())
	}
	_, err = f.Do(context.Background(), Request{URL: f.srv.URL, Judge: func(*Response) Verdict { return Verdict{Class: Permanent, Message: "no", Hint: "Do this"} }})
	wantClass(t, err, Permanent, "200 OK", ": no", "Do this")
}

func TestOAuth2(t *testing.T) {
	var issued, refused atomic.Int32
	current := atomic.Value{}
	current.Store("")
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token endpoint got the API's credentials")
		}
		r.ParseForm()
		if r.Form.Get("client_secret") != "cl13nt-s3cr3t" || r.Form.Get("grant_type") != "refresh_token" || r.Form.Get("refresh_token") == "revoked-token" {
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"refresh token %s is revoked"}`, r.Form.Get("refresh_token"))
			return
		}
		tok := fmt.Sprintf("access-%d-longtoken", issued.Add(1))
		current.Store(tok)
		fmt.Fprintf(w, `{"access_token":%q,"expires_in":"1800"}`, tok)
	}))
	defer tokens.Close()
	setup := func(refresh string) *fixture {
		tc, err := New(Options{Hosts: []string{tokens.Listener.Addr().String()}, AllowPrivate: true, Attempts: 2, Sleep: func(context.Context, time.Duration) error { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		return newFixture(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+current.Load().(string) {
				refused.Add(1)
				w.WriteHeader(401)
				fmt.Fprintf(w, `{"message":"token %s expired"}`, r.Header.Get("Authorization"))
			}
		}, func(o *Options) {
			tc.opt.Now = o.Now
			o.Auth = NewOAuth2(OAuth2Config{Client: tc, TokenURL: tokens.URL, ClientID: "id", ClientSecret: secret.New("cl13nt-s3cr3t"), RefreshToken: secret.New(refresh)})
		})
	}
	f := setup("r3fr3sh")
	for range 3 {
		if _, err := f.get(t, "/a"); err != nil {
			t.Fatal(err)
		}
	}
	if issued.Load() != 1 {
		t.Errorf("%d tokens for three calls", issued.Load())
	}
	current.Store("revoked in the middle") // expired mid-read: one refresh, then on
	if _, err := f.get(t, "/a"); err != nil || issued.Load() != 2 || refused.Load() != 1 {
		t.Errorf("%v, %d tokens, %d refusals", err, issued.Load(), refused.Load())
	}
	f.now = f.now.Add(29*time.Minute + 30*time.Second) // renewed before it expires
	if _, err := f.get(t, "/a"); err != nil || issued.Load() != 3 || refused.Load() != 1 {
		t.Errorf("%v, %d tokens, %d refusals", err, issued.Load(), refused.Load())
	}
	f = setup("revoked-token")
	_, err := f.get(t, "/a")
	wantClass(t, err, Auth, "fetching an access token", "invalid_grant", "authorise the application again")
	if strings.Contains(err.Error(), "revoked-token") {
		t.Errorf("refresh token printed: %v", err)
	}
}

// A token that stays refused is refreshed once, not for ever.
func TestRefreshOnce(t *testing.T) {
	n := 0
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) { n++; w.WriteHeader(401) }, nil)
	_, err := f.get(t, "/a")
	wantClass(t, err, Auth, "401")
	if n != 1 {
		t.Errorf("%d calls with a fixed token", n)
	}
}

func TestOpenStreams(t *testing.T) {
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cut" {
			w.Header().Set("Content-Length", "100")
		}
		fmt.Fprint(w, `[1,2`)
	}, nil)
	r, err := f.Open(context.Background(), Request{URL: f.srv.URL + "/whole"})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r.Stream); err != nil || string(b) != "[1,2" {
		t.Errorf("%q %v", b, err)
	}
	r.Stream.Close()
	r, err = f.Open(context.Background(), Request{URL: f.srv.URL + "/cut"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stream.Close()
	_, err = io.ReadAll(r.Stream)
	wantClass(t, err, Transient, "breaks off")
}

// net/http repeats a call that has an Idempotency-Key when a kept connection breaks; RepeatNever forbids it.
func TestNeverRepeatedForItsIdempotencyKey(t *testing.T) {
	var calls atomic.Int32
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			calls.Add(1)
			panic(http.ErrAbortHandler)
		}
	}, nil)
	if _, err := f.get(t, "/"); err != nil { // a connection to keep
		t.Fatal(err)
	}
	_, err := f.Do(context.Background(), Request{Method: "POST", URL: f.srv.URL, Body: []byte("{}"), Header: http.Header{"Idempotency-Key": {"1"}}, Repeat: RepeatNever})
	wantClass(t, err, Unknown)
	if n := calls.Load(); n != 1 {
		t.Errorf("the call was made %d times", n)
	}
}
