package machine_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/passes/machine"
	"github.com/dnnc/dnnc/passes/pass"
)

// byRows plans a network of integers whose input the caller gives by rows.
func byRows(t *testing.T, text string, change func(m *ir.Module)) (*ir.Module, error) {
	t.Helper()
	m, err := frontend.Parse("net.dnn", []byte(text), frontend.Options{})
	require.NoError(t, err, text)
	change(m)
	target, err := processor.Find("armv7em")
	require.NoError(t, err)
	env := &pass.Env{Target: target, Level: pass.Int8, Rows: true}
	if err := machine.Select(context.Background(), m, env); err != nil {
		return m, err
	}
	return m, machine.Memory(context.Background(), m, env)
}

func unchanged(*ir.Module) {}

// TestRowsInDumps: a chain of one operation asks for the rows; its result is whole. The dump says so, and
// reads back.
func TestRowsInDumps(t *testing.T) {
	const text = `dnn 1 after fuse-pool

network net(x: i8[1,8,6] scale 1 zero 0) -> i8[1,4,3] {
  a = maxpool2d(x, kernel: [3,3], stride: [2,2], pad: [1,1,0,0]) : i8[1,4,3] scale 1 zero 0
  return a
}
`
	m, err := byRows(t, text, unchanged)
	require.NoError(t, err)
	require.Empty(t, ir.Verify(m))
	const want = `dnn 1 after fuse-pool target armv7em
network net(x: i8[1,8,6] scale 1 zero 0 at rows) -> i8[1,4,3] {
  arena 30 align 8
  a = maxpool2d(x, kernel: [3,3], stride: [2,2], pad: [1,1,0,0], impl: max_window, tile: [1,8], chain: [1,2], load: [0,5]) : i8[1,4,3] scale 1 zero 0 at output
  return a
}
`
	require.Equal(t, want, m.String())
	again, err := frontend.Parse("net.dnn", []byte(want), frontend.Options{})
	require.NoError(t, err)
	require.Empty(t, ir.Verify(again))
	assert.Equal(t, want, again.String())
}

// TestRowsAreVerified: what reads an input by rows is the chain that asks for them.
func TestRowsAreVerified(t *testing.T) {
	const text = `network net(x: i8[1,8,6] scale 1 zero 0) -> i8[1,4,3] {
  a = maxpool2d(x, kernel: [3,3], stride: [2,2], pad: [1,1,0,0]) : i8[1,4,3] scale 1 zero 0
  return a
}
`
	for name, change := range map[string]func(m *ir.Module){
		"outside the chain":               func(m *ir.Module) { m.Ops[0].Drop(ir.AttrChain, ir.AttrLoad) },
		"a has a buffer":                  func(m *ir.Module) { m.Ops[0].Drop(ir.AttrChain) },
		"reads x, which is given by rows": func(m *ir.Module) { m.Ops[0].Drop(ir.AttrLoad) },
		"and no input":                    func(m *ir.Module) { m.Ops[0].Out.At = ir.Place{Kind: ir.InRows} },
		"x is a result, and given by rows": func(m *ir.Module) {
			m.Outputs, m.Results = append(m.Outputs, m.Inputs[0]), append(m.Results, m.Inputs[0].Type)
		},
		"it is not the one input of a netw": func(m *ir.Module) { m.Inputs = append(m.Inputs, &ir.Value{Name: "y", Type: m.Inputs[0].Type}) },
	} {
		m, err := byRows(t, text, unchanged)
		require.NoError(t, err)
		change(m)
		assert.ErrorContains(t, ir.Verify(m).Err(), name)
	}
}

// TestRowsRefused: what cannot be given by rows is refused with the reason and a way out.
func TestRowsRefused(t *testing.T) {
	image := func(shape, body, result string) string {
		return "network net(x: " + shape + " scale 1 zero 0) -> " + result + " {\n" + body + "}\n"
	}
	for _, c := range []struct {
		text   string
		change func(m *ir.Module)
		want   string
	}{
		{"network net(x: i8[1,8,6] scale 1 zero 0, y: i8[1,8,6] scale 1 zero 0) -> i8[2,8,6] {\n  a = concat(x, y) : i8[2,8,6] scale 1 zero 0\n  return a\n}\n", unchanged,
			"rows are of one image, the network has 2 inputs"},
		{image("i8[8]", "  a = concat(x, x) : i8[16] scale 1 zero 0\n  return a\n", "i8[16]"), unchanged, "x, of i8[8], has no rows"},
		{image("i8[1,1,8]", "  a = maxpool2d(x, kernel: [1,2]) : i8[1,1,4] scale 1 zero 0\n  return a\n", "i8[1,1,4]"), unchanged, "has no rows"},
		{image("i8[1,8,6]", "  a = concat(x, x) : i8[2,8,6] scale 1 zero 0\n  return a\n", "i8[2,8,6]"), unchanged, "a reads x, and no concat of this kind runs in stripes of rows"},
		{image("i8[1,8,6]", "  a = avgpool2d(x, kernel: [3,3], stride: [1,1], pad: [1,1,1,1]) : i8[1,8,6] scale 1 zero 0\n  return a\n", "i8[1,8,6]"), unchanged, "no avgpool2d of this kind"},
		{image("i8[1,8,6]", "  a = maxpool2d(x, kernel: [8,1]) : i8[1,1,6] scale 1 zero 0\n  return a\n", "i8[1,1,6]"), unchanged, "no chain of layers that begins with a"},
		{image("i8[1,8,6]", "  a = maxpool2d(x, kernel: [2,1]) : i8[1,4,6] scale 1 zero 0\n  b = concat(a, a) : i8[2,4,6] scale 1 zero 0\n  c = maxpool2d(x, kernel: [2,1]) : i8[1,4,6] scale 1 zero 0\n  d = concat(b, c) : i8[3,4,6] scale 1 zero 0\n  return d\n", "i8[3,4,6]"), unchanged,
			"no chain of layers that begins with a"},
		{image("i8[1,8,6]", "  a = maxpool2d(x, kernel: [2,1]) : i8[1,4,6] scale 1 zero 0\n  return a\n", "i8[1,4,6]"), func(m *ir.Module) { m.Inputs[0].Type.Elem = ir.Of(ir.I16) }, "x is i16, rows are of 8 bits"},
		{image("i8[1,8,6]", "  a = maxpool2d(x, kernel: [2,1]) : i8[1,4,6] scale 1 zero 0\n  return a\n", "i8[1,4,6]"), func(m *ir.Module) { m.Stream.Hop = 1 }, "a network that streams takes the frames of a run at once"},
		{image("i8[1,8,6]", "  a = maxpool2d(x, kernel: [2,1]) : i8[1,4,6] scale 1 zero 0\n  return a\n", "i8[1,4,6]"), func(m *ir.Module) { m.Outputs[0] = m.Inputs[0] }, "x is a result, too"},
	} {
		_, err := byRows(t, c.text, c.change)
		var d *diag.Diagnostic
		if assert.ErrorAs(t, err, &d, c.text) {
			assert.Equal(t, diag.Unsupported, d.Kind)
			assert.Contains(t, d.Message, c.want)
			assert.Contains(t, d.Help, "without -rows")
		}
	}
}

// TestReadersShareRows: all that read the input share one buffer of its rows.
func TestReadersShareRows(t *testing.T) {
	_, err := byRows(t, `network net(x: i8[1,8,6] scale 1 zero 0) -> i8[1,4,6], i8[1,4,6] {
  a = maxpool2d(x, kernel: [2,1]) : i8[1,4,6] scale 1 zero 0
  b = maxpool2d(a, kernel: [2,1], stride: [1,1], pad: [1,0,0,0]) : i8[1,4,6] scale 1 zero 0
  c = maxpool2d(x, kernel: [2,1]) : i8[1,4,6] scale 1 zero 0
  return c, b
}
`, unchanged)
	assert.ErrorContains(t, err, "no chain of layers", "b is whole within the chain")
	m, err := byRows(t, `network net(x: i8[2,8,6] scale 1 zero 0) -> i8[2,8,6] {
  a = maxpool2d(x, kernel: [3,1], stride: [1,1], pad: [1,0,1,0]) : i8[2,8,6] scale 1 zero 0
  b = minimum(a, x) : i8[2,8,6] scale 1 zero 0
  return b
}
`, unchanged)
	require.NoError(t, err)
	require.Empty(t, ir.Verify(m))
	assert.Equal(t, []ir.Chain{{From: 0, To: 1, Rows: 4}}, m.Chains())
	assert.True(t, m.Ops[0].Has(ir.AttrLoad))
	assert.False(t, m.Ops[1].Has(ir.AttrLoad))
}
