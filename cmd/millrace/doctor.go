package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/extract"
	"millrace/internal/config"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/project"
	"millrace/internal/state"
	"millrace/transform"
)

func newDoctorCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		GroupID: "start",
		Short:   "Check that everything is ready to run, and say what to do where it is not",
		Long: `Looks at the project's files, the sources, disk, memory, state, lock, clock and schedule, and prints one line a point with
what to do where something is wrong. The crontab line for the nightly job is printed at the end. Sources are only asked
whether they can be read; destinations whether they take the credentials and have the fields; no row is kept and nothing
is sent.

Exit codes: 0 ready (warnings allowed), 1 something must be put right first.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

// diagnosis is one point that doctor looked at. Status is OK, WARN or FAIL.
type diagnosis struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Info   string `json:"info"`
	Hint   string `json:"hint,omitempty"`
}

type doctorResult struct {
	Ready   bool        `json:"ready"`
	Project string      `json:"project"`
	Target  string      `json:"target,omitempty"`
	Checks  []diagnosis `json:"checks"`
	Crontab []string    `json:"crontab,omitempty"`
}

// checkup collects what doctor finds.
type checkup struct {
	a      *app
	now    time.Time
	checks []diagnosis
}

func (c *checkup) add(status, check, hint, format string, args ...any) {
	info := fmt.Sprintf(format, args...)
	if plain := strings.TrimRight(hint, ". "); plain != "" { // errors end in their hint, which has a line of its own here
		info = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(info, ". "), plain), " ")
	}
	c.checks = append(c.checks, diagnosis{Check: check, Status: status, Info: info, Hint: hint})
}

// fail reports an error with its own hint when it has one.
func (c *checkup) fail(check string, err error, hint string) {
	p := problemOf(err)
	info := p.text
	if p.Hint != "" && strings.HasSuffix(info, p.Hint) {
		info, hint = strings.TrimSpace(strings.TrimSuffix(info, p.Hint)), p.Hint
	}
	var call *httpx.Error
	if errors.As(err, &call) && call.Hint != "" {
		hint = call.Hint // it knows more than the general one
	}
	c.add(console.Fail, check, hint, "%s", info)
}

func (a *app) doctor(ctx context.Context) error {
	in, err := a.inspect(ctx)
	if err != nil {
		return err
	}
	c := &checkup{a: a, now: a.clock().UTC()}
	dir, err := a.projectDir()
	if err != nil {
		return err
	}
	res := doctorResult{Project: dir}
	c.files(in)
	if p := in.project; p != nil {
		res.Target = p.Target
		c.ignored(p)
		if p.File.Twin != nil {
			h, err := hostTwin(ctx, p)
			if err != nil {
				c.fail("simulated vendors", err, "")
			} else {
				defer h.Close()
				c.add(console.OK, "simulated vendors", "", "%s, on %s", h.url, h.date.Format("2006-01-02"))
			}
		}
		c.sources(ctx, p, in.sources)
		c.destinations(ctx, p)
		c.channels(ctx, p, in.reports)
		c.disk(ctx, p)
		c.machine(p)
		c.lock(p)
		last := c.state(ctx, p)
		c.clock(last)
		res.Crontab = c.schedule(p, last)
	}
	res.Checks, res.Ready = c.checks, true
	for _, d := range c.checks {
		res.Ready = res.Ready && d.Status != console.Fail
	}
	if a.flags.json {
		if err := a.con.Result(res); err != nil {
			return err
		}
	} else {
		for _, d := range c.checks {
			a.con.Step("doctor", d.Status, d.Check, d.Info, 0)
			if d.Hint != "" && d.Status != console.OK {
				a.con.Say("%s→ %s", strings.Repeat(" ", 17), d.Hint)
			}
		}
		if len(res.Crontab) > 0 {
			a.con.Say("\nTo run it on schedule, put this into crontab (`crontab -e`):")
			for _, l := range res.Crontab {
				a.con.Say("  %s", l)
			}
		}
	}
	if !res.Ready {
		return exitWith(fault.ExitHandled)
	}
	return nil
}

// files reports what validate would find, in short.
func (c *checkup) files(in *inspection) {
	if len(in.problems) == 0 {
		c.add(console.OK, "files", "", "%s, %s, %s", console.Count(int64(len(in.sources)), "source"), console.Count(int64(len(in.graph.Relations())), "relation"), console.Count(int64(len(in.reports)), "report"))
		return
	}
	p := in.problems[0]
	hint := p.Hint
	info := strings.TrimSpace(strings.TrimSuffix(p.text, p.Hint))
	if n := len(in.problems) - 1; n > 0 {
		hint = fmt.Sprintf("Run `millrace validate`: it lists this and %s.", console.Count(int64(n), "other problem"))
	}
	c.add(console.Fail, "files", hint, "%s", info)
}

// ignored warns of secrets that would be put into git.
func (c *checkup) ignored(p *project.Project) {
	if _, err := os.Stat(p.Path(".env")); err != nil {
		return
	}
	data, err := os.ReadFile(p.Path(".gitignore"))
	for _, line := range strings.Split(string(data), "\n") {
		if l := strings.TrimPrefix(strings.TrimSpace(line), "/"); l == ".env" || l == ".env*" || l == "*.env" {
			c.add(console.OK, "secrets", "", ".env is not put into git")
			return
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.fail("secrets", err, "Make .gitignore readable.")
		return
	}
	c.add(console.Warn, "secrets", "Add a line .env to .gitignore.", ".env is there and .gitignore does not name it")
}

func (c *checkup) sources(ctx context.Context, p *project.Project, list []source) {
	if len(p.Sources) == 0 {
		c.add(console.Warn, "sources", "Add one: `millrace schema source` shows what a file in extract/ holds.", "there is no source in extract/")
	}
	for _, s := range list {
		name := "source " + s.file.Name
		if !s.file.Enabled {
			c.add(console.OK, name, "", "switched off (enabled: false)")
			continue
		}
		src, err := s.connector.Open(ctx, extract.OpenParams{Name: s.file.Name, Dir: p.Dir, Options: s.options, Streams: s.streams, Log: c.a.log})
		if err != nil {
			c.fail(name, err, "Check "+s.file.Path+".")
			continue
		}
		if ch, ok := src.(extract.Checker); ok {
			for _, f := range ch.Check(ctx) {
				status := console.OK
				if !f.OK {
					status = console.Fail
				}
				c.add(status, s.file.Name+": "+strings.TrimPrefix(f.Name, s.file.Name+"."), f.Hint, "%s", f.Info)
			}
		} else {
			c.add(console.OK, name, "", "can be opened")
		}
		if err := src.Close(); err != nil {
			c.fail(name, err, "")
		}
	}
}

// disk asks for room for one more copy of the warehouse, which every build makes, beside the reserve.
func (c *checkup) disk(ctx context.Context, p *project.Project) {
	if err := project.Writable(p.Root()); err != nil {
		c.fail("folder", err, fmt.Sprintf("Give the user that runs millrace the right to write into %s.", p.Dir))
		return
	}
	free, err := project.FreeDisk(p.Root())
	if err != nil {
		c.fail("disk", err, "")
		return
	}
	reserve := p.File.Limits.MinFreeDisk
	var published int64
	if b, err := transform.Published(ctx, p.Root()); err == nil {
		if info, err := os.Stat(b.Path); err == nil {
			published = info.Size()
		}
	}
	info := fmt.Sprintf("%s free", config.Bytes(free))
	if published > 0 {
		info += fmt.Sprintf(", the warehouse has %s", config.Bytes(published))
	}
	switch {
	case free < published:
		c.add(console.Fail, "disk", "Free some space, or move the project to a larger disk: a build needs room for a copy of the warehouse.", "%s", info)
	case free < published+int64(reserve):
		c.add(console.Warn, "disk", fmt.Sprintf("Free some space: less than a copy of the warehouse and %s (limits.min_free_disk) is left.", reserve), "%s", info)
	default:
		c.add(console.OK, "disk", "", "%s", info)
	}
}

func (c *checkup) machine(p *project.Project) {
	total, limit := project.MachineMemory(), p.MemoryLimit()
	info := fmt.Sprintf("%s for the database, %s", limit, console.Count(int64(p.Threads()), "thread"))
	switch {
	case total == 0 && limit == 0:
		c.add(console.Warn, "memory", "Set limits.memory in millrace.yml.", "this system does not say how much memory there is")
		return
	case total == 0:
	case int64(limit) > total:
		c.add(console.Fail, "memory", "Lower limits.memory or memory_limit to about half of what there is.", "%s, but there is only %s", info, config.Bytes(total))
		return
	case float64(limit) > 0.8*float64(total):
		c.add(console.Warn, "memory", "Lower limits.memory or memory_limit: the database takes up to 0.75 GB more than its limit.", "%s of %s", info, config.Bytes(total))
		return
	case total < 1<<30:
		c.add(console.Warn, "memory", "Give it 1 GB or more.", "%s of %s", info, config.Bytes(total))
		return
	default:
		info += " of " + config.Bytes(total).String()
	}
	if over := p.Threads() - runtime.NumCPU(); over > 0 {
		c.add(console.Warn, "memory", "Set threads to the number of cores.", "%s, but only %s", info, console.Count(int64(runtime.NumCPU()), "core"))
		return
	}
	c.add(console.OK, "memory", "", "%s", info)
}

func (c *checkup) lock(p *project.Project) {
	h, held, err := project.LockHolder(p.LockFile())
	switch {
	case err != nil:
		c.fail("lock", err, "")
	case held && h.PID == 0:
		c.add(console.Warn, "lock", "Look again in a moment.", "held by a run that is just starting")
	case held:
		c.add(console.Warn, "lock", "Wait until it ends before the next run.", "held by `%s` (process %d) since %s", h.Command, h.PID, h.Since.Format("2006-01-02 15:04 MST"))
	default:
		c.add(console.OK, "lock", "", "free")
	}
}

// state reports the last run; nil when there was none.
func (c *checkup) state(ctx context.Context, p *project.Project) *state.Run {
	if _, err := os.Stat(p.StateFile()); errors.Is(err, os.ErrNotExist) {
		c.add(console.OK, "state", "", "no run yet")
		return nil
	}
	db, err := state.Open(ctx, p.StateFile())
	if err != nil {
		c.fail("state", err, "Restore "+filepath.Base(p.StateFile())+" from a backup, or remove it: what has landed is kept, the journal starts anew.")
		return nil
	}
	defer db.Close()
	runs, err := db.Runs.Last(ctx, "run", 1)
	if err != nil {
		c.fail("state", err, "")
		return nil
	}
	if len(runs) == 0 {
		c.add(console.OK, "state", "", "no run yet")
		return nil
	}
	r := runs[0]
	when := r.Started.Format("2006-01-02 15:04 MST")
	switch {
	case r.Status == state.Failed:
		c.add(console.Warn, "state", "Look at what failed with `millrace state`, then run `millrace run`: it goes on where that one stopped.", "the last run (%s) did not end well: %s", when, fault.Shorten(r.Error, 160))
	case r.Status == state.Killed:
		c.add(console.Warn, "state", "`millrace run` goes on where it stopped.", "the last run (%s) was killed", when)
	case r.Ended.IsZero():
		c.add(console.Warn, "state", "`millrace run` goes on where it stopped.", "the last run (%s) has not ended", when)
	default:
		c.add(console.OK, "state", "", "last run %s", when)
	}
	return &r
}

// clock finds a clock that went back: logical times, ids and cursors would then repeat.
func (c *checkup) clock(last *state.Run) {
	if last != nil && c.now.Before(last.Started) {
		c.add(console.Fail, "clock", "Set the machine's clock, for example with NTP.", "%s is before the start of the last run, %s", c.now.Format(time.RFC3339), last.Started.Format(time.RFC3339))
		return
	}
	c.add(console.OK, "clock", "", "%s", c.now.Format(time.RFC3339))
}

// schedule reports when the next run is due and whether one was missed, and gives the crontab lines.
func (c *checkup) schedule(p *project.Project, last *state.Run) []string {
	s := p.File.Schedule
	if s.IsZero() {
		c.add(console.OK, "schedule", "", "none; runs are started by hand (schedule in millrace.yml)")
		return nil
	}
	next := s.Next(c.now.In(p.Location()))
	info := fmt.Sprintf("%s, next %s", s, next.Format("Mon 2006-01-02 15:04 MST"))
	if last != nil {
		due := s.Next(last.Started.In(p.Location()))
		if late := c.now.Sub(due); late > time.Hour {
			c.add(console.Warn, "schedule", "Check that cron runs and that the line below is in crontab; `millrace run` catches up.", "%s; the one due %s has not started", info, due.Format("2006-01-02 15:04 MST"))
			return c.crontab(p)
		}
	}
	c.add(console.OK, "schedule", "", "%s", info)
	return c.crontab(p)
}

func (c *checkup) crontab(p *project.Project) []string {
	exe, err := os.Executable()
	if err != nil {
		exe = "millrace"
	}
	var lines []string
	if name := p.Location().String(); name != c.a.zone() {
		// cron reads times in the machine's zone unless told; not every cron knows CRON_TZ, so that is said.
		lines = append(lines, "# times are in "+name+"; if your cron does not know CRON_TZ, write them in the machine's zone", "CRON_TZ="+name)
	}
	target := p.Target
	if target == project.DefaultTarget {
		target = "prod"
	}
	made := filepath.Join(p.Dir, project.DataDir)
	// The shell opens the log before millrace starts, so its folder must be there.
	return append(lines, fmt.Sprintf("%s mkdir -p %s && %s run --project-dir %s --target %s >> %s 2>&1", p.File.Schedule, quoteShell(made), quoteShell(exe),
		quoteShell(p.Dir), target, quoteShell(filepath.Join(made, "cron.log"))))
}

// zone is the machine's time zone as cron sees it: TZ, else what the system says.
func (a *app) zone() string {
	if tz := a.getenv("TZ"); tz != "" {
		return tz
	}
	return time.Local.String()
}

// quoteShell quotes a word for sh where it needs it. A % would end the command in a crontab and is escaped.
func quoteShell(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:@", r))
	}) < 0 {
		return s
	}
	return strings.ReplaceAll("'"+strings.ReplaceAll(s, "'", `'\''`)+"'", "%", `\%`)
}
