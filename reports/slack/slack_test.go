package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/activate/receipt"
	"millrace/internal/httpx"
	"millrace/internal/secret"
	"millrace/internal/twin"
	"millrace/internal/twin/store"
	"millrace/reports"
	"millrace/reports/excel"
	"millrace/transform/relation"
)

type rows [][]any

func (r rows) Query(context.Context, string) (*reports.Table, error) {
	return &reports.Table{Columns: []relation.Column{{Name: "segment"}, {Name: "value"}}, Rows: r}, nil
}
func (rows) Build() relation.Build { return relation.Build{ID: "b7"} }

// document is a report with every kind of block, some of them too large for one message.
func document(t testing.TB) *reports.Document {
	t.Helper()
	data := rows{{"N<or>th & *co*", 0.5}, {"South", nil}}
	for i := range 60 {
		data = append(data, []any{fmt.Sprintf("segment %d with a long name that goes on and on", i), float64(i) / 60})
	}
	res, err := reports.NewRecorder(data).Query(t.Context(), "select segment, value from metrics.kpi")
	if err != nil {
		t.Fatal(err)
	}
	ratio := reports.Format{Unit: reports.Ratio}
	say := func(i int) reports.Text {
		text, err := new(reports.Writer).Say("Win rate of ").Name(res.Cell(i, "segment")).Say(" is ").Num(res.Cell(0, "value"), ratio).Say(".").Done()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	q := func(i int) reports.Quantity {
		return reports.Quantity{Cell: res.Cell(i, "value"), Format: ratio, Reason: "no closed deals"}
	}
	grid := &reports.Grid{Title: "Segments", Columns: []reports.GridColumn{{Name: "segment", Label: "Segment", Text: true, Format: reports.Format{Unit: reports.TextUnit}}, {Name: "value", Label: "Win rate", Format: ratio}}}
	chart := &reports.Chart{Title: "Win rate by segment", Kind: reports.Bar, Format: ratio, Series: []reports.Series{{Name: "Win rate"}}}
	for i := range res.Len() {
		grid.Rows = append(grid.Rows, []reports.Quantity{{Cell: res.Cell(i, "segment"), Format: grid.Columns[0].Format}, q(i)})
		if i < 8 {
			chart.X = append(chart.X, res.Cell(i, "segment").Text())
			chart.Series[0].Points = append(chart.Series[0].Points, q(i))
		}
	}
	long := &reports.Prose{Title: "What happened, and why"}
	for i := range 120 {
		long.Lines = append(long.Lines, reports.Line{Text: say(i % 50)})
	}
	kpis := &reports.KPIs{Title: "Key figures", Period: "December 2025", Previous: "November 2025"}
	for range 13 {
		kpis.Items = append(kpis.Items, reports.KPI{Name: "win_rate", Label: "Win rate", Value: q(0), Delta: q(0), Tone: reports.Good, Target: q(0), Verdict: "met"}, reports.KPI{Label: "Empty", Value: q(1)})
	}
	return &reports.Document{Report: "weekly", Title: "Sales pipeline", Project: "acme", PeriodKey: "2025-12", BuildID: "b7", Stale: []string{"metrics.cac"},
		Period: reports.PeriodOf("month", time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC)), At: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC),
		Blocks: []reports.Block{&reports.Headline{Lines: []reports.Line{{Role: reports.What, Text: say(0)}, {Role: reports.What, Text: say(1)}, {Role: reports.Do, Text: say(2)}}},
			kpis, long, grid, chart, &reports.Failure{Title: "Forecast", Section: "forecast", Reason: "the query failed"}}}
}

// workspace is the twin's Slack, told to misbehave as faults say.
type workspace struct {
	*twin.Twin
	url string
}

func open(t testing.TB, faults ...twin.Fault) *workspace {
	t.Helper()
	tw, err := twin.New(twin.Options{Size: "tiny", Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tw.Handler())
	t.Cleanup(func() { srv.Close(); tw.Close() })
	return &workspace{tw, srv.URL}
}

func (w *workspace) channel(t testing.TB, o Options) *channel {
	t.Helper()
	o.BaseURL, o.AllowPrivate = w.url+"/api", true
	o.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	if o.Channel == "" {
		o.Channel = "#revenue"
	}
	if o.Token.IsZero() {
		o.Token = secret.New(twin.DefaultCredentials().SlackToken)
	}
	c, err := newChannel(o, excel.Render, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// posted is what a person sees in the channel: messages by part, and names of files.
func (w *workspace) posted(t testing.TB) (parts map[string]int, files map[string]int) {
	t.Helper()
	parts, files = map[string]int{}, map[string]int{}
	w.View(func(s *store.State) {
		for _, m := range s.Chat.Messages {
			var meta struct {
				Payload struct{ Key, Part string } `json:"event_payload"`
			}
			if m.Metadata != "" {
				if err := json.Unmarshal([]byte(m.Metadata), &meta); err != nil {
					t.Error(err)
				}
				parts[meta.Payload.Part]++
			}
			for _, id := range m.Files {
				files[s.Chat.File(id).Name]++
			}
		}
	})
	return parts, files
}

var all = Options{Thread: true, Charts: 2, Workbook: true}

func TestPostsOnceWithThreadAndFiles(t *testing.T) {
	w := open(t)
	r, err := w.channel(t, all).Deliver(t.Context(), "k1", document(t))
	if err != nil || r.Status != receipt.Delivered || !strings.HasPrefix(r.Ref, "slack:C0REVENUE1/") {
		t.Fatalf("%+v %v", r, err)
	}
	parts, files := w.posted(t)
	if parts["main"] != 1 || parts["detail-1"] != 1 || parts["detail-3"] != 1 || len(parts) < 4 {
		t.Errorf("parts: %v", parts)
	}
	if len(files) != 2 || files["weekly-2025-12.xlsx"] != 1 || files["weekly-2025-12-chart-1.png"] != 1 {
		t.Errorf("files: %v", files)
	}
	w.View(func(s *store.State) {
		for _, m := range s.Chat.Messages {
			if strings.Contains(m.Blocks, "N<or>th") {
				t.Error("text of the data may be read as markup")
			}
			var list []map[string]any
			if m.Blocks != "" && json.Unmarshal([]byte(m.Blocks), &list) == nil && len(list) > maxBlocks {
				t.Errorf("a message of %d blocks", len(list))
			}
		}
	})
}

// TestLostAnswerIsLookedUp breaks the connection at each call of a delivery in turn, before and after its effect. Whatever
// is lost, settling and trying again ends with every part in the channel exactly once (P6).
func TestLostAnswerIsLookedUp(t *testing.T) {
	doc := document(t)
	// Pictures and workbooks are made elsewhere; here they only have to be there once.
	channel := func(w *workspace) *channel {
		c := w.channel(t, Options{Thread: true, Workbook: true})
		c.workbook = func(*reports.Document) ([]byte, error) { return []byte("workbook"), nil }
		return c
	}
	want, wantFiles := func() (map[string]int, map[string]int) {
		w := open(t)
		if _, err := channel(w).Deliver(t.Context(), "k1", doc); err != nil {
			t.Fatal(err)
		}
		return w.posted(t)
	}()
	for _, kind := range []string{twin.DropAfter, twin.DropBefore, twin.Status500, twin.Truncate, twin.ErrorBody, twin.Status503} {
		for _, path := range []string{"/api/chat.postMessage", "/api/files.completeUploadExternal", "/upload/", "/api/files.getUploadURLExternal"} {
			for after := range 3 {
				name := fmt.Sprint(kind, " ", path, " ", after)
				w := open(t, twin.Fault{Vendor: "slack", Path: path, Kind: kind, After: after, Times: 1})
				c := channel(w)
				r, err := c.Deliver(t.Context(), "k1", doc)
				for try := 0; err != nil && try < 4; try++ {
					if r.Status != receipt.Unknown {
						t.Errorf("%s: %s after %v", name, r.Status, err)
						break
					}
					if r, err = c.Settle(t.Context(), "k1", doc); err == nil && r.Status == receipt.Rejected {
						r, err = c.Deliver(t.Context(), "k1", doc)
					}
				}
				if err != nil || r.Status != receipt.Delivered {
					t.Errorf("%s: ended as %s, %v", name, r.Status, err)
				}
				parts, files := w.posted(t)
				if fmt.Sprint(parts) != fmt.Sprint(want) || fmt.Sprint(files) != fmt.Sprint(wantFiles) {
					t.Errorf("%s: %v %v, want %v %v", name, parts, files, want, wantFiles)
				}
			}
		}
	}
}

// TestSettleReadsAllPages: the key is found behind many other messages, and another delivery's is not taken for it.
func TestSettleReadsAllPages(t *testing.T) {
	w := open(t)
	small := Options{}
	c := w.channel(t, small)
	doc := document(t)
	if _, err := c.Deliver(t.Context(), "k1", doc); err != nil {
		t.Fatal(err)
	}
	for i := range 230 {
		if _, err := c.api.post(t.Context(), "C0REVENUE1", "", post{text: fmt.Sprint("chatter ", i)}, tag{fmt.Sprint("other ", i), "main"}); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := c.Settle(t.Context(), "k1", doc); err != nil || r.Status != receipt.Delivered {
		t.Errorf("the message was not found: %+v %v", r, err)
	}
	if r, err := c.Settle(t.Context(), "k2", doc); err != nil || r.Status != receipt.Rejected {
		t.Errorf("another message was taken for it: %+v %v", r, err)
	}
	if parts, _ := w.posted(t); parts["main"] != 231 {
		t.Errorf("%d messages", parts["main"])
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	doc := document(t)
	token := twin.DefaultCredentials().SlackToken
	for name, c := range map[string]struct {
		opt    Options
		faults []twin.Fault
		want   string
	}{
		"unknown channel": {Options{Channel: "#revenu"}, nil, `Did you mean "#revenue"?`},
		"unknown id":      {Options{Channel: "C0NOWHERE1"}, nil, "Invite the app"},
		"bad token":       {Options{Token: secret.New("xoxb-wrong")}, nil, "valid bot token"},
		"expired token":   {Options{Token: secret.New(token + "-expired")}, nil, "valid bot token"},
		"not slack":       {Options{Channel: "C0REVENUE1"}, []twin.Fault{{Vendor: "slack", Kind: twin.EmptySuccess}}, "not Slack's"},
		"redirect":        {Options{Channel: "C0REVENUE1"}, []twin.Fault{{Vendor: "slack", Kind: twin.Redirect, Host: "http://evil.example"}}, "evil.example"},
	} {
		w := open(t, c.faults...)
		r, err := w.channel(t, c.opt).Deliver(t.Context(), "k1", doc)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "xoxb-wrong") || strings.Contains(err.Error(), token) {
			t.Errorf("%s: a token in %v", name, err)
		}
		if want := name == "not slack"; (r.Status == receipt.Unknown) != want {
			t.Errorf("%s: %s", name, r.Status)
		}
	}
}

// TestThrottled: what Slack refuses for its limits is sent again after the time it asks for, and arrives once.
func TestThrottled(t *testing.T) {
	w := open(t, twin.Fault{Vendor: "slack", Path: "/api/chat.postMessage", Kind: twin.Status429, Times: 1})
	r, err := w.channel(t, Options{Channel: "C0REVENUE1"}).Deliver(t.Context(), "k1", document(t))
	if err != nil || r.Status != receipt.Delivered {
		t.Fatalf("%+v %v", r, err)
	}
	if parts, _ := w.posted(t); parts["main"] != 1 {
		t.Errorf("parts: %v", parts)
	}
}

func TestMissingScope(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"ok":false,"error":"missing_scope","needed":"chat:write","provided":"identify"}`)
	}))
	defer srv.Close()
	w := &workspace{url: srv.URL}
	r, err := w.channel(t, Options{Channel: "C0REVENUE1"}).Deliver(t.Context(), "k1", document(t))
	if err == nil || !strings.Contains(err.Error(), "Add the scope chat:write") || r.Status != receipt.Rejected || httpx.ClassOf(err) != httpx.Auth {
		t.Errorf("%+v %v", r, err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := open(t)
	r, err := w.channel(t, Options{Channel: "C0REVENUE1"}).Deliver(ctx, "k1", document(t))
	if !errors.Is(err, context.Canceled) || r.Status == receipt.Delivered {
		t.Errorf("%+v %v", r, err)
	}
	if parts, _ := w.posted(t); len(parts) != 0 {
		t.Errorf("parts: %v", parts)
	}
}

func TestMessageGolden(t *testing.T) {
	m := message(document(t), true)
	data, err := json.MarshalIndent(m.blocks, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Sales pipeline, December 2025"`, `"What happened"`, `"50.00 %"`, `"*Win rate*\n50.00 %\n:large_green_circle: ▲ 50.00 %\ntarget 50.00 %: met"`, `"*Empty*\nn/a: no closed deals"`,
		`"Forecast: this section could not be built. "`, `"These relations failed a test and stayed at their last good version: metrics.cac."`} {
		plain := bytes.ReplaceAll(bytes.ReplaceAll(data, []byte(`\u003e`), []byte(">")), []byte(`\u0026`), []byte("&"))
		if !bytes.Contains(plain, []byte(want)) {
			t.Errorf("no %s in\n%s", want, plain)
		}
	}
	if !strings.HasPrefix(m.text, "Sales pipeline, December 2025\nWin rate of N<or>th & *co* is 50.00 %.\n") {
		t.Errorf("text: %q", m.text)
	}
}

func TestOptions(t *testing.T) {
	kind := Kind(excel.Render)
	for name, o := range map[string]Options{
		"address": {Channel: "#a", BaseURL: "slack.com"}, "channel": {Channel: "#A b", BaseURL: "https://slack.com/api"},
		"nothing": {Channel: "#", BaseURL: "https://slack.com/api"}, "pause": {Channel: "#a", BaseURL: "https://slack.com/api", Pause: time.Hour},
	} {
		if err := kind.Check(&o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := kind.Check(&Options{Channel: "G0123456789", BaseURL: "https://slack.com/api"}); err != nil {
		t.Error(err)
	}
}
