// Package markers replaces the generated part of a document: the text between two
// marker lines.
package markers

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/dnnc/dnnc/runtime/input"
	"github.com/dnnc/dnnc/runtime/replace"
)

// Replace puts content between the lines begin and end of a text, with an empty line
// before and after it. It is an error when the text lacks one of them.
func Replace(text []byte, begin, end, content string) ([]byte, error) {
	head, rest, ok := bytes.Cut(text, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return nil, fmt.Errorf("no lines %q and %q to write between", begin, end)
	}
	return slices.Concat(head, []byte(begin+"\n\n"+content+"\n"+end), tail), nil
}

// most is the bytes of a document at most.
const most = 1 << 24

// Refresh is Replace of a file, which is replaced as a whole or not at all.
func Refresh(path, begin, end, content string) error {
	text, err := input.Read(path, most)
	if err != nil {
		return err
	}
	if text, err = Replace(text, begin, end, content); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return replace.With(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
