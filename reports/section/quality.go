package section

import (
	"context"

	"millrace/reports"
)

type qualityOptions struct {
	Repairs string `yaml:"repairs" doc:"a relation that counts repairs by rule, such as quality.repair_summary"`
	Limit   int    `yaml:"limit" default:"30" min:"1" doc:"how many rows pages show; the workbook has all"`
}

func qualityKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "quality",
		Summary: "the data-quality score, every check with its thresholds, and what was repaired",
		Options: func() any { return &qualityOptions{} },
		Build:   typed(buildQuality),
	}
}

func buildQuality(ctx context.Context, in *reports.Input, o *qualityOptions) ([]reports.Block, error) {
	if err := need(in, "quality.checks", "quality.score"); err != nil {
		return nil, err
	}
	score, err := in.Query(ctx, "select as_of_date, score, passed, warned, failed\nfrom quality.score\norder by as_of_date desc\nlimit 1")
	if err != nil {
		return nil, err
	}
	w := new(reports.Writer)
	line := reports.Line{Tone: reports.Good}
	if score.Len() == 0 || score.Cell(0, "score").IsNull() {
		w.Say("Nothing could be checked yet.")
		line.Tone = reports.Warn
	} else {
		count := reports.Format{Unit: reports.Count}
		w.Say("Data quality stands at ").Num(score.Cell(0, "score"), reports.Format{Unit: reports.Number}).Say(" of a hundred as of ").
			Num(score.Cell(0, "as_of_date"), reports.Format{Unit: reports.DateUnit}).Say(". Checks: ").
			Num(score.Cell(0, "passed"), count).Say(" pass, ").Num(score.Cell(0, "warned"), count).Say(" warn, ").
			Num(score.Cell(0, "failed"), count).Say(" fail.")
		switch {
		case score.Cell(0, "failed").Sign() > 0:
			line.Tone = reports.Bad
		case score.Cell(0, "warned").Sign() > 0:
			line.Tone = reports.Warn
		}
	}
	if line.Text, err = w.Done(); err != nil {
		return nil, err
	}
	heading := title(in, "Data quality")
	blocks := []reports.Block{&reports.Prose{Title: heading, Lines: []reports.Line{line}}}
	checks, err := in.Query(ctx, `
select status, check_name, object, value, warn_above, fail_above, checked_rows, detail
from quality.checks
order by case status when 'fail' then 1 when 'warn' then 2 when 'pass' then 3 else 4 end, check_name, object`)
	if err != nil {
		return nil, err
	}
	share, count, text := reports.Format{Unit: reports.Number}, reports.Format{Unit: reports.Count}, reports.Format{Unit: reports.TextUnit}
	g := &reports.Grid{Title: heading + ": checks", Limit: o.Limit, Empty: "No check is defined.", Source: checks.Source.ID, Columns: []reports.GridColumn{
		{Name: "status", Label: "Status", Format: text, Text: true, Status: true}, {Name: "check_name", Label: "Check", Format: text, Text: true},
		{Name: "object", Label: "Of", Format: text, Text: true}, {Name: "value", Label: "Found", Format: share},
		{Name: "warn_above", Label: "Warns above", Format: share}, {Name: "fail_above", Label: "Fails above", Format: share},
		{Name: "checked_rows", Label: "Rows", Format: count}, {Name: "detail", Label: "In words", Format: text, Text: true},
	}}
	for i := range checks.Len() {
		row := make([]reports.Quantity, len(g.Columns))
		for j, c := range g.Columns {
			row[j] = reports.Quantity{Cell: checks.Cell(i, c.Name), Format: c.Format}
		}
		g.Rows = append(g.Rows, row)
	}
	blocks = append(blocks, g)
	if o.Repairs == "" {
		return blocks, nil
	}
	if err := need(in, o.Repairs); err != nil {
		return nil, err
	}
	sql, err := from("", o.Repairs, "*", "all")
	if err != nil {
		return nil, err
	}
	res, err := in.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	old := in.Title
	in.Title = heading + ": repairs"
	more, err := grid(in, res, &tableOptions{Limit: o.Limit, Empty: "Nothing needed a repair."})
	in.Title = old
	return append(blocks, more...), err
}
