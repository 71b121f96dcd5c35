package market

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// event is one line of the event stream, in the form of the Segment specification (page, identify, group, track).
type event struct {
	Type        string         `json:"type"`
	MessageID   string         `json:"messageId"`
	AnonymousID string         `json:"anonymousId,omitempty"`
	UserID      string         `json:"userId,omitempty"`
	GroupID     string         `json:"groupId,omitempty"`
	Event       string         `json:"event,omitempty"`
	Name        string         `json:"name,omitempty"`
	Timestamp   string         `json:"timestamp"`
	Properties  map[string]any `json:"properties,omitempty"`
	Traits      map[string]any `json:"traits,omitempty"`
	Context     map[string]any `json:"context,omitempty"`
}

// Events are the lines of one day: what visitors and users did, in order of time. About one line in a hundred is there
// twice, as streams deliver at least once; its messageId tells.
func (s *Sim) Events(date time.Time) []byte {
	day := int(date.Sub(s.begin).Hours() / 24)
	var out []event
	from, to := s.at(day, 0).Truncate(24*time.Hour), s.at(day+1, 0).Truncate(24*time.Hour)
	for i, v := range s.sessions {
		if v.At.Before(from) || !v.At.Before(to) {
			continue
		}
		d := s.draw("session", i)
		c := channels[v.Channel]
		for n, page := range v.Pages {
			at := v.At.Add(time.Duration(n*40+d.n(30)) * time.Second)
			e := event{Type: "page", MessageID: d.uuid(), AnonymousID: v.Anon, UserID: v.UserID, Timestamp: store.Stamp(at), Properties: map[string]any{"path": page, "url": "https://www.millstone.example" + page}}
			if n == 0 {
				e.Properties["url"] = "https://www.millstone.example" + page + "?" + c.query()
				utm := map[string]any{"source": c.source, "medium": c.medium}
				if c.campaign >= 0 {
					utm["name"] = campaignNames[c.campaign].utm
				}
				e.Context = map[string]any{"campaign": utm}
			}
			out = append(out, e)
		}
		if v.Identify != "" {
			out = append(out, event{
				Type: "identify", MessageID: d.uuid(), AnonymousID: v.Anon, UserID: v.UserID, Timestamp: store.Stamp(v.At.Add(time.Second)),
				Traits: map[string]any{"email": v.Identify},
			})
		}
	}
	out = append(out, s.useEvents(day)...)
	slices.SortStableFunc(out, func(a, b event) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	var b bytes.Buffer
	for i, e := range out {
		line, err := json.Marshal(e)
		if err != nil {
			panic(fmt.Sprintf("twin: an event always marshals: %v", err)) // strings and numbers only
		}
		for range 1 + btoi(s.draw("twice", day, i).chance(10)) {
			b.Write(line)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// useEvents are the product's events of a day; a user's first session names them and their account.
func (s *Sim) useEvents(day int) (out []event) {
	first := map[int]int{}
	for _, u := range s.usage {
		if _, ok := first[u.Person]; !ok {
			first[u.Person] = u.Day
		}
	}
	for i, u := range s.usage {
		if u.Day != day {
			continue
		}
		p := s.people[u.Person]
		d := s.draw("usage event", i)
		at := s.at(day, d.between(6*60, 20*60)).Add(time.Duration(d.n(60_000)) * time.Millisecond)
		if first[u.Person] == day {
			out = append(out,
				event{Type: "identify", MessageID: d.uuid(), AnonymousID: p.productAnon, UserID: p.productID, Timestamp: store.Stamp(at.Add(-2 * time.Second)), Traits: map[string]any{"email": p.email, "firstName": p.first, "lastName": p.last}},
				event{Type: "group", MessageID: d.uuid(), UserID: p.productID, GroupID: p.acct.domain, Timestamp: store.Stamp(at.Add(-time.Second)), Traits: map[string]any{"name": p.acct.name, "domain": p.acct.domain}})
		}
		out = append(out, event{
			Type: "track", MessageID: d.uuid(), UserID: p.productID, Event: "Session Ended", Timestamp: store.Stamp(at),
			Properties: map[string]any{"minutes": u.Minutes, "actions": u.Actions, "account_domain": p.acct.domain},
		})
	}
	return out
}

// Availability is who of the representatives works on which day, from the first day to two weeks after the date.
func (s *Sim) Availability() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"owner_id", "owner_email", "date", "available"}}
	for i, r := range s.reps {
		for day := 0; day < s.day+14; day++ {
			free := !r.away[day] && !s.weekend(day)
			rows = append(rows, []string{itoa(r.id), s.st.CRM.Owners[i].Email, s.begin.AddDate(0, 0, day).Format(store.Day), fmt.Sprint(free)})
		}
	}
	if err := w.WriteAll(rows); err != nil {
		panic(fmt.Sprintf("twin: a buffer takes every row: %v", err))
	}
	return b.Bytes()
}

// FirstDay is the first day with events.
func (s *Sim) FirstDay() time.Time { return s.begin }

// Identifiers are every record's exact identifiers: addresses as typed but for case and blanks, and cross-system keys.
func (s *Sim) Identifiers() map[string][]string {
	out := map[string][]string{}
	add := func(record, kind, value string) {
		if value = strings.ToLower(strings.TrimSpace(value)); value != "" && !slices.Contains(out[record], kind+":"+value) {
			out[record] = append(out[record], kind+":"+value)
		}
	}
	contacts, _ := s.st.CRM.Table("contacts").After(0, s.st.CRM.Table("contacts").Len(), false)
	for _, r := range contacts {
		key := "hubspot/contacts/" + itoa(r.ID)
		add(key, "email", r.Props["email"])
		add(key, "product_user", r.Props["product_user_id"])
		add(key, "hubspot_contact", itoa(r.ID))
	}
	for _, c := range s.st.Billing.Customers {
		add("stripe/customers/"+c.ID, "email", c.Email)
		add("stripe/customers/"+c.ID, "hubspot_contact", c.Metadata["hubspot_contact_id"])
	}
	for _, f := range s.st.CRM.Subs {
		add("hubspot/form_submissions/"+f.ID, "email", f.Fields[0][1])
	}
	for _, v := range s.sessions {
		add("web/anonymous/"+v.Anon, "email", v.Identify)
		add("web/anonymous/"+v.Anon, "product_user", v.UserID)
	}
	for _, u := range s.usage {
		p := s.people[u.Person]
		if key := "product/users/" + p.productID; out[key] == nil {
			add(key, "product_user", p.productID)
			add(key, "email", p.email)
			add("web/anonymous/"+p.productAnon, "product_user", p.productID)
		}
	}
	delete(out, "web/anonymous/")
	return out
}

// AccountIdentifiers are those of companies and of the customers of the billing system: domains and cross-system keys.
func (s *Sim) AccountIdentifiers() map[string][]string {
	out := map[string][]string{}
	companies, _ := s.st.CRM.Table("companies").After(0, s.st.CRM.Table("companies").Len(), false)
	for _, r := range companies {
		key := "hubspot/companies/" + itoa(r.ID)
		out[key] = []string{"hubspot_company:" + itoa(r.ID)}
		if d := strings.TrimPrefix(r.Props["domain"], "www."); d != "" {
			out[key] = append(out[key], "domain:"+d)
		}
	}
	for _, c := range s.st.Billing.Customers {
		key := "stripe/customers/" + c.ID
		if id := c.Metadata["hubspot_company_id"]; id != "" {
			out[key] = append(out[key], "hubspot_company:"+id)
		}
		if _, d, ok := strings.Cut(strings.ToLower(c.Email), "@"); ok && !slices.Contains(freeMail, d) {
			out[key] = append(out[key], "domain:"+d)
		}
	}
	return out
}
