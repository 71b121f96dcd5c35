package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/fault"
)

// maxChunk bounds the rows that are turned into columns at once.
const maxChunk = 8192

// operational columns, in the order in which they follow the stream's own.
var operational = []string{landing.ColLoadID, landing.ColExtractedAt, landing.ColRowID, landing.ColExtra}

// column is one column of the stream while a load is written.
type column struct {
	landing.Column
	prev landing.Type // of the load before; "" when it had none
	seen bool         // the source sent it in this load
}

// known reports whether the column has a type, declared or from values.
func (c *column) known() bool { return !c.Empty }

// rows are some rows in the writer's column order.
type rows struct {
	cells [][]any // a row may be shorter than the columns: the rest is NULL
	ids   []string
	extra [][]byte // JSON objects; nil when no row has any
	text  bool
	loads []origin // nil, or where each row first landed (replay, compaction)
}

// origin keeps a row's first operational values when it is landed again.
type origin struct {
	loadID string
	at     int64 // microseconds
}

// writer writes one load. Undeclared columns get their type from the first rows, which wait in memory until there are
// enough of them. A later cell that does not fit widens its column: the part file is closed and the next one has the
// wider type. After that, rows are collected again before the new part begins, so that a stream with many rare columns
// does not become many tiny files.
type writer struct {
	l      *Lander
	p      extract.BeginParams
	dir    string
	prev   *landing.Manifest
	m      landing.Manifest
	start  int64 // StartedAt in microseconds
	policy policy

	cols       []*column
	byOriginal map[string]int
	names      map[string]string // original → slug
	lastCols   []string          // the batch columns that mapping is for
	mapping    []int             // batch column → column, -1: unknown
	identity   bool

	pending     []rows
	pendingRows int
	pendingSize int64
	part        *part
	partTypes   []map[string]landing.Type // of each closed or open part
	quarantine  *quarantine
	scratch     scratch

	given  int64 // rows and bad rows taken
	number int64 // for rows without an id
	closed bool
}

// policy is the stream's contract with its defaults filled in.
type policy struct {
	columns       string // evolve, freeze, discard, quarantine
	declaredTypes string // quarantine unless said otherwise
	inferredTypes string // evolve unless said otherwise
	frozen        bool   // the schema is closed: declared, or known from an earlier load
}

func newPolicy(c extract.Contract, declared bool) policy {
	p := policy{columns: c.Columns, declaredTypes: c.Types, inferredTypes: c.Types}
	if p.columns == "" {
		p.columns = "evolve"
	}
	if p.declaredTypes == "" {
		p.declaredTypes = "quarantine"
	}
	if p.inferredTypes == "" {
		p.inferredTypes = "evolve"
	}
	p.frozen = declared && p.columns != "evolve"
	return p
}

func newWriter(l *Lander, p extract.BeginParams, dir, id string, prev *landing.Manifest, now time.Time) *writer {
	w := &writer{l: l, p: p, dir: dir, prev: prev, start: now.UnixMicro(), byOriginal: map[string]int{}, names: map[string]string{}}
	if p.Fresh {
		w.prev = nil
	}
	w.policy = newPolicy(p.Spec.Contract, len(p.Spec.Schema.Columns) > 0 || w.prev != nil)
	w.m = landing.Manifest{FormatVersion: landing.FormatVersion, Source: p.Source, Stream: p.Spec.Name, LoadID: id, RunID: p.RunID,
		Disposition: p.Spec.Disposition, Starts: p.Starts, Before: p.Before, StartedAt: now, Dir: dir}
	if p.Spec.Original != p.Spec.Name {
		w.m.Original = p.Spec.Original
	}
	if w.m.Disposition == "" {
		w.m.Disposition = landing.Append
	}
	for _, c := range p.Spec.Schema.Columns {
		c.Declared = true
		w.addDeclared(c)
	}
	if w.prev != nil {
		for _, c := range w.prev.Schema.Columns {
			w.addPrevious(c)
		}
	}
	return w
}

func (w *writer) addDeclared(c landing.Column) {
	original := c.Original
	if original == "" {
		original = c.Name
	}
	name := c.Name
	if !landing.ValidColumn(name) {
		name = landing.ColumnNames([]string{name}, w.names)[0]
	}
	c.Name, c.Original = name, original
	w.add(original, c)
	if c.Type == "" {
		w.cols[len(w.cols)-1].Type, w.cols[len(w.cols)-1].Empty, w.cols[len(w.cols)-1].Declared = landing.Varchar, true, false
	}
}

// addPrevious carries a column of the load before, so that types never narrow and names never move.
func (w *writer) addPrevious(c landing.Column) {
	original := c.Original
	if original == "" {
		original = c.Name
	}
	if i, ok := w.byOriginal[original]; ok {
		have := w.cols[i]
		have.prev = c.Type
		if !have.Declared && have.Empty && !c.Empty {
			have.Type, have.Empty = c.Type, false
		}
		return
	}
	c.Original, c.Declared = original, false
	w.add(original, c)
	w.cols[len(w.cols)-1].prev = c.Type
}

func (w *writer) add(original string, c landing.Column) {
	w.byOriginal[original] = len(w.cols)
	w.names[original] = c.Name
	w.cols = append(w.cols, &column{Column: c})
}

// Write takes the batch's rows; see extract.Writer.
func (w *writer) Write(ctx context.Context, b *extract.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return w.fail(w.take(b, nil))
}

// fail says which load an error belongs to.
func (w *writer) fail(err error) error {
	return fault.Wrap(diskFull(err, w.l.opt.Dir), "land %s.%s", w.m.Source, w.m.Stream)
}

func (w *writer) take(b *extract.Batch, from []origin) error {
	for _, bad := range b.Bad {
		w.given++
		if err := w.reject(rejected{rowID: bad.RowID, reason: bad.Reason, raw: string(bad.Raw)}); err != nil {
			return err
		}
	}
	if len(b.Rows) == 0 {
		return nil
	}
	if len(b.RowIDs) > 0 && len(b.RowIDs) != len(b.Rows) {
		return fmt.Errorf("the source sent %d row ids for %d rows: this is a fault in the connector", len(b.RowIDs), len(b.Rows))
	}
	w.given += int64(len(b.Rows))
	w.mapColumns(b.Columns)
	for at := 0; at < len(b.Rows); at += maxChunk {
		end := min(at+maxChunk, len(b.Rows))
		r, err := w.arrange(b, from, at, end)
		if err != nil {
			return err
		}
		if err := w.accept(r); err != nil {
			return err
		}
	}
	return nil
}

// mapColumns finds the column of each of the batch's columns, and adds those that are new when the contract lets them in.
func (w *writer) mapColumns(names []string) {
	if w.lastCols != nil && len(names) == len(w.lastCols) {
		same := true
		for i := range names {
			if names[i] != w.lastCols[i] {
				same = false
				break
			}
		}
		if same {
			return
		}
	}
	var fresh []string
	for _, n := range names {
		if _, ok := w.byOriginal[n]; !ok && !w.policy.frozen {
			fresh = append(fresh, n)
		}
	}
	for i, slug := range landing.ColumnNames(fresh, w.names) {
		if _, twice := w.byOriginal[fresh[i]]; !twice {
			w.add(fresh[i], landing.Column{Name: slug, Original: fresh[i], Type: landing.Varchar, Empty: true})
		}
	}
	w.lastCols = append(w.lastCols[:0], names...)
	w.mapping = w.mapping[:0]
	w.identity = true
	for i, n := range names {
		at, ok := w.byOriginal[n]
		if !ok {
			at = -1
		} else {
			w.cols[at].seen = true
		}
		w.mapping = append(w.mapping, at)
		w.identity = w.identity && at == i
	}
}

// arrange puts the rows into the writer's column order. Fields that the schema does not know become JSON for _extra, or
// send the row to quarantine. The result shares the batch's memory only as far as cells do.
func (w *writer) arrange(b *extract.Batch, from []origin, at, end int) (rows, error) {
	r := rows{text: b.Text}
	if len(b.RowIDs) > 0 {
		r.ids = b.RowIDs[at:end]
	}
	if from != nil {
		r.loads = from[at:end]
	}
	if r.ids == nil {
		r.ids = make([]string, end-at)
		for i := range r.ids {
			w.number++
			r.ids[i] = strconv.FormatInt(w.number, 10)
		}
	}
	if w.identity {
		r.cells = b.Rows[at:end]
		return r, nil
	}
	width := len(w.cols)
	flat := make([]any, (end-at)*width)
	out, ids := make([][]any, 0, end-at), make([]string, 0, end-at)
	var loads []origin
	for i, row := range b.Rows[at:end] {
		if len(row) > len(w.mapping) {
			return r, fmt.Errorf("the source sent %d cells for %d columns: this is a fault in the connector", len(row), len(w.mapping))
		}
		cells := flat[i*width : (i+1)*width : (i+1)*width]
		var unknown map[string]any
		for j, cell := range row {
			if k := w.mapping[j]; k >= 0 {
				cells[k] = cell
			} else if cell != nil {
				if unknown == nil {
					unknown = map[string]any{}
				}
				unknown[b.Columns[j]] = cell
			}
		}
		if unknown != nil && w.policy.columns == "freeze" {
			return r, &fault.Error{Key: "streams." + w.m.Stream + ".columns", Value: firstKey(unknown), Msg: "a field that the frozen schema does not know, in row " + r.ids[i],
				Hint: "Declare the column, or set schema_contract to evolve, discard (kept in _extra) or quarantine. Nothing was landed; the next run reads it again."}
		}
		if unknown != nil && w.policy.columns == "quarantine" {
			name := firstKey(unknown)
			err := w.reject(rejected{rowID: r.ids[i], column: name, value: asText(unknown[name]),
				reason: fmt.Sprintf("field %q is not in the declared schema, and the stream's contract does not let new columns in", name),
				raw:    w.rawJSON(cells, unknown, nil, r.text)})
			if err != nil {
				return r, err
			}
			continue
		}
		if unknown != nil {
			for len(r.extra) < len(out) {
				r.extra = append(r.extra, nil)
			}
			r.extra = append(r.extra, []byte(objectJSON(unknown)))
		} else if r.extra != nil {
			r.extra = append(r.extra, nil)
		}
		out, ids = append(out, cells), append(ids, r.ids[i])
		if r.loads != nil {
			loads = append(loads, r.loads[i])
		}
	}
	r.cells, r.ids = out, ids
	if r.loads != nil {
		r.loads = loads
	}
	return r, nil
}

// accept writes the rows to the open part, or keeps them until there are enough to settle the types.
func (w *writer) accept(r rows) error {
	if len(r.cells) == 0 {
		return nil
	}
	if w.part != nil {
		fits, err := w.encode(r)
		if err != nil || fits {
			return err
		}
		if err := w.closePart(); err != nil {
			return err
		}
	}
	size := w.keep(r)
	w.pendingSize += size
	w.pendingRows += len(r.cells)
	if w.pendingRows >= w.l.opt.InferRows || w.pendingSize >= w.l.opt.InferBytes || w.allKnown() && w.partTypes == nil {
		return w.settle()
	}
	return nil
}

// allKnown reports whether there is nothing to infer: waiting would only cost memory.
func (w *writer) allKnown() bool {
	for _, c := range w.cols {
		if !c.Declared {
			return false
		}
	}
	return true
}

// keep copies the rows, whose slices the source may reuse, and returns their size in bytes.
func (w *writer) keep(r rows) int64 {
	var size int64
	cells := 0
	for _, row := range r.cells {
		cells += len(row)
	}
	flat := make([]any, 0, cells)
	kept := rows{cells: make([][]any, len(r.cells)), ids: append([]string(nil), r.ids...), extra: r.extra, text: r.text, loads: append([]origin(nil), r.loads...)}
	if r.loads == nil {
		kept.loads = nil
	}
	for i, row := range r.cells {
		start := len(flat)
		for _, c := range row {
			size += 16
			switch x := c.(type) {
			case string:
				size += int64(len(x))
			case json.RawMessage:
				size += int64(len(x))
				c = append(json.RawMessage(nil), x...)
			}
			flat = append(flat, c)
		}
		kept.cells[i] = flat[start:len(flat):len(flat)]
		size += int64(len(r.ids[i])) + 40
	}
	w.pending = append(w.pending, kept)
	return size
}

func (w *writer) openPart() error {
	if err := w.l.opt.Fault("part"); err != nil {
		return err
	}
	fields := make([]field, 0, len(w.cols)+len(operational))
	types := map[string]landing.Type{}
	for _, c := range w.cols {
		fields = append(fields, field{name: c.Name, cast: newCaster(c.Type, !c.Declared)})
		types[c.Name] = c.Type
	}
	fields = append(fields,
		field{name: landing.ColLoadID, cast: newCaster(landing.Varchar, false), required: true},
		field{name: landing.ColExtractedAt, cast: newCaster(landing.Timestamp, false), required: true},
		field{name: landing.ColRowID, cast: newCaster(landing.Varchar, false), required: true, plain: true},
		field{name: landing.ColExtra, cast: newCaster(landing.JSON, false)})
	p, err := newPart(w.dir, fmt.Sprintf("part-%05d.parquet", len(w.partTypes)+1), fields, w.l.opt)
	if err != nil {
		return err
	}
	w.part = p
	w.partTypes = append(w.partTypes, types)
	return nil
}

func (w *writer) closePart() error {
	if w.part == nil {
		return nil
	}
	p := w.part
	w.part = nil
	if p.rows == 0 { // every row of it went to quarantine
		p.abort()
		w.partTypes = w.partTypes[:len(w.partTypes)-1]
		return os.Remove(p.path)
	}
	f, err := p.close()
	if err != nil {
		return err
	}
	w.m.Files = append(w.m.Files, f)
	w.m.Rows += f.Rows
	return w.l.opt.Fault("part-closed")
}

// Commit makes the load visible; see extract.Writer.
func (w *writer) Commit(ctx context.Context, after landing.Checkpoint, complete bool) (landing.Manifest, error) {
	if w.closed {
		return landing.Manifest{}, errors.New("commit: the load is finished already")
	}
	if err := ctx.Err(); err != nil {
		return landing.Manifest{}, err
	}
	m, err := w.commit(after, complete)
	if err != nil {
		return landing.Manifest{}, fault.Wrap(diskFull(err, w.l.opt.Dir), "commit %s.%s", w.m.Source, w.m.Stream)
	}
	w.closed = true
	w.l.release(w.m.Source + "." + w.m.Stream)
	return m, nil
}

func (w *writer) commit(after landing.Checkpoint, complete bool) (landing.Manifest, error) {
	if w.pendingRows > 0 {
		if err := w.settle(); err != nil {
			return w.m, err
		}
	}
	if err := w.closePart(); err != nil {
		return w.m, err
	}
	if w.quarantine != nil {
		files, err := w.quarantine.close()
		if err != nil {
			return w.m, err
		}
		for _, f := range files {
			w.m.Quarantined += f.Rows
		}
		w.m.Quarantine = files
		w.quarantine = nil
	}
	// P2: every row that came in is in a part file or in quarantine, or the load does not happen.
	if w.m.Rows+w.m.Quarantined != w.given {
		return w.m, fmt.Errorf("%d rows were read, but %d were written and %d quarantined: nothing is committed. This is a fault in millrace", w.given, w.m.Rows, w.m.Quarantined)
	}
	w.m.After, w.m.Complete = after, complete
	w.m.LandedAt = w.l.opt.Now().UTC()
	w.m.Schema = landing.Schema{PrimaryKey: w.primaryKey()}
	for _, c := range w.cols {
		out := c.Column
		if out.Original == out.Name {
			out.Original = ""
		}
		w.m.Schema.Columns = append(w.m.Schema.Columns, out)
	}
	if err := w.keyed(); err != nil {
		return w.m, err
	}
	w.m.Changes = w.changes()
	for i, types := range w.partTypes {
		for _, c := range w.cols {
			if t, ok := types[c.Name]; !ok || t != c.Type {
				if w.m.Files[i].Columns == nil {
					w.m.Files[i].Columns = map[string]landing.Type{}
				}
				w.m.Files[i].Columns[c.Name] = t
			}
		}
	}
	return w.m, w.l.commit(w.m)
}

// keyed refuses a load whose key is no column of it: its rows could never be merged, and only a later build would say so.
func (w *writer) keyed() error {
	if w.m.Rows == 0 {
		return nil
	}
	names := make([]string, len(w.cols))
	for i, c := range w.cols {
		names[i] = c.Name
	}
	for _, k := range w.m.Schema.PrimaryKey {
		if !slices.Contains(names, k) {
			hint := fault.DidYouMean(k, names)
			if hint == "" {
				hint = "Its columns are " + strings.Join(names, ", ") + "."
			}
			return &fault.Error{Key: "primary_key", Value: k, Msg: "no row has such a column: nothing is committed", Hint: hint}
		}
	}
	return nil
}

// primaryKey names the landed columns of the declared key.
func (w *writer) primaryKey() []string {
	var out []string
	for _, k := range w.p.Spec.Schema.PrimaryKey {
		if slug, ok := w.names[k]; ok {
			k = slug
		}
		out = append(out, k)
	}
	return out
}

// changes compares the load's schema with the one before.
func (w *writer) changes() []landing.SchemaChange {
	if w.prev == nil {
		return nil
	}
	had := map[string]landing.Column{}
	for _, c := range w.prev.Schema.Columns {
		had[c.Name] = c
	}
	var out []landing.SchemaChange
	for _, c := range w.cols {
		was, ok := had[c.Name]
		switch {
		case !ok:
			out = append(out, landing.SchemaChange{Column: c.Name, Kind: "added", To: c.Type})
		case !was.Empty && !c.Empty && was.Type != c.Type:
			out = append(out, landing.SchemaChange{Column: c.Name, Kind: "widened", From: was.Type, To: c.Type})
		case !c.seen && w.given > 0 && !was.Empty:
			out = append(out, landing.SchemaChange{Column: c.Name, Kind: "missing", From: was.Type})
		}
	}
	return out
}

// Abort removes what was written; see extract.Writer.
func (w *writer) Abort() error {
	if w.closed {
		return nil
	}
	w.closed = true
	defer w.l.release(w.m.Source + "." + w.m.Stream)
	if w.part != nil {
		w.part.abort()
		w.part = nil
	}
	if w.quarantine != nil {
		w.quarantine.abort()
		w.quarantine = nil
	}
	// The rename may have happened before a later step failed: then the load is committed, and is not ours to remove.
	if _, err := landing.Read(w.dir); err == nil {
		return nil
	}
	if err := os.RemoveAll(w.dir); err != nil {
		return fmt.Errorf("remove the unfinished load: %w", err)
	}
	return nil
}
