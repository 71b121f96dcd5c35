package normal

import (
	"slices"
	"strings"
	"unicode"
)

// Person is a person's name in its parts and keys.
type Person struct {
	Given      string // first names as written, without titles
	Middle     string // further given names, where the name came in one piece
	Family     string // family name as written, with its particles
	Titles     string // "dr", "prof dr"
	Suffixes   string // "jr", "phd"
	Generation string // jr, sr, ii, iii, iv, v: tells father from son
	Particle   string // "van der"

	GivenKey   string // transliterated, lower case, first given name only
	MiddleKey  string
	FamilyKey  string // transliterated, lower case, letters only, particles kept: "vandermeer"
	FamilyCore string // without particles: "meer"
	Key        string // FamilyKey, a blank, GivenKey; empty when one of them is
	NativeKey  string // lower case in the writing it came in: "王 小明"
	SortedKey  string // all words, transliterated and sorted: does not know which name is the family's
	Initials   string
	Nicknames  []string // groups of the given name, sorted: william for Bill; itself where it is in none
}

// Person reads a name that a source keeps in two fields. Either may be empty; a comma in the family field ("Smith, John")
// is read where the given field is empty; a whole name in the given field is where the family field is.
func (n *Normaliser) Person(given, family string) (Person, bool) {
	g, okG := n.named("person", given)
	f, okF := n.named("person", family)
	switch {
	case !okG && !okF, len(given) > maxName, len(family) > maxName:
		return Person{}, false
	case !okG && strings.Contains(f, ","):
		return n.FullName(f)
	case !okG: // "de Paoli" is a family, not a person called De
		var p Person
		return n.person(p, nil, n.strip(&p, nameWords(f)))
	case !okF:
		p, ok := n.FullName(g)
		if ok && p.Given == "" { // a single word in the given field is a given name
			return n.person(Person{Titles: p.Titles, Suffixes: p.Suffixes, Generation: p.Generation}, []string{p.Family}, nil)
		}
		return p, ok
	}
	var p Person
	gw := n.strip(&p, nameWords(g))
	fw := n.strip(&p, nameWords(f))
	return n.person(p, gw, fw)
}

// FullName reads a name in one piece: "Dr. Ludwig van Beethoven", "Smith, John Jr.", "王小明". The last word is the family
// name, with the particles before it; names in Chinese and Korean characters begin with it.
func (n *Normaliser) FullName(s string) (Person, bool) {
	s, ok := n.named("person", s)
	if !ok {
		return Person{}, false
	}
	var p Person
	if strings.Contains(s, ",") {
		var parts []string // "Smith, Jr., John" is two names and a suffix
		behind := ""
		for part := range strings.SplitSeq(s, ",") {
			if _, ok := n.suffixes[nameKey(part)]; ok && len(parts) > 0 {
				behind += ", " + strings.TrimSpace(part)
			} else if nameKey(part) != "" {
				parts = append(parts, strings.TrimSpace(part))
			}
		}
		switch {
		case len(parts) > 1:
			given := n.strip(&p, nameWords(strings.Join(parts[1:], " ")+behind))
			return n.person(p, given, n.strip(&p, nameWords(parts[0])))
		case len(parts) == 1:
			s = parts[0] + behind
		}
	}
	w := n.strip(&p, nameWords(s))
	if len(w) == 0 {
		return Person{}, false
	}
	if len(w) == 1 {
		if f, g, ok := eastAsian(w[0]); ok {
			return n.person(p, []string{g}, []string{f})
		}
		return n.person(p, nil, w)
	}
	if han(w[0]) && len([]rune(w[0])) <= 2 && han(w[len(w)-1]) {
		return n.person(p, w[1:], w[:1])
	}
	from := len(w) - 1
	for from > 1 && n.isParticle(w[from-1]) {
		from--
	}
	return n.person(p, w[:from], w[from:])
}

func (n *Normaliser) person(p Person, given, family []string) (Person, bool) {
	for _, w := range [][]string{given, family} {
		for i := range w {
			w[i] = strings.Trim(w[i], ",;")
		}
	}
	p.Family = strings.Join(family, " ")
	if len(given) > 0 {
		p.Given = given[0]
		p.Middle = strings.Join(given[1:], " ")
	}
	var all []string
	for _, w := range given {
		all = append(all, keyWords(w)...)
	}
	if len(given) > 0 {
		p.GivenKey = nameKey(given[0])
		for i, w := range given[1:] {
			if i > 0 && p.MiddleKey != "" {
				p.MiddleKey += " "
			}
			p.MiddleKey += nameKey(w)
		}
	}
	core := family
	for len(core) > 1 && n.isParticle(core[0]) {
		core = core[1:]
	}
	p.Particle = strings.ToLower(strings.Join(family[:len(family)-len(core)], " "))
	p.FamilyCore = umlauts(nameKey(strings.Join(core, " ")))
	p.FamilyKey = umlauts(nameKey(strings.Join(family, " ")))
	for _, w := range family {
		for _, k := range keyWords(w) {
			all = append(all, umlauts(k))
		}
	}
	if p.GivenKey != "" && p.FamilyKey != "" {
		p.Key = p.FamilyKey + " " + p.GivenKey
	}
	slices.Sort(all)
	p.SortedKey = strings.Join(all, " ")
	if p.SortedKey == "" {
		return Person{}, false // signs and nothing else
	}
	p.NativeKey = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(p.Family+" "+p.Given)), "’", "'")
	for _, k := range []string{p.GivenKey, p.MiddleKey, p.FamilyCore} {
		if k != "" {
			p.Initials += k[:1]
		}
	}
	p.Nicknames = n.nicknameGroups(p.GivenKey)
	return p, true
}

// named is a name of a kind, tidied; what stands for no name is none.
func (n *Normaliser) named(kind, s string) (string, bool) {
	s, ok := tidy(s, maxName)
	return s, ok && !n.nobody[kind][strings.ToLower(s)]
}

// Nicknames are the groups of given names that a name belongs to, sorted: "Bill" and "Will" are in william; a name that is in
// none is a group of its own. Two given names may name one person when they share a group.
func (n *Normaliser) Nicknames(given string) []string {
	s, ok := tidy(given, maxName)
	if !ok {
		return nil
	}
	w := n.strip(&Person{}, nameWords(s))
	if len(w) == 0 {
		return nil
	}
	return n.nicknameGroups(nameKey(w[0]))
}

func (n *Normaliser) nicknameGroups(key string) []string {
	if key == "" {
		return nil
	}
	if g := n.nicknames[key]; g != nil {
		return g
	}
	return []string{key}
}

// strip takes titles from the front and suffixes from the end and notes them. A name is never stripped to nothing, and words
// that are names elsewhere (Don, Ma) only go where they cannot be one.
func (n *Normaliser) strip(p *Person, w []string) []string {
	var titles []string
	for len(w) > 1 {
		k := nameKey(w[0])
		always, known := n.titles[k]
		if !known || !always && len(w) < 3 {
			break
		}
		titles = append(titles, k)
		w = w[1:]
	}
	if len(titles) > 0 {
		p.Titles = strings.TrimSpace(p.Titles + " " + strings.Join(titles, " "))
	}
	for len(w) > 1 {
		last, before := w[len(w)-1], w[len(w)-2]
		s, known := n.suffixes[nameKey(last)]
		if !known || !s.always && !strings.HasSuffix(before, ",") && !strings.Contains(strings.TrimSuffix(last, "."), ".") {
			break
		}
		p.Suffixes = strings.TrimSpace(s.canonical + " " + p.Suffixes)
		switch s.canonical {
		case "jr", "sr", "ii", "iii", "iv", "v":
			p.Generation = s.canonical
		}
		w = w[:len(w)-1]
	}
	return w
}

// suffix is a word behind a name.
type suffix struct {
	canonical string
	always    bool // no name anywhere
}

// isParticle knows particles as they are written: Vietnamese Văn is none.
func (n *Normaliser) isParticle(w string) bool { return plainASCII(w) && n.particles[nameKey(w)] }

// nameWords splits a name at blanks; a remark in brackets is not part of it: "Jane (she/her) Doe", "Bob [Sales]".
func nameWords(s string) []string {
	depth := 0
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '(', '[', '{', '<':
			depth++
			b.WriteByte(' ')
		case ')', ']', '}', '>':
			depth = max(0, depth-1)
			b.WriteByte(' ')
		default:
			if depth == 0 {
				b.WriteRune(r)
			}
		}
	}
	out := strings.Fields(b.String())
	if len(out) == 0 {
		out = strings.Fields(s)
	}
	// Words without a letter or digit are signs between names: "&", "-", "|".
	kept := out[:0]
	for _, w := range out {
		if strings.ContainsFunc(w, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			kept = append(kept, w)
		}
	}
	return kept
}

// nameKey is a word or several as letters and digits.
func nameKey(s string) string { return alnum(fold(s)) }

// keyWords are the parts of a name as keys; hyphens part them: Jean-Luc is two.
func keyWords(s string) []string {
	var out []string
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool {
		return r == '-' || r == '‐' || r == '‑' || r == '–' || r == '·' || r == '・' || r == '/'
	}) {
		if k := nameKey(w); k != "" {
			out = append(out, k)
		}
	}
	return out
}

// eastAsian parts a name that is written without blanks: the family name is the first character, or the first two where they
// are one of the known double ones.
func eastAsian(s string) (family, given string, ok bool) {
	r := []rune(s)
	if len(r) < 2 || len(r) > 5 {
		return "", "", false
	}
	hangul := true
	for _, c := range r {
		hangul = hangul && unicode.Is(unicode.Hangul, c)
	}
	if !hangul && !han(s) {
		return "", "", false
	}
	at := 1
	if len(r) >= 3 {
		switch string(r[:2]) {
		case "欧阳", "歐陽", "司马", "司馬", "上官", "诸葛", "諸葛", "东方", "東方", "皇甫", "尉迟", "尉遲", "公孙", "公孫", "慕容", "司徒", "夏侯", "남궁", "황보", "제갈", "선우", "독고":
			at = 2
		}
	}
	if len(r) >= 4 {
		at = 2 // most names of four characters are Japanese
	}
	return string(r[:at]), string(r[at:]), true
}

func han(s string) bool {
	for _, r := range s {
		if !unicode.Is(unicode.Han, r) && !unicode.Is(unicode.Hangul, r) && r != '々' {
			return false
		}
	}
	return s != ""
}

func (n *Normaliser) loadNames() error {
	_, rows, err := readList("name_parts")
	if err != nil {
		return err
	}
	n.titles, n.suffixes, n.particles = map[string]bool{}, map[string]suffix{}, map[string]bool{}
	for _, r := range rows {
		for w := range strings.FieldsSeq(strings.Join(r[1:], " ")) {
			switch r[0] {
			case "title", "title?":
				n.titles[w] = r[0] == "title"
			case "suffix", "suffix?":
				word, canonical, ok := strings.Cut(w, "=")
				if !ok {
					canonical = word
				}
				n.suffixes[word] = suffix{canonical, r[0] == "suffix"}
			case "particle":
				n.particles[w] = true
			}
		}
	}
	if _, rows, err = readList("placeholders"); err != nil {
		return err
	}
	n.nobody = map[string]map[string]bool{}
	for _, r := range rows {
		n.nobody[r[0]] = map[string]bool{}
		for w := range strings.SplitSeq(r[1], "|") {
			n.nobody[r[0]][strings.TrimSpace(w)] = true
		}
	}
	if _, rows, err = readList("nicknames"); err != nil {
		return err
	}
	n.nicknames = map[string][]string{}
	for _, r := range rows {
		n.addNicknames(strings.Fields(strings.Join(r, " ")))
	}
	return nil
}

// addNicknames makes the first name of a group its own and the others' group.
func (n *Normaliser) addNicknames(group []string) {
	head := ""
	for _, w := range group {
		k := nameKey(w)
		if k == "" {
			continue
		}
		if head == "" {
			head = k
		}
		if g := n.nicknames[k]; !slices.Contains(g, head) {
			g = append(slices.Clone(g), head)
			slices.Sort(g)
			n.nicknames[k] = g
		}
	}
}
