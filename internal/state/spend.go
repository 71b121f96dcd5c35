package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Money reads an amount as ten-thousandths of its currency: the unit in which money is counted here. scale is what one unit
// of the text is worth.
func Money(text string, scale float64) (int64, error) {
	x, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, fmt.Errorf("%q is not an amount of money", text)
	}
	f, ok := new(big.Rat).SetString(fmt.Sprintf("%.9f", scale))
	if !ok {
		return 0, fmt.Errorf("%v is not a scale", scale)
	}
	x.Mul(x, f).Mul(x, big.NewRat(10_000, 1))
	n := new(big.Int).Quo(x.Num(), x.Denom())
	if !n.IsInt64() {
		return 0, fmt.Errorf("%q is too much money", text)
	}
	return n.Int64(), nil
}

// MoneyText writes ten-thousandths as an amount with two digits, or four where two would hide something.
func MoneyText(n int64) string {
	r := big.NewRat(n, 10_000)
	if n%100 != 0 {
		return r.FloatString(4)
	}
	return r.FloatString(2)
}

// Spend keeps what rows commit a company to spend: reserved before a call, settled or released by its outcome, in the same
// transaction. What is unknown stays reserved.
type Spend struct{ d *DB }

// Claim is what one row would commit.
type Claim struct {
	OutboxID string
	KeyID    string
	Base     int64 // what the destination holds now, for a key that was never met; ignored for others
	Total    int64 // what the key commits once the row has arrived
}

// Reserve takes the money for a row if the budget has it, and says how much of the limit is left when it has not. Lowering
// is always allowed. Asking again for the same row changes nothing.
func (s Spend) Reserve(ctx context.Context, budget string, limit int64, c Claim, at time.Time) (ok bool, left int64, err error) {
	err = s.d.tx(ctx, "reserve money", func(t *sql.Tx) error {
		var st string
		err := t.QueryRowContext(ctx, `select state from reservations where outbox_id = ?`, c.OutboxID).Scan(&st)
		if err == nil && st != "released" {
			ok = true
			return nil
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := t.ExecContext(ctx, `insert into commitments (budget, key_id, amount) values (?,?,?) on conflict do nothing`, budget, c.KeyID, c.Base); err != nil {
			return err
		}
		var base, committed, reserved int64
		if err := t.QueryRowContext(ctx, `select (select amount from commitments where budget = ?1 and key_id = ?2),
			(select coalesce(sum(amount), 0) from commitments where budget = ?1),
			(select coalesce(sum(max(amount, 0)), 0) from reservations where budget = ?1 and state = 'reserved')`, budget, c.KeyID).Scan(&base, &committed, &reserved); err != nil {
			return err
		}
		more := c.Total - base
		left = limit - committed - reserved
		if more > 0 && more > left {
			return nil
		}
		ok = true
		_, err = t.ExecContext(ctx, `insert into reservations (outbox_id, budget, key_id, amount, total, state, at) values (?,?,?,?,?,'reserved',?)
			on conflict (outbox_id) do update set amount = excluded.amount, total = excluded.total, state = 'reserved', at = excluded.at`,
			c.OutboxID, budget, c.KeyID, more, c.Total, stamp(at))
		return err
	})
	return ok, left, err
}

// Committed gives the sum of a budget's commitments and of what is reserved beyond them.
func (s Spend) Committed(ctx context.Context, budget string) (committed, reserved int64, err error) {
	err = s.d.db.QueryRowContext(ctx, `select (select coalesce(sum(amount), 0) from commitments where budget = ?1),
		(select coalesce(sum(max(amount, 0)), 0) from reservations where budget = ?1 and state = 'reserved')`, budget).Scan(&committed, &reserved)
	if err != nil {
		err = fmt.Errorf("read budgets: %w", err)
	}
	return committed, reserved, err
}

// settleSpend moves reservations with the outcome of their row.
func settleSpend(ctx context.Context, t *sql.Tx, outboxID, rowState string, at time.Time) error {
	switch rowState {
	case RowAcked, RowSettled, RowShortfall:
		if _, err := t.ExecContext(ctx, `insert into commitments (budget, key_id, amount) select budget, key_id, total from reservations where outbox_id = ? and state = 'reserved'
			on conflict (budget, key_id) do update set amount = excluded.amount`, outboxID); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `update reservations set state = 'settled', at = ? where outbox_id = ? and state = 'reserved'`, stamp(at), outboxID)
		return err
	case RowRejected, RowDead, RowCancelled, RowPending, RowRetry:
		_, err := t.ExecContext(ctx, `update reservations set state = 'released', at = ? where outbox_id = ? and state = 'reserved'`, stamp(at), outboxID)
		return err
	}
	return nil
}
