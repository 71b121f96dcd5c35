package file

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/extract/parquet"
)

// benchRows is a million, or ten million when the long suites run.
func benchRows(short int) int {
	if os.Getenv("MILLRACE_SOAK") != "" {
		return 10 * short
	}
	return short
}

// event is one generated row of twelve fields, like a page of a product's event log.
func event(r *rand.Rand, i int) []string {
	return []string{
		strconv.Itoa(i), fmt.Sprintf("user%06d@example.com", r.IntN(200_000)), []string{"page_view", "sign_up", "purchase", "refund"}[r.IntN(4)],
		fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02dZ", 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60)),
		fmt.Sprintf("%d.%02d", r.IntN(5000), r.IntN(100)), []string{"EUR", "USD", "GBP"}[r.IntN(3)], strconv.Itoa(r.IntN(1000)),
		strconv.FormatBool(r.IntN(2) == 0), []string{"google", "linkedin", "direct", "newsletter"}[r.IntN(4)],
		"/products/" + strconv.Itoa(r.IntN(5000)), fmt.Sprintf("%016x", r.Uint64()), "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/" + strconv.Itoa(500+r.IntN(40)),
	}
}

var eventColumns = []string{"id", "email", "event", "occurred_at", "amount", "currency", "quantity", "consented", "channel", "path", "session", "agent"}

// generate writes n rows as CSV or NDJSON and returns the file's size.
func generate(tb testing.TB, path string, n int) int64 {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(7, 7))
	csv := strings.HasSuffix(path, ".csv")
	if csv {
		fmt.Fprintln(w, strings.Join(eventColumns, ","))
	}
	var line []byte
	for i := range n {
		line = line[:0]
		for k, v := range event(r, i) {
			if csv {
				if k > 0 {
					line = append(line, ',')
				}
				line = append(line, v...)
				continue
			}
			line = append(line, ",{"[boolIndex(k == 0)])
			line = strconv.AppendQuote(line, eventColumns[k])
			line = append(line, ':')
			if k == 0 || k == 4 || k == 6 || k == 7 {
				line = append(line, v...)
			} else {
				line = strconv.AppendQuote(line, v)
			}
		}
		if !csv {
			line = append(line, '}')
		}
		w.Write(append(line, '\n'))
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	return info.Size()
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// peakMB is the process's largest resident size so far, in MB; 0 where the system does not tell.
func peakMB() float64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				return 0
			}
			return float64(kb) / 1024
		}
	}
	return 0
}

func benchLand(b *testing.B, name string, rows int) {
	dir := b.TempDir()
	size := generate(b, filepath.Join(dir, name), rows)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		raw := b.TempDir()
		src, err := Open(b.Context(), extract.OpenParams{Name: "files", Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		l := parquet.New(parquet.Options{Dir: raw})
		res := extract.Run(b.Context(), extract.RunParams{Sources: []extract.Sourced{{Name: "files", Source: src}}, Lander: l, RunID: "bench"})
		if err := res.Err(); err != nil || res.Rows() != int64(rows) {
			b.Fatalf("%d rows, %v", res.Rows(), err)
		}
		l.Close()
		loads, err := landing.Loads(raw, "files", "events")
		if err != nil {
			b.Fatal(err)
		}
		var out int64
		for _, m := range loads {
			for _, f := range m.Files {
				out += f.Bytes
			}
		}
		b.ReportMetric(float64(out)/1e6, "parquet-MB")
		os.RemoveAll(raw)
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(peakMB(), "peak-RSS-MB")
}

func BenchmarkLandCSV(b *testing.B)    { benchLand(b, "events.csv", 1_000_000) }
func BenchmarkLandNDJSON(b *testing.B) { benchLand(b, "events.ndjson", benchRows(1_000_000)) }
