package twin_test

import (
	"encoding/json"
	"testing"

	"millrace/internal/twin"
	"millrace/internal/twin/spectest"
)

func TestSpecGA4(t *testing.T) {
	p := spectest.OpenProtos(t, spectest.Dir(t, "ga4", "proto", "google", "analytics", "data", "v1beta"))
	r := tiny(t, twin.Options{})
	path := "/v1beta/properties/" + twin.DefaultCredentials().GA4Property
	ask := map[string]any{
		"dimensions": []any{map[string]any{"name": "date"}, map[string]any{"name": "sessionCampaignName"}}, "limit": "20", "returnPropertyQuota": true,
		"metrics":    []any{map[string]any{"name": "sessions"}, map[string]any{"name": "engagementRate"}, map[string]any{"name": "advertiserAdCost"}},
		"dateRanges": []any{map[string]any{"startDate": "30daysAgo", "endDate": "yesterday"}},
		"orderBys":   []any{map[string]any{"dimension": map[string]any{"dimensionName": "date"}, "desc": true}},
		"dimensionFilter": map[string]any{"notExpression": map[string]any{"filter": map[string]any{
			"fieldName": "sessionCampaignName", "stringFilter": map[string]any{"matchType": "EXACT", "value": "brand-search"},
		}}},
	}
	p.Valid(t, "request", "google.analytics.data.v1beta.RunReportRequest", ask)
	code, v := r.google("POST", path+":runReport", ask)
	if code != 200 || len(rows(v, "rows")) != 20 {
		t.Fatalf("%d %v", code, v)
	}
	p.Valid(t, "runReport", "google.analytics.data.v1beta.RunReportResponse", v)
	_, v = r.google("POST", path+":batchRunReports", map[string]any{"requests": []any{ask, ask}})
	p.Valid(t, "batchRunReports", "google.analytics.data.v1beta.BatchRunReportsResponse", v)
	_, v = r.google("GET", path+"/metadata", nil)
	p.Valid(t, "metadata", "google.analytics.data.v1beta.Metadata", v)
}

func TestSpecGoogleAds(t *testing.T) {
	p := spectest.OpenProtos(t, spectest.Dir(t, "google-ads", "proto", "google", "ads", "googleads"))
	r := tiny(t, twin.Options{})
	c := twin.DefaultCredentials()
	base := "/v25/customers/" + c.GoogleAdsCustomer + "/googleAds"
	header := []string{"Authorization", "Bearer " + r.googleToken(), "developer-token", c.GoogleDeveloperToken}
	query := "SELECT customer.id, customer.currency_code, campaign.id, campaign.name, campaign.status, campaign.advertising_channel_type, campaign_budget.amount_micros, " +
		"ad_group.id, ad_group.name, ad_group.status, segments.date, metrics.clicks, metrics.impressions, metrics.cost_micros, metrics.conversions, metrics.conversions_value, metrics.ctr, metrics.average_cpc " +
		"FROM ad_group WHERE segments.date DURING LAST_30_DAYS ORDER BY metrics.cost_micros DESC LIMIT 50"
	code, raw, _ := r.raw("POST", base+":searchStream", map[string]string{"query": query}, header...)
	var batches []map[string]any
	if err := json.Unmarshal(raw, &batches); err != nil || code != 200 || len(rows(batches[0], "results")) != 50 {
		t.Fatalf("%d %v %s", code, err, raw)
	}
	for _, b := range batches {
		p.Valid(t, "searchStream", "google.ads.googleads.v25.services.SearchGoogleAdsStreamResponse", b)
	}
	code, v, _ := r.do("POST", base+":search", map[string]string{"query": query}, header...)
	if code != 200 {
		t.Fatalf("%d %v", code, v)
	}
	p.Valid(t, "search", "google.ads.googleads.v25.services.SearchGoogleAdsResponse", v)
	_, v, _ = r.do("POST", base+":search", map[string]string{"query": "SELECT campaign.colour FROM campaign"}, header...)
	detail := v["error"].(map[string]any)["details"].([]any)[0].(map[string]any)
	if want := "type.googleapis.com/google.ads.googleads.v25.errors.GoogleAdsFailure"; detail["@type"] != want {
		t.Errorf("details of type %v", detail["@type"])
	}
	delete(detail, "@type")
	p.Valid(t, "failure", "google.ads.googleads.v25.errors.GoogleAdsFailure", detail)
}

func TestSpecDataManager(t *testing.T) {
	p := spectest.OpenProtos(t, spectest.Dir(t, "google-ads", "proto", "google", "ads", "datamanager"))
	const pkg = "google.ads.datamanager.v1."
	r := tiny(t, twin.Options{})
	c := twin.DefaultCredentials()
	dest := []any{map[string]any{"operatingAccount": map[string]any{"accountId": c.GoogleAdsCustomer, "accountType": "GOOGLE_ADS"}, "productDestinationId": c.AudienceList}}
	member := func(consent string) any {
		return map[string]any{
			"userData": map[string]any{"userIdentifiers": []any{map[string]any{"emailAddress": hashed("jane.doe@example.com")}}},
			"consent":  map[string]any{"adUserData": consent, "adPersonalization": consent},
		}
	}
	ask := map[string]any{
		"destinations": dest, "audienceMembers": []any{member("CONSENT_GRANTED"), member("CONSENT_DENIED")}, "encoding": "HEX",
		"termsOfService": map[string]any{"customerMatchTermsOfServiceStatus": "ACCEPTED"},
	}
	p.Valid(t, "request", pkg+"IngestAudienceMembersRequest", ask)
	code, v := r.google("POST", "/v1/audienceMembers:ingest", ask)
	if code != 200 {
		t.Fatalf("%d %v", code, v)
	}
	p.Valid(t, "ingest", pkg+"IngestAudienceMembersResponse", v)
	for range 3 {
		_, s := r.google("GET", "/v1/requestStatus:retrieve?requestId="+v["requestId"].(string), nil)
		p.Valid(t, "status", pkg+"RetrieveRequestStatusResponse", s)
	}
	rem := map[string]any{"destinations": dest, "audienceMembers": []any{member("CONSENT_GRANTED")}, "encoding": "HEX"}
	p.Valid(t, "request", pkg+"RemoveAudienceMembersRequest", rem)
	_, v = r.google("POST", "/v1/audienceMembers:remove", rem)
	p.Valid(t, "remove", pkg+"RemoveAudienceMembersResponse", v)
	_, s := r.google("GET", "/v1/requestStatus:retrieve?requestId="+v["requestId"].(string), nil)
	p.Valid(t, "removal status", pkg+"RetrieveRequestStatusResponse", s)
}
