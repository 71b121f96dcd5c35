// Package match decides which records are the same person or the same company. It learns without labels how much each
// agreement and each contradiction is worth (Fellegi and Sunter's model, fitted by expectation maximisation), scores the
// pairs that blocking proposes, and groups records under a guard, so that one false pair cannot chain strangers together.
//
// The way through it: describe the columns in a Spec, fill a Set (Load from a DuckDB query, or Add), Train a Model once and
// keep it, then Resolve the set with that model as often as the records change. Explain says in words why two records are
// one entity or not.
//
// Everything is deterministic (P4): records are ordered by key, samples by the hash of the key, weights are whole
// thousandths of a bit, so that the order of the input, the number of threads and the clock change nothing.
//
// A Set is filled by one goroutine; once it is filled, everything that reads it may run concurrently. The package keeps
// records in memory: about 1 kB a record of ten columns. It imports no stage and writes nothing by itself. It must not log
// values of records (P8).
package match
