package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/extract/landing"
	"millrace/extract/parquet"
	"millrace/internal/console"
	"millrace/internal/fault"
)

func newStateCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "state",
		GroupID: "data",
		Short:   "Checkpoints: how far each stream has been read; show, reset or set them",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var yes bool
	reset := &cobra.Command{
		Use: "reset SOURCE.STREAM", Short: "Let the next extract read the stream from the beginning", Args: cobra.ExactArgs(1),
		Long: `Reset forgets how far a stream was read. What landed stays: a merge stream takes the latest row of each key, an append
stream will hold its rows twice. To read everything anew instead, use: millrace extract -s SOURCE.STREAM --full-refresh.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.stateSet(cmd.Context(), args[0], landing.Checkpoint{}, yes)
		},
	}
	reset.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	var version int
	set := &cobra.Command{
		Use: "set SOURCE.STREAM JSON", Short: "Set a stream's checkpoint, as state show --json prints it", Args: cobra.RangeArgs(1, 2),
		Long: `Set gives a stream another position. JSON is a checkpoint as state show --json prints it, {"version": 1, "state": {...}}, or
its state alone; @FILE reads it from a file, - or nothing from standard input.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cp, err := a.readCheckpoint(args[1:], version)
			if err != nil {
				return err
			}
			return a.stateSet(cmd.Context(), args[0], cp, yes)
		},
	}
	set.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	set.Flags().IntVar(&version, "version", 1, "version of the state, when it is given alone")
	cmd.AddCommand(
		&cobra.Command{
			Use: "show [SOURCE.STREAM]", Short: "Show how far each stream has been read", Args: cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return a.stateShow(args) },
		}, reset, set)
	return cmd
}

// streamState is one stream's position as `state show --json` prints it.
type streamState struct {
	Stream      string              `json:"stream"`
	Disposition landing.Disposition `json:"write_disposition"`
	Loads       int                 `json:"loads"`
	Rows        int64               `json:"rows"`
	LoadID      string              `json:"load_id"`
	LandedAt    time.Time           `json:"landed_at"`
	Complete    bool                `json:"complete"`
	Checkpoint  landing.Checkpoint  `json:"checkpoint"`
}

func (a *app) stateShow(args []string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	all, err := landing.List(p.RawDir())
	if err != nil {
		return err
	}
	states := []streamState{}
	var names []string
	for name, loads := range all {
		names = append(names, name)
		if len(args) == 1 && name != args[0] {
			continue
		}
		last := loads[len(loads)-1]
		s := streamState{Stream: name, Disposition: last.Disposition, LoadID: last.LoadID, LandedAt: last.LandedAt, Complete: last.Complete, Checkpoint: last.After}
		for _, m := range landing.Current(loads) {
			s.Loads++
			s.Rows += m.Rows
		}
		states = append(states, s)
	}
	sort.Slice(states, func(i, j int) bool { return states[i].Stream < states[j].Stream })
	if len(args) == 1 && len(states) == 0 {
		return &fault.Error{Key: "stream", Value: args[0], Msg: "has not landed yet", Hint: fault.DidYouMean(args[0], names)}
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"streams": states})
	}
	if len(states) == 0 {
		a.con.Say("Nothing has landed yet. Start with: millrace extract")
		return nil
	}
	if len(args) == 1 {
		s := states[0]
		text, err := json.MarshalIndent(s.Checkpoint, "", "  ")
		if err != nil {
			return fmt.Errorf("show checkpoint: %w", err)
		}
		a.con.Say("%s: %s in %s, last landed %s (load %s)\n%s", s.Stream, console.Count(s.Rows, "row"), console.Count(int64(s.Loads), "load"), s.LandedAt.Format(time.RFC3339), s.LoadID, text)
		return nil
	}
	var rows [][]string
	for _, s := range states {
		rows = append(rows, []string{s.Stream, string(s.Disposition), console.Thousands(s.Rows), strconv.Itoa(s.Loads), s.LandedAt.Format(time.RFC3339), fault.Shorten(string(s.Checkpoint.State), 60)})
	}
	a.con.Table([]string{"stream", "disposition", "rows", "loads", "last landed", "checkpoint"}, rows, 2, 3)
	return nil
}

// readCheckpoint takes a whole checkpoint, or a state alone.
func (a *app) readCheckpoint(args []string, version int) (landing.Checkpoint, error) {
	var text []byte
	var err error
	switch {
	case len(args) == 0 || args[0] == "-":
		text, err = io.ReadAll(a.stdin)
	case strings.HasPrefix(args[0], "@"):
		text, err = os.ReadFile(args[0][1:])
	default:
		text = []byte(args[0])
	}
	if err != nil {
		return landing.Checkpoint{}, fault.Wrap(err, "read the checkpoint")
	}
	bad := &fault.Error{Key: "checkpoint", Value: string(text), Msg: "is not JSON", Hint: "Take what millrace state show --json prints as checkpoint, and change it."}
	if !json.Valid(text) {
		return landing.Checkpoint{}, bad
	}
	var cp landing.Checkpoint
	if err := json.Unmarshal(text, &cp); err == nil && cp.Version > 0 && len(cp.State) > 0 {
		return cp, nil
	}
	if t := strings.TrimSpace(string(text)); t == "null" || t == "{}" {
		return landing.Checkpoint{}, &fault.Error{Key: "checkpoint", Value: t, Msg: "is empty", Hint: "To read from the beginning, use: millrace state reset."}
	}
	return landing.Checkpoint{Version: version, State: json.RawMessage(text)}, nil
}

func (a *app) stateSet(ctx context.Context, name string, to landing.Checkpoint, yes bool) (err error) {
	source, stream, ok := strings.Cut(name, ".")
	if !ok || !landing.ValidName(source) || !landing.ValidName(stream) {
		return &fault.Error{Key: "stream", Value: name, Msg: "is not SOURCE.STREAM", Hint: "See the streams with: millrace state show."}
	}
	if !yes {
		return &fault.Error{Key: "--yes", Msg: "changing a checkpoint decides what is read again or passed over", Hint: "Look at it with millrace state show " + name + ", then add --yes."}
	}
	s, err := a.begin(ctx, "state")
	if err != nil {
		return err
	}
	var done landing.Manifest
	defer func() { err = s.end(ctx, err, map[string]string{"stream": name, "load_id": done.LoadID}) }()
	lander := parquet.New(parquet.Options{Dir: s.p.RawDir(), Now: a.clock, Log: a.log})
	defer lander.Close()
	done, err = lander.SetCheckpoint(ctx, source, stream, s.run.ID, to)
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"stream": name, "load_id": done.LoadID, "before": done.Before, "checkpoint": done.After})
	}
	what := "set"
	if to.IsZero() {
		what = "reset: the next extract reads from the beginning"
	}
	a.con.Step("state", console.OK, name, what, 0)
	return nil
}
