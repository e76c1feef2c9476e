// Package robust chooses the format of every layer's weights: one width
// everywhere, or by Qed, the dynamic program over the layers' widths that
// keeps the network right when its inputs are disturbed.
package robust

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/quant"
)

// plainWidth is the width from which nearest rounding, which needs no data,
// serves. Below it compensated rounding is worth a bit and more: on LeNet-5 it
// costs less KL at 4 bits than nearest rounding at 5.
const plainWidth = 8

// Widths writes the format and the rounding of every layer's weights into the
// module. A layer that has a format already, by hand or by -fix, keeps it.
func Widths(ctx context.Context, m *ir.Module, env *pass.Env) error {
	layers := m.Layers()
	for _, name := range slices.Sorted(maps.Keys(env.Fix)) {
		e := env.Fix[name]
		n := m.Value(name)
		if n == nil || n.Def == nil || !n.Def.Op.HasWeights() {
			names := make([]string, len(layers))
			for i, l := range layers {
				names[i] = l.Name()
			}
			return diag.New(diag.Pos{}, diag.UnknownName, "-fix %s: no layer of this name", name).WithSuggestion(name, names)
		}
		n.Def.Put(ir.AttrBits.Is(e))
	}
	env.Report = pass.SearchReport{Method: string(env.Level)}
	if err := limits(ctx, m, env); err != nil {
		return err
	}
	picks, err := pick(ctx, m, env)
	if err != nil {
		return err
	}
	apply(layers, picks)
	for _, n := range layers {
		e, _ := n.Elem(ir.AttrBits)
		env.Report.Layers = append(env.Report.Layers, pass.Layer{Name: n.Name(), Elem: e, Bytes: layerBytes(n, e)})
	}
	for i := range env.Report.Layers {
		l := &env.Report.Layers[i]
		for _, row := range env.Report.Table {
			if j := slices.Index(row.Elems, l.Elem); row.Name == l.Name && j >= 0 {
				l.Cost = row.KL[j]
			}
		}
	}
	return nil
}

// pick is every layer's format at the level of the run.
func pick(ctx context.Context, m *ir.Module, env *pass.Env) ([]quant.Format, error) {
	layers := m.Layers()
	rounded := func(list []ir.Elem) (formats []quant.Format) {
		for l, e := range list {
			formats = append(formats, formatOf(layers[l], e, env.Rounding))
		}
		return formats
	}
	name := env.Search
	switch env.Level {
	case pass.Int8:
		return rounded(uniform(layers, ir.Of(ir.I8))), nil
	case pass.Universal:
		list, err := universal(m, env)
		return rounded(list), err
	case pass.Compress:
		name = "compress"
	}
	if len(layers) == 0 {
		return nil, nil
	}
	way, err := findMethod(name)
	if err != nil {
		return nil, err
	}
	env.Report.Method = way.name
	s, err := New(m, env)
	if err != nil {
		return nil, err
	}
	n, err := s.search(ctx, way)
	for isTooSmall(err) && s.relax() {
		n, err = s.search(ctx, way)
	}
	if err != nil {
		return nil, err
	}
	if n, err = s.counted(ctx, way, n); err != nil {
		return nil, err
	}
	s.choose(n)
	return n.Formats, nil
}

// search is a method's choice within the budget.
func (s *Search) search(ctx context.Context, way method) (*Network, error) {
	if bytes, ok := Limit(s.layers, s.env.Budget); ok {
		return s.withinBytes(ctx, way, bytes)
	}
	return s.keeping(ctx, way)
}

// uniform gives every layer one format, but for those that have theirs.
func uniform(layers []*ir.Node, e ir.Elem) []ir.Elem {
	picks := make([]ir.Elem, len(layers))
	for i, n := range layers {
		picks[i] = e
		if own, ok := n.Elem(ir.AttrBits); ok {
			picks[i] = own
		}
	}
	return picks
}

// apply writes formats onto layers.
func apply(layers []*ir.Node, formats []quant.Format) {
	for i, n := range layers {
		f := formats[i]
		n.Put(ir.AttrBits.Is(f.Elem))
		n.Put(ir.AttrRounding.Is(f.Rounding))
		if f.Sparsity > 0 {
			n.Put(ir.AttrSparsity.Is([]float64{f.Sparsity}))
		}
	}
}

// formatOf is an element type with the rounding that layer n asks for, or else the
// user, or else the one for the type.
func formatOf(n *ir.Node, e ir.Elem, wanted string) quant.Format {
	f := quant.Format{Elem: e, Rounding: n.Word(ir.AttrRounding)}
	if f.Rounding == "" {
		f.Rounding = roundingOf(e, wanted)
	}
	if s := n.Nums(ir.AttrSparsity); s != nil {
		f.Sparsity = s[0]
	}
	return f
}

// roundingOf is how a format is rounded unless its layer says it: as the user
// wants where there is a choice.
func roundingOf(e ir.Elem, wanted string) string {
	switch {
	case e.Kind == ir.I8:
		return quant.Nearest
	case e.Kind == ir.Vec:
		return quant.Compensated
	case wanted == quant.Nearest && e.Kind == ir.Code:
		return quant.Shared
	case wanted != "":
		return wanted
	case e.Kind == ir.Odd && e.Bits >= plainWidth:
		return quant.Nearest
	}
	return quant.Compensated
}

// layerBytes is the packed size of a layer's weights in a format, its codebook
// included.
func layerBytes(n *ir.Node, e ir.Elem) int {
	return ir.PackedBytes(e, n.Const(ir.AttrWeight).Type.Shape) + ir.BookBytes(e)
}

// sizes sums a network up: packed weights, per-channel constants, weights.
func sizes(layers []*ir.Node, picks []ir.Elem) (bytes, constants, weights int) {
	for i, n := range layers {
		shape := n.Const(ir.AttrWeight).Type.Shape
		bytes += layerBytes(n, picks[i])
		constants += ir.ChannelBytes * shape[0]
		weights += shape.Size()
	}
	return bytes, constants, weights
}

// Constants is the bytes of the layers' per-channel constants, as budgets in
// bytes count them.
func Constants(layers []*ir.Node) int {
	_, constants, _ := sizes(layers, uniform(layers, ir.Of(ir.I8)))
	return constants
}

// Limit is the packed weight bytes that the budget allows; every budget but
// -keep is one. ok is false when there is none.
func Limit(layers []*ir.Node, b pass.Budget) (bytes int, ok bool) {
	_, constants, weights := sizes(layers, uniform(layers, ir.Of(ir.I8)))
	switch {
	case b.Bits > 0:
		// An average over weights does not count the last byte of each plane.
		const planes = 3
		return int(math.Floor(b.Bits*float64(weights)/8)) + planes*len(layers), true
	case b.Bytes > 0:
		return b.Bytes - constants, true
	case b.Ratio > 0:
		return int(4*float64(weights)/b.Ratio) - constants, true
	}
	return 0, false
}

// universal picks the widest single width within the budget, 8 bits without
// one; -bits must name a width.
func universal(m *ir.Module, env *pass.Env) ([]ir.Elem, error) {
	layers := m.Layers()
	if b := env.Budget.Bits; b > 0 {
		if b != math.Trunc(b) || b > ir.MaxCodeBits {
			return nil, diag.New(diag.Pos{}, diag.BadWidth, "-bits %v: one width for all layers is a whole number from 1 to 8", b)
		}
		if b < env.MinBits || env.MaxBits > 0 && b > env.MaxBits {
			return nil, diag.New(diag.Pos{}, diag.BadWidth, "-bits %v is not within -min %v and -max %v", b, env.MinBits, env.MaxBits)
		}
		return uniform(layers, ir.OddOf(int(b))), nil
	}
	least, most := oddWidths(env)
	bytes, ok := Limit(layers, env.Budget)
	if !ok {
		bytes = math.MaxInt
	}
	w := widest(layers, bytes, least, most)
	if w == 0 {
		return nil, tooSmall(layers, uniform(layers, ir.OddOf(least)), env.Budget)
	}
	return uniform(layers, ir.OddOf(w)), nil
}

// oddWidths are the least and the greatest width of odd codes within -min and -max; the
// nearest one where none is.
func oddWidths(env *pass.Env) (least, most int) {
	most = ir.MaxCodeBits
	if env.MaxBits > 0 {
		most = min(max(int(env.MaxBits), 1), ir.MaxCodeBits)
	}
	return min(max(int(math.Ceil(env.MinBits)), 1), most), most
}

// widest is the greatest universal width from least to most within packed bytes, or 0.
func widest(layers []*ir.Node, bytes, least, most int) int {
	for b := most; b >= least; b-- {
		if total, _, _ := sizes(layers, uniform(layers, ir.OddOf(b))); total <= bytes {
			return b
		}
	}
	return 0
}

// tooSmall says which budget would be the least possible one.
func tooSmall(layers []*ir.Node, smallest []ir.Elem, b pass.Budget) error {
	least, constants, weights := sizes(layers, smallest)
	d := diag.New(diag.Pos{}, diag.BadBudget, "no choice of widths fits the budget").
		WithNote("in the smallest formats the packed weights take %d bytes and the constants of the channels %d", least, constants)
	switch {
	case b.Bits > 0:
		d.WithHelp("the least possible is -bits %.4g", math.Ceil(float64(8*least)/float64(weights)*1000)/1000)
	case b.Bytes > 0:
		d.WithHelp("the least possible is -size %d", least+constants)
	case b.Ratio > 0:
		d.WithHelp("the greatest possible is -ratio %.4g", math.Floor(4*float64(weights)/float64(least+constants)*100)/100)
	}
	return d
}
