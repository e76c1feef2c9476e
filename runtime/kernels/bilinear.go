package kernels

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
)

// BilinearFloat resizes an image of reals [C,H,W]: each pixel is the mean of the four around its
// place, weighted by how near they are.
func BilinearFloat(g *geometry.Bilinear, x, y []float32) {
	i := 0
	for c := range g.C {
		image := x[c*g.H*g.W:]
		for _, d := range g.Down {
			upper, lower := image[d.Lower*g.W:], image[d.Upper*g.W:]
			for _, a := range g.Across {
				part := float32(a.Part)
				top := float32(upper[a.Lower]*(1-part)) + float32(upper[a.Upper]*part)
				bottom := float32(lower[a.Lower]*(1-part)) + float32(lower[a.Upper]*part)
				part = float32(d.Part)
				y[i] = float32(top*(1-part)) + float32(bottom*part)
				i++
			}
		}
	}
}

// BilinearInt resizes an image of integers [C,H,W] (R22).
func BilinearInt[T Integer](g *geometry.Bilinear, x, y []T) {
	const one, shift = ir.PlaceParts, 20
	i := 0
	for c := range g.C {
		image := x[c*g.H*g.W:]
		for _, d := range g.Down {
			upper, lower, down := image[d.Lower*g.W:], image[d.Upper*g.W:], int64(d.Part*one)
			for _, a := range g.Across {
				across := int64(a.Part * one)
				top := int64(upper[a.Lower])*(one-across) + int64(upper[a.Upper])*across
				bottom := int64(lower[a.Lower])*(one-across) + int64(lower[a.Upper])*across
				sum := top*(one-down) + bottom*down + 1<<(shift-1)
				if g.IsAway && sum < 1<<(shift-1) {
					sum-- // the half of a negative number goes down
				}
				y[i] = T(sum >> shift)
				i++
			}
		}
	}
}
