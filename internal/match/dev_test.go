package match

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// development aid: MATCH_DEV=file prints errors
func TestDev(t *testing.T) {
	which := os.Getenv("MATCH_DEV")
	if which == "" {
		t.Skip("dev")
	}
	var s *Set
	var gold map[string]string
	switch which {
	case "fake":
		s, gold = readCSV(t, filepath.Join(identityData(), "fake_1000.csv"), map[string]Type{"first_name": GivenName, "surname": Surname, "dob": Date, "city": City, "email": Email}, "unique_id", func(r map[string]string) string { return r["cluster"] })
	case "febrl3":
		s, gold = readCSV(t, filepath.Join(identityData(), "febrl3.csv"), febrlTypes(), "rec_id", febrlTruth)
	case "febrl3na":
		s, gold = readCSV(t, filepath.Join(identityData(), "febrl3.csv"), febrlTypes("soc_sec_id", "date_of_birth"), "rec_id", febrlTruth)
	default:
		f := strings.Split(which, ",")
		s, gold = readCSV(t, f[0], febrlTypes(f[1:]...), "rec_id", febrlTruth)
	}
	res, err := Resolve(context.Background(), s, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	q := measure(res.Clusters, gold)
	fmt.Printf("P %.4f R %.4f F1 %.4f largest %d pairs %d edges %d prior %.2f rounds %d\n", q.precision, q.recall, q.f1, q.largest, res.Edges.Pairs, res.Edges.Len(), res.Model.Prior, res.Model.Rounds)
	for _, c := range res.Model.Comparisons {
		fmt.Printf("%s (%.0f)\n", c.Name, c.Pairs)
		for _, l := range c.Levels {
			fmt.Printf("   %-22s m %.5f u %.7f  %+.2f\n", l.Name, l.M, l.U, l.Weight())
		}
	}
	for _, r := range res.Model.Relations {
		fmt.Println(r.Name, r.Prior)
		for _, c := range r.Comparisons {
			fmt.Printf("    %s %.4f\n", c.Name, c.Shared)
		}
	}
	for _, f := range res.Model.Frequencies {
		fmt.Printf("freq %s entities %d collision %.6f single %.3f\n", f.Name, f.Entities, f.Collision, f.Single)
	}
	for _, b := range res.Edges.Blocks {
		fmt.Printf("%+v\n", b)
	}
	rule := map[string]bool{}
	for i := range res.Edges.Len() {
		e := res.Edges.At(i)
		rule[e.A+"|"+e.B] = true
	}
	show := s.show
	by := map[string][]string{}
	for k, g := range gold {
		by[g] = append(by[g], k)
	}
	var gs []string
	for g := range by {
		gs = append(gs, g)
	}
	sort.Strings(gs)
	n := 0
	for _, g := range gs {
		sort.Strings(by[g])
		parts := map[string][]string{}
		for _, k := range by[g] {
			c, _ := res.Clusters.Of(k)
			parts[c.Key] = append(parts[c.Key], k)
		}
		if len(parts) > 1 && n < 40 {
			n++
			fmt.Println("SPLIT", g)
			for _, p := range parts {
				for _, k := range p {
					fmt.Println("    ", show(k))
				}
				fmt.Println("   --")
			}
			ks := by[g]
			for i, a := range ks {
				for _, b := range ks[i+1:] {
					ca, _ := res.Clusters.Of(a)
					cb, _ := res.Clusters.Of(b)
					if ca.Key != cb.Key {
						e, _ := Explain(s, res.Model, Options{}, a, b)
						ws := ""
						for _, w := range e.Weights {
							ws += fmt.Sprintf(" %s:%s %+.1f", w.Comparison, w.Level, w.Bits)
						}
						fmt.Printf("       %s-%s %.1f blocked %v %s %s\n", a, b, e.Total, rule[e.A+"|"+e.B], e.Veto, ws)
					}
				}
			}
		}
	}
	for _, g := range res.Clusters.Groups {
		in := map[string]bool{}
		for _, r := range g.Records {
			in[gold[r]] = true
		}
		if len(in) > 1 {
			fmt.Println("MIXED", g)
			for _, r := range g.Records {
				fmt.Println("    ", gold[r], show(r))
			}
		}
	}
}

func (s *Set) show(k string) string {
	v := s.close()
	i, _ := s.record(k)
	out := []string{}
	for _, w := range v.names.of(i) {
		n := v.whole[w]
		out = append(out, v.given.texts[n.given]+"/"+v.surname.texts[n.surname])
	}
	for _, c := range v.columns() {
		for _, x := range c.of(i) {
			out = append(out, c.texts[x])
		}
	}
	return k + "[" + strings.Join(out, " ") + "]"
}
