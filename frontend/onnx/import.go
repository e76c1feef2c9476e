// Package onnx imports ONNX models: opsets 7 to 28, float, with external data. A
// model becomes a module of the language whose constants stay in the file; shape
// arithmetic is folded, the batch is one. What cannot be imported is reported all
// at once.
package onnx

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
)

// The opsets whose operations are known here.
const (
	oldestOpset = 7
	newestOpset = 28
)

// Options are what a user may say about a model.
type Options struct {
	Shapes map[string][]int    // of inputs, batch included
	Ranges map[string]ir.Range // of inputs' reals; [0,1] when absent
	// Constants are tensors, as files of one hold them, that inputs have always: by the
	// place of the input, nil where it is none. ONNX's tests give weights as inputs.
	Constants [][]byte
	// Exact keeps the integers of a quantized model: its module is quantized already. Where
	// that cannot be, the model is refused or, where Inexact is not nil, Inexact is told
	// why, and the model is read as reals. Float models are read as they are.
	Exact   bool
	Inexact func(why error)
	// Outputs are the values that the module returns; those of the model where there are
	// none. What they do not need is not imported, and LeftOut, where it is not nil, is
	// told what that is.
	Outputs []string
	LeftOut func(what string)
	// AllowOutside lets a model refer to external data outside its own folder.
	AllowOutside bool
}

// Load imports the model at path.
func Load(path string, opt Options) (*ir.Module, error) {
	pos := diag.Pos{File: path}
	f, err := open(path)
	if err != nil {
		return nil, diag.New(pos, diag.BadFile, "%v", err)
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	return convert(f, pos, name, opt, &folder{dir: filepath.Dir(path), outside: opt.AllowOutside, files: map[string][]byte{}})
}

// Parse imports the bytes of a model; it cannot have external data.
func Parse(name string, raw []byte, opt Options) (*ir.Module, error) {
	pos := diag.Pos{File: name}
	f, err := parse(raw)
	if err != nil {
		return nil, diag.New(pos, diag.BadFile, "%v", err)
	}
	return convert(f, pos, name, opt, nil)
}

// operand is a value of the graph: a constant, or a value of the module. The
// dimensions of v may differ from shape, which is ONNX's, batch included: v has
// the same elements in the same logical order.
type operand struct {
	c     *tensor
	v     *ir.Value
	shape []int
	q     *integers // what ONNX has where v holds reals; nil: the same reals
	// dynamic are values and constants in units of a scale that the model finds when it
	// runs, which is given as 1.
	dynamic bool
	s       *spectrum // of which there is no value yet, and what its axes are
	axes    []axisOf
}

// importer takes one graph to one module.
type importer struct {
	*build.Builder
	f        *file
	folder   *folder
	opset    int
	values   map[string]*operand // nil: an operation that failed gives it
	users    map[string][]*pb.Node
	makers   map[string]*pb.Node
	done     map[*pb.Node]bool      // taken into another operation
	folded   int                    // elements of constants made
	products int                    // multiplications of numbers to make them
	results  map[string]bool        // what the graph, or a part that is written out, returns
	named    map[*ir.Value][]string // the names of the graph for a value
	turned   map[*ir.Value]turned   // values whose channels came first
	inlined  int                    // nodes of branches and functions that were written out
	depth    int                    // of these, one in the other
	made     map[*tensor]*ir.Value  // constants that are values of the module
	seed     *ir.Value              // any value, of which those are made: an input that chooses no rows
	unsaid   map[*ir.Value]bool     // inputs whose range nobody gave
	faults   build.Faults

	exact  bool                  // marks every quantization
	strict bool                  // there is no other way than an exact module
	found  bool                  // a quantization of a computed value
	marks  map[*ir.Value]mark    // values that are integers of the model
	layers map[*ir.Const]*tensor // of what the constants of layers are made
}

func convert(f *file, pos diag.Pos, name string, opt Options, dir *folder) (*ir.Module, error) {
	im := &importer{
		Builder: build.New(name), f: f, folder: dir,
		marks: map[*ir.Value]mark{}, layers: map[*ir.Const]*tensor{}, exact: opt.Exact, strict: opt.Inexact == nil,
		made: map[*tensor]*ir.Value{}, results: map[string]bool{}, named: map[*ir.Value][]string{}, turned: map[*ir.Value]turned{}, unsaid: map[*ir.Value]bool{}, values: map[string]*operand{}, users: map[string][]*pb.Node{}, makers: map[string]*pb.Node{}, done: map[*pb.Node]bool{},
	}
	err := im.versions()
	if err != nil {
		return nil, diag.New(pos, diag.Unsupported, "%v", err)
	}
	var list diag.List
	fault := func(err error) {
		var d *diag.Diagnostic
		if !errors.As(err, &d) {
			d = diag.New(pos, diag.BadFile, "%v", err)
		}
		d.Pos = pos
		list = append(list, d)
	}
	g := f.model.GetGraph()
	if len(opt.Outputs) > 0 {
		var left string
		if g, left, err = cut(g, opt.Outputs); err != nil {
			fault(err)
			return nil, list.Err()
		}
		if opt.LeftOut != nil && left != "" {
			opt.LeftOut(left)
			opt.LeftOut = nil // once, also where the model is read again
		}
	}
	for _, t := range g.Initializer {
		c, err := f.tensor(t, dir)
		if err == nil {
			err = c.checkNumbers()
		}
		if err != nil {
			fault(err)
			continue
		}
		im.values[c.name] = &operand{c: c, shape: c.shape}
	}
	for _, n := range g.Node {
		im.uses(n)
	}
	for _, out := range g.Output {
		im.results[out.GetName()] = true
	}
	for i, in := range g.Input {
		if i < len(opt.Constants) && opt.Constants[i] != nil {
			c, err := oneTensor(opt.Constants[i])
			if err == nil {
				err = c.checkNumbers()
			}
			if err != nil {
				fault(fmt.Errorf("constant of input %q: %w", in.GetName(), err))
				continue
			}
			im.values[in.GetName()] = &operand{c: c, shape: c.shape}
		}
		if im.values[in.GetName()] == nil {
			if err := im.input(in, opt); err != nil {
				fault(err)
			}
		}
	}
	for name := range opt.Shapes {
		if !slices.ContainsFunc(g.Input, func(in *pb.ValueInfo) bool { return in.GetName() == name }) {
			fault(unknownInput(g, "shape", name))
		}
	}
	for name := range opt.Ranges {
		if !slices.ContainsFunc(g.Input, func(in *pb.ValueInfo) bool { return in.GetName() == name }) {
			fault(unknownInput(g, "range", name))
		}
	}
	if len(list) > 0 {
		return nil, list.Err()
	}
	im.nodes(g.Node)
	if err := im.faults.Err(pos, len(g.Node)); err != nil {
		return nil, err
	}
	m, err := im.finish(g, pos)
	if err == nil && dir != nil {
		for _, path := range slices.Sorted(maps.Keys(dir.files)) {
			m.Tensors = append(m.Tensors, ir.TensorsFile{Path: path})
		}
	}
	if err != nil {
		return nil, err
	}
	if list := ir.Verify(m); len(list) > 0 {
		return nil, list
	}
	if opt.Exact && im.found {
		whole, err := im.exactModule(pos, m)
		if err != nil && opt.Inexact != nil {
			opt.Inexact(err)
			opt.Exact = false
			return convert(f, pos, name, opt, dir)
		}
		if err != nil {
			return nil, err
		}
		if list := ir.Verify(whole); len(list) > 0 {
			return nil, list
		}
		m = whole
	}
	return m, nil
}

func unknownInput(g *pb.Graph, flag, name string) *diag.Diagnostic {
	var names []string
	for _, in := range g.Input {
		names = append(names, in.GetName())
	}
	d := diag.New(diag.Pos{}, diag.BadValue, "-%s %s: the model has no such input", flag, name).WithSuggestion(name, names)
	if d.Help == "" {
		d.WithHelp("its inputs are %s", strings.Join(names, " "))
	}
	return d
}

// versions checks the opset.
func (im *importer) versions() error {
	if list := im.f.model.OpsetImport; len(list) > 0 && !slices.ContainsFunc(list, func(o *pb.OperatorSet) bool { return o.GetDomain() == "" || o.GetDomain() == "ai.onnx" }) {
		im.opset = newestOpset // of a model that has no operation of ONNX's own domain
	}
	for _, o := range im.f.model.OpsetImport {
		if o.GetDomain() == "" || o.GetDomain() == "ai.onnx" {
			im.opset = int(o.GetVersion())
		}
	}
	if im.opset < oldestOpset || im.opset > newestOpset {
		return fmt.Errorf("opset %d; opsets %d to %d can be imported: convert the model with onnx.version_converter", im.opset, oldestOpset, newestOpset)
	}
	return nil
}

// rowsOf is the rows of the constant that an input chooses from, 0 where it does not.
func (im *importer) rowsOf(name string) int {
	for _, n := range im.users[name] {
		if n.GetOpType() == "Gather" && len(n.Input) == 2 && n.Input[1] == name {
			if rows := im.firstSize(n.Input[0]); rows > 0 {
				return rows
			}
		}
	}
	return 0
}

// firstSize is the size of the first axis of a constant: an initializer, or what a node makes of
// one, as a DequantizeLinear of the codes of an embedding; 0 of anything else.
func (im *importer) firstSize(name string) int {
	for range maxDepth {
		if o := im.values[name]; o != nil {
			if o.c == nil || len(o.shape) == 0 {
				return 0
			}
			return o.shape[0]
		}
		switch n := im.makers[name]; n.GetOpType() {
		case "Constant":
			if a := attr(n, "value"); a != nil && a.T != nil && len(a.T.Dims) > 0 {
				return int(min(max(a.T.Dims[0], 0), ir.MaxElements))
			}
			return 0
		case "DequantizeLinear", "Identity", "Cast":
			if len(n.Input) == 0 {
				return 0
			}
			name = n.Input[0]
		default:
			return 0
		}
	}
	return 0
}

// input declares an input: the batch is one, other unknown sizes must be given.
func (im *importer) input(in *pb.ValueInfo, opt Options) error {
	name, t := in.GetName(), in.GetType().GetTensorType()
	if t == nil {
		return diag.New(diag.Pos{}, diag.Unsupported, "input %q is no tensor", name)
	}
	typ, rows := dtype(t.GetElemType()), im.rowsOf(name)
	if !typ.isFloat() && typ != uint8Type && typ != int8Type && (typ != int64Type && typ != int32Type || rows == 0) {
		return diag.New(diag.Pos{}, diag.Unsupported, "input %q has elements of type %s; inputs are float, uint8, int8, or int32 and int64 that choose rows of a constant", name, typ)
	}
	if typ := dtype(t.GetElemType()); !typ.isFloat() {
		// Integers are reals here, which other operations would divide otherwise.
		for _, n := range im.users[name] {
			if op := n.GetOpType(); onIntegers[op] == nil {
				return diag.New(diag.Pos{}, diag.Unsupported, "input %q has elements of type %s, which the operation %s takes; a Cast to float, a DequantizeLinear or an operation of integers must", name, typ, op)
			}
		}
	}
	given, isGiven := opt.Shapes[name]
	dims := t.GetShape().GetDim()
	if isGiven && t.GetShape() != nil && len(given) != len(dims) {
		return diag.New(diag.Pos{}, diag.BadValue, "-shape %s=%v: the input has %d dimensions", name, given, len(dims))
	}
	if t.GetShape() == nil && !isGiven {
		return diag.New(diag.Pos{}, diag.BadShape, "input %q has no shape", name).WithHelp("give it: %s", quote.Flag("shape", name+"=1,3,224,224"))
	}
	var shape []int
	if t.GetShape() == nil {
		shape = given
	}
	for i, d := range dims {
		size := d.GetDimValue()
		switch {
		case isGiven && i > 0 && size > 0 && int64(given[i]) != size:
			return diag.New(diag.Pos{}, diag.BadValue, "-shape %s=%v: dimension %d is %d in the model", name, given, i, size)
		case isGiven:
			size = int64(given[i])
		case d.DimValue == nil && i == 0:
			size = 1
		case d.DimValue == nil || size < 1 || size > ir.MaxElements:
			text := d.GetDimParam()
			if d.DimValue != nil {
				text = fmt.Sprint(size)
			}
			return diag.New(diag.Pos{}, diag.BadShape, "dimension %d of input %q is %q, no size", i, name, text).
				WithHelp("give the shape: %s", quote.Flag("shape", name+"="+example(dims)))
		}
		shape = append(shape, int(size))
	}
	if d := ir.CheckActivation(diag.Pos{}, fmt.Sprintf("input %q", name), shape); d != nil {
		return d
	}
	r, ok := opt.Ranges[name]
	if !ok {
		r = ir.Range{Lo: 0, Hi: 1}
	}
	if !r.IsValid() {
		return diag.New(diag.Pos{}, diag.BadValue, "-range %s=%v,%v is empty", name, r.Lo, r.Hi)
	}
	if typ := dtype(t.GetElemType()); !ok && !typ.isFloat() {
		r = ir.Range{Lo: 0, Hi: 255}
		switch {
		case rows > 0:
			r.Hi = float64(max(rows-1, 1))
		case typ == int8Type:
			r = ir.Range{Lo: -128, Hi: 127}
		}
	}
	own := build.Canonical(shape)
	if rows > 0 {
		own = ir.Shape{build.Product(shape)} // a list, which indices are
	}
	o := &operand{v: im.Input(name, own, r), shape: shape}
	im.unsaid[o.v] = !ok
	if rows == 0 && im.seed == nil {
		im.seed = o.v
	}
	if !typ.isFloat() {
		o.q = &integers{typ, 1, 0, r.Lo, r.Hi}
		if m, ok := o.q.marked(); ok {
			im.marks[o.v] = m
		}
	}
	im.set(name, o)
	return nil
}

// set gives an operand a name of the graph.
func (im *importer) set(name string, o *operand) {
	im.values[name] = o
	if o != nil && o.v != nil {
		im.named[o.v] = append(im.named[o.v], name)
	}
}

func example(dims []*pb.Dimension) string {
	parts := make([]string, len(dims))
	for i, d := range dims {
		switch {
		case d.GetDimValue() > 0:
			parts[i] = fmt.Sprint(d.GetDimValue())
		case i == 0:
			parts[i] = "1"
		default:
			parts[i] = "224"
		}
	}
	return strings.Join(parts, ",")
}

// nodes imports every operation; what fails is collected.
func (im *importer) nodes(list []*pb.Node) {
	later := map[string]bool{}
	for _, n := range list {
		for _, o := range n.Output {
			later[o] = true
		}
	}
	for _, n := range list {
		if im.done[n] {
			continue
		}
		outs, err := im.node(n, later)
		if err != nil {
			im.fault(n, err)
		}
		for i, name := range n.Output {
			var o *operand
			if err == nil && i < len(outs) {
				o = outs[i]
			}
			if _, twice := im.values[name]; twice && name != "" {
				im.fault(n, fmt.Errorf("defines %q, which is defined already", name))
			}
			im.set(name, o)
		}
	}
}

// fault notes that a node cannot be imported.
func (im *importer) fault(n *pb.Node, err error) {
	op, name := n.GetOpType(), n.GetName()
	if d := n.GetDomain(); d != "" && d != "ai.onnx" {
		op = d + "." + op
	}
	if name == "" && len(n.Output) > 0 {
		name = n.Output[0]
	}
	im.faults.Add(op, name, err)
}

func (im *importer) node(n *pb.Node, later map[string]bool) ([]*operand, error) {
	// Told of every node, those after others that cannot be imported, too.
	op, ok := lookup(n)
	if !ok {
		if f := im.functionOf(n); f != nil {
			op, ok = opEntry{run: func(im *importer, n *pb.Node, in []*operand) ([]*operand, error) { return im.call(f, n, in) }}, true
		}
	}
	if !ok {
		return nil, build.ErrUnsupported
	}
	var in []*operand
	for _, name := range n.Input {
		o, known := im.values[name]
		switch {
		case name == "":
			in = append(in, nil)
			continue
		case !known && later[name]:
			return nil, fmt.Errorf("uses %q before its definition: the graph is not sorted, or has a cycle", name)
		case !known:
			return nil, fmt.Errorf("uses %q, which nothing defines", name)
		case o == nil:
			return nil, build.ErrSkipped
		}
		in = append(in, o)
	}
	if n.GetOpType() == "If" || op.ops == nil && im.functionOf(n) != nil {
		return op.run(im, n, in) // written out: each operation is asked by itself
	}
	return im.apply(op, n, in)
}

// others are the operations of ONNX that are something else in the domain com.microsoft, and
// not known there.
var others = []string{"RotaryEmbedding"}

// lookup is what is known of a node's operation.
func lookup(n *pb.Node) (op opEntry, ok bool) {
	switch name := n.GetOpType(); n.GetDomain() {
	case "", "ai.onnx":
		op, ok = table[name]
	case "com.microsoft":
		if op, ok = table["com.microsoft."+name]; !ok && !slices.Contains(others, name) {
			op, ok = table[name]
		}
	case "ai.onnx.ml":
		op, ok = table["ai.onnx.ml."+name]
	}
	return op, ok
}

// apply imports an operation of operands, nil where an argument is absent.
func (im *importer) apply(op opEntry, n *pb.Node, in []*operand) ([]*operand, error) {
	constant := !slices.ContainsFunc(in, func(o *operand) bool { return o != nil && o.c == nil })
	if op.fold != nil && (constant || n.GetOpType() == "Shape" || n.GetOpType() == "Size") {
		c, err := im.fold(op, n, in)
		if err != nil {
			return nil, err
		}
		out := &operand{c: c, shape: c.shape}
		switch of := countDynamic(in); {
		case of == 0 || n.GetOpType() == "Shape" || n.GetOpType() == "Size":
		case of == 1 && slices.Contains([]string{"Mul", "Identity", "Reshape", "Squeeze", "Unsqueeze"}, n.GetOpType()):
			out.dynamic = true
		default:
			return nil, errDynamic
		}
		return []*operand{out}, nil
	}
	if len(n.Output) == 0 {
		return nil, errors.New("has no result")
	}
	if op.run == nil {
		return nil, errors.New("is supported only where its arguments are constants")
	}
	if len(in) < op.args || slices.Contains(in[:op.args], nil) {
		return nil, fmt.Errorf("has %d arguments, it needs %d", len(n.Input), op.args)
	}
	if err := checkConstants(n, in); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(in, func(o *operand) bool { return o != nil && o.s != nil }) {
		in = slices.Clone(in)
		if outs, isDone, err := im.onSpectrum(n, in); isDone || err != nil {
			return outs, err
		}
	}
	run := op.run
	if i := slices.IndexFunc(in, func(o *operand) bool { return o != nil && o.q != nil }); i >= 0 {
		if run = onIntegers[n.GetOpType()]; run == nil {
			return nil, errIntegers(in[i].q.typ)
		}
	}
	if countDynamic(in) > 0 {
		return im.onDynamic(run, n, in)
	}
	return run(im, n, in)
}

// value is an operand as a value of the module with dimensions of its own.
func (im *importer) as(o *operand, shape ir.Shape) (*ir.Value, error) {
	if o.v == nil {
		return nil, errors.New("has a constant for an argument that must be computed")
	}
	return im.Reshape(o.v, shape)
}

// result is an operand of an operation's value.
func result(v *ir.Value, shape []int) []*operand { return []*operand{{v: v, shape: shape}} }

// finish returns the graph's outputs. The error has all of them that cannot be returned.
func (im *importer) finish(g *pb.Graph, pos diag.Pos) (*ir.Module, error) {
	var outs []*ir.Value
	var list diag.List
	if len(g.Output) == 0 {
		list.Add(pos, diag.Unsupported, "the model has no output")
	}
	for _, out := range g.Output {
		v, err := im.output(out.GetName(), outs)
		if err != nil {
			list.Add(pos, diag.Unsupported, "%v", err)
		}
		outs = append(outs, v)
	}
	if err := list.Err(); err != nil {
		return nil, err
	}
	return im.Finish(outs, resultNames(g)...), nil
}

// output is the value that the graph returns by a name, after others.
func (im *importer) output(name string, before []*ir.Value) (*ir.Value, error) {
	o, err := im.settled(im.values[name])
	switch {
	case err != nil:
		return nil, fmt.Errorf("the output %q %w", name, err)
	case o == nil:
		return nil, fmt.Errorf("nothing defines the output %q", name)
	case o.v == nil:
		return nil, fmt.Errorf("the output %q is a constant", name)
	case o.dynamic:
		return nil, fmt.Errorf("the output %q is in units of a scale that the model finds when it runs (DynamicQuantizeLinear)", name)
	}
	if o.q != nil { // a result of integers is these integers
		var err error
		if o, err = im.realsOf(name, o, 1, 0); err != nil {
			return nil, err
		}
	}
	v, err := im.as(o, build.Canonical(o.shape))
	if err == nil && (v.Def == nil || slices.Contains(before, v)) { // results are made by operations, each one once
		return im.Add(ir.Reshape, name, []*ir.Value{v}, ir.AttrShape.Is([]int(v.Type.Shape)))
	}
	return v, err
}

// moduleName is the path of the layer that a node belongs to: what exporters of
// PyTorch write before the operation's own name, without what it repeats.
func moduleName(n *pb.Node) string {
	if name := scopeName(n); name != "" {
		return name
	}
	parts := strings.FieldsFunc(n.GetName(), func(r rune) bool { return r == '/' })
	if len(parts) == 0 {
		return strings.ToLower(n.GetOpType())
	}
	parts[len(parts)-1] = strings.TrimSuffix(parts[len(parts)-1], "_quant") // which onnxruntime adds
	if last := parts[len(parts)-1]; len(parts) > 1 && strings.HasPrefix(last, n.GetOpType()) {
		parts = parts[:len(parts)-1]
	} else if strings.HasPrefix(last, n.GetOpType()) {
		parts[len(parts)-1] = strings.ToLower(last)
	}
	kept := parts[:0]
	for i, p := range parts {
		if i+1 < len(parts) && strings.HasPrefix(parts[i+1], p+".") {
			continue
		}
		kept = append(kept, p)
	}
	return strings.Join(kept, ".")
}

// nameScopes is the metadata in which PyTorch's exporter by Dynamo says where in the program a node comes from: the paths
// of its modules from the outermost on, which has none, and the name of the operation, as a list of Python's. Its
// nodes themselves are numbered.
const nameScopes = "pkg.torch.onnx.name_scopes"

var pythonString = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)

// scopeName is the path of the innermost module by a node's metadata, or of an operation outside of modules its own
// name; "" where there is none.
func scopeName(n *pb.Node) string {
	var parts []string
	for _, e := range n.MetadataProps {
		if e.GetKey() != nameScopes {
			continue
		}
		for _, m := range pythonString.FindAllStringSubmatch(e.GetValue(), -1) {
			if part := m[1] + m[2]; part != "" {
				parts = append(parts, part)
			}
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return parts[max(0, len(parts)-2)]
}

// layerName is the name of a layer: its weights' without .weight, else its node's.
func layerName(n *pb.Node, weight *tensor) string {
	for _, ending := range []string{".weight", "_weight", "/kernel", ".kernel"} {
		if base, ok := strings.CutSuffix(strings.TrimSuffix(weight.name, "_quantized"), ending); ok && base != "" {
			return base
		}
	}
	return moduleName(n)
}
