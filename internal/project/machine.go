package project

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"millrace/internal/config"
)

// memoryShare is the part of the machine's memory that the database may use: it takes up to about 0.75 GB more than its
// limit, and the rest of the process needs room too.
const memoryShare = 0.55

// MemoryLimit is the database's memory in bytes: what the target or the project says, else 55 % of what the machine or
// its container has. Zero when neither is known.
func (p *Project) MemoryLimit() config.Bytes {
	if p.Settings.Memory > 0 {
		return p.Settings.Memory
	}
	return config.Bytes(float64(MachineMemory()) * memoryShare)
}

// Threads is how many threads build: what the target or the project says, else one per usable core.
func (p *Project) Threads() int {
	if p.Settings.Threads > 0 {
		return p.Settings.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// MachineMemory is the memory in bytes that this process may count on: the machine's, or its container's limit where
// that is smaller. Zero when the system does not say (it is read from /proc and the control group).
func MachineMemory() int64 { return machineMemory("/") }

func machineMemory(root string) int64 {
	var total int64
	if data, err := os.ReadFile(filepath.Join(root, "proc/meminfo")); err == nil {
		for _, line := range bytes.Split(data, []byte("\n")) {
			f := strings.Fields(string(line))
			if len(f) >= 2 && f[0] == "MemTotal:" {
				if kb, err := strconv.ParseInt(f[1], 10, 64); err == nil {
					total = kb << 10
				}
			}
		}
	}
	for _, path := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			continue
		}
		// "max", or a number near 2^63, means no limit.
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && limit > 0 && limit < 1<<60 && (total == 0 || limit < total) {
			total = limit
		}
	}
	return total
}

// FreeDisk is the space in bytes that this user may still fill on the disk that holds path, or would hold it: folders
// that do not exist yet are looked for further up.
func FreeDisk(path string) (int64, error) {
	for {
		var st unix.Statfs_t
		err := unix.Statfs(path, &st)
		if err == nil {
			return int64(uint64(st.Bavail) * uint64(st.Bsize)), nil
		}
		up := filepath.Dir(path)
		if err != unix.ENOENT || up == path {
			return 0, fmt.Errorf("ask for the free space at %s: %w", path, err)
		}
		path = up
	}
}

// Writable reports whether files can be made in dir; for a folder that does not exist yet, whether it could be made.
func Writable(dir string) error {
	for {
		err := unix.Access(dir, unix.W_OK|unix.X_OK)
		if err == nil {
			return nil
		}
		up := filepath.Dir(dir)
		if err != unix.ENOENT || up == dir {
			return fmt.Errorf("write into %s: %w", dir, err)
		}
		dir = up
	}
}
