package match

import "strings"

// mailboxNames tells what of a mailbox name is made of its owner's name, and so says nothing that the name does not say.
type mailboxNames struct{ v *view }

// umlauts are written in mailbox names with an e that names without accents do not have: boehm, bohm.
var umlauts = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u")

// rest is how many letters a mailbox name has beside the names, and the names in full, of record i.
func (m mailboxNames) rest(i int, local string) int {
	v := m.v
	local = umlauts.Replace(local)
	for _, w := range v.names.of(i) {
		n := v.whole[w]
		for _, s := range [...]string{v.surname.texts[n.surname], v.given.texts[n.given]} {
			if s = umlauts.Replace(s); len(s) >= 3 {
				local = strings.Replace(local, s, "", 1)
			}
		}
		// Bob's mailbox is robert's
		if word := strings.Trim(local, "._-"); len(word) >= 3 && m.nickname(n.given, word) {
			local = ""
		}
	}
	return len(strings.Trim(local, "._-"))
}

// nickname reports whether a word is another form of a given name.
func (m mailboxNames) nickname(given uint32, word string) bool {
	if int(given) >= len(m.v.nicknames) || len(m.v.nicknames[given]) == 0 { // companies have none
		return false
	}
	for _, g := range m.v.set.spec.normaliser().Nicknames(word) {
		for _, h := range m.v.nicknames[given] {
			if g == h {
				return true
			}
		}
	}
	return false
}

// made reports whether a mailbox name is a given name, or one or its initial and a surname, spelled nearly as in record i.
func (m mailboxNames) made(i int, local string) bool {
	v := m.v
	if digits(local) != "" {
		return false
	}
	glued := umlauts.Replace(squeeze(strings.NewReplacer(".", " ", "_", " ", "-", " ").Replace(local)))
	for _, w := range v.names.of(i) {
		n := v.whole[w]
		g, s := umlauts.Replace(squeeze(v.given.texts[n.given])), umlauts.Replace(squeeze(v.surname.texts[n.surname]))
		if len(g) >= 3 && (glued == g || spelled(glued, g)) {
			return true
		}
		if len(s) < 3 {
			continue
		}
		if g != "" && (spelled(glued, g+s) || spelled(glued, s+g) || spelled(glued, g[:1]+s)) {
			return true
		}
		// the given name of the record is short, or another form of it
		if g != "" && strings.HasSuffix(glued, s) && glued[0] == g[0] || strings.HasSuffix(glued, s) && m.nickname(n.given, strings.TrimSuffix(glued, s)) {
			return true
		}
	}
	return false
}

func spelled(a, b string) bool { return len(a) >= 5 && edits(a, b, 2) <= 2 }

// explain reports whether two mailbox names are two names, of records whose names differ in what both know.
func (m mailboxNames) explain(a, b int, x, y string) bool {
	v := m.v
	if v.set.spec.Entity == Company {
		return false
	}
	for _, p := range v.names.of(a) {
		for _, q := range v.names.of(b) {
			n, o := v.whole[p], v.whole[q]
			if (n.given == o.given || n.given == 0 || o.given == 0) && (n.surname == o.surname || n.surname == 0 || o.surname == 0) {
				return false
			}
		}
	}
	return m.made(a, x) && m.made(b, y)
}
