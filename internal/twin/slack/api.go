// Package slack is the simulated Slack workspace: the Web API methods that a reporting bot needs, over the twin's state.
//
// As with the vendor, most errors come with status 200 and "ok": false.
package slack

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"millrace/internal/twin/store"
	"millrace/internal/twin/wire"
)

// Options configure the workspace.
type Options struct {
	Token   string           // the bot token; Token+"-expired" has ended
	Enforce bool             // refuse calls beyond the limits: one message a second and channel, 50 calls a minute and method
	Now     func() time.Time // for limits only
}

// API answers Slack's calls.
type API struct {
	db  *store.DB
	opt Options

	mu      sync.Mutex
	buckets map[string]*wire.Bucket
}

// New makes the workspace over a state.
func New(db *store.DB, o Options) *API {
	return &API{db: db, opt: o, buckets: map[string]*wire.Bucket{}}
}

// Handles says whether a path belongs to this vendor.
func Handles(path string) bool {
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/upload/v1/")
}

// args are a call's arguments, from the query, a form or a JSON body. Structured ones are kept as JSON text.
type args map[string]string

// trouble is an answer with ok false.
type trouble struct {
	name string
	more map[string]any
}

func (t *trouble) Error() string { return t.name }

func bad(name string) *trouble { return &trouble{name: name} }

func wrong(name string, messages ...string) *trouble {
	return &trouble{name, map[string]any{"response_metadata": map[string]any{"messages": messages}}}
}

type result = map[string]any

// ServeHTTP answers a call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if id, ok := strings.CutPrefix(r.URL.Path, "/upload/v1/"); ok {
		a.upload(w, r, id)
		return
	}
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	in, err := arguments(r)
	var out result
	if err == nil {
		out, err = a.call(w, r, method, in)
	}
	if err == nil {
		out["ok"] = true
		wire.JSON(w, http.StatusOK, out)
		return
	}
	t, ok := err.(*trouble)
	if !ok {
		t = bad("internal_error")
	}
	body := result{"ok": false, "error": t.name}
	for k, v := range t.more {
		body[k] = v
	}
	code := http.StatusOK
	if t.name == "ratelimited" {
		w.Header().Set("Retry-After", "1")
		code = http.StatusTooManyRequests
	}
	wire.JSON(w, code, body)
}

// Throttled is the body of a 429, for faults on request.
func Throttled() any { return result{"ok": false, "error": "ratelimited"} }

// Broken is the body of a failure, for faults on request.
func Broken() any { return result{"ok": false, "error": "internal_error"} }

// Expired is the body for a token that has ended, for faults on request.
func Expired() any { return result{"ok": false, "error": "token_expired"} }

func arguments(r *http.Request) (args, error) {
	out := args{}
	take := func(v url.Values) {
		for k := range v {
			out[k] = v.Get(k)
		}
	}
	take(r.URL.Query())
	body, err := wire.Body(r)
	if err != nil {
		return nil, bad("request_timeout")
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case len(body) == 0:
	case err != nil:
		return nil, bad("missing_post_type")
	case kind == "application/json":
		var m map[string]json.RawMessage
		if json.Unmarshal(body, &m) != nil {
			return nil, bad("invalid_json")
		}
		for k, raw := range m {
			var s string
			if json.Unmarshal(raw, &s) != nil {
				s = string(raw)
			}
			out[k] = s
		}
	case kind == "application/x-www-form-urlencoded":
		v, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, bad("invalid_form_data")
		}
		take(v)
	case kind == "multipart/form-data":
		return out, parts(body, params["boundary"], out)
	default:
		return nil, bad("invalid_post_type")
	}
	return out, nil
}

// limits are calls a minute by method; those not listed have 50.
var limits = map[string]int{"conversations.list": 20, "conversations.history": 50, "conversations.replies": 50, "files.getUploadURLExternal": 20, "files.completeUploadExternal": 20, "auth.test": 600, "api.test": 600}

func (a *API) limited(key string, n int, window time.Duration) bool {
	if !a.opt.Enforce {
		return false
	}
	a.mu.Lock()
	b := a.buckets[key]
	if b == nil {
		b = &wire.Bucket{Max: n, Window: window}
		a.buckets[key] = b
	}
	a.mu.Unlock()
	_, _, ok := b.Take(a.opt.Now())
	return !ok
}

func (a *API) call(w http.ResponseWriter, r *http.Request, method string, in args) (result, error) {
	token := wire.Bearer(r)
	if token == "" {
		token = in["token"]
	}
	if method == "api.test" {
		if in["error"] != "" {
			return nil, bad(in["error"])
		}
		return result{"args": in}, nil
	}
	switch token {
	case a.opt.Token:
	case "":
		return nil, bad("not_authed")
	case a.opt.Token + "-expired":
		return nil, bad("token_expired")
	default:
		return nil, bad("invalid_auth")
	}
	w.Header().Set("X-OAuth-Scopes", "chat:write,channels:read,channels:history,files:write,files:read")
	n := limits[method]
	if n == 0 {
		n = 50
	}
	if method != "chat.postMessage" && a.limited(method, n, time.Minute) {
		return nil, bad("ratelimited")
	}
	switch method {
	case "auth.test":
		return a.authTest(r)
	case "chat.postMessage":
		return a.post(r, in)
	case "chat.update":
		return a.update(r, in)
	case "chat.getPermalink":
		return a.permalink(in)
	case "conversations.list":
		return a.channels(in)
	case "conversations.info":
		return a.channelInfo(in)
	case "conversations.history":
		return a.history(in, "")
	case "conversations.replies":
		return a.replies(in)
	case "files.getUploadURLExternal":
		return a.uploadURL(r, in)
	case "files.completeUploadExternal":
		return a.completeUpload(r, in)
	case "files.info":
		return a.fileInfo(in)
	}
	return nil, &trouble{"unknown_method", map[string]any{"req_method": method}}
}

func (a *API) meta(r *http.Request) store.Meta {
	return store.Meta{Vendor: "slack", Request: r.Method + " " + r.URL.Path}
}

func (a *API) authTest(*http.Request) (result, error) {
	var out result
	a.db.View(func(s *store.State) {
		c := s.Chat
		out = result{"url": "https://millstone.slack.com/", "team": c.Team, "user": "millrace", "team_id": c.TeamID, "user_id": c.BotUser, "bot_id": c.BotID, "is_enterprise_install": false}
	})
	return out, nil
}

// content checks a message's text and blocks and returns what of them was given.
func content(in args) (map[string]string, error) {
	out := map[string]string{}
	for _, k := range []string{"text", "blocks", "attachments", "metadata", "thread_ts", "client_msg_id"} {
		if v, ok := in[k]; ok {
			out[k] = v
		}
	}
	if len([]rune(out["text"])) > 40_000 {
		return nil, bad("msg_too_long")
	}
	for _, k := range []string{"blocks", "attachments"} {
		if out[k] == "" || out[k] == "[]" {
			delete(out, k)
			continue
		}
		var list []map[string]any
		if json.Unmarshal([]byte(out[k]), &list) != nil {
			return nil, wrong("invalid_"+k+map[string]string{"blocks": "_format"}[k], "[ERROR] must be a JSON array of objects [json-pointer:/"+k+"]")
		}
		if k == "blocks" {
			if msgs := checkBlocks(list); len(msgs) > 0 {
				return nil, wrong("invalid_blocks", msgs...)
			}
		}
	}
	if m := out["metadata"]; m != "" {
		var v struct {
			Type    string          `json:"event_type"`
			Payload json.RawMessage `json:"event_payload"`
		}
		if json.Unmarshal([]byte(m), &v) != nil || v.Type == "" || len(v.Payload) == 0 {
			return nil, bad("invalid_metadata_format")
		}
	}
	if strings.TrimSpace(out["text"]) == "" && out["blocks"] == "" && out["attachments"] == "" {
		return nil, bad("no_text")
	}
	return out, nil
}

var blockTypes = []string{"actions", "context", "divider", "file", "header", "image", "input", "rich_text", "section", "video", "table", "markdown"}

// checkBlocks holds blocks to the limits that the vendor states.
func checkBlocks(list []map[string]any) (out []string) {
	fault := func(i int, format string, args ...any) {
		out = append(out, fmt.Sprintf("[ERROR] "+format+fmt.Sprintf(" [json-pointer:/blocks/%d]", i), args...))
	}
	if len(list) > 50 {
		out = append(out, "[ERROR] no more than 50 items allowed [json-pointer:/blocks]")
	}
	length := func(v any) int {
		m, _ := v.(map[string]any)
		s, _ := m["text"].(string)
		return len([]rune(s))
	}
	for i, b := range list {
		typ, _ := b["type"].(string)
		fields, _ := b["fields"].([]any)
		elements, _ := b["elements"].([]any)
		switch {
		case !slices.Contains(blockTypes, typ):
			fault(i, "unsupported type: %s", typ)
		case typ == "section" && b["text"] == nil && len(fields) == 0:
			fault(i, "a section needs text or fields")
		case typ == "section" && length(b["text"]) > 3000:
			fault(i, "must be less than 3001 characters")
		case len(fields) > 10:
			fault(i, "no more than 10 items allowed in fields")
		case typ == "header" && (length(b["text"]) > 150 || length(b["text"]) == 0):
			fault(i, "must be between 1 and 150 characters")
		case typ == "context" && (len(elements) == 0 || len(elements) > 10):
			fault(i, "between 1 and 10 elements are needed")
		case typ == "image" && (b["alt_text"] == nil || b["image_url"] == nil && b["slack_file"] == nil):
			fault(i, "an image needs alt_text and image_url or slack_file")
		case typ == "actions" && (len(elements) == 0 || len(elements) > 25):
			fault(i, "between 1 and 25 elements are needed")
		}
	}
	return out
}

// open finds a channel that the bot may write to.
func open(c *store.Chat, ref string) (*store.Channel, error) {
	ch := c.Channel(ref)
	switch {
	case ch == nil:
		return nil, bad("channel_not_found")
	case ch.Archived:
		return nil, bad("is_archived")
	case !ch.Member:
		return nil, bad("not_in_channel")
	}
	return ch, nil
}

// stamp is a message's time and name: seconds of the logical clock and the number of the commit.
func stamp(tx *store.Tx) string {
	return fmt.Sprintf("%d.%06d", tx.Now().Unix(), tx.Seq()%1_000_000)
}

func (a *API) post(r *http.Request, in args) (result, error) {
	var out result
	err := a.db.Update(a.meta(r), func(tx *store.Tx) error {
		c := tx.State().Chat
		ch, err := open(c, in["channel"])
		if err != nil {
			return err
		}
		if a.limited("post "+ch.ID, 1, time.Second) {
			return bad("ratelimited")
		}
		fields, err := content(in)
		if err != nil {
			return err
		}
		if t := fields["thread_ts"]; t != "" && c.Message(ch.ID, t) == nil {
			return bad("thread_not_found")
		}
		ts := stamp(tx)
		if err := tx.Commit(store.Effect{Kind: "chat.post", Object: ch.ID, ID: ts, Fields: fields}); err != nil {
			return err
		}
		out = result{"channel": ch.ID, "ts": ts, "message": render(c, c.Message(ch.ID, ts), true)}
		return nil
	})
	return out, err
}

func (a *API) update(r *http.Request, in args) (result, error) {
	var out result
	err := a.db.Update(a.meta(r), func(tx *store.Tx) error {
		c := tx.State().Chat
		ch, err := open(c, in["channel"])
		if err != nil {
			return err
		}
		m := c.Message(ch.ID, in["ts"])
		if m == nil {
			return bad("message_not_found")
		}
		fields, err := content(in)
		if err != nil {
			return err
		}
		if err := tx.Commit(store.Effect{Kind: "chat.update", Object: ch.ID, ID: m.TS, Fields: fields}); err != nil {
			return err
		}
		out = result{"channel": ch.ID, "ts": m.TS, "text": m.Text, "message": render(c, m, true)}
		return nil
	})
	return out, err
}

func (a *API) permalink(in args) (result, error) {
	var out result
	err := error(bad("message_not_found"))
	a.db.View(func(s *store.State) {
		if s.Chat.Message(in["channel"], in["message_ts"]) != nil {
			out, err = result{"channel": in["channel"], "permalink": "https://millstone.slack.com/archives/" + in["channel"] + "/p" + strings.ReplaceAll(in["message_ts"], ".", "")}, nil
		}
	})
	return out, err
}

// render writes a message as the API does.
func render(c *store.Chat, m *store.Message, metadata bool) result {
	out := result{"type": "message", "user": c.BotUser, "bot_id": c.BotID, "text": m.Text, "ts": m.TS, "team": c.TeamID}
	if m.Thread != "" {
		out["thread_ts"] = m.Thread
	}
	for k, v := range map[string]string{"blocks": m.Blocks, "attachments": m.Attachments} {
		if v != "" {
			out[k] = json.RawMessage(v)
		}
	}
	if m.Metadata != "" && metadata {
		out["metadata"] = json.RawMessage(m.Metadata)
	}
	if m.Edited {
		out["edited"] = result{"user": c.BotUser, "ts": m.TS}
	}
	if len(m.Files) > 0 {
		files := []any{}
		for _, id := range m.Files {
			if f := c.File(id); f != nil {
				files = append(files, renderFile(c, f))
			}
		}
		out["files"] = files
	}
	return out
}

// parts reads a multipart form's plain fields.
func parts(body []byte, boundary string, out args) error {
	mr := newMultipart(body, boundary)
	for {
		p, err := mr.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return bad("invalid_form_data")
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return bad("invalid_form_data")
		}
		out[p.FormName()] = string(b)
	}
}

// page reads limit and cursor of a list.
func page(in args, def, top int) (limit, offset int, err error) {
	limit = def
	if v := in["limit"]; v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > top {
			return 0, 0, wrong("invalid_limit", "[ERROR] limit must be between 1 and "+strconv.Itoa(top))
		}
	}
	if v := in["cursor"]; v != "" {
		if offset, err = cursorOf(v); err != nil {
			return 0, 0, bad("invalid_cursor")
		}
	}
	return limit, offset, nil
}
