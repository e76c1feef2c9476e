package robust

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/version"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Processes that search alike share a store: each runs the same search, and takes from the store what
// another has measured. As answers are those of their questions, whoever computes them, all come to the
// same choice.

// question is the key of what a search asks about its network, on some images. Without a store
// nobody needs it. Floats have the bits of their architecture.
func (s *Search) question(on images, words ...any) (k cells.Key, err error) {
	if s.env.Store == nil {
		return k, nil
	}
	id, err := s.identity(on)
	if err != nil {
		return k, err
	}
	return cells.KeyOf(append([]any{version.Compiler, runtime.GOARCH, id}, words...)...), nil
}

// isCost tells the cost of something from what others may have put into a store.
func (s *Search) isCost(c cost) bool { return len(c.Kinds) == len(s.kinds.names) }

// isWeights tells weights of layer l, and isItems the terms of so many images.

func (s *Search) isWeights(l int) func(w quant.Replacement) bool {
	shape := s.layers[l].Const(ir.AttrWeight).Type.Shape
	return func(w quant.Replacement) bool { return len(w.Weights) == shape.Size() && len(w.Bias) == shape[0] }
}

func isItems(count int) func(d measure.Items) bool {
	return func(d measure.Items) bool {
		return len(d.KL) == count && len(d.MSE)%count == 0 && len(d.Flips) == len(d.MSE) && len(d.Nats)%count == 0
	}
}

// aloneKey is of the cost of layer l in a format.
func (s *Search) aloneKey(l int, f quant.Format, images int) (cells.Key, error) {
	return s.question(onJudged, "alone", s.layers[l].Name(), f, images)
}

// A table is shared in two steps. To round a layer takes its way from the images on and its second moments, which are
// most of some layers' work: a process rounds a layer that is free, one ahead of where it is, and gives the others its weights in
// all formats. To measure takes a layer's inputs from judged images, and large networks are measured on parts of these:
// a process stays with one part, whose way through the network is a small one, while that has what nobody has in hand.

// sharing is a process on its way through a table that it shares.
type sharing struct {
	*Search
	images  int
	parts   []part
	missing [][]int // entries of each layer that nobody has measured, as far as this process knows
	take    func(l, f int, c cost)
	state   map[layerEntry]*progress

	rounded int // the layer that this process rounded last, whose inputs are near
	part    int // that it stays with
	at      int // the layer that it measured last
}

type layerEntry struct{ l, f int }

// progress is an entry on its way, and the keys of its questions.
type progress struct {
	whole          cells.Key // its cost
	weights, there cells.Key // and a short answer that says that the store has the weights
	parts          []cells.Key

	isRounded bool
	isGone    bool             // the store said that it is rounded, and has no weights
	isOwn     bool             // this process measured a part of it
	items     []*measure.Items // by parts, those that this process knows
}

// share measures the missing entries of the table beside others.
func (s *Search) share(ctx context.Context, images int, missing [][]int, take func(l, f int, c cost)) error {
	x := &sharing{Search: s, images: images, parts: s.parts(images), missing: missing, state: map[layerEntry]*progress{}, rounded: -1}
	x.take = func(l, f int, c cost) {
		s.charged(l, images)
		take(l, f, c)
	}
	for l, row := range missing {
		for _, f := range row {
			p, err := x.begin(l, f)
			if err != nil {
				return err
			}
			x.state[layerEntry{l, f}] = p
		}
	}
	leave, err := x.join()
	if err != nil {
		return err
	}
	defer leave()
	steps := []func(context.Context) (bool, error){x.round, x.measure, x.measureElsewhere, x.collect, x.help}
	for idle := time.Duration(0); x.left() > 0 && !s.stopped(); {
		did := false
		for _, step := range steps {
			if did, err = step(ctx); did || err != nil {
				break
			}
		}
		if err == nil && did {
			idle, err = 0, x.save()
		} else if err == nil {
			pause := min(max(cells.Poll, idle/8), time.Second)
			idle += pause
			err = cells.Wait(ctx, pause)
		}
		if err != nil {
			return err
		}
	}
	return x.recheck(ctx)
}

func (x *sharing) left() (n int) {
	for _, list := range x.missing {
		n += len(list)
	}
	return n
}

func (x *sharing) begin(l, f int) (p *progress, err error) {
	format := x.format(l, x.menu[l][f])
	var failed error
	key := func(words ...any) cells.Key {
		k, err := x.question(onJudged, append(words, x.layers[l].Name(), format)...)
		failed = errors.Join(failed, err)
		return k
	}
	p = &progress{weights: key("weights"), there: key("has weights"), items: make([]*measure.Items, len(x.parts))}
	for _, part := range x.parts {
		p.parts = append(p.parts, key("items", part.first, part.count))
	}
	p.whole, err = x.aloneKey(l, format, x.images)
	if x.isSmall() {
		p.weights = p.whole
	}
	return p, errors.Join(failed, err)
}

// claim claims something for this process alone.
func (x *sharing) claim(words ...any) (release func(), ok bool, err error) {
	k, err := x.question(onJudged, words...)
	if err != nil {
		return nil, false, err
	}
	return x.env.Store.Claim(k)
}

// join chooses the part of the images that fewest processes are with. leave ends that.
func (x *sharing) join() (leave func(), err error) {
	if x.isSmall() {
		return func() {}, nil
	}
	for others := 0; ; others++ {
		for q := range x.parts {
			leave, ok, err := x.claim("part", q, others)
			if ok || err != nil {
				x.part = q
				return leave, err
			}
		}
	}
}

// isSmall reports whether the images are one part. Then who rounds a layer measures it, too, and gives others nothing else.
func (x *sharing) isSmall() bool { return len(x.parts) == 1 }

// isMeasured takes an entry that the store has.
func (x *sharing) isMeasured(l, f int) (bool, error) {
	c, ok, err := cells.Known(x.env.Store, x.state[layerEntry{l, f}].whole, x.isCost)
	if ok && err == nil {
		x.take(l, f, c)
	}
	return ok, err
}

// collect takes what the store has of each layer, up to the first entry that it has not: others measure in order.
func (x *sharing) collect(context.Context) (did bool, err error) {
	for l := range x.layers {
		for _, f := range slices.Clone(x.missing[l]) {
			ok, err := x.isMeasured(l, f)
			if err != nil {
				return did, err
			}
			if !ok {
				break
			}
			did = true
		}
	}
	return did, nil
}

// isRounded reports whether the store says that it has the weights of an entry.
func (x *sharing) isRounded(l, f int) (ok bool, err error) {
	p := x.state[layerEntry{l, f}]
	if p.isRounded || p.isGone || x.isSmall() {
		return p.isRounded, nil
	}
	_, p.isRounded, err = cells.Known(x.env.Store, p.there, cells.Any[bool])
	return p.isRounded, err
}

// unrounded are the entries of a layer that are missing and not rounded.
func (x *sharing) unrounded(l int) (list []int, err error) {
	for _, f := range slices.Clone(x.missing[l]) {
		ok, err := x.isMeasured(l, f)
		if !ok && err == nil {
			ok, err = x.isRounded(l, f)
		}
		if err != nil {
			return nil, err
		}
		if !ok {
			list = append(list, f)
		}
	}
	return list, nil
}

// A stretch is layers that one process rounds, as the way from one to the next is short: layers that begin
// within so much of the network's multiply-adds.
const stretches = 32

func (x *sharing) stretch(l int) int {
	return int(stretches * (1 - float64(x.oracle.macs(l))/float64(x.oracle.macs(0))))
}

// claimStretch claims layers that are to be rounded, from layer l on, and gives the entries of each.
func (x *sharing) claimStretch(l int) (lists map[int][]int, release func(), err error) {
	if !x.mayNeed(l) {
		return nil, nil, nil
	}
	release, ok, err := x.claim("stretch", x.stretch(l))
	if err != nil || !ok {
		return nil, nil, err
	}
	lists = map[int][]int{}
	for next := l; next < len(x.layers) && x.stretch(next) == x.stretch(l) && err == nil; next++ {
		if lists[next], err = x.unrounded(next); len(lists[next]) == 0 {
			delete(lists, next)
		}
	}
	if len(lists) == 0 || err != nil {
		release()
		return nil, nil, err
	}
	return lists, release, nil
}

// mayNeed reports whether an entry of a layer is not rounded, as far as this process knows.
func (x *sharing) mayNeed(l int) bool {
	return slices.ContainsFunc(x.missing[l], func(f int) bool { return !x.state[layerEntry{l, f}].isRounded })
}

// farAway is the multiply-adds of a way, over the judged images, that a process does not go to help with a layer.
const farAway = 10 * leastPart

// claimFormats finds formats of a layer that another process is at, from the last one backwards, where the way is short.
func (x *sharing) claimFormats(l int) (lists map[int][]int, release func(), err error) {
	if float64(x.oracle.macs(0)-x.oracle.macs(l))*float64(x.judge.images) > farAway {
		return nil, nil, nil
	}
	list, err := x.unrounded(l)
	slices.Reverse(list)
	for i, f := range list { // that nobody has in hand
		release, ok, err := x.env.Store.Claim(x.state[layerEntry{l, f}].weights)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			release() // it is claimed again when the layer is prepared
			return map[int][]int{l: list[i:]}, func() {}, nil
		}
	}
	return nil, nil, err
}

// round rounds layers that nobody has: the next ones ahead, if there are any.
func (x *sharing) round(ctx context.Context) (bool, error) { return x.roundFrom(ctx, x.claimStretch) }

// help rounds a layer beside another process.
func (x *sharing) help(ctx context.Context) (bool, error) { return x.roundFrom(ctx, x.claimFormats) }

func (x *sharing) roundFrom(ctx context.Context, claim func(l int) (lists map[int][]int, release func(), err error)) (did bool, err error) {
	for i := range x.layers {
		lists, release, err := claim((x.rounded + 1 + i) % len(x.layers))
		if err != nil {
			return false, err
		}
		if len(lists) > 0 {
			defer release()
			return x.roundAll(ctx, lists)
		}
	}
	return false, nil
}

func (x *sharing) roundAll(ctx context.Context, lists map[int][]int) (did bool, err error) {
	err = x.oracle.walk(ctx, func(l int) bool { return len(lists[l]) > 0 && !x.stopped() }, func(l int, p *quant.Prepared) error {
		x.rounded = l
		for _, f := range lists[l] {
			if x.stopped() {
				break
			}
			ok, err := x.roundFormat(ctx, l, p, f)
			if err != nil {
				return err
			}
			did = did || ok
		}
		return nil
	})
	return did, err
}

// roundFormat gives others the weights of an entry, or its cost, unless another process has it in hand.
func (x *sharing) roundFormat(ctx context.Context, l int, p *quant.Prepared, f int) (bool, error) {
	e, format := x.state[layerEntry{l, f}], x.format(l, x.menu[l][f])
	if x.isSmall() {
		c, ok, err := cells.Try(x.env.Store, e.whole, x.isCost, func() (cost, error) {
			e.isOwn = true
			return x.compute(ctx, l, p, format, x.images)
		})
		if ok {
			x.take(l, f, c)
		}
		return ok, err
	}
	_, ok, err := cells.Try(x.env.Store, e.weights, x.isWeights(l), func() (quant.Replacement, error) {
		w, err := x.oracle.round(ctx, l, p, format)
		if err != nil {
			return quant.Replacement{}, err
		}
		return *w, nil
	})
	if err != nil || !ok {
		return false, err
	}
	_, _, err = cells.Try(x.env.Store, e.there, cells.Any[bool], func() (bool, error) { return true, nil })
	e.isRounded = err == nil
	return true, err
}

// measure measures one layer on the part that this process is with: where it is, or else the next one.
func (x *sharing) measure(ctx context.Context) (bool, error) { return x.measureOn(ctx, x.part) }

// measureElsewhere goes to another part, if that has anything left, from its first layer on.
func (x *sharing) measureElsewhere(ctx context.Context) (did bool, err error) {
	was := x.at
	x.at = 0
	defer func() {
		if !did {
			x.at = was
		}
	}()
	for i := 1; i < len(x.parts) && !did && err == nil; i++ {
		q := (x.part + i) % len(x.parts)
		if did, err = x.measureOn(ctx, q); did {
			x.part = q
		}
	}
	return did, err
}

func (x *sharing) measureOn(ctx context.Context, q int) (did bool, err error) {
	for i := range x.layers {
		l := (x.at + i) % len(x.layers)
		list := slices.Clone(x.missing[l])
		for _, f := range list {
			if x.stopped() {
				return did, nil
			}
			ok, err := x.isRounded(l, f)
			if !ok && err == nil { // formats are rounded from the first on, and by helpers from the last
				if ok, err = x.isRounded(l, list[len(list)-1]); ok {
					continue
				}
			}
			if err != nil {
				return did, err
			}
			if !ok {
				break
			}
			if ok, err = x.measureEntry(ctx, l, f, q); err != nil {
				return did, err
			}
			did = did || ok
		}
		if did {
			x.at = l
			return true, nil
		}
	}
	return false, nil
}

// measureEntry measures an entry on a part of the images, unless that is done, or another process has it in hand.
func (x *sharing) measureEntry(ctx context.Context, l, f, q int) (bool, error) {
	p := x.state[layerEntry{l, f}]
	if p.items[q] != nil {
		return false, nil
	}
	if ok, err := x.isMeasured(l, f); ok || err != nil {
		return ok, err
	}
	part := x.parts[q]
	d, ok, err := cells.Try(x.env.Store, p.parts[q], isItems(part.count), func() (measure.Items, error) {
		p.isOwn = true
		w, ok, err := cells.Known(x.env.Store, p.weights, x.isWeights(l))
		if err != nil {
			return measure.Items{}, err
		}
		if !ok {
			p.isRounded, p.isGone = false, true // they were damaged, or deleted
			return measure.Items{}, errGone
		}
		return x.oracle.items(ctx, l, &w, part.first, part.count)
	})
	if errors.Is(err, errGone) {
		return false, nil
	}
	if err != nil || !ok {
		return false, err
	}
	p.items[q] = &d
	return true, x.complete(l, f)
}

var errGone = errors.New("the weights are gone")

// complete takes an entry of which all parts are measured, and gives it to others.
func (x *sharing) complete(l, f int) error {
	var all measure.Items
	p := x.state[layerEntry{l, f}]
	for q, d := range p.items {
		if d == nil {
			known, ok, err := cells.Known(x.env.Store, p.parts[q], isItems(x.parts[q].count))
			if !ok || err != nil {
				return err
			}
			d = &known
			p.items[q] = d
		}
		all.Add(*d)
	}
	c := x.oracle.total(all)
	if _, _, err := cells.Try(x.env.Store, p.whole, x.isCost, func() (cost, error) { return c, nil }); err != nil {
		return err
	}
	x.take(l, f, c)
	return nil
}

// recheck computes the entries again, from the beginning, that others have measured and the store rechecks.
func (x *sharing) recheck(ctx context.Context) error {
	again := make([][]int, len(x.layers))
	for l := range x.layers {
		for f := range x.menu[l] {
			if p := x.state[layerEntry{l, f}]; p != nil && !p.isOwn && cells.Rechecks(x.env.Store, p.whole) {
				again[l] = append(again[l], f)
			}
		}
	}
	return x.oracle.walk(ctx, func(l int) bool { return len(again[l]) > 0 && !x.stopped() }, func(l int, p *quant.Prepared) error {
		for _, f := range again[l] {
			if _, _, err := cells.Try(x.env.Store, x.state[layerEntry{l, f}].whole, x.isCost, func() (cost, error) {
				return x.compute(ctx, l, p, x.format(l, x.menu[l][f]), x.images)
			}); err != nil {
				return err
			}
		}
		return nil
	})
}
