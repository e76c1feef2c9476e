package interp

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// Gradients are derivatives of a scalar of each image: with respect to its
// pixels, and, summed over the images in their order, with respect to the
// constants of layers.
type Gradients struct {
	Input  []float32               // [n][elements of the input]
	Consts map[*ir.Const][]float32 // weights and biases; nil when not wanted
}

// backward adds the derivatives of one operation of one image: x and dx are its
// arguments', y and dy its result's.
type backward func(x, dx [][]float32, y, dy []float32, consts map[*ir.Const][]float32)

// Gradient computes derivatives in reverse mode. seed is given each image's
// index and first output, and writes the scalar's derivative with respect to
// it. With wantConsts the gradients of layers' constants are summed, too.
func Gradient(ctx context.Context, p *Float, x []float32, n int, wantConsts bool, seed func(image int, out, d []float32)) (*Gradients, error) {
	m := p.Module
	in := p.ids[m.Inputs[0]]
	if len(m.Inputs) != 1 || len(x) != n*p.sizes[in] {
		return nil, fmt.Errorf("interp: %d elements are not %d images of %s", len(x), n, m.Inputs[0].Type)
	}
	steps := make([]backward, len(m.Ops))
	for i, o := range m.Ops {
		build := gradientSteps[o.Op]
		if build == nil {
			return nil, fmt.Errorf("interp: %s has no gradient", o.Op)
		}
		var err error
		if steps[i], err = build(o); err != nil {
			return nil, err
		}
	}
	out := &Gradients{Input: make([]float32, len(x))}
	// Sums over images are made chunk by chunk, then over the chunks in order:
	// the same on any number of cores.
	chunks := (n + chunk - 1) / chunk
	parts := make([]map[*ir.Const][]float32, chunks)
	next := make(chan int)
	errs := make([]error, chunks)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), chunks) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for c := range next {
				if wantConsts {
					parts[c] = map[*ir.Const][]float32{}
				}
				errs[c] = backChunk(ctx, p, steps, x, c*chunk, min(n, (c+1)*chunk), out.Input, parts[c], seed)
			}
		}()
	}
	for c := range chunks {
		next <- c
	}
	close(next)
	wg.Wait()
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
			for i, v := range part {
				sum[i] += v
			}
		}
	}
	return out, nil
}

// backChunk runs images forward, keeping every value, then each backward.
func backChunk(ctx context.Context, f *Float, steps []backward, x []float32, from, to int, dIn []float32, consts map[*ir.Const][]float32, seed func(int, []float32, []float32)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m := f.Module
	keep := make([]*ir.Value, len(m.Ops))
	for i, o := range m.Ops {
		keep[i] = o.Out
	}
	count := to - from
	values := f.Tensors(count, keep...)
	in := f.ids[m.Inputs[0]]
	values[in] = x[from*f.sizes[in] : to*f.sizes[in]]
	ws := &workspace{floats: make([]float32, f.floats)}
	f.runChunk(ws, values, make(Tensors[float32], len(f.sizes)), count, 0, len(m.Ops))
	grads := make([][]float32, len(f.sizes))
	for id, size := range f.sizes {
		grads[id] = make([]float32, size)
	}
	result := f.ids[m.Outputs[0]]
	for i := range count {
		image := func(id int) []float32 { return values[id][i*f.sizes[id] : (i+1)*f.sizes[id]] }
		for _, g := range grads {
			clear(g)
		}
		seed(from+i, image(result), grads[result])
		for s := len(steps) - 1; s >= 0; s-- {
			st := &f.steps[s]
			var args, dArgs [][]float32
			for _, a := range st.args {
				args, dArgs = append(args, image(a)), append(dArgs, grads[a])
			}
			steps[s](args, dArgs, image(st.out), grads[st.out], consts)
		}
		copy(dIn[(from+i)*f.sizes[in]:], grads[in])
	}
	return nil
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

var gradientSteps [ir.NumOps]func(n *ir.Node) (backward, error)

func init() {
	gradientSteps = [ir.NumOps]func(n *ir.Node) (backward, error){
		ir.Conv2D:        convGradient,
		ir.Linear:        linearGradient,
		ir.MaxPool2D:     poolGradient,
		ir.AvgPool2D:     poolGradient,
		ir.GlobalAvgPool: globalPoolGradient,
		ir.Relu:          unaryGradient("relu"),
		ir.Relu6:         unaryGradient("relu6"),
		ir.Add:           addGradient,
		ir.Concat:        concatGradient,
		ir.Flatten:       unaryGradient("none"),
		ir.Reshape:       unaryGradient("none"),
		ir.BatchNorm:     batchNormGradient,
		ir.Softmax:       softmaxGradient,
		ir.Normalize:     normalizeGradient,
		ir.Requantize:    func(n *ir.Node) (backward, error) { return unaryGradient(n.Word("act"))(n) },
	}
}

// activated takes an activation's part out of the derivatives of its result.
func activated(act string, y, dy []float32) {
	if act != "none" {
		lo, hi := Bounds(act)
		kernels.ClampGradient(y, dy, float32(lo), float32(hi))
	}
}

func convGradient(n *ir.Node) (backward, error) {
	weight, _, err := loadFloatLayer(n)
	if err != nil {
		return nil, err
	}
	g, act := Window(n), n.Word("act")
	var pad []float32
	for _, v := range n.Nums("pad_value") {
		pad = append(pad, float32(v))
	}
	return func(x, dx [][]float32, y, dy []float32, consts map[*ir.Const][]float32) {
		activated(act, y, dy)
		kernels.Conv2DGradient(g, x[0], weight, pad, dy, dx[0], sumFor(consts, n.Const("weight")), sumFor(consts, n.Const("bias")))
	}, nil
}

func linearGradient(n *ir.Node) (backward, error) {
	weight, _, err := loadFloatLayer(n)
	if err != nil {
		return nil, err
	}
	shape, act := n.Const("weight").Type.Shape, n.Word("act")
	return func(x, dx [][]float32, y, dy []float32, consts map[*ir.Const][]float32) {
		activated(act, y, dy)
		kernels.LinearGradient(shape[0], shape[1], x[0], weight, dy, dx[0], sumFor(consts, n.Const("weight")), sumFor(consts, n.Const("bias")))
	}, nil
}

func poolGradient(n *ir.Node) (backward, error) {
	g := Window(n)
	return func(x, dx [][]float32, _, dy []float32, _ map[*ir.Const][]float32) {
		if n.Op == ir.MaxPool2D {
			kernels.MaxPoolGradient(g, x[0], dy, dx[0])
		} else {
			kernels.AvgPoolGradient(g, dy, dx[0])
		}
	}, nil
}

func globalPoolGradient(n *ir.Node) (backward, error) {
	s := n.Args[0].Type.Shape
	plane := s[1] * s[2]
	return func(_, dx [][]float32, _, dy []float32, _ map[*ir.Const][]float32) {
		for i := range dx[0] {
			dx[0][i] += dy[i/plane] / float32(plane)
		}
	}, nil
}

func unaryGradient(act string) func(*ir.Node) (backward, error) {
	return func(*ir.Node) (backward, error) {
		return func(_, dx [][]float32, y, dy []float32, _ map[*ir.Const][]float32) {
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
	act := n.Word("act")
	return func(_, dx [][]float32, y, dy []float32, _ map[*ir.Const][]float32) {
		activated(act, y, dy)
		accumulate(dx[0], dy)
		accumulate(dx[1], dy)
	}, nil
}

func concatGradient(*ir.Node) (backward, error) {
	return func(_, dx [][]float32, _, dy []float32, _ map[*ir.Const][]float32) {
		for _, d := range dx {
			accumulate(d, dy[:len(d)])
			dy = dy[len(d):]
		}
	}, nil
}

func batchNormGradient(n *ir.Node) (backward, error) {
	var c [4][]float32
	for i, name := range []string{"gamma", "beta", "mean", "variance"} {
		var err error
		if c[i], err = n.Const(name).Float32(); err != nil {
			return nil, err
		}
	}
	shape, eps := n.Out.Type.Shape, n.Float("eps")
	plane := shape.Size() / shape[0]
	inverse := make([]float32, shape[0])
	for i, v := range c[3] {
		inverse[i] = float32(1 / math.Sqrt(float64(v)+eps))
	}
	return func(x, dx [][]float32, _, dy []float32, consts map[*ir.Const][]float32) {
		gamma, beta := sumFor(consts, n.Const("gamma")), sumFor(consts, n.Const("beta"))
		for i, d := range dy {
			ch := i / plane
			dx[0][i] += float32(d * float32(c[0][ch]*inverse[ch]))
			if gamma != nil {
				gamma[ch] += float32(d * float32((x[0][i]-c[2][ch])*inverse[ch]))
				beta[ch] += d
			}
		}
	}, nil
}

func softmaxGradient(*ir.Node) (backward, error) {
	return func(_, dx [][]float32, y, dy []float32, _ map[*ir.Const][]float32) {
		kernels.SoftmaxGradient(y, dy, dx[0])
	}, nil
}

func normalizeGradient(n *ir.Node) (backward, error) {
	shape, std := n.Out.Type.Shape, n.Nums("std")
	plane := shape.Size() / shape[0]
	return func(_, dx [][]float32, _, dy []float32, _ map[*ir.Const][]float32) {
		for i, d := range dy {
			dx[0][i] += float32(float64(d) / std[(i/plane)%len(std)])
		}
	}, nil
}

// LogLikelihood seeds the gradient of the log likelihood of the network's own
// answer, the first output being logits.
func LogLikelihood(_ int, out, d []float32) {
	best, top := 0, out[0]
	for i, v := range out {
		if v > top {
			best, top = i, v
		}
	}
	sum := 0.0
	for _, v := range out {
		sum += math.Exp(float64(v - top))
	}
	for i, v := range out {
		d[i] = -float32(math.Exp(float64(v-top)) / sum)
	}
	d[best]++
}

// Margin is the seed of the gradient of an image's margin: the logit of its
// label less the greatest other. labels are the images' own.
func Margin(labels []int) func(image int, out, d []float32) {
	return func(image int, out, d []float32) {
		own, other := labels[image], -1
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
