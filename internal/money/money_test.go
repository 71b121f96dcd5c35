package money

import (
	"strings"
	"testing"
)

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		amount   string
		exponent int
		want     int64
		err      string
	}{
		{"120.50", 2, 12050, ""}, {"120.5", 2, 12050, ""}, {"120.500", 2, 12050, ""}, {"0.01", 2, 1, ""}, {"120", 2, 12000, ""}, {"1000", 0, 1000, ""}, {"1000.00", 0, 1000, ""},
		{"12.345678", Micros, 12345678, ""}, {"1.5", 3, 1500, ""}, {" 7 ", 2, 700, ""}, {"00012", 2, 1200, ""},
		{"120.505", 2, 0, "finer"}, {"10.5", 0, 0, "finer"}, {"0", 2, 0, "pause it"}, {"0.00", 2, 0, "pause it"}, {"-5", 2, 0, "not an amount"}, {"", 2, 0, "not an amount"}, {"1e3", 2, 0, "not an amount"},
		{".5", 2, 0, "not an amount"}, {"1,50", 2, 0, "not an amount"}, {"NaN", 2, 0, "not an amount"}, {"999999999999999999", 2, 0, "more than"},
	} {
		got, err := Units(c.amount, c.exponent)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("Units(%q, %d) = %d, %v", c.amount, c.exponent, got, err)
		}
	}
}

func TestAmount(t *testing.T) {
	for _, c := range []struct {
		units    int64
		exponent int
		want     string
	}{{12050, 2, "120.5"}, {12000, 2, "120"}, {1, 2, "0.01"}, {1000, 0, "1000"}, {12345678, Micros, "12.345678"}, {-150, 2, "-1.5"}, {0, 2, "0"}} {
		if got := Amount(c.units, c.exponent); got != c.want {
			t.Errorf("Amount(%d, %d) = %s", c.units, c.exponent, got)
		}
	}
}

func FuzzThereAndBack(f *testing.F) {
	f.Add(int64(12050), uint8(2))
	f.Add(int64(1), uint8(6))
	f.Fuzz(func(t *testing.T, n int64, e uint8) {
		if n <= 0 || n >= 1e17 {
			return
		}
		exponent := int(e % 7)
		if got, err := Units(Amount(n, exponent), exponent); err != nil || got != n {
			t.Errorf("%d with %d decimals came back as %d (%v)", n, exponent, got, err)
		}
	})
}

func TestExponent(t *testing.T) {
	for c, want := range map[string]int{"USD": 2, "eur": 2, "JPY": 0, "KWD": 3} {
		if got := Exponent(c); got != want {
			t.Errorf("%s: %d", c, got)
		}
	}
}
