// Package slack posts a report to a Slack channel: the first screen and the key figures as one message, and below it, in
// its thread, the details, the charts as pictures and the workbook.
//
// A report is not posted twice (P6): every message carries the delivery's key in its metadata, and when an earlier answer
// was lost the channel's history is looked through for that key before anything is posted. What is missing of a thread is
// then added, and nothing that is there.
//
// It must not ask queries or change content, and knows of Slack what it needs for this: blocks and their limits, files,
// history.
package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"millrace/activate/receipt"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/secret"
	"millrace/reports"
)

// Options are the channel's keys in a report's file.
type Options struct {
	Channel      string        `yaml:"channel" required:"true" doc:"where to post: a channel's id such as C0123456789, or its name such as #revenue"`
	Token        secret.String `yaml:"token" required:"true" doc:"a bot token with chat:write, files:write, channels:history and channels:read (for a private channel groups:history and groups:read)" example:"${SLACK_TOKEN}"`
	Thread       bool          `yaml:"thread" default:"true" doc:"post the details into the message's thread"`
	Charts       int           `yaml:"charts" default:"3" min:"0" max:"10" doc:"how many charts are attached to the thread as pictures"`
	Workbook     bool          `yaml:"workbook" default:"true" doc:"attach the workbook to the thread"`
	BaseURL      string        `yaml:"base_url" default:"https://slack.com/api" doc:"where the Web API is"`
	AllowPrivate bool          `yaml:"allow_private" doc:"allow a base_url on this machine or a private address"`
	Pause        time.Duration `yaml:"pause" default:"1100ms" doc:"the shortest time between two messages: Slack takes about one a second"`

	sleep func(ctx context.Context, d time.Duration) error // nil: waits; tests do not
}

// channelID is how Slack names channels, private channels and direct messages.
var channelID = regexp.MustCompile(`^[CGD][A-Z0-9]{7,}$`)

// Kind is the channel's entry in the catalog. workbook renders the file that is attached.
func Kind(workbook func(*reports.Document) ([]byte, error)) reports.ChannelKind {
	return reports.ChannelKind{
		Name:    "slack",
		Summary: "a message with the first screen and key figures; details, charts and workbook in its thread",
		Options: func() any { return &Options{} },
		Check: func(v any) error {
			o, ok := v.(*Options)
			if !ok {
				return fmt.Errorf("options of channel slack are %T", v)
			}
			return o.check()
		},
		Open: func(p reports.ChannelParams) (reports.Channel, error) {
			o, ok := p.Options.(*Options)
			if !ok {
				return nil, fmt.Errorf("options of channel slack are %T", p.Options)
			}
			return newChannel(*o, workbook, p.Log)
		},
	}
}

func (o *Options) check() error {
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return &fault.Error{Key: "base_url", Value: o.BaseURL, Msg: "not an address", Hint: "Write it as https://slack.com/api, or leave it out."}
	}
	if o.Pause < 0 || o.Pause > time.Minute {
		return &fault.Error{Key: "pause", Value: o.Pause.String(), Msg: "not between nothing and a minute"}
	}
	name := strings.TrimPrefix(o.Channel, "#")
	if !channelID.MatchString(o.Channel) && (name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, " .")) {
		return &fault.Error{Key: "channel", Value: o.Channel, Msg: "not a channel", Hint: "Write its id (C0123456789, at the end of the channel's details) or its name (#revenue)."}
	}
	return nil
}

type channel struct {
	opt      Options
	api      *client
	workbook func(*reports.Document) ([]byte, error)
	log      *slog.Logger
}

func newChannel(o Options, workbook func(*reports.Document) ([]byte, error), log *slog.Logger) (*channel, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	api, err := newClient(o, log)
	if err != nil {
		return nil, err
	}
	return &channel{opt: o, api: api, workbook: workbook, log: log}, nil
}

func (c *channel) Name() string   { return "slack" }
func (c *channel) Target() string { return c.opt.Channel }

// Reach asks Slack whose token it is and whether it sees the channel. Nothing is posted.
func (c *channel) Reach(ctx context.Context) (string, error) {
	who, err := c.api.whoami(ctx)
	if err != nil {
		return "", err
	}
	if _, err := c.resolve(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s in %s, channel %s", who.User, who.Team, c.opt.Channel), nil
}

// Deliver posts the message and then fills its thread. When the message was posted but its thread could not be finished,
// the receipt is Unknown and names the message: Settle finds it and finishes.
func (c *channel) Deliver(ctx context.Context, key string, d *reports.Document) (receipt.Receipt, error) {
	r := receipt.Receipt{Status: receipt.Rejected}
	id, err := c.resolve(ctx)
	if err != nil {
		return r, err
	}
	ts, err := c.api.post(ctx, id, "", message(d, c.opt.Thread), tag{key, "main"})
	if err != nil {
		if mayHaveArrived(err) {
			r.Status = receipt.Unknown
		}
		return r, err
	}
	return c.finish(ctx, id, ts, key, d, nil)
}

// Settle looks for a message with the key. If there is one its thread is finished and the receipt is Delivered; if the
// history was read to its end without it, Rejected: nothing arrived, so it may be posted.
func (c *channel) Settle(ctx context.Context, key string, d *reports.Document) (receipt.Receipt, error) {
	id, err := c.resolve(ctx)
	if err != nil {
		return receipt.Receipt{Status: receipt.Unknown}, err
	}
	ts, err := c.find(ctx, id, key)
	if err != nil {
		return receipt.Receipt{Status: receipt.Unknown}, err
	}
	if ts == "" {
		return receipt.Receipt{Status: receipt.Rejected}, nil
	}
	there, err := c.present(ctx, id, ts, key)
	if err != nil {
		return c.receipt(id, ts, receipt.Unknown), err
	}
	return c.finish(ctx, id, ts, key, d, there)
}

func (c *channel) receipt(id, ts string, status receipt.Status) receipt.Receipt {
	return receipt.Receipt{Status: status, Ref: "slack:" + id + "/" + ts}
}

// finish posts what of the thread is not there yet.
func (c *channel) finish(ctx context.Context, id, ts, key string, d *reports.Document, there map[string]bool) (receipt.Receipt, error) {
	err := c.thread(ctx, id, ts, key, d, there)
	if err != nil {
		return c.receipt(id, ts, receipt.Unknown), fault.Hint(fmt.Errorf("the message was posted, its thread is not complete: %w", err), "Run again: what is missing is added, nothing is posted twice.")
	}
	return c.receipt(id, ts, receipt.Delivered), nil
}

func (c *channel) thread(ctx context.Context, id, ts, key string, d *reports.Document, there map[string]bool) error {
	if c.opt.Thread {
		for i, m := range details(d) {
			part := fmt.Sprintf("detail-%d", i+1)
			if there[part] {
				continue
			}
			if _, err := c.api.post(ctx, id, ts, m, tag{key, part}); err != nil {
				return fmt.Errorf("post details: %w", err)
			}
		}
	}
	// One call shares all files at once, so either all are in the thread or none.
	for name := range there {
		if strings.HasPrefix(name, "file "+d.Report+"-"+d.PeriodKey) {
			return nil
		}
	}
	files, err := c.files(d)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return nil
	}
	return fault.Wrap(c.api.share(ctx, id, ts, files), "attach files")
}

// file is one attachment.
type file struct {
	name, title string
	data        []byte
}

func (c *channel) files(d *reports.Document) ([]file, error) {
	var out []file
	for _, b := range d.Blocks {
		ch, ok := b.(*reports.Chart)
		if !ok || len(out) == c.opt.Charts {
			continue
		}
		png, err := ch.Drawing().PNG(2)
		if err != nil {
			return nil, fmt.Errorf("draw %q: %w", ch.Title, err)
		}
		if png != nil {
			out = append(out, file{name: fmt.Sprintf("%s-%s-chart-%d.png", d.Report, d.PeriodKey, len(out)+1), title: ch.Title, data: png})
		}
	}
	if c.opt.Workbook && c.workbook != nil {
		data, err := c.workbook(d)
		if err != nil {
			return nil, fmt.Errorf("workbook: %w", err)
		}
		out = append(out, file{name: d.Report + "-" + d.PeriodKey + ".xlsx", title: d.Title + ", " + d.Period.Label(), data: data})
	}
	return out, nil
}

// resolve gives the id of the channel: history and files take no names.
func (c *channel) resolve(ctx context.Context) (string, error) {
	if channelID.MatchString(c.opt.Channel) {
		return c.opt.Channel, nil
	}
	want := strings.TrimPrefix(c.opt.Channel, "#")
	var names []string
	for cursor := ""; ; {
		page, err := c.api.channels(ctx, cursor)
		if err != nil {
			return "", fmt.Errorf("look for channel %s: %w", c.opt.Channel, err)
		}
		for _, ch := range page.Channels {
			if ch.Name == want {
				return ch.ID, nil
			}
			names = append(names, "#"+ch.Name)
		}
		if cursor = page.Metadata.NextCursor; cursor == "" {
			return "", &fault.Error{Key: "channel", Value: c.opt.Channel, Msg: "the workspace has no such channel that the app can see",
				Hint: strings.TrimSpace("Invite the app to it. " + fault.DidYouMean("#"+want, names))}
		}
	}
}

// maxPages bounds the search in a busy channel's history: 40 pages of 100 messages.
const maxPages = 40

// find looks for the message with the key, newest first; "" when the history was read to its end without it.
func (c *channel) find(ctx context.Context, id, key string) (string, error) {
	cursor := ""
	for range maxPages {
		page, err := c.api.history(ctx, id, cursor)
		if err != nil {
			return "", fmt.Errorf("look for an earlier message: %w", err)
		}
		for _, m := range page.Messages {
			if k, part := m.tag(); k == key && part == "main" {
				return m.TS, nil
			}
		}
		if cursor = page.Metadata.NextCursor; cursor == "" {
			return "", nil
		}
	}
	return "", &fault.Error{Msg: "the channel has too many messages to be sure that the report is not among them",
		Hint: "Look in Slack; if it is not there, run again with --force."}
}

// present lists the parts of a thread that are there: detail-1, file name.
func (c *channel) present(ctx context.Context, id, ts, key string) (map[string]bool, error) {
	there := map[string]bool{}
	for cursor := ""; ; {
		page, err := c.api.replies(ctx, id, ts, cursor)
		if err != nil {
			return nil, fmt.Errorf("look what the thread holds: %w", err)
		}
		for _, m := range page.Messages {
			if k, part := m.tag(); k == key {
				there[part] = true
			}
			for _, f := range m.Files {
				there["file "+f.Name] = true
			}
		}
		if cursor = page.Metadata.NextCursor; cursor == "" {
			return there, nil
		}
	}
}

// mayHaveArrived reports whether Slack may have taken what an error was the answer to.
func mayHaveArrived(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	return httpx.ClassOf(err) == httpx.Unknown
}
