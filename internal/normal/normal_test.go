package normal

import "testing"

// Every list names its source and version, and the version of all depends on them and on a team's additions.
func TestLists(t *testing.T) {
	for _, l := range Lists() {
		if l.Source == "" || l.Version == "" {
			t.Errorf("%s names no source or version", l.Name)
		}
	}
	plain := Default().Version()
	n, err := New(Additions{RoleInboxes: []string{"kundenzentrum"}})
	if err != nil {
		t.Fatal(err)
	}
	if n.Version() == plain {
		t.Error("an addition did not change the version")
	}
	if e, ok := n.Email("kundenzentrum@acme.de"); !ok || e.Class != EmailRole {
		t.Errorf("the addition is not used: %+v", e)
	}
	if e, _ := Default().Email("kundenzentrum@acme.de"); e.Class != EmailCorporate {
		t.Errorf("the addition reached the built-in lists: %+v", e)
	}
	again, err := New(Additions{})
	if err != nil || again.Version() != plain {
		t.Errorf("the same lists have versions %s and %s (%v)", plain, again.Version(), err)
	}
}
