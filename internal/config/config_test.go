package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"millrace/internal/fault"
	"millrace/internal/secret"
)

var update = flag.Bool("update", false, "rewrite the expected messages")

// contract can be written as one word.
type contract struct {
	Columns string `yaml:"columns" enum:"evolve,freeze" default:"evolve"`
	Types   string `yaml:"data_type" enum:"evolve,freeze"`
}

func (c *contract) FromShort(s string) error {
	if s != "evolve" && s != "freeze" {
		return &fault.Error{Msg: "wants one of evolve, freeze", Hint: fault.DidYouMean(s, []string{"evolve", "freeze"})}
	}
	c.Columns, c.Types = s, s
	return nil
}

func (c *contract) ShortSchema() map[string]any {
	return map[string]any{"enum": []any{"evolve", "freeze"}}
}

type paging struct {
	Size int `yaml:"page_size" default:"100" min:"1" max:"1000"`
}

type rule struct {
	If   string `yaml:"if" required:"true"`
	Then []rule `yaml:"then"`
}

// sample has a field of every sort that the decoder knows.
type sample struct {
	paging
	Version  Version           `yaml:"version" required:"true"`
	Name     string            `yaml:"name" doc:"The name of it." required:"true"`
	Mode     string            `yaml:"mode" enum:"append,merge" default:"append"`
	Every    time.Duration     `yaml:"every" default:"10s"`
	Key      Strings           `yaml:"primary_key"`
	Contract contract          `yaml:"schema_contract"`
	Streams  Map[contract]     `yaml:"streams"`
	Raw      Node              `yaml:"config"`
	Token    secret.String     `yaml:"token"`
	Any      any               `yaml:"any"`
	Tags     []string          `yaml:"tags" default:"a,b"`
	Sizes    []int             `yaml:"sizes" min:"1"`
	Zone     TimeZone          `yaml:"zone" default:"UTC"`
	Cron     Cron              `yaml:"schedule"`
	Memory   Bytes             `yaml:"memory" default:"2GB"`
	On       *bool             `yaml:"on"`
	Share    float64           `yaml:"share" max:"1"`
	Small    uint8             `yaml:"small"`
	Labels   map[string]string `yaml:"labels"`
	Nested   *contract         `yaml:"nested"`
	Rules    []rule            `yaml:"rules"`
}

func testEnv(name string) (string, bool) {
	v, ok := map[string]string{"SIZE": "7", "PASSWORD": "hunter2", "EMPTY": "", "TRUE": "true", "SNEAKY": "x\nname: other"}[name]
	return v, ok
}

func parse(t testing.TB, src string) Node {
	t.Helper()
	n, err := Parse("sample.yml", []byte(src), ParseOptions{Env: testEnv})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDecode(t *testing.T) {
	var got sample
	n := parse(t, `
version: 1
name: "${SNEAKY}"
page_size: ${SIZE}
every: 1d12h
primary_key: id
schema_contract: freeze
streams:
  zeta:
  alpha: {columns: freeze}
config:
  missing: ${NOT_SET}
token: ${PASSWORD}
any: [1, 2.5, true, null, {a: "x"}, "${SIZE}", "{{ env_var('EMPTY') }}"]
zone: Europe/Berlin
schedule: "0 2 * * *"
memory: 1.5GiB
on: ${TRUE}
share: 1
small: 0x10
labels: {b: "1", a: "$${SIZE} $5 {{ x }}"}
rules: [{if: a, then: [{if: b}]}]
`)
	if err := n.Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"size": 7, "name": "x\nname: other", "every": 36 * time.Hour, "key": Strings{"id"}, "token": "hunter2",
		"contract": contract{"freeze", "freeze"}, "streams": []string{"zeta", "alpha"}, "mode": "append",
		"tags": []string{"a", "b"}, "zone": "Europe/Berlin", "memory": Bytes(1.5 * (1 << 30)), "on": true,
		"any":    []any{int64(1), 2.5, true, nil, map[string]any{"a": "x"}, "7", ""},
		"labels": map[string]string{"b": "1", "a": "${SIZE} $5 {{ x }}"}, "small": uint8(16),
		"next": time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC), "rules": []rule{{If: "a", Then: []rule{{If: "b"}}}},
	}
	have := map[string]any{
		"size": got.Size, "name": got.Name, "every": got.Every, "key": got.Key, "token": got.Token.Reveal(),
		"contract": got.Contract, "streams": got.Streams.Keys(), "mode": got.Mode,
		"tags": got.Tags, "zone": got.Zone.String(), "memory": got.Memory, "on": *got.On, "any": got.Any,
		"labels": got.Labels, "small": got.Small,
		"next": got.Cron.Next(time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)), "rules": got.Rules,
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
	if v, _ := got.Streams.Get("zeta"); v.Columns != "evolve" {
		t.Errorf("a stream without a value must have its defaults, got %+v", v)
	}
	// The subtree kept for later fails only when it is decoded, at its own place.
	var later struct {
		Missing string `yaml:"missing"`
	}
	var f *fault.Error
	if err := got.Raw.Decode(&later); !errors.As(err, &f) || f.Line != 12 || f.Key != "config.missing" {
		t.Errorf("missing variable: %v", err)
	}
}

func TestDecodeUnion(t *testing.T) {
	type common struct {
		Key     Strings `yaml:"primary_key"`
		Enabled bool    `yaml:"enabled" default:"true"`
	}
	type own struct {
		Path    string `yaml:"path" required:"true"`
		Enabled bool   `yaml:"enabled"`
	}
	var c common
	var o own
	if err := parse(t, "primary_key: [a, b]\npath: x").Decode(&c, nil, &o, (*own)(nil)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]any{common{Strings{"a", "b"}, true}, own{Path: "x"}}, []any{c, o}); d != "" {
		t.Error(d)
	}
	err := parse(t, "pth: x\nprimary_key: {}").Decode(&c, &o)
	want := "sample.yml:1:1: pth: unknown key. Did you mean \"path\"?\n" +
		"sample.yml:2:14: primary_key: wants text, found a mapping of keys"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	// An absent subtree still gives defaults, and what it lacks has a place.
	n := parse(t, "a: 1").Get("config")
	c.Enabled = false
	if err := n.Decode(&c); err != nil || !c.Enabled {
		t.Errorf("absent: %v %+v", err, c)
	}
	if err := n.Decode(&o); err == nil || !strings.HasPrefix(err.Error(), "sample.yml:1:1: config.path: is required and missing") {
		t.Errorf("absent: %v", err)
	}
	var holder struct {
		Sub Node `yaml:"sub"`
	}
	if err := parse(t, "{}").Decode(&holder); err != nil || !holder.Sub.IsZero() {
		t.Fatal(err)
	}
	if err := holder.Sub.Decode(&o); err == nil || !strings.HasPrefix(err.Error(), "sample.yml:1:1: sub.path: is required and missing") {
		t.Errorf("absent field: %v", err)
	}
	if err := n.Decode(common{}); err == nil {
		t.Error("a value that is not a pointer must be refused")
	}
}

// TestBad pins the message that a person reads for each bad file, and that no file is refused without one.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yml")
	if err != nil || len(files) < 10 {
		t.Fatalf("only %d files in testdata: %v", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			n, err := Parse(filepath.Base(f), src, ParseOptions{Env: testEnv})
			if err == nil {
				err = n.Decode(&sample{})
			}
			if err == nil {
				t.Fatal("accepted")
			}
			got := err.Error() + "\n"
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret is in the message: %s", got)
			}
			golden := strings.TrimSuffix(f, ".yml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestExpand(t *testing.T) {
	for _, c := range []struct{ in, want, missing string }{
		{"plain $5 and {{ x }} and ${not a name}", "plain $5 and {{ x }} and ${not a name}", ""},
		{"a${SIZE}b${SIZE}", "a7b7", ""},
		{"${NOPE:d e:f}", "d e:f", ""},
		{"${NOPE:-shell}", "shell", ""},
		{"${NOPE:}", "", ""},
		{"${EMPTY:default}", "", ""},
		{"$${SIZE}", "${SIZE}", ""},
		{"$$SIZE $$", "$$SIZE $$", ""},
		{"{{ env_var('SIZE') }}{{env_var(\"NOPE\", \"x\")}}{{- env_var('NOPE','') -}}", "7x", ""},
		{"${NOPE} ${ALSO}", "", "NOPE"},
		{"{{ env_var('NOPE') }}", "", "NOPE"},
		{"${", "${", ""},
		{"${}", "${}", ""},
		{"{{ env_var( }}", "{{ env_var( }}", ""},
	} {
		got, _, missing := expand(c.in, testEnv)
		if missing != c.missing || missing == "" && got != c.want {
			t.Errorf("expand(%q) = %q, missing %q; want %q, %q", c.in, got, missing, c.want, c.missing)
		}
	}
	n, err := Parse("x", []byte("a: '${SIZE}'"), ParseOptions{})
	if text, _ := n.Get("a").Text(); err != nil || text != "${SIZE}" {
		t.Errorf("without an environment the text must stay, got %q %v", text, err)
	}
}

func TestLineOffset(t *testing.T) {
	n, err := Parse("m.sql", []byte("a: 1\nb: ${NOPE}\n"), ParseOptions{Env: testEnv, LineOffset: 1})
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		A string `yaml:"a"`
		B string `yaml:"b"`
		C string `yaml:"c" required:"true"`
	}
	var lines []int
	var list fault.List
	errors.As(n.Decode(&out), &list)
	for _, e := range list {
		lines = append(lines, e.(*fault.Error).Line)
	}
	if !reflect.DeepEqual(lines, []int{2, 2, 3}) {
		t.Errorf("lines %v: %v", lines, list)
	}
	if _, err := Parse("m.sql", []byte("a: [\n"), ParseOptions{LineOffset: 4}); err == nil || !strings.HasPrefix(err.Error(), "m.sql:5:") {
		t.Errorf("syntax error: %v", err)
	}
}

func TestHostile(t *testing.T) {
	bomb := "a0: &a0 [x]\n"
	for i := 1; i < 30; i++ {
		p, c := string(rune('a'+i-1)), string(rune('a'+i))
		if i == 1 {
			p = "a0"
		}
		bomb += c + ": &" + c + " [" + strings.TrimSuffix(strings.Repeat("*"+p+", ", 9), ", ") + "]\n"
		if i == 20 {
			break
		}
	}
	for name, src := range map[string]string{
		"brackets": strings.Repeat("[", 200_000),
		"braces":   strings.Repeat("{a: ", 50_000),
		"dashes":   strings.Repeat("- ", 100_000) + "x",
		"keys":     strings.Repeat("? ", 100_000) + "x",
		"indent":   deepIndent(400),
		"tags":     "a: " + strings.Repeat("!!str ", 10_000) + "x",
		"bomb":     bomb,
		"NUL":      "a: \x00",
		"latin1":   "a: caf\xe9",
		"huge":     strings.Repeat("a", maxBytes+1),
	} {
		start := time.Now()
		_, err := Parse("x.yml", []byte(src), ParseOptions{})
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if len(err.Error()) > 2000 {
			t.Errorf("%s: a message of %d bytes", name, len(err.Error()))
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s took %s", name, d)
		}
	}
}

func deepIndent(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestDotEnv(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".env")
	if m, err := ReadDotEnv(path); err != nil || len(m) != 0 {
		t.Errorf("no file: %v %v", m, err)
	}
	os.WriteFile(path, []byte("\ufeffA=1\nexport B='two words' # note\nC=$NOT\n"), 0o600)
	m, err := ReadDotEnv(path)
	if err != nil || m["A"] != "1" || m["B"] != "two words" {
		t.Errorf("%v %v", m, err)
	}
	env := Env([]string{"A=real", "A2=x=y"}, m)
	for name, want := range map[string]string{"A": "real", "A2": "x=y", "B": "two words"} {
		if got, ok := env(name); !ok || got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if _, ok := os.LookupEnv("B"); ok {
		t.Error("the process environment was changed")
	}
	os.WriteFile(path, []byte("A=1\nPASSWORD hunter2\n"), 0o600)
	if _, err := ReadDotEnv(path); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("bad .env: %v", err)
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{"90s": 90 * time.Second, "7d": 7 * 24 * time.Hour, "1d6h": 30 * time.Hour, "0.5d": 12 * time.Hour, "1h30m": 90 * time.Minute, "0s": 0} {
		if got, ok := parseDuration(in); !ok || got != want {
			t.Errorf("%q = %v %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "5", "0", "-1s", "+1s", "1 day", "d", "1e3d", "nand", "infd", "1d-1h", "1d1d", "soon", "99999999h", "40000d"} {
		if got, ok := parseDuration(in); ok {
			t.Errorf("%q was taken as %v", in, got)
		}
	}
}

func TestBytesString(t *testing.T) {
	for in, want := range map[Bytes]string{0: "0B", 999: "999B", 1500: "1.5kB", 2e9: "2GB", 1 << 30: "1.1GB"} {
		if in.String() != want {
			t.Errorf("%d = %s, want %s", int64(in), in, want)
		}
	}
}

// FuzzParse: whatever the bytes, there is a value or a message, never a panic, and a message never without a place.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yml")
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	for _, s := range []string{"", "a", "- a", "a: &x [*x]", "? [a]\n: b", "<<: *a", "&a : b", "!!x", "%YAML 1.2\n---\na: 1\n...\n", "a: |\n b\n\tc", "\"\\u12", "a: >-\n\n\n x", "- - - - a: b", "*a : b", "a: {b: }", "{?}", "[,]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		n, err := Parse("f.yml", []byte(src), ParseOptions{Env: testEnv})
		if err == nil {
			err = n.Decode(&sample{})
		}
		if err == nil {
			return
		}
		var list fault.List
		list.Add(err)
		for _, e := range list {
			fe, ok := e.(*fault.Error)
			if !ok || fe.File == "" || fe.Line < 1 || fe.Msg == "" {
				t.Errorf("error without a place: %#v", e)
			}
		}
	})
}
