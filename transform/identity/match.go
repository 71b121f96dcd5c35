package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"millrace/internal/fault"
	"millrace/internal/match"
	"millrace/transform"
	"millrace/transform/relation"
)

// MatchOptions are the options of Train and Match in the front matter. Both take the same, so that a model fits.
type MatchOptions struct {
	Entity string       `yaml:"entity" required:"true" enum:"person,company" doc:"what the records describe"`
	Fields []MatchField `yaml:"fields" required:"true" doc:"the columns to compare, and what each holds"`
	Cut    float64      `yaml:"cut" default:"0" doc:"weight in bits from which on a pair may join its records; 0 is as likely as not"`
	Review float64      `yaml:"review" default:"-6" doc:"weight in bits down to which pairs are kept for people to look at"`
	Guard  float64      `yaml:"guard" default:"-4" doc:"mean weight in bits that all pairs across two groups must have for them to become one; raise it to link carefully, lower it to link eagerly"`
	// Require keeps agreement of the kind that colleagues and namesakes have from joining people, however much it weighs.
	Require [][]string `yaml:"require" doc:"what a pair must have beside its weight to join: of each list, one level of a comparison, as comparison:level; other pairs are left for people to look at"`
	Region  string     `yaml:"region" doc:"country by which telephone numbers without a country code are read" example:"US"`
}

// MatchField is one column that is compared.
type MatchField struct {
	Column string `yaml:"column" required:"true" doc:"the column"`
	Type   string `yaml:"type" required:"true" doc:"what it holds: full_name, given_name, surname, email, phone, date, id, company_name, domain, street, city, postcode, country, employer, text"`
	Limit  int    `yaml:"limit" doc:"how many different values one entity may have; 0: any number"`
}

func (o *MatchOptions) spec() match.Spec {
	s := match.Spec{Entity: match.Entity(o.Entity), Region: o.Region}
	for _, f := range o.Fields {
		s.Fields = append(s.Fields, match.Field{Name: f.Column, Type: match.Type(f.Type), Limit: f.Limit})
	}
	return s
}

func (o *MatchOptions) options() match.Options {
	return match.Options{Cut: o.Cut, Review: &o.Review, Guard: &o.Guard}
}

// inputs are the columns that both operators read: the record and its values.
func (o *MatchOptions) inputs(more ...relation.Column) []relation.Column {
	out := append([]relation.Column{{Name: "record_key", Type: "VARCHAR"}}, more...)
	for _, f := range o.Fields {
		out = append(out, relation.Column{Name: f.Column, Type: "VARCHAR"})
	}
	return out
}

func matchOptions(options any) (*MatchOptions, error) {
	o, _ := options.(*MatchOptions)
	if o == nil {
		return nil, &fault.Error{Key: "options", Msg: "are missing", Hint: "Write options: {entity: person, fields: [{column: email, type: email}]}."}
	}
	return o, o.spec().Check()
}

// add takes a row's values into a set under key. Rows with one key are one record with all their values.
func (o *MatchOptions) add(set *match.Set, r row, key string) error {
	rec := match.Record{Key: key, Values: make([][]string, len(o.Fields))}
	for i, f := range o.Fields {
		if v := r.text(strings.ToLower(f.Column)); v != "" {
			rec.Values[i] = []string{v}
		}
	}
	return set.Add(rec)
}

// Train is the operator that learns, without labels, what each agreement and each contradiction is worth. Its relation is
// the model: rows that people read, and one row with the whole of it for Match.
type Train struct{}

// Version implements transform.Operator.
func (Train) Version() string { return "1" }

// Options implements transform.Operator.
func (Train) Options() any { return &MatchOptions{} }

// Output implements transform.Operator.
func (Train) Output(in []relation.Column, options any) ([]relation.Column, error) {
	o, err := matchOptions(options)
	if err != nil {
		return nil, err
	}
	_, err = need(in, o.inputs()...)
	return []relation.Column{
		{Name: "item", Type: "VARCHAR"},
		{Name: "comparison", Type: "VARCHAR"},
		{Name: "level", Type: "VARCHAR"},
		{Name: "match_share", Type: "DECIMAL(18,8)"},
		{Name: "stranger_share", Type: "DECIMAL(18,8)"},
		{Name: "weight", Type: "DECIMAL(9,3)"},
		{Name: "pairs", Type: "BIGINT"},
		{Name: "note", Type: "VARCHAR"},
		{Name: "body", Type: "VARCHAR"},
	}, err
}

// Run implements transform.Operator.
func (Train) Run(ctx context.Context, in transform.OperatorInput, out transform.OperatorOutput) error {
	o, err := matchOptions(in.Options)
	if err != nil {
		return err
	}
	at, err := need(in.Columns, o.inputs()...)
	if err != nil {
		return err
	}
	set, err := match.NewSet(o.spec())
	if err != nil {
		return err
	}
	for r, err := range rowsOf(ctx, in, at) {
		if err == nil {
			err = o.add(set, r, r.text("record_key"))
		}
		if err != nil {
			return err
		}
	}
	m, err := match.Train(ctx, set, o.options())
	if err != nil {
		return err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fault.Wrap(err, "write the model")
	}
	note := m.Note
	if m.Learned && note == "" {
		note = fmt.Sprintf("learned from %d records", m.Records)
	}
	if err := out.Append("model", nil, nil, nil, nil, thousandths(m.Prior), int64(m.Records), orNull(note), string(body)); err != nil {
		return err
	}
	for _, c := range m.Comparisons {
		for _, l := range c.Levels {
			if err := out.Append("level", c.Name, l.Name, share(l.M), share(l.U), thousandths(l.Weight()), int64(c.Pairs), nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// thousandths and share are numbers as text, which a DECIMAL column takes exactly.
func thousandths(bits float64) string { return strconv.FormatFloat(bits, 'f', 3, 64) }

func share(p float64) string { return strconv.FormatFloat(p, 'f', 8, 64) }

// Match is the operator that scores pairs by a model and groups records under a guard.
//
// Input rows, by item: `record` (record_key, node_key, and the columns of the options), `model` (body), `override` (as
// Cluster takes them). Records of one node are one already, by rules or because a person said so: they are compared as one
// record with all their values. A locked node is left out: it takes nobody in.
type Match struct{}

func (o *MatchOptions) matchInputs() []relation.Column {
	return o.inputs(
		relation.Column{Name: "item", Type: "VARCHAR"}, relation.Column{Name: "node_key", Type: "VARCHAR"}, relation.Column{Name: "body", Type: "VARCHAR"},
		relation.Column{Name: "number", Type: "BIGINT"}, relation.Column{Name: "kind", Type: "VARCHAR"},
		relation.Column{Name: "left_keys", Type: "VARCHAR"}, relation.Column{Name: "right_keys", Type: "VARCHAR"})
}

// Version implements transform.Operator.
func (Match) Version() string { return "1" }

// Options implements transform.Operator.
func (Match) Options() any { return &MatchOptions{} }

// Output implements transform.Operator.
func (Match) Output(in []relation.Column, options any) ([]relation.Column, error) {
	o, err := matchOptions(options)
	if err != nil {
		return nil, err
	}
	_, err = need(in, o.matchInputs()...)
	return []relation.Column{
		{Name: "item", Type: "VARCHAR"}, // pair, group or block
		{Name: "left_key", Type: "VARCHAR"},
		{Name: "right_key", Type: "VARCHAR"},
		{Name: "rule", Type: "VARCHAR"},
		{Name: "weight", Type: "DECIMAL(9,3)"},
		{Name: "prior", Type: "DECIMAL(9,3)"},
		{Name: "probability", Type: "DECIMAL(18,8)"},
		{Name: "band", Type: "VARCHAR"},
		{Name: "veto", Type: "VARCHAR"},
		{Name: "weights", Type: "VARCHAR"},
		{Name: "nodes", Type: "BIGINT"},
		{Name: "density", Type: "DECIMAL(18,8)"},
		{Name: "weakest", Type: "DECIMAL(9,3)"},
		{Name: "contradictions", Type: "BIGINT"},
		{Name: "blocks", Type: "BIGINT"},
		{Name: "biggest", Type: "BIGINT"},
		{Name: "skipped", Type: "BIGINT"},
		{Name: "pairs", Type: "BIGINT"},
	}, err
}

// Run implements transform.Operator.
func (Match) Run(ctx context.Context, in transform.OperatorInput, out transform.OperatorOutput) error {
	o, err := matchOptions(in.Options)
	if err != nil {
		return err
	}
	at, err := need(in.Columns, o.matchInputs()...)
	if err != nil {
		return err
	}
	node := map[string]string{} // of each record
	var model *match.Model
	var overrides []Override
	for r, err := range rowsOf(ctx, in, at) {
		if err != nil {
			return err
		}
		switch item := r.text("item"); item {
		case "record":
			node[r.text("record_key")] = r.text("node_key")
		case "model":
			if model, err = match.ReadModel([]byte(r.text("body"))); err != nil {
				return err
			}
		case "override":
			x, err := readOverride(r)
			if err != nil {
				return err
			}
			overrides = append(overrides, x)
		default:
			return unknownItem(item, "record", "model", "override")
		}
	}
	if model == nil {
		return &fault.Error{Msg: "the input holds no model", Hint: "Select the row of the model, with item model."}
	}
	rules := Resolve(overrides, func(k string) bool { return node[k] != "" })
	locked := map[string]bool{}
	for k := range rules.Locked {
		locked[node[k]] = true
	}
	set, err := match.NewSet(o.spec())
	if err != nil {
		return err
	}
	for r, err := range rowsOf(ctx, in, at) {
		if err == nil && r.text("item") == "record" && !locked[r.text("node_key")] {
			err = o.add(set, r, r.text("node_key"))
		}
		if err != nil {
			return err
		}
	}
	opt := o.options()
	for _, c := range rules.Cannot {
		if a, b := node[c.A], node[c.B]; a != b {
			opt.Overrides = append(opt.Overrides, match.Override{ID: strconv.FormatInt(c.ID, 10), Kind: match.CannotLink, A: a, B: b})
		}
	}
	edges, err := match.Score(ctx, set, model, opt)
	if err != nil {
		return err
	}
	unsure := o.unsure(edges)
	if len(unsure) > 0 {
		opt.Overrides = append(opt.Overrides, unsure...)
		if edges, err = match.Score(ctx, set, model, opt); err != nil {
			return err
		}
	}
	clusters, err := match.Cluster(ctx, edges)
	if err != nil {
		return err
	}
	lacking := map[[2]string]bool{}
	for _, u := range unsure {
		lacking[[2]string{u.A, u.B}] = true
	}
	return writeMatches(edges, clusters, lacking, out)
}

// notRequired is the veto of pairs that weigh enough but lack what is required.
const notRequired = "required"

// unsure lists, as pairs to keep apart, those that would join without what is required.
func (o *MatchOptions) unsure(edges *match.Edges) []match.Override {
	if len(o.Require) == 0 {
		return nil
	}
	var out []match.Override
	for i := range edges.Len() {
		e := edges.At(i)
		if e.Total >= o.Cut && !o.sure(e) {
			out = append(out, match.Override{ID: notRequired, Kind: match.CannotLink, A: e.A, B: e.B})
		}
	}
	return out
}

// sure reports whether a pair has one level of each list.
func (o *MatchOptions) sure(e match.Edge) bool {
	for _, any := range o.Require {
		if !slices.ContainsFunc(e.Weights, func(w match.Weight) bool { return slices.Contains(any, w.Comparison+":"+w.Level) }) {
			return false
		}
	}
	return true
}

func writeMatches(edges *match.Edges, clusters *match.Clusters, lacking map[[2]string]bool, out transform.OperatorOutput) error {
	for i := range edges.Len() {
		e := edges.At(i)
		veto := string(e.Veto)
		if lacking[[2]string{e.A, e.B}] {
			veto = notRequired
		}
		said := slices.DeleteFunc(slices.Clone(e.Weights), func(w match.Weight) bool { return w.Bits == 0 && w.Level == "" })
		weights, err := json.Marshal(said)
		if err != nil {
			return fault.Wrap(err, "write the weights of a pair")
		}
		err = out.Append("pair", e.A, e.B, e.Rule, thousandths(e.Total), thousandths(e.Prior), share(e.P), string(e.Band), orNull(veto), string(weights),
			nil, nil, nil, nil, nil, nil, nil, nil)
		if err != nil {
			return err
		}
	}
	for _, g := range clusters.Groups {
		if len(g.Records) < 2 {
			continue
		}
		for _, k := range g.Records {
			err := out.Append("group", k, g.Key, nil, nil, nil, share(g.Confidence), nil, nil, nil,
				int64(len(g.Records)), share(g.Density), thousandths(g.MinEdge), int64(g.Contradictions), nil, nil, nil, nil)
			if err != nil {
				return err
			}
		}
	}
	for _, b := range edges.Blocks {
		if err := out.Append("block", nil, nil, b.Rule, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, int64(b.Blocks), int64(b.Biggest), int64(b.Skipped), b.Pairs); err != nil {
			return err
		}
	}
	return nil
}
