package quant

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"slices"

	"github.com/dnnc/dnnc/ir"
)

// Replacement is what stands in a float network in place of a layer's weights and bias when the layer
// is rounded. As JSON it is packed: rounded weights repeat.
type Replacement struct{ Weights, Bias []float32 }

// Replacement rounds layer n alone, on inputs that the float network gave it.
func (r *Rounder) Replacement(ctx context.Context, n *ir.Node, p *Prepared, f Format) (*Replacement, error) {
	rounded, err := r.Layer(ctx, n, p, f)
	if err != nil {
		return nil, err
	}
	bias, err := Bias(n, rounded)
	return &Replacement{rounded.Weights, bias}, err
}

// packedReplacement is a Replacement as JSON has it: numbers of weights and of biases, and both, deflated.
type packedReplacement struct {
	Weights, Bias int
	Packed        []byte
}

func (r Replacement) MarshalJSON() ([]byte, error) {
	content, err := packed(r.Weights, r.Bias)
	if err != nil {
		return nil, err
	}
	return json.Marshal(packedReplacement{len(r.Weights), len(r.Bias), content})
}

// packed is lists of numbers, one after the other, deflated.
func packed(lists ...any) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	for _, list := range lists {
		if err == nil {
			err = binary.Write(w, binary.LittleEndian, list)
		}
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// unpack fills lists with what packed made of as many numbers. make makes them, once it is known that the content bears
// out their size: numbers that it does not bear out take no memory.
func unpack(content []byte, size int64, make func() []any) error {
	in := flate.NewReader(bytes.NewReader(content))
	defer in.Close()
	all, err := io.ReadAll(io.LimitReader(in, size+1))
	if err != nil {
		return err
	}
	if int64(len(all)) != size {
		return io.ErrUnexpectedEOF
	}
	for _, list := range make() {
		n := binary.Size(list)
		if _, err := binary.Decode(all[:n], binary.LittleEndian, list); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// mostReplaced bounds the weights of a layer that are unpacked.
const mostReplaced = 1 << 30

func (r *Replacement) UnmarshalJSON(text []byte) error {
	var p packedReplacement
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	if min(p.Weights, p.Bias) < 0 || max(p.Weights, p.Bias) > mostReplaced {
		return io.ErrUnexpectedEOF
	}
	return unpack(p.Packed, 4*(int64(p.Weights)+int64(p.Bias)), func() []any {
		r.Weights, r.Bias = make([]float32, p.Weights), make([]float32, p.Bias)
		return []any{r.Weights, r.Bias}
	})
}

// packedRounded is a Rounded as JSON has it: the numbers of its lists, and these, deflated. Its format is the question's.
type packedRounded struct {
	Codes, Scale, Bias, Book, Weights int
	Packed                            []byte
}

func (r Rounded) MarshalJSON() ([]byte, error) {
	content, err := packed(r.Codes, r.Scale, r.Bias, r.Book, r.Weights)
	if err != nil {
		return nil, err
	}
	return json.Marshal(packedRounded{len(r.Codes), len(r.Scale), len(r.Bias), len(r.Book), len(r.Weights), content})
}

func (r *Rounded) UnmarshalJSON(text []byte) error {
	var p packedRounded
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	counts := []int{p.Codes, p.Scale, p.Bias, p.Book, p.Weights}
	if slices.Min(counts) < 0 || slices.Max(counts) > mostReplaced {
		return io.ErrUnexpectedEOF
	}
	size := int64(p.Codes) + 8*(int64(p.Scale)+int64(p.Bias)) + int64(p.Book) + 4*int64(p.Weights)
	return unpack(p.Packed, size, func() []any {
		*r = Rounded{Codes: make([]byte, p.Codes), Scale: make([]float64, p.Scale), Bias: make([]float64, p.Bias), Weights: make([]float32, p.Weights)}
		if p.Book > 0 {
			r.Book = make([]int8, p.Book)
		}
		return []any{r.Codes, r.Scale, r.Bias, r.Book, r.Weights}
	})
}
