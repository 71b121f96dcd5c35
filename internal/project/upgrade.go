package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"millrace/internal/fault"
)

// Action is what upgrade does with one file.
type Action string

// The actions. Only Add, Update, Merge, Conflict and Remove change a file.
const (
	Add      Action = "add"      // new in this version
	Update   Action = "update"   // not edited: it follows
	Merge    Action = "merge"    // edited, and the built-in changed elsewhere in the file: both are kept
	Conflict Action = "conflict" // edited where the built-in changed too
	Remove   Action = "remove"   // not edited, and no longer built in
	Keep     Action = "keep"     // stays as it is; Reason says why
	Same     Action = "same"     // nothing to do
)

// FileChange is what an upgrade does with one file.
type FileChange struct {
	Path      string `json:"path"`
	Action    Action `json:"action"`
	Reason    string `json:"reason,omitempty"`    // for a person
	Conflicts int    `json:"conflicts,omitempty"` // places in the file
	text      []byte
}

// UpgradePlan is what would change, worked out without writing anything.
type UpgradePlan struct {
	From    string       `json:"from"` // built-in version that the project follows now
	To      string       `json:"to"`
	Changes []FileChange `json:"changes"` // by path; Same is left out

	dir  string
	next *Lockfile
}

// PlanUpgrade compares the project in dir with the built-in files of this binary.
func PlanUpgrade(dir string, files map[string][]byte, builtin string) (*UpgradePlan, error) {
	old, err := ReadLockfile(dir)
	if err != nil {
		return nil, err
	}
	p := &UpgradePlan{From: old.Builtin, To: builtin, dir: dir,
		next: &Lockfile{Version: LockfileVersion, Builtin: builtin, With: old.With, Files: map[string]LockedFile{}}}
	paths := map[string]bool{}
	for path := range old.Files {
		paths[path] = true
	}
	for path := range files {
		if !fs.ValidPath(path) {
			return nil, fmt.Errorf("upgrade: %q is not a path inside a project", path)
		}
		paths[path] = true
	}
	delete(paths, FileName)
	sorted := keys(paths)
	sort.Strings(sorted)
	var errs fault.List
	for _, path := range sorted {
		c, err := p.file(old, path, files)
		if err != nil {
			errs.Add(err)
			continue
		}
		if c.Action != Same {
			p.Changes = append(p.Changes, c)
		}
	}
	if err := errs.Or(); err != nil {
		return nil, err
	}
	return p, nil
}

// file judges one path and records in p.next what the project follows from now on.
func (p *UpgradePlan) file(old *Lockfile, path string, files map[string][]byte) (FileChange, error) {
	c := FileChange{Path: path, Action: Same}
	entry, known := old.Files[path]
	now, builtIn := files[path]
	onDisk, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(path)))
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, &fault.Error{File: path, Msg: "cannot be read", Err: err}
	}
	// A checkout with Windows line ends is not an edit.
	mine, crlf := "", false
	if exists {
		mine = string(onDisk)
		if crlf = strings.Contains(mine, "\r\n"); crlf {
			mine = strings.ReplaceAll(mine, "\r\n", "\n")
		}
		for i, line := range strings.Split(mine, "\n") {
			if strings.HasPrefix(line, markYours) {
				return c, &fault.Error{File: path, Line: i + 1, Msg: "still holds a conflict of an earlier upgrade", Hint: "Resolve it and remove the marker lines, then run `millrace upgrade` again."}
			}
		}
	}
	put := func(action Action, text string) {
		c.Action = action
		if crlf {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		c.text = []byte(text)
	}
	if builtIn {
		next, err := lock(now)
		if err != nil {
			return c, err
		}
		// A file of the person's own that happens to have the name of a new built-in one stays theirs.
		if own := !known && exists && mine != string(now); !own {
			p.next.Files[path] = next
		}
	}
	var base string
	if known {
		text, err := entry.Text()
		if err != nil {
			return c, &fault.Error{File: LockfileName, Key: "files." + path, Msg: "is damaged", Err: err}
		}
		base = string(text)
	}
	switch {
	case !known && !exists:
		put(Add, string(now))
	case !known && mine != string(now):
		c.Action, c.Reason = Keep, "a file of your own has the name of a new built-in file"
	case !known:
		// the same text already: followed from now on
	case builtIn && !exists:
		c.Action, c.Reason = Keep, "you deleted it"
		if base == string(now) {
			c.Action = Same
		}
	case builtIn && (base == string(now) || mine == string(now)):
		// the built-in did not change, or the person made the same change
	case builtIn && mine == base:
		put(Update, string(now))
	case builtIn:
		merged, conflicts := merge3(base, mine, string(now))
		put(Merge, merged)
		if c.Conflicts = conflicts; conflicts > 0 {
			c.Action = Conflict
		}
	case !exists:
		// no longer built in, and not there: forgotten
	case mine == base:
		c.Action = Remove
	default:
		c.Action, c.Reason = Keep, "it is no longer built in; you edited it, so it is yours"
	}
	return c, nil
}

// Empty reports whether applying the plan would change no file.
func (p *UpgradePlan) Empty() bool {
	for _, c := range p.Changes {
		if c.Action != Keep {
			return false
		}
	}
	return true
}

// Conflicting lists the files that both sides changed in the same place.
func (p *UpgradePlan) Conflicting() []string {
	var paths []string
	for _, c := range p.Changes {
		if c.Action == Conflict {
			paths = append(paths, c.Path)
		}
	}
	return paths
}

// Apply writes the plan. With conflicts it writes nothing and says so, unless withConflicts is set: then those files
// get conflict markers. Each file is replaced whole; millrace.lock comes last, and an upgrade that was interrupted is
// finished by planning and applying again (a merge that was already written may then be shown as a conflict where its lines repeat;
// nothing is lost).
func (p *UpgradePlan) Apply(withConflicts bool) error {
	if paths := p.Conflicting(); len(paths) > 0 && !withConflicts {
		return &fault.Error{Msg: "both you and the new version changed the same lines of " + strings.Join(paths, ", "), Exit: fault.ExitHandled,
			Hint: "Nothing was written. Run `millrace upgrade --write-conflicts` to get both versions with markers, then resolve them."}
	}
	// Files with markers last: until millrace.lock follows, planning again would see the markers as an open conflict.
	for _, last := range []bool{false, true} {
		for _, c := range p.Changes {
			if (c.Action == Conflict) != last {
				continue
			}
			switch c.Action {
			case Add, Update, Merge, Conflict:
				if err := writeInto(p.dir, c.Path, c.text); err != nil {
					return fault.Wrap(err, "upgrade")
				}
			case Remove:
				if err := os.Remove(filepath.Join(p.dir, filepath.FromSlash(c.Path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("upgrade: remove %s: %w", c.Path, err)
				}
			}
		}
	}
	return fault.Wrap(p.next.write(p.dir), "upgrade")
}
