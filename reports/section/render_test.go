package section_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"millrace/reports"
	"millrace/reports/html"
	"millrace/reports/markdown"
)

// TestGolden compares the whole report as text and as a page; rewrite with -update and read the difference.
func TestGolden(t *testing.T) {
	doc := compose(t, open(t), definition(t))
	page, err := html.Render(doc)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"sales.md": markdown.Render(doc), "sales.html": page} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%s differs from testdata/%s; run with -update and read the difference\n%s", name, name, firstDifference(want, got))
		}
	}
}

func firstDifference(want, got []byte) string {
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			has := "(end)"
			if i < len(g) {
				has = g[i]
			}
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w[i], has)
		}
	}
	return "the new one is longer"
}

var digit = regexp.MustCompile(`\d`)

// texts gives every sentence of a document.
func texts(doc *reports.Document) []reports.Text {
	var out []reports.Text
	for _, b := range doc.Blocks {
		switch b := b.(type) {
		case *reports.Headline:
			for _, l := range b.Lines {
				out = append(out, l.Text)
			}
		case *reports.Prose:
			for _, l := range b.Lines {
				out = append(out, l.Text)
			}
		case *reports.Chart:
			out = append(out, b.Note)
		case *reports.Grid:
			out = append(out, b.Note)
		}
	}
	return out
}

// TestEveryNumberIsACell is P7: in every sentence the words hold no digit, and every cell is what its query gives when it
// is run again.
func TestEveryNumberIsACell(t *testing.T) {
	w := open(t)
	doc := compose(t, w, definition(t))
	sources := map[string]*reports.Source{}
	for _, s := range doc.Sources {
		sources[s.ID] = s
	}
	answers := map[string]*reports.Result{}
	cells := 0
	for _, text := range texts(doc) {
		for _, p := range text.Parts() {
			c, ok := p.Cell()
			if !ok {
				if digit.MatchString(p.Words()) {
					t.Errorf("words with a number in them: %q in %q", p.Words(), text)
				}
				continue
			}
			cells++
			ref := c.Ref()
			src := sources[ref.Source]
			if src == nil {
				t.Errorf("%q: %s has no source in the document", text, ref)
				continue
			}
			res := answers[src.ID]
			if res == nil {
				var err error
				if res, err = reports.NewRecorder(w).Query(t.Context(), src.SQL); err != nil {
					t.Fatalf("%s does not run again: %v", src.ID, err)
				}
				answers[src.ID] = res
			}
			if again := res.Cell(ref.Row-1, ref.Column); again.Text() != c.Text() {
				t.Errorf("%q: %s is %q now, was %q", text, ref, again.Text(), c.Text())
			}
		}
	}
	if cells < 60 {
		t.Errorf("only %d cells in the sentences of the report: the walk is broken", cells)
	}
	doc.Cells(func(c reports.Cell) {
		if c.Ref().Source != "" && sources[c.Ref().Source] == nil {
			t.Errorf("%s is shown but its source is not listed", c.Ref())
		}
	})
}

var (
	linkedNumber = regexp.MustCompile(`(?s)<a class="n"[^>]*>.*?</a>`)
	namedCell    = regexp.MustCompile(`(?s)<span class="name-of"[^>]*>.*?</span>`)
	sentence     = regexp.MustCompile(`(?s)<span class="say">(.*?)</span></li>|<p class="line[^"]*">(.*?)</p>`)
)

// TestPageNumbersAreLinks is P7 in the page as people get it: outside of links to sources no sentence holds a digit.
func TestPageNumbersAreLinks(t *testing.T) {
	doc := compose(t, open(t), definition(t))
	page, err := html.Render(doc)
	if err != nil {
		t.Fatal(err)
	}
	found := sentence.FindAllString(string(page), -1)
	if len(found) < 15 {
		t.Fatalf("only %d sentences found in the page", len(found))
	}
	for _, s := range found {
		bare := namedCell.ReplaceAllString(linkedNumber.ReplaceAllString(s, ""), "")
		if digit.MatchString(bare) {
			t.Errorf("a number without a source in %q", bare)
		}
	}
	for _, bad := range []string{"http://", "https://", "<link", "src=", "@import", "url("} {
		if bytes.Contains(bytes.ReplaceAll(page, []byte(`xmlns="http://www.w3.org/2000/svg"`), nil), []byte(bad)) {
			t.Errorf("the page reaches outside of itself: %s", bad)
		}
	}
}

// TestSameReportTwice is P4: another run, with other threads, gives the same bytes.
func TestSameReportTwice(t *testing.T) {
	one, two := compose(t, open(t), definition(t)), compose(t, open(t), definition(t))
	if one.Digest() != two.Digest() || one.Digest() == "" {
		t.Errorf("digests differ: %s and %s", one.Digest(), two.Digest())
	}
	a, err := html.Render(one)
	if err != nil {
		t.Fatal(err)
	}
	b, err := html.Render(two)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("the pages differ")
	}
}
