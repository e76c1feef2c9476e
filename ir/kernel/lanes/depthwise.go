package lanes

import (
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/loop"
	"github.com/dnnc/dnnc/ir/processor"
)

// Depthwise is the family of convolutions with one input channel in each group. Of several outputs for
// each, inputs are copied to scratch as often.
var Depthwise = kernel.Family{
	Name: "conv_depthwise_lanes", Op: ir.Conv2D, Pools: true, Rows: true, Plan: kernel.Planner(depthwise), Read: kernel.Reader(3, readDepthwise),
	Doc: "one input channel a group: output channels as lanes of vectors, products of a few taps summed in 16 bits, pixels side by side share inputs",
}

// DepthwisePlan is the pixels and channels of a tile, and the rows of a band, as in Plan.
type DepthwisePlan struct {
	Pixels, Channels int
	Band             int
	scratch          int
	cycles           float64
}

func (p DepthwisePlan) Attrs() kernel.Attrs {
	return kernel.Attrs{Tile: []int{p.Pixels, p.Channels, p.Band}}
}
func (p DepthwisePlan) Scratch() int    { return p.scratch }
func (p DepthwisePlan) Cycles() float64 { return p.cycles }

// depthwiseTiles are those whose sums and inputs fit the registers.
func depthwiseTiles(t *processor.Target) [][2]int {
	switch {
	case t.Has("rvv"):
		return [][2]int{{2, 16}, {1, 16}, {4, 8}, {3, 8}, {2, 8}, {1, 8}}
	case !t.Has("neon"):
		return nil
	case t.ISA() == "arm":
		return [][2]int{{2, 8}, {1, 8}}
	}
	return [][2]int{{2, 16}, {1, 16}, {4, 8}, {2, 8}, {1, 8}}
}

// depthwiseShape is the geometry of a layer whose channels lie side by side; ok is false if it is no
// depthwise convolution that vectors serve.
func depthwiseShape(l kernel.Layer) (s *shape, ok bool) {
	w := geometry.WindowOf(l.Node)
	if l.Elem.Kind != ir.I8 && !decodes(l.Elem) || !l.Narrow() || !fits(l) || w.Groups != w.InC || w.InC == 1 || !l.Supposed && !emit.TakesLanes(l.Node) {
		return nil, false
	}
	s = shapeOf(l)
	s.groups, s.in, s.rows, s.multiplier = 1, w.OutC, w.OutC, w.OutC/w.InC
	s.buffered, s.flat = s.padded || s.multiplier > 1, false
	s.run, s.runs = w.OutW()/s.poolW*s.poolW, s.outRows*s.poolH
	return s, true
}

func depthwise(l kernel.Layer) (best DepthwisePlan, ok bool) {
	for _, tile := range depthwiseTiles(l.Target) {
		for _, band := range bands {
			if p, fits := depthwiseLayout(l, tile[0], tile[1], band); fits && l.Fits(p.scratch) && (!ok || p.cycles < best.cycles) {
				best, ok = p, true
			}
		}
	}
	return best, ok
}

func readDepthwise(l kernel.Layer, tile []int) (p DepthwisePlan, ok bool) {
	if !slices.Contains(depthwiseTiles(l.Target), [2]int(tile[:2])) {
		return p, false
	}
	return depthwiseLayout(l, tile[0], tile[1], tile[2])
}

func depthwiseLayout(l kernel.Layer, pixels, channels, band int) (p DepthwisePlan, ok bool) {
	s, ok := depthwiseShape(l)
	if !ok || pixels > s.run || channels > s.in || pixels%s.poolW > 0 {
		return p, false
	}
	p = DepthwisePlan{Pixels: pixels, Channels: channels, Band: band}
	if p.scratch, ok = s.bandScratch(band); !ok {
		return p, false
	}
	p.scratch += decodedBytes(l)
	p.cycles = s.depthwiseCycles(p, l) + decodeCycles(l.Elem, l.Weight().Size())
	return p, true
}

// Instructions of depthwise kernels beside products and loads.
const (
	takenTogether = 2.5 // taps whose products of 8 bits are summed in 16
	perTile       = 6.
	perQuarter    = 2.8 // constants of four channels of a tile
	// Of long vectors.
	perLongTile   = 25. // constants, too
	perLongLoad   = 2.  // its address, too
	perLongRun    = 3.
	perLongOutput = 14.
)

// depthwiseCycles estimates the instructions of a layer.
func (s *shape) depthwiseCycles(p DepthwisePlan, l kernel.Layer) float64 {
	w, taps := s.w, float64(s.w.KH*s.w.KW)
	together := max(takenTogether, math.Floor(math.MaxInt16/128/float64(l.Elem.MaxWeight())))
	tile := func(pixels int) float64 {
		px, halves := float64(pixels), float64(p.Channels)/8
		inputs := float64(min((pixels-1)*w.StrideW+(w.KW-1)*w.DilW+1, pixels*w.KW)) * float64(w.KH)
		if l.Target.ISA() == "arm" {
			inputs *= 2
		}
		weights := taps
		if s.hoists(p) {
			weights = 0
		}
		if l.Target.Has("rvv") {
			return perLongTile + perLongLoad*(inputs+weights) + px*(taps+math.Ceil(taps/together)*perLongRun+perLongOutput)
		}
		sum := perTile + inputs + weights + px*halves*(taps+math.Ceil(taps/together)*2)
		return sum + 2*halves*(perQuarter+px*perSums)
	}
	blocks := math.Ceil(float64(s.in) / float64(p.Channels))
	row := float64(s.run/p.Pixels)*tile(p.Pixels) + float64(s.run%p.Pixels/s.poolW)*tile(s.poolW)
	sum := float64(s.runs) * (blocks*(row+perCall) + perRow)
	return sum + s.copyCycles(p.Band)
}

// hoisted is the taps whose weights stay in registers for a row of pixels.
const hoisted = 9

func (s *shape) hoists(p DepthwisePlan) bool { return s.w.KH*s.w.KW <= hoisted }

// Pack lays the codes out tap by tap.
func (p DepthwisePlan) Pack(l kernel.Layer) ([][]byte, error) {
	codes, err := l.Node.Const(ir.AttrWeight).Load()
	if err != nil {
		return nil, err
	}
	return pack(l.Elem, byTaps(l, codes)), nil
}

// byTaps is the codes, or the weights, of all channels tap by tap.
func byTaps[T any](l kernel.Layer, codes []T) []T {
	taps, data := l.K(), make([]T, len(codes))
	for i, q := range codes {
		data[i%taps*(len(codes)/taps)+i/taps] = q
	}
	return data
}

// Emit writes the layer.
func (p DepthwisePlan) Emit(g *emit.Generator) error {
	of := kernel.Of(g.Node, g.Target)
	s, _ := depthwiseShape(of)
	l := &layer{shape: s, g: g, plan: Plan{Pixels: p.Pixels, Channels: p.Channels, Band: p.Band}}
	packed, err := p.Pack(of)
	if err != nil {
		return err
	}
	d := &depthwiseLayer{layer: l, hoists: s.hoists(p)}
	weights, err := geometry.IntWeights(g.Node)
	if err != nil {
		return err
	}
	d.divide(byTaps(of, weights))
	l.begin = d.begin
	return l.write(packed)
}

// depthwiseLayer writes a depthwise convolution.
type depthwiseLayer struct {
	*layer
	hoists bool
	last   []bool // of the taps of a window, or of each of its rows: the sum of 16 bits ends here
}

// divide divides the taps of a window into runs whose products fit a sum of 16 bits; those of each row
// alike where the rows are a loop.
func (d *depthwiseLayer) divide(weights []int32) {
	w, channels := d.w, d.in
	period := w.KH * w.KW
	if !d.hoists {
		period = w.KW
	}
	d.last = make([]bool, period)
	weight := func(tap, c int) int {
		v := int(weights[tap*channels+c])
		return max(v, -v)
	}
	sums := make([]int, w.KH*channels) // of the run so far, for each row of the window that is a round
	for tap := range period {
		var next []int
		fits := true
		for round := range w.KH * w.KW / period {
			for c := range channels {
				v := weight(round*period+tap, c)
				next = append(next, v)
				fits = fits && (sums[round*channels+c]+v)*128 <= math.MaxInt16
			}
		}
		if !fits && tap > 0 {
			d.last[tap-1] = true
			clear(sums)
		}
		for i, v := range next {
			sums[i] += v
		}
	}
	d.last[period-1] = true
}

// begin writes the function that computes a row of pixels.
func (d *depthwiseLayer) begin(apart, row int) rowWriter {
	g := d.g
	x := &loop.Param{Name: "x", Constant: true, Shared: g.Args[0].Shared}
	f := d.local("row", []string{"first", "at"}, x, func(v []loop.Expr, codes loop.Region) {
		block := func(c loop.Expr, n int) {
			t := &channelWriter{depthwiseLayer: d, lanes: n, apart: apart, row: row}
			t.px = g.B.Cursor("px", x, loop.Sum(v[0], c))
			t.w = g.B.Cursor("w", codes, c)
			t.y = g.B.Cursor("y", g.Out, loop.Sum(v[1], c))
			t.cs = d.rq.Cursors(d.constants, c)
			t.pixels()
		}
		n := d.plan.Channels
		g.B.For("block", loop.Int(0), loop.Int(d.in/n), 1, func(i loop.Expr) { block(g.B.Let("c", loop.Scaled(i, n)), n) })
		if rest := d.in % n; rest > 8 {
			block(loop.Int(d.in-n), n)
		} else if rest > 0 {
			block(loop.Int(d.in-8), 8)
		}
	})
	return func(from loop.Region, at, _, out loop.Expr) {
		d.call(f, []loop.Expr{at, out}, from)
	}
}

// channelWriter writes the code of some channels of a row of pixels.
type channelWriter struct {
	*depthwiseLayer
	lanes      int
	apart, row int // bytes between the inputs of pixels, and between rows of inputs
	px, w, y   *loop.Cursor
	cs         *emit.ChannelCursors
	weights    []loop.Expr // of all taps, where they stay in registers
}

// pixels computes all pixels.
func (t *channelWriter) pixels() {
	b := t.g.B
	if t.hoists {
		for tap := range t.shape.w.KH * t.shape.w.KW {
			t.weights = append(t.weights, t.weight(t.w, tap))
		}
	}
	n := t.plan.Pixels
	b.For("tile", loop.Int(0), loop.Int(t.run/n), 1, func(loop.Expr) { t.tile(n) })
	b.For("pixel", loop.Int(0), loop.Int(t.run%n/t.poolW), 1, func(loop.Expr) { t.tile(t.poolW) })
}

// weight reads the codes of a tap after a cursor.
func (t *channelWriter) weight(w *loop.Cursor, tap int) loop.Expr {
	return t.g.B.Let("w", loop.At(w, loop.Int(tap*t.in), loop.I8.Vec(t.lanes)))
}

// half is the lanes of a vector of products of 16 bits, and quarter those of one of sums of 32.
func (t *channelWriter) half() int {
	if t.g.Long() {
		return t.lanes
	}
	return 2 * lanesOf
}

func (t *channelWriter) quarter() int {
	if t.g.Long() {
		return t.lanes
	}
	return lanesOf
}

// sums are those of a pixel: of 32 bits, and of the taps of a run in 16.
type sums struct{ wide, run []*loop.Var }

// tile computes some pixels side by side.
func (t *channelWriter) tile(pixels int) {
	b, w := t.g.B, t.shape.w
	b.Fence() // so that constants are not kept in registers
	acc := make([]*sums, pixels)
	for p := range acc {
		acc[p] = &sums{}
	}
	for v := range t.lanes / t.quarter() {
		bias := t.cs.Bias(t.quarter()*v, t.quarter())
		for _, a := range acc {
			a.wide = append(a.wide, b.Var("acc", bias))
		}
	}
	if t.hoists {
		for ky := range w.KH {
			t.windowRow(t.px, ky*w.DilH*t.row, acc, func(kx int) (loop.Expr, bool) {
				tap := ky*w.KW + kx
				return t.weights[tap], t.last[tap]
			})
		}
	} else {
		from, ws := b.Cursor("row", t.px, loop.Int(0)), b.Cursor("ws", t.w, loop.Int(0))
		b.For("ky", loop.Int(0), loop.Int(w.KH), 1, func(loop.Expr) {
			t.windowRow(from, 0, acc, func(kx int) (loop.Expr, bool) { return t.weight(ws, kx), t.last[kx] })
			b.Advance(from, w.DilH*t.row)
			b.Advance(ws, w.KW*t.in)
		})
	}
	t.finish(acc)
	b.Advance(t.px, pixels*t.apart)
	b.Advance(t.y, pixels/t.poolW*t.shape.w.OutC)
}

// windowRow adds the products of a row of the windows, whose inputs begin at a byte from a cursor on. Each
// input is read once, for all pixels that see it.
func (t *channelWriter) windowRow(from *loop.Cursor, at int, acc []*sums, tap func(kx int) (weight loop.Expr, last bool)) {
	b, w := t.g.B, t.shape.w
	weights, last := make([]loop.Expr, w.KW), make([]bool, w.KW)
	for kx := range w.KW {
		weights[kx], last[kx] = tap(kx)
	}
	for column := range (len(acc)-1)*w.StrideW + (w.KW-1)*w.DilW + 1 {
		var x loop.Expr
		for p, a := range acc {
			kx, rest := (column-p*w.StrideW)/w.DilW, (column-p*w.StrideW)%w.DilW
			if column < p*w.StrideW || rest > 0 || kx >= w.KW {
				continue
			}
			if x == nil {
				x = b.Let("x", loop.At(from, loop.Int(at+column*t.in), loop.I8.Vec(t.lanes)))
			}
			t.add(a, x, weights[kx], last[kx])
		}
	}
}

// add adds the products of a tap. Where a run of taps ends it adds their sums to the wide ones.
func (t *channelWriter) add(a *sums, x, weight loop.Expr, last bool) {
	b := t.g.B
	xs, ws := emit.Split(x, t.half()), emit.Split(weight, t.half())
	begins := a.run == nil
	for i := range xs {
		product := loop.Expr(&loop.Named{Name: "mull", Args: []loop.Expr{ws[i], xs[i]}, T: loop.I16.Vec(t.half())})
		if t.g.Long() {
			product = loop.Op(loop.Mul, loop.To(loop.SExt, ws[i], 16), loop.To(loop.SExt, xs[i], 16))
		}
		if begins {
			a.run = append(a.run, b.Var("run", product))
		} else {
			b.Set(a.run[i], loop.Sum(a.run[i].Get(), product))
		}
	}
	if !last {
		return
	}
	for i, r := range a.run {
		for j, part := range emit.Split(r.Get(), t.quarter()) {
			v := a.wide[t.half()/t.quarter()*i+j]
			b.Set(v, loop.Sum(v.Get(), loop.To(loop.SExt, part, 32)))
		}
	}
	a.run = nil
}

// finish requantizes the sums of the pixels, and writes them.
func (t *channelWriter) finish(acc []*sums) {
	b := t.g.B
	var constants []emit.Channel
	if t.g.Long() {
		constants = append(constants, t.cs.Load(0, t.lanes))
	} else {
		constants = t.cs.Fours(t.lanes)
	}
	for p := 0; p < len(acc); p += t.poolW {
		fours := make([]loop.Expr, len(constants))
		for v := range fours {
			best := acc[p].wide[v].Get()
			for _, other := range acc[p+1 : p+t.poolW] {
				best = loop.Op(loop.SMax, best, other.wide[v].Get())
			}
			fours[v] = b.Let("y", constants[v].Rescaled(b.Let("sum", best)))
		}
		t.store(t.y, t.result(fours), p/t.poolW*t.shape.w.OutC, t.lanes)
	}
}
