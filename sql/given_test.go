package sql_test

import (
	"io/fs"
	"testing"

	"millrace/internal/duck"
	"millrace/internal/normal/sqlfunc"
	"millrace/transform"
	"millrace/transform/relation"
)

// given are the relations that the command hands to the graph, empty: what was decided and what was sent.
// TestInitSets in cmd/millrace builds the same SQL over the real ones.
func given() []transform.Given {
	columns := func(list ...string) []relation.Column {
		var out []relation.Column
		for i := 0; i < len(list); i += 2 {
			out = append(out, relation.Column{Name: list[i], Type: list[i+1], Description: "Handed in."})
		}
		return out
	}
	return []transform.Given{
		{Name: "identity.overrides", Version: "empty", Rows: func(func([]any, error) bool) {}, Columns: columns(
			"override_id", "BIGINT", "kind", "VARCHAR", "entity", "VARCHAR", "left_keys", "VARCHAR", "right_keys", "VARCHAR", "attribute", "VARCHAR", "value", "VARCHAR",
			"author", "VARCHAR", "reason", "VARCHAR", "recorded_at", "TIMESTAMP", "revoked_by", "VARCHAR", "revoke_reason", "VARCHAR", "revoked_at", "TIMESTAMP")},
		{Name: "identity.tombstones", Version: "empty", Rows: func(func([]any, error) bool) {}, Columns: columns(
			"key_id", "VARCHAR", "kind", "VARCHAR", "ticket", "VARCHAR", "erased_at", "TIMESTAMP")},
		{Name: "decisions.current", Version: "empty", Rows: func(func([]any, error) bool) {}, Columns: columns(
			"policy", "VARCHAR", "subject", "VARCHAR", "choice", "VARCHAR", "score", "DECIMAL(18,4)", "reason", "VARCHAR", "mode", "VARCHAR",
			"decision_id", "VARCHAR", "decided_at", "TIMESTAMP", "policy_version", "VARCHAR", "propensity", "DECIMAL(18,8)", "held_out", "BOOLEAN")},
		{Name: "ops.rows", Version: "empty", Rows: func(func([]any, error) bool) {}, Columns: columns(
			"outbox_id", "VARCHAR", "plan_id", "VARCHAR", "sync", "VARCHAR", "key_id", "VARCHAR", "subject", "VARCHAR", "operation", "VARCHAR", "state", "VARCHAR", "attempts", "BIGINT", "fields", "VARCHAR", "decision_id", "VARCHAR", "remote_id", "VARCHAR", "made_record", "BOOLEAN", "class", "VARCHAR", "message", "VARCHAR", "undoes", "VARCHAR", "created_at", "TIMESTAMP", "updated_at", "TIMESTAMP")},
		{Name: "ops.syncs", Version: "empty", Rows: func(func([]any, error) bool) {}, Columns: columns(
			"sync", "VARCHAR", "destination", "VARCHAR", "object", "VARCHAR", "plan_id", "VARCHAR", "kind", "VARCHAR", "verdict", "VARCHAR", "state", "VARCHAR",
			"planned", "BIGINT", "acked", "BIGINT", "rejected", "BIGINT", "unknown", "BIGINT", "not_sent", "BIGINT", "waiting", "BIGINT", "requested_by", "VARCHAR",
			"created_at", "TIMESTAMP", "finished_at", "TIMESTAMP")},
		{Name: "ops.load_keys", Version: "empty", Rows: func(func([]any, error) bool) {}, Columns: columns(
			"source", "VARCHAR", "stream", "VARCHAR", "relation", "VARCHAR", "key_columns", "VARCHAR", "file", "VARCHAR",
			"rows", "BIGINT", "lost_rows", "BIGINT", "rows_without_key", "BIGINT", "sample", "VARCHAR")},
	}
}

// functions are those in Go that the command gives to the SQL, with what the seeds add to their lists.
func functions(t *testing.T, project fs.FS) []duck.Function {
	t.Helper()
	out, err := sqlfunc.Project(project)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
