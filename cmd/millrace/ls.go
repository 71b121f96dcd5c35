package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"millrace/internal/console"
	"millrace/internal/project"
	"millrace/transform"
	"millrace/transform/relation"
)

type lsNode struct {
	Name         string   `json:"name"`
	Type         string   `json:"type"`
	Materialized string   `json:"materialized,omitempty"`
	Path         string   `json:"path,omitempty"`
	Description  string   `json:"description,omitempty"`
	Tags         []string `json:"tags,omitempty"`
	DependsOn    []string `json:"depends_on,omitempty"`
	Rows         *int64   `json:"rows,omitempty"` // of the published version
	Stale        bool     `json:"stale,omitempty"`
	StaleWhy     string   `json:"stale_why,omitempty"`
	Status       string   `json:"status"` // published, stale, new, or empty for what is not a relation
}

func newLsCmd(a *app) *cobra.Command {
	var sel selection
	var all bool
	cmd := &cobra.Command{
		Use:     "ls",
		GroupID: "start",
		Short:   "List streams, relations, syncs and reports, and what is published",
		Long: `Lists what the project holds, with what is published of it: rows, age, and why a relation is stale. A selection shows what
a build with the same selection would take. Without one, tests are left out, and streams of tools that no file in extract/
names and that have never landed: --all shows them too.`,
		Example: `  millrace ls
  millrace ls -s +report:weekly
  millrace ls -s state:modified+ --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			p, err := a.project()
			if err != nil {
				return err
			}
			now, err := a.now()
			if err != nil {
				return err
			}
			g, err := a.graph(ctx, p, now)
			if err != nil {
				return err
			}
			names, nodes, err := sel.pick(ctx, a, p, g)
			if err != nil {
				return err
			}
			b, err := transform.Published(ctx, targetDir(p))
			if err != nil && !errors.Is(err, transform.ErrNothingPublished) {
				return err
			}
			picked := map[string]bool{}
			for _, n := range names {
				picked[n] = true
			}
			used, err := a.usedStreams(p)
			if err != nil {
				return err
			}
			out := []lsNode{}
			for _, n := range nodes {
				if !picked[n.Name] || sel.empty() && !all && (n.Type == "test" && !a.flags.json || n.Type == "source" && !used[n.Name]) {
					continue
				}
				x := lsNode{Name: n.Name, Type: n.Type, Path: n.Path, Tags: n.Tags, DependsOn: n.Deps}
				if node, ok := g.Node(n.Name); ok {
					x.Description = node.Meta.Description
					if n.Type != "source" {
						x.Materialized = node.Meta.Materialized
						x.Status = "new"
					}
				}
				if r, ok := b.Relations[n.Name]; ok {
					x.Rows, x.Stale, x.StaleWhy, x.Status = &r.Rows, r.Stale, r.StaleWhy, "published"
					if r.Stale {
						x.Status = "stale"
					}
				}
				out = append(out, x)
			}
			if a.flags.json {
				return a.con.Result(out)
			}
			a.listNodes(out, b)
			return nil
		},
	}
	sel.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "tests and the streams of tools that are not configured, too")
	return cmd
}

// usedStreams are the raw relations that a source file of the project names or that have landed, under both names where
// the source's differs from the connector's.
func (a *app) usedStreams(p *project.Project) (map[string]bool, error) {
	list, err := a.sources(p)
	if err != nil {
		return nil, err
	}
	raw, err := a.rawStreams(p, list)
	if err != nil {
		return nil, err
	}
	configured := map[string]bool{}
	for _, s := range list {
		for _, st := range s.streams {
			configured[s.file.Name+"."+st.Spec.Name] = true
		}
		if len(s.streams) == 0 && s.connector.Streams != nil { // everything that the connector knows
			specs, err := s.connector.Streams()
			if err != nil {
				return nil, err
			}
			for _, spec := range specs {
				configured[s.file.Name+"."+spec.Name] = true
			}
		}
	}
	used := map[string]bool{}
	for _, r := range raw {
		if len(r.Loads) > 0 || configured[r.Source+"."+r.Name] {
			used[r.Schema+"."+r.Name] = true
			used[r.Alias+"."+r.Name] = true
		}
	}
	return used, nil
}

func (a *app) listNodes(nodes []lsNode, b relation.Build) {
	var rows [][]string
	for _, n := range nodes {
		kind := n.Type
		if n.Materialized != "" {
			kind = n.Materialized
		}
		if n.Type == "seed" {
			kind = "seed"
		}
		count := ""
		if n.Rows != nil {
			count = console.Thousands(*n.Rows)
		}
		what := shortCell(n.Description)
		if n.Stale {
			what = n.StaleWhy
		}
		rows = append(rows, []string{n.Name, kind, count, n.Status, what})
	}
	a.con.Table([]string{"name", "kind", "rows", "status", "description"}, rows, 2)
	if b.ID == "" {
		a.con.Say("Nothing is published yet: `millrace run` does it.")
		return
	}
	a.con.Say("Published: build %s of %s.", b.ID, b.PublishedAt.Format("2006-01-02 15:04:05 UTC"))
}

func newDigestCmd(a *app) *cobra.Command {
	var sel selection
	var relations bool
	cmd := &cobra.Command{
		Use:     "digest",
		GroupID: "data",
		Short:   "One hash of the published content: equal digest, equal result",
		Long: `Prints a hash of the content of the published build. It depends on the rows only: not on their order, on threads, or on when
they were read (_load_id, _extracted_at and columns tagged operational are left out). Two builds from the same inputs have the
same digest.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			p, err := a.project()
			if err != nil {
				return err
			}
			var only []string
			if !sel.empty() {
				now, err := a.now()
				if err != nil {
					return err
				}
				g, err := a.graph(ctx, p, now)
				if err != nil {
					return err
				}
				if only, _, err = sel.pick(ctx, a, p, g); err != nil {
					return err
				}
			}
			pb, err := a.published(ctx, p)
			if err != nil {
				return err
			}
			defer pb.Close()
			d, err := transform.Digest(ctx, pb.db, pb.build, only)
			if err != nil {
				return err
			}
			if a.flags.json {
				return a.con.Result(d)
			}
			if relations {
				var rows [][]string
				for _, r := range d.Relations {
					rows = append(rows, []string{r.Name, console.Thousands(r.Rows), r.Digest})
				}
				a.con.Table([]string{"relation", "rows", "digest"}, rows, 1)
			}
			_, err = fmt.Fprintln(a.con.Out, strings.TrimSpace(d.Digest))
			return err
		},
	}
	sel.flags(cmd)
	cmd.Flags().BoolVar(&relations, "relations", false, "one line for each relation too")
	return cmd
}
