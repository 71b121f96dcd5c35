package identity

import (
	"context"
	"slices"

	"millrace/internal/fault"
	"millrace/transform"
	"millrace/transform/relation"
)

// Tombstones is the operator that finds records of erased people: rows item `tombstone` (value the keyed hash) and
// `identifier` (record_key, kind, value). Its relation names the records to leave out.
type Tombstones struct {
	// KeyID is the keyed hash of an identifier. Nil where there is no state and so no tombstone.
	KeyID func(kind, value string) string
}

func tombstoneInput() []relation.Column {
	return []relation.Column{
		{Name: "item", Type: "VARCHAR"},
		{Name: "record_key", Type: "VARCHAR"},
		{Name: "kind", Type: "VARCHAR"},
		{Name: "value", Type: "VARCHAR"},
	}
}

// Version implements transform.Operator.
func (Tombstones) Version() string { return "1" }

// Options implements transform.Operator.
func (Tombstones) Options() any { return &ClusterOptions{} }

// Output implements transform.Operator.
func (Tombstones) Output(in []relation.Column, _ any) ([]relation.Column, error) {
	_, err := need(in, tombstoneInput()...)
	return []relation.Column{
		{Name: "record_key", Type: "VARCHAR"},
		{Name: "kind", Type: "VARCHAR"},
	}, err
}

// Run implements transform.Operator.
func (op Tombstones) Run(ctx context.Context, in transform.OperatorInput, out transform.OperatorOutput) error {
	at, err := need(in.Columns, tombstoneInput()...)
	if err != nil {
		return err
	}
	stones := map[string]bool{}
	for r, err := range rowsOf(ctx, in, at) {
		if err != nil {
			return err
		}
		if r.text("item") == "tombstone" {
			stones[r.text("value")] = true
		}
	}
	if len(stones) == 0 {
		return nil
	}
	if op.KeyID == nil {
		return &fault.Error{Msg: "there are tombstones but not the key that they were made with", Hint: "Restore state.db and state.key of this target."}
	}
	hit := map[string]string{}
	for r, err := range rowsOf(ctx, in, at) {
		if err != nil {
			return err
		}
		if r.text("item") != "identifier" || r.text("value") == "" || !stones[op.KeyID(r.text("kind"), r.text("value"))] {
			continue
		}
		if old, ok := hit[r.text("record_key")]; !ok || r.text("kind") < old {
			hit[r.text("record_key")] = r.text("kind")
		}
	}
	var keys []string
	for k := range hit {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := out.Append(k, hit[k]); err != nil {
			return err
		}
	}
	return nil
}

// Operators lists the operators of this package by the names that front matter uses.
func Operators(keyID func(kind, value string) string) map[string]transform.Operator {
	return map[string]transform.Operator{
		"identity_cluster":    Cluster{},
		"identity_train":      Train{},
		"identity_match":      Match{},
		"identity_stable_ids": StableIDs{},
		"identity_verdicts":   Verdicts{},
		"identity_tombstones": Tombstones{KeyID: keyID},
	}
}
