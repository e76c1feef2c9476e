package tune

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
)

// mostDraws is how often every image is drawn at most: the first time as it is, then moved, each
// time under another error.
const mostDraws = 6

// shiftShare is the part of an axis by which an item is moved at most, either way.
const shiftShare = 10

// moves are how items are changed beside their errors.
type moves struct{ crop, flip, shift bool }

// movesOf are those that -augment names; unless it names some, pictures in color are moved and
// mirrored, and signals are moved in time. Gray pictures are often letters, digits and things
// that lie in the middle: moved, they are items that the float network never saw.
func movesOf(m *ir.Module, augment string) moves {
	if augment != "" {
		has := func(word string) bool { return slices.Contains(strings.Split(augment, ","), word) }
		return moves{has("crop"), has("flip"), has("shift")}
	}
	var all moves
	for _, v := range m.Inputs {
		switch v.Holds().Kind {
		case ir.Image:
			if s := v.Type.Shape; len(s) == 3 && s[0] == 3 {
				all.crop, all.flip = true, true
			}
		case ir.Signal:
			all.shift = true
		}
	}
	return all
}

// move moves one item in place.
func (mv moves) move(m *ir.Module, x []float32, rng *rand.Rand) {
	dy, dx, dt, isMirrored := rng.Float64(), rng.Float64(), rng.Float64(), rng.IntN(2) == 1
	for _, v := range m.Inputs {
		s := v.Type.Shape
		own := x[:s.Size()]
		x = x[len(own):]
		switch holds := v.Holds(); {
		case holds.Kind == ir.Image:
			if len(s) == 2 {
				s = ir.Shape{1, s[0], s[1]}
			}
			if mv.crop {
				along(own, s[0], s[1], s[2], shifted(dy, s[1]))
				along(own, s[0]*s[1], s[2], 1, shifted(dx, s[2]))
			}
			if mv.flip && isMirrored {
				for line := range slices.Chunk(own, s[2]) {
					slices.Reverse(line)
				}
			}
		case holds.Kind == ir.Signal && mv.shift:
			inner := ir.Shape(s[holds.Axis+1:]).Size()
			along(own, s.Size()/s[holds.Axis]/inner, s[holds.Axis], inner, shifted(dt, s[holds.Axis]))
		}
	}
}

// shifted is by how much an axis of a length is moved, for a number of [0,1).
func shifted(u float64, length int) int {
	most := (length + shiftShare/2) / shiftShare
	return int(u*float64(2*most+1)) - most
}

// along moves x[outer][length][inner] by elements of the middle axis; what comes in at an end is
// like that end.
func along(x []float32, outer, length, inner, by int) {
	if by == 0 {
		return
	}
	was := slices.Clone(x)
	for o := range outer {
		for i := range length {
			from := min(max(i+by, 0), length-1)
			copy(x[(o*length+i)*inner:][:inner], was[(o*length+from)*inner:])
		}
	}
}

// draw is images, moved and disturbed: kinds of error evenly, the clean one among them, and
// sizes of a kind evenly. number tells draws apart.
func draw(env *pass.Env, m *ir.Module, clean data.Batch, mv moves, number int) (data.Batch, error) {
	out := clean
	out.X = slices.Clone(clean.X)
	if number > 0 && mv != (moves{}) {
		for i := range out.N {
			mv.move(m, out.Image(i), rand.New(rand.NewPCG(env.Seed, uint64(pass.TuneAt+number*out.N+i))))
		}
	}
	kinds := kindsOf(env.Errors)
	places := make([][]int, len(env.Errors))
	for i := range out.N {
		at := i + number
		if k := kinds[at%len(kinds)]; k != nil {
			c := k[at/len(kinds)%len(k)]
			places[c] = append(places[c], i)
		}
	}
	for c, list := range places {
		if len(list) == 0 {
			continue
		}
		some, err := disturb.Images(out.Pick(list), pass.TuneAt+number*out.N+list[0], env.Errors[c], env.Seed, env.Gradient)
		if err != nil {
			return out, err
		}
		for j, i := range list {
			copy(out.Image(i), some.Image(j))
		}
	}
	return out, nil
}

// kindsOf lists the conditions of each kind of error, nil of the clean one.
func kindsOf(list []disturb.Condition) [][]int {
	kinds := [][]int{nil}
	for i, c := range list {
		k := slices.IndexFunc(kinds[1:], func(of []int) bool { return list[of[0]].SameKind(c) }) + 1
		if k == 0 {
			k = len(kinds)
			kinds = append(kinds, nil)
		}
		kinds[k] = append(kinds[k], i)
	}
	return kinds
}

// lessons are the items that a network is tuned on, with the float network's answers.
type lessons struct {
	n       int
	x       []float32 // records, for tasks that look at them
	answers []float32
	values  interp.Tensors[int8] // that the operations which run read
}

// batch is some of the lessons, by their numbers.
func (l *lessons) batch(at []int) (x, answers []float32, values interp.Tensors[int8]) {
	values = make(interp.Tensors[int8], len(l.values))
	for id, v := range l.values {
		if v != nil {
			values[id] = pick(v, l.n, at)
		}
	}
	return pick(l.x, l.n, at), pick(l.answers, l.n, at), values
}

// pick is the parts of x[n] at some places.
func pick[T any](x []T, n int, at []int) []T {
	size := len(x) / n
	out := make([]T, 0, len(at)*size)
	for _, i := range at {
		out = append(out, x[i*size:(i+1)*size]...)
	}
	return out
}

// teach draws images, and asks the float network for its answers. p is the network of integers.
func (t *tuning) teach(ctx context.Context, p *interp.Int, clean data.Batch, draws int) (*lessons, error) {
	mv := movesOf(t.f, t.env.Tune.Augment)
	l := &lessons{n: draws * clean.N}
	for d := range draws {
		b, err := draw(t.env, t.f, clean, mv, d)
		if err != nil {
			return nil, err
		}
		answers, err := t.float.Results(ctx, b.X, b.N)
		if err != nil {
			return nil, err
		}
		t.spent += float64(p.Module.MACs()) * float64(b.N)
		values, err := t.given(ctx, p, b)
		if err != nil {
			return nil, err
		}
		l.answers = append(l.answers, answers...)
		if t.looksAtItems() {
			l.x = append(l.x, b.X...)
		}
		if l.values == nil {
			l.values = make(interp.Tensors[int8], len(values))
		}
		for id, own := range values {
			l.values[id] = append(l.values[id], own...)
		}
	}
	return l, nil
}

// given are the values of images that operations from the first one of a step on read, and that
// those before it compute in integers.
func (t *tuning) given(ctx context.Context, p *interp.Int, b data.Batch) (interp.Tensors[int8], error) {
	read := t.read(p.Module)
	all := p.Tensors(b.N, read...)
	p.Feed(all, interp.QuantizeInputs(p.Module, b.X), b.N)
	if err := p.Run(ctx, all, b.N, 0, t.from); err != nil {
		return nil, err
	}
	t.spent += (float64(p.Module.MACs()) - t.rest(p.Module)) * float64(b.N)
	own := make(interp.Tensors[int8], len(all))
	for _, v := range read {
		own[p.ID(v)] = all[p.ID(v)]
	}
	return own, nil
}
