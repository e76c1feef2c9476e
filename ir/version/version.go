// Package version holds the semantic versions of what dnnc promises to others: a
// change that breaks them raises the first number, one that adds the second.
package version

import "strings"

const (
	// Compiler is dnnc's own.
	Compiler = "0.9.0"
	// Language is that of network texts and dumps, whose first line has its major
	// number.
	Language = "1.5.0"
	// Certificate is that of net.json; its field version is the major number.
	Certificate = "1.5.0"
	// Interface is that of the C header and the object's symbols.
	Interface = "1.3.0"
)

// Major is the first number of a version.
func Major(v string) string {
	major, _, _ := strings.Cut(v, ".")
	return major
}
