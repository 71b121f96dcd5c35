package activate_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/state"
)

// BenchmarkPlanAndApply measures the engine's own rate: a first sync of all rows to a destination that answers at once,
// then a plan in which one row in a hundred changes.
//
//	go test ./activate -run xxx -bench PlanAndApply -benchtime 1x
func BenchmarkPlanAndApply(b *testing.B) {
	for _, n := range []int{10_000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				db, err := state.Open(b.Context(), filepath.Join(b.TempDir(), "state.db"))
				if err != nil {
					b.Fatal(err)
				}
				r := &rig{builds: map[string]*desttest.Source{}, world: desttest.NewWorld(), clock: t0, target: "prod", db: db}
				rows := make([]map[string]any, n)
				for i := range rows {
					rows[i] = map[string]any{"email": fmt.Sprintf("p%07d@example.com", i), "score": i % 100, "reason": "because"}
				}
				r.publish(rows...)
				s, err := activate.ParseSync("leads", "activate/leads.yml", []byte(records), nil, []activate.Connector{{Name: "fake", Options: func() any { return &struct{}{} }}})
				if err != nil {
					b.Fatal(err)
				}
				d := desttest.NewRecords(r.world, 100)
				b.StartTimer()
				began := time.Now()
				p, err := r.engine().Plan(b.Context(), s, d)
				if err != nil {
					b.Fatal(err)
				}
				planned := time.Since(began)
				began = time.Now()
				a, err := r.engine().Apply(b.Context(), s, d, p.ID)
				if err != nil || a.Acked() != n {
					b.Fatal(a, err)
				}
				b.ReportMetric(float64(n)/time.Since(began).Seconds(), "applied_rows/s")
				b.ReportMetric(float64(n)/planned.Seconds(), "first_plan_rows/s")
				next := make([]map[string]any, n)
				for i := range rows {
					next[i] = rows[i]
					if i%100 == 0 {
						next[i] = map[string]any{"email": rows[i]["email"], "score": 101, "reason": "because"}
					}
				}
				r.publish(next...)
				began = time.Now()
				if p, err = r.engine().Plan(b.Context(), s, d); err != nil || p.Changes != n/100 {
					b.Fatal(p, err)
				}
				b.ReportMetric(float64(n)/time.Since(began).Seconds(), "diffed_rows/s")
				db.Close()
			}
		})
	}
}
