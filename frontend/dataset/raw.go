package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/dnnc/dnnc/runtime/data"
)

// pixels are items of bytes, one after the other.
func pixels(name string, shape []int, raw []byte) *array {
	size := product(shape)
	return &array{name: name, kind: "uint8", n: len(raw) / size, shape: shape, meaning: levels, value: func(i, j int) float32 { return float32(raw[i*size+j]) }}
}

// raw reads images that a format has bare, with their labels.
func (s *reader) raw(a *array, labels []int, from string) (data.Batch, error) {
	if err := s.isSingle(); err != nil {
		return data.Batch{}, err
	}
	b, err := s.inputs([]*array{a})
	if err == nil {
		s.classes(&b, labels, from)
		s.nameless()
	}
	return b, err
}

// idx reads IDX images, whose labels lie beside them.
func (s *reader) idx(raw []byte) (data.Batch, error) {
	fault := func(format string, args ...any) (data.Batch, error) {
		return data.Batch{}, damaged(s.path, format, args...)
	}
	if len(raw) < 16 {
		return fault("an IDX header has 16 bytes, the file has %d", len(raw))
	}
	dim := func(i int) int { return int(binary.BigEndian.Uint32(raw[4*i:])) }
	n, h, w := dim(1), dim(2), dim(3)
	const most = 1 << 16
	if n == 0 || h == 0 || w == 0 || h > most || w > most {
		return fault("the IDX header says %d images of %dx%d", n, h, w)
	}
	if want := n * h * w; len(raw)-16 != want {
		return fault("%d images of %dx%d take %d bytes, the file has %d", n, h, w, want, len(raw)-16)
	}
	var classes []int
	beside := Labels(s.path)
	if beside != "" {
		l, err := s.read(beside)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return data.Batch{}, err
		case len(l) < 8 || !bytes.HasPrefix(l, []byte{0, 0, 8, 1}) || int(binary.BigEndian.Uint32(l[4:])) != n || len(l) != 8+n:
			return data.Batch{}, damaged(beside, "it does not hold %d labels in IDX, as %s has images", n, filepath.Base(s.path))
		default:
			for _, b := range l[8:] {
				classes = append(classes, int(b))
			}
		}
	}
	return s.raw(pixels("images", []int{1, h, w}, raw[16:]), classes, filepath.Base(beside))
}

// Labels is where the labels of IDX images lie: beside them; "" by another name.
func Labels(path string) string {
	name := strings.Replace(filepath.Base(path), "images-idx3", "labels-idx1", 1)
	if name == filepath.Base(path) {
		return ""
	}
	return filepath.Join(filepath.Dir(path), name)
}

// cifarRecord is a label and 32x32 pixels of three planes.
const cifarRecord = 1 + 3*32*32

func (s *reader) cifar(raw []byte) (data.Batch, error) {
	var labels []int
	for i := 0; i < len(raw); i += cifarRecord {
		labels = append(labels, int(raw[i]))
	}
	a := &array{name: "records", kind: "uint8", n: len(labels), shape: []int{3, 32, 32}, meaning: levels,
		value: func(i, j int) float32 { return float32(raw[i*cifarRecord+1+j]) }}
	return s.raw(a, labels, "their first bytes")
}
