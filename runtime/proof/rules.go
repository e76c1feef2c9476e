package proof

import (
	"math"
	"sort"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/gemm"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// whole evaluates an operation by the interpreter.
type whole struct {
	apply func(dst []int8, src [][]int8)
	src   [][]int8
	y     []int8
	macs  int
}

func newWhole(net *Net, n *ir.Node, i int) (func(w *Walker) rule, error) {
	return func(w *Walker) rule { return wholeOf(w, i, macs(n)) }, nil
}

func wholeOf(w *Walker, i, macs int) *whole {
	p := w.net.prog
	return &whole{macs: macs, apply: func(dst []int8, src [][]int8) { p.Apply(w.scratch, i, dst, src) }}
}

func (r *whole) start(args []*tensor, out *tensor) {
	for _, a := range args {
		r.src = append(r.src, a.x)
	}
	r.y = make([]int8, len(out.x))
	r.apply(out.x, r.src)
}

func (r *whole) update(_ []*tensor, out *tensor) int {
	r.apply(r.y, r.src)
	for i, v := range r.y {
		out.set(int32(i), v)
	}
	return r.macs
}

// marks are the elements of a result that are to be computed anew, each once.
type marks struct {
	is   []bool
	list []int32
}

func newMarks(n int) marks { return marks{is: make([]bool, n)} }

func (m *marks) add(i int32) {
	if !m.is[i] {
		m.is[i] = true
		m.list = append(m.list, i)
	}
}

func (m *marks) clear() {
	for _, i := range m.list {
		m.is[i] = false
	}
	m.list = m.list[:0]
}

// pointwise evaluates the elements of an operation at which an argument changed, by the
// interpreter.
type pointwise struct {
	whole
	dirty marks
	at    [][]int8 // of each argument
}

func newPointwise(net *Net, n *ir.Node, i int) (func(w *Walker) rule, error) {
	return func(w *Walker) rule {
		return &pointwise{whole: *wholeOf(w, i, 0), dirty: newMarks(n.Out.Type.Shape.Size()), at: make([][]int8, len(n.Args))}
	}, nil
}

func (r *pointwise) update(args []*tensor, out *tensor) int {
	for _, a := range args {
		for _, i := range a.changed {
			r.dirty.add(i)
		}
	}
	for k, a := range args {
		r.at[k] = r.at[k][:0]
		for _, i := range r.dirty.list {
			r.at[k] = append(r.at[k], a.x[i])
		}
	}
	y := r.y[:len(r.dirty.list)]
	r.apply(y, r.at)
	for k, i := range r.dirty.list {
		out.set(i, y[k])
	}
	r.dirty.clear()
	return 0
}

// moved writes elements to where they go: those of an argument's element i are
// to[from[i]:from[i+1]].
type moved struct {
	whole
	from, to [][]int32 // by argument
}

func newMoved(net *Net, n *ir.Node, i int) (func(w *Walker) rule, error) {
	var from, to [][]int32
	if n.Op == ir.Pad && n.Word(ir.AttrMode) == ir.PadConstant {
		list := n.Padded().Index()
		first := make([]int32, len(list)+1)
		for k := range first {
			first[k] = int32(k)
		}
		from, to = [][]int32{first}, [][]int32{list}
	} else {
		// Where each element of the result comes from, among those of all arguments.
		var source []int32
		switch {
		case n.Op == ir.Copy:
			source = n.Moved().Index()
		case n.Op == ir.Pad:
			source = n.Repeated()
		default: // a reshape, or a concatenation
			source = make([]int32, n.Out.Type.Shape.Size())
			for k := range source {
				source[k] = int32(k)
			}
		}
		base := int32(0)
		for _, a := range n.Args {
			size := int32(a.Type.Shape.Size())
			first, list := inverse(source, base, size)
			from, to = append(from, first), append(to, list)
			base += size
		}
	}
	return func(w *Walker) rule { return &moved{*wholeOf(w, i, 0), from, to} }, nil
}

// inverse lists for each of size elements from base on the places in source that name it.
func inverse(source []int32, base, size int32) (from, to []int32) {
	from = make([]int32, size+1)
	for _, s := range source {
		if s >= base && s < base+size {
			from[s-base+1]++
		}
	}
	for i := range size {
		from[i+1] += from[i]
	}
	next := append([]int32(nil), from...)
	to = make([]int32, from[size])
	for place, s := range source {
		if s >= base && s < base+size {
			to[next[s-base]] = int32(place)
			next[s-base]++
		}
	}
	return from, to
}

func (r *moved) update(args []*tensor, out *tensor) int {
	for k, a := range args {
		from, to := r.from[k], r.to[k]
		for _, i := range a.changed {
			for _, o := range to[from[i]:from[i+1]] {
				out.set(o, a.x[i])
			}
		}
	}
	return 0
}

// tap is an output along one axis that sees an input, and the place of the window at which.
type tap struct{ out, at int32 }

// taps lists for each place of an axis the outputs that see it.
func taps(in, out, kernel, stride, pad, dilation int) [][]tap {
	list := make([][]tap, in)
	for o := range out {
		for k := range kernel {
			if i := o*stride - pad + k*dilation; i >= 0 && i < in {
				list[i] = append(list[i], tap{int32(o), int32(k)})
			}
		}
	}
	return list
}

func rowsAndColumns(g geometry.Window) (rows, columns [][]tap) {
	return taps(g.InH, g.OutH(), g.KH, g.StrideH, g.PadT, g.DilH), taps(g.InW, g.OutW(), g.KW, g.StrideW, g.PadL, g.DilW)
}

// maxPool computes the windows anew in which an element changed (R12).
type maxPool struct {
	g             geometry.Window
	lo, hi        int8
	rows, columns [][]tap
	dirty         marks
}

func newMaxPool(_ *Net, n *ir.Node, _ int) (func(w *Walker) rule, error) {
	return maxPools(geometry.WindowOf(n), int8(n.Int(ir.AttrLo)), int8(n.Int(ir.AttrHi))), nil
}

func maxPools(g geometry.Window, lo, hi int8) func(w *Walker) rule {
	rows, columns := rowsAndColumns(g)
	return func(*Walker) rule {
		return &maxPool{g: g, lo: lo, hi: hi, rows: rows, columns: columns, dirty: newMarks(g.OutC * g.OutH() * g.OutW())}
	}
}

func (r *maxPool) start(args []*tensor, out *tensor) {
	kernels.MaxPoolInt(r.g, args[0].x, int32(r.lo), int32(r.hi), out.x)
}

func (r *maxPool) update(args []*tensor, out *tensor) int {
	x, w := args[0], int32(r.g.InW)
	plane, high, wide := int32(r.g.InH)*w, int32(r.g.OutH()), int32(r.g.OutW())
	for k, i := range x.changed {
		c, at := i/plane, i%plane
		for _, row := range r.rows[at/w] {
			from := (c*high + row.out) * wide
			for _, column := range r.columns[at%w] {
				// An element that was below the greatest, and is no greater, changes nothing.
				if o := from + column.out; x.was[k] >= out.x[o] || x.x[i] > out.x[o] {
					r.dirty.add(o)
				}
			}
		}
	}
	for _, o := range r.dirty.list {
		ox, oy, c := int(o%wide), int(o/wide%high), int(o/wide/high)
		best := int8(math.MinInt8)
		for ky := range r.g.KH {
			for kx := range r.g.KW {
				if iy, ix, ok := r.g.At(oy, ox, ky, kx); ok {
					best = max(best, x.x[(c*r.g.InH+iy)*r.g.InW+ix])
				}
			}
		}
		out.set(o, min(max(best, r.lo), r.hi))
	}
	r.dirty.clear()
	return 0
}

// layer is what the walkers of a convolution or linear layer share.
type layer struct {
	g             geometry.Window
	rows, columns [][]tap
	per           int   // output channels of a group
	zero          int32 // of the argument
	// weight is by input channel, row of the window, column of the window from its last one on, and output channel of the
	// group: the outputs of a row that see an input follow each other, and so do their weights.
	weight   []int16
	isJoined bool    // whether they do: of stride and dilation 1, and one group
	base     []int64 // sums of an input of zero points, by output pixel and channel
	bounds   []int64 // by channel: see boundsOf
}

// levelsOf is the integers of an output.
const levelsOf = 256

// sums are a product's accumulators, by output pixel and channel: of 32 or of 64 bits (R5).
type sums[A int32 | int64] struct {
	*layer
	acc []A
	// An output changes where its sum leaves the range from least to most, in which it has the same integer.
	least, most []A
	row         func(acc []A, weight []int16, d int32) // adds d times the weights to as many sums
	dirty       marks                                  // groups of channels of an output pixel
}

func newProduct(_ *Net, n *ir.Node, _ int) (func(w *Walker) rule, error) {
	s := n.Const(ir.AttrWeight).Type.Shape
	g := geometry.Window{InC: s[len(s)-1], InH: 1, InW: 1, OutC: s[0], KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
	if n.Op == ir.Conv2D {
		g = geometry.WindowOf(n)
	}
	w, err := geometry.IntWeights(n)
	if err != nil {
		return nil, err
	}
	bias, err := n.Const(ir.AttrBias).Ints()
	if err != nil {
		return nil, err
	}
	q, err := geometry.RequantOf(n)
	if err != nil {
		return nil, err
	}
	l := &layer{g: g, per: g.OutC / g.Groups, zero: int32(n.Args[0].Type.Quant.Zero), weight: make([]int16, len(w))}
	l.isJoined = g.Groups == 1 && g.StrideW == 1 && g.DilW == 1
	l.rows, l.columns = rowsAndColumns(g)
	for _, list := range l.columns {
		for i := range list {
			list[i].at = int32(g.KW) - 1 - list[i].at
		}
	}
	isWide := n.Const(ir.AttrBias).Type.Elem.Kind == ir.I64
	k, window := g.K(), g.KH*g.KW
	for o := range g.OutC {
		group, row := o/l.per, w[o*k:(o+1)*k]
		for i, v := range row {
			c, ky, kx := group*(g.InC/g.Groups)+i/window, i%window/g.KW, i%g.KW
			l.weight[l.place(c, ky, g.KW-1-kx)+o%l.per] = int16(v)
		}
		reach := geometry.Reach(bias[o], row, -128-l.zero, 127-l.zero)
		apply := q.Apply
		if isWide {
			apply = q.ApplyWide
		}
		l.bounds = append(l.bounds, boundsOf(reach, func(acc int64) int8 { return apply(acc, o) })...)
	}
	l.setBase(bias, n)
	if isWide {
		return func(*Walker) rule { return newSums(l, addWide) }, nil
	}
	return func(*Walker) rule { return newSums(l, gemm.AddScaled) }, nil
}

// place is where the weights of an input channel and a place of the window begin, its columns counted from the last.
func (l *layer) place(channel, row, column int) int {
	return ((channel*l.g.KH+row)*l.g.KW + column) * l.per
}

// setBase computes the sums of an input of zero points: the bias, and what is padded.
func (l *layer) setBase(bias []int64, n *ir.Node) {
	var pad []float64
	if n.Op == ir.Conv2D {
		pad = n.Nums(ir.AttrPadValue)
	}
	g, in := l.g, l.g.InC/l.g.Groups
	for oy := range g.OutH() {
		for ox := range g.OutW() {
			from := len(l.base)
			l.base = append(l.base, bias...)
			for ky := range g.KH {
				for kx := range g.KW {
					if _, _, ok := g.At(oy, ox, ky, kx); ok || len(pad) == 0 {
						continue
					}
					for c := range g.InC {
						d := int64(int32(pad[c]) - l.zero)
						row := l.weight[l.place(c, ky, g.KW-1-kx):][:l.per]
						for o, v := range row {
							l.base[from+c/in*l.per+o] += int64(v) * d
						}
					}
				}
			}
		}
	}
}

// boundsOf is, for each integer of an output from -128 on, the least sum within its reach that
// gives at least this: a requantization never turns two sums around (R6 to R9). Of integers
// that none gives it is beyond all sums.
func boundsOf(reach int64, apply func(acc int64) int8) []int64 {
	b := make([]int64, levelsOf+1)
	b[levelsOf] = math.MaxInt64
	for v := range levelsOf {
		b[v] = math.MinInt64
		if v == 0 || apply(-reach) >= int8(v-128) {
			continue
		}
		n := sort.Search(int(2*reach)+1, func(i int) bool { return apply(int64(i)-reach) >= int8(v-128) })
		if b[v] = int64(n) - reach; b[v] > reach {
			b[v] = math.MaxInt64
		}
	}
	return b
}

func newSums[A int32 | int64](l *layer, row func(acc []A, weight []int16, d int32)) *sums[A] {
	n := len(l.base)
	s := &sums[A]{layer: l, row: row, acc: make([]A, n), least: make([]A, n), most: make([]A, n)}
	s.dirty = newMarks(len(l.base) / l.per)
	return s
}

func (s *sums[A]) start(args []*tensor, out *tensor) {
	for i, v := range s.base {
		s.acc[i] = A(v)
	}
	for i, v := range args[0].x {
		s.add(int32(i), int32(v)-s.zero)
	}
	pixels := s.g.OutH() * s.g.OutW()
	for i := range s.acc {
		out.x[i%s.g.OutC*pixels+i/s.g.OutC] = s.round(i, i%s.g.OutC, 0)
	}
	s.dirty.clear()
}

// round is the output of sum i, of a channel, and sets the range in which it keeps it. near is an integer that it
// is often next to.
func (s *sums[A]) round(i, channel int, near int8) int8 {
	bounds := s.bounds[channel*(levelsOf+1):][:levelsOf+1]
	sum := int64(s.acc[i])
	v := max(int(near)+128-1, 0)
	if sum >= bounds[v+1] {
		v = min(v+2, levelsOf-1)
	}
	if sum < bounds[v] || sum >= bounds[v+1] {
		v = sort.Search(levelsOf, func(v int) bool { return bounds[v+1] > sum })
	}
	s.least[i], s.most[i] = clipped[A](bounds[v]), clipped[A](bounds[v+1]-1)
	return int8(v - 128)
}

// clipped is a bound on sums as one of them, which none of them is beyond.
func clipped[A int32 | int64](bound int64) A {
	if a := A(bound); int64(a) == bound {
		return a
	}
	if bound < 0 {
		return A(math.MinInt32)
	}
	return A(math.MaxInt32)
}

// add brings the sums to an element that grew by d, and returns the multiply-adds.
func (s *sums[A]) add(i, d int32) (macs int) {
	g := &s.g
	w := int32(g.InW)
	plane := int32(g.InH) * w
	c, at := int(i/plane), i%plane
	group := c / (g.InC / g.Groups)
	wide := int32(g.OutW())
	columns := s.columns[at%w]
	if len(columns) == 0 {
		return 0
	}
	n := s.per
	if s.isJoined {
		n *= len(columns)
	}
	for _, row := range s.rows[at/w] {
		for i, column := range columns {
			pixel := int(row.out*wide + column.out)
			s.dirty.add(int32(pixel*g.Groups + group))
			if i == 0 || !s.isJoined {
				s.row(s.acc[pixel*g.OutC+group*s.per:][:n], s.weight[s.place(c, int(row.at), int(column.at)):][:n], d)
			}
			macs += s.per
		}
	}
	return macs
}

// addWide is gemm.AddScaled of sums of 64 bits.
func addWide(acc []int64, weight []int16, d int32) {
	for o, v := range weight[:len(acc)] {
		acc[o] += int64(v) * int64(d)
	}
}

func (s *sums[A]) update(args []*tensor, out *tensor) (macs int) {
	x := args[0]
	for k, i := range x.changed {
		macs += s.add(i, int32(x.x[i])-int32(x.was[k]))
	}
	s.finish(out)
	return macs
}

// finish requantizes the sums that left the ranges of their outputs.
func (s *sums[A]) finish(out *tensor) {
	pixels := int32(s.g.OutH() * s.g.OutW())
	for _, d := range s.dirty.list {
		pixel, first := d/int32(s.g.Groups), int(d)%s.g.Groups*s.per
		from := int(d) * s.per
		acc := s.acc[from : from+s.per]
		least, most := s.least[from:][:len(acc)], s.most[from:][:len(acc)]
		for o, a := range acc {
			if a < least[o] || a > most[o] {
				at := int32(first+o)*pixels + pixel
				out.set(at, s.round(from+o, first+o, out.x[at]))
			}
		}
	}
	s.dirty.clear()
}
