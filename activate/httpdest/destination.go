package httpdest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/config"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/secret"
	"millrace/internal/vendorapi"
)

// commonOptions are keys that every declared destination takes under config.
type commonOptions struct {
	BaseURL      string `yaml:"base_url" doc:"another address of the API, for a sandbox or a simulator; its host then receives the credentials"`
	AllowPrivate bool   `yaml:"allow_private" doc:"allow plain http and addresses in your own network"`
	Account      string `yaml:"account" doc:"a name for the account, where several are reached at one address: each has its own record of what was sent"`
}

// Connector is the catalog entry of the file.
func (a *API) Connector() activate.Connector {
	return activate.Connector{Name: a.def.Destination, Summary: a.def.Summary, Options: a.newOptions, Open: a.open}
}

// newOptions makes a struct with one field for each parameter, so that the strict decoder and the editor's schema treat
// declared parameters like any other key.
func (a *API) newOptions() any {
	fields := []reflect.StructField{{Name: "Common", Type: reflect.TypeFor[commonOptions](), Tag: `yaml:",inline"`}}
	for i, e := range a.def.Parameters.Entries() {
		p := e.Value
		tag := "yaml:" + strconv.Quote(e.Key) + " doc:" + strconv.Quote(p.Description)
		if p.Default != "" {
			tag += " default:" + strconv.Quote(p.Default)
		}
		if p.Required {
			tag += ` required:"true"`
		}
		if len(p.Enum) > 0 {
			tag += " enum:" + strconv.Quote(strings.Join(p.Enum, ","))
		}
		t := reflect.TypeFor[string]()
		switch p.Type {
		case "secret":
			t = reflect.TypeFor[secret.String]()
		case "integer":
			t = reflect.TypeFor[*int64]()
		case "boolean":
			t = reflect.TypeFor[bool]()
		}
		fields = append(fields, reflect.StructField{Name: "P" + strconv.Itoa(i), Type: t, Tag: reflect.StructTag(tag)})
	}
	return reflect.New(reflect.StructOf(fields)).Interface()
}

// parameters reads the struct of newOptions back, as text.
func (a *API) parameters(options any) (common commonOptions, plain map[string]string, hidden []secret.String, err error) {
	v := reflect.ValueOf(options)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct || v.Elem().NumField() != a.def.Parameters.Len()+1 {
		return common, nil, nil, fmt.Errorf("%s: options are %T", a.def.Destination, options)
	}
	v = v.Elem()
	common, _ = v.Field(0).Interface().(commonOptions)
	plain = map[string]string{}
	for i, e := range a.def.Parameters.Entries() {
		switch x := v.Field(i + 1).Interface().(type) {
		case string:
			plain[e.Key] = x
		case secret.String:
			plain[e.Key] = x.Reveal()
			hidden = append(hidden, x)
		case *int64:
			if x != nil {
				plain[e.Key] = strconv.FormatInt(*x, 10)
			}
		case bool:
			plain[e.Key] = strconv.FormatBool(x)
		}
	}
	return common, plain, hidden, nil
}

type destination struct {
	def     *Definition
	params  map[string]string
	account string
	api     *vendorapi.API
}

// readable is a destination whose file declares how every object is read.
type readable struct{ *destination }

func (a *API) open(p activate.OpenParams) (activate.Destination, error) {
	common, params, hidden, err := a.parameters(p.Options)
	if err != nil {
		return nil, err
	}
	d := &destination{def: &a.def, params: params}
	base := common.BaseURL
	if base == "" {
		base = a.def.Client.BaseURL
	}
	u, err := vendorapi.Address("config.base_url", base, "https://api.example.com")
	if err != nil {
		return nil, err
	}
	d.account = strings.TrimSpace(u.Host + strings.TrimRight(u.EscapedPath(), "/") + " " + common.Account)
	budget, err := p.Budgets.For(a.def.Destination+" "+d.account, httpx.Policy{Name: "calls in a second", Limit: a.def.Client.CallsPerSecond, Per: time.Second})
	if err != nil {
		return nil, fault.Wrap(err, "%s", a.def.Destination)
	}
	sc := &scope{config: params}
	headers := http.Header{}
	for k, t := range a.def.Client.Headers.All() {
		v, missing, err := sc.text(t, nil)
		if err != nil {
			return nil, err
		}
		if missing == "" {
			headers.Set(k, v)
		}
	}
	auth, err := a.auth(sc)
	if err != nil {
		return nil, err
	}
	c, err := httpx.New(httpx.Options{Name: p.Sync, Hosts: []string{u.Host}, AllowPrivate: common.AllowPrivate, Auth: auth, Budget: budget, Secrets: hidden,
		RequestIDHeaders: a.def.Client.RequestIDHeader, Timeout: a.def.Client.Timeout, Log: p.Log, Now: p.Now, Sleep: p.Sleep, Rand: p.Rand})
	if err != nil {
		return nil, fault.Wrap(err, "%s", a.def.Destination)
	}
	d.api = &vendorapi.API{Name: a.def.Destination, Base: vendorapi.Trim(base), Client: c, Header: headers}
	for _, o := range a.def.Objects.Entries() {
		if o.Value.Read == nil {
			return d, nil
		}
	}
	return readable{d}, nil
}

func (a *API) auth(sc *scope) (httpx.Authorizer, error) {
	def := a.def.Client.Auth
	if def == nil {
		return nil, nil
	}
	credential := def.Token
	if def.Type == "basic" {
		credential = def.Password
	}
	v, missing, err := sc.text(credential, nil)
	if err != nil {
		return nil, err
	}
	if missing != "" {
		return nil, &fault.Error{Key: missing, Msg: "the credential is empty", Hint: "Set it under config: of the sync, as ${VARIABLE}."}
	}
	switch def.Type {
	case "header":
		return httpx.HeaderKey(def.Name, def.Prefix, secret.New(v)), nil
	case "query":
		return httpx.QueryKey(def.Name, secret.New(v)), nil
	case "basic":
		user, _, err := sc.text(def.Username, nil)
		return httpx.Basic(user, secret.New(v)), err
	}
	return httpx.Bearer(secret.New(v)), nil
}

// Close releases connections.
func (d *destination) Close() error { d.api.Client.Close(); return nil }

// object finds what the file says of an object.
func (d *destination) object(name string) (ObjectDef, error) {
	if o, ok := d.def.Objects.Get(name); ok && name != "*" {
		return o, nil
	}
	if o, ok := d.def.Objects.Get("*"); ok && name != "" {
		return o, nil
	}
	return ObjectDef{}, &fault.Error{Key: "object", Value: name, Msg: d.def.Destination + " has no such object", Hint: fault.DidYouMean(name, d.def.Objects.Keys())}
}

// Capabilities is what the file declares.
func (d *destination) Capabilities(object string) (activate.Capabilities, error) {
	o, err := d.object(object)
	if err != nil {
		return activate.Capabilities{}, err
	}
	c := activate.Capabilities{Account: d.account, MaxBatch: o.MaxBatch, MaxBytes: int(o.MaxBytes), PerRow: true, Repeat: o.Repeat, Undo: activate.UndoClass(o.Undo),
		PerSecond: d.def.Client.CallsPerSecond, MinPeople: o.MinPeople, MemberDays: o.MemberDays}
	for _, e := range o.Operations.Entries() {
		c.Ops = append(c.Ops, activate.Op(e.Key))
		for _, a := range e.Value.Answer {
			c.TellsNew = c.TellsNew || a.Created != "" || a.Is == "created"
		}
		for _, s := range e.Value.Statuses.Entries() {
			c.TellsNew = c.TellsNew || s.Value == "created"
		}
	}
	return c, nil
}

// Describe gives the declared fields.
func (d *destination) Describe(_ context.Context, object string) ([]activate.FieldInfo, error) {
	o, err := d.object(object)
	if err != nil {
		return nil, err
	}
	var out []activate.FieldInfo
	for _, e := range o.Fields.Entries() {
		kind := activate.Kind(e.Value.Type)
		if kind == "any" {
			kind = activate.KindAny
		}
		out = append(out, activate.FieldInfo{Name: e.Key, Kind: kind, MaxLength: e.Value.MaxLength, Options: e.Value.Options, ReadOnly: e.Value.ReadOnly, Required: e.Value.Required})
	}
	return out, nil
}

// NormalKey trims a key, and brings addresses to small letters.
func (d *destination) NormalKey(t activate.Target, key string) (string, error) {
	o, err := d.object(t.Object)
	if err != nil {
		return "", err
	}
	key = strings.TrimSpace(key)
	if key == "" {
		return "", fmt.Errorf("an empty key names nobody")
	}
	if o.KeyForm == "email" {
		if key = strings.ToLower(key); !strings.Contains(key, "@") {
			return "", fmt.Errorf("not an e-mail address")
		}
	}
	return key, nil
}

// Check holds the target against the file, and makes the file's check call.
func (d *destination) Check(ctx context.Context, t activate.Target) error {
	o, err := d.object(t.Object)
	if err != nil {
		return err
	}
	var errs fault.List
	if t.Key != o.Key {
		errs.Add(&fault.Error{Key: "key", Value: t.Key, Msg: "does not identify a record", Hint: "Write " + o.Key + "."})
	}
	for _, f := range t.Fields {
		def, ok := o.Fields.Get(f)
		switch {
		case ok && def.ReadOnly:
			errs.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "cannot be written", Hint: "Remove it from the mapping."})
		case !ok && !o.MoreFields && f != t.Key:
			errs.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: d.def.Destination + " has no such field", Hint: fault.DidYouMean(f, o.Fields.Keys())})
		}
	}
	makes := false
	for _, op := range t.Ops {
		if _, ok := o.Operations.Get(string(op)); !ok {
			errs.Add(&fault.Error{Key: "mode", Value: string(op), Msg: d.def.Destination + " cannot do this with " + t.Object, Hint: "It can: " + strings.Join(o.Operations.Keys(), ", ") + "."})
		}
		makes = makes || slices.Contains([]activate.Op{activate.Upsert, activate.Insert, activate.Event, activate.Add}, op)
	}
	for _, e := range o.Fields.Entries() {
		if makes && e.Value.Required && e.Key != t.Key && !slices.Contains(t.Fields, e.Key) {
			errs.Add(&fault.Error{Key: "mapping", Value: e.Key, Msg: "is required to make a record and not mapped", Hint: "Map a column to it."})
		}
	}
	if err := errs.Or(); err != nil || d.def.Check == nil {
		return err
	}
	path, missing, err := (&scope{config: d.params, object: t.Object}).text(d.def.Check.Path, url.PathEscape)
	if err != nil || missing != "" {
		return &fault.Error{Key: "config", Value: missing, Msg: "is needed to check the account and not set", Hint: "Set it under config: of the sync.", Err: err}
	}
	api := *d.api
	api.Judge = d.judge(nil)
	if _, err := api.Do(ctx, vendorapi.Call{Method: http.MethodGet, Path: path, Repeat: httpx.RepeatSafe}, nil); err != nil {
		err = fault.Wrap(err, "ask %s about itself", d.def.Destination)
		if d.def.Check.Hint != "" {
			err = fault.Hint(err, d.def.Check.Hint)
		}
		return err
	}
	return nil
}

// judge classes refusals by the file's rules. A status that expected lists is an answer to read.
func (d *destination) judge(expected func(status int) bool) func(*httpx.Response) httpx.Verdict {
	return func(r *httpx.Response) httpx.Verdict {
		good := r.Status >= 200 && r.Status < 300
		if !good && expected != nil && expected(r.Status) {
			return httpx.Verdict{Accept: true}
		}
		body, _ := decode(r.Body) // what is no JSON has no paths; rules on status still hold
		for _, e := range d.def.Errors {
			if len(e.Status) > 0 && !hasCode(e.Status, r.Status) {
				continue
			}
			if e.Path != "" {
				v := at(body, e.Path)
				if !said(v) || len(e.Equals) > 0 && !slices.Contains(e.Equals, scalar(v)) || e.Contains != "" && !strings.Contains(reason(v), e.Contains) {
					continue
				}
			}
			v := httpx.Verdict{Class: httpx.Class(e.Class), Hint: e.Hint}
			if e.MessagePath != "" {
				v.Message = fault.Shorten(reason(at(body, e.MessagePath)), 300)
			}
			return v
		}
		return httpx.Verdict{}
	}
}

func hasCode(codes []string, status int) bool {
	text := strconv.Itoa(status)
	return slices.Contains(codes, text) || slices.Contains(codes, text[:1]+"xx")
}

func decode(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// call fills a call. missing names a placeholder of the path that has no value for this row.
func (d *destination) call(def CallDef, path string, sc *scope, method string) (c vendorapi.Call, missing string, err error) {
	c = vendorapi.Call{Method: def.Method, Repeat: httpx.RepeatNever}
	if c.Method == "" {
		c.Method = method
	}
	if c.Path, missing, err = sc.text(path, url.PathEscape); err != nil || missing != "" {
		return c, missing, err
	}
	for k, t := range def.Query.All() {
		v, none, err := sc.text(t, nil)
		if err != nil {
			return c, "", err
		}
		if none != "" {
			continue
		}
		if c.Query == nil {
			c.Query = url.Values{}
		}
		c.Query.Set(k, v)
	}
	c.Header = http.Header{}
	for k, t := range def.Headers.All() {
		v, none, err := sc.text(t, nil)
		if err != nil {
			return c, "", err
		}
		if none == "" {
			c.Header.Set(k, v)
		}
	}
	if def.Body.Kind() > config.Null {
		c.Body, err = sc.body(def.Body)
	}
	return c, "", err
}

func (d *destination) scope(o *ObjectDef, object string, op activate.Op) *scope {
	return &scope{config: d.params, object: object, op: op, paths: func(f string) string {
		if def, ok := o.Fields.Get(f); ok && def.Path != "" {
			return def.Path
		}
		return f
	}}
}

// Same compares spellings: text and numbers of one spelling are equal, and nothing is nothing.
func (d readable) Same(ours, theirs json.RawMessage) bool {
	if canon.IsEmpty(ours) || canon.IsEmpty(theirs) {
		return canon.IsEmpty(ours) && canon.IsEmpty(theirs)
	}
	same, err := canon.JSON(theirs)
	if err != nil {
		return false
	}
	return bytes.Equal(ours, same) || canon.Text(ours) == canon.Text(same)
}
