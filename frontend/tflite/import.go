// Package tflite imports TensorFlow Lite models: float32, and int8 or uint8 as the
// converter writes it. A quantized model becomes a module of the very integers of the
// file, whose requantizations round as TensorFlow Lite's reference kernels do
// (R8), or the float network that its integers stand for. Integers of uint8 are 128 less
// in the module, and so are their zero points.
package tflite

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/input"
)

// Options are what a user may say about a model.
type Options struct {
	// Float makes the float network that an int8 model stands for, to be quantized
	// anew; else an int8 model keeps its integers.
	Float  bool
	Ranges map[string]ir.Range // of the inputs' reals of a float model; [0,1] when absent
	// Optimized says that an exact module has the integers of TensorFlow Lite's optimized
	// kernels, as its interpreter computes them without delegates; else those of its reference
	// kernels, as TensorFlow Lite for Microcontrollers has them. They round layers, matrix
	// products, changes of scale and means of images in other ways.
	Optimized bool
	// Signature names the signature or the subgraph that is imported; it may be absent
	// where there is one.
	Signature string
	// Inexact, if it is not nil, is told why a quantized model cannot keep its integers;
	// the model is then read as reals. Else it is refused.
	Inexact func(why error)
}

// Load imports the model at path.
func Load(path string, opt Options) (*ir.Module, error) {
	raw, err := input.Map(path)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, diag.New(diag.Pos{File: path}, diag.BadFile, "%v", err)
	}
	m, err := Parse(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), raw, opt)
	var list diag.List
	var d *diag.Diagnostic
	switch {
	case errors.As(err, &list):
		for _, d := range list {
			d.Pos = diag.Pos{File: path}
		}
	case errors.As(err, &d):
		d.Pos = diag.Pos{File: path}
	}
	return m, err
}

// operand is a value of the network. An image lies as [C,H,W] in the module; its
// elements in the order H,W,C are the tensor's.
type operand struct {
	v     *ir.Value // nil of a constant
	c     *tensor   // the constant
	image bool
	shape []int
	// reals, of a module of integers, are what each integer from -128 on stands for where
	// the file has reals; nil where it has integers.
	reals *[256]float32
	// blocks, one an axis, are the sides of the blocks whose pixels SPACE_TO_BATCH_ND spread
	// over the batch; nil where it did not. v and shape are those before it.
	blocks []int
	// isTruth marks conditions of a module of integers, which only a choice takes.
	isTruth bool
}

// like is an operand of the elements and the meaning of another.
func (o *operand) like(v *ir.Value, shape []int) *operand {
	return &operand{v: v, image: o.image, shape: shape, reals: o.reals, blocks: o.blocks}
}

// scope is the tensors of a subgraph, and what they are so far.
type scope struct {
	tensors []*tensor
	values  map[int]*operand
	failed  map[int]bool
	step    string // of an unrolled loop: the last but one part of names
}

// importer takes one subgraph to one module.
type importer struct {
	*build.Builder
	*model
	scope
	exact   bool // integers are kept
	fast    bool // as the optimized kernels compute them
	namer   namer
	depth   int                       // of loops
	loops   int                       // operators that loops have become
	known   int                       // bytes of constants that were computed
	rounded map[*ir.Value]bool        // inputs of reals, of a module that has their integers
	shared  map[sharedConst]*ir.Const // weights that several layers have
}

// model is what all subgraphs share.
type model struct {
	f              *flat
	codes, buffers []table
	graphs         []table
	signed         map[int][]byte   // the data of buffers of uint8, less 128
	finite         map[content]bool // buffers whose reals are all finite
}

// madeBytes bounds the constants that a module has beside those of the file, which may take
// 16 times their bytes (a half becomes a float32, an integer one of 64 bits): operators of a
// small file may each ask for scales of a million elements.
const madeBytes = 1 << 28

// Parse imports the bytes of a model.
func Parse(name string, raw []byte, opt Options) (*ir.Module, error) {
	m, wasExact, err := parse(name, raw, opt)
	if err == nil || !wasExact || opt.Inexact == nil {
		return m, err
	}
	// What is damaged, or cannot be imported at all, is told as such.
	opt.Float = true
	if reals, _, other := parse(name, raw, opt); other == nil {
		opt.Inexact(err)
		return reals, nil
	}
	return nil, err
}

// parse imports a model; isExact says that it has integers, which were to be kept.
func parse(name string, raw []byte, opt Options) (m *ir.Module, isExact bool, err error) {
	pos := diag.Pos{File: name}
	if len(raw) < 8 || string(raw[4:8]) != "TFL3" {
		return nil, false, diag.New(pos, diag.BadFile, "no TensorFlow Lite model: the file identifier TFL3 is missing")
	}
	bad := func(err error) error { return diag.New(pos, diag.BadFile, "damaged: %v", err) }
	f := &flat{raw: raw}
	root := table{f, f.follow(0)}
	im := &importer{
		Builder: build.New(name), shared: map[sharedConst]*ir.Const{}, rounded: map[*ir.Value]bool{},
		model: &model{f: f, signed: map[int][]byte{}, finite: map[content]bool{}, graphs: root.tables(2), codes: root.tables(1), buffers: root.tables(4)},
	}
	im.Most = madeBytes + 16*len(raw)
	signatures := root.tables(7)
	if f.err != nil {
		return nil, false, bad(f.err)
	}
	if len(im.graphs) == 0 {
		return nil, false, bad(errors.New("it has no subgraph"))
	}
	sign, err := im.choose(signatures, opt.Signature)
	if err != nil {
		var d *diag.Diagnostic
		if errors.As(err, &d) {
			d.Pos = pos
			return nil, false, err
		}
		return nil, false, bad(err)
	}
	graph := im.graphs[sign.graph]
	if im.scope, err = im.open(graph); err != nil {
		return nil, false, bad(err)
	}
	inputs, outputs, ops := graph.ints(1), graph.ints(2), graph.tables(3)
	if f.err != nil {
		return nil, false, bad(f.err)
	}
	for _, i := range slices.Concat(inputs, outputs) {
		if i < 0 || i >= len(im.tensors) {
			return nil, false, bad(fmt.Errorf("tensor %d of %d", i, len(im.tensors)))
		}
	}
	quantized := slices.ContainsFunc(im.tensors, func(t *tensor) bool { return (t.typ == int8Type || t.typ == int16Type) && t.data == nil })
	im.exact = quantized && !opt.Float
	im.fast = im.exact && opt.Optimized
	im.namer = newNamer(im.tensors, sign)
	im.namer.passOn(im.model, ops)
	var list diag.List
	for _, i := range inputs {
		if err := im.input(i, ops, opt); err != nil {
			var d *diag.Diagnostic
			if !errors.As(err, &d) {
				d = diag.New(diag.Pos{}, diag.Unsupported, "%v", err)
			}
			d.Pos = pos
			list = append(list, d)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(opt.Ranges)) {
		if err := im.isInput(name, inputs); err != nil {
			err.Pos = pos
			list = append(list, err)
		}
	}
	if len(list) > 0 {
		return nil, im.exact, list.Err()
	}
	var faults build.Faults
	for k, op := range ops {
		if err := im.operator(op); err != nil {
			faults.Add(im.opName(op), im.resultName(op, k), err)
		}
		if f.err != nil {
			return nil, false, bad(f.err)
		}
	}
	if err := faults.Err(pos, len(ops)); err != nil {
		return nil, im.exact, err
	}
	outs, err := im.results(outputs)
	if err != nil {
		var d *diag.Diagnostic
		if !errors.As(err, &d) {
			d = diag.New(pos, diag.Unsupported, "%v", err)
		}
		d.Pos = pos
		return nil, im.exact, d
	}
	var names []string
	for _, i := range outputs {
		names = append(names, cmp.Or(im.namer.given[i], im.tensors[i].name))
	}
	m = im.Finish(outs, names...)
	if im.exact {
		m.After = "quantize"
	}
	if list := ir.Verify(m); len(list) > 0 {
		return nil, im.exact, list
	}
	return m, im.exact, nil
}

// results are the values that the network returns.
func (im *importer) results(outputs []int) (outs []*ir.Value, err error) {
	for _, i := range outputs {
		o, t := im.values[i], im.tensors[i]
		if o == nil && t.data != nil {
			if o, err = im.material(t); err != nil {
				return nil, fmt.Errorf("the output %q: %v", t.name, err)
			}
		}
		if o == nil {
			return nil, diag.New(diag.Pos{}, diag.BadFile, "nothing computes the output %q", t.name)
		}
		switch {
		case o.blocks != nil:
			return nil, fmt.Errorf("the output %q: %v", t.name, errBlocks)
		case o.reals != nil && *o.reals != *realsOf(o.v.Type.Quant):
			return nil, fmt.Errorf("the output %q: %v", t.name, errReals)
		}
		v, err := im.as(o, len(o.shape) == 4 && o.shape[0] == 1)
		if err != nil {
			return nil, fmt.Errorf("the output %q: %v", t.name, err)
		}
		if v.Def == nil || slices.Contains(outs, v) {
			if v, err = im.add(ir.Reshape, im.nameOf(i), []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(v.Type.Shape))); err != nil {
				return nil, err
			}
		}
		outs = append(outs, v)
	}
	if len(outs) == 0 {
		return nil, diag.New(diag.Pos{}, diag.BadFile, "the model has no output")
	}
	return outs, nil
}

// resultName names an operator by its result.
func (im *importer) resultName(op table, k int) string {
	if outs := op.ints(2); len(outs) > 0 && outs[0] >= 0 && outs[0] < len(im.tensors) && im.tensors[outs[0]].name != "" {
		return im.tensors[outs[0]].name
	}
	return fmt.Sprintf("operator %d", k)
}

// input declares an input. One that is quantized at once is declared as what it
// becomes.
func (im *importer) input(i int, ops []table, opt Options) error {
	t := im.tensors[i]
	rows := 0
	if t.typ == int32Type {
		rows = im.rowsOf(i, ops)
	}
	isByte := t.typ == uint8Type && !im.exact
	if t.typ != float32Type && t.typ != int8Type && t.typ != int16Type && rows == 0 && !isByte {
		return fmt.Errorf("input %q has elements of %s; inputs are float32, int8, uint8 or int16 with a scale, or int32 that only choose rows of a constant", t.name, typeName(t.typ))
	}
	shape := slices.Clone(t.shape)
	for axis, d := range t.signature {
		if d < 0 && axis > 0 {
			return fmt.Errorf("input %q leaves the size of axis %d open: convert the model for inputs of one shape", t.name, axis)
		}
	}
	if len(shape) > 1 && shape[0] > 1 && len(shape) == 4 {
		return fmt.Errorf("input %q is a batch of %d", t.name, shape[0])
	}
	if d := ir.CheckActivation(diag.Pos{}, fmt.Sprintf("input %q", t.name), shape); d != nil {
		return d
	}
	name := im.nameOf(i)
	r, given := opt.Ranges[t.name]
	if !given {
		r, given = opt.Ranges[name]
	}
	if !given {
		r = ir.Range{Lo: 0, Hi: float64(max(rows-1, 1))}
		if isByte {
			r.Hi = 255
		}
	}
	integer := t.integer()
	if t.typ == float32Type && im.exact {
		// The quantization of it says its type.
		for _, op := range ops {
			if im.opName(op) == "QUANTIZE" && slices.Contains(op.ints(1), i) {
				if outs := op.ints(2); len(outs) == 1 && outs[0] >= 0 && outs[0] < len(im.tensors) {
					integer = im.tensors[outs[0]].integer()
				}
			}
		}
	}
	quant := integer.Quant
	if quant.Scale > 0 && !given {
		least, greatest := integer.Ends()
		r = ir.Range{Lo: quant.Scale * float64(least-quant.Zero), Hi: quant.Scale * float64(greatest-quant.Zero)}
	}
	o := &operand{shape: shape, image: len(shape) == 4}
	o.v = im.Input(name, o.own(), r)
	if item := o.own(); len(item) == 2 && item[0] > 1 && item[1] > 1 {
		o.v.Content = ir.Content{Kind: ir.Signal, Axis: 0} // channels stand last in these models
	}
	if im.exact {
		if quant.Scale == 0 {
			return fmt.Errorf("input %q of a quantized model has no quantization", t.name)
		}
		o.v.Type.Elem, o.v.Type.Quant, o.v.Range = integer.Elem, quant, nil
		if t.typ == float32Type {
			im.rounded[o.v] = true
			if !integer.IsWide() {
				o.reals = realsOf(quant)
			}
		}
	}
	im.values[i] = o
	return nil
}

// isInput reports a name that -range gives and no input has.
func (im *importer) isInput(name string, inputs []int) *diag.Diagnostic {
	var names []string
	for _, i := range inputs {
		if name == im.tensors[i].name {
			return nil
		}
		names = append(names, im.nameOf(i))
	}
	if slices.Contains(names, name) {
		return nil
	}
	d := diag.New(diag.Pos{}, diag.BadValue, "-range %s: the model has no such input", name).WithSuggestion(name, names)
	if d.Help == "" {
		d.WithHelp("its inputs are %s", strings.Join(names, " "))
	}
	return d
}

// rowsOf is the rows of the constant that an input chooses from, the least where there
// are several; 0 where it does anything else.
func (im *importer) rowsOf(i int, ops []table) int {
	rows := 0
	for _, op := range ops {
		in := op.ints(1)
		if !slices.Contains(in, i) {
			continue
		}
		if im.opName(op) != "GATHER" || len(in) != 2 || in[0] == i || in[0] < 0 || in[0] >= len(im.tensors) {
			return 0
		}
		t := im.tensors[in[0]]
		if t.data == nil || len(t.shape) == 0 {
			return 0
		}
		if rows == 0 || t.shape[0] < rows {
			rows = t.shape[0]
		}
	}
	return rows
}

// own are the dimensions of an operand's value.
func (o *operand) own() ir.Shape {
	if o.image {
		return ir.Shape{o.shape[3], o.shape[1], o.shape[2]}
	}
	return build.Canonical(o.shape)
}

// add appends an operation whose result has a quantization, of integers where the
// module is exact.
func (im *importer) add(op ir.Op, hint string, args []*ir.Value, q ir.Quant, attrs ...ir.Attr) (*ir.Value, error) {
	if !im.exact {
		q = ir.Quant{}
	}
	return im.AddQuantized(op, im.Name(hint), args, q, attrs...)
}

// flat is an operand with its elements in the file's order, of dimensions of
// one's own.
func (im *importer) flat(o *operand, shape ir.Shape) (*ir.Value, error) {
	v := o.v
	if o.image {
		s := v.Type.Shape
		view := ir.ViewOf(s).Permute([]int{1, 2, 0})
		if s[0] > 1 && s[1]*s[2] > 1 {
			return im.add(ir.Copy, v.Name+".flat", []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(shape)), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides))
		}
	}
	return im.reshape(v, shape)
}

// view is an operand's value and where in it the elements of its shape lie.
func (im *importer) view(o *operand) (*ir.Value, ir.View, error) {
	if s := o.v.Type.Shape; o.image && slices.Equal(o.shape, []int{1, s[1], s[2], s[0]}) {
		return o.v, ir.View{Dims: slices.Clone(o.shape), Strides: []int{s.Size(), s[2], 1, s[1] * s[2]}}, nil
	}
	v, err := im.flat(o, ir.Shape{build.Product(o.shape)})
	return v, ir.ViewOf(o.shape), err
}

func (im *importer) reshape(v *ir.Value, shape ir.Shape) (*ir.Value, error) {
	if v.Type.Shape.Equal(shape) {
		return v, nil
	}
	if v.Def != nil && v.Def.Op == ir.Reshape {
		return im.reshape(v.Def.Args[0], shape)
	}
	return im.add(ir.Reshape, v.Name+".shape", []*ir.Value{v}, v.Type.Quant, ir.AttrShape.Is([]int(shape)))
}

// asImage is an operand of four dimensions as an image [C,H,W].
func (im *importer) asImage(o *operand) (*ir.Value, error) {
	s := o.shape
	if len(s) != 4 || s[0] != 1 {
		return nil, fmt.Errorf("of a tensor of shape %v; images are [1,H,W,C]", s)
	}
	to := ir.Shape{s[3], s[1], s[2]}
	if o.image && o.v.Type.Shape.Equal(to) {
		return o.v, nil
	}
	if o.image { // pixels of other dimensions
		flat, err := im.flat(o, ir.Shape(s[1:]))
		if err != nil {
			return nil, err
		}
		o = &operand{v: flat, shape: s}
	}
	if s[3] == 1 || s[1]*s[2] == 1 {
		return im.reshape(o.v, to)
	}
	view := ir.ViewOf(ir.Shape(s[1:])).Permute([]int{2, 0, 1})
	return im.add(ir.Copy, o.v.Name+".image", []*ir.Value{o.v}, o.v.Type.Quant, ir.AttrShape.Is([]int(to)), ir.AttrDims.Is(view.Dims), ir.AttrStrides.Is(view.Strides))
}

// as is an operand as an image, or with its elements in the file's order.
func (im *importer) as(o *operand, image bool) (*ir.Value, error) {
	if image {
		return im.asImage(o)
	}
	return im.flat(o, build.Canonical(o.shape))
}
