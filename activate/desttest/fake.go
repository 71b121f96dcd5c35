package desttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/httpx"
)

// Fault is one way in which a call goes wrong.
type Fault int

// The faults. Those up to Forbidden happen before anything is written.
const (
	None        Fault = iota
	Unreached         // the connection is refused
	Limited           // 429
	Forbidden         // 401
	Lost              // everything is written, and the answer is lost
	HalfLost          // half of the rows are written, then the connection breaks
	Silent            // everything is written, and the answer is a success without results
	Forgetful         // everything is written, and the answer leaves out every second row
	Swallowed         // nothing is written, and the answer is a success without results
	Contradicts       // everything is written, and the answer names the first row twice, with different results
)

// World is what a simulated outside system holds. It outlives the process that writes to it.
type World struct {
	mu      sync.Mutex
	Records map[string]*Thing // by key
	Created map[string]int    // how often a record was made, by key
	Events  []string          // effective writes in order: "op key"
	Bad     map[string]string // keys whose rows are refused, with the reason
	Whole   bool              // a bad row makes the call fail as a whole
	Names   bool              // and the refusal names it
	Keys    map[string]bool   // idempotency keys of events that counted
	Fault   func(call int, op string) Fault
	Jobs    map[string]Job
	Calls   int
	nextID  int
	keyed   bool // events carry a key that is honoured
}

// Thing is one record or membership.
type Thing struct {
	ID     string
	Values map[string]string // canonical JSON
}

// Job is accepted work.
type Job struct {
	Rows    int
	Polls   int // how often it still answers "processing"
	Failed  bool
	Taken   int
	Results map[string]activate.Result // by key, for jobs that end with results
}

// NewWorld makes an empty world.
func NewWorld() *World {
	return &World{Records: map[string]*Thing{}, Created: map[string]int{}, Bad: map[string]string{}, Jobs: map[string]Job{}, Keys: map[string]bool{}}
}

// Dump writes the world as text, for comparing.
func (w *World) Dump() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for k, r := range w.Records {
		var vs []string
		for f, v := range r.Values {
			vs = append(vs, f+"="+v)
		}
		sort.Strings(vs)
		lines = append(lines, k+" "+strings.Join(vs, " "))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// Put sets a record as a person would do it.
func (w *World) Put(key string, values map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.Records[key]
	if r == nil {
		w.nextID++
		r = &Thing{ID: fmt.Sprint("r", w.nextID), Values: map[string]string{}}
		w.Records[key] = r
	}
	maps.Copy(r.Values, values)
}

func (w *World) fault(op string) Fault {
	w.Calls++
	if w.Fault == nil {
		return None
	}
	return w.Fault(w.Calls, op)
}

func asError(f Fault) error {
	switch f {
	case Unreached:
		return &httpx.Error{Class: httpx.Transient, Method: "POST", URL: "https://fake", Message: "connection refused"}
	case Limited:
		return &httpx.Error{Class: httpx.Rate, Method: "POST", URL: "https://fake", Status: 429, RetryAfter: time.Second}
	case Forbidden:
		return &httpx.Error{Class: httpx.Auth, Method: "POST", URL: "https://fake", Status: 401}
	case Lost, HalfLost:
		return &httpx.Error{Class: httpx.Unknown, Method: "POST", URL: "https://fake", Message: "connection reset"}
	}
	return nil
}

// base is what every fake shares.
type base struct {
	w    *World
	caps activate.Capabilities
	job  bool // batches become jobs that end with results about rows
}

func (b *base) Capabilities(string) (activate.Capabilities, error) { return b.caps, nil }
func (b *base) Check(context.Context, activate.Target) error       { return nil }
func (b *base) Close() error                                       { return nil }
func (b *base) Same(ours, theirs json.RawMessage) bool {
	return canon.IsEmpty(ours) && canon.IsEmpty(theirs) || string(ours) == string(theirs)
}

func (b *base) Send(_ context.Context, batch activate.Batch) (activate.Answer, error) {
	w := b.w
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.fault("send")
	switch f {
	case Unreached, Limited, Forbidden:
		return activate.Answer{}, asError(f)
	case Swallowed:
		return activate.Answer{}, nil
	}
	if w.Whole {
		for _, r := range batch.Rows {
			if why := w.Bad[r.Key]; why != "" && w.Names {
				return activate.Answer{}, &activate.RefusedRows{Rows: map[string]string{r.ID: why}, Err: &httpx.Error{Class: httpx.Permanent, Method: "POST", URL: "https://fake", Status: 422, Message: "Index: n, ERROR :: " + why}}
			} else if why != "" {
				return activate.Answer{}, &httpx.Error{Class: httpx.Permanent, Method: "POST", URL: "https://fake", Status: 400, Message: why}
			}
		}
	}
	var a activate.Answer
	for i, r := range batch.Rows {
		if f == HalfLost && i >= len(batch.Rows)/2 {
			break
		}
		if why := w.Bad[r.Key]; why != "" {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: why})
			continue
		}
		a.Results = append(a.Results, w.write(batch.Op, r))
	}
	if b.job {
		w.nextID++
		a.JobID = fmt.Sprint("bulk", w.nextID)
		j := Job{Rows: len(batch.Rows), Results: map[string]activate.Result{}}
		for i, r := range a.Results {
			for _, x := range batch.Rows {
				if x.ID == r.ID {
					j.Results[x.Key] = r
				}
			}
			a.Results[i] = activate.Result{ID: r.ID, Status: activate.Accepted}
		}
		w.Jobs[a.JobID] = j
	}
	if !b.caps.PerRow {
		w.nextID++
		a.JobID = fmt.Sprint("job", w.nextID)
		w.Jobs[a.JobID] = Job{Rows: len(batch.Rows), Taken: len(batch.Rows)}
		for i := range a.Results {
			a.Results[i].Status = activate.Accepted
		}
	}
	switch f {
	case Lost, HalfLost:
		return activate.Answer{}, asError(f)
	case Silent:
		return activate.Answer{JobID: a.JobID}, nil
	case Forgetful:
		var some []activate.Result
		for i, r := range a.Results {
			if i%2 == 0 {
				some = append(some, r)
			}
		}
		a.Results = some
	case Contradicts:
		twin := a.Results[0]
		twin.Status = activate.Rejected
		a.Results = append(a.Results, twin)
	}
	slices.Reverse(a.Results) // the order is not promised
	return a, nil
}

func (w *World) write(op activate.Op, r activate.Row) activate.Result {
	res := activate.Result{ID: r.ID, Status: activate.Acked}
	key := r.Key
	if r.RemoteID != "" {
		for k, x := range w.Records {
			if x.ID == r.RemoteID {
				key = k
			}
		}
	}
	rec := w.Records[key]
	switch op {
	case activate.Archive:
		delete(w.Records, key)
	case activate.Remove:
		if rec != nil && sameValues(rec.Values, r.Values) { // a set of identifiers, not of people
			delete(w.Records, key)
		}
	case activate.Event:
		if r.IdemKey != "" && w.keyed {
			if w.Keys[r.IdemKey] {
				return res // it counted before
			}
			w.Keys[r.IdemKey] = true
		}
		w.nextID++
		w.Created[key]++
		told := &Thing{ID: fmt.Sprint("e", w.nextID), Values: map[string]string{}}
		for f, v := range r.Values {
			told.Values[f] = string(v)
		}
		w.Records[fmt.Sprint(key, " #", w.Created[key])] = told
	case activate.Insert:
		if rec != nil {
			return activate.Result{ID: r.ID, Status: activate.Rejected, Class: "exists", RemoteID: rec.ID, Message: "there is such a record"}
		}
		w.nextID++
		rec = &Thing{ID: fmt.Sprint("r", w.nextID), Values: map[string]string{}}
		for f, v := range r.Values {
			rec.Values[f] = string(v)
		}
		w.Records[key] = rec
		w.Created[key]++
		res.Created, res.RemoteID = true, rec.ID
	default:
		if rec == nil {
			if op == activate.Update {
				return activate.Result{ID: r.ID, Status: activate.Rejected, Class: "missing", Message: "no such record"}
			}
			w.nextID++
			rec = &Thing{ID: fmt.Sprint("r", w.nextID), Values: map[string]string{}}
			w.Records[key] = rec
			w.Created[key]++
			res.Created = true
		}
		if op == activate.Add {
			rec.Values = map[string]string{}
		}
		for f, v := range r.Values {
			rec.Values[f] = string(v)
			if string(v) == "null" {
				delete(rec.Values, f)
			}
		}
		res.RemoteID = rec.ID
	}
	w.Events = append(w.Events, string(op)+" "+key)
	return res
}

func sameValues(have map[string]string, want map[string]json.RawMessage) bool {
	if len(have) != len(want) {
		return false
	}
	for f, v := range want {
		if have[f] != string(v) {
			return false
		}
	}
	return true
}

// Records is a destination that answers about each row and can be read: a CRM.
type Records struct{ base }

// NewRecords opens a CRM over a world.
func NewRecords(w *World, batch int) *Records {
	return &Records{base{w: w, caps: activate.Capabilities{Account: "acct", Ops: []activate.Op{activate.Upsert, activate.Update, activate.Insert, activate.Archive}, MaxBatch: batch, PerRow: true, Repeat: true, Undo: activate.UndoExact, PerSecond: 10}}}
}

// Read looks records up.
func (d *Records) Read(_ context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	w := d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := asError(w.fault("read")); err != nil {
		return nil, err
	}
	out := map[string]activate.Record{}
	for _, r := range rows {
		rec := w.Records[r.Key]
		if r.RemoteID != "" {
			rec = nil
			for _, x := range w.Records {
				if x.ID == r.RemoteID {
					rec = x
				}
			}
		}
		if rec == nil {
			out[r.ID] = activate.Record{}
			continue
		}
		v := activate.Record{Exists: true, RemoteID: rec.ID, Values: map[string]json.RawMessage{}}
		for _, f := range t.Fields {
			if s, ok := rec.Values[f]; ok {
				v.Values[f] = json.RawMessage(s)
			}
		}
		out[r.ID] = v
	}
	return out, nil
}

// List names every record.
func (d *Records) List(context.Context, activate.Target) iter.Seq2[activate.Listed, error] {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	var all []activate.Listed
	for k, x := range d.w.Records {
		all = append(all, activate.Listed{Key: k, RemoteID: x.ID})
	}
	return func(yield func(activate.Listed, error) bool) {
		if err := asError(d.w.fault("list")); err != nil {
			yield(activate.Listed{}, err)
			return
		}
		for _, x := range all {
			if !yield(x, nil) {
				return
			}
		}
	}
}

// Audience is a destination that takes batches and counts later: an ad platform.
type Audience struct{ base }

// NewAudience opens an ad platform over a world.
func NewAudience(w *World, batch int) *Audience {
	return &Audience{base{w: w, caps: activate.Capabilities{Account: "acct", Ops: []activate.Op{activate.Add, activate.Remove}, MaxBatch: batch, Repeat: true, Undo: activate.UndoInverse}}}
}

// Expiring declares that a membership ends by itself after so many days.
func (d *Audience) Expiring(days int) *Audience { d.caps.MemberDays = days; return d }

// Once declares that a batch must not be sent twice.
func (d *Audience) Once() *Audience { d.caps.Repeat = false; return d }

// Poll answers as the world's job says.
func (d *Audience) Poll(_ context.Context, id string, _ int) (activate.JobStatus, error) {
	w := d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := asError(w.fault("poll")); err != nil {
		return activate.JobStatus{}, err
	}
	j, ok := w.Jobs[id]
	if !ok {
		return activate.JobStatus{}, errors.New("no such job")
	}
	if j.Polls > 0 {
		j.Polls--
		w.Jobs[id] = j
		return activate.JobStatus{}, nil
	}
	n := j.Taken
	return activate.JobStatus{Done: true, Failed: j.Failed, Reported: &n}, nil
}

// Bulk is a CRM whose batches are jobs that end, later, with results about rows in no order, matched by key.
type Bulk struct{ *Records }

// NewBulk opens such a CRM over a world.
func NewBulk(w *World, batch int) Bulk {
	d := NewRecords(w, batch)
	d.job = true
	return Bulk{d}
}

// Settle answers as the world's job says.
func (d Bulk) Settle(_ context.Context, _ activate.Target, _ activate.Op, id string, rows []activate.Row) (activate.JobResult, error) {
	w := d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := asError(w.fault("settle")); err != nil {
		return activate.JobResult{}, err
	}
	j, ok := w.Jobs[id]
	if !ok {
		return activate.JobResult{}, errors.New("no such job")
	}
	if j.Polls > 0 {
		j.Polls--
		w.Jobs[id] = j
		return activate.JobResult{}, nil
	}
	out := activate.JobResult{Done: true}
	for _, r := range slices.Backward(rows) {
		if res, ok := j.Results[r.Key]; ok {
			res.ID = r.ID
			out.Results = append(out.Results, res)
		}
	}
	return out, nil
}

// NewConversions opens a destination of events that carry a key which is honoured: an event counts once however often it
// is told. It cannot be read.
func NewConversions(w *World, batch int) *Messages {
	w.keyed = true
	return &Messages{base{w: w, caps: activate.Capabilities{Account: "acct", Ops: []activate.Op{activate.Event}, MaxBatch: batch, PerRow: true, Repeat: true, Undo: activate.UndoNone}}}
}

// Messages is a destination that answers about each row, cannot be read, and must not get a row twice: a messenger.
type Messages struct{ b base }

// NewMessages opens a messenger over a world.
func NewMessages(w *World, batch int) *Messages {
	return &Messages{base{w: w, caps: activate.Capabilities{Account: "acct", Ops: []activate.Op{activate.Upsert, activate.Event}, MaxBatch: batch, PerRow: true, Undo: activate.UndoNone}}}
}

// Capabilities is the declaration.
func (m *Messages) Capabilities(o string) (activate.Capabilities, error) { return m.b.Capabilities(o) }

// Check accepts every target.
func (m *Messages) Check(context.Context, activate.Target) error { return nil }

// Send writes as the world does.
func (m *Messages) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	return m.b.Send(ctx, b)
}

// Close does nothing.
func (m *Messages) Close() error { return nil }
