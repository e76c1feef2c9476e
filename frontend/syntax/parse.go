package syntax

import (
	"errors"
	"slices"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"github.com/dnnc/dnnc/ir/diag"
)

// parserOf makes the parser of one kind of statement.
func parserOf[T any]() func(s statement) (Stmt, error) {
	p := participle.MustBuild[T](participle.Lexer(definition{}))
	return func(s statement) (Stmt, error) {
		last := s[len(s)-1]
		end := last.Pos
		end.Advance(last.Value)
		peek, err := lexer.Upgrade(&replay{s, end})
		if err != nil {
			return nil, err
		}
		return p.ParseFromLexer(peek)
	}
}

// keywords are the words that begin a statement, with their parsers.
var keywords = []struct {
	word  string
	parse func(s statement) (Stmt, error)
}{
	{"dnn", parserOf[Header]()},
	{"tensors", parserOf[Tensors]()},
	{"data", parserOf[Data]()},
	{"network", parserOf[Network]()},
	{"arena", parserOf[Arena]()},
	{"stream", parserOf[Stream]()},
	{"state", parserOf[State]()},
	{"const", parserOf[Const]()},
	{"return", parserOf[Return]()},
}

var parseAssign = parserOf[Assign]()

// Parse reads a source. Statements are parsed one by one: what is wrong with
// one does not hide the others.
func Parse(file string, src []byte) ([]Stmt, diag.List) {
	var list diag.List
	statements, d := split(file, src)
	if d != nil {
		return nil, diag.List{d}
	}
	const most = 20
	var out []Stmt
	for _, s := range statements {
		if len(list) == most {
			list.Add(position(s[0].Pos), diag.Limit, "more errors follow")
			break
		}
		stmt, d := parseStatement(s)
		if d != nil {
			list = append(list, d)
			out = append(out, broken(s))
			continue
		}
		out = append(out, stmt)
	}
	if len(statements) == 0 {
		list = append(list, NoNetwork(file))
	}
	return out, list
}

// NoNetwork is the error of a file without a network.
func NoNetwork(file string) *diag.Diagnostic {
	return diag.New(diag.Pos{File: file, Line: 1, Col: 1}, diag.Syntax, "no network in this file").
		WithHelp("a network is written: network name(image: f32[1,28,28] in [0,1]) -> f32[10] { ... return result }")
}

// broken is what a statement with a syntax error would have defined.
func broken(s statement) *Broken {
	b := &Broken{}
	if first := s[0].Value; slices.Contains(Keywords(), first) && (len(s) == 1 || s[1].Value != "=") {
		b.Keyword = first
		s = s[1:]
	}
	if len(s) > 0 && s[0].Type == ident {
		b.Name = s[0].Value
	}
	return b
}

func parseStatement(s statement) (Stmt, *diag.Diagnostic) {
	first := s[0]
	for _, t := range s {
		if t.Type == illegal {
			if t.Value[0] == '"' {
				return nil, diag.New(position(t.Pos), diag.Syntax, "a string without its closing quote")
			}
			d := diag.New(position(t.Pos), diag.Syntax, "unexpected character %q", t.Value)
			if t.Value == "/" || t.Value == ";" { // of other languages
				d.WithHelp("a comment begins with #")
			}
			return nil, d
		}
	}
	if first.Value == "}" {
		return &End{first.Pos}, nil
	}
	assigns := len(s) > 1 && s[1].Value == "="
	parse := parseAssign
	words := Keywords()
	for _, k := range keywords {
		if !assigns && first.Value == k.word {
			parse, assigns = k.parse, true
		}
	}
	if !assigns {
		d := diag.New(position(first.Pos), diag.Syntax, "%q begins no statement", first.Value)
		if first.Type == ident {
			d.WithSuggestion(first.Value, words)
		}
		if d.Help == "" {
			d.WithHelp("a statement is name = operation(...), or begins with one of %v", words)
		}
		return nil, d
	}
	stmt, err := parse(s)
	var at participle.Error
	switch {
	case errors.As(err, &at):
		return nil, diag.New(position(at.Position()), diag.Syntax, "%s", at.Message())
	case err != nil:
		return nil, diag.New(position(first.Pos), diag.Syntax, "%v", err)
	}
	return stmt, nil
}

// Keywords are the words that begin a statement.
func Keywords() []string {
	words := make([]string, len(keywords))
	for i, k := range keywords {
		words[i] = k.word
	}
	return words
}
