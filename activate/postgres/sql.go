package postgres

import (
	"fmt"
	"sort"
	"strings"

	"github.com/jackc/pgx/v5"

	"millrace/activate"
)

// statement is the SQL for one row. Its one parameter is the row as JSON; it answers with how many rows were updated and
// made, and the key as the database spells it. Equal sets of fields give equal text, so each is prepared once.
//
// An upsert updates first: a known row needs no value for columns that must not be null. The insert behind it still says
// on conflict, for another writer in between.
func statement(b activate.Batch, r activate.Row) (string, error) {
	name, err := identifier(b.Target.Object)
	if err != nil {
		return "", err
	}
	key := pgx.Identifier{b.Target.Key}.Sanitize()
	var fields []string
	for f := range r.Values {
		if f != b.Target.Key {
			fields = append(fields, pgx.Identifier{f}.Sanitize())
		}
	}
	sort.Strings(fields)
	given := fmt.Sprintf("with given as (select * from jsonb_populate_record(null::%s, $1::jsonb))", name)
	counts := "select (select count(*) from changed)::int, (select count(*) from made)::int, (select %[1]s::text from given)"
	sets, columns := make([]string, len(fields)), append([]string{key}, fields...)
	for i, f := range fields {
		sets[i] = f + " = given." + f
	}
	set := strings.Join(sets, ", ")
	if set == "" {
		set = key + " = given." + key
	}
	changed := fmt.Sprintf(", changed as (update %s as there set %s from given where there.%s = given.%s returning 1)", name, set, key, key)
	none := " as (select 1 where false)"
	insert := func(unless, conflict string) string {
		return fmt.Sprintf(", made as (insert into %s (%s) select %s from given%s on conflict (%s) do %s returning 1)",
			name, strings.Join(columns, ", "), "given."+strings.Join(columns, ", given."), unless, key, conflict)
	}
	switch b.Op {
	case activate.Upsert:
		again := "nothing"
		if len(fields) > 0 {
			over := make([]string, len(fields))
			for i, f := range fields {
				over[i] = f + " = excluded." + f
			}
			again = "update set " + strings.Join(over, ", ")
		}
		return given + changed + insert(" where not exists (select 1 from changed)", again) + " " + fmt.Sprintf(counts, key), nil
	case activate.Update:
		return given + changed + ", made" + none + " " + fmt.Sprintf(counts, key), nil
	case activate.Insert:
		return given + ", changed" + none + insert("", "nothing") + " " + fmt.Sprintf(counts, key), nil
	case activate.Archive:
		gone := fmt.Sprintf(", changed as (delete from %s as there using given where there.%s = given.%s returning 1)", name, key, key)
		return given + gone + ", made" + none + " " + fmt.Sprintf(counts, key), nil
	}
	return "", fmt.Errorf("postgres: cannot %s a row", b.Op)
}

// readStatement gives the named columns of rows by key: one parameter, the keys as JSON.
func readStatement(t activate.Target) (string, error) {
	name, err := identifier(t.Object)
	if err != nil {
		return "", err
	}
	key := pgx.Identifier{t.Key}.Sanitize()
	pairs := make([]string, 0, len(t.Fields))
	for _, f := range t.Fields {
		pairs = append(pairs, fmt.Sprintf("'%s', there.%s", strings.ReplaceAll(f, "'", "''"), pgx.Identifier{f}.Sanitize()))
	}
	return fmt.Sprintf(`with asked as (
  select wanted.row_id, given.%[1]s as key_value
  from jsonb_to_recordset($1::jsonb) as wanted (row_id text, record jsonb)
  cross join lateral jsonb_populate_record(null::%[2]s, wanted.record) as given
)
select asked.row_id, there.%[1]s::text, jsonb_build_object(%[3]s)::text
from asked inner join %[2]s as there on there.%[1]s = asked.key_value`, key, name, strings.Join(pairs, ", ")), nil
}
