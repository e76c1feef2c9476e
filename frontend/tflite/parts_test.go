package tflite

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

// TestConstantsAreBounded: a small file may ask for any number of large constants.
func TestConstantsAreBounded(t *testing.T) {
	im := &importer{}
	require.NoError(t, im.spend(maxKnown))
	require.ErrorContains(t, im.spend(1), "makes constants of more than 256 MiB in all")
}

// TestSplitNames: of fused lists the layer of the product, else the first layer.
func TestSplitNames(t *testing.T) {
	n := namer{scope: "model"}
	for name, want := range map[string][2]string{
		"model/conv2d_8/convolution": {"conv2d_8", "convolution"},
		"model/re_lu_1/Relu6;model/bn_2/batchnorm/add_1;model/conv2d_8/convolution;model/bn_2/batchnorm/sub1": {"conv2d_8", "convolution"},
		"model/bn_7/batchnorm/mul_1;model/depthwise_conv2d_1/depthwise":                                       {"depthwise_conv2d_1", "depthwise"},
		"model/dense_3/Tensordot/MatMul1":                                                                     {"dense_3", "MatMul1"},
		"model/act/Relu6;model/act/add;model/act/truediv":                                                     {"act", "Relu6"},
		"model/lstm_1/while/lstm_cell_1/mul_2":                                                                {"lstm_cell_1", "mul_2"},
		"arith.constant1":                                                                                     {"", "arith.constant1"},
		"model/truediv":                                                                                       {"", "truediv"},
		"":                                                                                                    {"", ""},
		";;/":                                                                                                 {"", ""},
	} {
		layer, op := n.split(name)
		assert.Equal(t, want, [2]string{layer, op}, name)
	}
}

// TestReblocked: axes of one element come and go between SPACE_TO_BATCH_ND and its end.
func TestReblocked(t *testing.T) {
	x := &operand{shape: []int{1, 36, 6}, blocks: []int{1, 2, 1}}
	shape, blocks, err := reblocked(x, []int{2, 1, 18, 6})
	require.NoError(t, err)
	assert.Equal(t, []int{1, 1, 36, 6}, shape)
	assert.Equal(t, []int{1, 1, 2, 1}, blocks)
	back, own, err := reblocked(&operand{shape: shape, blocks: blocks}, []int{2, 18, 6})
	require.NoError(t, err)
	assert.Equal(t, x.shape, back)
	assert.Equal(t, x.blocks, own)
	for _, to := range [][]int{nil, {1, 36, 6}, {2, 108}, {2, 6, 18}, {2, 9, 12}, {4, 9, 6}} {
		_, _, err := reblocked(x, to)
		assert.Error(t, err, to)
	}
}

// TestInverseRoots: of 0 the greatest integer, of others the nearest.
func TestInverseRoots(t *testing.T) {
	table, err := inverseRoots(ir.Quant{Scale: 1. / 64, Zero: -128}, ir.Quant{Scale: 1. / 16, Zero: -128})
	require.NoError(t, err)
	assert.Equal(t, int8(127), table[0], "of 0 the greatest")
	assert.Equal(t, int8(0), table[1], "1/sqrt(1/64) is 8, 128 of 1/16")
	assert.Equal(t, int8(-64), table[4], "of 1/16")
}

// TestUnusualTables: NEG turns integers without their scale, SQRT cuts off, LOG has a least.
func TestUnusualTables(t *testing.T) {
	one := ir.Quant{Scale: 1}
	assert.Equal(t, []int8{-128, 127, 1, 0, -1}, []int8{negatives()[0], negatives()[1], negatives()[127], negatives()[128], negatives()[129]})
	assert.Equal(t, []int8{0, 1, 1, 1, 2}, roots(one, one)[128:133])
	assert.Equal(t, int8(-128), logarithms(one, one)[128])
	assert.Equal(t, []int8{0, 1, 1}, logarithms(one, one)[129:132])
	abs, err := magnitudes(one, ir.Quant{Scale: 2, Zero: 3})
	require.NoError(t, err)
	assert.Equal(t, []int8{4, 3, 4, 4, 5}, []int8{abs[126], abs[128], abs[129], abs[130], abs[131]})
}

// TestQuotients holds the fixed point of DIV to quotients of reals, within a step.
func TestQuotients(t *testing.T) {
	all := make([]int8, 256)
	for i := range all {
		all[i] = int8(i - 128)
	}
	qa, qb, y := ir.Quant{Scale: .02, Zero: 5}, ir.Quant{Scale: .01, Zero: -100}, ir.Quant{Scale: .1, Zero: -3}
	for divisor := -128; divisor < 128; divisor++ {
		table, err := quotients(all, slices.Repeat([]int8{int8(divisor)}, 256), qa, qb, y, -120, 127)
		require.NoError(t, err)
		for i, v := range all {
			dividend := float64(int(v)-qa.Zero) * qa.Scale
			want := math.Inf(int(math.Copysign(1, dividend)))
			if b := float64(divisor-qb.Zero) * qb.Scale; b != 0 {
				want = dividend / b / y.Scale
			} else if dividend == 0 {
				want = 0
			}
			require.InDelta(t, min(max(want+float64(y.Zero), -120), 127), float64(table[i]), 1, "%d / %d", v, divisor)
		}
	}
	_, err := quotients(all, all, ir.Quant{Scale: 1e20}, ir.Quant{Scale: 1}, ir.Quant{Scale: 1}, -128, 127)
	assert.ErrorContains(t, err, "too fine for 32 bits")
	none, err := quotients(all, all, ir.Quant{Scale: 1e-6, Zero: 1}, ir.Quant{Scale: 1, Zero: -128}, ir.Quant{Scale: 1e3, Zero: 7}, -128, 127)
	require.NoError(t, err)
	assert.Equal(t, slices.Repeat([]int8{7}, 255), none[1:])
	inverse, over := reciprocal(1)
	assert.Equal(t, []int{math.MaxInt32, 0}, []int{int(inverse), over})
	inverse, over = reciprocal(5)
	assert.InEpsilon(t, .2, math.Ldexp(float64(inverse), -31-over), 1e-8)
}
