package rest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"millrace/internal/fault"
)

// cursorPos is where the next page is. The zero value is the first page.
type cursorPos struct {
	token  string // cursor, link, last id, offset or page as text
	offset int64
	page   int
	pages  int // pages read so far
	rows   int64
}

// first is the position of the first page, or of a resumed one.
func (p *PaginatorDef) first(resume string) cursorPos {
	c := cursorPos{token: resume, page: 1}
	if p.FirstPage != nil {
		c.page = *p.FirstPage
	}
	return c
}

// apply writes the position into a request.
func (p *PaginatorDef) apply(c cursorPos, query url.Values, body map[string]any) {
	set := func(name string, v any) {
		if name == "" {
			return
		}
		if p.In == "json" {
			setPath(body, strings.Split(name, "."), v)
			return
		}
		query.Set(name, fmt.Sprint(v))
	}
	if p.Limit > 0 {
		set(p.LimitParam, p.Limit)
	}
	switch p.Type {
	case "cursor", "last_id":
		if c.token != "" {
			set(p.CursorParam, c.token)
		}
	case "offset":
		set(p.OffsetParam, c.offset)
	case "page_number":
		set(p.PageParam, c.page)
	}
}

// advance finds the next position after a page; false when it was the last.
func (p *PaginatorDef) advance(c cursorPos, root *fastjson.Value, items []*fastjson.Value, link string) (cursorPos, bool, error) {
	c.pages++
	c.rows += int64(len(items))
	switch p.Type {
	case "cursor":
		if p.HasMorePath != "" && !truthy(get(root, splitPath(p.HasMorePath))) {
			return c, false, nil
		}
		next := text(get(root, splitPath(p.CursorPath)))
		if next == "" {
			return c, false, nil
		}
		c.token = next
	case "next_link":
		next := text(get(root, splitPath(p.LinkPath)))
		if next == "" {
			return c, false, nil
		}
		c.token = next
	case "header_link":
		if link == "" {
			return c, false, nil
		}
		c.token = link
	case "last_id":
		more := get(root, splitPath(p.HasMorePath))
		if more == nil {
			return c, false, fmt.Errorf("the answer has no %s, so it is not known whether there are more pages", p.HasMorePath)
		}
		if !truthy(more) {
			return c, false, nil
		}
		if len(items) == 0 {
			return c, false, fmt.Errorf("the answer says %s but holds no record to go on from", p.HasMorePath)
		}
		id := text(get(items[len(items)-1], splitPath(p.IDPath)))
		if id == "" {
			return c, false, fmt.Errorf("the last record of a page has no %s to go on from", p.IDPath)
		}
		c.token = id
	case "offset", "page_number":
		if len(items) == 0 || p.ShortPageEnds && len(items) < p.Limit {
			return c, false, nil
		}
		if p.TotalPath != "" {
			total, err := strconv.ParseInt(text(get(root, splitPath(p.TotalPath))), 10, 64)
			if err == nil && c.rows >= total {
				return c, false, nil
			}
		}
		c.offset += int64(len(items))
		c.page++
	default:
		return c, false, nil
	}
	return c, true, nil
}

func truthy(v *fastjson.Value) bool {
	switch text(v) {
	case "", "false", "0", "null":
		return false
	}
	return true
}

func setPath(m map[string]any, path []string, v any) {
	for _, k := range path[:len(path)-1] {
		inner, ok := m[k].(map[string]any)
		if !ok {
			inner = map[string]any{}
			m[k] = inner
		}
		m = inner
	}
	m[path[len(path)-1]] = v
}

// loopGuard notices that pages repeat, in constant memory (Brent's cycle detection over cursors and over page contents).
type loopGuard struct {
	token, content brent
	empty          int
}

type brent struct {
	mark        uint64
	steps, next int
	set         bool
}

// seen reports whether h equals the marked value, and moves the mark at powers of two.
func (b *brent) seen(h uint64) bool {
	if b.set && h == b.mark {
		return true
	}
	if b.steps == b.next {
		b.mark, b.set = h, true
		b.next = 2*b.next + 1
		b.steps = 0
	}
	b.steps++
	return false
}

// maxEmptyPages in a row are taken: APIs that filter after paging do give some.
const maxEmptyPages = 1000

var errLoop = errors.New("pages repeat")

func (g *loopGuard) page(c cursorPos, p *PaginatorDef, items []*fastjson.Value, more bool) error {
	stop := func(format string, args ...any) error {
		return &fault.Error{Msg: fmt.Sprintf(format, args...), Err: errLoop,
			Hint: "Reading was stopped; what came so far is kept. Check the paginator against the API's documentation."}
	}
	if len(items) > 0 {
		g.empty = 0
		if g.content.seen(hashItems(items)) {
			return stop("page %d holds the same records as a page before it", c.pages)
		}
	} else if g.empty++; g.empty > maxEmptyPages && more {
		return stop("%d empty pages in a row", g.empty)
	}
	if !more {
		return nil
	}
	if p.Type != "offset" && p.Type != "page_number" && g.token.seen(hashText(c.token)) {
		return stop("page %d points to the page %q, which was read already", c.pages, fault.Shorten(c.token, 60))
	}
	limit := p.MaxPages
	if limit == 0 {
		limit = 100_000
	}
	if c.pages >= limit {
		return stop("more than %d pages", limit)
	}
	return nil
}

func hashText(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

func hashItems(items []*fastjson.Value) uint64 {
	h := fnv.New64a()
	h.Write(items[0].MarshalTo(nil))
	h.Write(items[len(items)-1].MarshalTo(nil))
	h.Write([]byte(strconv.Itoa(len(items))))
	return h.Sum64()
}

// linkHeader finds rel="next" (RFC 8288).
func linkHeader(values []string) string {
	for _, v := range values {
		for _, l := range strings.Split(v, ",") {
			target, params, _ := strings.Cut(l, ";")
			target = strings.TrimSpace(target)
			if !strings.HasPrefix(target, "<") || !strings.HasSuffix(target, ">") {
				continue
			}
			for _, p := range strings.Split(params, ";") {
				k, val, _ := strings.Cut(strings.TrimSpace(p), "=")
				if strings.EqualFold(k, "rel") && strings.EqualFold(strings.Trim(val, `"`), "next") {
					return target[1 : len(target)-1]
				}
			}
		}
	}
	return ""
}
