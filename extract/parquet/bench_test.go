package parquet

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	gojson "github.com/goccy/go-json"
	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/valyala/fastjson"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/duck"
)

// These benchmarks chose the path from JSON to Parquet; docs/benchmarks.md has the figures. Each runs over the same pages:
// 500 pages of 1000 records of twelve fields, as an API answers them. Run one a process, so that its peak memory is its own:
//
//	go test ./extract/parquet -run '^$' -bench 'Pages/fastjson_columns$' -benchtime 3x

const (
	pageRows  = 1000
	pageCount = 500
)

// jsonPages makes a few distinct pages; the benchmarks go round them.
func jsonPages() [][]byte {
	r := rand.New(rand.NewPCG(3, 3))
	pages := make([][]byte, 20)
	for p := range pages {
		b := []byte(`{"results":[`)
		for i := range pageRows {
			if i > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"id":%d,"email":"user%06d@example.com","event":%q,"occurred_at":"2026-%02d-%02dT%02d:%02d:%02dZ","amount":%d.%02d,"currency":%q,"quantity":%d,"consented":%t,"channel":%q,"path":"/products/%d","session":"%016x","agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/%d"}`,
				p*pageRows+i, r.IntN(200_000), []string{"page_view", "sign_up", "purchase", "refund"}[r.IntN(4)], 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60),
				r.IntN(5000), r.IntN(100), []string{"EUR", "USD", "GBP"}[r.IntN(3)], r.IntN(1000), r.IntN(2) == 0, []string{"google", "linkedin", "direct", "newsletter"}[r.IntN(4)],
				r.IntN(5000), r.Uint64(), 500+r.IntN(40))
		}
		pages[p] = append(b, `],"paging":{"next":"abc"}}`...)
	}
	return pages
}

var pageColumns = []landing.Column{{Name: "id", Type: landing.BigInt}, {Name: "email", Type: landing.Varchar}, {Name: "event", Type: landing.Varchar}, {Name: "occurred_at", Type: landing.Timestamp},
	{Name: "amount", Type: landing.Money}, {Name: "currency", Type: landing.Varchar}, {Name: "quantity", Type: landing.BigInt}, {Name: "consented", Type: landing.Boolean},
	{Name: "channel", Type: landing.Varchar}, {Name: "path", Type: landing.Varchar}, {Name: "session", Type: landing.Varchar}, {Name: "agent", Type: landing.Varchar}}

func columnNames() []string {
	var out []string
	for _, c := range pageColumns {
		out = append(out, c.Name)
	}
	return out
}

// fastCells decodes one page with fastjson; strings share one buffer that is not written again.
func fastCells(p *fastjson.Parser, page []byte, names []string) ([][]any, error) {
	v, err := p.ParseBytes(page)
	if err != nil {
		return nil, err
	}
	records := v.GetArray("results")
	flat := make([]any, len(records)*len(names))
	rows := make([][]any, len(records))
	arena := make([]byte, 0, len(page))
	for i, rec := range records {
		row := flat[i*len(names) : (i+1)*len(names)]
		k := 0
		rec.GetObject().Visit(func(key []byte, v *fastjson.Value) {
			at := k
			k++
			switch v.Type() {
			case fastjson.TypeString:
				b, _ := v.StringBytes()
				from := len(arena)
				arena = append(arena, b...)
				row[at] = unsafe.String(&arena[from], len(b))
			case fastjson.TypeNumber:
				from := len(arena)
				arena = v.MarshalTo(arena)
				s := unsafe.String(&arena[from], len(arena)-from)
				if strings.IndexByte(s, '.') < 0 {
					row[at] = v.GetInt64()
				} else {
					row[at] = json.Number(s)
				}
			case fastjson.TypeTrue, fastjson.TypeFalse:
				row[at] = v.GetBool()
			}
		})
		rows[i] = row
	}
	return rows, nil
}

type page struct {
	Results []map[string]any `json:"results"`
}

func mapCells(p page, names []string) [][]any {
	rows := make([][]any, len(p.Results))
	for i, rec := range p.Results {
		row := make([]any, len(names))
		for k, n := range names {
			row[k] = rec[n]
		}
		rows[i] = row
	}
	return rows
}

// decoders are the ways to read a page.
func decoders() map[string]func([]byte) ([][]any, error) {
	names := columnNames()
	var p fastjson.Parser
	return map[string]func([]byte) ([][]any, error){
		"fastjson": func(b []byte) ([][]any, error) { return fastCells(&p, b, names) },
		"goccy": func(b []byte) ([][]any, error) {
			var v page
			d := gojson.NewDecoder(strings.NewReader(unsafe.String(&b[0], len(b))))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				return nil, err
			}
			return mapCells(v, names), nil
		},
		"encodingjson": func(b []byte) ([][]any, error) {
			var v page
			d := json.NewDecoder(strings.NewReader(unsafe.String(&b[0], len(b))))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				return nil, err
			}
			return mapCells(v, names), nil
		},
	}
}

// sinks are the ways to write rows as Parquet. Each returns the function that takes rows and the one that ends the file.
func sinks(b *testing.B, dir string) map[string]func() (func([][]any) error, func() error) {
	return map[string]func() (func([][]any) error, func() error){
		"columns": func() (func([][]any) error, func() error) { // the lander
			l := New(Options{Dir: dir})
			w, err := l.Begin(b.Context(), extract.BeginParams{Source: "s", RunID: "r", Spec: extract.StreamSpec{Name: "t", Schema: landing.Schema{Columns: pageColumns}}})
			if err != nil {
				b.Fatal(err)
			}
			names := columnNames()
			return func(rows [][]any) error { return w.Write(b.Context(), &extract.Batch{Columns: names, Rows: rows}) }, func() error {
				if _, err := w.Commit(b.Context(), landing.Checkpoint{}, false); err != nil {
					return err
				}
				return l.Close()
			}
		},
		"rows": func() (func([][]any) error, func() error) {
			f, err := os.Create(filepath.Join(dir, "rows.parquet"))
			if err != nil {
				b.Fatal(err)
			}
			var fields []field
			for _, c := range pageColumns {
				fields = append(fields, field{name: c.Name, cast: newCaster(c.Type, false)})
			}
			schema, err := schemaOf(fields)
			if err != nil {
				b.Fatal(err)
			}
			w := pq.NewGenericWriter[any](f, schema, pq.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), pq.DictionaryMaxBytes(1<<20))
			var buf []pq.Row
			n := 0
			return func(rows [][]any) error {
					buf = buf[:0]
					for _, row := range rows {
						out := make(pq.Row, len(row))
						for i, c := range row {
							v, ok := fields[i].cast.cast(c, false)
							if !ok {
								return fmt.Errorf("%v", c)
							}
							out[i] = v.Level(0, 1, i)
						}
						buf = append(buf, out)
					}
					_, err := w.WriteRows(buf)
					if n += len(rows); n >= 122_880 && err == nil {
						n, err = 0, w.Flush()
					}
					return err
				}, func() error {
					if err := w.Close(); err != nil {
						return err
					}
					return f.Close()
				}
		},
		"pqarrow": func() (func([][]any) error, func() error) { return arrowSink(b, dir) },
	}
}

func arrowSink(b *testing.B, dir string) (func([][]any) error, func() error) {
	f, err := os.Create(filepath.Join(dir, "arrow.parquet"))
	if err != nil {
		b.Fatal(err)
	}
	var fields []arrow.Field
	for _, c := range pageColumns {
		t := arrow.DataType(arrow.BinaryTypes.String)
		switch c.Type {
		case landing.BigInt:
			t = arrow.PrimitiveTypes.Int64
		case landing.Timestamp:
			t = arrow.FixedWidthTypes.Timestamp_us
		case landing.Money:
			t = &arrow.Decimal128Type{Precision: 18, Scale: 4}
		case landing.Boolean:
			t = arrow.FixedWidthTypes.Boolean
		}
		fields = append(fields, arrow.Field{Name: c.Name, Type: t, Nullable: true})
	}
	schema := arrow.NewSchema(fields, nil)
	w, err := pqarrow.NewFileWriter(schema, f, arrowparquet.NewWriterProperties(arrowparquet.WithCompression(compress.Codecs.Zstd), arrowparquet.WithCompressionLevel(1),
		arrowparquet.WithDictionaryDefault(false), arrowparquet.WithMaxRowGroupLength(122_880)), pqarrow.DefaultWriterProps())
	if err != nil {
		b.Fatal(err)
	}
	rb := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	flush := func() error {
		rec := rb.NewRecordBatch()
		defer rec.Release()
		return w.WriteBuffered(rec)
	}
	n := 0
	return func(rows [][]any) error {
			for _, row := range rows {
				for i, c := range row {
					switch x := rb.Field(i).(type) {
					case *array.Int64Builder:
						x.Append(c.(int64))
					case *array.StringBuilder:
						x.Append(c.(string))
					case *array.BooleanBuilder:
						x.Append(c.(bool))
					case *array.TimestampBuilder:
						us, _ := parseTimestamp(c.(string), true)
						x.Append(arrow.Timestamp(us))
					case *array.Decimal128Builder:
						d, err := decimal.Decimal128FromString(string(c.(json.Number)), 18, 4)
						if err != nil {
							return err
						}
						x.Append(d)
					}
				}
			}
			if n += len(rows); n >= 10_000 {
				n = 0
				return flush()
			}
			return nil
		}, func() error {
			if err := flush(); err != nil {
				return err
			}
			return w.Close()
		}
}

// BenchmarkPages lands whole pages of JSON.
func BenchmarkPages(b *testing.B) {
	pages := jsonPages()
	run := func(name, decoder, sink string) {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			decode := decoders()[decoder]
			var bytes int64
			for b.Loop() {
				b.StopTimer()
				os.RemoveAll(dir)
				os.MkdirAll(dir, 0o755)
				b.StartTimer()
				write, end := sinks(b, dir)[sink]()
				bytes = 0
				for i := range pageCount {
					p := pages[i%len(pages)]
					bytes += int64(len(p))
					rows, err := decode(p)
					if err != nil {
						b.Fatal(err)
					}
					if err := write(rows); err != nil {
						b.Fatal(err)
					}
				}
				if err := end(); err != nil {
					b.Fatal(err)
				}
			}
			figures(b, bytes)
		})
	}
	for _, decoder := range []string{"fastjson", "goccy", "encodingjson"} {
		run(decoder+"_columns", decoder, "columns")
	}
	run("fastjson_rows", "fastjson", "rows")
	run("fastjson_pqarrow", "fastjson", "pqarrow")
	b.Run("duckdb_split_copy", func(b *testing.B) { // records split out to a file, which DuckDB reads and copies
		dir := b.TempDir()
		var bytes int64
		for b.Loop() {
			bytes = 0
			f, err := os.Create(filepath.Join(dir, "pages.ndjson"))
			if err != nil {
				b.Fatal(err)
			}
			var p fastjson.Parser
			var buf []byte
			for i := range pageCount {
				pg := pages[i%len(pages)]
				bytes += int64(len(pg))
				v, err := p.ParseBytes(pg)
				if err != nil {
					b.Fatal(err)
				}
				buf = buf[:0]
				for _, rec := range v.GetArray("results") {
					buf = append(rec.MarshalTo(buf), '\n')
				}
				f.Write(buf)
			}
			f.Close()
			db, err := duck.Open(context.Background(), "", duck.Options{Threads: 2, MemoryLimit: "500MB"})
			if err != nil {
				b.Fatal(err)
			}
			var cols []string
			for _, c := range pageColumns {
				cols = append(cols, duck.Quote(c.Name)+": "+duck.Quote(string(c.Type)))
			}
			_, err = db.ExecContext(context.Background(), fmt.Sprintf("copy (select * from read_json(%s, format='newline_delimited', columns={%s})) to %s (format parquet, compression zstd, row_group_size 122880)",
				duck.Quote(filepath.Join(dir, "pages.ndjson")), strings.Join(cols, ","), duck.Quote(filepath.Join(dir, "out.parquet"))))
			if err != nil {
				b.Fatal(err)
			}
			db.Close()
		}
		figures(b, bytes)
	})
}

// BenchmarkDecode reads pages without writing them.
func BenchmarkDecode(b *testing.B) {
	pages := jsonPages()
	for _, name := range []string{"fastjson", "goccy", "encodingjson"} {
		decode := decoders()[name]
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(pages[0])))
			i := 0
			for b.Loop() {
				if _, err := decode(pages[i%len(pages)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func figures(b *testing.B, bytes int64) {
	b.SetBytes(bytes)
	b.ReportMetric(float64(pageRows*pageCount)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB")); err == nil {
				b.ReportMetric(float64(kb)/1024, "peak-RSS-MB")
			}
		}
	}
}
