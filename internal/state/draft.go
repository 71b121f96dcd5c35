package state

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"strings"

	"millrace/internal/fault"
)

// draftPrefix marks pieces of plans that are not stored yet.
const draftPrefix = "draft:"

// pieceSize is the number of rows in one piece of a plan.
const pieceSize = 20_000

// Draft gathers the rows of a plan before its id is known, which follows from them. Memory holds one piece; full pieces go
// to the state file, where nothing reads them until Save gives them the plan's name.
type Draft struct {
	s     Plans
	name  string
	piece bytes.Buffer
	rows  int
	n     int // pieces written
	hash  hash.Hash
}

// Draft begins one. Pieces that a killed process left are removed.
func (s Plans) Draft(ctx context.Context) (*Draft, error) {
	d := &Draft{s: s, name: draftPrefix + rand.Text(), hash: sha256.New()}
	return d, s.dropDrafts(ctx)
}

func (s Plans) dropDrafts(ctx context.Context) error {
	var n int
	if err := s.d.db.QueryRowContext(ctx, `select count(*) from plan_rows where plan_id >= ? and plan_id < ?`, draftPrefix, "draft;").Scan(&n); err != nil || n == 0 {
		return err
	}
	_, err := s.d.exec(ctx, "remove drafts of plans", `delete from plan_rows where plan_id >= ? and plan_id < ?`, draftPrefix, "draft;")
	return err
}

// Add takes one row: a line without tabs and line feeds, and something about it that is stored but not part of the hash.
func (d *Draft) Add(ctx context.Context, line []byte, aside string) error {
	d.hash.Write(line)
	d.hash.Write([]byte{'\n'})
	d.piece.Write(line)
	d.piece.WriteByte('\t')
	d.piece.WriteString(aside)
	d.piece.WriteByte('\n')
	if d.rows++; d.rows%pieceSize != 0 {
		return nil
	}
	body, err := d.seal()
	if err != nil {
		return err
	}
	if _, err := d.s.d.exec(ctx, "store a piece of a plan", `insert into plan_rows (plan_id, chunk, body) values (?,?,?)`, d.name, d.n, body); err != nil {
		return err
	}
	d.n++
	d.piece.Reset()
	return nil
}

// Rows is the number of rows so far.
func (d *Draft) Rows() int { return d.rows }

// Hash is the hash of the rows so far.
func (d *Draft) Hash() string { return hex.EncodeToString(d.hash.Sum(nil)) }

// Drop removes what was written; the draft is of no use then.
func (d *Draft) Drop(ctx context.Context) error {
	if d.n == 0 {
		return nil
	}
	_, err := d.s.d.exec(ctx, "remove a draft", `delete from plan_rows where plan_id = ?`, d.name)
	return err
}

func (d *Draft) seal() ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(d.piece.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return d.s.d.vault.seal(fmt.Sprint("plan piece ", d.n), b.Bytes()), nil
}

// become names the pieces after the stored plan. A plan that was there already keeps its own, which are equal.
func (d *Draft) become(ctx context.Context, t *sql.Tx, planID string) error {
	if d.piece.Len() > 0 {
		body, err := d.seal()
		if err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `insert into plan_rows (plan_id, chunk, body) values (?,?,?)`, d.name, d.n, body); err != nil {
			return err
		}
	}
	if _, err := t.ExecContext(ctx, `update or ignore plan_rows set plan_id = ? where plan_id = ?`, planID, d.name); err != nil {
		return err
	}
	_, err := t.ExecContext(ctx, `delete from plan_rows where plan_id = ?`, d.name)
	return err
}

// Line is one row of a stored plan.
type Line struct {
	Text  []byte // what the hash covers
	Aside string
}

// Lines gives a stored plan's rows in order. When all were read and they are not those that the plan's hash covers, the last
// thing that it gives is an error.
func (s Plans) Lines(ctx context.Context, planID, rowsHash string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		sum := sha256.New()
		for chunk := 0; ; chunk++ {
			var sealed []byte
			err := s.d.db.QueryRowContext(ctx, `select body from plan_rows where plan_id = ? and chunk = ?`, planID, chunk).Scan(&sealed)
			if errors.Is(err, sql.ErrNoRows) {
				if hex.EncodeToString(sum.Sum(nil)) != rowsHash {
					yield(Line{}, &fault.Error{Msg: "the stored rows of the plan are not the ones that it was made with: they were changed in the state file", Value: planID,
						Hint: "Make a new one with `millrace plan`."})
				}
				return
			}
			var plain []byte
			if err == nil {
				plain, err = s.d.vault.open(fmt.Sprint("plan piece ", chunk), sealed)
			}
			if err == nil {
				plain, err = io.ReadAll(flate.NewReader(bytes.NewReader(plain)))
			}
			if err != nil {
				yield(Line{}, fmt.Errorf("read the rows of plan %s: %w", planID, err))
				return
			}
			for line := range strings.Lines(string(plain)) {
				text, aside, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
				sum.Write([]byte(text))
				sum.Write([]byte{'\n'})
				if !yield(Line{[]byte(text), aside}, nil) {
					return
				}
			}
		}
	}
}
