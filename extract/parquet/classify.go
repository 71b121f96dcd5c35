package parquet

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"millrace/extract/landing"
)

// typeOf is the narrowest landing type that holds one cell without losing anything; "" for NULL.
//
// Text cells (CSV) are judged by what they look like, strictly, so that the type gives the text back:
//   - BIGINT: digits with an optional minus, no leading zero, no plus sign (identifiers and phone numbers stay text)
//   - DECIMAL(18,4): a plain decimal of up to 14 digits before and 4 behind the point, so money stays exact
//   - DOUBLE: other decimals of up to 17 significant digits, and 1.5e10 (a point is needed: 12e4 is a product code)
//   - DATE, TIMESTAMP: ISO 8601; an offset is converted to UTC, no offset means UTC
//   - BOOLEAN: true and false in any case
//   - VARCHAR: everything else
func typeOf(cell any, text bool) landing.Type {
	switch v := cell.(type) {
	case nil:
		return ""
	case string:
		if text {
			return classify(v)
		}
		return landing.Varchar
	case int64:
		return landing.BigInt
	case bool:
		return landing.Boolean
	case json.Number:
		return classifyNumber(string(v))
	case float64:
		return landing.Double
	case time.Time:
		return landing.Timestamp
	case json.RawMessage:
		return landing.JSON
	}
	return landing.Varchar
}

func classify(s string) landing.Type {
	if s == "" {
		return landing.Varchar
	}
	c := s[0]
	switch {
	case c >= '0' && c <= '9':
		if len(s) >= 10 && s[4] == '-' && s[7] == '-' {
			if _, ok := parseDate(s); ok {
				return landing.Date
			}
			if _, ok := parseTimestamp(s, false); ok {
				return landing.Timestamp
			}
			return landing.Varchar
		}
		return classifyText(s)
	case c == '-':
		return classifyText(s)
	case (c == 't' || c == 'T') && len(s) == 4 && strings.EqualFold(s, "true"),
		(c == 'f' || c == 'F') && len(s) == 5 && strings.EqualFold(s, "false"):
		return landing.Boolean
	}
	return landing.Varchar
}

// classifyText judges text that starts like a number. An exponent without a point is a code, not a number.
func classifyText(s string) landing.Type {
	if i := strings.IndexAny(s, "eE"); i >= 0 && !strings.Contains(s[:i], ".") {
		return landing.Varchar
	}
	return classifyNumber(s)
}

func classifyNumber(s string) landing.Type {
	i := 0
	neg := i < len(s) && s[i] == '-'
	if neg {
		i++
	}
	start := i
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	whole := i - start
	if whole == 0 || whole > 1 && s[start] == '0' {
		return landing.Varchar
	}
	if i == len(s) {
		if neg && whole == 1 && s[start] == '0' {
			return landing.Varchar // -0
		}
		if whole < 19 {
			return landing.BigInt
		}
		if whole == 19 {
			if _, err := strconv.ParseInt(s, 10, 64); err == nil {
				return landing.BigInt
			}
		}
		return landing.Varchar
	}
	frac := 0
	if s[i] == '.' {
		i++
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
			frac++
		}
		if frac == 0 {
			return landing.Varchar
		}
	}
	if i == len(s) {
		switch {
		case whole <= 14 && frac <= 4:
			return landing.Money
		case significant(s) <= 17:
			return landing.Double
		}
		return landing.Varchar
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && significant(s) <= 17 && (f != 0 || strings.Trim(s[:i], "-0.") == "") {
		return landing.Double
	}
	return landing.Varchar
}

// significant counts the significant digits of a number's mantissa.
func significant(s string) int {
	n, zeros := 0, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == 'e' || c == 'E' {
			break
		}
		if c < '0' || c > '9' {
			continue
		}
		switch {
		case c != '0':
			n += zeros + 1
			zeros = 0
		case n > 0:
			zeros++
		}
	}
	return n
}

// parseDate reads YYYY-MM-DD as days since 1970-01-01.
func parseDate(s string) (int32, bool) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	y, ok1 := atoi(s[:4])
	m, ok2 := atoi(s[5:7])
	d, ok3 := atoi(s[8:])
	if !ok1 || !ok2 || !ok3 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, false
	}
	return int32(civilDays(y, m, d)), true
}

// parseTimestamp reads an ISO 8601 date and time (T or a space between, seconds and fraction optional, Z, +hh:mm,
// +hhmm, +hh or no offset) as microseconds since 1970 in UTC. Digits beyond microseconds are cut when cut is set, and
// must be zero otherwise.
func parseTimestamp(s string, cut bool) (int64, bool) {
	if len(s) < 16 || s[10] != 'T' && s[10] != ' ' && s[10] != 't' || s[13] != ':' {
		return 0, false
	}
	day, ok := parseDate(s[:10])
	h, ok1 := atoi(s[11:13])
	mi, ok2 := atoi(s[14:16])
	if !ok || !ok1 || !ok2 || h > 23 || mi > 59 {
		return 0, false
	}
	micros := (int64(day)*86400 + int64(h)*3600 + int64(mi)*60) * 1e6
	rest := s[16:]
	if len(rest) >= 3 && rest[0] == ':' {
		sec, ok := atoi(rest[1:3])
		if !ok || sec > 59 {
			return 0, false
		}
		micros += int64(sec) * 1e6
		rest = rest[3:]
		if len(rest) > 1 && (rest[0] == '.' || rest[0] == ',') {
			i, unit := 1, int64(100000)
			for ; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
				if unit == 0 && rest[i] != '0' && !cut {
					return 0, false
				}
				micros += int64(rest[i]-'0') * unit
				unit /= 10
			}
			if i == 1 {
				return 0, false
			}
			rest = rest[i:]
		}
	}
	switch {
	case rest == "" || rest == "Z" || rest == "z" || rest == " UTC":
		return micros, true
	case rest[0] == '+' || rest[0] == '-':
		off := strings.Replace(rest[1:], ":", "", 1)
		if len(off) == 2 {
			off += "00"
		}
		if len(off) != 4 {
			return 0, false
		}
		oh, ok1 := atoi(off[:2])
		om, ok2 := atoi(off[2:])
		if !ok1 || !ok2 || oh > 15 || om > 59 {
			return 0, false
		}
		shift := int64(oh*3600+om*60) * 1e6
		if rest[0] == '+' {
			shift = -shift
		}
		return micros + shift, true
	}
	return 0, false
}

func atoi(s string) (int, bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

func daysIn(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// civilDays counts days since 1970-01-01 in the proleptic Gregorian calendar. Source: Howard Hinnant,
// "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
func civilDays(y, m, d int) int {
	if m <= 2 {
		y--
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	mp := (m + 9) % 12
	doy := (153*mp+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}
