package kernels

// Integer is an element of an activation in a module of integers, Number one in any module.
type (
	Integer interface{ int8 | int16 }
	Number  interface{ float32 | Integer }
)

// Gather writes element at[i] of x as element i (R12).
func Gather[T Number](x []T, at []int32, y []T) {
	for i, k := range at {
		y[i] = x[k]
	}
}

// Scatter fills y with a value and writes element i of x as element at[i] (R12).
func Scatter[T Number](x []T, at []int32, value T, y []T) {
	for i := range y {
		y[i] = value
	}
	for i, k := range at {
		y[k] = x[i]
	}
}

// Extreme is the lesser or the greater of two tensors' elements.
func Extreme[T Number](greater bool, a, b, y []T) {
	for i := range y {
		if greater {
			y[i] = max(a[i], b[i])
		} else {
			y[i] = min(a[i], b[i])
		}
	}
}
