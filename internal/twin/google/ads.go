package google

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// Versions of the Ads API that answer; older ones have ended.
const (
	oldestAds = 21
	newestAds = 26
	adsPage   = 10_000 // rows of one page of search
	adsChunk  = 1_000  // rows of one batch of searchStream

	budgetOffset = 900 // a campaign's budget has the campaign's id and this
)

// adsFailure is an error with the details that Google Ads adds.
func adsFailure(httpCode int, status, kind, code, message, id string) *problem {
	p := refuse(httpCode, status, "%s", map[int]string{
		http.StatusBadRequest: "Request contains an invalid argument.", http.StatusForbidden: "The caller does not have permission",
		http.StatusUnauthorized: "Request had invalid authentication credentials.", http.StatusTooManyRequests: "Resource has been exhausted (e.g. check quota).",
	}[httpCode])
	p.Details = []any{map[string]any{
		"@type":  "type.googleapis.com/google.ads.googleads.v" + strconv.Itoa(newestAds-1) + ".errors.GoogleAdsFailure",
		"errors": []any{map[string]any{"errorCode": map[string]string{kind: code}, "message": message}}, "requestId": id,
	}}
	return p
}

// ads is searchStream, search and listAccessibleCustomers.
func (a *API) ads(r *http.Request, m []string, body []byte, id string) (any, error) {
	version, err := strconv.Atoi(m[1])
	if err != nil || version < oldestAds || version > newestAds {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "The version v%s of the API is not served.", m[1])
	}
	switch token := r.Header.Get("developer-token"); {
	case token == "":
		return nil, adsFailure(http.StatusBadRequest, "INVALID_ARGUMENT", "requestError", "DEVELOPER_TOKEN_PARAMETER_MISSING", "Developer token parameter was missing in the request.", id)
	case token != a.opt.DeveloperToken:
		return nil, adsFailure(http.StatusUnauthorized, "UNAUTHENTICATED", "authenticationError", "DEVELOPER_TOKEN_INVALID", "The developer token is not valid.", id)
	}
	var out any
	if m[4] == "mutate" {
		customer := ""
		a.db.View(func(s *store.State) { customer = s.Ads.Customer })
		if m[3] != customer {
			return nil, adsFailure(http.StatusForbidden, "PERMISSION_DENIED", "authorizationError", "USER_PERMISSION_DENIED", "User doesn't have permission to access customer. Note: If you're accessing a client customer, the manager's customer id must be set in the 'login-customer-id' header.", id)
		}
		return a.mutate(r, body, id)
	}
	a.db.View(func(s *store.State) {
		if m[2] == ":listAccessibleCustomers" {
			out = map[string]any{"resourceNames": []string{"customers/" + s.Ads.Customer}}
			return
		}
		if m[3] != s.Ads.Customer {
			err = adsFailure(http.StatusForbidden, "PERMISSION_DENIED", "authorizationError", "USER_PERMISSION_DENIED", "User doesn't have permission to access customer. Note: If you're accessing a client customer, the manager's customer id must be set in the 'login-customer-id' header.", id)
			return
		}
		out, err = adsQuery(s, m[4] == "searchStream", body, id)
	})
	return out, err
}

func adsQuery(s *store.State, stream bool, body []byte, id string) (any, error) {
	var in struct {
		Query     string `json:"query"`
		PageToken string `json:"pageToken"`
		PageSize  *int   `json:"pageSize"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid JSON payload received. %v", err)
	}
	if in.PageSize != nil {
		return nil, adsFailure(http.StatusBadRequest, "INVALID_ARGUMENT", "requestError", "PAGE_SIZE_NOT_SUPPORTED", "Setting the page size is not supported. Search responses use a fixed page size of 10,000 rows.", id)
	}
	q, bad := parseGAQL(in.Query)
	if bad != nil {
		return nil, adsFailure(http.StatusBadRequest, "INVALID_ARGUMENT", "queryError", bad.code, bad.message, id)
	}
	rows, bad := q.run(s)
	if bad != nil {
		return nil, adsFailure(http.StatusBadRequest, "INVALID_ARGUMENT", "queryError", bad.code, bad.message, id)
	}
	mask := make([]string, len(q.fields))
	for i, f := range q.fields {
		mask[i] = camelPath(f)
	}
	fieldMask := strings.Join(mask, ",")
	if !stream {
		offset, _ := strconv.Atoi(strings.TrimPrefix(in.PageToken, "page-"))
		end := min(offset+adsPage, len(rows))
		out := map[string]any{"results": rows[min(offset, len(rows)):end], "fieldMask": fieldMask, "totalResultsCount": strconv.Itoa(len(rows)), "queryResourceConsumption": "1"}
		if end < len(rows) {
			out["nextPageToken"] = "page-" + strconv.Itoa(end)
		}
		return out, nil
	}
	if len(rows) == 0 {
		return []any{map[string]any{"fieldMask": fieldMask, "requestId": id, "queryResourceConsumption": "1"}}, nil
	}
	batches := []any{}
	for chunk := range slices.Chunk(rows, adsChunk) {
		batches = append(batches, map[string]any{"results": chunk, "fieldMask": fieldMask, "requestId": id, "queryResourceConsumption": "1"})
	}
	return batches, nil
}

// adsRow is what one row of a report is made from: an entity, a day when the query asks for one, and sums.
type adsRow struct {
	camp, group int
	day         time.Time
	sum         store.AdDay
}

// number is a metric's value for comparing and ordering; ok says whether the field is a metric.
func (r adsRow) number(field string) (float64, bool) {
	switch field {
	case "metrics.impressions":
		return float64(r.sum.Impressions), true
	case "metrics.clicks":
		return float64(r.sum.Clicks), true
	case "metrics.cost_micros":
		return float64(r.sum.CostMicros), true
	case "metrics.conversions":
		return float64(r.sum.Conversions), true
	case "metrics.conversions_value":
		return float64(r.sum.ValueMicros) / 1e6, true
	case "metrics.ctr":
		return ratio(r.sum.Clicks, r.sum.Impressions), true
	case "metrics.average_cpc":
		return ratio(r.sum.CostMicros, r.sum.Clicks), true
	}
	return 0, false
}

func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// value is a field as the API sends it, and its type for comparing.
func (r adsRow) value(s *store.State, field string) any {
	c := s.Ads.Campaigns[r.camp]
	cust := "customers/" + s.Ads.Customer
	if n, ok := r.number(field); ok {
		switch field {
		case "metrics.impressions", "metrics.clicks", "metrics.cost_micros":
			return strconv.FormatInt(int64(n), 10)
		}
		return n
	}
	switch field {
	case "customer.id":
		return s.Ads.Customer
	case "customer.resource_name":
		return cust
	case "customer.descriptive_name":
		return "Millstone"
	case "customer.currency_code":
		return s.Ads.Currency
	case "customer.time_zone":
		return s.Ads.TimeZone
	case "campaign.id":
		return strconv.FormatInt(c.ID, 10)
	case "campaign.name":
		return c.Name
	case "campaign.status":
		return c.Status
	case "campaign.advertising_channel_type":
		return c.Channel
	case "campaign.resource_name", "ad_group.campaign":
		return cust + "/campaigns/" + strconv.FormatInt(c.ID, 10)
	case "campaign.campaign_budget", "campaign_budget.resource_name":
		return cust + "/campaignBudgets/" + strconv.FormatInt(c.ID+budgetOffset, 10)
	case "campaign.tracking_url_template":
		return "{lpurl}?utm_source=google&utm_medium=cpc&utm_campaign=" + c.UTM
	case "campaign.final_url_suffix":
		return "utm_source=google&utm_medium=cpc&utm_campaign=" + c.UTM
	case "campaign_budget.explicitly_shared":
		return false
	case "campaign_budget.amount_micros":
		return strconv.FormatInt(c.Budget, 10)
	case "campaign_budget.id":
		return strconv.FormatInt(c.ID+budgetOffset, 10)
	case "segments.date":
		return r.day.Format(time.DateOnly)
	case "segments.month":
		return r.day.Format("2006-01") + "-01"
	}
	g := c.Groups[r.group]
	switch field {
	case "ad_group.id":
		return strconv.FormatInt(g.ID, 10)
	case "ad_group.name":
		return g.Name
	case "ad_group.status":
		return "ENABLED"
	case "ad_group.resource_name":
		return cust + "/adGroups/" + strconv.FormatInt(g.ID, 10)
	}
	return nil
}

// fieldsOf are the selectable fields by resource.
var fieldsOf = map[string][]string{
	"customer": {"customer.id", "customer.resource_name", "customer.descriptive_name", "customer.currency_code", "customer.time_zone"},
	"campaign": {"campaign.id", "campaign.name", "campaign.status", "campaign.advertising_channel_type", "campaign.resource_name", "campaign.campaign_budget",
		"campaign.tracking_url_template", "campaign.final_url_suffix", "campaign_budget.amount_micros", "campaign_budget.explicitly_shared", "campaign_budget.id", "campaign_budget.resource_name"},
	"ad_group": {"ad_group.id", "ad_group.name", "ad_group.status", "ad_group.resource_name", "ad_group.campaign"},
	"metrics": {"metrics.impressions", "metrics.clicks", "metrics.cost_micros", "metrics.conversions", "metrics.conversions_value", "metrics.ctr",
		"metrics.average_cpc", "segments.date", "segments.month"},
}

// selectable says whether a query on a resource may name a field.
func selectable(resource, field string) bool {
	sets := map[string][]string{"customer": {"customer", "metrics"}, "campaign": {"customer", "campaign", "metrics"}, "ad_group": {"customer", "campaign", "ad_group", "metrics"}}[resource]
	for _, s := range sets {
		if slices.Contains(fieldsOf[s], field) {
			return true
		}
	}
	return false
}

// run answers a query: entities without numbers, or sums by entity and, when asked for, by day.
func (q *gaql) run(s *store.State) ([]any, *queryError) {
	metrics := slices.ContainsFunc(append(slices.Clone(q.fields), q.whereFields()...), func(f string) bool {
		return strings.HasPrefix(f, "metrics.") || strings.HasPrefix(f, "segments.")
	})
	byDay, byMonth := slices.Contains(q.fields, "segments.date"), slices.Contains(q.fields, "segments.month")
	type key struct {
		camp, group int
		day         time.Time
	}
	sums := map[key]*adsRow{}
	var order []key
	add := func(camp, group int, day time.Time, d *store.AdDay) {
		k := key{camp: camp, group: group}
		switch q.resource {
		case "customer":
			k.camp, k.group = 0, 0
		case "campaign":
			k.group = 0
		}
		if byDay {
			k.day = day
		} else if byMonth {
			k.day = time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
		}
		r := sums[k]
		if r == nil {
			r = &adsRow{camp: k.camp, group: k.group, day: k.day}
			sums[k] = r
			order = append(order, k)
		}
		if d != nil {
			r.sum.Impressions += d.Impressions
			r.sum.Clicks += d.Clicks
			r.sum.CostMicros += d.CostMicros
			r.sum.Conversions += d.Conversions
			r.sum.ValueMicros += d.ValueMicros
		}
	}
	if !metrics {
		for i, c := range s.Ads.Campaigns {
			for g := range c.Groups {
				if c.Platform == "google" {
					add(i, g, time.Time{}, nil)
				}
			}
		}
	} else {
		for _, d := range s.Ads.Days {
			if s.Ads.Campaigns[d.Campaign].Platform != "google" || !q.inDates(d.Day, s.Date) {
				continue
			}
			d = d.At(s.Date)
			if d.Impressions > 0 { // what had no impressions has no row
				add(d.Campaign, d.Group, d.Day, &d)
			}
		}
	}
	var rows []adsRow
	for _, k := range order {
		r := *sums[k]
		ok, bad := q.holds(s, r)
		if bad != nil {
			return nil, bad
		}
		if ok {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(x, y adsRow) int { return q.compare(s, x, y) })
	if q.limit > 0 && len(rows) > q.limit {
		rows = rows[:q.limit]
	}
	out := make([]any, len(rows))
	for i, r := range rows {
		out[i] = q.render(s, r)
	}
	return out, nil
}

func (q *gaql) compare(s *store.State, x, y adsRow) int {
	for _, o := range q.order {
		n := 0
		if a, ok := x.number(o.field); ok {
			b, _ := y.number(o.field)
			n = cmp.Compare(a, b)
		} else {
			a, _ := x.value(s, o.field).(string)
			b, _ := y.value(s, o.field).(string)
			n = cmp.Compare(a, b)
		}
		if o.desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return cmp.Or(x.day.Compare(y.day), cmp.Compare(x.camp, y.camp), cmp.Compare(x.group, y.group))
}

// render writes a row as nested camelCase objects; each entity carries its resource name.
func (q *gaql) render(s *store.State, r adsRow) map[string]any {
	out := map[string]any{}
	put := func(field string) {
		head, tail, _ := strings.Cut(field, ".")
		m, _ := out[camel(head)].(map[string]any)
		if m == nil {
			m = map[string]any{}
			out[camel(head)] = m
		}
		m[camel(tail)] = r.value(s, field)
	}
	for _, f := range q.fields {
		put(f)
		if head, _, _ := strings.Cut(f, "."); head != "metrics" && head != "segments" {
			put(head + ".resource_name")
		}
	}
	put(q.resource + ".resource_name")
	return out
}

func camelPath(f string) string {
	head, tail, _ := strings.Cut(f, ".")
	return camel(head) + "." + camel(tail)
}

func camel(s string) string {
	parts := strings.Split(s, "_")
	for i := 1; i < len(parts); i++ {
		parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
	}
	return strings.Join(parts, "")
}
