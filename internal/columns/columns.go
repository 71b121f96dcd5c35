// Package columns tells what the columns of a list hold: from what they are called, in many spellings and languages, and
// from what stands in them. It says why, so that a person can correct it. It must not read files.
package columns

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"millrace/internal/fault"
	"millrace/internal/match"
)

// Column is what was recognised of one column.
type Column struct {
	Name    string     `json:"column"`
	Type    match.Type `json:"type"`          // how it is compared; match.Ignore: not at all
	Key     bool       `json:"key,omitempty"` // numbers the rows: names them in what is shown
	Why     string     `json:"why"`
	Filled  float64    `json:"filled"` // share of the sampled rows that have a value
	ByHand  bool       `json:"by_hand,omitempty"`
	Example string     `json:"-"` // a value; never for logs

	kind  string // of headers.txt
	name  float64
	stats stats
}

// Result is what was recognised of a list.
type Result struct {
	Entity    match.Entity
	EntityWhy string
	Columns   []Column
}

// Asked is what a person said about the columns.
type Asked struct {
	Entity match.Entity      // empty: find out
	Kinds  map[string]string // by column: a kind as Kind reads it
	Ignore []string          // columns
	Truth  []string          // columns that must not be looked at: neither their values nor what they are called counts
}

// Recognise looks at the names of the columns and a sample of the rows (nil: no value). The result does not depend on the
// order of the columns except in ties, which the earlier column wins.
func Recognise(names []string, sample [][]*string, asked Asked) (Result, error) {
	r := Result{Columns: make([]Column, len(names))}
	words := newVocabulary()
	truth := func(name string) bool {
		return slices.ContainsFunc(asked.Truth, func(t string) bool { return strings.EqualFold(strings.TrimSpace(t), name) })
	}
	for i, n := range names {
		if truth(n) {
			r.Columns[i] = Column{Name: n, Type: match.Ignore, kind: "truth", Why: "truth: read only when the answer stands"}
			continue
		}
		c := Column{Name: n, Type: match.Ignore, stats: look(sample, i)}
		c.Filled, c.Example = c.stats.filled(), c.stats.example
		c.kind, c.name, c.Why = words.kind(n)
		r.Columns[i] = c
	}
	r.Entity, r.EntityWhy = asked.Entity, "as asked"
	if r.Entity == "" {
		r.Entity, r.EntityWhy = entity(r.Columns)
	}
	for i := range r.Columns {
		if r.Columns[i].kind != "truth" {
			r.Columns[i].decide(r.Entity)
		}
	}
	r.only(match.GivenName, match.Surname, match.FullName, match.MiddleName, match.CompanyName, match.Employer, match.HouseNumber, match.Postcode, match.City, match.Country, match.State, match.Date)
	r.fullName()
	if err := r.apply(asked); err != nil {
		return r, err
	}
	r.key()
	return r, nil
}

// apply puts what a person said over what was recognised.
func (r *Result) apply(asked Asked) error {
	names := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		names[i] = c.Name
	}
	find := func(flag, column string) (*Column, error) {
		for i := range r.Columns {
			if strings.EqualFold(r.Columns[i].Name, strings.TrimSpace(column)) {
				return &r.Columns[i], nil
			}
		}
		hint := fault.DidYouMean(column, names)
		if hint == "" {
			hint = "The list has: " + strings.Join(names, ", ") + "."
		}
		return nil, &fault.Error{Key: flag, Value: column, Msg: "the list has no such column", Hint: hint}
	}
	mapped := make([]string, 0, len(asked.Kinds))
	for c := range asked.Kinds {
		mapped = append(mapped, c)
	}
	sort.Strings(mapped)
	for _, name := range mapped {
		c, err := find("--map", name)
		if err != nil {
			return err
		}
		t, err := Kind(asked.Kinds[name], r.Entity)
		if err != nil {
			return err
		}
		c.Type, c.Why, c.ByHand, c.Key = t, "as --map says", true, false
	}
	for _, name := range asked.Ignore {
		c, err := find("--ignore", name)
		if err != nil {
			return err
		}
		c.Type, c.Why, c.ByHand, c.Key = match.Ignore, "left out by --ignore", true, false
	}
	return nil
}

// Sort names what a column holds, finer than its type: a social security number is no customer number. Columns of one sort
// in two lists are compared with each other.
func (c Column) Sort() string {
	if c.ByHand || c.kind == "" || c.Type != match.ID && c.Type != match.Text {
		return string(c.Type)
	}
	return string(c.Type) + "/" + c.kind
}

// Fields are the columns that are compared, as the matching takes them.
func (r Result) Fields() []match.Field {
	var out []match.Field
	for _, c := range r.Columns {
		if c.Type != match.Ignore {
			out = append(out, match.Field{Name: c.Name, Type: c.Type})
		}
	}
	return out
}

// NoColumn is the error of a list of which nothing was recognised: it lists what there is.
func (r Result) NoColumn(path string) error {
	var has []string
	for i, c := range r.Columns {
		if i == 12 {
			has = append(has, fmt.Sprintf("and %d more", len(r.Columns)-i))
			break
		}
		has = append(has, c.Name)
	}
	return &fault.Error{File: path, Msg: "no column was recognised that tells people or companies apart; it has " + strings.Join(has, ", "),
		Hint: "Say what they hold: --map name=COLUMN, --map email=COLUMN and so on; kinds: " + strings.Join(Kinds(), ", ") + "."}
}

// only leaves one column of each of these types: the one that is named best, then the one that is filled best.
func (r *Result) only(types ...match.Type) {
	for _, t := range types {
		best := -1
		for i, c := range r.Columns {
			if c.Type != t {
				continue
			}
			if b := r.at(best); b == nil || c.name > b.name || c.name == b.name && c.Filled > b.Filled+0.05 {
				best = i
			}
		}
		for i := range r.Columns {
			if c := &r.Columns[i]; c.Type == t && i != best {
				c.Type, c.Why = match.Ignore, fmt.Sprintf("%s is taken for this already", r.Columns[best].Name)
			}
		}
	}
}

func (r *Result) at(i int) *Column {
	if i < 0 {
		return nil
	}
	return &r.Columns[i]
}

// fullName leaves the whole name out where given name and surname stand in columns of their own.
func (r *Result) fullName() {
	has := map[match.Type]string{}
	for _, c := range r.Columns {
		has[c.Type] = c.Name
	}
	if has[match.GivenName] == "" || has[match.Surname] == "" {
		return
	}
	for i := range r.Columns {
		if c := &r.Columns[i]; c.Type == match.FullName {
			c.Type, c.Why = match.Ignore, fmt.Sprintf("the whole name; %s and %s hold its parts", has[match.GivenName], has[match.Surname])
		}
	}
}

// key picks the column that names the rows in what is shown: one that numbers them.
func (r *Result) key() {
	found := false
	for i := range r.Columns {
		c := &r.Columns[i]
		if c.Key = c.Key && !found; c.Key {
			found = true
		}
	}
}
