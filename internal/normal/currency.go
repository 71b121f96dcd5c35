package normal

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"
)

// Currency is a currency of ISO 4217.
type Currency struct {
	Code       string
	MinorUnits int // digits after the point: 2 for EUR, 0 for JPY, 3 for KWD
}

type currencyTable struct {
	units map[string]int
	names map[string]string // key → code
	many  map[string]bool   // signs and words of several currencies
}

// Currency reads a code, a sign or a name in any case. Signs of several currencies ($, kr, ¥) need the country (code or name)
// and are refused without it.
func (n *Normaliser) Currency(s, country string) (Currency, bool) {
	s, ok := tidy(s, maxWord)
	if !ok {
		return Currency{}, false
	}
	if code := strings.ToUpper(s); len(code) == 3 {
		if u, ok := n.currencies.units[code]; ok {
			return Currency{code, u}, true
		}
	}
	k := currencyKey(s)
	code, ok := n.currencies.names[k]
	if !ok && n.currencies.many[k] {
		if r, err := language.ParseRegion(n.region(country)); err == nil && country != "" {
			if unit, there := currency.FromRegion(r); there {
				code, ok = unit.String(), true
			}
		}
	}
	u, known := n.currencies.units[code]
	return Currency{code, u}, ok && known
}

// currencyKey is a name without its blanks and points; signs stay.
func currencyKey(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '.' || r == '-' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

func (n *Normaliser) loadCurrencies() error {
	_, rows, err := readList("currencies")
	if err != nil {
		return err
	}
	t := currencyTable{map[string]int{}, map[string]string{}, map[string]bool{}}
	for _, r := range rows {
		if r[0] == "?" {
			for _, name := range r[2:] {
				t.many[currencyKey(name)] = true
			}
			continue
		}
		units, err := strconv.Atoi(r[1])
		if err != nil {
			return fmt.Errorf("list currencies: %s: %w", r[0], err)
		}
		t.units[r[0]] = units
		for _, name := range r[2:] {
			t.names[currencyKey(name)] = r[0]
		}
	}
	n.currencies = t
	return nil
}
