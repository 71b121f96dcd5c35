package landing

import (
	"fmt"
	"strconv"
	"strings"
)

// Decimal is the type DECIMAL(precision, scale).
func Decimal(precision, scale int) Type { return Type(fmt.Sprintf("DECIMAL(%d,%d)", precision, scale)) }

// Money is what plain decimals are inferred as, and what money is.
const Money Type = "DECIMAL(18,4)"

// MaxPrecision is DuckDB's and Parquet's widest DECIMAL.
const MaxPrecision = 38

// IsDecimal takes DECIMAL(p,s) apart.
func (t Type) IsDecimal() (precision, scale int, ok bool) {
	body, found := strings.CutPrefix(string(t), "DECIMAL(")
	if !found || !strings.HasSuffix(body, ")") {
		return 0, 0, false
	}
	p, s, found := strings.Cut(strings.TrimSuffix(body, ")"), ",")
	if !found {
		return 0, 0, false
	}
	precision, err1 := strconv.Atoi(strings.TrimSpace(p))
	scale, err2 := strconv.Atoi(strings.TrimSpace(s))
	ok = err1 == nil && err2 == nil && precision >= 1 && precision <= MaxPrecision && scale >= 0 && scale <= precision
	return precision, scale, ok
}

// ParseType reads a type as people write it (any case, common synonyms) and returns its canonical name.
func ParseType(s string) (Type, error) {
	up := strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(s), " ", ""))
	switch up {
	case "VARCHAR", "TEXT", "STRING":
		return Varchar, nil
	case "BIGINT", "INTEGER", "INT", "LONG", "INT64":
		return BigInt, nil
	case "DOUBLE", "FLOAT", "REAL", "FLOAT64":
		return Double, nil
	case "BOOLEAN", "BOOL":
		return Boolean, nil
	case "DATE":
		return Date, nil
	case "TIMESTAMP", "DATETIME":
		return Timestamp, nil
	case "JSON", "OBJECT":
		return JSON, nil
	case "DECIMAL", "NUMERIC", "MONEY":
		return Money, nil
	}
	if rest, ok := strings.CutPrefix(up, "NUMERIC("); ok {
		up = "DECIMAL(" + rest
	}
	if rest, ok := strings.CutPrefix(up, "DECIMAL("); ok && !strings.Contains(rest, ",") && strings.HasSuffix(rest, ")") {
		up = strings.TrimSuffix(up, ")") + ",0)"
	}
	if strings.Contains(up, "(") && !strings.HasSuffix(up, ")") {
		// YAML ends a value at a comma inside { }: DECIMAL(18,4) arrives as "DECIMAL(18".
		return "", fmt.Errorf("type %q has no closing parenthesis: inside { } write it with quotes, \"DECIMAL(18,4)\"", s)
	}
	if p, sc, ok := Type(up).IsDecimal(); ok {
		return Decimal(p, sc), nil
	}
	return "", fmt.Errorf("unknown type %q: use VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP, JSON or DECIMAL(p,s) with p up to %d", s, MaxPrecision)
}

// Widen is the join of two types in the landing lattice: the narrowest type that holds every value of both.
//
//	BOOLEAN ────────────────────────────┐
//	BIGINT → DECIMAL(p,s) → DOUBLE ─────┤
//	DATE → TIMESTAMP ───────────────────┼→ VARCHAR
//	JSON ───────────────────────────────┘
//
// It is commutative, associative and idempotent, so the order in which loads are looked at does not matter (P4).
// The empty type is the bottom: Widen("", t) = t. A DECIMAL is widened so that no digit on either side is lost; when
// that takes more than 38 digits the answer is DOUBLE. DOUBLE holds whole numbers exactly up to 2^53 only.
func Widen(a, b Type) Type {
	switch {
	case a == b || b == "":
		return a
	case a == "":
		return b
	}
	if numeric(a) && numeric(b) {
		if a == Double || b == Double {
			return Double
		}
		pa, sa := digits(a)
		pb, sb := digits(b)
		scale := max(sa, sb)
		precision := max(pa-sa, pb-sb) + scale
		if precision > MaxPrecision {
			return Double
		}
		return Decimal(precision, scale)
	}
	if a == Date && b == Timestamp || a == Timestamp && b == Date {
		return Timestamp
	}
	return Varchar
}

func numeric(t Type) bool {
	_, _, dec := t.IsDecimal()
	return dec || t == BigInt || t == Double
}

// digits is the precision and scale that hold every value of a BIGINT or DECIMAL.
func digits(t Type) (precision, scale int) {
	if p, s, ok := t.IsDecimal(); ok {
		return p, s
	}
	return 19, 0
}
