package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// EngagementOptions is what `config:` of hubspot_engagements holds.
type EngagementOptions struct {
	Options    `yaml:",inline"`
	IDProperty string `yaml:"id_property" default:"millrace_id" doc:"text property with unique values, made once in HubSpot for notes or tasks: it is what keeps a note from being written twice"`
}

// Engagements is the catalog's entry for notes and tasks.
func Engagements() activate.Connector {
	return activate.Connector{Name: "hubspot_engagements", Summary: "HubSpot notes and tasks, each written once and tied to its records; object: notes or tasks",
		Options: func() any { return &EngagementOptions{} }, Open: func(p activate.OpenParams) (activate.Destination, error) {
			o, ok := p.Options.(*EngagementOptions)
			if !ok {
				return nil, fmt.Errorf("hubspot_engagements: options are %T", p.Options)
			}
			p.Options = &o.Options
			d, err := open(p)
			if err != nil {
				return nil, err
			}
			return &engagements{d.(*destination), o.IDProperty}, nil
		}}
}

// tie is a record that a note or task belongs to: as a mapping names its id, and HubSpot's own number for such a link.
type tie struct {
	field       string
	notes, task int
}

var ties = []tie{{"contact_id", 202, 204}, {"company_id", 190, 192}, {"deal_id", 214, 216}, {"ticket_id", 228, 230}}

func tieNames() []string {
	var out []string
	for _, t := range ties {
		out = append(out, t.field)
	}
	return out
}

// required are the properties without which a note or task says nothing.
var required = map[string][]string{"notes": {"hs_timestamp", "hs_note_body"}, "tasks": {"hs_timestamp", "hs_task_subject"}}

type engagements struct {
	portal *destination
	id     string // name of the property that is unique
}

// Close drops the portal's connections.
func (e *engagements) Close() error { return e.portal.Close() }

// Capabilities declares things that are written once: a second one under the same key is refused by HubSpot itself.
func (e *engagements) Capabilities(object string) (activate.Capabilities, error) {
	if required[object] == nil {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "no engagement that can be written", Hint: "Write notes or tasks."}
	}
	c, err := e.portal.Capabilities(object)
	c.Ops, c.Undo, c.TellsNew = []activate.Op{activate.Event}, activate.UndoNone, false
	return c, err
}

// Check refuses properties that are not there, a note that belongs to nothing, and a portal without the unique property.
func (e *engagements) Check(ctx context.Context, t activate.Target) error {
	plain := slices.DeleteFunc(slices.Clone(t.Fields), func(f string) bool { return slices.Contains(tieNames(), f) || f == t.Key })
	err := e.portal.Check(ctx, activate.Target{Object: t.Object, Key: "hs_object_id", Fields: plain})
	if e.portal.props[t.Object] == nil {
		return err
	}
	var l fault.List
	l.Add(err)
	if p, ok := e.portal.props[t.Object][e.id]; !ok || !p.Unique {
		l.Add(&fault.Error{Key: "config.id_property", Value: e.id, Msg: t.Object + " have no such property with unique values, so a lost answer could make one twice",
			Hint: "Make it once: POST /crm/v3/properties/" + t.Object + ` with {"name":"` + e.id + `","label":"Millrace id","type":"string","fieldType":"text","groupName":"engagement","hasUniqueValue":true}.`})
	}
	for _, f := range required[t.Object] {
		if !slices.Contains(t.Fields, f) {
			l.Add(&fault.Error{Key: "mapping." + f, Msg: t.Object + " need it", Hint: "Map " + f + "."})
		}
	}
	if !slices.ContainsFunc(t.Fields, func(f string) bool { return slices.Contains(tieNames(), f) }) {
		l.Add(&fault.Error{Key: "mapping", Msg: "it would belong to no record, and nobody would see it", Hint: "Map one of " + strings.Join(tieNames(), ", ") + " from a column with HubSpot's record ids."})
	}
	return l.Or()
}

type association struct {
	To    ref            `json:"to"`
	Types []associatedAs `json:"types"`
}

type associatedAs struct {
	Category string `json:"associationCategory"`
	TypeID   int    `json:"associationTypeId"`
}

type engagement struct {
	Properties   map[string]string `json:"properties"`
	Associations []association     `json:"associations"`
	Trace        string            `json:"objectWriteTraceId"`
}

// make spells a row as HubSpot takes it.
func (e *engagements) make(object string, r activate.Row) (engagement, error) {
	g := engagement{Properties: map[string]string{e.id: r.IdemKey}, Trace: r.ID}
	for f, v := range r.Values {
		i := slices.IndexFunc(ties, func(t tie) bool { return t.field == f })
		if i < 0 {
			g.Properties[f] = e.portal.spell(object, f, v)
			continue
		}
		id := strings.TrimSpace(canon.Text(v))
		if id == "" {
			continue
		}
		if !digits.MatchString(id) {
			return g, fmt.Errorf("%s is not the id of a HubSpot record", f)
		}
		n := ties[i].notes
		if object == "tasks" {
			n = ties[i].task
		}
		g.Associations = append(g.Associations, association{ref{id}, []associatedAs{{"HUBSPOT_DEFINED", n}}})
	}
	slices.SortFunc(g.Associations, func(a, b association) int { return a.Types[0].TypeID - b.Types[0].TypeID })
	if len(g.Associations) == 0 {
		return g, fmt.Errorf("it belongs to no record: %s are empty", strings.Join(tieNames(), ", "))
	}
	return g, nil
}

// Send writes notes or tasks. One whose key HubSpot has already was written before: that is looked at, not believed.
func (e *engagements) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Event {
		return activate.Answer{}, fmt.Errorf("hubspot_engagements cannot %s", b.Op)
	}
	if err := e.portal.define(ctx, b.Target.Object); err != nil {
		return activate.Answer{}, err
	}
	var a activate.Answer
	var inputs []engagement
	sent := b
	sent.Rows = nil
	for _, r := range b.Rows {
		g, err := e.make(b.Target.Object, r)
		if err != nil {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: err.Error()})
			continue
		}
		inputs, sent.Rows = append(inputs, g), append(sent.Rows, r)
	}
	if len(inputs) == 0 {
		return a, nil
	}
	body, err := encode(map[string]any{"inputs": inputs})
	if err != nil {
		return activate.Answer{}, err
	}
	resp, err := e.portal.client.Do(ctx, httpx.Request{Method: http.MethodPost, URL: e.portal.objects(b.Target.Object, "/batch/create"), Body: body,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}, Repeat: httpx.RepeatNever, Judge: judge})
	var h *httpx.Error
	if asHTTP(err, &h) && h.Status == http.StatusConflict && len(sent.Rows) == 1 {
		results := []activate.Result{{ID: sent.Rows[0].ID, Status: activate.Rejected, Class: "conflict", Message: h.Message}}
		if err := e.before(ctx, sent, results); err != nil {
			return activate.Answer{}, err
		}
		a.Results = append(a.Results, results...)
		return a, nil
	}
	if err != nil {
		return activate.Answer{}, explain(err, "crm.objects."+b.Target.Object+".write")
	}
	a.RequestID = resp.RequestID
	var out envelope
	if err := json.Unmarshal(resp.Body, &out); err != nil {
		return activate.Answer{}, fmt.Errorf("hubspot: the answer to a batch of %s cannot be read, so it is not known what was written: %w", b.Target.Object, err)
	}
	results := attribute(sent, out, map[string]int{})
	if err := e.before(ctx, sent, results); err != nil {
		return activate.Answer{}, err
	}
	a.Results = append(a.Results, results...)
	return a, nil
}

// before looks for those that HubSpot refused because their key is taken: they were written before.
func (e *engagements) before(ctx context.Context, b activate.Batch, results []activate.Result) error {
	var look []activate.Row
	at := map[string]int{}
	for i, r := range results {
		if r.Status != activate.Rejected || r.Class != "conflict" {
			continue
		}
		for _, row := range b.Rows {
			if row.ID == r.ID {
				look = append(look, activate.Row{ID: row.ID, Key: row.IdemKey})
				at[row.ID] = i
			}
		}
	}
	if len(look) == 0 {
		return nil
	}
	found, err := e.portal.Read(ctx, activate.Target{Object: b.Target.Object, Key: e.id}, look)
	if err != nil {
		// What is in the way is not known, so neither is whether it was us.
		for _, i := range at {
			results[i] = activate.Result{ID: results[i].ID, Status: activate.Unknown, Message: "its key is taken, and what holds it cannot be looked up: " + err.Error()}
		}
		return nil
	}
	for id, i := range at {
		if rec := found[id]; rec.Exists {
			results[i] = activate.Result{ID: id, Status: activate.Acked, RemoteID: rec.RemoteID, Message: "it was written before"}
		}
	}
	return nil
}
