package command

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/frontend/onnx"
	"github.com/dnnc/dnnc/frontend/tflite"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/input"
	"github.com/dnnc/dnnc/runtime/interp"
)

// verdicts of a case of conformance, in the order in which they are printed.
const (
	passed = iota
	near   // integers that differ by one at most
	failed
	unsupported
	verdicts
)

// tolerance is the error that a float result may have, relative to the greatest
// element, as the sums of other implementations have other orders.
const tolerance = 1e-4

// elements counts the integers of the results of exact modules: all, those that are one step
// apart, and those that are further.
type elements struct{ all, near, far int }

// toleranceOf is that of a file of a tensor: results of half floats are also rounded to a
// step of theirs, at every operation.
func toleranceOf(step float64) float64 { return max(tolerance, 2*step) }

// conformance runs every case below a folder: a folder with model.onnx and
// test_data_set_N of input_K.pb and output_K.pb, as ONNX's own backend tests have
// them, or a TensorFlow Lite model beside an npz file of its name (model.tflite has
// data.npz). The arrays input and output, or x and y, are several inputs and results of
// the model, one after the other; the array reference, where it is there, is what TensorFlow
// Lite's reference kernels answer, and the others are of its optimized ones. Integers must be equal; those that are one
// apart are told apart. A case counts for the operation that its name begins with, up to
// the last _ and a number; its name is that of the folder, or of the model where it is
// not called model.
func conformance(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	counts := map[string]*[verdicts]int{}
	var total [verdicts]int
	var counted elements
	root := o.Input
	if info, err := os.Stat(root); err == nil && info.IsDir() {
		root += string(filepath.Separator) // a link to a folder is the folder
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		answers, isCase := answersOf(path)
		if d.IsDir() || !isCase {
			return ctx.Err()
		}
		name := filepath.Base(filepath.Dir(path))
		if base := strings.TrimSuffix(d.Name(), filepath.Ext(d.Name())); base != "model" {
			name = base
		}
		name = caseOf(name)
		verdict, why := runCase(ctx, path, answers, &counted)
		if counts[name] == nil {
			counts[name] = &[verdicts]int{}
		}
		counts[name][verdict]++
		total[verdict]++
		if why != nil && (verdict == failed || o.Verbose) {
			fmt.Fprintf(stderr, "%s: %v\n", filepath.Dir(path), why)
		}
		return nil
	})
	if err != nil {
		return diag.New(diag.Pos{File: o.Input}, diag.BadFile, "%v", err)
	}
	if total == [verdicts]int{} {
		return diag.New(diag.Pos{File: o.Input}, diag.BadData, "no case in this folder: none has a model.onnx, or a .tflite beside an .npz")
	}
	fmt.Fprintf(stdout, "%-28s %7s %9s %7s %12s\n", "operation", "passed", "one step", "failed", "unsupported")
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := counts[name]
		fmt.Fprintf(stdout, "%-28s %7d %9d %7d %12d\n", name, c[passed], c[near], c[failed], c[unsupported])
	}
	fmt.Fprintf(stdout, "%-28s %7d %9d %7d %12d\n", "all", total[passed], total[near], total[failed], total[unsupported])
	if counted.all > 0 {
		fmt.Fprintf(stdout, "of %d integers, %d are one step apart and %d further\n", counted.all, counted.near, counted.far)
	}
	if total[failed] > 0 {
		return diag.New(diag.Pos{File: o.Input}, diag.CheckFailed, "%d cases failed", total[failed])
	}
	if total[unsupported] > 0 && total[passed]+total[near] == 0 {
		return diag.New(diag.Pos{File: o.Input}, diag.CheckFailed, "no case was run: none of the %d models is supported", total[unsupported]).WithHelp("-v gives the reason of each")
	}
	return nil
}

// caseOf is the name of a case without its number.
func caseOf(name string) string {
	i := strings.LastIndexByte(name, '_')
	if i < 1 || strings.Trim(name[i+1:], "0123456789") != "" {
		return name
	}
	return name[:i]
}

// answersOf is the file with the results of a model: of ONNX a folder of its own holds
// them. ok is false of a file that is no case.
func answersOf(path string) (answers string, ok bool) {
	name := filepath.Base(path)
	switch {
	case name == "model.onnx":
		return "", true
	case name == "model.tflite":
		return filepath.Join(filepath.Dir(path), "data.npz"), true
	case filepath.Ext(name) != ".tflite":
		return "", false
	}
	answers = strings.TrimSuffix(path, ".tflite") + ".npz"
	_, err := os.Stat(answers)
	return answers, err == nil
}

// runCase imports a model, compares its results, and counts its integers.
func runCase(ctx context.Context, path, answers string, counted *elements) (verdict int, why error) {
	defer func() {
		if r := recover(); r != nil {
			verdict, why = failed, fmt.Errorf("panic: %v", r)
		}
	}()
	if answers != "" {
		return runTFLite(ctx, path, answers)
	}
	sets, err := filepath.Glob(filepath.Join(filepath.Dir(path), "test_data_set_*"))
	if err != nil || len(sets) == 0 {
		return failed, fmt.Errorf("no test_data_set")
	}
	if m, err := onnx.Load(path, onnx.Options{Exact: true}); err == nil && m.IsQuantized() {
		return compareIntegers(ctx, m, sets, counted)
	}
	m, err := onnx.Load(path, onnx.Options{})
	for _, set := range sets {
		if err != nil {
			// ONNX's own cases have weights, shapes and bounds for inputs: all but the
			// first as constants, then.
			constants, why := inputsOf(set)
			if why != nil || len(constants) < 2 {
				return unsupported, err
			}
			constants[0] = nil
			if m, why = onnx.Load(path, onnx.Options{Constants: constants}); why != nil {
				return unsupported, err
			}
		}
		p, err := interp.CompileFloat(m)
		is := failed
		if err == nil {
			is, err = compareSet(ctx, p, set)
		}
		if err != nil && is != near {
			return failed, fmt.Errorf("%s: %w", filepath.Base(set), err)
		}
		if err != nil && verdict == passed {
			verdict, why = near, fmt.Errorf("%s: %w", filepath.Base(set), err)
		}
	}
	return verdict, why
}

// compareIntegers runs a model that keeps its integers: a result may be a step of its
// scale away where a sum lies half way between two integers. Of a result that the model does
// not quantize it is the nearest integer.
func compareIntegers(ctx context.Context, m *ir.Module, sets []string, counted *elements) (verdict int, why error) {
	p, err := interp.CompileInt(m)
	if err != nil {
		return failed, err
	}
	for _, set := range sets {
		t := p.Tensors(1, m.Outputs...)
		for i, in := range m.Inputs {
			x, err := tensorFile(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)), in)
			if err != nil {
				return failed, err
			}
			t[p.ID(in)] = make([]int8, len(x))
			onnx.Integers(in.Type.Quant, x, t[p.ID(in)])
		}
		if err := p.Run(ctx, t, 1, 0, len(m.Ops)); err != nil {
			return failed, err
		}
		for i, out := range m.Outputs {
			want, err := tensorFile(filepath.Join(set, fmt.Sprintf("output_%d.pb", i)), out)
			if err != nil {
				return failed, err
			}
			q := out.Type.Quant
			for k, v := range t[p.ID(out)] {
				steps := math.Abs(float64(want[k])/q.Scale + float64(q.Zero) - float64(v))
				counted.all++
				if steps <= .51 {
					continue
				}
				is := near
				if steps < 1.01 {
					counted.near++
				} else {
					counted.far++
					is = failed
				}
				if is > verdict {
					verdict, why = is, fmt.Errorf("%s: %s: element %d is %v, expected %v", filepath.Base(set), m.ResultName(i), k, float32(q.Scale*float64(int(v)-q.Zero)), want[k])
				}
			}
		}
	}
	return verdict, why
}

// inputsOf are the files of a set's inputs, in their order.
func inputsOf(set string) (inputs [][]byte, err error) {
	files, err := filepath.Glob(filepath.Join(set, "input_*.pb"))
	if err != nil {
		return nil, err
	}
	for i := range files {
		raw, err := input.Read(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)), maxTensor)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, raw)
	}
	return inputs, nil
}

// compareSet compares the results of a set. Where the model gives integers that the network
// has as reals, these are rounded and saturated first, and may be a step away.
func compareSet(ctx context.Context, p *interp.Float, set string) (verdict int, why error) {
	m := p.Module
	t := p.Tensors(1, m.Outputs...)
	for i, in := range m.Inputs {
		x, err := tensorFile(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)), in)
		if err != nil {
			return failed, err
		}
		t[p.ID(in)] = x
	}
	if err := p.Run(ctx, t, 1, 0, len(m.Ops)); err != nil {
		return failed, err
	}
	for i, out := range m.Outputs {
		path := filepath.Join(set, fmt.Sprintf("output_%d.pb", i))
		want, err := tensorFile(path, out)
		if err != nil {
			return failed, err
		}
		raw, err := input.Read(path, maxTensor)
		if err != nil {
			return failed, err
		}
		got := t[p.ID(out)]
		if lo, hi, ok := onnx.Limits(raw); ok {
			for k, v := range got {
				x := min(max(math.Round(float64(v)), lo), hi)
				if d := math.Abs(x - float64(want[k])); !(d <= 1) {
					return failed, fmt.Errorf("%s: element %d is %v, expected %v", m.ResultName(i), k, x, want[k])
				} else if d > 0 {
					verdict, why = near, fmt.Errorf("%s: element %d is %v, expected %v", m.ResultName(i), k, x, want[k])
				}
			}
			continue
		}
		if err := compareReals(got, want, toleranceOf(onnx.Step(raw))); err != nil {
			return failed, fmt.Errorf("%s: %w", m.ResultName(i), err)
		}
	}
	return verdict, why
}

// compareReals reports an element that is further from the expected one than the
// tolerance.
func compareReals(got, want []float32, tolerance float64) error {
	greatest := 1.
	for _, v := range want {
		if a := math.Abs(float64(v)); a > greatest && !math.IsInf(a, 0) {
			greatest = a
		}
	}
	for k, v := range got {
		isNeither := v != v && want[k] != want[k]
		if d := math.Abs(float64(v - want[k])); !(d <= tolerance*greatest) && v != want[k] && !isNeither {
			return fmt.Errorf("element %d is %v, expected %v", k, v, want[k])
		}
	}
	return nil
}

// runTFLite imports a model, a quantized one with its integers, and compares its
// results.
func runTFLite(ctx context.Context, path, answers string) (verdict int, why error) {
	f, err := weights.Open(answers)
	if err != nil {
		return failed, err
	}
	// A case passes by one of the two sets of kernels, throughout. Where it has the answers of
	// both, each is held to its own.
	verdict, why = compareTFLite(ctx, path, f, tflite.Options{})
	if verdict == near || verdict == failed {
		if other, reason := compareTFLite(ctx, path, f, tflite.Options{Optimized: true}); other < verdict {
			return other, reason
		}
	}
	return verdict, why
}

func compareTFLite(ctx context.Context, path string, f *weights.File, opt tflite.Options) (verdict int, why error) {
	m, err := tflite.Load(path, opt)
	if err != nil {
		return unsupported, err
	}
	var parts []data.Batch
	for k, in := range m.Inputs {
		x, name, err := inputSamples(f, m, k)
		if err != nil {
			return failed, err
		}
		part := data.Batch{N: len(x) / in.Type.Shape.Size(), Shape: in.Type.Shape, X: x}
		if part.N != append(parts, part)[0].N {
			return failed, fmt.Errorf("%s has %d samples, the first input has %d", name, part.N, parts[0].N)
		}
		parts = append(parts, part)
	}
	x, n := data.Join(parts...).X, parts[0].N
	answers := []string{"reference", "output", "y"}
	if opt.Optimized {
		answers = answers[1:]
	}
	if !m.IsQuantized() {
		p, err := interp.CompileFloat(m)
		if err != nil {
			return failed, err
		}
		got, err := p.Forward(ctx, x, n)
		if err != nil {
			return failed, err
		}
		return compareResults(f, m, n, got, answers, func(_ *ir.Value, got, want []float32, _ weights.DType) (int, error) {
			if err := compareReals(got, want, tolerance); err != nil {
				return failed, err
			}
			return passed, nil
		})
	}
	p, err := interp.CompileInt(m)
	if err != nil {
		return failed, err
	}
	got, err := p.Forward(ctx, interp.QuantizeInputs(m, x), n)
	if err != nil {
		return failed, err
	}
	return compareResults(f, m, n, integersOf(m, got), answers, compareSteps)
}

// integersOf are the integers of the results of all samples, whose bytes these are.
func integersOf(m *ir.Module, results []int8) (all []int16) {
	for len(results) > 0 {
		for _, out := range m.Outputs {
			slots, x := out.Type.Slots(), make([]int16, out.Type.Shape.Size())
			interp.Integers(out.Type, results[:slots], x)
			all, results = append(all, x...), results[slots:]
		}
	}
	return all
}

// compareResults compares the results of n samples with the arrays of a case: results are
// what a run gave, sample by sample, names those that the first array may have.
func compareResults[T int16 | float32](f *weights.File, m *ir.Module, n int, results []T, names []string,
	compare func(out *ir.Value, got []T, want []float32, stored weights.DType) (int, error)) (verdict int, why error) {
	record := len(results) / n
	at := 0
	for k, out := range m.Outputs {
		name, t, ok := arrayOf(f, k, names...)
		if !ok && k > 0 { // cases may hold the first result only
			break
		}
		want, err := samples(f, name, out)
		if err != nil {
			return failed, err
		}
		size := out.Type.Shape.Size()
		if len(want) != n*size {
			return failed, fmt.Errorf("%s has %d samples, the inputs have %d", name, len(want)/size, n)
		}
		for i := range n {
			v, err := compare(out, results[i*record+at:i*record+at+size], want[i*size:(i+1)*size], t.DType)
			if v > verdict {
				verdict, why = v, fmt.Errorf("sample %d: %s: %w", i, m.ResultName(k), err)
			}
		}
		at += size
	}
	return verdict, why
}

// compareSteps compares integers: those of a file of uint8 are 128 more; reals are places.
func compareSteps(out *ir.Value, got []int16, want []float32, stored weights.DType) (verdict int, why error) {
	for i, v := range got {
		w := float64(want[i])
		switch stored {
		case weights.I8, weights.I16:
		case weights.U8:
			w -= 128
		default:
			w = w/out.Type.Quant.Scale + float64(out.Type.Quant.Zero)
		}
		d := math.Abs(float64(v) - w)
		fault := fmt.Errorf("element %d is %d, expected %v", i, v, w)
		switch {
		case !(d < 1.01):
			return failed, fault
		case d > .01 && verdict == passed:
			verdict, why = near, fault
		}
	}
	return verdict, why
}

// arrayOf is the array of the k-th value under the first of some names that the file has; the
// first value's has no number.
func arrayOf(f *weights.File, k int, names ...string) (name string, t weights.Tensor, ok bool) {
	for _, name = range names {
		if k > 0 {
			name += strconv.Itoa(k)
		}
		if t, ok = f.Tensor(name); ok {
			return name, t, true
		}
	}
	return names[0], t, false
}

// inputSamples are the reals of the k-th input: those of the array, or what its integers
// stand for. x is quantized as NumPy's round does it where xi has no integers.
func inputSamples(f *weights.File, m *ir.Module, k int) (x []float32, name string, err error) {
	in := m.Inputs[k]
	name, t, _ := arrayOf(f, k, "xi", "input", "x")
	if x, err = samples(f, name, in); err != nil || !m.IsQuantized() {
		return x, name, err
	}
	q := in.Type.Quant
	for i, v := range x {
		switch t.DType {
		case weights.I8, weights.I16:
		case weights.U8:
			v -= 128
		default:
			continue
		}
		x[i] = float32(q.Scale * float64(int(v)-q.Zero))
	}
	if !slices.Contains([]weights.DType{weights.I8, weights.U8, weights.I16}, t.DType) && in.Type.Elem.Kind == ir.I8 {
		for i, v := range x {
			x[i] = float32(q.Scale * min(max(math.RoundToEven(float64(v)/q.Scale), float64(-128-q.Zero)), float64(127-q.Zero)))
		}
	}
	return x, name, nil
}

// samples reads the arrays of a value, one after the other; those of images lie
// in H,W,C order and come into C,H,W.
func samples(f *weights.File, name string, v *ir.Value) ([]float32, error) {
	t, ok := f.Tensor(name)
	size := v.Type.Shape.Size()
	if !ok || len(t.Shape) == 0 {
		return nil, fmt.Errorf("no array %s", name)
	}
	x, err := t.Float32()
	if err != nil {
		return nil, err
	}
	if len(x) != t.Shape[0]*size {
		return nil, fmt.Errorf("%s has %d elements, %s is %s", name, len(x), v.Name, v.Type)
	}
	if s := v.Type.Shape; len(t.Shape) == 5 {
		order := ir.ViewOf(ir.Shape{s[1], s[2], s[0]}).Permute([]int{2, 0, 1}).Index()
		y := make([]float32, len(x))
		for i := 0; i < len(x); i += size {
			for k, at := range order {
				y[i+k] = x[i+int(at)]
			}
		}
		return y, nil
	}
	return x, nil
}

// maxTensor is the most bytes of a case's tensor.
const maxTensor = 1 << 30

// tensorFile reads the elements of a value from a file of one tensor.
func tensorFile(path string, v *ir.Value) ([]float32, error) {
	raw, err := input.Read(path, maxTensor)
	if err != nil {
		return nil, err
	}
	x, err := onnx.Floats(raw)
	if err != nil {
		return nil, err
	}
	if len(x) != v.Type.Shape.Size() {
		return nil, fmt.Errorf("%s has %d elements, %s is %s", filepath.Base(path), len(x), v.Name, v.Type)
	}
	return x, nil
}
