package match

import (
	"fmt"
	"testing"
)

// TestHolders: a telling name that nothing contradicts is one company's; one that several registered numbers share is several's.
func TestHolders(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s, err := NewSet(Spec{Entity: Company, Fields: []Field{{Name: "name", Type: CompanyName}, {Name: "web", Type: Domain}, {Name: "vat", Type: ID}}})
		if err != nil {
			t.Fatal(err)
		}
		add := func(key, name, web, vat string) {
			t.Helper()
			if err := s.Add(Record{Key: key, Values: [][]string{{name}, one(web), one(vat)}}); err != nil {
				t.Fatal(err)
			}
		}
		word := func(i int) string { return fmt.Sprintf("%c%c%cuv%cor", 'a'+i%26, 'a'+i/26%26, 'a'+i*7%26, 'a'+i*11%26) }
		for i := range 3000 {
			name, web, vat := word(i)+" Tools", fmt.Sprintf("w%d.example", i*31), fmt.Sprintf("DE%09d", 100000000+i*7919)
			add(fmt.Sprintf("%04da", i), name, web, vat)
			add(fmt.Sprintf("%04db", i), name, web, "")
			add(fmt.Sprintf("%04dc", i), name, "", vat)
		}
		add("one1", "Quillfeather Tools", "quillfeather.example", "")
		add("one2", "Quillfeather Tools", "", "DE812345678")
		for i := range 4 {
			add(fmt.Sprintf("many%d", i), "Opossum Tools", "", fmt.Sprintf("DE8%d7%d5%d321", 9-i, i, 2*i))
		}
		o := Options{Strict: strict}
		r := resolve(t, s, nil, o)
		if r.Model == nil || r.Clusters == nil {
			t.Fatal("no answer")
		}
		weight := func(a, b string) float64 {
			e, err := Explain(s, r.Model, o, a, b)
			if err != nil {
				t.Fatal(err)
			}
			return e.Weights[0].Bits
		}
		single, several := weight("one1", "one2"), weight("many0", "many1")
		t.Logf("strict %t: the name of one %.2f bits, of several %.2f", strict, single, several)
		if strict && single < several+1 {
			t.Errorf("the name of one company weighs %.2f bits, the name of several %.2f: want a bit more at least", single, several)
		}
		if a, _ := r.Clusters.Of("many0"); len(a.Records) != 1 {
			t.Errorf("companies of one name and four registered numbers are one: %v", a.Records)
		}
	}
}
