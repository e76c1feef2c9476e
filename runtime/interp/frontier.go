package interp

import (
	"context"
	"runtime"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// Frontier is a run of a float network over images that stops where operations begin, and gives
// what they and later ones read. It keeps these values at all places where it may stop, if a bound
// on memory allows. Else it keeps those of the last place: a walk over all layers
// then still runs each operation once, and not for each layer all that lie before it.
//
// Where the values of one place are beyond the bound, as between the first layers of networks over
// pictures, they are computed for some images at a time, from the last place before that is within it.
type Frontier struct {
	p     *Float
	n     int
	x     []float32
	bytes []int // by place: of the values of one image that operations from it on read
	limit int   // bytes of the values of a place that is kept
	live  map[*ir.Value]ir.Interval

	always map[*ir.Value]bool // kept to the end; nil where all are too many
	at     int                // the place whose values are kept
	values Tensors[float32]
	ran    int
}

// NewFrontier begins with the records of n images, which it does not copy. It may stop at the given
// places, operations by number, and keeps at most bound bytes of values.
func NewFrontier(p *Float, x []float32, n, bound int, places ...int) *Frontier {
	f := &Frontier{p: p, n: n, x: x, bytes: make([]int, len(p.Module.Ops)+1), limit: bound / 2, live: ir.Liveness(p.Module)} // it goes on with those of two places
	all, steps := map[*ir.Value]bool{}, make([]int, len(f.bytes)+1)
	sum, isStop := 0, func(v ir.Interval) bool {
		i, _ := slices.BinarySearch(places, v.From+1)
		return i < len(places) && places[i] <= v.To
	}
	for _, o := range p.Module.Ops {
		v, size := f.live[o.Out], 4*p.Size(o.Out)
		steps[v.From+1] += size
		steps[v.To+1] -= size
		if isStop(v) {
			all[o.Out] = true
			sum += n * size
		}
	}
	if len(places) > 0 && sum <= bound {
		f.always = all
	}
	sum = 0
	for i := range f.bytes {
		sum += steps[i]
		f.bytes[i] = sum
	}
	f.restart()
	return f
}

// KeepsAll reports whether the values of all places are kept.
func (f *Frontier) KeepsAll() bool { return f.always != nil }

// Ran is the operations that have run, each counted for each image.
func (f *Frontier) Ran() int { return f.ran }

// held is the last place up to one whose values are kept: what begins at that one is computed from
// there.
func (f *Frontier) held(place int) int {
	for !f.KeepsAll() && place > 0 && f.n*f.bytes[place] > f.limit {
		place--
	}
	return place
}

// Images is how many images Values gives at a time at most.
func (f *Frontier) Images(place int) int {
	if f.held(place) == place {
		return f.n
	}
	return min(max(f.limit/f.bytes[place], runtime.GOMAXPROCS(0)), f.n) // one for each worker at least
}

// Values are what operations from a place on read, of some images, as prog computes them: the program of
// NewFrontier, or one that differs from it where the frontier has not come to yet. They are
// shared: who reads them does not write to them.
func (f *Frontier) Values(ctx context.Context, prog *Float, place, first, count int) (Tensors[float32], error) {
	held := f.held(place)
	if held < f.at && !f.KeepsAll() {
		f.restart()
	}
	if held > f.at {
		if err := f.advance(ctx, prog, held); err != nil {
			return nil, err
		}
	}
	some := make(Tensors[float32], len(f.values))
	for v, l := range f.live {
		id := f.p.ID(v)
		if x, size := f.values[id], f.p.sizes[id]; x != nil && l.From < held && held <= l.To {
			some[id] = x[first*size : (first+count)*size]
		}
	}
	if held == place {
		return some, nil
	}
	return some, f.run(ctx, prog, some, count, held, place)
}

func (f *Frontier) restart() {
	f.at, f.values = 0, f.p.Tensors(f.n)
	f.p.Feed(f.values, f.x, f.n)
}

// advance goes on to a place with all images.
func (f *Frontier) advance(ctx context.Context, prog *Float, to int) error {
	t := slices.Clone(f.values)
	if err := f.run(ctx, prog, t, f.n, f.at, to); err != nil {
		return err
	}
	for v, l := range f.live {
		if l.From >= 0 && l.To < to && !f.always[v] {
			t[f.p.ID(v)] = nil
		}
	}
	f.at, f.values = to, t
	return nil
}

// run computes the values of a place from those of one before.
func (f *Frontier) run(ctx context.Context, prog *Float, t Tensors[float32], n, from, to int) error {
	for _, o := range f.p.Module.Ops[from:to] {
		if f.live[o.Out].To >= to || f.always[o.Out] {
			t[f.p.ID(o.Out)] = make([]float32, n*f.p.Size(o.Out))
		}
	}
	f.ran += n * (to - from)
	return prog.Run(ctx, t, n, from, to)
}
