package transform

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"sort"
	"strings"

	"millrace/extract/landing"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform/relation"
)

// RelationDigest is the digest of one relation's content.
type RelationDigest struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"`
}

// BuildDigest is the digest of a published build: of each relation, and of all together.
type BuildDigest struct {
	Build     string           `json:"build"`
	Digest    string           `json:"digest"`
	Relations []RelationDigest `json:"relations"`
}

// Digest computes what P4 means by equal: the same set of rows in every relation, whatever their order. Columns _load_id and
// _extracted_at, those tagged operational, and meta.run are left out: they say when and how, not what. only restricts it
// to some relations; nil is all. Two different contents have the same digest with a chance of about 2^-128.
func Digest(ctx context.Context, db *duck.DB, b relation.Build, only []string) (BuildDigest, error) {
	out := BuildDigest{Build: b.ID}
	var names []string
	for name := range b.Relations {
		if name != runRelation && (only == nil || slices.Contains(only, name)) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	h := newHash("digest")
	for _, name := range names {
		d, err := digestRelation(ctx, db, b.Relations[name])
		if err != nil {
			return BuildDigest{}, fault.Wrap(err, "digest of %s", name)
		}
		h.add(name, d.Digest)
		out.Relations = append(out.Relations, d)
	}
	out.Digest = h.sum()
	return out, nil
}

// digestRelation adds up two 64-bit halves of a hash of each row's text: sums of whole numbers do not depend on order, so
// nothing is sorted and memory stays bounded.
func digestRelation(ctx context.Context, db *duck.DB, r relation.Relation) (RelationDigest, error) {
	cols := slices.DeleteFunc(slices.Clone(r.Columns), func(c relation.Column) bool {
		return c.Name == landing.ColLoadID || c.Name == landing.ColExtractedAt || slices.Contains(c.Tags, "operational")
	})
	sort.Slice(cols, func(i, j int) bool { return strings.ToLower(cols[i].Name) < strings.ToLower(cols[j].Name) })
	h := newHash(r.Name)
	// Each cell with its length, so that neighbours cannot be mistaken for each other, and NULL unlike any text.
	parts := []string{"''"}
	for _, c := range cols {
		h.add(strings.ToLower(c.Name), c.Type)
		id := duck.Ident(c.Name)
		text := id + "::varchar"
		if c.Type == "DOUBLE" || c.Type == "FLOAT" {
			text = "(" + id + " + 0)::varchar" // -0.0 equals 0.0
		}
		parts = append(parts, fmt.Sprintf("coalesce(length(%s)::varchar || ':' || %s, '~')", text, text))
	}
	q := fmt.Sprintf(`with cells as (
    select md5_number(%s) as h
    from %s
)
select count(*), coalesce(sum((h >> 64)::ubigint), 0)::varchar, coalesce(sum((h & 18446744073709551615::uhugeint)::ubigint), 0)::varchar
from cells`, strings.Join(parts, " || "), ident(r.Name))
	d := RelationDigest{Name: r.Name}
	err := db.Each(ctx, q, func(row []any) error {
		d.Rows, _ = row[0].(int64)
		for _, s := range row[1:] {
			n, ok := new(big.Int).SetString(fmt.Sprint(s), 10)
			if !ok {
				return fmt.Errorf("unexpected sum %v", s)
			}
			h.add(n.String())
		}
		return nil
	})
	h.add(fmt.Sprint(d.Rows))
	d.Digest = h.sum()
	return d, err
}
