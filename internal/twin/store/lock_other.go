//go:build !unix

package store

import (
	"fmt"
	"os"
)

// lockFile opens the folder's lock file; without flock two twins on one folder are not kept apart.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock twin: %w", err)
	}
	return f, nil
}
