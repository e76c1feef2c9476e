package geometry

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDivisor(t *testing.T) {
	for _, c := range []struct {
		numbers []int
		want    int
	}{{nil, 0}, {[]int{0, 0}, 0}, {[]int{0, 6}, 6}, {[]int{6, 0}, 6}, {[]int{7}, 7}, {[]int{12, 18}, 6}, {[]int{12, 18, 27}, 3}, {[]int{8, 9}, 1}} {
		assert.Equal(t, c.want, Divisor(c.numbers...), "%v", c.numbers)
	}
}
