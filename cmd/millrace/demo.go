package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/activate"
	"millrace/internal/console"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/twin"
	"millrace/models"
)

type demoFlags struct {
	dir, size string
	seed      uint64
}

// demoResult is what `demo --json` prints.
type demoResult struct {
	Project string       `json:"project"`
	Days    []demoDay    `json:"days"`
	Moments []demoMoment `json:"moments"`
	Seconds float64      `json:"seconds"`
}

// demoDay is one run of the demo.
type demoDay struct {
	Date      string                      `json:"date"`
	Extract   map[string]int64            `json:"extract"` // source.stream: rows
	Models    demoModels                  `json:"models"`
	Tests     demoTests                   `json:"tests"`
	KPIs      map[string]*json.RawMessage `json:"kpis"` // null where the KPI cannot be stated
	Decisions map[string]int              `json:"decisions"`
	Sync      map[string]demoSync         `json:"sync"`
	Reports   []demoReport                `json:"reports"`
	Seconds   float64                     `json:"seconds"`
	Errors    []string                    `json:"errors,omitempty"`
}

type demoModels struct {
	Built   int `json:"built"`
	Skipped int `json:"skipped"`
	Failed  int `json:"failed"`
}

type demoTests struct {
	Pass  int `json:"pass"`
	Warn  int `json:"warn"`
	Error int `json:"error"`
}

type demoSync struct {
	Planned  int `json:"planned"`
	Acked    int `json:"acked"`
	Rejected int `json:"rejected"`
	Unknown  int `json:"unknown"`
}

type demoReport struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
	Path    string `json:"path"`
}

// demoMoment is one thing that the demo acts out after its two days.
type demoMoment struct {
	Name string `json:"name"`
	Told string `json:"told"` // what happened, for a person
}

func newDemoCmd(a *app) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:     "demo",
		GroupID: "start",
		Short:   "Show everything on simulated vendors: two days of work, and four moments that matter",
		Long: `Makes a project in a folder, starts simulated vendors (HubSpot, Stripe, Google Ads, GA4, Slack) inside this process, runs
the nightly job for two days, and then acts out four moments: a mapping mistake stopped before it is sent, a good sync sent,
that sync undone, and a threshold moved with the people who would move. No account anywhere is needed and nothing leaves this
machine. The project stays behind and works: look around in it, change it, run it again.`,
		Example: "  millrace demo\n  millrace demo --dir try --size tiny --json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.dir, "dir", "millrace-demo", "folder of the project; it must not exist yet")
	cmd.Flags().StringVar(&f.size, "size", "small", "size of the simulated market: tiny, small, medium or large")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the simulated market")
	return cmd
}

func (a *app) demo(ctx context.Context, f demoFlags) error {
	began := a.clock()
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return fault.Wrap(err, "demo")
	}
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return &fault.Error{Key: "--dir", Value: f.dir, Msg: "the folder is there already", Hint: "Name another one with --dir, or remove it."}
	}
	a.con.Say("A project over simulated vendors, in %s", dir)
	if err := a.demoProject(ctx, dir, f); err != nil {
		return err
	}
	res := &demoResult{Project: dir}
	for i := range 2 {
		day, err := a.demoDay(ctx, dir, i)
		if err != nil {
			return fault.Wrap(err, "day %d", i+1)
		}
		res.Days = append(res.Days, *day)
	}
	for _, act := range []func(context.Context, string) (demoMoment, error){a.demoMistake, a.demoGoodAndUndone, a.demoThreshold} {
		m, err := act(ctx, dir)
		if err != nil {
			return err
		}
		res.Moments = append(res.Moments, m)
	}
	if err := a.demoSettle(ctx, dir); err != nil {
		return err
	}
	res.Seconds = a.since(began).Seconds()
	if a.flags.json {
		return a.con.Result(res)
	}
	a.demoClosing(f.dir, res)
	return nil
}

// inside is this program run again in the demo's project: its own flags, and nobody who reads along.
func (a *app) inside(dir string) *app {
	b := newApp(nil, a.env, a.stdin, io.Discard, io.Discard, a.clock)
	b.args, b.log = []string{"demo"}, a.log
	b.flags.dir, b.flags.target, b.flags.quiet = dir, "prod", true
	return b
}

// demoEdit is a change that the demo makes to a file that init wrote.
type demoEdit struct {
	file string
	edit func(string) string
}

// demoProject writes the project: what init writes for these tools, pointed at the simulated vendors.
func (a *app) demoProject(ctx context.Context, dir string, f demoFlags) error {
	b := a.inside(dir)
	known, err := builtinSets()
	if err != nil {
		return err
	}
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
				"# 2026-03-09` plays the market up to that Monday.\ntwin:\n  address: %s\n  size: %s\n  seed: %d\n  files: data/twin\n", address, f.size, f.seed)
		}},
		{"sql/seeds/sales_marketing_costs.csv", func(s string) string { return strings.TrimRight(s, "\n") + demoCosts(f.size) }},
		{"models/lead_routing.yml", func(s string) string {
			return s + "owner: demo\nmode: live   # the demo's CRM is simulated; anywhere else a policy runs beside people first\n"
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

// demoDay runs the nightly job: the first day as the market begins, the second one a day later.
func (a *app) demoDay(ctx context.Context, dir string, n int) (*demoDay, error) {
	b := a.inside(dir)
	if n > 0 {
		first, err := a.demoDate(ctx, dir)
		if err != nil {
			return nil, err
		}
		b.flags.now = first.AddDate(0, 0, 1).Add(morning).Format(time.RFC3339)
	}
	a.con.Progress("day %d: reading, building, deciding, sending …", n+1)
	sum, err := b.runOnce(ctx, buildOptions{})
	a.con.Done()
	if sum == nil || err != nil && fault.ExitCode(err) != fault.ExitHandled {
		return nil, err
	}
	day := &demoDay{Date: sum.Now.Format("2006-01-02"), Extract: map[string]int64{}, KPIs: map[string]*json.RawMessage{}, Decisions: map[string]int{},
		Sync: map[string]demoSync{}, Reports: []demoReport{}, Seconds: sum.Seconds, Errors: sum.Errors}
	for _, st := range sum.Extract {
		day.Extract[st.Name()] = st.Rows
	}
	if sum.Build != nil {
		day.Models = demoModels{Built: sum.Build.Built, Skipped: sum.Build.Unchanged + sum.Build.Skipped + sum.Build.Held, Failed: sum.Build.Failed}
		day.Tests = demoTests{Pass: sum.Build.Pass, Warn: sum.Build.Warn, Error: sum.Build.Error}
	}
	for _, p := range sum.Decide {
		for action, n := range p.Counts {
			day.Decisions[action] += n
		}
	}
	for _, s := range sum.Sync {
		x := day.Sync[s.Destination]
		day.Sync[s.Destination] = demoSync{x.Planned + s.Planned, x.Acked + s.Acked, x.Rejected + s.Rejected, x.Unknown + s.Unknown}
	}
	for _, r := range sum.Reports {
		if r.Error == "" {
			day.Reports = append(day.Reports, demoReport{r.Name, r.Channel, r.Path})
		}
	}
	if err := b.demoKPIs(ctx, day.KPIs); err != nil {
		return nil, err
	}
	a.sayDemoDay(n, day)
	return day, nil
}

// demoDate is the market's day.
func (a *app) demoDate(ctx context.Context, dir string) (time.Time, error) {
	p, err := a.inside(dir).project()
	if err != nil {
		return time.Time{}, err
	}
	h, err := hostTwin(ctx, p)
	if err != nil {
		return time.Time{}, err
	}
	defer h.Close()
	return h.date, nil
}

var demoKPIs = []string{"cac_blended", "cac_paid", "ltv", "ltv_cac", "payback_months", "pipeline_velocity", "mrr"}

func (a *app) demoKPIs(ctx context.Context, into map[string]*json.RawMessage) error {
	build, err := a.published(ctx, a.proj)
	if err != nil {
		return err
	}
	defer build.Close()
	names := make([]string, len(demoKPIs))
	for i, k := range demoKPIs {
		into[k], names[i] = nil, duck.Quote(k)
	}
	q := "select kpi, value from metrics.kpi where grain = 'all' and dimension = 'total' and kpi in (" + strings.Join(names, ", ") + ")"
	return build.db.Each(ctx, q, func(row []any) error {
		if row[1] == nil {
			return nil
		}
		raw, err := json.Marshal(row[1])
		if err != nil {
			return err
		}
		into[row[0].(string)] = (*json.RawMessage)(&raw)
		return nil
	})
}

func (a *app) sayDemoDay(n int, d *demoDay) {
	var rows int64
	sources := map[string]int64{}
	for name, r := range d.Extract {
		rows += r
		source, _, _ := strings.Cut(name, ".")
		sources[source] += r
	}
	var from []string
	for s, r := range sources {
		if r > 0 {
			from = append(from, fmt.Sprintf("%s %s", s, console.Thousands(r)))
		}
	}
	slices.Sort(from)
	a.con.Say("")
	a.con.Say("Day %d, %s (%s)", n+1, d.Date, console.Duration(time.Duration(d.Seconds*float64(time.Second))))
	a.con.Say("  read      %s: %s", console.Count(rows, "row"), strings.Join(from, ", "))
	a.con.Say("  built     %s, %s unchanged; %s passed, %d warned, %d failed", console.Count(int64(d.Models.Built), "relation"), console.Thousands(int64(d.Models.Skipped)),
		console.Count(int64(d.Tests.Pass), "test"), d.Tests.Warn, d.Tests.Error)
	kpi := func(name string) string {
		if v := d.KPIs[name]; v != nil {
			var x float64
			if json.Unmarshal(*v, &x) == nil {
				return fmt.Sprintf("%.2f", x)
			}
		}
		return "n/a"
	}
	a.con.Say("  KPIs      MRR %s · CAC blended %s, paid %s · LTV %s · LTV:CAC %s · payback %s months · pipeline velocity %s a day",
		kpi("mrr"), kpi("cac_blended"), kpi("cac_paid"), kpi("ltv"), kpi("ltv_cac"), kpi("payback_months"), kpi("pipeline_velocity"))
	a.con.Say("  decided   %s", counts(d.Decisions))
	for dest, s := range d.Sync {
		a.con.Say("  sent      %s: %s planned, %d acknowledged, %d rejected, %d unknown", dest, console.Count(int64(s.Planned), "row"), s.Acked, s.Rejected, s.Unknown)
	}
	for _, r := range d.Reports {
		a.con.Say("  reported  %s → %s  %s", r.Name, r.Channel, r.Path)
	}
	for _, e := range d.Errors {
		a.con.Say("  failed    %s", e)
	}
}

// demoSyncFile is the sync that the moments are about.
const demoSyncFile = "hubspot_scores"

// onSync opens a session with the sync's file edited, and puts the file back afterwards.
func (a *app) onSync(ctx context.Context, dir, command string, edit func(string) string, fn func(b *app, s *session, e *activate.Engine, sync *activate.Sync, d activate.Destination) error) (err error) {
	path := filepath.Join(dir, "activate", demoSyncFile+".yml")
	old, err := os.ReadFile(path)
	if err != nil {
		return fault.Wrap(err, "demo")
	}
	if edit != nil {
		if err := os.WriteFile(path, []byte(edit(string(old))), 0o644); err != nil {
			return fault.Wrap(err, "demo")
		}
		defer func() { err = errors.Join(err, os.WriteFile(path, old, 0o644)) }()
	}
	b := a.inside(dir)
	s, err := b.begin(ctx, command)
	if err != nil {
		return err
	}
	defer func() { err = s.end(ctx, err, nil) }()
	list, err := b.chosenSyncs(s.p, []string{demoSyncFile})
	if err != nil {
		return err
	}
	d, err := b.openDestination(list[0])
	if err != nil {
		return err
	}
	defer d.Close()
	return fn(b, s, b.engine(s), list[0], d)
}

// demoMistake maps a column that is mostly empty: the plan is stopped before anything is sent.
func (a *app) demoMistake(ctx context.Context, dir string) (demoMoment, error) {
	m := demoMoment{Name: "a mapping mistake, stopped before it is sent"}
	wrong := func(s string) string {
		return strings.Replace(s, "millrace_score_reason: score_reason", "millrace_score_reason: {column: owner_id, null: clear}", 1)
	}
	err := a.onSync(ctx, dir, "plan", wrong, func(b *app, s *session, e *activate.Engine, sync *activate.Sync, d activate.Destination) error {
		plan, err := e.Plan(ctx, sync, d)
		if err != nil {
			return err
		}
		if plan.Verdict != activate.VerdictBlocked && plan.Verdict != activate.VerdictHold {
			return fmt.Errorf("the mistake was not stopped: the plan's verdict is %s", plan.Verdict)
		}
		m.Told = fmt.Sprintf("Somebody maps the score's reason to the wrong column. Plan %s would change %s; it is %s: %s. Nothing was sent.",
			plan.ID, console.Count(int64(plan.Changes), "contact"), verdictWord(plan.Verdict), breakerText(plan))
		return s.state.Plans.Void(ctx, plan.ID)
	})
	if err == nil {
		a.sayMoment(m)
	}
	return m, err
}

func verdictWord(v string) string {
	if v == activate.VerdictBlocked {
		return "stopped, and nobody can wave it through"
	}
	return "held until a person looks"
}

// demoGoodAndUndone adds a field to the sync, has it approved and sent, and takes it back.
func (a *app) demoGoodAndUndone(ctx context.Context, dir string) (demoMoment, error) {
	m := demoMoment{Name: "a good sync sent, and taken back"}
	more := func(s string) string {
		return strings.Replace(s, "mapping:\n", "mapping:\n  millrace_owner: owner_id\n", 1)
	}
	err := a.onSync(ctx, dir, "apply", more, func(b *app, s *session, e *activate.Engine, sync *activate.Sync, d activate.Destination) error {
		before, err := s.twin.digest(ctx)
		if err != nil {
			return err
		}
		who := userName(b)
		send := func(p *activate.Plan, why string) (*activate.Applied, error) {
			if p.Verdict == activate.VerdictHold {
				if _, err := e.Approve(ctx, sync, p.ID, who, why, true); err != nil {
					return nil, err
				}
			}
			return e.Apply(ctx, sync, d, p.ID)
		}
		plan, err := e.Plan(ctx, sync, d)
		if err != nil {
			return err
		}
		held := plan.Verdict == activate.VerdictHold
		sent, err := send(plan, "demo: one more field is meant")
		if err != nil {
			return err
		}
		during, err := s.twin.digest(ctx)
		if err != nil {
			return err
		}
		back, err := e.PlanUndo(ctx, sync, d, plan.ID)
		if err != nil {
			return err
		}
		undone, err := send(back, "demo: taken back")
		if err != nil {
			return err
		}
		after, err := s.twin.digest(ctx)
		if err != nil {
			return err
		}
		if sent.Acked() == 0 || before == during {
			return fmt.Errorf("the good sync sent nothing (%d planned)", plan.Changes)
		}
		how := "Its limits let it through."
		if held {
			how = fmt.Sprintf("It touches more than its limits allow without a look, so it waited until %s approved it.", who)
		}
		equal := "equal to before"
		if before != after {
			equal = "NOT equal to before"
		}
		m.Told = fmt.Sprintf("One more field, the owner, is mapped. Plan %s: %s. %s %s acknowledged, one by one. Then `undo %s`: %s restored from what the CRM held before; the CRM is %s.",
			plan.ID, console.Count(int64(plan.Changes), "contact"), how, console.Count(int64(sent.Acked()), "row"), plan.ID, console.Count(int64(undone.Acked()), "row"), equal)
		if before != after {
			return &fault.Error{Msg: "undo did not bring the CRM back to where it was", Exit: fault.ExitHandled}
		}
		return nil
	})
	if err == nil {
		a.sayMoment(m)
	}
	return m, err
}

// demoThreshold asks who would be routed differently with a lower threshold. Nothing is recorded.
func (a *app) demoThreshold(ctx context.Context, dir string) (demoMoment, error) {
	m := demoMoment{Name: "the threshold moved from 80 to 70"}
	b := a.inside(dir)
	p, err := b.project()
	if err != nil {
		return m, err
	}
	list, err := b.chosenPolicies(p, []string{"lead_routing"})
	if err != nil {
		return m, err
	}
	lower, err := list[0].WithThreshold("70")
	if err != nil {
		return m, err
	}
	build, err := b.published(ctx, p)
	if err != nil {
		return m, err
	}
	defer build.Close()
	r, err := models.Preview(ctx, list[0], lower, warehouse{build})
	if err != nil {
		return m, err
	}
	names := map[string]string{}
	if err := build.db.Each(ctx, "select person_id, coalesce(full_name, email, person_id) from core.people", func(row []any) error {
		names[fmt.Sprint(row[0])] = fmt.Sprint(row[1])
		return nil
	}); err != nil {
		return m, err
	}
	var who []string
	for i, mv := range r.Moves {
		if i == 5 {
			who = append(who, fmt.Sprintf("and %d more", len(r.Moves)-i))
			break
		}
		score := ""
		if mv.Score != nil {
			score = fmt.Sprintf(" (%g)", *mv.Score)
		}
		who = append(who, names[mv.Subject]+score)
	}
	moved := "Nobody would move."
	if len(r.Moves) > 0 {
		moved = fmt.Sprintf("%s would go to sales instead: %s.", console.Count(int64(len(r.Moves)), "lead"), strings.Join(who, ", "))
	}
	m.Told = fmt.Sprintf("Now %s: %s. With 70: %s. %s Nothing was recorded.", r.Before, counts(r.Counts), counts(r.Would), moved)
	a.sayMoment(m)
	return m, nil
}

func (a *app) sayMoment(m demoMoment) {
	a.con.Say("")
	a.con.Say("Moment: %s", m.Name)
	a.con.Say("  %s", m.Told)
}

func (a *app) demoClosing(dir string, r *demoResult) {
	a.con.Say("")
	a.con.Say("Done in %s. The project stays, and works:", console.Duration(time.Duration(r.Seconds*float64(time.Second))))
	a.con.Say("  cd %s", dir)
	for _, line := range [][2]string{
		{"millrace run --target prod", "again: nothing changed, so nothing is sent"},
		{"millrace run --target prod --now 2026-03-09", "a week later in the market"},
		{"millrace query --target prod 'from metrics.kpi'", "every KPI, with numerator, denominator and reason"},
		{"millrace plan --target prod --list", "what was planned, approved, sent, taken back"},
		{"millrace decide --target prod --preview 70", "who would change side"},
		{"millrace stop all --target prod", "the switch that stops all sending"},
	} {
		a.con.Say("  %-48s # %s", line[0], line[1])
	}
	for _, d := range r.Days {
		for _, x := range d.Reports {
			if strings.HasSuffix(x.Path, ".xlsx") || strings.HasSuffix(x.Path, ".html") {
				a.con.Say("  open %s", x.Path)
			}
		}
	}
}
