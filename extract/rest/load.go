package rest

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/config"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// API is a connector file that has been read and found sound.
type API struct {
	def       Definition
	file      string
	resources map[string]*resource
	order     []string
}

// resource is one stream, ready to be read.
type resource struct {
	ResourceDef
	name    string
	node    config.Node
	spec    extract.StreamSpec
	columns []column
	// parent is the resource whose records this one is read for; nil for most.
	parent       *resource
	parentFields []string    // paths of the parent's record that placeholders and include_from_parent need
	full         *InitialDef // the call of the first read; nil when it is the same
	actions      []action
	dateCursor   bool
}

type column struct {
	name     string // as landed
	original string // as the batch and the manifest have it: the path in the API's record
	typ      landing.Type
	path     []string
	place    place
	format   string
}

type place uint8

const (
	inRecord place = iota
	inAnswer       // $.path
	inParent       // _parent.path, of the record that was exploded
)

type action struct {
	ActionDef
	codes    []string
	bodyPath []string
}

var (
	slug   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	colRE  = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
	typeRE = regexp.MustCompile(`^(VARCHAR|BIGINT|DOUBLE|BOOLEAN|DATE|TIMESTAMP|JSON|DECIMAL\([0-9]+,[0-9]+\))$`)
	codeRE = regexp.MustCompile(`^[1-5]([0-9][0-9]|xx)$`)
)

// Load reads a connector file. file is what messages call it; env resolves ${VAR} in values and may be nil.
// All problems are reported together, each with file, line and key.
func Load(file string, src []byte, env func(string) (string, bool)) (*API, error) {
	n, err := config.Parse(file, src, config.ParseOptions{Env: env})
	if err != nil {
		return nil, err
	}
	a := &API{file: file, resources: map[string]*resource{}}
	if err := n.Decode(&a.def); err != nil {
		return nil, err
	}
	l := &loader{api: a}
	l.client(n)
	for _, e := range a.def.Resources.Entries() {
		l.decode(n, e)
	}
	if err := l.errs.Or(); err != nil {
		return nil, err
	}
	for _, name := range a.order {
		l.resource(a.resources[name])
	}
	for _, name := range a.order {
		l.family(a.resources[name])
	}
	return a, l.errs.Or()
}

// Name is the connector's name.
func (a *API) Name() string { return a.def.Connector }

type loader struct {
	api  *API
	errs fault.List
}

func (l *loader) fail(n config.Node, hint, format string, args ...any) {
	l.errs.Add(n.KeyFault(hint, format, args...))
}

func (l *loader) client(n config.Node) {
	d := &l.api.def
	if !slug.MatchString(d.Connector) {
		l.errs.Add(n.Get("connector").Fault("Use small letters, digits and _.", "is not a name"))
	}
	for _, e := range d.Parameters.Entries() {
		if !slug.MatchString(e.Key) {
			l.fail(e.Node, "Use small letters, digits and _.", "is not a name")
		}
	}
	c := n.Get("client")
	if u, err := url.Parse(d.Client.BaseURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		l.errs.Add(c.Get("base_url").Fault("Write it like https://api.example.com.", "is not an address"))
	}
	for i, b := range d.Client.APIBudget {
		at := c.Get("api_budget").Items()[i]
		if _, err := regexp.Compile(b.Path); err != nil {
			l.errs.Add(at.Get("path").Fault("Write a regular expression such as ^/crm/v3/.", "is not a regular expression"))
		} else if _, err := httpx.NewBudget(httpx.Policy{Name: b.Name, Limit: b.Limit, Per: b.Per, Weight: b.Weight}); err != nil {
			l.errs.Add(at.Fault("", "%s", err))
		}
	}
	for i := range d.Client.Auth {
		l.auth(&d.Client.Auth[i], c.Get("auth").Items()[i])
	}
	for _, h := range d.Client.Headers.Entries() {
		l.templates(nil, true, h.Value)
	}
	l.paginator(d.Client.Paginator, c.Get("paginator"))
	l.actions(d.Client.ResponseActions, c.Get("response_actions"))
	for _, ch := range d.Check {
		ts, _ := ch.JSON.templates()
		l.templates(nil, false, append(ts, ch.Path)...)
	}
}

func (l *loader) auth(a *AuthDef, n config.Node) {
	need := func(key string, t Template) {
		if t.empty() {
			l.fail(n.Get(key), "Add it, for example "+key+`: "{config.`+key+`}".`, "is needed for auth of type %s", a.Type)
		}
		l.templates(nil, true, t)
	}
	switch a.Type {
	case "bearer":
		need("token", a.Token)
	case "api_key":
		need("key", a.Key)
		if a.Name == "" {
			l.fail(n.Get("name"), "Name the header or the query parameter.", "is needed for auth of type api_key")
		}
	case "basic":
		need("username", a.Username)
		l.templates(nil, true, a.Password)
	case "oauth2":
		need("token_url", a.TokenURL)
		need("client_id", a.ClientID)
		need("client_secret", a.ClientSecret)
		l.templates(nil, true, a.RefreshToken)
	}
}

// decode lays a resource over the defaults. A paginator or incremental of its own replaces the default one whole.
func (l *loader) decode(root config.Node, e config.Entry[ResourceDef]) {
	if !slug.MatchString(e.Key) {
		l.fail(e.Node, "Use small letters, digits and _, at most 63, beginning with a letter.", "is not a stream name")
		return
	}
	r := &resource{name: e.Key, node: e.Node}
	if d := root.Get("resource_defaults"); !d.IsZero() {
		l.errs.Add(d.Decode(&r.ResourceDef))
	}
	if !e.Node.Get("paginator").IsZero() {
		r.Paginator = nil
	}
	if !e.Node.Get("incremental").IsZero() {
		r.Incremental = nil
	}
	l.errs.Add(e.Node.Decode(&r.ResourceDef))
	l.api.resources[r.name] = r
	l.api.order = append(l.api.order, r.name)
}

// resource checks one stream on its own and compiles its columns.
func (l *loader) resource(r *resource) {
	if r.Paginator == nil {
		r.Paginator = l.api.def.Client.Paginator
	}
	if r.Paginator == nil {
		l.fail(r.node.Get("paginator"), "Add paginator: {type: single_page} if one answer holds everything.", "no paginator here, in resource_defaults or in client")
	}
	l.paginator(r.Paginator, r.node.Get("paginator"))
	if r.Endpoint.Path.empty() {
		l.fail(r.node.Get("endpoint").Get("path"), "Add the path below base_url.", "is required and missing")
	}
	if in := r.Initial; in != nil {
		if in.Paginator == nil {
			in.Paginator = r.Paginator
		}
		if in.DataSelector == "" {
			in.DataSelector = r.DataSelector
		}
		if in.Endpoint.Method == "" {
			in.Endpoint.Method = "GET"
		}
		l.paginator(in.Paginator, r.node.Get("initial").Get("paginator"))
		if r.Incremental == nil {
			l.fail(r.node.Get("initial"), "Add incremental, or make this the endpoint.", "a first read of its own needs incremental")
		}
		r.full = in
	}
	if r.Endpoint.Method == "" {
		r.Endpoint.Method = "GET"
	}
	if body := r.Endpoint.JSON; body.root != nil && r.Endpoint.Method == "GET" {
		l.fail(r.node.Get("endpoint").Get("json"), "Add method: POST.", "a GET has no body")
	}
	l.disposition(r)
	l.columns(r)
	l.incremental(r)
	l.actions(r.ResponseActions, r.node.Get("response_actions"))
	for _, set := range [][]ActionDef{r.ResponseActions, l.api.def.Client.ResponseActions} {
		for _, a := range set {
			r.actions = append(r.actions, action{ActionDef: a, codes: a.Status, bodyPath: splitPath(a.BodyPath)})
		}
	}
	if r.PropertyChunking != nil && r.Properties == nil {
		l.fail(r.node.Get("property_chunking"), "Add properties: {under: ...}.", "there is no property list to split")
	}
	for i, s := range append(slices.Clone(r.Setup), r.Teardown...) {
		if s.Path.empty() {
			l.fail(r.node.Get("setup"), "Add its path.", "step %d has no path", i+1)
		}
	}
}

func (l *loader) disposition(r *resource) {
	n := r.node.Get("write_disposition")
	if r.WriteDisposition == "" {
		r.WriteDisposition = string(landing.Replace)
		if r.Incremental != nil || r.FollowParent {
			r.WriteDisposition = string(landing.Append)
			if len(r.PrimaryKey) > 0 {
				r.WriteDisposition = string(landing.Merge)
			}
		}
	}
	switch landing.Disposition(r.WriteDisposition) {
	case landing.Merge:
		if len(r.PrimaryKey) == 0 {
			l.fail(n, "Add primary_key.", "merge needs to know which rows are the same")
		}
	case landing.Replace:
		if r.Incremental != nil || r.FollowParent {
			l.fail(n, "Use merge, or remove incremental.", "an incremental read brings only what is new: it cannot replace everything")
		}
	}
	for _, k := range r.PrimaryKey {
		if _, ok := r.Columns.Get(k); !ok {
			l.errs.Add(r.node.Get("primary_key").Fault(fault.DidYouMean(k, r.Columns.Keys()), "names %q, which is not a column", k))
		}
	}
	if r.SchemaContract.Columns == "" {
		r.SchemaContract.Columns = "discard"
	}
	if r.SchemaContract.Types == "" {
		r.SchemaContract.Types = "quarantine"
	}
}

func (l *loader) columns(r *resource) {
	schema := landing.Schema{PrimaryKey: r.PrimaryKey}
	for _, e := range r.Columns.Entries() {
		c := e.Value
		if !colRE.MatchString(e.Key) || strings.HasPrefix(e.Key, "_") && !strings.Contains(c.Path, ".") && c.Path == "" {
			l.fail(e.Node, "Use small letters, digits and _, beginning with a letter.", "is not a column name")
		}
		if !typeRE.MatchString(c.Type) {
			l.errs.Add(e.Node.Fault("Types: VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP, JSON, DECIMAL(18,4).", "has no known type"))
		}
		path, original := c.Path, c.Path
		if path == "" {
			path = e.Key
		}
		if original == e.Key {
			original = ""
		}
		col := column{name: e.Key, original: path, typ: landing.Type(c.Type), format: c.Format}
		switch {
		case strings.HasPrefix(path, "$."):
			col.place, path = inAnswer, path[2:]
		case strings.HasPrefix(path, "_parent."):
			col.place, path = inParent, path[len("_parent."):]
			if r.Explode == nil {
				l.fail(e.Node, "Add explode, or write the path from the record.", "_parent is the record that explode took apart")
			}
		}
		col.path = splitPath(path)
		r.columns = append(r.columns, col)
		required := c.Required || slices.Contains(r.PrimaryKey, e.Key)
		schema.Columns = append(schema.Columns, landing.Column{Name: e.Key, Original: original, Type: col.typ, Declared: true, Required: required, PII: c.PII, Description: c.Description})
	}
	r.spec = extract.StreamSpec{Name: r.name, Schema: schema, Disposition: landing.Disposition(r.WriteDisposition),
		Contract: extract.Contract{Columns: r.SchemaContract.Columns, Types: r.SchemaContract.Types}}
}

func (l *loader) incremental(r *resource) {
	inc := r.Incremental
	if inc == nil {
		return
	}
	n := r.node.Get("incremental")
	if inc.Type == "" {
		inc.Type = "timestamp"
	}
	if inc.Order == "" {
		inc.Order = "none"
	}
	if inc.Filter == "" {
		inc.Filter = "server"
	}
	r.dateCursor = inc.Type == "date"
	switch inc.Type {
	case "timestamp", "date":
		if _, err := initialInstant(inc.InitialValue, time.Unix(0, 0)); err != nil {
			l.errs.Add(n.Get("initial_value").Fault("Write 2024-01-31, 2024-01-31T00:00:00Z, or -90d for ninety days back.", "is not a date or a time"))
		}
	default:
		if inc.Order != "ascending" {
			l.fail(n.Get("order"), "Sort by the cursor in the request and write order: ascending.", "a cursor of type %s has no windows: rows must come in its order", inc.Type)
		}
		if inc.Lag != 0 || inc.Step != 0 || inc.FullEvery != 0 {
			l.fail(n, "Remove them.", "lag, step and full_every are for times")
		}
	}
	if r.spec.Disposition == landing.Append && (inc.Order == "ascending" || inc.Lag > 0 || inc.FullEvery > 0) {
		l.fail(r.node.Get("write_disposition"), "Add primary_key and use merge.", "this read repeats rows at its borders: appending would double them")
	}
	if inc.Type == "string" && inc.Exclusive {
		l.fail(n.Get("exclusive"), "Remove it.", "there is no value just before a text")
	}
	if (inc.Order != "none" || inc.Filter == "client") && inc.CursorPath == "" {
		l.fail(n.Get("cursor_path"), "Say where the record holds the cursor.", "is needed for order and filter: client")
	}
	for _, d := range []struct {
		key string
		v   time.Duration
	}{{"lag", inc.Lag}, {"step", inc.Step}, {"full_every", inc.FullEvery}} {
		if d.v < 0 || r.dateCursor && d.v%(24*time.Hour) != 0 {
			l.errs.Add(n.Get(d.key).Fault("Write whole days for dates: 30d.", "is not a usable span"))
		}
	}
	l.templates(nil, false, inc.Zone)
}

// family resolves parents and checks every placeholder.
func (l *loader) family(r *resource) {
	var all []Template
	var over []string
	collect := func(e EndpointDef) {
		all = append(all, e.Path)
		for _, p := range e.Params.Entries() {
			all = append(all, p.Value)
		}
		for _, h := range e.Headers.Entries() {
			all = append(all, h.Value)
		}
		ts, o := e.JSON.templates()
		all, over = append(all, ts...), append(over, o...)
	}
	collect(r.Endpoint)
	if r.full != nil {
		collect(r.full.Endpoint)
	}
	for _, s := range append(slices.Clone(r.Setup), r.Teardown...) {
		collect(s.EndpointDef)
	}
	names := map[string]bool{}
	for _, o := range over {
		names[o] = true
	}
	fields := map[string]bool{}
	split := false
	for _, t := range all {
		for _, ref := range t.refs() {
			split = split || ref == "split.after"
			if rest, ok := strings.CutPrefix(ref, "resources."); ok {
				name, f, _ := strings.Cut(rest, ".")
				names[name] = true
				fields[f] = true
			}
		}
	}
	l.templates(r, false, all...)
	for _, f := range r.Include {
		fields[f] = true
	}
	for f := range fields {
		r.parentFields = append(r.parentFields, f)
	}
	slices.Sort(r.parentFields)
	n := r.node.Get("endpoint")
	switch {
	case len(names) > 1:
		l.fail(n, "Read one resource for the records of one other.", "names more than one parent resource")
	case len(names) == 1:
		for name := range names {
			p, ok := l.api.resources[name]
			if !ok {
				l.fail(n, fault.DidYouMean(name, l.api.order), "names resource %q, which is not in this file", name)
				return
			}
			r.parent = p
		}
		for p, seen := r.parent, 0; p != nil; p, seen = p.parent, seen+1 {
			if p == r || seen > 8 {
				l.fail(n, "Break the circle.", "resources are parents of each other")
				r.parent = nil
				return
			}
		}
	}
	if (r.BatchParents > 0) != (len(over) > 0) {
		l.fail(r.node.Get("batch_parents"), "Use both: batch_parents: 100 and $each: resources.NAME in the body.", "batch_parents and $each belong together")
	}
	if r.FollowParent && (r.parent == nil || r.parent.Incremental == nil || r.Incremental != nil) {
		l.fail(r.node.Get("follow_parent"), "Use it on a child without incremental of its own, below an incremental parent.", "has no incremental parent to follow")
	}
	if len(r.Include) > 0 && (r.parent == nil || r.BatchParents > 0) {
		l.fail(r.node.Get("include_from_parent"), "Use it on a child that is read for one parent at a time.", "there is no single parent")
	}
	if (r.SplitOnLimit != nil) != split {
		l.fail(r.node.Get("split_on_limit"), "Use both: split_on_limit and {split.after} in the query.", "split_on_limit and {split.after} belong together")
	}
	if len(r.Partitions) > 0 && r.parent != nil {
		l.fail(r.node.Get("partitions"), "Remove one of them.", "a resource has partitions or a parent, not both")
	}
}

// templates checks placeholders. r is nil outside of resources. Secrets are only allowed where they are sent as
// credentials: anywhere else they would reach addresses and logs (P8).
func (l *loader) templates(r *resource, credentials bool, ts ...Template) {
	for _, t := range ts {
		for _, ref := range t.refs() {
			head, rest, _ := strings.Cut(ref, ".")
			bad := func(hint, format string, args ...any) { l.errs.Add(t.node.Fault(hint, format, args...)) }
			switch {
			case head == "config":
				p, ok := l.api.def.Parameters.Get(rest)
				if !ok {
					bad(fault.DidYouMean(rest, l.api.def.Parameters.Keys()), "{%s}: there is no parameter %q", ref, rest)
				} else if p.Type == "secret" && !credentials {
					bad("Send it under client.auth or client.headers.", "{%s}: a secret may not stand in an address or a body", ref)
				}
			case r == nil:
				bad("Here only {config.NAME} has a value.", "{%s}: has no value here", ref)
			case head == "incremental":
				if r.Incremental == nil {
					bad("Add incremental to the resource.", "{%s}: the resource is not incremental", ref)
				} else if rest != "start" && rest != "end" {
					bad(fault.DidYouMean(rest, []string{"start", "end"}), "{%s}: no such value", ref)
				}
			case head == "partition":
				for _, p := range r.Partitions {
					if _, ok := p.Get(rest); !ok {
						bad(fault.DidYouMean(rest, p.Keys()), "{%s}: a partition does not have it", ref)
					}
				}
				if len(r.Partitions) == 0 {
					bad("Add partitions.", "{%s}: the resource has no partitions", ref)
				}
			case head == "resources" && strings.Contains(rest, "."):
			case head == "setup":
				found := false
				for _, s := range r.Setup {
					_, ok := s.Save.Get(rest)
					found = found || ok
				}
				if !found {
					bad("Add it to save of a setup step.", "{%s}: no setup step saves it", ref)
				}
			case ref == "properties":
				if r.Properties == nil {
					bad("Add properties: {under: ...}.", "{properties}: the resource has no property list")
				}
			case ref == "split.after", ref == "now", ref == "resource":
			default:
				bad(fault.DidYouMean(head, []string{"config", "incremental", "partition", "resource", "resources", "setup", "properties", "split", "now"}), "{%s}: unknown placeholder (write {{ and }} for braces)", ref)
			}
		}
	}
}

func (l *loader) paginator(p *PaginatorDef, n config.Node) {
	if p == nil {
		return
	}
	need := map[string][]string{
		"cursor": {"cursor_path", "cursor_param"}, "next_link": {"link_path"}, "offset": {"offset_param", "limit"},
		"page_number": {"page_param"}, "last_id": {"has_more_path", "id_path", "cursor_param"},
	}
	have := map[string]string{"cursor_path": p.CursorPath, "cursor_param": p.CursorParam, "link_path": p.LinkPath, "offset_param": p.OffsetParam,
		"page_param": p.PageParam, "has_more_path": p.HasMorePath, "id_path": p.IDPath}
	if p.Limit > 0 {
		have["limit"] = "given"
	}
	for _, k := range need[p.Type] {
		if have[k] == "" {
			l.fail(n.Get(k), "Add it.", "is needed for a paginator of type %s", p.Type)
		}
	}
	if p.ShortPageEnds && p.Limit == 0 {
		l.fail(n.Get("short_page_ends"), "Add limit.", "needs limit to know what a short page is")
	}
	if p.Resumable && p.Type != "cursor" && p.Type != "last_id" {
		l.fail(n.Get("resumable"), "Remove it.", "only cursors can be kept for the next run")
	}
}

func (l *loader) actions(as []ActionDef, n config.Node) {
	for i, a := range as {
		at := n.Items()
		for _, c := range a.Status {
			if !codeRE.MatchString(c) && i < len(at) {
				l.errs.Add(at[i].Get("status").Fault("Write codes such as 404 or 4xx.", "is not a status code"))
			}
		}
		if len(a.Status) == 0 && a.BodyPath == "" && a.Contains == "" && i < len(at) {
			l.errs.Add(at[i].Fault("Give status, body_path or contains.", "would match every answer"))
		}
	}
}

// parseInstant reads what people and vendors write as a date or a time; without a zone it is UTC.
func parseInstant(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("not a time: " + fmt.Sprintf("%q", fault.Shorten(s, 40)))
}
