package match

import (
	"context"
	"testing"
)

// TestMailboxNames: mailbox names that are made of two different names are no slip of the pen; of one name, they may be.
func TestMailboxNames(t *testing.T) {
	for _, x := range []struct {
		name  string
		a, b  [3]string // given name, surname, mailbox
		level string
	}{
		{"two surnames", [3]string{"Brandon", "Meier", "brandon.meier@gmx.de"}, [3]string{"Brandon", "Meyer", "brandon.meyer@gmx.de"}, "differs"},
		{"two given names", [3]string{"Mary", "Wells", "mary.wells@web.de"}, [3]string{"Mark", "Wells", "mark.wells@web.de"}, "differs"},
		{"the record's surname is misspelled", [3]string{"Stephen", "Lang", "stephen.lang@icloud.com"}, [3]string{"Stephen", "Ling", "stephen.long@icloud.com"}, "differs"},
		{"given names only", [3]string{"Steven", "Moore", "steven@acme.example"}, [3]string{"Stephen", "", "stephen@acme.example"}, "differs"},
		{"one name, a slip", [3]string{"Mary", "Wells", "mary.wells@web.de"}, [3]string{"Mary", "Wells", "mary.wels@web.de"}, "typo"},
		{"half a name, a slip", [3]string{"Mary", "Wells", "mary.wells@web.de"}, [3]string{"Mary", "", "mary.wels@web.de"}, "typo"},
		{"mailbox of another kind", [3]string{"Mary", "Wells", "sunflower@web.de"}, [3]string{"Mark", "Wells", "sunflowr@web.de"}, "typo"},
		{"namesakes with umlauts", [3]string{"Jose", "Schäfer", "jose.schaefer@one.example"}, [3]string{"Jose", "Schäfer", "jose.schaefer@another.example"}, "differs"},
		{"namesakes with short names", [3]string{"Dave", "Diaz", "david.diaz@one.example"}, [3]string{"Dave", "Diaz", "david.diaz@another.example"}, "differs"},
		{"more than the name", [3]string{"Jose", "Schäfer", "jose.schaefer.velo@one.example"}, [3]string{"Jose", "Schäfer", "jose.schaefer.velo@another.example"}, "local"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s, err := NewSet(Spec{Entity: Person, Fields: []Field{{Name: "given", Type: GivenName}, {Name: "surname", Type: Surname}, {Name: "email", Type: Email}}})
			if err != nil {
				t.Fatal(err)
			}
			for k, r := range map[string][3]string{"a": x.a, "b": x.b} {
				if err := s.Add(Record{Key: k, Values: [][]string{one(r[0]), one(r[1]), one(r[2])}}); err != nil {
					t.Fatal(err)
				}
			}
			m, err := Train(context.Background(), s, Options{})
			if err != nil {
				t.Fatal(err)
			}
			e, err := Explain(s, m, Options{}, "a", "b")
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range e.Weights {
				if w.Comparison == "email" && w.Level != x.level {
					t.Errorf("%s: %s, want %s", x.name, w.Level, x.level)
				}
			}
		})
	}
}
