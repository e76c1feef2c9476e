package proof

import (
	"crypto/sha256"
	"math/big"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// PlaceKind is an error that has places instead of sizes, in one of its ways: each image of
// it is one place.
type PlaceKind struct {
	Name string
	Way  string // what a square is filled with; else ""
	over bool   // whether squares may stand over the border
	fill func(mean *big.Rat) *big.Rat
}

// String is the name with its way.
func (k *PlaceKind) String() string { return (&Kind{Name: k.Name, Way: k.Way}).String() }

// What squares are filled with: the ends of the range, and the mean of each channel.
func dark(*big.Rat) *big.Rat      { return zero }
func bright(*big.Rat) *big.Rat    { return one }
func mean(mean *big.Rat) *big.Rat { return mean }

// Translation is the kind of all translations.
const Translation = "shift"

// placeKinds is the table of them.
var placeKinds = []*PlaceKind{
	{Name: "patch", Way: "dark", fill: dark},
	{Name: "patch", Way: "bright", fill: bright},
	{Name: "patch", Way: "mean", fill: mean},
	{Name: "occlusion", Way: "dark", over: true, fill: dark},
	{Name: "occlusion", Way: "bright", over: true, fill: bright},
	{Name: "occlusion", Way: "mean", over: true, fill: mean},
	{Name: Translation},
}

// PlaceNames lists the kinds that have places.
func PlaceNames() (list []string) {
	for _, k := range placeKinds {
		if !slices.Contains(list, k.Name) {
			list = append(list, k.Name)
		}
	}
	return list
}

// PlacesOf are the ways of a kind that has places; none of any other name.
func PlacesOf(name string) (list []*PlaceKind) {
	for _, k := range placeKinds {
		if k.Name == name {
			list = append(list, k)
		}
	}
	return list
}

// Place is where a square's upper left pixel stands, which may be outside of the image, or
// by how many pixels an image is moved down and to the right. A signal is moved in time alone,
// by columns.
type Place struct{ Row, Column int }

// Places are the images of one image under an error of places of one extent: the side of a square
// or the most pixels or samples of a translation.
type Places struct {
	Kind  *PlaceKind
	List  []Place // in an order in which neighbours differ little
	start []int8
	paint func(dst []int8, at Place) // dst has the image without the error
}

// NewPlaces lists the places of an error of an extent on an image x.
func NewPlaces(k *PlaceKind, extent int, in disturb.Input, q ir.Quant, x []float32) (*Places, error) {
	g, err := newGrid(in, q)
	if err != nil {
		return nil, err
	}
	s := &Places{Kind: k, start: make([]int8, len(x))}
	shares := make([]*big.Rat, len(x))
	for i, v := range x {
		if shares[i], err = g.share(v); err != nil {
			return nil, err
		}
	}
	for i, v := range shares {
		s.start[i] = int8(g.level(v))
	}
	switch {
	case in.Holds.Kind == ir.Signal:
		rest, err := g.share(disturb.Rest(in))
		if err != nil {
			return nil, err
		}
		s.moveSamples(disturb.Channels(in), extent, int8(g.level(rest)))
	case k.fill == nil:
		s.moveImage(planesOf(in.Shape), extent)
	default:
		if err := s.squares(g, planesOf(in.Shape), extent, shares); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// planes are an image's channels, height and width.
type planes struct{ c, h, w int }

func planesOf(shape []int) planes {
	if len(shape) == 2 {
		return planes{1, shape[0], shape[1]}
	}
	return planes{shape[0], shape[1], shape[2]}
}

// walk lists the places from rows and columns from first on, each row against the one before.
func (s *Places) walk(first, rows, columns int) {
	for r := range rows {
		for c := range columns {
			if r%2 == 1 {
				c = columns - 1 - c
			}
			s.List = append(s.List, Place{first + r, first + c})
		}
	}
}

// squares are those of a side, at every place.
func (s *Places) squares(g *grid, p planes, side int, x []*big.Rat) error {
	first, rows, columns := 0, p.h-side+1, p.w-side+1
	if s.Kind.over {
		first, rows, columns = 1-side, p.h+side-1, p.w+side-1
	}
	if rows < 1 || columns < 1 {
		return diag.New(g.in.Pos, diag.BadValue, "%s=%d: no square of %d pixels has a place in an image of %dx%d", s.Kind.Name, side, side, p.h, p.w)
	}
	fills := make([]int8, p.c)
	for c := range fills {
		total := new(big.Rat)
		for _, v := range x[c*p.h*p.w : (c+1)*p.h*p.w] {
			total.Add(total, v)
		}
		fills[c] = int8(g.level(s.Kind.fill(total.Quo(total, rat(int64(p.h*p.w), 1)))))
	}
	s.walk(first, rows, columns)
	s.paint = func(dst []int8, at Place) {
		for c, v := range fills {
			for y := max(at.Row, 0); y < min(at.Row+side, p.h); y++ {
				for x := max(at.Column, 0); x < min(at.Column+side, p.w); x++ {
					dst[(c*p.h+y)*p.w+x] = v
				}
			}
		}
	}
	return nil
}

// moveImage are all translations by at most so many pixels down or up and to either side. What
// comes in is the pixel of the border.
func (s *Places) moveImage(p planes, most int) {
	s.walk(-most, 2*most+1, 2*most+1)
	s.paint = func(dst []int8, at Place) {
		for c := range p.c {
			for y := range p.h {
				for x := range p.w {
					from := min(max(y-at.Row, 0), p.h-1)*p.w + min(max(x-at.Column, 0), p.w-1)
					dst[(c*p.h+y)*p.w+x] = s.start[c*p.h*p.w+from]
				}
			}
		}
	}
}

// moveSamples are all translations by at most so many samples to earlier or later. What comes
// in is at rest.
func (s *Places) moveSamples(channels [][]int, most int, rest int8) {
	for by := -most; by <= most; by++ {
		s.List = append(s.List, Place{Column: by})
	}
	s.paint = func(dst []int8, at Place) {
		for _, elements := range channels {
			for i, e := range elements {
				dst[e] = rest
				if from := i - at.Column; from >= 0 && from < len(elements) {
					dst[e] = s.start[elements[from]]
				}
			}
		}
	}
}

// Clean is the image without an error.
func (s *Places) Clean() []int8 { return s.start }

// At is the image of a place.
func (s *Places) At(at Place) []int8 {
	x := slices.Clone(s.start)
	s.paint(x, at)
	return x
}

// Distinct is the number of different images, with that of no error.
func (s *Places) Distinct() int {
	images := map[[sha256.Size]byte]bool{}
	add := func(x []int8) {
		raw := make([]byte, len(x))
		for i, v := range x {
			raw[i] = byte(v)
		}
		images[sha256.Sum256(raw)] = true
	}
	add(s.start)
	for _, at := range s.List {
		add(s.At(at))
	}
	return len(images)
}
