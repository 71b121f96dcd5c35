package reports

import (
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode"
)

// Unit says how a number is written. Most are the units of metrics.kpi.
type Unit string

// Units.
const (
	Ratio       Unit = "ratio"         // 0.6315 is 63.15 %
	Money       Unit = "money"         // 10,005,534 USD
	Days        Unit = "days"          // 48 days
	Hours       Unit = "hours"         // 5.5 hours
	Months      Unit = "months"        // 14.2 months
	Count       Unit = "count"         // 1,234
	MoneyPerDay Unit = "money_per_day" // 28,345 USD a day
	Number      Unit = "number"        // as exact as it is, grouped
	Times       Unit = "times"         // 3.4×
	Points      Unit = "points"        // a difference of two ratios: 1.24 points
	DateUnit    Unit = "date"          // 2017-12-31
	TextUnit    Unit = "text"          // as it stands
)

// Units lists what a definition may name as a format.
func Units() []string {
	return []string{string(Ratio), string(Money), string(Days), string(Hours), string(Months), string(Count), string(MoneyPerDay),
		string(Number), string(Times), string(Points), string(DateUnit), string(TextUnit)}
}

// Format is how one number is shown. It is neutral to the reader's locale: 1,234,567.89 and ISO dates.
type Format struct {
	Unit     Unit   `json:"unit"`
	Currency string `json:"currency,omitempty"` // ISO 4217, for money
	Sign     bool   `json:"sign,omitempty"`     // always show + or -
	Abs      bool   `json:"abs,omitempty"`      // drop the sign: the words around it give the direction
	Bare     bool   `json:"bare,omitempty"`     // without the unit's word: the heading has it
	Grain    string `json:"grain,omitempty"`    // for dates that name a period: month, quarter, week, year
	Coarse   bool   `json:"coarse,omitempty"`   // one digit after the point is enough for a percentage
	Lower    bool   `json:"lower,omitempty"`    // a text inside a sentence: without its capital letter
}

// Delta is the format of a difference of two such numbers.
func (f Format) Delta() Format {
	f.Sign = true
	if f.Unit == Ratio {
		f.Unit = Points
	}
	return f
}

// Magnitude is the same format without sign.
func (f Format) Magnitude() Format { f.Sign, f.Abs = false, true; return f }

// Plain is the same format without the unit's word.
func (f Format) Plain() Format { f.Bare = true; return f }

// Show writes a value. Nothing is written as "n/a": never as zero, never as infinity. A number below zero begins with
// the minus sign of typography, at which no line breaks.
func (f Format) Show(v Value) string {
	s := f.show(v)
	if v.kind == number && f.Unit != TextUnit && strings.HasPrefix(s, "-") {
		s = "−" + s[1:]
	}
	return s
}

func (f Format) show(v Value) string {
	if v.IsNull() {
		return "n/a"
	}
	if t, ok := v.Time(); ok {
		if f.Grain != "" {
			return Period{Grain: f.Grain, Start: t}.Label()
		}
		return v.Text()
	}
	r, ok := v.Rat()
	if !ok || f.Unit == TextUnit {
		if f.Lower {
			return lowerFirst(v.Text())
		}
		return v.Text()
	}
	sign := ""
	if f.Abs {
		r.Abs(r)
	} else if f.Sign && r.Sign() > 0 {
		sign = "+"
	}
	switch f.Unit {
	case Ratio, Points:
		r.Mul(r, big.NewRat(100, 1))
		digits := 2
		if f.Coarse {
			digits = 1
		}
		s := sign + group(r.FloatString(digits))
		switch {
		case f.Bare && f.Unit == Points:
			return s
		case f.Unit == Points:
			return s + " points"
		}
		return s + " %"
	case Money, MoneyPerDay:
		digits := 2
		if abs(r).Cmp(big.NewRat(1000, 1)) >= 0 {
			digits = 0
		}
		s := sign + group(r.FloatString(digits))
		if f.Bare {
			return s
		}
		if f.Currency != "" {
			s += " " + f.Currency
		}
		if f.Unit == MoneyPerDay {
			s += " a day"
		}
		return s
	case Days, Hours, Months:
		s := sign + group(trimZero(r.FloatString(1)))
		switch {
		case f.Bare:
			return s
		case s == "1" || s == "-1" || s == "+1":
			return s + " " + strings.TrimSuffix(string(f.Unit), "s")
		}
		return s + " " + string(f.Unit)
	case Times:
		return sign + group(trimZero(r.FloatString(2))) + "×"
	case Count:
		return sign + group(trimZero(r.FloatString(1)))
	}
	return sign + group(trimZero(r.FloatString(4)))
}

// lowerFirst takes the capital off the first word, unless the word is an acronym.
func lowerFirst(s string) string {
	r := []rune(s)
	if len(r) == 0 || len(r) > 1 && unicode.IsUpper(r[1]) {
		return s
	}
	r[0] = unicode.ToLower(r[0])
	return string(r)
}

func abs(r *big.Rat) *big.Rat { return new(big.Rat).Abs(r) }

// trimZero takes off zeros after the decimal point.
func trimZero(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// group puts a comma between thousands, and drops the sign of a number that rounds to zero.
func group(s string) string {
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	whole, frac, _ := strings.Cut(s, ".")
	var b strings.Builder
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	if frac != "" {
		b.WriteString("." + frac)
	}
	if neg && strings.Trim(s, "0.") != "" {
		return "-" + b.String()
	}
	return b.String()
}

// Quantity is a cell with the way it is shown and, when it holds nothing, why.
type Quantity struct {
	Cell   Cell
	Format Format
	Reason string // "no closed deals": only when the cell holds nothing
	Status string // ok, na, provisional, restated
}

// String is the quantity for a person.
func (q Quantity) String() string {
	if q.Cell.IsNull() {
		if q.Reason != "" {
			return "n/a: " + q.Reason
		}
		return "n/a"
	}
	s := q.Format.Show(q.Cell.Value)
	if q.Status == "provisional" || q.Status == "restated" {
		s += " (" + q.Status + ")"
	}
	return s
}

// Humanize turns a name such as win_rate or no_closed_deals into words; acronyms of the trade stay in capitals.
func Humanize(name string) string {
	words := strings.Fields(strings.NewReplacer("_", " ", "-", " ", ".", " ").Replace(name))
	for i, w := range words {
		if u := strings.ToUpper(w); acronyms[u] {
			words[i] = u
		}
	}
	return strings.Join(words, " ")
}

// Title is Humanize with a capital letter.
func Title(name string) string {
	h := Humanize(name)
	if h == "" {
		return h
	}
	return strings.ToUpper(h[:1]) + h[1:]
}

var acronyms = map[string]bool{"CAC": true, "LTV": true, "MRR": true, "ARR": true, "NRR": true, "GRR": true, "ROAS": true,
	"CTR": true, "CPC": true, "CPM": true, "CPL": true, "CPA": true, "ROI": true, "MQL": true, "SQL": true, "KPI": true, "ID": true, "NA": true, "CRM": true}

// Period is a stretch of time in the project's zone, named by its first day.
type Period struct {
	Grain string    // day, week, month, quarter, year
	Start time.Time // midnight UTC standing for the business date
	Last  int       // how many periods, this one included, histories show
}

// Grains lists the lengths of a period.
func Grains() []string { return []string{"day", "week", "month", "quarter", "year"} }

// PeriodOf is the period of a grain that holds the date of t.
func PeriodOf(grain string, t time.Time) Period {
	d := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	switch grain {
	case "week":
		d = d.AddDate(0, 0, -(int(d.Weekday())+6)%7)
	case "month":
		d = d.AddDate(0, 0, 1-d.Day())
	case "quarter":
		d = time.Date(d.Year(), (d.Month()-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC)
	case "year":
		d = time.Date(d.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return Period{Grain: grain, Start: d}
}

// Shift is the period n steps later, or earlier when n is negative.
func (p Period) Shift(n int) Period {
	switch p.Grain {
	case "week":
		p.Start = p.Start.AddDate(0, 0, 7*n)
	case "month":
		p.Start = p.Start.AddDate(0, n, 0)
	case "quarter":
		p.Start = p.Start.AddDate(0, 3*n, 0)
	case "year":
		p.Start = p.Start.AddDate(n, 0, 0)
	default:
		p.Start = p.Start.AddDate(0, 0, n)
	}
	return p
}

// Key names the period in file names and ledgers: 2017-12, 2017-Q4, 2017-W50, 2017, 2017-12-31.
func (p Period) Key() string {
	switch p.Grain {
	case "week":
		y, w := p.Start.ISOWeek()
		return fmt.Sprintf("%04d-W%02d", y, w)
	case "month":
		return p.Start.Format("2006-01")
	case "quarter":
		return fmt.Sprintf("%04d-Q%d", p.Start.Year(), (p.Start.Month()-1)/3+1)
	case "year":
		return p.Start.Format("2006")
	}
	return p.Start.Format(time.DateOnly)
}

// Label names the period for a person: December 2017, Q4 2017, week 50 of 2017.
func (p Period) Label() string {
	switch p.Grain {
	case "week":
		y, w := p.Start.ISOWeek()
		return fmt.Sprintf("week %d of %d", w, y)
	case "month":
		return p.Start.Format("January 2006")
	case "quarter":
		return fmt.Sprintf("Q%d %d", (p.Start.Month()-1)/3+1, p.Start.Year())
	case "year":
		return p.Start.Format("2006")
	}
	return p.Start.Format("2 January 2006")
}

// ParsePeriod reads what Key writes.
func ParsePeriod(s string) (Period, error) {
	var y, n int
	if _, err := fmt.Sscanf(s, "%d-W%d", &y, &n); err == nil && len(s) == 8 {
		p := PeriodOf("week", time.Date(y, 1, 4, 0, 0, 0, 0, time.UTC)).Shift(n - 1) // 4 January is always in week 1
		if p.Key() == s {
			return p, nil
		}
	}
	if _, err := fmt.Sscanf(s, "%d-Q%d", &y, &n); err == nil && len(s) == 7 && n >= 1 && n <= 4 {
		return PeriodOf("quarter", time.Date(y, time.Month(3*n), 1, 0, 0, 0, 0, time.UTC)), nil
	}
	for layout, grain := range map[string]string{"2006": "year", "2006-01": "month", time.DateOnly: "day"} {
		if t, err := time.Parse(layout, s); err == nil && len(s) == len(layout) {
			return PeriodOf(grain, t), nil
		}
	}
	return Period{}, fmt.Errorf("%q is not a period; write 2017, 2017-Q4, 2017-12, 2017-W50 or 2017-12-31", s)
}
