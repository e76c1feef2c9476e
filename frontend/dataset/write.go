package dataset

import (
	"bytes"
	"encoding/binary"

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

// EncodeNPZ writes images of any shape, reals in [0,1], as bytes under the name
// images and their labels as labels.
func EncodeNPZ(b data.Batch) ([]byte, error) {
	images := weights.Tensor{Name: "images", DType: weights.U8, Shape: append([]int{b.N}, b.Shape...)}
	for _, v := range b.X {
		images.Data = append(images.Data, pixel(v))
	}
	list := []weights.Tensor{images}
	if b.Labels != nil {
		labels := weights.Tensor{Name: "labels", DType: weights.I32, Shape: []int{b.N}}
		for _, l := range b.Labels {
			labels.Data = binary.LittleEndian.AppendUint32(labels.Data, uint32(l))
		}
		list = append(list, labels)
	}
	var out bytes.Buffer
	err := weights.WriteNPZ(&out, list)
	return out.Bytes(), err
}
