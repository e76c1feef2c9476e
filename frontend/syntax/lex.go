// Package syntax is the text of a .dnn file: tokens, and a tree of statements
// with positions. It knows neither operations nor types; the resolver in
// package frontend does.
package syntax

import (
	"io"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/dnnc/dnnc/ir/diag"
)

// The limits of a source.
const (
	MaxBytes   = 1 << 20
	MaxNesting = 64
)

// rules make the lexer total: whatever no rule takes is an Illegal token.
var rules = lexer.MustSimple([]lexer.SimpleRule{
	{Name: "Comment", Pattern: `#[^\n]*`},
	{Name: "String", Pattern: `"[^"\n]*"`},
	{Name: "Ident", Pattern: `[A-Za-z_]\w*([.-]\w+)*`},
	{Name: "Number", Pattern: `[-+]?\d+(\.\d+)?([eE][-+]?\d+)?`},
	{Name: "Arrow", Pattern: `->`},
	{Name: "Punct", Pattern: `[(){}\[\]:,=]`},
	{Name: "Newline", Pattern: `\n`},
	{Name: "Space", Pattern: `[ \t\r]+`},
	{Name: "Illegal", Pattern: `"[^"\n]*|(?s:.)`},
})

var (
	symbols   = rules.Symbols()
	ident     = symbols["Ident"]
	illegal   = symbols["Illegal"]
	newline   = symbols["Newline"]
	space     = symbols["Space"]
	comment   = symbols["Comment"]
	endOfFile = lexer.EOF
)

// statement is the tokens between two newlines outside of brackets.
type statement []lexer.Token

// split lexes a source into statements. Braces end a statement too: "{" is the
// last token of the one that opens a body, "}" one of its own.
func split(file string, src []byte) ([]statement, *diag.Diagnostic) {
	if len(src) > MaxBytes {
		return nil, diag.New(diag.Pos{File: file, Line: 1, Col: 1}, diag.Limit, "the source has %d bytes, more than %d", len(src), MaxBytes).
			WithHelp("weights belong into a tensors file")
	}
	lex, err := rules.LexString(file, string(src))
	if err != nil {
		return nil, diag.New(diag.Pos{File: file, Line: 1, Col: 1}, diag.Syntax, "%v", err)
	}
	var out []statement
	var cur statement
	flush := func() {
		if len(cur) > 0 {
			out = append(out, cur)
		}
		cur = nil
	}
	depth := 0
	for {
		t, err := lex.Next()
		if err != nil {
			return nil, diag.New(diag.Pos{File: file, Line: 1, Col: 1}, diag.Syntax, "%v", err)
		}
		switch {
		case t.Type == endOfFile:
			flush()
			return out, nil
		case t.Type == newline && depth == 0:
			flush()
			continue
		case t.Type == newline || t.Type == space || t.Type == comment:
			continue
		}
		switch t.Value {
		case "(", "[":
			if depth++; depth > MaxNesting {
				return nil, diag.New(position(t.Pos), diag.Limit, "brackets nested more than %d deep", MaxNesting)
			}
		case ")", "]":
			depth = max(depth-1, 0)
		case "{":
			cur = append(cur, t)
			flush()
			depth = 0
			continue
		case "}":
			flush()
			cur = statement{t}
			flush()
			depth = 0
			continue
		}
		cur = append(cur, t)
	}
}

func position(p lexer.Position) diag.Pos {
	return diag.Pos{File: p.Filename, Line: p.Line, Col: p.Column}
}

// replay feeds a statement's tokens to the parser.
type replay struct {
	tokens statement
	end    lexer.Position
}

func (r *replay) Next() (lexer.Token, error) {
	if len(r.tokens) == 0 {
		return lexer.EOFToken(r.end), nil
	}
	t := r.tokens[0]
	r.tokens = r.tokens[1:]
	return t, nil
}

// definition lets participle know the token types without lexing by itself.
type definition struct{}

func (definition) Symbols() map[string]lexer.TokenType { return symbols }
func (definition) Lex(string, io.Reader) (lexer.Lexer, error) {
	return &replay{}, nil
}
