package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/models"
)

// demoSyncFile is the sync that the moments are about.
const demoSyncFile = "hubspot_scores"

// onSync opens a session with the sync's file edited, and puts the file back afterwards.
func (a *app) onSync(ctx context.Context, dir, command string, edit func(string) string, fn func(b *app, s *session, e *activate.Engine, sync *activate.Sync, d activate.Destination) error) (err error) {
	path := filepath.Join(dir, "activate", demoSyncFile+".yml")
	old, err := os.ReadFile(path)
	if err != nil {
		return fault.Wrap(err, "demo")
	}
	if edit != nil {
		if err := os.WriteFile(path, []byte(edit(string(old))), 0o644); err != nil {
			return fault.Wrap(err, "demo")
		}
		defer func() { err = errors.Join(err, os.WriteFile(path, old, 0o644)) }()
	}
	b := a.inside(dir)
	s, err := b.begin(ctx, command)
	if err != nil {
		return err
	}
	defer func() { err = s.end(ctx, err, nil) }()
	list, err := b.chosenSyncs(s.p, []string{demoSyncFile})
	if err != nil {
		return err
	}
	d, err := b.openDestination(list[0])
	if err != nil {
		return err
	}
	defer d.Close()
	return fn(b, s, b.engine(s), list[0], d)
}

// demoMistake maps a column that is mostly empty: the plan is stopped before anything is sent.
func (a *app) demoMistake(ctx context.Context, dir string) (demoMoment, error) {
	m := demoMoment{Name: "a mapping mistake, stopped before it is sent"}
	wrong := func(s string) string {
		return strings.Replace(s, "millrace_score_reason: score_reason", "millrace_score_reason: {column: owner_id, null: clear}", 1)
	}
	err := a.onSync(ctx, dir, "plan", wrong, func(b *app, s *session, e *activate.Engine, sync *activate.Sync, d activate.Destination) error {
		plan, err := e.Plan(ctx, sync, d)
		if err != nil {
			return err
		}
		if plan.Verdict != activate.VerdictBlocked && plan.Verdict != activate.VerdictHold {
			return fmt.Errorf("the mistake was not stopped: the plan's verdict is %s", plan.Verdict)
		}
		m.Told = fmt.Sprintf("Somebody maps the score's reason to the wrong column. Plan %s would change %s; it is %s: %s. Nothing was sent.",
			plan.ID, console.Count(int64(plan.Changes), "contact"), verdictWord(plan.Verdict), breakerText(plan))
		return s.state.Plans.Void(ctx, plan.ID)
	})
	if err == nil {
		a.sayMoment(m)
	}
	return m, err
}

func verdictWord(v string) string {
	if v == activate.VerdictBlocked {
		return "stopped, and nobody can wave it through"
	}
	return "held until a person looks"
}

// demoGoodAndUndone adds a field to the sync, has it approved and sent, and takes it back.
func (a *app) demoGoodAndUndone(ctx context.Context, dir string) (demoMoment, error) {
	m := demoMoment{Name: "a good sync sent, and taken back"}
	more := func(s string) string {
		return strings.Replace(s, "mapping:\n", "mapping:\n  millrace_owner: owner_id\n", 1)
	}
	err := a.onSync(ctx, dir, "apply", more, func(b *app, s *session, e *activate.Engine, sync *activate.Sync, d activate.Destination) error {
		before, err := s.twin.digest(ctx)
		if err != nil {
			return err
		}
		who := userName(b)
		send := func(p *activate.Plan, why string) (*activate.Applied, error) {
			if p.Verdict == activate.VerdictHold {
				if _, err := e.Approve(ctx, sync, p.ID, who, why, true); err != nil {
					return nil, err
				}
			}
			return e.Apply(ctx, sync, d, p.ID)
		}
		plan, err := e.Plan(ctx, sync, d)
		if err != nil {
			return err
		}
		held := plan.Verdict == activate.VerdictHold
		sent, err := send(plan, "demo: one more field is meant")
		if err != nil {
			return err
		}
		during, err := s.twin.digest(ctx)
		if err != nil {
			return err
		}
		back, err := e.PlanUndo(ctx, sync, d, plan.ID)
		if err != nil {
			return err
		}
		undone, err := send(back, "demo: taken back")
		if err != nil {
			return err
		}
		after, err := s.twin.digest(ctx)
		if err != nil {
			return err
		}
		if sent.Acked() == 0 || before == during {
			return fmt.Errorf("the good sync sent nothing (%d planned)", plan.Changes)
		}
		how := "Its limits let it through."
		if held {
			how = fmt.Sprintf("It touches more than its limits allow without a look, so it waited until %s approved it.", who)
		}
		equal := "equal to before"
		if before != after {
			equal = "NOT equal to before"
		}
		m.Told = fmt.Sprintf("One more field, the owner, is mapped. Plan %s: %s. %s %s acknowledged, one by one. Then `undo %s`: %s restored from what the CRM held before; the CRM is %s.",
			plan.ID, console.Count(int64(plan.Changes), "contact"), how, console.Count(int64(sent.Acked()), "row"), plan.ID, console.Count(int64(undone.Acked()), "row"), equal)
		if before != after {
			return &fault.Error{Msg: "undo did not bring the CRM back to where it was", Exit: fault.ExitHandled}
		}
		return nil
	})
	if err == nil {
		a.sayMoment(m)
	}
	return m, err
}

// demoThreshold asks who would be routed differently with a lower threshold. Nothing is recorded.
func (a *app) demoThreshold(ctx context.Context, dir string) (demoMoment, error) {
	m := demoMoment{Name: "the threshold moved from 80 to 70"}
	b := a.inside(dir)
	p, err := b.project()
	if err != nil {
		return m, err
	}
	list, err := b.chosenPolicies(p, []string{"lead_routing"})
	if err != nil {
		return m, err
	}
	lower, err := list[0].WithThreshold("70")
	if err != nil {
		return m, err
	}
	build, err := b.published(ctx, p)
	if err != nil {
		return m, err
	}
	defer build.Close()
	r, err := models.Preview(ctx, list[0], lower, warehouse{build})
	if err != nil {
		return m, err
	}
	names := map[string]string{}
	if err := build.db.Each(ctx, "select person_id, coalesce(full_name, email, person_id) from core.people", func(row []any) error {
		names[fmt.Sprint(row[0])] = fmt.Sprint(row[1])
		return nil
	}); err != nil {
		return m, err
	}
	var who []string
	for i, mv := range r.Moves {
		if i == 5 {
			who = append(who, fmt.Sprintf("and %d more", len(r.Moves)-i))
			break
		}
		score := ""
		if mv.Score != nil {
			score = fmt.Sprintf(" (%g)", *mv.Score)
		}
		who = append(who, names[mv.Subject]+score)
	}
	moved := "Nobody would move."
	if len(r.Moves) > 0 {
		moved = fmt.Sprintf("%s would go to sales instead: %s.", console.Count(int64(len(r.Moves)), "lead"), strings.Join(who, ", "))
	}
	m.Told = fmt.Sprintf("Now %s: %s. With 70: %s. %s Nothing was recorded.", r.Before, counts(r.Counts), counts(r.Would), moved)
	a.sayMoment(m)
	return m, nil
}

func (a *app) sayMoment(m demoMoment) {
	a.con.Say("")
	a.con.Say("Moment: %s", m.Name)
	a.con.Say("  %s", m.Told)
}

func (a *app) demoClosing(dir string, r *demoResult) {
	a.con.Say("")
	a.con.Say("Done in %s. The project stays, and works:", console.Duration(time.Duration(r.Seconds*float64(time.Second))))
	a.con.Say("  cd %s", dir)
	for _, line := range [][2]string{
		{"millrace run --target prod", "again: nothing changed, so nothing is sent"},
		{"millrace run --target prod --now 2026-03-09T09:00:00Z", "a week later, with the next Monday report"},
		{"millrace query --target prod 'from metrics.kpi'", "every KPI, with numerator, denominator and reason"},
		{"millrace plan --target prod --list", "what was planned, approved, sent, taken back"},
		{"millrace decide --target prod --preview 70", "who would change side"},
		{"millrace stop all --target prod", "the switch that stops all sending"},
	} {
		a.con.Say("  %-54s # %s", line[0], line[1])
	}
	for _, d := range r.Days {
		for _, x := range d.Reports {
			if strings.HasSuffix(x.Path, ".xlsx") || strings.HasSuffix(x.Path, ".html") {
				a.con.Say("  open %s", x.Path)
			}
		}
	}
}
