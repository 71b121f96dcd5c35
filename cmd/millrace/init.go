package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"millrace/internal/config"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/project"
)

func newInitCmd(a *app) *cobra.Command {
	var p initParams
	cmd := &cobra.Command{
		Use:     "init [DIR]",
		GroupID: "start",
		Short:   "Start a project: write its files into a folder",
		Long: `Writes a whole project into DIR (default: the working directory): settings, sources, every built-in SQL model and
report. All of them are files that you may edit and keep in git; nothing stays hidden in the binary. millrace.lock
records what was written, so that "millrace upgrade" can bring what a newer binary has and keep your changes.

Nothing is overwritten: if a file is there already with another text, nothing at all is written.`,
		Example: "  millrace init myproject\n  millrace init --with hubspot,stripe,google_ads,ga4,slack myproject\n  millrace init --name sales --time-zone Europe/Berlin --currency EUR\n  millrace init --example crm-opportunities try",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := a.flags.dir
			if len(args) == 1 {
				dir = args[0]
			}
			if dir == "" {
				dir = "."
			}
			return a.init(dir, p)
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.name, "name", "", "name of the project (default: the folder's name)")
	f.StringVar(&p.zone, "time-zone", "", "IANA time zone of business dates and schedules (default UTC)")
	f.StringVar(&p.currency, "currency", "", "ISO 4217 code of the currency of reports (default USD)")
	f.StringSliceVar(&p.with, "with", nil, "tools to start with, separated by commas: ga4, google_ads, hubspot, segment, slack, stripe; or their tables in a warehouse: fivetran_ads, fivetran_hubspot, fivetran_stripe")
	f.StringVar(&p.example, "example", "", "start from an example with sample data instead: crm-opportunities")
	return cmd
}

type initParams struct {
	name, zone, currency, example string
	with                          []string
}

type initResult struct {
	Project string   `json:"project"` // absolute
	Builtin string   `json:"builtin_version"`
	With    []string `json:"with"`
	Files   []string `json:"files"` // written, relative to the project
}

func (a *app) init(dir string, p initParams) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fault.Wrap(err, "init")
	}
	if p.example != "" {
		if p.name+p.zone+p.currency != "" || len(p.with) > 0 {
			return &fault.Error{Key: "--example", Msg: "an example brings its own settings", Hint: "Leave the other flags out, and edit millrace.yml afterwards."}
		}
		p.with = []string{examplePrefix + p.example}
	}
	files, own, err := builtinFiles(p.with)
	if err != nil {
		return err
	}
	if p.example == "" {
		if files[project.FileName], err = p.settings(abs, files[project.FileName]); err != nil {
			return err
		}
	}
	// An inner project would be found before the outer one, and which of them runs would depend on where one stands.
	if outer, err := project.Find(filepath.Dir(abs)); err == nil {
		return &fault.Error{File: filepath.Join(outer, project.FileName), Msg: "a project inside a project", Value: abs, Hint: "Choose a folder outside of it."}
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return fault.Wrap(err, "init")
	}
	written, err := project.Init(abs, files, project.InitOptions{Builtin: version, With: p.with, Own: own})
	if err != nil {
		return err
	}
	if p.with == nil {
		p.with = []string{}
	}
	if a.flags.json {
		return a.con.Result(initResult{Project: abs, Builtin: version, With: p.with, Files: written})
	}
	a.con.Say("Wrote %s to %s.", console.Count(int64(len(written)), "file"), dir)
	a.con.Say("")
	a.con.Say("Next:")
	if dir != "." {
		a.con.Say("  cd %s", dir)
	}
	if len(p.with) > 0 && p.example == "" {
		a.con.Say("  cp .env.example .env # and fill it in: credentials stay out of git")
	}
	a.con.Say("  millrace doctor      # what is ready, and what is missing")
	a.con.Say("  millrace run         # read, build, test, publish, report")
	if len(p.with) == 0 {
		known, err := toolSets()
		if err != nil {
			return err
		}
		a.con.Say("")
		a.con.Say("No tool is connected yet: every relation is there, typed and empty. Begin anew with the tools that you use,")
		a.con.Say("  millrace init --with %s DIR", strings.Join(known, ","))
		a.con.Say("or put a file into extract/ (`millrace schema source` lists its keys).")
	}
	return nil
}

// flagFault gives an error about a flag's value the flag's name.
func flagFault(flag, value string, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := err.(*fault.Error); ok {
		return &fault.Error{Key: flag, Value: value, Msg: f.Msg, Hint: f.Hint, Err: f.Err}
	}
	return &fault.Error{Key: flag, Value: value, Err: err}
}

// settings fills the project's name, zone and currency into millrace.yml.
func (p initParams) settings(dir string, text []byte) ([]byte, error) {
	if p.name == "" {
		p.name = filepath.Base(dir)
	}
	var errs fault.List
	if _, err := project.Slug(p.name); err != nil {
		errs.Add(&fault.Error{Key: "--name", Value: p.name, Msg: "is not a name for a project", Hint: "Use letters and digits."})
	}
	if p.zone == "" {
		p.zone = "UTC"
	}
	if p.currency == "" {
		p.currency = "USD"
	}
	var zone config.TimeZone
	var currency project.Currency
	errs.Add(flagFault("--time-zone", p.zone, zone.UnmarshalText([]byte(p.zone))))
	errs.Add(flagFault("--currency", p.currency, currency.UnmarshalText([]byte(p.currency))))
	if err := errs.Or(); err != nil {
		return nil, err
	}
	r := strings.NewReplacer("__NAME__", fmt.Sprintf("%q", p.name), "__TIME_ZONE__", p.zone, "__CURRENCY__", p.currency)
	return []byte(r.Replace(string(text))), nil
}
