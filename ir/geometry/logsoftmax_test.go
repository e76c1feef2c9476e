package geometry

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLogSoftmax: factors of scales that are powers of two, and those that no factors have.
func TestLogSoftmax(t *testing.T) {
	p, err := NewLogSoftmax(1./8, 1./16, 127)
	require.NoError(t, err)
	assert.Equal(t, LogSoftmax{Distance: 1 << 30, Shift: 29, Log: p.Log, LogShift: p.LogShift, Zero: 127}, p)
	assert.InDelta(t, 16*math.Ln2*(1<<29), float64(p.Log)/math.Exp2(float64(p.LogShift))*(1<<LogBits), 1)
	assert.Equal(t, int64(1<<28), p.Row(0), "the half that rounds")
	assert.InDelta(t, 16*math.Ln2*(1<<29), float64(p.Row(1<<LogBits)-p.Row(0)), 1)
	for _, scales := range [][2]float64{{1 << 30, 1}, {1, 1 << 33}, {1e-9, 1e-9}, {math.NaN(), 1}} {
		p, err := NewLogSoftmax(scales[0], scales[1], 0)
		if scales[0] < scales[1] { // all distances are nothing beside a step
			require.NoError(t, err)
			assert.Zero(t, p.Distance)
			continue
		}
		assert.Error(t, err, scales)
	}
}
