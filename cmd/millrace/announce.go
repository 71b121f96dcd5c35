package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"

	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// announce asks or tells people: the project's command and its Slack channel. Under other targets than prod somebody is
// looking at the screen, and nobody else is told. A message that could not be delivered is said and stops nothing.
func (a *app) announce(ctx context.Context, subject, text string) {
	if a.proj == nil || a.proj.Target != prodTarget {
		return
	}
	told := func(how string, err error) {
		if err != nil {
			a.con.Step("tell", console.Warn, how, fault.Shorten(err.Error(), 300), 0)
			return
		}
		a.con.Step("tell", console.OK, how, subject, 0)
	}
	if argv := a.proj.File.Alerts.OnWaiting; len(argv) > 0 {
		told(filepath.Base(argv[0]), a.tellCommand(ctx, argv, text))
	}
	if a.proj.File.Alerts.Slack != nil {
		told("slack", a.tellSlack(ctx, text))
	}
}

func (a *app) tellCommand(ctx context.Context, argv []string, text string) error {
	ctx, cancel := context.WithTimeout(ctx, alertTime)
	defer cancel()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.Stdin = a.proj.Dir, strings.NewReader(text)
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("alerts.on_waiting: %w %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (a *app) tellSlack(ctx context.Context, text string) error {
	o := a.proj.File.Alerts.Slack
	u, err := url.Parse(o.BaseURL)
	if err != nil {
		return err
	}
	c, err := httpx.New(httpx.Options{Name: "alerts.slack", Hosts: []string{u.Host}, AllowPrivate: o.Private, Auth: httpx.Bearer(o.Token), Log: a.log, Now: a.clock, Sleep: sleep})
	if err != nil {
		return err
	}
	defer c.Close()
	body, err := json.Marshal(map[string]any{"channel": o.Channel, "text": text, "unfurl_links": false})
	if err != nil {
		return err
	}
	resp, err := c.Do(ctx, httpx.Request{Method: http.MethodPost, URL: strings.TrimRight(o.BaseURL, "/") + "/chat.postMessage", Body: body, Repeat: httpx.RepeatNever,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}})
	if err != nil {
		return err
	}
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(resp.Body, &answer); err != nil {
		return fmt.Errorf("the answer of Slack cannot be read: %w", err)
	}
	if !answer.OK {
		return &fault.Error{Key: "alerts.slack", Msg: "Slack refused the message: " + answer.Error, Hint: "Check the token's scope chat:write, and that the app is in the channel."}
	}
	return nil
}
