package sqlfunc

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"millrace/internal/duck"
	"millrace/internal/normal"
)

func open(t testing.TB) *duck.DB {
	t.Helper()
	db, err := duck.Open(context.Background(), "", duck.Options{Functions: All(normal.Default()), Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Every function gives NULL for NULL and for nothing, and for junk of ten megabytes at once.
func TestNothing(t *testing.T) {
	db := open(t)
	ctx := context.Background()
	if err := db.Exec(ctx, "create table junk as select unnest([null, '', '   ', chr(0), chr(8203), repeat('a', 10_000_000), repeat('ü', 5_000_000)]) as s"); err != nil {
		t.Fatal(err)
	}
	for _, f := range All(normal.Default()) {
		for k := 1; k <= len(f.Params); k++ {
			if k < len(f.Params) && !f.Params[k].Optional {
				continue
			}
			args := strings.TrimSuffix(strings.Repeat("s, ", k), ", ")
			res, err := db.Query(ctx, fmt.Sprintf("select left(s, 3), %s(%s) as v from junk where v is not null and v::varchar <> 'invalid'", f.Name, args))
			if err != nil {
				t.Errorf("%s(%s): %v", f.Name, args, err)
				continue
			}
			for _, r := range res.Rows {
				t.Errorf("%s(%q) is %v, want NULL", f.Name, r[0], r[1])
			}
		}
	}
}

// The values of the documentation's page, as it shows them: it is read, so that it stays true.
func TestDocumentation(t *testing.T) {
	db := open(t)
	text, err := os.ReadFile("../../../docs/normalisation.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(norm_[a-z_]+\\(.*?\\))` \\| (.*?) \\|").FindAllStringSubmatch(page, -1) {
		call, want := m[1], strings.Trim(m[2], "`")
		res, err := db.Query(context.Background(), "select "+strings.ReplaceAll(call, "\\|", "|"))
		if err != nil {
			t.Errorf("%s: %v", call, err)
			continue
		}
		got := "NULL"
		if v := res.Rows[0][0]; v != nil {
			got = strings.ReplaceAll(fmt.Sprint(v), "|", "\\|")
		}
		if got != want {
			t.Errorf("%s is %s, the page says %s", call, got, want)
		}
		name, _, _ := strings.Cut(call, "(")
		seen[name] = true
	}
	for _, f := range All(normal.Default()) {
		if !seen[f.Name] && f.Name != "norm_version" {
			t.Errorf("the page has no example of %s", f.Name)
		}
		if f.Description == "" || f.Version == "" {
			t.Errorf("%s has no description or version", f.Name)
		}
	}
	for _, l := range normal.Lists() {
		if !strings.Contains(page, l.Name) {
			t.Errorf("the page does not name the list %s", l.Name)
		}
	}
}

// BenchmarkSQL is one function over a table of a million different values: rows per second, and the processor's seconds a
// million rows, which do not depend on what else the machine does.
func BenchmarkSQL(b *testing.B) {
	const rows = 1_000_000
	db := open(b)
	ctx := context.Background()
	if err := db.Exec(ctx, fmt.Sprintf(`create table r as select
		'Jane.Doe' || i || '+x@GoogleMail.com' as email, '(415) 8' || (10 + i %% 90) || '-' || (1000 + i %% 9000) as phone, 'https://www.acme' || i || '.co.uk/x?utm_source=y' as url,
		'Jürgen' as given, 'van der Müller' || i as family, 'Müller & Söhne ' || i || ' GmbH & Co. KG' as company, 'Hauptstraße ' || i %% 200 as street, (10000 + i %% 80000)::varchar as postcode,
		'Deutschland' as country, 'US$' as currency, 'Eastern Time (US & Canada)' as zone from range(%d) t(i)`, rows)); err != nil {
		b.Fatal(err)
	}
	for _, call := range []string{"lower(email)", "norm_email(email)", "norm_email_mailbox(email)", "norm_email_class(email)", "norm_phone(phone, 'US')", "norm_phone(phone, 'US') || norm_phone_type(phone, 'US')", "norm_email(email) || norm_email_mailbox(email) || norm_email_class(email)", "norm_domain(url)",
		"norm_person_key(given, family)", "norm_person_sorted(given, family)", "norm_nickname(given)", "norm_company(company, 'DE')", "norm_address_house(street, postcode, 'DE')",
		"norm_country(country)", "norm_currency(currency)", "norm_time_zone(zone)", "norm_url(url)", "norm_channel(given, family)"} {
		b.Run(call, func(b *testing.B) {
			from := cpuSeconds(b)
			for b.Loop() {
				if _, err := db.Query(ctx, "select count("+call+") from r"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric((cpuSeconds(b)-from)/float64(b.N), "cpu-s/Mrow")
		})
	}
}

// cpuSeconds is what the process has used of the processors.
func cpuSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}
