package driver

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/data"
)

// calibration sets what loads the images that the search may see, or makes some up and
// warns.
func (r *Result) calibration(o Options, c *dnnc.Config) {
	path := CalibrationData(o, r.source)
	if path == "" {
		c.Calibrate = min(c.Wanted(), noiseImages(r.source), max(1, memoryOf(o)/(2*bytesOf(r.Inputs))))
		c.Calibration = func(n int) (data.Batch, error) {
			if c.Budget.Promised {
				return data.Batch{}, diag.New(diag.Pos{}, diag.BadData, "-keep %v: no images to show it on: what a network keeps of noise says nothing of what it will see", c.Budget.Keep).
					WithHelp("give -calib, best with labels, and with images that the network was not trained on")
			}
			if c.Tune.IsOn() {
				return data.Batch{}, diag.New(diag.Pos{}, diag.BadData, "-tune %s: no images to tune on: what a network learns of noise says nothing of what it will see", c.Tune.Effort).
					WithHelp("-calib names some")
			}
			r.Warn(diag.Warn(diag.NoCalibration, "no calibration data: ranges come from %d images of noise", c.Calibrate).WithHelp("give -calib for a network that is to be shipped"))
			r.announce(min(n, c.Calibrate))
			return Noise(r.Inputs, min(n, 2*c.Calibrate), o.Seed), nil
		}
		return
	}
	c.Calibration = func(n int) (data.Batch, error) {
		d, err := Images(o, path, r.source, dataset.Train, n)
		if err != nil {
			return data.Batch{}, err
		}
		if err := r.sameFolders(path, d.Batch.Folders); err != nil {
			return data.Batch{}, err
		}
		if r.calibrated != "" { // images to tune on, of the same files
			return d.Batch, nil
		}
		files := inputsOf(d.Files)
		r.files = append(r.files, files...)
		r.reads(path, files)
		r.arrays = d.Arrays
		r.say(d.Said)
		r.calibrated = sumOf(files)
		r.announce(d.Batch.N)
		return d.Batch, nil
	}
}

// folders are the names that give labels in a set of folders.
type folders struct {
	path  string
	names []string
}

// sameFolders refuses a set whose folders have other names than those of the set before: labels are
// their places by name, so that one label would mean two things. Labels of an embedding mean nothing
// but which items of one set belong together.
func (r *Result) sameFolders(path string, names []string) error {
	switch before := r.folders; {
	case names == nil || r.Module.TaskOf(0).Name == ir.EmbeddingTask:
	case before.names == nil:
		r.folders = folders{path, names}
	case !slices.Equal(before.names, names):
		i := 0
		for i < min(len(names), len(before.names)) && names[i] == before.names[i] {
			i++
		}
		at := func(list []string) string {
			if i < len(list) {
				return fmt.Sprintf("%q", list[i])
			}
			return "no folder"
		}
		return diag.New(diag.Pos{File: path}, diag.BadData, "the label %d is %s here, and %s in %s", i, at(names), at(before.names), before.path).
			WithHelp("labels are the places of the folders by name: give both sets the same folders, empty ones where a class has no items")
	}
	return nil
}

// longWork is the work of a calibration from which on it is announced: it takes ten seconds and
// more.
const longWork = 1e10

// perElement is the work of an element of an input, which is read or made up, disturbed and
// quantized.
const perElement = 100

// imageWork is the work of an image: to make it, and to run the network on it.
func imageWork(m *ir.Module) float64 {
	work := m.Work()
	for _, v := range m.Inputs {
		work += perElement * float64(v.Type.Shape.Size())
	}
	return work
}

// announce says what a long calibration takes before it begins.
func (r *Result) announce(images int) {
	if work := float64(images) * imageWork(r.source); work > longWork {
		r.say(fmt.Sprintf("calibration on %d images takes %.2g operations; -images N sets the number of images", images, work))
	}
}

// sumOf is one hash of the files of a data set.
func sumOf(files []certificate.Input) string {
	var all []byte
	for _, f := range files {
		all = append(all, f.SHA256+"\n"...)
	}
	return certificate.SHA256(all)
}

// sameImages warns of a dump whose ranges come from other images than those that are named
// now.
func (r *Result) sameImages(o Options) error {
	path := CalibrationData(o, r.source)
	if r.calibrated == "" || path == "" {
		return nil
	}
	d, err := Images(o, path, r.source, dataset.Train, 1)
	if err != nil {
		return err
	}
	if sum := sumOf(inputsOf(d.Files)); sum != r.calibrated {
		r.Warn(diag.Warn(diag.OtherImages, "the dump was calibrated on other images than -calib %s: the sha256 of their files is %.12s, not %.12s; its ranges stay as they are", filepath.Base(path), r.calibrated, sum).
			WithHelp("give the images that the dump was calibrated on, or compile the source anew"))
	}
	return nil
}

// noted is a module with the hash of the images that its ranges come from, to be dumped.
func (r *Result) noted(m *ir.Module) *ir.Module {
	c := *m
	if i, err := passes.Table.Find(m.After); err == nil && i >= slices.Index(passes.Table.Names(), passes.Calibrated) {
		c.Calibrated = r.calibrated
	}
	return &c
}

// What noise may cost in the work of runs, and the images of it at least: all are of
// one kind, and tell ranges alone.
const (
	noiseWork     = 40e9
	fewestOfNoise = 4
)

// noiseImages is the images of noise that stand in for calibration images.
func noiseImages(m *ir.Module) int {
	return int(max(fewestOfNoise, noiseWork/imageWork(m)))
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

// Results are those of a network as data know them.
func Results(m *ir.Module) (list []dataset.Result) {
	for i, o := range m.Outputs {
		list = append(list, dataset.Result{Name: m.ResultName(i), Shape: o.Type.Shape})
	}
	return list
}

// Noise synthesises n images, each input of noise from its range.
func Noise(inputs []dataset.Input, n int, seed uint64) data.Batch {
	var parts []data.Batch
	for k, in := range inputs {
		parts = append(parts, data.Synthesize(in.Shape, in.Low, in.High, n, seed+uint64(k)<<32))
	}
	return data.Join(parts...)
}

// memoryOf is the bytes that -mem leaves.
func memoryOf(o Options) int { return (&pass.Env{MaxMemory: o.Memory}).Memory() }

// bytesOf is the bytes that the inputs take as reals.
func bytesOf(inputs []dataset.Input) (bytes int) {
	for _, in := range inputs {
		bytes += 4 * ir.Shape(in.Shape).Size()
	}
	return bytes
}

// Images loads at most n items for a network with their labels, drawn evenly with the seed, or
// all of them in their order when n is 0,
// from the part of a file that has several. What it assumed stands in Said.
func Images(o Options, path string, m *ir.Module, part dataset.Part, n int) (dataset.Data, error) {
	return dataset.Load(path, dataset.Want{Inputs: dnnc.DataInputs(m), Results: Results(m), N: n, Seed: o.Seed, Memory: memoryOf(o), Part: part, Options: o.Sets})
}

// inputsOf are files as a certificate lists them.
func inputsOf(files []dataset.File) (list []certificate.Input) {
	for _, f := range files {
		list = append(list, certificate.Input{Name: f.Name, SHA256: f.SHA256})
	}
	return list
}

// say tells what was assumed of a data set, once: after the line of the task where that is
// still to come.
func (r *Result) say(line string) {
	if slices.Contains(r.said, line) {
		return
	}
	if r.said = append(r.said, line); r.saysTo != nil {
		fmt.Fprintln(r.saysTo, line)
	}
}
