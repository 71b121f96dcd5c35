// Package vendorapi is what destinations that speak JSON over HTTP have in common: one address, one client, a body that
// goes out as JSON, and an answer that must be readable before anything is believed of it (P6). The policy of repeating,
// credentials and limits are httpx's. It must not know any vendor.
package vendorapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// Address checks a configured address; key is the option's name and example what it usually is.
func Address(key, value, example string) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &fault.Error{Key: key, Value: value, Msg: "not an address", Hint: "Write " + example + "."}
	}
	return u, nil
}

// API is one account of one system. It is safe for concurrent use when its client is.
type API struct {
	Name   string // of the vendor, for messages
	Base   string // address without a trailing slash
	Client *httpx.Client
	Judge  func(*httpx.Response) httpx.Verdict // classes the vendor's own way of refusing; may be nil
	Header http.Header                         // added to every call
}

// Call is one call.
type Call struct {
	Method string
	Path   string // after Base, escaped
	Query  url.Values
	Header http.Header
	Body   any    // sent as JSON; nil: no body
	Raw    []byte // sent as it is, with Type, in place of Body
	Type   string
	Repeat httpx.Repeat
}

// Do makes a call and reads a successful answer into out, unless out is nil. The response is given with errors too, when
// there was one. An answer that cannot be read is an error of no class: what the call did is not known.
func (a *API) Do(ctx context.Context, c Call, out any) (*httpx.Response, error) {
	h := a.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	body := c.Raw
	switch {
	case c.Body != nil:
		var err error
		if body, err = JSON(c.Body); err != nil {
			return nil, fmt.Errorf("%s: spell the body of %s %s: %w", a.Name, c.Method, c.Path, err)
		}
		h.Set("Content-Type", "application/json")
	case c.Type != "":
		h.Set("Content-Type", c.Type)
	}
	h.Set("Accept", "application/json")
	for k, vs := range c.Header {
		h[http.CanonicalHeaderKey(k)] = vs
	}
	resp, err := a.Client.Do(ctx, httpx.Request{Method: c.Method, URL: a.Base + c.Path, Query: c.Query, Header: h, Body: body, Repeat: c.Repeat, Judge: a.Judge})
	if err != nil || out == nil {
		return resp, err
	}
	dec := json.NewDecoder(bytes.NewReader(resp.Body))
	dec.UseNumber()
	if err := dec.Decode(out); err != nil {
		return resp, fmt.Errorf("%s: the answer to %s %s cannot be read, so it is not known what it did: %w", a.Name, c.Method, c.Path, err)
	}
	return resp, nil
}

// JSON spells a value without the escapes that are for HTML only.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// Trim is a base address as calls are appended to it.
func Trim(address string) string { return strings.TrimRight(address, "/") }
