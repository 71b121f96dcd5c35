package twin_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"millrace/internal/twin"
	"millrace/internal/twin/market"
	"millrace/internal/twin/store"
)

func small(t testing.TB) *twin.Twin {
	t.Helper()
	tw, err := twin.New(twin.Options{Size: "small"})
	if err != nil {
		t.Fatal(err)
	}
	return tw
}

// resolve joins what shares an identifier. When guarded it leaves out mailboxes that several people read, addresses
// typed at random, and browsers that several people use.
func resolve(tw *twin.Twin, guarded bool) []twin.Match {
	var out []twin.Match
	tw.View(func(s *store.State) {
		parent := map[string]string{}
		var find func(string) string
		find = func(x string) string {
			if p, ok := parent[x]; ok && p != x {
				parent[x] = find(p)
				return parent[x]
			}
			return x
		}
		ids := market.Of(s).Identifiers()
		var records []string
		for r := range ids {
			records = append(records, r)
		}
		slices.Sort(records)
		for _, r := range records {
			addresses := 0
			for _, id := range ids[r] {
				addresses += len(id) - len(strings.TrimPrefix(id, "email:"))
			}
			for _, id := range ids[r] {
				if guarded && (shared(id) || addresses > len("email:")) {
					continue
				}
				if a, b := find(r), find(id); a != b {
					parent[a] = b
				}
			}
		}
		for _, r := range records {
			out = append(out, twin.Match{Record: r, Entity: find(r)})
		}
	})
	return out
}

func shared(id string) bool {
	for _, box := range []string{"info", "sales", "office", "contact", "team", "billing", "test", "asdf", "none"} {
		if strings.HasPrefix(id, "email:"+box+"@") {
			return true
		}
	}
	return false
}

func TestEvaluatePeople(t *testing.T) {
	tw := small(t)
	var truth, lonely []twin.Match
	tw.View(func(s *store.State) {
		for r, p := range market.Of(s).Truth.Persons {
			truth = append(truth, twin.Match{Record: r, Entity: p})
			lonely = append(lonely, twin.Match{Record: r, Entity: r})
		}
	})
	if q := tw.EvaluatePeople(truth); q.Precision != 1 || q.Recall != 1 || q.Missing != 0 || q.Findable < 2000 {
		t.Errorf("the truth itself: %+v", q)
	}
	if q := tw.EvaluatePeople(lonely); q.Predicted != 0 || q.Recall != 0 || len(q.Missed) == 0 {
		t.Errorf("nothing joined: %+v", q)
	}
	// Exact identifiers, with shared mailboxes told apart, find what can be found.
	if q := tw.EvaluatePeople(resolve(tw, true)); q.Precision < 0.99 || q.Recall < 0.98 {
		t.Errorf("by identifiers: %+v", q)
	}
	// Without that protection the mailboxes join people who are not the same.
	if q := tw.EvaluatePeople(resolve(tw, false)); q.Precision > 0.98 || q.Recall < 0.99 {
		t.Errorf("without protection: %+v", q)
	}
	// Who reads the CRM only is judged by the CRM only.
	var crm []twin.Match
	for _, m := range truth {
		if strings.HasPrefix(m.Record, "hubspot/contacts/") {
			crm = append(crm, m)
		}
	}
	if q := tw.EvaluatePeople(crm); q.Recall != 1 || q.Missing != 0 || !slices.Equal(q.Kinds, []string{"hubspot/contacts"}) || len(q.LeftOut) != 4 {
		t.Errorf("contacts only: %+v", q)
	}
	one := make([]twin.Match, len(truth))
	for i, m := range truth {
		one[i] = twin.Match{Record: m.Record, Entity: "all"}
	}
	if q := tw.EvaluatePeople(append(one, twin.Match{Record: "hubspot/contacts/1", Entity: "x"})); q.Precision > 0.1 || q.Recall != 1 || q.Unknown != 1 || len(q.Wrong) == 0 {
		t.Errorf("all joined: %+v", q)
	}
}

func TestEvaluateAccounts(t *testing.T) {
	tw := small(t)
	var truth []twin.Match
	tw.View(func(s *store.State) {
		for r, a := range market.Of(s).Truth.Accounts {
			truth = append(truth, twin.Match{Record: r, Entity: a})
		}
	})
	if q := tw.EvaluateAccounts(truth); q.Precision != 1 || q.Recall != 1 || q.Findable < 50 {
		t.Errorf("%+v", q)
	}
}

func TestReadMatches(t *testing.T) {
	for name, c := range map[string]struct{ in, want, err string }{
		"record":  {"record,person\nhubspot/contacts/1,p1\n", "hubspot/contacts/1=p1", ""},
		"columns": {"source,object,id,person_id,x\nstripe,customers,cus_1,p2,\n", "stripe/customers/cus_1=p2", ""},
		"neither": {"a,b\n1,2\n", "", "Begin with"},
		"empty":   {"", "", "no header"},
		"ragged":  {"record,person\na\n", "", "cannot be read"},
	} {
		got, err := twin.ReadMatches(strings.NewReader(c.in))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0].Record+"="+got[0].Entity != c.want {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

func TestWriteFiles(t *testing.T) {
	tw := small(t)
	dir := t.TempDir()
	if err := tw.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	events, err := filepath.Glob(filepath.Join(dir, "product_events", "*.ndjson"))
	if err != nil || len(events) != market.Days {
		t.Fatalf("%d files, %v", len(events), err)
	}
	kinds, ids, twice := map[string]int{}, map[string]bool{}, 0
	for _, path := range events {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		last := ""
		for line := range bytes.Lines(b) {
			var e struct{ Type, MessageID, Timestamp string }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if e.Timestamp < last || !strings.HasPrefix(e.Timestamp, strings.TrimSuffix(filepath.Base(path), ".ndjson")) {
				t.Fatalf("%s: an event of %s", path, e.Timestamp)
			}
			last = e.Timestamp
			kinds[e.Type]++
			if ids[e.MessageID] {
				twice++
			}
			ids[e.MessageID] = true
		}
	}
	if kinds["page"] == 0 || kinds["identify"] == 0 || kinds["track"] == 0 || kinds["group"] == 0 || twice == 0 || twice > len(ids)/30 {
		t.Errorf("%v, %d twice of %d", kinds, twice, len(ids))
	}
	before, err := os.ReadFile(events[7])
	if err != nil {
		t.Fatal(err)
	}
	// Another twin that is a day further writes the same days alike, and one more.
	other := small(t)
	if err := other.AdvanceTo(other.Date().AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	dir2 := t.TempDir()
	if err := other.WriteFiles(dir2); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(dir2, "product_events", filepath.Base(events[7])))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("a day that is over was written differently: %v", err)
	}
	if more, _ := filepath.Glob(filepath.Join(dir2, "product_events", "*.ndjson")); len(more) != market.Days+1 {
		t.Errorf("%d files a day later", len(more))
	}
}
