package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/twin"
)

type twinFlags struct {
	dir, addr, size, date, files string
	seed                         uint64
	limits                       bool
	faults                       []string
}

func newTwinCmd(a *app) *cobra.Command {
	var f twinFlags
	cmd := &cobra.Command{
		Use:     "twin",
		GroupID: "start",
		Short:   "Serve simulated vendors over one simulated market, for trying and testing",
		Long: `Twin serves HubSpot, Stripe, Google Ads, Google Data Manager, GA4 and Slack over a simulated B2B software company. The same
seed, size and date give the same market. Every write is synced to a file in --dir before it is answered; without --dir the
market lives in memory and ends with the command.

The date stands still until it is moved: curl -X POST URL/_twin/advance -d '{"days": 1}'. docs/twin.md lists what is served,
the credentials and the other controls.`,
		Example: `  millrace twin --dir twin --addr 127.0.0.1:8899
  millrace twin --size tiny --fault status_500:0.2 --fault drop_after:0.05:hubspot`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.twinServe(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", "", "folder of the state file (default: in memory)")
	fl.StringVar(&f.addr, "addr", "127.0.0.1:8899", "address to listen on, of this machine; port 0 takes a free one")
	fl.StringVar(&f.size, "size", "", "tiny, small, medium or large (default: what --dir holds, else small)")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the market (default: what --dir holds, else 1)")
	fl.StringVar(&f.date, "date", "", "first logical day (default: what --dir holds, else 2026-03-02)")
	fl.StringVar(&f.files, "files", "", "folder to write the company's exported files to: product events, availability of sales")
	fl.BoolVar(&f.limits, "limits", false, "refuse calls beyond the vendors' rate limits")
	fl.StringArrayVar(&f.faults, "fault", nil, "misbehave: KIND[:RATE[:VENDOR]], e.g. status_429:0.2:hubspot; repeatable")
	cmd.AddCommand(newTwinEvaluateCmd(a), newTwinListCmd(a))
	return cmd
}

func (f twinFlags) options() (twin.Options, error) {
	o := twin.Options{Size: f.size, Seed: f.seed, Limits: f.limits}
	if f.date != "" {
		d, err := time.Parse(time.DateOnly, f.date)
		if err != nil {
			return o, &fault.Error{Key: "--date", Value: f.date, Msg: "not a date", Hint: "Write it as 2026-03-02."}
		}
		o.Date = d
	}
	for _, s := range f.faults {
		parts := strings.SplitN(s, ":", 3)
		x := twin.Fault{Kind: parts[0]}
		if len(parts) > 1 {
			if _, err := fmt.Sscan(parts[1], &x.Rate); err != nil {
				return o, &fault.Error{Key: "--fault", Value: s, Msg: "the rate is not a number", Hint: "Write KIND:RATE:VENDOR, e.g. status_429:0.2:hubspot."}
			}
		}
		if len(parts) > 2 {
			x.Vendor = parts[2]
		}
		o.Faults = append(o.Faults, x)
	}
	return o, nil
}

func (a *app) twinServe(ctx context.Context, f twinFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	tw, err := twin.Open(f.dir, o)
	if err != nil {
		return err
	}
	defer tw.Close()
	if f.files != "" {
		if err := tw.WriteFiles(f.files); err != nil {
			return err
		}
		tw.OnAdvance(func() error { return tw.WriteFiles(f.files) })
	}
	return tw.Serve(ctx, f.addr, a.log, func(url string) {
		st := tw.Status()
		if a.flags.json {
			a.con.Result(map[string]any{"url": url, "pid": os.Getpid(), "state": st})
			return
		}
		a.con.Say("simulated vendors at %s (size %s, seed %d, date %s); stop with Ctrl-C", url, st.Size, st.Seed, st.Date)
		if f.dir == "" {
			a.con.Say("nothing is kept: give --dir to keep what is written")
		}
	})
}

func newTwinEvaluateCmd(a *app) *cobra.Command {
	var dir, url string
	var accounts bool
	cmd := &cobra.Command{
		Use:   "evaluate [FILE]",
		Short: "Compare an answer to who-is-who with the truth of the simulated market",
		Long: `Evaluate counts pairs of records: precision is the share of joined pairs that are truly one person, recall the share of the
pairs that are one person and share an exact identifier which were joined.

Without FILE it judges the project's own published build, with the twin that millrace.yml names. FILE is a CSV with the
columns record and person, or source, object, id and person_id (- is standard input), judged by the twin of --dir or --url;
docs/twin.md says how records are named.`,
		Example: "  millrace twin evaluate --target prod\n  millrace twin evaluate --target prod --accounts\n  millrace twin evaluate --dir market answer.csv",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var q twin.Quality
			var err error
			if len(args) == 0 && dir == "" && url == "" {
				q, err = a.twinEvaluateBuild(cmd.Context(), accounts)
			} else {
				q, err = a.twinEvaluate(cmd.Context(), dir, url, accounts, append(args, "-")[0])
			}
			if err == nil && q.Records == 0 {
				err = &fault.Error{Msg: fmt.Sprintf("the twin knows none of the answer's %d records", q.Unknown), Hint: "Name them source/object/id, such as hubspot/contacts/1000001: docs/twin.md lists them."}
			}
			if err != nil {
				return err
			}
			if a.flags.json {
				return a.con.Result(q)
			}
			a.con.Say("precision %.4f (%d of %d joined pairs are right)", q.Precision, q.Right, q.Predicted)
			a.con.Say("recall    %.4f (%d of %d pairs that share an exact identifier were joined)", q.Recall, q.Found, q.Findable)
			a.con.Say("of the joined pairs that share an exact identifier %.4f are right (%d of %d)", q.SharingPrecision, q.SharingOK, q.Sharing)
			a.con.Say("records: %d judged, %d of the truth not in the answer, %d in the answer that the truth does not know", q.Records, q.Missing, q.Unknown)
			if len(q.LeftOut) > 0 {
				a.con.Say("not judged, because the answer has none of them: %s", strings.Join(q.LeftOut, ", "))
			}
			for _, w := range q.Wrong {
				a.con.Say("  joined, but two: %s  %s", w[0], w[1])
			}
			for _, w := range q.Missed {
				a.con.Say("  apart, but one:  %s  %s", w[0], w[1])
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder of a twin that is not running")
	cmd.Flags().StringVar(&url, "url", "", "address of a running twin")
	cmd.Flags().BoolVar(&accounts, "accounts", false, "judge accounts instead of people")
	return cmd
}

// Who is who in a published build, by the names that the twin gives to records.
const (
	peopleAnswer = `
select case records.object when 'contact' then 'hubspot/contacts/' when 'form_submission' then 'hubspot/form_submissions/'
    when 'customer' then 'stripe/customers/' else 'product/users/' end || records.source_id, membership.person_id
from identity.person_records as records
inner join identity.person_membership as membership on membership.record_key = records.record_key
union all
select 'web/anonymous/' || anonymous_id, person_id from identity.devices`
	accountsAnswer = `
select case records.object when 'company' then 'hubspot/companies/' else 'stripe/customers/' end || records.source_id, membership.account_id
from identity.company_records as records
inner join identity.company_membership as membership on membership.record_key = records.record_key
where records.object != 'email_domain'`
)

// twinEvaluateBuild judges the project's published build by the truth of the project's twin.
func (a *app) twinEvaluateBuild(ctx context.Context, accounts bool) (q twin.Quality, err error) {
	p, err := a.project()
	if err != nil {
		return q, err
	}
	if p.File.Twin == nil {
		return q, &fault.Error{File: project.FileName, Key: "twin", Msg: "the project names no simulated vendors", Hint: "Give FILE, and --url or --dir."}
	}
	build, err := a.published(ctx, p)
	if err != nil {
		return q, err
	}
	defer build.Close()
	sql := peopleAnswer
	if accounts {
		sql = accountsAnswer
	}
	answer := []twin.Match{}
	err = build.db.Each(ctx, sql, func(row []any) error {
		m := twin.Match{Record: fmt.Sprint(row[0])}
		m.Entity, _ = row[1].(string) // null: belongs to nobody
		answer = append(answer, m)
		return nil
	})
	if err != nil {
		return q, fault.Wrap(err, "read who is who from build %s", build.build.ID)
	}
	h, err := hostTwin(ctx, p)
	if err != nil {
		return q, err
	}
	defer h.Close()
	switch {
	case h.t == nil:
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		if err := w.Write([]string{"record", "entity"}); err != nil {
			return q, err
		}
		for _, m := range answer {
			if err := w.Write([]string{m.Record, m.Entity}); err != nil {
				return q, err
			}
		}
		w.Flush()
		return askTwin(ctx, h.url, accounts, &b)
	case accounts:
		return h.t.EvaluateAccounts(answer), nil
	}
	return h.t.EvaluatePeople(answer), nil
}

func (a *app) twinEvaluate(ctx context.Context, dir, url string, accounts bool, file string) (twin.Quality, error) {
	in := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return twin.Quality{}, fault.Wrap(err, "read the answer")
		}
		defer f.Close()
		in = f
	}
	if (dir == "") == (url == "") {
		return twin.Quality{}, &fault.Error{Msg: "give the twin to compare with", Hint: "Use --url for a running one, --dir for the folder of one that is not running."}
	}
	if url != "" {
		return askTwin(ctx, url, accounts, in)
	}
	answer, err := twin.ReadMatches(in)
	if err != nil {
		return twin.Quality{}, err
	}
	tw, err := twin.Open(dir, twin.Options{})
	if err != nil {
		return twin.Quality{}, err
	}
	defer tw.Close()
	if accounts {
		return tw.EvaluateAccounts(answer), nil
	}
	return tw.EvaluatePeople(answer), nil
}

func askTwin(ctx context.Context, url string, accounts bool, in io.Reader) (q twin.Quality, err error) {
	what := map[bool]string{true: "accounts", false: "people"}[accounts]
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(url, "/")+"/_twin/evaluate?what="+what, in)
	if err != nil {
		return q, &fault.Error{Key: "--url", Value: url, Msg: "not an address", Err: err, Hint: "Write it as http://127.0.0.1:8899."}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return q, fault.Hint(fault.Wrap(err, "ask the twin"), "Is it running? Start it with millrace twin.")
	}
	defer resp.Body.Close()
	return twin.ReadQuality(resp)
}
