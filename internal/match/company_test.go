package match

import (
	"context"
	"fmt"
	"testing"
)

// TestCompanyNames: what two names say, by level.
func TestCompanyNames(t *testing.T) {
	pairs := []struct{ a, b, want string }{
		{"Acme Widgets GmbH", "ACME WIDGETS", "exact"},
		{"Acme Widgets, Inc.", "Acme Widgets Corporation", "exact"}, // written for each other
		{"Acme Widgets GmbH", "Acme Widgets AG", "legal_form"},
		{"AcmeWidgets", "Acme Widgets", "exact"},
		{"Acme Widgets (DE)", "Acme Widgets", "exact"},
		{"Acme Widgtes", "Acme Widgets", "close"},
		{"Quillfeather", "Quillfeather Group", "inside"},
		{"Quillfeather Holding", "Quillfeather Group", "part"},
		{"International Business Machines", "IBM", "acronym"},
		{"Quillfeather Deutschland GmbH", "Quillfeather France SAS", "unit"},
		{"Quillfeather Deutschland GmbH", "Quillfeather", "unit"},
		{"QuillfeatherNederland", "Quillfeather", "unit"},
		{"Quillfeather Unit 4", "Quillfeather Unit 5", "unit"},
		{"Quillfeather Zanzibar", "Quillfeather Opossum", "part"},
		{"Opossum Solutions", "Quillfeather Solutions", "word"},
		{"Opossum", "Quillfeather", "differs"},
	}
	s, err := NewSet(Spec{Entity: Company, Fields: []Field{{Name: "name", Type: CompanyName}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pairs {
		for k, n := range []string{p.a, p.b} {
			if err := s.Add(Record{Key: fmt.Sprintf("%02d%d", i, k), Values: [][]string{{n}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := compareCompany(s.close())
	for i, p := range pairs {
		for _, o := range []outcome{c.find(2*i, 2*i+1), c.find(2*i+1, 2*i)} {
			if got := c.levels[o.level].name; got != p.want {
				t.Errorf("%s, %s: %s, want %s", p.a, p.b, got, p.want)
			}
		}
	}
}

// TestSubsidiaries: a domain that a group shares joins none of its companies, and a company's own info@ address joins its records.
func TestSubsidiaries(t *testing.T) {
	s, err := NewSet(Spec{Entity: Company, Fields: []Field{{Name: "name", Type: CompanyName}, {Name: "web", Type: Domain}, {Name: "mail", Type: Email}}})
	if err != nil {
		t.Fatal(err)
	}
	add := func(key, name, web, mail string) {
		t.Helper()
		if err := s.Add(Record{Key: key, Values: [][]string{{name}, {web}, {mail}}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 { // others, so that there is something to learn from
		n := fmt.Sprintf("%c%cllor %s", 'B'+i%20, 'a'+i%7, []string{"Labs", "Media", "Foods"}[i%3])
		add(fmt.Sprintf("x%02da", i), n+" GmbH", fmt.Sprintf("firm%d.com", i), "")
		add(fmt.Sprintf("x%02db", i), n, "", fmt.Sprintf("info@firm%d.com", i))
	}
	add("g1", "Quillfeather Foods GmbH", "quillfeather.com", "")
	add("g2", "QUILLFEATHER FOODS", "", "info@quillfeather.com")
	add("f1", "Quillfeather Foods France SAS", "quillfeather.com", "")
	add("f2", "Quillfeather Foods France", "www.quillfeather.com", "info@quillfeather.com")
	r, err := Resolve(context.Background(), s, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for a, b := range map[string]string{"g1": "g2", "f1": "f2", "x03a": "x03b"} {
		x, _ := r.Clusters.Of(a)
		y, _ := r.Clusters.Of(b)
		if x.Key != y.Key {
			t.Errorf("%s and %s are apart", a, b)
		}
	}
	if x, _ := r.Clusters.Of("g1"); len(x.Records) != 2 {
		t.Errorf("the parent's group is %v", x.Records)
	}
}
