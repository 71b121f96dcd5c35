// Package money turns amounts of an account's currency, as people and relations write them ("120.50"), into the whole
// numbers that ad platforms take, and back: micros, or the currency's smallest unit. It never rounds: an amount that the
// platform cannot hold is refused, because a rounded budget is another budget. It must not know any platform.
package money

import (
	"fmt"
	"strings"
)

// Micros is the exponent of platforms that count millionths.
const Micros = 6

// Exponent is how many decimals a currency's smallest unit has (ISO 4217); 2 for those that are not listed here.
func Exponent(currency string) int {
	switch strings.ToUpper(currency) {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	}
	return 2
}

// Units gives an amount in units of 10^-exponent. Zero, negative and finer amounts are refused.
func Units(amount string, exponent int) (int64, error) {
	s := strings.TrimSpace(amount)
	whole, frac, _ := strings.Cut(s, ".")
	digits := whole + frac
	if digits == "" || strings.Trim(digits, "0123456789") != "" || whole == "" {
		return 0, fmt.Errorf("%q is not an amount of money; write it as 120.50", amount)
	}
	if kept := strings.TrimRight(frac, "0"); len(kept) > exponent {
		return 0, fmt.Errorf("%s is finer than the currency allows (%d decimals)", s, exponent)
	}
	frac = (frac + strings.Repeat("0", exponent))[:exponent]
	digits = strings.TrimLeft(whole+frac, "0")
	if digits == "" {
		return 0, fmt.Errorf("%s is no budget: pause it instead", s)
	}
	if len(digits) > 17 {
		return 0, fmt.Errorf("%s is more than any platform takes", s)
	}
	n := int64(0)
	for _, c := range digits {
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// Amount is Units taken back, in the shortest spelling: 12050 with exponent 2 is "120.5".
func Amount(units int64, exponent int) string {
	sign := ""
	if units < 0 {
		sign, units = "-", -units
	}
	s := fmt.Sprintf("%0*d", exponent+1, units)
	whole, frac := s[:len(s)-exponent], strings.TrimRight(s[len(s)-exponent:], "0")
	if frac == "" {
		return sign + whole
	}
	return sign + whole + "." + frac
}
