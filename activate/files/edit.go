package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// edit is one pass over a file with the rows of a batch.
type edit struct {
	format format
	op     activate.Op
	rows   map[string]activate.Row // by key
	order  []string                // keys as the batch has them
	result map[string]activate.Result

	changed bool // the copy differs from the file
}

// run copies a file with its changes; old is nil where there is none.
func (e *edit) run(ctx context.Context, old io.Reader, to io.Writer) error {
	in, err := e.format.reader(old)
	if err != nil {
		return err
	}
	out, err := e.format.writer(to, in)
	if err != nil {
		return err
	}
	met := map[string]bool{}
	for n := 0; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		rec, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		row, ours := e.rows[rec.key()]
		if !ours {
			if err := out.put(rec); err != nil {
				return err
			}
			continue
		}
		if met[rec.key()] {
			return twice(e.format, in.line())
		}
		met[rec.key()] = true
		keep := true
		e.result[row.ID] = activate.Result{ID: row.ID, Status: activate.Acked, RemoteID: rec.key()}
		switch e.op {
		case activate.Insert:
			e.result[row.ID] = activate.Result{ID: row.ID, Status: activate.Rejected, Class: "exists", Message: "a row with this key is there already, and the sync only makes new ones"}
		case activate.Archive:
			keep, e.changed = false, true
		case activate.Upsert, activate.Update:
			e.changed = true
			if err := rec.set(row.Values); err != nil {
				return err
			}
		default:
			return fmt.Errorf("a file cannot %s", e.op)
		}
		if keep {
			if err := out.put(rec); err != nil {
				return err
			}
		}
	}
	for _, key := range e.order {
		row := e.rows[key]
		if met[key] {
			continue
		}
		switch e.op {
		case activate.Update:
			e.result[row.ID] = activate.Result{ID: row.ID, Status: activate.Rejected, Class: "missing", Message: "there is no row with this key, and the sync makes none"}
			continue
		case activate.Archive:
			e.result[row.ID] = activate.Result{ID: row.ID, Status: activate.Acked, Message: "it is not there any more"}
			continue
		}
		e.changed = true
		rec, err := in.fresh(key)
		if err == nil {
			err = rec.set(row.Values)
		}
		if err == nil {
			err = out.put(rec)
		}
		if err != nil {
			return err
		}
		e.result[row.ID] = activate.Result{ID: row.ID, Status: activate.Acked, RemoteID: key, Created: true}
	}
	return out.flush()
}

func twice(f format, line int) error {
	return &fault.Error{File: f.target.Object, Line: line, Key: f.target.Key, Msg: "two rows of the file have the same key, so it is not known which is meant", Hint: "Take one of them out."}
}

// each gives the records of a file; none where there is no file.
func (d *destination) each(ctx context.Context, t activate.Target) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		path, err := d.path(t.Object)
		if err != nil {
			yield(nil, failed("read", t.Object, httpx.Config, err))
			return
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(nil, failed("read", t.Object, httpx.Transient, err))
			return
		}
		defer f.Close()
		in, err := d.format(t).reader(f)
		for n := 0; err == nil; n++ {
			if n%1000 == 0 && ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			var rec record
			if rec, err = in.next(); err == nil && !yield(rec, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, failed("read", t.Object, httpx.Transient, err))
		}
	}
}

// Read looks rows up by key in one pass.
func (d *destination) Read(ctx context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	out := make(map[string]activate.Record, len(rows))
	wanted := map[string][]string{}
	for _, r := range rows {
		key := r.RemoteID
		if key == "" {
			key = r.Key
		}
		out[r.ID] = activate.Record{}
		wanted[key] = append(wanted[key], r.ID)
	}
	for rec, err := range d.each(ctx, t) {
		if err != nil {
			return nil, err
		}
		for _, id := range wanted[rec.key()] {
			if out[id].Exists {
				return nil, failed("read", t.Object, httpx.Config, twice(d.format(t), 0))
			}
			values, err := rec.values()
			if err != nil {
				return nil, failed("read", t.Object, httpx.Config, err)
			}
			out[id] = activate.Record{Exists: true, RemoteID: rec.key(), Values: values}
		}
	}
	return out, nil
}

// List names every row, for a full mirror.
func (d *destination) List(ctx context.Context, t activate.Target) iter.Seq2[activate.Listed, error] {
	return func(yield func(activate.Listed, error) bool) {
		for rec, err := range d.each(ctx, t) {
			if err != nil {
				yield(activate.Listed{}, err)
				return
			}
			if !yield(activate.Listed{Key: rec.key(), RemoteID: rec.key()}, nil) {
				return
			}
		}
	}
}

// Same compares values over the two kinds of file: a cell of .csv is text, and has no null.
func (d *destination) Same(ours, theirs json.RawMessage) bool {
	if canon.IsEmpty(ours) || canon.IsEmpty(theirs) {
		return canon.IsEmpty(ours) && canon.IsEmpty(theirs)
	}
	if ours[0] == '"' && theirs[0] != '"' {
		return false
	}
	return oneLineEnd(canon.Text(ours)) == oneLineEnd(canon.Text(theirs))
}
