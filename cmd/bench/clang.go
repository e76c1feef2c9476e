package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/emu"
)

// clangTarget is a target whose objects are compared with what clang makes of dnnc's C.
type clangTarget struct {
	name  string
	c     string   // target of the C: scalars, of which clang makes vectors
	flags []string // of clang, for the processor
}

var clangTargets = []clangTarget{
	{"riscv32", "riscv32", []string{"--target=riscv32-unknown-elf", "-march=rv32imc", "-mabi=ilp32"}},
	{"riscv64", "riscv64", []string{"--target=riscv64-unknown-elf", "-march=rv64gc", "-mabi=lp64d"}},
	{"riscv64+v", "riscv64", []string{"--target=riscv64-unknown-elf", "-march=rv64gcv", "-mabi=lp64d"}},
	{"riscv32+zve32x", "riscv32", []string{"--target=riscv32-unknown-elf", "-march=rv32imc_zve32x_zvl128b", "-mabi=ilp32", "-mllvm", "-scalable-vectorization=off"}}, // else it fails
}

// clangLayers are the layers that are compared: of each kind, with even and odd sizes.
var clangLayers = []string{
	"A3x3_32", "Adw32", "Apw32_64", "Afc800_500", "first3x3s2", "grouped4", "odd17_23", "conv1d_k3_64", "dscnn10x4", "dw3x3_8c", "dw5x5_32c", "fc64_10", "pw_s2_16_32",
	"odd1x1", "odddw", "add16", "avgpool2", "gap64", "maxpool2", "maxpool3s2", "mul16", "hardswish7", "sigmoid64", "softmax10", "tanh64",
}

// versus is a layer's counts.
type versus struct {
	layer       string
	dnnc, clang float64
}

func (v versus) ratio() float64 { return v.dnnc / v.clang }

// compareClang counts layers as objects and as clang -O3 compiles the C that dnnc writes, and
// prints them, for each target the greatest ratio first. only selects targets and layers.
func compareClang(w io.Writer, dir, only string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "target\tlayer\tclang -O3 of the C\tdnnc\tdnnc/clang\t")
	var means []string
	for _, target := range clangTargets {
		var list []versus
		for _, layer := range clangLayers {
			if !wanted(only, target.name, layer) {
				continue
			}
			v, err := target.count(context.Background(), dir, layer)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", layer, target.name, err)
			}
			list = append(list, v)
		}
		if len(list) == 0 {
			continue
		}
		slices.SortStableFunc(list, func(a, b versus) int { return cmp.Compare(b.ratio(), a.ratio()) })
		mean := 0.
		for _, v := range list {
			fmt.Fprintf(t, "%s\t%s\t%.0f\t%.0f\t%.3f\t\n", target.name, v.layer, v.clang, v.dnnc, v.ratio())
			mean += math.Log(v.ratio()) / float64(len(list))
		}
		means = append(means, fmt.Sprintf("%s: geometric mean of %d layers %.3f, worst %.3f\n", target.name, len(list), math.Exp(mean), list[0].ratio()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(means) == 0 {
		return errors.New("-only names no target or layer that clang is compared on")
	}
	_, err := io.WriteString(w, strings.Join(means, ""))
	return err
}

// count counts a layer.
func (t clangTarget) count(ctx context.Context, dir, layer string) (v versus, err error) {
	path, err := generate(dir, layer)
	if err != nil {
		return v, err
	}
	v.layer = layer
	ours, err := compile(ctx, path, t.name)
	if err != nil {
		return v, err
	}
	object, err := ours.Object(ctx)
	if err != nil {
		return v, err
	}
	if v.dnnc, err = executed(ctx, ours, object); err != nil {
		return v, err
	}
	theirs, err := compile(ctx, path, t.c)
	if err != nil {
		return v, err
	}
	text, header, err := theirs.C()
	if err != nil {
		return v, err
	}
	if object, err = t.clang(ctx, text, header, theirs.Module.Name); err != nil {
		return v, err
	}
	theirs.Target = ours.Target // that of the driver and of the emulator
	v.clang, err = executed(ctx, theirs, object)
	return v, err
}

// clang compiles C.
func (t clangTarget) clang(ctx context.Context, text, header, name string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source, object := filepath.Join(dir, name+".c"), filepath.Join(dir, name+".o")
	for path, text := range map[string]string{source: text, filepath.Join(dir, name+".h"): header} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	// Freestanding: the program has no libc, so that loops stay loops.
	cc := exec.CommandContext(ctx, "clang-19", append(slices.Clone(t.flags), "-O3", "-ffreestanding", "-c", source, "-o", object)...)
	if out, err := cc.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cc, err, out)
	}
	return os.ReadFile(object)
}

// compile compiles a network of 8 bits by noise.
func compile(ctx context.Context, path, target string) (*dnnc.Result, error) {
	m, err := dnnc.Load(path, dnnc.LoadOptions{})
	if err != nil {
		return nil, err
	}
	c, err := config(m, target)
	if err != nil {
		return nil, err
	}
	return dnnc.Compile(ctx, m, c)
}

// config is an int8 build of a network for a target, calibrated by noise.
func config(m *ir.Module, target string) (dnnc.Config, error) {
	c, err := dnnc.NewConfig(target)
	var parts []data.Batch
	for i, v := range m.Inputs {
		parts = append(parts, data.Synthesize(v.Type.Shape, 0, 1, 16, uint64(i)))
	}
	c.Calibration = dnnc.Images(data.Join(parts...))
	return c, err
}

// executed is the instructions that one run of a network's object executes, with inputs and outputs where those of
// a layer inside a network lie: at multiples of 8.
func executed(ctx context.Context, r *dnnc.Result, object []byte) (float64, error) {
	tools, err := llvm.Find(r.Config.LLVM)
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	m := r.Module
	j := emu.Job{Prefix: m.Name, Arena: m.Arena.Bytes, Align: m.Arena.Align, Mark: true, Aligned: true}
	bytes := 0
	for _, v := range m.Inputs {
		j.Inputs = append(j.Inputs, v.Type.Slots())
		bytes += v.Type.Slots()
	}
	for _, v := range m.Outputs {
		j.Outputs = append(j.Outputs, v.Type.Slots())
	}
	text, err := emu.Driver(j, r.Target)
	if err != nil {
		return 0, err
	}
	driver, err := llvm.Compile(ctx, tools, text, r.Target, "obj")
	if err != nil {
		return 0, err
	}
	p, err := emu.Link(ctx, dir, j, r.Target, driver, object)
	if err != nil {
		return 0, err
	}
	record, rng := make([]byte, bytes), rand.New(rand.NewPCG(1, 1))
	for i := range record {
		record[i] = byte(rng.Uint32())
	}
	counts, err := p.Count(ctx, [][]byte{record})
	if err != nil {
		return 0, err
	}
	return float64(counts[0].Run), nil
}
