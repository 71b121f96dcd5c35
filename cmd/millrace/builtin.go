package main

import (
	"embed"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"sort"
	"strings"

	crm "millrace/examples/crm-opportunities"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/sql"
)

// builtinFS holds what a new project starts with beside its SQL: base/ always, with/<name>/ where `init --with` names it.
//
//go:embed all:builtin
var builtinFS embed.FS

// examples are whole projects that `init --example` can write; they take the place of the built-in files.
func examples() map[string]fs.FS {
	return map[string]fs.FS{"crm-opportunities": crm.Files}
}

// examplePrefix marks an example in millrace.lock's `with`, so that upgrade follows the example.
const examplePrefix = "example:"

// builtinSets lists what --with may name.
func builtinSets() ([]string, error) {
	items, err := fs.ReadDir(builtinFS, "builtin/with")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, "read the built-in files")
	}
	var names []string
	for _, it := range items {
		names = append(names, it.Name())
	}
	sort.Strings(names)
	return names, nil
}

// readsInstead names the sets that read a warehouse's tables where another set reads the tool itself.
func readsInstead() map[string]string {
	return map[string]string{"fivetran_hubspot": "hubspot", "fivetran_stripe": "stripe", "fivetran_ads": "google_ads"}
}

// toolSets are the sets that read tools themselves: any of them go together.
func toolSets() ([]string, error) {
	all, err := builtinSets()
	return slices.DeleteFunc(all, func(s string) bool { return readsInstead()[s] != "" }), err
}

// builtinFiles are the files of a project that was started with the named sets, by path: those that upgrade follows, and
// those that belong to the person from the start. A set wins over base, so it may bring its own version of a file.
func builtinFiles(with []string) (followed, own map[string][]byte, err error) {
	if len(with) == 1 && strings.HasPrefix(with[0], examplePrefix) {
		return exampleFiles(strings.TrimPrefix(with[0], examplePrefix))
	}
	known, err := builtinSets()
	if err != nil {
		return nil, nil, err
	}
	roots := []string{"builtin/base"}
	var errs fault.List
	for _, dump := range slices.Sorted(maps.Keys(readsInstead())) {
		direct := readsInstead()[dump]
		if has(with, dump) && has(with, direct) {
			errs.Add(&fault.Error{Key: "--with", Value: dump + "," + direct, Msg: "both fill the same relations of sql/staging, one from a warehouse's tables and one from the tool itself", Hint: "Choose one of them."})
		}
	}
	for _, w := range with {
		if !has(known, w) {
			hint := fault.DidYouMean(w, known)
			if len(known) == 0 {
				hint = "This binary has none: leave --with out."
			}
			errs.Add(&fault.Error{Key: "--with", Value: w, Msg: "unknown set of built-in files", Hint: hint})
			continue
		}
		roots = append(roots, "builtin/with/"+w)
	}
	if err := errs.Or(); err != nil {
		return nil, nil, err
	}
	followed, err = project.Files(sql.Files, ".", "sql")
	if err != nil {
		return nil, nil, err
	}
	for _, root := range roots {
		files, err := project.Files(builtinFS, root, "")
		if err != nil {
			return nil, nil, err
		}
		for path, text := range files {
			if path == envExample {
				text = joinEnv(followed[path], text)
			}
			followed[path] = text
		}
	}
	return followed, nil, nil
}

// envExample lists the variables of a project. Every set adds its own; all other files are whole.
const envExample = ".env.example"

// joinEnv appends the paragraphs of more that text does not have yet: two sets may need the same credentials.
func joinEnv(text, more []byte) []byte {
	split := func(b []byte) []string { return strings.Split(strings.TrimSpace(string(b)), "\n\n") }
	if len(text) == 0 {
		return more
	}
	out := split(text)
	for _, p := range split(more) {
		if !has(out, p) {
			out = append(out, p)
		}
	}
	return []byte(strings.Join(out, "\n\n") + "\n")
}

func exampleFiles(name string) (followed, own map[string][]byte, err error) {
	fsys, ok := examples()[name]
	if !ok {
		var known []string
		for k := range examples() {
			known = append(known, k)
		}
		return nil, nil, &fault.Error{Key: "--example", Value: name, Msg: "unknown example", Hint: fault.DidYouMean(name, known)}
	}
	followed, err = project.Files(fsys, ".", "")
	if err != nil {
		return nil, nil, err
	}
	own = map[string][]byte{}
	for path, text := range followed {
		if strings.HasPrefix(path, "data/") { // the sample: people put their own files there
			own[path] = text
			delete(followed, path)
		}
	}
	return followed, own, nil
}

func has(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
