package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBadDataThroughTheBuild sends what real exports hold through extract, build and quality: rows without a key (a million
// in the long suites), a name of ten megabytes, a phone in Arabic digits, addresses with control characters. Nothing
// crashes, nobody is merged by accident, and the report says what is wrong and where.
func TestBadDataThroughTheBuild(t *testing.T) {
	keyless, big := 20_000, 1<<20
	if os.Getenv("MILLRACE_SOAK") != "" {
		keyless, big = 1_000_000, 10<<20
	}
	l := &lab{t: t, dir: filepath.Join(t.TempDir(), "bad"), now: time.Date(2026, 2, 20, 6, 0, 0, 0, time.UTC)}
	l.must("init", "--with", "fivetran_hubspot", l.dir)
	l.write(".env", "HUBSPOT_TOKEN=none\n")
	if err := os.MkdirAll(filepath.Join(l.dir, "data/fivetran_hubspot"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(l.dir, "data/fivetran_hubspot/contact.csv"))
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprintln(w, "id,property_email,property_firstname,property_lastname,property_phone,property_createdate")
	for _, row := range []string{
		"1,ann@acme.example,Ann,Lee,+49 30 1234567,2026-01-01 10:00:00",
		"2,bob@acme.example,Bob,Ray,٠٣٠ ١٢٣٤٥٦٨,2026-01-02 10:00:00",
		"3,\"cat@ac\x07me.example\",Cat,Poe,,2026-01-03 10:00:00",
		"4,\"cat@ac\x0bme.example\",Kit,Fox,,2026-01-04 10:00:00",
		"5,\"dan@acme.example\u200b\",Dan,Orr,,2026-01-05 10:00:00",
		"6,\"eve@acme.example\nbcc: all@acme.example\",Eve,Pym,,2026-01-06 10:00:00",
		"7,fay@acme.example," + strings.Repeat("é", big/2) + ",Long,,2026-01-07 10:00:00",
		"8,\x00,Nul,Byte,,2026-01-08 10:00:00",
		"9,gus@acme.example,Gus,One,,2026-01-09 10:00:00",
		"9,gus@acme.example,Gus,Two,,2026-01-09 10:00:00",
	} {
		fmt.Fprintln(w, row)
	}
	for i := range keyless {
		fmt.Fprintf(w, ",,No,Key%d,,2026-01-10 10:00:00\n", i%7)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	code, out, errs := l.mr("run", "--now", "2026-02-20T06:00:00Z")
	t.Logf("%d rows without a key and a name of %d bytes: %s", keyless, big, time.Since(began).Round(time.Millisecond))
	if code != 1 {
		t.Errorf("exit %d: what the bad rows hold must be said\n%s\n%s", code, out, errs)
	}
	for _, bad := range []string{"panic", "goroutine", "internal error", "EOF"} {
		if strings.Contains(out+errs, bad) {
			t.Errorf("the run says %q:\n%.3000s\n%.3000s", bad, out, errs)
		}
	}
	for _, want := range []string{"have no value in the key id", "share id with another row", "missing keys: "} {
		if !strings.Contains(out, want) {
			t.Errorf("the run does not say %q:\n%.4000s", want, out)
		}
	}
	if len(out)+len(errs) > 1<<20 {
		t.Errorf("the report is %d bytes long: a value of ten megabytes must not be printed", len(out)+len(errs))
	}
	if strings.Contains(errs, "failed:") {
		t.Errorf("a relation could not be built:\n%.3000s", errs)
	}
	for q, want := range map[string]string{
		"select count(*) from staging.hubspot_contacts where contact_id is null": "0",
		// Every contact with a key of its own is a person of its own.
		"select count(distinct membership.person_id) from identity.person_membership as membership inner join staging.hubspot_contacts as contacts on contacts.record_key = membership.record_key where contacts.contact_id != '9'": "8",
		"select broken from quality.checks where check_name = 'missing keys' and object = 'fivetran_hubspot.contact'":                                                                                                               fmt.Sprint(keyless),
		"select broken from quality.checks where check_name = 'duplicate keys' and object = 'fivetran_hubspot.contact'":                                                                                                             "1",
	} {
		if got := l.csv(q); got != want {
			t.Errorf("%s: got %s, want %s", q, got, want)
		}
	}
}
