package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Statuses of a delivery. Intended without a later word means unknown: the process ended between asking the channel
// and hearing from it, so the report may or may not have arrived.
const (
	Intended  = "intended"
	Delivered = "delivered"
	Rejected  = "rejected" // the channel said no; nothing arrived, so it may be tried again
	Unknown   = "unknown"  // asked, and the answer was lost
)

// Delivery is one report handed to one channel.
type Delivery struct {
	Key      string // unique for ever: the same key is the same report for the same period in the same channel
	Report   string
	Channel  string
	RunID    string
	Status   string
	Receipt  json.RawMessage // as the channel gave it
	Error    string
	Intended time.Time
	Recorded time.Time // zero while only intended
}

// Deliveries is the ledger that keeps a report from being posted twice.
type Deliveries struct{ d *DB }

// Intend records that d is about to be delivered, unless its key is known. The prior entry is returned with true:
// Delivered means do nothing; Intended or Unknown means that it may have arrived, so only a channel that honours keys
// or can look may try again. A Rejected one is intended anew and false is returned.
func (s Deliveries) Intend(ctx context.Context, d Delivery) (Delivery, bool, error) {
	var prior Delivery
	var known bool
	err := s.d.tx(ctx, "record intent to deliver "+d.Report, func(t *sql.Tx) error {
		var err error
		prior, err = scanDelivery(t.QueryRowContext(ctx, `select `+deliveryColumns+` from deliveries where key = ?`, d.Key))
		if err == nil && prior.Status != Rejected {
			known = true
			return nil
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		_, err = t.ExecContext(ctx, `insert into deliveries (key, report, channel, run_id, status, intended_at) values (?,?,?,?,?,?)
			on conflict (key) do update set run_id = excluded.run_id, status = excluded.status, intended_at = excluded.intended_at,
			recorded_at = null, receipt = null, error = null`, d.Key, d.Report, d.Channel, d.RunID, Intended, stamp(d.Intended))
		return err
	})
	return prior, known, err
}

// Record notes what became of an intended delivery: Status, Receipt, Error and Recorded of d count.
func (s Deliveries) Record(ctx context.Context, d Delivery) error {
	n, err := s.d.exec(ctx, "record delivery of "+d.Report, `update deliveries set status = ?, receipt = ?, error = ?, recorded_at = ? where key = ?`,
		d.Status, nullable(string(d.Receipt)), nullable(d.Error), stamp(d.Recorded), d.Key)
	if err == nil && n == 0 {
		return fmt.Errorf("record delivery of %s: key %s was never intended", d.Report, d.Key)
	}
	return err
}

const deliveryColumns = `key, report, channel, run_id, status, receipt, error, intended_at, recorded_at`

func scanDelivery(r scanner) (Delivery, error) {
	var v Delivery
	var receipt string
	err := r.Scan(&v.Key, &v.Report, &v.Channel, &v.RunID, &v.Status, text{&receipt}, text{&v.Error}, instant{&v.Intended}, instant{&v.Recorded})
	if receipt != "" {
		v.Receipt = json.RawMessage(receipt)
	}
	return v, err
}

// Last gives the newest deliveries first, at most n; an empty report means all reports.
func (s Deliveries) Last(ctx context.Context, report string, n int) ([]Delivery, error) {
	return all(ctx, s.d.db, "read deliveries", scanDelivery, `select `+deliveryColumns+` from deliveries where ? = '' or report = ?
		order by intended_at desc, key limit ?`, report, report, n)
}

// Unsettled gives deliveries that may or may not have arrived, oldest first.
func (s Deliveries) Unsettled(ctx context.Context) ([]Delivery, error) {
	return all(ctx, s.d.db, "read unsettled deliveries", scanDelivery, `select `+deliveryColumns+` from deliveries
		where status in ('intended', 'unknown') order by intended_at, key`)
}
