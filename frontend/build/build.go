// Package build makes a module from another format's graph: what importers
// share. It gives names, infers types, and puts reshapes where two formats see
// the same elements under different dimensions.
package build

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// Builder appends operations to a module.
type Builder struct {
	M *ir.Module
	// Most bounds the bytes of constants that Floats and Ints make, where it is not 0:
	// operations after them fail.
	Most, made int
	names      map[string]bool
	next       map[string]int // the number that the next name of a hint may have
}

// New begins a module.
func New(name string) *Builder {
	return &Builder{M: &ir.Module{Name: Identifier(name)}, names: map[string]bool{}, next: map[string]int{}}
}

// reserved words begin statements of the language or follow types in it.
var reserved = map[string]bool{"dnn": true, "tensors": true, "data": true, "network": true, "arena": true, "const": true, "return": true}

// Identifier is a C identifier like s.
func Identifier(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, s)
	if s = strings.Trim(s, "_"); s == "" || s[0] >= '0' && s[0] <= '9' || reserved[s] {
		s = "n" + s
	}
	return s
}

// Name is a name like hint that nothing has yet: words of letters, digits and _
// with points between them.
func (b *Builder) Name(hint string) string {
	var words []string
	for _, w := range strings.FieldsFunc(hint, func(r rune) bool { return r == '.' || r == '/' || r == ':' }) {
		w = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
				return r
			}
			return '_'
		}, w)
		words = append(words, w)
	}
	name := strings.Join(words, ".")
	if name == "" || name[0] >= '0' && name[0] <= '9' || reserved[name] {
		name = "n" + name
	}
	const longest = 64
	if len(name) > longest {
		name = strings.Trim(name[len(name)-longest:], ".0123456789")
	}
	unique := name
	if b.names[unique] {
		i := max(b.next[name], 2)
		for unique = fmt.Sprintf("%s_%d", name, i); b.names[unique]; i++ {
			unique = fmt.Sprintf("%s_%d", name, i+1)
		}
		b.next[name] = i + 1 // all before it are taken
	}
	b.names[unique] = true
	return unique
}

// Input declares an input of the network.
func (b *Builder) Input(name string, shape ir.Shape, r ir.Range) *ir.Value {
	v := &ir.Value{Name: strings.ReplaceAll(b.Name(name), ".", "_"), Type: ir.Type{Elem: ir.Of(ir.F32), Shape: shape}, Range: &r}
	b.M.Inputs = append(b.M.Inputs, v)
	return v
}

// Add appends an operation under a name like hint.
func (b *Builder) Add(op ir.Op, hint string, args []*ir.Value, attrs ...ir.Attr) (*ir.Value, error) {
	n := &ir.Node{Op: op, Args: args, Out: &ir.Value{Name: b.Name(hint)}}
	return b.add(n, attrs)
}

// AddNamed appends an operation under a name that Name gave.
func (b *Builder) AddNamed(op ir.Op, name string, args []*ir.Value, attrs ...ir.Attr) (*ir.Value, error) {
	return b.add(&ir.Node{Op: op, Args: args, Out: &ir.Value{Name: name}}, attrs)
}

// AddQuantized appends an operation under a name that Name gave, its result of a
// quantization.
func (b *Builder) AddQuantized(op ir.Op, name string, args []*ir.Value, q ir.Quant, attrs ...ir.Attr) (*ir.Value, error) {
	return b.add(&ir.Node{Op: op, Args: args, Out: &ir.Value{Name: name, Type: ir.Type{Quant: q}}}, attrs)
}

// AddOf is AddQuantized of a result of integers of a type, whose shape is inferred.
func (b *Builder) AddOf(op ir.Op, name string, args []*ir.Value, t ir.Type, attrs ...ir.Attr) (*ir.Value, error) {
	return b.add(&ir.Node{Op: op, Args: args, Out: &ir.Value{Name: name, Type: t}}, attrs)
}

// Ints declares a constant of integers.
func (b *Builder) Ints(name string, kind ir.Kind, shape ir.Shape, x []int64) *ir.Const {
	b.made += 8 * len(x)
	c := ir.IntConst(b.Name(name), ir.Of(kind), shape, x)
	b.M.Consts = append(b.M.Consts, c)
	return c
}

// LogSoftmax makes the attributes of an integer log softmax (R23) of an argument of a scale: its table and
// its factors, which it names after the operation.
func (b *Builder) LogSoftmax(name string, scale float64, q ir.Quant) ([]ir.Attr, error) {
	p, err := geometry.NewLogSoftmax(scale, q.Scale, int32(q.Zero))
	if err != nil {
		return nil, err
	}
	var table []int64
	for _, e := range kernels.LogSoftmaxTable(scale) {
		table = append(table, int64(e))
	}
	mul, shift := p.Factors()
	return []ir.Attr{ir.AttrTable.Is(b.Ints(name+".table", ir.I32, ir.Shape{len(table)}, table)),
		ir.AttrMul.Is(b.Ints(name+".mul", ir.I32, ir.Shape{2}, mul)), ir.AttrShift.Is(b.Ints(name+".shift", ir.I32, ir.Shape{2}, shift))}, nil
}

func (b *Builder) add(n *ir.Node, attrs []ir.Attr) (*ir.Value, error) {
	if b.Most > 0 && b.made > b.Most {
		return nil, fmt.Errorf("makes constants of more than %d MiB in all, many times what the file has", b.Most>>20)
	}
	if slices.Contains(n.Args, nil) {
		return nil, errors.New("has a constant for an argument that must be computed")
	}
	n.Out.Def = n
	for _, a := range attrs {
		if a.Value == nil {
			continue
		}
		if reason := n.Op.Attr(a.Key).Check(a.Value); reason != "" {
			return nil, fmt.Errorf("%s: attribute %s %s", n.Op, a.Key, reason)
		}
		n.Put(a)
	}
	t, d := ir.InferNode(n)
	if d != nil {
		return nil, &fault{d}
	}
	n.Out.Type = t
	b.M.Ops = append(b.M.Ops, n)
	return n.Out, nil
}

// Const declares an f32 constant.
func (b *Builder) Const(name string, shape ir.Shape, data ir.Data) *ir.Const {
	c := &ir.Const{Name: b.Name(name), Type: ir.Type{Elem: ir.Of(ir.F32), Shape: shape}, Data: data}
	b.M.Consts = append(b.M.Consts, c)
	return c
}

// Floats declares an f32 constant of numbers.
func (b *Builder) Floats(name string, shape ir.Shape, x []float32) *ir.Const {
	b.made += 4 * len(x)
	return b.Const(name, shape, ir.FloatConst(name, shape, x).Data)
}

// ManyTerms is the elements from which on terms of their own, as embeddings of positions have them, become a
// value of one byte each, in place of an offset, a multiplier and a shift for each.
const ManyTerms = 4096

// ScaleShift is scale*x+shift, one pair a channel: a batch normalisation.
func (b *Builder) ScaleShift(hint string, v *ir.Value, scale, shift []float32) (*ir.Value, error) {
	name, shape := b.Name(hint), ir.Shape{len(scale)}
	return b.AddNamed(ir.BatchNorm, name, []*ir.Value{v}, ir.AttrEps.Is(0.),
		ir.AttrGamma.Is(b.Floats(name+".weight", shape, scale)),
		ir.AttrBeta.Is(b.Floats(name+".bias", shape, shift)),
		ir.AttrRunningMean.Is(b.Floats(name+".running_mean", shape, make([]float32, len(scale)))),
		ir.AttrVariance.Is(b.Floats(name+".running_var", shape, slices.Repeat([]float32{1}, len(scale)))))
}

// Axis is an axis in 0..rank-1, counted from the end where it is negative.
func Axis(axis, rank int) (int, error) {
	if axis < 0 {
		axis += rank
	}
	if axis < 0 || axis >= rank {
		return 0, fmt.Errorf("has the axis %d of %d", axis, rank)
	}
	return axis, nil
}

// Product is the number of elements of a shape that has been checked.
func Product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Canonical are the dimensions of the module's value of a tensor: without the batch of
// one.
func Canonical(shape []int) ir.Shape {
	switch {
	case len(shape) == 0:
		return ir.Shape{1}
	case len(shape) > 1 && shape[0] == 1:
		return slices.Clone(shape[1:])
	}
	return slices.Clone(shape)
}

// Broadcast is the shape of an operation of two tensors, element by element.
func Broadcast(a, b []int) ([]int, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i, d := range b {
		k := len(a) - len(b) + i
		switch {
		case a[k] == d || d == 1:
		case a[k] == 1:
			out[k] = d
		default:
			return nil, fmt.Errorf("of shapes %v and %v, which do not fit", a, b)
		}
	}
	return out, nil
}

// Same is SAME padding, [top, left, bottom, right], of an image of a size [height,
// width]: the odd pixel lies after.
func Same(size, kernel, stride, dilation []int) []int {
	pad := []int{0, 0, 0, 0}
	for i := range 2 {
		out := (size[i] + stride[i] - 1) / stride[i]
		all := max((out-1)*stride[i]+(kernel[i]-1)*dilation[i]+1-size[i], 0)
		pad[i], pad[2+i] = all/2, all-all/2
	}
	return pad
}

// Reshape is v with other dimensions, v itself where it has them.
func (b *Builder) Reshape(v *ir.Value, shape ir.Shape) (*ir.Value, error) {
	if v.Type.Shape.Equal(shape) {
		return v, nil
	}
	// A reshape of a reshape is one of what that one reshapes.
	for v.Def != nil && (v.Def.Op == ir.Reshape || v.Def.Op == ir.Flatten) {
		if v = v.Def.Args[0]; v.Type.Shape.Equal(shape) {
			return v, nil
		}
	}
	if v.Type.Quant.Scale != 0 { // of integers, whose operations are core ones
		return b.AddQuantized(ir.Reshape, b.Name(v.Name+".shape"), []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(shape)))
	}
	if len(shape) == 1 {
		return b.Add(ir.Flatten, v.Name+".flat", []*ir.Value{v})
	}
	return b.Add(ir.Reshape, v.Name+".shape", []*ir.Value{v}, ir.AttrShape.Is([]int(shape)))
}

// Finish sets the results, and drops what they do not need. names are what the model calls
// the results, in their order. A name that the language does not have, such as a path or a
// number, or that another result has, is left out: the result is called like its value.
func (b *Builder) Finish(outputs []*ir.Value, names ...string) *ir.Module {
	m := b.M
	m.Outputs = outputs
	b.nameResults(names)
	for _, o := range outputs {
		m.Results = append(m.Results, ir.Type{Elem: o.Type.Elem, Shape: o.Type.Shape})
	}
	live := map[*ir.Value]bool{}
	for _, o := range outputs {
		live[o] = true
	}
	kept := make([]*ir.Node, 0, len(m.Ops))
	for i := len(m.Ops) - 1; i >= 0; i-- {
		if n := m.Ops[i]; live[n.Out] {
			kept = append(kept, n)
			for _, a := range n.Args {
				live[a] = true
			}
		}
	}
	for i, j := 0, len(kept)-1; i < j; i, j = i+1, j-1 {
		kept[i], kept[j] = kept[j], kept[i]
	}
	m.Ops = kept
	m.PruneConsts()
	return m
}

// nameResults notes the names of results that differ from those of their values.
func (b *Builder) nameResults(names []string) {
	tasks := slices.Repeat([]ir.Task{{Axis: ir.NoAxis}}, len(b.M.Outputs))
	taken, isNamed := map[string]bool{}, false
	for _, o := range b.M.Outputs {
		taken[o.Name] = true
	}
	for i, name := range names {
		var t ir.Task
		if _, err := t.Set("name", name); err != nil || taken[name] || reserved[name] {
			continue
		}
		taken[name], isNamed = true, true
		tasks[i].Result = name
	}
	if isNamed {
		b.M.Tasks = tasks
	}
}

// ShortFloat is the shortest decimal number that is x as a float32: what was
// written before it became one.
func ShortFloat(x float64) float64 {
	f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(float32(x)), 'g', -1, 32), 64)
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return x
	}
	return f
}
