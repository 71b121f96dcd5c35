// Package connectors holds the built-in connector files: text, one a vendor, for extract/rest to read. A connector in a
// project's own extract folder has the same form.
package connectors

import "embed"

// Files is every *.yml here; the file's name is the connector's.
//
//go:embed *.yml
var Files embed.FS
