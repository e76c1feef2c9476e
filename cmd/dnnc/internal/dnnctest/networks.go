package dnnctest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// Kinds are networks of several tasks, by their last lines; the convolution has 6 channels.
var Kinds = map[string]struct{ result, text string }{
	"classes":  {"f32[3]", "fc = linear(flat, units: 3)\n  s = softmax(fc)\n  return s"},
	"logits":   {"f32[3]", "fc = linear(flat, units: 3)\n  return fc"},
	"value":    {"f32[1]", "fc1 = linear(flat, units: 1)\n  return fc1"},
	"binary":   {"f32[1]", "fc1 = linear(flat, units: 1)\n  p = sigmoid(fc1)\n  return p"},
	"seg":      {"f32[6,6,6]", "return conv"},
	"detector": {"f32[3], f32[4]", "fc = linear(flat, units: 3)\n  box = linear(flat, units: 4)\n  return fc, box"},
	"same":     {"f32[1,8,8]", "back = linear(flat, units: 64)\n  again = reshape(back, shape: [1,8,8])\n  return again"},
}

// KindsFolder holds the networks of Kinds, with data.npz, unlabelled, and labelled.npz.
func KindsFolder(t testing.TB) func(name string) string {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	rng := rand.New(rand.NewPCG(7, 7))
	tensor := func(name string, low, high float32, shape ...int) weights.Tensor {
		x := make([]float32, ir.Shape(shape).Size())
		for i := range x {
			x[i] = low + (high-low)*rng.Float32()
		}
		raw, err := ir.FloatConst(name, shape, x).Load()
		require.NoError(t, err)
		return weights.Tensor{Name: name, DType: weights.F32, Shape: shape, Data: raw}
	}
	file := func(name string, write func(w io.Writer, list []weights.Tensor) error, list ...weights.Tensor) {
		f, err := os.Create(path(name))
		require.NoError(t, err)
		require.NoError(t, write(f, list))
		require.NoError(t, f.Close())
	}
	file("w.safetensors", weights.WriteSafetensors, tensor("conv.weight", -1, 1, 6, 1, 3, 3), tensor("fc.weight", -1, 1, 3, 216),
		tensor("fc1.weight", -1, 1, 1, 216), tensor("box.weight", -1, 1, 4, 216), tensor("back.weight", -1, 1, 64, 216))
	images, labels := tensor("images", 0, 1, 80, 1, 8, 8), tensor("labels", 0, 0, 80)
	file("data.npz", weights.WriteNPZ, images)
	x := make([]float32, 80)
	for i := range x {
		x[i] = float32(i % 3)
	}
	var err error
	labels.Data, err = ir.FloatConst("labels", labels.Shape, x).Load()
	require.NoError(t, err)
	file("labelled.npz", weights.WriteNPZ, images, labels)
	for name, k := range Kinds {
		text := fmt.Sprintf("tensors \"w.safetensors\"\nnetwork %s(image: f32[1,8,8] in [0,1]) -> %s {\n  conv = conv2d(image, filters: 6, kernel: 3)\n  flat = flatten(conv)\n  %s\n}\n", name, k.result, k.text)
		require.NoError(t, os.WriteFile(path(name+".dnn"), []byte(text), 0o644))
	}
	return path
}
