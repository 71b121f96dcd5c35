package columns

import (
	"sort"
	"strings"

	"millrace/internal/fault"
	"millrace/internal/match"
)

// short are the names that people write in --map beside those of match.Types.
var short = map[string]match.Type{
	"given": match.GivenName, "first": match.GivenName, "first_name": match.GivenName, "forename": match.GivenName,
	"family": match.Surname, "last": match.Surname, "last_name": match.Surname, "family_name": match.Surname,
	"middle": match.MiddleName, "mail": match.Email, "email_address": match.Email, "mobile": match.Phone, "telephone": match.Phone, "tel": match.Phone,
	"dob": match.Date, "birth_date": match.Date, "birthdate": match.Date, "date_of_birth": match.Date,
	"ssn": match.ID, "vat": match.ID, "lei": match.ID, "registered_number": match.ID, "registration_number": match.ID, "user_id": match.ID,
	"website": match.Domain, "url": match.Domain, "web": match.Domain, "company": match.CompanyName, "organisation": match.CompanyName, "organization": match.CompanyName,
	"address": match.Street, "street_address": match.Street, "street_number": match.HouseNumber, "house": match.HouseNumber,
	"town": match.City, "suburb": match.City, "region": match.State, "province": match.State, "zip": match.Postcode, "postal_code": match.Postcode,
	"other": match.Text, "none": match.Ignore, "name": "name",
}

// Kinds are the names that --map takes, the shortest of each.
func Kinds() []string {
	out := []string{"name", "given", "family"}
	for _, t := range match.Types() {
		switch t {
		case match.GivenName, match.Surname:
		default:
			out = append(out, string(t))
		}
	}
	sort.Strings(out[3:])
	return out
}

// Kind reads what a person wrote for a kind of column. A name is a company's or a person's, as the list is.
func Kind(s string, e match.Entity) (match.Type, error) {
	k := strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.TrimSpace(s)))
	for _, t := range match.Types() {
		if string(t) == k {
			return forEntity(t, e), nil
		}
	}
	if t, ok := short[k]; ok {
		return forEntity(t, e), nil
	}
	known := Kinds()
	for n := range short {
		known = append(known, n)
	}
	hint := ""
	if n := fault.Nearest(k, known); n != "" {
		hint = "Did you mean \"" + n + "\"?"
	} else {
		hint = "Kinds: " + strings.Join(Kinds(), ", ") + "."
	}
	return "", &fault.Error{Key: "--map", Value: s, Msg: "is no kind of column", Hint: hint}
}

func forEntity(t match.Type, e match.Entity) match.Type {
	switch {
	case t == "name" && e == match.Company:
		return match.CompanyName
	case t == "name":
		return match.FullName
	case t == match.CompanyName && e == match.Person:
		return match.Employer
	}
	return t
}
