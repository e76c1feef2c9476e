package kernel

import (
	"slices"

	"github.com/dnnc/dnnc/codegen/loop"
	"github.com/dnnc/dnnc/ir/geometry"
)

// requant is the constants of a requantization.
type requant struct {
	g          *generator
	mul, shift *loop.Global
	muls       []int64
	shifts     []int64
	channels   int
	perChannel bool
	split      bool // all shifts are in 33..62: 32-bit steps (R6)
	// The constants serve vectors: shifts are kept as the vectors' own are, right by
	// what is negative.
	vectors bool
}

func newRequant(g *generator, role string, wide bool) (requant, error) {
	q, err := readRequant(g, wide)
	if err == nil {
		q.mul, q.shift = g.ints(role+"mul", 32, q.muls), g.ints(role+"shift", 8, q.shifts)
	}
	return q, err
}

// readRequant reads the constants of a node.
func readRequant(g *generator, wide bool) (requant, error) {
	mul, err := g.n.Const("mul").Int32()
	if err != nil {
		return requant{}, err
	}
	shift, err := g.n.Const("shift").Int32()
	if err != nil {
		return requant{}, err
	}
	q := requant{g: g, perChannel: len(mul) > 1, split: !wide && !g.roundsTFLite()}
	ms, rs := make([]int64, len(mul)), make([]int64, len(mul))
	for i := range mul {
		m, r := mul[i], shift[i]
		if wide {
			m, r = geometry.Narrow(m, r)
		}
		ms[i], rs[i] = int64(m), int64(r)
		q.split = q.split && (r >= 33 || m == 0)
	}
	if q.split {
		for i := range rs {
			rs[i] = max(rs[i], 33) - 33 // of a zero multiplier: any shift gives 0
		}
	}
	q.muls, q.shifts = ms, rs
	return q, nil
}

// newChannels lays the constants of all output channels into one global: biases,
// then multipliers, then shifts; together, four channels are requantized as a vector
// where the target can.
func newChannels(g *generator, bias []int64, together bool) (requant, *loop.Global, error) {
	q, err := readRequant(g, false)
	if err != nil {
		return q, nil, err
	}
	q.channels = len(bias)
	q.vectors = together && q.split && (g.target.Has("neon") || g.target.Has("mve"))
	if !q.perChannel {
		q.muls, q.shifts = slices.Repeat(q.muls, q.channels), slices.Repeat(q.shifts, q.channels)
	}
	if q.vectors {
		for i, r := range q.shifts {
			q.shifts[i] = -2 - r
		}
	}
	return q, g.global("channels", 4, slices.Concat(bytesOf(32, bias), bytesOf(32, q.muls), bytesOf(8, q.shifts))), nil
}

// channelCursors stand at an output channel's constants.
type channelCursors struct {
	requant
	words, bytes *loop.Cursor
}

func (q requant) cursors(constants *loop.Global, c loop.Expr) *channelCursors {
	b := q.g.b
	return &channelCursors{q, b.Cursor("channel", constants, loop.Scaled(c, 4)), b.Cursor("shift", constants, loop.Sum(c, loop.Int(8*q.channels)))}
}

func (s *channelCursors) advance(channels int) {
	s.g.b.Advance(s.words, 4*channels)
	s.g.b.Advance(s.bytes, channels)
}

// load reads the constants of the j-th channel from there, or of n from it on.
func (s *channelCursors) load(j, n int) channel {
	b := s.g.b
	word := func(name string, at int) loop.Expr {
		return read(b.Var(name, &loop.Load{From: s.words, Offset: loop.Int(at), T: loop.I32.Vec(n), Align: 4}))
	}
	bias, mul := word("bias", 4*j), word("mul", 4*(s.channels+j))
	shift := load(s.bytes, loop.Int(j), loop.I8.Vec(n))
	switch {
	case !s.vectors:
		shift = loop.To(loop.ZExt, shift, 32)
	case n > 1:
		shift = loop.To(loop.SExt, shift, 32)
	default: // a channel left over
		shift = loop.Op(loop.Sub, loop.Int(-2), loop.To(loop.SExt, shift, 32))
	}
	return channel{s.requant, bias, mul, read(b.Var("shift", shift))}
}

// channel is a requantization with the constants of one channel.
type channel struct {
	requant
	bias, m, r loop.Expr
}

// load reads the constants of a channel.
func (q requant) load(c loop.Expr) channel {
	if !q.perChannel {
		c = loop.Int(0)
	}
	b := q.g.b
	m := &loop.Load{From: q.mul, Offset: loop.Scaled(c, 4), T: loop.I32, Align: 4}
	return channel{q, nil, read(b.Var("mul", m)), read(b.Var("shift", loop.To(loop.ZExt, load(q.shift, c, loop.I8), 32)))}
}

// store writes RQ(acc) as an i8 of the node's result (R9).
func (q channel) store(acc, at loop.Expr) { q.storeAt(acc, q.g.out, at) }

func (q channel) storeAt(acc loop.Expr, to loop.Region, at loop.Expr) {
	y := q.result(acc)
	if h, w := q.g.n.Pool(); h*w > 1 {
		at = read(q.g.b.Var("at", at))
		y = loop.Op(loop.SMax, y, loop.To(loop.SExt, load(to, at, loop.I8.Vec(acc.Type().Lanes)), 32))
	}
	q.g.b.Store(to, at, loop.To(loop.Trunc, y, 8))
}

// spread is q, of one channel of vectors' constants, in every lane of n sums.
func (q channel) spread(n int) channel {
	b := q.g.b
	splat := func(name string, x loop.Expr) loop.Expr { return read(b.Var(name, &loop.Splat{A: x, Lanes: n})) }
	q.bias, q.m, q.r = splat("bias", q.bias), splat("mul", q.m), splat("shift", loop.Op(loop.Sub, loop.Int(-2), q.r))
	return q
}

// result is RQ(acc) of R9, not narrowed yet.
func (q channel) result(acc loop.Expr) loop.Expr {
	n := q.g.n
	zero := int64(n.Out.Type.Quant.Zero)
	t := acc.Type()
	product := loop.Op(loop.Mul, loop.To(loop.SExt, acc, 64), loop.To(loop.SExt, q.m, 64))
	var y loop.Expr
	switch {
	case t.Lanes > 1:
		// floor(a*m / 2^31), and a floor of a floor, as below.
		y = loop.Sum(loop.Instr("rshr", loop.Instr("qdmulh", acc, q.m), q.r), loop.Num(t, zero))
	case q.g.roundsTFLite():
		y = q.g.tflite(loop.To(loop.Trunc, acc, 32), loop.To(loop.SExt, q.m, 64), q.r)
		y = loop.Sum(y, loop.Num(loop.I32, zero))
	case q.split:
		// (hi + 2^(s-33)) >> (s-32) is ((hi >> (s-33)) + 1) >> 1; the zero point
		// goes in before the last shift.
		hi := loop.To(loop.Trunc, loop.Op(loop.AShr, product, loop.Num(loop.I64, 32)), 32)
		y = loop.Op(loop.AShr, loop.Sum(loop.Op(loop.AShr, hi, q.r), loop.Num(loop.I32, 1+2*zero)), loop.Int(1))
	default:
		wide := loop.To(loop.ZExt, q.r, 64)
		half := loop.Op(loop.Shl, loop.Num(loop.I64, 1), loop.Op(loop.Sub, wide, loop.Num(loop.I64, 1)))
		r := loop.Op(loop.AShr, loop.Sum(product, half), wide)
		// Saturated while still wide: the result of R9 is within i8 anyway.
		y = loop.Sum(loop.To(loop.Trunc, loop.Clamp(r, -1<<30, 1<<30), 32), loop.Num(loop.I32, zero))
	}
	return loop.Clamp(y, int64(n.Int("lo")), int64(n.Int("hi")))
}

// store requantizes with a channel's constants.
func (q requant) store(acc, c, at loop.Expr) { q.load(c).store(acc, at) }
