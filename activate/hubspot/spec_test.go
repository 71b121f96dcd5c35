package hubspot

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"millrace/activate"
	"millrace/internal/twin/spectest"
)

// Requests are what the definitions at hand say. They are of 2021 and know no upsert, whose inputs are those of an update
// with the property that identifies them.
func TestSpecRequests(t *testing.T) {
	c := spectest.Open(t, spectest.Document(t, filepath.Join(spectest.Dir(t, "hubspot-wso2"), "crm-contact.yaml")))
	var seen string
	d := canned(t, 200, `{"status":"COMPLETE","results":[{"id":"8","properties":{"email":"ann@example.com"}},{"id":"9","properties":{"email":"bob@example.com"}}]}`, &seen)
	body := func(path string) map[string]any {
		t.Helper()
		got, text, _ := strings.Cut(seen, " ")
		if got != "/crm/v3/objects/contacts/batch/"+path {
			t.Fatalf("called %s", got)
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	b := two()
	for _, op := range []activate.Op{activate.Upsert, activate.Update} {
		b.Op = op
		for i := range b.Rows {
			b.Rows[i].RemoteID = map[activate.Op]string{activate.Update: string(rune('8' + i))}[op]
		}
		if _, err := d.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		v := body(string(op))
		for _, in := range v["inputs"].([]any) {
			x := in.(map[string]any)
			delete(x, "objectWriteTraceId") // younger than the definitions
			if op == activate.Upsert && x["idProperty"] != "email" {
				t.Errorf("%v", x)
			}
			delete(x, "idProperty")
		}
		c.Valid(t, string(op), "/components/schemas/SimplePublicObjectArray", v)
	}
	b.Op = activate.Archive
	if _, err := d.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	c.Valid(t, "archive", "/components/schemas/SimplePublicObjectIdArray", body("archive"))
	for i := range b.Rows {
		b.Rows[i].RemoteID = ""
	}
	if _, err := d.Read(t.Context(), b.Target, b.Rows); err != nil {
		t.Fatal(err)
	}
	v := body("read")
	if _, ok := v["propertiesWithHistory"]; !ok {
		v["propertiesWithHistory"] = []any{} // declared as required then, and not needed since
	}
	c.Valid(t, "read", "/components/schemas/SimplePublicObjectIdReadArray", v)
}
