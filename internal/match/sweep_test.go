package match

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"millrace/internal/match/matchtest"
)

func TestSweep(t *testing.T) {
	if os.Getenv("MATCH_SWEEP") == "" {
		t.Skip("dev")
	}
	type data struct {
		name string
		s    *Set
		gold map[string]string
	}
	var all []data
	add := func(name string, s *Set, gold map[string]string) { all = append(all, data{name, s, gold}) }
	s, g := readCSV(t, filepath.Join(identityData(), "febrl3.csv"), febrlTypes("soc_sec_id", "date_of_birth"), "rec_id", febrlTruth)
	add("febrl3na", s, g)
	s, g = readCSV(t, filepath.Join(identityData(), "fake_1000.csv"), map[string]Type{"first_name": GivenName, "surname": Surname, "dob": Date, "city": City, "email": Email}, "unique_id", func(r map[string]string) string { return r["cluster"] })
	add("fake", s, g)
	s, g = peopleSet(t, matchtest.Options{Seed: 1, Records: 20000, Born: true})
	add("people1", s, g)
	s, g = peopleSet(t, matchtest.Options{Seed: 2, Records: 20000, Shared: 0.15})
	add("people2", s, g)
	for _, d := range all {
		m, err := Train(context.Background(), d.s, Options{Log: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s contradicted %.3f relations %d rounds %d", d.name, m.contradicted(comparisons(d.s.close())), len(m.Relations), m.Rounds)
		for _, cut := range []float64{0} {
			for _, guard := range []float64{-4, -3, -2} {
				res, err := Resolve(context.Background(), d.s, m, Options{Cut: cut, Guard: &guard})
				if err != nil {
					t.Fatal(err)
				}
				q := measure(res.Clusters, d.gold)
				t.Logf("%-9s cut %+.0f guard %+.0f P %.4f R %.4f F1 %.4f largest %d", d.name, cut, guard, q.precision, q.recall, q.f1, q.largest)
			}
		}
	}
}
