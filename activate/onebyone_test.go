package activate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"millrace/internal/httpx"
)

func TestOneByOne(t *testing.T) {
	rows := []Row{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	fails := func(id string, err error) func(context.Context, Row) (Result, error) {
		return func(_ context.Context, r Row) (Result, error) {
			if r.ID == id {
				return Result{}, err
			}
			return Result{Status: Acked}, nil
		}
	}
	class := func(c httpx.Class) error { return &httpx.Error{Class: c, Method: "POST", URL: "u"} }
	for _, c := range []struct {
		id   string
		err  error
		want string
		fail bool
	}{
		{"", nil, "a acked, b acked, c acked", false},
		{"b", class(httpx.Permanent), "a acked, b rejected, c acked", false},
		{"a", class(httpx.Permanent), "a rejected, b acked, c acked", false},
		{"b", class(httpx.Unknown), "a acked, b unknown, c retry", false},
		{"b", errors.New("unreadable"), "a acked, b unknown, c retry", false},
		{"b", class(httpx.Rate), "a acked, b retry, c retry", false},
		{"b", class(httpx.Auth), "a acked, b retry, c retry", false},
		{"a", class(httpx.Unknown), "", true},
		{"a", class(httpx.Auth), "", true},
	} {
		a, err := OneByOne(t.Context(), rows, fails(c.id, c.err))
		var got []string
		for _, r := range a.Results {
			got = append(got, fmt.Sprint(r.ID, " ", r.Status))
		}
		if s := strings.Join(got, ", "); s != c.want || (err != nil) != c.fail {
			t.Errorf("%s fails with %v: %s (%v), want %s", c.id, c.err, s, err, c.want)
		}
	}
}
