package quant

import (
	"context"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// When auto gives no further value 16 bits.
const (
	EnoughSQNR = 40. // dB of each result
	leastShare = .1  // what 8-bit activations still add is this share of what 8-bit weights lose
	spareArena = .25 // of the arena of 8 bits, where the user bounds nothing,
	leastSpare = 256 // and at least so many bytes, which few processors miss
)

// What auto may take to measure, and what it knows of costs.
const (
	autoWork   = 64e9 // multiply-adds and reads of all measurements, more where fewestAuto images take them
	fewestAuto = 4    // images
	mostAuto   = 64
	autoBytes  = 64 << 20 // of the integers of all values in a piece of the images
	wideWork   = .35      // of a multiply-add: what it takes longer with 16 bits
	mostRounds = 8        // measurements of what was chosen
)

// group is values whose integers have one width: an operation between them gives what it takes.
type group struct {
	values []int   // their numbers, as values counts them
	cost   float64 // the share of the network's bytes and of its work that 16 bits add
}

// chooser chooses the groups that get 16 bits. Noise is relative to the signal, for each result.
type chooser struct {
	m       *ir.Module // calibrated, with marks on what has 16 bits in any case
	env     *pass.Env
	images  data.Batch
	rounded []*Rounded // the weights in 8 bits
	groups  []group
	wide    []bool // of each group: the choice
	refused []bool // of each group: the arena has no room for it

	reals   [][]float32 // of each result: the float network's
	signal  []float64   // of each result; 0 of one that has none, or no noise
	weights []float64   // of each result: the noise that is left where every group has 16 bits
	added   [][]float64 // of each group, of each result: the noise of its 8 bits
	goal    []float64   // of each result: the noise that is little enough
}

// widenSome gives 16 bits to the values that lose most, for what they cost, until each result is near
// enough to the float network's, on calibration images with weights of 8 bits. What 8 bits of a group add is
// measured by itself, all others having 16; noise adds up, as roundings are independent. The choice is
// measured as a whole.
func widenSome(ctx context.Context, m *ir.Module, env *pass.Env) error {
	c := &chooser{m: m, env: env, groups: groupsOf(m)}
	said := &pass.Widened{Enough: EnoughSQNR, Before: math.Inf(1), After: math.Inf(1)}
	env.Widened = said
	for _, g := range c.groups {
		said.Of += len(g.values)
	}
	if len(c.groups) == 0 {
		said.Why = "no further value has a form of 16 bits"
		return nil
	}
	before, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	c.wide, c.refused = make([]bool, len(c.groups)), make([]bool, len(c.groups))
	said.Images, said.Before, said.After = c.images.N, worst(before), worst(before)
	if said.Most, err = c.room(ctx, said); err != nil || said.Why != "" {
		return err
	}
	noise := before
	for range mostRounds {
		if c.reached(noise) {
			break
		}
		grew, err := c.extend(ctx, said)
		if err != nil {
			return err
		}
		if !grew {
			break
		}
		if noise, err = c.noise(ctx, c.wide); err != nil {
			return err
		}
		said.After = worst(noise)
		for r, own := range c.expected() { // noise that does not add up as expected
			if noise[r] > own && own > 0 {
				c.goal[r] *= own / noise[r]
			}
		}
	}
	said.Why = c.why(noise)
	list := values(m)
	for g := range c.groups {
		for _, i := range c.groups[g].values {
			if c.wide[g] {
				list[i].Wide = true
				said.Values = append(said.Values, list[i].Name)
			}
		}
	}
	return nil
}

// worst is the least signal-to-noise ratio of a result in dB.
func worst(noise []float64) float64 {
	return -10 * math.Log10(slices.Max(append(slices.Clone(noise), 0)))
}

// why says why no further value got 16 bits.
func (c *chooser) why(noise []float64) string {
	switch {
	case worst(noise) >= EnoughSQNR:
		return ""
	case slices.Contains(c.refused, true):
		return "the arena has no room for more"
	case c.reached(noise):
		return "what is left is the loss of weights of 8 bits"
	}
	return "no further value makes it better"
}

// reached reports whether each result has its goal, or EnoughSQNR.
func (c *chooser) reached(noise []float64) bool {
	for r, n := range noise {
		if n > max(enoughNoise, c.weights[r]*(1+leastShare)) {
			return false
		}
	}
	return true
}

var enoughNoise = math.Pow(10, -EnoughSQNR/10)

// groupsOf are the groups of a calibrated network that can have 16 bits and have not.
func groupsOf(m *ir.Module) []group {
	list, number := values(m), map[*ir.Value]int{}
	can := make([]bool, len(list))
	root := make([]int, len(list))
	find := func(i int) int {
		for root[i] != i {
			root[i] = root[root[i]]
			i = root[i]
		}
		return i
	}
	for i, v := range list {
		number[v], root[i] = i, i
		can[i] = m.CanBeWide(v) && (v.Def == nil || !isMoved(v.Def) || can[number[v.Def.Args[0]]])
	}
	for i, v := range list {
		if !can[i] || v.Def == nil || v.Def.Widths() != ir.SameWidth {
			continue
		}
		for _, a := range v.Def.Args {
			if can[number[a]] {
				x, y := find(i), find(number[a])
				root[max(x, y)] = min(x, y)
			}
		}
	}
	bytes, work := 0., m.Work()
	for _, v := range list {
		bytes += float64(v.Type.Shape.Size())
	}
	var groups []group
	at := map[int]int{}
	for i, v := range list {
		if !can[i] || v.Wide {
			continue
		}
		top := find(i)
		if _, known := at[top]; !known {
			at[top] = len(groups)
			groups = append(groups, group{})
		}
		g := &groups[at[top]]
		g.values = append(g.values, i)
		g.cost += float64(v.Type.Shape.Size()) / bytes
	}
	for _, n := range m.Ops { // each group that an operation takes makes it longer
		for _, a := range n.Args {
			if i := number[a]; can[i] && !a.Wide {
				more := n.Work()
				if n.Op.HasWeights() {
					more *= wideWork
				}
				groups[at[find(i)]].cost += more / work
			}
		}
	}
	return groups
}

// prepare measures what weights and activations lose, and returns the noise of 8 bits.
func (c *chooser) prepare(ctx context.Context) (before []float64, err error) {
	images, err := c.env.Calibration()
	if err != nil {
		return nil, err
	}
	images = measure.Sample(c.m, images, c.env.Seed)
	most := autoWork / max(float64(len(c.groups))*c.m.Work(), 1)
	c.images = images.Slice(0, min(images.N, int(min(max(most, fewestAuto), mostAuto))))
	formats := slices.Repeat([]Format{{Elem: ir.Of(ir.I8), Rounding: Nearest}}, len(c.m.Layers()))
	if c.rounded, err = (&Rounder{Module: c.m, bare: true}).Sequential(ctx, formats); err != nil {
		return nil, err
	}
	if c.reals, err = c.floats(ctx); err != nil {
		return nil, err
	}
	c.keepLowering()
	all := slices.Repeat([]bool{true}, len(c.groups))
	none := make([]bool, len(c.groups))
	narrow, err := c.integers(ctx, none)
	if err != nil {
		return nil, err
	}
	wide, err := c.integers(ctx, all)
	if err != nil {
		return nil, err
	}
	c.signal = make([]float64, len(c.reals))
	for r := range c.reals {
		for _, got := range [][]float32{narrow[r], wide[r]} {
			near := c.near(r, got)
			if noise := relative(c.m, r, near); noise > 0 {
				c.signal[r] = near.Noise / noise
				break
			}
		}
	}
	before, c.weights = c.relative(narrow), c.relative(wide)
	for r := range c.reals {
		c.goal = append(c.goal, max(enoughNoise, c.weights[r]*(1+leastShare)))
	}
	for g := range c.groups {
		if c.env.Progress != nil {
			c.env.Progress("groups of activations", g+1, len(c.groups))
		}
		all[g] = false
		without, err := c.integers(ctx, all)
		if err != nil {
			return nil, err
		}
		all[g] = true
		own := make([]float64, len(c.reals))
		for r, s := range c.signal {
			if s > 0 {
				var near measure.Near
				near.Add(wide[r], without[r])
				own[r] = near.Noise / s
			}
		}
		c.added = append(c.added, own)
	}
	return before, nil
}

// keepLowering leaves out the groups whose integers cannot be computed with 16 bits: sums of very many
// elements leave 32 bits then.
func (c *chooser) keepLowering() {
	lowers := func(wide []bool) bool {
		_, err := c.lowered(wide)
		return err == nil
	}
	if lowers(slices.Repeat([]bool{true}, len(c.groups))) {
		return
	}
	var kept []group
	for g := range c.groups {
		alone := make([]bool, len(c.groups))
		alone[g] = true
		if lowers(alone) {
			kept = append(kept, c.groups[g])
		}
	}
	c.groups = kept
}

// near compares result r with the float network's.
func (c *chooser) near(r int, got []float32) *measure.Near {
	near := &measure.Near{}
	if v := watched(c.m)[r]; v != nil {
		near.AddResult(v.Type.Shape, c.reals[r], got)
	}
	return near
}

// relative is the noise of result r of m relative to its signal, which of values is how they spread; 0
// where that is not defined.
func relative(m *ir.Module, r int, near *measure.Near) float64 {
	db, defined := near.SQNR()
	if spread, isDefined := near.Spread(); isDefined && m.TaskOf(r).Name == ir.Values {
		db = spread
	}
	if !defined {
		return 0
	}
	return math.Pow(10, -db/10)
}

// relative is the noise of all results.
func (c *chooser) relative(answers [][]float32) (noise []float64) {
	for r, got := range answers {
		noise = append(noise, relative(c.m, r, c.near(r, got)))
	}
	return noise
}

// watched is, of each output, the value whose noise counts: the argument of one that is places. It is nil
// where no operation computes that.
func watched(m *ir.Module) (list []*ir.Value) {
	for _, v := range m.Outputs {
		if v.Def != nil && v.Def.Op == ir.ArgMax {
			v = v.Def.Args[0]
		}
		if v.Def == nil {
			v = nil
		}
		list = append(list, v)
	}
	return list
}

// floats is what the float network answers on the images.
func (c *chooser) floats(ctx context.Context) ([][]float32, error) {
	run, err := interp.Stream(c.m)
	if err != nil {
		return nil, err
	}
	watch := watched(c.m)
	answers := make([][]float32, len(watch))
	err = c.pieces(func(part data.Batch) error {
		return run.Run(ctx, part.X, part.N, func(v *ir.Value, y []float32) {
			for r, w := range watch {
				if v == w {
					answers[r] = append(answers[r], y...)
				}
			}
		})
	})
	return answers, err
}

// integers is what the network of integers answers, where some groups have 16 bits.
func (c *chooser) integers(ctx context.Context, wide []bool) ([][]float32, error) {
	m, err := c.lowered(wide)
	if err != nil {
		return nil, err
	}
	run, err := interp.StreamInt(m)
	if err != nil {
		return nil, err
	}
	watch := watched(m)
	answers := make([][]float32, len(watch))
	err = c.pieces(func(part data.Batch) error {
		return run.Run(ctx, interp.QuantizeInputs(m, part.X), part.N, func(v *ir.Value, y []int8) {
			for r, w := range watch {
				if v == w {
					reals := make([]float32, part.N*v.Type.Shape.Size())
					interp.Reals(v.Type, y, reals)
					answers[r] = append(answers[r], reals...)
				}
			}
		})
	})
	return answers, err
}

// lowered is the network of integers, where some groups have 16 bits.
func (c *chooser) lowered(wide []bool) (*ir.Module, error) {
	m := c.marked(wide)
	fitWidths(m)
	return m, Lower(m, c.rounded)
}

// pieces visits the images, some at a time.
func (c *chooser) pieces(visit func(part data.Batch) error) error {
	bytes := 0
	for _, v := range values(c.m) {
		bytes += 4 * v.Type.Shape.Size()
	}
	step := max(autoBytes/max(bytes, 1), 1)
	for first := 0; first < c.images.N; first += step {
		if err := visit(c.images.Slice(first, min(first+step, c.images.N))); err != nil {
			return err
		}
	}
	return nil
}

// marked is a copy of the network with marks on the values of some groups.
func (c *chooser) marked(wide []bool) *ir.Module {
	m := c.m.Clone()
	list := values(m)
	for g, isWide := range wide {
		for _, i := range c.groups[g].values {
			list[i].Wide = list[i].Wide || isWide
		}
	}
	return m
}

// noise measures the network where some groups have 16 bits.
func (c *chooser) noise(ctx context.Context, wide []bool) ([]float64, error) {
	answers, err := c.integers(ctx, wide)
	if err != nil {
		return nil, err
	}
	return c.relative(answers), nil
}

// room is the most bytes that the arena may take: what the user says, or a little more than with 8 bits.
func (c *chooser) room(ctx context.Context, said *pass.Widened) (most int, err error) {
	if c.env.Plan == nil {
		return 0, nil
	}
	if said.ArenaBefore, said.CyclesBefore, err = c.env.Plan(ctx, c.m); err != nil {
		if ctx.Err() != nil {
			return 0, err
		}
		said.Why = "with 8 bits the arena has no room already" // a later pass says what is missing
		return 0, nil
	}
	said.Arena, said.Cycles = said.ArenaBefore, said.CyclesBefore
	switch b := c.env.Budget; {
	case b.RAM > 0:
		return b.RAM, nil
	case b.FreeRAM:
		return 0, nil
	}
	return said.ArenaBefore + max(int(spareArena*float64(said.ArenaBefore)), leastSpare), nil
}

// fits reports whether the choice fits the arena, and notes what it takes.
func (c *chooser) fits(ctx context.Context, said *pass.Widened) (bool, error) {
	if c.env.Plan == nil {
		return true, nil
	}
	bytes, cycles, err := c.env.Plan(ctx, c.marked(c.wide))
	if err != nil {
		return false, ctx.Err() // no plan keeps -ram
	}
	if said.Most > 0 && bytes > said.Most {
		return false, nil
	}
	said.Arena, said.Cycles = bytes, cycles
	return true, nil
}

// extend adds groups to the choice until each result should have its goal: all that this takes if they fit
// the arena, else one after the other those that do. grew is false if there is none.
func (c *chooser) extend(ctx context.Context, said *pass.Widened) (grew bool, err error) {
	first := slices.Clone(c.wide)
	for g := c.best(); g >= 0; g = c.best() {
		c.wide[g], grew = true, true
	}
	if !grew {
		return false, nil
	}
	if fits, err := c.fits(ctx, said); fits || err != nil {
		return fits, err
	}
	copy(c.wide, first)
	grew = false
	for g := c.best(); g >= 0; g = c.best() {
		c.wide[g] = true
		fits, err := c.fits(ctx, said)
		if err != nil {
			return false, err
		}
		c.wide[g], c.refused[g] = fits, !fits
		grew = grew || fits
	}
	return grew, nil
}

// best is the group that brings the results nearest to their goals, for what it costs; -1 if none does.
func (c *chooser) best() int {
	best, most := -1, 0.
	now := c.loss(c.expected())
	for g := range c.groups {
		if c.wide[g] || c.refused[g] {
			continue
		}
		c.wide[g] = true
		gain := (now - c.loss(c.expected())) / max(c.groups[g].cost, 1e-9)
		c.wide[g] = false
		if gain > most {
			best, most = g, gain
		}
	}
	return best
}

// expected is the noise of each result with the choice.
func (c *chooser) expected() []float64 {
	noise := slices.Clone(c.weights)
	for g, isWide := range c.wide {
		if isWide {
			continue
		}
		for r, n := range c.added[g] {
			noise[r] += n
		}
	}
	return noise
}

// loss is how far results are from their goals.
func (c *chooser) loss(noise []float64) (sum float64) {
	for r, n := range noise {
		sum += max(n/c.goal[r]-1, 0)
	}
	return sum
}
