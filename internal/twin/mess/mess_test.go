package mess

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
)

func list(t *testing.T, n int, seed uint64) [][]string {
	t.Helper()
	var b bytes.Buffer
	if err := Contacts(&b, n, seed); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func TestSeeded(t *testing.T) {
	var a, b, c bytes.Buffer
	for w, seed := range map[*bytes.Buffer]uint64{&a: 1, &b: 1, &c: 2} {
		if err := Contacts(w, 500, seed); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same seed gives two lists")
	}
	if bytes.Equal(a.Bytes(), c.Bytes()) {
		t.Error("two seeds give one list")
	}
}

// TestCompanies: subsidiaries and branches share a domain with others, and every part that can be reached is one company's.
func TestCompanies(t *testing.T) {
	var b bytes.Buffer
	if err := Companies(&b, 4000, 1); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 4001 {
		t.Fatal(len(rows), err)
	}
	accounts, reach, domains := map[string]int{}, map[string]string{}, map[string]map[string]bool{}
	for _, r := range rows[1:] {
		accounts[r[firmAccount]]++
		if a, ok := reach[r[firmReachable]]; ok && a != r[firmAccount] {
			t.Errorf("%s belongs to %s and %s", r[firmReachable], a, r[firmAccount])
		}
		reach[r[firmReachable]] = r[firmAccount]
		if d := r[firmWebsite]; d != "" {
			d = d[strings.LastIndexAny(d, "/")+1:]
			d = strings.TrimPrefix(d, "www.")
			if domains[d] == nil {
				domains[d] = map[string]bool{}
			}
			domains[d][r[firmAccount]] = true
		}
	}
	shared := 0
	for _, a := range domains {
		if len(a) > 1 {
			shared++
		}
	}
	if shared < 50 || len(accounts) < 1500 || len(reach) <= len(accounts) {
		t.Errorf("%d domains are shared, %d accounts in %d reachable parts", shared, len(accounts), len(reach))
	}
}

// TestMess: the list is as messy as it says: what must be shared is shared, and the truth says by whom.
func TestMess(t *testing.T) {
	rows := list(t, 10_000, 1)
	if len(rows) != 10_000 {
		t.Fatalf("%d rows", len(rows))
	}
	people := map[string]int{}
	share := func(col int, match func(string) bool) (values, by int) {
		who := map[string]map[string]bool{}
		for _, r := range rows {
			if v := strings.ToLower(r[col]); v != "" && match(v) {
				if who[v] == nil {
					who[v] = map[string]bool{}
				}
				who[v][r[colPerson]] = true
			}
		}
		for _, w := range who {
			if len(w) > 1 {
				values++
				by += len(w)
			}
		}
		return values, by
	}
	any := func(string) bool { return true }
	role := func(v string) bool {
		l, _, _ := strings.Cut(v, "@")
		return strings.Contains(" "+strings.Join(roles, " ")+" ", " "+l+" ")
	}
	household := func(v string) bool { return strings.HasPrefix(v, "the.") }
	work := func(v string) bool { return strings.HasSuffix(v, ".example") && !role(v) }
	for what, c := range map[string]struct {
		col   int
		match func(string) bool
		least int
	}{
		"role inboxes": {colEmail, role, 50}, "households": {colEmail, household, 5}, "recycled addresses": {colEmail, work, 3},
		"switchboards": {colPhone, func(v string) bool { return len(v) > 8 }, 200}, "devices": {colDevice, any, 30}, "placeholders": {colPhone, func(v string) bool { return v == "0000000000" }, 1},
	} {
		if n, by := share(c.col, c.match); n < c.least {
			t.Errorf("%s: %d values are shared (by %d), want %d", what, n, by, c.least)
		}
	}
	reach := map[string]string{}
	for _, r := range rows {
		if r[colPerson] == "" {
			continue
		}
		people[r[colPerson]]++
		if p, ok := reach[r[colReachable]]; ok && p != r[colPerson] {
			t.Errorf("%s belongs to %s and %s", r[colReachable], p, r[colPerson])
		}
		reach[r[colReachable]] = r[colPerson]
	}
	if len(people) < 4500 || len(people) > 6500 || len(reach) <= len(people) {
		t.Errorf("%d people in %d reachable parts", len(people), len(reach))
	}
}
