package rest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"millrace/extract"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// Check tells whether the source is ready: the API is reached and takes the credentials, every stream that the
// project reads may be read, and what the vendor says is left of the account's limits. It reads no more than one page of
// each stream, and no children.
func (s *source) Check(ctx context.Context) []extract.Finding {
	var out []extract.Finding
	sc := &scope{config: s.config, now: s.deps.Now()}
	for _, c := range s.api.def.Check {
		f := extract.Finding{Name: c.Name, OK: true}
		parser := &fastjson.Parser{}
		a, err := s.call(ctx, nil, EndpointDef{Path: c.Path, Method: c.Method, JSON: c.JSON}, sc, nil, cursorPos{}, parser)
		if err != nil {
			f.OK, f.Info, f.Hint = false, err.Error(), c.Hint
			var e *httpx.Error
			if errors.As(err, &e) && e.Hint != "" {
				f.Hint = e.Hint // says more than the general one
			}
			out = append(out, f)
			switch httpx.ClassOf(err) {
			case httpx.Auth, httpx.Config, httpx.Transient:
				return out // each stream would say the same, and asking in vain takes long
			}
			continue
		}
		var seen []string
		for label, path := range c.Show.All() {
			if v := text(get(a.root, splitPath(path))); v != "" {
				seen = append(seen, label+" "+fault.Shorten(v, 60))
			}
		}
		f.Info = strings.Join(seen, ", ")
		out = append(out, f)
	}
	specs, err := s.Streams(ctx)
	if err != nil {
		return append(out, extract.Finding{Name: "streams", Info: err.Error(), Hint: "Correct the source file."})
	}
	var probes []extract.Finding
	for _, spec := range specs {
		r := s.api.resources[spec.Name]
		if r.parent != nil {
			continue // its parent is checked; reading a child may take many calls
		}
		f, class := s.probe(ctx, r)
		probes = append(probes, f)
		if class == httpx.Transient || class == httpx.Config {
			probes[len(probes)-1].Hint += " The other streams were not asked."
			break
		}
	}
	return append(append(out, together(probes)...), s.limits())
}

// together makes one finding of the streams that can be read, and one of those that failed alike, as with a token that
// lacks a scope: the first speaks, the others are named.
func together(list []extract.Finding) []extract.Finding {
	var out []extract.Finding
	var read []string
	first := map[string]int{} // hint → place in out
	others := map[string][]string{}
	for _, f := range list {
		if i, seen := first[f.Hint]; !f.OK && seen && out[i].Name != f.Name {
			others[f.Hint] = append(others[f.Hint], strings.TrimSuffix(strings.TrimPrefix(f.Name, "stream "), " readable"))
			continue
		}
		if f.OK {
			read = append(read, strings.TrimSuffix(strings.TrimPrefix(f.Name, "stream "), " readable"))
			continue
		}
		first[f.Hint] = len(out)
		out = append(out, f)
	}
	switch len(read) {
	case 0:
	case 1:
		out = append(out, extract.Finding{Name: "stream readable", OK: true, Info: read[0]})
	default:
		out = append(out, extract.Finding{Name: fmt.Sprintf("%d streams readable", len(read)), OK: true, Info: strings.Join(read, ", ")})
	}
	for hint, names := range others {
		f := &out[first[hint]]
		f.Info += fmt.Sprintf(" (and alike: %s)", strings.Join(names, ", "))
	}
	return out
}

// probe reads one page of a stream; the class is that of the call that failed.
func (s *source) probe(ctx context.Context, r *resource) (extract.Finding, httpx.Class) {
	f := extract.Finding{Name: "stream " + r.name + " readable", OK: true}
	rd := &reader{s: s, ctx: ctx, r: r, top: &state{}, opts: readOptions{now: s.deps.Now()}, shape: newShaper(r, s.specOf(r)),
		yield: func(*extract.Batch, error) bool { return false }}
	if o := s.options[r.name]; o != nil {
		rd.opts.initial = o.InitialValue
	}
	// Of a report, the last day is enough to know.
	if inc := r.Incremental; inc != nil && r.full == nil && (inc.Type == "date" || inc.Type == "timestamp") {
		rd.opts.initial = formatInstant(rd.opts.now.Add(-48 * time.Hour))
	}
	err := rd.resource(r, rd.top, rd.emit)
	switch {
	case err == nil || errors.Is(err, errStopped):
	default:
		f.OK, f.Info = false, err.Error()
		f.Hint = "See the message; the stream can be left out with enabled: false."
		var e *httpx.Error
		if errors.As(err, &e) && e.Hint != "" {
			f.Hint = e.Hint
		}
	}
	return f, httpx.ClassOf(err)
}

// limits says what is known of the account's limits.
func (s *source) limits() extract.Finding {
	f := extract.Finding{Name: "rate limits", OK: true}
	var parts []string
	for _, l := range s.client.Budget().Left() {
		p := fmt.Sprintf("%s: %g calls in %s", l.Policy, l.Limit, short(l.Per))
		if l.Remaining >= 0 {
			p += fmt.Sprintf(", %g left", l.Remaining)
			if l.Remaining < l.Limit/20 && l.Per >= time.Hour {
				f.OK = false
				f.Hint = "Less than a twentieth of the limit is left: run later, or set rate_limits to what the account has."
			}
		}
		parts = append(parts, p)
	}
	f.Info = strings.Join(parts, "; ")
	if f.Info == "" {
		f.Info = "the connector knows of none"
	}
	return f
}

func short(d time.Duration) string {
	s := d.String()
	s = strings.TrimSuffix(s, "m0s")
	if strings.HasSuffix(s, "h0") {
		return strings.TrimSuffix(s, "0")
	}
	if s != d.String() {
		s += "m"
	}
	return s
}
