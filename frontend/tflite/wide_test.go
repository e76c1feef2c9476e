package tflite_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/frontend/tflite"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/interp"
)

// TestWideAnswersOfTensorFlowLite holds Keras networks, converted with activations of int16 and weights of
// int8, to the integers that TensorFlow Lite's interpreter answers: its reference kernels, and its
// optimized ones. testdata/peers/tflite_wide.py made them.
func TestWideAnswersOfTensorFlowLite(t *testing.T) {
	cases := frontendtest.Packed(t, "testdata/wide.tar.gz")
	require.Len(t, cases, 8)
	for _, c := range cases {
		for _, optimized := range []bool{false, true} {
			t.Run(fmt.Sprint(c.Name, optimized), func(t *testing.T) {
				m, err := tflite.Parse("net", c.Files["model.tflite"], tflite.Options{Optimized: optimized})
				require.NoError(t, err)
				require.True(t, m.IsQuantized())
				for _, n := range m.Ops {
					require.Equal(t, ir.Of(ir.I16), n.Out.Type.Elem, n.Name())
				}
				f, err := weights.Parse(c.Files["data.npz"])
				require.NoError(t, err)
				in, want := words(t, f, "input", m.Inputs[0].Type), words(t, f, fmt.Sprint("output_", optimized), m.Outputs[0].Type)
				p, err := interp.CompileInt(m)
				require.NoError(t, err)
				for k := range want {
					got, err := p.Forward(context.Background(), in[k], 1)
					require.NoError(t, err)
					require.Equal(t, want[k], got, "sample %d", k)
				}
			})
		}
	}
}

// words are the samples of an array of int16 as the module has them: two bytes an element, of images
// channel by channel.
func words(t *testing.T, f *weights.File, name string, of ir.Type) (list [][]int8) {
	a, ok := f.Tensor(name)
	require.True(t, ok, name)
	require.Equal(t, weights.I16, a.DType)
	size := of.Shape.Size()
	require.Len(t, a.Data, 2*size*a.Shape[0])
	for k := range a.Shape[0] {
		x, y := a.Data[2*size*k:2*size*(k+1)], make([]int8, 2*size)
		view := ir.ViewOf(of.Shape)
		if s := of.Shape; len(a.Shape) == 5 {
			view = ir.ViewOf(ir.Shape{s[1], s[2], s[0]}).Permute([]int{2, 0, 1})
		}
		view.Each(func(i, at int) { y[2*i], y[2*i+1] = int8(x[2*at]), int8(x[2*at+1]) })
		list = append(list, y)
	}
	return list
}
