package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"millrace/internal/project"
)

// TestExamplesAreWhole: everything in an example's rooms is embedded, and what a run makes is not.
func TestExamplesAreWhole(t *testing.T) {
	for name := range examples() {
		followed, own, err := exampleFiles(name)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join("../../examples", name)
		seen := 0
		err = fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
			top := strings.SplitN(p, "/", 2)[0]
			switch {
			case err != nil:
				return err
			case p != "." && (strings.HasPrefix(d.Name(), ".") || top == "out" || top == "gen"):
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			case d.IsDir() || path.Ext(p) == ".go":
				return nil
			}
			seen++
			if followed[p] == nil && own[p] == nil {
				t.Errorf("examples/%s/%s is not embedded: add its folder to go:embed in examples/%s/example.go", name, p, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if seen < 10 || len(followed)+len(own) != seen {
			t.Errorf("%s: %d files on disk, %d followed and %d own", name, seen, len(followed), len(own))
		}
	}
}

// TestBuiltinFilesAreFilesOfAProject: only rooms and the files at the top, nothing of ours.
func TestBuiltinFilesAreFilesOfAProject(t *testing.T) {
	files, _, err := builtinFiles(nil)
	if err != nil {
		t.Fatal(err)
	}
	for p := range files {
		switch top := strings.SplitN(p, "/", 2)[0]; top {
		case "extract", "sql", "models", "activate", "reports", "README.md", envExample, project.FileName:
		default:
			t.Errorf("init would write %s", p)
		}
		if path.Ext(p) == ".go" {
			t.Errorf("init would write %s", p)
		}
	}
	if len(files) < 10 {
		t.Errorf("only %d files", len(files))
	}
}
