// Package dnnc compiles trained neural networks into fixed-point objects for embedded
// processors. A program that embeds the compiler loads a network, configures a build and
// takes what it needs of the result:
//
//	m, err := dnnc.Load("model.onnx", dnnc.LoadOptions{})
//	c, err := dnnc.NewConfig("armv7em")
//	c.Calibration = dnnc.Images(batch)
//	r, err := dnnc.Compile(ctx, m, c)
//	object, err := r.Object(ctx)
//
// The package prints nothing, writes no file and keeps no state between calls. Errors that
// the network or the configuration is at fault for are *diag.Diagnostic or diag.List.
// The command dnnc is flags and files around this package.
package dnnc

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/onnx"
	"github.com/dnnc/dnnc/frontend/tflite"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
)

// LoadOptions are what a file leaves open.
type LoadOptions struct {
	Shapes map[string][]int    // of inputs of an ONNX model, by name
	Ranges map[string]ir.Range // of the reals of a model's inputs, by name
	// Contents is what a model's inputs hold, by name; "" is the name of an only input.
	Contents map[string]ir.Content
	// Requantize reads a quantized model as the reals that its integers stand for, to be
	// quantized anew; otherwise the model keeps its integers.
	Requantize bool
	// Inexact, if it is not nil, is told why a quantized model cannot keep its
	// integers, which is then read as by Requantize. Without it such a model is refused.
	Inexact func(why error)
	// Signature is the signature or the subgraph of a TensorFlow Lite model that is read;
	// it may be absent where there is one.
	Signature string
	// Kernels says whose integers a quantized TensorFlow Lite model has: those of its
	// KernelsReference, if it is empty, or KernelsOptimized kernels.
	Kernels string
	// Outputs are values of an ONNX model that the network returns, instead of the model's
	// results; LeftOut, if it is not nil, is told what of the model they do not need.
	Outputs []string
	LeftOut func(what string)
	// AllowOutside lets a network name files outside of its folder.
	AllowOutside bool
}

// The sets of kernels whose integers a quantized TensorFlow Lite model may keep.
const (
	KernelsReference = "reference"
	KernelsOptimized = "optimized"
)

// forTFLite reports options that are of TensorFlow Lite models, for a file of another
// format.
func (o LoadOptions) forTFLite(name string) error {
	for _, of := range []struct{ flag, value string }{{"-signature", o.Signature}, {"-kernels", o.Kernels}} {
		if of.value != "" {
			return diag.New(diag.Pos{File: name}, diag.BadValue, "%s %s is of TensorFlow Lite models; this file is none", of.flag, of.value).
				WithHelp("leave the flag out")
		}
	}
	return nil
}

// tflite are the options of a TensorFlow Lite model.
func (o LoadOptions) tflite() tflite.Options {
	return tflite.Options{Float: o.Requantize, Ranges: o.Ranges, Signature: o.Signature, Optimized: o.Kernels == KernelsOptimized, Inexact: o.Inexact}
}

// fits reports shapes and ranges that the file itself gives: a text has both, a
// TensorFlow Lite model has shapes. Outputs are cut from ONNX models alone.
func (o LoadOptions) fits(name string, isText bool) error {
	if isText {
		if err := o.forTFLite(name); err != nil {
			return err
		}
	}
	switch {
	case !isText && o.Kernels != "" && o.Kernels != KernelsReference && o.Kernels != KernelsOptimized:
		return diag.New(diag.Pos{File: name}, diag.BadValue, "-kernels is %s or %s, not %q", KernelsReference, KernelsOptimized, o.Kernels)
	case len(o.Shapes) > 0:
		return diag.New(diag.Pos{File: name}, diag.BadValue, "-shape gives sizes that an ONNX model leaves open; this file has all of them")
	case len(o.Outputs) > 0:
		return diag.New(diag.Pos{File: name}, diag.BadValue, "-outputs cuts an ONNX model to some of its values; this file is none")
	case len(o.Ranges) > 0 && isText:
		return diag.New(diag.Pos{File: name}, diag.BadValue, "-range is for inputs of models; a text gives its own").
			WithHelp("write it after the type of the input: f32[1,28,28] in [0,255]")
	case len(o.Contents) > 0 && isText:
		return diag.New(diag.Pos{File: name}, diag.BadValue, "-kind is for inputs of models; a text says its own").
			WithHelp("write it after the type of the input: f32[2,64] in [-1,1] signal axis: 1")
	}
	return nil
}

// declare writes down what the inputs of a model hold.
func (o LoadOptions) declare(m *ir.Module, err error) (*ir.Module, error) {
	if err != nil {
		return nil, err
	}
	var names []string
	for _, in := range m.Inputs {
		names = append(names, in.Name)
		c, ok := o.Contents[in.Name]
		if !ok && len(m.Inputs) == 1 {
			c, ok = o.Contents[""]
		}
		if !ok {
			continue
		}
		if err := c.Check(in.Type.Shape); err != nil {
			return nil, diag.New(in.Pos, diag.BadValue, "-kind %s=%s: %v", in.Name, c, err)
		}
		if c.Kind == ir.Signal && c.Axis == ir.NoAxis && in.Content.Kind == ir.Signal {
			c.Axis = in.Content.Axis // which the format says
		}
		in.Content = c
	}
	for name := range o.Contents {
		if !slices.Contains(names, name) && (name != "" || len(names) > 1) {
			return nil, diag.New(m.Pos, diag.BadValue, "-kind: the model has no input %q", name).WithSuggestion(name, names).
				WithNote("its inputs are %s", strings.Join(names, " "))
		}
	}
	return m, nil
}

// Load reads a network from a file: ONNX and TensorFlow Lite by their endings, else text
// of the language of dnnc.
func Load(path string, o LoadOptions) (*ir.Module, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".onnx":
		if err := o.forTFLite(path); err != nil {
			return nil, err
		}
		return o.declare(onnx.Load(path, onnx.Options{Shapes: o.Shapes, Ranges: o.Ranges, AllowOutside: o.AllowOutside, Exact: !o.Requantize, Inexact: o.Inexact,
			Outputs: o.Outputs, LeftOut: o.LeftOut}))
	case ".tflite":
		if err := o.fits(path, false); err != nil {
			return nil, err
		}
		return o.declare(tflite.Load(path, o.tflite()))
	}
	if err := o.fits(path, true); err != nil {
		return nil, err
	}
	return frontend.Load(path, frontend.Options{AllowOutside: o.AllowOutside})
}

// Parse reads a network from memory. The ending of name says the format, as in Load;
// diagnostics have name as their file.
func Parse(name string, raw []byte, o LoadOptions) (*ir.Module, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".onnx":
		if err := o.forTFLite(name); err != nil {
			return nil, err
		}
		return o.declare(onnx.Parse(name, raw, onnx.Options{Shapes: o.Shapes, Ranges: o.Ranges, AllowOutside: o.AllowOutside, Exact: !o.Requantize, Inexact: o.Inexact,
			Outputs: o.Outputs, LeftOut: o.LeftOut}))
	case ".tflite":
		if err := o.fits(name, false); err != nil {
			return nil, err
		}
		return o.declare(tflite.Parse(name, raw, o.tflite()))
	}
	if err := o.fits(name, true); err != nil {
		return nil, err
	}
	return frontend.Parse(name, raw, frontend.Options{AllowOutside: o.AllowOutside})
}
