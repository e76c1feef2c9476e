package driver

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certificate"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
)

// calibration sets what loads the images that the search may see, once, or makes
// some up and says so: the first -images calibrate, as many more are held out.
func calibration(o Options, m *ir.Module, r *Result, messages io.Writer) {
	var loaded data.Batch
	env := r.Env
	path, shape := beside(o, o.Calib, m.Calib), m.Inputs[0].Type.Shape
	load := func() (err error) {
		switch {
		case loaded.N > 0:
		case path == "":
			fmt.Fprintf(messages, "dnnc: no calibration data: ranges come from %d images of noise; give -calib for a network that is to be shipped\n", o.Images)
			loaded = data.Synthesize(shape, env.Low, env.High, 2*o.Images, o.Seed)
		default:
			var files []certificate.Input
			loaded, files, err = Images(path, shape, env.Low, env.High, 2*o.Images)
			r.files = append(r.files, files...)
		}
		return err
	}
	env.Calibration = func() (data.Batch, error) {
		if err := load(); err != nil {
			return data.Batch{}, err
		}
		return loaded.Slice(0, min(o.Images, loaded.N)), nil
	}
	env.Holdout = func() (data.Batch, error) {
		if err := load(); err != nil {
			return data.Batch{}, err
		}
		if loaded.N <= o.Images {
			return loaded, nil // too few to hold any out
		}
		return loaded.Slice(o.Images, loaded.N), nil
	}
}

// TestData is the path of the images to report on: -data, or what the network
// names; "" when there are none.
func TestData(o Options, m *ir.Module) string { return beside(o, o.Data, m.Test) }

// beside is the path that a flag gives, or else the network's own, which is
// relative to its folder.
func beside(o Options, flag, named string) string {
	if flag != "" || named == "" || filepath.IsAbs(named) {
		return cmp.Or(flag, named)
	}
	return filepath.Join(filepath.Dir(o.Input), named)
}

// Images loads at most n images of a shape, all of them when n is 0; pixels come
// in [0,1] and are taken to the declared range.
func Images(path string, shape ir.Shape, low, high float32, n int) (data.Batch, []certificate.Input, error) {
	fault := func(format string, args ...any) (data.Batch, []certificate.Input, error) {
		return data.Batch{}, nil, diag.New(diag.Pos{}, diag.BadData, format, args...)
	}
	set, err := dataset.Open(path)
	if err != nil {
		return fault("%v", err)
	}
	if !ir.Shape(set.Shape()).Equal(shape) {
		return fault("%s has images of %v, the network takes %s", filepath.Base(path), set.Shape(), shape)
	}
	if set.Len() == 0 {
		return fault("%s has no images", filepath.Base(path))
	}
	if n == 0 {
		n = set.Len()
	}
	b, err := data.Load(set, 0, min(n, set.Len()))
	if err != nil {
		return fault("%v", err)
	}
	for i, v := range b.X {
		b.X[i] = low + v*(high-low)
	}
	var files []certificate.Input
	for _, f := range set.Files {
		files = append(files, certificate.Input{Name: f.Name, SHA256: f.SHA256})
	}
	return b, files, nil
}
