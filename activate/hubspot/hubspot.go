// Package hubspot is the destination HubSpot CRM: properties of contacts, companies, deals, tickets and custom objects,
// by batch upsert, update and archive, with per-row answers and the values before each write (undo class exact).
//
// Sources: HubSpot's CRM API v3 (and its date-versioned spelling) as written down in the project's notes on the vendor;
// what those call unconfirmed is handled in every form that is known: a batch refused as a whole, errors without a trace
// id, a success without results, numbers and booleans kept as text.
//
// It must not search: the index lags behind writes, and search-then-create makes duplicates.
package hubspot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/secret"
)

// Options is what `config:` holds.
type Options struct {
	Token   secret.String `yaml:"token" required:"true" doc:"access token of a private app, or an OAuth access token" example:"${HUBSPOT_TOKEN}"`
	Portal  string        `yaml:"portal" doc:"the account's id (Hub ID); when given, a token of another account is refused"`
	BaseURL string        `yaml:"base_url" default:"https://api.hubapi.com" doc:"address of the API"`
	Version string        `yaml:"version" default:"v3" doc:"v3, or a date version such as 2026-03"`
	Rate    int           `yaml:"calls_per_10s" default:"90" min:"1" max:"1900" doc:"calls in ten seconds that Millrace may use; leave some of your plan's limit to others"`
	Private bool          `yaml:"allow_private" doc:"allow a private or loopback address (simulators)"`
}

// Connector is the catalog's entry.
func Connector() activate.Connector {
	return activate.Connector{Name: "hubspot", Summary: "HubSpot CRM records: contacts, companies, deals, tickets, custom objects",
		Options: func() any { return &Options{} }, Open: open}
}

// Limits of the batch endpoints.
const (
	maxBatch = 100
	idField  = "hs_object_id"
)

type destination struct {
	opt    Options
	client *httpx.Client
	log    *slog.Logger
	props  map[string]map[string]property // by object, then name; filled by Check
}

var versionForm = regexp.MustCompile(`^(v3|20\d\d-\d\d)$`)

func open(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*Options)
	if !ok {
		return nil, fmt.Errorf("hubspot: options are %T", p.Options)
	}
	if !versionForm.MatchString(o.Version) {
		return nil, &fault.Error{Key: "config.version", Value: o.Version, Msg: "not a version of the API", Hint: "Write v3, or a date version such as 2026-03."}
	}
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Host == "" {
		return nil, &fault.Error{Key: "config.base_url", Value: o.BaseURL, Msg: "not an address", Hint: "Write https://api.hubapi.com."}
	}
	// One budget for the account, whichever of its syncs calls; accounts are told apart by their portal, or else by the token.
	account := o.Portal
	if account == "" {
		sum := sha256.Sum256([]byte(o.Token.Reveal()))
		account = hex.EncodeToString(sum[:8])
	}
	budget, err := p.Budgets.For("hubspot "+u.Host+" "+account, httpx.Policy{Name: "calls in ten seconds", Limit: float64(o.Rate), Per: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	c, err := httpx.New(httpx.Options{Name: p.Sync, Hosts: []string{u.Host}, AllowPrivate: o.Private, Auth: httpx.Bearer(o.Token), Budget: budget,
		Log: p.Log, Now: p.Now, Sleep: p.Sleep, Rand: p.Rand, RequestIDHeaders: []string{"X-HubSpot-Correlation-Id"}})
	if err != nil {
		return nil, fault.Wrap(err, "hubspot")
	}
	return &destination{opt: *o, client: c, log: p.Log, props: map[string]map[string]property{}}, nil
}

func (d *destination) Close() error { d.client.Close(); return nil }

func (d *destination) objects(object, rest string) string {
	if d.opt.Version == "v3" {
		return d.base() + "/crm/v3/objects/" + url.PathEscape(object) + rest
	}
	return d.base() + "/crm/objects/" + d.opt.Version + "/" + url.PathEscape(object) + rest
}

func (d *destination) properties(object string) string {
	if d.opt.Version == "v3" {
		return d.base() + "/crm/v3/properties/" + url.PathEscape(object)
	}
	return d.base() + "/crm/properties/" + d.opt.Version + "/" + url.PathEscape(object)
}

func (d *destination) base() string { return strings.TrimRight(d.opt.BaseURL, "/") }

// Capabilities declares batch writes with per-row answers, and archiving for undo.
func (d *destination) Capabilities(object string) (activate.Capabilities, error) {
	if object == "" || strings.ContainsAny(object, "/?# ") {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not the name of a HubSpot object", Hint: "Use contacts, companies, deals, tickets, or an object type id such as 2-12345."}
	}
	account := d.opt.Portal
	if account == "" {
		u, err := url.Parse(d.opt.BaseURL)
		if err != nil {
			return activate.Capabilities{}, err
		}
		account = u.Hostname()
	}
	return activate.Capabilities{Account: account, Ops: []activate.Op{activate.Upsert, activate.Update, activate.Insert, activate.Archive},
		MaxBatch: maxBatch, PerRow: true, TellsNew: true, Repeat: true, Undo: activate.UndoExact, PerSecond: float64(d.opt.Rate) / 10}, nil
}

// property is what matters of a property's definition.
type property struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	FieldType  string `json:"fieldType"`
	Unique     bool   `json:"hasUniqueValue"`
	Calculated bool   `json:"calculated"`
	Archived   bool   `json:"archived"`
	Options    []struct {
		Value string `json:"value"`
	} `json:"options"`
	Modification struct {
		ReadOnlyValue bool `json:"readOnlyValue"`
	} `json:"modificationMetadata"`
}

// Check reads the object's properties and refuses a target with one that is not there, cannot be written, or cannot
// identify a record. With `portal` set it also checks whose account the token opens.
func (d *destination) Check(ctx context.Context, t activate.Target) error {
	if d.opt.Portal != "" {
		if err := d.checkPortal(ctx); err != nil {
			return err
		}
	}
	if err := d.define(ctx, t.Object); err != nil {
		return err
	}
	props := d.props[t.Object]
	names := make([]string, 0, len(props))
	for n := range props {
		names = append(names, n)
	}
	sort.Strings(names)
	var l fault.List
	for _, f := range t.Fields {
		p, ok := props[f]
		switch {
		case f == t.Key:
		case !ok:
			hint := fault.DidYouMean(f, names)
			if hint == "" {
				hint = "Create it in HubSpot under Settings, Properties, or map another one."
			}
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: t.Object + " in HubSpot have no such property", Hint: hint})
		case p.Calculated || p.Modification.ReadOnlyValue:
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "HubSpot computes this property; it cannot be written", Hint: "Map a property of your own."})
		}
	}
	switch p, ok := props[t.Key]; {
	case t.Key == idField:
		if slices.Contains(t.Ops, activate.Upsert) || slices.Contains(t.Ops, activate.Insert) {
			l.Add(&fault.Error{Key: "key", Value: t.Key, Msg: "a record cannot be made by its HubSpot id", Hint: "Use `mode: update`, or a key such as email."})
		}
	case !ok:
		l.Add(&fault.Error{Key: "key", Value: t.Key, Msg: t.Object + " in HubSpot have no such property", Hint: fault.DidYouMean(t.Key, names)})
	case !p.Unique && !(t.Key == "email" && isContacts(t.Object)):
		l.Add(&fault.Error{Key: "key", Value: t.Key, Msg: "HubSpot does not keep this property unique, so it cannot identify a record", Hint: "Use email for contacts, hs_object_id with `mode: update`, or a property that was made with unique values."})
	}
	return l.Or()
}

func isContacts(object string) bool {
	return object == "contacts" || object == "contact" || object == "0-1"
}

func (d *destination) define(ctx context.Context, object string) error {
	if d.props[object] != nil {
		return nil
	}
	resp, err := d.client.Do(ctx, httpx.Request{URL: d.properties(object), Judge: judge})
	if err != nil {
		return explain(err, "crm.schemas."+object+".read or crm.objects."+object+".read")
	}
	var out struct {
		Results []property `json:"results"`
	}
	if err := json.Unmarshal(resp.Body, &out); err != nil {
		return fmt.Errorf("hubspot: the list of properties of %s cannot be read: %w", object, err)
	}
	if len(out.Results) == 0 {
		return &fault.Error{Msg: "HubSpot lists no properties of " + object, Hint: "Check the object's name and the token's scopes."}
	}
	m := make(map[string]property, len(out.Results))
	for _, p := range out.Results {
		if !p.Archived {
			m[p.Name] = p
		}
	}
	d.props[object] = m
	return nil
}

func (d *destination) checkPortal(ctx context.Context) error {
	resp, err := d.client.Do(ctx, httpx.Request{URL: d.base() + "/account-info/v3/details", Judge: judge})
	if err != nil {
		return explain(err, "")
	}
	var out struct {
		Portal json.Number `json:"portalId"`
	}
	if err := json.Unmarshal(resp.Body, &out); err != nil {
		return fmt.Errorf("hubspot: the account's details cannot be read: %w", err)
	}
	if out.Portal.String() != d.opt.Portal {
		return &fault.Error{Key: "config.portal", Value: d.opt.Portal, Msg: "the token opens account " + out.Portal.String(), Hint: "Use that account's token, or correct `portal`."}
	}
	return nil
}

// explain adds what to do to an authorisation error.
func explain(err error, scope string) error {
	var h *httpx.Error
	if !asHTTP(err, &h) || h.Class != httpx.Auth {
		return err
	}
	switch {
	case h.Status == http.StatusForbidden && scope != "":
		h.Hint = "Give the private app the scope " + scope + "."
	case h.Status == http.StatusForbidden:
		h.Hint = "Give the private app the scopes that the call needs."
	default:
		h.Hint = "The token has ended or is wrong: make a new one in HubSpot under Settings, Integrations, Private Apps, and set it in the environment."
	}
	return err
}

// NormalKey spells e-mail addresses as HubSpot keeps them.
func (d *destination) NormalKey(t activate.Target, key string) (string, error) {
	key = strings.TrimSpace(key)
	if t.Key != "email" {
		if key == "" {
			return "", fmt.Errorf("the key is empty")
		}
		return key, nil
	}
	key = strings.ToLower(key)
	local, domain, ok := strings.Cut(key, "@")
	if !ok || local == "" || !strings.Contains(domain, ".") || strings.ContainsAny(key, " \t\n,;") || strings.Contains(domain, "@") {
		return "", fmt.Errorf("not an e-mail address")
	}
	return key, nil
}

// Same compares our value with HubSpot's text: numbers by value, instants by instant, dates by day.
func (d *destination) Same(ours, theirs json.RawMessage) bool {
	if canon.IsEmpty(ours) || canon.IsEmpty(theirs) {
		return canon.IsEmpty(ours) && canon.IsEmpty(theirs)
	}
	a, b := canon.Text(ours), canon.Text(theirs)
	if a == b {
		return true
	}
	if ours[0] != '"' { // a number; text that looks like one, such as 007, is compared as text
		y, err := canon.JSON(json.Number(b))
		return err == nil && string(ours) == string(y)
	}
	x, okX := instant(a)
	y, okY := instant(b)
	return okX && okY && x.Equal(y)
}

// instant reads the spellings of a date or time: RFC 3339, a date, epoch milliseconds.
func instant(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Truncate(time.Millisecond), true // HubSpot keeps milliseconds
		}
	}
	if len(s) >= 12 && len(s) <= 14 {
		if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
			return time.UnixMilli(ms).UTC(), true
		}
	}
	return time.Time{}, false
}

// spell is a value as HubSpot takes it: text, always; empty text clears.
func (d *destination) spell(object, field string, v json.RawMessage) string {
	s := canon.Text(v)
	if t := d.props[object][field].Type; t == "date" {
		if at, ok := instant(s); ok {
			return at.UTC().Format(time.DateOnly)
		}
	}
	return s
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
