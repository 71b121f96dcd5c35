package parquet

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	pq "github.com/parquet-go/parquet-go"
)

// scratch is reused from chunk to chunk.
type scratch struct {
	bad map[int]*rejected // row → why it does not fit
}

// encode turns rows into columns and hands them to the open part. It returns false, having written nothing, when a
// column must widen first; the columns' types are then wider already.
func (w *writer) encode(r rows) (bool, error) {
	width := len(w.part.fields) - len(operational)
	if width < len(w.cols) && anyValue(r, width) {
		return false, nil // columns that came after the part was opened
	}
	ch, err := w.part.get()
	if err != nil {
		return false, err
	}
	clear(w.scratch.bad)
	fits := true
	for i := 0; i < width; i++ {
		ok, err := w.encodeColumn(ch, &r, i)
		if err != nil {
			w.part.free <- ch
			return false, err
		}
		fits = fits && ok
	}
	if !fits {
		w.part.free <- ch
		return false, nil
	}
	w.encodeOperational(ch, r, width)
	ch.rows = len(r.cells)
	if len(w.scratch.bad) > 0 {
		if err := w.dropBad(ch, r); err != nil {
			w.part.free <- ch
			return false, err
		}
	}
	if err := w.part.write(ch); err != nil {
		return false, err
	}
	if w.part.written.Load() >= w.l.opt.PartBytes {
		return true, w.closePart()
	}
	return true, nil
}

// anyValue reports whether a row has a value in a column from the given one on.
func anyValue(r rows, from int) bool {
	for _, row := range r.cells {
		for i := from; i < len(row); i++ {
			if row[i] != nil {
				return true
			}
		}
	}
	return false
}

// encodeColumn casts one column. It returns false when the column's type had to grow.
func (w *writer) encodeColumn(ch *chunk, r *rows, i int) (bool, error) {
	col := w.cols[i]
	cast := w.part.fields[i].cast
	out := ch.cols[i][:0]
	null := pq.Value{}.Level(0, 0, i)
	evolve := col.Declared && w.policy.declaredTypes == "evolve" || !col.Declared && (w.policy.inferredTypes == "evolve" || !col.known())
	grown := false
	for at, row := range r.cells {
		var cell any
		if i < len(row) {
			cell = row[i]
		}
		if cell == nil {
			if col.Required {
				w.misfit(at, r, col, "", "is required but has no value")
			}
			out = append(out, null)
			continue
		}
		if col.known() && !grown {
			if v, ok := cast.cast(cell, r.text); ok {
				if (cast.kind == kVarchar || cast.kind == kJSON) && !v.IsNull() && !utf8.Valid(v.ByteArray()) {
					// No type holds it, and a reader of the file would stop at it.
					w.misfit(at, r, col, asText(cell), "is not valid UTF-8")
					out = append(out, null)
				} else if v.IsNull() {
					if col.Required {
						w.misfit(at, r, col, asText(cell), "is required but has no value")
					}
					out = append(out, null)
				} else {
					ch.bytes += 16
					if cast.kind == kVarchar || cast.kind == kJSON {
						ch.bytes += int64(len(v.ByteArray()))
					}
					out = append(out, v.Level(0, 1, i))
				}
				continue
			}
		}
		switch {
		case !known(cell):
			return false, fmt.Errorf("column %s: the source sent a %T, which a batch may not hold: this is a fault in the connector", col.Name, cell)
		case evolve:
			wide := newCaster(col.Type, !col.Declared)
			typ := col.Type
			if !col.known() {
				typ = ""
			}
			if typ == "" || !fitsNow(wide, cell, r.text) {
				col.Type = widen(typ, typeOf(cell, r.text), cell, r.text)
				col.Empty = false
			}
			grown = true
		default:
			policy := w.policy.inferredTypes
			if col.Declared {
				policy = w.policy.declaredTypes
			}
			switch policy {
			case "freeze":
				return false, fmt.Errorf("row %s: column %s: %q is not a %s, and the stream's contract freezes types. Change the column's type, or set schema_contract to quarantine",
					r.ids[at], col.Original, short(asText(cell)), col.Type)
			case "discard":
				w.toExtra(r, at, col.Original, cell)
			default:
				w.misfit(at, r, col, asText(cell), "is not a "+string(col.Type))
			}
			out = append(out, null)
		}
	}
	ch.cols[i] = out
	return !grown, nil
}

func fitsNow(c caster, cell any, text bool) bool {
	_, ok := c.cast(cell, text)
	return ok
}

// misfit notes that a row cannot be landed. The first column is the one to look at; the reason names all.
func (w *writer) misfit(at int, r *rows, col *column, value, why string) {
	if w.scratch.bad == nil {
		w.scratch.bad = map[int]*rejected{}
	}
	reason := col.Original + ": "
	if value != "" {
		reason += fmt.Sprintf("%q ", short(value))
	}
	reason += why
	if b := w.scratch.bad[at]; b != nil {
		b.reason += "; " + reason
		return
	}
	b := &rejected{rowID: r.ids[at], column: col.Original, value: value, reason: reason}
	if r.loads != nil {
		b.from = &r.loads[at]
	}
	w.scratch.bad[at] = b
}

// toExtra keeps a value that its column does not take.
func (w *writer) toExtra(r *rows, at int, name string, cell any) {
	for len(r.extra) < len(r.cells) {
		r.extra = append(r.extra, nil)
	}
	fields := map[string]any{}
	if r.extra[at] != nil {
		var had map[string]json.RawMessage
		if json.Unmarshal(r.extra[at], &had) == nil {
			for k, v := range had {
				fields[k] = v
			}
		}
	}
	fields[name] = cell
	r.extra[at] = []byte(objectJSON(fields))
}

func (w *writer) encodeOperational(ch *chunk, r rows, width int) {
	loadID := stringValue(w.m.LoadID).Level(0, 0, width)
	at := pq.Int64Value(w.start).Level(0, 0, width+1)
	null := pq.Value{}.Level(0, 0, width+3)
	ids, ats, rowIDs, extra := ch.cols[width][:0], ch.cols[width+1][:0], ch.cols[width+2][:0], ch.cols[width+3][:0]
	for i := range r.cells {
		if r.loads != nil {
			ids = append(ids, stringValue(r.loads[i].loadID).Level(0, 0, width))
			ats = append(ats, pq.Int64Value(r.loads[i].at).Level(0, 0, width+1))
		} else {
			ids = append(ids, loadID)
			ats = append(ats, at)
		}
		rowIDs = append(rowIDs, stringValue(r.ids[i]).Level(0, 0, width+2))
		ch.bytes += 48 + int64(len(r.ids[i]))
		if i < len(r.extra) && r.extra[i] != nil {
			ch.bytes += int64(len(r.extra[i]))
			extra = append(extra, pq.ByteArrayValue(r.extra[i]).Level(0, 1, width+3))
		} else {
			extra = append(extra, null)
		}
	}
	ch.cols[width], ch.cols[width+1], ch.cols[width+2], ch.cols[width+3] = ids, ats, rowIDs, extra
}

// dropBad takes the rows that do not fit out of the chunk and into quarantine.
func (w *writer) dropBad(ch *chunk, r rows) error {
	at := make([]int, 0, len(w.scratch.bad))
	for i := range w.scratch.bad {
		at = append(at, i)
	}
	sort.Ints(at)
	for _, i := range at {
		b := w.scratch.bad[i]
		var extra []byte
		if i < len(r.extra) {
			extra = r.extra[i]
		}
		b.raw = w.rawJSON(r.cells[i], nil, extra, r.text)
		if err := w.reject(*b); err != nil {
			return err
		}
	}
	for c := range ch.cols {
		col, kept := ch.cols[c], ch.cols[c][:0]
		next := 0
		for i := range col {
			if next < len(at) && at[next] == i {
				next++
				continue
			}
			kept = append(kept, col[i])
		}
		ch.cols[c] = kept
	}
	ch.rows -= len(at)
	return nil
}

// rawJSON is a whole row as a JSON object with the source's own names, so that it can be read again. Text cells (CSV)
// stay JSON strings: replay looks at them as text again.
func (w *writer) rawJSON(cells []any, unknown map[string]any, extra []byte, text bool) string {
	fields := map[string]any{}
	for k, v := range unknown {
		fields[k] = v
	}
	if extra != nil {
		var had map[string]json.RawMessage
		if json.Unmarshal(extra, &had) == nil {
			for k, v := range had {
				fields[k] = v
			}
		}
	}
	var b strings.Builder
	b.WriteByte('{')
	if text {
		b.WriteString(textMark)
	}
	for i, cell := range cells {
		if cell == nil || i >= len(w.cols) {
			continue
		}
		delete(fields, w.cols[i].Original)
		member(&b, w.cols[i].Original, cell)
	}
	for _, k := range sortedKeys(fields) {
		member(&b, k, fields[k])
	}
	b.WriteByte('}')
	return b.String()
}

// textMark is the member of a quarantined row that says that its strings were text without a type.
const textMark = `"_text":true`

func member(b *strings.Builder, name string, cell any) {
	if b.Len() > 1 {
		b.WriteByte(',')
	}
	k, _ := json.Marshal(name)
	b.Write(k)
	b.WriteByte(':')
	v, ok := castJSON(cell)
	if s, is := cell.(string); is {
		v, ok = castJSONText(s, false)
	}
	if !ok {
		b.WriteString("null")
		return
	}
	b.Write(v.ByteArray())
}

func objectJSON(fields map[string]any) string {
	var b strings.Builder
	b.WriteByte('{')
	for _, k := range sortedKeys(fields) {
		member(&b, k, fields[k])
	}
	b.WriteByte('}')
	return b.String()
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func firstKey(m map[string]any) string { return sortedKeys(m)[0] }

// short cuts a value for a message.
func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
