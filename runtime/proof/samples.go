package proof

import (
	"math/big"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// gainMost is what a gain of 12 dB adds to a signal, in shares of it.
var gainMost = rat(3, 1)

// channel is the samples of a channel of a signal, or one feature, in shares of the input's
// range.
type channel struct {
	of   []*big.Rat
	rest *big.Rat // of an input that says nothing
	// low and high are where a saturation begins: a signal's own peaks, of a feature the ends of the range.
	low, high *big.Rat
}

// elapsed is the share of a channel's time that has gone by after sample i.
func (c *channel) elapsed(i int) *big.Rat { return rat(int64(i)+1, int64(len(c.of))) }

// saturated clips a sample at rest + (peak-rest)(1-t).
func saturated(c *channel, i int) []piece {
	v := c.of[i]
	peak := c.high
	if v.Cmp(c.rest) < 0 {
		peak = c.low
	}
	stays := piece{from: zero, a: v, b: zero}
	reach := difference(peak, c.rest)
	if reach.Sign() == 0 {
		return []piece{stays}
	}
	clipped := difference(one, quotient(difference(v, c.rest), reach)) // the size from which the sample is clipped
	return []piece{stays, {from: clipped, a: peak, b: negative(reach)}}
}

// samples makes the lines of a signal or of features, one for each element.
func (m *Motion) samples(x []float32) error {
	rest, err := m.share(disturb.Rest(m.in))
	if err != nil {
		return err
	}
	m.lines = make([][]piece, len(x))
	for _, elements := range disturb.Channels(m.in) {
		c := &channel{rest: rest, low: rest, high: rest}
		if m.in.Holds.Kind == ir.Features {
			c.low, c.high = zero, one
		}
		for _, e := range elements {
			v, err := m.share(x[e])
			if err != nil {
				return err
			}
			c.of = append(c.of, v)
			if v.Cmp(c.low) < 0 {
				c.low = v
			}
			if v.Cmp(c.high) > 0 {
				c.high = v
			}
		}
		for i, e := range elements {
			m.lines[e], m.of[e] = m.Kind.sample(c, i), int32(e)
		}
	}
	return nil
}
