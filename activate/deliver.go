package activate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/state"
	"millrace/models/decision"
)

// Limits of one row's and one apply's tries.
const (
	maxAttempts = 5
	backoffBase = 10 * time.Second
	backoffCap  = 5 * time.Minute
	// In flight: when this share of at least that many rows is refused for good, something systemic is wrong.
	refusedShare = 0.2
	refusedOf    = 50
	maxReadFails = 3
)

// delivery moves the outbox of one scope.
type delivery struct {
	e      *Engine
	s      *Sync
	d      Destination
	caps   Capabilities
	scope  string
	target Target
	gate   decision.Gate
	ledger map[string]state.Entry // of the batch in hand

	now      func() time.Time  // logical
	stages   map[string]*stage // of plans in the making, by id
	subjects map[string]string // of the rows in hand, by outbox id

	touched   map[string]bool // plans whose rows were moved
	done      int             // rows that got an answer
	refused   int             // of these, for good
	readFails int
}

func (e *Engine) delivery(ctx context.Context, s *Sync, d Destination) (*delivery, error) {
	caps, err := d.Capabilities(s.File.Object)
	if err != nil {
		return nil, fault.Wrap(err, "sync %s", s.Name)
	}
	r := &delivery{e: e, s: s, d: d, caps: caps, scope: s.scope(caps), target: s.Target(), gate: e.gate(s, true), now: e.logical(), stages: map[string]*stage{}, touched: map[string]bool{}}
	if _, reads := d.(Reader); caps.Undo == UndoExact && !reads {
		return nil, fmt.Errorf("destination %s declares exact undo and cannot read", s.File.Destination)
	}
	return r, nil
}

// work settles what is open and sends what waits, until nothing can be done now.
func (r *delivery) work(ctx context.Context) error {
	if err := r.settleAll(ctx); err != nil {
		return err
	}
	waited := time.Duration(0)
	for {
		sent, err := r.sendDue(ctx)
		if err != nil {
			return err
		}
		if err := r.settleAll(ctx); err != nil {
			return err
		}
		if sent > 0 {
			continue
		}
		// Nothing is due: wait for a retry or a job when that is worth it.
		wait := time.Duration(0)
		next, err := r.e.State.Outbox.NextDue(ctx, state.Filter{Scope: r.scope, States: []string{state.RowRetry}})
		if err != nil {
			return err
		}
		if !next.IsZero() {
			wait = max(next.Sub(r.e.Clock()), time.Millisecond)
		}
		jobs, err := r.e.State.Outbox.Jobs(ctx, r.scope, "processing")
		if err != nil {
			return err
		}
		if len(jobs) > 0 && (wait == 0 || wait > 2*time.Second) {
			wait = 2 * time.Second
		}
		if wait == 0 || waited+wait > r.e.Patience {
			return nil
		}
		if err := r.e.Sleep(ctx, wait); err != nil {
			return err
		}
		waited += wait
	}
}

// sendDue sends one round of batches and gives the number of rows that got an outcome or left the queue.
func (r *delivery) sendDue(ctx context.Context) (int, error) {
	moved := 0
	for {
		rows, err := r.due(ctx)
		if err != nil || len(rows) == 0 {
			return moved, err
		}
		n, err := r.group(ctx, rows)
		moved += n
		if err != nil {
			return moved, err
		}
		if n == 0 {
			return moved, nil
		}
		if r.done >= refusedOf && float64(r.refused) >= refusedShare*float64(r.done) {
			return moved, &errStop{why: fmt.Sprintf("%d of %d rows were refused for good: something is wrong with all of them; look at the reasons before sending the rest", r.refused, r.done)}
		}
	}
}

// due gives the rows of the next call: one plan, one operation, distinct keys, within the destination's limits, and no
// row whose key has an earlier row that is not settled.
func (r *delivery) due(ctx context.Context) ([]state.OutboxRow, error) {
	rows, err := r.e.State.Outbox.Next(ctx, r.scope, r.e.Clock(), r.caps.MaxBatch)
	if err != nil {
		return nil, err
	}
	var out []state.OutboxRow
	bytes, room := 0, r.caps.MaxBatch
	if len(rows) > 0 {
		n, err := r.room(ctx, rows[0].PlanID)
		if err != nil {
			return nil, err
		}
		room = min(room, n)
	}
	for _, x := range rows {
		if len(out) == room || len(out) > 0 && (x.Op != out[0].Op || x.PlanID != out[0].PlanID) {
			break
		}
		size := len(x.Payload.Key) + 64
		for f, v := range x.Payload.Set {
			size += len(f) + len(v) + 8
		}
		if len(out) > 0 && r.caps.MaxBytes > 0 && bytes+size > r.caps.MaxBytes {
			break
		}
		bytes += size
		out = append(out, x)
	}
	if len(out) > 0 {
		r.stages[out[0].PlanID].done += len(out)
	}
	return out, nil
}

// group asks the gate, looks at the destination where that is needed, and sends what is left.
func (r *delivery) group(ctx context.Context, rows []state.OutboxRow) (int, error) {
	r.subjects = make(map[string]string, len(rows))
	for _, x := range rows {
		r.touched[x.PlanID] = true
		r.subjects[x.ID] = x.Subject
	}
	allowed, cancelled, err := r.judge(ctx, rows)
	if err != nil {
		return 0, err
	}
	if err := r.record(ctx, state.AttemptEnd{}, cancelled); err != nil {
		return 0, err
	}
	moved := len(cancelled)
	allowed, asleep := r.awake(allowed)
	if err := r.record(ctx, state.AttemptEnd{}, asleep); err != nil {
		return moved, err
	}
	moved += len(asleep)
	if len(allowed) == 0 {
		return moved, nil
	}
	records, err := r.look(ctx, allowed)
	if err != nil {
		n, err := r.cannotLook(ctx, allowed, err)
		return moved + n, err
	}
	if err := r.e.point("batch:read"); err != nil {
		return moved, err
	}
	if records == nil {
		if err := r.recall(ctx, allowed); err != nil {
			return moved, err
		}
	}
	var send []outgoing
	var known []state.Outcome
	for _, x := range allowed {
		o := outgoing{row: x.row, approved: x.approved, values: x.row.Payload.Set}
		if records != nil {
			o.record = records[x.row.ID]
			if out := r.weigh(&o); out != nil {
				known = append(known, *out)
				continue
			}
		}
		send = append(send, o)
	}
	send, broke, err := r.afford(ctx, send)
	if err != nil {
		return moved, err
	}
	known = append(known, broke...)
	if err := r.record(ctx, state.AttemptEnd{}, known); err != nil {
		return moved, err
	}
	moved += len(known)
	if len(send) == 0 {
		return moved, nil
	}
	n, err := r.send(ctx, send, records != nil)
	return moved + n, err
}

// ticket is a row with the gate's word for it.
type ticket struct {
	row      state.OutboxRow
	approved decision.Approved
}

// outgoing is a row about to be sent.
type outgoing struct {
	row      state.OutboxRow
	approved decision.Approved
	record   Record                     // what the destination holds, if it was looked at
	values   map[string]json.RawMessage // what is written
	theirs   map[string]json.RawMessage // what is left alone because somebody else's value stands
	edits    []state.Edit               // what somebody has changed since we wrote it
}

// judge asks the gate again, at the moment of sending (P5). A thrown switch or a guard that cannot answer stops the apply;
// the rows wait. Any other refusal cancels its row for good: the next plan will ask anew.
func (r *delivery) judge(ctx context.Context, rows []state.OutboxRow) ([]ticket, []state.Outcome, error) {
	byID := make(map[string]state.OutboxRow, len(rows))
	changes := make([]decision.Change, len(rows))
	for i, x := range rows {
		byID[x.ID] = x
		changes[i] = r.s.change(x.ID, x.Subject, x.DecisionID, Op(x.Op), x.Fields)
	}
	approved, refused, err := r.gate.Judge(ctx, changes)
	if err != nil {
		return nil, nil, err
	}
	var out []state.Outcome
	for _, x := range refused {
		switch x.Reason {
		case decision.Stopped, decision.NotLive, decision.GuardFailed:
			return nil, nil, &errStop{why: x.Detail, wished: x.Reason != decision.GuardFailed}
		}
		out = append(out, state.Outcome{ID: x.Change.ID, State: state.RowCancelled, Class: string(x.Reason), Message: string(x.Reason) + ": " + x.Detail})
	}
	tickets := make([]ticket, 0, len(approved))
	for _, a := range approved {
		c, err := a.Change()
		if err != nil {
			return nil, nil, err
		}
		tickets = append(tickets, ticket{byID[c.ID], a})
	}
	return tickets, out, nil
}

// look reads what the destination holds, when undo or a field's policy needs it; nil when neither does.
func (r *delivery) look(ctx context.Context, ts []ticket) (map[string]Record, error) {
	reader, ok := r.d.(Reader)
	if !ok {
		return nil, nil
	}
	need := r.caps.Undo == UndoExact
	for _, f := range r.s.fields {
		need = need || f.If != "always"
	}
	for _, t := range ts {
		need = need || len(t.row.Payload.Expect) > 0
	}
	if !need {
		return nil, nil
	}
	rows := make([]Row, len(ts))
	keys := make([]string, len(ts))
	for i, t := range ts {
		rows[i], keys[i] = asRow(t.row, nil), t.row.KeyID
	}
	var err error
	if r.ledger, err = r.e.State.Ledger.Some(ctx, r.scope, keys); err != nil {
		return nil, err
	}
	records, err := reader.Read(ctx, r.target, rows)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if _, ok := records[row.ID]; !ok {
			return nil, fmt.Errorf("the destination's answer to a read does not mention row %s", row.ID)
		}
	}
	r.readFails = 0
	return records, nil
}

// recall fills in the remote ids of records that were met before, where nothing was looked up that would say them: a
// message, say, is changed by its id only.
func (r *delivery) recall(ctx context.Context, ts []ticket) error {
	if _, reads := r.d.(Reader); !reads {
		return nil
	}
	var keys []string
	for _, t := range ts {
		if Op(t.row.Op) == Upsert && t.row.Payload.RemoteID == "" {
			keys = append(keys, t.row.KeyID)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	known, err := r.e.State.Ledger.Some(ctx, r.scope, keys)
	if err != nil {
		return err
	}
	for i, t := range ts {
		if e, ok := known[t.row.KeyID]; ok && Op(t.row.Op) == Upsert && t.row.Payload.RemoteID == "" {
			ts[i].row.Payload.RemoteID = e.RemoteID
		}
	}
	return nil
}

func asRow(x state.OutboxRow, values map[string]json.RawMessage) Row {
	remote := x.Payload.RemoteID
	if remote == "" {
		remote = x.RemoteID
	}
	return Row{ID: x.ID, IdemKey: x.IdemKey, Key: x.Payload.Key, RemoteID: remote, Values: values}
}

// cannotLook handles a read that failed: nothing was sent, so the rows only wait.
func (r *delivery) cannotLook(ctx context.Context, ts []ticket, err error) (int, error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	switch httpx.ClassOf(err) {
	case httpx.Auth, httpx.Config, httpx.Permanent:
		return 0, &errStop{why: "the destination could not be read before the write, and nothing was sent: " + err.Error()}
	}
	if r.readFails++; r.readFails >= maxReadFails {
		return 0, &errStop{why: fmt.Sprintf("the destination could not be read %d times before a write; the rows wait for the next run: %v", r.readFails, err)}
	}
	outs := make([]state.Outcome, len(ts))
	for i, t := range ts {
		outs[i] = state.Outcome{ID: t.row.ID, State: state.RowRetry, Class: class(err), Message: "read before the write: " + err.Error(), NextAt: r.after(r.readFails, err)}
	}
	return len(outs), r.record(ctx, state.AttemptEnd{}, outs)
}

// weigh compares a row with what the destination holds and keeps only what has to be written. It gives an outcome when
// nothing has.
func (r *delivery) weigh(o *outgoing) *state.Outcome {
	reader := r.d.(Reader) // look gave records, so it is one
	row, rec := o.row, o.record
	op := Op(row.Op)
	if op == Archive || op == Erase {
		if !rec.Exists {
			return r.acked(o, Result{Message: "it is not there any more"})
		}
		for f, want := range row.Payload.Expect {
			if !reader.Same(want, rec.Values[f]) {
				return &state.Outcome{ID: row.ID, State: state.RowRejected, Class: "conflict", RemoteID: rec.RemoteID,
					Message: "somebody has changed " + f + " since; the record was left alone"}
			}
		}
		return nil
	}
	if !rec.Exists {
		if op == Update || op == Restore {
			return &state.Outcome{ID: row.ID, State: state.RowRejected, Class: "missing", Message: "the destination has no record with this key; mode update makes none"}
		}
		return nil
	}
	if op == Insert {
		return &state.Outcome{ID: row.ID, State: state.RowRejected, Class: "exists", RemoteID: rec.RemoteID, Message: "the destination has a record with this key already; mode insert writes none that is there"}
	}
	o.values, o.theirs = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	var conflicts []string
	for f, want := range row.Payload.Set {
		holds := rec.Values[f]
		switch {
		case reader.Same(want, holds):
			// It is there already: writing it again would fire workflows and cost calls.
		case op == Restore:
			if reader.Same(row.Payload.Expect[f], holds) {
				o.values[f] = want
			} else {
				conflicts = append(conflicts, f)
			}
		case r.mayWrite(reader, row.KeyID, f, holds):
			o.values[f] = want
			r.edited(reader, o, f, holds, false)
		default:
			o.theirs[f] = want
			r.edited(reader, o, f, holds, true)
		}
	}
	if len(conflicts) > 0 {
		slices.Sort(conflicts)
		o.theirs = map[string]json.RawMessage{}
		for _, f := range conflicts {
			o.theirs[f] = row.Payload.Expect[f]
		}
	}
	switch {
	case len(o.values) > 0:
		return nil
	case len(conflicts) > 0:
		return &state.Outcome{ID: row.ID, State: state.RowRejected, Class: "conflict", RemoteID: rec.RemoteID,
			Message: "somebody has changed " + strings.Join(conflicts, ", ") + " since; their values stand"}
	case len(o.theirs) > 0:
		return r.acked(o, Result{RemoteID: rec.RemoteID, Class: "kept", Message: "somebody else's values stand: " + strings.Join(slices.Sorted(maps.Keys(o.theirs)), ", ")})
	}
	return r.acked(o, Result{RemoteID: rec.RemoteID, Message: "the destination holds these values already"})
}

// edited notes that somebody has changed a value since we wrote it.
func (r *delivery) edited(reader Reader, o *outgoing, name string, holds json.RawMessage, kept bool) {
	last, wrote := r.ledger[o.row.KeyID].Fields[name]
	if !wrote || last.Theirs || reader.Same(last.V, holds) {
		return
	}
	o.edits = append(o.edits, state.Edit{Scope: r.scope, Sync: r.s.Name, KeyID: o.row.KeyID, Subject: o.row.Subject, RemoteID: o.record.RemoteID, Field: name,
		Kept: kept, Wrote: last.V, Holds: holds})
}

// mayWrite applies a field's `if`.
func (r *delivery) mayWrite(reader Reader, keyID, name string, holds json.RawMessage) bool {
	i := slices.IndexFunc(r.s.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return false
	}
	switch r.s.fields[i].If {
	case "empty":
		return canon.IsEmpty(holds)
	case "ours_last":
		last, wrote := r.ledger[keyID].Fields[name]
		switch {
		case !wrote:
			return canon.IsEmpty(holds)
		case last.Theirs:
			return len(last.Held) > 0 && reader.Same(last.Held, holds)
		}
		return reader.Same(last.V, holds)
	}
	return true
}

// acked makes the outcome of a row that stands as wanted, with the change of the ledger that follows.
func (r *delivery) acked(o *outgoing, res Result) *state.Outcome {
	row := o.row
	remote := res.RemoteID
	if remote == "" {
		remote = o.record.RemoteID
	}
	created := res.Created
	out := &state.Outcome{ID: row.ID, State: state.RowAcked, Class: res.Class, Message: res.Message, RemoteID: remote, CreatedIt: created}
	out.Change, out.Edits = r.change(row, remote, created, "acked", o.theirs), o.edits
	if Op(row.Op) == Restore || row.Undoes != "" {
		out.Undid = row.Undoes
		if len(o.theirs) > 0 {
			out.Class = "conflict"
			out.Message = "restored, except " + strings.Join(slices.Sorted(maps.Keys(o.theirs)), ", ") + ", which somebody has changed since"
		}
	}
	return out
}

// change is how a row's success moves its ledger.
func (r *delivery) change(row state.OutboxRow, remote string, created bool, claim string, theirs map[string]json.RawMessage) *state.Change {
	c := &state.Change{Scope: r.scope, KeyID: row.KeyID, Key: row.Payload.Key, Subject: row.Subject, RemoteID: remote, CreatedIt: created, Claim: claim, Set: map[string]state.Field{}}
	switch Op(row.Op) {
	case Remove, Archive, Erase:
		c.Remove = true
		return c
	case Restore:
		// The value that was taken back is not wanted again before it changes; the destination holds the earlier one.
		for f, held := range row.Payload.Set {
			if _, conflict := theirs[f]; !conflict {
				c.Set[f] = state.Field{V: row.Payload.Expect[f], Theirs: true, Held: held}
			}
		}
		return c
	}
	c.Source = row.Source
	for f, v := range row.Payload.Set {
		_, kept := theirs[f]
		c.Set[f] = state.Field{V: v, Theirs: kept}
	}
	return c
}
