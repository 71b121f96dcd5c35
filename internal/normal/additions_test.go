package normal

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// The seeds that a new project begins with say nothing else than the built-in lists: one truth. What a team adds comes on top.
func TestSeedsAgree(t *testing.T) {
	add, err := ReadAdditions(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(add.RoleInboxes) == 0 || len(add.FreeMail) == 0 || len(add.LegalForms) == 0 || len(add.Countries) == 0 || len(add.Channels) == 0 {
		t.Fatalf("a seed was not read: %d roles, %d providers, %d forms, %d countries, %d channels", len(add.RoleInboxes), len(add.FreeMail), len(add.LegalForms), len(add.Countries), len(add.Channels))
	}
	n := Default()
	for _, r := range add.RoleInboxes {
		if !n.isRole(r) {
			t.Errorf("role %s is not built in", r)
		}
	}
	for d, rule := range add.FreeMail {
		if built, _ := n.mailRule(d); built != rule {
			t.Errorf("mail provider %s: the seed says %s, the list %q", d, rule, built)
		}
	}
	for _, f := range add.LegalForms {
		if n.forms.byWords[f] == nil && !n.forms.parts[f] {
			t.Errorf("legal form %s is not built in", f)
		}
	}
	for name, code := range add.Countries {
		if got, _ := n.Country(name); got != code {
			t.Errorf("country %s: the seed says %s, the lists %q", name, code, got)
		}
	}
	for _, c := range add.Channels {
		got := n.Campaign(c.Source, c.Medium, c.Campaign)
		if got.Channel != c.Channel || got.Paid != c.Paid {
			t.Errorf("channel of %+v: the rules say %+v", c, got)
		}
	}
}

func TestReadAdditions(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	add, err := ReadAdditions(fstest.MapFS{
		seedRoles:     file("note,local_part\nours,Zentrum\n"),
		seedFreeMail:  file("domain,mailbox_rule\nmail.acme.com,plus\n"),
		seedCountries: file("name,country_code,region\nAtlantis,gr,EU\nnowhere,,OTHER\n"),
		seedChannels:  file("kind,value,channel,is_paid\nmedium,audio,Podcasts,true\nplatform,x_ads,Paid Social,true\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(add)
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := n.Email("zentrum.nord@acme.com"); e.Class != EmailCorporate {
		t.Errorf("a team's role counts alone: %+v", e)
	}
	if e, _ := n.Email("zentrum@acme.com"); e.Class != EmailRole {
		t.Errorf("%+v", e)
	}
	if e, _ := n.Email("jane+x@mail.acme.com"); e.Class != EmailFree || e.Mailbox != "jane@mail.acme.com" {
		t.Errorf("%+v", e)
	}
	if c, _ := n.Country("ATLANTIS"); c != "GR" {
		t.Errorf("%s", c)
	}
	if c := n.Campaign("x", "audio", ""); c.Channel != "Podcasts" || !c.Paid {
		t.Errorf("%+v", c)
	}
	for name, want := range map[string]string{
		"sql/seeds/free_mail_domains.csv:2": "domain,mailbox_rule\nfoo bar,plus\n",
		"sql/seeds/free_mail_domains.csv:3": "domain,mailbox_rule\nacme.com,plus\nacme.org,dots\n",
		"local_part":                        "",
	} {
		fsys := fstest.MapFS{seedFreeMail: file(want)}
		if want == "" {
			fsys = fstest.MapFS{seedRoles: file("lokal,note\nx,y\n")}
		}
		if _, err := ReadAdditions(fsys); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want an error that names %s, got %v", name, err)
		}
	}
	// The order of lines is no other version.
	a, _ := New(Additions{RoleInboxes: []string{"x", "y"}})
	b, _ := New(Additions{RoleInboxes: []string{"y", "x"}})
	if a.Version() != b.Version() {
		t.Error("the order of a seed's lines changed the version")
	}
}
