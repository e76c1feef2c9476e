package machine

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/frontend/frontendtest"
	"github.com/dnnc/dnnc/ir"
)

// TestExplain reads plans that stand in testdata, whose sizes are added up by hand.
func TestExplain(t *testing.T) {
	// A column of 9 inputs in 16 bytes, then the 18 codes of both rows and what a vector loads past them.
	const scratch = 16 + 48
	for _, c := range []struct {
		file  string
		bytes []int // of each step
		bound int
		want  []string
	}{
		{"branch", []int{72 + scratch, 72 + 72, 72 + 72 + 72, 72 + 72}, 216, []string{
			"arena 168 bytes; without overlaps at least 216",
			"the peak is in e:",
			"      72 bytes at      0  c",
			"      72 bytes at     72  e",
			"      72 bytes at     96  d",
			"e overlaps d, 24 bytes before it",
		}},
		{"chain", []int{72 + scratch, 72 + 32, 32 + 8, 8}, 136, []string{
			"arena 136 bytes; without overlaps at least 136",
			"the peak is in c:",
			"      72 bytes at      0  c",
			"      64 bytes at     72  c scratch",
		}},
		{"nothing", []int{0}, 0, []string{"arena 0 bytes; without overlaps at least 0"}},
	} {
		m := frontendtest.Load(t, "testdata/memory/"+c.file+".out.dnn")
		assert.Equal(t, c.bytes, held(m, ir.Blocks(m)), c.file)
		assert.Equal(t, c.bound, LowerBound(m), c.file)
		assert.Equal(t, c.want, Explain(m), c.file)
	}
}

// TestOverlapsAreExplained: values that only touch do not overlap, from either side.
func TestOverlapsAreExplained(t *testing.T) {
	m := frontendtest.Load(t, "testdata/memory/branch.out.dnn")
	d, e := m.Value("d"), m.Value("e")
	for at, want := range map[int]string{
		96 - 72: "", 97 - 72: "e overlaps d, 71 bytes before it", 96: "e overlaps d, 0 bytes before it", 96 + 71: "e overlaps d, -71 bytes before it", 96 + 72: "",
	} {
		e.At.Offset = at
		lines := Explain(m)
		if want == "" {
			assert.NotContains(t, lines[len(lines)-1], "overlaps", "e at %d, d at %d", at, d.At.Offset)
			continue
		}
		assert.Equal(t, want, lines[len(lines)-1])
	}
	e.At = ir.Place{Kind: ir.InOutput, Offset: 96}
	lines := Explain(m)
	assert.NotContains(t, lines[len(lines)-1], "overlaps", "an output lies elsewhere")
}

// TestFirstFit puts blocks at places worked out by hand: the lowest aligned offset beside
// what lives with them.
func TestFirstFit(t *testing.T) {
	live := func(from, to int) ir.Interval { return ir.Interval{From: from, To: to} }
	a := &block{bytes: 20, live: live(0, 1)}
	over := func(a *block, lag, bytes int) *block {
		return &block{bytes: bytes, live: live(1, 2), over: a, lag: lag}
	}
	for _, c := range []struct {
		name   string
		blocks []*block
		index  []int
		want   []int
		bytes  int
	}{
		{"one", []*block{a}, []int{0}, []int{0}, 20},
		{"two at one time", []*block{a, {bytes: 4, live: live(1, 1)}}, []int{0, 1}, []int{0, 24}, 28},
		{"two at other times", []*block{a, {bytes: 4, live: live(2, 2)}}, []int{0, 1}, []int{0, 0}, 20},
		{"the second first", []*block{a, {bytes: 4, live: live(1, 1)}}, []int{1, 0}, []int{8, 0}, 28},
		{"into a hole", []*block{{bytes: 8, live: live(0, 1)}, {bytes: 8, live: live(0, 0)}, {bytes: 8, live: live(0, 1)}, {bytes: 8, live: live(1, 1)}}, []int{0, 1, 2, 3}, []int{0, 8, 16, 8}, 24},
		{"too large for a hole", []*block{{bytes: 8, live: live(0, 1)}, {bytes: 8, live: live(0, 0)}, {bytes: 8, live: live(0, 1)}, {bytes: 9, live: live(1, 1)}}, []int{0, 1, 2, 3}, []int{0, 8, 16, 24}, 33},
		{"a result before its argument", []*block{{bytes: 12, live: live(1, 1)}, a, over(a, 4, 30)}, []int{0, 1, 2}, []int{0, 16, 40}, 70},
		{"a result over its argument", []*block{a, over(a, 0, 20)}, []int{0, 1}, []int{0, 0}, 20},
		{"a result over its argument, but for four bytes", []*block{{bytes: 8, live: live(0, 0)}, a, over(a, 4, 8)}, []int{0, 1, 2}, []int{0, 8, 0}, 28},
		{"an argument after its result", []*block{a, over(a, 4, 30)}, []int{1, 0}, []int{8, 0}, 30},
		{"an argument as far as it must", []*block{a, over(a, 9, 30)}, []int{1, 0}, []int{16, 0}, 36},
		{"no more than the argument has", []*block{a, over(a, 99, 30)}, []int{0, 1}, []int{0, 24}, 54},
	} {
		at, bytes := newFitter(c.blocks).first(c.index)
		assert.Equal(t, c.want, at, c.name)
		assert.Equal(t, c.bytes, bytes, c.name)
		at, _ = simpleFit(c.blocks, c.index)
		assert.Equal(t, c.want, at, c.name)
	}
}

// TestPlansKeepTheirSize: the bytes of random plans, those of few blocks and those of
// many, in the sum. They may shrink, never grow.
func TestPlansKeepTheirSize(t *testing.T) {
	rng := rand.New(rand.NewSource(5))
	few, many := 0, 0
	for range 100 {
		_, bytes := plan(randomBlocks(rng, 3))
		few += bytes
		_, bytes = plan(randomBlocks(rng, 20))
		many += bytes
	}
	assert.LessOrEqual(t, few, 43571)
	assert.LessOrEqual(t, many, 76730)
}

// TestPermutations: each order once, until it is told to end.
func TestPermutations(t *testing.T) {
	seen := map[[4]int]bool{}
	index := []int{0, 1, 2, 3}
	assert.True(t, permutations(index, 0, func() bool { seen[[4]int(index)] = true; return true }))
	assert.Len(t, seen, 24)
	assert.Equal(t, []int{0, 1, 2, 3}, index, "the order is what it was")
	calls := 0
	assert.False(t, permutations(index, 0, func() bool { calls++; return calls < 5 }))
	assert.Equal(t, 5, calls, "it ends when it may")
	require.Equal(t, 50, least([]*block{{bytes: 3}, {bytes: 40}, {bytes: 7}}))
	require.Equal(t, 43, least([]*block{{bytes: 3}, {bytes: 40}, {bytes: 7, live: ir.Interval{From: 1, To: 2}}}))
}
