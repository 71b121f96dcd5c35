package state

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// OpsTable is a part of the state as a relation that analysts can query. It holds no value that is encrypted at rest.
type OpsTable struct {
	Name        string // schema.name
	Description string
	Key         []string
	Columns     []OpsColumn
	Rows        [][]any // nil, string, int64, float64, bool, time.Time (UTC)
}

// OpsColumn describes one column; Type is a DuckDB type.
type OpsColumn struct {
	Name, Type, Description, PII string
}

// ops lists the tables. Each column is written as the SQL that reads it, so that both stand side by side.
var opsTables = []struct {
	name, description, key, from, order string
	columns                             []opsColumn
}{
	{"ops.plans", "Every plan that was made: what it would have changed and what became of it.", "plan_id", "plans", "created_at, plan_id", []opsColumn{
		{"plan_id", "VARCHAR", "Id, from the plan's hash.", "", "plan_id"},
		{"sync", "VARCHAR", "File in activate/.", "", "sync"},
		{"kind", "VARCHAR", "sync or undo.", "", "kind"},
		{"verdict", "VARCHAR", "What the limits said: within, hold or blocked.", "", "verdict"},
		{"state", "VARCHAR", "Where the plan stands.", "", "state"},
		{"build_id", "VARCHAR", "Build that it was made from.", "", "build_id"},
		{"changes", "BIGINT", "Rows that it changes.", "", "json_extract(body, '$.changes')"},
		{"requested_by", "VARCHAR", "Who asked for it.", "", "created_by"},
		{"created_at", "TIMESTAMP", "Logical time of its making (UTC).", "", "created_at"},
		{"expires_at", "TIMESTAMP", "Until when it may wait (UTC).", "", "expires_at"},
		{"ended_at", "TIMESTAMP", "When every row had an outcome (UTC).", "", "ended_at"},
	}},
	{"ops.breakers", "What each limit said about each plan.", "plan_id, position", "plans, json_each(plans.body, '$.breakers') as b", "plans.created_at, plans.plan_id, b.key", []opsColumn{
		{"plan_id", "VARCHAR", "Plan that was judged.", "", "plan_id"},
		{"position", "BIGINT", "Order in the plan.", "", "b.key"},
		{"name", "VARCHAR", "Key of the limit in the sync's file.", "", "json_extract(b.value, '$.name')"},
		{"field", "VARCHAR", "Field that it is about, if any.", "", "json_extract(b.value, '$.field')"},
		{"value", "DOUBLE", "What was measured.", "", "json_extract(b.value, '$.value')"},
		{"verdict", "VARCHAR", "within, hold or blocked.", "", "json_extract(b.value, '$.verdict')"},
		{"message", "VARCHAR", "The same for a person.", "", "json_extract(b.value, '$.message')"},
	}},
	{"ops.approvals", "Who approved or refused which plan.", "plan_id, position", "approvals", "seq", []opsColumn{
		{"plan_id", "VARCHAR", "Plan that was judged.", "", "plan_id"},
		{"position", "BIGINT", "Order of the verdicts.", "", "seq"},
		{"verdict", "VARCHAR", "approved or refused.", "", "verdict"},
		{"by_whom", "VARCHAR", "Person, or the sync whose limits approve.", "", "by"},
		{"how", "VARCHAR", "person or policy.", "", "how"},
		{"reason", "VARCHAR", "Why.", "", "reason"},
		{"decided_at", "TIMESTAMP", "When (UTC).", "", "at"},
	}},
	{"ops.rows", "Every row that a plan sent or was about to send, and what became of it. Keys are hashed; values are not here.", "outbox_id", "outbox", "rowid", []opsColumn{
		{"outbox_id", "VARCHAR", "Id of the row; also its trace id at the destination where that takes one.", "", "outbox_id"},
		{"plan_id", "VARCHAR", "Plan that it belongs to.", "", "plan_id"},
		{"sync", "VARCHAR", "File in activate/.", "", "sync"},
		{"key_id", "VARCHAR", "Keyed hash of the row's key.", "", "key_id"},
		{"subject", "VARCHAR", "Person or account, where the sync names one.", "id", "subject"},
		{"operation", "VARCHAR", "upsert, update, insert, event, archive, add, remove or restore.", "", "op"},
		{"state", "VARCHAR", "acked, settled, shortfall, rejected, dead, cancelled, superseded, undone; or still pending, retry, inflight, unknown, accepted.", "", "state"},
		{"attempts", "BIGINT", "How often it was sent.", "", "attempts"},
		{"fields", "VARCHAR", "Names of the fields, as JSON.", "", "fields"},
		{"decision_id", "VARCHAR", "Decision that it carries out, if any.", "", "decision_id"},
		{"remote_id", "VARCHAR", "Record at the destination.", "id", "remote_id"},
		{"made_record", "BOOLEAN", "True when the record was not there before.", "", "created_it"},
		{"class", "VARCHAR", "Kind of refusal or of trouble.", "", "class"},
		{"message", "VARCHAR", "What the destination or the gate said.", "free_text", "message"},
		{"undoes", "VARCHAR", "Row that this one takes back.", "", "undoes"},
		{"created_at", "TIMESTAMP", "When it was queued (UTC).", "", "created_at"},
		{"updated_at", "TIMESTAMP", "When its state last changed (UTC).", "", "updated_at"},
	}},
	{"ops.attempts", "Every call that carried rows.", "attempt_id", "attempts", "attempt_id", []opsColumn{
		{"attempt_id", "BIGINT", "Order of the calls.", "", "attempt_id"},
		{"plan_id", "VARCHAR", "Plan whose rows were sent.", "", "plan_id"},
		{"sync", "VARCHAR", "File in activate/.", "", "sync"},
		{"operation", "VARCHAR", "What was asked for.", "", "op"},
		{"row_count", "BIGINT", "Rows in the call.", "", "rows"},
		{"class", "VARCHAR", "Kind of failure; null when the call was answered.", "", "class"},
		{"message", "VARCHAR", "What went wrong.", "free_text", "message"},
		{"request_id", "VARCHAR", "The vendor's id of the request.", "", "request_id"},
		{"job_id", "VARCHAR", "Work that the vendor does later.", "", "job_id"},
		{"started_at", "TIMESTAMP", "When it was sent (UTC).", "", "started_at"},
		{"ended_at", "TIMESTAMP", "When the outcome was recorded (UTC); null when the process died.", "", "ended_at"},
	}},
	{"ops.attempt_rows", "What each call said about each of its rows.", "attempt_id, outbox_id", "attempt_rows", "attempt_id, outbox_id", []opsColumn{
		{"attempt_id", "BIGINT", "The call.", "", "attempt_id"},
		{"outbox_id", "VARCHAR", "The row.", "", "outbox_id"},
		{"outcome", "VARCHAR", "State that it was given.", "", "outcome"},
		{"message", "VARCHAR", "What was said.", "free_text", "message"},
	}},
	{"ops.jobs", "Work that destinations do later and only count.", "scope, job_id", "jobs", "started_at, scope, job_id", []opsColumn{
		{"scope", "VARCHAR", "Sync, account and object.", "", "scope"},
		{"job_id", "VARCHAR", "The vendor's id.", "", "job_id"},
		{"plan_id", "VARCHAR", "Plan whose rows it holds.", "", "plan_id"},
		{"row_count", "BIGINT", "Rows that it was given.", "", "rows"},
		{"reported", "BIGINT", "Rows that the vendor counts as taken.", "", "reported"},
		{"state", "VARCHAR", "processing, settled, shortfall or failed.", "", "state"},
		{"message", "VARCHAR", "Reasons, as the vendor counts them.", "", "message"},
		{"started_at", "TIMESTAMP", "When it was taken (UTC).", "", "started_at"},
		{"checked_at", "TIMESTAMP", "When it was last asked about (UTC).", "", "checked_at"},
	}},
	{"ops.switches", "Kill switches thrown and taken back.", "position", "switch_log", "seq", []opsColumn{
		{"position", "BIGINT", "Order.", "", "seq"},
		{"action", "VARCHAR", "stop or start.", "", "action"},
		{"scope", "VARCHAR", "all, destination or workflow.", "", "scope"},
		{"name", "VARCHAR", "Which one.", "", "name"},
		{"by_whom", "VARCHAR", "Person.", "", "by"},
		{"reason", "VARCHAR", "Why.", "", "reason"},
		{"thrown_at", "TIMESTAMP", "When (UTC).", "", "at"},
	}},
	{"ops.edits", "Values that people changed in the tools after Millrace had written them, as the next look found them: feedback on what was written. Values are not here.", "outbox_id, field", "edits", "seq", []opsColumn{
		{"sync", "VARCHAR", "File in activate/.", "", "sync"},
		{"subject", "VARCHAR", "Person or account, where the sync names one.", "id", "subject"},
		{"remote_id", "VARCHAR", "Record at the destination.", "id", "remote_id"},
		{"field", "VARCHAR", "Field that was changed.", "", "field"},
		{"kept", "BOOLEAN", "True when the person's value stands; false when the file says that ours is written always.", "", "kept"},
		{"outbox_id", "VARCHAR", "Row that met it.", "", "outbox_id"},
		{"seen_at", "TIMESTAMP", "When it was seen (UTC).", "", "seen_at"},
	}},
	{"ops.sync_health", "When each sync began to fail and when it was well again.", "position", "health_log", "seq", []opsColumn{
		{"position", "BIGINT", "Order.", "", "seq"},
		{"sync", "VARCHAR", "File in activate/.", "", "sync"},
		{"state", "VARCHAR", "failing or well.", "", "state"},
		{"message", "VARCHAR", "Why.", "free_text", "message"},
		{"changed_at", "TIMESTAMP", "Since when (UTC).", "", "at"},
	}},
	{"ops.spend", "Money that rows commit a company to spend: reserved before the call, settled or released by its outcome.", "outbox_id", "reservations", "at, outbox_id", []opsColumn{
		{"outbox_id", "VARCHAR", "Row that commits it.", "", "outbox_id"},
		{"budget", "VARCHAR", "Limit that it counts against.", "", "budget"},
		{"raise_minor", "BIGINT", "What the row commits beyond what was committed, in ten-thousandths of the currency.", "", "amount"},
		{"total_minor", "BIGINT", "What its record commits once the row has arrived, in ten-thousandths.", "", "total"},
		{"state", "VARCHAR", "reserved, settled or released.", "", "state"},
		{"changed_at", "TIMESTAMP", "When its state last changed (UTC).", "", "at"},
	}},
	{"ops.consents", "Words about consent that were recorded here, beside those of the tools.", "position", "consents", "seq", []opsColumn{
		{"position", "BIGINT", "Order.", "", "seq"},
		{"subject", "VARCHAR", "Person.", "id", "subject"},
		{"purpose", "VARCHAR", "What for; * means everything.", "", "purpose"},
		{"channel", "VARCHAR", "Through what; * means everything.", "", "channel"},
		{"status", "VARCHAR", "granted or denied.", "", "status"},
		{"source", "VARCHAR", "Who reported it.", "", "source"},
		{"said_at", "TIMESTAMP", "When it was said (UTC).", "", "at"},
	}},
	{"ops.touches", "Messages that reached somebody, over all channels.", "position", "touches", "seq", []opsColumn{
		{"position", "BIGINT", "Order.", "", "seq"},
		{"subject", "VARCHAR", "Person or account.", "id", "subject"},
		{"channel", "VARCHAR", "Through what.", "", "channel"},
		{"workflow", "VARCHAR", "Sync or workflow that sent it.", "", "workflow"},
		{"touched_at", "TIMESTAMP", "When (UTC).", "", "at"},
	}},
	{"decisions.log", "Every decision ever made, with what it was made from.", "decision_id", "decisions", "seq", []opsColumn{
		{"decision_id", "VARCHAR", "Id.", "", "decision_id"},
		{"previous_id", "VARCHAR", "Decision that it replaced.", "", "previous_id"},
		{"policy", "VARCHAR", "File in models/.", "", "policy"},
		{"policy_version", "VARCHAR", "Hash of what the file said.", "", "policy_version"},
		{"subject", "VARCHAR", "Person or account.", "id", "subject"},
		{"mode", "VARCHAR", "shadow or live.", "", "mode"},
		{"held_out", "BOOLEAN", "In the policy's control group.", "", "held"},
		{"trigger", "VARCHAR", "What made it be taken.", "", "trigger"},
		{"choice", "VARCHAR", "Action that was chosen.", "", "choice"},
		{"score", "DOUBLE", "Score that the rules saw.", "", "score"},
		{"propensity", "DOUBLE", "Chance of this choice for these inputs.", "", "propensity"},
		{"reason", "VARCHAR", "Why, in a sentence.", "", "reason"},
		{"consent", "VARCHAR", "What was known of the subject's will.", "", "consent"},
		{"inputs", "VARCHAR", "Inputs, as JSON.", "free_text", "inputs"},
		{"candidates", "VARCHAR", "Actions that were weighed, as JSON.", "", "candidates"},
		{"rule_hits", "VARCHAR", "Rules that held, as JSON.", "", "rule_hits"},
		{"relation", "VARCHAR", "Relation that was decided on.", "", "relation"},
		{"relation_version", "VARCHAR", "Its version.", "", "relation_version"},
		{"build_id", "VARCHAR", "Build that it was read from.", "", "build_id"},
		{"decided_at", "TIMESTAMP", "When (UTC).", "", "decided_at"},
	}},
	{"decisions.reviews", "What people thought of decisions.", "decision_id, reviewer, reviewed_at", "reviews", "at, decision_id, reviewer", []opsColumn{
		{"decision_id", "VARCHAR", "Decision.", "", "decision_id"},
		{"reviewer", "VARCHAR", "Person.", "", "reviewer"},
		{"verdict", "VARCHAR", "What they thought.", "", "verdict"},
		{"note", "VARCHAR", "Why.", "free_text", "note"},
		{"reviewed_at", "TIMESTAMP", "When (UTC).", "", "at"},
	}},
}

type opsColumn struct{ name, typ, description, pii, sql string }

// OpsTables reads the state as relations. With a nil DB the tables are there, typed and empty: relations exist before
// anything was decided or sent.
func OpsTables(ctx context.Context, d *DB) ([]OpsTable, error) {
	out := make([]OpsTable, len(opsTables))
	for i, spec := range opsTables {
		t := OpsTable{Name: spec.name, Description: spec.description, Key: strings.Split(spec.key, ", ")}
		exprs := make([]string, len(spec.columns))
		for j, c := range spec.columns {
			t.Columns = append(t.Columns, OpsColumn{Name: c.name, Type: c.typ, Description: c.description, PII: c.pii})
			exprs[j] = c.sql
		}
		if d != nil {
			rows, err := all(ctx, d.db, "read "+spec.name, func(r scanner) ([]any, error) {
				return scanOps(r, spec.columns)
			}, "select "+strings.Join(exprs, ", ")+" from "+spec.from+" order by "+spec.order)
			if err != nil {
				return nil, err
			}
			t.Rows = rows
		}
		out[i] = t
	}
	return out, nil
}

func scanOps(r scanner, columns []opsColumn) ([]any, error) {
	row := make([]any, len(columns))
	dest := make([]any, len(columns))
	for i, c := range columns {
		switch c.typ {
		case "VARCHAR":
			dest[i] = new(sql.NullString)
		case "BIGINT":
			dest[i] = new(sql.NullInt64)
		case "DOUBLE":
			dest[i] = new(sql.NullFloat64)
		case "BOOLEAN":
			dest[i] = new(sql.NullBool)
		case "TIMESTAMP":
			dest[i] = instant{new(time.Time)}
		default:
			return nil, fmt.Errorf("column %s has type %s, which the state does not hold", c.name, c.typ)
		}
	}
	if err := r.Scan(dest...); err != nil {
		return nil, err
	}
	for i := range dest {
		switch v := dest[i].(type) {
		case *sql.NullString:
			if v.Valid {
				row[i] = v.String
			}
		case *sql.NullInt64:
			if v.Valid {
				row[i] = v.Int64
			}
		case *sql.NullFloat64:
			if v.Valid {
				row[i] = v.Float64
			}
		case *sql.NullBool:
			if v.Valid {
				row[i] = v.Bool
			}
		case instant:
			if !v.at.IsZero() {
				row[i] = *v.at
			}
		}
	}
	return row, nil
}
