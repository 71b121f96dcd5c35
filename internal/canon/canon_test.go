package canon

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"
	"time"
)

type dec string

func (d dec) MarshalJSON() ([]byte, error) { return []byte(d), nil }

func TestOneSpelling(t *testing.T) {
	for _, c := range []struct {
		want string
		in   []any
	}{
		{"1", []any{1, int64(1), 1.0, json.Number("1.000"), json.Number("1e0"), dec("1.0000"), json.RawMessage(" 1.0 "), json.Number("+01")}},
		{"0", []any{0, 0.0, math.Copysign(0, -1), dec("-0.000"), json.Number("0e9")}},
		{"-12.3", []any{-12.3, dec("-12.3000"), json.RawMessage("-12.30")}},
		{"12345678901234567890.1", []any{dec("12345678901234567890.1000")}},
		{"170141183460469231731687303715884105727", []any{new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 127), big.NewInt(1))}},
		{"null", []any{nil, json.RawMessage("null")}},
		{"true", []any{true, json.RawMessage(" true")}},
		{`"a<b>&ü"`, []any{"a<b>&ü", json.RawMessage(`"a\u003cb\u003e\u0026\u00fc"`), []byte("a<b>&ü")}},
		{`"2026-03-02T06:00:00.5Z"`, []any{time.Date(2026, 3, 2, 7, 0, 0, 5e8, time.FixedZone("", 3600))}},
		{`{"a":1,"b":[1,{"c":null}]}`, []any{map[string]any{"b": []any{1.0, map[string]any{"c": nil}}, "a": int64(1)}, json.RawMessage(`{"b":[1.00,{"c":null}],"a":1}`)}},
		{`[{"a":1}]`, []any{[]any{map[string]any{"a": 1}}, json.RawMessage(`[{"a":1.0}]`)}},
	} {
		for _, in := range c.in {
			if got, err := JSON(in); err != nil || string(got) != c.want {
				t.Errorf("JSON(%T %v) = %s, %v; want %s", in, in, got, err, c.want)
			}
		}
	}
	for _, in := range []any{math.NaN(), math.Inf(1), struct{}{}, json.Number("1x"), json.RawMessage("{")} {
		if got, err := JSON(in); err == nil {
			t.Errorf("JSON(%v) = %s, want an error", in, got)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{"null": "", "": "", `"a\"b"`: `a"b`, "1.5": "1.5", "true": "true"} {
		if got := Text(json.RawMessage(in)); got != want {
			t.Errorf("Text(%s) = %q, want %q", in, got, want)
		}
	}
	if !IsEmpty(json.RawMessage(`""`)) || !IsEmpty(nil) || IsEmpty(json.RawMessage("0")) || IsEmpty(json.RawMessage("false")) {
		t.Error("IsEmpty")
	}
}

func FuzzRaw(f *testing.F) {
	f.Add([]byte(`{"a":[1.50,"x"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		one, err := JSON(json.RawMessage(b))
		if err != nil {
			return
		}
		two, err := JSON(one)
		if err != nil || string(two) != string(one) {
			t.Errorf("spelling is not stable: %s then %s (%v)", one, two, err)
		}
	})
}
