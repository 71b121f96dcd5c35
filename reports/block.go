package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"millrace/internal/chart"
)

// Block is one piece of content. It is never markup: each channel decides how a block looks. The kinds are the
// pointers to Headline, KPIs, Chart, Grid, Prose, Calculator and Failure.
type Block interface{ block() }

// MaxHeadline is how many lines the first screen may have.
const MaxHeadline = 10

// Role says what a line of the first screen is for.
type Role string

// The roles, in the order in which a reader needs them.
const (
	What  Role = "what happened"
	Why   Role = "why"
	Watch Role = "what to watch"
	Do    Role = "what to do"
	Wait  Role = "what waits for you"
)

// Tone says whether something is good news.
type Tone string

// Tones.
const (
	Neutral Tone = ""
	Good    Tone = "good"
	Bad     Tone = "bad"
	Warn    Tone = "warn"
)

// Line is one line of the first screen or one paragraph.
type Line struct {
	Role Role `json:"role,omitempty"`
	Tone Tone `json:"tone,omitempty"`
	Text Text `json:"text"`
}

// Headline is the first screen: at most MaxHeadline lines.
type Headline struct {
	Lines []Line `json:"lines"`
}

// KPI is one figure beside what it was and what it should be.
type KPI struct {
	Name        string     `json:"name"`
	Label       string     `json:"label"`
	About       string     `json:"about,omitempty"` // what it means, for a tooltip
	Value       Quantity   `json:"value"`
	Previous    Quantity   `json:"previous"`
	Delta       Quantity   `json:"delta"`
	DeltaPct    Quantity   `json:"delta_pct"`
	N           Quantity   `json:"n"`
	Target      Quantity   `json:"target"` // nothing in the cell: no target is set
	Gap         Quantity   `json:"gap"`
	Verdict     string     `json:"verdict,omitempty"` // met, missed, na
	LowerBetter bool       `json:"lower_better,omitempty"`
	Tone        Tone       `json:"tone,omitempty"` // of the change
	History     []Quantity `json:"history,omitempty"`
	HistoryX    []string   `json:"history_x,omitempty"`
}

// KPIs are several figures of one period.
type KPIs struct {
	Title     string `json:"title"`
	Period    string `json:"period"`
	Previous  string `json:"previous"`
	Items     []KPI  `json:"items"`
	Benchmark string `json:"benchmark,omitempty"`
}

// ChartKind is the shape of a chart.
type ChartKind string

// Chart kinds.
const (
	Column  ChartKind = "column"
	Bar     ChartKind = "bar" // horizontal
	LineC   ChartKind = "line"
	Stacked ChartKind = "stacked"
	Pie     ChartKind = "pie"
)

// Series is one row of figures along the chart's categories. A quantity that holds nothing is a gap.
type Series struct {
	Name   string     `json:"name"`
	Points []Quantity `json:"points"`
	Low    []Quantity `json:"low,omitempty"` // of an interval, aligned with Points
	High   []Quantity `json:"high,omitempty"`
	Dashed bool       `json:"dashed,omitempty"` // expected rather than measured
}

// Chart is figures to be drawn, and to be read as a table where nothing can be drawn.
type Chart struct {
	Title  string    `json:"title"`
	Kind   ChartKind `json:"kind"`
	XLabel string    `json:"x_label,omitempty"`
	X      []string  `json:"x"`
	Series []Series  `json:"series"`
	Format Format    `json:"format"`
	Note   Text      `json:"note"`
}

// Drawing is the chart ready to be drawn.
func (c *Chart) Drawing() chart.Chart {
	f := c.Format.Plain()
	d := chart.Chart{Title: c.Title, Kind: chart.Kind(c.Kind), X: c.X, Tick: func(v float64) string { return tick(f, v) }}
	for _, s := range c.Series {
		d.Series = append(d.Series, chart.Series{Name: s.Name, Points: Marks(s.Points), Low: Marks(s.Low), High: Marks(s.High), Dashed: s.Dashed})
	}
	return d
}

// Marks are quantities ready to be drawn; one that holds nothing is a gap.
func Marks(qs []Quantity) []chart.Point {
	out := make([]chart.Point, len(qs))
	for i, q := range qs {
		v, ok := q.Cell.Float()
		out[i] = chart.Point{V: v, Valid: ok, Text: q.String()}
	}
	return out
}

// tick writes an axis label: as the format does, without zeros behind the point and without the noise of floating point.
func tick(f Format, v float64) string {
	if clean, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64); err == nil {
		v = clean
	}
	s := f.Show(ValueOf(v))
	number, unit, _ := strings.Cut(s, " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	if number == "−0" {
		number = "0"
	}
	if unit != "" {
		return number + " " + unit
	}
	return number
}

// GridColumn is one column of a Grid.
type GridColumn struct {
	Name   string `json:"name"`
	Label  string `json:"label"`
	Format Format `json:"format"`
	Text   bool   `json:"text,omitempty"` // left-aligned
	// Compare names the column that holds this column's target, for marking what misses it.
	Compare     string `json:"compare,omitempty"`
	LowerBetter bool   `json:"lower_better,omitempty"`
	Status      bool   `json:"status,omitempty"` // the cell is a status word: pass, warn, fail
	Bars        bool   `json:"bars,omitempty"`   // draw each number's size behind it
}

// Grid is a table of cells.
type Grid struct {
	Title   string       `json:"title"`
	Columns []GridColumn `json:"columns"`
	Rows    [][]Quantity `json:"rows"`
	Note    Text         `json:"note"`
	Limit   int          `json:"limit,omitempty"` // how many rows a page should show; a workbook shows all
	Empty   string       `json:"empty,omitempty"` // what to say when there is no row
	Source  string       `json:"source"`
}

// Prose is several paragraphs.
type Prose struct {
	Title string `json:"title"`
	Lines []Line `json:"lines"`
}

// CalcCell is one line of a Calculator.
type CalcCell struct {
	Name    string   `json:"name"` // used in formulas
	Label   string   `json:"label"`
	Format  Format   `json:"format"`
	Value   Quantity `json:"value"`         // wired to a cell of the data
	KPI     string   `json:"kpi,omitempty"` // the KPI that it is wired to, if it is one
	AllTime bool     `json:"all_time,omitempty"`
	Given   Value    `json:"-"`                 // an assumption from the definition
	Formula string   `json:"formula,omitempty"` // of names, + - * / ( ), min, max, round, if
	Result  Value    `json:"-"`                 // what Formula gives now; nothing when it divides by zero
	// Sheet writes Formula as a spreadsheet reads it, each name replaced by what the function gives for it.
	Sheet  func(name func(string) string) string `json:"-"`
	Reason string                                `json:"reason,omitempty"`
	Note   string                                `json:"note,omitempty"`
}

// Calculator is a sheet whose results follow from figures and assumptions by formulas that the reader can change.
type Calculator struct {
	Title   string     `json:"title"`
	Note    string     `json:"note,omitempty"`
	Wired   []CalcCell `json:"wired"`   // figures of this report
	Assumed []CalcCell `json:"assumed"` // what the reader may change
	Results []CalcCell `json:"results"`
}

// Failure stands where a section could not be built: the rest of the report arrives.
type Failure struct {
	Title   string `json:"title"`
	Section string `json:"section"`
	Reason  string `json:"reason"`
}

func (*Headline) block()   {}
func (*KPIs) block()       {}
func (*Chart) block()      {}
func (*Grid) block()       {}
func (*Prose) block()      {}
func (*Calculator) block() {}
func (*Failure) block()    {}

// Document is a composed report: content and sources, ready for any channel.
type Document struct {
	Report    string    `json:"report"`
	Title     string    `json:"title"`
	Project   string    `json:"project"`
	Period    Period    `json:"-"`
	PeriodKey string    `json:"period"`
	At        time.Time `json:"at"` // logical time of the run, in the project's zone
	BuildID   string    `json:"build_id"`
	BuiltAt   time.Time `json:"built_at"`
	Blocks    []Block   `json:"-"`
	Sources   []*Source `json:"sources"`
	Stale     []string  `json:"stale,omitempty"` // relations read here that stayed at an earlier version

	made   string // see Composer.Made; "" when a section failed
	digest string // of a composed document, which is not changed any more
}

// Cells calls see for every cell of the content, in order.
func (d *Document) Cells(see func(Cell)) {
	text := func(t Text) {
		for _, p := range t.parts {
			if p.isCell {
				see(p.cell)
			}
		}
	}
	many := func(qs []Quantity) {
		for _, q := range qs {
			see(q.Cell)
		}
	}
	lines := func(ls []Line) {
		for _, l := range ls {
			text(l.Text)
		}
	}
	for _, b := range d.Blocks {
		switch b := b.(type) {
		case *Headline:
			lines(b.Lines)
		case *Prose:
			lines(b.Lines)
		case *KPIs:
			for _, k := range b.Items {
				many([]Quantity{k.Value, k.Previous, k.Delta, k.DeltaPct, k.N, k.Target, k.Gap})
				many(k.History)
			}
		case *Chart:
			text(b.Note)
			for _, s := range b.Series {
				many(s.Points)
				many(s.Low)
				many(s.High)
			}
		case *Grid:
			text(b.Note)
			for _, row := range b.Rows {
				many(row)
			}
		case *Calculator:
			for _, c := range b.Wired {
				see(c.Value.Cell)
			}
		}
	}
}

// Failures lists the sections that could not be built.
func (d *Document) Failures() []*Failure {
	var out []*Failure
	for _, b := range d.Blocks {
		if f, ok := b.(*Failure); ok {
			out = append(out, f)
		}
	}
	return out
}

// Digest identifies the content: equal for equal data and definition, whatever the hour or the build's id (P4).
func (d *Document) Digest() string {
	if d.digest != "" {
		return d.digest
	}
	h := sha256.New()
	enc := json.NewEncoder(h)
	// Every block marshals: Values are inside Quantities, which marshal as shown.
	if err := enc.Encode([]any{d.Report, d.Title, d.PeriodKey, d.Blocks, d.Sources, d.Stale}); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// MarshalJSON gives the quantity as shown, its exact text and its place.
func (q Quantity) MarshalJSON() ([]byte, error) {
	if q.Cell.IsNull() {
		if q.Cell.ref.Source == "" {
			return []byte("null"), nil
		}
		return json.Marshal(struct {
			Value  any    `json:"value"`
			Reason string `json:"reason,omitempty"`
			Ref    Ref    `json:"ref"`
		}{nil, q.Reason, q.Cell.ref})
	}
	return json.Marshal(struct {
		Value  string `json:"value"`
		Shown  string `json:"shown"`
		Status string `json:"status,omitempty"`
		Ref    Ref    `json:"ref"`
	}{q.Cell.Text(), q.String(), q.Status, q.Cell.ref})
}

// MarshalJSON gives the line with its value now.
func (c CalcCell) MarshalJSON() ([]byte, error) {
	now := c.Value.Cell.Value
	if !c.Given.IsNull() {
		now = c.Given
	}
	if c.Formula != "" {
		now = c.Result
	}
	return json.Marshal(struct {
		Name    string `json:"name"`
		Label   string `json:"label"`
		Formula string `json:"formula,omitempty"`
		Now     string `json:"now"`
		Reason  string `json:"reason,omitempty"`
	}{c.Name, c.Label, c.Formula, c.Format.Show(now), c.Reason})
}
