package normal

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Address is a postal address in its parts and keys. The keys are for finding candidates; an address alone proves nothing
// about people.
type Address struct {
	Country  string // ISO 3166 code; empty when it is not known
	Postcode string // upper case, without blanks and hyphens; the part of it that names a place
	HouseNo  string // "12", "12a"; of a range the first
	Street   string // core words of the street, sorted as written: "haupt", "5 n"
	Unit     string // apartment, suite, floor; box numbers as "box 123"

	HouseKey  string // country|postcode|house_no; empty when postcode or number is missing
	StreetKey string // country|postcode|street_core; empty when postcode or street is missing
}

// Address reads a street line, a postal code and a country (code or name). Where the country is not known, the key begins
// with ZZ and the code is taken as it is.
func (n *Normaliser) Address(street, postcode, country string) (Address, bool) {
	a := Address{}
	if country != "" {
		a.Country = n.region(country)
	}
	a.Postcode, _ = n.Postcode(postcode, a.Country)
	if s, ok := tidy(street, maxAddress); ok {
		n.street(&a, s)
	}
	code := a.Country
	if code == "" {
		code = "ZZ"
	}
	if a.Postcode != "" && a.HouseNo != "" {
		a.HouseKey = code + "|" + a.Postcode + "|" + a.HouseNo
	}
	if a.Postcode != "" && a.Street != "" {
		a.StreetKey = code + "|" + a.Postcode + "|" + a.Street
	}
	return a, a.Postcode != "" || a.Street != "" || a.HouseNo != ""
}

// Postcode is a postal code in upper case without blanks and hyphens, in the part that names a place (the first five digits
// in the United States). One that the country cannot have is refused; leading zeros that a spreadsheet ate come back where
// the country's codes are all digits of one length.
func (n *Normaliser) Postcode(s, country string) (string, bool) {
	s, ok := tidy(s, maxWord)
	if !ok {
		return "", false
	}
	code := strings.ToUpper(alnum(fold(s)))
	if code == "" {
		return "", false
	}
	country = n.region(country)
	rule, known := n.postcodes[country]
	if !known {
		if len(code) > 12 || !strings.ContainsAny(code, "0123456789") {
			return "", false
		}
		return code, true
	}
	// D-10115, CH 8001: the country before its code.
	for _, prefix := range []string{country, strings.TrimRight(country, "EHPLRSTUKNFI")} {
		if rest, ok := strings.CutPrefix(code, prefix); ok && prefix != "" && digits(rest) && !rule.pattern.MatchString(code) {
			code = rest
		}
	}
	if !rule.pattern.MatchString(code) && rule.length > 0 && digits(code) && len(code) < rule.length && len(code) >= rule.length-2 {
		padded := strings.Repeat("0", rule.length-len(code)) + code
		if rule.pattern.MatchString(padded) {
			code = padded
		}
	}
	if !rule.pattern.MatchString(code) {
		return "", false
	}
	if rule.first > 0 && len(code) > rule.first {
		code = code[:rule.first]
	}
	return code, true
}

type postcodeRule struct {
	pattern *regexp.Regexp
	first   int  // characters that count; 0: all
	length  int  // digits of a code that is nothing but digits
	before  bool // the house number stands before the street
}

type streetTable struct {
	types, small, units map[string]bool
	endings             []string
	same                map[string]string
	spell               *strings.Replacer // what is written with signs
}

func (n *Normaliser) street(a *Address, s string) {
	var w []string
	s = n.streets.spell.Replace(fold(s))
	// A comma parts the street from the rest; what stands behind it may still be the number (Calle Mayor, 5).
	for f := range strings.FieldsFuncSeq(s, func(r rune) bool {
		return r != '\'' && r != '-' && r != '/' && !(r < 0x80 && letterOrDigit(byte(r)))
	}) {
		w = append(w, splitNumber(strings.ReplaceAll(f, "'", ""))...)
	}
	w, a.Unit = n.cutUnit(w)
	before := n.postcodes[a.Country].before
	at := houseAt(w, before)
	if at >= 0 {
		a.HouseNo = houseNo(w[at])
		rest := slices.Concat(w[:at], w[at+1:])
		behind := at
		// "12 a", "12 bis": a letter that belongs to the number.
		if at < len(rest) && len(rest) > 1 && (len(rest[at]) == 1 && rest[at][0] >= 'a' && rest[at][0] <= 'z' && !before || rest[at] == "bis" || rest[at] == "ter" && at+1 < len(rest)) {
			a.HouseNo += rest[at]
			rest = slices.Concat(rest[:at], rest[at+1:])
		}
		w = rest
		if behind > 0 && !before { // Calle Mayor 5, 3o B: floor and door
			a.Unit = strings.TrimSpace(a.Unit + " " + strings.Join(w[behind:], " "))
			w = w[:behind]
		}
	}
	a.Street = n.streetCore(w)
}

// houseAt is where the house number stands: where the country puts it, else the other end.
func houseAt(w []string, before bool) int {
	number := func(i int) bool { return i >= 0 && i < len(w) && w[i][0] >= '0' && w[i][0] <= '9' && !ordinal(w[i]) }
	last := -1
	for i := len(w) - 1; i >= 0; i-- {
		if number(i) {
			last = i
			break
		}
	}
	switch {
	case len(w) == 0 || last < 0:
		return -1
	case before && number(0) || last == 0:
		return 0
	case before && last == 1 && len(w) > 2 && len(w[0]) == 1: // N 12 Main Street
		return 1
	}
	for i := 1; i < len(w); i++ { // the first number behind the street's name, but not that of Strasse des 17. Juni 135
		inName := i+1 < len(w) && !number(i+1) && len(w[i+1]) > 1 && hasNumber(w[i+2:])
		if number(i) && (!inName || strings.ContainsAny(w[i], "-/")) {
			return i
		}
	}
	return last
}

// ordinal reports numbered streets: 45th, 3rd.
func ordinal(w string) bool {
	rest := strings.TrimLeft(w, "0123456789")
	switch rest {
	case "st", "nd", "rd", "th":
		return len(rest) < len(w)
	}
	return false
}

// houseNo is the first number of a range, with its letter: 12-14 is 12, 12a is 12a.
func houseNo(w string) string {
	if i := strings.IndexAny(w, "-/"); i > 0 {
		w = w[:i]
	}
	w = alnum(w)
	if t := strings.TrimLeft(w, "0"); t != "" && t[0] >= '0' && t[0] <= '9' {
		return t
	}
	return w
}

// splitNumber parts words that grew together with what follows: "12,5" came as two already; "main-st" stays; signs at the
// ends go.
func splitNumber(f string) []string {
	f = strings.Trim(f, "-/")
	if f == "" {
		return nil
	}
	if f[0] >= '0' && f[0] <= '9' {
		return []string{f}
	}
	var out []string
	for p := range strings.FieldsFuncSeq(f, func(r rune) bool { return r == '-' || r == '/' }) {
		out = append(out, p)
	}
	return out
}

// cutUnit takes "apt 4", "suite 200" and what else names a part of a building. Such a word at the very beginning is the
// street's ("Suite Street" is not, "PO Box 12" is).
func (n *Normaliser) cutUnit(w []string) (rest []string, unit string) {
	for i := 0; i < len(w); i++ {
		if !n.streets.units[w[i]] {
			continue
		}
		j := i + 1
		for j < len(w) && n.streets.units[w[j]] {
			j++
		}
		if j < len(w) && (w[j][0] >= '0' && w[j][0] <= '9' || len(w[j]) == 1) {
			box := w[i] == "po" || strings.Contains(w[j-1], "box") || w[i] == "postfach" || w[i] == "bp" || w[i] == "casilla"
			switch {
			case box:
				unit = "box " + w[j]
			case i == 0 && !hasNumber(w[j+1:]):
				continue
			default:
				unit = strings.TrimSpace(unit + " " + alnum(w[j]))
			}
			w = slices.Concat(w[:i], w[j+1:])
			i--
			continue
		}
		// "2. OG", "3rd floor": the number stands before the word.
		if i > 1 && w[i-1][0] >= '0' && w[i-1][0] <= '9' && hasNumber(w[:i-1]) {
			unit = strings.TrimSpace(unit + " " + strings.TrimRight(w[i-1], "stndrh"))
			w = slices.Concat(w[:i-1], w[i+1:])
			i -= 2
		}
	}
	return w, unit
}

func hasNumber(w []string) bool {
	return slices.ContainsFunc(w, func(s string) bool { return s[0] >= '0' && s[0] <= '9' })
}

// streetCore keeps the words that tell streets apart. When nothing but general words is there, they stay.
func (n *Normaliser) streetCore(w []string) string {
	var out []string
	for _, f := range w {
		if s, ok := n.streets.same[f]; ok {
			f = s
		}
		if ordinal(f) {
			f = strings.TrimRight(f, "stndrh")
		}
		if n.streets.types[f] || n.streets.small[f] {
			continue
		}
		for _, e := range n.streets.endings {
			if len(f) > len(e)+2 && strings.HasSuffix(f, e) {
				f = strings.TrimSuffix(f, e)
				break
			}
		}
		out = append(out, umlauts(f))
	}
	if len(out) == 0 {
		out = w
	}
	return strings.Join(out, " ")
}

func (n *Normaliser) loadAddress() error {
	_, rows, err := readList("streets")
	if err != nil {
		return err
	}
	t := &n.streets
	t.spell = strings.NewReplacer("p.o.", "po ", "p. o.", "po ", "p.o ", "po ", "#", " unit ", " l'", " ", " d'", " ", " dell'", " ", " all'", " ")
	t.types, t.small, t.units, t.same = map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]string{}
	for _, r := range rows {
		for w := range strings.FieldsSeq(strings.Join(r[1:], " ")) {
			switch r[0] {
			case "type":
				t.types[w] = true
			case "ending":
				t.endings = append(t.endings, w)
			case "small":
				t.small[w] = true
			case "unit":
				t.units[w] = true
			case "direction", "word":
				from, to, _ := strings.Cut(w, "=")
				t.same[from] = to
			}
		}
	}
	// The longest ending first: strasse before str.
	slices.SortFunc(t.endings, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	if _, rows, err = readList("postcodes"); err != nil {
		return err
	}
	n.postcodes = map[string]postcodeRule{}
	fixed := regexp.MustCompile(`^(?:\[[0-9-]+\](?:\{([0-9])\})?)+$`)
	for _, r := range rows {
		if len(r) != 4 {
			return fmt.Errorf("list postcodes: %v has not four cells", r)
		}
		re, err := regexp.Compile("^(?:" + r[1] + ")$")
		if err != nil {
			return fmt.Errorf("list postcodes: %s: %w", r[0], err)
		}
		rule := postcodeRule{pattern: re, before: r[3] == "before"}
		if r[2] != "full" {
			if rule.first, err = strconv.Atoi(r[2]); err != nil {
				return fmt.Errorf("list postcodes: %s: %w", r[0], err)
			}
		}
		if fixed.MatchString(r[1]) || r[0] == "US" || r[0] == "ES" {
			for k := 3; k <= 8; k++ {
				if re.MatchString(strings.Repeat("1", k)) {
					rule.length = k
					break
				}
			}
		}
		n.postcodes[r[0]] = rule
	}
	return nil
}
