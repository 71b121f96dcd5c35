package hubspot

import (
	"testing"

	"millrace/activate"
	"millrace/internal/twin/store"
)

// The list names every contact of the portal once, over several pages.
func TestListNamesEveryRecord(t *testing.T) {
	tw, base := startTwin(t)
	var d activate.Lister = dest(t, base, nil)
	want := map[string]bool{}
	tw.View(func(s *store.State) {
		recs, _ := s.CRM.Table("contacts").After(0, 100_000, false)
		for _, r := range recs {
			if e, _ := s.CRM.Table("contacts").Value(r, "email"); e != "" {
				want[e] = true
			}
		}
	})
	got, pages := map[string]bool{}, 0
	for x, err := range d.List(t.Context(), activate.Target{Object: "contacts", Key: "email"}) {
		if err != nil {
			t.Fatal(err)
		}
		if x.RemoteID == "" {
			t.Errorf("%+v", x)
		}
		if pages++; x.Key != "" {
			got[x.Key] = true
		}
	}
	if len(want) < 101 || pages < len(want) || len(got) != len(want) {
		t.Errorf("%d records, %d keys, %d in the portal", pages, len(got), len(want))
	}
}
