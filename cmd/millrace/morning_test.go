package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"millrace/internal/twin/store"
)

// portal gives what the CRM's people see: every contact with its properties.
func (l *lab) portal() map[string]string {
	out := map[string]string{}
	l.tw.View(func(s *store.State) {
		t := s.CRM.Table("contacts")
		recs, _ := t.After(0, 100_000, false)
		for _, r := range recs {
			var parts []string
			for _, p := range []string{"email", "firstname", "lastname", "company", "jobtitle", "lifecyclestage", "lead_score", "next_step"} {
				v, _ := t.Value(r, p)
				parts = append(parts, p+"="+v)
			}
			key, _ := t.Value(r, "email")
			out[strings.ToLower(key)] = strings.Join(parts, " ")
		}
	})
	return out
}

// A morning that goes wrong twice. A mapping mistake that would blank a third of a field is stopped at plan, with the reason;
// a mistaken sync that did go out is taken back, and the CRM is as it was, except what people edited since, which is listed.
func TestAMorningThatGoesWrong(t *testing.T) {
	l := newLab(t)
	for _, step := range [][]string{{"build"}, {"decide"}, {"build"}} {
		l.must(step...)
	}
	p := l.plan("scores")
	l.must("approve", p.ID)
	l.must("apply", p.ID)
	before := l.portal()

	// Four of twelve next steps become empty.
	sql := l.read("sql/segments/hot.sql")
	l.write("sql/segments/hot.sql", strings.Replace(sql, "decisions.choice as next_step", "case when (scores.score // 3) % 3 = 0 then null else decisions.choice end as next_step", 1))
	l.must("build")
	page := filepath.Join(t.TempDir(), "plans.html")
	out := l.must("plan", "scores", "--html", page)
	for _, want := range []string{"STOP  next_step would become empty in 4 of the 12 rows in which we wrote it (33.3 %); more than 25 is never sent", "Stopped: nobody can approve this"} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
	html, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(html), "stopped by its limits") || !strings.Contains(string(html), "next_step would become empty in 4 of the 12") || strings.Contains(string(html), "lead0") {
		t.Errorf("the page: %v\n%s", err, html)
	}
	stopped := l.plan("scores")
	l.fails(2, "next_step would become empty", "approve", stopped.ID, "--by", "the boss")
	l.fails(2, "is blocked", "apply", stopped.ID)
	if !maps.Equal(before, l.portal()) {
		t.Fatal("something was sent")
	}
	l.write("sql/segments/hot.sql", sql)
	l.must("build")

	// This mistake passes: every score is one too high, and somebody waves it through.
	l.leads(12, 1)
	l.must("build")
	wrong := l.plan("scores")
	l.must("approve", wrong.ID, "--by", "bob")
	l.must("apply", wrong.ID)
	if maps.Equal(before, l.portal()) {
		t.Fatal("nothing was sent")
	}
	edited := map[string]bool{}
	for _, i := range []int{3, 7} {
		key := fmt.Sprintf("lead%02d@lab.example", i)
		edited[key] = true
		l.call("PATCH", "/crm/v3/objects/contacts/"+key+"?idProperty=email", `{"properties":{"lead_score":"1"}}`)
	}
	out = l.must("undo", wrong.ID, "--yes", "--by", "bob", "--reason", "off by one")
	if !strings.Contains(out, "2 records were changed by somebody since; those values stand") || strings.Count(out, "lead_score\n") < 2 {
		t.Errorf("the undo does not list what people edited:\n%s", out)
	}
	after := l.portal()
	var differ []string
	for key, v := range before {
		if after[key] != v {
			differ = append(differ, key)
		}
	}
	if want := slices.Sorted(maps.Keys(edited)); !slices.Equal(slices.Sorted(slices.Values(differ)), want) || len(after) != len(before) {
		t.Errorf("different from before: %v, want %v", differ, want)
	}

	// Who asks what happened to one of them is told: by whom, by which plan, and what came back.
	out = l.must("activate", "log", "--person", "lead05@lab.example")
	for _, want := range []string{"restore l•••@l•••.example", "update l•••@l•••.example", "taken back since", "approved by bob (person)", "took "} {
		if !strings.Contains(strings.Replace(out, "upsert", "update", -1), want) {
			t.Errorf("the log does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "lead05") {
		t.Errorf("the log holds a person:\n%s", out)
	}
	l.fails(2, `Did you mean "rejected"`, "activate", "log", "--state", "rejectd")
	l.fails(2, "--arrived or --not-arrived", "activate", "settle", "scores")
}

func (l *lab) read(path string) string {
	l.t.Helper()
	b, err := os.ReadFile(filepath.Join(l.dir, path))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(b)
}

// A sync with a schedule is planned when it comes round, and the question that waits is asked once.
func TestScheduleAndAsking(t *testing.T) {
	l := newLab(t)
	file := l.read("activate/scores.yml")
	l.write("activate/scores.yml", strings.Replace(file, "relation:", "schedule: \"0 6 * * 1\"\nrelation:", 1)) // Mondays; 2026-03-02 is one
	asked := filepath.Join(t.TempDir(), "asked")
	l.write("millrace.yml", "version: 1\nname: lab\nalerts: {on_waiting: [sh, -c, \"cat >> "+asked+"\"]}\n")
	l.must("build")
	l.fails(0, "waits for a person", "run")
	l.fails(0, "next due at 2026-03-09 06:00 UTC", "run", "--now", "2026-03-03T06:00:00Z")
	text, err := os.ReadFile(asked)
	if err != nil || strings.Count(string(text), "scores wants to change hubspot.") != 1 || !strings.Contains(string(text), "Without an answer by 2026-03-03 06:00 UTC it lapses, and nothing is sent.") {
		t.Errorf("asked: %v\n%s", err, text)
	}
	l.fails(0, "waits for a person", "run", "--now", "2026-03-09T06:00:00Z")
	l.write("activate/audience.yml", strings.Replace(l.read("activate/audience.yml"), "relation:", "schedule: \"0 6 * * 1\"\nrelation:", 1))
	l.fails(2, "who opts out must leave an audience with the next run", "plan")
}
