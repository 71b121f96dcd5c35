// Package project knows the shape of a Millrace project on disk: millrace.yml, the five rooms, the paths of a target,
// the lock, and the generated files that `init` writes and `upgrade` follows. It decodes what is common to all
// sources; what belongs to one connector or one stage it hands on as a config.Node with its place in the file.
//
// It must not know any connector, run anything, or read the process environment (Options.Environ is handed in).
// Layout of a project (DESIGN section 2):
//
//	millrace.yml   extract/*.yml   sql/   models/*.yml   activate/*.yml   reports/*.yml|.md   .env
//	.millrace/<target>/{raw,warehouse,state.db,logs,target,lock}
//
// Raw data is kept per target, because dev may read other accounts (a sandbox) than prod.
package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"millrace/internal/config"
	"millrace/internal/fault"
	"millrace/internal/secret"
)

// FileName is the file that makes a folder a project.
const FileName = "millrace.yml"

// DataDir is the git-ignored folder with everything that Millrace makes.
const DataDir = ".millrace"

// DefaultTarget is the target when neither --target nor MILLRACE_TARGET says otherwise; it cannot send.
const DefaultTarget = "dev"

// File is millrace.yml.
type File struct {
	Version  config.Version            `yaml:"version" required:"true" example:"1" doc:"Version of this file's format."`
	Name     string                    `yaml:"name" doc:"Name of the project, shown in reports. Default: the folder's name."`
	TimeZone config.TimeZone           `yaml:"time_zone" default:"UTC" example:"Europe/Berlin" doc:"IANA time zone of business dates, schedules and reports."`
	Currency Currency                  `yaml:"currency" default:"USD" example:"EUR" doc:"ISO 4217 code of the currency that amounts are reported in."`
	Schedule config.Cron               `yaml:"schedule" example:"0 2 * * *" doc:"When the nightly job runs, in the project's time zone; doctor prints the crontab line."`
	Limits   Limits                    `yaml:"limits" doc:"What a run may use and what is kept."`
	Holdout  Holdout                   `yaml:"holdout" doc:"People and accounts to whom no sync sends anything."`
	Alerts   Alerts                    `yaml:"alerts" doc:"Who is told when a run does not end well."`
	Targets  config.Map[*TargetConfig] `yaml:"targets" doc:"Settings per target. dev and prod always exist; dev cannot send."`
	Privacy  Privacy                   `yaml:"privacy" doc:"How people are erased."`
	Twin     *Twin                     `yaml:"twin" doc:"Simulated vendors that the project reads and writes instead of real ones; every command that needs them starts them."`
	Vars     map[string]any            `yaml:"vars" doc:"Values that SQL models and files may refer to; --vars overrides them."`
}

// Privacy says what an erasure leaves.
type Privacy struct {
	Keep []string `yaml:"keep" example:"[stripe]" doc:"Sources or connectors whose rows stay when a person is erased, without what is personal in them: records that the law asks to keep, such as invoices. Default: stripe."`
}

// Keeps reports whether rows of a source stay, redacted.
func (p Privacy) Keeps(source, connector string) bool {
	keep := p.Keep
	if keep == nil {
		keep = []string{"stripe"}
	}
	return slices.Contains(keep, source) || slices.Contains(keep, connector)
}

// Twin says which simulated vendors the project talks to: its sources and syncs name their address. The project's
// logical time is the twin's date.
type Twin struct {
	Dir     string `yaml:"dir" default:".millrace/twin" doc:"Folder of the simulated vendors' state."`
	Address string `yaml:"address" default:"127.0.0.1:8741" doc:"Loopback address that they are served at."`
	Size    string `yaml:"size" default:"small" enum:"tiny,small,medium,large" doc:"Size of the simulated market."`
	Seed    uint64 `yaml:"seed" default:"1" min:"1" doc:"Seed of the simulated market: the same seed is the same market."`
	Files   string `yaml:"files" example:"data/segment" doc:"Folder into which the simulated web site and product write their event files. Default: none are written."`
	Date    string `yaml:"date" example:"2026-03-02" doc:"First day, as YYYY-MM-DD. Default: the simulated market's own."`
}

// Limits bound what a run uses. Zero means that Millrace chooses.
type Limits struct {
	Memory      config.Bytes `yaml:"memory" example:"2GB" doc:"Memory for the database. Default: 55 % of what the machine or container has."`
	Threads     int          `yaml:"threads" min:"0" max:"1024" doc:"Threads for building. Default: one per core."`
	BuildsKept  int          `yaml:"builds_kept" default:"3" min:"3" max:"1000" doc:"Published builds kept for readers, diff and roll-back."`
	MinFreeDisk config.Bytes `yaml:"min_free_disk" default:"1GB" doc:"doctor warns when less disk than this is free."`
}

// Alerts say who is told.
type Alerts struct {
	OnWaiting config.Strings `yaml:"on_waiting" example:"[\"mail\", \"-s\", \"millrace asks\", \"data@example.com\"]" doc:"Command and its arguments, started under prod once for each plan that waits for a person, and once when a sync begins to fail or is well again; what is asked or said is its standard input."`
	Slack     *SlackAlerts   `yaml:"slack" doc:"Slack channel that is told the same."`
	OnFailure config.Strings `yaml:"on_failure" example:"[\"mail\", \"-s\", \"millrace failed\", \"data@example.com\"]" doc:"Command and its arguments, started after a run under prod that did not end well; the summary is its standard input."`
}

// SlackAlerts is the channel in which people are asked and told.
type SlackAlerts struct {
	Token   secret.String `yaml:"token" required:"true" doc:"Bot token with chat:write." example:"${SLACK_TOKEN}"`
	Channel string        `yaml:"channel" required:"true" doc:"Id of the channel." example:"C0123456789"`
	BaseURL string        `yaml:"base_url" default:"https://slack.com/api" doc:"Address of the API."`
	Private bool          `yaml:"allow_private" doc:"Allow a private or loopback address (simulators)."`
}

// Holdout is the part of all people and accounts to whom nothing is sent, so that what everything together does can be
// measured against them.
type Holdout struct {
	Percent float64 `yaml:"percent" min:"0" max:"50" doc:"Share of people and accounts in per cent."`
}

// TargetConfig overrides the project's settings for one target.
type TargetConfig struct {
	Threads int            `yaml:"threads" min:"1" max:"1024" doc:"Threads for building."`
	Memory  config.Bytes   `yaml:"memory_limit" example:"2GB" doc:"Memory for the database."`
	Vars    map[string]any `yaml:"vars" doc:"Values that override the project's vars."`
}

// Currency is an ISO 4217 code.
type Currency string

// UnmarshalText checks the code against the list of ISO 4217.
func (c *Currency) UnmarshalText(b []byte) error {
	code := string(b)
	if !strings.Contains(currencies, " "+code+" ") || len(code) != 3 {
		return &fault.Error{Msg: "is not a currency", Hint: "Use an ISO 4217 code such as USD, EUR or GBP."}
	}
	*c = Currency(code)
	return nil
}

// currencies are the active codes of ISO 4217 that name money of a country or union, each between blanks.
const currencies = ` AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY ` +
	`COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD ` +
	`IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK ` +
	`MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS ` +
	`SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG `

// Options say how a project is loaded.
type Options struct {
	Target  string            // --target; empty: MILLRACE_TARGET, else dev
	Environ []string          // as os.Environ gives it; .env of the project adds what it does not hold
	Vars    map[string]string // --vars: they win over the target's and the project's
}

// Project is one loaded project seen through one target.
type Project struct {
	Dir      string // absolute
	File     File
	Target   string
	Settings TargetConfig   // of the target, with the project's limits filled in; zero still means "choose"
	Vars     map[string]any // project < target < Options
	Sources  []*Source      // by name; disabled ones too
	Models   []*Doc         // by path
	Activate []*Doc
	Reports  []*Doc

	// Env looks a variable up: the real environment first, then .env.
	Env func(name string) (string, bool)
}

// Find walks up from dir to the folder that holds millrace.yml and returns it as an absolute path.
func Find(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the project above %s: %w", dir, err)
	}
	for d := start; ; d = filepath.Dir(d) {
		info, err := os.Stat(filepath.Join(d, FileName))
		switch {
		case err == nil && !info.IsDir():
			return d, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return "", fmt.Errorf("find the project above %s: %w", start, err)
		}
		if filepath.Dir(d) == d {
			return "", &fault.Error{Msg: "no " + FileName + " here or in a folder above", Value: start,
				Hint: "Start a project with `millrace init DIR`, or name its folder with --project-dir."}
		}
	}
}

// Load reads the project in dir. All problems of all files are returned together (fault.List), each with file, line
// and key; File is relative to dir. Nothing is written. With an error the project is still returned as far as it could
// be read (nil when there is no millrace.yml), for commands that go on looking for problems; nothing else may use it.
func Load(dir string, o Options) (*Project, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("load project %s: %w", dir, err)
	}
	p := &Project{Dir: abs}
	var errs fault.List
	dotenv, err := config.ReadDotEnv(filepath.Join(abs, ".env"))
	var fe *fault.Error
	if errors.As(err, &fe) {
		fe.File = ".env"
	}
	errs.Add(err)
	p.Env = config.Env(o.Environ, dotenv)

	node, err := p.parse(FileName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault.Error{Msg: "no " + FileName + " in this folder", Value: abs, Hint: "Start a project with `millrace init DIR`."}
	}
	if err == nil {
		err = node.Decode(&p.File)
	}
	errs.Add(err)
	if p.File.Name == "" {
		p.File.Name = filepath.Base(abs)
	}
	chosen := p.choose(o)
	if err == nil { // a target cannot be judged against a file that could not be read
		errs.Add(chosen)
	}
	errs.Add(p.loadRooms())
	return p, errs.Or()
}

// choose settles target, settings and variables.
func (p *Project) choose(o Options) error {
	var errs fault.List
	for _, e := range p.File.Targets.Entries() {
		if !ValidName(e.Key) {
			errs.Add(e.Node.KeyFault("Use small letters, digits and _, beginning with a letter.", "is not a name for a target"))
		}
	}
	name, from := o.Target, "--target"
	if name == "" {
		name, _ = p.Env("MILLRACE_TARGET")
		from = "MILLRACE_TARGET"
	}
	if name == "" {
		name = DefaultTarget
	}
	p.Target, p.Vars = DefaultTarget, map[string]any{}
	known := p.TargetNames()
	found := false
	for _, k := range known {
		found = found || k == name
	}
	if !found {
		e := &fault.Error{Key: from, Value: name, Msg: "unknown target", Hint: "Valid: " + strings.Join(known, ", ") + "."}
		if near := fault.Nearest(name, known); near != "" {
			e.Hint = fmt.Sprintf("Did you mean %q? %s", near, e.Hint)
		}
		errs.Add(e)
		return errs.Or()
	}
	p.Target = name
	if t, ok := p.File.Targets.Get(name); ok && t != nil {
		p.Settings = *t
	}
	if p.Settings.Threads == 0 {
		p.Settings.Threads = p.File.Limits.Threads
	}
	if p.Settings.Memory == 0 {
		p.Settings.Memory = p.File.Limits.Memory
	}
	for _, m := range []map[string]any{p.File.Vars, p.Settings.Vars} {
		for k, v := range m {
			p.Vars[k] = v
		}
	}
	for k, v := range o.Vars {
		if _, ok := p.Vars[k]; !ok {
			errs.Add(&fault.Error{Key: "--vars", Value: k, Msg: "unknown variable",
				Hint: strings.TrimSpace(fault.DidYouMean(k, keys(p.Vars)) + " Variables are declared under vars: in " + FileName + ".")})
			continue
		}
		p.Vars[k] = v
	}
	return errs.Or()
}

// TargetNames lists the targets: dev and prod, then the others in the order of the file.
func (p *Project) TargetNames() []string {
	names := []string{DefaultTarget, "prod"}
	for _, k := range p.File.Targets.Keys() {
		if k != DefaultTarget && k != "prod" {
			names = append(names, k)
		}
	}
	return names
}

// Location is the project's time zone.
func (p *Project) Location() *time.Location { return p.File.TimeZone.Location() }

// Path joins a path inside the project's folder; an absolute path stays.
func (p *Project) Path(rel string) string {
	if filepath.IsAbs(rel) {
		return rel
	}
	return filepath.Join(p.Dir, filepath.FromSlash(rel))
}

// Root is the target's folder for everything that is made; removing it removes the target's data.
func (p *Project) Root() string { return filepath.Join(p.Dir, DataDir, p.Target) }

// RawDir holds the landed Parquet files.
func (p *Project) RawDir() string { return filepath.Join(p.Root(), "raw") }

// WarehouseDir holds the DuckDB builds and the link to the published one.
func (p *Project) WarehouseDir() string { return filepath.Join(p.Root(), "warehouse") }

// StateFile is the SQLite database with runs, attempts and ledgers.
func (p *Project) StateFile() string { return filepath.Join(p.Root(), "state.db") }

// LogDir holds one log file a run.
func (p *Project) LogDir() string { return filepath.Join(p.Root(), "logs") }

// ArtifactDir holds manifest.json, run_results.json and reports that were written.
func (p *Project) ArtifactDir() string { return filepath.Join(p.Root(), "target") }

// LockFile is the target's lock.
func (p *Project) LockFile() string { return filepath.Join(p.Root(), "lock") }

func keys[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	return names
}
