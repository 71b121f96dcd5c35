package privacy

import (
	"reflect"
	"testing"

	"millrace/internal/normal"
)

func key(kind, value string) string { return kind + "=" + value }

func screen(keep ...string) *Screen {
	return New(normal.Default(), key, []string{key(Email, "jane.doe@acme.example"), key(ID, "crm:1001")}, func(s string) bool {
		for _, k := range keep {
			if s == k {
				return true
			}
		}
		return false
	})
}

func TestRows(t *testing.T) {
	contacts := []Column{{"id", "id"}, {"email", "email"}, {"first_name", "name"}, {"company", ""}, {"notes", "free_text"}}
	for _, c := range []struct {
		name    string
		source  string
		columns []Column
		row     []any
		want    Verdict
		left    []any // on Redact
	}{
		{"by address, in any spelling", "crm", contacts, []any{"7", " Jane.Doe@ACME.example ", "Jane", "Acme", nil}, Drop, nil},
		{"one of several addresses", "crm", contacts, []any{"7", "x@y.example;jane.doe@acme.example", "Jane", "Acme", nil}, Drop, nil},
		{"by the id that the source gave", "crm", contacts, []any{"1001", nil, "Jane", "Acme", nil}, Drop, nil},
		{"the same id of another source is somebody else", "shop", contacts, []any{"1001", "bob@acme.example", "Bob", "Acme", nil}, Keep, nil},
		{"a namesake", "crm", contacts, []any{"7", "jane@acme.example", "Jane", "Acme", nil}, Keep, nil},
		{"an address that contains hers", "crm", contacts, []any{"7", "mary.jane.doe@acme.example", "Mary", "Acme", nil}, Keep, nil},
		{"mentioned in somebody else's row", "crm", contacts, []any{"7", "bob@acme.example", "Bob", "Acme", "ask jane.doe@acme.example, or sue@acme.example"}, Redact,
			[]any{"7", "bob@acme.example", "Bob", "Acme", "ask [erased], or sue@acme.example"}},
		{"an invoice stays without her", "billing", contacts, []any{"in_1", "jane.doe@acme.example", "Jane", "Acme", "to jane.doe@acme.example."}, Redact,
			[]any{"in_1", "erased@acme.example", nil, "Acme", "to [erased]."}},
		{"a form that says who only in its answers", "crm", []Column{{"form_id", ""}, {"answers", "free_text"}},
			[]any{"f1", `[{"name":"email","value":"jane.doe@acme.example"}]`}, Drop, nil},
		{"a file that nobody has described", "crm", []Column{{"ts", ""}, {"user_id", ""}, {"event", ""}}, []any{"1", "1001", "login"}, Drop, nil},
		{"a number elsewhere is no id", "crm", []Column{{"amount", ""}, {"plan_id", ""}}, []any{"1001", "1001"}, Keep, nil},
	} {
		row := append([]any(nil), c.row...)
		if got := screen("billing").Stream(c.source, c.columns).Row(row); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if c.left != nil && !reflect.DeepEqual(row, c.left) {
			t.Errorf("%s: left %v, want %v", c.name, row, c.left)
		}
		if c.want != Redact && !reflect.DeepEqual(row, c.row) {
			t.Errorf("%s: the row was changed: %v", c.name, row)
		}
	}
}

func TestText(t *testing.T) {
	j := screen().Stream("crm", nil)
	for raw, want := range map[string]bool{
		`{"email":"jane.doe@acme.example","x":1}`: true, `a,JANE.DOE@acme.example,b`: true, `{"email":"jon@acme.example"}`: false, "": false, "@": false,
		"mailto:jane.doe@acme.example": true,
	} {
		if j.Text(raw) != want {
			t.Errorf("%s: %v", raw, !want)
		}
	}
}

// No text makes the screen panic, and redacting leaves nobody who was erased.
func FuzzRow(f *testing.F) {
	f.Add("ask jane.doe@acme.example", "x")
	f.Add("\xff@\xfe", "jane.doe@acme.example@acme.example")
	f.Fuzz(func(t *testing.T, a, b string) {
		s := screen("crm")
		j := s.Stream("crm", []Column{{"note", "free_text"}, {"other", ""}})
		row := []any{a, b}
		if j.Row(row) == Redact && j.Row(row) != Keep {
			t.Errorf("%q %q is redacted to %q, which still tells", a, b, row)
		}
	})
}
