// Package campaign is what the ad platforms have in common where status and budget of something that spends are changed:
// the words of the project (active, paused; amounts in the account's currency) and what may be written at all. Deleting
// and archiving cannot be taken back, so they have no word here. It must not know any platform's API.
package campaign

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/money"
)

// StatusField is the project's name for whether something spends.
const StatusField = "status"

// The statuses.
const (
	Active = "active"
	Paused = "paused"
)

// Change is what one row asks for.
type Change struct {
	Status  string           // active, paused or "": leave it
	Budgets map[string]int64 // by field, in units
}

// Parse reads a row's values. exponent is that of the units in which the platform counts money.
func Parse(values map[string]json.RawMessage, exponent int) (Change, error) {
	c := Change{Budgets: map[string]int64{}}
	names := make([]string, 0, len(values))
	for f := range values {
		names = append(names, f)
	}
	slices.Sort(names)
	for _, f := range names {
		text := canon.Text(values[f])
		if f == StatusField {
			switch s := strings.ToLower(strings.TrimSpace(text)); s {
			case Active, "enabled":
				c.Status = Active
			case Paused:
				c.Status = Paused
			default:
				return c, fmt.Errorf("%s: %q cannot be written; it is active or paused", f, text)
			}
			continue
		}
		if text == "" {
			return c, fmt.Errorf("%s: a budget cannot be taken away; pause it instead", f)
		}
		n, err := money.Units(text, exponent)
		if err != nil {
			return c, fmt.Errorf("%s: %w", f, err)
		}
		c.Budgets[f] = n
	}
	return c, nil
}

// Check refuses a target that is no status and budget of existing things. budgets are the platform's own.
func Check(key string, fields, budgets []string, what string) error {
	var l fault.List
	if key != "id" {
		l.Add(&fault.Error{Key: "key", Value: key, Msg: "a " + what + " is known by its id", Hint: "Write `key: {field: id, column: ...}` with the column that holds it."})
	}
	known := append([]string{StatusField}, budgets...)
	for _, f := range fields {
		if f != key && !slices.Contains(known, f) {
			l.Add(&fault.Error{Key: "mapping." + f, Value: f, Msg: "Millrace does not change this of a " + what, Hint: fault.DidYouMean(f, known)})
		}
	}
	return l.Or()
}

// Currency refuses budgets that were computed in another currency than the account spends in.
func Currency(fields, budgets []string, configured, account string) error {
	money := slices.ContainsFunc(fields, func(f string) bool { return slices.Contains(budgets, f) })
	switch {
	case !money:
		return nil
	case configured == "":
		return &fault.Error{Key: "config.currency", Msg: "budgets need to say their currency", Hint: "Write the currency of your budgets' column; the account spends in " + account + "."}
	case !strings.EqualFold(configured, account):
		return &fault.Error{Key: "config.currency", Value: configured, Msg: "the account spends in " + account, Hint: "Convert the budgets in SQL, then write " + account + "."}
	}
	return nil
}

// Same compares values as Read gives them with ours: statuses without regard to capitals, amounts by amount.
func Same(ours, theirs json.RawMessage) bool {
	if canon.IsEmpty(ours) || canon.IsEmpty(theirs) {
		return canon.IsEmpty(ours) && canon.IsEmpty(theirs)
	}
	a, b := strings.ToLower(canon.Text(ours)), strings.ToLower(canon.Text(theirs))
	if a == "enabled" {
		a = Active
	}
	if a == b {
		return true
	}
	x, errX := money.Units(a, money.Micros)
	y, errY := money.Units(b, money.Micros)
	return errX == nil && errY == nil && x == y
}

// Text is a value as Read gives it.
func Text(s string) json.RawMessage {
	j, err := canon.JSON(s)
	if err != nil {
		return json.RawMessage("null")
	}
	return j
}
