// Package resolve finds out which rows of one list, or of two, are the same person or company, for people who have the lists
// in files: it recognises the columns, hands the rows to the matching, and writes the answer beside the rows, with reasons
// and a workbook to look at. It must not read truth before the answer stands.
package resolve

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"millrace/internal/columns"
	"millrace/internal/fault"
	"millrace/internal/listfile"
	"millrace/internal/match"
)

// Options say what to resolve and how.
type Options struct {
	Files     []string
	Sheet     string
	HeaderRow int
	Entity    match.Entity // empty: find out
	Kinds     map[string]string
	Ignore    []string
	Link      bool   // two lists that hold nobody twice: one to one
	Region    string // country of telephone numbers without a country code
	Verdicts  string // a reviewed workbook
	// Truth are columns that must not be looked at: they are kept from recognition and matching.
	Truth   []string
	Careful bool // join only where the doubt is small
	Threads int
	TempDir string
	Log     *slog.Logger
}

// sampleRows is how many rows of each list are looked at to recognise its columns.
const sampleRows = 10_000

// cellLimit is how many bytes of a value are compared: no name, address or number is longer.
const cellLimit = 1024

// Job is lists whose columns are recognised, ready to be matched.
type Job struct {
	o     Options
	Files []*listfile.File
	Lists []columns.Result // by file
	Spec  match.Spec
	// from is, by file and column, the field of Spec that the column fills; -1 for none.
	from    [][]int
	given   map[string]bool // first words of given names in the lists, lower case
	decided []decision      // verdicts that were given
}

// Prepare opens the lists and recognises their columns.
func Prepare(ctx context.Context, o Options) (*Job, error) {
	j := &Job{o: o}
	var samples [][][]listfile.Cell
	for _, path := range o.Files {
		f, err := listfile.Open(ctx, path, listfile.Options{Sheet: o.Sheet, HeaderRow: o.HeaderRow, TempDir: o.TempDir})
		if err != nil {
			return nil, err
		}
		if f.Rows == 0 {
			return nil, &fault.Error{File: path, Msg: "has a row of names (" + strings.Join(f.Names(), ", ") + ") and no rows below it", Hint: "Give a list with rows."}
		}
		s, err := f.Sample(ctx, sampleRows)
		if err != nil {
			return nil, err
		}
		j.Files, samples = append(j.Files, f), append(samples, s)
	}
	if err := j.recognise(samples); err != nil {
		return nil, err
	}
	if err := j.describe(); err != nil {
		return nil, err
	}
	j.learnGiven(samples)
	return j, nil
}

// learnGiven collects the given names of the sampled rows, to take whole names apart that stand in the field of the surname.
func (j *Job) learnGiven(samples [][][]listfile.Cell) {
	count := map[string]int{}
	for i, rows := range samples {
		for k, at := range j.from[i] {
			if at < 0 || j.Spec.Fields[at].Type != match.GivenName {
				continue
			}
			for _, r := range rows {
				if r[k] != nil {
					if w := strings.Fields(clip(strings.ToLower(*r[k]))); len(w) > 0 {
						count[w[0]]++
					}
				}
			}
		}
	}
	j.given = map[string]bool{}
	for w, n := range count {
		if n >= 2 && len([]rune(w)) >= 3 {
			j.given[w] = true
		}
	}
}

// splitName takes a whole name in the field of the surname apart where the field of the given name is empty: "", "Ann Lee" is
// Ann, Lee when other rows have Anns.
func (j *Job) splitName(values [][]string) {
	g, s := -1, -1
	for i, f := range j.Spec.Fields {
		switch f.Type {
		case match.GivenName:
			g = i
		case match.Surname:
			s = i
		}
	}
	if g < 0 || s < 0 || len(values[g]) > 0 || len(values[s]) != 1 {
		return
	}
	w := strings.Fields(values[s][0])
	if len(w) < 2 || len(w) > 4 {
		return
	}
	if first := strings.ToLower(w[0]); j.given[first] {
		values[g], values[s] = []string{w[0]}, []string{strings.Join(w[1:], " ")}
	}
}

// recognise recognises the columns of each list; what a person said about a column holds for each list that has it.
func (j *Job) recognise(samples [][][]listfile.Cell) error {
	for i, f := range j.Files {
		a, err := j.asked(f, i)
		if err != nil {
			return err
		}
		r, err := columns.Recognise(f.Names(), samples[i], a)
		if err != nil {
			return err
		}
		j.Lists = append(j.Lists, r)
	}
	if len(j.Lists) > 1 && j.Lists[0].Entity != j.Lists[1].Entity {
		return &fault.Error{Msg: fmt.Sprintf("%s looks like a list of %s (%s), %s of %s (%s)", j.Files[0].Path, Plural(j.Lists[0].Entity), j.Lists[0].EntityWhy, j.Files[1].Path, Plural(j.Lists[1].Entity), j.Lists[1].EntityWhy),
			Hint: "Say what they are with --people or --companies."}
	}
	return nil
}

// asked is what was said about the columns of one of the lists. A column that no list has is an error of the last.
func (j *Job) asked(f *listfile.File, i int) (columns.Asked, error) {
	base := columns.Asked{Entity: j.o.Entity, Kinds: map[string]string{}}
	has := func(f *listfile.File, c string) bool {
		for _, n := range f.Names() {
			if strings.EqualFold(n, strings.TrimSpace(c)) {
				return true
			}
		}
		return false
	}
	mine := func(c string) bool {
		if has(f, c) {
			return true
		}
		for _, g := range j.Files {
			if has(g, c) {
				return false
			}
		}
		return i == len(j.Files)-1
	}
	for c, k := range j.o.Kinds {
		if mine(c) {
			base.Kinds[c] = k
		}
	}
	for _, c := range j.o.Ignore {
		if mine(c) {
			base.Ignore = append(base.Ignore, c)
		}
	}
	for _, c := range j.o.Truth {
		if !mine(c) {
			continue
		}
		if !has(f, c) {
			return base, &fault.Error{Key: "--truth", Value: c, Msg: "the list has no such column", Hint: fault.DidYouMean(c, f.Names())}
		}
		base.Truth = append(base.Truth, c)
	}
	return base, nil
}

// describe makes the description of the records: columns of one kind in two lists are one field.
func (j *Job) describe() error {
	j.Spec = match.Spec{Entity: j.Lists[0].Entity, Region: j.o.Region}
	at := map[string]int{}
	for i, list := range j.Lists {
		count := map[string]int{}
		from := make([]int, len(list.Columns))
		used := 0
		for k, c := range list.Columns {
			from[k] = -1
			if c.Type == match.Ignore {
				continue
			}
			used++
			id := c.Sort()
			count[id]++
			id = fmt.Sprintf("%s/%d", id, count[id])
			n, ok := at[id]
			if !ok {
				n = len(j.Spec.Fields)
				at[id] = n
				j.Spec.Fields = append(j.Spec.Fields, match.Field{Name: j.fieldName(c.Name), Type: c.Type})
			}
			from[k] = n
		}
		if used == 0 {
			return list.NoColumn(j.Files[i].Path)
		}
		j.from = append(j.from, from)
	}
	if !j.telling() {
		return j.Lists[0].NoColumn(j.Files[0].Path)
	}
	return nil
}

// telling reports whether any column can tell two people or companies apart: a country alone does not.
func (j *Job) telling() bool {
	for _, f := range j.Spec.Fields {
		switch f.Type {
		case match.FullName, match.GivenName, match.Surname, match.Email, match.Phone, match.ID, match.CompanyName, match.Domain, match.Street, match.Date:
			return true
		}
	}
	return false
}

// fieldName is the column's name; a name that another list gives to something else gets a number.
func (j *Job) fieldName(name string) string {
	out := name
	for k := 2; ; k++ {
		taken := false
		for _, f := range j.Spec.Fields {
			taken = taken || f.Name == out
		}
		if !taken {
			return out
		}
		out = fmt.Sprintf("%s %d", name, k)
	}
}

// Plural is people or companies.
func Plural(e match.Entity) string {
	if e == match.Company {
		return "companies"
	}
	return "people"
}

// key is the name of a row in the matching: its list and its number, so that keys sort as the rows stand.
func key(file, n int) string { return fmt.Sprintf("%d:%010d", file, n) }

// row reads a key back.
func row(key string) (file, n int) {
	// keys are made by key
	f, rest, _ := strings.Cut(key, ":")
	fmt.Sscan(f, &file)
	fmt.Sscanf(rest, "%d", &n)
	return file, n
}

// load hands the rows to the matching.
func (j *Job) load(ctx context.Context) (*match.Set, error) {
	set, err := match.NewSet(j.Spec)
	if err != nil {
		return nil, err
	}
	for i, f := range j.Files {
		source := ""
		if len(j.Files) > 1 {
			source = fmt.Sprint(i + 1)
		}
		err := f.Each(ctx, func(n int, cells []listfile.Cell) error {
			rec := match.Record{Key: key(i, n), Source: source, Values: make([][]string, len(j.Spec.Fields))}
			some := false
			for k, c := range cells {
				if at := j.from[i][k]; at >= 0 && c != nil {
					if v := clip(strings.TrimSpace(*c)); v != "" {
						rec.Values[at] = append(rec.Values[at], v)
						some = true
					}
				}
			}
			if !some {
				return nil // nothing to compare: it stands alone
			}
			j.splitName(rec.Values)
			return set.Add(rec)
		})
		if err != nil {
			return nil, err
		}
	}
	return set, nil
}

func clip(s string) string {
	if len(s) > cellLimit {
		return strings.ToValidUTF8(s[:cellLimit], "")
	}
	return s
}

// Name is how a list is called in what people read.
func (j *Job) Name(file int) string { return filepath.Base(j.Files[file].Path) }
