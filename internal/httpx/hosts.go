package httpx

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// hostList is the hosts that a client may call. An entry is "api.example.com" (the scheme's own port),
// "api.example.com:8443", or "*.example.com" (any name below it).
type hostList []string

func newHostList(entries []string) (hostList, error) {
	out := make(hostList, 0, len(entries))
	for _, e := range entries {
		h := strings.ToLower(strings.TrimSpace(e))
		bare := strings.TrimPrefix(h, "*.")
		if bare == "" || strings.ContainsAny(bare, "/*@? ") || strings.Contains(h, "://") {
			return nil, fmt.Errorf("host %q: write a host name such as api.example.com, api.example.com:8443 or *.example.com", e)
		}
		out = append(out, h)
	}
	return out, nil
}

func (l hostList) allows(u *url.URL) bool {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	standard := port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80"
	for _, e := range l {
		name, p := e, ""
		if h, pp, err := net.SplitHostPort(e); err == nil {
			name, p = h, pp
		}
		name = strings.Trim(name, "[]")
		if p == "" && !standard || p != "" && p != portOf(u) {
			continue
		}
		if suffix, ok := strings.CutPrefix(name, "*"); ok {
			if strings.HasSuffix(host, suffix) && len(host) > len(suffix) {
				return true
			}
		} else if host == name {
			return true
		}
	}
	return false
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}

// errPrivate is returned while dialling an address that is not public.
type errPrivate struct{ addr string }

func (e *errPrivate) Error() string {
	return "the host resolves to " + e.addr + ", which is not a public address"
}

// reserved are ranges that netip's own predicates do not cover (RFC 6890, RFC 6598, RFC 6052, RFC 2544).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"),
}

// addressAllowed judges the address that is really dialled. Link-local addresses (cloud metadata services) are refused
// even when private ones are allowed.
func addressAllowed(a netip.Addr, allowPrivate bool) bool {
	a = a.Unmap()
	if a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	if allowPrivate {
		return true
	}
	if a.IsLoopback() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// dialer checks the address after name resolution, at the moment of connecting, so that a name which changes its
// address between check and use gains nothing.
func dialer(allowPrivate bool) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("address %q: %w", address, err)
			}
			if !addressAllowed(ap.Addr().WithZone(""), allowPrivate) {
				return &errPrivate{addr: ap.Addr().String()}
			}
			return nil
		}}
	return d.DialContext
}
