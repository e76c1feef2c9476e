package driver_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
)

// TestConfigOfOptions: each option arrives in the field of Config that the compiler reads.
func TestConfigOfOptions(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(o *driver.Options)
		says func(c dnnc.Config) any
		want any
	}{
		"level":       {func(o *driver.Options) { o.Level = "robust" }, func(c dnnc.Config) any { return c.Level }, pass.Robust},
		"small":       {func(o *driver.Options) { o.Small = true }, func(c dnnc.Config) any { return c.SmallCode }, true},
		"keep":        {func(*driver.Options) {}, func(c dnnc.Config) any { return c.Budget.Keep }, dnnc.DefaultKeep},
		"no errors":   {func(*driver.Options) {}, func(c dnnc.Config) any { return c.Errors }, "none"},
		"errors":      {func(o *driver.Options) { o.Errors = "gaussian=0.1,0.2;fog=0.3" }, func(c dnnc.Config) any { return c.Errors }, "gaussian=0.1,0.2;fog=0.3"},
		"formats":     {func(o *driver.Options) { o.Formats = []string{"odd3", "vec4x8"} }, func(c dnnc.Config) any { return c.Formats }, []ir.Elem{elem(t, "odd3"), elem(t, "vec4x8")}},
		"fix":         {func(o *driver.Options) { o.Fix = []string{"conv1=8", "fc1=code3"} }, func(c dnnc.Config) any { return c.Fix }, map[string]ir.Elem{"conv1": elem(t, "odd8"), "fc1": elem(t, "code3")}},
		"images":      {func(o *driver.Options) { o.Images = 7 }, func(c dnnc.Config) any { return c.Calibrate }, 7},
		"seed":        {func(o *driver.Options) { o.Seed = 9 }, func(c dnnc.Config) any { return c.Seed }, uint64(9)},
		"bounds":      {func(o *driver.Options) { o.MinBits, o.MaxBits = 2, 5 }, func(c dnnc.Config) any { return []float64{c.MinBits, c.MaxBits} }, []float64{2, 5}},
		"passes":      {func(o *driver.Options) { o.StartAfter, o.StopAfter = "infer", "select" }, func(c dnnc.Config) any { return []string{c.StartAfter, c.StopAfter} }, []string{"infer", "select"}},
		"interface":   {func(o *driver.Options) { o.Prefix, o.Hooks, o.Section = "eye", true, ".x" }, func(c dnnc.Config) any { return []any{c.Prefix, c.Hooks, c.Section, c.Lend} }, []any{"eye", true, ".x", false}},
		"search":      {func(o *driver.Options) { o.Level, o.Search, o.Objective = "robust", "qstar", "worst" }, func(c dnnc.Config) any { return []string{c.Search, c.Objective} }, []string{"qstar", "worst"}},
		"memory":      {func(o *driver.Options) { o.Level, o.Memory, o.Checkpoint = "robust", 1<<20, "state" }, func(c dnnc.Config) any { return []any{c.Memory, c.Checkpoint} }, []any{1 << 20, "state"}},
		"rounding":    {func(o *driver.Options) { o.Rounding = "nearest" }, func(c dnnc.Config) any { return c.Rounding }, "nearest"},
		"activations": {func(o *driver.Options) { o.Activations = "percentile" }, func(c dnnc.Config) any { return c.Activations }, "percentile"},
		"target":      {func(*driver.Options) {}, func(c dnnc.Config) any { return c.Target.Name }, "armv7em"},
		"processor":   {func(o *driver.Options) { o.CPU = "cortex-m7" }, func(c dnnc.Config) any { return c.Target.CPU }, "cortex-m7"},
	} {
		o := driver.Defaults()
		o.Target = "armv7em"
		c.set(&o)
		got, err := driver.Config(&o)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, c.says(got), name)
	}
}

func elem(t *testing.T, name string) ir.Elem {
	t.Helper()
	e, ok := ir.ParseElem(name)
	require.True(t, ok)
	return e
}

// TestFaultsOfOptions: what does not exist is told with what there is, before any file is
// read.
func TestFaultsOfOptions(t *testing.T) {
	for want, set := range map[string]func(o *driver.Options){
		`did you mean "armv7em"`:           func(o *driver.Options) { o.Target = "armv7emm" },
		"-emit objj: the values are":       func(o *driver.Options) { o.Emit = []string{"obj", "objj"} },
		"-report layer: the values are":    func(o *driver.Options) { o.Report = []string{"layer"} },
		"-o - writes none":                 func(o *driver.Options) { o.Output, o.Lend = "-", true },
		"-o - writes one output":           func(o *driver.Options) { o.Output, o.Emit = "-", []string{"c", "ir"} },
		"and no file beside it":            func(o *driver.Options) { o.Output, o.Depend = "-", true },
		"-n -1: a number of images":        func(o *driver.Options) { o.TestImages = -1 },
		`did you mean "gaussian"`:          func(o *driver.Options) { o.Errors = "gausian=0.1" },
		"stands twice":                     func(o *driver.Options) { o.Errors = "fog=0.1;fog=0.2" },
		`-fix conv1=9: no width or forma`:  func(o *driver.Options) { o.Fix = []string{"conv1=9"} },
		"-fix conv1: a layer and its form": func(o *driver.Options) { o.Fix = []string{"conv1"} },
		"-fix =8: a layer and its format":  func(o *driver.Options) { o.Fix = []string{"=8"} },
		"odd33":                            func(o *driver.Options) { o.Formats = []string{"odd33"} },
		"-time is of -search qstar":        func(o *driver.Options) { o.Time = 1 },
		"-time -1ns is below 0":            func(o *driver.Options) { o.Time = -1 },
		"-O robust -search qed":            func(o *driver.Options) { o.Search = "qed" },
		`did you mean "size"`:              func(o *driver.Options) { o.Level = "siz" },
		"-min NaN":                         func(o *driver.Options) { o.MinBits = math.NaN() },
		"-max NaN":                         func(o *driver.Options) { o.MaxBits = math.NaN() },
		"-min -1 and":                      func(o *driver.Options) { o.MinBits = -1 },
		"-max -1: bits":                    func(o *driver.Options) { o.MaxBits = -1 },
		"-O robustt: the values are":       func(o *driver.Options) { o.Level = "robustt" },
	} {
		o := driver.Defaults()
		o.Target, o.Input = "armv7em", "none.dnn"
		set(&o)
		_, err := driver.Compile(context.Background(), o, &strings.Builder{}, &strings.Builder{})
		var d *diag.Diagnostic
		require.ErrorAs(t, err, &d, want)
		assert.Contains(t, err.Error(), want)
		assert.NotContains(t, err.Error(), "none.dnn", want)
	}
}

// TestBuildOfOptions builds one network without the command line.
func TestBuildOfOptions(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	network := dnnctest.Small(t)
	dir := filepath.Dir(network)
	o := driver.Defaults()
	o.Input, o.Target, o.Images, o.Output, o.Emit = network, "armv7em", 8, filepath.Join(dir, "eye.o"), []string{"c", "obj"}
	var out, messages strings.Builder
	require.NoError(t, driver.Build(context.Background(), o, &out, &messages))
	assert.Empty(t, out.String())
	for _, name := range []string{"eye.o", "eye.c", "eye.h", "eye.json"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
	o.StopAfter = "qantize"
	o.Output = filepath.Join(dir, "other.o")
	require.ErrorContains(t, driver.Build(context.Background(), o, &out, &messages), `did you mean "quantize"`)
	_, err := os.Stat(o.Output)
	assert.ErrorIs(t, err, os.ErrNotExist)
}
