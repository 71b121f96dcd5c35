package extract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/extract/landing"
	"millrace/internal/fault"
	"millrace/internal/privacy"
)

// Sourced is an opened source under the name that the project gives it.
type Sourced struct {
	Name   string // slug
	Source Source
	// OpenErr is why the source could not be opened; it then fails as a whole and stops no other.
	OpenErr error
}

// RunParams says what to land. Zero numbers mean the defaults.
type RunParams struct {
	Sources []Sourced
	Lander  Lander
	RunID   string
	// Select decides which streams are read; nil means all.
	Select func(source, stream string) bool
	// FullRefresh reads streams from the beginning, without the types and checkpoints of earlier loads. What landed
	// before counts until the new read is complete.
	FullRefresh bool
	// From gives the checkpoint to read from instead of the last one (backfill). The load keeps the stream's newest
	// checkpoint, so the next run goes on where it would have.
	From func(source, stream string) (landing.Checkpoint, bool)

	// Screen takes out rows about people who were erased, so that they do not come back; nil: nobody was. They are
	// counted in the result, and nothing of them is kept.
	Screen *privacy.Screen

	Parallel  int           // streams read at once: 2
	RollRows  int64         // a long read is committed every so many rows: 2 000 000
	RollBytes int64         // or so many bytes of the source, where the source tells: 1 GiB
	RollEvery time.Duration // or after this time: 5 minutes

	Now      func() time.Time
	Log      *slog.Logger
	Progress func(Event) // called often, from several goroutines at once; nil: nobody looks
}

// Event says how far one stream has come.
type Event struct {
	Source, Stream string
	Rows           int64
	Progress       Progress
	Elapsed        time.Duration
	Done           bool
}

// StreamResult is what became of one stream.
type StreamResult struct {
	Source      string                 `json:"source"`
	Stream      string                 `json:"stream"`
	Rows        int64                  `json:"rows"`
	Quarantined int64                  `json:"quarantined"`
	Erased      int64                  `json:"erased,omitempty"` // rows about erased people: not landed, or without what is personal
	Bytes       int64                  `json:"bytes"`            // of Parquet
	Loads       []string               `json:"loads,omitempty"`
	Changes     []landing.SchemaChange `json:"schema_changes,omitempty"`
	Warnings    []string               `json:"warnings,omitempty"`
	Unchanged   bool                   `json:"unchanged,omitempty"`
	Seconds     float64                `json:"seconds"`
	Err         error                  `json:"-"`
	Error       string                 `json:"error,omitempty"`
}

// Name is source.stream.
func (r StreamResult) Name() string {
	if r.Stream == "" {
		return r.Source
	}
	return r.Source + "." + r.Stream
}

// RunResult is what became of all, sorted by source and stream.
type RunResult struct {
	Streams []StreamResult `json:"streams"`
}

// Rows is the number of rows that landed.
func (r RunResult) Rows() (n int64) {
	for _, s := range r.Streams {
		n += s.Rows
	}
	return n
}

// Failed are the streams that did not finish.
func (r RunResult) Failed() []StreamResult {
	var out []StreamResult
	for _, s := range r.Streams {
		if s.Err != nil {
			out = append(out, s)
		}
	}
	return out
}

// Err is nil when every stream finished, the cancellation when the run was cancelled, and otherwise one handled error
// that holds each stream's.
func (r RunResult) Err() error {
	var l fault.List
	for _, s := range r.Failed() {
		if errors.Is(s.Err, context.Canceled) {
			return s.Err
		}
		l.Add(s.Err)
	}
	if len(l) == 0 {
		return nil
	}
	exit := fault.ExitHandled
	if fault.ExitCode(l[0]) == fault.ExitLocked && len(l) == len(r.Streams) {
		exit = fault.ExitLocked
	}
	return &fault.Error{Err: l.Or(), Exit: exit}
}

// Run lands the streams of all sources, each from its last checkpoint, a bounded number at once. A source or stream that
// fails stops no other: its error is in its result. When ctx is cancelled, what was read since the last safe point
// is given up, what was committed stays, and the next run goes on from there.
func Run(ctx context.Context, p RunParams) RunResult {
	p = p.withDefaults()
	var (
		mu  sync.Mutex
		res RunResult
		g   errgroup.Group
	)
	add := func(r StreamResult) {
		if r.Err != nil {
			r.Error = r.Err.Error()
		}
		mu.Lock()
		defer mu.Unlock()
		res.Streams = append(res.Streams, r)
	}
	g.SetLimit(p.Parallel)
	sources := append([]Sourced(nil), p.Sources...)
	sort.SliceStable(sources, func(i, j int) bool { return sources[i].Name < sources[j].Name })
	for _, s := range sources {
		if s.OpenErr != nil {
			add(StreamResult{Source: s.Name, Err: fault.Wrap(s.OpenErr, "source %s", s.Name)})
			continue
		}
		specs, err := s.Source.Streams(ctx)
		if err != nil {
			add(StreamResult{Source: s.Name, Err: fault.Wrap(err, "source %s: list streams", s.Name)})
			continue
		}
		for _, spec := range specs {
			if p.Select != nil && !p.Select(s.Name, spec.Name) {
				continue
			}
			g.Go(func() error {
				r := runStream(ctx, p, s, spec)
				add(r)
				return nil
			})
		}
	}
	g.Wait()
	sort.Slice(res.Streams, func(i, j int) bool {
		a, b := res.Streams[i], res.Streams[j]
		return a.Source < b.Source || a.Source == b.Source && a.Stream < b.Stream
	})
	return res
}

func (p RunParams) withDefaults() RunParams {
	if p.Parallel <= 0 {
		p.Parallel = 2
	}
	if p.RollRows <= 0 {
		p.RollRows = 2_000_000
	}
	if p.RollBytes <= 0 {
		p.RollBytes = 1 << 30
	}
	if p.RollEvery <= 0 {
		p.RollEvery = 5 * time.Minute
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Progress == nil {
		p.Progress = func(Event) {}
	}
	return p
}

// streamRun is one stream while it is read.
type streamRun struct {
	p     RunParams
	s     Sourced
	spec  StreamSpec
	res   StreamResult
	began time.Time

	from     landing.Checkpoint // of the open load
	keep     landing.Checkpoint // what a backfill leaves behind instead of its own position
	backfill bool
	starts   bool
	fresh    bool
	closes   bool                // the read is one that ends with Complete
	sealed   *landing.Checkpoint // where the last complete read ended; nil when there is none to compare with

	w     Writer
	safe  landing.Checkpoint // the last safe point of the open load
	rows  int64              // since the last commit
	loose int64              // since the last safe point
	bytes int64              // of the source, at the last commit
	since time.Time

	judge *privacy.Judge // of batches with the columns over; nil: not made yet, or nobody was erased
	over  []string
}

func runStream(ctx context.Context, p RunParams, s Sourced, spec StreamSpec) StreamResult {
	r := &streamRun{p: p, s: s, spec: spec, began: p.Now(), res: StreamResult{Source: s.Name, Stream: spec.Name}}
	err := r.run(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%s.%s: stopped: %w", s.Name, spec.Name, ctx.Err())
	} else if err != nil {
		err = fault.Wrap(err, "%s.%s", s.Name, spec.Name)
	}
	if c, ok := p.Lander.(Compacter); ok && err == nil && len(r.res.Loads) > 0 {
		if _, err := c.Compact(ctx, s.Name, spec.Name, p.RunID); err != nil && ctx.Err() == nil {
			r.res.Warnings = append(r.res.Warnings, err.Error()) // what landed is as good as before
		}
	}
	r.res.Err = err
	r.res.Seconds = p.Now().Sub(r.began).Seconds()
	p.Progress(Event{Source: s.Name, Stream: spec.Name, Rows: r.res.Rows, Elapsed: p.Now().Sub(r.began), Done: true})
	if err != nil {
		p.Log.Debug("stream failed", "source", s.Name, "stream", spec.Name, "error", err)
	} else {
		p.Log.Debug("stream landed", "source", s.Name, "stream", spec.Name, "rows", r.res.Rows, "quarantined", r.res.Quarantined, "seconds", r.res.Seconds)
	}
	return r.res
}

func (r *streamRun) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	last, found, err := r.p.Lander.Last(ctx, r.s.Name, r.spec.Name)
	if err != nil {
		return err
	}
	if found {
		// A crash between a commit and the acknowledgement is repaired here, before anything is read.
		if a, ok := r.s.Source.(Acker); ok && !last.After.IsZero() {
			if err := a.Ack(ctx, r.spec.Name, last.After); err != nil {
				return fault.Wrap(err, "acknowledge what landed before")
			}
		}
	}
	done, err := r.position(ctx, last, found)
	if err != nil || done {
		return err
	}
	defer func() {
		if r.w != nil {
			if err := r.w.Abort(); err != nil {
				r.res.Warnings = append(r.res.Warnings, err.Error())
			}
		}
	}()
	r.since = r.p.Now()
	for b, err := range r.s.Source.Read(ctx, r.spec.Name, r.from) {
		if err != nil {
			return r.stop(ctx, err)
		}
		if err := ctx.Err(); err != nil {
			return r.stop(ctx, err)
		}
		if err := r.batch(ctx, b); err != nil {
			return err
		}
	}
	return r.finish(ctx)
}

// position decides where to read from, and whether there is anything to read at all.
func (r *streamRun) position(ctx context.Context, last landing.Manifest, found bool) (done bool, err error) {
	if r.p.From != nil {
		if from, ok := r.p.From(r.s.Name, r.spec.Name); ok {
			if r.spec.Disposition == landing.Replace {
				return false, errors.New("a replace stream holds its latest complete read and cannot be backfilled. Use --full-refresh")
			}
			r.from, r.backfill, r.keep = from, true, last.After
			return false, nil
		}
	}
	complete := r.spec.Disposition == landing.Replace || r.p.FullRefresh
	switch {
	case !found:
		r.starts = r.spec.Disposition == landing.Replace
		r.closes = complete
	case r.p.FullRefresh:
		r.starts, r.fresh, r.closes = true, true, true
	case r.spec.Disposition == landing.Replace && last.Complete:
		r.sealed = &last.After
		if c, ok := r.s.Source.(Comparer); ok {
			same, err := c.Unchanged(ctx, r.spec.Name, last.After)
			if err != nil {
				return false, err
			}
			if same {
				r.res.Unchanged = true
				return true, nil
			}
		}
		r.starts, r.closes = true, true
	default:
		r.from = last.After
		// An interrupted complete read goes on, and is closed by whoever reaches its end.
		r.closes = r.spec.Disposition == landing.Replace || openRead(ctx, r.p.Lander, r.s.Name, r.spec.Name)
		if r.closes && r.from.IsZero() {
			r.starts = true // nothing of it can be kept
		}
	}
	return false, nil
}

// generation is an optional ability of landers: whether the newest read of a stream that began with Starts is unfinished.
type generation interface {
	Unfinished(ctx context.Context, source, stream string) bool
}

func openRead(ctx context.Context, l Lander, source, stream string) bool {
	g, ok := l.(generation)
	return ok && g.Unfinished(ctx, source, stream)
}

func (r *streamRun) batch(ctx context.Context, b *Batch) error {
	r.res.Warnings = append(r.res.Warnings, b.Warnings...)
	r.screen(b)
	if len(b.Rows) > 0 || len(b.Bad) > 0 {
		if err := r.open(ctx); err != nil {
			return err
		}
		if err := r.w.Write(ctx, b); err != nil {
			return err
		}
		n := int64(len(b.Rows) + len(b.Bad))
		r.rows += n
		r.loose += n
	}
	r.p.Progress(Event{Source: r.s.Name, Stream: r.spec.Name, Rows: r.res.Rows + r.res.Quarantined + r.rows, Progress: b.Progress, Elapsed: r.p.Now().Sub(r.began)})
	if b.Checkpoint.IsZero() {
		return nil
	}
	r.safe, r.loose = b.Checkpoint, 0
	if r.w != nil && (r.rows >= r.p.RollRows || b.Progress.Bytes-r.bytes >= r.p.RollBytes || r.p.Now().Sub(r.since) >= r.p.RollEvery) {
		r.bytes = b.Progress.Bytes
		return r.commit(ctx, false)
	}
	return nil
}

// screen takes rows about erased people out of a batch.
func (r *streamRun) screen(b *Batch) {
	if r.p.Screen.Empty() || len(b.Rows)+len(b.Bad) == 0 {
		return
	}
	if r.judge == nil || !slices.Equal(r.over, b.Columns) {
		r.over = slices.Clone(b.Columns)
		columns := make([]privacy.Column, len(b.Columns))
		for i, name := range b.Columns {
			columns[i].Name = name
			for _, c := range r.spec.Schema.Columns {
				if c.Name == name || c.Original == name {
					columns[i].PII = c.PII
				}
			}
		}
		r.judge = r.p.Screen.Stream(r.s.Name, columns)
	}
	rows, ids := b.Rows[:0], b.RowIDs[:0]
	for i, row := range b.Rows {
		v := r.judge.Row(row)
		if v != privacy.Keep {
			r.res.Erased++
		}
		if v == privacy.Drop {
			continue
		}
		rows = append(rows, row)
		if len(b.RowIDs) > 0 {
			ids = append(ids, b.RowIDs[i])
		}
	}
	bad := len(b.Bad)
	b.Rows, b.RowIDs = rows, ids
	b.Bad = slices.DeleteFunc(b.Bad, func(x BadRow) bool { return r.judge.Text(string(x.Raw)) })
	r.res.Erased += int64(bad - len(b.Bad))
}

func (r *streamRun) open(ctx context.Context) error {
	if r.w != nil {
		return nil
	}
	w, err := r.p.Lander.Begin(ctx, BeginParams{Source: r.s.Name, Spec: r.spec, RunID: r.p.RunID, Before: r.from, Starts: r.starts, Fresh: r.fresh})
	if err != nil {
		return err
	}
	r.w = w
	return nil
}

// commit makes what was written visible with its checkpoint (P1), and tells the source.
func (r *streamRun) commit(ctx context.Context, complete bool) error {
	after := r.safe
	if after.IsZero() {
		after = r.from // nothing said where it is: repeat rather than skip
	}
	if r.backfill {
		after = r.keep
	}
	m, err := r.w.Commit(ctx, after, complete)
	if err != nil {
		return err
	}
	r.w = nil
	r.res.Rows += m.Rows
	r.res.Quarantined += m.Quarantined
	r.res.Loads = append(r.res.Loads, m.LoadID)
	r.res.Changes = append(r.res.Changes, m.Changes...)
	for _, f := range m.Files {
		r.res.Bytes += f.Bytes
	}
	r.starts, r.fresh, r.rows, r.since = false, false, 0, r.p.Now()
	if !r.safe.IsZero() {
		r.from = r.safe
	}
	if a, ok := r.s.Source.(Acker); ok && !after.IsZero() && !r.backfill {
		// The rows are committed: a cancellation that arrives now must not keep the source from knowing.
		actx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		if err := a.Ack(actx, r.spec.Name, after); err != nil {
			return fault.Wrap(err, "acknowledge what landed")
		}
	}
	return nil
}

// finish ends a read that reached its end.
func (r *streamRun) finish(ctx context.Context) error {
	moved := !r.safe.IsZero() && !same(r.safe, r.from)
	switch {
	case r.repeats():
		r.res.Unchanged = true // what was written is given up
		return nil
	case r.w != nil:
	case r.closes, moved && !r.backfill:
		// No rows, but something to remember: that a complete read found nothing, or that the source looked further.
		// An empty read that says nothing keeps the old checkpoint: nothing is committed.
		if err := r.open(ctx); err != nil {
			return err
		}
	default:
		return nil
	}
	if r.closes && r.res.Rows+r.rows == 0 {
		r.res.Warnings = append(r.res.Warnings, "the complete read brought no rows: the stream is empty now")
	}
	return r.commit(ctx, r.closes)
}

// repeats reports whether a complete read brought exactly what the one before it brought.
func (r *streamRun) repeats() bool {
	s, ok := r.s.Source.(Sealer)
	return ok && s.Sealed(r.spec.Name) && r.spec.Disposition == landing.Replace && r.starts && !r.fresh && r.loose == 0 && r.sealed != nil && same(r.safe, *r.sealed)
}

// stop ends a read that broke off. What was written up to a safe point is kept, also when the run was cancelled, so that
// the next one does not start again from nothing. Rows after the safe point would be landed twice: with those the open
// load is given up.
func (r *streamRun) stop(ctx context.Context, cause error) error {
	if r.w == nil || r.loose > 0 || r.safe.IsZero() {
		return cause
	}
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := r.commit(cctx, false); err != nil {
		return errors.Join(cause, err)
	}
	return cause
}

// same compares checkpoints by content: a manifest may have been written with other white space.
func same(a, b landing.Checkpoint) bool {
	if a.Version != b.Version {
		return false
	}
	var x, y bytes.Buffer
	if json.Compact(&x, a.State) != nil || json.Compact(&y, b.State) != nil {
		return bytes.Equal(a.State, b.State)
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}
