//go:build race

package main

// raceEnabled says that this binary watches for races, which makes whole builds slow.
const raceEnabled = true
