// Package pictures shows what error models do: images disturbed one by one, and
// contact sheets of every kind at several sizes.
package pictures

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/input"
)

// Open reads a picture (PNG or JPEG), or at most n images of a data set, all when n is 0 and
// else drawn evenly with the seed, as reals in [0,1].
func Open(path string, n int, seed uint64, with dataset.Options) (dataset.Data, error) {
	fault := func(err error) (dataset.Data, error) {
		return dataset.Data{}, diag.New(diag.Pos{}, diag.BadData, "%s: %v", filepath.Base(path), err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fault(err)
	}
	if !info.IsDir() {
		raw, err := input.Read(path, 8<<30)
		if err != nil {
			return fault(err)
		}
		img, err := dataset.Picture(raw)
		switch {
		case err == nil:
			return dataset.Data{Batch: fromImage(img)}, nil
		case !errors.Is(err, image.ErrFormat):
			return fault(err)
		}
	}
	d, err := dataset.Load(path, dataset.Want{N: n, Seed: seed, Options: with})
	var said *diag.Diagnostic
	if errors.As(err, &said) && said.Note == "" {
		said.WithNote("nor is it a PNG or JPEG picture")
	}
	return d, err
}

// fromImage is a picture as a batch of one: three planes, or one when it is
// gray.
func fromImage(img image.Image) data.Batch {
	size, planes := img.Bounds().Size(), dataset.Planes(img)
	b := data.Batch{N: 1, Shape: []int{planes, size.Y, size.X}}
	for _, v := range dataset.Pixels(img, planes) {
		b.X = append(b.X, float32(v)/255)
	}
	return b
}

// toByte is a pixel's real in [0,1] as a byte, to the nearest.
func toByte(v float32) uint8 { return uint8(min(max(v, 0), 1)*255 + .5) }

// Picture is image i of a batch, scaled up by a whole factor; gray where it has one
// plane.
func Picture(b data.Batch, i, factor int) image.Image {
	c, h, w := b.Shape[0], b.Shape[1], b.Shape[2]
	x := b.Image(i)
	if c == 1 {
		img := image.NewGray(image.Rect(0, 0, w*factor, h*factor))
		for y := range h * factor {
			for xx := range w * factor {
				img.SetGray(xx, y, color.Gray{Y: toByte(x[y/factor*w+xx/factor])})
			}
		}
		return img
	}
	img := image.NewNRGBA(image.Rect(0, 0, w*factor, h*factor))
	for y := range h * factor {
		for xx := range w * factor {
			at := func(ch int) uint8 { return toByte(x[(min(ch, c-1)*h+y/factor)*w+xx/factor]) }
			img.SetNRGBA(xx, y, color.NRGBA{at(0), at(1), at(2), 255})
		}
	}
	return img
}

// Bytes is images of an input as [C,H,W] in [0,1].
func Bytes(b data.Batch, in disturb.Input) data.Batch {
	out := b
	if len(in.Shape) == 2 {
		out.Shape = append([]int{1}, in.Shape...)
	}
	out.X = make([]float32, len(b.X))
	for i, v := range b.X {
		out.X[i] = (v - in.Low) / (in.High - in.Low)
	}
	return out
}

// PNG encodes a picture.
func PNG(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

// sheetSizes are the columns of a contact sheet.
var sheetSizes = []float64{.2, .4, .6, .8, 1}

// The measures of a sheet, in pixels.
const (
	leastWidth = 112 // an image is scaled up to this
	mostWidth  = 320 // and larger ones down, by leaving pixels out
	gap        = 8
	captions   = 150
	line       = 16
)

// Sheet draws item 0 of a batch, which are of an input, under every kind of some errors at
// five sizes. Guided kinds need a gradient, and are left out where it is nil.
func Sheet(b data.Batch, in disturb.Input, errors []disturb.Condition, seed uint64, gradient disturb.Gradient) (image.Image, error) {
	b = b.Slice(0, 1)
	skip := 1
	draws := func(x data.Batch) image.Image { return Plot(in, x.X, b.X) }
	if in.Holds.Kind == ir.Image {
		w := in.Shape[len(in.Shape)-1]
		factor := max(1, (leastWidth+w-1)/w)
		skip = max(1, (w+mostWidth-1)/mostWidth)
		draws = func(x data.Batch) image.Image { return Picture(Bytes(x, in), 0, factor) }
	}
	original := draws(b)
	tw, th := original.Bounds().Dx()/skip, original.Bounds().Dy()/skip
	var rows []disturb.Condition
	for _, c := range errors {
		if (!c.Kind.Guided || gradient != nil) && !slices.ContainsFunc(rows, c.SameKind) {
			rows = append(rows, c)
		}
	}
	sheet := image.NewNRGBA(image.Rect(0, 0, captions+(len(sheetSizes)+1)*(tw+gap), 2*line+len(rows)*(th+gap)))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	put := func(img image.Image, col, row int) {
		x0, y0 := captions+col*(tw+gap), 2*line+row*(th+gap)
		// A thin frame: pictures may be as white as the sheet.
		frame := image.Rect(x0-1, y0-1, x0+tw+1, y0+th+1)
		draw.Draw(sheet, frame, image.NewUniform(color.Gray{Y: 160}), image.Point{}, draw.Src)
		for y := range th {
			for x := range tw {
				sheet.Set(x0+x, y0+y, img.At(x*skip, y*skip))
			}
		}
	}
	text(sheet, captions, line, "original")
	for i, t := range sheetSizes {
		text(sheet, captions+(i+1)*(tw+gap), line, fmt.Sprintf("size %g", t))
	}
	for row, c := range rows {
		text(sheet, gap, 2*line+row*(th+gap)+line, c.Kind.Name)
		put(original, 0, row)
		for i, t := range sheetSizes {
			c.Size = t
			d, err := disturb.Images(b, 0, c, seed, gradient)
			if err != nil {
				return nil, err
			}
			put(draws(d), i+1, row)
		}
	}
	return sheet, nil
}

func text(img draw.Image, x, y int, s string) {
	d := font.Drawer{Dst: img, Src: image.Black, Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(s)
}

// File is a file of an encoded batch.
type File struct {
	Path    string
	Content []byte
}

// Encode writes a batch of an input: what is no image as plotted or encoded, images in a
// container by the path's ending.
func Encode(path string, b data.Batch, in disturb.Input) ([]File, error) {
	if in.Holds.Kind == ir.Image {
		return encode(path, Bytes(b, in))
	}
	var content []byte
	var err error
	switch {
	case strings.HasSuffix(path, ".npz"):
		content, err = dataset.EncodeReals(in.Name, b)
	case strings.HasSuffix(path, ".png") && b.N == 1:
		content, err = PNG(Plot(in, b.X, nil))
	case strings.HasSuffix(path, ".png"):
		err = diag.New(diag.Pos{}, diag.BadValue, "%d items are no picture", b.N).WithHelp("-n 1 takes the first")
	default:
		err = diag.New(diag.Pos{}, diag.BadValue, "%s: %s is written as .npz, or drawn as .png", filepath.Base(path), in)
	}
	if err != nil {
		return nil, err
	}
	return []File{{path, content}}, nil
}

// encode writes a batch of images in a container by the path's ending: one picture as .png,
// images of any shape as .npz, into a folder as pictures in folders of their
// classes, which a path that ends in / or is a folder asks for; gray images as
// IDX, the labels in a file beside, and 32x32 colour ones as CIFAR-10 records,
// either gzipped where the path ends in .gz.
func encode(path string, b data.Batch) ([]File, error) {
	var content, labels []byte
	var err error
	info, statErr := os.Stat(path)
	switch {
	case strings.HasSuffix(path, "/") || statErr == nil && info.IsDir():
		return folder(path, b)
	case strings.HasSuffix(path, ".png") && b.N == 1:
		content, err = PNG(Picture(b, 0, 1))
	case strings.HasSuffix(path, ".png"):
		err = diag.New(diag.Pos{}, diag.BadValue, "%d images are no picture", b.N).WithHelp("-n 1 takes the first; -o folder/ writes a picture each")
	case strings.HasSuffix(path, ".npz"):
		content, err = dataset.EncodeNPZ(b)
	case slices.Contains([]string{".jpg", ".jpeg", ".gif", ".bmp", ".svg", ".pdf", ".webp"}, strings.ToLower(filepath.Ext(path))):
		err = diag.New(diag.Pos{}, diag.BadValue, "%s: pictures are written as .png", filepath.Base(path))
	case slices.ContainsFunc(b.Labels, func(l int) bool { return l > math.MaxUint8 }):
		err = diag.New(diag.Pos{}, diag.BadData, "labels above 255 do not fit this format").WithHelp("write .npz")
	case b.Shape[0] == 1:
		content, labels = dataset.EncodeIDX(b)
	case b.Shape[0] == 3 && b.Shape[1] == 32 && b.Shape[2] == 32 && b.Labels != nil:
		content = dataset.EncodeCIFAR(b)
	default:
		err = diag.New(diag.Pos{}, diag.Unsupported, "images of %v have no container but .png, .npz and a folder/", b.Shape)
	}
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, ".gz") {
		content, labels = zipped(content), zipped(labels)
	}
	files := []File{{path, content}}
	name := strings.Replace(filepath.Base(path), "images-idx3", "labels-idx1", 1)
	switch {
	case labels == nil:
	case name == filepath.Base(path):
		return nil, diag.New(diag.Pos{}, diag.BadValue, "%s: the labels have no file to go to", filepath.Base(path)).
			WithHelp("a name with images-idx3, as t10k-images-idx3-ubyte, puts them beside it; .npz holds both")
	default:
		files = append([]File{{filepath.Join(filepath.Dir(path), name), labels}}, files...)
	}
	return files, nil
}

// zipped is gzipped content, the same for equal content; nil of nil.
func zipped(content []byte) []byte {
	if content == nil {
		return nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(content) // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

func folder(path string, b data.Batch) ([]File, error) {
	var files []File
	for i := range b.N {
		content, err := PNG(Picture(b, i, 1))
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("%06d.png", i)
		if b.Labels != nil {
			name = filepath.Join(strconv.Itoa(b.Labels[i]), name)
		}
		files = append(files, File{filepath.Join(path, name), content})
	}
	return files, nil
}
