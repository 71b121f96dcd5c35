package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"millrace/internal/httpx"
)

// refusal is an error about one row's values.
type refusal struct{ reason string }

func (r refusal) Error() string { return "postgres: the database refuses the row: " + r.reason }

// connect gives the connection, a new one where there is none.
func (d *destination) connect(ctx context.Context) (*pgx.Conn, error) {
	var conn *pgx.Conn
	err := d.patiently(ctx, func() (err error) {
		conn, err = d.dial(ctx)
		return err
	})
	return conn, err
}

// begin starts a transaction. An idle connection that has broken meanwhile is replaced.
func (d *destination) begin(ctx context.Context) (pgx.Tx, error) {
	var tx pgx.Tx
	err := d.patiently(ctx, func() error {
		conn, err := d.dial(ctx)
		if err != nil {
			return err
		}
		if tx, err = conn.Begin(ctx); err != nil {
			d.drop()
			return d.failed("begin", err)
		}
		return nil
	})
	return tx, err
}

func (d *destination) dial(ctx context.Context) (*pgx.Conn, error) {
	if d.conn != nil && !d.conn.IsClosed() {
		return d.conn, nil
	}
	d.conn = nil
	conn, err := pgx.ConnectConfig(ctx, d.conf)
	if err != nil {
		return nil, d.failed("connect", err)
	}
	d.conn = conn
	return conn, nil
}

func (d *destination) drop() {
	if err := d.Close(); err != nil {
		d.log.Debug("close a broken connection", "error", err)
	}
}

// patiently tries again what had no effect: a database that is full or still starting is waited for.
func (d *destination) patiently(ctx context.Context, try func() error) error {
	wait := 500 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil {
			return nil
		}
		if class := httpx.ClassOf(err); attempt >= 5 || ctx.Err() != nil || class != httpx.Rate && class != httpx.Transient {
			return err
		}
		d.log.Debug("try again", "attempt", attempt, "error", err)
		if serr := d.sleep(ctx, wait); serr != nil {
			return err
		}
		wait *= 2
	}
}

// rollback ends a transaction that was not committed; on a broken connection the database does it itself.
func (d *destination) rollback(tx pgx.Tx) {
	within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := tx.Rollback(within); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		d.log.Debug("roll back", "error", err)
		d.conn = nil
	}
}

// failed classes an error before the commit: nothing was written, whatever it is.
// Classes of SQLSTATE: PostgreSQL documentation, appendix A.
func (d *destination) failed(doing string, err error) error {
	var known *httpx.Error
	var row refusal
	if errors.As(err, &known) || errors.As(err, &row) {
		return err
	}
	e := d.problem(doing)
	e.Class, e.Err = httpx.Transient, err
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		e.Message = d.clean(err)
		e.Hint = "Check host and port in dsn, and that the database runs and lets this machine in."
		return e
	}
	e.Message = pg.Message + " (" + pg.Code + ")"
	switch {
	case strings.HasPrefix(pg.Code, "22"), strings.HasPrefix(pg.Code, "23"):
		reason := pg.Message
		if pg.ColumnName != "" {
			reason += ", column " + pg.ColumnName
		}
		if pg.ConstraintName != "" && !strings.Contains(reason, pg.ConstraintName) {
			reason += ", constraint " + pg.ConstraintName
		}
		return refusal{reason + " (" + pg.Code + ")"} // pg.Detail would hold the row's values
	case strings.HasPrefix(pg.Code, "28"):
		e.Class, e.Hint = httpx.Auth, "Check user and password in dsn."
	case pg.Code == "42501":
		e.Class, e.Hint = httpx.Auth, "Let the table's owner grant it to the user of dsn."
	case pg.Code == "3D000":
		e.Class, e.Hint = httpx.Config, "Check the database's name in dsn."
	case strings.HasPrefix(pg.Code, "42"), strings.HasPrefix(pg.Code, "0A"):
		e.Class, e.Hint = httpx.Config, "The table has changed, or is not one that can be written: plan again."
	case pg.Code == "53300":
		e.Class, e.Hint = httpx.Rate, "Raise max_connections, or give the user a connection limit of its own."
	case pg.Code == "25006":
		e.Class, e.Hint = httpx.Config, "dsn names a read-only replica: name the primary."
	}
	return e
}

// commitFailed classes an error of the commit: the database's own answer says that nothing was written, silence does not.
func (d *destination) commitFailed(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) || errors.Is(err, pgx.ErrTxCommitRollback) {
		err = d.failed("commit", err)
		var row refusal
		if errors.As(err, &row) { // a constraint that is checked at the end names no row
			e := d.problem("commit")
			e.Class, e.Message = httpx.Permanent, row.reason
			return e
		}
		return err
	}
	d.conn = nil
	e := d.problem("commit")
	e.Class, e.Message, e.Err = httpx.Unknown, "the connection ended before the answer", err
	return e
}

func (d *destination) problem(doing string) *httpx.Error {
	return &httpx.Error{Method: doing, URL: fmt.Sprintf("postgres://%s:%d/%s", d.conf.Host, d.conf.Port, d.conf.Database)}
}

// clean is a driver's message without the password, should it hold it.
func (d *destination) clean(err error) string {
	s := err.Error()
	for _, hide := range []string{d.opt.DSN.Reveal(), d.conf.Password} {
		if hide != "" {
			s = strings.ReplaceAll(s, hide, "***")
		}
	}
	if i := strings.LastIndex(s, "\n"); i >= 0 { // one line for each address that was tried; the last says most
		s = strings.TrimSpace(s[i:])
	}
	return s
}
