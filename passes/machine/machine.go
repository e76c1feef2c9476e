// Package machine holds the passes that decide how a quantized network is
// computed on a target: which kernel, which tile, which memory. Code
// generation decides nothing; it reads what these passes wrote into the IR.
package machine

import (
	"context"
	"sort"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/passes/pass"
)

// Select chooses the kernel of each operation, its tile and its scratch. What
// another target's choice left is dropped first.
func Select(_ context.Context, m *ir.Module, env *pass.Env) error {
	m.Target = env.Target.Name
	m.Arena = ir.Arena{}
	var list diag.List
	for _, n := range m.Ops {
		for _, a := range []string{"impl", "tile", "scratch"} {
			n.Set(a, nil)
		}
		n.Out.At = ir.Place{}
		if n.Op.Info().Attr("round") != nil && n.Word("round") == "tflite" {
			list.Add(n.Pos, diag.Unsupported, "%s: no kernel rounds as TensorFlow Lite does yet", n.Name())
			continue
		}
		k := target.Choose(n, env.Target)
		if k == nil {
			list.Add(n.Pos, diag.Unsupported, "%s: no kernel for this %s on %s", n.Name(), n.Op, env.Target.Name)
			continue
		}
		k.Assign(n, env.Target)
	}
	return list.Err()
}

// arenaAlign is the alignment of the arena and of each block in it: kernels
// keep vectors of 8 bytes in their scratch.
const arenaAlign = 8

// block is memory that the plan must place.
type block struct {
	bytes int
	live  ir.Interval
	place func(offset int)
}

// Memory gives every value and scratch its place: inputs and outputs are the
// caller's, all else lies in one arena, at offsets that no two blocks alive at
// one time share.
func Memory(_ context.Context, m *ir.Module, env *pass.Env) error {
	live := ir.Liveness(m)
	for _, v := range m.Inputs {
		v.At = ir.Place{Kind: ir.InInput}
	}
	var blocks []block
	for i, n := range m.Ops {
		if m.IsOutput(n.Out) {
			n.Out.At = ir.Place{Kind: ir.InOutput}
		} else {
			blocks = append(blocks, block{n.Out.Type.Shape.Size(), live[n.Out], func(at int) {
				n.Out.At = ir.Place{Kind: ir.InArena, Offset: at}
			}})
		}
		if n.Op.Info().Attr("scratch") != nil && n.Has("scratch") {
			bytes := n.Ints("scratch")[1]
			blocks = append(blocks, block{bytes, ir.Interval{From: i, To: i}, func(at int) {
				n.Set("scratch", []int{at, bytes})
			}})
		}
	}
	offsets, bytes := plan(blocks)
	for i, at := range offsets {
		blocks[i].place(at)
	}
	m.Arena = ir.Arena{Bytes: bytes, Align: arenaAlign}
	if ram := env.Budget.RAM; ram > 0 && bytes > ram {
		return diag.New(diag.Pos{}, diag.BadBudget, "the arena takes %d bytes, -ram allows %d", bytes, ram).
			WithHelp("the least possible is -ram %d; widths hardly change it, the sizes of activations do", bytes)
	}
	return nil
}

// plan packs the blocks by greatest-first fit in several orders and returns
// the best result: the offset of each block, and the bytes in all.
func plan(blocks []block) (offsets []int, bytes int) {
	orders := []func(a, b block) bool{
		func(a, b block) bool { return a.bytes > b.bytes },
		func(a, b block) bool { return a.live.From < b.live.From },
		func(a, b block) bool { return a.live.To > b.live.To },
		func(a, b block) bool { return a.bytes*(a.live.To-a.live.From+1) > b.bytes*(b.live.To-b.live.From+1) },
	}
	for i, less := range orders {
		index := make([]int, len(blocks))
		for j := range index {
			index[j] = j
		}
		sort.SliceStable(index, func(a, b int) bool { return less(blocks[index[a]], blocks[index[b]]) })
		if o, total := firstFit(blocks, index); i == 0 || total < bytes {
			offsets, bytes = o, total
		}
	}
	return offsets, bytes
}

// firstFit puts the blocks, in the order of index, each at the lowest aligned
// offset where it overlaps none that is alive with it.
func firstFit(blocks []block, index []int) (offsets []int, bytes int) {
	offsets = make([]int, len(blocks))
	var placed []int // by offset
	for _, i := range index {
		b, at := blocks[i], 0
		for _, j := range placed {
			p := blocks[j]
			if b.live.From > p.live.To || p.live.From > b.live.To {
				continue
			}
			if at+b.bytes <= offsets[j] {
				break
			}
			at = max(at, (offsets[j]+p.bytes+arenaAlign-1)/arenaAlign*arenaAlign)
		}
		offsets[i] = at
		bytes = max(bytes, at+b.bytes)
		placed = append(placed, i)
		sort.SliceStable(placed, func(a, b int) bool { return offsets[placed[a]] < offsets[placed[b]] })
	}
	return offsets, bytes
}

// LowerBound is the least arena that any plan could reach: the greatest sum of
// the blocks alive at one step.
func LowerBound(m *ir.Module) int {
	bound := 0
	blocks := ir.Blocks(m)
	for step := range m.Ops {
		sum := 0
		for _, b := range blocks {
			if b.From <= step && step <= b.To {
				sum += b.Bytes
			}
		}
		bound = max(bound, sum)
	}
	return bound
}
