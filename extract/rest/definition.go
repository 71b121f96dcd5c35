package rest

import (
	"time"

	"millrace/internal/config"
)

// Definition is one connector file: how an HTTP API is called and what its streams look like. The nouns are those of
// dlt's REST configuration where it has them.
type Definition struct {
	Version          int                     `yaml:"version" default:"1" min:"1" max:"1" doc:"version of this file format"`
	Connector        string                  `yaml:"connector" required:"true" example:"hubspot" doc:"the name written after connector: in a source file"`
	Summary          string                  `yaml:"summary" required:"true" doc:"one line for lists of connectors"`
	Docs             string                  `yaml:"docs" doc:"address of the vendor's API documentation"`
	Parameters       config.Map[Parameter]   `yaml:"parameters" doc:"what a source file gives under config:, used as {config.name}"`
	Client           ClientDef               `yaml:"client" required:"true" doc:"how every call is made"`
	Check            []CheckDef              `yaml:"check" doc:"calls that the readiness check makes"`
	ResourceDefaults ResourceDef             `yaml:"resource_defaults" doc:"what every resource begins with"`
	Resources        config.Map[ResourceDef] `yaml:"resources" required:"true" doc:"the streams by name"`
}

// Parameter is one key of a source's config.
type Parameter struct {
	Type        string         `yaml:"type" enum:"string,secret,integer,boolean,list" default:"string" doc:"kind of value; a secret is never printed and may only be used in auth and headers"`
	Description string         `yaml:"description" required:"true" doc:"what it is and where to find it"`
	Default     string         `yaml:"default" doc:"value when the source file gives none"`
	Required    bool           `yaml:"required" doc:"the source file must give it"`
	Enum        config.Strings `yaml:"enum" doc:"the only values"`
}

// ClientDef is what all calls share.
type ClientDef struct {
	BaseURL         string               `yaml:"base_url" required:"true" example:"https://api.example.com" doc:"address that paths are added to; a source file may replace it"`
	Hosts           config.Strings       `yaml:"hosts" doc:"further hosts that may receive credentials; the host of base_url is always one"`
	OpenHosts       config.Strings       `yaml:"open_hosts" doc:"hosts that may be called without credentials, for signed download links"`
	Auth            []AuthDef            `yaml:"auth" doc:"ways to authenticate; the first whose values are all given is used"`
	Headers         config.Map[Template] `yaml:"headers" doc:"headers of every call; one whose parameter is not given is left out"`
	Paginator       *PaginatorDef        `yaml:"paginator" doc:"how pages follow each other, unless a resource says otherwise"`
	APIBudget       []BudgetDef          `yaml:"api_budget" doc:"the account's limits, kept before the vendor enforces them"`
	ResponseActions []ActionDef          `yaml:"response_actions" doc:"what special answers mean; tried in order after the resource's own"`
	RequestIDHeader config.Strings       `yaml:"request_id_headers" doc:"answer headers that hold the vendor's request id"`
	MaxBody         config.Bytes         `yaml:"max_body" default:"64MiB" doc:"largest answer that is read into memory"`
	Timeout         time.Duration        `yaml:"timeout" default:"60s" doc:"time limit of one call"`
	Attempts        int                  `yaml:"attempts" default:"6" min:"1" max:"20" doc:"how often a call is tried before the stream fails"`
}

// AuthDef is one way to authenticate.
type AuthDef struct {
	Type         string         `yaml:"type" required:"true" enum:"bearer,api_key,basic,oauth2" doc:"kind of authentication"`
	Token        Template       `yaml:"token" doc:"bearer: the token"`
	Key          Template       `yaml:"key" doc:"api_key: the key"`
	Name         string         `yaml:"name" doc:"api_key: the header or query parameter"`
	In           string         `yaml:"in" enum:"header,query" default:"header" doc:"api_key: where it goes"`
	Prefix       string         `yaml:"prefix" doc:"api_key: text before the key in the header"`
	Username     Template       `yaml:"username" doc:"basic: the user"`
	Password     Template       `yaml:"password" doc:"basic: the password; may be empty"`
	TokenURL     Template       `yaml:"token_url" doc:"oauth2: where tokens are fetched; a source file may replace it"`
	ClientID     Template       `yaml:"client_id" doc:"oauth2: the application's id"`
	ClientSecret Template       `yaml:"client_secret" doc:"oauth2: the application's secret"`
	RefreshToken Template       `yaml:"refresh_token" doc:"oauth2: the long-lived token; without it the grant is client_credentials"`
	Scopes       config.Strings `yaml:"scopes" doc:"oauth2: permissions to ask for"`
	BasicClient  bool           `yaml:"basic_client" doc:"oauth2: send id and secret as Basic instead of in the form"`
}

// BudgetDef is one limit of an account.
type BudgetDef struct {
	Name            string        `yaml:"name" required:"true" doc:"in messages"`
	Method          string        `yaml:"method" enum:"GET,POST,PUT,PATCH,DELETE" doc:"only calls of this method"`
	Path            string        `yaml:"path" doc:"only calls whose path matches this regular expression"`
	Limit           float64       `yaml:"limit" required:"true" doc:"calls (or weight) allowed ..."`
	Per             time.Duration `yaml:"per" required:"true" doc:"... in any span of this length"`
	Weight          float64       `yaml:"weight" default:"1" doc:"what one call costs"`
	RemainingHeader string        `yaml:"remaining_header" doc:"answer header with what is left"`
	ResetHeader     string        `yaml:"reset_header" doc:"answer header with when the span ends"`
	ResetIn         string        `yaml:"reset_in" enum:"seconds,unix,unix_ms" default:"seconds" doc:"what the reset header holds"`
}

// CheckDef is one call of the readiness check.
type CheckDef struct {
	Name   string             `yaml:"name" required:"true" doc:"what is checked, in a person's words"`
	Path   Template           `yaml:"path" required:"true" doc:"path of the call"`
	Method string             `yaml:"method" enum:"GET,POST" default:"GET" doc:"method of the call"`
	JSON   Body               `yaml:"json" doc:"body of the call"`
	Show   config.Map[string] `yaml:"show" doc:"what to show of the answer: label and path"`
	Hint   string             `yaml:"hint" doc:"what to do when it fails"`
}

// EndpointDef is one call.
type EndpointDef struct {
	Path    Template             `yaml:"path" doc:"path below base_url, or a whole address on a listed host"`
	Method  string               `yaml:"method" enum:"GET,POST" doc:"default GET"`
	Params  config.Map[Template] `yaml:"params" doc:"query parameters"`
	Headers config.Map[Template] `yaml:"headers" doc:"further headers"`
	JSON    Body                 `yaml:"json" doc:"body, as JSON"`
}

// PaginatorDef says how pages follow each other. There is no guessing.
type PaginatorDef struct {
	Type          string `yaml:"type" required:"true" enum:"single_page,cursor,next_link,header_link,offset,page_number,last_id" doc:"how the next page is asked for"`
	In            string `yaml:"in" enum:"query,json" doc:"where the paging parameters go: query (default) or the JSON body"`
	Limit         int    `yaml:"limit" min:"1" doc:"rows to ask for in a page"`
	LimitParam    string `yaml:"limit_param" doc:"parameter that takes the limit"`
	CursorPath    string `yaml:"cursor_path" doc:"cursor: where the answer holds the next cursor"`
	CursorParam   string `yaml:"cursor_param" doc:"cursor, last_id: parameter that takes it"`
	LinkPath      string `yaml:"link_path" doc:"next_link: where the answer holds the next page's address"`
	OffsetParam   string `yaml:"offset_param" doc:"offset: parameter that takes the number of rows to pass over"`
	PageParam     string `yaml:"page_param" doc:"page_number: parameter that takes the page"`
	FirstPage     *int   `yaml:"first_page" doc:"page_number: the first page, default 1"`
	TotalPath     string `yaml:"total_path" doc:"offset, page_number: where the answer holds the number of rows"`
	ShortPageEnds bool   `yaml:"short_page_ends" doc:"offset, page_number: a page with fewer rows than the limit is the last"`
	HasMorePath   string `yaml:"has_more_path" doc:"last_id, cursor: where the answer says whether there are more pages"`
	IDPath        string `yaml:"id_path" doc:"last_id: where a record holds its id"`
	Resumable     bool   `yaml:"resumable" doc:"a cursor stays valid between runs, so an interrupted read goes on at its page"`
	MaxPages      int    `yaml:"max_pages" min:"1" doc:"more pages than this are an error, default 100000"`
}

// IncrementalDef says how only what is new is read.
type IncrementalDef struct {
	CursorPath   string        `yaml:"cursor_path" doc:"where a record holds the value that grows"`
	Type         string        `yaml:"type" enum:"timestamp,date,integer,string" doc:"kind of cursor, default timestamp"`
	Format       string        `yaml:"format" enum:"unix,unix_ms" doc:"how the record's timestamp is written when it is a number"`
	InitialValue string        `yaml:"initial_value" required:"true" doc:"where the first read begins: a date, a time, or -90d for days before its end; a source file may replace it"`
	End          string        `yaml:"end" enum:"now,today,yesterday" doc:"where a read ends; default now, for dates today"`
	Zone         Template      `yaml:"zone" doc:"date: the account's time zone, default UTC"`
	Lag          time.Duration `yaml:"lag" doc:"look-back: how far before the last value each read begins again"`
	Step         time.Duration `yaml:"step" doc:"length of one window; each window is a point to resume at"`
	Order        string        `yaml:"order" enum:"none,ascending,descending" doc:"order in which the API gives rows by cursor; ascending allows a checkpoint after each page"`
	Exclusive    bool          `yaml:"exclusive" doc:"the API's filter leaves out the start value itself"`
	Filter       string        `yaml:"filter" enum:"server,client" doc:"client: the API cannot filter, rows before the start are passed over here"`
	FullEvery    time.Duration `yaml:"full_every" doc:"read everything again after this time, for changes that the cursor does not show"`
}

// ColumnDef is one column of a stream.
type ColumnDef struct {
	Type        string `yaml:"type" doc:"DuckDB type: VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP, JSON or DECIMAL(p,s)"`
	Path        string `yaml:"path" doc:"where the record holds it, default the column's name; $. begins at the whole answer, _parent. at the record that was exploded"`
	Format      string `yaml:"format" enum:"unix,unix_ms,basic_date" doc:"how a TIMESTAMP or DATE is written when it is not ISO 8601; basic_date is YYYYMMDD"`
	Description string `yaml:"description" doc:"what it means"`
	PII         string `yaml:"pii" enum:"email,phone,name,address,id,ip,free_text" doc:"kind of personal data"`
	Required    bool   `yaml:"required" doc:"a row without it goes to quarantine"`
}

// FromShort takes the type alone.
func (c *ColumnDef) FromShort(text string) error { c.Type = text; return nil }

// ShortSchema is any text.
func (c *ColumnDef) ShortSchema() map[string]any { return nil }

// ContractDef is what happens to what the columns do not expect.
type ContractDef struct {
	Columns string `yaml:"columns" enum:"evolve,freeze,discard,quarantine" doc:"fields that no column names; default discard, kept in _extra"`
	Types   string `yaml:"types" enum:"evolve,freeze,discard,quarantine" doc:"values that do not fit their column; default quarantine"`
}

// ActionDef says what an answer means. All conditions given must hold.
type ActionDef struct {
	Status      config.Strings `yaml:"status" doc:"status codes, 404 or 4xx"`
	BodyPath    string         `yaml:"body_path" doc:"path into the answer; alone: something is there"`
	Equals      string         `yaml:"equals" doc:"text that the value at body_path equals"`
	Contains    string         `yaml:"contains" doc:"text that the answer (or the value at body_path) contains"`
	Action      string         `yaml:"action" required:"true" enum:"retry,ignore,fail,rate_limited,refresh_token_then_retry" doc:"ignore: nothing there, go on; fail: end the stream"`
	Class       string         `yaml:"class" enum:"auth,config,permanent" doc:"kind of failure, default permanent"`
	MessagePath string         `yaml:"message_path" doc:"where the answer says what is wrong"`
	Hint        string         `yaml:"hint" doc:"what a person should do"`
}

// ExplodeDef turns a list inside a record into rows of their own.
type ExplodeDef struct {
	Path string `yaml:"path" required:"true" doc:"the list, or an object of lists; each element is a row, with _parent, _index and (for an object) _key"`
	More string `yaml:"more_path" doc:"something here means that the list is cut off: the record is reported, not dropped"`
}

// PropertiesDef is the list of fields that an API must be asked for by name, used as {properties}.
type PropertiesDef struct {
	Under string         `yaml:"under" required:"true" doc:"every column whose path is below this one is asked for"`
	Also  config.Strings `yaml:"also" doc:"further names"`
}

// ChunkingDef splits a long property list over several calls and joins the answers by key.
type ChunkingDef struct {
	MaxChars int    `yaml:"max_chars" required:"true" min:"50" doc:"longest list of one call, joined by commas"`
	MergeKey string `yaml:"merge_key" required:"true" doc:"path of the record's key"`
}

// SplitDef works around caps on the rows of one query.
type SplitDef struct {
	MaxResults int    `yaml:"max_results" required:"true" min:"1" doc:"rows that one query gives at most"`
	KeyPath    string `yaml:"key_path" required:"true" doc:"the record's key; rows must come in its order, and the query must use {split.after}"`
	First      string `yaml:"first" doc:"value of {split.after} in the first query, default 0"`
}

// StepDef is a call before or after the pages: creating and awaiting a report job, deleting it.
type StepDef struct {
	EndpointDef `yaml:",inline"`
	Save        config.Map[string] `yaml:"save" doc:"values to keep from the answer: name and path; used as {setup.name}"`
	Until       *PollDef           `yaml:"until" doc:"repeat the call until the answer says so"`
}

// PollDef says when a job is done.
type PollDef struct {
	Path    string         `yaml:"path" required:"true" doc:"where the answer holds the state"`
	In      config.Strings `yaml:"in" required:"true" doc:"states that mean done"`
	Fail    config.Strings `yaml:"fail" doc:"states that mean failed"`
	Every   time.Duration  `yaml:"every" default:"5s" doc:"time between two calls"`
	Timeout time.Duration  `yaml:"timeout" default:"30m" doc:"give up after this time"`
}

// InitialDef replaces parts of a resource while there is no state.
type InitialDef struct {
	Endpoint     EndpointDef   `yaml:"endpoint" required:"true" doc:"the call"`
	Paginator    *PaginatorDef `yaml:"paginator" doc:"how its pages follow each other"`
	DataSelector string        `yaml:"data_selector" doc:"where its records are"`
}

// ResourceDef is one stream. There are no default tags here: a resource is decoded over resource_defaults.
type ResourceDef struct {
	Description      string                `yaml:"description" doc:"what one row is"`
	Endpoint         EndpointDef           `yaml:"endpoint" doc:"the call"`
	Initial          *InitialDef           `yaml:"initial" doc:"the call of the first read, where listing is better than searching"`
	Paginator        *PaginatorDef         `yaml:"paginator" doc:"how pages follow each other"`
	DataSelector     string                `yaml:"data_selector" doc:"where the answer holds the list of records; * steps over a list; empty: the answer itself"`
	DataMissing      string                `yaml:"data_missing" enum:"error,empty" doc:"what an answer without that list means; default error"`
	Record           string                `yaml:"record" doc:"where each element of the list holds the record"`
	Explode          *ExplodeDef           `yaml:"explode" doc:"turn a list inside each record into rows"`
	Incremental      *IncrementalDef       `yaml:"incremental" doc:"read only what is new"`
	PrimaryKey       config.Strings        `yaml:"primary_key" doc:"columns that identify a row"`
	WriteDisposition string                `yaml:"write_disposition" enum:"append,merge,replace" doc:"default merge with a primary key and incremental, else replace"`
	SchemaContract   ContractDef           `yaml:"schema_contract" doc:"what happens to what the columns do not expect"`
	Partitions       []config.Map[string]  `yaml:"partitions" doc:"sets of values that the call is made for, used as {partition.name}"`
	BatchParents     int                   `yaml:"batch_parents" min:"1" doc:"parents in one call, used in the body as $each: resources.NAME"`
	FollowParent     bool                  `yaml:"follow_parent" doc:"read the children of new and changed parents only"`
	Include          config.Strings        `yaml:"include_from_parent" doc:"fields of the parent to add as _PARENT_FIELD"`
	Properties       *PropertiesDef        `yaml:"properties" doc:"fields that must be asked for by name"`
	PropertyChunking *ChunkingDef          `yaml:"property_chunking" doc:"split a long property list over several calls"`
	SplitOnLimit     *SplitDef             `yaml:"split_on_limit" doc:"work around a cap on the rows of one query"`
	ResponseActions  []ActionDef           `yaml:"response_actions" doc:"what special answers mean"`
	Setup            []StepDef             `yaml:"setup" doc:"calls before the pages"`
	Teardown         []StepDef             `yaml:"teardown" doc:"calls after the pages, also when they failed"`
	Streamed         bool                  `yaml:"streamed" doc:"the answer is one long JSON array, read element by element"`
	EmptyIsNull      bool                  `yaml:"empty_is_null" doc:"an empty text means that there is no value"`
	Scope            string                `yaml:"scope" doc:"permission that the credentials need, for hints"`
	Drop             config.Strings        `yaml:"drop" doc:"fields of the record that are not landed"`
	Columns          config.Map[ColumnDef] `yaml:"columns" doc:"typed columns by name"`
}
