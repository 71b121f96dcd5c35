package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"millrace/extract/parquet"
	"millrace/internal/atomicfile"
	"millrace/internal/console"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/state"
	"millrace/models/decision"
)

// personExport is everything about one person, for them to have.
type personExport struct {
	Person    *subject                    `json:"person"`
	Target    string                      `json:"target"`
	Landed    map[string][]map[string]any `json:"landed"`    // by source.stream, as it was read
	Relations map[string][]map[string]any `json:"relations"` // by relation, as it was made
	Decisions []decision.Decision         `json:"decisions"`
	Consents  []state.Consent             `json:"consents"`
	Places    []place                     `json:"places"`
}

func newPrivacyExportCmd(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "export PERSON",
		Short: "Write everything that is held about a person into one JSON file",
		Long: `Writes the person's rows as they were read and as they were made, decisions about them, consents, and where they were sent.
The file is readable by its owner only; give it to the person who asked and delete it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return &fault.Error{Key: "--out", Msg: "the file is missing", Hint: "Write --out person.json."}
			}
			if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
				return &fault.Error{Key: "--out", Value: out, Msg: "there is such a file already", Hint: "Name a new one."}
			}
			return a.privacyExport(cmd.Context(), args[0], out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write")
	return cmd
}

func (a *app) privacyExport(ctx context.Context, ref, out string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	x := personExport{Target: p.Target, Relations: map[string][]map[string]any{}, Decisions: []decision.Decision{}, Consents: []state.Consent{}}
	if x.Person, err = a.whois(ctx, p, ref); err != nil {
		return err
	}
	if x.Places, err = a.places(ctx, p, x.Person); err != nil {
		return err
	}
	if x.Landed, err = a.landedRows(ctx, p, x.Person); err != nil {
		return err
	}
	rows := 0
	for _, l := range x.Landed {
		rows += len(l)
	}
	if err := a.relationRows(ctx, p, x.Person, x.Relations); err != nil {
		return err
	}
	for _, l := range x.Relations {
		rows += len(l)
	}
	if err := a.stateRows(ctx, p, x.Person, &x); err != nil {
		return err
	}
	text, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return fault.Wrap(err, "write what is held about the person")
	}
	path, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(path, append(text, '\n'), 0o600); err != nil {
		return err
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"path": path, "rows": rows})
	}
	a.con.Say("%s: %s from %d places, in %s", x.Person.Name, console.Count(int64(rows), "row"), len(x.Places), out)
	return nil
}

func (a *app) landedRows(ctx context.Context, p *project.Project, s *subject) (map[string][]map[string]any, error) {
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
	out := map[string][]map[string]any{}
	for _, st := range streams {
		err := lander.Matching(ctx, st[0], st[1], screen.Stream, func(row map[string]any) error {
			out[st[0]+"."+st[1]] = append(out[st[0]+"."+st[1]], row)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a *app) relationRows(ctx context.Context, p *project.Project, s *subject, into map[string][]map[string]any) error {
	return a.eachNaming(ctx, p, s, func(b *publishedBuild, name, where string) error {
		res, err := b.db.Query(ctx, "select * from "+relationIdent(name)+" where "+where)
		if err != nil {
			return fault.Wrap(duck.Clean(err), "read %s", name)
		}
		for _, row := range res.Rows {
			x := make(map[string]any, len(row))
			for i, c := range res.Columns {
				x[c.Name] = row[i]
			}
			into[name] = append(into[name], x)
		}
		return nil
	})
}

func (a *app) stateRows(ctx context.Context, p *project.Project, s *subject, x *personExport) error {
	db, err := a.openState(ctx, p)
	if err != nil || db == nil {
		return err
	}
	defer db.Close()
	mine := map[string]bool{}
	for _, id := range s.Known.Subjects {
		mine[id] = true
		list, err := db.Decisions.About(ctx, id)
		if err != nil {
			return err
		}
		x.Decisions = append(x.Decisions, list...)
	}
	all, err := db.Consents.List(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if mine[c.Subject] {
			x.Consents = append(x.Consents, c)
		}
	}
	return nil
}
