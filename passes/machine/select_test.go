package machine_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
)

func target(t *testing.T, name string) *processor.Target {
	tgt, err := processor.Find(name)
	require.NoError(t, err)
	return tgt
}

// quantized is a network of one layer of a format, with constants that no kernel needs to
// be true.
func quantized(format string, weight ir.Shape, side int) *ir.Module {
	e, ok := ir.ParseElem(format)
	if !ok {
		panic(format)
	}
	q := ir.Quant{Scale: .1, Zero: 3}
	value := func(name string, shape ir.Shape) *ir.Value {
		return &ir.Value{Name: name, Type: ir.Type{Elem: ir.Of(ir.I8), Shape: shape, Quant: q}}
	}
	x := value("x", ir.Shape{weight[1], side, side})
	n := &ir.Node{Op: ir.Conv2D, Args: []*ir.Value{x}, Out: value("y", ir.Shape{weight[0], side, side})}
	n.Out.Def = n
	pad := weight[2] / 2
	n.Put(ir.AttrStride.Is([]int{1, 1}))
	n.Put(ir.AttrPad.Is([]int{pad, pad, pad, pad}))
	n.Put(ir.AttrWeight.Is(&ir.Const{Name: "w", Type: ir.Type{Elem: e, Shape: weight}, Data: ir.Bytes(make([]byte, weight.Size()))}))
	n.Put(ir.AttrBias.Is(ir.IntConst("b", ir.Of(ir.I32), ir.Shape{weight[0]}, make([]int64, weight[0]))))
	return &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}}
}

// TestServing: what serves a layer, by rising cycles; families for any layer come last,
// even where their estimate is less.
func TestServing(t *testing.T) {
	served := 0
	for _, name := range []string{"armv6m", "armv7em", "armv7", "aarch64", "x86_64", "riscv32"} {
		for _, format := range []string{"i8", "odd1", "odd2", "odd3", "odd4"} {
			for _, weight := range []ir.Shape{{8, 8, 3, 3}, {1, 1, 1, 1}, {64, 3, 5, 5}} {
				list := machine.Serving(kernel.Of(quantized(format, weight, 16).Ops[0], target(t, name)))
				require.NotEmpty(t, list)
				served += len(list)
				assert.True(t, slices.IsSortedFunc(list, func(a, b machine.Choice) int {
					if a.Family.General != b.Family.General {
						if a.Family.General {
							return 1
						}
						return -1
					}
					return int(max(-1, min(1, math.Ceil(a.Plan.Cycles()-b.Plan.Cycles()))))
				}), "%s %s %v", name, format, weight)
				assert.True(t, list[len(list)-1].Family.General)
			}
		}
	}
	assert.Greater(t, served, 2*6*5*3, "there is a choice")
	assert.True(t, math.IsInf(machine.Cycles(quantized("i8", ir.Shape{8, 8, 3, 3}, 16).Ops[0], target(t, "armv7"), ir.Of(ir.F32)), 1), "no kernel reads floats")
}

// TestRAMTakesTheCheapestThatFits: of the families of a layer whose arena is its scratch,
// the first by cycles that a bound leaves, or the one of least scratch.
func TestRAMTakesTheCheapestThatFits(t *testing.T) {
	changes := 0
	for _, name := range []string{"armv6m", "armv7em", "armv7", "aarch64"} {
		for _, format := range []string{"i8", "odd1", "odd2", "odd4"} {
			tgt := target(t, name)
			list := machine.Serving(kernel.Of(quantized(format, ir.Shape{16, 16, 3, 3}, 12).Ops[0], tgt))
			var bounds []int
			for _, c := range list {
				bounds = append(bounds, c.Plan.Scratch()-1, c.Plan.Scratch(), c.Plan.Scratch()+1)
			}
			for _, ram := range bounds {
				if ram < 1 {
					continue
				}
				// Each family has its cheapest plan, or the cheapest within the bound.
				within := kernel.Of(quantized(format, ir.Shape{16, 16, 3, 3}, 12).Ops[0], tgt).Within(ram)
				bounded := slices.Clone(list)
				for i, c := range bounded {
					if p, ok := c.Family.Serves(within); ok && c.Plan.Scratch() > ram {
						bounded[i].Plan = p
					}
				}
				want := slices.MinFunc(bounded, func(a, b machine.Choice) int {
					over := func(c machine.Choice) int { return max(c.Plan.Scratch()-ram, 0) }
					if d := cmp.Compare(over(a), over(b)); d != 0 || a.Family.General != b.Family.General {
						return d // general families are the last ones
					}
					return cmp.Compare(a.Plan.Cycles(), b.Plan.Cycles())
				})
				m := quantized(format, ir.Shape{16, 16, 3, 3}, 12)
				env := &pass.Env{Target: tgt, Budget: pass.Budget{RAM: ram}}
				require.NoError(t, machine.Select(context.Background(), m, env))
				n := m.Ops[0]
				what := fmt.Sprintf("%s %s, %d bytes", name, format, ram)
				assert.Equal(t, want.Family.Name, n.Word(ir.AttrImpl), what)
				if want.Family != list[0].Family {
					changes++
				}
				err := machine.Memory(context.Background(), m, env)
				if want.Plan.Scratch() <= ram {
					require.NoError(t, err, what)
					assert.Equal(t, want.Plan.Scratch(), m.Arena.Bytes, what)
					continue
				}
				var d *diag.Diagnostic
				require.ErrorAs(t, err, &d, what)
				assert.Equal(t, diag.BadBudget, d.Kind)
				assert.Equal(t, fmt.Sprintf("the arena takes %d bytes, -ram allows %d", want.Plan.Scratch(), ram), d.Message)
				assert.Contains(t, d.Help, fmt.Sprintf("-ram %d;", want.Plan.Scratch()))
			}
		}
	}
	assert.Greater(t, changes, 10)
}

// TestSelectDropsEarlierChoices: a module that was planned for a target is planned for
// another as one that never was.
func TestSelectDropsEarlierChoices(t *testing.T) {
	for file, product := range map[string]string{
		"branch": "mla", // windows of one channel are cheapest as columns of bytes
		"chain":  "mla",
	} {
		m := frontendtest.Load(t, "testdata/memory/"+file+".out.dnn")
		require.Positive(t, m.Arena.Bytes)
		env := &pass.Env{Target: target(t, "armv7em")}
		require.NoError(t, machine.Select(context.Background(), m, env))
		assert.Equal(t, "armv7em", m.Target)
		assert.Equal(t, ir.Arena{}, m.Arena)
		for _, n := range m.Ops {
			assert.Equal(t, ir.Place{}, n.Out.At, n.Name())
			assert.False(t, n.Has(ir.AttrLag), n.Name())
			assert.False(t, n.Has(ir.AttrUnroll), n.Name())
		}
		assert.Equal(t, product, m.Ops[0].Word(ir.AttrMultiply), file)
		require.NoError(t, machine.Memory(context.Background(), m, env))
		twice := m.String()
		require.NoError(t, machine.Select(context.Background(), m, env))
		require.NoError(t, machine.Memory(context.Background(), m, env))
		assert.Equal(t, twice, m.String())
	}
}

// TestSmallCode: -O size takes two products of an input a round, or one vector.
func TestSmallCode(t *testing.T) {
	for name, want := range map[string]int{"armv7em": 2, "armv6m": 2, "armv7": 1, "aarch64": 1} {
		m := frontendtest.Load(t, "testdata/memory/chain.out.dnn")
		require.NoError(t, machine.Select(context.Background(), m, &pass.Env{Target: target(t, name), Small: true}))
		for _, n := range m.Ops {
			if n.Op != ir.Conv2D {
				assert.False(t, n.Has(ir.AttrUnroll), "%s %s", name, n.Name())
				continue
			}
			assert.Equal(t, want, n.Int(ir.AttrUnroll), "%s %s", name, n.Name())
		}
	}
}

// TestNoKernel: operations without a kernel are told, all of them, each at its line.
func TestNoKernel(t *testing.T) {
	m := frontendtest.Load(t, "testdata/memory/chain.out.dnn")
	for _, n := range m.Ops[1:3] {
		n.Op = ir.Flatten
	}
	err := machine.Select(context.Background(), m, &pass.Env{Target: target(t, "armv7em")})
	var list diag.List
	require.ErrorAs(t, err, &list)
	require.Len(t, list, 2)
	for i, name := range []string{"d", "e"} {
		assert.Equal(t, diag.Unsupported, list[i].Kind)
		assert.Equal(t, name+": no kernel for this flatten on armv7em", list[i].Message)
		assert.Equal(t, 17+i, list[i].Pos.Line)
	}
	assert.True(t, strings.HasPrefix(m.Ops[0].Word(ir.AttrImpl), "conv_"), "the others are planned")
}
