package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/listfile"
	"millrace/internal/match"
	"millrace/internal/resolve"
)

type resolveFlags struct {
	out, explain, review, verdicts   string
	kinds, ignore, truth             []string
	kind, sheet, region              string
	people, companies, link, careful bool
	headerRow, threads               int
}

func newResolveCmd(a *app) *cobra.Command {
	var f resolveFlags
	cmd := &cobra.Command{
		Use:     "resolve FILE [FILE]",
		GroupID: "data",
		Short:   "Find the rows of any list that are one person or company; link two lists",
		Long: `Resolve finds out which rows of a list are the same person or the same company: CSV, Excel, Parquet or JSON. It needs no
project, no labels and no settings: columns are recognised by name and content, in many languages, and what each agreement
and each contradiction is worth is learned from the list itself. Nothing leaves the machine and no input is changed.

--out writes every row, in its order and with all its columns, with cluster_id and confidence added. --review makes a
workbook with the pairs that are in doubt side by side; write same or different into it and give it back with --verdicts.
Two lists are resolved together; with --link each row is linked to at most one row of the other list.`,
		Example: `  millrace resolve contacts.xlsx --out contacts-clusters.xlsx --review review.xlsx
  millrace resolve leads.csv customers.csv --link --out linked.csv
  millrace resolve list.csv --map given=first_nm --map email=contact --ignore comment --out clusters.csv --explain pairs.csv
  millrace resolve contacts.xlsx --verdicts review.xlsx --out contacts-clusters.xlsx`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) == 2 {
				return nil
			}
			return &fault.Error{Msg: fmt.Sprintf("one list or two are resolved, not %d", len(args)), Hint: "Write: millrace resolve FILE [FILE]."}
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.resolve(cmd.Context(), args, f) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.out, "out", "o", "", "write every row with its cluster and confidence: .csv, .xlsx or .parquet")
	fl.StringVar(&f.explain, "explain", "", "write the scored pairs with what each comparison says: .csv, .xlsx or .parquet")
	fl.StringVar(&f.review, "review", "", "write a workbook with the pairs in doubt side by side: .xlsx")
	fl.StringVar(&f.verdicts, "verdicts", "", "a reviewed workbook: what it says in its verdict column holds")
	fl.StringArrayVar(&f.kinds, "map", nil, "what a column holds: KIND=COLUMN, e.g. given=first_nm; repeatable")
	fl.StringArrayVar(&f.ignore, "ignore", nil, "column to leave out; repeatable, or several with commas")
	fl.BoolVar(&f.people, "people", false, "the list is of people (default: recognised)")
	fl.BoolVar(&f.companies, "companies", false, "the list is of companies (default: recognised)")
	fl.StringVar(&f.kind, "kind", "", "people or companies, as --people and --companies")
	fl.BoolVar(&f.link, "link", false, "two lists that hold nobody twice: link each row to at most one of the other list")
	fl.BoolVar(&f.careful, "careful", false, "join only where the doubt is small: fewer false pairs, more missed ones")
	fl.StringVar(&f.region, "region", "", "country of telephone numbers without a country code, two letters")
	fl.StringVar(&f.sheet, "sheet", "", "sheet of an Excel workbook (default: the first that holds a list)")
	fl.IntVar(&f.headerRow, "header-row", 0, "row that holds the names of the columns, from 1 (default: found by looking)")
	fl.StringArrayVar(&f.truth, "truth", nil, `column that says who each row truly is, or COLUMN~PATTERN for a part of it; read when the answer stands; repeatable`)
	fl.IntVar(&f.threads, "threads", 0, "threads (default: two); the answer does not depend on it")
	cmd.AddCommand(newResolveEvaluateCmd(a))
	return cmd
}

// entity is what the person said that the list is of.
func (f resolveFlags) entity() (match.Entity, error) {
	people, companies := f.people, f.companies
	switch strings.ToLower(f.kind) {
	case "":
	case "people", "person", "persons", "contacts":
		people = true
	case "companies", "company", "accounts", "organisations", "organizations":
		companies = true
	default:
		return "", &fault.Error{Key: "--kind", Value: f.kind, Msg: "is neither", Hint: "Write people or companies."}
	}
	switch {
	case people && companies:
		return "", &fault.Error{Msg: "a list is of people or of companies, not of both", Hint: "Give one of --people and --companies."}
	case people:
		return match.Person, nil
	case companies:
		return match.Company, nil
	}
	return "", nil
}

// options checks the flags before any work is done.
func (f resolveFlags) options(files []string) (o resolve.Options, truth []resolve.Truth, err error) {
	o = resolve.Options{Files: files, Sheet: f.sheet, HeaderRow: f.headerRow, Kinds: map[string]string{}, Link: f.link, Careful: f.careful, Threads: f.threads, Verdicts: f.verdicts}
	if o.Entity, err = f.entity(); err != nil {
		return o, nil, err
	}
	if f.link && len(files) != 2 {
		return o, nil, &fault.Error{Key: "--link", Msg: "links two lists, and one was given", Hint: "Give two files, or leave --link out to find rows of one list that are one."}
	}
	if len(files) == 2 {
		one, err1 := os.Stat(files[0])
		two, err2 := os.Stat(files[1])
		if err1 == nil && err2 == nil && os.SameFile(one, two) {
			return o, nil, &fault.Error{File: files[1], Msg: "is given twice", Hint: "Give it once to find rows of it that are one."}
		}
	}
	if f.headerRow < 0 {
		return o, nil, &fault.Error{Key: "--header-row", Value: fmt.Sprint(f.headerRow), Msg: "rows are counted from 1"}
	}
	if f.region != "" {
		if o.Region = strings.ToUpper(f.region); len(o.Region) != 2 {
			return o, nil, &fault.Error{Key: "--region", Value: f.region, Msg: "is no country", Hint: "Write the two letters of its code, such as DE."}
		}
	}
	for _, s := range f.kinds {
		kind, column, ok := strings.Cut(s, "=")
		if !ok || strings.TrimSpace(kind) == "" || strings.TrimSpace(column) == "" {
			return o, nil, &fault.Error{Key: "--map", Value: s, Msg: "says no kind and column", Hint: "Write KIND=COLUMN, such as --map given=first_nm."}
		}
		if had, ok := o.Kinds[column]; ok && had != kind {
			return o, nil, &fault.Error{Key: "--map", Value: column, Msg: fmt.Sprintf("the column is said to be %s and %s", had, kind), Hint: "Say one of them."}
		}
		o.Kinds[column] = kind
	}
	for _, s := range f.ignore {
		for c := range strings.SplitSeq(s, ",") {
			if c = strings.TrimSpace(c); c != "" {
				o.Ignore = append(o.Ignore, c)
			}
		}
	}
	for _, s := range f.truth {
		t, err := resolve.ParseTruth(s)
		if err != nil {
			return o, nil, err
		}
		truth = append(truth, t)
		o.Truth = append(o.Truth, t.Column)
	}
	inputs := files
	if f.verdicts != "" {
		inputs = append(append([]string(nil), files...), f.verdicts)
	}
	outputs := map[string]string{}
	for _, w := range []struct{ flag, path string }{{"--out", f.out}, {"--explain", f.explain}, {"--review", f.review}} {
		if w.path == "" {
			continue
		}
		if w.flag == "--review" && strings.ToLower(filepath.Ext(w.path)) != ".xlsx" {
			return o, nil, &fault.Error{Key: w.flag, Value: w.path, Msg: "the review is a workbook", Hint: "End the name with .xlsx."}
		}
		if err := listfile.CheckOutput(w.flag, w.path, inputs...); err != nil {
			return o, nil, err
		}
		if other, taken := outputs[filepath.Clean(w.path)]; taken {
			return o, nil, &fault.Error{Key: w.flag, Value: w.path, Msg: "is written by " + other + " too", Hint: "Choose another name."}
		}
		outputs[filepath.Clean(w.path)] = w.flag
	}
	return o, truth, nil
}

// resolveSummary is the JSON result of resolve.
type resolveSummary struct {
	Files     []resolveFile     `json:"files"`
	Entity    string            `json:"entity"`
	EntityWhy string            `json:"entity_why"`
	Records   int               `json:"records"`
	Clusters  int               `json:"clusters"`
	Multiple  int               `json:"clusters_of_several"`
	InThem    int               `json:"records_in_them"`
	Largest   int               `json:"largest_cluster"`
	Pairs     int64             `json:"pairs_scored"`
	Doubtful  int               `json:"pairs_in_doubt"`
	Seconds   float64           `json:"seconds"`
	Verdicts  *resolve.Taken    `json:"verdicts,omitempty"`
	Added     []string          `json:"added_columns"`
	Out       string            `json:"out,omitempty"`
	Explain   string            `json:"explain,omitempty"`
	Review    string            `json:"review,omitempty"`
	Quality   []resolve.Quality `json:"quality,omitempty"`
}

type resolveFile struct {
	Path    string   `json:"path"`
	Format  string   `json:"format"`
	Sheet   string   `json:"sheet,omitempty"`
	Records int      `json:"records"`
	Notes   []string `json:"notes,omitempty"`
	Columns any      `json:"columns"`
}

func (a *app) resolve(ctx context.Context, files []string, f resolveFlags) error {
	start := a.clock()
	o, truth, err := f.options(files)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "millrace-resolve-*")
	if err != nil {
		return fault.Wrap(err, "make a folder for temporary files")
	}
	defer os.RemoveAll(dir)
	o.TempDir, o.Log = dir, a.log
	a.con.Progress("looking at %s", strings.Join(files, " and "))
	job, err := resolve.Prepare(ctx, o)
	if err != nil {
		return err
	}
	a.con.Done()
	if !a.flags.json {
		a.sayColumns(job)
	}
	a.con.Progress("comparing rows")
	answer, err := job.Match(ctx)
	if err != nil {
		return err
	}
	sum := resolveSummary{Entity: string(job.Spec.Entity), EntityWhy: job.Lists[0].EntityWhy, Records: answer.Rows, Clusters: answer.Clusters, Multiple: answer.Multiple,
		InThem: answer.InThem, Largest: answer.Largest, Pairs: answer.Pairs, Doubtful: answer.Doubtful}
	for i, x := range job.Files {
		sum.Files = append(sum.Files, resolveFile{Path: x.Path, Format: x.Format, Sheet: x.Sheet, Records: x.Rows, Notes: x.Notes, Columns: job.Lists[i].Columns})
	}
	for _, x := range answer.Extra {
		sum.Added = append(sum.Added, x.Name)
	}
	if f.verdicts != "" {
		sum.Verdicts = &answer.Review
	}
	for _, w := range []struct {
		path *string
		to   string
		fn   func(context.Context, string) error
	}{{&sum.Out, f.out, answer.Write}, {&sum.Explain, f.explain, answer.Explain}, {&sum.Review, f.review, answer.WriteReview}} {
		if w.to == "" {
			continue
		}
		a.con.Progress("writing %s", w.to)
		if err := w.fn(ctx, w.to); err != nil {
			return err
		}
		*w.path = w.to
	}
	for _, t := range truth {
		q, err := answer.Evaluate(ctx, t)
		if err != nil {
			return err
		}
		sum.Quality = append(sum.Quality, q)
	}
	a.con.Done()
	took := a.clock().Sub(start)
	sum.Seconds = float64(took.Round(time.Millisecond)) / float64(time.Second)
	if a.flags.json {
		return a.con.Result(sum)
	}
	a.sayAnswer(job, answer, sum, took)
	return nil
}

// sayColumns shows what was recognised before the work begins, so that a mistake is seen.
func (a *app) sayColumns(job *resolve.Job) {
	for i, f := range job.Files {
		list := job.Lists[i]
		what := f.Path
		if f.Sheet != "" {
			what += ", sheet " + f.Sheet
		}
		a.con.Say("%s: %s, a list of %s (%s)", what, console.Count(int64(f.Rows), "row"), resolve.Plural(list.Entity), list.EntityWhy)
		for _, n := range f.Notes {
			a.con.Say("  note: %s", n)
		}
		if a.con.Quiet {
			continue
		}
		var rows [][]string
		for _, c := range list.Columns {
			read := string(c.Type)
			if c.Type == match.Ignore {
				read = "-"
				if c.Key {
					read = "(row id)"
				}
			}
			rows = append(rows, []string{"  " + shortCell(c.Name), read, fmt.Sprintf("%.0f %%", 100*c.Filled), shortCell(c.Why)})
		}
		a.con.Table([]string{"  column", "compared as", "filled", "because"}, rows, 2)
	}
}

func (a *app) sayAnswer(job *resolve.Job, answer *resolve.Answer, sum resolveSummary, took time.Duration) {
	many := resolve.Plural(job.Spec.Entity)
	a.con.Say("")
	if len(job.Files) > 1 && answer.Rows > 0 {
		a.con.Say("%s in two lists are %s %s; %s belong together in %s", console.Count(int64(answer.Rows), "row"), console.Thousands(int64(answer.Clusters)), many,
			console.Count(int64(answer.InThem), "row"), console.Count(int64(answer.Multiple), "cluster"))
	} else {
		have := "have"
		if answer.Multiple == 1 {
			have = "has"
		}
		a.con.Say("%s are %s %s; %s %s several rows, %s at most", console.Count(int64(answer.Rows), "row"), console.Thousands(int64(answer.Clusters)), many,
			console.Thousands(int64(answer.Multiple)), have, console.Thousands(int64(answer.Largest)))
	}
	a.con.Say("%s scored, %s in doubt  [%s]", console.Count(answer.Pairs, "pair"), console.Thousands(int64(answer.Doubtful)), console.Duration(took))
	if v := sum.Verdicts; v != nil {
		a.con.Say("verdicts: %d same, %d different%s", v.Same, v.Apart, verdictsLeft(v))
	}
	for _, x := range answer.Extra {
		if name := strings.TrimRight(x.Name, "_23456789"); name != x.Name && sum.Out != "" {
			a.con.Say("the list has a column %s: the answer's is called %s", name, x.Name)
		}
	}
	for _, w := range []string{sum.Out, sum.Explain, sum.Review} {
		if w != "" {
			a.con.Say("wrote %s", w)
		}
	}
	if sum.Out == "" && sum.Review == "" && sum.Explain == "" && len(sum.Quality) == 0 {
		a.con.Say("nothing was written: give --out FILE for the rows with their clusters, --review FILE.xlsx to look at the pairs in doubt")
	}
	if len(sum.Quality) > 0 {
		a.con.Say("")
		a.qualityTable(sum.Quality)
	}
}

func verdictsLeft(v *resolve.Taken) string {
	s := ""
	if v.Gone > 0 {
		s += fmt.Sprintf("; %d about rows that are no longer in the list as they were", v.Gone)
	}
	if v.Against > 0 {
		s += fmt.Sprintf("; %d contradict others: where they do, rows stay apart", v.Against)
	}
	return s
}

// qualityTable prints how well the answer agrees with each truth.
func (a *app) qualityTable(all []resolve.Quality) {
	head := []string{"truth", "rows", "entities", "true pairs", "found", "right", "precision", "recall", "F1", "B3", "largest"}
	right := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	var rows [][]string
	n := func(x int64) string { return console.Thousands(x) }
	for _, q := range all {
		rows = append(rows, []string{q.Truth, n(int64(q.Records)), n(int64(q.Entities)), n(q.TruePairs), n(q.Found), n(q.Right),
			fmt.Sprintf("%.4f", q.Precision), fmt.Sprintf("%.4f", q.Recall), fmt.Sprintf("%.4f", q.F1), fmt.Sprintf("%.4f", q.B3), fmt.Sprint(q.Largest)})
	}
	a.con.Table(head, rows, right...)
}
