package tasks

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// canvas is a gray picture.
type canvas struct {
	size int
	x    []float64
}

// dim is a picture of an uneven dark background.
func dim(rng *rand.Rand, size int) *canvas {
	c := &canvas{size, make([]float64, size*size)}
	base, right, down := between(rng, .1, .35), between(rng, -.15, .15), between(rng, -.15, .15)
	for i := range c.x {
		c.x[i] = base + right*float64(i%size)/float64(size) + down*float64(i/size)/float64(size)
	}
	return c
}

// fill paints pixels for which a function of the place of their middles holds, and calls done
// with each.
func (c *canvas) fill(light float64, holds func(x, y float64) bool, done func(i int)) {
	for i := range c.x {
		if holds(float64(i%c.size)+.5, float64(i/c.size)+.5) {
			c.x[i] = light
			if done != nil {
				done(i)
			}
		}
	}
}

// finish is the picture with noise.
func (c *canvas) finish(rng *rand.Rand) []float32 {
	noise(rng, c.x, between(rng, .02, .1))
	return within(c.x, 0, 1)
}

func disc(cx, cy, r float64) func(x, y float64) bool {
	return func(x, y float64) bool { return (x-cx)*(x-cx)+(y-cy)*(y-cy) <= r*r }
}

func box(cx, cy, w, h float64) func(x, y float64) bool {
	return func(x, y float64) bool { return math.Abs(x-cx) <= w/2 && math.Abs(y-cy) <= h/2 }
}

// pictureErrors are what the examples of pictures should withstand.
const pictureErrors = "gaussian=0.05,0.1,0.15;light-random=0.1,0.2;fog-blend=0.2,0.4"

// mask tells for every pixel whether it is of a disc, of a square, or of neither.
var mask = Example{
	Name: "mask", Doc: "background, disc or square, for each pixel", Errors: pictureErrors,
	steps: 2500, rate: 4e-3,
	layers: func(b *builder) []output {
		x := b.picture(16)
		top := b.seen("conv1", x, 8)
		mid := b.seen("conv2", b.pool(top, 2, 2), 16)
		low := b.seen("conv3", b.pool(mid, 2, 2), 20)
		y := b.seen("conv4", b.concat("join1", b.larger(low), mid), 12)
		y = b.seen("conv5", b.concat("join2", b.larger(y), top), 8)
		return []output{{b.conv("class", y, 3, 1, 1, 1, 1), ir.Task{Name: ir.Classes, Axis: 0}}}
	},
	item: func(rng *rand.Rand, _ Set) item {
		c := dim(rng, 16)
		label := make([]float32, 256)
		for range 1 + rng.IntN(2) {
			r, class := between(rng, 2.5, 4.5), 1+rng.IntN(2)
			cx, cy := between(rng, 3, 13), between(rng, 3, 13)
			holds := disc(cx, cy, r)
			if class == 2 {
				holds = box(cx, cy, 1.8*r, 1.8*r)
			}
			c.fill(between(rng, .5, .95), holds, func(i int) { label[i] = float32(class) })
		}
		right := make([]float32, 3*256)
		for i, l := range label {
			right[int(l)*256+i] = sure
		}
		return item{c.finish(rng), right, [][]float32{label}}
	},
}

// The detector's grid: a cell has one box at most.
const (
	detectorSize  = 24
	detectorCells = 3
)

// detector tells where discs and squares are: a head like YOLO's. The four numbers of a cell
// are the middle of the box within the cell, and its width and height as shares of the
// picture; the scores are those of each class.
var detector = Example{
	Name: "detector", Doc: "boxes of discs and squares in the cells of a grid, and scores of the two classes", Errors: pictureErrors,
	steps: 6000, rate: 3e-3,
	layers: func(b *builder) []output {
		x := b.picture(detectorSize)
		y := b.pool(b.seen("conv1", x, 8), 2, 2)
		y = b.pool(b.seen("conv2", y, 16), 2, 2)
		y = b.pool(b.seen("conv3", y, 20), 2, 2)
		y = b.seen("conv4", y, 24)
		return []output{
			{b.sigmoid("box", b.conv("place", y, 4, 1, 1, 1, 1)), ir.Task{Name: ir.Values, Axis: ir.NoAxis}},
			{b.sigmoid("score", b.conv("found", y, 2, 1, 1, 1, 1)), ir.Task{Name: ir.Multilabel, Axis: ir.NoAxis, Weight: 2}},
		}
	},
	item: func(rng *rand.Rand, _ Set) item {
		const cells, side = detectorCells * detectorCells, float64(detectorSize) / detectorCells
		c := dim(rng, detectorSize)
		boxes, score := make([]float32, 4*cells), make([]float32, 2*cells)
		for i := range boxes { // cells without an object
			boxes[i] = .5
			if i >= 2*cells {
				boxes[i] = .3
			}
		}
		var taken [][4]float64
		for range 1 + rng.IntN(4) {
			w, class := between(rng, 5, 9), rng.IntN(2)
			h := w
			if class == 1 {
				h = between(rng, 5, 9)
			}
			cx, cy := between(rng, w/2, detectorSize-w/2), between(rng, h/2, detectorSize-h/2)
			col, row := int(cx/side), int(cy/side)
			cell := row*detectorCells + col
			if score[cell]+score[cells+cell] > 0 || slices.ContainsFunc(taken, func(o [4]float64) bool {
				return math.Abs(cx-o[0]) < (w+o[2])/2+1 && math.Abs(cy-o[1]) < (h+o[3])/2+1
			}) {
				continue // objects are apart
			}
			taken = append(taken, [4]float64{cx, cy, w, h})
			holds := disc(cx, cy, w/2)
			if class == 1 {
				holds = box(cx, cy, w, h)
			}
			c.fill(between(rng, .5, .95), holds, nil)
			for e, v := range []float64{cx/side - float64(col), cy/side - float64(row), w / detectorSize, h / detectorSize} {
				boxes[e*cells+cell] = float32(v)
			}
			score[class*cells+cell] = 1
		}
		right := append([]float32{}, boxes...)
		for _, v := range score {
			right = append(right, yesOrNo(v == 1))
		}
		return item{c.finish(rng), right, [][]float32{boxes, score}}
	},
}

// shapes tells which of four shapes are in a picture.
var shapes = Example{
	Name: "shapes", Doc: "which of disc, ring, cross and bar are in a picture", Errors: pictureErrors,
	steps: 3000, rate: 4e-3,
	layers: func(b *builder) []output {
		x := b.picture(16)
		y := b.pool(b.seen("conv1", x, 10), 2, 2)
		y = b.pool(b.seen("conv2", y, 16), 2, 2)
		y = b.relu(b.linear("fc1", b.flat(y), 24))
		return only(b.linear("there", y, 4), ir.Multilabel)
	},
	item: func(rng *rand.Rand, _ Set) item {
		c := dim(rng, 16)
		label, right := make([]float32, 4), make([]float32, 4)
		quarters := rng.Perm(4)
		for k := range 4 {
			isThere := rng.IntN(2) == 1
			label[k], right[k] = truth(isThere), yesOrNo(isThere)
			if !isThere {
				continue
			}
			cx, cy := 4+8*float64(quarters[k]%2)+between(rng, -.7, .7), 4+8*float64(quarters[k]/2)+between(rng, -.7, .7)
			r := between(rng, 2.4, 3.2)
			holds := disc(cx, cy, r)
			switch k {
			case 1:
				holds = func(x, y float64) bool { return disc(cx, cy, r+.3)(x, y) && !disc(cx, cy, r-1.2)(x, y) }
			case 2:
				holds = func(x, y float64) bool {
					return box(cx, cy, 2*r, 1.6)(x, y) || box(cx, cy, 1.6, 2*r)(x, y)
				}
			case 3:
				holds = box(cx, cy, 1.8, 2*r)
			}
			c.fill(between(rng, .5, .95), holds, nil)
		}
		return item{c.finish(rng), right, [][]float32{label}}
	},
}

// glyph gives a direction to a sign of twelve strokes, from each of which it takes a sign of
// the direction: signs that it was not trained on have directions of their own, too.
var glyph = Example{
	Name: "glyph", Doc: "a direction for a sign of twelve strokes, equal for equal signs", Errors: pictureErrors,
	steps: 3000, rate: 4e-3,
	layers: func(b *builder) []output {
		x := b.picture(16)
		y := b.pool(b.seen("conv1", x, 10), 2, 2)
		y = b.pool(b.seen("conv2", y, 16), 2, 2)
		y = b.relu(b.linear("fc1", b.flat(y), 24))
		return only(b.linear("direction", y, glyphStrokes), ir.EmbeddingTask)
	},
	item: func(rng *rand.Rand, s Set) item {
		// Signs of an even number of strokes are trained on, some 64 others are tested.
		sign := 0
		for isEven := s == Train || s == Calibration; ; {
			k := rng.IntN(1 << glyphStrokes)
			if !isEven {
				k = rand.New(rand.NewPCG(uint64(rng.IntN(128)), 3)).IntN(1 << glyphStrokes)
			}
			if sign = k; isEven == (strokes(k)%2 == 0) {
				break
			}
		}
		c := dim(rng, 16)
		dx, dy, light := between(rng, -1, 1), between(rng, -1, 1), between(rng, .55, .95)
		right := make([]float32, glyphStrokes)
		for k := range right {
			if right[k] = -1; sign>>k&1 == 0 {
				continue
			}
			right[k] = 1
			// Three bars in each of two rows and of two columns.
			x, y := 3.5+4.5*float64(k%6/2), 5+6*float64(k%2)
			w, h := 4.2, 1.6
			if k >= 6 {
				x, y, w, h = y, x, h, w
			}
			c.fill(light, box(x+dx, y+dy, w, h), nil)
		}
		return item{c.finish(rng), right, [][]float32{{float32(sign)}}}
	},
}

const glyphStrokes = 12

func strokes(sign int) (n int) {
	for ; sign > 0; sign >>= 1 {
		n += sign & 1
	}
	return n
}
