package reports

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"millrace/activate/receipt"
	"millrace/internal/config"
	"millrace/internal/fault"
)

// Deliverer hands documents to channels, each once.
type Deliverer struct {
	Ledger Ledger
	Now    time.Time // logical
	Force  bool      // deliver although the key was delivered before
	Log    *slog.Logger
}

// Outcome is what became of one channel.
type Outcome struct {
	Receipt receipt.Receipt
	Skipped bool // it had been delivered before
	Err     error
}

// Key names one delivery for ever: the same report, edition and channel. The edition is the slot of the schedule that the
// report answers, or its period where it has none. A channel that can repeat (a file) is keyed by content as well, so that
// a corrected report replaces the file; a message that was posted stays posted.
func Key(d *Document, edition string, ch Channel) string {
	key := keyPrefix(d.Report, d.PeriodKey, edition, ch)
	if _, ok := ch.(Repeatable); ok {
		key += "/" + d.Digest()[:16]
	}
	return key
}

// Deliver hands d to each channel in order. One that fails does not stop the others; its error is in its Outcome.
func (v *Deliverer) Deliver(ctx context.Context, d *Document, edition string, channels []Channel) []Outcome {
	out := make([]Outcome, 0, len(channels))
	for _, ch := range channels {
		o := v.one(ctx, d, Key(d, edition, ch), ch)
		if o.Err != nil {
			o.Err = fault.Wrap(o.Err, "deliver report %s to %s", d.Report, ch.Name())
			v.Log.Warn("delivery failed", "report", d.Report, "channel", ch.Name(), "status", o.Receipt.Status, "err", o.Err)
		}
		out = append(out, o)
	}
	return out
}

// Unchanged reports whether what made names was delivered to every one of the channels and is still there, so that
// composing it again would change nothing; its outcomes are those of Deliver then.
func (v *Deliverer) Unchanged(ctx context.Context, report, edition, made string, channels []Channel) ([]Outcome, bool, error) {
	if made == "" || v.Force || len(channels) == 0 {
		return nil, false, nil
	}
	recent, err := v.Ledger.Recent(ctx, report)
	if err != nil {
		return nil, false, err
	}
	var out []Outcome
	for _, ch := range channels {
		i := slices.IndexFunc(recent, func(r receipt.Receipt) bool {
			return r.Made == made && r.Status == receipt.Delivered && strings.HasPrefix(r.Key, keyPrefix(report, r.Period, edition, ch))
		})
		if i < 0 {
			return nil, false, nil
		}
		if rep, ok := ch.(Repeatable); ok && !rep.Present(recent[i]) {
			return nil, false, nil
		}
		out = append(out, Outcome{Receipt: recent[i], Skipped: true})
	}
	return out, true, nil
}

// Unfinished reports whether an edition was begun and has not reached every one of the channels: the process ended in
// between, or a channel failed. The report is due again then, whatever of it arrived; Deliver repeats nothing that did.
func (v *Deliverer) Unfinished(ctx context.Context, report, edition string, channels []Channel) (bool, error) {
	if edition == "" {
		return false, nil
	}
	recent, err := v.Ledger.Recent(ctx, report)
	if err != nil {
		return false, err
	}
	begun := slices.ContainsFunc(recent, func(r receipt.Receipt) bool { return strings.Contains(r.Key, "/"+edition+"/") })
	if !begun {
		return false, nil
	}
	for _, ch := range channels {
		arrived := slices.ContainsFunc(recent, func(r receipt.Receipt) bool {
			return r.Status == receipt.Delivered && strings.HasPrefix(r.Key, keyPrefix(report, r.Period, edition, ch))
		})
		if !arrived {
			return true, nil
		}
	}
	return false, nil
}

func keyPrefix(report, period, edition string, ch Channel) string {
	key := report + "/" + period
	if edition != "" {
		key += "/" + edition
	}
	return key + "/" + ch.Name() + ":" + ch.Target()
}

func (v *Deliverer) one(ctx context.Context, d *Document, key string, ch Channel) Outcome {
	r := receipt.Receipt{Key: key, Subject: d.Report, Channel: ch.Name(), Period: d.PeriodKey, Made: d.made, Status: receipt.Intended, At: v.Now.UTC()}
	prior, known, err := v.Ledger.Intend(ctx, r)
	if err != nil {
		return Outcome{Receipt: r, Err: err}
	}
	if known && !v.Force {
		done, o := v.again(ctx, d, key, ch, prior)
		if done {
			if o.Err == nil && o.Receipt.Made != d.made { // the same content from another build
				o.Receipt.Made = d.made
				o.Err = v.Ledger.Record(ctx, o.Receipt)
			}
			return o
		}
	}
	got, err := ch.Deliver(ctx, key, d)
	got.Key, got.Subject, got.Channel, got.Period, got.Made, got.At = r.Key, r.Subject, r.Channel, r.Period, r.Made, r.At
	switch {
	case err == nil:
		got.Status = receipt.Delivered
	case got.Status != receipt.Rejected:
		got.Status = receipt.Unknown
	}
	if err != nil {
		got.Reason = err.Error()
	}
	// What happened is recorded even when the run was told to stop meanwhile.
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return Outcome{Receipt: got, Err: errors.Join(err, v.Ledger.Record(keep, got))}
}

// again decides about a key that is known: true when there is nothing left to do.
func (v *Deliverer) again(ctx context.Context, d *Document, key string, ch Channel, prior receipt.Receipt) (bool, Outcome) {
	if rep, ok := ch.(Repeatable); ok {
		if prior.Status == receipt.Delivered && rep.Present(prior) {
			return true, Outcome{Receipt: prior, Skipped: true}
		}
		return false, Outcome{}
	}
	if prior.Status == receipt.Delivered {
		return true, Outcome{Receipt: prior, Skipped: true}
	}
	// Asked before, and the answer is not known: look before asking again (P6).
	settler, ok := ch.(Settler)
	if !ok {
		return true, Outcome{Receipt: prior, Err: &fault.Error{Msg: "an earlier delivery may have arrived and this channel cannot tell",
			Hint: "Look there; if it did not arrive, run again with --force."}}
	}
	found, err := settler.Settle(ctx, key, d)
	if err != nil {
		return true, Outcome{Receipt: prior, Err: fmt.Errorf("look whether an earlier delivery arrived: %w", err)}
	}
	if found.Status != receipt.Delivered {
		return false, Outcome{}
	}
	found.Key, found.Subject, found.Channel, found.Period, found.At = prior.Key, prior.Subject, prior.Channel, prior.Period, v.Now.UTC()
	return true, Outcome{Receipt: found, Skipped: true, Err: v.Ledger.Record(ctx, found)}
}

// Slot is one moment of a schedule.
type Slot struct {
	At     time.Time // in the project's zone; zero for a report without a schedule
	Missed int       // how many earlier slots went by without a delivery: they are caught up by this one
}

// Edition names the slot in delivery keys.
func (s Slot) Edition() string {
	if s.At.IsZero() {
		return ""
	}
	return s.At.UTC().Format("20060102T1504Z")
}

// maxCatchUp bounds the walk over missed slots: a schedule of every minute that slept for years must not hang.
const maxCatchUp = 10_000

// Due tells whether a report with a schedule waits to be delivered at now, and which slot it answers: the latest one not
// later than now. last is when it was last delivered, zero for never. Slots missed in between are caught up once, by the
// latest. A report that was never delivered answers its latest slot of the past 35 days.
func Due(sched config.Cron, last, now time.Time, zone *time.Location) (Slot, bool) {
	if zone == nil {
		zone = time.UTC
	}
	from := last
	if from.IsZero() || now.Sub(from) > 366*24*time.Hour {
		from = now.AddDate(0, 0, -35)
	}
	var slot Slot
	at := sched.Next(from.In(zone))
	for n := 0; !at.IsZero() && !at.After(now); n++ {
		if n == maxCatchUp { // jump close to now; how many were missed no longer matters
			at = sched.Next(now.Add(-time.Hour).In(zone))
			if at.After(now) {
				break
			}
		}
		if !slot.At.IsZero() {
			slot.Missed++
		}
		slot.At = at
		at = sched.Next(at)
	}
	return slot, !slot.At.IsZero()
}
