package resolve

import (
	"context"
	"fmt"
	"math"
	"sort"
	"strings"

	"millrace/internal/fault"
	"millrace/internal/listfile"
	"millrace/internal/match"
)

// Explain writes the scored pairs that are near enough to be one: the rows, the decision, the probability, what each
// comparison says in bits, and all of it in words.
func (a *Answer) Explain(ctx context.Context, path string) error {
	t := &listfile.Table{Columns: []listfile.Extra{
		{Name: "row_a", Number: true}, {Name: "row_b", Number: true}, {Name: "id_a"}, {Name: "id_b"}, {Name: "cluster_a", Number: true}, {Name: "cluster_b", Number: true},
		{Name: "decision"}, {Name: "probability", Number: true}, {Name: "bits", Number: true}, {Name: "why"}, {Name: "found_by"}, {Name: "prior", Number: true},
	}}
	two := len(a.Job.Files) > 1
	if two {
		t.Columns = append(t.Columns, listfile.Extra{Name: "file_a"}, listfile.Extra{Name: "file_b"})
	}
	var edges *match.Edges
	if a.res != nil {
		edges = a.res.Edges
		for _, c := range edges.Comparisons() {
			t.Columns = append(t.Columns, listfile.Extra{Name: "bits_" + strings.ReplaceAll(c, " ", "_"), Number: true})
		}
	}
	ids, err := a.ids(ctx)
	if err != nil {
		return err
	}
	t.Rows = a.Kept
	t.Row = func(i int) []any {
		x := edges.At(i)
		ra, rb := ref(x.A), ref(x.B)
		out := []any{ra.n, rb.n, ids(ra), ids(rb), int(a.cluster[ra.file][ra.n-1]), int(a.cluster[rb.file][rb.n-1]),
			a.decision(x), round(x.P, 6), round(x.Total, 3), a.words(x), x.Rule, round(x.Prior, 3)}
		if two {
			out = append(out, a.Job.Name(ra.file), a.Job.Name(rb.file))
		}
		for _, w := range x.Weights {
			out = append(out, round(w.Bits, 3))
		}
		return out
	}
	return fault.Wrap(t.Write(ctx, path), "write %s", path)
}

func round(x float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(x*p) / p
}

// decision is what became of a pair: same, different, or a doubtful one of either.
func (a *Answer) decision(x match.Edge) string {
	d := "different"
	if a.joined(ref(x.A), ref(x.B)) {
		d = "same"
	}
	if a.doubtful(x) {
		d += ", uncertain"
	}
	return d
}

// words says why, what counts most first: "same surname (+9.1), different city (-2.3)".
func (a *Answer) words(x match.Edge) string {
	w := append([]match.Weight(nil), x.Weights...)
	sort.SliceStable(w, func(i, j int) bool { return math.Abs(w[i].Bits) > math.Abs(w[j].Bits) })
	var parts []string
	for _, p := range w {
		if math.Abs(p.Bits) >= 0.05 {
			parts = append(parts, fmt.Sprintf("%s (%+.1f)", p.Says, p.Bits))
		}
	}
	s := strings.Join(parts, ", ")
	if why := vetoWords[x.Veto]; why != "" {
		s += "; " + why
	} else if !a.joined(ref(x.A), ref(x.B)) && x.Band == match.BandLink {
		s += "; the rest of their clusters speaks against it"
	}
	return s
}

var vetoWords = map[match.Veto]string{
	match.VetoCannotLink: "a person said that they are two",
	match.VetoLimit:      "together they would have more different values than one may have",
	match.VetoShared:     "what they share, many share",
	match.VetoSource:     "both are of one list, which holds nobody twice",
}

// ids gives the value of the column that numbers the rows, of the rows that are in pairs.
func (a *Answer) ids(ctx context.Context) (func(rowRef) string, error) {
	want := map[rowRef]string{}
	if a.res != nil {
		for i := range a.res.Edges.Len() {
			x := a.res.Edges.At(i)
			want[ref(x.A)], want[ref(x.B)] = "", ""
		}
	}
	for f, list := range a.Job.Lists {
		at := -1
		for i, c := range list.Columns {
			if c.Key {
				at = i
			}
		}
		if at < 0 {
			continue
		}
		err := a.Job.Files[f].Each(ctx, func(n int, cells []listfile.Cell) error {
			r := rowRef{f, n}
			if _, ok := want[r]; ok && cells[at] != nil {
				want[r] = clip(*cells[at])
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return func(r rowRef) string { return want[r] }, nil
}
