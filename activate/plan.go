package activate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/state"
	"millrace/models/decision"
)

// Verdicts of a plan.
const (
	VerdictEmpty   = "empty"   // nothing would change
	VerdictWithin  = "within"  // inside the limits of its file: approved by them
	VerdictHold    = "hold"    // a person must look
	VerdictBlocked = "blocked" // nobody can let it through: file or data must change
)

// Plan is what a sync would do, before it does it. It holds counts, hashes and masked samples, never values of people
// (P8), and no time of its making is part of its hash (P4).
type Plan struct {
	ID            string         `json:"plan_id"`
	Hash          string         `json:"hash"`
	Kind          string         `json:"kind"` // sync, undo
	Sync          string         `json:"sync"`
	Destination   string         `json:"destination"`
	Account       string         `json:"account,omitempty"`
	Object        string         `json:"object"`
	Mode          string         `json:"mode"`
	Relation      string         `json:"relation"`
	BuildID       string         `json:"build_id"`
	Version       string         `json:"relation_version"`
	ConfigHash    string         `json:"config_hash"`
	LedgerVersion int64          `json:"ledger_version"`
	Rows          int            `json:"relation_rows"`
	Known         int            `json:"known"` // keys that the destination has acknowledged
	Changes       int            `json:"changes"`
	Ops           map[string]int `json:"ops"` // new, changed, add, remove, restore, archive
	Unchanged     int            `json:"unchanged"`
	Drops         map[string]int `json:"drops"` // rows left out, by reason
	Fields        []*fieldCount  `json:"fields"`
	Breakers      []Breaker      `json:"breakers"`
	Samples       []Sample       `json:"samples"`
	Bad           string         `json:"bad_example,omitempty"` // why a row cannot be sent, masked
	Money         *Money         `json:"money,omitempty"`
	People        bool           `json:"people"`            // its rows are about people or accounts that the sync names
	Risk          []string       `json:"risk,omitempty"`    // why whoever asked for it may not approve it
	Missing       int            `json:"missing,omitempty"` // rows of the last applied plan that the relation lacks now
	Undo          UndoClass      `json:"undo"`
	Undoes        string         `json:"undoes,omitempty"`    // undo: the plan that it takes back
	Conflicts     []Conflict     `json:"conflicts,omitempty"` // undo: what somebody changed since
	Calls         int            `json:"estimated_calls"`
	Seconds       float64        `json:"estimated_seconds"`
	Verdict       string         `json:"verdict"`
	Live          bool           `json:"live"`
	NotLive       string         `json:"not_live,omitempty"`
	State         string         `json:"state"`
	By            string         `json:"requested_by"`
	Created       time.Time      `json:"created_at"`
	Expires       time.Time      `json:"expires_at"`

	counts   map[string]*fieldCount
	scale    float64
	rows     []planRow // of plans made by older versions only
	rowsHash string
}

// Money is what the plan's rows commit a company to spend, in ten-thousandths of the currency.
type Money struct {
	Field    string `json:"field"`
	Currency string `json:"currency,omitempty"`
	Budget   string `json:"budget"`
	Limit    int64  `json:"limit"`
	Rows     int    `json:"rows"`      // that change an amount
	Before   int64  `json:"before"`    // of these rows, as far as it is known
	After    int64  `json:"after"`     // of these rows
	Standing int64  `json:"committed"` // of the whole budget, before the plan
}

// Sample is one row of the plan as a person may see it.
type Sample struct {
	Key    string         `json:"key"`
	Op     string         `json:"op"`
	Fields []SampleChange `json:"fields,omitempty"`
}

// SampleChange is one field of a sample.
type SampleChange struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// planRow identifies one change by hashes. The whole list is encrypted at rest.
type planRow struct {
	K string   `json:"k"`
	O Op       `json:"o"`
	H string   `json:"h"`
	F []string `json:"f,omitempty"`
	D string   `json:"d,omitempty"`
	U string   `json:"u,omitempty"` // undo: the outbox row
}

// samples shown in a plan.
const sampleSize = 5

// Plan compares the published relation with the acknowledged ledger and stores the plan. It sends nothing and moves no
// ledger; the destination is asked only what it says about itself. The same build, file and ledger give the same plan.
func (e *Engine) Plan(ctx context.Context, s *Sync, d Destination) (*Plan, error) {
	caps, err := d.Capabilities(s.File.Object)
	if err != nil {
		return nil, fault.Wrap(err, "sync %s", s.Name)
	}
	w, done, err := e.Open(ctx, "")
	if err != nil {
		return nil, fault.Wrap(err, "sync %s", s.Name)
	}
	defer func() { _ = done() }() // read-only: closing cannot lose anything
	rel, err := s.fit(w.Build(), caps)
	if err != nil {
		return nil, err
	}
	if _, lists := d.(Lister); s.File.Mode == ModeFullMirror && !lists {
		return nil, s.node.Get("mode").Fault("Write `mode: mirror`.", "%s cannot name its records, which a full mirror needs", s.File.Destination)
	}
	if err := d.Check(ctx, s.Target()); err != nil {
		return nil, fault.Wrap(err, "sync %s: %s", s.Name, s.File.Destination)
	}
	scope := s.scope(caps)
	p := &Plan{Kind: "sync", Sync: s.Name, Destination: s.File.Destination, Account: caps.Account, Object: s.File.Object, Mode: s.File.Mode, Relation: rel.Name,
		BuildID: w.Build().ID, Version: rel.Version, ConfigHash: s.Hash(), Ops: map[string]int{}, Undo: caps.Undo, By: e.By, Created: e.Now.UTC(), Fields: []*fieldCount{}, Samples: []Sample{}}
	p.Expires = p.Created.Add(s.File.Guard.Expires)
	p.Live, p.NotLive = e.mayLive(s)
	if p.LedgerVersion, err = e.State.Ledger.Version(ctx, scope); err != nil {
		return nil, err
	}
	var infos map[string]FieldInfo
	if describer, ok := d.(Describer); ok {
		list, err := describer.Describe(ctx, s.File.Object)
		if err != nil {
			return nil, fault.Wrap(err, "sync %s: %s", s.Name, s.File.Destination)
		}
		if infos, err = s.describe(list, rel); err != nil {
			return nil, err
		}
	}
	gate := e.gate(s, false)
	refused := map[string]int{}
	ask := func(ctx context.Context, cs []*candidate) ([]bool, error) {
		return judge(ctx, gate, s, cs, refused)
	}
	df := &difference{drops: map[string]int{}}
	cutoff := s.refreshBefore(caps, p.Created)
	cmp, err := e.compare(ctx, s, w, scope, cutoff)
	if err != nil {
		return nil, err
	}
	defer func() { _ = cmp.close() }() // temporary tables only
	draft, err := e.State.Plans.Draft(ctx)
	if err != nil {
		return nil, err
	}
	personal := map[string]bool{}
	for _, f := range s.fields {
		for _, c := range rel.Columns {
			personal[f.name] = personal[f.name] || c.Name == f.Column && c.PII != ""
		}
	}
	p.People = s.File.Subject != ""
	if err := p.begin(ctx, e, s); err != nil {
		return nil, err
	}
	pick := &sampler{personal: personal}
	walk := &walk{e: e, s: s, d: d, scope: scope, cmp: cmp, df: df, ask: ask, cutoff: cutoff, infos: infos}
	err = walk.run(ctx, func(cs []*candidate) error {
		kept, err := e.waiting(ctx, scope, df, cs)
		if err != nil {
			return err
		}
		ok := make([]bool, len(kept))
		if s.File.Mode == ModeAudience { // was asked already
			for i := range ok {
				ok[i] = true
			}
		} else if ok, err = ask(ctx, kept); err != nil {
			return err
		}
		for i, c := range kept {
			if !ok[i] {
				continue
			}
			p.count(c)
			pick.see(c)
			if err := addRow(ctx, draft, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, draft.Drop(context.WithoutCancel(ctx)))
	}
	for r, n := range refused {
		df.drops[r] += n
	}
	p.Rows, p.Known, p.Unchanged, p.Drops, p.Bad = df.rows, df.known, df.unchanged, df.drops, df.bad
	for _, n := range p.Fields {
		n.Ours = df.filled[n.Field]
	}
	p.Samples = pick.samples()
	p.estimate(caps)
	past, err := e.past(ctx, s)
	if err != nil {
		return nil, err
	}
	p.judge(s, rel, df, caps, past)
	return p, e.store(ctx, p, scope, draft)
}

// judge asks the gate about candidates; refused ones are counted once for each subject's row. A guard that could not
// answer is an error here: reading it as a wish to take everybody out would be worse than having no plan.
func judge(ctx context.Context, g decision.Gate, s *Sync, cs []*candidate, refused map[string]int) ([]bool, error) {
	changes := make([]decision.Change, len(cs))
	for i, c := range cs {
		changes[i] = s.change(fmt.Sprint(i), c.subject, c.decision, c.op, c.fields())
	}
	approved, no, err := g.Judge(ctx, changes)
	if err != nil {
		return nil, err
	}
	ok := make([]bool, len(cs))
	for _, a := range approved {
		c, err := a.Change()
		if err != nil {
			return nil, err
		}
		var i int
		if _, err := fmt.Sscan(c.ID, &i); err != nil {
			return nil, err
		}
		ok[i] = true
	}
	for _, r := range no {
		if r.Reason == decision.GuardFailed {
			return nil, &fault.Error{File: s.path, Msg: "no plan can be made: " + r.Detail, Hint: "Repair what the guard needs; until then nothing is sent."}
		}
		refused[string(r.Reason)]++
	}
	return ok, nil
}

// waiting leaves out what is on its way already, what is not settled, and what was refused or taken back in the same form.
func (e *Engine) waiting(ctx context.Context, scope string, df *difference, cs []*candidate) ([]*candidate, error) {
	ids := make([]string, len(cs))
	for i, c := range cs {
		ids[i] = c.keyID
	}
	latest, err := e.State.Outbox.Latest(ctx, scope, ids)
	if err != nil {
		return nil, err
	}
	var out []*candidate
	for _, c := range cs {
		l, ok := latest[c.keyID]
		same := ok && l.Hash == e.payloadHash(c)
		switch {
		case !ok && e.Only:
			df.drops[dropOther]++
			continue
		case !ok:
		case l.State == state.RowInflight || l.State == state.RowUnknown:
			df.drops[dropUnsettled]++
			continue
		case same && (l.State == state.RowPending || l.State == state.RowRetry || l.State == state.RowAccepted):
			df.drops[dropQueued]++
			continue
		case e.Only && l.State != state.RowRejected && l.State != state.RowDead:
			df.drops[dropOther]++
			continue
		case e.Again:
		case same && (l.State == state.RowRejected || l.State == state.RowDead):
			df.drops[dropRefused]++
			continue
		case same && l.State == state.RowUndone:
			df.drops[dropUndone]++
			continue
		}
		out = append(out, c)
	}
	return out, nil
}

func (e *Engine) payloadHash(c *candidate) string { return e.State.Vault().ID("payload", c.hash) }

// begin prepares the histogram.
func (p *Plan) begin(ctx context.Context, e *Engine, s *Sync) error {
	if sp := s.File.Spend; sp != nil {
		limit, err := state.Money(sp.Limit, 1)
		if err != nil {
			return err
		}
		committed, reserved, err := e.State.Spend.Committed(ctx, sp.Budget)
		if err != nil {
			return err
		}
		p.Money = &Money{Field: sp.Field, Currency: sp.Currency, Budget: sp.Budget, Limit: limit, Standing: committed + reserved}
		p.scale = sp.Scale
	}
	p.counts = map[string]*fieldCount{}
	for _, f := range s.fields {
		if f.name == s.File.Key.Field && s.File.Mode != ModeAudience && s.File.Mode != ModeEvent {
			continue
		}
		p.counts[f.name] = &fieldCount{Field: f.name}
		p.Fields = append(p.Fields, p.counts[f.name])
	}
	return nil
}

// count adds one change.
func (p *Plan) count(c *candidate) {
	p.Changes++
	switch {
	case c.again:
		p.Ops["again"]++
	case c.op == Add || c.op == Remove || c.op == Archive:
		p.Ops[string(c.op)]++
	case c.isNew:
		p.Ops["new"]++
	default:
		p.Ops["changed"]++
	}
	if c.op == Remove || c.again {
		return
	}
	for f, v := range c.set {
		n := p.counts[f]
		if n == nil {
			continue
		}
		old := c.old[f]
		if p.Money != nil && f == p.Money.Field {
			p.Money.Rows++
			if after, err := state.Money(canon.Text(v), p.scale); err == nil {
				p.Money.After += after
			}
			if before, err := state.Money(canon.Text(old.V), p.scale); err == nil {
				p.Money.Before += before
			}
		}
		switch {
		case string(v) == "null":
			n.Blanked++
		case len(old.V) > 0 && string(old.V) != "null":
			n.Changed++
		default:
			n.Filled++
		}
	}
}

// addRow adds a change to a plan in the making. The key id is not part of the plan: it differs between installations.
func addRow(ctx context.Context, draft *state.Draft, c *candidate) error {
	line, err := json.Marshal(planRow{K: c.k, O: c.op, H: c.hash, F: c.fields(), D: c.decision, U: c.undoes})
	if err != nil {
		return err
	}
	return draft.Add(ctx, line, c.keyID)
}

func (p *Plan) estimate(c Capabilities) {
	if p.Changes == 0 {
		return
	}
	p.Calls = (p.Changes + c.MaxBatch - 1) / c.MaxBatch
	if c.Undo == UndoExact {
		p.Calls *= 2 // each batch is read before it is written
	}
	if c.PerSecond > 0 {
		p.Seconds = float64(p.Calls) / c.PerSecond
	}
}

// past gives the sync's applied plans, newest first.
func (e *Engine) past(ctx context.Context, s *Sync) ([]*Plan, error) {
	stored, err := e.State.Plans.List(ctx, s.Name, 11, state.PlanApplied, state.PlanApplying)
	if err != nil {
		return nil, err
	}
	var out []*Plan
	for _, x := range stored {
		if x.Kind != "sync" {
			continue
		}
		p, err := decodePlan(x)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// seal computes the plan's identity from everything but the time of its making.
func (p *Plan) seal() error {
	q := *p
	q.ID, q.Hash, q.State, q.By, q.Created, q.Expires, q.Live, q.NotLive = "", "", "", "", time.Time{}, time.Time{}, false, ""
	body, err := json.Marshal(&q)
	if err != nil {
		return err
	}
	rows := []byte(p.rowsHash)
	if p.rowsHash == "" { // as older versions did
		if rows, err = json.Marshal(p.rows); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(append(append(body, '\n'), rows...))
	p.Hash = hex.EncodeToString(sum[:])
	p.ID = "p_" + p.Hash[:12]
	return nil
}

// store saves the plan in the state that its verdict gives it. An empty plan is not stored: it would only hide the
// last one that mattered.
func (e *Engine) store(ctx context.Context, p *Plan, scope string, draft *state.Draft) error {
	p.rowsHash = draft.Hash()
	if err := p.seal(); err != nil {
		return err
	}
	switch p.Verdict {
	case VerdictEmpty:
		p.State = VerdictEmpty
		if err := draft.Drop(ctx); err != nil {
			return err
		}
		return e.State.Plans.VoidOthers(ctx, p.Sync, p.Kind)
	case VerdictWithin:
		p.State = state.PlanApproved
	case VerdictHold:
		p.State = state.PlanWaiting
	default:
		p.State = state.PlanBlocked
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := e.State.Plans.Save(ctx, state.Plan{ID: p.ID, Hash: p.Hash, Kind: p.Kind, Sync: p.Sync, Scope: scope, Verdict: p.Verdict, State: p.State,
		BuildID: p.BuildID, Body: body, RowsHash: p.rowsHash, RunID: e.RunID, By: p.By, Created: p.Created, Expires: p.Expires}, draft); err != nil {
		return err
	}
	stored, ok, err := e.State.Plans.Get(ctx, p.ID)
	if err != nil || !ok {
		return err
	}
	p.State = stored.State // the same plan may have been approved before
	if p.Verdict == VerdictWithin && p.State == state.PlanApproved {
		return e.State.Plans.NotePolicy(ctx, state.Approval{PlanID: p.ID, Hash: p.Hash, By: p.Sync, Reason: "inside the limits of its file", At: p.Created})
	}
	return nil
}

func decodePlan(x state.Plan) (*Plan, error) {
	var p Plan
	if err := json.Unmarshal(x.Body, &p); err != nil {
		return nil, fmt.Errorf("plan %s: %w", x.ID, err)
	}
	p.State, p.rowsHash = x.State, x.RowsHash
	if x.RowsHash == "" && len(x.Rows) > 0 {
		if err := json.Unmarshal(x.Rows, &p.rows); err != nil {
			return nil, fmt.Errorf("plan %s: %w", x.ID, err)
		}
	}
	return &p, nil
}

// Load reads a stored plan and checks that it is the one that its id names.
func (e *Engine) Load(ctx context.Context, id string) (*Plan, error) {
	x, ok, err := e.State.Plans.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		list, err := e.State.Plans.List(ctx, "", 20)
		if err != nil {
			return nil, err
		}
		ids := make([]string, len(list))
		for i, l := range list {
			ids[i] = l.ID
		}
		return nil, &fault.Error{Msg: "there is no such plan", Value: id, Hint: fault.DidYouMean(id, ids)}
	}
	p, err := decodePlan(x)
	if err != nil {
		return nil, err
	}
	stateWas := p.State
	again := *p
	if err := again.seal(); err != nil {
		return nil, err
	}
	if again.Hash != x.Hash {
		return nil, &fault.Error{Msg: "the stored plan is not the one that was made: it was changed in the state file", Value: id, Hint: "Make a new one with `millrace plan`."}
	}
	p.State = stateWas
	return p, nil
}

// Approve records a person's verdict on a waiting plan. It binds to the plan's hash.
func (e *Engine) Approve(ctx context.Context, s *Sync, id, by, reason string, approved bool) (*Plan, error) {
	if _, err := e.State.Plans.Expire(ctx, e.Now); err != nil {
		return nil, err
	}
	p, err := e.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	if by == "" {
		return nil, &fault.Error{Msg: "an approval names a person", Hint: "Add --by with your name."}
	}
	switch {
	case p.State == state.PlanBlocked && approved:
		var why []string
		for _, b := range p.Breakers {
			if b.Verdict == VerdictBlocked {
				why = append(why, b.Message)
			}
		}
		return nil, &fault.Error{Msg: fmt.Sprintf("nobody can approve this plan: %s", join(why)), Value: id, Hint: "Correct the data or the sync's file, then plan again."}
	case p.State == state.PlanVoid:
		return nil, &fault.Error{Msg: "the plan is void: it expired, or a newer one took its place", Value: id, Hint: "Make a new one with `millrace plan`."}
	case !slices.Contains([]string{state.PlanWaiting, state.PlanApproved}, p.State), p.State == state.PlanApproved && approved:
		return nil, &fault.Error{Msg: "the plan is " + p.State + " already", Value: id, Hint: "Look at it with `millrace plan --show " + id + "`."}
	}
	if eyes := s.File.Guard.FourEyes; approved && by == p.By {
		switch {
		case eyes != nil && *eyes:
			return nil, &fault.Error{Msg: "whoever asked for this plan may not approve it (four_eyes)", Value: by, Hint: "Ask somebody else."}
		case eyes == nil && len(p.Risk) > 0:
			return nil, &fault.Error{Msg: "whoever asked for this plan may not approve it: " + join(p.Risk), Value: by,
				Hint: "Ask somebody else to run `millrace approve " + id + "`. A team of one may write `four_eyes: false` under guardrails."}
		}
	}
	if err := e.State.Plans.Decide(ctx, state.Approval{PlanID: id, Hash: p.Hash, Approved: approved, By: by, How: "person", Reason: reason, At: e.Now}); err != nil {
		return nil, err
	}
	return e.Load(ctx, id)
}

func join(parts []string) string {
	out := ""
	for i, p := range parts {
		if i > 0 {
			out += "; "
		}
		out += p
	}
	return out
}
