package listfile

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"millrace/internal/duck"
)

func put(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// show renders a list as lines, no value as ∅.
func show(t *testing.T, f *File) string {
	t.Helper()
	lines := []string{strings.Join(f.Names(), "|")}
	n := 0
	err := f.Each(context.Background(), func(at int, row []Cell) error {
		if n++; at != n {
			t.Errorf("row %d is numbered %d", n, at)
		}
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = "∅"
			if c != nil {
				cells[i] = *c
			}
		}
		lines = append(lines, strings.Join(cells, "|"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n != f.Rows {
		t.Errorf("%d rows were read, %d were counted", n, f.Rows)
	}
	return strings.Join(lines, "\n")
}

func gzipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s))
	z.Close()
	return b.String()
}

func utf16le(s string) string {
	b := []byte{0xFF, 0xFE}
	for _, r := range s {
		b = append(b, byte(r), byte(r>>8))
	}
	return string(b)
}

func TestOpenText(t *testing.T) {
	for name, c := range map[string]struct{ in, want, note string }{
		"comma":           {"id,name\n1,Ann\n2,\n", "id|name\n1|Ann\n2|∅", ""},
		"blanks in names": {"id, name\n1, Ann\n", "id|name\n1| Ann", ""},
		"semicolon, BOM":  {"\xEF\xBB\xBFid;name\r\n1;\"a;b\"\r\n", "id|name\n1|a;b", "semicolons"},
		"latin-1":         {"id;name\n1;M\xFCller\n", "id|name\n1|Müller", "Windows-1252"},
		"UTF-16":          {utf16le("id\tname\n1\tZoë\n"), "id|name\n1|Zoë", "tabs"},
		"gzip":            {gzipped("id,name\n1,Ann\n"), "id|name\n1|Ann", ""},
		"old Mac":         {"id,name\r1,Ann\r2,Bo\r", "id|name\n1|Ann\n2|Bo", ""},
		"title rows":      {"Contacts of March,,\n\nid,name,mail\n1,Ann,a@b.c\n2,Bo,\n", "id|name|mail\n1|Ann|a@b.c\n2|Bo|∅", "row 2 holds the names"},
		"same names":      {"name,Name,,name 2\na,b,c,d\n", "name|Name 3|column_3|name 2\na|b|c|d", "second column"},
		"short row":       {"a,b,c\n1\n1,2,3,,\n", "a|b|c\n1|∅|∅\n1|2|3", ""},
		"bare quotes":     {"id,size\n1,5\" pipe\n2,\"a\"\n", "id|size\n1|5\" pipe\n2|a", "line 2 has a quote"},
		"one column":      {"email\na@b.c\nd@e.f\n", "email\na@b.c\nd@e.f", ""},
		"JSON lines":      {"{\"id\":1,\"name\":\"Ann\",\"at\":\"2020-01-01T00:00:00Z\"}\n{\"id\":2}\n", "id|name|at\n1|Ann|2020-01-01T00:00:00Z\n2|∅|∅", ""},
		"JSON array":      {`[{"id":"007","x":{"a":1}}]`, "id|x\n007|{\"a\":1}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Open(context.Background(), put(t, "in.csv", c.in), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := show(t, f); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if !strings.Contains(strings.Join(f.Notes, "\n"), c.note) {
				t.Errorf("notes %q lack %q", f.Notes, c.note)
			}
		})
	}
}

func TestNoList(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"empty":      {"", "is empty"},
		"blank":      {" \n\n", "is empty"},
		"pdf":        {"%PDF-1.7 ...", "a PDF"},
		"html":       {"<!doctype html><table>", "a page or XML"},
		"binary":     {"ab\x00\x01cd,ef\n", "a binary file"},
		"old excel":  {"\xD0\xCF\x11\xE0abc", "save it as .xlsx"},
		"zip":        {"PK\x03\x04abcdef", "not an Excel workbook"},
		"parquet":    {"PAR1abcdef", "not a Parquet file"},
		"json":       {"{\"a\": ", "not JSON"},
		"long row":   {"a,b\n1,2,3\n", "3 fields, but the row of names has 2"},
		"open quote": {"a,b\n1,x\"y\n2,\"z" + strings.Repeat("\n", 300), "opened and not closed"},
		"bad gzip":   {gzipped("a,b\n1,2\n")[:20], "damaged or was cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Open(context.Background(), put(t, "in.csv", c.in), Options{})
			if err == nil {
				err = f.Each(context.Background(), func(int, []Cell) error { return nil })
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := Open(context.Background(), put(t, "people.csv", "a,b\n")+"x", Options{}); err == nil || !strings.Contains(err.Error(), "Did you mean") {
		t.Errorf("a misspelled path: %v", err)
	}
}

func workbook(t *testing.T) string {
	t.Helper()
	w := excelize.NewFile()
	defer w.Close()
	w.SetSheetName("Sheet1", "Cover")
	w.SetCellValue("Cover", "A1", "People we met")
	w.NewSheet("People")
	for i, row := range [][]any{{"Export of 3 March"}, {}, {"id", "name", "born"}, {7, "Ann", 44000}, {}, {"08", "Bo"}} {
		for k, v := range row {
			cell, _ := excelize.CoordinatesToCellName(k+1, i+1)
			w.SetCellValue("People", cell, v)
		}
	}
	day := "dd/mm/yyyy"
	s, _ := w.NewStyle(&excelize.Style{CustomNumFmt: &day})
	w.SetCellStyle("People", "C4", "C4", s)
	w.NewSheet("Old")
	w.SetCellValue("Old", "A1", "id")
	w.SetCellValue("Old", "B1", "name")
	w.SetCellValue("Old", "A2", "9")
	path := filepath.Join(t.TempDir(), "people.xlsx")
	if err := w.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExcel(t *testing.T) {
	ctx := context.Background()
	path := workbook(t)
	f, err := Open(ctx, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := show(t, f), "id|name|born\n7|Ann|2020-06-18\n08|Bo|∅"; got != want || f.Sheet != "People" {
		t.Errorf("sheet %s holds\n%s\nwant\n%s", f.Sheet, got, want)
	}
	if notes := strings.Join(f.Notes, "\n"); !strings.Contains(notes, "Old (2 rows)") || !strings.Contains(notes, "row 3 holds the names") {
		t.Errorf("notes: %s", notes)
	}
	if f, err = Open(ctx, path, Options{Sheet: "old"}); err != nil || f.Rows != 1 {
		t.Errorf("--sheet old: %v, %v", f, err)
	}
	if _, err = Open(ctx, path, Options{Sheet: "Peple"}); err == nil || !strings.Contains(err.Error(), `Did you mean "People"?`) {
		t.Errorf("--sheet Peple: %v", err)
	}
}

// TestWrite writes every kind of list in every format and reads it again: all columns and rows in order, two beside them.
func TestWrite(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	db, err := duck.Open(ctx, "", duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	parquet := filepath.Join(dir, "in [1].parquet")
	if err := db.Exec(ctx, "copy (select 1 as id, 'Ann' as name, date '2020-06-18' as born, [1,2] as tags union all select 2, null, null, [] order by id) to "+duck.Quote(parquet)); err != nil {
		t.Fatal(err)
	}
	extra := []Extra{{Name: "cluster_id", Number: true}, {Name: "confidence", Number: true}}
	cells := func(_, n int) []any { return []any{n * 10, 1 / float64(n)} }
	for name, c := range map[string]struct{ path, want string }{
		"csv":     {put(t, "in.csv", "id; name\n007;Ann\n8;\n"), "id|name|cluster_id|confidence\n007|Ann|10|1\n8|∅|20|0.5"},
		"excel":   {workbook(t), "id|name|born|cluster_id|confidence\n7|Ann|2020-06-18|10|1\n08|Bo|∅|20|0.5"},
		"parquet": {parquet, "id|name|born|tags|cluster_id|confidence\n1|Ann|2020-06-18|[1, 2]|10|1\n2|∅|∅|[]|20|0.5"},
		"json":    {put(t, "in.json", "[{\"z\":\"a\",\"a\":1.5},{\"z\":\"b\"}]"), "z|a|cluster_id|confidence\na|1.5|10|1\nb|∅|20|0.5"},
	} {
		for _, ext := range Outputs() {
			t.Run(name+ext, func(t *testing.T) {
				f, err := Open(ctx, c.path, Options{})
				if err != nil {
					t.Fatal(err)
				}
				out := filepath.Join(dir, name+"-out"+ext)
				if err := Write(ctx, out, []*File{f}, extra, cells); err != nil {
					t.Fatal(err)
				}
				g, err := Open(ctx, out, Options{Sheet: f.sheetOut(ext)})
				if err != nil {
					t.Fatal(err)
				}
				got := strings.ReplaceAll(show(t, g), "|1.0\n", "|1\n")
				if got != c.want {
					t.Errorf("got\n%s\nwant\n%s", got, c.want)
				}
			})
		}
	}
}

func (f *File) sheetOut(ext string) string {
	if f.Format == Excel && ext == ".xlsx" {
		return f.Sheet
	}
	return ""
}

func TestWriteTwo(t *testing.T) {
	ctx := context.Background()
	var files []*File
	for _, in := range []string{"id,name\n1,Ann\n", "Name,cluster_id\nBo,x\nCy,y\n"} {
		f, err := Open(ctx, put(t, "in.csv", in), Options{})
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	extra := FreeNames(files, []Extra{{Name: "cluster_id", Number: true}, {Name: "source_file"}})
	if extra[0].Name != "cluster_id_2" {
		t.Errorf("the taken name became %q", extra[0].Name)
	}
	out := filepath.Join(t.TempDir(), "out.csv")
	if err := Write(ctx, out, files, extra, func(f, n int) []any { return []any{n, fmt.Sprint("f", f)} }); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := "id,name,cluster_id,cluster_id_2,source_file\n1,Ann,,1,f0\n,Bo,x,1,f1\n,Cy,y,2,f1\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCheckOutput(t *testing.T) {
	in := put(t, "in.csv", "a\n")
	link := in + ".link.csv"
	if err := os.Symlink(in, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		in:                                       "would be overwritten",
		link:                                     "would be overwritten",
		in + ".txt":                              "End the name with",
		filepath.Join(in+"-no", "out.csv"):       "folder is not there",
		filepath.Dir(in):                         "ending",
		filepath.Join(filepath.Dir(in), "o.CSV"): "",
	} {
		err := CheckOutput("--out", path, in)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestHuge: ten megabytes in one cell come back whole, and are refused where they do not fit.
func TestHuge(t *testing.T) {
	ctx := context.Background()
	long := strings.Repeat("ä", 5<<20)
	f, err := Open(ctx, put(t, "in.csv", "id,name\n1,"+long+"\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	for _, ext := range []string{".csv", ".parquet"} {
		if err := Write(ctx, out+ext, []*File{f}, nil, func(int, int) []any { return nil }); err != nil {
			t.Fatal(err)
		}
		g, err := Open(ctx, out+ext, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := show(t, g); got != "id|name\n1|"+long {
			t.Errorf("%s: %d bytes came back", ext, len(got))
		}
	}
	err = Write(ctx, out+".xlsx", []*File{f}, nil, func(int, int) []any { return nil })
	if err == nil || !strings.Contains(err.Error(), "row 1 has 5242880 characters") {
		t.Errorf("Excel: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), ".*tmp*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
