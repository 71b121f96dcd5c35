package main

import (
	"millrace/extract"
	"millrace/extract/file"
	"millrace/reports"
	"millrace/reports/excel"
	"millrace/reports/html"
	"millrace/reports/markdown"
	"millrace/reports/section"
	"millrace/transform"
)

// connectors is the list of what can be read. A new one is one folder (or one YAML file) and one line here.
func connectors() []extract.Connector {
	return []extract.Connector{
		file.Connector(),
	}
}

// operators are the SQL nodes that need Go.
func operators() map[string]transform.Operator {
	return map[string]transform.Operator{}
}

// reportCatalog is what a file of reports/ may use.
func reportCatalog() reports.Catalog {
	return reports.Catalog{
		Sections: section.Kinds(),
		Channels: []reports.ChannelKind{excel.Kind(), html.Kind(), markdown.Kind()},
	}
}
