package normal

import (
	"net/url"
	"slices"
	"strings"
)

type trackingTable struct {
	names    map[string]bool
	prefixes []string
}

// URL is a link to a web page in one spelling: scheme and host in lower case, the host in ASCII, no port that goes without
// saying, no user, no fragment, dots in the path resolved, no slash at the end, parameters sorted and without those that only
// say where the visitor came from (utm_*, gclid, ...). A link without a scheme gets https. Links that are not of the web are
// refused.
func (n *Normaliser) URL(s string) (string, bool) {
	u, ok := parseURL(s)
	if !ok {
		return "", false
	}
	q, err := url.ParseQuery(strings.ReplaceAll(u.RawQuery, ";", "%3B"))
	if err != nil { // one parameter that cannot be read does not take the others with it
		q = lenientQuery(u.RawQuery)
	}
	for name := range q {
		if n.tracking.has(name) {
			delete(q, name)
			continue
		}
		slices.Sort(q[name])
	}
	u.RawQuery = q.Encode()
	return u.String(), true
}

// parseURL reads a link without its fragment and user.
func parseURL(s string) (*url.URL, bool) {
	if len(s) > maxURL {
		return nil, false
	}
	s = visible(s)
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return nil, false
	}
	s = strings.ReplaceAll(s, " ", "%20")
	switch i := strings.Index(s, "://"); {
	case strings.HasPrefix(s, "//"):
		s = "https:" + s
	case i < 0 || strings.ContainsAny(s[:i], "/?#"):
		host := s
		if end := strings.IndexAny(s, "/?#"); end >= 0 {
			host = s[:end]
		}
		// mailto:, javascript: and addresses are no links to the web; acme.com:8443 is.
		if name, port, colon := strings.Cut(host, ":"); strings.Contains(host, "@") || colon && (!digits(port) || !strings.Contains(name, ".")) {
			return nil, false
		}
		s = "https://" + s
	}
	u, err := url.Parse(fixEscapes(s))
	if err != nil {
		return nil, false
	}
	u.Scheme = strings.ToLower(u.Scheme)
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, false
	}
	host, ok := asciiHost(u.Hostname())
	if !ok {
		return nil, false
	}
	port := u.Port()
	if port == "80" && u.Scheme == "http" || port == "443" && u.Scheme == "https" {
		port = ""
	}
	u.Host = host
	if port != "" {
		u.Host += ":" + port
	}
	u.User, u.Fragment, u.RawFragment, u.ForceQuery, u.OmitHost = nil, "", "", false, false
	path := u.EscapedPath()
	if strings.Contains(path, "/.") || strings.Contains(path, "//") {
		clean := u.JoinPath()
		path = clean.EscapedPath()
	}
	path = strings.TrimRight(path, "/")
	if u.Path, err = url.PathUnescape(path); err != nil {
		return nil, false
	}
	u.RawPath = ""
	if up := strings.ToUpper(path); strings.Contains(up, "%2F") || strings.Contains(up, "%25") { // an escaped slash is not a slash
		u.RawPath = path
	}
	return u, true
}

// fixEscapes makes a percent sign that escapes nothing one of its own: people write "100%".
func fixEscapes(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && (i+2 >= len(s) || !hexDigit(s[i+1]) || !hexDigit(s[i+2])) {
			b.WriteString("%25")
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func lenientQuery(raw string) url.Values {
	out := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		k, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err1 == nil && err2 == nil && k != "" {
			out[k] = append(out[k], v)
		}
	}
	return out
}

func (t *trackingTable) has(name string) bool {
	name = strings.ToLower(name)
	if t.names[name] {
		return true
	}
	return slices.ContainsFunc(t.prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Param is a parameter of a link, decoded and trimmed: the campaign's tags (utm_source) and click ids (gclid).
func (n *Normaliser) Param(link, name string) (string, bool) {
	u, ok := parseURL(link)
	if !ok {
		return "", false
	}
	for k, v := range lenientQuery(u.RawQuery) {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return tidy(v[0], maxURL)
		}
	}
	return "", false
}
