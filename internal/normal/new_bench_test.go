package normal

import "testing"

// BenchmarkNew is what a command pays for the lists.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Additions{}); err != nil {
			b.Fatal(err)
		}
	}
}
