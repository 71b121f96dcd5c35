package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/httpx"
	"millrace/internal/vendorapi"
)

const (
	eventType   = "millrace_row"
	textBlock   = "millrace_text"    // block that shows the text, where there are buttons and no other blocks
	buttonBlock = "millrace_buttons" // block with the buttons
)

// Limits of Slack (docs.slack.dev: chat.postMessage, Block Kit reference), in characters and items.
const (
	maxText       = 40_000
	maxSection    = 3000
	maxBlocks     = 50
	maxButtons    = 25
	maxButtonText = 75
	maxButtonURL  = 3000
)

// message is one message as history gives it.
type message struct {
	TS       string           `json:"ts"`
	Bot      string           `json:"bot_id"`
	Thread   string           `json:"thread_ts"`
	Text     string           `json:"text"`
	Blocks   []map[string]any `json:"blocks"`
	Replies  int              `json:"reply_count"`
	Metadata struct {
		Type    string         `json:"event_type"`
		Payload map[string]any `json:"event_payload"`
	} `json:"metadata"`
}

// seals gives the sealed values of a message of ours.
func (m *message) seals() map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for _, f := range fields {
		if s, ok := m.Metadata.Payload["f_"+f].(string); ok {
			if j, err := json.Marshal(s); err == nil {
				out[f] = j
			}
		}
	}
	return out
}

// tag names a row in metadata without showing its key.
func (d *destination) tag(t activate.Target, key string) string {
	sum := sha256.Sum256([]byte(d.sync + "\n" + t.Object + "\n" + key))
	return hex.EncodeToString(sum[:16])
}

// seal stands for a value in metadata: Slack changes the spelling of texts and blocks, and keeps metadata as it is.
func seal(v json.RawMessage) string {
	sum := sha256.Sum256(v)
	return "seal:" + hex.EncodeToString(sum[:16])
}

// Same compares our value with the seal that its message carries.
func (d *destination) Same(ours, theirs json.RawMessage) bool {
	if canon.IsEmpty(ours) || canon.IsEmpty(theirs) {
		return canon.IsEmpty(ours) && canon.IsEmpty(theirs)
	}
	return canon.Text(theirs) == seal(ours)
}

// Send posts or updates one message a row.
func (d *destination) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	if b.Op != activate.Event && b.Op != activate.Upsert {
		return activate.Answer{}, fmt.Errorf("slack cannot %s", b.Op)
	}
	id, err := d.channel(ctx, b.Target.Object)
	if err != nil {
		var h *httpx.Error
		if errors.As(err, &h) {
			return activate.Answer{}, err
		}
		return activate.Answer{}, &httpx.Error{Class: httpx.Config, Method: http.MethodPost, URL: d.api.Base, Message: err.Error(), Err: err}
	}
	return activate.OneByOne(ctx, b.Rows, func(ctx context.Context, r activate.Row) (activate.Result, error) {
		if r.RemoteID != "" && b.Op == activate.Upsert {
			return d.update(ctx, id, b.Target, r)
		}
		return d.post(ctx, id, b.Target, r)
	})
}

func refuse(why error) activate.Result {
	return activate.Result{Status: activate.Rejected, Class: "row", Message: why.Error()}
}

type answer struct {
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

func (d *destination) post(ctx context.Context, channel string, t activate.Target, r activate.Row) (activate.Result, error) {
	body, err := d.compose(t, r, nil)
	if err != nil {
		return refuse(err), nil
	}
	thread := strings.TrimSpace(canon.Text(r.Values[fieldThread]))
	if thread != "" {
		if err := d.young(thread); err != nil {
			return refuse(err), nil
		}
		body["thread_ts"] = thread
	}
	body["channel"], body["unfurl_links"], body["unfurl_media"] = channel, false, false
	return d.write(ctx, "chat.postMessage", body, true)
}

// young refuses a thread that the search after a lost answer would not reach.
func (d *destination) young(thread string) error {
	at, err := instant(thread)
	if err != nil {
		return fmt.Errorf("thread is not the ts of a message, such as 1721600000.123456")
	}
	if at.Before(d.now().AddDate(0, 0, -d.opt.LookBack)) {
		return fmt.Errorf("the thread began more than %d days ago, and a lost answer would not be found again there; raise look_back_days or begin a new thread", d.opt.LookBack)
	}
	return nil
}

func instant(ts string) (time.Time, error) {
	sec, frac, _ := strings.Cut(ts, ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	if err != nil || n <= 0 || strings.Trim(frac, "0123456789") != "" {
		return time.Time{}, fmt.Errorf("not a ts")
	}
	return time.Unix(n, 0).UTC(), nil
}

func (d *destination) write(ctx context.Context, method string, body map[string]any, made bool) (activate.Result, error) {
	var out answer
	resp, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodPost, Path: "/" + method, Body: body, Repeat: httpx.RepeatNever}, &out)
	if err != nil {
		return activate.Result{}, err
	}
	if out.TS == "" || out.Channel == "" {
		return activate.Result{}, fmt.Errorf("slack: the answer %d to %s does not name the message, so it is not known whether there is one", resp.Status, method)
	}
	return activate.Result{Status: activate.Acked, RemoteID: out.Channel + ":" + out.TS, Created: made}, nil
}

// update writes the changed fields of a message and leaves the others as they are, for which it is read first.
func (d *destination) update(ctx context.Context, channel string, t activate.Target, r activate.Row) (activate.Result, error) {
	home, ts, ok := strings.Cut(r.RemoteID, ":")
	if !ok {
		return activate.Result{}, fmt.Errorf("slack: %q is not the id of a message", r.RemoteID)
	}
	if home == "" {
		home = channel
	}
	old, err := d.message(ctx, home, ts)
	if err != nil {
		return activate.Result{}, err
	}
	if old == nil {
		return activate.Result{Status: activate.Rejected, Class: "missing", RemoteID: r.RemoteID, Message: "the message was deleted in Slack; it is not posted again"}, nil
	}
	if v, given := r.Values[fieldThread]; given && canon.Text(v) != old.Thread {
		return refuse(fmt.Errorf("a message cannot move to another thread; leave thread as it was")), nil
	}
	body, err := d.compose(t, r, old)
	if err != nil {
		return refuse(err), nil
	}
	body["channel"], body["ts"] = home, ts
	return d.write(ctx, "chat.update", body, false)
}

// compose makes a message of a row's values, and of what stands already where the row has none.
func (d *destination) compose(t activate.Target, r activate.Row, old *message) (map[string]any, error) {
	if old == nil {
		old = &message{}
	}
	payload := map[string]any{}
	for k, v := range old.Metadata.Payload {
		payload[k] = v
	}
	payload["idem"], payload["row"] = r.IdemKey, d.tag(t, r.Key)
	text := old.Text
	var own, buttons []map[string]any
	for _, b := range old.Blocks {
		switch b["block_id"] {
		case textBlock:
		case buttonBlock:
			buttons = append(buttons, b)
		default:
			own = append(own, b)
		}
	}
	var err error
	for f, v := range r.Values {
		if !slices.Contains(fields, f) {
			continue // the key, where it is mapped too
		}
		delete(payload, "f_"+f)
		if !canon.IsEmpty(v) {
			payload["f_"+f] = seal(v)
		}
		switch f {
		case fieldText:
			text = d.calm(canon.Text(v))
		case fieldBlocks:
			if own, err = list(f, v); err != nil {
				return nil, err
			}
		case fieldButtons:
			if buttons, err = links(v); err != nil {
				return nil, err
			}
		}
	}
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("text is empty, and a message needs one")
	}
	if n := len([]rune(text)); n > maxText {
		return nil, fmt.Errorf("text has %d characters; Slack takes %d", n, maxText)
	}
	if len(buttons) > 0 && len(own) == 0 {
		if n := len([]rune(text)); n > maxSection {
			return nil, fmt.Errorf("text has %d characters; beside buttons Slack shows %d", n, maxSection)
		}
		own = []map[string]any{{"type": "section", "block_id": textBlock, "text": map[string]any{"type": "mrkdwn", "text": text}}}
	}
	blocks := append(slices.Clone(own), buttons...)
	if len(blocks) > maxBlocks {
		return nil, fmt.Errorf("%d blocks; Slack takes %d", len(blocks), maxBlocks)
	}
	body := map[string]any{"text": text, "metadata": map[string]any{"event_type": eventType, "event_payload": payload}}
	if len(blocks) > 0 || len(old.Blocks) > 0 {
		spelled, err := vendorapi.JSON(blocks)
		if err != nil {
			return nil, fmt.Errorf("spell the blocks: %w", err)
		}
		if len(blocks) == 0 {
			spelled = []byte("[]")
		}
		body["blocks"] = json.RawMessage(d.calm(string(spelled)))
	}
	return body, nil
}

var pings = regexp.MustCompile(`<!(channel|here|everyone|group|subteam)`)

// calm takes the power to call everybody from a text, unless the sync has it.
func (d *destination) calm(text string) string {
	if d.opt.Mentions {
		return text
	}
	return pings.ReplaceAllString(text, "&lt;!$1")
}

// list reads a JSON array of objects, as JSON or as text that holds JSON.
func list(field string, v json.RawMessage) ([]map[string]any, error) {
	if canon.IsEmpty(v) {
		return nil, nil
	}
	var text string
	if json.Unmarshal(v, &text) == nil {
		v = json.RawMessage(text)
	}
	var out []map[string]any
	if err := json.Unmarshal(v, &out); err != nil {
		return nil, fmt.Errorf("%s is not a JSON array of objects", field)
	}
	return out, nil
}

// links makes the block of buttons, each of which opens an address.
func links(v json.RawMessage) ([]map[string]any, error) {
	given, err := list(fieldButtons, v)
	if err != nil || len(given) == 0 {
		return nil, err
	}
	if len(given) > maxButtons {
		return nil, fmt.Errorf("%d buttons; Slack takes %d", len(given), maxButtons)
	}
	var elements []any
	for i, g := range given {
		for k := range g {
			if !slices.Contains([]string{"text", "url", "style"}, k) {
				return nil, fmt.Errorf("button %d has %q; a button has text, url and style (an answer to a button needs a server, which is not there)", i+1, k)
			}
		}
		text, _ := g["text"].(string)
		address, _ := g["url"].(string)
		u, err := url.Parse(address)
		switch {
		case strings.TrimSpace(text) == "" || len([]rune(text)) > maxButtonText:
			return nil, fmt.Errorf("button %d needs a text of at most %d characters", i+1, maxButtonText)
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(address) > maxButtonURL:
			return nil, fmt.Errorf("button %d needs the url of a page (https://...), of at most %d characters", i+1, maxButtonURL)
		}
		e := map[string]any{"type": "button", "action_id": "link_" + strconv.Itoa(i+1), "text": map[string]any{"type": "plain_text", "text": text}, "url": address}
		if style, ok := g["style"]; ok {
			if style != "primary" && style != "danger" {
				return nil, fmt.Errorf("button %d: style is primary or danger", i+1)
			}
			e["style"] = style
		}
		elements = append(elements, e)
	}
	return []map[string]any{{"type": "actions", "block_id": buttonBlock, "elements": elements}}, nil
}
