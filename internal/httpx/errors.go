package httpx

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"millrace/internal/fault"
)

// Class says what a failed call means for the caller.
type Class string

// The classes of failure. Only Unknown says that the far side may have acted.
const (
	Transient Class = "transient" // no effect, or safe to repeat: try again later
	Rate      Class = "rate"      // refused by a limit: try again after RetryAfter
	Auth      Class = "auth"      // credentials or scope: a person must act
	Config    Class = "config"    // address, host list, TLS, redirect: a person must act
	Permanent Class = "permanent" // this request will never succeed as it stands
	Unknown   Class = "unknown"   // the request may have taken effect: find out before sending it again
)

// Error is a failed call. Every text in it is redacted: it may be printed and logged (P8).
type Error struct {
	Class      Class
	Method     string
	URL        string // without credentials
	Status     int    // 0: no answer
	RequestID  string // the vendor's id of the request, for their support
	Message    string // the vendor's own message, or what went wrong here
	Body       string // beginning of the answer
	Hint       string // what to do next
	RetryAfter time.Duration
	Attempts   int
	Err        error // cause; nil when the answer itself is the failure
}

// Error says what was tried, what came back, how often it was tried, and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Method + " " + e.URL + ": ")
	switch {
	case e.Status > 0:
		fmt.Fprintf(&b, "answered %d %s", e.Status, http.StatusText(e.Status))
	case e.Class == Unknown:
		b.WriteString("no answer, and the request may have taken effect")
	case e.Class == Config || e.Class == Permanent || e.Class == Auth:
		b.WriteString("refused")
	default:
		b.WriteString("no answer")
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	} else if e.Body != "" {
		b.WriteString(": " + fault.Shorten(e.Body, 200))
	}
	var extra []string
	if e.Attempts > 1 {
		extra = append(extra, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if e.RetryAfter > 0 {
		extra = append(extra, "asked to wait "+e.RetryAfter.Round(time.Second).String())
	}
	if e.RequestID != "" {
		extra = append(extra, "request id "+e.RequestID)
	}
	if len(extra) > 0 {
		b.WriteString(" (" + strings.Join(extra, ", ") + ")")
	}
	if e.Hint != "" {
		return strings.TrimRight(b.String(), ". ") + ". " + e.Hint
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf is the class of an error that Do returned; "" for nil and for errors from elsewhere.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// classOfStatus maps an answer to a class. repeatable says whether repeating the request is safe: a 5xx to a request
// that is not leaves open whether it took effect. 429 is a refusal before any effect.
func classOfStatus(status int, repeatable bool) Class {
	switch {
	case status < 300:
		return ""
	case status == http.StatusTooManyRequests:
		return Rate
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Auth
	case status == http.StatusProxyAuthRequired:
		return Config
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusLocked, status == 477:
		return Transient // 477: HubSpot while an account moves between data centres, with Retry-After
	case status == http.StatusNotImplemented, status == http.StatusHTTPVersionNotSupported:
		return Permanent
	case status >= 500:
		if repeatable {
			return Transient
		}
		return Unknown
	case status < 400:
		return Config
	}
	return Permanent
}

// vendorMessage finds the message in the error bodies that vendors send: {"message"}, {"error": {"message"}},
// {"error": "text", "error_description"}, {"errors": [{"message"}]}, and arrays of these. Empty when there is none.
func vendorMessage(body []byte) string {
	if len(body) == 0 || len(body) > 256<<10 {
		return ""
	}
	var v any
	if json.Unmarshal(body, &v) != nil {
		return ""
	}
	return findMessage(v, 0)
}

func findMessage(v any, depth int) string {
	if depth > 6 {
		return ""
	}
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			if m := findMessage(e, depth+1); m != "" {
				return m
			}
		}
	case map[string]any:
		var parts []string
		for _, k := range []string{"category", "code", "type", "status", "error"} {
			if s, ok := x[k].(string); ok && s != "" && s != "error" && len(s) < 80 {
				parts = append(parts, s)
				break
			}
		}
		for _, k := range []string{"message", "error_description", "detail", "title", "errorMessage"} {
			if s, ok := x[k].(string); ok && s != "" {
				parts = append(parts, s)
				text := strings.Join(parts, ": ")
				// Google says what is wrong only in the details.
				if more := findMessage(x["details"], depth+1); more != "" && more != s {
					text += " (" + more + ")"
				}
				return text
			}
		}
		for _, k := range []string{"error", "errors", "details"} {
			switch x[k].(type) {
			case map[string]any, []any:
				if m := findMessage(x[k], depth+1); m != "" {
					return m
				}
			}
		}
		if s, ok := x["error"].(string); ok {
			return s
		}
	}
	return ""
}

// bodyRequestID finds the request id that some vendors put into an error's body.
func bodyRequestID(body []byte) string {
	var v map[string]any
	if len(body) > 256<<10 || json.Unmarshal(body, &v) != nil {
		return ""
	}
	for _, k := range []string{"correlationId", "requestId", "request_id"} {
		if s, ok := v[k].(string); ok {
			return fault.Shorten(s, 100)
		}
	}
	return ""
}
