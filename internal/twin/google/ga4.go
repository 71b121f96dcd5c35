package google

import (
	"cmp"
	"encoding/json"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// Quotas and limits of a standard property.
const (
	tokensPerDay  = 200_000
	tokensPerHour = 40_000
	ga4DefaultRow = 10_000
	ga4MaxRows    = 250_000
)

type named struct {
	Name string `json:"name"`
}

type dateRange struct {
	StartDate string `json:"startDate"`
	EndDate   string `json:"endDate"`
	Name      string `json:"name"`
}

type reportRequest struct {
	Dimensions      []named       `json:"dimensions"`
	Metrics         []named       `json:"metrics"`
	DateRanges      []dateRange   `json:"dateRanges"`
	DimensionFilter *expression   `json:"dimensionFilter"`
	MetricFilter    *expression   `json:"metricFilter"`
	OrderBys        []reportOrder `json:"orderBys"`
	Offset          int64Text     `json:"offset"`
	Limit           int64Text     `json:"limit"`
	KeepEmptyRows   bool          `json:"keepEmptyRows"`
	CurrencyCode    string        `json:"currencyCode"`
	Quota           bool          `json:"returnPropertyQuota"`
}

// int64Text takes an int64 as JSON string or number, as the proto mapping does.
type int64Text int64

func (n *int64Text) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*n = int64Text(v)
	return err
}

type reportOrder struct {
	Metric *struct {
		Name string `json:"metricName"`
	} `json:"metric"`
	Dimension *struct {
		Name string `json:"dimensionName"`
	} `json:"dimension"`
	Desc bool `json:"desc"`
}

type expression struct {
	And    *expressions `json:"andGroup"`
	Or     *expressions `json:"orGroup"`
	Not    *expression  `json:"notExpression"`
	Filter *struct {
		Field  string `json:"fieldName"`
		String *struct {
			Match string `json:"matchType"`
			Value string `json:"value"`
			Case  bool   `json:"caseSensitive"`
		} `json:"stringFilter"`
		List *struct {
			Values []string `json:"values"`
			Case   bool     `json:"caseSensitive"`
		} `json:"inListFilter"`
		Numeric *struct {
			Operation string `json:"operation"`
			Value     struct {
				Int    int64Text `json:"int64Value"`
				Double float64   `json:"doubleValue"`
			} `json:"value"`
		} `json:"numericFilter"`
	} `json:"filter"`
}

type expressions struct {
	Expressions []expression `json:"expressions"`
}

// holds evaluates a filter over the values of one row.
func (e *expression) holds(value func(string) string) bool {
	switch {
	case e == nil:
		return true
	case e.And != nil:
		for i := range e.And.Expressions {
			if !e.And.Expressions[i].holds(value) {
				return false
			}
		}
		return true
	case e.Or != nil:
		for i := range e.Or.Expressions {
			if e.Or.Expressions[i].holds(value) {
				return true
			}
		}
		return false
	case e.Not != nil:
		return !e.Not.holds(value)
	case e.Filter == nil:
		return true
	}
	f := e.Filter
	v := value(f.Field)
	fold := func(s string, exact bool) string {
		if exact {
			return s
		}
		return strings.ToLower(s)
	}
	switch {
	case f.String != nil:
		a, b := fold(v, f.String.Case), fold(f.String.Value, f.String.Case)
		switch f.String.Match {
		case "BEGINS_WITH":
			return strings.HasPrefix(a, b)
		case "ENDS_WITH":
			return strings.HasSuffix(a, b)
		case "CONTAINS":
			return strings.Contains(a, b)
		case "FULL_REGEXP", "PARTIAL_REGEXP":
			re, err := regexp.Compile(b)
			return err == nil && re.MatchString(a) && (f.String.Match == "PARTIAL_REGEXP" || re.FindString(a) == a)
		}
		return a == b
	case f.List != nil:
		return slices.ContainsFunc(f.List.Values, func(s string) bool { return fold(s, f.List.Case) == fold(v, f.List.Case) })
	case f.Numeric != nil:
		n, err := strconv.ParseFloat(v, 64)
		want := f.Numeric.Value.Double + float64(f.Numeric.Value.Int)
		return err == nil && map[string]bool{"EQUAL": n == want, "LESS_THAN": n < want, "LESS_THAN_OR_EQUAL": n <= want, "GREATER_THAN": n > want, "GREATER_THAN_OR_EQUAL": n >= want}[f.Numeric.Operation]
	}
	return true
}

// fact is what a report sums: traffic of a day, or what ads of a day cost.
type fact struct {
	web  store.WebDay
	cost store.AdDay
}

var ga4Dimensions = map[string]func(f fact) string{
	"date":                       func(f fact) string { return f.web.Day.Format("20060102") },
	"yearMonth":                  func(f fact) string { return f.web.Day.Format("200601") },
	"sessionSource":              func(f fact) string { return f.web.Source },
	"sessionMedium":              func(f fact) string { return f.web.Medium },
	"sessionSourceMedium":        func(f fact) string { return f.web.Source + " / " + f.web.Medium },
	"sessionCampaignName":        func(f fact) string { return f.web.Campaign },
	"sessionDefaultChannelGroup": func(f fact) string { return f.web.Group },
	"landingPage":                func(f fact) string { return f.web.Landing },
	"country":                    func(f fact) string { return f.web.Country },
	"deviceCategory":             func(f fact) string { return f.web.Device },
}

type metric struct {
	kind string // MetricType
	ads  bool   // advertising data: not to be split by what the ad platform does not know
	sum  func(f fact) int64
	over func(f fact) int64 // denominator, nil for sums
}

var ga4Metrics = map[string]metric{
	"sessions":                {"TYPE_INTEGER", false, func(f fact) int64 { return f.web.Sessions }, nil},
	"engagedSessions":         {"TYPE_INTEGER", false, func(f fact) int64 { return f.web.Engaged }, nil},
	"totalUsers":              {"TYPE_INTEGER", false, func(f fact) int64 { return f.web.Users }, nil},
	"activeUsers":             {"TYPE_INTEGER", false, func(f fact) int64 { return f.web.Users }, nil},
	"newUsers":                {"TYPE_INTEGER", false, func(f fact) int64 { return f.web.NewUsers }, nil},
	"screenPageViews":         {"TYPE_INTEGER", false, func(f fact) int64 { return f.web.Views }, nil},
	"keyEvents":               {"TYPE_FLOAT", false, func(f fact) int64 { return f.web.KeyEvents }, nil},
	"conversions":             {"TYPE_FLOAT", false, func(f fact) int64 { return f.web.KeyEvents }, nil},
	"engagementRate":          {"TYPE_FLOAT", false, func(f fact) int64 { return f.web.Engaged }, func(f fact) int64 { return f.web.Sessions }},
	"bounceRate":              {"TYPE_FLOAT", false, func(f fact) int64 { return f.web.Sessions - f.web.Engaged }, func(f fact) int64 { return f.web.Sessions }},
	"advertiserAdCost":        {"TYPE_CURRENCY", true, func(f fact) int64 { return f.cost.CostMicros }, nil},
	"advertiserAdClicks":      {"TYPE_INTEGER", true, func(f fact) int64 { return f.cost.Clicks }, nil},
	"advertiserAdImpressions": {"TYPE_INTEGER", true, func(f fact) int64 { return f.cost.Impressions }, nil},
}

// analytics is runReport, batchRunReports and metadata.
func (a *API) analytics(r *http.Request, m []string, body []byte) (any, error) {
	left, _, ok := a.hour.Take(a.opt.Now())
	if !ok && a.opt.Enforce {
		return nil, refuse(http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "Exhausted property tokens for a project per hour. These quota tokens will return in under an hour. To learn more, see https://developers.google.com/analytics/devguides/reporting/data/v1/quotas")
	}
	var out any
	var err error
	a.db.View(func(s *store.State) {
		if m[1] != s.Web.Property {
			err = refuse(http.StatusForbidden, "PERMISSION_DENIED", "User does not have sufficient permissions for this property. To learn more about Property ID, see https://developers.google.com/analytics/devguides/reporting/data/v1/property-id.")
			return
		}
		switch {
		case m[2] == "/metadata":
			out = metadata(m[1])
		case m[2] == ":runReport":
			var in reportRequest
			if err = strict(body, &in); err == nil {
				out, err = report(s, in, left)
			}
		default:
			var in struct {
				Requests []reportRequest `json:"requests"`
			}
			if err = strict(body, &in); err != nil {
				return
			}
			if len(in.Requests) > 5 {
				err = refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Requests are limited to 5 reports.")
				return
			}
			reports := []any{}
			for _, one := range in.Requests {
				var rep any
				if rep, err = report(s, one, left); err != nil {
					return
				}
				reports = append(reports, rep)
			}
			out = map[string]any{"reports": reports, "kind": "analyticsData#batchRunReports"}
		}
	})
	return out, err
}

func strict(body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid JSON payload received. %v", err)
	}
	return nil
}

func metadata(property string) any {
	dims, mets := []any{}, []any{}
	for _, n := range sorted(ga4Dimensions) {
		dims = append(dims, map[string]any{"apiName": n, "uiName": n, "category": "Traffic source"})
	}
	for _, n := range sorted(ga4Metrics) {
		mets = append(mets, map[string]any{"apiName": n, "uiName": n, "type": ga4Metrics[n].kind, "category": "Session"})
	}
	return map[string]any{"name": "properties/" + property + "/metadata", "dimensions": dims, "metrics": mets}
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// check answers what a report may not ask for.
func (in *reportRequest) check() error {
	invalid := func(format string, args ...any) error {
		return refuse(http.StatusBadRequest, "INVALID_ARGUMENT", format, args...)
	}
	switch {
	case len(in.Dimensions) > 9:
		return invalid("Requests are limited to 9 dimensions. This request is for %d dimensions.", len(in.Dimensions))
	case len(in.Metrics) > 10:
		return invalid("Requests are limited to 10 metrics. This request is for %d metrics.", len(in.Metrics))
	case len(in.DateRanges) > 4:
		return invalid("Requests are limited to 4 dateRanges. This request is for %d dateRanges.", len(in.DateRanges))
	case len(in.DateRanges) == 0:
		return invalid("A dateRange is required.")
	case len(in.Dimensions) == 0 && len(in.Metrics) == 0:
		return invalid("At least one dimension or metric is required.")
	case in.Limit < 0 || in.Limit > ga4MaxRows:
		return invalid("The limit must be positive and at most 250,000; it is %d.", in.Limit)
	case in.Offset < 0:
		return invalid("The offset must not be negative.")
	}
	ads := ""
	for _, m := range in.Metrics {
		x, ok := ga4Metrics[m.Name]
		if !ok {
			return invalid("Field %s is not a valid metric. For a list of valid dimensions and metrics, see https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema", m.Name)
		}
		if x.ads {
			ads = m.Name
		}
	}
	for _, d := range in.Dimensions {
		if ga4Dimensions[d.Name] == nil {
			return invalid("Field %s is not a valid dimension. For a list of valid dimensions and metrics, see https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema", d.Name)
		}
		if ads != "" && slices.Contains([]string{"landingPage", "country", "deviceCategory"}, d.Name) {
			return invalid("Please remove %s to make the request compatible. The request's dimensions & metrics are incompatible: %s cannot be queried with %s.", d.Name, ads, d.Name)
		}
	}
	return nil
}

func ga4Date(v string, today time.Time) (time.Time, error) {
	switch v {
	case "today":
		return today, nil
	case "yesterday":
		return today.AddDate(0, 0, -1), nil
	}
	if n, ok := strings.CutSuffix(v, "daysAgo"); ok {
		if days, err := strconv.Atoi(n); err == nil && days >= 0 {
			return today.AddDate(0, 0, -days), nil
		}
	}
	if t, err := time.Parse(time.DateOnly, v); err == nil {
		return t, nil
	}
	return time.Time{}, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid date: %s. Use YYYY-MM-DD, NdaysAgo, yesterday or today.", v)
}

type reportRow struct {
	dims []string
	sums []int64
	over []int64
}

// facts yields what happened in a date range, in order of days.
func facts(s *store.State, from, to time.Time, ads bool) []fact {
	var out []fact
	within := func(d time.Time) bool { return !d.Before(from) && !d.After(to) }
	for _, w := range s.Web.Days {
		if within(w.Day) {
			out = append(out, fact{web: w})
		}
	}
	if ads {
		for _, d := range s.Ads.Days {
			if within(d.Day) {
				c := s.Ads.Campaigns[d.Campaign]
				group := "Paid Search"
				if c.Platform != "google" {
					group = "Paid Social"
				}
				out = append(out, fact{cost: d.At(s.Date), web: store.WebDay{Day: d.Day, Source: c.Source, Medium: c.Medium, Campaign: c.UTM, Group: group}})
			}
		}
	}
	return out
}

func report(s *store.State, in reportRequest, left int) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	ads := slices.ContainsFunc(in.Metrics, func(m named) bool { return ga4Metrics[m.Name].ads })
	rows := map[string]*reportRow{}
	for i, dr := range in.DateRanges {
		from, err := ga4Date(dr.StartDate, s.Date)
		if err != nil {
			return nil, err
		}
		to, err := ga4Date(dr.EndDate, s.Date)
		if err != nil {
			return nil, err
		}
		if to.Before(from) {
			return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid dateRange: startDate %s is after endDate %s.", dr.StartDate, dr.EndDate)
		}
		for _, f := range facts(s, from, to, ads) {
			if !in.DimensionFilter.holds(func(n string) string {
				if d := ga4Dimensions[n]; d != nil {
					return d(f)
				}
				return ""
			}) {
				continue
			}
			dims := make([]string, 0, len(in.Dimensions)+1)
			for _, d := range in.Dimensions {
				dims = append(dims, ga4Dimensions[d.Name](f))
			}
			if len(in.DateRanges) > 1 {
				dims = append(dims, cmp.Or(dr.Name, "date_range_"+strconv.Itoa(i)))
			}
			key := strings.Join(dims, "\x00")
			r := rows[key]
			if r == nil {
				r = &reportRow{dims, make([]int64, len(in.Metrics)), make([]int64, len(in.Metrics))}
				rows[key] = r
			}
			for j, m := range in.Metrics {
				x := ga4Metrics[m.Name]
				r.sums[j] += x.sum(f)
				if x.over != nil {
					r.over[j] += x.over(f)
				}
			}
		}
	}
	return in.answer(s, rows, left), nil
}

func (in *reportRequest) answer(s *store.State, sums map[string]*reportRow, left int) any {
	var rows []*reportRow
	for _, k := range sorted(sums) {
		r := sums[k]
		empty := !slices.ContainsFunc(r.sums, func(n int64) bool { return n != 0 })
		if empty && len(in.Metrics) > 0 && !in.KeepEmptyRows {
			continue
		}
		if in.MetricFilter.holds(func(n string) string {
			for j, m := range in.Metrics {
				if m.Name == n {
					return in.text(r, j)
				}
			}
			return ""
		}) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, in.order)
	limit := int(in.Limit)
	if limit == 0 {
		limit = ga4DefaultRow
	}
	end := min(int(in.Offset)+limit, len(rows))
	out := map[string]any{
		"rowCount": len(rows), "kind": "analyticsData#runReport",
		"metadata": map[string]any{"currencyCode": cmp.Or(in.CurrencyCode, s.Web.Currency), "timeZone": s.Web.TimeZone},
	}
	dims, mets, list := []named{}, []any{}, []any{}
	dims = append(dims, in.Dimensions...)
	if len(in.DateRanges) > 1 {
		dims = append(dims, named{"dateRange"})
	}
	for _, m := range in.Metrics {
		mets = append(mets, map[string]string{"name": m.Name, "type": ga4Metrics[m.Name].kind})
	}
	type value struct {
		Value string `json:"value"`
	}
	for _, r := range rows[min(int(in.Offset), len(rows)):end] {
		dv, mv := []value{}, []value{}
		for _, d := range r.dims {
			dv = append(dv, value{d})
		}
		for j := range in.Metrics {
			mv = append(mv, value{in.text(r, j)})
		}
		list = append(list, map[string]any{"dimensionValues": dv, "metricValues": mv})
	}
	out["dimensionHeaders"], out["metricHeaders"] = dims, mets
	if len(list) > 0 { // empty repeated fields are left out, as the proto mapping does
		out["rows"] = list
	}
	if in.Quota {
		q := func(consumed, remaining int) map[string]int {
			return map[string]int{"consumed": consumed, "remaining": remaining}
		}
		out["propertyQuota"] = map[string]any{
			"tokensPerDay": q(10, tokensPerDay-10), "tokensPerHour": q(10, left*10), "concurrentRequests": q(0, 10), "serverErrorsPerProjectPerHour": q(0, 10),
			"potentiallyThresholdedRequestsPerHour": q(0, 120), "tokensPerProjectPerHour": q(10, 14_000-10),
		}
	}
	return out
}

// text writes a metric of a row: whole numbers, money with up to six decimals, ratios.
func (in *reportRequest) text(r *reportRow, j int) string {
	x := ga4Metrics[in.Metrics[j].Name]
	switch {
	case x.kind == "TYPE_CURRENCY":
		return trim(new(big.Rat).SetFrac64(r.sums[j], 1_000_000).FloatString(6))
	case x.over != nil:
		if r.over[j] == 0 {
			return "0"
		}
		return trim(new(big.Rat).SetFrac64(r.sums[j], r.over[j]).FloatString(15))
	}
	return strconv.FormatInt(r.sums[j], 10)
}

func trim(s string) string { return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") }

func (in *reportRequest) order(x, y *reportRow) int {
	for _, o := range in.OrderBys {
		n := 0
		if o.Metric != nil {
			for j, m := range in.Metrics {
				if m.Name == o.Metric.Name {
					n = cmp.Compare(x.sums[j], y.sums[j])
				}
			}
		}
		if o.Dimension != nil {
			for j, d := range in.Dimensions {
				if d.Name == o.Dimension.Name {
					n = cmp.Compare(x.dims[j], y.dims[j])
				}
			}
		}
		if o.Desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
}
