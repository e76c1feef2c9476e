package lanes

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
)

// shape is the geometry of a layer. A window is rows of segments: inputs of a group that lie side
// by side, where it is not dilated all of a row.
type shape struct {
	w                geometry.Window
	rows, groups, k  int // output channels of a group, their codes
	in               int // inputs of a group in a pixel
	isLinear         bool
	multiplier       int   // copies of each input in scratch: outputs of a channel of a depthwise convolution; 0 and 1: one
	order            []int // the code of each input of a linear layer
	segments, length int   // of a row of the window; inputs of a segment
	padded           bool
	buffered         bool // inputs are copied to scratch: padded, or one group after the other
	flat             bool // the rows of an image are one
	run              int  // pixels side by side
	runs             int  // such rows of pixels
	outRows          int  // rows of the result
	poolH, poolW     int
}

func shapeOf(l kernel.Layer) *shape {
	s := &shape{groups: 1, poolH: 1, poolW: 1, k: l.K(), runs: 1, run: 1, outRows: 1}
	weight := l.Weight()
	if l.Node.Op == ir.Linear {
		s.w = geometry.Window{InC: s.k, InH: 1, InW: 1, OutC: weight[0], KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
		s.isLinear, s.rows, s.in, s.segments, s.length = true, weight[0], s.k, 1, s.k
		return s
	}
	w := geometry.WindowOf(l.Node)
	s.w, s.groups = w, w.Groups
	s.rows, s.in = weight[0]/s.groups, w.InC/s.groups
	s.poolH, s.poolW = l.Node.Pool()
	s.segments, s.length = 1, w.KW*s.in
	if w.DilW > 1 && w.KW > 1 {
		s.segments, s.length = w.KW, s.in
	}
	s.padded = w.PadT+w.PadL+w.PadB+w.PadR > 0
	s.buffered = s.padded || s.groups > 1 || s.length < step
	s.outRows = w.OutH() / s.poolH
	s.run, s.runs = w.OutW()/s.poolW*s.poolW, s.outRows*s.poolH
	if w.KH*w.KW == 1 && w.StrideH*w.StrideW == 1 && !s.buffered && s.poolH*s.poolW == 1 {
		s.flat, s.run, s.runs = true, s.run*s.runs, 1
	}
	return s
}

// unflatten has the rows of an image computed one by one: when a row is written, the inputs of the
// rows before it may be written over.
func (s *shape) unflatten() {
	if s.flat {
		s.flat, s.run, s.runs = false, s.w.OutW(), s.w.OutH()
	}
}

// step is the inputs of a lane that are multiplied together.
const step = 4

// load is some bytes of a segment that are read together, and the steps that they serve.
type load struct {
	at, bytes int // from the segment's first input
	steps     []inputs
}

// inputs are those of a step: fewer than four are its last ones, with zeros before them, or its
// first ones, with zeros after them.
type inputs struct {
	lane     int // of the load, four bytes each
	first, n int
	isFirst  bool
}

// chunk is the bytes of a load of a whole vector.
const chunk = 16

// loads divides a segment. Those of the first chunks are alike; what is left ends with the segment.
func (s *shape) loads() (chunks int, rest []load) {
	chunks = s.length / chunk
	at := chunks * chunk
	left := s.length - at
	whole, some := left/step, left%step
	size := step
	for size < step*whole+some {
		size *= 2
	}
	switch {
	case left == 0:
		return chunks, nil
	case s.buffered || s.length >= size:
		l := load{at: s.length - size, bytes: size}
		lane := size/step - whole
		if some > 0 {
			l.steps = append(l.steps, inputs{lane: lane - 1, first: at, n: some})
		}
		for i := range whole {
			l.steps = append(l.steps, inputs{lane: lane + i, first: at + some + i*step, n: step})
		}
		return chunks, []load{l}
	}
	if some > 0 {
		rest = append(rest, load{at: 0, bytes: step, steps: []inputs{{first: 0, n: some, isFirst: true}}})
	}
	if at = some; whole%2 > 0 {
		rest = append(rest, load{at: at, bytes: step, steps: []inputs{{first: at, n: step}}})
		at += step
	}
	if whole >= 2 {
		rest = append(rest, load{at: at, bytes: 2 * step, steps: []inputs{{first: at, n: step}, {lane: 1, first: at + step, n: step}}})
	}
	return chunks, rest
}

// blocks are the output channels that are computed together: first those that fill no vector, then
// larger and larger blocks.
func (s *shape) blocks(channels int) (list []block) {
	first := s.rows % lanesOf
	if first > 0 {
		list = append(list, block{0, first, 1})
	}
	for size := lanesOf; size <= channels; size *= 2 {
		n := (s.rows - first) / size
		if size < channels {
			n %= 2
		}
		if n > 0 {
			list = append(list, block{first, size, n})
			first += n * size
		}
	}
	return list
}

// block is some blocks of as many channels.
type block struct{ first, channels, n int }

// vectors is the vectors of a block's sums of a pixel.
func (b block) vectors() int { return (b.channels + lanesOf - 1) / lanesOf }

// walk calls visit with the row and the code of each weight of a group, in the order in which the
// kernel reads them.
func (s *shape) walk(channels int, pairs bool, visit func(row, i int)) {
	chunks, rest := s.loads()
	var steps []inputs
	for i := range chunks * chunk / step {
		steps = append(steps, inputs{first: i * step, n: step})
	}
	for _, l := range rest {
		steps = append(steps, l.steps...)
	}
	for _, b := range s.blocks(channels) {
		for i := range b.n {
			first := b.first + i*b.channels
			for ky := range s.w.KH {
				for segment := range s.segments {
					for _, st := range steps {
						s.step(st, b.channels, pairs, func(c, i int) { visit(first+c, s.code(ky, segment, i)) })
					}
				}
			}
		}
	}
}

// step calls visit with the channel of a block and the input of each weight of a step.
func (s *shape) step(st inputs, channels int, pairs bool, visit func(c, i int)) {
	if st.n < step { // input by input
		for i := range st.n {
			for c := range channels {
				visit(c, st.first+i)
			}
		}
		return
	}
	together, group := lanesOf, step
	if pairs {
		together, group = 2*lanesOf, 2
	}
	for first := 0; first < channels; first += together {
		for i := 0; i < step; i += group {
			for c := first; c < min(first+together, channels); c++ {
				for j := range group {
					visit(c, st.first+i+j)
				}
			}
		}
	}
}

// code is the place of a weight in its row: of input i of a segment of row ky of the window.
func (s *shape) code(ky, segment, i int) int {
	if s.order != nil {
		return s.order[i]
	}
	kx, c := i/s.in, i%s.in
	if s.segments > 1 {
		kx = segment
	}
	return (c*s.w.KH+ky)*s.w.KW + kx
}

// slack is the bytes before the rows in scratch: loads may begin before a segment.
const slack = chunk

// rowBytes is the bytes of a group's row in scratch.
func (s *shape) rowBytes() int { return (s.w.PadL + s.w.InW + s.w.PadR) * s.in }

// bandRows is the rows of the image that a band of rows of the result sees.
func (s *shape) bandRows(band int) int {
	return (band*s.poolH-1)*s.w.StrideH + (s.w.KH-1)*s.w.DilH + 1
}

// bandScratch is the bytes of scratch of a band: none where no rows are copied. ok is false if the band
// is too large.
func (s *shape) bandScratch(band int) (bytes int, ok bool) {
	if !s.buffered {
		return 0, band == 1
	}
	bytes = slack + s.groups*s.bandRows(band)*s.rowBytes()
	return bytes, band == 1 || bytes <= bandBytes && band <= s.outRows
}
