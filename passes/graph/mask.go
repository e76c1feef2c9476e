package graph

import (
	"bytes"
	"context"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/passes/pass"
)

// What is added to a score so that softmax makes nothing of it.
const (
	masking = -1e4 // below it whatever else is added
	barely  = -80  // below it where nothing else is added, exp(-80) = 2e-35
	drowned = -1e8 // below it float32 forgets the score
)

// MaskSoftmax makes numbers of -1e4 and less that are added to scores before a softmax,
// or stand for them, the softmax's mask: the scores then have a range of their own.
func MaskSoftmax(_ context.Context, m *ir.Module, _ *pass.Env) error {
	k := masker{constantsOf(m), m.Uses(), map[*ir.Node]bool{}}
	for _, n := range m.Ops {
		if n.Op != ir.Softmax {
			continue
		}
		if err := k.before(n); err != nil {
			return err
		}
	}
	m.Bypass(func(n *ir.Node) *ir.Value {
		if k.idle[n] {
			return n.Args[0]
		}
		return nil
	})
	m.PruneConsts()
	return nil
}

// masker is what the pass knows of a module.
type masker struct {
	*constants
	reads map[*ir.Value]int // how often a value is used
	idle  map[*ir.Node]bool // batchnorms that add nothing any more
}

// before moves the masking numbers of the operations before softmax n into its mask, from the
// last one back to a value that others use, too.
func (k *masker) before(n *ir.Node) error {
	at := make([]int32, n.Out.Type.Shape.Size()) // the element of v that each of n's is
	factor := make([]float64, len(at))           // and by how much it is multiplied on the way
	for i := range at {
		at[i], factor[i] = int32(i), 1
	}
	for v := n.Args[0]; v.Def != nil && k.reads[v] == 1; v = v.Def.Args[0] {
		d := v.Def
		switch {
		case d.Op.Moves():
			inner := d.Moved().Index()
			for i, j := range at {
				at[i] = inner[j]
			}
			continue
		case d.Op == ir.BatchNorm || d.Op.HasWeights() && d.Const(ir.AttrBias) != nil && d.Word(ir.AttrAct) == ir.ActNone && !k.isTied(d):
		default:
			return nil
		}
		plane := v.Type.Shape.Size() / v.Type.Shape[0]
		channel := func(i int) int { return int(at[i]) / plane }
		for !k.idle[d] {
			a, err := shiftsOf(d)
			if err != nil {
				return err
			}
			if masks := a.masks(factor, channel); masks != nil {
				if isStored, err := k.store(n, d, a, masks, channel); !isStored || err != nil {
					return err
				}
				continue // of what remains, one number may mask now
			}
			if d.Op != ir.BatchNorm {
				return nil
			}
			for i := range at {
				factor[i] *= a.scale[channel(i)]
			}
			break
		}
	}
	return nil
}

// shiftsOf reads what is added to each channel by a batchnorm or a layer, as a scale of 1.
func shiftsOf(d *ir.Node) (affine, error) {
	if d.Op == ir.BatchNorm {
		return asAffine(d)
	}
	p, err := loadLayer(d)
	return affine{slices.Repeat([]float64{1}, len(p.bias)), p.bias}, err
}

// masks are the channels whose shift masks the elements that are made of them; nil where
// there are none.
func (a affine) masks(factor []float64, channel func(i int) int) []bool {
	low := make([]float64, len(a.shift))
	for i, f := range factor {
		c := channel(i)
		low[c] = min(low[c], float64(f*a.shift[c]))
	}
	isPlain, value := true, 0. // 0 or one number is added, and nothing else
	for c, v := range low {
		switch {
		case v == 0:
			isPlain = isPlain && a.shift[c] == 0 && a.scale[c] == 1
		case value == 0:
			value = v
		}
		isPlain = isPlain && (v == 0 || v == value)
	}
	var masks []bool
	for c, v := range low {
		if v <= masking || isPlain && v <= barely {
			if masks == nil {
				masks = make([]bool, len(low))
			}
			masks[c] = true
		}
	}
	return masks
}

// store puts masked channels of d into the mask of softmax n. Softmax makes the same of a
// row to which one number is added as of the row, so rows that are masked as a whole
// keep their elements, or make all alike where float32 does.
func (k *masker) store(n, d *ir.Node, a affine, masks []bool, channel func(i int) int) (bool, error) {
	mask := make([]byte, n.Out.Type.Shape.Size())
	for i := range mask {
		if !masks[channel(i)] {
			mask[i] = 1
		}
	}
	scale, shift := slices.Clone(a.scale), slices.Clone(a.shift)
	for c := range masks {
		if masks[c] {
			scale[c], shift[c] = 1, 0
		}
	}
	order, length := geometry.Rows(n)
	place := func(i int) int {
		if order == nil {
			return i
		}
		return int(order[i])
	}
	for row := 0; row < len(mask); row += length {
		isWhole, least := true, a.shift[channel(place(row))]
		for i := row; i < row+length; i++ {
			isWhole = isWhole && mask[place(i)] == 0
			least = min(least, a.shift[channel(place(i))])
		}
		if !isWhole {
			continue
		}
		if d.Op != ir.BatchNorm {
			return false, nil // a network whose answers are all excluded
		}
		for i := row; i < row+length; i++ {
			mask[place(i)] = 1
			if least <= drowned {
				scale[channel(place(i))] = 0
			}
		}
	}
	if d.Op == ir.BatchNorm {
		k.storeAffine(d, affine{scale, shift})
	} else {
		p, err := loadLayer(d)
		if err != nil {
			return false, err
		}
		p.bias = shift
		k.putLayer(d, p)
	}
	return true, putMask(k.constants, n, mask)
}

// storeAffine gives a batchnorm another scale and shift; it goes where it does nothing.
func (k *masker) storeAffine(n *ir.Node, a affine) {
	ones, zeros := slices.Repeat([]float64{1}, len(a.scale)), make([]float64, len(a.scale))
	if slices.Equal(a.scale, ones) && slices.Equal(a.shift, zeros) {
		k.idle[n] = true
		k.clear(n)
		return
	}
	putAffine(k.constants, n, a)
}

// putAffine gives a batchnorm another scale and shift.
func putAffine(k *constants, n *ir.Node, a affine) {
	ones, zeros := slices.Repeat([]float64{1}, len(a.scale)), make([]float64, len(a.scale))
	n.Put(ir.AttrEps.Is(0))
	for i, x := range [][]float64{a.scale, a.shift, zeros, ones} {
		k.drop(n, ir.BatchNormConsts[i])
		k.putFloats(n, ir.BatchNormConsts[i], ir.Shape{len(x)}, x)
	}
}

// maskOf is the mask of a softmax, a byte an element; nil without one.
func maskOf(n *ir.Node) ([]byte, error) {
	c := n.Const(ir.AttrMask)
	if c == nil {
		return nil, nil
	}
	raw, err := c.Load()
	if err != nil {
		return nil, err
	}
	return slices.Repeat(raw, n.Out.Type.Shape.Size()/len(raw)), nil
}

// putMask gives a softmax a mask beside the one that it has, of the least last axes that
// it is repeated over.
func putMask(k *constants, n *ir.Node, mask []byte) error {
	was, err := maskOf(n)
	if err != nil {
		return err
	}
	for i := range was {
		if was[i] == 0 {
			mask[i] = 0
		}
	}
	shape := n.Out.Type.Shape
	for axis := len(shape) - 1; axis > 0; axis-- {
		size := shape[axis:].Size()
		if bytes.Equal(slices.Repeat(mask[:size], len(mask)/size), mask) {
			shape = shape[axis:]
			break
		}
	}
	k.drop(n, ir.AttrMask)
	k.put(n, ir.AttrMask, &ir.Const{Name: n.Name() + ".mask", Type: ir.Type{Elem: ir.Of(ir.U8), Shape: slices.Clone(shape)}, Data: ir.Bytes(mask[:shape.Size()])})
	return nil
}
