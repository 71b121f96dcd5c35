package match

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"millrace/internal/match/matchtest"
)

func peopleSpec() Spec {
	return Spec{Entity: Person, Fields: []Field{{Name: "given", Type: GivenName}, {Name: "surname", Type: Surname}, {Name: "email", Type: Email}, {Name: "phone", Type: Phone}, {Name: "born", Type: Date}, {Name: "house", Type: HouseNumber}, {Name: "street", Type: Street}, {Name: "city", Type: City}, {Name: "post", Type: Postcode}, {Name: "employer", Type: Employer}}}
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func peopleSet(t testing.TB, o matchtest.Options) (*Set, map[string]string) {
	t.Helper()
	s, err := NewSet(peopleSpec())
	if err != nil {
		t.Fatal(err)
	}
	gold := map[string]string{}
	matchtest.People(o, func(r matchtest.Record) {
		gold[r.Key] = r.Person
		err := s.Add(Record{Key: r.Key, Source: r.Source, Values: [][]string{one(r.Given), one(r.Surname), one(r.Email), one(r.Phone), one(r.Born), one(r.House), one(r.Street), one(r.City), one(r.Post), one(r.Employer)}})
		if err != nil {
			t.Fatal(err)
		}
	})
	return s, gold
}

func TestPeopleDev(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("MATCH_PEOPLE"))
	if n == 0 {
		t.Skip("dev")
	}
	for _, o := range []matchtest.Options{{Seed: 1, Records: n, Born: true}, {Seed: 2, Records: n, Shared: 0.15}} {
		s, gold := peopleSet(t, o)
		ctx := context.Background()
		at := time.Now()
		lap := func(what string) {
			t.Logf("%s %.2fs", what, time.Since(at).Seconds())
			at = time.Now()
		}
		s.close()
		lap("close")
		m, err := Train(ctx, s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		lap("train")
		e, err := Score(ctx, s, m, Options{})
		if err != nil {
			t.Fatal(err)
		}
		lap("score")
		c, err := Cluster(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		lap("cluster")
		q := measure(c, gold)
		t.Logf("%+v P %.4f R %.4f F1 %.4f largest %d pairs %d edges %d raised %d refused %d", o, q.precision, q.recall, q.f1, q.largest, e.Pairs, e.Len(), c.Raised, c.Refused)
		shown := 0
		for _, g := range c.Groups {
			in := map[string]bool{}
			for _, r := range g.Records {
				in[gold[r]] = true
			}
			if len(in) > 1 && shown < 12 {
				shown++
				t.Log("MIXED", len(g.Records))
				for _, r := range g.Records {
					t.Log("     ", gold[r], s.show(r))
				}
				for i, a := range g.Records {
					for _, b := range g.Records[i+1:] {
						if gold[a] != gold[b] {
							x, _ := Explain(s, m, Options{}, a, b)
							ws := ""
							for _, w := range x.Weights {
								ws += fmt.Sprintf(" %s:%s %+.1f", w.Comparison, w.Level, w.Bits)
							}
							t.Log("        ", a, b, x.Total, ws)
						}
					}
				}
			}
		}
		for _, r := range m.Relations {
			t.Log(r.Name, r.Prior)
			for _, c := range r.Comparisons {
				t.Logf("    %s %.4f", c.Name, c.Shared)
			}
		}
		for _, b := range e.Blocks {
			t.Logf("%+v", b)
		}
		for _, c := range m.Comparisons {
			for _, l := range c.Levels {
				t.Logf("%s (%.0f)   %-22s m %.5f u %.7f  %+.2f\n", c.Name, c.Pairs, l.Name, l.M, l.U, l.Weight())
			}
		}
	}
}
