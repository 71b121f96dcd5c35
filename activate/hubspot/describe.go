package hubspot

import (
	"context"
	"slices"
	"strings"

	"millrace/activate"
)

// maxText is how many characters a text property holds.
const maxText = 65_536

var kinds = map[string]activate.Kind{"string": activate.KindText, "phone_number": activate.KindText, "enumeration": activate.KindText, "number": activate.KindNumber,
	"bool": activate.KindBool, "date": activate.KindDate, "datetime": activate.KindInstant}

// Describe tells the engine what the properties take, so that what cannot fit is refused before anything is sent.
func (d *destination) Describe(ctx context.Context, object string) ([]activate.FieldInfo, error) {
	if err := d.define(ctx, object); err != nil {
		return nil, err
	}
	var out []activate.FieldInfo
	for _, p := range d.props[object] {
		i := activate.FieldInfo{Name: p.Name, Kind: kinds[p.Type], ReadOnly: p.Calculated || p.Modification.ReadOnlyValue}
		if p.Type == "string" {
			i.MaxLength = maxText
		}
		if p.Type == "enumeration" && p.FieldType != "checkbox" { // several options of a checkbox are joined with semicolons
			for _, o := range p.Options {
				i.Options = append(i.Options, o.Value)
			}
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b activate.FieldInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
