package activate

import (
	"fmt"
	"html/template"
	"io"
	"sort"
	"strings"
)

// WriteHTML writes plans as one page without scripts or anything that is loaded from elsewhere: for a review, an approval
// by somebody without a terminal, or the record. Like the text it holds no values of people beyond masked samples.
func WriteHTML(w io.Writer, plans []*Plan) error {
	type count struct{ Sign, N, What string }
	type field struct {
		*fieldCount
		Share string
	}
	type view struct {
		*Plan
		Counts    []count
		Left      []string
		Histogram []field
		Waits     bool
		Question  []string
		Next      string
		UndoText  string
		Estimate  string
	}
	var list []view
	for _, p := range plans {
		v := view{Plan: p, Next: p.next(), UndoText: p.undoWords(), Estimate: estimateText(p)}
		for _, x := range []struct{ op, sign, what string }{{"new", "+", "new to us"}, {"changed", "~", "changed"}, {string(Add), "+", "join"}, {string(Remove), "−", "leave"}, {string(Restore), "~", "restored"},
			{string(Archive), "−", "archived"}, {"again", "~", "said again"}} {
			if n := p.Ops[x.op]; n > 0 {
				v.Counts = append(v.Counts, count{x.sign, thousands(n), x.what})
			}
		}
		if p.Kind == "sync" {
			v.Counts = append(v.Counts, count{"=", thousands(p.Unchanged), "unchanged"})
		}
		for reason, n := range p.Drops {
			v.Left = append(v.Left, thousands(n)+" "+explainDrop(reason))
		}
		sort.Strings(v.Left)
		for _, f := range p.Fields {
			if f.Filled+f.Changed+f.Blanked > 0 && p.Mode != ModeAudience {
				v.Histogram = append(v.Histogram, field{f, fmt.Sprintf("%.1f %%", pct(f.Changed+f.Blanked, p.Known))})
			}
		}
		if v.Waits = p.Verdict == VerdictHold && p.State == "waiting"; v.Waits {
			v.Question = strings.Split(strings.TrimSpace(p.Question()), "\n")
		}
		list = append(list, v)
	}
	return page.Execute(w, list)
}

var page = template.Must(template.New("plans").Funcs(template.FuncMap{
	"thousands": thousands,
	"sign":      sign,
	"verdict": func(v string) string {
		return map[string]string{VerdictWithin: "inside its limits", VerdictHold: "waits for a person", VerdictBlocked: "stopped by its limits", VerdictEmpty: "nothing to send"}[v]
	},
	"signClass": func(s string) string {
		return map[string]string{"+": "add", "~": "mod", "-": "del", "−": "del", "=": "same"}[s]
	},
}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>What would be sent</title>
<style>
:root{--ink:#1c2430;--soft:#5d6878;--line:#dfe4ea;--card:#fff;--back:#f4f6f8;--add:#17734a;--mod:#8a5a00;--del:#b3261e;--same:#6b7684}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf1;--soft:#9aa6b5;--line:#323b47;--card:#1b222b;--back:#12171d;--add:#5ed39b;--mod:#f0bd5b;--del:#ff8a80;--same:#93a0b0}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1rem}h1{font-size:1.4rem;margin:0 0 1rem}
article{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.25rem 1.5rem;margin:0 0 1.5rem}
h2{font-size:1.15rem;margin:0;display:flex;gap:.75rem;align-items:center;flex-wrap:wrap}h3{font-size:.8rem;text-transform:uppercase;letter-spacing:.05em;color:var(--soft);margin:1.25rem 0 .4rem}
.where{color:var(--soft);margin:.15rem 0 0}.badge{font-size:.78rem;padding:.1rem .6rem;border-radius:1rem;border:1px solid currentColor}
.within{color:var(--add)}.hold{color:var(--mod)}.blocked{color:var(--del)}.empty{color:var(--same)}
.counts{display:flex;flex-wrap:wrap;gap:.6rem;margin:1rem 0 0;padding:0;list-style:none}.counts li{border:1px solid var(--line);border-radius:8px;padding:.4rem .8rem}.counts b{font-size:1.15rem}
.add b,.add.s{color:var(--add)}.mod b,.mod.s{color:var(--mod)}.del b,.del.s{color:var(--del)}.same b{color:var(--same)}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.diff td:nth-child(-n+2){white-space:nowrap}code,.diff{font-family:ui-monospace,monospace;font-size:.88rem;overflow-wrap:anywhere}.s{font-weight:700}.ask{border-left:4px solid var(--mod);padding:.2rem 0 .2rem 1rem;margin:1rem 0 0}.ask p{margin:.2rem 0}.next{margin:1.25rem 0 0;font-weight:600}
</style></head><body><main><h1>What would be sent</h1>
{{if not .}}<article><p>No plan.</p></article>{{end}}
{{range .}}<article>
<h2>{{.Sync}} <span class="badge {{.Verdict}}">{{verdict .Verdict}}</span></h2>
<p class="where">{{.Relation}} → {{.Destination}} {{.Object}}{{if .Account}}, account {{.Account}}{{end}} · plan <code>{{.ID}}</code>{{if .Undoes}}, which takes back <code>{{.Undoes}}</code>{{end}}</p>
<ul class="counts">{{range .Counts}}<li class="{{signClass .Sign}}"><b>{{.Sign}} {{.N}}</b> {{.What}}</li>{{end}}</ul>
{{if .Waits}}<div class="ask">{{range .Question}}<p>{{.}}</p>{{end}}</div>{{end}}
{{if .Breakers}}<h3>Limits</h3><table>{{range .Breakers}}<tr><td class="s {{.Verdict}}">{{if eq .Verdict "within"}}ok{{else if eq .Verdict "hold"}}HOLD{{else}}STOP{{end}}</td><td>{{.Message}}</td></tr>{{end}}</table>{{end}}
{{if .Histogram}}<h3>Fields</h3><table><tr><th>field</th><th class="n">filled</th><th class="n">changed</th><th class="n">emptied</th><th class="n">of known rows</th></tr>
{{range .Histogram}}<tr><td><code>{{.Field}}</code></td><td class="n">{{thousands .Filled}}</td><td class="n">{{thousands .Changed}}</td><td class="n">{{thousands .Blanked}}</td><td class="n">{{.Share}}</td></tr>{{end}}</table>{{end}}
{{if .Samples}}<h3>For example (people masked)</h3><table class="diff">{{range $s := .Samples}}<tr><td class="s {{signClass (sign $s)}}">{{sign $s}}</td><td>{{$s.Key}}</td><td>{{range $s.Fields}}{{.Field}}: {{.From}} → {{.To}}<br>{{end}}</td></tr>{{end}}</table>{{end}}
{{if .Conflicts}}<h3>Changed by somebody since; those values stand</h3><table class="diff">{{range .Conflicts}}<tr><td>{{.Key}}</td><td>record {{.RemoteID}}</td><td>{{range .Fields}}{{.}} {{end}}</td></tr>{{end}}</table>{{end}}
{{if .Left}}<h3>Left out</h3><p>{{range $i, $x := .Left}}{{if $i}}, {{end}}{{$x}}{{end}}{{if .Bad}} ({{.Bad}}){{end}}</p>{{end}}
{{if .Changes}}<p>{{thousands .Changes}} rows in about {{.Estimate}}. Undo: {{.UndoText}}</p>{{end}}
<p class="next">{{.Next}}</p>
</article>{{end}}</main></body></html>
`))
