package recurrent

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// TestFixedFunctions: the written functions give what the interpreter's give, of all 65,536 arguments; the cells of the
// least and the most bits of one in 17.
func TestFixedFunctions(t *testing.T) {
	tgt, err := processor.Find("armv6m")
	require.NoError(t, err)
	for name, f := range map[string]struct {
		write func(w *lstm, x loop.Expr) loop.Expr
		want  func(x int32) int32
		by    int
	}{
		"sigmoid":        {(*lstm).sigmoid, kernels.FixedSigmoid, 1},
		"tanh":           {func(w *lstm, x loop.Expr) loop.Expr { return w.tanh(x, 3) }, func(x int32) int32 { return kernels.FixedTanh(x, 3) }, 1},
		"tanh of a part": {func(w *lstm, x loop.Expr) loop.Expr { return w.tanh(x, 0) }, func(x int32) int32 { return kernels.FixedTanh(x, 0) }, 17},
		"tanh of much":   {func(w *lstm, x loop.Expr) loop.Expr { return w.tanh(x, ir.MostCellBits) }, func(x int32) int32 { return kernels.FixedTanh(x, ir.MostCellBits) }, 17},
	} {
		count := (1<<16-1)/f.by + 1
		word := ir.Type{Elem: ir.Of(ir.I16), Shape: ir.Shape{count}, Quant: ir.Quant{Scale: 1}}
		n := &ir.Node{Op: ir.Reshape, Args: []*ir.Value{{Name: "x", Type: word}}}
		n.Out = &ir.Value{Name: "y", Def: n, Type: word}
		fn, err := emit.NewNetwork(tgt).Layer("layer", n, func(g *emit.Generator) error {
			w := newLSTM(g, "")
			g.B.For("i", loop.Int(0), loop.Int(count), 1, func(i loop.Expr) {
				x := g.B.Let("x", loop.Op(loop.Sub, loop.Scaled(i, f.by), loop.Int(1<<15)))
				g.B.StoreAligned(g.Out, loop.Scaled(i, 2), loop.To(loop.Trunc, f.write(w, x), 16), 2)
			})
			return nil
		})
		require.NoError(t, err)
		got := make(loop.Memory, 2*count)
		_, err = loop.Run(fn, nil, []loop.Memory{make(loop.Memory, 2*count), got})
		require.NoError(t, err)
		for i := range count {
			x := int32(i*f.by + math.MinInt16)
			if have, want := int16(binary.LittleEndian.Uint16(got[2*i:])), f.want(x); int32(have) != want {
				t.Fatalf("%s of %d is %d, not %d", name, x, have, want)
			}
		}
	}
}
