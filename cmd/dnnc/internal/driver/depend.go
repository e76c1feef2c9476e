package driver

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
)

// dependencies is a rule for make and ninja: the output and what it was made from,
// and as with -MP of C compilers an empty rule for each, so that a file that
// vanishes is no error of make's.
func dependencies(output string, inputs []string) []byte {
	var b bytes.Buffer
	b.WriteString(escaped(output) + ":")
	inputs = slices.Clone(inputs)
	slices.Sort(inputs)
	inputs = slices.Compact(inputs)
	for _, p := range inputs {
		b.WriteString(" \\\n  " + escaped(p))
	}
	b.WriteByte('\n')
	for _, p := range inputs {
		b.WriteString("\n" + escaped(p) + ":\n")
	}
	return b.Bytes()
}

// escaped is a path as make reads it.
func escaped(path string) string {
	return strings.NewReplacer(" ", `\ `, "#", `\#`, "$", "$$").Replace(filepath.ToSlash(path))
}

// read are the paths of the files that the build read, the network first.
func (b *build) read() []string {
	paths := []string{b.o.Input}
	for _, t := range b.r.Tensors {
		if !filepath.IsAbs(t) { // as -allow-outside lets it be
			t = filepath.Join(filepath.Dir(b.o.Input), t)
		}
		paths = append(paths, t)
	}
	return append(paths, b.r.read...)
}
