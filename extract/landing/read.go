package landing

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Read reads the manifest of one load. It returns an error that wraps fs.ErrNotExist when the folder is not a committed load.
func Read(dir string) (Manifest, error) {
	path := filepath.Join(dir, ManifestName)
	data, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("read load: %w", err)
	}
	m, err := Parse(data)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", path, err)
	}
	m.Dir = dir
	return m, nil
}

// Parse decodes a manifest and migrates it to FormatVersion.
func Parse(data []byte) (Manifest, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Manifest{}, fmt.Errorf("not a manifest: %w. Restore the file from a backup, or move the load's folder away and extract again", err)
	}
	if head.Version > FormatVersion {
		return Manifest{}, fmt.Errorf("manifest version %d is newer than this millrace knows (%d). Use the millrace that wrote it, or a newer one", head.Version, FormatVersion)
	}
	if head.Version < 1 {
		return Manifest{}, fmt.Errorf("manifest has no version. Restore the file from a backup")
	}
	for v := head.Version; v < FormatVersion; v++ {
		up, ok := migrations[v]
		if !ok {
			return Manifest{}, fmt.Errorf("manifest version %d is older than this millrace can read. Run the previous release's extract once", v)
		}
		var err error
		if data, err = up(data); err != nil {
			return Manifest{}, fmt.Errorf("migrate manifest from version %d: %w", v, err)
		}
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("not a manifest: %w", err)
	}
	return m, nil
}

// migrations turn the bytes of version v into those of v+1. Entries stay for ever: landings outlive releases.
var migrations = map[int]func([]byte) ([]byte, error){}

// Encode renders the manifest as it is stored: indented, one trailing newline.
func (m Manifest) Encode() ([]byte, error) {
	m.FormatVersion = FormatVersion
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// Paths are the load's part files, absolute or relative as Dir is.
func (m Manifest) Paths() []string {
	out := make([]string, len(m.Files))
	for i, f := range m.Files {
		out[i] = filepath.Join(m.Dir, f.Name)
	}
	return out
}

// Sequence is the number in front of a load id, 0 when there is none.
func Sequence(loadID string) int64 {
	head, _, _ := strings.Cut(loadID, "-")
	n, err := strconv.ParseInt(head, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Loads returns the committed loads of one stream in commit order. Loads that a compaction replaced are left out.
// A stream that never landed has none. An unreadable manifest is an error: skipping it would lose rows in silence.
func Loads(rawDir, source, stream string) ([]Manifest, error) {
	if !ValidName(source) || !ValidName(stream) {
		return nil, fmt.Errorf("%q.%q is not the name of a landed stream: names match [a-z][a-z0-9_]{0,62}", source, stream)
	}
	dir := filepath.Join(rawDir, source, stream)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list loads of %s.%s: %w", source, stream, err)
	}
	var loads []Manifest
	gone := map[string]bool{}
	for _, e := range entries {
		if !e.IsDir() || Sequence(e.Name()) == 0 {
			continue
		}
		m, err := Read(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // not committed
		}
		if err != nil {
			return nil, err
		}
		loads = append(loads, m)
		for _, id := range m.Replaces {
			gone[id] = true
		}
	}
	kept := loads[:0]
	for _, m := range loads {
		if !gone[m.LoadID] {
			kept = append(kept, m)
		}
	}
	sort.Slice(kept, func(i, j int) bool {
		a, b := Sequence(kept[i].LoadID), Sequence(kept[j].LoadID)
		if a != b {
			return a < b
		}
		return kept[i].LoadID < kept[j].LoadID
	})
	return kept, nil
}

// List returns the committed loads of every stream below rawDir, keyed "source.stream", each in commit order.
func List(rawDir string) (map[string][]Manifest, error) {
	out := map[string][]Manifest{}
	sources, err := folders(rawDir)
	if err != nil {
		return nil, err
	}
	for _, source := range sources {
		streams, err := folders(filepath.Join(rawDir, source))
		if err != nil {
			return nil, err
		}
		for _, stream := range streams {
			loads, err := Loads(rawDir, source, stream)
			if err != nil {
				return nil, err
			}
			if len(loads) > 0 {
				out[source+"."+stream] = loads
			}
		}
	}
	return out, nil
}

func folders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && ValidName(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// Current returns the loads whose rows count now, of a stream's loads in commit order.
//
// A load with Starts begins a new generation. The newest generation that is complete counts, and what came before it
// does not; one that is still being read does not count yet. The loads of an append or merge stream that were
// never refreshed are a generation that is complete from the first load on. A replace stream that was never read to
// its end has none.
func Current(loads []Manifest) []Manifest {
	if len(loads) == 0 {
		return nil
	}
	var starts []int // of each generation
	for i, m := range loads {
		if m.Starts || i == 0 {
			starts = append(starts, i)
		}
	}
	for g := len(starts) - 1; g >= 0; g-- {
		end := len(loads)
		if g+1 < len(starts) {
			end = starts[g+1]
		}
		gen := loads[starts[g]:end]
		if !gen[0].Starts && gen[0].Disposition != Replace {
			return gen
		}
		for _, m := range gen {
			if m.Complete {
				return gen
			}
		}
	}
	return nil
}

// Union is the schema that holds the rows of all the loads: columns in order of first appearance, types widened,
// descriptions and tags of the newest load that has them. The primary key is the newest load's.
func Union(loads []Manifest) Schema {
	var out Schema
	at := map[string]int{}
	for _, m := range loads {
		for _, c := range m.Schema.Columns {
			i, ok := at[c.Name]
			if !ok {
				at[c.Name] = len(out.Columns)
				out.Columns = append(out.Columns, c)
				continue
			}
			have := out.Columns[i]
			merged := c
			switch {
			case c.Empty && !have.Empty:
				merged.Type, merged.Empty = have.Type, false
			case have.Empty || c.Empty:
				merged.Empty = have.Empty && c.Empty
			default:
				merged.Type = Widen(have.Type, c.Type)
			}
			if merged.PII == "" {
				merged.PII = have.PII
			}
			if merged.Description == "" {
				merged.Description = have.Description
			}
			out.Columns[i] = merged
		}
		if len(m.Schema.PrimaryKey) > 0 {
			out.PrimaryKey = m.Schema.PrimaryKey
		}
	}
	return out
}

// Group is a set of part files with the same columns and types, so that one reader serves them all.
type Group struct {
	Paths   []string
	Columns []Column // as the files hold them, without the operational columns; Type is the type in the files
}

// Groups sorts the part files of the loads by what they hold, in order of first appearance. A reader casts each
// group's columns to Union's types and fills the columns that it lacks with NULL. Empty columns are VARCHAR in files.
func Groups(loads []Manifest) []Group {
	var out []Group
	at := map[string]int{}
	for _, m := range loads {
		for _, f := range m.Files {
			var cols []Column
			var key strings.Builder
			for _, c := range m.Schema.Columns {
				if t, ok := f.Columns[c.Name]; ok {
					if t == "" {
						continue
					}
					c.Type = t
				}
				cols = append(cols, c)
				fmt.Fprintf(&key, "%s %s;", c.Name, c.Type)
			}
			i, ok := at[key.String()]
			if !ok {
				i = len(out)
				at[key.String()] = i
				out = append(out, Group{Columns: cols})
			}
			out[i].Paths = append(out[i].Paths, filepath.Join(m.Dir, f.Name))
		}
	}
	return out
}
