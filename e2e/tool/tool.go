//go:build tool

// Package tool pins the programs, written in Go, that judge Leno in its tests.
package tool

import _ "github.com/summerwind/h2spec/cmd/h2spec"
