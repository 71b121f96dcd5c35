package hubspot

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// input is one record of a write. Values may come as strings, numbers, booleans or null; the portal keeps strings.
type input struct {
	ID           text                       `json:"id"`
	IDProperty   string                     `json:"idProperty"`
	Properties   map[string]json.RawMessage `json:"properties"`
	Associations []link                     `json:"associations"`
	TraceID      string                     `json:"objectWriteTraceId"`
}

type link struct {
	To struct {
		ID text `json:"id"`
	} `json:"to"`
	Types []linkType `json:"types"`
}

type linkType struct {
	Category string `json:"associationCategory"`
	TypeID   int    `json:"associationTypeId"`
}

// text takes a JSON string or number.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		*t = text(s)
		return err
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("an id must be a string or a number")
	}
	*t = text(n)
	return nil
}

func unknownProperty(t *store.Table, name string) *fail {
	return invalid(`Property values were not valid: [{"isValid":false,"message":"Property \"%s\" does not exist","error":"PROPERTY_DOESNT_EXIST","name":"%s","localizedErrorMessage":"Property \"%s\" does not exist","portalId":4815162}]`, name, name, name).
		with(detail{Message: fmt.Sprintf("Property %q does not exist", name), Code: "PROPERTY_DOESNT_EXIST", Context: map[string][]string{"propertyName": {name}, "objectTypeId": {t.TypeID}}})
}

func badValue(name, code, message string) *fail {
	return invalid(`Property values were not valid: [{"isValid":false,"message":%s,"error":"%s","name":"%s","portalId":4815162}]`, quote(message), code, name).
		with(detail{Message: message, Code: code, Context: map[string][]string{"propertyName": {name}}})
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// checkFields turns a write's properties into stored strings, or says what is wrong with the first bad one by name.
func checkFields(t *store.Table, in map[string]json.RawMessage) (map[string]string, *fail) {
	out := make(map[string]string, len(in))
	var keys []string
	for k := range in {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys { // a name that does not exist is told before a value that does not fit
		p := t.Property(k)
		if p == nil {
			return nil, unknownProperty(t, k)
		}
		if p.ReadOnly {
			return nil, badValue(k, "READ_ONLY_VALUE", fmt.Sprintf("%q is a read only property; its value cannot be set.", k))
		}
	}
	for _, k := range keys {
		v, f := checkValue(t.Property(k), plain(in[k]))
		if f != nil {
			return nil, f
		}
		out[k] = v
	}
	return out, nil
}

// plain is a JSON scalar as the text that the portal stores.
func plain(raw json.RawMessage) string {
	s := strings.TrimSpace(string(raw))
	if s == "null" {
		return ""
	}
	var out string
	if json.Unmarshal(raw, &out) == nil {
		return out
	}
	return s
}

func checkValue(p *store.Property, v string) (string, *fail) {
	if v == "" {
		return "", nil
	}
	switch {
	case p.Name == "email":
		v = strings.ToLower(strings.TrimSpace(v))
		if a, err := mail.ParseAddress(v); err != nil || a.Address != v || !strings.Contains(v[strings.LastIndex(v, "@"):], ".") {
			return "", badValue(p.Name, "INVALID_EMAIL", fmt.Sprintf("Email address %s is invalid", v))
		}
	case p.Type == "number":
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			return "", badValue(p.Name, "INVALID_INTEGER", fmt.Sprintf("%s was not a valid number.", v))
		}
	case p.Type == "bool":
		if v != "true" && v != "false" {
			return "", badValue(p.Name, "INVALID_OPTION", fmt.Sprintf("%s was not one of the allowed options: [true, false]", v))
		}
	case p.Type == "enumeration" && len(p.Options) > 0:
		for _, one := range strings.Split(v, ";") {
			if !slices.ContainsFunc(p.Options, func(o store.Option) bool { return o.Value == one }) {
				return "", badValue(p.Name, "INVALID_OPTION", fmt.Sprintf("%s was not one of the allowed options for %s", one, p.Name))
			}
		}
	case p.Type == "datetime", p.Type == "date":
		return checkTime(p, v)
	}
	if len(v) > 65_536 {
		return "", badValue(p.Name, "TOO_LONG", fmt.Sprintf("%s is longer than 65,536 characters", p.Name))
	}
	return v, nil
}

func checkTime(p *store.Property, v string) (string, *fail) {
	at, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		at, err = time.Parse(time.DateOnly, v)
	}
	if ms, numErr := strconv.ParseInt(v, 10, 64); err != nil && numErr == nil {
		at, err = time.UnixMilli(ms), nil
	}
	if err != nil {
		return "", badValue(p.Name, "INVALID_DATE", fmt.Sprintf("%s was not a valid date.", v))
	}
	if p.Type == "date" {
		if at.UTC().Truncate(24*time.Hour) != at.UTC() {
			return "", badValue(p.Name, "INVALID_DATE", fmt.Sprintf("%s is at %s, not midnight!", v, at.UTC().Format("15:04:05")))
		}
		return at.UTC().Format(time.DateOnly), nil
	}
	return store.Stamp(at), nil
}

// checkNew says what a new record of a type needs.
func checkNew(t *store.Table, fields map[string]string) *fail {
	need := map[string][]string{
		"contacts": {"email", "firstname", "lastname"}, "companies": {"name", "domain"}, "deals": {"dealname"}, "tickets": {"hs_pipeline_stage"}, "leads": {"hs_lead_name"},
		"notes": {"hs_timestamp"}, "tasks": {"hs_timestamp"},
	}[t.Type]
	for _, n := range need {
		if fields[n] != "" {
			return nil
		}
	}
	return invalid("Error creating %s. Some required properties were not set: one of %s", strings.ToUpper(t.Singular()), strings.Join(need, ", ")).
		with(detail{Message: "some required properties were not set", Code: "REQUIRED_PROPERTY_MISSING", Context: map[string][]string{"propertyName": need}})
}

// checkUnique says whether a unique value is taken by another record.
func checkUnique(t *store.Table, fields map[string]string, self int64) *fail {
	for _, p := range t.Properties() {
		v := fields[p.Name]
		if !p.Unique || v == "" {
			continue
		}
		if r := t.ByUnique(p.Name, v); r != nil && r.ID != self {
			f := refuse(http.StatusConflict, "CONFLICT", "%s already exists. Existing ID: %d", title(t.Singular()), r.ID)
			f.Context = map[string][]string{"propertyName": {p.Name}, "existingId": {strconv.FormatInt(r.ID, 10)}}
			return f
		}
	}
	return nil
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
