package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
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

// peerLayers are the convolutions and linear layers that peers were counted on: input,
// output channels, window, then what is not the default.
var peerLayers = map[string]string{
	"A3x3_32": "32,32,32 32 3x3 pad=1,1,1,1", "Adw32": "32,32,32 32 3x3 pad=1,1,1,1 groups=32", "Apw32_64": "32,32,32 64 1x1", "Afc800_500": "800 500",
	"c3x3_16_16": "16,32,32 16 3x3 pad=1,1,1,1", "c3x3s2_16_32": "16,32,32 32 3x3 stride=2 pad=0,0,1,1", "c5x5_1_20": "1,28,28 20 5x5",
	"conv1d_k3_64": "64,1,128 64 1x3 pad=0,1,0,1", "dscnn10x4": "1,49,10 64 10x4 stride=2 pad=4,1,5,1",
	"dw3x3_8c": "8,48,48 8 3x3 pad=1,1,1,1 groups=8", "dw3x3s2_64c": "64,24,24 64 3x3 stride=2 pad=0,0,1,1 groups=64", "dw5x5_32c": "32,24,24 32 5x5 pad=2,2,2,2 groups=32",
	"fc640_128": "640 128", "fc64_10": "64 10", "first3x3s2": "3,96,96 8 3x3 stride=2 pad=0,0,1,1",
	"grouped4": "32,16,16 32 3x3 pad=1,1,1,1 groups=4", "odd17_23": "17,19,19 23 3x3 pad=1,1,1,1",
	"pw128_256": "128,6,6 256 1x1", "pw256_256": "256,3,3 256 1x1", "odd1x1": "13,11,11 7 1x1", "odddw": "11,15,15 11 3x3 pad=1,1,1,1 groups=11",
	"pw8_16": "8,48,48 16 1x1", "pw_s2_16_32": "16,32,32 32 1x1 stride=2",
}

// layerOf is the network of one layer that a line of peerLayers describes.
func layerOf(text string) (*network, error) {
	words := strings.Fields(text)
	in, out := words[0], 0
	shape := ints(in, ",")
	if _, err := fmt.Sscan(words[1], &out); err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	if len(words) == 2 {
		return &network{in, words[1], []line{linear("layer", out, shape[0], "")}}, nil
	}
	k, stride, groups, pad, attrs := ints(words[2], "x"), 1, 1, []int{0, 0, 0, 0}, ""
	for _, w := range words[3:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "stride":
			stride = ints(value, ",")[0]
		case "groups":
			groups = ints(value, ",")[0]
		case "pad":
			pad = ints(value, ",")
			value = "[" + value + "]"
		default:
			return nil, fmt.Errorf("%s: no word %q of a layer", text, w)
		}
		attrs += fmt.Sprintf(", %s: %s", key, value)
	}
	size := func(axis int) int { return (shape[1+axis]+pad[axis]+pad[2+axis]-k[axis])/stride + 1 }
	return &network{in, fmt.Sprintf("%d,%d,%d", out, size(0), size(1)),
		[]line{{"layer", fmt.Sprintf("conv2d(%%s, filters: %d, kernel: [%d,%d]%s)", out, k[0], k[1], attrs), []int{out, shape[0] / groups, k[0], k[1]}}}}, nil
}

// ints are the numbers of a text.
func ints(text, sep string) (list []int) {
	for w := range strings.SplitSeq(text, sep) {
		v := 0
		fmt.Sscan(w, &v)
		list = append(list, v)
	}
	return list
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
	"add16":      {"16,32,32] in [0,1], b: f32[16,32,32", "16,32,32", []line{{name: "layer", op: "add(%s, b)"}}},
	"avgpool2":   {"16,32,32", "16,16,16", []line{{name: "layer", op: "avgpool2d(%s, kernel: 2)"}}},
	"gap64":      {"64,8,8", "64,1,1", []line{{name: "layer", op: "globalavgpool(%s)"}}},
	"sigmoid64":  {"64", "64", []line{{name: "layer", op: "sigmoid(%s)"}}},
	"tanh64":     {"64", "64", []line{{name: "layer", op: "tanh(%s)"}}},
	"softmax10":  {"10", "10", []line{{name: "layer", op: "softmax(%s)"}}},
	"maxpool2":   {"16,32,32", "16,16,16", []line{pool("layer", "kernel: 2")}},
	"maxpool3s2": {"11,25,25", "11,12,12", []line{pool("layer", "kernel: 3, stride: 2")}},
	"mul16":      {"16,32,32] in [0,1], b: f32[16,32,32", "16,32,32", []line{{name: "layer", op: "mul(%s, b)"}}},
	"hardswish7": {"7,19,19", "7,19,19", []line{{name: "layer", op: "hardswish(%s)"}}},
	"alexnet224": alexnet(),
	"vgg16-224":  vgg16(),

	"mobilenetv2-224": mobilenet(),
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

// mobilenet is Sandler's MobileNetV2 of width .35 for images of 224 x 224, its batch norms folded.
func mobilenet() *network {
	const relu6 = ", act: relu6"
	n := &network{input: "3,224,224", output: "1000", lines: []line{conv("first", 16, 3, 3, ", stride: 2, pad: 1"+relu6)}}
	in, block := 16, 0
	for _, stage := range []struct{ expand, out, blocks, stride int }{{1, 8, 1, 1}, {6, 8, 2, 2}, {6, 16, 3, 2}, {6, 24, 4, 2}, {6, 32, 3, 1}, {6, 56, 3, 2}, {6, 112, 1, 1}} {
		for b := range stage.blocks {
			block++
			name := func(part string) string { return fmt.Sprintf("%s%d", part, block) }
			stride, wide := 1, in*stage.expand
			if b == 0 {
				stride = stage.stride
			}
			before := n.lines[len(n.lines)-1].name
			if stage.expand > 1 {
				n.lines = append(n.lines, conv(name("expand"), wide, in, 1, relu6))
			}
			n.lines = append(n.lines,
				line{name("depth"), fmt.Sprintf("conv2d(%%s, filters: %d, kernel: 3, stride: %d, pad: 1, groups: %[1]d%[3]s)", wide, stride, relu6), []int{wide, 1, 3, 3}},
				conv(name("project"), stage.out, wide, 1, ""))
			if stride == 1 && in == stage.out {
				n.lines = append(n.lines, line{name: name("sum"), op: fmt.Sprintf("add(%%s, %s)", before)})
			}
			in = stage.out
		}
	}
	n.lines = append(n.lines, conv("last", 1280, in, 1, relu6), line{name: "mean", op: "globalavgpool(%s)"}, line{name: "flat", op: "flatten(%s)"}, linear("answer", 1000, 1280, ""))
	return n
}

// macs is the multiply-adds of a network of one layer with weights.
func (n *network) macs() int {
	macs, out := 1, ints(n.output, ",")
	for _, d := range append(slices.Clone(n.lines[0].weight), out[1:]...) {
		macs *= d
	}
	return macs
}

// text is the network in dnnc's language.
func (n *network) text(name string) string {
	var b strings.Builder
	if slices.ContainsFunc(n.lines, func(l line) bool { return l.weight != nil }) {
		fmt.Fprintf(&b, "tensors \"%s.safetensors\"\n\n", name)
	}
	fmt.Fprintf(&b, "network net(image: f32[%s] in [0,1]) -> f32[%s] {\n", n.input, n.output)
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
