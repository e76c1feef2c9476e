package dnnc_test

import (
	"context"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

const tiny = "network net(a: f32[2,4,4] in [0,1]) -> f32[2,4,4] {\n s = tanh(a)\n return s\n}\n"

func config(t *testing.T) dnnc.Config {
	c, err := dnnc.NewConfig("x86_64")
	require.NoError(t, err)
	c.Calibration = dnnc.Images(data.Synthesize([]int{2, 4, 4}, 0, 1, 8, 1))
	return c
}

func parsed(t *testing.T, text string) *ir.Module {
	m, err := dnnc.Parse("net.dnn", []byte(text), dnnc.LoadOptions{})
	require.NoError(t, err)
	return m
}

// kind is the kind of a diagnostic.
func kind(t *testing.T, err error) diag.Kind {
	var d *diag.Diagnostic
	require.ErrorAs(t, err, &d)
	return d.Kind
}

// TestMissingParts: what a caller leaves out is an error with a way out, and no panic.
func TestMissingParts(t *testing.T) {
	m := parsed(t, tiny)
	_, err := dnnc.Compile(context.Background(), m, dnnc.Config{})
	assert.Equal(t, diag.UnknownTarget, kind(t, err))

	c := config(t)
	c.Calibration = nil
	_, err = dnnc.Compile(context.Background(), m, c)
	assert.Equal(t, diag.BadData, kind(t, err))
	assert.ErrorContains(t, err, "no calibration images")

	c.Calibration = dnnc.Images(data.Batch{Shape: []int{2, 4, 4}})
	_, err = dnnc.Compile(context.Background(), m, c)
	assert.ErrorContains(t, err, "the set is empty")

	c = config(t)
	c.Level = "fast"
	_, err = dnnc.Compile(context.Background(), m, c)
	assert.Equal(t, diag.BadValue, kind(t, err))

	c = config(t)
	c.Level, c.Budget.Bits = pass.Robust, 2
	_, err = dnnc.Compile(context.Background(), m, c)
	assert.Equal(t, diag.BadTask, kind(t, err), "a search needs to know what the result means")
}

// TestCompileSparesTheModule: a network compiles for several targets, and its text stays.
func TestCompileSparesTheModule(t *testing.T) {
	m := parsed(t, tiny)
	before := m.String()
	for _, target := range []string{"armv6m", "aarch64"} {
		c := config(t)
		other, err := dnnc.NewConfig(target)
		require.NoError(t, err)
		c.Target = other.Target
		r, err := dnnc.Compile(context.Background(), m, c)
		require.NoError(t, err)
		assert.True(t, r.Planned())
		assert.Equal(t, target, r.Module.Target)
		assert.Equal(t, before, m.String())
	}
}

// TestOutputsShareTheirContent: header, certificate and object carry one hash, which says
// whether LLVM made the object.
func TestOutputsShareTheirContent(t *testing.T) {
	r, err := dnnc.Compile(context.Background(), parsed(t, tiny), config(t))
	require.NoError(t, err)
	code, header, err := r.C()
	require.NoError(t, err)
	c, err := r.Certificate()
	require.NoError(t, err)
	assert.Contains(t, code, c.Content)
	assert.Contains(t, header, c.Content)
	if _, err := exec.LookPath("llc-19"); err != nil {
		t.Skip(err)
	}
	object, err := r.Object(context.Background())
	require.NoError(t, err)
	header, err = r.Header(context.Background())
	require.NoError(t, err)
	linked, err := r.Certificate()
	require.NoError(t, err)
	assert.NotEqual(t, c.Content, linked.Content)
	assert.Contains(t, header, linked.Content)
	assert.Contains(t, string(object), linked.Content)
	assert.Positive(t, linked.CodeBytes)
}
