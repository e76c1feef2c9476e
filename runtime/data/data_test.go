package data_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/dnnc/dnnc/runtime/data"
)

// TestDrawIsEven: of a set that is sorted by class every class comes as often, and the first
// items are of the whole set.
func TestDrawIsEven(t *testing.T) {
	for seed := range uint64(20) {
		count := map[int]int{}
		at := data.Draw(1000, 40, seed)
		for _, i := range at {
			count[i/100]++
		}
		for class := range 10 {
			assert.Equal(t, 4, count[class], "class %d, seed %d", class, seed)
		}
		assert.False(t, slices.IsSorted(at), "seed %d", seed)
		assert.Equal(t, at, data.Draw(1000, 40, seed))
		assert.NotEqual(t, at, data.Draw(1000, 40, seed+1))
	}
	first := 0
	for seed := range uint64(1000) {
		first += data.Draw(1000, 40, seed)[0]
	}
	assert.InDelta(t, 500, first/1000, 30, "the first item is any of the set")
}

func TestDrawOfAll(t *testing.T) {
	assert.Equal(t, []int{0, 1, 2, 3}, data.Draw(4, 0, 9), "0 is all of them, as they are")
	for _, n := range []int{4, 5, 100} {
		at := data.Draw(4, n, 3)
		slices.Sort(at)
		assert.Equal(t, []int{0, 1, 2, 3}, at, "%d", n)
	}
	assert.Empty(t, data.Draw(0, 5, 1))
}

func TestPick(t *testing.T) {
	b := data.Batch{N: 3, Shape: []int{1}, X: []float32{8, 6, 7}, Labels: []int{3, 1, 2}, Targets: []data.Target{{Name: "y", Shape: []int{2}, X: []float32{1, 2, 3, 4, 5, 6}}}}
	got := b.Pick([]int{2, 0})
	want := data.Batch{N: 2, Shape: []int{1}, X: []float32{7, 8}, Labels: []int{2, 3}, Targets: []data.Target{{Name: "y", Shape: []int{2}, X: []float32{5, 6, 1, 2}}}, At: []int{2, 0}}
	assert.Equal(t, want, got)
	got.X[0] = 0
	assert.Equal(t, float32(7), b.X[2], "picked images are copies")
}

// TestDistinct leaves out copies to the last bit, with their labels, and shares what has none.
func TestDistinct(t *testing.T) {
	nan := float32(math.NaN())
	b := data.Batch{N: 5, Shape: []int{2}, Others: 1, X: []float32{1, 2, 3, 1, 2, 4, 1, 2, 3, nan, 0, 0, nan, 0, 0}, Labels: []int{0, 1, 2, 3, 4},
		Targets: []data.Target{{Name: "y", Shape: []int{1}, X: []float32{0, 10, 20, 30, 40}}}}
	d, copies := b.Distinct()
	assert.Equal(t, 2, copies)
	assert.Equal(t, 3, d.N)
	assert.Equal(t, []int{0, 1, 3}, d.Labels)
	assert.Equal(t, []float32{0, 10, 30}, d.Targets[0].X)
	assert.Equal(t, b.Image(1), d.Image(1))
	again, copies := d.Distinct()
	assert.Zero(t, copies)
	assert.Same(t, &d.X[0], &again.X[0])
	none, copies := data.Batch{}.Distinct()
	assert.Zero(t, copies)
	assert.Zero(t, none.N)
	zeros, copies := data.Batch{N: 2, Shape: []int{1}, X: []float32{0, float32(math.Copysign(0, -1))}}.Distinct()
	assert.Zero(t, copies, "to the last bit")
	assert.Equal(t, 2, zeros.N)
}

// TestAmong counts images that other batches have, too, with what lies after them.
func TestAmong(t *testing.T) {
	one := data.Batch{N: 3, Shape: []int{1, 1, 1}, Others: 1, X: []float32{1, 2, 3, 4, 5, 6}}
	two := data.Batch{N: 3, Shape: []int{1, 1, 1}, Others: 1, X: []float32{3, 4, 3, 5, 3, 4}}
	assert.Equal(t, 2, two.Among(one))
	assert.Equal(t, 1, one.Among(two))
	assert.Equal(t, 3, one.Among(two, data.Batch{}, one))
	assert.Zero(t, one.Among())
	assert.Zero(t, data.Batch{}.Among(one))
}

// TestCalled: an image has the number and the place that it has in its data set, whatever was
// drawn of it and of what was drawn.
func TestCalled(t *testing.T) {
	b := data.Batch{N: 4, Shape: []int{1}, X: []float32{8, 6, 7, 8}}
	assert.Equal(t, "3", b.Called(3))
	assert.Equal(t, "3", b.Slice(2, 4).Called(1))
	assert.Equal(t, "1", b.Pick([]int{3, 1}).Called(1))
	b.At, b.Places = []int{40, 10, 30, 20}, []string{"d.png", "a.png", "c.png", "b.png"}
	for _, got := range []string{b.Called(2), b.Slice(1, 4).Called(1), b.Pick([]int{3, 2}).Called(1), b.Pick([]int{3, 2}).Slice(1, 2).Called(0)} {
		assert.Equal(t, "30 (c.png)", got)
	}
	distinct, _ := b.Distinct()
	assert.Equal(t, "30 (c.png)", distinct.Called(2))
	assert.Equal(t, "30 (c.png)", data.Join(b, b).Called(2))
}
