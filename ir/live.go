package ir

// Interval is the steps of the schedule, by index in Ops, over which a value
// must be kept: From the step that writes it (-1 for an input and a state) To the last one
// that reads it (len(Ops) for an output).
type Interval struct{ From, To int }

// Liveness computes the interval of every value.
func Liveness(m *Module) map[*Value]Interval {
	live := map[*Value]Interval{}
	for _, in := range m.Inputs {
		live[in] = Interval{-1, -1}
	}
	for i, n := range m.Ops {
		live[n.Out] = Interval{i, i}
		for _, a := range n.Args {
			live[a] = Interval{live[a].From, i}
		}
	}
	for _, s := range m.States {
		live[s] = Interval{-1, len(m.Ops)}
	}
	for _, o := range m.Outputs {
		live[o] = Interval{live[o].From, len(m.Ops)}
	}
	return live
}

// InMemory computes the interval over which the memory of every value is taken. It is that of
// Liveness but for chains, whose operations run once for each stripe: what is whole is taken
// from a chain's first operation to its last, and so is a buffer, unless its rows are kept apart.
func InMemory(m *Module) map[*Value]Interval {
	live := Liveness(m)
	for _, c := range m.Chains() {
		for _, n := range m.Ops[c.From:min(c.To+1, len(m.Ops))] {
			for _, a := range n.Args {
				if a.Def == nil || !a.Def.Has(AttrKept) {
					live[a] = Interval{live[a].From, max(live[a].To, c.To)}
				}
			}
			if !n.Has(AttrKept) {
				live[n.Out] = Interval{min(live[n.Out].From, c.From), max(live[n.Out].To, c.To)}
			}
		}
	}
	return live
}

// Block is a run of arena bytes over an interval of steps.
type Block struct {
	Name          string
	Offset, Bytes int
	Interval
	Value *Value // nil of scratch
	Over  *Value // that may overlap the block, where it begins Lag bytes after it
	Lag   int
}

// Blocks lists the placed arena memory of m in the order of the schedule: the states, then of each operation
// its result, or the buffer of it, the rows that are kept apart, the buffer of its argument,
// its scratch.
func Blocks(m *Module) []Block {
	live := InMemory(m)
	var blocks []Block
	whole := Interval{0, len(m.Ops)}
	if m.Streams() {
		blocks = append(blocks, Block{Name: "the tag of the reset", Bytes: ResetTagBytes, Interval: whole})
	}
	for _, s := range m.States {
		blocks = append(blocks, Block{Name: s.Name, Offset: s.At.Offset, Bytes: s.Type.Slots(), Interval: whole, Value: s})
	}
	chains := m.InChains()
	for i, n := range m.Ops {
		rows := func(key Key[[]int], of *Value, name string) {
			if c := chains[i]; c != nil && n.Has(key) && n.Ints(key)[1] > 0 {
				at := n.Ints(key)
				blocks = append(blocks, Block{Name: n.Name() + " " + name, Offset: at[0], Bytes: at[1] * of.RowBytes(), Interval: Interval{c.From, c.To}})
			}
		}
		if n.Out.At.Kind == InArena {
			b := Block{Name: n.Name(), Offset: n.Out.At.Offset, Bytes: n.OutBytes(), Interval: live[n.Out], Value: n.Out}
			if n.Has(AttrLag) && live[n.Args[0]].To == i {
				b.Over, b.Lag = n.Args[0], n.Int(AttrLag)
			}
			blocks = append(blocks, b)
		}
		rows(AttrKept, n.Out, "kept")
		rows(AttrLoad, n.Args[0], "load")
		if n.Has(AttrScratch) {
			s := n.Ints(AttrScratch)
			blocks = append(blocks, Block{Name: n.Name() + " scratch", Offset: s[0], Bytes: s[1], Interval: Interval{i, i}})
		}
	}
	return blocks
}

// Equal reports whether a and b are the same network: the same text, which is
// canonical, and the same bytes in every constant. Positions do not count.
func Equal(a, b *Module) (bool, error) {
	if a.String() != b.String() {
		return false, nil
	}
	for i, c := range a.Consts {
		x, err := c.Load()
		if err != nil {
			return false, err
		}
		y, err := b.Consts[i].Load()
		if err != nil {
			return false, err
		}
		if string(x) != string(y) {
			return false, nil
		}
	}
	return true, nil
}
