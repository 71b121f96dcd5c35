package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"millrace/internal/twin/store"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// writeCustomer creates or updates a customer. With an Idempotency-Key the first answer is kept: the same request gets it
// again and changes nothing, another request under the same key is refused.
func (a *API) writeCustomer(w http.ResponseWriter, r *http.Request, path []string, form url.Values) (any, error) {
	fields := map[string]string{}
	for _, k := range sortedKeys(form) {
		v := form.Get(k)
		switch {
		case slices.Contains([]string{"name", "email", "phone", "description"}, k):
			fields[k] = v
		case strings.HasPrefix(k, "metadata[") && strings.HasSuffix(k, "]") && len(k) > len("metadata[]"):
			fields[k] = v
		case k == "expand[]" || strings.HasPrefix(k, "expand["):
		default:
			return nil, invalid("parameter_unknown", k, "Received unknown parameter: %s", k)
		}
	}
	if e := fields["email"]; e != "" {
		if _, err := mail.ParseAddress(e); err != nil {
			return nil, invalid("email_invalid", "email", "Invalid email address: %s", e)
		}
	}
	key := r.Header.Get("Idempotency-Key")
	sum := sha256.Sum256([]byte(r.URL.Path + "?" + form.Encode()))
	fingerprint := hex.EncodeToString(sum[:])
	var out any
	err := a.db.Update(store.Meta{Vendor: "stripe", Request: r.Method + " " + r.URL.Path, Key: key}, func(tx *store.Tx) error {
		b := tx.State().Billing
		if old, ok := b.Idempotent[key]; ok && key != "" {
			if old.Fingerprint != fingerprint {
				return refuse(http.StatusBadRequest, "idempotency_error", "", "", "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '%s' if you meant to execute a different request.", key)
			}
			w.Header().Set("Idempotent-Replayed", "true")
			out = json.RawMessage(old.Body)
			return nil
		}
		n := sha256.Sum256([]byte("customer" + itoa(tx.Seq())))
		id := "cus_" + hex.EncodeToString(n[:7])
		if len(path) == 2 {
			if id = path[1]; b.Customer(id) == nil || b.Customer(id).Deleted {
				return refuse(http.StatusNotFound, "invalid_request_error", "resource_missing", "id", "No such customer: '%s'", id)
			}
		}
		event := "evt_1" + hex.EncodeToString(n[8:20])
		effects := []store.Effect{{Kind: "billing.customer", Object: "customers", ID: id, Fields: fields, Text: event}}
		if key != "" {
			// The answer is worked out on a copy first: it is part of the commit that makes it true.
			after := store.Customer{ID: id, Created: tx.Now(), Metadata: map[string]string{}}
			if c := b.Customer(id); c != nil {
				after = *c
				after.Metadata = meta(c.Metadata)
			}
			for _, k := range sortedKeys(form) {
				if v, ok := fields[k]; ok {
					after.SetField(k, v)
				}
			}
			body, err := json.Marshal(customer(&after))
			if err != nil {
				return err
			}
			replay, err := json.Marshal(store.Replay{Fingerprint: fingerprint, Object: "customer", ID: id, Body: string(body)})
			if err != nil {
				return err
			}
			effects = append(effects, store.Effect{Kind: "billing.replay", Object: "idempotency", ID: key, Text: string(replay)})
		}
		if err := tx.Commit(effects...); err != nil {
			return err
		}
		out = customer(b.Customer(id))
		return nil
	})
	return out, err
}

func sortedKeys(v url.Values) []string {
	out := make([]string, 0, len(v))
	for k := range v {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
