package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/activate"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/project"
)

// version is the binary's version; release builds set it with -ldflags "-X main.version=...".
var version = "0.1.0-dev"

// app is one invocation: its streams, environment, flags and, once a command asked for it, its project.
type app struct {
	args  []string
	env   []string
	stdin io.Reader
	con   *console.Console
	log   *slog.Logger
	clock func() time.Time

	flags struct {
		dir       string
		target    string
		now       string
		vars      []string
		json      bool
		quiet     bool
		verbose   bool
		logFormat string
	}
	proj *project.Project
	// budgets are the rate limits of accounts, shared by everything that this process sends.
	budgets activate.Budgets
	// at is called at every step of an apply that a crash could follow; nil outside tests, which crash there.
	at func(point string) error
}

func newApp(args, env []string, stdin io.Reader, stdout, stderr io.Writer, clock func() time.Time) *app {
	a := &app{args: args, env: env, stdin: stdin, clock: clock}
	a.con = console.New(stdout, stderr, a.getenv)
	a.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	return a
}

func (a *app) getenv(key string) string {
	for i := len(a.env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(a.env[i], "="); ok && k == key {
			return v
		}
	}
	return ""
}

// run executes the command line and turns its outcome into an exit code; it is the one place that prints errors.
func (a *app) run(ctx context.Context) (code int) {
	root := a.rootCmd()
	root.SetArgs(a.args)
	defer func() {
		// A defect must not greet a person with a stack trace; the trace goes to the debug log.
		if p := recover(); p != nil {
			a.con.Error(&fault.Error{Msg: fmt.Sprintf("internal error: %v", p), Hint: "Nothing was published half-way. Run again with --verbose and report the output."})
			if a.flags.verbose {
				panic(p)
			}
			code = fault.ExitUsage
		}
	}()
	err := root.ExecuteContext(ctx)
	if err == nil {
		return fault.ExitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		a.con.Error(&fault.Error{Msg: "interrupted", Hint: "Run the same command again: it resumes."})
		return fault.ExitUsage
	}
	var silent *silentError
	if !errors.As(err, &silent) {
		a.con.Error(err)
	}
	return fault.ExitCode(err)
}

// silentError carries an exit code for a failure that the command has already shown line by line.
type silentError struct{ code int }

func (e *silentError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// exitWith ends a command with code after it has told the person everything.
func exitWith(code int) error {
	if code == fault.ExitOK {
		return nil
	}
	return &fault.Error{Exit: code, Err: &silentError{code}}
}

func (a *app) rootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "millrace",
		Short: "Marketing and revenue data in, decisions out: extract, transform, report in one binary",
		Long: `Millrace reads every tool a revenue team uses, lands it as Parquet, turns it with SQL into one picture of
people and accounts, and reports on it. One binary, one embedded database, no service to run.

Start:    millrace init myproject && cd myproject && millrace run
Look:     millrace ls · millrace show metrics.kpi · millrace query 'from metrics.kpi'
Change:   edit a file in sql/, then millrace build -s state:modified+

Exit codes: 0 done (warnings allowed), 1 finished with handled failures, 2 usage or unhandled, 3 lock held,
4 differences or pending approvals found when asked to fail on them.`,
		Version:           version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.setup() },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &fault.Error{Msg: "unknown command", Value: args[0], Hint: fault.DidYouMean(args[0], commandNames(cmd))}
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetOut(a.con.Out)
	root.SetErr(a.con.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &fault.Error{Msg: err.Error(), Hint: fmt.Sprintf("See `%s --help`.", cmd.CommandPath())}
	})
	f := root.PersistentFlags()
	f.StringVarP(&a.flags.dir, "project-dir", "C", "", "the project's folder (default: the nearest one above the working directory)")
	f.StringVarP(&a.flags.target, "target", "t", "", "target (default: MILLRACE_TARGET, else dev)")
	f.StringVar(&a.flags.now, "now", "", "logical time, RFC 3339 or a date (default: the clock)")
	f.StringArrayVar(&a.flags.vars, "vars", nil, "override a project variable: name=value (repeatable)")
	f.BoolVar(&a.flags.json, "json", false, "one JSON result on standard output, messages on standard error")
	f.BoolVarP(&a.flags.quiet, "quiet", "q", false, "only results and errors")
	f.BoolVarP(&a.flags.verbose, "verbose", "v", false, "debug log on standard error")
	f.StringVar(&a.flags.logFormat, "log-format", "text", "text or json")
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "Start and look:"},
		&cobra.Group{ID: "data", Title: "Data:"},
		&cobra.Group{ID: "decide", Title: "Decide and act:"},
		&cobra.Group{ID: "tell", Title: "Tell:"},
	)
	for _, c := range a.commands() {
		root.AddCommand(c)
	}
	for _, c := range root.Commands() {
		explainArgs(c)
	}
	return root
}

// explainArgs makes a wrong number of arguments end in how the command is written, for a command and those below it.
func explainArgs(c *cobra.Command) {
	for _, sub := range c.Commands() {
		explainArgs(sub)
	}
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		var known *fault.Error
		if err == nil || errors.As(err, &known) {
			return err
		}
		e := &fault.Error{Msg: fmt.Sprintf("%s was given %s", cmd.CommandPath(), console.Count(int64(len(args)), "argument")),
			Hint: fmt.Sprintf("Write `%s`; `%s --help` has examples.", strings.TrimSuffix(cmd.UseLine(), " [flags]"), cmd.CommandPath())}
		if len(args) > 0 {
			e.Value = args[len(args)-1]
		}
		return e
	}
}

func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	return names
}

// setup applies the global flags; it runs before every command.
func (a *app) setup() error {
	a.con.JSON, a.con.Quiet = a.flags.json, a.flags.quiet
	level := slog.LevelInfo
	if a.flags.verbose {
		level = slog.LevelDebug
	}
	opts := &slog.HandlerOptions{Level: level}
	switch a.flags.logFormat {
	case "json":
		a.log = slog.New(slog.NewJSONHandler(a.con.Err, opts))
	case "text":
		if a.flags.verbose {
			a.log = slog.New(slog.NewTextHandler(a.con.Err, opts))
		}
	default:
		return &fault.Error{Key: "--log-format", Value: a.flags.logFormat, Msg: "unknown log format", Hint: "Use text or json."}
	}
	return nil
}

// now is the logical time of the run in UTC: --now, else the clock, read once.
func (a *app) now() (time.Time, error) {
	if a.flags.now == "" {
		return a.clock().UTC().Truncate(time.Microsecond), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, a.flags.now); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, &fault.Error{Key: "--now", Value: a.flags.now, Msg: "not a time", Hint: "Write it as 2026-11-21 or 2026-11-21T08:00:00Z."}
}

// logical is now for those who cannot fail: a --now that is not a time was refused before they are asked.
func (a *app) logical() time.Time {
	t, err := a.now()
	if err != nil {
		return a.clock().UTC()
	}
	return t
}

// project loads the project once.
func (a *app) project() (*project.Project, error) {
	if a.proj != nil {
		return a.proj, nil
	}
	wd, err := os.Getwd()
	if err != nil {
		return nil, fault.Wrap(err, "find the working directory")
	}
	vars := map[string]string{}
	for _, kv := range a.flags.vars {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, &fault.Error{Key: "--vars", Value: kv, Msg: "not a name=value pair", Hint: "Write --vars name=value."}
		}
		vars[k] = v
	}
	dir := a.flags.dir
	if dir == "" {
		dir, err = project.Find(wd)
		if err != nil {
			return nil, err
		}
	}
	p, err := project.Load(dir, project.Options{Target: a.flags.target, Environ: a.env, Vars: vars})
	if err != nil {
		return nil, err
	}
	a.proj = p
	return p, nil
}
