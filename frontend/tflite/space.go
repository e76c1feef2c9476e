package tflite

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/frontend/build"
	"github.com/dnnc/dnnc/ir"
)

// The converter writes a dilated convolution as SPACE_TO_BATCH_ND, which spreads the pixels
// of each block over the batch, a convolution, and BATCH_TO_SPACE_ND. Here an operand
// keeps its pixels in their places, with the sides of the blocks; a convolution of such
// an operand is dilated by them.

var errBlocks = errors.New("of pixels that SPACE_TO_BATCH_ND spread over the batch: only layers, functions of each element and BATCH_TO_SPACE_ND may follow it")

// blocksOf reads the blocks and the paddings or crops of an operator: one block an axis
// that follows the batch.
func (im *importer) blocksOf(o *operator, rank int) (blocks []int, edges [][2]int, err error) {
	var list [2][]int
	for k := range list {
		t, err := im.constant(o, 1+k)
		if err != nil || t == nil {
			return nil, nil, cmp.Or(err, errors.New("has no blocks or paddings"))
		}
		if list[k], err = t.shortInts(); err != nil {
			return nil, nil, err
		}
	}
	n := len(list[0])
	if n < 1 || n >= rank || len(list[1]) != 2*n || slices.Min(list[0]) < 1 || slices.Max(list[0]) > 1<<16 || slices.Min(list[1]) < 0 || slices.Max(list[1]) > ir.MaxElements {
		return nil, nil, fmt.Errorf("has the blocks %v and the paddings %v of %d axes", list[0], list[1], rank)
	}
	blocks, edges = slices.Repeat([]int{1}, rank), make([][2]int, rank)
	for k, b := range list[0] {
		blocks[1+k], edges[1+k] = b, [2]int{list[1][2*k], list[1][2*k+1]}
	}
	return blocks, edges, nil
}

// spaceToBatch pads the pixels, and notes the blocks.
func spaceToBatch(im *importer, o *operator, x *operand) error {
	if err := im.keeps(o, x); err != nil {
		return err
	}
	blocks, edges, err := im.blocksOf(o, len(x.shape))
	if err != nil {
		return err
	}
	if x.c != nil || x.blocks != nil || x.shape[0] != 1 {
		return fmt.Errorf("of a constant, or of a batch of %d", x.shape[0])
	}
	if x, err = im.padded(o, x, edges); err != nil {
		return err
	}
	for k, b := range blocks {
		if x.shape[k]%b != 0 {
			return fmt.Errorf("of %v in blocks of %v", x.shape, blocks)
		}
	}
	y := x.like(x.v, x.shape)
	y.blocks = blocks
	im.values[o.out[0]] = y
	return nil
}

// padded is an operand with zeros before and after the pixels of each axis but the first.
func (im *importer) padded(o *operator, x *operand, edges [][2]int) (*operand, error) {
	if !slices.ContainsFunc(edges, func(e [2]int) bool { return e != [2]int{} }) {
		return x, nil
	}
	image := len(x.shape) == 4
	v, err := im.as(x, image)
	if err != nil {
		return nil, err
	}
	axes := make([]int, 0, len(x.shape))
	for k := 1; k < len(x.shape); k++ {
		axes = append(axes, k)
	}
	if image {
		axes = []int{3, 1, 2}
	}
	var before, after []int
	shape := slices.Clone(x.shape)
	for _, k := range axes {
		before, after = append(before, edges[k][0]), append(after, edges[k][1])
		shape[k] += edges[k][0] + edges[k][1]
	}
	zero := 0.
	if im.exact {
		zero = float64(v.Type.Quant.Zero)
	}
	v, err = im.add(ir.Pad, im.hint(o), []*ir.Value{v}, v.Type.Quant, ir.AttrBefore.Is(before), ir.AttrAfter.Is(after), ir.AttrValue.Is(zero))
	if err != nil {
		return nil, err
	}
	return &operand{v: v, image: image, shape: shape, reals: x.reals}, nil
}

// batchToSpace ends what spaceToBatch begins, and takes pixels off the edges.
func batchToSpace(im *importer, o *operator, x *operand) error {
	if err := im.keeps(o, x); err != nil {
		return err
	}
	blocks, edges, err := im.blocksOf(o, len(x.shape))
	if err != nil {
		return err
	}
	own := x.blocks
	if own == nil {
		own = slices.Repeat([]int{1}, len(x.shape))
	}
	if x.c != nil || !slices.Equal(own, blocks) {
		return fmt.Errorf("of blocks of %v, which are %v", blocks, own)
	}
	whole := x.like(x.v, x.shape)
	whole.blocks = nil
	shape := slices.Clone(x.shape)
	isWhole := true
	for k, e := range edges {
		shape[k] -= e[0] + e[1]
		isWhole = isWhole && e == [2]int{}
		if shape[k] < 1 {
			return fmt.Errorf("takes %v off %v", edges, x.shape)
		}
	}
	if isWhole {
		return im.give(o, whole)
	}
	return im.viewed(o, whole, shape, func(v ir.View) ir.View {
		for k, e := range edges {
			v = v.Slice(k, e[0], 1, shape[k])
		}
		return v
	})
}

// reblocked is an operand between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND with axes of one
// element more or less: to is the shape that the file gives it, the batch first.
func reblocked(x *operand, to []int) (shape, blocks []int, err error) {
	bad := fmt.Errorf("of %v in blocks of %v to %v", x.shape, x.blocks, to)
	if len(to) == 0 || build.Product(to) != build.Product(x.shape) || to[0] != build.Product(x.blocks) {
		return nil, nil, bad
	}
	shape, blocks = []int{1}, []int{1}
	k := 1
	for _, d := range to[1:] {
		for k < len(x.shape) && x.shape[k] == 1 && d != 1 {
			k++
		}
		switch {
		case k < len(x.shape) && x.shape[k]/x.blocks[k] == d:
			shape, blocks = append(shape, x.shape[k]), append(blocks, x.blocks[k])
			k++
		case d == 1:
			shape, blocks = append(shape, 1), append(blocks, 1)
		default:
			return nil, nil, bad
		}
	}
	if build.Product(shape) != build.Product(x.shape) || build.Product(blocks) != to[0] {
		return nil, nil, bad
	}
	return shape, blocks, nil
}
