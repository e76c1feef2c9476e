package geometry

import (
	"fmt"
	"math"

	"github.com/dnnc/dnnc/ir"
)

// LSTMInts are the constants of an LSTM of TensorFlow Lite's integers (R25).
type LSTMInts struct {
	Recurrence
	Outputs  int      // of the hidden state, which is the result of a step
	Weight   []int8   // [gates*H,O]
	Bias     []int32  // [gates*H]
	Sums     []Factor // of each gate's sums
	Out      Factor   // of an output gate times a tanh
	CellBits int      // before the point
	CellClip int32    // 0: none
	// Of what Out gives: the result, or what Project multiplies.
	ZeroMade int32
	// The result is made by these weights, [O,H]; nil: it is what Out gives.
	Project               []int8
	ProjectBias           []int32
	By                    Factor
	Zero, Least, Greatest int32 // of the result
}

// Taken are the places of the gates among those of a step: -1 of an input gate that is one less the
// forget gate.
func (r *LSTMInts) Taken() (in, out, forget, candidate int) {
	if r.Cell == ir.CellCIFG8 {
		return -1, 0, 1, 2
	}
	return 0, 1, 2, 3
}

// LSTMIntsOf reads them, and checks that no sum leaves its bits: they may stand in a dump that was
// edited.
func LSTMIntsOf(n *ir.Node) (*LSTMInts, error) {
	r := &LSTMInts{Recurrence: RecurrenceOf(n), Outputs: n.Out.Type.Shape[0], CellBits: n.Int(ir.AttrCellBits), CellClip: int32(n.Int(ir.AttrCellClip)),
		Zero: int32(n.Out.Type.Quant.Zero), Least: int32(n.Int(ir.AttrLo)), Greatest: int32(n.Int(ir.AttrHi))}
	r.ZeroMade = r.Zero
	mul, shift, err := Factors(n)
	if err != nil {
		return nil, err
	}
	if r.Weight, err = bytesOf(n.Const(ir.AttrHidden)); err != nil {
		return nil, err
	}
	if r.Bias, err = n.Const(ir.AttrBias).Int32(); err != nil {
		return nil, err
	}
	rows, factors, biases := r.Gates*r.Hidden, r.Gates+1, r.Gates*r.Hidden
	if p := n.Const(ir.AttrProject); p != nil {
		r.ZeroMade = int32(n.Int(ir.AttrHiddenZero))
		factors, biases = factors+1, biases+r.Outputs
		if r.Project, err = bytesOf(p); err != nil {
			return nil, err
		}
	}
	if len(mul) != factors || len(shift) != factors || len(r.Bias) != biases || len(r.Weight) != rows*r.Outputs {
		return nil, fmt.Errorf("%s has %d multipliers, %d shifts, %d biases and %d weights", n.Name(), len(mul), len(shift), len(r.Bias), len(r.Weight))
	}
	r.ProjectBias, r.Bias = r.Bias[rows:], r.Bias[:rows]
	for i := range mul {
		if mul[i] < 0 || shift[i] < 1 || shift[i] > greatestShift {
			return nil, fmt.Errorf("%s has the multiplier %d and the shift %d", n.Name(), mul[i], shift[i])
		}
		r.Sums = append(r.Sums, Factor{mul[i], shift[i]})
	}
	r.Out = r.Sums[r.Gates]
	if r.Project != nil {
		r.By = r.Sums[r.Gates+1]
	}
	r.Sums = r.Sums[:r.Gates]
	for i, b := range r.Bias {
		if f := r.Sums[i/r.Hidden]; !f.fits(byteReach(r.Weight[i*r.Outputs:(i+1)*r.Outputs], b)) {
			return nil, fmt.Errorf("%s: row %d of hidden has sums that do not fit 32 bits", n.Name(), i)
		}
	}
	if !r.Out.fits(math.MaxInt16 * math.MaxInt16) {
		return nil, fmt.Errorf("%s: a result does not fit 32 bits", n.Name())
	}
	for i, b := range r.ProjectBias {
		if !r.By.fits(byteReach(r.Project[i*r.Hidden:(i+1)*r.Hidden], b)) {
			return nil, fmt.Errorf("%s: row %d of project has sums that do not fit 32 bits", n.Name(), i)
		}
	}
	return r, nil
}

// fits reports whether sums of at most reach, and what R8 makes of them, fit 32 bits with room for an
// element more.
func (f Factor) fits(reach int64) bool {
	return reach < NarrowReach && (f.Shift >= 31 || reach < 1<<f.Shift) && math.Ldexp(float64(reach)*float64(f.Mul), -int(f.Shift)) < GateReach
}

// byteReach is the greatest absolute value of a sum of weights times integers of 8 bits and a bias.
func byteReach(weights []int8, bias int32) int64 {
	sum := max(int64(bias), -int64(bias))
	for _, w := range weights {
		sum += max(int64(w), -int64(w)) << 7
	}
	return sum
}

func bytesOf(c *ir.Const) ([]int8, error) {
	raw, err := c.Load()
	if err != nil {
		return nil, err
	}
	if len(raw) != c.Type.Shape.Size() {
		return nil, fmt.Errorf("%s of %s has %d bytes", c.Name, c.Type, len(raw))
	}
	out := make([]int8, len(raw))
	for i, v := range raw {
		out[i] = int8(v)
	}
	return out, nil
}

// The integers of the fixed-point functions of R25: those of 16 bits after the point, but of Inverse with
// 13, the numbers that gemmlowp has.
const (
	ExpMiddle   = 28918  // exp(-1/8)
	ExpThird    = 10923  // 1/3
	InverseFrom = 23130  // 48/17
	InverseBy   = -15420 // -32/17
	InverseOne  = 1 << 13
)

// ExpPowers are exp(-2^k) for k from -2 on, in units of 2^-15. What comes after them is 0.
var ExpPowers = [...]int32{25520, 19875, 12055, 4435, 600, 11}
