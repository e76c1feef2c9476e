package driver

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// TestDefaultErrorsInUnits: the first size is said in the input's units where its range is not one wide, and where it is
// large beside what the data shows.
func TestDefaultErrorsInUnits(t *testing.T) {
	of := func(low, high float32, x ...float32) string {
		in := disturb.Input{Name: "x", Holds: ir.Content{Kind: ir.Features}, Shape: []int{2}, Low: low, High: high}
		return inUnits([]disturb.Input{in}, []LabelSource{{Images: data.Batch{N: len(x) / 2, Shape: []int{2}, X: x}}})
	}
	const wide = ", shares of the range -100 to 100, of which 0.02 is 4"
	assert.Empty(t, of(0, 1))
	assert.Empty(t, of(0, 1, 0, 1, 0, 1))
	assert.Equal(t, wide, of(-100, 100))
	assert.Equal(t, wide, of(-100, 100, -50, 50), "0.08 of what the data varies by")
	assert.Equal(t, wide+" (0.02 is 4 of the standard deviation of the data: -errors names smaller ones, or -range a narrower range)", of(-100, 100, -1, 1, 1, -1))
	assert.Equal(t, " (0.02 is 2 of the standard deviation of the data: -errors names smaller ones, or -range a narrower range)", of(0, 1, .49, .51))
	assert.Equal(t, wide, of(-100, 100, 3, 3), "data that does not vary")
}
