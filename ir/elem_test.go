package ir

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParseElem(t *testing.T) {
	for _, name := range append(ElemNames(), "vec4x16", "vec8x8", "vec2x64") {
		e, ok := ParseElem(name)
		assert.True(t, ok, name)
		assert.Equal(t, name, e.String())
	}
	for _, name := range []string{"", "odd0", "odd9", "odd", "odd04", "code9", "vec4", "vec4x", "vec4x0", "vec4x65", "vecx8", "vec9x8", "f64", "i1", "odd-1", "odd4 ", "vec4x8x2"} {
		_, ok := ParseElem(name)
		assert.False(t, ok, name)
	}
}

func TestPlanes(t *testing.T) {
	want := map[int][]int{1: {1}, 2: {2}, 3: {2, 1}, 4: {4}, 5: {4, 1}, 6: {4, 2}, 7: {4, 2, 1}, 8: {8}}
	for b := 1; b <= 8; b++ {
		assert.Equal(t, want[b], OddOf(b).Planes())
	}
}

func TestPackedBytes(t *testing.T) {
	for _, c := range []struct {
		elem  Elem
		shape Shape
		want  int
	}{
		{OddOf(4), Shape{20, 1, 5, 5}, 250},
		{OddOf(3), Shape{3, 3}, 3 + 2}, // 18 bits in plane 2, 9 bits in plane 1
		{OddOf(1), Shape{10, 500}, 625},
		{OddOf(7), Shape{1, 1}, 3},
		{Of(I8), Shape{10, 500}, 5000},
		{Of(I32), Shape{20}, 80},
		{VecOf(4, 16), Shape{500, 800}, 500 * 50 / 2},
		{VecOf(4, 8), Shape{8, 3, 3, 3}, 8 * 9 / 2}, // three channels fill one group
		{CodeOf(5), Shape{7}, 4 + 1},
		{OddOf(2), Shape{0, 4}, -1},
		{OddOf(2), Shape{1 << 20, 1 << 20}, -1},
	} {
		assert.Equal(t, c.want, PackedBytes(c.elem, c.shape), "%s%s", c.elem, c.shape)
	}
}

// TestChannelBytes: a bias and a multiplier of 32 bits each and a shift of 8 lie in the
// object for each output channel; budgets in bytes hang on the figure.
func TestChannelBytes(t *testing.T) {
	assert.Equal(t, 9, ChannelBytes)
}
