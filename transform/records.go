package transform

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"millrace/internal/duck"
	"millrace/transform/relation"
)

// state is what a build says about itself: its relations and the outcome of its audits.
type state struct {
	id        string
	path      string
	published time.Time
	engine    string
	dir       string // the warehouse's folder when it was published
	nodes     map[string]*record
	tests     map[string]*TestResult
}

// record is one relation of a build.
type record struct {
	relation.Relation
	kind   Kind
	meta   string // hash of the descriptions, to see that only those changed
	static string
	frozen bool // a view that is kept as a table, because it is held at an earlier version than what it reads
}

func newState() *state {
	return &state{nodes: map[string]*record{}, tests: map[string]*TestResult{}}
}

func (s *state) build() relation.Build {
	b := relation.Build{ID: s.id, Path: s.path, PublishedAt: s.published, Relations: map[string]relation.Relation{}}
	for name, r := range s.nodes {
		b.Relations[name] = r.Relation
	}
	return b
}

// recordsDDL makes the tables in which a build says what it holds.
const recordsDDL = `
create schema if not exists millrace;
create or replace table millrace.build (id varchar, published_at timestamp, engine varchar, format varchar, run_id varchar, project varchar, target varchar, dir varchar);
create or replace table millrace.nodes (name varchar, kind varchar, materialized varchar, description varchar, owner varchar, tags varchar[], unique_key varchar[],
    rows bigint, version varchar, static varchar, meta varchar, built_at timestamp, build_id varchar, stale boolean, stale_why varchar, frozen boolean);
create or replace table millrace.columns (relation varchar, position bigint, name varchar, type varchar, description varchar, pii varchar, tags varchar[]);
create or replace table millrace.tests (id varchar, name varchar, relation varchar, file varchar, line bigint, status varchar, failures bigint, message varchar, version varchar);
`

// write replaces the records inside a build by s. One goroutine calls it, when nothing else writes.
func (s *state) write(ctx context.Context, db *duck.DB, p BuildParams) error {
	for _, q := range strings.Split(recordsDDL, ";\n") {
		if strings.TrimSpace(q) == "" {
			continue
		}
		if err := db.Exec(ctx, q); err != nil {
			return err
		}
	}
	if err := db.Exec(ctx, "insert into millrace.build values (?, ?, ?, ?, ?, ?, ?, ?)", s.id, s.published, s.engine, formatVersion, p.RunID, p.Graph.Run.Project, p.Graph.Run.Target, s.dir); err != nil {
		return err
	}
	var nodes, cols, tests []string
	for _, name := range s.names() {
		r := s.nodes[name]
		nodes = append(nodes, tuple(lit(name), lit(string(r.kind)), lit(r.Materialized), lit(r.Description), lit(r.Owner), list(r.Tags), list(r.Key),
			fmt.Sprint(r.Rows), lit(r.Version), lit(r.static), lit(r.meta), stamp(r.BuiltAt), lit(r.BuildID), fmt.Sprint(r.Stale), lit(r.StaleWhy), fmt.Sprint(r.frozen)))
		for i, c := range r.Columns {
			cols = append(cols, tuple(lit(name), fmt.Sprint(i+1), lit(c.Name), lit(c.Type), lit(c.Description), lit(c.PII), list(c.Tags)))
		}
	}
	ids := make([]string, 0, len(s.tests))
	for id := range s.tests {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	for _, id := range ids {
		t := s.tests[id]
		tests = append(tests, tuple(lit(t.ID), lit(t.Name), lit(t.Relation), lit(t.File), fmt.Sprint(t.Line), lit(string(t.Status)), fmt.Sprint(t.Failures), lit(t.Message), lit(t.version)))
	}
	for table, rows := range map[string][]string{"nodes": nodes, "columns": cols, "tests": tests} {
		if len(rows) == 0 {
			continue
		}
		if err := db.Exec(ctx, "insert into millrace."+table+" values "+strings.Join(rows, ",\n")); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) names() []string {
	out := make([]string, 0, len(s.nodes))
	for name := range s.nodes {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

func tuple(parts ...string) string { return "(" + strings.Join(parts, ", ") + ")" }

func lit(s string) string { return duck.Quote(s) }

func stamp(t time.Time) string {
	return "timestamp '" + t.UTC().Format("2006-01-02 15:04:05.000000") + "'"
}

func list(l []string) string {
	q := make([]string, len(l))
	for i, s := range l {
		q[i] = duck.Quote(s)
	}
	return "[" + strings.Join(q, ", ") + "]::varchar[]"
}

// readState reads the records of an open build.
func readState(ctx context.Context, db *duck.DB) (*state, error) {
	s := newState()
	err := db.Each(ctx, "select id, published_at, engine, dir from millrace.build", func(row []any) error {
		s.id, _ = row[0].(string)
		s.published, _ = row[1].(time.Time)
		s.engine, _ = row[2].(string)
		s.dir, _ = row[3].(string)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = db.Each(ctx, "select name, kind, materialized, description, owner, tags, unique_key, rows, version, static, meta, built_at, build_id, stale, stale_why, frozen from millrace.nodes", func(row []any) error {
		r := &record{}
		r.Name = row[0].(string)
		r.kind = Kind(row[1].(string))
		r.Materialized, r.Description, r.Owner = row[2].(string), row[3].(string), row[4].(string)
		r.Tags, r.Key = texts(row[5]), texts(row[6])
		r.Rows, r.Version, r.static, r.meta = row[7].(int64), row[8].(string), row[9].(string), row[10].(string)
		r.BuiltAt, r.BuildID = row[11].(time.Time), row[12].(string)
		r.Stale, r.StaleWhy, r.frozen = row[13].(bool), row[14].(string), row[15].(bool)
		s.nodes[r.Name] = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = db.Each(ctx, "select relation, name, type, description, pii, tags from millrace.columns order by relation, position", func(row []any) error {
		if r := s.nodes[row[0].(string)]; r != nil {
			r.Columns = append(r.Columns, relation.Column{Name: row[1].(string), Type: row[2].(string), Description: row[3].(string), PII: row[4].(string), Tags: texts(row[5])})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = db.Each(ctx, "select id, name, relation, file, line, status, failures, message, version from millrace.tests", func(row []any) error {
		s.tests[row[0].(string)] = &TestResult{ID: row[0].(string), Name: row[1].(string), Relation: row[2].(string), File: row[3].(string), Line: int(row[4].(int64)),
			Status: Status(row[5].(string)), Failures: row[6].(int64), Message: row[7].(string), version: row[8].(string), Carried: true}
		return nil
	})
	return s, err
}

func texts(v any) []string {
	l, _ := v.([]any)
	var out []string
	for _, e := range l {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
