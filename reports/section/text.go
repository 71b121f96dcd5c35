package section

import (
	"context"

	"millrace/reports"
)

type textOptions struct {
	SQL  string   `yaml:"sql" doc:"a query over published relations; every row fills the sentences once"`
	Say  []string `yaml:"say" required:"true" doc:"sentences with {column} or {column:format}; digits are refused: numbers come from the query"`
	Else string   `yaml:"else" doc:"what to say when the query gives no row"`

	say []*reports.Template
}

func textKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "text",
		Summary: "sentences of your own around the columns of a query",
		Options: func() any { return &textOptions{} },
		Check: checked(func(o *textOptions) error {
			o.say = nil
			for _, s := range append(append([]string(nil), o.Say...), o.Else) {
				t, err := reports.ParseTemplate(s)
				if err != nil {
					return err
				}
				o.say = append(o.say, t)
			}
			return nil
		}),
		Build: typed(buildText),
	}
}

func buildText(ctx context.Context, in *reports.Input, o *textOptions) ([]reports.Block, error) {
	p := &reports.Prose{Title: title(in, "Remarks")}
	sql := o.SQL
	if sql == "" {
		sql = "select 1 as one"
	}
	res, err := in.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	formats := map[string]reports.Format{"": {Currency: in.Currency}}
	for _, c := range res.Columns {
		formats[c.Name] = columnFormat(in, res, c.Name, columnOptions{})
	}
	for i := range res.Len() {
		for _, s := range o.say[:len(o.Say)] {
			t, err := s.Fill(res, i, formats)
			if err != nil {
				return nil, err
			}
			p.Lines = append(p.Lines, reports.Line{Text: t})
		}
	}
	if res.Len() == 0 && o.Else != "" {
		t, err := new(reports.Writer).Say(o.Else).Done()
		if err != nil {
			return nil, err
		}
		p.Lines = append(p.Lines, reports.Line{Text: t})
	}
	if len(p.Lines) == 0 {
		t, err := new(reports.Writer).Say("Nothing to tell.").Done()
		if err != nil {
			return nil, err
		}
		p.Lines = append(p.Lines, reports.Line{Text: t})
	}
	return []reports.Block{p}, nil
}
