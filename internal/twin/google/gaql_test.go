package google

import (
	"testing"
	"time"

	"millrace/internal/twin/store"
)

func adsState() *store.State {
	s := store.NewState(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC))
	s.Ads = &store.Ads{Customer: "1", Campaigns: []store.Campaign{{ID: 7, Name: "A", Platform: "google", Status: "ENABLED", Groups: []store.AdGroup{{ID: 70, Name: "G"}}}}}
	s.Ads.Days = []store.AdDay{{Day: s.Date.AddDate(0, 0, -30), Clicks: 3, Impressions: 90, CostMicros: 5_000_000, Conversions: 1}}
	return s
}

// FuzzGAQL: any text is either answered or refused with a code of the vendor; nothing else happens.
func FuzzGAQL(f *testing.F) {
	for _, q := range []string{
		"SELECT campaign.id FROM campaign", "SELECT metrics.clicks FROM customer WHERE segments.date BETWEEN '2026-01-01' AND '2026-02-01' ORDER BY metrics.clicks DESC LIMIT 3",
		"SELECT campaign.name FROM campaign WHERE campaign.name IN ('A', \"B\") AND campaign.status NOT IN ('PAUSED')", "SELECT", "SELECT a FROM", "SELECT campaign.id FROM campaign WHERE campaign.name LIKE '%A_('",
		"select ad_group.id from ad_group where metrics.clicks > x", "SELECT campaign.id FROM campaign WHERE campaign.id DURING TODAY", "SELECT campaign.id, FROM campaign WHERE campaign.id IN (", "\x00\xff'",
	} {
		f.Add(q)
	}
	s := adsState()
	f.Fuzz(func(t *testing.T, text string) {
		q, bad := parseGAQL(text)
		if bad != nil {
			if bad.code == "" || bad.message == "" {
				t.Fatalf("refused without a reason: %+v", bad)
			}
			return
		}
		if _, bad := q.run(s); bad != nil && bad.code == "" {
			t.Fatalf("refused without a reason: %+v", bad)
		}
	})
}

func TestGAQL(t *testing.T) {
	for query, want := range map[string]int{
		"SELECT campaign.id, metrics.clicks FROM campaign WHERE segments.date <= '2026-01-31'": 1,
		"SELECT campaign.id, metrics.clicks FROM campaign WHERE segments.date > '2026-02-01'":  0,
		"SELECT campaign.id FROM campaign":                                          1,
		"SELECT campaign.id FROM campaign WHERE campaign.name LIKE 'a%'":            1,
		"SELECT campaign.id FROM campaign WHERE campaign.name != 'A'":               0,
		"SELECT campaign.id, metrics.clicks FROM campaign WHERE metrics.clicks > 2": 1,
		"SELECT campaign.id, metrics.clicks FROM campaign WHERE metrics.clicks > 3": 0,
		"SELECT campaign.id, segments.date, metrics.clicks FROM campaign LIMIT 1":   1,
	} {
		q, bad := parseGAQL(query)
		if bad != nil {
			t.Errorf("%s: %+v", query, bad)
			continue
		}
		rows, bad := q.run(adsState())
		if bad != nil || len(rows) != want {
			t.Errorf("%s: %d rows, want %d (%+v)", query, len(rows), want, bad)
		}
	}
}
