// Package reports tells what happened: it composes a document from the published build by sections, and hands it to
// channels. It holds the stage's interfaces and its engine; sections and channels are packages below it, each is one
// line in the catalog of cmd/millrace.
//
// Invariants: P3 (one build is read, from start to end), P4 (the same build and definition give the same document),
// P7 (a number in a text is a cell of a published relation, with its query), P6 for deliveries.
// It must not know any one channel, and must not write markup.
package reports

import (
	"context"
	"log/slog"
	"time"

	"millrace/activate/receipt"
)

// SectionKind is one entry of the catalog of sections.
type SectionKind struct {
	Name    string
	Summary string
	// Options returns a pointer to the struct that the section's keys decode into. Struct tags: yaml, doc, enum,
	// default, required.
	Options func() any
	// Check looks at filled options before anything is queried; nil accepts all.
	Check func(opts any) error
	// Build asks its queries and gives content. An error becomes a visible Failure; the other sections go on.
	Build func(ctx context.Context, in *Input, opts any) ([]Block, error)
}

// Input is what a section may look at.
type Input struct {
	*Recorder
	Period   Period
	Report   string
	Title    string // the section's own title, "" if the definition gives none
	Currency string // the project's, for money whose row names none
	Now      time.Time
	// KPIs are the definition's labels and meanings by name; see Labels.
	Labels Labels
	// Shown are the KPIs that the definition's own `show` lists name, in order: what the report is about.
	Shown []string
}

// Labels are how a definition wants KPIs to be called and judged.
type Labels map[string]Label

// Label is one entry of Labels.
type Label struct {
	Label       string `yaml:"label" doc:"how the KPI is called in this report"`
	About       string `yaml:"about" doc:"what it means, in a sentence"`
	LowerBetter bool   `yaml:"lower_is_better" doc:"a fall is good news"`
}

// Of is the label of a KPI.
func (l Labels) Of(kpi string) string {
	if s := l[kpi].Label; s != "" {
		return s
	}
	return Title(kpi)
}

// LowerBetter reports whether a fall of the KPI is good news: as the definition says, else as the trade sees it.
func (l Labels) LowerBetter(kpi string) bool {
	if e, ok := l[kpi]; ok && e.LowerBetter {
		return true
	}
	switch kpi {
	case "sales_cycle", "sales_cycle_days", "median_cycle_days", "cac", "cac_blended", "cac_paid", "cac_lagged", "payback", "payback_months",
		"cpl", "cpc", "cpm", "cpa", "churn_rate", "lead_response", "lead_response_time", "lost", "refunds", "spend", "cost_per_request":
		return true
	}
	return false
}

// ChannelKind is one entry of the catalog of channels.
type ChannelKind struct {
	Name    string
	Summary string
	Options func() any
	// Open makes a channel ready to deliver; it must not deliver anything.
	Open func(p ChannelParams) (Channel, error)
}

// ChannelParams is what a channel is opened with.
type ChannelParams struct {
	Dir     string // the project's folder: relative paths start here
	Out     string // --out: replaces the folder of files, "" keeps what the definition says
	Options any    // what ChannelKind.Options returned, filled
	Log     *slog.Logger
}

// Channel is one way out.
type Channel interface {
	// Name is the channel's kind with what tells it apart from others of that kind in a report: "excel out/x.xlsx".
	Name() string
	// Deliver hands the document over. A nil error means delivered; the receipt says where and how much. After an error
	// the receipt's status says whether it was Rejected (nothing arrived) or is Unknown. key is unique for ever.
	Deliver(ctx context.Context, key string, d *Document) (receipt.Receipt, error)
}

// Repeatable is an optional ability: delivering the same key again changes nothing, as with a file that is replaced.
type Repeatable interface {
	// Present reports whether what an earlier receipt says was delivered is still there.
	Present(r receipt.Receipt) bool
}

// Settler is an optional ability: to look whether a delivery whose answer was lost has arrived (P6).
type Settler interface {
	Settle(ctx context.Context, key string, d *Document) (receipt.Receipt, error)
}

// Ledger keeps a report from being delivered twice. internal/state is behind it.
type Ledger interface {
	// Intend records that r.Key is about to be delivered. If the key is known and was not rejected, the prior entry is
	// returned with true and nothing is recorded.
	Intend(ctx context.Context, r receipt.Receipt) (prior receipt.Receipt, known bool, err error)
	// Record notes what became of an intended delivery.
	Record(ctx context.Context, r receipt.Receipt) error
	// Last is the newest delivered receipt of a report over all channels; false when there is none.
	Last(ctx context.Context, report string) (receipt.Receipt, bool, error)
}
