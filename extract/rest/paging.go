package rest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// callOf is which call to page through: the resource's own, or that of its first read.
type callOf struct {
	ep  EndpointDef
	pag *PaginatorDef
	sel []string
	// split is set for the call that can be taken up behind a key when the API caps its rows.
	split *SplitDef
}

// paging makes the setup calls, reads page after page, and makes the teardown calls whatever happened.
func (rd *reader) paging(r *resource, call callOf, sc *scope, resume *open, emit emitFunc) (err error) {
	in := *sc
	in.setup = map[string]string{}
	if len(r.Teardown) > 0 {
		defer func() {
			// The job is cleaned up even after a cancel, within a bound of its own.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(rd.ctx), time.Minute)
			defer cancel()
			for _, step := range r.Teardown {
				if terr := rd.s.step(ctx, r, step, &in); terr != nil {
					rd.s.log.Warn("clean-up call failed", "stream", r.name, "error", terr)
				}
			}
		}()
	}
	for i, step := range r.Setup {
		if err := rd.s.step(rd.ctx, r, step, &in); err != nil {
			return fault.Wrap(err, "setup step %d", i+1)
		}
	}
	if r.Streamed {
		return rd.streamed(r, call, &in, emit)
	}
	if sp := call.split; sp != nil {
		in.splitAfter = sp.First
		if in.splitAfter == "" {
			in.splitAfter = "0"
		}
	}
	token := ""
	if resume != nil {
		token = resume.Page
		if resume.Split != "" {
			in.splitAfter = resume.Split
		}
	}
	for {
		again, err := rd.query(r, call, &in, token, emit)
		if err != nil || !again {
			return err
		}
		token = ""
	}
}

// query pages through one query. again is true when the query was cut off by the API's cap on rows and goes on behind the
// last key, which is then in sc.splitAfter.
func (rd *reader) query(r *resource, call callOf, sc *scope, token string, emit emitFunc) (again bool, err error) {
	parsers := []*fastjson.Parser{{}}
	guard := &loopGuard{}
	pos := call.pag.first(token)
	for {
		if err := rd.ctx.Err(); err != nil {
			return false, err
		}
		a, items, err := rd.fetch(r, call, sc, pos, &parsers)
		if err != nil {
			return false, err
		}
		if a.ignored {
			return false, emit(&page{end: true})
		}
		next, more, err := call.pag.advance(pos, a.root, items, a.link)
		if err != nil {
			return false, &fault.Error{Err: err, Hint: "Check the paginator against the API's documentation."}
		}
		if err := guard.page(next, call.pag, items, more); err != nil {
			return false, err
		}
		p := &page{root: a.root, items: items, end: !more}
		if more {
			p.token = next.token
		}
		if sp := call.split; sp != nil {
			if len(items) > 0 {
				key := text(get(get(items[len(items)-1], splitPath(r.Record)), splitPath(sp.KeyPath)))
				if key == "" || lessNumber(key, sc.splitAfter) {
					return false, &fault.Error{Value: key, Msg: "rows do not come in the order of " + sp.KeyPath + ", so the cap on rows cannot be worked around", Hint: "Sort by that key in the request."}
				}
				p.split = key
			}
			// Another page would reach beyond the cap, or the cap may have cut this one short.
			if next.rows+int64(max(call.pag.Limit, len(items))) > int64(sp.MaxResults) {
				if p.split == sc.splitAfter {
					return false, &fault.Error{Value: p.split, Msg: "the query behind this key gives the same rows again", Hint: "Filter by {split.after} in the request."}
				}
				p.end = false
				sc.splitAfter = p.split
				return true, emit(p)
			}
		}
		if err := emit(p); err != nil {
			return false, err
		}
		if !more {
			return false, nil
		}
		pos = next
	}
}

// fetch gets one page: one call, or one for each part of a long property list, joined by key.
func (rd *reader) fetch(r *resource, call callOf, sc *scope, pos cursorPos, parsers *[]*fastjson.Parser) (*answer, []*fastjson.Value, error) {
	chunks := chunked(sc.properties, r.PropertyChunking)
	if len(chunks) <= 1 {
		return rd.single(r, call, sc, pos, (*parsers)[0])
	}
	for len(*parsers) < len(chunks) {
		*parsers = append(*parsers, &fastjson.Parser{})
	}
	for attempt := 1; ; attempt++ {
		in := *sc
		in.properties = chunks[0]
		a, items, err := rd.single(r, call, &in, pos, (*parsers)[0])
		if err != nil || a.ignored {
			return a, items, err
		}
		whole := true
		for i, chunk := range chunks[1:] {
			in.properties = chunk
			_, more, err := rd.single(r, call, &in, pos, (*parsers)[i+1])
			if err != nil {
				return nil, nil, err
			}
			whole = whole && join(items, more, splitPath(r.PropertyChunking.MergeKey), splitPath(r.Properties.Under))
		}
		if whole {
			return a, items, nil
		}
		if attempt == 3 {
			return nil, nil, &fault.Error{Msg: "a page changed between the calls for its properties, three times", Hint: "Run again, or ask for fewer properties."}
		}
	}
}

// join copies the properties of b's records into a's, by key. It reports whether every record of a was found.
func join(a, b []*fastjson.Value, key, under []string) bool {
	byKey := make(map[string]*fastjson.Value, len(b))
	for _, v := range b {
		byKey[text(get(v, key))] = v
	}
	for _, v := range a {
		other := byKey[text(get(v, key))]
		if other == nil {
			return false
		}
		dst, src := get(v, under), get(other, under)
		if dst == nil || src == nil || src.Type() != fastjson.TypeObject {
			return false
		}
		src.GetObject().Visit(func(k []byte, val *fastjson.Value) { dst.Set(string(k), val) })
	}
	return true
}

// chunked splits a list so that each part, joined by commas, is at most MaxChars long.
func chunked(props []string, c *ChunkingDef) [][]string {
	if c == nil || len(props) == 0 {
		return nil
	}
	var out [][]string
	var cur []string
	n := 0
	for _, p := range props {
		if len(cur) > 0 && n+1+len(p) > c.MaxChars {
			out, cur, n = append(out, cur), nil, 0
		}
		cur = append(cur, p)
		n += len(p) + 1
	}
	return append(out, cur)
}

func (rd *reader) single(r *resource, call callOf, sc *scope, pos cursorPos, parser *fastjson.Parser) (*answer, []*fastjson.Value, error) {
	a, err := rd.s.call(rd.ctx, r, call.ep, sc, call.pag, pos, parser)
	if err != nil || a.ignored {
		return a, nil, err
	}
	items, err := selectItems(r, a.root, call.sel)
	return a, items, err
}

// selectItems finds the records. An answer without the list is an error, not zero rows, unless the file says otherwise.
func selectItems(r *resource, root *fastjson.Value, sel []string) ([]*fastjson.Value, error) {
	if len(sel) == 0 && root != nil && root.Type() == fastjson.TypeObject {
		return []*fastjson.Value{root}, nil
	}
	items, found := selectRecords(root, sel, nil)
	if found || r.DataMissing == "empty" && (root == nil || root.Type() == fastjson.TypeObject || root.Type() == fastjson.TypeArray) {
		return items, nil
	}
	var keys []string
	if root != nil && root.Type() == fastjson.TypeObject {
		root.GetObject().Visit(func(k []byte, _ *fastjson.Value) { keys = append(keys, string(k)) })
	}
	where := strings.Join(sel, ".")
	if where == "" {
		where = "the answer itself"
	}
	slices.Sort(keys)
	seen := "found nothing"
	if len(keys) > 0 {
		seen = "found the keys " + fault.Shorten(strings.Join(keys, ", "), 200)
	} else if root != nil {
		seen = "found a " + root.Type().String()
	}
	return nil, &fault.Error{Key: "data_selector", Value: where, Msg: "the answer holds no list of records there; " + seen,
		Hint: "If the API changed, correct data_selector; if it leaves the list out when there are no rows, write data_missing: empty."}
}

// step makes a call before or after the pages, repeating it until its job is done.
func (s *source) step(ctx context.Context, r *resource, step StepDef, sc *scope) error {
	parser := &fastjson.Parser{}
	began := s.deps.Clock()
	for {
		a, err := s.call(ctx, r, step.EndpointDef, sc, nil, cursorPos{}, parser)
		if err != nil {
			return err
		}
		if u := step.Until; u != nil {
			st := text(get(a.root, splitPath(u.Path)))
			if slices.Contains(u.Fail, st) {
				return &fault.Error{Value: st, Msg: "the report job failed at the vendor: " + u.Path, Hint: "Run again; if it stays so, ask the vendor with the job's id."}
			}
			if !slices.Contains(u.In, st) {
				if s.deps.Clock().Sub(began) > u.Timeout {
					return &fault.Error{Value: st, Msg: fmt.Sprintf("the report job was not done after %s: %s", u.Timeout, u.Path), Hint: "Run again later, or raise until.timeout."}
				}
				if err := s.deps.Sleep(ctx, u.Every); err != nil {
					return err
				}
				continue
			}
		}
		for name, path := range step.Save.All() {
			v := text(get(a.root, splitPath(path)))
			if v == "" {
				return &fault.Error{Key: "save." + name, Value: path, Msg: "the answer of a setup call has nothing there", Hint: "Check the path against the API's documentation."}
			}
			sc.setup[name] = v
		}
		return nil
	}
}

// streamed reads an answer that is one long JSON array, element by element; each element is a page.
func (rd *reader) streamed(r *resource, call callOf, sc *scope, emit emitFunc) error {
	req, err := rd.s.request(call.ep, sc, call.pag, call.pag.first(""))
	if err != nil {
		return err
	}
	first := &answer{}
	req.Judge = func(resp *httpx.Response) httpx.Verdict { // only asked about answers that are not 2xx
		return rd.s.judge(r, &fastjson.Parser{}, first)(resp)
	}
	resp, err := rd.s.client.Open(rd.ctx, req)
	if err != nil {
		return rd.s.explain(r, err, first.hinted)
	}
	if resp.Stream == nil {
		return emit(&page{end: true}) // a rule accepted an answer that is not 2xx
	}
	defer resp.Stream.Close()
	elements := newArrayReader(resp.Stream, int(rd.s.api.def.Client.MaxBody))
	parser := &fastjson.Parser{}
	for {
		raw, err := elements.next()
		if err != nil {
			var he *httpx.Error
			if errors.As(err, &he) {
				return err
			}
			if errors.Is(err, errArrayEnd) {
				return emit(&page{end: true})
			}
			return &httpx.Error{Class: httpx.Transient, Method: req.Method, URL: resp.URL, Status: resp.Status, RequestID: resp.RequestID,
				Message: "the answer is not a whole JSON array: " + err.Error(), Hint: "Run again later; nothing was lost"}
		}
		root, err := parser.ParseBytes(raw)
		if err != nil {
			return &httpx.Error{Class: httpx.Transient, Method: req.Method, URL: resp.URL, Status: resp.Status, Message: "an element of the answer is not JSON"}
		}
		a := &answer{root: root}
		for _, act := range r.actions {
			if v, hit := act.apply(&httpx.Response{Status: resp.Status, Header: resp.Header, Body: raw}, a); hit && !v.Accept {
				return rd.s.explain(r, &httpx.Error{Class: v.Class, Method: req.Method, URL: resp.URL, Status: resp.Status, RequestID: resp.RequestID, Message: v.Message, Hint: v.Hint}, v.Hint != "")
			}
		}
		items, err := selectItems(r, root, call.sel)
		if err != nil {
			return err
		}
		if err := emit(&page{root: root, items: items}); err != nil {
			return err
		}
	}
}
