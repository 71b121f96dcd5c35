package main

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"millrace/extract"
	"millrace/internal/fault"
)

// extractSummary is what `extract --json` prints.
type extractSummary struct {
	RunID   string                 `json:"run_id"`
	Target  string                 `json:"target"`
	Rows    int64                  `json:"rows"`
	Streams []extract.StreamResult `json:"streams"`
}

func newExtractCmd(a *app) *cobra.Command {
	var selected []string
	var refresh bool
	cmd := &cobra.Command{
		Use:     "extract",
		GroupID: "data",
		Short:   "Read what is new in the sources and land it as Parquet",
		Long: `Extract reads each stream from where its last load ended. Rows and the new position become visible in one step, so a
run that is killed loses nothing and repeats nothing. A row that does not fit goes to quarantine with its reason. A source
that fails stops no other.

--full-refresh reads from the beginning and forgets inferred types; what landed before counts until the new read is complete.`,
		Example: "  millrace extract\n  millrace extract -s source:crm.deals -s source:billing\n  millrace extract -s crm --full-refresh --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.extract(cmd.Context(), selected, refresh)
		},
	}
	cmd.Flags().StringArrayVarP(&selected, "select", "s", nil, "source:NAME or source:NAME.STREAM, * for any; repeatable (default: all)")
	cmd.Flags().BoolVar(&refresh, "full-refresh", false, "read from the beginning")
	return cmd
}

func (a *app) extract(ctx context.Context, selected []string, refresh bool) (err error) {
	p, err := a.project()
	if err != nil {
		return err
	}
	list, err := a.sources(p)
	if err != nil {
		return err
	}
	sel, err := newStreamSelection(selected, list)
	if err != nil {
		return err
	}
	s, err := a.begin(ctx, "extract")
	if err != nil {
		return err
	}
	var sum extractSummary
	defer func() { err = s.end(ctx, err, sum) }()
	res, err := a.land(ctx, s, landOptions{source: sel.source, stream: sel.stream, fullRefresh: refresh})
	sum = extractSummary{RunID: s.run.ID, Target: s.p.Target, Rows: res.Rows(), Streams: res.Streams}
	if a.flags.json && len(res.Streams) > 0 {
		if jerr := a.con.Result(sum); err == nil {
			err = jerr
		}
	}
	if err != nil && len(res.Streams) > 0 && fault.ExitCode(err) == fault.ExitHandled {
		return exitWith(fault.ExitHandled) // each stream's line has said it
	}
	return err
}

// streamSelection is the part of the selection grammar that names sources.
type streamSelection struct{ patterns []string } // NAME or NAME.STREAM

func newStreamSelection(args []string, list []source) (streamSelection, error) {
	var sel streamSelection
	var known []string
	open := map[string]bool{} // sources whose streams are only known once they are opened
	for _, s := range list {
		known = append(known, s.file.Name)
		open[s.file.Name] = len(s.streams) == 0
		for _, st := range s.streams {
			known = append(known, s.file.Name+"."+st.Spec.Name)
		}
	}
	for _, arg := range args {
		for _, word := range strings.Fields(arg) {
			name := strings.Trim(strings.TrimPrefix(word, "source:"), "+")
			if _, err := path.Match(name, ""); err != nil || name == "" || strings.ContainsAny(name, ":,@") {
				return sel, &fault.Error{Key: "--select", Value: word, Msg: "does not name a source", Hint: "Write source:NAME or source:NAME.STREAM."}
			}
			found := false
			for _, k := range known {
				found = found || matches(name, k)
			}
			src, _, _ := strings.Cut(name, ".")
			if !found && !open[src] {
				return sel, &fault.Error{Key: "--select", Value: word, Msg: "no source or stream is named so", Hint: fault.DidYouMean(name, known)}
			}
			sel.patterns = append(sel.patterns, name)
		}
	}
	return sel, nil
}

// matches compares a pattern with a source or source.stream; the patterns were checked.
func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

func (sel streamSelection) source(name string) bool {
	if len(sel.patterns) == 0 {
		return true
	}
	for _, p := range sel.patterns {
		src, _, _ := strings.Cut(p, ".")
		if matches(src, name) {
			return true
		}
	}
	return false
}

func (sel streamSelection) stream(src, stream string) bool {
	if len(sel.patterns) == 0 {
		return true
	}
	for _, p := range sel.patterns {
		if matches(p, src) || matches(p, fmt.Sprintf("%s.%s", src, stream)) {
			return true
		}
	}
	return false
}
