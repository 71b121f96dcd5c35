package twin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"millrace/internal/atomicfile"
	"millrace/internal/fault"
	"millrace/internal/twin/market"
	"millrace/internal/twin/store"
)

// Serve answers on an address until ctx ends, and calls ready with the base URL once it listens. The address must be of
// this machine: the twin's credentials are no secret.
func (t *Twin) Serve(ctx context.Context, addr string, log *slog.Logger, ready func(url string)) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return &fault.Error{Key: "addr", Value: addr, Msg: "not an address", Err: err, Hint: "Write it as 127.0.0.1:8899; port 0 takes a free one."}
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return &fault.Error{Key: "addr", Value: addr, Msg: "the twin listens on this machine only", Hint: "Write it as 127.0.0.1:8899."}
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fault.Hint(fmt.Errorf("listen for the simulated vendors: %w", err), "Give another address; port 0 takes a free one.")
	}
	srv := &http.Server{Handler: t.handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	ready("http://" + l.Addr().String())
	select {
	case err := <-ended:
		return fmt.Errorf("serve the simulated vendors: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		srv.Close() // slow answers on request do not hold up the end
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the simulated vendors: %w", err)
	}
	return nil
}

// WriteFiles writes what the company exports as files: product_events/<day>.ndjson for every day that is over (a day's
// file never changes, so those that are there stay as they are) and sales/availability.csv.
func (t *Twin) WriteFiles(dir string) error {
	files := map[string][]byte{}
	t.db.View(func(s *store.State) {
		sim := market.Of(s)
		for d := sim.FirstDay(); d.Before(s.Date); d = d.AddDate(0, 0, 1) {
			name := filepath.Join("product_events", d.Format(store.Day)+".ndjson")
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				files[name] = sim.Events(d)
			}
		}
		files[filepath.Join("sales", "availability.csv")] = sim.Availability()
	})
	for _, name := range sortedKeys(files) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write the twin's files: %w", err)
		}
		if old, err := os.ReadFile(path); err == nil && string(old) == string(files[name]) {
			continue
		}
		if err := atomicfile.Write(path, files[name], 0o644); err != nil {
			return fmt.Errorf("write the twin's files: %w", err)
		}
	}
	return nil
}
