package file

import "errors"

func openParquet(p plan) (reader, error)          { return nil, errors.ErrUnsupported }
func openExcel(st stream, p plan) (reader, error) { return nil, errors.ErrUnsupported }
func openJSON(st stream, p plan) (reader, error)  { return nil, errors.ErrUnsupported }
