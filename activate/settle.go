package activate

import (
	"context"

	"millrace/internal/httpx"
	"millrace/internal/state"
)

// settleAll finds out what became of rows that were sent without an answer, and of jobs.
func (r *delivery) settleAll(ctx context.Context) error {
	if err := r.orphans(ctx); err != nil {
		return err
	}
	if err := r.unknown(ctx); err != nil {
		return err
	}
	return r.poll(ctx)
}

// orphans turns rows that are in flight although nobody is sending them into unknown ones: the process that sent them died.
func (r *delivery) orphans(ctx context.Context) error {
	rows, err := r.e.State.Outbox.Rows(ctx, state.Filter{Scope: r.scope, States: []string{state.RowInflight}})
	if err != nil {
		return err
	}
	outs := make([]state.Outcome, len(rows))
	r.subjects = map[string]string{}
	for i, x := range rows {
		r.touched[x.PlanID] = true
		r.subjects[x.ID] = x.Subject
		outs[i] = state.Outcome{ID: x.ID, State: state.RowUnknown, Class: "unknown", Message: "the process ended while the row was being sent"}
	}
	return r.record(ctx, state.AttemptEnd{}, outs)
}

// unknown settles lost answers: by looking, where the destination can be looked at; by sending again, where that does no
// harm; otherwise the rows stay unknown, and a person is told.
func (r *delivery) unknown(ctx context.Context) error {
	rows, err := r.e.State.Outbox.Rows(ctx, state.Filter{Scope: r.scope, States: []string{state.RowUnknown}})
	if err != nil || len(rows) == 0 {
		return err
	}
	r.subjects = map[string]string{}
	for _, x := range rows {
		r.touched[x.PlanID] = true
		r.subjects[x.ID] = x.Subject
	}
	reader, canLook := r.d.(Reader)
	for len(rows) > 0 {
		part := rows[:min(len(rows), r.caps.MaxBatch)]
		rows = rows[len(part):]
		switch {
		case canLook:
			if stop, err := r.lookAfter(ctx, reader, part); err != nil || stop {
				return err
			}
		case r.caps.Repeat:
			outs := make([]state.Outcome, len(part))
			for i, x := range part {
				outs[i] = r.resend(x, "the answer was lost; sending it again has the effect of sending it once")
			}
			if err := r.record(ctx, state.AttemptEnd{}, outs); err != nil {
				return err
			}
		}
	}
	return r.e.point("settle:recorded")
}

// resend lets an unknown row go again, unless it has been tried often enough.
func (r *delivery) resend(x state.OutboxRow, why string) state.Outcome {
	if x.Attempts >= maxAttempts {
		return state.Outcome{ID: x.ID, State: state.RowDead, Class: "unknown", Message: "given up: " + x.Message}
	}
	if x.Attempts > 1 {
		return state.Outcome{ID: x.ID, State: state.RowRetry, Class: "unknown", Message: why, NextAt: r.after(x.Attempts, nil)}
	}
	return state.Outcome{ID: x.ID, State: state.RowPending, Message: why}
}

// lookAfter reads what the destination holds for rows whose answer was lost. It reports true when the destination cannot
// be read now; the rows stay unknown.
func (r *delivery) lookAfter(ctx context.Context, reader Reader, part []state.OutboxRow) (bool, error) {
	rows := make([]Row, len(part))
	for i, x := range part {
		rows[i] = asRow(x, nil)
	}
	records, err := reader.Read(ctx, r.target, rows)
	if ctx.Err() != nil {
		return true, ctx.Err()
	}
	if err != nil {
		switch httpx.ClassOf(err) {
		case httpx.Auth, httpx.Config:
			return true, &errStop{why: "rows whose answer was lost could not be looked up: " + err.Error()}
		}
		r.e.log().Warn("rows whose answer was lost cannot be looked up now", "sync", r.s.Name, "rows", len(part), "error", err.Error())
		return true, nil
	}
	if err := r.e.point("settle:read"); err != nil {
		return true, err
	}
	var outs []state.Outcome
	for _, x := range part {
		rec, ok := records[x.ID]
		if !ok {
			continue // stays unknown
		}
		o, had, existed, err := r.sent(ctx, x)
		if err != nil {
			return true, err
		}
		for f, v := range o.theirs {
			if reader.Same(v, rec.Values[f]) {
				delete(o.theirs, f)
			}
		}
		took := rec.Exists
		if Op(x.Op) == Archive || Op(x.Op) == Erase {
			took = !rec.Exists
		} else {
			for f, v := range o.values {
				took = took && reader.Same(v, rec.Values[f])
			}
		}
		if !took {
			out := r.resend(x, "the answer was lost; the destination shows that nothing was written")
			out.ForgetImage = true // whatever it holds now, it was not us: that is what a new write replaces
			outs = append(outs, out)
			continue
		}
		o.record.RemoteID = rec.RemoteID
		r.done++
		outs = append(outs, *r.acked(&o, Result{RemoteID: rec.RemoteID, Created: had && !existed && (Op(x.Op) == Upsert || Op(x.Op) == Insert), Message: "the answer was lost; the destination shows that the write took effect"}))
	}
	return false, r.record(ctx, state.AttemptEnd{}, outs)
}

// sent gives a row as it was sent, which follows from what was seen before the write. had says whether it was looked at,
// existed whether there was a record.
func (r *delivery) sent(ctx context.Context, x state.OutboxRow) (o outgoing, had, existed bool, err error) {
	im, had, err := r.e.State.Outbox.Image(ctx, x.ID)
	if err != nil {
		return o, had, false, err
	}
	o = outgoing{row: x, values: x.Payload.Set, record: Record{Exists: im.Existed, RemoteID: im.RemoteID, Values: im.Values}}
	if !had || !im.Existed {
		return o, had, im.Existed, nil
	}
	o.values, o.theirs = map[string]jsonValue{}, map[string]jsonValue{}
	for f := range im.Values {
		o.values[f] = x.Payload.Set[f]
	}
	for f, v := range x.Payload.Set {
		if _, sent := im.Values[f]; !sent {
			o.theirs[f] = v // or it was there already: whoever can look takes those out
		}
	}
	return o, had, im.Existed, nil
}

// settle asks about one job that ends with an answer about each row.
func (r *delivery) settle(ctx context.Context, d Settler, j state.Job) error {
	rows, err := r.e.State.Outbox.Rows(ctx, state.Filter{Scope: r.scope, Job: j.ID, States: []string{state.RowAccepted}})
	if err != nil {
		return err
	}
	b := Batch{Target: r.target}
	sent := make([]outgoing, len(rows))
	for i, x := range rows {
		o, had, existed, err := r.sent(ctx, x)
		if err != nil {
			return err
		}
		if had && existed {
			o.theirs = r.kept(o)
		}
		sent[i] = o
		if b.Op = Op(x.Op); b.Op == Restore {
			b.Op = Update
		}
		row := asRow(x, o.values)
		if o.record.RemoteID != "" {
			row.RemoteID = o.record.RemoteID
		}
		b.Rows = append(b.Rows, row)
	}
	res, err := d.Settle(ctx, r.target, b.Op, j.ID, b.Rows)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		switch httpx.ClassOf(err) {
		case httpx.Auth, httpx.Config:
			return &errStop{why: "the state of a job could not be asked: " + err.Error()}
		}
		r.e.log().Warn("the state of a job cannot be asked now", "sync", r.s.Name, "job", j.ID, "error", err.Error())
		return nil
	}
	if !res.Done {
		return nil
	}
	if err := r.e.point("job:polled"); err != nil {
		return err
	}
	taken := 0
	outs := make([]state.Outcome, 0, len(rows))
	for i, x := range outcomes(b, Answer{Results: res.Results}) {
		if x.Status == Acked {
			taken++
		}
		if x.Status == Accepted {
			x = Result{ID: x.ID, Status: Unknown, Message: "the job has ended, and says nothing final about this row"}
		}
		sent[i].row.Attempts-- // the sending was counted when it began
		outs = append(outs, r.answered(&sent[i], x, b.Op, sent[i].record.Values != nil))
	}
	j.Reported, j.Message, j.Checked, j.State = &taken, withoutPeople(res.Message), r.e.Clock(), "settled"
	for i := range outs {
		outs[i].Message = withoutPeople(outs[i].Message)
	}
	r.effects(outs)
	rc, cancel := recording(ctx)
	defer cancel()
	if err := r.e.State.Outbox.SettleJob(rc, j, outs); err != nil {
		return err
	}
	return r.e.point("job:settled")
}

// kept gives what a row left alone when it was sent: fields whose policy is not to write always. A field that was not
// written because its value stood there already is ours.
func (r *delivery) kept(o outgoing) map[string]jsonValue {
	out := map[string]jsonValue{}
	for f, v := range o.theirs {
		for _, x := range r.s.fields {
			if x.name == f && x.If != "always" {
				out[f] = v
			}
		}
	}
	return out
}

// poll asks about jobs.
func (r *delivery) poll(ctx context.Context) error {
	jobs, err := r.e.State.Outbox.Jobs(ctx, r.scope, "processing")
	if err != nil || len(jobs) == 0 {
		return err
	}
	poller, counts := r.d.(Poller)
	settler, settles := r.d.(Settler)
	for _, j := range jobs {
		r.touched[j.PlanID] = true
		if settles {
			if err := r.settle(ctx, settler, j); err != nil {
				return err
			}
			continue
		}
		if !counts {
			continue
		}
		st, err := poller.Poll(ctx, j.ID, j.Rows)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			switch httpx.ClassOf(err) {
			case httpx.Auth, httpx.Config:
				return &errStop{why: "the state of a job could not be asked: " + err.Error()}
			}
			r.e.log().Warn("the state of a job cannot be asked now", "sync", r.s.Name, "job", j.ID, "error", err.Error())
			continue
		}
		if !st.Done {
			continue
		}
		if err := r.e.point("job:polled"); err != nil {
			return err
		}
		rows, err := r.e.State.Outbox.Rows(ctx, state.Filter{Scope: r.scope, Job: j.ID, States: []string{state.RowAccepted}})
		if err != nil {
			return err
		}
		j.Reported, j.Message, j.Checked = st.Reported, st.Message, r.e.Clock()
		row, claim := state.RowSettled, "settled"
		switch {
		case st.Failed:
			j.State = "failed"
		case st.Reported == nil || *st.Reported < j.Rows:
			j.State, row, claim = "shortfall", state.RowShortfall, "shortfall"
		default:
			j.State = "settled"
		}
		outs := make([]state.Outcome, len(rows))
		for i, x := range rows {
			if st.Failed {
				// The job took nothing and said so: the rows go again, as after any refusal.
				x.Attempts--
				outs[i] = r.again(x, httpx.Transient, st.Message, nil)
				continue
			}
			// No row is claimed on a shortfall, but what was sent must be known, so that leaving an audience takes it back.
			outs[i] = state.Outcome{ID: x.ID, State: row, Message: st.Message, Change: r.change(x, "", false, claim, nil)}
			if x.Undoes != "" {
				outs[i].Undid = x.Undoes
			}
		}
		r.effects(outs)
		rc, cancel := recording(ctx)
		err = r.e.State.Outbox.SettleJob(rc, j, outs)
		cancel()
		if err != nil {
			return err
		}
		if err := r.e.point("job:settled"); err != nil {
			return err
		}
	}
	return nil
}
