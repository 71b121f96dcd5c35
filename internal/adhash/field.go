package adhash

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"millrace/internal/normal"
)

// Field is a kind of identifier.
type Field string

// The fields. Birth fields are read from a date such as 1985-03-07.
const (
	FieldEmail      Field = "email"
	FieldPhone      Field = "phone"
	FieldGivenName  Field = "given_name"
	FieldFamilyName Field = "family_name"
	FieldCity       Field = "city"
	FieldState      Field = "state"
	FieldPostal     Field = "postal_code"
	FieldCountry    Field = "country"
	FieldGender     Field = "gender"
	FieldBirthDate  Field = "birth_date"
	FieldBirthYear  Field = "birth_year"
	FieldBirthMonth Field = "birth_month"
	FieldBirthDay   Field = "birth_day"
	FieldExternalID Field = "external_id"
	FieldMobileID   Field = "mobile_ad_id"
)

// rule is how a platform wants a field: its normal form, and whether that is hashed.
type rule struct {
	normal func(p Platform, s, country string) (string, error)
	hashed bool
}

// rules of the platforms (reference/activation.md, sections 2.1 to 2.3).
func rules(p Platform) map[Field]rule {
	name := func(p Platform, s, _ string) (string, error) { return NormalName(p, s) }
	email := func(p Platform, s, _ string) (string, error) { return NormalEmail(p, s) }
	switch p {
	case Google:
		return map[Field]rule{
			FieldEmail: {email, true}, FieldPhone: {NormalPhone, true}, FieldGivenName: {name, true}, FieldFamilyName: {name, true},
			FieldPostal: {normalPostal, false}, FieldCountry: {normalCountry, false}, FieldMobileID: {normalMobileID, false},
		}
	case Meta:
		return map[Field]rule{
			FieldEmail: {email, true}, FieldPhone: {NormalPhone, true}, FieldGivenName: {name, true}, FieldFamilyName: {name, true},
			FieldCity: {normalCity, true}, FieldState: {normalState, true}, FieldPostal: {normalPostal, true}, FieldCountry: {normalCountry, true},
			FieldGender: {normalGender, true}, FieldBirthDate: {birth("20060102"), true}, FieldBirthYear: {birth("2006"), true},
			FieldBirthMonth: {birth("01"), true}, FieldBirthDay: {birth("02"), true}, FieldExternalID: {normalID, true}, FieldMobileID: {normalMobileID, false},
		}
	case LinkedIn:
		return map[Field]rule{
			FieldEmail: {email, true}, FieldGivenName: {plainText, false}, FieldFamilyName: {plainText, false}, FieldCountry: {normalCountry, false},
			FieldMobileID: {normalMobileID, false}, FieldExternalID: {plainText, false},
		}
	}
	return nil
}

// Fields lists what a platform matches on, sorted.
func Fields(p Platform) []Field {
	var out []Field
	for f := range rules(p) {
		out = append(out, f)
	}
	slices.Sort(out)
	return out
}

// Hashed reports whether a platform wants a field hashed.
func Hashed(p Platform, f Field) bool { return rules(p)[f].hashed }

// Value is what is sent to a platform for a field: in its normal form, hashed where the platform wants that. country (a code
// or a name, may be empty) helps to read telephone numbers, postal codes and states. An empty value is ErrEmpty and must be
// left out; a field that the platform does not match on is ErrNotTaken.
func Value(p Platform, f Field, s, country string) (string, error) {
	n, err := Normal(p, f, s, country)
	if err != nil || !Hashed(p, f) {
		return n, err
	}
	return Hash(n)
}

// Normal is the platform's normal form of a value before it is hashed.
func Normal(p Platform, f Field, s, country string) (string, error) {
	r, ok := rules(p)[f]
	if !ok {
		return "", fmt.Errorf("%s, %s: %w", p, f, ErrNotTaken)
	}
	if isHash(s) && f != FieldExternalID {
		return "", ErrHashed
	}
	n, err := r.normal(p, s, country)
	if err == nil && n == "" {
		return "", ErrEmpty
	}
	return n, err
}

// Country is a country's two-letter code, from a code or a name: in lower case and hashed for Meta, in upper case and plain
// for the others.
func Country(p Platform, s string) (string, error) { return Value(p, FieldCountry, s, "") }

func normalCountry(p Platform, s, _ string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", ErrEmpty
	}
	code := countryCode(s)
	if code == "" {
		return "", errors.New("not a country: give its two-letter code or its name")
	}
	if p == Meta {
		return strings.ToLower(code), nil
	}
	return code, nil
}

// countryCode is the two-letter code of a code or a name; empty when it is not known.
func countryCode(s string) string {
	code, _ := normal.Default().Country(s)
	return code
}

// Postal is a postal code: plain for Google; for Meta in lower case without blanks and hyphens, the first five digits in
// the United States, hashed.
func Postal(p Platform, s, country string) (string, error) { return Value(p, FieldPostal, s, country) }

func normalPostal(p Platform, s, country string) (string, error) {
	s = strings.Join(strings.Fields(s), " ")
	if p != Meta {
		return s, nil
	}
	s = strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(s))
	if countryCode(country) == "US" && len(s) > 5 {
		s = s[:5]
	}
	return s, nil
}

// normalCity is letters only, in lower case: "St. Louis" is stlouis.
func normalCity(_ Platform, s, _ string) (string, error) { return onlyLetters(s), nil }

// normalState is the two-letter code in the United States, in lower case; elsewhere letters only.
func normalState(_ Platform, s, country string) (string, error) {
	s = onlyLetters(s)
	if code := usStates[s]; code != "" && (country == "" || countryCode(country) == "US") {
		return code, nil
	}
	if countryCode(country) == "US" && len(s) != 2 && s != "" {
		return "", errors.New("not a state of the United States: give its two-letter code or its name")
	}
	return s, nil
}

func onlyLetters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsMark(r) {
			return r
		}
		return -1
	}, strings.ToLower(norm.NFC.String(s)))
}

// normalGender is f or m. Anything else is not guessed: it must be left out.
func normalGender(_ Platform, s, _ string) (string, error) {
	switch strings.ToLower(strings.Trim(strings.TrimSpace(s), ".")) {
	case "":
		return "", ErrEmpty
	case "f", "female", "woman", "weiblich", "w", "femme", "mujer", "femenino":
		return "f", nil
	case "m", "male", "man", "männlich", "homme", "hombre", "masculino":
		return "m", nil
	}
	return "", errors.New("the platform knows f and m only: leave the value out")
}

// birth is a part of a date of birth, with leading zeros.
func birth(layout string) func(Platform, string, string) (string, error) {
	return func(_ Platform, s, _ string) (string, error) {
		s = strings.TrimSpace(s)
		if s == "" {
			return "", ErrEmpty
		}
		if len(s) > 10 && (s[10] == ' ' || s[10] == 'T') {
			s = s[:10]
		}
		day, err := time.Parse(time.DateOnly, s)
		if err != nil || day.Year() < 1900 {
			return "", errors.New("not a date of birth: write it as 1985-03-07")
		}
		return day.Format(layout), nil
	}
}

// normalID is an id of one's own: its letters may mean something, so they stay.
func normalID(_ Platform, s, _ string) (string, error) { return strings.TrimSpace(s), nil }

func plainText(_ Platform, s, _ string) (string, error) {
	return strings.Join(strings.Fields(norm.NFC.String(s)), " "), nil
}

// normalMobileID is a device's advertising id, which nobody wants hashed. A person who opted out has one of zeros.
func normalMobileID(_ Platform, s, _ string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" {
		return "", ErrEmpty
	}
	bare, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(bare) != 16 {
		return "", errors.New("not an advertising id: it has 32 hexadecimal digits")
	}
	if strings.Trim(s, "0-") == "" {
		return "", errors.New("an advertising id of zeros is that of everybody who opted out")
	}
	return s, nil
}

var usStates = map[string]string{
	"alabama": "al", "alaska": "ak", "arizona": "az", "arkansas": "ar", "california": "ca", "colorado": "co", "connecticut": "ct", "delaware": "de",
	"districtofcolumbia": "dc", "washingtondc": "dc", "florida": "fl", "georgia": "ga", "hawaii": "hi", "idaho": "id", "illinois": "il", "indiana": "in",
	"iowa": "ia", "kansas": "ks", "kentucky": "ky", "louisiana": "la", "maine": "me", "maryland": "md", "massachusetts": "ma", "michigan": "mi",
	"minnesota": "mn", "mississippi": "ms", "missouri": "mo", "montana": "mt", "nebraska": "ne", "nevada": "nv", "newhampshire": "nh", "newjersey": "nj",
	"newmexico": "nm", "newyork": "ny", "northcarolina": "nc", "northdakota": "nd", "ohio": "oh", "oklahoma": "ok", "oregon": "or", "pennsylvania": "pa",
	"rhodeisland": "ri", "southcarolina": "sc", "southdakota": "sd", "tennessee": "tn", "texas": "tx", "utah": "ut", "vermont": "vt", "virginia": "va",
	"washington": "wa", "westvirginia": "wv", "wisconsin": "wi", "wyoming": "wy", "puertorico": "pr",
}
