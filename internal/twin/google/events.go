package google

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"millrace/internal/twin/store"
)

// Limits of events.
const (
	maxEvents   = 2_000
	maxEventAge = 90 * 24 * time.Hour // of the click, really; the twin knows no clicks
)

type conversion struct {
	References  []string `json:"destinationReferences"`
	Transaction string   `json:"transactionId"`
	At          string   `json:"eventTimestamp"`
	UserData    *struct {
		Identifiers []identifier `json:"userIdentifiers"`
	} `json:"userData"`
	Consent *consent `json:"consent"`
	Click   *struct {
		GCLID  string `json:"gclid"`
		GBRAID string `json:"gbraid"`
		WBRAID string `json:"wbraid"`
	} `json:"adIdentifiers"`
	Currency string      `json:"currency"`
	Value    json.Number `json:"conversionValue"`
	Source   string      `json:"eventSource"`
}

type eventRequest struct {
	Destinations []destination `json:"destinations"`
	Events       []conversion  `json:"events"`
	Consent      *consent      `json:"consent"`
	ValidateOnly bool          `json:"validateOnly"`
	Encoding     string        `json:"encoding"`
}

// ingestEvents is events:ingest. What is malformed refuses the request; what cannot be used is counted later.
func (a *API) ingestEvents(r *http.Request, body []byte) (any, error) {
	var in eventRequest
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid JSON payload received. %v", err)
	}
	out := map[string]any{}
	err := a.db.Update(store.Meta{Vendor: "google", Request: r.Method + " " + r.URL.Path}, func(tx *store.Tx) error {
		effects, id, err := in.effects(tx)
		if err != nil || in.ValidateOnly {
			return err
		}
		out["requestId"] = id
		return tx.Commit(effects...)
	})
	return out, err
}

func (in *eventRequest) effects(tx *store.Tx) ([]store.Effect, string, error) {
	s := tx.State()
	var vs []violation
	if n := len(in.Events); n == 0 || n > maxEvents {
		vs = append(vs, violation{"events", fmt.Sprintf("between 1 and %d events are needed, there are %d", maxEvents, n), map[bool]string{true: "REQUIRED_FIELD_MISSING", false: "TOO_MANY_EVENTS"}[n == 0]})
	}
	if len(in.Destinations) != 1 {
		return nil, "", violations([]violation{{"destinations", "the twin takes one destination", "REQUIRED_FIELD_MISSING"}})
	}
	d := in.Destinations[0]
	switch {
	case d.Operating == nil || d.Operating.ID == "":
		vs = append(vs, violation{"destinations[0].operating_account", "operating_account is required", "REQUIRED_FIELD_MISSING"})
	case d.Operating.ID != s.Ads.Customer:
		return nil, "", refuse(http.StatusForbidden, "PERMISSION_DENIED", "The caller does not have permission to account %s.", d.Operating.ID)
	case s.Docs.Table("google.conversion_action").Live(d.Product) == nil:
		vs = append(vs, violation{"destinations[0].product_destination_id", "there is no conversion action " + d.Product, "INVALID_CONVERSION_ACTION_ID"})
	}
	if in.Encoding != "HEX" && in.Encoding != "BASE64" {
		vs = append(vs, violation{"encoding", "encoding must be HEX or BASE64 for hashed identifiers", "REQUIRED_FIELD_MISSING"})
	}
	now := s.Date.Add(24 * time.Hour)
	told := s.Docs.Table("google.event." + d.Product)
	counts := map[string]int{}
	seen := map[string]bool{}
	var effects []store.Effect
	for i, e := range in.Events {
		field := fmt.Sprintf("events[%d]", i)
		at, err := time.Parse(time.RFC3339Nano, e.At)
		if err != nil {
			vs = append(vs, violation{field + ".event_timestamp", "event_timestamp must be an RFC 3339 time", "REQUIRED_FIELD_MISSING"})
		}
		ids := map[string]string{}
		if e.UserData != nil {
			m := member{UserData: e.UserData}
			ids = m.check(field, in.Encoding, &vs)
		}
		clicked := e.Click != nil && e.Click.GCLID+e.Click.GBRAID+e.Click.WBRAID != ""
		if len(ids) == 0 && !clicked && e.UserData == nil {
			vs = append(vs, violation{field, "user_data or ad_identifiers are required", "NO_IDENTIFIERS_PROVIDED"})
		}
		if e.Value != "" && len(e.Currency) != 3 {
			vs = append(vs, violation{field + ".currency", "a value needs a currency", "INVALID_CURRENCY_CODE"})
		}
		switch {
		case !granted(e.Consent, in.Consent):
			counts["DENIED_CONSENT"]++
		case now.Sub(at) > maxEventAge:
			counts["EVENT_TOO_OLD"]++
		case e.Transaction != "" && (told.Get(e.Transaction) != nil || seen[e.Transaction]):
			counts["DUPLICATE_TRANSACTION_ID"]++
		default:
			seen[e.Transaction] = true
			key := e.Transaction
			if key == "" {
				key = fmt.Sprintf("none-%d-%d", tx.Seq(), i)
			}
			fields := map[string]string{"at": e.At, "value": e.Value.String(), "currency": e.Currency}
			for id, kind := range ids {
				fields[kind] = id
			}
			if clicked {
				fields["click"] = e.Click.GCLID + e.Click.GBRAID + e.Click.WBRAID
			}
			effects = append(effects, store.Effect{Kind: "doc.put", Object: told.Name, ID: key, Fields: fields})
		}
	}
	if len(vs) > 0 {
		return nil, "", violations(vs)
	}
	requestID := fmt.Sprintf("twin-events-%06d", tx.Seq())
	fields := map[string]string{"total": strconv.Itoa(len(in.Events)), "product": d.Product}
	for k, n := range counts {
		fields["error."+k] = strconv.Itoa(n)
	}
	return append(effects, store.Effect{Kind: "doc.put", Object: "google._event_requests", ID: requestID, Fields: fields}), requestID, nil
}

// eventStatus is requestStatus:retrieve of a request of events.
func (a *API) eventStatus(s *store.State, id string) any {
	d := s.Docs.Table("google._event_requests").Get(id)
	if d == nil {
		return nil
	}
	st := map[string]any{"destination": map[string]any{"operatingAccount": map[string]string{"accountId": s.Ads.Customer, "accountType": "GOOGLE_ADS"}, "productDestinationId": d.Fields["product"]},
		"requestStatus": "PROCESSING", "eventsIngestionStatus": map[string]string{"recordCount": d.Fields["total"]}}
	if a.poll(id) <= pollsUntilDone {
		return st
	}
	st["requestStatus"] = "SUCCESS"
	var errs []any
	lost := 0
	for _, k := range []string{"DENIED_CONSENT", "DUPLICATE_TRANSACTION_ID", "EVENT_TOO_OLD"} {
		if v := d.Fields["error."+k]; v != "" {
			n, _ := strconv.Atoi(v)
			lost += n
			errs = append(errs, map[string]string{"recordCount": v, "reason": "PROCESSING_ERROR_REASON_" + k})
		}
	}
	if lost > 0 {
		st["requestStatus"] = map[bool]string{true: "FAILED", false: "PARTIAL_SUCCESS"}[d.Fields["total"] == strconv.Itoa(lost)]
		st["errorInfo"] = map[string]any{"errorCounts": errs}
	}
	return st
}
