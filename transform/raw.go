package transform

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"millrace/extract/landing"
	"millrace/internal/duck"
	"millrace/transform/relation"
)

// rawRelation is raw_<source>.<stream>, or the union of several under their connector's name.
type rawRelation struct {
	name    string
	streams []RawStream // one, or several for an alias
	alias   bool
	columns []landing.Column // without the operational ones
}

// colSource names the source that a row comes from: a relation may be the union of several sources of one connector.
const colSource = "_source"

// rawRelations makes the raw relations of all streams, by name.
func rawRelations(streams []RawStream) map[string]*rawRelation {
	out := map[string]*rawRelation{}
	for _, s := range streams {
		name := s.Schema + "." + s.Name
		out[name] = &rawRelation{name: name, streams: []RawStream{s}}
	}
	for _, s := range streams {
		if s.Alias == "" {
			continue
		}
		name := s.Alias + "." + s.Name
		r, ok := out[name]
		if ok && !r.alias {
			if s.Schema == s.Alias {
				continue // the source has its connector's name: its own relation is the one people mean
			}
			r = &rawRelation{name: name, alias: true, streams: r.streams}
		} else if !ok {
			r = &rawRelation{name: name, alias: true}
		}
		r.streams = append(r.streams, s)
		out[name] = r
	}
	for _, r := range out {
		sort.Slice(r.streams, func(i, j int) bool { return r.streams[i].Source < r.streams[j].Source })
		for _, s := range r.streams {
			r.columns = widen(r.columns, s.Columns)
			r.columns = widen(r.columns, landing.Union(landing.Current(s.Loads)).Columns)
		}
	}
	return out
}

// widen adds columns to have, and gives a column that is in both the type that holds the values of both.
func widen(have, more []landing.Column) []landing.Column {
	out := slices.Clone(have)
	for _, c := range more {
		i := slices.IndexFunc(out, func(h landing.Column) bool { return strings.EqualFold(h.Name, c.Name) })
		if i < 0 {
			out = append(out, c)
			continue
		}
		switch {
		case out[i].Empty: // nobody has seen a value: the other side knows the type
			out[i].Type, out[i].Empty = c.Type, c.Empty
		case !c.Empty:
			out[i].Type = landing.Widen(out[i].Type, c.Type)
		}
		out[i].PII = orElse(out[i].PII, c.PII)
		out[i].Description = orElse(out[i].Description, c.Description)
	}
	return out
}

// relationColumns are the columns as SQL sees them, operational ones last.
func (r *rawRelation) relationColumns() []relation.Column {
	var out []relation.Column
	for _, c := range r.columns {
		out = append(out, relation.Column{Name: c.Name, Type: string(c.Type), Description: c.Description, PII: c.PII})
	}
	return append(out,
		relation.Column{Name: colSource, Type: "VARCHAR", Description: "the source in the project"},
		relation.Column{Name: landing.ColExtra, Type: "JSON", Description: "fields that the schema does not know"},
		relation.Column{Name: landing.ColLoadID, Type: "VARCHAR", Description: "the load that brought the row"},
		relation.Column{Name: landing.ColExtractedAt, Type: "TIMESTAMP", Description: "when the row was read, UTC"},
		relation.Column{Name: landing.ColRowID, Type: "VARCHAR", Description: "position within the source"})
}

// query is the SELECT that gives the relation's rows, all columns cast to the relation's types.
func (r *rawRelation) query() string {
	var parts []string
	for i := range r.streams {
		parts = append(parts, r.streamQuery(&r.streams[i]))
	}
	return strings.Join(parts, "\nunion all\n")
}

// streamQuery reads files of equal types together and casts each such group to the relation's types: one reader over files
// of different types would choose a common type by rules of its own.
func (r *rawRelation) streamQuery(s *RawStream) string {
	groups := landing.Groups(landing.Current(s.Loads))
	merge := s.Disposition == landing.Merge && len(s.PrimaryKey) > 0
	var parts []string
	for _, g := range groups {
		if len(g.Paths) > 0 {
			parts = append(parts, r.groupQuery(s, g, merge))
		}
	}
	if len(parts) == 0 {
		return r.groupQuery(s, landing.Group{}, false)
	}
	q := strings.Join(parts, "\nunion all\n")
	if !merge {
		return q
	}
	var key, null, names []string
	for _, k := range s.PrimaryKey {
		key = append(key, duck.Ident(k))
		null = append(null, duck.Ident(k)+" is null")
	}
	for _, c := range r.relationColumns() {
		names = append(names, duck.Ident(c.Name))
	}
	// The latest load wins, within it the later file and row: a total order. Rows without a key cannot be merged and all
	// stay (P2). Load ids and file names sort in commit order.
	return fmt.Sprintf("select %s from (%s) qualify %s or row_number() over (partition by %s order by %s desc, filename desc, file_row_number desc) = 1",
		strings.Join(names, ", "), q, strings.Join(null, " or "), strings.Join(key, ", "), duck.Ident(landing.ColLoadID))
}

// groupQuery reads one group of files; without files it is the relation's columns and no row.
func (r *rawRelation) groupQuery(s *RawStream, g landing.Group, position bool) string {
	held := map[string]bool{}
	for _, c := range g.Columns {
		held[strings.ToLower(c.Name)] = true
	}
	var cols []string
	for _, c := range r.relationColumns() {
		id := duck.Ident(c.Name)
		switch {
		case c.Name == colSource:
			cols = append(cols, fmt.Sprintf("%s as %s", duck.Quote(s.Source), id))
		case len(g.Paths) == 0 || !held[strings.ToLower(c.Name)] && !operational(c.Name):
			cols = append(cols, fmt.Sprintf("null::%s as %s", c.Type, id))
		default:
			cols = append(cols, fmt.Sprintf("cast(%s as %s) as %s", id, c.Type, id))
		}
	}
	if len(g.Paths) == 0 {
		return "select " + strings.Join(cols, ", ") + " where false"
	}
	options := ""
	if position {
		cols = append(cols, "filename", "file_row_number")
		options = ", filename = true, file_row_number = true"
	}
	var files []string
	for _, path := range g.Paths {
		files = append(files, duck.Quote(path))
	}
	return fmt.Sprintf("select %s from read_parquet([%s], hive_partitioning = false%s)", strings.Join(cols, ", "), strings.Join(files, ", "), options)
}

func operational(col string) bool {
	return col == landing.ColExtra || col == landing.ColLoadID || col == landing.ColExtractedAt || col == landing.ColRowID
}

// version is the hash of everything that the relation's rows are made of.
func (r *rawRelation) version() string {
	h := newHash("raw", r.name)
	for _, c := range r.relationColumns() {
		h.add(c.Name, c.Type, c.PII) // what is made of it inherits the tag
	}
	for _, s := range r.streams {
		h.add(s.Source, string(s.Disposition), strings.Join(s.PrimaryKey, "\x00"))
		for _, m := range landing.Current(s.Loads) {
			if m.Rows == 0 {
				continue // an empty load changes no row
			}
			h.add(m.LoadID)
			for _, f := range m.Files {
				h.add(f.Name, f.SHA256, strconv.FormatInt(f.Rows, 10))
			}
		}
	}
	return h.sum()
}
