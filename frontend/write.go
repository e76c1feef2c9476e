package frontend

import (
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/input"
)

// Dump is a module as a text and the tensors file that it refers to, which is made
// when it is written.
type Dump struct {
	Text        []byte
	TensorsName string // content-addressed, to lie beside the text
	m           *ir.Module
}

// NewDump prints m with all its constants in one tensors file. Data sets are
// not referred to: a dump lies where its reader puts it, and quantized ones
// need none. The constants of m must stay as they are until the dump is written.
func NewDump(m *ir.Module) (*Dump, error) {
	h := sha256.New()
	if err := WriteTensors(h, m); err != nil {
		return nil, err
	}
	hash := hex.EncodeToString(h.Sum(nil))
	c := *m
	c.Calib, c.Test = "", ""
	d := &Dump{TensorsName: m.Name + "-" + hash[:8] + ".safetensors", m: &c}
	c.Tensors = []ir.TensorsFile{{Path: d.TensorsName, SHA256: hash}}
	d.Text = []byte(c.String())
	return d, nil
}

// Holds reports whether a file is the tensors file already.
func (d *Dump) Holds(path string) bool {
	f, err := input.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && hex.EncodeToString(h.Sum(nil)) == d.m.Tensors[0].SHA256
}

// WriteTensors writes the tensors file.
func (d *Dump) WriteTensors(w io.Writer) error { return WriteTensors(w, d.m) }

// WriteTensors streams the constants of m to a safetensors file.
func WriteTensors(w io.Writer, m *ir.Module) error {
	entries := make([]weights.Entry, len(m.Consts))
	for i, c := range m.Consts {
		shape := []int(c.Type.Shape)
		if c.Type.Elem.Kind == ir.Vec {
			shape = []int{c.StoredBytes()}
		}
		entries[i] = weights.Entry{Name: c.Name, DType: stored(c.Type.Elem), Shape: shape, Data: c}
	}
	return weights.Stream(w, entries)
}
