package identity

import (
	"cmp"
	"context"
	"slices"

	"millrace/internal/fault"
	"millrace/transform"
	"millrace/transform/relation"
)

// StableIDs is the operator that carries ids from build to build. Its relation is the memory: it holds members, entities
// and events in one table, so that none of them can be published without the others. It reads itself.
//
// Input rows, by item: `record` (record_key, entity_id the cluster, records the weight, seq the rank of anchors), `erased`
// (record_key), `touched` (record_key), `day` (on_day), and the rows of the memory as they are.
type StableIDs struct{}

// StableIDsOptions are the options in the front matter.
type StableIDsOptions struct {
	Prefix string `yaml:"prefix" required:"true" doc:"what ids begin with" example:"p_"`
}

func memoryColumns() []relation.Column {
	return []relation.Column{
		{Name: "item", Type: "VARCHAR"},
		{Name: "seq", Type: "BIGINT"},
		{Name: "record_key", Type: "VARCHAR"},
		{Name: "entity_id", Type: "VARCHAR"},
		{Name: "other_id", Type: "VARCHAR"},
		{Name: "status", Type: "VARCHAR"},
		{Name: "record_keys", Type: "VARCHAR"},
		{Name: "records", Type: "BIGINT"},
		{Name: "cause", Type: "VARCHAR"},
		{Name: "on_day", Type: "DATE"},
	}
}

// Version implements transform.Operator.
func (StableIDs) Version() string { return "1" }

// Options implements transform.Operator.
func (StableIDs) Options() any { return &StableIDsOptions{} }

// Output implements transform.Operator.
func (StableIDs) Output(in []relation.Column, _ any) ([]relation.Column, error) {
	_, err := need(in, memoryColumns()...)
	return memoryColumns(), err
}

// Run implements transform.Operator.
func (StableIDs) Run(ctx context.Context, in transform.OperatorInput, out transform.OperatorOutput) error {
	at, err := need(in.Columns, memoryColumns()...)
	if err != nil {
		return err
	}
	opts, _ := in.Options.(*StableIDsOptions)
	if opts == nil || opts.Prefix == "" {
		return &fault.Error{Key: "options.prefix", Msg: "is missing", Hint: "Write options: {prefix: p_}."}
	}
	prev := &Memory{}
	p := NextParams{Prefix: opts.Prefix, Erased: map[string]bool{}, Touched: map[string]bool{}}
	for r, err := range rowsOf(ctx, in, at) {
		if err != nil {
			return err
		}
		switch item := r.text("item"); item {
		case "record":
			p.Now = append(p.Now, Placed{Key: r.text("record_key"), Cluster: r.text("entity_id"), Weight: r.number("records"), Rank: r.number("seq")})
		case "erased":
			p.Erased[r.text("record_key")] = true
		case "touched":
			p.Touched[r.text("record_key")] = true
		case "day":
			p.Day = r.day("on_day")
		case "member", "entity", "event":
			if err := prev.read(item, r); err != nil {
				return err
			}
		default:
			return unknownItem(item, "record", "erased", "touched", "day", "member", "entity", "event")
		}
	}
	prev.sort()
	next, err := Next(prev, p)
	if err != nil {
		return err
	}
	return next.write(out)
}

// read adds one row of the memory.
func (m *Memory) read(item string, r row) error {
	switch item {
	case "member":
		m.Members = append(m.Members, Member{Record: r.text("record_key"), Entity: r.text("entity_id"), Home: r.text("other_id"), Present: r.text("status") == "present"})
	case "entity":
		m.Entities = append(m.Entities, Entity{ID: r.text("entity_id"), Status: r.text("status"), Into: r.text("other_id"), Born: r.number("seq")})
	case "event":
		keys, err := r.list("record_keys")
		if err != nil {
			return err
		}
		m.Events = append(m.Events, Event{Seq: r.number("seq"), Kind: r.text("status"), Entity: r.text("entity_id"), Other: r.text("other_id"), Records: keys,
			Count: r.number("records"), Cause: r.text("cause"), Day: r.day("on_day")})
	}
	return nil
}

// sort puts the memory into its own order: rows of a table have none.
func (m *Memory) sort() {
	slices.SortFunc(m.Members, func(a, b Member) int { return cmp.Compare(a.Record, b.Record) })
	slices.SortFunc(m.Entities, func(a, b Entity) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(m.Events, func(a, b Event) int { return cmp.Compare(a.Seq, b.Seq) })
}

func (m *Memory) write(out transform.OperatorOutput) error {
	for _, x := range m.Members {
		status := "absent"
		if x.Present {
			status = "present"
		}
		if err := out.Append("member", nil, x.Record, x.Entity, x.Home, status, nil, nil, nil, nil); err != nil {
			return err
		}
	}
	size := map[string]int64{}
	for _, x := range m.Members {
		if x.Present {
			size[x.Entity]++
		}
	}
	for _, x := range m.Entities {
		if err := out.Append("entity", x.Born, nil, x.ID, orNull(x.Into), x.Status, nil, size[x.ID], nil, nil); err != nil {
			return err
		}
	}
	for _, x := range m.Events {
		day, err := date(x.Day)
		if err != nil {
			return err
		}
		if err := out.Append("event", x.Seq, nil, x.Entity, orNull(x.Other), x.Kind, jsonList(x.Records), x.Count, x.Cause, day); err != nil {
			return err
		}
	}
	return nil
}
