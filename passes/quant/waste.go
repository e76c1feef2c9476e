package quant

import (
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
)

// A value's levels are wasted where fewer than this many of 256 hold all but a thousandth of
// its elements, which have at least as many values of their own.
const (
	fewLevels = 32
	rare      = 1. / 1000
)

// levels counts the elements of a value by the integers that they become.
type levels struct {
	quant    ir.Quant
	counts   [256]int
	total    int
	lo, hi   float32   // of the elements
	distinct []float32 // of them, up to as many as matter
}

func (l *levels) add(x []float32) {
	for _, v := range x {
		l.lo, l.hi = min(l.lo, v), max(l.hi, v)
		if len(l.distinct) < fewLevels && !slices.Contains(l.distinct, v) {
			l.distinct = append(l.distinct, v)
		}
		q := math.Round(float64(v)/l.quant.Scale) + float64(l.quant.Zero)
		l.counts[int(min(max(q, -128), 127))+128]++
	}
	l.total += len(x)
}

// used is the least number of levels that hold all but rare elements.
func (l *levels) used() (n int) {
	counts := slices.Clone(l.counts[:])
	slices.Sort(counts)
	slices.Reverse(counts)
	for left := l.total; float64(left) > rare*float64(l.total); n++ {
		left -= counts[n]
	}
	return n
}

// common are the bounds of the levels that hold more than rare elements together, from the
// middle outwards.
func (l *levels) common() (lo, hi float64) {
	real := func(i int) float64 { return float64(l.quant.Scale * float64(i-128-l.quant.Zero)) }
	least := rare / 2 * float64(l.total)
	at, sum := 0, 0
	for ; at < 255 && float64(sum+l.counts[at]) <= least; at++ {
		sum += l.counts[at]
	}
	end, sum := 255, 0
	for ; end > at && float64(sum+l.counts[end]) <= least; end-- {
		sum += l.counts[end]
	}
	return real(at), real(end)
}

// wasted reports the activations that use few of their levels, with the cause. own are the
// ranges that they would have by themselves, and look shows their elements on some images.
func wasted(m *ir.Module, own map[*ir.Value]ir.Range, look func(visit func(v *ir.Value, x []float32)) error) ([]pass.Waste, error) {
	counts := map[*ir.Value]*levels{}
	for _, n := range m.Ops {
		counts[n.Out] = &levels{quant: quantFor(*n.Out.Range)}
	}
	err := look(func(v *ir.Value, x []float32) {
		if l := counts[v]; l != nil {
			l.add(x)
		}
	})
	if err != nil {
		return nil, err
	}
	var list []pass.Waste
	users := m.AllUsers()
	for _, n := range m.Ops {
		l := counts[n.Out]
		if m.IsIndex(n.Out) || n.Op == ir.ArgMax || len(l.distinct) < fewLevels || l.used() >= fewLevels {
			continue
		}
		list = append(list, pass.Waste{Name: n.Name(), Levels: l.used(), Cause: cause(n, l, own[n.Out], users[n.Out])})
	}
	return list, nil
}

// cause says why the result of n, which users read, uses few levels.
func cause(n *ir.Node, l *levels, own ir.Range, users []*ir.Node) string {
	r := *n.Out.Range
	lo, hi := l.common()
	if fixedRange(n) != nil {
		return fmt.Sprintf("results of %s have the range [%.4g,%.4g] whatever they are", n.Op, r.Lo, r.Hi)
	}
	if from := typeFrom(n.Out); from != n.Out && givenRange(from) != nil {
		return fmt.Sprintf("it has the range [%.4g,%.4g] of %s", r.Lo, r.Hi, from.Name)
	}
	if r.Hi-r.Lo > 2*(own.Hi-own.Lo) {
		for _, u := range users {
			if unites(u) {
				return fmt.Sprintf("it has the range [%.4g,%.4g] of %s, its own is [%.4g,%.4g]", r.Lo, r.Hi, u.Name(), own.Lo, own.Hi)
			}
		}
		return fmt.Sprintf("it shares the range [%.4g,%.4g], its own is [%.4g,%.4g]", r.Lo, r.Hi, own.Lo, own.Hi)
	}
	if hi-lo < (r.Hi-r.Lo)*fewLevels/256 {
		return fmt.Sprintf("a thousandth of its elements make its range [%.4g,%.4g], all others lie in [%.4g,%.4g]", r.Lo, r.Hi, lo, hi)
	}
	return fmt.Sprintf("its elements lie close together at few places of its range [%.4g,%.4g]", r.Lo, r.Hi)
}
