package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// TestEvaluation: the lists of docs/evaluation.yml reach what the file asks for, by the command with its default settings; those
// of 100,000 records in the soak.
func TestEvaluation(t *testing.T) {
	args := []string{"resolve", "evaluate", "../../docs/evaluation.yml", "--json"}
	if os.Getenv("MILLRACE_SOAK") != "" {
		args = append(args, "--slow")
	}
	var out, errs bytes.Buffer
	code := newApp(args, os.Environ(), strings.NewReader(""), &out, &errs, time.Now).run(context.Background())
	var lines []judgement
	if err := json.Unmarshal(out.Bytes(), &lines); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), errs.String())
	}
	generated := 0
	for _, l := range lines {
		switch {
		case l.Quality == nil:
			t.Logf("%s: %s", l.Name, l.Skipped)
		default:
			t.Logf("%s: precision %.4f, recall %.4f, F1 %.4f, largest %d, %.1f s", l.Name, l.Quality.Precision, l.Quality.Recall, l.Quality.F1, l.Quality.Largest, l.Seconds)
			if l.Reachable != nil {
				generated++
			}
		}
		for _, m := range l.Missed {
			t.Errorf("%s: %s", l.Name, m)
		}
	}
	if generated < 2 || code != 0 {
		t.Errorf("%d generated lists were judged, exit %d: %s", generated, code, errs.String())
	}
}
