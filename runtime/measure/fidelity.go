package measure

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/interp"
)

// Fidelity is how near a quantized network comes to the float network on some images.
type Fidelity struct {
	Images  int
	Inputs  []Near // in their order: what their rounding loses
	Results []Near // of the outputs, in their order
	Layers  []Near // of the operations that both networks have by one name, in their order
}

// Near is how near a value of the quantized network comes to the float network's.
type Near struct {
	Name string
	Op   string // that computes it; "" of an input
	// Signal and Noise are sums over all elements and images: of the squared float value,
	// and of the squared difference.
	Signal, Noise float64
	// Agree is the images on which the answers of a result are the same; -1 where a result
	// gives no answers.
	Agree int
	// IsValues is set of a result whose task is values; Narrow is why it has 8 bits and not 16,
	// "" of one of 16 bits, and of all others.
	IsValues bool
	Narrow   string
	// Columns are those of a result that gives no answers: its elements, or the channels of
	// [C,H,W], or else the elements of the last axis. Those of an input are its channels if it
	// is a signal, and its elements if it holds features; an image has none.
	Columns []Column
	// Lost is the share in all that is lost: by how much the noise, relative to the signal,
	// is greater than that of the argument with the most, as a share of the sum over all layers.
	Lost float64
}

// Column is sums over the elements of a part of a result, in all images: the numbers of one
// unit.
type Column struct {
	count, sum, squares float64 // of the float values
	Noise               float64 // of the squared differences
}

// variance is that of the float values; 0 where they vary by no more than their rounding.
func (c *Column) variance() float64 {
	mean := c.sum / c.count
	if v := c.squares/c.count - float64(mean*mean); v > noise*noise*c.squares/c.count {
		return v
	}
	return 0
}

// SQNR is the ratio of the variance to the noise in dB: +Inf without noise. It is not defined
// of a column that does not vary.
func (c *Column) SQNR() (db float64, defined bool) {
	switch v := c.variance(); {
	case v == 0:
		return 0, false
	case c.Noise == 0:
		return math.Inf(1), true
	default:
		return 10 * math.Log10(v/(c.Noise/c.count)), true
	}
}

// Decibels is a ratio in dB with the digits that it tells: one text has one number for it, whether a
// certificate or a warning gives it.
func Decibels(db float64) float64 { return math.Round(100*db) / 100 }

// WorstColumn is the column with the least ratio in dB, and its standard deviation as a share
// of the greatest one of a column; -1 of none.
func (n *Near) WorstColumn() (at int, db, share float64) {
	at = -1
	greatest := 0.0
	for i := range n.Columns {
		c := &n.Columns[i]
		greatest = max(greatest, c.variance())
		if own, defined := c.SQNR(); defined && (at < 0 || own < db) {
			at, db = i, own
		}
	}
	if at >= 0 {
		share = math.Sqrt(n.Columns[at].variance() / greatest)
	}
	return at, db, share
}

// Spread is the ratio of the variance within the columns to the noise in dB: +Inf without
// noise. Numbers far from 0 have a great signal, but what they tell is how they differ. It is
// not defined of a result that gives answers, nor where no column varies.
func (n *Near) Spread() (db float64, defined bool) {
	signal, noise := 0.0, 0.0
	for i := range n.Columns {
		c := &n.Columns[i]
		signal, noise = signal+float64(c.variance()*c.count), noise+c.Noise
	}
	switch {
	case signal == 0:
		return 0, false
	case noise == 0:
		return math.Inf(1), true
	}
	return 10 * math.Log10(signal/noise), true
}

// columnsOf is the columns of a result, and how many elements lie between two of a column.
func columnsOf(s ir.Shape) (columns, apart int) {
	switch len(s) {
	case 0:
		return 1, 1
	case 3:
		return s[0], s[1] * s[2]
	}
	return s[len(s)-1], 1
}

// columnsOfInput is the same of an input of a signal or of features; 0 of any other.
func columnsOfInput(m *ir.Module, v *ir.Value) (columns, apart int) {
	size := v.Type.Shape.Size()
	switch holds := v.Holds(); {
	case m.IsIndex(v):
		return 0, 1
	case holds.Kind == ir.Features:
		return size, 1
	case holds.Kind == ir.Signal && holds.Axis == 0: // time comes first
		return size / v.Type.Shape[0], 1
	case holds.Kind == ir.Signal:
		return v.Type.Shape[0], size / v.Type.Shape[0]
	}
	return 0, 1
}

// addColumns takes in elements of some images, of so many columns.
func (n *Near) addColumns(columns, apart int, want, got []float32) {
	if n.Columns == nil {
		n.Columns = make([]Column, columns)
	}
	for i, v := range want {
		x, d := float64(v), float64(got[i])-float64(v)
		c := &n.Columns[i/apart%columns]
		c.count, c.sum, c.squares, c.Noise = c.count+1, c.sum+x, c.squares+float64(x*x), c.Noise+float64(d*d)
	}
}

// Add takes in elements of the float value and of the quantized one, and returns the
// greatest difference between two.
func (n *Near) Add(want, got []float32) (greatest float64) {
	for i, x := range want {
		d := float64(got[i]) - float64(x)
		n.Signal += float64(float64(x) * float64(x))
		n.Noise += float64(d * d)
		greatest = max(greatest, math.Abs(d))
	}
	return greatest
}

// AddResult is Add for a result of this shape, whose columns count, too.
func (n *Near) AddResult(shape ir.Shape, want, got []float32) {
	n.Add(want, got)
	columns, apart := columnsOf(shape)
	n.addColumns(columns, apart, want, got)
}

// SQNR is the signal-to-quantization-noise ratio in dB: +Inf without noise. It is not
// defined where the float value is 0 everywhere and the quantized one is not.
func (n *Near) SQNR() (db float64, defined bool) {
	switch {
	case n.Noise == 0:
		return math.Inf(1), true
	case n.Signal == 0:
		return 0, false
	}
	return 10 * math.Log10(n.Signal/n.Noise), true
}

// relative is the noise relative to the signal; that of the arguments where the signal is 0.
func (n *Near) relative(args float64) float64 {
	if n.Signal == 0 {
		return args
	}
	return n.Noise / n.Signal
}

// Worst is the layer in which most is lost; nil where nothing is.
func (f *Fidelity) Worst() *Near {
	var worst *Near
	for i := range f.Layers {
		if l := &f.Layers[i]; l.Lost > 0 && (worst == nil || l.Lost > worst.Lost) {
			worst = l
		}
	}
	return worst
}

// The images that a fidelity is measured on: a sample bounds what it costs. A build
// calibrates on 512 images unless it is told.
const (
	mostSampled   = 128
	fewestSampled = 16
	sampledWork   = 64e9 // of one network over all images, see ir.Module.Work
)

// Sample draws the images to measure the fidelity of m on, the same ones for a seed.
func Sample(m *ir.Module, b data.Batch, seed uint64) data.Batch {
	n := int(min(max(sampledWork/max(m.Work(), 1), fewestSampled), mostSampled))
	if n >= b.N {
		return b
	}
	drawn := rand.New(rand.NewPCG(seed, 0xf1de)).Perm(b.N)[:n]
	slices.Sort(drawn)
	return b.Pick(drawn)
}

// keptBytes bounds the values of the float network that are kept to be compared.
const keptBytes = 64 << 20

// Compare runs a float network and the quantized one on images, operation by operation.
// answers says of each output whether it gives answers to be compared: one label an image.
func Compare(ctx context.Context, float, quantized *ir.Module, b data.Batch, answers []bool) (*Fidelity, error) {
	if len(float.Outputs) != len(quantized.Outputs) {
		return nil, fmt.Errorf("measure: %d outputs and %d are not of one network", len(float.Outputs), len(quantized.Outputs))
	}
	reals, err := interp.Stream(float)
	if err != nil {
		return nil, err
	}
	ints, err := interp.StreamInt(quantized)
	if err != nil {
		return nil, err
	}
	c := newComparison(float, quantized, answers)
	step := max(keptBytes/max(c.bytes, 1), 1)
	for first := 0; first < b.N; first += step {
		part := b.Slice(first, min(first+step, b.N))
		clear(c.kept)
		if err := reals.Run(ctx, part.X, part.N, c.keep); err != nil {
			return nil, err
		}
		q := interp.QuantizeInputs(quantized, part.X)
		c.inputs(part, q)
		if err := ints.Run(ctx, q, part.N, func(v *ir.Value, y []int8) { c.compare(v, y, part.N) }); err != nil {
			return nil, err
		}
	}
	return c.fidelity(b.N), nil
}

// comparison is the sums of Compare.
type comparison struct {
	m        *ir.Module
	of       map[*ir.Value]*ir.Value // the quantized value of a float one
	kept     map[*ir.Value][]float32 // the reals of a quantized value
	near     map[*ir.Value]*Near     // of each quantized value that has a float one
	returned map[*ir.Value]bool
	agree    map[*ir.Value]*int // of each output that gives answers
	bytes    int                // of all float values of one image
	reals    []float32          // those that integers stand for
}

func newComparison(float, quantized *ir.Module, answers []bool) *comparison {
	c := &comparison{m: quantized, of: map[*ir.Value]*ir.Value{}, kept: map[*ir.Value][]float32{}, near: map[*ir.Value]*Near{}, returned: quantized.Returned(), agree: map[*ir.Value]*int{}}
	named := map[string]*ir.Value{}
	for _, n := range quantized.Ops {
		named[n.Name()] = n.Out
	}
	pair := func(f, q *ir.Value) {
		if q == nil || f.Type.Shape.Size() != q.Type.Shape.Size() {
			return
		}
		c.of[f] = q
		c.near[q] = &Near{Name: q.Name, Agree: -1}
		if q.Def != nil {
			c.near[q].Op = q.Def.Op.String()
		}
	}
	for _, n := range float.Ops {
		pair(n.Out, named[n.Name()])
		c.bytes += 4 * n.Out.Type.Shape.Size()
	}
	for i, f := range float.Outputs {
		pair(f, quantized.Outputs[i])
		if answers[i] {
			c.agree[quantized.Outputs[i]] = new(int)
		}
	}
	for i, f := range float.Inputs {
		pair(f, quantized.Inputs[i])
	}
	return c
}

// keep takes a value of the float network.
func (c *comparison) keep(v *ir.Value, x []float32) {
	if q := c.of[v]; q != nil {
		c.kept[q] = append([]float32(nil), x...)
	}
}

// inputs adds what the rounding of the inputs loses.
func (c *comparison) inputs(b data.Batch, q []int8) {
	at, slot, record := 0, 0, len(q)/b.N
	for _, v := range c.m.Inputs {
		size, slots := v.Type.Shape.Size(), v.Type.Slots()
		for i := range b.N {
			c.kept[v] = b.Image(i)[at : at+size]
			c.compare(v, q[i*record+slot:][:slots], 1)
		}
		at, slot = at+size, slot+slots
	}
}

// compare adds a value of the quantized network.
func (c *comparison) compare(v *ir.Value, y []int8, images int) {
	n, want := c.near[v], c.kept[v]
	if n == nil || want == nil {
		return
	}
	delete(c.kept, v)
	c.reals = slices.Grow(c.reals[:0], len(want))[:len(want)]
	interp.Reals(v.Type, y, c.reals)
	n.Add(want, c.reals)
	columns, apart := 0, 1
	switch {
	case v.Def == nil:
		columns, apart = columnsOfInput(c.m, v)
	case c.returned[v] && c.agree[v] == nil:
		columns, apart = columnsOf(v.Type.Shape)
	}
	if columns > 0 {
		n.addColumns(columns, apart, want, c.reals)
	}
	if a := c.agree[v]; a != nil {
		*a += agreeing(want, c.reals, images, v.Def != nil && v.Def.Op == ir.ArgMax)
	}
}

// agreeing is the images with equal answers; places are answers already.
func agreeing(want, got []float32, images int, arePlaces bool) (n int) {
	size := len(want) / images
	for i := range images {
		a, b := want[i*size:(i+1)*size], got[i*size:(i+1)*size]
		if arePlaces && slices.Equal(a, b) || !arePlaces && Argmax(a) == Argmax(b) {
			n++
		}
	}
	return n
}

// fidelity is what the sums say.
func (c *comparison) fidelity(images int) *Fidelity {
	f := &Fidelity{Images: images}
	noise := map[*ir.Value]float64{}
	for _, v := range c.m.Inputs {
		f.Inputs = append(f.Inputs, *c.near[v])
		noise[v] = c.near[v].relative(0)
	}
	sum := 0.
	for _, n := range c.m.Ops {
		args := 0.
		for _, a := range n.Args {
			args = max(args, noise[a])
		}
		near := c.near[n.Out]
		if near == nil { // of the quantized network alone
			noise[n.Out] = args
			continue
		}
		noise[n.Out] = near.relative(args)
		near.Lost = max(noise[n.Out]-args, 0)
		sum += near.Lost
	}
	for _, n := range c.m.Ops {
		if near := c.near[n.Out]; near != nil {
			if sum > 0 {
				near.Lost /= sum
			}
			f.Layers = append(f.Layers, *near)
		}
	}
	for i, v := range c.m.Outputs {
		near := Near{Agree: -1}
		if c.near[v] != nil {
			near = *c.near[v]
		}
		near.Name = c.m.ResultName(i)
		if a := c.agree[v]; a != nil {
			near.Agree = *a
		}
		if near.IsValues = c.m.TaskOf(i).Name == ir.Values; near.IsValues && !v.Type.IsWide() {
			near.Narrow = c.m.WhyNarrow(v)
		}
		f.Results = append(f.Results, near)
	}
	return f
}

// GiveAnswers says of each output of a network whether it names one label an image: by the
// task, or where nobody says it by a softmax or argmax at its end. asked is a task as -task says it.
func GiveAnswers(m *ir.Module, asked string, labels []int) []bool {
	said, unasked := askedOf(m, asked)
	list := make([]bool, len(m.Outputs))
	for i, o := range m.Outputs {
		last := source(o)
		_, isVector := vector(o.Type.Shape)
		isPlain, isSaid := false, false
		if unasked == nil {
			r, err := resultOf(m, i, said[i], asked, labels)
			isPlain, isSaid = err == nil && r.isPlain(), err == nil && said[i].Name != ""
		}
		list[i] = isPlain || !isSaid && (last != nil && last.Op == ir.ArgMax || isVector && isSoftmax(last))
	}
	return list
}
