// Package sql holds the built-in SQL models: text, and this file, which embeds it. `millrace init` writes the text into a
// project, where it can be read and edited; nothing is ever run from here.
package sql

import "embed"

// Files are the models as sql/<schema>/<file>, without the leading sql/.
//
//go:embed */*
var Files embed.FS
