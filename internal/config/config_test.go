package config

import (
	"testing"
	"time"

	"millrace/internal/secret"
)

type inner struct {
	Columns string `yaml:"columns" enum:"evolve,freeze" default:"evolve"`
	Types   string `yaml:"data_type" enum:"evolve,freeze"`
}

func (c *inner) FromShort(s string) error { c.Columns, c.Types = s, s; return nil }
func (c *inner) ShortSchema() map[string]any {
	return map[string]any{"enum": []any{"evolve", "freeze"}}
}

type sample struct {
	Version  int            `yaml:"version" required:"true" min:"1"`
	Name     string         `yaml:"name" doc:"the name" required:"true"`
	Every    time.Duration  `yaml:"every" default:"10s"`
	Key      Strings        `yaml:"primary_key"`
	Contract inner          `yaml:"schema_contract"`
	Streams  Map[inner]     `yaml:"streams"`
	Raw      Node           `yaml:"config"`
	Token    secret.String  `yaml:"token"`
	Any      any            `yaml:"any"`
	Tags     []string       `yaml:"tags" default:"a,b"`
	Zone     TimeZone       `yaml:"zone" default:"UTC"`
	Cron     Cron           `yaml:"schedule"`
	Mem      Bytes          `yaml:"memory" default:"2GB"`
	On       *bool          `yaml:"on"`
	Vars     map[string]any `yaml:"vars"`
}

func TestSmoke(t *testing.T) {
	env := func(s string) (string, bool) {
		return map[string]string{"N": "5", "SEC": "hunter2"}[s], s == "N" || s == "SEC"
	}
	n, err := Parse("a.yml", []byte("version: ${N}\nname: x\nprimary_key: id\nschema_contract: freeze\nstreams:\n  b:\n  a: {columns: freeze}\ntoken: ${SEC}\nany: [1, {a: 2.5}]\nconfig: {p: \"${MISS}\"}\n"), ParseOptions{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	var s sample
	if err := n.Decode(&s); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v %v", s, s.Token.Reveal())
	var c struct {
		P string `yaml:"p"`
	}
	t.Log(s.Raw.Decode(&c))
	n, err = Parse("a.yml", []byte("versoin: 1\nname: 12\nevery: soon\ntoken: 12345\nschema_contract: frieze\nstreams: {a: {column: x}}\nzone: Mars\nschedule: '* *'\ntags: a\non: yes\nmemory: lots\nprimary_key: [a, 3,]\n"), ParseOptions{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + n.Decode(&s).Error())
	_, err = Parse("a.yml", []byte("a: 1\nb: {x: ${C}}\n"), ParseOptions{})
	t.Log(err)
	_, err = Parse("a.yml", []byte("a: {{ env_var('X') }}\n"), ParseOptions{})
	t.Log(err)
	_, err = Parse("a.yml", []byte("a: 1\na: 2\nb:\n  c: 1\n  c: 2\n"), ParseOptions{})
	t.Log(err)
}
