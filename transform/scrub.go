package transform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// ScrubParams say who is to be forgotten.
type ScrubParams struct {
	Graph *Graph
	Dir   string // the target's folder; the caller holds the target's lock
	// Values are what names the person: addresses, keys of records, ids. Compared in lower case.
	Values []string
	Clock  func() time.Time
	Log    *slog.Logger
}

// Scrubbed is what Scrub did.
type Scrubbed struct {
	Build   string           // the build that is published now
	Rows    map[string]int64 // rows taken out, by relation
	Removed int              // builds that were kept aside and are gone
}

// Scrub forgets a person in what a build keeps by itself: relations with memory, and everything that earlier builds hold. It
// is called after a build from which the person's rows were missing already. The published file is written anew, row by row,
// so that nothing is left in blocks that DuckDB has freed; all other builds are removed, pinned ones too. Readers that have
// one open read it to their end. Exports of relations with memory are replaced likewise.
//
// It can be repeated: whenever a crash comes, a whole build is published (P3).
func Scrub(ctx context.Context, p ScrubParams) (Scrubbed, error) {
	out := Scrubbed{Rows: map[string]int64{}}
	w := newWarehouse(p.Dir)
	cur, err := w.current()
	if err != nil {
		return out, err
	}
	if cur == "" {
		return out, nil // nothing is published: nothing to forget
	}
	if err := w.clean(cur); err != nil {
		return out, err
	}
	s, err := readBuild(ctx, w, cur)
	if err != nil {
		return out, err
	}
	id, err := w.nextID(p.Clock())
	if err != nil {
		return out, err
	}
	draft := id + ".scrub" // a name that clean removes
	if err := w.copy(cur, draft); err != nil {
		return out, err
	}
	defer os.Remove(w.path(draft))
	changed, err := forget(ctx, w.path(draft), s, p, &out)
	if err != nil {
		return out, err
	}
	for _, name := range changed {
		s.nodes[name].BuildID = id
	}
	// What reads them was made from rows that are gone: with another version, the next build makes it again.
	moved := downstream(p.Graph, changed)
	for name := range moved {
		if r := s.nodes[name]; r != nil {
			sum := sha256.Sum256([]byte(r.Version + " scrubbed " + id))
			r.Version = hex.EncodeToString(sum[:16])
		}
	}
	if err := rewrite(ctx, w.path(draft), w.path(id), s, id, moved, p); err != nil {
		return out, fault.Wrap(diskHint(err), "write the build anew")
	}
	if err := os.Remove(w.path(draft)); err != nil { // before builds are counted
		return out, err
	}
	m := memory{dir: filepath.Join(p.Dir, statefulDir), g: p.Graph, log: p.Log}
	if err := reexport(ctx, &m, w.path(id), changed, id); err != nil {
		return out, err
	}
	if err := w.publish(id, func(string) {}); err != nil {
		return out, err
	}
	out.Build = id
	if s, err = readBuild(ctx, w, id); err != nil {
		return out, err
	}
	if err := m.writeIndex(s); err != nil {
		return out, err
	}
	before, err := w.builds()
	if err != nil {
		return out, fault.Wrap(err, "list builds")
	}
	if err := w.retain(1, nil); err != nil {
		return out, err
	}
	out.Removed = len(before) - 1
	return out, nil
}

// Builds is the number of builds that a target keeps.
func Builds(dir string) (int, error) {
	ids, err := newWarehouse(dir).builds()
	return len(ids), fault.Wrap(err, "list builds")
}

// downstream are the named relations and everything that reads them.
func downstream(g *Graph, names []string) map[string]bool {
	out := map[string]bool{}
	for _, n := range names {
		out[n] = true
	}
	for _, name := range g.order {
		for _, d := range g.Nodes[name].Deps {
			out[name] = out[name] || out[d]
		}
	}
	return out
}

// keeps reports whether a relation may hold rows that its inputs have no more.
func keeps(g *Graph, name string) bool {
	n := g.Nodes[name]
	return n == nil || n.stateful() || n.Meta.Materialized == "incremental" || n.Self
}

// forget deletes the person's rows in relations that keep rows by themselves; lists lose the person's members.
func forget(ctx context.Context, path string, s *state, p ScrubParams, out *Scrubbed) ([]string, error) {
	db, err := duck.Open(ctx, path, duck.Options{})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	values := make([]string, len(p.Values))
	for i, v := range p.Values {
		values[i] = duck.Quote(strings.ToLower(v))
	}
	in := "(" + strings.Join(values, ", ") + ")"
	var changed []string
	for _, name := range s.names() {
		r := s.nodes[name]
		if len(values) == 0 || r.Materialized == "view" && !r.frozen || r.Materialized == "external" || !keeps(p.Graph, name) {
			continue
		}
		var where, lists []string
		for _, c := range r.Columns {
			col := duck.Ident(c.Name)
			switch strings.ToUpper(c.Type) {
			case "VARCHAR":
				where = append(where, "lower("+col+") in "+in)
			case "VARCHAR[]":
				lists = append(lists, col)
			}
		}
		var n int64
		if len(where) > 0 {
			err := db.QueryRowContext(ctx, "select count(*) from "+ident(name)+" where "+strings.Join(where, " or ")).Scan(&n)
			if err != nil {
				return nil, fault.Wrap(duck.Clean(err), "look for the person in %s", name)
			}
			if n > 0 {
				if err := db.Exec(ctx, "delete from "+ident(name)+" where "+strings.Join(where, " or ")); err != nil {
					return nil, fault.Wrap(err, "forget in %s", name)
				}
			}
		}
		for _, col := range lists {
			var k int64
			has := "len(list_filter(" + col + ", lambda x: lower(x) in " + in + ")) > 0"
			if err := db.QueryRowContext(ctx, "select count(*) from "+ident(name)+" where "+has).Scan(&k); err != nil {
				return nil, fault.Wrap(duck.Clean(err), "look for the person in %s", name)
			}
			if k == 0 {
				continue
			}
			n += k
			if err := db.Exec(ctx, "update "+ident(name)+" set "+col+" = list_filter("+col+", lambda x: lower(x) not in "+in+") where "+has); err != nil {
				return nil, fault.Wrap(err, "forget in %s", name)
			}
		}
		if n > 0 {
			out.Rows[name] = n
			changed = append(changed, name)
			if err := db.QueryRowContext(ctx, "select count(*) from "+ident(name)).Scan(&r.Rows); err != nil {
				return nil, fault.Wrap(duck.Clean(err), "count %s", name)
			}
		}
	}
	return changed, db.Exec(ctx, "checkpoint")
}

// rewrite copies what is in a database into a new file, without the blocks that were freed in the old one, and writes the
// build's records.
func rewrite(ctx context.Context, from, to string, s *state, id string, moved map[string]bool, p ScrubParams) error {
	db, err := duck.Open(ctx, "", duck.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, q := range []string{
		"attach " + duck.Quote(from) + " as old_build (read_only)", "attach " + duck.Quote(to) + " as new_build",
		"copy from database old_build to new_build", "detach old_build", "detach new_build",
	} {
		if err := db.Exec(ctx, q); err != nil {
			return err
		}
	}
	made, err := duck.Open(ctx, to, duck.Options{})
	if err != nil {
		return err
	}
	defer made.Close()
	s.id, s.published = id, p.Clock().UTC()
	if err := made.Exec(ctx, fmt.Sprintf("update millrace.build set id = %s, published_at = %s", lit(id), stamp(s.published))); err != nil {
		return err
	}
	for _, name := range s.names() {
		if r := s.nodes[name]; moved[name] {
			q := fmt.Sprintf("update millrace.nodes set rows = %d, version = %s, build_id = %s where name = %s", r.Rows, lit(r.Version), lit(r.BuildID), lit(name))
			if err := made.Exec(ctx, q); err != nil {
				return err
			}
		}
	}
	return made.Exec(ctx, "checkpoint")
}

func reexport(ctx context.Context, m *memory, path string, changed []string, id string) error {
	changed = slices.DeleteFunc(slices.Clone(changed), func(name string) bool {
		n := m.g.Nodes[name]
		return n == nil || !n.stateful()
	})
	if len(changed) == 0 {
		return nil
	}
	db, err := duck.Open(ctx, path, duck.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	for _, name := range changed {
		if err := m.exportOne(ctx, db, name, id); err != nil {
			return err
		}
	}
	return nil
}
