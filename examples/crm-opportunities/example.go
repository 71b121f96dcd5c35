// Package example embeds this project, so that `millrace init --example crm-opportunities` can write it anywhere.
package example

import "embed"

// Files are the project's files; what a run makes (.millrace, out) is not among them.
//
//go:embed README.md millrace.yml data/* extract/* sql/*/* reports/*
var Files embed.FS
