package activate

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/state"
)

// LogEntry is one row that was sent or was about to be, as a person may see it: masked.
type LogEntry struct {
	Row      string         `json:"row"`
	Sync     string         `json:"sync"`
	Plan     string         `json:"plan_id"`
	Run      string         `json:"run_id"`
	Op       string         `json:"operation"`
	State    string         `json:"state"`
	Key      string         `json:"key"`
	Subject  string         `json:"subject,omitempty"`
	Record   string         `json:"record,omitempty"` // at the destination
	Decision string         `json:"decision_id,omitempty"`
	AskedBy  string         `json:"asked_by"`
	Approved string         `json:"approved_by,omitempty"`
	Why      string         `json:"why,omitempty"` // of the state
	Values   []SampleChange `json:"values,omitempty"`
	Queued   time.Time      `json:"queued_at"`
	Updated  time.Time      `json:"updated_at"`
	Calls    []LogCall      `json:"calls,omitempty"`
}

// LogCall is one call that carried the row.
type LogCall struct {
	At        time.Time `json:"at"`
	Took      string    `json:"took,omitempty"` // empty: the process ended before the answer was recorded
	Outcome   string    `json:"outcome"`
	Message   string    `json:"message,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	JobID     string    `json:"job_id,omitempty"`
}

// Sent tells what was sent, when, why and what came back. person is looked for as a subject and as a key. Values of people
// are masked: texts show their first letter, numbers and truth values are whole.
func (e *Engine) Sent(ctx context.Context, f state.LogFilter) ([]LogEntry, error) {
	if f.Person != "" {
		f.KeyIDs = []string{e.State.Vault().ID("key", f.Person), e.State.Vault().ID("key", strings.ToLower(strings.TrimSpace(f.Person)))}
	}
	rows, err := e.State.Outbox.Log(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]LogEntry, 0, len(rows))
	for _, x := range rows {
		v := LogEntry{Row: x.ID, Sync: x.Sync, Plan: x.PlanID, Run: x.RunID, Op: x.Op, State: x.State, Key: mask(x.Payload.Key), Subject: x.Subject, Record: x.RemoteID,
			Decision: x.DecisionID, AskedBy: x.PlanBy, Approved: x.Approved, Why: x.Message, Queued: x.Created, Updated: x.Updated}
		im, had, err := e.State.Outbox.Image(ctx, x.ID)
		if err != nil {
			return nil, err
		}
		for _, field := range x.Fields {
			from := "(not known)"
			if held, ok := im.Values[field]; ok {
				from = shown(held)
			} else if had && !im.Existed {
				from = "(no record)"
			}
			v.Values = append(v.Values, SampleChange{Field: field, From: from, To: shown(x.Payload.Set[field])})
		}
		for _, t := range x.Tries {
			c := LogCall{At: t.Started, Outcome: t.Outcome, Message: t.Message, RequestID: t.RequestID, JobID: t.JobID}
			if !t.Ended.IsZero() {
				c.Took = t.Ended.Sub(t.Started).Round(time.Millisecond).String()
			}
			v.Calls = append(v.Calls, c)
		}
		out = append(out, v)
	}
	return out, nil
}

// shown masks every text: which columns are personal is not known any more when a log is read.
func shown(v jsonValue) string {
	if canon.IsEmpty(v) {
		return "(empty)"
	}
	if v[0] == '"' {
		text := canon.Text(v)
		if _, err := time.Parse(time.DateOnly, text[:min(len(text), 10)]); err == nil {
			return text
		}
		return mask(text)
	}
	return fault.Shorten(string(v), 40)
}

// WriteLog writes entries as a person reads them.
func WriteLog(w io.Writer, entries []LogEntry) error {
	var b strings.Builder
	for i, x := range entries {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s  %s %s in %s: %s\n", x.Updated.UTC().Format("2006-01-02 15:04:05"), x.Op, x.Key, x.Sync, stateWord(x.State))
		about := []string{"row " + x.Row, "plan " + x.Plan, "asked by " + x.AskedBy}
		if x.Approved != "" {
			about = append(about, "approved by "+x.Approved)
		}
		for name, v := range map[string]string{"decision": x.Decision, "record": x.Record, "subject": x.Subject} {
			if v != "" {
				about = append(about, name+" "+v)
			}
		}
		slices.Sort(about[3:])
		fmt.Fprintf(&b, "  %s\n", strings.Join(about, ", "))
		if x.Why != "" {
			fmt.Fprintf(&b, "  %s\n", x.Why)
		}
		for _, v := range x.Values {
			fmt.Fprintf(&b, "    %-26s %s → %s\n", v.Field, v.From, v.To)
		}
		for n, c := range x.Calls {
			took := "no answer was recorded"
			if c.Took != "" {
				took = "took " + c.Took
			}
			parts := []string{fmt.Sprintf("call %d at %s, %s: %s", n+1, c.At.UTC().Format("15:04:05.000"), took, stateWord(c.Outcome))}
			for _, v := range []string{c.Message, prefixed("request ", c.RequestID), prefixed("job ", c.JobID)} {
				if v != "" && v != x.Why {
					parts = append(parts, v)
				}
			}
			fmt.Fprintf(&b, "  %s\n", strings.Join(parts, ", "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func prefixed(p, s string) string {
	if s == "" {
		return ""
	}
	return p + s
}

// stateWord puts a state of a row into words.
func stateWord(s string) string {
	words := map[string]string{state.RowPending: "waits its turn", state.RowRetry: "waits for another try", state.RowInflight: "asked, no answer recorded", state.RowUnknown: "not known whether it arrived",
		state.RowAccepted: "taken, not settled yet", state.RowAcked: "acknowledged", state.RowSettled: "taken with its batch", state.RowShortfall: "in a batch that was taken in part",
		state.RowRejected: "rejected", state.RowDead: "given up", state.RowCancelled: "stopped before sending", state.RowSuperseded: "replaced by a newer wish", state.RowUndone: "taken back since"}
	if w, ok := words[s]; ok {
		return w
	}
	return s
}

// SettleUnknown records a person's word about rows of a sync whose fate could not be found out: they arrived, or they did
// not. What arrived moves the ledger; what did not is given up, and planned anew when it is still wanted.
func (e *Engine) SettleUnknown(ctx context.Context, s *Sync, d Destination, arrived bool, by, reason string) (int, error) {
	if by == "" {
		return 0, &fault.Error{Msg: "a verdict names a person", Hint: "Add --by with your name."}
	}
	r, err := e.delivery(ctx, s, d)
	if err != nil {
		return 0, err
	}
	rows, err := e.State.Outbox.Rows(ctx, state.Filter{Scope: r.scope, States: []string{state.RowUnknown}})
	if err != nil {
		return 0, err
	}
	outs := make([]state.Outcome, 0, len(rows))
	for _, x := range rows {
		word := by + " says that it did not arrive"
		if arrived {
			word = by + " says that it arrived"
		}
		if reason != "" {
			word += ": " + reason
		}
		if !arrived {
			outs = append(outs, state.Outcome{ID: x.ID, State: state.RowDead, Class: "person", Message: word})
			continue
		}
		o, _, _, err := r.sent(ctx, x)
		if err != nil {
			return 0, err
		}
		o.theirs = r.kept(o)
		outs = append(outs, *r.acked(&o, Result{Class: "person", Message: word}))
	}
	if err := r.record(ctx, state.AttemptEnd{}, outs); err != nil {
		return 0, err
	}
	return len(rows), e.finishAll(ctx, r)
}

// SeenEdit is a value that somebody changed after us, as a person may see it: masked.
type SeenEdit struct {
	Sync    string    `json:"sync"`
	Subject string    `json:"subject,omitempty"`
	Record  string    `json:"record,omitempty"`
	Field   string    `json:"field"`
	Wrote   string    `json:"wrote"`
	Holds   string    `json:"holds"`
	Kept    bool      `json:"kept"` // it stands; else the file says that ours is written always
	Seen    time.Time `json:"seen_at"`
}

// Edits gives what people changed at destinations after us, the newest first; an empty sync means all.
func (e *Engine) Edits(ctx context.Context, sync string, n int) ([]SeenEdit, error) {
	list, err := e.State.Edits.List(ctx, sync, n)
	if err != nil {
		return nil, err
	}
	out := make([]SeenEdit, len(list))
	for i, x := range list {
		out[i] = SeenEdit{Sync: x.Sync, Subject: x.Subject, Record: x.RemoteID, Field: x.Field, Wrote: shown(x.Wrote), Holds: shown(x.Holds), Kept: x.Kept, Seen: x.Seen}
	}
	return out, nil
}
