package verify

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestReference: integers near the reals, far from them, and farther than zeros.
func TestReference(t *testing.T) {
	module := func(e ir.Kind, q ir.Quant) *ir.Module {
		x := &ir.Value{Name: "x", Type: ir.Type{Elem: ir.Of(e), Shape: ir.Shape{1, 2, 2}, Quant: q}, Range: &ir.Range{Lo: -1, Hi: 1}}
		n := &ir.Node{Op: ir.MaxPool2D, Args: []*ir.Value{x}}
		n.Put(ir.AttrKernel.Is([]int{1, 1})) // as it came in
		n.Out = &ir.Value{Name: "y", Def: n, Type: x.Type}
		return &ir.Module{Name: "net", Inputs: []*ir.Value{x}, Ops: []*ir.Node{n}, Outputs: []*ir.Value{n.Out}, Results: []ir.Type{x.Type}}
	}
	in := []int8{-100, -50, 50, 100}
	for _, c := range []struct {
		scale     float64 // of the result
		kind      string
		want, say string
		err       string
	}{
		{.01, "test images", "y equal, at most 0.0 of its 256 steps apart (0 % of its range)", "", ""},
		{.011, "test images", "y 20.0 dB, at most 9.1 of its 256 steps apart (3.6 % of its range)", "", ""},
		{.015, "test images", "y 6.0 dB, at most 33.3 of its 256 steps apart (13 % of its range)", "dnnc: warning: [low-fidelity] y lies at 6.0 dB", ""},
		{.03, "test images", "", "", "y lies at -6.0 dB from the float network before any pass: zeros would lie nearer"},
		{.03, noisy, "y -6.0 dB", "dnnc: warning: [low-fidelity] y lies at -6.0 dB", ""},
	} {
		m := module(ir.I8, ir.Quant{Scale: .01})
		m.Outputs[0].Type.Quant.Scale = c.scale
		r, err := newReference(module(ir.F32, ir.Quant{}), m)
		require.NoError(t, err)
		prog, err := interp.CompileInt(m)
		require.NoError(t, err)
		v := prog.Tensors(1, m.Inputs[0], m.Outputs[0])
		copy(v[prog.ID(m.Inputs[0])], in)
		require.NoError(t, prog.Run(context.Background(), v, 1, 0, 1))
		require.NoError(t, r.compare(context.Background(), prog, in, v))
		var out, messages bytes.Buffer
		warnings := &driver.Warnings{}
		require.NoError(t, warnings.SetErrors(diag.LowFidelity))
		err = r.report(&out, &messages, warnings, c.kind)
		if c.err != "" {
			require.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		assert.Contains(t, out.String(), c.want)
		assert.Contains(t, messages.String(), c.say)
		assert.Equal(t, c.say != "", warnings.Err() != nil, "-Werror=low-fidelity")
		silent := &driver.Warnings{}
		silent.Silence(diag.LowFidelity, true)
		messages.Reset()
		require.NoError(t, r.report(&out, &messages, silent, c.kind))
		assert.Empty(t, messages.String(), "-Wno-low-fidelity")
	}
	for want, before := range map[string]*ir.Module{
		"only the dump is there; with the network there, verify compares":                             nil,
		"integers already; dnnc conformance compares them with answers of the program that made them": module(ir.I8, ir.Quant{Scale: 1}),
	} {
		r, err := newReference(before, module(ir.I8, ir.Quant{Scale: 1}))
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, r.report(&out, &out, nil, noisy))
		assert.Contains(t, out.String(), "net: not compared with a float network: ")
		assert.Contains(t, out.String(), want)
	}
}
