package section

import (
	"fmt"
	"math/big"
	"strings"

	"millrace/internal/fault"
)

// expr is a formula over names, as a spreadsheet computes it: + - * / ^ and comparisons, brackets, min, max, round, if.
// It is computed exactly; a division by zero gives nothing.
type expr struct {
	op   string // "num", "name", "neg", an operator, or a function
	num  *big.Rat
	name string
	args []*expr
}

// parseExpr reads a formula.
func parseExpr(s string) (*expr, error) {
	p := &exprParser{src: s}
	p.next()
	e := p.compare()
	if p.err == nil && p.tok != "" {
		p.fail("unexpected %q", p.tok)
	}
	if p.err != nil {
		return nil, &fault.Error{Value: s, Msg: "not a formula: " + p.err.Error(), Hint: "Use names, numbers, + - * / ^, brackets, comparisons, min, max, round and if."}
	}
	return e, nil
}

// names lists the names that the formula needs.
func (e *expr) names() []string {
	var out []string
	if e.op == "name" {
		out = append(out, e.name)
	}
	for _, a := range e.args {
		out = append(out, a.names()...)
	}
	return out
}

// maxPower bounds exponents: a formula must not be able to fill the memory.
const maxPower = 1200

// eval computes the formula; nil means that it has no value.
func (e *expr) eval(at func(name string) *big.Rat) *big.Rat {
	switch e.op {
	case "num":
		return e.num
	case "name":
		return at(e.name)
	case "if":
		if cond := e.args[0].eval(at); cond == nil {
			return nil
		} else if cond.Sign() != 0 {
			return e.args[1].eval(at)
		}
		return e.args[2].eval(at)
	}
	v := make([]*big.Rat, len(e.args))
	for i, a := range e.args {
		if v[i] = a.eval(at); v[i] == nil {
			return nil
		}
	}
	truth := func(b bool) *big.Rat {
		if b {
			return big.NewRat(1, 1)
		}
		return new(big.Rat)
	}
	switch e.op {
	case "neg":
		return new(big.Rat).Neg(v[0])
	case "+":
		return new(big.Rat).Add(v[0], v[1])
	case "-":
		return new(big.Rat).Sub(v[0], v[1])
	case "*":
		return new(big.Rat).Mul(v[0], v[1])
	case "/":
		if v[1].Sign() == 0 {
			return nil
		}
		return new(big.Rat).Quo(v[0], v[1])
	case "^":
		if !v[1].IsInt() || !v[1].Num().IsInt64() {
			return nil
		}
		n := v[1].Num().Int64()
		if n > maxPower || n < -maxPower || n < 0 && v[0].Sign() == 0 {
			return nil
		}
		r := big.NewRat(1, 1)
		for range max(n, -n) {
			r.Mul(r, v[0])
		}
		if n < 0 {
			r.Inv(r)
		}
		return r
	case "<":
		return truth(v[0].Cmp(v[1]) < 0)
	case ">":
		return truth(v[0].Cmp(v[1]) > 0)
	case "<=":
		return truth(v[0].Cmp(v[1]) <= 0)
	case ">=":
		return truth(v[0].Cmp(v[1]) >= 0)
	case "=":
		return truth(v[0].Cmp(v[1]) == 0)
	case "<>":
		return truth(v[0].Cmp(v[1]) != 0)
	case "min", "max":
		r := v[0]
		for _, x := range v[1:] {
			if c := x.Cmp(r); e.op == "min" && c < 0 || e.op == "max" && c > 0 {
				r = x
			}
		}
		return r
	case "round":
		n := 0
		if len(v) == 2 {
			if !v[1].IsInt() || !v[1].Num().IsInt64() || v[1].Num().Int64() < 0 || v[1].Num().Int64() > 12 {
				return nil
			}
			n = int(v[1].Num().Int64())
		}
		r, _ := new(big.Rat).SetString(v[0].FloatString(n))
		return r
	}
	return nil
}

// excel writes the formula for a spreadsheet, with every name replaced.
func (e *expr) excel(name func(string) string) string {
	join := func() string {
		parts := make([]string, len(e.args))
		for i, a := range e.args {
			parts[i] = a.excel(name)
		}
		return strings.Join(parts, ",")
	}
	switch e.op {
	case "num":
		s := e.num.FloatString(12)
		return strings.TrimRight(strings.TrimRight(s, "0"), ".")
	case "name":
		return name(e.name)
	case "neg":
		return "(-" + e.args[0].excel(name) + ")"
	case "round":
		if len(e.args) == 1 {
			return "ROUND(" + join() + ",0)"
		}
		return "ROUND(" + join() + ")"
	case "min", "max", "if":
		return strings.ToUpper(e.op) + "(" + join() + ")"
	}
	return "(" + e.args[0].excel(name) + e.op + e.args[1].excel(name) + ")"
}

type exprParser struct {
	src   string
	pos   int
	tok   string
	err   error
	depth int
}

func (p *exprParser) fail(format string, args ...any) *expr {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.tok = ""
	return &expr{op: "num", num: new(big.Rat)}
}

func (p *exprParser) next() {
	for p.pos < len(p.src) && (p.src[p.pos] == ' ' || p.src[p.pos] == '\t' || p.src[p.pos] == '\n') {
		p.pos++
	}
	if p.pos == len(p.src) {
		p.tok = ""
		return
	}
	start := p.pos
	c := p.src[p.pos]
	switch {
	case c >= '0' && c <= '9' || c == '.':
		for p.pos < len(p.src) && (p.src[p.pos] >= '0' && p.src[p.pos] <= '9' || p.src[p.pos] == '.') {
			p.pos++
		}
	case wordByte(c):
		for p.pos < len(p.src) && wordByte(p.src[p.pos]) {
			p.pos++
		}
	default:
		p.pos++
		if two := p.src[start:min(start+2, len(p.src))]; two == "<=" || two == ">=" || two == "<>" {
			p.pos++
		}
	}
	p.tok = p.src[start:p.pos]
}

// wordByte reports whether b may stand in a name: ASCII letters, digits and underscores.
func wordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

func (p *exprParser) compare() *expr {
	if p.depth++; p.depth > 100 {
		return p.fail("nested too deeply")
	}
	defer func() { p.depth-- }()
	e := p.sum()
	for strings.Contains(" < > <= >= = <> ", " "+p.tok+" ") && p.tok != "" {
		op := p.tok
		p.next()
		e = &expr{op: op, args: []*expr{e, p.sum()}}
	}
	return e
}

func (p *exprParser) sum() *expr {
	e := p.product()
	for p.tok == "+" || p.tok == "-" {
		op := p.tok
		p.next()
		e = &expr{op: op, args: []*expr{e, p.product()}}
	}
	return e
}

func (p *exprParser) product() *expr {
	e := p.power()
	for p.tok == "*" || p.tok == "/" {
		op := p.tok
		p.next()
		e = &expr{op: op, args: []*expr{e, p.power()}}
	}
	return e
}

func (p *exprParser) power() *expr {
	e := p.unary()
	for p.tok == "^" {
		p.next()
		e = &expr{op: "^", args: []*expr{e, p.unary()}}
	}
	return e
}

func (p *exprParser) unary() *expr {
	if p.depth++; p.depth > 100 {
		return p.fail("nested too deeply")
	}
	defer func() { p.depth-- }()
	tok := p.tok
	switch {
	case tok == "":
		return p.fail("it ends too early")
	case tok == "-":
		p.next()
		return &expr{op: "neg", args: []*expr{p.unary()}}
	case tok == "(":
		p.next()
		e := p.compare()
		if p.tok != ")" {
			return p.fail("a ( without its )")
		}
		p.next()
		return e
	case tok[0] >= '0' && tok[0] <= '9' || tok[0] == '.':
		r, ok := new(big.Rat).SetString(tok)
		if !ok {
			return p.fail("%q is not a number", tok)
		}
		p.next()
		return &expr{op: "num", num: r}
	case wordByte(tok[0]):
		p.next()
		if p.tok != "(" {
			return &expr{op: "name", name: tok}
		}
		return p.call(strings.ToLower(tok))
	}
	return p.fail("unexpected %q", tok)
}

func (p *exprParser) call(fn string) *expr {
	arity := map[string][2]int{"min": {1, 30}, "max": {1, 30}, "round": {1, 2}, "if": {3, 3}}
	want, ok := arity[fn]
	if !ok {
		return p.fail("there is no function %q", fn)
	}
	e := &expr{op: fn}
	for p.next(); p.err == nil; p.next() {
		e.args = append(e.args, p.compare())
		if p.tok == ")" {
			p.next()
			if len(e.args) < want[0] || len(e.args) > want[1] {
				return p.fail("%s takes %d to %d values", fn, want[0], want[1])
			}
			return e
		}
		if p.tok != "," {
			return p.fail("%s( without its )", fn)
		}
	}
	return e
}
