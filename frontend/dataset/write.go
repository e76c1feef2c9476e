package dataset

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/runtime/data"
)

func pixel(v float32) byte { return byte(min(max(v, 0), 1)*255 + .5) }

// EncodeIDX writes images of one plane, reals in [0,1], as IDX; labels is the
// file of their labels, nil when they have none.
func EncodeIDX(b data.Batch) (images, labels []byte) {
	images = []byte{0, 0, 8, 3}
	for _, n := range []int{b.N, b.Shape[1], b.Shape[2]} {
		images = binary.BigEndian.AppendUint32(images, uint32(n))
	}
	for _, v := range b.X {
		images = append(images, pixel(v))
	}
	if b.Labels == nil {
		return images, nil
	}
	labels = binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, uint32(b.N))
	for _, l := range b.Labels {
		labels = append(labels, byte(l))
	}
	return images, labels
}

// EncodeCIFAR writes labelled images of 3x32x32, reals in [0,1], as CIFAR-10
// records.
func EncodeCIFAR(b data.Batch) []byte {
	var out []byte
	for i := range b.N {
		out = append(out, byte(b.Labels[i]))
		for _, v := range b.Image(i) {
			out = append(out, pixel(v))
		}
	}
	return out
}

// EncodeReals writes items of any shape and range as reals under a name, and their labels
// as they came.
func EncodeReals(name string, b data.Batch) ([]byte, error) {
	reals := func(name string, shape []int, x []float32) weights.Tensor {
		t := weights.Tensor{Name: name, DType: weights.F32, Shape: append([]int{b.N}, shape...)}
		for _, v := range x {
			t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
		}
		return t
	}
	list := []weights.Tensor{reals(name, b.Shape, b.X)}
	for _, t := range b.Targets {
		list = append(list, reals(cmp.Or(t.Name, "labels"), t.Shape, t.X))
	}
	if b.Labels != nil && len(b.Targets) == 0 {
		list = append(list, classes(b.Labels))
	}
	var out bytes.Buffer
	err := weights.WriteNPZ(&out, list)
	return out.Bytes(), err
}

// classes is the array of labels that are whole numbers.
func classes(list []int) weights.Tensor {
	t := weights.Tensor{Name: "labels", DType: weights.I32, Shape: []int{len(list)}}
	for _, l := range list {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, uint32(l))
	}
	return t
}

// EncodeNPZ writes images of any shape, reals in [0,1], as bytes under the name
// images and their labels as labels.
func EncodeNPZ(b data.Batch) ([]byte, error) {
	images := weights.Tensor{Name: "images", DType: weights.U8, Shape: append([]int{b.N}, b.Shape...)}
	for _, v := range b.X {
		images.Data = append(images.Data, pixel(v))
	}
	list := []weights.Tensor{images}
	if b.Labels != nil {
		list = append(list, classes(b.Labels))
	}
	var out bytes.Buffer
	err := weights.WriteNPZ(&out, list)
	return out.Bytes(), err
}
