package resolve

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"millrace/internal/twin/mess"
)

// contacts writes a generated list and returns its path.
func contacts(t testing.TB, records int) string {
	t.Helper()
	var b bytes.Buffer
	if err := mess.Contacts(&b, records, 7); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "contacts.csv")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func answer(t testing.TB, o Options) *Answer {
	t.Helper()
	ctx := context.Background()
	j, err := Prepare(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	a, err := j.Match(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func rows(t testing.TB, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestUnchanged: every row comes back in its place with every column as it was; the answer does not depend on threads, and
// equals itself byte for byte.
func TestUnchanged(t *testing.T) {
	in := contacts(t, 500)
	truth := []string{"person", "reachable"}
	dir := t.TempDir()
	var first []byte
	for i, threads := range []int{1, 4} {
		a := answer(t, Options{Files: []string{in}, Truth: truth, Threads: threads})
		out := filepath.Join(dir, fmt.Sprintf("out%d.csv", i))
		if err := a.Write(context.Background(), out); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = data
		} else if !bytes.Equal(first, data) {
			t.Error("the answer depends on the threads")
		}
		before, after := rows(t, in), rows(t, out)
		if len(before) != len(after) {
			t.Fatalf("%d rows became %d", len(before), len(after))
		}
		next := 1
		for n := range before {
			k := len(before[n])
			if strings.Join(before[n], "|") != strings.Join(after[n][:k], "|") {
				t.Fatalf("row %d changed:\n%v\n%v", n, before[n], after[n])
			}
			if n == 0 {
				continue
			}
			// Clusters are numbered as they come.
			var c int
			var conf float64
			fmt.Sscan(after[n][k], &c)
			fmt.Sscan(after[n][k+1], &conf)
			if c < 1 || c > next || conf < 0 || conf > 1 {
				t.Fatalf("row %d has cluster %s and confidence %s", n, after[n][k], after[n][k+1])
			}
			if c == next {
				next++
			}
		}
		if next-1 != a.Clusters || a.Clusters >= 460 {
			t.Errorf("%d clusters are said, %d are there", a.Clusters, next-1)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestTruthUnread: the truth column does not steer the answer, whatever it is called and holds.
func TestTruthUnread(t *testing.T) {
	in := contacts(t, 600)
	all := rows(t, in)
	for i := range all[1:] { // a tempting truth: named like an address, filled like one
		all[i+1][16] = all[i+1][16] + "@truth.example"
	}
	all[0][16] = "email_address"
	other := filepath.Join(t.TempDir(), "tempting.csv")
	f, err := os.Create(other)
	if err != nil {
		t.Fatal(err)
	}
	w := csv.NewWriter(f)
	w.WriteAll(all)
	f.Close()
	a := answer(t, Options{Files: []string{in}, Truth: []string{"person", "reachable"}})
	b := answer(t, Options{Files: []string{other}, Truth: []string{"email_address", "reachable"}})
	for n := range a.cluster[0] {
		if a.cluster[0][n] != b.cluster[0][n] {
			t.Fatalf("row %d: cluster %d with one truth, %d with another", n+1, a.cluster[0][n], b.cluster[0][n])
		}
	}
}

// TestQuality compares with counting pair by pair.
func TestQuality(t *testing.T) {
	in := contacts(t, 400)
	a := answer(t, Options{Files: []string{in}, Truth: []string{"person", "reachable"}})
	q, err := a.Evaluate(context.Background(), Truth{Column: "person"})
	if err != nil {
		t.Fatal(err)
	}
	all := rows(t, in)[1:]
	var found, right, true_, judged int64
	var b3p, b3r float64
	for i, x := range all {
		if x[16] == "" {
			continue
		}
		judged++
		var both, cluster, entity float64
		for k, y := range all {
			if y[16] == "" {
				continue
			}
			c, e := a.cluster[0][i] == a.cluster[0][k], x[16] == y[16]
			if k > i {
				found, true_, right = found+count(c), true_+count(e), right+count(c && e)
			}
			cluster, entity, both = cluster+float64(count(c)), entity+float64(count(e)), both+float64(count(c && e))
		}
		b3p += both / cluster
		b3r += both / entity
	}
	if q.Found != found || q.Right != right || q.TruePairs != true_ || int64(q.Records) != judged || found == 0 || right == found && right == true_ {
		t.Errorf("%+v, counted: found %d, right %d, true %d, judged %d", q, found, right, true_, judged)
	}
	if math.Abs(q.B3P-b3p/float64(judged)) > 1e-9 || math.Abs(q.B3R-b3r/float64(judged)) > 1e-9 {
		t.Errorf("B3 %v %v, counted %v %v", q.B3P, q.B3R, b3p/float64(judged), b3r/float64(judged))
	}
}

func count(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// TestVerdicts: what a person writes into the workbook holds in the next run, also when rows moved, and is kept by the next
// workbook; a verdict about a row that changed is not taken for another.
func TestVerdicts(t *testing.T) {
	ctx := context.Background()
	in := contacts(t, 700)
	o := Options{Files: []string{in}, Truth: []string{"person", "reachable"}}
	a := answer(t, o)
	dir := t.TempDir()
	book := filepath.Join(dir, "review.xlsx")
	if err := a.WriteReview(ctx, book); err != nil {
		t.Fatal(err)
	}
	qs := a.questions()
	if len(qs) < 4 {
		t.Fatalf("%d questions: the list is too tame for this test", len(qs))
	}
	w, err := excelize.OpenFile(book)
	if err != nil {
		t.Fatal(err)
	}
	// Overrule the first two questions, and send a row out of the largest shown cluster of three.
	for i, q := range qs[:2] {
		word := "same"
		if q.same {
			word = "different"
		}
		if err := w.SetCellStr(sheetDoubt, fmt.Sprintf("B%d", 4+2*i), word); err != nil {
			t.Fatal(err)
		}
	}
	at, sent := 4, ""
	var stay []string
	for _, c := range a.shown() {
		if len(c.group.Records) >= 3 && c.group.Confidence > 0.99 {
			sent, stay = c.group.Records[0], c.group.Records[1:]
			w.SetCellStr(sheetClusters, fmt.Sprintf("B%d", at), "out")
			break
		}
		at += len(c.group.Records)
	}
	if sent == "" {
		t.Fatal("no cluster of three is sure")
	}
	if err := w.Save(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	check := func(a *Answer, shift int, what string) {
		t.Helper()
		move := func(r rowRef) rowRef { return rowRef{r.file, r.n + shift} }
		for i, q := range qs[:2] {
			if got := a.joined(move(q.a), move(q.b)); got == q.same {
				t.Errorf("%s: question %d is answered as before, joined %v", what, i+1, got)
			}
		}
		for _, k := range stay {
			if a.joined(move(ref(sent)), move(ref(k))) {
				t.Errorf("%s: %s was sent out and is with %s", what, sent, k)
			}
		}
	}
	o.Verdicts = book
	b := answer(t, o)
	check(b, 0, "second run")
	pairs := map[[2]string]bool{}
	for _, q := range qs[:2] {
		pairs[[2]string{min(q.edge.A, q.edge.B), max(q.edge.A, q.edge.B)}] = true
	}
	for _, k := range stay {
		pairs[[2]string{min(sent, k), max(sent, k)}] = true
	}
	if b.Review.Same+b.Review.Apart != len(pairs) || b.Review.Gone != 0 {
		t.Errorf("taken: %+v, want %d", b.Review, len(pairs))
	}
	// The next workbook keeps what was decided.
	next := filepath.Join(dir, "next.xlsx")
	if err := b.WriteReview(ctx, next); err != nil {
		t.Fatal(err)
	}
	o.Verdicts = next
	check(answer(t, o), 0, "third run, by the next workbook")
	// Rows move down, and one of them changes.
	all := rows(t, in)
	extra := append([]string(nil), all[5]...)
	extra[colOf(all[0], "first_name")], extra[colOf(all[0], "email")] = "Somebodynew", "somebody@new.example"
	moved := append([][]string{all[0], extra}, all[1:]...)
	save := func() string {
		path := filepath.Join(dir, "moved.csv")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := csv.NewWriter(f).WriteAll(moved); err != nil {
			t.Fatal(err)
		}
		return path
	}
	o.Files = []string{save()}
	c := answer(t, o)
	check(c, 1, "rows moved")
	if c.Review.Gone != 0 {
		t.Errorf("rows moved: %d verdicts are lost", c.Review.Gone)
	}
	_, n := row(sent)
	moved[n+1][colOf(all[0], "last_name")] += "x"
	o.Files = []string{save()}
	if c = answer(t, o); c.Review.Gone != len(stay) {
		t.Errorf("a row changed: %d verdicts are gone, want %d", c.Review.Gone, len(stay))
	}
}

func colOf(head []string, name string) int {
	for i, h := range head {
		if h == name {
			return i
		}
	}
	return -1
}

func TestBadVerdicts(t *testing.T) {
	in := contacts(t, 100)
	ctx := context.Background()
	book := filepath.Join(t.TempDir(), "review.xlsx")
	for want, spoil := range map[string]func(w *excelize.File){
		`In doubt!B4: is no verdict: "perhaps"`: func(w *excelize.File) { w.SetCellStr(sheetDoubt, "B4", "perhaps") },
		"has no sheet \"In doubt\"": func(w *excelize.File) {
			w.DeleteSheet(sheetDoubt)
			w.DeleteSheet(sheetClusters)
		},
	} {
		o := Options{Files: []string{in}, Truth: []string{"person", "reachable"}}
		a := answer(t, o)
		if err := a.WriteReview(ctx, book); err != nil {
			t.Fatal(err)
		}
		w, err := excelize.OpenFile(book)
		if err != nil {
			t.Fatal(err)
		}
		spoil(w)
		if err := w.Save(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		o.Verdicts = book
		j, err := Prepare(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Match(ctx); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestLink: two lists, one to one: no row is linked to two of the other list, none to one of its own.
func TestLink(t *testing.T) {
	all := rows(t, contacts(t, 800))
	head := all[0]
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "a.csv"), filepath.Join(dir, "b.csv")}
	for i, p := range paths {
		f, err := os.Create(p)
		if err != nil {
			t.Fatal(err)
		}
		w := csv.NewWriter(f)
		h := append([]string(nil), head...)
		if i == 1 { // called otherwise in the other list
			h[2], h[3], h[4] = "Vorname", "Nachname", "E-Mail"
		}
		w.Write(h)
		for n, r := range all[1:] {
			if n%2 == i {
				w.Write(r)
			}
		}
		w.Flush()
		f.Close()
	}
	a := answer(t, Options{Files: paths, Truth: []string{"person", "reachable"}, Link: true})
	linked := 0
	for _, g := range a.groups() {
		seen := map[int]int{}
		for _, k := range g.Records {
			f, _ := row(k)
			seen[f]++
		}
		if seen[0] > 1 || seen[1] > 1 {
			t.Fatalf("%v holds two of one list", g.Records)
		}
		if seen[0] == 1 && seen[1] == 1 {
			linked++
		}
	}
	if linked < 50 {
		t.Errorf("%d are linked: too few", linked)
	}
	q, err := a.Evaluate(context.Background(), Truth{Column: "person"})
	if err != nil || q.Precision < 0.97 {
		t.Errorf("%+v, %v", q, err)
	}
}
