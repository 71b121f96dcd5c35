package activate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"millrace/internal/config"
	"millrace/internal/fault"
	"millrace/models/decision"
	"millrace/transform/relation"
)

// Modes of a sync.
const (
	ModeUpsert = "upsert"
	ModeUpdate = "update"
	ModeInsert = "insert"
	ModeEvent  = "event"
	ModeMirror = "mirror"
	// ModeFullMirror archives every record without a row, also those that people made. It asks for Confirmed.
	ModeFullMirror = "full_mirror"
	ModeAudience   = "audience"
)

// Confirmed is what a file with mode full_mirror says under confirm.
const Confirmed = "archive records that people made"

// SyncFile is a file activate/<name>.yml.
type SyncFile struct {
	Version     int    `yaml:"version" required:"true" min:"1" max:"1" doc:"version of this file's format"`
	Description string `yaml:"description" doc:"what the sync is for, in a sentence"`
	Owner       string `yaml:"owner" doc:"who answers for it; needed before it may be live"`
	Live        bool   `yaml:"live" doc:"allow sending, under --target prod only"`

	Schedule config.Cron `yaml:"schedule" doc:"when a run plans this sync, in the project's zone; left out: with every run. What was begun is always finished" example:"0 6 * * 1"`

	Relation    string      `yaml:"relation" required:"true" doc:"what to send: schema.name" example:"segments.hot_leads"`
	Destination string      `yaml:"destination" required:"true" doc:"which kind of system" example:"hubspot"`
	Config      config.Node `yaml:"config" doc:"account and credentials: see the destination"`
	Object      string      `yaml:"object" required:"true" doc:"which object there; for an audience its id" example:"contacts"`
	Mode        string      `yaml:"mode" enum:"upsert,update,insert,event,mirror,full_mirror,audience" default:"upsert" doc:"upsert: write records, make missing ones. update: write existing ones only. insert: make missing ones, never write existing ones. event: tell each key once (conversions, messages, calls). mirror: upsert, and archive records that we made when their row is gone. full_mirror: archive every record without a row, also those that people made; every plan waits for a person. audience: keep the members equal to the rows"`

	Confirm  string                `yaml:"confirm" doc:"full_mirror only: the words 'archive records that people made'"`
	Key      KeySpec               `yaml:"key" required:"true" doc:"what identifies a row there"`
	Mapping  config.Map[FieldSpec] `yaml:"mapping" required:"true" doc:"field there: column here"`
	Subject  string                `yaml:"subject" doc:"column with the person or account that consent, holdout and caps are about"`
	Decision string                `yaml:"decision" doc:"column with the decision that a row carries out; shadow decisions are not sent"`

	Purpose string      `yaml:"purpose" doc:"what for, as in the consent records" example:"advertising"`
	Channel string      `yaml:"channel" doc:"through what, as in the consent records" example:"ads"`
	Consent string      `yaml:"consent" enum:"opt_in,opt_out,not_needed" doc:"default: opt_in for audiences, else opt_out with a purpose, not_needed without"`
	Holdout HoldoutSpec `yaml:"holdout" doc:"share of subjects left alone"`
	Caps    []CapSpec   `yaml:"caps" doc:"how often one person may be reached, counted over all syncs"`
	Touch   bool        `yaml:"touch" doc:"an acknowledged row has reached its person: it counts for caps. Implied by caps"`
	Quiet   *QuietSpec  `yaml:"quiet_hours" doc:"hours of the person's day in which rows wait"`
	Spend   *SpendSpec  `yaml:"spend" doc:"money that rows commit: reserved before the call, refused when it is not there"`
	Guard   Guardrails  `yaml:"guardrails" doc:"limits above which a person must look, or nobody may let it through"`
}

// KeySpec is the key: its name there and the column here.
type KeySpec struct {
	Field  string `yaml:"field" required:"true" doc:"the destination's name for it" example:"email"`
	Column string `yaml:"column" doc:"default: the same name"`
}

// FromShort reads `key: email`.
func (k *KeySpec) FromShort(s string) error { k.Field, k.Column = s, s; return nil }

// ShortSchema is any text.
func (k *KeySpec) ShortSchema() map[string]any { return nil }

// FieldSpec is one mapped field.
type FieldSpec struct {
	Column string   `yaml:"column" required:"true" doc:"column of the relation"`
	Null   string   `yaml:"null" enum:"skip,clear" default:"skip" doc:"skip: an empty value leaves the field alone. clear: it empties a value that we wrote"`
	If     string   `yaml:"if" enum:"always,empty,ours_last" default:"always" doc:"empty: fill gaps only. ours_last: write only while the field holds what we last wrote, so a person's edit wins"`
	Steps  []string `yaml:"transform" doc:"spelling, in this order: trim, lower, upper, text, first(80), date, seconds, milliseconds, round, round(2)" example:"[trim, lower]"`
	Max    *Limit   `yaml:"max_changed_pct" doc:"limit on the share of known rows in which this field changes"`
}

// FromShort reads `lead_score: score`.
func (f *FieldSpec) FromShort(s string) error { f.Column = s; return nil }

// ShortSchema is any text.
func (f *FieldSpec) ShortSchema() map[string]any { return nil }

// HoldoutSpec is a control group.
type HoldoutSpec struct {
	Percent float64 `yaml:"percent" min:"0" max:"50" doc:"share of subjects in per cent"`
	Salt    string  `yaml:"salt" doc:"default: the sync's name; the same salt in two syncs leaves the same subjects alone"`
}

// Limit is a number above which a plan waits for a person, and one above which nobody may let it through.
type Limit struct {
	Hold  *float64 `yaml:"hold" min:"0" doc:"above this, a person must approve"`
	Block *float64 `yaml:"block" min:"0" doc:"above this, nothing is sent until file or data change"`
}

// UnmarshalConfig reads `max_changed_pct: 20`, which holds, or the mapping with both numbers.
func (l *Limit) UnmarshalConfig(n config.Node) error {
	if n.Kind() == config.Mapping {
		type plain Limit // without this method
		return n.Decode((*plain)(l))
	}
	text, _ := n.Text()
	f, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), "%"), 64)
	if err != nil || f < 0 || f != f {
		return n.Fault("Write a number, or {hold: 20, block: 50}.", "not a limit")
	}
	l.Hold = &f
	return nil
}

// ConfigSchema is a number, or the mapping.
func (l *Limit) ConfigSchema() map[string]any {
	number := func() map[string]any { return map[string]any{"type": "number", "minimum": 0} }
	return map[string]any{"anyOf": []any{number(), map[string]any{"type": "object", "additionalProperties": false,
		"properties": map[string]any{"hold": number(), "block": number()}}}}
}

// Guardrails are a sync's limits. They are judged on the plan, before anything is sent.
type Guardrails struct {
	MinRows    int           `yaml:"min_rows" default:"1" min:"0" doc:"fewer rows in the relation block the plan: an empty source is a fault, not a wish"`
	MaxShrink  *Limit        `yaml:"max_shrink_pct" doc:"rows of the relation lost since the last applied plan, in per cent; default hold 50"`
	MaxChanged *Limit        `yaml:"max_changed_pct" doc:"known rows that change, in per cent; default hold 50"`
	MaxBlanked *Limit        `yaml:"max_blanked_pct" doc:"values of one field that become empty, in per cent of those that we wrote; default hold 5, block 25"`
	MaxRemoved *Limit        `yaml:"max_removed_pct" doc:"members taken out of an audience, in per cent; default hold 20, block 60"`
	MaxCreates *Limit        `yaml:"max_creates" doc:"rows that are new to us, absolute"`
	MaxRows    *Limit        `yaml:"max_rows" doc:"rows that are sent, absolute"`
	MaxMedian  *Limit        `yaml:"max_vs_median" doc:"rows sent, as a multiple of the median of the last ten plans; default hold 10"`
	MaxArchive *Limit        `yaml:"max_archived_pct" doc:"mirror: records that are archived, in per cent of known ones; default hold 5, block 30"`
	MinMembers int           `yaml:"min_audience" min:"0" doc:"an audience that would have fewer members waits for a person"`
	Canary     *int          `yaml:"canary" min:"0" doc:"of a large plan, send this many rows first, read them back and compare, then a tenth, then the rest; default 25, 0 for none"`
	FirstRun   string        `yaml:"first_run" enum:"hold,allow" default:"hold" doc:"hold: the first plan of a sync waits for a person"`
	Expires    time.Duration `yaml:"expires" default:"24h" doc:"how long a plan may wait for approval"`
	FourEyes   *bool         `yaml:"four_eyes" doc:"whoever asked for the plan may not approve it: true for every plan, false for none; default: for plans that raise spending, archive records or empty fields beyond their limit"`
}

// Sync is a sync file that was read and checked.
type Sync struct {
	Name string
	File SyncFile

	path      string
	node      config.Node
	options   any
	connector Connector
	fields    []field
	held      []Breaker // see Hold
}

type field struct {
	name string // there
	FieldSpec
	steps []Transform
	node  config.Node
}

// ParseSync reads a sync file against the catalog of destinations. All problems are returned together.
func ParseSync(name, path string, src []byte, env func(string) (string, bool), catalog []Connector) (*Sync, error) {
	node, err := config.Parse(path, src, config.ParseOptions{Env: env})
	if err != nil {
		return nil, err
	}
	s := &Sync{Name: name, path: path, node: node}
	if err := node.Decode(&s.File); err != nil {
		return nil, err
	}
	return s, s.check(catalog)
}

var (
	relationName = regexp.MustCompile(`^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$`)
	fieldName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)
)

func (s *Sync) check(catalog []Connector) error {
	var l fault.List
	f := &s.File
	if f.Key.Column == "" {
		f.Key.Column = f.Key.Field
	}
	if !relationName.MatchString(f.Relation) {
		l.Add(s.node.Get("relation").Fault("Write schema.name, as in segments.hot_leads.", "not the name of a relation"))
	}
	i := slices.IndexFunc(catalog, func(c Connector) bool { return c.Name == f.Destination })
	if i < 0 {
		var names []string
		for _, c := range catalog {
			names = append(names, c.Name)
		}
		l.Add(s.node.Get("destination").Fault(fault.DidYouMean(f.Destination, names), "there is no such destination"))
	} else {
		s.connector = catalog[i]
		s.options = catalog[i].Options()
		if f.Config.IsZero() {
			// An empty mapping, so that what is missing is named by the destination's own required keys.
			empty, err := config.Parse(s.path, []byte("{}"), config.ParseOptions{})
			if err != nil {
				return err
			}
			f.Config = empty
		}
		l.Add(f.Config.Decode(s.options))
	}
	if f.Live && f.Owner == "" {
		l.Add(s.node.Get("live").Fault("Add `owner:` with the person who answers for it.", "a sync without an owner cannot be live"))
	}
	if f.Mapping.Len() == 0 {
		l.Add(s.node.Get("mapping").KeyFault("Name at least one field: `lead_score: score`.", "nothing is mapped"))
	}
	for _, e := range f.Mapping.Entries() {
		if !fieldName.MatchString(e.Key) {
			l.Add(e.Node.KeyFault("Use letters, digits, _ and dots.", "not the name of a field: %q", e.Key))
		}
		if f.Mode == ModeEvent && (e.Value.If != "always" || e.Value.Null != "skip") {
			l.Add(e.Node.KeyFault("Remove `if` and `null`.", "an event is told once; there is nothing to keep or clear"))
		}
		if f.Mode == ModeAudience && (e.Value.If != "always" || e.Value.Null != "skip") {
			l.Add(e.Node.KeyFault("Remove `if` and `null`.", "an audience has identifiers, not values to keep or clear"))
		}
		if e.Key == f.Key.Field && e.Value.Column != f.Key.Column {
			l.Add(e.Node.Fault("Map it to the key's column, or leave it out.", "the key field is mapped to another column than the key"))
		}
		steps, err := parseTransforms(e.Value.Steps)
		if err != nil {
			var bad *fault.Error
			errors.As(err, &bad)
			l.Add(e.Node.Fault(bad.Hint, "%s: %q", bad.Msg, bad.Value))
		}
		s.fields = append(s.fields, field{e.Key, e.Value, steps, e.Node})
	}
	sort.Slice(s.fields, func(i, j int) bool { return s.fields[i].name < s.fields[j].name })
	if f.Consent == "" {
		switch {
		case f.Mode == ModeAudience:
			f.Consent = string(decision.OptIn)
		case f.Purpose != "":
			f.Consent = string(decision.OptOut)
		default:
			f.Consent = string(decision.NotNeeded)
		}
	}
	if f.Consent != string(decision.NotNeeded) {
		for _, need := range [][2]string{{"purpose", f.Purpose}, {"channel", f.Channel}, {"subject", f.Subject}} {
			if need[1] == "" {
				l.Add(s.node.KeyFault("Name purpose, channel and the subject's column, or say `consent: not_needed` and stand by it.", "consent is looked up by purpose, channel and subject; %s is missing", need[0]))
			}
		}
	}
	if f.Holdout.Percent > 0 && f.Subject == "" {
		l.Add(s.node.Get("holdout").KeyFault("Add `subject:`.", "a holdout needs the column that names the subject"))
	}
	f.checkGuards(s.node, l.Add)
	if f.Mode == ModeFullMirror && f.Confirm != Confirmed {
		l.Add(s.node.Get("mode").Fault("Write `mode: mirror`, which archives only what we made; or, if that is meant, add `confirm: "+Confirmed+"`.", "a full mirror archives every record that has no row, also those that people made"))
	}
	if f.Mode == ModeAudience && !f.Schedule.IsZero() {
		l.Add(s.node.Get("schedule").KeyFault("Remove it: an audience follows every run.", "who opts out must leave an audience with the next run"))
	}
	if len(f.Caps) > 0 {
		f.Touch = true
	}
	if f.Spend != nil && f.Spend.Budget == "" {
		f.Spend.Budget = s.Name
	}
	def := func(p **Limit, hold, block float64) {
		if *p != nil {
			return
		}
		*p = &Limit{Hold: &hold}
		if block > 0 {
			(*p).Block = &block
		}
	}
	g := &f.Guard
	def(&g.MaxShrink, 50, 0)
	def(&g.MaxChanged, 50, 0)
	def(&g.MaxBlanked, 5, 25)
	def(&g.MaxRemoved, 20, 60)
	def(&g.MaxMedian, 10, 0)
	def(&g.MaxArchive, 5, 30)
	if f.Spend != nil {
		def(&f.Spend.Raise, 20, 100)
	}
	if g.Canary == nil {
		n := 25
		g.Canary = &n
	}
	return l.Or()
}

// Options is what `config:` holds, as the destination's connector defines it.
func (s *Sync) Options() any { return s.options }

// Connector is the catalog's entry that the sync was read with.
func (s *Sync) Connector() Connector { return s.connector }

// Path is the file's path, for messages.
func (s *Sync) Path() string { return s.path }

// Target is what the sync writes to.
func (s *Sync) Target() Target {
	t := Target{Object: s.File.Object, Key: s.File.Key.Field, Ops: s.ops()}
	for _, f := range s.fields {
		t.Fields = append(t.Fields, f.name)
	}
	return t
}

func (s *Sync) ops() []Op {
	switch s.File.Mode {
	case ModeUpdate:
		return []Op{Update}
	case ModeInsert:
		return []Op{Insert}
	case ModeEvent:
		return []Op{Event}
	case ModeMirror, ModeFullMirror:
		return []Op{Archive, Upsert}
	case ModeAudience:
		return []Op{Remove, Add}
	}
	return []Op{Upsert}
}

// Hash covers everything in the file that has a say in what is sent and to whom; a plan binds to it. Credentials are not
// in it: changing a token does not make another sync.
func (s *Sync) Hash() string {
	f := s.File
	type mapped struct {
		Name string
		FieldSpec
	}
	var m []mapped
	for _, x := range s.fields {
		m = append(m, mapped{x.name, x.FieldSpec})
	}
	b, err := json.Marshal([]any{f.Relation, f.Destination, f.Object, f.Mode, f.Key, m, f.Subject, f.Decision, f.Purpose, f.Channel, f.Consent, f.Holdout, f.Guard, f.Live, f.Caps, f.Touch, f.Quiet, f.Spend})
	if err != nil {
		panic("activate: a sync cannot be spelled as JSON: " + err.Error()) // texts and finite numbers only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// fit checks the sync against the build and the destination's declaration, before anything is read or sent.
func (s *Sync) fit(b relation.Build, c Capabilities) (relation.Relation, error) {
	var l fault.List
	names := make([]string, 0, len(b.Relations))
	for n := range b.Relations {
		names = append(names, n)
	}
	r, ok := b.Relations[s.File.Relation]
	if !ok {
		hint := fault.DidYouMean(s.File.Relation, names)
		if hint == "" {
			hint = "Run `millrace build`, or look with `millrace ls`."
		}
		return r, s.node.Get("relation").Fault(hint, "the published build has no such relation")
	}
	columns := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		columns[i] = c.Name
	}
	need := func(n config.Node, column string) {
		if column != "" && !slices.Contains(columns, column) {
			e := n.Fault(fault.DidYouMean(column, columns), "%s has no such column", r.Name)
			e.Value = column
			l.Add(e)
		}
	}
	need(s.node.Get("key"), s.File.Key.Column)
	need(s.node.Get("subject"), s.File.Subject)
	need(s.node.Get("decision"), s.File.Decision)
	if q := s.File.Quiet; q != nil {
		need(s.node.Get("quiet_hours"), q.Column)
	}
	for _, f := range s.fields {
		need(f.node, f.Column)
	}
	for _, op := range s.ops() {
		if !slices.Contains(c.Ops, op) {
			l.Add(s.node.Get("mode").KeyFault("Use a mode that the destination has; see docs/destinations.md.", "%s cannot %s %s", s.File.Destination, op, s.File.Object))
			break
		}
	}
	if c.MaxBatch < 1 {
		l.Add(fmt.Errorf("destination %s declares no batch size", s.File.Destination))
	}
	return r, l.Or()
}

// refreshBefore is the instant before which a membership was acknowledged so long ago that it is said again, so that it does
// not end by itself; zero when memberships do not end.
func (s *Sync) refreshBefore(c Capabilities, now time.Time) time.Time {
	if s.File.Mode != ModeAudience || c.MemberDays <= 0 {
		return time.Time{}
	}
	return now.AddDate(0, 0, -(c.MemberDays - min(refreshAhead, c.MemberDays/3))).Truncate(24 * time.Hour)
}

// refreshAhead is how many days before its end a membership is said again.
const refreshAhead = 30

func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// fixed is the number of columns before the mapped ones: key, subject, decision, time zone.
const fixed = 4

func (s *Sync) zoneColumn() string {
	if s.File.Quiet == nil {
		return ""
	}
	return s.File.Quiet.Column
}

// query reads the relation: key, subject, decision, time zone, then the mapped columns in the order of the fields.
func (s *Sync) query() string {
	schema, name, _ := strings.Cut(s.File.Relation, ".")
	optional := func(c string) string {
		if c == "" {
			return "null"
		}
		return "cast(" + ident(c) + " as varchar)"
	}
	cols := []string{"cast(" + ident(s.File.Key.Column) + " as varchar) as \"key\"", optional(s.File.Subject), optional(s.File.Decision), optional(s.zoneColumn())}
	for _, f := range s.fields {
		cols = append(cols, ident(f.Column))
	}
	return fmt.Sprintf("select %s from %s.%s order by 1 nulls first", strings.Join(cols, ", "), ident(schema), ident(name))
}
