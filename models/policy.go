package models

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"millrace/internal/config"
	"millrace/internal/fault"
	"millrace/models/decision"
)

// PolicyFile is a file models/<name>.yml with a rule or rules. Three lines are enough:
//
//	version: 1
//	score: scores.lead_score
//	rule: score > 80 -> sales, else nurture
type PolicyFile struct {
	Version     int    `yaml:"version" required:"true" min:"1" max:"1" doc:"version of this file's format"`
	Description string `yaml:"description" doc:"what the policy decides, in a sentence"`
	Owner       string `yaml:"owner" doc:"who answers for it; needed before it may be live"`
	Mode        string `yaml:"mode" enum:"shadow,live" default:"shadow" doc:"shadow: decide and compare, send nothing. live: let decisions out"`

	Score       string   `yaml:"score" doc:"relation with the score, schema.name" example:"scores.lead_score"`
	ScoreColumn string   `yaml:"score_column" doc:"its column; default: score, else the relation's own name"`
	Context     string   `yaml:"context" doc:"relation with one row a subject, whose columns the conditions may use; default: the score's relation"`
	Subject     string   `yaml:"subject" doc:"column that names the person or account; default: the relation's key"`
	Inputs      []string `yaml:"inputs" doc:"columns to record with each decision, beside those that the conditions name"`

	Rule  string       `yaml:"rule" doc:"short form: condition -> action, else action" example:"score > 80 -> sales, else nurture"`
	Rules []RuleSpec   `yaml:"rules" doc:"long form: each condition that holds proposes its action; without preferences the first one wins"`
	Else  string       `yaml:"else" doc:"long form: the action when no condition holds"`
	Only  []Constraint `yaml:"constraints" doc:"hard limits: they take actions away whatever the rules say"`
	Pref  []Preference `yaml:"prefer" doc:"points that rank the proposed actions; the most points win, then the earlier rule"`

	Actions config.Map[ActionSpec] `yaml:"actions" doc:"what each action means; when listed, the rules may use no other"`
	Holdout HoldoutSpec            `yaml:"holdout" doc:"share of subjects decided on but left alone, to measure the effect"`
	Compare *CompareSpec           `yaml:"compare" doc:"what people decided, to compare with"`
}

// RuleSpec is one rule of the long form.
type RuleSpec struct {
	Name   string `yaml:"name" required:"true" doc:"short name, recorded with each decision"`
	When   string `yaml:"when" required:"true" doc:"SQL condition over the context's columns" example:"score > 80 and region = 'EU'"`
	Action string `yaml:"action" required:"true" doc:"the action that it proposes"`
	Reason string `yaml:"reason" doc:"sentence for the person who acts; {column} is replaced by the value"`
}

// Constraint takes actions away while its condition holds.
type Constraint struct {
	Name   string         `yaml:"name" required:"true"`
	When   string         `yaml:"when" doc:"SQL condition; default: always"`
	Forbid config.Strings `yaml:"forbid" doc:"actions that are not allowed then"`
	Only   config.Strings `yaml:"only" doc:"the only actions that are allowed then; they become candidates"`
	Reason string         `yaml:"reason" doc:"sentence for a person"`
}

// Preference moves an action up or down while its condition holds.
type Preference struct {
	Name   string  `yaml:"name" required:"true"`
	When   string  `yaml:"when" doc:"SQL condition; default: always"`
	Action string  `yaml:"action" required:"true"`
	Points float64 `yaml:"points" required:"true" doc:"added to the action; negative moves it down"`
}

// ActionSpec describes an action.
type ActionSpec struct {
	Description string `yaml:"description"`
}

// FromShort lets an action be described in one line.
func (a *ActionSpec) FromShort(s string) error { a.Description = s; return nil }

// ShortSchema is any text.
func (a *ActionSpec) ShortSchema() map[string]any { return nil }

// HoldoutSpec is the policy's own control group.
type HoldoutSpec struct {
	Percent float64 `yaml:"percent" min:"0" max:"50" doc:"share of subjects in per cent"`
	Salt    string  `yaml:"salt" doc:"default: the policy's name; a new salt draws a new group"`
}

// CompareSpec names the relation with what people did.
type CompareSpec struct {
	Relation string            `yaml:"relation" required:"true" doc:"one row for each subject that a person decided on"`
	Subject  string            `yaml:"subject" doc:"its column with the subject; default: as in the policy"`
	Action   string            `yaml:"action" default:"human_action" doc:"its column with what the person chose"`
	Values   map[string]string `yaml:"values" doc:"what the person's word means as an action of this policy"`
	Target   float64           `yaml:"target_percent" default:"95" min:"50" max:"100" doc:"agreement from which going live is recommended"`
}

// Policy is a policy file that was read and checked.
type Policy struct {
	Name string
	File PolicyFile

	path  string
	node  config.Node
	rules []RuleSpec
	other string
	hash  string
}

// ParsePolicy reads a policy file. All problems are returned together.
func ParsePolicy(name, path string, src []byte, env func(string) (string, bool)) (*Policy, error) {
	node, err := config.Parse(path, src, config.ParseOptions{Env: env})
	if err != nil {
		return nil, err
	}
	p := &Policy{Name: name, path: path, node: node}
	if err := node.Decode(&p.File); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// Version is the hash of everything in the file that has a say in what is decided.
func (p *Policy) Version() string { return p.hash }

// Live reports whether decisions may leave.
func (p *Policy) Live() bool { return p.File.Mode == decision.Live }

// Actions lists every action that the policy can choose, in the order in which the file names them.
func (p *Policy) Actions() []string {
	var out []string
	seen := map[string]bool{}
	add := func(a string) {
		if a != "" && !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	for _, r := range p.rules {
		add(r.Action)
	}
	for _, c := range p.File.Only {
		for _, a := range c.Only {
			add(a)
		}
	}
	add(p.other)
	return out
}

func (p *Policy) fault(key string, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		f = &fault.Error{Msg: err.Error()}
	}
	n := p.node
	for part := range strings.SplitSeq(key, ".") {
		if i, err := strconv.Atoi(part); err == nil && i < len(n.Items()) {
			n = n.Items()[i]
			continue
		}
		n = n.Get(part)
	}
	at := n.Fault(f.Hint, "%s", f.Msg)
	if n.IsZero() {
		at = p.node.Fault(f.Hint, "%s", f.Msg)
		at.Key = key
	}
	at.Value = f.Value
	at.Err = f.Err
	return at
}

func (p *Policy) check() error {
	var l fault.List
	f := &p.File
	bad := func(key, msg, value, hint string) {
		l.Add(p.fault(key, &fault.Error{Msg: msg, Value: value, Hint: hint}))
	}
	if f.Score == "" && f.Context == "" {
		bad("score", "the policy reads nothing", "", "Name the relation with the score (`score: scores.lead_score`) or with the facts (`context:`).")
	}
	for key, rel := range map[string]string{"score": f.Score, "context": f.Context} {
		if rel != "" && !relationName.MatchString(rel) {
			bad(key, "not the name of a relation", rel, "Write schema.name, as in scores.lead_score.")
		}
	}
	switch {
	case f.Rule != "" && len(f.Rules) > 0:
		bad("rules", "the file has both `rule` and `rules`", "", "Keep one: `rule` for the short form, `rules` and `else` for the long one.")
	case f.Rule != "":
		branches, other, err := parseShort(f.Rule)
		if err != nil {
			l.Add(p.fault("rule", err))
		}
		for _, b := range branches {
			p.rules = append(p.rules, RuleSpec{Name: b.When, When: b.When, Action: b.Action})
		}
		if f.Else != "" {
			bad("else", "`else` belongs inside the short rule", f.Else, "Remove this key.")
		}
		p.other = other
	case len(f.Rules) > 0:
		p.rules, p.other = f.Rules, f.Else
		if f.Else == "" {
			bad("else", "the rules do not say what to do otherwise", "", "Add `else: nurture` (or another action); a policy always answers.")
		}
	default:
		bad("rule", "the policy has no rule", "", "Write `rule: score > 80 -> sales, else nurture`, or a list under `rules`.")
	}
	predicate := func(key, when string) {
		if when != "" {
			if err := checkPredicate(when); err != nil {
				l.Add(p.fault(key, err))
			}
		}
	}
	action := func(key, a string) {
		if a == "" {
			return
		}
		if !actionName.MatchString(a) {
			l.Add(p.fault(key, notAnAction(a)))
		} else if _, ok := f.Actions.Get(a); f.Actions.Len() > 0 && !ok {
			bad(key, "this action is not listed under `actions`", a, fault.DidYouMean(a, f.Actions.Keys()))
		}
	}
	names := map[string]bool{}
	once := func(key, name string) {
		if names[name] {
			bad(key, "two rules have this name", name, "Decisions are explained by these names: give each its own.")
		}
		names[name] = true
	}
	for i, r := range p.rules {
		if f.Rule != "" {
			action("rule", r.Action)
			continue // parseShort has checked the rest
		}
		key := fmt.Sprintf("rules.%d", i)
		predicate(key+".when", r.When)
		once(key+".name", r.Name)
		action(key+".action", r.Action)
	}
	action("else", p.other)
	for i, c := range f.Only {
		key := fmt.Sprintf("constraints.%d", i)
		once(key, c.Name)
		predicate(key+".when", c.When)
		if (len(c.Forbid) == 0) == (len(c.Only) == 0) {
			bad(key, "a constraint needs either `forbid` or `only`", c.Name, "Name the actions that it takes away, or the only ones that it leaves.")
		}
		for _, a := range append(append([]string{}, c.Forbid...), c.Only...) {
			action(key, a)
		}
	}
	for i, c := range f.Pref {
		key := fmt.Sprintf("prefer.%d", i)
		once(key, c.Name)
		predicate(key+".when", c.When)
		action(key+".action", c.Action)
	}
	if f.Mode == decision.Live && f.Owner == "" {
		bad("mode", "a policy without an owner cannot be live", f.Mode, "Add `owner:` with the person who answers for it.")
	}
	if f.Compare != nil && !relationName.MatchString(f.Compare.Relation) {
		bad("compare.relation", "not the name of a relation", f.Compare.Relation, "Write schema.name.")
	}
	p.hash = p.digest()
	return l.Or()
}

// digest covers what decides; owner, descriptions, comparison and mode do not make another policy of it (the mode is
// recorded with each decision by itself).
func (p *Policy) digest() string {
	f := p.File
	b, err := json.Marshal([]any{f.Score, f.ScoreColumn, f.Context, f.Subject, f.Inputs, p.rules, p.other, f.Only, f.Pref, f.Holdout})
	if err != nil {
		// Only strings and finite numbers are in there; the decoder has refused the rest.
		panic("models: policy cannot be spelled as JSON: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// WithRule is the policy with another short rule, for a preview.
func (p *Policy) WithRule(rule string) (*Policy, error) {
	branches, other, err := parseShort(rule)
	if err != nil {
		return nil, err
	}
	q := *p
	q.File.Rule, q.File.Rules, q.File.Else = rule, nil, ""
	q.rules = nil
	for _, b := range branches {
		q.rules = append(q.rules, RuleSpec{Name: b.When, When: b.When, Action: b.Action})
	}
	q.other = other
	q.hash = q.digest()
	return &q, nil
}

// WithThreshold is the policy with another number in its only rule that has one: 70 turns `score > 80` into `score > 70`.
func (p *Policy) WithThreshold(number string) (*Policy, error) {
	if _, err := strconv.ParseFloat(number, 64); err != nil {
		return nil, &fault.Error{Msg: "not a number", Value: number, Hint: "Give a threshold such as 70, or a whole rule: \"score > 70 -> sales, else nurture\"."}
	}
	rule, at, n := -1, [2]int{}, 0
	for i, r := range p.rules {
		for _, span := range numbers(r.When) {
			rule, at, n = i, span, n+1
		}
	}
	if n != 1 {
		return nil, &fault.Error{Msg: fmt.Sprintf("the rules of %s hold %d numbers, so it is not clear which one to change", p.Name, n), Value: number,
			Hint: "Give the whole rule instead: --preview \"score > 70 -> sales, else nurture\", or edit the file and use --preview alone."}
	}
	q := *p
	q.rules = append([]RuleSpec{}, p.rules...)
	r := &q.rules[rule]
	when := r.When[:at[0]] + number + r.When[at[1]:]
	if r.Name == r.When {
		r.Name = when
	}
	r.When = when
	if q.File.Rule != "" {
		var b strings.Builder
		for _, r := range q.rules {
			b.WriteString(r.When + " -> " + r.Action + ", ")
		}
		q.File.Rule = b.String() + "else " + q.other
	} else {
		q.File.Rules = q.rules
	}
	q.hash = q.digest()
	return &q, nil
}

// RuleText is the policy's rules as one line for a person.
func (p *Policy) RuleText() string {
	var parts []string
	for _, r := range p.rules {
		parts = append(parts, r.When+" -> "+r.Action)
	}
	return strings.Join(append(parts, "else "+p.other), ", ")
}

// Schema is the JSON Schema of a policy file.
func Schema() map[string]any { return config.Schema("Millrace policy", &PolicyFile{}) }
