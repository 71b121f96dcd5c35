package transform

import (
	"fmt"
	"slices"
	"strings"

	"millrace/internal/duck"
	"millrace/transform/relation"
)

// Columns that a snapshot adds: the half-open interval in which the row was so. valid_to is NULL while it is.
const (
	colValidFrom = "valid_from"
	colValidTo   = "valid_to"
)

func snapshotColumns() []relation.Column {
	return []relation.Column{
		{Name: colValidFrom, Type: "TIMESTAMP", Description: "from when the row was so, UTC"},
		{Name: colValidTo, Type: "TIMESTAMP", Description: "until when, not included; NULL: still"},
	}
}

// snapshotQuery is the next version of a snapshot: prev its history so far, cur the query's rows now. A row that is new
// or has changed opens an interval at its updated_at (or at the run's logical time), and closes the one before it. Keys
// that are gone keep their interval open unless hard_deletes is invalidate.
func snapshotQuery(n *Node, prev, cur string, had, cols []relation.Column, at string) string {
	var names, key, differ []string
	for _, c := range cols {
		id := duck.Ident(c.Name)
		names = append(names, id)
		switch {
		case isKey(n, c.Name):
		case slices.ContainsFunc(had, func(h relation.Column) bool { return strings.EqualFold(h.Name, c.Name) }):
			differ = append(differ, fmt.Sprintf("p.%s is distinct from c.%s", id, id))
		default: // a column that is new was NULL until now
			differ = append(differ, fmt.Sprintf("c.%s is not null", id))
		}
	}
	for _, k := range n.Meta.UniqueKey {
		key = append(key, fmt.Sprintf("p.%s = c.%s", duck.Ident(k), duck.Ident(k)))
	}
	on := strings.Join(key, " and ")
	from := "timestamp " + duck.Quote(at)
	changed := "(" + orElse(strings.Join(differ, " or "), "false") + ")"
	if u := n.Meta.UpdatedAt; u != "" {
		from = "c." + duck.Ident(u) + "::timestamp"
		// Only a later row is a change: an older one that arrives late must not end a newer one.
		changed = fmt.Sprintf("(%s > p.%s)", from, colValidFrom)
	}
	gone := "p.valid_to"
	if n.Meta.HardDeletes == "invalidate" {
		gone = "coalesce(p.valid_to, case when not exists (from " + cur + " c where " + on + ") then timestamp " + duck.Quote(at) + " end)"
	}
	list := strings.Join(names, ", ")
	return fmt.Sprintf(`with history as (
    select p.* replace (coalesce(p.valid_to, (select max(%[1]s) from %[3]s c where %[4]s and %[5]s and p.valid_to is null), %[6]s) as valid_to)
    from %[2]s p
),
opened as (
    select %[7]s, %[1]s as valid_from, null::timestamp as valid_to
    from %[3]s c
    where not exists (from %[2]s p where %[4]s and p.valid_to is null and not %[5]s)
      and not exists (from %[2]s p where %[4]s and p.valid_to is not null and p.valid_to > %[1]s)
)
from history
union all by name
from opened`, from, prev, cur, on, changed, gone, list)
}

func isKey(n *Node, col string) bool {
	for _, k := range n.Meta.UniqueKey {
		if strings.EqualFold(k, col) {
			return true
		}
	}
	return false
}
