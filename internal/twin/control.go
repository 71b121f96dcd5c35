package twin

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"millrace/internal/fault"
	"millrace/internal/twin/store"
	"millrace/internal/twin/wire"
)

// Status is what /_twin/state tells.
type Status struct {
	Date    string           `json:"date"`
	Start   string           `json:"start"`
	Size    string           `json:"size"`
	Seed    uint64           `json:"seed"`
	Writes  int              `json:"writes"`
	Digest  string           `json:"digest"`
	Objects map[string]int64 `json:"objects"`
}

// control is not part of any vendor: it moves the day, sets faults and tells what was written.
//
//	GET  /_twin/state               where the market stands, with counts
//	GET  /_twin/writes?after=SEQ    the write ledger
//	GET  /_twin/digest?full=true    a hash of what the vendors hold; full includes operational times and history
//	GET  /_twin/faults              the rules in force
//	POST /_twin/advance             {"date": "2026-03-03"} or {"days": 1}
//	POST /_twin/faults              a rule, or a list of rules, to add
//	DELETE /_twin/faults            no misbehaviour from here on
//	POST /_twin/reset               forget every write and every day played
//	POST /_twin/evaluate?what=people  a CSV as ReadMatches takes it; what may be accounts
func (t *Twin) control(w http.ResponseWriter, r *http.Request) {
	bad := func(err error) {
		wire.JSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	}
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, "/_twin/") {
	case "GET state":
		wire.JSON(w, http.StatusOK, t.Status())
	case "GET writes":
		var after int64
		if v := r.URL.Query().Get("after"); v != "" {
			if err := json.Unmarshal([]byte(v), &after); err != nil {
				bad(&fault.Error{Key: "after", Value: v, Msg: "not a number"})
				return
			}
		}
		out := []store.Write{}
		for _, x := range t.Writes() {
			if x.Seq > after {
				out = append(out, x)
			}
		}
		wire.JSON(w, http.StatusOK, map[string]any{"writes": out})
	case "GET digest":
		wire.JSON(w, http.StatusOK, map[string]string{"digest": t.Digest(r.URL.Query().Get("full") == "true")})
	case "GET faults":
		wire.JSON(w, http.StatusOK, map[string]any{"faults": t.Faults()})
	case "POST advance":
		var in struct {
			Date string `json:"date"`
			Days int    `json:"days"`
		}
		if err := readJSON(r, &in); err != nil {
			bad(err)
			return
		}
		date := t.Date().AddDate(0, 0, in.Days)
		if in.Date != "" {
			var err error
			if date, err = time.Parse(store.Day, in.Date); err != nil {
				bad(&fault.Error{Key: "date", Value: in.Date, Msg: "not a date", Hint: "Write it as 2026-03-03."})
				return
			}
		}
		if err := t.AdvanceTo(date); err != nil {
			bad(err)
			return
		}
		wire.JSON(w, http.StatusOK, t.Status())
	case "POST faults":
		var raw json.RawMessage
		if err := readJSON(r, &raw); err != nil {
			bad(err)
			return
		}
		var list []Fault
		if err := json.Unmarshal(raw, &list); err != nil {
			var one Fault
			if err := json.Unmarshal(raw, &one); err != nil {
				bad(err)
				return
			}
			list = []Fault{one}
		}
		for _, f := range list {
			if err := t.AddFault(f); err != nil {
				bad(err)
				return
			}
		}
		wire.JSON(w, http.StatusOK, map[string]any{"faults": t.Faults()})
	case "DELETE faults":
		t.ClearFaults()
		wire.JSON(w, http.StatusOK, map[string]any{"faults": []Fault{}})
	case "POST reset":
		if err := t.Reset(); err != nil {
			bad(err)
			return
		}
		wire.JSON(w, http.StatusOK, t.Status())
	case "POST evaluate":
		answer, err := ReadMatches(r.Body)
		if err != nil {
			bad(err)
			return
		}
		if r.URL.Query().Get("what") == "accounts" {
			wire.JSON(w, http.StatusOK, t.EvaluateAccounts(answer))
			return
		}
		wire.JSON(w, http.StatusOK, t.EvaluatePeople(answer))
	default:
		wire.JSON(w, http.StatusNotFound, map[string]string{"error": "no such control: " + r.Method + " " + r.URL.Path + "; see docs/twin.md"})
	}
}

func readJSON(r *http.Request, into any) error {
	b, err := wire.Body(r)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// AddFault adds a rule of misbehaviour behind the ones in force.
func (t *Twin) AddFault(f Fault) error { return t.faults.add(f) }

// ClearFaults ends all misbehaviour.
func (t *Twin) ClearFaults() { t.faults.clear() }

// Faults are the rules in force.
func (t *Twin) Faults() []Fault {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	out := []Fault{}
	for _, r := range t.faults.rules {
		out = append(out, r.Fault)
	}
	return out
}

// Reset forgets every write and every day played, on disk too.
func (t *Twin) Reset() error { return t.db.Reset() }

// Status tells where the market stands.
func (t *Twin) Status() Status {
	h := t.db.Header()
	out := Status{Start: h.Start, Size: h.Size, Seed: h.Seed, Digest: t.Digest(false), Objects: map[string]int64{}}
	t.db.View(func(s *store.State) {
		out.Date, out.Writes = s.Date.Format(store.Day), len(s.Writes)
		for _, typ := range s.CRM.Types() {
			out.Objects["hubspot."+typ] = int64(s.CRM.Table(typ).Len())
		}
		b := s.Billing
		for k, n := range map[string]int{
			"hubspot.form_submissions": len(s.CRM.Subs), "stripe.customers": len(b.Customers), "stripe.subscriptions": len(b.Subscriptions),
			"stripe.invoices": len(b.Invoices), "stripe.charges": len(b.Charges), "stripe.refunds": len(b.Refunds), "stripe.events": len(b.Events),
			"google_ads.days": len(s.Ads.Days), "ga4.rows": len(s.Web.Days), "slack.messages": len(s.Chat.Messages),
		} {
			out.Objects[k] = int64(n)
		}
		for _, l := range s.Audiences.Lists {
			out.Objects["google_audience."+l.ID] = int64(len(l.Members))
		}
	})
	return out
}
