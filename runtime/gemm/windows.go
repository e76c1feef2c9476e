package gemm

import (
	"sync/atomic"

	"github.com/dnnc/dnnc/ir/geometry"
)

// Windows says where the taps of a convolution's windows lie in an image: what is
// the same for all images, worked out once.
//
// Kernels read lines: sixteen pixels side by side. Where that wastes little, lines are
// read where they lie, also across the ends of rows: the results between two rows are
// dropped. Else the windows of pixels are gathered into lines of their own, of several
// images too.
type Windows struct {
	g      geometry.Window
	layout layout
	pixels int
	at     []int32 // [K]: where a row of a line lies after its beginning
	blocks []block // of the lines of an image; none where they are gathered
	flat   int     // elements from the first pixel of an image to its last
	isThin bool    // few output channels a group: a line is a whole plane
	run    int     // pixels of a gathered line that lie side by side: 1, 4, 8 or 16
	batch  int     // images whose pixels fill whole lines
}

const (
	lineCols  = 16   // pixels of a line
	mostLines = 8    // of a block
	hotLines  = 4    // of these that are multiplied by all output channels before the others
	mostDepth = 160  // rows of hot lines that stay in the first cache for all output channels
	mostThin  = 1024 // columns of a block of a thin convolution, a multiple of 64
	thinRows  = 3    // most output channels of a group of a thin one
)

// blockCols is the columns of a block that is not thin.
const blockCols = mostLines * lineCols

// depthOf is the rows of lines that are multiplied at a time, of k: parts of nearly the same
// size.
func depthOf(k int) int {
	parts := (k + mostDepth - 1) / mostDepth
	return (k + parts - 1) / parts
}

// gathering is the cost of gathering a row of a line, in products of one row of weights
// with it.
func (w *Windows) gathering() float64 {
	if processor >= avx512 && w.g.OutW() >= leastPiece {
		return 4
	}
	return map[int]float64{16: 4, 8: 6, 4: 10, 1: 24}[w.run]
}

// NewWindows maps the windows of g.
func NewWindows(g geometry.Window) *Windows {
	oh, ow, rows := g.OutH(), g.OutW(), g.OutC/g.Groups
	w := &Windows{g: g, layout: newLayout(g, g.StrideH, g.StrideW), pixels: oh * ow, run: 1, batch: 1}
	l := &w.layout
	for i := range g.InC / g.Groups {
		for ky := range g.KH {
			for kx := range g.KW {
				w.at = append(w.at, int32(i*l.plane()+l.tap(ky, kx)))
			}
		}
	}
	for _, run := range []int{4, 8, 16} {
		if ow%run == 0 {
			w.run = run
		}
	}
	w.flat = (oh-1)*l.width + ow
	n := (w.flat + lineCols - 1) / lineCols
	switch {
	case w.flat < lineCols:
	case rows <= thinRows:
		w.isThin = true
		w.planThin()
	case ow%lineCols == 0:
		w.planLines(w.pixels/lineCols, func(i int) int { return i*lineCols/ow*l.width + i*lineCols%ow })
	case float64(rows)*(float64(n*lineCols)/float64(w.pixels)-1) < w.gathering():
		w.planLines(n, func(i int) int { return min(i*lineCols, w.flat-lineCols) })
	}
	if w.blocks == nil {
		w.batch = lineCols
		for w.batch > 1 && w.pixels*(w.batch/2)%lineCols == 0 {
			w.batch /= 2
		}
	}
	return w
}

// laid is the elements of a batch in its layout; none of an image that needs none.
func (w *Windows) laid() int {
	if w.layout.isPlain() {
		return 0
	}
	return w.batch * w.layout.image()
}

// sums is the elements of the sums of a block: of the output channels of a group, or of
// some lines of a thin convolution, in whole tiles.
func (w *Windows) sums() int {
	if w.isThin {
		return thinRows*mostThin + mostThin
	}
	return (w.g.OutC/w.g.Groups + mostRows - 1) * blockCols // of tiles of any rows
}

// gathered is the elements of the lines of a block that is gathered.
func (w *Windows) gathered() int {
	if w.blocks != nil {
		return 0
	}
	return blockCols * w.g.K()
}

// block is the pixels whose results are computed at a time. Where lines begin and where
// results go is counted from the beginnings of a group's input and of an image's channel.
type block struct {
	lines, columns int
	base           [mostLines]int
	spans          []span
}

// span is where the results of some columns of a block go.
type span struct{ column, to, n int }

// add appends a span, or lengthens the last.
func (b *block) add(s span) {
	if n := len(b.spans); n > 0 {
		if last := &b.spans[n-1]; last.column+last.n == s.column && last.to+last.n == s.to {
			last.n += s.n
			return
		}
	}
	b.spans = append(b.spans, s)
}

// addFlat adds the pixels among n elements of an image's plane from first on.
func (b *block) addFlat(w *Windows, column, first, n int) {
	width, ow := w.layout.width, w.g.OutW()
	for end := first + n; first < end; {
		oy, ox := first/width, first%width
		next := min(end, (oy+1)*width)
		if ox < ow {
			b.add(span{column, oy*ow + ox, min(ow-ox, end-first)})
		}
		column, first = column+next-first, next
	}
}

// planThin divides a plane into blocks of one line; the last may overlap the one before.
func (w *Windows) planThin() {
	for q, n := 0, 0; q < w.flat; q += n {
		n = min(mostThin, w.flat-q)
		if n < lineCols {
			q, n = w.flat-lineCols, lineCols
		}
		b := block{lines: 1, columns: n}
		b.base[0] = q
		b.addFlat(w, 0, q, n)
		w.blocks = append(w.blocks, b)
	}
}

// planLines divides n lines, which begin where at says, into blocks.
func (w *Windows) planLines(n int, at func(i int) int) {
	for first := 0; first < n; first += mostLines {
		b := block{lines: min(mostLines, n-first)}
		b.columns = b.lines * lineCols
		for i := range b.lines {
			b.base[i] = at(first + i)
			b.addFlat(w, i*lineCols, b.base[i], lineCols)
		}
		w.blocks = append(w.blocks, b)
	}
}

// part is a block of an image and a group: what it reads, and where the results of the first
// output channel of the group go.
type part[T float32 | int8] struct {
	*block
	group int
	from  []T     // the group's input, or the lines
	at    []int32 // where a row of a line lies after its beginning
	to    []T     // the results of the image from the group's on
}

// each lays images out and gives each block with its group to use.
func each[T float32 | int8](w *Windows, images int, x, pad, laid, lines, y []T, use func(p *part[T])) {
	g := w.g
	in, out := g.InC*g.InH*g.InW, g.OutC*w.pixels
	for image := 0; image < images; image += w.batch {
		n := min(w.batch, images-image)
		from := x[image*in : (image+n)*in]
		if !w.layout.isPlain() {
			lay(&w.layout, n, from, pad, laid)
			from = laid
		}
		for group := range g.Groups {
			own := part[T]{group: group, from: from[group*(g.InC/g.Groups)*w.layout.plane():], at: w.at, to: y[image*out+group*(g.OutC/g.Groups)*w.pixels:]}
			for i := range w.blocks {
				own.block = &w.blocks[i]
				use(&own)
			}
			if w.blocks == nil {
				gathers(w, own, n, lines, use)
			}
		}
	}
}

// gathers makes blocks of lines that are gathered from n images.
func gathers[T float32 | int8](w *Windows, own part[T], n int, lines []T, use func(p *part[T])) {
	k, out := w.g.K(), w.g.OutC*w.pixels
	total := n * w.pixels
	var b block
	p := part[T]{block: &b, group: own.group, from: lines, at: strides(k), to: own.to}
	for first := 0; first < total; first += b.columns {
		b.columns = min(blockCols, total-first)
		b.lines, b.spans = (b.columns+lineCols-1)/lineCols, b.spans[:0]
		for j := range b.lines {
			b.base[j] = j * k * lineCols
			gather(w, first+j*lineCols, min(lineCols, b.columns-j*lineCols), own.from, lines[b.base[j]:][:k*lineCols])
		}
		for p := first; p < first+b.columns; {
			size := min(first+b.columns, (p/w.pixels+1)*w.pixels) - p
			b.add(span{p - first, p/w.pixels*out + p%w.pixels, size})
			p += size
		}
		use(&p)
	}
}

// pieces are the parts of a line that lie side by side: where each would begin if it had the
// whole line, and the bits of its columns. Those that are not there have no bits.
type pieces struct {
	at      [mostPieces]int
	columns [mostPieces]uint64
}

// mostPieces is the most pieces of a line whose rows have leastPiece pixels.
const (
	mostPieces = 4
	leastPiece = 4
)

// gather copies the windows of pixels of a batch, from first on, into a line; x begins with
// the channels of a group.
func gather[T float32 | int8](w *Windows, first, pixels int, x, line []T) {
	if pixels < lineCols {
		clear(line)
	}
	image, ow := w.layout.image(), w.g.OutW()
	place := func(p int) int { return p/w.pixels*image + p%w.pixels/ow*w.layout.width + p%w.pixels%ow }
	if processor >= avx512 && ow >= leastPiece {
		var p pieces
		for i, column := 0, 0; column < pixels; i++ {
			n := min(pixels-column, ow-(first+column)%ow)
			p.at[i], p.columns[i] = place(first+column)-column, (1<<n-1)<<column
			column += n
		}
		for i := 1; i < mostPieces; i++ {
			if p.columns[i] == 0 {
				p.at[i] = p.at[0] // no other memory
			}
		}
		switch x := any(x).(type) {
		case []float32:
			gatherFloats(len(w.at), &x[0], &p, &w.at[0], &any(line).([]float32)[0])
		case []int8:
			gatherBytes(len(w.at), &x[0], &p, &w.at[0], &any(line).([]int8)[0])
		}
		return
	}
	// Where runs begin.
	var start [lineCols]int
	runs := pixels / w.run
	for r := range runs {
		start[r] = place(first + r*w.run)
	}
	for _, at := range w.at {
		from, row := x[at:], line[:lineCols]
		line = line[lineCols:]
		switch w.run {
		case 16:
			*(*[16]T)(row) = *(*[16]T)(from[start[0]:])
		case 8:
			for r, a := range start[:runs] {
				*(*[8]T)(row[r*8:]) = *(*[8]T)(from[a:])
			}
		case 4:
			for r, a := range start[:runs] {
				*(*[4]T)(row[r*4:]) = *(*[4]T)(from[a:])
			}
		default:
			for r, a := range start[:runs] {
				row[r] = from[a]
			}
		}
	}
}

// strided is where the rows of lines lie that are gathered or laid out: sixteen
// elements apart.
var strided atomic.Pointer[[]int32]

// strides is that of k rows.
func strides(k int) []int32 {
	if s := strided.Load(); s != nil && len(*s) >= k {
		return (*s)[:k]
	}
	s := make([]int32, max(k, 4096))
	for i := range s {
		s[i] = int32(i * lineCols)
	}
	strided.Store(&s)
	return s[:k]
}
