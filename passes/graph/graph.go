// Package graph holds the passes that rewrite the float network: they fold
// what can be folded exactly in real arithmetic and reduce the surface
// operations to the core ones.
package graph

import (
	"context"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
)

// Infer fills in the types of a source.
func Infer(_ context.Context, m *ir.Module, _ *pass.Env) error {
	list := ir.Infer(m)
	if len(list) == 0 {
		for i, o := range m.Outputs {
			if i < len(m.Results) && o.Type.String() != m.Results[i].String() {
				list = append(list, diag.New(o.Pos, diag.BadShape, "%s is %s, the network declares %s", o.Name, o.Type, m.Results[i]))
			}
		}
	}
	return list.Err()
}

// affine is y = Scale*x + Shift, one pair a channel.
type affine struct{ scale, shift []float64 }

// perChannel spreads one number over all channels.
func perChannel(v []float64, channels int) []float64 {
	if len(v) == channels {
		return v
	}
	out := make([]float64, channels)
	for i := range out {
		out[i] = v[0]
	}
	return out
}

// asAffine reads a batchnorm or normalize as one scale and shift a channel.
func asAffine(n *ir.Node) (affine, error) {
	channels := n.Out.Type.Shape[0]
	a := affine{make([]float64, channels), make([]float64, channels)}
	if n.Op == ir.Normalize {
		mean, std := perChannel(n.Nums(ir.AttrMean), channels), perChannel(n.Nums(ir.AttrStd), channels)
		for c := range a.scale {
			a.scale[c], a.shift[c] = 1/std[c], -mean[c]/std[c]
		}
		return a, nil
	}
	b, err := batchNormOf(n)
	for c, s := range b.scale {
		a.scale[c] = float64(s)
		a.shift[c] = float64(b.beta[c]) - float64(a.scale[c]*float64(b.mean[c]))
	}
	return a, err
}

// batchNorm is y = scale*(x-mean) + beta, one of each a channel.
type batchNorm struct{ scale, mean, beta []float32 }

// batchNormOf reads a batchnorm. Its scale, gamma/sqrt(variance+eps), is rounded
// step by step to float32, as PyTorch does when it folds one while exporting: a
// network then has the same weights to the last bit by either route.
func batchNormOf(n *ir.Node) (b batchNorm, err error) {
	var gamma, variance []float32
	for _, p := range []struct {
		key  ir.Key[*ir.Const]
		into *[]float32
	}{{ir.AttrGamma, &gamma}, {ir.AttrBeta, &b.beta}, {ir.AttrRunningMean, &b.mean}, {ir.AttrVariance, &variance}} {
		if *p.into, err = n.Const(p.key).Float32(); err != nil {
			return batchNorm{}, err
		}
	}
	eps := float32(n.Float(ir.AttrEps))
	for c, g := range gamma {
		v := variance[c] + eps
		if !(v > 0) {
			return batchNorm{}, diag.New(n.Pos, diag.BadTensor, "%s: channel %d of %s has the variance %v", n.Name(), c, n.Const(ir.AttrVariance).Name, variance[c])
		}
		b.scale = append(b.scale, g/float32(math.Sqrt(float64(v))))
	}
	return b, nil
}

// layerParams are the weights and bias of a layer in float64.
type layerParams struct {
	weight []float64
	bias   []float64
	shape  ir.Shape
}

func loadLayer(n *ir.Node) (layerParams, error) {
	w, err := n.Const(ir.AttrWeight).Float32()
	if err != nil {
		return layerParams{}, err
	}
	p := layerParams{weight: widen(w), shape: n.Const(ir.AttrWeight).Type.Shape}
	p.bias = make([]float64, p.shape[0])
	if c := n.Const(ir.AttrBias); c != nil {
		b, err := c.Float32()
		if err != nil {
			return layerParams{}, err
		}
		p.bias = widen(b)
	}
	return p, nil
}

func widen(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// FoldNormalize folds normalisations into what reads them: layers and batch normalisations. So it
// does with batch normalisations that no layer before them took, but into layers only if their
// scales are alike. The folding is exact: a padded convolution pads with the mean, the value that
// normalisation takes to zero.
func FoldNormalize(_ context.Context, m *ir.Module, _ *pass.Env) error {
	// Batch normalisations first: one that layers take leaves them to the normalisation before it.
	k := constantsOf(m)
	for _, op := range []ir.Op{ir.BatchNorm, ir.Normalize} {
		if err := foldAffine(k, op); err != nil {
			return err
		}
	}
	m.PruneConsts()
	return nil
}

// foldAffine folds the operations of one kind into what reads them.
func foldAffine(k *constants, op ir.Op) (err error) {
	m := k.m
	all, returned := m.AllUsers(), m.Returned()
	m.Bypass(func(n *ir.Node) *ir.Value {
		users := all[n.Out]
		if err != nil || n.Op != op || returned[n.Out] || len(users) == 0 {
			return nil
		}
		var a affine
		if a, err = asAffine(n); err != nil || !foldsInto(k, n, a, users) {
			return nil
		}
		for _, u := range users {
			if u.Op == ir.BatchNorm {
				err = foldAfter(k, u, a)
			} else {
				err = foldBefore(k, u, n, a)
			}
			if err != nil {
				return nil
			}
		}
		k.clear(n)
		return n.Args[0]
	})
	return err
}

// mostUneven is the greatest ratio of the scales of a batch normalisation that go into the weights
// after it. All weights of a row share its levels: those of inputs with small scales would lose more
// than one bit of them.
const mostUneven = 2

// foldsInto reports whether an affine operation can go into all operations that read it.
func foldsInto(k *constants, n *ir.Node, a affine, users []*ir.Node) bool {
	return !slices.ContainsFunc(users, func(u *ir.Node) bool {
		switch {
		case u.Op == ir.BatchNorm:
			return false
		case !u.Op.HasWeights() || u.Has(ir.AttrPadValue):
			return true
		}
		return n.Op == ir.BatchNorm && (isPadded(u) || k.isTied(u) || uneven(a) > mostUneven)
	})
}

// uneven is the greatest of an affine operation's scales divided by the least; +Inf where one is 0.
func uneven(a affine) float64 {
	lo, hi := math.Inf(1), 0.
	for _, s := range a.scale {
		lo, hi = min(lo, math.Abs(s)), max(hi, math.Abs(s))
	}
	return hi / lo
}

// foldAfter folds y = scale*x+shift into the batch normalisation u that reads y.
func foldAfter(k *constants, u *ir.Node, a affine) error {
	b, err := asAffine(u)
	if err != nil {
		return err
	}
	for c, s := range b.scale {
		b.scale[c], b.shift[c] = float64(s*a.scale[c]), b.shift[c]+float64(s*a.shift[c])
	}
	putAffine(k, u, b)
	return nil
}

// foldBefore folds y = scale*x+shift into the layer u that reads y.
func foldBefore(k *constants, u, norm *ir.Node, a affine) error {
	p, err := loadLayer(u)
	if err != nil {
		return err
	}
	rows, channels := p.shape[0], norm.Out.Type.Shape[0]
	cols := p.shape.Size() / rows
	taps := norm.Out.Type.Shape.Size() / channels // linear: elements a channel
	inGroup, groups := channels, 1
	if u.Op == ir.Conv2D {
		taps = p.shape[2] * p.shape[3]
		inGroup, groups = p.shape[1], u.Int(ir.AttrGroups)
	}
	for r := 0; r < rows; r++ {
		first := r / (rows / groups) * inGroup
		for i := 0; i < cols; i++ {
			c := first + i/taps
			w := p.weight[r*cols+i]
			p.bias[r] += float64(w * a.shift[c])
			p.weight[r*cols+i] = float64(w * a.scale[c])
		}
	}
	k.putLayer(u, p)
	if isPadded(u) {
		u.Put(ir.AttrPadValue.Is(perChannel(norm.Nums(ir.AttrMean), channels)))
	}
	return nil
}

func isPadded(n *ir.Node) bool {
	return n.Op == ir.Conv2D && slices.Max(n.Ints(ir.AttrPad)) > 0
}

// FoldBatchNorm folds batch normalisation into the layer before it; one scale for all elements also through moves
// and matrix products, which give the product by it of what is multiplied by it.
func FoldBatchNorm(_ context.Context, m *ir.Module, _ *pass.Env) (err error) {
	uses, k := m.Uses(), constantsOf(m)
	m.Bypass(func(n *ir.Node) *ir.Value {
		if err != nil || n.Op != ir.BatchNorm {
			return nil
		}
		layer := n.Args[0].Def
		if !takesScale(layer) || uses[layer.Out] != 1 {
			var b batchNorm
			if b, err = batchNormOf(n); err != nil || !b.isOneScale() {
				return nil
			}
			if layer = scaled(n.Args[0], uses); layer == nil {
				return nil
			}
			if err = scaleLayer(k, layer, b.scale[0]); err != nil {
				return nil
			}
		} else if err = foldBehind(k, layer, n); err != nil {
			return nil
		}
		k.clear(n)
		uses[n.Args[0]] = uses[n.Out]
		return n.Args[0]
	})
	m.PruneConsts()
	return err
}

// takesScale reports a layer whose result is its weights times its input, and its bias.
func takesScale(n *ir.Node) bool {
	return n != nil && n.Op.HasWeights() && n.Word(ir.AttrAct) == ir.ActNone
}

// isOneScale reports one scale for all channels, and no shift.
func (b *batchNorm) isOneScale() bool {
	for c, s := range b.scale {
		if s != b.scale[0] || b.mean[c]*s != b.beta[c] {
			return false
		}
	}
	return true
}

// scaled is the layer whose result is multiplied where its parameters are, and with it the value v: v is made of
// it by moves and by products with other values, and nothing else uses what lies between; nil where there is none.
func scaled(v *ir.Value, uses map[*ir.Value]int) *ir.Node {
	d := v.Def
	switch {
	case d == nil || uses[v] != 1:
	case takesScale(d):
		return d
	case d.Op.Moves():
		return scaled(d.Args[0], uses)
	case d.Op == ir.MatMul:
		for _, a := range slices.Backward(d.Args) {
			if layer := scaled(a, uses); layer != nil {
				return layer
			}
		}
	}
	return nil
}

// scaleLayer multiplies the result of a layer.
func scaleLayer(k *constants, layer *ir.Node, by float32) error {
	p, err := loadLayer(layer)
	if err != nil {
		return err
	}
	for _, list := range [][]float64{p.weight, p.bias} {
		for i, v := range list {
			list[i] = float64(float32(v) * by)
		}
	}
	k.putLayer(layer, p)
	return nil
}

// foldBehind folds a batchnorm into the layer before it.
func foldBehind(k *constants, layer, n *ir.Node) error {
	b, err := batchNormOf(n)
	if err != nil {
		return err
	}
	p, err := loadLayer(layer)
	if err != nil {
		return err
	}
	cols := p.shape.Size() / p.shape[0]
	for r, s := range b.scale {
		for i := range cols {
			p.weight[r*cols+i] = float64(float32(p.weight[r*cols+i]) * s)
		}
		moved := float32((float32(p.bias[r]) - b.mean[r]) * s)
		p.bias[r] = float64(moved + b.beta[r])
	}
	k.putLayer(layer, p)
	return nil
}

// Simplify removes operations that change nothing.
func Simplify(_ context.Context, m *ir.Module, _ *pass.Env) error {
	returned := m.Returned()
	m.Bypass(func(n *ir.Node) *ir.Value {
		if isIdentity(n) && !returned[n.Out] {
			return n.Args[0]
		}
		return nil
	})
	foldPad(m)
	foldRoundTrips(m)
	return nil
}

func isIdentity(n *ir.Node) bool {
	switch n.Op {
	case ir.Flatten, ir.Reshape:
		return n.Args[0].Type.Shape.Equal(n.Out.Type.Shape)
	case ir.Concat:
		return len(n.Args) == 1
	case ir.MaxPool2D, ir.AvgPool2D:
		k, s := n.Ints(ir.AttrKernel), n.Stride()
		return k[0]*k[1]*s[0]*s[1] == 1
	case ir.Relu, ir.Relu6:
		// What is within the bounds already: an input declared so, or a relu of a relu.
		r, d := n.Args[0].Range, n.Args[0].Def
		return (d != nil && d.Op == n.Op) || (r != nil && r.Lo >= 0 && (n.Op == ir.Relu || r.Hi <= 6))
	}
	return false
}

// acts are the activations that other operations take.
var acts = map[ir.Op]string{ir.Relu: ir.ActRelu, ir.Relu6: ir.ActRelu6}

// FuseActivation makes relu and relu6 an attribute of the operation before
// them, where they cost nothing: they only set bounds (R9).
func FuseActivation(_ context.Context, m *ir.Module, _ *pass.Env) error {
	uses := m.Uses()
	m.Bypass(func(n *ir.Node) *ir.Value {
		act, ok := acts[n.Op]
		if !ok {
			return nil
		}
		p := n.Args[0].Def
		if p == nil || uses[p.Out] != 1 || !p.Op.Takes(ir.AttrAct) || p.Word(ir.AttrAct) != ir.ActNone {
			return nil
		}
		p.Put(ir.AttrAct.Is(act))
		uses[p.Out] = uses[n.Out]
		return p.Out
	})
	return nil
}

// DeadCode removes operations whose results nobody uses.
func DeadCode(_ context.Context, m *ir.Module, _ *pass.Env) error {
	needed := map[*ir.Value]bool{}
	for _, v := range m.Outputs {
		needed[v] = true
	}
	for _, n := range slices.Backward(m.Ops) {
		for _, a := range n.Args {
			needed[a] = needed[a] || needed[n.Out]
		}
	}
	m.Ops = slices.DeleteFunc(m.Ops, func(n *ir.Node) bool { return !needed[n.Out] })
	m.PruneConsts()
	return nil
}
