package tflite_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/frontend/tflite"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/interp"
)

// several are those whose reals differ: of more than one operator, as an int8 model saturates
// between them; those that round the step between pixels; and the steps of an LSTM, with the clip of its cell.
var several = []string{"UNIDIRECTIONAL_SEQUENCE_LSTM", "RESIZE_BILINEAR", "ADD", "SUB", "MUL", "CONCATENATION", "SQUEEZE_EXCITE", "NETWORK", "FUNCTIONS"}

// TestAnswersOfTensorFlowLite holds small random models of every operator, floats and
// int8, to what the interpreter's reference kernels answer, log softmaxes to the optimized ones. testdata/peers/tflite_cases.py
// made them; make peers makes others. The last LSTM is one that TensorFlow's converter calibrated and quantized (tflite_lstm.py). The
// reals of an int8 model are held to them, too, to two steps.
func TestAnswersOfTensorFlowLite(t *testing.T) {
	for _, c := range slices.Concat(frontendtest.Packed(t, "testdata/peers.tar.gz"), frontendtest.Packed(t, "testdata/uint8.tar.gz"), frontendtest.Packed(t, "testdata/bilinear.tar.gz"), frontendtest.Packed(t, "testdata/logsoftmax.tar.gz"), frontendtest.Packed(t, "testdata/int16.tar.gz"), frontendtest.Packed(t, "testdata/operators.tar.gz"), frontendtest.Packed(t, "testdata/lstm.tar.gz")) {
		t.Run(c.Name, func(t *testing.T) {
			m, err := tflite.Parse("net", c.Files["model.tflite"], tflite.Options{})
			require.NoError(t, err)
			require.Empty(t, ir.Verify(m))
			require.Equal(t, strings.Contains(c.Name, "INT8_") || strings.Contains(c.Name, "INT16_"), m.IsQuantized())
			f, err := weights.Parse(c.Files["data.npz"])
			require.NoError(t, err)
			// array is what a value is in the samples, one after the other, each as the module
			// has it: channel by channel where it is an image.
			array := func(name string, v *ir.Value) (list [][]float32) {
				a, ok := f.Tensor(name)
				require.True(t, ok, name)
				all, err := a.Float32()
				require.NoError(t, err)
				if a.DType == weights.U8 {
					for i := range all {
						all[i] -= 128
					}
				}
				s := v.Type.Shape
				require.Len(t, all, a.Shape[0]*s.Size(), name)
				for k := range a.Shape[0] {
					x := all[k*s.Size() : (k+1)*s.Size()]
					if len(a.Shape) == 5 {
						y := make([]float32, len(x))
						ir.ViewOf(ir.Shape{s[1], s[2], s[0]}).Permute([]int{2, 0, 1}).Each(func(i, at int) { y[i] = x[at] })
						x = y
					}
					list = append(list, x)
				}
				return list
			}
			out := m.Outputs[0]
			want := array("output", out)
			if a, _ := f.Tensor("output"); m.IsQuantized() && a.DType != weights.I8 && a.DType != weights.I16 && a.DType != weights.U8 { // places, which are int8 here
				for _, x := range want {
					for i := range x {
						x[i] = x[i]/float32(out.Type.Quant.Scale) + float32(out.Type.Quant.Zero)
					}
				}
			}
			if !m.IsQuantized() {
				p, err := interp.CompileFloat(m)
				require.NoError(t, err)
				for k := range want {
					values := p.Tensors(1, out)
					for i, v := range m.Inputs {
						values[p.ID(v)] = array(name(i), v)[k]
					}
					require.NoError(t, p.Run(context.Background(), values, 1, 0, len(m.Ops)))
					frontendtest.Near(t, want[k], values[p.ID(out)], fmt.Sprint("sample ", k))
				}
				return
			}
			p, err := interp.CompileInt(m)
			require.NoError(t, err)
			kind := c.Name[:strings.LastIndexByte(c.Name, '_')]
			for _, suffix := range []string{"_INT8", "_UINT8", "_INT16"} {
				kind = strings.TrimSuffix(kind, suffix)
			}
			for k := range want {
				values := p.Tensors(1, out)
				for i, v := range m.Inputs {
					values[p.ID(v)] = stored(v.Type, array(name(i), v)[k])
				}
				require.NoError(t, p.Run(context.Background(), values, 1, 0, len(m.Ops)))
				for i, y := range integers(out.Type, values[p.ID(out)]) {
					require.EqualValues(t, want[k][i], y, "sample %d, element %d", k, i)
				}
			}
			if slices.Contains(several, kind) {
				return
			}
			real, err := tflite.Parse("net", c.Files["model.tflite"], tflite.Options{Float: true})
			require.NoError(t, err)
			require.False(t, real.IsQuantized())
			require.Equal(t, out.Type.Shape, real.Outputs[0].Type.Shape)
			least, greatest := out.Type.Ends()
			r, err := interp.CompileFloat(real)
			require.NoError(t, err)
			for k := range want {
				values := r.Tensors(1, real.Outputs[0])
				for i, v := range real.Inputs {
					q := m.Inputs[i].Type.Quant
					for _, x := range array(name(i), m.Inputs[i])[k] {
						values[r.ID(v)] = append(values[r.ID(v)], float32(q.Scale*float64(int(x)-q.Zero)))
					}
				}
				require.NoError(t, r.Run(context.Background(), values, 1, 0, len(real.Ops)))
				for i, y := range values[r.ID(real.Outputs[0])] {
					q := out.Type.Quant
					steps := max(float64(least), min(float64(greatest), float64(y)/q.Scale+float64(q.Zero)))
					require.InDelta(t, want[k][i], steps, 2, "sample %d, element %d", k, i)
				}
			}
		})
	}
}

// name is the array of an input.
func name(i int) string {
	if i == 0 {
		return "input"
	}
	return fmt.Sprint("input", i)
}

// stored are integers as a program has them: two bytes each of 16 bits.
func stored(t ir.Type, x []float32) (list []int8) {
	for _, v := range x {
		if t.IsWide() {
			list = append(list, int8(int(v)), int8(int(v)>>8))
		} else {
			list = append(list, int8(v))
		}
	}
	return list
}

// integers are those that stored stored.
func integers(t ir.Type, x []int8) (list []int) {
	for i := range t.Shape.Size() {
		if t.IsWide() {
			list = append(list, int(x[2*i+1])<<8|int(uint8(x[2*i])))
		} else {
			list = append(list, int(x[i]))
		}
	}
	return list
}
