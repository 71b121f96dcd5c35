package transform

// UnitTest is one test of a model on given rows.
type UnitTest struct{ Name string }

func (l *loader) unitFile(file string) {}
func (l *loader) units()               {}
