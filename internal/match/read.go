package match

import (
	"strings"
	"unicode"
)

// reader normalises the values of one record after the other.
type reader struct {
	spec   Spec
	names  []nameText
	shared map[Type][]string
	own    [][]string
}

// nameText is a name in normalised parts.
type nameText struct{ given, middle, surname, full string }

func newReader(s *Set) *reader {
	return &reader{spec: s.spec, shared: map[Type][]string{}, own: make([][]string, len(s.spec.Fields))}
}

// record reads the values of one record, in the order of the fields.
func (r *reader) record(values [][]string) {
	r.names = r.names[:0]
	for t := range r.shared {
		r.shared[t] = r.shared[t][:0]
	}
	var given, middle, surname, full []string
	for f, vs := range values {
		r.own[f] = r.own[f][:0]
		for _, v := range vs {
			switch t := r.spec.Fields[f].Type; t {
			case FullName:
				full = append(full, words(v))
			case GivenName:
				given = append(given, words(v))
			case Surname:
				surname = append(surname, words(v))
			case MiddleName:
				middle = append(middle, words(v))
			case CompanyName:
				if r.spec.Entity == Company {
					full = append(full, words(v))
				} else {
					r.shared[Employer] = append(r.shared[Employer], words(v))
				}
			case Employer, City, State, Country, HouseNumber:
				r.shared[t] = append(r.shared[t], words(v))
			case Street, Postcode:
				r.shared[t] = append(r.shared[t], squeeze(words(v)))
			case Email, Domain:
				r.shared[t] = append(r.shared[t], strings.ToLower(strings.TrimSpace(v)))
			case Phone:
				r.shared[t] = append(r.shared[t], digits(v))
			case Date, ID:
				r.own[f] = append(r.own[f], squeeze(words(v)))
			case Text:
				r.own[f] = append(r.own[f], words(v))
			}
		}
	}
	if r.spec.Entity == Company {
		for _, n := range full {
			if n != "" {
				r.names = append(r.names, nameText{full: n})
			}
		}
		return
	}
	first := func(s []string) string {
		if len(s) > 0 {
			return s[0]
		}
		return ""
	}
	n := nameText{given: first(given), middle: first(middle), surname: first(surname)}
	if n.given == "" && n.surname == "" {
		parts := strings.Fields(first(full))
		switch len(parts) {
		case 0:
		case 1:
			n.surname = parts[0]
		default:
			n.given, n.surname = parts[0], parts[len(parts)-1]
			n.middle = strings.Join(parts[1:len(parts)-1], " ")
		}
	}
	if n.given != "" && n.surname != "" {
		n.full = n.given + " " + n.surname
	}
	if n.given != "" || n.surname != "" {
		r.names = append(r.names, n)
	}
}

// words is a text in lower case, its letters and digits kept, everything else a single blank.
func words(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(clip(s, 1024)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }), " ")
}

func squeeze(s string) string { return strings.ReplaceAll(s, " ", "") }

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, clip(s, 64))
}
