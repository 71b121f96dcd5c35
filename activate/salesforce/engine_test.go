package salesforce

import (
	"fmt"
	"strings"
	"testing"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/twin"
	"millrace/internal/twin/store"
	"millrace/transform/relation"
)

const file = `version: 1
owner: ann
live: true
relation: segments.leads
destination: salesforce
config: {instance_url: "https://x.example", client_id: x, client_secret: x}
object: Contact
key: Millrace_Id__c
mapping:
  LastName: name
  Title: {column: title, null: clear}
  Lead_Score__c: score
guardrails: {first_run: allow, max_changed_pct: 100}
`

// night is the sync over a fresh org: bulk is the number of rows from which a job is used.
func night(t *testing.T, bulk, known, fresh int) (*desttest.Night, *twin.Twin) {
	tw, base := startTwin(t)
	o := options(base)
	o.BulkFrom, o.MaxShare = bulk, 100
	n := &desttest.Night{T: t, File: file, Connector: Connector(), Open: func() activate.Destination { return dest(t, o) },
		Relation: relation.Relation{Name: "segments.leads", Version: "1", Columns: []relation.Column{{Name: "Millrace_Id__c"}, {Name: "name"}, {Name: "title"}, {Name: "score"}}}}
	var keys []string
	tw.View(func(s *store.State) {
		for _, d := range s.Docs.Table("salesforce.Contact").All() {
			if len(keys) < known {
				keys = append(keys, strings.ToUpper(d.Fields["Millrace_Id__c"]))
			}
		}
	})
	if len(keys) < known {
		t.Fatalf("the org knows %d contacts", len(keys))
	}
	for i := range fresh {
		keys = append(keys, fmt.Sprint("fresh-", i))
	}
	for i, k := range keys {
		n.Rows = append(n.Rows, map[string]any{"Millrace_Id__c": k, "name": fmt.Sprint("Name ", i), "title": fmt.Sprint("Title ", i), "score": i})
	}
	return n, tw
}

func TestSyncAndUndo(t *testing.T) {
	for _, bulk := range []int{2000, 1} {
		n, tw := night(t, bulk, 20, 15)
		before := live(tw)
		p, a, err := n.Whole()
		if err != nil || a.Acked() != 35 {
			t.Fatalf("bulk from %d: %+v %v", bulk, a, err)
		}
		if q, _, err := n.Whole(); err != nil || q.Verdict != activate.VerdictEmpty {
			t.Errorf("bulk from %d: nothing changed, and yet %+v %v", bulk, q, err)
		}
		u, a, err := n.Undo(p.ID)
		if err != nil || a.Acked() != 35 || u.Ops["archive"] != 15 || u.Ops["restore"] != 20 || len(u.Conflicts) != 0 {
			t.Fatalf("bulk from %d: %+v %+v %v", bulk, u, a, err)
		}
		if after := live(tw); after != before {
			t.Errorf("bulk from %d: the org is not as it was before\n%.300s\n%.300s", bulk, before, after)
		}
	}
}

// live is what the org holds outside its recycle bin.
func live(tw *twin.Twin) string {
	var b strings.Builder
	tw.View(func(s *store.State) {
		for _, d := range s.Docs.Table("salesforce.Contact").All() {
			if !d.Deleted {
				fmt.Fprintln(&b, d.ID, d.Fields)
			}
		}
	})
	return b.String()
}

// One call in five fails, in every way that the twin knows, with collections and with jobs. In the end the org is as after
// an undisturbed night, and nothing was made twice.
func TestFailingOrg(t *testing.T) {
	for _, bulk := range []int{2000, 1} {
		calm, calmTwin := night(t, bulk, 20, 30)
		if _, a, err := calm.Whole(); err != nil || a.Acked() != 50 {
			t.Fatalf("%+v %v", a, err)
		}
		n, tw := night(t, bulk, 20, 30)
		for _, kind := range []string{twin.Status429, twin.Status500, twin.Status503, twin.DropBefore, twin.DropAfter, twin.Truncate, twin.ErrorBody, twin.EmptySuccess} {
			if err := tw.AddFault(twin.Fault{Vendor: "salesforce", Path: "/services/data/", Kind: kind, Rate: 0.03}); err != nil {
				t.Fatal(err)
			}
		}
		desttest.FailingNights(t, n, 12, 8, tw.ClearFaults)
		if got, want := live(tw), live(calmTwin); got != want {
			t.Errorf("bulk from %d: the org does not hold what an undisturbed run leaves\n%s\n%s", bulk, got, want)
		}
		made := 0
		for _, w := range tw.Writes() {
			if w.Object == "salesforce.Contact" && w.Op == "create" {
				made++
			}
		}
		if made != 30 {
			t.Errorf("bulk from %d: %d contacts were made, want 30", bulk, made)
		}
	}
}

func TestCrashAtEveryStep(t *testing.T) {
	for _, bulk := range []int{2000, 1} {
		steps := desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
			n, tw := night(t, bulk, 6, 4)
			return n, func() string { return tw.Digest(false) }
		})
		t.Logf("bulk from %d: %d steps", bulk, steps)
	}
}

// A job that fails in the middle says which rows it did not come to; they go again, and only they.
func TestAJobThatFailsInTheMiddle(t *testing.T) {
	n, tw := night(t, 1, 0, 6)
	n.Rows[3]["title"] = "unprocessed!"
	_, a, err := n.Whole()
	if err != nil || a.Acked() != 6 {
		t.Fatalf("%+v %v", a, err)
	}
	made, failed := 0, 0
	for _, w := range tw.Writes() {
		if w.Object == "salesforce.Contact" && w.Op == "create" {
			made++
		}
		if w.Fields["state"] == "Failed" {
			failed++
		}
	}
	if made != 6 || failed != 1 {
		t.Errorf("%d contacts were made, %d jobs failed", made, failed)
	}
}
