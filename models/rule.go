package models

import (
	"regexp"
	"strings"

	"millrace/internal/fault"
)

// branch is one `predicate -> action` of a short rule.
type branch struct{ When, Action string }

// parseShort reads `score > 80 -> sales, score > 50 -> inside_sales, else nurture`.
func parseShort(text string) (branches []branch, otherwise string, err error) {
	for _, part := range splitTop(text, ',') {
		part = strings.TrimSpace(part)
		if rest, ok := cutWord(part, "else"); ok {
			if otherwise != "" {
				return nil, "", &fault.Error{Msg: "the rule has two `else`", Value: part, Hint: "Keep one, at the end."}
			}
			if !actionName.MatchString(rest) {
				return nil, "", notAnAction(rest)
			}
			otherwise = rest
			continue
		}
		i := lastArrow(part)
		if i < 0 {
			return nil, "", &fault.Error{Msg: "this part of the rule has no `->`", Value: part,
				Hint: "Write `condition -> action, else action`, for example: score > 80 -> sales, else nurture."}
		}
		b := branch{When: strings.TrimSpace(part[:i]), Action: strings.TrimSpace(part[i+2:])}
		if otherwise != "" {
			return nil, "", &fault.Error{Msg: "nothing can follow `else`", Value: part, Hint: "Put `else` last."}
		}
		if !actionName.MatchString(b.Action) {
			return nil, "", notAnAction(b.Action)
		}
		if err := checkPredicate(b.When); err != nil {
			return nil, "", err
		}
		branches = append(branches, b)
	}
	if len(branches) == 0 {
		return nil, "", &fault.Error{Msg: "the rule has no condition", Value: text, Hint: "Write `condition -> action, else action`."}
	}
	if otherwise == "" {
		return nil, "", &fault.Error{Msg: "the rule does not say what to do otherwise", Value: text, Hint: "End it with `, else nurture` (or another action); a policy always answers."}
	}
	return branches, otherwise, nil
}

var actionName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

func notAnAction(s string) error {
	return &fault.Error{Msg: "not the name of an action", Value: s, Hint: "Use lower-case letters, digits and _, for example inside_sales."}
}

func cutWord(s, word string) (string, bool) {
	if len(s) <= len(word) || !strings.EqualFold(s[:len(word)], word) || !strings.ContainsAny(s[len(word):len(word)+1], " \t\n") {
		return "", false
	}
	return strings.TrimSpace(s[len(word):]), true
}

// lastArrow finds the last `->` outside quotes and brackets: earlier ones may be DuckDB's JSON operator.
func lastArrow(s string) int {
	at := -1
	scan(s, func(i int, depth int) bool {
		if depth == 0 && strings.HasPrefix(s[i:], "->") && !strings.HasPrefix(s[i:], "->>") {
			at = i
		}
		return true
	})
	return at
}

func splitTop(s string, sep byte) []string {
	var out []string
	from := 0
	scan(s, func(i, depth int) bool {
		if depth == 0 && s[i] == sep {
			out = append(out, s[from:i])
			from = i + 1
		}
		return true
	})
	return append(out, s[from:])
}

// scan calls f for every byte of SQL text outside quotes and comments, with the depth of brackets. It returns what is left open:
// "'", `"`, "/*" or "(" when the text ends inside, ")" when a bracket closes that was not opened, "" when all is well.
func scan(s string, f func(i, depth int) bool) string {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'' || c == '"':
			end := i + 1
			for ; end < len(s); end++ {
				if s[end] == c {
					if end+1 < len(s) && s[end+1] == c {
						end++
						continue
					}
					break
				}
			}
			if end >= len(s) {
				return string(c)
			}
			i = end
			continue
		case strings.HasPrefix(s[i:], "--"):
			if nl := strings.IndexByte(s[i:], '\n'); nl >= 0 {
				i += nl
				continue
			}
			return ""
		case strings.HasPrefix(s[i:], "/*"):
			end := strings.Index(s[i+2:], "*/")
			if end < 0 {
				return "/*"
			}
			i += end + 3
			continue
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			if depth--; depth < 0 {
				return ")"
			}
		}
		if !f(i, depth) {
			return ""
		}
	}
	if depth > 0 {
		return "("
	}
	return ""
}

// volatile are functions whose answer is not in the build: a decision that used them could not be made again (P4).
var volatile = []string{"now", "current_timestamp", "current_date", "current_time", "today", "localtime", "localtimestamp",
	"get_current_timestamp", "transaction_timestamp", "random", "setseed", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "nextval"}

// checkPredicate refuses text that is not one condition: DuckDB checks the rest when it sees the columns.
func checkPredicate(p string) error {
	if strings.TrimSpace(p) == "" {
		return &fault.Error{Msg: "the condition is empty", Hint: "Write a SQL condition over the columns of the relation, for example score > 80."}
	}
	semicolon := false
	open := scan(p, func(i, _ int) bool {
		semicolon = semicolon || p[i] == ';'
		return true
	})
	switch {
	case open == "'" || open == `"`:
		return &fault.Error{Msg: "the condition has a quote that is not closed", Value: p, Hint: "Close the quote."}
	case open != "":
		return &fault.Error{Msg: "the brackets of the condition do not match", Value: p, Hint: "Give every bracket its partner."}
	case semicolon:
		return &fault.Error{Msg: "a condition is one expression, without `;`", Value: p, Hint: "Remove the semicolon."}
	}
	for _, w := range words(p) {
		for _, v := range volatile {
			if strings.EqualFold(w, v) {
				return &fault.Error{Msg: "the condition uses " + v + ", so the same data would be decided on differently later", Value: p,
					Hint: "Compute the age or the date in the SQL of the relation, from the run's logical time."}
			}
		}
	}
	return nil
}

// words lists the identifiers of SQL text, quoted ones without their quotes, in order of appearance.
func words(s string) []string {
	var out []string
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\'':
			i = skipQuoted(s, i)
		case c == '"':
			end := skipQuoted(s, i)
			if end-1 > i {
				out = append(out, strings.ReplaceAll(s[i+1:end-1], `""`, `"`))
			}
			i = end
		case isWord(c) && !(c >= '0' && c <= '9'):
			end := i
			for end < len(s) && isWord(s[end]) {
				end++
			}
			out = append(out, s[i:end])
			i = end
		case c >= '0' && c <= '9':
			for i < len(s) && (isWord(s[i]) || s[i] == '.') {
				i++
			}
		default:
			i++
		}
	}
	return out
}

func skipQuoted(s string, i int) int {
	q := s[i]
	for i++; i < len(s); i++ {
		if s[i] == q {
			if i+1 < len(s) && s[i+1] == q {
				i++
				continue
			}
			return i + 1
		}
	}
	return len(s)
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// numbers finds the numeric literals of a condition: where they begin and end.
func numbers(s string) [][2]int {
	var out [][2]int
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\'' || c == '"':
			i = skipQuoted(s, i)
		case c >= '0' && c <= '9':
			end := i
			for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.') {
				end++
			}
			out = append(out, [2]int{i, end})
			i = end
		case isWord(c):
			for i < len(s) && isWord(s[i]) {
				i++
			}
		default:
			i++
		}
	}
	return out
}
