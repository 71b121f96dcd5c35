package meta

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/adhash"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/vendorapi"
)

// How old an event may be: an older one would spoil the whole call.
const (
	maxAge      = 7 * 24 * time.Hour
	maxAgeStore = 62 * 24 * time.Hour
	physical    = "physical_store"
)

// Fields of an event beside the identifiers: what it is, what it was worth, and what must never be hashed.
var (
	eventFields  = []string{"event_name", "event_time", "action_source", "event_source_url"}
	customFields = []string{"value", "currency", "order_id", "content_name", "content_category", "status", "lead_event_source", "event_source"}
	userFields   = []string{"client_ip_address", "client_user_agent", "fbc", "fbp", "lead_id"}
	actionSource = []string{"email", "website", "app", "phone_call", "chat", physical, "system_generated", "business_messaging", "other"}
)

type event struct {
	Name     string         `json:"event_name"`
	Time     int64          `json:"event_time"`
	ID       string         `json:"event_id"`
	Source   string         `json:"action_source"`
	URL      string         `json:"event_source_url,omitempty"`
	User     map[string]any `json:"user_data"`
	Custom   map[string]any `json:"custom_data,omitempty"`
	Options  []string       `json:"data_processing_options,omitempty"`
	Country  *int           `json:"data_processing_options_country,omitempty"`
	Province *int           `json:"data_processing_options_state,omitempty"`
}

type events struct {
	*account
	opt EventOptions
}

// Capabilities declares events that are told once: one that is sent twice under its id within 48 hours counts once.
func (d *events) Capabilities(object string) (activate.Capabilities, error) {
	if !digits.MatchString(object) {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not the id of a dataset", Hint: "Copy the dataset's (or pixel's) id from Events Manager."}
	}
	return activate.Capabilities{Account: d.id, Ops: []activate.Op{activate.Event}, MaxBatch: maxEvents, PerRow: true, Repeat: true, Undo: activate.UndoNone, PerSecond: 1}, nil
}

// Check refuses a mapping that makes no event, and asks whether the dataset is there.
func (d *events) Check(ctx context.Context, t activate.Target) error {
	if err := d.fits(t); err != nil {
		return err
	}
	return d.exists(ctx, t.Object, "dataset", "id,name")
}

func (d *events) fits(t activate.Target) error {
	var l fault.List
	known := slices.Concat(eventFields, customFields, userFields, mappable())
	has := func(f string) bool { return slices.Contains(t.Fields, f) }
	for _, f := range t.Fields {
		if f != t.Key && !slices.Contains(known, f) {
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "an event has no such field", Hint: fault.DidYouMean(f, known)})
		}
	}
	if !has("event_time") {
		l.Add(&fault.Error{Key: "mapping.event_time", Msg: "an event needs the time at which it happened", Hint: "Map event_time from the column that holds it."})
	}
	if !has("event_name") && d.opt.Event == "" {
		l.Add(&fault.Error{Key: "mapping.event_name", Msg: "an event needs a name", Hint: "Map event_name, or write config.event_name: Purchase."})
	}
	if has("value") && !has("currency") && d.opt.Currency == "" {
		l.Add(&fault.Error{Key: "mapping.value", Msg: "a value needs its currency", Hint: "Map currency, or write config.currency."})
	}
	if !slices.ContainsFunc(t.Fields, isStrong) && !has("fbc") && !has("lead_id") {
		l.Add(&fault.Error{Key: "mapping", Msg: "nothing in it finds the person of the event", Hint: "Map one of " + strongNames() + ", fbc, lead_id at least."})
	}
	return l.Or()
}

// event makes an event of a row, or says why Meta would refuse it and with it every other one of the call.
func (d *events) event(r activate.Row) (event, error) {
	text := func(f string) string { return strings.TrimSpace(canon.Text(r.Values[f])) }
	e := event{Name: text("event_name"), ID: r.IdemKey, Source: text("action_source"), URL: text("event_source_url"), User: map[string]any{}, Custom: map[string]any{}}
	if e.Name == "" {
		e.Name = d.opt.Event
	}
	if e.Name == "" {
		return e, fmt.Errorf("event_name is empty")
	}
	if e.Source == "" {
		e.Source = d.opt.Source
	}
	if !slices.Contains(actionSource, e.Source) {
		return e, fmt.Errorf("action_source %q is none of %s", e.Source, strings.Join(actionSource, ", "))
	}
	at, err := time.Parse(time.RFC3339Nano, text("event_time"))
	if err != nil {
		return e, fmt.Errorf("event_time %q is not an instant", text("event_time"))
	}
	limit := maxAge
	if e.Source == physical {
		limit = maxAgeStore
	}
	switch age := d.now().Sub(at); {
	case age > limit:
		return e, fmt.Errorf("it happened %d days ago; Meta takes events of the last %d days, and refuses the whole call otherwise", int(age.Hours()/24), int(limit.Hours()/24))
	case age < -time.Minute:
		return e, fmt.Errorf("event_time %s is in the future", text("event_time"))
	}
	e.Time = at.Unix()
	ids, err := identify(r.Values, d.opt.Region)
	if err != nil && text("fbc") == "" && text("lead_id") == "" {
		return e, err
	}
	for _, i := range identifiers {
		if h := ids[i.field]; h != "" && i.event != "" {
			e.User[i.event] = h
			if i.field != adhash.FieldMobileID {
				e.User[i.event] = []string{h}
			}
		}
	}
	for _, f := range userFields {
		if s := text(f); s != "" {
			e.User[f] = s
		}
	}
	for _, f := range customFields {
		s := text(f)
		if f == "value" && s != "" {
			if _, err := strconv.ParseFloat(s, 64); err != nil {
				return e, fmt.Errorf("value %q is not a number", s)
			}
			e.Custom[f] = json.Number(s)
		} else if s != "" {
			e.Custom[f] = s
		}
	}
	if _, worth := e.Custom["value"]; worth && e.Custom["currency"] == nil {
		if d.opt.Currency == "" {
			return e, fmt.Errorf("the value has no currency")
		}
		e.Custom["currency"] = strings.ToUpper(d.opt.Currency)
	}
	if d.opt.Limited {
		zero := 0 // country and state 0: Meta finds them by the address
		e.Options, e.Country, e.Province = []string{"LDU"}, &zero, &zero
	}
	return e, nil
}

// Send tells events. Meta takes all of a call or none, so what it would refuse is refused here first; a call that is
// refused all the same goes back to the engine, which halves it.
func (d *events) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Event {
		return activate.Answer{}, fmt.Errorf("meta_conversions cannot %s", b.Op)
	}
	if err := d.spare(); err != nil {
		return activate.Answer{}, err
	}
	var a activate.Answer
	var told []event
	var sent []activate.Row
	for _, r := range b.Rows {
		e, err := d.event(r)
		if err != nil {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: err.Error()})
			continue
		}
		told, sent = append(told, e), append(sent, r)
	}
	if len(sent) == 0 {
		return a, nil
	}
	body := map[string]any{"data": told}
	if d.opt.TestCode != "" {
		body["test_event_code"] = d.opt.TestCode
	}
	var out struct {
		Received *int     `json:"events_received"`
		Messages []string `json:"messages"`
		Trace    string   `json:"fbtrace_id"`
	}
	resp, err := d.do(ctx, vendorapi.Call{Method: http.MethodPost, Path: "/" + url.PathEscape(b.Target.Object) + "/events", Body: body, Repeat: httpx.RepeatNever}, &out)
	if resp != nil {
		a.RequestID = resp.RequestID
	}
	if err != nil {
		return activate.Answer{RequestID: a.RequestID}, err
	}
	if out.Received == nil || *out.Received != len(sent) {
		return activate.Answer{RequestID: a.RequestID}, &httpx.Error{Class: httpx.Unknown, Method: http.MethodPost, URL: d.api.Base + "/" + b.Target.Object + "/events", Status: resp.Status,
			Message: "a success that does not say that it received every event"}
	}
	for _, r := range sent {
		a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Acked, Message: strings.Join(out.Messages, "; ")})
	}
	return a, nil
}
