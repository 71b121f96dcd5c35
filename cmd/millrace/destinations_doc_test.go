package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"millrace/activate"
)

// Every destination of the catalog has its line on the page, and every example on it is a sync that is read without a word.
func TestDestinationsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/destinations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range destinations() {
		if !strings.Contains(string(page), "`"+c.Name+"`") {
			t.Errorf("docs/destinations.md does not name %s", c.Name)
		}
	}
	env := func(name string) (string, bool) { return "value-of-" + name, true }
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(examples) < 8 {
		t.Fatalf("%d examples", len(examples))
	}
	for i, m := range examples {
		s, err := activate.ParseSync("example", "docs/destinations.md", m[1], env, destinations())
		if err != nil {
			t.Errorf("example %d: %v\n%s", i+1, err, m[1])
			continue
		}
		for _, c := range destinations() {
			if c.Name != s.File.Destination {
				continue
			}
			d, err := c.Open(activate.OpenParams{Sync: s.Name, Options: s.Options()})
			if err != nil {
				t.Errorf("example %d: %v", i+1, err)
				continue
			}
			caps, err := d.Capabilities(s.File.Object)
			if err != nil {
				t.Errorf("example %d: %v", i+1, err)
			}
			for _, op := range s.Target().Ops {
				if !strings.Contains(" "+strings.Join(opNames(caps.Ops), " ")+" ", " "+string(op)+" ") {
					t.Errorf("example %d: %s cannot %s %s", i+1, c.Name, op, s.File.Object)
				}
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func opNames(ops []activate.Op) []string {
	out := make([]string, len(ops))
	for i, o := range ops {
		out[i] = string(o)
	}
	return out
}
