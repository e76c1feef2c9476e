package frontend

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
)

// Dump is a module as a text and the tensors file that it refers to.
type Dump struct {
	Text        []byte
	TensorsName string // content-addressed, to lie beside the text
	Tensors     []byte
}

// NewDump prints m with all its constants in one tensors file. Data sets are
// not referred to: a dump lies where its reader puts it, and quantized ones
// need none.
func NewDump(m *ir.Module) (*Dump, error) {
	var tensors []weights.Tensor
	for _, c := range m.Consts {
		raw, err := c.Load()
		if err != nil {
			return nil, err
		}
		shape := []int(c.Type.Shape)
		if c.Type.Elem.Kind == ir.Vec {
			shape = []int{len(raw)}
		}
		tensors = append(tensors, weights.Tensor{Name: c.Name, DType: stored(c.Type.Elem), Shape: shape, Data: raw})
	}
	var b bytes.Buffer
	if err := weights.WriteSafetensors(&b, tensors); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b.Bytes())
	hash := hex.EncodeToString(sum[:])
	d := &Dump{TensorsName: m.Name + "-" + hash[:8] + ".safetensors", Tensors: b.Bytes()}
	c := *m
	c.Calib, c.Test = "", ""
	c.Tensors = []ir.TensorsFile{{Path: d.TensorsName, SHA256: hash}}
	d.Text = []byte(c.String())
	return d, nil
}

// WriteTensors streams the constants of m to a safetensors file.
func WriteTensors(w io.Writer, m *ir.Module) error {
	entries := make([]weights.Entry, len(m.Consts))
	for i, c := range m.Consts {
		entries[i] = weights.Entry{Name: c.Name, DType: stored(c.Type.Elem), Shape: c.Type.Shape, Load: c.Load}
	}
	return weights.Stream(w, entries)
}
