package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"millrace/internal/canon"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/models"
)

// warehouse is a published build as the deciding and acting stages see it.
type warehouse struct{ *publishedBuild }

// Query yields the rows of one select.
func (w warehouse) Query(ctx context.Context, sql string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		stopped := errors.New("enough")
		err := w.db.Each(ctx, sql, func(row []any) error {
			if !yield(row, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(nil, err)
		}
	}
}

// policies reads models/*.yml; all problems of all files come together.
func (a *app) policies(p *project.Project) ([]*models.Policy, error) {
	var out []*models.Policy
	var errs fault.List
	for _, d := range p.Models {
		src, err := os.ReadFile(filepath.Join(p.Dir, d.Path))
		if err != nil {
			errs.Add(fault.Wrap(err, "read %s", d.Path))
			continue
		}
		pol, err := models.ParsePolicy(fileName(d.Path), d.Path, src, p.Env)
		if err != nil {
			errs.Add(err)
			continue
		}
		out = append(out, pol)
	}
	return out, errs.Or()
}

// fileName is a file's name without folder and ending: what syncs and policies are called.
func fileName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// policySummary is what one policy decided, as --json shows it.
type policySummary struct {
	Policy   string         `json:"policy"`
	Mode     string         `json:"mode"`
	Subjects int            `json:"subjects"`
	New      int            `json:"new"`
	Counts   map[string]int `json:"decisions"`
	Held     int            `json:"held_out,omitempty"`
	Waiting  string         `json:"waiting,omitempty"` // why nothing was decided
	Error    string         `json:"error,omitempty"`
}

// decide runs the named policies, without names all, over the published build and logs what is new. One that fails stops
// no other.
func (a *app) decide(ctx context.Context, s *session, names ...string) ([]policySummary, error) {
	list, err := a.policies(s.p)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	build, err := a.published(ctx, s.p)
	if err != nil {
		return nil, err
	}
	defer build.Close()
	quality, err := a.sessionQuality(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []policySummary
	var errs fault.List
	for _, p := range list {
		if !wanted(names, p.Name) {
			continue
		}
		began := a.clock()
		sum := policySummary{Policy: p.Name, Mode: p.File.Mode}
		if held := quality.on(policyReads(p)...); len(held) > 0 {
			sum.Waiting = "data quality: " + held[0].Detail
			a.con.Step("decide", "HOLD", p.Name, "decides nothing new: "+held[0].Detail+"; what was decided stands", 0)
			out = append(out, sum)
			continue
		}
		res, err := a.decideOne(ctx, s, p, warehouse{build})
		if err != nil {
			errs.Add(fault.Wrap(err, "policy %s", p.Name))
			sum.Error = err.Error()
			a.con.Step("decide", console.Fail, p.Name, sum.Error, a.since(began))
			out = append(out, sum)
			continue
		}
		sum.Subjects, sum.New, sum.Counts, sum.Held = len(res.Decisions), len(res.New), res.Counts, res.Held
		out = append(out, sum)
		status := console.OK
		if sum.New == 0 {
			status = console.Skip
		}
		a.con.Step("decide", status, p.Name, fmt.Sprintf("%s (%s): %s; %s", console.Count(int64(sum.Subjects), "subject"), p.File.Mode, counts(sum.Counts),
			console.Count(int64(sum.New), "new decision")), a.since(began))
	}
	return out, fault.Handled(errs.Or())
}

func (a *app) decideOne(ctx context.Context, s *session, p *models.Policy, w models.Warehouse) (*models.DecideResult, error) {
	current, err := s.state.Decisions.Current(ctx, p.Name)
	if err != nil {
		return nil, err
	}
	res, err := models.Decide(ctx, p, w, current, models.DecideOptions{Now: s.now, Trigger: "build"})
	if err != nil {
		return nil, err
	}
	return res, s.state.Decisions.Append(ctx, s.run.ID, res.New)
}

// counts renders {"nurture": 3, "sales": 1} as "3 nurture, 1 sales".
func counts(m map[string]int) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%s %s", console.Thousands(int64(m[k])), k)
	}
	return strings.Join(parts, ", ")
}

// rowsOf turns a list into rows and a version that is the hash of their content.
func rowsOf[T any](list []T, row func(T) []any) (string, iter.Seq2[[]any, error], error) {
	rows := make([][]any, len(list))
	h := sha256.New()
	for i, v := range list {
		rows[i] = row(v)
		for _, cell := range rows[i] {
			text, err := canon.JSON(cell)
			if err != nil {
				return "", nil, err
			}
			h.Write(append(text, 0))
		}
	}
	return hex.EncodeToString(h.Sum(nil)), func(yield func([]any, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}, nil
}

// instant is a cell for a time that may not have come yet.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC()
}
