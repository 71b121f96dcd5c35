package chart

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func pts(v ...float64) []Point {
	out := make([]Point, len(v))
	for i, x := range v {
		out[i] = Point{V: x, Valid: !math.IsNaN(x), Text: strconv.FormatFloat(x, 'f', -1, 64)}
	}
	return out
}

var gap = math.NaN()

func wellFormed(t *testing.T, name, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, svg)
		}
	}
	for _, bad := range []string{"NaN", "Inf", "%!"} {
		if strings.Contains(svg, bad) {
			t.Errorf("%s holds %s", name, bad)
		}
	}
}

func TestEveryKindDraws(t *testing.T) {
	for _, kind := range []Kind{Column, Bar, Line, Stacked, Pie} {
		for name, series := range map[string][]Series{
			"one":      {{Name: "a", Points: pts(3, 1, 2)}},
			"two":      {{Name: "a <b> & c", Points: pts(3, 1, 2)}, {Name: "b", Points: pts(1, gap, 5), Dashed: true, Low: pts(0, gap, 4), High: pts(2, gap, 6)}},
			"negative": {{Name: "a", Points: pts(-3, 1, -2)}},
			"zeros":    {{Name: "a", Points: pts(0, 0, 0)}},
			"gaps":     {{Name: "a", Points: pts(gap, 4, gap)}},
			"huge":     {{Name: "a", Points: pts(1e15, 2e-9, 3)}},
			"equal":    {{Name: "a", Points: pts(7, 7, 7)}},
			"short":    {{Name: "a", Points: pts(7)}},
		} {
			chart := Chart{Title: `"quoted" <title>`, Kind: kind, X: []string{"x & y", "a long name that cannot fit anywhere at all, not even here", "z"}, Series: series}
			svg := chart.SVG()
			if svg == "" {
				t.Errorf("%s %s: nothing drawn", kind, name)
			}
			wellFormed(t, string(kind)+" "+name, svg)
			if p, err := chart.PNG(0.5); err != nil || len(p) < 400 {
				t.Errorf("%s %s: picture of %d bytes, %v", kind, name, len(p), err)
			}
		}
		if svg := (Chart{Kind: kind, X: []string{"a"}, Series: []Series{{Points: pts(gap)}}}).SVG(); svg != "" {
			t.Errorf("%s: something drawn for nothing", kind)
		}
	}
}

var rect = regexp.MustCompile(`<rect x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)" rx="1.5"`)

// TestLengthsAreHonest: the length of a bar is in proportion to its number: bars start at zero.
func TestLengthsAreHonest(t *testing.T) {
	for kind, side := range map[Kind]int{Column: 4, Stacked: 4, Bar: 3} {
		svg := Chart{Kind: kind, X: []string{"a", "b"}, Series: []Series{{Name: "s", Points: pts(1000, 990)}}}.SVG()
		m := rect.FindAllStringSubmatch(svg, -1)
		if len(m) != 2 {
			t.Fatalf("%s: %d bars", kind, len(m))
		}
		a, _ := strconv.ParseFloat(m[0][side], 64)
		b, _ := strconv.ParseFloat(m[1][side], 64)
		if math.Abs(b/a-0.99) > 0.002 {
			t.Errorf("%s: lengths %v and %v for 1000 and 990", kind, a, b)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range [][2]float64{{0, 1}, {0, 63388}, {-3, 9}, {0.41, 0.73}, {0, 0}, {5, 5}, {-2e6, -1e6}, {0, 1e-7}} {
		tk := ticks(c[0], c[1])
		if len(tk) < 2 || len(tk) > 9 || tk[0] > c[0]+1e-12 || tk[len(tk)-1] < c[1]-1e-12 {
			t.Errorf("%v: %v", c, tk)
		}
	}
}

func TestSpark(t *testing.T) {
	wellFormed(t, "spark", Spark(pts(1, gap, 3), "a & b"))
	if Spark(pts(gap, gap), "") != "" || Spark(pts(1), "") != "" {
		t.Error("a line drawn for nothing")
	}
}

// TestPictureShowsTheMarks: the picture of a bar is as long as its number, in the palette's colour, on white.
func TestPictureShowsTheMarks(t *testing.T) {
	data, err := Chart{Kind: Column, X: []string{"a", "b"}, Series: []Series{{Name: "s", Points: pts(100, 50)}}}.PNG(2)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	column := map[int]int{} // how many pixels of the first colour each column of the picture has
	for x := range img.Bounds().Dx() {
		for y := range img.Bounds().Dy() {
			if r, g, b, _ := img.At(x, y).RGBA(); r>>8 == 0x2f && g>>8 == 0x6d && b>>8 == 0xb5 {
				column[x]++
			}
		}
	}
	most, lengths := 0, map[int]bool{}
	for _, n := range column {
		most = max(most, n)
		lengths[n/8] = true
	}
	if most < 300 {
		t.Fatalf("the longest bar has %d pixels", most)
	}
	half := false
	for _, n := range column {
		half = half || n > most/2-8 && n < most/2+8
	}
	if !half {
		t.Errorf("no bar is half as long as the longest (%d): %v", most, lengths)
	}
	if r, g, b, _ := img.At(0, 0).RGBA(); r != 0xffff || g != 0xffff || b != 0xffff {
		t.Error("the paper is not white")
	}
	again, err := Chart{Kind: Column, X: []string{"a", "b"}, Series: []Series{{Name: "s", Points: pts(100, 50)}}}.PNG(2)
	if err != nil || !bytes.Equal(data, again) {
		t.Error("the same chart gives another picture")
	}
}
