package meta

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// Limits of audiences and events.
const (
	maxUsers       = 10_000
	maxEvents      = 1_000
	maxAge         = 7 * 24 * time.Hour
	maxAgeStore    = 62 * 24 * time.Hour
	pollsUntilDone = 1
	maxSamples     = 20
)

var (
	hashed    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	emptyHash = func() string { s := sha256.Sum256(nil); return hex.EncodeToString(s[:]) }()
	plainKeys = []string{"MADID", "EXTERN_ID", "PAGEUID"}
	keys      = append([]string{"EMAIL", "PHONE", "GEN", "DOBY", "DOBM", "DOBD", "LN", "FN", "FI", "CT", "ST", "ZIP", "COUNTRY"}, plainKeys...)
)

type usersRequest struct {
	Payload struct {
		Schema []string `json:"schema"`
		Data   [][]any  `json:"data"`
	} `json:"payload"`
	Session *struct {
		ID    json.Number `json:"session_id"`
		Seq   int         `json:"batch_seq"`
		Last  bool        `json:"last_batch_flag"`
		Total int         `json:"estimated_num_total"`
	} `json:"session"`
}

// users adds people to an audience or takes them out. It counts what it cannot use, shows a few of those, and keeps the rest.
func (a *API) users(r *http.Request, id string, body []byte) (any, error) {
	var in usersRequest
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if len(in.Payload.Data) == 0 || len(in.Payload.Data) > maxUsers {
		return nil, refuse(100, "Invalid parameter: between 1 and %d rows are allowed, there are %d", maxUsers, len(in.Payload.Data))
	}
	for _, k := range in.Payload.Schema {
		if !slices.Contains(keys, k) {
			return nil, refuse(100, "Invalid parameter: %s is no key of a custom audience", k)
		}
	}
	var members []string
	samples := map[string]string{}
	invalid := 0
	for _, row := range in.Payload.Data {
		m, why := identify(in.Payload.Schema, row)
		if why != "" {
			invalid++
			if len(samples) < maxSamples {
				b, err := json.Marshal(row)
				if err != nil {
					return nil, err
				}
				samples[string(b)] = why
			}
			continue
		}
		members = append(members, m)
	}
	session := ""
	var out any
	err := a.db.Update(a.meta(r), func(tx *store.Tx) error {
		d := tx.State().Docs.Table("meta.audience").Live(id)
		if d.Fields["operation_status"] == "471" {
			p := refuse(100, "Invalid parameter")
			p.Subcode, p.Title, p.UserMsg = 1713230, "Audience edits are blocked", "This audience may contain information that is not allowed, so it cannot be edited."
			return p
		}
		session = strconv.FormatInt(tx.Seq(), 10)
		if in.Session != nil && in.Session.ID != "" {
			session = in.Session.ID.String()
		}
		answer := map[string]any{"audience_id": id, "session_id": session, "num_received": len(in.Payload.Data), "num_invalid_entries": invalid, "invalid_entry_samples": samples}
		if len(samples) == 0 {
			answer["invalid_entry_samples"] = []any{} // an empty map is written as an empty list
		}
		out = answer
		op := map[bool]string{true: "set.remove", false: "set.add"}[r.Method == http.MethodDelete]
		effects := []store.Effect{{Kind: "doc.put", Object: "meta._sessions", ID: id + "/" + session, Fields: map[string]string{"received": strconv.Itoa(len(in.Payload.Data)), "invalid": strconv.Itoa(invalid)}}}
		if len(members) > 0 {
			effects = append(effects, store.Effect{Kind: op, Object: "meta.audience." + id, IDs: members})
		}
		return tx.Commit(effects...)
	})
	return out, err
}

// identify is one person's identifiers as one name, or why they cannot be used.
func identify(schema []string, row []any) (string, string) {
	if len(row) != len(schema) {
		return "", fmt.Sprintf("Wrong number of columns: %d instead of %d", len(row), len(schema))
	}
	var parts []string
	for i, v := range row {
		s, ok := v.(string)
		switch {
		case !ok:
			return "", "A value is no text"
		case s == "":
		case s == emptyHash:
			return "", "Hash of an empty value for " + schema[i]
		case !slices.Contains(plainKeys, schema[i]) && !hashed.MatchString(s):
			return "", "Invalid hash for " + schema[i]
		default:
			parts = append(parts, schema[i]+":"+s)
		}
	}
	if len(parts) == 0 {
		return "", "No identifier"
	}
	return strings.Join(parts, "|"), ""
}

// sessions tells how an upload went: numbers, no rows.
func (a *API) sessions(r *http.Request, id string) (any, error) {
	session := r.URL.Query().Get("session_id")
	rows := []any{}
	a.db.View(func(s *store.State) {
		d := s.Docs.Table("meta._sessions").Live(id + "/" + session)
		if d == nil {
			return
		}
		n := func(k string) int { i, _ := strconv.Atoi(d.Fields[k]); return i }
		row := map[string]any{"session_id": session, "num_received": d.Fields["received"], "num_invalid_entries": d.Fields["invalid"], "start_time": strconv.FormatInt(d.Created.Unix(), 10), "stage": "preprocessing", "progress": "0"}
		if a.poll(d.ID) > pollsUntilDone {
			row["stage"], row["progress"], row["end_time"], row["num_matched"] = "completed", "100", strconv.FormatInt(d.Updated.Unix(), 10), strconv.Itoa((n("received")-n("invalid"))*6/10)
		}
		rows = append(rows, row)
	})
	return map[string]any{"data": rows}, nil
}

func (a *API) poll(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.polls[id]++
	return a.polls[id]
}

type event struct {
	Name     string         `json:"event_name"`
	Time     json.Number    `json:"event_time"`
	ID       string         `json:"event_id"`
	Source   string         `json:"action_source"`
	URL      string         `json:"event_source_url"`
	User     map[string]any `json:"user_data"`
	Custom   map[string]any `json:"custom_data"`
	Options  []string       `json:"data_processing_options"`
	Country  *int           `json:"data_processing_options_country"`
	State    *int           `json:"data_processing_options_state"`
	OptedOut bool           `json:"opt_out"`
}

// hashedUser are the parameters of user_data that must be hashes.
var hashedUser = []string{"em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country"}

var sources = []string{"email", "website", "app", "phone_call", "chat", "physical_store", "system_generated", "business_messaging", "other"}

// check says why an event cannot be used.
func (e *event) check(now time.Time) string {
	at, err := e.Time.Int64()
	switch {
	case e.Name == "":
		return "The parameter event_name is required"
	case err != nil:
		return "The parameter event_time must be Unix seconds"
	case !slices.Contains(sources, e.Source):
		return "The parameter action_source is missing or invalid: " + e.Source
	case time.Unix(at, 0).After(now.Add(24 * time.Hour)):
		return "The event_time is in the future"
	}
	age := maxAge
	if e.Source == "physical_store" {
		age = maxAgeStore
	}
	if now.Sub(time.Unix(at, 0)) > age {
		return "The timestamp for this event is too far in the past. Events need to be sent from your server within " + strconv.Itoa(int(age.Hours()/24)) + " days of when they occurred."
	}
	if len(e.User) == 0 {
		return "The parameter user_data is required"
	}
	for k, v := range e.User {
		if !slices.Contains(hashedUser, k) {
			continue
		}
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, x := range list {
			if s, _ := x.(string); !hashed.MatchString(s) || s == emptyHash {
				return "The value of user_data[" + k + "] is no SHA-256 hash"
			}
		}
	}
	if _, isValue := e.Custom["value"]; isValue {
		if c, _ := e.Custom["currency"].(string); len(c) != 3 {
			return "A value needs a currency"
		}
	}
	return ""
}

// events takes events together or not at all. One that was told before under its name and id counts once.
func (a *API) events(r *http.Request, id string, body []byte) (any, error) {
	var in struct {
		Data []event `json:"data"`
		Test string  `json:"test_event_code"`
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if len(in.Data) == 0 || len(in.Data) > maxEvents {
		return nil, refuse(100, "Invalid parameter: between 1 and %d events are allowed, there are %d", maxEvents, len(in.Data))
	}
	err := a.db.Update(a.meta(r), func(tx *store.Tx) error {
		now := tx.State().Date.Add(24 * time.Hour) // the market's day; within it nothing has a finer time
		var effects []store.Effect
		for _, e := range in.Data {
			if why := e.check(now); why != "" {
				p := refuse(100, "Invalid parameter")
				p.Subcode, p.Title, p.UserMsg = 2804050, "Events were not processed", why
				return p
			}
			key := e.Name + "/" + e.ID
			if e.ID == "" {
				key = fmt.Sprintf("%s/none-%d-%d", e.Name, tx.Seq(), len(effects))
			}
			fields := map[string]string{"event_name": e.Name, "event_time": e.Time.String(), "action_source": e.Source}
			for _, m := range []map[string]any{e.User, e.Custom} {
				for k, v := range m {
					b, err := json.Marshal(v)
					if err != nil {
						return err
					}
					fields[k] = string(b)
				}
			}
			effects = append(effects, store.Effect{Kind: "doc.put", Object: "meta.event." + id, ID: key, Fields: fields})
		}
		if in.Test != "" {
			return nil
		}
		return tx.Commit(effects...)
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"events_received": len(in.Data), "messages": []any{}, "fbtrace_id": "AtWiN00000000000000000"}, nil
}
