package match

import (
	"fmt"
	"slices"
	"sort"
	"sync"

	"millrace/internal/fault"
)

// Record is one row of one source, as it came. Values stand in the order of Spec.Fields; each field may have several
// values or none. Empty texts are no values.
type Record struct {
	Key    string // unique; a key that comes again adds its values to the record
	Source string // where the record is from, for linking; may be empty
	Values [][]string
}

// Set is the records of one matching. Fill it with Add by one goroutine; the first reader closes it.
type Set struct {
	spec    Spec
	index   map[string]int32
	keys    []string
	sources []uint16
	names   dict // of sources
	raw     []dict
	cells   []cell
	again   int
	closed  bool
	once    sync.Once
	view    *view
}

// cell is one value of one record: its field and the value's number in that field's dictionary.
type cell struct {
	record int32
	field  uint16
	value  uint32
}

// dict numbers the different texts of a column. Number 0 is the empty text: no value.
type dict struct {
	texts []string
	ids   map[string]uint32
}

func newDict() dict { return dict{texts: []string{""}, ids: map[string]uint32{"": 0}} }

func (d *dict) id(s string) uint32 {
	if n, ok := d.ids[s]; ok {
		return n
	}
	n := uint32(len(d.texts))
	d.texts = append(d.texts, s)
	d.ids[s] = n
	return n
}

func (d *dict) len() int { return len(d.texts) }

// NewSet starts an empty set.
func NewSet(spec Spec) (*Set, error) {
	if err := spec.Check(); err != nil {
		return nil, err
	}
	s := &Set{spec: spec, index: map[string]int32{}, names: newDict()}
	for range spec.Fields {
		s.raw = append(s.raw, newDict())
	}
	return s, nil
}

// Add takes a record in. A record without a key is refused: it could never be named in a result.
func (s *Set) Add(r Record) error {
	if s.closed {
		return &fault.Error{Msg: "the set of records is closed: it has been read already", Hint: "Add all records first."}
	}
	if r.Key == "" {
		return &fault.Error{Msg: "a record has no key", Hint: "Give every record a key of its own; leave rows without one out."}
	}
	if len(r.Values) != len(s.spec.Fields) {
		return &fault.Error{Msg: fmt.Sprintf("a record has %d fields, the description %d", len(r.Values), len(s.spec.Fields)), Hint: "Give one list of values for each field."}
	}
	n, ok := s.index[r.Key]
	if ok {
		s.again++
	} else {
		if len(s.keys) == 1<<31-1 {
			return &fault.Error{Msg: "more than 2,147,483,647 records", Hint: "Match a part of them."}
		}
		n = int32(len(s.keys))
		s.index[r.Key] = n
		s.keys = append(s.keys, r.Key)
		src := s.names.id(r.Source)
		if src > 1<<16-1 {
			return &fault.Error{Msg: "more than 65,535 sources", Hint: "A source is a file or a tool, not a record."}
		}
		s.sources = append(s.sources, uint16(src))
	}
	for f, values := range r.Values {
		if s.spec.Fields[f].Type == Ignore {
			continue
		}
		for _, v := range values {
			if v != "" {
				s.cells = append(s.cells, cell{n, uint16(f), s.raw[f].id(v)})
			}
		}
	}
	return nil
}

// Len is the number of records.
func (s *Set) Len() int { return len(s.keys) }

// Repeated is how many rows came under a key that was there already; their values were added to that record.
func (s *Set) Repeated() int { return s.again }

// Spec is the description that the set was made with.
func (s *Set) Spec() Spec { return s.spec }

// Keys are the keys of all records, sorted. The slice must not be changed.
func (s *Set) Keys() []string { return s.close().keys }

// close sorts the records by key (P4) and makes the view by which they are compared.
func (s *Set) close() *view {
	s.once.Do(func() {
		s.closed = true
		order := make([]int32, len(s.keys))
		for i := range order {
			order[i] = int32(i)
		}
		sort.Slice(order, func(i, j int) bool { return s.keys[order[i]] < s.keys[order[j]] })
		place := make([]int32, len(order))
		keys := make([]string, len(order))
		sources := make([]uint16, len(order))
		for i, o := range order {
			place[o], keys[i], sources[i] = int32(i), s.keys[o], s.sources[o]
			s.index[s.keys[o]] = int32(i)
		}
		s.keys, s.sources = keys, sources
		for i := range s.cells {
			s.cells[i].record = place[s.cells[i].record]
		}
		slices.SortFunc(s.cells, func(a, b cell) int {
			if a.record != b.record {
				return int(a.record) - int(b.record)
			}
			if a.field != b.field {
				return int(a.field) - int(b.field)
			}
			if a.value == b.value {
				return 0
			}
			// by text: numbers of texts follow the order of arrival
			if s.raw[a.field].texts[a.value] < s.raw[b.field].texts[b.value] {
				return -1
			}
			return 1
		})
		s.view = s.read()
		s.cells = nil
	})
	return s.view
}

// record is the number of the record with a key.
func (s *Set) record(key string) (int, bool) {
	s.close()
	n, ok := s.index[key]
	return int(n), ok
}
