package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/dnnc/dnnc/frontend/weights"
)

// network is a chain of lines.
type network struct {
	input  string // shape
	output string
	lines  []line
}

// line is an operation of what the line before gives.
type line struct {
	name, op string
	weight   []int // nil without weights
}

// networks are those that can be generated: the layers of the table, and two
// networks in their full size.
var networks = map[string]*network{
	"conv3x3":    {"32,32,32", "32,32,32", []line{conv("layer", 32, 32, 3, ", pad: 1")}},
	"conv1x1":    {"32,32,32", "64,32,32", []line{conv("layer", 64, 32, 1, "")}},
	"depthwise":  {"32,32,32", "32,32,32", []line{{"layer", "conv2d(%s, filters: 32, kernel: 3, pad: 1, groups: 32)", []int{32, 1, 3, 3}}}},
	"linear":     {"800", "500", []line{linear("layer", 500, 800, "")}},
	"deep3x3":    {"128,8,8", "128,8,8", []line{conv("layer", 128, 128, 3, ", pad: 1")}},
	"first3x3":   {"3,32,32", "32,32,32", []line{conv("layer", 32, 3, 3, ", pad: 1")}},
	"alexnet224": alexnet(),
	"vgg16-224":  vgg16(),
}

func conv(name string, out, in, k int, attrs string) line {
	return line{name, fmt.Sprintf("conv2d(%%s, filters: %d, kernel: %d%s)", out, k, attrs), []int{out, in, k, k}}
}

func linear(name string, out, in int, attrs string) line {
	return line{name, fmt.Sprintf("linear(%%s, units: %d%s)", out, attrs), []int{out, in}}
}

func pool(name string, attrs string) line {
	return line{name: name, op: fmt.Sprintf("maxpool2d(%%s, %s)", attrs)}
}

// alexnet is Krizhevsky's network in the form of one tower, 61 M weights.
func alexnet() *network {
	const relu = ", act: relu"
	return &network{"3,224,224", "1000", []line{
		conv("conv1", 64, 3, 11, ", stride: 4, pad: 2"+relu), pool("pool1", "kernel: 3, stride: 2"),
		conv("conv2", 192, 64, 5, ", pad: 2"+relu), pool("pool2", "kernel: 3, stride: 2"),
		conv("conv3", 384, 192, 3, ", pad: 1"+relu), conv("conv4", 256, 384, 3, ", pad: 1"+relu), conv("conv5", 256, 256, 3, ", pad: 1"+relu), pool("pool5", "kernel: 3, stride: 2"),
		linear("fc6", 4096, 9216, relu), linear("fc7", 4096, 4096, relu), linear("fc8", 1000, 4096, ""),
	}}
}

// vgg16 is Simonyan and Zisserman's configuration D, 138 M weights.
func vgg16() *network {
	n := &network{input: "3,224,224", output: "1000"}
	in, i, stage := 3, 0, 0
	for _, out := range []int{64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0} {
		if out == 0 {
			stage++
			n.lines = append(n.lines, pool(fmt.Sprintf("pool%d", stage), "kernel: 2"))
			continue
		}
		i++
		n.lines = append(n.lines, conv(fmt.Sprintf("conv%d", i), out, in, 3, ", pad: 1, act: relu"))
		in = out
	}
	n.lines = append(n.lines, linear("fc1", 4096, 25088, ", act: relu"), linear("fc2", 4096, 4096, ", act: relu"), linear("fc3", 1000, 4096, ""))
	return n
}

// text is the network in dnnc's language.
func (n *network) text(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tensors \"%s.safetensors\"\n\nnetwork net(image: f32[%s] in [0,1]) -> f32[%s] {\n", name, n.input, n.output)
	last := "image"
	for _, l := range n.lines {
		fmt.Fprintf(&b, "  %s = %s\n", l.name, fmt.Sprintf(l.op, last))
		last = l.name
	}
	fmt.Fprintf(&b, "  return %s\n}\n", last)
	return b.String()
}

// writeWeights writes normal weights of the variance that keeps activations alike,
// and no biases; always the same ones.
func writeWeights(path string, n *network) error {
	var entries []weights.Entry
	for i, l := range n.lines {
		if l.weight == nil {
			continue
		}
		size, fan := 1, 1
		for j, d := range l.weight {
			size *= d
			if j > 0 {
				fan *= d
			}
		}
		entries = append(entries, weights.Entry{Name: l.name + ".weight", DType: weights.F32, Shape: l.weight, Data: weights.Made(func() ([]byte, error) {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			sigma := math.Sqrt(2 / float64(fan))
			data := make([]byte, 0, 4*size)
			for range size {
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(sigma*rng.NormFloat64())))
			}
			return data, nil
		})})
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := weights.Stream(f, entries); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
