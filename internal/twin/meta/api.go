// Package meta is the simulated Meta Marketing API: custom audiences, the Conversions API, and the status and budgets of
// campaigns and ad sets over the twin's state.
//
// Paths and fields follow the published code generator specifications; what an audience or a dataset answers follows the
// project's notes on the vendor: counts instead of rows, and events that are refused together.
package meta

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"millrace/internal/twin/store"
	"millrace/internal/twin/wire"
)

// Options configure the app.
type Options struct {
	Token, AppSecret string
	Account          string // the one ad account
	Enforce          bool   // refuse calls beyond the hourly score
	Now              func() time.Time
}

// Versions that are served.
const (
	oldest = 22
	newest = 25
)

// API answers the app's calls.
type API struct {
	db   *store.DB
	opt  Options
	hour *wire.Bucket

	mu    sync.Mutex
	polls map[string]int // by session, since the process started
}

// New makes the vendor over a state.
func New(db *store.DB, o Options) *API {
	return &API{db: db, opt: o, polls: map[string]int{}, hour: &wire.Bucket{Max: 5000, Window: time.Hour}}
}

var path = regexp.MustCompile(`^/v(\d+)\.0/(.*)$`)

// Handles says whether a path belongs to this vendor.
func Handles(p string) bool { return path.MatchString(p) }

// problem is Meta's error. The status is nearly always 400; the code says what happened.
type problem struct {
	HTTP      int    `json:"-"`
	Message   string `json:"message"`
	Type      string `json:"type"`
	Code      int    `json:"code"`
	Subcode   int    `json:"error_subcode,omitempty"`
	Transient bool   `json:"is_transient,omitempty"`
	Title     string `json:"error_user_title,omitempty"`
	UserMsg   string `json:"error_user_msg,omitempty"`
	Trace     string `json:"fbtrace_id"`
}

func (p *problem) Error() string { return p.Message }

func refuse(code int, format string, args ...any) *problem {
	return &problem{HTTP: http.StatusBadRequest, Message: fmt.Sprintf("(#%d) ", code) + fmt.Sprintf(format, args...), Type: "OAuthException", Code: code, Trace: "AtWiN00000000000000000"}
}

func envelope(p *problem) any { return map[string]any{"error": p} }

// ServeHTTP answers a call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	left, wait, _ := a.hour.Take(a.opt.Now())
	used := 100 * (a.hour.Max - left) / a.hour.Max
	usage, err := json.Marshal(map[string]any{a.opt.Account: []any{map[string]any{"type": "custom_audience", "call_count": used, "total_cputime": used, "total_time": used, "estimated_time_to_regain_access": int(wait.Minutes())}}})
	if err == nil {
		w.Header().Set("X-Business-Use-Case-Usage", string(usage))
	}
	w.Header().Set("X-Fb-Trace-Id", "AtWiN00000000000000000")
	out, err := a.answer(r, left)
	if err != nil {
		p, ok := err.(*problem)
		if !ok {
			p = &problem{HTTP: http.StatusInternalServerError, Message: err.Error(), Type: "OAuthException", Code: 1}
		}
		wire.JSON(w, p.HTTP, envelope(p))
		return
	}
	wire.JSON(w, http.StatusOK, out)
}

func (a *API) answer(r *http.Request, left int) (any, error) {
	m := path.FindStringSubmatch(r.URL.Path)
	if v, err := strconv.Atoi(m[1]); err != nil || v < oldest || v > newest {
		return nil, refuse(2635, "You are calling a deprecated version of the Ads API. Please update to the latest version: v%d.0.", newest)
	}
	token := wire.Bearer(r)
	if token == "" {
		token = r.URL.Query().Get("access_token")
	}
	if strings.TrimSuffix(token, "-readonly") != a.opt.Token {
		return nil, expired()
	}
	mac := hmac.New(sha256.New, []byte(a.opt.AppSecret))
	mac.Write([]byte(token))
	if proof := r.URL.Query().Get("appsecret_proof"); proof != hex.EncodeToString(mac.Sum(nil)) {
		return nil, refuse(100, "%s", map[bool]string{true: "API calls from the server require an appsecret_proof argument", false: "Invalid appsecret_proof provided in the API argument"}[proof == ""])
	}
	if a.opt.Enforce && left == 0 {
		return nil, tooMany()
	}
	body, err := wire.Body(r)
	if err != nil {
		return nil, refuse(1, "Please reduce the amount of data you're asking for, then retry your request")
	}
	readonly := strings.HasSuffix(token, "-readonly")
	if readonly && r.Method != http.MethodGet {
		return nil, refuse(200, "Requires ads_management permission to manage the object.")
	}
	parts := strings.Split(strings.Trim(m[2], "/"), "/")
	id, edge := parts[0], ""
	if len(parts) == 2 {
		edge = parts[1]
	}
	if id == "me" && edge == "permissions" {
		status := map[bool]string{true: "declined", false: "granted"}[readonly]
		return map[string]any{"data": []any{map[string]string{"permission": "ads_read", "status": "granted"}, map[string]string{"permission": "ads_management", "status": status}}}, nil
	}
	if rest, ok := strings.CutPrefix(id, "act_"); ok {
		if rest != a.opt.Account {
			return nil, refuse(200, "Ad account owner has NOT grant ads_management or ads_read permission")
		}
		return a.account(r, edge)
	}
	kind := ""
	a.db.View(func(s *store.State) {
		for _, k := range []string{"audience", "dataset", "campaign", "adset"} {
			if s.Docs.Table("meta."+k).Live(id) != nil {
				kind = k
			}
		}
	})
	switch what := r.Method + " " + kind + " " + edge; what {
	case "GET audience ", "GET dataset ", "GET campaign ", "GET adset ":
		return a.object(r, kind, id)
	case "POST audience users", "DELETE audience users":
		return a.users(r, id, body)
	case "GET audience sessions":
		return a.sessions(r, id)
	case "POST dataset events":
		return a.events(r, id, body)
	case "POST campaign ", "POST adset ":
		return a.spend(r, kind, id, body)
	}
	return nil, &problem{HTTP: http.StatusBadRequest, Message: "Unsupported " + strings.ToLower(r.Method) + " request. Object with ID '" + id + "' does not exist, cannot be loaded due to missing permissions, or does not support this operation.",
		Type: "GraphMethodException", Code: 100, Subcode: 33, Trace: "AtWiN00000000000000000"}
}

func decode(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return refuse(100, "Invalid parameter: %v", err)
	}
	return nil
}

func (a *API) meta(r *http.Request) store.Meta {
	return store.Meta{Vendor: "meta", Request: r.Method + " " + r.URL.Path}
}

// numbers are fields that the API tells as text although they are amounts.
func render(d *store.Doc, names []string) map[string]any {
	out := map[string]any{"id": d.ID}
	for _, n := range names {
		if n == "operation_status" {
			code := 200
			if v := d.Fields[n]; v != "" {
				code, _ = strconv.Atoi(v)
			}
			out[n] = map[string]any{"code": code, "description": map[bool]string{true: "Normal", false: "This audience has been blocked from edits."}[code == 200]}
			continue
		}
		if v, ok := d.Fields[n]; ok && n != "id" {
			out[n] = v
		}
	}
	return out
}

func (a *API) object(r *http.Request, kind, id string) (any, error) {
	var out any
	a.db.View(func(s *store.State) {
		out = render(s.Docs.Table("meta."+kind).Live(id), strings.Split(r.URL.Query().Get("fields"), ","))
	})
	return out, nil
}

// account is the ad account, and the lists of its campaigns and ad sets, filtered by id.
func (a *API) account(r *http.Request, edge string) (any, error) {
	names := strings.Split(r.URL.Query().Get("fields"), ",")
	if edge == "" {
		all := map[string]any{"currency": "USD", "name": "Millstone", "account_status": 1, "timezone_name": "Etc/UTC", "tos_accepted": map[string]int{"custom_audience_tos": 1}}
		out := map[string]any{"id": "act_" + a.opt.Account}
		for _, n := range names {
			if v, ok := all[n]; ok {
				out[n] = v
			}
		}
		return out, nil
	}
	kind := map[string]string{"campaigns": "campaign", "adsets": "adset"}[edge]
	if kind == "" || r.Method != http.MethodGet {
		return nil, refuse(100, "Tried accessing nonexisting field (%s) on node type (AdAccount)", edge)
	}
	var filters []struct {
		Field, Operator string
		Value           []string
	}
	if f := r.URL.Query().Get("filtering"); f != "" {
		if err := decode([]byte(f), &filters); err != nil {
			return nil, err
		}
	}
	rows := []any{}
	after := r.URL.Query().Get("after")
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit < 1 {
		limit = 25
	}
	next := ""
	a.db.View(func(s *store.State) {
		for _, d := range s.Docs.Table("meta." + kind).All() {
			keep := d.ID > after
			for _, f := range filters {
				keep = keep && f.Field == "id" && f.Operator == "IN" && slices.Contains(f.Value, d.ID)
			}
			if keep && len(rows) == limit {
				next = rows[len(rows)-1].(map[string]any)["id"].(string)
				return
			}
			if keep {
				rows = append(rows, render(d, names))
			}
		}
	})
	out := map[string]any{"data": rows}
	if len(rows) > 0 {
		p := map[string]any{"cursors": map[string]string{"before": rows[0].(map[string]any)["id"].(string), "after": rows[len(rows)-1].(map[string]any)["id"].(string)}}
		if next != "" {
			q := r.URL.Query()
			q.Set("after", next)
			p["next"] = wire.Base(r) + r.URL.Path + "?" + q.Encode()
		}
		out["paging"] = p
	}
	return out, nil
}

// spend changes status and budget. Budgets are in the currency's smallest unit.
func (a *API) spend(r *http.Request, kind, id string, body []byte) (any, error) {
	var in map[string]any
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for k, v := range in {
		s, _ := v.(string)
		if n, ok := v.(json.Number); ok {
			s = n.String()
		}
		switch k {
		case "status":
			if !slices.Contains([]string{"ACTIVE", "PAUSED", "DELETED", "ARCHIVED"}, s) {
				return nil, refuse(100, "Param status must be one of {ACTIVE, PAUSED, DELETED, ARCHIVED} - got unexpected value: %s", s)
			}
		case "daily_budget", "lifetime_budget":
			if n, err := strconv.ParseInt(s, 10, 64); err != nil || n < 100 {
				p := refuse(100, "Invalid parameter")
				p.Subcode, p.Title, p.UserMsg = 1885272, "Your budget is too low", "Your budget must be at least $1.00."
				return nil, p
			}
		default:
			return nil, refuse(100, "Tried accessing nonexisting field (%s) on node type (%s)", k, kind)
		}
		fields[k] = s
	}
	err := a.db.Update(a.meta(r), func(tx *store.Tx) error {
		d := tx.State().Docs.Table("meta." + kind).Live(id)
		for _, pair := range [][2]string{{"daily_budget", "lifetime_budget"}, {"lifetime_budget", "daily_budget"}} {
			if fields[pair[0]] != "" && d.Fields[pair[1]] != "" {
				p := refuse(100, "Invalid parameter")
				p.Subcode, p.UserMsg = 1885630, "A campaign has either a daily or a lifetime budget, and it cannot be changed into the other."
				return p
			}
		}
		return tx.Commit(store.Effect{Kind: "doc.put", Object: "meta." + kind, ID: id, Fields: fields})
	})
	return map[string]bool{"success": true}, err
}

func expired() *problem {
	return &problem{HTTP: http.StatusBadRequest, Message: "Error validating access token: Session has expired on Sunday, 01-Mar-26 00:00:00 PST.", Type: "OAuthException", Code: 190, Subcode: 463, Trace: "AtWiN00000000000000000"}
}

func tooMany() *problem {
	return &problem{HTTP: http.StatusBadRequest, Message: "(#80003) There have been too many calls to this ad-account's custom audiences. Wait a bit and try again.", Type: "OAuthException", Code: 80003, Subcode: 2446079, Trace: "AtWiN00000000000000000"}
}

// Throttled is the refusal of a call beyond a limit, for faults on request: a 400 with a code of its own.
func Throttled() (int, any) { return http.StatusBadRequest, envelope(tooMany()) }

// Broken is the body of a 5xx, for faults on request.
func Broken() any {
	return envelope(&problem{Message: "Service temporarily unavailable", Type: "OAuthException", Code: 2, Transient: true, Trace: "AtWiN00000000000000000"})
}

// Expired is the refusal of a token that has ended, for faults on request: a 400 too.
func Expired() (int, any) { return http.StatusBadRequest, envelope(expired()) }
