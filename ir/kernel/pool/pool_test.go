package pool_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/pool"
)

func TestFamilies(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&pool.Max, &pool.Avg}, []string{
		"maxpool2d(a, kernel: 2)",
		"maxpool2d(a, kernel: 3, stride: 2, pad: [1,0,0,1])",
		"maxpool2d(a, kernel: [2,3], stride: 1, dilation: 2)",
		"maxpool2d(a, kernel: 2, stride: [2,1], pad: 1, dilation: [1,3])",
		"avgpool2d(a, kernel: 3, stride: 2, pad: [1,0,1,1])",
		"avgpool2d(a, kernel: 2, stride: 1, pad: [1,0,1,1], dilation: [3,2])",
		"globalavgpool(a)",
		"maxpool2d(a, kernel: 2, pad: [1,0,0,0])",
		"maxpool2d(a, kernel: 2, pad: [0,1,0,0])",
		"maxpool2d(a, kernel: 2, pad: [0,0,1,0])",
		"avgpool2d(a, kernel: 2, pad: [0,0,0,1])",
		"avgpool2d(a, kernel: 3, pad: [1,1,1,1], stride: 1)",
		"maxpool2d(a, kernel: 2, pad: [1,0,1,0])",
		"maxpool2d(a, kernel: 2, pad: [1,1,0,0])",
	}, "armv7em", "x86_64")
}
