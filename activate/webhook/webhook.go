// Package webhook is the destination of signed outgoing webhooks: each row is told to an address as JSON, as Zapier, Make,
// n8n and services of one's own take it. Undo class none: what was told is told.
//
// Calls are signed as Standard Webhooks (standardwebhooks.com, version 1) asks: webhook-id, webhook-timestamp and
// webhook-signature = "v1," + base64(HMAC-SHA256(secret, id.timestamp.body)). The id is the row's idempotency key, the same
// for the same event for ever, so a receiver that keeps ids takes each event once. Only a receiver that does so may be
// declared with idempotent: true; for others a call whose answer was lost stays unknown until a person looks.
//
// It must not follow redirects with credentials, nor call private addresses unless told; both are httpx's.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/secret"
	"millrace/internal/vendorapi"
)

// Options is what `config:` holds.
type Options struct {
	URL        secret.String `yaml:"url" required:"true" doc:"address of the webhook; kept secret, as many are the only credential" example:"${WEBHOOK_URL}"`
	Secret     secret.String `yaml:"secret" doc:"signs each call (Standard Webhooks); whsec_ and base64, or any text of 16 characters or more"`
	Token      secret.String `yaml:"token" doc:"sent as Authorization: Bearer, for receivers that ask for it"`
	Batch      int           `yaml:"batch" default:"1" min:"1" max:"500" doc:"rows in one call; with more than 1, data is a list"`
	Idempotent bool          `yaml:"idempotent" doc:"the receiver takes each webhook-id once, so a call whose answer was lost may be made again"`
	PerSecond  float64       `yaml:"calls_per_second" default:"5" doc:"calls a second at most"`
	Private    bool          `yaml:"allow_private" doc:"allow a private or loopback address (n8n in the same network, simulators)"`
}

// Connector is the catalog's entry.
func Connector() activate.Connector {
	return activate.Connector{Name: "webhook", Summary: "signed webhooks: Zapier, Make, n8n, services of your own", Options: func() any { return &Options{} }, Open: open}
}

type destination struct {
	opt  Options
	host string
	key  []byte // nil: calls are not signed
	api  *vendorapi.API
	now  func() time.Time
}

// shortestSecret is what a signing secret needs at least to be worth signing with.
const shortestSecret = 16

func open(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*Options)
	if !ok {
		return nil, fmt.Errorf("webhook: options are %T", p.Options)
	}
	u, err := url.Parse(o.URL.Reveal())
	if err != nil || u.Host == "" || u.Scheme != "https" && !(o.Private && u.Scheme == "http") {
		return nil, &fault.Error{Key: "config.url", Msg: "not an address of a webhook", Hint: "Write https://host/path; plain http only with allow_private."}
	}
	key, err := signingKey(o.Secret)
	if err != nil {
		return nil, err
	}
	if o.PerSecond <= 0 {
		return nil, &fault.Error{Key: "config.calls_per_second", Value: fmt.Sprint(o.PerSecond), Msg: "not more than nothing", Hint: "Leave it out for 5."}
	}
	budget, err := p.Budgets.For("webhook "+u.Host, httpx.Policy{Name: "calls in a second", Limit: o.PerSecond, Per: time.Second})
	if err != nil {
		return nil, fault.Wrap(err, "webhook")
	}
	var auth httpx.Authorizer
	if !o.Token.IsZero() {
		auth = httpx.Bearer(o.Token)
	}
	hidden := []secret.String{o.URL}
	if u.Path != "" && u.Path != "/" {
		hidden = append(hidden, secret.New(strings.TrimPrefix(u.EscapedPath(), "/")))
	}
	c, err := httpx.New(httpx.Options{Name: p.Sync, Hosts: []string{u.Host}, AllowPrivate: o.Private, Auth: auth, Budget: budget, Secrets: hidden,
		Log: p.Log, Now: p.Now, Sleep: p.Sleep, Rand: p.Rand})
	if err != nil {
		return nil, fault.Wrap(err, "webhook")
	}
	return &destination{opt: *o, host: u.Host, key: key, now: p.Now, api: &vendorapi.API{Name: "the webhook", Base: o.URL.Reveal(), Client: c, Judge: judge}}, nil
}

// signingKey reads whsec_ + base64, or takes the text's bytes.
func signingKey(s secret.String) ([]byte, error) {
	text := s.Reveal()
	if text == "" {
		return nil, nil
	}
	key := []byte(text)
	if encoded, ok := strings.CutPrefix(text, "whsec_"); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, &fault.Error{Key: "config.secret", Msg: "begins with whsec_ and is not base64", Hint: "Copy the receiver's signing secret again."}
		}
	}
	if len(key) < shortestSecret {
		return nil, &fault.Error{Key: "config.secret", Msg: fmt.Sprintf("shorter than %d bytes", shortestSecret), Hint: "Make one with `openssl rand -hex 32` and give it to the receiver too."}
	}
	return key, nil
}

// Close releases connections.
func (d *destination) Close() error { d.api.Client.Close(); return nil }

// Capabilities declares events, and states of things told as they change.
func (d *destination) Capabilities(object string) (activate.Capabilities, error) {
	if object == "" {
		return activate.Capabilities{}, &fault.Error{Key: "object", Msg: "the webhook's type of message is missing", Hint: "Write a name such as lead.scored; it arrives as `type`."}
	}
	sum := sha256.Sum256([]byte(d.opt.URL.Reveal()))
	return activate.Capabilities{Account: d.host + " " + base64.RawURLEncoding.EncodeToString(sum[:6]), Ops: []activate.Op{activate.Event, activate.Upsert},
		MaxBatch: d.opt.Batch, MaxBytes: 1 << 20, PerRow: true, Repeat: d.opt.Idempotent, Undo: activate.UndoNone, PerSecond: d.opt.PerSecond}, nil
}

// reserved are the names that the envelope of a message has.
var reserved = []string{"type", "timestamp", "data"}

// Check has nothing to ask: a webhook says nothing of itself, and a call to try it would start a workflow.
func (d *destination) Check(_ context.Context, t activate.Target) error {
	if slices.Contains(reserved, t.Object) {
		return &fault.Error{Key: "object", Value: t.Object, Msg: "not a type of message", Hint: "Write a name such as lead.scored."}
	}
	if len(t.Fields) == 0 {
		return &fault.Error{Key: "mapping", Msg: "nothing would be told", Hint: "Map at least one field."}
	}
	return nil
}

// message is what arrives.
type message struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      any    `json:"data"`
}

// Send makes one call. Any 2xx says that the message was taken; a webhook's answer tells no more.
func (d *destination) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	at := d.now().UTC()
	m := message{Type: b.Target.Object, Timestamp: at.Format(time.RFC3339)}
	rows := make([]map[string]json.RawMessage, len(b.Rows))
	ids := make([]string, len(b.Rows))
	for i, r := range b.Rows {
		key, err := json.Marshal(r.Key)
		if err != nil {
			return activate.Answer{}, fmt.Errorf("webhook: spell a key: %w", err)
		}
		id, err := json.Marshal(r.IdemKey)
		if err != nil {
			return activate.Answer{}, fmt.Errorf("webhook: spell an id: %w", err)
		}
		rows[i] = map[string]json.RawMessage{b.Target.Key: key}
		if d.opt.Batch > 1 {
			rows[i]["id"] = id
		}
		for f, v := range r.Values {
			rows[i][f] = v
		}
		ids[i] = r.IdemKey
	}
	m.Data = rows
	if d.opt.Batch == 1 && len(rows) == 1 {
		m.Data = rows[0]
	}
	body, err := vendorapi.JSON(m)
	if err != nil {
		return activate.Answer{}, fmt.Errorf("webhook: spell a message: %w", err)
	}
	id := ids[0]
	if len(ids) > 1 {
		sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
		id = "batch_" + base64.RawURLEncoding.EncodeToString(sum[:18])
	}
	h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)}, "Idempotency-Key": {id}}
	if d.key != nil {
		h.Set("Webhook-Signature", Sign(d.key, id, at, body))
	}
	repeat := httpx.RepeatNever
	if d.opt.Idempotent {
		repeat = httpx.RepeatSafe
	}
	resp, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodPost, Header: h, Raw: body, Type: "application/json", Repeat: repeat}, nil)
	if err != nil {
		return activate.Answer{}, err
	}
	a := activate.Answer{RequestID: resp.RequestID}
	for _, r := range b.Rows {
		a.Results = append(a.Results, activate.Result{ID: r.ID, Status: activate.Acked})
	}
	return a, nil
}

// Sign is the value of webhook-signature: Standard Webhooks, symmetric scheme v1.
func Sign(key []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// judge finds refusals that come with a 2xx, and says what the usual refusals mean.
func judge(r *httpx.Response) httpx.Verdict {
	switch {
	case r.Status == http.StatusGone:
		return httpx.Verdict{Class: httpx.Config, Message: "the webhook is gone for good", Hint: "Make a new one at the receiver and set its address in url, or remove the sync."}
	case r.Status == http.StatusNotFound:
		return httpx.Verdict{Class: httpx.Config, Message: "nothing listens at this address", Hint: "Switch the workflow on (n8n and Make answer 404 while it is off), or copy the address again."}
	case r.Status < 200 || r.Status > 299:
		return httpx.Verdict{}
	}
	var said struct {
		OK     *bool           `json:"ok"`
		Status json.RawMessage `json:"status"`
		Error  json.RawMessage `json:"error"`
	}
	if json.Unmarshal(r.Body, &said) != nil {
		return httpx.Verdict{} // any text is a fine answer: "Accepted" is Make's
	}
	var status string
	if json.Unmarshal(said.Status, &status) != nil {
		status = "" // a number or nothing: the HTTP status has spoken
	}
	bad := said.OK != nil && !*said.OK || slices.Contains([]string{"error", "failed", "failure"}, strings.ToLower(status)) ||
		len(said.Error) > 0 && string(said.Error) != "null" && string(said.Error) != "false" && string(said.Error) != `""`
	if !bad {
		return httpx.Verdict{}
	}
	return httpx.Verdict{Class: httpx.Permanent, Message: "a success with an error inside: " + fault.Shorten(string(r.Body), 200)}
}
