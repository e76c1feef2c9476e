package tune

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestFallIsSure: a fall counts by what it is beside its standard error over the images, in pairs.
func TestFallIsSure(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after []float64
		isSure        bool
	}{
		{"each image falls by as much", []float64{1, 5, 9}, []float64{.9, 4.9, 8.9}, true},
		{"one falls far, the others rise", []float64{1, 1, 1, 1, 9}, []float64{1.1, 1.1, 1.1, 1.1, 0}, false},
		{"as many fall as rise", []float64{1, 2, 3, 4}, []float64{1.1, 1.8, 3.1, 3.9}, false},
		{"nothing falls", []float64{1, 2, 3}, []float64{1, 2, 3}, false},
		{"all rise", []float64{1, 2, 3}, []float64{2, 3, 4.1}, false},
		{"one image", []float64{1}, []float64{0}, false},
	} {
		mean, stderr := fell(c.before, c.after)
		assert.Equal(t, c.isSure, mean > sure*stderr, c.name)
	}
	mean, stderr := fell([]float64{3, 3, 5, 5}, []float64{1, 1, 1, 1})
	assert.InDelta(t, 3, mean, 1e-12)
	assert.InDelta(t, math.Sqrt(4./3)/2, stderr, 1e-12)
}
