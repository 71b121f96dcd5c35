package normal

import "github.com/mozillazg/go-unidecode"

func transliteration() string { return "v" + unidecode.Version() }
