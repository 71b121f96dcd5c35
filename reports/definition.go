package reports

// Definition is one file of reports/, checked.
type Definition struct {
	File      string
	Report    string
	Title     string
	Schedule  string // cron, in the project's zone; "" means after every new build
	Grain     string // of the period: month unless said
	Last      int    // how many periods histories show
	Labels    Labels
	Sections  []SectionSpec
	Channels  []ChannelSpec
	Relations []string // relations that the definition names, for lineage
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
