// Package decision is the hand-off between models and everything that acts: decisions as plain values, and the gate,
// the only door to the outside. It imports the standard library only.
//
// Invariants: P4 (ids depend on what was known, not on order, threads or clock), P5 (nothing is sent that the gate has
// not approved; deny wins). It must not know any policy, any store or any destination.
package decision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"time"
)

// Modes of a policy. A shadow decision is recorded and compared with what people did; the gate lets nothing of it out.
const (
	Shadow = "shadow"
	Live   = "live"
)

// Decision is one answer of one policy about one subject, with everything that is needed to explain it and to make it
// again.
type Decision struct {
	ID       string `json:"decision_id"`
	Previous string `json:"previous_id,omitempty"` // the decision that this one replaces for its subject
	Policy   string `json:"policy"`
	Version  string `json:"policy_version"` // hash of what the policy file says
	Subject  string `json:"subject"`
	Mode     string `json:"mode"`    // shadow or live
	Trigger  string `json:"trigger"` // build, schedule, event, preview
	Held     bool   `json:"held,omitempty"`

	Inputs     map[string]Value `json:"inputs"` // the columns that the rules name
	InputsHash string           `json:"inputs_hash"`
	Candidates []Candidate      `json:"candidates"` // every action that was considered, best first
	RuleHits   []string         `json:"rule_hits"`  // names, in file order
	Score      *float64         `json:"score,omitempty"`
	Choice     string           `json:"choice"`
	Propensity float64          `json:"propensity"` // chance that this choice is made for these inputs; 1 for rules
	Reason     string           `json:"reason"`     // one sentence for the person who acts on it
	Consent    string           `json:"consent,omitempty"`

	Relation        string    `json:"relation"`
	RelationVersion string    `json:"relation_version"`
	BuildID         string    `json:"build_id"`
	DecidedAt       time.Time `json:"decided_at"` // logical time of the run, UTC
}

// Candidate is one action that was weighed.
type Candidate struct {
	Action  string   `json:"action"`
	Points  float64  `json:"points"`
	Allowed bool     `json:"allowed"`
	Why     []string `json:"why,omitempty"` // the rules that proposed it, preferences that moved it, constraints that forbade it
}

// Value is a cell as JSON: null, a string, a boolean, or a number with all its digits.
type Value = json.RawMessage

// HashInputs is the SHA-256 of the inputs in one spelling, whatever the order in which they were gathered.
func HashInputs(in map[string]Value) string {
	names := make([]string, 0, len(in))
	for n := range in {
		names = append(names, n)
	}
	sort.Strings(names)
	h := sha256.New()
	for _, n := range names {
		fmt.Fprintf(h, "%d:%s=%d:%s;", len(n), n, len(in[n]), in[n])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// SameAs reports whether d says the same as the subject's current decision: then nothing new was decided, and the
// current one keeps its id.
func (d Decision) SameAs(current Decision) bool {
	return current.Policy == d.Policy && current.Version == d.Version && current.Subject == d.Subject &&
		current.InputsHash == d.InputsHash && current.Choice == d.Choice && current.Mode == d.Mode && current.Held == d.Held
}

// Identify gives d its id from what it says and from the decision that it replaces, so that going back to earlier
// inputs is a new decision and asking twice is not.
func Identify(d Decision, previous string) Decision {
	d.Previous = previous
	h := sha256.New()
	for _, s := range []string{d.Policy, d.Version, d.Subject, d.InputsHash, d.Choice, d.Mode, strconv.FormatBool(d.Held), previous} {
		fmt.Fprintf(h, "%d:%s;", len(s), s)
	}
	d.ID = "d_" + hex.EncodeToString(h.Sum(nil)[:12])
	return d
}
