package machine

import (
	"math/rand/v2"
	"slices"
)

// Of at most climbBlocks blocks climb tries climbTries orders, but fewer where they look at
// more than climbWork pairs of blocks.
const (
	climbBlocks = 400
	climbTries  = 200
	climbWork   = 1 << 21
)

// climb packs blocks in an order, and then in others that put what ends highest, or what
// lives with it, earlier, as long as that takes no more bytes.
func (f *fitter) climb(index []int, bound int) (offsets []int, bytes int) {
	blocks := f.blocks
	offsets, bytes = f.first(index)
	best, at, rng := bytes, offsets, rand.New(rand.NewPCG(1, 0))
	for range min(climbTries, climbWork/(len(blocks)*len(blocks))) {
		if best <= bound {
			break
		}
		// A block that ends highest, or one that lives with it.
		var top []int
		for k, i := range index {
			if at[i]+blocks[i].bytes == bytes {
				top = append(top, k)
			}
		}
		k := top[rng.IntN(len(top))]
		if rng.IntN(2) == 0 {
			var others []int
			for o, i := range index {
				if o > 0 && o != k && meet(blocks[i], blocks[index[k]]) {
					others = append(others, o)
				}
			}
			if len(others) > 0 {
				k = others[rng.IntN(len(others))]
			}
		}
		if k == 0 {
			continue
		}
		next := slices.Clone(index)
		i := next[k]
		next = slices.Insert(slices.Delete(next, k, k+1), rng.IntN(k), i)
		o, total := f.first(next)
		if total <= bytes {
			index, at, bytes = next, o, total
		}
		if total < best {
			best, offsets = total, o
		}
	}
	return offsets, best
}

// meet reports whether blocks are alive at one time.
func meet(a, b *block) bool { return a.live.From <= b.live.To && b.live.From <= a.live.To }

// least is what no plan can go below: what is alive at one time, less what may overlap.
func least(blocks []*block) int {
	most := 0
	for _, b := range blocks {
		// At the start of one of the blocks.
		sum := 0
		for _, a := range blocks {
			if a.live.From > b.live.From || a.live.To < b.live.From {
				continue
			}
			sum += a.bytes
			if o := a.over; o != nil && o.live.To >= b.live.From {
				sum -= min(o.bytes, max(0, a.bytes-a.lag))
			}
		}
		most = max(most, sum, b.bytes)
	}
	return most
}
