package linkedin

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"millrace/activate"
	"millrace/internal/twin/spectest"
)

// What is sent is what LinkedIn's published collections say. The conversions' one has an example instead of a schema: what
// is sent has no field that the example does not have.
func TestSpecRequests(t *testing.T) {
	dir := spectest.Dir(t, "linkedin-ads")
	audiences := spectest.Open(t, spectest.Document(t, filepath.Join(dir, "linkedin-marketing-audience.yml")))
	var seen string
	body := func() any {
		t.Helper()
		var v any
		if err := json.Unmarshal([]byte(seen[strings.Index(seen, "{"):]), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	d := canned[*audience](t, 200, `{"elements":[{"status":201},{"status":201}]}`, &seen)
	b := two()
	for _, op := range []activate.Op{activate.Add, activate.Remove} {
		b.Op = op
		if _, err := d.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		audiences.Valid(t, "users", "/components/schemas/UserStreamRequest", body())
	}
	c := canned[*audience](t, 200, `{"elements":[{"status":201}]}`, &seen)
	c.kind = companies
	if _, err := c.Send(t.Context(), activate.Batch{Target: companyTarget(), Op: activate.Add, Rows: []activate.Row{{ID: "o", Key: "a", Values: map[string]json.RawMessage{"company_name": raw(`"Acme"`), "company_domain": raw(`"acme.example"`)}}}}); err != nil {
		t.Fatal(err)
	}
	audiences.Valid(t, "companies", "/components/schemas/CompanyStreamRequest", body())

	s := canned[*spend](t, 204, "", &seen)
	if _, err := s.Send(t.Context(), activate.Batch{Target: spendTarget(), Op: activate.Update, Rows: []activate.Row{{ID: "o", Key: "77", Values: map[string]json.RawMessage{"status": raw(`"paused"`), "daily_budget": raw("99.5")}}}}); err != nil {
		t.Fatal(err)
	}
	campaigns := spectest.Open(t, spectest.Document(t, filepath.Join(dir, "linkedin-marketing-campaigns.yml")))
	campaigns.Valid(t, "campaign", "/components/schemas/CampaignUpdateRequest", body())
	set := body().(map[string]any)["patch"].(map[string]any)["$set"]
	campaigns.Valid(t, "campaign's fields", "/components/schemas/Campaign", set)

	e := canned[*events](t, 200, `{"elements":[{"status":201},{"status":201},{"status":201}]}`, &seen)
	if _, err := e.Send(t.Context(), told()); err != nil {
		t.Fatal(err)
	}
	example := map[string]bool{}
	for _, f := range []string{"elements", "conversion", "conversionHappenedAt", "conversionValue", "currencyCode", "amount", "user", "userIds", "idType", "idValue", "userInfo", "firstName", "lastName", "title", "companyName", "countryCode", "eventId"} {
		example[f] = true
	}
	var walk func(v any)
	walk = func(v any) {
		switch x := v.(type) {
		case map[string]any:
			for k, y := range x {
				if !example[k] {
					t.Errorf("the published example has no %s", k)
				}
				walk(y)
			}
		case []any:
			for _, y := range x {
				walk(y)
			}
		}
	}
	walk(body())
}
