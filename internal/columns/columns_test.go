package columns

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/internal/match"
)

// table makes a sample: the header first, then rows; an empty cell is no value.
func table(lines ...string) (names []string, rows [][]*string) {
	for i, l := range lines {
		cells := strings.Split(l, "|")
		if i == 0 {
			names = cells
			continue
		}
		row := make([]*string, len(cells))
		for k, c := range cells {
			if c != "" {
				row[k] = &c
			}
		}
		rows = append(rows, row)
	}
	return names, rows
}

// brief renders a result: "person: given_name surname - email", - for what is not compared, # for what names the rows.
func brief(r Result) string {
	out := string(r.Entity) + ":"
	for _, c := range r.Columns {
		switch {
		case c.Key:
			out += " #"
		case c.Type == match.Ignore:
			out += " -"
		default:
			out += " " + string(c.Type)
		}
	}
	return out
}

func TestRecognise(t *testing.T) {
	for _, c := range []struct {
		want  string
		lines []string
	}{
		{"person: # given_name surname email", []string{"id|first_nm|last_nm|EMAIL_ADDR", "1|Ann|Lee|ann@a.com", "2|Bob|Ray|bob@b.com"}},
		{"person: given_name surname date street postcode city phone", []string{"Vorname|Nachname|Geb.-Datum|Straße|PLZ|Ort|Tel.-Nr.", "Anna|Müller|24.06.1971|Hauptstr. 5|10115|Berlin|030 123456"}},
		{"person: surname given_name email postcode city", []string{"nom de famille|prénom|courriel|code postal|ville", "Dubois|Amélie|a@b.fr|75001|Paris"}},
		{"person: given_name surname id", []string{"nombre de pila|apellidos|DNI", "José|García López|12345678Z"}},
		{"person: given_name surname date", []string{"名|姓|生年月日", "太郎|山田|1980-01-02"}},
		{"person: given_name surname", []string{"Имя|Фамилия", "Иван|Петров"}},
		{"company: # company_name domain id country", []string{"Account ID|Account Name|Website|VAT No.|Country", "a1|Acme GmbH|acme.de|DE123456789|DE", "a2|Beta AG|www.beta.com|DE987654321|DE"}},
		{"company: company_name city", []string{"name|city", "Acme GmbH|Berlin", "Beta Ltd|London", "Gamma Corp.|Boston"}},
		{"person: full_name city", []string{"name|city", "William Smith|Berlin", "Bob Jones|London", "Elizabeth Ray|Boston"}},
		{"company: company_name house_number", []string{"Firma|Hausnr", "Acme|5a", "Beta|12"}},
		// Content over names: a column that says e-mail and holds none, one without a name that holds them.
		{"person: given_name surname - email", []string{"first|last|email opt in|f7", "Ann|Lee|yes|a@b.com", "Bob|Ray|no|b@b.com", "Cy|Poe|no|c@b.com"}},
		{"person: given_name surname - -", []string{"first|last|cluster|confidence", "Ann|Lee|1|0.9", "Bob|Ray|2|1"}},
		{"person: given_name surname employer -", []string{"firstName|lastName|companyName|vatNumber", "Ann|Lee|Acme|DE1", "Bob|Ray|Acme|DE1"}},
		{"person: # given_name surname id", []string{"rec_id|given_name|surname|soc_sec_id", "r1|Ann|Lee|123", "r2|Ann|Lee|123"}},
		{"person: given_name surname -", []string{"given name|surname|created_at", "Ann|Lee|2020-01-01", "Bob|Ray|2020-01-02"}},
		{"person: given_name surname phone -", []string{"given|family|mobile phone|phone status", "Ann|Lee|+49 151 12345678|ok", "Bob|Ray|0151/234567|bad"}},
		{"person: full_name email", []string{"Contact Name|E-Mail (work)", "Ann Lee|a@b.com", "Bob Ray|b@b.com"}},
		{"person: - given_name surname", []string{"full name|first name|last name", "Ann Lee|Ann|Lee", "Bob Ray|Bob|Ray"}},
		{"person: email", []string{"x", "a@b.com", "b@c.com", "c@d.com"}},
		{"person: given_name surname email -", []string{"first|last|email|x9", "Ann|Lee||", "Bob|Ray||"}},
	} {
		names, rows := table(c.lines...)
		r, err := Recognise(names, rows, Asked{})
		if err != nil {
			t.Fatal(err)
		}
		if got := brief(r); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.lines[0], got, c.want)
			for _, x := range r.Columns {
				t.Logf("  %-20s %-14s %s (%s)", x.Name, x.Type, x.Why, x.kind)
			}
		}
		for _, x := range r.Columns {
			if x.Why == "" {
				t.Errorf("%s: no reason is given for %s", c.lines[0], x.Name)
			}
		}
	}
}

func TestAsked(t *testing.T) {
	names, rows := table("a|b|c", "Ann|Lee|x", "Bob|Ray|y")
	r, err := Recognise(names, rows, Asked{Kinds: map[string]string{"A": "given", "b": "family"}, Ignore: []string{"c"}})
	if err != nil || brief(r) != "person: given_name surname -" {
		t.Errorf("%s, %v", brief(r), err)
	}
	r, err = Recognise(names, rows, Asked{Entity: match.Company, Kinds: map[string]string{"a": "name"}})
	if err != nil || brief(r) != "company: company_name - -" {
		t.Errorf("%s, %v", brief(r), err)
	}
	for _, c := range []struct {
		asked Asked
		want  string
	}{
		{Asked{Kinds: map[string]string{"a": "givn"}}, `Did you mean "given"?`},
		{Asked{Kinds: map[string]string{"first_nm": "given"}}, "Valid: a, b, c."},
		{Asked{Ignore: []string{"d d d d"}}, "no such column"},
	} {
		if _, err := Recognise(names, rows, c.asked); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.asked, err, c.want)
		}
	}
	if r, err := Recognise(names, rows, Asked{}); err != nil || len(r.Fields()) != 0 || !strings.Contains(r.NoColumn("x.csv").Error(), "it has a, b, c") {
		t.Errorf("nothing to recognise: %s, %v, %v", brief(r), err, r.NoColumn("x.csv"))
	}
}

// TestPublic recognises the columns of the public lists as a person would.
func TestPublic(t *testing.T) {
	for file, want := range map[string]string{
		"febrl3.csv":    "person: # given_name surname house_number street street city postcode state date id",
		"fake_1000.csv": "person: # given_name surname date city email -",
	} {
		f, err := os.Open(filepath.Join("../../../shared/data/identity", file))
		if err != nil {
			t.Skip("the public lists are not there")
		}
		defer f.Close()
		all, err := csv.NewReader(f).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		lines := make([]string, len(all))
		for i, r := range all {
			for k := range r {
				r[k] = strings.TrimSpace(r[k])
			}
			lines[i] = strings.Join(r, "|")
		}
		names, rows := table(lines...)
		r, err := Recognise(names, rows, Asked{})
		if err != nil {
			t.Fatal(err)
		}
		if got := brief(r); got != want {
			t.Errorf("%s\n got %s\nwant %s", file, got, want)
			for _, x := range r.Columns {
				t.Logf("  %-20s %-14s %s", x.Name, x.Type, x.Why)
			}
		}
	}
}

func FuzzRecognise(f *testing.F) {
	f.Add("id|name", "1|Ann")
	f.Add("||", "\xff|\x00")
	f.Fuzz(func(t *testing.T, head, row string) {
		names, rows := table(head, row)
		if _, err := Recognise(names, rows, Asked{}); err != nil {
			t.Fatal(err)
		}
	})
}
