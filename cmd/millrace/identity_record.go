package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"millrace/internal/fault"
	"millrace/internal/state"
	"millrace/transform/identity"
)

// recording are the flags of the commands that record something.
type recording struct {
	reason, author string
	dry            bool
}

func (r *recording) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.reason, "reason", "", "why; whoever reads it next year will want to know (required)")
	f.StringVar(&r.author, "author", "", "who says so (default: you)")
	f.BoolVar(&r.dry, "dry-run", false, "show what would change and record nothing")
}

func newIdentityRecordingCmds(a *app) []*cobra.Command {
	var merge, split, block, prefer, lock, undo recording
	var of string
	var all bool
	list := []*cobra.Command{
		{
			Use: "merge A B", Short: "Say that A and B are one person or one company", Args: cobra.ExactArgs(2),
			Long: `Records that all records of A and B are one. It holds whatever rules and models say, until it is undone; undoing it gives both
their ids back. A merge that contradicts what was said before is refused, with the chain that contradicts it.`,
			Example: `  millrace identity merge p_1f2e3d4c5b6a7988 jane@acme.example --reason "same person, new address"`,
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.identityMerge(cmd.Context(), args[0], args[1], merge)
			},
		},
		{
			Use: "split ENTITY RECORD...", Short: "Say that some records of a person or company are somebody else's", Args: cobra.MinimumNArgs(2),
			Long: `Records that the named records of ENTITY are not the same one as its other records. They stay together as far as the evidence
ties them to each other. Without it, two records may be named alone: they are kept apart from each other.`,
			Example: `  millrace identity split p_1f2e3d4c5b6a7988 stripe:customer:cus_1 --reason "her father's account"
  millrace identity split hubspot:contact:1 hubspot:contact:2 --reason "namesakes"`,
			RunE: func(cmd *cobra.Command, args []string) error { return a.identitySplit(cmd.Context(), args, split) },
		},
		{
			Use: "block KIND VALUE", Short: "Say that an e-mail address, phone, domain or other identifier ties nobody", Args: cobra.ExactArgs(2),
			Example: `  millrace identity block email shared@acme.example --reason "three people read it"
  millrace identity block domain coworking.example --of company --reason "many tenants"`,
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.identityBlock(cmd.Context(), args[0], args[1], of, block)
			},
		},
		{
			Use: "prefer ENTITY ATTRIBUTE VALUE", Short: "Say which value holds for a person or company, whatever the sources say", Args: cobra.ExactArgs(3),
			Example: `  millrace identity prefer jane@acme.example job_title "Chief Financial Officer" --reason "told us on the phone"`,
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.identityPrefer(cmd.Context(), args[0], args[1], args[2], prefer)
			},
		},
		{
			Use: "lock ENTITY", Short: "Say that a person or company is right as it is: no record joins or leaves", Args: cobra.ExactArgs(1),
			Example: `  millrace identity lock jane@acme.example --reason "checked by hand"`,
			RunE:    func(cmd *cobra.Command, args []string) error { return a.identityLock(cmd.Context(), args[0], lock) },
		},
		{
			Use: "undo NUMBER", Short: "Take back what was recorded; the record of it stays", Args: cobra.ExactArgs(1),
			Example: `  millrace identity undo 17 --reason "they are two after all"`,
			RunE:    func(cmd *cobra.Command, args []string) error { return a.identityUndo(cmd.Context(), args[0], undo) },
		},
		{
			Use: "overrides", Short: "List what people recorded, with what became of it in the last build", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.identityOverrides(cmd.Context(), all) },
		},
	}
	for i, r := range []*recording{&merge, &split, &block, &prefer, &lock, &undo} {
		r.flags(list[i])
	}
	list[2].Flags().StringVar(&of, "of", "", "person or company (default: company for domain, name_country, crm_company; else person)")
	list[6].Flags().BoolVar(&all, "all", false, "also those that were taken back")
	return list
}

// allOverrides reads what was recorded; nothing before the target has a state.
func (a *app) allOverrides(ctx context.Context) ([]state.Override, error) {
	p, err := a.project()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(p.StateFile()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := state.Open(ctx, p.StateFile())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return db.Overrides.List(ctx)
}

// toRule is an override as the build judges it.
func toRule(o state.Override) identity.Override {
	return identity.Override{ID: o.ID, Kind: o.Kind, Of: o.Entity, Left: o.Left, Right: o.Right, Attribute: o.Attribute, Value: o.Value, Author: o.Author, Reason: o.Reason}
}

func toRules(list []state.Override) []identity.Override {
	out := make([]identity.Override, len(list))
	for i, o := range list {
		out[i] = toRule(o)
	}
	return out
}

// overrideText is an override in words.
func overrideText(o state.Override) string {
	what := ""
	side := func(keys []string) string {
		if len(keys) > 3 {
			return fmt.Sprintf("%s and %d more", strings.Join(keys[:3], ", "), len(keys)-3)
		}
		return strings.Join(keys, ", ")
	}
	switch o.Kind {
	case identity.Merge:
		what = "one " + o.Entity + ": " + side(append(slices.Clone(o.Left), o.Right...))
	case identity.Split:
		what = "apart: " + side(o.Left) + " from " + side(o.Right)
	case identity.Lock:
		what = "locked: " + side(o.Left)
	case identity.Block:
		what = "blocked: " + o.Attribute + " " + o.Value
	case identity.Prefer:
		what = o.Attribute + " is " + o.Value + " for " + side(o.Left)
	}
	return fmt.Sprintf("#%d %s (%s)", o.ID, what, o.Reason)
}

// foundAll finds several entities of one kind in the published build.
func (a *app) foundAll(ctx context.Context, refs ...string) ([]*entity, *publishedBuild, error) {
	p, err := a.project()
	if err != nil {
		return nil, nil, err
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	var out []*entity
	for _, r := range refs {
		e, err := b.find(ctx, r)
		if err != nil {
			b.Close()
			return nil, nil, err
		}
		out = append(out, e)
	}
	for _, e := range out {
		if e.of != out[0].of {
			// A customer of billing is both: when the other one is a company, the company is meant.
			for i, x := range out {
				if x.Record == "" || x.of == "company" {
					continue
				}
				ids, err := b.texts(ctx, "select account_id from identity.company_membership where record_key = ?", x.Record)
				if err == nil && len(ids) == 1 {
					if y, err := b.load(ctx, companyKind(), ids[0]); err == nil {
						y.Asked, y.Record = x.Asked, x.Record
						out[i] = y
					}
				}
			}
			if slices.ContainsFunc(out, func(y *entity) bool { return y.of != out[0].of }) {
				b.Close()
				return nil, nil, &fault.Error{Msg: fmt.Sprintf("%s is a %s, %s is a %s", out[0].Asked+out[0].Was, out[0].of, e.Asked+e.Was, e.of), Hint: "Name two people or two companies."}
			}
			break
		}
	}
	return out, b, nil
}

func (a *app) identityMerge(ctx context.Context, left, right string, r recording) error {
	es, b, err := a.foundAll(ctx, left, right)
	if err != nil {
		return err
	}
	defer b.Close()
	if es[0].ID == es[1].ID {
		return &fault.Error{Msg: fmt.Sprintf("%s and %s are one %s already: %s", left, right, es[0].of, es[0].name()), Hint: "millrace identity explain shows why; millrace identity lock keeps it so."}
	}
	return a.record(ctx, b, []state.Override{{Kind: identity.Merge, Entity: es[0].of, Left: es[0].keys(), Right: es[1].keys()}}, es, r)
}

func (a *app) identitySplit(ctx context.Context, refs []string, r recording) error {
	es, b, err := a.foundAll(ctx, refs...)
	if err != nil {
		return err
	}
	defer b.Close()
	e := es[0]
	var out, rest []string
	for i, x := range es[1:] {
		if x.ID != e.ID {
			return &fault.Error{Value: refs[i+1], Msg: fmt.Sprintf("is no record of %s but of %s: they are apart already", e.name(), x.ID), Hint: "millrace identity why " + e.ID + " lists its records."}
		}
		if x.Record == "" {
			return &fault.Error{Value: refs[i+1], Msg: "is not the key of a record", Hint: "millrace identity why " + e.ID + " lists its records."}
		}
		out = append(out, x.Record)
	}
	if e.Record != "" && len(refs) == 2 { // two records: only these two
		if e.Record == out[0] {
			return &fault.Error{Value: e.Record, Msg: "a record cannot be kept apart from itself", Hint: "Name two records, or an entity and some of its records."}
		}
		rest = []string{e.Record}
	} else {
		for _, k := range e.keys() {
			if !slices.Contains(out, k) {
				rest = append(rest, k)
			}
		}
		if len(rest) == 0 {
			return &fault.Error{Msg: "these are all the records of " + e.name() + ": nothing would be left", Hint: "Name those that are somebody else's."}
		}
	}
	return a.record(ctx, b, []state.Override{{Kind: identity.Split, Entity: e.of, Left: out, Right: rest}}, []*entity{e}, r)
}

func (a *app) identityBlock(ctx context.Context, kind, value, of string, r recording) error {
	kindsOf := map[string][]string{"person": {"email", "mailbox", "phone", "crm_contact", "product_user", "stripe_customer"}, "company": {"domain", "name_country", "crm_company", "stripe_customer"}}
	if of == "" {
		of = "person"
		if slices.Contains(kindsOf["company"], kind) && !slices.Contains(kindsOf["person"], kind) {
			of = "company"
		}
	}
	if kindsOf[of] == nil {
		return &fault.Error{Key: "--of", Value: of, Msg: "there are people and companies", Hint: "Write person or company."}
	}
	if !slices.Contains(kindsOf[of], kind) {
		return &fault.Error{Key: "KIND", Value: kind, Msg: "is no kind of identifier of a " + of, Hint: fault.DidYouMean(kind, kindsOf[of]) + " There are " + strings.Join(kindsOf[of], ", ") + "."}
	}
	p, err := a.project()
	if err != nil {
		return err
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer b.Close()
	k := personKind()
	if of == "company" {
		k = companyKind()
	}
	if kind == "email" || kind == "domain" {
		value = strings.ToLower(strings.TrimSpace(value))
	}
	var ids []string
	if kind == "phone" {
		ids, err = b.texts(ctx, "select distinct m.person_id from identity.person_records r inner join identity.person_membership m on m.record_key = r.record_key where r.phone = ? order by all", value)
	} else {
		ids, err = b.texts(ctx, "select distinct m."+k.id+" from "+k.identifiers+" i inner join "+k.membership+" m on m.record_key = i.record_key where i.identifier_type = ? and i.identifier_value = ? order by all", kind, value)
	}
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return &fault.Error{Value: value, Msg: "no record holds this " + kind, Hint: "Write it as identity." + of + "_identifiers has it."}
	}
	var es []*entity
	for _, id := range ids {
		e, err := b.load(ctx, k, id)
		if err != nil {
			return err
		}
		es = append(es, e)
	}
	return a.record(ctx, b, []state.Override{{Kind: identity.Block, Entity: of, Attribute: kind, Value: value}}, es, r)
}

func (a *app) identityPrefer(ctx context.Context, ref, attribute, value string, r recording) error {
	es, b, err := a.foundAll(ctx, ref)
	if err != nil {
		return err
	}
	defer b.Close()
	e := es[0]
	known, err := b.texts(ctx, "select distinct attribute from "+e.golden+" order by all")
	if err != nil {
		return err
	}
	if !slices.Contains(known, attribute) {
		return &fault.Error{Key: "ATTRIBUTE", Value: attribute, Msg: "is no attribute of a " + e.of, Hint: orText(fault.DidYouMean(attribute, known), "There are "+strings.Join(known, ", ")+".")}
	}
	if strings.TrimSpace(value) == "" {
		return &fault.Error{Key: "VALUE", Msg: "is empty", Hint: "Write the value that holds."}
	}
	return a.record(ctx, b, []state.Override{{Kind: identity.Prefer, Entity: e.of, Left: e.keys(), Attribute: attribute, Value: strings.TrimSpace(value)}}, es, r)
}

func orText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (a *app) identityLock(ctx context.Context, ref string, r recording) error {
	es, b, err := a.foundAll(ctx, ref)
	if err != nil {
		return err
	}
	defer b.Close()
	return a.record(ctx, b, []state.Override{{Kind: identity.Lock, Entity: es[0].of, Left: es[0].keys()}}, es, r)
}

// record judges overrides with one author and reason, says what the next build will change, and records them unless it is a dry run.
func (a *app) record(ctx context.Context, b *publishedBuild, list []state.Override, es []*entity, r recording) error {
	reason := strings.TrimSpace(r.reason)
	switch {
	case reason != "":
	case r.dry:
		reason = "dry run"
	default:
		return &fault.Error{Key: "--reason", Msg: "is missing", Hint: "Say why with --reason \"...\": whoever reads it next year will want to know."}
	}
	for i := range list {
		list[i].Author, list[i].Reason = orText(r.author, userName(a)), reason
	}
	return a.recordEach(ctx, b, list, es, r.dry)
}

// recordEach does what record does for overrides that have their authors and reasons.
func (a *app) recordEach(ctx context.Context, b *publishedBuild, list []state.Override, es []*entity, dry bool) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	now := a.clock().UTC()
	for i := range list {
		list[i].At = now
	}
	before, err := a.allOverrides(ctx)
	if err != nil {
		return err
	}
	active := slices.DeleteFunc(before, func(o state.Override) bool { return o.Revoked != nil })
	checked := slices.Clone(active)
	for _, o := range list {
		if err := identity.Check(toRule(o), toRules(checked)); err != nil {
			return err
		}
		checked = append(checked, o)
	}
	expected, err := b.preview(ctx, es, toRules(active), toRules(list), nil)
	if err != nil {
		return err
	}
	var ids []int64
	if !dry {
		db, err := state.Open(ctx, p.StateFile())
		if err != nil {
			return err
		}
		defer db.Close()
		next := 0
		ids, err = db.Overrides.AddAll(ctx, list, func(active []state.Override) error {
			o := list[next]
			next++
			return identity.Check(toRule(o), toRules(active))
		})
		if err != nil {
			return err
		}
		for i := range list {
			list[i].ID = ids[i]
		}
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"overrides": list, "recorded": !dry, "expected": expected})
	}
	for _, o := range list {
		if dry {
			o.ID = 0
			a.con.Say("Would record %s", strings.TrimPrefix(overrideText(o), "#0 "))
		} else {
			a.con.Say("Recorded %s", overrideText(o))
		}
	}
	a.sayExpected(expected)
	if !dry {
		a.con.Say("The next build applies it. Take it back with: millrace identity undo %d", ids[0])
	}
	return nil
}

func (a *app) identityUndo(ctx context.Context, number string, r recording) error {
	id, err := strconv.ParseInt(strings.TrimPrefix(number, "#"), 10, 64)
	if err != nil {
		return &fault.Error{Key: "NUMBER", Value: number, Msg: "is not a number", Hint: "`millrace identity overrides` lists them."}
	}
	p, err := a.project()
	if err != nil {
		return err
	}
	all, err := a.allOverrides(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(o state.Override) bool { return o.ID == id })
	if at < 0 {
		return &fault.Error{Key: "NUMBER", Value: number, Msg: "nothing was recorded under this number", Hint: "`millrace identity overrides` lists what was."}
	}
	o := all[at]
	if o.Revoked != nil {
		return &fault.Error{Key: "NUMBER", Value: number, Msg: fmt.Sprintf("was taken back by %s on %s already", o.Revoked.Author, o.Revoked.At.Format("2006-01-02")), Hint: "Record it anew if it should hold again."}
	}
	if strings.TrimSpace(r.reason) == "" && !r.dry {
		return &fault.Error{Key: "--reason", Msg: "is missing", Hint: "Say why with --reason \"...\"."}
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer b.Close()
	es, err := b.holders(ctx, o)
	if err != nil {
		return err
	}
	active := slices.DeleteFunc(slices.Clone(all), func(x state.Override) bool { return x.Revoked != nil })
	expected, err := b.preview(ctx, es, toRules(active), nil, &id)
	if err != nil {
		return err
	}
	if !r.dry {
		db, err := state.Open(ctx, p.StateFile())
		if err != nil {
			return err
		}
		defer db.Close()
		author := r.author
		if author == "" {
			author = userName(a)
		}
		err = db.Overrides.Revoke(ctx, id, state.Revocation{Author: author, Reason: strings.TrimSpace(r.reason), At: a.clock().UTC()})
		if errors.Is(err, state.ErrNoOverride) {
			return &fault.Error{Key: "NUMBER", Value: number, Msg: "was taken back by somebody else just now"}
		}
		if err != nil {
			return err
		}
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"override": o, "undone": !r.dry, "expected": expected})
	}
	if r.dry {
		a.con.Say("Would take back %s", overrideText(o))
	} else {
		a.con.Say("Taken back: %s", overrideText(o))
	}
	a.sayExpected(expected)
	if !r.dry {
		a.con.Say("The next build applies it.")
	}
	return nil
}

// holders are the entities that an override is about, in the published build.
func (b *publishedBuild) holders(ctx context.Context, o state.Override) ([]*entity, error) {
	k := personKind()
	if o.Entity == "company" {
		k = companyKind()
	}
	ids := map[string]bool{}
	for _, key := range append(slices.Clone(o.Left), o.Right...) {
		found, err := b.texts(ctx, "select "+k.id+" from "+k.membership+" where record_key = ?", key)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			ids[id] = true
		}
	}
	if o.Kind == identity.Block {
		found, err := b.texts(ctx, "select distinct m."+k.id+" from "+k.identifiers+" i inner join "+k.membership+" m on m.record_key = i.record_key where i.identifier_type = ? and i.identifier_value = ?", o.Attribute, o.Value)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			ids[id] = true
		}
	}
	var sorted []string
	for id := range ids {
		sorted = append(sorted, id)
	}
	slices.Sort(sorted)
	var out []*entity
	for _, id := range sorted {
		e, err := b.load(ctx, k, id)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (a *app) identityOverrides(ctx context.Context, withRevoked bool) error {
	all, err := a.allOverrides(ctx)
	if err != nil {
		return err
	}
	if !withRevoked {
		all = slices.DeleteFunc(all, func(o state.Override) bool { return o.Revoked != nil })
	}
	became := map[int64][2]string{}
	if p, err := a.project(); err == nil {
		if b, err := a.published(ctx, p); err == nil {
			defer b.Close()
			// A build from before the first override has no such relation, which is no reason to hide the list.
			_ = b.db.Each(ctx, "select override_id, status, why from identity.override_status", func(row []any) error {
				became[int64(number(row[0]))] = [2]string{cellText(row[1]), cellText(row[2])}
				return nil
			})
		}
	}
	if a.flags.json {
		type item struct {
			state.Override
			Status string `json:"status"`
			Why    string `json:"why,omitempty"`
		}
		out := []item{}
		for _, o := range all {
			out = append(out, item{o, orText(became[o.ID][0], "not built yet"), became[o.ID][1]})
		}
		return a.con.Result(map[string]any{"overrides": out})
	}
	if len(all) == 0 {
		a.con.Say("Nothing is recorded. `millrace identity --help` says what can be.")
		return nil
	}
	var rows [][]string
	for _, o := range all {
		status := orText(became[o.ID][0], "not built yet")
		if o.Revoked != nil {
			status = "taken back by " + o.Revoked.Author
		}
		text := strings.TrimPrefix(overrideText(o), fmt.Sprintf("#%d ", o.ID))
		rows = append(rows, []string{fmt.Sprint(o.ID), o.Kind, cut(text, 90), o.Author, o.At.Format("2006-01-02"), status})
	}
	a.con.Table([]string{"no", "kind", "what", "by", "on", "status"}, rows, 0)
	for _, o := range all {
		if s := became[o.ID]; s[0] == identity.Contradicted && o.Revoked == nil {
			a.con.Say("#%d is set aside: %s. Take one of them back.", o.ID, s[1])
		}
	}
	return nil
}
