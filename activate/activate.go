// Package activate is the stage that sends: it compares a published relation with what a destination has acknowledged,
// writes the difference down as a plan, and moves an approved plan's rows through the outbox. Each destination is a
// package below it and one line in the catalog of cmd/millrace; activate/desttest defines what a destination is.
//
// Invariants: P4 (the same build, file and ledger give the same plan), P5 (nothing is sent that the gate has not
// approved at that moment), P6 (only a destination's own answer moves a row's ledger; what is not known is unknown,
// and settled before it is sent again), P8 (plans hold no values of people). It must not know any one outside system.
package activate

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"millrace/transform/relation"
)

// Op is what is done with one row.
type Op string

// The operations. Restore is written by undo only; a destination gets it as Update with a remote id.
const (
	Upsert  Op = "upsert"  // write the fields of the record with this key, making it when it is not there
	Update  Op = "update"  // write the fields of the record with this key, if it is there
	Archive Op = "archive" // take the record away, so that it can be brought back
	Add     Op = "add"     // put the person into the audience
	Remove  Op = "remove"  // take the person out of the audience
	Restore Op = "restore"
	Erase   Op = "erase"  // forget the person for good, as they asked; destinations with Eraser only, never part of a sync
	Insert  Op = "insert" // make a record that is not there yet; one that is there is refused, never written
	Event   Op = "event"  // tell something that happened, once: a conversion, a message, a webhook call
)

// UndoClass says how far a sync can be taken back.
type UndoClass string

// The classes (reference/activation.md, section 6.5).
const (
	UndoExact   UndoClass = "exact"   // the earlier values are read before the write and written back
	UndoInverse UndoClass = "inverse" // the opposite operation
	UndoNone    UndoClass = "none"    // what is sent is sent
)

// Capabilities is what a destination declares about one kind of object. The conformance suite checks it.
type Capabilities struct {
	Account   string    // identifies the account: a ledger belongs to it
	Ops       []Op      // what it can do with the object
	MaxBatch  int       // rows of one call
	MaxBytes  int       // of one call's values; 0: no limit known
	PerRow    bool      // it answers about each row, at once or when its job has ended (Settler); false: it takes a batch and counts later
	TellsNew  bool      // its answer says which records it made
	Repeat    bool      // sending a row twice has the effect of sending it once
	Undo      UndoClass // how far what it did can be taken back
	PerSecond float64   // calls it allows, for the estimate in a plan; 0: not known
	MinPeople int       // smallest audience that is used at all
	// MemberDays is after how many days a membership of an audience ends by itself; 0: never. Members are said again before.
	MemberDays int
}

// Target is what a sync writes to: the object, its key and the fields.
type Target struct {
	Object string
	Key    string   // the destination's name for the key field
	Fields []string // the destination's names, sorted
	Ops    []Op
}

// Row is one change as a destination gets it.
type Row struct {
	ID       string // of the outbox; unique, and the same when the row is sent again: fit for a trace id
	IdemKey  string // the same for the same change for ever: fit for an idempotency key
	Key      string
	RemoteID string                     // known for records that were met before
	Values   map[string]json.RawMessage // canonical JSON; null clears
}

// Batch is what goes out in one call.
type Batch struct {
	Target Target
	Op     Op
	Rows   []Row
}

// Status is what a destination's answer says about one row.
type Status string

// The statuses. A row that the answer does not mention is Unknown.
const (
	Acked    Status = "acked"
	Accepted Status = "accepted" // taken as part of Answer.JobID, which will only count
	Rejected Status = "rejected" // will never succeed as it stands
	Retry    Status = "retry"    // refused for now, nothing was written
	Unknown  Status = "unknown"
)

// Result is the answer about one row.
type Result struct {
	ID       string
	Status   Status
	RemoteID string
	Created  bool   // the record is new
	Class    string // rejected: which kind of refusal
	Message  string // for a person
}

// Answer is what came back for a batch.
type Answer struct {
	Results   []Result
	JobID     string // when rows were accepted
	RequestID string
}

// Destination is one configured outside system.
type Destination interface {
	// Capabilities declares what can be done with an object. It must not go to the network.
	Capabilities(object string) (Capabilities, error)
	// Check reads what the destination says about itself (credentials, scopes, fields) and refuses a target that does
	// not fit. It reads no records and writes nothing.
	Check(ctx context.Context, t Target) error
	// Send writes a batch of at most MaxBatch rows with distinct keys and answers with one result for each row, in any
	// order. An error is about the whole call: *httpx.Error says by its class whether nothing was written (transient,
	// rate, auth, config, permanent) or it is not known (unknown); *RefusedRows names the rows that made the
	// destination refuse the call. Any other error counts as unknown. It must not repeat a call that may have taken
	// effect. One goroutine calls it at a time.
	Send(ctx context.Context, b Batch) (Answer, error)
	Close() error
}

// Record is what a destination holds for one row.
type Record struct {
	Exists   bool
	RemoteID string
	Values   map[string]json.RawMessage
}

// RefusedRows is an error of Send: the call was refused as a whole, nothing was written, and these rows are why.
type RefusedRows struct {
	Rows map[string]string // outbox id → the destination's reason
	Err  error
}

func (e *RefusedRows) Error() string {
	return fmt.Sprintf("%d rows made the destination refuse the call: %v", len(e.Rows), e.Err)
}

// Unwrap returns the cause.
func (e *RefusedRows) Unwrap() error { return e.Err }

// Connector is one entry of the catalog of destinations.
type Connector struct {
	Name    string // as written after `destination:`
	Summary string
	// Options returns a pointer to the struct that `config:` decodes into.
	Options func() any
	Open    func(p OpenParams) (Destination, error)
}

// OpenParams is what a destination is opened with.
type OpenParams struct {
	Sync    string   // the sync's name, for messages
	Options any      // what Connector.Options returned, filled
	Dir     string   // the project's folder, absolute; empty where there is no project
	Budgets *Budgets // rate budgets by account; use Budgets.For, which takes nil too
	Log     *slog.Logger
	Now     func() time.Time
	Sleep   func(context.Context, time.Duration) error
	Rand    func() float64
}

// Warehouse is one published build, read-only.
type Warehouse interface {
	Build() relation.Build
	// Query yields the rows of one select; see models.Warehouse for the types of cells.
	Query(ctx context.Context, sql string) iter.Seq2[[]any, error]
}

// outcomes brings an answer into the order of the batch: exactly one result for each row. What the answer does not
// mention, or mentions twice in different ways, is unknown.
func outcomes(b Batch, a Answer) []Result {
	byID := make(map[string]Result, len(a.Results))
	for _, r := range a.Results {
		if old, twice := byID[r.ID]; twice && old.Status != r.Status {
			r = Result{ID: r.ID, Status: Unknown, Message: fmt.Sprintf("the destination answered both %s and %s", old.Status, r.Status)}
		}
		byID[r.ID] = r
	}
	out := make([]Result, len(b.Rows))
	for i, row := range b.Rows {
		r, ok := byID[row.ID]
		switch {
		case !ok:
			r = Result{ID: row.ID, Status: Unknown, Message: "the destination's answer does not mention this row"}
		case !slices.Contains([]Status{Acked, Accepted, Rejected, Retry, Unknown}, r.Status), r.Status == Accepted && a.JobID == "":
			r = Result{ID: row.ID, Status: Unknown, Message: fmt.Sprintf("the answer %q makes no sense here", r.Status)}
		}
		out[i] = r
	}
	return out
}
