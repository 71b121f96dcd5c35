package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/user"
	"strings"
	"time"

	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/state"
)

// session is a command that changes a target: it holds the target's lock, its state, and an entry in the journal.
type session struct {
	p       *project.Project
	state   *state.DB
	run     state.Run
	now     time.Time // logical
	resumes *state.Run
	quality *qualityHolds // what data quality holds in the published build; nil before anybody looked

	lock  *project.Lock
	twin  *hostedTwin // of projects over simulated vendors
	clock func() time.Time
}

// begin takes the lock, opens the state and journals that command starts. Call end with the command's outcome.
func (a *app) begin(ctx context.Context, command string) (*session, error) {
	p, err := a.project()
	if err != nil {
		return nil, err
	}
	now, err := a.now()
	if err != nil {
		return nil, err
	}
	started := a.clock().UTC()
	id, err := runID(started)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	s := &session{p: p, now: now, clock: a.clock}
	s.lock, err = p.Lock(project.Holder{PID: os.Getpid(), Host: host, User: userName(a), Command: "millrace " + strings.Join(a.args, " "), Since: started, RunID: id})
	if err != nil {
		return nil, err
	}
	if p.File.Twin != nil {
		if err := s.overTwin(ctx, a); err != nil {
			s.release()
			return nil, err
		}
	}
	s.state, err = state.Open(ctx, p.StateFile())
	if err != nil {
		s.release()
		return nil, err
	}
	// We hold the lock, so a run without an end is one that was killed.
	unfinished, err := s.state.Runs.Unfinished(ctx)
	for i := range unfinished {
		if err == nil {
			err = s.state.Runs.Abandon(ctx, unfinished[i].ID)
		}
		if unfinished[i].Command == command {
			s.resumes = &unfinished[i]
		}
	}
	if err != nil {
		s.release()
		return nil, err
	}
	s.run = state.Run{ID: id, Command: command, Target: p.Target, Args: a.args, Version: version, Host: host, PID: os.Getpid(), Started: started}
	if a.flags.now != "" || s.twin != nil {
		s.run.Now = s.now
	}
	if s.resumes != nil {
		s.run.Resumes = s.resumes.ID
	}
	if err := s.state.Runs.Start(ctx, s.run); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// overTwin starts the project's simulated vendors and takes its time from them: --now plays the market up to that day,
// and without it the day is the market's.
func (s *session) overTwin(ctx context.Context, a *app) error {
	h, err := hostTwin(ctx, s.p)
	if err != nil {
		return err
	}
	s.twin = h
	if a.flags.now == "" {
		s.now = h.date.Add(morning)
	} else if err := h.advance(ctx, s.now); err != nil {
		return err
	}
	// Everything that asks the app for the time gets the market's.
	a.flags.now = s.now.Format(time.RFC3339)
	return nil
}

// end journals the outcome and gives the lock back; it returns err. A journal that cannot be written is joined to it.
func (s *session) end(ctx context.Context, err error, summary any) error {
	defer s.release()
	status, text := state.Done, ""
	if err != nil {
		status, text = state.Failed, err.Error()
	}
	raw, jerr := json.Marshal(summary)
	// What happened is recorded even when the run was told to stop.
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if jerr == nil {
		jerr = s.state.Runs.Finish(keep, s.run.ID, status, text, raw, s.clock().UTC())
	}
	if jerr != nil {
		return errors.Join(err, jerr)
	}
	return err
}

func (s *session) release() {
	if s.twin != nil {
		s.twin.Close()
	}
	if s.state != nil {
		s.state.Close()
	}
	if s.lock != nil {
		s.lock.Release()
	}
}

// step journals one step of the run around fn.
func (s *session) step(ctx context.Context, name string, fn func() (rows int64, detail string, err error)) error {
	if err := s.state.Runs.StepStart(ctx, s.run.ID, name, s.clock().UTC()); err != nil {
		return err
	}
	rows, detail, err := fn()
	st := state.Step{RunID: s.run.ID, Name: name, Ended: s.clock().UTC(), Status: state.Done, Rows: rows, Detail: detail}
	if err != nil {
		st.Status, st.Error = state.Failed, err.Error()
	}
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if jerr := s.state.Runs.StepDone(keep, st); jerr != nil {
		return errors.Join(err, jerr)
	}
	return err
}

// runID sorts by time and never repeats: 20261121T080000Z-1f2e3d.
func runID(at time.Time) (string, error) {
	var b [3]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fault.Wrap(err, "make a run id")
	}
	return at.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:]), nil
}

func userName(a *app) string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	if u := a.getenv("USER"); u != "" {
		return u
	}
	return "unknown user"
}
