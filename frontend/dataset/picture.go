package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // formats that images come in
	_ "image/png"
)

// maxPixels bounds the pictures that are read.
const maxPixels = 64 << 20

// perByte is the most pixels that a byte of a file can stand for: deflate makes at most
// 1,032 bytes of one, each of 8 pixels; JPEG has a bit at least for 64 pixels. A header
// that says more is believed by decoders, which take memory for it.
const perByte = 8 * 1032

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

// isDeep reports a picture of 16 bits a channel, of which dnnc takes the upper 8.
func isDeep(img image.Image) bool {
	switch img.ColorModel() {
	case color.Gray16Model, color.RGBA64Model, color.NRGBA64Model:
		return true
	}
	return false
}

// isOpaque reports a picture that hides what lies under it: what dnnc reads has no alpha.
func isOpaque(img image.Image) bool {
	o, ok := img.(interface{ Opaque() bool })
	return !ok || o.Opaque()
}

// resized is a picture of width w and height h: each of its pixels is the mean of the area
// that it covers, rounded to the nearest.
func resized(planes [][]byte, w, h, toW, toH int) [][]byte {
	out := make([][]byte, len(planes))
	xs, ys := covered(w, toW), covered(h, toH)
	area := uint64(w) * uint64(h) // in units in which a pixel of the picture has toW*toH
	for c, p := range planes {
		out[c] = make([]byte, 0, toW*toH)
		for _, y := range ys {
			for _, x := range xs {
				sum := uint64(0)
				for i, wy := range y.weights {
					row := p[(y.from+i)*w+x.from:]
					for j, wx := range x.weights {
						sum += wy * wx * uint64(row[j])
					}
				}
				out[c] = append(out[c], byte((sum+area/2)/area))
			}
		}
	}
	return out
}

// span is pixels in a row, with the part of each that is covered.
type span struct {
	from    int
	weights []uint64
}

// covered are the pixels of n that each of m covers, where each of n is m long and each of
// m is n long.
func covered(n, m int) []span {
	out := make([]span, m)
	for i := range out {
		from, to := i*n, (i+1)*n
		out[i].from = from / m
		for p := from / m; p*m < to; p++ {
			out[i].weights = append(out[i].weights, uint64(min(to, (p+1)*m)-max(from, p*m)))
		}
	}
	return out
}

// mask is the classes of the pixels of a picture that was decoded from a PNG: the indices of a palette, or gray levels as
// they stand in the file.
func mask(img image.Image, raw []byte) (classes []int, w, h int, err error) {
	const header = 8 + 8 + 8 // signature, length and name of the first chunk, width and height
	if !bytes.HasPrefix(raw, []byte("\x89PNG")) || len(raw) <= header {
		return nil, 0, 0, errors.New("a mask is a PNG: JPEG changes the numbers of classes")
	}
	// The decoder spreads levels of few bits over all 256.
	step, ok := map[byte]int{1: 255, 2: 85, 4: 17, 8: 1, 16: 1}[raw[header]]
	if !ok {
		return nil, 0, 0, fmt.Errorf("a PNG of %d bits", raw[header])
	}
	r := img.Bounds()
	w, h = r.Dx(), r.Dy()
	var at func(x, y int) int
	switch p := img.(type) {
	case *image.Paletted:
		at = func(x, y int) int { return int(p.ColorIndexAt(x, y)) }
	case *image.Gray:
		at = func(x, y int) int { return int(p.GrayAt(x, y).Y) / step }
	case *image.Gray16:
		at = func(x, y int) int { return int(p.Gray16At(x, y).Y) }
	default:
		return nil, 0, 0, errors.New("a mask in colours: save the numbers of classes, as a gray PNG or one with a palette")
	}
	for y := range h {
		for x := range w {
			classes = append(classes, at(r.Min.X+x, r.Min.Y+y))
		}
	}
	return classes, w, h, nil
}

// nearest is a mask at another size: the class at the middle of each pixel.
func nearest(classes []int, w, h, toW, toH int) []int {
	out := make([]int, 0, toW*toH)
	for y := range toH {
		for x := range toW {
			out = append(out, classes[(2*y+1)*h/(2*toH)*w+(2*x+1)*w/(2*toW)])
		}
	}
	return out
}
