package twin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/internal/fault"
	"millrace/internal/twin"
)

// TestMain doubles as the child process of the kill test: it serves the twin of a folder until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TWIN_CHILD"); dir != "" {
		tw, err := twin.Open(dir, twin.Options{Size: "tiny"})
		if err == nil {
			err = tw.Serve(context.Background(), "127.0.0.1:0", slog.New(slog.DiscardHandler), func(url string) { fmt.Println(url) })
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child starts a twin as a process of its own and returns its address and how to kill it.
func child(t *testing.T, dir string) (*rig, func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TWIN_CHILD="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not start: %v", err)
	}
	return &rig{t: t, url: strings.TrimSpace(line)}, kill
}

func (r *rig) digest(full bool) string {
	r.t.Helper()
	_, v, _ := r.do("GET", fmt.Sprintf("/_twin/digest?full=%v", full), nil)
	return v["digest"].(string)
}

// TestStateSurvivesSIGKILL: whatever was answered is there after kill -9, and nothing else.
func TestStateSurvivesSIGKILL(t *testing.T) {
	dir := t.TempDir()
	r, kill := child(t, dir)
	for i := range 5 {
		code, v, _ := r.do("POST", "/crm/v3/objects/contacts/batch/upsert", map[string]any{"inputs": []any{
			map[string]any{"id": fmt.Sprintf("k%d@north.example", i), "idProperty": "email", "properties": map[string]any{"firstname": "Kay"}},
		}})
		if code != 200 {
			t.Fatalf("upsert: %d %v", code, v)
		}
		if i == 2 {
			r.do("POST", "/_twin/advance", map[string]any{"days": 1})
		}
	}
	if v := r.slack("chat.postMessage", map[string][]string{"channel": {"#revenue"}, "text": {"hello"}}); v["ok"] != true {
		t.Fatal(v)
	}
	want := r.digest(true)
	_, state, _ := r.do("GET", "/_twin/state", nil)
	// A write that is under way when the process dies is either there or not; the next start must not trip over it.
	done, first := make(chan int), make(chan struct{}, 1)
	go func() {
		n := 0
		for ; ; n++ {
			resp, err := http.Post(r.url+"/api/chat.postMessage", "application/x-www-form-urlencoded", strings.NewReader(fmt.Sprintf("token=xoxb-twin-slack&channel=%%23alerts&text=%d", n)))
			if err != nil {
				break
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil {
				break
			}
			select {
			case first <- struct{}{}:
			default:
			}
		}
		done <- n
	}()
	select { // a busy machine takes its time
	case <-first:
	case <-done:
		t.Fatal("no post was answered")
	}
	time.Sleep(60 * time.Millisecond)
	kill()
	answered := <-done
	again, kill2 := child(t, dir)
	_, now, _ := again.do("GET", "/_twin/state", nil)
	posted := int(now["writes"].(float64) - state["writes"].(float64))
	if posted < answered || posted > answered+1 {
		t.Errorf("%d posts were answered, %d are there", answered, posted)
	}
	if now["date"] != "2026-03-03" || answered == 0 {
		t.Errorf("date %v, %d answered", now["date"], answered)
	}
	kill2()
	// Without the last posts the state is the one from before, byte for byte.
	cut(t, filepath.Join(dir, "twin.log"), posted)
	third, _ := child(t, dir)
	if got := third.digest(true); got != want {
		t.Error("the state after the kill is not the one before it")
	}
}

// cut removes the last n lines of the log and leaves half a line, as a power loss in the middle of an append would.
func cut(t *testing.T, path string, n int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(b), "\n"), "\n")
	torn := lines[len(lines)-1]
	whole := strings.Join(lines[:len(lines)-n], "")
	if !strings.HasSuffix(whole, "\n") {
		whole += "\n"
	}
	if err := os.WriteFile(path, []byte(whole+torn[:len(torn)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSameSeedSameDigest(t *testing.T) {
	made := func(o twin.Options, days int) string {
		tw, err := twin.New(o)
		if err != nil {
			t.Fatal(err)
		}
		for range days {
			if err := tw.AdvanceTo(tw.Date().AddDate(0, 0, 1)); err != nil {
				t.Fatal(err)
			}
		}
		return tw.Digest(true)
	}
	small := twin.Options{Size: "small", Seed: 7}
	if first, second := made(small, 3), made(small, 3); first != second {
		t.Error("the same seed gave two markets")
	}
	if made(small, 0) == made(twin.Options{Size: "small", Seed: 8}, 0) {
		t.Error("two seeds gave one market")
	}
	// One step of three days is three steps of one.
	tw, err := twin.New(small)
	if err != nil {
		t.Fatal(err)
	}
	if err := tw.AdvanceTo(tw.Date().AddDate(0, 0, 3)); err != nil {
		t.Fatal(err)
	}
	one := tw.Status()
	other, err := twin.New(small)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := other.AdvanceTo(other.Date().AddDate(0, 0, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if one.Digest != other.Status().Digest {
		t.Error("three days at once are not three days one by one")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	tw, err := twin.Open(dir, twin.Options{Size: "tiny", Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := twin.Open(dir, twin.Options{}); fault.ExitCode(err) != fault.ExitLocked {
		t.Errorf("a second twin on the folder: %v", err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tw.AdvanceTo(tw.Date().AddDate(0, 0, 1)); err == nil {
		t.Error("a closed twin took a write")
	}
	if _, err := twin.Open(dir, twin.Options{Size: "small"}); err == nil || !strings.Contains(err.Error(), "size tiny, seed 3") {
		t.Errorf("another size: %v", err)
	}
	again, err := twin.Open(dir, twin.Options{})
	if err != nil || again.Status().Seed != 3 || again.Status().Size != "tiny" {
		t.Fatalf("opening what is there: %v", err)
	}
	again.Close()
	if _, err := twin.New(twin.Options{Size: "tinny"}); err == nil || !strings.Contains(err.Error(), `"tiny"`) {
		t.Errorf("a misspelt size: %v", err)
	}
	path := filepath.Join(dir, "twin.log")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[20] ^= 1
	if err := os.WriteFile(path, append(b, b...), 0o600); err != nil {
		t.Fatal(err)
	}
	var f *fault.Error
	if _, err := twin.Open(dir, twin.Options{}); !errors.As(err, &f) || f.Line != 1 || f.Hint == "" {
		t.Errorf("a damaged log: %v", err)
	}
}

// TestAWriteThatIsNotDurableIsNotAnswered: when the log cannot take a write, the vendor fails and nothing has changed.
func TestAWriteThatIsNotDurableIsNotAnswered(t *testing.T) {
	dir := t.TempDir()
	tw, err := twin.Open(dir, twin.Options{Size: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	r := serve(t, tw)
	before := tw.Digest(true)
	tw.Close()
	code, v, _ := r.do("POST", "/crm/v3/objects/contacts", map[string]any{"properties": map[string]any{"email": "a@north.example"}})
	if code != 500 || tw.Digest(true) != before {
		t.Errorf("%d %v", code, v)
	}
}
