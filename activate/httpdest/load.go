package httpdest

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"embed"

	"millrace/activate"
	"millrace/internal/config"
	"millrace/internal/fault"
)

// ProjectDir is where a project keeps destinations of its own, below its folder. One with the name of a built-in
// destination takes its place.
const ProjectDir = "activate/connectors"

//go:embed connectors/*.yml
var builtin embed.FS

// Builtin gives the destinations whose files ship with the program.
func Builtin() ([]activate.Connector, error) {
	names, err := fs.Glob(builtin, "connectors/*.yml")
	if err != nil {
		return nil, fault.Wrap(err, "list destinations")
	}
	var out []activate.Connector
	var errs fault.List
	for _, name := range names {
		src, err := builtin.ReadFile(name)
		if err != nil {
			return nil, fault.Wrap(err, "read destination %s", name)
		}
		a, err := Load(name, src, nil)
		if err != nil {
			errs.Add(err)
			continue
		}
		out = append(out, a.Connector())
	}
	return out, errs.Or()
}

// Project reads the destinations of a project's own, from ProjectDir below dir. env resolves variables in them. All
// problems of all files come together; messages name files relative to the project.
func Project(dir string, env func(string) (string, bool)) ([]activate.Connector, error) {
	entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(ProjectDir)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, "list the project's destinations")
	}
	var out []activate.Connector
	var errs fault.List
	seen := map[string]string{}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); e.IsDir() || ext != ".yml" && ext != ".yaml" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		file := path.Join(ProjectDir, e.Name())
		src, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
		if err != nil {
			errs.Add(fault.Wrap(err, "read %s", file))
			continue
		}
		a, err := Load(file, src, env)
		if err != nil {
			errs.Add(err)
			continue
		}
		if first := seen[a.def.Destination]; first != "" {
			errs.Add(&fault.Error{File: file, Key: "destination", Value: a.def.Destination, Msg: "is declared in " + first + " too", Hint: "Give each file a name of its own."})
			continue
		}
		seen[a.def.Destination] = file
		out = append(out, a.Connector())
	}
	return out, errs.Or()
}

// FileSchema is the JSON Schema of these files, for editors.
func FileSchema() map[string]any { return config.Schema("Millrace destination", &Definition{}) }

// API is a file that has been read and found sound.
type API struct{ def Definition }

var (
	slug   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	codeRE = regexp.MustCompile(`^[1-5]([0-9][0-9]|xx)$`)
	codeOK = regexp.MustCompile(`^[1-5][0-9][0-9]$`)
)

// opNames are the operations that a file may declare.
func opNames() []string {
	return []string{string(activate.Upsert), string(activate.Update), string(activate.Insert), string(activate.Archive), string(activate.Add), string(activate.Remove), string(activate.Event)}
}

// Load reads a destination's file. file is what messages call it; env resolves ${VAR} in values and may be nil. All
// problems are reported together, each with file, line and key.
func Load(file string, src []byte, env func(string) (string, bool)) (*API, error) {
	n, err := config.Parse(file, src, config.ParseOptions{Env: env})
	if err != nil {
		return nil, err
	}
	a := &API{}
	if err := n.Decode(&a.def); err != nil {
		return nil, err
	}
	l := &loader{def: &a.def}
	l.client(n)
	for i, e := range a.def.Errors {
		l.errorRule(e, n.Get("errors").Items()[i])
	}
	for _, e := range a.def.Objects.Entries() {
		l.object(e.Value, e.Node)
	}
	return a, l.errs.Or()
}

type loader struct {
	def  *Definition
	errs fault.List
}

func (l *loader) bad(n config.Node, hint, format string, args ...any) {
	l.errs.Add(n.Fault(hint, format, args...))
}

func (l *loader) codes(n config.Node, list []string) {
	for _, c := range list {
		if !codeRE.MatchString(c) {
			l.bad(n, "Write 404 or 4xx.", "%q is not a status", c)
		}
	}
}

func (l *loader) client(n config.Node) {
	d := l.def
	if !slug.MatchString(d.Destination) {
		l.bad(n.Get("destination"), "Use small letters, digits and _.", "is not a name")
	}
	for _, e := range d.Parameters.Entries() {
		if !slug.MatchString(e.Key) || slices.Contains([]string{"base_url", "allow_private", "account"}, e.Key) {
			l.errs.Add(e.Node.KeyFault("Use small letters, digits and _; base_url, allow_private and account are there already.", "is not a name for a parameter"))
		}
	}
	c := n.Get("client")
	if u, err := url.Parse(d.Client.BaseURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		l.bad(c.Get("base_url"), "Write it like https://api.example.com.", "is not an address")
	}
	for _, h := range d.Client.Headers.Entries() {
		l.template(h.Node, h.Value, use{secrets: true})
	}
	if d.Check != nil {
		l.template(n.Get("check").Get("path"), d.Check.Path, use{object: true})
	}
	if d.Client.Auth == nil {
		return
	}
	a, at := d.Client.Auth, c.Get("auth")
	want := map[string][]string{"bearer": {"token"}, "header": {"token", "name"}, "query": {"token", "name"}, "basic": {"password"}}[a.Type]
	for _, k := range []string{"token", "name", "prefix", "username", "password"} {
		v := at.Get(k)
		switch {
		case v.IsZero() && slices.Contains(want, k):
			l.errs.Add(at.KeyFault("Add "+k+".", "%s authentication needs %s", a.Type, k))
		case !v.IsZero():
			text, _ := v.Text()
			l.template(v, text, use{secrets: true})
		}
	}
}

func (l *loader) errorRule(e ErrorDef, n config.Node) {
	l.codes(n.Get("status"), e.Status)
	if len(e.Status) == 0 && e.Path == "" {
		l.errs.Add(n.KeyFault("Give status, path or both.", "this rule would hold for every answer"))
	}
	if (len(e.Equals) > 0 || e.Contains != "") && e.Path == "" {
		l.errs.Add(n.KeyFault("Add path.", "equals and contains look at the value at path"))
	}
}

// use says what a template may speak of.
type use struct {
	secrets bool // credentials and headers
	object  bool // the call's object, operation and idempotency key
	row     bool
	fields  *ObjectDef
}

func (l *loader) template(n config.Node, text string, u use) {
	rest := placeholder.ReplaceAllStringFunc(text, func(ref string) string {
		name := placeholder.FindStringSubmatch(ref)[1]
		head, tail, _ := strings.Cut(name, ".")
		known := []string{}
		for _, p := range l.def.Parameters.Entries() {
			known = append(known, "config."+p.Key)
		}
		if u.object {
			known = append(known, "object", "op", "idem")
		}
		if u.row {
			known = append(known, "key", "id", "remote_id")
		}
		switch {
		case head == "config":
			p, ok := l.def.Parameters.Get(tail)
			switch {
			case !ok:
				l.bad(n, fault.DidYouMean(name, known), "there is no parameter %q", tail)
			case p.Type == "secret" && !u.secrets:
				l.bad(n, "Secrets go into client.auth and headers only.", "a secret would stand in an address or a body")
			}
		case slices.Contains(known, name):
		case head == "value" && u.row && u.fields != nil:
			if _, ok := u.fields.Fields.Get(tail); !ok && !u.fields.MoreFields {
				l.bad(n, fault.DidYouMean(tail, u.fields.Fields.Keys()), "the object has no field %q", tail)
			}
		case slices.Contains([]string{"key", "id", "remote_id", "value"}, head) && !u.row:
			l.bad(n, "Write it inside $rows, or leave $rows out and send one row a call.", "{%s} is of one row, and here the call has many", name)
		default:
			l.bad(n, fault.DidYouMean(name, known), "{%s} means nothing here", name)
		}
		return ""
	})
	if strings.ContainsAny(rest, "{}") {
		l.bad(n, "Write {name}, or {name|md5}, {name|sha256}, {name|lower}.", "a brace that is no placeholder")
	}
}

func (l *loader) call(c CallDef, n config.Node, o *ObjectDef) (many bool) {
	many = hasRows(c.Body)
	u := use{object: true, row: !many, fields: o}
	if !strings.HasPrefix(c.Path, "/") {
		l.bad(n.Get("path"), "Begin it with /.", "is not a path")
	}
	l.template(n.Get("path"), c.Path, u)
	for _, q := range c.Query.Entries() {
		l.template(q.Node, q.Value, u)
	}
	u.secrets = true
	for _, h := range c.Headers.Entries() {
		l.template(h.Node, h.Value, u)
	}
	l.body(c.Body, use{object: true, row: !many, fields: o}, false)
	return many
}

func (l *loader) body(n config.Node, u use, inside bool) {
	for _, k := range n.Keys() {
		child := n.Get(k)
		switch {
		case k == rowsKey && (inside || len(n.Keys()) > 1):
			l.errs.Add(child.KeyFault("Write one {$rows: ITEM} and nothing beside it.", "one list of rows is one mapping"))
		case k == rowsKey:
			in := u
			in.row = true
			l.body(child, in, true)
		case k == valuesKey && !u.row:
			l.errs.Add(child.KeyFault("Write it inside $rows.", "the values are of one row, and here the call has many"))
		case k == valuesKey:
		case strings.HasPrefix(k, "$"):
			l.errs.Add(child.KeyFault(fault.DidYouMean(k, []string{rowsKey, valuesKey}), "unknown word"))
		default:
			l.body(child, u, inside)
		}
	}
	for _, i := range n.Items() {
		l.body(i, u, inside)
	}
	if n.Kind() == config.String {
		text, _ := n.Text()
		l.template(n, text, u)
	}
}

func (l *loader) object(o ObjectDef, n config.Node) {
	types := []string{"any", "text", "number", "integer", "boolean", "date", "instant"}
	for _, f := range o.Fields.Entries() {
		if !slices.Contains(types, f.Value.Type) { // the short form has no enum
			l.bad(f.Node, fault.DidYouMean(f.Value.Type, types), "is not a type of field")
		}
	}
	for _, e := range o.Operations.Entries() {
		if !slices.Contains(opNames(), e.Key) {
			l.errs.Add(e.Node.KeyFault(fault.DidYouMean(e.Key, opNames()), "is not an operation"))
			continue
		}
		l.operation(e.Value, e.Node, &o)
	}
	has := func(op activate.Op) bool { _, ok := o.Operations.Get(string(op)); return ok }
	switch {
	case o.Undo == "exact" && o.Read == nil:
		l.bad(n.Get("undo"), "Add read, or write undo: none.", "exact undo writes back what was read before")
	case o.Undo == "inverse" && !(has(activate.Add) && has(activate.Remove)):
		l.bad(n.Get("undo"), "Declare add and remove, or write undo: none.", "inverse undo needs both operations")
	}
	if o.Read == nil {
		return
	}
	r, at := o.Read, n.Get("read")
	l.codes(at.Get("absent"), r.Absent)
	if l.call(r.CallDef, at, &o) && (r.Match == "" || r.At == "") {
		l.errs.Add(at.KeyFault("Add match and at.", "records that come together must say whose they are"))
	}
	if r.PathByID != "" {
		l.template(at.Get("path_by_id"), r.PathByID, use{object: true, row: true, fields: &o})
	}
}

func (l *loader) operation(op OpDef, n config.Node, o *ObjectDef) {
	many := l.call(op.CallDef, n, o)
	speaks := false
	for _, s := range op.Statuses.Entries() {
		if !codeOK.MatchString(s.Key) {
			l.errs.Add(s.Node.KeyFault("Write a status such as 404.", "is not a status"))
		}
		if many {
			l.errs.Add(s.Node.KeyFault("Name rows under answer or refused.", "a status speaks of one row, and the call has many"))
		}
		speaks = speaks || s.Value == "acked" || s.Value == "created"
	}
	for i, a := range op.Answer {
		at := n.Get("answer").Items()[i]
		if a.Match != "order" && a.At == "" {
			l.errs.Add(at.KeyFault("Add at: where an element holds the "+a.Match+".", "match: %s needs at", a.Match))
		}
		proof := a.Is != "" || a.Ok != "" || a.RemoteID != ""
		if !proof && (a.Match == "order" || a.Error == "") {
			l.errs.Add(at.KeyFault("Add ok, remote_id or is: an answer that merely arrived says nothing about a row.", "nothing here says that a row was taken"))
		}
		if a.Is == "" || a.Is == "acked" || a.Is == "created" {
			speaks = true
		}
	}
	if op.Unnamed == "acked" {
		if op.Proof == "" {
			l.bad(n.Get("unnamed"), "Add proof: a path that a whole answer always has.", "an empty answer would count as success")
		}
		speaks = true
	}
	if !speaks {
		l.errs.Add(n.KeyFault("Add answer, or statuses such as {204: acked}.", "nothing says when a row was taken"))
	}
	if op.Refused != nil {
		l.codes(n.Get("refused").Get("status"), op.Refused.Status)
		if re, err := regexp.Compile(op.Refused.Pattern); err != nil || op.Refused.Pattern != "" && re.NumSubexp() < 1 {
			l.bad(n.Get("refused").Get("pattern"), "Write one with a group, such as /data/([0-9]+)/.", "is not a regular expression with a group")
		}
	}
}
