package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/canon"
)

// Read looks rows up by key.
func (d *destination) Read(ctx context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	type wanted struct {
		ID     string            `json:"row_id"`
		Record map[string]string `json:"record"`
	}
	out := make(map[string]activate.Record, len(rows))
	asked := make([]wanted, 0, len(rows))
	for _, r := range rows {
		key := r.RemoteID
		if key == "" {
			key = r.Key
		}
		out[r.ID] = activate.Record{}
		asked = append(asked, wanted{r.ID, map[string]string{t.Key: key}})
	}
	sql, err := readStatement(t)
	if err != nil {
		return nil, err
	}
	list, err := json.Marshal(asked)
	if err != nil {
		return nil, fmt.Errorf("postgres: spell keys: %w", err)
	}
	conn, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	found, err := conn.Query(ctx, sql, string(list))
	if err != nil {
		return nil, d.failed("read "+t.Object, err)
	}
	defer found.Close()
	for found.Next() {
		var id, key, values string
		if err := found.Scan(&id, &key, &values); err != nil {
			return nil, fmt.Errorf("postgres: read %s: %w", t.Object, err)
		}
		rec := activate.Record{Exists: true, RemoteID: key}
		if err := json.Unmarshal([]byte(values), &rec.Values); err != nil {
			return nil, fmt.Errorf("postgres: read %s: %w", t.Object, err)
		}
		out[id] = rec
	}
	if err := found.Err(); err != nil {
		return nil, d.failed("read "+t.Object, err)
	}
	return out, nil
}

// Same compares across the spellings of PostgreSQL: 12.50 and 12.5, +00:00 and Z, a number in a text column.
func (d *destination) Same(ours, theirs json.RawMessage) bool {
	if isNull(ours) || isNull(theirs) {
		return isNull(ours) && isNull(theirs)
	}
	if x, err := canon.JSON(theirs); err == nil && string(x) == string(ours) {
		return true
	}
	a, b := canon.Text(ours), canon.Text(theirs)
	if a == b {
		return true
	}
	if ours[0] != '"' || theirs[0] != '"' { // text such as 007 is not a number unless one side says so
		x, okX := new(big.Rat).SetString(a)
		y, okY := new(big.Rat).SetString(b)
		return okX && okY && len(a) < 400 && len(b) < 400 && x.Cmp(y) == 0
	}
	x, okX := instant(a)
	y, okY := instant(b)
	return okX && okY && x.Equal(y)
}

// isNull: PostgreSQL tells null from empty text, so neither is the other.
func isNull(v json.RawMessage) bool { return len(v) == 0 || string(v) == "null" }

// instant reads the spellings of a date or time in JSON of PostgreSQL and ours; it keeps microseconds.
func instant(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Round(time.Microsecond), true
		}
	}
	return time.Time{}, false
}

// Erase deletes rows for good.
func (d *destination) Erase(ctx context.Context, t activate.Target, rows []activate.Row) (activate.Answer, error) {
	return d.Send(ctx, activate.Batch{Target: t, Op: activate.Archive, Rows: rows})
}
