package driver

import (
	"cmp"
	"path/filepath"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
)

// calibration sets what loads the images that the search may see, or makes some up and
// warns.
func (r *Result) calibration(o Options, c *dnnc.Config) {
	path := CalibrationData(o, r.source)
	if path == "" {
		wanted, _ := c.Wanted()
		c.Calibrate = min(wanted, noiseImages(r.source))
		c.Calibration = func(n int) (data.Batch, error) {
			r.Warn(diag.Warn(diag.NoCalibration, "no calibration data: ranges come from %d images of noise", c.Calibrate).WithHelp("give -calib for a network that is to be shipped"))
			return Noise(r.Inputs, min(n, 2*c.Calibrate), o.Seed), nil
		}
		return
	}
	c.Calibration = func(n int) (data.Batch, error) {
		b, files, err := Images(path, r.Inputs, ResultNames(r.source), n)
		r.files = append(r.files, files...)
		r.reads(path, files)
		return b, err
	}
}

// What noise may cost in multiply-adds, and the images of it at least: all are of
// one kind, and tell ranges alone.
const (
	noiseMACs     = 40e9
	fewestOfNoise = 4
)

// noiseImages is the images of noise that stand in for calibration images.
func noiseImages(m *ir.Module) int {
	macs := 1
	for _, n := range m.Ops {
		macs += n.MACs()
	}
	return max(fewestOfNoise, int(noiseMACs/float64(macs)))
}

// reads notes the files of a data set: they lie beside the one that was named; of a
// folder each of its pictures, too.
func (r *Result) reads(path string, files []certificate.Input) {
	for _, f := range files {
		r.read = append(r.read, dataset.Paths(filepath.Join(filepath.Dir(path), f.Name))...)
	}
}

// TestData is the path of the images to report on: -data, or what the network
// names; "" when there are none.
func TestData(o Options, m *ir.Module) string { return beside(o, o.Data, m.Test) }

// CalibrationData is the path of the images that searches may see: -calib, or what
// the network names; "" when there are none.
func CalibrationData(o Options, m *ir.Module) string { return beside(o, o.Calib, m.Calib) }

// beside is the path that a flag gives, or else the network's own, which is
// relative to its folder.
func beside(o Options, flag, named string) string {
	if flag != "" || named == "" || filepath.IsAbs(named) {
		return cmp.Or(flag, named)
	}
	return filepath.Join(filepath.Dir(o.Input), named)
}

// Inputs are those of a network as data know them, in declaration order.
func Inputs(m *ir.Module) (list []dataset.Input) {
	for _, v := range m.Inputs {
		in := dataset.Input{Name: v.Name, Shape: v.Type.Shape}
		in.Low, in.High = dnnc.RangeOf(v)
		list = append(list, in)
	}
	return list
}

// ResultNames are those of a network's results: arrays of a data set named like them are
// their labels.
func ResultNames(m *ir.Module) (names []string) {
	for _, o := range m.Outputs {
		names = append(names, o.Name)
	}
	return names
}

// Noise synthesises n images, each input of noise from its range.
func Noise(inputs []dataset.Input, n int, seed uint64) data.Batch {
	var parts []data.Batch
	for k, in := range inputs {
		parts = append(parts, data.Synthesize(in.Shape, in.Low, in.High, n, seed+uint64(k)<<32))
	}
	return data.Join(parts...)
}

// Images loads at most n images with the labels of results, all of them when n is 0. Pixels of one input come in
// [0,1] and are taken to the declared range; several inputs, and one that has an array of its
// name, come as arrays of an npz that are named like them, of reals within their ranges, or of bytes, which are
// taken there.
func Images(path string, inputs []dataset.Input, results []string, n int) (data.Batch, []certificate.Input, error) {
	fault := func(format string, args ...any) (data.Batch, []certificate.Input, error) {
		return data.Batch{}, nil, diag.New(diag.Pos{}, diag.BadData, format, args...)
	}
	set, parts, err := open(path, inputs)
	if err != nil {
		return fault("%v", err)
	}
	if parts == nil && !ir.Shape(set.Shape()).Equal(inputs[0].Shape) {
		return fault("%s has images of %v, the network takes %s", filepath.Base(path), set.Shape(), ir.Shape(inputs[0].Shape))
	}
	if set.Len() == 0 {
		return fault("%s has no images", filepath.Base(path))
	}
	if n == 0 {
		n = set.Len()
	}
	var b data.Batch
	if parts != nil {
		b = data.Join(parts...).Slice(0, min(n, set.Len()))
	} else {
		if b, err = data.Load(set, 0, min(n, set.Len())); err != nil {
			return fault("%v", err)
		}
		low, high := inputs[0].Low, inputs[0].High
		for i, v := range b.X {
			b.X[i] = low + v*(high-low)
		}
	}
	if b.Targets, err = set.Targets(results); err != nil {
		return fault("%s: %v", filepath.Base(path), err)
	}
	for i := range b.Targets {
		t := &b.Targets[i]
		t.X = t.X[:b.N*t.Size()]
	}
	var files []certificate.Input
	for _, f := range set.Files {
		files = append(files, certificate.Input{Name: f.Name, SHA256: f.SHA256})
	}
	return b, files, nil
}

// open reads a set of images, or arrays named like the inputs.
func open(path string, inputs []dataset.Input) (*dataset.Set, []data.Batch, error) {
	if len(inputs) == 1 && !dataset.IsNamed(path, inputs[0]) {
		set, err := dataset.Open(path)
		return set, nil, err
	}
	set, arrays, err := dataset.OpenInputs(path, inputs)
	if err != nil {
		return nil, nil, err
	}
	parts := make([]data.Batch, len(inputs))
	for k, in := range inputs {
		parts[k] = data.Batch{N: set.Len(), Shape: in.Shape, X: arrays[k]}
	}
	for i := range set.Len() {
		if l := set.Label(i); l >= 0 {
			parts[0].Labels = append(parts[0].Labels, l)
		}
	}
	return set, parts, nil
}
