package twin_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"millrace/internal/twin"
)

// TestOfficialJavaScriptClients lets the vendors' own clients at the twin. It needs node and npm with a registry, so it
// runs when MILLRACE_JS=1 is set.
func TestOfficialJavaScriptClients(t *testing.T) {
	if os.Getenv("MILLRACE_JS") == "" {
		t.Skip("set MILLRACE_JS=1 to run the official JavaScript clients (needs node and npm)")
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "clients.mjs"} {
		b, err := os.ReadFile(filepath.Join("testdata", "js", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := tiny(t, twin.Options{Size: "small"})
	for _, args := range [][]string{{"npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"}, {"node", "clients.mjs", r.url}} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		t.Logf("%v:\n%s", args, out)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
}
