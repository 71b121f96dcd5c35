package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"millrace/activate"
	"millrace/internal/httpx"
)

// Erase deletes contacts for good (gdpr-delete): HubSpot removes them from every list, report and export, and cannot bring
// them back. Other objects know no such call and are archived. The call takes one contact and may be repeated; a contact
// that is not there is no error. An address that HubSpot does not know would land on its blocklist, so contacts are named
// by their id where it is known.
func (d *destination) Erase(ctx context.Context, t activate.Target, rows []activate.Row) (activate.Answer, error) {
	if !isContacts(t.Object) {
		return d.Send(ctx, activate.Batch{Target: t, Op: activate.Archive, Rows: rows})
	}
	var a activate.Answer
	for _, r := range rows {
		body := map[string]string{"objectId": r.RemoteID}
		if r.RemoteID == "" {
			body["objectId"], body["idProperty"] = r.Key, t.Key
		}
		raw, err := json.Marshal(body)
		if err != nil {
			return a, fmt.Errorf("hubspot: spell an erasure: %w", err)
		}
		resp, err := d.client.Do(ctx, httpx.Request{Method: http.MethodPost, URL: d.objects(t.Object, "/gdpr-delete"), Body: raw, Judge: judge, Repeat: httpx.RepeatSafe,
			Header: http.Header{"Content-Type": {"application/json"}}})
		if err != nil {
			if len(a.Results) > 0 && httpx.ClassOf(err) != httpx.Auth {
				a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Retry, Message: err.Error()})
				continue // what was erased is erased; the others are asked again
			}
			return a, explain(err, "crm.objects.contacts.write")
		}
		a.RequestID = resp.RequestID
		a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Acked, RemoteID: r.RemoteID})
	}
	return a, nil
}
