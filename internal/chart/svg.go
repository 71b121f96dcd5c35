package chart

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// num writes a coordinate with at most two digits after the point.
func num(f float64) string {
	s := strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

// css is a colour as a page may override it.
func (p paint) css() string {
	switch p {
	case ink:
		return "var(--ink,#1c2430)"
	case faint:
		return "var(--faint,#5b6675)"
	case rule:
		return "var(--rule,#d9dee5)"
	case paper:
		return "var(--paper,#fff)"
	}
	colours := Palette()
	return fmt.Sprintf("var(--c%d,%s)", int(p)%len(colours)+1, colours[int(p)%len(colours)])
}

// svg writes the marks as one element.
func (c *canvas) svg(class, label string, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="%s" viewBox="0 0 %s %s" preserveAspectRatio="xMinYMid meet" role="img" aria-label="%s" xmlns="http://www.w3.org/2000/svg" font-family="inherit" font-size="%d">`,
		class, num(c.w), num(c.h), html.EscapeString(label), size)
	for _, s := range c.shapes {
		s.svg(&b)
	}
	b.WriteString("</svg>")
	return b.String()
}

func (s shape) svg(b *strings.Builder) {
	tip := ""
	if s.tip != "" {
		tip = "<title>" + html.EscapeString(s.tip) + "</title>"
	}
	end := func(element string) {
		if tip == "" {
			b.WriteString("/>")
			return
		}
		b.WriteString(">" + tip + "</" + element + ">")
	}
	at := s.points[0]
	switch {
	case s.size > 0:
		fmt.Fprintf(b, `<text x="%s" y="%s"`, num(at.x), num(at.y))
		if s.anchor != "start" {
			fmt.Fprintf(b, ` text-anchor="%s"`, s.anchor)
		}
		if s.size != 12 {
			fmt.Fprintf(b, ` font-size="%s"`, num(s.size))
		}
		fmt.Fprintf(b, ` fill="%s">%s`, s.fill.css(), html.EscapeString(s.text))
		if s.after != "" {
			fmt.Fprintf(b, ` <tspan fill="%s">%s</tspan>`, faint.css(), html.EscapeString(s.after))
		}
		b.WriteString("</text>")
	case s.r > 0:
		fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="%s" fill="%s"`, num(at.x), num(at.y), num(s.r), s.fill.css())
		end("circle")
	case s.w > 0:
		fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="%s" rx="1.5" fill="%s"`, num(at.x), num(at.y), num(s.w), num(s.h), s.fill.css())
		end("rect")
	default:
		b.WriteString(`<path d="`)
		for i, p := range s.points {
			b.WriteString(string("ML"[min(i, 1)]) + num(p.x) + " " + num(p.y))
		}
		if s.filled {
			fmt.Fprintf(b, `Z" fill="%s"`, s.fill.css())
			if s.alpha > 0 {
				fmt.Fprintf(b, ` fill-opacity="%s"`, num(s.alpha))
			}
			if s.edge {
				fmt.Fprintf(b, ` stroke="%s" stroke-width="1.5"`, paper.css())
			}
		} else {
			fmt.Fprintf(b, `" fill="none" stroke="%s"`, s.fill.css())
			if s.stroke != 1 {
				fmt.Fprintf(b, ` stroke-width="%s" stroke-linejoin="round" stroke-linecap="round"`, num(s.stroke))
			}
			if s.dash {
				b.WriteString(` stroke-dasharray="5 4"`)
			}
		}
		end("path")
	}
}
