package main

import (
	"os"
	"strings"
	"testing"

	"millrace/internal/config"
)

// TestBuiltInReports: the built-in reports are valid, and the one of the Slack set is the base one with one channel more.
func TestBuiltInReports(t *testing.T) {
	read := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	base, slack := read("builtin/base/reports/revenue.yml"), read("builtin/with/slack/reports/revenue.yml")
	more, ok := strings.CutPrefix(slack, base)
	if !ok || !strings.HasPrefix(more, "  - slack:\n") {
		t.Errorf("with/slack/reports/revenue.yml does not follow base/reports/revenue.yml: copy it and keep the channel at its end")
	}
	env := func(name string) (string, bool) { return "x", name == "SLACK_TOKEN" }
	for name, text := range map[string]string{"base": base, "slack": slack} {
		def, err := reportCatalog().Parse("reports/revenue.yml", []byte(text), config.ParseOptions{Env: env})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if def.Schedule.IsZero() || len(def.Sections) < 10 || len(def.Actions) < 2 {
			t.Errorf("%s: %+v", name, def)
		}
	}
}
