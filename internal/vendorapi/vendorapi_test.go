package vendorapi

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"millrace/internal/httpx"
)

func TestAddress(t *testing.T) {
	for _, bad := range []string{"", "api.example.com", "ftp://x.example", "http://"} {
		if _, err := Address("config.base_url", bad, "https://api.example.com"); err == nil || !strings.Contains(err.Error(), "Write https://api.example.com.") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if u, err := Address("config.base_url", "https://api.example.com/x", ""); err != nil || u.Host != "api.example.com" {
		t.Error(u, err)
	}
}

func TestCallsAndAnswers(t *testing.T) {
	var seen string
	answer := `{"n":12345678901234567}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		seen = fmt.Sprint(r.Method, " ", r.URL, " ", r.Header.Get("Content-Type"), " ", r.Header.Get("X-Own"), " ", string(b))
		fmt.Fprint(w, answer)
	}))
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := httpx.New(httpx.Options{Hosts: []string{u.Host}, AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	a := &API{Name: "cards", Base: Trim(srv.URL + "/"), Client: c, Header: http.Header{"X-Own": {"1"}}}
	var out struct{ N any }
	if _, err := a.Do(t.Context(), Call{Method: "POST", Path: "/x", Query: url.Values{"q": {"a b"}}, Body: map[string]string{"v": "<&>"}}, &out); err != nil || fmt.Sprint(out.N) != "12345678901234567" {
		t.Error(out, err)
	}
	if want := `POST /x?q=a+b application/json 1 {"v":"<&>"}`; seen != want {
		t.Errorf("got  %s\nwant %s", seen, want)
	}
	if _, err := a.Do(t.Context(), Call{Method: "PUT", Path: "/x", Raw: []byte("a,b\n"), Type: "text/csv"}, nil); err != nil || seen != "PUT /x text/csv 1 a,b\n" {
		t.Error(seen, err)
	}
	answer = `{"n":`
	_, err = a.Do(t.Context(), Call{Method: "POST", Path: "/x"}, &out)
	if err == nil || httpx.ClassOf(err) != "" || !strings.Contains(err.Error(), "not known what it did") {
		t.Error(err)
	}
}
