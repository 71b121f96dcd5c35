package activate

import (
	"encoding/json"
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
