package robust

import (
	"context"
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

// aloneKey is of the cost of layer l in a format.
func (s *Search) aloneKey(l int, f quant.Format, images int) (cells.Key, error) {
	return s.question(onJudged, "alone", s.layers[l].Name(), f, images)
}

// share measures the missing entries of the table beside others. A process that claims a layer measures
// its formats from the first on: what a layer needs before the first is most of some layers' work. When no
// layer is left it helps with those of others, from their last formats on.
func (s *Search) share(ctx context.Context, images int, missing [][]int, take func(l, f int, c cost)) error {
	left := func() (n int) {
		for _, list := range missing {
			n += len(list)
		}
		return n
	}
	// collect takes what the store has of a layer, and reports whether anything is missing still.
	collect := func(l int) (bool, error) {
		for _, f := range slices.Clone(missing[l]) {
			k, err := s.aloneKey(l, s.format(l, s.menu[l][f]), images)
			if err != nil {
				return false, err
			}
			c, ok, err := cells.Have[cost](s.env.Store, k)
			if err != nil {
				return false, err
			}
			if ok {
				s.charged(l, images)
				take(l, f, c)
			}
		}
		return len(missing[l]) > 0, nil
	}
	for helps := false; left() > 0 && !s.stopped(); helps = true {
		var failed error
		var release func()
		before := left()
		needed := func(l int) bool {
			if len(missing[l]) == 0 || failed != nil || s.stopped() {
				return false
			}
			isNeeded, err := collect(l)
			if err == nil && isNeeded && !helps {
				var k cells.Key
				if k, err = s.question(onJudged, "layer", s.layers[l].Name(), images); err == nil {
					release, isNeeded, err = s.env.Store.Claim(k)
				}
			}
			failed = err
			return isNeeded && err == nil
		}
		err := s.oracle.walk(ctx, needed, func(l int, p *quant.Prepared) error {
			if release != nil {
				defer release()
				release = nil
			}
			list := slices.Clone(missing[l])
			if helps {
				slices.Reverse(list)
			}
			for _, f := range list {
				if s.stopped() {
					break
				}
				format := s.format(l, s.menu[l][f])
				k, err := s.aloneKey(l, format, images)
				if err != nil {
					return err
				}
				c, ok, err := cells.Try(s.env.Store, k, func() (cost, error) { return s.oracle.alone(ctx, l, p, format, images) })
				if err != nil {
					return err
				}
				if ok {
					s.charged(l, images)
					take(l, f, c)
				}
			}
			return s.save()
		})
		if release != nil { // of a layer that could not be prepared
			release()
		}
		if err == nil {
			err = failed
		}
		if err != nil {
			return err
		}
		if left() == before {
			if err := cells.Wait(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}
