package normal

import (
	"testing"
	"time"

	"millrace/internal/money"
)

func TestAddress(t *testing.T) {
	n := Default()
	for _, c := range []struct{ street, postcode, country, house, core, unit string }{
		{"Hauptstraße 12a", "10115", "DE", "DE|10115|12a", "DE|10115|haupt", ""},
		{"Hauptstr. 12 a", "D-10115", "Germany", "DE|10115|12a", "DE|10115|haupt", ""},
		{"HAUPTSTRASSE 12A", "10115", "de", "DE|10115|12a", "DE|10115|haupt", ""},
		{"Karl-Marx-Allee 3-5", "10178", "DE", "DE|10178|3", "DE|10178|karl marx", ""},
		{"Straße des 17. Juni 135", "10623", "DE", "DE|10623|135", "DE|10623|17 juni", ""},
		{"Am Alten Markt 7, 2. OG", "50667", "DE", "DE|50667|7", "DE|50667|alten markt", "2"},
		{"12 Main St Apt 4", "94025-1234", "US", "US|94025|12", "US|94025|main", "4"},
		{"12 Main Street #4", "94025", "USA", "US|94025|12", "US|94025|main", "4"},
		{"123 N 45th Street, Suite 200", "98103", "US", "US|98103|123", "US|98103|n 45", "200"},
		{"123 North 45th St.", "98103", "US", "US|98103|123", "US|98103|n 45", ""},
		{"2 Sackville St", "2139", "US", "US|02139|2", "US|02139|sackville", ""}, // the spreadsheet ate the zero
		{"P.O. Box 123", "12345", "US", "", "", "box 123"},
		{"Flat 2, 10 Downing Street", "sw1a 2aa", "UK", "GB|SW1A2AA|10", "GB|SW1A2AA|downing", "2"},
		{"12-14 rue de la Paix", "75002", "France", "FR|75002|12", "FR|75002|paix", ""},
		{"12 bis, avenue de l'Opéra", "75001", "FR", "FR|75001|12bis", "FR|75001|opera", ""},
		{"Calle Mayor, 5, 3º B", "28013", "ES", "ES|28013|5", "ES|28013|mayor", "3o b"},
		{"Via Roma 10/A", "00184", "IT", "IT|00184|10", "IT|00184|roma", ""},
		{"Damrak 1 hs", "1012 LG", "NL", "NL|1012LG|1", "NL|1012LG|damrak", "hs"},
		{"Vasagatan 12 lgh 1001", "111 20", "SE", "SE|11120|12", "SE|11120|vasa", "1001"},
		{"ul. Marszałkowska 10/12 m. 5", "00-590", "PL", "PL|00590|10", "PL|00590|marszalkowska", "5"},
		{"Av. Paulista, 1578", "01310-200", "BR", "BR|01310200|1578", "BR|01310200|paulista", ""},
		{"Main Street 5", "1234", "", "ZZ|1234|5", "ZZ|1234|main", ""},
		{"King St", "2000", "AU", "", "AU|2000|king", ""},
		{"", "10115", "DE", "", "", ""},
		{"Hauptstraße 12", "", "DE", "", "", ""},
	} {
		a, ok := n.Address(c.street, c.postcode, c.country)
		if !ok || a.HouseKey != c.house || a.StreetKey != c.core || a.Unit != c.unit {
			t.Errorf("%q %q %q: %v %+v, want %+v", c.street, c.postcode, c.country, ok, a, c)
		}
	}
	for _, c := range [][3]string{{"94025", "US", "94025"}, {"94025-1234", "US", "94025"}, {"SW1A 2AA", "GB", "SW1A2AA"}, {"k1a 0b1", "CA", "K1A0B1"}, {"１００-０００１", "JP", "1000001"},
		{"1000-205", "PT", "1000"}, {"D-10115", "DE", "10115"}, {"CH-8001", "CH", "8001"}, {"501", "IS", "501"}, {"LV-1010", "LV", "LV1010"}} {
		if got, ok := n.Postcode(c[0], c[1]); !ok || got != c[2] {
			t.Errorf("postcode %q in %s: %q %v, want %q", c[0], c[1], got, ok, c[2])
		}
	}
	for _, c := range [][2]string{{"ABCDE", "US"}, {"12", "DE"}, {"0000", "AT"}, {"99999", "ES"}, {"n/a", "DE"}, {"", "DE"}, {"unknown", ""}} {
		if got, ok := n.Postcode(c[0], c[1]); ok {
			t.Errorf("postcode %q in %s became %q", c[0], c[1], got)
		}
	}
}

func TestCountry(t *testing.T) {
	n := Default()
	for in, want := range map[string]string{"Deutschland": "DE", "germany": "DE", "GERMANY ": "DE", "USA": "US", "u.s.": "US", "United States of America": "US", "UK": "GB", "England": "GB",
		"Österreich": "AT", "Oesterreich": "AT", "México": "MX", "Korea, Republic of": "KR", "日本": "JP", "Россия": "RU", "中国": "CN", "el": "GR", "The Netherlands": "NL", "Holland": "NL", "CHE": "CH",
		"Côte d'Ivoire": "CI", "Ivory Coast": "CI", "Bosnia & Herzegovina": "BA", "Georgia": "GE", "Türkiye": "TR", "Turkey": "TR", "Czech Republic": "CZ", "Czechia": "CZ", "Suisse": "CH", "Espagne": "ES",
		"Wielka Brytania": "GB", "Etats-Unis": "US", "Estados Unidos": "US", "Alemania": "DE", "Niederlande": "NL", "Viet Nam": "VN", "Hong Kong SAR": "HK", "Congo (Kinshasa)": "CG", "DRC": "CD",
		"🇩🇪": ""} {
		got, ok := n.Country(in)
		if got != want || ok != (want != "") {
			t.Errorf("%q is %q %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "xx", "n/a", "unknown", "Atlantis", "EU", "Europe", "-", "ZZ", "12"} {
		if got, ok := n.Country(in); ok {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestCurrency(t *testing.T) {
	n := Default()
	for _, c := range []struct {
		in, country, code string
		units             int
	}{{"eur", "", "EUR", 2}, {"€", "", "EUR", 2}, {"$", "US", "USD", 2}, {"$", "Canada", "CAD", 2}, {"US$", "", "USD", 2}, {"kr", "SE", "SEK", 2}, {"kr.", "DK", "DKK", 2}, {"Kč", "", "CZK", 2},
		{"¥", "JP", "JPY", 0}, {"¥", "China", "CNY", 2}, {"KWD", "", "KWD", 3}, {"Swiss Franc", "", "CHF", 2}, {"Fr.", "CH", "CHF", 2}, {"zł", "", "PLN", 2}, {"U.S. dollar", "", "USD", 2}, {"£", "", "GBP", 2}} {
		if got, ok := n.Currency(c.in, c.country); !ok || got.Code != c.code || got.MinorUnits != c.units {
			t.Errorf("%q in %q: %v %+v", c.in, c.country, ok, got)
		}
	}
	// Budgets are sent in the smallest units of the same list.
	for code, units := range n.currencies.units {
		if got := money.Exponent(code); got != units {
			t.Errorf("%s has %d digits here and %d in internal/money", code, units, got)
		}
	}
	for _, in := range []string{"", "$", "kr", "XYZ", "dollar", "money", "¥", "12"} {
		if got, ok := n.Currency(in, ""); ok {
			t.Errorf("%q became %+v", in, got)
		}
	}
}

func TestTimeZone(t *testing.T) {
	n := Default()
	for _, c := range [][3]string{{"europe/berlin", "", "Europe/Berlin"}, {"europe_slash_berlin", "", "Europe/Berlin"}, {"us_slash_eastern", "", "America/New_York"}, {"asia/calcutta", "", "Asia/Kolkata"},
		{"Eastern Time (US & Canada)", "", "America/New_York"}, {"(GMT-08:00) Pacific Standard Time (America/Los_Angeles)", "", "America/Los_Angeles"}, {"(GMT+01:00) Amsterdam", "", "Europe/Amsterdam"},
		{"W. Europe Standard Time", "", "Europe/Berlin"}, {"PDT", "", "America/Los_Angeles"}, {"CET", "", "Europe/Brussels"}, {"CET", "DE", "Europe/Berlin"}, {"CST", "US", "America/Chicago"},
		{"CST", "China", "Asia/Shanghai"}, {"IST", "India", "Asia/Kolkata"}, {"IST", "IE", "Europe/Dublin"}, {"BST", "GB", "Europe/London"}, {"New York", "", "America/New_York"},
		{"+02:00", "", "Etc/GMT-2"}, {"UTC-5", "", "Etc/GMT+5"}, {"GMT+5:30", "", "Asia/Kolkata"}, {"-0300", "", "Etc/GMT+3"}, {"Etc/GMT+5", "", "Etc/GMT+5"}, {"UTC", "", "UTC"}, {"gmt", "", "UTC"}, {"Z", "", "UTC"}} {
		if got, ok := n.TimeZone(c[0], c[1]); !ok || got != c[2] {
			t.Errorf("%q in %q: %q %v, want %q", c[0], c[1], got, ok, c[2])
		}
	}
	for _, in := range []string{"", "CST", "IST", "BST", "Mars/Phobos", "-13", "+15:00", "+01:17", "noon", "12:00"} {
		if got, ok := n.TimeZone(in, ""); ok {
			t.Errorf("%q became %q", in, got)
		}
	}
	for _, z := range n.Zones() {
		if _, err := time.LoadLocation(z); err != nil {
			t.Errorf("%s: %v", z, err)
		}
		if again, ok := n.TimeZone(z, ""); !ok || again != z {
			t.Errorf("%s became %s", z, again)
		}
	}
}

func TestURL(t *testing.T) {
	n := Default()
	for in, want := range map[string]string{
		"HTTP://User:pw@WWW.Acme.com:80/a/../b//c/?utm_source=x&b=2&a=1&gclid=3#top": "http://www.acme.com/b/c?a=1&b=2",
		"acme.com": "https://acme.com", "https://acme.com/": "https://acme.com", "//acme.com/x": "https://acme.com/x", "acme.com:8443/x": "https://acme.com:8443/x",
		"https://müller.de/straße?q=ä b": "https://xn--mller-kva.de/stra%C3%9Fe?q=%C3%A4+b", "acme.com/100%": "https://acme.com/100%25",
		"https://a.com/%7Euser": "https://a.com/~user", "https://a.com/x%2Fy": "https://a.com/x%2Fy", "https://a.com/?UTM_Campaign=x&FBCLID=1": "https://a.com",
		"https://a.com/?q=1&q=0": "https://a.com?q=0&q=1", "https://a.com/?": "https://a.com", "http://a.com:443/": "http://a.com:443",
		"https://a.com/?redirect=https://b.com/?gclid=1": "https://a.com?redirect=https%3A%2F%2Fb.com%2F%3Fgclid%3D1",
		" https://acme.com/pricing\u200b ":               "https://acme.com/pricing",
	} {
		got, ok := n.URL(in)
		if !ok || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "mailto:a@b.com", "a@b.com", "javascript:alert(1)", "ftp://a.com/x", "https://", "https://localhost/x", "/relative", "https://a b.com", "https://a.com/\x00x", "data:text/html,x", "n/a"} {
		if got, ok := n.URL(in); ok {
			t.Errorf("%q became %q", in, got)
		}
	}
	if v, ok := n.Param("https://a.com/?UTM_Source=Face%20book&x=1#y", "utm_source"); !ok || v != "Face book" {
		t.Errorf("parameter: %q %v", v, ok)
	}
}

func TestCampaign(t *testing.T) {
	n := Default()
	for _, c := range []struct {
		source, medium, campaign, channel string
		paid                              bool
	}{
		{"google", "cpc", "", "Paid Search", true}, {"AdWords", "PPC", "", "Paid Search", true}, {"google", "paid", "", "Paid Search", true},
		{"fb", "cpc", "x", "Paid Social", true}, {"linkedin", "Paid Social", "", "Paid Social", true}, {"facebook", "video", "", "Paid Social", true}, {"ig", "paid", "", "Paid Social", true},
		{"google", "display", "", "Display", true}, {"taboola", "native", "", "Display", true}, {"criteo", "retargeting", "", "Display", true},
		{"newsletter", "E-Mail", "", "Email", false}, {"hs_email", "", "", "Email", false}, {"hubspot", "nurture", "", "Email", false},
		{"google", "organic", "", "Organic Search", false}, {"www.google.com", "referral", "", "Organic Search", false}, {"bing", "", "", "Organic Search", false},
		{"t.co", "referral", "", "Organic Social", false}, {"facebook", "", "", "Organic Social", false}, {"lnkd.in", "social-media", "", "Organic Social", false},
		{"acme.com", "referral", "", "Referral", false}, {"chatgpt.com", "", "", "Referral", false}, {"partner", "affiliate", "", "Affiliate", true},
		{"(direct)", "(none)", "", "Direct", false}, {"web-summit", "event", "", "Offline", false},
		{"podcast", "audio", "", "", false}, {"", "", "", "", false}, {"{{site_source_name}}", "(not set)", "__CAMPAIGN__", "", false},
	} {
		got := n.Campaign(c.source, c.medium, c.campaign)
		if got.Channel != c.channel || got.Paid != c.paid {
			t.Errorf("%+v: %+v", c, got)
		}
	}
	c := n.Campaign("Spring+Sale", "ppc", "Spring%20Sale 2026 ")
	if c.Source != "spring_sale" || c.Campaign != "spring_sale_2026" {
		t.Errorf("convention: %+v", c)
	}
	// A team's rule wins where it says something else, and one that is built in anyway does not hide the finer ones.
	own, err := New(Additions{Channels: []ChannelRule{{Medium: "cpc", Channel: "Paid Search", Paid: true}, {Medium: "audio", Channel: "Podcasts", Paid: true}, {Source: "facebook", Medium: "organic", Channel: "Community"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{{"facebook", "cpc", "Paid Social"}, {"podcast", "Audio", "Podcasts"}, {"fb", "organic", "Community"}, {"google", "cpc", "Paid Search"}} {
		if got := own.Campaign(c[0], c[1], ""); got.Channel != c[2] {
			t.Errorf("with the team's rules %v is %+v", c, got)
		}
	}
}
