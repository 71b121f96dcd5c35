package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"millrace/internal/console"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/transform/relation"
)

func newQualityCmd(a *app) *cobra.Command {
	var all bool
	var repairs string
	cmd := &cobra.Command{
		Use:     "quality",
		GroupID: "data",
		Short:   "Data quality: score and trend, what is held and why, what to repair",
		Long: `Shows what the checks of the published build found: the score over time, the checks that fail or warn, and what each of
them holds. A check that holds keeps every sync and policy that is made from its data from acting, until it is repaired or
a person approves the plan. Limits stand in sql/seeds/quality_thresholds.csv, known causes of odd weeks in
sql/seeds/known_causes.csv.

--repairs lists the records to repair, of one check or of all.

Exit codes: 0 nothing is held, 1 something is held.`,
		Example: `  millrace quality
  millrace quality --all
  millrace quality --repairs "missing ids"
  millrace quality --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("repairs") {
				// `--repairs "missing ids"` leaves the name among the arguments: pflag takes an optional value only after =.
				if repairs == allChecks && len(args) == 1 {
					repairs, args = args[0], nil
				}
				if err := noArgs(cmd, args); err != nil {
					return err
				}
				return a.qualityRepairs(cmd.Context(), repairs)
			}
			if err := noArgs(cmd, args); err != nil {
				return err
			}
			return a.qualityShow(cmd.Context(), all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "show every check, also those that pass")
	cmd.Flags().StringVar(&repairs, "repairs", "", "list the records to repair: of the named check, or all")
	cmd.Flags().Lookup("repairs").NoOptDefVal = allChecks
	return cmd
}

// allChecks is what --repairs holds when it is given without a check.
const allChecks = "all"

// qualityDay is the score of one day.
type qualityDay struct {
	Day    string   `json:"as_of_date"`
	Score  *float64 `json:"score"`
	Passed int64    `json:"passed"`
	Warned int64    `json:"warned"`
	Failed int64    `json:"failed"`
}

// qualityCheck is one judged check.
type qualityCheck struct {
	Check    string   `json:"check"`
	Object   string   `json:"object"`
	Category string   `json:"category"`
	Value    *float64 `json:"value"`
	Warn     float64  `json:"warn_above"`
	Fail     float64  `json:"fail_above"`
	Rows     int64    `json:"checked_rows"`
	Status   string   `json:"status"`
	Effect   string   `json:"effect"`
	Relation string   `json:"relation"`
	Detail   string   `json:"detail"`
	Remedy   string   `json:"remedy"`
	Holds    []string `json:"holds"`
}

type qualityResult struct {
	Target  string         `json:"target"`
	Build   string         `json:"build"`
	Stale   string         `json:"stale,omitempty"` // why the checks are not from the newest build
	History []qualityDay   `json:"history"`         // oldest first
	Counts  map[string]int `json:"counts"`
	Checks  []qualityCheck `json:"checks"`
	Held    []breach       `json:"held"`
}

// historyDays is how much of the trend is shown.
const historyDays = 28

func (a *app) quality(ctx context.Context, p *project.Project) (*qualityResult, error) {
	list, err := a.syncs(p)
	if err != nil {
		return nil, err
	}
	policies, err := a.policies(p)
	if err != nil {
		return nil, err
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	rel, ok := b.build.Relations[checksRelation]
	if !ok {
		return nil, &fault.Error{Key: "relation", Value: checksRelation, Msg: "the published build has no checks of data quality",
			Hint: "`millrace upgrade` brings the built-in ones; then `millrace build`."}
	}
	out := &qualityResult{Target: p.Target, Build: b.build.ID, Stale: rel.StaleWhy, History: []qualityDay{}, Counts: map[string]int{}, Checks: []qualityCheck{}}
	if out.History, err = qualityHistory(ctx, b); err != nil {
		return nil, err
	}
	if out.Checks, err = qualityChecks(ctx, b, rel.Columns); err != nil {
		return nil, err
	}
	h, err := a.qualityOf(ctx, p, list, policies)
	if err != nil {
		return nil, err
	}
	out.Held = append([]breach{}, h.breaches...)
	for i := range out.Checks {
		c := &out.Checks[i]
		out.Counts[c.Status]++
		for _, x := range h.breaches {
			if x.Check == c.Check && x.Object == c.Object {
				c.Holds = x.Holds
			}
		}
	}
	return out, nil
}

func qualityHistory(ctx context.Context, b *publishedBuild) ([]qualityDay, error) {
	from := ""
	for _, name := range []string{"quality.score_history", "quality.score"} {
		if _, ok := b.build.Relations[name]; ok && from == "" {
			from = name
		}
	}
	out := []qualityDay{}
	if from == "" {
		return out, nil
	}
	err := b.db.Each(ctx, "select strftime(as_of_date, '%Y-%m-%d'), score::double, passed, warned, failed from "+from+" order by as_of_date desc limit "+fmt.Sprint(historyDays), func(row []any) error {
		d := qualityDay{Day: row[0].(string), Passed: row[2].(int64), Warned: row[3].(int64), Failed: row[4].(int64)}
		if f, ok := row[1].(float64); ok {
			d.Score = &f
		}
		out = append(out, d)
		return nil
	})
	slices.Reverse(out)
	return out, err
}

// qualityChecks reads the checks, the worst first. Those of an older project have no effect, relation and remedy.
func qualityChecks(ctx context.Context, b *publishedBuild, columns []relation.Column) ([]qualityCheck, error) {
	own := "effect, relation, remedy"
	if !hasColumns(columns, "effect", "relation", "remedy") {
		own = "'none', '', ''"
	}
	out := []qualityCheck{}
	err := b.db.Each(ctx, "select check_name, object, category, value::double, warn_above::double, fail_above::double, checked_rows::bigint, status, detail, "+own+
		" from quality.checks order by case status when 'fail' then 1 when 'warn' then 2 when 'pass' then 3 else 4 end, check_name, object", func(row []any) error {
		c := qualityCheck{Check: row[0].(string), Object: row[1].(string), Category: row[2].(string), Warn: row[4].(float64), Fail: row[5].(float64),
			Rows: row[6].(int64), Status: row[7].(string), Detail: row[8].(string), Effect: row[9].(string), Relation: row[10].(string), Remedy: row[11].(string), Holds: []string{}}
		if f, ok := row[3].(float64); ok {
			c.Value = &f
		}
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(err, "read %s", checksRelation)
	}
	return out, nil
}

func (a *app) qualityShow(ctx context.Context, all bool) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	q, err := a.quality(ctx, p)
	if err != nil {
		return err
	}
	held := slices.ContainsFunc(q.Held, func(b breach) bool { return len(b.Holds) > 0 })
	if a.flags.json {
		if err := a.con.Result(q); err != nil {
			return err
		}
	} else {
		a.sayQuality(p, q, all)
	}
	if held {
		return exitWith(fault.ExitHandled)
	}
	return nil
}

func (a *app) sayQuality(p *project.Project, q *qualityResult, all bool) {
	a.con.Say("Data quality · %s · target %s · build %s", p.File.Name, q.Target, q.Build)
	if q.Stale != "" {
		a.con.Say("The checks are not from the newest build: %s", q.Stale)
	}
	if n := len(q.History); n > 0 && q.History[n-1].Score != nil {
		d := q.History[n-1]
		a.con.Say("  score   %.1f of 100 on %s%s", *d.Score, d.Day, trend(q.History))
	}
	a.con.Say("  checks  %d pass, %d warn, %d fail, %d without data", q.Counts["pass"], q.Counts["warn"], q.Counts["fail"], q.Counts["na"])
	for _, b := range q.Held {
		word := "HOLD"
		if len(b.Holds) == 0 {
			word = "FAIL"
		}
		a.con.Say("")
		a.con.Say("%s  %s", word, b.Detail)
		a.con.Say("      found %s, holds above %s", value(b.Value, b.Check), value(b.Limit, b.Check))
		if len(b.Holds) > 0 {
			a.con.Say("      holds    %s (made from %s)", strings.Join(b.Holds, ", "), b.Relation)
		} else {
			a.con.Say("      holds    nothing: no sync and no policy is made from %s", b.Relation)
		}
		a.con.Say("      repair   %s", b.Remedy)
		if len(b.Records) > 0 {
			a.con.Say("      records  %s", namedRecords(b))
		}
	}
	var rows [][]string
	for _, c := range q.Checks {
		if !all && (c.Status == "pass" || c.Status == "na" || c.Effect == "hold") {
			continue
		}
		v := ""
		if c.Value != nil {
			v = value(*c.Value, c.Check)
		}
		status := strings.ToUpper(c.Status)
		if c.Effect == "hold" {
			status = "HOLD"
		}
		rows = append(rows, []string{status, c.Check, c.Object, v, value(c.Warn, c.Check) + " / " + value(c.Fail, c.Check), console.Thousands(c.Rows)})
	}
	if len(rows) > 0 {
		a.con.Say("")
		a.con.Table([]string{"status", "check", "of", "found", "warn / fail", "records"}, rows, 3, 4, 5)
	}
	remedies := map[string]bool{}
	for _, c := range q.Checks {
		if (c.Status == "fail" || c.Status == "warn") && c.Effect != "hold" && c.Remedy != "" && !remedies[c.Check+c.Remedy] {
			if len(remedies) == 0 {
				a.con.Say("")
			}
			remedies[c.Check+c.Remedy] = true
			a.con.Say("%s: %s.", c.Check, c.Remedy)
		}
	}
	a.con.Say("")
	a.con.Say("Records to repair: millrace quality --repairs · all checks: --all · limits: sql/seeds/quality_thresholds.csv")
}

// value writes what a check found: days for freshness, otherwise a share.
func value(f float64, check string) string {
	if check == "days without news" {
		return fmt.Sprintf("%.0f days", f)
	}
	return percent(f)
}

// trend draws the scores: "  ▃▅█  up 2.1 since 2026-02-20".
func trend(days []qualityDay) string {
	if len(days) < 2 || days[0].Score == nil {
		return ""
	}
	low, high := 100.0, 0.0
	for _, d := range days {
		if d.Score != nil {
			low, high = min(low, *d.Score), max(high, *d.Score)
		}
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, d := range days {
		switch {
		case d.Score == nil:
			b.WriteByte(' ')
		case high-low < 0.05:
			b.WriteRune(bars[len(bars)-1])
		default:
			b.WriteRune(bars[int((*d.Score-low)/(high-low)*float64(len(bars)-1)+0.5)])
		}
	}
	last, first := *days[len(days)-1].Score, days[0]
	word := "as"
	diff := last - *first.Score
	switch {
	case diff >= 0.05:
		word = fmt.Sprintf("up %.1f since", diff)
	case diff <= -0.05:
		word = fmt.Sprintf("down %.1f since", -diff)
	default:
		word += " on"
	}
	return fmt.Sprintf("   %s   %s %s", b.String(), word, first.Day)
}

// repair is one record to repair, without values of people.
type repair struct {
	Check       string `json:"check,omitempty"`
	Object      string `json:"object,omitempty"`
	Source      string `json:"source"`
	Stream      string `json:"stream"`
	ID          string `json:"id"`
	Twin        string `json:"twin_id,omitempty"`
	Column      string `json:"column"`
	Rule        string `json:"rule"`
	Consequence string `json:"consequence"`
}

func (a *app) qualityRepairs(ctx context.Context, check string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer b.Close()
	rel, ok := b.build.Relations["quality.repairs"]
	if !ok {
		return &fault.Error{Key: "relation", Value: "quality.repairs", Msg: "the published build has no list of repairs", Hint: "`millrace upgrade` brings the built-in one; then `millrace build`."}
	}
	own := "coalesce(check_name, ''), coalesce(object, ''), coalesce(twin_id, '')"
	if !hasColumns(rel.Columns, "check_name", "object", "twin_id") {
		own = "'', '', ''"
	}
	where := "effect = 'unusable'"
	if check != allChecks {
		where += " and check_name = " + duck.Quote(check)
	}
	list := []repair{}
	err = b.db.Each(ctx, "select source, stream, _row_id, column_name, repair_rule, consequence, "+own+" from quality.repairs where "+where+" order by source, stream, repair_rule, _row_id, column_name", func(row []any) error {
		list = append(list, repair{Source: row[0].(string), Stream: row[1].(string), ID: row[2].(string), Column: row[3].(string), Rule: row[4].(string),
			Consequence: row[5].(string), Check: row[6].(string), Object: row[7].(string), Twin: row[8].(string)})
		return nil
	})
	if err != nil {
		return fault.Wrap(err, "read quality.repairs")
	}
	if check != allChecks && len(list) == 0 {
		if err := a.knownCheck(ctx, b, check); err != nil {
			return err
		}
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"repairs": list})
	}
	if len(list) == 0 {
		a.con.Say("Nothing to repair record by record.")
		return nil
	}
	const shown = 200
	var rows [][]string
	for i, r := range list {
		if i == shown {
			break
		}
		rows = append(rows, []string{r.Source, r.Stream, r.ID, r.Column, r.Twin, r.Consequence})
	}
	a.con.Table([]string{"source", "in", "id", "column", "same as", "what it means, what to do"}, rows)
	if n := len(list) - len(rows); n > 0 {
		a.con.Say("and %s more: --json lists all.", console.Thousands(int64(n)))
	}
	return nil
}

// knownCheck refuses the name of a check that does not exist.
func (a *app) knownCheck(ctx context.Context, b *publishedBuild, check string) error {
	var names []string
	if err := b.db.Each(ctx, "select distinct check_name from quality.checks order by check_name", func(row []any) error {
		names = append(names, row[0].(string))
		return nil
	}); err != nil {
		return err
	}
	if slices.Contains(names, check) {
		return nil
	}
	return &fault.Error{Key: "--repairs", Value: check, Msg: "there is no such check", Hint: fault.DidYouMean(check, names)}
}
