//go:build race

package file

// raceEnabled: the race detector's own memory is not Millrace's.
const raceEnabled = true
