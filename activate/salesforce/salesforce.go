// Package salesforce is the destination Salesforce: records of any object written by an external id, with an answer about
// every row and the values before each write (undo class exact). Small batches go through sObject collections, whose
// results come in order; large ones through a Bulk 2.0 job, whose results come in none and are matched by the key.
//
// Sources: the REST, Composite and Bulk 2.0 API as written down in the project's notes on the vendor; what those call
// unconfirmed is handled in every form that is known (errors as array or object, statusCode or errorCode).
// What is archived goes to the org's recycle bin, where it stays for 15 days; nothing is deleted for good.
package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"millrace/activate"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/secret"
	"millrace/internal/vendorapi"
)

// Options is what `config:` holds.
type Options struct {
	Instance     string        `yaml:"instance_url" required:"true" doc:"address of your org" example:"https://acme.my.salesforce.com"`
	ClientID     string        `yaml:"client_id" required:"true" doc:"consumer key of a connected app with the client credentials flow, or with a refresh token"`
	ClientSecret secret.String `yaml:"client_secret" required:"true" doc:"consumer secret of the connected app"`
	RefreshToken secret.String `yaml:"refresh_token" doc:"for apps without the client credentials flow"`
	TokenURL     string        `yaml:"token_url" doc:"default: /services/oauth2/token of the instance"`
	Version      string        `yaml:"version" default:"66.0" doc:"version of the API"`
	BulkFrom     int           `yaml:"bulk_from" default:"2000" min:"1" doc:"rows of one batch from which a Bulk 2.0 job is used; it costs a handful of calls whatever its size, and takes minutes"`
	MaxShare     float64       `yaml:"max_daily_share_pct" default:"80" min:"1" max:"100" doc:"share of the org's calls of a day above which Millrace stops; the rest is left to others"`
	Private      bool          `yaml:"allow_private" doc:"allow a private or loopback address (simulators)"`
}

// Connector is the catalog's entry.
func Connector() activate.Connector {
	return activate.Connector{Name: "salesforce", Summary: "Salesforce records by external id: leads, contacts, accounts, opportunities, tasks, custom objects",
		Options: func() any { return &Options{} }, Open: open}
}

// Limits of the API.
const (
	maxCollection = 200
	maxBatch      = 10_000 // rows of one Send: one internal batch of a Bulk 2.0 job
	maxRetrieve   = 2_000
	maxQuery      = 12_000 // characters of a query in a URL, escaped; servers take 16 KB
	maxBytes      = 60 << 20
	idField       = "Id"
	bulkNull      = "#N/A"
)

type destination struct {
	opt Options
	api *vendorapi.API
	log *slog.Logger

	fields map[string]map[string]sfield // by object, then name in lower case

	mu    sync.Mutex
	used  int // calls of this day, as the org last said
	limit int
}

var (
	versionForm = regexp.MustCompile(`^[1-9]\d\.0$`)
	nameForm    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	usageForm   = regexp.MustCompile(`api-usage=(\d+)/(\d+)`)
)

func open(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*Options)
	if !ok {
		return nil, fmt.Errorf("salesforce: options are %T", p.Options)
	}
	if !versionForm.MatchString(o.Version) {
		return nil, &fault.Error{Key: "config.version", Value: o.Version, Msg: "not a version of the API", Hint: "Write it as 66.0."}
	}
	org, err := vendorapi.Address("config.instance_url", o.Instance, "the address of your org, https://acme.my.salesforce.com")
	if err != nil {
		return nil, err
	}
	tokenURL := o.TokenURL
	if tokenURL == "" {
		tokenURL = vendorapi.Trim(o.Instance) + "/services/oauth2/token"
	}
	tok, err := vendorapi.Address("config.token_url", tokenURL, "https://login.salesforce.com/services/oauth2/token")
	if err != nil {
		return nil, err
	}
	common := httpx.Options{Name: p.Sync, AllowPrivate: o.Private, Log: p.Log, Now: p.Now, Sleep: p.Sleep, Rand: p.Rand, Redactor: httpx.NewRedactor(), RequestIDHeaders: []string{"Sforce-Request-Id"}}
	tokens := common
	tokens.Hosts = []string{tok.Host}
	tc, err := httpx.New(tokens)
	if err != nil {
		return nil, fault.Wrap(err, "salesforce")
	}
	if common.Budget, err = p.Budgets.For("salesforce " + org.Host); err != nil {
		return nil, err
	}
	common.Hosts, common.Timeout = []string{org.Host}, 2*time.Minute // results of a job may be long in coming
	common.Auth = httpx.NewOAuth2(httpx.OAuth2Config{Client: tc, TokenURL: tokenURL, ClientID: o.ClientID, ClientSecret: o.ClientSecret, RefreshToken: o.RefreshToken})
	c, err := httpx.New(common)
	if err != nil {
		return nil, fault.Wrap(err, "salesforce")
	}
	d := &destination{opt: *o, log: p.Log, fields: map[string]map[string]sfield{}}
	d.api = &vendorapi.API{Name: "salesforce", Base: vendorapi.Trim(o.Instance) + "/services/data/v" + o.Version, Client: c, Judge: d.judge}
	return d, nil
}

func (d *destination) Close() error { d.api.Client.Close(); return nil }

// Capabilities declares writes by key with an answer about every row, and the recycle bin.
func (d *destination) Capabilities(object string) (activate.Capabilities, error) {
	if !nameForm.MatchString(object) {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not the API name of a Salesforce object", Hint: "Write it as in Setup, Object Manager: Lead, Contact, Account, Opportunity, Task, Renewal__c."}
	}
	u, err := vendorapi.Address("config.instance_url", d.opt.Instance, "")
	if err != nil {
		return activate.Capabilities{}, err
	}
	return activate.Capabilities{Account: u.Hostname(), Ops: []activate.Op{activate.Upsert, activate.Update, activate.Insert, activate.Archive},
		MaxBatch: maxBatch, MaxBytes: maxBytes, PerRow: true, TellsNew: true, Repeat: true, Undo: activate.UndoExact, PerSecond: 5}, nil
}

// sfield is what matters of a field's description.
type sfield struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Length     int    `json:"length"`
	Nillable   bool   `json:"nillable"`
	Defaulted  bool   `json:"defaultedOnCreate"`
	Createable bool   `json:"createable"`
	Updateable bool   `json:"updateable"`
	External   bool   `json:"externalId"`
	Unique     bool   `json:"unique"`
	Cased      bool   `json:"caseSensitive"`
	Restricted bool   `json:"restrictedPicklist"`
	Picklist   []struct {
		Value  string `json:"value"`
		Active bool   `json:"active"`
	} `json:"picklistValues"`
}

// define reads the object's description once.
func (d *destination) define(ctx context.Context, object string) (map[string]sfield, error) {
	if m := d.fields[object]; m != nil {
		return m, nil
	}
	var out struct {
		Fields []sfield `json:"fields"`
	}
	if _, err := d.api.Do(ctx, vendorapi.Call{Path: "/sobjects/" + object + "/describe", Repeat: httpx.RepeatSafe}, &out); err != nil {
		var h *httpx.Error
		if errors.As(err, &h) && h.Status == http.StatusNotFound {
			return nil, &fault.Error{Key: "object", Value: object, Msg: "the org has no such object, or the integration user may not see it", Hint: "Write its API name (custom ones end in __c), and give the user access to it."}
		}
		return nil, d.explain(err)
	}
	if len(out.Fields) == 0 {
		return nil, &fault.Error{Key: "object", Value: object, Msg: "Salesforce shows no fields of " + object, Hint: "Give the integration user access to the object's fields."}
	}
	m := map[string]sfield{}
	for _, f := range out.Fields {
		m[strings.ToLower(f.Name)] = f
	}
	d.fields[object] = m
	return m, nil
}

// Check reads the object's description and refuses a field that is not there or cannot be written, and a key that does not
// identify one record.
func (d *destination) Check(ctx context.Context, t activate.Target) error {
	fields, err := d.define(ctx, t.Object)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	var l fault.List
	for _, name := range t.Fields {
		f, ok := fields[strings.ToLower(name)]
		switch {
		case name == t.Key:
		case strings.Contains(name, "."):
			l.Add(&fault.Error{Key: "mapping." + name, Value: name, Msg: "a lookup is written by the id of the record that it points at", Hint: "Map the id field, such as AccountId, from a column that holds Salesforce ids."})
		case !ok:
			hint := fault.DidYouMean(name, names)
			if hint == "" {
				hint = "Create it in Setup, Object Manager, and give the integration user access to it; or map another one."
			}
			l.Add(&fault.Error{Key: "mapping." + name, Value: name, Msg: t.Object + " has no such field, or the integration user may not see it", Hint: hint})
		case f.Name != name:
			l.Add(&fault.Error{Key: "mapping." + name, Value: name, Msg: "the field's API name is spelled otherwise", Hint: fmt.Sprintf("Write %q.", f.Name)})
		case !f.Updateable:
			l.Add(&fault.Error{Key: "mapping." + name, Value: name, Msg: "the integration user may not write this field", Hint: "It is computed by Salesforce, or field-level security is in the way."})
		}
	}
	l.Add(d.checkKey(t, fields, names))
	return l.Or()
}

func (d *destination) checkKey(t activate.Target, fields map[string]sfield, names []string) error {
	f, ok := fields[strings.ToLower(t.Key)]
	switch {
	case t.Key == idField:
		if slices.ContainsFunc(t.Ops, func(o activate.Op) bool { return o == activate.Upsert || o == activate.Insert }) {
			return &fault.Error{Key: "key", Value: t.Key, Msg: "a record cannot be made by its Salesforce id", Hint: "Use `mode: update`, or an external id field as the key."}
		}
		return nil
	case !ok:
		return &fault.Error{Key: "key", Value: t.Key, Msg: t.Object + " has no such field", Hint: fault.DidYouMean(t.Key, names)}
	case f.Name != t.Key:
		return &fault.Error{Key: "key", Value: t.Key, Msg: "the field's API name is spelled otherwise", Hint: fmt.Sprintf("Write %q.", f.Name)}
	case !f.External || !f.Unique:
		return &fault.Error{Key: "key", Value: t.Key, Msg: "this field is no unique external id, so it cannot identify one record", Hint: "In Setup, make a text field with \"External ID\" and \"Unique\" ticked and use it as the key; or use Id with `mode: update`."}
	}
	return nil
}

var kinds = map[string]activate.Kind{"double": activate.KindNumber, "currency": activate.KindNumber, "percent": activate.KindNumber, "int": activate.KindInteger, "long": activate.KindInteger,
	"boolean": activate.KindBool, "date": activate.KindDate, "datetime": activate.KindInstant, "string": activate.KindText, "textarea": activate.KindText, "email": activate.KindText,
	"phone": activate.KindText, "url": activate.KindText, "picklist": activate.KindText, "reference": activate.KindText}

// Describe tells the engine what the fields take, so that what cannot fit is refused before anything is sent.
func (d *destination) Describe(ctx context.Context, object string) ([]activate.FieldInfo, error) {
	fields, err := d.define(ctx, object)
	if err != nil {
		return nil, err
	}
	var out []activate.FieldInfo
	for _, f := range fields {
		i := activate.FieldInfo{Name: f.Name, Kind: kinds[f.Type], MaxLength: f.Length, ReadOnly: !f.Updateable, Required: f.Createable && !f.Nillable && !f.Defaulted}
		if f.Restricted {
			for _, v := range f.Picklist {
				if v.Active {
					i.Options = append(i.Options, v.Value)
				}
			}
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b activate.FieldInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// NormalKey spells keys as the org compares them.
func (d *destination) NormalKey(t activate.Target, key string) (string, error) {
	key = strings.TrimSpace(key)
	if key == "" {
		return "", errors.New("the key is empty")
	}
	if key == bulkNull {
		return "", errors.New("the key is Salesforce's own mark for an empty value")
	}
	if t.Key == idField {
		if len(key) != 15 && len(key) != 18 {
			return "", errors.New("a Salesforce id has 15 or 18 characters")
		}
		return key, nil
	}
	if f, ok := d.fields[t.Object][strings.ToLower(t.Key)]; ok && f.Cased {
		return key, nil
	}
	return strings.ToLower(key), nil
}

// apiError is one element of Salesforce's error array; inside collections the code is called statusCode.
type apiError struct {
	Code    string   `json:"errorCode"`
	Status  string   `json:"statusCode"`
	Message string   `json:"message"`
	Fields  []string `json:"fields"`
}

func (e apiError) code() string {
	if e.Status != "" {
		return e.Status
	}
	return e.Code
}

// apiErrors reads the errors of an answer, which are an array, or in one documented case an object.
func apiErrors(body []byte) []apiError {
	var many []apiError
	if json.Unmarshal(body, &many) == nil && len(many) > 0 && many[0].Code != "" {
		return many
	}
	var one apiError
	if json.Unmarshal(body, &one) == nil && one.Code != "" {
		return []apiError{one}
	}
	return nil
}

// longWait is how long a used-up day is waited for before the next try: longer than any wait inside a run.
const longWait = time.Hour

// judge classes what its status alone would class wrongly, and notes how much of the day's calls is used.
func (d *destination) judge(r *httpx.Response) httpx.Verdict {
	if m := usageForm.FindStringSubmatch(r.Header.Get("Sforce-Limit-Info")); m != nil {
		used, err1 := strconv.Atoi(m[1])
		limit, err2 := strconv.Atoi(m[2])
		if err1 == nil && err2 == nil {
			d.mu.Lock()
			d.used, d.limit = used, limit
			d.mu.Unlock()
		}
	}
	if len(r.Body) == 0 || len(r.Body) > 1<<20 {
		return httpx.Verdict{}
	}
	errs := apiErrors(r.Body)
	if len(errs) == 0 {
		return httpx.Verdict{}
	}
	e := errs[0]
	v := httpx.Verdict{Message: e.Code + ": " + e.Message}
	switch {
	case r.Status < 300:
		v.Class, v.Message = httpx.Unknown, "a success with an error inside: "+v.Message
	case e.Code == "REQUEST_LIMIT_EXCEEDED" && strings.Contains(e.Message, "TotalRequests"):
		v.Class, v.Wait, v.Hint = httpx.Rate, longWait, "The org's calls of the day are used up: wait until tomorrow, raise bulk_from's use of jobs, or buy more"
	case e.Code == "REQUEST_LIMIT_EXCEEDED":
		v.Class, v.Wait = httpx.Rate, 20*time.Second
	case e.Code == "INVALID_FIELD" || e.Code == "INVALID_TYPE" || e.Code == "NOT_FOUND" && r.Status == http.StatusNotFound:
		v.Class, v.Hint = httpx.Config, "A field or object was removed or hidden in Salesforce since the plan was made: correct the mapping and plan again."
	case e.Code == "UNSUPPORTED_API_VERSION":
		v.Class, v.Hint = httpx.Config, "Write a version that the org serves into config.version: see /services/data of your org."
	case e.Code == "UNABLE_TO_LOCK_ROW" || e.Code == "SERVER_UNAVAILABLE":
		v.Class = httpx.Transient
	default:
		v.Message = "" // by status, with the vendor's words
	}
	return v
}

// spare refuses to begin a batch when the org's other users would be left without calls.
func (d *destination) spare() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.limit == 0 || float64(d.used)*100 < d.opt.MaxShare*float64(d.limit) {
		return nil
	}
	return &httpx.Error{Class: httpx.Rate, Method: http.MethodPost, URL: d.api.Base, RetryAfter: longWait,
		Message: fmt.Sprintf("the org has used %d of its %d calls of the day; above %g %% Millrace leaves the rest to others", d.used, d.limit, d.opt.MaxShare),
		Hint:    "Wait until tomorrow, or raise config.max_daily_share_pct"}
}

// explain adds what to do to an authorisation error.
func (d *destination) explain(err error) error {
	var h *httpx.Error
	if !errors.As(err, &h) || h.Class != httpx.Auth {
		return err
	}
	h.Hint = "Check client_id and client_secret, and that the connected app allows the client credentials flow for its integration user"
	if h.Status == http.StatusForbidden {
		h.Hint = "Give the integration user the permission \"API Enabled\" and access to the object (create, edit, and delete for undo)"
	}
	return err
}
