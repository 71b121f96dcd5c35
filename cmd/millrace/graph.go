package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"millrace/internal/duck"
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
	given, err := a.given(ctx, p)
	if err != nil {
		return nil, err
	}
	return transform.Load(ctx, transform.LoadParams{
		FS: os.DirFS(p.Dir), Raw: raw, Given: given, Operators: operators(), Log: a.log,
		Run: sqlRun(p, now),
	})
}

// targetDir is the folder of everything that belongs to the target.
func targetDir(p *project.Project) string { return filepath.Dir(p.WarehouseDir()) }

// published opens the published build for reading, locked: no files, no settings.
func (a *app) published(ctx context.Context, p *project.Project) (*publishedBuild, error) {
	db, build, err := transform.Open(ctx, targetDir(p), duck.Options{Locked: true, Threads: threads(p), MemoryLimit: memoryLimit(p)})
	if err != nil {
		return nil, err
	}
	return &publishedBuild{db: db, build: build}, nil
}

// threads for building: the target's, else one per core.
func threads(p *project.Project) int {
	if p.Settings.Threads > 0 {
		return p.Settings.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// memoryLimit for the database, in DuckDB's notation; empty means its default.
func memoryLimit(p *project.Project) string {
	if p.Settings.Memory > 0 {
		return p.Settings.Memory.String()
	}
	return ""
}
