package match

import (
	"context"

	"millrace/internal/fault"
)

// ResolveTouching finds the groups of some records only: it scores the pairs that touch them, and goes on from what they
// join until nothing new is joined. The groups are those that Resolve finds with the same records and model; records that have
// nothing to do with the given ones are in none of the returned groups. It costs the blocking of all records and the scoring
// of few pairs.
func ResolveTouching(ctx context.Context, s *Set, m *Model, o Options, keys []string) (*Result, error) {
	out, err := prepare(s, m, o)
	if err != nil {
		return nil, err
	}
	v := s.close()
	cut := units(out.o.Cut)
	todo := make([]int32, 0, len(keys))
	seen := make([]bool, v.n)
	reach := func(i int32) {
		if !seen[i] {
			seen[i] = true
			todo = append(todo, i)
		}
	}
	for _, k := range keys {
		i, ok := s.record(k)
		if !ok {
			return nil, &fault.Error{Value: k, Msg: "no such record", Hint: "Name keys of records in the set."}
		}
		reach(out.twins[i])
		reach(int32(i))
	}
	copies := map[int32][]int32{}
	for i, t := range out.twins {
		if int(t) != i {
			copies[t] = append(copies[t], int32(i))
		}
	}
	forced := map[int32][]int32{}
	for _, p := range out.d.must {
		forced[p[0]] = append(forced[p[0]], p[1])
		forced[p[1]] = append(forced[p[1]], p[0])
	}
	b := v.block(out.o, out.apart())
	out.Blocks = b.stats
	found := map[[2]int32]bool{}
	var buf []candidate
	for at := 0; at < len(todo); at++ {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		i := todo[at]
		for _, j := range copies[i] {
			reach(j)
		}
		reach(out.twins[i])
		for _, j := range forced[i] {
			reach(j)
		}
		buf = b.neighbours(int(i), buf)
		for _, c := range buf {
			pair := [2]int32{min(i, c.record), max(i, c.record)}
			if found[pair] {
				continue
			}
			found[pair] = true
			if e, ok := out.try(pair[0], pair[1], c.rules); ok {
				out.list = append(out.list, e)
				if e.total >= cut && e.veto == 0 {
					reach(c.record)
				}
			}
		}
	}
	out.addCopies(seen)
	out.sort()
	clusters, err := out.cluster(ctx, seen)
	if err != nil {
		return nil, err
	}
	return &Result{Model: m, Edges: out, Clusters: clusters}, nil
}
