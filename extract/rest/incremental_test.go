package rest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"millrace/extract/landing"
	"millrace/internal/httpx"
)

// crm is a simulated CRM with a list call (by id, no filter) and a search call (filters on change time and id, sorted by id,
// capped), as HubSpot has them.
type crm struct {
	rows     []crmRow
	cap      int // rows that one query gives
	pageSize int
	searches int
	lists    int
}

type crmRow struct {
	id      int
	changed time.Time
}

func (c *crm) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/list" {
		c.lists++
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		c.page(w, c.rows, after, func(x crmRow) bool { return x.id > after }, func(out []crmRow) string { return fmt.Sprint(out[len(out)-1].id) })
		return
	}
	c.searches++
	var q struct {
		From, To int64
		AfterID  string `json:"after_id"`
		After    int    `json:"after,string"`
		Limit    int
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		w.WriteHeader(400)
		return
	}
	if q.After+c.pageSize > c.cap {
		w.WriteHeader(400)
		answer(w, map[string]any{"message": "beyond the cap"})
		return
	}
	afterID, _ := strconv.Atoi(q.AfterID)
	var hit []crmRow
	for _, x := range c.rows {
		if ms := x.changed.UnixMilli(); ms >= q.From && ms < q.To && x.id > afterID {
			hit = append(hit, x)
		}
	}
	sort.Slice(hit, func(i, j int) bool { return hit[i].id < hit[j].id })
	end := min(q.After+c.pageSize, len(hit))
	out := map[string]any{"results": render(hit[min(q.After, len(hit)):end])}
	if end < len(hit) {
		out["paging"] = map[string]any{"next": map[string]any{"after": fmt.Sprint(end)}}
	}
	answer(w, out)
}

func (c *crm) page(w http.ResponseWriter, rows []crmRow, _ int, keep func(crmRow) bool, token func([]crmRow) string) {
	var hit []crmRow
	for _, x := range rows {
		if keep(x) {
			hit = append(hit, x)
		}
	}
	sort.Slice(hit, func(i, j int) bool { return hit[i].id < hit[j].id })
	out := map[string]any{}
	if len(hit) > c.pageSize {
		hit = hit[:c.pageSize]
		out["paging"] = map[string]any{"next": map[string]any{"after": token(hit)}}
	}
	out["results"] = render(hit)
	answer(w, out)
}

func render(rows []crmRow) []any {
	out := []any{}
	for _, x := range rows {
		out = append(out, map[string]any{"id": fmt.Sprint(x.id), "properties": map[string]any{"changed": x.changed.Format(time.RFC3339Nano), "note": ""}})
	}
	return out
}

const crmFile = head + `
resources:
  people:
    primary_key: [id]
    data_selector: results
    endpoint:
      method: POST
      path: /search
      json: {from: "{incremental.start | unix_ms}", to: "{incremental.end | unix_ms}", after_id: "{split.after}", after: "0"}
    paginator: {type: cursor, in: json, cursor_path: paging.next.after, cursor_param: after}
    split_on_limit: {max_results: 20, key_path: id}
    initial:
      endpoint: {path: /list}
      paginator: {type: cursor, cursor_path: paging.next.after, cursor_param: after, resumable: true}
    incremental: {cursor_path: properties.changed, initial_value: "2020-01-01", lag: 1m}
    columns:
      id: VARCHAR
      changed: {type: TIMESTAMP, path: properties.changed}
`

// More rows share one change time than a page holds, than a query gives, and than a second brings: all are read.
func TestTiesAndCaps(t *testing.T) {
	c := &crm{cap: 20, pageSize: 4}
	tie := now.Add(-time.Hour)
	for i := 1; i <= 97; i++ {
		c.rows = append(c.rows, crmRow{i, tie})
	}
	b := open(t, c.serve, crmFile, "")
	first := read(b, "people", landing.Checkpoint{})
	if first.err != nil || len(first.rows) != 97 || c.searches != 0 {
		t.Fatalf("%d rows, %d searches, %v", len(first.rows), c.searches, first.err)
	}
	// A bulk edit gives 90 of them one new time.
	b.at = now.Add(time.Hour)
	for i := range c.rows[:90] {
		c.rows[i].changed = now.Add(30 * time.Minute)
	}
	second := read(b, "people", first.last)
	if second.err != nil || len(second.rows) != 90 || c.searches < 23 {
		t.Fatalf("%d rows, %d searches, %v", len(second.rows), c.searches, second.err)
	}
	b.at = now.Add(2 * time.Hour)
	third := read(b, "people", second.last)
	if third.err != nil || len(third.rows) != 0 || third.last.IsZero() {
		t.Fatalf("%d rows, %v", len(third.rows), third.err)
	}
}

// However often a read is interrupted, and whatever changes meanwhile, every row's last state is read: repeated perhaps,
// never skipped (P1).
func TestInterruptedReadsSkipNothing(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 7))
		c := &crm{cap: 20, pageSize: 1 + rng.IntN(7)}
		for i := 1; i <= 30+rng.IntN(60); i++ {
			c.rows = append(c.rows, crmRow{i, now.Add(-time.Duration(rng.IntN(1000)) * time.Hour)})
		}
		b := open(t, c.serve, crmFile, "")
		seen := map[string]string{}
		var from landing.Checkpoint
		for run := 0; run < 60; run++ {
			stop := 1 + rng.IntN(6)
			if run > 40 {
				stop = 1 << 30
			}
			g := readSome(b, "people", from, stop)
			if g.err != nil {
				t.Fatal(g.err)
			}
			// Only what a committed checkpoint covers counts; rows after it are given up by the lander.
			covered := 0
			if !g.last.IsZero() {
				from = g.last
				covered = len(g.rows)
			}
			for _, r := range g.rows[:covered] {
				seen[r["id"].(string)] = r["changed"].(time.Time).Format(time.RFC3339Nano)
			}
			if run < 40 {
				b.at = b.at.Add(time.Duration(rng.IntN(30)) * time.Minute)
				for range rng.IntN(4) { // changes happen up to the present, some to several rows at one instant
					at := b.at.Add(-time.Duration(rng.IntN(40)) * time.Second)
					for range 1 + rng.IntN(5) {
						c.rows[rng.IntN(len(c.rows))].changed = at
					}
				}
				if rng.IntN(3) == 0 {
					c.rows = append(c.rows, crmRow{len(c.rows) + 1, b.at.Add(-time.Second)})
				}
			} else {
				b.at = b.at.Add(time.Hour)
			}
		}
		for _, x := range c.rows {
			if seen[fmt.Sprint(x.id)] != x.changed.Format(time.RFC3339Nano) {
				t.Fatalf("seed %d: row %d: read as of %q, is %s", seed, x.id, seen[fmt.Sprint(x.id)], x.changed.Format(time.RFC3339Nano))
			}
		}
	}
}

// A stored page that the vendor no longer takes costs a repetition, not the stream.
func TestStoredPageRefused(t *testing.T) {
	c := &crm{cap: 20, pageSize: 3}
	for i := 1; i <= 10; i++ {
		c.rows = append(c.rows, crmRow{i, now.Add(-time.Hour)})
	}
	refuse := false
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		if refuse && r.URL.Query().Get("after") == "6" {
			refuse = false
			w.WriteHeader(400)
			return
		}
		c.serve(w, r)
	}, crmFile, "")
	g := readSome(b, "people", landing.Checkpoint{}, 2)
	refuse = true
	rest := read(b, "people", g.last)
	if rest.err != nil || len(rest.rows) != 10 {
		t.Errorf("%d rows, %v", len(rest.rows), rest.err)
	}
}

const ascendingFile = head + `
resources:
  events:
    primary_key: [id]
    data_selector: data
    endpoint: {path: /events, params: {since: "{incremental.start | iso}"}}
    paginator: {type: page_number, page_param: page, limit: 3, short_page_ends: true}
    incremental: {cursor_path: at, initial_value: "2026-01-01", order: ascending}
    columns: {id: BIGINT, at: TIMESTAMP}
`

func TestAscendingCheckpoints(t *testing.T) {
	var times []time.Time
	for _, m := range []int{0, 1, 1, 1, 1, 1, 1, 2, 3, 3} { // six ties over two pages
		times = append(times, now.Add(time.Duration(m-60)*time.Minute))
	}
	swap := false
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		since, err := time.Parse(time.RFC3339Nano, r.URL.Query().Get("since"))
		if err != nil {
			w.WriteHeader(400)
			return
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("page"))
		out := []any{}
		for i, at := range times {
			if !at.Before(since) {
				out = append(out, map[string]any{"id": i, "at": at.Format(time.RFC3339)})
			}
		}
		if swap {
			slices.Reverse(out)
		}
		out = out[min((n-1)*3, len(out)):min(n*3, len(out))]
		answer(w, map[string]any{"data": out})
	}, ascendingFile, "")
	for stop := 1; stop <= 4; stop++ {
		g := readSome(b, "events", landing.Checkpoint{}, stop)
		rest := read(b, "events", g.last)
		seen := map[any]bool{}
		for _, r := range append(g.rows, rest.rows...) {
			seen[r["id"]] = true
		}
		if g.err != nil || rest.err != nil || len(seen) != len(times) {
			t.Errorf("stopped after %d: %d of %d rows, %v %v", stop, len(seen), len(times), g.err, rest.err)
		}
		if stop > 1 && len(rest.rows) == len(times) {
			t.Errorf("stopped after %d: read everything again", stop)
		}
	}
	// A row with a clock in the future does not move the position past rows to come.
	times = append(times, now.Add(1000*time.Hour))
	g := read(b, "events", landing.Checkpoint{})
	times = append(times[:len(times)-1], now.Add(time.Minute), now.Add(1000*time.Hour))
	b.at = now.Add(time.Hour)
	if g = read(b, "events", g.last); !slices.ContainsFunc(g.rows, func(r map[string]any) bool { return r["at"] == now.Add(time.Minute) }) {
		t.Errorf("the row after the one from the future was skipped: %v", g.rows)
	}
	swap = true
	wantError(t, read(b, "events", landing.Checkpoint{}).err, "", "not in ascending order of at", "Sort them in the request")
}

const reportFile = head + `
resources:
  daily:
    primary_key: [day]
    data_selector: rows
    data_missing: empty
    endpoint: {path: /report, params: {from: "{incremental.start | date}", to: "{incremental.end | date}"}}
    paginator: {type: single_page}
    incremental: {cursor_path: day, type: date, initial_value: "2026-01-15", end: yesterday, lag: 30d, step: 14d, zone: "{config.zone}"}
    columns: {day: DATE, cost: "DECIMAL(18,4)"}
`

// report is a day-by-day report whose figures can be restated.
type report struct {
	cost  map[string]string
	calls []string
}

func (p *report) serve(w http.ResponseWriter, r *http.Request) {
	from, _ := time.Parse(time.DateOnly, r.URL.Query().Get("from"))
	to, _ := time.Parse(time.DateOnly, r.URL.Query().Get("to"))
	p.calls = append(p.calls, r.URL.Query().Get("from")+".."+r.URL.Query().Get("to"))
	out := []any{}
	for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
		day := d.Format(time.DateOnly)
		cost, ok := p.cost[day]
		if !ok {
			cost = "1.50"
		}
		out = append(out, map[string]any{"day": day, "cost": json.Number(cost)})
	}
	answer(w, map[string]any{"rows": out})
}

func (g got) days() (first, last string, n int) {
	var days []string
	for _, r := range g.rows {
		days = append(days, r["day"].(time.Time).Format(time.DateOnly))
	}
	sort.Strings(days)
	if len(days) == 0 {
		return "", "", 0
	}
	return days[0], days[len(days)-1], len(days)
}

func TestDateWindowsAndLookBack(t *testing.T) {
	p := &report{cost: map[string]string{}}
	b := open(t, p.serve, reportFile, "")
	g := read(b, "daily", landing.Checkpoint{})
	if f, l, n := g.days(); g.err != nil || f != "2026-01-15" || l != "2026-03-09" || n != 54 || len(g.points) != 4 {
		t.Fatalf("%s %s %d, %d points, %v", f, l, n, len(g.points), g.err)
	}
	if want := "2026-01-15..2026-01-28 2026-01-29..2026-02-11 2026-02-12..2026-02-25 2026-02-26..2026-03-09"; strings.Join(p.calls, " ") != want {
		t.Errorf("windows %v", p.calls)
	}
	// Stopped after two windows: the rest follows, nothing is missed.
	part := readSome(b, "daily", landing.Checkpoint{}, 4)
	if f, l, _ := read(b, "daily", part.last).days(); f > "2026-02-12" || l != "2026-03-09" {
		t.Errorf("resumed %s..%s", f, l)
	}
	// The next day one day of three weeks ago is restated.
	b.at = now.AddDate(0, 0, 1)
	p.cost["2026-02-17"] = "7.25"
	p.calls = nil
	g2 := read(b, "daily", g.last)
	if g2.err != nil || p.calls[0][:10] != "2026-02-08" {
		t.Fatalf("looked back to %v, %v", p.calls, g2.err)
	}
	var restated bool
	for _, r := range g2.rows {
		restated = restated || r["cost"] == json.Number("7.25")
	}
	if _, l, _ := g2.days(); !restated || l != "2026-03-10" {
		t.Errorf("restated day read: %v, last %s", restated, l)
	}
	// The account's zone decides which day yesterday is.
	b.at = time.Date(2026, 3, 12, 2, 0, 0, 0, time.UTC)
	src, err := b.open(mustLoad(t, reportFile, b.srv.URL), "allow_private: true\ntoken: x1234\nzone: America/New_York", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, l, _ := read(src, "daily", g2.last).days(); l != "" && l != "2026-03-10" {
		t.Errorf("last day in New York: %s", l)
	}
}

func TestBackfillLeavesThePosition(t *testing.T) {
	p := &report{cost: map[string]string{}}
	b := open(t, p.serve, reportFile, "")
	g := read(b, "daily", landing.Checkpoint{})
	type backfiller interface {
		Backfill(stream string, last landing.Checkpoint, from, to time.Time) (landing.Checkpoint, error)
	}
	day := func(s string) time.Time { d, _ := time.Parse(time.DateOnly, s); return d }
	cp, err := b.Source.(backfiller).Backfill("daily", g.last, day("2025-06-01"), day("2025-07-04"))
	if err != nil {
		t.Fatal(err)
	}
	part := readSome(b, "daily", cp, 2) // interrupted after the first window
	rest := read(b, "daily", part.last)
	all := got{rows: append(part.rows, rest.rows...)}
	if f, l, n := all.days(); f != "2025-06-01" || l != "2025-07-04" || n != 34 || rest.err != nil {
		t.Errorf("%s..%s %d %v", f, l, n, rest.err)
	}
	if string(rest.last.State) != string(g.last.State) {
		t.Errorf("position moved:\n%s\n%s", rest.last.State, g.last.State)
	}
	if _, err := b.Source.(backfiller).Backfill("daily", g.last, day("2025-07-01"), day("2025-06-01")); err == nil {
		t.Error("a range that ends before it begins was taken")
	}
}

func TestCorruptState(t *testing.T) {
	b := open(t, nil, reportFile, "")
	for _, c := range []landing.Checkpoint{{Version: 99}, {Version: 1, State: []byte(`{`)}, {Version: 1, State: []byte(`{"cursor":"soon"}`)}} {
		wantError(t, read(b, "daily", c).err, "", "position")
	}
}

// A number as cursor: one pass in its order, strictly behind the last value where the API leaves it out.
func TestNumberCursor(t *testing.T) {
	top := 10
	var asked []string
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("gt"))
		from, _ := strconv.Atoi(r.URL.Query().Get("gt"))
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		out := []any{}
		for i := max(from, after) + 1; i <= top && len(out) < 4; i++ {
			out = append(out, map[string]any{"id": i})
		}
		a := map[string]any{"data": out}
		if len(out) == 4 {
			a["next"] = out[3].(map[string]any)["id"]
		}
		answer(w, a)
	}, head+`
resources:
  logs:
    primary_key: [id]
    data_selector: data
    endpoint: {path: /logs, params: {gt: "{incremental.start}"}}
    paginator: {type: cursor, cursor_path: next, cursor_param: after}
    incremental: {cursor_path: id, type: integer, initial_value: "0", order: ascending, exclusive: true}
    columns: {id: BIGINT}
`, "")
	g := readSome(b, "logs", landing.Checkpoint{}, 2)
	rest := read(b, "logs", g.last)
	if g.ids()+" "+rest.ids() != "1 2 3 4 5 6 7 8 8 9 10" || rest.err != nil {
		t.Errorf("%s | %s %v", g.ids(), rest.ids(), rest.err)
	}
	top = 12
	if g := read(b, "logs", rest.last); g.ids() != "10 11 12" {
		t.Errorf("%s (asked %v)", g.ids(), asked)
	}
}

func TestSplitNeedsOrder(t *testing.T) {
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]any{"results": []any{map[string]any{"id": "5", "properties": map[string]any{}}, map[string]any{"id": "-3", "properties": map[string]any{}}}})
	}, crmFile, "")
	g := read(b, "people", landing.Checkpoint{Version: 1, State: []byte(`{"cursor":"2026-03-01T00:00:00Z"}`)})
	wantError(t, g.err, "", "do not come in the order of id")
	_ = httpx.Transient
}

// Positions that earlier runs stored are read as they were meant: this is their format, which must not change silently.
func TestStoredPositions(t *testing.T) {
	c := &crm{cap: 20, pageSize: 4}
	for i := 1; i <= 12; i++ {
		c.rows = append(c.rows, crmRow{i, now.Add(-time.Duration(i) * time.Hour)})
	}
	b := open(t, c.serve, crmFile, "")
	for state, want := range map[string]string{
		`{"cursor":"2026-03-10T08:30:00Z"}`: "1 2 3", // and one minute of look-back
		`{"cursor":"2026-03-10T08:30:00Z","open":{"start":"2026-03-10T00:00:00Z","end":"2026-03-10T12:00:00Z","split":"9","last":true}}`: "10 11 12",
		`{"open":{"start":"2020-01-01T00:00:00Z","end":"2026-03-10T12:00:00Z","page":"8","full":true,"last":true}}`:                      "9 10 11 12",
		`{"cursor":"2026-03-10T08:30:00Z","backfill":{"from":"2026-03-10T00:00:00Z","to":"2026-03-10T02:30:00Z"}}`:                       "10 11 12",
	} {
		g := read(b, "people", landing.Checkpoint{Version: 1, State: []byte(state)})
		if g.err != nil || g.ids() != want {
			t.Errorf("%s: read %q, want %q, %v", state, g.ids(), want, g.err)
		}
	}
}
