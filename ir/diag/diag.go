// Package diag holds what dnnc says to its user: positions in a source,
// diagnostics with a reason and a way out, and suggestions for misspelt names.
// It knows how names are quoted, and no other package.
package diag

import (
	"fmt"
	"sort"
	"strings"

	"github.com/dnnc/dnnc/ir/quote"
)

// Pos is a place in a source file. Line and Col count from 1 (Col in bytes);
// the zero Pos is "nowhere".
type Pos struct {
	File      string
	Line, Col int
}

// IsValid reports whether p names a line of a source.
func (p Pos) IsValid() bool { return p.Line > 0 }

// String formats p as file:line:col, the form editors and build systems parse. A name with
// a line feed would be taken for a line of its own, and is written with escapes.
func (p Pos) String() string {
	switch {
	case !p.IsValid() && p.File == "":
		return "dnnc"
	case !p.IsValid():
		return quote.Line(p.File)
	}
	return fmt.Sprintf("%s:%d:%d", quote.Line(p.File), p.Line, p.Col)
}

// A Diagnostic is one thing that is wrong with the input: where, which kind,
// what, and as far as known why (Note) and what would mend it (Help).
type Diagnostic struct {
	Pos     Pos
	Kind    Kind
	Message string
	Note    string
	Help    string
}

// New makes a diagnostic of a kind at a position.
func New(pos Pos, kind Kind, format string, args ...any) *Diagnostic {
	return &Diagnostic{Pos: pos, Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// WithNote adds the reason.
func (d *Diagnostic) WithNote(format string, args ...any) *Diagnostic {
	d.Note = fmt.Sprintf(format, args...)
	return d
}

// WithHelp adds the way out. An empty help is left out.
func (d *Diagnostic) WithHelp(format string, args ...any) *Diagnostic {
	d.Help = fmt.Sprintf(format, args...)
	return d
}

// WithSuggestion adds "did you mean" where a known name is close to name.
func (d *Diagnostic) WithSuggestion(name string, known []string) *Diagnostic {
	if s := Suggest(name, known); s != "" {
		d.Help = fmt.Sprintf("did you mean %q?", s)
	}
	return d
}

// Error formats d as file:line:col: kind: message, with the note and the help
// on lines of their own.
func (d *Diagnostic) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", d.Pos, d.Kind, d.Message)
	if d.Note != "" {
		fmt.Fprintf(&b, "\n    note: %s", d.Note)
	}
	if d.Help != "" {
		fmt.Fprintf(&b, "\n    help: %s", d.Help)
	}
	return b.String()
}

// A List collects diagnostics, so that several are reported in one go.
type List []*Diagnostic

// Add appends a new diagnostic and returns it, to be given a note or a help.
func (l *List) Add(pos Pos, kind Kind, format string, args ...any) *Diagnostic {
	d := New(pos, kind, format, args...)
	*l = append(*l, d)
	return d
}

// Sort orders the list by file, line and column, keeping the order of equals.
func (l List) Sort() {
	sort.SliceStable(l, func(i, j int) bool {
		a, b := l[i].Pos, l[j].Pos
		switch {
		case a.File != b.File:
			return a.File < b.File
		case a.Line != b.Line:
			return a.Line < b.Line
		}
		return a.Col < b.Col
	})
}

// Err returns the sorted list as an error, or nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	l.Sort()
	return l
}

// Error puts one diagnostic after the other.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, d := range l {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find each diagnostic of the list.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, d := range l {
		errs[i] = d
	}
	return errs
}
