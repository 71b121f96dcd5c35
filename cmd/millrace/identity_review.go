package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/xuri/excelize/v2"

	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/state"
	"millrace/transform/identity"
)

func newIdentityReviewCmd(a *app) *cobra.Command {
	var limit int
	var of, kind, export, verdicts string
	var accept, reject recording
	var in recording
	cmd := &cobra.Command{
		Use:   "review",
		Short: "What is uncertain, most valuable first; verdicts on it",
		Long: `Lists pairs that may be one and were not joined (maybe_one), pairs that were joined with little to spare (maybe_two), people and
companies of many records (big) and overrides that contradict each other. What is most valuable and most uncertain comes first.

accept ITEM says that the two are one, reject ITEM that they are two; both become overrides and can be undone. --export writes the
queue as CSV or Excel; fill in column verdict (accept or reject) and column reason, and give the file back with --import.`,
		Example: `  millrace identity review
  millrace identity review accept 1f2e3d4c --reason "same person, asked her"
  millrace identity review --export review.xlsx
  millrace identity review --import review.xlsx`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case export != "" && verdicts != "":
				return &fault.Error{Msg: "--export and --import do not go together", Hint: "Export first, import what people filled in."}
			case export != "":
				return a.reviewExport(cmd.Context(), of, kind, export)
			case verdicts != "":
				return a.reviewImport(cmd.Context(), verdicts, in)
			}
			return a.reviewList(cmd.Context(), of, kind, limit)
		},
	}
	f := cmd.Flags()
	f.IntVar(&limit, "limit", 20, "items at most; 0: all")
	f.StringVar(&of, "of", "", "only person or company")
	f.StringVar(&kind, "kind", "", "only maybe_one, maybe_two, big or contradiction")
	f.StringVar(&export, "export", "", "write the queue to this file, .csv or .xlsx")
	f.StringVar(&verdicts, "import", "", "read verdicts from this file")
	in.flags(cmd)
	f.Lookup("reason").Usage = "for --import: why, for rows without a reason of their own"
	acc := &cobra.Command{Use: "accept ITEM...", Short: "They are one", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.reviewVerdicts(cmd.Context(), args, "accept", accept)
		}}
	rej := &cobra.Command{Use: "reject ITEM...", Short: "They are two", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.reviewVerdicts(cmd.Context(), args, "reject", reject)
		}}
	accept.flags(acc)
	reject.flags(rej)
	cmd.AddCommand(acc, rej)
	return cmd
}

// reviewItem is one row of identity.review.
type reviewItem struct {
	ID          string  `json:"item_id"`
	Kind        string  `json:"kind"`
	Of          string  `json:"entity"`
	LeftID      string  `json:"left_id,omitempty"`
	RightID     string  `json:"right_id,omitempty"`
	Left        string  `json:"left_key,omitempty"`
	Right       string  `json:"right_key,omitempty"`
	LeftName    string  `json:"left_name,omitempty"`
	RightName   string  `json:"right_name,omitempty"`
	Weight      string  `json:"weight,omitempty"`
	Probability string  `json:"probability,omitempty"`
	Why         string  `json:"why"`
	Value       string  `json:"value"`
	Priority    float64 `json:"priority"`
}

// reviewQueue reads the queue without what was judged since the build.
func (a *app) reviewQueue(ctx context.Context, b *publishedBuild, of, kind string) ([]reviewItem, error) {
	for flag, v := range map[string][]string{"--of": {of, "person", "company"}, "--kind": {kind, "maybe_one", "maybe_two", "big", "contradiction"}} {
		if v[0] != "" && !slices.Contains(v[1:], v[0]) {
			return nil, &fault.Error{Key: flag, Value: v[0], Msg: "there is no such kind", Hint: orText(fault.DidYouMean(v[0], v[1:]), "Write one of: "+strings.Join(v[1:], ", ")+".")}
		}
	}
	said, err := a.allOverrides(ctx)
	if err != nil {
		return nil, err
	}
	said = slices.DeleteFunc(said, func(o state.Override) bool {
		return o.Revoked != nil || o.Kind != identity.Merge && o.Kind != identity.Split
	})
	out := []reviewItem{}
	err = b.db.Each(ctx, `select item_id, kind, entity, left_id, right_id, left_key, right_key, left_name, right_name, weight, probability, why, value, priority
		from identity.review where (? = '' or entity = ?) and (? = '' or kind = ?) order by priority desc, item_id`, func(row []any) error {
		t := make([]string, len(row))
		for i := range row {
			t[i] = cellText(row[i])
		}
		it := reviewItem{t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], number(row[13])}
		if !judged(it, said) {
			out = append(out, it)
		}
		return nil
	}, of, of, kind, kind)
	return out, fault.Wrap(err, "read the queue")
}

// judged reports whether an override says already what an item asks.
func judged(it reviewItem, said []state.Override) bool {
	return it.Right != "" && slices.ContainsFunc(said, func(o state.Override) bool {
		l, r := slices.Contains(o.Left, it.Left), slices.Contains(o.Right, it.Right)
		l2, r2 := slices.Contains(o.Left, it.Right), slices.Contains(o.Right, it.Left)
		return o.Entity == it.Of && (l && r || l2 && r2)
	})
}

func (a *app) reviewList(ctx context.Context, of, kind string, limit int) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer b.Close()
	list, err := a.reviewQueue(ctx, b, of, kind)
	if err != nil {
		return err
	}
	all := len(list)
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"items": list, "total": all})
	}
	if all == 0 {
		a.con.Say("Nothing is uncertain enough to be looked at.")
		return nil
	}
	var rows [][]string
	for _, it := range list {
		rows = append(rows, []string{it.ID, it.Kind, cut(it.LeftName, 44), cut(it.RightName, 44), it.Weight, money(it.Value), it.Why})
	}
	a.con.Table([]string{"item", "kind", "one", "the other", "bits", "value", "why"}, rows, 4, 5)
	if all > len(list) {
		a.con.Say("and %s more: --limit 0 shows all, --export FILE writes them.", console.Thousands(int64(all-len(list))))
	}
	if i := slices.IndexFunc(list, func(it reviewItem) bool { return it.Right != "" }); i >= 0 {
		a.con.Say("Look closer: millrace identity explain %s %s. Decide: millrace identity review accept|reject ITEM --reason \"...\"", list[i].Left, list[i].Right)
	}
	return nil
}

// cut shortens a cell of a table.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func money(v string) string {
	if i := strings.IndexByte(v, '.'); i >= 0 {
		v = v[:i]
	}
	var n int64
	if _, err := fmt.Sscan(v, &n); err != nil {
		return v
	}
	return console.Thousands(n)
}

func (a *app) reviewVerdicts(ctx context.Context, ids []string, verdict string, r recording) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer b.Close()
	queue, err := a.reviewQueue(ctx, b, "", "")
	if err != nil {
		return err
	}
	var list []state.Override
	var es []*entity
	for _, id := range ids {
		i := slices.IndexFunc(queue, func(it reviewItem) bool { return it.ID == id })
		if i < 0 {
			return &fault.Error{Key: "ITEM", Value: id, Msg: "is not in the queue", Hint: "`millrace identity review` lists it; what was judged already is no longer in it."}
		}
		o, found, err := b.verdict(ctx, queue[i], verdict)
		if err != nil {
			return err
		}
		list, es = append(list, o), append(es, found...)
	}
	return a.record(ctx, b, list, es, r)
}

// verdict is the override that a verdict on an item becomes: one means both entities as they are, two keeps the two records
// that were compared, and what is one with each of them by rules, apart.
func (b *publishedBuild) verdict(ctx context.Context, it reviewItem, verdict string) (state.Override, []*entity, error) {
	k := personKind()
	if it.Of == "company" {
		k = companyKind()
	}
	if it.Kind != "maybe_one" && it.Kind != "maybe_two" {
		return state.Override{}, nil, &fault.Error{Key: "ITEM", Value: it.ID, Msg: "is no pair to accept or reject", Hint: "Use millrace identity why, split, lock or undo."}
	}
	left, err := b.load(ctx, k, it.LeftID)
	if err != nil {
		return state.Override{}, nil, err
	}
	right, err := b.load(ctx, k, it.RightID)
	if err != nil {
		return state.Override{}, nil, err
	}
	es := []*entity{left}
	if left.ID != right.ID {
		es = append(es, right)
	}
	o := state.Override{Kind: identity.Merge, Entity: it.Of, Left: left.keys(), Right: right.keys()}
	if verdict == "reject" {
		o.Kind = identity.Split
	}
	if left.ID == right.ID {
		clusters := strings.Replace(k.membership, "membership", "clusters", 1)
		for _, side := range []struct {
			to  *[]string
			key string
		}{{&o.Left, it.Left}, {&o.Right, it.Right}} {
			if *side.to, err = b.texts(ctx, "select record_key from "+clusters+" where node_key = ? order by record_key", side.key); err != nil {
				return o, nil, err
			}
		}
	}
	return o, es, nil
}

// reviewColumns are the columns of an exported queue; people fill in the first two.
func reviewColumns() []string {
	return []string{"verdict", "reason", "item", "kind", "entity", "one", "the_other", "bits", "chance", "value", "why", "left_id", "right_id", "left_key", "right_key"}
}

func (a *app) reviewExport(ctx context.Context, of, kind, file string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer b.Close()
	list, err := a.reviewQueue(ctx, b, of, kind)
	if err != nil {
		return err
	}
	rows := [][]string{reviewColumns()}
	for _, it := range list {
		rows = append(rows, []string{"", "", it.ID, it.Kind, it.Of, it.LeftName, it.RightName, it.Weight, it.Probability, it.Value, it.Why, it.LeftID, it.RightID, it.Left, it.Right})
	}
	switch ext := strings.ToLower(filepath.Ext(file)); ext {
	case ".csv":
		f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // names of people (P8)
		if err != nil {
			return fault.Wrap(err, "write the queue")
		}
		w := csv.NewWriter(f)
		if err := w.WriteAll(rows); err != nil {
			f.Close()
			return fault.Wrap(err, "write the queue")
		}
		if err := f.Close(); err != nil {
			return fault.Wrap(err, "write the queue")
		}
	case ".xlsx":
		if err := reviewWorkbook(file, rows); err != nil {
			return fault.Wrap(err, "write the queue")
		}
	default:
		return &fault.Error{Key: "--export", Value: file, Msg: "is neither .csv nor .xlsx", Hint: "Give the file one of these endings."}
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"file": file, "items": len(list)})
	}
	a.con.Say("%s written to %s. Fill in verdict (accept: they are one, reject: they are two) and reason, then: millrace identity review --import %s", console.Count(int64(len(list)), "item"), file, file)
	return nil
}

func reviewWorkbook(file string, rows [][]string) error {
	x := excelize.NewFile()
	defer x.Close()
	const sheet = "review"
	if err := x.SetSheetName("Sheet1", sheet); err != nil {
		return err
	}
	head, err := x.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E8EEF4"}}})
	if err != nil {
		return err
	}
	entry, err := x.NewStyle(&excelize.Style{Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"FFF8DC"}}})
	if err != nil {
		return err
	}
	for r, row := range rows {
		for c, v := range row {
			cell, err := excelize.CoordinatesToCellName(c+1, r+1)
			if err != nil {
				return err
			}
			var value any = v
			var n float64
			if r > 0 && c >= 7 && c <= 9 && v != "" {
				if _, err := fmt.Sscan(v, &n); err == nil {
					value = n
				}
			}
			if err := x.SetCellValue(sheet, cell, value); err != nil {
				return err
			}
		}
	}
	last := max(len(rows), 2)
	for _, s := range []struct {
		from, to string
		style    int
	}{{"A1", "O1", head}, {"A2", fmt.Sprintf("B%d", last), entry}} {
		if err := x.SetCellStyle(sheet, s.from, s.to, s.style); err != nil {
			return err
		}
	}
	for cols, w := range map[string]float64{"A": 10, "B": 24, "C": 10, "D": 11, "E": 9, "F": 46, "G": 46, "H": 8, "I": 8, "J": 12, "K": 44, "L": 20, "M": 20, "N": 32, "O": 32} {
		if err := x.SetColWidth(sheet, cols, cols, w); err != nil {
			return err
		}
	}
	dv := excelize.NewDataValidation(true)
	dv.Sqref = fmt.Sprintf("A2:A%d", last)
	if err := dv.SetDropList([]string{"accept", "reject"}); err != nil {
		return err
	}
	if err := x.AddDataValidation(sheet, dv); err != nil {
		return err
	}
	if err := x.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	if err := x.AutoFilter(sheet, fmt.Sprintf("A1:O%d", last), nil); err != nil {
		return err
	}
	if err := x.SaveAs(file); err != nil {
		return err
	}
	return os.Chmod(file, 0o600) // names of people (P8)
}

// readReview reads a filled-in queue.
func readReview(file string) ([][]string, error) {
	if strings.EqualFold(filepath.Ext(file), ".xlsx") {
		x, err := excelize.OpenFile(file)
		if err != nil {
			return nil, &fault.Error{File: file, Msg: "cannot be read as a workbook", Err: err, Hint: "Save it as .xlsx or .csv."}
		}
		defer x.Close()
		sheets := x.GetSheetList()
		if len(sheets) == 0 {
			return nil, &fault.Error{File: file, Msg: "has no sheet"}
		}
		rows, err := x.GetRows(sheets[0])
		return rows, fault.Wrap(err, "read %s", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fault.Wrap(err, "read the verdicts")
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	var rows [][]string
	for {
		row, err := r.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, &fault.Error{File: file, Msg: "cannot be read as CSV", Err: err, Hint: "Export the queue again and fill it in."}
		}
		rows = append(rows, row)
	}
}

// reviewImport records the verdicts of a file, all of them or none.
func (a *app) reviewImport(ctx context.Context, file string, r recording) error {
	rows, err := readReview(file)
	if err != nil {
		return err
	}
	at := map[string]int{}
	if len(rows) > 0 {
		for i, c := range rows[0] {
			at[strings.ToLower(strings.TrimSpace(c))] = i
		}
	}
	for _, c := range []string{"verdict", "item"} {
		if _, ok := at[c]; !ok {
			return &fault.Error{File: file, Line: 1, Msg: "has no column " + c, Hint: "Export the queue with millrace identity review --export and fill that file in."}
		}
	}
	cell := func(row []string, c string) string {
		i, ok := at[c]
		if !ok || i >= len(row) {
			return ""
		}
		return strings.TrimSpace(row[i])
	}
	p, err := a.project()
	if err != nil {
		return err
	}
	b, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer b.Close()
	queue, err := a.reviewQueue(ctx, b, "", "")
	if err != nil {
		return err
	}
	var problems fault.List
	var list []state.Override
	var es []*entity
	gone := 0
	for n, row := range rows[min(1, len(rows)):] {
		verdict := strings.ToLower(cell(row, "verdict"))
		if verdict == "" {
			continue
		}
		line := n + 2
		if verdict != "accept" && verdict != "reject" {
			problems.Add(&fault.Error{File: file, Line: line, Key: "verdict", Value: verdict, Msg: "is no verdict", Hint: "Write accept (they are one), reject (they are two) or leave it empty."})
			continue
		}
		i := slices.IndexFunc(queue, func(it reviewItem) bool { return it.ID == cell(row, "item") })
		if i < 0 {
			gone++
			continue
		}
		o, found, err := b.verdict(ctx, queue[i], verdict)
		if err != nil {
			problems.Add(&fault.Error{File: file, Line: line, Err: err})
			continue
		}
		o.Reason, o.Author = orText(cell(row, "reason"), strings.TrimSpace(r.reason)), orText(r.author, userName(a))
		if o.Reason == "" {
			problems.Add(&fault.Error{File: file, Line: line, Key: "reason", Msg: "is missing", Hint: "Fill it in, or give --reason for all."})
			continue
		}
		list, es = append(list, o), append(es, found...)
	}
	if err := problems.Or(); err != nil {
		return err
	}
	if gone > 0 {
		a.con.Say("%s no longer in the queue: decided meanwhile, or the evidence has changed.", console.Count(int64(gone), "verdict"))
	}
	if len(list) == 0 {
		a.con.Say("No verdict to record.")
		return nil
	}
	return a.recordEach(ctx, b, list, es, r.dry)
}
