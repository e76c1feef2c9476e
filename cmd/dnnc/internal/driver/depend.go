package driver

import (
	"bytes"
	"path/filepath"
	"slices"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
)

// dependencies is a rule for make and ninja: the output and what it was made from,
// and as with -MP of C compilers an empty rule for each, so that a file that
// vanishes is no error of make's.
func dependencies(output string, inputs []string) ([]byte, error) {
	inputs = slices.Clone(inputs)
	slices.Sort(inputs)
	inputs = slices.Compact(inputs)
	names := make([]string, len(inputs)+1) // as make reads them, the output first
	for i, p := range append([]string{output}, inputs...) {
		name, err := quote.Make(filepath.ToSlash(p))
		if err != nil {
			return nil, diag.New(diag.Pos{}, diag.BadOutput, "-MD: %v", err).WithHelp("rename it; letters, digits, space and . _ - + , @ # $ : are expressed")
		}
		names[i] = name
	}
	var b bytes.Buffer
	b.WriteString(names[0] + ":")
	for _, name := range names[1:] {
		b.WriteString(" \\\n  " + name)
	}
	b.WriteByte('\n')
	for _, name := range names[1:] {
		b.WriteString("\n" + name + ":\n")
	}
	return b.Bytes(), nil
}

// read are the paths of the files that the build read, the network first.
func (b *build) read() []string {
	paths := []string{b.o.Input}
	for _, t := range b.r.Tensors {
		paths = append(paths, besideOf(b.o.Input, t))
	}
	return append(paths, b.r.read...)
}
