package driver

import (
	"os"
	"path/filepath"

	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/replace"
)

// Files are the inputs that a command reads and the outputs that it is going to write.
// None of the outputs may be an input or another output, by whatever name, and each must be
// in a folder that can be written: Check tells before the long work begins.
type Files struct{ list []file }

// file is a file in its role, as the flag or the file that names it.
type file struct {
	role, path string
	written    bool
	replaced   bool        // as a whole, in a folder that is there
	info       os.FileInfo // nil of what does not exist yet
	real       string      // the path without links, as far as it exists
}

func (f *Files) add(x file) {
	path := x.path
	if path == "" || path == "-" {
		return
	}
	x.real = path
	if info, err := os.Stat(path); err == nil {
		if !info.Mode().IsRegular() {
			return // a folder, or what may be written twice: /dev/null
		}
		x.info = info
	}
	if abs, err := filepath.Abs(path); err == nil {
		x.real = abs
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(x.real)); err == nil {
		x.real = filepath.Join(dir, filepath.Base(x.real))
	}
	f.list = append(f.list, x)
}

// Reads adds inputs.
func (f *Files) Reads(role string, paths ...string) {
	for _, p := range paths {
		f.add(file{role: role, path: p})
	}
}

// Writes adds an output.
func (f *Files) Writes(role, path string) {
	f.add(file{role: role, path: path, written: true, replaced: true})
}

// Makes adds an output that is appended to, or whose folder is made with it.
func (f *Files) Makes(role, path string) { f.add(file{role: role, path: path, written: true}) }

// is reports whether two names are of one file.
func (a *file) is(b *file) bool {
	return a.real == b.real || a.info != nil && b.info != nil && os.SameFile(a.info, b.info)
}

// reads reports whether a path is an input.
func (f *Files) reads(path string) bool {
	var one Files
	one.Writes("", path)
	for i := range f.list {
		if len(one.list) > 0 && !f.list[i].written && f.list[i].is(&one.list[0]) {
			return true
		}
	}
	return false
}

// Check reports the first output that would be written over an input or another output.
func (f *Files) Check() error {
	for i := range f.list {
		for j := range i {
			a, b := &f.list[j], &f.list[i]
			if !a.written && !b.written || !a.is(b) {
				continue
			}
			if !b.written {
				a, b = b, a
			}
			verb := "is written, too"
			if !a.written {
				verb = "is read"
			}
			return diag.New(diag.Pos{}, diag.Clash, "%s %s would be written over %s %s, which %s", b.role, b.path, a.role, a.path, verb).
				WithHelp("give one of them another name")
		}
	}
	for _, x := range f.list {
		if !x.replaced {
			continue
		}
		if err := replace.Try(x.path); err != nil {
			return badOutput(x.role+" ", x.path, err)
		}
	}
	return nil
}

// Files are those that the options name by themselves; a command adds its own.
func (o *Options) Files() *Files {
	f := &Files{}
	f.Reads("@", o.Responses...)
	f.Reads("the input", append([]string{o.Input}, o.Inputs...)...)
	for _, set := range []struct{ role, path string }{{"-data", o.Data}, {"-calib", o.Calib}} {
		if set.path != "" {
			f.Reads(set.role, dataset.Paths(set.path)...)
		}
	}
	f.Reads("-network", o.Network)
	f.Reads("-check", o.Proof)
	for _, out := range []struct{ role, path string }{
		{"-o", o.Only},
		{"-MF", o.DependFile}, {"-stats", o.Stats}, {"-sheet", o.Sheet}, {"-plane", o.Plane}, {"-page", o.Page}, {"-checkpoint", o.Checkpoint}, {"-readme", o.Readme},
	} {
		f.Writes(out.role, out.path)
	}
	f.Makes("-record", o.Record)
	f.Makes("-store", o.Sharing.Store)
	return f
}

// Network adds what a network reads: its tensors and its data sets.
func (f *Files) Network(o Options, m *ir.Module) {
	for _, t := range m.Tensors {
		f.Reads("the tensors file", besideOf(o.Input, t.Path))
	}
	for _, path := range []string{CalibrationData(o, m), TestData(o, m)} {
		if path != "" {
			f.Reads("the data set", dataset.Paths(path)...)
		}
	}
}

// besideOf is a path that a file names, relative to its folder.
func besideOf(file, path string) string {
	if filepath.IsAbs(path) { // as -allow-outside lets it be
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}
