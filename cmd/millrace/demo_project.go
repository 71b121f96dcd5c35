package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/twin"
)

// demoEdit is a change that the demo makes to a file that init wrote.
type demoEdit struct {
	file string
	edit func(string) string
}

// demoProject writes the project: what init writes for these tools, pointed at the simulated vendors.
func (a *app) demoProject(ctx context.Context, dir string, f demoFlags) error {
	b := a.inside(dir)
	known, err := toolSets()
	if err != nil {
		return err
	}
	// The twin speaks as the tools do; a warehouse's copies of their tables fill the same relations.
	known = slices.DeleteFunc(known, func(set string) bool { return strings.HasPrefix(set, "fivetran_") })
	if err := b.init(dir, initParams{name: "demo", with: known}); err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	edits := []demoEdit{
		{project.FileName, func(s string) string {
			return s + fmt.Sprintf("\n# The vendors are simulated, inside every command that needs them. Their day is the project's day: `millrace run --now\n"+
				"# 2026-03-09T09:00:00Z` plays the market up to that Monday.\ntwin:\n  address: %s\n  size: %s\n  seed: %d\n  files: data/twin\n", address, f.size, f.seed)
		}},
		{"sql/seeds/sales_marketing_costs.csv", func(s string) string { return strings.TrimRight(s, "\n") + demoCosts(f.size) }},
		{"models/lead_routing.yml", func(s string) string {
			return s + "owner: demo\nmode: live   # the demo's CRM is simulated; anywhere else a policy runs beside people first\n" +
				"compare: {relation: core.people, subject: person_id, action: lead_route}   # what the representatives did by hand\n"
		}},
	}
	syncs, err := filepath.Glob(filepath.Join(dir, "activate", "*.yml"))
	if err != nil {
		return err
	}
	for _, path := range syncs {
		edits = append(edits, demoEdit{"activate/" + filepath.Base(path), func(s string) string {
			s = strings.Replace(s, "live: false", "live: true   # the only destination is simulated", 1)
			return strings.Replace(s, "guardrails:\n", "guardrails:\n  first_run: allow   # in earnest the first plan waits for a person\n", 1)
		}})
	}
	edits = append(edits, demoEdit{"extract/hubspot.yml", func(s string) string {
		return strings.Replace(s, "config:\n", "config:\n  rate_limits: {ten_seconds: 190, search: 40}   # simulated: no need to wait\n", 1)
	}})
	for _, e := range edits {
		path := filepath.Join(dir, filepath.FromSlash(e.file))
		text, err := os.ReadFile(path)
		if err != nil {
			return fault.Wrap(err, "demo project")
		}
		if err := os.WriteFile(path, []byte(e.edit(string(text))), 0o644); err != nil {
			return fault.Wrap(err, "demo project")
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(demoEnv("http://"+address)), 0o600); err != nil {
		return fault.Wrap(err, "demo project")
	}
	return a.demoProperties(ctx, dir)
}

// demoCosts are the invented company's monthly sales and marketing costs beside media, a share of them for each size.
func demoCosts(size string) string {
	share := map[string]int{"tiny": 1, "small": 8, "medium": 30, "large": 120}[size]
	var b strings.Builder
	for _, month := range []string{"2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01", "2026-03-01"} {
		for _, c := range []struct {
			category string
			amount   int
		}{{"pay", 9_000}, {"tools", 900}, {"agency", 1_200}, {"overhead", 1_500}} {
			fmt.Fprintf(&b, "\n%s,%s,%d,USD,invented", month, c.category, c.amount*share)
		}
	}
	return b.String() + "\n"
}

// demoSettle brings what the moments left (plans, undone rows) into the build, so that the next run finds nothing new.
func (a *app) demoSettle(ctx context.Context, dir string) (err error) {
	b := a.inside(dir)
	s, err := b.begin(ctx, "build")
	if err != nil {
		return err
	}
	defer func() { err = s.end(ctx, err, nil) }()
	_, err = b.build(ctx, s, buildOptions{quiet: true})
	return err
}

// demoEnv are the variables of .env.example, answered for the simulated vendors.
func demoEnv(url string) string {
	c := twin.DefaultCredentials()
	return strings.Join([]string{
		"# Credentials of simulated vendors: nothing real is behind them.",
		"HUBSPOT_TOKEN=" + c.HubSpotToken, "HUBSPOT_BASE_URL=" + url, "HUBSPOT_ALLOW_PRIVATE=true",
		"STRIPE_API_KEY=" + c.StripeKey, "STRIPE_BASE_URL=" + url, "STRIPE_ALLOW_PRIVATE=true",
		"GOOGLE_CLIENT_ID=" + c.GoogleClientID, "GOOGLE_CLIENT_SECRET=" + c.GoogleClientSecret, "GOOGLE_REFRESH_TOKEN=" + c.GoogleRefreshToken,
		"GOOGLE_TOKEN_URL=" + url + "/token", "GOOGLE_ALLOW_PRIVATE=true",
		"GOOGLE_ADS_CUSTOMER_ID=" + c.GoogleAdsCustomer, "GOOGLE_ADS_DEVELOPER_TOKEN=" + c.GoogleDeveloperToken, "GOOGLE_ADS_BASE_URL=" + url,
		"GOOGLE_AUDIENCE_LIST=" + c.AudienceList, "GOOGLE_CUSTOMER_MATCH_TERMS=true", "GOOGLE_DATA_MANAGER_BASE_URL=" + url,
		"GA4_PROPERTY_ID=" + c.GA4Property, "GA4_BASE_URL=" + url,
		"SEGMENT_DATA=data/twin/product_events", "SLACK_TOKEN=" + c.SlackToken, "SLACK_BASE_URL=" + url + "/api", "SLACK_CHANNEL=" + demoChannel, "SLACK_ALLOW_PRIVATE=true", "",
	}, "\n")
}

// demoChannel is where the simulated Slack workspace wants revenue reports.
const demoChannel = "revenue"

// freeAddress is a loopback address that nobody serves at this moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fault.Wrap(err, "find a free port")
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// demoProperties makes the contact properties that the sync writes, as a person would in HubSpot's settings.
func (a *app) demoProperties(ctx context.Context, dir string) error {
	b := a.inside(dir)
	p, err := b.project()
	if err != nil {
		return err
	}
	h, err := hostTwin(ctx, p)
	if err != nil {
		return err
	}
	defer h.Close()
	for _, prop := range [][3]string{
		{"millrace_score", "number", "number"}, {"millrace_score_reason", "string", "textarea"}, {"millrace_person_id", "string", "text"},
		{"millrace_next_step", "string", "text"}, {"millrace_owner", "string", "text"},
	} {
		body, err := json.Marshal(map[string]string{"name": prop[0], "label": strings.ReplaceAll(prop[0], "_", " "), "type": prop[1], "fieldType": prop[2], "groupName": "contactinformation"})
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/crm/v3/properties/contacts", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+twin.DefaultCredentials().HubSpotToken)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fault.Wrap(err, "make the CRM property %s", prop[0])
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return fault.Wrap(err, "make the CRM property %s", prop[0])
		}
		if resp.StatusCode >= 300 && resp.StatusCode != http.StatusConflict {
			return fmt.Errorf("make the CRM property %s: %s: %s", prop[0], resp.Status, text)
		}
	}
	return nil
}
