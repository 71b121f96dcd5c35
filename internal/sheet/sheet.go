// Package sheet reads cells of Excel workbooks as values: dates as ISO 8601 text and numbers as they are stored, whatever
// format the cells have. It must not know what the cells are for.
package sheet

import (
	"fmt"
	"strings"

	"github.com/xuri/excelize/v2"
)

// Plain makes the library give date cells as ISO 8601 and other numbers as they are stored. It does so by changing
// the number formats of the opened copy; the file is not written.
func Plain(f *excelize.File) error {
	day, moment := "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"
	dayStyle, err := f.NewStyle(&excelize.Style{CustomNumFmt: &day})
	if err != nil {
		return fmt.Errorf("read styles: %w", err)
	}
	momentStyle, err := f.NewStyle(&excelize.Style{CustomNumFmt: &moment})
	if err != nil {
		return fmt.Errorf("read styles: %w", err)
	}
	xfs := f.Styles.CellXfs.Xf
	dayID, momentID, none := *xfs[dayStyle].NumFmtID, *xfs[momentStyle].NumFmtID, 9999
	codes := map[int]string{}
	if f.Styles.NumFmts != nil {
		for _, n := range f.Styles.NumFmts.NumFmt {
			codes[n.NumFmtID] = n.FormatCode
		}
	}
	for i := range xfs {
		if xfs[i].NumFmtID == nil {
			continue
		}
		id := *xfs[i].NumFmtID
		hasDay, hasClock := dateParts(id, codes[id])
		switch {
		case hasDay && hasClock:
			xfs[i].NumFmtID = &momentID
		case hasDay:
			xfs[i].NumFmtID = &dayID
		case hasClock: // a time of day or a duration: as it is shown
		default:
			xfs[i].NumFmtID = &none // a format that nothing defines: the stored number
		}
	}
	return nil
}

// dateParts tells whether a number format shows a day and whether it shows a time. Source: ECMA-376 part 1, 18.8.30
// (built-in formats) and 18.8.31 (format codes).
func dateParts(id int, code string) (day, clock bool) {
	switch {
	case code != "":
	case id >= 14 && id <= 17, id >= 27 && id <= 31, id == 36, id >= 50 && id <= 54, id >= 57 && id <= 58:
		return true, false
	case id == 22:
		return true, true
	case id >= 18 && id <= 21, id >= 32 && id <= 35, id >= 45 && id <= 47, id >= 55 && id <= 56:
		return false, true
	}
	code, _, _ = strings.Cut(code, ";") // the format of positive numbers
	for i := 0; i < len(code); i++ {
		switch c := code[i] | 0x20; {
		case code[i] == '"':
			if n := strings.IndexByte(code[i+1:], '"'); n >= 0 {
				i += n + 1
			}
		case code[i] == '[':
			if n := strings.IndexByte(code[i:], ']'); n >= 0 {
				if inner := strings.Trim(strings.ToLower(code[i+1:i+n]), "hms"); inner == "" {
					clock = true // [h]:mm is a duration
				}
				i += n
			}
		case code[i] == '\\', code[i] == '_', code[i] == '*':
			i++
		case c == 'g' && len(code) >= i+7 && strings.EqualFold(code[i:i+7], "general"):
			i += 6
		case c == 'y', c == 'd':
			day = true
		case c == 'h', c == 's':
			clock = true
		}
	}
	return day, clock
}
