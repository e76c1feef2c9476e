package robust

import (
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
)

// families are the formats that one name of -formats stands for.
var families = []struct {
	name  string
	elems []ir.Elem
}{
	{"odd", widths(ir.OddOf)},
	{"vec", []ir.Elem{ir.VecOf(2, 16), ir.VecOf(4, 16), ir.VecOf(6, 16), ir.VecOf(4, 8), ir.VecOf(6, 8), ir.VecOf(6, 6), ir.VecOf(8, 8)}},
	{"code", widths(ir.CodeOf)},
}

func widths(of func(int) ir.Elem) []ir.Elem {
	list := make([]ir.Elem, ir.MaxCodeBits)
	for b := range list {
		list[b] = of(b + 1)
	}
	return list
}

// Formats are the formats of a list of names: families, or single ones.
func Formats(names []string) ([]ir.Elem, error) {
	var list []ir.Elem
	var known []string
	for _, f := range families {
		known = append(known, f.name)
	}
	for _, name := range names {
		elems := []ir.Elem{}
		for _, f := range families {
			if f.name == name {
				elems = f.elems
			}
		}
		if e, ok := ir.ParseElem(name); ok && (e.IsPacked() && e.Kind != ir.Two || e.Kind == ir.I8) {
			elems = append(elems, e)
		}
		if len(elems) == 0 {
			return nil, diag.New(diag.Pos{}, diag.BadWidth, "-formats %s: no such format", name).
				WithHelp("odd, vec, code, or single ones as odd3, vec4x16, code4, i8").WithSuggestion(name, append(known, ir.ElemNames()...))
		}
		for _, e := range elems {
			if !slices.Contains(list, e) {
				list = append(list, e)
			}
		}
	}
	if len(list) == 0 {
		return nil, diag.New(diag.Pos{}, diag.BadWidth, "-formats names no format")
	}
	return list, nil
}

// Default are the families that a search chooses from unless it is told.
var Default = []string{"odd", "vec"}

// bookShare is the greatest share of a layer's bytes that its codebook may be:
// beyond it scalar codes are as small and better.
const bookShare = .6

// menu is the formats of the search that a layer may have.
func menu(l *ir.Node, env *pass.Env) []ir.Elem { return menuOf(l, env.Formats, env) }

// menuOf is the formats of a list that a layer may have: its own alone when it
// has one.
func menuOf(l *ir.Node, formats []ir.Elem, env *pass.Env) []ir.Elem {
	if own, ok := l.Elem(ir.AttrBits); ok {
		return []ir.Elem{own}
	}
	var list []ir.Elem
	shape := l.Const(ir.AttrWeight).Type.Shape
	for _, e := range formats {
		bits := float64(e.Bits) / float64(max(e.Group, 1))
		if bits < env.MinBits || env.MaxBits > 0 && bits > env.MaxBits {
			continue
		}
		if !quant.Serves(l, e) || e.Kind == ir.Vec && int(e.Group) > shape[1] {
			continue
		}
		if float64(ir.BookBytes(e)) > bookShare*float64(layerBytes(l, e)) {
			continue
		}
		list = append(list, e)
	}
	if len(list) == 0 { // what no format of the list serves
		top := env.MaxBits
		if top == 0 {
			top = ir.MaxCodeBits
		}
		list = []ir.Elem{ir.OddOf(max(int(top), 1))}
	}
	return list
}

// there is the formats of a list whose kernels have room in the arena for what they need;
// all of them where none has.
func (s *Search) there(l int, list []ir.Elem) []ir.Elem {
	var rest []ir.Elem
	for _, e := range list {
		if s.oracle.hasRoom(l, e) {
			rest = append(rest, e)
		}
	}
	if len(rest) == 0 {
		return list
	}
	return rest
}

// smallest is the format of fewest bytes of each layer.
func (s *Search) smallest() []ir.Elem {
	list := make([]ir.Elem, len(s.layers))
	for i, l := range s.layers {
		list[i] = slices.MinFunc(s.menu[i], func(a, b ir.Elem) int { return layerBytes(l, a) - layerBytes(l, b) })
	}
	return list
}

// refuseImpossible refuses a number of bytes, or a bound on cycles, that no choice in the
// menu keeps, before anything is measured; methods with formats of their own say it
// themselves.
func (s *Search) refuseImpossible(m method, bytes int) error {
	least, _, _ := sizes(s.layers, s.smallest())
	if m.menu && (least > bytes || s.bounded() && s.cyclesOf(s.fastest()) > s.most) {
		return s.tooSmall()
	}
	return nil
}

// tooSmall says which budget would be the least possible one in the menu.
func (s *Search) tooSmall() error { return s.tooSmallFor(s.smallest()) }
