package geometry

import (
	"math"

	"github.com/dnnc/dnnc/ir"
)

// Place lies between two pixels along an axis, or on one that is both.
type Place struct {
	Lower, Upper int
	Part         float64 // of the way from the lower to the upper one, 0 to below 1
}

// Bilinear is where the pixels of a result lie in an image [C,H,W].
type Bilinear struct {
	C, H, W      int
	Down, Across []Place // of each row and column of the result
	IsAway       bool    // ties of integers go away from zero, else up (R22)
}

// BilinearOf reads the places of a bilinear.
func BilinearOf(n *ir.Node) Bilinear {
	s := n.Args[0].Type.Shape
	return Bilinear{C: s[0], H: s[1], W: s[2], Down: placesOf(n.Nums(ir.AttrDown)), Across: placesOf(n.Nums(ir.AttrAcross)),
		IsAway: n.Word(ir.AttrRound) == ir.RoundTFLite}
}

func placesOf(reals []float64) []Place {
	list := make([]Place, len(reals))
	for i, x := range reals {
		list[i] = Place{Lower: int(math.Floor(x)), Upper: int(math.Ceil(x)), Part: x - math.Floor(x)}
	}
	return list
}

// InParts is the nearest places in parts of a pixel, as a bilinear of integers has them.
func InParts(places []float64) []float64 {
	list := make([]float64, len(places))
	for i, p := range places {
		list[i] = math.Round(p*ir.PlaceParts) / ir.PlaceParts
	}
	return list
}

// Parts are places in whole parts of a pixel.
func Parts(places []float64) []int64 {
	list := make([]int64, len(places))
	for i, p := range places {
		list[i] = int64(p * ir.PlaceParts)
	}
	return list
}
