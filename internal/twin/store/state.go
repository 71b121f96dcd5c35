// Package store holds the state behind the simulated vendors and the log that makes it durable.
//
// A write is a Commit: a list of effects. It is appended to the log and synced before it is applied, and applied before
// the vendor answers; on start the log is replayed over the same seeded market. The package knows no HTTP.
package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// State is everything the vendors serve. It is read and changed under the lock of DB.
type State struct {
	Date      time.Time // logical day (UTC midnight): everything before it has happened
	CRM       *CRM
	Billing   *Billing
	Ads       *Ads
	Web       *Web
	Audiences *Audiences
	Chat      *Chat
	Docs      *Docs   // things of the vendors that need no store of their own
	Writes    []Write // effective writes since the twin was made, in order
	Sim       any     // the market behind the state, with its truth; no vendor reads it
	step      int64   // commits on this day
	onEffect  []func(Effect, Change)
}

// Write is one line of the write ledger: what one effect did to one thing.
type Write struct {
	Seq            int64             `json:"seq"` // of the commit; the effects of one request share it
	At             time.Time         `json:"at"`  // logical time
	Vendor         string            `json:"vendor"`
	Object         string            `json:"object"`
	Key            string            `json:"key"`
	Op             string            `json:"op"` // create, update, archive, add, remove, post, ...
	Fields         map[string]string `json:"fields,omitempty"`
	Changed        []string          `json:"changed"` // fields whose value moved; empty: the write repeated what was there
	IdempotencyKey string            `json:"idempotency_key,omitempty"`
	Request        string            `json:"request"` // method and path
}

// Effect is one change of the state. Kind is "<store>.<what>".
type Effect struct {
	Kind   string            `json:"k"`
	Object string            `json:"o,omitempty"`
	ID     string            `json:"id,omitempty"`
	To     string            `json:"to,omitempty"` // other object type of an association
	ToID   string            `json:"tid,omitempty"`
	Fields map[string]string `json:"f,omitempty"`
	IDs    []string          `json:"ids,omitempty"`
	Def    *Property         `json:"def,omitempty"`
	Count  [3]int64          `json:"n,omitzero"`
	Text   string            `json:"text,omitempty"`
	Bytes  []byte            `json:"bytes,omitempty"`
}

// Commit is one durable line of the log: either effects of one request, or an advance of the date.
type Commit struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Vendor  string    `json:"vendor,omitempty"`
	Request string    `json:"request,omitempty"`
	Key     string    `json:"key,omitempty"` // idempotency key
	Effects []Effect  `json:"effects,omitempty"`
	Advance string    `json:"advance,omitempty"` // YYYY-MM-DD
}

// NewState is an empty world on a day.
func NewState(date time.Time) *State {
	return &State{
		Date: date, CRM: newCRM(), Billing: newBilling(), Ads: &Ads{}, Web: &Web{},
		Audiences: &Audiences{Requests: map[string]*IngestRequest{}}, Chat: &Chat{},
		Docs: newDocs(),
	}
}

// Now is the logical time: midnight of the day plus one millisecond for each write since.
func (s *State) Now() time.Time { return s.Date.Add(time.Duration(s.step) * time.Millisecond) }

// OnEffect registers what reacts to effects, in order; the market does.
func (s *State) OnEffect(f func(Effect, Change)) { s.onEffect = append(s.onEffect, f) }

// SetDate moves the logical day.
func (s *State) SetDate(d time.Time) { s.Date, s.step = d, 0 }

// apply carries out a commit and files its writes. Effects were checked before they were committed, so a failure here
// is a damaged log.
func (s *State) apply(c Commit) error {
	s.step++
	for _, e := range c.Effects {
		w := Write{
			Seq: c.Seq, At: c.At, Vendor: c.Vendor, Object: e.Object, Key: e.ID, Fields: e.Fields,
			Changed: []string{}, IdempotencyKey: c.Key, Request: c.Request,
		}
		ch := Change{At: c.At, SourceType: "INTEGRATION", SourceID: "millrace-twin"}
		if err := s.effect(e, ch, &w); err != nil {
			return fmt.Errorf("commit %d: %s %s %s: %w", c.Seq, e.Kind, e.Object, e.ID, err)
		}
		slices.Sort(w.Changed)
		s.Writes = append(s.Writes, w)
		for _, f := range s.onEffect {
			f(e, ch)
		}
	}
	return nil
}

func (s *State) effect(e Effect, c Change, w *Write) error {
	switch e.Kind {
	case "crm.create", "crm.update", "crm.archive", "crm.forget":
		return s.crmRecord(e, c, w)
	case "crm.property":
		w.Op, w.Key, w.Changed = "define", e.Def.Name, []string{e.Def.Name}
		s.CRM.Table(e.Object).Define(*e.Def)
	case "crm.link", "crm.unlink":
		return s.crmLink(e, w)
	case "crm.list":
		w.Op, w.Changed = "create", []string{"name"}
		s.CRM.Lists = append(s.CRM.Lists, &List{
			ID: e.ID, Name: e.Fields["name"], TypeID: e.Fields["objectTypeId"], Processing: e.Fields["processingType"],
			Created: c.At, Updated: c.At, Members: map[int64]time.Time{},
		})
	case "crm.members.add", "crm.members.remove":
		return s.crmMembers(e, c, w)
	case "billing.customer":
		s.billingCustomer(e, c, w)
	case "billing.replay":
		var r Replay
		if err := json.Unmarshal([]byte(e.Text), &r); err != nil {
			return err
		}
		w.Op = "remember"
		s.Billing.Idempotent[e.ID] = r
	case "audience.list", "audience.ingest", "audience.remove":
		return s.audience(e, c, w)
	case "chat.post", "chat.update", "chat.upload", "chat.bytes", "chat.complete":
		return s.chat(e, c, w)
	case "doc.put", "doc.delete", "set.add", "set.remove", "ads.campaign":
		return s.docs(e, c, w)
	default:
		return fmt.Errorf("unknown effect")
	}
	return nil
}

func (s *State) crmRecord(e Effect, c Change, w *Write) error {
	t := s.CRM.Table(e.Object)
	if t == nil {
		return fmt.Errorf("no such object type")
	}
	id, err := ParseID(e.ID)
	if err != nil {
		return err
	}
	r := t.Get(id)
	w.Op = e.Kind[len("crm."):]
	switch {
	case e.Kind == "crm.create":
		r = t.Insert(id, c.At)
	case r == nil:
		return fmt.Errorf("no such record")
	case e.Kind == "crm.archive":
		t.Archive(r, c.At)
		w.Changed = []string{"archived"}
		return nil
	case e.Kind == "crm.forget":
		t.Forget(r, c.At)
		w.Changed = []string{"forgotten"}
		return nil
	}
	for _, k := range sortedKeys(e.Fields) {
		if t.Set(r, k, e.Fields[k], c) {
			w.Changed = append(w.Changed, k)
		}
	}
	r.Updated = c.At // a write counts as a change even when every value was there already
	return nil
}

func (s *State) crmLink(e Effect, w *Write) error {
	from, err := ParseID(e.ID)
	if err != nil {
		return err
	}
	to, err := ParseID(e.ToID)
	if err != nil {
		return err
	}
	a, b := s.CRM.Table(e.Object), s.CRM.Table(e.To)
	if a == nil || b == nil || a.Get(from) == nil || b.Get(to) == nil {
		return fmt.Errorf("no such record to associate")
	}
	linked := slices.Contains(a.Get(from).Assoc[b.Type], to)
	w.Fields = map[string]string{b.Type: e.ToID}
	if e.Kind == "crm.link" {
		w.Op = "link"
		s.CRM.Link(a.Type, from, b.Type, to)
	} else {
		w.Op = "unlink"
		s.CRM.Unlink(a.Type, from, b.Type, to)
	}
	if linked != (e.Kind == "crm.link") {
		w.Changed = []string{b.Type}
	}
	return nil
}

func (s *State) crmMembers(e Effect, c Change, w *Write) error {
	l := s.CRM.List(e.ID)
	if l == nil {
		return fmt.Errorf("no such list")
	}
	w.Op = e.Kind[len("crm.members."):]
	for _, m := range e.IDs {
		id, err := ParseID(m)
		if err != nil {
			return err
		}
		_, in := l.Members[id]
		if w.Op == "add" && !in {
			l.Members[id] = c.At
			w.Changed = append(w.Changed, m)
		}
		if w.Op == "remove" && in {
			delete(l.Members, id)
			w.Changed = append(w.Changed, m)
		}
	}
	if len(w.Changed) > 0 {
		l.Updated = c.At
	}
	return nil
}

func (s *State) billingCustomer(e Effect, c Change, w *Write) {
	cu := s.Billing.Customer(e.ID)
	w.Op = "update"
	if cu == nil {
		w.Op = "create"
		cu = &Customer{ID: e.ID, Created: c.At, Metadata: map[string]string{}}
		s.Billing.AddCustomer(cu)
	}
	for _, k := range sortedKeys(e.Fields) {
		if v := e.Fields[k]; cu.SetField(k, v) {
			w.Changed = append(w.Changed, k)
		}
	}
	s.Billing.Notify(e.Text, "customer."+w.Op+"d", c.At, cu)
}

// SetField changes a field of a customer by its name in the API: name, email, phone, description, metadata[key].
func (c *Customer) SetField(name, value string) bool {
	var p *string
	switch name {
	case "name":
		p = &c.Name
	case "email":
		p = &c.Email
	case "phone":
		p = &c.Phone
	case "description":
		p = &c.Description
	case "deleted":
		moved := !c.Deleted
		c.Deleted = true
		return moved
	default:
		key := name[len("metadata[") : len(name)-1]
		old, had := c.Metadata[key]
		if value == "" {
			delete(c.Metadata, key)
			return had
		}
		if c.Metadata == nil {
			c.Metadata = map[string]string{}
		}
		c.Metadata[key] = value
		return !had || old != value
	}
	moved := *p != value
	*p = value
	return moved
}

func (s *State) audience(e Effect, c Change, w *Write) error {
	if e.Kind == "audience.list" {
		w.Op, w.Changed = "create", []string{"name"}
		s.Audiences.Lists = append(s.Audiences.Lists, &UserList{ID: e.ID, Name: e.Text, Members: map[string]string{}})
		return nil
	}
	l := s.Audiences.List(e.ID)
	if l == nil {
		return fmt.Errorf("no such user list")
	}
	w.Op = e.Kind[len("audience."):]
	w.Fields = map[string]string{"members": strconv.FormatInt(e.Count[0], 10), "request_id": e.Text}
	for _, id := range sortedKeys(e.Fields) {
		_, in := l.Members[id]
		if w.Op == "ingest" {
			l.Members[id] = e.Fields[id]
		} else {
			delete(l.Members, id)
		}
		if in != (w.Op == "ingest") {
			w.Changed = append(w.Changed, id)
		}
	}
	q := s.Audiences.Requests[e.Text]
	if q == nil {
		q = &IngestRequest{ID: e.Text, Op: w.Op, At: c.At, Total: e.Count[0], Denied: e.Count[1], Members: e.Count[2]}
		s.Audiences.Requests[e.Text] = q
	}
	q.Lists = append(q.Lists, e.ID)
	return nil
}

func (s *State) chat(e Effect, c Change, w *Write) error {
	w.Op = e.Kind[len("chat."):]
	switch e.Kind {
	case "chat.post":
		s.Chat.Messages = append(s.Chat.Messages, &Message{
			Channel: e.Object, TS: e.ID, Thread: e.Fields["thread_ts"], Text: e.Fields["text"], Blocks: e.Fields["blocks"],
			Attachments: e.Fields["attachments"], Metadata: e.Fields["metadata"], ClientID: e.Fields["client_msg_id"], Files: e.IDs,
		})
		w.Changed = []string{"text"}
	case "chat.update":
		m := s.Chat.Message(e.Object, e.ID)
		if m == nil {
			return fmt.Errorf("no such message")
		}
		for name, p := range map[string]*string{
			"text": &m.Text, "blocks": &m.Blocks, "attachments": &m.Attachments, "metadata": &m.Metadata,
		} {
			if v, given := e.Fields[name]; given && *p != v {
				*p = v
				w.Changed = append(w.Changed, name)
			}
		}
		m.Edited = true
	case "chat.upload":
		s.Chat.Files = append(s.Chat.Files, &File{ID: e.ID, Name: e.Text, Size: e.Count[0], At: c.At})
		w.Changed = []string{"name"}
	case "chat.bytes", "chat.complete":
		f := s.Chat.File(e.ID)
		if f == nil {
			return fmt.Errorf("no such file")
		}
		if e.Kind == "chat.bytes" {
			f.Body, f.SHA256 = e.Bytes, e.Text
			w.Changed, w.Fields = []string{"body"}, map[string]string{"sha256": e.Text}
			return nil
		}
		f.Title, f.Channel, f.Done = e.Text, e.To, true
		w.Changed = []string{"shared"}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
