package interp

import (
	"context"
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/parallel"
)

// Straight is the gradient of a quantized network. Its values are the integers that ship; its
// slopes are those of the float network with the same weights, at the reals that the integers
// stand for: a rounding passes its slope straight through, and a bound of a result passes none
// to elements that it holds. It is immutable and safe for concurrent use.
type Straight struct {
	Layers []RealLayer // in the order of ir.Module.Layers

	ints   *Int
	reals  *Float // whose steps do nothing: values have the same ids
	from   int    // the first operation that runs
	back   []backward
	bounds []*[2]int8 // of each operation's result, nil of none: strictly between them slopes pass
	needs  []bool     // values that a layer from there on computes or may change, by id
	consts [][2]*ir.Const
}

// RealLayer is a layer's weights and biases in reals, or slopes with respect to them.
type RealLayer struct{ Weight, Bias []float32 }

// straightChunk is the images that one worker takes at a time: the sums over them are made
// image by image, then over the chunks in order, the same on any number of cores.
const straightChunk = 8

// NewStraight is the gradient of q, which quantization made of the float network f without
// adding or leaving out an operation, from one operation on: those before it are given. An
// operation without a gradient is an error that names it.
func NewStraight(f, q *ir.Module, from int) (*Straight, error) {
	ints, err := CompileInt(q)
	if err != nil {
		return nil, err
	}
	if f.IsQuantized() || len(f.Ops) != len(q.Ops) {
		return nil, fmt.Errorf("interp: %s is not the float network of %s", f.Name, q.Name)
	}
	mirror := f.Clone()
	s := &Straight{ints: ints, reals: number[float32](mirror), from: from, back: make([]backward, len(q.Ops)), bounds: make([]*[2]int8, len(q.Ops))}
	if err := s.mirror(mirror, q); err != nil {
		return nil, err
	}
	s.needs = make([]bool, len(s.reals.sizes))
	for i, o := range q.Ops {
		if mirror.Ops[i].Op != o.Op {
			return nil, fmt.Errorf("interp: %s is %s, and %s in the float network", o.Name(), o.Op, mirror.Ops[i].Op)
		}
		if i < from {
			continue
		}
		if s.back[i], err = backwardOf(mirror.Ops[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Name(), err)
		}
		need := o.Op.HasWeights()
		for _, a := range ints.steps[i].args {
			need = need || s.needs[a]
		}
		s.needs[ints.steps[i].out] = need
		if o.Op.Takes(ir.AttrLo) && o.Out.Type.Elem.Kind == ir.I8 { // 16 bits are twice as wide as what was seen
			s.bounds[i] = &[2]int8{int8(o.Int(ir.AttrLo)), int8(o.Int(ir.AttrHi))}
		}
	}
	return s, nil
}

func backwardOf(n *ir.Node) (backward, error) {
	build := operations[n.Op].gradient
	if build == nil || n.Op == ir.ArgMax {
		return nil, fmt.Errorf("%s has no gradient", n.Op)
	}
	return build(n)
}

// mirror gives the layers of a float network the weights and biases of a quantized one.
func (s *Straight) mirror(f, q *ir.Module) error {
	done := map[*ir.Const][2]*ir.Const{} // by the float weights, which layers may share
	for i, n := range f.Ops {
		if !n.Op.HasWeights() {
			continue
		}
		own := n.Const(ir.AttrWeight)
		if _, is := done[own]; !is {
			l, err := realLayer(q.Ops[i])
			if err != nil {
				return err
			}
			weight, bias := ir.FloatConst(own.Name, own.Type.Shape, l.Weight), ir.FloatConst(n.Name()+".bias", ir.Shape{len(l.Bias)}, l.Bias)
			done[own] = [2]*ir.Const{weight, bias}
		}
		n.Put(ir.AttrWeight.Is(done[own][0]), ir.AttrBias.Is(done[own][1]))
	}
	for _, n := range f.Layers() {
		c := [2]*ir.Const{n.Const(ir.AttrWeight), n.Const(ir.AttrBias)}
		weight, err := c[0].Float32()
		if err != nil {
			return err
		}
		bias, err := c[1].Float32()
		if err != nil {
			return err
		}
		s.consts, s.Layers = append(s.consts, c), append(s.Layers, RealLayer{weight, bias})
	}
	return nil
}

// realLayer is what a layer's integers stand for.
func realLayer(n *ir.Node) (l RealLayer, err error) {
	w, err := geometry.IntWeights(n)
	if err != nil {
		return l, err
	}
	scale, err := n.Const(ir.AttrWeight).Scale.Float32()
	if err != nil {
		return l, err
	}
	bias, err := n.Const(ir.AttrBias).Ints()
	if err != nil {
		return l, err
	}
	l.Weight, l.Bias = make([]float32, len(w)), make([]float32, len(bias))
	row := len(w) / len(bias)
	for i, v := range w {
		l.Weight[i] = float32(float64(scale[i/row]) * float64(v))
	}
	in := n.Args[0].Type.Quant.Scale
	for i, b := range bias {
		l.Bias[i] = float32(float64(in*float64(scale[i])) * float64(b))
	}
	return l, nil
}

// Program is the network of integers.
func (s *Straight) Program() *Int { return s.ints }

// MACs is the multiply-adds of Slopes for one image: forward, and of layers once by their
// weights and once by their input, where something before them moves.
func (s *Straight) MACs() (sum int64) {
	for i, o := range s.ints.Module.Ops[s.from:] {
		macs := int64(o.MACs())
		sum += macs
		st := &s.ints.steps[s.from+i]
		if o.Op.HasWeights() {
			sum += macs
		}
		for _, a := range st.args {
			if s.needs[a] {
				sum += macs
			}
		}
	}
	return sum
}

// Bytes is the memory that Slopes takes at most on a number of workers, for n images.
func (s *Straight) Bytes(workers, n int) int {
	values, weights := 0, 0
	for id, size := range s.reals.sizes {
		values += straightChunk * (8*size + s.ints.sizes[id])
	}
	for _, l := range s.Layers {
		weights += 4 * (len(l.Weight) + len(l.Bias))
	}
	return workers*values + (n+straightChunk-1)/straightChunk*weights
}

// Slopes are the derivatives of the sum over n images of a scalar of each, with respect to
// the weights and biases of the layers; those of layers before the first operation are nil. t
// has the values that operations from the first one on read and that earlier ones compute.
// seed is given an image's index and the reals of its outputs side by side, and writes the
// derivative of its scalar with respect to them.
func (s *Straight) Slopes(ctx context.Context, t Tensors[int8], n int, seed func(image int, out, d []float32)) ([]RealLayer, error) {
	chunks := (n + straightChunk - 1) / straightChunk
	parts, errs := make([]map[*ir.Const][]float32, chunks), make([]error, chunks)
	parallel.For(chunks, func(c int) {
		parts[c] = map[*ir.Const][]float32{}
		errs[c] = s.chunk(ctx, t, c*straightChunk, min(n, (c+1)*straightChunk), parts[c], seed)
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	sum := func(c *ir.Const) []float32 {
		total := parts[0][c]
		for _, p := range parts[1:] {
			accumulate(total, p[c])
		}
		return total
	}
	out := make([]RealLayer, len(s.consts))
	for i, c := range s.consts {
		out[i] = RealLayer{sum(c[0]), sum(c[1])}
	}
	return out, nil
}

// chunk runs images forward in integers, keeping every value, then backward in reals.
func (s *Straight) chunk(ctx context.Context, t Tensors[int8], first, to int, consts map[*ir.Const][]float32, seed func(int, []float32, []float32)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := to - first
	integers := make(Tensors[int8], len(s.ints.sizes))
	for id, size := range s.ints.sizes {
		if t[id] != nil {
			integers[id] = t[id][first*size : to*size]
		}
	}
	for i := s.from; i < len(s.ints.steps); i++ {
		id := s.ints.steps[i].out
		integers[id] = make([]int8, n*s.ints.sizes[id])
	}
	forward := &workspace{floats: make([]float32, s.ints.floats)}
	runChunk(forward, integers, n, s.ints.steps[s.from:])
	values, grads := make(Tensors[float32], len(s.reals.sizes)), make(Tensors[float32], len(s.reals.sizes))
	for v, id := range s.ints.ids {
		if integers[id] == nil {
			continue
		}
		values[id] = make([]float32, n*s.reals.sizes[id])
		Reals(v.Type, integers[id], values[id])
		if s.needs[id] {
			grads[id] = make([]float32, len(values[id]))
		}
	}
	s.seed(first, n, values, grads, seed)
	work := &back{forward: forward, consts: consts}
	for i := len(s.back) - 1; i >= s.from; i-- {
		st := &s.ints.steps[i]
		dy := grads[st.out]
		if dy == nil {
			continue // nothing before it moves
		}
		if b := s.bounds[i]; b != nil {
			for j, v := range integers[st.out] {
				if v <= b[0] || v >= b[1] {
					dy[j] = 0
				}
			}
		}
		var args, slopes [][]float32
		for _, a := range st.args {
			d := grads[a]
			if d == nil && !s.ints.Module.Ops[i].Op.HasWeights() {
				d = make([]float32, len(values[a])) // of no use
			}
			args, slopes = append(args, values[a]), append(slopes, d)
		}
		s.back[i](work, n, args, slopes, values[st.out], dy)
	}
	return nil
}

// seed writes the slopes of the outputs.
func (s *Straight) seed(first, n int, values, grads Tensors[float32], seed func(int, []float32, []float32)) {
	answers := s.reals.Gather(values, n)
	size := len(answers) / n
	slopes := make([]float32, size)
	for i := range n {
		clear(slopes)
		seed(first+i, answers[i*size:(i+1)*size], slopes)
		at := 0
		for _, v := range s.reals.Module.Outputs {
			id, own := s.reals.ids[v], s.reals.Size(v)
			if grads[id] != nil {
				accumulate(grads[id][i*own:(i+1)*own], slopes[at:at+own])
			}
			at += own
		}
	}
}
