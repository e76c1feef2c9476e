// Package terminal is what commands print to: text in which nothing moves a terminal's
// cursor or changes its state, whatever the names in it hold, and which remembers that
// it could not be written.
package terminal

import (
	"io"
	"os"
	"unicode/utf8"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
)

// Writer prints text for people. Raw gets around it, for content.
type Writer struct {
	out  raw
	rest []byte // of a character that is not complete yet
}

// raw is a stream that remembers its first error.
type raw struct {
	io.Writer
	name string
	err  *error
}

func (r raw) Write(p []byte) (int, error) {
	n, err := r.Writer.Write(p)
	if err != nil {
		err = diag.New(diag.Pos{}, diag.BadOutput, "%s: %v", r.name, err)
		if *r.err == nil {
			*r.err = err
		}
	}
	return n, err
}

// New is a writer to a stream of a name.
func New(name string, out io.Writer) *Writer { return &Writer{out: raw{out, name, new(error)}} }

// Write prints text; it takes all of it, whatever becomes escapes.
func (w *Writer) Write(p []byte) (int, error) {
	text := append(w.rest, p...)
	w.rest = nil
	// A character may come in pieces.
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		tail := text[len(text)-i:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				w.rest = append([]byte(nil), tail...)
				text = text[:len(text)-i]
			}
			break
		}
	}
	if _, err := io.WriteString(w.out, quote.Lines(string(text))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close prints what is left of a character and returns the first error of the stream.
func (w *Writer) Close() error {
	if len(w.rest) > 0 {
		_, _ = io.WriteString(w.out, quote.Lines(string(w.rest))) // the error is remembered
		w.rest = nil
	}
	return *w.out.err
}

// Raw is the stream below a writer, for content that is written as it is: an object, a text
// that is formatted. Errors are remembered all the same.
func Raw(out io.Writer) io.Writer {
	if w, ok := out.(*Writer); ok {
		return w.out
	}
	return out
}

// File is the file that a writer prints to; nil of what is none.
func File(out io.Writer) *os.File {
	if w, ok := out.(*Writer); ok {
		out = w.out.Writer
	}
	f, _ := out.(*os.File)
	return f
}
