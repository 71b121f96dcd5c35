package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"millrace/internal/atomicfile"
	"millrace/internal/fault"
)

// Files of <target>/target, in dbt's shape, so that tools that read dbt's artifacts can read these.
const (
	targetDir      = "target"
	manifestFile   = "manifest.json"
	runResultsFile = "run_results.json"
)

type manifestNode struct {
	UniqueID     string                    `json:"unique_id"`
	Name         string                    `json:"name"`
	Schema       string                    `json:"schema"`
	ResourceType string                    `json:"resource_type"`
	Path         string                    `json:"original_file_path,omitempty"`
	Description  string                    `json:"description"`
	Config       map[string]any            `json:"config"`
	Tags         []string                  `json:"tags"`
	Columns      map[string]manifestColumn `json:"columns"`
	DependsOn    map[string][]string       `json:"depends_on"`
	RawCode      string                    `json:"raw_code,omitempty"`
	Checksum     map[string]string         `json:"checksum"`
	Meta         map[string]any            `json:"meta"`
}

type manifestColumn struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	DataType    string         `json:"data_type,omitempty"`
	Tags        []string       `json:"tags"`
	Meta        map[string]any `json:"meta"`
}

type runResult struct {
	Status        string         `json:"status"` // success, error, skipped; for tests pass, warn, fail
	UniqueID      string         `json:"unique_id"`
	ExecutionTime float64        `json:"execution_time"`
	Message       string         `json:"message,omitempty"`
	Failures      *int64         `json:"failures"`
	Adapter       map[string]any `json:"adapter_response"`
	Relation      string         `json:"relation_name,omitempty"`
	Outcome       Status         `json:"millrace_status"`
	Stale         bool           `json:"stale,omitempty"`
	Columns       []string       `json:"sample_columns,omitempty"`
	Sample        [][]any        `json:"sample_rows,omitempty"`
}

type runResults struct {
	Metadata    map[string]any `json:"metadata"`
	Results     []runResult    `json:"results"`
	ElapsedTime float64        `json:"elapsed_time"`
	Args        map[string]any `json:"args"`
}

func (g *Graph) uniqueID(n *Node) string {
	kind := "model"
	switch n.Kind {
	case KindSeed:
		kind = "seed"
	case KindRaw:
		kind = "source"
	case KindTest:
		kind = "test"
	}
	return kind + "." + orElse(g.Run.Project, "millrace") + "." + n.Name
}

// artifacts writes manifest.json and run_results.json. The manifest is left alone when it says the same.
func (b *builder) artifacts(res *BuildResult) error {
	dir := filepath.Join(b.p.Dir, targetDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return diskHint(fault.Wrap(err, "write artifacts"))
	}
	manifest, err := json.MarshalIndent(b.manifest(), "", "  ")
	if err != nil {
		return fault.Wrap(err, "write %s", manifestFile)
	}
	path := filepath.Join(dir, manifestFile)
	if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, manifest) {
		if err := atomicfile.Write(path, manifest, 0o644); err != nil {
			return diskHint(err)
		}
	}
	results, err := json.MarshalIndent(b.runResults(res), "", "  ")
	if err != nil {
		return fault.Wrap(err, "write %s", runResultsFile)
	}
	path = filepath.Join(dir, runResultsFile)
	if err := atomicfile.Write(path, results, 0o644); err != nil {
		return diskHint(err)
	}
	// The target's folder is <project>/.millrace/<target>.
	if rel, err := filepath.Rel(filepath.Dir(filepath.Dir(b.p.Dir)), path); err == nil {
		res.Results = filepath.ToSlash(rel)
	}
	return nil
}

func (b *builder) manifest() map[string]any {
	g := b.g
	nodes, sources, parents := map[string]any{}, map[string]any{}, map[string][]string{}
	children := map[string][]string{}
	published := b.prev
	if b.next != nil {
		published = b.next
	}
	add := func(n *Node) {
		id := g.uniqueID(n)
		m := manifestNode{UniqueID: id, Name: tableOf(n.Name), Schema: schemaOf(n.Name), ResourceType: id[:strings.Index(id, ".")], Path: n.File,
			Description: n.Meta.Description, Tags: nonNil(n.Meta.Tags), Columns: map[string]manifestColumn{}, DependsOn: map[string][]string{"nodes": {}},
			Config: map[string]any{"materialized": n.Meta.Materialized, "tags": nonNil(n.Meta.Tags), "unique_key": nonNil(n.Meta.UniqueKey)}, RawCode: n.text,
			Checksum: map[string]string{"name": "sha256", "checksum": n.static}, Meta: map[string]any{}}
		if n.Kind == KindTest {
			m.Name, m.Schema = n.Name, ""
		}
		if n.Meta.Owner != "" {
			m.Meta["owner"] = n.Meta.Owner
		}
		if r := published.nodes[n.Name]; r != nil {
			for _, c := range r.Columns {
				col := manifestColumn{Name: c.Name, Description: c.Description, DataType: c.Type, Tags: nonNil(c.Tags), Meta: map[string]any{}}
				if c.PII != "" {
					col.Meta["pii"] = c.PII
				}
				m.Columns[c.Name] = col
			}
		}
		for _, d := range n.Deps {
			dep := g.uniqueID(g.Nodes[d])
			m.DependsOn["nodes"] = append(m.DependsOn["nodes"], dep)
			children[dep] = append(children[dep], id)
		}
		parents[id] = m.DependsOn["nodes"]
		if n.Kind == KindRaw {
			sources[id] = m
		} else {
			nodes[id] = m
		}
	}
	for _, name := range g.order {
		add(g.Nodes[name])
	}
	for _, t := range g.Tests {
		add(t)
	}
	return map[string]any{
		"metadata": map[string]any{"generator": "millrace", "project_name": g.Run.Project, "adapter_type": "duckdb", "engine": g.engine},
		"nodes":    nodes, "sources": sources, "parent_map": parents, "child_map": children,
	}
}

func (b *builder) runResults(res *BuildResult) runResults {
	out := runResults{ElapsedTime: res.Took.Seconds(), Results: []runResult{}, Args: map[string]any{"full_refresh": b.p.FullRefresh, "strict": b.p.Strict, "select": nonNil(b.p.Only)},
		Metadata: map[string]any{"generator": "millrace", "generated_at": b.p.Clock().UTC().Format(time.RFC3339), "invocation_id": b.p.RunID, "build_id": res.ID, "published": res.Published}}
	for _, n := range res.Nodes {
		status := "success"
		switch n.Status {
		case StatusFailed:
			status = "error"
		case StatusHeld, StatusSkipped:
			status = "skipped"
		}
		out.Results = append(out.Results, runResult{Status: status, UniqueID: b.g.uniqueID(b.g.Nodes[n.Name]), ExecutionTime: n.Took.Seconds(), Message: n.Message,
			Adapter: map[string]any{"rows_affected": n.Rows}, Relation: n.Name, Outcome: n.Status, Stale: n.Stale})
	}
	for _, t := range res.Tests {
		status := string(t.Status)
		if t.Status == StatusError {
			status = "fail"
		}
		failures := t.Failures
		out.Results = append(out.Results, runResult{Status: status, UniqueID: "test." + orElse(b.g.Run.Project, "millrace") + "." + t.ID, ExecutionTime: t.Took.Seconds(), Message: t.Message,
			Failures: &failures, Adapter: map[string]any{}, Relation: t.Relation, Outcome: t.Status, Columns: t.Columns, Sample: t.Sample})
	}
	return out
}

func nonNil(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// LastResults reads the outcome of the last build, by relation name or test id; empty when there was none.
func LastResults(dir string) (map[string]Status, error) {
	text, err := os.ReadFile(filepath.Join(dir, targetDir, runResultsFile))
	if errors.Is(err, os.ErrNotExist) {
		return map[string]Status{}, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, "read the last results")
	}
	var r runResults
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, &fault.Error{File: runResultsFile, Msg: "is not what a build writes", Err: err, Hint: "Remove it: the next build writes it anew."}
	}
	out := map[string]Status{}
	for _, x := range r.Results {
		id := x.Relation
		if strings.HasPrefix(x.UniqueID, "test.") {
			_, rest, _ := strings.Cut(strings.TrimPrefix(x.UniqueID, "test."), ".")
			id = rest
		}
		out[id] = x.Outcome
	}
	return out, nil
}
