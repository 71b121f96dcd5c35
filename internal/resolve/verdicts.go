package resolve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"

	"github.com/xuri/excelize/v2"

	"millrace/internal/fault"
	"millrace/internal/listfile"
	"millrace/internal/match"
)

// decision is a verdict of a person about two rows.
type decision struct {
	a, b rowRef
	same bool
}

// written is a row as a workbook names it: its place when the workbook was made, and its content.
type written struct{ key, print string }

// fingerprint names a row by what of it is compared, so that a verdict is never taken for another row that moved to its place.
func (j *Job) fingerprint(file int, cells []listfile.Cell) string {
	var parts []string
	for k, c := range cells {
		if at := j.from[file][k]; at >= 0 && c != nil && strings.TrimSpace(*c) != "" {
			parts = append(parts, j.Spec.Fields[at].Name+"\x00"+strings.TrimSpace(*c))
		}
	}
	sort.Strings(parts)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x01")))
	return hex.EncodeToString(sum[:8])
}

// verdicts reads a reviewed workbook: same and different of the pairs, out of the clusters, and what was decided before.
func (j *Job) verdicts(ctx context.Context, path string) ([]match.Override, Taken, error) {
	var taken Taken
	w, err := excelize.OpenFile(path)
	if err != nil {
		return nil, taken, &fault.Error{File: path, Key: "--verdicts", Msg: "is not a workbook that can be read", Err: err, Hint: "Give the workbook that --review wrote."}
	}
	defer w.Close()
	type said struct {
		a, b written
		same bool
	}
	var all []said
	sheets := 0
	for _, name := range []string{sheetDecided, sheetDoubt, sheetClusters} {
		if i, err := w.GetSheetIndex(name); err != nil || i < 0 {
			continue
		}
		rows, err := w.GetRows(name)
		if err != nil {
			return nil, taken, &fault.Error{File: path, Msg: fmt.Sprintf("sheet %s cannot be read", name), Err: err}
		}
		at := map[string]int{}
		if len(rows) >= 3 {
			for i, h := range rows[2] {
				at[h] = i // key and fingerprint are the last of their name: a list may have such columns too
			}
		}
		if _, ok := at["verdict"]; !ok {
			continue
		}
		sheets++
		cell := func(r int, col string) string {
			if i := at[col]; r < len(rows) && i < len(rows[r]) {
				return strings.TrimSpace(rows[r][i])
			}
			return ""
		}
		name2 := func(r int) written { return written{cell(r, "key"), cell(r, "fingerprint")} }
		verdictAt := 1 // the second column in every sheet
		at["verdict"] = verdictAt
		members := map[string][]int{}
		for r := 3; r < len(rows); r++ {
			v := strings.ToLower(cell(r, "verdict"))
			if name == sheetClusters {
				members[first(rows[r])] = append(members[first(rows[r])], r)
				if v != "" && v != "out" {
					return nil, taken, badVerdict(path, name, r, v, "out")
				}
				continue
			}
			switch v {
			case "":
			case "same", "different":
				all = append(all, said{name2(r), name2(r + 1), v == "same"})
			default:
				return nil, taken, badVerdict(path, name, r, v, "same or different")
			}
		}
		for _, rs := range members {
			for _, r := range rs {
				if strings.ToLower(cell(r, "verdict")) != "out" {
					continue
				}
				for _, o := range rs {
					if o != r && !(strings.ToLower(cell(o, "verdict")) == "out" && o < r) {
						all = append(all, said{name2(r), name2(o), false})
					}
				}
			}
		}
	}
	if sheets == 0 {
		return nil, taken, &fault.Error{File: path, Key: "--verdicts", Msg: fmt.Sprintf("has no sheet %q with verdicts", sheetDoubt), Hint: "Give the workbook that --review wrote."}
	}
	// Find the rows: by content; where several rows are the same, the one in the same place.
	want := map[string][]rowRef{}
	for _, s := range all {
		want[s.a.print], want[s.b.print] = nil, nil
	}
	for f, file := range j.Files {
		err := file.Each(ctx, func(n int, cells []listfile.Cell) error {
			p := j.fingerprint(f, cells)
			if _, ok := want[p]; ok {
				want[p] = append(want[p], rowRef{f, n})
			}
			return nil
		})
		if err != nil {
			return nil, taken, err
		}
	}
	find := func(x written) (rowRef, bool) {
		found := want[x.print]
		for _, r := range found {
			if key(r.file, r.n) == x.key {
				return r, true
			}
		}
		if len(found) == 0 {
			return rowRef{}, false
		}
		return found[0], true
	}
	// The last word about a pair counts: sheets of questions come after what was decided before.
	at := map[[2]rowRef]int{}
	for _, s := range all {
		ra, okA := find(s.a)
		rb, okB := find(s.b)
		if !okA || !okB || ra == rb {
			taken.Gone++
			continue
		}
		if key(rb.file, rb.n) < key(ra.file, ra.n) {
			ra, rb = rb, ra
		}
		if i, ok := at[[2]rowRef{ra, rb}]; ok {
			j.decided[i].same = s.same
			continue
		}
		at[[2]rowRef{ra, rb}] = len(j.decided)
		j.decided = append(j.decided, decision{ra, rb, s.same})
	}
	sort.Slice(j.decided, func(x, y int) bool {
		a, b := j.decided[x], j.decided[y]
		return key(a.a.file, a.a.n)+key(a.b.file, a.b.n) < key(b.a.file, b.a.n)+key(b.b.file, b.b.n)
	})
	var out []match.Override
	for i, d := range j.decided {
		o := match.Override{ID: fmt.Sprintf("verdict %d", i+1), Kind: match.CannotLink, A: key(d.a.file, d.a.n), B: key(d.b.file, d.b.n)}
		if d.same {
			o.Kind = match.MustLink
			taken.Same++
		} else {
			taken.Apart++
		}
		out = append(out, o)
	}
	return out, taken, nil
}

func first(row []string) string {
	if len(row) == 0 {
		return ""
	}
	return row[0]
}

func badVerdict(path, sheet string, row int, v, want string) error {
	return &fault.Error{File: path, Key: fmt.Sprintf("%s!B%d", sheet, row+1), Value: v, Msg: "is no verdict", Hint: "Write " + want + ", or clear the cell."}
}
