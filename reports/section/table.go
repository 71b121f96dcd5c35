package section

import (
	"context"
	"strings"

	"millrace/internal/config"
	"millrace/internal/fault"
	"millrace/reports"
)

type tableOptions struct {
	From    string                    `yaml:"from" doc:"a published relation"`
	SQL     string                    `yaml:"sql" doc:"a query over published relations; order it"`
	OrderBy string                    `yaml:"order_by" doc:"for from: how the rows are sorted"`
	Columns config.Map[columnOptions] `yaml:"columns" doc:"columns to show, in order (default: all)"`
	Limit   int                       `yaml:"limit" default:"50" min:"1" doc:"how many rows pages show; the workbook has all"`
	Note    string                    `yaml:"note" doc:"a sentence over the first row, with {columns}; digits are refused"`
	Empty   string                    `yaml:"empty" default:"Nothing to show." doc:"what to say when there is no row"`

	note *reports.Template
}

type columnOptions struct {
	Label       string `yaml:"label" doc:"the heading"`
	Format      string `yaml:"format" enum:"ratio,money,days,months,count,money_per_day,number,times,points,date,text" doc:"how the numbers are written (default: by type)"`
	Grain       string `yaml:"grain" enum:"day,week,month,quarter,year" doc:"for dates that name a period"`
	Sign        bool   `yaml:"sign" doc:"always write + or -"`
	Target      string `yaml:"target" doc:"the column that holds this column's target: what misses it is marked"`
	LowerBetter bool   `yaml:"lower_is_better" doc:"with target: less is better"`
	Bars        bool   `yaml:"bars" doc:"draw the size behind each number"`
}

// FromShort lets `column: ratio` stand for {format: ratio}.
func (c *columnOptions) FromShort(s string) error {
	for _, u := range reports.Units() {
		if u == s {
			c.Format = s
			return nil
		}
	}
	return &fault.Error{Msg: "unknown format", Value: s, Hint: fault.DidYouMean(s, reports.Units())}
}

// ShortSchema describes the short form.
func (c *columnOptions) ShortSchema() map[string]any {
	return map[string]any{"enum": reports.Units()}
}

func tableKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "table",
		Summary: "rows of a relation or a query",
		Options: func() any { return &tableOptions{} },
		Check: checked(func(o *tableOptions) (err error) {
			if _, err = from(o.SQL, o.From, "", ""); err != nil || o.Note == "" {
				return err
			}
			o.note, err = reports.ParseTemplate(o.Note)
			return err
		}),
		Build: typed(buildTable),
	}
}

func buildTable(ctx context.Context, in *reports.Input, o *tableOptions) ([]reports.Block, error) {
	var cols []string
	for _, c := range o.Columns.Keys() {
		cols = append(cols, `"`+strings.ReplaceAll(c, `"`, `""`)+`"`)
	}
	order := o.OrderBy
	if order == "" {
		order = "all"
	}
	sql, err := from(o.SQL, o.From, strings.Join(cols, ", "), order)
	if err != nil {
		return nil, err
	}
	res, err := in.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return grid(in, res, o)
}

func grid(in *reports.Input, res *reports.Result, o *tableOptions) ([]reports.Block, error) {
	if err := res.Need(o.Columns.Keys()...); err != nil {
		return nil, err
	}
	g := &reports.Grid{Title: title(in, "Table"), Limit: o.Limit, Empty: o.Empty, Source: res.Source.ID}
	names := o.Columns.Keys()
	if len(names) == 0 {
		for _, c := range res.Columns {
			names = append(names, c.Name)
		}
	}
	formats := map[string]reports.Format{"": {Currency: in.Currency}}
	for _, name := range names {
		opt, _ := o.Columns.Get(name)
		c := reports.GridColumn{Name: name, Label: opt.Label, Compare: opt.Target, LowerBetter: opt.LowerBetter, Bars: opt.Bars}
		if c.Label == "" {
			c.Label = reports.Title(name)
		}
		if err := res.Need(opt.Target); opt.Target != "" && err != nil {
			return nil, err
		}
		c.Format = columnFormat(in, res, name, opt)
		c.Text = c.Format.Unit == reports.TextUnit
		formats[name] = c.Format
		g.Columns = append(g.Columns, c)
	}
	for i := range res.Len() {
		row := make([]reports.Quantity, len(g.Columns))
		for j, c := range g.Columns {
			f := c.Format
			if res.Has("currency") && (f.Unit == reports.Money || f.Unit == reports.MoneyPerDay) {
				if cur := res.Cell(i, "currency").Text(); cur != "" {
					f.Currency = cur
				}
			}
			row[j] = quantity(in, res, i, c.Name, f)
			if c.Text {
				row[j].Reason = ""
			}
		}
		g.Rows = append(g.Rows, row)
	}
	if o.note != nil && res.Len() > 0 {
		var err error
		if g.Note, err = o.note.Fill(res, 0, formats); err != nil {
			return nil, err
		}
	}
	return []reports.Block{g}, nil
}

// columnFormat is what the definition says, else what the column's type suggests.
func columnFormat(in *reports.Input, res *reports.Result, name string, opt columnOptions) reports.Format {
	f := reports.Format{Unit: reports.Unit(opt.Format), Sign: opt.Sign, Grain: opt.Grain}
	if f.Unit == "" {
		f.Unit = reports.TextUnit
		for _, c := range res.Columns {
			if c.Name != name {
				continue
			}
			switch t := strings.ToUpper(c.Type); {
			case strings.Contains(t, "INT"):
				f.Unit = reports.Count
			case strings.HasPrefix(t, "DECIMAL"), t == "DOUBLE", t == "FLOAT":
				f.Unit = reports.Number
			case t == "DATE", strings.HasPrefix(t, "TIMESTAMP"):
				f.Unit = reports.DateUnit
			}
		}
	}
	if f.Grain != "" {
		f.Unit = reports.DateUnit
	}
	if f.Unit == reports.Money || f.Unit == reports.MoneyPerDay {
		f.Currency = in.Currency
	}
	return f
}
