package robust

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/quant"
)

// method is a way to choose formats within packed bytes.
type method struct {
	name, doc string
	menu      bool // it chooses from the search's formats
	choose    func(ctx context.Context, s *Search, bytes int) (*Network, error)
}

// methods are what -search and dnnc compare know; the first is the default.
var methods = []method{
	{"qed", "the dynamic program over a measured table, finalists measured jointly, then a local search", true, qed},
	{"qstar", "Q*: few entries of the table measured, the others estimated; anytime", true, qstar},
	{"exhaustive", "every assignment measured layer by layer; small networks", true, exhaustive},
	{"greedy", "layer by layer the narrowest format within a tolerated loss of answers", true, greedy},
	{"greedy-nearest", "the same, each weight rounded to the nearest level", false, greedyNearest},
	{"fisher", "the dynamic program over the Fisher information times the squared error of the weights", true, fisher},
	{"universal", "one width for all layers", false, universalSearch},
	{"universal-nearest", "one width for all layers, each weight rounded to the nearest level", false, universalNearest},
	{"compress", "Deep Compression: pruned, k-means from a linear start; no retraining", false, compress},
	{"compress-compensated", "codebooks of Deep Compression's sizes, rounded as dnnc does", false, compressCompensated},
}

// isQed reports whether m is the default.
func (m method) isQed() bool { return m.name == "qed" }

// Methods are the names that -search takes.
func Methods() []string {
	var list []string
	for _, m := range methods {
		list = append(list, m.name)
	}
	return list
}

// MethodDoc says what a method does.
func MethodDoc(name string) string {
	m, _ := findMethod(name)
	return m.doc
}

// findMethod is the method of a name, Qed of none.
func findMethod(name string) (method, error) {
	if name == "" {
		return methods[0], nil
	}
	for _, m := range methods {
		if m.name == name {
			return m, nil
		}
	}
	return method{}, diag.New(diag.Pos{}, diag.BadValue, "no method of search %q", name).
		WithHelp("the methods are %s", strings.Join(Methods(), " ")).WithSuggestion(name, Methods())
}

// Choose is the network of a method within packed bytes.
func (s *Search) Choose(ctx context.Context, name string, bytes int) (*Network, error) {
	way, err := findMethod(name)
	if err != nil {
		return nil, err
	}
	return s.withinBytes(ctx, way, bytes)
}

// withinBytes is a method's choice, refused at once where there is none.
func (s *Search) withinBytes(ctx context.Context, m method, bytes int) (*Network, error) {
	if err := s.refuseImpossible(m, bytes); err != nil {
		return nil, err
	}
	return m.choose(ctx, s, bytes)
}

// universalSearch is the widest single width that fits, rounded in the better of
// the two ways.
func universalSearch(ctx context.Context, s *Search, bytes int) (*Network, error) {
	w := s.widest(bytes)
	if w == 0 {
		return nil, s.tooSmallFor(s.narrowest())
	}
	u := s.uniform(ir.OddOf(w))
	return s.best(ctx, []candidate{{"universal", u}, {"universal, nearest", nearest(u)}})
}

// narrowest is the least universal width.
func (s *Search) narrowest() []ir.Elem {
	least, _ := oddWidths(s.env)
	return uniform(s.layers, ir.OddOf(least))
}

func universalNearest(ctx context.Context, s *Search, bytes int) (*Network, error) {
	w := s.widest(bytes)
	if w == 0 {
		return nil, s.tooSmallFor(s.narrowest())
	}
	return s.best(ctx, []candidate{{"universal, nearest", nearest(s.uniform(ir.OddOf(w)))}})
}

func nearest(formats []quant.Format) []quant.Format {
	list := slices.Clone(formats)
	for i := range list {
		if list[i].Elem.Kind == ir.Odd {
			list[i].Rounding = quant.Nearest
		}
	}
	return list
}

// greedy gives every layer, from the first to the last, the narrowest format that
// alone changes at most a share of the answers; the share is the least with which
// the network fits. Many formats change no answer of few images: a little of the
// divergence tells them apart, or the search would leave most of a large budget
// unspent.
func greedy(ctx context.Context, s *Search, bytes int) (*Network, error) {
	if err := s.fill(ctx, s.judge.images, s.all); err != nil {
		return nil, err
	}
	s.charge()
	rows := make([][]step, len(s.layers))
	for l := range s.layers {
		for _, f := range s.byBits(l) {
			rows[l] = append(rows[l], step{s.format(l, s.menu[l][f]), flips(s.table[l][f].cost)})
		}
	}
	return s.descendGreedily(ctx, "greedy", rows, bytes)
}

// step is a format that a greedy search may take, narrowest first, and the share
// of answers that change when its layer alone has it, as flips counts them.
type step struct {
	format quant.Format
	flips  float64
}

// greedyNearest is greedy as its users have it: odd codes, nearest rounding.
func greedyNearest(ctx context.Context, s *Search, bytes int) (*Network, error) {
	if s.nearest == nil {
		if err := s.oracle.prepare(ctx); err != nil {
			return nil, err
		}
		table := s.spent
		s.spent = effort{}
		rows, err := s.nearestSteps(ctx)
		s.nearestEffort, s.spent = s.spent, table
		if err != nil {
			return nil, err
		}
		s.nearest = rows
	}
	s.env.Report.Evaluations += s.nearestEffort.evaluations
	s.env.Report.MACs += s.nearestEffort.macs
	return s.descendGreedily(ctx, "greedy, nearest", s.nearest, bytes)
}

// nearestSteps measures every layer alone in odd codes of nearest rounding; a layer
// that has a format of its own has no other choice.
func (s *Search) nearestSteps(ctx context.Context) (rows [][]step, err error) {
	for l, n := range s.layers {
		var row []step
		if own, ok := n.Elem(ir.AttrBits); ok {
			row = []step{{format: s.format(l, own)}}
		} else {
			for _, e := range menuOf(n, families[0].elems, s.env) {
				f := quant.Format{Elem: e, Rounding: quant.Nearest}
				c, err := s.alone(ctx, l, nil, f, s.judge.images)
				if err != nil {
					return nil, err
				}
				row = append(row, step{f, flips(c)})
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (s *Search) descendGreedily(ctx context.Context, origin string, rows [][]step, bytes int) (*Network, error) {
	var shares []float64
	for _, row := range rows {
		for _, e := range row {
			shares = append(shares, e.flips)
		}
	}
	slices.Sort(shares)
	for _, share := range slices.Compact(shares) {
		var list []quant.Format
		for _, row := range rows {
			if i := slices.IndexFunc(row, func(e step) bool { return e.flips <= share }); i >= 0 {
				list = append(list, row[i].format)
			}
		}
		if len(list) == len(s.layers) && s.fits(list, bytes) {
			return s.best(ctx, []candidate{{origin, list}})
		}
	}
	return nil, s.tooSmall()
}

// fisher prices a format by the diagonal of the Fisher information, summed over
// the squared errors of the weights: the second-order estimate of the loss, as in
// HAWQ (Dong et al., ICCV 2019) with its Hessian's trace replaced by the Fisher
// information's.
func fisher(ctx context.Context, s *Search, bytes int) (*Network, error) {
	if s.fisherCosts == nil {
		if err := s.priceByFisher(ctx); err != nil {
			return nil, err
		}
	}
	plan := s.solve(s.fisherCosts, bytes)
	if plan == nil {
		return nil, s.tooSmall()
	}
	return s.best(ctx, []candidate{{"fisher", s.formats(plan)}})
}

func (s *Search) priceByFisher(ctx context.Context) error {
	information, err := s.oracle.information(ctx)
	if err != nil {
		return err
	}
	costs := make([][]Choice, len(s.layers))
	err = s.oracle.walk(ctx, func(int) bool { return true }, func(l int, p *quant.Prepared) error {
		weights := s.layers[l].Const(ir.AttrWeight).Type.Shape.Size()
		for f, e := range s.menu[l] {
			sum, err := s.oracle.squaredError(ctx, l, p, s.format(l, e))
			if err != nil {
				return err
			}
			costs[l] = append(costs[l], s.choice(l, f, information[l]/float64(weights)*sum))
		}
		return nil
	})
	s.fisherCosts = costs
	return err
}

// sparsities are the shares that Deep Compression may prune.
var sparsities = []float64{0, .2, .4}

// compress is Deep Compression within packed bytes: codebooks of one width for
// the convolutions and one for the linear layers, as in its paper, the pairs that
// just fit and the share pruned chosen by measurement. Packed indices do not get
// smaller by pruning; the Huffman-coded size in the certificate does.
func compress(ctx context.Context, s *Search, bytes int) (*Network, error) {
	var list []candidate
	for _, pair := range s.pairs(bytes) {
		for _, p := range sparsities {
			formats := slices.Clone(pair)
			for i := range formats {
				if formats[i].Elem.Kind == ir.Code {
					formats[i].Rounding, formats[i].Sparsity = quant.Shared, p
				}
			}
			list = append(list, candidate{"deep compression", formats})
		}
	}
	return s.compressed(ctx, list)
}

// compressCompensated is compress with the rounding of R17 and R18.
func compressCompensated(ctx context.Context, s *Search, bytes int) (*Network, error) {
	var list []candidate
	for _, pair := range s.pairs(bytes) {
		list = append(list, candidate{"codebooks, compensated", pair})
	}
	return s.compressed(ctx, list)
}

func (s *Search) compressed(ctx context.Context, list []candidate) (*Network, error) {
	if len(list) == 0 {
		return nil, s.tooSmallFor(s.coded(1, 1))
	}
	return s.best(ctx, list)
}

// coded gives convolutions and linear layers codebooks of these widths.
func (s *Search) coded(conv, linear int) []ir.Elem {
	list := make([]ir.Elem, len(s.layers))
	for l, n := range s.layers {
		e := ir.CodeOf(conv)
		if n.Op == ir.Linear {
			e = ir.CodeOf(linear)
		}
		if !quant.Serves(n, e) {
			e = ir.OddOf(int(e.Bits))
		}
		list[l] = e
	}
	for l, own := range uniform(s.layers, ir.Elem{}) {
		if own != (ir.Elem{}) {
			list[l] = own
		}
	}
	return list
}

// pairs are the widest pairs of widths, for convolutions and for linear layers,
// that fit: for each width of the one the greatest of the other.
func (s *Search) pairs(bytes int) (list [][]quant.Format) {
	for conv := ir.MaxCodeBits; conv >= 1; conv-- {
		for linear := ir.MaxCodeBits; linear >= 1; linear-- {
			var formats []quant.Format
			for l, e := range s.coded(conv, linear) {
				formats = append(formats, s.format(l, e))
			}
			if s.fits(formats, bytes) {
				isNew := !slices.ContainsFunc(list, func(f []quant.Format) bool { return key(f) == key(formats) })
				if isNew {
					list = append(list, formats)
				}
				break
			}
		}
	}
	// A pair that another is wider than in both is none.
	slices.SortStableFunc(list, func(a, b []quant.Format) int {
		x, _, _ := sizes(s.layers, elems(a))
		y, _, _ := sizes(s.layers, elems(b))
		return cmp.Compare(y, x)
	})
	return list[:min(len(list), 4)]
}
