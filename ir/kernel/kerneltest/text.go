package kerneltest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

// roundings are the words of a rounding that passes do not write.
var roundings = []string{ir.RoundTFLite, ir.RoundTwice, ir.RoundEven}

// Expressions compiles expressions of a: f32[4,6,6] in [-2,3], b of the same shape and
// m: f32[5,7], and runs each node that the families serve, by itself. The golden
// testdata/expressions.txt holds the operations that a run executes.
func Expressions(t *testing.T, list []*kernel.Family, exprs []string, targets ...string) {
	expressions(t, list, exprs, "expressions.txt", pass.EightBits, targets)
}

// WideExpressions is Expressions with activations of 16 bits.
func WideExpressions(t *testing.T, list []*kernel.Family, exprs []string, targets ...string) {
	expressions(t, list, exprs, "wide.txt", pass.SixteenBits, targets)
}

func expressions(t *testing.T, list []*kernel.Family, exprs []string, golden, bits string, targets []string) {
	var lines []string
	for _, name := range targets {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		for _, expr := range exprs {
			t.Run(name+"/"+expr, func(t *testing.T) {
				served := 0
				for _, n := range nodes(t, tgt, expr, bits) {
					i := slices.IndexFunc(list, func(f *kernel.Family) bool { return f.Op == n.Op })
					if i < 0 {
						continue
					}
					p, ok := list[i].Serves(kernel.Of(n, tgt))
					require.True(t, ok)
					served++
					r := Plan(t, list[i], p, alone(n), tgt)
					if n.Op.Takes(ir.AttrRound) && n.Has(ir.AttrMul) && !n.HasWideSums() {
						for _, word := range roundings {
							n.Put(ir.AttrRound.Is(word))
							Plan(t, list[i], p, alone(n), tgt)
						}
						n.Drop(ir.AttrRound)
					}
					lines = append(lines, fmt.Sprintf("%s %s: %s %v, runs %d operations, %d bytes of constants", list[i].Name, name, expr, p.Attrs().Tile, r.Weighted(), r.Constants))
				}
				require.NotZero(t, served, "no node of the families")
			})
		}
	}
	Golden(t, golden, lines)
}

// alone is a node as a network of its own.
func alone(n *ir.Node) *ir.Module {
	m := &ir.Module{Name: "net", Outputs: []*ir.Value{n.Out}, Ops: []*ir.Node{n}}
	for _, a := range n.Args {
		if !slices.Contains(m.Inputs, a) {
			m.Inputs = append(m.Inputs, a)
		}
	}
	return m
}

// prelude makes b and m of the input.
const prelude = `network net(a: f32[4,6,6] in [-2,3]%s) -> f32%s {
  b = tanh(transpose(a, perm: [0,2,1]))
  flat = reshape(a, shape: [144])
  some = slice(flat, start: [3], size: [35])
  m = reshape(some, shape: [5,7])
  y = %s
  return y
}
`

// nodes are the nodes of an expression after the passes.
func nodes(t *testing.T, tgt *processor.Target, expr, bits string) []*ir.Node {
	as := ""
	if bits == pass.SixteenBits {
		as = " as i16" // it is no picture
	}
	source := func(result string) []byte { return fmt.Appendf(nil, prelude, as, result, expr) }
	m, err := frontend.Parse("net.dnn", source("[1]"), frontend.Options{})
	require.NoError(t, err)
	m, err = frontend.Parse("net.dnn", source(m.Outputs[0].Type.Shape.String()), frontend.Options{})
	require.NoError(t, err)
	env := &pass.Env{Target: tgt, Level: pass.Int8, Rounding: "nearest", Bits: bits, Seed: 1,
		Calibration: func() (data.Batch, error) { return data.Synthesize([]int{4, 6, 6}, -2, 3, 16, 1), nil }}
	require.NoError(t, passes.Table.Run(context.Background(), m, env, pass.Options{}))
	for _, n := range m.Ops {
		n.Drop(ir.AttrLag)
	}
	return m.Ops
}
