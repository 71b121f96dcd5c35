package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"

	"millrace/activate"
	"millrace/internal/httpx"
)

// pageSize is the most that a page of a list may hold.
const pageSize = "100"

// List names every record of an object that is not archived, page by page.
func (d *destination) List(ctx context.Context, t activate.Target) iter.Seq2[activate.Listed, error] {
	return func(yield func(activate.Listed, error) bool) {
		for after := ""; ; {
			q := url.Values{"limit": {pageSize}, "properties": {t.Key}, "archived": {"false"}}
			if after != "" {
				q.Set("after", after)
			}
			resp, err := d.client.Do(ctx, httpx.Request{URL: d.objects(t.Object, ""), Query: q, Judge: judge})
			if err != nil {
				yield(activate.Listed{}, explain(err, "crm.objects."+t.Object+".read"))
				return
			}
			var page struct {
				Results []struct {
					ID         string             `json:"id"`
					Properties map[string]*string `json:"properties"`
				} `json:"results"`
				Paging struct {
					Next struct {
						After string `json:"after"`
					} `json:"next"`
				} `json:"paging"`
			}
			if err := json.Unmarshal(resp.Body, &page); err != nil {
				yield(activate.Listed{}, fmt.Errorf("hubspot: a page of %s cannot be read: %w", t.Object, err))
				return
			}
			for _, r := range page.Results {
				key := r.ID
				if t.Key != idField {
					key = ""
					if v := r.Properties[t.Key]; v != nil {
						key = *v
					}
				}
				if !yield(activate.Listed{Key: key, RemoteID: r.ID}, nil) {
					return
				}
			}
			if page.Paging.Next.After == "" {
				return
			}
			after = page.Paging.Next.After
		}
	}
}
