package chart

import "math"

// plot draws columns, stacked columns and lines over categories.
func (c *canvas) plot(ch Chart) {
	lo, hi := ch.span()
	tk := ticks(lo, hi)
	lo, hi = tk[0], tk[len(tk)-1]
	left := 0.0
	for _, t := range tk {
		left = math.Max(left, textWidth(ch.Tick(t), 11))
	}
	left += 12
	top, right, bottom := 10+legendHeight(ch), 12.0, 28.0
	w, h := c.w-left-right, c.h-top-bottom
	y := func(v float64) float64 { return top + h*(1-(v-lo)/(hi-lo)) }
	c.legend(ch)
	for _, t := range tk {
		c.line(left, y(t), c.w-right, y(t), rule)
		c.write(left-6, y(t)+4, "end", 11, faint, ch.Tick(t))
	}
	n := len(ch.X)
	slot := w / float64(n)
	mid := func(i int) float64 { return left + slot*(float64(i)+0.5) }
	widest := 0.0
	for _, x := range ch.X {
		widest = math.Max(widest, textWidth(x, 11))
	}
	every := max(1, int(math.Ceil((math.Min(widest, 90)+10)/slot)))
	for i, x := range ch.X {
		if (n-1-i)%every == 0 { // counted from the right: the newest is always named
			c.write(mid(i), c.h-9, "middle", 11, ink, fit(x, 11, math.Max(slot*float64(every), 30)))
		}
	}
	switch ch.Kind {
	case Line:
		c.lines(ch, mid, y)
	case Stacked:
		c.stack(ch, mid, y, slot)
	default:
		c.columns(ch, mid, y, slot)
	}
	if lo < 0 || ch.Kind != Line {
		c.line(left, y(math.Max(0, lo)), c.w-right, y(math.Max(0, lo)), faint)
	}
}

func (c *canvas) lines(ch Chart, mid func(int) float64, y func(float64) float64) {
	for i, s := range ch.Series {
		col := paint(seriesColour(ch, i))
		if around := band(s, mid, y); len(around) > 0 {
			c.shapes = append(c.shapes, shape{points: around, filled: true, alpha: 0.16, fill: col})
		}
		c.strokes(s.Points, mid, y, 2.2, s.Dashed, col)
		for k, p := range s.Points {
			if !p.Valid || s.Dashed && i > 0 && k < len(ch.Series[i-1].Points) && ch.Series[i-1].Points[k].Valid {
				continue // where an expectation starts it repeats the last figure
			}
			c.shapes = append(c.shapes, shape{points: []point{{mid(k), y(p.V)}}, r: 3.2, fill: col, filled: true, tip: ch.X[k] + ": " + p.Text})
		}
	}
}

// strokes draws one line for each run of points without a gap.
func (c *canvas) strokes(points []Point, x func(int) float64, y func(float64) float64, width float64, dash bool, col paint) {
	var run []point
	flush := func() {
		if len(run) > 1 {
			c.shapes = append(c.shapes, shape{points: run, stroke: width, dash: dash, fill: col})
		}
		run = nil
	}
	for k, p := range points {
		if !p.Valid {
			flush()
			continue
		}
		run = append(run, point{x(k), y(p.V)})
	}
	flush()
}

// band is the outline of the interval around a series.
func band(s Series, mid func(int) float64, y func(float64) float64) []point {
	var up, down []point
	for k := range s.Points {
		if k >= len(s.Low) || k >= len(s.High) || !s.Low[k].Valid || !s.High[k].Valid {
			continue
		}
		up = append(up, point{mid(k), y(s.High[k].V)})
		down = append(down, point{mid(k), y(s.Low[k].V)})
	}
	if len(up) < 2 {
		return nil
	}
	for i := len(down) - 1; i >= 0; i-- {
		up = append(up, down[i])
	}
	return up
}

func (c *canvas) columns(ch Chart, mid func(int) float64, y func(float64) float64, slot float64) {
	group := math.Min(slot*0.72, 64*float64(len(ch.Series)))
	each := group / float64(len(ch.Series))
	for i, s := range ch.Series {
		for k, p := range s.Points {
			if !p.Valid {
				continue
			}
			x := mid(k) - group/2 + each*float64(i)
			c.rect(x, math.Min(y(0), y(p.V)), each-1, math.Abs(y(p.V)-y(0)), i, ch.X[k], s.Name, p, len(ch.Series) > 1)
			if len(ch.Series) == 1 && textWidth(p.Text, 10.5) < slot-2 {
				at := y(p.V) - 4
				if p.V < 0 {
					at = y(p.V) + 13
				}
				c.write(mid(k), at, "middle", 10.5, faint, p.Text)
			}
		}
	}
}

func (c *canvas) stack(ch Chart, mid func(int) float64, y func(float64) float64, slot float64) {
	wide := math.Min(slot*0.72, 64)
	for k := range ch.X {
		up, down := 0.0, 0.0
		for i, s := range ch.Series {
			if k >= len(s.Points) || !s.Points[k].Valid {
				continue
			}
			p := s.Points[k]
			from := up
			if p.V < 0 {
				from = down
				down += p.V
			} else {
				up += p.V
			}
			a, b := y(from), y(from+p.V)
			c.rect(mid(k)-wide/2, math.Min(a, b), wide, math.Abs(a-b), i, ch.X[k], s.Name, p, true)
		}
	}
}

func (c *canvas) rect(x, y, w, h float64, series int, category, name string, p Point, named bool) {
	tip := category + ": " + p.Text
	if named {
		tip = category + ", " + name + ": " + p.Text
	}
	c.shapes = append(c.shapes, shape{points: []point{{x, y}}, w: math.Max(w, 0.5), h: math.Max(h, 0.5), fill: paint(series), filled: true, tip: tip})
}

// bars draws horizontal bars with their numbers at the end.
func (c *canvas) bars(ch Chart) {
	lo, hi := ch.span()
	left, right := 0.0, 0.0
	for _, x := range ch.X {
		left = math.Max(left, textWidth(x, 12))
	}
	left = math.Min(left+12, c.w*0.36)
	for _, s := range ch.Series {
		for _, p := range s.Points {
			right = math.Max(right, textWidth(p.Text, 11.5))
		}
	}
	right += 14
	room := left - 10
	if lo < 0 {
		left += right
	}
	top := 4 + legendHeight(ch)
	w, h := c.w-left-right, c.h-top-8
	if hi == lo {
		hi = lo + 1
	}
	x := func(v float64) float64 { return left + w*(v-lo)/(hi-lo) }
	c.legend(ch)
	slot := h / float64(len(ch.X))
	each := math.Min(slot*0.74/float64(len(ch.Series)), 26)
	for k, name := range ch.X {
		y0 := top + slot*(float64(k)+0.5) - each*float64(len(ch.Series))/2
		c.write(room+2, top+slot*(float64(k)+0.5)+4, "end", 12, ink, fit(name, 12, room))
		for i, s := range ch.Series {
			if k >= len(s.Points) || !s.Points[k].Valid {
				continue
			}
			p := s.Points[k]
			y := y0 + each*float64(i)
			c.rect(math.Min(x(0), x(p.V)), y, math.Abs(x(p.V)-x(0)), each-1, i, name, s.Name, p, len(ch.Series) > 1)
			at, anchor := x(p.V)+6, "start"
			if p.V < 0 {
				at, anchor = x(p.V)-6, "end"
			}
			c.write(at, y+each/2+3.5, anchor, 11.5, faint, p.Text)
		}
	}
	c.line(x(0), top, x(0), c.h-6, faint)
}

// pie draws shares of the first series as a ring with a list of names beside it. Parts that are not positive have no share.
func (c *canvas) pie(ch Chart) {
	s := ch.Series[0]
	total := 0.0
	for _, p := range s.Points {
		if p.Valid && p.V > 0 {
			total += p.V
		}
	}
	r := math.Min(c.h/2-14, c.w*0.24)
	cx, cy := r+16, c.h/2
	angle := -math.Pi / 2
	row, rows := 0, len(ch.X)
	line := math.Min(22, (c.h-16)/float64(max(rows, 1)))
	for k, p := range s.Points {
		if !p.Valid || p.V <= 0 || k >= len(ch.X) {
			continue
		}
		next := angle + 2*math.Pi*p.V/total
		c.shapes = append(c.shapes, shape{points: sector(cx, cy, r, r*0.56, angle, next), fill: paint(k), filled: true, edge: true, tip: ch.X[k] + ": " + p.Text})
		angle = next
		y := cy - line*float64(rows)/2 + line*(float64(row)+0.5)
		x := cx + r + 32
		c.shapes = append(c.shapes, shape{points: []point{{x, y - 5}}, w: 12, h: 10, fill: paint(k), filled: true},
			shape{points: []point{{x + 18, y + 4}}, size: 12, anchor: "start", fill: ink, text: fit(ch.X[k], 12, c.w-x-120), after: p.Text})
		row++
	}
}

// sector is the outline of a part of a ring, its arcs as short chords.
func sector(cx, cy, outer, inner, from, to float64) []point {
	steps := max(2, int((to-from)/(math.Pi/60)))
	var out []point
	for i := range steps + 1 {
		a := from + (to-from)*float64(i)/float64(steps)
		out = append(out, point{cx + outer*math.Cos(a), cy + outer*math.Sin(a)})
	}
	for i := steps; i >= 0; i-- {
		a := from + (to-from)*float64(i)/float64(steps)
		out = append(out, point{cx + inner*math.Cos(a), cy + inner*math.Sin(a)})
	}
	return out
}

// Spark draws a tiny line without axes, the last point marked; "" when there are fewer than two points.
func Spark(points []Point, label string) string {
	c := &canvas{w: 120, h: 28}
	lo, hi := math.Inf(1), math.Inf(-1)
	last := -1
	for i, p := range points {
		if p.Valid {
			lo, hi = math.Min(lo, p.V), math.Max(hi, p.V)
			last = i
		}
	}
	if last < 0 || len(points) < 2 {
		return ""
	}
	if hi == lo {
		hi, lo = hi+1, lo-1
	}
	x := func(i int) float64 { return 4 + (c.w-8)*float64(i)/float64(len(points)-1) }
	y := func(v float64) float64 { return 4 + (c.h-8)*(1-(v-lo)/(hi-lo)) }
	c.strokes(points, x, y, 1.8, false, 0)
	c.shapes = append(c.shapes, shape{points: []point{{x(last), y(points[last].V)}}, r: 2.8, fill: 0, filled: true})
	return c.svg("spark", label, 12)
}
