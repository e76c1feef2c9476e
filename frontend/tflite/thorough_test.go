package tflite_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/frontend/tflite"
	"github.com/dnnc/dnnc/ir"
)

// What takes longest stands in the last file: a fault that another test finds is told at
// once.

// TestEveryByteDamaged changes bytes of a model in turn, one in four, with DNNC_FULL every one: what
// is read must be a module or a diagnostic, of little memory.
func TestEveryByteDamaged(t *testing.T) {
	models, err := filepath.Glob("testdata/*/*.tflite")
	require.NoError(t, err)
	require.NotEmpty(t, models)
	for _, path := range models {
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		step := 4
		switch {
		case os.Getenv("DNNC_FULL") != "":
			step = 1
		case testing.Short():
			step = 11
		}
		if len(whole) > 3000 { // a network; a model of one operator is smaller
			step = len(whole) / 100
		}
		for i := 0; i < len(whole); i += step {
			for _, v := range []byte{0, 0x7f, 0x80, 0xff, whole[i] + 4} {
				raw := append([]byte(nil), whole...)
				raw[i] = v
				check(t, raw)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		check(t, whole)
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
	}
}

func check(t *testing.T, raw []byte) {
	t.Helper()
	for _, float := range []bool{false, true} {
		if m, err := tflite.Parse("net", raw, tflite.Options{Float: float}); err == nil {
			require.Empty(t, ir.Verify(m))
		}
	}
}

// FuzzParse reads damaged models.
func FuzzParse(f *testing.F) {
	models, err := filepath.Glob("testdata/*/*.tflite")
	if err != nil || len(models) == 0 {
		f.Fatal("no models", err)
	}
	for _, path := range models {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, archive := range []string{"keras", "uint8"} {
		for _, c := range frontendtest.Packed(f, "testdata/"+archive+".tar.gz") {
			f.Add(c.Files["model.tflite"])
		}
	}
	f.Fuzz(check)
}
