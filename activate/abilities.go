package activate

import (
	"context"
	"encoding/json"
	"iter"
	"sync"

	"millrace/internal/httpx"
)

// Abilities that a destination may have beside Destination. The engine asks for each with a type assertion; a
// destination without one is still a whole destination.

// Reader is an ability of destinations that can look: for values before a write, for what became of a lost answer, and
// for undo. Destinations with Undo exact must have it.
type Reader interface {
	// Read looks up rows by remote id, or by key where they have none, and gives one record for each id; the row's
	// Values are not used.
	Read(ctx context.Context, t Target, rows []Row) (map[string]Record, error)
	// Same reports whether the destination's spelling of a value is ours: some keep every value as text.
	Same(ours, theirs json.RawMessage) bool
}

// Keyer is an ability of destinations that treat several spellings of a key as one, such as e-mail addresses in capitals.
type Keyer interface {
	NormalKey(t Target, key string) (string, error)
}

// JobStatus is the state of accepted work of a destination that only counts.
type JobStatus struct {
	Done     bool
	Failed   bool // nothing was taken; the rows may be sent again
	Reported *int // rows counted as taken
	Message  string
}

// Poller is an ability of destinations that only count.
type Poller interface {
	Poll(ctx context.Context, jobID string, rows int) (JobStatus, error)
}

// JobResult is the state of accepted work of a destination that says at its end what became of each row.
type JobResult struct {
	Done    bool
	Results []Result // once done: any order; Acked, Rejected, Retry (not processed, nothing written) or Unknown
	Message string
}

// Settler is an ability of destinations whose work is done by a job that ends with an answer about each row, such as
// Salesforce Bulk. Send gives Accepted and a JobID; Settle is asked about the job, also by a later process, until it is
// done. It gets the job's rows as they were sent (ID, Key, RemoteID, Values), so that answers can be matched by key.
// A row that the results do not mention is unknown. A destination with this ability declares PerRow; its Send may
// still answer about a small batch at once.
type Settler interface {
	Settle(ctx context.Context, t Target, op Op, jobID string, rows []Row) (JobResult, error)
}

// Listed is one record as a Lister names it.
type Listed struct {
	Key      string // in the destination's spelling; empty: the record has none
	RemoteID string
}

// Lister is an ability of destinations that can name every record of an object that is not archived: for a full mirror,
// which archives what has no row. The order does not matter; a record may be named twice.
type Lister interface {
	List(ctx context.Context, t Target) iter.Seq2[Listed, error]
}

// Eraser is an ability of destinations that can forget a person for good, beyond archiving. It is called only for an
// erasure that a person has approved. A record that is not there is Acked: it is forgotten.
type Eraser interface {
	Erase(ctx context.Context, t Target, rows []Row) (Answer, error)
}

// Kind is the kind of value that a field takes.
type Kind string

// The kinds. Any means that the destination does not say.
const (
	KindAny     Kind = ""
	KindText    Kind = "text"
	KindNumber  Kind = "number"
	KindInteger Kind = "integer"
	KindBool    Kind = "boolean"
	KindDate    Kind = "date"
	KindInstant Kind = "instant"
)

// FieldInfo is what a destination declares about one field.
type FieldInfo struct {
	Name      string
	Kind      Kind
	MaxLength int      // characters; 0: no limit known
	Options   []string // the only values allowed; empty: any
	ReadOnly  bool
	Required  bool // needed to make a record
}

// Describer is an ability of destinations that know the types of their fields. The engine refuses a mapping whose column
// cannot fit, and leaves out rows whose value is too long or no option, each with its reason, before anything is sent.
// It may be called after Check only, and need not go to the network again.
type Describer interface {
	Describe(ctx context.Context, object string) ([]FieldInfo, error)
}

// Budgets are the rate budgets of accounts, shared by every destination that one process opens: two syncs to one account
// stay under one limit. The zero value is ready; a nil *Budgets shares nothing. Safe for concurrent use.
type Budgets struct {
	mu     sync.Mutex
	shared map[string]*httpx.Budget
}

// For gives the budget of an account, which must name the system too ("hubspot 123"); the first caller's policies hold.
func (b *Budgets) For(account string, policies ...httpx.Policy) (*httpx.Budget, error) {
	if b == nil {
		return httpx.NewBudget(policies...)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.shared[account]; old != nil {
		return old, nil
	}
	made, err := httpx.NewBudget(policies...)
	if err != nil {
		return nil, err
	}
	if b.shared == nil {
		b.shared = map[string]*httpx.Budget{}
	}
	b.shared[account] = made
	return made, nil
}
