package parquet

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unsafe"

	pq "github.com/parquet-go/parquet-go"

	"millrace/extract/landing"
)

// caster turns cells into Parquet values of one landing type. It is strict where the type was inferred from text: the
// text must be one that the type gives back (see typeOf). It never rounds and never cuts.
type caster struct {
	typ    landing.Type
	kind   kind
	p, s   int // DECIMAL
	strict bool
}

type kind uint8

const (
	kVarchar kind = iota
	kBigInt
	kDouble
	kBoolean
	kDate
	kTimestamp
	kJSON
	kDecimal // up to 18 digits, INT64
	kWide    // up to 38 digits, 16 bytes big-endian
)

func newCaster(t landing.Type, strict bool) caster {
	c := caster{typ: t, strict: strict}
	switch t {
	case landing.BigInt:
		c.kind = kBigInt
	case landing.Double:
		c.kind = kDouble
	case landing.Boolean:
		c.kind = kBoolean
	case landing.Date:
		c.kind = kDate
	case landing.Timestamp:
		c.kind = kTimestamp
	case landing.JSON:
		c.kind = kJSON
	default:
		if p, s, ok := t.IsDecimal(); ok {
			c.p, c.s, c.kind = p, s, kDecimal
			if p > 18 {
				c.kind = kWide
			}
		}
	}
	return c
}

// node is the Parquet column of a type. Instants are not "adjusted to UTC" in the Parquet sense, because DuckDB would
// read those as TIMESTAMP WITH TIME ZONE, whose casts depend on the session.
func (c caster) node() pq.Node {
	switch c.kind {
	case kBigInt:
		return pq.Int(64)
	case kDouble:
		return pq.Leaf(pq.DoubleType)
	case kBoolean:
		return pq.Leaf(pq.BooleanType)
	case kDate:
		return pq.Date()
	case kTimestamp:
		return pq.TimestampAdjusted(pq.Microsecond, false)
	case kJSON:
		return pq.JSON()
	case kDecimal:
		return pq.Decimal(c.s, c.p, pq.Int64Type)
	case kWide:
		return pq.Decimal(c.s, c.p, pq.FixedLenByteArrayType(16))
	}
	return pq.String()
}

// cast returns the value without levels. A NULL value with ok means NULL; not ok means the cell does not fit.
func (c caster) cast(cell any, text bool) (v pq.Value, ok bool) {
	if cell == nil {
		return pq.Value{}, true
	}
	if s, isText := cell.(string); isText && c.kind != kVarchar {
		if c.kind == kJSON {
			return castJSONText(s, text)
		}
		if c.strict && text {
			if t := classify(s); t != c.typ && landing.Widen(t, c.typ) != c.typ && !(c.kind == kDecimal && t == landing.BigInt) {
				return v, false
			}
		} else if s = strings.TrimSpace(s); s == "" {
			return pq.Value{}, true // an empty field of a typed column is no value
		} else if !text && c.strict {
			return v, false // a JSON string in a column of numbers is another type
		}
		return c.parse(s)
	}
	switch c.kind {
	case kVarchar:
		return stringValue(asText(cell)), true
	case kJSON:
		return castJSON(cell)
	case kBigInt:
		switch x := cell.(type) {
		case int64:
			return pq.Int64Value(x), true
		case json.Number:
			return c.parse(string(x))
		case float64:
			if x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
				return pq.Int64Value(int64(x)), true
			}
		}
	case kDouble:
		switch x := cell.(type) {
		case float64:
			return pq.DoubleValue(x), true
		case int64:
			if f := float64(x); int64(f) == x && math.Abs(f) <= 1<<53 {
				return pq.DoubleValue(f), true
			}
		case json.Number:
			return c.parse(string(x))
		}
	case kBoolean:
		if x, is := cell.(bool); is {
			return pq.BooleanValue(x), true
		}
	case kDate:
		if x, is := cell.(time.Time); is {
			x = x.UTC()
			if x.Equal(x.Truncate(24*time.Hour)) && sensible(x) {
				return pq.Int32Value(int32(x.Unix() / 86400)), true
			}
		}
	case kTimestamp:
		if x, is := cell.(time.Time); is && sensible(x) && x.Nanosecond()%1000 == 0 {
			return pq.Int64Value(x.UnixMicro()), true
		} else if is && sensible(x) {
			// Nanoseconds come from clocks, not from people: TIMESTAMP holds microseconds.
			return pq.Int64Value(x.Truncate(time.Microsecond).UnixMicro()), true
		}
	case kDecimal, kWide:
		switch x := cell.(type) {
		case int64:
			return c.parse(strconv.FormatInt(x, 10))
		case json.Number:
			return c.parse(string(x))
		case float64:
			return c.float(x)
		}
	}
	return v, false
}

// parse reads text as the type, leniently but without loss.
func (c caster) parse(s string) (v pq.Value, ok bool) {
	switch c.kind {
	case kBigInt:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return pq.Int64Value(n), true
		}
		if whole, frac, found := strings.Cut(s, "."); found && strings.Trim(frac, "0") == "" {
			if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
				return pq.Int64Value(n), true
			}
		}
	case kDouble:
		if strings.ContainsAny(s, "xX_") { // Go's own number syntax is not data
			return v, false
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			if !strings.ContainsAny(s, ".eEnN") && math.Abs(f) > 1<<53 {
				return v, false
			}
			return pq.DoubleValue(f), true
		}
	case kBoolean:
		switch strings.ToLower(s) {
		case "true", "t", "yes", "y", "1":
			return pq.BooleanValue(true), true
		case "false", "f", "no", "n", "0":
			return pq.BooleanValue(false), true
		}
	case kDate:
		if d, ok := parseDate(s); ok {
			return pq.Int32Value(d), true
		}
		if us, ok := parseTimestamp(s, true); ok && us%(86400*1e6) == 0 {
			return pq.Int32Value(int32(us / (86400 * 1e6))), true
		}
	case kTimestamp:
		if us, ok := parseTimestamp(s, true); ok {
			return pq.Int64Value(us), true
		}
		if d, ok := parseDate(s); ok {
			return pq.Int64Value(int64(d) * 86400 * 1e6), true
		}
	case kDecimal, kWide:
		if v, ok := c.decimal(s); ok {
			return v, true
		}
		if significant(s) > 15 || strings.ContainsAny(s, "eE") {
			// More digits than a double carries: 0.30000000000000004 is the float's noise, not a price.
			if f, err := strconv.ParseFloat(s, 64); err == nil && strings.Contains(s, ".") {
				return c.float(f)
			}
		}
	}
	return v, false
}

// decimal reads a plain decimal exactly. Zeros beyond the scale are not digits that would be lost.
func (c caster) decimal(s string) (v pq.Value, ok bool) {
	t := s
	neg := false
	if t != "" && (t[0] == '-' || t[0] == '+') {
		neg = t[0] == '-'
		t = t[1:]
	}
	whole, frac, _ := strings.Cut(t, ".")
	if len(frac) > c.s {
		if strings.Trim(frac[c.s:], "0") != "" {
			return v, false
		}
		frac = frac[:c.s]
	}
	if whole == "" && frac == "" {
		return v, false
	}
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > c.p-c.s {
		return v, false
	}
	if c.kind == kDecimal {
		var n int64
		for i := 0; i < len(whole); i++ {
			if whole[i] < '0' || whole[i] > '9' {
				return v, false
			}
			n = n*10 + int64(whole[i]-'0')
		}
		for i := 0; i < c.s; i++ {
			d := byte('0')
			if i < len(frac) {
				d = frac[i]
			}
			if d < '0' || d > '9' {
				return v, false
			}
			n = n*10 + int64(d-'0')
		}
		if neg {
			n = -n
		}
		return pq.Int64Value(n), true
	}
	digits := whole + frac + strings.Repeat("0", c.s-len(frac))
	if digits == "" {
		digits = "0"
	}
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return v, false
		}
	}
	n, _ := new(big.Int).SetString(digits, 10)
	if neg {
		n.Neg(n)
	}
	return wideValue(n), true
}

// float accepts a double that is within a billionth of a decimal of this scale.
func (c caster) float(f float64) (v pq.Value, ok bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return v, false
	}
	text := strconv.FormatFloat(f, 'f', c.s, 64)
	back, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(back-f) > 1e-9*math.Max(1, math.Abs(f)) {
		return v, false
	}
	return c.decimal(text)
}

// wideValue is a two's complement big-endian number of 16 bytes.
func wideValue(n *big.Int) pq.Value {
	var b [16]byte
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	n.FillBytes(b[:])
	return pq.FixedLenByteArrayValue(b[:])
}

func castJSON(cell any) (pq.Value, bool) {
	switch x := cell.(type) {
	case json.RawMessage:
		return pq.ByteArrayValue(append([]byte(nil), x...)), true
	case int64, bool, json.Number:
		return stringValue(asText(x)), true
	}
	b, err := json.Marshal(cell)
	if err != nil { // NaN, infinity
		return pq.Value{}, false
	}
	return pq.ByteArrayValue(b), true
}

// castJSONText takes text into a JSON column: a CSV field must hold JSON, a JSON string is quoted again.
func castJSONText(s string, text bool) (pq.Value, bool) {
	if !text {
		b, err := json.Marshal(s)
		return pq.ByteArrayValue(b), err == nil
	}
	if strings.TrimSpace(s) == "" {
		return pq.Value{}, true
	}
	return stringValue(s), json.Valid([]byte(s))
}

// sensible keeps to the years that four digits can write: others are errors in the source, and do not survive every reader.
func sensible(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 1 && y <= 9999
}

// asText renders a cell as VARCHAR.
func asText(cell any) string {
	switch x := cell.(type) {
	case string:
		return x
	case int64:
		return strconv.FormatInt(x, 10)
	case bool:
		return strconv.FormatBool(x)
	case json.Number:
		return string(x)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano)
	case json.RawMessage:
		return string(x)
	}
	return ""
}

// known reports whether a cell is of a type that extract.Batch allows.
func known(cell any) bool {
	switch cell.(type) {
	case nil, string, int64, float64, bool, time.Time, json.Number, json.RawMessage:
		return true
	}
	return false
}

// stringValue shares the string's bytes, which never change.
func stringValue(s string) pq.Value {
	if s == "" {
		return pq.ByteArrayValue([]byte{})
	}
	return pq.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}
