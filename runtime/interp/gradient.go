package interp

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/parallel"
	"github.com/dnnc/dnnc/runtime/gemm"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// Gradients are derivatives of a scalar of each image: with respect to its
// pixels, and, summed over the images in their order, with respect to the
// constants of layers.
type Gradients struct {
	Output []float32               // [n][elements of the outputs side by side], from the way forward
	Input  []float32               // [n][elements of the input]
	Consts map[*ir.Const][]float32 // weights and biases; nil when not wanted
}

// backward adds the derivatives of one operation on n images: x and dx are its
// arguments', y and dy its result's. A layer's dx is nil where it is not wanted.
type backward func(b *back, n int, x, dx [][]float32, y, dy []float32)

// back is what one worker works with.
type back struct {
	values, grads Tensors[float32]
	forward       *workspace

	floats []float32               // scratch
	consts map[*ir.Const][]float32 // the sums of constants' gradients; nil when not wanted
}

// scratch returns n elements that the step may write.
func (b *back) scratch(n int) []float32 {
	if len(b.floats) < n {
		b.floats = make([]float32, n)
	}
	return b.floats[:n]
}

// Backward is a float program with what its gradient needs. It is immutable and
// safe for concurrent use.
type Backward struct {
	*Float
	back []backward
}

// NewBackward lays out the weights of p for reverse mode.
func NewBackward(p *Float) (*Backward, error) {
	b := &Backward{p, make([]backward, len(p.Module.Ops))}
	for i, o := range p.Module.Ops {
		build := operations[o.Op].gradient
		if build == nil {
			return nil, fmt.Errorf("interp: %s has no gradient", o.Op)
		}
		var err error
		if b.back[i], err = build(o); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Gradient is that of a program that is used once.
func Gradient(ctx context.Context, p *Float, x []float32, n int, wantConsts bool, seed func(image int, out, d []float32)) (*Gradients, error) {
	b, err := NewBackward(p)
	if err != nil {
		return nil, err
	}
	return b.Gradient(ctx, x, n, wantConsts, seed)
}

// Gradient computes derivatives in reverse mode. seed is given each image's
// index and its outputs side by side, and writes the scalar's derivative with respect to
// them. With wantConsts the gradients of layers' constants are summed, too.
func (b *Backward) Gradient(ctx context.Context, x []float32, n int, wantConsts bool, seed func(image int, out, d []float32)) (*Gradients, error) {
	m := b.Module
	if len(x) != n*b.Record() {
		return nil, fmt.Errorf("interp: %d elements are not %d images of %s, whose inputs have %d", len(x), n, m.Name, b.Record())
	}
	out := &Gradients{Input: make([]float32, len(x)), Output: make([]float32, n*b.Answer())}
	// Sums over images are made chunk by chunk, then over the chunks in order:
	// the same on any number of cores.
	chunks := (n + backChunk - 1) / backChunk
	parts, errs := make([]map[*ir.Const][]float32, chunks), make([]error, chunks)
	next := make(chan int)
	var wg sync.WaitGroup
	var panicked parallel.First
	for range min(runtime.GOMAXPROCS(0), chunks) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			work := b.workspace()
			for c := range next {
				if wantConsts {
					parts[c] = map[*ir.Const][]float32{}
				}
				work.consts = parts[c]
				panicked.Try(func() { errs[c] = b.chunk(ctx, work, x, c*backChunk, min(n, (c+1)*backChunk), out, seed) })
			}
		}()
	}
	for c := range chunks {
		next <- c
	}
	close(next)
	wg.Wait()
	panicked.Panic()
	for c, err := range errs {
		if err != nil {
			return nil, err
		}
		for k, part := range parts[c] {
			if out.Consts == nil {
				out.Consts = map[*ir.Const][]float32{}
			}
			sum := out.Consts[k]
			if sum == nil {
				out.Consts[k] = part
				continue
			}
			accumulate(sum, part)
		}
	}
	return out, nil
}

// backChunk is the images that one worker takes at a time: their values and
// derivatives, which are all kept, should stay in the cache.
const backChunk = 4

// workspace is memory for one worker.
func (b *Backward) workspace() *back {
	all := append([]*ir.Value(nil), b.Module.Inputs...)
	for _, o := range b.Module.Ops {
		all = append(all, o.Out)
	}
	return &back{
		values: b.Tensors(backChunk, all...), grads: b.Tensors(backChunk, all...),
		forward: &workspace{floats: make([]float32, b.floats)},
	}
}

// chunk runs images forward, keeping every value, then backward.
func (b *Backward) chunk(ctx context.Context, work *back, x []float32, from, to int, out *Gradients, seed func(int, []float32, []float32)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m, n := b.Module, to-from
	values, grads := make(Tensors[float32], len(b.sizes)), make(Tensors[float32], len(b.sizes))
	for id, size := range b.sizes {
		values[id], grads[id] = work.values[id][:n*size], work.grads[id][:n*size]
		clear(grads[id])
	}
	record, size := b.Record(), b.Answer()
	b.Feed(values, x[from*record:to*record], n)
	runChunk(work.forward, values, n, b.steps) // every value is kept
	answers, slopes := out.Output[from*size:to*size], make([]float32, n*size)
	copy(answers, b.Gather(values, n))
	for i := range n {
		seed(from+i, answers[i*size:(i+1)*size], slopes[i*size:(i+1)*size])
		at := i * size
		for _, v := range m.Outputs {
			id, own := b.ids[v], b.Size(v)
			copy(grads[id][i*own:(i+1)*own], slopes[at:at+own])
			at += own
		}
	}
	for s := len(b.back) - 1; s >= 0; s-- {
		st := &b.steps[s]
		var args, dArgs [][]float32
		for _, a := range st.args {
			args, dArgs = append(args, values[a]), append(dArgs, grads[a])
		}
		b.back[s](work, n, args, dArgs, values[st.out], grads[st.out])
	}
	at := from * record
	for i := range n {
		for _, v := range m.Inputs {
			id := b.ids[v]
			at += copy(out.Input[at:], grads[id][i*b.sizes[id]:(i+1)*b.sizes[id]])
		}
	}
	return nil
}

// byImage makes a step of what is done image by image.
func byImage(step func(b *back, x, dx [][]float32, y, dy []float32)) backward {
	return func(b *back, n int, x, dx [][]float32, y, dy []float32) {
		part := func(t []float32, i int) []float32 { return t[i*len(t)/n : (i+1)*len(t)/n] }
		own, dOwn := make([][]float32, len(x)), make([][]float32, len(x))
		for i := range n {
			for j := range x {
				own[j], dOwn[j] = part(x[j], i), part(dx[j], i)
			}
			step(b, own, dOwn, part(y, i), part(dy, i))
		}
	}
}

// sumFor is the sum of a constant's gradient, nil when it is not wanted.
func sumFor(consts map[*ir.Const][]float32, c *ir.Const) []float32 {
	if consts == nil || c == nil {
		return nil
	}
	if consts[c] == nil {
		consts[c] = make([]float32, c.Type.Shape.Size())
	}
	return consts[c]
}

func requantizeGradient(n *ir.Node) (backward, error) { return unaryGradient(n.Word(ir.AttrAct))(n) }

// activated takes an activation's part out of the derivatives of its result.
func activated(act string, y, dy []float32) {
	if act != ir.ActNone {
		lo, hi := geometry.Bounds(act)
		kernels.ClampGradient(y, dy, float32(lo), float32(hi))
	}
}

func convGradient(n *ir.Node) (backward, error) {
	weight, _, err := loadFloatLayer(n)
	if err != nil {
		return nil, err
	}
	g, act := geometry.WindowOf(n), n.Word(ir.AttrAct)
	var pad []float32
	for _, v := range n.Nums(ir.AttrPadValue) {
		pad = append(pad, float32(v))
	}
	scatter, outer := gemm.NewScatter(g, weight), gemm.NewOuter(g, pad)
	in, out := g.InC*g.InH*g.InW, g.OutC*g.OutH()*g.OutW()
	return func(b *back, images int, x, dx [][]float32, y, dy []float32) {
		activated(act, y, dy)
		for i := range images {
			if dx[0] != nil {
				scatter.Add(dy[i*out:(i+1)*out], b.scratch(scatter.Scratch()), dx[0][i*in:(i+1)*in])
			}
		}
		addConsts(b, n, outer, images, x[0], dy)
	}, nil
}

func linearGradient(n *ir.Node) (backward, error) {
	weight, _, err := loadFloatLayer(n)
	if err != nil {
		return nil, err
	}
	shape, act := n.Const(ir.AttrWeight).Type.Shape, n.Word(ir.AttrAct)
	rows, cols := shape[0], shape[1]
	t, outer := gemm.NewColumns(rows, cols, weight, cols, 1), gemm.NewOuter(onePixel(n), nil)
	return func(b *back, images int, x, dx [][]float32, y, dy []float32) {
		activated(act, y, dy)
		if dx[0] != nil {
			sum := b.scratch(images * cols)
			t.Product(images, dy, sum)
			accumulate(dx[0], sum)
		}
		addConsts(b, n, outer, images, x[0], dy)
	}, nil
}

// addConsts adds the gradients of a layer's weights and biases, where they are wanted.
func addConsts(b *back, n *ir.Node, outer *gemm.Outer, images int, x, dy []float32) {
	if b.consts != nil {
		dw, db := sumFor(b.consts, n.Const(ir.AttrWeight)), sumFor(b.consts, n.Const(ir.AttrBias))
		outer.Add(images, x, dy, b.scratch(outer.Scratch(images)), dw, db)
	}
}

func poolGradient(n *ir.Node) (backward, error) {
	g := geometry.WindowOf(n)
	return byImage(func(_ *back, x, dx [][]float32, _, dy []float32) {
		if n.Op == ir.MaxPool2D {
			kernels.MaxPoolGradient(g, x[0], dy, dx[0])
		} else {
			kernels.AvgPoolGradient(g, dy, dx[0])
		}
	}), nil
}

func globalPoolGradient(n *ir.Node) (backward, error) {
	s := n.Args[0].Type.Shape
	plane := s[1] * s[2]
	return byImage(func(_ *back, _, dx [][]float32, _, dy []float32) {
		for i := range dx[0] {
			dx[0][i] += dy[i/plane] / float32(plane)
		}
	}), nil
}

func unaryGradient(act string) func(*ir.Node) (backward, error) {
	return func(*ir.Node) (backward, error) {
		return func(_ *back, _ int, _, dx [][]float32, y, dy []float32) {
			activated(act, y, dy)
			accumulate(dx[0], dy)
		}, nil
	}
}

func accumulate(to, from []float32) {
	for i, v := range from {
		to[i] += v
	}
}

func addGradient(n *ir.Node) (backward, error) {
	act := n.Word(ir.AttrAct)
	return func(_ *back, _ int, _, dx [][]float32, y, dy []float32) {
		activated(act, y, dy)
		accumulate(dx[0], dy)
		accumulate(dx[1], dy)
	}, nil
}

func concatGradient(*ir.Node) (backward, error) {
	return byImage(func(_ *back, _, dx [][]float32, _, dy []float32) {
		for _, d := range dx {
			accumulate(d, dy[:len(d)])
			dy = dy[len(d):]
		}
	}), nil
}

func batchNormGradient(n *ir.Node) (backward, error) {
	var c [4][]float32
	for i, key := range ir.BatchNormConsts {
		var err error
		if c[i], err = n.Const(key).Float32(); err != nil {
			return nil, err
		}
	}
	shape, eps := n.Out.Type.Shape, n.Float(ir.AttrEps)
	plane := shape.Size() / shape[0]
	inverse := make([]float32, shape[0])
	for i, v := range c[3] {
		inverse[i] = float32(1 / math.Sqrt(float64(v)+eps))
	}
	return byImage(func(b *back, x, dx [][]float32, _, dy []float32) {
		gamma, beta := sumFor(b.consts, n.Const(ir.AttrGamma)), sumFor(b.consts, n.Const(ir.AttrBeta))
		for ch := range shape[0] {
			scale := float32(c[0][ch] * inverse[ch])
			for i := ch * plane; i < (ch+1)*plane; i++ {
				d := dy[i]
				dx[0][i] += float32(d * scale)
				if gamma != nil {
					gamma[ch] += float32(d * float32((x[0][i]-c[2][ch])*inverse[ch]))
					beta[ch] += d
				}
			}
		}
	}), nil
}

func softmaxGradient(n *ir.Node) (backward, error) { return rowGradient(n, kernels.SoftmaxGradient) }

func normalizeGradient(n *ir.Node) (backward, error) {
	shape, std := n.Out.Type.Shape, n.Nums(ir.AttrStd)
	plane := shape.Size() / shape[0]
	return byImage(func(_ *back, _, dx [][]float32, _, dy []float32) {
		for i, d := range dy {
			dx[0][i] += float32(float64(d) / std[(i/plane)%len(std)])
		}
	}), nil
}

// LogLikelihood seeds the gradient of the log likelihood of the network's own
// answer, the first output being logits.
func LogLikelihood(_ int, out, d []float32) {
	best := answer(out)
	top, sum := out[best], 0.0
	for _, v := range out {
		sum += math.Exp(float64(v - top))
	}
	for i, v := range out {
		d[i] = -float32(math.Exp(float64(v-top)) / sum)
	}
	d[best]++
}

// answer is the first greatest output.
func answer(out []float32) int {
	best := 0
	for i, v := range out {
		if v > out[best] {
			best = i
		}
	}
	return best
}

// Margin is the seed of the gradient of an image's margin: the logit of its
// label less the greatest other. labels are the images' own; nil stands for the
// network's answers.
func Margin(labels []int) func(image int, out, d []float32) {
	return func(image int, out, d []float32) {
		own, other := 0, -1
		if labels != nil {
			own = labels[image]
		} else {
			own = answer(out)
		}
		for i, v := range out {
			if i != own && (other < 0 || v > out[other]) {
				other = i
			}
		}
		d[own] = 1
		if other >= 0 {
			d[other] = -1
		}
	}
}
