package tune

import (
	"fmt"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/passes/quant/round"
	"github.com/dnnc/dnnc/runtime/interp"
)

// How far a parameter moves in a step at most, before the schedule lowers it.
const (
	factorRate = .006 // natural logarithm of a channel's factor
	biasRate   = .3   // steps of the result
	bookRate   = .15  // integers of a codebook
	codeRate   = .03  // codes
)

// layer is what may change in a layer. Its parameters are, one after the other: of each
// channel the logarithm of its factor beside that of before and the steps of the result that
// its bias moves; the entries of the codebook; of each weight in an odd code the place of the
// code, of which the nearest code is taken. What is rounded passes its slope on.
type layer struct {
	name   string
	before quant.Rounded
	float  []float64 // biases of the float network, of which before.Bias is the rest
	step   float64   // of the result
	cols   int       // weights a channel
	entry  []int32   // of each weight its place in the codebook; nil of none
	codes  bool      // whether codes move
	first  int       // of its parameters
}

// newLayer is layer n of a quantized network, of which before are the codes and float the
// biases of the float network.
func newLayer(n *ir.Node, before *quant.Rounded, float []float64) layer {
	shape := n.Const(ir.AttrWeight).Type.Shape
	l := layer{name: n.Name(), before: *before, float: float, step: n.Out.Type.Quant.Scale, cols: shape.Size() / shape[0]}
	switch e := before.Elem; e.Kind {
	case ir.Code:
		l.entry = make([]int32, len(before.Codes))
		for i, q := range before.Codes {
			l.entry[i] = int32(q)
		}
	case ir.Vec:
		l.entry = make([]int32, shape.Size())
		geometry.EachVector(int(e.Group), before.Codes, shape[1], l.cols/shape[1], func(w, place int) { l.entry[w] = int32(place) })
	case ir.Odd:
		l.codes = true
	}
	return l
}

func (l *layer) rows() int { return len(l.before.Scale) }

// size is the number of parameters.
func (l *layer) size() int {
	n := 2*l.rows() + len(l.before.Book)
	if l.codes {
		n += len(l.before.Codes)
	}
	return n
}

// parts are a layer's part of a vector of all parameters: factors, biases, codebook, codes.
func (l *layer) parts(all []float64) (factor, bias, book, code []float64) {
	own, rows := all[l.first:l.first+l.size()], l.rows()
	return own[:rows], own[rows : 2*rows], own[2*rows:][:len(l.before.Book)], own[2*rows+len(l.before.Book):]
}

// begin writes the parameters of the layer as it is, and the rate of each.
func (l *layer) begin(params, rates []float64) {
	_, _, book, code := l.parts(params)
	for i, t := range l.before.Book {
		book[i] = float64(t)
	}
	for i := range code {
		code[i] = float64(l.before.Codes[i])
	}
	factors, biases, books, codes := l.parts(rates)
	fill := func(x []float64, rate float64) {
		for i := range x {
			x[i] = rate
		}
	}
	fill(factors, factorRate)
	fill(biases, biasRate)
	fill(books, bookRate)
	fill(codes, codeRate)
}

// bound brings parameters back to where their integers exist.
func (l *layer) bound(params []float64) {
	_, _, book, code := l.parts(params)
	for i, v := range book {
		book[i] = min(max(v, -127), 127)
	}
	if l.before.Elem.Kind == ir.Vec {
		d := int(l.before.Elem.Group)
		for row := range slices.Chunk(book, d) {
			for {
				sum, whole := 0., 0.
				for _, v := range row {
					sum, whole = sum+math.Abs(v), whole+math.Abs(math.Round(v))
				}
				if whole <= round.RowSum {
					break
				}
				for i := range row {
					row[i] *= min(round.RowSum/sum, 1-1./(4*round.RowSum))
				}
			}
		}
	}
	if l.codes {
		top := float64(int(1)<<l.before.Elem.Bits - 1)
		for i, v := range code {
			code[i] = min(max(v, -.49), top+.49)
		}
	}
}

// shipped are codes as they ship.
func shipped(code []float64) []byte {
	out := make([]byte, len(code))
	for i, v := range code {
		out[i] = byte(math.Round(v))
	}
	return out
}

// rounded is the layer with other parameters.
func (l *layer) rounded(params []float64) *quant.Rounded {
	factor, bias, book, code := l.parts(params)
	r := l.before
	r.Scale, r.Bias, r.Book, r.Weights = make([]float64, l.rows()), make([]float64, l.rows()), slices.Clone(r.Book), nil
	for c := range r.Scale {
		e := math.Exp(factor[c])
		r.Scale[c] = l.before.Scale[c] * e
		r.Bias[c] = float64((l.float[c]+l.before.Bias[c]+float64(bias[c]*l.step))*e) - l.float[c]
	}
	for i, v := range book {
		r.Book[i] = int8(math.Round(v))
	}
	if l.codes {
		r.Codes = shipped(code)
	}
	return &r
}

// slopes turns those with respect to the weights and biases in reals, which are real, into
// those with respect to the parameters.
func (l *layer) slopes(slope, real interp.RealLayer, params, all []float64) {
	factors, _, _, _ := l.parts(params)
	factor, bias, book, code := l.parts(all)
	clear(book)
	for c := range factor {
		from, to := c*l.cols, (c+1)*l.cols
		weights, own := slope.Weight[from:to], real.Weight[from:to]
		scale := l.before.Scale[c] * math.Exp(factors[c])
		sum := float64(slope.Bias[c]) * float64(real.Bias[c])
		for i, d := range weights {
			sum += float64(d) * float64(own[i])
		}
		factor[c] = sum
		bias[c] = float64(slope.Bias[c]) * float64(l.step*math.Exp(factors[c]))
		switch {
		case l.entry != nil:
			for i, d := range weights {
				book[l.entry[from+i]] += float64(scale * float64(d))
			}
		case l.codes:
			for i, d := range weights {
				code[from+i] = 2 * float64(scale*float64(d)) // R1: a code is two units
			}
		}
	}
}

// layersOf are the layers of a quantized network that f was lowered to.
func layersOf(f, q *ir.Module) ([]layer, error) {
	before, err := quant.RoundedOf(f, q)
	if err != nil {
		return nil, err
	}
	own := f.Layers()
	var list []layer
	first := 0
	for i, n := range q.Layers() {
		float := make([]float64, len(before[i].Scale))
		if c := own[i].Const(ir.AttrBias); c != nil {
			x, err := c.Float32()
			if err != nil {
				return nil, err
			}
			for j, v := range x {
				float[j] = float64(v)
			}
		}
		l := newLayer(n, before[i], float)
		if l.name != own[i].Name() {
			return nil, fmt.Errorf("tune: layer %s is %s in the float network", l.name, own[i].Name())
		}
		l.first = first
		first += l.size()
		list = append(list, l)
	}
	return list, nil
}
