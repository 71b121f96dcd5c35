package meta

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"millrace/activate"
	"millrace/internal/campaign"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/money"
	"millrace/internal/vendorapi"
)

// budgets are what can be spent, in the account's currency; Meta counts its smallest unit.
var budgets = []string{"daily_budget", "lifetime_budget"}

type spend struct {
	*account
	opt      SpendOptions
	exponent *int // of the account's currency, once it is known
}

// Capabilities declares changes of what is there, one a call, with the values before.
func (d *spend) Capabilities(object string) (activate.Capabilities, error) {
	if object != campaigns && object != adsets {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "nothing that spends", Hint: "Write campaigns or adsets."}
	}
	return activate.Capabilities{Account: d.id, Ops: []activate.Op{activate.Update}, MaxBatch: maxSpend, PerRow: true, Repeat: true, Undo: activate.UndoExact, PerSecond: 1}, nil
}

// Check refuses a target that is no status and budget, budgets of another currency, and a token that may only read.
func (d *spend) Check(ctx context.Context, t activate.Target) error {
	if err := campaign.Check(t.Key, t.Fields, budgets, strings.TrimSuffix(t.Object, "s")); err != nil {
		return err
	}
	currency, err := d.currency(ctx)
	if err != nil {
		return err
	}
	if err := campaign.Currency(t.Fields, budgets, d.opt.Currency, currency); err != nil {
		return err
	}
	return d.permitted(ctx)
}

// currency is what the account spends in; it also says in which unit budgets are counted.
func (d *spend) currency(ctx context.Context) (string, error) {
	var out struct {
		Currency string `json:"currency"`
	}
	if _, err := d.do(ctx, vendorapi.Call{Path: "/act_" + d.id, Query: url.Values{"fields": {"currency"}}}, &out); err != nil {
		return "", err
	}
	if len(out.Currency) != 3 {
		return "", fmt.Errorf("meta_campaigns: account %s does not tell its currency, so no budget can be counted", d.id)
	}
	e := money.Exponent(out.Currency)
	d.exponent = &e
	return out.Currency, nil
}

// units is the exponent of the account's currency, asked for once.
func (d *spend) units(ctx context.Context) (int, error) {
	if d.exponent == nil {
		if _, err := d.currency(ctx); err != nil {
			return 0, err
		}
	}
	return *d.exponent, nil
}

// Send changes campaigns or ad sets, one a call: each must be one of the account's own.
func (d *spend) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Update {
		return activate.Answer{}, fmt.Errorf("meta_campaigns cannot %s", b.Op)
	}
	if err := d.spare(); err != nil {
		return activate.Answer{}, err
	}
	exponent, err := d.units(ctx)
	if err != nil {
		return activate.Answer{}, err
	}
	known, err := d.Read(ctx, b.Target, b.Rows)
	if err != nil {
		return activate.Answer{}, err
	}
	return activate.OneByOne(ctx, b.Rows, func(ctx context.Context, r activate.Row) (activate.Result, error) {
		if !known[r.ID].Exists {
			return activate.Result{Status: activate.Rejected, Class: "missing", Message: "account " + d.id + " has none with this id"}, nil
		}
		c, err := campaign.Parse(r.Values, exponent)
		if err != nil {
			return activate.Result{Status: activate.Rejected, Class: "row", Message: err.Error()}, nil
		}
		body := map[string]any{}
		if c.Status != "" {
			body["status"] = strings.ToUpper(c.Status)
		}
		for f, n := range c.Budgets {
			body[f] = n
		}
		var out struct {
			Success bool `json:"success"`
		}
		resp, err := d.do(ctx, vendorapi.Call{Method: http.MethodPost, Path: "/" + url.PathEscape(r.Key), Body: body, Repeat: httpx.RepeatNever}, &out)
		if err != nil {
			return activate.Result{}, err
		}
		if !out.Success {
			return activate.Result{}, &httpx.Error{Class: httpx.Unknown, Method: http.MethodPost, URL: d.api.Base + "/" + r.Key, Status: resp.Status, Message: "a success that does not say so"}
		}
		return activate.Result{Status: activate.Acked, RemoteID: r.Key}, nil
	})
}

// Read gives status and budgets of the account's campaigns or ad sets; those of other accounts are not there.
func (d *spend) Read(ctx context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	out := make(map[string]activate.Record, len(rows))
	at := map[string][]string{}
	for _, r := range rows {
		out[r.ID] = activate.Record{}
		at[r.Key] = append(at[r.Key], r.ID)
	}
	exponent, err := d.units(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(at))
	for id := range at {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	filter, err := vendorapi.JSON([]any{map[string]any{"field": "id", "operator": "IN", "value": ids}})
	if err != nil {
		return nil, err
	}
	q := url.Values{"fields": {"id,status,daily_budget,lifetime_budget"}, "filtering": {string(filter)}, "limit": {"100"}}
	for {
		var page struct {
			Data   *[]map[string]json.RawMessage `json:"data"`
			Paging struct {
				Cursors struct{ After string } `json:"cursors"`
				Next    string                 `json:"next"`
			} `json:"paging"`
		}
		if _, err := d.do(ctx, vendorapi.Call{Path: "/act_" + d.id + "/" + t.Object, Query: q}, &page); err != nil {
			return nil, err
		}
		if page.Data == nil {
			return nil, &httpx.Error{Class: httpx.Transient, Method: http.MethodGet, URL: d.api.Base + "/act_" + d.id + "/" + t.Object, Message: "a success without data"}
		}
		for _, x := range *page.Data {
			id := canon.Text(x["id"])
			rec := activate.Record{Exists: true, RemoteID: id, Values: map[string]json.RawMessage{}}
			if s := canon.Text(x["status"]); s != "" {
				rec.Values[campaign.StatusField] = campaign.Text(strings.ToLower(s))
			}
			for _, f := range budgets {
				if n, err := strconv.ParseInt(canon.Text(x[f]), 10, 64); err == nil && n > 0 {
					rec.Values[f] = json.RawMessage(money.Amount(n, exponent))
				}
			}
			for _, row := range at[id] {
				out[row] = rec
			}
		}
		if page.Paging.Next == "" {
			return out, d.confirmAbsent(ctx, t, ids, at, out)
		}
		q.Set("after", page.Paging.Cursors.After)
	}
}

// confirmAbsent asks for each thing that the list left out: a list that is empty by mistake proves no absence.
func (d *spend) confirmAbsent(ctx context.Context, t activate.Target, ids []string, at map[string][]string, out map[string]activate.Record) error {
	for _, id := range ids {
		if out[at[id][0]].Exists {
			continue
		}
		var x struct {
			ID      string `json:"id"`
			Account string `json:"account_id"`
		}
		_, err := d.do(ctx, vendorapi.Call{Path: "/" + url.PathEscape(id), Query: url.Values{"fields": {"id,account_id"}}}, &x)
		switch {
		case httpx.ClassOf(err) == httpx.Permanent:
		case err != nil:
			return err
		case x.ID == id && x.Account != d.id: // somebody else's
		default:
			return &httpx.Error{Class: httpx.Transient, Method: http.MethodGet, URL: d.api.Base + "/act_" + d.id + "/" + t.Object, Message: "the list leaves out " + id + ", which is there"}
		}
	}
	return nil
}

// Same compares statuses and amounts.
func (d *spend) Same(ours, theirs json.RawMessage) bool { return campaign.Same(ours, theirs) }
