package identity

// Preview is what a change of overrides does to some entities, before it is made: the events of the next build, as far as
// the given records are concerned. members are their records with their entities, links the evidence among them.
func Preview(members []Member, ids []Entity, placed []Placed, links []Link, overrides []Override) ([]Event, error) {
	here := make(map[string]bool, len(placed))
	keys := make([]string, len(placed))
	for i, r := range placed {
		here[r.Key], keys[i] = true, r.Key
	}
	rules := Resolve(overrides, func(k string) bool { return here[k] })
	of := group(keys, links, rules)
	for i := range placed {
		placed[i].Cluster = of[placed[i].Key]
	}
	next, err := Next(&Memory{Members: members, Entities: ids}, NextParams{Prefix: "", Now: placed, Touched: rules.Touched})
	if err != nil {
		return nil, err
	}
	return next.Events, nil
}
