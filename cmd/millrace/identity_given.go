package main

import (
	"context"
	"encoding/json"

	"millrace/internal/state"
	"millrace/transform"
	"millrace/transform/relation"
)

// givenIdentity are what people said about who is who, and the tombstones of those who were erased. db is nil before the
// target has a state.
func givenIdentity(ctx context.Context, db *state.DB) ([]transform.Given, error) {
	overrides := transform.Given{Name: "identity.overrides", Description: "Every merge, split, lock, block and preference that a person recorded, also those that were taken back. `millrace identity` records them.",
		Columns: []relation.Column{
			{Name: "override_id", Type: "BIGINT", Description: "Number."},
			{Name: "kind", Type: "VARCHAR", Description: "merge, split, lock, block or prefer."},
			{Name: "entity", Type: "VARCHAR", Description: "person or company."},
			{Name: "left_keys", Type: "VARCHAR", Description: "Records of one side, as a JSON list.", PII: "id"},
			{Name: "right_keys", Type: "VARCHAR", Description: "Records of the other side, as a JSON list.", PII: "id"},
			{Name: "attribute", Type: "VARCHAR", Description: "Kind of identifier that is blocked, or attribute whose value is preferred."},
			{Name: "value", Type: "VARCHAR", Description: "Value that is blocked or preferred.", PII: "free_text"},
			{Name: "author", Type: "VARCHAR", Description: "Who said so."},
			{Name: "reason", Type: "VARCHAR", Description: "Why.", PII: "free_text"},
			{Name: "recorded_at", Type: "TIMESTAMP", Description: "When (UTC).", Tags: []string{"operational"}},
			{Name: "revoked_by", Type: "VARCHAR", Description: "Who took it back; null while it holds."},
			{Name: "revoke_reason", Type: "VARCHAR", Description: "Why it was taken back.", PII: "free_text"},
			{Name: "revoked_at", Type: "TIMESTAMP", Description: "When it was taken back (UTC); null while it holds.", Tags: []string{"operational"}},
		}}
	stones := transform.Given{Name: "identity.tombstones", Description: "Keyed hashes of the identifiers of people who were erased; records that meet one are not taken in.",
		Columns: []relation.Column{
			{Name: "key_id", Type: "VARCHAR", Description: "Keyed hash of kind and value; the key is not here.", Tags: []string{"operational"}},
			{Name: "kind", Type: "VARCHAR", Description: "Kind of identifier: record, email, phone, product_user or stripe_customer."},
			{Name: "ticket", Type: "VARCHAR", Description: "Request that asked for the erasure."},
			{Name: "erased_at", Type: "TIMESTAMP", Description: "When (UTC).", Tags: []string{"operational"}},
		}}
	var said []state.Override
	var erased []state.Tombstone
	var err error
	if db != nil {
		if said, err = db.Overrides.List(ctx); err != nil {
			return nil, err
		}
		if erased, err = db.Tombstones.List(ctx); err != nil {
			return nil, err
		}
	}
	overrides.Version, overrides.Rows, err = rowsOf(said, overrideRow)
	if err != nil {
		return nil, err
	}
	stones.Version, stones.Rows, err = rowsOf(erased, func(x state.Tombstone) []any { return []any{x.KeyID, x.Kind, x.Ticket, x.At} })
	return []transform.Given{overrides, stones}, err
}

func overrideRow(o state.Override) []any {
	row := []any{o.ID, o.Kind, o.Entity, keyList(o.Left), keyList(o.Right), orNil(o.Attribute), orNil(o.Value), o.Author, o.Reason, o.At, nil, nil, nil}
	if r := o.Revoked; r != nil {
		row[10], row[11], row[12] = r.Author, r.Reason, r.At
	}
	return row
}

func keyList(keys []string) any {
	if len(keys) == 0 {
		return nil
	}
	text, err := json.Marshal(keys)
	if err != nil { // a list of texts always encodes
		return nil
	}
	return string(text)
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
