package config

import (
	"fmt"
	"iter"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones must be known on machines without a zone database, such as small containers

	"github.com/robfig/cron/v3"

	"millrace/internal/fault"
)

// Map is a mapping with keys chosen by the person: it keeps their order and places. The zero Map is empty and ready.
type Map[T any] struct{ entries []Entry[T] }

// Entry is one key of a Map.
type Entry[T any] struct {
	Key   string
	Value T
	Node  Node // the value with its place; Node.KeyFault is about the key
}

// Len is the number of keys.
func (m Map[T]) Len() int { return len(m.entries) }

// Entries returns the entries in the order of the file. The slice belongs to the Map.
func (m Map[T]) Entries() []Entry[T] { return m.entries }

// All yields keys and values in the order of the file.
func (m Map[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, e := range m.entries {
			if !yield(e.Key, e.Value) {
				return
			}
		}
	}
}

// Keys lists the keys in the order of the file.
func (m Map[T]) Keys() []string {
	keys := make([]string, len(m.entries))
	for i, e := range m.entries {
		keys[i] = e.Key
	}
	return keys
}

// Get returns the value of a key.
func (m Map[T]) Get(key string) (T, bool) {
	for _, e := range m.entries {
		if e.Key == key {
			return e.Value, true
		}
	}
	var zero T
	return zero, false
}

// Set adds a key at the end, or replaces its value.
func (m *Map[T]) Set(key string, v T) {
	for i := range m.entries {
		if m.entries[i].Key == key {
			m.entries[i].Value = v
			return
		}
	}
	m.entries = append(m.entries, Entry[T]{Key: key, Value: v})
}

func (m *Map[T]) decodeTagged(d *decoder, n Node, t tags) {
	if n.Kind() <= Null {
		return
	}
	if n.Kind() != Mapping {
		d.wrong(n, Mapping.String())
		return
	}
	m.entries = nil
	for _, e := range n.entries() {
		out := Entry[T]{Key: e.name, Node: n.child(e)}
		d.into(out.Node, reflect.ValueOf(&out.Value).Elem(), t.element())
		m.entries = append(m.entries, out)
	}
}

func (m *Map[T]) schemaTagged(s *schemer, t tags) map[string]any {
	return map[string]any{"type": "object", "additionalProperties": s.nullable(s.of(reflect.TypeFor[T](), t.element()))}
}

// Strings is a list of texts; one text may be written without the list.
type Strings []string

func (l *Strings) decodeTagged(d *decoder, n Node, t tags) {
	if n.Kind() <= Null {
		return
	}
	items := []Node{n}
	if n.Kind() == List {
		items = n.Items()
	}
	out := make([]string, len(items))
	for i, item := range items {
		d.element(item, reflect.ValueOf(&out[i]).Elem(), t)
	}
	*l = out
}

func (l *Strings) schemaTagged(s *schemer, t tags) map[string]any {
	one := s.of(reflect.TypeFor[string](), t.element())
	return map[string]any{"anyOf": []any{one, map[string]any{"type": "array", "items": one}}}
}

// TimeZone is an IANA time zone. The zero value is UTC.
type TimeZone struct{ loc *time.Location }

// Location returns the zone.
func (z TimeZone) Location() *time.Location {
	if z.loc == nil {
		return time.UTC
	}
	return z.loc
}

func (z TimeZone) String() string { return z.Location().String() }

// MarshalText writes the zone's name.
func (z TimeZone) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// UnmarshalText takes a name such as Europe/Berlin. "Local" is refused: results must not depend on the machine (P4).
func (z *TimeZone) UnmarshalText(b []byte) error {
	loc, err := time.LoadLocation(string(b))
	if err != nil || len(b) == 0 || strings.EqualFold(string(b), "local") {
		return &fault.Error{Msg: "is not a time zone", Hint: "Use an IANA name such as UTC, Europe/Berlin or America/New_York."}
	}
	z.loc = loc
	return nil
}

// Cron is a schedule of five fields (minute, hour, day, month, weekday) or a word such as @daily. The zero value never fires.
type Cron struct {
	spec     string
	schedule cron.Schedule
}

// Spec is the schedule as written; empty when there is none.
func (c Cron) Spec() string { return c.spec }

// IsZero reports whether there is no schedule.
func (c Cron) IsZero() bool { return c.spec == "" }

func (c Cron) String() string { return c.spec }

// MarshalText writes the schedule as it was given.
func (c Cron) MarshalText() ([]byte, error) { return []byte(c.spec), nil }

// Next is the first time after t at which the schedule fires, in t's zone; zero when there is none within five years.
func (c Cron) Next(t time.Time) time.Time {
	if c.schedule == nil {
		return time.Time{}
	}
	return c.schedule.Next(t)
}

// UnmarshalText parses the schedule.
func (c *Cron) UnmarshalText(b []byte) error {
	const hint = `Write five fields, minute hour day month weekday, for example "0 2 * * *" for two o'clock every night.`
	spec := string(b)
	if strings.Contains(spec, "TZ=") {
		return &fault.Error{Msg: "is not a schedule: the zone stands in millrace.yml", Hint: "Remove TZ= and set time_zone."}
	}
	s, err := cron.ParseStandard(spec)
	if err != nil {
		return &fault.Error{Msg: "is not a schedule", Hint: hint, Err: err}
	}
	if s.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return &fault.Error{Msg: "is a schedule that never fires", Hint: hint}
	}
	c.spec, c.schedule = spec, s
	return nil
}

// Bytes is an amount of memory or disk in bytes: "2GB" (powers of 1000), "512MiB" (powers of 1024), or a whole number.
type Bytes int64

const bytesPattern = `^[0-9]+(\.[0-9]+)? ?([kKMGT]i?)?B$`

var bytesRE = regexp.MustCompile(bytesPattern)

// UnmarshalConfig takes a whole number of bytes or a text with a unit.
func (v *Bytes) UnmarshalConfig(n Node) error {
	const hint = "Write a number with a unit: 512MB, 2GB, 1.5GiB."
	text, ok := n.Text()
	if !ok {
		return n.Fault(hint, "wants an amount of bytes, found %s", n.Kind())
	}
	if k := resolve(text); (k == Int || k == Float) && (n.Kind() != String || n.v.expanded) {
		i, ok := whole(text)
		if !ok || i < 0 {
			return n.Fault(hint, "is not an amount of bytes")
		}
		*v = Bytes(i)
		return nil
	}
	if !n.textual() || !bytesRE.MatchString(text) {
		return n.Fault(hint, "is not an amount of bytes")
	}
	num := strings.TrimRight(text, " kKMGTiB")
	unit := strings.TrimSpace(text[len(num):])
	f, err := strconv.ParseFloat(num, 64)
	if err != nil {
		return n.Fault(hint, "is not an amount of bytes")
	}
	base := 1000.0
	if strings.Contains(unit, "i") {
		base = 1024
	}
	f *= math.Pow(base, float64(strings.IndexByte("BKMGT", strings.ToUpper(unit)[0])))
	if f >= math.MaxInt64 {
		return n.Fault(hint, "is out of range")
	}
	*v = Bytes(f)
	return nil
}

// ConfigSchema is the JSON Schema of what UnmarshalConfig takes.
func (v *Bytes) ConfigSchema() map[string]any {
	return map[string]any{"anyOf": []any{
		map[string]any{"type": "integer", "minimum": 0, "maximum": int64(math.MaxInt64)},
		map[string]any{"type": "string", "pattern": bytesPattern},
		envSchema(),
	}}
}

// String writes the amount with the largest unit that gives at most one decimal.
func (v Bytes) String() string {
	f, unit := float64(v), "B"
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if f < 1000 {
			break
		}
		f, unit = f/1000, u
	}
	return fmt.Sprintf("%s%s", strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64), unit)
}

// LatestVersion is the newest file format that this binary knows, for every kind of file.
const LatestVersion = 1

// Version is the `version` key of a file. A newer one than LatestVersion is refused.
type Version int

// UnmarshalConfig checks that this binary can read the file.
func (v *Version) UnmarshalConfig(n Node) error {
	text, _ := n.Text()
	i, err := toInt(text)
	switch {
	case n.Kind() != Int || err != nil || i < 1:
		return n.Fault(fmt.Sprintf("Write version: %d.", LatestVersion), "is not a version")
	case i > LatestVersion:
		return n.Fault("Update the millrace binary.", "this file is of a newer format than this binary knows (up to %d)", LatestVersion)
	}
	*v = Version(i)
	return nil
}

// ConfigSchema is the JSON Schema of the versions that this binary reads.
func (v *Version) ConfigSchema() map[string]any {
	return map[string]any{"type": "integer", "minimum": 1, "maximum": LatestVersion}
}
