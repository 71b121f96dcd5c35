package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"millrace/internal/fault"
	"millrace/transform"
)

type lineageJSON struct {
	Column     transform.ColumnRef       `json:"column,omitzero"`
	Relation   string                    `json:"relation,omitempty"`
	Personal   string                    `json:"personal,omitempty"`
	Columns    []transform.ColumnLineage `json:"columns,omitempty"`
	Upstream   []transform.ColumnRef     `json:"upstream,omitempty"`
	Downstream []transform.ColumnRef     `json:"downstream,omitempty"`
}

func newLineageCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "lineage RELATION[.COLUMN]",
		GroupID: "data",
		Short:   "What a column is made from, and what is made from it",
		Long: `Follows columns through the SQL, found by binding it, not by guessing from names. For a relation: each column with what it is
made from, one step back. For a column: all the way back to landed streams and seeds, and on to everything that shows it.
A column copied as it is has =, a computed one <-.`,
		Example: `  millrace lineage metrics.revenue
  millrace lineage core.accounts.name`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
			l, err := transform.FindLineage(ctx, g)
			if err != nil {
				return err
			}
			rel, col, err := lineageTarget(g, l, strings.ToLower(args[0]))
			if err != nil {
				return err
			}
			if col == "" {
				if a.flags.json {
					return a.con.Result(lineageJSON{Relation: rel, Columns: l.Relations[rel]})
				}
				for _, c := range l.Relations[rel] {
					fmt.Fprintf(a.con.Out, "%s %s\n", c.Column, madeFrom(c))
				}
				return nil
			}
			ref := transform.ColumnRef{Relation: rel, Column: col}
			up, down := l.Upstream(ref), l.Downstream(ref)
			personal := l.Personal[rel][col]
			if a.flags.json {
				return a.con.Result(lineageJSON{Column: ref, Personal: personal, Upstream: up, Downstream: down})
			}
			if personal != "" {
				a.con.Say("%s holds personal data: %s", ref, personal)
			}
			a.con.Say("made from:")
			a.tree(ref, 1, map[string]bool{}, func(r transform.ColumnRef) []transform.ColumnRef {
				for _, c := range l.Relations[r.Relation] {
					if strings.EqualFold(c.Column, r.Column) {
						return c.From
					}
				}
				return nil
			})
			a.con.Say("shown in:")
			for _, d := range down {
				fmt.Fprintln(a.con.Out, "  "+d.String())
			}
			return nil
		},
	}
}

func madeFrom(c transform.ColumnLineage) string {
	var from []string
	for _, f := range c.From {
		from = append(from, f.String())
	}
	word := "<-"
	switch {
	case len(from) == 0:
		return "<- nothing: a constant or a count"
	case c.Copied:
		word = "="
	}
	s := word + " " + strings.Join(from, ", ")
	if !c.Exact {
		s += " (at most)"
	}
	return s
}

// tree prints what a column is made from, each step indented; what was shown before is not opened again.
func (a *app) tree(r transform.ColumnRef, depth int, seen map[string]bool, next func(transform.ColumnRef) []transform.ColumnRef) {
	for _, f := range next(r) {
		fmt.Fprintln(a.con.Out, strings.Repeat("  ", depth)+f.String())
		if key := f.String(); !seen[key] {
			seen[key] = true
			a.tree(f, depth+1, seen, next)
		}
	}
}

// lineageTarget splits schema.name[.column] and checks both.
func lineageTarget(g *transform.Graph, l *transform.Lineage, arg string) (rel, col string, err error) {
	parts := strings.Split(arg, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return "", "", &fault.Error{Value: arg, Msg: "is not schema.relation or schema.relation.column"}
	}
	rel = parts[0] + "." + parts[1]
	if _, ok := g.Node(rel); !ok {
		return "", "", &fault.Error{Value: rel, Msg: "unknown relation", Hint: fault.DidYouMean(rel, g.Order())}
	}
	if len(parts) == 2 {
		return rel, "", nil
	}
	col = parts[2]
	var names []string
	for _, c := range l.Relations[rel] {
		names = append(names, strings.ToLower(c.Column))
		if strings.EqualFold(c.Column, col) {
			return rel, col, nil
		}
	}
	if len(names) == 0 { // a stream or a seed: its columns have no lineage of their own
		return rel, col, nil
	}
	return "", "", &fault.Error{Value: col, Msg: rel + " has no such column", Hint: fault.DidYouMean(col, names)}
}
