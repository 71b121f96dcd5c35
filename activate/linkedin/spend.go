package linkedin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"millrace/activate"
	"millrace/internal/campaign"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/money"
	"millrace/internal/vendorapi"
)

// budgets are what can be spent, in the account's currency, by LinkedIn's names.
var budgets = map[string]string{"daily_budget": "dailyBudget", "total_budget": "totalBudget"}

var budgetNames = []string{"daily_budget", "total_budget"}

const scopeAds = "rw_ads"

type spend struct {
	*account
	opt      SpendOptions
	currency string // of the account, once it is known
}

// Capabilities declares changes of what is there, one a call, with the values before.
func (d *spend) Capabilities(object string) (activate.Capabilities, error) {
	if object != "campaigns" {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "nothing that spends", Hint: "Write campaigns."}
	}
	return activate.Capabilities{Account: d.id, Ops: []activate.Op{activate.Update}, MaxBatch: maxSpend, PerRow: true, Repeat: true, Undo: activate.UndoExact, PerSecond: perMinute / 60.0}, nil
}

// Check refuses a target that is no status and budget, and budgets of another currency.
func (d *spend) Check(ctx context.Context, t activate.Target) error {
	if err := campaign.Check(t.Key, t.Fields, budgetNames, "campaign"); err != nil {
		return err
	}
	if err := d.define(ctx); err != nil {
		return err
	}
	return campaign.Currency(t.Fields, budgetNames, d.opt.Currency, d.currency)
}

// define asks what the account spends in.
func (d *spend) define(ctx context.Context) error {
	if d.currency != "" {
		return nil
	}
	var out struct{ Currency string }
	if _, err := d.do(ctx, vendorapi.Call{Path: "/adAccounts/" + d.id}, "", scopeAds, &out); err != nil {
		var h *httpx.Error
		if errors.As(err, &h) && h.Status == http.StatusNotFound {
			return &fault.Error{Key: "config.ad_account_id", Value: d.id, Msg: "there is no such ad account, or the token may not see it", Hint: "Copy its number from Campaign Manager.", Err: err}
		}
		return err
	}
	if len(out.Currency) != 3 {
		return fmt.Errorf("linkedin_campaigns: account %s does not tell its currency, so no budget can be written", d.id)
	}
	d.currency = out.Currency
	return nil
}

// decimals is an amount as LinkedIn takes it: text with the currency's decimals.
func decimals(units int64, exponent int) string {
	s := money.Amount(units, exponent)
	if exponent == 0 {
		return s
	}
	whole, frac, _ := strings.Cut(s, ".")
	return whole + "." + frac + strings.Repeat("0", exponent-len(frac))
}

// Send changes campaigns, one a call.
func (d *spend) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Update {
		return activate.Answer{}, fmt.Errorf("linkedin_campaigns cannot %s", b.Op)
	}
	if err := d.define(ctx); err != nil {
		return activate.Answer{}, err
	}
	exponent := money.Exponent(d.currency)
	return activate.OneByOne(ctx, b.Rows, func(ctx context.Context, r activate.Row) (activate.Result, error) {
		c, err := campaign.Parse(r.Values, exponent)
		if err != nil {
			return activate.Result{Status: activate.Rejected, Class: "row", Message: err.Error()}, nil
		}
		set := map[string]any{}
		if c.Status != "" {
			set["status"] = strings.ToUpper(c.Status)
		}
		for f, n := range c.Budgets {
			set[budgets[f]] = amount{d.currency, decimals(n, exponent)}
		}
		resp, err := d.do(ctx, vendorapi.Call{Method: http.MethodPost, Path: d.path(r.Key), Body: map[string]any{"patch": map[string]any{"$set": set}}, Repeat: httpx.RepeatNever}, "PARTIAL_UPDATE", scopeAds, nil)
		var h *httpx.Error
		if errors.As(err, &h) && h.Status == http.StatusNotFound {
			return activate.Result{Status: activate.Rejected, Class: "missing", Message: "account " + d.id + " has no campaign with this id"}, nil
		}
		if err != nil {
			return activate.Result{}, err
		}
		if resp.Status != http.StatusNoContent && len(resp.Body) > 0 && !strings.Contains(string(resp.Body), `"id"`) {
			return activate.Result{}, &httpx.Error{Class: httpx.Unknown, Method: http.MethodPost, URL: d.api.Base + d.path(r.Key), Status: resp.Status, Message: "a success that does not say what became of the campaign"}
		}
		return activate.Result{Status: activate.Acked, RemoteID: r.Key}, nil
	})
}

func (d *spend) path(id string) string {
	return "/adAccounts/" + d.id + "/adCampaigns/" + url.PathEscape(id)
}

// Read gives status and budgets, one campaign a call: only LinkedIn's own "not found" proves that one is absent.
func (d *spend) Read(ctx context.Context, _ activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	out := make(map[string]activate.Record, len(rows))
	for _, r := range rows {
		out[r.ID] = activate.Record{}
		var c map[string]json.RawMessage
		_, err := d.do(ctx, vendorapi.Call{Path: d.path(r.Key), Repeat: httpx.RepeatSafe}, "", scopeAds, &c)
		var h *httpx.Error
		if errors.As(err, &h) && h.Status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if canon.Text(c["id"]) != r.Key {
			return nil, &httpx.Error{Class: httpx.Transient, Method: http.MethodGet, URL: d.api.Base + d.path(r.Key), Message: "the answer is not the campaign that was asked for"}
		}
		rec := activate.Record{Exists: true, RemoteID: r.Key, Values: map[string]json.RawMessage{}}
		if s := canon.Text(c["status"]); s != "" {
			rec.Values[campaign.StatusField] = campaign.Text(strings.ToLower(s))
		}
		for f, name := range budgets {
			var b amount
			if json.Unmarshal(c[name], &b) == nil && b.Amount != "" {
				n, err := money.Units(b.Amount, money.Micros)
				if err != nil {
					return nil, fmt.Errorf("linkedin_campaigns: campaign %s: %s: %w", r.Key, name, err)
				}
				rec.Values[f] = json.RawMessage(money.Amount(n, money.Micros))
			}
		}
		out[r.ID] = rec
	}
	return out, nil
}

// Same compares statuses and amounts.
func (d *spend) Same(ours, theirs json.RawMessage) bool { return campaign.Same(ours, theirs) }
