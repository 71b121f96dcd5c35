package section_test

import (
	"os"
	"testing"

	"millrace/reports/excel"
	"millrace/reports/html"
	"millrace/reports/markdown"
)

func TestRenderOut(t *testing.T) {
	doc := compose(t, open(t), definition(t))
	b, err := html.Render(doc)
	if err != nil {
		t.Fatal(err)
	}
	x, err := excel.Render(doc)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile("/tmp/rep/a.xlsx", x, 0o644)
	os.MkdirAll("/tmp/rep", 0o755)
	os.WriteFile("/tmp/rep/a.html", b, 0o644)
	os.WriteFile("/tmp/rep/a.md", markdown.Render(doc), 0o644)
}
