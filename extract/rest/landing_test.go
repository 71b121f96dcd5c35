package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/extract/parquet"
	"millrace/extract/sourcetest"
)

func TestConformance(t *testing.T) {
	t.Run("incremental", func(t *testing.T) {
		c := &crm{cap: 20, pageSize: 4}
		for i := 1; i <= 53; i++ {
			c.rows = append(c.rows, crmRow{i, now.Add(-time.Duration(i%7) * time.Hour)})
		}
		b := open(t, c.serve, crmFile, "")
		sourcetest.Run(t, sourcetest.Params{
			Open: func(t *testing.T) extract.Source { return reopen(t, b, crmFile) }, Stream: "people", Rows: 53,
			Change: func(*testing.T) {
				b.at = b.at.Add(time.Hour)
				for i := range c.rows[:30] {
					c.rows[i].changed = b.at.Add(-time.Minute)
				}
			}, Added: 30,
		})
	})
	t.Run("complete", func(t *testing.T) {
		b := open(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Query().Get("after") {
			case "":
				fmt.Fprint(w, pageOf("b", 1, 2, 3))
			case "b":
				fmt.Fprint(w, pageOf("c", 4, 5))
			default:
				fmt.Fprint(w, `{"data":[{"id":6,"new":true},7]}`)
			}
		}, thingsFile, "")
		sourcetest.Run(t, sourcetest.Params{Open: func(t *testing.T) extract.Source { return reopen(t, b, thingsFile) }, Stream: "things", Rows: 7})
	})
	t.Run("report by days", func(t *testing.T) {
		p := &report{cost: map[string]string{}}
		b := open(t, p.serve, reportFile, "")
		sourcetest.Run(t, sourcetest.Params{Open: func(t *testing.T) extract.Source { return reopen(t, b, reportFile) }, Stream: "daily", Rows: 54,
			Change: func(*testing.T) { b.at = b.at.AddDate(0, 0, 1); p.cost["2026-03-01"] = "9.75" }, Added: 2})
	})
}

func reopen(t *testing.T, b *bed, file string) extract.Source {
	t.Helper()
	s, err := b.open(mustLoad(t, file, b.srv.URL), "allow_private: true\ntoken: "+apiToken, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A look-back lands only the days that changed.
func TestUnchangedDaysAreNotLandedAgain(t *testing.T) {
	p := &report{cost: map[string]string{}}
	b := open(t, p.serve, reportFile, "")
	g := read(b, "daily", landing.Checkpoint{})
	same := read(b, "daily", g.last)
	if same.err != nil || len(same.rows) != 0 || string(same.last.State) != string(g.last.State) {
		t.Fatalf("%d rows again, %v\n%s\n%s", len(same.rows), same.err, g.last.State, same.last.State)
	}
	b.at = now.AddDate(0, 0, 1)
	p.cost["2026-02-20"], p.cost["2026-03-05"] = "3.25", "4.25"
	next := read(b, "daily", same.last)
	var days []string
	for _, r := range next.rows {
		days = append(days, r["day"].(time.Time).Format(time.DateOnly)+"="+fmt.Sprint(r["cost"]))
	}
	if got := strings.Join(days, " "); got != "2026-02-20=3.25 2026-03-05=4.25 2026-03-10=1.50" || next.err != nil {
		t.Errorf("landed %s, %v", got, next.err)
	}
	if n := strings.Count(string(next.last.State), `"2026-`); n > 40 {
		t.Errorf("the state grows: %d days", n)
	}
}

// The whole way: what a run lands, that a second run with nothing changed lands nothing, and what a failed stream does to
// the others.
func TestRunAndRunAgain(t *testing.T) {
	names := map[int]string{1: "a", 2: "b", 3: "c"}
	down := false
	file := head + `
resources:
  things:
    primary_key: [id]
    data_selector: data
    endpoint: {path: /things}
    paginator: {type: single_page}
    columns: {id: BIGINT, name: {type: VARCHAR, pii: name, path: props.label}}
  daily:
    primary_key: [day]
    data_selector: rows
    endpoint: {path: /report, params: {from: "{incremental.start | date}", to: "{incremental.end | date}"}}
    paginator: {type: single_page}
    incremental: {cursor_path: day, type: date, initial_value: "2026-01-15", end: yesterday, lag: 30d}
    columns: {day: DATE, cost: "DECIMAL(18,4)"}
`
	p := &report{cost: map[string]string{}}
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case down && r.URL.Path == "/report":
			w.WriteHeader(503)
		case r.URL.Path == "/report":
			p.serve(w, r)
		default:
			rows := []any{}
			for i := 1; i <= len(names); i++ {
				rows = append(rows, map[string]any{"id": i, "props": map[string]any{"label": names[i]}, "noise": true})
			}
			answer(w, map[string]any{"data": rows})
		}
	}, file, "")
	dir := t.TempDir()
	lander := parquet.New(parquet.Options{Dir: dir, Now: time.Now})
	defer lander.Close()
	run := func(what, want string) {
		t.Helper()
		res := extract.Run(context.Background(), extract.RunParams{Sources: []extract.Sourced{{Name: "crm", Source: b.Source}}, Lander: lander, RunID: "r", Now: time.Now})
		var got []string
		for _, s := range res.Streams {
			line := fmt.Sprintf("%s %d/%d", s.Stream, s.Rows, len(s.Loads))
			if s.Unchanged {
				line += " unchanged"
			}
			if s.Err != nil {
				line += " failed"
				wantError(t, s.Err, "", "crm.daily", "503", "Run again later")
			}
			got = append(got, line)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %s, want %s", what, strings.Join(got, ", "), want)
		}
	}
	run("first", "daily 54/1, things 3/1")
	// What landed is in its typed columns; only what no column names is in _extra.
	m, _, err := lander.Last(context.Background(), "crm", "things")
	if err != nil || m.Quarantined != 0 || len(m.Schema.Columns) != 2 || m.Schema.Columns[1].PII != "name" {
		t.Fatalf("%+v %v", m.Schema, err)
	}
	type thing struct {
		ID    int64   `parquet:"id,optional"`
		Name  string  `parquet:"name,optional"`
		Extra *string `parquet:"_extra,optional"`
	}
	rows, err := pq.ReadFile[thing](filepath.Join(m.Dir, m.Files[0].Name))
	if err != nil || len(rows) != 3 || rows[1].ID != 2 || rows[1].Name != "b" || rows[1].Extra == nil || *rows[1].Extra != `{"noise":true}` {
		t.Errorf("%+v %v", rows, err)
	}
	run("again", "daily 0/0, things 0/0 unchanged")
	names[2] = "bb"
	down = true
	run("one down", "daily 0/0 failed, things 3/1")
	down = false
	b.at = b.at.AddDate(0, 0, 1)
	p.cost["2026-03-01"] = "8.25"
	run("next day", "daily 2/1, things 0/0 unchanged")
}
