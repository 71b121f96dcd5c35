package chart

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"strconv"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// rgb is a colour on white paper.
func (p paint) rgb() color.RGBA {
	hex := map[paint]string{ink: "#1c2430", faint: "#5b6675", rule: "#d9dee5", paper: "#ffffff"}[p]
	if hex == "" {
		colours := Palette()
		hex = colours[int(p)%len(colours)]
	}
	n, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		return color.RGBA{A: 255} // unreachable: the colours above are well formed
	}
	return color.RGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 255}
}

// margin around a picture, and room for its title, in the chart's own units.
const margin, titleRoom = 16, 30

// PNG draws the same marks as SVG as a picture on white, with the title above; scale 2 suits screens of today. A chart
// without a single number is nil.
func (ch Chart) PNG(scale float64) ([]byte, error) {
	if !ch.any() {
		return nil, nil
	}
	c := ch.layout()
	r := &raster{scale: scale, dx: margin, dy: margin + titleRoom, faces: map[string]font.Face{}}
	w, h := int(math.Ceil((c.w+2*margin)*scale)), int(math.Ceil((c.h+2*margin+titleRoom)*scale))
	r.img = image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(r.img, r.img.Bounds(), image.White, image.Point{}, draw.Src)
	if err := r.text(point{0, -titleRoom + 18}, fit(ch.Title, 16, c.w), "start", 16, ink, true); err != nil {
		return nil, err
	}
	for _, s := range c.shapes {
		if err := r.put(s); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, r.img); err != nil {
		return nil, fmt.Errorf("draw chart: %w", err)
	}
	return out.Bytes(), nil
}

type raster struct {
	img           *image.RGBA
	scale, dx, dy float64
	faces         map[string]font.Face
}

func (r *raster) at(p point) (float32, float32) {
	return float32((p.x + r.dx) * r.scale), float32((p.y + r.dy) * r.scale)
}

func (r *raster) put(s shape) error {
	at := s.points[0]
	switch {
	case s.size > 0:
		if err := r.text(at, s.text, s.anchor, s.size, s.fill, false); err != nil || s.after == "" {
			return err
		}
		return r.text(point{at.x + textWidth(s.text+" ", s.size) + 4, at.y}, s.after, "start", s.size, faint, false)
	case s.r > 0:
		r.area(circle(at, s.r), s.fill, 1)
	case s.w > 0:
		r.area([]point{at, {at.x + s.w, at.y}, {at.x + s.w, at.y + s.h}, {at.x, at.y + s.h}}, s.fill, 1)
	case s.filled:
		alpha := s.alpha
		if alpha == 0 {
			alpha = 1
		}
		r.area(s.points, s.fill, alpha)
		if s.edge {
			r.stroke(append(append([]point(nil), s.points...), s.points[0]), 1.5, false, paper)
		}
	default:
		r.stroke(s.points, s.stroke, s.dash, s.fill)
	}
	return nil
}

// area fills a closed outline.
func (r *raster) area(points []point, p paint, alpha float64) {
	// Only the box around the outline is looked at: the cost follows the mark and not the picture.
	lo, hi := [2]float32{math.MaxFloat32, math.MaxFloat32}, [2]float32{}
	for _, q := range points {
		x, y := r.at(q)
		lo, hi = [2]float32{min(lo[0], x), min(lo[1], y)}, [2]float32{max(hi[0], x), max(hi[1], y)}
	}
	box := image.Rect(int(lo[0]), int(lo[1]), int(hi[0])+2, int(hi[1])+2).Intersect(r.img.Bounds())
	if box.Empty() {
		return
	}
	z := vector.NewRasterizer(box.Dx(), box.Dy())
	for i, q := range points {
		x, y := r.at(q)
		x, y = x-float32(box.Min.X), y-float32(box.Min.Y)
		if i == 0 {
			z.MoveTo(x, y)
		} else {
			z.LineTo(x, y)
		}
	}
	z.ClosePath()
	col := p.rgb()
	if alpha < 1 {
		mix := func(v uint8) uint8 { return uint8(float64(v)*alpha + 0.5) }
		col = color.RGBA{mix(col.R), mix(col.G), mix(col.B), mix(255)} // premultiplied
	}
	z.Draw(r.img, box, image.NewUniform(col), image.Point{})
}

func circle(at point, radius float64) []point {
	out := make([]point, 28)
	for i := range out {
		a := 2 * math.Pi * float64(i) / float64(len(out))
		out[i] = point{at.x + radius*math.Cos(a), at.y + radius*math.Sin(a)}
	}
	return out
}

// stroke draws a line of a width with round joints, dashed five to four if asked.
func (r *raster) stroke(points []point, width float64, dash bool, p paint) {
	half := width / 2
	pos := 0.0
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		length := math.Hypot(b.x-a.x, b.y-a.y)
		if length == 0 {
			continue
		}
		ux, uy := (b.x-a.x)/length, (b.y-a.y)/length
		piece := func(from, to float64) {
			f, t := point{a.x + ux*from, a.y + uy*from}, point{a.x + ux*to, a.y + uy*to}
			r.area([]point{{f.x - uy*half, f.y + ux*half}, {t.x - uy*half, t.y + ux*half}, {t.x + uy*half, t.y - ux*half}, {f.x + uy*half, f.y - ux*half}}, p, 1)
		}
		if !dash {
			piece(0, length)
			if width > 1.5 && i < len(points)-1 {
				r.area(circle(b, half), p, 1)
			}
			continue
		}
		const on, off = 5.0, 4.0
		for d := 0.0; d < length; {
			phase := math.Mod(pos+d, on+off)
			step := math.Min(length-d, on+off-phase)
			if phase < on {
				step = math.Min(length-d, on-phase)
				piece(d, d+step)
			}
			d += step
		}
		pos += length
	}
}

func (r *raster) face(size float64, bold bool) (font.Face, error) {
	key := fmt.Sprint(size, bold)
	if f, ok := r.faces[key]; ok {
		return f, nil
	}
	ttf := goregular.TTF
	if bold {
		ttf = gobold.TTF
	}
	parsed, err := opentype.Parse(ttf)
	if err != nil {
		return nil, fmt.Errorf("read the built-in font: %w", err)
	}
	f, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: size * r.scale, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("scale the built-in font: %w", err)
	}
	r.faces[key] = f
	return f, nil
}

func (r *raster) text(at point, s, anchor string, size float64, p paint, bold bool) error {
	face, err := r.face(size, bold)
	if err != nil {
		return err
	}
	x, y := r.at(at)
	d := &font.Drawer{Dst: r.img, Src: image.NewUniform(p.rgb()), Face: face}
	width := d.MeasureString(s)
	pos := fixed.Int26_6(x * 64)
	switch anchor {
	case "middle":
		pos -= width / 2
	case "end":
		pos -= width
	}
	d.Dot = fixed.Point26_6{X: pos, Y: fixed.Int26_6(y * 64)}
	d.DrawString(s)
	return nil
}
