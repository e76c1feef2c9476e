package tflite

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/interp"
)

// The models and what TensorFlow Lite's reference kernels answer to them are made
// by testdata/peers/tflite_cases.py.

func array(t *testing.T, folder, name string) weights.Tensor {
	t.Helper()
	f, err := weights.Open(filepath.Join("testdata", folder, "data.npz"))
	require.NoError(t, err)
	a, ok := f.Tensor(name)
	require.True(t, ok)
	return a
}

// image brings the pixels of one [1,H,W,C] array into the order C,H,W.
func image(m *ir.Module, x []float32) []float32 {
	s := m.Inputs[0].Type.Shape
	y := make([]float32, len(x))
	ir.ViewOf(ir.Shape{s[1], s[2], s[0]}).Permute([]int{2, 0, 1}).Each(func(i, at int) { y[i] = x[at] })
	return y
}

func reals(t *testing.T, a weights.Tensor, k int) []float32 {
	t.Helper()
	x, err := a.Float32()
	require.NoError(t, err)
	n := len(x) / a.Shape[0]
	return x[k*n : (k+1)*n]
}

func TestFloatNetwork(t *testing.T) {
	m, err := Load("testdata/network/model.tflite", Options{})
	require.NoError(t, err)
	p, err := interp.CompileFloat(m)
	require.NoError(t, err)
	in, out := array(t, "network", "input"), array(t, "network", "output")
	for k := range in.Shape[0] {
		y, err := p.Forward(context.Background(), image(m, reals(t, in, k)), 1)
		require.NoError(t, err)
		assert.InDeltaSlice(t, reals(t, out, k), y, 1e-5)
	}
}

// TestIntegersAreThoseOfTheReferenceKernels runs a network of convolutions,
// depthwise too, a sum, a pooling, a classifier and a softmax, which alone may be a
// step apart.
func TestIntegersAreThoseOfTheReferenceKernels(t *testing.T) {
	m, err := Load("testdata/network_int8/model.tflite", Options{})
	require.NoError(t, err)
	require.True(t, m.IsQuantized())
	p, err := interp.CompileInt(m)
	require.NoError(t, err)
	in, out := array(t, "network_int8", "input"), array(t, "network_int8", "output")
	for k := range in.Shape[0] {
		var x []int8
		for _, v := range image(m, reals(t, in, k)) {
			x = append(x, int8(v))
		}
		y, err := p.Forward(context.Background(), x, 1)
		require.NoError(t, err)
		for i, v := range reals(t, out, k) {
			assert.LessOrEqual(t, math.Abs(float64(v)-float64(y[i])), 1.)
		}
	}
	assert.Contains(t, m.String(), "round: tflite")
}

// TestFloatOfIntegers holds the weights of the float network to the integers that
// they come from.
func TestFloatOfIntegers(t *testing.T) {
	exact, err := Load("testdata/network_int8/model.tflite", Options{})
	require.NoError(t, err)
	float, err := Load("testdata/network_int8/model.tflite", Options{Float: true})
	require.NoError(t, err)
	require.False(t, float.IsQuantized())
	require.Len(t, float.Layers(), len(exact.Layers()))
	for i, n := range exact.Layers() {
		w, err := n.Const(ir.AttrWeight).Ints()
		require.NoError(t, err)
		scale, err := n.Const(ir.AttrWeight).Scale.Float32()
		require.NoError(t, err)
		bias, err := n.Const(ir.AttrBias).Ints()
		require.NoError(t, err)
		got, err := float.Layers()[i].Const(ir.AttrWeight).Float32()
		require.NoError(t, err)
		b, err := float.Layers()[i].Const(ir.AttrBias).Float32()
		require.NoError(t, err)
		size := len(w) / len(scale)
		for k, v := range w {
			require.InDelta(t, float64(v)*float64(scale[k/size]), got[k], 1e-6)
		}
		for c, v := range bias {
			require.InEpsilon(t, 1+math.Abs(float64(v)*n.Args[0].Type.Quant.Scale*float64(scale[c])), 1+math.Abs(float64(b[c])), 1e-5)
		}
	}
}

func TestFaultyFiles(t *testing.T) {
	whole, err := os.ReadFile("testdata/network_int8/model.tflite")
	require.NoError(t, err)
	for name, raw := range map[string][]byte{
		"empty": nil, "text": []byte("network net(x: f32[1]) -> f32[1] {"), "identifier alone": []byte("\x08\x00\x00\x00TFL3"),
		"wild root": append([]byte("\xff\xff\xff\x7fTFL3"), whole[8:]...), "truncated": whole[:len(whole)/2], "zeros": append([]byte("\x10\x00\x00\x00TFL3"), make([]byte, 64)...),
	} {
		_, err := Parse("net.tflite", raw, Options{})
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), "net.tflite: ", name)
	}
	_, err = Load("testdata/none.tflite", Options{})
	require.ErrorContains(t, err, "testdata/none.tflite: file: no such file")
}

// TestVectorsEndWithTheFile reads one whose length leaves four bytes too few.
func TestVectorsEndWithTheFile(t *testing.T) {
	raw := make([]byte, 24)
	raw[0], raw[4] = 4, 4 // a table at 4, whose vtable lies at 0
	for n := range 8 {
		f := &flat{raw: raw}
		// A vtable of one field at 8, an offset to a vector at 16 of n bytes.
		copy(raw, []byte{6, 0, 8, 0, 4, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, byte(n), 0, 0, 0, 1, 2, 3, 4})
		at, count, ok := table{f, 8}.vector(0, 1)
		if ok {
			assert.LessOrEqual(t, at+count, len(raw), n)
		}
	}
}

// TestRecurrentText unrolls a sequence of four steps, whose weights are halfs, as
// Keras' converter writes it: states of zero, two layers that all steps share.
func TestRecurrentText(t *testing.T) {
	m, err := Load("testdata/unidirectional_sequence_lstm_1/model.tflite", Options{})
	require.NoError(t, err)
	require.Len(t, m.Layers(), 2)
	assert.Len(t, m.Tied(m.Layers()[1]), 3, "of steps 1 to 3")
	assert.Equal(t, ir.Shape{4, 5}, m.Inputs[0].Type.Shape)
	for _, n := range m.Ops {
		assert.NotContains(t, n.Name(), "t0.hidden", "the first step has no state")
	}
}

// TestRecurrentFaults says what an LSTM must not have, of models whose operands and
// options are changed.
func TestRecurrentFaults(t *testing.T) {
	whole, err := os.ReadFile("testdata/unidirectional_sequence_lstm_1/model.tflite")
	require.NoError(t, err)
	f := &flat{raw: whole}
	op := table{f, f.follow(0)}.tables(2)[0].tables(3)
	lstm := op[len(op)-1]
	options, ok := lstm.sub(4)
	require.True(t, ok)
	operands, n, ok := lstm.vector(1, 4)
	require.True(t, ok && n == 24)
	argument := func(k int) []byte { return whole[operands+4*k : operands+4*k+4] }
	for want, c := range map[string]struct {
		at    int
		bytes []byte
	}{
		"has the fused activation 2":           {options.field(0), []byte{2}},
		"has weights of one kind only":         {operands + 4*lstmRecurrent, []byte{255, 255, 255, 255}},
		"lacks weights of a gate":              {operands + 4*(lstmWeights+2), []byte{255, 255, 255, 255}},
		"lacks the biases of a gate":           {operands + 4*(lstmBiases+1), []byte{255, 255, 255, 255}},
		"has weights of shape":                 {operands + 4*lstmWeights, argument(lstmBiases)},
		"for 4 cells":                          {operands + 4*(lstmPeepholes+1), argument(lstmWeights)},
		"has a projection of shape":            {operands + 4*lstmProjection, argument(lstmBiases)},
		"has an initial state":                 {operands + 4*lstmStates, argument(lstmInput)},
		"with a layer normalisation":           {operands + 4*lstmNorms, argument(lstmBiases)},
		"of a sequence of shape [4]":           {operands, argument(lstmBiases)},
		"has weights or sizes that are comput": {operands + 4*(lstmWeights+1), argument(lstmInput)},
	} {
		raw := append([]byte(nil), whole...)
		copy(raw[c.at:], c.bytes)
		_, err := Parse("net", raw, Options{})
		assert.ErrorContains(t, err, want)
	}
}

// TestIntegerLSTM: one of int8 keeps its integers, also without an input gate, and those of the optimized kernels are the
// same; read as reals it is an LSTM of reals.
func TestIntegerLSTM(t *testing.T) {
	for folder, wants := range map[string][]string{
		"unidirectional_sequence_lstm_int8_1": {"cell: lstm8", "project: t18.project", "hidden_zero: -126", "cell_bits: 5", "cell_clip: 1574", "i8[32,10]"},
		"unidirectional_sequence_lstm_int8_2": {"cell: cifg8", "cell_bits: 1", "cell_clip: 20500", "i8[21,7]", "i16[21,3,1] scale 0.000244140625 zero 0"},
	} {
		m, err := Load("testdata/"+folder+"/model.tflite", Options{})
		require.NoError(t, err)
		for _, want := range wants {
			assert.Contains(t, m.String(), want)
		}
		fast, err := Load("testdata/"+folder+"/model.tflite", Options{Optimized: true})
		require.NoError(t, err)
		assert.Equal(t, m.String(), fast.String())
		reals, err := Load("testdata/"+folder+"/model.tflite", Options{Float: true})
		require.NoError(t, err)
		assert.False(t, reals.IsQuantized())
	}
}

// TestIntegerLSTMFaults says what an LSTM of integers must not have.
func TestIntegerLSTMFaults(t *testing.T) {
	whole, err := os.ReadFile("testdata/unidirectional_sequence_lstm_int8_1/model.tflite")
	require.NoError(t, err)
	f := &flat{raw: whole}
	graph := table{f, f.follow(0)}.tables(2)[0]
	tensors, ops := graph.tables(0), graph.tables(3)
	lstm := ops[len(ops)-1]
	options, ok := lstm.sub(4)
	require.True(t, ok)
	operands, n, ok := lstm.vector(1, 4)
	require.True(t, ok && n == 24)
	own, n, ok := lstm.vector(8, 4)
	require.True(t, ok && n == 5)
	argument := func(k int) []byte { return whole[operands+4*k : operands+4*k+4] }
	// part is where the scale or the zero point of an argument stands, or its type.
	tensor := func(k int) table { return tensors[lstm.ints(1)[k]] }
	part := func(k, field, size int) int {
		q, ok := tensor(k).sub(4)
		require.True(t, ok)
		at, n, ok := q.vector(field, size)
		require.True(t, ok && n == 1)
		return at
	}
	const scale, zero = 2, 3
	for want, c := range map[string]struct {
		at    int
		bytes []byte
	}{
		"with the fused activation 1":          {options.field(0), []byte{actRelu}},
		"has weights of shape":                 {operands + 4*lstmWeights, argument(lstmBiases)},
		"lacks weights of a gate":              {operands + 4*(lstmRecurrent+2), []byte{255, 255, 255, 255}},
		"the zero point 0":                     {part(lstmWeights+1, zero, 8), []byte{1}},
		"a cell of the scale":                  {part(lstmStates+1, scale, 4), []byte{1, 0, 0x40, 0x39}},
		"another scale than its result":        {part(lstmStates, scale, 4), []byte{1, 0, 0x40, 0x39}},
		"has a bias of int8":                   {operands + 4*(lstmBiases+1), argument(lstmWeights)},
		"with peepholes":                       {operands + 4*lstmPeepholes, argument(lstmBiases)},
		"with a layer normalisation":           {operands + 4*lstmNorms, argument(lstmBiases)},
		"has no states":                        {operands + 4*lstmStates, []byte{255, 255, 255, 255}},
		"whose gates have 8 bits":              {tensor(lstmStates + 1).field(1), []byte{int8Type}},
		"has no scale of its hidden state":     {own + 16, whole[own : own+4]},
		"has weights or sizes that are comput": {operands + 4*(lstmWeights+1), argument(lstmInput)},
	} {
		raw := append([]byte(nil), whole...)
		copy(raw[c.at:], c.bytes)
		_, err := Parse("net", raw, Options{})
		assert.ErrorContains(t, err, want)
	}
}

// TestTexts shows what operators become: gates repeated to the pixels that they weigh,
// dense layers of rows as convolutions of pixels, rows by the input's integers.
func TestTexts(t *testing.T) {
	for folder, wants := range map[string][]string{
		"squeeze_excite_int8_1":       {"reduce(", ".wide = copy(", "mul("},
		"fully_connected_rows_int8_1": {"conv2d(t0.image", "i8[2,3,1,1]"},
		"embedding_1":                 {"t0: f32[5] in [0,", "embedding(t0"},
		"layer_norm_1":                {"reciprocal(", "sqrt(", ".wide = copy("},
		"resize_bilinear_1":           {"mode: edge", "groups: "},
		"depth_to_space_int8_1":       {"dims: [", "copy("},
	} {
		m, err := Load("testdata/"+folder+"/model.tflite", Options{})
		require.NoError(t, err, folder)
		text := m.String()
		if !m.IsQuantized() {
			text = m.Source()
		}
		for _, want := range wants {
			assert.Contains(t, text, want, folder)
		}
	}
}

// TestUnsupportedOperators lists all of a model, by name, with their results.
func TestUnsupportedOperators(t *testing.T) {
	raw, err := os.ReadFile("testdata/network/model.tflite")
	require.NoError(t, err)
	f := &flat{raw: raw}
	model := table{f, f.follow(0)}
	codes, ops := model.tables(1), model.tables(2)[0].tables(3)
	const convolution, addition = 3, 0
	names := map[string]int{}
	for _, c := range codes {
		switch at := c.field(3); c.int(3, 0) { // both fields have a code below 128
		case convolution:
			raw[at], raw[c.field(0)] = 10, 10
		case addition:
			if at != 0 {
				raw[at] = 10
			}
		}
	}
	for _, op := range ops {
		names[opName(op, codes)]++
	}
	require.Greater(t, names["HASHTABLE_LOOKUP"], 1)
	_, err = Parse("net.tflite", raw, Options{})
	require.ErrorContains(t, err, fmt.Sprintf("operation HASHTABLE_LOOKUP is not supported: %d of the model's %d nodes", names["HASHTABLE_LOOKUP"], len(ops)))
	assert.NotContains(t, err.Error(), "SOFTMAX", "what depends on them is told there")
	for code, want := range map[byte]string{27: "SVDF", 32: "CUSTOM", 29: "CONCAT_EMBEDDINGS"} {
		for _, c := range codes {
			if at := c.field(3); at != 0 && raw[at] == 10 {
				raw[at], raw[c.field(0)] = code, code
				_, err = Parse("net.tflite", raw, Options{})
				require.ErrorContains(t, err, want)
				raw[at], raw[c.field(0)] = 10, 10
			}
		}
	}
}

// TestTermsAndFactors: relu((x-P)*G+B), as TensorFlow 2 converts it: P has a number for each element, which are
// many, G and B one for each channel. P is a value of its own, and the channels keep one factor each.
func TestTermsAndFactors(t *testing.T) {
	m, err := Load("testdata/positions/model.tflite", Options{})
	require.NoError(t, err)
	var ops []ir.Op
	for _, n := range m.Ops {
		ops = append(ops, n.Op)
		if n.Op == ir.BatchNorm {
			assert.Equal(t, 64, n.Const(ir.AttrGamma).Type.Shape.Size())
		}
	}
	assert.Contains(t, ops, ir.Sub)
	assert.Contains(t, ops, ir.BatchNorm)
	p, err := interp.CompileFloat(m)
	require.NoError(t, err)
	y, err := p.Forward(context.Background(), reals(t, array(t, "positions", "input"), 0), 1)
	require.NoError(t, err)
	assert.InDeltaSlice(t, reals(t, array(t, "positions", "output"), 0), y, 1e-5)
}

// TestPlaces: the step between pixels is rounded to 1024ths, and the places are multiples of it; what has
// no such places is refused with both sizes.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		sampling
		from, size int
		want       []float64 // 1024ths
	}{
		{sampling{}, 3, 4, []float64{0, 768, 1536, 2048}}, // 2304 is beyond the last pixel
		{sampling{}, 3, 7, []float64{0, 439, 878, 1317, 1756, 2048, 2048}},
		{sampling{isHalf: true}, 3, 7, []float64{0, 146, 585, 1024, 1463, 1902, 2048}},
		{sampling{isAligned: true}, 3, 7, []float64{0, 341, 682, 1023, 1364, 1705, 2046}},
		{sampling{isAligned: true}, 3, 1, []float64{0}},
		{sampling{isHalf: true}, 7, 2, []float64{1280, 4864}},
	} {
		got, err := c.integers(c.from, c.size)
		require.NoError(t, err)
		for i := range got {
			got[i] *= 1024
		}
		assert.Equal(t, c.want, got, "%+v", c)
	}
	_, err := sampling{}.integers(9, 290) // 289 steps of 32 are 9.03 pixels
	require.ErrorContains(t, err, "of integers from 9 to 290 pixels, where its rounded steps reach beyond the image: -exact=false")

	got, err := sampling{isHalf: true}.halves(2, 4)
	require.NoError(t, err)
	assert.Equal(t, []float64{0, .25, .75, 1}, got)
	_, err = sampling{}.halves(3, 7)
	require.ErrorContains(t, err, "of uint8 from 3 to 7 pixels")
}
