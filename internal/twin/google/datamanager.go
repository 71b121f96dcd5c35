package google

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"millrace/internal/twin/store"
)

// Limits of the Data Manager API.
const (
	maxMembers      = 10_000
	maxIdentifiers  = 10
	maxDestinations = 10
	pollsUntilDone  = 1 // how many status calls say PROCESSING before the result is there
)

type destination struct {
	Reference string   `json:"reference"`
	Operating *account `json:"operatingAccount"`
	Login     *account `json:"loginAccount"`
	Linked    *account `json:"linkedAccount"`
	Product   string   `json:"productDestinationId"`
}

type account struct {
	ID      string `json:"accountId"`
	Type    string `json:"accountType"`
	Product string `json:"product"`
}

type consent struct {
	UserData        string `json:"adUserData"`
	Personalization string `json:"adPersonalization"`
}

type member struct {
	References []string `json:"destinationReferences"`
	UserData   *struct {
		Identifiers []identifier `json:"userIdentifiers"`
	} `json:"userData"`
	Consent *consent `json:"consent"`
}

type identifier struct {
	Email   *string `json:"emailAddress"`
	Phone   *string `json:"phoneNumber"`
	Address *struct {
		Given  string `json:"givenName"`
		Family string `json:"familyName"`
		Region string `json:"regionCode"`
		Postal string `json:"postalCode"`
	} `json:"address"`
}

type memberRequest struct {
	Destinations []destination `json:"destinations"`
	Members      []member      `json:"audienceMembers"`
	Consent      *consent      `json:"consent"`
	ValidateOnly bool          `json:"validateOnly"`
	Encoding     string        `json:"encoding"`
	Terms        *struct {
		CustomerMatch string `json:"customerMatchTermsOfServiceStatus"`
	} `json:"termsOfService"`
	Encryption json.RawMessage `json:"encryptionInfo"`
}

// violation is one finding about one field; any finding refuses the whole request.
type violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
	Reason      string `json:"reason"`
}

func violations(vs []violation) *problem {
	p := refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "There was a problem with the request.")
	p.Details = []any{
		map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "INVALID_ARGUMENT", "domain": "datamanager.googleapis.com"},
		map[string]any{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": vs},
	}
	return p
}

// dataManager is audienceMembers:ingest, :remove and requestStatus:retrieve.
func (a *API) dataManager(r *http.Request, what string, body []byte, id string) (any, error) {
	if _, _, ok := a.minute.Take(a.opt.Now()); !ok && a.opt.Enforce {
		return nil, refuse(http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service 'datamanager.googleapis.com'.")
	}
	if what == "requestStatus:retrieve" && r.Method == http.MethodGet {
		return a.requestStatus(r.URL.Query().Get("requestId"))
	}
	if what == "events:ingest" && r.Method == http.MethodPost {
		return a.ingestEvents(r, body)
	}
	op, ok := strings.CutPrefix(what, "audienceMembers:")
	if !ok || op != "ingest" && op != "remove" || r.Method != http.MethodPost {
		return nil, refuse(http.StatusNotFound, "NOT_FOUND", "Method not found.")
	}
	var in memberRequest
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid JSON payload received. %v", err)
	}
	var out any
	err := a.db.Update(store.Meta{Vendor: "google", Request: r.Method + " " + r.URL.Path}, func(tx *store.Tx) error {
		effects, requestID, err := in.effects(tx, op)
		if err != nil {
			return err
		}
		if in.ValidateOnly {
			out = map[string]any{}
			return nil
		}
		out = map[string]any{"requestId": requestID}
		return tx.Commit(effects...)
	})
	return out, err
}

// effects checks a request whole and turns it into one change per destination.
func (in *memberRequest) effects(tx *store.Tx, op string) ([]store.Effect, string, error) {
	s := tx.State()
	var vs []violation
	if n := len(in.Destinations); n == 0 || n > maxDestinations {
		vs = append(vs, violation{"destinations", fmt.Sprintf("between 1 and %d destinations are needed, there are %d", maxDestinations, n), map[bool]string{true: "REQUIRED_FIELD_MISSING", false: "TOO_MANY_DESTINATIONS"}[n == 0]})
	}
	if n := len(in.Members); n == 0 || n > maxMembers {
		vs = append(vs, violation{"audience_members", fmt.Sprintf("between 1 and %d members are needed, there are %d", maxMembers, n), map[bool]string{true: "REQUIRED_FIELD_MISSING", false: "TOO_MANY_AUDIENCE_MEMBERS"}[n == 0]})
	}
	for i, d := range in.Destinations {
		field := "destinations[" + strconv.Itoa(i) + "]"
		switch {
		case d.Operating == nil || d.Operating.ID == "" || d.Operating.Type == "":
			vs = append(vs, violation{field + ".operating_account", "operating_account with account_id and account_type is required", "REQUIRED_FIELD_MISSING"})
		case d.Operating.Type != "GOOGLE_ADS" || d.Operating.ID != s.Ads.Customer:
			return nil, "", refuse(http.StatusForbidden, "PERMISSION_DENIED", "The caller does not have permission to account %s.", d.Operating.ID)
		case s.Audiences.List(d.Product) == nil:
			vs = append(vs, violation{field + ".product_destination_id", "there is no user list " + d.Product, "INVALID_USER_LIST_ID"})
		}
	}
	if in.Encoding != "HEX" && in.Encoding != "BASE64" {
		vs = append(vs, violation{"encoding", "encoding must be HEX or BASE64 for hashed identifiers", "REQUIRED_FIELD_MISSING"})
	}
	if len(in.Encryption) > 0 {
		vs = append(vs, violation{"encryption_info", "the twin takes no encrypted identifiers", "INVALID_ARGUMENT"})
	}
	if op == "ingest" && (in.Terms == nil || in.Terms.CustomerMatch != "ACCEPTED") {
		vs = append(vs, violation{"terms_of_service", "the customer match terms of service must be ACCEPTED", "TERMS_AND_CONDITIONS_NOT_SIGNED"})
	}
	ids, denied, identifiers := map[string]string{}, int64(0), int64(0)
	for i, m := range in.Members {
		found := m.check(fmt.Sprintf("audience_members[%d]", i), in.Encoding, &vs)
		identifiers += int64(len(found))
		if op == "ingest" && !granted(m.Consent, in.Consent) {
			denied++
			continue
		}
		for id, kind := range found {
			ids[id] = kind
		}
	}
	if len(vs) > 0 {
		return nil, "", violations(vs)
	}
	requestID := fmt.Sprintf("twin-request-%06d", tx.Seq())
	var effects []store.Effect
	for _, d := range in.Destinations {
		effects = append(effects, store.Effect{
			Kind: "audience." + op, Object: "audience", ID: d.Product, Fields: ids, Text: requestID, Count: [3]int64{int64(len(in.Members)), denied, identifiers},
		})
	}
	return effects, requestID, nil
}

// granted says whether a member may be used: both consents given, its own before the request's.
func granted(own, request *consent) bool {
	c := own
	if c == nil {
		c = request
	}
	return c != nil && c.UserData == "CONSENT_GRANTED" && c.Personalization == "CONSENT_GRANTED"
}

// emptyHash is the SHA-256 of nothing: all empty values would match one "person".
var emptyHash = sha256.Sum256(nil)

// check validates a member's identifiers and returns them with their kinds.
func (m *member) check(field, encoding string, vs *[]violation) map[string]string {
	out := map[string]string{}
	add := func(path, description, reason string) {
		*vs = append(*vs, violation{field + path, description, reason})
	}
	if m.UserData == nil || len(m.UserData.Identifiers) == 0 {
		add(".user_data.user_identifiers", "at least one identifier is required", "NO_IDENTIFIERS_PROVIDED")
		return out
	}
	if len(m.UserData.Identifiers) > maxIdentifiers {
		add(".user_data.user_identifiers", fmt.Sprintf("at most %d identifiers are allowed", maxIdentifiers), "TOO_MANY_USER_IDENTIFIERS")
	}
	hashed := func(path, kind, v string) {
		sum, err := hex.DecodeString(v)
		reason := "INVALID_HEX_ENCODING"
		if encoding == "BASE64" {
			sum, err = base64.StdEncoding.DecodeString(v)
			reason = "INVALID_BASE64_ENCODING"
		}
		switch {
		case err != nil:
			add(path, "the value is not "+encoding, reason)
		case len(sum) != sha256.Size:
			add(path, "the value is not a SHA-256 hash: 64 hex digits are needed", "INVALID_SHA256_FORMAT")
		case [32]byte(sum) == emptyHash:
			add(path, "the value is the hash of an empty string", "INVALID_FORMAT")
		default:
			out[hex.EncodeToString(sum)] = kind
		}
	}
	for i, id := range m.UserData.Identifiers {
		path := fmt.Sprintf(".user_data.user_identifiers[%d]", i)
		switch {
		case id.Email != nil && id.Phone == nil && id.Address == nil:
			hashed(path+".email_address", "email", *id.Email)
		case id.Phone != nil && id.Email == nil && id.Address == nil:
			hashed(path+".phone_number", "phone", *id.Phone)
		case id.Address != nil && id.Email == nil && id.Phone == nil:
			x := id.Address
			if x.Given == "" || x.Family == "" || x.Region == "" || x.Postal == "" {
				add(path+".address", "given_name, family_name, region_code and postal_code are all required", "REQUIRED_FIELD_MISSING")
				continue
			}
			if len(x.Region) != 2 || x.Region != strings.ToUpper(x.Region) {
				add(path+".address.region_code", "the region must be a two-letter code and is not hashed", "INVALID_REGION_CODE")
			}
			hashed(path+".address.given_name", "address", x.Given)
			hashed(path+".address.family_name", "address", x.Family)
		default:
			add(path, "exactly one of email_address, phone_number and address is needed", "INVALID_ARGUMENT")
		}
	}
	return out
}

// requestStatus says how a request went, as counts by destination: first PROCESSING, then the result. No row is named.
func (a *API) requestStatus(id string) (any, error) {
	var out []any
	a.db.View(func(s *store.State) {
		if st := a.eventStatus(s, id); st != nil {
			out = append(out, st)
			return
		}
		q := s.Audiences.Requests[id]
		if q == nil {
			return
		}
		done := a.poll(id) > pollsUntilDone
		for _, list := range q.Lists {
			out = append(out, destinationStatus(q, list, s.Ads.Customer, done))
		}
	})
	if out == nil {
		return nil, violations([]violation{{"request_id", "there is no request " + id, "INVALID_REQUEST_ID"}})
	}
	return map[string]any{"requestStatusPerDestination": out}, nil
}

func destinationStatus(q *store.IngestRequest, list, customer string, done bool) map[string]any {
	st := map[string]any{
		"destination":   map[string]any{"operatingAccount": map[string]string{"accountId": customer, "accountType": "GOOGLE_ADS"}, "productDestinationId": list},
		"requestStatus": "PROCESSING",
	}
	counts := map[string]any{"recordCount": strconv.FormatInt(q.Total-q.Denied, 10), "userIdentifierCount": strconv.FormatInt(q.Members, 10)}
	if q.Op == "ingest" {
		st["audienceMembersIngestionStatus"] = map[string]any{"userDataIngestionStatus": counts}
	} else {
		st["audienceMembersRemovalStatus"] = map[string]any{"userDataRemovalStatus": counts}
	}
	if !done {
		return st
	}
	st["requestStatus"] = "SUCCESS"
	if q.Denied > 0 {
		st["requestStatus"] = map[bool]string{true: "FAILED", false: "PARTIAL_SUCCESS"}[q.Denied == q.Total]
		st["errorInfo"] = map[string]any{"errorCounts": []any{map[string]string{"recordCount": strconv.FormatInt(q.Denied, 10), "reason": "PROCESSING_ERROR_REASON_DENIED_CONSENT"}}}
	} else if q.Op == "ingest" {
		counts["uploadMatchRateRange"] = "MATCH_RATE_RANGE_61_TO_70"
	}
	return st
}

// poll counts the status calls of a request since the process started.
func (a *API) poll(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.polls[id]++
	return a.polls[id]
}
