package httpx

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"sync"

	"millrace/internal/secret"
)

// Redactor takes credentials and personal data out of text that people and logs will see (P8).
// It knows the secrets that it was told, also percent-encoded, base64-encoded and JSON-escaped, and the usual shapes of
// credentials and e-mail addresses. It is safe for concurrent use.
type Redactor struct {
	mu      sync.RWMutex
	secrets []string // longest first, so that one secret inside another leaves nothing behind
}

// NewRedactor knows the given secrets.
func NewRedactor(secrets ...secret.String) *Redactor {
	r := &Redactor{}
	r.Add(secrets...)
	return r
}

// Add makes more secrets known, for instance a token that was just fetched.
func (r *Redactor) Add(secrets ...secret.String) {
	r.mu.Lock()
	defer r.mu.Unlock()
	have := make(map[string]bool, len(r.secrets))
	for _, s := range r.secrets {
		have[s] = true
	}
	for _, s := range secrets {
		v := s.Reveal()
		if len(v) < 3 {
			continue // shorter than that, masking would only garble the text
		}
		for _, form := range []string{v, url.QueryEscape(v), url.PathEscape(v), jsonEscape(v),
			base64.StdEncoding.EncodeToString([]byte(v)), base64.RawStdEncoding.EncodeToString([]byte(v)), base64.URLEncoding.EncodeToString([]byte(v))} {
			if !have[form] {
				have[form] = true
				r.secrets = append(r.secrets, form)
			}
		}
	}
	sort.SliceStable(r.secrets, func(i, j int) bool { return len(r.secrets[i]) > len(r.secrets[j]) })
}

var (
	// The value of a header or field that is a credential by its shape or name.
	reBearer = regexp.MustCompile(`(?i)\b(bearer|basic|token)\s+[A-Za-z0-9._~+/=-]{8,}`)
	reNamed  = regexp.MustCompile(`(?i)("?\b(?:access_token|refresh_token|id_token|client_secret|api_?key|apikey|hapikey|api_secret|password|passwd|secret|signature|authorization|developer-token|x-api-key)"?\s*[:=]\s*"?)[^"&\s,}]+`)
	reEmail  = regexp.MustCompile(`[A-Za-z0-9._%+'-]+(?:@|%40)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`)
)

// namedParams are query parameters that carry credentials at some vendor.
var namedParams = map[string]bool{
	"access_token": true, "refresh_token": true, "token": true, "api_key": true, "apikey": true, "key": true, "hapikey": true,
	"secret": true, "client_secret": true, "api_secret": true, "password": true, "sig": true, "signature": true, "code": true,
	"appsecret_proof": true, "x-amz-signature": true, "x-amz-credential": true, "x-amz-security-token": true, "x-goog-signature": true,
}

// Text masks credentials and e-mail addresses in s.
func (r *Redactor) Text(s string) string {
	r.mu.RLock()
	for _, v := range r.secrets {
		if strings.Contains(s, v) {
			s = strings.ReplaceAll(s, v, "***")
		}
	}
	r.mu.RUnlock()
	s = reBearer.ReplaceAllString(s, "$1 ***")
	s = reNamed.ReplaceAllString(s, "$1***")
	return reEmail.ReplaceAllString(s, "***@***")
}

// URL masks user info and the values of parameters that carry credentials, and then whatever Text masks.
func (r *Redactor) URL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return r.Text(raw)
	}
	if u.User != nil {
		u.User = url.User("***")
	}
	u.Fragment = ""
	if u.RawQuery != "" {
		parts := strings.Split(u.RawQuery, "&")
		for i, p := range parts {
			name, _, has := strings.Cut(p, "=")
			plain, err := url.QueryUnescape(name)
			if err != nil {
				plain = name
			}
			if has && namedParams[strings.ToLower(plain)] {
				parts[i] = name + "=***"
			}
		}
		u.RawQuery = strings.Join(parts, "&")
	}
	return r.Text(strings.ReplaceAll(u.String(), "%2A%2A%2A", "***"))
}

// jsonEscape is how a JSON encoder would write the value inside a string.
func jsonEscape(v string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "/", `\/`).Replace(v)
}
