package ir

// MostThreads is the greatest number of threads that a plan serves.
const MostThreads = 64

// parts checks V13. Package ir/parts knows which operations can be divided, and how.
func (v *verifier) parts() {
	chains := v.m.InChains()
	for i, n := range v.m.Ops {
		if !n.Has(AttrParts) {
			continue
		}
		switch count := n.Ints(AttrParts)[0]; {
		case count < 2 || count > v.m.Threads:
			v.fail(n.Pos, "V13", "%s is divided into %d parts, the plan serves %d threads", n.Name(), count, max(v.m.Threads, 1))
		case chains[i] != nil:
			v.fail(n.Pos, "V13", "%s is divided into parts and in a chain", n.Name())
		case n.Has(AttrLag):
			v.fail(n.Pos, "V13", "%s is divided into parts and may overlap its argument, which other parts read", n.Name())
		}
	}
}
