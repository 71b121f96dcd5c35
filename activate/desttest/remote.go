package desttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"millrace/activate"
	"millrace/internal/httpx"
)

// Served is a destination behind HTTP, for tests that kill the process which uses it: the world lives on in the process of
// the test. Errors keep their class.
func Served(d activate.Destination) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q question
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var a reply
		var err error
		ctx := context.WithoutCancel(r.Context()) // what has arrived takes effect, whatever becomes of the caller
		switch r.URL.Path {
		case "/capabilities":
			a.Caps, err = d.Capabilities(q.Object)
		case "/send":
			a.Answer, err = d.Send(ctx, q.Batch)
		case "/read":
			a.Records, err = d.(activate.Reader).Read(ctx, q.Batch.Target, q.Batch.Rows)
		case "/poll":
			a.Job, err = d.(activate.Poller).Poll(ctx, q.JobID, q.Rows)
		case "/settle":
			a.Result, err = d.(activate.Settler).Settle(ctx, q.Batch.Target, q.Batch.Op, q.JobID, q.Batch.Rows)
		default:
			http.NotFound(w, r)
			return
		}
		if err != nil {
			a.Failed, a.Class = err.Error(), string(httpx.ClassOf(err))
			var named *activate.RefusedRows
			if errors.As(err, &named) {
				a.Named = named.Rows
			}
		}
		if err := json.NewEncoder(w).Encode(a); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

type question struct {
	Object string
	Batch  activate.Batch
	JobID  string
	Rows   int
}

type reply struct {
	Caps    activate.Capabilities
	Answer  activate.Answer
	Records map[string]activate.Record
	Job     activate.JobStatus
	Result  activate.JobResult
	Failed  string
	Class   string
	Named   map[string]string
}

// remote asks what Served serves.
type remote struct {
	url  string
	caps activate.Capabilities
}

// Remote opens a destination that another process serves, with the abilities that are asked for: any of "read", "poll" and
// "settle".
func Remote(url string, abilities ...string) (activate.Destination, error) {
	d := &remote{url: url}
	a, err := d.ask("/capabilities", question{Object: "x"})
	if err != nil {
		return nil, err
	}
	d.caps = a.Caps
	switch fmt.Sprint(abilities) {
	case "[read]":
		return remoteReader{d}, nil
	case "[poll]":
		return remotePoller{d}, nil
	case "[read settle]":
		return remoteSettler{remoteReader{d}}, nil
	}
	return d, nil
}

func (d *remote) ask(path string, q question) (reply, error) {
	var a reply
	body, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	resp, err := http.Post(d.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return a, err
	}
	if a.Failed == "" {
		return a, nil
	}
	failure := &httpx.Error{Class: httpx.Class(a.Class), Method: http.MethodPost, URL: d.url, Message: a.Failed}
	if a.Named != nil {
		return a, &activate.RefusedRows{Rows: a.Named, Err: failure}
	}
	return a, failure
}

func (d *remote) Capabilities(string) (activate.Capabilities, error) { return d.caps, nil }
func (d *remote) Check(context.Context, activate.Target) error       { return nil }
func (d *remote) Close() error                                       { return nil }
func (d *remote) Send(_ context.Context, b activate.Batch) (activate.Answer, error) {
	a, err := d.ask("/send", question{Batch: b})
	return a.Answer, err
}

type remoteReader struct{ *remote }

func (d remoteReader) Read(_ context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	a, err := d.ask("/read", question{Batch: activate.Batch{Target: t, Rows: rows}})
	return a.Records, err
}

func (d remoteReader) Same(ours, theirs json.RawMessage) bool { return (&base{}).Same(ours, theirs) }

type remotePoller struct{ *remote }

func (d remotePoller) Poll(_ context.Context, id string, rows int) (activate.JobStatus, error) {
	a, err := d.ask("/poll", question{JobID: id, Rows: rows})
	return a.Job, err
}

type remoteSettler struct{ remoteReader }

func (d remoteSettler) Settle(_ context.Context, t activate.Target, op activate.Op, id string, rows []activate.Row) (activate.JobResult, error) {
	a, err := d.ask("/settle", question{Batch: activate.Batch{Target: t, Op: op, Rows: rows}, JobID: id})
	return a.Result, err
}
