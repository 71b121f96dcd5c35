package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"millrace/models/decision"
)

// Decisions is the log of decisions: append-only, with the newest one of each policy and subject marked as current.
type Decisions struct{ d *DB }

// Append adds decisions in one transaction and makes them their subjects' current ones. One whose id is known is left
// as it is, so appending again after a crash changes nothing.
func (s Decisions) Append(ctx context.Context, runID string, ds []decision.Decision) error {
	if len(ds) == 0 {
		return nil
	}
	return s.d.tx(ctx, fmt.Sprintf("record %d decisions", len(ds)), func(t *sql.Tx) error {
		ins, err := t.PrepareContext(ctx, `insert into decisions (decision_id, previous_id, policy, policy_version, subject, mode, held, trigger, choice, score,
			propensity, reason, consent, inputs, inputs_hash, candidates, rule_hits, relation, relation_version, build_id, run_id, decided_at)
			values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) on conflict (decision_id) do nothing`)
		if err != nil {
			return err
		}
		defer ins.Close()
		cur, err := t.PrepareContext(ctx, `insert into decisions_current (policy, subject, decision_id) values (?,?,?)
			on conflict (policy, subject) do update set decision_id = excluded.decision_id`)
		if err != nil {
			return err
		}
		defer cur.Close()
		for _, d := range ds {
			inputs, err := json.Marshal(d.Inputs)
			if err != nil {
				return err
			}
			candidates, err := json.Marshal(d.Candidates)
			if err != nil {
				return err
			}
			hits, err := json.Marshal(d.RuleHits)
			if err != nil {
				return err
			}
			var score any
			if d.Score != nil {
				score = *d.Score
			}
			res, err := ins.ExecContext(ctx, d.ID, nullable(d.Previous), d.Policy, d.Version, d.Subject, d.Mode, d.Held, d.Trigger, d.Choice, score,
				d.Propensity, d.Reason, nullable(d.Consent), string(inputs), d.InputsHash, string(candidates), string(hits), d.Relation, d.RelationVersion, d.BuildID, runID, stamp(d.DecidedAt))
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				if err != nil {
					return err
				}
				continue // known: a newer one may be current by now
			}
			if _, err := cur.ExecContext(ctx, d.Policy, d.Subject, d.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

const decisionColumns = `d.decision_id, d.previous_id, d.policy, d.policy_version, d.subject, d.mode, d.held, d.trigger, d.choice, d.score, d.propensity,
	d.reason, d.consent, d.inputs, d.inputs_hash, d.candidates, d.rule_hits, d.relation, d.relation_version, d.build_id, d.decided_at`

func scanDecision(r scanner) (decision.Decision, error) {
	var d decision.Decision
	var score sql.NullFloat64
	var inputs, candidates, hits string
	err := r.Scan(&d.ID, text{&d.Previous}, &d.Policy, &d.Version, &d.Subject, &d.Mode, &d.Held, &d.Trigger, &d.Choice, &score, &d.Propensity,
		&d.Reason, text{&d.Consent}, &inputs, &d.InputsHash, &candidates, &hits, &d.Relation, &d.RelationVersion, &d.BuildID, instant{&d.DecidedAt})
	if err != nil {
		return d, err
	}
	if score.Valid {
		d.Score = &score.Float64
	}
	for _, j := range []struct {
		text string
		into any
	}{{inputs, &d.Inputs}, {candidates, &d.Candidates}, {hits, &d.RuleHits}} {
		if err := json.Unmarshal([]byte(j.text), j.into); err != nil {
			return d, fmt.Errorf("decision %s: %w", d.ID, err)
		}
	}
	return d, nil
}

// Current gives a policy's newest decision for each subject.
func (s Decisions) Current(ctx context.Context, policy string) (map[string]decision.Decision, error) {
	list, err := all(ctx, s.d.db, "read decisions of "+policy, scanDecision, `select `+decisionColumns+` from decisions_current c
		join decisions d on d.decision_id = c.decision_id where c.policy = ?`, policy)
	out := make(map[string]decision.Decision, len(list))
	for _, d := range list {
		out[d.Subject] = d
	}
	return out, err
}

// List gives every policy's current decisions, by policy and subject; an empty policy means all.
func (s Decisions) List(ctx context.Context, policy string) ([]decision.Decision, error) {
	return all(ctx, s.d.db, "read decisions", scanDecision, `select `+decisionColumns+` from decisions_current c
		join decisions d on d.decision_id = c.decision_id where ? = '' or c.policy = ? order by c.policy, c.subject`, policy, policy)
}

// History gives all decisions about a subject, newest first.
func (s Decisions) History(ctx context.Context, policy, subject string) ([]decision.Decision, error) {
	return all(ctx, s.d.db, "read decisions about a subject", scanDecision, `select `+decisionColumns+` from decisions d
		where d.policy = ? and d.subject = ? order by d.seq desc`, policy, subject)
}

// About gives all decisions of every policy about a subject, newest first.
func (s Decisions) About(ctx context.Context, subject string) ([]decision.Decision, error) {
	return all(ctx, s.d.db, "read decisions about a subject", scanDecision, `select `+decisionColumns+` from decisions d where d.subject = ? order by d.seq desc`, subject)
}

// Since is when the policy's first decision of its present mode was made; zero when there is none.
func (s Decisions) Since(ctx context.Context, policy, mode string) (time.Time, error) {
	var at time.Time
	err := s.d.db.QueryRowContext(ctx, `select min(decided_at) from decisions where policy = ? and mode = ?`, policy, mode).Scan(instant{&at})
	if err != nil {
		return at, fmt.Errorf("read decisions of %s: %w", policy, err)
	}
	return at, nil
}

// Status answers decision.DecisionGuard.
func (s Decisions) Status(ctx context.Context, ids []string) (map[string]decision.Status, error) {
	out := make(map[string]decision.Status, len(ids))
	for len(ids) > 0 {
		part := ids[:min(len(ids), 500)]
		ids = ids[len(part):]
		args := make([]any, len(part))
		for i, id := range part {
			args[i] = id
		}
		type row struct {
			id string
			st decision.Status
		}
		rows, err := all(ctx, s.d.db, "look up decisions", func(r scanner) (row, error) {
			v := row{st: decision.Status{Known: true}}
			return v, r.Scan(&v.id, &v.st.Mode, &v.st.Held, &v.st.Current)
		}, `select d.decision_id, d.mode, d.held, c.decision_id = d.decision_id from decisions d
			left join decisions_current c on c.policy = d.policy and c.subject = d.subject where d.decision_id in (`+marks(len(part))+`)`, args...)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			out[r.id] = r.st
		}
	}
	return out, nil
}

// Review records what a person thinks of a decision.
func (s Decisions) Review(ctx context.Context, id, reviewer, verdict, note string, at time.Time) error {
	_, err := s.d.exec(ctx, "record review of decision "+id, `insert into reviews (decision_id, reviewer, verdict, note, at) values (?,?,?,?,?)`,
		id, reviewer, verdict, nullable(note), stamp(at))
	return err
}

func marks(n int) string {
	b := make([]byte, 0, 2*n)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '?')
	}
	return string(b)
}
