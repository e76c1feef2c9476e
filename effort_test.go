package dnnc_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/runtime/data"
)

// chain is a network of n operations, each on the result of the one before.
func chain(n int) []byte {
	var b strings.Builder
	b.WriteString("network chain(image: f32[4] in [0,1]) -> f32[4] {\n  x0 = relu(image)\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "  x%d = %s(x%d)\n", i, []string{"abs", "neg", "tanh", "sigmoid"}[i%4], i-1)
	}
	fmt.Fprintf(&b, "  return x%d\n}\n", n-1)
	return []byte(b.String())
}

// TestLongChains compiles 20,000 operations in seconds: the bar is 10 s on a machine with
// nothing else to do, which a test cannot rely on; a square of the length would take many
// times what it allows.
func TestLongChains(t *testing.T) {
	took := func(n int) time.Duration {
		from := time.Now()
		m, err := dnnc.Parse("chain.dnn", chain(n), dnnc.LoadOptions{})
		require.NoError(t, err)
		c, err := dnnc.NewConfig("armv7em")
		require.NoError(t, err)
		c.Calibration = dnnc.Images(data.Synthesize([]int{4}, 0, 1, 512, 1))
		r, err := dnnc.Compile(context.Background(), m, c)
		require.NoError(t, err)
		_, err = r.Fidelity(context.Background())
		require.NoError(t, err)
		_, _, err = r.C()
		require.NoError(t, err)
		return time.Since(from)
	}
	short := took(2000)
	whole := took(20000)
	assert.Less(t, whole, 25*short, "20,000 operations took %v, 2,000 %v", whole, short)
}
