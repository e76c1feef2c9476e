package robust

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// Choice is one way to serve a layer: its packed bytes and its cost. Its cycles
// count where they are bounded.
type Choice struct {
	Bytes  int
	Cost   float64
	Cycles float64
}

// Plan is one choice a layer, by index, with their sums.
type Plan struct {
	Bytes  int
	Cost   float64
	Cycles float64
	Picks  []int
}

// node is a partial plan on the Pareto list; parents share their prefix.
type node struct {
	bytes  int
	cost   float64
	cycles float64
	pick   int
	parent *node
}

func (n *node) with(c Choice, pick int) *node {
	return &node{n.bytes + c.Bytes, n.cost + c.Cost, n.cycles + c.Cycles, pick, n}
}

func (n *node) plan(layers int) Plan {
	p := Plan{Bytes: n.bytes, Cost: n.cost, Cycles: n.cycles, Picks: make([]int, layers)}
	for l := layers - 1; l >= 0; l, n = l-1, n.parent {
		p.Picks[l] = n.pick
	}
	return p
}

// Pareto solves the multiple-choice knapsack for every size at once: of all
// plans that take one choice of each layer it returns those that no other
// beats in bytes and cost, by rising bytes and falling cost. It is exact: the
// dynamic program keeps, layer by layer, the list of undominated partial sums.
// Plans of equal bytes and cost are told apart by the order of the choices.
func Pareto(layers [][]Choice) []Plan {
	front := []*node{{}}
	for _, choices := range layers {
		var next []*node
		for _, p := range front {
			for i, c := range choices {
				next = append(next, p.with(c, i))
			}
		}
		front = undominated(next)
	}
	plans := make([]Plan, len(front))
	for i, n := range front {
		plans[i] = n.plan(len(layers))
	}
	return plans
}

func undominated(nodes []*node) []*node {
	sort.SliceStable(nodes, func(i, j int) bool {
		if nodes[i].bytes != nodes[j].bytes {
			return nodes[i].bytes < nodes[j].bytes
		}
		return nodes[i].cost < nodes[j].cost
	})
	kept := nodes[:0]
	for _, n := range nodes {
		if len(kept) == 0 || n.cost < kept[len(kept)-1].cost {
			kept = append(kept, n)
		}
	}
	return kept
}

// Within returns the plan of least cost in at most a number of bytes, or nil.
func Within(plans []Plan, bytes int) *Plan {
	i := sort.Search(len(plans), func(i int) bool { return plans[i].Bytes > bytes })
	if i == 0 {
		return nil
	}
	return &plans[i-1]
}

// The cells of bytes and of cycles in which Under keeps one partial plan each: fewer where
// the choices of all layers would make more than mostSteps from them.
const (
	byteCells  = 512
	cycleCells = 256
	mostSteps  = 1 << 25
)

// grid is the cells for some layers.
func grid(layers [][]Choice) (bytes, cycles int) {
	choices := 0
	for _, row := range layers {
		choices += len(row)
	}
	bytes, cycles = byteCells, cycleCells
	for bytes*cycles*choices > mostSteps && cycles > 16 {
		bytes, cycles = bytes/2, cycles/2
	}
	return bytes, cycles
}

// Under solves the knapsack with two bounds: the plan of least cost in at most a
// number of bytes and of cycles, or nil. Sums are exact, so that what is returned
// keeps both bounds; of the partial plans whose sums lie in one cell of a grid only
// the cheapest goes on, as the undominated ones of three sums are too many.
func Under(layers [][]Choice, bytes int, cycles float64) *Plan {
	// What the layers after take at least of either.
	restBytes, restCycles := make([]int, len(layers)+1), make([]float64, len(layers)+1)
	for l := len(layers) - 1; l >= 0; l-- {
		b, c := math.MaxInt, math.Inf(1)
		for _, x := range layers[l] {
			b, c = min(b, x.Bytes), min(c, x.Cycles)
		}
		restBytes[l], restCycles[l] = restBytes[l+1]+b, restCycles[l+1]+c
	}
	byteCells, cycleCells := grid(layers)
	front := []*node{{}}
	for l, choices := range layers {
		cells := make([]*node, byteCells*cycleCells)
		for _, p := range front {
			for i, c := range choices {
				n := node{bytes: p.bytes + c.Bytes, cost: p.cost + c.Cost, cycles: p.cycles + c.Cycles, pick: i, parent: p}
				if n.bytes+restBytes[l+1] > bytes || n.cycles+restCycles[l+1] > cycles {
					continue
				}
				at := n.bytes*byteCells/(bytes+1)*cycleCells + min(int(n.cycles/cycles*float64(cycleCells)), cycleCells-1)
				if old := cells[at]; old == nil || n.cost < old.cost {
					kept := n
					cells[at] = &kept
				}
			}
		}
		front = front[:0]
		for _, n := range cells {
			if n != nil {
				front = append(front, n)
			}
		}
	}
	if len(front) == 0 {
		return nil
	}
	plan := slices.MinFunc(front, func(a, b *node) int { return cmp.Compare(a.cost, b.cost) }).plan(len(layers))
	return &plan
}
