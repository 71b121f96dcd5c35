package match

import (
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// truth reads a CSV file of records: columns by name and type; entity gives the truth, which the engine never sees.
func readCSV(t testing.TB, path string, types map[string]Type, key string, truth func(row map[string]string) string) (*Set, map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Skipf("%s is not there: the evaluation data lie beside the repository", path)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.TrimLeadingSpace = true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Entity: Person}
	for _, h := range rows[0] {
		if ty, ok := types[strings.TrimSpace(h)]; ok {
			spec.Fields = append(spec.Fields, Field{Name: strings.TrimSpace(h), Type: ty})
		}
	}
	s, err := NewSet(spec)
	if err != nil {
		t.Fatal(err)
	}
	gold := map[string]string{}
	for _, row := range rows[1:] {
		m := map[string]string{}
		rec := Record{}
		for i, h := range rows[0] {
			h = strings.TrimSpace(h)
			m[h] = strings.TrimSpace(row[i])
			if _, ok := types[h]; ok {
				if m[h] == "" {
					rec.Values = append(rec.Values, nil)
				} else {
					rec.Values = append(rec.Values, []string{m[h]})
				}
			}
		}
		rec.Key = m[key]
		gold[rec.Key] = truth(m)
		if err := s.Add(rec); err != nil {
			t.Fatal(err)
		}
	}
	return s, gold
}

type quality struct {
	precision, recall, f1 float64
	largest               int
}

func pairs(n int) float64 { return float64(n) * float64(n-1) / 2 }

// measure is the pairwise quality of clusters.
func measure(c *Clusters, gold map[string]string) quality {
	var found, right, real float64
	total := map[string]int{}
	q := quality{}
	for _, g := range c.Groups {
		found += pairs(len(g.Records))
		q.largest = max(q.largest, len(g.Records))
		in := map[string]int{}
		for _, r := range g.Records {
			in[gold[r]]++
			total[gold[r]]++
		}
		for _, n := range in {
			right += pairs(n)
		}
	}
	for _, n := range total {
		real += pairs(n)
	}
	q.precision, q.recall = right/max(found, 1), right/max(real, 1)
	q.f1 = 2 * right / max(found+real, 1)
	return q
}

func febrlTruth(row map[string]string) string { return strings.Split(row["rec_id"], "-")[1] }

func febrlTypes(without ...string) map[string]Type {
	t := map[string]Type{"given_name": GivenName, "surname": Surname, "street_number": HouseNumber, "address_1": Street, "address_2": Street, "suburb": City, "postcode": Postcode, "state": State, "date_of_birth": Date, "soc_sec_id": ID}
	for _, w := range without {
		delete(t, w)
	}
	return t
}

func identityData() string {
	if d := os.Getenv("MILLRACE_SHARED"); d != "" {
		return filepath.Join(d, "data", "identity")
	}
	return filepath.Join("..", "..", "..", "shared", "data", "identity")
}

func TestAccuracy(t *testing.T) {
	fake := map[string]Type{"first_name": GivenName, "surname": Surname, "dob": Date, "city": City, "email": Email}
	for _, x := range []struct {
		name, file string
		types      map[string]Type
		key        string
		truth      func(map[string]string) string
		f1         float64
	}{
		{"febrl3", "febrl3.csv", febrlTypes(), "rec_id", febrlTruth, 0.999},
		{"febrl3 names and address", "febrl3.csv", febrlTypes("soc_sec_id", "date_of_birth"), "rec_id", febrlTruth, 0.975},
		{"fake_1000", "fake_1000.csv", fake, "unique_id", func(r map[string]string) string { return r["cluster"] }, 0.975},
	} {
		t.Run(x.name, func(t *testing.T) {
			s, gold := readCSV(t, filepath.Join(identityData(), x.file), x.types, x.key, x.truth)
			res, err := Resolve(context.Background(), s, nil, Options{})
			if err != nil {
				t.Fatal(err)
			}
			q := measure(res.Clusters, gold)
			t.Logf("%-26s P %.4f R %.4f F1 %.4f largest %d pairs %d edges %d prior %.2f rounds %d", x.name, q.precision, q.recall, q.f1, q.largest, res.Edges.Pairs, res.Edges.Len(), res.Model.Prior, res.Model.Rounds)
			if q.f1 < x.f1 || q.precision < 0.98 {
				t.Errorf("F1 %.4f, want %.4f; precision %.4f, want 0.98", q.f1, x.f1, q.precision)
			}
		})
	}
}
