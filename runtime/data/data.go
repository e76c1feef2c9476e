// Package data holds batches of images with their labels, the form in which
// every measurement takes them.
package data

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
)

// Batch is N images of one shape, one after the other, as reals. Where a network has
// several inputs an image is the first one, and its others lie after it.
type Batch struct {
	N      int
	Shape  []int // of one image, usually C,H,W
	Others int   // elements of the other inputs after each image
	X      []float32
	Labels []int // nil when unlabelled, or where labels are more than one whole number
	// Levels is set of numbers of the first input that were bytes, which span its declared range.
	Levels bool
	// Targets are labels of any kind, those of Labels too where they came as an array.
	Targets []Target
	// At is the number of each image in its data set, from 0 on; nil: they are its first ones.
	// Places is what else tells each: its file in a folder, its line in a table; nil: nothing.
	At     []int
	Places []string
	// Folders are the names that gave the labels, by label; nil where the labels are numbers.
	Folders []string
}

// Called is image i as its user finds it: by its number in the data set, and by its place.
func (b Batch) Called(i int) string {
	at := i
	if b.At != nil {
		at = b.At[i]
	}
	if b.Places == nil {
		return strconv.Itoa(at)
	}
	return fmt.Sprintf("%d (%s)", at, b.Places[i])
}

// Target is labels of every image of a batch: reals, masks, several yes or no.
type Target struct {
	Name  string // of the result that they are of; "" of labels by a usual name
	From  string // what the array or column is called; "" of formats that have no names
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

// Size is the elements of one image and what lies after it.
func (b Batch) Size() int { return b.Pixels() + b.Others }

// Pixels is the elements of one image.
func (b Batch) Pixels() int {
	n := 1
	for _, d := range b.Shape {
		n *= d
	}
	return n
}

// Image returns the pixels of image i, and what lies after them.
func (b Batch) Image(i int) []float32 {
	s := b.Size()
	return b.X[i*s : (i+1)*s]
}

// Digest is the hash of image i and what lies after it, to the last bit.
func (b Batch) Digest(i int) [sha256.Size]byte {
	raw, _ := binary.Append(nil, binary.LittleEndian, b.Image(i)) // of float32 there is no error
	return sha256.Sum256(raw)
}

// Among counts the images that are among those of other batches, too, with all that lies
// after them.
func (b Batch) Among(others ...Batch) (n int) {
	has := map[[sha256.Size]byte]bool{}
	for _, o := range others {
		for i := range o.N {
			has[o.Digest(i)] = true
		}
	}
	for i := range b.N {
		if has[b.Digest(i)] {
			n++
		}
	}
	return n
}

// Slice returns images from up to but not including to, sharing their pixels.
func (b Batch) Slice(from, to int) Batch {
	s := b.Size()
	out := Batch{N: to - from, Shape: b.Shape, Others: b.Others, Levels: b.Levels, Folders: b.Folders, X: b.X[from*s : to*s]}
	if b.Labels != nil {
		out.Labels = b.Labels[from:to]
	}
	for _, t := range b.Targets {
		t.X = t.X[from*t.Size() : to*t.Size()]
		out.Targets = append(out.Targets, t)
	}
	if b.At != nil {
		out.At = b.At[from:to]
	} else if from > 0 {
		for i := from; i < to; i++ {
			out.At = append(out.At, i)
		}
	}
	if b.Places != nil {
		out.Places = b.Places[from:to]
	}
	return out
}

// Draw chooses n of a number of items, evenly over all of them: as many from each stretch of
// a set that may be sorted by class, and one of each stretch by the seed. They come in an
// order of the seed's, so that the first of them are of the whole set, too. All items come
// in their own order when n is 0.
func Draw(total, n int, seed uint64) []int {
	if n == 0 {
		n = total
		at := make([]int, n)
		for i := range at {
			at[i] = i
		}
		return at
	}
	n = min(n, total)
	rng := rand.New(rand.NewPCG(seed, drawing))
	at := rng.Perm(n)
	for i, stretch := range at {
		from, to := stretch*total/n, (stretch+1)*total/n
		at[i] = from + rng.IntN(to-from)
	}
	return at
}

// drawing tells the stream of Draw apart from others of the same seed.
const drawing = 1

// Pick returns the images at some places, which are copied.
func (b Batch) Pick(at []int) Batch {
	out := b
	out.N, out.X, out.Labels, out.Targets, out.At = len(at), pick(b.X, b.Size(), at), nil, nil, slices.Clone(at)
	if b.At != nil {
		out.At = pick(b.At, 1, at)
	}
	if b.Places != nil {
		out.Places = pick(b.Places, 1, at)
	}
	if b.Labels != nil {
		out.Labels = pick(b.Labels, 1, at)
	}
	for _, t := range b.Targets {
		out.Targets = append(out.Targets, t.Pick(at))
	}
	return out
}

// Pick returns the labels of the images at some places, which are copied.
func (t Target) Pick(at []int) Target {
	t.X = pick(t.X, t.Size(), at)
	return t
}

// Distinct leaves out images that are those of an earlier one to the last bit, whatever
// their labels, and counts them. Two copies are no two witnesses.
func (b Batch) Distinct() (distinct Batch, copies int) {
	seen := make(map[[sha256.Size]byte]bool, b.N)
	var at []int
	for i := range b.N {
		if sum := b.Digest(i); !seen[sum] {
			seen[sum] = true
			at = append(at, i)
		}
	}
	if len(at) == b.N {
		return b, 0
	}
	return b.Pick(at), b.N - len(at)
}

// pick copies some of the pieces of a size that x consists of.
func pick[E any](x []E, size int, at []int) []E {
	out := make([]E, 0, len(at)*size)
	for _, i := range at {
		out = append(out, x[i*size:(i+1)*size]...)
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

// Convert says how data whose reals span one range are taken to another one.
func Convert(low, high, toLow, toHigh float32) string {
	for _, c := range []struct {
		from, to [2]float32
		text     string
	}{
		{[2]float32{0, 255}, [2]float32{0, 1}, "divide the data by 255"},
		{[2]float32{0, 255}, [2]float32{-1, 1}, "take the data as x / 127.5 - 1"},
		{[2]float32{0, 1}, [2]float32{0, 255}, "multiply the data by 255"},
		{[2]float32{0, 1}, [2]float32{-1, 1}, "take the data as x * 2 - 1"},
		{[2]float32{-1, 1}, [2]float32{0, 1}, "take the data as (x + 1) / 2"},
		{[2]float32{-1, 1}, [2]float32{0, 255}, "take the data as (x + 1) * 127.5"},
	} {
		if c.from == [2]float32{low, high} && c.to == [2]float32{toLow, toHigh} {
			return c.text
		}
	}
	return fmt.Sprintf("take the reals of the data from [%g,%g] to [%g,%g]", low, high, toLow, toHigh)
}
