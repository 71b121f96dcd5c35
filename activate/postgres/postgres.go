// Package postgres is the destination PostgreSQL: rows of a table, by upsert, update, insert and delete on a unique
// column, with an answer about each row and the values before each write (undo class exact).
//
// A batch is one transaction: it is there whole or not at all. A row that the database refuses (a constraint, a value out
// of range) takes its batch back, is named, and the engine sends the others again without it. Only a commit whose answer
// was lost leaves something unknown, and that is read back by key.
//
// PostgreSQL itself turns values into the columns' types (jsonb_populate_record), so numbers, dates, arrays and JSON
// arrive as what the table says. It must not make or change tables: they are their owner's.
package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"millrace/activate"
	"millrace/internal/fault"
	"millrace/internal/secret"
)

// Options is what `config:` holds.
type Options struct {
	DSN     secret.String `yaml:"dsn" required:"true" doc:"where the database is, as a URL: postgres://user:password@host:5432/name?sslmode=verify-full" example:"${POSTGRES_DSN}"`
	Timeout time.Duration `yaml:"timeout" default:"60s" doc:"longest time that one batch may take; the database ends it then"`
}

// Connector is the catalog's entry.
func Connector() activate.Connector {
	return activate.Connector{Name: "postgres", Summary: "PostgreSQL tables, rows by a unique column", Options: func() any { return &Options{} }, Open: open}
}

// maxBatch keeps a transaction short enough that nobody waits long for its locks.
const maxBatch = 1000

type destination struct {
	opt   Options
	conf  *pgx.ConnConfig
	conn  *pgx.Conn // nil until it is needed, and after it broke
	log   *slog.Logger
	sleep func(context.Context, time.Duration) error
	table map[string]*table // by object; filled by Check
}

// table is what the database says about one table.
type table struct {
	columns []column
	unique  []string // columns that identify a row by themselves
	grants  struct{ sel, ins, upd, del bool }
}

type column struct {
	name, typ         string
	length            int
	notNull, computed bool // computed: generated always, identity always
	preset            bool // has a default
}

func (t *table) names() []string {
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = c.name
	}
	return out
}

func (t *table) column(name string) (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

func open(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*Options)
	if !ok {
		return nil, fmt.Errorf("postgres: options are %T", p.Options)
	}
	conf, err := pgx.ParseConfig(o.DSN.Reveal())
	if err != nil {
		// The driver's message may hold the text with the password.
		return nil, &fault.Error{Key: "config.dsn", Msg: "not the address of a database", Hint: "Write postgres://user:password@host:5432/name?sslmode=verify-full, with % in a password spelled %25."}
	}
	if conf.Host == "" || conf.Database == "" {
		return nil, &fault.Error{Key: "config.dsn", Msg: "host or database is missing", Hint: "Write postgres://user:password@host:5432/name."}
	}
	conf.ConnectTimeout = 20 * time.Second
	conf.RuntimeParams["application_name"] = "millrace " + p.Sync
	conf.RuntimeParams["statement_timeout"] = fmt.Sprint(o.Timeout.Milliseconds())
	conf.RuntimeParams["timezone"] = "UTC"
	return &destination{opt: *o, conf: conf, log: p.Log, sleep: p.Sleep, table: map[string]*table{}}, nil
}

// Close ends the connection.
func (d *destination) Close() error {
	if d.conn == nil {
		return nil
	}
	within, cancel := context.WithTimeout(context.Background(), 5*time.Second) // of what is to be ended, not of a run
	defer cancel()
	err := d.conn.Close(within)
	d.conn = nil
	return err
}

// Capabilities declares transactions of keyed rows.
func (d *destination) Capabilities(object string) (activate.Capabilities, error) {
	if _, err := identifier(object); err != nil {
		return activate.Capabilities{}, err
	}
	return activate.Capabilities{Account: fmt.Sprintf("%s:%d/%s", d.conf.Host, d.conf.Port, d.conf.Database),
		Ops: []activate.Op{activate.Upsert, activate.Update, activate.Insert, activate.Archive}, MaxBatch: maxBatch, PerRow: true, TellsNew: true,
		Repeat: true, Undo: activate.UndoExact}, nil
}

// identifier quotes schema.table; a name alone is in public.
func identifier(object string) (string, error) {
	schema, name, two := strings.Cut(object, ".")
	if !two {
		schema, name = "public", object
	}
	if schema == "" || name == "" || strings.ContainsAny(object, "\x00\"") || strings.Contains(name, ".") {
		return "", &fault.Error{Key: "object", Value: object, Msg: "not the name of a table", Hint: "Write schema.table, or a table of public by its name."}
	}
	return pgx.Identifier{schema, name}.Sanitize(), nil
}

// Check asks the catalogue about the table: columns, the unique key, and what the user may do.
func (d *destination) Check(ctx context.Context, t activate.Target) error {
	tab, err := d.define(ctx, t.Object)
	if err != nil {
		return err
	}
	var l fault.List
	for _, f := range t.Fields {
		c, ok := tab.column(f)
		switch {
		case f == t.Key:
		case !ok:
			hint := fault.DidYouMean(f, tab.names())
			if hint == "" {
				hint = "Add the column to the table, or map another one."
			}
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "table " + t.Object + " has no such column", Hint: hint})
		case c.computed:
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "PostgreSQL computes this column; it cannot be written", Hint: "Leave it out."})
		}
	}
	if _, ok := tab.column(t.Key); !ok {
		l.Add(&fault.Error{Key: "key", Value: t.Key, Msg: "table " + t.Object + " has no such column", Hint: fault.DidYouMean(t.Key, tab.names())})
	} else if !slices.Contains(tab.unique, t.Key) {
		hint := "Add a unique constraint: alter table " + t.Object + " add unique (" + t.Key + ")."
		if len(tab.unique) > 0 {
			hint = "Use one that is: " + strings.Join(tab.unique, ", ") + "."
		}
		l.Add(&fault.Error{Key: "key", Value: t.Key, Msg: "PostgreSQL does not keep this column unique, so it cannot identify a row", Hint: hint})
	}
	makes := slices.Contains(t.Ops, activate.Upsert) || slices.Contains(t.Ops, activate.Insert)
	if makes {
		for _, c := range tab.columns {
			if c.notNull && !c.preset && !c.computed && c.name != t.Key && !slices.Contains(t.Fields, c.name) {
				l.Add(&fault.Error{Key: "mapping", Value: c.name, Msg: "the column must not be null and has no default, so no row can be made without it", Hint: "Map it, or use `mode: update`."})
			}
		}
	}
	g := tab.grants
	for _, need := range []struct {
		is   bool
		have bool
		word string
	}{{true, g.sel, "select"}, {makes, g.ins, "insert"}, {!slices.Contains(t.Ops, activate.Insert), g.upd, "update"}, {slices.Contains(t.Ops, activate.Archive), g.del, "delete"}} {
		if need.is && !need.have {
			l.Add(&fault.Error{Key: "config.dsn", Msg: fmt.Sprintf("user %s may not %s in %s", d.conf.User, need.word, t.Object),
				Hint: fmt.Sprintf("Let the table's owner run: grant %s on %s to %s.", need.word, t.Object, pgx.Identifier{d.conf.User}.Sanitize())})
		}
	}
	return l.Or()
}

const columnsQuery = `
select a.attname, format_type(a.atttypid, null), case when a.atttypmod > 4 and t.typname in ('varchar', 'bpchar') then a.atttypmod - 4 else 0 end,
  a.attnotnull, a.attgenerated <> '' or a.attidentity = 'a', a.atthasdef or a.attidentity <> '',
  exists (select 1 from pg_index i where i.indrelid = a.attrelid and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null
    and i.indnkeyatts = 1 and i.indkey[0] = a.attnum),
  has_table_privilege(a.attrelid, 'select'), has_table_privilege(a.attrelid, 'insert'), has_table_privilege(a.attrelid, 'update'), has_table_privilege(a.attrelid, 'delete')
from pg_attribute a join pg_type t on t.oid = a.atttypid
where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
order by a.attnum`

func (d *destination) define(ctx context.Context, object string) (*table, error) {
	if t := d.table[object]; t != nil {
		return t, nil
	}
	name, err := identifier(object)
	if err != nil {
		return nil, err
	}
	conn, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, columnsQuery, name)
	if err != nil {
		return nil, d.failed("look at "+object, err)
	}
	defer rows.Close()
	t := &table{}
	for rows.Next() {
		var c column
		var unique bool
		g := &t.grants
		if err := rows.Scan(&c.name, &c.typ, &c.length, &c.notNull, &c.computed, &c.preset, &unique, &g.sel, &g.ins, &g.upd, &g.del); err != nil {
			return nil, fmt.Errorf("postgres: look at %s: %w", object, err)
		}
		t.columns = append(t.columns, c)
		if unique {
			t.unique = append(t.unique, c.name)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, d.failed("look at "+object, err)
	}
	if len(t.columns) == 0 {
		return nil, &fault.Error{Key: "object", Value: object, Msg: "database " + d.conf.Database + " has no such table, or the user may not see it",
			Hint: "Write schema.table; `\\dt *.*` in psql lists them."}
	}
	d.table[object] = t
	return t, nil
}

// Describe gives the columns' types.
func (d *destination) Describe(ctx context.Context, object string) ([]activate.FieldInfo, error) {
	t, err := d.define(ctx, object)
	if err != nil {
		return nil, err
	}
	var out []activate.FieldInfo
	for _, c := range t.columns {
		f := activate.FieldInfo{Name: c.name, MaxLength: c.length, ReadOnly: c.computed, Required: c.notNull && !c.preset && !c.computed}
		switch c.typ {
		case "text", "character varying", "character":
			f.Kind = activate.KindText
		case "smallint", "integer", "bigint":
			f.Kind = activate.KindInteger
		case "numeric", "real", "double precision":
			f.Kind = activate.KindNumber
		case "boolean":
			f.Kind = activate.KindBool
		case "date":
			f.Kind = activate.KindDate
		case "timestamp with time zone", "timestamp without time zone":
			f.Kind = activate.KindInstant
		}
		out = append(out, f)
	}
	return out, nil
}

// Send writes a batch in one transaction.
func (d *destination) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	tx, err := d.begin(ctx)
	if err != nil {
		return activate.Answer{}, err
	}
	defer d.rollback(tx)
	results, err := d.write(ctx, tx, b)
	if err != nil {
		return activate.Answer{}, err
	}
	if err := tx.Commit(ctx); err != nil {
		return activate.Answer{}, d.commitFailed(err)
	}
	return activate.Answer{Results: results}, nil
}

func (d *destination) write(ctx context.Context, tx pgx.Tx, b activate.Batch) ([]activate.Result, error) {
	var q pgx.Batch
	for _, r := range b.Rows {
		sql, err := statement(b, r)
		if err != nil {
			return nil, err
		}
		record, err := recordOf(b, r)
		if err != nil {
			return nil, err
		}
		q.Queue(sql, record)
	}
	answers := tx.SendBatch(ctx, &q)
	var results []activate.Result
	for _, r := range b.Rows {
		var updated, made int
		var key *string
		if err := answers.QueryRow().Scan(&updated, &made, &key); err != nil {
			if cerr := answers.Close(); cerr != nil {
				d.log.Debug("close batch", "error", cerr)
			}
			var refused refusal
			if errors.As(d.failed("write", err), &refused) {
				return nil, &activate.RefusedRows{Rows: map[string]string{r.ID: refused.reason}, Err: refused}
			}
			return nil, d.failed("write to "+b.Target.Object, err)
		}
		results = append(results, outcome(b.Op, r, updated, made, key))
	}
	if err := answers.Close(); err != nil {
		return nil, d.failed("write to "+b.Target.Object, err)
	}
	return results, nil
}

// outcome reads how many rows a statement found and made.
func outcome(op activate.Op, r activate.Row, updated, made int, key *string) activate.Result {
	out := activate.Result{ID: r.ID, Status: activate.Acked, RemoteID: r.Key, Created: made > 0}
	if key != nil {
		out.RemoteID = *key
	}
	switch {
	case op == activate.Insert && made == 0:
		return activate.Result{ID: r.ID, Status: activate.Rejected, Class: "exists", Message: "a row with this key is there already, and the sync only makes new ones"}
	case op == activate.Update && updated == 0:
		return activate.Result{ID: r.ID, Status: activate.Rejected, Class: "missing", Message: "there is no row with this key, and the sync makes none"}
	}
	return out
}

// recordOf is the row as JSON that the database turns into the table's types.
func recordOf(b activate.Batch, r activate.Row) (string, error) {
	values := make(map[string]json.RawMessage, len(r.Values)+1)
	for f, v := range r.Values {
		values[f] = v
	}
	key := r.Key
	if key == "" {
		key = r.RemoteID
	}
	if r.RemoteID != "" && b.Op != activate.Upsert && b.Op != activate.Insert {
		key = r.RemoteID // the key that the row had when it was written
	}
	spelled, err := json.Marshal(key)
	if err != nil {
		return "", fmt.Errorf("postgres: spell a key: %w", err)
	}
	values[b.Target.Key] = spelled
	record, err := json.Marshal(values)
	if err != nil {
		return "", fmt.Errorf("postgres: spell a row: %w", err)
	}
	return string(record), nil
}
