package match

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"millrace/internal/match/matchtest"
)

// BenchmarkPeople trains, scores and groups a million people, or as many records as MILLRACE_RECORDS says. The records are
// made and normalised outside the clock's "resolve", which is reported part by part:
//
//	go test ./internal/match -run '^$' -bench People -benchtime 1x
func BenchmarkPeople(b *testing.B) {
	n, _ := strconv.Atoi(os.Getenv("MILLRACE_RECORDS"))
	if n == 0 {
		n = 1_000_000
	}
	ctx := context.Background()
	for b.Loop() {
		s, gold := peopleSet(b, matchtest.Options{Seed: 11, Records: n, Born: true, Shared: 0.02})
		runtime.GC()
		at := time.Now()
		start, used := at, cpu(b)
		first := used
		lap := func(what string) {
			b.ReportMetric(time.Since(at).Seconds(), what+"-s")
			b.ReportMetric(cpu(b)-used, what+"-cpu-s")
			at, used = time.Now(), cpu(b)
		}
		s.Keys()
		lap("normalise")
		m, err := Train(ctx, s, Options{})
		if err != nil {
			b.Fatal(err)
		}
		lap("train")
		e, err := Score(ctx, s, m, Options{})
		if err != nil {
			b.Fatal(err)
		}
		lap("block+score")
		c, err := Cluster(ctx, e)
		if err != nil {
			b.Fatal(err)
		}
		lap("cluster")
		b.ReportMetric(time.Since(start).Seconds(), "all-s")
		b.ReportMetric(cpu(b)-first, "all-cpu-s")
		q := measure(c, gold)
		b.ReportMetric(q.precision, "precision")
		b.ReportMetric(q.recall, "recall")
		b.ReportMetric(float64(e.Pairs), "pairs")
		b.ReportMetric(float64(q.largest), "largest")
		b.ReportMetric(peak(b), "peak-MB")
	}
}

// cpu is the processor time that the process has used, in seconds: unlike the wall's, it does not depend on what else the
// machine does.
func cpu(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// peak is the most memory that the process has held, in MB, as the kernel counts it.
func peak(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Log("no /proc: the peak of memory is not known")
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb / 1024
		}
	}
	return 0
}
