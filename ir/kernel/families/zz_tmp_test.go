package families_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/kernel/kerneltest"
	"github.com/dnnc/dnnc/ir/processor"
)

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

func TestZZ(t *testing.T) {
	var layers []string
	seed, _ := strconv.Atoi(os.Getenv("SEED"))
	n, _ := strconv.Atoi(os.Getenv("N"))
	rng := rand.New(rand.NewPCG(uint64(seed), 0))
	for range n {
		layers = append(layers, drawLayer(rng))
	}
	if l := os.Getenv("LAYERS"); l != "" {
		layers = strings.Split(l, ";")
	}
	formats := strings.Fields(cmp.Or(os.Getenv("FORMATS"), "i8 odd4 odd2 odd1"))
	bad, all := 0, 0
	for _, name := range strings.Fields(os.Getenv("TARGETS")) {
		tgt, _ := processor.Find(name)
		for _, text := range layers {
			c := strings.ReplaceAll(strings.ReplaceAll(text, "stride=2", "stride=2,2"), "stride=1", "stride=1,1")
			var counts []float64
			var plans []string
			macs := 0
			for _, f := range formats {
				m := kerneltest.Module(t, c, f)
				node := m.Ops[0]
				l := kernel.Of(node, tgt)
				macs = l.K() * l.Pixels() * l.Weight()[0]
				type ch struct {
					f *kernel.Family
					p kernel.Plan
				}
				var list []ch
				for _, fam := range families.Table {
					if p, ok := fam.Serves(l); ok {
						list = append(list, ch{fam, p})
					}
				}
				slices.SortStableFunc(list, func(a, b ch) int {
					if a.f.General != b.f.General {
						if a.f.General {
							return 1
						}
						return -1
					}
					return cmp.Compare(a.p.Cycles(), b.p.Cycles())
				})
				s := ""
				for i, c := range list {
					if i < 3 {
						s += fmt.Sprintf(" | %s %s %v %d: %.0f", c.f.Name, c.p.Attrs().Product, c.p.Attrs().Tile, c.p.Scratch(), c.p.Cycles())
					}
				}
				counts = append(counts, list[0].p.Cycles())
				plans = append(plans, f+s)
			}
			worst := 0.
			for i := 1; i < len(counts); i++ {
				worst = max(worst, counts[i]/counts[i-1], counts[i]/counts[0])
			}
			most := 1.15
			if macs >= 50000 {
				most = 1.02
			}
			all++
			if worst > most {
				bad++
			}
			if worst > most || os.Getenv("ALL") != "" {
				fmt.Printf("%s  %s  macs %d worst %.3f most %.2f\n", name, text, macs, worst, most)
				for _, p := range plans {
					fmt.Println("    ", p)
				}
			}
		}
	}
	fmt.Println(bad, "of", all, "by estimate above")
}
