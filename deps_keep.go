//go:build keep

// Package keep pins dependencies while the house is being built; it goes before the first landing.
package keep

import (
	_ "github.com/agnivade/levenshtein"
	_ "github.com/apache/arrow-go/v18/arrow"
	_ "github.com/apache/arrow-go/v18/parquet/pqarrow"
	_ "github.com/duckdb/duckdb-go/v2"
	_ "github.com/failsafe-go/failsafe-go"
	_ "github.com/go-analyze/charts"
	_ "github.com/goccy/go-yaml"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/joho/godotenv"
	_ "github.com/nyaruka/phonenumbers"
	_ "github.com/parquet-go/parquet-go"
	_ "github.com/robfig/cron/v3"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/santhosh-tekuri/jsonschema/v6"
	_ "github.com/spf13/cobra"
	_ "github.com/valyala/fastjson"
	_ "github.com/xuri/excelize/v2"
	_ "golang.org/x/net/publicsuffix"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "golang.org/x/text/unicode/norm"
	_ "golang.org/x/time/rate"
	_ "gonum.org/v1/gonum/stat"
	_ "modernc.org/sqlite"
)
