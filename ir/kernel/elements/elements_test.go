package elements_test

import (
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/elements"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
)

// TestWideFamilies: sums, products and tables of 16 bits; what has no such form is rescaled.
func TestWideFamilies(t *testing.T) {
	kerneltest.WideExpressions(t, []*kernel.Family{&elements.Add, &elements.Sub, &elements.Squares, &elements.Rescale, &elements.Mul, &elements.Min, &elements.Max, &elements.Table}, []string{
		"add(a, b)",
		"relu6(add(a, b))",
		"sub(b, a, act: relu)",
		"squareddiff(a, b)",
		"mul(a, b)",
		"minimum(a, b)",
		"maximum(a, b)",
		"sigmoid(a)",
		"tanh(m)",
		"exp(m)",
		"sign(a)",
		"relu(concat(a, tanh(b)))",
	}, "armv7em", "x86_64", "armv8.1m")
}

func TestFamilies(t *testing.T) {
	kerneltest.Expressions(t, []*kernel.Family{&elements.Add, &elements.Sub, &elements.Squares, &elements.Scaled, &elements.Rescale, &elements.Mul, &elements.Min, &elements.Max, &elements.Table}, []string{
		"add(a, b)",
		"relu6(add(a, b))",
		"add(a, a)",
		"sub(a, b)",
		"sub(b, a, act: relu)",
		"squareddiff(a, b)",
		"scaleddiff(a, b, tanh(b))",
		"scaleddiff(b, a, a, act: relu)",
		"mul(a, b)",
		"mul(b, b)",
		"minimum(a, b)",
		"maximum(a, b)",
		"sigmoid(a)",
		"neg(a)",
		"exp(m)",
		"relu(concat(a, b))",
	}, "armv7em", "x86_64", "armv7", "aarch64", "armv8.1m", "riscv64+v", "riscv32")
}
