package lanes

import (
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// Products across lanes: sixteen inputs of a segment times sixteen codes of one output channel, all added
// to one sum in a general register. The last inputs of a segment, where they are no sixteen, are the last lanes
// of a vector whose other lanes are not loaded; in a segment of fewer, the first lanes.

// acrossBlocks are the output channels that are computed together: first those that fill no vector, whose
// outputs reach over others that are written later, then blocks of the tile's channels, then one vector.
func (s *shape) acrossBlocks(channels int) (list []block) {
	first := s.rows % lanesOf
	if first > 0 {
		list = append(list, block{0, first, 1})
	}
	if rest := (s.rows - first) % channels; rest > 0 {
		list = append(list, block{first, rest, 1})
		first += rest
	}
	if n := (s.rows - first) / channels; n > 0 {
		list = append(list, block{first, channels, n})
	}
	return list
}

// walkAcross calls visit with the row and the code of each weight of a group, in the order in which the
// kernel reads them.
func (s *shape) walkAcross(channels int, visit func(row, i int)) {
	for _, b := range s.acrossBlocks(channels) {
		for i := range b.n {
			first := b.first + i*b.channels
			for ky := range s.w.KH {
				for segment := range s.segments {
					for at := 0; at < s.length; at += chunk {
						for c := range b.channels {
							for j := at; j < min(at+chunk, s.length); j++ {
								visit(first+c, s.code(ky, segment, j))
							}
						}
					}
				}
			}
		}
	}
}

// Instructions of products across lanes, fitted to counts under the emulator.
const (
	perAcrossCall   = 35.  // a tile: the call, its addresses, the registers it saves
	perAcrossBlock  = 2.   // a block of a tile's channels
	perAcrossOutput = 2.75 // a sum: one of four lanes, requantized and stored
	perAcrossLine   = 7.   // a segment of a window of several
	perAcrossLoop   = 18.  // over the one segment of a window: sums begin at 0, and what else is in registers is saved
	perAcrossRound  = 3.5  // of a loop over a segment
	perAcrossRest   = 2.   // the last inputs of a segment, of which fewer are loaded
	perAcrossSum    = 1.   // sixteen inputs that are summed
)

// acrossCycles estimates the instructions of a layer.
func (s *shape) acrossCycles(p Plan, sums bool) float64 {
	tile := func(pixels int) float64 {
		px := float64(pixels)
		segment := func(channels float64, each float64) float64 {
			step := channels + px*(1+each)
			chunks := s.length / chunk
			rounds := chunks / s.unrolledChunks()
			sum := float64(chunks) * step
			if rounds > 1 {
				sum += float64(rounds) * perAcrossRound
			}
			switch {
			case s.w.KH*s.segments > 1:
				sum += perAcrossLine
			case rounds > 1:
				sum += perAcrossLoop
			}
			if s.length%chunk > 0 {
				sum += step + px*perAcrossRest
			}
			return sum * float64(s.w.KH*s.segments)
		}
		sum := perAcrossCall
		for _, b := range s.acrossBlocks(p.Channels) {
			n := float64(b.channels)
			sum += float64(b.n) * (perAcrossBlock + segment(n, n) + px*perAcrossOutput*max(n, lanesOf))
		}
		if sums {
			sum += segment(0, perAcrossSum)
		}
		return sum
	}
	whole, left := s.run/p.Pixels, s.run%p.Pixels
	tiles := float64(whole) * tile(p.Pixels)
	if left > 0 {
		tiles += tile(left)
	}
	return float64(s.runs)*(float64(s.groups)*tiles+perRow) + s.copyCycles(p.Band)
}

// mostUnrolled is the chunks of a segment that are written one by one.
const mostUnrolled = 6

// unrolledChunks is the chunks of a round of the loop over a segment.
func (s *shape) unrolledChunks() int {
	chunks := s.length / chunk
	for n := min(chunks, mostUnrolled); n > 1; n-- {
		if chunks%n == 0 && (n > 2 || chunks <= mostUnrolled) {
			return n
		}
	}
	return max(1, min(chunks, 2-chunks%2))
}

// acrossWriter writes the code of a tile.
type acrossWriter struct{ *tileWriter }

// blocks computes a group's channels of the tile's pixels.
func (t *acrossWriter) blocks(codes loop.Region, group, channel, at loop.Expr) {
	b := t.g.B
	if t.doubled {
		for range t.pixels {
			t.inputs = append(t.inputs, b.Var("inputs", loop.Int(0)))
		}
		t.walk(func(bytes int, x []loop.Expr) {
			for p, sum := range t.inputs {
				b.Set(sum, loop.Instr("addv", x[p], sum.Get()))
			}
		})
	}
	t.w = b.Cursor("w", codes, loop.Scaled(group, t.rows*t.k))
	t.cs = t.rq.Cursors(t.constants, channel)
	t.y = b.Cursor("y", t.g.Out, loop.Sum(at, channel))
	for _, bl := range t.acrossBlocks(t.plan.Channels) {
		b.For("block", loop.Int(0), loop.Int(bl.n), 1, func(loop.Expr) { t.block(bl.channels) })
	}
}

// block computes some channels of the pixels.
func (t *acrossWriter) block(channels int) {
	b := t.g.B
	acc := make([][]*loop.Var, t.pixels)
	for p := range acc {
		for range channels {
			acc[p] = append(acc[p], b.Var("acc", loop.Int(0)))
		}
	}
	t.walk(func(bytes int, x []loop.Expr) {
		b.Fence()
		for c := range channels {
			w := loop.At(t.w, loop.Int((c+1)*bytes-chunk), loop.I8.Vec(chunk)) // with codes before them
			if t.length < chunk {
				w = t.some(t.w, c*bytes, bytes)
			}
			w = b.Let("w", w)
			for p := range acc {
				b.Set(acc[p][c], loop.Instr("mladav", w, x[p], acc[p][c].Get()))
			}
		}
		b.Advance(t.w, channels*bytes)
	})
	t.finish(channels, acc)
	b.Advance(t.y, channels)
	t.cs.Advance(channels)
}

// near is the greatest distance of a load from an address.
const near = 127

// walk visits the windows of the pixels, sixteen inputs of a segment at a time; bytes of them are codes', and the
// others are 0.
func (t *acrossWriter) walk(visit func(bytes int, x []loop.Expr)) {
	b, w := t.g.B, t.shape.w
	each := t.unrolledChunks()
	side := (t.pixels-1)*t.apart+(each-1)*chunk <= near // one address for all pixels
	t.px = nil
	for p := range t.pixels {
		if p == 0 || !side {
			t.px = append(t.px, b.Cursor("px", t.x, loop.Sum(t.first, loop.Int(p*t.apart))))
		}
	}
	loads := func(at, bytes int) []loop.Expr {
		x := make([]loop.Expr, t.pixels)
		for p := range x {
			from, at := t.px[0], at+p*t.apart
			if !side {
				from, at = t.px[p], at-p*t.apart
			}
			x[p] = b.Let("x", t.some(from, at, bytes))
		}
		return x
	}
	chunks, left := t.length/chunk, t.length%chunk
	walked := chunks * chunk
	b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(loop.Expr) {
		b.For("segment", loop.Int(0), loop.Int(t.shape.segments), 1, func(loop.Expr) {
			b.For("chunk", loop.Int(0), loop.Int(chunks/each), 1, func(loop.Expr) {
				for i := range each {
					visit(chunk, loads(i*chunk, chunk))
				}
				t.advance(each * chunk)
			})
			if left > 0 {
				visit(left, loads(0, left))
			}
			if t.shape.segments > 1 {
				t.advance(w.DilW*t.in - walked)
			}
		})
		done := walked
		if t.shape.segments > 1 {
			done = t.shape.segments * w.DilW * t.in
		}
		if w.KH > 1 {
			t.advance(w.DilH*t.row - done)
		}
	})
}

// some are n bytes at a byte after a cursor, as lanes of a vector: the last ones, in a segment of fewer
// than a vector the first. The others are 0.
func (t *acrossWriter) some(from *loop.Cursor, at, n int) loop.Expr {
	v := loop.I8.Vec(chunk)
	if n == chunk {
		return loop.At(from, loop.Int(at), v)
	}
	first := chunk - n
	if t.length < chunk {
		first = 0
	}
	places := make([]int, chunk)
	for i := range places {
		if places[i] = i; i < first || i >= first+n {
			places[i] = -1
		}
	}
	return loop.Gather(from, loop.Int(at-first), v, places)
}

// finish requantizes the sums, and writes them.
func (t *acrossWriter) finish(channels int, acc [][]*loop.Var) {
	b := t.g.B
	pooled := 1
	if t.pixels > 1 {
		pooled = t.poolW
	}
	for first := 0; first < channels; first += lanesOf {
		constants, n := t.cs.Load(first, lanesOf), min(lanesOf, channels-first)
		for p := 0; p < len(acc); p += pooled {
			best := t.four(p, first, n, acc, constants)
			for other := p + 1; other < p+pooled; other++ {
				best = loop.Op(loop.SMax, best, t.four(other, first, n, acc, constants))
			}
			y := b.Let("y", constants.Rescaled(b.Let("sum", best)))
			t.store(t.y, t.result([]loop.Expr{y}), p/pooled*t.shape.w.OutC+first, n)
		}
	}
}

// four is the accumulators of R4 of some channels of a pixel, four or fewer.
func (t *acrossWriter) four(p, first, n int, acc [][]*loop.Var, constants emit.Channel) loop.Expr {
	sums := make([]loop.Expr, lanesOf)
	for i := range sums {
		sums[i] = acc[p][first+min(i, n-1)].Get()
	}
	v := loop.Expr(&loop.Named{Name: "lanes", Args: sums, T: loop.I32.Vec(lanesOf)})
	if t.doubled {
		v = loop.Sum(loop.Op(loop.Shl, v, loop.Num(v.Type(), 1)), &loop.Splat{A: t.inputs[p].Get(), Lanes: lanesOf})
	}
	return t.g.B.Let("sum", loop.Sum(v, constants.Bias))
}
