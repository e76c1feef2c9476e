package quant

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"

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
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	for _, list := range [][]float32{r.Weights, r.Bias} {
		if err == nil {
			err = binary.Write(w, binary.LittleEndian, list)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(packedReplacement{len(r.Weights), len(r.Bias), out.Bytes()})
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
	in := flate.NewReader(bytes.NewReader(p.Packed))
	defer in.Close()
	// Numbers that the content does not bear out take no memory.
	content, err := io.ReadAll(io.LimitReader(in, 4*(int64(p.Weights)+int64(p.Bias))+1))
	if err != nil {
		return err
	}
	if len(content) != 4*(p.Weights+p.Bias) {
		return io.ErrUnexpectedEOF
	}
	r.Weights, r.Bias = make([]float32, p.Weights), make([]float32, p.Bias)
	_, err = binary.Decode(content, binary.LittleEndian, r.Weights)
	if err == nil {
		_, err = binary.Decode(content[4*p.Weights:], binary.LittleEndian, r.Bias)
	}
	return err
}
