package reports

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"millrace/activate/receipt"
	"millrace/internal/config"
	"millrace/transform/relation"
)

type fakeData struct {
	tables map[string]*Table
	asked  int
}

func (f *fakeData) Query(_ context.Context, sql string) (*Table, error) {
	f.asked++
	for part, t := range f.tables {
		if strings.Contains(sql, part) {
			return t, nil
		}
	}
	return nil, errors.New("no such table")
}

func (f *fakeData) Build() relation.Build {
	return relation.Build{ID: "b", Relations: map[string]relation.Relation{"core.deals": {}, "core.deals_all": {}}}
}

func one(t *testing.T, v any) Cell {
	t.Helper()
	r := NewRecorder(&fakeData{tables: map[string]*Table{"": {Columns: []relation.Column{{Name: "v"}}, Rows: [][]any{{v}}}}})
	res, err := r.Query(context.Background(), "select v")
	if err != nil {
		t.Fatal(err)
	}
	return res.Cell(0, "v")
}

func TestShow(t *testing.T) {
	eur := Format{Unit: Money, Currency: "EUR"}
	for _, c := range []struct {
		f    Format
		v    any
		want string
	}{
		{Format{Unit: Ratio}, 0.63151, "63.15 %"},
		{Format{Unit: Ratio}, int64(1), "100.00 %"},
		{Format{Unit: Ratio, Coarse: true}, -0.2756, "−27.6 %"},
		{Format{Unit: Ratio}.Delta(), 0.0124, "+1.24 points"},
		{Format{Unit: Ratio}.Delta(), -0.00001, "0.00 points"},
		{Format{Unit: Ratio}.Delta().Magnitude(), -0.0124, "1.24 points"},
		{eur, 10005534.4, "10,005,534 EUR"},
		{eur, -999.999, "−1,000.00 EUR"},
		{eur, 12.5, "12.50 EUR"},
		{eur.Delta(), 1234.0, "+1,234 EUR"},
		{eur.Plain(), 1234567.0, "1,234,567"},
		{Format{Unit: MoneyPerDay, Currency: "USD"}, 28345.2, "28,345 USD a day"},
		{Format{Unit: Days}, 48.0, "48 days"},
		{Format{Unit: Days}, 51.84, "51.8 days"},
		{Format{Unit: Days}, 1.0, "1 day"},
		{Format{Unit: Months}, 14.25, "14.3 months"},
		{Format{Unit: Count}, int64(1234), "1,234"},
		{Format{Unit: Count}, 4.8, "4.8"},
		{Format{Unit: Times}, 3.4, "3.4×"},
		{Format{Unit: Number}, 0.025, "0.025"},
		{Format{Unit: Number}, math.Copysign(0, -1), "0"},
		{Format{Unit: Count}, nil, "n/a"},
		{Format{Unit: Ratio}, math.Inf(1), "n/a"},
		{Format{Unit: Ratio}, math.NaN(), "n/a"},
		{Format{Unit: TextUnit}, "North", "North"},
		{Format{Unit: TextUnit, Lower: true}, "Win rate", "win rate"},
		{Format{Unit: TextUnit, Lower: true}, "CAC, blended", "CAC, blended"},
		{Format{Unit: DateUnit}, time.Date(2017, 12, 31, 0, 0, 0, 0, time.UTC), "2017-12-31"},
		{Format{Unit: DateUnit, Grain: "quarter"}, time.Date(2017, 10, 1, 0, 0, 0, 0, time.UTC), "Q4 2017"},
		{Format{Unit: Ratio}, true, "yes"},
	} {
		if got := c.f.Show(ValueOf(c.v)); got != c.want {
			t.Errorf("%+v %v: %q, want %q", c.f, c.v, got, c.want)
		}
	}
}

func TestPeriods(t *testing.T) {
	day := time.Date(2021, 1, 2, 23, 0, 0, 0, time.UTC) // a Saturday in week 53 of 2020
	for grain, want := range map[string][3]string{
		"day": {"2021-01-02", "2 January 2021", "2021-01-01"}, "week": {"2020-W53", "week 53 of 2020", "2020-W52"},
		"month": {"2021-01", "January 2021", "2020-12"}, "quarter": {"2021-Q1", "Q1 2021", "2020-Q4"}, "year": {"2021", "2021", "2020"},
	} {
		p := PeriodOf(grain, day)
		if got := [3]string{p.Key(), p.Label(), p.Shift(-1).Key()}; got != want {
			t.Errorf("%s: %q, want %q", grain, got, want)
		}
		back, err := ParsePeriod(p.Key())
		if err != nil || !back.Start.Equal(p.Start) || back.Grain != grain {
			t.Errorf("%s: %q came back as %+v (%v)", grain, p.Key(), back, err)
		}
	}
	for _, bad := range []string{"", "2017-13", "2017-W54", "2017-Q5", "soon", "2017-12-32", "2019-W53"} {
		if p, err := ParsePeriod(bad); err == nil {
			t.Errorf("%q was taken for %s", bad, p.Key())
		}
	}
	// Every week of forty years has a name of its own that reads back.
	p := PeriodOf("week", time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	seen := map[string]bool{}
	for range 40 * 52 {
		back, err := ParsePeriod(p.Key())
		if err != nil || !back.Start.Equal(p.Start) || seen[p.Key()] {
			t.Fatalf("%s: %v %v", p.Key(), back, err)
		}
		seen[p.Key()] = true
		p = p.Shift(1)
	}
}

// TestWriterRefuses is P7 at the door: typed digits, cells from nowhere and empty cells do not get into a text.
func TestWriterRefuses(t *testing.T) {
	good := one(t, 0.5)
	if text, err := new(Writer).Say("Win rate is ").Num(good, Format{Unit: Ratio}).Say(".").Done(); err != nil || text.String() != "Win rate is 50.00 %." {
		t.Errorf("%q %v", text, err)
	}
	for name, w := range map[string]*Writer{
		"digit":        new(Writer).Say("Win rate is 50 %."),
		"other digits": new(Writer).Say("٥٠"),
		"no source":    new(Writer).Num(Cell{Value: ValueOf(5)}, Format{}),
		"nothing":      new(Writer).Num(one(t, nil), Format{}),
		"column":       new(Writer).Num(Cell{}, Format{}),
	} {
		if text, err := w.Done(); err == nil {
			t.Errorf("%s was written: %q", name, text)
		}
	}
}

func TestTemplate(t *testing.T) {
	r := NewRecorder(&fakeData{tables: map[string]*Table{"": {Columns: []relation.Column{{Name: "segment"}, {Name: "rate"}, {Name: "gain"}}, Rows: [][]any{{"Q4 deals", 0.5, -1200.0}}}}})
	res, err := r.Query(context.Background(), "select 1")
	if err != nil {
		t.Fatal(err)
	}
	fill := func(s string) (string, error) {
		tpl, err := ParseTemplate(s)
		if err != nil {
			return "", err
		}
		text, err := tpl.Fill(res, 0, map[string]Format{"": {Currency: "EUR"}, "rate": {Unit: Ratio}})
		return text.String(), err
	}
	for in, want := range map[string]string{
		"{segment} win {rate}": "Q4 deals win 50.00 %", "{rate:times}": "0.5×", "{gain:money}, {gain:+money}, {gain:|money}": "−1,200 EUR, −1,200 EUR, 1,200 EUR",
		"{rate:+ratio} up": "+50.00 points up", "": "",
	} {
		if got, err := fill(in); err != nil || got != want {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	for in, part := range map[string]string{"at least 5": "P7", "{rat}": `"rat"`, "{rate": "without", "rate}": "without", "{}": "empty", "{rate:mony}": `"money"`} {
		if got, err := fill(in); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("{a} is {b:ratio}, {c:+money}")
	f.Add("}{")
	f.Fuzz(func(t *testing.T, s string) {
		tpl, err := ParseTemplate(s)
		if err != nil {
			return
		}
		for _, p := range tpl.parts {
			if p.column == "" && strings.ContainsAny(p.words, "0123456789{}") {
				t.Errorf("%q let %q through", s, p.words)
			}
		}
	})
}

func TestRecorder(t *testing.T) {
	d := &fakeData{tables: map[string]*Table{"core.deals_all": {Columns: []relation.Column{{Name: "n"}}, Rows: [][]any{{int64(1)}}}}}
	r := NewRecorder(d)
	for range 2 {
		if _, err := r.Query(context.Background(), "\n\t\tselect n\n\t\t  from core.deals_all;\n"); err != nil {
			t.Fatal(err)
		}
	}
	if d.asked != 1 || len(r.sources) != 1 {
		t.Errorf("asked %d times, %d sources", d.asked, len(r.sources))
	}
	s := r.sources[0]
	if s.SQL != "select n\n  from core.deals_all" || len(s.Reads) != 1 || s.Reads[0] != "core.deals_all" {
		t.Errorf("source: %+v", s)
	}
	_, err := r.Query(context.Background(), "select 1")
	if err == nil || !strings.Contains(err.Error(), "millrace query") {
		t.Errorf("error: %v", err)
	}
}

// memory is a Ledger that keeps what internal/state would.
type memory struct {
	entries map[string]receipt.Receipt
	fail    error
}

func (m *memory) Intend(_ context.Context, r receipt.Receipt) (receipt.Receipt, bool, error) {
	if m.fail != nil {
		return receipt.Receipt{}, false, m.fail
	}
	prior, ok := m.entries[r.Key]
	if ok && prior.Status != receipt.Rejected {
		return prior, true, nil
	}
	m.entries[r.Key] = r
	return receipt.Receipt{}, false, nil
}

func (m *memory) Record(_ context.Context, r receipt.Receipt) error {
	m.entries[r.Key] = r
	return nil
}

func (m *memory) Recent(context.Context, string) ([]receipt.Receipt, error) {
	var out []receipt.Receipt
	for _, r := range m.entries {
		out = append(out, r)
	}
	return out, nil
}

func (m *memory) Last(context.Context, string) (receipt.Receipt, bool, error) {
	return receipt.Receipt{}, false, nil
}

// post is a channel that cannot repeat, like a message.
type post struct {
	sent   int
	err    error
	status receipt.Status
}

func (p *post) Name() string   { return "post" }
func (p *post) Target() string { return "#sales" }
func (p *post) Deliver(context.Context, string, *Document) (receipt.Receipt, error) {
	p.sent++
	return receipt.Receipt{Status: p.status, Ref: "there"}, p.err
}

type settledPost struct {
	post
	found receipt.Status
}

func (p *settledPost) Settle(context.Context, string, *Document) (receipt.Receipt, error) {
	return receipt.Receipt{Status: p.found}, nil
}

func TestDeliverOnce(t *testing.T) {
	ctx := context.Background()
	doc := &Document{Report: "weekly", PeriodKey: "2026-01"}
	deliver := func(m *memory, ch Channel, force bool) Outcome {
		v := &Deliverer{Ledger: m, Now: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC), Force: force, Log: slog.New(slog.DiscardHandler)}
		return v.Deliver(ctx, doc, "slot", []Channel{ch})[0]
	}
	m, ch := &memory{entries: map[string]receipt.Receipt{}}, &post{}
	if o := deliver(m, ch, false); o.Err != nil || o.Receipt.Status != receipt.Delivered || o.Receipt.Key != "weekly/2026-01/slot/post:#sales" {
		t.Errorf("first: %+v", o)
	}
	if o := deliver(m, ch, false); o.Err != nil || !o.Skipped || ch.sent != 1 {
		t.Errorf("second: %+v, sent %d", o, ch.sent)
	}
	if o := deliver(m, ch, true); o.Err != nil || o.Skipped || ch.sent != 2 {
		t.Errorf("forced: %+v, sent %d", o, ch.sent)
	}
	// A rejected one may be tried again; one whose answer was lost may not, unless the channel can look.
	m, ch = &memory{entries: map[string]receipt.Receipt{}}, &post{err: errors.New("no"), status: receipt.Rejected}
	deliver(m, ch, false)
	ch.err = nil
	if o := deliver(m, ch, false); o.Err != nil || ch.sent != 2 {
		t.Errorf("after a rejection: %+v", o)
	}
	m, ch = &memory{entries: map[string]receipt.Receipt{}}, &post{err: errors.New("connection lost")}
	if o := deliver(m, ch, false); o.Receipt.Status != receipt.Unknown || o.Err == nil {
		t.Errorf("lost: %+v", o)
	}
	if o := deliver(m, ch, false); o.Err == nil || ch.sent != 1 || !strings.Contains(o.Err.Error(), "--force") {
		t.Errorf("after a lost answer: %+v, sent %d", o, ch.sent)
	}
	for found, want := range map[receipt.Status]int{receipt.Delivered: 1, receipt.Rejected: 2} {
		m, s := &memory{entries: map[string]receipt.Receipt{}}, &settledPost{post: post{err: errors.New("connection lost")}, found: found}
		deliver(m, s, false)
		s.err = nil
		if o := deliver(m, s, false); o.Err != nil || s.sent != want || o.Receipt.Status != receipt.Delivered {
			t.Errorf("looked and found %s: %+v, sent %d", found, o, s.sent)
		}
	}
	if o := deliver(&memory{fail: errors.New("disk full")}, ch, false); o.Err == nil || ch.sent != 1 {
		t.Errorf("without a ledger: %+v, sent %d", o, ch.sent)
	}
}

// elsewhere is a post to another place.
type elsewhere struct{ post }

func (*elsewhere) Name() string { return "elsewhere" }

// TestUnfinished: an edition that some of its channels did not get is due again, one that nobody got or all got is not.
func TestUnfinished(t *testing.T) {
	first, second := &post{}, &elsewhere{}
	both := []Channel{first, second}
	m := &memory{entries: map[string]receipt.Receipt{}}
	v := &Deliverer{Ledger: m, Log: slog.New(slog.DiscardHandler)}
	doc := &Document{Report: "a", PeriodKey: "2026-01"}
	ask := func(want bool, edition, why string) {
		t.Helper()
		if got, err := v.Unfinished(t.Context(), "a", edition, both); err != nil || got != want {
			t.Errorf("%s: unfinished %v, %v", why, got, err)
		}
	}
	ask(false, "e1", "never begun")
	v.Deliver(t.Context(), doc, "e1", both[:1])
	ask(true, "e1", "one of two")
	ask(false, "e2", "another edition")
	ask(false, "", "no schedule")
	second.err, second.status = errors.New("closed"), receipt.Rejected
	v.Deliver(t.Context(), doc, "e1", both)
	ask(true, "e1", "the other failed")
	second.err = nil
	v.Deliver(t.Context(), doc, "e1", both)
	ask(false, "e1", "both")
}

// TestUnchanged: what was delivered from the same build and definition is not composed again; anything else is.
func TestUnchanged(t *testing.T) {
	dir := t.TempDir()
	kind := FileKind("plain", "", ".txt", func(d *Document) ([]byte, error) { return []byte(d.Title), nil })
	ch, err := kind.Open(ChannelParams{Dir: dir, Options: &FileOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	fails := false
	cat := Catalog{Channels: []ChannelKind{kind}, Sections: []SectionKind{{Name: "say", Options: func() any { return &struct{}{} },
		Build: func(context.Context, *Input, any) ([]Block, error) {
			if fails {
				return nil, errors.New("no")
			}
			return []Block{&Prose{Title: "t"}}, nil
		}}}}
	def := func(src string) *Definition {
		d, err := cat.Parse("reports/a.yml", []byte("version: 1\nreport: a\nsections: [say]\nchannels: [plain]\n"+src), config.ParseOptions{Env: func(string) (string, bool) { return "x", true }})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	log := slog.New(slog.DiscardHandler)
	m := &memory{entries: map[string]receipt.Receipt{}}
	v := &Deliverer{Ledger: m, Log: log}
	day := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	run := func(d *Definition, now time.Time) (composed bool) {
		c := &Composer{Data: &fakeData{}, Now: now, Log: log}
		if _, ok, err := v.Unchanged(t.Context(), "a", "", c.Made(d, Period{}), []Channel{ch}); err != nil {
			t.Fatal(err)
		} else if ok {
			return false
		}
		doc, err := c.Compose(t.Context(), d, Period{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range v.Deliver(t.Context(), doc, "", []Channel{ch}) {
			if o.Err != nil {
				t.Fatal(o.Err)
			}
		}
		return true
	}
	plain := def("")
	for i, step := range []struct {
		name string
		def  *Definition
		now  time.Time
		want bool
	}{
		{"first", plain, day, true}, {"again", plain, day, false}, {"next day", plain, day.AddDate(0, 0, 1), false},
		{"next month", plain, day.AddDate(0, 1, 0), true}, {"definition edited", def("title: B\n"), day, true}, {"same as before", def("title: B\n"), day, false},
		{"with variables", def("title: ${X}\n"), day, true}, {"with variables again", def("title: ${X}\n"), day, true},
	} {
		if got := run(step.def, step.now); got != step.want {
			t.Errorf("%d %s: composed %v", i, step.name, got)
		}
	}
	v.Force = true
	if !run(def("title: B\n"), day) {
		t.Error("forced: not composed")
	}
	v.Force = false
	if err := os.Remove(dir + "/out/a-2025-12.txt"); err != nil {
		t.Fatal(err)
	}
	if !run(def("title: B\n"), day) {
		t.Error("the file is gone: not composed")
	}
	fails = true
	failing := def("title: C\n")
	for range 2 {
		if !run(failing, day) {
			t.Error("a report with a failed section must be tried, and tell of it, every time")
		}
	}
}

func TestFileChannel(t *testing.T) {
	dir := t.TempDir()
	text := "one"
	kind := FileKind("plain", "", ".txt", func(*Document) ([]byte, error) { return []byte(text), nil })
	open := func(o FileOptions, out string) (Channel, error) {
		return kind.Open(ChannelParams{Dir: dir, Out: out, Options: &o})
	}
	ch, err := open(FileOptions{Path: "out/{report}-{period}-{date}.txt"}, "")
	if err != nil {
		t.Fatal(err)
	}
	doc := &Document{Report: "weekly", PeriodKey: "2026-01", At: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)}
	m := &memory{entries: map[string]receipt.Receipt{}}
	v := &Deliverer{Ledger: m, Log: slog.New(slog.DiscardHandler)}
	deliver := func() Outcome { return v.Deliver(t.Context(), doc, "", []Channel{ch})[0] }
	o := deliver()
	if o.Err != nil || o.Receipt.Ref != dir+"/out/weekly-2026-01-2026-01-05.txt" || o.Receipt.Bytes != 3 {
		t.Fatalf("%+v", o)
	}
	if o := deliver(); !o.Skipped {
		t.Errorf("the same file was written again: %+v", o)
	}
	if err := os.Remove(o.Receipt.Ref); err != nil {
		t.Fatal(err)
	}
	if o := deliver(); o.Skipped || o.Err != nil {
		t.Errorf("a file that is gone was not written again: %+v", o)
	}
	doc.Title = "corrected" // other content is another key
	text = "two"
	if o := deliver(); o.Skipped {
		t.Errorf("a corrected report did not replace the file: %+v", o)
	}
	if ch, err = open(FileOptions{}, t.TempDir()); err != nil || !strings.Contains(ch.Target(), "{report}-{period}.txt") {
		t.Errorf("%v %v", ch, err)
	}
	for _, bad := range []FileOptions{{Path: "out/x.pdf"}, {Path: "out/{week}.txt"}} {
		if _, err := open(bad, ""); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestDue(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var monday config.Cron
	if err := monday.UnmarshalText([]byte("0 8 * * 1")); err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		d, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		name, last, now, want string
		missed                int
	}{
		{"never delivered", "", "2026-01-06T09:00:00Z", "20260105T0700Z", 4},
		{"on time", "2025-12-29T07:00:01Z", "2026-01-05T07:00:00Z", "20260105T0700Z", 0},
		{"too early", "2025-12-29T07:00:01Z", "2026-01-05T06:59:59Z", "", 0},
		{"done", "2026-01-05T07:00:30Z", "2026-01-06T00:00:00Z", "", 0},
		{"three missed, caught up once", "2025-12-15T07:10:00Z", "2026-01-08T00:00:00Z", "20260105T0700Z", 2},
		{"summer time", "2026-03-23T07:00:01Z", "2026-03-30T06:00:00Z", "20260330T0600Z", 0},
		{"a long sleep", "2020-01-01T00:00:00Z", "2026-01-06T09:00:00Z", "20260105T0700Z", 4},
	} {
		var last time.Time
		if c.last != "" {
			last = at(c.last)
		}
		slot, due := Due(monday, last, at(c.now), berlin)
		if slot.Edition() != c.want || due != (c.want != "") || slot.Missed != c.missed {
			t.Errorf("%s: %q due %v missed %d, want %q missed %d", c.name, slot.Edition(), due, slot.Missed, c.want, c.missed)
		}
	}
	var minutely config.Cron
	if err := minutely.UnmarshalText([]byte("* * * * *")); err != nil {
		t.Fatal(err)
	}
	if slot, due := Due(minutely, at("2025-03-01T00:00:00Z"), at("2026-01-06T09:00:30Z"), nil); !due || slot.Edition() != "20260106T0900Z" {
		t.Errorf("every minute for months: %+v %v", slot, due)
	}
}

func TestParseErrors(t *testing.T) {
	cat := Catalog{
		Sections: []SectionKind{{Name: "table", Options: func() any {
			return &struct {
				From string `yaml:"from" required:"true"`
			}{}
		}}},
		Channels: []ChannelKind{{Name: "html", Options: func() any { return &FileOptions{} }}, FileKind("plain", "", ".txt", nil)},
	}
	for src, want := range map[string]string{
		"version: 1\nreport: a\nsections: [tabel]\nchannels: [html]\n":                                                      `reports/a.yml:3:12: sections[0]: there is no section "tabel". Did you mean "table"?`,
		"version: 1\nreport: a\nsections:\n  - table: {form: x}\nchannels: [html]\n":                                        `Did you mean "from"?`,
		"version: 1\nreport: a\nsections:\n  - table: {from: x}\n    html: {}\nchannels: [html]\n":                          "a section is one key",
		"version: 1\nreport: a\nsections:\n  - table: {from: x}\nchannels: [slcak]\n":                                       `there is no channel "slcak"`,
		"version: 1\nreport: A-1\nsections:\n  - table: {from: x}\nchannels: [html]\n":                                      "is not a name",
		"version: 2\nreport: a\nsections:\n  - table: {from: x}\nchannels: [html]\n":                                        "version",
		"version: 1\nreport: a\nschedule: monday\nsections:\n  - table: {from: x}\nchannels: [html]\n":                      "is not a schedule",
		"version: 1\nreport: a\nactions:\n  - {kpi: x, do: win 5 more}\nsections: [{table: {from: x}}]\nchannels: [html]\n": "must be a cell",
		"version: 1\nreport: a\nlabels: {x: {label: Top 5}}\nsections: [{table: {from: x}}]\nchannels: [html]\n":            "labels.x.label: holds a digit",
		"version: 1\nreport: a\nactions:\n  - {do: try}\nsections: [{table: {from: x}}]\nchannels: [html]\n":                "either kpi or sql",
		"version: 1\nreport: a\nsections: [{table: {from: x}}]\n":                                                           "channels",
		"version: 1\nreport: a\nsections: [{table: {from: x}}]\nchannels: [{plain: out/x.doc}]\n":                           "reports/a.yml:4:20: channels[0].plain.path: plain writes files that end in .txt",
	} {
		_, err := cat.Parse("reports/a.yml", []byte(src), config.ParseOptions{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "reports/a.yml:") {
			t.Errorf("%s\ngave %v\nwant %s", src, err, want)
		}
	}
	def, err := cat.Parse("reports/a.yml", []byte("version: 1\nreport: a\nsections: [{table: {from: x, title: T}}]\nchannels: [{html: out/x.html}, html]\n"), config.ParseOptions{})
	if err != nil || def.Title != "A" || def.Grain != "month" || def.Last != 12 || def.Sections[0].Title != "T" || def.Channels[0].Options.(*FileOptions).Path != "out/x.html" {
		t.Errorf("%+v %v", def, err)
	}
	s := cat.Schema()
	if props, ok := s["properties"].(map[string]any); !ok || props["sections"].(map[string]any)["items"] == nil {
		t.Errorf("schema: %v", s)
	}
}
