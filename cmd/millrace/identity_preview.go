package main

import (
	"context"
	"encoding/json"
	"slices"

	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/transform/identity"
)

// expectedEvent is one thing that the next build will do.
type expectedEvent struct {
	Event   string   `json:"event"`
	Entity  string   `json:"entity_id"`
	Other   string   `json:"other_id,omitempty"`
	Records []string `json:"records,omitempty"`
}

// preview is what the next build will do to some entities when overrides are added or one is taken back. It weighs the
// evidence of the published build, so what else has changed by then is not in it.
func (b *publishedBuild) preview(ctx context.Context, es []*entity, active, added []identity.Override, without *int64) ([]expectedEvent, error) {
	out := []expectedEvent{}
	if len(es) == 0 {
		return out, nil
	}
	k := es[0].kindOf
	var keys []string
	for _, e := range es {
		keys = append(keys, e.keys()...)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	ties, err := b.ties(ctx, k, keys)
	if err != nil {
		return nil, err
	}
	list := append(slices.Clone(active), added...)
	if without != nil {
		list = slices.DeleteFunc(list, func(o identity.Override) bool { return o.ID == *without })
	}
	list = slices.DeleteFunc(list, func(o identity.Override) bool { return o.Of != k.of })
	for i := range list {
		if list[i].ID == 0 { // not recorded yet: later than all others
			list[i].ID = int64(1<<62) + int64(i)
		}
	}
	blocked := map[string]bool{}
	for _, o := range list {
		if o.Kind == identity.Block {
			blocked[o.Attribute+"\x00"+o.Value] = true
		}
	}
	var links []identity.Link
	for _, t := range ties {
		if t.Rule != "compared" && !blocked[t.Rule+"\x00"+t.Value] || t.Rule == "compared" && t.Joined {
			links = append(links, identity.Link{Left: t.A, Right: t.B, Weight: int64(t.Bits * 1000)})
		}
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	var members []identity.Member
	var placed []identity.Placed
	var ids []identity.Entity
	err = b.db.Each(ctx, `with picked as (select unnest(from_json(?::json, '["VARCHAR"]')) as record_key)
		select history.record_key, history.entity_id, history.other_id, records.object, row_number() over (order by records.created_at nulls last, history.record_key)
		from `+k.history+` as history inner join `+k.records+` as records on records.record_key = history.record_key
		where history.item = 'member' and history.status = 'present' and history.record_key in (from picked)`, func(row []any) error {
		weight := int64(1)
		switch cellText(row[3]) {
		case "contact", "company":
			weight = 26
		case "customer", "user":
			weight = 6
		}
		members = append(members, identity.Member{Record: cellText(row[0]), Entity: cellText(row[1]), Home: cellText(row[2]), Present: true})
		placed = append(placed, identity.Placed{Key: cellText(row[0]), Weight: weight, Rank: int64(number(row[4]))})
		return nil
	}, string(text))
	if err != nil {
		return nil, fault.Wrap(err, "read the records")
	}
	err = b.db.Each(ctx, "select entity_id, status, other_id, seq from "+k.history+" where item = 'entity'", func(row []any) error {
		ids = append(ids, identity.Entity{ID: cellText(row[0]), Status: cellText(row[1]), Into: cellText(row[2]), Born: int64(number(row[3]))})
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(err, "read the ids")
	}
	if without != nil {
		// What an override made one is compared as one, so the evidence inside is not at hand: what was one before is taken to
		// be one again.
		home := map[string]string{}
		for _, m := range members {
			if first, ok := home[m.Home]; ok {
				links = append(links, identity.Link{Left: first, Right: m.Record})
			} else {
				home[m.Home] = m.Record
			}
		}
	}
	// Entities without a record here are not concerned: for the preview they are retired, unless one may come back.
	mine := map[string]bool{}
	for _, m := range members {
		mine[m.Entity], mine[m.Home] = true, true
	}
	ids = slices.DeleteFunc(ids, func(e identity.Entity) bool { return !mine[e.ID] })
	known := map[string]bool{}
	for _, e := range ids {
		known[e.ID] = true
	}
	members = slices.DeleteFunc(members, func(m identity.Member) bool { return !known[m.Entity] })
	events, err := identity.Preview(members, ids, placed, links, list)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if _, old := known[e.Entity]; !old {
			e.Entity = "" // its id is made by the build
		}
		out = append(out, expectedEvent{Event: e.Kind, Entity: e.Entity, Other: e.Other, Records: e.Records})
	}
	return out, nil
}

// sayExpected tells what the next build will do.
func (a *app) sayExpected(list []expectedEvent) {
	if len(list) == 0 {
		a.con.Say("By the evidence of today no record changes sides.")
		return
	}
	for _, e := range list {
		to := e.Entity
		if to == "" {
			to = "a new id"
		}
		n := console.Count(int64(len(e.Records)), "record")
		switch e.Event {
		case identity.EventMerge:
			a.con.Say("Then %s will be %s, with %s, and its id will lead there.", e.Other, to, n)
		case identity.EventSplit:
			a.con.Say("Then %s of %s will be %s.", n, e.Other, to)
		case identity.EventMove:
			a.con.Say("Then %s of %s will belong to %s.", n, e.Other, to)
		}
	}
}
