package dataset

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/input"
)

// The names under which an npz holds its images, [N,C,H,W] or [N,H,W] or of any
// other shape behind N, and its labels, [N]: numpy's and Keras's habits.
var (
	imageNames = []string{"images", "x", "x_test", "x_train", "data"}
	labelNames = []string{"labels", "y", "y_test", "y_train", "targets"}
)

// npz takes images as bytes, or as reals in [0,1].
func (s *Set) npz(raw []byte) error {
	f, err := weights.Parse(raw)
	if err != nil {
		return err
	}
	images, ok := first(f, imageNames)
	if !ok {
		return fmt.Errorf("an npz without an array of images: none of %v, nor one named like the input; there are %s", imageNames, strings.Join(f.Names(), " "))
	}
	if len(images.Shape) < 2 || images.Shape[0] == 0 {
		return fmt.Errorf("the array %s has the shape %v: images come as [N,C,H,W]", images.Name, images.Shape)
	}
	n := images.Shape[0]
	s.images = []string{images.Name}
	s.shape = images.Shape[1:]
	switch len(s.shape) {
	case 1:
		s.shape = []int{1, 1, s.shape[0]}
	case 2:
		s.shape = []int{1, s.shape[0], s.shape[1]}
	case 3:
	default:
		return fmt.Errorf("the array %s has the shape %v: images come as [N,C,H,W]", images.Name, images.Shape)
	}
	if s.size() == 0 {
		return fmt.Errorf("the array %s has the shape %v", images.Name, images.Shape)
	}
	if images.DType == weights.U8 {
		s.pixels = images.Data
	} else {
		if s.reals, err = images.Float32(); err != nil {
			return err
		}
		for i, v := range s.reals {
			if !(v >= 0 && v <= 1) {
				return fmt.Errorf("image %d has the pixel %v: reals are in [0,1]", i/s.size(), v)
			}
		}
	}
	return s.npzLabels(f, n, labelNames)
}

// npzLabels takes the labels of n images from the first of some arrays that there is.
// One whole number an image is its class, too.
func (s *Set) npzLabels(f *weights.File, n int, called []string) error {
	s.file, s.count = f, n
	labels, ok := first(f, called)
	if !ok {
		return nil
	}
	t, err := target(labels, "", n)
	if err != nil {
		return err
	}
	s.targets = []data.Target{t}
	if len(t.X) != n {
		return nil
	}
	classes := make([]int, n)
	for i, v := range t.X {
		if !(v >= 0 && v < 1<<20) || v != float32(int(v)) {
			return nil
		}
		classes[i] = int(v)
	}
	s.labels = classes
	return nil
}

// target is an array of labels of n items.
func target(t weights.Tensor, name string, n int) (data.Target, error) {
	out := data.Target{Name: name}
	if len(t.Shape) == 0 || t.Shape[0] != n {
		count := 1
		if len(t.Shape) > 0 {
			count = t.Shape[0]
		}
		return out, fmt.Errorf("%d labels of %d images", count, n)
	}
	out.Shape = t.Shape[1:]
	var err error
	if t.DType == weights.Bool {
		t.DType = weights.U8 // multi-hot
	}
	if out.X, err = t.Float32(); err != nil {
		return out, err
	}
	size := len(out.X) / n
	for i, v := range out.X {
		if v-v != 0 {
			return out, fmt.Errorf("image %d has the label %v in the array %s", i/size, v, t.Name)
		}
	}
	return out, nil
}

// Targets are the labels of the items: those under one of the usual names, whose name
// here is "", and those in arrays named like results of the network. nil of none.
func (s *Set) Targets(results []string) ([]data.Target, error) {
	list := s.targets
	if s.file == nil {
		return list, nil
	}
	for _, name := range results {
		t, ok := s.file.Tensor(name)
		if !ok || slices.Contains(s.images, name) {
			continue
		}
		one, err := target(t, name, s.Len())
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// Input is an input of a network: the name of its array in an npz, the shape of one
// element of it, and the bounds of its reals.
type Input struct {
	Name      string
	Shape     []int
	Low, High float32
}

// IsNamed reports whether a file is an npz with an array named like the input, by a
// name that does not say images, which come in [0,1].
func IsNamed(path string, in Input) bool {
	raw, err := input.Map(path)
	if err != nil || !bytes.HasPrefix(raw, []byte("PK")) || slices.Contains(imageNames, in.Name) {
		return false
	}
	f, err := weights.Parse(raw)
	if err != nil {
		return false
	}
	_, ok := f.Tensor(in.Name)
	return ok
}

// OpenInputs reads the arrays of inputs, one an input, and the labels beside
// them: reals within the input's bounds, or bytes, which span them.
func OpenInputs(path string, inputs []Input) (*Set, [][]float32, error) {
	s := &Set{}
	fault := func(format string, args ...any) (*Set, [][]float32, error) {
		return nil, nil, fmt.Errorf(filepath.Base(path)+": "+format, args...)
	}
	raw, err := s.read(path)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.HasPrefix(raw, []byte("PK")) {
		return fault("data of %d inputs come as an npz with an array named like each: %s", len(inputs), names(inputs))
	}
	f, err := weights.Parse(raw)
	if err != nil {
		return fault("%w", err)
	}
	arrays := make([][]float32, len(inputs))
	for k, in := range inputs {
		t, ok := f.Tensor(in.Name)
		switch {
		case !ok:
			return fault("no array %s; there are %s, the network's inputs are %s", in.Name, strings.Join(f.Names(), " "), names(inputs))
		case len(t.Shape) != len(in.Shape)+1 || !slices.Equal(t.Shape[1:], in.Shape):
			return fault("the array %s has the shape %v, the input takes [N,%s]", in.Name, t.Shape, dims(in.Shape))
		case t.Shape[0] == 0:
			return fault("the array %s has no elements", in.Name)
		case k > 0 && t.Shape[0] != s.count:
			return fault("the array %s has %d elements, %s has %d", in.Name, t.Shape[0], inputs[0].Name, s.count)
		}
		s.count = t.Shape[0]
		s.images = append(s.images, in.Name)
		if arrays[k], err = t.Float32(); err != nil {
			return fault("%w", err)
		}
		for i, v := range arrays[k] {
			if t.DType == weights.U8 {
				v = in.Low + v/255*(in.High-in.Low)
				arrays[k][i] = v
			}
			if !(v >= in.Low && v <= in.High) {
				return fault("the array %s holds %v at element %d, the input is declared in [%v,%v]", in.Name, v, i, in.Low, in.High)
			}
		}
	}
	called := slices.DeleteFunc(slices.Clone(labelNames), func(name string) bool { // an input may be called y
		return slices.ContainsFunc(inputs, func(in Input) bool { return in.Name == name })
	})
	if err := s.npzLabels(f, s.count, called); err != nil {
		return fault("%w", err)
	}
	return s, arrays, nil
}

// dims is a shape as it is written between brackets.
func dims(shape []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", ",")
}

func names(inputs []Input) string {
	list := make([]string, len(inputs))
	for i, in := range inputs {
		list[i] = in.Name
	}
	return strings.Join(list, " ")
}

func first(f *weights.File, names []string) (weights.Tensor, bool) {
	for _, name := range names {
		if t, ok := f.Tensor(name); ok {
			return t, true
		}
	}
	return weights.Tensor{}, false
}
