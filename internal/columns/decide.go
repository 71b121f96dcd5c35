package columns

import (
	"fmt"
	"strings"

	"millrace/internal/match"
	"millrace/internal/normal"
)

// known tells whether the first word is a known given name, and whether it stands alone.
func known(n *normal.Normaliser, w []string) (first, single bool) {
	if len(w) == 0 || len(w[0]) > 40 {
		return false, false
	}
	return n.KnownGivenName(w[0]), len(w) == 1
}

func legal(n *normal.Normaliser, v string) bool {
	c, ok := n.Company(v, "")
	return ok && c.LegalForm != ""
}

// weights of the kinds as signs of people and of companies.
var signs = map[string][2]float64{
	"given_name": {3, 0}, "surname": {3, 0}, "middle_name": {2, 0}, "birth_date": {3, 0}, "person_id": {3, 0}, "gender": {2, 0}, "salutation": {1, 0},
	"full_name": {1, 0}, "company_name": {0, 2}, "company_id": {0, 3}, "domain": {0, 1.5},
}

// entity tells people from companies by the kinds of columns, and where they leave it open by what stands in the names.
func entity(cols []Column) (match.Entity, string) {
	var people, companies float64
	var names [2][]string
	for _, c := range cols {
		if c.kind == "" || c.stats.values == 0 {
			continue
		}
		s := signs[c.kind]
		people += s[0] * c.name
		companies += s[1] * c.name
		for i := range s {
			if s[i] > 0 {
				names[i] = append(names[i], c.Name)
			}
		}
		if c.kind == "name" || c.kind == "full_name" {
			if c.stats.share(c.stats.legal) > 0.1 {
				companies += 2.5
				names[1] = append(names[1], fmt.Sprintf("legal forms in %s", c.Name))
			} else if c.stats.share(c.stats.people) > 0.1 {
				people += 2.5
				names[0] = append(names[0], fmt.Sprintf("given names in %s", c.Name))
			}
		}
		if c.kind == "other" && hasAny(c.Name, "employees", "revenue", "turnover", "industry", "sector", "branch", "legal", "rechtsform") {
			companies++
			names[1] = append(names[1], c.Name)
		}
	}
	if companies == 0 && people == 0 { // nothing in the names of the columns: by content alone
		for _, c := range cols {
			if c.stats.share(c.stats.legal) > 0.25 {
				return match.Company, fmt.Sprintf("legal forms in %s", c.Name)
			}
		}
	}
	if companies > people {
		return match.Company, strings.Join(names[1], ", ")
	}
	if len(names[0]) == 0 {
		return match.Person, "nothing says company"
	}
	return match.Person, strings.Join(names[0], ", ")
}

func hasAny(name string, parts ...string) bool {
	n := strings.Join(split(name), " ")
	for _, p := range parts {
		if strings.Contains(n, p) {
			return true
		}
	}
	return false
}

// decide turns the kind and the values into the way in which the column is compared.
func (c *Column) decide(e match.Entity) {
	s := c.stats
	why := c.Why
	set := func(t match.Type, why string) {
		if bad := c.refuted(t); bad != "" {
			c.Type, c.Why = match.Ignore, fmt.Sprintf("%s, but its values are no %s", why, bad)
			return
		}
		c.Type, c.Why = t, why
	}
	ignore := func(why string) { c.Type, c.Why = match.Ignore, why }
	if s.values == 0 { // in the rows that were looked at; what it is called is all there is to go by
		why += "; empty so far"
		if c.name < 0.9 || c.kind == "key" || c.kind == "user_id" {
			ignore("empty")
			return
		}
	}
	person := e == match.Person
	switch c.kind {
	case "given_name", "surname", "middle_name":
		if !person {
			ignore(why + ": a contact's name, companies are not compared by it")
			return
		}
		set(map[string]match.Type{"given_name": match.GivenName, "surname": match.Surname, "middle_name": match.MiddleName}[c.kind], why)
	case "full_name":
		if person {
			set(match.FullName, why)
		} else if hasAny(c.Name, "customer", "client", "account", "kunde") {
			set(match.CompanyName, why)
		} else {
			ignore(why + ": a contact's name, companies are not compared by it")
		}
	case "name":
		if person {
			set(match.FullName, why)
		} else {
			set(match.CompanyName, why)
		}
	case "company_name":
		if person {
			set(match.Employer, why)
		} else {
			set(match.CompanyName, why)
		}
	case "email":
		set(match.Email, why)
	case "phone":
		set(match.Phone, why)
	case "birth_date":
		if !person {
			ignore(why + ": companies are not compared by it")
			return
		}
		set(match.Date, why)
	case "person_id":
		if !person {
			ignore(why + ": companies are not compared by it")
			return
		}
		set(match.ID, why)
	case "company_id":
		if person {
			ignore(why + ": it belongs to the employer, whom many share")
			return
		}
		set(match.ID, why)
	case "user_id":
		if s.distinct == s.values {
			c.Key = true
			ignore(fmt.Sprintf("%s, and no value comes twice: it numbers the rows", why))
			return
		}
		set(match.ID, why)
	case "domain":
		set(match.Domain, why)
	case "street":
		set(match.Street, why)
	case "house_number":
		set(match.HouseNumber, why)
	case "city":
		set(match.City, why)
	case "state":
		set(match.State, why)
	case "postcode":
		set(match.Postcode, why)
	case "country":
		set(match.Country, why)
	case "gender":
		if person {
			set(match.Text, why+": weak evidence")
			return
		}
		ignore(why + ": companies are not compared by it")
	case "answer":
		ignore(why + ": looks like an answer to who is who")
	case "key":
		c.Key = s.distinct == s.values && s.values == s.rows
		if c.Key {
			ignore(why + ": numbers the rows")
			return
		}
		c.byContent(e, why)
	case "salutation", "confidence", "moment", "other":
		ignore(why + ": says little about who it is")
	default:
		c.byContent(e, why)
	}
	// A header that only contains a known word yields to values that say something else clearly.
	if c.Type == match.Ignore && c.name > 0 && c.name < 0.7 && !c.Key {
		c.byContent(e, c.Why)
	}
}

// byContent recognises what the name does not say: only where the values leave no doubt.
func (c *Column) byContent(e match.Entity, why string) {
	s := c.stats
	set := func(t match.Type, what string, n int) {
		c.Type, c.Why, c.name = t, fmt.Sprintf("%.0f %% of its values are %s", 100*s.share(n), what), 0.4
	}
	c.Type, c.Why = match.Ignore, why
	switch {
	case s.values < 3 && s.share(s.email) < 1:
	case s.share(s.email) >= 0.8:
		set(match.Email, "e-mail addresses", s.email)
	case s.share(s.domain) >= 0.8:
		set(match.Domain, "web addresses", s.domain)
	case s.share(s.phone) >= 0.8 && s.share(s.plus) >= 0.5 && s.distinct*2 > s.values:
		set(match.Phone, "telephone numbers", s.phone)
	case s.share(s.date) >= 0.8:
		c.Why = "dates; if they are of birth, say --map date=" + c.Name
		if e == match.Company {
			c.Why = "dates"
		}
	case e == match.Company && s.share(s.legal) >= 0.25:
		set(match.CompanyName, "names with a legal form", s.legal)
	case e == match.Person && s.share(s.legal) >= 0.25:
		set(match.Employer, "names with a legal form", s.legal)
	case e == match.Person && s.share(s.given) >= 0.25 && s.share(s.letters) >= 0.8:
		set(match.GivenName, "known given names", s.given)
	case e == match.Person && s.share(s.people) >= 0.2 && s.share(s.letters) >= 0.8:
		set(match.FullName, "names that begin with a known given name", s.people)
	}
}
