package twin

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sort"
	"strings"

	"millrace/internal/fault"
	"millrace/internal/twin/market"
	"millrace/internal/twin/store"
)

// Match is one record's place in somebody's answer to "who is who".
type Match struct {
	Record string // source/object/id: hubspot/contacts/1000001
	Entity string // the answer's own id of the person or account; "" for none
}

// Quality says how well an answer agrees with the truth. A pair is two records; a shared mailbox (info@, billing@) is
// nobody: joining it to a person is wrong, joining or not joining two records of one mailbox is neither.
type Quality struct {
	Kinds     []string `json:"kinds"`               // source/object of the records that were judged: those the answer has
	LeftOut   []string `json:"left_out"`            // those of the truth of which the answer has no record
	Records   int      `json:"records"`             // of the answer that the truth knows
	Unknown   int      `json:"unknown"`             // of the answer that the truth does not know
	Missing   int      `json:"missing"`             // of the truth, of these kinds, that the answer does not place
	Predicted int      `json:"predicted_pairs"`     // pairs that the answer joins
	Right     int      `json:"right_pairs"`         // of them, truly one entity
	Findable  int      `json:"findable_pairs"`      // truly one entity and sharing an exact identifier
	Found     int      `json:"found_pairs"`         // of them, joined by the answer
	Sharing   int      `json:"sharing_pairs"`       // joined by the answer and sharing an exact identifier
	SharingOK int      `json:"right_sharing_pairs"` // of them, truly one entity

	Precision        float64 `json:"precision"`         // Right / Predicted
	Recall           float64 `json:"recall"`            // Found / Findable
	SharingPrecision float64 `json:"sharing_precision"` // SharingOK / Sharing

	Wrong  [][2]string `json:"wrong,omitempty"`  // up to 20 pairs that were joined and must not be
	Missed [][2]string `json:"missed,omitempty"` // up to 20 findable pairs that were not joined
}

const examples = 20

// EvaluatePeople compares an answer about people with the truth of the twin.
func (t *Twin) EvaluatePeople(answer []Match) Quality {
	var q Quality
	t.db.View(func(s *store.State) {
		sim := market.Of(s)
		q = evaluate(answer, sim.Truth.Persons, sim.Identifiers())
	})
	return q
}

// EvaluateAccounts compares an answer about accounts with the truth of the twin.
func (t *Twin) EvaluateAccounts(answer []Match) Quality {
	var q Quality
	t.db.View(func(s *store.State) {
		sim := market.Of(s)
		q = evaluate(answer, sim.Truth.Accounts, sim.AccountIdentifiers())
	})
	return q
}

// evaluate counts pairs: all that the answer joins, and all that share an identifier.
func evaluate(answer []Match, truth map[string]string, identifiers map[string][]string) Quality {
	q := Quality{}
	entity := map[string]string{}
	clusters := map[string][]string{}
	for _, m := range answer {
		if _, ok := truth[m.Record]; !ok {
			q.Unknown++
			continue
		}
		if m.Entity == "" || entity[m.Record] != "" {
			continue
		}
		q.Records++
		entity[m.Record] = m.Entity
		clusters[m.Entity] = append(clusters[m.Entity], m.Record)
	}
	// Only kinds of which the answer has a record are judged: who reads no event stream is not asked about it.
	judged, left := map[string]bool{}, map[string]bool{}
	for r := range entity {
		judged[kindOf(r)] = true
	}
	for r := range truth {
		switch {
		case !judged[kindOf(r)]:
			left[kindOf(r)] = true
		case entity[r] == "":
			q.Missing++
		}
	}
	q.Kinds, q.LeftOut = sortedKeys(judged), sortedKeys(left)
	role := func(id string) bool { return strings.HasPrefix(id, "role:") }
	for _, e := range sortedKeys(clusters) {
		q.count(clusters[e], truth, role)
	}
	// Pairs that share an identifier, each once.
	owners := map[string][]string{}
	for _, r := range sortedKeys(identifiers) {
		if truth[r] == "" || !judged[kindOf(r)] {
			continue
		}
		for _, id := range identifiers[r] {
			owners[id] = append(owners[id], r)
		}
	}
	seen := map[[2]string]bool{}
	for _, id := range sortedKeys(owners) {
		rs := owners[id]
		for i := range rs {
			for j := i + 1; j < len(rs); j++ {
				pair := [2]string{rs[i], rs[j]}
				if seen[pair] {
					continue
				}
				seen[pair] = true
				a, b := truth[rs[i]], truth[rs[j]]
				joined := entity[rs[i]] != "" && entity[rs[i]] == entity[rs[j]]
				if a == b && role(a) {
					continue
				}
				if joined {
					q.Sharing++
					q.SharingOK += btoi(a == b)
				}
				if a == b {
					q.Findable++
					q.Found += btoi(joined)
					if !joined && len(q.Missed) < examples {
						q.Missed = append(q.Missed, pair)
					}
				}
			}
		}
	}
	q.Precision, q.Recall, q.SharingPrecision = share(q.Right, q.Predicted), share(q.Found, q.Findable), share(q.SharingOK, q.Sharing)
	return q
}

// kindOf is the source and object of a record.
func kindOf(record string) string { return record[:max(strings.LastIndex(record, "/"), 0)] }

// count adds the pairs of one cluster without listing them: groups of one true entity pair rightly, all others wrongly.
func (q *Quality) count(records []string, truth map[string]string, role func(string) bool) {
	groups := map[string][]string{}
	for _, r := range records {
		groups[truth[r]] = append(groups[truth[r]], r)
	}
	pairs := func(n int) int { return n * (n - 1) / 2 }
	q.Predicted += pairs(len(records))
	ids := sortedKeys(groups)
	for _, id := range ids {
		if n := pairs(len(groups[id])); role(id) {
			q.Predicted -= n // neither right nor wrong
		} else {
			q.Right += n
		}
	}
	for i := 0; i+1 < len(ids) && len(q.Wrong) < examples; i++ {
		q.Wrong = append(q.Wrong, [2]string{groups[ids[i]][0], groups[ids[i+1]][0]})
	}
}

// share is a/b; 1 when there was nothing to get wrong.
func share(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// ReadMatches reads an answer as CSV with a header: record, or source, object and id; and one of entity, person,
// person_id, account, account_id, cluster.
func ReadMatches(r io.Reader) ([]Match, error) {
	c := csv.NewReader(r)
	head, err := c.Read()
	if err != nil {
		return nil, &fault.Error{Line: 1, Msg: "the answer has no header", Err: err, Hint: "Begin with: record,person."}
	}
	at := func(names ...string) int {
		return slices.IndexFunc(head, func(h string) bool { return slices.Contains(names, strings.ToLower(strings.TrimSpace(h))) })
	}
	record, source, object, id := at("record", "record_key"), at("source"), at("object"), at("id", "source_id", "record_id")
	entity := at("entity", "person", "person_id", "account", "account_id", "cluster", "cluster_id")
	if entity < 0 || record < 0 && (source < 0 || object < 0 || id < 0) {
		return nil, &fault.Error{Line: 1, Value: strings.Join(head, ","), Msg: "the answer needs a record (or source, object and id) and a person", Hint: "Begin with: record,person."}
	}
	var out []Match
	for line := 2; ; line++ {
		row, err := c.Read()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, &fault.Error{Line: line, Msg: "the answer cannot be read", Err: err}
		}
		m := Match{Entity: row[entity]}
		if record >= 0 {
			m.Record = row[record]
		} else {
			m.Record = fmt.Sprintf("%s/%s/%s", row[source], row[object], row[id])
		}
		out = append(out, m)
	}
}

// ReadQuality reads the answer of /_twin/evaluate.
func ReadQuality(resp *http.Response) (Quality, error) {
	var q Quality
	if resp.StatusCode != http.StatusOK {
		var e struct {
			Error string `json:"error"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || e.Error == "" {
			return q, &fault.Error{Msg: fmt.Sprintf("the address answers %s", resp.Status), Hint: "Give the address of a twin."}
		}
		return q, &fault.Error{Msg: e.Error}
	}
	if err := json.NewDecoder(resp.Body).Decode(&q); err != nil {
		return q, &fault.Error{Msg: "the address does not answer as a twin", Err: err, Hint: "Give the address of a twin."}
	}
	return q, nil
}
