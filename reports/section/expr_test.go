package section

import (
	"math/big"
	"strings"
	"testing"
)

func TestExpr(t *testing.T) {
	at := func(n string) *big.Rat {
		return map[string]*big.Rat{"a": big.NewRat(6, 1), "b": big.NewRat(4, 1), "zero": new(big.Rat)}[n]
	}
	for src, want := range map[string][2]string{
		"a + b * 2":               {"14", "(a+(b*2))"},
		"(a + b) * 2":             {"20", "((a+b)*2)"},
		"a - b - 1":               {"1", "((a-b)-1)"},
		"-a + b":                  {"-2", "((-a)+b)"},
		"2 ^ 3 ^ 2":               {"64", "((2^3)^2)"}, // as a spreadsheet: from the left
		"-2 ^ 2":                  {"4", "((-2)^2)"},   // as a spreadsheet
		"a / zero":                {"", "(a/zero)"},
		"min(a, b, 5)":            {"4", "MIN(a,b,5)"},
		"max(a, b)":               {"6", "MAX(a,b)"},
		"round(a / b, 1)":         {"1.5", "ROUND((a/b),1)"},
		"round(a / b)":            {"2", "ROUND((a/b),0)"},
		"if(a > b, a, b)":         {"6", "IF((a>b),a,b)"},
		"if(a <= b, a, zero)":     {"0", "IF((a<=b),a,zero)"},
		"if(a <> b, 1.25, 0)":     {"1.25", "IF((a<>b),1.25,0)"},
		"if(zero = 0, 1, a/zero)": {"1", "IF((zero=0),1,(a/zero))"},
		"missing * 2":             {"", "(missing*2)"},
		"2 ^ 9999999":             {"", "(2^9999999)"},
		"0 ^ -1":                  {"", "(0^(-1))"},
	} {
		e, err := parseExpr(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		got := ""
		if v := e.eval(at); v != nil {
			got = strings.TrimSuffix(strings.TrimRight(v.FloatString(4), "0"), ".")
		}
		if got != want[0] {
			t.Errorf("%s = %q, want %q", src, got, want[0])
		}
		if f := e.excel(func(n string) string { return n }); f != want[1] {
			t.Errorf("%s is written %s, want %s", src, f, want[1])
		}
	}
	for _, bad := range []string{"", "a +", "(a", "a b", "sum(a)", "1.2.3", "if(a, b)", "a $ b", "min()", "round(a, b, a)", strings.Repeat("(", 500) + "a"} {
		if _, err := parseExpr(bad); err == nil {
			t.Errorf("%q was taken for a formula", bad)
		}
	}
}

func FuzzExpr(f *testing.F) {
	for _, s := range []string{"a+b*2", "if(a>=1,min(a,2),round(b/3,2))", "((((", "-^2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := parseExpr(s)
		if err != nil {
			return
		}
		again, err := parseExpr(strings.ToLower(e.excel(func(n string) string { return n })))
		if err != nil && !strings.Contains(err.Error(), "deep") {
			t.Fatalf("%q was written as %q, which does not read back: %v", s, e.excel(func(n string) string { return n }), err)
		}
		if err == nil {
			e.eval(func(string) *big.Rat { return big.NewRat(3, 2) }) // must end, and must not panic
			again.eval(func(string) *big.Rat { return nil })
		}
	})
}
