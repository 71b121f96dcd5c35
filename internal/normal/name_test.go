package normal

import (
	"slices"
	"strings"
	"testing"
)

func TestPerson(t *testing.T) {
	n := Default()
	for _, c := range []struct{ given, family, wantGiven, wantFamily, core, middle, rest string }{
		{"Jane", "Doe", "jane", "doe", "doe", "", ""},
		{"Dr. Jane", "Doe, MA", "jane", "doe", "doe", "", "dr/ma/"},
		{"Jack", "Ma", "jack", "ma", "ma", "", "//"},
		{"Don", "Johnson", "don", "johnson", "johnson", "", "//"},
		{"Jane", "van der Berg Jr.", "jane", "vanderberg", "berg", "", "/jr/jr"},
		{"", "Smith, John", "john", "smith", "smith", "", "//"},
		{"Anna Maria", "Müller", "anna", "muller", "muller", "maria", "//"},
		{"Anna", "Mueller", "anna", "muller", "muller", "", "//"},
		{"Anna", "Bauer", "anna", "bauer", "bauer", "", "//"},
		{"", "de Paoli", "", "depaoli", "paoli", "", "//"},
		{"Jan Michael", "du Ersten", "jan", "dursten", "ersten", "michael", "//"},
		{"Anna", "Samuel", "anna", "samuel", "samuel", "", "//"},
		{"Zoë", "", "zoe", "", "", "", "//"},
		{"JÜRGEN", "GROSS", "jurgen", "gross", "gross", "", "//"},
		{"Jürgen", "Groß", "jurgen", "gross", "gross", "", "//"},
		{"Siobhán", "Ó Súilleabháin", "siobhan", "osuilleabhain", "osuilleabhain", "", "//"},
		{"Łukasz", "Wałęsa", "lukasz", "walesa", "walesa", "", "//"},
		{"Søren", "Ørsted", "soren", "orsted", "orsted", "", "//"},
		{"Юрий", "Гагарин", "yuriy", "gagarin", "gagarin", "", "//"},
		{"Γιώργος", "Παπαδόπουλος", "giorgos", "papadopoulos", "papadopoulos", "", "//"},
		{"小明", "王", "xiaoming", "wang", "wang", "", "//"},
		{"Osama", "bin Laden", "osama", "binladen", "laden", "", "//"},
		{"Jean-Luc", "Picard", "jeanluc", "picard", "picard", "", "//"},
		{"  Mary\u00a0 ", "O’Brien ", "mary", "obrien", "obrien", "", "//"},
		{"Mary", "O'Brien", "mary", "obrien", "obrien", "", "//"},
	} {
		p, ok := n.Person(c.given, c.family)
		rest := p.Titles + "/" + p.Suffixes + "/" + p.Generation
		if !ok || p.GivenKey != c.wantGiven || p.FamilyKey != c.wantFamily || p.FamilyCore != c.core || p.MiddleKey != c.middle || c.rest != "" && rest != c.rest {
			t.Errorf("%q %q: %v %+v", c.given, c.family, ok, p)
		}
	}
	for _, c := range []struct{ full, key, suffixes string }{
		{"Dr. Ludwig van Beethoven", "vanbeethoven ludwig", ""},
		{"Smith, John Jr.", "smith john", "jr"},
		{"Smith, Jr., John", "smith john", "jr"},
		{"John Smith, PhD", "smith john", "phd"},
		{"John Smith, Jr., M.D.", "smith john", "jr md"},
		{"Jack Ma", "ma jack", ""},
		{"Don Johnson", "johnson don", ""},
		{"Prof. Dr. med. Anna-Lena Müller-Lüdenscheidt", "mullerludenscheidt annalena", ""},
		{"Oscar de la Hoya", "delahoya oscar", ""},
		{"Jane (she/her) Doe", "doe jane", ""},
		{"王小明", "wang xiaoming", ""},
		{"欧阳修", "ouyang xiu", ""},
		{"김철수", "gim ceolsu", ""},
		{"山田太郎", "shantian tailang", ""},
		{"Jane & Doe", "doe jane", ""},
	} {
		p, ok := n.FullName(c.full)
		if !ok || p.Key != c.key || p.Suffixes != c.suffixes {
			t.Errorf("%q: %v %+v, want %s", c.full, ok, p, c.key)
		}
	}
	if p, ok := n.Person("Jane", "N/A"); !ok || p.FamilyKey != "" || p.GivenKey != "jane" {
		t.Errorf("a placeholder became a family name: %+v", p)
	}
	if p, ok := n.Person("John", "Null"); !ok || p.FamilyKey != "null" {
		t.Errorf("Null is a family name: %+v", p)
	}
	for _, s := range []string{"", " ", "...", "\u200b", "—", "\x00\x01", "unknown", "N/A"} {
		if p, ok := n.FullName(s); ok {
			t.Errorf("%q became %+v", s, p)
		}
	}
	a, _ := n.FullName("Doe Jane")
	b, _ := n.FullName("Jane Doe")
	if a.SortedKey != b.SortedKey {
		t.Errorf("the sorted key knows the order: %s %s", a.SortedKey, b.SortedKey)
	}
}

func TestNicknames(t *testing.T) {
	n := Default()
	same := func(a, b string) bool {
		return slices.ContainsFunc(n.Nicknames(a), func(g string) bool { return slices.Contains(n.Nicknames(b), g) })
	}
	for _, c := range [][2]string{{"Bill", "William"}, {"Liz", "Elizabeth"}, {"Pepe", "José"}, {"Paco", "Francisco"}, {"Fritz", "Friedrich"}, {"Hannes", "Johannes"},
		{"Sascha", "Alexander"}, {"Jürgen", "Juergen"}, {"Kasia", "Katarzyna"}, {"Mohammed", "محمد"}, {"Misha", "Mikhail"}, {"Susi", "Susanne"}, {"Becky", "Rebecca"}, {"Zoe", "Zoë"}} {
		if !same(c[0], c[1]) {
			t.Errorf("%s and %s share no group: %v %v", c[0], c[1], n.Nicknames(c[0]), n.Nicknames(c[1]))
		}
	}
	for _, c := range [][2]string{{"Bill", "Robert"}, {"Anna", "Emma"}, {"Maria", "Laura"}, {"Paul", "Peter"}} {
		if same(c[0], c[1]) {
			t.Errorf("%s and %s share a group: %v %v", c[0], c[1], n.Nicknames(c[0]), n.Nicknames(c[1]))
		}
	}
	// Every name of the list has a group, and the groups' names are keys.
	for k, groups := range n.nicknames {
		if k != nameKey(k) || len(groups) == 0 || !slices.IsSorted(groups) {
			t.Errorf("%s: %v", k, groups)
		}
	}
}

func TestCompany(t *testing.T) {
	n := Default()
	for _, c := range []struct{ name, country, tokens, form string }{
		{"Müller & Söhne GmbH & Co. KG", "DE", "muller and sohne", "gmbh & co kg"},
		{"Mueller und Soehne GmbH", "DE", "muller und sohne", "gmbh"},
		{"Acme, Inc.", "US", "acme", "inc"}, {"ACME INCORPORATED", "", "acme", "inc"}, {"Acme Corp.", "", "acme", "corp"}, {"Acme Corporation", "", "acme", "corp"}, {"ACME", "", "acme", ""},
		{"The Coca-Cola Company", "US", "coca cola", "co"},
		{"I.B.M. Corp", "", "ibm", "corp"}, {"I B M", "", "ibm", ""},
		{"株式会社日立製作所", "JP", "ri li zhi zuo suo", "kk"},
		{"Møller A/S", "DK", "moller", "as"}, {"Sony AS", "", "sony", "as"}, {"Hair As", "US", "hair as", ""},
		{"Acme S.A. de C.V.", "MX", "acme", "sa de cv"},
		{"Foo S.à r.l.", "LU", "foo", "sarl"}, {"Foo SARL", "FR", "foo", "sarl"}, {"Foo S.A.S.", "FR", "foo", "sas"},
		{"PT Telkom Indonesia Tbk", "ID", "telkom indonesia", "pt"},
		{"ООО «Ромашка»", "RU", "romashka", "ooo"}, {"Ромашка ООО", "", "romashka", "ooo"},
		{"Acme Sp. z o.o.", "PL", "acme", "sp zoo"}, {"Acme Spółka z o.o.", "PL", "acme", "sp zoo"},
		{"Foo d.o.o.", "HR", "foo", "doo"}, {"Foo s.r.o.", "CZ", "foo", "sro"}, {"Foo spol. s r.o.", "CZ", "foo", "sro"}, {"Foo Kft.", "HU", "foo", "kft"},
		{"Volvo AB", "SE", "volvo", "ab"}, {"Volvo Aktiebolag", "", "volvo", "ab"},
		{"Acme Pty. Ltd.", "AU", "acme", "pty ltd"}, {"Acme Pvt Ltd", "IN", "acme", "pvt ltd"}, {"Acme Private Limited", "IN", "acme", "pvt ltd"},
		{"Acme Sdn. Bhd.", "MY", "acme", "sdn bhd"}, {"Acme Pte Ltd", "SG", "acme", "pte ltd"}, {"Foo Co., Ltd.", "CN", "foo", "ltd"},
		{"Unit 4 N.V.", "NL", "unit 4", "nv"}, {"Unilever B.V.", "", "unilever", "bv"},
		{"Foo S.p.A.", "IT", "foo", "spa"}, {"Foo S.r.l.", "IT", "foo", "srl"}, {"Foo S.L.", "ES", "foo", "sl"}, {"Foo Lda.", "PT", "foo", "lda"}, {"Foo Ltda", "BR", "foo", "ltda"},
		{"Foo Oy", "FI", "foo", "oy"}, {"Foo UAB", "LT", "foo", "uab"}, {"UAB Foo", "LT", "foo", "uab"}, {"Foo A.Ş.", "TR", "foo", "as"}, {"Foo Ltd. Şti.", "TR", "foo", "ltd sti"},
		{"Foo UG (haftungsbeschränkt)", "DE", "foo", "ug"}, {"Foo Aktiengesellschaft", "", "foo", "ag"}, {"1&1 SE", "DE", "1 and 1", "se"},
		{"Smith & Co", "", "smith", "co"}, {"Tiffany & Co.", "US", "tiffany", "co"},
		{"AG", "", "ag", ""}, {"Inc", "", "inc", ""}, {"The The", "", "the", ""},
		{"Johnson & Johnson", "", "johnson and johnson", ""}, {"AT&T Inc", "", "at and t", "inc"}, {"H&M", "", "h and m", ""},
		{"L'Oréal S.A.", "FR", "loreal", "sa"}, {"Dr. Oetker KG", "DE", "dr otker", "kg"},
		{"Acme (Deutschland) GmbH", "DE", "acme deutschland", "gmbh"},
	} {
		got, ok := n.Company(c.name, c.country)
		form := got.LegalForm
		if !ok || strings.Join(got.Tokens, " ") != c.tokens || form != c.form {
			t.Errorf("%q in %s: %v %v %q, want %q %q", c.name, c.country, ok, got.Tokens, form, c.tokens, c.form)
		}
	}
	u4, _ := n.Company("Unit 4", "")
	u5, _ := n.Company("Unit 5", "")
	if slices.Equal(u4.Numbers, u5.Numbers) || len(u4.Numbers) != 1 {
		t.Errorf("numbers: %v %v", u4.Numbers, u5.Numbers)
	}
	ibm, _ := n.Company("International Business Machines Corp.", "")
	if ibm.Acronym != "ibm" {
		t.Errorf("acronym %q", ibm.Acronym)
	}
	for _, s := range []string{"", "  ", "...", "—", "\x00", "n/a", "Self-Employed", "UNKNOWN"} {
		if c, ok := n.Company(s, ""); ok {
			t.Errorf("%q became %+v", s, c)
		}
	}
}
