package googledm

import (
	"encoding/json"
	"strings"
	"testing"

	"millrace/activate"
	"millrace/internal/twin/spectest"
)

// Requests are what the published protos say, where they are at hand.
func TestSpecRequests(t *testing.T) {
	p := spectest.OpenProtos(t, spectest.Dir(t, "google-ads", "proto", "google", "ads", "datamanager"))
	var seen string
	d := canned(t, 200, `{"requestId":"r1"}`, &seen)
	d.opt.Login = "1112223333"
	rows := []activate.Row{{ID: "o_1", Key: "p1", Values: map[string]json.RawMessage{"email": raw(`"jane.doe@example.com"`), "phone": raw(`"+1 415 555 0100"`),
		"given_name": raw(`"Jane"`), "family_name": raw(`"Doe"`), "region_code": raw(`"US"`), "postal_code": raw(`"94025"`)}}}
	check := func(message string) {
		t.Helper()
		_, body, _ := strings.Cut(seen, " ")
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		p.Valid(t, message, "google.ads.datamanager.v1."+message, v)
	}
	if _, err := d.Send(t.Context(), activate.Batch{Target: list(), Op: activate.Add, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	check("IngestAudienceMembersRequest")
	if _, err := d.Send(t.Context(), activate.Batch{Target: list(), Op: activate.Remove, Rows: rows}); err != nil {
		t.Fatal(err)
	}
	check("RemoveAudienceMembersRequest")
	if err := d.Check(t.Context(), list()); err != nil {
		t.Fatal(err)
	}
	check("IngestAudienceMembersRequest")
}
