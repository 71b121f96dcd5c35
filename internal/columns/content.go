package columns

import (
	"regexp"
	"strings"
	"time"
	"unicode"

	"millrace/internal/match"
	"millrace/internal/normal"
)

// stats are counts over the sampled values of a column.
type stats struct {
	rows, values, distinct                  int
	email, phone, plus, domain, date, birth int
	digits, letters, house, postcode        int // hold a digit; hold letters only; look like a house number or postal code
	words                                   int // all words
	legal, given, people                    int // end in a legal form; a known given name; two or three words that begin with one
	example                                 string
}

func (s stats) filled() float64 {
	if s.rows == 0 {
		return 0
	}
	return float64(s.values) / float64(s.rows)
}

// share of the values; 0 when there is none.
func (s stats) share(n int) float64 {
	if s.values == 0 {
		return 0
	}
	return float64(n) / float64(s.values)
}

var (
	isEmail    = regexp.MustCompile(`^[^\s@,;]+@[^\s@,;]+\.[^\s@,;.]{2,}$`)
	isPhone    = regexp.MustCompile(`^[+(]?[0-9][0-9 ()./\-–]{4,}[0-9]( ?(x|ext\.?|extension|durchwahl|dw) ?[0-9]+)?$`)
	isDomain   = regexp.MustCompile(`^(https?://)?([\p{L}\p{N}]([\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+\p{L}{2,}([/?#:].*)?$`)
	isHouse    = regexp.MustCompile(`^[0-9]{1,5} ?[A-Za-z]?([-/][0-9A-Za-z]{1,4})?$`)
	isPostcode = regexp.MustCompile(`^[A-Za-z]{0,3}[- ]?[0-9][0-9A-Za-z]*([- ][0-9A-Za-z]{2,4})?$`)
	isDate     = regexp.MustCompile(`^[0-9]{1,4}[-./ ]([0-9]{1,2}|[A-Za-z]{3,9})[-./ ][0-9]{1,4}([T ].*)?$|^(19|20)[0-9]{6}$`)
	year       = regexp.MustCompile(`(19|20)[0-9]{2}`)
)

// look counts. Values are cut to a sane length first.
func look(sample [][]*string, col int) stats {
	s := stats{rows: len(sample)}
	seen := map[string]bool{}
	n := normal.Default()
	for _, row := range sample {
		if col >= len(row) || row[col] == nil {
			continue
		}
		v := strings.TrimSpace(*row[col])
		if v == "" {
			continue
		}
		if len(v) > 300 {
			v = strings.ToValidUTF8(v[:300], "")
		}
		s.values++
		if s.example == "" {
			s.example = v
		}
		low := strings.ToLower(v)
		if !seen[low] {
			seen[low] = true
			s.distinct++
		}
		s.email += one(isEmail.MatchString(v))
		s.domain += one(isDomain.MatchString(v) && !isEmail.MatchString(v))
		s.house += one(isHouse.MatchString(v))
		s.postcode += one(len(v) >= 3 && len(v) <= 10 && isPostcode.MatchString(v))
		if isDate.MatchString(v) {
			s.date++
			if y := year.FindString(v); y != "" && y < time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).Format("2006") {
				s.birth++
			}
		} else if isPhone.MatchString(low) {
			s.phone++
			s.plus += one(strings.ContainsAny(v, "+() -./"))
		}
		digit, letter, other := false, false, false
		for _, r := range v {
			switch {
			case unicode.IsDigit(r):
				digit = true
			case unicode.IsLetter(r), unicode.Is(unicode.Mn, r), r == ' ', r == '\'', r == '-', r == '.', r == '’':
				letter = letter || unicode.IsLetter(r)
			default:
				other = true
			}
		}
		s.digits += one(digit)
		s.letters += one(letter && !digit && !other)
		w := strings.Fields(v)
		s.words += len(w)
		first, single := known(n, w)
		s.given += one(first && single)
		s.people += one(first && !single && len(w) <= 4 && !digit)
		s.legal += one(legal(n, v))
	}
	return s
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// refuted says what is wrong with a column that is named like t; empty when its values fit.
func (c Column) refuted(t match.Type) string {
	s := c.stats
	if s.values == 0 {
		return ""
	}
	few := func(n int, least float64) bool { return s.share(n) < least }
	switch {
	case t == match.Email && few(s.email, 0.4):
		return "addresses"
	case t == match.Phone && few(s.phone, 0.4) && few(s.digits, 0.8):
		return "telephone numbers"
	case t == match.Date && few(s.date, 0.4):
		return "dates"
	case t == match.Domain && few(s.domain, 0.4):
		return "web addresses"
	case (t == match.GivenName || t == match.Surname || t == match.FullName || t == match.MiddleName) && s.share(s.digits) > 0.5:
		return "names"
	case t == match.HouseNumber && few(s.digits, 0.6):
		return "numbers"
	case t == match.Postcode && few(s.digits, 0.4):
		return "postal codes"
	case t == match.City && s.share(s.digits) > 0.6:
		return "places"
	}
	return ""
}
