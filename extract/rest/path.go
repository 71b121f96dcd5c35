package rest

import (
	"strings"

	"github.com/valyala/fastjson"
)

// get follows a dotted path; numbers step into lists. The empty path is the value itself. It returns nil when nothing is there.
func get(v *fastjson.Value, path []string) *fastjson.Value {
	if len(path) == 0 {
		return v
	}
	return v.Get(path...)
}

func splitPath(p string) []string {
	if p == "" {
		return nil
	}
	return strings.Split(p, ".")
}

// selectRecords follows a path whose steps may be *, each element of a list. found is false when some step is not there
// or the end is not a list.
func selectRecords(v *fastjson.Value, path []string, out []*fastjson.Value) (_ []*fastjson.Value, found bool) {
	for i, step := range path {
		if v == nil {
			return out, false
		}
		if step == "*" {
			if v.Type() != fastjson.TypeArray {
				return out, false
			}
			elements := v.GetArray()
			found = true
			for _, e := range elements {
				var ok bool
				out, ok = selectRecords(e, path[i+1:], out)
				found = found && ok
			}
			return out, found
		}
		v = v.Get(step)
	}
	if v == nil || v.Type() != fastjson.TypeArray {
		return out, false
	}
	return append(out, v.GetArray()...), true
}

// text is a scalar as text; empty for null, nothing, lists and objects.
func text(v *fastjson.Value) string {
	if v == nil {
		return ""
	}
	switch v.Type() {
	case fastjson.TypeString:
		return string(v.GetStringBytes())
	case fastjson.TypeNumber, fastjson.TypeTrue, fastjson.TypeFalse:
		return string(v.MarshalTo(nil))
	}
	return ""
}
