package geometry

import (
	"fmt"
	"math"

	"github.com/dnnc/dnnc/ir"
)

// The integers of a recurrent node (R20).
const (
	// GateUnits is the units of the sum of a gate in a real of 1: 512 steps of each 24th, between two
	// entries of the table of a sigmoid.
	GateUnits = 24 << 9
	// GateReach bounds the absolute values of such sums.
	GateReach = 1 << 30
	// CellShift is the bits that a unit of a gate has in those of an LSTM's cell.
	CellShift = 7
	// CellGain is a product of two gates of 2^-15 each in units of the cell, times 2^15.
	CellGain = GateUnits << CellShift >> 15
	// CellSteps is the steps after which a cell may leave 32 bits.
	CellSteps = 1365
	// CellMost is the greatest cell.
	CellMost = CellSteps * CellGain * math.MaxInt16
	// HiddenScale is the scale of a hidden state.
	HiddenScale = 1. / (1 << 15)
)

// Recurrence is the sizes of a recurrent node.
type Recurrence struct {
	Cell                 string
	Hidden, Steps, Gates int
	IsBack, ResetsAfter  bool
}

// RecurrenceOf reads the sizes of a recurrent node.
func RecurrenceOf(n *ir.Node) Recurrence {
	cell := n.Word(ir.AttrCell)
	gates := ir.Gates(cell)
	return Recurrence{Cell: cell, Hidden: n.Const(ir.AttrHidden).Type.Shape[0] / gates, Steps: n.Out.Type.Shape[1], Gates: gates, IsBack: n.Int(ir.AttrBack) == 1, ResetsAfter: n.ResetsAfter()}
}

// At is the place of step k in time.
func (r *Recurrence) At(k int) int {
	if r.IsBack {
		return r.Steps - 1 - k
	}
	return k
}

// RecurrentInts are the constants of a recurrent node of integers (R20).
type RecurrentInts struct {
	Recurrence
	Weight []int8  // [gates*H,H]
	Bias   []int32 // of a GRU that resets after the product, [H]
	Table  []int16 // half of a sigmoid
	// Factors of the argument, of the result, and of the sums of each row of Weight.
	Arg, Out           Factor
	Mul                []int32
	Shift              int32
	ZeroX, ZeroY       int32
	LeastOut, GreatOut int32
}

// Factor is a multiplier and a shift (R6).
type Factor struct{ Mul, Shift int32 }

// Left is the shift to the left that a factor is, a power of two; ok is false of others.
func (f Factor) Left() (bits int, ok bool) { return 30 - int(f.Shift), f.Mul == 1<<30 && f.Shift <= 30 }

// Of is RQ of x.
func (f Factor) Of(x int64) int64 { return RequantHalfUp(x, f.Mul, f.Shift) }

// RecurrentIntsOf reads them, and checks that no sum leaves its bits: they may stand in a dump
// that was edited.
func RecurrentIntsOf(n *ir.Node) (*RecurrentInts, error) {
	r := &RecurrentInts{Recurrence: RecurrenceOf(n), ZeroX: int32(n.Args[0].Type.Quant.Zero), ZeroY: int32(n.Out.Type.Quant.Zero), LeastOut: int32(n.Int(ir.AttrLo)), GreatOut: int32(n.Int(ir.AttrHi))}
	rows := r.Gates * r.Hidden
	mul, shift, err := Factors(n)
	if err != nil {
		return nil, err
	}
	weight, err := n.Const(ir.AttrHidden).Load()
	if err != nil {
		return nil, err
	}
	table, err := n.Const(ir.AttrTable).Ints()
	if err != nil {
		return nil, err
	}
	if len(mul) != 2+rows || len(shift) != 3 || len(weight) != rows*r.Hidden || len(table) != ir.SigmoidTable {
		return nil, fmt.Errorf("%s has %d multipliers, %d shifts, %d weights and a table of %d", n.Name(), len(mul), len(shift), len(weight), len(table))
	}
	for _, v := range weight {
		r.Weight = append(r.Weight, int8(v))
	}
	for _, v := range table {
		r.Table = append(r.Table, int16(v))
	}
	r.Arg, r.Out, r.Mul, r.Shift = Factor{mul[0], shift[0]}, Factor{mul[1], shift[1]}, mul[2:], shift[2]
	for i, m := range mul {
		if s := shift[min(i, 2)]; m < 0 || s < 1 || s > 62 {
			return nil, fmt.Errorf("%s has the multiplier %d and the shift %d", n.Name(), m, s)
		}
	}
	if r.ResetsAfter {
		if r.Bias, err = n.Const(ir.AttrBias).Int32(); err != nil {
			return nil, err
		}
		if len(r.Bias) != r.Hidden {
			return nil, fmt.Errorf("%s has %d biases for %d rows", n.Name(), len(r.Bias), r.Hidden)
		}
	}
	least, greatest := Differences(n.Args[0].Type)
	argument := r.Arg.Of(int64(max(-least, greatest)))
	for i := range rows {
		reach := r.reach(i)
		if reach >= NarrowReach || argument+(Factor{r.Mul[i], r.Shift}).Of(reach) >= GateReach {
			return nil, fmt.Errorf("%s: row %d of hidden has sums that do not fit 32 bits", n.Name(), i)
		}
	}
	return r, nil
}

// reach is the greatest absolute value of the sum of a row of weights.
func (r *RecurrentInts) reach(row int) int64 {
	var bias int64
	if first := 2 * r.Hidden; r.ResetsAfter && row >= first {
		bias = int64(r.Bias[row-first])
	}
	return HiddenReach(r.Weight[row*r.Hidden:(row+1)*r.Hidden], bias)
}

// HiddenReach is the greatest absolute value that a sum of weights times a hidden state and a bias has.
func HiddenReach(weights []int8, bias int64) int64 {
	sum := max(bias, -bias)
	for _, w := range weights {
		sum += max(int64(w), -int64(w)) << 15
	}
	return sum
}
