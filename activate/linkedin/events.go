package linkedin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/vendorapi"
)

// maxAge is how old a conversion may be.
const maxAge = 90 * 24 * time.Hour

// eventFields are what a mapping may name; li_fat_id is LinkedIn's click id.
var eventFields = []string{"company", "country", "currency", "email", "event_time", "family_name", "given_name", "google_aid", "li_fat_id", "title", "value"}

type events struct {
	*account
	opt EventOptions
}

// Capabilities declares events that are told once: one that is sent twice under its id counts once.
func (d *events) Capabilities(object string) (activate.Capabilities, error) {
	if !digits.MatchString(object) {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not the id of a conversion rule", Hint: "Copy the conversion's number from Campaign Manager, Analyze, Conversion tracking."}
	}
	return activate.Capabilities{Account: d.id, Ops: []activate.Op{activate.Event}, MaxBatch: maxElements, PerRow: true, Repeat: true, Undo: activate.UndoNone, PerSecond: perMinute / 60.0}, nil
}

// Check refuses a mapping that makes no event, and asks whether the rule takes events at all.
func (d *events) Check(ctx context.Context, t activate.Target) error {
	var l fault.List
	has := func(f string) bool { return slices.Contains(t.Fields, f) }
	for _, f := range t.Fields {
		if f != t.Key && !slices.Contains(eventFields, f) {
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "an event has no such field", Hint: fault.DidYouMean(f, eventFields)})
		}
	}
	if !has("event_time") {
		l.Add(&fault.Error{Key: "mapping.event_time", Msg: "an event needs the time at which it happened", Hint: "Map event_time from the column that holds it."})
	}
	if !has("email") && !has("li_fat_id") && !has("google_aid") {
		l.Add(&fault.Error{Key: "mapping", Msg: "nothing in it finds the person of the event", Hint: "Map email, li_fat_id or google_aid at least."})
	}
	if has("value") && !has("currency") && d.opt.Currency == "" {
		l.Add(&fault.Error{Key: "mapping.value", Msg: "a value needs its currency", Hint: "Map currency, or write config.currency."})
	}
	if err := l.Or(); err != nil {
		return err
	}
	var rule struct {
		Enabled *bool  `json:"enabled"`
		Method  string `json:"conversionMethod"`
	}
	if _, err := d.do(ctx, vendorapi.Call{Path: "/conversions/" + t.Object + "?account=urn%3Ali%3AsponsoredAccount%3A" + d.id}, "", "rw_conversions", &rule); err != nil {
		return absent(err, t.Object, "conversion rule", "Campaign Manager, Analyze, Conversion tracking")
	}
	switch {
	case rule.Enabled != nil && !*rule.Enabled:
		return &fault.Error{Key: "object", Value: t.Object, Msg: "the conversion rule is switched off", Hint: "Switch it on in Campaign Manager."}
	case rule.Method != "" && rule.Method != "CONVERSIONS_API":
		return &fault.Error{Key: "object", Value: t.Object, Msg: "the conversion rule is fed by " + rule.Method, Hint: "Make one with the source Conversions API."}
	}
	return nil
}

type amount struct {
	Currency string `json:"currencyCode"`
	Amount   string `json:"amount"`
}

type userInfo struct {
	FirstName string `json:"firstName,omitempty"`
	LastName  string `json:"lastName,omitempty"`
	Title     string `json:"title,omitempty"`
	Company   string `json:"companyName,omitempty"`
	Country   string `json:"countryCode,omitempty"`
}

type event struct {
	Conversion string  `json:"conversion"`
	At         int64   `json:"conversionHappenedAt"` // milliseconds
	Value      *amount `json:"conversionValue,omitempty"`
	User       struct {
		IDs  []userID  `json:"userIds"`
		Info *userInfo `json:"userInfo,omitempty"`
	} `json:"user"`
	ID string `json:"eventId"`
}

// event makes an event of a row, or says why LinkedIn would refuse it and with it every other one of the call.
func (d *events) event(rule string, r activate.Row) (event, error) {
	text := func(f string) string { return strings.TrimSpace(canon.Text(r.Values[f])) }
	e := event{Conversion: "urn:lla:llaPartnerConversion:" + rule, ID: r.IdemKey}
	at, err := time.Parse(time.RFC3339Nano, text("event_time"))
	if err != nil {
		return e, fmt.Errorf("event_time %q is not an instant", text("event_time"))
	}
	switch age := d.now().Sub(at); {
	case age > maxAge:
		return e, fmt.Errorf("it happened %d days ago; LinkedIn takes events of the last 90 days", int(age.Hours()/24))
	case age < -time.Minute:
		return e, fmt.Errorf("event_time %s is in the future", text("event_time"))
	}
	e.At = at.UnixMilli()
	e.User.IDs, err = ids(r.Values)
	if click := text("li_fat_id"); click != "" {
		e.User.IDs, err = append(e.User.IDs, userID{"LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID", click}), nil
	}
	if err != nil {
		return e, err
	}
	if m := describe(r.Values); m.FirstName != "" && m.LastName != "" { // a name is whole or not at all
		e.User.Info = &userInfo{m.FirstName, m.LastName, m.Title, m.Company, m.Country}
	}
	if v := text("value"); v != "" {
		if n, err := strconv.ParseFloat(v, 64); err != nil || n < 0 {
			return e, fmt.Errorf("value %q is not an amount", v)
		}
		c := strings.ToUpper(text("currency"))
		if c == "" {
			c = strings.ToUpper(d.opt.Currency)
		}
		if len(c) != 3 {
			return e, fmt.Errorf("the value has no currency")
		}
		e.Value = &amount{c, v}
	}
	return e, nil
}

// indexed finds the bad elements that a refusal names: "Index: 3, ERROR :: /user :: ...".
var indexed = regexp.MustCompile(`(?s)Index:\s*(\d+),\s*ERROR\s*::\s*(.*?)(?:[;,\n]\s*(?:Index:)|$)`)

func refusedRows(h *httpx.Error, sent []activate.Row) map[string]string {
	out := map[string]string{}
	rest := h.Message
	for {
		m := indexed.FindStringSubmatchIndex(rest)
		if m == nil {
			return out
		}
		n, err := strconv.Atoi(rest[m[2]:m[3]])
		if err == nil && n < len(sent) {
			out[sent[n].ID] = strings.TrimSpace(rest[m[4]:m[5]])
		}
		rest = rest[m[5]:]
	}
}

// Send tells events. What LinkedIn would refuse is refused here first; a refusal that names its elements names their rows,
// and the engine sends the others again.
func (d *events) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Event {
		return activate.Answer{}, fmt.Errorf("linkedin_conversions cannot %s", b.Op)
	}
	var a activate.Answer
	var told []event
	var sent []activate.Row
	for _, r := range b.Rows {
		e, err := d.event(b.Target.Object, r)
		if err != nil {
			a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: err.Error()})
			continue
		}
		told, sent = append(told, e), append(sent, r)
	}
	if len(sent) == 0 {
		return a, nil
	}
	var out struct {
		Elements []element `json:"elements"`
	}
	resp, err := d.do(ctx, vendorapi.Call{Method: http.MethodPost, Path: "/conversionEvents", Body: map[string]any{"elements": told}, Repeat: httpx.RepeatNever}, "BATCH_CREATE", "rw_conversions", &out)
	if resp != nil {
		a.RequestID = resp.RequestID
	}
	var h *httpx.Error
	if errors.As(err, &h) && h.Status == http.StatusUnprocessableEntity {
		if rows := refusedRows(h, sent); len(rows) > 0 {
			for _, r := range a.Results {
				rows[r.ID] = r.Message
			}
			return activate.Answer{RequestID: a.RequestID}, &activate.RefusedRows{Rows: rows, Err: err}
		}
	}
	if err != nil {
		return activate.Answer{RequestID: a.RequestID}, err
	}
	results, err := d.attribute(sent, out.Elements, "/conversionEvents")
	if err != nil {
		return activate.Answer{RequestID: a.RequestID}, err
	}
	a.Results = append(a.Results, results...)
	return a, nil
}
