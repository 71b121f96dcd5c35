package campaign

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string
		err  string
	}{
		{`{"status":"Active","daily_budget":120.5}`, "active map[daily_budget:12050]", ""},
		{`{"status":"ENABLED"}`, "active map[]", ""},
		{`{"daily_budget":"99.99"}`, " map[daily_budget:9999]", ""},
		{`{"status":"deleted"}`, "", `status: "deleted" cannot be written; it is active or paused`},
		{`{"status":null}`, "", "cannot be written"},
		{`{"daily_budget":null}`, "", "a budget cannot be taken away"},
		{`{"daily_budget":0}`, "", "pause it"},
		{`{"daily_budget":-5}`, "", "not an amount"},
		{`{"daily_budget":1.005}`, "", "finer than the currency"},
	} {
		var v map[string]json.RawMessage
		if err := json.Unmarshal([]byte(c.in), &v); err != nil {
			t.Fatal(err)
		}
		got, err := Parse(v, 2)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.in, err, c.err)
			}
			continue
		}
		if s := fmt.Sprint(got.Status, " ", got.Budgets); err != nil || s != c.want {
			t.Errorf("%s: %s %v", c.in, s, err)
		}
	}
}

func TestCheckAndCurrency(t *testing.T) {
	b := []string{"daily_budget"}
	if err := Check("id", []string{"status", "daily_budget"}, b, "campaign"); err != nil {
		t.Error(err)
	}
	err := Check("name", []string{"daily_budgt", "colour"}, b, "campaign")
	for _, want := range []string{"known by its id", `Did you mean "daily_budget"`, "Valid: daily_budget, status."} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, c := range []struct {
		fields     []string
		configured string
		want       string
	}{{[]string{"status"}, "", ""}, {b, "usd", ""}, {b, "", "the account spends in USD"}, {b, "EUR", "Convert the budgets in SQL"}} {
		err := Currency(c.fields, b, c.configured, "USD")
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v", err)
		}
	}
}

func TestSame(t *testing.T) {
	for _, c := range []struct {
		ours, theirs string
		want         bool
	}{{`"active"`, `"ACTIVE"`, true}, {`"enabled"`, `"active"`, true}, {`"paused"`, `"active"`, false}, {"120.5", `"120.50"`, true}, {"120.5", `"120.51"`, false}, {"null", "", true}, {"null", `"1"`, false}, {`"x"`, "1", false}} {
		if got := Same(json.RawMessage(c.ours), json.RawMessage(c.theirs)); got != c.want {
			t.Errorf("Same(%s, %s) = %v", c.ours, c.theirs, got)
		}
	}
}
