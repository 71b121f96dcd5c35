package transform

func (b *builder) artifacts(res *BuildResult) error { return nil }
