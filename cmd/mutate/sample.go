package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"slices"
	"strings"
)

// binary are the replacements of an operator between two operands.
var binary = map[token.Token][]token.Token{
	token.ADD: {token.SUB}, token.SUB: {token.ADD}, token.MUL: {token.QUO}, token.QUO: {token.MUL}, token.REM: {token.MUL},
	token.GEQ: {token.GTR, token.LSS}, token.GTR: {token.GEQ, token.LEQ}, token.LEQ: {token.LSS, token.GTR}, token.LSS: {token.LEQ, token.GEQ},
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.AND: {token.OR}, token.OR: {token.AND}, token.XOR: {token.AND}, token.AND_NOT: {token.AND},
	token.SHL: {token.SHR}, token.SHR: {token.SHL},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
}

// unary are the replacements of an operator before its operand.
var unary = map[token.Token][]token.Token{token.SUB: {token.ADD}, token.ADD: {token.SUB}}

// statements are the replacements of an operator or a word that makes a statement.
var statements = map[token.Token][]token.Token{
	token.INC: {token.DEC}, token.DEC: {token.INC}, token.BREAK: {token.CONTINUE}, token.CONTINUE: {token.BREAK},
	token.ADD_ASSIGN: {token.SUB_ASSIGN, token.ASSIGN}, token.SUB_ASSIGN: {token.ADD_ASSIGN, token.ASSIGN},
	token.MUL_ASSIGN: {token.QUO_ASSIGN, token.ASSIGN}, token.QUO_ASSIGN: {token.MUL_ASSIGN, token.ASSIGN}, token.REM_ASSIGN: {token.ASSIGN},
	token.AND_ASSIGN: {token.OR_ASSIGN, token.ASSIGN}, token.OR_ASSIGN: {token.AND_ASSIGN, token.ASSIGN},
	token.XOR_ASSIGN: {token.AND_ASSIGN, token.ASSIGN}, token.AND_NOT_ASSIGN: {token.AND_ASSIGN, token.ASSIGN},
	token.SHL_ASSIGN: {token.SHR_ASSIGN, token.ASSIGN}, token.SHR_ASSIGN: {token.SHL_ASSIGN, token.ASSIGN},
}

// outcome is what became of a mutant.
type outcome string

const (
	killed   outcome = "killed"
	survived outcome = "survived"
	timeout  outcome = "timed out" // counts as killed
	broken   outcome = "does not compile"
)

// mutant is one change of a file.
type mutant struct {
	File      string // from the root of the module
	Line, Col int
	From, To  string
	Text      string // of the line, without the blanks around it
	source    *source
	node      ast.Node // the expression or statement of the operator
	at        int      // offset of the operator in the file
	outcome   outcome
}

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d:%d: %s became %s in: %s", m.File, m.Line, m.Col, m.From, m.To, m.Text)
}

// id is what the list of equal programs calls a mutant: it stays where lines move.
func (m *mutant) id() string {
	return fmt.Sprintf("%s: %s became %s at column %d of: %s", m.File, m.From, m.To, m.Col, m.Text)
}

// apply is the file with the operator replaced.
func (m *mutant) apply() []byte {
	text := m.source.text
	return slices.Concat(text[:m.at], []byte(m.To), text[m.at+len(m.From):])
}

// mutants are all of a package, in the order of its files, lines and columns. Generated
// files have none.
func (u *unit) mutants() (list []*mutant) {
	for _, s := range u.files {
		if ast.IsGenerated(s.tree) {
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			var op token.Token
			var pos token.Pos
			var to []token.Token
			switch n := n.(type) {
			case *ast.BinaryExpr:
				op, pos, to = n.Op, n.OpPos, binary[n.Op]
			case *ast.UnaryExpr:
				op, pos, to = n.Op, n.OpPos, unary[n.Op]
			case *ast.IncDecStmt:
				op, pos, to = n.Tok, n.TokPos, statements[n.Tok]
			case *ast.AssignStmt:
				op, pos, to = n.Tok, n.TokPos, statements[n.Tok]
			case *ast.BranchStmt:
				op, pos, to = n.Tok, n.TokPos, statements[n.Tok]
			}
			for _, t := range to {
				p := u.set.Position(pos)
				line := s.text[p.Offset-p.Column+1:]
				line, _, _ = bytes.Cut(line, []byte("\n"))
				list = append(list, &mutant{
					File: s.name, Line: p.Line, Col: p.Column, From: op.String(), To: t.String(),
					Text: string(bytes.TrimSpace(line)), source: s, node: n, at: p.Offset,
				})
			}
			return true
		})
	}
	slices.SortFunc(list, inOrder)
	return list
}

// inOrder compares mutants by their places.
func inOrder(a, b *mutant) int {
	return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col, cmp.Compare(a.To, b.To))
}

// equals are the mutants that are equal programs, by their names, with the reasons: a
// line each, after it an indented one.
func equals(file string) (map[string]string, error) {
	list := map[string]string{}
	f, err := os.Open(file)
	if os.IsNotExist(err) {
		return list, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	last := ""
	s := bufio.NewScanner(f)
	for s.Scan() {
		line := s.Text()
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, " "):
			if last != "" && list[last] == "" {
				return nil, fmt.Errorf("%s: no reason for %s", file, last)
			}
			last = line
			list[last] = ""
		default:
			list[last] = strings.TrimSpace(list[last] + " " + strings.TrimSpace(line))
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if last != "" && list[last] == "" {
		return nil, fmt.Errorf("%s: no reason for %s", file, last)
	}
	return list, nil
}
