package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Override is what a person said about who is who. Overrides are only added: taking one back is a row of its own.
type Override struct {
	ID        int64
	Kind      string // merge, split, lock, block, prefer
	Entity    string // person or company
	Left      []string
	Right     []string
	Attribute string
	Value     string
	Author    string
	Reason    string
	At        time.Time
	Revoked   *Revocation // nil while it holds
}

// Revocation takes an override back.
type Revocation struct {
	Author string
	Reason string
	At     time.Time
}

// overrideBody is what is encrypted at rest: keys of records and values say who people are (P8).
type overrideBody struct {
	Left      []string `json:"left,omitempty"`
	Right     []string `json:"right,omitempty"`
	Attribute string   `json:"attribute,omitempty"`
	Value     string   `json:"value,omitempty"`
}

// Overrides is the log of what people said about who is who.
type Overrides struct{ d *DB }

// Add records an override and returns its number. check judges it in the same transaction against those that hold, so two
// people cannot record a contradiction at the same moment; its error stops the recording and is returned as it is.
func (s Overrides) Add(ctx context.Context, o Override, check func(active []Override) error) (int64, error) {
	ids, err := s.AddAll(ctx, []Override{o}, check)
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// AddAll records several overrides or none of them. check is asked before each, with those before it.
func (s Overrides) AddAll(ctx context.Context, list []Override, check func(active []Override) error) ([]int64, error) {
	var ids []int64
	var refused error
	err := s.d.tx(ctx, "record an override", func(t *sql.Tx) error {
		for _, o := range list {
			all, err := s.list(ctx, t)
			if err != nil {
				return err
			}
			if refused = check(slices.DeleteFunc(all, func(o Override) bool { return o.Revoked != nil })); refused != nil {
				return refused
			}
			res, err := t.ExecContext(ctx, `insert into identity_overrides (kind, entity, body, author, reason, at) values (?,?,x'',?,?,?)`,
				o.Kind, o.Entity, o.Author, o.Reason, stamp(o.At))
			if err != nil {
				return err
			}
			id, err := res.LastInsertId()
			if err != nil {
				return err
			}
			if err := s.write(ctx, t, id, overrideBody{o.Left, o.Right, o.Attribute, o.Value}); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if refused != nil {
		return nil, refused
	}
	return ids, err
}

func (s Overrides) write(ctx context.Context, t *sql.Tx, id int64, b overrideBody) error {
	plain, err := json.Marshal(b)
	if err != nil {
		return err
	}
	_, err = t.ExecContext(ctx, `update identity_overrides set body = ? where override_id = ?`, s.d.vault.seal(overridePlace(id), plain), id)
	return err
}

func overridePlace(id int64) string { return "override/" + strconv.FormatInt(id, 10) }

// List is every override, also those that were taken back, in the order of their recording.
func (s Overrides) List(ctx context.Context) ([]Override, error) { return s.list(ctx, s.d.db) }

func (s Overrides) list(ctx context.Context, q queryer) ([]Override, error) {
	return all(ctx, q, "read overrides", func(r scanner) (Override, error) {
		var o Override
		var sealed []byte
		var rev Revocation
		if err := r.Scan(&o.ID, &o.Kind, &o.Entity, &sealed, &o.Author, &o.Reason, instant{&o.At}, text{&rev.Author}, text{&rev.Reason}, instant{&rev.At}); err != nil {
			return o, err
		}
		plain, err := s.d.vault.open(overridePlace(o.ID), sealed)
		if err != nil {
			return o, err
		}
		var b overrideBody
		if err := json.Unmarshal(plain, &b); err != nil {
			return o, fmt.Errorf("override %d: %w", o.ID, err)
		}
		o.Left, o.Right, o.Attribute, o.Value = b.Left, b.Right, b.Attribute, b.Value
		if rev.Author != "" {
			o.Revoked = &rev
		}
		return o, nil
	}, `select o.override_id, o.kind, o.entity, o.body, o.author, o.reason, o.at, r.author, r.reason, r.at
		from identity_overrides o left join identity_revocations r on r.override_id = o.override_id order by o.override_id`)
}

// ErrNoOverride says that there is no override of that number that still holds.
var ErrNoOverride = errors.New("no override of this number holds")

// Revoke takes an override back. It stays in the log.
func (s Overrides) Revoke(ctx context.Context, id int64, r Revocation) error {
	n, err := s.d.exec(ctx, "take an override back", `insert into identity_revocations (override_id, author, reason, at)
		select override_id, ?, ?, ? from identity_overrides where override_id = ? on conflict (override_id) do nothing`, r.Author, r.Reason, stamp(r.At), id)
	if err == nil && n == 0 {
		err = ErrNoOverride
	}
	return err
}

// Forget takes records out of every override, for erasure: their keys, and the values that were preferred for them alone.
// values are identifiers of the erased, whose blocks are emptied too. It returns how many overrides were changed.
func (s Overrides) Forget(ctx context.Context, records, values []string) (int, error) {
	changed := 0
	err := s.d.tx(ctx, "forget records in overrides", func(t *sql.Tx) error {
		list, err := s.list(ctx, t)
		if err != nil {
			return err
		}
		gone := func(k string) bool { return slices.Contains(records, k) }
		for _, o := range list {
			b := overrideBody{slices.DeleteFunc(slices.Clone(o.Left), gone), slices.DeleteFunc(slices.Clone(o.Right), gone), o.Attribute, o.Value}
			if o.Value != "" && (slices.Contains(values, o.Value) || len(b.Left) == 0 && len(o.Left) > 0) {
				b.Value = ""
			}
			if len(b.Left) == len(o.Left) && len(b.Right) == len(o.Right) && b.Value == o.Value {
				continue
			}
			changed++
			if err := s.write(ctx, t, o.ID, b); err != nil {
				return err
			}
		}
		return nil
	})
	return changed, err
}

// Tombstone keeps an erased person from coming back: a keyed hash of an identifier of theirs, never the identifier.
type Tombstone struct {
	KeyID  string // Tombstones.KeyID of kind and value
	Kind   string // email, phone, record, product_user, stripe_customer
	Ticket string // request that asked for it
	At     time.Time
}

// Tombstones are the identifiers whose records are no longer taken in.
type Tombstones struct{ d *DB }

// KeyID is the keyed hash under which an identifier is looked up: HMAC-SHA-256 with the key beside the state file. A plain
// hash would not do, since addresses can be guessed. The value is normalised as identity.person_identifiers has it.
func (s Tombstones) KeyID(kind, value string) string { return s.d.vault.ID("tombstone", kind, value) }

// Add records tombstones. One that is there already stays as it is.
func (s Tombstones) Add(ctx context.Context, list []Tombstone) error {
	return s.d.tx(ctx, "record tombstones", func(t *sql.Tx) error {
		for _, x := range list {
			if _, err := t.ExecContext(ctx, `insert into identity_tombstones (key_id, kind, ticket, at) values (?,?,?,?) on conflict (key_id) do nothing`,
				x.KeyID, x.Kind, x.Ticket, stamp(x.At)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Remove takes the tombstones of a ticket away: whoever was erased may come back.
func (s Tombstones) Remove(ctx context.Context, ticket string) (int64, error) {
	return s.d.exec(ctx, "remove tombstones", `delete from identity_tombstones where ticket = ?`, ticket)
}

// List is every tombstone, by key.
func (s Tombstones) List(ctx context.Context) ([]Tombstone, error) {
	return all(ctx, s.d.db, "read tombstones", func(r scanner) (Tombstone, error) {
		var x Tombstone
		err := r.Scan(&x.KeyID, &x.Kind, &x.Ticket, instant{&x.At})
		return x, err
	}, `select key_id, kind, ticket, at from identity_tombstones order by key_id`)
}
