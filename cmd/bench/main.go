// Command bench measures what dnnc promises of its kernels: it generates networks
// of one layer, counts their instructions with `dnnc bench`, and prints them beside
// the bars. With -write it only writes a network: one of the layers, or AlexNet or
// VGG-16 in their full size, with random weights.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// bar is a figure of the table: a layer in a format on a target takes at most so
// many million instructions; Peer is the best library's.
type bar struct {
	target, layer, format string
	most, peer            float64
}

// bars are those that the project set itself, and CMSIS-NN's and XNNPACK's counts
// as measured under the same emulator.
var bars = []bar{
	{"armv7em", "conv3x3", "i8", 12.3, 18.2}, {"armv7em", "linear", "i8", .66, .778}, {"armv7em", "conv1x1", "i8", 3.6, 5.53}, {"armv7em", "depthwise", "i8", 2.2, 2.54},
	{"armv7em", "conv3x3", "odd4", 10.5, 32.8}, {"armv7em", "linear", "odd4", .58, 0}, {"armv7em", "conv1x1", "odd4", 3.2, 0},
	{"armv7em", "conv3x3", "odd2", 10, 0}, {"armv7em", "linear", "odd2", .5, 0},
	{"armv7em", "conv3x3", "odd1", 9, 0}, {"armv7em", "linear", "odd1", .3, 0},
	{"armv7m", "conv3x3", "i8", 20, 25.1}, {"armv7m", "linear", "i8", 1.13, 1.36}, {"armv7m", "conv1x1", "i8", 5.8, 7.65}, {"armv7m", "depthwise", "i8", 2.6, 2.97},
	{"armv7m", "conv3x3", "odd4", 12.5, 27.9}, {"armv7m", "linear", "odd4", .7, 0},
	{"armv8.1m", "conv3x3", "i8", 1.6, 2.37}, {"armv8.1m", "linear", "i8", .066, .07}, {"armv8.1m", "conv1x1", "i8", .9, 1.27}, {"armv8.1m", "depthwise", "i8", .6, .77},
	{"armv8.1m", "conv3x3", "odd4", 1.65, 2.64}, {"armv8.1m", "linear", "odd4", .075, 0},
	// Not above 1.05 times what 8 bits take.
	{"armv8.1m", "deep3x3", "i8", 0, 0}, {"armv8.1m", "deep3x3", "odd4", 1.233, 0}, {"armv8.1m", "deep3x3", "odd2", 1.233, 0}, {"armv8.1m", "deep3x3", "odd1", 1.233, 0},
	{"armv7", "conv3x3", "i8", 3.4, 3.65}, {"armv7", "linear", "i8", .135, .28}, {"armv7", "conv1x1", "i8", 0, .92}, {"armv7", "deep3x3", "i8", 0, 3.4},
	{"armv7", "conv3x3", "odd4", 2.8, 0}, {"armv7", "linear", "odd4", .135, 0},
	{"armv7", "conv3x3", "odd2", 2.8, 0}, {"armv7", "linear", "odd2", .135, 0},
	{"armv7", "conv3x3", "odd1", 2.4, 0}, {"armv7", "linear", "odd1", .1, 0},
	{"armv7em", "deep3x3", "i8", 0, 15.95}, {"armv7em", "deep3x3", "vec4x8", 4.6, 15.95}, {"armv7em", "linear", "vec4x8", .21, .778}, {"armv7em", "deep3x3", "vec4x16", 2.6, 15.95}, {"armv7em", "linear", "vec4x16", .13, .778},
	{"armv7m", "deep3x3", "vec4x8", 4.8, 24.4}, {"armv7m", "linear", "vec4x8", .22, 1.36}, {"armv7m", "deep3x3", "vec4x16", 2.8, 24.4}, {"armv7m", "linear", "vec4x16", .14, 1.36},
	{"armv7", "deep3x3", "vec4x8", 1.6, 3.4}, {"armv7", "linear", "vec4x8", .07, .28}, {"armv7", "deep3x3", "vec4x16", .9, 3.4}, {"armv7", "linear", "vec4x16", .05, .28},
}

// settings are the flags.
type settings struct {
	dnnc, write, dir, only, xnnpack, ram string
	scale, fit, peers, clang, wide       bool
	lower, draw, choices                 int
	seed                                 uint64
}

func main() {
	var s settings
	flag.StringVar(&s.dnnc, "dnnc", "bin/dnnc", "the compiler")
	flag.StringVar(&s.write, "write", "", "write this network, a layer or alexnet224 or vgg16-224, to -o and stop")
	flag.StringVar(&s.dir, "o", "", "folder of the networks; a temporary one when empty")
	flag.StringVar(&s.only, "only", "", "targets, layers or formats, separated by commas: only the rows that have all of them")
	flag.StringVar(&s.xnnpack, "xnnpack", "", "a folder with Debian's XNNPACK for armhf, unpacked, to be counted in this run")
	flag.BoolVar(&s.fit, "fit", false, "print the estimates of the kernel families divided by counts, for each target and family")
	flag.BoolVar(&s.peers, "peers", false, "count the layers that peers were counted on, and print them beside the peers' counts, the worst ratio first")
	flag.BoolVar(&s.clang, "clang", false, "count layers on RISC-V as objects and as clang -O3 compiles the C that dnnc writes, the worst ratio first")
	flag.BoolVar(&s.wide, "wide", false, "count convolutions and linear layers on a Cortex-M4 with activations of 8 and of 16 bits, and print the ratios")
	flag.StringVar(&s.ram, "ram", "", "count these networks, files separated by commas, within ten bounds from the least arena to that of a build without a bound; -only names the targets")
	flag.IntVar(&s.lower, "lower", 0, "count so many random layers in 8, 4, 2 and 1 bits, and print the worst ratio of a width to the one above it or to 8 bits")
	flag.IntVar(&s.draw, "draw", 0, "-fit measures so many random layers, each in a random format, in place of its table")
	flag.IntVar(&s.choices, "choices", 0, "count so many random layers by every plan that serves them, and print the chosen plan's count beside the least one")
	flag.Uint64Var(&s.seed, "seed", 1, "of the random layers of -lower, -draw and -choices")
	flag.BoolVar(&s.scale, "scale", false, "compile AlexNet, VGG-16, ResNet-50, MobileNetV2, EfficientNet-B0 and ViT-Tiny for images of 224 x 224 instead, and print time and memory")
	flag.Parse()
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (s settings) run() error {
	if s.dir == "" {
		temp, err := os.MkdirTemp("", "bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		s.dir = temp
	}
	switch {
	case s.write != "":
		_, err := generate(s.dir, s.write)
		return err
	case s.scale:
		return scale(s.dnnc, s.dir, s.only)
	case s.peers:
		return comparePeers(os.Stdout, s.dnnc, s.dir, s.only)
	case s.clang:
		return compareClang(os.Stdout, s.dir, s.only)
	case s.wide:
		return compareWide(os.Stdout, s.dnnc, s.dir, s.only)
	case s.ram != "":
		return compareRAM(os.Stdout, s.dnnc, s.ram, s.only)
	case s.lower > 0:
		return lower(os.Stdout, s.dnnc, s.dir, s.only, s.lower, s.seed)
	case s.choices > 0:
		jobs, err := drawnJobs(s.dir, s.choices, s.seed)
		if err != nil {
			return err
		}
		return choices(context.Background(), os.Stdout, s.only, jobs)
	case s.fit:
		jobs, err := fixedJobs(s.dir)
		if s.draw > 0 {
			jobs, err = drawnJobs(s.dir, s.draw, s.seed)
		}
		if err != nil {
			return err
		}
		return fit(os.Stdout, s.dnnc, s.only, jobs)
	}
	return s.table()
}

// table counts the layers of the bars.
func (s settings) table() error {
	var xnn map[string]float64
	if s.xnnpack != "" {
		var err error
		if xnn, err = xnnpack(context.Background(), s.xnnpack, s.dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench: XNNPACK is not counted:", err)
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "target\tlayer\tformat\tlibrary, M\tbar, M\tmeasured, M\tof the bar\tcycles, M (llvm-mca)\t")
	met, set := 0, 0
	for _, b := range bars {
		if !wanted(s.only, b.target, b.layer, b.format) {
			continue
		}
		if m := xnn[b.layer]; m > 0 && b.peer > 0 && b.target == "armv7" {
			b.peer = m
		}
		path, err := generate(s.dir, b.layer)
		if err != nil {
			return err
		}
		c, err := count(s.dnnc, path, b)
		if err != nil {
			return err
		}
		million := float64(c.Instructions) / 1e6
		share := "-"
		if b.most > 0 {
			share = fmt.Sprintf("%.2f", million/b.most)
			set++
			if million <= b.most {
				met++
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.3f\t%s\t%s\t\n", b.target, b.layer, b.format, figure(b.peer), figure(b.most), million, share, figure(c.Cycles/1e6))
	}
	w.Flush()
	if xnn != nil {
		fmt.Println("XNNPACK (armv7's library) was counted in this run")
	}
	fmt.Printf("%d of %d bars are met\n", met, set)
	return nil
}

// wanted reports whether every word of -only, separated by commas, is one of the names.
func wanted(only string, names ...string) bool {
	for word := range strings.SplitSeq(only, ",") {
		if word != "" && !slices.Contains(names, word) {
			return false
		}
	}
	return true
}

// figure is a number, or a dash for none.
func figure(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.4g", x)
}

type counted struct {
	Network      string
	Arena        int // bytes
	Instructions int
	Cycles       float64 `json:"cycles"`
	Layers       []struct {
		Kernel       string
		Instructions int
		Estimate     float64
	}
}

// count has dnnc compile a network, its one layer in a format and by more flags, and count.
func count(dnnc, path string, b bar, more ...string) (c counted, err error) {
	args := []string{"bench", path, "-target", b.target, "-images", "8", "-rounding", "nearest", "-layers", "-json"}
	if b.format != "i8" {
		args = append(args, "-O", "universal", "-bits", "8", "-fix", "layer="+b.format)
	}
	args = append(args, more...)
	cmd := exec.Command(dnnc, args...)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		return c, fmt.Errorf("%s %s: %w\n%s", dnnc, strings.Join(args, " "), err, messages.String())
	}
	return c, json.Unmarshal(out.Bytes(), &c)
}

// networkOf is the network of a name.
func networkOf(name string) (*network, error) {
	if text := peerLayers[name]; text != "" {
		return layerOf(text)
	}
	if n := networks[name]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("no network %q", name)
}

// generate writes a network of a name and its weights to a folder, unless they lie there.
func generate(dir, name string) (string, error) {
	n, err := networkOf(name)
	if err != nil {
		return "", err
	}
	return write(dir, name, n)
}

// write writes a network and its weights to a folder, unless they lie there.
func write(dir, name string, n *network) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, name+".dnn")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := writeWeights(filepath.Join(dir, name+".safetensors"), n); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(n.text(name)), 0o644)
}
