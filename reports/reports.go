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
	// Dimensions are where to look for reasons; Actions what may be recommended.
	Dimensions []string
	Actions    []Action
	// Shown are the KPIs that the definition's own `show` lists name, in order: what the report is about.
	Shown []string
}

// Labels are how a definition wants KPIs to be called and judged.
type Labels map[string]Label

// Label is one entry of Labels.
type Label struct {
	Label       string `yaml:"label" doc:"how the KPI is called in this report"`
	About       string `yaml:"about" doc:"what it means, in a sentence"`
	LowerBetter *bool  `yaml:"lower_is_better" doc:"a fall is good news (default: as metrics.kpi_definition says)"`

	cell    Cell // where the label came from, if it came from the data
	neutral bool // neither more nor less is good news
}

// Of is the label of a KPI.
func (l Labels) Of(kpi string) string {
	if s := l[kpi].Label; s != "" {
		return s
	}
	return Title(kpi)
}

// Say puts the label of a KPI at the beginning of a sentence.
func (l Labels) Say(w *Writer, kpi string) *Writer { return l.say(w, kpi, false) }

// SayInside puts the label of a KPI inside a sentence, without its capital letter.
func (l Labels) SayInside(w *Writer, kpi string) *Writer { return l.say(w, kpi, true) }

func (l Labels) say(w *Writer, kpi string, inside bool) *Writer {
	if e := l[kpi]; e.cell.ref.Source != "" {
		return w.Num(e.cell, Format{Unit: TextUnit, Lower: inside})
	}
	if inside {
		return w.Say(lowerFirst(l.Of(kpi)))
	}
	return w.Say(l.Of(kpi))
}

// LowerBetter reports whether a fall of the KPI is good news.
func (l Labels) LowerBetter(kpi string) bool {
	e := l[kpi]
	return e.LowerBetter != nil && *e.LowerBetter
}

// Neutral reports whether neither a rise nor a fall of the KPI is good news in itself.
func (l Labels) Neutral(kpi string) bool { return l[kpi].neutral }

// labels completes a definition's labels from metrics.kpi_definition, where each KPI is described once.
func labels(ctx context.Context, rec *Recorder, own Labels) (Labels, error) {
	out := Labels{}
	for k, v := range own {
		out[k] = v
	}
	if !rec.Has("metrics.kpi_definition") {
		return out, nil
	}
	res, err := rec.Query(ctx, "select kpi, label, better, formula, remark\nfrom metrics.kpi_definition\norder by kpi")
	if err != nil {
		return nil, err
	}
	for i := range res.Len() {
		kpi := res.Cell(i, "kpi").Text()
		e := out[kpi]
		if e.Label == "" {
			e.cell = res.Cell(i, "label")
			e.Label = e.cell.Text()
		}
		if e.About == "" {
			e.About = res.Cell(i, "formula").Text()
			if r := res.Cell(i, "remark").Text(); r != "" {
				e.About += ". " + r
			}
		}
		if e.LowerBetter == nil {
			better := res.Cell(i, "better").Text()
			down := better == "down"
			e.LowerBetter, e.neutral = &down, better == "neutral"
		}
		out[kpi] = e
	}
	return out, nil
}

// ChannelKind is one entry of the catalog of channels.
type ChannelKind struct {
	Name    string
	Summary string
	Options func() any
	// Check looks at filled options when a definition is read; nil accepts all.
	Check func(opts any) error
	// Local says that the channel writes files on this machine and speaks to nobody: only such channels are delivered to
	// under a target that cannot send.
	Local bool
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
	// Name is the channel's kind: excel.
	Name() string
	// Target tells it apart from others of its kind in one report: the path as the definition writes it.
	Target() string
	// Deliver hands the document over. A nil error means delivered; the receipt says where and how much. After an error
	// the receipt's status says whether it was Rejected (nothing arrived) or is Unknown. key is unique for ever.
	Deliver(ctx context.Context, key string, d *Document) (receipt.Receipt, error)
}

// Reachable is an optional ability: asking whether a delivery would find its way. Nothing is sent.
type Reachable interface {
	// Reach says for a person where a delivery would go, or why it would not arrive.
	Reach(ctx context.Context) (string, error)
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
	// Recent lists the newest receipts of a report over all channels, newest first.
	Recent(ctx context.Context, report string) ([]receipt.Receipt, error)
	// Last is the newest delivered receipt of a report over all channels; false when there is none.
	Last(ctx context.Context, report string) (receipt.Receipt, bool, error)
}
