// Package rest reads HTTP APIs that are described in YAML: one file a vendor, no Go. The nouns are those of
// dlt's REST configuration; what CRM and advertising APIs need beside them (rate budgets, capped queries, long property
// lists, report jobs, parents and children) is described in the same file.
//
// Upheld here: P1 (a checkpoint covers only what was yielded before it; reads may repeat rows, never skip any), P2 (what is
// not a record is reported with its bytes), P8 (secrets stay out of addresses, bodies and texts). It must not know any vendor.
package rest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/config"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/secret"
)

// Deps are what a source must not take from the air. Zero fields get the real thing.
type Deps struct {
	Now   func() time.Time // the run's logical time: where incremental reads end
	Clock func() time.Time // the clock on the wall: rate budgets and time limits
	Sleep func(ctx context.Context, d time.Duration) error
	Rand  func() float64
}

func (d Deps) filled() Deps {
	if d.Clock == nil {
		d.Clock = time.Now
	}
	if d.Now == nil {
		d.Now = d.Clock
	}
	if d.Sleep == nil {
		d.Sleep = func(ctx context.Context, wait time.Duration) error {
			t := time.NewTimer(wait)
			defer t.Stop()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-t.C:
				return nil
			}
		}
	}
	if d.Rand == nil {
		d.Rand = rand.Float64
	}
	return d
}

// commonOptions are keys that every source of this kind takes under config.
type commonOptions struct {
	BaseURL      string         `yaml:"base_url" doc:"another address of the API, for a sandbox or a simulator; its host then receives the credentials"`
	TokenURL     string         `yaml:"token_url" doc:"another address to fetch access tokens from"`
	Hosts        config.Strings `yaml:"hosts" doc:"further hosts that may receive the credentials"`
	AllowPrivate bool           `yaml:"allow_private" doc:"allow plain http and addresses in your own network"`
	RateLimits   map[string]int `yaml:"rate_limits" doc:"calls that your account may make where it may make more, or fewer, than the connector assumes, by the limit's name (doctor shows them)" example:"{minute: 600}"`
}

// StreamOptions are the keys of one stream beside the common ones.
type StreamOptions struct {
	Properties   config.Strings `yaml:"properties" doc:"further properties to ask the API for; they land in _extra unless columns are declared"`
	InitialValue string         `yaml:"initial_value" doc:"where the first read begins, instead of the connector's own"`
	Lag          *time.Duration `yaml:"lag" doc:"how far each read looks back, instead of the connector's own"`
}

// Connector is the catalog entry of the file.
func (a *API) Connector(d Deps) extract.Connector {
	return extract.Connector{
		Name: a.def.Connector, Summary: a.def.Summary,
		Options:       a.newOptions,
		StreamOptions: func() any { return &StreamOptions{} },
		Streams:       func() ([]extract.StreamSpec, error) { return a.Streams(), nil },
		Open: func(_ context.Context, p extract.OpenParams) (extract.Source, error) {
			return a.open(p, d.filled())
		},
	}
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
		case "list":
			t = reflect.TypeFor[config.Strings]()
		}
		fields = append(fields, reflect.StructField{Name: "P" + strconv.Itoa(i), Type: t, Tag: reflect.StructTag(tag)})
	}
	return reflect.New(reflect.StructOf(fields)).Interface()
}

// parameters reads the struct of newOptions back; a parameter that was not given is absent.
func (a *API) parameters(options any) (commonOptions, map[string]any) {
	v := reflect.ValueOf(options).Elem()
	common := v.Field(0).Interface().(commonOptions)
	out := map[string]any{}
	for i, e := range a.def.Parameters.Entries() {
		switch x := v.Field(i + 1).Interface().(type) {
		case string:
			if x != "" {
				out[e.Key] = x
			}
		case secret.String:
			if !x.IsZero() {
				out[e.Key] = x
			}
		case *int64:
			if x != nil {
				out[e.Key] = *x
			}
		case bool:
			out[e.Key] = x
		case config.Strings:
			if len(x) > 0 {
				out[e.Key] = []string(x)
			}
		}
	}
	return common, out
}

// source is one configured account.
type source struct {
	api            *API
	name           string
	deps           Deps
	log            *slog.Logger
	client         *httpx.Client
	tokens         *httpx.Client // for the token endpoint; nil without oauth2
	baseURL        string
	config         map[string]any
	options        map[string]*StreamOptions
	chosen         []extract.StreamSpec
	credentialKeys []string
}

func (a *API) open(p extract.OpenParams, d Deps) (*source, error) {
	common, params := a.parameters(p.Options)
	s := &source{api: a, name: p.Name, deps: d, log: p.Log, config: params, baseURL: a.def.Client.BaseURL, options: map[string]*StreamOptions{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if common.BaseURL != "" {
		s.baseURL = common.BaseURL
	}
	for _, st := range p.Streams {
		r, ok := a.resources[st.Spec.Name]
		if !ok {
			return nil, &fault.Error{Key: "streams." + st.Spec.Name, Msg: "connector " + a.Name() + " has no such stream", Hint: fault.DidYouMean(st.Spec.Name, a.order)}
		}
		if o, ok := st.Options.(*StreamOptions); ok && o != nil {
			s.options[st.Spec.Name] = o
		}
		spec, err := overlay(r, st.Spec)
		if err != nil {
			return nil, err
		}
		s.chosen = append(s.chosen, spec)
	}
	base, err := url.Parse(s.baseURL)
	if err != nil || base.Host == "" {
		return nil, &fault.Error{Key: "config.base_url", Value: s.baseURL, Msg: "is not an address", Hint: "Write it like https://api.example.com."}
	}
	c := a.def.Client
	var policies []httpx.Policy
	var limits []string
	for _, b := range c.APIBudget {
		limits = append(limits, b.Name)
	}
	for name, n := range common.RateLimits {
		if !slices.Contains(limits, name) {
			return nil, &fault.Error{Key: "config.rate_limits." + name, Msg: "connector " + a.Name() + " has no such limit", Hint: fault.DidYouMean(name, limits)}
		}
		if n < 1 {
			return nil, &fault.Error{Key: "config.rate_limits." + name, Value: strconv.Itoa(n), Msg: "is not a number of calls", Hint: "Write 1 or more."}
		}
	}
	for _, b := range c.APIBudget {
		if n, ok := common.RateLimits[b.Name]; ok {
			b.Limit = float64(n)
		}
		pol := httpx.Policy{Name: b.Name, Method: b.Method, Limit: b.Limit, Per: b.Per, Weight: b.Weight, RemainingHeader: b.RemainingHeader, ResetHeader: b.ResetHeader, ResetIn: b.ResetIn}
		if b.Path != "" {
			if pol.Path, err = regexp.Compile(b.Path); err != nil {
				return nil, fault.Wrap(err, "rate budget %s", b.Name)
			}
		}
		policies = append(policies, pol)
	}
	budget, err := httpx.NewBudget(policies...)
	if err != nil {
		return nil, err
	}
	redact := httpx.NewRedactor()
	sc := &scope{config: params}
	o := httpx.Options{
		Name: p.Name, Hosts: append([]string{base.Host}, append(append([]string(nil), c.Hosts...), common.Hosts...)...), OpenHosts: c.OpenHosts, AllowPrivate: common.AllowPrivate,
		Header: map[string][]string{}, Budget: budget, Redactor: redact, Timeout: c.Timeout, MaxBody: int64(c.MaxBody), Attempts: c.Attempts,
		RequestIDHeaders: c.RequestIDHeader, Log: s.log, Now: d.Clock, Sleep: d.Sleep, Rand: d.Rand,
	}
	for _, v := range params {
		if x, ok := v.(secret.String); ok {
			redact.Add(x)
		}
	}
	for _, h := range c.Headers.Entries() {
		v, err := h.Value.text(sc)
		var none *errNoValue
		if errors.As(err, &none) {
			continue
		}
		if err != nil {
			return nil, fault.Wrap(err, "header %s", h.Key)
		}
		o.Header.Set(h.Key, v)
	}
	if err := s.authorize(&o, common, sc); err != nil {
		return nil, err
	}
	if s.client, err = httpx.New(o); err != nil {
		return nil, fault.Wrap(err, "source %s", p.Name)
	}
	return s, nil
}

// overlay lays what the project says about a stream over what the connector says.
func overlay(r *resource, own extract.StreamSpec) (extract.StreamSpec, error) {
	spec := r.spec
	spec.Original, spec.Optional = own.Original, own.Optional
	if own.Disposition != "" && own.Disposition != spec.Disposition {
		if own.Disposition == landing.Replace && (r.Incremental != nil || r.FollowParent) {
			return spec, &fault.Error{Key: "streams." + spec.Name + ".write_disposition", Value: string(own.Disposition), Msg: "this stream brings only what is new: it cannot replace everything", Hint: "Use merge, or leave it out."}
		}
		spec.Disposition = own.Disposition
	}
	if own.Contract.Columns != "" {
		spec.Contract.Columns = own.Contract.Columns
	}
	if own.Contract.Types != "" {
		spec.Contract.Types = own.Contract.Types
	}
	if len(own.Schema.PrimaryKey) > 0 {
		spec.Schema.PrimaryKey = own.Schema.PrimaryKey
	}
	columns := slices.Clone(spec.Schema.Columns)
	for _, c := range own.Schema.Columns {
		if i := slices.IndexFunc(columns, func(x landing.Column) bool { return x.Name == c.Name }); i >= 0 {
			if c.Type != "" {
				columns[i].Type = c.Type
			}
			if c.PII != "" {
				columns[i].PII = c.PII
			}
			if c.Description != "" {
				columns[i].Description = c.Description
			}
			columns[i].Required = columns[i].Required || c.Required
			continue
		}
		columns = append(columns, c)
	}
	spec.Schema.Columns = columns
	return spec, nil
}

// authorize picks the first way to authenticate whose values are all given.
func (s *source) authorize(o *httpx.Options, common commonOptions, sc *scope) error {
	ways := s.api.def.Client.Auth
	if len(ways) == 0 {
		return nil
	}
	var missing []string
	for _, w := range ways {
		auth, keys, err := s.way(w, *o, common, sc)
		var none *errNoValue
		if errors.As(err, &none) {
			missing = append(missing, strings.TrimPrefix(none.ref, "config."))
			continue
		}
		if err != nil {
			return err
		}
		o.Auth, s.credentialKeys = auth, keys
		return nil
	}
	return &fault.Error{Key: "config." + missing[0], Msg: "no credentials for source " + s.name,
		Hint: "Give " + strings.Join(missing, " or ") + " under config; put the value into the environment or .env and write ${NAME} here."}
}

func (s *source) way(w AuthDef, o httpx.Options, common commonOptions, sc *scope) (httpx.Authorizer, []string, error) {
	var keys []string
	value := func(t Template) (string, error) {
		for _, ref := range t.refs() {
			keys = append(keys, strings.TrimPrefix(ref, "config."))
		}
		return t.text(sc)
	}
	switch w.Type {
	case "bearer":
		v, err := value(w.Token)
		return httpx.Bearer(secret.New(v)), keys, err
	case "api_key":
		v, err := value(w.Key)
		if w.In == "query" {
			return httpx.QueryKey(w.Name, secret.New(v)), keys, err
		}
		return httpx.HeaderKey(w.Name, w.Prefix, secret.New(v)), keys, err
	case "basic":
		user, err := value(w.Username)
		if err != nil {
			return nil, nil, err
		}
		var pass string
		if !w.Password.empty() {
			if pass, err = value(w.Password); err != nil {
				return nil, nil, err
			}
		}
		return httpx.Basic(user, secret.New(pass)), keys, nil
	}
	id, err := value(w.ClientID)
	if err != nil {
		return nil, nil, err
	}
	sec, err := value(w.ClientSecret)
	if err != nil {
		return nil, nil, err
	}
	var refresh string
	if !w.RefreshToken.empty() {
		if refresh, err = value(w.RefreshToken); err != nil {
			return nil, nil, err
		}
	}
	tokenURL := common.TokenURL
	if tokenURL == "" {
		if tokenURL, err = w.TokenURL.text(sc); err != nil {
			return nil, nil, err
		}
	}
	u, err := url.Parse(tokenURL)
	if err != nil || u.Host == "" {
		return nil, nil, &fault.Error{Key: "config.token_url", Value: tokenURL, Msg: "is not an address", Hint: "Write it like https://api.example.com/oauth/token."}
	}
	// Tokens come from their own host, which is not sent the API's headers and does not spend the API's budget.
	o.Hosts, o.Auth, o.Header, o.Budget = []string{u.Host}, nil, nil, nil
	if s.tokens, err = httpx.New(o); err != nil {
		return nil, nil, err
	}
	return httpx.NewOAuth2(httpx.OAuth2Config{Client: s.tokens, TokenURL: tokenURL, ClientID: id, ClientSecret: secret.New(sec), RefreshToken: secret.New(refresh), Scopes: w.Scopes, BasicClient: w.BasicClient}), keys, nil
}

// Streams lists what the file describes, whether or not a project reads it.
func (a *API) Streams() []extract.StreamSpec {
	out := make([]extract.StreamSpec, 0, len(a.order))
	for _, name := range a.order {
		out = append(out, a.resources[name].spec)
	}
	return out
}

// Streams lists the streams that the project names, or all when it names none.
func (s *source) Streams(context.Context) ([]extract.StreamSpec, error) {
	if len(s.chosen) == 0 {
		return s.api.Streams(), nil
	}
	return s.chosen, nil
}

// Sealed says that the position at the end of a complete read identifies its rows.
func (s *source) Sealed(stream string) bool {
	r, ok := s.api.resources[stream]
	return ok && r.cursorDef() == nil
}

// Close drops the connections.
func (s *source) Close() error {
	s.client.Close()
	if s.tokens != nil {
		s.tokens.Close()
	}
	return nil
}

// specOf is a stream as the project wants it.
func (s *source) specOf(r *resource) extract.StreamSpec {
	for _, c := range s.chosen {
		if c.Name == r.name {
			return c
		}
	}
	return r.spec
}

// properties is the list of fields to ask the API for: those that columns take, those that the file adds, those that the
// project adds.
func (s *source) properties(r *resource) []string {
	if r.Properties == nil {
		return nil
	}
	set := map[string]bool{}
	under := splitPath(r.Properties.Under)
	for _, c := range r.columns {
		if c.place == inRecord && len(c.path) > len(under) && strings.Join(c.path[:len(under)], ".") == r.Properties.Under {
			set[c.path[len(under)]] = true
		}
	}
	for _, p := range r.Properties.Also {
		set[p] = true
	}
	if o := s.options[r.name]; o != nil {
		for _, p := range o.Properties {
			set[p] = true
		}
	}
	// A column that only the project declares is a property of its own CRM.
	for _, c := range s.specOf(r).Schema.Columns {
		if _, known := r.Columns.Get(c.Name); !known {
			set[cmp.Or(c.Original, c.Name)] = true
		}
	}
	out := make([]string, 0, len(set))
	for p := range set {
		out = append(out, p)
	}
	sort.Strings(out)
	return out
}

// Backfill makes a position from which Read brings the rows of a date range and then leaves the stream's own position as it
// was. It is for incremental streams with times or dates.
func (s *source) Backfill(stream string, last landing.Checkpoint, from, to time.Time) (landing.Checkpoint, error) {
	r, ok := s.api.resources[stream]
	if !ok || r.Incremental == nil || r.parent != nil || len(r.Partitions) > 0 || r.Incremental.Type != "timestamp" && r.Incremental.Type != "date" {
		return landing.Checkpoint{}, &fault.Error{Value: stream, Msg: "this stream cannot be read by date range", Hint: "Read it again from the beginning with --full-refresh."}
	}
	if !from.Before(to) && !(r.dateCursor && from.Equal(to)) {
		return landing.Checkpoint{}, &fault.Error{Msg: "the range of a backfill ends before it begins", Hint: "Give a start before the end."}
	}
	st, err := decodeState(last)
	if err != nil {
		return landing.Checkpoint{}, err
	}
	st.Backfill = &span{From: formatInstant(from), To: formatInstant(to)}
	return st.checkpoint()
}
