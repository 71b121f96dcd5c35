package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"millrace/internal/fault"
	"millrace/models/decision"
)

// Switches are the kill switches. They are read at every sending.
type Switches struct{ d *DB }

// Stop throws a switch; throwing it again keeps the first person and reason.
func (s Switches) Stop(ctx context.Context, w decision.Switch) error {
	return s.d.tx(ctx, "stop "+w.Scope+" "+w.Name, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `insert into switches (scope, name, by, reason, at) values (?,?,?,?,?) on conflict (scope, name) do nothing`,
			w.Scope, w.Name, w.By, nullable(w.Reason), stamp(w.At)); err != nil {
			return err
		}
		return logSwitch(ctx, t, "stop", w)
	})
}

// Start takes a switch back. It reports false when it was not thrown. Only the very switch is taken back: after `stop
// all`, starting one destination leaves everything stopped.
func (s Switches) Start(ctx context.Context, w decision.Switch) (bool, error) {
	var n int64
	err := s.d.tx(ctx, "start "+w.Scope+" "+w.Name, func(t *sql.Tx) error {
		res, err := t.ExecContext(ctx, `delete from switches where scope = ? and name = ?`, w.Scope, w.Name)
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return logSwitch(ctx, t, "start", w)
	})
	return n > 0, err
}

func logSwitch(ctx context.Context, t *sql.Tx, action string, w decision.Switch) error {
	_, err := t.ExecContext(ctx, `insert into switch_log (action, scope, name, by, reason, at) values (?,?,?,?,?,?)`,
		action, w.Scope, w.Name, w.By, nullable(w.Reason), stamp(w.At))
	return err
}

// Thrown gives the switches that are thrown now, widest first.
func (s Switches) Thrown(ctx context.Context) ([]decision.Switch, error) {
	return all(ctx, s.d.db, "read kill switches", func(r scanner) (decision.Switch, error) {
		var w decision.Switch
		return w, r.Scan(&w.Scope, &w.Name, &w.By, text{&w.Reason}, instant{&w.At})
	}, `select scope, name, by, reason, at from switches order by scope <> 'all', scope, name`)
}

// Consent is one recorded yes or no. Purpose or channel "*" means every one.
type Consent struct {
	Subject, Purpose, Channel string
	Granted                   bool
	Source                    string // who reported it: a connector, a person's command, a form
	At                        time.Time
}

// Consents is the append-only record of what subjects allow. For one source the newest word counts, so a person can
// change their mind where they said it; between sources, and between a general and a particular word, a no wins.
type Consents struct{ d *DB }

// Record adds words.
func (s Consents) Record(ctx context.Context, cs ...Consent) error {
	return s.d.tx(ctx, "record consents", func(t *sql.Tx) error {
		for _, c := range cs {
			if c.Subject == "" || c.Purpose == "" || c.Channel == "" || c.Source == "" {
				return &fault.Error{Msg: "a consent needs a subject, a purpose, a channel and a source", Hint: "Use * for every purpose or channel."}
			}
			status := "denied"
			if c.Granted {
				status = "granted"
			}
			if _, err := t.ExecContext(ctx, `insert into consents (subject, purpose, channel, status, source, at) values (?,?,?,?,?,?)`,
				c.Subject, c.Purpose, c.Channel, status, c.Source, stamp(c.At)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Lookup answers decision.ConsentGuard.
func (s Consents) Lookup(ctx context.Context, purpose, channel string, subjects []string) (map[string]decision.ConsentState, error) {
	out := make(map[string]decision.ConsentState, len(subjects))
	for len(subjects) > 0 {
		part := subjects[:min(len(subjects), 500)]
		subjects = subjects[len(part):]
		args := make([]any, 0, len(part)+2)
		for _, x := range part {
			args = append(args, x)
		}
		args = append(args, purpose, channel)
		type row struct{ subject, status string }
		rows, err := all(ctx, s.d.db, "look up consents", func(r scanner) (row, error) {
			var v row
			return v, r.Scan(&v.subject, &v.status)
		}, `select subject, status from (
				select subject, status, row_number() over (partition by subject, purpose, channel, source order by at desc, seq desc) as nth
				from consents where subject in (`+marks(len(part))+`) and purpose in (?, '*') and channel in (?, '*'))
			where nth = 1`, args...)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if r.status == "denied" {
				out[r.subject] = decision.ConsentNo
			} else if out[r.subject] == decision.ConsentUnknown {
				out[r.subject] = decision.ConsentGranted
			}
		}
	}
	return out, nil
}

// List gives every recorded word, oldest first, for the consents relation.
func (s Consents) List(ctx context.Context) ([]Consent, error) {
	return all(ctx, s.d.db, "read consents", func(r scanner) (Consent, error) {
		var c Consent
		var status string
		err := r.Scan(&c.Subject, &c.Purpose, &c.Channel, &status, &c.Source, instant{&c.At})
		c.Granted = status == "granted"
		return c, err
	}, `select subject, purpose, channel, status, source, at from consents order by seq`)
}

// Touch is one message that reached somebody; frequency caps count them over all channels.
type Touch struct {
	Subject, Channel, Workflow, Ref string
	At                              time.Time
}

// Touches is the ledger of messages.
type Touches struct{ d *DB }

// Record adds a touch; the same reference for the same subject and channel counts once.
func (s Touches) Record(ctx context.Context, ts ...Touch) error {
	return s.d.tx(ctx, "record touches", func(t *sql.Tx) error {
		for _, x := range ts {
			if _, err := t.ExecContext(ctx, `insert or ignore into touches (subject, channel, workflow, ref, at) values (?,?,?,?,?)`,
				x.Subject, x.Channel, x.Workflow, x.Ref, stamp(x.At)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Since counts a subject's touches from an instant on; an empty channel counts all of them. It also gives the last one.
func (s Touches) Since(ctx context.Context, subject, channel string, from time.Time) (n int, last time.Time, err error) {
	err = s.d.db.QueryRowContext(ctx, `select count(*), max(at) from touches where subject = ? and (? = '' or channel = ?) and at >= ?`,
		subject, channel, channel, stamp(from)).Scan(&n, instant{&last})
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("count touches: %w", err)
	}
	return n, last, err
}
