package duck

import "fmt"

func text(v any) string { return fmt.Sprint(v) }
