package salesforce

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"millrace/internal/canon"
)

// spell is a value as the field takes it in JSON. What cannot be spelled is sent as it is, and the org says what is wrong.
func (f sfield) spell(v json.RawMessage) json.RawMessage {
	if canon.IsEmpty(v) {
		if f.Type == "boolean" {
			return json.RawMessage("false") // a check box is never empty
		}
		return json.RawMessage("null")
	}
	text := canon.Text(v)
	switch f.Type {
	case "double", "currency", "percent", "int", "long":
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return json.RawMessage(text)
		}
	case "boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			return json.RawMessage(strconv.FormatBool(b))
		}
	case "date":
		if at, ok := instant(text); ok {
			text = at.UTC().Format(time.DateOnly)
		}
	case "datetime":
		if at, ok := instant(text); ok {
			text = at.UTC().Format("2006-01-02T15:04:05.000Z")
		}
	}
	return quote(text)
}

func quote(s string) json.RawMessage {
	j, err := canon.JSON(s)
	if err != nil { // text that is not UTF-8; the engine gives none
		return json.RawMessage(`""`)
	}
	return j
}

// cell is a value as a Bulk job takes it: text, and a mark for empty.
func (f sfield) cell(v json.RawMessage) string {
	s := f.spell(v)
	if string(s) == "null" {
		return bulkNull
	}
	return canon.Text(s)
}

// instant reads the spellings of a date or time; Salesforce keeps milliseconds and writes the offset without a colon.
func instant(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.000-0700", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Truncate(time.Millisecond), true
		}
	}
	return time.Time{}, false
}

// Same compares our value with Salesforce's: numbers by value, instants by instant, a check box that is off with nothing.
func (d *destination) Same(ours, theirs json.RawMessage) bool {
	if canon.IsEmpty(ours) || canon.IsEmpty(theirs) {
		off := func(v json.RawMessage) bool { return canon.IsEmpty(v) || string(v) == "false" }
		return off(ours) && off(theirs)
	}
	a, b := canon.Text(ours), canon.Text(theirs)
	if a == b {
		return true
	}
	if theirs[0] != '"' || ours[0] != '"' { // one side is a number or a truth value
		x, errX := canon.JSON(json.Number(a))
		y, errY := canon.JSON(json.Number(b))
		if ours[0] == '"' && strings.HasPrefix(a, "0") && len(a) > 1 && a[1] != '.' {
			return false // 007 is text
		}
		return errX == nil && errY == nil && string(x) == string(y)
	}
	x, okX := instant(a)
	y, okY := instant(b)
	return okX && okY && x.Equal(y)
}
