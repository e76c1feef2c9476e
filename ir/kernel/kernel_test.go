package kernel_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/emit"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/kernel/micro"
	"github.com/dnnc/dnnc/ir/processor"
)

func TestDivisors(t *testing.T) {
	for n, want := range map[int][]int{1: {1}, 7: {1, 7}, 12: {1, 2, 3, 4, 6, 12}} {
		assert.Equal(t, want, kernel.Divisors(n))
	}
}

func TestCodePlanes(t *testing.T) {
	assert.Equal(t, []int{4, 2}, kernel.CodePlanes(6))
	assert.Equal(t, []int{8}, kernel.CodePlanes(8))
}

// TestLayer counts layers by hand.
func TestLayer(t *testing.T) {
	l := func(text, format string) kernel.Layer {
		n := kerneltest.Module(t, text, format).Ops[0]
		return kernel.Of(n, nil)
	}
	conv := l("12,6,9 6 3x2 groups=3 pool=2,2", "odd3") // 4x8 windows
	assert.Equal(t, []int{3, 4 * 3 * 2, 3 * 2, 4 * 8, 12*6*9 + 6*2*4}, []int{conv.Groups(), conv.K(), conv.Taps(), conv.Pixels(), conv.Activations()})
	assert.Equal(t, 6.*4*8, conv.Outputs())
	assert.Equal(t, ir.Shape{6, 4, 3, 2}, conv.Weight())
	linear := l("3,4,5 7", "i8")
	assert.Equal(t, []int{1, 60, 1, 1, 67}, []int{linear.Groups(), linear.K(), linear.Taps(), linear.Pixels(), linear.Activations()})
	assert.Equal(t, 7., linear.Outputs())

	for text, want := range map[string]bool{"8,5,5 8 3x3": true, "8,5,5 8 3x3 stride=1,2": false, "8,5,5 8 3x3 stride=2,1": false, "8,5,5 8 3x3 groups=2": false, "8 8": false} {
		assert.Equal(t, want, l(text, "i8").Neighbours(), text)
	}
	for format, want := range map[string][2]bool{"i8": {true, false}, "odd3": {true, false}, "vec4x8": {false, true}, "code4": {false, true}} {
		x := l("8,5,5 8 3x3", format)
		assert.Equal(t, want, [2]bool{x.Scalar(), x.Book()}, format)
	}
	assert.False(t, l("8,5,5 8 3x3 groups=2", "vec4x4").Book(), "codes of a group of channels")
	wide := l("8 8 wide", "i8")
	assert.False(t, wide.Narrow())
	assert.True(t, l("8 8", "i8").Narrow())
	wide.Supposed = true
	assert.True(t, wide.Narrow(), "the bias is not known yet")
	for zero, want := range map[string]int{"8 8 zero=-128": 255, "8 8 zero=127": 255, "8 8": 128, "8 8 zero=-1": 128, "8 8 zero=5": 133} {
		assert.Equal(t, want, kernel.InputReach(l(zero, "i8").Node), zero)
	}
}

// TestEntriesFit: the rows of a codebook reach 128 times the greatest input, or do not fit.
func TestEntriesFit(t *testing.T) {
	n := kerneltest.Module(t, "8 8 zero=-128", "vec1x4").Ops[0]
	book := n.Const(ir.AttrCodebook)
	l := kernel.Of(n, nil)
	minus := func(x byte) byte { return -x }
	book.Data = ir.Bytes([]byte{1, 2, 3, 4, 100, minus(28), 0, 0})
	assert.Equal(t, 128, kernel.BookReach(n))
	assert.True(t, l.EntriesFit(), "128*255 is 32640")
	book.Data = ir.Bytes([]byte{100, 28, minus(1), 0, 0, 0, 0, 0})
	assert.Equal(t, 129, kernel.BookReach(n))
	assert.False(t, l.EntriesFit(), "129*255 is 32895")
	l.Supposed = true
	assert.True(t, l.EntriesFit(), "R18 will hold")
	l.Supposed = false
	zero := &n.Args[0].Type.Quant.Zero
	*zero, book.Data = 217-128, ir.Bytes([]byte{100, 51, 0, 0, 0, 0, 0, 0})
	assert.True(t, l.EntriesFit(), "217*151 is 32767")
	*zero, book.Data = 0, ir.Bytes([]byte{100, 100, 56, 0, 0, 0, 0, 0})
	assert.False(t, l.EntriesFit(), "128*256 is 32768")
	book.Data = broken{}
	assert.Greater(t, kernel.BookReach(n), 1<<14)
}

type broken struct{}

func (broken) Load() ([]byte, error) { return nil, errors.New("broken") }

// TestOddTables: no less than 8 KiB, no more than MaxTables, between them the activations.
func TestOddTables(t *testing.T) {
	for layer, want := range map[string]int{"8 8": 8 << 10, "8,32,32 4 1x1": 12 << 10, "32,32,32 32 1x1": kernel.MaxTables} {
		n := kerneltest.Module(t, layer, "odd1").Ops[0]
		assert.Equal(t, want, kernel.Of(n, nil).OddTables(), layer)
	}
}

// tiled is a plan of tests.
type tiled struct{ kernel.Tile }

func (tiled) Emit(*emit.Generator) error { return nil }

// fake is a family whose tiles are squares of at most three pixels.
func fake(pools bool) *kernel.Family {
	read := func(_ kernel.Layer, tile []int) (tiled, bool) {
		p := tiled{kernel.Tile{Pixels: tile[0], Channels: tile[1], Bytes: tile[0] - 1, Instructions: 7}}
		return p, tile[0] == tile[1] && tile[0] <= 3
	}
	return &kernel.Family{Name: "fake", Op: ir.Conv2D, Pools: pools, Read: kernel.Reader(2, read),
		Plan: kernel.Planner(func(l kernel.Layer) (tiled, bool) { return read(l, []int{3, 3}) })}
}

// TestServes: a family serves its operation, and a pooled layer if it pools.
func TestServes(t *testing.T) {
	for _, c := range []struct {
		layer string
		pools bool
		want  bool
	}{
		{"8,6,6 8 3x3", false, true}, {"8,6,6 8 3x3 pool=1,1", false, true}, {"8,6,6 8 3x3 pool=2,1", false, false}, {"8,6,6 8 3x3 pool=1,2", false, false},
		{"8,6,6 8 3x3 pool=2,2", true, true}, {"8,6,6 8 3x3", true, true}, {"8 8", true, false}, {"8 8", false, false},
	} {
		_, ok := fake(c.pools).Serves(kernel.Of(kerneltest.Module(t, c.layer, "i8").Ops[0], nil))
		assert.Equal(t, c.want, ok, "%s %t", c.layer, c.pools)
	}
}

// TestAssign writes the attributes of a plan, drops those of another one, and refuses
// attributes that are none.
func TestAssign(t *testing.T) {
	f, n := fake(true), kerneltest.Module(t, "8,6,6 8 3x3", "i8").Ops[0]
	p, ok := f.Serves(kernel.Of(n, nil))
	require.True(t, ok)
	f.Assign(n, p)
	assert.Equal(t, []int{3, 3}, n.Ints(ir.AttrTile))
	assert.Equal(t, []int{0, 2}, n.Ints(ir.AttrScratch))
	assert.False(t, n.Has(ir.AttrMultiply))
	for want, edit := range map[string]func(){
		"":                                    func() {},
		"fake: a tile of 1 numbers, not of 2": func() { n.Put(ir.AttrTile.Is([]int{3})) },
		"fake: a tile with numbers below 1: [0 0]":                              func() { n.Put(ir.AttrTile.Is([]int{0, 0})) },
		"fake: no plan with tile [4 4]":                                         func() { n.Put(ir.AttrTile.Is([]int{4, 4})) },
		`fake: product "smlad" and tile [3 3], where the plan has "" and [3 3]`: func() { n.Put(ir.AttrMultiply.Is("smlad")) },
		"fake: scratch of 3 bytes, where tile [3 3] takes 2":                    func() { n.Put(ir.AttrScratch.Is([]int{0, 3})) },
		"fake: scratch of 0 bytes, where tile [3 3] takes 2":                    func() { n.Drop(ir.AttrScratch) },
	} {
		f.Assign(n, p)
		edit()
		again, err := f.Restore(n, nil)
		if want != "" {
			assert.EqualError(t, err, want)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, p, again)
	}
	// A plan of no scratch and one whose tile is 1.
	n.Put(ir.AttrTile.Is([]int{1, 1}))
	one, err := f.Read(kernel.Of(n, nil))
	require.NoError(t, err)
	f.Assign(n, one)
	assert.False(t, n.Has(ir.AttrScratch))
	// The product of another family, and no tile.
	m := micro.Conv
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	p, ok = m.Serves(kernel.Of(n, tgt))
	require.True(t, ok)
	m.Assign(n, p)
	assert.Equal(t, "smlad_nested", n.Word(ir.AttrMultiply))
	n.Put(ir.AttrMultiply.Is("smlad"))
	n.Put(ir.AttrTile.Is([]int{1, 1}))
	again, err := m.Restore(n, tgt)
	assert.ErrorContains(t, err, "scratch")
	assert.Nil(t, again)
	s := kernel.Simple(kernel.Family{Name: "simple", Op: ir.Conv2D}, nil, func(*emit.Generator) error { return nil })
	p, ok = s.Serves(kernel.Of(n, nil))
	require.True(t, ok, "every node")
	s.Assign(n, p)
	assert.False(t, n.Has(ir.AttrTile) || n.Has(ir.AttrScratch) || n.Has(ir.AttrMultiply))
	s = kernel.Simple(s, func(*ir.Node) bool { return false }, nil)
	_, ok = s.Serves(kernel.Of(n, nil))
	assert.False(t, ok)
}
