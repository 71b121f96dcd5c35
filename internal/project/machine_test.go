package project

import (
	"os"
	"path/filepath"
	"testing"

	"millrace/internal/config"
)

func TestMachineMemory(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing known", nil, 0},
		{"machine", map[string]string{"proc/meminfo": "MemTotal:        1024 kB\nMemFree: 1 kB\n"}, 1 << 20},
		{"container", map[string]string{"proc/meminfo": "MemTotal: 1024 kB\n", "sys/fs/cgroup/memory.max": "4096\n"}, 4096},
		{"no limit", map[string]string{"proc/meminfo": "MemTotal: 1024 kB\n", "sys/fs/cgroup/memory.max": "max\n"}, 1 << 20},
		{"old control group, no limit", map[string]string{"proc/meminfo": "MemTotal: 1024 kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 1 << 20},
		{"nonsense", map[string]string{"proc/meminfo": "MemTotal: lots\n"}, 0},
	} {
		dir := t.TempDir()
		write(t, dir, c.files)
		if got := machineMemory(dir); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	p := &Project{Settings: TargetConfig{Memory: 5, Threads: 3}}
	if p.MemoryLimit() != 5 || p.Threads() != 3 {
		t.Error("what the project says must win")
	}
	p = &Project{}
	if want := config.Bytes(float64(MachineMemory()) * 0.55); p.MemoryLimit() != want || p.Threads() < 1 {
		t.Errorf("%d and %d", p.MemoryLimit(), p.Threads())
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	free, err := FreeDisk(filepath.Join(dir, "not", "yet"))
	if err != nil || free <= 0 {
		t.Errorf("%d %v", free, err)
	}
	if err := Writable(filepath.Join(dir, "not", "yet")); err != nil {
		t.Error(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Writable(filepath.Join(file, "below")); err == nil {
		t.Error("a folder inside a file")
	}
}
