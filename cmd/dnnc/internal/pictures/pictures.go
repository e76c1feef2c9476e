// Package pictures shows what error models do: images disturbed one by one, and
// contact sheets of every kind at several sizes.
package pictures

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg" // a format that images come in
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// maxPixels bounds the images that are read.
const maxPixels = 64 << 20

// Open reads a picture (PNG or JPEG), or at most n images of a data set, as
// reals in [0,1].
func Open(path string, n int) (data.Batch, error) {
	fault := func(err error) (data.Batch, error) {
		return data.Batch{}, diag.New(diag.Pos{}, diag.BadData, "%s: %v", filepath.Base(path), err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return fault(err)
	}
	cfg, _, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil {
		set, err := dataset.Open(path)
		if err != nil {
			return data.Batch{}, diag.New(diag.Pos{}, diag.BadData, "%v", err).WithNote("nor is it a PNG or JPEG picture")
		}
		if n == 0 {
			n = set.Len()
		}
		b, err := data.Load(set, 0, min(n, set.Len()))
		if err != nil {
			return fault(err)
		}
		return b, nil
	}
	if cfg.Width*cfg.Height > maxPixels {
		return fault(fmt.Errorf("%dx%d pixels are too many", cfg.Width, cfg.Height))
	}
	img, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return fault(err)
	}
	return fromImage(img), nil
}

// fromImage is a picture as a batch of one: three planes, or one when it is
// gray.
func fromImage(img image.Image) data.Batch {
	r := img.Bounds()
	w, h := r.Dx(), r.Dy()
	_, gray := img.(*image.Gray)
	c := 3
	if gray {
		c = 1
	}
	b := data.Batch{N: 1, Shape: []int{c, h, w}, X: make([]float32, c*h*w)}
	for y := range h {
		for x := range w {
			p := color.NRGBAModel.Convert(img.At(r.Min.X+x, r.Min.Y+y)).(color.NRGBA)
			for ch, v := range []uint8{p.R, p.G, p.B}[:c] {
				b.X[(ch*h+y)*w+x] = float32(v) / 255
			}
		}
	}
	return b
}

// toByte is a pixel's real in [0,1] as a byte, to the nearest.
func toByte(v float32) uint8 { return uint8(min(max(v, 0), 1)*255 + .5) }

// Picture is image i of a batch, scaled up by a whole factor.
func Picture(b data.Batch, i, factor int) image.Image {
	c, h, w := b.Shape[0], b.Shape[1], b.Shape[2]
	x := b.Image(i)
	img := image.NewNRGBA(image.Rect(0, 0, w*factor, h*factor))
	for y := range h * factor {
		for xx := range w * factor {
			at := func(ch int) uint8 { return toByte(x[(min(ch, c-1)*h+y/factor)*w+xx/factor]) }
			img.SetNRGBA(xx, y, color.NRGBA{at(0), at(1), at(2), 255})
		}
	}
	return img
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

// Sheet draws image 0 of a batch under every kind at five sizes. Guided kinds
// need a gradient, and are left out where it is nil.
func Sheet(b data.Batch, kinds []*disturb.Kind, seed uint64, gradient disturb.Gradient) (image.Image, error) {
	b = b.Slice(0, 1)
	w := b.Shape[2]
	factor, skip := max(1, (leastWidth+w-1)/w), max(1, (w+mostWidth-1)/mostWidth)
	tile := Picture(b, 0, factor).Bounds()
	tw, th := tile.Dx()/skip, tile.Dy()/skip
	var rows []*disturb.Kind
	for _, k := range kinds {
		if !k.Guided || gradient != nil {
			rows = append(rows, k)
		}
	}
	sheet := image.NewNRGBA(image.Rect(0, 0, captions+(len(sheetSizes)+1)*(tw+gap), 2*line+len(rows)*(th+gap)))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	put := func(img image.Image, col, row int) {
		x0, y0 := captions+col*(tw+gap), 2*line+row*(th+gap)
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
	for row, k := range rows {
		text(sheet, gap, 2*line+row*(th+gap)+line, k.Name)
		put(Picture(b, 0, factor), 0, row)
		for i, t := range sheetSizes {
			d, err := disturb.Images(b, 0, disturb.Condition{Kind: k, Size: t}, seed, 0, 1, gradient)
			if err != nil {
				return nil, err
			}
			put(Picture(d, 0, factor), i+1, row)
		}
	}
	return sheet, nil
}

func text(img draw.Image, x, y int, s string) {
	d := font.Drawer{Dst: img, Src: image.Black, Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(s)
}

// Encode writes a batch in a container by the path's ending: one picture as
// .png, gray images as IDX, 32x32 colour ones as CIFAR-10 records.
func Encode(path string, b data.Batch) (content []byte, labels []byte, err error) {
	switch {
	case strings.HasSuffix(path, ".png") && b.N == 1:
		content, err = PNG(Picture(b, 0, 1))
	case strings.HasSuffix(path, ".png"):
		err = diag.New(diag.Pos{}, diag.BadValue, "%d images are no picture", b.N).WithHelp("-n 1 takes the first")
	case b.Shape[0] == 1:
		content, labels = dataset.EncodeIDX(b)
	case b.Shape[0] == 3 && b.Shape[1] == 32 && b.Shape[2] == 32 && b.Labels != nil:
		content = dataset.EncodeCIFAR(b)
	default:
		err = diag.New(diag.Pos{}, diag.Unsupported, "images of %v have no container but .png", b.Shape)
	}
	return content, labels, err
}
