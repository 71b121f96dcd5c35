package twin_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"millrace/internal/twin"
)

// step is one call to a vendor and what its answer must hold.
type step struct {
	name, method, path, body string
	status                   int
	want                     []string
}

// vendor is a client of one simulated vendor.
type vendor struct {
	t      *testing.T
	base   string
	header http.Header
}

func (v vendor) call(method, path, body string) (int, string, http.Header) {
	v.t.Helper()
	req, err := http.NewRequest(method, v.base+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header = v.header.Clone()
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func (v vendor) play(steps []step) {
	v.t.Helper()
	for _, s := range steps {
		code, body, _ := v.call(s.method, s.path, s.body)
		if code != s.status {
			v.t.Errorf("%s: status %d, want %d: %.300s", s.name, code, s.status, body)
		}
		for _, w := range s.want {
			if !strings.Contains(body, w) {
				v.t.Errorf("%s: %.400s\nhas no %s", s.name, body, w)
			}
		}
	}
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// The vendors that are written to answer in the ways that make writing hard, and what they hold outlives the process.
func TestVendorsThatAreWrittenTo(t *testing.T) {
	dir := t.TempDir()
	tw, err := twin.Open(dir, twin.Options{Size: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tw.Handler())
	c := twin.DefaultCredentials()

	// Salesforce: a token without an end, mixed outcomes in order, refusals of a whole call, a job whose results are not in order.
	sf := vendor{t, srv.URL, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	_, body, _ := sf.call("POST", "/services/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {c.SalesforceClientID}, "client_secret": {c.SalesforceClientSecret}}.Encode())
	var tok struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &tok); err != nil || tok.Token == "" || strings.Contains(body, "expires_in") {
		t.Fatal(body, err)
	}
	sf.header = http.Header{"Authorization": {"Bearer " + tok.Token}}
	const data = "/services/data/v66.0"
	upsert := `{"allOrNone":false,"records":[{"attributes":{"type":"Contact"},"Millrace_Id__c":"a","LastName":"A"},{"attributes":{"type":"Contact"},"Millrace_Id__c":"b","LastName":"B","Email":"bad"},{"attributes":{"type":"Contact"},"Millrace_Id__c":"A","LastName":"again"}]}`
	sf.play([]step{
		{"versions", "GET", "/services/data", "", 200, []string{`"66.0"`}},
		{"describe", "GET", data + "/sobjects/Contact/describe", "", 200, []string{`"externalId":true`, `"name":"Lead_Score__c"`}},
		{"mixed", "PATCH", data + "/composite/sobjects/Contact/Millrace_Id__c", upsert, 200, []string{`"success":true`, `"created":true`, "INVALID_EMAIL_ADDRESS", "Duplicate external id"}},
		{"no such column", "PATCH", data + "/composite/sobjects/Contact/Millrace_Id__c", `{"records":[{"attributes":{"type":"Contact"},"Millrace_Id__c":"a","Nope":1}]}`, 400, []string{"INVALID_FIELD"}},
		{"no such key", "PATCH", data + "/composite/sobjects/Contact/Email", upsert, 404, []string{"Provided external ID field"}},
		{"query", "GET", data + "/query?q=" + url.QueryEscape("SELECT Id, LastName FROM Contact WHERE Millrace_Id__c IN ('a','it''s') ORDER BY Id LIMIT 3"), "", 200, []string{`"totalSize":1`, `"LastName":"A"`, `"done":true`}},
		{"malformed query", "GET", data + "/query?q=SELEKT", "", 400, []string{"MALFORMED_QUERY"}},
		{"an old version", "GET", "/services/data/v20.0/limits", "", 400, []string{"UNSUPPORTED_API_VERSION"}},
	})
	_, body, h := sf.call("POST", data+"/jobs/ingest", `{"object":"Contact","operation":"upsert","externalIdFieldName":"Millrace_Id__c","lineEnding":"LF","contentType":"CSV"}`)
	if !strings.HasPrefix(h.Get("Sforce-Limit-Info"), "api-usage=") {
		t.Error("no usage is told")
	}
	var job struct{ ID, State string }
	if err := json.Unmarshal([]byte(body), &job); err != nil {
		t.Fatal(err)
	}
	path := data + "/jobs/ingest/" + job.ID
	csv := sf
	csv.header = sf.header.Clone()
	csv.header.Set("Content-Type", "text/csv")
	csv.play([]step{{"upload", "PUT", path + "/batches", "Millrace_Id__c,LastName,Title\nc,C,x\nd,,\na,#N/A,#N/A\ne,E,\n", 201, nil}, {"twice", "PUT", path + "/batches", "x", 400, []string{"INVALIDJOBSTATE"}}})
	sf.play([]step{
		{"results before the end", "GET", path + "/successfulResults", "", 412, nil},
		{"close", "PATCH", path, `{"state":"UploadComplete"}`, 200, []string{`"UploadComplete"`}},
		{"slow", "GET", path, "", 200, []string{`"InProgress"`}}, {"slow", "GET", path, "", 200, []string{`"InProgress"`}}, {"done", "GET", path, "", 200, []string{`"JobComplete"`, `"numberRecordsFailed":2`}},
		{"successes, turned round", "GET", path + "/successfulResults", "", 200, []string{"\"true\",\"e\",\"E\",\"\"\n\"003"}},
		{"failures", "GET", path + "/failedResults", "", 200, []string{"REQUIRED_FIELD_MISSING"}},
	})

	// Meta: counts and samples, events all or none, errors that are 400 whatever they mean.
	mac := hmac.New(sha256.New, []byte(c.MetaAppSecret))
	mac.Write([]byte(c.MetaToken))
	proof := "?appsecret_proof=" + hex.EncodeToString(mac.Sum(nil))
	meta := vendor{t, srv.URL, http.Header{"Authorization": {"Bearer " + c.MetaToken}}}
	event := func(day string) string {
		at := map[string]string{"new": "1772355600", "old": "1770000000"}[day]
		return `{"event_name":"Lead","event_time":` + at + `,"event_id":"` + day + `","action_source":"website","user_data":{"em":["` + hashOf("a@b.example") + `"]}}`
	}
	meta.play([]step{
		{"without a proof", "GET", "/v25.0/" + c.MetaAudience, "", 400, []string{"appsecret_proof"}},
		{"an old version", "GET", "/v19.0/" + c.MetaAudience + proof, "", 400, []string{`"code":2635`}},
		{"people", "POST", "/v25.0/" + c.MetaAudience + "/users" + proof, `{"payload":{"schema":["EMAIL"],"data":[["` + hashOf("a@b.example") + `"],["plain"],["` + hashOf("") + `"]]},"session":{"session_id":7}}`, 200, []string{`"num_received":3`, `"num_invalid_entries":2`, "Hash of an empty value"}},
		{"session", "GET", "/v25.0/" + c.MetaAudience + "/sessions" + proof + "&session_id=7", "", 200, []string{`"stage":"preprocessing"`}},
		{"session, later", "GET", "/v25.0/" + c.MetaAudience + "/sessions" + proof + "&session_id=7", "", 200, []string{`"stage":"completed"`, `"num_invalid_entries":"2"`}},
		{"one old event", "POST", "/v25.0/" + c.MetaDataset + "/events" + proof, `{"data":[` + event("new") + `,` + event("old") + `]}`, 400, []string{"too far in the past"}},
		{"events", "POST", "/v25.0/" + c.MetaDataset + "/events" + proof, `{"data":[` + event("new") + `]}`, 200, []string{`"events_received":1`}},
		{"budget in cents", "POST", "/v25.0/120200000000000001" + proof, `{"daily_budget":9995}`, 200, []string{`"success":true`}},
		{"too small", "POST", "/v25.0/120200000000000001" + proof, `{"daily_budget":5}`, 400, []string{"budget is too low"}},
	})

	// LinkedIn: versions end, elements have statuses of their own, a refusal names its index.
	li := vendor{t, srv.URL, http.Header{"Authorization": {"Bearer " + c.LinkedInToken}, "Linkedin-Version": {"202510"}, "X-Restli-Protocol-Version": {"2.0.0"}, "X-Restli-Method": {"BATCH_CREATE"}}}
	li.play([]step{{"an old version", "GET", "/rest/dmpSegments/" + c.LinkedInUsers, "", 426, []string{"is not active"}}})
	li.header.Set("LinkedIn-Version", "202608")
	conversion := func(at string) string {
		return `{"conversion":"urn:lla:llaPartnerConversion:` + c.LinkedInRule + `","conversionHappenedAt":` + at + `,"user":{"userIds":[{"idType":"SHA256_EMAIL","idValue":"` + hashOf("a@b.example") + `"}]},"eventId":"e` + at + `"}`
	}
	li.play([]step{
		{"elements", "POST", "/rest/dmpSegments/" + c.LinkedInUsers + "/users", `{"elements":[{"action":"ADD","userIds":[{"idType":"SHA256_EMAIL","idValue":"` + hashOf("a@b.example") + `"}]},{"action":"ADD","userIds":[{"idType":"SHA256_EMAIL","idValue":"plain"}]}]}`, 200, []string{`{"elements":[{"status":201},{"status":400`}},
		{"conversions", "POST", "/rest/conversionEvents", `{"elements":[` + conversion("1772355600000") + `,` + conversion("1") + `]}`, 422, []string{"Index: 1, ERROR ::"}},
	})

	// Google: operations stand alone, money in micros; a conversion counts once.
	g := vendor{t, srv.URL, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	_, body, _ = g.call("POST", "/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {c.GoogleClientID}, "client_secret": {c.GoogleClientSecret}, "refresh_token": {c.GoogleRefreshToken}}.Encode())
	if err := json.Unmarshal([]byte(body), &tok); err != nil {
		t.Fatal(err)
	}
	g.header = http.Header{"Authorization": {"Bearer " + tok.Token}, "Developer-Token": {c.GoogleDeveloperToken}}
	mutate := func(amount, more string) string {
		return `{"mutateOperations":[{"campaignOperation":{"updateMask":"status","update":{"resourceName":"customers/4815162342/campaigns/21000000001","status":"PAUSED"}}},
			{"campaignBudgetOperation":{"updateMask":"amountMicros","update":{"resourceName":"customers/4815162342/campaignBudgets/21000000901","amountMicros":"` + amount + `"}}}]` + more + `}`
	}
	told := `{"destinations":[{"operatingAccount":{"accountId":"4815162342","accountType":"GOOGLE_ADS"},"productDestinationId":"` + c.GoogleConversion + `"}],"events":[{"transactionId":"t1","eventTimestamp":"2026-03-01T10:00:00Z","adIdentifiers":{"gclid":"x"},"eventSource":"WEB"}],"consent":{"adUserData":"CONSENT_GRANTED","adPersonalization":"CONSENT_GRANTED"},"encoding":"HEX"}`
	g.play([]step{
		{"all or none", "POST", "/v25/customers/4815162342/googleAds:mutate", mutate("12345", ""), 400, []string{"NON_MULTIPLE_OF_MINIMUM_CURRENCY_UNIT"}},
		{"only looking", "POST", "/v25/customers/4815162342/googleAds:mutate", mutate("50000000", `,"validateOnly":true`), 200, []string{"{}"}},
		{"partial", "POST", "/v25/customers/4815162342/googleAds:mutate", mutate("12345", `,"partialFailure":true`), 200, []string{`"campaignResult"`, `"partialFailureError"`, `"index":1`}},
		{"told", "POST", "/v1/events:ingest", told, 200, []string{`"requestId":"twin-events-`}},
		{"told again", "POST", "/v1/events:ingest", told, 200, []string{`"requestId"`}},
	})
	paused := 0
	for _, w := range tw.Writes() {
		if w.Object == "google.campaign" && len(w.Changed) > 0 {
			paused++
		}
		if w.Object == "google.campaign_budget" {
			t.Errorf("a refused budget was written: %+v", w)
		}
	}
	if paused != 1 {
		t.Errorf("%d campaigns were paused, want 1", paused)
	}

	before := tw.Digest(true)
	srv.Close()
	tw.Close()
	again, err := twin.Open(dir, twin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Digest(true) != before {
		t.Error("what the vendors hold is not what they held before the end of the process")
	}
}
