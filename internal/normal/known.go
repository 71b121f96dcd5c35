package normal

// KnownGivenName tells whether the first word of s is a given name of the built-in lists. Many given names are in no list:
// it tells columns of names apart, not names.
func (n *Normaliser) KnownGivenName(s string) bool {
	w := nameWords(s)
	if len(s) > maxName || len(w) == 0 {
		return false
	}
	_, ok := n.nicknames[nameKey(w[0])]
	return ok
}
