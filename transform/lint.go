package transform

import (
	"strings"
)

// determinism holds the part of P4 that syntax alone shows: no clock, no chance, and a total order wherever an order
// decides the result.
func (s *scan) determinism(x map[string]any) {
	name := strings.ToLower(str(x["function_name"]))
	off := offset(x)
	add := func(msg, hint string) { s.lint = append(s.lint, finding{off, msg, hint}) }
	switch str(x["class"]) {
	case "COLUMN_REF":
		names, _ := x["column_names"].([]any)
		if len(names) == 1 && clockKeyword(strings.ToLower(str(names[0]))) {
			add(str(names[0])+" gives another result at another time", clockHint)
		}
	case "FUNCTION":
		children, _ := x["children"].([]any)
		ordered := false
		if ob, ok := x["order_bys"].(map[string]any); ok {
			list, _ := ob["orders"].([]any)
			ordered = len(list) > 0
		}
		switch {
		case clockWord(name) || name == "age" && len(children) == 1:
			add(name+"() gives another result at another time", clockHint)
		case chance(name):
			add(name+"() gives another result each time", "Derive the value from the row, for example `hash(key)` or `md5(key)`.")
		case orderedAggregate(name) && !ordered:
			hint := "Give it a total order inside the call: `" + name + "(x order by y, id)`."
			if name == "any_value" || name == "arbitrary" || name == "first" || name == "last" {
				hint = "Use min(x) or max(x), or a total order inside the call: `first(x order by y, id)`."
			}
			add(name+"() depends on the order of rows", hint)
		case name == "mode" && !ordered:
			add("mode() depends on the order of rows where counts are equal", "Count in a CTE, then take `arg_max(x, (n, x))`.")
		case sketch(name):
			add(name+"() depends on the order of rows", "Use quantile_cont(x, 0.5) or median(x): they are exact.")
		case argAggregate(name) && !ordered && len(children) >= 2 && !isRow(children[1]):
			add(name+"() depends on the order of rows where values are equal", "Break ties with a row: `"+name+"(x, (y, id))`.")
		}
	case "WINDOW":
		orders, _ := x["orders"].([]any)
		args, _ := x["arg_orders"].([]any)
		if len(orders) == 0 && len(args) == 0 {
			switch typ := str(x["type"]); {
			case typ == "WINDOW_ROW_NUMBER", typ == "WINDOW_NTILE", typ == "WINDOW_LEAD", typ == "WINDOW_LAG",
				typ == "WINDOW_FIRST_VALUE", typ == "WINDOW_LAST_VALUE", typ == "WINDOW_NTH_VALUE":
				add(name+"() over a window without ORDER BY depends on the order of rows", "Add a total order: `over (partition by k order by y, id)`.")
			case typ == "WINDOW_AGGREGATE" && orderedAggregate(name):
				add(name+"() over a window without ORDER BY depends on the order of rows", "Add a total order: `over (partition by k order by y, id)`.")
			}
		}
	}
	if sample, ok := x["sample"].(map[string]any); ok && len(sample) > 0 {
		at := -1
		if from, ok := x["from_table"].(map[string]any); ok {
			at = offset(from)
		}
		s.lint = append(s.lint, finding{at, "a sample gives other rows each time", "Choose rows by a hash of their key: `where hash(id) % 100 < 10`."})
	}
	s.modifiers(x)
}

// modifiers refuses LIMIT and DISTINCT ON without ORDER BY.
func (s *scan) modifiers(x map[string]any) {
	mods, _ := x["modifiers"].([]any)
	ordered := false
	for _, m := range mods {
		m, _ := m.(map[string]any)
		if str(m["type"]) == "ORDER_MODIFIER" {
			ordered = true
		}
	}
	for _, m := range mods {
		m, _ := m.(map[string]any)
		if ordered {
			continue
		}
		switch str(m["type"]) {
		case "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER":
			at := -1
			if l, ok := m["limit"].(map[string]any); ok {
				at = offset(l)
				if v, ok := l["value"].(map[string]any); ok && v["value"] == float64(0) {
					continue // no row is no choice
				}
			}
			s.lint = append(s.lint, finding{at, "LIMIT without ORDER BY takes any rows", "Add a total order before it."})
		case "DISTINCT_MODIFIER":
			if on, _ := m["distinct_on_targets"].([]any); len(on) > 0 {
				first, _ := on[0].(map[string]any)
				s.lint = append(s.lint, finding{offset(first), "DISTINCT ON without ORDER BY keeps any row of each group", "Add a total order: `order by key, updated_at desc, id`."})
			}
		}
	}
}

const clockHint = "Read the day of the run from meta.run: `from meta.run select today`."

// clockKeyword lists the clock functions that SQL writes without parentheses: the parser takes them for columns.
func clockKeyword(s string) bool {
	switch s {
	case "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp":
		return true
	}
	return false
}

func clockWord(s string) bool {
	switch s {
	case "now", "today", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "get_current_time",
		"get_current_timestamp", "transaction_timestamp", "statement_timestamp", "clock_timestamp", "current_localtime", "current_localtimestamp":
		return true
	}
	return false
}

func chance(s string) bool {
	switch s {
	case "random", "setseed", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "nextval", "currval", "txid_current",
		"current_connection_id", "current_query_id", "current_transaction_id":
		return true
	}
	return false
}

func orderedAggregate(s string) bool {
	switch s {
	case "string_agg", "group_concat", "listagg", "list", "array_agg", "first", "last", "any_value", "arbitrary", "json_group_array", "json_group_object":
		return true
	}
	return false
}

// sketch lists aggregates that keep a sample or a sketch which depends on how rows arrive.
func sketch(s string) bool {
	switch s {
	case "approx_quantile", "reservoir_quantile", "approx_top_k":
		return true
	}
	return false
}

func argAggregate(s string) bool {
	switch s {
	case "arg_max", "arg_min", "argmax", "argmin", "max_by", "min_by", "arg_max_null", "arg_min_null", "arg_max_nulls_last", "arg_min_nulls_last":
		return true
	}
	return false
}

func isRow(v any) bool {
	m, _ := v.(map[string]any)
	name := str(m["function_name"])
	return name == "row" || name == "struct_pack"
}

// unstableSum reports whether an aggregate adds floating-point numbers, whose sum depends on the order of rows.
func unstableSum(name string) bool {
	switch strings.ToLower(name) {
	case "sum", "avg", "mean", "fsum", "sumkahan", "kahan_sum", "favg", "product", "stddev", "stddev_samp", "stddev_pop", "variance",
		"var_samp", "var_pop", "covar_pop", "covar_samp", "corr", "regr_slope", "regr_intercept", "regr_r2", "regr_avgx", "regr_avgy",
		"regr_sxx", "regr_sxy", "regr_syy", "skewness", "kurtosis", "kurtosis_pop", "sem", "geomean", "geometric_mean", "entropy_weighted":
		return true
	}
	return false
}
