package transform

import (
	"encoding/csv"
	"fmt"
	"strings"
)

// csvTable reads the CSV text of a unit test. An empty cell is NULL; blanks around cells do not count, so that columns
// may be lined up.
func csvTable(text string) (cols []string, rows [][]*string, err error) {
	r := csv.NewReader(strings.NewReader(strings.TrimSpace(text)))
	r.TrimLeadingSpace = true
	all, err := r.ReadAll()
	if err != nil {
		return nil, nil, fmt.Errorf("rows are not CSV: %w", err)
	}
	if len(all) == 0 {
		return nil, nil, nil
	}
	for _, c := range all[0] {
		cols = append(cols, strings.TrimSpace(c))
	}
	for _, line := range all[1:] {
		row := make([]*string, len(cols))
		for i, c := range line {
			if c = strings.TrimSpace(c); c != "" {
				row[i] = &c
			}
		}
		rows = append(rows, row)
	}
	return cols, rows, nil
}
