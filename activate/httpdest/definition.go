// Package httpdest is the destination that is declared: one YAML file says how an HTTP API is written to and what its
// answers mean, and every sync may name it. Files lie in a project's activate/connectors; built-in ones beside this
// package. What cannot be declared (jobs, signatures, uploads) is written in Go: docs/adding-a-destination.md.
//
// Invariants: P6 (a row is acknowledged only by a part of the answer that the file names; what it does not name is
// unknown), P8 (secrets go into credentials and headers only). It must not know any one vendor.
package httpdest

import (
	"time"

	"millrace/internal/config"
)

// Definition is one connector file.
type Definition struct {
	Version     int                   `yaml:"version" default:"1" min:"1" max:"1" doc:"version of this file format"`
	Destination string                `yaml:"destination" required:"true" example:"cards" doc:"the name written after destination: in a sync"`
	Summary     string                `yaml:"summary" required:"true" doc:"one line for lists of destinations"`
	Docs        string                `yaml:"docs" doc:"address of the vendor's API documentation"`
	Parameters  config.Map[Parameter] `yaml:"parameters" doc:"what a sync gives under config:, used as {config.name}"`
	Client      ClientDef             `yaml:"client" required:"true" doc:"how every call is made"`
	Errors      []ErrorDef            `yaml:"errors" doc:"what special answers mean, also inside a success; the first that fits holds"`
	Check       *CheckDef             `yaml:"check" doc:"a call that reads nothing of people, made before a plan: are the credentials good?"`
	Objects     config.Map[ObjectDef] `yaml:"objects" required:"true" doc:"what can be written, by the sync's object:; the name * takes any object, for ids of lists and audiences"`
}

// Parameter is one key of a sync's config.
type Parameter struct {
	Type        string         `yaml:"type" enum:"string,secret,integer,boolean" default:"string" doc:"kind of value; a secret is never printed and may only be used in auth and headers"`
	Description string         `yaml:"description" required:"true" doc:"what it is and where to find it"`
	Default     string         `yaml:"default" doc:"value when the sync gives none"`
	Required    bool           `yaml:"required" doc:"the sync must give it"`
	Enum        config.Strings `yaml:"enum" doc:"the only values"`
}

// ClientDef is what all calls share.
type ClientDef struct {
	BaseURL         string             `yaml:"base_url" required:"true" example:"https://api.example.com" doc:"address that paths are added to; a sync may replace it"`
	Auth            *AuthDef           `yaml:"auth" doc:"how calls are authenticated"`
	Headers         config.Map[string] `yaml:"headers" doc:"headers of every call"`
	CallsPerSecond  float64            `yaml:"calls_per_second" default:"5" min:"0.01" doc:"calls a second at most, for all syncs of one account together"`
	RequestIDHeader config.Strings     `yaml:"request_id_headers" doc:"answer headers that hold the vendor's request id"`
	Timeout         time.Duration      `yaml:"timeout" default:"60s" doc:"time limit of one call"`
}

// AuthDef is one way to authenticate.
type AuthDef struct {
	Type     string `yaml:"type" required:"true" enum:"bearer,header,query,basic" doc:"kind of authentication"`
	Token    string `yaml:"token" doc:"bearer, header, query: the credential, as {config.token}"`
	Name     string `yaml:"name" doc:"header, query: its name"`
	Prefix   string `yaml:"prefix" doc:"header: text before the credential"`
	Username string `yaml:"username" doc:"basic: the user"`
	Password string `yaml:"password" doc:"basic: the password, as {config.key}"`
}

// ErrorDef says what a refusal means. All conditions given must hold.
type ErrorDef struct {
	Status      Words  `yaml:"status" doc:"status codes, 404 or 4xx"`
	Path        string `yaml:"path" doc:"path into the answer; alone: something is there"`
	Equals      Words  `yaml:"equals" doc:"values that stand at path"`
	Contains    string `yaml:"contains" doc:"text that stands inside the value at path"`
	Class       string `yaml:"class" required:"true" enum:"auth,rate,transient,permanent,config,unknown" doc:"rate and transient: nothing was written, the call is made again; permanent: this call never succeeds; unknown: it may have taken effect"`
	MessagePath string `yaml:"message_path" doc:"where the answer says what is wrong"`
	Hint        string `yaml:"hint" doc:"what a person should do"`
}

// CheckDef is the call of Check.
type CheckDef struct {
	Path string `yaml:"path" required:"true" doc:"path of a GET"`
	Hint string `yaml:"hint" doc:"what to do when it fails"`
}

// ObjectDef is one kind of record, event or audience.
type ObjectDef struct {
	Key        string               `yaml:"key" required:"true" doc:"the name of the key field, as a sync writes it"`
	KeyForm    string               `yaml:"key_form" enum:"exact,email" default:"exact" doc:"email: small letters, and it must hold an @"`
	Fields     config.Map[FieldDef] `yaml:"fields" doc:"the fields that a sync may map"`
	MoreFields bool                 `yaml:"more_fields" doc:"fields that are not listed are taken too, as they are named"`
	MaxBatch   int                  `yaml:"max_batch" default:"1" min:"1" max:"10000" doc:"rows of one call; where a call takes one row, calls before the ledger is written"`
	MaxBytes   config.Bytes         `yaml:"max_bytes" doc:"bytes of values in one call at most"`
	Repeat     bool                 `yaml:"repeat" doc:"sending a row twice has the effect of sending it once"`
	Undo       string               `yaml:"undo" enum:"exact,inverse,none" default:"none" doc:"exact: needs read; inverse: needs add and remove"`
	MinPeople  int                  `yaml:"min_people" min:"0" doc:"smallest audience that the vendor uses at all"`
	MemberDays int                  `yaml:"member_days" min:"0" doc:"days after which a membership ends by itself"`
	Operations config.Map[OpDef]    `yaml:"operations" required:"true" doc:"upsert, update, insert, archive, add, remove, event"`
	Read       *ReadDef             `yaml:"read" doc:"how records are looked up; settles lost answers and makes undo exact"`
}

// FieldDef is one field of an object.
type FieldDef struct {
	Type      string `yaml:"type" enum:"any,text,number,integer,boolean,date,instant" default:"any" doc:"kind of value"`
	Path      string `yaml:"path" doc:"where the body (and the record that is read) holds it, dotted; default its name"`
	Required  bool   `yaml:"required" doc:"needed to make a record"`
	Options   Words  `yaml:"options" doc:"the only values"`
	MaxLength int    `yaml:"max_length" min:"0" doc:"characters at most"`
	ReadOnly  bool   `yaml:"read_only" doc:"the vendor fills it in"`
}

// FromShort takes the type alone.
func (f *FieldDef) FromShort(text string) error { f.Type = text; return nil }

// ShortSchema is any text; the loader checks it.
func (f *FieldDef) ShortSchema() map[string]any { return nil }

// CallDef is one call.
type CallDef struct {
	Method  string             `yaml:"method" enum:"GET,POST,PUT,PATCH,DELETE" doc:"method; default POST to write, GET to read"`
	Path    string             `yaml:"path" required:"true" example:"/contacts/{key}" doc:"path below base_url; {key}, {remote_id}, {object}, {id}, {idem}, {op}, {config.x}, {value.x}, each also with |md5, |sha256 or |lower"`
	Query   config.Map[string] `yaml:"query" doc:"query parameters"`
	Headers config.Map[string] `yaml:"headers" doc:"further headers, such as Idempotency-Key: {idem}"`
	Body    config.Node        `yaml:"body" doc:"JSON as written, with placeholders; {$rows: ITEM} is a list with one ITEM a row, and $values: true puts the row's values where it stands"`
}

// OpDef is one operation.
type OpDef struct {
	CallDef  `yaml:",inline"`
	Statuses config.Map[string] `yaml:"statuses" enum:"acked,created,missing,exists,rejected,retry" doc:"what a status alone says about the row of the call, such as 404: missing"`
	Answer   []AnswerDef        `yaml:"answer" doc:"where the answer speaks of rows; several lists are all read"`
	Unnamed  string             `yaml:"unnamed" enum:"unknown,acked" default:"unknown" doc:"what rows are that the answer does not speak of; acked needs proof"`
	Proof    string             `yaml:"proof" doc:"path that a whole answer always has, for unnamed: acked"`
	Refused  *RefusedDef        `yaml:"refused" doc:"how a call that is refused as a whole names the rows that are why"`
}

// AnswerDef is one list of results, or one result.
type AnswerDef struct {
	Path     string `yaml:"path" doc:"where the list stands; without it the answer itself. An object is a list of one"`
	Match    string `yaml:"match" enum:"order,key,id,index" default:"order" doc:"how an element finds its row: its place (as many as rows, or none is believed), the key, our {id}, or the index of the row"`
	At       string `yaml:"at" doc:"key, id, index: where the element holds it"`
	Is       string `yaml:"is" enum:"acked,created,rejected,retry,missing,exists" doc:"what every element of this list is; without it ok, error and remote_id decide"`
	Ok       string `yaml:"ok" doc:"where an element says that it was taken"`
	OkValues Words  `yaml:"ok_values" doc:"values at ok that say so; default true"`
	Error    string `yaml:"error" doc:"something here (not null, false, empty) means refused"`
	RemoteID string `yaml:"remote_id" doc:"where the vendor's id stands; when given, nothing is taken without it"`
	Created  string `yaml:"created" doc:"where an element says that the record is new"`
	CreateIs Words  `yaml:"created_values" doc:"values at created that say so; default true"`
	Class    string `yaml:"class" doc:"where the kind of refusal stands"`
	Missing  Words  `yaml:"missing" doc:"values at class that mean: there is no such record"`
	Exists   Words  `yaml:"exists" doc:"values at class that mean: there is one already"`
	Retry    Words  `yaml:"retry" doc:"values at class that mean: not now, nothing was written"`
	Message  string `yaml:"message" doc:"where the reason stands; default error"`
}

// RefusedDef names the rows that made a vendor refuse a call.
type RefusedDef struct {
	Status  Words  `yaml:"status" required:"true" doc:"status codes of such refusals, 400 or 4xx"`
	Path    string `yaml:"path" required:"true" doc:"the list of reasons"`
	Match   string `yaml:"match" enum:"index,key,id" default:"index" doc:"how a reason finds its row"`
	At      string `yaml:"at" required:"true" doc:"where the index, key or id stands"`
	Pattern string `yaml:"pattern" doc:"regular expression whose first group is what is meant, for pointers such as /data/3/email"`
	Message string `yaml:"message" doc:"where the reason stands"`
}

// ReadDef looks records up.
type ReadDef struct {
	CallDef  `yaml:",inline"`
	PathByID string `yaml:"path_by_id" doc:"path for rows whose remote id is known"`
	Absent   Words  `yaml:"absent" doc:"statuses that mean: no such record; default 404"`
	Records  string `yaml:"records" doc:"where the records stand; without it the answer itself. An object is a list of one"`
	Match    string `yaml:"match" enum:"key,id,remote_id" doc:"with $rows: how a record finds its row"`
	At       string `yaml:"at" doc:"with $rows: where the record holds it"`
	RemoteID string `yaml:"remote_id" required:"true" doc:"where the vendor's id stands; a record without one is not there"`
}

// Words are values as an answer has them, compared as text: one, or a list. Statuses and true need no quotes.
type Words []string

// UnmarshalConfig takes scalars of any kind.
func (w *Words) UnmarshalConfig(n config.Node) error {
	items := n.Items()
	if n.Kind() != config.List {
		items = []config.Node{n}
	}
	for _, i := range items {
		text, ok := i.Text()
		if !ok {
			return i.Fault("Write one value, or a list of values.", "wants a value, found %s", i.Kind())
		}
		*w = append(*w, text)
	}
	return nil
}

// ConfigSchema is one scalar or a list of them.
func (w *Words) ConfigSchema() map[string]any {
	one := []any{"string", "number", "boolean"}
	return map[string]any{"anyOf": []any{map[string]any{"type": one}, map[string]any{"type": "array", "items": map[string]any{"type": one}}}}
}
