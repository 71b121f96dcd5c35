package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/extract/sourcetest"
)

// TestConformance runs the suite over each format, with enough rows for checkpoints within files.
func TestConformance(t *testing.T) {
	n := 120_000
	if raceEnabled {
		n = 60_000 // still a checkpoint within the file
	}
	csv := func(n, from int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%d,\"text %d\nsecond line\"\n", from+i, i)
		}
		return b.String()
	}
	ndjson := func(n, from int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "{\"id\":%d,\"v\":\"x%d\"}\n", from+i, i)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		rows   int
		make   func(t *testing.T, dir string)
		change func(t *testing.T, dir string)
		added  int
	}{
		"csv": {n + 2, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "in/a.csv"), "id,v\n"+csv(n, 0))
			write(t, filepath.Join(dir, "in/b.csv"), "id,v\n1,2\nbad\n")
		}, func(t *testing.T, dir string) {
			appendTo(t, filepath.Join(dir, "in/b.csv"), csv(3, n))
			write(t, filepath.Join(dir, "in/c.csv"), "id,v,extra\n1,2,3\n")
		}, 4},
		"ndjson": {n, func(t *testing.T, dir string) { write(t, filepath.Join(dir, "in/a.ndjson"), ndjson(n, 0)) },
			func(t *testing.T, dir string) {
				appendTo(t, filepath.Join(dir, "in/a.ndjson"), `{"id":-1,"new":true}`+"\n")
			}, 1},
		"gzip": {n, func(t *testing.T, dir string) { write(t, filepath.Join(dir, "in/a.ndjson.gz"), gz(t, ndjson(n, 0))) }, nil, 0},
		"json": {60_000, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "in/a.json"), "["+strings.ReplaceAll(strings.TrimSpace(ndjson(60_000, 0)), "\n", ",")+"]")
		}, func(t *testing.T, dir string) { write(t, filepath.Join(dir, "in/b.json"), `[{"id":-1}]`) }, 1},
		"parquet": {n, func(t *testing.T, dir string) {
			type r struct {
				ID int64  `parquet:"id"`
				V  string `parquet:"v"`
			}
			rows := make([]r, n)
			for i := range rows {
				rows[i] = r{int64(i), fmt.Sprint("v", i)}
			}
			os.MkdirAll(filepath.Join(dir, "in"), 0o755)
			if err := pq.WriteFile(filepath.Join(dir, "in/a.parquet"), rows, pq.MaxRowsPerRowGroup(50_000)); err != nil {
				t.Fatal(err)
			}
		}, nil, 0},
		"excel": {2000, func(t *testing.T, dir string) {
			f := excelize.NewFile()
			f.SetSheetRow("Sheet1", "A1", &[]any{"id", "v"})
			for i := range 2000 {
				f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+2), &[]any{i, fmt.Sprint("v", i)})
			}
			os.MkdirAll(filepath.Join(dir, "in"), 0o755)
			if err := f.SaveAs(filepath.Join(dir, "in/a.xlsx")); err != nil {
				t.Fatal(err)
			}
		}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			p := sourcetest.Params{Stream: "in", Rows: c.rows, Added: c.added, Open: func(t *testing.T) extract.Source {
				src, err := Open(t.Context(), extract.OpenParams{Name: "files", Dir: dir, Streams: []extract.StreamParams{stream1("in", landing.Append, StreamOptions{Path: "in"})}})
				if err != nil {
					t.Fatal(err)
				}
				return src
			}}
			if c.change != nil {
				p.Change = func(t *testing.T) { c.change(t, dir) }
			}
			sourcetest.Run(t, p)
		})
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
