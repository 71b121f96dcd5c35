package main

import (
	"maps"
	"slices"
	"time"

	"millrace/activate"
	"millrace/activate/files"
	"millrace/activate/googleads"
	"millrace/activate/googledm"
	"millrace/activate/httpdest"
	"millrace/activate/hubspot"
	"millrace/activate/linkedin"
	"millrace/activate/meta"
	"millrace/activate/postgres"
	"millrace/activate/salesforce"
	slackdest "millrace/activate/slack"
	"millrace/activate/webhook"
	"millrace/extract"
	builtin "millrace/extract/connectors"
	"millrace/extract/file"
	"millrace/extract/rest"
	"millrace/internal/project"
	"millrace/reports"
	"millrace/reports/excel"
	"millrace/reports/html"
	"millrace/reports/markdown"
	"millrace/reports/section"
	"millrace/reports/slack"
	"millrace/transform"
	"millrace/transform/identity"
	"millrace/transform/lifetime"
)

// connectors is the list of what can be read. A new one is one YAML file in extract/connectors, or one folder and one line here.
// now is the logical time at which reads end; nil where nothing is read.
func connectors(now func() time.Time) []extract.Connector {
	list := []extract.Connector{
		file.Connector(),
	}
	declared, err := rest.Catalog(builtin.Files, restDeps(now))
	if err != nil {
		panic(err) // embedded files that cannot be read: the binary is broken
	}
	return append(list, declared...)
}

// projectConnectors are the connectors above and the project's own files; one with a built-in name takes its place.
func projectConnectors(p *project.Project, now func() time.Time) ([]extract.Connector, error) {
	list := connectors(now)
	own, err := rest.Project(p.Dir, p.Env)
	for _, api := range own {
		c := api.Connector(restDeps(now))
		list = slices.DeleteFunc(list, func(x extract.Connector) bool { return x.Name == c.Name })
		list = append(list, c)
	}
	return list, err
}

// restDeps: where incremental reads end is the run's logical time; waiting and budgets follow the clock.
func restDeps(now func() time.Time) rest.Deps { return rest.Deps{Now: now} }

// destinations is the list of what can be written to.
func destinations() []activate.Connector {
	list := []activate.Connector{
		hubspot.Connector(),
		hubspot.Lists(),
		hubspot.Associations(),
		hubspot.Engagements(),
		googledm.Connector(),
		googledm.Conversions(),
		googleads.Connector(),
		postgres.Connector(),
		salesforce.Connector(),
		webhook.Connector(),
		slackdest.Connector(),
		files.Connector(),
	}
	declared, err := httpdest.Builtin()
	if err != nil {
		panic(err) // embedded files that cannot be read: the binary is broken
	}
	// Vendors with several kinds of object list them themselves.
	return slices.Concat(list, meta.Connectors(), linkedin.Connectors(), declared)
}

// projectDestinations are the destinations above and the project's own files; one with a built-in name takes its place.
func projectDestinations(p *project.Project) ([]activate.Connector, error) {
	list := destinations()
	own, err := httpdest.Project(p.Dir, p.Env)
	for _, c := range own {
		list = slices.DeleteFunc(list, func(x activate.Connector) bool { return x.Name == c.Name })
		list = append(list, c)
	}
	return list, err
}

// operators are the SQL nodes that need Go. keyID is the keyed hash of identifiers under which tombstones are looked up; nil
// where there is no state and so no tombstone.
func operators(keyID func(kind, value string) string) map[string]transform.Operator {
	ops := identity.Operators(keyID)
	maps.Copy(ops, lifetime.Operators())
	return ops
}

// reportCatalog is what a file of reports/ may use.
func reportCatalog() reports.Catalog {
	return reports.Catalog{
		Sections: section.Kinds(),
		Channels: []reports.ChannelKind{excel.Kind(), html.Kind(), markdown.Kind(), slack.Kind(excel.Render)},
	}
}
