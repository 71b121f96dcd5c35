package normal

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// ChannelRule names the channel of a visit by its tags. Patterns are words between blanks of which one must fit; * stands for
// any letters, so "*" fits anything and "paid*" what begins so; "-" fits a tag that is not there; @name is a list of the file.
type ChannelRule struct {
	Medium, Source, Campaign string
	Channel                  string
	Paid                     bool
}

// channel is a rule, made ready: words that must be equal, and words with stars.
type channel struct {
	medium, source, campaign pattern
	name                     string
	paid                     bool
}

type pattern struct {
	any, none bool // anything fits; a tag that is not there fits
	words     map[string]bool
	globs     []string
}

func newPattern(s string) pattern {
	p := pattern{any: s == "*", words: map[string]bool{}}
	for w := range strings.FieldsSeq(s) {
		switch {
		case w == "-":
			p.none = true
		case strings.Contains(w, "*"):
			p.globs = append(p.globs, w)
		default:
			p.words[w] = true
		}
	}
	return p
}

// fits reports whether one word of the pattern fits the tag.
func (p *pattern) fits(tag string) bool {
	switch {
	case p.any:
		return true
	case tag == "":
		return p.none
	}
	return p.words[tag] || slices.ContainsFunc(p.globs, func(w string) bool { return globs(w, tag) })
}

func (r ChannelRule) ready() channel {
	return channel{newPattern(r.Medium), newPattern(r.Source), newPattern(r.Campaign), r.Channel, r.Paid}
}

// Campaign holds the tags of a visit in one spelling, and the channel that they mean.
type Campaign struct {
	Source, Medium, Campaign string
	Channel                  string // empty when no rule knows the tags
	Paid                     bool
}

// Campaign reads the tags of a visit. Tags that a tool left unfilled ("(not set)", "{{campaign.name}}") are not there.
func (n *Normaliser) Campaign(source, medium, campaign string) Campaign {
	c := Campaign{Source: n.tag("source", source), Medium: n.tag("medium", medium), Campaign: n.tag("campaign", campaign)}
	for i := range n.channels {
		r := &n.channels[i]
		if r.medium.fits(c.Medium) && r.source.fits(c.Source) && r.campaign.fits(c.Campaign) {
			c.Channel, c.Paid = r.name, r.paid
			break
		}
	}
	return c
}

// Tag is a tag of a campaign (kind source, medium or campaign) by convention: lower case, _ for blanks, known aliases in one
// word (fb is facebook, ppc is cpc).
func (n *Normaliser) Tag(kind, s string) (string, bool) {
	t := n.tag(kind, s)
	return t, t != ""
}

func (n *Normaliser) tag(kind, s string) string {
	if len(s) > maxName {
		return ""
	}
	// Tools escape what is escaped already and quote what is quoted: each round takes one layer off, until nothing changes.
	for {
		t, ok := tidy(unescapeTag(s), maxName)
		if !ok {
			return ""
		}
		t = strings.Trim(strings.ReplaceAll(strings.ToLower(t), " ", "_"), "_\"'()")
		if kind == "source" {
			t = strings.TrimPrefix(t, "www.")
		}
		if t == s {
			break
		}
		s = t
	}
	if unfilled(s) {
		return ""
	}
	if t, ok := n.tags[kind][s]; ok {
		return t
	}
	return s
}

// unescapeTag reads %20 and + as blanks.
func unescapeTag(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	t, err := url.QueryUnescape(fixEscapes(s))
	if err != nil {
		return s
	}
	return t
}

// unfilled reports what tools write when they have no value, and placeholders that they did not fill.
func unfilled(s string) bool {
	switch s {
	case "", "not_set", "not_provided", "notset", "null", "undefined", "nan", "n/a", "na", "unknown", "-", "--":
		return true
	}
	return strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") || strings.HasPrefix(s, "__") && strings.HasSuffix(s, "__") ||
		strings.HasPrefix(s, "%7b") || strings.HasPrefix(s, "$") || strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]")
}

// globs reports whether a text fits a word with stars.
func globs(w, s string) bool {
	parts := strings.Split(w, "*")
	if len(parts) == 1 {
		return w == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

func (n *Normaliser) loadWeb() error {
	_, rows, err := readList("tracking")
	if err != nil {
		return err
	}
	n.tracking.names = map[string]bool{}
	for _, r := range rows {
		for w := range strings.FieldsSeq(r[0]) {
			if p, ok := strings.CutSuffix(w, "*"); ok {
				n.tracking.prefixes = append(n.tracking.prefixes, p)
			} else {
				n.tracking.names[w] = true
			}
		}
	}
	if _, rows, err = readList("channels"); err != nil {
		return err
	}
	n.tags = map[string]map[string]string{"source": {}, "medium": {}, "campaign": {}}
	lists := map[string]string{}
	for _, r := range rows {
		switch r[0] {
		case "alias": // alias ; kind ; word ; other words
			for _, w := range strings.Fields(r[3]) {
				n.tags[r[1]][w] = r[2]
			}
		case "list": // list ; @name ; words
			lists[r[1]] += " " + r[2]
		case "rule": // rule ; medium ; source ; campaign ; channel ; paid
			if len(r) != 6 || r[5] != "paid" && r[5] != "free" {
				return fmt.Errorf("list channels: %v is no rule", r)
			}
			rule := ChannelRule{Medium: r[1], Source: r[2], Campaign: r[3], Channel: r[4], Paid: r[5] == "paid"}
			for name, words := range lists {
				rule.Medium, rule.Source = strings.ReplaceAll(rule.Medium, name, words), strings.ReplaceAll(rule.Source, name, words)
			}
			n.channels = append(n.channels, rule.ready())
		default:
			return fmt.Errorf("list channels: a line begins with %q, want alias, list or rule", r[0])
		}
	}
	return nil
}

// addChannels puts a team's rules before the built-in ones. One that says what is built in anyway is left out: the built-in
// rules look at the source too.
func (n *Normaliser) addChannels(rules []ChannelRule) {
	var own []channel
	for _, r := range rules {
		r.Medium, r.Source, r.Campaign = orAny(n.tagPattern("medium", r.Medium)), orAny(n.tagPattern("source", r.Source)), orAny(n.tagPattern("campaign", r.Campaign))
		known := Campaign{}
		if r.Source == "*" && r.Campaign == "*" {
			known = n.Campaign("", strings.TrimSuffix(r.Medium, "*"), "")
		}
		if known.Channel != r.Channel || known.Paid != r.Paid {
			own = append(own, r.ready())
		}
	}
	n.channels = slices.Concat(own, n.channels)
}

func orAny(pattern string) string {
	if pattern == "" {
		return "*"
	}
	return pattern
}

// tagPattern spells a pattern as tags are spelled; patterns with stars and lists of words stay.
func (n *Normaliser) tagPattern(kind, p string) string {
	if strings.ContainsAny(p, "* ") || p == "-" {
		return strings.ToLower(p)
	}
	return n.tag(kind, p)
}
