// Package wire holds the few lines of HTTP that every simulated vendor needs.
package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// JSON answers with a body. Objects keep the order of their struct fields; maps are sorted.
func JSON(w http.ResponseWriter, status int, body any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
	}
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// maxBody bounds what a request may send.
const maxBody = 64 << 20

// Body reads a request's body, at most 64 MB.
func Body(r *http.Request) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
}

// Bearer is the token of the Authorization header, or "".
func Bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// Base is the address under which the client reached the twin.
func Base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// Bucket counts calls in a fixed window. It is safe for use by many goroutines.
type Bucket struct {
	Max    int
	Window time.Duration
	mu     sync.Mutex
	start  time.Time
	used   int
}

// Take counts a call and says how many are left and, when none was, how long until the window ends.
func (b *Bucket) Take(now time.Time) (left int, wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.start) >= b.Window || now.Before(b.start) {
		b.start, b.used = now, 0
	}
	b.used++
	if b.used > b.Max {
		return 0, b.start.Add(b.Window).Sub(now), false
	}
	return b.Max - b.used, 0, true
}
