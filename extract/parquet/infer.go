package parquet

import (
	"errors"

	"millrace/extract/landing"
)

// settle gives every column that the waiting rows hold a type wide enough for them, and writes them.
func (w *writer) settle() error {
	for i, c := range w.cols {
		if c.Declared && w.policy.declaredTypes != "evolve" || !c.Declared && c.known() && w.policy.inferredTypes != "evolve" {
			continue
		}
		cast := newCaster(c.Type, !c.Declared)
		typ := c.Type
		if !c.known() {
			typ = ""
		}
		for _, r := range w.pending {
			for _, row := range r.cells {
				if i >= len(row) || row[i] == nil {
					continue
				}
				if typ != "" {
					if _, ok := cast.cast(row[i], r.text); ok {
						continue
					}
				}
				typ = widen(typ, typeOf(row[i], r.text), row[i], r.text)
				cast = newCaster(typ, !c.Declared)
			}
		}
		if !c.known() && typ == wholeAndMoney && w.fits(i, newCaster(landing.Money, true)) {
			typ = landing.Money // no whole number among them needs the digits that any BIGINT could have
		}
		if typ != "" {
			c.Type, c.Empty = typ, false
		}
	}
	pending := w.pending
	w.pending, w.pendingRows, w.pendingSize = nil, 0, 0
	for _, r := range pending {
		if w.part == nil {
			if err := w.openPart(); err != nil {
				return err
			}
		}
		fits, err := w.encode(r)
		if err != nil {
			return err
		}
		if !fits {
			// Types only ever grow, and the waiting rows were all looked at: encode can ask for more only if the
			// lattice and the casts disagree.
			return errors.New("a row does not fit the type that was made for it: this is a fault in millrace")
		}
	}
	return nil
}

// wholeAndMoney is what BIGINT and DECIMAL(18,4) widen to.
const wholeAndMoney landing.Type = "DECIMAL(23,4)"

// fits reports whether every waiting cell of a column can be cast.
func (w *writer) fits(i int, c caster) bool {
	for _, r := range w.pending {
		for _, row := range r.cells {
			if i < len(row) {
				if _, ok := c.cast(row[i], r.text); !ok {
					return false
				}
			}
		}
	}
	return true
}

// widen is the type for a cell that does not fit typ. It always grows, so it ends, at the latest at VARCHAR.
func widen(typ, cell landing.Type, v any, text bool) landing.Type {
	next := landing.Widen(typ, cell)
	if next == typ {
		return landing.Varchar
	}
	if _, ok := newCaster(next, true).cast(v, text); !ok {
		return landing.Varchar
	}
	return next
}
