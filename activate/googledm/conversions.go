package googledm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/adhash"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// EventOptions is what `config:` of google_conversions holds.
type EventOptions struct {
	Access   `yaml:",inline"`
	Currency string `yaml:"currency" doc:"currency of the values, unless a column says it" example:"USD"`
	Source   string `yaml:"event_source" default:"OTHER" enum:"WEB,APP,IN_STORE,PHONE,MESSAGE,OTHER" doc:"where events happened"`
}

// Conversions is the catalog's entry for events.
func Conversions() activate.Connector {
	return activate.Connector{Name: "google_conversions", Summary: "Google conversions through the Data Manager: events told once; object: the conversion action's id",
		Options: func() any { return &EventOptions{} }, Open: openConversions}
}

// maxEvents is how many events one request takes.
const maxEvents = 2_000

// conversions tells events. Google takes a request whole and then counts; one event is known by its transaction id, which
// is the same for the same business event for ever, so telling it again after a lost answer counts once.
type conversions struct {
	*access
	events EventOptions
	now    func() time.Time
}

func openConversions(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*EventOptions)
	if !ok {
		return nil, fmt.Errorf("google_conversions: options are %T", p.Options)
	}
	a, err := connect(p, o.Access)
	now := p.Now
	if now == nil {
		now = time.Now
	}
	return &conversions{a, *o, now}, err
}

// Capabilities declares events that are counted, not answered for one by one.
func (d *conversions) Capabilities(object string) (activate.Capabilities, error) {
	if !digits.MatchString(object) {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not the id of a conversion action", Hint: "Write the number of the action, the ctId in its address in Google Ads under Goals, Conversions."}
	}
	return activate.Capabilities{Account: d.opt.Customer, Ops: []activate.Op{activate.Event}, MaxBatch: maxEvents, Repeat: true, Undo: activate.UndoNone, PerSecond: callsPerMinute / 60.0}, nil
}

var (
	clickFields = []string{"gclid", "gbraid", "wbraid"}
	eventFields = append([]string{"currency", "event_time", "transaction_id", "value"}, clickFields...)
)

// Check refuses a mapping that makes no event, then has Google validate a request with one invented event: nothing is
// written by that.
func (d *conversions) Check(ctx context.Context, t activate.Target) error {
	var l fault.List
	has := func(f string) bool { return slices.Contains(t.Fields, f) }
	known := slices.Concat(eventFields, []string{"email", "phone"}, address)
	found := false
	for _, f := range t.Fields {
		if f != t.Key && !slices.Contains(known, f) && !numbered.MatchString(f) {
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "an event has no such field", Hint: fault.DidYouMean(f, known)})
		}
		found = found || numbered.MatchString(f) || slices.Contains(clickFields, f)
	}
	if !has("event_time") {
		l.Add(&fault.Error{Key: "mapping.event_time", Msg: "an event needs the time at which it happened", Hint: "Map event_time from the column that holds it."})
	}
	if !found {
		l.Add(&fault.Error{Key: "mapping", Msg: "nothing in it leads to a click or a person", Hint: "Map email, phone, or a click id: " + strings.Join(clickFields, ", ") + "."})
	}
	if has("value") && !has("currency") && d.events.Currency == "" {
		l.Add(&fault.Error{Key: "mapping.value", Msg: "a value needs its currency", Hint: "Map currency, or write config.currency."})
	}
	if err := l.Or(); err != nil {
		return err
	}
	hash, err := adhash.Email(adhash.Google, "validation@example.com")
	if err != nil {
		return err
	}
	r := d.batch(t, []conversion{{Transaction: "validation", At: d.now().UTC().Format(time.RFC3339), Source: d.events.Source, UserData: &userData{[]identifier{{Email: hash}}}}})
	r.ValidateOnly = true
	_, err = d.call(ctx, "events:ingest", r, true, httpx.RepeatSafe)
	return err
}

type click struct {
	GCLID  string `json:"gclid,omitempty"`
	GBRAID string `json:"gbraid,omitempty"`
	WBRAID string `json:"wbraid,omitempty"`
}

type conversion struct {
	Transaction string      `json:"transactionId"`
	At          string      `json:"eventTimestamp"`
	UserData    *userData   `json:"userData,omitempty"`
	Click       *click      `json:"adIdentifiers,omitempty"`
	Currency    string      `json:"currency,omitempty"`
	Value       json.Number `json:"conversionValue,omitempty"`
	Source      string      `json:"eventSource"`
}

type eventRequest struct {
	Destinations []target     `json:"destinations"`
	Events       []conversion `json:"events"`
	Consent      *consent     `json:"consent"`
	Encoding     string       `json:"encoding"`
	ValidateOnly bool         `json:"validateOnly,omitempty"`
}

func (d *conversions) batch(t activate.Target, events []conversion) *eventRequest {
	return &eventRequest{Destinations: d.into(t.Object), Events: events, Consent: d.consent(), Encoding: "HEX"}
}

// event makes an event of a row, or says why Google would refuse it and with it every other one of the request.
func (d *conversions) event(r activate.Row) (conversion, error) {
	text := func(f string) string { return strings.TrimSpace(canon.Text(r.Values[f])) }
	e := conversion{Transaction: text("transaction_id"), Source: d.events.Source, Currency: strings.ToUpper(text("currency"))}
	if e.Transaction == "" {
		e.Transaction = r.IdemKey
	}
	at, err := time.Parse(time.RFC3339Nano, text("event_time"))
	if err != nil {
		return e, fmt.Errorf("event_time %q is not an instant", text("event_time"))
	}
	if at.After(d.now().Add(time.Minute)) {
		return e, fmt.Errorf("event_time %s is in the future", text("event_time"))
	}
	e.At = at.UTC().Format(time.RFC3339Nano)
	c := click{text("gclid"), text("gbraid"), text("wbraid")}
	if c != (click{}) {
		e.Click = &c
	}
	people := map[string]json.RawMessage{}
	for f, v := range r.Values {
		if numbered.MatchString(f) || slices.Contains(address, f) {
			people[f] = v
		}
	}
	ids, err := d.identify(people)
	switch {
	case err == nil:
		e.UserData = &userData{ids}
	case e.Click == nil:
		return e, err
	}
	if v := text("value"); v != "" {
		if n, err := strconv.ParseFloat(v, 64); err != nil || n < 0 {
			return e, fmt.Errorf("value %q is not an amount", v)
		}
		if e.Currency == "" {
			e.Currency = strings.ToUpper(d.events.Currency)
		}
		if len(e.Currency) != 3 {
			return e, errors.New("the value has no currency")
		}
		e.Value = json.Number(v)
	} else {
		e.Currency = ""
	}
	return e, nil
}

// Send tells a batch of events. Rows that make no event are refused here; when Google refuses the request because of
// certain events, *activate.RefusedRows names their rows.
func (d *conversions) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Event {
		return activate.Answer{}, fmt.Errorf("google_conversions cannot %s", b.Op)
	}
	var a activate.Answer
	var told []conversion
	var sent []activate.Row
	for _, r := range b.Rows {
		e, err := d.event(r)
		if err != nil {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: err.Error()})
			continue
		}
		told, sent = append(told, e), append(sent, r)
	}
	return d.hand(ctx, a, sent, "events:ingest", d.batch(b.Target, told))
}
