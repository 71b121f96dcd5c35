package activate

import "millrace/internal/config"

// Schema is the JSON Schema of a sync file; what `config:` holds follows the destination.
func Schema(catalog []Connector) map[string]any {
	out := config.Schema("Millrace sync", &SyncFile{})
	defs, ok := out["$defs"].(map[string]any)
	if !ok {
		defs = map[string]any{}
	}
	var cases, names []any
	for _, c := range catalog {
		s := config.Schema("", c.Options())
		delete(s, "$schema")
		if d, ok := s["$defs"].(map[string]any); ok {
			for k, v := range d {
				defs[k] = v
			}
			delete(s, "$defs")
		}
		names = append(names, c.Name)
		cases = append(cases, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"destination": map[string]any{"const": c.Name}}, "required": []any{"destination"}},
			"then": map[string]any{"properties": map[string]any{"config": s}},
		})
	}
	if props, ok := out["properties"].(map[string]any); ok {
		if d, ok := props["destination"].(map[string]any); ok {
			d["enum"] = names
			delete(d, "anyOf")
		}
	}
	if len(cases) > 0 {
		out["allOf"] = cases
	}
	if len(defs) > 0 {
		out["$defs"] = defs
	}
	return out
}
