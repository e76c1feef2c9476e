package build

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSame: as many results as strides, windows in the middle, an odd pixel after.
func TestSame(t *testing.T) {
	for _, c := range []struct{ size, kernel, stride, dilation, want []int }{
		{[]int{7, 6}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1, 1, 1}},
		{[]int{7, 6}, []int{4, 2}, []int{1, 1}, []int{1, 1}, []int{1, 0, 2, 1}},
		{[]int{7, 6}, []int{3, 3}, []int{2, 2}, []int{1, 1}, []int{1, 0, 1, 1}},
		{[]int{7, 6}, []int{3, 3}, []int{1, 1}, []int{2, 3}, []int{2, 3, 2, 3}},
		{[]int{7, 6}, []int{1, 2}, []int{2, 3}, []int{1, 1}, []int{0, 0, 0, 0}},
		{[]int{1, 1}, []int{5, 1}, []int{4, 4}, []int{1, 1}, []int{2, 0, 2, 0}},
	} {
		got := Same(c.size, c.kernel, c.stride, c.dilation)
		assert.Equal(t, c.want, got, "%+v", c)
		for i := range 2 {
			out := (c.size[i]+got[i]+got[2+i]-(c.kernel[i]-1)*c.dilation[i]-1)/c.stride[i] + 1
			assert.Equal(t, (c.size[i]+c.stride[i]-1)/c.stride[i], out)
		}
	}
}
