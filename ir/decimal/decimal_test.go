package decimal

import (
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestFloat takes decimal numbers, and nothing that only Go's syntax has.
func TestFloat(t *testing.T) {
	for s, want := range map[string]float64{"1": 1, "-0.5": -.5, "+2.5e3": 2500, ".5": .5, "1.": 1, "010": 10, "inf": math.Inf(1), "-Infinity": math.Inf(-1)} {
		x, err := Float(s, 64)
		assert.NoError(t, err, s)
		assert.Equal(t, want, x, s)
	}
	x, err := Float("nan", 32)
	assert.NoError(t, err)
	assert.True(t, math.IsNaN(x))
	for _, s := range []string{"0_1", "1_000", "1_0.5", "0x10", "0X1p3", "0x_1p-2", "1p3", "", " 1", "1 ", "0b1", "1,5", "--1"} {
		_, err := Float(s, 64)
		assert.ErrorIs(t, err, strconv.ErrSyntax, s)
	}
	_, err = Float("1e39", 32)
	assert.ErrorIs(t, err, strconv.ErrRange)
}
