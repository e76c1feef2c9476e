package round

import (
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir/parallel"
)

// sharedSweeps is the sweeps of k-means over a layer's weights.
const sharedSweeps = 30

// Shared rounds w as Deep Compression does (Han, Mao, Dally, ICLR 2016, sections
// 2 and 3), without its retraining: the share sparsity of the weights that is least
// in magnitude is pruned, the others are shared by the centres of k-means from a
// linear start, one codebook of 8-bit integers for the layer. Pruned weights have
// an entry of their own, 0.
func Shared(w Matrix, bits int, sparsity float64) (Result, error) {
	if err := w.check(); err != nil {
		return Result{}, err
	}
	size := 1 << bits
	threshold := float32(-1)
	if pruned := int(sparsity * float64(len(w.Data))); pruned > 0 {
		sorted := make([]float32, len(w.Data))
		for i, x := range w.Data {
			sorted[i] = float32(math.Abs(float64(x)))
		}
		slices.Sort(sorted)
		threshold = sorted[pruned-1]
	}
	isPruned := func(x float32) bool { return x <= threshold && -x <= threshold }
	first := 0 // centre that k-means may move
	if threshold >= 0 {
		first = 1
	}
	centres := linearStart(w.Data, isPruned, size-first)
	codes := make([]uint8, len(w.Data))
	for range sharedSweeps {
		assign(w, centres, isPruned, first, codes)
		sums, counts := make([]float64, size), make([]float64, size)
		for i, q := range codes {
			sums[q] += float64(w.Data[i])
			counts[q]++
		}
		moved := false
		for q := range centres {
			if n := counts[q+first]; n > 0 {
				c := sums[q+first] / n
				moved = moved || c != centres[q]
				centres[q] = c
			}
		}
		slices.Sort(centres)
		if !moved {
			break
		}
	}
	top := 0.0
	for _, c := range centres {
		top = max(top, math.Abs(c))
	}
	unit := top / math.MaxInt8
	if unit == 0 {
		unit = 1
	}
	out := Result{Codes: codes, Scale: make([]float64, w.Rows), Bias: make([]float64, w.Rows), Book: make([]int8, size), Weights: make([]float32, len(w.Data))}
	for q, c := range centres {
		out.Book[q+first] = int8(math.RoundToEven(c / unit))
		centres[q] = float64(out.Book[q+first]) * unit
	}
	assign(w, centres, isPruned, first, codes)
	for r := range out.Scale {
		out.Scale[r] = unit
	}
	for i, q := range codes {
		out.Weights[i] = float32(float64(out.Book[q]) * unit)
	}
	return out, nil
}

// linearStart spreads centres evenly between the least and the greatest weight.
func linearStart(weights []float32, isPruned func(float32) bool, n int) []float64 {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, x := range weights {
		if !isPruned(x) {
			lo, hi = min(lo, float64(x)), max(hi, float64(x))
		}
	}
	if lo > hi {
		lo, hi = 0, 0
	}
	centres := make([]float64, n)
	for i := range centres {
		centres[i] = lo + (hi-lo)*(float64(i)+.5)/float64(n)
	}
	return centres
}

// assign gives every weight the nearest of the sorted centres, or code 0 if it is
// pruned; the code of a centre is its place and first.
func assign(w Matrix, centres []float64, isPruned func(float32) bool, first int, codes []uint8) {
	parallel.For(w.Rows, func(r int) {
		for i, x := range w.row(r) {
			q := uint8(0)
			if !isPruned(x) {
				v := float64(x)
				at, _ := slices.BinarySearch(centres, v)
				if at == len(centres) || at > 0 && v-centres[at-1] <= centres[at]-v {
					at--
				}
				q = uint8(max(at, 0) + first)
			}
			codes[r*w.Cols+i] = q
		}
	})
}

// HuffmanBits is the length in bits of symbols coded by Huffman's code for their
// own frequencies, the code's table apart: what Deep Compression would store.
func HuffmanBits(symbols []uint8) int {
	var counts [256]int
	for _, s := range symbols {
		counts[s]++
	}
	var open []int
	for _, n := range counts {
		if n > 0 {
			open = append(open, n)
		}
	}
	if len(open) == 1 {
		return len(symbols)
	}
	// Every merge of the two rarest adds one bit to all symbols below it.
	total := 0
	for len(open) > 1 {
		slices.Sort(open)
		sum := open[0] + open[1]
		total += sum
		open = append(open[2:], sum)
	}
	return total
}
