package lanes

import (
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
)

// Strips is the family of convolutions with few inputs in each group, depthwise ones first, on Helium, whose
// products add all lanes of two vectors to one sum. Some rows of the image are copied to a strip for each
// group, column by column: a window is then bytes that lie side by side, and one or a few vectors. Weights
// stay in registers for a row of pixels. Four pixels' sums are the lanes that are requantized together.
var Strips = kernel.Family{
	Name: "conv_strips", Op: ir.Conv2D, Rows: true, Plan: kernel.Planner(planStrips), Read: kernel.Reader(1, readStrips),
	Doc: "few inputs a group: rows are copied column by column, so that a window is one vector, or a few, whose products one instruction adds",
}

// StripsPlan is the rows of the result whose inputs are in strips at a time.
type StripsPlan struct {
	Band    int
	scratch int
	cycles  float64
}

func (p StripsPlan) Attrs() kernel.Attrs { return kernel.Attrs{Tile: []int{p.Band}} }
func (p StripsPlan) Scratch() int        { return p.scratch }
func (p StripsPlan) Cycles() float64     { return p.cycles }

// strips is the geometry of a layer with strips for bands of some rows of the result.
type strips struct {
	w            geometry.Window
	in, outs     int // inputs and outputs of a group
	rows         int // of the image, in a strip
	column       int // bytes of a strip's column
	bytes        int // of a strip
	length, size int // bytes of a window, and vectors of them
}

const (
	mostInputs  = 8 // inputs of a group, which one vector copies
	mostVectors = 3 // of a window: its weights stay in registers
	mostPlaces  = 1<<16 - 1
)

// stripsOf is the geometry of a layer; ok is false if the family does not serve it.
func stripsOf(l kernel.Layer, band int) (s *strips, ok bool) {
	w := geometry.WindowOf(l.Node)
	if !l.Target.Has("mve") || l.Elem.Kind != ir.I8 && !decodes(l.Elem) || !l.Narrow() || !fits(l) || !l.Supposed && !emit.TakesLanes(l.Node) ||
		w.DilH > 1 && w.KH > 1 || w.DilW > 1 && w.KW > 1 {
		return nil, false
	}
	w.DilH, w.DilW = 1, 1
	if w.InW == 1 && w.KW == 1 && w.PadL+w.PadR == 0 { // a column of pixels is a row
		w.InW, w.KW, w.PadL, w.PadR, w.StrideW = w.InH, w.KH, w.PadT, w.PadB, w.StrideH
		w.InH, w.KH, w.PadT, w.PadB, w.StrideH = 1, 1, 0, 0, 1
	}
	s = &strips{w: w, in: w.InC / w.Groups, outs: w.OutC / w.Groups}
	if s.in > mostInputs || l.Node.Nums(ir.AttrPadValue) != nil && s.in > 1 {
		return nil, false
	}
	s.rows = (band-1)*w.StrideH + w.KH
	s.column = s.rows * s.in
	s.bytes = (w.PadL + w.InW + w.PadR) * s.column
	s.length = (w.KW-1)*s.column + w.KH*s.in
	s.size = (s.length + chunk - 1) / chunk
	return s, s.size <= mostVectors && mostInputs*s.bytes <= mostPlaces && mostInputs*s.column <= mostPlaces && band <= w.OutH()
}

func planStrips(l kernel.Layer) (best StripsPlan, ok bool) {
	for _, band := range bands {
		if p, serves := stripsPlan(l, band); serves && l.Fits(p.scratch) && (!ok || p.cycles < best.cycles) {
			best, ok = p, true
		}
	}
	return best, ok
}

func readStrips(l kernel.Layer, tile []int) (StripsPlan, bool) { return stripsPlan(l, tile[0]) }

func stripsPlan(l kernel.Layer, band int) (p StripsPlan, ok bool) {
	s, ok := stripsOf(l, band)
	if !ok {
		return p, false
	}
	p.Band = band
	p.scratch = s.w.Groups*s.bytes + s.size*chunk
	if band > 1 && p.scratch > bandBytes {
		return p, false
	}
	p.scratch += decodedBytes(l)
	p.cycles = s.cycles(band) + decodeCycles(l.Elem, l.Weight().Size())
	return p, true
}

// Instructions of strips, fitted to counts under the emulator.
const (
	perStripCopy  = 3.0 // a vector copied to strips
	perStripRow   = 14. // a row copied, or a group's part of it
	perStripBand  = 30. // an output channel of a band: its constants and weights
	perStripStart = 6.  // a row of an output channel
	perStripTile  = 12. // four pixels, beside loads and products
)

// cycles estimates the instructions of a layer.
func (s *strips) cycles(band int) float64 {
	w := s.w
	each := mostInputs / s.in // groups, or pixels, that a vector copies
	copies, parts := (w.InW+each-1)/each, 1
	if w.Groups > 1 {
		parts = (w.Groups + each - 1) / each
		copies = w.InW * parts
	}
	count := float64((w.OutH() + band - 1) / band)
	sum := count * float64(s.rows) * (float64(copies)*perStripCopy + float64(parts)*perStripRow)
	tiles := float64((w.OutW() + pixelLanes - 1) / pixelLanes)
	row := perStripStart + tiles*perStripTile + float64(2*w.OutW()*s.size)
	return sum + float64(w.OutC)*(count*perStripBand+float64(w.OutH())*row)
}

// pixelLanes is the pixels that are requantized together.
const pixelLanes = 4

// Pack lays the codes of each output channel out column by column of the window.
func (p StripsPlan) Pack(l kernel.Layer) ([][]byte, error) {
	codes, err := l.Node.Const(ir.AttrWeight).Load()
	if err != nil {
		return nil, err
	}
	s, _ := stripsOf(l, p.Band)
	w, k := s.w, l.K()
	data := make([]byte, 0, len(codes))
	for first := 0; first < len(codes); first += k {
		for kx := range w.KW {
			for ky := range w.KH {
				for c := range s.in {
					data = append(data, codes[first+(c*w.KH+ky)*w.KW+kx])
				}
			}
		}
	}
	return pack(l.Elem, data), nil
}

// weight is the code that a byte of a window meets, -1 for none.
func (s *strips) weight(at int) int {
	kx, ky, c := at/s.column, at%s.column/s.in, at%s.in
	if kx >= s.w.KW || ky >= s.w.KH {
		return -1
	}
	return (kx*s.w.KH+ky)*s.in + c
}

// Emit writes the layer.
func (p StripsPlan) Emit(g *emit.Generator) error {
	of := kernel.Of(g.Node, g.Target)
	s, _ := stripsOf(of, p.Band)
	packed, err := p.Pack(of)
	if err != nil {
		return err
	}
	l := &stripsLayer{layer: &layer{shape: shapeOf(of), g: g}, strips: s, band: p.Band}
	if err := l.prepare(packed); err != nil {
		return err
	}
	if values := g.Node.Nums(ir.AttrPadValue); values != nil {
		var raw []byte
		for _, v := range values {
			raw = append(raw, byte(int8(v)))
		}
		l.pads = g.Global("pads", 1, append(raw, make([]byte, mostInputs)...))
	}
	l.write()
	return nil
}

// stripsLayer writes a layer.
type stripsLayer struct {
	*layer
	*strips
	band int
	pads *loop.Global // what pads each input channel, nil for the zero point
}

// write computes band after band.
func (l *stripsLayer) write() {
	g, b, w := l.g, l.g.B, l.strips.w
	l.sides()
	compute := l.function()
	outRow := w.OutW() * w.OutC
	b.For("band", loop.Int(0), loop.Int(w.OutH()), l.band, func(band loop.Expr) {
		b.For("row", loop.Int(0), loop.Int(l.strips.rows), 1, func(r loop.Expr) {
			iy := b.Let("iy", loop.Sum(loop.Scaled(band, w.StrideH), r, loop.Int(-w.PadT)))
			to := b.Let("to", loop.Sum(loop.Scaled(r, l.strips.in), loop.Int(l.base+w.PadL*l.column)))
			inside := func() { l.copy(b.Let("from", loop.Scaled(iy, w.InW*w.InC)), to) }
			if w.PadT+w.PadB == 0 && w.OutH()%l.band == 0 {
				inside()
				return
			}
			b.If(loop.Op(loop.ULt, iy, loop.Int(w.InH)), inside, func() { l.copy(nil, to) })
		})
		rows := loop.Expr(loop.Int(l.band))
		if w.OutH()%l.band > 0 {
			rows = b.Let("rows", loop.Op(loop.SMin, rows, loop.Op(loop.Sub, loop.Int(w.OutH()), band)))
		}
		l.call(compute, []loop.Expr{loop.Scaled(band, outRow), rows}, g.Scratch)
	})
}

// padding is n padding values, of inputs from a channel on.
func (l *stripsLayer) padding(channel loop.Expr, n int) loop.Expr {
	t := loop.I8.Vec(n)
	switch {
	case l.pads == nil:
		return loop.Num(t, int64(l.g.Node.Args[0].Type.Quant.Zero))
	case l.strips.w.Groups == 1: // and one input: the lanes are pixels
		return &loop.Splat{A: loop.At(l.pads, loop.Int(0), loop.I8), Lanes: n}
	}
	return loop.At(l.pads, channel, t)
}

// sides writes the padding left and right of the image, which stays. A vector may reach beyond it: what
// lies there is written later.
func (l *stripsLayer) sides() {
	b, w := l.g.B, l.strips.w
	t := loop.I8.Vec(chunk)
	b.For("strip", loop.Int(0), loop.Int(w.Groups), 1, func(i loop.Expr) {
		if w.PadL+w.PadR == 0 {
			return
		}
		value := loop.Expr(loop.Num(t, int64(l.g.Node.Args[0].Type.Quant.Zero)))
		if l.pads != nil {
			value = b.Let("value", &loop.Splat{A: loop.At(l.pads, i, loop.I8), Lanes: chunk})
		}
		at := b.Let("at", loop.Sum(loop.Scaled(i, l.bytes), loop.Int(l.base)))
		fill := func(first, n int) {
			for ; n > 0; first, n = first+chunk, n-chunk {
				b.Store(l.g.Scratch, loop.Sum(at, loop.Int(first)), value)
			}
		}
		fill(0, w.PadL*l.column)
		fill((w.PadL+w.InW)*l.column, w.PadR*l.column)
	})
}

// copy writes a row of the image, from a byte of it on, or of padding if from is nil, to its places in the
// strips, whose first is a byte of scratch.
func (l *stripsLayer) copy(from, to loop.Expr) {
	w, in := l.strips.w, l.strips.in
	each := mostInputs / in
	if w.Groups == 1 { // pixels side by side
		l.pieces(from, to, w.InW, each, func(lane int) int { return lane/in*l.column + lane%in }, each*in, each*l.column, nil)
		return
	}
	b := l.g.B
	row := func(c loop.Expr, n int) {
		first := from
		if from != nil {
			first = loop.Sum(from, c)
		}
		group := c
		if in > 1 {
			group = loop.Op(loop.UDiv, c, loop.Int(in))
		}
		start := b.Let("start", loop.Sum(to, loop.Scaled(group, l.bytes)))
		l.moves(first, start, w.InW, n, func(lane int) int { return lane/in*l.bytes + lane%in }, w.InC, l.column, c)
	}
	n := each * in
	b.For("block", loop.Int(0), loop.Int(w.InC/n), 1, func(i loop.Expr) { row(b.Let("c", loop.Scaled(i, n)), n) })
	if rest := w.InC % n; rest > 0 && w.InC > n {
		row(loop.Int(w.InC-n), n)
	} else if rest > 0 {
		row(loop.Int(w.InC-rest), rest)
	}
}

// pieces moves n pixels, some at a time.
func (l *stripsLayer) pieces(from, to loop.Expr, n, each int, place func(lane int) int, source, target int, c loop.Expr) {
	in := l.strips.in
	l.moves(from, to, n/each, each*in, place, source, target, c)
	if rest := n % each; rest > 0 {
		whole := n / each
		if from != nil {
			from = loop.Sum(from, loop.Int(whole*source))
		}
		l.moves(from, loop.Sum(to, loop.Int(whole*target)), 1, rest*in, place, source, target, c)
	}
}

// unrolledMoves is the vectors of a round of the loop that copies them.
const unrolledMoves = 4

// moves copies some vectors of n inputs, which lie source bytes apart, to places that lie target bytes apart.
func (l *stripsLayer) moves(from, to loop.Expr, count, n int, place func(lane int) int, source, target int, channel loop.Expr) {
	b, g := l.g.B, l.g
	if count == 0 {
		return
	}
	t := loop.I8.Vec(mostInputs)
	places, some := make([]int, mostInputs), make([]int, mostInputs)
	for i := range places {
		places[i], some[i] = -1, -1
		if i < n {
			places[i], some[i] = place(i), i
		}
	}
	next := b.Cursor("target", g.Scratch, to)
	var x *loop.Cursor
	var value loop.Expr
	if from != nil {
		x = b.Cursor("source", g.Args[0], from)
	} else {
		if channel == nil {
			channel = loop.Int(0)
		}
		value = b.Let("value", l.padding(channel, mostInputs))
	}
	one := func(i int) {
		v := value
		if x != nil {
			v = loop.At(x, loop.Int(i*source), t)
			if n < mostInputs {
				v = loop.Gather(x, loop.Int(i*source), t, some)
			}
			v = b.Let("v", v)
		}
		b.Scatter(next, loop.Int(i*target), v, places)
	}
	each := min(count, g.Unroll(unrolledMoves))
	b.For("moves", loop.Int(0), loop.Int(count/each), 1, func(loop.Expr) {
		for i := range each {
			one(i)
		}
		if x != nil {
			b.Advance(x, each*source)
		}
		b.Advance(next, each*target)
	})
	for i := range count % each {
		one(i)
	}
}

// function writes the function that computes a band. Its integers are the byte of the first output, and
// the rows.
func (l *stripsLayer) function() *loop.Func {
	w, g := l.strips.w, l.g
	x := &loop.Param{Name: "x", Constant: true}
	return l.local("band", []string{"at", "rows"}, x, func(v []loop.Expr, codes loop.Region) {
		b, k := g.B, l.k
		strip, ws := b.Cursor("strip", x, loop.Int(l.base)), b.Cursor("w", codes, loop.Int(0))
		cs, y := l.rq.Cursors(l.constants, loop.Int(0)), b.Cursor("y", g.Out, v[0])
		b.For("group", loop.Int(0), loop.Int(w.Groups), 1, func(loop.Expr) {
			b.For("channel", loop.Int(0), loop.Int(l.outs), 1, func(loop.Expr) {
				c := &stripWriter{stripsLayer: l, constants: cs.Load(0, 1).Spread(pixelLanes)}
				for v := range l.size {
					c.weights = append(c.weights, b.Let("weights", loop.Gather(ws, loop.Int(0), loop.I8.Vec(chunk), l.places(v))))
				}
				b.For("row", loop.Int(0), v[1], 1, func(r loop.Expr) {
					c.px = b.Cursor("px", strip, loop.Scaled(r, w.StrideH*l.strips.in))
					c.y = b.Cursor("out", y, loop.Scaled(r, w.OutW()*w.OutC))
					c.row()
				})
				b.Advance(ws, k)
				cs.Advance(1)
				b.Advance(y, 1)
			})
			b.Advance(strip, l.bytes)
		})
	})
}

// places are those of the weights of a vector of a window.
func (l *stripsLayer) places(vector int) []int {
	list := make([]int, chunk)
	for i := range list {
		list[i] = l.weight(vector*chunk + i)
	}
	return list
}

// stripWriter writes the code of a row of one output channel.
type stripWriter struct {
	*stripsLayer
	constants emit.Channel
	weights   []loop.Expr
	px, y     *loop.Cursor
}

// row computes all pixels of a row.
func (c *stripWriter) row() {
	b, n, outC := c.g.B, c.strips.w.OutW(), c.strips.w.OutC
	step := c.strips.w.StrideW * c.column
	b.For("tile", loop.Int(0), loop.Int(n/pixelLanes), 1, func(loop.Expr) {
		c.tile(pixelLanes, step)
		b.Advance(c.px, pixelLanes*step)
		b.Advance(c.y, pixelLanes*outC)
	})
	if rest := n % pixelLanes; rest > 0 {
		c.tile(rest, step)
	}
}

// tile computes n pixels, whose windows are step bytes apart.
func (c *stripWriter) tile(n, step int) {
	b := c.g.B
	sums, places := make([]loop.Expr, pixelLanes), make([]int, pixelLanes)
	for i := range sums {
		if i >= n {
			sums[i], places[i] = sums[0], -1
			continue
		}
		sum := loop.Expr(loop.Int(0))
		for v, weights := range c.weights {
			x := loop.At(c.px, loop.Int(i*step+v*chunk), loop.I8.Vec(chunk))
			sum = b.Let("sum", loop.Instr("mladav", weights, x, sum))
		}
		sums[i], places[i] = sum, i*c.strips.w.OutC
	}
	sum := b.Let("sum", loop.Sum(&loop.Named{Name: "lanes", Args: sums, T: loop.I32.Vec(pixelLanes)}, c.constants.Bias))
	b.Scatter(c.y, loop.Int(0), c.result([]loop.Expr{b.Let("y", c.constants.Rescaled(sum))}), places)
}
