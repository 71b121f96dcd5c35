package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/models/decision"
	"millrace/transform/relation"
)

var relationName = regexp.MustCompile(`^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$`)

// NoAction is the choice when constraints forbid everything.
const NoAction = "none"

// DecideOptions are what a run adds to the policy and the build.
type DecideOptions struct {
	Now     time.Time // logical time, UTC
	Trigger string    // build, schedule, event
	// Consent describes what is known of subjects' will, for the record; nil: not recorded. It does not decide:
	// decision.ConsentGuard does, at the gate.
	Consent func(ctx context.Context, subjects []string) (map[string]string, error)
}

// DecideResult is what a policy says about one build.
type DecideResult struct {
	Policy    *Policy
	Decisions []decision.Decision // one for each subject, by subject; unchanged ones as they are in the log
	New       []decision.Decision // of these, the ones that the log does not hold yet
	Counts    map[string]int      // subjects by choice
	Held      int                 // subjects in the policy's control group
	NoSubject int                 // rows that name nobody
}

// Decide runs a policy over the build. current is what the log holds for it, by subject. Nothing is written.
func Decide(ctx context.Context, p *Policy, w Warehouse, current map[string]decision.Decision, o DecideOptions) (*DecideResult, error) {
	q, err := p.plan(w.Build())
	if err != nil {
		return nil, err
	}
	res := &DecideResult{Policy: p, Counts: map[string]int{}}
	last := ""
	for row, err := range w.Query(ctx, q.sql()) {
		if err != nil {
			return nil, p.explain(ctx, w, q, err)
		}
		d, err := q.judge(row)
		if err != nil {
			return nil, err
		}
		if d.Subject == "" {
			res.NoSubject++
			continue
		}
		if d.Subject == last {
			return nil, &fault.Error{File: p.path, Msg: fmt.Sprintf("%s has more than one row for a subject", q.context.Name), Value: d.Subject,
				Hint: fmt.Sprintf("A policy decides once for each %s: aggregate in the SQL of %s.", q.subject, q.context.Name)}
		}
		last = d.Subject
		d.Trigger, d.DecidedAt = o.Trigger, o.Now.UTC()
		res.Decisions = append(res.Decisions, d)
	}
	if o.Consent != nil && len(res.Decisions) > 0 {
		subjects := make([]string, len(res.Decisions))
		for i, d := range res.Decisions {
			subjects[i] = d.Subject
		}
		known, err := o.Consent(ctx, subjects)
		if err != nil {
			return nil, fault.Wrap(err, "policy %s: look up consents", p.Name)
		}
		for i := range res.Decisions {
			res.Decisions[i].Consent = known[res.Decisions[i].Subject]
		}
	}
	for i, d := range res.Decisions {
		old, known := current[d.Subject]
		if known && d.SameAs(old) {
			res.Decisions[i] = old
		} else {
			d = decision.Identify(d, old.ID)
			res.Decisions[i] = d
			res.New = append(res.New, d)
		}
		res.Counts[d.Choice]++
		if d.Held {
			res.Held++
		}
	}
	return res, nil
}

// query is a policy fitted to a build.
type query struct {
	p       *Policy
	build   string
	context relation.Relation
	subject string
	score   string // column that holds the score, "" when there is none
	base    string // select that yields the context's columns, with the score as "score"
	inputs  []string
	conds   []cond
}

type cond struct{ key, sql string }

// plan finds the relations and columns. Errors name the file's key.
func (p *Policy) plan(b relation.Build) (*query, error) {
	names := make([]string, 0, len(b.Relations))
	for n := range b.Relations {
		names = append(names, n)
	}
	find := func(key, name string) (relation.Relation, error) {
		r, ok := b.Relations[name]
		if !ok {
			hint := fault.DidYouMean(name, names)
			if hint == "" {
				hint = "Run `millrace build`, or look with `millrace ls`."
			}
			return r, p.fault(key, &fault.Error{Msg: "the published build has no such relation", Value: name, Hint: hint})
		}
		return r, nil
	}
	q := &query{p: p, build: b.ID}
	f := p.File
	var scores relation.Relation
	var err error
	if f.Score != "" {
		if scores, err = find("score", f.Score); err != nil {
			return nil, err
		}
	}
	q.context = scores
	if f.Context != "" {
		if q.context, err = find("context", f.Context); err != nil {
			return nil, err
		}
	}
	if q.subject, err = p.subjectOf(q.context); err != nil {
		return nil, err
	}
	if f.Score != "" {
		if q.score, err = p.scoreOf(scores); err != nil {
			return nil, err
		}
	}
	columns := columnNames(q.context)
	switch {
	case f.Score == "":
		q.base = "select * from " + quoteRelation(q.context.Name)
	case q.context.Name == scores.Name && q.score == "score":
		q.base = "select * from " + quoteRelation(scores.Name)
	case q.context.Name == scores.Name:
		except := ""
		if slices.Contains(columns, "score") {
			except = ` exclude ("score")`
		} else {
			columns = append(columns, "score")
		}
		q.base = fmt.Sprintf("select *%s, %s as score from %s", except, ident(q.score), quoteRelation(scores.Name))
	default:
		key, err := p.subjectOf(scores)
		if err != nil {
			return nil, err
		}
		except := ""
		if slices.Contains(columns, "score") {
			except = ` exclude ("score")`
		} else {
			columns = append(columns, "score")
		}
		q.base = fmt.Sprintf("select context.*%s, scores.%s as score from %s as context left join %s as scores on scores.%s = context.%s",
			except, ident(q.score), quoteRelation(q.context.Name), quoteRelation(scores.Name), ident(key), ident(q.subject))
	}
	seen := map[string]bool{}
	use := func(key, word string, must bool) error {
		i := slices.IndexFunc(columns, func(c string) bool { return strings.EqualFold(c, word) })
		if i < 0 {
			if must {
				return p.fault(key, &fault.Error{Msg: fmt.Sprintf("%s has no such column", q.context.Name), Value: word, Hint: fault.DidYouMean(word, columns)})
			}
			return nil
		}
		if !seen[columns[i]] && columns[i] != q.subject {
			seen[columns[i]] = true
			q.inputs = append(q.inputs, columns[i])
		}
		return nil
	}
	if f.Score != "" {
		if err := use("score", "score", true); err != nil {
			return nil, err
		}
	}
	for i, c := range f.Inputs {
		if err := use(fmt.Sprintf("inputs.%d", i), c, true); err != nil {
			return nil, err
		}
	}
	add := func(key, when string) {
		if when == "" {
			when = "true"
		}
		q.conds = append(q.conds, cond{key, when})
		for _, w := range words(when) {
			_ = use(key, w, false) // not required, so it cannot fail: other words are functions and keywords
		}
	}
	for i, r := range p.rules {
		key := "rule"
		if f.Rule == "" {
			key = fmt.Sprintf("rules.%d.when", i)
		}
		add(key, r.When)
		for _, name := range placeholders(r.Reason) {
			if err := use(fmt.Sprintf("rules.%d.reason", i), name, true); err != nil {
				return nil, err
			}
		}
	}
	for i, c := range f.Only {
		add(fmt.Sprintf("constraints.%d.when", i), c.When)
	}
	for i, c := range f.Pref {
		add(fmt.Sprintf("prefer.%d.when", i), c.When)
	}
	sort.Strings(q.inputs)
	return q, nil
}

func (p *Policy) subjectOf(r relation.Relation) (string, error) {
	columns := columnNames(r)
	if s := p.File.Subject; s != "" {
		if !slices.Contains(columns, s) {
			return "", p.fault("subject", &fault.Error{Msg: fmt.Sprintf("%s has no such column", r.Name), Value: s, Hint: fault.DidYouMean(s, columns)})
		}
		return s, nil
	}
	if len(r.Key) == 1 {
		return r.Key[0], nil
	}
	return "", p.fault("subject", &fault.Error{Msg: fmt.Sprintf("%s does not say which one column is its key", r.Name),
		Hint: fmt.Sprintf("Add `subject: <column>` here, or `unique_key` to the SQL of %s. It has: %s.", r.Name, strings.Join(columns, ", "))})
}

func (p *Policy) scoreOf(r relation.Relation) (string, error) {
	columns := columnNames(r)
	if c := p.File.ScoreColumn; c != "" {
		if !slices.Contains(columns, c) {
			return "", p.fault("score_column", &fault.Error{Msg: fmt.Sprintf("%s has no such column", r.Name), Value: c, Hint: fault.DidYouMean(c, columns)})
		}
		return c, nil
	}
	_, short, _ := strings.Cut(r.Name, ".")
	for _, c := range []string{"score", short} {
		if slices.Contains(columns, c) {
			return c, nil
		}
	}
	return "", p.fault("score", &fault.Error{Msg: fmt.Sprintf("%s has neither a column score nor a column %s", r.Name, short),
		Hint: "Add `score_column:`. It has: " + strings.Join(columns, ", ") + "."})
}

func columnNames(r relation.Relation) []string {
	out := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		out[i] = c.Name
	}
	return out
}

func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func quoteRelation(name string) string {
	schema, rel, _ := strings.Cut(name, ".")
	return ident(schema) + "." + ident(rel)
}

// sql is subject, score, inputs, then one boolean for each condition; a condition that is NULL does not hold.
func (q *query) sql() string {
	var b strings.Builder
	fmt.Fprintf(&b, "with base as (%s)\nselect cast(%s as varchar) as subject", q.base, ident(q.subject))
	for _, in := range q.inputs {
		fmt.Fprintf(&b, ",\n  %s", ident(in))
	}
	for _, c := range q.conds {
		fmt.Fprintf(&b, ",\n  coalesce(cast((\n%s\n) as boolean), false)", c.sql)
	}
	b.WriteString("\nfrom base\norder by subject nulls first")
	return b.String()
}

// explain finds the condition that DuckDB refused and names its key; err stands when none can be singled out.
func (p *Policy) explain(ctx context.Context, w Warehouse, q *query, err error) error {
	if ctx.Err() != nil {
		return err
	}
	for _, c := range q.conds {
		probe := fmt.Sprintf("with base as (%s)\nselect cast((\n%s\n) as boolean) from base", q.base, c.sql)
		for _, e := range w.Query(ctx, probe) {
			if e != nil {
				return p.fault(c.key, &fault.Error{Msg: "the database refuses this condition", Value: c.sql, Err: firstLine(e),
					Hint: fmt.Sprintf("It may use the columns of %s: %s.", q.context.Name, strings.Join(columnNames(q.context), ", "))})
			}
		}
	}
	return fault.Wrap(err, "policy %s: read %s", p.Name, q.context.Name)
}

func firstLine(err error) error {
	line, _, cut := strings.Cut(err.Error(), "\n")
	if !cut {
		return err
	}
	return errors.New(line)
}

// judge turns one row into a decision without an id.
func (q *query) judge(row []any) (decision.Decision, error) {
	p := q.p
	d := decision.Decision{Policy: p.Name, Version: p.Version(), Mode: p.File.Mode, Inputs: map[string]decision.Value{}, Propensity: 1,
		Relation: q.context.Name, RelationVersion: q.context.Version, BuildID: q.build, RuleHits: []string{}}
	if len(row) != 1+len(q.inputs)+len(q.conds) {
		return d, fmt.Errorf("policy %s: the query gave %d columns instead of %d", p.Name, len(row), 1+len(q.inputs)+len(q.conds))
	}
	d.Subject, _ = row[0].(string)
	for i, name := range q.inputs {
		j, err := canon.JSON(row[1+i])
		if err != nil {
			return d, &fault.Error{File: p.path, Key: name, Msg: fmt.Sprintf("column of %s, subject %s", q.context.Name, d.Subject), Err: err, Hint: "Give the column a value in its SQL."}
		}
		d.Inputs[name] = j
		if name == "score" && p.File.Score != "" && string(j) != "null" {
			f, err := strconv.ParseFloat(string(j), 64)
			if err != nil {
				return d, p.fault("score", &fault.Error{Msg: "the score is not a number", Value: string(j), Hint: "Name the numeric column with `score_column:`."})
			}
			d.Score = &f
		}
	}
	d.InputsHash = decision.HashInputs(d.Inputs)
	holds := make([]bool, len(q.conds))
	for i := range q.conds {
		holds[i], _ = row[1+len(q.inputs)+i].(bool)
	}
	p.choose(&d, holds)
	if pc := p.File.Holdout.Percent; pc > 0 {
		salt := p.File.Holdout.Salt
		if salt == "" {
			salt = p.Name
		}
		d.Held = float64(decision.Bucket(salt, d.Subject)) < pc*decision.Buckets/100
	}
	return d, nil
}

// choose ranks the actions. holds has one answer for each rule, constraint and preference, in that order.
func (p *Policy) choose(d *decision.Decision, holds []bool) {
	nr, nc := len(p.rules), len(p.File.Only)
	rank := map[string]int{} // place of the first rule that proposed the action
	why := map[string][]string{}
	reason := map[string]string{}
	var order []string
	propose := func(action, by string, place int) {
		if _, ok := rank[action]; !ok {
			rank[action] = place
			order = append(order, action)
		}
		why[action] = append(why[action], by)
	}
	for i, r := range p.rules {
		if !holds[i] {
			continue
		}
		d.RuleHits = append(d.RuleHits, r.Name)
		propose(r.Action, "rule "+r.Name, i)
		if reason[r.Action] == "" {
			reason[r.Action] = sentence(r, d)
		}
	}
	propose(p.other, "no other rule", nr)
	forbidden := map[string]string{}
	for i, c := range p.File.Only {
		if !holds[nr+i] {
			continue
		}
		d.RuleHits = append(d.RuleHits, c.Name)
		for _, a := range c.Only {
			propose(a, "constraint "+c.Name, nr+1)
			if reason[a] == "" {
				reason[a] = constraintText(c)
			}
		}
	}
	// Only when every candidate is known: a constraint also forbids what a later one brings in.
	for i, c := range p.File.Only {
		if !holds[nr+i] {
			continue
		}
		for _, a := range order {
			if slices.Contains(c.Forbid, a) || len(c.Only) > 0 && !slices.Contains(c.Only, a) {
				if forbidden[a] == "" {
					forbidden[a] = constraintText(c)
				}
			}
		}
	}
	points := map[string]float64{}
	var moved []string
	for i, f := range p.File.Pref {
		if _, candidate := rank[f.Action]; holds[nr+nc+i] && candidate {
			points[f.Action] += f.Points
			why[f.Action] = append(why[f.Action], fmt.Sprintf("%s %+g", f.Name, f.Points))
			moved = append(moved, f.Name)
		}
	}
	for _, a := range order {
		c := decision.Candidate{Action: a, Points: points[a], Allowed: forbidden[a] == "", Why: why[a]}
		if f := forbidden[a]; f != "" {
			c.Why = append(c.Why, "forbidden: "+f)
		}
		d.Candidates = append(d.Candidates, c)
	}
	slices.SortStableFunc(d.Candidates, func(a, b decision.Candidate) int {
		switch {
		case a.Allowed != b.Allowed:
			if a.Allowed {
				return -1
			}
			return 1
		case a.Points != b.Points:
			if a.Points > b.Points {
				return -1
			}
			return 1
		}
		return rank[a.Action] - rank[b.Action]
	})
	best := d.Candidates[0]
	if !best.Allowed {
		d.Choice = NoAction
		d.Reason = "every action is forbidden: " + forbidden[best.Action]
		return
	}
	d.Choice, d.Reason = best.Action, reason[best.Action]
	if d.Reason == "" {
		d.Reason = p.otherwise(d)
	}
	var over []string // why an action that the rules would have preferred was not taken
	for _, a := range order {
		if f := forbidden[a]; f != "" && rank[a] < rank[best.Action] {
			over = append(over, fmt.Sprintf("%s is forbidden: %s", a, f))
		}
	}
	if len(over) == 0 && len(moved) > 0 && rank[best.Action] > rank[order[0]] {
		over = append(over, "preferred over "+order[0]+" by "+strings.Join(moved, ", "))
	}
	if len(over) > 0 {
		d.Reason += " (" + strings.Join(over, "; ") + ")"
	}
}

func constraintText(c Constraint) string {
	if c.Reason != "" {
		return c.Reason
	}
	return c.Name
}

// sentence is the reason of a rule that held.
func sentence(r RuleSpec, d *decision.Decision) string {
	if r.Reason == "" {
		return fmt.Sprintf("%s (%s)", r.When, values(d, r.When))
	}
	return placeholder.ReplaceAllStringFunc(r.Reason, func(s string) string {
		for name, v := range d.Inputs {
			if strings.EqualFold(name, s[1:len(s)-1]) {
				return show(v)
			}
		}
		return s
	})
}

func (p *Policy) otherwise(d *decision.Decision) string {
	var all []string
	for _, r := range p.rules {
		all = append(all, r.When)
	}
	return fmt.Sprintf("no rule holds: %s", values(d, strings.Join(all, " ")))
}

// values names the inputs that a condition used: "score is 83, country is DE".
func values(d *decision.Decision, when string) string {
	var out []string
	seen := map[string]bool{}
	for _, w := range words(when) {
		for name, v := range d.Inputs {
			if strings.EqualFold(name, w) && !seen[name] {
				seen[name] = true
				out = append(out, name+" is "+show(v))
			}
		}
	}
	if len(out) == 0 {
		return "no column is named"
	}
	return strings.Join(out, ", ")
}

func show(v json.RawMessage) string {
	if canon.IsEmpty(v) {
		return "not known"
	}
	return fault.Shorten(canon.Text(v), 60)
}

var placeholder = regexp.MustCompile(`\{[A-Za-z_][A-Za-z0-9_]*\}`)

func placeholders(s string) []string {
	var out []string
	for _, m := range placeholder.FindAllString(s, -1) {
		out = append(out, m[1:len(m)-1])
	}
	return out
}
