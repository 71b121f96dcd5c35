package identity

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"millrace/internal/fault"
)

// The kinds of overrides.
const (
	Merge  = "merge"  // all records of Left and Right are one entity
	Split  = "split"  // no record of Left is the same entity as one of Right
	Lock   = "lock"   // the records of Left are one entity, and no other record joins them
	Block  = "block"  // the identifier Attribute = Value ties nobody
	Prefer = "prefer" // Value holds for Attribute of the entity with the records of Left
)

// Override is what a person said about identity. It outranks every model and is applied in every build.
type Override struct {
	ID          int64
	Kind        string
	Of          string // person or company
	Left, Right []string
	Attribute   string
	Value       string
	Author      string
	Reason      string
}

// Step is one link of a chain that shows why two records must be one: override ID says that A and B are.
type Step struct {
	ID   int64
	A, B string
}

// Status of an override in a build.
const (
	Applied      = "applied"      // it holds
	Waiting      = "waiting"      // its records, or those of one side, are not delivered
	Contradicted = "contradicted" // another override says the opposite; it is set aside
)

// Verdict is what became of one override.
type Verdict struct {
	ID     int64
	Status string
	With   int64 // override that contradicts it
	Why    string
}

// Rules are overrides ready to be applied: what must be one, what must not, and what takes nobody in.
type Rules struct {
	Must     []Step            // pairs to join, in this order
	Cannot   []Step            // pairs to keep apart
	Locked   map[string]int64  // lock of a record
	Verdicts []Verdict         // one per override
	Touched  map[string]bool   // records that a merge, split or lock names
	links    map[string][]Step // must-links by record
}

// Resolve turns overrides, in the order of their numbers, into rules for the records that are present. What keeps apart
// comes first, so that nothing is ever merged by accident: a merge that would join what another override keeps apart is
// set aside and reported, and of two such merges the earlier one holds. Input that makes no sense (edited exports) is
// reported in the same way.
func Resolve(list []Override, present func(record string) bool) *Rules {
	r := &Rules{Locked: map[string]int64{}, Touched: map[string]bool{}, links: map[string][]Step{}}
	list = slices.Clone(list)
	sort.SliceStable(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	here := func(keys []string) []string {
		var out []string
		for _, k := range keys {
			if present(k) && !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
		slices.Sort(out)
		return out
	}
	verdict := map[int64]Verdict{}
	set := func(v Verdict) {
		if old, ok := verdict[v.ID]; !ok || old.Status != Contradicted {
			verdict[v.ID] = v
		}
	}
	touch := func(keys []string) {
		for _, k := range keys {
			r.Touched[k] = true
		}
	}
	for _, o := range list { // what keeps apart
		left, right := here(o.Left), here(o.Right)
		switch o.Kind {
		case Split:
			if k := common(left, right); k != "" {
				set(Verdict{ID: o.ID, Status: Contradicted, With: o.ID, Why: "it keeps " + k + " apart from itself"})
				continue
			}
			if len(left) == 0 || len(right) == 0 {
				set(Verdict{ID: o.ID, Status: Waiting, Why: "no record of one side is delivered"})
				continue
			}
			for _, a := range left {
				for _, b := range right {
					r.Cannot = append(r.Cannot, Step{o.ID, a, b})
				}
			}
			touch(left)
			touch(right)
			set(Verdict{ID: o.ID, Status: Applied})
		case Lock:
			if len(left) == 0 {
				set(Verdict{ID: o.ID, Status: Waiting, Why: "none of its records is delivered"})
				continue
			}
			var other int64
			for _, k := range left {
				if id, ok := r.Locked[k]; ok {
					other = id
				}
			}
			if other != 0 {
				set(Verdict{ID: o.ID, Status: Contradicted, With: other, Why: "override " + name(other) + " locks some of its records already"})
				continue
			}
			for _, k := range left {
				r.Locked[k] = o.ID
			}
			touch(left)
			set(Verdict{ID: o.ID, Status: Applied})
		case Block, Prefer:
			if o.Kind == Prefer && len(left) == 0 {
				set(Verdict{ID: o.ID, Status: Waiting, Why: "none of its records is delivered"})
				continue
			}
			set(Verdict{ID: o.ID, Status: Applied})
		case Merge:
		default:
			set(Verdict{ID: o.ID, Status: Contradicted, With: o.ID, Why: fmt.Sprintf("%q is no kind of override", o.Kind)})
		}
	}
	for _, o := range list { // what is one
		var keys []string
		switch o.Kind {
		case Lock:
			if verdict[o.ID].Status != Applied {
				continue
			}
			keys = here(o.Left)
		case Merge:
			keys = here(append(slices.Clone(o.Left), o.Right...))
			if len(keys) < 2 || len(here(o.Left)) == 0 || len(here(o.Right)) == 0 && len(o.Right) > 0 {
				set(Verdict{ID: o.ID, Status: Waiting, Why: "fewer than two of its records are delivered"})
				continue
			}
		default:
			continue
		}
		if v, bad := r.against(o.ID, keys); bad {
			set(v)
			continue
		}
		for _, k := range keys[1:] {
			r.link(Step{o.ID, keys[0], k})
		}
		touch(keys)
		set(Verdict{ID: o.ID, Status: Applied})
	}
	for _, o := range list {
		r.Verdicts = append(r.Verdicts, verdict[o.ID])
	}
	return r
}

func (r *Rules) link(s Step) {
	r.Must = append(r.Must, s)
	r.links[s.A] = append(r.links[s.A], s)
	r.links[s.B] = append(r.links[s.B], Step{s.ID, s.B, s.A})
}

// reach is every record that must be one with key, with the step that led there.
func (r *Rules) reach(key string) map[string]Step {
	seen := map[string]Step{key: {}}
	queue := []string{key}
	for len(queue) > 0 {
		k := queue[0]
		queue = queue[1:]
		for _, s := range r.links[k] {
			if _, ok := seen[s.B]; !ok {
				seen[s.B] = s
				queue = append(queue, s.B)
			}
		}
	}
	return seen
}

// chain is the way from a to b over must-links; nil when there is none.
func (r *Rules) chain(a, b string) []Step {
	seen := r.reach(a)
	if _, ok := seen[b]; !ok {
		return nil
	}
	var out []Step
	for k := b; k != a; {
		s := seen[k]
		out = append(out, s)
		k = s.A
	}
	slices.Reverse(out)
	return out
}

// against looks for what forbids that keys, with all that must be one with them, are one.
func (r *Rules) against(id int64, keys []string) (Verdict, bool) {
	from := map[string]string{} // record: the key that brings it in
	for _, k := range keys {
		reached := r.reach(k)
		for x := range reached {
			if f, ok := from[x]; !ok || k < f {
				from[x] = k
			}
		}
	}
	for _, c := range r.Cannot {
		fa, oka := from[c.A]
		fb, okb := from[c.B]
		if !oka || !okb {
			continue
		}
		steps := r.chain(c.A, fa)
		if fa != fb {
			steps = append(steps, Step{id, fa, fb})
		}
		steps = append(steps, r.chain(fb, c.B)...)
		return Verdict{ID: id, Status: Contradicted, With: c.ID, Why: tell(steps) + "; but override " + name(c.ID) + " keeps " + c.A + " and " + c.B + " apart"}, true
	}
	var all []string
	for x := range from {
		all = append(all, x)
	}
	slices.Sort(all)
	for _, x := range all {
		lock, ok := r.Locked[x]
		if !ok || lock == id {
			continue
		}
		for _, y := range all {
			if r.Locked[y] != lock {
				return Verdict{ID: id, Status: Contradicted, With: lock, Why: "override " + name(lock) + " locks the entity of " + x + ", and " + y + " is not part of it"}, true
			}
		}
	}
	return Verdict{}, false
}

// tell is a chain in words.
func tell(steps []Step) string {
	if len(steps) == 0 {
		return "it joins a record with itself"
	}
	var parts []string
	for _, s := range steps {
		parts = append(parts, "override "+name(s.ID)+" makes "+s.A+" and "+s.B+" one")
	}
	return strings.Join(parts, ", ")
}

// name is how people call an override: #17, or "this one" before it has a number.
func name(id int64) string {
	if id == pending {
		return "(this one)"
	}
	return fmt.Sprintf("#%d", id)
}

// pending is the number of an override that is only being judged: later than all others.
const pending = int64(1<<62 - 1)

func common(a, b []string) string {
	for _, k := range a {
		if slices.Contains(b, k) {
			return k
		}
	}
	return ""
}

// Check judges an override before it is recorded, against those that hold. It refuses one that contradicts them, with the
// chain that does, and one that they say already: a circle of merges would say nothing and hide what undo takes back.
func Check(o Override, active []Override) error {
	if err := shape(o); err != nil {
		return err
	}
	o.ID = pending
	everywhere := func(string) bool { return true }
	same := slices.DeleteFunc(slices.Clone(active), func(x Override) bool { return x.Of != o.Of })
	before := Resolve(same, everywhere)
	after := Resolve(append(same, o), everywhere)
	for i, v := range after.Verdicts {
		old := Applied
		if i < len(before.Verdicts) {
			old = before.Verdicts[i].Status
		}
		if v.Status != Contradicted || old == Contradicted {
			continue
		}
		why, by := v.Why, v.With
		if v.ID != pending { // the new one would set an earlier one aside
			by = v.ID
		}
		hint := "Nothing was recorded. Take the other back first: millrace identity undo " + strings.TrimPrefix(name(by), "#") + "."
		if by == pending {
			hint = "Nothing was recorded."
		}
		return &fault.Error{Msg: "this contradicts what was said before: " + why, Hint: hint}
	}
	switch o.Kind {
	case Merge:
		keys := append(slices.Clone(o.Left), o.Right...)
		known := true
		var steps []Step
		for _, k := range keys[1:] {
			if k == keys[0] {
				continue
			}
			c := before.chain(keys[0], k)
			known = known && c != nil
			steps = append(steps, c...)
		}
		if known {
			return already("they must be one", steps)
		}
	case Split:
		var steps []Step
		for _, a := range o.Left {
			for _, b := range o.Right {
				i := slices.IndexFunc(before.Cannot, func(s Step) bool { return s.A == a && s.B == b || s.A == b && s.B == a })
				if i < 0 {
					return nil
				}
				steps = append(steps, before.Cannot[i])
			}
		}
		return already("they are kept apart", steps)
	case Block, Prefer:
		for _, x := range same {
			if x.Kind == o.Kind && x.Attribute == o.Attribute && x.Value == o.Value && slices.Equal(x.Left, o.Left) {
				return already("the same value", []Step{{ID: x.ID}})
			}
		}
	}
	return nil
}

func already(what string, steps []Step) error {
	ids := map[int64]bool{}
	var list []string
	for _, s := range steps {
		if !ids[s.ID] {
			ids[s.ID] = true
			list = append(list, name(s.ID))
		}
	}
	return &fault.Error{Msg: "this is said already by " + strings.Join(list, " and ") + ": " + what, Hint: "Nothing was recorded."}
}

// shape refuses what cannot mean anything.
func shape(o Override) error {
	if o.Of != Person && o.Of != Company {
		return &fault.Error{Value: o.Of, Msg: "an override is about a person or a company"}
	}
	bad := ""
	switch o.Kind {
	case Merge:
		if len(o.Left) == 0 || len(o.Left)+len(o.Right) < 2 {
			bad = "a merge needs two records"
		}
	case Split:
		if len(o.Left) == 0 || len(o.Right) == 0 {
			bad = "a split needs records on both sides"
		} else if k := common(o.Left, o.Right); k != "" {
			bad = "a split cannot keep " + k + " apart from itself"
		}
	case Lock:
		if len(o.Left) == 0 {
			bad = "a lock needs the records of an entity"
		}
	case Block:
		if o.Attribute == "" || o.Value == "" {
			bad = "a block needs a kind of identifier and its value"
		}
	case Prefer:
		if len(o.Left) == 0 || o.Attribute == "" || o.Value == "" {
			bad = "a preference needs an entity, an attribute and a value"
		}
	default:
		return &fault.Error{Value: o.Kind, Msg: "no such kind of override", Hint: fault.DidYouMean(o.Kind, []string{Merge, Split, Lock, Block, Prefer})}
	}
	if bad != "" {
		return &fault.Error{Msg: bad}
	}
	if strings.TrimSpace(o.Reason) == "" || strings.TrimSpace(o.Author) == "" {
		return &fault.Error{Msg: "an override needs an author and a reason", Hint: "Say why with --reason: whoever reads it next year will want to know."}
	}
	return nil
}

// What overrides and entities are about.
const (
	Person  = "person"
	Company = "company"
)
