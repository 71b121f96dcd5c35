package twin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strconv"

	"millrace/internal/twin/store"
)

// Digest is a hash of what the vendors hold, rows sorted by key. Without full it leaves out what depends on how often
// and when something was written: times of change, histories, request ids, message times, messages beyond their text, and what
// is in uploaded files.
// Two twins that were written the same things by different ways are then equal.
func (t *Twin) Digest(full bool) string {
	h := sha256.New()
	t.db.View(func(s *store.State) {
		put(h, "date", s.Date.Format(store.Day))
		digestCRM(h, s.CRM, full)
		b := s.Billing
		for _, v := range []any{b.Products, b.Prices, b.Subscriptions, b.Invoices, b.Charges, b.Refunds} {
			put(h, "billing", v)
		}
		for _, c := range b.Customers {
			x := *c
			if !full {
				x.Created = x.Created.Truncate(24 * 3600e9)
			}
			put(h, "customer", x)
		}
		put(h, "ads", s.Ads)
		put(h, "web", s.Web)
		for _, l := range s.Audiences.Lists {
			put(h, "audience", l) // maps marshal sorted by key
		}
		for _, m := range s.Chat.Messages {
			x := *m
			if !full {
				x.TS, x.Thread, x.Edited, x.Files, x.Blocks = "", "", false, nil, "" // blocks name the build that they tell about
			}
			put(h, "message", x)
		}
		for _, f := range s.Chat.Files {
			if f.Done || full {
				x := []string{f.Name, f.Title, f.Channel}
				if full {
					x = append(x, f.SHA256) // a workbook names the build that it was made from, and with it the hour
				}
				put(h, "file", x)
			}
		}
		s.Docs.Dump(full, func(key string, v any) { put(h, key, v) })
		if full {
			put(h, "events", b.Events)
			put(h, "writes", s.Writes)
			put(h, "requests", s.Audiences.Requests)
		}
	})
	return hex.EncodeToString(h.Sum(nil))
}

func digestCRM(h hash.Hash, c *store.CRM, full bool) {
	for _, typ := range c.Types() {
		t := c.Table(typ)
		for _, archived := range []bool{false, true} {
			rows, _ := t.After(0, t.Len(), archived)
			for _, r := range rows {
				put(h, typ+strconv.FormatInt(r.ID, 10)+strconv.FormatBool(archived), []any{r.Props, r.Assoc})
				if full {
					put(h, "times", []any{r.Created, r.Updated, r.History})
				}
			}
		}
		for _, p := range t.Properties() {
			x := *p
			if !full {
				x.Created, x.Updated = x.Created.Truncate(24*3600e9), x.Updated.Truncate(24*3600e9)
			}
			put(h, "property", x)
		}
	}
	put(h, "subs", c.Subs)
	for _, l := range c.Lists {
		ids := make([]int64, 0, len(l.Members))
		for id := range l.Members {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		put(h, "list "+l.Name, ids)
	}
}

func put(h hash.Hash, key string, v any) {
	fmt.Fprintf(h, "%s\x00", key)
	if err := json.NewEncoder(h).Encode(v); err != nil {
		panic(fmt.Sprintf("twin: state always marshals: %v", err)) // plain structs, maps by string
	}
}
