package project

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes/validate"
	"github.com/dnnc/dnnc/runtime/interp"
)

// A firmware carries this many samples, and fewer where they would take more bytes.
const (
	mostSamples = 10
	sampleBytes = 32 << 10
)

// samples writes inputs and what the interpreter answers to them, integers in the order of
// memory: items of -data where it is given, else noise. Whatever a network takes and answers,
// its firmware proves itself with them.
func (p *project) samples(ctx context.Context, r *driver.Result, o driver.Options) error {
	m := p.module
	bytesEach := 0
	for _, v := range append(append([]*ir.Value(nil), m.Inputs...), m.Outputs...) {
		bytesEach += v.Type.Slots()
	}
	n := min(mostSamples, max(1, sampleBytes/max(bytesEach, 1)))
	items, labels, err := r.Items(o, n)
	if err != nil {
		return err
	}
	from := "noise"
	var records [][]int8
	for _, x := range items {
		from = quote.CComment(filepath.Base(o.Data))
		records = append(records, interp.QuantizeInputs(r.Whole(), x))
	}
	if m.Streams() && len(records) > 0 { // one after the other, frame by frame
		whole := records
		records, labels = nil, nil
		for _, x := range whole {
			records = append(records, validate.Runs(r.Whole(), m, x)...)
		}
		records = records[:min(n, len(records))]
	}
	rng := rand.New(rand.NewPCG(o.Seed, 1))
	for len(records) < n && len(items) == 0 {
		var x []int8
		for _, v := range m.Inputs {
			x = append(x, program.Noise(m, v, rng)...)
		}
		records = append(records, x)
	}
	n = len(records)
	prog, err := interp.CompileInt(m)
	if err != nil {
		return err
	}
	inputs, outputs := make([][][]byte, len(m.Inputs)), make([][][]byte, len(m.Outputs))
	kept := append(append([]*ir.Value(nil), m.Inputs...), m.Outputs...)
	t := prog.Tensors(1, kept...)
	for _, x := range records {
		if !m.Streams() {
			t = prog.Tensors(1, kept...)
		}
		for k, v := range m.Inputs {
			size := copy(t[prog.ID(v)], x)
			inputs[k] = append(inputs[k], program.Physical(v, x[:size]))
			x = x[size:]
		}
		if err := prog.Run(ctx, t, 1, 0, len(m.Ops)); err != nil {
			return err
		}
		for k, v := range m.Outputs {
			outputs[k] = append(outputs[k], program.Physical(v, t[prog.ID(v)]))
		}
	}
	var s bytes.Buffer
	fmt.Fprintf(&s, "/* Samples of %s, integers in the order of the network's memory, and what dnnc's interpreter answers. */\n#include \"%s.h\"\n#define SAMPLES %d\n", from, p.Prefix, n)
	for k, x := range p.Inputs {
		array(&s, x, inputs[k])
	}
	for k, x := range p.Outputs {
		array(&s, x, outputs[k])
	}
	if p.Labelled = labels != nil && len(p.Outputs) == 1 && p.Outputs[0].IsClass; p.Labelled {
		s.WriteString("static const int sample_label[SAMPLES] = {")
		for _, l := range labels {
			fmt.Fprintf(&s, "%d,", l)
		}
		s.WriteString("};\n")
	}
	return p.write("samples.h", s.Bytes())
}

// array prints the elements of a tensor, an item a row.
func array(s *bytes.Buffer, x tensor, items [][]byte) {
	width := 1
	if x.C == "int16_t" {
		width = 2
	}
	fmt.Fprintf(s, "static const %s sample_%s[SAMPLES][%s_BYTES / sizeof(%s)] = {\n", x.C, x.Var, x.Macro, x.C)
	for _, item := range items {
		s.WriteString("{")
		for i := 0; i < len(item); i += width {
			if i/width%24 == 0 {
				s.WriteString("\n  ")
			}
			v := int(int8(item[i]))
			if width == 2 {
				v = int(int16(uint16(item[i]) | uint16(item[i+1])<<8))
			}
			fmt.Fprintf(s, "%d,", v)
		}
		s.WriteString("},\n")
	}
	s.WriteString("};\n")
}
