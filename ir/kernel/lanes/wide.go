package lanes

import (
	"math/bits"

	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// Products of long vectors: the codes of up to 32 output channels times one input, added to sums of
// 32 bits. An input is a scalar, so that windows may have any length. RISC-V's vectors of 128 bits
// or more hold such a vector in up to eight registers.

// wideBlocks are the output channels that are computed together: first those that fill no vector, whose
// outputs reach over others that are written later. Channels of less than a vector are one block, of which
// no lanes beyond are read or written.
func (s *shape) wideBlocks(channels int) (list []block) {
	if s.rows < channels {
		return []block{{0, s.rows, 1}}
	}
	first := s.rows % channels
	if first > 0 {
		list = append(list, block{0, first, 1})
	}
	return append(list, block{first, channels, s.rows / channels})
}

// wideLanes is the lanes of a vector of some channels.
func wideLanes(channels int) int { return max(lanesOf, 1<<bits.Len(uint(channels-1))) }

// walkWide calls visit with the row and the code of each weight of a group, in the order in which the
// kernel reads them.
func (s *shape) walkWide(channels int, visit func(row, i int)) {
	for _, b := range s.wideBlocks(channels) {
		for i := range b.n {
			for ky := range s.w.KH {
				for segment := range s.segments {
					for j := range s.length {
						for c := range b.channels {
							visit(b.first+i*b.channels+c, s.code(ky, segment, j))
						}
					}
				}
			}
		}
	}
}

// Instructions of products of long vectors, fitted to counts under the emulator.
const (
	perWideCall   = 30. // a tile: the call, its addresses
	perWideBlock  = 30. // a block of channels: its constants
	perWideOutput = 11. // a vector of sums: requantized and stored
	perWideLine   = 6.  // a row or a segment of a window
	perWideRound  = 3.  // of the loop over a segment
)

// wideUnrolled is the inputs of a segment that are written one by one.
const wideUnrolled = 8

// wideCycles estimates the instructions of a layer.
func (s *shape) wideCycles(p Plan, sums bool) float64 {
	rounds := float64(s.length) / float64(min(s.length, wideUnrolled))
	tile := func(pixels int) float64 {
		px := float64(pixels)
		segment := func(each float64) float64 {
			return float64(s.w.KH*s.segments) * (perWideLine + float64(s.length)*each + rounds*(perWideRound+px-1))
		}
		sum := perWideCall
		for _, b := range s.wideBlocks(p.Channels) {
			sum += float64(b.n) * (perWideBlock + segment(3+2*px) + px*perWideOutput)
		}
		if sums {
			sum += segment(2 * px)
		}
		return sum
	}
	tiles := float64(s.run/p.Pixels) * tile(p.Pixels)
	if left := s.run % p.Pixels; left > 0 {
		tiles += tile(left)
	}
	return float64(s.runs)*(float64(s.groups)*tiles+perRow) + s.copyCycles(p.Band)
}

// wideWriter writes the code of a tile.
type wideWriter struct {
	*tileWriter
	followed bool // the codes of other inputs follow those that are read
}

// blocks computes a group's channels of the tile's pixels.
func (t *wideWriter) blocks(codes loop.Region, group, channel, at loop.Expr) {
	b := t.g.B
	if t.doubled {
		for range t.pixels {
			t.inputs = append(t.inputs, b.Var("inputs", loop.Int(0)))
		}
		t.walk(func(p int, x loop.Expr) { b.Set(t.inputs[p], loop.Sum(t.inputs[p].Get(), loop.To(loop.SExt, x, 32))) }, func(int) {}, func(int) {})
	}
	t.w = b.Cursor("w", codes, loop.Scaled(group, t.rows*t.k))
	t.cs = t.rq.Cursors(t.constants, channel)
	t.y = b.Cursor("y", t.g.Out, loop.Sum(at, channel))
	for _, bl := range t.wideBlocks(t.plan.Channels) {
		b.For("block", loop.Int(0), loop.Int(bl.n), 1, func(loop.Expr) { t.block(bl.channels) })
	}
}

// block computes some channels of the pixels.
func (t *wideWriter) block(channels int) {
	b, lanes := t.g.B, wideLanes(channels)
	first := loop.Expr(loop.Num(loop.I32.Vec(lanes), 0))
	if !t.doubled {
		first = t.cs.Bias(0, lanes)
	}
	acc := make([]*loop.Var, t.pixels)
	for p := range acc {
		acc[p] = b.Var("acc", first)
	}
	var w loop.Expr
	t.walk(func(p int, x loop.Expr) { b.Set(acc[p], loop.Instr("wmacc", w, x, acc[p].Get())) }, func(i int) {
		places := t.places(lanes)
		if t.followed { // lanes beyond the channels hold other codes, and their sums are not written
			places = nil
		}
		w = b.Let("w", loop.Gather(t.w, loop.Int(i*channels), loop.I8.Vec(lanes), places))
	}, func(n int) { b.Advance(t.w, n*channels) })
	t.finish(channels, lanes, acc)
	b.Advance(t.y, channels)
	t.cs.Advance(channels)
}

// places are the bytes of a vector of some lanes that are read or written: nil where all are.
func (t *wideWriter) places(lanes int) []int {
	if t.rows >= lanes {
		return nil
	}
	list := make([]int, lanes)
	for i := range list {
		if list[i] = i; i >= t.rows {
			list[i] = -1
		}
	}
	return list
}

// farthest is the greatest distance of a scalar load from an address.
const farthest = 2047

// walk visits each input of the windows of the pixels. It calls before with the number of an input in a
// round of the loop, and after with the inputs of the round.
func (t *wideWriter) walk(visit func(p int, x loop.Expr), before, after func(i int)) {
	b, w := t.g.B, t.shape.w
	each := min(t.length, t.g.Unroll(wideUnrolled))
	side := (t.pixels-1)*t.apart+each-1 <= farthest // one address for all pixels
	t.px = nil
	for p := range t.pixels {
		if p == 0 || !side {
			t.px = append(t.px, b.Cursor("px", t.x, loop.Sum(t.first, loop.Int(p*t.apart))))
		}
	}
	inputs := func(n int) {
		for i := range n {
			before(i)
			for p := range t.pixels {
				from, at := t.px[0], i+p*t.apart
				if !side {
					from, at = t.px[p], i
				}
				visit(p, b.Let("x", loop.To(loop.SExt, loop.At(from, loop.Int(at), loop.I8), 16)))
			}
		}
		t.advance(n)
		after(n)
	}
	b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(loop.Expr) {
		b.For("segment", loop.Int(0), loop.Int(t.segments), 1, func(loop.Expr) {
			rounds, left := t.length/each, t.length%each
			t.followed = w.KH*t.segments*t.groups == 1 && t.rows < t.plan.Channels && t.places(wideLanes(t.rows)) != nil
			if t.followed && left == 0 {
				rounds, left = rounds-1, each
			}
			b.For("input", loop.Int(0), loop.Int(rounds), 1, func(loop.Expr) { inputs(each) })
			t.followed = false
			if left > 0 {
				inputs(left)
			}
			if t.segments > 1 {
				t.advance(w.DilW*t.in - t.length)
			}
		})
		done := t.length
		if t.segments > 1 {
			done = t.segments * w.DilW * t.in
		}
		if w.KH > 1 {
			t.advance(w.DilH*t.row - done)
		}
	})
}

// finish requantizes the sums, and writes them.
func (t *wideWriter) finish(channels, lanes int, acc []*loop.Var) {
	b := t.g.B
	pooled := 1
	if t.pixels > 1 {
		pooled = t.poolW
	}
	constants := t.cs.Load(0, lanes)
	for p := 0; p < len(acc); p += pooled {
		// Requantization keeps the order: the greatest sum gives the greatest output.
		best := t.sum(p, acc, constants)
		for other := p + 1; other < p+pooled; other++ {
			best = loop.Op(loop.SMax, best, t.sum(other, acc, constants))
		}
		y := b.Let("y", t.result([]loop.Expr{constants.Rescaled(b.Let("sum", best))}))
		at := p / pooled * t.shape.w.OutC
		if places := t.places(lanes); places != nil {
			if t.poolH*t.poolW > 1 {
				y = loop.Op(loop.SMax, y, loop.Gather(t.y, loop.Int(at), y.Type(), places))
			}
			b.Scatter(t.y, loop.Int(at), y, places)
			continue
		}
		if channels == lanes || t.poolH*t.poolW == 1 {
			t.store(t.y, y, at, channels)
			continue
		}
		for i := range channels { // what follows stays
			to := loop.Int(at + i)
			b.Store(t.y, to, loop.Op(loop.SMax, emit.Some(y, i, 1), loop.At(t.y, to, loop.I8)))
		}
	}
}

// sum is the accumulator of R4 of a vector of channels of a pixel.
func (t *wideWriter) sum(p int, acc []*loop.Var, constants emit.Channel) loop.Expr {
	sum := acc[p].Get()
	if !t.doubled {
		return sum
	}
	return loop.Sum(constants.Bias, &loop.Splat{A: t.inputs[p].Get(), Lanes: sum.Type().Lanes}, loop.Op(loop.Shl, sum, loop.Num(sum.Type(), 1)))
}
