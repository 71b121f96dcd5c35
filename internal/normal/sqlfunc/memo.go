package sqlfunc

import (
	"hash/maphash"
	"sync/atomic"
)

// slots of a memo: several vectors of 2,048 rows, so that the functions of one SELECT find what the first of them read.
const slots = 1 << 14

// memo remembers recent results of a pure function in bounded memory: SELECT norm_email(x), norm_email_class(x) reads each
// address once. A slot holds one result; another key with the same hash takes its place. It is safe for concurrent use.
type memo[K comparable, V any] struct {
	f     func(K) V
	seed  maphash.Seed
	slots []atomic.Pointer[entry[K, V]]
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func remember[K comparable, V any](f func(K) V) *memo[K, V] {
	return &memo[K, V]{f: f, seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[entry[K, V]], slots)}
}

func (m *memo[K, V]) get(k K) V {
	slot := &m.slots[maphash.Comparable(m.seed, k)%slots]
	if e := slot.Load(); e != nil && e.key == k {
		return e.value
	}
	v := m.f(k)
	slot.Store(&entry[K, V]{k, v})
	return v
}
