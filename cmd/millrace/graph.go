package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"millrace/internal/duck"
	"millrace/internal/normal/sqlfunc"
	"millrace/internal/project"
	"millrace/transform"
)

// graph loads the project's SQL over what has landed. Nothing is written.
func (a *app) graph(ctx context.Context, p *project.Project, now time.Time) (*transform.Graph, error) {
	list, err := a.sources(p)
	if err != nil {
		return nil, err
	}
	raw, err := a.rawStreams(p, list)
	if err != nil {
		return nil, err
	}
	given, ops, err := a.given(ctx, p)
	if err != nil {
		return nil, err
	}
	functions, err := sqlfunc.Project(os.DirFS(p.Dir))
	if err != nil {
		return nil, err
	}
	return transform.Load(ctx, transform.LoadParams{
		FS: os.DirFS(p.Dir), Raw: raw, Given: given, Operators: ops, Functions: functions, Log: a.log,
		Run: sqlRun(p, now),
	})
}

// targetDir is the folder of everything that belongs to the target.
func targetDir(p *project.Project) string { return filepath.Dir(p.WarehouseDir()) }

// published opens the published build for reading, locked: no files, no settings. Queries may call the given functions.
func (a *app) published(ctx context.Context, p *project.Project, functions ...duck.Function) (*publishedBuild, error) {
	db, build, err := transform.Open(ctx, targetDir(p), duck.Options{Locked: true, Threads: threads(p), MemoryLimit: memoryLimit(p), Functions: functions})
	if err != nil {
		return nil, err
	}
	return &publishedBuild{db: db, build: build}, nil
}

// threads for building.
func threads(p *project.Project) int { return p.Threads() }

// memoryLimit for the database, in DuckDB's notation; empty where neither project nor machine says.
func memoryLimit(p *project.Project) string {
	if n := p.MemoryLimit(); n > 0 {
		return fmt.Sprintf("%dB", int64(n))
	}
	return ""
}
