// Package adhash turns people's identifiers into what ad platforms match on: each platform's own normal form, hashed with
// SHA-256 where the platform wants it hashed (Value knows). It is the one place that does, with golden vectors, because a normalisation that is a little off matches
// nobody and no platform says so.
//
// An empty value is never hashed: every empty row would match one "person" (P8). A value that is a hash already is
// refused, since hashing it again matches nobody. It must not know any platform's API.
package adhash

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"
)

// Platform is an ad platform with its own rules.
type Platform string

// The platforms (reference/activation.md, sections 2.1 to 2.3).
const (
	Google   Platform = "google"
	Meta     Platform = "meta"
	LinkedIn Platform = "linkedin"
)

// Errors that callers tell apart.
var (
	ErrEmpty    = errors.New("the value is empty")
	ErrHashed   = errors.New("the value looks like a SHA-256 hash already; give the plain value")
	ErrNotTaken = errors.New("the platform does not match on this field")
)

// Hash is the SHA-256 of a normalised value in lower-case hexadecimal. It refuses an empty one.
func Hash(normal string) (string, error) {
	if normal == "" {
		return "", ErrEmpty
	}
	sum := sha256.Sum256([]byte(normal))
	return hex.EncodeToString(sum[:]), nil
}

// EmailSHA512 hashes an e-mail address with SHA-512, which LinkedIn takes beside SHA-256.
func EmailSHA512(p Platform, s string) (string, error) {
	n, err := NormalEmail(p, s)
	if err != nil {
		return "", err
	}
	sum := sha512.Sum512([]byte(n))
	return hex.EncodeToString(sum[:]), nil
}

// Email hashes an e-mail address.
func Email(p Platform, s string) (string, error) {
	n, err := NormalEmail(p, s)
	if err != nil {
		return "", err
	}
	return Hash(n)
}

// NormalEmail is the platform's normal form of an address: without white space and in lower case; for Google, addresses
// at gmail.com and googlemail.com also lose the dots and the +suffix of their local part.
func NormalEmail(p Platform, s string) (string, error) {
	if isHash(s) {
		return "", ErrHashed
	}
	s = strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' {
			return -1
		}
		return r
	}, norm.NFC.String(s)))
	if s == "" {
		return "", ErrEmpty
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") || !strings.Contains(domain, ".") {
		return "", errors.New("not an e-mail address")
	}
	if p == Google && (domain == "gmail.com" || domain == "googlemail.com") {
		local, _, _ = strings.Cut(local, "+")
		local = strings.ReplaceAll(local, ".", "")
		if local == "" {
			return "", errors.New("not an e-mail address")
		}
	}
	return local + "@" + domain, nil
}

// Phone hashes a telephone number. region ("DE", "Germany") says how to read numbers without a country code; empty refuses them.
func Phone(p Platform, s, region string) (string, error) {
	n, err := NormalPhone(p, s, region)
	if err != nil {
		return "", err
	}
	return Hash(n)
}

// NormalPhone is the platform's normal form of a number: E.164 with its + for Google and LinkedIn, digits only for Meta.
func NormalPhone(p Platform, s, region string) (string, error) {
	if isHash(s) {
		return "", ErrHashed
	}
	s = strings.TrimSpace(s)
	if s == "" {
		return "", ErrEmpty
	}
	n, err := phonenumbers.Parse(s, countryCode(region)) // without a region: only numbers with a country code
	if err != nil {
		return "", fmt.Errorf("not a telephone number: %w", err)
	}
	if !phonenumbers.IsPossibleNumber(n) {
		return "", errors.New("not a telephone number: it has too few or too many digits")
	}
	e164 := phonenumbers.Format(n, phonenumbers.E164)
	if p == Meta {
		return strings.TrimPrefix(e164, "+"), nil
	}
	return e164, nil
}

// Name hashes a given or family name.
func Name(p Platform, s string) (string, error) {
	n, err := NormalName(p, s)
	if err != nil {
		return "", err
	}
	return Hash(n)
}

// NormalName is the platform's normal form of a name: in lower case; for Google without titles and suffixes, for Meta
// without punctuation.
func NormalName(p Platform, s string) (string, error) {
	if isHash(s) {
		return "", ErrHashed
	}
	s = strings.ToLower(norm.NFC.String(s))
	switch p {
	case Meta:
		s = strings.Map(func(r rune) rune {
			if unicode.IsPunct(r) || unicode.IsSymbol(r) {
				return -1
			}
			return r
		}, s)
	case Google:
		words := strings.Fields(s)
		for len(words) > 1 && titles[strings.Trim(words[0], ".")] {
			words = words[1:]
		}
		for len(words) > 1 && suffixes[strings.Trim(words[len(words)-1], ".,")] {
			words = words[:len(words)-1]
		}
		s = strings.TrimRight(strings.Join(words, " "), ",")
	}
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return "", ErrEmpty
	}
	return s, nil
}

var titles = set("mr mrs ms miss dr prof sir herr frau")
var suffixes = set("jr sr ii iii iv phd md esq")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

func isHash(s string) bool {
	s = strings.TrimSpace(s)
	if len(s) != 64 {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}
