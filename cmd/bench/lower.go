package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
)

// What lower measures: random layers in these formats, each width against the one above it and
// against 8 bits.
var (
	lowerTargets = []string{"armv7em", "armv8.1m", "aarch64", "armv7", "armv6m", "riscv32", "x86_64"}
	lowerFormats = []string{"i8", "odd4", "odd2", "odd1"}
)

// The greatest ratios of a large layer and of a small one, and the multiply-adds from which on a
// layer is large.
const (
	mostLarge = 1.02
	mostSmall = 1.15
	largeMACs = 50_000
)

// drawLayer is a random layer, in the words of layerOf.
func drawLayer(rng *rand.Rand) string {
	between := func(lo, hi int) int { return lo + rng.IntN(hi-lo+1) }
	in, out, h, w := between(1, 48), between(4, 48), between(3, 20), between(3, 20)
	image := func(c, h, w int) string { return fmt.Sprintf("%d,%d,%d", c, h, w) }
	switch rng.IntN(6) {
	case 0:
		k := 1 + 2*between(1, 2)
		return fmt.Sprintf("%s %d %dx%[3]d stride=%d pad=%[5]d,%[5]d,%[5]d,%[5]d", image(in, h, w), out, k, between(1, 2), k/2)
	case 1:
		groups := between(2, 4)
		return fmt.Sprintf("%s %d 3x3 pad=1,1,1,1 groups=%d", image(groups*between(2, 12), h, w), groups*between(2, 12), groups)
	case 2:
		return fmt.Sprintf("%s %d 3x3 stride=%d pad=1,1,1,1 groups=%[2]d", image(out, h, w), out, between(1, 2))
	case 3:
		return fmt.Sprintf("%s %d 1x1", image(in, h, w), out)
	case 4:
		return fmt.Sprintf("%d %d", between(16, 800), between(4, 200))
	}
	k := between(2, 5)
	return fmt.Sprintf("%s %d 1x%d pad=0,%d,0,%d", image(in, 1, between(16, 160)), out, k, k/2, (k-1)/2)
}

// narrowed is the counts of a layer in the formats of lowerFormats on a target.
type narrowed struct {
	target, layer string
	macs          int
	counts        []float64
}

// worst is the greatest ratio of a count to the one before it and to the first one.
func (n narrowed) worst() float64 {
	worst := 0.
	for i := 1; i < len(n.counts); i++ {
		worst = max(worst, n.counts[i]/n.counts[i-1], n.counts[i]/n.counts[0])
	}
	return worst
}

// most is the bound on worst.
func (n narrowed) most() float64 {
	if n.macs >= largeMACs {
		return mostLarge
	}
	return mostSmall
}

// lower counts n random layers in each width on each target, and prints them with the greatest ratio of a
// width to the one above it or to 8 bits, the farthest above its bound first.
func lower(w io.Writer, dnnc, dir, only string, n int, seed uint64) error {
	var list []narrowed
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range n {
		text := drawLayer(rng)
		network, err := layerOf(text)
		if err != nil {
			return err
		}
		path, err := write(dir, fmt.Sprintf("lower%d-%d", seed, i), network)
		if err != nil {
			return err
		}
		for _, target := range lowerTargets {
			if !wanted(only, target) {
				continue
			}
			row := narrowed{target: target, layer: text, macs: network.macs()}
			for _, format := range lowerFormats {
				c, err := count(dnnc, path, bar{target: target, format: format})
				if err != nil {
					return fmt.Errorf("%s in %s on %s: %w", text, format, target, err)
				}
				row.counts = append(row.counts, float64(c.Instructions))
			}
			list = append(list, row)
		}
	}
	if len(list) == 0 {
		return errors.New("-only names no target that -lower measures")
	}
	slices.SortStableFunc(list, func(a, b narrowed) int { return cmp.Compare(b.worst()/b.most(), a.worst()/a.most()) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "target\tlayer\tMACs\t8 bits\t4 bits\t2 bits\t1 bit\tworst ratio\tbound")
	kept := 0
	for _, l := range list {
		if l.worst() <= l.most() {
			kept++
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t", l.target, l.layer, l.macs)
		for _, c := range l.counts {
			fmt.Fprintf(t, "%.0f\t", c)
		}
		fmt.Fprintf(t, "%.3f\t%.2f\n", l.worst(), l.most())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d of %d layers are within their bound\n", kept, len(list))
	return err
}
