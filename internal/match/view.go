package match

import (
	"strings"
	"sync"
)

// view is the records as they are compared: every value normalised and numbered once, so that equality is the equality of
// two numbers. It is immutable.
type view struct {
	set     *Set
	n       int
	keys    []string
	sources []uint16

	names   bag // of the person or company: numbers of whole
	whole   []name
	given   *table
	middle  *table
	surname *table
	full    *table
	// nicknames are the groups of names that each given name belongs to, sorted.
	nicknames   [][]string
	email       *column
	phone       *column
	employer    *column
	domain      *column
	lines       *column
	house       *column
	city        *column
	state       *column
	postcode    *column
	country     *column
	twin        []int32
	twinOnce    sync.Once
	company     *companyNames
	companyOnce sync.Once
	own         []*column // dates, ids and texts: each field by itself
}

// bag is the values of every record in one place: those of record i are val[off[i]:off[i+1]].
type bag struct {
	off []uint32
	val []uint32
}

func (b *bag) of(i int) []uint32 { return b.val[b.off[i]:b.off[i+1]] }

// table is the different values of one kind, and what is derived from each.
type table struct {
	dict
	name string
}

// column is a bag of values of one table.
type column struct {
	bag
	*table
	field Field
	// common values are no single person's or company's by their form: role inboxes, domains of mail providers. Nil: none known.
	common []bool
}

// name is a person's name, taken apart; numbers in given, middle, surname and full. For a company, full is the words of its
// name, surname its legal form, given its acronym and middle the numbers in it.
type name struct{ given, middle, surname, full uint32 }

// builder collects the values of one column, record by record.
type builder struct{ c *column }

func (v *view) builder(name string, f Field) *builder {
	d := newDict()
	return &builder{c: &column{bag: bag{off: []uint32{0}}, table: &table{dict: d, name: name}, field: f}}
}

func (b *builder) add(value string) {
	if value == "" {
		return
	}
	id := b.c.dict.id(value)
	for _, have := range b.c.val[b.c.off[len(b.c.off)-1]:] {
		if have == id {
			return
		}
	}
	b.c.val = append(b.c.val, id)
}

func (b *builder) end() { b.c.off = append(b.c.off, uint32(len(b.c.val))) }

// done is the column, or nil when no record has a value: what is not there is not compared.
func (b *builder) done() *column {
	if len(b.c.val) == 0 {
		return nil
	}
	return b.c
}

// read normalises all values. It walks the cells, which are sorted by record, once.
func (s *Set) read() *view {
	v := &view{set: s, n: len(s.keys), keys: s.keys, sources: s.sources}
	v.given, v.middle, v.surname, v.full = v.table("given name"), v.table("middle name"), v.table("surname"), v.table("full name")
	r := newReader(s)
	shared := map[Type]*builder{}
	for _, t := range []Type{Email, Phone, Employer, Domain, Street, HouseNumber, City, State, Postcode, Country} {
		f := Field{Type: t}
		for _, x := range s.spec.Fields { // columns of one type are one, and the strictest limit holds
			if x.Type == t && x.Limit > 0 && (f.Limit == 0 || x.Limit < f.Limit) {
				f.Limit = x.Limit
			}
		}
		shared[t] = v.builder(strings.ReplaceAll(string(t), "_", " "), f)
	}
	own := make([]*builder, len(s.spec.Fields))
	for i, f := range s.spec.Fields {
		switch f.Type {
		case Date, ID, Text:
			own[i] = v.builder(f.Name, f)
		}
	}
	wholes := map[name]uint32{{}: 0}
	v.whole = []name{{}}
	v.names.off = []uint32{0}
	at := 0
	for i := range v.n {
		from := at
		for at < len(s.cells) && int(s.cells[at].record) == i {
			at++
		}
		r.record(s.cells[from:at])
		for _, n := range r.names {
			id := name{v.given.dict.id(n.given), v.middle.dict.id(n.middle), v.surname.dict.id(n.surname), v.full.dict.id(n.full)}
			w, ok := wholes[id]
			if !ok {
				w = uint32(len(v.whole))
				wholes[id] = w
				v.whole = append(v.whole, id)
			}
			v.names.val = append(v.names.val, w)
		}
		v.names.off = append(v.names.off, uint32(len(v.names.val)))
		for t, b := range shared {
			for _, x := range r.shared[t] {
				b.add(x)
			}
			b.end()
		}
		for f, b := range own {
			if b != nil {
				for _, x := range r.own[f] {
					b.add(x)
				}
				b.end()
			}
		}
	}
	v.email, v.phone, v.employer, v.domain = shared[Email].done(), shared[Phone].done(), shared[Employer].done(), shared[Domain].done()
	v.lines, v.house, v.city, v.state = shared[Street].done(), shared[HouseNumber].done(), shared[City].done(), shared[State].done()
	v.postcode, v.country = shared[Postcode].done(), shared[Country].done()
	for _, b := range own {
		if b != nil {
			if c := b.done(); c != nil {
				v.own = append(v.own, c)
			}
		}
	}
	for _, c := range []*column{v.email, v.domain} {
		if c != nil {
			c.common = make([]bool, c.len())
			for i, t := range c.texts {
				c.common[i] = r.role[t]
			}
		}
	}
	if s.spec.Entity == Person {
		v.nicknames = make([][]string, v.given.len())
		for i, g := range v.given.texts[1:] {
			v.nicknames[i+1] = r.n.Nicknames(g)
		}
	}
	s.raw = nil
	return v
}

func (v *view) table(name string) *table { return &table{dict: newDict(), name: name} }
