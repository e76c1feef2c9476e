package robust

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"github.com/dnnc/dnnc/ir/version"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/cells"
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

// aloneKey is of the cost of layer l in a format.
func (s *Search) aloneKey(l int, f quant.Format, images int) (cells.Key, error) {
	return s.question(onJudged, "alone", s.layers[l].Name(), f, images)
}

// pieces are the parts of a layer's menu that are claimed as wholes.
const pieces = 4

// piece is the part of the menu of layer l that an entry is in.
func (s *Search) piece(l, f int) int { return f * pieces / len(s.menu[l]) }

// What a layer needs before its first format, second moments and their factors, is most of some layers' work, and so is
// the way to a layer where little memory keeps what lies before it. So a process begins with a whole layer that is free, and
// formats from the first on. Then, or where no layer is free, it helps others with pieces of the layers after it, from
// the last piece backwards. In the end it helps with single formats, from the last one backwards, until nobody has any in hand.

// sharing is a process on its way through a table that it shares.
type sharing struct {
	*Search
	images  int
	missing [][]int // entries of each layer that nobody has measured, as far as this process knows
	take    func(l, f int, c cost)
}

// share measures the missing entries of the table beside others.
func (s *Search) share(ctx context.Context, images int, missing [][]int, take func(l, f int, c cost)) error {
	x := &sharing{s, images, missing, func(l, f int, c cost) {
		s.charged(l, images)
		take(l, f, c)
	}}
	const (
		byLayers = iota // the first visit is of a whole layer
		byPieces
		byEntries
	)
	for phase := byLayers; x.left() > 0 && !s.stopped(); {
		before := x.left()
		if err := x.walk(ctx, phase > byLayers, phase == byEntries); err != nil {
			return err
		}
		if x.left() < before {
			continue
		}
		if phase == byEntries {
			if err := cells.Wait(ctx); err != nil {
				return err
			}
		}
		phase = min(phase+1, byEntries)
	}
	return nil
}

func (x *sharing) left() (n int) {
	for _, list := range x.missing {
		n += len(list)
	}
	return n
}

// collect takes what the store has of a layer, and reports whether anything is missing still.
func (x *sharing) collect(l int) (bool, error) {
	for _, f := range slices.Clone(x.missing[l]) {
		k, err := x.aloneKey(l, x.format(l, x.menu[l][f]), x.images)
		if err != nil {
			return false, err
		}
		c, ok, err := cells.Have(x.env.Store, k, x.isCost)
		if err != nil {
			return false, err
		}
		if ok {
			x.take(l, f, c)
		}
	}
	return len(x.missing[l]) > 0, nil
}

// claim claims a layer, or a piece of it.
func (x *sharing) claim(l int, part ...any) (release func(), ok bool, err error) {
	k, err := x.question(onJudged, append([]any{"layer", x.layers[l].Name(), x.images}, part...)...)
	if err != nil {
		return nil, false, err
	}
	return x.env.Store.Claim(k)
}

// lastFree claims the last piece of a layer of which entries are missing and that nobody has, and gives these.
func (x *sharing) lastFree(l int) (release func(), list []int, err error) {
	for q := pieces - 1; q >= 0; q-- {
		if list = x.of(l, q); len(list) == 0 {
			continue
		}
		if release, ok, err := x.claim(l, "piece", q); ok || err != nil {
			return release, list, err
		}
	}
	return nil, nil, nil
}

// free are the entries of a layer that nobody has in hand, the last one first.
func (x *sharing) free(l int) (list []int, err error) {
	for _, f := range slices.Backward(x.missing[l]) {
		k, err := x.aloneKey(l, x.format(l, x.menu[l][f]), x.images)
		if err != nil {
			return nil, err
		}
		release, ok, err := x.env.Store.Claim(k)
		if err != nil {
			return nil, err
		}
		if ok {
			release() // it is claimed again when the layer is prepared
			list = append(list, f)
		}
	}
	return list, nil
}

// of are the missing entries of a piece of a layer.
func (x *sharing) of(l, q int) (list []int) {
	for _, f := range x.missing[l] {
		if x.piece(l, f) == q {
			list = append(list, f)
		}
	}
	return list
}

// walk goes through the layers once. It helps with pieces from the first layer on, or after its own first layer; or
// with single entries.
func (x *sharing) walk(ctx context.Context, helps, byEntries bool) (failed error) {
	var list []int // entries of the layer that is visited next; nil of a whole layer
	release := func() {}
	choose := func(l int) (isNeeded bool, err error) {
		if isNeeded, err = x.collect(l); err != nil || !isNeeded {
			return false, err
		}
		if list = nil; byEntries {
			list, err = x.free(l)
			return len(list) > 0, err
		}
		free, ok, err := x.claim(l)
		if !ok && err == nil && helps {
			free, list, err = x.lastFree(l)
			ok = free != nil
		}
		if ok && err == nil {
			release = free
		}
		return ok, err
	}
	needed := func(l int) (isNeeded bool) {
		if len(x.missing[l]) == 0 || failed != nil || x.stopped() {
			return false
		}
		isNeeded, failed = choose(l)
		return isNeeded && failed == nil
	}
	err := x.oracle.walk(ctx, needed, func(l int, p *quant.Prepared) error {
		defer func() { release(); release = func() {} }()
		helps = true
		if list != nil {
			return errors.Join(x.measure(ctx, l, p, list), x.save())
		}
		for q := range pieces {
			free, ok, err := x.claim(l, "piece", q)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			err = x.measure(ctx, l, p, x.of(l, q))
			free()
			if err != nil {
				return err
			}
		}
		return x.save()
	})
	release() // of a layer that could not be prepared
	return errors.Join(failed, err)
}

// measure measures entries of a layer, but those that others have in hand.
func (x *sharing) measure(ctx context.Context, l int, p *quant.Prepared, list []int) error {
	for _, f := range list {
		if x.stopped() {
			break
		}
		format := x.format(l, x.menu[l][f])
		k, err := x.aloneKey(l, format, x.images)
		if err != nil {
			return err
		}
		c, ok, err := cells.Try(x.env.Store, k, x.isCost, func() (cost, error) { return x.oracle.alone(ctx, l, p, format, x.images) })
		if err != nil {
			return err
		}
		if ok {
			x.take(l, f, c)
		}
	}
	return nil
}
