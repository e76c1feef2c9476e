// Package data holds batches of images with their labels, the form in which
// every measurement takes them.
package data

import "math/rand/v2"

// Batch is N images of one shape, one after the other, as reals. Where a network has
// several inputs an image is the first one, and its others lie behind it.
type Batch struct {
	N      int
	Shape  []int // of one image, usually C,H,W
	Others int   // elements of the other inputs behind each image
	X      []float32
	Labels []int // nil when unlabelled, or where labels are more than one whole number
	// Targets are labels of any kind, those of Labels too where they came as an array.
	Targets []Target
}

// Target is labels of every image of a batch: reals, masks, several yes or no.
type Target struct {
	Name  string // of the result that they are of; "" of labels by a usual name
	Shape []int  // of one image's
	X     []float32
}

// Size is the elements of one image's labels.
func (t Target) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Size is the elements of one image and what lies behind it.
func (b Batch) Size() int { return b.Pixels() + b.Others }

// Pixels is the elements of one image.
func (b Batch) Pixels() int {
	n := 1
	for _, d := range b.Shape {
		n *= d
	}
	return n
}

// Image returns the pixels of image i, and what lies behind them.
func (b Batch) Image(i int) []float32 {
	s := b.Size()
	return b.X[i*s : (i+1)*s]
}

// Slice returns images from up to but not including to, sharing their pixels.
func (b Batch) Slice(from, to int) Batch {
	s := b.Size()
	out := Batch{N: to - from, Shape: b.Shape, Others: b.Others, X: b.X[from*s : to*s]}
	if b.Labels != nil {
		out.Labels = b.Labels[from:to]
	}
	for _, t := range b.Targets {
		t.X = t.X[from*t.Size() : to*t.Size()]
		out.Targets = append(out.Targets, t)
	}
	return out
}

// Pick returns the images of a list of numbers, with pixels of their own.
func (b Batch) Pick(list []int) Batch {
	out := Batch{N: len(list), Shape: b.Shape, Others: b.Others}
	for _, i := range list {
		out.X = append(out.X, b.Image(i)...)
		if b.Labels != nil {
			out.Labels = append(out.Labels, b.Labels[i])
		}
	}
	for _, t := range b.Targets {
		s, x := t.Size(), t.X
		t.X = nil
		for _, i := range list {
			t.X = append(t.X, x[i*s:(i+1)*s]...)
		}
		out.Targets = append(out.Targets, t)
	}
	return out
}

// Synthesize makes n images of uniform noise between lo and hi, where there are
// no data.
func Synthesize(shape []int, lo, hi float32, n int, seed uint64) Batch {
	b := Batch{N: n, Shape: shape}
	b.X = make([]float32, n*b.Size())
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range b.X {
		// 24 bits are exact in float32, on every platform.
		u := float32(rng.Uint32()>>8) / (1 << 24)
		b.X[i] = lo + float32((hi-lo)*u)
	}
	return b
}

// Join puts batches of as many images side by side, as the inputs of a network: images
// and labels are those of the first.
func Join(parts ...Batch) Batch {
	out := parts[0]
	if len(parts) == 1 {
		return out
	}
	for _, p := range parts[1:] {
		out.Others += p.Size()
	}
	out.X = make([]float32, 0, out.N*out.Size())
	for i := range out.N {
		for _, p := range parts {
			out.X = append(out.X, p.Image(i)...)
		}
	}
	return out
}
