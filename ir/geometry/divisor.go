package geometry

// Divisor is the greatest number that divides all, the greatest common divisor; 0 of zeros alone.
func Divisor(numbers ...int) int {
	d := 0
	for _, n := range numbers {
		for n != 0 {
			d, n = n, d%n
		}
	}
	return d
}
