package activate

import (
	"context"
	"fmt"
	"time"

	"millrace/internal/config"
	"millrace/internal/state"
	"millrace/models/decision"
)

// CapSpec is one limit on how often somebody is reached.
type CapSpec struct {
	Max     int           `yaml:"max" required:"true" min:"1" doc:"messages at most ..."`
	Per     time.Duration `yaml:"per" required:"true" doc:"... in any span of this length" example:"168h"`
	Channel string        `yaml:"channel" doc:"count this channel only; default: all channels together"`
}

// QuietSpec are the hours in which nobody is reached.
type QuietSpec struct {
	From   string `yaml:"from" required:"true" doc:"begin, local time of the person" example:"20:00"`
	To     string `yaml:"to" required:"true" doc:"end" example:"08:00"`
	Zone   string `yaml:"zone" default:"UTC" doc:"time zone of people whose own is not known" example:"Europe/Berlin"`
	Column string `yaml:"zone_column" doc:"column with the person's time zone, as Europe/Berlin"`
}

// SpendSpec limits the money that a sync commits by what it writes.
type SpendSpec struct {
	Field    string  `yaml:"field" required:"true" doc:"mapped field that holds an amount of money" example:"daily_budget"`
	Budget   string  `yaml:"budget" doc:"name of the limit; syncs with the same name share it. Default: the sync's name"`
	Limit    string  `yaml:"limit" required:"true" doc:"most that all rows together may commit" example:"1000.00"`
	Currency string  `yaml:"currency" doc:"for people, as EUR"`
	Scale    float64 `yaml:"scale" default:"1" doc:"what one unit of the field is worth: 0.000001 for micros, 0.01 for cents"`
	Raise    *Limit  `yaml:"max_raise_pct" doc:"how much the sum may rise by one plan, in per cent; default hold 20, block 100"`
}

// minutes reads 20:00 as minutes of the day.
func minutes(s string) (int, error) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time of day as 20:00", s)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// check refuses specs that cannot be meant.
func (f *SyncFile) checkGuards(node config.Node, add func(error)) {
	if q := f.Quiet; q != nil {
		for key, v := range map[string]string{"from": q.From, "to": q.To} {
			if _, err := minutes(v); err != nil {
				add(node.Get("quiet_hours").Get(key).Fault("Write hours and minutes, as 20:00.", "not a time of day"))
			}
		}
		if _, err := time.LoadLocation(q.Zone); err != nil {
			add(node.Get("quiet_hours").Get("zone").Fault("Write a zone as Europe/Berlin.", "not a time zone"))
		}
		if q.From == q.To {
			add(node.Get("quiet_hours").KeyFault("Leave quiet_hours out, or stop the sync.", "quiet hours that begin and end at one time never end"))
		}
	}
	for i := range f.Caps {
		if f.Caps[i].Per <= 0 {
			add(node.Get("caps").KeyFault("Write a span as 168h.", "a cap needs a span of time"))
		}
	}
	if (len(f.Caps) > 0 || f.Touch) && (f.Subject == "" || f.Channel == "") {
		add(node.KeyFault("Add `subject:` (the column with the person) and `channel:`.", "messages are counted by person and channel"))
	}
	if s := f.Spend; s != nil {
		mapped := false
		for _, e := range f.Mapping.Entries() {
			mapped = mapped || e.Key == s.Field
		}
		if !mapped {
			add(node.Get("spend").Get("field").Fault("Name a field of `mapping:`.", "no such field is mapped"))
		}
		if _, err := state.Money(s.Limit, 1); err != nil {
			add(node.Get("spend").Get("limit").Fault("Write an amount as 1000.00.", "not an amount of money"))
		}
		if s.Scale <= 0 {
			add(node.Get("spend").Get("scale").Fault("Write 1, 0.01 for cents or 0.000001 for micros.", "a scale is above zero"))
		}
	}
}

// Capped and the reasons below are refusals that this stage adds to decision's.
const (
	Capped     decision.Reason = "capped"      // the subject was reached often enough
	QuietHours decision.Reason = "quiet_hours" // it is night where the subject lives; the row waits
	OverBudget decision.Reason = "over_budget" // the money is not there
)

// capGuard refuses changes about subjects who were reached as often as the caps allow, over all syncs and channels. What
// one asking lets through counts for the rest of it.
type capGuard struct {
	touches state.Touches
	caps    []CapSpec
	now     func() time.Time
}

func (g capGuard) Name() string { return "frequency caps" }

func (g capGuard) Judge(ctx context.Context, cs []decision.Change) ([]decision.Verdict, error) {
	now := g.now()
	type place struct{ subject, channel string }
	given := map[place]int{} // let through by this asking
	out := make([]decision.Verdict, len(cs))
	for i, c := range cs {
		if c.Subject == "" || takesAway(Op(c.Op)) {
			continue
		}
		for _, limit := range g.caps {
			if limit.Channel != "" && limit.Channel != c.Channel {
				continue
			}
			n, _, err := g.touches.Since(ctx, c.Subject, limit.Channel, now.Add(-limit.Per))
			if err != nil {
				return nil, err
			}
			if n+given[place{c.Subject, limit.Channel}] >= limit.Max {
				through := ""
				if limit.Channel != "" {
					through = " by " + limit.Channel
				}
				out[i] = decision.Verdict{Deny: Capped, Detail: fmt.Sprintf("was reached %d times%s in the last %s; no more than %d are allowed", n, through, limit.Per, limit.Max)}
				break
			}
		}
		if out[i].Deny == "" {
			for _, channel := range capChannels(g.caps) {
				if channel == "" || channel == c.Channel {
					given[place{c.Subject, channel}]++
				}
			}
		}
	}
	return out, nil
}

func capChannels(caps []CapSpec) []string {
	seen := map[string]bool{}
	var out []string
	for _, c := range caps {
		if !seen[c.Channel] {
			seen[c.Channel] = true
			out = append(out, c.Channel)
		}
	}
	return out
}

// quietUntil gives the end of the quiet hours that a person is in at an instant; zero when they are not in any.
func (q *QuietSpec) quietUntil(now time.Time, zone string) time.Time {
	if q == nil {
		return time.Time{}
	}
	at, err := time.LoadLocation(zone)
	if zone == "" || err != nil {
		if at, err = time.LoadLocation(q.Zone); err != nil {
			at = time.UTC // checked when the file was read
		}
	}
	from, _ := minutes(q.From)
	to, _ := minutes(q.To)
	local := now.In(at)
	m := local.Hour()*60 + local.Minute()
	inside := m >= from && m < to
	day := local
	if from > to {
		inside = m >= from || m < to
		if m >= from {
			day = day.AddDate(0, 0, 1)
		}
	}
	if !inside {
		return time.Time{}
	}
	return time.Date(day.Year(), day.Month(), day.Day(), to/60, to%60, 0, 0, at).UTC()
}
