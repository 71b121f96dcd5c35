package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"millrace/internal/httpx"
)

// client speaks the few methods of the Web API that a report needs.
type client struct {
	http *httpx.Client
	base string
}

func newClient(o Options, log *slog.Logger) (*client, error) {
	u, err := url.Parse(o.BaseURL)
	if err != nil {
		return nil, err
	}
	var policies []httpx.Policy
	if o.Pause > 0 {
		policies = append(policies, httpx.Policy{Name: "messages", Path: regexp.MustCompile(`/chat\.postMessage$`), Limit: 1, Per: o.Pause})
	}
	budget, err := httpx.NewBudget(policies...)
	if err != nil {
		return nil, err
	}
	opt := httpx.Options{Name: "slack", Hosts: []string{u.Host}, AllowPrivate: o.AllowPrivate, Auth: httpx.Bearer(o.Token), Budget: budget, Log: log, Sleep: o.sleep}
	if strings.HasSuffix(u.Hostname(), "slack.com") {
		opt.OpenHosts = []string{"files.slack.com"} // where bytes are uploaded to, by a signed address
	}
	c, err := httpx.New(opt)
	if err != nil {
		return nil, err
	}
	return &client{http: c, base: strings.TrimRight(o.BaseURL, "/")}, nil
}

// tag is what a message carries in its metadata: the delivery's key and which part of it the message is.
type tag struct{ Key, Part string }

const eventType = "millrace_report"

// post sends one message, into a thread if thread is set, and gives its timestamp, which is its name. It is never sent
// again when no answer came: the outcome is httpx.Unknown then.
func (c *client) post(ctx context.Context, channel, thread string, m post, t tag) (string, error) {
	body := map[string]any{
		"channel": channel, "text": m.text, "blocks": m.blocks, "unfurl_links": false, "unfurl_media": false,
		"metadata": map[string]any{"event_type": eventType, "event_payload": map[string]string{"key": t.Key, "part": t.Part}},
	}
	if thread != "" {
		body["thread_ts"] = thread
	}
	var out struct {
		TS string `json:"ts"`
	}
	if err := c.json(ctx, "chat.postMessage", body, httpx.RepeatNever, &out); err != nil {
		return "", err
	}
	if out.TS == "" {
		return "", &httpx.Error{Class: httpx.Unknown, Method: http.MethodPost, URL: c.base + "/chat.postMessage", Message: "an answer without the message's timestamp"}
	}
	return out.TS, nil
}

// identity is whose token it is.
type identity struct {
	Team string `json:"team"`
	User string `json:"user"`
}

func (c *client) whoami(ctx context.Context) (identity, error) {
	var out identity
	err := c.form(ctx, "auth.test", nil, &out)
	return out, err
}

type nextPage struct {
	NextCursor string `json:"next_cursor"`
}

type channelPage struct {
	Channels []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"channels"`
	Metadata nextPage `json:"response_metadata"`
}

func (c *client) channels(ctx context.Context, cursor string) (channelPage, error) {
	var out channelPage
	err := c.get(ctx, "conversations.list", url.Values{"types": {"public_channel,private_channel"}, "exclude_archived": {"true"}, "limit": {"200"}}, cursor, &out)
	return out, err
}

type messagePage struct {
	Messages []seen   `json:"messages"`
	Metadata nextPage `json:"response_metadata"`
}

// seen is a message as history and replies give it.
type seen struct {
	TS       string `json:"ts"`
	Metadata struct {
		Type    string         `json:"event_type"`
		Payload map[string]any `json:"event_payload"`
	} `json:"metadata"`
	Files []struct {
		Name string `json:"name"`
	} `json:"files"`
}

// tag gives the key and part of a message of ours; "" for others.
func (s seen) tag() (key, part string) {
	if s.Metadata.Type != eventType {
		return "", ""
	}
	key, _ = s.Metadata.Payload["key"].(string)
	part, _ = s.Metadata.Payload["part"].(string)
	return key, part
}

func (c *client) history(ctx context.Context, channel, cursor string) (messagePage, error) {
	var out messagePage
	err := c.get(ctx, "conversations.history", url.Values{"channel": {channel}, "include_all_metadata": {"true"}, "limit": {"100"}}, cursor, &out)
	return out, err
}

func (c *client) replies(ctx context.Context, channel, ts, cursor string) (messagePage, error) {
	var out messagePage
	err := c.get(ctx, "conversations.replies", url.Values{"channel": {channel}, "ts": {ts}, "include_all_metadata": {"true"}, "limit": {"100"}}, cursor, &out)
	return out, err
}

// share uploads files and puts them into a thread, all in one message.
func (c *client) share(ctx context.Context, channel, thread string, files []file) error {
	type done struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	var list []done
	for _, f := range files {
		var slot struct {
			URL string `json:"upload_url"`
			ID  string `json:"file_id"`
		}
		// An upload that is never completed is not shown to anybody, so all of this may be repeated.
		if err := c.form(ctx, "files.getUploadURLExternal", url.Values{"filename": {f.name}, "length": {strconv.Itoa(len(f.data))}}, &slot); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		_, err := c.http.Do(ctx, httpx.Request{Method: http.MethodPost, URL: slot.URL, NoAuth: true, Repeat: httpx.RepeatSafe, Body: f.data,
			Header: http.Header{"Content-Type": {"application/octet-stream"}}})
		if err != nil {
			return fmt.Errorf("upload %s: %w", f.name, err)
		}
		list = append(list, done{slot.ID, f.title})
	}
	return c.json(ctx, "files.completeUploadExternal", map[string]any{"files": list, "channel_id": channel, "thread_ts": thread}, httpx.RepeatNever, nil)
}

func (c *client) get(ctx context.Context, method string, query url.Values, cursor string, out any) error {
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	return c.do(ctx, httpx.Request{Method: http.MethodGet, URL: c.base + "/" + method, Query: query}, out)
}

func (c *client) form(ctx context.Context, method string, values url.Values, out any) error {
	return c.do(ctx, httpx.Request{Method: http.MethodPost, URL: c.base + "/" + method, Repeat: httpx.RepeatSafe, Body: []byte(values.Encode()),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, out)
}

func (c *client) json(ctx context.Context, method string, body any, repeat httpx.Repeat, out any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	return c.do(ctx, httpx.Request{Method: http.MethodPost, URL: c.base + "/" + method, Repeat: repeat, Body: data,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}, out)
}

// do makes the call. Slack answers most errors with status 200 and "ok": false: judge tells them apart.
func (c *client) do(ctx context.Context, r httpx.Request, out any) error {
	writes := r.Repeat == httpx.RepeatNever
	r.Judge = func(resp *httpx.Response) httpx.Verdict { return judge(resp, writes) }
	resp, err := c.http.Do(ctx, r)
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(resp.Body, out); err != nil {
		class := httpx.Permanent
		if writes {
			class = httpx.Unknown
		}
		return &httpx.Error{Class: class, Method: r.Method, URL: r.URL, Status: resp.Status, Message: "an answer that does not have the documented shape", Err: err}
	}
	return nil
}

// judge reads an answer's ok and error. writes says that the call has an effect which must not be repeated blindly.
func judge(resp *httpx.Response, writes bool) httpx.Verdict {
	if resp.Status >= 300 {
		return httpx.Verdict{} // by status: 429 with Retry-After, 5xx
	}
	lost := httpx.Transient
	if writes {
		lost = httpx.Unknown
	}
	var a struct {
		OK       *bool  `json:"ok"`
		Error    string `json:"error"`
		Needed   string `json:"needed"`
		Metadata struct {
			Messages []string `json:"messages"`
		} `json:"response_metadata"`
	}
	if err := json.Unmarshal(resp.Body, &a); err != nil || a.OK == nil {
		return httpx.Verdict{Class: lost, Message: "an answer that is not Slack's", Hint: "Check base_url."}
	}
	if *a.OK {
		return httpx.Verdict{Accept: true}
	}
	v := httpx.Verdict{Class: httpx.Permanent, Message: a.Error}
	if len(a.Metadata.Messages) > 0 {
		v.Message += ": " + strings.Join(a.Metadata.Messages, "; ")
	}
	switch a.Error {
	case "ratelimited", "rate_limited":
		v.Class = httpx.Rate
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org":
		v.Class = lost // Slack says of these that a part of the operation may have succeeded
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired":
		v.Class, v.Hint = httpx.Auth, "Put a valid bot token (xoxb-...) into the variable that token: names, and run again."
	case "missing_scope":
		v.Class, v.Hint = httpx.Auth, "Add the scope "+a.Needed+" to the app, install it again, and run again."
	case "not_in_channel", "channel_not_found":
		v.Hint = "Invite the app to the channel (/invite @app) and check channel:, then run again."
	case "is_archived":
		v.Hint = "Name another channel: this one is archived."
	case "restricted_action", "ekm_access_denied", "no_permission", "access_denied":
		v.Class, v.Hint = httpx.Auth, "Ask an owner of the workspace to let the app post there."
	}
	return v
}
