package resolve

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"millrace/internal/atomicfile"
	"millrace/internal/fault"
	"millrace/internal/listfile"
	"millrace/internal/match"
)

// Sheets of the workbook. Verdicts are read back from them by name.
const (
	sheetSummary  = "Summary"
	sheetDoubt    = "In doubt"
	sheetClusters = "Clusters"
	sheetColumns  = "Columns"
	sheetDecided  = "Decided"
)

// Limits of what a person can look at; the list itself is written by Write.
const (
	maxQuestions   = 1000
	maxClusterRows = 20_000
	maxShown       = 300 // characters of a cell
)

// question is a pair that a person should decide.
type question struct {
	edge match.Edge
	a, b rowRef
	same bool // what the answer says now
}

// questions are the pairs in doubt, one for each two clusters and one for each cluster: what is closest to even comes first.
func (a *Answer) questions() []question {
	if a.res == nil {
		return nil
	}
	best := map[[2]int32]question{}
	for i := range a.res.Edges.Len() {
		x := a.res.Edges.At(i)
		if !a.doubtful(x) {
			continue
		}
		q := question{edge: x, a: ref(x.A), b: ref(x.B)}
		ca, cb := a.cluster[q.a.file][q.a.n-1], a.cluster[q.b.file][q.b.n-1]
		q.same = ca == cb
		k := [2]int32{min(ca, cb), max(ca, cb)}
		had, ok := best[k]
		switch {
		case !ok, q.same && x.P < had.edge.P, !q.same && x.P > had.edge.P:
			best[k] = q
		}
	}
	out := make([]question, 0, len(best))
	for _, q := range best {
		out = append(out, q)
	}
	slices.SortFunc(out, func(x, y question) int {
		return cmp.Or(cmp.Compare(math.Abs(x.edge.P-0.5), math.Abs(y.edge.P-0.5)), cmp.Compare(x.edge.A, y.edge.A), cmp.Compare(x.edge.B, y.edge.B))
	})
	return out
}

// shownCluster is a cluster of several rows.
type shownCluster struct {
	number int32
	group  match.Group
}

// shown are the clusters of several rows, the least certain first.
func (a *Answer) shown() []shownCluster {
	if a.res == nil {
		return nil
	}
	var out []shownCluster
	for _, g := range a.res.Clusters.Groups {
		if len(g.Records) > 1 {
			r := ref(g.Records[0])
			out = append(out, shownCluster{a.cluster[r.file][r.n-1], g})
		}
	}
	slices.SortFunc(out, func(x, y shownCluster) int {
		return cmp.Or(cmp.Compare(x.group.Confidence, y.group.Confidence), -cmp.Compare(len(x.group.Records), len(y.group.Records)), cmp.Compare(x.number, y.number))
	})
	return out
}

// shownColumn is a column of the sheets of rows: a field that is compared, or another column beside.
type shownColumn struct {
	title string
	field int // of Spec; -1 for one that is not compared
	other int // column of the only list, when field is -1
}

// shownColumns are the row's id, what is compared, and what may help a person beside it.
func (a *Answer) shownColumns() []shownColumn {
	var out []shownColumn
	for i, f := range a.Job.Spec.Fields {
		out = append(out, shownColumn{title: f.Name, field: i})
	}
	if len(a.Job.Files) > 1 {
		return out
	}
	// The id comes first; texts that are not compared come last, no more than six.
	n := 0
	for i, c := range a.Job.Lists[0].Columns {
		switch {
		case c.Key:
			out = slices.Insert(out, 0, shownColumn{title: c.Name, field: -1, other: i})
		case c.Type == match.Ignore && c.Filled > 0 && n < 6:
			n++
			out = append(out, shownColumn{title: c.Name, field: -1, other: i})
		}
	}
	return out
}

// rowCells are the shown cells of a row and its fingerprint.
type rowCells struct {
	cells []string
	print string
}

// collect reads the shown rows.
func (a *Answer) collect(ctx context.Context, want map[rowRef]bool, cols []shownColumn) (map[rowRef]rowCells, error) {
	out := make(map[rowRef]rowCells, len(want))
	for f, file := range a.Job.Files {
		err := file.Each(ctx, func(n int, cells []listfile.Cell) error {
			r := rowRef{f, n}
			if !want[r] {
				return nil
			}
			x := rowCells{print: a.Job.fingerprint(f, cells)}
			for _, c := range cols {
				var parts []string
				for k, v := range cells {
					if v != nil && (c.field >= 0 && a.Job.from[f][k] == c.field || c.field < 0 && k == c.other) {
						parts = append(parts, short(strings.TrimSpace(*v)))
					}
				}
				x.cells = append(x.cells, strings.Join(parts, " / "))
			}
			out[r] = x
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func short(s string) string {
	if utf8.RuneCountInString(s) > maxShown {
		return string([]rune(s)[:maxShown]) + "…"
	}
	return s
}

// WriteReview writes the workbook for people: what was found, the pairs in doubt side by side with a column for verdicts, the
// clusters, and the columns with what they were taken for.
func (a *Answer) WriteReview(ctx context.Context, path string) error {
	qs, clusters, cols := a.questions(), a.shown(), a.shownColumns()
	all := len(qs)
	qs = qs[:min(len(qs), maxQuestions)]
	want := map[rowRef]bool{}
	for _, q := range qs {
		want[q.a], want[q.b] = true, true
	}
	for _, d := range a.Job.decided {
		want[d.a], want[d.b] = true, true
	}
	rows := 0
	for i, c := range clusters {
		if rows += len(c.group.Records); rows > maxClusterRows {
			clusters = clusters[:i]
			break
		}
		for _, k := range c.group.Records {
			want[ref(k)] = true
		}
	}
	cells, err := a.collect(ctx, want, cols)
	if err != nil {
		return err
	}
	b, err := newBook()
	if err != nil {
		return err
	}
	defer b.f.Close()
	// Narrow columns for what is short everywhere.
	width := make([]float64, len(cols))
	for i, c := range cols {
		width[i] = float64(utf8.RuneCountInString(c.title)) + 2
		for _, r := range cells {
			width[i] = max(width[i], min(30, float64(utf8.RuneCountInString(r.cells[i]))+2))
		}
		width[i] = max(width[i], 8)
	}
	for _, step := range []func() error{
		func() error { return a.summarySheet(b, filepath.Base(path), len(qs), all, len(clusters)) },
		func() error { return a.doubtSheet(b, qs, cols, width, cells) },
		func() error { return a.clusterSheet(b, clusters, cols, width, cells) },
		func() error { return a.columnSheet(b) },
		func() error { return a.decidedSheet(b, cols, width, cells) },
	} {
		if err := step(); err != nil {
			return fault.Wrap(err, "write %s", path)
		}
	}
	b.f.SetActiveSheet(0)
	return fault.Wrap(atomicfile.WriteTo(path, 0o644, func(w *os.File) error { return b.f.Write(w) }), "write %s", path)
}

// doubtSheet shows each pair as two rows, differences marked, with a verdict over both.
func (a *Answer) doubtSheet(b *book, qs []question, cols []shownColumn, width []float64, cells map[rowRef]rowCells) error {
	s := b.sheet(sheetDoubt)
	heads := []string{"pair", "verdict", "now", "chance", "row"}
	for _, c := range cols {
		heads = append(heads, c.title)
	}
	heads = append(heads, "speaks for one", "speaks against", "key", "fingerprint")
	s.text(1, 1, "Write same or different in the verdict column; leave it empty where you cannot tell. Yellow: the two differ. Grey: one of them has no value.", b.hint)
	for i, h := range heads {
		s.text(i+1, 3, h, b.head)
	}
	s.height(3, 20)
	first := 6
	wide := append([]float64{6, 12, 9, 9, 8}, width...)
	wide = append(wide, 46, 46, 10, 10)
	s.widths(wide)
	at := 4
	for i, q := range qs {
		now := "apart"
		if q.same {
			now = "one"
		}
		s.merged(1, at, i+1, b.pair)
		s.merged(2, at, "", b.verdict)
		s.merged(3, at, now, b.pair)
		s.merged(4, at, q.edge.P, b.percent)
		x, y := cells[q.a], cells[q.b]
		for k, r := range []rowRef{q.a, q.b} {
			style := b.cell
			if k == 1 {
				style = b.last
			}
			s.value(5, at+k, a.rowName(r), style)
			for c := range cols {
				s.compared(first+c, at+k, [2]string{x.cells[c], y.cells[c]}, k, cols[c].field >= 0)
			}
			s.text(first+len(cols)+2, at+k, key(r.file, r.n), style)
			s.text(first+len(cols)+3, at+k, cells[r].print, style)
		}
		pro, con := a.proCon(q.edge)
		s.merged(first+len(cols), at, pro, b.words)
		s.merged(first+len(cols)+1, at, con, b.words)
		lines := max(1, math.Ceil(float64(max(len(pro), len(con)))/52))
		s.height(at, max(18, 7.5*lines))
		s.height(at+1, max(18, 7.5*lines))
		at += 2
	}
	if len(qs) == 0 {
		s.text(1, 4, "No pair is in doubt.", b.cell)
	} else {
		s.choices(fmt.Sprintf("B4:B%d", at-1), "same", "different")
		s.filled(fmt.Sprintf("A4:E%d", at-1), "$B4", b.done)
	}
	s.hide(first+len(cols)+2, first+len(cols)+3)
	s.freeze(5, 3)
	s.landscape()
	return s.err
}

// clusterSheet shows the clusters of several rows; one that does not belong can be sent out.
func (a *Answer) clusterSheet(b *book, clusters []shownCluster, cols []shownColumn, width []float64, cells map[rowRef]rowCells) error {
	s := b.sheet(sheetClusters)
	heads := []string{"cluster", "verdict", "confidence", "rows", "row"}
	for _, c := range cols {
		heads = append(heads, c.title)
	}
	heads = append(heads, "key", "fingerprint")
	s.text(1, 1, "Clusters of several rows, the least certain first. Write out in the verdict column of a row that does not belong to its cluster.", b.hint)
	for i, h := range heads {
		s.text(i+1, 3, h, b.head)
	}
	s.height(3, 20)
	s.widths(append(append([]float64{9, 12, 11, 7, 8}, width...), 10, 10))
	at := 4
	for i, c := range clusters {
		style, pct, verdict := b.cell, b.percentPlain, b.verdictPlain
		if i%2 == 1 {
			style, pct, verdict = b.band, b.percentBand, b.verdictPlain
		}
		for k, rec := range c.group.Records {
			r := ref(rec)
			s.value(1, at, int(c.number), style)
			s.text(2, at, "", verdict)
			if k == 0 {
				s.value(3, at, c.group.Confidence, pct)
				s.value(4, at, len(c.group.Records), style)
			} else {
				s.text(3, at, "", style)
				s.text(4, at, "", style)
			}
			s.value(5, at, a.rowName(r), style)
			for n := range cols {
				s.text(6+n, at, cells[r].cells[n], style)
			}
			s.text(6+len(cols), at, rec, style)
			s.text(7+len(cols), at, cells[r].print, style)
			at++
		}
	}
	if len(clusters) == 0 {
		s.text(1, 4, "No cluster has several rows.", b.cell)
	} else {
		s.choices(fmt.Sprintf("B4:B%d", at-1), "out")
	}
	s.hide(6+len(cols), 7+len(cols))
	s.freeze(5, 3)
	s.landscape()
	return s.err
}

// decidedSheet keeps the verdicts that were given before, so that the workbook can be given back alone.
func (a *Answer) decidedSheet(b *book, cols []shownColumn, width []float64, cells map[rowRef]rowCells) error {
	if len(a.Job.decided) == 0 {
		return nil
	}
	s := b.sheet(sheetDecided)
	heads := []string{"pair", "verdict", "row"}
	for _, c := range cols {
		heads = append(heads, c.title)
	}
	heads = append(heads, "key", "fingerprint")
	s.text(1, 1, "Verdicts given before. They hold as long as they stand here: clear one to take it back.", b.hint)
	for i, h := range heads {
		s.text(i+1, 3, h, b.head)
	}
	s.widths(append(append([]float64{6, 12, 8}, width...), 10, 10))
	at := 4
	for i, d := range a.Job.decided {
		word := "different"
		if d.same {
			word = "same"
		}
		s.merged(1, at, i+1, b.pair)
		s.merged(2, at, word, b.verdict)
		for k, r := range []rowRef{d.a, d.b} {
			style := b.cell
			if k == 1 {
				style = b.last
			}
			s.value(3, at+k, a.rowName(r), style)
			for c := range cols {
				s.compared(4+c, at+k, [2]string{cells[d.a].cells[c], cells[d.b].cells[c]}, k, cols[c].field >= 0)
			}
			s.text(4+len(cols), at+k, key(r.file, r.n), style)
			s.text(5+len(cols), at+k, cells[r].print, style)
		}
		at += 2
	}
	s.choices(fmt.Sprintf("B4:B%d", at-1), "same", "different")
	s.hide(4+len(cols), 5+len(cols))
	s.freeze(3, 3)
	s.landscape()
	return s.err
}

// rowName is a row's number below the names, with the list where there are two: 17, or 2/17.
func (a *Answer) rowName(r rowRef) any {
	if len(a.Job.Files) > 1 {
		return fmt.Sprintf("%d/%d", r.file+1, r.n)
	}
	return r.n
}

// proCon is what speaks for and against, the strongest first.
func (a *Answer) proCon(x match.Edge) (pro, con string) {
	w := append([]match.Weight(nil), x.Weights...)
	slices.SortStableFunc(w, func(p, q match.Weight) int { return cmp.Compare(math.Abs(q.Bits), math.Abs(p.Bits)) })
	var for_, against []string
	for _, p := range w {
		switch s := fmt.Sprintf("%s (%+.1f)", p.Says, p.Bits); {
		case p.Bits >= 0.05:
			for_ = append(for_, s)
		case p.Bits <= -0.05:
			against = append(against, s)
		}
	}
	if v := vetoWords[x.Veto]; v != "" {
		against = append(against, v)
	}
	return strings.Join(for_, ", "), strings.Join(against, ", ")
}
