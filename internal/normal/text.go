package normal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mozillazg/go-unidecode"
	"golang.org/x/text/unicode/norm"
)

// Longest values that are read, in bytes. Beyond them a value is junk: reading its beginning would make two pieces of junk
// alike.
const (
	maxEmail   = 320 // 64 + @ + 255 (RFC 5321)
	maxPhone   = 120
	maxName    = 1000
	maxAddress = 2000
	maxURL     = 8192
	maxWord    = 200
)

// tidy brings text to NFKC with single blanks: signs that cannot be seen (zero width, direction marks, soft hyphens) go,
// control characters are blanks. Text that is too long or has nothing in it is not there.
func tidy(s string, limit int) (string, bool) {
	if len(s) > limit {
		return "", false
	}
	if plainASCII(s) {
		return s, s != ""
	}
	s = norm.NFKC.String(strings.ToValidUTF8(s, " "))
	var b strings.Builder
	b.Grow(len(s))
	gap, removed := false, false
	for _, r := range s {
		switch {
		case r > 0x20 && r < 0x7f, r > 0xad && r < 0x300: // most letters of Europe
		case invisible(r):
			removed = true
			continue
		case unicode.IsSpace(r), unicode.IsControl(r), r == utf8.RuneError, unicode.Is(unicode.Z, r):
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte(' ')
		}
		gap = false
		b.WriteRune(r)
	}
	out := b.String()
	if removed { // what was taken out may leave signs that combine with each other
		out = norm.NFKC.String(out)
	}
	return out, out != "" && len(out) <= limit
}

// plainASCII reports whether tidy has nothing to do: printable ASCII, single blanks inside only.
func plainASCII(s string) bool {
	blank := true
	for i := range len(s) {
		c := s[i]
		if c < 0x20 || c >= 0x7f || c == ' ' && blank {
			return false
		}
		blank = c == ' '
	}
	return !blank || s == ""
}

// invisible reports whether a character has neither width nor meaning in a name: format characters, variation selectors,
// fillers.
func invisible(r rune) bool {
	switch {
	case unicode.Is(unicode.Cf, r), r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef, r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0, r == 0x034f:
		return true
	}
	return false
}

// fold is text for keys: ASCII in lower case, transliterated from any script. Words keep their blanks.
func fold(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(s)
	}
	s = strings.ToLower(norm.NFC.String(s))
	out := make([]byte, 0, len(s)+8)
	gap := false
	put := func(t string) {
		for i := range len(t) {
			c := t[i]
			switch {
			case c == ' ' || c >= 0x80 || c < 0x20: // what the table does not know is nothing
				gap = true
				continue
			case c >= 'A' && c <= 'Z':
				c += 'a' - 'A'
			}
			if gap && len(out) > 0 {
				out = append(out, ' ')
			}
			gap = false
			out = append(out, c)
		}
	}
	for i, r := range s {
		if r < 0x80 {
			put(s[i : i+1])
		} else if t, ok := latin(r); ok {
			put(t)
		} else {
			put(unidecode.Unidecode(string(r)))
		}
	}
	return string(out)
}

// latin is how people write a letter in Latin where the table of go-unidecode writes it in a scholar's way.
func latin(r rune) (string, bool) {
	switch r {
	case 'й':
		return "y", true
	case 'ю':
		return "yu", true
	case 'я':
		return "ya", true
	case 'ё':
		return "e", true
	case 'х':
		return "kh", true
	case 'ц':
		return "ts", true
	case 'щ':
		return "shch", true
	case 'ь', 'ъ', 'ʼ', '’', '‘', '`', '´', 'ʻ', 'ʹ':
		return "", true
	case 'є':
		return "ye", true
	case 'ї':
		return "yi", true
	case 'і':
		return "i", true
	case 'ґ':
		return "g", true
	case 'đ', 'ð':
		return "d", true
	case 'þ':
		return "th", true
	case 'ı':
		return "i", true
	}
	return "", false
}

// alnum keeps letters and digits of folded text.
func alnum(s string) string {
	clean := true
	for i := range len(s) {
		if !letterOrDigit(s[i]) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if letterOrDigit(s[i]) {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func letterOrDigit(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// umlauts takes two spellings of one letter to one: Müller, Mueller and Muller. The pair must stand between consonants, or
// begin the word, and must not end it, nor stand before a last l or s: Bauer, Queen, Monroe, Blue, Samuel and Joes stay.
func umlauts(s string) string {
	if !strings.Contains(s, "ae") && !strings.Contains(s, "oe") && !strings.Contains(s, "ue") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		b = append(b, s[i])
		pair := i+2 < len(s) && s[i+1] == 'e' && (s[i] == 'a' || s[i] == 'o' || s[i] == 'u')
		if pair && (i == 0 || !vowel(s[i-1]) && s[i-1] != 'q') && letterOrDigit(s[i+2]) && !vowel(s[i+2]) &&
			!(i+3 == len(s) && (s[i+2] == 'l' || s[i+2] == 's')) {
			i++
		}
	}
	return string(b)
}

func vowel(c byte) bool { return strings.IndexByte("aeiouy", c) >= 0 }
