package driver_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// TestInt8BuildsJudgeNothing: any network compiles to int8, and what is not measured is
// said, and stands nowhere.
func TestInt8BuildsJudgeNothing(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	path := dnnctest.KindsFolder(t)
	for name := range dnnctest.Kinds {
		if name == "classes" {
			continue
		}
		for _, level := range []string{"int8", "universal"} {
			code, stdout, stderr := dnnctest.Run(t, path(name+".dnn"), "-O", level, "-target", "x86_64", "-images", "20", "-calib", path("data.npz"), "-data", path("data.npz"), "-report", "layers", "-o", path(name+".o"))
			require.Zero(t, code, stderr)
			assert.Contains(t, stderr, "dnnc: warning: [not-measured] nothing was measured on the images of -data")
			assert.NotContains(t, stdout, "accuracy")
			raw, err := os.ReadFile(path(name + ".json"))
			require.NoError(t, err)
			var c certificate.Certificate
			require.NoError(t, json.Unmarshal(raw, &c))
			assert.Nil(t, c.Float)
			assert.Nil(t, c.Quantized)
			assert.Nil(t, c.Retention)
			assert.Zero(t, c.Measured)
			require.Len(t, c.Warnings, 1)
			assert.Equal(t, diag.NotMeasured, c.Warnings[0].Name)
		}
	}
}

// TestNothingToKeep: a float network that is no better than a constant keeps nothing.
func TestNothingToKeep(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	code, stdout, stderr := dnnctest.Run(t, path("logits.dnn"), "-target", "x86_64", "-O", "robust", "-keep", ".9", "-images", "20", "-calib", path("labelled.npz"), "-o", path("net.o"))
	assert.Equal(t, command.AtFault, code, stdout)
	assert.Contains(t, stderr, "logits.dnn:5:8: data: -keep 0.9: the float network has nothing to keep")
	assert.NoFileExists(t, path("net.o"))
}

// TestFirstLineHasTheMeasureOfEachSet: a search on images without labels goes by another measure
// than a report on labelled ones, and the first line says both.
func TestFirstLineHasTheMeasureOfEachSet(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	for _, c := range []struct{ calib, want string }{
		{path("data.npz"), "measure: cosine (search), nearest neighbour's label (report), labels: the float network's own answers on data.npz (search), labelled.npz (report)"},
		{path("labelled.npz"), "measure: nearest neighbour's label, labels: labelled.npz (search)"},
	} {
		_, stdout, stderr := dnnctest.Run(t, "eval", path("logits.dnn"), "-task", "embedding", "-O", "robust", "-bits", "3", "-images", "20", "-n", "20", "-errors", "none", "-calib", c.calib, "-data", path("labelled.npz"))
		assert.Contains(t, stdout, c.want, stderr)
	}
}
