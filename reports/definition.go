package reports

import (
	"millrace/internal/config"
	"millrace/internal/fault"
)

// Definition is one file of reports/, checked.
type Definition struct {
	File       string
	Report     string
	Title      string
	Schedule   config.Cron // in the project's zone; zero means after every new build
	Grain      string      // of the period
	Last       int         // how many periods histories show
	Labels     Labels
	Dimensions []string // where to look for reasons, the most useful one first
	Actions    []Action
	Sections   []SectionSpec
	Channels   []ChannelSpec

	source []byte // the file, when it alone says what is asked; nil when variables do too
}

// SectionSpec is one section of a definition.
type SectionSpec struct {
	Kind    SectionKind
	Title   string
	Options any
	Line    int
}

// ChannelSpec is one channel of a definition.
type ChannelSpec struct {
	Kind    ChannelKind
	Options any
	Line    int
}

// Action is a recommendation that a definition knows how to make.
type Action struct {
	KPI   string   `yaml:"kpi" doc:"a ratio of metrics.kpi: the segment whose figure, brought to the goal, gives most is chosen"`
	By    []string `yaml:"by" doc:"dimensions to look in (default: the report's)"`
	Goal  string   `yaml:"goal" enum:"total,previous,target" default:"total" doc:"what the segment is to reach: the figure of all, its own of the period before, or its target"`
	Worth string   `yaml:"worth" doc:"the KPI that says what one unit of the numerator is worth, such as average_deal"`
	Unit  string   `yaml:"unit" doc:"what one unit of the numerator is called: won deals"`
	Of    string   `yaml:"of" doc:"what one unit of the denominator is called: closed deals"`
	MinN  int      `yaml:"min_n" default:"20" min:"1" doc:"segments with fewer cases are left alone"`
	SQL   string   `yaml:"sql" doc:"a query of your own instead of kpi: its first row is the recommendation, no row means none"`
	Do    string   `yaml:"do" required:"true" doc:"the sentence, with {segment} and the other columns in braces; digits are refused"`
	// Effect is the arithmetic for a query of one's own; for a KPI it is written from the figures.
	Effect string `yaml:"effect" doc:"the expected effect with its arithmetic, with {columns}; for sql"`

	do, effect *Template
}

// DoTemplate is the parsed sentence.
func (a *Action) DoTemplate() *Template { return a.do }

// EffectTemplate is the parsed arithmetic; nil when there is none.
func (a *Action) EffectTemplate() *Template { return a.effect }

// Parse checks the sentences. It must be called before the templates are asked for.
func (a *Action) Parse() error {
	var err error
	if (a.KPI == "") == (a.SQL == "") {
		return &fault.Error{Msg: "an action needs either kpi or sql", Hint: "Name a ratio in kpi:, or write a query in sql:."}
	}
	if a.do, err = ParseTemplate(a.Do); err != nil {
		return err
	}
	if a.Effect != "" {
		a.effect, err = ParseTemplate(a.Effect)
	}
	return err
}

// shown is an optional ability of options: which KPIs they name.
type shown interface{ ShownKPIs() []string }

// Shown lists the KPIs that the sections name, each once, in order.
func (d *Definition) Shown() []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range d.Sections {
		if o, ok := s.Options.(shown); ok {
			for _, k := range o.ShownKPIs() {
				if !seen[k] {
					seen[k] = true
					out = append(out, k)
				}
			}
		}
	}
	return out
}
