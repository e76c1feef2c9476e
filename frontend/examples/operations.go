package examples

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// declared finds the constants that a sample declares.
var declared = regexp.MustCompile(`const (\S+): f32\[([0-9,]+)\]`)

// Sample writes a network of one statement that gives y, with the declarations of its
// constants before it, into a folder: net.dnn with inputs as the samples of the table of
// operations have them, and the constants in w.safetensors. The type of its result is
// for the reader to fill in.
func Sample(statement, dir string) (path string, text []byte, err error) {
	var list []weights.Tensor
	for _, c := range declared.FindAllStringSubmatch(statement, -1) {
		var shape ir.Shape
		for _, d := range strings.Split(c[2], ",") {
			n, err := strconv.Atoi(d)
			if err != nil {
				return "", nil, fmt.Errorf("%s: %w", c[0], err)
			}
			shape = append(shape, n)
		}
		x := make([]float32, shape.Size())
		for i := range x {
			x[i] = float32(i*5%7-3) / 8
			if strings.HasSuffix(c[1], "_var") {
				x[i] = float32(i%7+1) / 8
			}
		}
		raw, err := ir.FloatConst(c[1], shape, x).Load()
		if err != nil {
			return "", nil, err
		}
		list = append(list, weights.Tensor{Name: c[1], DType: weights.F32, Shape: shape, Data: raw})
	}
	var b bytes.Buffer
	if err := weights.WriteSafetensors(&b, list); err != nil {
		return "", nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "w.safetensors"), b.Bytes(), 0o644); err != nil {
		return "", nil, err
	}
	text = fmt.Appendf(nil, "tensors \"w.safetensors\"\nnetwork net(a: f32[4,6,6] in [-2,3], b: f32[4,6,6] in [0,1], m: f32[5,7] in [0,1]) -> f32[1] {\n%s\n  return y\n}\n", statement)
	path = filepath.Join(dir, "net.dnn")
	return path, text, os.WriteFile(path, text, 0o644)
}
