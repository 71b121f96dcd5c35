package file

import (
	"fmt"
	"strings"
	"time"
)

// layout is one way in which dates are written.
type layout struct {
	golang string
	clock  bool
}

// newLayout turns DD.MM.YYYY HH:mm into Go's notation.
func newLayout(s string) (layout, error) {
	l := layout{}
	var b strings.Builder
	tokens := []struct {
		is, golang string
		clock      bool
	}{
		{"YYYY", "2006", false}, {"YY", "06", false}, {"MMMM", "January", false}, {"MMM", "Jan", false}, {"MM", "01", false}, {"M", "1", false},
		{"DD", "02", false}, {"D", "2", false}, {"HH", "15", true}, {"hh", "03", true}, {"mm", "04", true}, {"ss", "05", true}, {"A", "PM", true}, {"Z", "Z07:00", true},
	}
	seen := map[byte]bool{}
next:
	for i := 0; i < len(s); {
		for _, t := range tokens {
			if strings.HasPrefix(s[i:], t.is) {
				b.WriteString(t.golang)
				seen[t.is[0]] = true
				l.clock = l.clock || t.clock
				i += len(t.is)
				continue next
			}
		}
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' && c != 'T' {
			return l, fmt.Errorf("%q is not a part of a date", s[i:i+1])
		}
		b.WriteByte(c)
		i++
	}
	if !seen['Y'] || !seen['M'] || !seen['D'] {
		return l, fmt.Errorf("a date needs a year, a month and a day")
	}
	l.golang = b.String()
	return l, nil
}

// iso rewrites text in one of the layouts as ISO 8601, which the lander types; other text is given back as it is.
func iso(s string, ls []layout) string {
	for _, l := range ls {
		t, err := time.Parse(l.golang, s)
		if err != nil {
			continue
		}
		if l.clock {
			return t.UTC().Format("2006-01-02T15:04:05")
		}
		return t.Format("2006-01-02")
	}
	return s
}
