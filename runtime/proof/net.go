package proof

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/interp"
)

// Net is a quantized network whose integers can be brought from one input to another by
// what changes. It is immutable, and serves any number of walkers.
type Net struct {
	prog  *interp.Int
	steps []step
	inner int // tensors besides the values of the module
	macs  int // of one whole run
}

// step computes a tensor from others by a rule.
type step struct {
	node *ir.Node
	make func(w *Walker) rule // of one walker
	args []int                // numbers of tensors
	out  int
	macs int // of a whole run
}

// rule keeps the result of an operation up to date.
type rule interface {
	// start computes the whole result.
	start(args []*tensor, out *tensor)
	// update brings the result to what changed of the arguments, and returns the multiply-adds
	// that this took. Every result is the one that start would compute.
	update(args []*tensor, out *tensor) (macs int)
}

// tensor is the integers of a value, and which of them changed in the step that is under way.
type tensor struct {
	x       []int8
	changed []int32 // elements, each once
	was     []int8  // what those were
}

func (t *tensor) set(i int32, v int8) {
	if t.x[i] != v {
		t.changed, t.was = append(t.changed, i), append(t.was, t.x[i])
		t.x[i] = v
	}
}

// sparse lists the operations that have a rule of their own. All others are evaluated as a
// whole by the interpreter wherever an argument changed.
var sparse = map[ir.Op]func(net *Net, n *ir.Node, i int) (func(w *Walker) rule, error){
	ir.Conv2D: newProduct, ir.Linear: newProduct, ir.MaxPool2D: newMaxPool,
	ir.Add: newPointwise, ir.Sub: newPointwise, ir.SquaredDiff: newPointwise, ir.ScaledDiff: newPointwise, ir.Mul: newPointwise,
	ir.Minimum: newPointwise, ir.Maximum: newPointwise, ir.Requantize: newPointwise, ir.Table: newPointwise,
	ir.Reshape: newMoved, ir.Copy: newMoved, ir.Concat: newMoved, ir.Pad: newMoved,
}

// hasRule reports an operation with a rule of its own, which are of activations of 8 bits, and of indices.
func hasRule(n *ir.Node) bool {
	return sparse[n.Op] != nil && (!n.IsWide() || n.Op == ir.Embedding)
}

// NewNet prepares a quantized module, before or after the passes of a target.
func NewNet(m *ir.Module) (*Net, error) {
	prog, err := interp.CompileInt(m)
	if err != nil {
		return nil, err
	}
	net := &Net{prog: prog}
	values := len(m.Inputs) + len(m.Ops)
	for i, n := range m.Ops {
		s := step{node: n, out: prog.ID(n.Out), macs: macs(n)}
		for _, a := range n.Args {
			s.args = append(s.args, prog.ID(a))
		}
		build := newWhole
		if hasRule(n) {
			build = sparse[n.Op]
		}
		if s.make, err = build(net, n, i); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name(), err)
		}
		net.macs += s.macs
		h, w := n.Pool()
		if h*w == 1 || n.IsWide() {
			net.steps = append(net.steps, s)
			continue
		}
		// A convolution that keeps the greatest of its outputs is two steps.
		before := values + net.inner
		net.inner++
		g := geometry.WindowOf(n)
		pool := step{node: n, args: []int{before}, out: s.out, make: maxPools(geometry.Window{
			InC: g.OutC, InH: g.OutH(), InW: g.OutW(), OutC: g.OutC, KH: h, KW: w, StrideH: h, StrideW: w, DilH: 1, DilW: 1, Groups: g.OutC}, -128, 127)}
		s.out = before
		net.steps = append(net.steps, s, pool)
	}
	return net, nil
}

// macs is the multiply-adds of an operation: of its weights, or of computed matrices.
func macs(n *ir.Node) int {
	if n.Op == ir.MatMul {
		batch, m, k, cols := geometry.MatMulSizes(n)
		return batch * m * k * cols
	}
	return n.MACs()
}

// MACs is the multiply-adds of one whole run.
func (net *Net) MACs() int { return net.macs }

// Whole lists the operations that are evaluated as a whole wherever an argument of them
// changes.
func (net *Net) Whole() (list []string) {
	for _, s := range net.steps {
		if !hasRule(s.node) {
			list = append(list, s.node.Name())
		}
	}
	return list
}

// Walker is the integers of a network on one input at a time. It serves one goroutine.
type Walker struct {
	net     *Net
	scratch *interp.Scratch
	tensors []tensor
	inputs  []*tensor
	result  *tensor // the first one
	steps   []walked
	// MACs counts the multiply-adds of all that was done.
	MACs int64
}

type walked struct {
	rule rule
	args []*tensor
	out  *tensor
}

// NewWalker begins with an input of zeros.
func (net *Net) NewWalker() (*Walker, error) {
	m := net.prog.Module
	w := &Walker{net: net, scratch: net.prog.NewScratch(), tensors: make([]tensor, len(m.Inputs)+len(m.Ops)+net.inner)}
	for _, v := range m.Inputs {
		t := &w.tensors[net.prog.ID(v)]
		t.x = make([]int8, net.prog.Size(v))
		w.inputs = append(w.inputs, t)
	}
	for _, n := range m.Ops {
		w.tensors[net.prog.ID(n.Out)].x = make([]int8, net.prog.Size(n.Out))
	}
	for _, s := range net.steps {
		x := walked{rule: s.make(w), out: &w.tensors[s.out]}
		for _, a := range s.args {
			x.args = append(x.args, &w.tensors[a])
		}
		if x.out.x == nil {
			g := geometry.WindowOf(s.node)
			x.out.x = make([]int8, g.OutC*g.OutH()*g.OutW())
		}
		x.rule.start(x.args, x.out)
		w.MACs += int64(s.macs)
		w.steps = append(w.steps, x)
	}
	w.result = &w.tensors[net.prog.ID(m.Outputs[0])]
	return w, w.Check(context.Background())
}

// Check holds every integer of the walker to those that the interpreter computes from the
// same input. A difference is a fault of this package.
func (w *Walker) Check(ctx context.Context) error {
	m, p := w.net.prog.Module, w.net.prog
	var keep []*ir.Value
	for _, n := range m.Ops {
		keep = append(keep, n.Out)
	}
	t := p.Tensors(1, keep...)
	for k, v := range m.Inputs {
		t[p.ID(v)] = w.inputs[k].x
	}
	if err := p.Run(ctx, t, 1, 0, len(m.Ops)); err != nil {
		return err
	}
	for _, n := range m.Ops {
		if id := p.ID(n.Out); !slices.Equal(t[id], w.tensors[id].x) {
			return fmt.Errorf("proof: the integers of %s are not those of the interpreter", n.Name())
		}
	}
	return nil
}

// Answer is the integers of the first result, which the walker owns.
func (w *Walker) Answer() []int8 { return w.result.x }

// Set brings the network to the record of an input: all inputs, one after the other.
func (w *Walker) Set(record []int8) {
	for _, in := range w.inputs {
		for i, v := range record[:len(in.x)] {
			in.set(int32(i), v)
		}
		record = record[len(in.x):]
	}
	w.run()
}

// Move changes elements of one input.
func (w *Walker) Move(input int, changes []Change) (isOther bool) {
	for _, c := range changes {
		w.inputs[input].set(c.Element, c.Value)
	}
	return w.run()
}

// run brings all tensors to what changed of the inputs, and reports whether the answer is
// another one.
func (w *Walker) run() (isOther bool) {
	for i := range w.steps {
		s := &w.steps[i]
		for _, a := range s.args {
			if len(a.changed) > 0 {
				w.MACs += int64(s.rule.update(s.args, s.out))
				break
			}
		}
	}
	isOther = len(w.result.changed) > 0
	for i := range w.tensors {
		t := &w.tensors[i]
		t.changed, t.was = t.changed[:0], t.was[:0]
	}
	return isOther
}

// Verdict is how far along a path the answer stays right.
type Verdict struct {
	// Wrong is the first step whose answer is wrong: -1 where the image without any error is,
	// len(Steps) where none is.
	Wrong  int
	Answer []int8 // to the image that is wrong, or else to the last one
	// Past reports that the answer is right again at the first of the sizes 1/Samples, 2/Samples
	// and so on that lies beyond the wrong images where the path became wrong: so a measurement
	// at these sizes does not see that it did.
	Past bool
	Cost
}

// Samples are the sizes of a measurement that Past is of, from 1/Samples to 1.
const Samples = 20

// Cost is what decisions took.
type Cost struct {
	Distinct int // images that were decided, of places all that there are
	// MACs is the multiply-adds that this took, with a whole run of the first image; Whole those
	// of a whole run of each.
	MACs, Whole int64
}

// begin brings the network to the image without an error; the other inputs are as they are in
// the record. It holds all integers to the interpreter's.
func (w *Walker) begin(ctx context.Context, record []int8, input int, image []int8) (before int64, err error) {
	at := 0
	for _, in := range w.inputs[:input] {
		at += len(in.x)
	}
	if len(image) != len(w.inputs[input].x) {
		return 0, fmt.Errorf("proof: a path of %d elements is not one of an input of %d", len(image), len(w.inputs[input].x))
	}
	record = slices.Clone(record)
	copy(record[at:], image)
	w.Set(record)
	return w.MACs - int64(w.net.macs), w.Check(ctx) // whatever input the walker had before
}

// Walk follows a path of one input, the others being as they are in the record, until an
// answer is wrong. right tells of the integers of the first result. At both ends all integers
// are held to the interpreter's.
func (w *Walker) Walk(ctx context.Context, record []int8, input int, p *Path, right func(answer []int8) bool) (Verdict, error) {
	v := Verdict{Wrong: len(p.Steps), Cost: Cost{Distinct: 1}}
	before, err := w.begin(ctx, record, input, p.Start)
	if err != nil {
		return v, err
	}
	if !right(w.Answer()) {
		v.Wrong = -1
	} else {
		for i := range p.Steps {
			if i%64 == 63 && ctx.Err() != nil {
				return v, ctx.Err()
			}
			v.Distinct++
			if w.Move(input, p.Steps[i].Changes) && !right(w.Answer()) {
				v.Wrong = i
				break
			}
		}
		if err := w.Check(ctx); err != nil {
			return v, err
		}
	}
	v.Answer, v.MACs, v.Whole = slices.Clone(w.Answer()), w.MACs-before, int64(v.Distinct)*int64(w.net.macs)
	if v.Wrong >= 0 && v.Wrong < len(p.Steps) {
		if next := p.Begun(NextSample(p.Steps[v.Wrong])); next > v.Wrong+1 {
			w.moveTo(input, p.Before(next))
			v.Past = right(w.Answer())
		}
	}
	return v, nil
}

// NextSample is the first size of a measurement at which the image of a step, or a later one, stands.
func NextSample(s Step) *big.Rat {
	for j := range Samples {
		at := rat(int64(j)+1, Samples)
		if c := at.Cmp(s.At); c > 0 || c == 0 && !s.After {
			return at
		}
	}
	return one
}

// AnswerTo is the answer to an image of one input, the others being as they are.
func (w *Walker) AnswerTo(input int, x []int8) []int8 {
	w.moveTo(input, x)
	return w.Answer()
}

// moveTo brings one input to an image.
func (w *Walker) moveTo(input int, x []int8) (isOther bool) {
	for i, v := range x {
		w.inputs[input].set(int32(i), v)
	}
	return w.run()
}

// Miss is a place at which the answer is wrong.
type Miss struct {
	Place  Place
	Answer []int8
}

// Tally is at which places the answer is right.
type Tally struct {
	Clean  []int8 // the wrong answer to the image without an error, after which no place is decided; else nil
	Misses []Miss // in the order of the places
	Cost
}

// Visit decides every place of an error of one input, the others being as they are in the record. At
// the first place, the last one and the first wrong one all integers are held to the interpreter's.
func (w *Walker) Visit(ctx context.Context, record []int8, input int, s *Places, right func(answer []int8) bool) (Tally, error) {
	v := Tally{Cost: Cost{Distinct: s.Distinct()}}
	before, err := w.begin(ctx, record, input, s.start)
	if err != nil {
		return v, err
	}
	decided := v.Distinct
	ok := right(w.Answer())
	if !ok {
		v.Clean, decided = slices.Clone(w.Answer()), 1
	} else {
		for i, at := range s.List {
			if ctx.Err() != nil {
				return v, ctx.Err()
			}
			if w.moveTo(input, s.At(at)) {
				ok = right(w.Answer())
			}
			if !ok {
				v.Misses = append(v.Misses, Miss{at, slices.Clone(w.Answer())})
			}
			if i == len(s.List)-1 || !ok && len(v.Misses) == 1 {
				if err := w.Check(ctx); err != nil {
					return v, err
				}
			}
		}
	}
	v.MACs, v.Whole = w.MACs-before, int64(decided)*int64(w.net.macs)
	return v, nil
}
