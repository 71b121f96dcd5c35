package parquet

import (
	"context"
	"fmt"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/fault"
)

// SetCheckpoint moves a stream's position by committing a load without rows, so that it is as atomic and as durable as
// any other, and the history shows it. A zero checkpoint means from the beginning: an append stream then lands its rows
// again. The stream must have landed before.
func (l *Lander) SetCheckpoint(ctx context.Context, source, stream, runID string, to landing.Checkpoint) (landing.Manifest, error) {
	last, found, err := l.Last(ctx, source, stream)
	if err != nil {
		return landing.Manifest{}, err
	}
	if !found {
		return landing.Manifest{}, &fault.Error{Key: "stream", Value: source + "." + stream, Msg: "has not landed yet, so it has no checkpoint", Hint: "See what has with: millrace state show."}
	}
	opened, err := l.Begin(ctx, extract.BeginParams{Source: source, Spec: specOf(last), RunID: runID, Before: last.After})
	if err != nil {
		return landing.Manifest{}, err
	}
	defer opened.Abort()
	w := opened.(*writer)
	if w.prev == nil || w.prev.LoadID != last.LoadID {
		return landing.Manifest{}, fmt.Errorf("%s.%s was landed by another process meanwhile. Run the command again", source, stream)
	}
	w.keepColumns(last)
	return w.Commit(ctx, to, last.Complete)
}

// specOf is the stream as its last load knew it.
func specOf(m landing.Manifest) extract.StreamSpec {
	spec := extract.StreamSpec{Name: m.Stream, Original: m.Original, Disposition: m.Disposition, Schema: landing.Schema{PrimaryKey: m.Schema.PrimaryKey}}
	if spec.Original == "" {
		spec.Original = m.Stream
	}
	return spec
}

// keepColumns describes the columns as the load did: for loads that no source stands behind.
func (w *writer) keepColumns(m landing.Manifest) {
	for i := range w.cols {
		c := m.Schema.Columns[i]
		w.cols[i].Declared, w.cols[i].Required, w.cols[i].PII, w.cols[i].Description = c.Declared, c.Required, c.PII, c.Description
	}
}
