// Package secret holds values that must not be printed (P8).
package secret

import "log/slog"

// String is a credential. It prints, logs and marshals as ***; only Reveal gives the value.
type String struct{ v string }

// New wraps a credential.
func New(v string) String { return String{v} }

// Reveal gives the value, for the one place that sends it.
func (s String) Reveal() string { return s.v }

// IsZero reports whether there is no value.
func (s String) IsZero() bool { return s.v == "" }

func (s String) String() string               { return "***" }
func (s String) GoString() string             { return "***" }
func (s String) LogValue() slog.Value         { return slog.StringValue("***") }
func (s String) MarshalText() ([]byte, error) { return []byte("***"), nil }

// UnmarshalText takes the value from configuration.
func (s *String) UnmarshalText(b []byte) error { s.v = string(b); return nil }
