package file

import (
	"encoding/csv"
	"math/rand/v2"
	"strings"
	"testing"

	"millrace/extract"
	"millrace/extract/landing"
)

// FuzzSplit reads whatever text there is: every line of it must come out as a row, as a bad row or be empty, and what the
// standard library's reader takes must come out as the same fields.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a\n\"x\"\"y\"\n", "a,b\r\n\"1\n2\",3\r\n", "a\n\"open\nb\n", "a,b\n1\n2,3,4\n\n", "a\n\"x\"y\nz", "\"\"\n\"\"\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rest, records := []byte(s), 0
		var got [][]string
		ok := true
		for len(rest) > 0 {
			fields, used, err := splitRecord(rest, ',', nil, true)
			if used <= 0 || used > len(rest) {
				t.Fatalf("%q: used %d of %d bytes", rest, used, len(rest))
			}
			if err != nil && err != errQuote {
				t.Fatal(err)
			}
			ok = ok && err == nil
			var row []string
			for _, sp := range fields {
				if err == nil {
					row = append(row, sp.text(rest))
				}
			}
			if len(row) > 1 || len(row) == 1 && (row[0] != "" || rest[0] == '"') {
				got = append(got, row)
			}
			rest = rest[used:]
			records++
		}
		std := csv.NewReader(strings.NewReader(s))
		std.FieldsPerRecord = -1
		want, err := std.ReadAll()
		// The two differ in what they make of lone carriage returns and of quotes inside bare fields, by intention.
		if err != nil || !ok || strings.Contains(s, "\r") {
			return
		}
		if len(want) != len(got) {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
		for i := range want {
			if strings.Join(want[i], "\x00") != strings.Join(got[i], "\x00") {
				t.Fatalf("%q: %q, want %q", s, got[i], want[i])
			}
		}
	})
}

// TestRoundTrip writes random fields as CSV, across many windows, and reads the same fields.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	alphabet := []string{"a", "ü", ",", "\"", "\n", ";", " ", "\r\n", "€", "0", "\t"}
	var want [][]string
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write([]string{"x", "y", "z"})
	for i := range 60_000 {
		row := make([]string, 3)
		for k := range row {
			n := r.IntN(12)
			if i%20_000 == 7 {
				n = 300_000 // larger than a batch
			}
			var f strings.Builder
			for range n {
				f.WriteString(alphabet[r.IntN(len(alphabet))])
			}
			row[k] = f.String()
		}
		row[2] = "end"
		want = append(want, row)
		w.Write(row)
	}
	w.Flush()
	dir := t.TempDir()
	write(t, dir+"/in.csv", b.String())
	src, err := Open(t.Context(), extract.OpenParams{Name: "files", Dir: dir, Streams: []extract.StreamParams{stream1("in", landing.Append, StreamOptions{Delimiter: ","})}})
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for batch, err := range src.Read(t.Context(), "in", landing.Checkpoint{}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(batch.Bad) > 0 {
			t.Fatalf("%+v", batch.Bad[0])
		}
		for _, row := range batch.Rows {
			for k, cell := range row {
				got, _ := cell.(string)
				if got != want[at][k] {
					t.Fatalf("row %d, field %d: %q, want %q", at, k, got, want[at][k])
				}
			}
			at++
		}
	}
	if at != len(want) {
		t.Errorf("%d rows, want %d", at, len(want))
	}
}
