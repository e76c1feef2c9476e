package syntax

import (
	"bytes"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/dnnc/dnnc/ir/diag"
)

// Format writes a source as dumps are written: a statement a line, two spaces
// within a body, one blank line at most. Comments stay where they are; one inside
// a statement of several lines comes to stand above it. A source that does not
// parse is not touched.
func Format(file string, src []byte) ([]byte, diag.List) {
	if _, list := Parse(file, src); len(list) > 0 {
		return nil, list
	}
	f := &formatter{}
	if d := f.run(file, src); d != nil {
		return nil, diag.List{d}
	}
	return f.out.Bytes(), nil
}

// formatter collects a statement's tokens and the comments within it.
type formatter struct {
	out      bytes.Buffer
	cur      statement
	comments []string // within cur
	inBody   bool
	blank    bool // a blank line stands above what comes next
	lineEnds bool // the last line may take a comment after it
	opened   bool // the last line opens a body
}

func (f *formatter) run(file string, src []byte) *diag.Diagnostic {
	lex, err := rules.LexString(file, string(src))
	if err != nil {
		return diag.New(diag.Pos{File: file, Line: 1, Col: 1}, diag.Syntax, "%v", err)
	}
	depth, lines := 0, 0 // of brackets; newlines since the last token
	for {
		t, err := lex.Next()
		if err != nil {
			return diag.New(diag.Pos{File: file, Line: 1, Col: 1}, diag.Syntax, "%v", err)
		}
		switch t.Type {
		case endOfFile:
			f.flush()
			return nil
		case space:
			continue
		case newline:
			if depth == 0 {
				f.flush()
			}
			lines++
			continue
		case comment:
			f.comment(strings.TrimRight(t.Value, " \t\r"), lines, depth)
			lines = 0
			continue
		}
		if len(f.cur) == 0 && lines > 1 {
			f.blank = true
		}
		lines = 0
		switch t.Value {
		case "(", "[":
			depth++
		case ")", "]":
			depth = max(depth-1, 0)
		case "{", "}":
			if t.Value == "}" {
				f.flush()
				f.inBody, f.blank = false, false
			}
			f.cur = append(f.cur, t)
			f.flush()
			f.inBody, depth = t.Value == "{", 0
			continue
		}
		f.cur = append(f.cur, t)
	}
}

// comment places a comment: after the line that it stands after, or on a line of
// its own.
func (f *formatter) comment(text string, lines, depth int) {
	switch {
	case depth > 0:
		f.comments = append(f.comments, text)
		return
	case len(f.cur) > 0:
		f.flush()
		f.behind(text)
		return
	case lines == 0 && f.lineEnds:
		f.behind(text)
		return
	}
	f.blank = f.blank || lines > 1
	f.line(text)
	f.lineEnds = false
}

// after adds a comment to the line before.
func (f *formatter) behind(text string) {
	f.out.Truncate(f.out.Len() - 1)
	f.out.WriteString("  " + text + "\n")
	f.lineEnds = false
}

func (f *formatter) flush() {
	if len(f.cur) == 0 {
		return
	}
	for _, c := range f.comments {
		f.line(c)
	}
	f.line(spaced(f.cur))
	f.lineEnds = true
	f.cur, f.comments = nil, nil
}

func (f *formatter) line(text string) {
	if f.blank && f.out.Len() > 0 && !f.opened {
		f.out.WriteByte('\n')
	}
	f.blank, f.opened = false, strings.HasSuffix(text, "{")
	if f.inBody {
		f.out.WriteString("  ")
	}
	f.out.WriteString(text + "\n")
}

// spaced is a statement's tokens as dumps space them.
func spaced(s statement) string {
	var b strings.Builder
	var open []string // brackets
	assigns := len(s) > 1 && s[1].Value == "="
	for i, t := range s {
		if i > 0 && gap(s[i-1], t, open, assigns) {
			b.WriteByte(' ')
		}
		b.WriteString(t.Value)
		switch t.Value {
		case "(", "[":
			open = append(open, t.Value)
		case ")", "]":
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		}
	}
	return b.String()
}

// gap reports whether a space stands between two tokens, inside of the brackets
// that are open.
func gap(before, t lexer.Token, open []string, assigns bool) bool {
	inList := len(open) > 0 && open[len(open)-1] == "["
	switch {
	case before.Value == "(" || before.Value == "[" || t.Value == ")" || t.Value == "]" || t.Value == ",":
		return false
	case t.Value == ":": // behind an assignment comes its type
		return assigns && len(open) == 0
	case before.Value == ",":
		return !inList
	case t.Value == "(":
		return false
	case t.Value == "[": // of a shape, not of a range or a list
		return before.Type != ident || before.Value == "in"
	}
	return true
}
