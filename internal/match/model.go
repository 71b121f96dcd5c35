package match

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"millrace/internal/fault"
)

// modelVersion is raised when a model that was written before would no longer mean the same.
const modelVersion = 1

// Model is what was learned: how much each agreement and contradiction is worth, and how common values are. It is plain
// data, written as JSON; the same records give the same bytes. Frequencies hold hashes of values, not values (P8).
type Model struct {
	Version int    `json:"version"`
	Entity  Entity `json:"entity"`
	Records int    `json:"records"` // that it was learned from
	// Learned is false when the records were too few, and the weights are those that come with the product.
	Learned bool   `json:"learned"`
	Note    string `json:"note,omitempty"` // why nothing was learned
	// Prior is the chance, in bits (log2 of the odds), that two records drawn at random are one entity.
	Prior       float64           `json:"prior"`
	Rounds      int               `json:"rounds,omitempty"` // of expectation maximisation
	Comparisons []ModelComparison `json:"comparisons"`
	Relations   []Relation        `json:"relations,omitempty"`
	Frequencies []Frequency       `json:"frequencies,omitempty"`
}

// ModelComparison is what was learned about one comparison.
type ModelComparison struct {
	Name string `json:"name"`
	// Pairs is the expected number of pairs of one entity, found without this comparison, that it was learned from.
	Pairs  float64      `json:"pairs"`
	Levels []ModelLevel `json:"levels"`
}

// ModelLevel is the chance of one level for pairs of one entity (M) and of two (U); log2(M/U) bits is its weight.
type ModelLevel struct {
	Name string  `json:"name"`
	M    float64 `json:"m"`
	U    float64 `json:"u"`
}

// Frequency says how common the values of one kind are, counted by provisional entities, so that copies do not make a rare
// value common.
type Frequency struct {
	Name      string  `json:"name"`
	Entities  int     `json:"entities"`  // that have a value
	Collision float64 `json:"collision"` // chance that two entities agree
	// Single is the count that stands for a value which one entity was seen with (Good and Turing's estimate): near one where
	// values repeat, near zero where each is new.
	Single float64 `json:"single"`
	// Excess is how much of the repetition is believed: provisional entities that are one after all make values look common,
	// and the agreement of random pairs says by how much.
	Excess float64 `json:"excess"`
	// Counts are the entities of each value that more than one has, by the value's hash.
	Counts map[string]int `json:"counts,omitempty"`
}

// ReadModel reads a model that was written as JSON.
func ReadModel(data []byte) (*Model, error) {
	m := &Model{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, &fault.Error{Msg: "read a matching model", Err: err, Hint: "Train it again."}
	}
	if m.Version != modelVersion {
		return nil, &fault.Error{Key: "version", Value: strconv.Itoa(m.Version), Msg: fmt.Sprintf("is not %d, the version of matching models that this binary reads", modelVersion), Hint: "Train the model again."}
	}
	return m, nil
}

func valueHash(s string) string { return strconv.FormatUint(digest(s), 36) }

// counts are the counts by hash, as numbers.
func (f *Frequency) counts() map[uint64]int32 {
	out := make(map[uint64]int32, len(f.Counts))
	for k, n := range f.Counts {
		if h, err := strconv.ParseUint(k, 36, 64); err == nil { // fits refuses others
			out[h] = int32(n)
		}
	}
	return out
}

// Weight is the weight in bits of a level, before the frequency of a value counts.
func (l ModelLevel) Weight() float64 { return math.Log2(l.M / l.U) }

// rarest is the smallest chance of agreeing by accident that is believed for a kind of value, however rare it is in the
// records: about one over the number of such values in use. It bounds what a single agreement can weigh.
func rarest(t *table) float64 {
	switch t.name {
	case "given name", "surname":
		return 1e-5 // names in use in a country
	case "full name", "employer", "city", "postcode":
		return 1e-6
	case "email", "phone", "domain":
		return 1e-8 // addresses in use in the world
	}
	return 1e-7 // ids, dates, streets, texts: a country's
}

// chance is the chance that an entity other than one that holds the value holds it too.
func (f *Frequency) chance(count int, floor float64) float64 {
	c := f.Single
	if count > 1 {
		c += f.Excess * float64(count-1)
	}
	return min(1, max(c/float64(max(f.Entities, 1)), floor))
}
