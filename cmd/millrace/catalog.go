package main

import (
	"millrace/extract"
	"millrace/extract/file"
)

// connectors is the list of what can be read. A new one is one folder (or one YAML file) and one line here.
func connectors() []extract.Connector {
	return []extract.Connector{
		file.Connector(),
	}
}
