// Package dataset reads labelled images: IDX as MNIST comes, the CIFAR-10
// binary format, both also gzipped, npz with arrays of images and labels, and
// folders of PNG and JPEG pictures.
package dataset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/input"
)

// Set is images in memory, a byte a pixel, or reals where they came as such.
type Set struct {
	shape  []int
	pixels []byte
	reals  []float32
	labels []int // nil when unlabelled
	count  int   // of the elements of several inputs, which the set does not keep
	Files  []File

	targets []data.Target // labels that are more than one whole number
	file    *weights.File // nil unless an npz
	images  []string      // its arrays that are images
}

// File is a file that a set was read from.
type File struct{ Name, SHA256 string }

// Len is the number of images.
func (s *Set) Len() int {
	if s.count > 0 {
		return s.count
	}
	return (len(s.pixels) + len(s.reals)) / s.size()
}

// Shape is C,H,W.
func (s *Set) Shape() []int { return s.shape }

func (s *Set) size() int { return s.shape[0] * s.shape[1] * s.shape[2] }

// Image writes the pixels of image i as reals in [0,1].
func (s *Set) Image(i int, dst []float32) {
	n := s.size()
	if s.reals != nil {
		copy(dst, s.reals[i*n:(i+1)*n])
		return
	}
	for j, b := range s.pixels[i*n : (i+1)*n] {
		dst[j] = float32(b) / 255
	}
}

// Label is the class of image i, -1 when unlabelled.
func (s *Set) Label(i int) int {
	if s.labels == nil {
		return -1
	}
	return s.labels[i]
}

// Open reads the images at path. The labels of an IDX file lie beside it.
func Open(path string) (*Set, error) {
	s := &Set{}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if err := s.folder(path); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		return s, nil
	}
	raw, err := s.read(path)
	if err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(raw, []byte("PK")):
		err = s.npz(raw)
	case bytes.HasPrefix(raw, []byte{0, 0, 8, 3}):
		err = s.idx(path, raw)
	case len(raw) > 0 && len(raw)%cifarRecord == 0:
		s.cifar(raw)
	default:
		err = errors.New("neither IDX images, nor CIFAR-10 records of 3073 bytes, nor npz, nor a folder of pictures")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return s, nil
}

// maxBytes is the most bytes of a data set's file, which is read into memory.
const maxBytes = 8 << 30

// A file may unpack to this much, and to this many times its own size: images
// do not shrink further, a file made to fill the memory does.
const (
	unpackedFree  = 64 << 20
	unpackedRatio = 64
)

// read returns a file's bytes, unpacked when it is gzipped, and notes its hash.
func (s *Set) read(path string) ([]byte, error) {
	raw, err := input.Read(path, maxBytes)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	s.Files = append(s.Files, File{filepath.Base(path), hex.EncodeToString(sum[:])})
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return raw, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	room := int64(unpackedFree + unpackedRatio*len(raw))
	out, err := io.ReadAll(io.LimitReader(z, room+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: truncated or damaged: %w", filepath.Base(path), err)
	case int64(len(out)) > room:
		return nil, fmt.Errorf("%s unpacks to more than %d bytes", filepath.Base(path), room)
	}
	return out, nil
}

func (s *Set) idx(path string, raw []byte) error {
	if len(raw) < 16 {
		return errors.New("truncated IDX header")
	}
	dim := func(i int) int { return int(binary.BigEndian.Uint32(raw[4*i:])) }
	n, h, w := dim(1), dim(2), dim(3)
	const most = 1 << 16
	if n == 0 || h == 0 || w == 0 || h > most || w > most {
		return fmt.Errorf("%d images of %dx%d", n, h, w)
	}
	if want := n * h * w; len(raw)-16 != want {
		return fmt.Errorf("%d images of %dx%d take %d bytes, the file has %d", n, h, w, want, len(raw)-16)
	}
	s.shape, s.pixels = []int{1, h, w}, raw[16:]
	beside := Labels(path)
	if beside == "" {
		return nil
	}
	labels := filepath.Base(beside)
	l, err := s.read(beside)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(l) < 8 || !bytes.HasPrefix(l, []byte{0, 0, 8, 1}) || int(binary.BigEndian.Uint32(l[4:])) != n || len(l) != 8+n {
		return fmt.Errorf("%s does not hold %d labels", labels, n)
	}
	for _, b := range l[8:] {
		s.labels = append(s.labels, int(b))
	}
	return nil
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

func (s *Set) cifar(raw []byte) {
	s.shape = []int{3, 32, 32}
	for i := 0; i < len(raw); i += cifarRecord {
		s.labels = append(s.labels, int(raw[i]))
		s.pixels = append(s.pixels, raw[i+1:i+cifarRecord]...)
	}
}
