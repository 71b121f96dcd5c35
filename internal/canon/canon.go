// Package canon gives every cell one spelling, so that values which are equal compare and hash as equal (P4) whatever
// way they took: read from a build, from a ledger or from JSON. It must not know what the values mean.
package canon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// JSON spells a cell as JSON. Instants are RFC 3339 in UTC without trailing zeros, numbers the shortest text that reads
// back as the same number (1.0 and 1 are the same), mappings are sorted by key, text is not escaped beyond what JSON
// needs. NaN and infinities are errors: no destination takes them.
func JSON(v any) (json.RawMessage, error) {
	switch x := v.(type) {
	case nil:
		return json.RawMessage("null"), nil
	case bool:
		return json.RawMessage(strconv.FormatBool(x)), nil
	case string:
		return quote(x)
	case int:
		return json.RawMessage(strconv.Itoa(x)), nil
	case int64:
		return json.RawMessage(strconv.FormatInt(x, 10)), nil
	case float64:
		return number(x)
	case time.Time:
		return quote(x.UTC().Format(time.RFC3339Nano))
	case json.Number:
		return decimal(x.String())
	case json.RawMessage:
		return raw(x)
	case []byte:
		return quote(string(x))
	case []any:
		var b bytes.Buffer
		b.WriteByte('[')
		for i, e := range x {
			if i > 0 {
				b.WriteByte(',')
			}
			j, err := JSON(e)
			if err != nil {
				return nil, err
			}
			b.Write(j)
		}
		b.WriteByte(']')
		return b.Bytes(), nil
	case json.Marshaler: // exact decimals of the database
		j, err := x.MarshalJSON()
		if err != nil {
			return nil, err
		}
		return raw(j)
	case map[string]any:
		j, err := json.Marshal(x)
		if err != nil {
			return nil, fmt.Errorf("value of type %T: %w", v, err)
		}
		return raw(j)
	case fmt.Stringer: // integers beyond 64 bits
		return decimal(x.String())
	}
	return nil, fmt.Errorf("value of type %T has no place in JSON", v)
}

func quote(s string) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

func number(f float64) (json.RawMessage, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%v is not a number that can be sent", f)
	}
	if f == 0 {
		return json.RawMessage("0"), nil // also minus zero
	}
	return decimal(strconv.FormatFloat(f, 'f', -1, 64))
}

// decimal takes the sign, leading and trailing zeros to one spelling, without passing through a float.
func decimal(s string) (json.RawMessage, error) {
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", s)
		}
		return number(f)
	}
	neg := strings.HasPrefix(s, "-")
	whole, frac, _ := strings.Cut(strings.TrimLeft(s, "+-"), ".")
	whole, frac = strings.TrimLeft(whole, "0"), strings.TrimRight(frac, "0")
	for _, r := range whole + frac {
		if r < '0' || r > '9' {
			return nil, fmt.Errorf("%q is not a number", s)
		}
	}
	if whole == "" {
		whole = "0"
	}
	out := whole
	if frac != "" {
		out += "." + frac
	}
	if neg && out != "0" {
		out = "-" + out
	}
	return json.RawMessage(out), nil
}

// raw brings JSON from elsewhere to the same spelling.
func raw(j []byte) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(j))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("value is not JSON: %w", err)
	}
	if m, ok := v.(map[string]any); ok {
		return object(m)
	}
	return JSON(v)
}

func object(m map[string]any) (json.RawMessage, error) {
	spelled := make(map[string]json.RawMessage, len(m))
	for k, v := range m {
		var j json.RawMessage
		var err error
		if inner, ok := v.(map[string]any); ok {
			j, err = object(inner)
		} else {
			j, err = JSON(v)
		}
		if err != nil {
			return nil, err
		}
		spelled[k] = j
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b) // sorts the keys
	e.SetEscapeHTML(false)
	if err := e.Encode(spelled); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// Text is the cell as a person or a text field of a vendor reads it: JSON without the quotes of text. Null is "".
func Text(j json.RawMessage) string {
	if len(j) == 0 || string(j) == "null" {
		return ""
	}
	if j[0] == '"' {
		var s string
		if json.Unmarshal(j, &s) == nil {
			return s
		}
	}
	return string(j)
}

// IsEmpty reports whether the value is null or empty text.
func IsEmpty(j json.RawMessage) bool { return len(j) == 0 || string(j) == "null" || string(j) == `""` }
