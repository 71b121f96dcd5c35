// Package identity holds the operators of the graph that resolve identities: they group records into entities, and keep
// an entity's id from build to build. The rules about overrides that people record (merge, split, block, prefer, lock)
// are here too, so that the command that records one and the build that applies it judge alike.
//
// Invariants: P4. Nothing here reads a clock or depends on the order of rows; the same records, evidence, overrides and
// memory give the same entities, ids and events. It must not know sources, destinations or the state file.
package identity

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strconv"
)

// The states of an id. An id is never given to another entity: a retired one comes back only for records that had it.
const (
	Active = "active" // an entity that has records
	Merged = "merged" // another entity took its records
	Ended  = "ended"  // its records are no longer delivered; it comes back with them
	Erased = "erased" // its records were erased
)

// The kinds of events.
const (
	EventCreate = "create" // an entity of records that were not known before
	EventMerge  = "merge"  // Other's records went to Entity, Other is retired
	EventSplit  = "split"  // Entity took records out of Other, which goes on
	EventMove   = "move"   // records went from Other to Entity, both go on
	EventEnd    = "end"    // no record is delivered any more
	EventReturn = "return" // its records are delivered again
	EventErase  = "erase"  // its records were erased: whoever holds the id deletes
)

// Placed is a record with the cluster that it is in now.
type Placed struct {
	Key     string
	Cluster string // any text that the records of one cluster share
	Weight  int64  // what the record counts for when ids are carried over: 1 + 5 for a strong identifier + 20 when a destination knows it
	Rank    int64  // order of anchors: a new id is made from the cluster's record of the smallest rank
}

// Member is what is remembered of a record.
type Member struct {
	Record  string
	Entity  string // entity that it belongs to; never a merged one
	Home    string // entity that it came from: differs from Entity after a merge
	Present bool   // false while its source does not deliver it
}

// Entity is what is remembered of an id. Entities are never forgotten, so no id is given twice.
type Entity struct {
	ID     string
	Status string
	Into   string // of a merged one: the entity that stands for it now, however many merges later
	Born   int64  // number of the event that made it
}

// Event is one change of identity. Events are numbered from 1 and never change, except that erasure takes the erased
// records out of them.
type Event struct {
	Seq     int64
	Kind    string
	Entity  string
	Other   string
	Records []string // keys, sorted; none for create, end, return and erase
	Count   int64    // records concerned
	Cause   string   // records, override or erasure
	Day     string   // logical day of the build
}

// Memory is what identity resolution knows from earlier builds about one kind of entity.
type Memory struct {
	Members  []Member // by record
	Entities []Entity // by id
	Events   []Event  // by number
}

// NextParams is what the next memory is made from.
type NextParams struct {
	Prefix string   // of new ids
	Day    string   // logical day, for events
	Now    []Placed // every record that is delivered, in any order
	Erased map[string]bool
	// Touched are records that an override ties or keeps apart: events about them name it as their cause.
	Touched map[string]bool
}

// overlap is the common weight of a cluster and an earlier entity.
type overlap struct {
	cluster, entity int
	weight, home    int64
}

type cluster struct {
	records []int // into now
	id      string
	fresh   bool // its id is new or was retired
	revived bool // its id was retired
}

// stepper is one computation of the next memory.
type stepper struct {
	p        NextParams
	now      []Placed
	prev     *Memory
	clusters []cluster // by the rank of their anchors
	place    []int     // cluster of each record of now
	before   []int     // index into prev.Members of each record of now, or -1
	entity   map[string]int
	status   []string // of prev.Entities, changed as we go
	into     []string
	owner    []int // cluster that got the id of prev.Entities[i], or -1
	out      Memory
	seq      int64
}

// Next is the memory after a build: each cluster keeps the id of the entity that it shares most with, by weight; among
// equals, the one whose records came from there, then the older one. A cluster that got none takes back a retired id that
// its records had before a merge, so that undoing a merge restores both; or else a new one, made from its anchor's key.
func Next(prev *Memory, p NextParams) (*Memory, error) {
	s := &stepper{p: p, now: slices.Clone(p.Now), prev: prev, entity: map[string]int{}}
	if err := s.gather(); err != nil {
		return nil, err
	}
	s.carry()
	s.revive()
	s.make()
	s.retire()
	s.compress()
	s.remember()
	return &s.out, nil
}

// gather sorts the records, forms the clusters and finds what is known of each record.
func (s *stepper) gather() error {
	s.now = slices.DeleteFunc(s.now, func(r Placed) bool { return s.p.Erased[r.Key] })
	slices.SortFunc(s.now, func(a, b Placed) int { return cmp.Compare(a.Key, b.Key) })
	byName := map[string]int{}
	for i := range s.now {
		if i > 0 && s.now[i].Key == s.now[i-1].Key {
			return fmt.Errorf("record %s is there twice", s.now[i].Key)
		}
		if s.now[i].Weight < 1 {
			s.now[i].Weight = 1
		}
		c, ok := byName[s.now[i].Cluster]
		if !ok {
			c = len(s.clusters)
			byName[s.now[i].Cluster] = c
			s.clusters = append(s.clusters, cluster{})
		}
		s.clusters[c].records = append(s.clusters[c].records, i)
	}
	for _, c := range s.clusters { // the anchor first
		sort.Slice(c.records, func(a, b int) bool { return s.anchorLess(c.records[a], c.records[b]) })
	}
	sort.Slice(s.clusters, func(a, b int) bool { return s.anchorLess(s.clusters[a].records[0], s.clusters[b].records[0]) })
	s.place = make([]int, len(s.now))
	for c := range s.clusters {
		for _, r := range s.clusters[c].records {
			s.place[r] = c
		}
	}
	known := make(map[string]int, len(s.prev.Members))
	for i, m := range s.prev.Members {
		known[m.Record] = i
	}
	s.before = make([]int, len(s.now))
	for i, r := range s.now {
		s.before[i] = -1
		if m, ok := known[r.Key]; ok {
			s.before[i] = m
		}
	}
	s.status, s.into, s.owner = make([]string, len(s.prev.Entities)), make([]string, len(s.prev.Entities)), make([]int, len(s.prev.Entities))
	for i, e := range s.prev.Entities {
		s.entity[e.ID] = i
		s.status[i], s.into[i], s.owner[i] = e.Status, e.Into, -1
	}
	for _, m := range s.prev.Members {
		if _, ok := s.entity[m.Entity]; !ok {
			return fmt.Errorf("the memory of record %s names entity %s, which it does not know", m.Record, m.Entity)
		}
	}
	for _, e := range s.prev.Events {
		s.seq = max(s.seq, e.Seq)
	}
	return nil
}

func (s *stepper) anchorLess(a, b int) bool {
	if s.now[a].Rank != s.now[b].Rank {
		return s.now[a].Rank < s.now[b].Rank
	}
	return s.now[a].Key < s.now[b].Key
}

// overlaps lists what clusters share with earlier entities: by where records were (of), and by where they came from.
func (s *stepper) overlaps(of func(Member) string) []overlap {
	type pair struct{ c, e int }
	sum := map[pair]*overlap{}
	var list []*overlap
	at := func(c, e int) *overlap {
		o := sum[pair{c, e}]
		if o == nil {
			o = &overlap{cluster: c, entity: e}
			sum[pair{c, e}] = o
			list = append(list, o)
		}
		return o
	}
	for i, r := range s.now {
		if s.before[i] < 0 {
			continue
		}
		m := s.prev.Members[s.before[i]]
		if e, ok := s.entity[of(m)]; ok {
			o := at(s.place[i], e)
			o.weight += r.Weight
			if m.Home == of(m) {
				o.home += r.Weight
			}
		}
	}
	out := make([]overlap, len(list))
	for i, o := range list {
		out[i] = *o
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		switch {
		case a.weight != b.weight:
			return a.weight > b.weight
		case a.home != b.home:
			return a.home > b.home
		case a.entity != b.entity:
			ea, eb := s.prev.Entities[a.entity], s.prev.Entities[b.entity]
			if ea.Born != eb.Born {
				return ea.Born < eb.Born
			}
			return ea.ID < eb.ID
		}
		return a.cluster < b.cluster
	})
	return out
}

// carry gives ids to the clusters that share most with their entities.
func (s *stepper) carry() {
	for _, o := range s.overlaps(func(m Member) string { return m.Entity }) {
		s.assign(o)
	}
}

// revive gives retired ids back to clusters that got none: a merge that is undone leaves nothing behind.
func (s *stepper) revive() {
	for _, o := range s.overlaps(func(m Member) string { return m.Home }) {
		if s.status[o.entity] == Merged && s.assign(o) {
			s.clusters[o.cluster].fresh, s.clusters[o.cluster].revived = true, true
		}
	}
}

func (s *stepper) assign(o overlap) bool {
	if s.clusters[o.cluster].id != "" || s.owner[o.entity] >= 0 {
		return false
	}
	s.clusters[o.cluster].id, s.owner[o.entity] = s.prev.Entities[o.entity].ID, o.cluster
	return true
}

// make gives the other clusters ids that no entity ever had.
func (s *stepper) make() {
	used := map[string]bool{}
	for c := range s.clusters {
		if s.clusters[c].id != "" {
			continue
		}
		key := s.now[s.clusters[c].records[0]].Key
		id := NewID(s.p.Prefix, key, 0)
		for n := 1; ; n++ {
			if _, ok := s.entity[id]; !ok && !used[id] {
				break
			}
			id = NewID(s.p.Prefix, key, n)
		}
		used[id] = true
		s.clusters[c].id, s.clusters[c].fresh = id, true
	}
}

// NewID is the id that an entity gets from its anchor's key: the prefix and 16 hexadecimal digits of the key's MD5. n
// counts ids that the anchor was used for before.
func NewID(prefix, anchor string, n int) string {
	if n > 0 {
		anchor += "#" + strconv.Itoa(n)
	}
	sum := md5.Sum([]byte(anchor)) // an id, not a secret: DuckDB's md5() gives the same
	return prefix + hex.EncodeToString(sum[:8])
}

// retire decides what becomes of the entities that no cluster kept, and writes the events.
func (s *stepper) retire() {
	n := len(s.prev.Entities)
	present, absent, erased := make([]int64, n), make([]int64, n), make([]int64, n)
	here := make(map[string]bool, len(s.now))
	for _, r := range s.now {
		here[r.Key] = true
	}
	for _, m := range s.prev.Members {
		e := s.entity[m.Entity]
		switch {
		case s.p.Erased[m.Record]:
			erased[e]++
		case here[m.Record]:
			present[e]++
		default:
			absent[e]++
		}
	}
	// Where the records of each entity went, heaviest first.
	type flow struct {
		from, to int // entity, cluster
		weight   int64
		keys     []string
	}
	flows := map[[2]int]*flow{}
	for i, r := range s.now {
		if s.before[i] < 0 {
			continue
		}
		m := s.prev.Members[s.before[i]]
		from, to := s.entity[m.Entity], s.place[i]
		if s.clusters[to].id == m.Entity {
			continue
		}
		f := flows[[2]int{from, to}]
		if f == nil {
			f = &flow{from: from, to: to}
			flows[[2]int{from, to}] = f
		}
		f.weight += r.Weight
		f.keys = append(f.keys, r.Key)
	}
	moved := make([]*flow, 0, len(flows))
	for _, f := range flows {
		moved = append(moved, f)
	}
	sort.Slice(moved, func(i, j int) bool {
		a, b := moved[i], moved[j]
		if a.weight != b.weight {
			return a.weight > b.weight
		}
		if a.from != b.from {
			return a.from < b.from
		}
		return a.to < b.to
	})
	var events []Event
	say := func(e Event) { events = append(events, e) }
	splitFrom := map[int]bool{} // clusters whose split is told
	for _, f := range moved {
		ev := Event{Kind: EventMove, Entity: s.clusters[f.to].id, Other: s.prev.Entities[f.from].ID, Records: f.keys, Count: int64(len(f.keys)), Cause: s.cause(f.keys, s.clusters[f.to].records)}
		switch {
		case s.owner[f.from] < 0 && s.status[f.from] != Merged:
			ev.Kind = EventMerge
			s.status[f.from], s.into[f.from] = Merged, ev.Entity
		case s.clusters[f.to].fresh && !splitFrom[f.to]:
			ev.Kind = EventSplit
			splitFrom[f.to] = true
		}
		say(ev)
	}
	for c := range s.clusters {
		cl := &s.clusters[c]
		if _, ok := s.entity[cl.id]; !ok && !splitFrom[c] {
			say(Event{Kind: EventCreate, Entity: cl.id, Count: int64(len(cl.records)), Cause: "records"})
		}
	}
	for i, e := range s.prev.Entities {
		switch {
		case s.owner[i] >= 0:
			if e.Status == Ended {
				say(Event{Kind: EventReturn, Entity: e.ID, Count: present[i], Cause: "records"})
			}
			s.status[i], s.into[i] = Active, ""
		case s.status[i] == Merged, s.status[i] == Erased:
		case erased[i] > 0:
			s.status[i] = Erased
			say(Event{Kind: EventErase, Entity: e.ID, Count: erased[i], Cause: "erasure"})
		case s.status[i] == Active:
			s.status[i] = Ended
			say(Event{Kind: EventEnd, Entity: e.ID, Count: absent[i], Cause: "records"})
		}
	}
	order := []string{EventErase, EventEnd, EventReturn, EventMerge, EventSplit, EventMove, EventCreate}
	sort.SliceStable(events, func(i, j int) bool {
		a, b := events[i], events[j]
		if a.Kind != b.Kind {
			return slices.Index(order, a.Kind) < slices.Index(order, b.Kind)
		}
		if a.Kind == EventCreate {
			return false // by the rank of their anchors
		}
		if a.Entity != b.Entity {
			return a.Entity < b.Entity
		}
		return a.Other < b.Other
	})
	for _, e := range s.prev.Events {
		s.out.Events = append(s.out.Events, withoutErased(e, s.p.Erased))
	}
	for _, e := range events {
		s.seq++
		e.Seq, e.Day = s.seq, s.p.Day
		s.out.Events = append(s.out.Events, e)
	}
}

// cause says whether an override has to do with what happened to the records.
func (s *stepper) cause(keys []string, cluster []int) string {
	for _, k := range keys {
		if s.p.Touched[k] {
			return "override"
		}
	}
	for _, r := range cluster {
		if s.p.Touched[s.now[r].Key] {
			return "override"
		}
	}
	return "records"
}

func withoutErased(e Event, erased map[string]bool) Event {
	if slices.ContainsFunc(e.Records, func(k string) bool { return erased[k] }) {
		e.Records = slices.DeleteFunc(slices.Clone(e.Records), func(k string) bool { return erased[k] })
	}
	return e
}

// compress makes every retired id point at the entity that stands for it now.
func (s *stepper) compress() {
	for i := range s.into {
		to := s.into[i]
		for range s.into { // as many steps as there are ids: memory that was tampered with cannot hang a build
			j, ok := s.entity[to]
			if !ok || s.status[j] != Merged {
				break
			}
			to = s.into[j]
		}
		s.into[i] = to
	}
}

// remember writes members and entities.
func (s *stepper) remember() {
	here := make(map[string]bool, len(s.now))
	for i, r := range s.now {
		here[r.Key] = true
		id := s.clusters[s.place[i]].id
		m := Member{Record: r.Key, Entity: id, Home: id, Present: true}
		if s.before[i] >= 0 {
			old := s.prev.Members[s.before[i]]
			from := s.entity[old.Entity]
			// In the same entity, in one that took the former one whole, or in one that a merge is undone for: it still comes
			// from where it came from.
			if old.Entity == id || s.status[from] == Merged && s.into[from] == id || s.clusters[s.place[i]].revived {
				m.Home = old.Home
			}
		}
		s.out.Members = append(s.out.Members, m)
	}
	for _, m := range s.prev.Members {
		e := s.entity[m.Entity]
		if here[m.Record] || s.p.Erased[m.Record] || s.status[e] == Erased {
			continue
		}
		m.Present = false
		if s.status[e] == Merged {
			m.Entity = s.into[e]
		}
		s.out.Members = append(s.out.Members, m)
	}
	slices.SortFunc(s.out.Members, func(a, b Member) int { return cmp.Compare(a.Record, b.Record) })
	for i, e := range s.prev.Entities {
		s.out.Entities = append(s.out.Entities, Entity{ID: e.ID, Status: s.status[i], Into: s.into[i], Born: e.Born})
	}
	born := map[string]int64{}
	for _, e := range s.out.Events {
		if _, ok := born[e.Entity]; !ok && (e.Kind == EventCreate || e.Kind == EventSplit) {
			born[e.Entity] = e.Seq
		}
	}
	for _, c := range s.clusters {
		if _, ok := s.entity[c.id]; !ok {
			s.out.Entities = append(s.out.Entities, Entity{ID: c.id, Status: Active, Born: born[c.id]})
		}
	}
	slices.SortFunc(s.out.Entities, func(a, b Entity) int { return cmp.Compare(a.ID, b.ID) })
}
