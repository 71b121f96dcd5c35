package match

import (
	"testing"

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

// TestPeople: households, colleagues, role inboxes and placeholder numbers chain nobody together. The seeds were not used to
// choose any constant.
func TestPeople(t *testing.T) {
	for _, x := range []struct {
		o                 matchtest.Options
		precision, recall float64
	}{
		{matchtest.Options{Seed: 101, Records: 6000, Born: true}, 0.993, 0.92},
		{matchtest.Options{Seed: 102, Records: 6000, Born: true, Shared: 0.02}, 0.993, 0.92},
		{matchtest.Options{Seed: 103, Records: 6000, Shared: 0.15}, 0.993, 0.87}, // a sixth carries somebody else's address or number
	} {
		s, gold := peopleSet(t, x.o)
		r := resolve(t, s, nil, Options{})
		q := measure(r.Clusters, gold)
		t.Logf("%+v: precision %.4f, recall %.4f, F1 %.4f, largest %d of %d", x.o, q.precision, q.recall, q.f1, q.largest, len(r.Clusters.Groups))
		if q.precision < x.precision || q.recall < x.recall {
			t.Errorf("precision %.4f, want %.2f; recall %.4f, want %.2f", q.precision, x.precision, q.recall, x.recall)
		}
		if q.largest > 12 {
			t.Errorf("a group of %d records: nobody has more than six", q.largest)
		}
	}
}
