package chart

import (
	"html"
	"math"
)

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
		c.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s"/>`, num(left), num(y(t)), num(c.w-right), num(y(t)), rule)
		c.add(`<text x="%s" y="%s" text-anchor="end" font-size="11" fill="%s">%s</text>`, num(left-6), num(y(t)+4), faint, html.EscapeString(ch.Tick(t)))
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
			c.add(`<text x="%s" y="%s" text-anchor="middle" font-size="11" fill="%s">%s</text>`, num(mid(i)), num(c.h-9), ink,
				html.EscapeString(fit(x, 11, math.Max(slot*float64(every), 30))))
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
		c.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s"/>`, num(left), num(y(math.Max(0, lo))), num(c.w-right), num(y(math.Max(0, lo))), faint)
	}
}

func (c *canvas) lines(ch Chart, mid func(int) float64, y func(float64) float64) {
	for i, s := range ch.Series {
		col := colour(seriesColour(ch, i))
		if path := band(s, mid, y); path != "" {
			c.add(`<path d="%s" fill="%s" fill-opacity="0.16"/>`, path, col)
		}
		path, pen := "", "M"
		for k, p := range s.Points {
			if !p.Valid {
				pen = "M"
				continue
			}
			path += pen + num(mid(k)) + " " + num(y(p.V))
			pen = "L"
		}
		dash := ""
		if s.Dashed {
			dash = ` stroke-dasharray="5 4"`
		}
		c.add(`<path d="%s" fill="none" stroke="%s" stroke-width="2.2" stroke-linejoin="round" stroke-linecap="round"%s/>`, path, col, dash)
		for k, p := range s.Points {
			if !p.Valid || s.Dashed && k > 0 && i > 0 && k < len(ch.Series[i-1].Points) && ch.Series[i-1].Points[k].Valid {
				continue // where an expectation starts it repeats the last figure
			}
			c.add(`<circle cx="%s" cy="%s" r="3.2" fill="%s"><title>%s</title></circle>`, num(mid(k)), num(y(p.V)), col, html.EscapeString(ch.X[k]+": "+p.Text))
		}
	}
}

// band is the outline of the interval around a series.
func band(s Series, mid func(int) float64, y func(float64) float64) string {
	up, down := "", ""
	for k := range s.Points {
		if k >= len(s.Low) || k >= len(s.High) || !s.Low[k].Valid || !s.High[k].Valid {
			continue
		}
		if up == "" {
			up = "M"
		} else {
			up += "L"
		}
		up += num(mid(k)) + " " + num(y(s.High[k].V))
		down = "L" + num(mid(k)) + " " + num(y(s.Low[k].V)) + down
	}
	if up == "" {
		return ""
	}
	return up + down + "Z"
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
				c.add(`<text x="%s" y="%s" text-anchor="middle" font-size="10.5" fill="%s">%s</text>`, num(mid(k)), num(at), faint, html.EscapeString(p.Text))
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
	c.add(`<rect x="%s" y="%s" width="%s" height="%s" rx="1.5" fill="%s"><title>%s</title></rect>`, num(x), num(y), num(math.Max(w, 0.5)), num(math.Max(h, 0.5)),
		colour(series), html.EscapeString(tip))
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
		room := left - 10
		if lo < 0 {
			room -= right
		}
		c.add(`<text x="%s" y="%s" text-anchor="end" fill="%s">%s</text>`, num(room+2), num(top+slot*(float64(k)+0.5)+4), ink, html.EscapeString(fit(name, 12, room)))
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
			c.add(`<text x="%s" y="%s" text-anchor="%s" font-size="11.5" fill="%s">%s</text>`, num(at), num(y+each/2+3.5), anchor, faint, html.EscapeString(p.Text))
		}
	}
	c.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s"/>`, num(x(0)), num(top), num(x(0)), num(c.h-6), faint)
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
	row := 0
	rows := len(ch.X)
	line := math.Min(22, (c.h-16)/float64(max(rows, 1)))
	for k, p := range s.Points {
		if !p.Valid || p.V <= 0 || k >= len(ch.X) {
			continue
		}
		part := p.V / total
		next := angle + 2*math.Pi*math.Min(part, 0.99999)
		large := 0
		if part > 0.5 {
			large = 1
		}
		in := r * 0.56
		c.add(`<path d="M%s %sA%s %s 0 %d 1 %s %sL%s %sA%s %s 0 %d 0 %s %sZ" fill="%s" stroke="var(--paper,#fff)" stroke-width="1.5"><title>%s</title></path>`,
			num(cx+r*math.Cos(angle)), num(cy+r*math.Sin(angle)), num(r), num(r), large, num(cx+r*math.Cos(next)), num(cy+r*math.Sin(next)),
			num(cx+in*math.Cos(next)), num(cy+in*math.Sin(next)), num(in), num(in), large, num(cx+in*math.Cos(angle)), num(cy+in*math.Sin(angle)),
			colour(k), html.EscapeString(ch.X[k]+": "+p.Text))
		y := cy - line*float64(rows)/2 + line*(float64(row)+0.5)
		x := cx + r + 32
		c.add(`<rect x="%s" y="%s" width="12" height="10" rx="2" fill="%s"/>`, num(x), num(y-5), colour(k))
		c.add(`<text x="%s" y="%s" fill="%s">%s <tspan fill="%s">%s</tspan></text>`, num(x+18), num(y+4), ink,
			html.EscapeString(fit(ch.X[k], 12, c.w-x-120)), faint, html.EscapeString(p.Text))
		angle = next
		row++
	}
}

// Spark draws a tiny line without axes, the last point marked.
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
	path, pen := "", "M"
	for i, p := range points {
		if !p.Valid {
			pen = "M"
			continue
		}
		path += pen + num(x(i)) + " " + num(y(p.V))
		pen = "L"
	}
	c.add(`<svg class="spark" viewBox="0 0 120 28" preserveAspectRatio="xMinYMid meet" role="img" aria-label="%s" xmlns="http://www.w3.org/2000/svg"><path d="%s" fill="none" stroke="%s" stroke-width="1.8" stroke-linejoin="round"/>`,
		html.EscapeString(label), path, colour(0))
	c.add(`<circle cx="%s" cy="%s" r="2.8" fill="%s"/></svg>`, num(x(last)), num(y(points[last].V)), colour(0))
	return c.String()
}
