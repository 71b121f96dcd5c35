package rest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"millrace/extract"
	"millrace/extract/parquet"
	"millrace/extract/rest"
	"millrace/internal/config"
)

const benchFile = `
connector: bench
summary: pages of a CRM
client: {base_url: BASE}
resources:
  people:
    primary_key: [id]
    data_selector: results
    endpoint: {path: /people}
    paginator: {type: cursor, cursor_path: next, cursor_param: after}
    columns:
      id: BIGINT
      email: {type: VARCHAR, path: properties.email}
      first_name: {type: VARCHAR, path: properties.firstname}
      last_name: {type: VARCHAR, path: properties.lastname}
      company: {type: VARCHAR, path: properties.company}
      country: {type: VARCHAR, path: properties.country}
      stage: {type: VARCHAR, path: properties.stage}
      employees: {type: BIGINT, path: properties.employees}
      revenue: {type: "DECIMAL(18,4)", path: properties.revenue}
      opted_out: {type: BOOLEAN, path: properties.optout}
      created_at: {type: TIMESTAMP, path: properties.createdate}
      updated_at: {type: TIMESTAMP, path: properties.lastmodifieddate}
`

// BenchmarkHTTPToParquet reads a million rows of twelve columns, a thousand in a page of 340 kB, from a server in this
// process, and lands them as Parquet. It reports rows per second and the peak memory of the process, server included.
func BenchmarkHTTPToParquet(b *testing.B) {
	const pages, perPage = 1000, 1000
	const mark = "@@@@@@@@"
	var page bytes.Buffer
	page.WriteString(`{"results":[`)
	for i := range perPage {
		if i > 0 {
			page.WriteByte(',')
		}
		fmt.Fprintf(&page, `{"id":"1%s%03d","properties":{"email":"person.%03d@company%02d.example","firstname":"First%02d","lastname":"Lastname%03d","company":"Company %02d Limited","country":"Germany","stage":"opportunity","employees":"%d","revenue":"%d.50","optout":"false","createdate":"2025-11-%02dT08:%02d:00.000Z","lastmodifieddate":"2026-02-%02dT10:11:%02d.131Z"}}`,
			mark, i, i, i%50, i%40, i, i%50, 10+i*7%900, 1000+i*37, 1+i%28, i%60, 1+i%28, i%60)
	}
	page.WriteString(`],"next":"` + mark + `"}`)
	template := page.Bytes()
	var at []int
	for i := 0; ; {
		j := bytes.Index(template[i:], []byte(mark))
		if j < 0 {
			break
		}
		at = append(at, i+j)
		i += j + len(mark)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("after"))
		n++
		out := bytes.Clone(template)
		for _, i := range at {
			copy(out[i:], fmt.Sprintf("%08d", n))
		}
		if n == pages {
			out = bytes.Replace(out, []byte(fmt.Sprintf(`"next":"%08d"`, n)), []byte(`"next":null`), 1)
		}
		w.Write(out)
	}))
	defer srv.Close()
	api, err := rest.Load("bench.yml", []byte(strings.Replace(benchFile, "BASE", srv.URL, 1)), nil)
	if err != nil {
		b.Fatal(err)
	}
	c := api.Connector(rest.Deps{})
	o := c.Options()
	n, err := config.Parse("x", []byte("allow_private: true"), config.ParseOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if err := n.Decode(o); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := c.Open(context.Background(), extract.OpenParams{Name: "bench", Options: o})
		if err != nil {
			b.Fatal(err)
		}
		lander := parquet.New(parquet.Options{Dir: b.TempDir(), Now: time.Now})
		began := time.Now()
		res := extract.Run(context.Background(), extract.RunParams{Sources: []extract.Sourced{{Name: "bench", Source: s}}, Lander: lander, RunID: "r"})
		if err := res.Err(); err != nil || res.Rows() != pages*perPage {
			b.Fatalf("%d rows, %v", res.Rows(), err)
		}
		took := time.Since(began).Seconds()
		b.ReportMetric(float64(res.Rows())/took, "rows/s")
		b.ReportMetric(float64(len(template))*pages/took/1e6, "MB/s")
		s.Close()
		lander.Close()
	}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for _, l := range strings.Split(string(status), "\n") {
			if f := strings.Fields(l); len(f) > 1 && f[0] == "VmHWM:" {
				kb, _ := strconv.ParseFloat(f[1], 64)
				b.ReportMetric(kb/1000, "peak-MB")
			}
		}
	}
}
