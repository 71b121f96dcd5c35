// Package slack is the destination of Slack messages: one a business event (mode event), or one a row that is kept as the
// row changes (mode upsert: posted once, then chat.update). Undo class none: what was read cannot be unread.
//
// Slack knows no idempotency key, so each message carries its own in its metadata: the row's key, and a seal of each value.
// After a lost answer the channel's history is searched for them before anything is posted again (P6). Only messages of
// the app's own bot are believed.
//
// It must not ping a whole channel because a company is called <!channel>, nor take answers: a button that is more than a
// link needs a server that Slack can reach.
package slack

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
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
	Token     secret.String `yaml:"token" required:"true" doc:"bot token (xoxb-...) of an app with chat:write, channels:read, channels:history (and groups: for private channels)" example:"${SLACK_TOKEN}"`
	Team      string        `yaml:"team_id" required:"true" doc:"id of the workspace (T...), so that another token of the same workspace finds the same messages" example:"T0123456789"`
	Mentions  bool          `yaml:"allow_mentions" doc:"let texts call @channel, @here, @everyone and groups"`
	LookBack  int           `yaml:"look_back_days" default:"30" min:"1" max:"365" doc:"days of the channel's history that are searched for a message whose answer was lost; a thread must be younger"`
	PerSecond float64       `yaml:"messages_per_second" default:"1" doc:"messages a second at most; Slack allows about 1 a channel"`
	BaseURL   string        `yaml:"base_url" default:"https://slack.com/api" doc:"address of the Web API"`
	Private   bool          `yaml:"allow_private" doc:"allow a private or loopback address (simulators)"`
}

// Connector is the catalog's entry.
func Connector() activate.Connector {
	return activate.Connector{Name: "slack", Summary: "Slack: messages, posted once or kept up to date", Options: func() any { return &Options{} }, Open: open}
}

type destination struct {
	opt  Options
	sync string
	now  func() time.Time
	api  *vendorapi.API

	bot   string            // id of the token's bot, once asked
	rooms map[string]string // ids of channels by object, once asked
}

// The names of fields.
const (
	fieldText    = "text"
	fieldBlocks  = "blocks"
	fieldButtons = "buttons"
	fieldThread  = "thread"
)

var fields = []string{fieldText, fieldBlocks, fieldButtons, fieldThread}

// updatesPerMinute is Slack's tier 3, of chat.update and of reading a channel (docs.slack.dev, "Rate limits").
const updatesPerMinute = 50

func open(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*Options)
	if !ok {
		return nil, fmt.Errorf("slack: options are %T", p.Options)
	}
	u, err := vendorapi.Address("config.base_url", o.BaseURL, "https://slack.com/api")
	if err != nil {
		return nil, err
	}
	if o.PerSecond <= 0 {
		return nil, &fault.Error{Key: "config.messages_per_second", Value: fmt.Sprint(o.PerSecond), Msg: "not more than nothing", Hint: "Leave it out for 1."}
	}
	if !teamID.MatchString(o.Team) {
		return nil, &fault.Error{Key: "config.team_id", Value: o.Team, Msg: "not the id of a workspace", Hint: "It begins with T: open the workspace in a browser, it is in the address after /client/."}
	}
	budget, err := p.Budgets.For("slack "+o.Team,
		httpx.Policy{Name: "messages in a second", Path: regexp.MustCompile(`/chat\.postMessage$`), Limit: o.PerSecond, Per: time.Second},
		httpx.Policy{Name: "updates in a minute", Path: regexp.MustCompile(`/chat\.update$`), Limit: updatesPerMinute * o.PerSecond, Per: time.Minute},
		httpx.Policy{Name: "reads in a minute", Path: regexp.MustCompile(`/conversations\.(history|replies)$`), Limit: updatesPerMinute * o.PerSecond, Per: time.Minute})
	if err != nil {
		return nil, fault.Wrap(err, "slack")
	}
	c, err := httpx.New(httpx.Options{Name: p.Sync, Hosts: []string{u.Host}, AllowPrivate: o.Private, Auth: httpx.Bearer(o.Token), Budget: budget,
		Log: p.Log, Now: p.Now, Sleep: p.Sleep, Rand: p.Rand})
	if err != nil {
		return nil, fault.Wrap(err, "slack")
	}
	return &destination{opt: *o, sync: p.Sync, now: p.Now, rooms: map[string]string{},
		api: &vendorapi.API{Name: "Slack", Base: vendorapi.Trim(o.BaseURL), Client: c, Judge: judge}}, nil
}

var (
	teamID    = regexp.MustCompile(`^[TE][A-Z0-9]{5,}$`)
	channelID = regexp.MustCompile(`^[CG][A-Z0-9]{6,}$`)
)

// Close releases connections.
func (d *destination) Close() error { d.api.Client.Close(); return nil }

// batch is how many messages one call of Send takes: after a crash that many are searched for in one reading of the history.
const batch = 20

// Capabilities declares messages that are told once, and messages that are kept.
func (d *destination) Capabilities(object string) (activate.Capabilities, error) {
	name := strings.TrimPrefix(object, "#")
	if name == "" || strings.ContainsAny(name, " #@") {
		return activate.Capabilities{}, &fault.Error{Key: "object", Value: object, Msg: "not a channel", Hint: `Write the channel's id (C0123456789) or its name ("#sales").`}
	}
	return activate.Capabilities{Account: d.opt.Team, Ops: []activate.Op{activate.Event, activate.Upsert}, MaxBatch: batch, PerRow: true, TellsNew: true,
		Undo: activate.UndoNone, PerSecond: d.opt.PerSecond}, nil
}

// Check asks whose token it is and whether the channel can be written to.
func (d *destination) Check(ctx context.Context, t activate.Target) error {
	var l fault.List
	for _, f := range t.Fields {
		if f != t.Key && !slices.Contains(fields, f) {
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "a message has no such field", Hint: fault.DidYouMean(f, fields)})
		}
	}
	if !slices.Contains(t.Fields, fieldText) {
		l.Add(&fault.Error{Key: "mapping.text", Msg: "a message needs a text; with blocks it is what notifications show", Hint: "Map text from a column."})
	}
	if err := l.Or(); err != nil {
		return err
	}
	id, err := d.channel(ctx, t.Object)
	if err != nil {
		return err
	}
	var out struct {
		Channel struct {
			Name     string `json:"name"`
			Archived bool   `json:"is_archived"`
			Member   bool   `json:"is_member"`
		} `json:"channel"`
	}
	if err := d.get(ctx, "conversations.info", url.Values{"channel": {id}}, &out); err != nil {
		return err
	}
	switch {
	case out.Channel.Archived:
		return &fault.Error{Key: "object", Value: t.Object, Msg: "this channel is archived", Hint: "Name another channel."}
	case !out.Channel.Member:
		return &fault.Error{Key: "object", Value: t.Object, Msg: "the app is not in this channel, so it could not look for a message whose answer was lost", Hint: "Write /invite @app in the channel."}
	}
	return nil
}

// whoami asks once whose token it is, and refuses one of another workspace.
func (d *destination) whoami(ctx context.Context) error {
	if d.bot != "" {
		return nil
	}
	var me struct {
		Team string `json:"team_id"`
		Name string `json:"team"`
		Bot  string `json:"bot_id"`
	}
	if _, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodPost, Path: "/auth.test", Repeat: httpx.RepeatSafe}, &me); err != nil {
		return err
	}
	if me.Team != d.opt.Team {
		return &fault.Error{Key: "config.team_id", Value: d.opt.Team, Msg: fmt.Sprintf("the token belongs to the workspace %s (%s)", me.Team, me.Name), Hint: "Use a token of this workspace, or write " + me.Team + "."}
	}
	if me.Bot == "" {
		return &fault.Error{Key: "config.token", Msg: "not the token of a bot", Hint: "Use the Bot User OAuth Token (xoxb-...), not a person's."}
	}
	d.bot = me.Bot
	return nil
}

// channel gives the id of an object; names are looked up once.
func (d *destination) channel(ctx context.Context, object string) (string, error) {
	if err := d.whoami(ctx); err != nil {
		return "", err
	}
	if channelID.MatchString(object) {
		return object, nil
	}
	if id := d.rooms[object]; id != "" {
		return id, nil
	}
	name := strings.TrimPrefix(object, "#")
	var names []string
	for cursor := ""; ; {
		var page struct {
			Channels []struct {
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"channels"`
			Next next `json:"response_metadata"`
		}
		q := url.Values{"types": {"public_channel,private_channel"}, "exclude_archived": {"true"}, "limit": {"200"}}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		if err := d.get(ctx, "conversations.list", q, &page); err != nil {
			return "", err
		}
		for _, c := range page.Channels {
			if c.Name == name {
				d.rooms[object] = c.ID
				return c.ID, nil
			}
			names = append(names, "#"+c.Name)
		}
		if page.Next.Cursor == "" || page.Next.Cursor == cursor {
			break
		}
		cursor = page.Next.Cursor
	}
	hint := fault.DidYouMean(object, names)
	return "", &fault.Error{Key: "object", Value: object, Msg: "the app sees no such channel", Hint: strings.TrimSpace(hint + " A private channel is seen after /invite @app.")}
}

type next struct {
	Cursor string `json:"next_cursor"`
}

func (d *destination) get(ctx context.Context, method string, q url.Values, out any) error {
	_, err := d.api.Do(ctx, vendorapi.Call{Method: http.MethodGet, Path: "/" + method, Query: q}, out)
	return err
}
