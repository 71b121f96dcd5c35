package landing

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
	"unicode"
)

// MaxName is the longest slug, in bytes.
const MaxName = 63

var (
	namePattern   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	columnPattern = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
)

// ValidName reports whether s may be a path element and a relation name as it stands.
func ValidName(s string) bool { return namePattern.MatchString(s) }

// ValidColumn reports whether s may be a landed column as it stands: its own slug, and not an operational column.
func ValidColumn(s string) bool {
	return columnPattern.MatchString(s) && s != ColLoadID && s != ColExtractedAt && s != ColRowID && s != ColExtra
}

// Slug makes a name of a source, stream or column safe to be a path element and an identifier:
// [a-z][a-z0-9_]{0,62}. Camel case is split, other runs of characters become one underscore, accents are spelled out
// where that is customary (ü → ue, é → e). The result never holds a separator or a dot, so it cannot leave a folder.
// Names that are cut, or hold nothing that can be kept, end in a hash of the original, so that two different long names
// do not meet. It is deterministic.
func Slug(s string) string {
	var b strings.Builder
	var prev rune
	runes := []rune(s)
	for i, r := range runes {
		if t, ok := plain[unicode.ToLower(r)]; ok {
			if unicode.IsUpper(r) && unicode.IsLower(prev) {
				b.WriteByte('_')
			}
			b.WriteString(t)
			prev = r
			continue
		}
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case r >= 'A' && r <= 'Z':
			next := i+1 < len(runes) && runes[i+1] >= 'a' && runes[i+1] <= 'z'
			if prev >= 'a' && prev <= 'z' || prev >= '0' && prev <= '9' || prev >= 'A' && prev <= 'Z' && next {
				b.WriteByte('_')
			}
			b.WriteRune(r + 'a' - 'A')
		case unicode.Is(unicode.Mn, r): // a combining accent: the letter before it is enough
			continue
		default:
			b.WriteByte('_')
		}
		prev = r
	}
	out := squeeze(b.String())
	lost := out == "" || len(out) > MaxName
	if out == "" {
		out = "x"
	}
	if out[0] >= '0' && out[0] <= '9' {
		out = "n" + out
		lost = lost || len(out) > MaxName
	}
	if lost {
		h := fnv.New32a()
		h.Write([]byte(s))
		out = fmt.Sprintf("%s_%08x", strings.TrimRight(out[:min(len(out), MaxName-9)], "_"), h.Sum32())
	}
	return out
}

// squeeze collapses underscores and trims them from both ends.
func squeeze(s string) string {
	var b strings.Builder
	for _, part := range strings.Split(s, "_") {
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('_')
		}
		b.WriteString(part)
	}
	return b.String()
}

// ColumnNames slugs the columns of a stream. Names that collide get _2, _3 … in the order given, except that a name
// which already is its own slug keeps it; so the result depends on the list only. Taken holds names that are given
// already (by earlier loads: original → slug) and stay as they are. The operational columns are never given out.
func ColumnNames(originals []string, taken map[string]string) []string {
	used := map[string]bool{ColLoadID: true, ColExtractedAt: true, ColRowID: true, ColExtra: true}
	for _, s := range taken {
		used[s] = true
	}
	out := make([]string, len(originals))
	give := func(i int, slug string) {
		name := slug
		for n := 2; used[name]; n++ {
			suffix := fmt.Sprintf("_%d", n)
			name = slug[:min(len(slug), MaxName-len(suffix))] + suffix
		}
		used[name] = true
		out[i] = name
	}
	for i, o := range originals {
		if s, ok := taken[o]; ok {
			out[i] = s
		} else if columnPattern.MatchString(o) && !used[o] {
			give(i, o)
		}
	}
	for i, o := range originals {
		if out[i] == "" {
			give(i, Slug(o))
		}
	}
	return out
}

// plain spells letters outside a-z as people who have no such key on their keyboard do.
var plain = map[rune]string{
	'ä': "ae", 'ö': "oe", 'ü': "ue", 'ß': "ss", 'æ': "ae", 'ø': "oe", 'å': "aa", 'œ': "oe",
	'à': "a", 'á': "a", 'â': "a", 'ã': "a", 'ā': "a", 'ă': "a", 'ą': "a",
	'ç': "c", 'ć': "c", 'č': "c", 'ď': "d", 'đ': "d", 'ð': "d",
	'è': "e", 'é': "e", 'ê': "e", 'ë': "e", 'ē': "e", 'ė': "e", 'ę': "e", 'ě': "e",
	'ğ': "g", 'ì': "i", 'í': "i", 'î': "i", 'ï': "i", 'ī': "i", 'ı': "i", 'ķ': "k", 'ł': "l", 'ľ': "l", 'ļ': "l",
	'ñ': "n", 'ń': "n", 'ň': "n", 'ņ': "n", 'ò': "o", 'ó': "o", 'ô': "o", 'õ': "o", 'ő': "o", 'ō': "o",
	'ř': "r", 'ŕ': "r", 'ś': "s", 'š': "s", 'ş': "s", 'ș': "s", 'ť': "t", 'ţ': "t", 'ț': "t",
	'ù': "u", 'ú': "u", 'û': "u", 'ů': "u", 'ű': "u", 'ū': "u", 'ý': "y", 'ÿ': "y", 'ź': "z", 'ż': "z", 'ž': "z",
	'þ': "th", '€': "eur", '&': "_and_", '%': "_percent_", '#': "_number_",
}
