package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"millrace/internal/config"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/resolve"
	"millrace/internal/twin/mess"
)

// evaluation is a file of lists with truth: docs/evaluation.yml.
type evaluation struct {
	Version int          `yaml:"version" required:"true" doc:"1"`
	Lists   []judgedList `yaml:"lists" required:"true" doc:"the lists, in the order of the table"`
}

type judgedList struct {
	Name      string   `yaml:"name" required:"true" doc:"of the line in the table"`
	File      string   `yaml:"file" doc:"the list, relative to this file; a list that is not there is skipped and named"`
	Generate  string   `yaml:"generate" doc:"instead of file: a generated list, as of millrace twin list" enum:"people,companies"`
	Records   int      `yaml:"records" doc:"of a generated list" default:"5000"`
	Seed      int      `yaml:"seed" doc:"of a generated list" default:"1"`
	Ignore    []string `yaml:"ignore" doc:"columns to leave out"`
	Truth     string   `yaml:"truth" required:"true" doc:"column that says who each row is, or COLUMN~PATTERN"`
	Reachable string   `yaml:"reachable" doc:"column that says which rows of an entity hang together by evidence of their own: recall of them alone is shown"`
	Slow      bool     `yaml:"slow" doc:"left out unless --slow"`
	Least     least    `yaml:"least" doc:"what must be reached"`
}

type least struct {
	F1        float64 `yaml:"f1" doc:"of pairs, after clustering"`
	Precision float64 `yaml:"precision" doc:"of pairs"`
	Reachable float64 `yaml:"reachable" doc:"recall of the pairs that can be reached"`
	Largest   int     `yaml:"largest" doc:"rows of the largest cluster, at most"`
}

// judgement is one line of the table.
type judgement struct {
	Name      string           `json:"name"`
	Skipped   string           `json:"skipped,omitempty"`
	Quality   *resolve.Quality `json:"quality,omitempty"`
	Reachable *float64         `json:"reachable_recall,omitempty"`
	Seconds   float64          `json:"seconds"`
	Missed    []string         `json:"missed,omitempty"`
}

func newResolveEvaluateCmd(a *app) *cobra.Command {
	var slow bool
	cmd := &cobra.Command{
		Use:   "evaluate FILE.yml",
		Short: "Resolve lists whose truth is known, and print a table of how well it went",
		Long: `Evaluate resolves each list of the file with the settings that resolve has by default, and reads the truth when the answer
stands. Precision, recall and F1 are of pairs after clustering; B3 is B-cubed. It exits with 4 where a list misses what the file
says must be reached. docs/evaluation.yml is the file of this program's own table.`,
		Example: "  millrace resolve evaluate docs/evaluation.yml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &fault.Error{Msg: "name the file of lists", Hint: "Write: millrace resolve evaluate docs/evaluation.yml."}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.resolveEvaluate(cmd.Context(), args[0], slow) },
	}
	cmd.Flags().BoolVar(&slow, "slow", false, "the lists that are marked slow too")
	return cmd
}

func (a *app) resolveEvaluate(ctx context.Context, path string, slow bool) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return &fault.Error{File: path, Msg: "cannot be read", Err: err, Hint: "Name a file of lists, such as docs/evaluation.yml."}
	}
	node, err := config.Parse(path, src, config.ParseOptions{})
	if err != nil {
		return err
	}
	var e evaluation
	if err := node.Decode(&e); err != nil {
		return err
	}
	var out []judgement
	missed := 0
	for _, l := range e.Lists {
		a.con.Progress("%s", l.Name)
		j, err := a.judgeList(ctx, filepath.Dir(path), l, slow)
		if err != nil {
			return fault.Wrap(err, "%s", l.Name)
		}
		missed += len(j.Missed)
		out = append(out, j)
	}
	a.con.Done()
	if a.flags.json {
		if err := a.con.Result(out); err != nil {
			return err
		}
	} else {
		a.judgedTable(out)
	}
	if missed > 0 {
		return &fault.Error{File: path, Msg: fmt.Sprintf("%s missed", console.Count(int64(missed), "target")), Exit: fault.ExitDiffer}
	}
	return nil
}

func (a *app) judgeList(ctx context.Context, dir string, l judgedList, slow bool) (judgement, error) {
	j := judgement{Name: l.Name}
	if l.Slow && !slow {
		j.Skipped = "slow: give --slow"
		return j, nil
	}
	tmp, err := os.MkdirTemp("", "millrace-evaluate-*")
	if err != nil {
		return j, fault.Wrap(err, "make a folder for temporary files")
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(dir, l.File)
	if l.Generate != "" {
		file = filepath.Join(tmp, l.Generate+".csv")
		if err := generate(file, l); err != nil {
			return j, err
		}
	} else if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		j.Skipped = l.File + " is not there"
		return j, nil
	}
	truth, err := resolve.ParseTruth(l.Truth)
	if err != nil {
		return j, err
	}
	start := a.clock()
	o := resolve.Options{Files: []string{file}, Kinds: map[string]string{}, Ignore: l.Ignore, Truth: []string{truth.Column}, TempDir: tmp, Log: a.log}
	if l.Reachable != "" {
		o.Truth = append(o.Truth, l.Reachable)
	}
	job, err := resolve.Prepare(ctx, o)
	if err != nil {
		return j, err
	}
	answer, err := job.Match(ctx)
	if err != nil {
		return j, err
	}
	j.Seconds = float64(a.clock().Sub(start).Round(time.Millisecond)) / float64(time.Second)
	q, err := answer.Evaluate(ctx, truth)
	if err != nil {
		return j, err
	}
	j.Quality = &q
	need := func(what string, got, want float64) {
		if got < want {
			j.Missed = append(j.Missed, fmt.Sprintf("%s %.4f, at least %g is asked", what, got, want))
		}
	}
	need("F1", q.F1, l.Least.F1)
	need("precision", q.Precision, l.Least.Precision)
	if l.Reachable != "" {
		r, err := answer.Evaluate(ctx, resolve.Truth{Column: l.Reachable})
		if err != nil {
			return j, err
		}
		j.Reachable = &r.Recall
		need("recall of what can be reached", r.Recall, l.Least.Reachable)
	}
	if l.Least.Largest > 0 && q.Largest > l.Least.Largest {
		j.Missed = append(j.Missed, fmt.Sprintf("the largest cluster has %d rows, at most %d are asked", q.Largest, l.Least.Largest))
	}
	return j, nil
}

func generate(path string, l judgedList) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	list := mess.Contacts
	if l.Generate == "companies" {
		list = mess.Companies
	}
	if err := list(w, l.Records, uint64(l.Seed)); err != nil {
		return err
	}
	return w.Flush()
}

func (a *app) judgedTable(all []judgement) {
	head := []string{"list", "rows", "true pairs", "found", "precision", "recall", "F1", "B3", "reachable", "largest", "seconds"}
	var rows [][]string
	n := func(x int64) string { return console.Thousands(x) }
	for _, j := range all {
		if j.Quality == nil {
			continue
		}
		q, reach := j.Quality, ""
		if j.Reachable != nil {
			reach = fmt.Sprintf("%.4f", *j.Reachable)
		}
		rows = append(rows, []string{j.Name, n(int64(q.Records)), n(q.TruePairs), n(q.Found), fmt.Sprintf("%.4f", q.Precision), fmt.Sprintf("%.4f", q.Recall),
			fmt.Sprintf("%.4f", q.F1), fmt.Sprintf("%.4f", q.B3), reach, fmt.Sprint(q.Largest), fmt.Sprintf("%.1f", j.Seconds)})
	}
	a.con.Table(head, rows, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	for _, j := range all {
		if j.Quality == nil {
			a.con.Say("skipped: %s (%s)", j.Name, j.Skipped)
		}
	}
	for _, j := range all {
		for _, m := range j.Missed {
			a.con.Say("missed: %s: %s", j.Name, m)
		}
	}
}
