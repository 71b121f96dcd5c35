package reports

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode"

	"millrace/internal/fault"
)

// Part is one piece of a text: words without a number in them, or a cell.
type Part struct {
	words  string
	cell   Cell
	format Format
	isCell bool
}

// Words is the literal text; "" for a cell.
func (p Part) Words() string { return p.words }

// Cell is the cell; false for words.
func (p Part) Cell() (Cell, bool) { return p.cell, p.isCell }

// String is the part as a person reads it.
func (p Part) String() string {
	if p.isCell {
		return p.format.Show(p.cell.Value)
	}
	return p.words
}

// HasNumber reports whether the part is a cell that shows a digit: a figure, a date, a name with a number in it.
func (p Part) HasNumber() bool {
	return p.isCell && strings.IndexFunc(p.String(), unicode.IsDigit) >= 0
}

// IsName reports whether the part is a cell that is shown as it stands: a segment, a label.
func (p Part) IsName() bool { return p.isCell && p.format.Unit == TextUnit }

// IsLabel reports whether the part is the label of a KPI.
func (p Part) IsLabel() bool { return p.isCell && p.cell.ref.Column == "label" }

// Text is a sentence or more whose every number is a cell (P7). Only a Writer makes one, and a Writer refuses words
// that hold a digit, so a number that was typed rather than computed cannot get into a text.
type Text struct{ parts []Part }

// Parts are the pieces in order. The slice must not be changed.
func (t Text) Parts() []Part { return t.parts }

// IsZero reports whether there is nothing to read.
func (t Text) IsZero() bool { return len(t.parts) == 0 }

// String is the text as a person reads it, without its sources.
func (t Text) String() string {
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.String())
	}
	return b.String()
}

// Sources lists the ids of the queries behind the numbers of the text, each once, in order of appearance.
func (t Text) Sources() []string {
	var out []string
	seen := map[string]bool{}
	for _, p := range t.parts {
		if id := p.cell.ref.Source; p.HasNumber() && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// MarshalJSON gives the text and the cells in it.
func (t Text) MarshalJSON() ([]byte, error) {
	type cell struct {
		Shown string `json:"shown"`
		Ref
	}
	out := struct {
		Text  string `json:"text"`
		Cells []cell `json:"cells,omitempty"`
	}{Text: t.String()}
	for _, p := range t.parts {
		if p.isCell {
			out.Cells = append(out.Cells, cell{p.String(), p.cell.ref})
		}
	}
	return json.Marshal(out)
}

// Writer composes a Text. Its first mistake is kept and returned by Text.
type Writer struct {
	parts []Part
	err   error
}

// Say adds words. Words with a digit in them are refused (P7): numbers come from cells.
func (w *Writer) Say(words string) *Writer {
	if i := strings.IndexFunc(words, unicode.IsDigit); i >= 0 {
		w.fail(&fault.Error{Msg: "a number in a text must be a cell of the data (P7)", Value: words,
			Hint: "Put a {column} of the query in its place."})
		return w
	}
	if words != "" {
		w.parts = append(w.parts, Part{words: words})
	}
	return w
}

// Num adds a cell in a format. A cell that no query gave is refused, and so is one that holds nothing.
func (w *Writer) Num(c Cell, f Format) *Writer {
	switch {
	case c.ref.Source == "":
		w.fail(errors.New("a cell in a text has no source: the query does not give its column"))
	case c.IsNull():
		w.fail(fmt.Errorf("%s holds nothing, so nothing can be said with it", c.ref))
	}
	w.parts = append(w.parts, Part{cell: c, format: f, isCell: true})
	return w
}

// Name adds the text of a cell: a segment, a person, a stage.
func (w *Writer) Name(c Cell) *Writer { return w.Num(c, Format{Unit: TextUnit}) }

// Text adds another text.
func (w *Writer) Text(t Text) *Writer {
	w.parts = append(w.parts, t.parts...)
	return w
}

// Done gives the text, or the first mistake made on the way.
func (w *Writer) Done() (Text, error) {
	if w.err != nil {
		return Text{}, w.err
	}
	return Text{parts: w.parts}, nil
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Template is a sentence that a person wrote in a definition, with {column} or {column:format} where a cell goes.
type Template struct {
	source string
	parts  []templatePart
}

type templatePart struct {
	words, column string
	unit          Unit
	delta         bool
	magnitude     bool
}

// ParseTemplate reads a sentence. A digit outside of braces is refused (P7).
func ParseTemplate(s string) (*Template, error) {
	t := &Template{source: s}
	rest := s
	for rest != "" {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			open = len(rest)
		}
		if words := rest[:open]; words != "" {
			if strings.ContainsRune(words, '}') {
				return nil, &fault.Error{Msg: "a } without its {", Value: s, Hint: "Write {column} or {column:format}."}
			}
			if _, err := new(Writer).Say(words).Done(); err != nil {
				return nil, err
			}
			t.parts = append(t.parts, templatePart{words: words})
		}
		if open == len(rest) {
			break
		}
		end := strings.IndexByte(rest, '}')
		if end < open {
			return nil, &fault.Error{Msg: "a { without its }", Value: s, Hint: "Write {column} or {column:format}."}
		}
		column, format, _ := strings.Cut(rest[open+1:end], ":")
		p := templatePart{column: strings.TrimSpace(column)}
		switch format = strings.TrimSpace(format); {
		case strings.HasPrefix(format, "+"):
			p.delta, format = true, format[1:]
		case strings.HasPrefix(format, "|"):
			p.magnitude, format = true, format[1:]
		}
		p.unit = Unit(format)
		if p.column == "" {
			return nil, &fault.Error{Msg: "empty braces", Value: s, Hint: "Write {column} or {column:format}."}
		}
		if format != "" && !knownUnit(format) {
			return nil, &fault.Error{Msg: "unknown format", Value: format, Hint: fault.DidYouMean(format, Units())}
		}
		t.parts = append(t.parts, p)
		rest = rest[end+1:]
	}
	return t, nil
}

// Columns lists the columns that the sentence needs, each once.
func (t *Template) Columns() []string {
	var out []string
	seen := map[string]bool{}
	for _, p := range t.parts {
		if p.column != "" && !seen[p.column] {
			seen[p.column] = true
			out = append(out, p.column)
		}
	}
	return out
}

// Fill writes the sentence for one row of a result. Formats that the sentence does not give come from formats by
// column; a column with neither is shown by its type.
func (t *Template) Fill(r *Result, row int, formats map[string]Format) (Text, error) {
	if err := r.Need(t.Columns()...); err != nil {
		return Text{}, fault.Wrap(err, "sentence %q", t.source)
	}
	w := new(Writer)
	for _, p := range t.parts {
		if p.column == "" {
			w.Say(p.words)
			continue
		}
		c := r.Cell(row, p.column)
		f := formats[p.column]
		if p.unit != "" {
			f = Format{Unit: p.unit, Currency: f.Currency}
		}
		if f.Currency == "" {
			f.Currency = formats[""].Currency
		}
		if p.delta {
			f = f.Delta()
		}
		if p.magnitude {
			f = f.Magnitude()
		}
		w.Num(c, f)
	}
	text, err := w.Done()
	return text, fault.Wrap(err, "sentence %q", t.source)
}

func knownUnit(s string) bool {
	for _, u := range Units() {
		if u == s {
			return true
		}
	}
	return false
}

func sortStrings(s []string) { sort.Strings(s) }
