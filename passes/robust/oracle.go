package robust

import (
	"context"
	"io"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/measure"
)

// oracle is what a search asks about a network: all that takes images, weights or a
// processor. The search compares the answers and knows no more. A runner measures them;
// tests take them from a table. Layers are numbered as in ir.Module.Layers.
type oracle interface {
	// prepare comes before items and assignments, once.
	prepare(ctx context.Context) error
	// span is how many judged images are measured together: fixed by the network, whoever asks.
	span() int
	// walk visits the layers that are needed, in order, with what it takes to round them
	// on data.
	walk(ctx context.Context, needed func(l int) bool, visit func(l int, p *quant.Prepared) error) error
	// round rounds layer l alone. p is nil where the format needs no data.
	round(ctx context.Context, l int, p *quant.Prepared, f quant.Format) (*quant.Replacement, error)
	// items is how far the float network with layer l rounded is from the float network, on some of the
	// judged images that are measured together.
	items(ctx context.Context, l int, w *quant.Replacement, first, count int) (measure.Items, error)
	// total is the cost that the items of the first judged images make.
	total(d measure.Items) cost
	// joint is the cost of a network rounded as a whole, in the integers that ship, on
	// the judged images or on the final ones.
	joint(ctx context.Context, final bool, formats []quant.Format) (cost, error)
	// reference measures the float network under every condition, and says over how many
	// images, each condition counted: once, before retention.
	reference(ctx context.Context) (exact *measure.Score, images int, err error)
	// retention is the share of the reference's robust accuracy that a network keeps,
	// under -objective worst that of the kind of error which keeps least, and over how
	// many images it is. expected is the loss that the float network expects, NaN where it
	// is not known: see Expected of measure.Score.
	retention(ctx context.Context, formats []quant.Format) (kept measure.Estimate, expected float64, images int, err error)
	// bound is what a network keeps by images that nothing else is judged by, and the float
	// network's score on them. Of no such images it has no items and no score.
	bound(ctx context.Context, formats []quant.Format) (b measure.Bound, exact *measure.Score, err error)
	// assignments visits every choice of one format a layer, each layer rounded alone:
	// the index of each format, the cost on the judged images, and the multiply-adds
	// since the visit before.
	assignments(ctx context.Context, formats [][]quant.Format, visit func(picks []int, c cost, macs int64)) error
	// squaredError is the sum over the weights of layer l.
	squaredError(ctx context.Context, l int, p *quant.Prepared, f quant.Format) (float64, error)
	// information is the trace of each layer's Fisher information.
	information(ctx context.Context) ([]float64, error)
	// boundaryLoss is the mean relative loss of boundary distance with layer l rounded;
	// NaN where the float network answers no image rightly.
	boundaryLoss(ctx context.Context, l int, p *quant.Prepared, f quant.Format) (float64, error)
	// cycles is the estimate of a layer in a format, and of those that share its weights.
	cycles(l int, e ir.Elem) float64
	// hasRoom reports whether a kernel of a layer in a format keeps the bound on the arena.
	hasRoom(l int, e ir.Elem) bool
	// macs are the multiply-adds of items for one image, from the layer on.
	macs(l int) int
	// quantized is the module of integers in which layers have formats.
	quantized(ctx context.Context, formats []quant.Format) (*ir.Module, error)
	// identify writes all that the answers on some images depend on, the version of the search included.
	identify(w io.Writer, on images) error
}

// images are those that an answer of an oracle is taken on.
type images int

const (
	onJudged images = iota
	onFinal
	onHeldOut // as they are, with their labels: of retention

	sets // the number of these
)
