package robust

import "sort"

// Choice is one way to serve a layer: its packed bytes and its cost.
type Choice struct {
	Bytes int
	Cost  float64
}

// Plan is one choice a layer, by index, with their sums.
type Plan struct {
	Bytes int
	Cost  float64
	Picks []int
}

// node is a partial plan on the Pareto list; parents share their prefix.
type node struct {
	bytes  int
	cost   float64
	pick   int
	parent *node
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
				next = append(next, &node{p.bytes + c.Bytes, p.cost + c.Cost, i, p})
			}
		}
		front = undominated(next)
	}
	plans := make([]Plan, len(front))
	for i, n := range front {
		plans[i] = Plan{Bytes: n.bytes, Cost: n.cost, Picks: make([]int, len(layers))}
		for l, p := len(layers)-1, n; l >= 0; l, p = l-1, p.parent {
			plans[i].Picks[l] = p.pick
		}
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
