package dataset

import (
	"fmt"

	"github.com/dnnc/dnnc/frontend/weights"
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
		return fmt.Errorf("an npz without an array of images: none of %v", imageNames)
	}
	if len(images.Shape) < 2 || images.Shape[0] == 0 {
		return fmt.Errorf("the array %s has the shape %v: images come as [N,C,H,W]", images.Name, images.Shape)
	}
	n := images.Shape[0]
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
	labels, ok := first(f, labelNames)
	if !ok {
		return nil
	}
	values, err := labels.Float32()
	if err != nil {
		return err
	}
	if len(values) != n {
		return fmt.Errorf("%d labels of %d images", len(values), n)
	}
	s.labels = make([]int, n)
	for i, v := range values {
		if !(v >= 0 && v < 1<<20) || v != float32(int(v)) {
			return fmt.Errorf("image %d has the label %v: labels are whole numbers from 0 on", i, v)
		}
		s.labels[i] = int(v)
	}
	return nil
}

func first(f *weights.File, names []string) (weights.Tensor, bool) {
	for _, name := range names {
		if t, ok := f.Tensor(name); ok {
			return t, true
		}
	}
	return weights.Tensor{}, false
}
