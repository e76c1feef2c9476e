package interp

import (
	"fmt"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/gemm"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// Float is a compiled float module.
type Float = Program[float32]

type floatRun = func(ws *workspace, n int, dst []float32, src [][]float32)

// CompileFloat compiles a float module, surface operations included.
func CompileFloat(m *ir.Module) (*Float, error) {
	if m.IsQuantized() {
		return nil, fmt.Errorf("interp: %s is quantized", m.Name)
	}
	return compile(m, func(p *Float, n *ir.Node) (floatRun, error) {
		build := operations[n.Op].float
		if build == nil {
			return nil, fmt.Errorf("%s has no float step", n.Op)
		}
		return build(p, n)
	})
}

func activate(act string, y []float32) {
	if act == ir.ActNone {
		return
	}
	lo, hi := geometry.Bounds(act)
	kernels.ClampFloat(y, float32(lo), float32(hi), y)
}

// loadFloatLayer returns a layer's weights and its bias, zero when absent.
func loadFloatLayer(n *ir.Node) (weight, bias []float32, err error) {
	if weight, err = n.Const(ir.AttrWeight).Float32(); err != nil {
		return nil, nil, err
	}
	bias = make([]float32, n.Const(ir.AttrWeight).Type.Shape[0])
	if b := n.Const(ir.AttrBias); b != nil {
		bias, err = b.Float32()
	}
	return weight, bias, err
}

func (p *Program[T]) override(n *ir.Node, run func(*workspace, int, []T, [][]T)) *Program[T] {
	c := *p
	c.steps = append([]step[T](nil), p.steps...)
	c.steps[p.Index(n)].run = run
	return &c
}

// Override returns a program in which layer n, and those that share its constants,
// have other weights and biases. It shares everything else with p.
func Override(p *Float, n *ir.Node, weight, bias []float32) *Float {
	for _, t := range p.Module.Tied(n) {
		if t.Op == ir.Conv2D {
			p = p.override(t, convStep(p, t, weight, bias))
		} else {
			p = p.override(t, linearStep(t, weight, bias))
		}
	}
	return p
}

func floatConv(p *Float, n *ir.Node) (floatRun, error) {
	weight, bias, err := loadFloatLayer(n)
	if err != nil {
		return nil, err
	}
	return convStep(p, n, weight, bias), nil
}

func convStep(p *Float, n *ir.Node, weight, bias []float32) floatRun {
	g := geometry.WindowOf(n)
	var pad []float32
	if v := n.Nums(ir.AttrPadValue); v != nil {
		pad = make([]float32, len(v))
		for i, x := range v {
			pad[i] = float32(x)
		}
	}
	conv := gemm.NewFloats(g, weight)
	lo, hi := geometry.Bounds(n.Word(ir.AttrAct))
	p.floats = max(p.floats, conv.Scratch())
	return func(ws *workspace, count int, dst []float32, src [][]float32) {
		conv.Run(count, src[0], bias, pad, float32(lo), float32(hi), ws.floats, dst)
	}
}

func floatLinear(_ *Float, n *ir.Node) (floatRun, error) {
	weight, bias, err := loadFloatLayer(n)
	if err != nil {
		return nil, err
	}
	return linearStep(n, weight, bias), nil
}

func linearStep(n *ir.Node, weight, bias []float32) floatRun {
	shape, act := n.Const(ir.AttrWeight).Type.Shape, n.Word(ir.AttrAct)
	rows, cols := shape[0], shape[1]
	// Laid out once: a batch is one product [n,cols]x[cols,rows].
	t := gemm.NewColumns(cols, rows, weight, 1, cols)
	return func(_ *workspace, count int, dst []float32, src [][]float32) {
		t.Product(count, src[0], dst)
		for i := range count {
			y := dst[i*rows : (i+1)*rows]
			for j := range y {
				y[j] += bias[j]
			}
		}
		activate(act, dst)
	}
}

// perImage makes a step of a kernel for one image with one argument.
func perImage[T kernels.Number](kernel func(x, y []T)) func(*workspace, int, []T, [][]T) {
	return func(_ *workspace, count int, dst []T, src [][]T) {
		in, out := len(src[0])/count, len(dst)/count
		for i := range count {
			kernel(src[0][i*in:(i+1)*in], dst[i*out:(i+1)*out])
		}
	}
}

func floatPool(pool func(g geometry.Window, x, y []float32)) func(*Float, *ir.Node) (floatRun, error) {
	return func(_ *Float, n *ir.Node) (floatRun, error) {
		g := geometry.WindowOf(n)
		return perImage(func(x, y []float32) { pool(g, x, y) }), nil
	}
}

func floatGlobalPool(_ *Float, n *ir.Node) (floatRun, error) {
	s := n.Args[0].Type.Shape
	g := geometry.Window{InC: s[0], InH: s[1], InW: s[2], OutC: s[0], KH: s[1], KW: s[2], StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: s[0]}
	return perImage(func(x, y []float32) { kernels.AvgPoolFloat(g, x, y) }), nil
}

func floatUnary(act string) func(*Float, *ir.Node) (floatRun, error) {
	return func(*Float, *ir.Node) (floatRun, error) {
		return func(_ *workspace, _ int, dst []float32, src [][]float32) {
			copy(dst, src[0])
			activate(act, dst)
		}, nil
	}
}

// concat joins tensors along the channels: one image's tensors follow each
// other.
func concat[T kernels.Number](*ir.Node) stepOf[T] {
	return func(_ *workspace, count int, dst []T, src [][]T) {
		at := 0
		for i := range count {
			for _, s := range src {
				size := len(s) / count
				at += copy(dst[at:], s[i*size:(i+1)*size])
			}
		}
	}
}

func floatRequantize(_ *Float, n *ir.Node) (floatRun, error) {
	return floatUnary(n.Word(ir.AttrAct))(nil, n)
}

func floatBatchNorm(_ *Float, n *ir.Node) (floatRun, error) {
	var c [4][]float32
	for i, key := range ir.BatchNormConsts {
		var err error
		if c[i], err = n.Const(key).Float32(); err != nil {
			return nil, err
		}
	}
	shape := n.Out.Type.Shape
	plane := shape.Size() / shape[0]
	eps := float32(n.Float(ir.AttrEps))
	return perImage(func(x, y []float32) {
		kernels.BatchNormFloat(shape[0], plane, x, c[0], c[1], c[2], c[3], eps, y)
	}), nil
}

func floatSoftmax(_ *Float, n *ir.Node) (floatRun, error) {
	return softmaxRows(n, kernels.SoftmaxFloat)
}

func floatNormalize(_ *Float, n *ir.Node) (floatRun, error) {
	shape := n.Out.Type.Shape
	plane := shape.Size() / shape[0]
	mean, std := n.Nums(ir.AttrMean), n.Nums(ir.AttrStd)
	return perImage(func(x, y []float32) {
		for i, v := range x {
			c := i / plane
			y[i] = float32((float64(v) - mean[c%len(mean)]) / std[c%len(std)])
		}
	}), nil
}
