package normal

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/forms.txt")

// TestForms holds what comes out of a few hundred values. Stored values carry the version of the rules: when something comes out
// differently, the version must be another one.
func TestForms(t *testing.T) {
	n := Default()
	var b strings.Builder
	for _, s := range []string{
		"Jane.Doe+news@GoogleMail.com", "Jane <jane@Exämple.de>", "no-reply@acme.com", "sales.emea@acme.co.uk", "bob@mailinator.com", "x@yahoo.com.ve", "a@gmial.com", "j+x@me.com",
	} {
		e, ok := n.Email(s)
		fmt.Fprintf(&b, "email %q: %v %s | %s | %s | %s\n", s, ok, e.Exact, e.Mailbox, e.LocalCore, e.Class)
	}
	for _, s := range []string{"(415) 555-2671 ext. 12|US", "030 12345-678|DE", "٠١٠٠ ١٢٣ ٤٥٦٧|EG", "415-555-0100|US", "0000000000|US", "+44 (0)20 7946 0958|", "12345|US", "1-800-FLOWERS|US"} {
		v, c, _ := strings.Cut(s, "|")
		p, ok := n.Phone(v, c)
		fmt.Fprintf(&b, "phone %q: %v %s | %s | %s | %s | %s\n", s, ok, p.E164, p.Extension, p.Type, p.Region, p.Why)
	}
	for _, s := range []string{"https://www.Acme.co.uk:8080/x", "acme.github.io", "gmail.com", "münchen.de", "localhost", "co.uk"} {
		d, ok := n.Domain(s)
		fmt.Fprintf(&b, "domain %q: %v %s | %s\n", s, ok, d.Registrable, d.Class)
	}
	for _, s := range []string{
		"Dr. Ludwig van Beethoven", "Smith, Jr., John", "王小明", "John Smith, Jr., M.D.", "Müller-Lüdenscheidt, Anna Maria", "Юрий Гагарин", "김철수", "Jack Ma", "Don Johnson", "Jane (she/her) O’Brien",
		"محمد علي", "Γιώργος Παπαδόπουλος", "Nguyễn Văn An", "Łukasz Wałęsa", "Samuel Groß", "Bill Gates III", "山田太郎", "n/a",
	} {
		p, ok := n.FullName(s)
		fmt.Fprintf(&b, "person %q: %v %s | %s | %s | %s | %s | %s | %s\n", s, ok, p.Key, p.FamilyCore, p.MiddleKey, p.NativeKey, p.SortedKey, p.Generation, strings.Join(p.Nicknames, ","))
	}
	for _, s := range []string{
		"Müller & Söhne GmbH & Co. KG|DE", "The Coca-Cola Company|US", "株式会社日立製作所|JP", "Møller A/S|DK", "Hair As|US", "Acme S.A. de C.V.|MX", "ООО «Ромашка»|RU", "Acme Sp. z o.o.|", "Foo spol. s r.o.|CZ",
		"Foo A.Ş.|TR", "I B M Corp|", "AT&T Inc|", "Unit 4 N.V.|NL", "Smith & Co|", "AG|", "self-employed|", "Foo S.à r.l.|LU", "PT Telkom Indonesia Tbk|ID",
	} {
		v, country, _ := strings.Cut(s, "|")
		c, ok := n.Company(v, country)
		fmt.Fprintf(&b, "company %q: %v %s | %s | %s | %s | %s\n", s, ok, strings.Join(c.Tokens, " "), c.LegalForm, c.Acronym, strings.Join(c.Numbers, ","), c.NativeKey)
	}
	for _, s := range []string{
		"Hauptstraße 12a|10115|DE", "123 N 45th Street, Suite 200|98103-1234|US", "Flat 2, 10 Downing Street|sw1a 2aa|UK", "Calle Mayor, 5, 3º B|28013|ES", "Straße des 17. Juni 135|10623|DE", "P.O. Box 123|2139|US",
		"12 bis, avenue de l'Opéra|75001|FR", "Damrak 1 hs|1012 LG|NL", "Main Street 5|1234|",
	} {
		c := strings.Split(s, "|")
		a, ok := n.Address(c[0], c[1], c[2])
		fmt.Fprintf(&b, "address %q: %v %s | %s | %s\n", s, ok, a.HouseKey, a.StreetKey, a.Unit)
	}
	for _, s := range []string{"Vereinigte Staaten|", "Côte d'Ivoire|", "el|", "Korea, Republic of|", "xx|", "$|CA", "€|", "kr|SE", "CST|US", "CST|", "us_slash_eastern|", "UTC-5|", "(GMT+01:00) Amsterdam|"} {
		v, c, _ := strings.Cut(s, "|")
		country, _ := n.Country(v)
		money, _ := n.Currency(v, c)
		zone, _ := n.TimeZone(v, c)
		fmt.Fprintf(&b, "place %q: %s | %s %d | %s\n", s, country, money.Code, money.MinorUnits, zone)
	}
	for _, s := range []string{"HTTP://User:pw@WWW.Acme.com:80/a/../b//c/?utm_source=x&b=2&a=1&gclid=3#top", "acme.com", "https://müller.de/straße?q=ä b", "https://a.com/x%2Fy", "mailto:a@b.com"} {
		l, ok := n.URL(s)
		fmt.Fprintf(&b, "url %q: %v %s\n", s, ok, l)
	}
	for _, s := range []string{"fb|cpc|Spring%20Sale 2026", "google|organic|", "(direct)|(none)|(not set)", "hs_email||", "podcast|audio|", "linkedin|Paid Social|x"} {
		c := strings.Split(s, "|")
		fmt.Fprintf(&b, "campaign %q: %v\n", s, n.Campaign(c[0], c[1], c[2]))
	}
	file := filepath.Join("testdata", "forms.txt")
	want, err := os.ReadFile(file)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("version "+n.Version()+"\n"+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	version, forms, _ := strings.Cut(strings.TrimPrefix(string(want), "version "), "\n")
	if forms == b.String() {
		return
	}
	if version == n.Version() {
		t.Errorf("values come out differently under version %s: raise the constant rules in normal.go, then run with -update", version)
	}
	if *update {
		return
	}
	got, old := strings.Split(b.String(), "\n"), strings.Split(forms, "\n")
	for i := range got {
		if i >= len(old) || got[i] != old[i] {
			t.Errorf("%s\nwas %s", got[i], strings.Join(old[min(i, len(old)):min(i+1, len(old))], ""))
		}
	}
	t.Error("if this is meant, run with -update")
}
