package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"millrace/activate"
	"millrace/extract/parquet"
	"millrace/internal/console"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/state"
	"millrace/transform"
	"millrace/transform/relation"
)

// place is one place that holds data about a person.
type place struct {
	Kind  string `json:"kind"` // landed, build, state, destination, file
	Where string `json:"where"`
	Found string `json:"found"`
	Erase string `json:"erase"` // what an erasure does there
}

type privacyFound struct {
	Target string   `json:"target"`
	Person *subject `json:"person"`
	Places []place  `json:"places"`
}

func newPrivacyFindCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "find PERSON",
		Short: "List every place that holds data about a person, and what an erasure would do there",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			p, err := a.project()
			if err != nil {
				return err
			}
			s, err := a.whois(ctx, p, args[0])
			if err != nil {
				return err
			}
			found, err := a.places(ctx, p, s)
			if err != nil {
				return err
			}
			if a.flags.json {
				return a.con.Result(privacyFound{p.Target, s, found})
			}
			a.showPlaces(p, s, found)
			return nil
		},
	}
}

func (a *app) showPlaces(p *project.Project, s *subject, found []place) {
	a.con.Say("%s, target %s", s.Name, p.Target)
	k := s.Known
	for _, x := range []struct {
		what string
		list []string
	}{{"addresses", k.Emails}, {"ids", k.IDs}, {"records", k.Records}, {"records that stay, without what is personal", k.Kept}, {"left out, since others use them too", s.Shared}} {
		if len(x.list) > 0 {
			a.con.Say("  %s: %s", x.what, strings.Join(x.list, ", "))
		}
	}
	if len(found) == 0 {
		a.con.Say("\nNothing about this person is held under target %s.%s", p.Target, otherTargets(p))
		return
	}
	rows := make([][]string, len(found))
	for i, x := range found {
		rows[i] = []string{x.Kind, x.Where, x.Found, x.Erase}
	}
	a.con.Say("")
	a.con.Table([]string{"kind", "where", "found", "an erasure"}, rows)
	if o := otherTargets(p); o != "" {
		a.con.Say("%s", strings.TrimSpace(o))
	}
}

// otherTargets says that other targets hold data of their own.
func otherTargets(p *project.Project) string {
	entries, err := os.ReadDir(filepath.Dir(p.Root()))
	if err != nil {
		return ""
	}
	var others []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(filepath.Dir(p.Root()), e.Name(), "state.db")); err == nil && e.Name() != p.Target {
			others = append(others, e.Name())
		}
	}
	if len(others) == 0 {
		return ""
	}
	return fmt.Sprintf(" Other targets hold data of their own: ask again with --target %s.", strings.Join(others, " and --target "))
}

// places looks everywhere and changes nothing.
func (a *app) places(ctx context.Context, p *project.Project, s *subject) ([]place, error) {
	out, err := a.landedPlaces(ctx, p, s)
	if err != nil {
		return nil, err
	}
	built, err := a.builtPlaces(ctx, p, s)
	if err != nil {
		return nil, err
	}
	kept, err := a.statePlaces(ctx, p, s)
	if err != nil {
		return nil, err
	}
	files, err := filePlaces(p, s)
	return slices.Concat(out, built, kept, files), err
}

func (a *app) landedPlaces(ctx context.Context, p *project.Project, s *subject) ([]place, error) {
	screen, err := a.screenOf(p, s)
	if err != nil {
		return nil, err
	}
	streams, err := landedStreams(p)
	if err != nil {
		return nil, err
	}
	lander := parquet.New(parquet.Options{Dir: p.RawDir(), Log: a.log})
	defer lander.Close()
	var out []place
	for _, st := range streams {
		got, err := lander.Purge(ctx, st[0], st[1], screen.Stream, true)
		if err != nil {
			return nil, err
		}
		name := st[0] + "." + st[1]
		for _, x := range []struct {
			n           int64
			what, erase string
		}{{got.Dropped, "row", "deletes"}, {got.Redacted, "row", "blanks what is personal"}, {got.Quarantined, "row in quarantine", "deletes"}} {
			if x.n > 0 {
				out = append(out, place{"landed", name, console.Count(x.n, x.what), x.erase})
			}
		}
	}
	return out, nil
}

// naming is a condition on a relation's rows: some text in them is one of the person's identifiers.
func naming(r []relation.Column, values []string) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = duck.Quote(strings.ToLower(v))
	}
	var where []string
	for _, c := range r {
		if strings.EqualFold(c.Type, "VARCHAR") {
			where = append(where, "lower("+duck.Ident(c.Name)+") in ("+strings.Join(list, ", ")+")")
		}
	}
	return strings.Join(where, " or ")
}

func (a *app) builtPlaces(ctx context.Context, p *project.Project, s *subject) ([]place, error) {
	var out []place
	err := a.eachNaming(ctx, p, s, func(b *publishedBuild, name, where string) error {
		var n int64
		if err := b.db.QueryRowContext(ctx, "select count(*) from "+relationIdent(name)+" where "+where).Scan(&n); err != nil {
			return fault.Wrap(duck.Clean(err), "look for the person in %s", name)
		}
		if n > 0 {
			out = append(out, place{"build", name, console.Count(n, "row"), "builds without them"})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n, err := transform.Builds(targetDir(p))
	if err != nil {
		return nil, err
	}
	if n > 1 {
		out = append(out, place{"build", "builds kept aside", console.Count(int64(n-1), "build") + ", not looked into", "removes"})
	}
	return out, nil
}

// eachNaming calls fn for each relation of the published build that could name the person.
func (a *app) eachNaming(ctx context.Context, p *project.Project, s *subject, fn func(b *publishedBuild, name, where string) error) error {
	b, err := a.published(ctx, p)
	if errors.Is(err, transform.ErrNothingPublished) {
		return nil
	}
	if err != nil {
		return err
	}
	defer b.Close()
	names := make([]string, 0, len(b.build.Relations))
	for name := range b.build.Relations {
		names = append(names, name)
	}
	slices.Sort(names)
	values := s.values()
	for _, name := range names {
		where := naming(b.build.Relations[name].Columns, values)
		if where == "" || len(values) == 0 {
			continue
		}
		if err := fn(b, name, where); err != nil {
			return err
		}
	}
	return nil
}

func relationIdent(name string) string {
	schema, rel, _ := strings.Cut(name, ".")
	return duck.Ident(schema) + "." + duck.Ident(rel)
}

func (a *app) statePlaces(ctx context.Context, p *project.Project, s *subject) ([]place, error) {
	db, err := a.openState(ctx, p)
	if err != nil || db == nil {
		return nil, err
	}
	defer db.Close()
	n, err := db.Erasures.Count(ctx, s.Known)
	if err != nil {
		return nil, err
	}
	var out []place
	for _, x := range []struct {
		n           int64
		what, where string
	}{{n.Decisions, "decision", "decisions"}, {n.Consents, "word", "consents"}, {n.Touches, "touch", "touches"}, {n.Sent, "row", "rows sent, and what stood there before"}, {n.Acked, "entry", "what destinations have acknowledged"}} {
		if x.n > 0 {
			out = append(out, place{"state", x.where, console.Count(x.n, x.what), "deletes"})
		}
	}
	more, err := a.destinationPlaces(ctx, p, db, s)
	return append(out, more...), err
}

func (a *app) destinationPlaces(ctx context.Context, p *project.Project, db *state.DB, s *subject) ([]place, error) {
	ids, err := db.Erasures.KeyIDs(ctx, s.Known)
	if err != nil {
		return nil, err
	}
	syncs, err := a.syncs(p)
	if err != nil {
		return nil, err
	}
	var out []place
	for _, sync := range syncs {
		d, err := a.openDestination(sync)
		if err != nil {
			return nil, err
		}
		e := activate.Engine{State: db, Target: p.Target}
		n, how, err := e.Held(ctx, sync, d, ids)
		if err = errors.Join(err, d.Close()); err != nil {
			return nil, err
		}
		if n > 0 {
			out = append(out, place{"destination", sync.File.Destination + " (" + sync.Name + ")", console.Count(int64(n), "record") + " that we have written", how})
		}
	}
	return out, nil
}

// outFolder is where reports are written unless their files say otherwise.
const outFolder = "out"

// filePlaces looks through files that were made for people. They are theirs: an erasure does not change them.
func filePlaces(p *project.Project, s *subject) ([]place, error) {
	var out []place
	err := filepath.WalkDir(p.Path(outFolder), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		has, err := fileNames(path, s.Known.Emails)
		if err != nil {
			return err
		}
		if has {
			rel, err := filepath.Rel(p.Dir, path)
			if err != nil {
				return err
			}
			out = append(out, place{"file", rel, "names the person", "leaves: make the report again, or delete it"})
		}
		return nil
	})
	return out, err
}

// fileNames reports whether a text file or workbook holds one of the addresses.
func fileNames(path string, emails []string) (bool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	has := func(data []byte) bool {
		text := bytes.ToLower(data)
		return slices.ContainsFunc(emails, func(e string) bool { return bytes.Contains(text, []byte(e)) })
	}
	if !strings.EqualFold(filepath.Ext(path), ".xlsx") {
		return has(data), nil
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return false, nil // no workbook after all, and nothing that can be read
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return false, fmt.Errorf("read %s: %w", path, err)
		}
		part, err := io.ReadAll(io.LimitReader(r, 256<<20))
		if err = errors.Join(err, r.Close()); err != nil {
			return false, fmt.Errorf("read %s: %w", path, err)
		}
		if has(part) {
			return true, nil
		}
	}
	return false, nil
}
