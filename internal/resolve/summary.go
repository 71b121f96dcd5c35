package resolve

import (
	"fmt"
	"strings"

	"millrace/internal/console"
	"millrace/internal/match"
)

// summarySheet says what was found and what to do with the workbook.
func (a *Answer) summarySheet(b *book, name string, shown, all, clusters int) error {
	s := b.sheet(sheetSummary)
	s.widths([]float64{30, 14, 70})
	many := Plural(a.Job.Spec.Entity)
	n := func(x int) string { return console.Thousands(int64(x)) }
	s.text(1, 1, fmt.Sprintf("%s rows are %s %s", n(a.Rows), n(a.Clusters), many), b.title)
	s.height(1, 28)
	var files []string
	for i, f := range a.Job.Files {
		part := a.Job.Name(i)
		if f.Sheet != "" {
			part += ", sheet " + f.Sheet
		}
		files = append(files, part)
	}
	s.text(1, 2, "Of "+strings.Join(files, " and ")+".", b.hint)
	at := 4
	for _, x := range []struct {
		what  string
		value any
		why   string
	}{
		{"Rows", a.Rows, ""},
		{strings.ToUpper(many[:1]) + many[1:], a.Clusters, "clusters: rows that are one share a cluster_id"},
		{"With several rows", a.Multiple, fmt.Sprintf("%s rows in them; the largest has %s", n(a.InThem), n(a.Largest))},
		{"Pairs compared", int(a.Pairs), "those that share enough to be worth a look"},
		{"Pairs in doubt", a.Doubtful, "neither clearly one nor clearly two"},
		{"Questions", all, fmt.Sprintf("one for each cluster and each two clusters in doubt; %s are in sheet %s", n(shown), sheetDoubt)},
	} {
		s.text(1, at, x.what, b.label)
		s.value(2, at, x.value, b.number)
		s.text(3, at, x.why, b.hint)
		at++
	}
	if a.Review != (Taken{}) {
		s.text(1, at, "Verdicts applied", b.label)
		s.value(2, at, a.Review.Same+a.Review.Apart, b.number)
		s.text(3, at, fmt.Sprintf("%d same, %d different; %d about rows that are gone, %d contradict others", a.Review.Same, a.Review.Apart, a.Review.Gone, a.Review.Against), b.hint)
		at++
	}
	at++
	s.text(1, at, "What to do", b.section)
	for i, line := range []string{
		fmt.Sprintf("1.  Sheet %s: write same or different in the yellow column. Two minutes settle the first twenty, which are the closest calls.", sheetDoubt),
		fmt.Sprintf("2.  Sheet %s: look down the first ones; write out beside a row that does not belong.", sheetClusters),
		fmt.Sprintf("3.  Sheet %s: is every column taken for what it is? If not, run again with --map KIND=COLUMN or --ignore COLUMN.", sheetColumns),
		fmt.Sprintf("4.  Save, and run again with --verdicts %s. Verdicts hold in every later run that is given the workbook.", name),
	} {
		s.text(1, at+1+i, line, b.plain)
	}
	at += 7
	s.text(1, at, "Rows in a cluster", b.section)
	s.text(1, at+1, "rows", b.head)
	s.text(2, at+1, many, b.head)
	s.text(3, at+1, "", b.head)
	at += 2
	top := at
	count := map[int]int{}
	largest := 1
	for _, g := range a.groups() {
		count[len(g.Records)]++
		largest = max(largest, len(g.Records))
	}
	count[1] += a.empty()
	for size := 1; size <= largest; size++ {
		if count[size] == 0 {
			continue
		}
		s.value(1, at, size, b.label)
		s.value(2, at, count[size], b.number)
		s.value(3, at, count[size], b.plain)
		at++
	}
	s.bars(fmt.Sprintf("C%d:C%d", top, at-1))
	if clusters < a.Multiple {
		s.text(1, at+1, fmt.Sprintf("Sheet %s holds the %s least certain of %s clusters: it ends at %s rows.", sheetClusters, n(clusters), n(a.Multiple), n(maxClusterRows)), b.hint)
	}
	s.portrait()
	s.noGrid()
	return s.err
}

func (a *Answer) groups() []match.Group {
	if a.res == nil {
		return nil
	}
	return a.res.Clusters.Groups
}

// empty counts rows with nothing to compare.
func (a *Answer) empty() int {
	n := 0
	for _, f := range a.group {
		for _, g := range f {
			if g < 0 {
				n++
			}
		}
	}
	return n
}

// columnSheet shows what each column was taken for.
func (a *Answer) columnSheet(b *book) error {
	s := b.sheet(sheetColumns)
	s.widths([]float64{28, 18, 10, 70, 34})
	s.text(1, 1, "What each column was taken for. To correct one: --map KIND=COLUMN, --ignore COLUMN.", b.hint)
	at := 3
	for f, list := range a.Job.Lists {
		if len(a.Job.Lists) > 1 {
			s.text(1, at, a.Job.Name(f), b.section)
			at++
		}
		for i, h := range []string{"column", "compared as", "filled", "because", "an example"} {
			s.text(i+1, at, h, b.head)
		}
		at++
		for _, c := range list.Columns {
			style, pct := b.cell, b.percentPlain
			as := strings.ReplaceAll(string(c.Type), "_", " ")
			if c.Type == match.Ignore {
				as = "not compared"
				style = b.quiet
				if c.Key {
					as = "names the rows"
				}
			}
			s.text(1, at, c.Name, style)
			s.text(2, at, as, style)
			s.value(3, at, c.Filled, pct)
			s.text(4, at, c.Why, style)
			s.text(5, at, short(c.Example), style)
			at++
		}
		at++
	}
	s.text(1, at, fmt.Sprintf("A list of %s: %s.", Plural(a.Job.Spec.Entity), a.Job.Lists[0].EntityWhy), b.hint)
	s.freeze(0, 3)
	s.landscape()
	return s.err
}
