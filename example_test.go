package dnnc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
)

// Compile an ONNX model with images of the program's own.
func ExampleCompile() {
	m, err := dnnc.Load("testdata/lenet5/lenet5.onnx", dnnc.LoadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	images := data.Batch{N: 16, Shape: m.Inputs[0].Type.Shape, X: make([]float32, 16*m.Inputs[0].Type.Shape.Size())}
	for i := range images.X {
		images.X[i] = float32(i%17) / 16
	}
	c, err := dnnc.NewConfig("armv7em")
	if err != nil {
		log.Fatal(err)
	}
	c.Calibration = dnnc.Images(images)
	r, err := dnnc.Compile(context.Background(), m, c)
	if err != nil {
		log.Fatal(err)
	}
	code, header, err := r.C() // r.Object makes an object, by LLVM
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := r.Certificate()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(code, "lenet5_run"), strings.Contains(header, "LENET5_ARENA_BYTES"), certificate.Target, certificate.Layers[0].Format)
	// Output: true true armv7em i8
}

// Search formats for a network, and give up.
func ExampleCompile_cancel() {
	m, err := dnnc.Load("testdata/lenet5/lenet5.dnn", dnnc.LoadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	c, err := dnnc.NewConfig("armv7")
	if err != nil {
		log.Fatal(err)
	}
	c.Level, c.Budget.Bits, c.Task = pass.Robust, 1.5, "classes"
	c.Calibration = dnnc.Images(data.Synthesize(m.Inputs[0].Type.Shape, 0, 1, 64, 1))
	ctx, cancel := context.WithCancel(context.Background())
	c.Progress = func(what string, done, total int) {
		if what == "measuring formats" && done > 2 {
			cancel()
		}
	}
	_, err = dnnc.Compile(ctx, m, c)
	fmt.Println(errors.Is(err, context.Canceled))
	// Output: true
}
