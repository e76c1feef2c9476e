package machine

import (
	"slices"
	"sort"
)

// fitter puts blocks at offsets of the arena, each at the lowest one that is free while the
// block lives. It keeps what is occupied in a segment tree over the steps: a block is put
// into O(log steps) sets, and as many tell where it fits. In each set, runs that touch are
// one run, so that neither a long chain nor a wide fan of blocks makes long sets.
type fitter struct {
	blocks []*block
	// beside lists for each block the few blocks that the tree does not compare with it: a
	// block that another may overlap leaves the tree before its last step. There it meets
	// the blocks that begin in this step.
	beside [][]int
	// until is the last step for which a block stands in the tree.
	until  []int
	leaves int
	// whole has what blocks that live in all steps of a node occupy, some what blocks that
	// live in any of them do. The root is node 1, the halves of node i are 2i and 2i+1.
	whole, some []occupied
	found       []occupied // the sets of the block that is being placed
}

func newFitter(blocks []*block) *fitter {
	f := &fitter{blocks: blocks, beside: make([][]int, len(blocks)), until: make([]int, len(blocks)), leaves: 1}
	of, begin := map[*block]int{}, map[int][]int{}
	for i, b := range blocks {
		of[b], f.until[i] = i, b.live.To
		begin[b.live.From] = append(begin[b.live.From], i)
		for f.leaves <= b.live.To {
			f.leaves *= 2
		}
	}
	for _, b := range blocks {
		if b.over == nil {
			continue
		}
		i := of[b.over]
		f.until[i]--
		for _, j := range begin[b.live.From] {
			f.beside[i] = append(f.beside[i], j)
			f.beside[j] = append(f.beside[j], i)
		}
	}
	f.whole, f.some = make([]occupied, 2*f.leaves), make([]occupied, 2*f.leaves)
	return f
}

// first puts the blocks, in the order of index, each at the lowest aligned offset where
// it overlaps none that is alive with it, but for what it may. It returns the offset of
// each block, and the bytes in all.
func (f *fitter) first(index []int) (offsets []int, bytes int) {
	for i := range f.whole {
		f.whole[i], f.some[i] = f.whole[i][:0], f.some[i][:0]
	}
	offsets = make([]int, len(f.blocks))
	for i := range offsets {
		offsets[i] = -1
	}
	for _, i := range index {
		b := f.blocks[i]
		f.found = f.found[:0]
		f.find(1, 0, f.leaves-1, b.live.From, f.until[i])
		at := f.lowest(i, offsets)
		offsets[i] = at
		bytes = max(bytes, at+b.bytes)
		f.put(1, 0, f.leaves-1, b.live.From, f.until[i], run{at, align(at + b.bytes)})
	}
	return offsets, bytes
}

// lowest is the lowest offset of block i that the sets in found and the blocks beside it allow.
func (f *fitter) lowest(i int, offsets []int) int {
	b, at := f.blocks[i], 0
	for moved := true; moved; {
		moved = false
		for _, set := range f.found {
			if to := set.free(at, b.bytes); to != at {
				at, moved = to, true
			}
		}
		for _, j := range f.beside[i] {
			p := f.blocks[j]
			if offsets[j] >= 0 && at > offsets[j]-reach(b, p) && at < offsets[j]+reach(p, b) {
				at, moved = align(offsets[j]+reach(p, b)), true
			}
		}
	}
	return at
}

// find appends to found the sets of the blocks that are alive in the steps from to until.
// The node has the steps lo to hi.
func (f *fitter) find(node, lo, hi, from, until int) {
	switch mid := (lo + hi) / 2; {
	case until < lo || hi < from:
	case from <= lo && hi <= until:
		f.found = append(f.found, f.some[node])
	default:
		f.found = append(f.found, f.whole[node])
		f.find(2*node, lo, mid, from, until)
		f.find(2*node+1, mid+1, hi, from, until)
	}
}

// put marks r as occupied in the steps from to until.
func (f *fitter) put(node, lo, hi, from, until int, r run) {
	if until < lo || hi < from {
		return
	}
	f.some[node].add(r)
	if from <= lo && hi <= until {
		f.whole[node].add(r)
		return
	}
	mid := (lo + hi) / 2
	f.put(2*node, lo, mid, from, until, r)
	f.put(2*node+1, mid+1, hi, from, until, r)
}

// reach is how far after the start of a another block that lives with it must
// begin, which lies after it.
func reach(a, b *block) int {
	if a.over == b {
		return min(a.lag, a.bytes)
	}
	return a.bytes
}

// run is the bytes from an offset to another, at aligned offsets.
type run struct{ from, to int }

// occupied is a set of bytes: its runs in their order. They neither overlap nor touch.
type occupied []run

// add puts the bytes of r into the set.
func (s *occupied) add(r run) {
	first := sort.Search(len(*s), func(i int) bool { return (*s)[i].to >= r.from })
	last := first
	for ; last < len(*s) && (*s)[last].from <= r.to; last++ {
		r.from, r.to = min(r.from, (*s)[last].from), max(r.to, (*s)[last].to)
	}
	*s = slices.Replace(*s, first, last, r)
}

// free is the lowest offset from at on where bytes are free.
func (s occupied) free(at, bytes int) int {
	for i := sort.Search(len(s), func(i int) bool { return s[i].to > at }); i < len(s) && s[i].from < at+bytes; i++ {
		at = s[i].to
	}
	return at
}
