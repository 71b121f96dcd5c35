package google

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"millrace/internal/twin/store"
)

// maxMutates is how many operations one mutate takes.
const maxMutates = 10_000

// minBudget is the least daily budget, and the step in which budgets are counted: one cent.
const minBudget = 10_000

// operation is one change of a campaign or of its budget; others are not served.
type operation struct {
	Campaign *struct {
		Mask   string `json:"updateMask"`
		Update *struct {
			Name   string `json:"resourceName"`
			Status string `json:"status"`
		} `json:"update"`
	} `json:"campaignOperation"`
	Budget *struct {
		Mask   string `json:"updateMask"`
		Update *struct {
			Name   string `json:"resourceName"`
			Amount string `json:"amountMicros"`
		} `json:"update"`
	} `json:"campaignBudgetOperation"`
}

// opError is what is wrong with one operation.
type opError struct{ kind, code, message string }

// mutate is googleAds:mutate. With partialFailure the operations stand alone, and the refused ones are empty results with
// their errors beside them; without it one error refuses all.
func (a *API) mutate(r *http.Request, body []byte, id string) (any, error) {
	var in struct {
		Operations []operation `json:"mutateOperations"`
		Partial    bool        `json:"partialFailure"`
		Validate   bool        `json:"validateOnly"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return nil, refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid JSON payload received. %v", err)
	}
	if len(in.Operations) == 0 || len(in.Operations) > maxMutates {
		return nil, adsFailure(http.StatusBadRequest, "INVALID_ARGUMENT", "mutateError", "TOO_MANY_MUTATE_OPERATIONS", fmt.Sprintf("%d operations in one request.", len(in.Operations)), id)
	}
	out := map[string]any{}
	err := a.db.Update(store.Meta{Vendor: "google", Request: r.Method + " " + r.URL.Path}, func(tx *store.Tx) error {
		var effects []store.Effect
		results := make([]any, len(in.Operations))
		var failures []any
		for i, op := range in.Operations {
			effect, name, kind, bad := op.check(tx.State())
			if bad != nil {
				results[i] = map[string]any{}
				failures = append(failures, map[string]any{"errorCode": map[string]string{bad.kind: bad.code}, "message": bad.message,
					"location": map[string]any{"fieldPathElements": []any{map[string]any{"fieldName": "mutate_operations", "index": i}, map[string]any{"fieldName": strings.ToLower(kind) + "_operation"}}}})
				continue
			}
			results[i] = map[string]any{kind + "Result": map[string]string{"resourceName": name}}
			effects = append(effects, effect)
		}
		details := []any{map[string]any{"@type": "type.googleapis.com/google.ads.googleads.v" + strconv.Itoa(newestAds-1) + ".errors.GoogleAdsFailure", "errors": failures, "requestId": id}}
		if len(failures) > 0 && !in.Partial {
			p := refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Request contains an invalid argument.")
			p.Details = details
			return p
		}
		if len(failures) > 0 {
			out["partialFailureError"] = map[string]any{"code": 3, "message": "Multiple errors in ‘details’. First error: " + failures[0].(map[string]any)["message"].(string), "details": details}
		}
		if in.Validate {
			return nil
		}
		out["mutateOperationResponses"] = results
		return tx.Commit(effects...)
	})
	return out, err
}

// check turns an operation into its effect.
func (op operation) check(s *store.State) (e store.Effect, name, kind string, bad *opError) {
	prefix := "customers/" + s.Ads.Customer
	find := func(number int64) *store.Campaign {
		for i := range s.Ads.Campaigns {
			if c := &s.Ads.Campaigns[i]; c.Platform == "google" && c.ID == number {
				return c
			}
		}
		return nil
	}
	switch {
	case op.Campaign != nil && op.Budget == nil && op.Campaign.Update != nil:
		kind, name = "campaign", op.Campaign.Update.Name
		n, err := strconv.ParseInt(strings.TrimPrefix(name, prefix+"/campaigns/"), 10, 64)
		c := find(n)
		switch {
		case err != nil || c == nil:
			return e, name, kind, &opError{"mutateError", "RESOURCE_NOT_FOUND", "Resource was not found."}
		case op.Campaign.Mask != "status":
			return e, name, kind, &opError{"fieldMaskError", "FIELD_NOT_FOUND", "The field mask contained an invalid field: " + op.Campaign.Mask}
		case !slices.Contains([]string{"ENABLED", "PAUSED"}, op.Campaign.Update.Status):
			return e, name, kind, &opError{"requestError", "INVALID_ENUM_VALUE", "Enum value '" + op.Campaign.Update.Status + "' cannot be used."}
		}
		return store.Effect{Kind: "ads.campaign", Object: "google.campaign", ID: strconv.FormatInt(c.ID, 10), Fields: map[string]string{"status": op.Campaign.Update.Status}}, name, kind, nil
	case op.Budget != nil && op.Campaign == nil && op.Budget.Update != nil:
		kind, name = "campaignBudget", op.Budget.Update.Name
		n, err := strconv.ParseInt(strings.TrimPrefix(name, prefix+"/campaignBudgets/"), 10, 64)
		c := find(n - budgetOffset)
		amount, bad := strconv.ParseInt(op.Budget.Update.Amount, 10, 64)
		switch {
		case err != nil || c == nil:
			return e, name, kind, &opError{"mutateError", "RESOURCE_NOT_FOUND", "Resource was not found."}
		case op.Budget.Mask != "amountMicros":
			return e, name, kind, &opError{"fieldMaskError", "FIELD_NOT_FOUND", "The field mask contained an invalid field: " + op.Budget.Mask}
		case bad != nil || amount < minBudget:
			return e, name, kind, &opError{"campaignBudgetError", "MONEY_AMOUNT_TOO_SMALL", "The money amount was less than the minimum CPC for the currency."}
		case amount%minBudget != 0:
			return e, name, kind, &opError{"campaignBudgetError", "NON_MULTIPLE_OF_MINIMUM_CURRENCY_UNIT", "Amount is not a multiple of the minimum unit."}
		}
		return store.Effect{Kind: "ads.campaign", Object: "google.campaign_budget", ID: strconv.FormatInt(c.ID, 10), Fields: map[string]string{"budget_micros": op.Budget.Update.Amount}}, name, kind, nil
	}
	return e, "", "", &opError{"requestError", "UNSUPPORTED_OPERATION", "The twin changes campaigns and their budgets only."}
}
