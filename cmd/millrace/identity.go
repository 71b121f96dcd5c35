package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"millrace/internal/console"
	"millrace/internal/fault"
)

func newIdentityCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "identity",
		GroupID: "data",
		Short:   "Who is who: explain it, correct it, review what is uncertain",
		Long: `Shows why records are one person or one company, and records what people know better: merge, split, block a value, prefer a
value, lock an entity. What is recorded outranks every rule and model, holds through every rebuild, and is taken back with
undo. The next build applies it; --dry-run shows what would change and records nothing.

A person or company is named by its id (p_…, a_…; ids that were merged away lead to who stands for them), by the key of one of
its records (hubspot:contact:1000001), by an e-mail address, or a company by its domain.`,
		Example: `  millrace identity why jane@acme.example
  millrace identity explain hubspot:contact:1000001 stripe:customer:cus_1
  millrace identity merge p_1f2e3d4c5b6a7988 jane@acme.example --reason "same person, new address"
  millrace identity review`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newIdentityExplainCmd(a), newIdentityWhyCmd(a))
	cmd.AddCommand(newIdentityRecordingCmds(a)...)
	cmd.AddCommand(newIdentityReviewCmd(a))
	return cmd
}

// kindOf is one of the two kinds of entity, with the names of its relations.
type kindOf struct {
	of, plural          string // person, people
	membership, id      string // relation and its id column
	records, history    string
	edges, pairs        string
	identifiers, golden string
	idPrefix, label     string // label: the column of records that people know it by
}

func personKind() kindOf {
	return kindOf{of: "person", plural: "people", membership: "identity.person_membership", id: "person_id", records: "identity.person_records", history: "identity.person_history",
		edges: "identity.person_edges", pairs: "identity.person_pairs", identifiers: "identity.person_identifiers", golden: "identity.person_golden", idPrefix: "p_",
		label: "coalesce(nullif(concat_ws(' ', records.first_name, records.last_name), ''), records.email, records.company_name)"}
}

func companyKind() kindOf {
	return kindOf{of: "company", plural: "companies", membership: "identity.company_membership", id: "account_id", records: "identity.company_records", history: "identity.company_history",
		edges: "identity.company_edges", pairs: "identity.company_pairs", identifiers: "identity.company_identifiers", golden: "identity.company_golden", idPrefix: "a_",
		label: "coalesce(records.name, records.domain)"}
}

func kinds() []kindOf { return []kindOf{personKind(), companyKind()} }

// entity is a person or company of the published build.
type entity struct {
	kindOf `json:"-"`
	Of     string         `json:"entity"`
	ID     string         `json:"id"`
	Asked  string         `json:"asked,omitempty"`
	Record string         `json:"record,omitempty"` // when it was named by one
	Was    string         `json:"was,omitempty"`    // id that it was asked for by, when that was merged away
	Shared bool           `json:"is_mailbox"`       // a role inbox and not a person
	List   []entityRecord `json:"records"`
}

// entityRecord is one record of it.
type entityRecord struct {
	Key       string `json:"record_key"`
	Source    string `json:"source"`
	Object    string `json:"object"`
	Label     string `json:"name,omitempty"`
	Address   string `json:"address,omitempty"` // e-mail of a person, domain of a company
	Phone     string `json:"phone,omitempty"`
	Created   string `json:"created_at,omitempty"`
	MatchedBy string `json:"matched_by,omitempty"`
}

func (e *entity) keys() []string {
	out := make([]string, len(e.List))
	for i, r := range e.List {
		out[i] = r.Key
	}
	return out
}

// name is how a person would call it: "Jane Doe (p_…, 3 records)".
func (e *entity) name() string {
	label := ""
	if e.Shared {
		label = "mailbox " + e.List[0].Address
	}
	for _, r := range e.List {
		if label == "" {
			label = r.Label
		}
	}
	if label == "" {
		label = "without a name"
	}
	return fmt.Sprintf("%s (%s, %s)", label, e.ID, console.Count(int64(len(e.List)), "record"))
}

var entityID = regexp.MustCompile(`^([pa])_[0-9a-f]{16}$`)

// find finds the person or company that a text names.
func (b *publishedBuild) find(ctx context.Context, ref string) (*entity, error) {
	ref = strings.TrimSpace(ref)
	if m := entityID.FindStringSubmatch(ref); m != nil {
		k := personKind()
		if m[1] == "a" {
			k = companyKind()
		}
		return b.byID(ctx, k, ref)
	}
	for _, k := range kinds() {
		ids, err := b.texts(ctx, "select "+k.id+" from "+k.membership+" where record_key = ?", ref)
		if err != nil {
			return nil, err
		}
		// A customer of billing is a record of a person and of a company: the person first, who is asked about more.
		if len(ids) == 1 {
			e, err := b.load(ctx, k, ids[0])
			if err == nil {
				e.Asked, e.Record = ref, ref
			}
			return e, err
		}
	}
	var ids []string
	var err error
	k := personKind()
	switch {
	case strings.Contains(ref, "@"):
		ids, err = b.texts(ctx, `select distinct membership.person_id from identity.person_records as records
			inner join identity.person_membership as membership on membership.record_key = records.record_key
			where records.email = lower(trim(?)) order by all`, ref)
	case strings.Contains(ref, ".") && !strings.ContainsAny(ref, " :"):
		k = companyKind()
		ids, err = b.texts(ctx, `select distinct membership.account_id from identity.company_records as records
			inner join identity.company_membership as membership on membership.record_key = records.record_key
			where records.domain = regexp_replace(lower(trim(?)), '^(https?://)?(www\.)?', '') order by all`, ref)
	}
	switch {
	case err != nil:
		return nil, err
	case len(ids) == 1:
		e, err := b.load(ctx, k, ids[0])
		if err == nil {
			e.Asked = ref
		}
		return e, err
	case len(ids) > 1:
		return nil, &fault.Error{Value: ref, Msg: fmt.Sprintf("stands in the records of %d %s", len(ids), k.plural), Hint: "Name one: " + strings.Join(ids[:min(len(ids), 5)], ", ") + "."}
	}
	return nil, b.unknown(ctx, ref)
}

func (b *publishedBuild) byID(ctx context.Context, k kindOf, id string) (*entity, error) {
	e, err := b.load(ctx, k, id)
	if err != nil || len(e.List) > 0 {
		return e, err
	}
	row, err := b.texts(ctx, "select status || ' ' || coalesce(current_id, '') from identity.redirects where old_id = ?", id)
	if err != nil {
		return nil, err
	}
	if len(row) == 0 {
		return nil, &fault.Error{Value: id, Msg: "no " + k.of + " ever had this id", Hint: "Name a record, an e-mail address or a domain instead."}
	}
	status, current, _ := strings.Cut(row[0], " ")
	switch {
	case current != "":
		e, err := b.load(ctx, k, current)
		if err == nil {
			e.Was = id
		}
		return e, err
	case status == "erased":
		return nil, &fault.Error{Value: id, Msg: "was erased", Hint: "Nothing is known of it any more, as it was asked for."}
	}
	return nil, &fault.Error{Value: id, Msg: "has no records any more: no source delivers them", Hint: "It takes its id again when they come back."}
}

// unknown helps whoever named nobody.
func (b *publishedBuild) unknown(ctx context.Context, ref string) error {
	like, err := b.texts(ctx, `select name from (
			select distinct 1 as place, membership.person_id || ' ' || concat_ws(' ', records.first_name, records.last_name, records.email) as name
			from identity.person_records as records inner join identity.person_membership as membership on membership.record_key = records.record_key
			where contains(lower(concat_ws(' ', records.first_name, records.last_name)), lower(?)) or contains(records.email, lower(?)) or records.source_id = ?
			union
			select distinct 2, membership.account_id || ' ' || concat_ws(' ', records.name, records.domain)
			from identity.company_records as records inner join identity.company_membership as membership on membership.record_key = records.record_key
			where contains(lower(records.name), lower(?)) or contains(records.domain, lower(?)) or records.source_id = ?)
		order by place, name limit 5`, ref, ref, ref, ref, ref, ref)
	if err != nil {
		return err
	}
	hint := "Name an id (p_…, a_…), a record (hubspot:contact:1000001), an e-mail address or a domain."
	if len(like) > 0 {
		hint = "Did you mean " + strings.Join(like, ", or ") + "?"
	}
	return &fault.Error{Value: ref, Msg: "names no person and no company of the published build", Hint: hint}
}

func (b *publishedBuild) load(ctx context.Context, k kindOf, id string) (*entity, error) {
	e := &entity{kindOf: k, Of: k.of, ID: id, List: []entityRecord{}}
	address, phone, shared := "records.email", "records.phone", "membership.entity_kind = 'mailbox'"
	if k.of == "company" {
		address, phone, shared = "records.domain", "null::varchar", "false"
	}
	err := b.db.Each(ctx, `select records.record_key, records.source, records.object, `+k.label+`, `+address+`, `+phone+`, strftime(records.created_at, '%Y-%m-%d'), membership.match_rules, `+shared+`
		from `+k.membership+` as membership inner join `+k.records+` as records on records.record_key = membership.record_key
		where membership.`+k.id+` = ? order by records.created_at nulls last, records.record_key`, func(row []any) error {
		e.List = append(e.List, entityRecord{Key: cellText(row[0]), Source: cellText(row[1]), Object: cellText(row[2]), Label: cellText(row[3]), Address: cellText(row[4]),
			Phone: cellText(row[5]), Created: cellText(row[6]), MatchedBy: cellText(row[7])})
		e.Shared, _ = row[8].(bool)
		return nil
	}, id)
	return e, fault.Wrap(err, "read %s", id)
}

// texts reads one column.
func (b *publishedBuild) texts(ctx context.Context, q string, args ...any) ([]string, error) {
	var out []string
	err := b.db.Each(ctx, q, func(row []any) error {
		out = append(out, cellText(row[0]))
		return nil
	}, args...)
	return out, fault.Wrap(err, "read who is who")
}

// tie is one piece of evidence between two records.
type tie struct {
	A       string        `json:"a"`
	B       string        `json:"b"`
	Rule    string        `json:"rule"` // identifier type, or compared
	Value   string        `json:"value,omitempty"`
	Bits    float64       `json:"bits"`
	Prior   float64       `json:"prior,omitempty"`
	Chance  float64       `json:"probability,omitempty"`
	Veto    string        `json:"veto,omitempty"`
	Joined  bool          `json:"joined"`
	Weights []matchWeight `json:"weights,omitempty"`
}

type matchWeight struct {
	Comparison string  `json:"comparison"`
	Level      string  `json:"level"`
	Bits       float64 `json:"bits"`
	Says       string  `json:"says"`
}

// ties reads the evidence among some records: shared identifiers, and compared nodes.
func (b *publishedBuild) ties(ctx context.Context, k kindOf, keys []string) ([]tie, error) {
	list, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	var out []tie
	err = b.db.Each(ctx, `with picked as (select unnest(from_json(?::json, '["VARCHAR"]')) as record_key)
		select left_key, right_key, match_rule, identifier_value, weight / 1000 from `+k.edges+`
		where left_key in (from picked) and right_key in (from picked) order by weight desc, left_key, right_key, match_rule`, func(row []any) error {
		out = append(out, tie{A: cellText(row[0]), B: cellText(row[1]), Rule: cellText(row[2]), Value: cellText(row[3]), Bits: number(row[4]), Joined: true})
		return nil
	}, string(list))
	if err != nil {
		return nil, fault.Wrap(err, "read the evidence")
	}
	err = b.db.Each(ctx, `with picked as (select unnest(from_json(?::json, '["VARCHAR"]')) as record_key),
		nodes as (select distinct clusters.node_key from `+strings.Replace(k.membership, "membership", "clusters", 1)+` as clusters where clusters.record_key in (from picked))
		select left_key, right_key, weight, prior, probability, veto, is_joined, weights from `+k.pairs+`
		where left_key in (from nodes) and right_key in (from nodes) order by weight desc, left_key, right_key`, func(row []any) error {
		t := tie{A: cellText(row[0]), B: cellText(row[1]), Rule: "compared", Bits: number(row[2]), Prior: number(row[3]), Chance: number(row[4]), Veto: cellText(row[5])}
		t.Joined, _ = row[6].(bool)
		if err := json.Unmarshal([]byte(cellText(row[7])), &t.Weights); err != nil {
			return err
		}
		out = append(out, t)
		return nil
	}, string(list))
	return out, fault.Wrap(err, "read what was compared")
}

func number(v any) float64 {
	var f float64
	fmt.Sscan(cellText(v), &f)
	return f
}

// way is the strongest way from one record to another: the fewest steps, and of those the heaviest.
func way(ties []tie, a, b string) []tie {
	next := map[string][]tie{}
	for _, t := range ties {
		if t.Joined {
			next[t.A] = append(next[t.A], t)
			next[t.B] = append(next[t.B], t)
		}
	}
	for _, list := range next {
		sort.SliceStable(list, func(i, j int) bool { return list[i].Bits > list[j].Bits })
	}
	via := map[string]tie{a: {}}
	from := map[string]string{}
	queue := []string{a}
	for len(queue) > 0 {
		k := queue[0]
		queue = queue[1:]
		for _, t := range next[k] {
			to := t.B
			if to == k {
				to = t.A
			}
			if _, ok := via[to]; !ok {
				via[to], from[to] = t, k
				queue = append(queue, to)
			}
		}
	}
	if _, ok := via[b]; !ok {
		return nil
	}
	var out []tie
	for k := b; k != a; k = from[k] {
		out = append(out, via[k])
	}
	slices.Reverse(out)
	return out
}
