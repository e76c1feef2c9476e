package kernel_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
)

func TestDivisors(t *testing.T) {
	for n, want := range map[int][]int{1: {1}, 7: {1, 7}, 12: {1, 2, 3, 4, 6, 12}} {
		assert.Equal(t, want, kernel.Divisors(n))
	}
}

func TestCodePlanes(t *testing.T) {
	assert.Equal(t, []int{4, 2}, kernel.CodePlanes(6))
	assert.Equal(t, []int{8}, kernel.CodePlanes(8))
}

// TestLayer counts layers by hand.
func TestLayer(t *testing.T) {
	l := func(text, format string) kernel.Layer {
		n := kerneltest.Module(t, text, format).Ops[0]
		return kernel.Of(n, nil)
	}
	conv := l("12,6,8 6 3x2 groups=3 pool=2,1", "odd3") // 4x7 windows
	assert.Equal(t, []int{3, 4 * 3 * 2, 3 * 2, 4 * 7, 12*6*8 + 6*2*7}, []int{conv.Groups(), conv.K(), conv.Taps(), conv.Pixels(), conv.Activations()})
	assert.Equal(t, 6.*4*7, conv.Outputs())
	assert.Equal(t, ir.Shape{6, 4, 3, 2}, conv.Weight())
	linear := l("3,4,5 7", "i8")
	assert.Equal(t, []int{1, 60, 1, 1, 67}, []int{linear.Groups(), linear.K(), linear.Taps(), linear.Pixels(), linear.Activations()})
	assert.Equal(t, 7., linear.Outputs())

	for text, want := range map[string]bool{"8,5,5 8 3x3": true, "8,5,5 8 3x3 stride=1,2": false, "8,5,5 8 3x3 stride=2,1": false, "8,5,5 8 3x3 groups=2": false, "8 8": false} {
		assert.Equal(t, want, l(text, "i8").Neighbours(), text)
	}
	for format, want := range map[string][2]bool{"i8": {true, false}, "odd3": {true, false}, "vec4x8": {false, true}, "code4": {false, true}} {
		x := l("8,5,5 8 3x3", format)
		assert.Equal(t, want, [2]bool{x.Scalar(), x.Book()}, format)
	}
	assert.False(t, l("8,5,5 8 3x3 groups=2", "vec4x4").Book(), "codes of a group of channels")
	wide := l("8 8 wide", "i8")
	assert.False(t, wide.Narrow())
	assert.True(t, l("8 8", "i8").Narrow())
	wide.Supposed = true
	assert.True(t, wide.Narrow(), "the bias is not known yet")
	for zero, want := range map[string]int{"8 8 zero=-128": 255, "8 8 zero=127": 255, "8 8": 128, "8 8 zero=-1": 128, "8 8 zero=5": 133} {
		assert.Equal(t, want, kernel.InputReach(l(zero, "i8").Node), zero)
	}
}

// TestEntriesFit: the rows of a codebook reach 128 times the greatest input, or do not fit.
func TestEntriesFit(t *testing.T) {
	n := kerneltest.Module(t, "8 8 zero=-128", "vec1x4").Ops[0]
	book := n.Const(ir.AttrCodebook)
	l := kernel.Of(n, nil)
	minus := func(x byte) byte { return -x }
	book.Data = ir.Bytes([]byte{1, 2, 3, 4, 100, minus(28), 0, 0})
	assert.Equal(t, 128, kernel.BookReach(n))
	assert.True(t, l.EntriesFit(), "128*255 is 32640")
	book.Data = ir.Bytes([]byte{100, 28, minus(1), 0, 0, 0, 0, 0})
	assert.Equal(t, 129, kernel.BookReach(n))
	assert.False(t, l.EntriesFit(), "129*255 is 32895")
	l.Supposed = true
	assert.True(t, l.EntriesFit(), "R18 will hold")
	book.Data = broken{}
	assert.Greater(t, kernel.BookReach(n), 1<<14)
}

type broken struct{}

func (broken) Load() ([]byte, error) { return nil, errors.New("broken") }

// TestOddTables: no less than 8 KiB, no more than MaxTables, between them the activations.
func TestOddTables(t *testing.T) {
	for layer, want := range map[string]int{"8 8": 8 << 10, "8,32,32 4 1x1": 12 << 10, "32,32,32 32 1x1": kernel.MaxTables} {
		n := kerneltest.Module(t, layer, "odd1").Ops[0]
		assert.Equal(t, want, kernel.Of(n, nil).OddTables(), layer)
	}
}
