package kernels

// Fused is a*b + c, rounded once as IEEE 754 has it: the step of sums of products in float32. The
// compiler makes one instruction of it, to which the tests hold it.
func Fused(a, b, c float32) float32 { return a*b + c }

// FusedLine adds a times a line to y: y[i] = a*x[i] + y[i], each a fused step.
func FusedLine(a float32, x, y []float32) {
	x = x[:len(y)]
	for i, v := range y {
		y[i] = a*x[i] + v
	}
}
