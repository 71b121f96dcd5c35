package normal

import "testing"

func TestEmail(t *testing.T) {
	n := Default()
	for _, c := range []struct {
		in, exact, mailbox, core string
		class                    EmailClass
	}{
		{"Jane.Doe+news@GoogleMail.com", "jane.doe+news@googlemail.com", "janedoe@gmail.com", "janedoe", EmailFree},
		{" Jane Doe <Jane.Doe@Acme.COM> ", "jane.doe@acme.com", "jane.doe@acme.com", "janedoe", EmailCorporate},
		{"mailto:a.b@icloud.com?subject=hello", "a.b@icloud.com", "a.b@icloud.com", "ab", EmailFree},
		{"j+x@me.com", "j+x@me.com", "j@icloud.com", "j", EmailFree},
		{"jane+tag@acme.com", "jane+tag@acme.com", "jane+tag@acme.com", "jane", EmailCorporate}, // nobody knows what acme.com ignores
		{"j.doe+a@outlook.com", "j.doe+a@outlook.com", "j.doe@outlook.com", "jdoe", EmailFree},  // dots count there
		{"ja.ne@protonmail.com", "ja.ne@protonmail.com", "ja.ne@proton.me", "jane", EmailFree},
		{"ｊａｎｅ＠ａｃｍｅ．ｃｏｍ", "jane@acme.com", "jane@acme.com", "jane", EmailCorporate},
		{"\ufeffjane\u200b@acme.com\r\n", "jane@acme.com", "jane@acme.com", "jane", EmailCorporate},
		{"jane@münchen.de", "jane@xn--mnchen-3ya.de", "jane@xn--mnchen-3ya.de", "jane", EmailCorporate},
		{"jane@XN--MNCHEN-3YA.de", "jane@xn--mnchen-3ya.de", "jane@xn--mnchen-3ya.de", "jane", EmailCorporate},
		{"Mu\u0308ller@acme.de", "müller@acme.de", "müller@acme.de", "muller", EmailCorporate},
		{"o'brien@acme.ie", "o'brien@acme.ie", "o'brien@acme.ie", "obrien", EmailCorporate},
		{"jane@acme.com.", "jane@acme.com", "jane@acme.com", "jane", EmailCorporate},
		{"jane@acme.com;", "jane@acme.com", "jane@acme.com", "jane", EmailCorporate},
		{"x@yahoo.com.ve", "x@yahoo.com.ve", "x@yahoo.com.ve", "x", EmailFree}, // a brand below any suffix
		{"bob@mailinator.com", "bob@mailinator.com", "bob@mailinator.com", "bob", EmailDisposable},
		{"a@gmial.com", "a@gmial.com", "a@gmial.com", "a", EmailSuspect},
		{"jane@acme.uk.com", "jane@acme.uk.com", "jane@acme.uk.com", "jane", EmailSuspect},
		{"jane@example.com", "jane@example.com", "jane@example.com", "jane", EmailSuspect},
		{"noemail@acme.com", "noemail@acme.com", "noemail@acme.com", "noemail", EmailSuspect},
		{"jane@mail.acme.co.uk", "jane@mail.acme.co.uk", "jane@mail.acme.co.uk", "jane", EmailCorporate},
		{"info@acme.com", "info@acme.com", "info@acme.com", "info", EmailRole},
		{"info@gmail.com", "info@gmail.com", "info@gmail.com", "info", EmailRole},
		{"No-Reply@acme.com", "no-reply@acme.com", "no-reply@acme.com", "noreply", EmailRole},
		{"sales.emea@acme.com", "sales.emea@acme.com", "sales.emea@acme.com", "salesemea", EmailRole},
		{"support+123@acme.com", "support+123@acme.com", "support+123@acme.com", "support", EmailRole},
		{"info2@acme.com", "info2@acme.com", "info2@acme.com", "info2", EmailRole},
		{"buchhaltung@acme.de", "buchhaltung@acme.de", "buchhaltung@acme.de", "buchhaltung", EmailRole},
		{"comptabilité@acme.fr", "comptabilité@acme.fr", "comptabilité@acme.fr", "comptabilite", EmailRole},
		{"it@acme.com", "it@acme.com", "it@acme.com", "it", EmailRole},
		{"a.r@acme.com", "a.r@acme.com", "a.r@acme.com", "ar", EmailCorporate},
		{"ar@acme.com", "ar@acme.com", "ar@acme.com", "ar", EmailRole},
		{"it.smith@acme.com", "it.smith@acme.com", "it.smith@acme.com", "itsmith", EmailCorporate}, // a short role counts alone
		{"maria.test@acme.com", "maria.test@acme.com", "maria.test@acme.com", "mariatest", EmailCorporate},
		{"a..b@docomo.ne.jp", "a..b@docomo.ne.jp", "a..b@docomo.ne.jp", "ab", EmailFree},
		{"+tag@gmail.com", "+tag@gmail.com", "+tag@gmail.com", "tag", EmailFree},
	} {
		e, ok := n.Email(c.in)
		if !ok || e.Exact != c.exact || e.Mailbox != c.mailbox || e.LocalCore != c.core || e.Class != c.class {
			t.Errorf("%q: %v %+v, want %+v", c.in, ok, e, c)
		}
	}
	for _, s := range []string{"", " ", "jane", "jane@", "@acme.com", "jane@acme", "jane@@acme.com", "ja ne@acme.com", "jane\x00@acme.com", "jane@ac\x07me.com",
		"jane@acme..com", "jane@-acme.com", "jane@127.0.0.1", "jane@[127.0.0.1]", "jane@acme.123", "jane@acme.c", "jane, joe@acme.com", "n/a", "-", "...@acme.com",
		"jane@acme_corp.com", "Jane <jane@acme.com", "\xff\xfe@acme.com", ".jane@acme.com"} {
		if e, ok := n.Email(s); ok {
			t.Errorf("%q became %+v", s, e)
		}
	}
}

func TestDomain(t *testing.T) {
	n := Default()
	for _, c := range []struct {
		in, registrable string
		class           DomainClass
		icann           bool
	}{
		{"https://www.Acme.co.uk:8080/path?x=1", "acme.co.uk", DomainCorporate, true},
		{"acme.com", "acme.com", DomainCorporate, true},
		{"WWW.ACME.COM.", "acme.com", DomainCorporate, true},
		{"jane@mail.acme.com.br", "acme.com.br", DomainCorporate, true},
		{"//cdn.acme.com.au/x", "acme.com.au", DomainCorporate, true},
		{"acme.github.io", "acme.github.io", DomainHosted, false},
		{"shop.wixsite.com", "shop.wixsite.com", DomainHosted, false},
		{"acme.blogspot.com", "acme.blogspot.com", DomainHosted, false},
		{"gmail.com", "gmail.com", DomainFree, true},
		{"mail.yahoo.co.jp", "yahoo.co.jp", DomainFree, true},
		{"mailinator.com", "mailinator.com", DomainDisposable, true},
		{"münchen.de", "xn--mnchen-3ya.de", DomainCorporate, true},
		{"例え.jp", "xn--r8jz45g.jp", DomainCorporate, true},
		{"acme.example", "acme.example", DomainCorporate, false}, // simulated markets live there
	} {
		d, ok := n.Domain(c.in)
		if !ok || d.Registrable != c.registrable || d.Class != c.class || d.ICANN != c.icann {
			t.Errorf("%q: %v %+v, want %+v", c.in, ok, d, c)
		}
	}
	for _, s := range []string{"", "localhost", "acme", "1.2.3.4", "https://[::1]/", "co.uk", "github.io", "acme.local", "acme.test", "foo bar.com", "*.acme.com", "n/a", "http://", "_dmarc.acme.com"} {
		if d, ok := n.Domain(s); ok || d.Class != DomainInvalid {
			t.Errorf("%q became %+v", s, d)
		}
	}
}

func TestPhone(t *testing.T) {
	n := Default()
	for _, c := range []struct {
		in, region, e164, ext string
		typ                   PhoneType
	}{
		{"(415) 555-2671 ext. 12", "US", "+14155552671", "12", PhoneFixedOrMobile},
		{"030 12345-678", "DE", "+493012345678", "", PhoneFixed},
		{"0171 1234567", "Germany", "+491711234567", "", PhoneMobile},
		{"+٤٩ ٣٠ ١٢٣٤٥٦٧٨", "", "+493012345678", "", PhoneFixed},
		{"۰۹۱۲ ۳۴۵ ۶۷۸۹", "IR", "+989123456789", "", PhoneMobile},
		{"٠١٠٠ ١٢٣ ٤٥٦٧", "EG", "+201001234567", "", PhoneMobile},
		{"０３-１２３４-５６７８", "JP", "+81312345678", "", PhoneFixed},
		{"1-800-FLOWERS", "US", "+18003569377", "", PhoneTollFree},
		{"0800 1111", "GB", "+448001111", "", PhoneTollFree},
		{"020 7946 0958", "UK", "+442079460958", "", PhoneFixed},
		{"07400 123456", "GB", "+447400123456", "", PhoneMobile},
		{"06 12 34 56 78", "FR", "+33612345678", "", PhoneMobile},
		{"+39 06 698 12345", "", "+390669812345", "", PhoneFixed}, // Italian zeros stay
		{"0049 30 12345678", "", "+493012345678", "", PhoneFixed},
		{"011 49 30 12345678", "US", "+493012345678", "", PhoneFixed},
		{"49 30 12345678", "DE", "+493012345678", "", PhoneFixed},
		{"1 415 555 2671", "DE", "+14155552671", "", PhoneFixedOrMobile},
		{"tel:+1-415-555-2671", "", "+14155552671", "", PhoneFixedOrMobile},
		{"+44 (0)20 7946 0958", "", "+442079460958", "", PhoneFixed},
		{"\u200e+1 415 555 2671\u202c", "", "+14155552671", "", PhoneFixedOrMobile},
		{"0412 345 678", "AU", "+61412345678", "", PhoneMobile},
		{"11 96123-4567", "BR", "+5511961234567", "", PhoneMobile},
		{"098123 45067", "IN", "+919812345067", "", PhoneMobile},
		{"+800 2468 1357", "", "+80024681357", "", PhoneTollFree},
	} {
		p, ok := n.Phone(c.in, c.region)
		if !ok || !p.Plausible || p.E164 != c.e164 || p.Extension != c.ext || p.Type != c.typ {
			t.Errorf("%q in %s: %v %+v, want %+v", c.in, c.region, ok, p, c)
		}
	}
	for s, why := range map[string]string{"415-555-0100": "555-01xx is for films", "(212) 555-0199": "555-01xx is for films", "1111111111": "repeated digits",
		"0000000000": "repeated digits", "415-000-0000": "repeated digits", "999-999-9999": "repeated digits", "1234567890": "counting digits"} {
		if p, ok := n.Phone(s, "US"); !ok || p.Plausible || p.Why != why {
			t.Errorf("%q: %v %+v, want %s", s, ok, p, why)
		}
	}
	for _, s := range []string{"", "n/a", "12345", "call me", "+", "+1", "415-555-26711111", "(415) 555", "2026-11-21", "jane@acme.com"} {
		if p, ok := n.Phone(s, "US"); ok {
			t.Errorf("%q became %+v", s, p)
		}
	}
	if _, ok := n.Phone("415-555-2671", ""); ok {
		t.Error("a number without a country code was read without a country")
	}
	a, _ := n.Phone("+1 415 555 2671 x12", "")
	b, _ := n.Phone("+1 415 555 2671", "")
	if a.Key() == b.Key() || a.E164 != b.E164 {
		t.Errorf("an extension makes another line: %s %s", a.Key(), b.Key())
	}
}
