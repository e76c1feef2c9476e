package tflite

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// origin is an operand of integers as a table of another value, from which it is computed
// element by element; of a constant all results are equal and there is no value.
type origin struct {
	v     *ir.Value
	table []int8
}

// mostOrigins bounds the tables one after the other that are looked through.
const mostOrigins = 16

// origins are an operand of DIV and what it is a table of, itself first.
func (im *importer) origins(o *operator, k int) ([]origin, ir.Quant, *operand, error) {
	t := make([]int8, 256)
	if im.isConstant(o.in[k]) {
		c, err := im.constant(o, k)
		if err != nil {
			return nil, ir.Quant{}, nil, err
		}
		if c.typ != int8Type || c.size() != 1 || len(c.scale) != 1 {
			return nil, ir.Quant{}, nil, errors.New("of integers and a constant of several numbers: -exact=false quantizes the model anew")
		}
		for i := range t {
			t[i] = int8(c.ints()[0])
		}
		return []origin{{nil, t}}, c.quant(), nil, nil
	}
	x, err := im.computed(o, k)
	if err != nil {
		return nil, ir.Quant{}, nil, err
	}
	if x.v.Type.IsWide() {
		return nil, ir.Quant{}, nil, errors.New("of int16 values: -exact=false quantizes the model anew")
	}
	for i := range t {
		t[i] = int8(i - 128)
	}
	list := []origin{{x.v, t}}
	for v := x.v; len(list) < mostOrigins && v.Def != nil && v.Def.Op == ir.Table && v.Def.Const(ir.AttrTable) != nil; v = v.Def.Args[0] {
		inner, err := v.Def.Const(ir.AttrTable).Ints()
		if err != nil || len(inner) != 256 {
			break
		}
		next := make([]int8, 256)
		for i := range next {
			next[i] = t[inner[i]+128]
		}
		t = next
		list = append(list, origin{v.Def.Args[0], t})
	}
	return list, x.v.Type.Quant, x, nil
}

// exactQuotient imports DIV of integers where one table has all results: of one value, as
// x/(1+|x|) is, and a constant or another function of the same value.
func (im *importer) exactQuotient(o *operator) error {
	if len(o.in) != 2 || o.in[0] < 0 || o.in[1] < 0 {
		return fmt.Errorf("has %d arguments", len(o.in))
	}
	result, q, err := im.result(o)
	if err != nil {
		return err
	}
	above, qa, x, err := im.origins(o, 0)
	if err != nil {
		return err
	}
	below, qb, y, err := im.origins(o, 1)
	if err != nil {
		return err
	}
	whole := x
	if x == nil {
		whole = y
	}
	if whole == nil {
		return errors.New("of two constants of integers")
	}
	if x != nil && y != nil && (x.image != y.image || !slices.Equal(x.shape, y.shape)) {
		return fmt.Errorf("of integers of shapes %v and %v: -exact=false quantizes the model anew", x.shape, y.shape)
	}
	act, err := im.activation(o.options.byte(0, 0), result.integer())
	if err != nil {
		return err
	}
	lo, hi := act[0].Value.(int), act[1].Value.(int)
	for _, a := range above {
		for _, b := range below {
			v := a.v
			switch {
			case v == nil:
				v = b.v
			case b.v != nil && b.v != v:
				continue
			}
			t, err := quotients(a.table, b.table, qa, qb, q, lo, hi)
			if err != nil {
				return err
			}
			return im.table(o, whole.like(v, whole.shape), q, t)
		}
	}
	return errors.New("of two int8 values, whose integers have no equal here: -exact=false quantizes the model anew")
}

// quotients are the results of DIV of integers, as TensorFlow Lite's reference kernel has them: a
// reciprocal of the divisor in fixed point, and two rounded products. It has none for a divisor of 0;
// here that gives the bound on the side of the dividend.
func quotients(above, below []int8, qa, qb, y ir.Quant, lo, hi int) ([]int8, error) {
	factor, exponent := math.Frexp(float64(float32(qa.Scale) / (float32(qb.Scale) * float32(y.Scale))))
	mul := int64(math.Round(factor * (1 << 31)))
	if mul == 1<<31 {
		mul, exponent = mul/2, exponent+1
	}
	if exponent < -31 {
		mul, exponent = 0, 0
	}
	t := make([]int8, len(above))
	for i := range t {
		a, b := int32(above[i])-int32(qa.Zero), int32(below[i])-int32(qb.Zero)
		if b < 0 {
			a, b = -a, -b
		}
		if b == 0 {
			t[i] = int8(min(max(y.Zero, lo), hi))
			if a > 0 {
				t[i] = int8(hi)
			} else if a < 0 {
				t[i] = int8(lo)
			}
			continue
		}
		inverse, over := reciprocal(b)
		free := bits.LeadingZeros32(uint32(max(a, ^a))) - 1
		shift := exponent - over - free
		if shift > 0 {
			return nil, errors.New("has a result too fine for 32 bits")
		}
		quotient := int32(0)
		if shift >= -30 { // else nothing is left
			quotient = divideByPowerOfTwo(high32(high32(a<<free, inverse), int32(mul)), -shift)
		}
		t[i] = int8(min(max(int(quotient)+y.Zero, lo), hi))
	}
	return t, nil
}

// reciprocal is 2^over/x of a positive integer as a fraction of 2^31, by three steps of Newton's
// method in fixed point of two integer bits.
func reciprocal(x int32) (inverse int32, over int) {
	leading := bits.LeadingZeros32(uint32(x))
	fraction := int64(uint32(x)<<leading) - 1<<31 // x is (1+fraction/2^31) * 2^over
	half := int32((fraction + math.MaxInt32 + 1) / 2)
	const a, b, one = 1515870810, -1010580540, 1 << 29 // 48/17, -32/17
	root := a + high32(half, b)
	for range 3 {
		root += saturatingLeft(high32(root, one-high32(half, root)), 2)
	}
	return saturatingLeft(root, 1), 31 - leading
}
