package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// site is a node whose text is replaced by one that holds its mutants too: which of them
// runs, the environment says when the program starts. Text that a site does not need to
// change is copied, with the sites in it.
type site struct {
	number   int // from 0 in the package
	node     ast.Node
	mutants  []*mutant
	numbers  []int  // of the mutants, from 1 in the package
	function string // what the text calls, empty if it calls only what all sites share
	render   func(s *source) string
}

// schemata are the sites of a package.
type schemata struct {
	unit  *unit
	sites []*site
	where map[*mutant]place // of those that have a site
}

// place is where a mutant stands in the schemata.
type place struct{ number, site int }

// newSchemata makes the sites of mutants. Those without one have to be compiled alone.
func newSchemata(u *unit, list []*mutant) (*schemata, error) {
	s := &schemata{unit: u, where: map[*mutant]place{}}
	places := map[ast.Node]*site{}
	for i, m := range list {
		node := u.holder(m)
		if places[node] == nil {
			places[node] = &site{number: len(s.sites), node: node}
			s.sites = append(s.sites, places[node])
		}
		p := places[node]
		p.mutants, p.numbers = append(p.mutants, m), append(p.numbers, i+1)
	}
	s.sites = slices.DeleteFunc(s.sites, func(p *site) bool { return !u.rewrite(p) })
	for {
		s.attach()
		faults, err := s.check()
		if err != nil {
			return nil, err
		}
		if len(faults) == 0 {
			break
		}
		s.sites = slices.DeleteFunc(s.sites, func(p *site) bool { return faults[p] })
	}
	for _, p := range s.sites {
		for i, m := range p.mutants {
			s.where[m] = place{p.numbers[i], p.number}
		}
	}
	return s, nil
}

// attach gives each file its sites.
func (s *schemata) attach() {
	for _, f := range s.unit.files {
		f.sites = nil
		for _, p := range s.sites {
			if p.mutants[0].source == f {
				f.sites = append(f.sites, p)
			}
		}
		slices.SortFunc(f.sites, func(a, b *site) int {
			if a.node.Pos() != b.node.Pos() {
				return int(a.node.Pos() - b.node.Pos())
			}
			return int(b.node.End() - a.node.End())
		})
	}
}

// check compiles the files with all sites, and says at which there are faults.
func (s *schemata) check() (map[*site]bool, error) {
	u := s.unit
	tree, err := parser.ParseFile(u.set, "switches.go", s.switches(), parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.name, err)
	}
	trees, of := []*ast.File{tree}, map[*token.File]*source{}
	for _, f := range u.files {
		tree, err := parser.ParseFile(u.set, f.path, f.rewritten(), parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.name, err)
		}
		trees = append(trees, tree)
		of[u.set.File(tree.FileStart)] = f
	}
	faults := map[*site]bool{}
	var other error
	u.config(func(err error) {
		at := err.(types.Error).Pos
		f := of[u.set.File(at)]
		p := f.siteAt(u.set.Position(at).Offset)
		if p == nil {
			other = err
			return
		}
		faults[p] = true
	}).Check(u.pkg.Path(), u.set, trees, nil)
	if other != nil && len(faults) == 0 {
		return nil, fmt.Errorf("%s: %w", u.name, other)
	}
	return faults, nil
}

// rewritten is a file with its sites.
func (f *source) rewritten() []byte {
	return []byte(f.copy(f.tree.FileStart, f.tree.FileEnd))
}

// copy is the text between two places, with the sites in it.
func (f *source) copy(from, to token.Pos) string {
	var b strings.Builder
	start := f.tree.FileStart
	for _, p := range f.sites {
		if p.node.Pos() < from || p.node.End() > to {
			continue
		}
		b.Write(f.text[from-start : p.node.Pos()-start])
		b.WriteString(p.render(f))
		from = p.node.End()
	}
	b.Write(f.text[from-start : to-start])
	return b.String()
}

// siteAt is the outermost site whose new text is at an offset of the rewritten file. A
// fault of an inner one removes the outer one first; the inner one has its turn then.
func (f *source) siteAt(offset int) *site {
	if f == nil {
		return nil
	}
	old, at := f.tree.FileStart, 0
	for _, p := range f.sites {
		if p.node.Pos() < old {
			continue
		}
		at += int(p.node.Pos() - old)
		end := at + len(p.render(f))
		if at <= offset && offset < end {
			return p
		}
		old, at = p.node.End(), end
	}
	return nil
}

// holder is the node whose text holds a mutant: that of its operator, or the greatest
// constant around it, since the compiler computes constants exactly.
func (u *unit) holder(m *mutant) ast.Node {
	node := m.node
	for n := node; u.isConstant(n); n = m.source.parents[n] {
		node = n
	}
	return node
}

func (u *unit) isConstant(n ast.Node) bool {
	e, ok := n.(ast.Expr)
	return ok && u.info.Types[e].Value != nil
}

// rewrite makes the text of a site; false where there is no way to.
func (u *unit) rewrite(p *site) bool {
	from := token.Token(0)
	switch n := p.node.(type) {
	case *ast.BranchStmt:
		p.render = func(f *source) string {
			label := ""
			if n.Label != nil {
				label = " " + n.Label.Name
			}
			return fmt.Sprintf("if dnncIs(%d) { %s%s } else { %s%s }", p.number, p.mutants[0].To, label, n.Tok, label)
		}
		return true
	case *ast.IncDecStmt:
		if !u.isPure(n.X) {
			return false
		}
		p.render = func(f *source) string {
			x := f.copy(n.X.Pos(), n.X.End())
			return fmt.Sprintf("%s = dnncMutant%d(%s)", x, p.number, x)
		}
		return u.function(p, n.X, "x", func(op string) string { return "x " + op[:1] + " 1" }, n.Tok)
	case *ast.AssignStmt:
		if !u.isPure(n.Lhs[0]) {
			return false
		}
		p.render = func(f *source) string {
			x := f.copy(n.Lhs[0].Pos(), n.Lhs[0].End())
			return fmt.Sprintf("%s = dnncMutant%d(%s, %s)", x, p.number, x, f.copy(n.Rhs[0].Pos(), n.Rhs[0].End()))
		}
		return u.function(p, n.Lhs[0], "x, y", func(op string) string {
			if op == "=" {
				return "T(y)"
			}
			return "x " + strings.TrimSuffix(op, "=") + " y"
		}, n.Tok)
	case *ast.BinaryExpr:
		from = n.Op
	case *ast.UnaryExpr:
		from = n.Op
	}
	if u.isConstant(p.node) {
		u.constants(p)
		return true
	}
	if n, ok := p.node.(*ast.UnaryExpr); ok {
		p.render = func(f *source) string {
			return fmt.Sprintf("dnncMutant%d%s(%s)", p.number, u.argument(p, n.X), f.copy(n.X.Pos(), n.X.End()))
		}
		return u.function(p, n.X, "x", func(op string) string { return op + "x" }, from)
	}
	n, ok := p.node.(*ast.BinaryExpr)
	if !ok {
		return false
	}
	operands := func(f *source) (x, y string) { return f.copy(n.X.Pos(), n.X.End()), f.copy(n.Y.Pos(), n.Y.End()) }
	switch from {
	case token.EQL, token.NEQ: // operands may be nil, or of any type
		p.render = func(f *source) string {
			x, y := operands(f)
			return fmt.Sprintf("((%s %s %s) != dnncIs(%d))", x, from, y, p.number)
		}
		return true
	case token.LAND, token.LOR:
		name := map[token.Token]string{token.LAND: "And", token.LOR: "Or"}[from]
		p.render = func(f *source) string {
			x, y := operands(f)
			return fmt.Sprintf("dnnc%s(dnncIs(%d), %s, func() bool { return %s })", name, p.number, x, y)
		}
		return true
	}
	p.render = func(f *source) string {
		x, y := operands(f)
		return fmt.Sprintf("dnncMutant%d%s(%s, %s)", p.number, u.argument(p, n.X), x, y)
	}
	return u.function(p, n.X, "x, y", func(op string) string { return "x " + op + " y" }, from)
}

// constants makes the site of a constant, which stands beside its mutants.
func (u *unit) constants(p *site) {
	e := p.node.(ast.Expr)
	p.render = func(f *source) string {
		start := f.tree.FileStart
		text := string(f.text[e.Pos()-start : e.End()-start])
		list := []string{text}
		for _, m := range p.mutants {
			at := m.at - int(e.Pos()-start)
			list = append(list, text[:at]+m.To+text[at+len(m.From):])
		}
		return fmt.Sprintf("dnncMutant%d%s(%s)", p.number, u.argument(p, e), strings.Join(list, ", "))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "func dnncMutant%d[T any](x T, list ...T) T {\n\tif !dnncSite[%d] {\n\t\treturn x\n\t}\n\tswitch dnncMutant {\n", p.number, p.number)
	for i := range p.mutants {
		fmt.Fprintf(&b, "\tcase %d:\n\t\treturn list[%d]\n", p.numbers[i], i)
	}
	fmt.Fprintf(&b, "\t}\n\tdnncSeen(%d)\n\treturn x\n}\n", p.number)
	p.function = b.String()
}

// function makes what a site calls with its operands: a short part that the compiler
// copies to the place of the call, and a part that runs for the site's mutants only.
func (u *unit) function(p *site, operand ast.Expr, names string, text func(op string) string, from token.Token) bool {
	constraint := constraint(u.info.Types[operand].Type, from)
	if constraint == "" {
		return false
	}
	result, parameters, head := "T", names+" T", "T "+constraint
	switch from {
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		result = "bool"
	case token.SHL, token.SHR, token.SHL_ASSIGN, token.SHR_ASSIGN:
		parameters, head = "x T, y N", head+", N dnncInteger"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "func dnncMutant%d[%s](%s) %s {\n\tif dnncSite[%d] {\n\t\treturn dnncMutant%dOn(%s)\n\t}\n\treturn %s\n}\n",
		p.number, head, parameters, result, p.number, p.number, names, text(from.String()))
	fmt.Fprintf(&b, "func dnncMutant%dOn[%s](%s) %s {\n\tswitch dnncMutant {\n", p.number, head, parameters, result)
	for i, m := range p.mutants {
		fmt.Fprintf(&b, "\tcase %d:\n\t\treturn %s\n", p.numbers[i], text(m.To))
	}
	fmt.Fprintf(&b, "\t}\n\tdnncSeen(%d)\n\treturn %s\n}\n", p.number, text(from.String()))
	p.function = b.String()
	return true
}

// constraint is the least set of types that has an operator's operand, empty where there
// is none.
func constraint(t types.Type, op token.Token) string {
	if _, ok := types.Unalias(t).(*types.TypeParam); ok {
		if strings.ContainsAny(op.String(), "%&|^") || strings.Contains(op.String(), "<<") || strings.Contains(op.String(), ">>") {
			return "dnncInteger"
		}
		return "dnncReal"
	}
	b, ok := t.Underlying().(*types.Basic)
	switch {
	case !ok:
		return ""
	case b.Info()&types.IsString != 0:
		return "~string"
	case b.Info()&types.IsInteger != 0:
		return "dnncInteger"
	case b.Info()&types.IsFloat != 0:
		return "dnncReal"
	case b.Info()&types.IsComplex != 0:
		return "~complex64 | ~complex128"
	}
	return ""
}

// argument spells the type of an operand in its file, as a type argument: constants take
// their type from what is around them. It is empty where a file has no name for the type.
func (u *unit) argument(p *site, operand ast.Expr) string {
	isNamed := true
	name := types.TypeString(types.Default(u.info.Types[operand].Type), func(pkg *types.Package) string {
		if pkg == u.pkg {
			return ""
		}
		for _, i := range p.mutants[0].source.tree.Imports {
			if strings.Trim(i.Path.Value, "`\"") != pkg.Path() {
				continue
			}
			if i.Name != nil {
				return i.Name.Name
			}
			return pkg.Name()
		}
		isNamed = false
		return ""
	})
	if !isNamed {
		return ""
	}
	return "[" + name + "]"
}

// isPure reports whether an expression may be evaluated twice, and is no element of a map
// that has to be there.
func (u *unit) isPure(e ast.Expr) bool {
	isPure := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			f := u.info.Types[n.Fun]
			isPure = isPure && (f.IsType() || f.IsBuiltin())
		case *ast.UnaryExpr:
			isPure = isPure && n.Op != token.ARROW
		case *ast.FuncLit:
			isPure = false
		}
		return isPure
	})
	return isPure
}

// The variables of the environment that a program with mutants reads.
const (
	mutantVariable  = "DNNC_MUTANT"         // the number of the mutant to run, 0 or none for the program as it is
	reachedVariable = "DNNC_MUTANT_REACHED" // a file that gets the numbers of the sites that the program as it is reaches
)

// switchImports are the packages that switches needs.
var switchImports = []string{"os", "strconv", "sync"}

// switches is the file that says which mutant runs.
func (s *schemata) switches() []byte {
	var b bytes.Buffer
	count := 0
	var of strings.Builder
	for _, p := range s.sites {
		count = max(count, p.number+1)
		for _, n := range p.numbers {
			fmt.Fprintf(&of, "%d: %d, ", n, p.number)
		}
	}
	fmt.Fprintf(&b, `package %s

import (
	"os"
	"strconv"
	"sync"
)

type dnncInteger interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

type dnncReal interface {
	dnncInteger | ~float32 | ~float64
}

var dnncMutant, _ = strconv.Atoi(os.Getenv(%q))

var dnncReached = os.Getenv(%q)

var dnncLock sync.Mutex

// dnncSite has the site of the mutant that runs, or all that have not been reached.
var dnncSite = func() (on [%d]bool) {
	for i := range on {
		on[i] = dnncReached != ""
	}
	if dnncMutant > 0 {
		on[map[int]int{%s}[dnncMutant]] = true
	}
	return on
}()

func dnncSeen(site int) bool {
	if dnncReached == "" {
		return true
	}
	dnncLock.Lock()
	defer dnncLock.Unlock()
	if !dnncSite[site] {
		return false
	}
	dnncSite[site] = false
	f, err := os.OpenFile(dnncReached, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		panic(err)
	}
	if _, err := f.WriteString(strconv.Itoa(site) + "\n"); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
	return false
}

func dnncIs(site int) bool { return dnncSite[site] && dnncSeen(site) }

func dnncAnd(isOr, x bool, y func() bool) bool {
	if x != isOr {
		return y()
	}
	return isOr
}

func dnncOr(isAnd, x bool, y func() bool) bool {
	if x == isAnd {
		return y()
	}
	return !isAnd
}
`, s.unit.pkg.Name(), mutantVariable, reachedVariable, max(count, 1), of.String())
	for _, p := range s.sites {
		b.WriteString(p.function)
	}
	return b.Bytes()
}
