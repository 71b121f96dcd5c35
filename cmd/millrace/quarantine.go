package main

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/extract/parquet"
	"millrace/internal/console"
	"millrace/internal/fault"
)

func newQuarantineCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "quarantine",
		GroupID: "data",
		Short:   "Rows that did not fit: list them, look at them, land them again",
		Long: `A row that cannot be split, cast or let in by its stream's contract is not dropped: it waits in quarantine with the reason.
Correct the column's type or contract and replay, or correct the source and extract again.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var limit int
	show := &cobra.Command{
		Use: "show SOURCE.STREAM", Short: "Show waiting rows with their reasons", Args: cobra.ExactArgs(1),
		Example: "  millrace quarantine show crm.deals --limit 50",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.quarantineShow(args[0], limit) },
	}
	show.Flags().IntVar(&limit, "limit", 20, "rows at most; 0: all")
	cmd.AddCommand(
		&cobra.Command{
			Use: "ls", Short: "Count waiting rows by stream and reason", Args: noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.quarantineList() },
		},
		show,
		&cobra.Command{
			Use: "replay [SOURCE.STREAM...]", Short: "Cast waiting rows against the schema as it is declared now, and land those that fit",
			Long: `Replay casts the waiting rows again. Those that fit are landed once, in one step, under the load that first read them; the
others go on waiting with their new reason. Lines that could not be split into fields stay: correct the file instead.`,
			RunE: func(cmd *cobra.Command, args []string) error { return a.quarantineReplay(cmd.Context(), args) },
		},
	)
	return cmd
}

// waitingStream is a stream with rows in quarantine.
type waitingStream struct {
	Stream  string           `json:"stream"`
	Rows    int64            `json:"rows"`
	Columns map[string]int64 `json:"columns"` // rows by the column that did not fit; "" for lines that are no rows
	loads   []landing.Manifest
}

func (a *app) waiting() ([]waitingStream, error) {
	p, err := a.project()
	if err != nil {
		return nil, err
	}
	all, err := landing.List(p.RawDir())
	if err != nil {
		return nil, err
	}
	var out []waitingStream
	for name, loads := range all {
		w := waitingStream{Stream: name, loads: parquet.Waiting(loads), Columns: map[string]int64{}}
		for _, m := range w.loads {
			w.Rows += m.Quarantined
		}
		if w.Rows > 0 {
			out = append(out, w)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Stream < out[j].Stream })
	return out, nil
}

func (a *app) quarantineList() error {
	list, err := a.waiting()
	if err != nil {
		return err
	}
	var rows [][]string
	for _, w := range list {
		example := map[string]string{}
		for _, m := range w.loads {
			for q, err := range parquet.ReadQuarantine(m) {
				if err != nil {
					return err
				}
				w.Columns[q.Column]++
				if example[q.Column] == "" {
					example[q.Column] = q.Reason
				}
			}
		}
		var cols []string
		for c := range w.Columns {
			cols = append(cols, c)
		}
		sort.Strings(cols)
		for _, c := range cols {
			label := c
			if c == "" {
				label = "(not a row)"
			}
			rows = append(rows, []string{w.Stream, label, strconv.FormatInt(w.Columns[c], 10), fault.Shorten(example[c], 80)})
		}
	}
	if a.flags.json {
		if list == nil {
			list = []waitingStream{}
		}
		return a.con.Result(map[string]any{"streams": list})
	}
	if len(rows) == 0 {
		a.con.Say("Nothing is in quarantine.")
		return nil
	}
	a.con.Table([]string{"stream", "column", "rows", "first reason"}, rows, 2)
	return nil
}

func (a *app) quarantineShow(name string, limit int) error {
	list, err := a.waiting()
	if err != nil {
		return err
	}
	var names []string
	for _, w := range list {
		names = append(names, w.Stream)
		if w.Stream != name {
			continue
		}
		out := []parquet.Quarantined{}
	read:
		for _, m := range w.loads {
			for q, err := range parquet.ReadQuarantine(m) {
				if err != nil {
					return err
				}
				if limit > 0 && len(out) >= limit {
					break read
				}
				out = append(out, q)
			}
		}
		if a.flags.json {
			return a.con.Result(map[string]any{"stream": name, "rows": w.Rows, "shown": out})
		}
		for _, q := range out {
			a.con.Say("%s  %s\n    %s", q.RowID, q.Reason, fault.Shorten(strings.ReplaceAll(q.Raw, "\n", `\n`), 400))
		}
		if n := w.Rows - int64(len(out)); n > 0 {
			a.con.Say("and %s more: --limit 0 shows all.", console.Thousands(n))
		}
		return nil
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"stream": name, "rows": 0, "shown": []parquet.Quarantined{}})
	}
	hint := fault.DidYouMean(name, names)
	if hint == "" {
		hint = "Nothing is in quarantine."
	}
	return &fault.Error{Key: "stream", Value: name, Msg: "has no rows in quarantine", Hint: hint}
}

// replayResult is what became of one stream.
type replayResult struct {
	Stream  string `json:"stream"`
	Landed  int64  `json:"landed"`
	Waiting int64  `json:"waiting"`
	Load    string `json:"load_id,omitempty"`
}

func (a *app) quarantineReplay(ctx context.Context, names []string) (err error) {
	s, err := a.begin(ctx, "quarantine replay")
	if err != nil {
		return err
	}
	results := []replayResult{}
	defer func() { err = s.end(ctx, err, results) }()
	list, err := a.waiting()
	if err != nil {
		return err
	}
	specs, err := a.streamSpecs(ctx, s)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, n := range names {
		if _, ok := specs[n]; !ok {
			var known []string
			for k := range specs {
				known = append(known, k)
			}
			return &fault.Error{Key: "stream", Value: n, Msg: "no stream is named so", Hint: fault.DidYouMean(n, known)}
		}
		wanted[n] = true
	}
	lander := parquet.New(parquet.Options{Dir: s.p.RawDir(), Now: a.clock, Log: a.log})
	defer lander.Close()
	for _, w := range list {
		if len(wanted) > 0 && !wanted[w.Stream] {
			continue
		}
		spec, ok := specs[w.Stream]
		if !ok {
			a.con.Step("replay", console.Skip, w.Stream, "the project does not read this stream any more", 0)
			results = append(results, replayResult{Stream: w.Stream, Waiting: w.Rows})
			continue
		}
		source, _, _ := strings.Cut(w.Stream, ".")
		m, done, err := lander.Replay(ctx, extract.BeginParams{Source: source, Spec: spec, RunID: s.run.ID})
		if err != nil {
			return err
		}
		r := replayResult{Stream: w.Stream, Waiting: w.Rows}
		if done {
			r = replayResult{Stream: w.Stream, Landed: m.Rows, Waiting: m.Quarantined, Load: m.LoadID}
		}
		results = append(results, r)
		a.con.Step("replay", console.OK, w.Stream, fmt.Sprintf("%s landed, %s still waiting", console.Count(r.Landed, "row"), console.Thousands(r.Waiting)), 0)
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"streams": results})
	}
	if len(results) == 0 {
		a.con.Say("Nothing is in quarantine.")
	}
	return nil
}

// streamSpecs are the streams that the project reads now, by source.stream.
func (a *app) streamSpecs(ctx context.Context, s *session) (map[string]extract.StreamSpec, error) {
	list, err := a.sources(s.p)
	if err != nil {
		return nil, err
	}
	opened, closeAll := a.openSources(ctx, s.p, list, nil)
	defer closeAll()
	out := map[string]extract.StreamSpec{}
	for _, o := range opened {
		if o.OpenErr != nil {
			return nil, fault.Wrap(o.OpenErr, "source %s", o.Name)
		}
		specs, err := o.Source.Streams(ctx)
		if err != nil {
			return nil, fault.Wrap(err, "source %s", o.Name)
		}
		for _, sp := range specs {
			out[o.Name+"."+sp.Name] = sp
		}
	}
	return out, nil
}
