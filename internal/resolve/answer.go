package resolve

import (
	"context"
	"math"

	"millrace/internal/fault"
	"millrace/internal/listfile"
	"millrace/internal/match"
)

// Answer says which rows are one.
type Answer struct {
	Job      *Job
	Rows     int
	Clusters int
	Multiple int // clusters of two rows and more
	InThem   int // rows in those
	Largest  int
	Pairs    int64 // scored
	Kept     int   // near enough to be written down
	Doubtful int   // pairs that a person should look at
	Review   Taken // what was made of a reviewed workbook
	// Extra are the columns that Write adds.
	Extra []listfile.Extra

	res     *match.Result
	group   [][]int32 // by list and row (from 0): place in res.Clusters.Groups, -1 for rows with nothing to compare
	cluster [][]int32 // by list and row: number from 1, in the order in which the rows stand
	alone   map[rowRef]float64
}

// rowRef is a row: its list, and its number from 1.
type rowRef struct{ file, n int }

// Taken is what was made of a reviewed workbook.
type Taken struct {
	Same    int `json:"same"`
	Apart   int `json:"different"`
	Gone    int `json:"gone"` // about rows that are no longer in the lists as they were
	Against int `json:"contradicting"`
}

// guards and cuts of the two ways to link.
const (
	carefulGuard = 0.0
	carefulCut   = 4.0
)

// Match scores the pairs and groups the rows.
func (j *Job) Match(ctx context.Context) (*Answer, error) {
	a := &Answer{Job: j, alone: map[rowRef]float64{}}
	o := match.Options{Threads: j.o.Threads, OneToOne: j.o.Link, AcrossOnly: j.o.Link, Strict: true, Log: j.o.Log}
	if j.o.Careful {
		g := carefulGuard
		o.Guard, o.Cut = &g, carefulCut
	}
	if j.o.Verdicts != "" {
		var err error
		if o.Overrides, a.Review, err = j.verdicts(ctx, j.o.Verdicts); err != nil {
			return nil, err
		}
	}
	set, err := j.load(ctx)
	if err != nil {
		return nil, err
	}
	if set.Len() > 0 {
		if a.res, err = match.Resolve(ctx, set, nil, o); err != nil {
			return nil, err
		}
		a.Review.Against = len(a.res.Clusters.Conflicts)
	}
	a.number()
	a.count()
	a.Extra = []listfile.Extra{{Name: "cluster_id", Number: true}, {Name: "confidence", Number: true}}
	if len(j.Files) > 1 {
		a.Extra = append(a.Extra, listfile.Extra{Name: "source_file"})
	}
	a.Extra = listfile.FreeNames(j.Files, a.Extra)
	return a, nil
}

// number gives each cluster a number, in the order in which its first row stands.
func (a *Answer) number() {
	for _, f := range a.Job.Files {
		g := make([]int32, f.Rows)
		for i := range g {
			g[i] = -1
		}
		a.group = append(a.group, g)
		a.cluster = append(a.cluster, make([]int32, f.Rows))
		a.Rows += f.Rows
	}
	var groups []match.Group
	if a.res != nil {
		groups = a.res.Clusters.Groups
	}
	for i, g := range groups {
		for _, k := range g.Records {
			f, n := row(k)
			a.group[f][n-1] = int32(i)
		}
		a.Largest = max(a.Largest, len(g.Records))
		if len(g.Records) > 1 {
			a.Multiple++
			a.InThem += len(g.Records)
		}
	}
	a.Largest = max(a.Largest, 1)
	numbers := make([]int32, len(groups))
	next := int32(0)
	for f := range a.group {
		for n, g := range a.group[f] {
			switch {
			case g < 0:
				next++
				a.cluster[f][n] = next
				continue
			case numbers[g] == 0:
				next++
				numbers[g] = next
			}
			a.cluster[f][n] = numbers[g]
		}
	}
	a.Clusters = int(next)
}

// count looks at the pairs once: how many are doubtful, and how sure it is that a row stands alone.
func (a *Answer) count() {
	if a.res == nil {
		return
	}
	e := a.res.Edges
	a.Pairs, a.Kept = e.Pairs, e.Len()
	for i := range e.Len() {
		x := e.At(i)
		if a.doubtful(x) {
			a.Doubtful++
		}
		p := min(x.P, 0.5) // it was decided that they are two
		for _, k := range []string{x.A, x.B} {
			r := ref(k)
			if len(a.groupOf(r).Records) == 1 && a.alone[r] < p && x.Veto != match.VetoCannotLink {
				a.alone[r] = p
			}
		}
	}
}

func ref(key string) rowRef {
	f, n := row(key)
	return rowRef{f, n}
}

func (a *Answer) groupOf(r rowRef) match.Group {
	g := a.group[r.file][r.n-1]
	if g < 0 {
		return match.Group{}
	}
	return a.res.Clusters.Groups[g]
}

// joined reports whether two rows are one in the answer.
func (a *Answer) joined(x, y rowRef) bool {
	return a.cluster[x.file][x.n-1] == a.cluster[y.file][y.n-1]
}

// doubtful pairs are those that a person should look at: neither clearly one nor clearly two, or decided against their weight.
func (a *Answer) doubtful(x match.Edge) bool {
	if x.Veto == match.VetoCannotLink || x.Veto == match.VetoSource {
		return false
	}
	joined := a.joined(ref(x.A), ref(x.B))
	switch {
	case joined && a.groupOf(ref(x.A)).Forced:
		return false
	case joined:
		return x.P < sure
	}
	return x.P > 1-sure
}

// sure is the probability from which on nobody needs to look.
const sure = 0.95

// confidence is the probability that the row's cluster is right: that its rows are one, or that the row stands alone.
func (a *Answer) confidence(r rowRef) float64 {
	c := 1 - a.alone[r]
	if g := a.groupOf(r); len(g.Records) > 1 {
		c = g.Confidence
	}
	return math.Round(c*1e4) / 1e4
}

// cells are the extra cells of a row.
func (a *Answer) cells(file, n int) []any {
	r := rowRef{file, n}
	out := []any{int(a.cluster[file][n-1]), a.confidence(r)}
	if len(a.Job.Files) > 1 {
		out = append(out, a.Job.Name(file))
	}
	return out
}

// Write writes every row of the lists with its cluster and confidence.
func (a *Answer) Write(ctx context.Context, path string) error {
	return fault.Wrap(listfile.Write(ctx, path, a.Job.Files, a.Extra, a.cells), "write %s", path)
}
