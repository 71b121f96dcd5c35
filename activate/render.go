package activate

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"millrace/internal/state"
)

// WriteText writes the plan as a person reads it: what would change, what is left out and why, what the limits say, what
// can be undone, and what to do next. It holds no values of people beyond masked samples.
func (p *Plan) WriteText(w io.Writer) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	title := "Plan " + p.ID
	if p.Kind == "undo" {
		title += ", which takes back " + p.Undoes
	}
	line("%s", title)
	where := p.Destination + " " + p.Object
	if p.Account != "" {
		where += " of account " + p.Account
	}
	line("  %s: %s → %s", p.Sync, p.Relation, where)
	line("")
	signs := []struct{ op, sign, what string }{{"new", "+", "new to us"}, {"changed", "~", "changed"}, {string(Add), "+", "join"}, {string(Remove), "-", "leave"}, {string(Restore), "~", "restored"}, {string(Archive), "-", "archived: we made them"}, {"again", "~", "said again before they lapse"}}
	var parts []string
	for _, s := range signs {
		if n := p.Ops[s.op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s %s", s.sign, thousands(n), s.what))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing to send")
	}
	if p.Kind == "sync" {
		parts = append(parts, fmt.Sprintf("= %s unchanged", thousands(p.Unchanged)))
	}
	line("  %s", strings.Join(parts, "    "))
	if len(p.Drops) > 0 {
		var drops []string
		for reason, n := range p.Drops {
			drops = append(drops, fmt.Sprintf("%s %s", thousands(n), explainDrop(reason)))
		}
		sort.Strings(drops)
		line("  left out: %s", strings.Join(drops, ", "))
	}
	shown := false
	for _, f := range p.Fields {
		if f.Filled+f.Changed+f.Blanked == 0 || p.Mode == ModeAudience {
			continue
		}
		if !shown {
			line("")
			line("  %-28s %9s %9s %9s", "field", "filled", "changed", "emptied")
			shown = true
		}
		line("  %-28s %9s %9s %9s", f.Field, thousands(f.Filled), thousands(f.Changed), thousands(f.Blanked))
	}
	if len(p.Samples) > 0 {
		line("")
		line("  for example (people masked)")
		for _, s := range p.Samples {
			line("    %s %s", sign(s), s.Key)
			for _, f := range s.Fields {
				line("        %-26s %s → %s", f.Field, f.From, f.To)
			}
		}
	}
	if len(p.Conflicts) > 0 {
		line("")
		line("  %d records were changed by somebody since; those values stand:", len(p.Conflicts))
		for i, c := range p.Conflicts {
			if i == 20 {
				line("    and %d more", len(p.Conflicts)-i)
				break
			}
			line("    %s (record %s): %s", c.Key, c.RemoteID, strings.Join(c.Fields, ", "))
		}
	}
	if len(p.Breakers) > 0 {
		line("")
		line("  limits")
		for _, x := range p.Breakers {
			line("    %-5s %s", map[string]string{VerdictWithin: "ok", VerdictHold: "HOLD", VerdictBlocked: "STOP"}[x.Verdict], x.Message)
		}
	}
	if p.Bad != "" {
		line("")
		line("  cannot be sent, for example: %s", p.Bad)
	}
	line("")
	if p.Changes > 0 {
		line("  %s in about %s. Undo: %s", plural(p.Changes, "row"), estimateText(p), p.undoWords())
	}
	line("  %s", p.next())
	_, err := io.WriteString(w, b.String())
	return err
}

func sign(s Sample) string {
	switch Op(s.Op) {
	case Add, Insert, Event:
		return "+"
	case Remove, Archive:
		return "-"
	}
	for _, f := range s.Fields {
		if f.From != "(not known)" {
			return "~"
		}
	}
	return "+"
}

// Question puts a waiting plan to a person in that person's words: what changes, for whom, what it costs, why it waits, what
// can be taken back, until when, and what to do. It names no person and no value of one.
func (p *Plan) Question() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	what := "wants to change " + p.Destination
	if p.Kind == "undo" {
		what = "wants to take back in " + p.Destination + " what it changed there"
	}
	line("%s %s.", p.Sync, what)
	who := plural(p.Changes, "record")
	if p.People {
		who = "about " + plural(p.Changes, "person")
		if p.Changes != 1 {
			who = "about " + thousands(p.Changes) + " people or accounts"
		}
	}
	var parts []string
	for _, x := range [][2]string{{"new", "new"}, {"changed", "changed"}, {string(Add), "join"}, {string(Remove), "leave"}, {string(Restore), "restored"}, {string(Archive), "archived"}, {"again", "said again"}} {
		if n := p.Ops[x[0]]; n > 0 {
			parts = append(parts, thousands(n)+" "+x[1])
		}
	}
	line("Who: %s in %s (%s).", who, p.Object, strings.Join(parts, ", "))
	if m := p.Money; m != nil && m.Rows > 0 {
		line("Money: %s of %s goes from %s to %s %s; with it %s of at most %s %s are committed.", m.Field, plural(m.Rows, "record"), state.MoneyText(m.Before), state.MoneyText(m.After), m.Currency,
			state.MoneyText(m.Standing+m.After-m.Before), state.MoneyText(m.Limit), m.Currency)
	} else {
		line("Money: it changes no budget.")
	}
	var why []string
	for _, x := range p.Breakers {
		if x.Verdict == VerdictHold || x.Verdict == VerdictBlocked {
			why = append(why, x.Message)
		}
	}
	line("Why you are asked: %s.", join(why))
	line("If it is wrong: %s", p.undoWords())
	line("Asked by %s. Without an answer by %s it lapses, and nothing is sent.", p.By, p.Expires.UTC().Format("2006-01-02 15:04 MST"))
	if len(p.Risk) > 0 {
		line("Somebody other than %s must decide.", p.By)
	}
	line("Yes: millrace approve %s", p.ID)
	line("No:  millrace approve %s --refuse", p.ID)
	line("See: millrace plan --show %s", p.ID)
	return b.String()
}

func estimateText(p *Plan) string {
	s := plural(p.Calls, "call")
	switch {
	case p.Seconds >= 90:
		s += fmt.Sprintf(", %.0f minutes at the allowed rate", p.Seconds/60)
	case p.Seconds >= 1:
		s += fmt.Sprintf(", %.0f seconds at the allowed rate", p.Seconds)
	}
	return s
}

// undoWords says how far the plan can be taken back.
func (p *Plan) undoWords() string {
	s := undoText(p.Undo)
	if p.Ops[string(Archive)] > 0 && p.Kind == "sync" {
		s += " What is archived comes back by hand only, at the destination."
	}
	return s
}

func undoText(u UndoClass) string {
	switch u {
	case UndoExact:
		return "the earlier values are read first and can be put back; workflows that the change fires are not taken back."
	case UndoInverse:
		return "who joined can be taken out again, and the other way round."
	}
	return "none. What is sent is sent."
}

// next says what happens now.
func (p *Plan) next() string {
	apply := "millrace apply " + p.ID
	switch p.State {
	case VerdictEmpty:
		return "Nothing to do."
	case state.PlanBlocked:
		return "Stopped: nobody can approve this. Correct the data or " + p.Sync + "'s file, then plan again."
	case state.PlanVoid:
		return "Void: a newer plan took its place, or it expired."
	case state.PlanRefused:
		return "Refused by a person."
	case state.PlanApplied:
		if p.Kind == "undo" {
			return "Applied: what it took back is as before, except what is listed above."
		}
		return "Applied. Take it back with: millrace undo " + p.ID
	case state.PlanApplying:
		return "Being applied. Go on with: " + apply
	case state.PlanWaiting:
		s := fmt.Sprintf("Waits for a person until %s: millrace approve %s, then %s", p.Expires.UTC().Format("2006-01-02 15:04 MST"), p.ID, apply)
		if !p.Live {
			s += " (" + p.NotLive + ")"
		}
		return s
	}
	if !p.Live {
		return "Inside its limits, but nothing can be sent: " + p.NotLive + "."
	}
	return "Inside its limits. Send it with: " + apply
}

// explainDrop turns a reason into words.
func explainDrop(reason string) string {
	words := map[string]string{
		dropNullKey: "without a key", dropDuplicate: "with a key that stands twice", dropBadKey: "with a key that is none", dropBadValue: "with a value that cannot be sent",
		dropQueued: "on their way already", dropUnsettled: "sent, and not yet known whether they arrived", dropRefused: "refused before in this form", dropUndone: "taken back before in this form",
		"no_consent": "without consent", "consent_denied": "who said no", "holdout": "in the control group", "shadow": "decided in shadow mode", "unknown_decision": "with a decision that is not in the log",
		string(Capped): "reached often enough", string(OverBudget): "with no money left", dropNotOurs: "gone, but not made by us", dropTooLong: "with a value that is too long", dropNoOption: "with a value that is no option there", dropOther: "that have not failed",
		"replaced_decision": "with a decision that has been replaced", "no_subject": "without a subject to ask consent for", "gone": "not there any more", "changed_since": "changed by somebody since",
	}
	if w, ok := words[reason]; ok {
		return w
	}
	return strings.ReplaceAll(reason, "_", " ")
}

// WriteText writes what an apply did.
func (a *Applied) WriteText(w io.Writer) error {
	var b strings.Builder
	names := []struct{ state, word string }{{state.RowAcked, "acknowledged"}, {state.RowSettled, "taken with their batch"}, {state.RowAccepted, "accepted, not yet settled"}, {state.RowShortfall, "in a batch that was taken in part"},
		{state.RowRejected, "rejected"}, {state.RowDead, "given up"}, {state.RowUnknown, "not known"}, {state.RowInflight, "not known"}, {state.RowCancelled, "stopped by the gate at sending"},
		{state.RowSuperseded, "replaced by a newer plan"}, {state.RowUndone, "taken back since"}, {state.RowRetry, "waiting for another try"}, {state.RowPending, "waiting"}}
	var parts []string
	for _, n := range names {
		if c := a.States[n.state]; c > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", thousands(c), n.word))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing was sent")
	}
	fmt.Fprintf(&b, "%s → %s: %s\n", a.Sync, a.Destination, strings.Join(parts, ", "))
	for i, p := range a.Problems {
		if i == 5 {
			fmt.Fprintf(&b, "  and %d more reasons\n", len(a.Problems)-i)
			break
		}
		message := p.Message
		if message == "" {
			message = "no reason was given"
		}
		fmt.Fprintf(&b, "  %s: %s (%s)\n", p.State, message, plural(p.Rows, "row"))
	}
	if a.Stopped != "" {
		fmt.Fprintf(&b, "  stopped: %s\n", a.Stopped)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return thousands(n) + " " + word + "s"
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
