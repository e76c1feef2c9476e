package robust

import (
	"context"
	"maps"

	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/cells"
)

// Whole networks are measured one after the other, as each tells which is the next. While another process measures one, this one
// measures what it will ask next: for certain of finalists, and by a guess in the local search.

// ahead measures a network that nobody has in hand, for when it is asked for. isNew is whether this process
// measured it; isBusy whether another does.
func (s *Search) ahead(ctx context.Context, x *shelf, formats []quant.Format) (isNew, isBusy bool, err error) {
	if s.env.Store == nil || s.stopped() || x.networks[key(formats)] != nil {
		return false, false, nil
	}
	k, err := s.jointKey(x, formats)
	if err != nil || cells.Rechecks(s.env.Store, k) { // that is done when it is asked for
		return false, false, err
	}
	_, ok, err := cells.Try(s.env.Store, k, s.isCost, func() (cost, error) {
		isNew = true
		return s.oracle.joint(ctx, x != s.judge, formats)
	})
	return isNew, !ok, err
}

func (s *Search) jointKey(x *shelf, formats []quant.Format) (cells.Key, error) {
	on := onJudged
	if x != s.judge {
		on = onFinal
	}
	return s.question(on, "joint", key(formats))
}

// guess measures one network of those that the local search comes to if none is better than the best so far.
func (s *Search) guess(ctx context.Context, best *Network, tried map[string]bool, next []quant.Format, bytes, steps int) error {
	tried = maps.Clone(tried)
	for at := 0; at < steps && next != nil; at++ {
		isNew, isBusy, err := s.ahead(ctx, s.final, next)
		if isNew || err != nil || at == 0 && !isBusy {
			return err
		}
		tried[key(next)] = true
		next = s.neighbour(best, tried, bytes)
	}
	return nil
}
