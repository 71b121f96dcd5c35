package parquet

import (
	"context"
	"encoding/json"
	"sort"
	"strings"

	"github.com/valyala/fastjson"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/fault"
)

// Replay casts the quarantined rows of a stream again, against the schema as it is declared now, and lands those that fit.
// Those that still do not are quarantined again in the same load, which names the loads that it took over: so each row
// is landed once, whenever a crash comes (P1, P2). Rows keep the _load_id, _extracted_at and _row_id of their first read.
// When no row fits, nothing is written. It reports the new load, and whether there is one.
func (l *Lander) Replay(ctx context.Context, p extract.BeginParams) (landing.Manifest, bool, error) {
	name := p.Source + "." + p.Spec.Name
	loads, err := landing.Loads(l.opt.Dir, p.Source, p.Spec.Name)
	if err != nil {
		return landing.Manifest{}, false, err
	}
	waiting := Waiting(loads)
	if len(waiting) == 0 {
		return landing.Manifest{}, false, nil
	}
	last := loads[len(loads)-1]
	p.Before, p.Starts, p.Fresh = last.After, false, false
	opened, err := l.Begin(ctx, p)
	if err != nil {
		return landing.Manifest{}, false, err
	}
	defer opened.Abort()
	w := opened.(*writer)
	if w.prev == nil || w.prev.LoadID != last.LoadID {
		return landing.Manifest{}, false, &fault.Error{Msg: name + " was landed by another process meanwhile", Hint: "Run the replay again."}
	}
	for _, c := range w.cols {
		c.seen = true // a column that these rows lack is not missing from the source
	}
	var parser fastjson.Parser
	for _, m := range waiting {
		w.m.Replayed = append(w.m.Replayed, m.LoadID)
		for q, err := range ReadQuarantine(m) {
			if err == nil {
				err = ctx.Err()
			}
			if err == nil {
				err = w.again(&parser, q)
			}
			if err != nil {
				return landing.Manifest{}, false, fault.Wrap(err, "replay %s", name)
			}
		}
	}
	if w.pendingRows > 0 {
		if err := w.settle(); err != nil {
			return landing.Manifest{}, false, fault.Wrap(err, "replay %s", name)
		}
	}
	if w.m.Rows == 0 && (w.part == nil || w.part.rows == 0) {
		return landing.Manifest{}, false, nil
	}
	m, err := w.Commit(ctx, last.After, last.Complete)
	return m, err == nil, err
}

// again takes one quarantined row. What was never a row (a line that could not be split) goes back as it was.
func (w *writer) again(p *fastjson.Parser, q Quarantined) error {
	from := origin{loadID: q.Load, at: q.ExtractedAt.UnixMicro()}
	v, err := p.Parse(q.Raw)
	if err != nil || v.Type() != fastjson.TypeObject {
		w.given++
		return w.reject(rejected{rowID: q.RowID, reason: q.Reason, column: q.Column, value: q.Value, raw: q.Raw, from: &from})
	}
	b := &extract.Batch{RowIDs: []string{q.RowID}, Text: strings.HasPrefix(q.Raw, "{"+textMark)}
	fields := map[string]any{}
	v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		fields[string(key)] = cellOfJSON(v)
	})
	if b.Text {
		delete(fields, "_text")
	}
	// In the order of the columns that are known, so that new ones come last and in the order of their names.
	row := []any{}
	for _, c := range w.cols {
		if cell, ok := fields[c.Original]; ok {
			b.Columns, row = append(b.Columns, c.Original), append(row, cell)
			delete(fields, c.Original)
		}
	}
	rest := sortedKeys(fields)
	sort.Strings(rest)
	for _, k := range rest {
		b.Columns, row = append(b.Columns, k), append(row, fields[k])
	}
	b.Rows = [][]any{row}
	return w.take(b, []origin{from})
}

func cellOfJSON(v *fastjson.Value) any {
	switch v.Type() {
	case fastjson.TypeNull:
		return nil
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return string(b)
	case fastjson.TypeTrue:
		return true
	case fastjson.TypeFalse:
		return false
	case fastjson.TypeNumber:
		return json.Number(v.MarshalTo(nil))
	}
	return json.RawMessage(v.MarshalTo(nil))
}
