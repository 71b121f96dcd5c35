package twin_test

import (
	"fmt"
	"math/big"
	"testing"

	"millrace/internal/twin"
	"millrace/internal/twin/market"
	"millrace/internal/twin/store"
)

func TestControls(t *testing.T) {
	r := tiny(t, twin.Options{})
	_, made, _ := r.do("GET", "/_twin/state", nil)
	r.do("POST", "/crm/v3/objects/contacts", map[string]any{"properties": map[string]any{"email": "a@north.example", "firstname": "Ann"}})
	r.do("PATCH", "/crm/v3/objects/contacts/900000001", map[string]any{"properties": map[string]any{"firstname": "Ann", "lastname": "North"}})
	_, v, _ := r.do("GET", "/_twin/writes?after=1", nil)
	w := rows(v, "writes")
	if len(w) != 1 || w[0]["vendor"] != "hubspot" || w[0]["object"] != "contacts" || w[0]["key"] != "900000001" || w[0]["op"] != "update" || fmt.Sprint(w[0]["changed"]) != "[lastname]" {
		t.Errorf("writes: %v", w)
	}
	for _, body := range []string{`{"days":1}`, `{"date":"2026-03-05"}`} {
		if code, v, _ := r.do("POST", "/_twin/advance", body); code != 200 {
			t.Errorf("advance: %d %v", code, v)
		}
	}
	_, now, _ := r.do("GET", "/_twin/state", nil)
	if now["date"] != "2026-03-05" || now["digest"] == made["digest"] || now["writes"] != 2.0 {
		t.Errorf("state: %v", now)
	}
	// Going back is not possible and changes nothing.
	if r.do("POST", "/_twin/advance", `{"date":"2026-03-01"}`); r.tw.Status().Digest != now["digest"] {
		t.Error("the date went back")
	}
	r.do("POST", "/_twin/reset", nil)
	if _, again, _ := r.do("GET", "/_twin/state", nil); again["digest"] != made["digest"] || again["writes"] != 0.0 || again["date"] != "2026-03-02" {
		t.Errorf("after the reset: %v", again)
	}
	for _, bad := range []string{"POST /_twin/advance", "GET /_twin/nothing", "GET /nothing"} {
		var method, path string
		fmt.Sscan(bad, &method, &path)
		if code, v, _ := r.do(method, path, "{"); code < 400 || v["error"] == "" {
			t.Errorf("%s: %d %v", bad, code, v)
		}
	}
}

// TestOnlyContentIsInTheDigest: the same content by another way and at another time is the same market.
func TestOnlyContentIsInTheDigest(t *testing.T) {
	once, often := tiny(t, twin.Options{}), tiny(t, twin.Options{})
	write := func(r *rig, name string) {
		r.do("PATCH", "/crm/v3/objects/contacts/1000001", map[string]any{"properties": map[string]any{"lastname": name}})
	}
	write(once, "North")
	for _, name := range []string{"South", "East", "North", "North"} {
		write(often, name)
	}
	if once.digest(false) != often.digest(false) {
		t.Error("the same content has two digests")
	}
	if once.digest(true) == often.digest(true) {
		t.Error("the full digest does not tell the two apart")
	}
	write(often, "West")
	if once.digest(false) == often.digest(false) {
		t.Error("other content has the same digest")
	}
}

// TestAnalyticsAgreesWithTheAdAccount: what Google Ads charged is what the linked property shows, and the property adds
// the imported cost of the other platform.
func TestAnalyticsAgreesWithTheAdAccount(t *testing.T) {
	r := tiny(t, twin.Options{})
	_, v := r.google("POST", "/v1beta/properties/424242424:runReport", map[string]any{
		"dimensions": []any{map[string]any{"name": "sessionSource"}}, "metrics": []any{map[string]any{"name": "advertiserAdCost"}},
		"dateRanges": []any{map[string]any{"startDate": "120daysAgo", "endDate": "yesterday"}},
	})
	cost := map[string]*big.Rat{}
	for _, row := range rows(v, "rows") {
		n, ok := new(big.Rat).SetString(rows(row, "metricValues")[0]["value"].(string))
		if !ok {
			t.Fatal(row)
		}
		cost[rows(row, "dimensionValues")[0]["value"].(string)] = n
	}
	want := map[string]int64{}
	r.tw.View(func(s *store.State) {
		for _, d := range s.Ads.Days {
			want[s.Ads.Campaigns[d.Campaign].Source] += d.At(s.Date).CostMicros
		}
	})
	for _, source := range []string{"google", "linkedin"} {
		if n := new(big.Rat).SetFrac64(want[source], 1_000_000); want[source] == 0 || cost[source] == nil || cost[source].Cmp(n) != 0 {
			t.Errorf("%s: the property shows %v, the account was charged %v", source, cost[source], n)
		}
	}
}

// TestTheMarketAnswersARoutedLead goes the whole way: a score and next step are written, the day passes, sales answered.
func TestTheMarketAnswersARoutedLead(t *testing.T) {
	r := tiny(t, twin.Options{Size: "small"})
	r.do("POST", "/crm/v3/properties/contacts", map[string]any{"name": "millrace_next_step", "label": "Next step", "type": "string", "fieldType": "text", "groupName": "contactinformation"})
	_, v, _ := r.do("POST", "/crm/v3/objects/contacts/search", map[string]any{
		"filterGroups": []any{map[string]any{"filters": []any{map[string]any{"propertyName": "hs_lead_status", "operator": "EQ", "value": "NEW"}, map[string]any{"propertyName": "recent_conversion_date", "operator": "GTE", "value": "2026-03-01"}}}}, "limit": 50,
	})
	var inputs []any
	for _, c := range rows(v, "results") {
		inputs = append(inputs, map[string]any{"id": c["id"], "properties": map[string]any{"millrace_next_step": "sales: call today"}})
	}
	if len(inputs) == 0 {
		t.Fatal("no new leads")
	}
	if code, v, _ := r.do("POST", "/crm/v3/objects/contacts/batch/update", map[string]any{"inputs": inputs}); code != 200 {
		t.Fatalf("%d %v", code, v)
	}
	if err := r.tw.AdvanceTo(r.tw.Date().AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	r.tw.View(func(s *store.State) {
		truth := market.Of(s).Truth
		fast := 0
		for _, a := range truth.Answers {
			if a.By == "millrace" && a.Hours <= 4 {
				fast++
				at := s.CRM.Table("contacts").Get(a.Contact).Props["hs_sa_first_engagement_date"]
				if at < "2026-03-02" || at >= "2026-03-03" {
					t.Errorf("contact %d was answered at %s", a.Contact, at)
				}
			}
		}
		if fast == 0 || len(truth.Reactions) == 0 {
			t.Errorf("%d of %d routed leads were answered fast", fast, len(inputs))
		}
	})
}
