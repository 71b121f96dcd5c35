package reports

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
)

// Value is one cell of a result: nothing, text, a truth value, an instant or an exact number. The zero Value is nothing.
type Value struct {
	kind valueKind
	num  *big.Rat
	text string
	at   time.Time
	yes  bool
}

type valueKind uint8

const (
	null valueKind = iota
	number
	textual
	instant
	boolean
)

// decimal is what exact decimals look like from here (internal/duck's Decimal is one).
type decimal interface {
	String() string
	Float() float64
}

// ValueOf takes a cell as a database driver gives it. NaN and infinity become nothing: they are not figures to show.
func ValueOf(v any) Value {
	switch x := v.(type) {
	case nil:
		return Value{}
	case Value:
		return x
	case bool:
		return Value{kind: boolean, yes: x}
	case int:
		return Value{kind: number, num: new(big.Rat).SetInt64(int64(x))}
	case int64:
		return Value{kind: number, num: new(big.Rat).SetInt64(x)}
	case *big.Int:
		return Value{kind: number, num: new(big.Rat).SetInt(x)}
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Value{}
		}
		return Value{kind: number, num: new(big.Rat).SetFloat64(x)}
	case decimal:
		if r, ok := new(big.Rat).SetString(x.String()); ok {
			return Value{kind: number, num: r}
		}
		return Value{kind: textual, text: x.String()}
	case string:
		return Value{kind: textual, text: x}
	case []byte:
		return Value{kind: textual, text: string(x)}
	case time.Time:
		return Value{kind: instant, at: x.UTC()}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return Value{kind: textual, text: fmt.Sprint(v)}
	}
	return Value{kind: textual, text: string(b)}
}

// IsNull reports whether there is nothing in the cell.
func (v Value) IsNull() bool { return v.kind == null }

// Rat is the exact number; false when the cell holds none.
func (v Value) Rat() (*big.Rat, bool) {
	if v.kind != number {
		return nil, false
	}
	return new(big.Rat).Set(v.num), true
}

// Float is the nearest float64, for drawing and for cells of a workbook; false when the cell holds no number.
func (v Value) Float() (float64, bool) {
	if v.kind != number {
		return 0, false
	}
	f, _ := v.num.Float64()
	return f, true
}

// Sign is -1, 0 or 1; 0 when the cell holds no number.
func (v Value) Sign() int {
	if v.kind != number {
		return 0
	}
	return v.num.Sign()
}

// Time is the instant or date; false when the cell holds none.
func (v Value) Time() (time.Time, bool) { return v.at, v.kind == instant }

// Text is the cell as plain text, without any format; "" for nothing.
func (v Value) Text() string {
	switch v.kind {
	case number:
		s := v.num.FloatString(10)
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		return s
	case textual:
		return v.text
	case instant:
		if v.at.Equal(v.at.Truncate(24 * time.Hour)) {
			return v.at.Format(time.DateOnly)
		}
		return v.at.Format(time.RFC3339)
	case boolean:
		if v.yes {
			return "yes"
		}
		return "no"
	}
	return ""
}

// Bool is the truth value; false when the cell holds none.
func (v Value) Bool() (value, ok bool) { return v.yes, v.kind == boolean }

// Ref says where a number came from: a query over the published build, and the cell of its result (P7).
type Ref struct {
	Source string `json:"source"` // id of a Source of the document
	Row    int    `json:"row"`    // 1-based
	Column string `json:"column"`
}

// String renders "q3 row 2 value".
func (r Ref) String() string { return fmt.Sprintf("%s row %d %s", r.Source, r.Row, r.Column) }

// Cell is a value with the place it came from. Only a Result makes one that has a place.
type Cell struct {
	Value
	ref Ref
}

// Ref is where the cell came from.
func (c Cell) Ref() Ref { return c.ref }
