package match

// A value that is meant for one person, and that people of several names hold, belongs to none of them: a role inbox, a switchboard,
// the number of whoever typed the form in. Which values these are is learned from the records (exclusivity, after
// Senzing), so that no list has to know them, and judged again in every run, so that history follows.

// holders is how many different names may hold one value before it is shared: two people of a household may share a mailbox, a family
// a landline.
func (c *comparison) holders() int {
	switch {
	case c.exclusive:
		return 1
	case c.part == partPhone:
		return 3
	}
	return 2
}

// judged is how many holders of a value are looked at: more names than the limit show among the first few.
const judged = 64

// classify marks the values that are shared. It looks at the names of the records only.
func (e *engine) classify() {
	for _, c := range e.comps {
		if c.identifier == nil {
			continue
		}
		col := c.identifier
		count := make([]uint32, col.len()+1)
		for _, x := range col.val {
			count[x+1]++
		}
		for i := range col.len() {
			count[i+1] += count[i]
		}
		records := make([]int32, len(col.val))
		next := append([]uint32(nil), count...)
		for i := range e.v.n {
			for _, x := range col.of(i) {
				records[next[x]] = int32(i)
				next[x]++
			}
		}
		limit := c.holders()
		shared := make([]bool, col.len())
		for x := 1; x < col.len(); x++ {
			if col.common != nil && col.common[x] {
				shared[x] = true
				continue
			}
			held := records[count[x]:count[x+1]]
			if len(held) > limit {
				shared[x] = e.differentNames(held, limit)
			}
		}
		e.shared[col.table] = shared
	}
}

// differentNames reports whether the records have more than limit names that are no spellings of each other.
func (e *engine) differentNames(held []int32, limit int) bool {
	v := e.v
	var seen []uint32
	for _, r := range held[:min(len(held), judged)] {
	names:
		for _, n := range v.names.of(int(r)) {
			for _, s := range seen {
				if s == n || v.sameName(s, n) {
					continue names
				}
			}
			seen = append(seen, n)
			if len(seen) > limit {
				return true
			}
		}
	}
	return false
}

// sameName reports whether two names may be one.
func (v *view) sameName(x, y uint32) bool {
	if v.set.spec.Entity == Company {
		return v.sameCompany(v.whole[x], v.whole[y])
	}
	switch o := v.compareNames(v.whole[x], v.whole[y]); o.level {
	case nameSurnameOnly, nameDiffers, nameGivenOnly, surnameDiffers, givenDiffers:
		return false
	}
	return true
}
