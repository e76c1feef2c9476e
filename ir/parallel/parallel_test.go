package parallel

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFor(t *testing.T) {
	var sum atomic.Int64
	For(100, func(i int) { sum.Add(int64(i)) })
	assert.EqualValues(t, 4950, sum.Load())
}

// TestPanics: a worker's panic is the caller's, once all others have ended.
func TestPanics(t *testing.T) {
	var ran atomic.Int64
	defer func() {
		p, ok := recover().(*Panic)
		assert.True(t, ok)
		assert.Equal(t, "seven", p.Value)
		assert.Contains(t, p.String(), "seven\n")
		assert.Contains(t, string(p.Stack), "TestPanics")
		assert.EqualValues(t, 100, ran.Load())
	}()
	For(100, func(i int) {
		ran.Add(1)
		For(2, func(j int) { // of its own
			if i == 7 && j == 1 {
				panic("seven")
			}
		})
	})
	t.Error("For returns")
}
