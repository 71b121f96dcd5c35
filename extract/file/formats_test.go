package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"millrace/extract/landing"
)

func TestJSON(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "a.json"), `{"meta":{"n":2},"data":{"items":[{"id":1,"price":12.5,"tags":["x"]},{"id":2,"price":7,"big":12345678901234567890},"oops"]}}`)
	write(t, filepath.Join(dir, "b.json"), "\n [ {\"id\":1}, {\"id\":2} ]\n")
	write(t, filepath.Join(dir, "c.json"), `{"id":7,"ok":true}`)
	write(t, filepath.Join(dir, "d.json"), `[{"id":1},{"id"`)
	res := land(t, raw, dir, stream1("a", landing.Replace, StreamOptions{Records: "data.items"}), stream1("b", landing.Replace, StreamOptions{}),
		stream1("c", landing.Replace, StreamOptions{}), stream1("d", landing.Replace, StreamOptions{}))
	for name, want := range map[string][2]int64{"a": {2, 1}, "b": {2, 0}, "c": {1, 0}} {
		if r := res[name]; r.Err != nil || r.Rows != want[0] || r.Quarantined != want[1] {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := res["d"]; r.Err == nil || !strings.Contains(r.Err.Error(), "ends in the middle, after 1 records") {
		t.Errorf("%+v", r)
	}
	if loads, _ := landing.Loads(raw, "files", "d"); len(loads) != 0 {
		t.Error("a document that was cut off was committed")
	}
	rows := query(t, raw, "a", `select price::varchar, tags::varchar, big, _row_id from @ order by id`)
	if fmt.Sprint(rows) != `[[12.5000 ["x"] <nil> a.json:1] [7.0000 <nil> 12345678901234567890 a.json:2]]` {
		t.Error(rows)
	}
}

func TestEncodings(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	text := "name;n\nMüller;1\nCafé €;2\n"
	w, _ := charmap.Windows1252.NewEncoder().String(text)
	u, _ := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(text)
	write(t, filepath.Join(dir, "w.csv"), w)
	write(t, filepath.Join(dir, "u.csv"), u)
	write(t, filepath.Join(dir, "mac.csv"), strings.ReplaceAll(text, "\n", "\r"))
	res := land(t, raw, dir, stream1("w", landing.Replace, StreamOptions{Encoding: "windows-1252"}), stream1("u", landing.Replace, StreamOptions{}), stream1("mac", landing.Replace, StreamOptions{}))
	for name, r := range res {
		if rows := query(t, raw, name, "select name from @ order by n"); r.Err != nil || r.Rows != 2 || fmt.Sprint(rows) != "[[Müller] [Café €]]" {
			t.Errorf("%s: %+v %v", name, r, rows)
		}
	}
}

func TestExcel(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	f := excelize.NewFile()
	f.SetSheetName("Sheet1", "Notes")
	f.NewSheet("Deals")
	day, euro := "dd.mm.yyyy", `#,##0.00 "days €"`
	ds, _ := f.NewStyle(&excelize.Style{CustomNumFmt: &day})
	es, _ := f.NewStyle(&excelize.Style{CustomNumFmt: &euro})
	ms, _ := f.NewStyle(&excelize.Style{NumFmt: 22})
	f.SetSheetRow("Deals", "A1", &[]any{"Exported by X"})
	f.SetSheetRow("Deals", "A3", &[]any{"Deal", "Closed", "At", "Amount", "Won"})
	f.SetSheetRow("Deals", "A4", &[]any{"A", time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 31, 13, 45, 10, 0, time.UTC), 1234.5678, true})
	f.SetSheetRow("Deals", "A5", &[]any{"B", nil, nil, 2, false, "too", "many"})
	f.SetCellStyle("Deals", "B4", "B4", ds)
	f.SetCellStyle("Deals", "C4", "C4", ms)
	f.SetCellStyle("Deals", "D4", "D5", es)
	if err := f.SaveAs(filepath.Join(dir, "book.xlsx")); err != nil {
		t.Fatal(err)
	}
	r := land(t, raw, dir, stream1("book", landing.Replace, StreamOptions{Sheet: "Deals", HeaderRow: 2}))["book"]
	if r.Err != nil || r.Rows != 1 || r.Quarantined != 1 {
		t.Fatalf("%+v", r)
	}
	rows := query(t, raw, "book", `select deal, closed::varchar, typeof(closed), "at"::varchar, typeof("at"), amount::varchar, won::varchar, _row_id from @`)
	if fmt.Sprint(rows) != "[[A 2026-01-31 DATE 2026-01-31 13:45:10 TIMESTAMP 1234.5678 true book.xlsx:4]]" {
		t.Error(rows)
	}
	if r := land(t, raw, dir, stream1("book", landing.Replace, StreamOptions{Sheet: "Deal"}))["book"]; r.Err == nil || !strings.Contains(r.Err.Error(), `Did you mean "Deals"?`) {
		t.Errorf("%+v", r)
	}
}

func TestParquet(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	type item struct {
		SKU string `parquet:"sku"`
		N   int32  `parquet:"n"`
	}
	type row struct {
		ID    int64     `parquet:"id"`
		Name  *string   `parquet:"name,optional"`
		Price int64     `parquet:"price,decimal(2:18)"`
		At    time.Time `parquet:"at,timestamp(microsecond)"`
		Items []item    `parquet:"items"`
	}
	name := "x"
	if err := pq.WriteFile(filepath.Join(dir, "p.parquet"), []row{
		{1, &name, 1250, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), []item{{"a", 1}, {"b", 2}}}, {2, nil, -5, time.Unix(0, 0), nil}}); err != nil {
		t.Fatal(err)
	}
	r := land(t, raw, dir, stream1("p", landing.Replace, StreamOptions{}))["p"]
	if r.Err != nil || r.Rows != 2 {
		t.Fatalf("%+v", r)
	}
	rows := query(t, raw, "p", `select id, name, price::varchar, "at"::varchar, items::varchar from @ order by id`)
	if fmt.Sprint(rows) != `[[1 x 12.5000 2026-01-02 03:04:05 [{"n":1,"sku":"a"},{"n":2,"sku":"b"}]] [2 <nil> -0.0500 1970-01-01 00:00:00 []]]` {
		t.Error(rows)
	}
}

func TestOddFiles(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	big := strings.Repeat("x", 10<<20)
	write(t, filepath.Join(dir, "empty.csv"), "")
	write(t, filepath.Join(dir, "header.csv"), "a,b\n")
	write(t, filepath.Join(dir, "big.csv"), "id,blob\n1,\""+big+"\"\n2,small\n")
	write(t, filepath.Join(dir, "dup.csv"), "Name,name,NAME,,a b,a-b\n1,2,3,4,5,6\n")
	write(t, filepath.Join(dir, "pipe.txt"), "a|b\n1|x, y\n2|z, w\n")
	res := land(t, raw, dir, stream1("empty", landing.Replace, StreamOptions{}), stream1("header", landing.Replace, StreamOptions{}),
		stream1("big", landing.Replace, StreamOptions{}), stream1("dup", landing.Replace, StreamOptions{}), stream1("pipe", landing.Replace, StreamOptions{}),
		stream1("gone", landing.Replace, StreamOptions{Path: "pip.txt"}))
	for name, want := range map[string]int64{"empty": 0, "header": 0, "big": 2, "dup": 1, "pipe": 2} {
		if r := res[name]; r.Err != nil || r.Rows != want || r.Quarantined != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if w := strings.Join(res["empty"].Warnings, ";"); !strings.Contains(w, "empty.csv is empty") {
		t.Error(w)
	}
	if r := res["gone"]; r.Err == nil || !strings.Contains(r.Err.Error(), `Did you mean "pipe.txt"?`) {
		t.Errorf("%+v", r.Err)
	}
	if rows := query(t, raw, "big", "select length(blob) from @ order by id"); fmt.Sprint(rows) != "[[10485760] [5]]" {
		t.Error(rows)
	}
	if rows := query(t, raw, "dup", "select name, name_2, name_3, column_4, a_b, a_b_2 from @"); fmt.Sprint(rows) != "[[2 1 3 4 5 6]]" {
		t.Error(rows)
	}
	loads, _ := landing.Loads(raw, "files", "header")
	if len(loads) != 1 || !loads[0].Starts || !loads[0].Complete || loads[0].Rows != 0 {
		t.Errorf("%+v", loads)
	}
}

func TestDeclared(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "d.csv"), "id,amount,day,new\n1,10.50,31.01.2026,x\n2,abc,01.02.2026,y\n3,,02.02.2026,\n,5,03.02.2026,z\n")
	st := stream1("d", landing.Replace, StreamOptions{DateFormats: []string{"DD.MM.YYYY"}},
		landing.Column{Name: "id", Type: landing.BigInt, Required: true}, landing.Column{Name: "amount", Type: landing.Money}, landing.Column{Name: "day", Type: landing.Date})
	st.Spec.Contract.Columns = "discard"
	r := land(t, raw, dir, st)["d"]
	if r.Err != nil || r.Rows != 2 || r.Quarantined != 2 {
		t.Fatalf("%+v", r)
	}
	if rows := query(t, raw, "d", `select id, amount::varchar, day::varchar, _extra::varchar from @ order by id`); fmt.Sprint(rows) != `[[1 10.5000 2026-01-31 {"new":"x"}] [3 <nil> 2026-02-02 <nil>]]` {
		t.Error(rows)
	}
	q := quarantined(t, raw, "d")
	if fmt.Sprint(q) != `[[d.csv:3 amount: "abc" is not a DECIMAL(18,4) amount abc {"_text":true,"id":"2","amount":"abc","day":"2026-02-01","new":"y"}] [d.csv:5 id: is required but has no value id <nil> {"_text":true,"amount":"5","day":"2026-02-03","new":"z"}]]` {
		t.Error(q)
	}
	if r := land(t, raw, dir, st)["d"]; !r.Unchanged || len(r.Loads) != 0 {
		t.Errorf("%+v", r)
	}
	os.Chtimes(filepath.Join(dir, "d.csv"), time.Now(), time.Now())
	if r := land(t, raw, dir, st)["d"]; !r.Unchanged {
		t.Errorf("touched: %+v", r)
	}
}

func TestOpenLine(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "a.ndjson")
	st := stream1("a", landing.Append, StreamOptions{})
	write(t, path, `{"id":1}`) // whole, but its line end comes later
	land(t, raw, dir, st)
	write(t, path, `{"id":1}`+"\n"+`{"id":2}`+"\n")
	if r := land(t, raw, dir, st)["a"]; r.Err != nil || r.Rows != 1 {
		t.Errorf("%+v", r)
	}
	write(t, path, `{"id":1}`+"\n"+`{"id":3}`+"\n") // rewritten
	if r := land(t, raw, dir, st)["a"]; r.Err != nil || r.Rows != 2 {
		t.Errorf("%+v", r)
	}
}

func TestStreamNamesStayInside(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "x.csv"), "a\n1\n")
	st := stream1("../../evil", landing.Replace, StreamOptions{Path: "x.csv"})
	res := land(t, raw, dir, st)
	if r := res["evil"]; r.Err != nil || r.Rows != 1 {
		t.Fatalf("%+v", res)
	}
	loads, _ := landing.Loads(raw, "files", "evil")
	if loads[0].Original != "../../evil" || !strings.HasPrefix(loads[0].Dir, filepath.Join(raw, "files", "evil")) {
		t.Errorf("%+v", loads[0])
	}
}
