package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // formats that images come in
	_ "image/png"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/runtime/input"
)

// maxPicture is the most bytes of a picture's file.
const maxPicture = 1 << 30

// maxPixels bounds the pictures that are read.
const maxPixels = 64 << 20

// perByte is the most pixels that a byte of a file can stand for: deflate makes at most
// 1,032 bytes of one, each of 8 pixels; JPEG has a bit at least for 64 pixels. A header
// that says more is believed by decoders, which take memory for it.
const perByte = 8 * 1032

// endings are those of a folder's pictures.
var endings = []string{".png", ".jpg", ".jpeg"}

// folder reads PNG and JPEG pictures of one size: unlabelled ones from the folder
// itself, or those of each class from a folder in it, as torchvision's ImageFolder
// takes them. Classes count in the order of their names, or are the names where
// these are numbers. Pictures come one of each class in turn, so that the first n
// are of all classes.
func (s *Set) folder(path string) error {
	classes, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	own, err := pictures(path)
	if err != nil {
		return err
	}
	var byClass [][]string
	var labels []int
	count := 0 // of pictures in classes
	for _, c := range classes {
		if !c.IsDir() {
			continue
		}
		files, err := pictures(filepath.Join(path, c.Name()))
		if err != nil {
			return err
		}
		// A class without pictures is one all the same: those behind it keep their labels.
		label := -1
		if n, err := strconv.Atoi(c.Name()); err == nil && n >= 0 {
			label = n
		}
		byClass, labels, count = append(byClass, files), append(labels, label), count+len(files)
	}
	switch {
	case count > 0 && len(own) > 0:
		return errors.New("pictures lie both in the folder and in folders of classes in it")
	case count == 0 && len(own) == 0:
		return fmt.Errorf("a folder without pictures: none ends in %s", strings.Join(endings, ", "))
	case len(own) > 0:
		byClass, labels = [][]string{own}, nil
	case slices.Contains(labels, -1): // some name is no number
		for i := range labels {
			labels[i] = i
		}
	}
	return s.pictures(path, byClass, labels)
}

// Paths are what a file of a data set is read from: the file itself and its labels, or a
// folder, those of its classes, and its pictures.
func Paths(path string) []string {
	paths := []string{path}
	if info, err := os.Stat(path); err != nil || !info.IsDir() { // a FIFO is no folder, either
		if labels := Labels(path); labels != "" {
			if _, err := os.Stat(labels); err == nil {
				paths = append(paths, labels)
			}
		}
		return paths
	}
	list, _ := os.ReadDir(path)
	for _, f := range list {
		if f.IsDir() {
			paths = append(paths, filepath.Join(path, f.Name()))
		}
	}
	for _, folder := range paths {
		own, _ := pictures(folder)
		paths = append(paths, own...)
	}
	return paths
}

// pictures are the paths of a folder's pictures, by name.
func pictures(path string) ([]string, error) {
	list, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range list {
		if !f.IsDir() && slices.Contains(endings, strings.ToLower(filepath.Ext(f.Name()))) {
			out = append(out, filepath.Join(path, f.Name()))
		}
	}
	return out, nil
}

// pictures reads pictures, one of each class in turn; labels is nil where there are
// no classes. They are gray where all of them are.
func (s *Set) pictures(path string, byClass [][]string, labels []int) error {
	all := sha256.New()
	var images []image.Image
	isGray := true
	for i, more := 0, true; more; i++ {
		more = false
		for class, files := range byClass {
			if i >= len(files) {
				continue
			}
			more = true
			raw, err := input.Read(files[i], maxPicture)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(path, files[i])
			if err != nil {
				return err
			}
			fmt.Fprintf(all, "%s %d\n", filepath.ToSlash(name), len(raw))
			all.Write(raw)
			img, err := Picture(raw)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if len(images) > 0 && img.Bounds().Size() != images[0].Bounds().Size() {
				return fmt.Errorf("%s has %v pixels, others %v: scale them to the size that the network takes", name, img.Bounds().Size(), images[0].Bounds().Size())
			}
			images, isGray = append(images, img), isGray && gray(img)
			if labels != nil {
				s.labels = append(s.labels, labels[class])
			}
		}
	}
	planes := 3
	if isGray {
		planes = 1
	}
	for _, img := range images {
		s.pixels = append(s.pixels, Pixels(img, planes)...)
	}
	size := images[0].Bounds().Size()
	s.shape = []int{planes, size.Y, size.X}
	s.Files = append(s.Files, File{filepath.Base(path), hex.EncodeToString(all.Sum(nil))})
	return nil
}

// Picture decodes a PNG or JPEG picture.
func Picture(raw []byte) (image.Image, error) {
	cfg, _, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	switch n := cfg.Width * cfg.Height; {
	case n <= 0:
		return nil, fmt.Errorf("a picture of %dx%d pixels", cfg.Width, cfg.Height)
	case n > maxPixels:
		return nil, fmt.Errorf("%dx%d pixels are too many", cfg.Width, cfg.Height)
	case n > perByte*len(raw):
		return nil, fmt.Errorf("%dx%d pixels do not come from %d bytes", cfg.Width, cfg.Height, len(raw))
	}
	img, _, err := image.Decode(bytes.NewReader(raw))
	return img, err
}

// Planes are those of a picture: 1 where it is gray, or else 3.
func Planes(img image.Image) int {
	if gray(img) {
		return 1
	}
	return 3
}

func gray(img image.Image) bool {
	return img.ColorModel() == color.GrayModel || img.ColorModel() == color.Gray16Model
}

// Pixels are a picture's bytes, plane by plane.
func Pixels(img image.Image, planes int) []byte {
	r := img.Bounds()
	w, h := r.Dx(), r.Dy()
	out := make([]byte, planes*h*w)
	for y := range h {
		for x := range w {
			p := color.NRGBAModel.Convert(img.At(r.Min.X+x, r.Min.Y+y)).(color.NRGBA)
			for c, v := range []uint8{p.R, p.G, p.B}[:planes] {
				out[(c*h+y)*w+x] = v
			}
		}
	}
	return out
}
