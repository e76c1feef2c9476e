package geometry

import "github.com/dnnc/dnnc/ir"

// Physical is the index in memory of element c,y,x of a value: images lie in
// H,W,C order, all else in logical order.
func Physical(s ir.Shape, c, y, x int) int {
	if len(s) != 3 {
		return c
	}
	return (y*s[2]+x)*s[0] + c
}

// Order lists, for each element in memory, its logical index.
func Order(s ir.Shape) []int {
	order := make([]int, s.Size())
	if len(s) != 3 {
		for i := range order {
			order[i] = i
		}
		return order
	}
	i := 0
	for c := range s[0] {
		for y := range s[1] {
			for x := range s[2] {
				order[Physical(s, c, y, x)] = i
				i++
			}
		}
	}
	return order
}
