package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"millrace/activate"
	"millrace/internal/httpx"
)

// graceDays is how much longer the search looks back than a thread may be old: for a process that was down meanwhile.
const graceDays = 7

// Read finds messages: by id, or in the channel's history (and its threads, where the sync writes there) by the row's name
// in their metadata. The values are seals; Same knows them.
func (d *destination) Read(ctx context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	channel, err := d.channel(ctx, t.Object)
	if err != nil {
		return nil, err
	}
	out := make(map[string]activate.Record, len(rows))
	wanted := map[string][]string{} // names in metadata → ids of rows
	for _, r := range rows {
		out[r.ID] = activate.Record{}
		home, ts, ok := strings.Cut(r.RemoteID, ":")
		if !ok {
			tag := d.tag(t, r.Key)
			wanted[tag] = append(wanted[tag], r.ID)
			continue
		}
		m, err := d.message(ctx, home, ts)
		if err != nil {
			return nil, err
		}
		if m != nil {
			out[r.ID] = activate.Record{Exists: true, RemoteID: r.RemoteID, Values: m.seals()}
		}
	}
	if len(wanted) == 0 {
		return out, nil
	}
	oldest := strconv.FormatInt(d.now().AddDate(0, 0, -d.opt.LookBack-graceDays).Unix(), 10)
	take := func(m message) {
		if m.Bot != d.bot || m.Metadata.Type != eventType {
			return
		}
		name, _ := m.Metadata.Payload["row"].(string)
		for _, id := range wanted[name] {
			out[id] = activate.Record{Exists: true, RemoteID: channel + ":" + m.TS, Values: m.seals()}
		}
		delete(wanted, name)
	}
	threads := slices.Contains(t.Fields, fieldThread)
	err = d.pages(ctx, "conversations.history", url.Values{"channel": {channel}, "oldest": {oldest}}, func(m message) (bool, error) {
		take(m)
		if threads && m.Replies > 0 && len(wanted) > 0 {
			err := d.pages(ctx, "conversations.replies", url.Values{"channel": {channel}, "ts": {m.TS}}, func(m message) (bool, error) {
				take(m)
				return len(wanted) > 0, nil
			})
			if err != nil {
				return false, err
			}
		}
		return len(wanted) > 0, nil
	})
	return out, err
}

// pages reads messages until there are no more or yield has enough.
func (d *destination) pages(ctx context.Context, method string, q url.Values, yield func(message) (bool, error)) error {
	q.Set("include_all_metadata", "true")
	q.Set("limit", "200")
	for {
		var page struct {
			Messages []message `json:"messages"`
			Next     next      `json:"response_metadata"`
			More     bool      `json:"has_more"`
		}
		if err := d.get(ctx, method, q, &page); err != nil {
			return err
		}
		for _, m := range page.Messages {
			if more, err := yield(m); err != nil || !more {
				return err
			}
		}
		if page.Next.Cursor == "" || page.Next.Cursor == q.Get("cursor") {
			if page.More {
				return fmt.Errorf("slack: %s has more messages and does not say where, so a message that is not found may be there", method)
			}
			return nil
		}
		q.Set("cursor", page.Next.Cursor)
	}
}

// message reads one message of ours; nil when it is not there any more.
func (d *destination) message(ctx context.Context, channel, ts string) (*message, error) {
	var page struct {
		Messages []message `json:"messages"`
	}
	err := d.get(ctx, "conversations.replies", url.Values{"channel": {channel}, "ts": {ts}, "limit": {"1"}, "include_all_metadata": {"true"}}, &page)
	var h *httpx.Error
	if errors.As(err, &h) && (h.Message == "thread_not_found" || h.Message == "message_not_found") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, m := range page.Messages {
		if m.TS == ts {
			return &m, nil
		}
	}
	return nil, nil
}

// judge reads an answer's ok and error: Slack answers most errors with status 200.
func judge(r *httpx.Response) httpx.Verdict {
	if r.Status < 200 || r.Status > 299 {
		return httpx.Verdict{} // by status: 429 with Retry-After, 5xx
	}
	lost := httpx.Transient
	if strings.Contains(r.URL, "/chat.") { // these have an effect that must not be repeated blindly
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
	if err := json.Unmarshal(r.Body, &a); err != nil || a.OK == nil {
		return httpx.Verdict{Class: lost, Message: "an answer that is not Slack's, so it is not known what the call did", Hint: "Check base_url."}
	}
	if *a.OK {
		return httpx.Verdict{Accept: true}
	}
	v := httpx.Verdict{Class: httpx.Permanent, Message: a.Error}
	if len(a.Metadata.Messages) > 0 {
		v.Message += ": " + strings.Join(a.Metadata.Messages, "; ")
	}
	switch a.Error {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		v.Class = httpx.Rate
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org":
		v.Class = lost // Slack says of these that a part of the operation may have succeeded
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired":
		v.Class, v.Hint = httpx.Auth, "Put a valid bot token (xoxb-...) into the variable that token: names, and run again."
	case "missing_scope":
		v.Class, v.Hint = httpx.Auth, "Add the scope "+a.Needed+" to the app, install it again, and run again."
	case "restricted_action", "ekm_access_denied", "no_permission", "access_denied", "not_allowed_token_type":
		v.Class, v.Hint = httpx.Auth, "Ask an owner of the workspace to let the app post there."
	case "channel_not_found":
		v.Class, v.Hint = httpx.Config, "Check object:, and invite the app if the channel is private (/invite @app)."
	case "not_in_channel":
		v.Class, v.Hint = httpx.Config, "Invite the app to the channel (/invite @app)."
	case "is_archived":
		v.Class, v.Hint = httpx.Config, "Name another channel: this one is archived."
	case "msg_too_long", "msg_blocks_too_long", "no_text":
		v.Hint = fmt.Sprintf("A text has 1 to %d characters; shorten it in the relation.", maxText)
	case "invalid_blocks", "invalid_blocks_format":
		v.Hint = "Try the blocks in Slack's Block Kit Builder and correct the column."
	case "metadata_too_large":
		v.Hint = "Map fewer fields."
	case "thread_not_found", "cannot_reply_to_message":
		v.Hint = "thread is the ts of a message in this channel that is no reply itself."
	case "cant_update_message", "edit_window_closed", "message_not_found":
		v.Hint = "The message is another app's, too old to edit, or deleted; use mode event, or let edits be allowed in the workspace."
	}
	return v
}
