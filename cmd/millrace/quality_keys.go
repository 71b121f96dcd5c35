package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/atomicfile"
	"millrace/internal/console"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/transform"
	"millrace/transform/relation"
)

// keyCount says how many rows of a stream's newest load share the stream's own key with another row of it. When the
// stream is merged, all but one of them are lost, and nobody would know.
type keyCount struct {
	LoadID string   `json:"load_id"`
	Key    []string `json:"key"`
	Rows   int64    `json:"rows"` // with a key
	Lost   int64    `json:"lost"`
	Bare   int64    `json:"bare"`             // without a value in the key: they cannot be told apart
	Sample string   `json:"sample,omitempty"` // some keys; those that are personal data are masked
}

// keyFile keeps the counts by stream ("crm.deals"), so that each load is counted once. It can be removed at any time.
func keyFile(p *project.Project) string { return filepath.Join(targetDir(p), "quality", "keys.json") }

func readKeys(p *project.Project) (map[string]keyCount, error) {
	out := map[string]keyCount{}
	text, err := os.ReadFile(keyFile(p))
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, "read the counts of keys")
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return map[string]keyCount{}, nil // a cache: the next extract counts again
	}
	return out, nil
}

// countKeys counts the keys of loads that are new and says where rows of one load replace each other.
func (a *app) countKeys(ctx context.Context, p *project.Project) error {
	landed, err := landing.List(p.RawDir())
	if err != nil {
		return err
	}
	known, err := readKeys(p)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(landed))
	for name := range landed {
		names = append(names, name)
	}
	sort.Strings(names)
	out := map[string]keyCount{}
	var db *duck.DB
	changed := false
	for _, name := range names {
		load, ok := newestRows(landed[name])
		if !ok || len(load.Schema.PrimaryKey) == 0 {
			continue
		}
		c := known[name]
		if c.LoadID != load.LoadID || !slices.Equal(c.Key, load.Schema.PrimaryKey) {
			if db == nil {
				if db, err = duck.Open(ctx, "", duck.Options{Threads: threads(p), MemoryLimit: memoryLimit(p), TempDir: filepath.Join(targetDir(p), "tmp")}); err != nil {
					return fault.Wrap(err, "count the keys of what has landed")
				}
				defer db.Close()
			}
			if c, err = countLoad(ctx, db, load); err != nil {
				return fault.Wrap(err, "count the keys of %s", name)
			}
			c.Bare = load.Rows - c.Rows
			changed = true
			if c.Bare > 0 {
				a.con.Step("extract", console.Warn, name, fmt.Sprintf("%s of %s have no value in the key %s: they cannot be told apart; see `millrace quality`",
					console.Thousands(c.Bare), console.Count(load.Rows, "row"), strings.Join(c.Key, ", ")), 0)
			}
			if c.Lost > 0 {
				what := "are in it more than once"
				if load.Disposition == landing.Merge {
					what = "replace each other: all but the last are lost"
				}
				a.con.Step("extract", console.Warn, name, fmt.Sprintf("%s of this load share %s with another row and %s (%s); see `millrace quality`",
					console.Count(c.Lost, "row"), strings.Join(c.Key, ", "), what, c.Sample), 0)
			}
		}
		out[name] = c
	}
	if !changed && len(out) == len(known) {
		return nil
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(keyFile(p)), 0o755); err != nil {
		return fault.Wrap(err, "keep the counts of keys")
	}
	return atomicfile.Write(keyFile(p), text, 0o644)
}

// misnamedKey refuses a primary_key that is no column: neither declared nor, once the stream has landed, in what landed. A
// stream that has not landed may have columns that nobody declared; then only a near miss of a declared one is refused.
func misnamedKey(p *project.Project, source string, e project.StreamEntry, c project.StreamConfig) error {
	known := map[string]bool{}
	names := c.Columns.Keys()
	for _, k := range names {
		known[landing.Slug(k)] = true
	}
	landed := false
	if loads, err := landing.Loads(p.RawDir(), source, e.Name); err == nil {
		if m, ok := newestRows(loads); ok {
			landed = true
			for _, col := range m.Schema.Columns {
				known[col.Name] = true
				names = append(names, col.Name)
			}
		}
	}
	var errs fault.List
	for _, k := range c.PrimaryKey {
		if known[landing.Slug(k)] || known[k] {
			continue
		}
		near := fault.Nearest(k, names)
		if near == "" && !landed {
			continue
		}
		hint := fault.DidYouMean(k, names)
		if hint == "" {
			hint = "Its columns are " + strings.Join(names, ", ") + "."
		}
		f := e.Node.Get("primary_key").Fault(hint, "is not a column of the stream, so its rows could not be told apart")
		f.Value = k
		errs.Add(f)
	}
	return errs.Or()
}

// placeKeyFaults gives errors about a stream's key the line of its file.
func placeKeyFaults(list []source, streams []extract.StreamResult) {
	for i := range streams {
		r := &streams[i]
		var f *fault.Error
		if !errors.As(r.Err, &f) || f.Key != "primary_key" || f.File != "" {
			continue
		}
		for _, s := range list {
			if s.file.Name != r.Source {
				continue
			}
			for _, e := range s.file.Streams {
				if n := e.Node.Get("primary_key"); e.Name == r.Stream && !n.IsZero() {
					pos := n.Pos()
					r.Err = &fault.Error{File: s.file.Path, Line: pos.Line, Col: pos.Col, Key: "streams." + e.Original + ".primary_key", Value: f.Value, Msg: f.Msg, Hint: f.Hint, Exit: fault.ExitHandled}
					r.Error = r.Err.Error()
				}
			}
		}
	}
}

// newestRows is the newest load that brought rows and still counts.
func newestRows(loads []landing.Manifest) (landing.Manifest, bool) {
	current := landing.Current(loads)
	for i := len(current) - 1; i >= 0; i-- {
		if current[i].Rows > 0 && len(current[i].Replaces) == 0 { // a compacted load holds one row a key by its making
			return current[i], true
		}
	}
	return landing.Manifest{}, false
}

func countLoad(ctx context.Context, db *duck.DB, load landing.Manifest) (keyCount, error) {
	c := keyCount{LoadID: load.LoadID, Key: load.Schema.PrimaryKey}
	var keys, null, shown []string
	for _, k := range load.Schema.PrimaryKey {
		i := slices.IndexFunc(load.Schema.Columns, func(x landing.Column) bool { return x.Name == k })
		if i < 0 {
			return c, nil // no value of it has landed: nothing can be merged
		}
		keys = append(keys, duck.Ident(k))
		null = append(null, duck.Ident(k)+" is not null")
		value := "coalesce(left(cast(" + duck.Ident(k) + " as varchar), 40), '')"
		if load.Schema.Columns[i].PII != "" {
			value = "'***'"
		}
		shown = append(shown, duck.Quote(k+" ")+" || "+value)
	}
	var parts []string
	for _, g := range landing.Groups([]landing.Manifest{load}) {
		var files []string
		for _, path := range g.Paths {
			files = append(files, duck.Quote(path))
		}
		held := true
		for _, k := range load.Schema.PrimaryKey {
			held = held && slices.ContainsFunc(g.Columns, func(x landing.Column) bool { return x.Name == k })
		}
		if held && len(files) > 0 {
			cols := make([]string, len(keys))
			for i, k := range keys {
				cols[i] = "cast(" + k + " as varchar) as " + k
			}
			parts = append(parts, fmt.Sprintf("select %s from read_parquet([%s], hive_partitioning = false)", strings.Join(cols, ", "), strings.Join(files, ", ")))
		}
	}
	if len(parts) == 0 {
		return c, nil
	}
	q := fmt.Sprintf("with copies as (select %[1]s, count(*) as n from (%[2]s) where %[3]s group by all) select coalesce(sum(n), 0)::bigint, coalesce(sum(n - 1), 0)::bigint, "+
		"(select string_agg(shown || ' (' || n || ' rows)', ', ') from (select %[4]s as shown, n from copies where n > 1 order by n desc, %[1]s limit 3)) from copies",
		strings.Join(keys, ", "), strings.Join(parts, "\nunion all\n"), strings.Join(null, " and "), strings.Join(shown, " || ' ' || "))
	err := db.Each(ctx, q, func(row []any) error {
		c.Rows, _ = row[0].(int64)
		c.Lost, _ = row[1].(int64)
		c.Sample, _ = row[2].(string)
		return nil
	})
	return c, err
}

// givenKeys hands the counts to the graph, so that quality.counted_checks can judge them.
func (a *app) givenKeys(p *project.Project) (transform.Given, error) {
	g := transform.Given{Name: "ops.load_keys", Description: "Rows of each stream's newest load that share the stream's own key with another row of it.",
		Columns: []relation.Column{
			{Name: "source", Type: "VARCHAR", Description: "Source of the project."},
			{Name: "stream", Type: "VARCHAR", Description: "Stream of the source."},
			{Name: "relation", Type: "VARCHAR", Description: "Raw relation that SQL reads."},
			{Name: "key_columns", Type: "VARCHAR", Description: "Columns that should tell records apart."},
			{Name: "file", Type: "VARCHAR", Description: "File that configures the source."},
			{Name: "rows", Type: "BIGINT", Description: "Rows of the load that have a key."},
			{Name: "lost_rows", Type: "BIGINT", Description: "Rows whose key another row of the load has too, but for one of each."},
			{Name: "rows_without_key", Type: "BIGINT", Description: "Rows of the load without a value in their key."},
			{Name: "sample", Type: "VARCHAR", Description: "Some of these keys; personal data is masked."},
		}}
	counts, err := readKeys(p)
	if err != nil {
		return g, err
	}
	byName := map[string]*project.Source{}
	for _, s := range p.Sources {
		byName[s.Name] = s
	}
	var rows [][]any
	for name, c := range counts {
		source, stream, _ := strings.Cut(name, ".")
		file, rel := "extract/", "raw_"+name
		if s := byName[source]; s != nil {
			file = s.Path
			if s.Connector != source && s.Connector != "file" {
				rel = "raw_" + s.Connector + "." + stream
			}
		}
		rows = append(rows, []any{source, stream, rel, strings.Join(c.Key, ", "), file, c.Rows, c.Lost, c.Bare, c.Sample})
	}
	sort.Slice(rows, func(i, j int) bool { return fmt.Sprint(rows[i]...) < fmt.Sprint(rows[j]...) })
	g.Version, g.Rows, err = rowsOf(rows, func(r []any) []any { return r })
	return g, err
}
