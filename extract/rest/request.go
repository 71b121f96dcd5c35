package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/valyala/fastjson"

	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// answer is one page as it came.
type answer struct {
	root    *fastjson.Value // valid until the parser is used again
	ignored bool            // a rule said that there is nothing here
	link    string          // Link header's next
	hinted  bool            // a rule said what to do
}

// call makes one call of a resource and reads the answer as JSON, judged by the resource's rules.
func (s *source) call(ctx context.Context, r *resource, ep EndpointDef, sc *scope, p *PaginatorDef, at cursorPos, parser *fastjson.Parser) (*answer, error) {
	req, err := s.request(ep, sc, p, at)
	if err != nil {
		return nil, err
	}
	a := &answer{}
	req.Judge = s.judge(r, parser, a)
	resp, err := s.client.Do(ctx, req)
	if err != nil {
		return nil, s.explain(r, err, a.hinted)
	}
	if p != nil && p.Type == "header_link" && !a.ignored {
		a.link = linkHeader(resp.Header.Values("Link"))
	}
	return a, nil
}

func (s *source) request(ep EndpointDef, sc *scope, p *PaginatorDef, at cursorPos) (httpx.Request, error) {
	address, err := s.address(ep.Path, sc)
	if err != nil {
		return httpx.Request{}, err
	}
	query := url.Values{}
	for _, e := range ep.Params.Entries() {
		v, err := e.Value.text(sc)
		var none *errNoValue
		if errors.As(err, &none) {
			continue
		}
		if err != nil {
			return httpx.Request{}, fmt.Errorf("parameter %s: %w", e.Key, err)
		}
		query.Set(e.Key, v)
	}
	header := http.Header{"Accept": {"application/json"}}
	for _, e := range ep.Headers.Entries() {
		v, err := e.Value.text(sc)
		var none *errNoValue
		if errors.As(err, &none) {
			continue
		}
		if err != nil {
			return httpx.Request{}, fmt.Errorf("header %s: %w", e.Key, err)
		}
		header.Set(e.Key, v)
	}
	body, err := ep.JSON.value(sc)
	if err != nil {
		return httpx.Request{}, fmt.Errorf("body: %w", err)
	}
	if p != nil {
		m, isMap := body.(map[string]any)
		if p.In == "json" && !isMap {
			m = map[string]any{}
			body = m
		}
		if (p.Type == "next_link" || p.Type == "header_link") && at.token != "" {
			base, err := url.Parse(address)
			if err != nil {
				return httpx.Request{}, fmt.Errorf("address %s: not valid", s.client.Redactor().URL(address))
			}
			next, err := base.Parse(at.token)
			if err != nil {
				return httpx.Request{}, fmt.Errorf("the link to the next page is not an address: %q", fault.Shorten(s.client.Redactor().Text(at.token), 100))
			}
			address, query = next.String(), nil // the link carries the parameters
		} else {
			p.apply(at, query, m)
		}
	}
	// Sources only read: whatever the method, a call may be repeated.
	req := httpx.Request{Method: ep.Method, URL: address, Query: query, Header: header, Repeat: httpx.RepeatSafe}
	if req.Method == "" {
		req.Method = http.MethodGet
	}
	// A signed download link is called without anything of the account.
	req.NoAuth = s.client.OpenHost(address)
	if body != nil {
		if req.Body, err = json.Marshal(body); err != nil {
			return httpx.Request{}, fmt.Errorf("body: %w", err)
		}
		header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// address joins base_url and a path; a path that is a whole address stands for itself (httpx holds it against the hosts).
func (s *source) address(t Template, sc *scope) (string, error) {
	path, err := t.path(sc)
	if err != nil {
		return "", fmt.Errorf("path: %w", err)
	}
	if strings.HasPrefix(path, "https://") || strings.HasPrefix(path, "http://") {
		return path, nil
	}
	return strings.TrimRight(s.baseURL, "/") + "/" + strings.TrimLeft(path, "/"), nil
}

// judge reads an answer's body and applies the rules. It runs inside httpx's retry loop, so that a body which breaks off
// or a 200 that holds an error is tried again like any other failure.
func (s *source) judge(r *resource, parser *fastjson.Parser, a *answer) func(*httpx.Response) httpx.Verdict {
	return func(resp *httpx.Response) httpx.Verdict {
		*a = answer{}
		if resp.Status >= 300 && resp.Status < 400 {
			return httpx.Verdict{}
		}
		var perr error
		if len(resp.Body) > 0 {
			a.root, perr = parser.ParseBytes(resp.Body)
		} else if resp.Status < 300 {
			perr = errors.New("the body is empty")
		}
		if perr != nil {
			a.root = nil
		}
		if r != nil {
			for _, act := range r.actions {
				if v, hit := act.apply(resp, a); hit {
					a.hinted = v.Hint != ""
					return v
				}
			}
		}
		if resp.Status < 300 && perr != nil && resp.Status != http.StatusNoContent {
			kind := ""
			if ct := resp.Header.Get("Content-Type"); ct != "" && !strings.Contains(ct, "json") {
				kind = " (it says that it is " + fault.Shorten(ct, 60) + ")"
			}
			return httpx.Verdict{Class: httpx.Transient, Message: "the answer is not whole JSON" + kind + ": " + fault.Shorten(perr.Error(), 120),
				Hint: "If it stays so, check base_url: a login page or a proxy may be answering in the API's place"}
		}
		return httpx.Verdict{}
	}
}

func (act *action) apply(resp *httpx.Response, a *answer) (httpx.Verdict, bool) {
	if !act.matches(resp, a) {
		return httpx.Verdict{}, false
	}
	v := httpx.Verdict{Hint: strings.TrimSuffix(act.Hint, ".")}
	if act.MessagePath != "" {
		v.Message = text(get(a.root, splitPath(act.MessagePath)))
	}
	switch act.Action {
	case "ignore":
		a.ignored = true
		return httpx.Verdict{Accept: true}, true
	case "retry":
		v.Class = httpx.Transient
	case "rate_limited":
		v.Class = httpx.Rate
	case "refresh_token_then_retry":
		v.Refresh, v.Class = true, httpx.Auth
	default:
		v.Class = httpx.Permanent
		if act.Class != "" {
			v.Class = httpx.Class(act.Class)
		}
		if v.Message == "" && resp.Status < 300 {
			v.Message = "the answer holds an error"
		}
	}
	return v, true
}

func (act *action) matches(resp *httpx.Response, a *answer) bool {
	if len(act.codes) > 0 {
		code := fmt.Sprint(resp.Status)
		ok := false
		for _, c := range act.codes {
			ok = ok || c == code || strings.HasSuffix(c, "xx") && c[:1] == code[:1]
		}
		if !ok {
			return false
		}
	}
	if len(act.bodyPath) > 0 {
		if a.root == nil {
			return false
		}
		v := a.root.Get(act.bodyPath...)
		if v == nil || v.Type() == fastjson.TypeNull {
			return false
		}
		if act.Equals != "" && text(v) != act.Equals {
			return false
		}
		if act.Contains != "" && !strings.Contains(string(v.MarshalTo(nil)), act.Contains) {
			return false
		}
		return true
	}
	return act.Contains == "" || strings.Contains(string(resp.Body), act.Contains)
}

// explain adds to a failed call what this connector knows: which configuration keys hold the credentials, which
// permission the stream needs.
func (s *source) explain(r *resource, err error, hinted bool) error {
	var e *httpx.Error
	if !errors.As(err, &e) || e.Class != httpx.Auth || hinted {
		return err
	}
	switch {
	case e.Status == http.StatusForbidden && r != nil && r.Scope != "":
		e.Hint = "The credentials are valid but may not read this: give them the permission " + r.Scope
	case e.Status != http.StatusForbidden && len(s.credentialKeys) > 0 && e.Err == nil:
		e.Hint = "Check " + strings.Join(s.credentialKeys, ", ") + " under config of source " + s.name + ": the vendor does not take the value (expired, revoked or mistyped)"
	}
	return err
}
