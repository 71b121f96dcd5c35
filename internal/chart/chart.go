// Package chart draws small, honest charts as SVG and PNG: bars start at zero, gaps stay gaps, every mark carries its
// number. In SVG colours are CSS variables with fallbacks, so a page decides about dark and light. Output depends on its
// input alone.
//
// It knows no stage and no report: callers hand in plain numbers and the text of each.
package chart

import (
	"math"
	"strconv"
	"strings"
)

// Kind is the shape.
type Kind string

// Kinds.
const (
	Column  Kind = "column"
	Bar     Kind = "bar" // horizontal
	Line    Kind = "line"
	Stacked Kind = "stacked"
	Pie     Kind = "pie" // drawn as a ring
)

// Point is one number; Valid is false for a gap.
type Point struct {
	V     float64
	Valid bool
	Text  string // as shown to people: "63.15 %"
}

// Series is one row of numbers along the categories.
type Series struct {
	Name      string
	Points    []Point
	Low, High []Point // an interval around the points; may be nil
	Dashed    bool
}

// Chart is what to draw.
type Chart struct {
	Title  string // for screen readers
	Kind   Kind
	X      []string
	Series []Series
	Tick   func(v float64) string // writes an axis label
	Width  int                    // 0: 720
	Height int                    // 0: by kind
}

// Palette is the order of colours: distinguishable for colour-blind readers, legible on white and on near-black.
func Palette() []string {
	return []string{"#2f6db5", "#d9822b", "#3a9b6e", "#a45fb8", "#c44e52", "#6b7c93", "#b5a13a", "#2aa7b8"}
}

// paint is a colour by its meaning: a page decides about dark and light, a picture has one of each.
type paint int

const (
	ink paint = -1 - iota
	faint
	rule
	paper
)

// point is a place on the canvas.
type point struct{ x, y float64 }

// shape is one mark: a text (size), a circle (r), a rectangle (w, h) at the first point, or a line or area through all.
type shape struct {
	points []point
	w, h   float64
	r      float64
	text   string
	after  string // a second text in the faint colour behind the first
	anchor string // start, middle, end
	size   float64
	fill   paint
	filled bool
	alpha  float64 // of an area; 0 means 1
	stroke float64 // width of a line
	dash   bool
	edge   bool   // an area with a thin line of paper around it
	tip    string // what a pointer sees
}

// canvas collects marks; SVG and PNG put them down.
type canvas struct {
	w, h   float64
	shapes []shape
}

func (c *canvas) line(x1, y1, x2, y2 float64, p paint) {
	c.shapes = append(c.shapes, shape{points: []point{{x1, y1}, {x2, y2}}, stroke: 1, fill: p})
}

func (c *canvas) write(x, y float64, anchor string, size float64, p paint, s string) {
	c.shapes = append(c.shapes, shape{points: []point{{x, y}}, text: s, anchor: anchor, size: size, fill: p})
}

// SVG draws the chart as one self-contained element. A chart without a single number is an empty string.
func (ch Chart) SVG() string {
	if !ch.any() {
		return ""
	}
	return ch.layout().svg("chart", ch.Title, 12)
}

// layout places every mark.
func (ch Chart) layout() *canvas {
	if ch.Tick == nil {
		ch.Tick = func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	}
	c := &canvas{w: float64(ch.Width), h: float64(ch.Height)}
	if c.w == 0 {
		c.w = 720
	}
	if c.h == 0 {
		switch c.h = 300; ch.Kind {
		case Pie:
			c.h = 230
		case Bar:
			c.h = float64(len(ch.X))*26*barsPer(ch) + 34 + legendHeight(ch)
		}
	}
	switch ch.Kind {
	case Bar:
		c.bars(ch)
	case Pie:
		c.pie(ch)
	default:
		c.plot(ch)
	}
	return c
}

func (ch Chart) any() bool {
	for _, s := range ch.Series {
		for _, p := range s.Points {
			if p.Valid {
				return true
			}
		}
	}
	return false
}

func barsPer(ch Chart) float64 { return math.Max(1, float64(len(ch.Series))*0.7) }

func legendHeight(ch Chart) float64 {
	if len(ch.Series) > 1 {
		return 22
	}
	return 0
}

// legend writes the names of the series in one line at the top.
func (c *canvas) legend(ch Chart) {
	if len(ch.Series) < 2 {
		return
	}
	x := 4.0
	for i, s := range ch.Series {
		if s.Dashed {
			c.shapes = append(c.shapes, shape{points: []point{{x, 9}, {x + 12, 9}}, stroke: 2, dash: true, fill: paint(seriesColour(ch, i))})
		} else {
			c.shapes = append(c.shapes, shape{points: []point{{x, 4}}, w: 12, h: 10, filled: true, fill: paint(seriesColour(ch, i))})
		}
		c.write(x+17, 13, "start", 12, ink, s.Name)
		x += 17 + textWidth(s.Name, 12) + 16
	}
}

// seriesColour gives an expectation the colour of what it continues.
func seriesColour(ch Chart, i int) int {
	if ch.Series[i].Dashed && i > 0 {
		return i - 1
	}
	return i
}

// textWidth estimates a text's width: there is no font to ask.
func textWidth(s string, size float64) float64 {
	w := 0.0
	for _, r := range s {
		switch {
		case strings.ContainsRune("iljtf.,:;|' !()-", r):
			w += 0.34
		case r >= 'A' && r <= 'Z' || strings.ContainsRune("mw%€", r):
			w += 0.72
		default:
			w += 0.57
		}
	}
	return w * size
}

// fit cuts a text so that it takes at most width.
func fit(s string, size, width float64) string {
	if textWidth(s, size) <= width {
		return s
	}
	r := []rune(s)
	for len(r) > 1 && textWidth(string(r)+"…", size) > width {
		r = r[:len(r)-1]
	}
	return strings.TrimSpace(string(r)) + "…"
}

// span is the range of the numbers to draw; stacked sums a category's parts.
func (ch Chart) span() (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	see := func(p Point) {
		if p.Valid {
			lo, hi = math.Min(lo, p.V), math.Max(hi, p.V)
		}
	}
	for _, s := range ch.Series {
		for i, p := range s.Points {
			see(p)
			if i < len(s.Low) {
				see(s.Low[i])
			}
			if i < len(s.High) {
				see(s.High[i])
			}
		}
	}
	if ch.Kind == Stacked {
		for i := range ch.X {
			up, down := 0.0, 0.0
			for _, s := range ch.Series {
				if i < len(s.Points) && s.Points[i].Valid {
					up += math.Max(0, s.Points[i].V)
					down += math.Min(0, s.Points[i].V)
				}
			}
			lo, hi = math.Min(lo, down), math.Max(hi, up)
		}
	}
	if ch.Kind != Line {
		return math.Min(0, lo), math.Max(0, hi) // lengths must start at zero to be compared
	}
	if lo >= 0 && lo < hi*0.6 {
		lo = 0
	}
	return lo, hi
}

// ticks gives round numbers that cover the range.
func ticks(lo, hi float64) []float64 {
	if hi-lo < 1e-12*math.Max(1, math.Abs(hi)) {
		hi = lo + math.Max(1e-9, math.Abs(lo)*0.1)
		if lo == 0 {
			hi = 1
		}
	}
	raw := (hi - lo) / 4
	mag := math.Pow(10, math.Floor(math.Log10(raw)))
	step := mag
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if step = m * mag; step >= raw*0.999 {
			break
		}
	}
	var out []float64
	first := math.Floor(lo/step + 1e-9)
	for k := 0.0; k < 12; k++ {
		v := (first + k) * step
		out = append(out, v)
		if v >= hi-step*1e-9 {
			break
		}
	}
	return out
}
