package recurrent_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/recurrent"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// TestCyclesAreNearCounts: instructions of Cortex-M4, by dnnc bench. Processors that do not multiply by two have no estimate.
func TestCyclesAreNearCounts(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	m3, err := processor.Find("armv7m")
	require.NoError(t, err)
	assert.True(t, recurrent.Loop.Fitted(tgt))
	assert.False(t, recurrent.Loop.Fitted(m3))
	for _, c := range []struct {
		cell          string
		hidden, steps int
		count         float64
	}{{ir.CellLSTM, 32, 128, 1596710}, {ir.CellGRU, 24, 49, 295409}} {
		m := module(rand.New(rand.NewPCG(1, 2)), c.cell, c.hidden, c.steps)
		p, ok := recurrent.Loop.Serves(kernel.Of(m.Ops[0], tgt))
		require.True(t, ok)
		assert.InDelta(t, 1, p.Cycles()/c.count, .1, c.cell)
	}
	m := integers(rand.New(rand.NewPCG(1, 2)), ir.CellLSTM8, 8, 8, false, 12)
	p, ok := recurrent.Loop.Serves(kernel.Of(m.Ops[0], tgt))
	require.True(t, ok)
	assert.InDelta(t, 1, p.Cycles()/80822, .1, ir.CellLSTM8)
}

// draw makes a recurrence of any cell, direction and widths of its argument and result.
func draw(rng *rand.Rand) *ir.Module {
	cell, h := []string{ir.CellLSTM, ir.CellGRU, ir.CellRNN}[rng.IntN(3)], 1+rng.IntN(13)
	return module(rng, cell, h, 1+rng.IntN(6))
}

func module(rng *rand.Rand, cell string, h, steps int) *ir.Module {
	rows := ir.Gates(cell) * h
	typ := func(s ir.Shape) ir.Type {
		if rng.IntN(2) == 0 {
			return ir.Type{Elem: ir.Of(ir.I16), Shape: s, Quant: ir.Quant{Scale: 1. / geometry.GateUnits}}
		}
		return ir.Type{Elem: ir.Of(ir.I8), Shape: s, Quant: ir.Quant{Scale: .03, Zero: rng.IntN(256) - 128}}
	}
	n := &ir.Node{Op: ir.Recurrent, Args: []*ir.Value{{Name: "x", Type: typ(ir.Shape{rows, steps, 1})}}}
	n.Out = &ir.Value{Name: "y", Def: n, Type: typ(ir.Shape{h, steps, 1})}
	ints := func(key ir.Key[*ir.Const], kind ir.Kind, shape ir.Shape, next func(i int) int64) {
		x := make([]int64, shape.Size())
		for i := range x {
			x[i] = next(i)
		}
		n.Put(key.Is(ir.IntConst("y."+key.String(), ir.Of(kind), shape, x)))
	}
	n.Put(ir.AttrCell.Is(cell), ir.AttrBack.Is(rng.IntN(2)))
	if cell == ir.CellGRU && rng.IntN(2) == 0 {
		n.Put(ir.AttrReset.Is(ir.ResetAfter))
		ints(ir.AttrBias, ir.I32, ir.Shape{h}, func(int) int64 { return int64(rng.NormFloat64() * (1 << 22)) })
	}
	ints(ir.AttrHidden, ir.I8, ir.Shape{rows, h}, func(int) int64 { return int64(rng.IntN(256) - 128) })
	table := kernels.HalfSigmoid()
	ints(ir.AttrTable, ir.I16, ir.Shape{ir.SigmoidTable}, func(i int) int64 { return int64(table[i]) })
	multiplier := func(f float64) (mul, shift int64) {
		m, r, err := geometry.MultiplierFor(f)
		if err != nil {
			panic(err)
		}
		return int64(m), int64(r)
	}
	argument := 40. / 256 * geometry.GateUnits // gates reach 20
	if n.Args[0].Type.IsWide() {
		argument = []float64{4, .7}[rng.IntN(2)]
	}
	result := .9 / 256
	if n.Out.Type.IsWide() {
		result = []float64{1, .8}[rng.IntN(2)]
	}
	var mul, shift [3]int64
	for i, f := range []float64{argument, result, geometry.GateUnits * geometry.HiddenScale / 16. * math.Exp(-6*rng.Float64()*float64(rng.IntN(2)))} {
		mul[i], shift[i] = multiplier(f)
	}
	ints(ir.AttrMul, ir.I32, ir.Shape{2 + rows}, func(i int) int64 { return mul[min(i, 2)] >> (max(i-2, 0) % 5) }) // of rows smaller and smaller
	ints(ir.AttrShift, ir.I32, ir.Shape{3}, func(i int) int64 { return shift[i] })
	least, greatest := n.Out.Type.Ends()
	n.Put(ir.AttrLo.Is(least), ir.AttrHi.Is(greatest))
	return &ir.Module{Name: "net", Inputs: n.Args, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}}
}

func TestRecurrences(t *testing.T) {
	kerneltest.Family(t, &recurrent.Loop, 60, draw, "armv7em", "armv6m", "x86_64")
}

// drawLSTM makes an LSTM of TensorFlow Lite's integers.
func drawLSTM(rng *rand.Rand) *ir.Module {
	cell := []string{ir.CellLSTM8, ir.CellCIFG8}[rng.IntN(2)]
	cells, outputs, isProjected := 1+rng.IntN(9), 1+rng.IntN(9), rng.IntN(2) == 0
	if !isProjected {
		outputs = cells
	}
	return integers(rng, cell, cells, outputs, isProjected, 1+rng.IntN(6))
}

func integers(rng *rand.Rand, cell string, cells, outputs int, isProjected bool, steps int) *ir.Module {
	gates := ir.Gates(cell)
	n := &ir.Node{Op: ir.Recurrent, Args: []*ir.Value{{Name: "x", Type: ir.Type{Elem: ir.Of(ir.I16), Shape: ir.Shape{gates * cells, steps, 1}, Quant: ir.Quant{Scale: 1. / (1 << 12)}}}}}
	n.Out = &ir.Value{Name: "y", Def: n, Type: ir.Type{Elem: ir.Of(ir.I8), Shape: ir.Shape{outputs, steps, 1}, Quant: ir.Quant{Scale: .008, Zero: rng.IntN(256) - 128}}}
	ints := func(key ir.Key[*ir.Const], kind ir.Kind, shape ir.Shape, next func(i int) int64) {
		x := make([]int64, shape.Size())
		for i := range x {
			x[i] = next(i)
		}
		n.Put(key.Is(ir.IntConst("y."+key.String(), ir.Of(kind), shape, x)))
	}
	n.Put(ir.AttrCell.Is(cell), ir.AttrBack.Is(rng.IntN(2)), ir.AttrCellBits.Is(rng.IntN(ir.MostCellBits+1)))
	if rng.IntN(2) == 0 {
		n.Put(ir.AttrCellClip.Is(1 + rng.IntN(math.MaxInt16)))
	}
	code := func(int) int64 { return int64(rng.IntN(256) - 128) }
	ints(ir.AttrHidden, ir.I8, ir.Shape{gates * cells, outputs}, code)
	biases := gates * cells
	factors := []float64{2, .3, .01, 1, 1. / (1 << 23), .002}
	factors = append(factors[4-gates:4], factors[4:]...)
	if isProjected {
		n.Put(ir.AttrHiddenZero.Is(rng.IntN(256) - 128))
		ints(ir.AttrProject, ir.I8, ir.Shape{outputs, cells}, code)
		biases += outputs
	} else {
		factors = factors[:gates+1]
	}
	if rng.IntN(2) == 0 {
		n.Put(ir.AttrLo.Is(-rng.IntN(128)), ir.AttrHi.Is(rng.IntN(128)))
	}
	ints(ir.AttrBias, ir.I32, ir.Shape{biases}, func(int) int64 { return int64(rng.IntN(20000) - 10000) })
	mul, shift := make([]int64, len(factors)), make([]int64, len(factors))
	for i, f := range factors {
		m, r, err := geometry.MultiplierFor(f * (.5 + rng.Float64()))
		if err != nil {
			panic(err)
		}
		mul[i], shift[i] = int64(m), int64(r)
	}
	ints(ir.AttrMul, ir.I32, ir.Shape{len(mul)}, func(i int) int64 { return mul[i] })
	ints(ir.AttrShift, ir.I32, ir.Shape{len(shift)}, func(i int) int64 { return shift[i] })
	return &ir.Module{Name: "net", Inputs: n.Args, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}}
}

func TestTFLiteLSTMs(t *testing.T) {
	kerneltest.Family(t, &recurrent.Loop, 60, drawLSTM, "armv7em", "armv6m", "x86_64")
}

// TestEditedLSTMsAreRefused: sums that a dump was edited to take out of 32 bits, and constants of other sizes.
func TestEditedLSTMsAreRefused(t *testing.T) {
	list := func(key ir.Key[*ir.Const], at int, v int64) func(n *ir.Node) {
		return func(n *ir.Node) {
			c := n.Const(key)
			x, err := c.Ints()
			require.NoError(t, err)
			if at < 0 {
				x = x[:len(x)-1]
			} else {
				x[at] = v
			}
			n.Put(key.Is(ir.IntConst(c.Name, c.Type.Elem, ir.Shape{len(x)}, x)))
		}
	}
	for name, edit := range map[string]func(n *ir.Node){
		"shift":           list(ir.AttrShift, 0, 1),
		"no shift":        list(ir.AttrShift, 0, 63),
		"shift of result": list(ir.AttrShift, 4, 28),
		"fewer shifts":    list(ir.AttrShift, -1, 0),
		"bias":            list(ir.AttrBias, 0, math.MaxInt32),
		"fewer biases":    list(ir.AttrBias, -1, 0),
		"multiplier":      list(ir.AttrMul, 1, -1),
	} {
		rng := rand.New(rand.NewPCG(3, 2))
		m := drawLSTM(rng)
		for m.Ops[0].Word(ir.AttrCell) != ir.CellLSTM8 {
			m = drawLSTM(rng)
		}
		_, err := geometry.LSTMIntsOf(m.Ops[0])
		require.NoError(t, err)
		edit(m.Ops[0])
		_, err = geometry.LSTMIntsOf(m.Ops[0])
		assert.Error(t, err, name)
	}
}

// TestLongRecurrences: cells that could leave 32 bits are bounded.
func TestLongRecurrences(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	m := module(rand.New(rand.NewPCG(1, 2)), ir.CellLSTM, 1, geometry.CellSteps+50)
	p, ok := recurrent.Loop.Serves(kernel.Of(m.Ops[0], tgt))
	require.True(t, ok)
	kerneltest.Plan(t, &recurrent.Loop, p, m, tgt)
}

// TestGreatResults: hidden states beyond the range of a result saturate, however small its steps are.
func TestGreatResults(t *testing.T) {
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	for _, f := range []geometry.Factor{{Mul: 1 << 30, Shift: 2}, {Mul: math.MaxInt32, Shift: 10}, {Mul: 3 << 29, Shift: 1}} {
		m := module(rand.New(rand.NewPCG(1, 2)), ir.CellRNN, 5, 20)
		n := m.Ops[0]
		for key, v := range map[ir.Key[*ir.Const]]int32{ir.AttrMul: f.Mul, ir.AttrShift: f.Shift} {
			x, err := n.Const(key).Ints()
			require.NoError(t, err)
			x[1] = int64(v)
			n.Put(key.Is(ir.IntConst(n.Const(key).Name, ir.Of(ir.I32), ir.Shape{len(x)}, x)))
		}
		p, ok := recurrent.Loop.Serves(kernel.Of(n, tgt))
		require.True(t, ok)
		kerneltest.Plan(t, &recurrent.Loop, p, m, tgt)
	}
}

// TestEditedIntegersAreRefused: sums that a dump was edited to take out of 32 bits, and constants of other sizes.
func TestEditedIntegersAreRefused(t *testing.T) {
	for name, edit := range map[string]func(n *ir.Node){
		"shift": func(n *ir.Node) {
			n.Put(ir.AttrShift.Is(ir.IntConst("s", ir.Of(ir.I32), ir.Shape{3}, []int64{30, 30, 1})))
		},
		"shifts": func(n *ir.Node) {
			n.Put(ir.AttrShift.Is(ir.IntConst("s", ir.Of(ir.I32), ir.Shape{2}, []int64{30, 30})))
		},
		"far": func(n *ir.Node) {
			n.Put(ir.AttrShift.Is(ir.IntConst("s", ir.Of(ir.I32), ir.Shape{3}, []int64{30, 30, 63})))
		},
		"table": func(n *ir.Node) { n.Put(ir.AttrTable.Is(ir.IntConst("t", ir.Of(ir.I16), ir.Shape{2}, []int64{1, 2}))) },
	} {
		m := module(rand.New(rand.NewPCG(3, 2)), ir.CellLSTM, 3, 2)
		edit(m.Ops[0])
		_, err := geometry.RecurrentIntsOf(m.Ops[0])
		assert.Error(t, err, name)
	}
}
