package duck

import (
	"path/filepath"
	"testing"
	"time"
)

// Every connection of the pool lives in UTC, also where the machine does not, and also when the file is open twice: a
// locked configuration cannot be set again.
func TestEveryConnectionIsInUTC(t *testing.T) {
	t.Setenv("TZ", "America/New_York") // read by the database's own library
	path := filepath.Join(t.TempDir(), "a.duckdb")
	db, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "create table t as select timestamptz '2026-03-02 23:30:00+00' as seen"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for _, locked := range []bool{true, true, false} {
		d, err := Open(t.Context(), path, Options{ReadOnly: true, Locked: locked})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for range 3 {
			c, err := d.Conn(t.Context()) // kept open: the next one is another connection
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var zone string
			var day time.Time
			if err := c.QueryRowContext(t.Context(), "select current_setting('TimeZone'), cast(seen as date) from t").Scan(&zone, &day); err != nil {
				t.Fatal(err)
			}
			if zone != "UTC" || day.Day() != 2 {
				t.Errorf("zone %s, day %v", zone, day)
			}
		}
		if _, err := d.ExecContext(t.Context(), "set enable_external_access = true"); err == nil {
			t.Error("the configuration is not locked")
		}
	}
}
