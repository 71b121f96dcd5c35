// Package privacy finds erased people in rows: in what has landed, so that it can be taken out, and in what a source sends
// again, so that it does not come back. It knows people only by keyed hashes of their identifiers, so
// what it is made from tells nobody who was erased. It must not know files, streams' formats or where rows go.
package privacy

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"millrace/internal/normal"
)

// Kinds of identifiers by which rows are found. Telephone numbers are none of them: colleagues and families share them, and
// an erasure must never reach a stranger.
const (
	Email = "email" // value: the address as normal.Email's Exact
	ID    = "id"    // value: "<source>:<id>", an id that the source gives a person
)

// Verdict says what becomes of a row.
type Verdict int

// The verdicts.
const (
	Keep   Verdict = iota
	Redact         // the row stays, without what is personal in it
	Drop
)

// Mark stands in texts where an address was.
const Mark = "[erased]"

// Screen knows who was erased. It is safe for concurrent use.
type Screen struct {
	keyID func(kind, value string) string
	gone  map[string]bool
	norm  *normal.Normaliser
	keep  func(source string) bool
}

// New makes a screen. keyID is the keyed hash of an identifier, gone are the hashes of those that were erased, keep names
// the sources whose rows stay, without what is personal in them, because the law asks to keep them (invoices).
func New(norm *normal.Normaliser, keyID func(kind, value string) string, gone []string, keep func(source string) bool) *Screen {
	s := &Screen{keyID: keyID, gone: make(map[string]bool, len(gone)), norm: norm, keep: keep}
	for _, g := range gone {
		s.gone[g] = true
	}
	return s
}

// Empty reports whether nobody was erased: then no row needs a look.
func (s *Screen) Empty() bool { return s == nil || len(s.gone) == 0 }

// Column is what is known of a column: its name and its personal-data tag (email, phone, name, address, id, ip, free_text or
// none).
type Column struct{ Name, PII string }

// kind of look that a column gets.
type look int

const (
	lookText  look = iota // addresses inside
	lookEmail             // addresses, one or several
	lookID                // an id that the source gave, and addresses
	lookNone              // personal, but nobody is found by it
)

// Judge judges the rows of one stream.
type Judge struct {
	s       *Screen
	source  string
	columns []Column
	looks   []look
	subject bool // the stream has columns that say whom a row is about
	keep    bool
}

// Stream makes the judge of one stream's rows.
func (s *Screen) Stream(source string, columns []Column) *Judge {
	j := &Judge{s: s, source: source, columns: columns, looks: make([]look, len(columns)), keep: s.keep != nil && s.keep(source)}
	for i, c := range columns {
		switch {
		case c.PII == "email":
			j.looks[i] = lookEmail
		case c.PII == "id", c.PII == "" && idLike(c.Name):
			j.looks[i] = lookID
		case c.PII == "phone", c.PII == "name", c.PII == "address", c.PII == "ip":
			j.looks[i] = lookNone
		}
		j.subject = j.subject || c.PII == "email" || c.PII == "id"
	}
	return j
}

var idName = regexp.MustCompile(`(?i)(^|[._])(user|contact|customer|person|visitor|anonymous|distinct|member|lead|profile)_?(id|key)?$|^id$|e_?mail`)

// idLike reports whether an untagged column may say whom its row is about: a file that nobody has described.
func idLike(name string) bool { return idName.MatchString(name) }

// textOf is a cell as text, "" for what names nobody.
func textOf(c any) string {
	switch v := c.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case json.Number:
		return v.String()
	case json.RawMessage:
		return string(v)
	}
	return ""
}

// Row judges one row; cells are as in extract.Batch. On Redact the cells have been changed: nil where the value goes.
func (j *Judge) Row(cells []any) Verdict {
	about, mentioned := false, false
	for i, c := range cells {
		text := textOf(c)
		if text == "" {
			continue
		}
		switch j.looks[i] {
		case lookEmail:
			about = about || j.s.mentions(text)
		case lookID:
			for _, id := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == ',' }) {
				about = about || j.s.gone[j.s.keyID(ID, j.source+":"+strings.TrimSpace(id))]
			}
			about = about || strings.Contains(text, "@") && j.s.mentions(text)
		case lookText:
			mentioned = mentioned || strings.Contains(text, "@") && j.s.mentions(text)
		}
		if about {
			break
		}
	}
	switch {
	case !about && !mentioned:
		return Keep
	case !j.keep && (about || !j.subject):
		return Drop // about the person, or there is nothing else that the row could be about
	}
	for i, c := range cells {
		text := textOf(c)
		if text == "" {
			continue
		}
		switch {
		case j.columns[i].PII == "id": // needed to hold the kept rows together; whom it names is gone
		case about && j.looks[i] == lookEmail:
			cells[i] = j.s.company(text)
		case about && j.looks[i] == lookNone:
			cells[i] = nil
		case strings.Contains(text, "@"):
			if left := j.s.redact(text); left != text {
				cells[i] = sameKind(c, left)
			}
		}
	}
	return Redact
}

// sameKind keeps JSON JSON: the mark takes the place of an address inside a text of it.
func sameKind(c any, text string) any {
	if _, ok := c.(json.RawMessage); ok {
		return json.RawMessage(text)
	}
	return text
}

// Text judges a row that could only be kept as it was read: one in quarantine.
func (j *Judge) Text(raw string) bool { return strings.Contains(raw, "@") && j.s.mentions(raw) }

// address finds what may be an address inside a text. It is generous: what it finds is normalised before it is looked up.
var address = regexp.MustCompile(`[^\s"'<>(),;:\\{}\[\]=&?|]{1,64}@[\pL\pN.-]{1,253}`)

// longestText is how much of one cell is searched; what lies behind is personal data in no way that was meant.
const longestText = 4 << 20

func (s *Screen) mentions(text string) bool {
	if len(text) > longestText {
		text = text[:longestText]
	}
	for _, a := range address.FindAllString(text, -1) {
		if s.erased(a) {
			return true
		}
	}
	return false
}

func (s *Screen) redact(text string) string {
	return address.ReplaceAllStringFunc(text, func(a string) string {
		if s.erased(a) {
			return Mark + a[len(strings.TrimRight(a, ".")):] // the sentence keeps its full stop
		}
		return a
	})
}

// company leaves of an address what names a company and nobody in it: erased@acme.example, so that a kept invoice stays with
// its customer. Nothing is left of an address at a provider that anybody can use.
func (s *Screen) company(text string) any {
	e, ok := s.norm.Email(text)
	if !ok || e.Class != normal.EmailCorporate {
		return nil
	}
	return "erased@" + e.Domain
}

func (s *Screen) erased(a string) bool {
	e, ok := s.norm.Email(strings.TrimRight(a, "."))
	return ok && (s.gone[s.keyID(Email, e.Exact)] || e.Mailbox != "" && s.gone[s.keyID(Email, e.Mailbox)])
}
