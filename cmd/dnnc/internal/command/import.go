package command

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/decimal"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
)

// importModel writes a model of another format as a text, the tensors beside it.
func importModel(_ context.Context, o driver.Options, stdout, _ io.Writer) error {
	o.Notes = stdout
	if strings.EqualFold(filepath.Ext(o.Input), ".dnn") {
		return diag.New(diag.Pos{File: o.Input}, diag.BadFile, "a network of the language already: import reads ONNX and TensorFlow Lite models")
	}
	m, err := driver.Load(o)
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(o.Output, filepath.Ext(o.Output))
	if o.Output == "" {
		base = m.Name
	}
	files := o.Files()
	files.Network(o, m)
	files.Writes("the text", base+".dnn")
	files.Writes("the tensors file", base+".safetensors")
	if err := files.Check(); err != nil {
		return err
	}
	if err := driver.WriteText(base, o.Input, m); err != nil {
		return err
	}
	weights := 0
	for _, c := range m.Consts {
		weights += c.Type.Shape.Size()
	}
	fmt.Fprintf(stdout, "%s.dnn: %d operations, %d numbers in %s\n", base, len(m.Ops), weights, base+".safetensors")
	for _, in := range m.Inputs {
		if _, said := o.Ranges[in.Name]; !said && in.Range != nil && m.RowsOf(in) == 0 {
			fmt.Fprintf(stdout, "%s is taken to be in [%s,%s]; %s says otherwise\n", in.Name, ir.FormatFloat(in.Range.Lo), ir.FormatFloat(in.Range.Hi), quote.Flag("range", in.Name+"=0,255"))
		}
	}
	return nil
}

// named splits name=1,2,3 into a name and numbers.
func named(s string) (name string, numbers []float64, err error) {
	name, list, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return "", nil, fmt.Errorf("%q is not name=numbers: the name of the input comes first, which dnnc check prints", s)
	}
	for _, part := range strings.Split(list, ",") {
		x, err := decimal.Float(part, 64)
		if err != nil {
			return "", nil, fmt.Errorf("%q is no number", part)
		}
		numbers = append(numbers, x)
	}
	return name, numbers, nil
}

func shapeOf(o *driver.Options) func(string) error {
	return func(s string) error {
		name, x, err := named(s)
		if err != nil {
			return err
		}
		shape := make([]int, len(x))
		for i, v := range x {
			if shape[i] = int(v); float64(shape[i]) != v || v < 1 || v > ir.MaxElements {
				return fmt.Errorf("%v is no size of a dimension", v)
			}
		}
		if o.Shapes == nil {
			o.Shapes = map[string][]int{}
		}
		o.Shapes[name] = slices.Clone(shape)
		return nil
	}
}

func contentOf(o *driver.Options) func(string) error {
	return func(s string) error {
		name, text, ok := strings.Cut(s, "=")
		if !ok {
			name, text = "", s
		}
		c, words, err := ir.ParseContent(text)
		if err != nil {
			if near := diag.Suggest(text, words); near != "" {
				return fmt.Errorf("%w; did you mean %s?", err, near)
			}
			return err
		}
		if o.Contents == nil {
			o.Contents = map[string]ir.Content{}
		}
		o.Contents[name] = c
		return nil
	}
}

func rangeOf(o *driver.Options) func(string) error {
	return func(s string) error {
		name, x, err := named(s)
		if err != nil {
			return err
		}
		if len(x) != 2 || !(ir.Range{Lo: x[0], Hi: x[1]}).IsValid() {
			return fmt.Errorf("%q is no range: write %s=0,1", s, name)
		}
		if o.Ranges == nil {
			o.Ranges = map[string]ir.Range{}
		}
		o.Ranges[name] = ir.Range{Lo: x[0], Hi: x[1]}
		return nil
	}
}
