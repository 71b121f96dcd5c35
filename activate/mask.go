package activate

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"

	"millrace/internal/canon"
	"millrace/internal/fault"
)

// mask hides a person's value so that one who knows it recognises it and nobody else learns it: j•••@e•••.com.
func mask(s string) string {
	local, domain, isMail := strings.Cut(s, "@")
	if isMail {
		dot := strings.LastIndex(domain, ".")
		end := ""
		if dot > 0 {
			end = domain[dot:]
		}
		return first(local) + "•••@" + first(domain) + "•••" + end
	}
	if s == "" {
		return ""
	}
	return first(s) + "•••"
}

func first(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

var address = regexp.MustCompile(`[^\s<>"'(),;:\[\]]+@[^\s<>"'(),;:\[\]]+\.[A-Za-z]{2,}`)

// withoutPeople takes addresses out of what a destination said: vendors repeat the value that they refuse, and what they
// say is kept, shown and logged (P8). It also lets equal refusals be counted together.
func withoutPeople(s string) string { return address.ReplaceAllString(s, "(address)") }

// sample shows a value in a plan: personal ones masked, whatever their column's tag says.
func sample(v json.RawMessage, personal bool) string {
	if canon.IsEmpty(v) {
		return "(empty)"
	}
	text := canon.Text(v)
	if personal || v[0] == '"' && looksPersonal(text) {
		return mask(text)
	}
	return fault.Shorten(text, 60)
}

// looksPersonal catches what a missing tag would let through: addresses and telephone numbers.
func looksPersonal(s string) bool {
	if strings.Contains(s, "@") {
		return true
	}
	digits := 0
	for _, r := range s {
		switch {
		case unicode.IsDigit(r):
			digits++
		case unicode.IsLetter(r) || r == ':' || r == 'T':
			return false // identifiers, dates with times, sentences
		}
	}
	return digits >= 7 && !strings.Contains(s, "-") || digits >= 9
}
