package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/measure"
	"github.com/stretchr/testify/require"
)

func TestKL(t *testing.T) {
	args := os.Getenv("KL_ARGS")
	if args == "" {
		t.Skip()
	}
	o, files, err := parse(strings.Fields(args), os.Stderr)
	require.NoError(t, err)
	o.Input = files[0]
	o.Target, o.StopAfter = "armv7", "quantize"
	start := time.Now()
	r, err := driver.Compile(context.Background(), o, os.Stdout, os.Stderr)
	require.NoError(t, err)
	took := time.Since(start)
	nets, _, err := r.Networks()
	require.NoError(t, err)
	// the last 2000 images of the calibration file
	b, _, err := driver.Images(o.Calib, r.Module.Inputs[0].Type.Shape, 0, 1, 0)
	require.NoError(t, err)
	b = b.Slice(b.N-2000, b.N)
	var sum measure.Divergence
	n := len(r.Env.Errors)
	for i, c := range r.Env.Errors {
		x, err := disturb.Images(b, 0, c, 99, 0, 1, nil)
		require.NoError(t, err)
		a, err := nets[0](context.Background(), x.X, x.N)
		require.NoError(t, err)
		q, err := nets[1](context.Background(), x.X, x.N)
		require.NoError(t, err)
		d := measure.Diverge(a, q, len(a)/x.N)
		sum.KL += d.KL / float64(n)
		sum.Flips += d.Flips / float64(n)
		_ = i
	}
	fmt.Printf("KL %.5f flips %.5f  search KL %.5f evals %d  %.1f s %s\n", sum.KL, sum.Flips, r.Env.Search.KL, r.Env.Search.Evaluations, took.Seconds(), os.Getenv("KL_NOTE"))
}
