// Package arch holds no code: its test enforces the layer rule of docs/architecture.md.
package arch
