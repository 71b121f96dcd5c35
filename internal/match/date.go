package match

import (
	"strconv"
	"strings"
	"time"
)

// readDate is a date as eight digits, year first, or its digits where it is none: a mistyped date still resembles the right one.
// Dates that only fill a field are dropped. Numbers without a hint are read day first or month first as the column has it.
func readDate(s string, dayFirst bool) string {
	s = strings.TrimSpace(s)
	if len(s) > 40 {
		return ""
	}
	if d, ok := isoDate(s); ok {
		return real(d)
	}
	if a, b, y, dots, ok := shortDate(s); ok {
		day, month := b, a
		if dots || dayFirst && b <= 12 || a > 12 {
			day, month = a, b
		}
		if month >= 1 && month <= 12 && day >= 1 && day <= 31 {
			return real(pad(y, 4) + pad(month, 2) + pad(day, 2))
		}
	}
	for _, layout := range [...]string{"2 January 2006", "2 Jan 2006", "January 2, 2006", "Jan 2, 2006", "2-Jan-2006", "02-Jan-2006", time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return real(t.Format("20060102"))
		}
	}
	return digits(s)
}

// real drops what stands for no date.
func real(d string) string {
	switch d[:4] {
	case "0000", "0001", "1000", "1111", "9999":
		return ""
	}
	if d == "19000101" || d == "18991230" || d == "18000101" {
		return ""
	}
	return d
}

// isoDate reads 1980-01-31, 1980/01/31, 1980.01.31 and 19800131, with or without a time behind.
func isoDate(s string) (string, bool) {
	d := digits(s)
	if len(d) == 8 && len(s) == 8 && plausible(d) {
		return d, true
	}
	if len(s) >= 10 && (s[4] == '-' || s[4] == '/' || s[4] == '.') && s[7] == s[4] {
		d := s[:4] + s[5:7] + s[8:10]
		if len(digits(d)) == 8 && (len(s) == 10 || s[10] == ' ' || s[10] == 'T') && plausible(d) {
			return d, true
		}
	}
	return "", false
}

func plausible(d string) bool {
	m, _ := strconv.Atoi(d[4:6]) // digits
	day, _ := strconv.Atoi(d[6:])
	return m >= 1 && m <= 12 && day >= 1 && day <= 31
}

// shortDate takes 31/1/1980 apart.
func shortDate(s string) (a, b, year int, dots, ok bool) {
	for _, sep := range [...]string{"/", ".", "-"} {
		p := strings.Split(s, sep)
		if len(p) != 3 || len(p[0]) > 2 || len(p[1]) > 2 || len(p[2]) != 4 {
			continue
		}
		var errs [3]error
		a, errs[0] = strconv.Atoi(p[0])
		b, errs[1] = strconv.Atoi(p[1])
		year, errs[2] = strconv.Atoi(p[2])
		if errs == [3]error{} {
			return a, b, year, sep == ".", true
		}
	}
	return 0, 0, 0, false, false
}

func pad(n, width int) string {
	s := strconv.Itoa(n)
	return strings.Repeat("0", max(0, width-len(s))) + s
}

// dayFirst reports whether more of a column's dates can only have the day first than can only have the month first.
func dayFirst(texts []string) bool {
	day, month := 0, 0
	for _, s := range texts {
		if a, b, _, _, ok := shortDate(strings.TrimSpace(s)); ok {
			switch {
			case a > 12 && b <= 12:
				day++
			case b > 12 && a <= 12:
				month++
			}
		}
	}
	return day > month
}
