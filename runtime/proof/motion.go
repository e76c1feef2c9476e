package proof

import (
	"math/big"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// Kind is one error of one parameter that moves every element of an image one way: a kind of
// package disturb, in one of its directions.
type Kind struct {
	Name string // of the kind of package disturb
	Way  string // which of its directions, where it has several; else ""
	line func(v *big.Rat) []piece
	// colour moves a channel of a pixel of three by all three; nil of a kind that moves each
	// element by itself.
	colour func(pixel [3]*big.Rat, channel int) []piece
	// sample moves a sample of a channel, or a feature; nil of a kind of images.
	sample func(c *channel, i int) []piece
}

// String is the name with its direction.
func (k *Kind) String() string { return strings.TrimSpace(k.Name + " " + k.Way) }

// piece is a line on which an element moves from a size on, until the next piece begins: a+bt,
// or a+b/(1+ct) where there is a c. Elements are shares of the input's range, and are clamped
// to [0,1] where they leave it.
type piece struct{ from, a, b, c *big.Rat }

// at is the element at a size.
func (p *piece) at(t *big.Rat) *big.Rat {
	if p.c == nil {
		return sum(p.a, product(p.b, t))
	}
	return sum(p.a, quotient(p.b, sum(one, product(p.c, t))))
}

// way is 1 of an element that rises, -1 of one that falls, 0 of one that stays.
func (p *piece) way() int {
	if p.c == nil {
		return p.b.Sign()
	}
	return -p.b.Sign() * p.c.Sign()
}

// when is the size at which the line has a value; nil where it never does.
func (p *piece) when(v *big.Rat) *big.Rat {
	d := difference(v, p.a)
	if p.c == nil {
		return d.Quo(d, p.b)
	}
	if d.Sign() != p.b.Sign() {
		return nil
	}
	d.Quo(p.b, d)
	return d.Quo(d.Sub(d, one), p.c)
}

func rat(num, den int64) *big.Rat { return big.NewRat(num, den) }

// The constants are shared, and nobody writes to them.
var (
	zero, half, one = rat(0, 1), rat(1, 2), rat(1, 1)
)

func sum(a, b *big.Rat) *big.Rat        { return new(big.Rat).Add(a, b) }
func difference(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }
func product(a, b *big.Rat) *big.Rat    { return new(big.Rat).Mul(a, b) }
func quotient(a, b *big.Rat) *big.Rat   { return new(big.Rat).Quo(a, b) }
func negative(a *big.Rat) *big.Rat      { return new(big.Rat).Neg(a) }

// straight is a motion of one piece.
func straight(a, b *big.Rat) []piece { return []piece{{from: zero, a: a, b: b}} }

// kinds is the table of what can be proved.
var kinds = []*Kind{
	{Name: "light", Way: "brighter", line: func(v *big.Rat) []piece { return straight(v, one) }},
	{Name: "light", Way: "darker", line: func(v *big.Rat) []piece { return straight(v, rat(-1, 1)) }},
	{Name: "brighten", line: func(v *big.Rat) []piece { return straight(v, v) },
		colour: func(p [3]*big.Rat, ch int) []piece { return lightness(p, ch, one) }},
	{Name: "darken", line: func(v *big.Rat) []piece { return straight(v, negative(v)) },
		colour: func(p [3]*big.Rat, ch int) []piece { return lightness(p, ch, rat(-1, 1)) }},
	{Name: "contrast", line: func(v *big.Rat) []piece { return straight(v, difference(half, v)) }},
	{Name: "fog-blend", line: func(v *big.Rat) []piece { return straight(v, difference(one, v)) }},
	{Name: "drift", Way: "up", sample: func(c *channel, i int) []piece { return straight(c.of[i], c.elapsed(i)) }},
	{Name: "drift", Way: "down", sample: func(c *channel, i int) []piece { return straight(c.of[i], negative(c.elapsed(i))) }},
	{Name: "gain", Way: "louder", sample: func(c *channel, i int) []piece {
		return straight(c.of[i], product(gainMost, difference(c.of[i], c.rest)))
	}},
	{Name: "gain", Way: "softer", sample: func(c *channel, i int) []piece {
		return []piece{{from: zero, a: c.rest, b: difference(c.of[i], c.rest), c: gainMost}}
	}},
	{Name: "saturation", sample: saturated},
}

// Names lists the kinds of error that can be proved, as -errors names them.
func Names() (list []string) {
	for _, k := range kinds {
		if !slices.Contains(list, k.Name) {
			list = append(list, k.Name)
		}
	}
	return list
}

// KindsOf are the directions of a kind of error, or a diagnostic of one that cannot be proved.
func KindsOf(name string) (list []*Kind, err error) {
	for _, k := range kinds {
		if k.Name == name {
			list = append(list, k)
		}
	}
	if len(list) > 0 {
		return list, nil
	}
	d := diag.New(diag.Pos{}, diag.Unsupported, "%s cannot be proved: only an error of one parameter that moves every element one way has finitely many images that can be listed", name).
		WithHelp("what can be proved is %s; dnnc eval measures %s", strings.Join(Names(), " "), name)
	if name == "light-random" {
		d.WithHelp("light proves both directions of it")
	}
	return nil, d
}

// leastRoom is the room for chroma below which package disturb takes a colour for white or
// black, and so for gray.
var leastRoom = new(big.Rat).SetFloat64(1e-9)

// lightness moves a channel of a colour whose lightness l, in the sense of HLS, becomes
// m = l(1+by*t): to m + (v-l)*(1-|2m-1|)/(1-|2l-1|). That is a line in m on either side of
// m = 1/2.
func lightness(p [3]*big.Rat, channel int, by *big.Rat) []piece {
	v, least, most := p[channel], p[0], p[0]
	for _, c := range p[1:] {
		if c.Cmp(least) < 0 {
			least = c
		}
		if c.Cmp(most) > 0 {
			most = c
		}
	}
	l := product(sum(least, most), half)
	slope := product(l, by) // of m
	room := difference(one, new(big.Rat).Abs(difference(sum(l, l), one)))
	if room.Cmp(leastRoom) <= 0 {
		return straight(l, slope)
	}
	tint := quotient(product(rat(2, 1), difference(v, l)), room)
	below := func(from *big.Rat) piece { // m(1+tint)
		f := sum(one, tint)
		return piece{from: from, a: product(l, f), b: product(slope, f)}
	}
	above := func(from *big.Rat) piece { // tint + m(1-tint)
		f := difference(one, tint)
		return piece{from: from, a: sum(tint, product(l, f)), b: product(slope, f)}
	}
	isAbove := l.Cmp(half) > 0 || l.Cmp(half) == 0 && by.Sign() > 0
	crosses := isAbove == (by.Sign() < 0) && l.Cmp(half) != 0
	if crosses {
		at := quotient(difference(half, l), slope) // l + slope*at = 1/2
		if at.Cmp(one) < 0 {
			if isAbove {
				return []piece{above(zero), below(at)}
			}
			return []piece{below(zero), above(at)}
		}
	}
	if isAbove {
		return []piece{above(zero)}
	}
	return []piece{below(zero)}
}

// Motion is how the integers of one image move under an error.
type Motion struct {
	Kind *Kind
	grid
	lines [][]piece // of the elements that move alike, one for all
	of    []int32   // by element: its line
}

// NewMotion is the motion of an image x, of the reals of an input, under an error. The
// integers are those of a grid.
func NewMotion(k *Kind, in disturb.Input, q ir.Quant, x []float32) (*Motion, error) {
	g, err := newGrid(in, q)
	if err != nil {
		return nil, err
	}
	m := &Motion{Kind: k, grid: *g, of: make([]int32, len(x))}
	if k.sample != nil {
		err = m.samples(x)
	} else {
		err = m.pixels(x)
	}
	if err != nil {
		return nil, err
	}
	n := 0
	for _, line := range m.lines {
		from, to := m.levelAt(line, zero), m.levelAt(line, one)
		n += max(from-to, to-from)
	}
	if n > mostEvents {
		return nil, diag.New(in.Pos, diag.Unsupported, "%s changes the integers of one image of %s %d times, and at most %d can be listed", k, in.Name, n, mostEvents).
			WithHelp("what grows it is distinct colours: prove images of fewer, or an error that moves each element by itself, as light")
	}
	return m, nil
}

// pixels makes the lines of an image: one for all elements that move alike.
func (m *Motion) pixels(x []float32) error {
	k, shape := m.Kind, m.in.Shape
	plane := 0 // elements between the channels of a pixel; 0 where each element is by itself
	if k.colour != nil && len(shape) == 3 && shape[0] == 3 {
		plane = len(x) / 3
	}
	type alike struct {
		reals   [3]float32
		channel int
	}
	index := make(map[alike]int32)
	for i, v := range x {
		key := alike{reals: [3]float32{v}}
		if plane > 0 {
			key = alike{[3]float32{x[i%plane], x[i%plane+plane], x[i%plane+2*plane]}, i / plane}
		}
		at, is := index[key]
		if !is {
			var pixel [3]*big.Rat
			for c, real := range key.reals {
				var err error
				if pixel[c], err = m.share(real); err != nil {
					return err
				}
			}
			line := k.line(pixel[0])
			if plane > 0 {
				line = k.colour(pixel, key.channel)
			}
			at = int32(len(m.lines))
			index[key], m.lines = at, append(m.lines, line)
		}
		m.of[i] = at
	}
	return nil
}

// mostEvents bounds the changes of a path, each of which takes some 200 bytes: as many as an
// image of 96x96 pixels has whose colours are all different.
const mostEvents = 1 << 22

// levelAt is the integer of an element on a line at a size.
func (m *Motion) levelAt(line []piece, t *big.Rat) int {
	p := line[0]
	for _, q := range line[1:] {
		if q.from.Cmp(t) <= 0 {
			p = q
		}
	}
	return m.level(p.at(t))
}

// At is the image of integers at a size, each element computed by itself.
func (m *Motion) At(t *big.Rat) []int8 {
	list := make([]int8, len(m.lines))
	for i, line := range m.lines {
		list[i] = int8(m.levelAt(line, t))
	}
	x := make([]int8, len(m.of))
	for i, line := range m.of {
		x[i] = list[line]
	}
	return x
}

// Path is the distinct images of integers of a motion, in the order of their sizes.
type Path struct {
	Start []int8 // at size 0
	Steps []Step
}

// Step is an image, by what it changes of the one before.
type Step struct {
	At      *big.Rat // the size at which it begins,
	After   bool     // or after which, At itself having the image before
	Changes []Change
}

// Change gives an element another integer.
type Change struct {
	Element int32
	Value   int8
}

// event is the change of a line to a level.
type event struct {
	at    fraction
	near  float64 // the float64 nearest to it, which sorts most of them
	after bool
	line  int32
	value int8
}

func (e *event) compare(o *event) int {
	switch {
	case e.near < o.near:
		return -1
	case e.near > o.near:
		return 1
	}
	if c := e.at.compare(o.at); c != 0 {
		return c
	}
	switch {
	case e.after == o.after:
		return 0
	case o.after:
		return -1
	}
	return 1
}

// Path lists the images.
func (m *Motion) Path() *Path {
	var events []event
	for i, line := range m.lines {
		m.events(line, func(at fraction, after bool, value int) {
			events = append(events, event{at, at.float(), after, int32(i), int8(value)})
		})
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.compare(&b) })
	members := make([][]int32, len(m.lines))
	for i, line := range m.of {
		members[line] = append(members[line], int32(i))
	}
	p := &Path{Start: m.At(zero)}
	for i, e := range events {
		if i == 0 || events[i-1].compare(&e) != 0 {
			p.Steps = append(p.Steps, Step{At: e.at.rat(), After: e.after})
		}
		s := &p.Steps[len(p.Steps)-1]
		for _, element := range members[e.line] {
			s.Changes = append(s.Changes, Change{element, e.value})
		}
	}
	return p
}

// events tells when an element on a line takes another integer. A real that rises has the
// next integer where it is halfway to it, ties being rounded up; one that falls has the one
// before just after that.
func (m *Motion) events(line []piece, tell func(at fraction, after bool, value int)) {
	now := m.levelAt(line, zero)
	for i, p := range line {
		end := fractionOf(one)
		if i+1 < len(line) {
			end = fractionOf(line[i+1].from)
		}
		rises := p.way()
		if rises == 0 {
			continue
		}
		when := m.reaches(p)
		for {
			n := now
			if rises > 0 {
				n++
			}
			if n > m.most || n <= m.least {
				break
			}
			at, ever := when(n)
			if !ever {
				break
			}
			if c := at.compare(end); c > 0 || c == 0 && rises < 0 {
				break
			}
			now += rises
			tell(at, rises < 0, now)
		}
	}
}

// reaches tells the size at which an element on a line has a real that is rounded to n, or
// just not to n-1; of some lines there is none.
func (m *Motion) reaches(p piece) func(n int) (at fraction, ever bool) {
	if p.c != nil {
		return func(n int) (fraction, bool) {
			at := p.when(quotient(difference(rat(int64(n), 1), m.offset), m.gain))
			if at == nil {
				return fraction{}, false
			}
			return fractionOf(at), true
		}
	}
	// gain*(a+bt)+offset = n at t = n*step - from.
	step := new(big.Rat).Inv(product(m.gain, p.b))
	of := multiples(step, product(sum(product(m.gain, p.a), m.offset), step))
	return func(n int) (fraction, bool) { return of(n), true }
}

// Before is the image just before step i; before step 0 it is Start, before len(Steps) the last.
func (p *Path) Before(i int) []int8 {
	x := slices.Clone(p.Start)
	for _, s := range p.Steps[:i] {
		for _, c := range s.Changes {
			x[c.Element] = c.Value
		}
	}
	return x
}

// Begun is the number of steps whose images have begun at a size: its image is Before(Begun).
func (p *Path) Begun(t *big.Rat) int {
	n, _ := slices.BinarySearchFunc(p.Steps, t, func(s Step, t *big.Rat) int {
		if c := s.At.Cmp(t); c < 0 || c == 0 && !s.After {
			return -1
		}
		return 1
	})
	return n
}
