// Package sqlfunc makes the normalisation of package normal known to SQL: one flat scalar function for each normal form.
// NULL gives NULL, what cannot be read gives NULL, and no value makes a query fail.
package sqlfunc

import (
	"io/fs"
	"strings"

	"millrace/internal/duck"
	"millrace/internal/normal"
)

// Project lists the functions over the built-in lists and what the seeds of a project add to them. fsys is its folder.
func Project(fsys fs.FS) ([]duck.Function, error) {
	add, err := normal.ReadAdditions(fsys)
	if err != nil {
		return nil, err
	}
	n, err := normal.New(add)
	if err != nil {
		return nil, err
	}
	return All(n), nil
}

// All lists the functions over one normaliser. Their version is the normaliser's.
func All(n *normal.Normaliser) []duck.Function {
	r := newReader(n)
	out := []duck.Function{
		text("norm_version", "Version of the rules and lists behind all norm_ functions.", nil, func([]string) (string, bool) { return n.Version(), true }),

		text("norm_email", "E-mail address in lower case, NFC, with its domain in ASCII.", one("email"), func(a []string) (string, bool) {
			e, ok := r.email(a[0])
			return e.Exact, ok
		}),
		text("norm_email_mailbox", "The address without what its provider is known to ignore: dots at Gmail, +tags at others.", one("email"), func(a []string) (string, bool) {
			e, ok := r.email(a[0])
			return e.Mailbox, ok
		}),
		text("norm_email_local", "Letters and digits before the at sign, without a +tag.", one("email"), func(a []string) (string, bool) {
			e, ok := r.email(a[0])
			return e.LocalCore, ok
		}),
		text("norm_email_domain", "What stands behind the at sign, in ASCII.", one("email"), func(a []string) (string, bool) {
			e, ok := r.email(a[0])
			return e.Domain, ok
		}),
		text("norm_email_class", "role, disposable, free, suspect or corporate.", one("email"), func(a []string) (string, bool) {
			e, ok := r.email(a[0])
			return string(e.Class), ok
		}),

		text("norm_phone", "Telephone number in E.164. NULL for a number that is none or was typed to fill a field.", with("phone", "country"), func(a []string) (string, bool) {
			p, ok := r.phone(a[0], a[1])
			return p.E164, ok && p.Plausible
		}),
		text("norm_phone_extension", "Digits of the extension.", with("phone", "country"), func(a []string) (string, bool) {
			p, ok := r.phone(a[0], a[1])
			return p.Extension, ok && p.Plausible
		}),
		text("norm_phone_type", "fixed_line, mobile, fixed_line_or_mobile, toll_free, voip, premium_rate, shared_cost, personal_number, pager, uan, voicemail or unknown.", with("phone", "country"), func(a []string) (string, bool) {
			p, ok := r.phone(a[0], a[1])
			return string(p.Type), ok && p.Plausible
		}),
		text("norm_phone_country", "Country of the numbering plan.", with("phone", "country"), func(a []string) (string, bool) {
			p, ok := r.phone(a[0], a[1])
			return p.Region, ok && p.Plausible
		}),
		text("norm_phone_problem", "Why norm_phone is NULL: invalid, repeated digits, counting digits, 555-01xx is for films. NULL when nothing is wrong.", with("phone", "country"), func(a []string) (string, bool) {
			p, ok := r.phone(a[0], a[1])
			switch {
			case strings.TrimSpace(a[0]) == "":
				return "", false
			case !ok:
				return "invalid", true
			}
			return p.Why, !p.Plausible
		}),

		text("norm_domain", "Registrable domain of a link, host or address: acme.co.uk.", one("domain"), func(a []string) (string, bool) {
			d, ok := r.domain(a[0])
			return d.Registrable, ok
		}),
		text("norm_domain_class", "corporate, hosted, free, disposable or invalid.", one("domain"), func(a []string) (string, bool) {
			d, _ := r.domain(a[0])
			return string(d.Class), strings.TrimSpace(a[0]) != ""
		}),

		person(r, "norm_person_key", "Family and given name, transliterated: 'vandermeer jan'. NULL when one of them is missing.", func(p normal.Person) string { return p.Key }),
		person(r, "norm_person_given", "First given name, transliterated, letters and digits only.", func(p normal.Person) string { return p.GivenKey }),
		person(r, "norm_person_middle", "Further given names, transliterated.", func(p normal.Person) string { return p.MiddleKey }),
		person(r, "norm_person_family", "Family name with its particles, transliterated, letters and digits only.", func(p normal.Person) string { return p.FamilyKey }),
		person(r, "norm_person_family_core", "Family name without particles such as van, de or bin.", func(p normal.Person) string { return p.FamilyCore }),
		person(r, "norm_person_native", "Family and given name in the writing they came in.", func(p normal.Person) string { return p.NativeKey }),
		person(r, "norm_person_sorted", "All words of the name, transliterated and sorted: does not know which is the family's.", func(p normal.Person) string { return p.SortedKey }),
		person(r, "norm_person_generation", "jr, sr, ii, iii, iv or v.", func(p normal.Person) string { return p.Generation }),
		text("norm_nickname", "Groups of a given name, joined by |: Bill is william. A name in no group is a group of its own.", one("given_name"), func(a []string) (string, bool) {
			return strings.Join(n.Nicknames(a[0]), "|"), true
		}),

		company(r, "norm_company", "Words of a company's name without its legal form, transliterated: 'muller and sohne'.", func(c normal.Company) string { return strings.Join(c.Tokens, " ") }),
		company(r, "norm_company_key", "The same in one word: 'mullerandsohne'.", func(c normal.Company) string { return c.Key }),
		company(r, "norm_company_form", "Legal form in one spelling: 'gmbh & co kg'.", func(c normal.Company) string { return c.LegalForm }),
		company(r, "norm_company_native", "The whole name in the writing it came in, letters and digits only.", func(c normal.Company) string { return c.NativeKey }),

		text("norm_postcode", "Postal code in upper case without blanks; NULL when the country has no such code.", with("postcode", "country"), func(a []string) (string, bool) { return n.Postcode(a[0], a[1]) }),
		address(r, "norm_address_house", "country|postcode|house number: 'DE|10115|12a'.", func(a normal.Address) string { return a.HouseKey }),
		address(r, "norm_address_street", "country|postcode|core of the street: 'DE|10115|haupt'.", func(a normal.Address) string { return a.StreetKey }),

		text("norm_country", "ISO 3166 code of two letters for a code or a name in one of many languages.", one("country"), func(a []string) (string, bool) { return n.Country(a[0]) }),
		text("norm_currency", "ISO 4217 code for a code, sign or name; signs of several currencies need the country.", with("currency", "country"), func(a []string) (string, bool) {
			c, ok := n.Currency(a[0], a[1])
			return c.Code, ok
		}),
		{Name: "norm_currency_units", Description: "Digits after the point by ISO 4217: 2 for EUR, 0 for JPY.", Params: one("currency"), Returns: duck.BigInt, Call: func(cells []any) any {
			s, _ := cells[0].(string)
			if c, ok := n.Currency(s, ""); ok {
				return int64(c.MinorUnits)
			}
			return nil
		}},
		text("norm_time_zone", "IANA name of a time zone for a name, abbreviation or offset; names of several zones need the country.", with("time_zone", "country"), func(a []string) (string, bool) { return n.TimeZone(a[0], a[1]) }),

		text("norm_url", "Link in one spelling, without fragment, user and tracking parameters.", one("url"), func(a []string) (string, bool) { return n.URL(a[0]) }),
		text("norm_url_param", "Parameter of a link, decoded: norm_url_param(url, 'utm_medium').", []duck.Param{{Name: "url", Type: duck.Varchar}, {Name: "name", Type: duck.Varchar}}, func(a []string) (string, bool) { return n.Param(a[0], a[1]) }),
		text("norm_utm_source", "Source tag by convention: fb is facebook.", one("source"), func(a []string) (string, bool) { return n.Tag("source", a[0]) }),
		text("norm_utm_medium", "Medium tag by convention: ppc is cpc.", one("medium"), func(a []string) (string, bool) { return n.Tag("medium", a[0]) }),
		text("norm_utm_campaign", "Campaign tag by convention: lower case, _ for blanks.", one("campaign"), func(a []string) (string, bool) { return n.Tag("campaign", a[0]) }),
		campaign(r, "norm_channel", "Channel that the tags of a visit mean; NULL when no rule knows them.", duck.Varchar, func(c normal.Campaign) any { return c.Channel }),
		campaign(r, "norm_channel_is_paid", "True where the channel of the tags is paid media; NULL when no rule knows them.", duck.Boolean, func(c normal.Campaign) any { return c.Paid }),
	}
	for i := range out {
		out[i].Version = n.Version()
	}
	return out
}

// one is a single parameter.
func one(name string) []duck.Param { return []duck.Param{{Name: name, Type: duck.Varchar}} }

// with is a parameter and others that may be NULL or left out.
func with(name string, optional ...string) []duck.Param {
	out := one(name)
	for _, o := range optional {
		out = append(out, duck.Param{Name: o, Type: duck.Varchar, Optional: true})
	}
	return out
}

// text is a function of texts. The first must be there; of the others, missing ones are empty.
func text(name, description string, params []duck.Param, f func(a []string) (string, bool)) duck.Function {
	return duck.Function{Name: name, Description: description, Params: params, Returns: duck.Varchar, Call: func(cells []any) any {
		a := make([]string, len(cells))
		for i, c := range cells {
			s, ok := c.(string)
			if !ok && i == 0 {
				return nil
			}
			a[i] = s
		}
		if s, ok := f(a); ok && s != "" {
			return s
		}
		return nil
	}}
}

// person is a function of a given and a family name, either of which may be NULL; one argument is a whole name.
func person(r *reader, name, description string, part func(normal.Person) string) duck.Function {
	return duck.Function{Name: name, Description: description, Params: with("given_or_full_name", "family_name"), Returns: duck.Varchar, Call: func(cells []any) any {
		given, ok1 := cells[0].(string)
		family, ok2 := cells[1].(string)
		if !ok1 && !ok2 {
			return nil
		}
		p, ok := r.person(given, family)
		if s := part(p); ok && s != "" {
			return s
		}
		return nil
	}}
}

func company(r *reader, name, description string, part func(normal.Company) string) duck.Function {
	return text(name, description, with("name", "country"), func(a []string) (string, bool) {
		c, ok := r.company(a[0], a[1])
		return part(c), ok
	})
}

func address(r *reader, name, description string, part func(normal.Address) string) duck.Function {
	return text(name, description, with("street", "postcode", "country"), func(a []string) (string, bool) {
		x, ok := r.address(a[0], a[1], a[2])
		return part(x), ok
	})
}

// campaign is a function of the tags of a visit, each of which may be NULL.
func campaign(r *reader, name, description string, returns duck.Type, part func(normal.Campaign) any) duck.Function {
	return duck.Function{Name: name, Description: description, Params: with("source", "medium", "campaign"), Returns: returns, Call: func(cells []any) any {
		source, ok1 := cells[0].(string)
		medium, ok2 := cells[1].(string)
		tag, ok3 := cells[2].(string)
		if !ok1 && !ok2 && !ok3 {
			return nil
		}
		c := r.campaign(source, medium, tag)
		if c.Channel == "" {
			return nil
		}
		return part(c)
	}}
}
