package e2e

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// killNine kills `run` of one of two equal projects at seeded moments of every stage, several times a day, and runs it
// again. Day after day its vendors and its warehouse hold what those of the undisturbed project hold.
func (l *loop) killNine(t *testing.T) {
	if !soak() {
		t.Skip("whole runs over the vendors are killed in `make soak`; every step of an apply and of a build is killed in `make check`")
	}
	t.Parallel()
	kills, days := 8, 3
	if soak() {
		kills, days = 40, 10
	}
	calm, rough := filepath.Join(t.TempDir(), "calm"), filepath.Join(t.TempDir(), "rough")
	for from, to := range map[string]string{l.calm: calm, l.fresh: rough} {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	keepOnFailure(t, calm, rough)
	calmVendors, roughVendors := serveVendors(t, calm), serveVendors(t, rough)
	rng := rand.New(rand.NewPCG(3, 1)) // seeded: the same moments each time, as far as the machine allows

	order := []int{1, 4, 6, 0, 3, 5, 2, 7} // of stages; three fall on the first day, three on the second, two on a Monday
	killed, total := map[string]int{}, 0
	for i := range days {
		day := firstDay.AddDate(0, 0, i)
		if i == days-1 && i < 7 {
			day = firstDay.AddDate(0, 0, 7) // a Monday again: the report is due
		}
		args := []string{"run", "--target", "prod", "--now", at9(day)}
		stages := l.day.stages
		if i > 0 { // its first day was calm already
			stages, _ = watch(t, calm, args...)
		}
		left := (kills - total + days - i - 1) / (days - i)
		for tries := 0; left > 0 && tries < 3*kills; tries++ {
			s := stages[0] // always reached, also when the day's work is done
			if n := order[total%len(order)]; tries <= kills/days && n < len(stages) {
				s = stages[n]
			}
			if killDuring(t, rough, s, rng.Float64(), args...) {
				killed[s.name]++
				total++
				left--
			}
		}
		must(t, rough, nil, args...)
		t.Logf("%s: killed %v so far", day.Format(time.DateOnly), killed)

		if want, got := calmVendors.digest(), roughVendors.digest(); want != got {
			t.Errorf("%s: the vendors of the killed project hold something else: %v, undisturbed %v", day.Format(time.DateOnly), roughVendors.objects(), calmVendors.objects())
		}
		want, got := relationDigests(t, calm), relationDigests(t, rough)
		for name := range want {
			if want[name] != got[name] {
				t.Errorf("%s: %s differs from the undisturbed project", day.Format(time.DateOnly), name)
			}
		}
		if want, got := sentAndPlanned(t, calm), sentAndPlanned(t, rough); !slices.Equal(want, got) {
			t.Errorf("%s: plans and rows\n%.2000s\nundisturbed\n%.2000s", day.Format(time.DateOnly), strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		nothingLostNorDoubled(t, rough, roughVendors)
		if want, got := calmVendors.posts(), roughVendors.posts(); !slices.Equal(want, got) || len(want) == 0 {
			t.Errorf("%s: posted in Slack\n%q\nundisturbed\n%q", day.Format(time.DateOnly), got, want)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	if total < kills {
		t.Errorf("%d kills of %d", total, kills)
	}
}

// stage is a part of a run that begins when the run has told a line, the nth that begins with a word.
type stage struct {
	name, word   string
	nth          int
	after, lasts time.Duration // of the run that was watched; the stage begins after the line, by that long
}

// marks are the stages of a run by the line after which each begins.
var marks = []stage{
	{name: "extract", word: "millrace", nth: 1},
	{name: "build", word: "extract", nth: 1},
	{name: "publish", word: "build", nth: 1},
	{name: "decide", word: "publish", nth: 1},
	{name: "plan and apply", word: "decide", nth: 1},
	{name: "apply", word: "sync", nth: 1},
	{name: "operations", word: "sync", nth: 2},
	{name: "report", word: "publish", nth: 3}, // of a run that was resumed it may be the second
}

// follow runs a command and calls each as soon as a line of a word appears, with how often the word began a line.
func follow(t testing.TB, dir string, started func(kill func()), each func(word string, nth int), args ...string) (code int, out string) {
	t.Helper()
	c := command(dir, nil, args...)
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs, told bytes.Buffer
	c.Stderr = &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	started(func() { _ = c.Process.Kill() }) // SIGKILL: no handler runs
	seen := map[string]int{}
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		told.WriteString(lines.Text() + "\n")
		if f := strings.Fields(lines.Text()); len(f) > 0 {
			seen[f[0]]++
			each(f[0], seen[f[0]])
		}
	}
	err = c.Wait()
	if err == nil {
		return 0, told.String()
	}
	return c.ProcessState.ExitCode(), told.String() + errs.String()
}

// watch runs a command that must succeed and tells when its stages began and how long each lasted.
func watch(t testing.TB, dir string, args ...string) (stages []stage, said string) {
	t.Helper()
	var out []stage
	var began []time.Time
	code, said := follow(t, dir, func(func()) {}, func(word string, nth int) {
		for _, m := range marks {
			if m.word == word && m.nth == nth {
				out, began = append(out, m), append(began, time.Now())
			}
		}
	}, args...)
	if code != 0 {
		t.Fatalf("millrace %s: exit %d\n%s", strings.Join(args, " "), code, said)
	}
	began = append(began, time.Now())
	for i := range out {
		out[i].lasts = began[i+1].Sub(began[i])
		if out[i].name == "report" && i > 0 { // by the line before, which every run tells
			out[i].word, out[i].nth, out[i].after = out[i-1].word, out[i-1].nth, out[i-1].lasts
		}
	}
	return out, said
}

// killDuring starts a command and kills it at a share of a stage; it reports whether it was killed before it ended.
func killDuring(t testing.TB, dir string, s stage, share float64, args ...string) bool {
	t.Helper()
	var kill func()
	var timer *time.Timer
	code, said := follow(t, dir, func(k func()) { kill = k }, func(word string, nth int) {
		if word == s.word && nth == s.nth {
			timer = time.AfterFunc(s.after+time.Duration(share*float64(s.lasts)), kill)
		}
	}, args...)
	if timer != nil {
		timer.Stop()
	}
	if code > 0 {
		t.Fatalf("millrace %s: exit %d\n%s", strings.Join(args, " "), code, said)
	}
	return code < 0 // ended by a signal
}
