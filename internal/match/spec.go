package match

import (
	"fmt"
	"slices"

	"millrace/internal/fault"
	"millrace/internal/normal"
)

// Entity is what the records describe.
type Entity string

// The kinds of entity.
const (
	Person  Entity = "person"
	Company Entity = "company"
)

// Type says what a column holds, and so how two values of it are compared.
type Type string

// The types of columns. A column of type Ignore is carried by nothing and compared with nothing.
const (
	FullName    Type = "full_name"    // "Jane van Dyke"; taken apart where given name and surname are not columns of their own
	GivenName   Type = "given_name"   // first name
	Surname     Type = "surname"      // last name
	MiddleName  Type = "middle_name"  // middle names or initials
	Email       Type = "email"        // e-mail address
	Phone       Type = "phone"        // telephone number, any spelling
	Date        Type = "date"         // date of birth, or any date that belongs to the entity for good
	ID          Type = "id"           // number given to one entity only: social security, VAT, registration or user number
	CompanyName Type = "company_name" // the company's name; for a person, the employer's
	Domain      Type = "domain"       // web domain or address of the company; for a person, the employer's
	Street      Type = "street"       // street, with or without the house number, or another line of the address
	HouseNumber Type = "house_number" // house number alone
	City        Type = "city"         // town or suburb
	State       Type = "state"        // state, province or region
	Postcode    Type = "postcode"     // postal code
	Country     Type = "country"      // country, as code or name
	Employer    Type = "employer"     // name of the company that a person works for
	Text        Type = "text"         // anything else: weak evidence
	Ignore      Type = "ignore"       // not compared
)

// Types lists every type, sorted.
func Types() []Type {
	t := []Type{FullName, GivenName, Surname, MiddleName, Email, Phone, Date, ID, CompanyName, Domain, Street, HouseNumber, City, State, Postcode, Country, Employer, Text, Ignore}
	slices.Sort(t)
	return t
}

// Field is one column of the records.
type Field struct {
	Name string `json:"name"` // of the column
	Type Type   `json:"type"`
	// Limit is how many different values one entity may have, 0 for as many as there are: 1 for the user id of a product.
	// A group that would exceed it is not formed.
	Limit int `json:"limit,omitempty"`
}

// Spec describes the records.
type Spec struct {
	Entity Entity  `json:"entity"`
	Fields []Field `json:"fields"`
	// Region is the country (ISO 3166, two letters) by which telephone numbers without a country code are read when the
	// record names no country of its own; empty: none, such numbers are compared by their digits.
	Region string `json:"region,omitempty"`
	// Words are the lists by which values are normalised; nil: the built-in ones.
	Words *normal.Normaliser `json:"-"`
}

// Check refuses a description that cannot be matched by, and says what to change.
func (s Spec) Check() error {
	if s.Entity != Person && s.Entity != Company {
		return &fault.Error{Key: "entity", Value: string(s.Entity), Msg: "is no kind of entity", Hint: fmt.Sprintf("Write %s or %s.", Person, Company)}
	}
	names := make([]string, 0, len(Types()))
	for _, t := range Types() {
		names = append(names, string(t))
	}
	seen := map[string]bool{}
	var used int
	for i, f := range s.Fields {
		key := fmt.Sprintf("fields[%d]", i)
		switch {
		case f.Name == "":
			return &fault.Error{Key: key, Msg: "has no name", Hint: "Name the column."}
		case seen[f.Name]:
			return &fault.Error{Key: key, Value: f.Name, Msg: "is named twice", Hint: "Name each column once."}
		case !slices.Contains(names, string(f.Type)):
			return &fault.Error{Key: key + ".type", Value: string(f.Type), Msg: "is no type of column", Hint: fault.DidYouMean(string(f.Type), names)}
		case f.Limit < 0:
			return &fault.Error{Key: key + ".limit", Value: fmt.Sprint(f.Limit), Msg: "is negative", Hint: "Leave it out, or write how many different values one entity may have."}
		}
		seen[f.Name] = true
		if f.Type != Ignore {
			used++
		}
	}
	if used == 0 {
		return &fault.Error{Key: "fields", Msg: "no column to match by", Hint: "Name at least one column that tells " + plural(s.Entity) + " apart: a name, an e-mail address, a telephone number, an id."}
	}
	return nil
}

func plural(e Entity) string {
	if e == Company {
		return "companies"
	}
	return "people"
}

// normaliser is the one that values are read by.
func (s Spec) normaliser() *normal.Normaliser {
	if s.Words == nil {
		return normal.Default()
	}
	return s.Words
}
