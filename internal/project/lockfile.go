package project

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"millrace/internal/atomicfile"
	"millrace/internal/config"
	"millrace/internal/fault"
)

// LockfileName is the record of the generated files. It belongs into git: without it `upgrade` cannot tell an edit from
// an old version.
const LockfileName = "millrace.lock"

// LockfileVersion is the format of millrace.lock that this binary writes.
const LockfileVersion = 1

// Lockfile is millrace.lock: which built-in version wrote which files, and their text as it was written. The text is
// kept (compressed) because a three-way merge needs it and nothing else has it: .millrace/ is not in git, and a binary
// knows only its own version.
type Lockfile struct {
	Version int                   `json:"version"`
	Builtin string                `json:"builtin_version"`
	With    []string              `json:"with,omitempty"` // what the project was started with: `init --with`
	Files   map[string]LockedFile `json:"files"`          // path with slashes, relative to the project
}

// LockedFile is one generated file as it was written.
type LockedFile struct {
	SHA256 string `json:"sha256"` // hex, of the text
	Base   string `json:"base"`   // the text, deflate and base64
}

func lock(text []byte) (LockedFile, error) {
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return LockedFile{}, fmt.Errorf("compress for %s: %w", LockfileName, err)
	}
	return LockedFile{SHA256: hash(text), Base: base64.StdEncoding.EncodeToString(buf.Bytes())}, nil
}

// maxGenerated bounds the size of one generated file, so that a damaged lock file cannot exhaust memory.
const maxGenerated = 16 << 20

// Text is the file as it was written. It fails when the record is damaged.
func (f LockedFile) Text() ([]byte, error) {
	packed, err := base64.StdEncoding.DecodeString(f.Base)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxGenerated+1))
	if err != nil {
		return nil, err
	}
	if hash(text) != f.SHA256 {
		return nil, errors.New("the text does not have the recorded SHA-256")
	}
	return text, nil
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// ReadLockfile reads millrace.lock of the project in dir. A project without one was not made by `init`: that is an
// error with what to do.
func ReadLockfile(dir string) (*Lockfile, error) {
	data, err := os.ReadFile(filepath.Join(dir, LockfileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Error{File: LockfileName, Msg: "is not there, so the built-in files cannot be told from yours",
			Hint: "Restore it from git; a project made by hand has none and cannot be upgraded."}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", LockfileName, err)
	}
	var l Lockfile
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, &fault.Error{File: LockfileName, Msg: "cannot be read", Err: err, Hint: "Restore it from git; it is not meant to be edited."}
	}
	if l.Version > LockfileVersion {
		return nil, &fault.Error{File: LockfileName, Key: "version", Value: fmt.Sprint(l.Version), Msg: "was written by a newer millrace", Hint: "Update the millrace binary."}
	}
	for path, f := range l.Files {
		if !fs.ValidPath(path) {
			return nil, &fault.Error{File: LockfileName, Key: "files", Value: path, Msg: "is not a path inside the project", Hint: "Restore the file from git."}
		}
		if _, err := f.Text(); err != nil {
			return nil, &fault.Error{File: LockfileName, Key: "files." + path, Msg: "is damaged", Err: err, Hint: "Restore the file from git."}
		}
	}
	return &l, nil
}

// write puts millrace.lock into dir: one line a file, so that a difference in git is readable.
func (l *Lockfile) write(dir string) error {
	data, err := json.MarshalIndent(l, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", LockfileName, err)
	}
	return atomicfile.Write(filepath.Join(dir, LockfileName), append(data, '\n'), 0o644)
}

// InitOptions describe what `init` writes.
type InitOptions struct {
	Builtin string   // version of the built-in files
	With    []string // recorded, so that upgrade offers the same set
	// Own are files that belong to the person from the start, such as sample data: written, but not followed by upgrade.
	Own map[string][]byte
}

// gitignored are the lines that every project's .gitignore needs: what is made, reports too, and what is secret.
func gitignored() []string { return []string{".millrace/", "out/", ".env"} }

const envExample = `# Copy this file to .env and fill it in. .env is not put into git; the real environment wins over it.
# Values are used in the project's files as ${NAME} or ${NAME:default}.
# NAME=value
`

// Init writes a new project into dir: files (path with slashes → text; millrace.yml must be among them), .gitignore,
// .env.example and millrace.lock, which follows all of files but millrace.yml: that one, like o.Own, belongs to the person from the start. It overwrites nothing: when a file is there with another text, every such file is
// named and nothing is written. Files with the same text are fine, so an interrupted init can be repeated; millrace.yml
// is written last. It returns the paths that it wrote.
func Init(dir string, files map[string][]byte, o InitOptions) ([]string, error) {
	if _, ok := files[FileName]; !ok {
		return nil, fmt.Errorf("init: the built-in files hold no %s", FileName)
	}
	l := &Lockfile{Version: LockfileVersion, Builtin: o.Builtin, With: o.With, Files: map[string]LockedFile{}}
	all := map[string][]byte{}
	for path, text := range o.Own {
		if !fs.ValidPath(path) {
			return nil, fmt.Errorf("init: %q is not a path inside a project", path)
		}
		all[path] = text
	}
	for path, text := range files {
		if !fs.ValidPath(path) {
			return nil, fmt.Errorf("init: %q is not a path inside a project", path)
		}
		all[path] = text
		if path == FileName {
			continue
		}
		entry, err := lock(text)
		if err != nil {
			return nil, err
		}
		l.Files[path] = entry
	}
	if _, ok := all[".env.example"]; !ok {
		all[".env.example"] = []byte(envExample)
	}
	ignore, err := gitignore(dir)
	if err != nil {
		return nil, err
	}
	var errs fault.List
	var todo []string
	for path, text := range all {
		have, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			todo = append(todo, path)
		case err != nil:
			errs.Add(&fault.Error{File: path, Msg: "is in the way", Err: err})
		case path == ".env.example": // a hint for people: theirs is as good
		case !bytes.Equal(have, text):
			errs.Add(&fault.Error{File: path, Msg: "is already there and would be overwritten"})
		}
	}
	if len(errs) > 0 {
		sort.Slice(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
		errs.Add(&fault.Error{Msg: "nothing was written to " + dir, Hint: "Choose an empty folder; a project that is already there follows a newer binary with `millrace upgrade`."})
		return nil, errs.Or()
	}
	sort.Slice(todo, func(i, j int) bool {
		if a, b := todo[i] == FileName, todo[j] == FileName; a != b {
			return b // millrace.yml last: it makes the folder a project
		}
		return todo[i] < todo[j]
	})
	for _, path := range todo {
		if path == FileName {
			if err := finishInit(dir, ignore, l); err != nil {
				return nil, err
			}
		}
		if err := writeInto(dir, path, all[path]); err != nil {
			return nil, fault.Wrap(err, "init")
		}
	}
	if len(todo) == 0 || todo[len(todo)-1] != FileName {
		if err := finishInit(dir, ignore, l); err != nil {
			return nil, err
		}
	}
	if ignore != nil {
		todo = append(todo, ".gitignore")
	}
	todo = append(todo, LockfileName)
	sort.Strings(todo)
	return todo, nil
}

func finishInit(dir string, ignore []byte, l *Lockfile) error {
	if ignore != nil {
		if err := writeInto(dir, ".gitignore", ignore); err != nil {
			return fault.Wrap(err, "init")
		}
	}
	return fault.Wrap(l.write(dir), "init")
}

// gitignore is the folder's .gitignore with the lines that a project needs; nil when it has them.
func gitignore(dir string) ([]byte, error) {
	have, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("init: read .gitignore: %w", err)
	}
	out := append([]byte(nil), have...)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	present := map[string]bool{}
	for _, line := range bytes.Split(have, []byte("\n")) {
		present[string(bytes.TrimSpace(line))] = true
	}
	changed := false
	for _, line := range gitignored() {
		if !present[line] {
			out, changed = append(out, line+"\n"...), true
		}
	}
	if !changed {
		return nil, nil
	}
	return out, nil
}

func writeInto(dir, path string, text []byte) error {
	full := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", path, err)
	}
	return atomicfile.Write(full, text, 0o644)
}

// Files reads every file of an embedded set below root into the form that Init and PlanUpgrade take; the paths in the
// project begin with prefix.
func Files(fsys fs.FS, root, prefix string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := fs.WalkDir(fsys, root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		rel := path
		if root != "." {
			rel = path[len(root)+1:]
		}
		if prefix != "" {
			rel = prefix + "/" + rel
		}
		out[rel] = text
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the built-in files: %w", err)
	}
	return out, nil
}

// Schema is the JSON Schema of millrace.yml.
func Schema() map[string]any { return config.Schema("Millrace project", &File{}) }
