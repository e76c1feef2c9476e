package gemm

import (
	"maps"
	"math"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/runtime/kernels"
)

// eachLevel runs a test with the instructions of each level that this processor has.
func eachLevel(f func(level)) {
	own := processor
	defer func() { processor = own }()
	for l := plain; l <= own; l++ {
		processor = l
		f(l)
	}
}

// randomWindow is a convolution of any kind: grouped, of one channel a group, strided, dilated,
// with any padding, of planes from one pixel to some lines.
func randomWindow(rng *rand.Rand) geometry.Window {
	groups := 1 + rng.Intn(3)
	in, out := 1+rng.Intn(9), 1+rng.Intn(20)
	if rng.Intn(3) == 0 {
		groups, in, out = 1+rng.Intn(12), 1, 1+rng.Intn(4)
	}
	side := func() int { return []int{1 + rng.Intn(9), 16, 1 + rng.Intn(40)}[rng.Intn(3)] }
	for {
		g := geometry.Window{InC: groups * in, InH: side(), InW: side(), OutC: groups * out, Groups: groups,
			KH: 1 + rng.Intn(4), KW: 1 + rng.Intn(4), StrideH: 1 + rng.Intn(3), StrideW: 1 + rng.Intn(3), DilH: 1 + rng.Intn(2), DilW: 1 + rng.Intn(2),
			PadT: rng.Intn(3), PadL: rng.Intn(3), PadB: rng.Intn(3), PadR: rng.Intn(3)}
		if g.InH+g.PadT+g.PadB >= (g.KH-1)*g.DilH+1 && g.InW+g.PadL+g.PadR >= (g.KW-1)*g.DilW+1 {
			return g
		}
	}
}

// someWindows are those at the ends of what blocks hold, and random ones.
func someWindows(rng *rand.Rand, random int) []geometry.Window {
	point := geometry.Window{InC: 1, InH: 1, InW: 1, OutC: 1, KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1}
	deep := point
	deep.InC, deep.InH, deep.InW, deep.OutC = 5000, 2, 3, 3
	thin := point
	thin.InH, thin.InW = 5, (2*mostThin+3)/5+1
	exact := point
	exact.InC, exact.OutC, exact.Groups, exact.InH, exact.InW = 2, 2, 2, 2, mostThin
	linear := point
	linear.InC, linear.OutC = 300, 37
	parts := geometry.Window{InC: 160, InH: 16, InW: 16, OutC: 9, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 1, PadT: 1, PadL: 1, PadB: 1, PadR: 1}
	all := []geometry.Window{point, deep, thin, exact, linear, parts} // parts is multiplied in parts of its depth, hot lines and others
	for range random {
		all = append(all, randomWindow(rng))
	}
	return all
}

// TestIntegersEqualKernels holds the fast integer paths, with the processor's
// kernels and without, equal to the reference: weights of a byte, of a byte and a bit, and of more.
func TestIntegersEqualKernels(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for _, g := range someWindows(rng, 120) {
		images, zero := 1+rng.Intn(5), int32(rng.Intn(256)-128)
		x := make([]int8, images*g.InC*g.InH*g.InW)
		for i := range x {
			x[i] = int8(rng.Intn(256) - 128)
		}
		w, w16, bias := make([]int32, g.OutC*g.K()), make([]int16, g.OutC*g.K()), make([]int64, g.OutC)
		least, most := -128, 127
		switch rng.Intn(3) {
		case 0:
			least, most = -256, 254
		case 1:
			least, most = -400, 400
		}
		for i := range w {
			w16[i] = int16(least + rng.Intn(most-least+1))
			switch rng.Intn(20) {
			case 0:
				w16[i] = int16(least)
			case 1:
				w16[i] = int16(most)
			}
			w[i] = int32(w16[i])
		}
		for i := range bias {
			bias[i] = int64(rng.Intn(20000) - 10000)
		}
		pad := make([]int32, g.InC)
		for i := range pad {
			pad[i] = int32(rng.Intn(256) - 128)
		}
		if rng.Intn(2) == 0 {
			pad = nil
		}
		pixels, groups := g.OutH()*g.OutW(), g.Groups
		q := &geometry.Requant{Mul: []int32{1<<30 + int32(rng.Intn(1<<30))}, Shift: []int32{36 + int32(rng.Intn(6))}, Lo: -100, Hi: 127, Zero: 3}
		if rng.Intn(4) == 0 {
			q.Rounding = geometry.RoundTFLite
		}
		in, out := g.InC*g.InH*g.InW, g.OutC*pixels
		want := make([]int8, images*out)
		wide, rows := make([]int64, pixels*g.OutC/groups), g.OutC/groups
		cols := make([]int16, pixels*g.K())
		for i := range images {
			own := want[i*out : (i+1)*out]
			kernels.Conv2DInt(g, x[i*in:(i+1)*in], zero, pad, w, bias, false, q, own)
			Im2ColInt(g, groups-1, x[i*in:(i+1)*in], zero, pad, cols)
			first := (groups - 1) * rows
			IntWide(rows, pixels, g.K(), w16[first*g.K():], cols, wide)
			for j, a := range wide {
				require.Equal(t, own[first*pixels+j], q.Apply(a+bias[first+j/pixels], first+j/pixels))
			}
		}
		eachLevel(func(l level) {
			c := NewInts(g, w16, int(zero), pad)
			got := make([]int8, len(want))
			c.Run(images, x, &IntScratch{}, func(channel int, sums []int32, y []int8) { q.Line(sums, bias[channel], channel, y) }, got)
			require.Equal(t, want, got, "%v: %+v", l, g)
		})
	}
}

// TestFloatConvolution holds products of lines to the sums of the taps in their order, to the last
// bit, at every level; and those near the direct loops, which begin with the bias.
func TestFloatConvolution(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	for _, g := range someWindows(rng, 120) {
		images := 1 + rng.Intn(6)
		in, pixels, k := g.InC*g.InH*g.InW, g.OutH()*g.OutW(), g.K()
		out := g.OutC * pixels
		x, weight, bias, pad := random(images*in), random(g.OutC*k), random(g.OutC), random(g.InC)
		if rng.Intn(2) == 0 {
			pad = nil
		}
		lo, hi := float32(0), float32(2)
		if rng.Intn(2) == 0 {
			lo, hi = float32(math.Inf(-1)), float32(math.Inf(1))
		}
		want, near, row := make([]uint32, images*out), make([]float32, out), make([]float32, k)
		for i := range images {
			own := x[i*in : (i+1)*in]
			kernels.Conv2DFloat(g, own, weight, bias, pad, near)
			for pixel := range pixels {
				for c := range g.OutC {
					if rows := g.OutC / g.Groups; c%rows == 0 {
						Taps(g, c/rows, pixel, own, pad, row)
					}
					var sum float32
					for j, v := range row {
						sum = kernels.Fused(v, weight[c*k+j], sum)
					}
					y := min(max(sum+bias[c], lo), hi)
					want[i*out+c*pixels+pixel] = math.Float32bits(y)
					require.InDelta(t, min(max(near[c*pixels+pixel], lo), hi), y, 1e-3)
				}
			}
		}
		eachLevel(func(l level) {
			c := NewFloats(g, weight)
			got, scratch := make([]float32, images*out), random(c.Scratch())
			c.Run(images, x, bias, pad, lo, hi, scratch, got)
			for i, v := range got {
				require.Equal(t, want[i], math.Float32bits(v), "%v: %+v, element %d", l, g, i)
			}
		})
	}
}

// TestStepsAreFused holds one step of every sum of products to kernels.Fused, at every level: sums
// that two roundings change, subnormal ones and random ones.
func TestStepsAreFused(t *testing.T) {
	rng := rand.New(rand.NewSource(8))
	const n = lineCols
	for round := range 500 {
		a, line, sums := make([]float32, mostRows), make([]float32, n), make([]float32, n)
		twice, d := 0, float32(1+rng.Intn(100))*0x1p-23 // (1+d)(1-d) is just below 1
		a[0] = 1 + d
		for i := range line {
			scale := math.Ldexp(1, rng.Intn(60)-30)
			if round%3 == 0 {
				scale = 0x1p-150
			}
			line[i] = float32(scale) * (1 - d)
			sums[i] = float32(float64(1<<23+rng.Intn(1<<23)) * 2 * scale)
			if rng.Intn(2) == 0 {
				sums[i] = -sums[i]
			}
			if round%5 == 0 {
				line[i], sums[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
			}
		}
		want := make([]float32, n)
		for i, c := range sums {
			want[i] = kernels.Fused(a[0], line[i], c)
			if want[i] != float32(float64(a[0])*float64(line[i])+float64(c)) {
				twice++
			}
		}
		if round%5 != 0 && round%3 != 0 {
			require.Positive(t, twice, round)
		}
		eachLevel(func(l level) {
			for _, product := range []int{lowRows, highRows} {
				rows, tile := rowsOfTile(product), make([]float32, mostRows*2*n)
				copy(tile, sums)
				floatTiles(rows, 1, a, 0, 1, line, []int{0}, []int32{0}, tile, 2*n)
				require.Equal(t, want, tile[:n], "%v: %d rows", l, rows)
			}
			both, y := append(slices.Clone(sums), line...), make([]float32, n) // begins with 0
			floatLine(2, []float32{1, a[0]}, both, []int32{0, n}, n, y)
			require.Equal(t, want, y, "%v", l)
			y = slices.Clone(sums)
			addRows(line, 0, 0, &[rowsAtOnce]int{}, &[rowsAtOnce]float32{a[0]}, y)
			require.Equal(t, want, y, "%v", l)
			for i := range line {
				four := [4]float32{sums[i], sums[i], sums[i], sums[i]}
				fourSums(&four, line[i:i+1], 1, 4, &[4][]float32{a[:1], a[:1], a[:1], a[:1]})
				require.Equal(t, [4]float32{want[i], want[i], want[i], want[i]}, four, "%v", l)
			}
		})
	}
}

// TestClampEqualsGo: zeros of both signs, infinities and what is no number, at every level.
func TestClampEqualsGo(t *testing.T) {
	inf, minus := float32(math.Inf(1)), float32(math.Copysign(0, -1))
	for _, bounds := range [][2]float32{{0, inf}, {0, 6}, {-inf, inf}, {minus, 1}, {-1, 1}, {-1, 0}, {-2, minus}} {
		for _, bias := range []float32{0, minus, 1, -1, inf} {
			for n := range 40 {
				x := make([]float32, n)
				for i := range x {
					x[i] = []float32{0, minus, 1, -1, 7, inf, -inf, float32(math.NaN())}[(i+n)%8]
				}
				want := make([]float32, n)
				for i, v := range x {
					want[i] = min(max(v+bias, bounds[0]), bounds[1])
				}
				eachLevel(func(l level) {
					got := make([]float32, n)
					clampLine(bias, bounds[0], bounds[1], x, got)
					for i, v := range got {
						if want[i] != want[i] {
							require.True(t, v != v)
							continue
						}
						require.Equal(t, math.Float32bits(want[i]), math.Float32bits(v), "%v: %v to %v, bias %v, of %v", l, bounds[0], bounds[1], bias, x[i])
					}
				})
			}
		}
	}
}

// TestProductsEqualPlain holds products of matrices to sums in the order of k, to the
// last bit, at every size around the tiles' and at every level.
func TestProductsEqualPlain(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	for range 300 {
		m, n, k := 1+rng.Intn(20), 1+rng.Intn(300), 1+rng.Intn(70)
		a, b := make([]float32, m*k), make([]float32, k*n)
		for i := range a {
			a[i] = float32(rng.NormFloat64())
		}
		for i := range b {
			b[i] = float32(rng.NormFloat64())
		}
		from := rng.Intn(k)
		to, first := from+rng.Intn(k-from+1), rng.Intn((n+Tile-1)/Tile)*Tile
		part := make([]float32, m*(to-from))
		for i := range m {
			copy(part[i*(to-from):], a[i*k+from:i*k+to])
		}
		product := func(from, to, first int) []float32 {
			c := make([]float32, m*(n-first))
			for i := range m {
				for j := range n - first {
					for l := from; l < to; l++ {
						c[i*(n-first)+j] = kernels.Fused(a[i*k+l], b[l*n+first+j], c[i*(n-first)+j])
					}
				}
			}
			return c
		}
		whole, some := product(0, k, 0), product(from, to, first)
		eachLevel(func(l level) {
			c := make([]float32, m*n)
			Float32(m, n, k, a, b, c)
			require.Equal(t, whole, c, "%v: %dx%dx%d", l, m, n, k)
			laid := NewColumns(k, n, b, n, 1)
			clear(c)
			laid.Product(m, a, c)
			require.Equal(t, whole, c, "%v: %dx%dx%d", l, m, n, k)
			c = make([]float32, m*(n-first))
			laid.Part(m, part, from, to, first, c)
			require.Equal(t, some, c, "%v: %dx%dx%d from %d to %d, columns from %d on", l, m, n, k, from, to, first)
		})
	}
}

func BenchmarkFloat32(b *testing.B) {
	const m, n, k = 50, 64, 500
	x, y, z := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
	for b.Loop() {
		Float32(m, n, k, x, y, z)
	}
	speed(b, m*n*k)
}

// speed reports multiply-adds a second.
func speed(b *testing.B, products int) {
	b.ReportMetric(float64(b.N)*float64(products)/b.Elapsed().Seconds()/1e9, "GMAC/s")
}

// layers are convolutions of large networks.
var layers = map[string]geometry.Window{
	"3x3_56":       square(64, 56, 64, 3, 1, 1),
	"3x3_14":       square(256, 14, 256, 3, 1, 1),
	"3x3_7":        square(512, 7, 512, 3, 1, 1),
	"1x1_56":       square(64, 56, 256, 1, 1, 1),
	"first7x7":     square(3, 224, 64, 7, 2, 1),
	"linear":       square(1024, 1, 1000, 1, 1, 1),
	"depthwise_28": square(192, 28, 192, 3, 1, 192),
	"depthwise_s2": square(96, 112, 96, 3, 2, 96),
}

func square(in, side, out, window, stride, groups int) geometry.Window {
	pad := window / 2
	return geometry.Window{InC: in, InH: side, InW: side, OutC: out, KH: window, KW: window, StrideH: stride, StrideW: stride,
		DilH: 1, DilW: 1, PadT: pad, PadL: pad, PadB: pad, PadR: pad, Groups: groups}
}

// eachLayer runs a benchmark of each layer on some images.
func eachLayer(b *testing.B, f func(b *testing.B, g geometry.Window, images int)) {
	for _, name := range slices.Sorted(maps.Keys(layers)) {
		g := layers[name]
		b.Run(name, func(b *testing.B) {
			const images = 16
			f(b, g, images)
			speed(b, images*g.OutC*g.OutH()*g.OutW()*g.K())
		})
	}
}

func BenchmarkConv(b *testing.B) {
	eachLayer(b, func(b *testing.B, g geometry.Window, images int) {
		c := NewFloats(g, make([]float32, g.OutC*g.K()))
		x, y := make([]float32, images*g.InC*g.InH*g.InW), make([]float32, images*g.OutC*g.OutH()*g.OutW())
		bias, scratch := make([]float32, g.OutC), make([]float32, c.Scratch())
		for b.Loop() {
			c.Run(images, x, bias, nil, 0, 6, scratch, y)
		}
	})
}

func BenchmarkInts(b *testing.B) {
	eachLayer(b, func(b *testing.B, g geometry.Window, images int) {
		x, y := make([]int8, images*g.InC*g.InH*g.InW), make([]int8, images*g.OutC*g.OutH()*g.OutW())
		c, ws := NewInts(g, make([]int16, g.OutC*g.K()), 0, nil), &IntScratch{}
		q := &geometry.Requant{Mul: []int32{1 << 30}, Shift: []int32{40}, Lo: -128, Hi: 127}
		finish := func(channel int, sums []int32, y []int8) { Requantize(q, sums, 0, channel, y) }
		for b.Loop() {
			c.Run(images, x, ws, finish, y)
		}
	})
}
