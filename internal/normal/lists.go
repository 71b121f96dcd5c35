package normal

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

//go:embed data/*.txt
var files embed.FS

// List describes one of the lists that functions read.
type List struct {
	Name    string // file below data/ without its ending, or a library
	Source  string // who says so
	Version string
	Digest  string // of the content, for lists that are files
	Rows    int
}

// Lists describes every list, sorted by name: files of this package and the libraries whose tables are used.
func Lists() []List {
	entries, err := files.ReadDir("data")
	if err != nil {
		panic("built-in lists: " + err.Error()) // embedded: cannot happen
	}
	var out []List
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".txt")
		head, rows, err := readList(name)
		if err != nil {
			panic("built-in lists: " + err.Error()) // embedded, and a test reads them all
		}
		head.Rows = len(rows)
		out = append(out, head)
	}
	out = append(out, libraries()...)
	slices.SortFunc(out, func(a, b List) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// libraries are tables that come with modules: their versions are the modules'.
func libraries() []List {
	return []List{
		{Name: "phone metadata", Source: "Google libphonenumber, by github.com/nyaruka/phonenumbers", Version: phoneMetadata},
		{Name: "public suffixes", Source: "publicsuffix.org, by golang.org/x/net/publicsuffix", Version: suffixList()},
		{Name: "country names", Source: "Unicode CLDR, by golang.org/x/text/language/display", Version: cldr()},
		{Name: "internationalised domain names", Source: "Unicode UTS 46, by golang.org/x/net/idna", Version: "Unicode " + idnaUnicode()},
		{Name: "transliteration", Source: "github.com/mozillazg/go-unidecode", Version: transliteration()},
	}
}

// readList reads a file of data/: lines that begin with # are the header ("# source: ...", "# version: ...") or remarks.
// Cells stand between semicolons.
func readList(name string) (List, [][]string, error) {
	l := List{Name: name}
	text, err := files.ReadFile("data/" + name + ".txt")
	if err != nil {
		return l, nil, fmt.Errorf("list %s: %w", name, err)
	}
	sum := sha256.Sum256(text)
	l.Digest = hex.EncodeToString(sum[:6])
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "#"); ok {
			key, value, _ := strings.Cut(strings.TrimSpace(rest), ":")
			switch key {
			case "source":
				l.Source = strings.TrimSpace(value)
			case "version":
				l.Version = strings.TrimSpace(value)
			}
			continue
		}
		if line == "" {
			continue
		}
		cells := strings.Split(line, ";")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if l.Source == "" || l.Version == "" {
		return l, nil, fmt.Errorf("list %s: its header names no source or no version", name)
	}
	return l, rows, nil
}

// words reads a list whose lines hold words between blanks.
func words(name string) (map[string]bool, error) {
	_, rows, err := readList(name)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, r := range rows {
		for w := range strings.FieldsSeq(strings.Join(r, " ")) {
			out[w] = true
		}
	}
	return out, nil
}
