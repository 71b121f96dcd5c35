//go:build unix

package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"millrace/internal/fault"
)

// lockFile takes the folder's lock; the operating system lets go of it when the process ends, however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock twin: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, &fault.Error{File: path, Msg: "another twin is running on this folder", Exit: fault.ExitLocked, Hint: "Stop it, or give another folder."}
	}
	return f, nil
}
