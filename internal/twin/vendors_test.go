package twin_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"millrace/internal/twin"
)

const form = "application/x-www-form-urlencoded"

func (r *rig) stripe(method, path string, body string, header ...string) (int, map[string]any) {
	r.t.Helper()
	code, v, _ := r.do(method, path, body, append([]string{"Authorization", "Bearer " + twin.DefaultCredentials().StripeKey, "Content-Type", form}, header...)...)
	return code, v
}

func (r *rig) googleToken() string {
	r.t.Helper()
	c := twin.DefaultCredentials()
	code, v, _ := r.do("POST", "/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {c.GoogleClientID}, "client_secret": {c.GoogleClientSecret}, "refresh_token": {c.GoogleRefreshToken},
	}.Encode(), "Content-Type", form)
	if code != 200 {
		r.t.Fatalf("token: %d %v", code, v)
	}
	return v["access_token"].(string)
}

func (r *rig) google(method, path string, body any, header ...string) (int, map[string]any) {
	r.t.Helper()
	code, v, _ := r.do(method, path, body, append([]string{"Authorization", "Bearer " + r.googleToken()}, header...)...)
	return code, v
}

func (r *rig) slack(method string, args url.Values, header ...string) map[string]any {
	r.t.Helper()
	_, v, _ := r.do("POST", "/api/"+method, args.Encode(), append([]string{"Authorization", "Bearer " + twin.DefaultCredentials().SlackToken, "Content-Type", form}, header...)...)
	return v
}

func TestStripeListsNewestFirstAndComplete(t *testing.T) {
	r := tiny(t, twin.Options{Size: "small"})
	for kind, want := range map[string]int64{
		"customers": r.tw.Status().Objects["stripe.customers"], "invoices": r.tw.Status().Objects["stripe.invoices"], "charges": r.tw.Status().Objects["stripe.charges"],
		"refunds": r.tw.Status().Objects["stripe.refunds"], "subscriptions?status=all": r.tw.Status().Objects["stripe.subscriptions"],
	} {
		path := "/v1/" + kind + map[bool]string{true: "&", false: "?"}[strings.Contains(kind, "?")] + "limit=17"
		seen, last, after := map[string]bool{}, 1e18, ""
		for more := true; more; {
			code, v := r.stripe("GET", path+after, "")
			if code != 200 {
				t.Fatalf("%s: %d %v", kind, code, v)
			}
			for _, row := range rows(v, "data") {
				if at := row["created"].(float64); at > last || seen[row["id"].(string)] {
					t.Fatalf("%s: %s out of order or twice", kind, row["id"])
				} else {
					last = at
				}
				seen[row["id"].(string)] = true
				after = "&starting_after=" + row["id"].(string)
			}
			more = v["has_more"].(bool)
		}
		if int64(len(seen)) != want {
			t.Errorf("%s: read %d of %d", kind, len(seen), want)
		}
	}
	_, all := r.stripe("GET", "/v1/subscriptions?limit=100&status=all", "")
	_, live := r.stripe("GET", "/v1/subscriptions?limit=100", "")
	if len(rows(live, "data")) >= len(rows(all, "data")) {
		t.Error("ended subscriptions come only when asked for")
	}
}

func TestStripeExpandFiltersAndErrors(t *testing.T) {
	r := tiny(t, twin.Options{})
	_, v := r.stripe("GET", "/v1/invoices?limit=1&expand[]=data.customer&expand[]=data.charge", "")
	inv := rows(v, "data")[0]
	if inv["customer"].(map[string]any)["object"] != "customer" {
		t.Errorf("customer was not expanded: %v", inv["customer"])
	}
	at := int64(inv["created"].(float64))
	_, v = r.stripe("GET", fmt.Sprintf("/v1/invoices?limit=100&created[lt]=%d", at), "")
	for _, row := range rows(v, "data") {
		if int64(row["created"].(float64)) >= at {
			t.Errorf("invoice %s passed created[lt]", row["id"])
		}
	}
	for name, c := range map[string]struct {
		method, path, body, key string
		code                    int
		typ, errCode            string
	}{
		"bad key":       {"GET", "/v1/customers", "", "Bearer sk_test_wrong_key_here", 401, "invalid_request_error", ""},
		"expired key":   {"GET", "/v1/customers", "", "Bearer sk_test_twin-expired", 401, "invalid_request_error", "api_key_expired"},
		"no such":       {"GET", "/v1/customers/cus_none", "", "", 404, "invalid_request_error", "resource_missing"},
		"unknown param": {"GET", "/v1/customers?updated[gte]=1", "", "", 400, "invalid_request_error", "parameter_unknown"},
		"limit":         {"GET", "/v1/customers?limit=101", "", "", 400, "invalid_request_error", ""},
		"expansion":     {"GET", "/v1/customers?expand[]=data.nothing", "", "", 400, "invalid_request_error", ""},
		"cursor":        {"GET", "/v1/customers?starting_after=cus_none", "", "", 400, "invalid_request_error", "resource_missing"},
		"bad e-mail":    {"POST", "/v1/customers", "email=nobody", "", 400, "invalid_request_error", "email_invalid"},
	} {
		h := []string{}
		if c.key != "" {
			h = []string{"Authorization", c.key}
		}
		code, v := r.stripe(c.method, c.path, c.body, h...)
		e, _ := v["error"].(map[string]any)
		got, _ := e["code"].(string)
		if code != c.code || e["type"] != c.typ || got != c.errCode || e["message"] == "" {
			t.Errorf("%s: %d %v", name, code, v)
		}
		if strings.Contains(fmt.Sprint(e["message"]), "sk_test_wrong_key_here") {
			t.Errorf("%s: the message holds the key", name)
		}
	}
}

func TestStripeIdempotencyKey(t *testing.T) {
	r := tiny(t, twin.Options{})
	before := r.tw.Status().Objects["stripe.customers"]
	_, first := r.stripe("POST", "/v1/customers", "email=a@north.example&metadata[k]=v", "Idempotency-Key", "one")
	_, again := r.stripe("POST", "/v1/customers", "email=a@north.example&metadata[k]=v", "Idempotency-Key", "one")
	if first["id"] == nil || first["id"] != again["id"] || r.tw.Status().Objects["stripe.customers"] != before+1 {
		t.Errorf("the same key made %v and %v", first["id"], again["id"])
	}
	code, v := r.stripe("POST", "/v1/customers", "email=b@north.example", "Idempotency-Key", "one")
	if e := v["error"].(map[string]any); code != 400 || e["type"] != "idempotency_error" {
		t.Errorf("another request under the same key: %d %v", code, v)
	}
}

func TestGoogleAdsSearchStream(t *testing.T) {
	r := tiny(t, twin.Options{})
	c := twin.DefaultCredentials()
	stream := func(query string, header ...string) (int, []map[string]any) {
		h := append([]string{"Authorization", "Bearer " + r.googleToken(), "developer-token", c.GoogleDeveloperToken}, header...)
		code, raw, _ := r.raw("POST", "/v25/customers/"+c.GoogleAdsCustomer+"/googleAds:searchStream", map[string]string{"query": query}, h...)
		var out []map[string]any
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatalf("%d %v %s", code, err, raw)
		}
		return code, out
	}
	code, batches := stream("SELECT campaign.id, campaign.name, ad_group.id, segments.date, metrics.clicks, metrics.impressions, metrics.cost_micros, metrics.conversions FROM ad_group WHERE segments.date BETWEEN '2026-02-01' AND '2026-02-28' AND metrics.clicks > 0")
	if code != 200 {
		t.Fatalf("%d %v", code, batches)
	}
	var sum int64
	for _, b := range batches {
		for _, row := range rows(b, "results") {
			m := row["metrics"].(map[string]any)
			var n int64
			if _, err := fmt.Sscan(m["costMicros"].(string), &n); err != nil {
				t.Fatal(err)
			}
			sum += n
			if d := row["segments"].(map[string]any)["date"].(string); d < "2026-02-01" || d > "2026-02-28" {
				t.Errorf("a row of %s", d)
			}
			if row["campaign"].(map[string]any)["resourceName"] == nil {
				t.Error("no resource name")
			}
		}
	}
	_, total := stream("SELECT metrics.cost_micros FROM customer WHERE segments.date BETWEEN '2026-02-01' AND '2026-02-28'")
	if got := rows(total[0], "results")[0]["metrics"].(map[string]any)["costMicros"]; got != fmt.Sprint(sum) || sum == 0 {
		t.Errorf("the account's cost is %v, the ad groups' sum is %d", got, sum)
	}
	for name, x := range map[string]struct {
		query, want string
		header      []string
		code        int
	}{
		"unknown field": {"SELECT campaign.colour FROM campaign", "UNRECOGNIZED_FIELD", nil, 400},
		"no select":     {"campaign.id FROM campaign", "EXPECTED_SELECT", nil, 400},
		"bad date":      {"SELECT campaign.id FROM campaign WHERE segments.date = 'today'", "INVALID_DATE_FORMAT", nil, 400},
		"bad resource":  {"SELECT campaign.id FROM campaigns", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", nil, 400},
		"no developer":  {"SELECT campaign.id FROM campaign", "DEVELOPER_TOKEN_PARAMETER_MISSING", []string{"developer-token", ""}, 400},
		"bad token":     {"SELECT campaign.id FROM campaign", "UNAUTHENTICATED", []string{"Authorization", "Bearer ya29.old"}, 401},
	} {
		code, out := stream(x.query, x.header...)
		if raw, _ := json.Marshal(out); code != x.code || !strings.Contains(string(raw), x.want) {
			t.Errorf("%s: %d %s", name, code, raw)
		}
	}
}

func TestGA4RunReport(t *testing.T) {
	r := tiny(t, twin.Options{})
	path := "/v1beta/properties/" + twin.DefaultCredentials().GA4Property + ":runReport"
	names := func(s ...string) []map[string]string {
		var out []map[string]string
		for _, n := range s {
			out = append(out, map[string]string{"name": n})
		}
		return out
	}
	ranges := []map[string]string{{"startDate": "2026-02-01", "endDate": "2026-02-28"}}
	ask := func(offset, limit int) map[string]any {
		code, v := r.google("POST", path, map[string]any{
			"dimensions": names("date", "sessionSource", "sessionMedium", "sessionCampaignName"), "metrics": names("sessions", "keyEvents", "advertiserAdCost"),
			"dateRanges": ranges, "limit": fmt.Sprint(limit), "offset": offset, "returnPropertyQuota": true,
		})
		if code != 200 || v["propertyQuota"] == nil {
			t.Fatalf("%d %v", code, v)
		}
		return v
	}
	total := int(ask(0, 1)["rowCount"].(float64))
	seen := map[string]bool{}
	for off := 0; off < total; off += 50 {
		for _, row := range rows(ask(off, 50), "rows") {
			seen[fmt.Sprint(row["dimensionValues"])] = true
		}
	}
	if len(seen) != total || total == 0 {
		t.Errorf("%d different rows in pages of %d", len(seen), total)
	}
	for name, body := range map[string]map[string]any{
		"Please remove landingPage": {"dimensions": names("landingPage"), "metrics": names("advertiserAdCost"), "dateRanges": ranges},
		"not a valid metric":        {"metrics": names("clicks"), "dateRanges": ranges},
		"Invalid date":              {"metrics": names("sessions"), "dateRanges": []map[string]string{{"startDate": "01.02.2026", "endDate": "today"}}},
	} {
		code, v := r.google("POST", path, body)
		if e, _ := v["error"].(map[string]any); code != 400 || e["status"] != "INVALID_ARGUMENT" || !strings.Contains(fmt.Sprint(e["message"]), name) {
			t.Errorf("%s: %d %v", name, code, v)
		}
	}
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestDataManagerAudience(t *testing.T) {
	r := tiny(t, twin.Options{})
	c := twin.DefaultCredentials()
	member := func(kind, value string, consent string) map[string]any {
		return map[string]any{
			"userData": map[string]any{"userIdentifiers": []any{map[string]any{kind: value}}},
			"consent":  map[string]any{"adUserData": consent, "adPersonalization": consent},
		}
	}
	request := func(members ...any) map[string]any {
		return map[string]any{
			"destinations":    []any{map[string]any{"operatingAccount": map[string]any{"accountId": c.GoogleAdsCustomer, "accountType": "GOOGLE_ADS"}, "productDestinationId": c.AudienceList}},
			"audienceMembers": members, "encoding": "HEX", "termsOfService": map[string]any{"customerMatchTermsOfServiceStatus": "ACCEPTED"},
		}
	}
	size := func() int64 { return r.tw.Status().Objects["google_audience."+c.AudienceList] }
	a, b := hashed("jane.doe@example.com"), hashed("+14155550100")
	dry := request(member("emailAddress", a, "CONSENT_GRANTED"))
	dry["validateOnly"] = true
	if code, v := r.google("POST", "/v1/audienceMembers:ingest", dry); code != 200 || size() != 0 {
		t.Errorf("validateOnly: %d %v, %d members", code, v, size())
	}
	code, v := r.google("POST", "/v1/audienceMembers:ingest", request(member("emailAddress", a, "CONSENT_GRANTED"), member("phoneNumber", b, "CONSENT_GRANTED"), member("emailAddress", hashed("x@example.com"), "CONSENT_DENIED")))
	if code != 200 || size() != 2 {
		t.Fatalf("ingest: %d %v, %d members", code, v, size())
	}
	id := v["requestId"].(string)
	var last map[string]any
	for range 3 {
		code, s := r.google("GET", "/v1/requestStatus:retrieve?requestId="+id, nil)
		if code != 200 {
			t.Fatalf("status: %d %v", code, s)
		}
		last = rows(s, "requestStatusPerDestination")[0]
	}
	if raw, _ := json.Marshal(last); last["requestStatus"] != "PARTIAL_SUCCESS" || !strings.Contains(string(raw), "DENIED_CONSENT") || !strings.Contains(string(raw), `"recordCount":"2"`) || strings.Contains(string(raw), a) {
		t.Errorf("status: %s", raw)
	}
	if code, v := r.google("POST", "/v1/audienceMembers:remove", map[string]any{"destinations": dry["destinations"], "encoding": "HEX", "audienceMembers": []any{member("emailAddress", a, "CONSENT_GRANTED")}}); code != 200 || size() != 1 {
		t.Errorf("remove: %d %v, %d members", code, v, size())
	}
	good := member("emailAddress", a, "CONSENT_GRANTED")
	for name, x := range map[string]struct {
		member map[string]any
		want   string
	}{
		"empty":      {member("emailAddress", hashed(""), "CONSENT_GRANTED"), "empty string"},
		"not hashed": {member("emailAddress", "jane@example.com", "CONSENT_GRANTED"), "INVALID_HEX_ENCODING"},
		"short":      {member("emailAddress", "abcd", "CONSENT_GRANTED"), "INVALID_SHA256_FORMAT"},
	} {
		code, v := r.google("POST", "/v1/audienceMembers:ingest", request(good, x.member))
		if raw, _ := json.Marshal(v); code != 400 || !strings.Contains(string(raw), x.want) || !strings.Contains(string(raw), "audience_members[1]") {
			t.Errorf("%s: %d %s", name, code, raw)
		}
	}
	if size() != 1 {
		t.Errorf("a refused request changed the list: %d members", size())
	}
}

func TestSlackPostsUpdatesAndFiles(t *testing.T) {
	r := tiny(t, twin.Options{})
	blocks := `[{"type":"section","text":{"type":"mrkdwn","text":"*Monday*"}}]`
	p := r.slack("chat.postMessage", url.Values{"channel": {"#revenue"}, "text": {"Monday"}, "blocks": {blocks}, "metadata": {`{"event_type":"report","event_payload":{"key":"w10"}}`}})
	if p["ok"] != true {
		t.Fatal(p)
	}
	ts, ch := p["ts"].(string), p["channel"].(string)
	if u := r.slack("chat.update", url.Values{"channel": {ch}, "ts": {ts}, "text": {"Monday, again"}}); u["ok"] != true {
		t.Error(u)
	}
	for i := range 4 {
		if v := r.slack("chat.postMessage", url.Values{"channel": {ch}, "text": {fmt.Sprint("reply ", i)}, "thread_ts": {ts}}); v["ok"] != true {
			t.Error(v)
		}
	}
	up := r.slack("files.getUploadURLExternal", url.Values{"filename": {"report.xlsx"}, "length": {"5"}})
	code, raw, _ := r.raw("POST", strings.TrimPrefix(up["upload_url"].(string), r.url), "bytes", "Content-Type", "application/octet-stream")
	if code != 200 {
		t.Fatalf("upload: %d %s", code, raw)
	}
	if done := r.slack("files.completeUploadExternal", url.Values{"files": {fmt.Sprintf(`[{"id":%q,"title":"The report"}]`, up["file_id"])}, "channel_id": {ch}, "initial_comment": {"with the workbook"}}); done["ok"] != true {
		t.Error(done)
	}
	h := r.slack("conversations.history", url.Values{"channel": {ch}, "include_all_metadata": {"true"}})
	msgs := rows(h, "messages")
	if len(msgs) != 2 || msgs[0]["files"] == nil || msgs[1]["text"] != "Monday, again" || msgs[1]["reply_count"] != 4.0 || msgs[1]["metadata"] == nil {
		t.Errorf("history: %v", msgs)
	}
	texts := []string{}
	for cursor := ""; ; {
		v := r.slack("conversations.replies", url.Values{"channel": {ch}, "ts": {ts}, "limit": {"2"}, "cursor": {cursor}})
		for _, m := range rows(v, "messages") {
			texts = append(texts, m["text"].(string))
		}
		meta, _ := v["response_metadata"].(map[string]any)
		if cursor, _ = meta["next_cursor"].(string); cursor == "" {
			break
		}
	}
	if len(texts) != 5 || texts[0] != "Monday, again" || texts[4] != "reply 3" {
		t.Errorf("thread: %v", texts)
	}
	for want, args := range map[string]url.Values{
		"channel_not_found":     {"channel": {"#nowhere"}, "text": {"x"}},
		"not_in_channel":        {"channel": {"#board"}, "text": {"x"}},
		"is_archived":           {"channel": {"C0OLD00001"}, "text": {"x"}},
		"no_text":               {"channel": {ch}},
		"msg_too_long":          {"channel": {ch}, "text": {strings.Repeat("x", 40_001)}},
		"invalid_blocks":        {"channel": {ch}, "blocks": {`[{"type":"carousel"}]`}},
		"invalid_blocks_format": {"channel": {ch}, "blocks": {"{"}},
		"thread_not_found":      {"channel": {ch}, "text": {"x"}, "thread_ts": {"1.2"}},
	} {
		if v := r.slack("chat.postMessage", args); v["ok"] != false || v["error"] != want {
			t.Errorf("want %s: %v", want, v)
		}
	}
	for want, token := range map[string]string{"invalid_auth": "Bearer x", "token_expired": "Bearer xoxb-twin-slack-expired", "not_authed": ""} {
		if v := r.slack("auth.test", nil, "Authorization", token); v["error"] != want {
			t.Errorf("want %s: %v", want, v)
		}
	}
}

func TestSlackLimitsPostsByChannel(t *testing.T) {
	r := tiny(t, twin.Options{Limits: true, Now: still})
	auth := []string{"Authorization", "Bearer " + twin.DefaultCredentials().SlackToken, "Content-Type", form}
	for i, want := range []int{200, 429, 200} {
		channel := map[int]string{0: "C0REVENUE1", 1: "C0REVENUE1", 2: "C0ALERTS01"}[i]
		code, v, h := r.do("POST", "/api/chat.postMessage", url.Values{"channel": {channel}, "text": {"x"}}.Encode(), auth...)
		if code != want || want == 429 && (v["error"] != "ratelimited" || h.Get("Retry-After") == "") {
			t.Errorf("post %d: %d %v", i, code, v)
		}
	}
}
