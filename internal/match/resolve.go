package match

import (
	"context"

	"millrace/internal/fault"
)

// Result is a whole matching.
type Result struct {
	Model    *Model
	Edges    *Edges
	Clusters *Clusters
}

// Resolve trains a model unless one is given, scores the pairs and groups the records.
func Resolve(ctx context.Context, s *Set, m *Model, o Options) (*Result, error) {
	var err error
	if m == nil {
		if m, err = Train(ctx, s, o); err != nil {
			return nil, err
		}
	}
	e, err := Score(ctx, s, m, o)
	if err != nil {
		return nil, err
	}
	c, err := Cluster(ctx, e)
	if err != nil {
		return nil, err
	}
	return &Result{Model: m, Edges: e, Clusters: c}, nil
}

// Explain scores two records, whether blocking proposed them or not.
func Explain(s *Set, m *Model, o Options, a, b string) (Edge, error) {
	s2, err := prepare(s, m, o)
	if err != nil {
		return Edge{}, err
	}
	i, ok := s.record(a)
	if !ok {
		return Edge{}, &fault.Error{Value: a, Msg: "no such record", Hint: "Name the key of a record in the set."}
	}
	j, ok := s.record(b)
	if !ok {
		return Edge{}, &fault.Error{Value: b, Msg: "no such record", Hint: "Name the key of a record in the set."}
	}
	if i == j {
		return Edge{}, &fault.Error{Value: a, Msg: "is one record, not two", Hint: "Name two records."}
	}
	i, j = min(i, j), max(i, j)
	x := s2.e.score(i, j, nil)
	out := s2.e.edge(int32(i), int32(j), s2.o)
	return out.vetoed(vetoes[s2.veto(int32(i), int32(j), x)]), nil
}
