package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/twin"
)

// hostedTwin is the simulated vendors of a project while a command runs: served by this process, or by another one that
// got there first. Close it.
type hostedTwin struct {
	t    *twin.Twin // nil: another process serves it
	srv  *http.Server
	url  string
	date time.Time
}

// morning is the hour of the day at which a project over the twin runs, after the business day before has ended
// everywhere, and late enough for reports that are due in the morning.
const morning = 9 * time.Hour

// hostTwin starts the simulated vendors that the project names. A twin that runs already at the address is used.
func hostTwin(ctx context.Context, p *project.Project) (*hostedTwin, error) {
	c := p.File.Twin
	o := twin.Options{Size: c.Size, Seed: c.Seed}
	if c.Date != "" {
		d, err := time.Parse("2006-01-02", c.Date)
		if err != nil {
			return nil, &fault.Error{File: project.FileName, Key: "twin.date", Value: c.Date, Msg: "not a date", Hint: "Write it as 2026-03-02."}
		}
		o.Date = d
	}
	host, _, err := net.SplitHostPort(c.Address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, &fault.Error{File: project.FileName, Key: "twin.address", Value: c.Address, Msg: "not a loopback address with a port", Hint: "Write it as 127.0.0.1:8741."}
	}
	h := &hostedTwin{url: "http://" + c.Address}
	dir := c.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.Dir, dir)
	}
	h.t, err = twin.Open(dir, o)
	if fault.ExitCode(err) == fault.ExitLocked && err != nil {
		var st twin.Status
		if cerr := h.call(ctx, http.MethodGet, "state", nil, &st); cerr != nil {
			return nil, fault.Hint(fmt.Errorf("the simulated vendors are locked by another process and do not answer at %s: %w", c.Address, cerr), "Wait for it to end, or stop it.")
		}
		h.date, err = time.Parse("2006-01-02", st.Date)
		return h, err
	}
	if err != nil {
		return nil, err
	}
	if c.Files != "" {
		files := p.Path(c.Files)
		if err := h.t.WriteFiles(files); err != nil {
			h.t.Close()
			return nil, err
		}
		h.t.OnAdvance(func() error { return h.t.WriteFiles(files) })
	}
	h.date = h.t.Date()
	l, err := net.Listen("tcp", c.Address)
	if err != nil {
		h.t.Close()
		return nil, &fault.Error{File: project.FileName, Key: "twin.address", Value: c.Address, Msg: "the simulated vendors cannot be served there", Err: err,
			Hint: "Free the port, or write another one there and in .env."}
	}
	h.srv = &http.Server{Handler: h.t.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		// Serve ends with ErrServerClosed at Close; anything else shows as failing calls.
		_ = h.srv.Serve(l)
	}()
	return h, nil
}

// advance plays the market up to a day.
func (h *hostedTwin) advance(ctx context.Context, to time.Time) error {
	if !to.After(h.date) {
		return nil
	}
	var err error
	if h.t != nil {
		err = h.t.AdvanceTo(to)
	} else {
		err = h.call(ctx, http.MethodPost, "advance", map[string]string{"date": to.Format("2006-01-02")}, nil)
	}
	if err == nil {
		h.date = to.UTC().Truncate(24 * time.Hour)
	}
	return err
}

func (h *hostedTwin) call(ctx context.Context, method, what string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, h.url+"/_twin/"+what, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", what, resp.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// Close stops serving.
func (h *hostedTwin) Close() error {
	if h == nil || h.t == nil {
		return nil
	}
	var err error
	if h.srv != nil {
		err = h.srv.Close()
	}
	return errors.Join(err, h.t.Close())
}

// digest is a hash of what the simulated vendors hold, without times and history.
func (h *hostedTwin) digest(ctx context.Context) (string, error) {
	if h.t != nil {
		return h.t.Digest(false), nil
	}
	var out struct {
		Digest string `json:"digest"`
	}
	err := h.call(ctx, http.MethodGet, "digest", nil, &out)
	return out.Digest, err
}
