package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/frontend/onnx/internal/pb"
	"github.com/dnnc/dnnc/ir"
)

// attention imports scaled dot product attention of queries, keys and values, [batch,
// heads, steps, size] or [batch, steps, heads*size], with what masks it and with keys and
// values of earlier runs before those that are given.
func attention(im *importer, n *pb.Node, in []*operand) ([]*operand, error) {
	q, k, v := in[0], in[1], in[2]
	if rank := len(q.shape); rank != 3 && rank != 4 || len(k.shape) != rank || len(v.shape) != rank {
		return nil, fmt.Errorf("of queries, keys and values of shapes %v, %v and %v", q.shape, k.shape, v.shape)
	}
	mode := intAttr(n, "qk_matmul_output_mode", 0)
	if mode < 0 || mode > 3 {
		return nil, fmt.Errorf("with qk_matmul_output_mode %d", mode)
	}
	c := im.compose(n)
	isFlat := len(q.shape) == 3
	if isFlat {
		heads := [2]int{intAttr(n, "q_num_heads", 0), intAttr(n, "kv_num_heads", 0)}
		q, k, v = c.heads("queries", q, heads[0]), c.heads("keys", k, heads[1]), c.heads("values", v, heads[1])
	}
	if c.err != nil {
		return nil, c.err
	}
	past := 0
	for i, kv := range []**operand{&k, &v} {
		if p := argument(in, 4+i); p != nil {
			if len(p.shape) != 4 {
				return nil, fmt.Errorf("has keys or values of earlier runs of shape %v", p.shape)
			}
			past = p.shape[2]
			*kv = c.do("Concat", []string{"keys", "values"}[i]+".all", []*operand{p, *kv}, setting{"axis", 2})
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	present := []*operand{k, v}
	size, steps, all := q.shape[3], q.shape[2], k.shape[2]
	if q.shape[1]%k.shape[1] != 0 || k.shape[1] != v.shape[1] || v.shape[2] != all || k.shape[3] != size {
		return nil, fmt.Errorf("of queries, keys and values of shapes %v, %v and %v", q.shape, k.shape, v.shape)
	}
	if times := q.shape[1] / k.shape[1]; times > 1 {
		k, v = c.repeatHeads("keys.wide", k, times), c.repeatHeads("values.wide", v, times)
	}
	// One factor of the queries: scores are the greater tensor.
	factor := floatAttr(n, "scale", 0)
	if factor == 0 {
		factor = 1 / math.Sqrt(float64(size))
	}
	scores := c.binary("MatMul", "scores", c.do("Mul", "scale", []*operand{q, number1(factor)}), c.turned("keys.turned", k))
	shown := scores
	if top := floatAttr(n, "softcap", 0); top > 0 {
		scores = c.do("Mul", "capped", []*operand{c.do("Tanh", "cap", []*operand{c.do("Mul", "part", []*operand{scores, number1(1 / top)})}), number1(top)})
	}
	if mode == 1 {
		shown = scores
	}
	if c.err != nil {
		return nil, c.err
	}
	b := newBias(steps, all)
	if err := b.limit(n, past, argument(in, 6)); err != nil {
		return nil, err
	}
	if mask := argument(in, 3); mask != nil {
		if mask.c != nil {
			if err := b.add(mask.c); err != nil {
				return nil, err
			}
		} else if mask.isCondition() {
			return nil, errors.New("has a mask that comparisons of computed values give; masks of zeros and ones must be constants")
		} else {
			if lacks := all - mask.shape[len(mask.shape)-1]; lacks > 0 {
				return nil, fmt.Errorf("has a computed mask of shape %v for %d keys", mask.shape, all)
			}
			scores = c.binary("Add", "masked", scores, mask)
		}
	}
	scores, weights := c.masked(scores, b)
	if mode == 2 {
		if b.isMasking() && len(n.Output) > 3 && n.Output[3] != "" {
			return nil, errors.New("gives its scores with infinite masks added (qk_matmul_output_mode 2)")
		}
		shown = scores
	}
	if mode == 3 {
		shown = weights
	}
	y := c.binary("MatMul", "", weights, v)
	if isFlat && c.err == nil {
		s := y.shape
		y = c.reshape("joined", c.transpose("steps", y, 0, 2, 1, 3), []int{s[0], s[2], s[1] * s[3]})
	}
	return []*operand{y, present[0], present[1], shown}, c.err
}

// heads takes [batch, steps, heads*size] apart to [batch, heads, steps, size].
func (c *composer) heads(role string, x *operand, heads int) *operand {
	if c.err != nil {
		return nil
	}
	s := x.shape
	if heads < 1 || s[2]%heads != 0 {
		c.err = fmt.Errorf("has %d heads (q_num_heads, kv_num_heads) of a tensor of shape %v", heads, s)
		return nil
	}
	return c.transpose(role, c.reshape(role+".heads", x, []int{s[0], s[1], heads, s[2] / heads}), 0, 2, 1, 3)
}

// repeatHeads gives each head to several queries.
func (c *composer) repeatHeads(role string, x *operand, times int) *operand {
	if c.err != nil {
		return nil
	}
	s := x.shape
	wide := c.do("Expand", role, []*operand{c.reshape(role+".one", x, []int{s[0], s[1], 1, s[2], s[3]}), list1(s[0], s[1], times, s[2], s[3])})
	return c.reshape(role+".heads", wide, []int{s[0], s[1] * times, s[2], s[3]})
}

// bias is what is added to scores [..., steps, all] and what of them takes no part, both
// constant.
type bias struct {
	shape  []int
	sums   []float64
	hidden []bool
}

func newBias(steps, all int) *bias {
	return &bias{[]int{steps, all}, make([]float64, steps*all), make([]bool, steps*all)}
}

// limit hides what is_causal, the bounds of a window and the lengths of sequences forbid.
func (b *bias) limit(n *pb.Node, past int, lengths *operand) error {
	left, right := intAttr(n, "left_window_size", -1), intAttr(n, "right_window_size", -1)
	isCausal := intAttr(n, "is_causal", 0) != 0
	valid := b.shape[1]
	if lengths != nil {
		if lengths.c == nil {
			return errors.New("has lengths that the network computes")
		}
		x, err := lengths.c.smallInts()
		if err != nil || len(x) != 1 {
			return fmt.Errorf("has %d lengths; networks are compiled for one, which -shape can say", len(x))
		}
		valid, past = x[0], x[0]-b.shape[0]
	}
	for i := range b.shape[0] {
		for j := range b.shape[1] {
			at := past + i
			if isCausal && j > at || left >= 0 && at-j > left || right >= 0 && j-at > right || j >= valid {
				b.hidden[i*b.shape[1]+j] = true
			}
		}
	}
	return nil
}

// add adds a constant mask: of numbers, or of what takes part. Keys beyond it are hidden.
func (b *bias) add(t *tensor) error {
	x, err := t.numbers()
	if err != nil {
		return err
	}
	all := b.shape[len(b.shape)-1]
	if len(t.shape) < 1 || t.shape[len(t.shape)-1] > all {
		return fmt.Errorf("has a mask of shape %v for %d keys", t.shape, all)
	}
	own := t.shape[len(t.shape)-1]
	padded := slices.Clone(t.shape)
	if own != 1 {
		padded[len(padded)-1] = all
	} else {
		own = all
	}
	shape, err := build.Broadcast(b.shape, padded)
	if err != nil {
		return err
	}
	out := &bias{shape, make([]float64, sizeOf(shape)), make([]bool, sizeOf(shape))}
	mine, ok := ir.ViewOf(b.shape).Expand(shape)
	if !ok {
		return fmt.Errorf("has a mask of shape %v for scores of %v", t.shape, b.shape)
	}
	mine.Each(func(k, at int) { out.sums[k], out.hidden[k] = b.sums[at], b.hidden[at] })
	last := t.shape[len(t.shape)-1]
	theirs, ok := ir.ViewOf(padded).Expand(shape)
	if !ok {
		return fmt.Errorf("has a mask of shape %v for scores of %v", t.shape, b.shape)
	}
	if t.isEndless && slices.ContainsFunc(x, func(v float64) bool { return math.IsInf(v, 1) }) {
		return fmt.Errorf("has a mask %q with numbers above all others", t.name)
	}
	theirs.Each(func(k, at int) {
		row, key := at/padded[len(padded)-1], at%padded[len(padded)-1]
		if k%all >= own {
			out.hidden[k] = true
			return
		}
		v := x[row*last+min(key, last-1)]
		switch {
		case t.typ == boolType && v == 0, math.IsInf(v, -1):
			out.hidden[k] = true
		case t.typ != boolType:
			out.sums[k] += v
		}
	})
	*b = *out
	return nil
}

func (b *bias) isMasking() bool { return slices.Contains(b.hidden, true) }

// masked adds a bias to scores, and is their softmax without what is hidden.
func (c *composer) masked(scores *operand, b *bias) (sum, weights *operand) {
	if c.err != nil {
		return nil, nil
	}
	if slices.ContainsFunc(b.sums, func(v float64) bool { return v != 0 }) {
		scores = c.do("Add", "biased", []*operand{scores, {c: newTensor(float32Type, b.shape, b.sums), shape: b.shape}})
		if c.err != nil {
			return nil, nil
		}
	}
	shape := scores.shape
	rows := ir.Shape{build.Product(shape[:len(shape)-1]), shape[len(shape)-1]}
	if c.err = c.im.room(build.Product(rows)); c.err != nil {
		return nil, nil
	}
	x, err := c.im.as(scores, rows)
	if err != nil {
		c.err = err
		return nil, nil
	}
	attrs := []ir.Attr{ir.AttrAxis.Is(1)}
	name := c.im.Name(moduleName(c.n) + ".weights")
	if b.isMasking() {
		full, ok := ir.ViewOf(b.shape).Expand(shape)
		if !ok {
			c.err = fmt.Errorf("has a mask of shape %v for scores of %v", b.shape, shape)
			return nil, nil
		}
		mask := make([]byte, build.Product(rows))
		full.Each(func(k, at int) {
			if !b.hidden[at] {
				mask[k] = 1
			}
		})
		own := build.Product(b.shape)
		if own < len(mask) && slices.Equal(b.shape, shape[len(shape)-len(b.shape):]) {
			mask = mask[:own] // it is repeated
		}
		k := &ir.Const{Name: c.im.Name(name + ".mask"), Type: ir.Type{Elem: ir.Of(ir.U8), Shape: ir.Shape{len(mask)}}, Data: ir.Bytes(mask)}
		c.im.M.Consts = append(c.im.M.Consts, k)
		attrs = append(attrs, ir.AttrMask.Is(k))
	}
	y, err := c.im.AddNamed(ir.Softmax, name, []*ir.Value{x}, attrs...)
	if err != nil {
		c.err = err
		return nil, nil
	}
	return scores, &operand{v: y, shape: shape}
}
