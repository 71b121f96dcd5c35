package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Statuses of a run and of a step.
const (
	Running = "running"
	Done    = "done"
	Failed  = "failed"  // ended with an error, or with failures that were handled
	Skipped = "skipped" // steps only: there was nothing to do, or something before it failed
	Killed  = "killed"  // ended without saying so; noticed by the next run
)

// Run is one call of a command that does work.
type Run struct {
	ID      string
	Command string
	Target  string
	Args    []string
	Version string // of the binary
	Host    string
	PID     int
	Resumes string    // id of the killed run that this one resumes
	Now     time.Time // logical time, zero when it is the clock's
	Started time.Time
	Ended   time.Time // zero while it runs, and for ever after a kill
	Status  string
	Error   string
	Summary json.RawMessage // as the command defines it
}

// Step is one step of a run. Its name is unique within the run: "extract shop.orders".
type Step struct {
	RunID   string
	Name    string
	Seq     int // order of starting, given by StepStart
	Started time.Time
	Ended   time.Time
	Status  string
	Rows    int64
	Detail  string
	Error   string
}

// Runs is the journal of runs and their steps.
type Runs struct{ d *DB }

// Start records that a run begins. Status is Running whatever r says.
func (s Runs) Start(ctx context.Context, r Run) error {
	args, err := json.Marshal(append([]string{}, r.Args...))
	if err != nil {
		return fmt.Errorf("record start of run %s: %w", r.ID, err)
	}
	_, err = s.d.exec(ctx, "record start of run "+r.ID,
		`insert into runs (run_id, command, target, args, version, host, pid, resumes, logical_now, started_at) values (?,?,?,?,?,?,?,?,?,?)`,
		r.ID, r.Command, r.Target, string(args), r.Version, r.Host, r.PID, nullable(r.Resumes), stamp(r.Now), stamp(r.Started))
	return err
}

// Finish records how a run ended. Call it with a context that survives the run's own cancelling.
func (s Runs) Finish(ctx context.Context, id, status, errText string, summary json.RawMessage, at time.Time) error {
	n, err := s.d.exec(ctx, "record end of run "+id,
		`update runs set status = ?, error = ?, summary = ?, ended_at = ? where run_id = ? and ended_at is null`,
		status, nullable(errText), nullable(string(summary)), stamp(at), id)
	if err == nil && n == 0 {
		return fmt.Errorf("record end of run %s: there is no such run without an end", id)
	}
	return err
}

// Abandon marks a run without an end as killed: its process is gone. Steps without an end are marked with it. Its end
// stays empty, because nobody knows it. Call it only while holding the target's lock.
func (s Runs) Abandon(ctx context.Context, id string) error {
	return s.d.tx(ctx, "mark run "+id+" as killed", func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `update runs set status = ? where run_id = ? and ended_at is null`, Killed, id); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `update steps set status = ? where run_id = ? and ended_at is null`, Killed, id)
		return err
	})
}

// StepStart records that a step begins; a step of that name that was recorded before in this run is begun again.
func (s Runs) StepStart(ctx context.Context, runID, name string, at time.Time) error {
	_, err := s.d.exec(ctx, "record start of step "+name,
		`insert into steps (run_id, step, seq, started_at) values (?, ?, (select count(*) + 1 from steps where run_id = ?), ?)
		 on conflict (run_id, step) do update set started_at = excluded.started_at, ended_at = null, status = 'running', rows = 0, detail = null, error = null`,
		runID, name, runID, stamp(at))
	return err
}

// StepDone records how a step ended.
func (s Runs) StepDone(ctx context.Context, st Step) error {
	n, err := s.d.exec(ctx, "record end of step "+st.Name,
		`update steps set ended_at = ?, status = ?, rows = ?, detail = ?, error = ? where run_id = ? and step = ?`,
		stamp(st.Ended), st.Status, st.Rows, nullable(st.Detail), nullable(st.Error), st.RunID, st.Name)
	if err == nil && n == 0 {
		return fmt.Errorf("record end of step %s: it was not started in run %s", st.Name, st.RunID)
	}
	return err
}

const runColumns = `run_id, command, target, args, version, host, pid, resumes, logical_now, started_at, ended_at, status, error, summary`

func scanRun(r scanner) (Run, error) {
	var v Run
	var args, summary string
	err := r.Scan(&v.ID, &v.Command, &v.Target, &args, &v.Version, &v.Host, &v.PID, text{&v.Resumes}, instant{&v.Now},
		instant{&v.Started}, instant{&v.Ended}, &v.Status, text{&v.Error}, text{&summary})
	if err != nil {
		return v, err
	}
	if summary != "" {
		v.Summary = json.RawMessage(summary)
	}
	return v, json.Unmarshal([]byte(args), &v.Args)
}

// Last gives the newest runs first, at most n. An empty command means every command.
func (s Runs) Last(ctx context.Context, command string, n int) ([]Run, error) {
	return all(ctx, s.d.db, "read runs", scanRun, `select `+runColumns+` from runs where ? = '' or command = ?
		order by started_at desc, run_id desc limit ?`, command, command, n)
}

// Get gives one run; false when there is none of that id.
func (s Runs) Get(ctx context.Context, id string) (Run, bool, error) {
	r, err := scanRun(s.d.db.QueryRowContext(ctx, `select `+runColumns+` from runs where run_id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, false, nil
	}
	if err != nil {
		return Run{}, false, fmt.Errorf("read run %s: %w", id, err)
	}
	return r, true, nil
}

// Unfinished gives the runs that began, did not end and are not marked as killed, oldest first. While the target's
// lock is held, all of them but the caller's own were killed.
func (s Runs) Unfinished(ctx context.Context) ([]Run, error) {
	return all(ctx, s.d.db, "read unfinished runs", scanRun, `select `+runColumns+` from runs where ended_at is null and status = 'running'
		order by started_at, run_id`)
}

// Steps gives a run's steps in the order in which they began.
func (s Runs) Steps(ctx context.Context, runID string) ([]Step, error) {
	return all(ctx, s.d.db, "read steps of run "+runID, func(r scanner) (Step, error) {
		var v Step
		err := r.Scan(&v.RunID, &v.Name, &v.Seq, instant{&v.Started}, instant{&v.Ended}, &v.Status, &v.Rows, text{&v.Detail}, text{&v.Error})
		return v, err
	}, `select run_id, step, seq, started_at, ended_at, status, rows, detail, error from steps where run_id = ? order by seq, step`, runID)
}
