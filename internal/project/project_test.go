package project

import (
	"os"
	"path/filepath"
	"testing"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"millrace.yml":    "version: 1\nname: demo\ntargets:\n  staging:\n    threads: 2\nvars: {a: 1}\n",
		"extract/crm.yml": "version: 1\nconnector: file\nconfig: {path: \"${CRM_DATA:data}\"}\nstreams:\n  accounts:\n    primary_key: account\n    columns: {account: varchar, revenue: {type: decimal}}\n    schema_contract: freeze\n  ../x: {}\n",
		"reports/w.yml":   "version: 1\n",
		"reports/m.md":    "---\na: 1\n---\nHello\n",
	})
	p, err := Load(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var c StreamConfig
	if err := p.Sources[0].Streams[0].Node.Decode(&c); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v %+v", p.Sources[0].Streams, c.Schema())
	t.Logf("%+v", p.Reports[0])
	write(t, dir, map[string]string{"extract/b.yaml": "version: 2\nsource: crm\nconector: file\n", "models/x.sql": "select 1", "extract/c.yml": "version: 1\nsource: crm\nconnector: x\nstreams: {a b: {}, a_b: {}}\n", "millrace.yml": "version: 1\ntime_zone: Mars\ncurrency: EURO\nschedule: x\n"})
	_, err = Load(dir, Options{Target: "prd"})
	t.Log("\n" + err.Error())
	_, err = Find(t.TempDir())
	t.Log(err)
}
