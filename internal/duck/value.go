package duck

import (
	"math/big"
	"strings"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// Decimal is an exact decimal: Unscaled / 10^Scale.
type Decimal struct {
	Unscaled *big.Int
	Scale    int
}

// String renders all digits of the scale: 12.3000 for scale 4.
func (d Decimal) String() string {
	s := new(big.Int).Abs(d.Unscaled).String()
	if d.Scale > 0 {
		if len(s) <= d.Scale {
			s = strings.Repeat("0", d.Scale-len(s)+1) + s
		}
		s = s[:len(s)-d.Scale] + "." + s[len(s)-d.Scale:]
	}
	if d.Unscaled.Sign() < 0 {
		s = "-" + s
	}
	return s
}

// Float is the nearest float64, for drawing and formatting only.
func (d Decimal) Float() float64 {
	f, _ := new(big.Rat).SetFrac(d.Unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.Scale)), nil)).Float64()
	return f
}

// MarshalJSON writes a JSON number with all its digits.
func (d Decimal) MarshalJSON() ([]byte, error) { return []byte(d.String()), nil }

// plain turns the driver's types into the ones that Result documents.
func plain(v any) any {
	switch x := v.(type) {
	case int8:
		return int64(x)
	case int16:
		return int64(x)
	case int32:
		return int64(x)
	case int:
		return int64(x)
	case uint8:
		return int64(x)
	case uint16:
		return int64(x)
	case uint32:
		return int64(x)
	case uint64:
		if x <= 1<<63-1 {
			return int64(x)
		}
		return new(big.Int).SetUint64(x)
	case float32:
		return float64(x)
	case *big.Int:
		if x.IsInt64() {
			return x.Int64()
		}
		return x
	case duckdb.Decimal:
		return Decimal{Unscaled: x.Value, Scale: int(x.Scale)}
	case duckdb.UUID:
		return x.String()
	case time.Time:
		return x.UTC()
	case []any:
		for i := range x {
			x[i] = plain(x[i])
		}
		return x
	case duckdb.Map:
		m := make(map[string]any, len(x))
		for k, e := range x {
			m[text(k)] = plain(e)
		}
		return m
	case map[string]any:
		for k := range x {
			x[k] = plain(x[k])
		}
		return x
	}
	return v
}
