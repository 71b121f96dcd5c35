package rest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// maxBatchRows bounds a batch, so that one huge page does not become one huge batch.
const maxBatchRows = 10_000

// maxParts bounds the state of child streams that keep a cursor for each parent.
const maxParts = 20_000

var errStopped = errors.New("the consumer stopped")

// reader is one read of one stream.
type reader struct {
	s     *source
	ctx   context.Context
	r     *resource
	opts  readOptions
	top   *state // what checkpoints hold
	yield func(*extract.Batch, error) bool
	shape *shaper
	pages int
	seed  uint64
	seen  tally // of a complete read
}

// page is what came with one call. Its values are valid until emit returns.
type page struct {
	root  *fastjson.Value
	items []*fastjson.Value
	safe  bool // every row up to and including this page is covered by the state as it is now
	added map[string]any

	token, split string // where the next page is; empty when this was the last
	end          bool   // last page of its paging
	over         *overlap
}

type emitFunc func(*page) error

// Read yields the rows after from.
func (s *source) Read(ctx context.Context, stream string, from landing.Checkpoint) extract.Stream {
	return func(yield func(*extract.Batch, error) bool) {
		err := s.read(ctx, stream, from, yield)
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err) // the engine says which source and stream
		}
	}
}

func (s *source) read(ctx context.Context, stream string, from landing.Checkpoint, yield func(*extract.Batch, error) bool) error {
	r, ok := s.api.resources[stream]
	if !ok {
		return &fault.Error{Value: stream, Msg: "connector " + s.api.Name() + " has no such stream", Hint: fault.DidYouMean(stream, s.api.order)}
	}
	st, err := decodeState(from)
	if err != nil {
		return err
	}
	spec := s.specOf(r)
	rd := &reader{s: s, ctx: ctx, r: r, top: st, yield: yield, shape: newShaper(r, spec), opts: readOptions{now: s.deps.Now()}, seed: schemaSeed(spec)}
	if o, ok := s.options[stream]; ok {
		rd.opts.initial = o.InitialValue
		rd.opts.look = o.Lag
	}
	if inc := r.cursorDef(); inc != nil && !inc.Zone.empty() {
		name, err := inc.Zone.text(&scope{config: s.config})
		var none *errNoValue
		if err != nil && !errors.As(err, &none) {
			return err
		}
		if rd.opts.zone, err = time.LoadLocation(name); err != nil {
			return &fault.Error{Key: "time_zone", Value: name, Msg: "is not a time zone", Hint: "Use an IANA name such as Europe/Berlin."}
		}
	}
	if r.Incremental == nil && !r.FollowParent {
		rd.top = &state{} // a complete read always begins at the beginning
	}
	if err := rd.resource(r, rd.top, rd.emit); err != nil {
		return err
	}
	if r.Incremental == nil && !r.FollowParent {
		rd.top = &state{Digest: fmt.Sprintf("%x.%s", rd.seed, rd.seen)}
		return rd.emit(&page{safe: true})
	}
	return nil
}

// emit hands a page to the consumer as batches of bounded size; only the last one carries the checkpoint.
func (rd *reader) emit(p *page) error {
	recs, bad := rd.records(rd.r, p)
	rd.pages++
	complete := rd.r.cursorDef() == nil
	for first := true; first || len(recs) > 0; first = false {
		n := min(len(recs), maxBatchRows)
		b := &extract.Batch{}
		if n > 0 {
			rd.shape.shape(p.root, recs[:n], b)
		}
		if complete {
			for _, row := range b.Rows {
				rd.seen.add(rowDigest(rd.seed, b.Columns, row))
			}
		}
		if p.over != nil {
			inc := rd.r.Incremental
			kept := b.Rows[:0]
			for i, row := range b.Rows {
				if !p.over.take(p.over.day(text(get(recs[i].val, splitPath(inc.CursorPath))), inc.Format), b.Columns, row) {
					kept = append(kept, row)
				}
			}
			b.Rows = kept
		}
		recs = recs[n:]
		if first {
			b.Bad = bad
		}
		if len(recs) == 0 && p.safe {
			c, err := rd.top.checkpoint()
			if err != nil {
				return err
			}
			b.Checkpoint = c
		}
		if err := rd.give(b); err != nil {
			return err
		}
	}
	return nil
}

// give hands a batch to the consumer, unless there is nothing in it.
func (rd *reader) give(b *extract.Batch) error {
	if len(b.Rows) == 0 && len(b.Bad) == 0 && b.Checkpoint.IsZero() {
		return nil
	}
	b.Progress.Item = "page " + strconv.Itoa(rd.pages)
	if !rd.yield(b, nil) {
		return errStopped
	}
	return nil
}

// records takes the records out of a page's items; what is not a record is reported with its reason (P2).
func (rd *reader) records(r *resource, p *page) ([]record, []extract.BadRow) {
	var recs []record
	var bad []extract.BadRow
	reject := func(i int, v *fastjson.Value, reason string) {
		raw := v.MarshalTo(nil)
		if len(raw) > 64<<10 {
			raw = raw[:64<<10]
		}
		bad = append(bad, extract.BadRow{RowID: fmt.Sprintf("page %d record %d", rd.pages+1, i+1), Reason: reason, Raw: raw})
	}
	inner := splitPath(r.Record)
	for i, item := range p.items {
		v := get(item, inner)
		if v == nil || v.Type() != fastjson.TypeObject {
			kind := "nothing"
			if v != nil {
				kind = "a " + v.Type().String()
			}
			reject(i, item, "a record must be a JSON object, found "+kind)
			continue
		}
		if r.Explode == nil {
			recs = append(recs, record{val: v, added: p.added})
			continue
		}
		if r.Explode.More != "" && get(v, splitPath(r.Explode.More)) != nil {
			reject(i, v, "the list "+r.Explode.Path+" of this record is cut off by the vendor: only its beginning was read")
		}
		list := get(v, splitPath(r.Explode.Path))
		if list == nil || list.Type() == fastjson.TypeNull {
			continue
		}
		take := func(key string, l *fastjson.Value) {
			if l.Type() != fastjson.TypeArray {
				reject(i, v, r.Explode.Path+" is not a list")
				return
			}
			for j, e := range l.GetArray() {
				if e.Type() != fastjson.TypeObject {
					reject(i, e, "an element of "+r.Explode.Path+" must be a JSON object")
					continue
				}
				recs = append(recs, record{val: e, parent: v, key: key, index: j, added: p.added})
			}
		}
		if list.Type() == fastjson.TypeObject {
			list.GetObject().Visit(func(k []byte, l *fastjson.Value) { take(string(k), l) })
		} else {
			take("", list)
		}
	}
	return recs, bad
}

// resource reads one resource through all its partitions or parents.
func (rd *reader) resource(r *resource, st *state, emit emitFunc) error {
	base := &scope{config: rd.s.config, now: rd.opts.now, resource: r.name, properties: rd.s.properties(r)}
	if r.parent != nil {
		return rd.children(r, st, base, emit)
	}
	if len(r.Partitions) == 0 {
		return rd.slice(r, st, base, emit)
	}
	for _, p := range r.Partitions {
		sc := *base
		sc.partition = map[string]string{}
		var key []string
		for k, v := range p.All() {
			sc.partition[k] = v
			key = append(key, k+"="+v)
		}
		part, err := st.part(r, strings.Join(key, ","))
		if err != nil {
			return err
		}
		if err := rd.slice(r, part, &sc, emit); err != nil {
			return err
		}
	}
	return nil
}

// part is the state of one partition; without a cursor there is nothing to keep.
func (s *state) part(r *resource, key string) (*state, error) {
	if r.Incremental == nil {
		return s, nil
	}
	if p, ok := s.Parts[key]; ok {
		return p, nil
	}
	if len(s.Parts) >= maxParts {
		return nil, &fault.Error{Msg: fmt.Sprintf("stream %s keeps a cursor for each of more than %d parents", r.name, maxParts),
			Hint: "Use follow_parent, or read it without incremental."}
	}
	if s.Parts == nil {
		s.Parts = map[string]*state{}
	}
	p := &state{}
	s.Parts[key] = p
	return p, nil
}

// children reads a resource for the records of its parent, one at a time or in batches.
func (rd *reader) children(r *resource, st *state, base *scope, emit emitFunc) error {
	parentState := &state{}
	if r.FollowParent {
		parentState = st
	}
	one := func(sc *scope, key string, p *page) error {
		part, err := st.part(r, key)
		if err != nil {
			return err
		}
		return rd.slice(r, part, sc, func(q *page) error {
			if p != nil {
				q.added = p.added
			}
			q.safe = false // below, once for all parents of a page
			return emit(q)
		})
	}
	return rd.resource(r.parent, parentState, func(p *page) error {
		recs, _ := rd.records(r.parent, p) // bad ones are reported by the parent's own stream
		safe := p.safe
		values := make([]map[string]any, 0, len(recs))
		for _, rec := range recs {
			m := make(map[string]any, len(r.parentFields))
			for _, f := range r.parentFields {
				if v := get(rec.val, splitPath(f)); v != nil {
					m[f] = native(v)
				}
			}
			values = append(values, m)
		}
		if r.BatchParents > 0 {
			for len(values) > 0 {
				n := min(len(values), r.BatchParents)
				sc := *base
				sc.batch = values[:n]
				if err := one(&sc, "", nil); err != nil {
					return err
				}
				values = values[n:]
			}
		}
		for _, m := range values {
			sc := *base
			sc.parents = map[string]map[string]any{r.parent.name: m}
			added := map[string]any{}
			for _, f := range r.Include {
				added["_"+r.parent.name+"_"+strings.ReplaceAll(f, ".", "_")] = m[f]
			}
			var key []string
			for _, f := range r.parentFields {
				key = append(key, asText(m[f]))
			}
			if err := one(&sc, strings.Join(key, ","), &page{added: added}); err != nil {
				return err
			}
		}
		if r.FollowParent && safe || r.Incremental != nil {
			return emit(&page{safe: true})
		}
		return nil
	})
}

// slice reads one partition: all of it, or the windows that are left.
func (rd *reader) slice(r *resource, st *state, sc *scope, emit emitFunc) error {
	inc := r.Incremental
	call := callOf{ep: r.Endpoint, pag: r.Paginator, sel: splitPath(r.DataSelector), split: r.SplitOnLimit}
	if inc == nil {
		return rd.paging(r, call, sc, nil, emit)
	}
	if inc.Type == "integer" || inc.Type == "string" {
		return rd.growing(r, call, st, sc, emit)
	}
	if st.Backfill != nil {
		return rd.backfill(r, call, st, sc, emit)
	}
	opts := rd.opts
	for {
		w, err := r.next(st, opts)
		if err != nil || w == nil {
			return err
		}
		if err := rd.window(r, call, st, sc, w, emit); err != nil {
			return err
		}
		// The last window of an ordered read ends at the last row seen rather than at the clock: a row that the vendor
		// shows late is then still ahead.
		if inc.Order != "ascending" || !w.last {
			st.Cursor = formatInstant(w.end)
		}
		if inc.FullEvery > 0 && (w.full || st.FullAt == "") {
			st.FullAt = formatInstant(opts.now)
		}
		st.Open = nil
		if err := emit(&page{safe: true}); err != nil {
			return err
		}
		if w.last {
			return nil
		}
		opts.continued = !w.late
	}
}

// backfill reads a date range beside the cursor, which it leaves as it was.
func (rd *reader) backfill(r *resource, call callOf, st *state, sc *scope, emit emitFunc) error {
	to, err := parseInstant(st.Backfill.To)
	if err != nil {
		return fault.Wrap(err, "backfill")
	}
	opts := rd.opts
	opts.to = to
	sub := &state{}
	for st.Backfill != nil {
		opts.initial = st.Backfill.From
		sub.Cursor = ""
		w, err := r.next(sub, opts)
		if err != nil {
			return err
		}
		if w != nil {
			w.full = false // the range filters, so the call that lists everything is not used
			if err := rd.window(r, call, &state{}, sc, w, func(p *page) error { p.safe = false; return emit(p) }); err != nil {
				return err
			}
		}
		if w == nil || w.last {
			st.Backfill = nil
		} else {
			next := w.end
			if r.dateCursor {
				next = next.AddDate(0, 0, 1)
			}
			st.Backfill.From = formatInstant(next)
		}
		if err := emit(&page{safe: true}); err != nil {
			return err
		}
	}
	return nil
}

// window reads one stretch of time. st is moved as far as is safe after each page.
func (rd *reader) window(r *resource, call callOf, st *state, sc *scope, w *window, emit emitFunc) error {
	inc := r.Incremental
	if w.full && r.full != nil {
		call = callOf{ep: r.full.Endpoint, pag: r.full.Paginator, sel: splitPath(r.full.DataSelector)}
	}
	in := *sc
	in.start, in.end = w.start, w.end
	path, record := splitPath(inc.CursorPath), splitPath(r.Record)
	for attempt := 1; ; attempt++ {
		var last time.Time
		var over *overlap
		if r == rd.r && r.looksBack(rd.opts) && rd.opts.to.IsZero() && st.Backfill == nil {
			over = newOverlap(rd, st)
		}
		err := rd.paging(r, call, &in, w.resume, func(p *page) error {
			stop := false
			p.over = over
			if len(path) > 0 && (inc.Order != "none" || inc.Filter == "client") {
				kept := p.items[:0:0]
				older := 0
				for _, item := range p.items {
					raw := text(get(get(item, record), path))
					t, ok := instant(raw, inc.Format)
					switch {
					case !ok:
						kept = append(kept, item) // without a cursor it cannot be judged: it is read, not dropped
					case inc.Filter == "client" && t.Before(w.start):
						older++
					default:
						kept = append(kept, item)
						if inc.Order == "ascending" {
							if t.Before(last) {
								return &fault.Error{Msg: fmt.Sprintf("rows are not in ascending order of %s (%s after %s)", inc.CursorPath, formatInstant(t), formatInstant(last)),
									Hint: "Sort them in the request, or remove order: ascending from the resource: otherwise an interrupted read would skip rows."}
							}
							last = t
						}
					}
				}
				stop = inc.Order == "descending" && inc.Filter == "client" && older > 0 && older == len(p.items)
				if inc.Filter == "client" {
					p.items = kept
				}
			}
			switch {
			case inc.Order == "ascending" && !last.IsZero():
				// A value from the future must not push the position past rows that are still to come.
				if c := minTime(last, rd.opts.now); st.Cursor == "" || formatInstant(c) != st.Cursor {
					st.Cursor = formatInstant(c)
				}
				p.safe = true
			case p.end:
			case p.token != "" && call.pag.Resumable || p.split != "":
				st.Open = &open{Start: formatInstant(w.start), End: formatInstant(w.end), Full: w.full, Last: w.last || w.late, Split: p.split}
				if call.pag.Resumable {
					st.Open.Page = p.token
				}
				p.safe = true
			}
			if err := emit(p); err != nil {
				return err
			}
			if stop {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			err = nil
		}
		switch {
		case err == nil && over != nil:
			return over.finish(w.end, rd.opts.lag(inc))
		case err == nil:
			return nil
		case w.resume != nil && w.resume.Page != "" && httpx.ClassOf(err) == httpx.Permanent && attempt == 1:
			rd.s.log.Warn("the vendor no longer takes the stored page; its window is read again", "stream", r.name, "error", err)
			w.resume = nil
		case r.Streamed && httpx.ClassOf(err) == httpx.Transient && attempt < 3 && r.spec.Disposition == landing.Merge && rd.ctx.Err() == nil:
			// Part of the answer was already handed on; merging by key makes the repetition harmless.
			rd.s.log.Warn("the answer broke off; its window is read again", "stream", r.name, "error", err)
		default:
			return err
		}
	}
}

var errEnough = errors.New("the rest is older")

// growing reads a cursor that is a number or a text: one pass in its order, a checkpoint after each page.
func (rd *reader) growing(r *resource, call callOf, st *state, sc *scope, emit emitFunc) error {
	inc := r.Incremental
	in := *sc
	start := inc.InitialValue
	if rd.opts.initial != "" {
		start = rd.opts.initial
	}
	if st.Cursor != "" {
		start = st.Cursor
	}
	in.start = start
	if inc.Type == "integer" {
		n, err := strconv.ParseInt(start, 10, 64)
		if err != nil {
			return &fault.Error{Key: "initial_value", Value: start, Msg: "is not a whole number", Hint: "Write a whole number."}
		}
		if inc.Exclusive {
			n--
		}
		in.start = n
	}
	path, record := splitPath(inc.CursorPath), splitPath(r.Record)
	return rd.paging(r, call, &in, nil, func(p *page) error {
		for _, item := range p.items {
			raw := text(get(get(item, record), path))
			if raw == "" {
				continue
			}
			if inc.Type == "integer" && lessNumber(raw, st.Cursor) {
				return &fault.Error{Msg: fmt.Sprintf("rows are not in ascending order of %s (%s after %s)", inc.CursorPath, fault.Shorten(raw, 40), st.Cursor), Hint: "Sort them in the request."}
			}
			st.Cursor = raw
		}
		p.safe = true
		return emit(p)
	})
}

// lessNumber compares decimal texts; an empty one is smaller than all.
func lessNumber(a, b string) bool {
	if b == "" {
		return false
	}
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err1 == nil && err2 == nil && x < y
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
