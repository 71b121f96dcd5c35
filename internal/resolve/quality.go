package resolve

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"millrace/internal/fault"
	"millrace/internal/listfile"
)

// Quality is how well an answer agrees with a truth, over pairs of rows after clustering, and over rows (B-cubed: Bagga and
// Baldwin 1998). Rows without truth are not judged.
type Quality struct {
	Truth     string  `json:"truth"` // column
	Records   int     `json:"records"`
	Entities  int     `json:"entities"`
	TruePairs int64   `json:"true_pairs"`
	Found     int64   `json:"found_pairs"`
	Right     int64   `json:"right_pairs"`
	Precision float64 `json:"precision"` // right / found
	Recall    float64 `json:"recall"`    // right / true
	F1        float64 `json:"f1"`
	B3        float64 `json:"b3"` // harmonic mean of the two below
	B3P       float64 `json:"b3_precision"`
	B3R       float64 `json:"b3_recall"`
	Largest   int     `json:"largest_cluster"` // rows of the largest cluster, judged or not
}

// Truth is a column that says who a row truly is. Pattern, when given, takes a part of the value: its first group, or all
// that it matches.
type Truth struct {
	Column  string
	Pattern *regexp.Regexp
}

// ParseTruth reads COLUMN or COLUMN~PATTERN.
func ParseTruth(s string) (Truth, error) {
	c, p, ok := strings.Cut(s, "~")
	t := Truth{Column: strings.TrimSpace(c)}
	if !ok {
		return t, nil
	}
	re, err := regexp.Compile(p)
	if err != nil {
		return t, &fault.Error{Key: "--truth", Value: p, Msg: "is no regular expression", Err: err, Hint: `Write it as in --truth 'rec_id~rec-(\d+)'.`}
	}
	t.Pattern = re
	return t, nil
}

func (t Truth) of(value string) (string, error) {
	value = strings.TrimSpace(value)
	if t.Pattern == nil || value == "" {
		return value, nil
	}
	m := t.Pattern.FindStringSubmatch(value)
	switch {
	case m == nil:
		return "", &fault.Error{Key: "--truth", Value: value, Msg: fmt.Sprintf("the pattern %s does not fit a value of %s", t.Pattern, t.Column), Hint: "Correct the pattern."}
	case len(m) > 1:
		return m[1], nil
	}
	return m[0], nil
}

// Evaluate reads a column of truth, now that the answer stands, and compares.
func (a *Answer) Evaluate(ctx context.Context, t Truth) (Quality, error) {
	q := Quality{Truth: t.Column, Largest: a.Largest}
	both := map[[2]int32]int64{}  // cluster, entity
	clusters := map[int32]int64{} // judged rows of a cluster
	entities := []int64{}
	number := map[string]int32{}
	for f, file := range a.Job.Files {
		at := -1
		for i, c := range file.Columns {
			if strings.EqualFold(c.Name, t.Column) {
				at = i
			}
		}
		if at < 0 {
			return q, &fault.Error{File: file.Path, Key: "--truth", Value: t.Column, Msg: "the list has no such column", Hint: fault.DidYouMean(t.Column, file.Names())}
		}
		err := file.Each(ctx, func(n int, cells []listfile.Cell) error {
			if cells[at] == nil {
				return nil
			}
			v, err := t.of(*cells[at])
			if err != nil || v == "" {
				return err
			}
			e, ok := number[v]
			if !ok {
				e = int32(len(entities))
				number[v] = e
				entities = append(entities, 0)
			}
			c := a.cluster[f][n-1]
			both[[2]int32{c, e}]++
			clusters[c]++
			entities[e]++
			q.Records++
			return nil
		})
		if err != nil {
			return q, err
		}
	}
	if q.Records == 0 {
		return q, &fault.Error{Key: "--truth", Value: t.Column, Msg: "the column is empty", Hint: "Name the column that says who each row truly is."}
	}
	q.Entities = len(entities)
	pairs := func(n int64) int64 { return n * (n - 1) / 2 }
	// B-cubed in whole numbers would need fractions; sums over clusters are taken in the order of their numbers (P4).
	for _, n := range clusters {
		q.Found += pairs(n)
	}
	for _, n := range entities {
		q.TruePairs += pairs(n)
	}
	for _, k := range sortedPairs(both) {
		n := both[k]
		q.Right += pairs(n)
		q.B3P += float64(n) * float64(n) / float64(clusters[k[0]])
		q.B3R += float64(n) * float64(n) / float64(entities[k[1]])
	}
	q.B3P /= float64(q.Records)
	q.B3R /= float64(q.Records)
	q.Precision, q.Recall = share(q.Right, q.Found), share(q.Right, q.TruePairs)
	q.F1, q.B3 = harmonic(q.Precision, q.Recall), harmonic(q.B3P, q.B3R)
	return q, nil
}

// share is a/b; 1 when there was nothing to get wrong.
func share(a, b int64) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

func harmonic(a, b float64) float64 {
	if a+b == 0 {
		return 0
	}
	return 2 * a * b / (a + b)
}

func sortedPairs(m map[[2]int32]int64) [][2]int32 {
	out := make([][2]int32, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b [2]int32) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return out
}
